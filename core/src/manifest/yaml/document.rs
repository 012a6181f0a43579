//! Cuts a file into its documents, and reads names out of documents that cannot be parsed.
//!
//! `---` at the start of a line always begins a document in YAML, even inside a block scalar or a
//! quoted one, so a syntax error in one document never reaches the next.

/// One document of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    /// How many lines stand before it.
    pub lines_before: usize,
    pub text: &'a str,
}

impl Piece<'_> {
    /// The text with empty lines in front, so that re-reading it gives the same places.
    pub fn padded(&self) -> String {
        let mut text = "\n".repeat(self.lines_before);
        text.push_str(self.text);
        text
    }
}

/// The documents in order. Comments and directives before a `---` belong to the document after it.
pub(crate) fn split(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut start_line = 0;
    let mut has_content = false;
    let mut at = 0;
    let mut line_number = 0;
    while at < text.len() {
        let (line, end) = line_at(text, at);
        if is_marker(line, "---") {
            if has_content {
                pieces.push(Piece { lines_before: start_line, text: &text[start..at] });
                (start, start_line) = (at, line_number);
            }
            has_content = true;
        } else if is_marker(line, "...") {
            pieces.push(Piece { lines_before: start_line, text: &text[start..end] });
            (start, start_line, has_content) = (end, line_number + 1, false);
        } else {
            let bare = line.trim_start_matches('\u{feff}').trim_start();
            has_content |= !(bare.is_empty() || bare.starts_with('#') || line.starts_with('%'));
        }
        at = end;
        line_number += 1;
    }
    if has_content {
        pieces.push(Piece { lines_before: start_line, text: &text[start..] });
    }
    pieces
}

/// The value of a key at the top level, found without parsing: for documents that do not parse.
pub(crate) fn scan<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut bare = text.split(['\n', '\r']).map(|line| line.trim_start_matches("---").trim_start());
    let flow = bare.find(|line| !line.is_empty() && !line.starts_with('#')).is_some_and(|line| line.starts_with('{'));
    let mut at = 0;
    while at < text.len() {
        let (line, end) = line_at(text, at);
        at = end;
        if !flow {
            if let Some(value) = value_after(line, key) {
                return Some(value);
            }
            continue;
        }
        for part in line.split(['{', ',']) {
            if let Some(value) = value_after(part.trim_start(), key) {
                return Some(value);
            }
        }
    }
    None
}

fn value_after<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let rest = match line.strip_prefix('"') {
        Some(quoted) => quoted.strip_prefix(key)?.strip_prefix('"')?,
        None => line.strip_prefix(key)?,
    };
    let value = rest.trim_start().strip_prefix(':')?;
    let value = value.split(" #").next().unwrap_or_default();
    let value = value.split(['}', ',']).next().unwrap_or_default();
    Some(value.trim().trim_matches(['"', '\'']))
}

fn line_at(text: &str, at: usize) -> (&str, usize) {
    let rest = &text[at..];
    let Some(length) = rest.find(['\n', '\r']) else {
        return (rest, text.len());
    };
    let width = if rest[length..].starts_with("\r\n") { 2 } else { 1 };
    (&rest[..length], at + length + width)
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.trim_start_matches('\u{feff}')
        .strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}
