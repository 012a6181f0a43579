//! `.env` and `env_file`: names and values in the syntax of Compose.
//!
//! | written | value |
//! |---|---|
//! | `A=b c # note` | `b c`, variables replaced |
//! | `A=#b`, `A= # b` | `#b`, `# b`: a comment begins after a blank within a value |
//! | `A="b\n${C}"` | escapes and variables replaced; may go over several lines |
//! | `A='b ${C}'` | as it is; may go over several lines |
//! | `export A=b`, `A: b` | as `A=b` |
//! | `A` | what it is outside, where it is something |

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::interpolate;
use super::interpolate::{InterpolationFault, Noted};
use crate::manifest::budget::Effort;
use crate::manifest::opened_files::{ValueFormat, Variable};
use crate::manifest::scope::Scope;
use crate::manifest::yaml::diagnostic::{PROBLEMS_MAX, Problem, Spot, shown};
use crate::manifest::yaml::tree::EXPANDED_BYTES_MAX;
use crate::model::Code;
use crate::text;

/// More variables than any program reads.
const VARIABLES_MAX: usize = 2_000;

/// What a file says, in its order, and what is wrong with it.
pub(crate) struct EnvFile {
    pub variables: Vec<Variable>,
    pub problems: Vec<Problem>,
}

/// The variables of a file that a manifest names at a place. What says the same wherever it is named is read once.
pub(crate) fn open(
    scope: &Scope<'_>,
    (path, format): (&str, ValueFormat),
    spot: Spot,
    outside: &dyn Fn(&str) -> Option<String>,
) -> Option<Rc<Vec<Variable>>> {
    let (number, text) = scope.open(path, None, spot)?;
    let known = scope.opened.variables.borrow().get(&(number, format)).cloned();
    let variables = known.unwrap_or_else(|| {
        let depends = Cell::new(false);
        let read = read(number, &text, format, &|name| {
            depends.set(true);
            outside(name)
        });
        read.problems.into_iter().for_each(|problem| scope.report(problem));
        let variables = Rc::new(read.variables);
        if !depends.get() {
            scope.opened.variables.borrow_mut().insert((number, format), Rc::clone(&variables));
        }
        variables
    });
    let bytes: usize = variables.iter().map(|variable| variable.value.len()).sum();
    // The text was counted when it was opened.
    let work = Effort::nodes(variables.len()).and(Effort::bytes(bytes.saturating_sub(text.len())));
    scope.spend(work, spot).then_some(variables)
}

/// Reads a file; `outside` is what its variables may refer to beside one another.
pub(crate) fn read(file: u16, text: &str, format: ValueFormat, outside: &dyn Fn(&str) -> Option<String>) -> EnvFile {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut reading = EnvFileReader { file, text: &text, starts, at: 0, known: BTreeMap::new(), outside };
    let mut bytes = 0;
    let mut read = EnvFile { variables: Vec::new(), problems: Vec::new() };
    while reading.at < text.len() {
        if read.variables.len() >= VARIABLES_MAX {
            let message = text!("more than {n} variables in one file", n = VARIABLES_MAX);
            read.problems.push(Problem::error(Code::A0108, reading.spot(reading.at), message));
            break;
        }
        if read.problems.len() >= PROBLEMS_MAX {
            break;
        }
        match reading.line(format) {
            Ok(Some(variable)) => {
                bytes += variable.value.len();
                if bytes > EXPANDED_BYTES_MAX {
                    let message = text!("more than 4 MiB once variables are replaced");
                    let problem = Problem::error(Code::A0108, variable.spot, message);
                    read.problems.push(problem.hint(text!("write shorter values, or deliver a file instead")));
                    break;
                }
                reading.known.insert(variable.name.clone(), variable.value.clone());
                read.variables.push(variable);
            }
            Ok(None) => (),
            Err(problem) => {
                read.problems.push(*problem);
                reading.skip_line();
            }
        }
    }
    read
}

struct EnvFileReader<'a> {
    file: u16,
    text: &'a str,
    /// Where each line begins.
    starts: Vec<usize>,
    at: usize,
    known: BTreeMap<String, String>,
    outside: &'a dyn Fn(&str) -> Option<String>,
}

