//! `links` of a Compose file: who calls whom by which name.
//!
//! | written | becomes |
//! |---|---|
//! | `links: [db]` | `depends_on: [db]`; containers of one service find one another by name |
//! | `links: [db:database]` | the same, and an alias of `db` on the network of the service |

use std::rc::Rc;

use super::merge::started;
use super::reader::Scope;
use super::yaml::{Data, Entry, Node};

/// One item.
pub(super) struct Link {
    /// The key of the other container.
    pub to: String,
    /// What it is called here, if not so.
    pub alias: Option<String>,
}

/// The links of a service.
pub(super) fn of(scope: &Scope<'_>, service: &Node) -> Vec<Link> {
    let Some(links) = service.entry("links").filter(|links| !links.value.is_null()) else { return Vec::new() };
    let texts = scope.texts(&links.value, "`links`").unwrap_or_default();
    let link = |text: &str| match text.split_once(':') {
        Some((to, alias)) => Link { to: to.to_owned(), alias: Some(alias.to_owned()) },
        None => Link { to: text.to_owned(), alias: None },
    };
    texts.iter().map(|text| link(&text.text)).collect()
}

/// Adds those that a service is linked to, which Compose starts before it, to the keys that it depends on.
pub(super) fn come_first(scope: &Scope<'_>, service: &Rc<Node>, entries: &mut Vec<Entry>) {
    let Some(links) = service.entry("links") else { return };
    let spot = links.key_spot;
    let own = entries.iter().position(|entry| entry.key == "depends_on");
    let mut all: Vec<Entry> = match own.and_then(|at| entries.get(at)).map(|entry| &entry.value.data) {
        Some(Data::Map(known)) => known.clone(),
        Some(Data::List(items)) => items.iter().filter_map(|item| Some(started(item.scalar()?, item))).collect(),
        Some(Data::Scalar(_)) => return,
        None => Vec::new(),
    };
    for link in of(scope, service) {
        if all.iter().all(|known| known.key != link.to) {
            all.push(started(&link.to, &Node::made_text(spot, link.to.clone())));
        }
    }
    let value = Node::made(spot, Data::Map(all));
    match own.and_then(|at| entries.get_mut(at)) {
        Some(entry) => entry.value = value,
        None => entries.push(Entry { key: "depends_on".to_owned(), key_spot: spot, value }),
    }
}
