//! YAML text to a tree in which every key and value knows its place. Pure; knows nothing of manifests.
//!
//! Aliases and merge keys are resolved here, within a budget; a duplicate key is a problem that names
//! both places. Scalars keep their text as written: whether `no` is a word or a boolean is for the
//! reader of that key to say.

use std::collections::BTreeMap;
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, Span, Tag};

use super::diagnostic::{PROBLEMS_MAX, Problem, Spot, shown};
use crate::model::{Arg, Code, Text};
use crate::text;

/// Deeper than any real manifest (8), and shallow enough for recursion on a small stack.
pub(crate) const DEPTH_MAX: usize = 32;
/// Counted after aliases are expanded: stops "billion laughs" long before memory matters.
pub(crate) const NODES_MAX: usize = 50_000;
/// Of one list. No key takes so many, and some compare each item with the others.
const LIST_MAX: usize = 1_000;
/// Characters of all scalars after aliases are expanded: four times the largest file.
pub(crate) const EXPANDED_BYTES_MAX: usize = 4 << 20;

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub spot: Spot,
    pub data: NodeData,
    /// How it is laid over what another file says at its place.
    pub merge_tag: MergeTag,
    weight: Weight,
}

/// How a value of a Compose file is laid over the one below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergeTag {
    /// Merged with it, by the rules of its key.
    Merged,
    /// `!override`: in its place.
    Replaced,
    /// `!reset`: neither of them is there.
    Removed,
}

#[derive(Debug)]
pub(crate) enum NodeData {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// Text as written; `plain` means without quotes, so that it may stand for a number, a boolean or nothing.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub text: String,
    pub plain: bool,
    /// As it stands in the file: no variable was replaced in it.
    pub literal: bool,
}

/// One key of a map, in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub key: String,
    pub key_spot: Spot,
    pub value: Rc<Node>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
    height: usize,
}

impl Node {
    /// One that was not read but made: merged, or with its variables replaced.
    pub fn made(spot: Spot, data: NodeData) -> Rc<Self> {
        Rc::new(Self { spot, data, merge_tag: MergeTag::Merged, weight: Weight::default() })
    }

    /// As it is, but for its data.
    pub fn with(&self, data: NodeData) -> Rc<Self> {
        Rc::new(Self { spot: self.spot, data, merge_tag: self.merge_tag, weight: Weight::default() })
    }

    /// A made text, which is never a number, a boolean or nothing.
    pub fn made_text(spot: Spot, text: String) -> Rc<Self> {
        Self::made(spot, NodeData::Scalar(Scalar { text, plain: false, literal: false }))
    }

    /// A made scalar without quotes: a number, a boolean.
    pub fn made_plain(spot: Spot, text: String) -> Rc<Self> {
        Self::made(spot, NodeData::Scalar(Scalar { text, plain: true, literal: false }))
    }

    /// How many values it holds, itself included.
    pub fn count(&self) -> usize {
        1 + match &self.data {
            NodeData::Scalar(_) => 0,
            NodeData::List(items) => items.iter().map(|item| item.count()).sum(),
            NodeData::Map(entries) => entries.iter().map(|entry| entry.value.count()).sum(),
        }
    }

    /// The entries of a map; none when it is something else.
    pub fn entries(&self) -> &[Entry] {
        if let NodeData::Map(entries) = &self.data { entries } else { &[] }
    }

    /// The items of a list; none when it is something else.
    pub fn items(&self) -> &[Rc<Node>] {
        if let NodeData::List(items) = &self.data { items } else { &[] }
    }

