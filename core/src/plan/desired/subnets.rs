//! Which subnet each network gets. Pure: the same world, the same answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::container::ContainerSlot;
use super::npm_reach;
pub use crate::model::address::{network_name, service_of_network};
use crate::model::service::NetworkMode;
use crate::model::site::Reach;
use crate::model::{Address, Arg, Code, Fields, Hint, Kind, ProviderId, Refusal, Service};
use crate::plan::expansion::Expansion;
use crate::plan::input::Input;
use crate::plan::targets::StreamTargets;
use crate::plan::{addressing, targets};
use crate::text;

/// Why a container cannot have the address that its manifest asks for, if so: NPM has it, or a network that others define
/// has no such address.
pub fn address_refusal(expansion: &Expansion<'_>, slot: ContainerSlot<'_>, fields: &Fields) -> Option<Refusal> {
    let ContainerSlot { container, home, .. } = slot;
    let is_others = container.home.is_some() || matches!(expansion.service.network, NetworkMode::Shared(_));
    let address: Ipv4Addr = fields.text("ipv4_address")?.parse().ok()?;
    let name = home.address.name.as_str();
    if let Some(refusal) = npm_has(expansion, &home.address, address) {
        return Some(refusal);
    }
    if !is_others {
        return None;
    }
    let seen = expansion.input.world.seen.get(&home.address);
    let theirs: Vec<Ipv4Net> =
        seen.into_iter().flat_map(|seen| seen.fields.strings("subnets")).filter_map(|net| net.parse().ok()).collect();
    let (is_there, found) = match home.subnet {
        Some(subnet) => {
            let ours = addressing::ours(subnet);
            let found = format!("{} to {}", Ipv4Addr::from(ours.start), Ipv4Addr::from(ours.end.saturating_sub(1)));
            (ours.contains(&u32::from(address)), found)
        }
        None if theirs.is_empty() => return None,
        None => {
            let found: Vec<String> = theirs.iter().map(Ipv4Net::to_string).collect();
            (theirs.iter().any(|subnet| subnet.contains(&address)), found.join(", "))
        }
    };
    let origin = &container.origin;
    (!is_there).then(|| Refusal {
        code: Code::A0529,
        message: text!(
            "network {name} has no address {address} for a container",
            name = service_of_network(name).unwrap_or(name),
            address = address.to_string()
        ),
        found: vec![(text!("it has"), found.into())],
        hints: vec![Hint::text(text!(
            "correct `ipv4_address` in {place}",
            place = format!("{}:{}", origin.file, origin.line)
        ))],
    })
}

/// NPM keeps the address that it was attached at before a manifest asked for it.
fn npm_has(expansion: &Expansion<'_>, network: &Address, address: Ipv4Addr) -> Option<Refusal> {
    let container = expansion.host.npm.as_ref()?.container.as_ref()?;
    let attachment = Address::new(network.provider.clone(), Kind::Attachment, &format!("{}/{container}", network.name));
    let seen = expansion.input.world.seen.get(&attachment)?;
    let is_it = seen.fields.text("address").and_then(|at| at.parse().ok()) == Some(address);
    let name = network.name.as_str();
    is_it.then(|| Refusal {
        code: Code::A0529,
        message: text!(
            "NPM has the address {address} on network {name}",
            address = address.to_string(),
            name = service_of_network(name).unwrap_or(name)
        ),
        found: vec![(text!("attached"), container.clone().into())],
        hints: vec![Hint::command(
            text!("to free it, for Amarre then attaches NPM at another address; the sites of this network are away meanwhile"),
            format!("docker network disconnect {name} {container}"),
        )],
    })
}

