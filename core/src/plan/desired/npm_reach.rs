//! How NPM reaches containers, and where a route's host points therefore.
//!
//! | reach | NPM is | a host points at |
//! |---|---|---|
//! | network | on each routed service's network | the container's address |
//! | edge | on one network that the routed containers of the host share | the container's address there |
//! | host | on the host's network, or outside Docker | the container's address |
//! | published | elsewhere | the host's private address, a port that the container publishes there |
//!
//! A container on the host's own network has no address of its own: a host leads to where NPM finds that host.

use std::collections::BTreeSet;

use super::subnets;
use crate::model::site::{HostSite, Reach};
use crate::model::world::Probe;
use crate::model::{Address, Code, Fields, Hint, Kind, Refusal, Seen, Service, Value, World};
use crate::plan::expansion::{Expansion, RouteTarget};
use crate::plan::indexes::occupied;
use crate::plan::indexes::occupied::OccupiedPorts;
use crate::plan::input::Input;
use crate::plan::{addressing, targets};
use crate::resources::docker::{ContainerPort, WantedPort};
use crate::text;

/// The network that NPM and the routed containers of a host share is called as that of a service of this name.
pub const EDGE: &str = "edge";

/// How NPM reaches the containers of a host; `None` without an NPM.
pub fn reach(input: &Input<'_>, host: &HostSite) -> Option<Reach> {
    reach_in(input.world, host)
}

/// The same, of what was observed alone.
pub fn reach_in(world: &World, host: &HostSite) -> Option<Reach> {
    let npm = host.npm.as_ref()?;
    Some(match (npm.reach, &npm.container) {
        (Reach::Auto, None) => Reach::Host,
        (Reach::Auto, Some(container)) => {
            let address = Address::new(host.docker.clone(), Kind::Container, container);
            let mode = world.seen.get(&address).and_then(|seen| seen.fields.text("network_mode"));
            if mode == Some("host") { Reach::Host } else { Reach::Network }
        }
        (reach, _) => reach,
    })
}

/// The ports of a container that routes and streams lead to.
fn reached_ports(expansion: &Expansion<'_>, key: &str) -> BTreeSet<u16> {
    let service = expansion.service;
    let all = targets::routed(service).chain(expansion.stream_targets.of(service));
    all.filter(|(target, _)| *target == key).map(|(_, port)| port).collect()
}

/// The network of a host that its routed containers share with NPM.
pub fn edge_network(host: &HostSite) -> Address {
    Address::new(host.docker.clone(), Kind::Network, &subnets::network_name(EDGE))
}

/// What a container needs to be reached: fields that are part of its generation.
pub fn declare(expansion: &Expansion<'_>, key: &str, fields: &mut Fields) {
    let ports = reached_ports(expansion, key);
    if ports.is_empty() || targets::is_on_host(fields) {
        return;
    }
    match reach(expansion.input, expansion.host) {
        Some(Reach::Published) => {
            let Some(address) = expansion.host.private_address else { return };
            let ip = address.to_string();
            let wanted = ports.iter().map(|port| WantedPort { ip: &ip, target: ContainerPort::tcp(*port) });
            fields.set("publish", Value::texts(wanted.map(|port| port.to_string())));
        }
        Some(Reach::Edge) => fields.set("edge", Value::text(edge_network(expansion.host).name)),
        Some(Reach::Auto | Reach::Network | Reach::Host) | None => (),
    }
}

/// Where a host points that leads to `port` of an instance. What is not known yet, or not of this instance, is an
/// output of it.
pub fn point(expansion: &Expansion<'_>, target: &RouteTarget, port: u16) -> (Value, Value) {
    let instance = &target.address;
    let later = |field: &str| Value::output(instance.clone(), field);
    let number = |port: u16| Value::Int(i64::from(port));
    if target.on_host {
        return (host_address(expansion), number(port));
    }
    match reach(expansion.input, expansion.host) {
        Some(Reach::Published) => {
            let seen = expansion.input.world.seen.get(instance);
            match seen.and_then(|seen| published_at(&seen.fields, port)) {
                Some((address, port)) => (Value::text(address), number(port)),
                None => (later("forward_host"), later("forward_port")),
            }
        }
        Some(Reach::Edge) => (later("edge_address"), number(port)),
        Some(Reach::Auto | Reach::Network | Reach::Host) | None => (later("address"), number(port)),
    }
}

/// Where NPM finds the host itself: by the gateway of a network that it is on, if it is on one.
fn host_address(expansion: &Expansion<'_>) -> Value {
    let (world, host) = (expansion.input.world, expansion.host);
    match (reach(expansion.input, host), host.private_address, host.npm.as_ref().and_then(|npm| npm.container.as_ref()))
    {
        (Some(Reach::Published), Some(address), _) => Value::text(address.to_string()),
        (Some(Reach::Network | Reach::Edge), _, Some(container)) => {
            let npm = Address::new(host.docker.clone(), Kind::Container, container);
            let named = world.seen.get(&npm).map(|seen| seen.fields.strings("networks")).unwrap_or_default();
            let networks = named
                .into_iter()
                .filter_map(|name| world.seen.get(&Address::new(host.docker.clone(), Kind::Network, name)));
            // NPM's own come first: ours come and go.
            let (ours, own): (Vec<&Seen>, Vec<&Seen>) = networks.partition(|network| network.owner.is_ours());
            let gateway = own.into_iter().chain(ours).find_map(targets::gateway);
            gateway.map_or(Value::output(npm, "gateway"), Value::text)
        }
        (Some(_), _, _) | (None, _, _) => Value::text("127.0.0.1"),
    }
}