    /// Whether it is YAML's null: nothing, `~` or `null`.
    pub fn is_null(&self) -> bool {
        match &self.data {
            NodeData::Scalar(scalar) => {
                scalar.plain && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            NodeData::List(_) | NodeData::Map(_) => false,
        }
    }

    /// What it is, for messages.
    pub fn word(&self) -> Text {
        match &self.data {
            NodeData::Scalar(_) if self.is_null() => text!("nothing"),
            NodeData::Scalar(_) => text!("text"),
            NodeData::List(_) => text!("a list"),
            NodeData::Map(_) => text!("a map"),
        }
    }

    /// The entry of a key, when it is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.data {
            NodeData::Map(entries) => entries.iter().find(|entry| entry.key == key),
            NodeData::Scalar(_) | NodeData::List(_) => None,
        }
    }

    /// The text, when it is a scalar that is not null.
    pub fn scalar(&self) -> Option<&str> {
        match &self.data {
            NodeData::Scalar(scalar) if !self.is_null() => Some(&scalar.text),
            NodeData::Scalar(_) | NodeData::List(_) | NodeData::Map(_) => None,
        }
    }
}

/// What became of a document.
pub(crate) struct Tree {
    /// `None`: empty, or not YAML (then there are problems).
    pub root: Option<Rc<Node>>,
    pub problems: Vec<Problem>,
}

/// What usually makes the parser give up so, where its own words do not say it.
fn usual_cause(said: &str) -> Option<Text> {
    let is_second_colon = said.contains("mapping values are not allowed");
    is_second_colon.then(|| text!("a second `: ` in a line: put the value into quotes"))
}

/// Reads one document that begins after `lines_before` lines of the manifest's file.
pub(crate) fn read(text: &str, lines_before: usize) -> Tree {
    read_within(0, text, lines_before)
}

/// As [`read`], of another file.
pub(crate) fn read_within(file: u16, text: &str, lines_before: usize) -> Tree {
    let mut builder = Builder { file, lines_before, ..Builder::default() };
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_unresolved_aliases = true;
    for step in Parser::new_from_str_with_options(text, options) {
        let taken = match step {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let mark = error.marker();
                let spot = Spot::within(file, mark.line() + lines_before, mark.col() + 1);
                if *error.kind() == ErrorKind::RecursionLimitExceeded {
                    Err(too_deep(spot))
                } else {
                    let why = Arg::Foreign(shown(&error.info()).to_string());
                    let problem = Problem::error(Code::A0101, spot, text!("not YAML: {why}", why));
                    Err(usual_cause(&error.info()).into_iter().fold(problem, Problem::hint))
                }
            }
        };
        if let Err(problem) = taken {
            builder.problems.push(problem);
            return Tree { root: None, problems: builder.problems };
        }
        if builder.problems.len() >= PROBLEMS_MAX {
            return Tree { root: None, problems: builder.problems };
        }
    }
    let root = builder.root.filter(|node| !builder.is_unusable && !node.is_null());
    Tree { root, problems: builder.problems }
}

#[derive(Default)]
struct Builder {
    file: u16,
    lines_before: usize,
    /// An alias leads nowhere: what would be read without it is not what is meant.
    is_unusable: bool,
    open: Vec<OpenNode>,
    anchors: BTreeMap<usize, Rc<Node>>,
    total: Weight,
    root: Option<Rc<Node>>,
    problems: Vec<Problem>,
}

/// A list or map whose end is not yet read.
struct OpenNode {
    spot: Spot,
    anchor: usize,
    merge_tag: MergeTag,
    weight: Weight,
    content: Content,
}