/// The subnet of every network that a manifest wants and that is ours to make.
///
/// What is there keeps its subnet, then what is leased, then the next free one of the first pool that has one.
pub fn assign(
    input: &Input<'_>,
    stream_targets: &StreamTargets<'_>,
) -> BTreeMap<Address, Result<Ipv4Net, Box<Refusal>>> {
    let mut subnets = BTreeMap::new();
    let mut missing: Vec<Address> = Vec::new();
    let own = input.services.values().flat_map(|service| networks_of(input, service));
    let own = own.map(|own| (own.address, own.asked));
    let edges: BTreeSet<Address> = edges(input, stream_targets).collect();
    let mut others: BTreeMap<ProviderId, TakenAddresses> = BTreeMap::new();
    for (address, asked) in own.chain(edges.iter().map(|edge| (edge.clone(), None))) {
        // What is there is where containers live, whatever is asked for.
        if let Some(subnet) = observed_subnet(input, &address) {
            subnets.insert(address, Ok(subnet));
        } else if let Some(subnet) = asked {
            let is_free = is_free(input, &address, subnet, &mut others);
            let free = if is_free { Ok(()) } else { free_of_others(input, &address, subnet) };
            subnets.insert(address, free.map(|()| subnet).map_err(Box::new));
        } else if let Some(subnet) = leased_subnet(input, &address, &mut others) {
            subnets.insert(address, Ok(subnet));
        } else {
            missing.push(address);
        }
    }
    let mut assigned: TakenAddresses = subnets.values().filter_map(|subnet| subnet.as_ref().ok()).copied().collect();
    let mut known: BTreeMap<ProviderId, TakenAddresses> = BTreeMap::new();
    for address in missing {
        let prefix = if edges.contains(&address) { edge_prefix(input) } else { input.site.prefix };
        // What it has itself is not in its way; most have nothing yet.
        let own = has_any(input, &address).then(|| taken(input, &address.provider, Some(&address)));
        let others = match &own {
            Some(own) => own,
            None => known.entry(address.provider.clone()).or_insert_with(|| taken(input, &address.provider, None)),
        };
        let subnet = next_free(input, prefix, [others, &assigned]);
        assigned.extend(subnet);
        subnets.insert(address, subnet.ok_or_else(|| Box::new(full(input, prefix))));
    }
    subnets
}

/// A network that a manifest makes.
#[derive(Debug)]
pub struct Own {
    /// As Docker is to call it.
    pub address: Address,
    /// The subnet that it asks for.
    pub asked: Option<Ipv4Net>,
    /// Without a way out.
    pub internal: bool,
}

/// Every network that a manifest makes.
pub fn networks_of(input: &Input<'_>, service: &Service) -> Vec<Own> {
    let internal = matches!(service.network, NetworkMode::Defined { internal: true, .. });
    let home = network_of(input, service).map(|(address, asked)| Own { address, asked, internal });
    let host = input.site.host_of(service);
    let beside = service.networks.iter().filter_map(|(name, network)| {
        let address = Address::new(host?.docker.clone(), Kind::Network, &network_name(name));
        Some(Own { address, asked: network.subnet, internal: network.internal })
    });
    home.into_iter().chain(beside).collect()
}

/// The network on which the containers of a manifest live, where that makes it, with the subnet that it asks for.
pub fn network_of(input: &Input<'_>, service: &Service) -> Option<(Address, Option<Ipv4Net>)> {
    let host = input.site.host_of(service)?;
    let address = Address::new(host.docker.clone(), Kind::Network, &network_name(&service.name));
    match &service.network {
        NetworkMode::Auto => service.has_network().then_some((address, None)),
        NetworkMode::Subnet(subnet) => Some((address, Some(*subnet))),
        NetworkMode::Defined { subnet, .. } => {
            (service.containers.is_empty() || service.has_network()).then_some((address, *subnet))
        }
        NetworkMode::Shared(_) => None,
    }
}

/// The networks that routed containers share with their host's NPM.
fn edges<'a>(input: &'a Input<'_>, stream_targets: &'a StreamTargets<'_>) -> impl Iterator<Item = Address> + 'a {
    let hosts = input.site.hosts.iter().filter(|(_, host)| npm_reach::reach(input, host) == Some(Reach::Edge));
    let used = hosts.filter(|(name, _)| {
        input.services.values().any(|service| service.host == **name && is_on_edge(stream_targets, service))
    });
    used.map(|(_, host)| npm_reach::edge_network(host))
}

/// Whether a route or stream leads to a container of the service that is reached by a network.
pub fn is_on_edge(stream_targets: &StreamTargets<'_>, service: &Service) -> bool {
    on_edge(stream_targets, service).next().is_some()
}

/// The containers of a service that a route or stream leads to, and that are reached by a network.
pub fn on_edge<'a>(stream_targets: &'a StreamTargets<'_>, service: &'a Service) -> impl Iterator<Item = &'a str> {
    let host_targets = targets::routed(service).chain(stream_targets.of(service)).map(|(key, _)| key);
    host_targets.filter(|key| !service.is_on_host(key))
}

