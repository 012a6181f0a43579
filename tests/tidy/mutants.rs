//! Mutants: small edits that break a rule of the product, in a form that moves of code leave alone. An edit names the function that it
//! is in, not the file, and its lines are looked for there without regard to spaces, line ends and trailing commas.
//!
//! ```text
//! rule: 4                          the number that the name of the file begins with
//! breaks: any number confirms      what is wrong with it, for people
//! package: amarre-core             whose test it is; `amarre` where it is not said
//! test: test(=guard::holds)        what must fail with it, as cargo nextest filters
//! case: guard-confirmed            of the cases of plans, which one
//!
//! in: fn Type::name                or `fn name` of no type, or `const NAME`; once for each place
//!   a line around it, where the edit alone is there twice
//! - a line that goes
//! + a line that comes
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use super::{PRODUCT, files_below};

/// One of them.
pub struct Mutant {
    /// What its header says, by key.
    pub header: BTreeMap<String, String>,
    pub edits: Vec<MutantEdit>,
}

/// What changes in one place.
pub struct MutantEdit {
    /// `fn Type::name`.
    pub item: String,
    before: String,
    after: String,
}

/// The Rust files of the product, and in which of them each function and constant is.
#[derive(Default)]
pub struct Product {
    texts: BTreeMap<String, String>,
    files: BTreeMap<String, BTreeSet<String>>,
}

/// A function or a constant of a file.
struct NamedItem {
    name: String,
    range: Range<usize>,
}

impl Mutant {
    /// # Errors
    /// Why a text is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (header, body) = text.split_once("\n\n").ok_or("no empty line between its header and its edits")?;
        let header = header.lines().filter_map(|line| line.split_once(": "));
        let header = header.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let mut edits: Vec<MutantEdit> = Vec::new();
        for line in body.lines().filter(|line| !line.is_empty()) {
            if let Some(item) = line.strip_prefix("in: ") {
                edits.push(MutantEdit { item: item.to_owned(), before: String::new(), after: String::new() });
                continue;
            }
            let edit = edits.last_mut().ok_or("its first edit is `in:` nothing")?;
            let (sign, rest) = line.split_at_checked(2).ok_or_else(|| format!("what is `{line}`?"))?;
            let (goes, comes) = match sign {
                "  " => (true, true),
                "- " => (true, false),
                "+ " => (false, true),
                _ => return Err(format!("`{line}` begins with neither `- ` nor `+ ` nor two spaces")),
            };
            for (text, _) in [(&mut edit.before, goes), (&mut edit.after, comes)].into_iter().filter(|(_, has)| *has) {
                text.push_str(rest);
                text.push('\n');
            }
        }
        if edits.is_empty() || edits.iter().any(|edit| edit.before.is_empty()) {
            return Err("an edit names no line that is there".to_owned());
        }
        Ok(Self { header, edits })
    }

    /// The files that it changes, and what they become.
    ///
    /// # Errors
    /// An edit fits nowhere, or in several places.
    pub fn applied(&self, product: &Product) -> Result<BTreeMap<String, String>, String> {
        let mut changed: BTreeMap<String, String> = BTreeMap::new();
        for edit in &self.edits {
            let (mut places, mut named) = (Vec::new(), Vec::new());
            for path in product.files_with(&edit.item) {
                named.push(path.as_str());
                let text = changed.get(path).or_else(|| product.texts.get(path)).map_or("", String::as_str);
                for item in items(text).into_iter().filter(|item| item.name == edit.item) {
                    let found = occurrences(&text[item.range.clone()], &edit.before).into_iter();
                    let place = |found: Range<usize>| item.range.start + found.start..item.range.start + found.end;
                    places.extend(found.map(|found| (path.clone(), text.to_owned(), place(found))));
                }
            }
            let [(path, text, place)] = &places[..] else {
                let named = if named.is_empty() { "no file".to_owned() } else { named.join(", ") };
                let (item, count) = (&edit.item, places.len());
                return Err(format!(
                    "`{item}` is in {named}; in it, these lines are there {count} times:\n{}",
                    edit.before
                ));
            };
            changed.insert(path.clone(), format!("{}{}{}", &text[..place.start], edit.after, &text[place.end..]));
        }
        Ok(changed)
    }
}

impl Product {
    /// What stands below a folder.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(root: &Path) -> Result<Self, String> {
        let mut product = Self::default();
        let paths = PRODUCT.iter().flat_map(|folder| files_below(root, folder));
        for path in paths.filter(|path| path.ends_with(".rs")) {
            let text = std::fs::read_to_string(root.join(&path)).map_err(|error| format!("{path}: {error}"))?;
            for item in items(&text) {
                product.files.entry(item.name).or_default().insert(path.clone());
            }
            product.texts.insert(path, text);
        }
        Ok(product)
    }

    fn files_with(&self, item: &str) -> impl Iterator<Item = &String> {
        self.files.get(item).into_iter().flatten()
    }
}

/// Where a text has these lines, spaces and trailing commas apart.
fn occurrences(text: &str, lines: &str) -> Vec<Range<usize>> {
    let (text_parts, wanted) = (parts(text), parts(lines));
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let fits = |at: usize| text_parts[at..].iter().zip(&wanted).all(|((_, one), (_, other))| one == other);
    let starts = (0..(text_parts.len() + 1).saturating_sub(wanted.len())).filter(|at| fits(*at));
    let places = starts.filter_map(|at| {
        let (first, last) = (text_parts[at].0, text_parts[at + wanted.len() - 1]);
        let end = last.0 + last.1.len_utf8();
        // Not the end of one word and the beginning of another.
        let cuts_before = text[..first].ends_with(is_word) && text[first..].starts_with(is_word);
        let cuts_after = is_word(last.1) && text[end..].starts_with(is_word);
        (!cuts_before && !cuts_after).then_some(first..end)
    });
    places.collect()
}

