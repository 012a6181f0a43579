//! The networks of a Compose file: one is the service's, on which most of its containers live. Others are its own as well,
//! or are there already; a container is on them beside that one, or instead.

use std::collections::BTreeMap;
use std::rc::Rc;

use ipnet::{Ipv4Net, Ipv6Net};

use super::project::{Project, not_here};
use super::stack::external;
use super::{composite_keys, own_network};
use crate::manifest::reader::{Reader, UnknownKey, flag, nearest};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::{Problem, shown};
use crate::manifest::yaml::tree::{Entry, Node, NodeData, Scalar};
use crate::model::Code;
use crate::model::address::network_name;
use crate::model::service::{NetworkMode, OwnNetwork};
use crate::text;

/// Where the containers of a Compose file live.
#[derive(Default)]
pub(crate) struct Networks {
    /// The service's, if the file says anything of it.
    pub mode: Option<NetworkMode>,
    /// What the file calls the service's network.
    home: String,
    /// What it calls the others, with what containers of the service call them.
    beside: BTreeMap<String, String>,
    /// Those of the others that are its own.
    pub own: BTreeMap<String, OwnNetwork>,
}

/// The network on which services live, and those that some are on as well, or instead.
pub(crate) fn read(scope: &Scope<'_>, project: &Project, services: &[Entry]) -> Networks {
    let used: Vec<Vec<PlacedText>> = services.iter().map(|service| networks_of(scope, &service.value)).collect();
    let mut all: Vec<&PlacedText> = Vec::new();
    for network in used.iter().flatten() {
        if all.iter().all(|known| known.text != network.text) {
            all.push(network);
        }
    }
    let mut networks = Networks::default();
    let defined = |key: &str| project.networks.iter().find(|entry| entry.key == key);
    let external = |key: &str| defined(key).and_then(external_name);
    let place = |key: &str| project.networks.iter().position(|entry| entry.key == key);
    let is_everywhere = |key: &str| {
        let mut used = used.iter().filter(|networks| !networks.is_empty());
        used.all(|networks| networks.iter().any(|one| one.text == key))
    };
    // Its own before those of others, and of them the first: a new container moves none that is there.
    let rank = |network: &&&PlacedText| {
        let key = network.text.as_str();
        let is_external = external(key).is_some();
        (is_external, is_external && !is_everywhere(key), key != "default", place(key))
    };
    let Some(home) = all.iter().min_by_key(rank) else { return networks };
    for other in all.iter().filter(|network| network.text != home.text) {
        let PlacedText { text: key, .. } = other;
        if let Some(name) = external(key) {
            networks.beside.insert(key.clone(), name);
            continue;
        }
        let name = format!("{}.{key}", scope.name);
        let own = match defined(key) {
            Some(entry) if entry.value.is_null() => OwnNetwork::default(),
            Some(entry) => own(defined_network(scope, entry, &name)),
            None if key == "default" => OwnNetwork::default(),
            None => {
                unknown(scope, project, other);
                continue;
            }
        };
        networks.beside.insert(key.clone(), name.clone());
        networks.own.insert(name, own);
    }
    networks.home.clone_from(&home.text);
    networks.mode = match defined(&home.text) {
        Some(entry) if entry.value.is_null() => None,
        Some(entry) => defined_network(scope, entry, &scope.name),
        None if home.text == "default" => None,
        None => {
            unknown(scope, project, home);
            None
        }
    };
    networks
}

/// What a network of its own says.
fn own(mode: Option<NetworkMode>) -> OwnNetwork {
    match mode {
        Some(NetworkMode::Subnet(subnet)) => OwnNetwork { subnet: Some(subnet), internal: false },
        Some(NetworkMode::Defined { subnet, internal }) => OwnNetwork { subnet, internal },
        Some(NetworkMode::Auto | NetworkMode::Shared(_)) | None => OwnNetwork::default(),
    }
}

fn unknown(scope: &Scope<'_>, project: &Project, network: &PlacedText) {
    let keys: Vec<&str> = project.networks.iter().map(|entry| entry.key.as_str()).collect();
    let hint = match nearest(&network.text, &keys) {
        Some(near) => text!("did you mean `{near}`?", near),
        None => text!("define it in `networks:` at the top of the file"),
    };
    let message = text!("unknown network `{name}`", name = shown(&network.text));
    scope.error_hint(Code::A0111, network.spot, message, hint);
}

