//! A request: a row of the table of verbs with its arguments.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::BoxFuture;
use serde::de::Error as _;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json, json};
use tokio::sync::mpsc;

use super::verbs::VERBS;
use super::{CommandAnswer, ProgressStep};
use crate::accounts::Role;
use crate::engine::reconcile::daemon::Handle;
use amarre_core::model::Millis;
use amarre_core::model::uses::UseKind;
use amarre_core::plan::render::Style;

/// The longest timeout: a week.
pub const TIMEOUT_MS_MAX: i64 = Millis::minutes(7 * 24 * 60).0;
/// The end of the year 9999.
pub const UNTIL_MS_MAX: i64 = 253_402_300_799_999;
/// The timeout where a request names none.
const TIMEOUT_MS: i64 = Millis::minutes(15).0;

/// A verb: what it takes, who may use it, and how it is carried out.
#[derive(Debug)]
pub struct VerbRow {
    /// Its name in requests, in paths, in the audit log, and on the command line.
    pub word: &'static str,
    /// What it acts on.
    pub subject: Subject,
    /// What carries it out.
    pub deed: Deed,
    /// What it takes; what it acts on comes first.
    pub args: &'static [ArgRow],
    /// The role that it needs with these arguments; `false`: no first consent was given with this ledger.
    pub role: fn(&ActArgs, bool) -> Role,
    /// Whether a person is asked first, on the command line and on a page.
    pub confirm: Confirm,
    /// What it does, for the list of commands; `None`: its command has arguments of its own, in `src/cli`.
    pub about: Option<&'static str>,
    /// Carries it out; `None`: Amarre is stopping.
    pub run: for<'a> fn(&'a Handle, VerbCall<'a>) -> BoxFuture<'a, Option<CommandAnswer>>,
}

/// What carries a verb out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// The command: most ask the loop to plan, and to do what the plan holds.
    Request,
    /// The ledger: what the next plans depend on is another thing from now on.
    Fact,
    /// A provider, once, beside all plans; its events carry the verb as their reason.
    Action,
}

/// What a verb acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// One service, by its first argument.
    Service(ServiceVerb),
    /// Servers at clouds, by its first argument.
    Instances(GroupVerb),
    /// A pool, by its first argument.
    Pool(GroupVerb),
    /// An app, by its first argument.
    App(GroupVerb),
    /// Services, resources or vendors, by its first argument.
    Other,
    /// Everything.
    None,
}

impl Subject {
    /// The sort of resources that its verbs reach, each named by the first argument; `None`: any, so only accounts for all services
    /// may ask.
    pub const fn uses(self) -> Option<UseKind> {
        match self {
            Subject::Service(_) | Subject::Pool(_) | Subject::App(_) => Some(UseKind::Service),
            Subject::Instances(_) => Some(UseKind::CloudServer),
            Subject::Other | Subject::None => None,
        }
    }
}

/// A verb of one service: it has a path of its own, `/api/v1/services/NAME/WORD`, and a button on the service's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceVerb {
    /// What it does, for the OpenAPI document.
    pub summary: &'static str,
    /// Its button: a key of the pages' words.
    pub label: &'static str,
    /// Title and button of the page that asks first, as keys of the pages' words; `None`: the button acts at once.
    pub page: Option<[&'static str; 2]>,
}

/// A verb of one group, such as pools: it has a path of its own, `/api/v1/pools/NAME/WORD`, and a command `amarre pool WORD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupVerb {
    /// The last part of its path, and its command.
    pub word: &'static str,
    /// What it does, for the OpenAPI document.
    pub summary: &'static str,
}

/// Whether a person is asked before a verb is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// Not at all.
    None,
    /// After a forecast (`dry_run`); the answer is `yes`.
    Yes(Question),
    /// The same; the answer is the name of what it acts on.
    Typed(Question),
    /// The same; the answer is what it is called at its vendor, which the request carries as [`VENDOR_NAME`]: it is checked where the
    /// verb is carried out.
    Named(Question),
    /// The same; the answer is a number that the forecast names.
    Count,
}

/// The argument of a verb that is confirmed by the vendor's name.
pub const VENDOR_NAME: &str = "vendor_name";

/// What a person is asked; `{}` is what the verb acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The command: `npm rescue`.
    pub command: &'static str,
    /// `Roll {} back?`
    pub ask: &'static str,
    /// Why nothing is done where there is no terminal; empty: it is done without the question there.
    pub unasked: &'static str,
    /// The exit code of a forecast with which there is something to ask.
    pub exit: u8,
}

