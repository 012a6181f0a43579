//! `kind: Service`: containers, and the names that lead to them.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::shared::{reconcile_options, update};
use super::{ManifestKindRow, record, route};
use crate::manifest::compose::container::ContainerRead;
use crate::manifest::compose::{
    composite_keys, container, container_schema, dependencies, own_network, stack, unsupported,
};
use crate::manifest::limits::NAME_CHARS_MAX;
use crate::manifest::reader::{Reader, UnknownKey};
use crate::manifest::resolve;
use crate::manifest::schema_keys::{SchemaKey, dns, either, flag, head, link, list, map, number, object, text, words};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::{Spot, shown};
use crate::manifest::yaml::tree::{Entry, NodeData};
use crate::model::service::{ContainerNetwork, ManifestKind, NetworkMode, Service, Target};
use crate::model::site::Reach;
use crate::model::{Code, Value};
use crate::text;

/// The row of the kind.
pub(super) const ROW: ManifestKindRow = ManifestKindRow { kind: ManifestKind::SERVICE, parse, schema };

pub(super) fn parse(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let scope = reader.scope;
    let mut network = None;
    let (mut read, others): (_, &dyn Fn(&Entry) -> UnknownKey) = if reader.has("compose") {
        let stack = stack::stack(&mut reader);
        (service.volumes, service.networks, network) = (stack.volumes, stack.networks, stack.network);
        (stack.containers, &unsupported::stack_service_key)
    } else if reader.has("containers") {
        (containers(&mut reader), &unsupported::long_service_key)
    } else {
        let read = container::container(&mut reader, true);
        (BTreeMap::from([(service.name.clone(), read)]), &unsupported::container_key)
    };
    dependencies::siblings(scope, &read);
    service.jobs = dependencies::jobs(&mut reader, &read);
    dependencies::tasks(scope, &mut read, &service.jobs);
    service.volumes.append(&mut scope.claims.borrow_mut().external);
    service.needs = dependencies::needs(&mut reader);
    let keys: Vec<&str> = read.keys().map(String::as_str).collect();
    service.routes = route::service_routes(&mut reader, &keys);
    service.dns = record::dns(&mut reader);
    service.network = network.unwrap_or_else(|| own_network::network_mode(&mut reader));
    read_extra_networks(scope, &mut read, &service);
    check_networks(scope, &read, &service);
    name_of_edge(&reader, &service);
    service.stopped = is_stopped(&mut reader);
    service.data = reconcile_options::data(&mut reader);
    service.update = update::update(&mut reader, &read);
    for (key, read) in read {
        service.containers.extend(read.map(|read| (key, Box::new(read.container))));
    }
    check_network_sharing(scope, &service);
    reader.finish(others);
    Some(service)
}

/// The network that NPM shares with the routed containers of a host is called as that of a service or a network `edge`
/// would be.
pub(super) fn name_of_edge(reader: &Reader<'_>, service: &Service) {
    let npm = reader.scope.site.host_of(service).and_then(|host| host.npm.as_ref());
    if service.name == "edge" && npm.is_some_and(|npm| npm.reach == Reach::Edge) {
        let text = PlacedText { text: service.name.clone(), spot: reader.key_spot("name") };
        let why = text!("`zz-amarre-edge` is the network that NPM shares with containers there (`reach: edge`)");
        reader.scope.not_allowed(&text, "`name`", why);
    }
}

/// `state: running | stopped`.
fn is_stopped(reader: &mut Reader<'_>) -> bool {
    let Some(text) = reader.text("state") else { return false };
    if !matches!(text.text.as_str(), "running" | "stopped") {
        reader.scope.not_allowed(&text, "`state`", text!("`running` or `stopped`"));
    }
    text.text == "stopped"
}