/// The characters of a text that count, with their places.
fn parts(text: &str) -> Vec<(usize, char)> {
    let all: Vec<(usize, char)> = text.char_indices().filter(|(_, c)| !c.is_whitespace()).collect();
    let is_trailing = |at: usize| all[at].1 == ',' && all.get(at + 1).is_some_and(|(_, next)| ")]}".contains(*next));
    (0..all.len()).filter(|at| !is_trailing(*at)).map(|at| all[at]).collect()
}

/// The functions and constants of a file, each with the type whose `impl` it is in.
fn items(text: &str) -> Vec<NamedItem> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    // The types that are open, with the place where each ends.
    let mut types: Vec<(String, usize)> = Vec::new();
    for (at, (place, word)) in tokens.iter().enumerate() {
        types.retain(|(_, end)| end > place);
        match *word {
            "impl" | "trait" if at == 0 || is_before_item(tokens[at - 1].1) => {
                let Some(open) = open_brace(&tokens, at) else { continue };
                let name = type_of(&tokens[at + 1..open]);
                types.push((name, tokens[closing(&tokens, open)].0));
            }
            "fn" => {
                let Some((_, name)) = tokens.get(at + 1).filter(|(_, name)| is_name(name)) else { continue };
                let Some(open) = open_brace(&tokens, at) else { continue };
                let end = tokens[closing(&tokens, open)].0 + 1;
                let of = types.last().map(|(name, _)| format!("{name}::")).unwrap_or_default();
                found.push(NamedItem { name: format!("fn {of}{name}"), range: *place..end });
            }
            "const" | "static" => {
                let Some((_, name)) = tokens.get(at + 1).filter(|(_, name)| is_name(name) && *name != "fn") else {
                    continue;
                };
                let end = tokens[at..].iter().find(|(_, word)| *word == ";").map_or(text.len(), |(end, _)| *end + 1);
                found.push(NamedItem { name: format!("const {name}"), range: *place..end });
            }
            _ => (),
        }
    }
    found
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// What stands before an `impl` that is no type.
fn is_before_item(word: &str) -> bool {
    ["}", ";", "]", "{", "unsafe", "pub", ")"].contains(&word)
}

/// The brace that opens the body of what begins here, unless it has none.
fn open_brace(tokens: &[(usize, &str)], from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, (_, word)) in tokens.iter().enumerate().skip(from) {
        match *word {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "{" if depth == 0 => return Some(at),
            ";" if depth == 0 => return None,
            _ => (),
        }
    }
    None
}

/// The brace that closes another one.
fn closing(tokens: &[(usize, &str)], open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, (_, word)) in tokens.iter().enumerate().skip(open) {
        depth += i32::from(*word == "{") - i32::from(*word == "}");
        if depth == 0 {
            return at;
        }
    }
    tokens.len() - 1
}

/// The name of the type in the head of an `impl` or a trait: what stands after `for`, its path and arguments apart.
fn type_of(head: &[(usize, &str)]) -> String {
    let (mut depth, mut name) = (0_i32, String::new());
    for (at, (_, word)) in head.iter().enumerate() {
        match *word {
            "<" => depth += 1,
            ">" if at == 0 || !matches!(head[at - 1].1, "-" | "=") => depth -= 1,
            "for" if depth == 0 => name.clear(),
            "where" | ":"
                if depth == 0
                    && head.get(at + 1).is_none_or(|(_, next)| *next != ":")
                    && (at == 0 || head[at - 1].1 != ":") =>
            {
                break;
            }
            word if depth == 0 && is_name(word) && word != "dyn" && word != "mut" => word.clone_into(&mut name),
            _ => (),
        }
    }
    name
}

/// Words and signs of Rust with their places; no comments, and no texts.
fn tokens(text: &str) -> Vec<(usize, &str)> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    while at < bytes.len() {
        let rest = &text[at..];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if let Some(length) = literal(rest) {
            at += length;
        } else if is_word(bytes[at]) {
            let length = rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len());
            found.push((at, &rest[..length]));
            at += length;
        } else {
            if !bytes[at].is_ascii_whitespace() {
                found.push((at, &rest[..1]));
            }
            at += 1;
        }
    }
    found
}

/// The length of the text or character that stands here, if one does.
fn literal(rest: &str) -> Option<usize> {
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'));
    if let Some(raw) = raw.filter(|raw| raw.trim_start_matches('#').starts_with('"')) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let begin = rest.len() - raw.len() + hashes + 1;
        return Some(rest[begin..].find(&end).map_or(rest.len(), |found| begin + found + end.len()));
    }
    let open = if rest.starts_with("b\"") || rest.starts_with("b'") { 2 } else { 1 };
    let quote = rest.as_bytes().get(open - 1).copied()?;
    // A lifetime has no second quote behind its first character.
    let is_char = quote == b'\'' && {
        let mut after = rest[open..].chars();
        after.next() == Some('\\') || after.next() == Some('\'')
    };
    if quote != b'"' && !is_char {
        return None;
    }
    let mut escaped = false;
    let close = rest.bytes().enumerate().skip(open).find(|(_, byte)| {
        let ends = *byte == quote && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    Some(close.map_or(rest.len(), |(at, _)| at + 1))
}
