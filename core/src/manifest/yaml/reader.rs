//! Takes a map apart key by key and collects everything that is wrong with it.
//!
//! Every method reports by itself and returns `None` when there is nothing to go on with, so that one
//! pass over a document finds all its errors. What nobody asked for is unknown: [`Reader::finish`].

use std::cell::RefCell;
use std::collections::BTreeMap;

pub(crate) use crate::model::suggestion::nearest;
use crate::model::{Arg, Assets, Code, Origin, Site, Text};
use crate::text;

use super::diagnostic::{PROBLEMS_MAX, Problem, Spot, shown};
use super::tree::{Entry, Node, NodeData};
use crate::manifest::budget::OpenedFiles;
use crate::manifest::policy::Decision;
use crate::manifest::policy::cross_manifest::Claims;
use crate::manifest::resolve;
use crate::manifest::source_files::{OtherFile, SourceFiles};

/// A text with its place; variables are already replaced.
#[derive(Debug, Clone)]
pub(crate) struct PlacedText {
    pub text: String,
    pub spot: Spot,
}

/// What the reading of one document needs to know, and what it has found.
pub(crate) struct Scope<'a> {
    pub site: &'a Site,
    pub file: &'a str,
    /// The manifest's name; empty when it has none.
    pub name: String,
    /// The manifest's host; the default one when it names none or an unknown one.
    pub host: String,
    /// `moved_from`: the name after which its data are called.
    pub data_of: Option<String>,
    /// `${name}` and what else holds for this manifest only.
    pub variables: BTreeMap<String, String>,
    pub problems: RefCell<Vec<Problem>>,
    pub claims: RefCell<Claims>,
    /// All files of the source.
    pub source: &'a SourceFiles<'a>,
    /// Those that were opened, in the order of their numbers in [`Spot`].
    pub files: RefCell<Vec<OtherFile>>,
    /// Those that the manifest needs to be read again.
    pub uses: RefCell<Assets>,
    /// What policy says of each use, where it is asked for.
    pub decisions: Option<RefCell<Vec<Decision>>>,
    /// What that cost, and what need not be read again.
    pub opened: OpenedFiles,
    /// Where the keys of each map stand, by the place of the map.
    pub places: RefCell<BTreeMap<Spot, Vec<(String, Spot)>>>,
    /// The image that the manifest itself builds, which policy need not name.
    pub built: RefCell<Option<String>>,
}

impl Scope<'_> {
    pub fn report(&self, problem: Problem) {
        if !self.is_full() {
            self.problems.borrow_mut().push(problem);
        }
    }

    /// An error always gets in when there is none: a document with one is broken.
    pub fn is_full(&self) -> bool {
        self.problems.borrow().len() >= PROBLEMS_MAX && self.is_broken()
    }

    pub fn error(&self, code: Code, spot: Spot, message: impl Into<Text>) {
        self.report(Problem::error(code, spot, message));
    }

    pub fn error_hint(&self, code: Code, spot: Spot, message: impl Into<Text>, hint: impl Into<Text>) {
        self.report(Problem::error(code, spot, message).hint(hint));
    }

    /// Notes where the keys of a map stand.
    pub fn places_of(&self, spot: Spot, entries: &[Entry]) {
        let keys = entries.iter().map(|entry| (entry.key.clone(), entry.key_spot)).collect();
        self.places.borrow_mut().insert(spot, keys);
    }

    pub fn origin(&self, spot: Spot) -> Origin {
        Origin { file: self.path_of(spot), line: spot.line, column: spot.column }
    }

    /// Says of something that has no effect: a warning in a Compose file, which others may maintain, an error in a manifest.
    pub fn no_effect(&self, spot: Spot, message: impl Into<Text>, hint: impl Into<Text>) {
        self.report(no_effect(spot, message, hint));
    }

    /// The text of a scalar; `what` is how the message calls it.
    pub fn text(&self, node: &Node, what: impl Into<Arg>) -> Option<PlacedText> {
        self.text_called(node, || what.into())
    }

    fn text_called(&self, node: &Node, what: impl FnOnce() -> Arg) -> Option<PlacedText> {
        let Some(raw) = node.scalar() else {
            self.wrong_type(node, what(), text!("text"));
            return None;
        };
        // In a Compose file they are replaced by then, by its own rules.
        let replaced = if is_compose(node.spot) {
            Ok(raw.to_owned())
        } else {
            resolve::substitute(raw, &self.variables, &self.site.vars)
        };
        match replaced {
            Ok(text) if text.contains('\0') => {
                self.error(Code::A0106, node.spot, text!("{what} holds a NUL character", what = what()));
                None
            }
            Ok(text) => Some(PlacedText { text, spot: node.spot }),
            Err(problem) => {
                self.report(problem.at(node.spot));
                None
            }
        }
    }

    /// Texts of a list; `None` when it is no list.
    pub fn texts(&self, node: &Node, what: impl Into<Arg>) -> Option<Vec<PlacedText>> {
        match &node.data {
            NodeData::List(items) => {
                let list = what.into();
                let item_name = || Arg::from(text!("an item of {list}", list = list.clone()));
                Some(items.iter().filter_map(|item| self.text_called(item, item_name)).collect())
            }
            NodeData::Scalar(_) | NodeData::Map(_) => {
                self.wrong_type(node, what, text!("a list"));
                None
            }
        }
    }

    pub fn wrong_type(&self, node: &Node, what: impl Into<Arg>, wanted: Text) {
        let (what, found): (Arg, Text) = (what.into(), node.word());
        self.error(Code::A0104, node.spot, text!("{what} must be {wanted}, not {found}", what, wanted, found));
    }

    pub fn not_allowed(&self, text: &PlacedText, what: impl Into<Arg>, hint: impl Into<Text>) {
        let (what, value): (Arg, String) = (what.into(), shown(&text.text));
        self.error_hint(Code::A0106, text.spot, text!("{what} cannot be `{value}`", what, value), hint);
    }

    pub fn is_broken(&self) -> bool {
        self.problems.borrow().iter().any(Problem::is_error)
    }
}

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

/// Whether a place lies in a Compose file, or in what one names: not in the manifest itself.
pub(crate) fn is_compose(spot: Spot) -> bool {
    spot.file != 0
}

/// As [`Scope::no_effect`].
pub(crate) fn no_effect(spot: Spot, message: impl Into<Text>, hint: impl Into<Text>) -> Problem {
    let problem = if is_compose(spot) {
        Problem::warning(Code::A0185, spot, message)
    } else {
        Problem::error(Code::A0112, spot, message)
    };
    problem.hint(hint)
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