impl EnvFileReader<'_> {
    /// One line, or as many as a quoted value takes.
    fn line(&mut self, format: ValueFormat) -> Result<Option<Variable>, Box<Problem>> {
        let line = self.rest().split('\n').next().unwrap_or_default();
        let trimmed = line.trim_start();
        if trimmed.trim_end().is_empty() || trimmed.starts_with('#') {
            self.skip_line();
            return Ok(None);
        }
        let mut start = self.at + (line.len() - trimmed.len());
        let mut entry = trimmed;
        if let Some(rest) = entry.strip_prefix("export ").or_else(|| entry.strip_prefix("export\t")) {
            start += entry.len() - rest.trim_start().len();
            entry = rest.trim_start();
        }
        let spot = self.spot(start);
        let end = entry.find(['=', ':']).filter(|_| format == ValueFormat::Compose).or_else(|| entry.find('='));
        let name = entry[..end.unwrap_or(entry.len())].trim_end();
        let name = if end.is_none() { name.split(" #").next().unwrap_or_default().trim_end() } else { name };
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.is_empty() || !name.chars().all(is_part) {
            // What stands there may be the second line of a password: it is not repeated.
            let problem = Problem::error(Code::A0152, spot, text!("not a variable"));
            let hint = text!("write `NAME=value`; a value of several lines stands in quotes");
            return Err(Box::new(problem.hint(hint)));
        }
        let name = name.to_owned();
        let Some(end) = end else {
            self.skip_line();
            return Ok((self.outside)(&name).map(|value| Variable { name, value, spot }));
        };
        if format == ValueFormat::Raw {
            let value = entry[end + 1..].to_owned();
            self.skip_line();
            return Ok(Some(Variable { name, value, spot }));
        }
        let after = &entry[end + 1..];
        let blank = after.len() - after.trim_start_matches([' ', '\t']).len();
        self.at = start + end + 1 + blank;
        let value = match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote, &name, spot)?,
            Some(_) | None => {
                let line = self.rest().split('\n').next().unwrap_or_default();
                // As Compose has it: a comment begins after a blank within the value.
                let value = line.split_once(" #").map_or(line, |(value, _)| value);
                let value = self.replaced(value.trim_end(), &name, spot)?;
                self.skip_line();
                value
            }
        };
        Ok(Some(Variable { name, value, spot }))
    }

    /// A value in quotes; after it only a comment may follow.
    fn quoted(&mut self, quote: char, name: &str, spot: Spot) -> Result<String, Box<Problem>> {
        let inside = &self.rest()[1..];
        let mut escaped = false;
        let mut close = None;
        for (at, letter) in inside.char_indices() {
            match letter {
                _ if escaped => escaped = false,
                '\\' if quote == '"' => escaped = true,
                letter if letter == quote => {
                    close = Some(at);
                    break;
                }
                _ => (),
            }
        }
        let Some(close) = close else {
            let message = text!("the value of `{name}` has no closing quote", name = shown(name));
            let hint = text!("end it with {quote}", quote = quote.to_string());
            return Err(Box::new(Problem::error(Code::A0152, spot, message).hint(hint)));
        };
        let value = inside[..close].to_owned();
        self.at += close + 2;
        let after = self.rest().split('\n').next().unwrap_or_default().trim();
        if !(after.is_empty() || after.starts_with('#')) {
            let message = text!("text after the closing quote of `{name}`", name = shown(name));
            let hint = text!("put all of it into the quotes");
            return Err(Box::new(Problem::error(Code::A0152, spot, message).hint(hint)));
        }
        self.skip_line();
        if quote == '\'' {
            return Ok(value);
        }
        self.replaced(&unescaped(&value), name, spot)
    }

    fn replaced(&self, text: &str, name: &str, spot: Spot) -> Result<String, Box<Problem>> {
        let value_of = |name: &str| self.known.get(name).cloned().or_else(|| (self.outside)(name));
        // A password with a `$` is no variable that somebody forgot: Compose, too, says nothing here.
        let mut noted = Noted::default();
        interpolate::replace(text, &value_of, &mut noted).map_err(|fault| {
            Box::new(match fault {
                InterpolationFault::Form(why) => {
                    let message = text!("the value of `{name}`: {why}", name = shown(name), why);
                    let hint = text!("write `$$` for a dollar sign, or put the value into '…'");
                    Problem::error(Code::A0152, spot, message).hint(hint)
                }
                InterpolationFault::Demanded { name, message } => demanded(&name, &message, spot),
                InterpolationFault::TooLong => {
                    let message =
                        text!("the value of `{name}` is too long once its variables are replaced", name = shown(name));
                    Problem::error(Code::A0108, spot, message)
                }
            })
        })
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_line(&mut self) {
        self.at += self.rest().find('\n').map_or(self.rest().len(), |at| at + 1);
    }

    fn spot(&self, at: usize) -> Spot {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text[start..at].chars().count() + 1;
        Spot::within(self.file, line, column)
    }
}