fn containers(reader: &mut Reader<'_>) -> BTreeMap<String, Option<ContainerRead>> {
    let mut containers = BTreeMap::new();
    let Some(node) = reader.node("containers") else { return containers };
    let scope = reader.scope;
    let NodeData::Map(entries) = &node.data else {
        scope.wrong_type(node, "`containers`", text!("a map"));
        return containers;
    };
    if entries.is_empty() {
        scope.error(Code::A0105, reader.key_spot("containers"), text!("`containers` names no container"));
    }
    let too_many = |n, most| text!("{n} containers in one service, at most {most}", n, most);
    if !stack::is_few(scope, entries.len(), reader.key_spot("containers"), too_many) {
        return containers;
    }
    for entry in entries {
        if let Some(why) = resolve::why_not_a_label(&entry.key, NAME_CHARS_MAX) {
            let message = text!("a container cannot be called `{name}`", name = shown(&entry.key));
            scope.error_hint(Code::A0106, entry.key_spot, message, why);
        }
        if entry.value.is_null() {
            let message = text!("container `{name}` has no value", name = shown(&entry.key));
            scope.error_hint(Code::A0104, entry.key_spot, message, text!("it needs at least `image:`"));
            continue;
        }
        let what = text!("container `{name}`", name = shown(&entry.key));
        let Some(mut inner) = Reader::open(scope, &entry.value, what, "") else { continue };
        scope.places_of(entry.key_spot, entry.value.entries());
        let read = container::container(&mut inner, false);
        inner.finish(&unsupported::container_key);
        let read = read.map(|mut read| {
            read.container.origin = scope.origin(entry.key_spot);
            read
        });
        containers.insert(entry.key.clone(), read);
    }
    containers
}

/// Whether a container calls the service's network so.
fn is_home(service: &Service, network: &PlacedText) -> bool {
    network.text == "default" || service.network == NetworkMode::Shared(network.text.clone())
}

/// The networks that containers are on beside the service's, or in its place.
fn read_extra_networks(scope: &Scope<'_>, containers: &mut BTreeMap<String, Option<ContainerRead>>, service: &Service) {
    for read in containers.values_mut().flatten() {
        let (home, mut others): (Vec<&PlacedText>, Vec<&PlacedText>) =
            read.networks.iter().partition(|one| is_home(service, one));
        // It lives where it asks for an address.
        others.sort_by_key(|other| read.placed_on.iter().all(|placed| placed.text != other.text));
        let mut names = others.into_iter().filter_map(|other| {
            if service.networks.contains_key(&other.text) {
                return Some(other.text.clone());
            }
            match own_network::shared_network(scope, other)? {
                NetworkMode::Shared(name) => Some(name),
                NetworkMode::Auto | NetworkMode::Subnet(_) | NetworkMode::Defined { .. } => None,
            }
        });
        if home.is_empty() {
            read.container.home = names.next();
        }
        read.container.also_on.extend(names);
        for placed in read.placed_on.iter().filter(|placed| read.container.also_on.contains(&placed.text)) {
            let network = shown(&placed.text);
            let message = text!("an address on `{network}`, beside another network, is not supported", network);
            let hint = text!(
                "a container has an address of its own choice on the network on which it lives: leave it out here"
            );
            scope.error_hint(Code::A0112, placed.spot, message, hint);
        }
    }
}

/// What containers say of their network must be true of the service's; what has none cannot be routed to.
fn check_networks(scope: &Scope<'_>, containers: &BTreeMap<String, Option<ContainerRead>>, service: &Service) {
    let published = scope.claims.borrow().ports.first().map(|claim| claim.spot);
    if let (NetworkMode::Defined { internal: true, .. }, Some(spot)) = (&service.network, published) {
        let message = text!("`ports` has no effect on a network that is cut off from the outside");
        scope.no_effect(spot, message, text!("leave it out; NPM reaches the container without"));
    }
    for read in containers.values().flatten() {
        if let (Some(address), Some(text)) = (read.container.ipv4_address, &read.address) {
            let own = read.container.home.as_ref().map(|name| service.networks.get(name));
            match (own, &service.network) {
                (Some(Some(own)), _) => composite_keys::check_address(scope, own.subnet, address, text),
                (None, NetworkMode::Subnet(subnet)) => {
                    composite_keys::check_address(scope, Some(*subnet), address, text)
                }
                (None, NetworkMode::Defined { subnet, .. }) => {
                    composite_keys::check_address(scope, *subnet, address, text)
                }
                (None, NetworkMode::Auto) => composite_keys::check_address(scope, None, address, text),
                // Its subnet is written elsewhere: the plan knows it.
                (Some(None), _) | (None, NetworkMode::Shared(_)) => (),
            }
        }
        joined(scope, read, containers);
    }
    for route in &service.routes {
        let Target::Container { key, port } = &route.to else { continue };
        let spot = Spot::at(route.origin.line, route.origin.column);
        let mode = containers.get(key).and_then(Option::as_ref).map(|read| &read.container.network_mode);
        match mode {
            Some(ContainerNetwork::Of(other)) => {
                let message =
                    text!("`{key}` has no address of its own: it shares the network of `{other}`", key, other);
                let hint = text!("route to `{other}:{port}`", other, port = port.to_string());
                scope.error_hint(Code::A0140, spot, message, hint);
            }
            Some(ContainerNetwork::Other(other)) => {
                let message =
                    text!("`{key}` has no address of its own: it shares the network of container {other}", key, other);
                let port = port.to_string();
                let hint = text!("write the route where {other} is written, to its port {port}", other, port);
                scope.error_hint(Code::A0140, spot, message, hint);
            }
            Some(ContainerNetwork::None) => {
                let message = text!("`{key}` has `network_mode: none`, so nothing can reach it", key);
                scope.error_hint(Code::A0140, spot, message, text!("leave one of the two out"));
            }
            Some(ContainerNetwork::Own | ContainerNetwork::Host) | None => (),
        }
    }
}

