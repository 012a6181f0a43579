//! The table of reads: every list, every document and every log that people and programs ask for. The `GET` route, the
//! OpenAPI operation, the role check and the commands are made from it. Its twin is the table of verbs.

mod apps;
mod instances;
mod pools;
mod services;

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value as Json;

pub use self::apps::{BUILD_LOG, DEPLOYMENT_LOG};
pub use self::instances::INSTANCE;
pub use self::services::{EVENTS, HISTORY, LOGS, PREVIEW, SERVICE, STATUS};
use super::{CommandAnswer, CommandEnd};
use crate::accounts::Role;
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::pass_view::PassView;
use amarre_core::plan::render::Style;

/// Every read, in the order of the OpenAPI document.
pub fn all() -> impl Iterator<Item = &'static ReadRow> {
    services::ROWS.iter().chain(instances::ROWS).chain(apps::ROWS).chain(pools::ROWS).copied()
}

/// A read: its path, what it takes, who may ask, and what answers.
#[derive(Debug)]
pub struct ReadRow {
    /// Its name in the OpenAPI document and in the audit log.
    pub id: &'static str,
    /// `/api/v1/pools/{name}`; an argument in braces is a part of the path, every other one is in the query.
    pub path: &'static str,
    /// What it shows.
    pub about: &'static str,
    pub args: &'static [ReadArg],
    /// The role that it needs; `None`: that of a viewer, and none on this machine.
    pub role: Option<Role>,
    pub cost: ReadCost,
    /// Only the owner of the socket may ask.
    pub is_private: bool,
    /// With `Accept: text/event-stream` the events come as they happen.
    pub is_live: bool,
    /// What its document looks like.
    pub schema: ReadSchema,
    /// What it refuses, by HTTP status.
    pub refuses: &'static [(u16, &'static str)],
    /// Its command; `None`: the command has arguments of its own, in `src/cli`.
    pub command: Option<ReadCommand>,
    pub run: ReadRun,
    /// What is read beside the answer, which does not wait for it.
    pub beside: Option<fn(Handle) -> BoxFuture<'static, ()>>,
}

/// The schema of a document.
#[derive(Debug, Clone, Copy)]
pub enum ReadSchema {
    /// One of these schemas of the OpenAPI document, by name.
    Named(&'static [&'static str]),
    /// That of its struct.
    OfStruct(fn(&mut SchemaGenerator) -> Schema),
}

/// What a read rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadCost {
    /// The result of the last pass.
    LastPass,
    /// The ledger alone.
    Ledger,
    /// What this version of Amarre knows.
    Nothing,
    /// A pass of its own, or engines: providers are asked, which counts as work.
    NewPass,
}

/// A command that is made from a row.
#[derive(Debug, Clone, Copy)]
pub struct ReadCommand {
    /// `pool`; empty: it is a command by itself.
    pub group: &'static str,
    pub word: &'static str,
    /// What it does, for the list of commands.
    pub about: &'static str,
}

/// One argument of a read.
#[derive(Debug, Clone, Copy)]
pub struct ReadArg {
    pub name: &'static str,
    pub shape: ReadShape,
    pub about: &'static str,
    pub is_required: bool,
    /// How it is given on the command line; `None`: it is not.
    pub typed: Option<TypedReadArg>,
}

/// An argument of a read on the command line.
#[derive(Debug, Clone, Copy)]
pub struct TypedReadArg {
    /// `region`; empty: it is given by its place.
    pub flag: &'static str,
    pub short: Option<char>,
    /// Its placeholder: `REGION`.
    pub value: &'static str,
    /// What the command asks for where it is not given.
    pub usual: Option<&'static str>,
    pub help: &'static str,
}

/// The form of an argument.
#[derive(Debug, Clone, Copy)]
pub enum ReadShape {
    Text,
    /// A full domain name.
    Domain,
    Flag,
    /// A number within these bounds.
    Number(u64, u64),
    /// One of these words.
    Word(fn() -> Vec<String>),
}

