//! Takes a map apart key by key and collects everything that is wrong with it.
//!
//! Every method reports by itself and returns `None` when there is nothing to go on with, so that one
//! pass over a document finds all its errors. What nobody asked for is unknown: [`Reader::finish`].

use super::scope::{PlacedText, Scope};
use super::yaml::diagnostic::{Problem, Spot, shown};
use super::yaml::tree::{Entry, Node, NodeData};
use crate::model::{Arg, Code, Text};
use crate::text;

pub(crate) use crate::model::suggestion::nearest;

/// A map that is being taken apart.
pub(crate) struct Reader<'a> {
    pub scope: &'a Scope<'a>,
    pub spot: Spot,
    /// In front of key names in messages: `healthcheck.`.
    path: &'static str,
    entries: &'a [Entry],
    asked: Vec<&'static str>,
    /// Which of its keys have a key of this name below them; of a whole manifest.
    sections: Option<SectionFinder>,
}

/// The keys below which a name is a key.
pub(crate) type SectionFinder = Box<dyn Fn(&str) -> Vec<ManifestSection>>;

impl<'a> Reader<'a> {
    /// Opens a map; `what` is how a message calls it, `path` stands before its keys.
    pub fn open(scope: &'a Scope<'a>, node: &'a Node, what: impl Into<Arg>, path: &'static str) -> Option<Self> {
        match &node.data {
            NodeData::Map(entries) => {
                // The first key is a better place to point to than the whole map.
                let spot = entries.first().map_or(node.spot, |entry| entry.key_spot);
                scope.places_of(spot, entries);
                Some(Self { scope, spot, path, entries, asked: Vec::new(), sections: None })
            }
            NodeData::Scalar(_) | NodeData::List(_) => {
                scope.wrong_type(node, what, text!("a map"));
                None
            }
        }
    }

    /// Of a map without keys.
    pub fn empty(scope: &'a Scope<'a>) -> Self {
        Self { scope, spot: Spot::at(1, 1), path: "", entries: &[], asked: Vec::new(), sections: None }
    }

    /// Says where keys belong that stand at the top.
    pub fn with_sections(mut self, sections: SectionFinder) -> Self {
        self.sections = Some(sections);
        self
    }

