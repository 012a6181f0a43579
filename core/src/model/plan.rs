//! A plan is data: every change, each with its gate and its reason.

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::code::Code;
use super::kinds::Kind;
use super::text::Text;
use super::time::{Millis, Timestamp};
use super::value::{FieldPath, Fields, Value};
use super::world::{Gap, Need, Origin};
use crate::text;

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// It is made with these fields.
    Create(Fields),
    /// These of its fields are written.
    Update(Fields),
    /// It goes.
    Delete,
}

/// When a change may happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// At once.
    Now,
    /// When these have been observed.
    After(Vec<Need>),
    /// Not before a time.
    Until {
        at: Timestamp,
        /// What for.
        what: Wait,
    },
    /// Not before a person has decided.
    Held(Refusal),
}

/// What a change waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// A call left and its outcome is not known yet.
    Settle,
    /// A person stopped it, maybe on purpose.
    StoppedGrace,
    /// The engine started a moment ago and brings its containers back by itself.
    EngineStart,
    /// The last tries went wrong.
    Backoff,
    /// The provider fails for everybody; one change at a time is tried there.
    Provider,
    /// Nothing leads to it any more; what is open at it ends.
    Drain,
    /// A reservation has the machine.
    Lent,
    /// Let's Encrypt would not give one more yet.
    Budget,
    /// The last order of this certificate failed, or nobody knows how it ended.
    Order,
    /// As many images were built for the service within an hour as may be.
    Builds,
}

impl Wait {
    pub const ALL: [Self; 10] = [
        Self::Settle,
        Self::StoppedGrace,
        Self::EngineStart,
        Self::Backoff,
        Self::Provider,
        Self::Drain,
        Self::Lent,
        Self::Budget,
        Self::Order,
        Self::Builds,
    ];

    /// As documents say it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Settle => "settle",
            Self::StoppedGrace => "stopped_grace",
            Self::EngineStart => "engine_start",
            Self::Backoff => "backoff",
            Self::Provider => "provider",
            Self::Drain => "drain",
            Self::Lent => "lent",
            Self::Budget => "budget",
            Self::Order => "order",
            Self::Builds => "builds",
        }
    }
}

/// What a person can do, and the command for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "HintDocument", into = "HintDocument")]
pub struct Hint {
    pub text: Text,
    /// A complete command, where there is one.
    pub command: Option<String>,
}

/// A hint as it is sent and stored: `text` is English, beside it what a reader in another language needs.
#[derive(Clone, Serialize, Deserialize)]
struct HintDocument {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    command: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none", default)]
    said: Option<Text>,
}

impl From<Hint> for HintDocument {
    fn from(hint: Hint) -> Self {
        let text = hint.text.to_string();
        Self { text, command: hint.command, said: Some(hint.text).filter(|text| !text.is_foreign()) }
    }
}

impl From<HintDocument> for Hint {
    fn from(document: HintDocument) -> Self {
        let HintDocument { text, command, said } = document;
        Self { text: said.unwrap_or_else(|| Text::foreign(text)), command }
    }
}

impl Hint {
    /// The words, and the command behind them.
    pub fn in_line(&self) -> String {
        self.command.as_ref().map_or_else(|| self.text.to_string(), |command| format!("{}: {command}", self.text))
    }

    /// Words only.
    pub fn text(text: impl Into<Text>) -> Self {
        Self { text: text.into(), command: None }
    }

    /// Words and the command.
    pub fn command(text: impl Into<Text>, command: impl Into<String>) -> Self {
        Self { text: text.into(), command: Some(command.into()) }
    }
}

/// Codes of the guard: what it holds, it holds for all services together, and says once.
pub mod guards {
    use super::Code;

    /// Services whose manifests are gone.
    pub const SERVICES: Code = Code::A0401;
    /// Records that the ledger never knew.
    pub const UNKNOWN: Code = Code::A0430;
    /// Records or hosts of one service.
    pub const CROWD: Code = Code::A0431;
    pub const ALL: [Code; 3] = [SERVICES, UNKNOWN, CROWD];

    /// Whether a code is one of the guard's.
    pub fn is_one(code: Code) -> bool {
        ALL.contains(&code)
    }
}

/// What we decline to do, and the way past it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "RefusalDocument", into = "RefusalDocument")]
pub struct Refusal {
    /// For machines and `amarre help`.
    pub code: Code,
    /// For people.
    pub message: Text,
    /// What was found there, as lines of `field value`.
    pub found: Vec<(Text, Text)>,
    /// The ways past it.
    pub hints: Vec<Hint>,
}

