//! Texts of a manifest to what they mean: variables, host names, durations, paths, word lists.
//!
//! Pure, and without access to the process environment: a manifest means the same everywhere.

use std::collections::BTreeMap;

use super::yaml::diagnostic::{Problem, Spot, shown};
use super::yaml::reader::{PlacedText, Scope};
use crate::model::Code;

/// Known only to the planner; they stay in the text as they are.
pub(super) const LATER: [&str; 3] = ["npm.address", "network.subnet", "network.gateway"];

/// Why a text could not be resolved; it gets its place by [`Unresolved::at`].
#[derive(Debug)]
pub(super) struct Unresolved {
    message: String,
    hint: String,
}

impl Unresolved {
    pub fn at(self, spot: Spot) -> Problem {
        Problem::error(Code::A0110, spot, self.message).hint(self.hint)
    }
}

/// Replaces `${…}` and `$$`.
pub(super) fn substitute(
    text: &str,
    own: &BTreeMap<String, String>,
    vars: &BTreeMap<String, String>,
) -> Result<String, Unresolved> {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        done.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            done.push('$');
            rest = after;
            continue;
        }
        let Some(open) = rest.strip_prefix('{') else {
            return Err(Unresolved {
                message: "a `$` that begins neither `${…}` nor `$$`".to_owned(),
                hint: "write `${NAME}` for a variable, `$$` for a dollar sign".to_owned(),
            });
        };
        let Some((inside, after)) = open.split_once('}') else {
            return Err(Unresolved {
                message: "a `${` without its `}`".to_owned(),
                hint: "write `$$` for a dollar sign".to_owned(),
            });
        };
        done.push_str(&variable(inside, own, vars)?);
        rest = after;
    }
    done.push_str(rest);
    Ok(done)
}

/// The value of `NAME` or `NAME:-default`.
fn variable(
    inside: &str,
    own: &BTreeMap<String, String>,
    vars: &BTreeMap<String, String>,
) -> Result<String, Unresolved> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if LATER.contains(&name) {
        return Ok(format!("${{{name}}}"));
    }
    match (own.get(name).or_else(|| vars.get(name)), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value.clone()),
        (None, Some(default)) if is_variable_name(name) => Ok(default.to_owned()),
        (None, _) if !is_variable_name(name) => Err(Unresolved {
            message: "`${…}` holds no name of a variable".to_owned(),
            hint: "`${NAME}` or `${NAME:-default}`; write `$$` for a dollar sign".to_owned(),
        }),
        (None, _) => {
            let mut known: Vec<&str> = own.keys().map(String::as_str).chain(LATER).collect();
            known.extend(vars.keys().map(String::as_str));
            Err(Unresolved {
                message: format!("unknown variable `${{{}}}`", shown(name)),
                hint: format!("there are {}; others come from `vars:` in amarre.yaml", known.join(", ")),
            })
        }
    }
}

fn is_variable_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

/// Which names are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameScope {
    /// Of web hosts: letters, digits and hyphens.
    Hosts,
    /// Of records: underscores too.
    Records,
}

/// A name as a manifest writes it, made whole; reported when it is not one.
pub(super) fn full_name(scope: &Scope<'_>, text: &PlacedText, names: NameScope) -> Option<String> {
    let whole = scope.site.full_name(&text.text);
    let Some(why) = why_not_a_name(&text.text, &whole, names) else { return Some(whole) };
    scope.error_hint(Code::A0107, text.spot, format!("not a host name: \"{}\"", shown(&text.text)), &why);
    None
}

/// What is wrong with a name, if anything.
pub(super) fn why_not_a_name(written: &str, whole: &str, names: NameScope) -> Option<String> {
    /// RFC 1035, less the length bytes and the root.
    const NAME_MAX: usize = 253;
    const LABEL_MAX: usize = 63;
    if written.is_empty() {
        return Some("it is empty".to_owned());
    }
    if let Some((_, rest)) = written.split_once("://") {
        return Some(format!("a name only, as in {}", shown(rest.split('/').next().unwrap_or_default())));
    }
    if whole.len() > NAME_MAX {
        return Some(format!("longer than {NAME_MAX} characters"));
    }
    for (index, label) in whole.split('.').enumerate() {
        if label == "*" && index == 0 && whole.len() > 1 {
            continue;
        }
        if label.is_empty() {
            return Some("a part between two dots is empty".to_owned());
        }
        if label.len() > LABEL_MAX {
            return Some(format!("a part is longer than {LABEL_MAX} characters"));
        }
        if let Some(bad) = label.chars().find(|c| !is_label_character(*c, names)) {
            return Some(why_not_this(bad));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Some("a part begins or ends with `-`".to_owned());
        }
    }
    None
}

