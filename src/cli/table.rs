//! The commands that the tables of verbs and of reads make: `amarre suspend`, `amarre pool show`.

use std::marker::PhantomData;

use clap::builder::{EnumValueParser, PossibleValuesParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, Subcommand, value_parser};

use super::CommandFailure;
use super::args::{Args, OutputFormat};
use super::commands::print;
use super::link;
use super::output::Output;
use super::verbs::{self, CommandRow, VerbCommand};
use crate::engine::commands::act::{Subject, VerbRow};
use crate::engine::commands::reads::{self, ReadArg, ReadRow, ReadShape, TypedReadArg};
use crate::engine::commands::verbs::{CANCEL, ROLLBACK, VERBS};

/// A group of commands.
pub trait CommandGroup: Send + Sync + 'static {
    /// As reads name it: `pool`; empty: the commands that are in none.
    const WORD: &'static str;
    /// The verb's command here, if it has one.
    fn verb(row: &'static VerbRow) -> Option<CommandRow>;
}

/// `amarre suspend`
#[derive(Debug)]
pub struct General;

impl CommandGroup for General {
    const WORD: &'static str = "";

    fn verb(row: &'static VerbRow) -> Option<CommandRow> {
        Some((row, row.word, row.about?))
    }
}

/// `amarre instance start`
#[derive(Debug)]
pub struct Instances;

impl CommandGroup for Instances {
    const WORD: &'static str = "instance";

    fn verb(row: &'static VerbRow) -> Option<CommandRow> {
        let Subject::Instances(verb) = row.subject else { return None };
        Some((row, verb.word, verb.summary))
    }
}

/// `amarre pool reserve`
#[derive(Debug)]
pub struct Pools;

impl CommandGroup for Pools {
    const WORD: &'static str = "pool";

    fn verb(row: &'static VerbRow) -> Option<CommandRow> {
        row.of_pool().map(|verb| (row, verb.word, verb.summary))
    }
}

/// `amarre app deploy`: the verbs of apps, and those of services that are looked for there.
#[derive(Debug)]
pub struct Apps;

impl CommandGroup for Apps {
    const WORD: &'static str = "app";

    fn verb(row: &'static VerbRow) -> Option<CommandRow> {
        if [CANCEL.word, ROLLBACK.word].contains(&row.word) {
            return General::verb(row);
        }
        row.of_app().map(|verb| (row, verb.word, verb.summary))
    }
}

/// A command of the tables, as typed.
#[derive(Debug)]
pub struct TableCommand<G> {
    typed: TypedCommand,
    group: PhantomData<G>,
}

#[derive(Debug)]
enum TypedCommand {
    Verb(VerbCommand),
    Read(&'static ReadRow, Vec<(&'static str, String)>, OutputFormat),
}

impl<G: CommandGroup> TableCommand<G> {
    pub async fn run(&self, args: &Args, output: &Output) -> Result<u8, CommandFailure> {
        match &self.typed {
            TypedCommand::Verb(verb) => verbs::run(args, verb, output).await,
            TypedCommand::Read(row, given, form) => {
                let answer = link::read(args, row, given, output).await?;
                print(&answer, *form, output);
                Ok(answer.exit)
            }
        }
    }
}

fn verb_rows<G: CommandGroup>() -> impl Iterator<Item = CommandRow> {
    VERBS.into_iter().filter_map(G::verb)
}

fn read_rows<G: CommandGroup>() -> impl Iterator<Item = (&'static ReadRow, reads::ReadCommand)> {
    let commands = reads::all().filter_map(|row| Some((row, row.command?)));
    commands.filter(|(_, command)| command.group == G::WORD)
}

/// An argument of a read, as it is typed.
fn argument(arg: &ReadArg) -> Option<Arg> {
    let TypedReadArg { flag, short, value, usual, help } = arg.typed?;
    let plain = Arg::new(arg.name).help(help).required(arg.is_required).short(short);
    let plain = if flag.is_empty() { plain } else { plain.long(flag) };
    let valued = usual.into_iter().fold(plain.clone().value_name(value), Arg::default_value);
    Some(match arg.shape {
        ReadShape::Flag => plain.action(ArgAction::SetTrue),
        ReadShape::Number(least, most) => valued.value_parser(value_parser!(u64).range(least..=most)),
        ReadShape::Word(words) => {
            let words = PossibleValuesParser::new(words());
            valued.value_parser(words).hide_possible_values(true).allow_hyphen_values(true)
        }
        ReadShape::Text | ReadShape::Domain => valued,
    })
}

/// How every read is told in which form it answers.
fn output_argument() -> Arg {
    let parser = EnumValueParser::<OutputFormat>::new();
    let arg = Arg::new("output").short('o').long("output").help("Output format").value_name("FORMAT");
    arg.default_value("text").value_parser(parser)
}

fn read_command((row, command): (&'static ReadRow, reads::ReadCommand)) -> Command {
    let args = row.args.iter().filter_map(argument);
    Command::new(command.word).about(command.about).args(args).arg(output_argument())
}

/// The arguments of a read that were typed.
fn typed_arguments(row: &'static ReadRow, typed: &ArgMatches) -> Vec<(&'static str, String)> {
    let value = |arg: &ReadArg| match arg.shape {
        ReadShape::Flag => typed.get_flag(arg.name).then(|| "true".to_owned()),
        ReadShape::Number(..) => typed.get_one::<u64>(arg.name).map(u64::to_string),
        ReadShape::Text | ReadShape::Domain | ReadShape::Word(_) => typed.get_one::<String>(arg.name).cloned(),
    };
    row.args.iter().filter(|arg| arg.typed.is_some()).filter_map(|arg| Some((arg.name, value(arg)?))).collect()
}

impl<G: CommandGroup> Subcommand for TableCommand<G> {
    fn augment_subcommands(parser: Command) -> Command {
        let reads = read_rows::<G>().map(read_command);
        parser.subcommands(reads).subcommands(verb_rows::<G>().map(verbs::command))
    }

    fn augment_subcommands_for_update(parser: Command) -> Command {
        Self::augment_subcommands(parser)
    }

    fn has_subcommand(name: &str) -> bool {
        read_rows::<G>().any(|(_, command)| command.word == name) || verb_rows::<G>().any(|(_, word, _)| word == name)
    }
}

impl<G: CommandGroup> FromArgMatches for TableCommand<G> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let (name, typed) = matches.subcommand().ok_or_else(|| clap::Error::new(ErrorKind::MissingSubcommand))?;
        let read = read_rows::<G>().find(|(_, command)| command.word == name);
        let typed = match read {
            Some((row, _)) => {
                let form = typed.get_one("output").copied().unwrap_or(OutputFormat::Text);
                TypedCommand::Read(row, typed_arguments(row, typed), form)
            }
            None => TypedCommand::Verb(VerbCommand::from_rows(verb_rows::<G>(), matches)?),
        };
        Ok(Self { typed, group: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