/// Where `port` of an instance is asked whether it works: where NPM asks.
pub fn probe(expansion: &Expansion<'_>, instance: &Address, port: u16) -> Probe {
    let fields = expansion.input.world.seen.get(instance).map(|seen| &seen.fields);
    if fields.is_some_and(targets::is_on_host) {
        return Probe { port, at: host_address(expansion).as_text().map(str::to_owned) };
    }
    let elsewhere = fields.and_then(|fields| match reach(expansion.input, expansion.host)? {
        Reach::Published => published_at(fields, port),
        Reach::Edge => Some((fields.text("edge_address")?.to_owned(), port)),
        Reach::Auto | Reach::Network | Reach::Host => None,
    });
    match elsewhere {
        Some((at, port)) => Probe { port, at: Some(at) },
        None => Probe { port, at: None },
    }
}

/// Whether an instance can be reached as its host's NPM reaches.
pub fn is_reachable(expansion: &Expansion<'_>, key: &str, fields: &Fields) -> bool {
    let ports = reached_ports(expansion, key);
    match reach(expansion.input, expansion.host) {
        _ if targets::is_on_host(fields) => true,
        Some(Reach::Published) => ports.iter().all(|port| published_at(fields, *port).is_some()),
        Some(Reach::Edge) => ports.is_empty() || fields.text("edge_address").is_some(),
        Some(Reach::Auto | Reach::Network | Reach::Host) | None => true,
    }
}

/// Where the host publishes `port` of a container for NPM.
fn published_at(fields: &Fields, port: u16) -> Option<(String, u16)> {
    let found = targets::ports_of(fields, "published").find(|at| at.target == ContainerPort::tcp(port))?;
    Some((found.ip.to_owned(), found.published))
}

/// Whether an instance could not start because somebody has a port that it was to publish.
pub fn is_refused(input: &Input<'_>, instance: &Address, seen: &Seen) -> bool {
    let refused = input.facts.refused_ports.get(&instance.provider);
    let ports = || targets::ports_of(&seen.fields, "published").map(|port| port.published);
    seen.fields.flag("running") == Some(false)
        && refused.is_some_and(|refused| ports().any(|port| refused.contains(&port)))
}

/// Gives a new instance a free port of the host for each port that NPM is to reach: a leased one first.
///
/// # Errors
/// Too few are free.
pub fn give_ports(
    expansion: &mut Expansion<'_>,
    base: &Address,
    fields: &mut Fields,
    own: (&str, &str),
) -> Result<(), Refusal> {
    let publish: Vec<String> = fields.strings("publish").into_iter().map(str::to_owned).collect();
    let Some((first, last)) = expansion.host.publish_ports.filter(|_| !publish.is_empty()) else { return Ok(()) };
    let (input, provider) = (expansion.input, &base.provider);
    let OccupiedPorts { taken, leases } =
        expansion.ports.entry(provider.clone()).or_insert_with(|| OccupiedPorts::of(input, base));
    let leased = input.facts.ports.get(base).cloned().unwrap_or_default();
    let is_of_others = |port: &u16| leases.get(port).is_some_and(|of| of.iter().any(|other| other != base));
    let address = expansion.host.private_address.map(|address| address.to_string()).unwrap_or_default();
    let meant: BTreeSet<i64> = expansion.host_targets.meant_for_others(&address, own).flatten().collect();
    let mut published = Vec::new();
    for wanted in publish {
        let Some(wanted) = WantedPort::parse(&wanted) else { continue };
        let is_free =
            |port: &u16| !taken.contains(port) && !meant.contains(&i64::from(*port)) && (first..=last).contains(port);
        let own = leased.iter().copied().find(is_free);
        let port = own.or_else(|| (first..=last).find(|port| is_free(port) && !is_of_others(port)));
        let Some(port) = port else { return Err(no_port(expansion.service, &address, first, last)) };
        taken.insert(port);
        published.push(wanted.at(port).to_string());
    }
    fields.set("published", Value::texts(published));
    Ok(())
}

fn no_port(service: &Service, address: &str, first: u16, last: u16) -> Refusal {
    Refusal {
        code: Code::A0411,
        message: text!(
            "no port from {first} to {last} is free at {address}",
            first = first.to_string(),
            last = last.to_string(),
            address
        ),
        found: Vec::new(),
        hints: vec![Hint::text(text!(
            "widen {key} in amarre.yaml, or remove a service",
            key = format!("`hosts.{}.publish_ports`", service.host)
        ))],
    }
}

/// Gives a new instance a free address on the network that it shares with NPM.
pub fn give_edge_address(expansion: &mut Expansion<'_>, base: &Address, fields: &mut Fields, own: (&str, &str)) {
    let network = edge_network(expansion.host);
    let subnet = expansion.subnets.get(&network).and_then(|subnet| subnet.as_ref().ok()).copied();
    let Some(subnet) = subnet.filter(|_| fields.get("edge").is_some()) else { return };
    let (input, host_targets) = (expansion.input, expansion.host_targets);
    let taken = expansion.taken.entry(network).or_insert_with(|| {
        let containers = input.world.of_kind(&base.provider, Kind::Container);
        let there = containers.filter_map(|(_, seen)| seen.fields.text("edge_address"));
        there.chain(occupied::reserved(input, base, "edge_address")).filter_map(|text| text.parse().ok()).collect()
    });
    if let Some(address) = addressing::free_address(subnet, |address| {
        taken.contains(address) || host_targets.is_meant_for_others(address, own)
    }) {
        taken.insert(address);
        fields.set("edge_address", Value::text(address.to_string()));
    }
}