enum Content {
    List(Vec<Rc<Node>>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// Where each key stands, to find it when it comes a second time.
    places: BTreeMap<String, Spot>,
    /// What a merge key brings, and where it stands.
    merge: Option<(Spot, Rc<Node>)>,
    /// The key whose value comes next.
    key: Option<NodeKey>,
}

enum NodeKey {
    Word(String, Spot),
    Merge(Spot),
    /// Reported; its value is dropped.
    Bad,
}

impl Builder {
    /// One event; an `Err` is a problem that ends the reading of this document.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let spot = self.spot(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let (plain, merge_tag) = self.tagged(style == ScalarStyle::Plain, tag.as_deref(), spot);
                let weight = Weight { nodes: 1, bytes: text.len(), height: 0 };
                let data = NodeData::Scalar(Scalar { text: text.into_owned(), plain, literal: true });
                self.finish(Node { spot, data, merge_tag, weight }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                let (_, merge_tag) = self.tagged(true, tag.as_deref(), spot);
                self.begin(spot, anchor, merge_tag, Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let (_, merge_tag) = self.tagged(true, tag.as_deref(), spot);
                self.begin(spot, anchor, merge_tag, Content::Map(OpenMap::default()))
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(spot),
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                Some(node) => self.place(node, spot),
                None => Err(Problem::error(Code::A0115, spot, text!("an anchor that contains itself"))),
            },
            Event::UnresolvedAlias(_) => {
                self.is_unusable = true;
                let problem = Problem::error(Code::A0115, spot, text!("an alias of an anchor that is not there"));
                self.problems.push(problem.hint(text!("anchors hold for their own document, from where they stand")));
                let data = NodeData::Scalar(Scalar { text: String::new(), plain: true, literal: false });
                let weight = Weight { nodes: 1, bytes: 0, height: 0 };
                self.finish(Node { spot, data, merge_tag: MergeTag::Merged, weight }, 0)
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                let why = text!("a second document without `---`");
                Err(Problem::error(Code::A0101, spot, text!("not YAML: {why}", why)))
            }
            // The parser's enum is open; what else there is carries no data.
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | _ => Ok(()),
        }
    }

    fn begin(&mut self, spot: Spot, anchor: usize, merge_tag: MergeTag, content: Content) -> Result<(), Problem> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(spot));
        }
        self.open.push(OpenNode { spot, anchor, merge_tag, weight: Weight { nodes: 1, bytes: 0, height: 0 }, content });
        Ok(())
    }

    fn end(&mut self, end: Spot) -> Result<(), Problem> {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        let spot = Spot { end_line: end.end_line, end_column: end.end_column, ..frame.spot };
        let mut weight = frame.weight;
        let data = match frame.content {
            Content::List(items) => NodeData::List(items),
            Content::Map(map) => NodeData::Map(map.close(&mut self.problems)),
        };
        weight.height += 1;
        self.finish(Node { spot, data, merge_tag: frame.merge_tag, weight }, frame.anchor)
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let spot = node.spot;
        self.place(node, spot)
    }

    /// Puts a finished node where it belongs. `spot` is where it is used: for an alias, the alias.
    fn place(&mut self, node: Rc<Node>, spot: Spot) -> Result<(), Problem> {
        if self.open.len() + node.weight.height > DEPTH_MAX {
            return Err(too_deep(spot));
        }
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.weight.nodes += node.weight.nodes;
        frame.weight.bytes += node.weight.bytes;
        frame.weight.height = frame.weight.height.max(node.weight.height);
        // Every node is counted once when its frame takes it, an alias with all that it stands for.
        let is_alias = spot != node.spot || matches!(node.data, NodeData::Scalar(_));
        self.total.nodes += if is_alias { node.weight.nodes } else { 1 };
        self.total.bytes += if is_alias { node.weight.bytes } else { 0 };
        if self.total.nodes > NODES_MAX || self.total.bytes > EXPANDED_BYTES_MAX {
            let message = text!("more than {most} values or 4 MiB once aliases are expanded", most = NODES_MAX);
            return Err(Problem::error(Code::A0108, spot, message));
        }
        match &mut frame.content {
            Content::List(items) if items.len() >= LIST_MAX => {
                let message = text!("a list of more than {most} items", most = LIST_MAX);
                return Err(Problem::error(Code::A0108, spot, message));
            }
            Content::List(items) => items.push(node),
            Content::Map(map) => map.take(node, spot, &mut self.problems),
        }
        Ok(())
    }

    /// Whether a scalar is to be read as plain, given its tag, and how it is laid over another. Only Compose files have those.
    fn tagged(&mut self, untagged: bool, tag: Option<&Tag>, spot: Spot) -> (bool, MergeTag) {
        let Some(tag) = tag else { return (untagged, MergeTag::Merged) };
        let original = tag.original();
        match original.as_ref() {
            "!" => return (false, MergeTag::Merged),
            "!reset" if self.file != 0 => return (untagged, MergeTag::Removed),
            "!override" if self.file != 0 => return (untagged, MergeTag::Replaced),
            _ => (),
        }
        let plain = match tag.core_suffix() {
            Some("str") => false,
            Some("int" | "float" | "bool" | "null" | "map" | "seq" | "merge") => true,
            _ => {
                let message = text!("unknown tag `{tag}`", tag = shown(&original));
                self.problems.push(Problem::error(Code::A0101, spot, message).hint(text!("remove it")));
                untagged
            }
        };
        (plain, MergeTag::Merged)
    }

    fn spot(&self, span: Span) -> Spot {
        Spot {
            file: self.file,
            line: span.start.line() + self.lines_before,
            column: span.start.col() + 1,
            end_line: span.end.line() + self.lines_before,
            end_column: span.end.col() + 1,
        }
    }
}