/// A variable that must be set and is not.
pub(crate) fn demanded(name: &str, message: &str, spot: Spot) -> Problem {
    let name = shown(name);
    let said = if message.is_empty() {
        text!("variable `{name}` is not set", name = &name)
    } else {
        text!("variable `{name}` is not set: {said}", name = &name, said = shown(message))
    };
    let hint = text!("set `{name}` in `.env` beside the Compose file, or in `vars:` of amarre.yaml", name);
    Problem::error(Code::A0154, spot, said).hint(hint)
}

/// What double quotes make of backslashes. A `\$` is a dollar sign that begins no variable.
fn unescaped(text: &str) -> String {
    let mut done = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            done.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => done.push('\n'),
            Some('r') => done.push('\r'),
            Some('t') => done.push('\t'),
            Some('$') => done.push_str("$$"),
            Some(same @ ('"' | '\\' | '\'')) => done.push(same),
            Some(other) => done.extend(['\\', other]),
            None => done.push('\\'),
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let outside = |name: &str| (name == "OUTER").then(|| "outside".to_owned());
        let read = super::read(1, text, ValueFormat::Compose, &outside);
        let pairs = read.variables.into_iter().map(|variable| (variable.name, variable.value)).collect();
        let place = |problem: &Problem| format!("{}:{} {}", problem.spot.line, problem.spot.column, problem.message);
        (pairs, read.problems.iter().map(place).collect())
    }

    #[test]
    fn every_form_of_a_line() {
        let cases = [
            ("A=b", "b"),
            ("A = b c", "b c"),
            ("A=", ""),
            ("A=b # note", "b"),
            ("A=b#c", "b#c"),
            ("A=#b", "#b"),
            ("A= # b", "# b"),
            ("A=b\t# c", "b\t# c"),
            ("export A=b", "b"),
            ("A: b", "b"),
            ("A=http://x:1/", "http://x:1/"),
            ("A=\"b # c\" # note", "b # c"),
            ("A='$OUTER \\n'", "$OUTER \\n"),
            ("A=\"$OUTER\\n\\\"x\\\"\"", "outside\n\"x\""),
            ("A=\"x\\$y\"", "x$y"),
            ("A=\"one\ntwo\"", "one\ntwo"),
            ("A='one\n# two'", "one\n# two"),
            ("A=${OUTER}/${NO:-x}", "outside/x"),
            ("A=p$5x$", "p$5x$"),
            ("\u{feff}A=b\r\n", "b"),
        ];
        for (text, value) in cases {
            assert_eq!(of(text), (vec![("A".to_owned(), value.to_owned())], Vec::new()), "{text}");
        }
        assert_eq!(of("# no\n\n  # no\n"), (Vec::new(), Vec::new()));
        assert_eq!(of("OUTER\nNOBODY\n").0, [("OUTER".to_owned(), "outside".to_owned())]);
        assert_eq!(of("A=1\nB=${A}2\n").0[1].1, "12");
    }

    #[test]
    fn what_is_wrong_has_its_place_and_spoils_no_other_line() {
        let (pairs, problems) = of("A=1\n  hunter2 is it\nB='open\nC=3\n");
        assert_eq!(pairs, [("A".to_owned(), "1".to_owned()), ("C".to_owned(), "3".to_owned())]);
        assert_eq!(problems, ["2:3 not a variable", "3:1 the value of `B` has no closing quote"]);
        assert_eq!(of("A=\"b\" c").1, ["1:1 text after the closing quote of `A`"]);
        assert_eq!(of("A=${").1.len(), 1);
        assert_eq!(of("A=${B:?say it}").1, ["1:1 variable `B` is not set: say it"]);
    }

    #[test]
    fn raw_values_are_as_they_are() {
        let read = super::read(1, "A=\"x\" $B # c\nB: c=d", ValueFormat::Raw, &|_| None);
        assert_eq!(read.variables[0].value, "\"x\" $B # c");
        assert_eq!(read.problems.len(), 1);
    }
}
