//! Machines of a pool that Amarre makes: containers of the pool, each with an SSH server.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value as Json;

use super::pool::add;
use crate::manifest::compose::{container, container_schema, unsupported};
use crate::manifest::limits::CONTAINERS_MAX;
use crate::manifest::policy::targets;
use crate::manifest::reader::Reader;
use crate::manifest::schema_keys::{number, object, text, words};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::{Spot, shown};
use crate::manifest::yaml::tree;
use crate::manifest::yaml::tree::{Entry, Node, NodeData};
use crate::model::pool::{Machine, host_key_secret, own_key_secret};
use crate::model::service::{EnvValue, Service};
use crate::model::site::PublicAddress;
use crate::model::{Code, Text};
use crate::text;

/// Containers by the name of their template: what `service` says comes in place of what is there.
const TEMPLATES: [(&str, &str); 1] = [("sshd", include_str!("sshd.yaml"))];
/// Where the first machine is published, unless the manifest says otherwise. Each has the next.
const FIRST_PORT: i64 = 2201;
const LAST_PORT: i64 = 65_000;
/// What is said of all machines at once, and is no key of a container.
const OWN_KEYS: [&str; 4] = ["template", "count", "port", "address"];

/// Reads `service`: containers for the pool, and a machine for each.
pub(super) fn service(reader: &mut Reader<'_>, service: &mut Service, machines: &mut BTreeMap<String, Machine>) {
    let scope = reader.scope;
    let Some(node) = reader.node("service") else {
        if let Some(entry) = reader.entry("host") {
            let hint = text!("leave it out: machines that are there already need no host");
            let message = text!("`host` is for machines that `service` makes");
            scope.error_hint(Code::A0106, entry.key_spot, message, hint);
        }
        return;
    };
    super::shared::host::host(reader);
    service.host = scope.host.clone();
    let spot = reader.key_spot("service");
    let Some(mut inner) = Reader::open(scope, node, "`service`", "service.") else { return };
    let count = inner.number("count", 1, i64::try_from(CONTAINERS_MAX).unwrap_or(i64::MAX));
    if !inner.has("count") {
        inner.missing("count", text!("how many machines, as in `count: 5`"));
    }
    let first = inner.number("port", 1, LAST_PORT).unwrap_or(FIRST_PORT);
    let place = inner.entry("address").map(|entry| entry.value.spot);
    let address = address(scope, &mut inner);
    let template = template(&mut inner);
    let written = node.entries().iter().filter(|entry| !OWN_KEYS.contains(&entry.key.as_str()));
    let mut is_refused = false;
    for entry in node.entries() {
        let Some(why) = why_not(&entry.key) else { continue };
        is_refused = true;
        let message = text!("`{key}` does not belong in `service` of a pool", key = shown(&entry.key));
        scope.error_hint(Code::A0106, entry.key_spot, message, why);
    }
    if is_refused {
        return;
    }
    let (Some(count), Some(address), Some(template)) = (count, address, template) else { return };
    let is_written = |entry: &&Entry| node.entry(&entry.key).is_none();
    let keys: Vec<Entry> = written.chain(template.entries().iter().filter(is_written)).cloned().collect();
    for index in 1..=count {
        let name = format!("{}-{index}", service.name);
        let Ok(port) = u16::try_from(first + index - 1) else { return };
        let origin = scope.origin(spot);
        // At a host's own addresses the port is one that the manifest publishes.
        if let Some(spot) = place.filter(|_| !targets::is_hosts_own(scope, &address)) {
            targets::machine(scope, &address, port, spot);
        }
        if !one(scope, service, &keys, spot, index, port) {
            // The others would say the same.
            return;
        }
        let machine = Machine {
            address: address.clone(),
            port,
            user: "root".to_owned(),
            password: None,
            host_key: None,
            is_container: true,
            server: None,
            origin,
        };
        add(scope, machines, PlacedText { text: name, spot }, machine);
    }
    service.volumes.append(&mut scope.claims.borrow_mut().external);
}

