//! Which sentences of the catalogue a text says, and whether another language leaves one of them in English.

/// No part of a sentence that is as short as this tells one language from the other.
const SHORT: usize = 8;

/// The parts of a template that are no argument, longest first.
fn literals(template: &str) -> Vec<&str> {
    let parts = template.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
    let mut parts: Vec<&str> = parts.filter(|part| part.chars().filter(|c| c.is_alphabetic()).count() > 3).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts
}

/// Parts of templates that a text in English says.
pub fn parts_said(english: &str) -> Vec<&'static str> {
    let entries = include_str!("../../../crates/base/src/words/fr.txt").split("\n\n").skip(1);
    let templates = entries.filter_map(|entry| entry.lines().next());
    templates.flat_map(literals).filter(|part| english.contains(part)).collect()
}

/// Nothing that the text says in English is in its French form.
#[track_caller]
pub fn none_left(english: &str, french: &str) {
    let left: Vec<&str> =
        // A word alone may be that of a kind, which some lists say in English.
        parts_said(english).into_iter().filter(|part| part.len() > SHORT && part.trim().contains(' ') && french.contains(part)).collect();
    assert!(left.is_empty(), "{left:?} in {french}");
}
