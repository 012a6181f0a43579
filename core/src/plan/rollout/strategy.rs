//! Whether an update starts the new container first, or stops the old one first; it starts and stops nothing itself.
//!
//! | the old one stops first, because | `auto` | `start-first` | `stop-first` |
//! |---|---|---|---|
//! | its manifest asks for it | – | – | yes |
//! | it writes to a volume or a folder | yes | no | – |
//! | it has a port, an address, a device or a network that no two can have | yes | yes | – |
//! | another container shares a namespace of it | yes | yes | – |
//! | its image declares a volume to which it writes | yes | no | – |
//! | a port of it goes to a container which comes first | yes | yes | – |
//! | it is put back, and another one has what it has to itself | yes | no | – |
//!
//! The first reason that holds is told to people. Without one the new container comes first.

use std::collections::{BTreeMap, BTreeSet};

use super::generation::Generation;
use crate::model::service::Strategy;
use crate::model::{Address, Fields, Seen, Text};
use crate::plan::desired::container::ContainerSlot;
use crate::plan::desired::image_volumes;
use crate::plan::expansion::Expansion;
use crate::plan::{exclusive, targets};
use crate::text;

/// Why the old one stops before the new one starts, if it does.
pub fn reason_to_stop_first(
    expansion: &Expansion<'_>,
    slot: ContainerSlot<'_>,
    wanted: &Fields,
    instances: &BTreeMap<Address, &Seen>,
) -> Option<Text> {
    let (service, container) = (expansion.service, slot.container);
    let name = service.container_name(slot.key);
    let shared = namespace_shared(expansion, slot.key, &name);
    let port = || port_handed_on(expansion, slot.key, instances);
    match service.update.strategy {
        Strategy::StopFirst => Some(text!("its manifest asks for it, `update.strategy`")),
        Strategy::StartFirst => container.fixed(&name).or(shared).or_else(port),
        Strategy::Auto => {
            let exclusive = container.exclusive(&name, &service.name).or(shared);
            exclusive.or_else(|| volume_of_image(&name, wanted, instances)).or_else(port)
        }
    }
}

/// Why the last good one, put back, cannot run beside the others: it may write to what its manifest no longer has, and
/// another one as well.
pub fn reason_when_put_back(
    expansion: &Expansion<'_>,
    key: &str,
    put_back: &Generation,
    instances: &BTreeMap<Address, &Seen>,
) -> Option<Text> {
    let service = expansion.service;
    if service.update.strategy != Strategy::Auto {
        return None;
    }
    let own = exclusive::exclusive(&put_back.fields);
    let others = instances.iter().filter(|(other, _)| **other != put_back.address);
    let theirs: BTreeSet<String> = others.flat_map(|(_, seen)| exclusive::exclusive(&seen.fields)).collect();
    let what = own.intersection(&theirs).next()?;
    let (name, what) = (service.container_name(key), what.replacen(':', " ", 1));
    Some(text!("{name} is put back and has {what} to itself", name, what))
}

/// Who shares a namespace of it, in its service or in another one on its host.
fn namespace_shared(expansion: &Expansion<'_>, key: &str, name: &str) -> Option<Text> {
    let service = expansion.service;
    let sibling = service.containers.iter().find(|(_, other)| other.joins().any(|joined| joined == key));
    let sibling = sibling.map(|(other, _)| other.as_str());
    let other = sibling.or_else(|| expansion.joined.user(&service.host, name))?;
    Some(text!("{other} shares a namespace of {name}", other, name))
}

/// Why a second one cannot run beside it for what the image declares. An image that is not there yet is taken to
/// declare what the one before it does.
fn volume_of_image(name: &str, wanted: &Fields, instances: &BTreeMap<Address, &Seen>) -> Option<Text> {
    let all = std::iter::once(wanted).chain(instances.values().map(|seen| &seen.fields));
    let (volume, _) = all.flat_map(image_volumes::sources).next()?;
    Some(text!("{name} writes to volume {volume}", name, volume))
}

/// A port goes to a container that has to be there first: one that the next generation depends on, one of a service that
/// it needs, or one to which a host that still leads here is to lead, with all that this one depends on.
fn port_handed_on(expansion: &Expansion<'_>, key: &str, instances: &BTreeMap<Address, &Seen>) -> Option<Text> {
    let published: BTreeSet<u16> = instances.values().flat_map(|seen| targets::host_ports(&seen.fields)).collect();
    if published.is_empty() {
        return None;
    }
    let (input, service) = (expansion.input, expansion.service);
    let npm = expansion.host.npm.as_ref().map(|npm| &npm.provider);
    let hosts = npm.into_iter().flat_map(|npm| targets::hosts(input.world, npm)).filter(|(_, to)| to.owner.is_ours());
    let leads = |to: &Seen| instances.values().any(|seen| targets::lead_to(input, to, &expansion.host.docker, seen));
    let heirs: BTreeSet<(&str, &str)> =
        hosts.filter(|(_, to)| leads(to)).flat_map(|(host, to)| targets::wanted_targets(input, host, to)).collect();
    let (own, others): (BTreeSet<_>, BTreeSet<_>) = heirs.into_iter().partition(|(of, _)| *of == service.name);
    let depends = |key: &str| {
        let own = service.containers.get(key);
        own.into_iter().flat_map(|container| container.depends_on.keys()).map(String::as_str).collect()
    };
    let heirs = own.into_iter().map(|(_, heir)| heir);
    let siblings: BTreeSet<&str> =
        heirs.flat_map(|heir| reached(heir, depends).into_iter().chain([heir])).chain(reached(key, depends)).collect();
    let siblings = siblings.into_iter().filter(|sibling| *sibling != key).map(|other| (service, other));
    let needs = |name: &str| {
        let of = input.services.get(name).filter(|of| of.host == service.host);
        of.into_iter().flat_map(|of| &of.needs).map(|needed| needed.service.as_str()).collect()
    };
    let heirs = others.into_iter().map(|(heir, _)| heir);
    let needed: BTreeSet<&str> = heirs
        .flat_map(|heir| reached(heir, needs).into_iter().chain([heir]))
        .chain(reached(&service.name, needs))
        .collect();
    let needed = needed.into_iter().filter_map(|name| input.services.get(name));
    let needed = needed.flat_map(|of| of.containers.keys().map(move |key| (of, key.as_str())));
    let needed = needed.filter(|(of, other)| of.name != service.name || *other != key);
    siblings.chain(needed).find_map(|(of, other)| {
        let port = of.containers.get(other)?.ports.iter().find(|port| published.contains(&port.published))?;
        let (port, name, other) = (port.published.to_string(), service.container_name(key), of.container_name(other));
        Some(text!("port {port} of {name} goes to {other}, which comes first", port, name, other))
    })
}

/// Everything that follows from one name, itself not counted.
fn reached<'a>(from: &'a str, next: impl Fn(&str) -> Vec<&'a str>) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(name) = open.pop() {
        open.extend(next(name).into_iter().filter(|other| *other != from && found.insert(*other)));
    }
    found
}
