//! Texts of a manifest to what they mean: host names, durations, paths, word lists.
//!
//! Pure, and without access to the process environment: a manifest means the same everywhere.

use super::scope::{PlacedText, Scope};
use super::yaml::diagnostic::shown;
use crate::model::{Code, Text};
use crate::text;

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
    let name = format!("\"{}\"", shown(&text.text));
    scope.error_hint(Code::A0107, text.spot, text!("not a host name: {name}", name), why);
    None
}

/// What is wrong with a name, if anything.
pub(super) fn why_not_a_name(written: &str, whole: &str, names: NameScope) -> Option<Text> {
    /// RFC 1035, less the length bytes and the root.
    const NAME_MAX: usize = 253;
    const LABEL_MAX: usize = 63;
    if written.is_empty() {
        return Some(text!("it is empty"));
    }
    if let Some((_, rest)) = written.split_once("://") {
        let example = shown(rest.split('/').next().unwrap_or_default());
        return Some(text!("a name only, as in {example}", example));
    }
    if whole.len() > NAME_MAX {
        return Some(text!("longer than {most} characters", most = NAME_MAX));
    }
    for (index, label) in whole.split('.').enumerate() {
        if label == "*" && index == 0 && whole.len() > 1 {
            continue;
        }
        if label.is_empty() {
            return Some(text!("a part between two dots is empty"));
        }
        if label.len() > LABEL_MAX {
            return Some(text!("a part is longer than {most} characters", most = LABEL_MAX));
        }
        if let Some(bad) = label.chars().find(|c| !is_label_character(*c, names)) {
            return Some(why_not_this(bad));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Some(text!("a part begins or ends with `-`"));
        }
    }
    None
}

fn is_label_character(c: char, names: NameScope) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || (c == '_' && names == NameScope::Records)
}

fn why_not_this(bad: char) -> Text {
    match bad {
        ' ' => text!("a space is not allowed"),
        '*' => text!("`*` is allowed only as the whole first part: `*.example.org`"),
        ':' => text!("a port does not belong in a name"),
        '/' => text!("a path does not belong in a name"),
        bad if bad.is_control() => text!("a control character is not allowed"),
        bad if !bad.is_ascii() => {
            text!("`{sign}` is not allowed; write the name as its xn-- form", sign = bad.to_string())
        }
        bad => text!("`{sign}` is not allowed", sign = bad.to_string()),
    }
}

/// Why a text is not a DNS label that can name things, if so.
pub(super) fn why_not_a_label(text: &str, length_max: usize) -> Option<Text> {
    if text.is_empty() {
        return Some(text!("it is empty"));
    }
    if text.chars().count() > length_max {
        return Some(text!("at most {most} characters", most = length_max));
    }
    if text.chars().any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')) {
        return Some(text!("lower-case letters, digits and `-` only"));
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Some(text!("no `-` at the beginning or end"));
    }
    None
}

/// `1h30m` in milliseconds; the error is the hint.
pub(super) fn duration_ms(text: &str) -> Result<i64, Text> {
    /// A year: longer is a slip of the pen.
    const SPAN_MAX_MS: i64 = 366 * 86_400_000;
    let form =
        || text!("a duration, as in {first}, {second} or {third}", first = "`90s`", second = "`5m`", third = "`1h30m`");
    let too_long = || text!("at most a year");
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(text!("say in which unit: {example}", example = format!("`{}s`", shown(text))));
    }
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().map_err(|_| form())?;
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit_ms = match &rest[digits..digits + letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(form()),
        };
        total = number.checked_mul(unit_ms).and_then(|part| total.checked_add(part)).ok_or_else(too_long)?;
        rest = &rest[digits + letters..];
    }
    match total {
        _ if text.is_empty() => Err(form()),
        SPAN_MAX_MS.. => Err(too_long()),
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
pub(super) fn shell_words(text: &str) -> Result<ShellWords, Text> {
    let unclosed = |quote: &str| text!("a {quote} is not closed", quote);
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\\' => {
                let next = letters.next().ok_or_else(|| text!("it ends in a backslash"))?;
                word.get_or_insert_default().push(next);
            }
            '\'' => loop {
                let word = word.get_or_insert_default();
                match letters.next().ok_or_else(|| unclosed("`'`"))? {
                    '\'' => break,
                    inner => word.push(inner),
                }
            },
            '"' => loop {
                let word = word.get_or_insert_default();
                match letters.next().ok_or_else(|| unclosed("`\"`"))? {
                    '"' => break,
                    '\\' => match letters.next().ok_or_else(|| unclosed("`\"`"))? {
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
