//! The commands of the table of verbs: their arguments, the question, the request.

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use serde_json::Value as Json;

use super::CommandFailure;
use super::args::Args;
use super::commands::{REFUSED, act_and_print, agrees, millis, whoami};
use super::link::Link;
use super::output::Output;
use super::times;
use crate::engine::commands::Act;
use crate::engine::commands::act::{ActArgs, ArgRow, ArgShape, Confirm, Question, TypedArg, VENDOR_NAME, VerbRow};
use crate::engine::commands::pool_machines::{LIST, PASSWORD};
use crate::engine::commands::pools::{FINGERPRINTS, PUBLIC_KEY, USERS};
use crate::engine::commands::verbs::POOL_REGISTER;
use amarre_core::model::Code;

/// A command of the table, as typed.
#[derive(Debug)]
pub struct VerbCommand {
    act: Act,
    /// The time for `until_ms`, as typed.
    until: Option<(&'static str, String)>,
    /// The question is answered.
    yes: bool,
}

/// A row with its command, and what it does.
pub type CommandRow = (&'static VerbRow, &'static str, &'static str);

fn argument(arg: &ArgRow) -> Option<Arg> {
    let TypedArg { flag, value, default, help } = arg.typed?;
    let plain = Arg::new(arg.name).help(help).required(arg.is_required);
    let plain = if flag.is_empty() { plain } else { plain.long(flag) };
    let valued = |plain: Arg| default.into_iter().fold(plain.value_name(value), Arg::default_value);
    Some(match arg.shape {
        ArgShape::By => return None,
        ArgShape::Flag => plain.action(ArgAction::SetTrue),
        ArgShape::Texts => valued(plain).num_args(1..),
        ArgShape::Timeout | ArgShape::Span => valued(plain).value_parser(humantime::parse_duration),
        ArgShape::Count => valued(plain).value_parser(value_parser!(u64)),
        ArgShape::Text | ArgShape::TextOrNull | ArgShape::Single | ArgShape::Until => valued(plain),
    })
}

/// A row as a command.
pub fn command((row, word, about): CommandRow) -> Command {
    let yes = Arg::new("yes").short('y').long("yes").help("Skip the confirmation prompt").action(ArgAction::SetTrue);
    let yes = row.confirm.question().map(|_| yes);
    Command::new(word).about(about).args(row.args.iter().filter_map(argument)).args(yes)
}

impl VerbCommand {
    /// The row of the command that was typed, with its arguments.
    pub fn from_rows(mut rows: impl Iterator<Item = CommandRow>, matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = matches.subcommand().and_then(|(name, typed)| {
            let (row, ..) = rows.find(|(_, word, _)| *word == name)?;
            Some((row, typed))
        });
        let (row, typed) = typed.ok_or_else(|| clap::Error::new(ErrorKind::MissingSubcommand))?;
        let yes = row.confirm.question().is_some() && typed.get_flag("yes");
        let mut command = Self { act: Act::new(row), until: None, yes };
        for arg in row.args.iter().filter(|arg| arg.typed.is_some() || arg.shape == ArgShape::By) {
            command.read(arg, typed);
        }
        Ok(command)
    }

    fn read(&mut self, arg: &'static ArgRow, typed: &ArgMatches) {
        let act = self.act.clone();
        let text = |name: &str| typed.get_one::<String>(name).cloned();
        self.act = match arg.shape {
            ArgShape::By => act.asked_by(&whoami()),
            ArgShape::Text | ArgShape::TextOrNull => act.with(arg.name, text(arg.name)),
            ArgShape::Texts => {
                let texts = typed.get_many::<String>(arg.name).into_iter().flatten().cloned();
                act.with(arg.name, texts.collect::<Vec<_>>())
            }
            ArgShape::Single => act.with(arg.name, text(arg.name).into_iter().collect::<Vec<_>>()),
            ArgShape::Flag => act.with(arg.name, typed.get_flag(arg.name)),
            ArgShape::Count => act.with(arg.name, typed.get_one::<u64>(arg.name).copied()),
            ArgShape::Timeout | ArgShape::Span => {
                act.with(arg.name, typed.get_one::<std::time::Duration>(arg.name).map(|span| millis(*span)))
            }
            ArgShape::Until => {
                self.until = text(arg.name).map(|text| (arg.name, text));
                act
            }
        };
    }
}

/// A command of the table.
pub async fn run(args: &Args, verb: &VerbCommand, output: &Output) -> Result<u8, CommandFailure> {
    let mut act = verb.act.clone();
    if let Some(file) = verb.act.args.given(PUBLIC_KEY).filter(|given| !given.contains("AAAA")) {
        act = act.with(PUBLIC_KEY, public_key(file)?);
    }
    if let [file] = verb.act.args.texts(USERS).as_slice()
        && std::path::Path::new(file).is_file()
    {
        act = act.with(USERS, lines(file)?);
    }
    if act.row.word == POOL_REGISTER.word {
        act = with_files(act, output)?;
    }
    if let Some((name, text)) = &verb.until {
        act = act.with(name, times::future_time(text)?);
    }
    let link = Link::open(args).await?;
    let code = ask_and_act(&link, act, verb.yes, output).await;
    link.close().await;
    code
}

/// The fingerprints of host keys that a forecast shows.
fn fingerprints(document: &Json) -> Vec<String> {
    let machines = document["machines"].as_array().into_iter().flatten();
    machines.filter_map(|machine| machine["fingerprint"].as_str()).map(str::to_owned).collect()
}

/// The lines of a file, without those that are empty or comments.
fn lines(file: &str) -> Result<Vec<String>, CommandFailure> {
    let read = std::fs::read_to_string(file).map_err(|error| {
        CommandFailure::new(Code::A0765, format!("could not read {file}: {error}"), "give a file with a name a line")
    })?;
    let lines = read.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

/// What stands in files in the place of their names: a password, a list of machines.
fn with_files(mut act: Act, output: &Output) -> Result<Act, CommandFailure> {
    const BYTES_MAX: usize = 256 * 1024;
    for arg in [PASSWORD, LIST] {
        let Some(file) = act.args.given(arg).map(str::to_owned) else { continue };
        let read = match file.as_str() {
            "-" => output.input(BYTES_MAX).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            file => std::fs::read_to_string(file),
        };
        let text = read.map_err(|error| {
            let hint = "give the path of a file, or `-` for the standard input";
            CommandFailure::new(Code::A0765, format!("could not read {file}: {error}"), hint)
        })?;
        let text = if arg == PASSWORD { text.trim_end_matches(['\r', '\n']) } else { &text };
        act = act.with(arg, text);
    }
    Ok(act)
}

/// The line of a public key in a file.
fn public_key(file: &str) -> Result<String, CommandFailure> {
    let read = std::fs::read_to_string(file);
    read.map(|line| line.trim().to_owned()).map_err(|error| {
        let hint = "give the line of a .pub file, or the path of one";
        CommandFailure::new(Code::A0765, format!("could not read the key {file}: {error}"), hint)
    })
}

/// Shows what would be done and asks, where the verb asks; then sends the request. `dry_run` only shows.
pub async fn ask_and_act(link: &Link, mut act: Act, yes: bool, output: &Output) -> Result<u8, CommandFailure> {
    let confirm = act.row.confirm;
    if let Confirm::Named(question) = confirm {
        return ask_its_name(link, act, question, output).await;
    }
    let Some(question) = confirm.question() else { return act_and_print(link, act, output).await };
    let (dry_run, target) = (act.args.flag("dry_run"), act.target().unwrap_or_default());
    let command = typed(&act, question);
    let asks = !yes && (output.is_terminal() || !question.unasked.is_empty());
    if dry_run || asks {
        let shown = link.act(act.clone().with("dry_run", true), output).await?;
        output.data(&shown.text);
        let code = shown.exit;
        // What a person compares is what counts, whatever is shown by then.
        act = act.with(FINGERPRINTS, fingerprints(&shown.document));
        if dry_run && code == 0 && matches!(confirm, Confirm::Typed(_)) {
            output.data(&format!("Next: {command}\n"));
        }
        if dry_run || code != question.exit {
            return Ok(code);
        }
        let filled = |text: &str| text.replace("{}", &target);
        let refusal =
            CommandFailure::new(Code::A0402, filled(question.unasked), format!("if you mean it: {command} --yes"));
        let expected = if matches!(confirm, Confirm::Typed(_)) { &target } else { "yes" };
        if !agrees(output, &filled(question.ask), expected, &refusal) {
            return Ok(REFUSED);
        }
    }
    act_and_print(link, act, output).await
}

/// Shows what would be done and asks for the vendor's name, unless the request carries one.
async fn ask_its_name(link: &Link, act: Act, question: Question, output: &Output) -> Result<u8, CommandFailure> {
    let dry_run = act.args.flag("dry_run");
    if !dry_run && act.args.given(VENDOR_NAME).is_some() {
        return act_and_print(link, act, output).await;
    }
    let code = act_and_print(link, act.clone().with("dry_run", true), output).await?;
    if dry_run || code != question.exit {
        return Ok(code);
    }
    let target = act.target().unwrap_or_default();
    if !output.is_terminal() {
        let hint = format!("if you mean it: {} --name NAME", typed(&act, question));
        output.failure(&CommandFailure::new(Code::A0402, question.unasked.replace("{}", &target), hint));
        return Ok(REFUSED);
    }
    let ask = question.ask.replace("{}", &target);
    let typed = output.answer(&format!("{ask} Type its name at its vendor, or press Enter to stop:"));
    if typed.is_empty() {
        output.note("Nothing was changed.");
        return Ok(REFUSED);
    }
    act_and_print(link, act.with(VENDOR_NAME, typed), output).await
}

/// The command as it would be typed, with its texts.
fn typed(act: &Act, question: Question) -> String {
    let mut command = format!("amarre {}", question.command);
    for (typed, text) in act.row.args.iter().filter_map(|arg| Some((arg.typed?, typed_text(&act.args, arg)?))) {
        let flag = if typed.flag.is_empty() { String::new() } else { format!("--{} ", typed.flag) };
        command.push_str(&format!(" {flag}{text}"));
    }
    command
}

/// An argument that is a text, as it would be typed.
fn typed_text(args: &ActArgs, arg: &ArgRow) -> Option<String> {
    match arg.shape {
        ArgShape::Text | ArgShape::TextOrNull => args.given(arg.name).map(quoted),
        ArgShape::Texts | ArgShape::Single => {
            Some(args.texts(arg.name).iter().map(|text| quoted(text)).collect::<Vec<_>>().join(" "))
        }
        ArgShape::Flag | ArgShape::Count | ArgShape::Timeout | ArgShape::Span | ArgShape::Until | ArgShape::By => None,
    }
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.,:/=@+".contains(letter);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