    /// The keys that were looked for.
    pub fn asked(&self) -> impl Iterator<Item = &'static str> {
        self.asked.iter().copied()
    }

    /// How messages call a key: `` `healthcheck.test` ``.
    pub fn label(&self, key: &str) -> String {
        format!("`{}{key}`", self.path)
    }

    /// Every entry, asked for or not.
    pub fn all(&self) -> &'a [Entry] {
        self.entries
    }

    /// The value of a key that somebody else asks for.
    pub fn value(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &*entry.value)
    }

    /// The entry of a key, whatever its value.
    pub fn entry(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.asked.push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key; a key without a value is an error.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        let entry = self.entry(key)?;
        if entry.value.is_null() {
            let message = text!("{what} has no value", what = self.label(key));
            self.scope.error_hint(Code::A0104, entry.key_spot, message, text!("give it one, or remove the line"));
            return None;
        }
        Some(&entry.value)
    }

    pub fn text(&mut self, key: &'static str) -> Option<PlacedText> {
        let node = self.node(key)?;
        self.scope.text(node, self.label(key))
    }

    pub fn texts(&mut self, key: &'static str) -> Vec<PlacedText> {
        let Some(node) = self.node(key) else { return Vec::new() };
        self.scope.texts(node, self.label(key)).unwrap_or_default()
    }

    /// The text of a key that must be there.
    pub fn required(&mut self, key: &'static str, hint: impl Into<Text>) -> Option<PlacedText> {
        if self.has(key) {
            return self.text(key);
        }
        self.asked.push(key);
        self.missing(key, hint);
        None
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = choices.iter().find(|(word, _)| *word == text.text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.scope.not_allowed(&text, self.label(key), text!("one of {words}", words));
        }
        found
    }

    /// `true` or `false`, as YAML 1.2 has it.
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let node = self.node(key)?;
        match flag(node) {
            Ok(flag) => Some(flag),
            Err(hint) => {
                let (what, found) = (self.label(key), node.word());
                let message = text!("{what} must be true or false, not {found}", what, found);
                let mut problem = Problem::error(Code::A0104, node.spot, message);
                problem.hint = hint;
                self.scope.report(problem);
                None
            }
        }
    }

    /// A whole number within limits.
    pub fn number(&mut self, key: &'static str, min: i64, max: i64) -> Option<i64> {
        let text = self.text(key)?;
        let number = text.text.parse::<i64>().ok().filter(|number| (min..=max).contains(number));
        if number.is_none() {
            let hint = text!("a whole number from {min} to {max}", min = min.to_string(), max = max.to_string());
            self.scope.not_allowed(&text, self.label(key), hint);
        }
        number
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    pub fn missing(&self, key: &str, hint: impl Into<Text>) {
        let key = self.label(key);
        self.scope.error_hint(Code::A0105, self.spot, text!("key {key} is missing", key), hint);
    }

    /// Where a key stands, or the map when it has none.
    pub fn key_spot(&self, key: &str) -> Spot {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.spot, |entry| entry.key_spot)
    }

    /// Reports what nobody asked for. `refuse` knows the keys that are understood but not supported.
    pub fn finish(self, refuse: &dyn Fn(&Entry) -> UnknownKey) {
        for entry in self.entries {
            if self.scope.is_full() {
                return;
            }
            if self.asked.contains(&entry.key.as_str()) || entry.key.starts_with("x-") {
                continue;
            }
            match refuse(entry) {
                UnknownKey::Harmless => (),
                UnknownKey::Reported(problem) => self.scope.report(problem),
                UnknownKey::Unknown => self.scope.report(self.unknown(entry, None)),
                UnknownKey::Meant(key) => self.scope.report(self.unknown(entry, Some(key))),
            }
        }
    }

    /// The one place where a key belongs, among those that this manifest may have.
    fn place_of(&self, entry: &Entry, mut sections: Vec<ManifestSection>) -> Option<Text> {
        sections.retain(|section| self.asked.contains(&section.key.as_str()));
        let [ManifestSection { key, is_list }] = sections.as_slice() else { return None };
        let (inner, value) = (&entry.key, entry.value.scalar().filter(|value| is_plain(value)).unwrap_or("…"));
        let example = if *is_list {
            format!("`{key}: [{{…, {inner}: {value}}}]`")
        } else {
            format!("`{key}: {{{inner}: {value}}}`")
        };
        Some(text!("it belongs below `{key}`: {example}", key, example))
    }

    fn unknown(&self, entry: &Entry, meant: Option<&str>) -> Problem {
        /// More keys than these would not fit a line.
        const KEYS_LISTED_MAX: usize = 9;
        let problem =
            Problem::error(Code::A0103, entry.key_spot, text!("unknown key `{key}`", key = shown(&entry.key)));
        if let Some(hint) = self.sections.as_ref().and_then(|sections| self.place_of(entry, sections(&entry.key))) {
            return problem.hint(hint);
        }
        if let Some(near) = meant.or_else(|| nearest(&entry.key, &self.asked)) {
            return problem.hint(text!("did you mean `{near}`?", near));
        }
        let mut known: Vec<&str> = Vec::new();
        for key in &self.asked {
            if !known.contains(key) {
                known.push(key);
            }
        }
        if known.len() > KEYS_LISTED_MAX {
            return problem;
        }
        problem.hint(text!("known here: {known}", known = known.join(", ")))
    }
}

/// A key with keys of its own.
pub(crate) struct ManifestSection {
    pub key: String,
    /// Its keys are those of each item.
    pub is_list: bool,
}

/// Whether a value can be repeated in a hint: short, and nothing in it means something to YAML.
fn is_plain(value: &str) -> bool {
    const SHOWN_MAX: usize = 20;
    value.len() <= SHOWN_MAX && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// What is to be said of a key that nobody asked for.
pub(crate) enum UnknownKey {
    Unknown,
    /// Another word for this key, too far from it to be found by its letters.
    Meant(&'static str),
    /// It says what holds anyway.
    Harmless,
    Reported(Problem),
}

/// For maps whose keys are all taken or unknown.
pub(crate) fn nothing_else(_: &Entry) -> UnknownKey {
    UnknownKey::Unknown
}

/// A boolean; the error is the hint.
pub(crate) fn flag(node: &Node) -> Result<bool, Option<Text>> {
    let NodeData::Scalar(scalar) = &node.data else { return Err(None) };
    match (scalar.text.as_str(), scalar.plain) {
        ("true" | "True" | "TRUE", true) => Ok(true),
        ("false" | "False" | "FALSE", true) => Ok(false),
        (text @ ("true" | "false"), false) => Err(Some(text!("write `{value}` without quotes", value = text))),
        (text, _) => match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" => {
                Err(Some(text!("`{word}` is only a word in YAML 1.2; write `{value}`", word = text, value = "true")))
            }
            "no" | "off" | "n" => {
                Err(Some(text!("`{word}` is only a word in YAML 1.2; write `{value}`", word = text, value = "false")))
            }
            _ => Err(None),
        },
    }
}
