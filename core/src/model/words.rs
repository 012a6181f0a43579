//! Words of others, as people may see them: nothing in them that a terminal obeys or that turns a line around, and cut
//! where they are longer than anyone reads. Pure.
//!
//! The table of what is obeyed ([`is_obeyed`]) is the only one. It is asked where texts leave: for terminals in
//! `cli/output.rs`, for pages in `web/page_text.rs`, for chats in `notifications/message.rs`, and where names come in.

use std::borrow::Cow;

/// What is shown of one text of a vendor. Its reason stands at the beginning; the longest seen had 340 letters.
pub const SAID_CHARS_MAX: usize = 500;
/// What is shown of a text that is put together of ours and of a vendor's.
pub const LINE_CHARS_MAX: usize = 2_000;
/// A page says within its first letters that it is one.
const PAGE_BEGIN_CHARS: usize = 1_000;
/// Titles are short.
const TITLE_CHARS_MAX: usize = 100;

/// A text of a vendor: clean, cut, and of a page its title only.
pub fn said(text: &str) -> String {
    match page_title(text) {
        Some(title) if title.is_empty() => "(a page of HTML)".to_owned(),
        Some(title) => format!("(a page of HTML: {title})"),
        None => cut(clean(text).trim(), SAID_CHARS_MAX),
    }
}

/// The same of a text whose reason stands at its end: of a long one the end is kept.
pub fn said_last(text: &str) -> String {
    let clean = clean(text);
    let clean = clean.trim();
    let surplus = clean.chars().count().saturating_sub(SAID_CHARS_MAX);
    if surplus == 0 {
        return said(clean);
    }
    let end: String = clean.chars().skip(surplus).collect();
    format!("…{}", end.trim_start())
}

/// A whole message: clean, and cut where it is longer than anything of ours.
pub fn line(text: &str) -> String {
    if is_clean(text) && text.len() <= LINE_CHARS_MAX { text.to_owned() } else { cut(&clean(text), LINE_CHARS_MAX) }
}

/// Without sequences for terminals, control characters and marks of direction; the end of a line becomes a blank.
pub fn clean(text: &str) -> String {
    if is_clean(text) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => skip_sequence(&mut letters),
            // The same in one letter.
            '\u{9b}' => skip_numbers(&mut letters),
            '\t' | '\n' => clean.push(' '),
            letter if is_obeyed(letter) => (),
            letter => clean.push(letter),
        }
    }
    clean
}

/// As [`clean`], of a text that has several lines: the ends of lines and tabs stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    if text.chars().all(|letter| !is_obeyed(letter) || matches!(letter, '\n' | '\t')) {
        return Cow::Borrowed(text);
    }
    let line = |line: &str| line.split('\t').map(clean).collect::<Vec<_>>().join("\t");
    Cow::Owned(text.split('\n').map(line).collect::<Vec<_>>().join("\n"))
}

/// With a sign in the place of each letter that is obeyed.
pub fn masked(text: &str) -> String {
    text.chars().map(|letter| if is_obeyed(letter) { '\u{fffd}' } else { letter }).collect()
}

/// Whether nothing in a text is obeyed.
pub fn is_clean(text: &str) -> bool {
    !text.chars().any(is_obeyed)
}

/// At most `chars` letters, with a sign where something is missing.
pub fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// What a terminal or a reader's eye obeys: control characters, marks of direction, letters that are not seen.
pub fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

/// What follows an escape: `[` and numbers up to a letter, a string up to its end, or one letter.
pub fn skip_sequence(letters: &mut std::str::Chars<'_>) {
    match letters.next() {
        Some('[') => skip_numbers(letters),
        // A string: for the title of the window, the clipboard, a device.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while letters.next().is_some_and(|letter| !matches!(letter, '\u{7}' | '\u{9c}' | '\\' | '\n')) {}
        }
        Some(_) | None => (),
    }
}

fn skip_numbers(letters: &mut std::str::Chars<'_>) {
    while letters.next().is_some_and(|letter| !('@'..='~').contains(&letter)) {}
}

/// The title of a page of HTML, empty where it has none; `None` where a text is no page.
fn page_title(text: &str) -> Option<String> {
    let begin: String = text.chars().take(PAGE_BEGIN_CHARS).collect::<String>().to_ascii_lowercase();
    let is_page = ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| begin.contains(tag));
    // The letters are as many bytes as before: only those of ASCII were changed.
    let title = || {
        let from = begin.find("<title>")? + "<title>".len();
        let rest = text.get(from..)?;
        let end = rest.find('<').unwrap_or(rest.len());
        Some(cut(clean(&rest[..end]).trim(), TITLE_CHARS_MAX))
    };
    is_page.then(|| title().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        let cases = [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]52;c;aGk=\u{1b}\\b", "ab"),
            ("a\u{9b}31mb", "ab"),
            ("one\n\ttwo\r", "one  two"),
            ("a\u{202e}b\u{2066}c\u{200b}d", "abcd"),
            ("\u{1b}", ""),
            ("plain é 日本", "plain é 日本"),
        ];
        for (text, wanted) in cases {
            assert_eq!(clean(text), wanted, "{text:?}");
            assert!(is_clean(&clean(text)));
        }
    }

    #[test]
    fn a_text_is_cut_and_a_page_is_its_title() {
        assert_eq!(said(&"é".repeat(600)), format!("{}…", "é".repeat(500)));
        assert_eq!(said(" short \n"), "short");
        assert_eq!(said_last(" short \n"), "short");
        let long = format!("it began{} so it failed", "é".repeat(600));
        let end = said_last(&long);
        assert!(end.starts_with("…é") && end.ends_with(" so it failed"), "{end}");
        assert_eq!(end.chars().count(), SAID_CHARS_MAX + 1);
        let page =
            format!("<!DOCTYPE html>\n<HTML><head><title>502 Bad\u{1b}[1m Gateway</title>{}", "x".repeat(100_000));
        assert_eq!(said(&page), "(a page of HTML: 502 Bad Gateway)");
        assert_eq!(said(&format!("<html><body>{}", "<p>".repeat(50_000))), "(a page of HTML)");
        assert_eq!(line(&"x".repeat(3_000)).chars().count(), LINE_CHARS_MAX + 1);
    }
}
