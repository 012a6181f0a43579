//! What uses a resource, and what only one container may have: data that it writes to, and ports of the host.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::input::Input;
use super::targets;
use crate::model::{Address, Fields, Kind, Seen};
use crate::resources::docker;
use crate::resources::docker::{MountedData, PortSpec};

/// What of ours must be gone, or must have let go, before `address` may go.
pub fn users(input: &Input<'_>, address: &Address, seen: &Seen) -> Vec<Address> {
    let find = FIND_USERS.iter().find(|(kind, _)| *kind == address.kind);
    find.map(|(_, find)| find(input, address, seen)).unwrap_or_default()
}

type FindUsers = fn(&Input<'_>, &Address, &Seen) -> Vec<Address>;

/// The kinds that others use.
const FIND_USERS: [(Kind, FindUsers); 4] = [
    (Kind::AccessList, users_of_list),
    (Kind::Container, users_of_container),
    (Kind::Attachment, users_of_attachment),
    (Kind::Network, users_of_network),
];

fn users_of_list(input: &Input<'_>, list: &Address, _: &Seen) -> Vec<Address> {
    let hosts = input.world.of_kind(&list.provider, Kind::ProxyHost);
    let users = hosts.filter(|(_, host)| host.fields.text("access_list") == Some(list.name.as_str()));
    users.map(|(host, _)| host.clone()).collect()
}

fn users_of_container(input: &Input<'_>, container: &Address, seen: &Seen) -> Vec<Address> {
    let users = our_hosts(input).filter(|(_, host)| targets::lead_to(input, host, &container.provider, seen));
    let leads = |fields: &Fields| targets::all(fields).any(|to| targets::is_at(to.host, to.port, &seen.fields));
    let coming = coming_hosts(input).filter(|(_, fields)| leads(fields)).map(|(host, _)| host);
    users.map(|(host, _)| host).chain(coming).cloned().collect()
}

fn users_of_attachment(input: &Input<'_>, attachment: &Address, _: &Seen) -> Vec<Address> {
    let network = attachment.name.rsplit_once('/').map_or("", |(network, _)| network);
    let network = Address::new(attachment.provider.clone(), Kind::Network, network);
    let subnet = input.world.seen.get(&network).and_then(|seen| seen.fields.text("subnet"));
    let Some(subnet) = subnet.and_then(|text| text.parse::<Ipv4Net>().ok()) else { return Vec::new() };
    let lies_in = |at: &str| at.parse::<Ipv4Addr>().is_ok_and(|at| subnet.contains(&at));
    let goes_through = |fields: &Fields| targets::all(fields).any(|pointer| lies_in(pointer.host));
    let users = our_hosts(input).filter(|(_, host)| goes_through(&host.fields)).map(|(host, _)| host);
    let coming = coming_hosts(input).filter(|(_, fields)| goes_through(fields)).map(|(host, _)| host);
    users.chain(coming).cloned().collect()
}

fn users_of_network(input: &Input<'_>, network: &Address, _: &Seen) -> Vec<Address> {
    let ours = input.world.seen.iter().filter(|(_, seen)| seen.owner.is_ours());
    let is_attached = |user: &Address| user.name.rsplit_once('/').is_some_and(|(on, _)| on == network.name);
    let on_it = ours.filter(|(user, seen)| {
        let is_on = user.kind == Kind::Container && is_on(&seen.fields, network);
        user.provider == network.provider && (is_on || user.kind == Kind::Attachment && is_attached(user))
    });
    on_it.map(|(user, _)| user.clone()).collect()
}

/// Hosts of ours that lead to an address.
fn our_hosts<'a>(input: &Input<'a>) -> impl Iterator<Item = (&'a Address, &'a Seen)> + 'a {
    let all = input.world.seen.iter().filter(|(host, _)| host.kind.traits().forwards);
    all.filter(|(_, host)| host.owner.is_ours())
}

/// Hosts that a call on its way may still make, or lead to an address, with all their fields.
fn coming_hosts<'a>(input: &Input<'a>) -> impl Iterator<Item = (&'a Address, Fields)> + 'a {
    let world = input.world;
    let in_progress = input.facts.in_progress.iter().filter(|(host, _)| host.kind.traits().forwards);
    in_progress.map(|(host, fields)| {
        let mut all = world.seen.get(host).map(|seen| seen.fields.clone()).unwrap_or_default();
        all.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
        (host, all)
    })
}

/// What only one container may have: data that it writes to, and ports of the host.
pub fn exclusive(fields: &Fields) -> BTreeSet<String> {
    written(fields).map(|data| data.to_string()).chain(ports(fields)).collect()
}

/// The ports of the host that a container publishes: `port 80/tcp`.
pub fn ports(fields: &Fields) -> impl Iterator<Item = String> {
    bindings(fields).map(|binding| binding.name())
}

/// What a container publishes for its manifest.
pub fn bindings(fields: &Fields) -> impl Iterator<Item = PortSpec<'_>> {
    fields.strings("ports").into_iter().filter_map(PortSpec::parse)
}

/// The data that a container writes to. A folder in memory is each one's own.
pub fn written(fields: &Fields) -> impl Iterator<Item = MountedData<'_>> {
    docker::mounts(fields).filter(|mount| !mount.is_read_only).filter_map(|mount| mount.data())
}

/// Whether a container is on a network.
pub fn is_on(container: &Fields, network: &Address) -> bool {
    let is_it = |name: &str| name == network.name;
    ["network", "edge"].iter().filter_map(|field| container.text(field)).any(is_it)
        || container.strings("also_on").into_iter().any(is_it)
}
