//! What is wrong with a manifest, and where. Values, never failures: a broken document yields diagnostics.
//!
//! Codes are never re-used and never change meaning; each has its page in `docs/errors`.

use crate::manifest::secret_keys::is_in_secret_name;
use crate::model::{Code, Text, words};
use crate::text;

/// More of one document are dropped: nobody reads them all, and they follow from one another.
pub(crate) const PROBLEMS_MAX: usize = 200;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document is not used.
    Error,
    Warning,
}

impl Severity {
    /// The word on screen.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// `A0103`.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// As shown.
    pub file: String,
    /// From 1; 0: it is about the file as a whole.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// From 1; 0: it is about the file as a whole.
    pub end_line: usize,
    /// From 1, in characters; the first one that is not part of it.
    pub end_column: usize,
    /// Lowercase, no full stop.
    pub message: Text,
    /// What to do, or where to look.
    pub hint: Option<Text>,
    /// Whose manifest, where that is known.
    pub service: Option<String>,
}

/// A place in a file: lines and columns from 1, columns in characters, the end not included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// 0 is the manifest's own, others are those that it names: see `files.rs`.
    pub file: u16,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

impl Spot {
    /// One character wide.
    pub fn at(line: usize, column: usize) -> Self {
        Self { file: 0, line, column, end_line: line, end_column: column + 1 }
    }

    /// One character wide, in another file.
    pub fn within(file: u16, line: usize, column: usize) -> Self {
        Self { file, ..Self::at(line, column) }
    }
}

/// A diagnostic before it is known whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub code: Code,
    pub severity: Severity,
    pub spot: Spot,
    pub message: Text,
    pub hint: Option<Text>,
}

impl Problem {
    pub fn error(code: Code, spot: Spot, message: impl Into<Text>) -> Self {
        Self { code, severity: Severity::Error, spot, message: message.into(), hint: None }
    }

    pub fn warning(code: Code, spot: Spot, message: impl Into<Text>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, spot, message) }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<Text>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// With its owner; the place is kept inside the file.
    pub fn finish(self, file: &str, widths: &Widths, service: Option<&str>) -> Diagnostic {
        let (line, column) = widths.clamp(self.spot.line, self.spot.column);
        let end = widths.clamp(self.spot.end_line, self.spot.end_column);
        let (end_line, end_column) = end.max((line, column));
        Diagnostic {
            code: self.code,
            severity: self.severity,
            file: file.to_owned(),
            line,
            column,
            end_line,
            end_column,
            message: self.message,
            hint: self.hint,
            service: service.map(str::to_owned),
        }
    }
}

/// How many characters each line of a file has.
pub(crate) struct Widths(Vec<usize>);

impl Widths {
    pub fn of(text: &str) -> Self {
        Self(lines(text).map(|line| line.chars().count()).collect())
    }

    /// The nearest place that exists; one past the end of a line is one.
    fn clamp(&self, line: usize, column: usize) -> (usize, usize) {
        match self.0.get(line.max(1) - 1) {
            Some(width) => (line.max(1), column.clamp(1, width + 1)),
            None => (self.0.len().max(1), self.0.last().map_or(1, |width| width + 1)),
        }
    }
}

/// The lines of a text as YAML counts them: `\n`, `\r\n` and `\r` end one.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let from = rest?;
        let Some(end) = from.find(['\n', '\r']) else {
            rest = None;
            return Some(from);
        };
        let width = if from[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&from[end + width..]);
        Some(&from[..end])
    })
}

/// User text inside a message: short, without a URL's password and characters that act on a terminal.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let login = text.find("://").and_then(|at| Some((at + 3, text.rfind('@')?)));
    let masked = match login {
        Some((start, end)) if start < end => format!("{}(hidden){}", &text[..start], &text[end..]),
        Some(_) | None => text.to_owned(),
    };
    words::cut(&words::masked(&masked), SHOWN_MAX)
}

impl Diagnostic {
    /// With its place in front: `web.yaml:3:7: unknown key`.
    pub fn placed(&self) -> Text {
        let place = format!("{}:{}:{}", self.file, self.line, self.column);
        text!("{place}: {message}", place, message = self.message.clone())
    }

    /// Something in the source that is not taken; found by whoever reads it. What could not be read is an error.
    pub fn left_out(code: Code, is_unread: bool, file: &str, message: impl Into<Text>, hint: impl Into<Text>) -> Self {
        Self {
            code,
            severity: if is_unread { Severity::Error } else { Severity::Warning },
            file: file.to_owned(),
            line: 0,
            column: 0,
            end_line: 0,
            end_column: 0,
            message: message.into(),
            hint: Some(hint.into()),
            service: None,
        }
    }

    /// Something of a service that is found out while it runs, said where its manifest begins.
    pub fn of_service(
        code: Code,
        service: &crate::model::Service,
        message: impl Into<Text>,
        hint: impl Into<Text>,
    ) -> Self {
        let missing = Self::missing_secret(&service.name, &service.origin, message, hint);
        Self { code, severity: Severity::Warning, ..missing }
    }

    /// A manifest names a secret that is set nowhere; found by whoever resolves secrets.
    pub fn missing_secret(
        service: &str,
        origin: &crate::model::Origin,
        message: impl Into<Text>,
        hint: impl Into<Text>,
    ) -> Self {
        Self {
            code: Code::A0207,
            severity: Severity::Error,
            file: origin.file.clone(),
            line: origin.line,
            column: origin.column,
            end_line: origin.line,
            end_column: origin.column,
            message: message.into(),
            hint: Some(hint.into()),
            service: Some(service.to_owned()),
        }
    }

    /// Missing secrets beyond this number are not looked up by [`where_named`](Self::where_named): each look-up reads a file.
    pub const PLACED_MAX: usize = 100;

    /// The same, said where the text of its file names the secret, if it does so from its own place on.
    #[must_use]
    pub fn where_named(self, secret: &str, text: Option<&str>) -> Self {
        match text.and_then(|text| place_of_secret(text, self.line, secret)) {
            Some((line, column)) => {
                Self { line, column, end_line: line, end_column: column + secret.chars().count(), ..self }
            }
            None => self,
        }
    }
}

/// The first `secret: NAME` in the rest of a document, as line and column.
fn place_of_secret(text: &str, from: usize, secret: &str) -> Option<(usize, usize)> {
    let rest = lines(text).enumerate().skip(from.saturating_sub(1));
    let mut rest = rest.take_while(|(index, line)| *index < from || !line.starts_with("---"));
    rest.find_map(|(index, line)| Some((index + 1, column_of_secret(line, secret)?)))
}

fn column_of_secret(line: &str, secret: &str) -> Option<usize> {
    line.match_indices("secret").find_map(|(at, word)| {
        let value = line[at + word.len()..].trim_start_matches(['"', '\'', ' ']).strip_prefix(':')?;
        let value = value.trim_start_matches(['"', '\'', ' ']);
        let rest = value.strip_prefix(secret)?;
        (!rest.starts_with(is_in_secret_name)).then(|| line[..line.len() - value.len()].chars().count() + 1)
    })
}