/// The containers of many services share it: four times as many addresses, where the pools are that large.
fn edge_prefix(input: &Input<'_>) -> u8 {
    let largest = input.site.pools.iter().map(Ipv4Net::prefix_len).min().unwrap_or(input.site.prefix);
    input.site.prefix.saturating_sub(2).max(largest)
}

fn observed_subnet(input: &Input<'_>, address: &Address) -> Option<Ipv4Net> {
    subnet_of(&input.world.seen.get(address).filter(|seen| seen.owner.is_ours())?.fields)
}

fn leased_subnet(
    input: &Input<'_>,
    address: &Address,
    others: &mut BTreeMap<ProviderId, TakenAddresses>,
) -> Option<Ipv4Net> {
    let reserved = || subnet_of(input.facts.in_progress.get(address)?);
    let leased = input.facts.leases.get(address).copied().or_else(reserved)?;
    (is_free(input, address, leased, others) && !input.facts.refused_subnets.contains(&leased)).then_some(leased)
}

/// Whether a subnet overlaps nothing that is known at its engine, itself apart. `known`: all of that, by engine, once it
/// has been asked for.
fn is_free(
    input: &Input<'_>,
    address: &Address,
    subnet: Ipv4Net,
    known: &mut BTreeMap<ProviderId, TakenAddresses>,
) -> bool {
    let engine = &address.provider;
    if !input.world.seen.contains_key(address) {
        // It has nothing there itself, so all of that is others'.
        let known = known.entry(engine.clone()).or_insert_with(|| foreign(input, engine, None).collect());
        let (first, last) = ends(subnet);
        return known.stretch(first, last).is_none();
    }
    !foreign(input, engine, Some(address)).any(|other| overlap(&other, &subnet))
}

/// Whether a subnet that a manifest asks for overlaps nothing that is known; else by what it is taken.
pub fn free_of_others(input: &Input<'_>, address: &Address, subnet: Ipv4Net) -> Result<(), Refusal> {
    let named = input.world.of_kind(&address.provider, Kind::Network).filter(|(other, _)| *other != address);
    let networks = named.flat_map(|(other, seen)| {
        let subnets = seen.fields.text("subnet").into_iter().chain(seen.fields.strings("subnets"));
        let network = Arg::from(text!("{kind} {name}", kind = Kind::Network, name = &other.name));
        subnets.map(|text| (text.to_owned(), network.clone())).collect::<Vec<_>>()
    });
    let plain = |subnets: &[Ipv4Net], what: Arg| -> Vec<(String, Arg)> {
        subnets.iter().map(|subnet| (subnet.to_string(), what.clone())).collect()
    };
    let refused: Vec<Ipv4Net> = input.facts.refused_subnets.iter().copied().collect();
    let routes = input.world.routes.get(&address.provider).cloned().unwrap_or_default();
    let others = networks
        .chain(plain(&refused, text!("what the engine refused").into()))
        .chain(plain(&routes, text!("the host's routes").into()))
        .chain(plain(&input.site.avoid, "`network.avoid`".into()));
    let clash =
        others.into_iter().find(|(text, _)| text.parse::<Ipv4Net>().is_ok_and(|other| overlap(&other, &subnet)));
    let Some((other, what)) = clash else { return Ok(()) };
    let makes = |service: &&Service| networks_of(input, service).iter().any(|own| own.address == *address);
    let service = input.services.values().find(makes);
    let file = service.map_or_else(|| text!("its manifest").into(), |service| Arg::from(&service.origin.file));
    Err(Refusal {
        code: Code::A0412,
        message: text!("{subnet} overlaps {other} of {what}", subnet = subnet.to_string(), other, what),
        found: Vec::new(),
        hints: vec![Hint::text(text!("choose another subnet in {file}, or `network: auto`", file))],
    })
}

/// Everything at an engine that a new subnet must not touch; what `except` has itself does not count.
fn taken(input: &Input<'_>, engine: &ProviderId, except: Option<&Address>) -> TakenAddresses {
    let leased = leases(input).filter(|(other, _)| Some(*other) != except).map(|(_, subnet)| subnet);
    foreign(input, engine, except).chain(leased).collect()
}

