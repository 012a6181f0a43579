//! `links` of a Compose file: who calls whom by which name.
//!
//! | written | becomes |
//! |---|---|
//! | `links: [db]` | `depends_on: [db]`; containers of one service find one another by name |
//! | `links: [db:database]` | the same, and an alias of `db` on the network of the service |

use std::collections::BTreeMap;

use super::composite_keys::is_network_name;
use super::merge::{names, started};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::Spot;
use crate::manifest::yaml::tree::{Entry, Node, NodeData};
use crate::text;

/// The links of each service of a project, by its key.
pub(crate) type Links = BTreeMap<String, Vec<ComposeLink>>;

pub(crate) struct ComposeLink {
    /// The key of the other container.
    pub to: String,
    /// What it is called here, if not so.
    pub alias: Option<String>,
}

/// The links of these services.
pub(crate) fn read(scope: &Scope<'_>, services: &[Entry]) -> Links {
    services.iter().map(|service| (service.key.clone(), of_service(scope, &service.value))).collect()
}

fn of_service(scope: &Scope<'_>, service: &Node) -> Vec<ComposeLink> {
    let Some(links) = service.entry("links").filter(|links| !links.value.is_null()) else { return Vec::new() };
    let link = |text: PlacedText| match text.text.split_once(':') {
        Some((_, alias)) if !is_network_name(alias) => {
            let hint = text!("as in {first} or {second}", first = "`db`", second = "`db:database`");
            scope.not_allowed(&text, text!("an item of {list}", list = "`links`"), hint);
            None
        }
        Some((to, alias)) => Some(ComposeLink { to: to.to_owned(), alias: Some(alias.to_owned()) }),
        None => Some(ComposeLink { to: text.text, alias: None }),
    };
    scope.texts(&links.value, "`links`").unwrap_or_default().into_iter().filter_map(link).collect()
}

/// What the others call a container, beside its key.
pub(crate) fn aliases<'a>(links: &'a Links, key: &'a str) -> impl Iterator<Item = String> + 'a {
    let to_it = links.values().flatten().filter(move |link| link.to == key);
    to_it.filter_map(|link| link.alias.clone()).filter(move |alias| alias != key)
}

/// Adds those that a service is linked to, which Compose starts before it, to the keys that it depends on.
pub(crate) fn come_first(links: &[ComposeLink], spot: Spot, entries: &mut Vec<Entry>) {
    if links.is_empty() {
        return;
    }
    let own = entries.iter().position(|entry| entry.key == "depends_on");
    let known = own.and_then(|at| entries.get(at)).map(|entry| names("depends_on", &entry.value));
    let mut all: Vec<Entry> = match known.as_ref().map(|known| &known.data) {
        Some(NodeData::Map(known)) => known.clone(),
        // What is wrong with it is told where it is read.
        Some(NodeData::List(_) | NodeData::Scalar(_)) => return,
        None => Vec::new(),
    };
    for link in links {
        if all.iter().all(|known| known.key != link.to) {
            all.push(started(&link.to, &Node::made_text(spot, link.to.clone())));
        }
    }
    let value = Node::made(spot, NodeData::Map(all));
    match own.and_then(|at| entries.get_mut(at)) {
        Some(entry) => entry.value = value,
        None => entries.push(Entry { key: "depends_on".to_owned(), key_spot: spot, value }),
    }
}