/// What answers a read.
#[derive(Debug, Clone, Copy)]
pub enum ReadRun {
    /// Shows the last pass.
    OfPass(fn(&ReadCall<'_>, &PassView) -> CommandAnswer),
    /// Asks the ledger, the loop or providers.
    Waits(for<'a> fn(&'a ReadCall<'a>) -> BoxFuture<'a, ReadResult>),
}

/// What a read is carried out with.
pub struct ReadCall<'a> {
    pub handle: &'a Handle,
    pub args: ReadArgs,
    pub style: Style,
    pub form: ReadForm,
    /// Whether the account that asks may see every service.
    pub sees_all: bool,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadForm {
    /// A document; of a list one page.
    Document,
    /// A text for people, perhaps beside its document; of a list all rows.
    Text,
}

/// A report, or why there is none.
pub type ReadResult = Result<Box<dyn Report>, CommandEnd>;

/// What a read answers with. Document and text show the same.
pub trait Report: Send + Sync {
    fn document(&self) -> Json;
    fn text(&self, style: Style) -> String;
    /// The exit code of its command.
    fn exit(&self) -> u8 {
        0
    }
}

/// A report whose text was written with its document.
impl Report for CommandAnswer {
    fn document(&self) -> Json {
        self.document.clone()
    }

    fn text(&self, _style: Style) -> String {
        self.text.clone()
    }

    fn exit(&self) -> u8 {
        self.exit
    }
}

/// An answer as a report, unless it is a refusal.
fn reported(answer: CommandAnswer) -> ReadResult {
    if answer.refused().is_some() { Err(answer.into()) } else { Ok(Box::new(answer)) }
}

/// The same of an answer that is missing when Amarre stops.
fn reported_unless_stopping(answer: Option<CommandAnswer>) -> ReadResult {
    reported(answer.ok_or(CommandEnd::Stopping)?)
}

/// The arguments of a read, by name. Each has the form that its row states.
#[derive(Debug, Clone, Default)]
pub struct ReadArgs(BTreeMap<&'static str, String>);

impl ReadArgs {
    /// Reads the parameters of a request; those that the row does not have are left out.
    ///
    /// # Errors
    /// A parameter is missing, is given twice, or does not have its form: a sentence for people.
    pub fn parse(row: &ReadRow, given: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let mut args = Self::default();
        for (name, value) in given {
            let Some(arg) = row.args.iter().find(|arg| arg.name == name) else { continue };
            if let Some(wrong) = arg.shape.mistake(&value) {
                return Err(format!("{name}: {wrong}"));
            }
            if args.0.insert(arg.name, value).is_some() {
                return Err(format!("{name}: it is given twice"));
            }
        }
        match row.args.iter().find(|arg| arg.is_required && !args.0.contains_key(arg.name)) {
            Some(missing) => Err(format!("{}: it is missing", missing.name)),
            None => Ok(args),
        }
    }

    /// A text; empty where none is given.
    pub fn text(&self, name: &str) -> &str {
        self.given(name).unwrap_or_default()
    }

    /// A text, if one is given.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.given(name) == Some("true")
    }

    /// A number, if one is given.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.given(name)?.parse().ok()
    }
}

impl ReadShape {
    /// What is wrong with a value.
    fn mistake(self, value: &str) -> Option<String> {
        match self {
            ReadShape::Text | ReadShape::Domain => None,
            ReadShape::Flag => (!["true", "false"].contains(&value)).then(|| "it is `true` or `false`".to_owned()),
            ReadShape::Number(least, most) => match value.parse::<u64>() {
                Ok(number) if (least..=most).contains(&number) => None,
                Ok(number) => Some(format!("{number} is not from {least} to {most}")),
                Err(_) => Some("it is not a whole number from 0 on".to_owned()),
            },
            ReadShape::Word(words) => {
                let words = words();
                let known: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
                (!words.iter().any(|word| word == value)).then(|| format!("`{value}` is none of {}", known.join(", ")))
            }
        }
    }
}

impl ReadRow {
    /// Answers it.
    pub async fn answer(&self, call: &ReadCall<'_>) -> ReadResult {
        match self.run {
            ReadRun::OfPass(show) => reported(show(call, &call.handle.last_pass().0)),
            ReadRun::Waits(ask) => ask(call).await,
        }
    }