/// A refusal as it is sent: `message` and `found` are English, as the `text` of a hint.
#[derive(Clone, Serialize, Deserialize)]
struct RefusalDocument {
    code: Code,
    message: String,
    found: Vec<(String, String)>,
    /// `found` in parts, where it has some.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    found_said: Option<Vec<(Text, Text)>>,
    hints: Vec<Hint>,
    #[serde(flatten, skip_serializing_if = "Option::is_none", default)]
    said: Option<Text>,
}

impl From<Refusal> for RefusalDocument {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, message, found, hints } = refusal;
        let english = message.to_string();
        let plain = found.iter().map(|(field, value)| (field.to_string(), value.to_string())).collect();
        let found_said =
            Some(found).filter(|found| found.iter().any(|(field, value)| !(field.is_foreign() && value.is_foreign())));
        Self {
            code,
            message: english,
            found: plain,
            found_said,
            hints,
            said: Some(message).filter(|text| !text.is_foreign()),
        }
    }
}

impl From<RefusalDocument> for Refusal {
    fn from(document: RefusalDocument) -> Self {
        let RefusalDocument { code, message, found, found_said, hints, said } = document;
        let plain = || found.into_iter().map(|(field, value)| (field.into(), value.into())).collect();
        let found = found_said.unwrap_or_else(plain);
        Self { code, message: said.unwrap_or_else(|| Text::foreign(message)), found, hints }
    }
}

impl Refusal {
    /// Whether people said that it is left as it is, for a while or for good: nothing about it needs them.
    pub fn is_left(&self) -> bool {
        self.code == Code::A0403 || self.is_report()
    }

    /// Whether the guard holds it: the plan's `guard` says why, once for all that it holds.
    pub fn is_guard(&self) -> bool {
        guards::is_one(self.code)
    }

    /// Whether it is `mode: report`.
    pub fn is_report(&self) -> bool {
        self.code == Code::A0417
    }

    /// Whether it was tried and did not work, and is not tried again.
    pub fn is_failure(&self) -> bool {
        self.code == Code::A0512
    }
}

/// Why a change is in the plan. The list is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The manifest is new.
    ManifestNew,
    /// The manifest changed.
    ManifestChanged,
    /// A key of amarre.yaml changed that the manifest leaves open.
    ConfigurationChanged,
    /// The manifest is gone.
    ManifestRemoved,
    /// It was there and is not.
    Missing,
    /// It differs from what was last applied.
    Drift,
    /// The tag names another image now.
    ImageMoved,
    /// Something it points to was replaced.
    DependencyReplaced,
    /// `amarre destroy` asked for it.
    DestroyAsked,
    /// The generation before is put back.
    Rollback,
    /// `amarre rollback` asked for it.
    RollbackAsked,
    /// `amarre release` asked for it.
    Released,
    /// A reservation began, was changed or is over.
    Reserved,
}

impl ReasonCode {
    pub const ALL: [ReasonCode; 13] = [
        ReasonCode::ManifestNew,
        ReasonCode::ManifestChanged,
        ReasonCode::ConfigurationChanged,
        ReasonCode::ManifestRemoved,
        ReasonCode::Missing,
        ReasonCode::Drift,
        ReasonCode::ImageMoved,
        ReasonCode::DependencyReplaced,
        ReasonCode::DestroyAsked,
        ReasonCode::Rollback,
        ReasonCode::RollbackAsked,
        ReasonCode::Released,
        ReasonCode::Reserved,
    ];

    /// The word in JSON and in the ledger.
    pub const fn word(self) -> &'static str {
        match self {
            ReasonCode::ManifestNew => "manifest_new",
            ReasonCode::ManifestChanged => "manifest_changed",
            ReasonCode::ConfigurationChanged => "configuration_changed",
            ReasonCode::ManifestRemoved => "manifest_removed",
            ReasonCode::Missing => "missing",
            ReasonCode::Drift => "drift",
            ReasonCode::ImageMoved => "image_moved",
            ReasonCode::DependencyReplaced => "dependency_replaced",
            ReasonCode::DestroyAsked => "destroy_asked",
            ReasonCode::Rollback => "rollback",
            ReasonCode::RollbackAsked => "rollback_asked",
            ReasonCode::Released => "released",
            ReasonCode::Reserved => "reserved",
        }
    }
}

