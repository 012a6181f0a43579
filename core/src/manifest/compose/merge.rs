//! One part of a Compose file laid over another, by the merge rules of the Compose Spec: by `extends`, and of several files.
//!
//! | what | how |
//! |---|---|
//! | maps | entry by entry; the one above wins |
//! | lists of `NAME=value` | as maps |
//! | `command`, `entrypoint`, `healthcheck.test` | the one above |
//! | lists of mounts, devices, configs, secrets | the one above wins at a target |
//! | other lists | one after the other, equal items once |
//! | `!override` | the one above |
//! | `!reset` | neither |

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::manifest::yaml::diagnostic::Spot;
use crate::manifest::yaml::tree::{Entry, MergeTag, Node, NodeData};

/// Lists that are maps of names and values as well.
const PAIRS: [&str; 6] = ["environment", "labels", "annotations", "sysctls", "extra_hosts", "args"];
/// Lists that are maps of names as well.
const NAMES: [&str; 2] = ["depends_on", "networks"];
/// Values that stand for themselves.
const WHOLE: [&str; 3] = ["command", "entrypoint", "test"];
/// Lists in which each target stands once.
const TARGETS: [&str; 4] = ["volumes", "devices", "configs", "secrets"];

/// `above` over `below`.
pub(crate) fn services(below: &Rc<Node>, above: &Rc<Node>) -> Rc<Node> {
    let NodeData::Map(own) = &above.data else { return Rc::clone(above) };
    let own = own.iter().filter(|entry| entry.key != "extends").cloned().collect();
    let below = below.entries().iter().filter(|entry| entry.key != "extends").cloned().collect();
    Node::made(above.spot, NodeData::Map(maps(below, own)))
}

/// A part of a Compose file over that of another: things with names that people chose.
pub(crate) fn parts(below: Vec<Entry>, above: Vec<Entry>) -> Vec<Entry> {
    laid_over(below, above, |_, below, above| {
        let is_merged = above.merge_tag == MergeTag::Merged && matches!(below.data, NodeData::Map(_));
        if is_merged { services(below, above) } else { Rc::clone(above) }
    })
}

fn maps(below: Vec<Entry>, above: Vec<Entry>) -> Vec<Entry> {
    laid_over(below, above, values)
}

/// What both have is what `of_both` makes of it.
fn laid_over(
    below: Vec<Entry>,
    above: Vec<Entry>,
    of_both: impl Fn(&str, &Rc<Node>, &Rc<Node>) -> Rc<Node>,
) -> Vec<Entry> {
    let removed: BTreeSet<String> = above
        .iter()
        .filter(|entry| entry.value.merge_tag == MergeTag::Removed)
        .map(|entry| entry.key.clone())
        .collect();
    let mut merged = below;
    merged.retain(|entry| !removed.contains(&entry.key));
    let mut places: BTreeMap<String, usize> =
        merged.iter().enumerate().map(|(place, entry)| (entry.key.clone(), place)).collect();
    for entry in above.into_iter().filter(|entry| !removed.contains(&entry.key)) {
        match places.get(&entry.key).and_then(|place| merged.get_mut(*place)) {
            Some(known) => {
                let value = of_both(&entry.key, &known.value, &entry.value);
                *known = Entry { value, ..entry };
            }
            None => {
                places.insert(entry.key.clone(), merged.len());
                merged.push(entry);
            }
        }
    }
    merged
}

fn values(key: &str, below: &Rc<Node>, above: &Rc<Node>) -> Rc<Node> {
    if WHOLE.contains(&key) || above.merge_tag == MergeTag::Replaced {
        return Rc::clone(above);
    }
    let as_map = |node: &Rc<Node>| match (PAIRS.contains(&key), NAMES.contains(&key)) {
        (true, _) => pairs(node, &|_, _, _| ()),
        (false, true) => names(key, node),
        (false, false) => Rc::clone(node),
    };
    let (below, above) = (as_map(below), as_map(above));
    match (&below.data, &above.data) {
        (NodeData::Map(under), NodeData::Map(over)) => {
            Node::made(above.spot, NodeData::Map(maps(under.clone(), over.clone())))
        }
        (NodeData::List(under), NodeData::List(over)) => {
            Node::made(above.spot, NodeData::List(lists(key, under, over)))
        }
        _ => above,
    }
}

