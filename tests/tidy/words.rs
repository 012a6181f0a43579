//! Words of the trade: no function, type, comment or test has a private word in it, and no function is called by a
//! preposition. STYLE.md has the words to use instead.

use amarre_tidy::rust_files;

use super::{ALL_CODE, none};

/// Folders whose words are still to be replaced. Empty this list, then delete it.
const NOT_DONE: [&str; 6] = [
    "core/",
    "crates/providers/src/providers/",
    "crates/base/src/secret/",
    "sim/",
    "tests/kit/",
    "tests/tidy/words.rs",
];
/// Files whose doc comments are the help of the command line, so a word in them is text that people read.
const HELP: [&str; 2] = ["src/cli/args.rs", "src/cli/adopt.rs"];

/// Names that say nothing without their arguments.
const EMPTY_NAMES: [&str; 12] =
    ["of", "at", "by", "any", "thing", "heed", "known", "said", "told", "look", "seen_of", "so_many"];
/// Private words as parts of names.
const PARTS: [&str; 17] = [
    "anew",
    "anybody",
    "culprit",
    "culprits",
    "heed",
    "in_force",
    "mend",
    "mended",
    "mends",
    "nobody",
    "of_late",
    "out_of_hand",
    "pardon",
    "put_right",
    "puts_right",
    "somebody",
    "told",
];
/// Private words and phrases in comments.
const PHRASES: [&str; 14] = [
    "anew",
    "anybody",
    "culprit",
    "heed",
    "in force",
    "mended",
    "mends",
    "nobody",
    "of late",
    "otherwise than",
    "out of hand",
    "put right",
    "so many",
    "somebody",
];

#[test]
fn names_and_comments_use_the_words_of_the_trade() {
    let mut wrong = Vec::new();
    for file in ALL_CODE.into_iter().flat_map(rust_files) {
        if NOT_DONE.iter().any(|path| file.path.starts_with(path)) {
            continue;
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            let found = objection(line, HELP.contains(&file.path.as_str()));
            wrong.extend(found.map(|what| format!("{}:{number}: {what}", file.path)));
        }
    }
    none(&wrong);
}

#[test]
fn private_words_are_found() {
    for line in
        ["fn of(self) {", "    pub async fn puts_right() {", "struct NobodyHere;", "    // Made anew.", "//! So many."]
    {
        assert!(objection(line, false).is_some(), "{line}");
    }
    for line in ["fn offset(self) {", "let fn_of = of(x);", "/// A newcomer.", "    let text = \"made anew\";"] {
        assert_eq!(objection(line, false), None, "{line}");
    }
}

fn objection(line: &str, is_help: bool) -> Option<String> {
    let line = line.trim_start();
    if line.starts_with("//") {
        let text = format!(" {} ", line.to_lowercase().replace(|char: char| !char.is_alphanumeric(), " "));
        let phrase = PHRASES.iter().find(|phrase| text.contains(&format!(" {phrase} ")))?;
        return (!is_help).then(|| format!("`{phrase}` in a comment"));
    }
    let (word, rest) = ["fn", "struct", "enum", "trait", "type"].iter().find_map(|word| {
        let (before, rest) = line.split_once(&format!("{word} "))?;
        before.split_whitespace().all(is_before_item).then_some((*word, rest))
    })?;
    let name: String = rest.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect();
    if word == "fn" && EMPTY_NAMES.contains(&name.as_str()) {
        return Some(format!("a function is called only `{name}`"));
    }
    let parts = format!("_{}_", in_snake_case(&name));
    let part = PARTS.iter().find(|part| parts.contains(&format!("_{part}_")))?;
    Some(format!("`{part}` in the name `{name}`"))
}

/// Whether a word may stand before `fn` or `struct`: `pub(super)`, `const`, `async`.
fn is_before_item(word: &str) -> bool {
    word.starts_with("pub") || ["async", "const", "unsafe"].contains(&word)
}

fn in_snake_case(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}