/// Whether a network is, was, or is being made.
fn has_any(input: &Input<'_>, network: &Address) -> bool {
    input.world.seen.contains_key(network)
        || input.facts.leases.contains_key(network)
        || input.facts.in_progress.contains_key(network)
}

/// Addresses that are not free: the first and the last of each stretch, which neither overlap nor touch.
#[derive(Debug, Default)]
struct TakenAddresses(BTreeMap<u32, u32>);

impl Extend<Ipv4Net> for TakenAddresses {
    fn extend<T: IntoIterator<Item = Ipv4Net>>(&mut self, subnets: T) {
        for subnet in subnets {
            let (mut first, mut last) = ends(subnet);
            while let Some((from, to)) = self.stretch(first.saturating_sub(1), last.saturating_add(1)) {
                self.0.remove(&from);
                (first, last) = (first.min(from), last.max(to));
            }
            self.0.insert(first, last);
        }
    }
}

impl FromIterator<Ipv4Net> for TakenAddresses {
    fn from_iter<T: IntoIterator<Item = Ipv4Net>>(subnets: T) -> Self {
        let mut taken = Self::default();
        taken.extend(subnets);
        taken
    }
}

impl TakenAddresses {
    /// The last stretch that has anything from `first` to `last`.
    fn stretch(&self, first: u32, last: u32) -> Option<(u32, u32)> {
        let (from, to) = self.0.range(..=last).next_back()?;
        (*to >= first).then_some((*from, *to))
    }
}

fn ends(subnet: Ipv4Net) -> (u32, u32) {
    (subnet.network().into(), subnet.broadcast().into())
}

/// The subnets of networks that are or were there, then of those that are being made.
fn leases<'a>(input: &'a Input<'_>) -> impl Iterator<Item = (&'a Address, Ipv4Net)> {
    let reserved = input.facts.in_progress.iter().filter(|(network, _)| network.kind == Kind::Network);
    let reserved = reserved.filter_map(|(network, fields)| Some((network, subnet_of(fields)?)));
    input.facts.leases.iter().map(|(network, subnet)| (network, *subnet)).chain(reserved)
}

fn subnet_of(fields: &Fields) -> Option<Ipv4Net> {
    fields.text("subnet")?.parse().ok()
}

fn foreign<'a>(
    input: &'a Input<'_>,
    engine: &'a ProviderId,
    except: Option<&'a Address>,
) -> impl Iterator<Item = Ipv4Net> + 'a {
    let networks = input.world.of_kind(engine, Kind::Network).filter(move |(other, _)| Some(*other) != except);
    let texts = networks.flat_map(|(_, seen)| {
        seen.fields.text("subnet").into_iter().chain(seen.fields.strings("subnets")).collect::<Vec<_>>()
    });
    let routes = input.world.routes.get(engine).into_iter().flatten();
    let avoided = input.site.avoid.iter().chain(&input.facts.refused_subnets).chain(routes).copied();
    avoided.chain(texts.filter_map(|text| text.parse().ok()))
}

/// The first subnet of this size that touches nothing.
fn next_free(input: &Input<'_>, prefix: u8, taken: [&TakenAddresses; 2]) -> Option<Ipv4Net> {
    for pool in &input.site.pools {
        let (mut at, end) = ends(*pool);
        while at <= end && prefix >= pool.prefix_len() {
            let candidate = Ipv4Net::new(at.into(), prefix).ok()?.trunc();
            let (first, last) = ends(candidate);
            let in_the_way = taken.iter().filter_map(|taken| taken.stretch(first, last)).map(|(_, to)| to).max();
            let Some(to) = in_the_way else { return Some(candidate) };
            // The one after that which holds the end of what is in the way.
            let beyond = Ipv4Net::new(to.max(last).into(), prefix).ok()?.broadcast();
            let Some(next) = u32::from(beyond).checked_add(1) else { break };
            at = next;
        }
    }
    None
}

fn overlap(one: &Ipv4Net, other: &Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

fn full(input: &Input<'_>, prefix: u8) -> Refusal {
    let pools: Vec<String> = input.site.pools.iter().map(ToString::to_string).collect();
    Refusal {
        code: Code::A0501,
        message: text!("no subnet of /{prefix} is free in {pools}", prefix = prefix.to_string(), pools),
        found: Vec::new(),
        hints: vec![Hint::text(text!("add a pool to `network.pools` in amarre.yaml, or remove a service"))],
    }
}