impl Networks {
    /// What a service says of its networks, for the reader of `networks`; nothing when it says nothing.
    pub(crate) fn said_by(&self, scope: &Scope<'_>, node: &Rc<Node>) -> Option<Rc<Node>> {
        if self.beside.is_empty() {
            return options_of_network(scope, node);
        }
        let nothing =
            Node::made(node.spot, NodeData::Scalar(Scalar { text: String::new(), plain: true, literal: false }));
        let said: Vec<Entry> = match &node.data {
            NodeData::Map(entries) => entries.clone(),
            NodeData::List(items) => {
                let named = |item: &Rc<Node>| Some((item.scalar()?.to_owned(), item.spot));
                let entry = |(key, key_spot)| Entry { key, key_spot, value: Rc::clone(&nothing) };
                items.iter().filter_map(named).map(entry).collect()
            }
            NodeData::Scalar(_) => return None,
        };
        let called = |entry: Entry| {
            let home = (entry.key == self.home).then(|| "default".to_owned());
            let key = home.or_else(|| self.beside.get(&entry.key).cloned())?;
            Some(Entry { key, ..entry })
        };
        Some(Node::made(node.spot, NodeData::Map(said.into_iter().filter_map(called).collect())))
    }
}

/// What Docker calls a network that is there, if a network of the file is one.
fn external_name(entry: &Entry) -> Option<String> {
    let said = entry.value.entry("external")?;
    let legacy = said.value.entry("name").and_then(|name| name.value.scalar());
    if legacy.is_none() && flag(&said.value) != Ok(true) {
        return None;
    }
    let name = entry.value.entry("name").and_then(|name| name.value.scalar());
    Some(legacy.or(name).unwrap_or(&entry.key).to_owned())
}

/// What a service says of its one network beside the name, for the reader of `networks`; nothing when it says nothing.
fn options_of_network(scope: &Scope<'_>, node: &Rc<Node>) -> Option<Rc<Node>> {
    let [only] = node.entries() else {
        for entry in node.entries().iter().filter(|entry| !entry.value.is_null()) {
            let key = format!("`networks.{}`", shown(&entry.key));
            let message = text!("{key} says more than its name, and there are several", key);
            let hint = text!("`network:` of the manifest puts all of them on one; leave the options out");
            scope.error_hint(Code::A0156, entry.key_spot, message, hint);
        }
        return None;
    };
    if only.value.is_null() {
        return None;
    }
    let entry = Entry { key: "default".to_owned(), ..only.clone() };
    Some(Node::made(node.spot, NodeData::Map(vec![entry])))
}

/// The networks that a service is on, with their places.
fn networks_of(scope: &Scope<'_>, service: &Node) -> Vec<PlacedText> {
    let Some(entry) = service.entry("networks") else {
        let on_none = service.entry("network_mode").is_some();
        let default = PlacedText { text: "default".to_owned(), spot: service.spot };
        return if on_none { Vec::new() } else { vec![default] };
    };
    match &entry.value.data {
        NodeData::Map(entries) => {
            entries.iter().map(|entry| PlacedText { text: entry.key.clone(), spot: entry.key_spot }).collect()
        }
        NodeData::List(_) | NodeData::Scalar(_) => scope.texts(&entry.value, "`networks`").unwrap_or_default(),
    }
}

fn defined_network(scope: &Scope<'_>, entry: &Entry, called: &str) -> Option<NetworkMode> {
    let elsewhere = [("labels", text!("leave it out")), ("enable_ipv4", text!("leave it out"))];
    let what = text!("network `{name}`", name = shown(&entry.key));
    let mut reader = Reader::open(scope, &entry.value, what, "network.")?;
    let name = reader.text("name");
    let external = external(&mut reader);
    let driver = reader.text("driver");
    // Only Swarm asks for it.
    reader.flag("attachable");
    let subnet = reader.node("ipam").and_then(|node| ipam(scope, node));
    let internal = reader.flag("internal").unwrap_or(false);
    let ipv6 = reader.key_spot("enable_ipv6");
    if reader.flag("enable_ipv6") == Some(true) && external.is_none() {
        composite_keys::ignored(scope, ipv6, "network.enable_ipv6");
    }
    if let Some(node) = reader.node("driver_opts").filter(|_| external.is_none()) {
        driver_options(scope, node);
    }
    reader.finish(&|entry| match entry.key.as_str() {
        "enable_ipv4" if flag(&entry.value) == Ok(true) => UnknownKey::Harmless,
        _ => not_here(entry, "network", &elsewhere),
    });
    if let Some((legacy, spot)) = external {
        let name = legacy.or(name).unwrap_or(PlacedText { text: entry.key.clone(), spot });
        return own_network::shared_network(scope, &name);
    }
    if let Some(driver) = driver.filter(|driver| driver.text != "bridge") {
        let hint = text!("`bridge`; make any other network yourself and use it by `external: true`");
        scope.not_allowed(&driver, "`network.driver`", hint);
    }
    if let Some(name) = name {
        let message = text!("the network's name `{name}` is not used", name = shown(&name.text));
        let called = shown(&network_name(called));
        let hint = text!("it is called {name}; `external: true` uses one that is there", name = called);
        scope.report(Problem::warning(Code::A0158, name.spot, message).hint(hint));
    }
    own_network::own_network(subnet, internal)
}

