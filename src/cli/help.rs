//! `amarre help`: error codes, commands, and mistyped words.

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::CommandFailure;
use super::args::{Args, HelpArgs};
use super::output::Output;
use crate::error_pages;
use amarre_core::model::Code;
use amarre_core::model::suggestion::nearest;
use amarre_core::plan::render::Tone;

/// What is before and after code on a page.
const FENCE: &str = "```";
/// clap's exit code for wrong usage.
const MISUSED: u8 = 2;

/// `amarre help`, `amarre help COMMAND`, `amarre help A0103`
pub fn run(help: &HelpArgs, output: &Output) -> Result<u8, CommandFailure> {
    let mut parser = Args::command();
    parser.build();
    let Some(word) = &help.of else {
        output.data(&parser.render_long_help().to_string());
        output.data("\n`amarre help CODE` explains an error code, such as A0103.\n");
        return Ok(0);
    };
    if let Some(code) = Code::parse(word) {
        output.data(&styled_page(error_pages::page(code, output.style.language), output));
        return Ok(0);
    }
    if error_pages::is_code(word) {
        let hint = match error_pages::near(word) {
            Some(near) => format!("did you mean {near}? amarre help {near}"),
            None => "codes are A and four digits: amarre help A0103".to_owned(),
        };
        return Err(CommandFailure::new(Code::A1004, format!("there is no error code {word}"), hint));
    }
    match parser.find_subcommand_mut(word) {
        Some(command) => {
            output.data(&command.render_long_help().to_string());
            Ok(0)
        }
        None => {
            output.failure(&no_such_command(word));
            Ok(MISUSED)
        }
    }
}

/// A page; its headings stand out on a terminal, and what a terminal shows stands further in.
fn styled_page(page: &str, output: &Output) -> String {
    let mut is_code = false;
    let mut out = String::new();
    for line in page.lines() {
        if line.starts_with(FENCE) {
            is_code = !is_code;
        } else if is_code {
            out.push_str(format!("  {line}").trim_end());
            out.push('\n');
        } else if line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim_start();
            out.push_str(&format!("{}\n", output.style.paint(Tone::Bold, heading)));
        } else {
            out.push_str(&format!("{line}\n"));
        }
    }
    out
}

/// A wrong command line, or a request for help or the version. Answers the exit code.
pub fn misused(error: &clap::Error, output: &Output) -> u8 {
    if error.kind() == ErrorKind::InvalidSubcommand
        && let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand)
    {
        output.failure(&no_such_command(word));
        return MISUSED;
    }
    let text = if output.style.colour { error.render().ansi().to_string() } else { error.render().to_string() };
    if error.use_stderr() {
        output.note(text.trim_end());
        MISUSED
    } else {
        output.data(&text);
        0
    }
}

/// What other tools call a command.
const OTHER_WORDS: [(&str, &str); 10] = [
    ("ps", "status"),
    ("ls", "status"),
    ("list", "status"),
    ("get", "status"),
    ("up", "apply"),
    ("deploy", "apply"),
    ("down", "destroy"),
    ("rm", "destroy"),
    ("diff", "plan"),
    ("version", "--version"),
];

fn no_such_command(word: &str) -> CommandFailure {
    let parser = Args::command();
    let known: Vec<&str> = parser.get_subcommands().map(clap::Command::get_name).collect();
    let other = OTHER_WORDS.iter().find(|(said, _)| *said == word).map(|(_, meant)| *meant);
    let hint = match other.or_else(|| nearest(word, &known)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "amarre help lists them".to_owned(),
    };
    CommandFailure::new(None, format!("no such command `{word}`"), hint)
}