/// Why a change is in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For machines.
    pub code: ReasonCode,
    /// For people; may change.
    pub text: Text,
    /// Where that is said, when a manifest says it.
    pub origin: Option<Origin>,
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDiff {
    pub field: FieldPath,
    /// What is there; `None` = absent.
    pub from: Option<Value>,
    /// What will be; `None` = absent.
    pub to: Option<Value>,
}

impl FieldDiff {
    /// As a line below a refusal, each value as `shown` has it.
    pub fn found(&self, shown: impl Fn(&Option<Value>) -> String) -> (Text, Text) {
        ((&self.field).into(), text!("{from}, wanted {to}", from = shown(&self.from), to = shown(&self.to)))
    }
}

/// Whether people notice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Downtime {
    /// Nobody does.
    #[default]
    None,
    /// Something is away for a while; how long is not known from here.
    Some,
}

/// What a change does to the outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impact {
    /// Whether something is away meanwhile.
    pub downtime: Downtime,
    /// What becomes reachable, a line each.
    pub exposes: Vec<Text>,
}

/// What the change expects to find; re-read just before harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// Nothing at this address.
    Absent,
    /// The same thing with the same fields.
    Unchanged {
        /// The vendor's id.
        vendor_id: String,
        /// Digest of the fields that were observed.
        fields: String,
    },
}

/// One change of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub address: Address,
    pub service: String,
    /// What happens.
    pub verb: Verb,
    /// Field by field.
    pub diff: Vec<FieldDiff>,
    pub because: Reason,
    /// What people notice.
    pub impact: Impact,
    /// What must still be so.
    pub expects: Expect,
    pub gate: Gate,
}

/// What an update of a certificate says that only brings the hosts of its names back on line.
pub const LOADED: &str = "loaded";
/// What an update of a certificate says that has it renewed now.
pub const RENEWED: &str = "renewed";

impl Change {
    /// Whether it only brings the hosts of a certificate's names back on line.
    pub fn is_load(&self) -> bool {
        self.says(LOADED)
    }

    /// Whether Let's Encrypt is asked: for a certificate that is not there, or for the next one.
    pub fn is_order(&self) -> bool {
        self.address.kind == Kind::Certificate && matches!(self.verb, Verb::Create(_)) || self.says(RENEWED)
    }

    fn says(&self, word: &str) -> bool {
        let says = |fields: &Fields| fields.flag(word) == Some(true);
        self.address.kind == Kind::Certificate && matches!(&self.verb, Verb::Update(fields) if says(fields))
    }

    /// Whether the vendor bills something from it on.
    pub fn begins_to_cost(&self) -> bool {
        self.address.kind.traits().costs_money && matches!(self.verb, Verb::Create(_))
    }

    /// Whether it may happen at once.
    pub fn is_now(&self) -> bool {
        self.gate == Gate::Now
    }

    /// Why it is held, when it is.
    pub fn refusal(&self) -> Option<&Refusal> {
        if let Gate::Held(refusal) = &self.gate { Some(refusal) } else { None }
    }

    /// Why it is held against what people want. What they want shown only is nobody's trouble.
    pub fn trouble(&self) -> Option<&Refusal> {
        self.refusal().filter(|refusal| !refusal.is_report())
    }

    /// `create`, `update` or `delete`.
    pub fn action(&self) -> &'static str {
        match self.verb {
            Verb::Create(_) => "create",
            Verb::Update(_) => "update",
            Verb::Delete => "delete",
        }
    }
}

/// Something worth a line that is no change (used, not owned; kept; waits for a probe).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Note {
    pub service: String,
    /// About what.
    pub address: Option<Address>,
    pub text: Text,
    /// The code of what is left alone, where it is about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// Everything that stands between the observed world and one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Changes in the order of execution.
    pub changes: Vec<Change>,
    /// Worth knowing.
    pub notes: Vec<Note>,
    /// What could not be observed.
    pub gaps: Vec<Gap>,
    /// When to look again even if nothing wakes us; `None` = at the interval.
    pub next_look: Option<Timestamp>,
    /// The guard that held deletes, if one did.
    pub guard: Option<Refusal>,
}

impl Plan {
    /// Whether there is nothing to do and nothing held.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether everything was seen that services can have.
    pub fn has_seen_services(&self) -> bool {
        self.gaps.iter().all(Gap::is_of_machine)
    }

    /// The earlier of what is planned and `at`.
    pub fn look_by(&mut self, at: Timestamp) {
        self.next_look = Some(self.next_look.map_or(at, |planned| planned.min(at)));
    }

    /// Looks again `span` after `now`.
    pub fn look_in(&mut self, now: Timestamp, span: Millis) {
        self.look_by(now + span);
    }
}
