//! How long containers are away in updates that stop the old one first: what a look finds of those that are away, and
//! what to expect of the next, from those of before. Pure.
//!
//! | away, and then | what is known |
//! |---|---|
//! | another one is ready | so long it took |
//! | the one that was to go runs | it was not away |
//! | its service is stopped or left alone, or the clock was put back | nothing: how long tells nothing of an update |
//! | no manifest wants it any more | nothing, and what was known of it is forgotten |

use std::collections::{BTreeMap, BTreeSet};

use crate::model::world::{Ending, Outage};
use crate::model::{Address, Facts, Kind, Millis, Seen, Service, Site, Timestamp, World};

/// What a look says of the containers that were or are away, by base address.
pub fn after_look(
    services: &BTreeMap<String, Service>,
    site: &Site,
    facts: &Facts,
    world: &World,
    is_busy: impl Fn(&str) -> bool,
    now: Timestamp,
) -> BTreeMap<Address, Ending> {
    let wanted = wanted(services, site);
    let ending = |base: &Address, known: &[Outage]| {
        let last = known.last().filter(|last| !is_busy(&last.service))?;
        if !wanted.contains(base) {
            let may_be_wanted = facts.frozen.contains(&last.service) || facts.prune_blocked;
            return (!may_be_wanted).then_some(Ending::Forgotten);
        }
        let away = known.iter().find(|away| away.until.is_none())?;
        let is_stopped = services.get(&away.service).is_none_or(|service| service.stopped);
        if is_stopped || facts.suspended.contains_key(&away.service) || now < away.from {
            return Some(Ending::Untold);
        }
        found(base, away, facts, world)
    };
    facts.away.iter().filter_map(|(base, known)| Some((base.clone(), ending(base, known)?))).collect()
}

/// The containers that manifests describe, without their generations.
fn wanted(services: &BTreeMap<String, Service>, site: &Site) -> BTreeSet<Address> {
    let of_service = |service: &Service| -> Vec<Address> {
        let Some(host) = site.host_of(service) else { return Vec::new() };
        let base = |key: &String| Address::new(host.docker.clone(), Kind::Container, &service.address_name(key));
        service.containers.keys().map(base).collect()
    };
    services.values().flat_map(of_service).collect()
}

fn found(base: &Address, away: &Outage, facts: &Facts, world: &World) -> Option<Ending> {
    let (same, others): (Vec<_>, Vec<_>) =
        world.instances(base).into_iter().partition(|(_, seen)| seen.vendor_id == away.vendor_id);
    // A call that is on its way may still stop it.
    let runs = |(address, seen): &(Address, &Seen)| {
        seen.fields.flag("running") == Some(true) && !facts.open_intents.contains_key(address)
    };
    match same.first() {
        Some(old) => runs(old).then_some(Ending::Untold),
        None => others.iter().any(|(_, seen)| seen.ready.is_ready()).then_some(Ending::Back),
    }
}

/// What the past of a container lets expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    pub about: Millis,
    pub least: Millis,
    pub most: Millis,
    /// Of so many.
    pub count: usize,
}

/// What the lengths of before let expect; `None` while there are none.
pub fn expected(known: &[Outage]) -> Option<Expected> {
    let mut lengths: Vec<Millis> = known.iter().filter_map(Outage::length).collect();
    lengths.sort();
    let (least, most) = (*lengths.first()?, *lengths.last()?);
    let (low, high) = (*lengths.get((lengths.len() - 1) / 2)?, *lengths.get(lengths.len() / 2)?);
    Some(Expected { about: Millis(low.0 + (high.0 - low.0) / 2), least, most, count: lengths.len() })
}
