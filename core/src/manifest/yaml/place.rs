//! Where a key of a YAML text stands that is no manifest.

use super::tree::{self, Node, NodeData};

/// Line and column, from one, of what a dotted path leads to; of the last of its keys that is there, where one is missing;
/// in a list, of the item that says `value`. Nothing where the first key is not there, or the text is not YAML.
pub fn place(text: &str, path: &str, value: Option<&str>) -> Option<(usize, usize)> {
    let root = tree::read(text, 0).root?;
    let (mut node, mut rest, mut spot) = (root.as_ref(), path, None);
    while let Some((entry, after)) = node.entries().iter().find_map(|entry| Some((entry, after(rest, &entry.key)?))) {
        (node, rest, spot) = (&entry.value, after, Some(entry.key_spot));
    }
    let said = |item: &&Node| value.is_some() && item.scalar() == value;
    let spot = match &node.data {
        NodeData::List(items) => items.iter().map(AsRef::as_ref).find(said).map(|item| item.spot).or(spot),
        NodeData::Scalar(_) if rest.is_empty() && !node.is_null() => Some(node.spot),
        NodeData::Scalar(_) | NodeData::Map(_) => spot,
    };
    spot.map(|spot| (spot.line, spot.column))
}

/// What of a path comes after a key that it begins with.
fn after<'p>(path: &'p str, key: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(key).filter(|_| !key.is_empty())?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

#[cfg(test)]
mod tests {
    use super::place;

    const TEXT: &str = "a:\n  b.c: {d: one}\n  e: [two, 'three']\n  f:\ng: four\n";

    #[test]
    fn a_path_leads_as_far_as_its_keys() {
        for (path, value, at) in [
            ("a", None, Some((1, 1))),
            ("a.b.c", None, Some((2, 3))),
            ("a.b.c.d", None, Some((2, 12))),
            ("a.b.c.d.x", None, Some((2, 9))),
            ("a.b.c.x", None, Some((2, 3))),
            ("a.e", Some("three"), Some((3, 12))),
            ("a.e", Some("five"), Some((3, 3))),
            ("a.e", None, Some((3, 3))),
            ("a.f", None, Some((4, 3))),
            ("ab", None, None),
            ("", None, None),
        ] {
            assert_eq!(place(TEXT, path, value), at, "{path}");
        }
        assert_eq!(place("a: [", "a", None), None);
    }
}
