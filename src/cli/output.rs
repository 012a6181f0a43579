//! The only place that prints. Data goes to stdout, everything else to stderr; colour only on a terminal.

use std::io::{IsTerminal, Read, Write};

use serde_json::Value as Json;

use super::CommandFailure;
use crate::engine::commands::ProgressStep;
use crate::engine::{Clock, SystemClock};
use crate::terminal::shown;
use crate::words::{Words, of_locale};
use amarre_core::model::{Language, Millis, words};
use amarre_core::plan::render::{Sign, Style, Tone};

/// To the beginning of the line, and clears it.
const CLEAR: &str = "\r\x1b[K";

/// Terminal and styles of the output.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// For stdout.
    pub style: Style,
    errors: Style,
    terminal: bool,
}

impl Output {
    /// Reads the terminal and the environment once.
    #[expect(clippy::disallowed_methods, reason = "NO_COLOR and the locale belong to the terminal")]
    pub fn new(ascii: bool, lang: Option<Language>) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
        let is_utf8 = locale.is_none_or(|locale| locale.to_lowercase().replace('-', "").contains("utf8"));
        let ascii = ascii || !is_utf8;
        let may_colour = set("NO_COLOR").is_none() && set("TERM").as_deref() != Some("dumb");
        let terminal = std::io::stdout().is_terminal();
        let messages = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG"));
        let language = lang.unwrap_or_else(|| of_locale(set("LANGUAGE").as_deref(), messages.as_deref()));
        let errors = Style { ascii, colour: may_colour && std::io::stderr().is_terminal(), language };
        Self { style: Style { ascii, colour: may_colour && terminal, language }, errors, terminal }
    }

    /// Whether a person is at the terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal && std::io::stdin().is_terminal()
    }

    /// Prints the answer.
    pub fn data(&self, text: &str) {
        self.write(&shown(text, self.style.colour));
    }

    /// Prints a document as it is: what a terminal would obey is written as JSON writes it.
    pub fn document(&self, document: &Json) {
        self.write(&json_text(document));
    }

    /// Writes escape sequences as well; texts in it have gone through [`shown`].
    fn write(&self, text: &str) {
        // A closed pipe (`| head`) is no failure of ours.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }

    /// Replaces the previous answer on the screen.
    pub fn redraw(&self, text: &str) {
        // Home, each line to its end, and what was below.
        let lines: String = shown(text, self.style.colour).lines().map(|line| format!("{line}\x1b[K\n")).collect();
        self.write(&format!("\x1b[H{lines}\x1b[J"));
    }

    /// The local time: `12:04:08`.
    pub fn clock(&self) -> String {
        clock(SystemClock.now().0)
    }

    /// Prints a note to stderr.
    pub fn note(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", shown(text, self.errors.colour));
    }

    /// Prints why a command stopped.
    pub fn failure(&self, failure: &CommandFailure) {
        let code = failure.code.map(|code| format!("[{code}]")).unwrap_or_default();
        self.note(&format!("{}: {}", self.errors.paint(Tone::Red, &format!("error{code}")), failure.message));
        for hint in failure.hints.iter().filter(|hint| !hint.is_empty()) {
            self.note(&format!("  {} {hint}", self.errors.paint(Tone::Dim, "hint:")));
        }
        if let Some(code) = failure.code {
            self.note(&format!("  {} amarre help {code}", self.errors.paint(Tone::Dim, "more:")));
        }
    }

    /// Prints one step of an apply: a line when it is done or failed.
    pub fn step(&self, step: &ProgressStep) {
        if step.state == "waiting" {
            self.waiting(step);
            return;
        }
        let sign = match step.state.as_str() {
            "going" => return self.progress(step),
            "done" if self.terminal => self.style.sign(Sign::Done),
            "failed" if self.terminal => self.style.sign(Sign::Failed),
            "done" => "ok".to_owned(),
            "failed" => "XX".to_owned(),
            _ => return,
        };
        // What came at once says nothing of it.
        let took = match step.took_ms {
            ..50 => String::new(),
            took => format!("{:.1} s", seconds(Millis(took))),
        };
        if self.terminal {
            let width = Words(self.style.language).kind_width();
            let line = format!("  {sign} {:width$}{:<19} {}", step.kind, step.name, step.detail);
            let service = self.style.paint(Tone::Dim, &step.service);
            self.write(&format!("{CLEAR}{}", shown(&format!("{line:66} {took:>8}  {service}\n"), self.style.colour)));
        } else {
            let words = [
                &clock(step.at_ms),
                &step.service,
                &sign,
                &step.kind,
                &step.name,
                &step.detail,
                &took.replace(' ', ""),
            ];
            let words: Vec<&str> = words.into_iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
            self.data(&format!("{}\n", words.join(" ")));
        }
    }

    /// Prints progress: on a terminal one line that the next one overwrites.
    fn progress(&self, step: &ProgressStep) {
        let text = if self.terminal {
            let (sign, width) = (self.style.sign(Sign::Step), Words(self.style.language).kind_width());
            let line = format!("  {sign} {:width$}{:<19} {}", step.kind, step.name, step.detail);
            format!("{CLEAR}{}", shown(&line, self.style.colour))
        } else {
            format!("{} {} .. {} {} {}\n", clock(step.at_ms), step.service, step.kind, step.name, step.detail)
        };
        if self.terminal {
            self.write(&text)
        } else {
            self.data(&text)
        }
        let _ = std::io::stdout().lock().flush();
    }

    /// Prints a wait.
    fn waiting(&self, step: &ProgressStep) {
        if self.terminal {
            let line = format!("  {} {:<13} {}\n", self.style.sign(Sign::Step), step.service, step.detail);
            self.write(&format!("{CLEAR}{}", shown(&line, self.style.colour)));
        } else {
            self.data(&format!("{} {} .. {}\n", clock(step.at_ms), step.service, step.detail));
        }
    }

    /// Reads standard input, up to a limit in bytes.
    pub fn input(&self, bytes_max: usize) -> std::io::Result<Vec<u8>> {
        let mut input = Vec::new();
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        std::io::stdin().lock().take(limit).read_to_end(&mut input)?;
        Ok(input)
    }

    /// Asks for a line; an error at the end of the input.
    pub fn prompt(&self, question: &str) -> std::io::Result<String> {
        let _ = write!(std::io::stderr().lock(), "{} ", shown(question, self.errors.colour));
        read_line()
    }

    /// Asks for a line without echo; off a terminal it is only read.
    pub fn prompt_hidden(&self, question: &str) -> std::io::Result<String> {
        let echo = |word: &str| std::process::Command::new("stty").arg(word).status().is_ok_and(|it| it.success());
        if !std::io::stdin().is_terminal() {
            return read_line();
        }
        let hidden = echo("-echo");
        let line = self.prompt(question);
        if hidden {
            echo("echo");
            self.note("");
        }
        line
    }

    /// Asks for a confirmation; an empty line is a no.
    pub fn confirm(&self, question: &str, expected: &str) -> bool {
        self.answer(question) == expected
    }

    /// Asks, and reads one line; empty: there is none.
    pub fn answer(&self, question: &str) -> String {
        let _ = write!(std::io::stderr().lock(), "{} ", shown(question, self.errors.colour));
        let mut line = String::new();
        let _ = std::io::stdin().read_line(&mut line);
        line.trim().to_owned()
    }
}

/// A document in which a terminal finds nothing to obey.
fn json_text(document: &Json) -> String {
    let mut text = String::new();
    for letter in format!("{document:#}\n").chars() {
        match letter {
            letter if letter != '\n' && words::is_obeyed(letter) => {
                text.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => text.push(letter),
        }
    }
    text
}

/// `12:04:08`, local.
fn clock(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string()
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of one step")]
fn seconds(span: Millis) -> f64 {
    span.0 as f64 / 1000.0
}

fn read_line() -> std::io::Result<String> {
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_keeps_what_it_says_and_nothing_in_it_is_obeyed() {
        let document = serde_json::json!({"name": "a\u{202e}b\u{1b}[2J\u{9b}\n", "é": [1]});
        let text = json_text(&document);
        assert!(!text.chars().any(|letter| letter != '\n' && words::is_obeyed(letter)), "{text}");
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), document);
    }
}