    /// The path with the arguments that are a part of it, and the others.
    pub fn request<'a>(&self, args: &'a [(&'static str, String)]) -> (String, Vec<(&'static str, &'a str)>) {
        let mut path = self.path.to_owned();
        let mut query = Vec::new();
        for (name, value) in args {
            let part = format!("{{{name}}}");
            if path.contains(&part) {
                path = path.replace(&part, &in_path(value));
            } else {
                query.push((*name, value.as_str()));
            }
        }
        (path, query)
    }

    /// Whether an argument is a part of the path.
    pub fn is_in_path(&self, arg: &ReadArg) -> bool {
        self.path.contains(&format!("{{{}}}", arg.name))
    }
}

/// A text as one part of a path.
fn in_path(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:@".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

const fn arg(name: &'static str, shape: ReadShape, about: &'static str) -> ReadArg {
    ReadArg { name, shape, about, is_required: false, typed: None }
}

/// An argument that the command line takes, too: by its place where it has no flag.
const fn typed(arg: ReadArg, flag: &'static str, value: &'static str, help: &'static str) -> ReadArg {
    ReadArg { typed: Some(TypedReadArg { flag, short: None, value, usual: None, help }), ..arg }
}

const fn required(arg: ReadArg) -> ReadArg {
    ReadArg { is_required: true, ..arg }
}

/// With a letter on the command line.
const fn short(arg: ReadArg, letter: char) -> ReadArg {
    match arg.typed {
        Some(typed) => ReadArg { typed: Some(TypedReadArg { short: Some(letter), ..typed }), ..arg },
        None => arg,
    }
}

const fn usually(arg: ReadArg, usual: &'static str) -> ReadArg {
    match arg.typed {
        Some(typed) => ReadArg { typed: Some(TypedReadArg { usual: Some(usual), ..typed }), ..arg },
        None => arg,
    }
}

const fn command(group: &'static str, word: &'static str, about: &'static str) -> Option<ReadCommand> {
    Some(ReadCommand { group, word, about })
}

/// The schema of a document that is a struct.
const fn of_struct<T: JsonSchema>() -> ReadSchema {
    ReadSchema::OfStruct(|generator| generator.subschema_for::<T>())
}

/// A read that shows what the last pass saw.
const fn read(id: &'static str, path: &'static str, about: &'static str, schema: ReadSchema, run: ReadRun) -> ReadRow {
    ReadRow {
        id,
        path,
        about,
        args: &[],
        role: None,
        cost: ReadCost::LastPass,
        is_private: false,
        is_live: false,
        schema,
        refuses: &[],
        command: None,
        run,
        beside: None,
    }
}

const SMALL: ReadShape = ReadShape::Number(0, u32::MAX as u64);
/// The largest page of a list.
const PAGE_MAX: usize = 1_000;
const PAGE: ReadArg =
    arg("limit", ReadShape::Number(1, PAGE_MAX as u64), "At most so many; 1,000 if not said, and at most");
const CURSOR: ReadArg = arg("cursor", SMALL, "Where to go on: the `next` of another answer");

/// The rows that are shown of a list: of a document one page, of a text all.
fn page(call: &ReadCall<'_>, rows: usize) -> std::ops::Range<usize> {
    if call.form == ReadForm::Text {
        return 0..rows;
    }
    let length = call.args.number::<usize>("limit").unwrap_or(PAGE_MAX);
    let from = call.args.number::<usize>("cursor").unwrap_or_default().min(rows);
    from..(from + length).min(rows)
}
