//! `$NAME`, `${NAME:-default}` and the other forms of the Compose Spec, nested too. Pure text; what a name stands for is an
//! argument.

use crate::manifest::variables;
use crate::model::Text;
use crate::text;

/// Deeper than any person writes.
const DEPTH_MAX: usize = 16;
/// A variable that is put into another over and over would fill the memory.
pub(crate) const VALUE_BYTES_MAX: usize = 256 * 1024;

/// Why a text has no meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InterpolationFault {
    /// Not a form of the Compose Spec: why.
    Form(Text),
    /// `${NAME:?message}` without a value.
    Demanded { name: String, message: String },
    /// More than [`VALUE_BYTES_MAX`].
    TooLong,
}

/// What is worth saying of a text that was replaced.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    /// Names without a value and without a default, which stand for nothing.
    pub unset: Vec<String>,
    /// Whether a `$` begins no variable, and stands for itself.
    pub has_plain_dollar: bool,
}

/// Replaces variables.
pub(crate) fn replace(
    text: &str,
    value_of: &dyn Fn(&str) -> Option<String>,
    noted: &mut Noted,
) -> Result<String, InterpolationFault> {
    if !text.contains('$') {
        return Ok(text.to_owned());
    }
    let mut replacing = Replacing { rest: text, value_of, noted, unused: 0 };
    replacing.until_end(0, false)
}

struct Replacing<'a> {
    rest: &'a str,
    value_of: &'a dyn Fn(&str) -> Option<String>,
    noted: &'a mut Noted,
    /// How many texts around this place are not used: nothing is demanded there.
    unused: usize,
}

impl Replacing<'_> {
    /// All of the text, or, inside of braces, all before the closing one, which is taken.
    fn until_end(&mut self, depth: usize, inside: bool) -> Result<String, InterpolationFault> {
        if depth > DEPTH_MAX {
            return Err(InterpolationFault::Form(text!("variables in variables, too deep")));
        }
        let mut done = String::new();
        loop {
            let stop: &[char] = if inside { &['$', '}'] } else { &['$'] };
            let Some(at) = self.rest.find(stop) else {
                if inside {
                    return Err(InterpolationFault::Form(variables::unclosed()));
                }
                done.push_str(self.rest);
                return bounded(done);
            };
            done.push_str(&self.rest[..at]);
            let is_end = self.rest[at..].starts_with('}');
            self.rest = &self.rest[at + 1..];
            if is_end {
                return bounded(done);
            }
            let value = self.variable(depth)?;
            done.push_str(&value);
            done = bounded(done)?;
        }
    }

    /// What stands after a `$`.
    fn variable(&mut self, depth: usize) -> Result<String, InterpolationFault> {
        if let Some(rest) = self.rest.strip_prefix('$') {
            self.rest = rest;
            return Ok("$".to_owned());
        }
        if let Some(rest) = self.rest.strip_prefix('{') {
            self.rest = rest;
            return self.braces(depth);
        }
        let name = self.name(false);
        if name.is_empty() {
            self.noted.has_plain_dollar = true;
            return Ok("$".to_owned());
        }
        Ok(self.value(&name).unwrap_or_else(|| self.nothing(&name)))
    }

    /// What stands after `${`.
    fn braces(&mut self, depth: usize) -> Result<String, InterpolationFault> {
        let name = self.name(true);
        if name.is_empty() {
            return Err(InterpolationFault::Form(variables::nameless()));
        }
        if let Some(rest) = self.rest.strip_prefix('}') {
            self.rest = rest;
            return Ok(self.value(&name).unwrap_or_else(|| self.nothing(&name)));
        }
        let (empty_counts, rest) = match self.rest.strip_prefix(':') {
            Some(rest) => (false, rest),
            None => (true, self.rest),
        };
        let mut letters = rest.chars();
        let operator = letters.next();
        self.rest = letters.as_str();
        let value = self.value(&name).filter(|value| empty_counts || !value.is_empty());
        match operator {
            Some('-') => {
                let default = self.alternative(depth, value.is_none())?;
                Ok(value.unwrap_or(default))
            }
            Some('+') => {
                let instead = self.alternative(depth, value.is_some())?;
                Ok(value.map(|_| instead).unwrap_or_default())
            }
            Some('?') => {
                let message = self.alternative(depth, value.is_none())?;
                match value {
                    None if self.unused == 0 => Err(InterpolationFault::Demanded { name, message }),
                    value => Ok(value.unwrap_or_default()),
                }
            }
            Some(_) | None => {
                let why = text!("after a variable's name comes `:-`, `-`, `:?`, `?`, `:+` or `+`");
                Err(InterpolationFault::Form(why))
            }
        }
    }

    /// The text after an operator; what is missing in one that is not used is not missed.
    fn alternative(&mut self, depth: usize, is_used: bool) -> Result<String, InterpolationFault> {
        if is_used {
            return self.until_end(depth + 1, true);
        }
        let before = self.noted.unset.len();
        self.unused += 1;
        let text = self.until_end(depth + 1, true);
        self.unused -= 1;
        self.noted.unset.truncate(before);
        text
    }

    /// Amarre's own variables have dots; Compose has them in braces only.
    fn name(&mut self, with_dots: bool) -> String {
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || (with_dots && c == '.');
        if !self.rest.starts_with(is_first) {
            return String::new();
        }
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name.to_owned()
    }

    fn value(&self, name: &str) -> Option<String> {
        (self.value_of)(name)
    }

    fn nothing(&mut self, name: &str) -> String {
        self.noted.unset.push(name.to_owned());
        String::new()
    }
}