impl OpenMap {
    /// A key or a value, in turn.
    fn take(&mut self, node: Rc<Node>, spot: Spot, problems: &mut Vec<Problem>) {
        match self.key.take() {
            None => self.key = Some(key_of(&node, spot, problems)),
            Some(NodeKey::Bad) => (),
            Some(NodeKey::Merge(key_spot)) => {
                if let Some((first, _)) = &self.merge {
                    problems.push(duplicate("<<", key_spot, *first));
                }
                self.merge = Some((key_spot, node));
            }
            Some(NodeKey::Word(key, key_spot)) => match self.places.get(&key) {
                Some(first) => problems.push(duplicate(&key, key_spot, *first)),
                None => {
                    self.places.insert(key.clone(), key_spot);
                    self.entries.push(Entry { key, key_spot, value: node });
                }
            },
        }
    }

    /// The entries, with what a merge key brings; what the map says itself wins, then what comes first.
    fn close(mut self, problems: &mut Vec<Problem>) -> Vec<Entry> {
        let Some((key_spot, value)) = self.merge else { return self.entries };
        let sources = match &value.data {
            NodeData::Map(_) => vec![value],
            NodeData::List(items) => items.clone(),
            NodeData::Scalar(_) => Vec::new(),
        };
        if sources.is_empty() || sources.iter().any(|source| !matches!(source.data, NodeData::Map(_))) {
            let problem = Problem::error(Code::A0115, key_spot, text!("`<<` takes a map, or a list of maps"));
            problems.push(problem.hint(text!("as in {example}", example = "`<<: *defaults`")));
        }
        for source in &sources {
            let NodeData::Map(brought) = &source.data else { continue };
            for entry in brought {
                if self.places.insert(entry.key.clone(), entry.key_spot).is_none() {
                    self.entries.push(entry.clone());
                }
            }
        }
        self.entries
    }
}

fn key_of(node: &Node, spot: Spot, problems: &mut Vec<Problem>) -> NodeKey {
    match &node.data {
        NodeData::Scalar(scalar) if scalar.plain && scalar.text == "<<" => NodeKey::Merge(spot),
        NodeData::Scalar(scalar) if !node.is_null() && !scalar.text.is_empty() => {
            NodeKey::Word(scalar.text.clone(), spot)
        }
        NodeData::Scalar(_) | NodeData::List(_) | NodeData::Map(_) => {
            let found = if matches!(node.data, NodeData::Scalar(_)) { text!("nothing") } else { node.word() };
            let (what, wanted) = (text!("a key"), text!("text"));
            let message = text!("{what} must be {wanted}, not {found}", what, wanted, found);
            problems.push(Problem::error(Code::A0104, spot, message));
            NodeKey::Bad
        }
    }
}

fn duplicate(key: &str, spot: Spot, first: Spot) -> Problem {
    let problem = Problem::error(Code::A0102, spot, text!("duplicate key `{key}`", key = shown(key)));
    problem.hint(text!("first written in line {line}", line = first.line.to_string()))
}

fn too_deep(spot: Spot) -> Problem {
    Problem::error(Code::A0108, spot, text!("nested deeper than {most} levels", most = DEPTH_MAX))
}