fn lists(key: &str, below: &[Rc<Node>], above: &[Rc<Node>]) -> Vec<Rc<Node>> {
    let texts: BTreeSet<&str> = above.iter().filter_map(|item| item.scalar()).collect();
    let targets: BTreeSet<&str> = above.iter().filter_map(|item| target(item)).collect();
    let is_replaced = |item: &Rc<Node>| {
        let same = item.scalar().is_some_and(|text| texts.contains(text));
        same || (TARGETS.contains(&key) && target(item).is_some_and(|target| targets.contains(target)))
    };
    let kept = below.iter().filter(|item| !is_replaced(item));
    kept.chain(above).cloned().collect()
}

/// Where something is mounted, in the short or the long form.
fn target(item: &Node) -> Option<&str> {
    match &item.data {
        NodeData::Map(_) => {
            item.entry("target").or_else(|| item.entry("source")).and_then(|entry| entry.value.scalar())
        }
        NodeData::Scalar(scalar) => scalar.text.split(':').nth(1).or(Some(scalar.text.as_str())),
        NodeData::List(_) => None,
    }
}

/// A list of `NAME=value` as a map. Of a name that stands twice the last one holds; `twice` is told its place, and that of the
/// one before.
pub(crate) fn pairs(node: &Rc<Node>, twice: &dyn Fn(&str, Spot, Spot)) -> Rc<Node> {
    let NodeData::List(items) = &node.data else { return Rc::clone(node) };
    let mut entries: Vec<Entry> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        let NodeData::Scalar(scalar) = &item.data else { return Rc::clone(node) };
        let (name, value) = match scalar.text.split_once('=') {
            Some((name, value)) => (name, Node::made_text(item.spot, value.to_owned())),
            None => (scalar.text.as_str(), nothing(item)),
        };
        let entry = Entry { key: name.to_owned(), key_spot: item.spot, value };
        match places.get(name).and_then(|place| entries.get_mut(*place)) {
            Some(known) => {
                twice(&known.key, known.key_spot, item.spot);
                *known = entry;
            }
            None => {
                places.insert(name, entries.len());
                entries.push(entry);
            }
        }
    }
    Node::made(node.spot, NodeData::Map(entries))
}

/// A list of names as a map; anything else is as it is.
pub(crate) fn names(key: &str, node: &Rc<Node>) -> Rc<Node> {
    let NodeData::List(items) = &node.data else { return Rc::clone(node) };
    let mut entries: Vec<Entry> = Vec::new();
    for item in items {
        let Some(name) = item.scalar() else { return Rc::clone(node) };
        let plain = || Entry { key: name.to_owned(), key_spot: item.spot, value: nothing(item) };
        entries.push(if key == "depends_on" { started(name, item) } else { plain() });
    }
    Node::made(node.spot, NodeData::Map(entries))
}

/// An entry of `depends_on`, as the name alone has it.
pub(crate) fn started(name: &str, item: &Node) -> Entry {
    let condition = Node::made_text(item.spot, "service_started".to_owned());
    let entry = Entry { key: "condition".to_owned(), key_spot: item.spot, value: condition };
    let value = Node::made(item.spot, NodeData::Map(vec![entry]));
    Entry { key: name.to_owned(), key_spot: item.spot, value }
}

/// YAML's null, in the place of an item.
pub(crate) fn nothing(item: &Node) -> Rc<Node> {
    Node::made(
        item.spot,
        NodeData::Scalar(crate::manifest::yaml::tree::Scalar { text: String::new(), plain: true, literal: false }),
    )
}