impl Confirm {
    /// What is asked for one answer.
    pub const fn question(self) -> Option<Question> {
        match self {
            Confirm::Yes(question) | Confirm::Typed(question) => Some(question),
            Confirm::None | Confirm::Named(_) | Confirm::Count => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct ArgRow {
    /// Its name in requests.
    pub name: &'static str,
    pub shape: ArgShape,
    /// Whether it must be given.
    pub is_required: bool,
    /// How it is given on the command line; `None`: it is not.
    pub typed: Option<TypedArg>,
}

/// An argument on the command line.
#[derive(Debug, Clone, Copy)]
pub struct TypedArg {
    /// `dry-run`; empty: it is given by its place.
    pub flag: &'static str,
    /// Its placeholder: `TIME`.
    pub value: &'static str,
    /// What holds where it is not given.
    pub default: Option<&'static str>,
    pub help: &'static str,
}

/// The form of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgShape {
    Text,
    /// A text, or null.
    TextOrNull,
    /// Several texts.
    Texts,
    /// A list of one text.
    Single,
    /// True or false.
    Flag,
    /// A number, or null.
    Count,
    /// Milliseconds.
    Timeout,
    /// A length of time in milliseconds, or null.
    Span,
    /// Milliseconds since 1970, or null.
    Until,
    /// The account that asks.
    By,
}

/// What a verb is carried out with.
#[derive(Debug, Clone, Copy)]
pub struct VerbCall<'a> {
    pub args: &'a ActArgs,
    /// The form of the text.
    pub style: Style,
    /// Receives the steps.
    pub steps: &'a mpsc::Sender<ProgressStep>,
}

/// The arguments of a request, by name. Each has the form that its row states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActArgs(BTreeMap<&'static str, Json>);

impl ActArgs {
    /// A text; empty where none is given.
    pub fn text(&self, name: &str) -> &str {
        self.given(name).unwrap_or_default()
    }

    /// A text, if one is given.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Several texts.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.0.get(name).and_then(Json::as_array).into_iter().flatten();
        texts.filter_map(Json::as_str).map(str::to_owned).collect()
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Json::as_bool).unwrap_or_default()
    }

    /// A number, if one is given.
    pub fn count(&self, name: &str) -> Option<usize> {
        self.0.get(name)?.as_u64().and_then(|count| usize::try_from(count).ok())
    }

    /// A time, if one is given.
    pub fn time(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    /// How long the caller waits, in milliseconds.
    pub fn timeout_ms(&self) -> i64 {
        self.time("timeout_ms").unwrap_or(TIMEOUT_MS)
    }
}

/// A request that changes the world, or what Amarre may do to it. In JSON: `{"cancel": {"service": "shop"}}`.
#[derive(Debug, Clone)]
pub struct Act {
    pub row: &'static VerbRow,
    pub args: ActArgs,
}

impl VerbRow {
    /// What its path and its button need, where it is a verb of one service.
    pub const fn of_service(&self) -> Option<ServiceVerb> {
        if let Subject::Service(verb) = self.subject { Some(verb) } else { None }
    }

    /// Its word in paths and commands, where it is a verb of servers at clouds.
    pub const fn of_instance(&self) -> Option<&'static str> {
        if let Subject::Instances(verb) = self.subject { Some(verb.word) } else { None }
    }

    /// What its path and its command need, where it is a verb of apps.
    pub const fn of_app(&self) -> Option<GroupVerb> {
        if let Subject::App(verb) = self.subject { Some(verb) } else { None }
    }

    /// What its path and its command need, where it is a verb of pools.
    pub const fn of_pool(&self) -> Option<GroupVerb> {
        if let Subject::Pool(verb) = self.subject { Some(verb) } else { None }
    }
}

impl Act {
    /// A request without arguments.
    pub fn new(row: &'static VerbRow) -> Self {
        Self { row, args: ActArgs::default() }
    }

