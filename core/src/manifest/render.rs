//! Diagnostics as people read them (`amarre validate`): the line, what is wrong in it, what to do.
//!
//! A value of a key that looks like a secret's is never shown, on whatever line it stands.

use std::collections::BTreeMap;

use super::secret_keys::{self, is_in_name, is_in_secret_name};
use super::source_files::SourceFile;
use super::yaml::diagnostic::{Diagnostic, Severity, lines};
use crate::model::{Assets, Code};

/// A screen of them; the rest is likely to follow from these.
const DIAGNOSTICS_MAX: usize = 20;
/// Warnings of one kind and file beside the first.
const AGAIN_MAX: usize = 8;
/// What editors and terminals show without wrapping.
const LINE_CHARS_MAX: usize = 100;
/// More names would fill the screen; each stands with its diagnostic anyway.
const NAMES_MAX: usize = 10;
const TAB: &str = "    ";
const HIDDEN: &str = "(hidden)";

/// The text of `amarre validate`, without colour.
pub fn render(diagnostics: &[Diagnostic], files: &[SourceFile], good: usize, total: usize) -> String {
    let texts: BTreeMap<&str, &str> = files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let mut out = String::new();
    let told = once_a_file(diagnostics);
    for (diagnostic, again) in told.iter().take(DIAGNOSTICS_MAX) {
        one(&mut out, diagnostic, texts.get(diagnostic.file.as_str()).copied());
        for other in again.iter().take(AGAIN_MAX) {
            out.push_str(&format!("   = line {}: {}\n", other.line, other.message));
        }
        if again.len() > AGAIN_MAX {
            out.push_str(&format!("   = and {} more like these in this file\n", again.len() - AGAIN_MAX));
        }
        out.push('\n');
    }
    let left: usize = told.iter().skip(DIAGNOSTICS_MAX).map(|(_, again)| 1 + again.len()).sum();
    if left > 0 {
        out.push_str(&format!("and {left} more\n\n"));
    }
    out.push_str(&summary(diagnostics, good, total));
    out
}

/// Each with those of its kind: a kind of warning is shown once a file, and the others of it take a line each.
fn once_a_file(diagnostics: &[Diagnostic]) -> Vec<(&Diagnostic, Vec<&Diagnostic>)> {
    let mut told: Vec<(&Diagnostic, Vec<&Diagnostic>)> = Vec::new();
    let mut firsts: BTreeMap<(&str, Code), usize> = BTreeMap::new();
    for diagnostic in diagnostics {
        let kind = (diagnostic.file.as_str(), diagnostic.code);
        match firsts.get(&kind).filter(|_| diagnostic.severity == Severity::Warning && diagnostic.line > 0) {
            Some(first) => told[*first].1.push(diagnostic),
            None => {
                if diagnostic.severity == Severity::Warning {
                    firsts.insert(kind, told.len());
                }
                told.push((diagnostic, Vec::new()));
            }
        }
    }
    told
}

/// The files whose lines may be shown: manifests and Compose files, never a file of variables.
pub fn with_compose_files(files: &[SourceFile], assets: &Assets) -> Vec<SourceFile> {
    let is_yaml = |path: &str| path.ends_with(".yaml") || path.ends_with(".yml");
    let others = assets.iter().filter(|(path, _)| is_yaml(path)).filter_map(|(path, asset)| {
        let text = String::from_utf8_lossy(asset.content()?).into_owned();
        Some(SourceFile { path: path.clone(), text })
    });
    files.iter().cloned().chain(others).collect()
}

