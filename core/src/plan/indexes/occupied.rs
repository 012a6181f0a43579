//! Addresses and ports that somebody has or is to have, by engine: found once for all containers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::model::{Address, Kind, ProviderId, Seen, Service};
use crate::plan::input::Input;
use crate::plan::targets;
use crate::resources::docker::PortSpec;

/// The texts that a field has in containers that are being made, of others than this one.
pub fn reserved<'a>(input: &Input<'a>, base: &Address, field: &'a str) -> impl Iterator<Item = &'a str> {
    let base = base.clone();
    let others = input.facts.in_progress.iter();
    let others = others.filter(move |(other, _)| other.provider == base.provider && !other.is_same(&base));
    others
        .filter(|(other, _)| other.kind == Kind::Container)
        .flat_map(move |(_, fields)| fields.text(field).into_iter().chain(fields.strings(field)))
}

/// Where the containers of an engine are, come back to, or are being made: found once for all networks.
#[derive(Debug, Default)]
pub struct Places {
    there: BTreeSet<Ipv4Addr>,
    reserved: BTreeMap<Ipv4Addr, Vec<Address>>,
}

impl Places {
    /// Those of one engine.
    pub fn of(input: &Input<'_>, engine: &ProviderId) -> Self {
        let containers = input.world.of_kind(engine, Kind::Container);
        let there = containers.filter_map(|(other, seen)| place(input, other, seen)).collect();
        let made = input.facts.in_progress.iter();
        let made = made.filter(|(other, _)| other.kind == Kind::Container && other.provider == *engine);
        let mut reserved: BTreeMap<Ipv4Addr, Vec<Address>> = BTreeMap::new();
        for (other, fields) in made {
            let texts = fields.text("address").into_iter().chain(fields.strings("address"));
            for at in texts.filter_map(|text| text.parse().ok()) {
                reserved.entry(at).or_default().push(other.clone());
            }
        }
        Self { there, reserved }
    }

    /// Those in a subnet.
    pub fn within(&self, subnet: Ipv4Net) -> BTreeSet<Ipv4Addr> {
        let range = subnet.network()..=subnet.broadcast();
        let reserved = self.reserved.range(range.clone()).map(|(at, _)| at);
        self.there.range(range).chain(reserved).copied().collect()
    }

    /// Whether nobody but one container has an address, or is being made there.
    pub fn is_only_for(&self, at: &Ipv4Addr, base: &Address) -> bool {
        let is_its = |to: &Vec<Address>| to.iter().all(|other| other.is_same(base));
        !self.there.contains(at) && self.reserved.get(at).is_some_and(is_its)
    }
}

/// The address that an instance has on its network, or comes back to while it is on none.
pub fn place(input: &Input<'_>, instance: &Address, seen: &Seen) -> Option<Ipv4Addr> {
    if let Some(address) = seen.fields.text("address") {
        return address.parse().ok();
    }
    let applied = &input.facts.applied.get(instance)?.fields;
    applied.text("address").or(applied.text("ipv4_address"))?.parse().ok()
}

/// The ports of an engine's host that are not free.
#[derive(Debug, Default)]
pub struct OccupiedPorts {
    /// Those that somebody has, that a manifest asks for, or that were given out in this expansion.
    pub(crate) taken: BTreeSet<u16>,
    /// Who had a port before, or is to have it.
    pub(crate) leases: BTreeMap<u16, Vec<Address>>,
}

impl OccupiedPorts {
    /// Those of the engine of a container.
    pub fn of(input: &Input<'_>, base: &Address) -> Self {
        let mut leases: BTreeMap<u16, Vec<Address>> = BTreeMap::new();
        for (of, ports) in input.facts.ports.iter().filter(|(of, _)| of.provider == base.provider) {
            for port in ports {
                leases.entry(*port).or_default().push(of.clone());
            }
        }
        Self { taken: taken(input, base), leases }
    }
}

/// Ports of a host that somebody has, or that a manifest asks for.
fn taken(input: &Input<'_>, base: &Address) -> BTreeSet<u16> {
    let provider = &base.provider;
    let containers = input.world.of_kind(provider, Kind::Container);
    let mut taken: BTreeSet<u16> = containers.flat_map(|(_, seen)| targets::host_ports(&seen.fields)).collect();
    let reserved = reserved(input, base, "published");
    taken.extend(reserved.filter_map(PortSpec::parse).map(|port| port.published));
    taken.extend(input.facts.refused_ports.get(provider).into_iter().flatten());
    let is_here = |service: &&Service| input.site.host_of(service).is_some_and(|host| host.docker == *provider);
    let containers = input.services.values().filter(is_here).flat_map(|service| service.containers.values());
    taken.extend(containers.flat_map(|container| container.ports.iter().map(|port| port.published)));
    taken
}