    /// With an argument of the row; null and names that the row has not are left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        let value = value.into();
        if let Some(arg) = self.row.args.iter().find(|arg| arg.name == name)
            && !value.is_null()
        {
            self.args.0.insert(arg.name, value);
        }
        self
    }

    /// With the account that asks, whatever the request states.
    #[must_use]
    pub fn asked_by(self, who: &str) -> Self {
        self.with("by", who)
    }

    /// Reads the arguments of a verb.
    ///
    /// # Errors
    /// An argument is missing, unknown, of another form or out of range: a sentence for people.
    pub fn parse(row: &'static VerbRow, given: Map<String, Json>) -> Result<Self, String> {
        let mut act = Self::new(row);
        for (name, value) in given {
            let Some(arg) = row.args.iter().find(|arg| arg.name == name) else {
                let known: Vec<String> = row.args.iter().map(|arg| format!("`{}`", arg.name)).collect();
                return Err(format!("unknown field `{name}`, expected one of {}", known.join(", ")));
            };
            if let Some(expected) = arg.shape.expected(&value) {
                return Err(format!("`{name}`: expected {expected}"));
            }
            act = act.with(arg.name, value);
        }
        let missing = row.args.iter().find(|arg| arg.is_required && !act.args.0.contains_key(arg.name));
        match missing {
            Some(arg) => Err(format!("missing field `{}`", arg.name)),
            None => act.out_of_range().map_or(Ok(act), Err),
        }
    }

    /// Why a number is out of range; `None`: all are valid.
    pub fn out_of_range(&self) -> Option<String> {
        let is_outside = |arg: &ArgRow, max: i64| {
            let number = self.args.time(arg.name).filter(|_| matches!(arg.shape, ArgShape::Timeout | ArgShape::Until));
            number.is_some_and(|number| !(0..=max).contains(&number))
        };
        self.row.args.iter().find_map(|arg| match arg.shape {
            ArgShape::Timeout => {
                is_outside(arg, TIMEOUT_MS_MAX).then(|| format!("{}: from 0 to {TIMEOUT_MS_MAX}", arg.name))
            }
            ArgShape::Until => is_outside(arg, UNTIL_MS_MAX)
                .then(|| format!("{}: milliseconds since 1970, to {UNTIL_MS_MAX}", arg.name)),
            ArgShape::Text
            | ArgShape::TextOrNull
            | ArgShape::Texts
            | ArgShape::Single
            | ArgShape::Flag
            | ArgShape::Count
            | ArgShape::Span
            | ArgShape::By => None,
        })
    }

    /// Whether all that it reaches belongs to some services, for an account that is limited to them.
    pub fn is_within(&self, services: &BTreeSet<String>) -> bool {
        let of_service = self.row.subject.uses() == Some(UseKind::Service);
        let first = self.row.args.first().filter(|_| of_service);
        first.and_then(|first| self.args.given(first.name)).is_some_and(|name| services.contains(name))
    }

    /// The name of what it acts on, if it names any: services apart by spaces, `all` for all of them.
    pub fn target(&self) -> Option<String> {
        let first = self.row.args.first().filter(|_| self.row.subject != Subject::None)?;
        match first.shape {
            ArgShape::Texts | ArgShape::Single => {
                let names = self.args.texts(first.name);
                Some(if names.is_empty() { "all".to_owned() } else { names.join(" ") })
            }
            ArgShape::Text | ArgShape::TextOrNull | ArgShape::By => self.args.given(first.name).map(str::to_owned),
            ArgShape::Flag | ArgShape::Count | ArgShape::Timeout | ArgShape::Span | ArgShape::Until => None,
        }
    }

    /// As the audit log names it: `rollback`, or `check_rollback` for a forecast.
    pub fn audit_word(&self) -> String {
        if self.args.flag("dry_run") { format!("check_{}", self.row.word) } else { self.row.word.to_owned() }
    }
}

impl ArgShape {
    /// What a value must be, where it is not.
    fn expected(self, value: &Json) -> Option<&'static str> {
        let (is_right, expected) = match self {
            ArgShape::Text | ArgShape::By => (value.is_string(), "a text"),
            ArgShape::TextOrNull => (value.is_string() || value.is_null(), "a text or null"),
            ArgShape::Texts => {
                (value.as_array().is_some_and(|items| items.iter().all(Json::is_string)), "a list of texts")
            }
            ArgShape::Single => {
                let is_one = |items: &Vec<Json>| matches!(items.as_slice(), [Json::String(_)]);
                (value.as_array().is_some_and(is_one), "a list of one text")
            }
            ArgShape::Flag => (value.is_boolean(), "true or false"),
            ArgShape::Count => (value.is_u64() || value.is_null(), "a number or null"),
            ArgShape::Timeout => (value.is_i64(), "a number of milliseconds"),
            ArgShape::Span => (value.is_i64() || value.is_null(), "a number of milliseconds, or null"),
            ArgShape::Until => (value.is_i64() || value.is_null(), "milliseconds since 1970, or null"),
        };
        (!is_right).then_some(expected)
    }
}

impl Serialize for Act {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.row.word, &json!(self.args.0))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Act {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given: BTreeMap<String, Map<String, Json>> = BTreeMap::deserialize(deserializer)?;
        let mut verbs = given.into_iter();
        let (Some((word, args)), None) = (verbs.next(), verbs.next()) else {
            return Err(D::Error::custom("expected one verb with its arguments"));
        };
        let row = VERBS.into_iter().find(|row| row.word == word);
        let row = row.ok_or_else(|| D::Error::custom(format!("unknown verb `{word}`")))?;
        Act::parse(row, args).map_err(D::Error::custom)
    }
}