fn summary(diagnostics: &[Diagnostic], good: usize, total: usize) -> String {
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let noun = if total == 1 { "manifest is" } else { "manifests are" };
    let mut parts =
        vec![if good == total { format!("{total} {noun} good") } else { format!("{good} of {total} {noun} good") }];
    if errors > 0 {
        let mut whose: Vec<&str> = Vec::new();
        for diagnostic in diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error) {
            let name = diagnostic.service.as_deref().unwrap_or(&diagnostic.file);
            if !whose.contains(&name) {
                whose.push(name);
            }
        }
        let more = whose.len().saturating_sub(NAMES_MAX);
        whose.truncate(NAMES_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        parts.push(format!("{} in {}{more}", plural(errors, "error"), whose.join(", ")));
    }
    if warnings > 0 {
        parts.push(plural(warnings, "warning"));
    }
    let mut text = format!("{}.\n", parts.join(", "));
    let worst = diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
    if let Some(first) = worst {
        text.push_str(&format!(
            "The services of the broken ones stay as they are. Details: amarre help {}\n",
            first.code
        ));
    } else if let Some(first) = diagnostics.first() {
        text.push_str(&format!("Details: amarre help {}\n", first.code));
    }
    text
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

fn one(out: &mut String, diagnostic: &Diagnostic, text: Option<&str>) {
    let Diagnostic { code, severity, file, line, column, message, .. } = diagnostic;
    out.push_str(&format!("{}[{code}]: {message}\n", severity.word()));
    // About the file as a whole, which may be none that has lines, or about one whose lines are not shown.
    let Some(text) = text.filter(|_| *line > 0) else {
        let place = if *line == 0 { String::new() } else { format!(":{line}:{column}") };
        let hint = diagnostic.hint.as_ref().map(|hint| format!("   = hint: {hint}\n")).unwrap_or_default();
        out.push_str(&format!("  --> {file}{place}\n{hint}"));
        return;
    };
    let width = line.to_string().len().max(2);
    let gutter = " ".repeat(width);
    out.push_str(&format!("{gutter}--> {file}:{line}:{column}\n"));
    let view = View::of(diagnostic, text);
    out.push_str(&format!("{gutter} |\n{line:>width$} | {}\n{gutter} | {}", view.line, view.carets));
    match (&diagnostic.hint, diagnostic.severity) {
        (Some(hint), Severity::Error) => out.push_str(&format!(" {hint}\n")),
        (Some(hint), Severity::Warning) => out.push_str(&format!(" hint: {hint}\n")),
        (None, Severity::Error | Severity::Warning) => out.push('\n'),
    }
}

/// A line of the file and the carets under it.
struct View {
    line: String,
    carets: String,
}

impl View {
    fn of(diagnostic: &Diagnostic, text: &str) -> Self {
        let all: Vec<&str> = lines(text).take(diagnostic.line).collect();
        let raw = all.get(diagnostic.line - 1).copied().unwrap_or_default();
        let end = if diagnostic.end_line == diagnostic.line { diagnostic.end_column } else { usize::MAX };
        let mut cells = cells(raw, diagnostic.column, end);
        if let Some(from) = hidden_from(&all) {
            let has_caret = cells[from..].iter().any(|(_, is_marked)| *is_marked);
            cells.truncate(from);
            cells.extend(HIDDEN.chars().map(|c| (c, has_caret)));
        }
        let cells = cut(trimmed(cells));
        let line: String = cells.iter().map(|(c, _)| c).collect();
        let carets: String = cells.iter().map(|(_, is_marked)| if *is_marked { '^' } else { ' ' }).collect();
        let carets = carets.trim_end().to_owned();
        Self { line: line.trim_end().to_owned(), carets: if carets.is_empty() { "^".to_owned() } else { carets } }
    }
}

/// Characters as they are printed, each with whether a caret belongs under it.
fn cells(raw: &str, from: usize, end: usize) -> Vec<(char, bool)> {
    let mut cells = Vec::new();
    for (index, c) in raw.chars().enumerate() {
        let is_marked = (from..end.max(from + 1)).contains(&(index + 1));
        match c {
            '\t' => cells.extend(TAB.chars().map(|c| (c, is_marked))),
            c if c.is_control() || is_invisible(c) => cells.push(('\u{fffd}', is_marked)),
            c => cells.push((c, is_marked)),
        }
    }
    if !cells.iter().any(|(_, is_marked)| *is_marked) {
        cells.push((' ', true));
    }
    cells
}

/// Characters that turn text around or hide it.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Without marks under blanks at the end.
fn trimmed(mut cells: Vec<(char, bool)>) -> Vec<(char, bool)> {
    while cells.len() > 1 && cells.last() == Some(&(' ', true)) && cells[cells.len() - 2].1 {
        cells.pop();
    }
    cells
}

/// At most a hundred characters, around the first caret.
fn cut(cells: Vec<(char, bool)>) -> Vec<(char, bool)> {
    if cells.len() <= LINE_CHARS_MAX {
        return cells;
    }
    let first = cells.iter().position(|(_, is_marked)| *is_marked).unwrap_or(0);
    let room = LINE_CHARS_MAX - 2;
    let start = first.saturating_sub(room / 3).min(cells.len() - room);
    let mut short = Vec::with_capacity(LINE_CHARS_MAX);
    if start > 0 {
        short.push(('…', false));
    }
    short.extend_from_slice(&cells[start..start + room]);
    if start + room < cells.len() {
        short.push(('…', false));
    }
    short
}

/// From which printed character of the last line on nothing is shown.
fn hidden_from(all: &[&str]) -> Option<usize> {
    let line = all.last()?;
    let own = secret_value(line, true).map(|at| printed(&line[..at]));
    if is_inside_secret(all) {
        return Some(printed(&line[..indent(line)]));
    }
    own
}

/// Whether a line continues the value of a secret-looking key above it.
fn is_inside_secret(all: &[&str]) -> bool {
    let Some((line, above)) = all.split_last() else { return false };
    let mut depth = indent(line);
    for upper in above.iter().rev() {
        if upper.trim().is_empty() {
            continue;
        }
        let own = indent(upper);
        if own < depth {
            depth = own;
            // A value that begins as a reference may go on below.
            if secret_value(upper, false).is_some() {
                return true;
            }
        }
        if depth == 0 {
            break;
        }
    }
    false
}

/// Where the value of a secret-looking key begins in a line, or a password inside a URL. `skips_references`: a value that only
/// names a secret hides nothing.
fn secret_value(line: &str, skips_references: bool) -> Option<usize> {
    let mut from = 0;
    let mut found: Option<usize> = None;
    while let Some(at) = line[from..].find([':', '=']).map(|at| at + from) {
        let before = line[..at].rsplit(|c: char| !(c.is_alphanumeric() || "_-.\"' ".contains(c))).next();
        let before = before.unwrap_or_default();
        let key = before.trim_matches([' ', '"', '\'', '-']);
        // `/etc/passwd:/x` is a path, not a key with its value.
        let is_path = line[..at - before.len()].ends_with('/');
        if secret_keys::looks_secret(key) && !is_path {
            let after = &line[at + 1..];
            let begin = at + 1 + (after.len() - after.trim_start().len());
            let is_named = key == "secret" && line[..at - before.len()].ends_with('{');
            if let Some(end) = reference_end(line, begin, is_named).filter(|_| skips_references) {
                from = end;
                continue;
            }
            found = Some(begin);
            break;
        }
        from = at + 1;
    }
    let url = line.find("://").filter(|at| line[*at..].contains('@')).map(|at| at + 3);
    match (found, url) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

/// Where a value ends that is `{secret: NAME}` or `${NAME}` alone: the name of a secret is none. What follows in the line
/// must be another key, or nothing, else it may belong to the value. `is_named`: its key is `secret`, the first of a map in braces.
fn reference_end(line: &str, begin: usize, is_named: bool) -> Option<usize> {
    let text = &line[begin..];
    let rest = if is_named { after_name(text)? } else { after_map(text).or_else(|| after_variable(text))? };
    let next = rest.trim_start_matches([' ', '}', ']', '"', '\'']);
    let is_key = |text: &str| {
        let text = text.trim_start_matches([' ', '{', '[', '"', '\'']);
        let rest = text.trim_start_matches(is_in_name);
        rest.len() < text.len() && rest.trim_start_matches(['"', '\'']).starts_with(':')
    };
    let is_over = next.is_empty() || next.strip_prefix(',').is_some_and(is_key);
    is_over.then(|| line.len() - rest.len())
}

/// What follows a name and its closing brace.
fn after_name(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(is_in_secret_name);
    if rest.len() < text.len() { rest.trim_start().strip_prefix('}') } else { None }
}

/// What follows `{secret: NAME}`.
fn after_map(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?.trim_start().strip_prefix("secret:")?;
    after_name(inner.trim_start())
}

/// What follows `${NAME}`, maybe in quotes.
fn after_variable(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''));
    let inner = text.trim_start_matches(['"', '\'']).strip_prefix("${")?;
    let rest = inner.trim_start_matches(is_in_name);
    let rest = if rest.len() < inner.len() { rest.strip_prefix('}')? } else { return None };
    quote.map_or(Some(rest), |quote| rest.strip_prefix(quote))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

/// How many characters a piece of a line takes on screen.
fn printed(text: &str) -> usize {
    text.chars().map(|c| if c == '\t' { TAB.len() } else { 1 }).sum()
}