/// Reads the keys as one container. Whether it could be read.
fn one(scope: &Scope<'_>, service: &mut Service, keys: &[Entry], spot: Spot, index: i64, port: u16) -> bool {
    let name = format!("{}-{index}", service.name);
    let made = |key: &str, value: Rc<Node>| Entry { key: key.to_owned(), key_spot: spot, value };
    let mut entries = keys.to_vec();
    if !keys.iter().any(|entry| entry.key == "hostname") {
        entries.push(made("hostname", Node::made_text(spot, name.clone())));
    }
    let published = Node::made_text(spot, format!("{port}:22"));
    entries.push(made("ports", Node::made(spot, NodeData::List(vec![published]))));
    let node = Node::made(spot, NodeData::Map(entries));
    let Some(mut inner) = Reader::open(scope, &node, "`service`", "service.") else { return false };
    let read = container::container(&mut inner, false);
    inner.finish(&unsupported::container_key);
    let Some(mut read) = read else { return false };
    let environment = &mut read.container.environment;
    environment.insert("AMARRE_KEY".to_owned(), EnvValue::Secret(own_key_secret()));
    environment.insert("AMARRE_HOST_KEY".to_owned(), EnvValue::Secret(host_key_secret(&service.name, &name)));
    read.container.origin = scope.origin(spot);
    service.containers.insert(index.to_string(), Box::new(read.container));
    !scope.is_broken()
}

/// Keys that several containers cannot have alike, or that Amarre sets.
fn why_not(key: &str) -> Option<Text> {
    Some(match key {
        "ports" => text!("write `port: 2201`: the first machine has that one, each has the next"),
        "container_name" => text!("each is called after the pool, with its number"),
        "networks" | "network_mode" => text!("they are on the network of the pool"),
        "ipv4_address" => text!("Amarre gives each an address"),
        "depends_on" => text!("a pool has nothing else that could come first"),
        _ => return None,
    })
}

/// Where people and Amarre reach the published ports: the host's address, unless it is said.
fn address(scope: &Scope<'_>, inner: &mut Reader<'_>) -> Option<String> {
    if let Some(text) = inner.text("address") {
        return super::pool::host(scope, &text);
    }
    inner.entry("address");
    match scope.site.hosts.get(&scope.host)?.address.first() {
        Some(PublicAddress::Ip(address)) => Some(address.to_string()),
        Some(PublicAddress::Name(name)) => Some(name.trim_end_matches('.').to_owned()),
        None => {
            let hint = text!(
                "where the machines are reached, as in {example}; amarre.yaml has none for the host",
                example = "`address: 192.168.1.10`",
            );
            inner.missing("address", hint);
            None
        }
    }
}

/// The keys of the template; without one, none.
fn template(inner: &mut Reader<'_>) -> Option<Rc<Node>> {
    let nothing = || Node::made(inner.spot, NodeData::Map(Vec::new()));
    if !inner.has("template") {
        let empty = nothing();
        inner.entry("template");
        return Some(empty);
    }
    let text = inner.text("template")?;
    let found = TEMPLATES.iter().find(|(name, _)| *name == text.text);
    let Some(root) = found.and_then(|(_, yaml)| tree::read(yaml, 0).root) else {
        let names: Vec<&str> = TEMPLATES.iter().map(|(name, _)| *name).collect();
        let hint = text!("one of {names}, or leave it out", names);
        inner.scope.not_allowed(&text, "`service.template`", hint);
        return None;
    };
    Some(placed(&root, text.spot))
}

/// A tree of another text, as if it stood at one place.
fn placed(node: &Node, spot: Spot) -> Rc<Node> {
    let data = match &node.data {
        NodeData::Scalar(scalar) => NodeData::Scalar(scalar.clone()),
        NodeData::List(items) => NodeData::List(items.iter().map(|item| placed(item, spot)).collect()),
        NodeData::Map(entries) => {
            let entry =
                |entry: &Entry| Entry { key: entry.key.clone(), key_spot: spot, value: placed(&entry.value, spot) };
            NodeData::Map(entries.iter().map(entry).collect())
        }
    };
    Node::made(spot, data)
}

pub(super) fn schema() -> Json {
    let names: Vec<&str> = TEMPLATES.iter().map(|(name, _)| *name).collect();
    let mut keys = vec![
        ("template", words(&names), "What the machines are, where the other keys do not say otherwise"),
        ("count", number(), "How many"),
        ("port", number(), "Where the first is published; each has the next. 2201 if not set"),
        ("address", text(), "Where they are reached; the host's address if not set"),
    ];
    keys.extend(container_schema::keys().into_iter().filter(|(key, ..)| why_not(key).is_none()));
    object(&["count"], keys)
}