fn is_label_character(c: char, names: NameScope) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || (c == '_' && names == NameScope::Records)
}

fn why_not_this(bad: char) -> String {
    match bad {
        ' ' => "a space is not allowed".to_owned(),
        '*' => "`*` is allowed only as the whole first part: `*.example.org`".to_owned(),
        ':' => "a port does not belong in a name".to_owned(),
        '/' => "a path does not belong in a name".to_owned(),
        bad if bad.is_control() => "a control character is not allowed".to_owned(),
        bad if !bad.is_ascii() => format!("`{bad}` is not allowed; write the name as its xn-- form"),
        bad => format!("`{bad}` is not allowed"),
    }
}

/// Why a text is not a DNS label that can name things, if so.
pub(super) fn why_not_a_label(text: &str, length_max: usize) -> Option<String> {
    if text.is_empty() {
        return Some("it is empty".to_owned());
    }
    if text.chars().count() > length_max {
        return Some(format!("at most {length_max} characters"));
    }
    if text.chars().any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')) {
        return Some("lower-case letters, digits and `-` only".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Some("no `-` at the beginning or end".to_owned());
    }
    None
}

/// `1h30m` in milliseconds; the error is the hint.
pub(super) fn duration_ms(text: &str) -> Result<i64, String> {
    /// A year: longer is a slip of the pen.
    const SPAN_MAX_MS: i64 = 366 * 86_400_000;
    const FORM: &str = "a duration, as in `90s`, `5m` or `1h30m`";
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("say in which unit: `{}s`", shown(text)));
    }
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().map_err(|_| FORM.to_owned())?;
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit_ms = match &rest[digits..digits + letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(FORM.to_owned()),
        };
        total = number.checked_mul(unit_ms).and_then(|part| total.checked_add(part)).ok_or("at most a year")?;
        rest = &rest[digits + letters..];
    }
    match total {
        _ if text.is_empty() => Err(FORM.to_owned()),
        SPAN_MAX_MS.. => Err("at most a year".to_owned()),
        _ => Ok(total),
    }
}

/// A command that was written as text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShellWords {
    pub words: Vec<String>,
    /// The sign of a shell at which it ends: nothing behind it is part of the command.
    pub ends_at: Option<char>,
}

/// Splits a command as Compose does: quotes and backslashes, and the end where a shell would do something else than run it.
pub(super) fn shell_words(text: &str) -> Result<ShellWords, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\\' => {
                let next = letters.next().ok_or("it ends in a backslash")?;
                word.get_or_insert_default().push(next);
            }
            '\'' => loop {
                let word = word.get_or_insert_default();
                match letters.next().ok_or("a `'` is not closed")? {
                    '\'' => break,
                    inner => word.push(inner),
                }
            },
            '"' => loop {
                let word = word.get_or_insert_default();
                match letters.next().ok_or("a `\"` is not closed")? {
                    '"' => break,
                    '\\' => match letters.next().ok_or("a `\"` is not closed")? {
                        inner @ ('"' | '\\' | '$' | '`') => word.push(inner),
                        inner => word.extend(['\\', inner]),
                    },
                    inner => word.push(inner),
                }
            },
            sign @ ('&' | ';' | '|' | '<' | '>') => {
                // `2>` is one sign.
                let is_number = |word: &String| sign == '>' && word.starts_with(|first: char| first.is_ascii_digit());
                words.extend(word.filter(|word| !is_number(word)));
                return Ok(ShellWords { words, ends_at: Some(sign) });
            }
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Ok(ShellWords { words, ends_at: None })
}

/// A path without `//` and `.`; `None` when it is not absolute or climbs by `..`.
pub(super) fn normal_path(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return None;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") { None } else { Some(format!("/{}", parts.join("/"))) }
}