/// Options of the bridge. Those that say what holds anyway have no effect, nor has the name of the bridge on the host; any other
/// would have to be kept.
fn driver_options(scope: &Scope<'_>, node: &Node) {
    const USUAL: [(&str, &[&str]); 5] = [
        ("com.docker.network.bridge.enable_icc", &["true"]),
        ("com.docker.network.bridge.enable_ip_masquerade", &["true"]),
        ("com.docker.network.bridge.host_binding_ipv4", &["0.0.0.0"]),
        ("com.docker.network.driver.mtu", &["1500"]),
        ("com.docker.network.bridge.default_bridge", &["false"]),
    ];
    let NodeData::Map(entries) = &node.data else {
        scope.wrong_type(node, "`network.driver_opts`", text!("a map"));
        return;
    };
    for entry in entries {
        let said = entry.value.scalar().unwrap_or_default();
        let is_usual = USUAL.iter().any(|(key, values)| entry.key == *key && values.contains(&said));
        let key = format!("`network.driver_opts.{}`", shown(&entry.key));
        if entry.key == "com.docker.network.bridge.name" {
            let message = text!("{key} has no effect: Docker names the bridge", key);
            scope.no_effect(entry.key_spot, message, text!("rules of the host's firewall match the subnet instead"));
        } else if !is_usual {
            let message = text!("{key} is not supported", key);
            let hint = text!("make the network yourself and use it by `external: true`");
            scope.error_hint(Code::A0112, entry.key_spot, message, hint);
        }
    }
}

/// A subnet of one's own, of IPv4; anything else has no meaning here.
fn ipam(scope: &Scope<'_>, node: &Node) -> Option<Ipv4Net> {
    let elsewhere = [
        ("ip_range", text!("leave it out")),
        ("gateway", text!("leave it out; it is the first address")),
        ("aux_addresses", text!("leave it out; give such a container its address by `ipv4_address`")),
    ];
    let mut reader = Reader::open(scope, node, "`ipam`", "ipam.")?;
    let driver = reader.text("driver");
    if let Some(driver) = driver.filter(|driver| driver.text != "default") {
        scope.not_allowed(&driver, "`ipam.driver`", text!("leave it out"));
    }
    let config = reader.node("config");
    reader.finish(&|entry| not_here(entry, "ipam", &[("options", text!("leave it out"))]));
    let mut first: Option<Ipv4Net> = None;
    for item in config?.items() {
        let said = item.entry("subnet").and_then(|entry| entry.value.scalar()).unwrap_or_default();
        if said.parse::<Ipv6Net>().is_ok() {
            composite_keys::ignored(scope, item.spot, "ipam.config.subnet");
            continue;
        }
        let mut inner = Reader::open(scope, item, text!("an item of {list}", list = "`ipam.config`"), "ipam.config.")?;
        let subnet = own_network::subnet(&mut inner);
        let is_gateway = |entry: &Entry| {
            let first = subnet.and_then(|subnet| subnet.hosts().next()).map(|address| address.to_string());
            entry.key == "gateway" && first.as_deref() == entry.value.scalar()
        };
        inner.finish(&|entry| {
            if is_gateway(entry) { UnknownKey::Harmless } else { not_here(entry, "ipam.config", &elsewhere) }
        });
        if first.is_some() {
            let message = text!("a network with several subnets is not supported");
            scope.error_hint(Code::A0112, item.spot, message, text!("keep the first"));
        }
        first = first.or(subnet);
    }
    first
}