/// `container:NAME` is for what the manifest does not have.
fn check_network_sharing(scope: &Scope<'_>, service: &Service) {
    for (key, container) in &service.containers {
        let Some(own) = container.network_of_other().and_then(|name| service.key_of(name)) else { continue };
        let message = text!("`{key}` shares the network of a container of its own manifest", key);
        let spot = Spot::at(container.origin.line, container.origin.column);
        let hint = text!("write `network_mode: service:{own}`, of another than itself", own);
        scope.error_hint(Code::A0140, spot, message, hint);
    }
}

/// The other container must let its namespace be shared.
fn joined(scope: &Scope<'_>, read: &ContainerRead, containers: &BTreeMap<String, Option<ContainerRead>>) {
    let Some(other) = read.container.shares.get("ipc") else { return };
    let Some(Some(donor)) = containers.get(other) else { return };
    let is_shareable = donor.container.settings.get("ipc").and_then(Value::as_text) == Some("shareable");
    if !is_shareable {
        let spot = read.siblings.iter().find(|sibling| sibling.text == *other).map_or(Spot::at(1, 1), |text| text.spot);
        let message = text!("`{other}` does not share its `ipc`", other);
        scope.error_hint(Code::A0140, spot, message, text!("write `ipc: shareable` in `{other}`", other));
    }
}

fn schema() -> Json {
    object(&["name"], keys())
}

pub(super) fn keys() -> Vec<SchemaKey> {
    let mut keys = head();
    // One container's keys may stand at the top, where `dns` is the service's.
    keys.extend(container_schema::keys().into_iter().filter(|(key, ..)| *key != "dns"));
    keys.extend([
        ("containers", map(link("container")), "Several containers, each under its name"),
        ("jobs", map(link("job")), "Run once before an update, each under its name"),
        ("needs", list(text()), "Other manifests that come first"),
        ("compose", either(&[text(), list(text())]), "Compose files of the source, whose services are the containers"),
        ("profiles", either(&[text(), list(text())]), "Beside `compose`: which of its profiles are picked"),
        ("port", number(), "Short for one route: the service's name below the default domain, to this port"),
        ("to", text(), "Beside `port`: which of several containers"),
        ("ssl", flag(), "Beside `port`: a certificate by Let's Encrypt, and HTTPS only"),
        ("routes", list(link("route")), "Which names lead to which container"),
        ("access_list", text(), "For every route that has none of its own"),
        ("dns", dns(), "Records for its names"),
        ("network", either(&[text(), link("own_network")]), "auto, a shared network's name, or a subnet"),
        ("state", words(&["running", "stopped"]), "Whether its containers run"),
        ("reconcile", link("reconcile"), "How it is kept"),
        (
            "data",
            words(&["new", "shared"]),
            "new: its containers may start on empty data; shared: other containers may write to it",
        ),
        ("moved_from", text(), "The name that the service had: its data are still called after it"),
        ("reuse", flag(), "true: it gets the folder, volumes and secrets that a deleted service of its name has left"),
        ("update", link("update"), "How a new container takes the place of the old one"),
    ]);
    keys
}