fn bounded(text: String) -> Result<String, InterpolationFault> {
    if text.len() > VALUE_BYTES_MAX { Err(InterpolationFault::TooLong) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Result<String, InterpolationFault>, Vec<String>) {
        let value_of = |name: &str| match name {
            "SET" => Some("yes".to_owned()),
            "EMPTY" => Some(String::new()),
            "npm.address" => Some("10.0.0.2".to_owned()),
            _ => None,
        };
        let mut noted = Noted::default();
        (replace(text, &value_of, &mut noted), noted.unset)
    }

    #[test]
    fn every_form_of_the_compose_spec() {
        let cases = [
            ("a $SET b", "a yes b"),
            ("${SET}x$SET.y", "yesxyes.y"),
            ("$$SET $${SET}", "$SET ${SET}"),
            ("${SET:-d}${EMPTY:-d}${NO:-d}", "yesdd"),
            ("${SET-d}${EMPTY-d}${NO-d}", "yesd"),
            ("${SET:+x}${EMPTY:+x}${NO:+x}", "x"),
            ("${SET+x}${EMPTY+x}${NO+x}", "xx"),
            ("${SET:?no}${EMPTY?no}", "yes"),
            ("${NO:-${ALSO:-${SET}}}", "yes"),
            ("${NO:-a}b}", "ab}"),
            ("${NO:-$$x}", "$x"),
            ("${SET:-${NO:?never asked}}", "yes"),
            ("${npm.address}", "10.0.0.2"),
            ("$? $(id -u) ^a$ $5", "$? $(id -u) ^a$ $5"),
        ];
        for (text, wanted) in cases {
            assert_eq!(of(text), (Ok(wanted.to_owned()), Vec::new()), "{text}");
        }
    }

    #[test]
    fn what_is_not_set_is_empty_and_said() {
        assert_eq!(of("a${NO}$ALSO"), (Ok("a".to_owned()), vec!["NO".to_owned(), "ALSO".to_owned()]));
        assert_eq!(of("${SET:-$NO}"), (Ok("yes".to_owned()), Vec::new()));
        let demanded = |name: &str, message: &str| InterpolationFault::Demanded {
            name: name.to_owned(),
            message: message.to_owned(),
        };
        assert_eq!(of("${NO:?set it}").0, Err(demanded("NO", "set it")));
        assert_eq!(of("${EMPTY:?}").0, Err(demanded("EMPTY", "")));
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        for text in ["${", "${}", "${NO", "${NO:-x", "${1}", "${NO!}", "${NO:=x}"] {
            assert!(matches!(of(text).0, Err(InterpolationFault::Form(_))), "{text}: {:?}", of(text));
        }
        let deep = "${NO:-".repeat(40) + &"}".repeat(40);
        assert!(of(&deep).0.is_err());
    }
}
