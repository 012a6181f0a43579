//! One pass over a vendor: its zones, the records of those that matter, whose they are, how far they are.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use crate::providers::{Observation, ObserveQuery};
use amarre_core::model::world::Applied;
use amarre_core::model::{
    Address, Code, Fields, Gap, GapScope, Kind, Owner, Readiness, Seen, Site, Timestamp, Typed, Value,
};
use amarre_core::text;

use super::backend::{ZoneBackend, ZoneError};
use super::change::split;
use super::propagation::{Watch, Zones};
use super::provider::DnsProvider;
use super::record_sets::{HeldSet, Sets, canonical, gather};
use amarre_core::resources::dns::Zone;

/// What one zone holds.
#[derive(Debug, Clone)]
pub(super) struct ZoneLook {
    sets: Sets,
    default_ttl: Option<u32>,
}

impl<B: ZoneBackend> DnsProvider<B> {
    /// Observes; what could not be read is a gap.
    pub(super) async fn look(&self, ask: &ObserveQuery) -> Observation {
        let mut observation = Observation::default();
        let kept = self.memory().kept_zones().filter(|_| ask.reuse);
        let zones = match kept {
            Some(kept) => Ok(kept),
            None => self.backend.zones().await,
        };
        let zones = match zones {
            Ok(zones) => zones,
            Err(trouble) => {
                self.memory().forget_reading();
                let error = trouble.into_error(&text!("could not list the zones"), false);
                observation.gaps.push(error.into_gap(&self.id, GapScope::Whole, ask.now));
                return observation;
            }
        };
        if zones.is_empty() && !ask.applied.is_empty() {
            self.memory().forget_reading();
            observation.gaps.push(self.empty_gap(ask.now));
            return observation;
        }
        self.memory().keep_zones(&zones);
        let needed = needed_zones(&zones, ask);
        let looks = join_all(needed.iter().map(|zone| self.look_at(&zones, zone, ask))).await;
        let mut nameservers = BTreeMap::new();
        let mut watches = Vec::new();
        for (zone, look) in needed.iter().zip(looks) {
            match look {
                Ok(look) => {
                    nameservers.insert((*zone).to_owned(), look.nameservers(zone));
                    watches.extend(self.report(zone, &look, ask, &mut observation));
                }
                Err(trouble) => {
                    // The next pass asks again for all: what was read before the failure hides an outage.
                    self.memory().forget_zone(zone);
                    observation.gaps.push(self.zone_gap(zone, trouble, ask.now));
                }
            }
        }
        for zone in &zones {
            let address = Address::new(self.id.clone(), Kind::Zone, zone);
            let names = nameservers.get(zone).map(Vec::as_slice).unwrap_or_default();
            observation.seen.insert(address, zone_seen(zone, names, ask.now));
        }
        let unpublished = ask.unpublished.iter().cloned().collect();
        let zones = Zones { nameservers, unpublished };
        for (address, ready) in self.watcher.readiness(ask.now, &watches, &zones).await {
            if let Some(seen) = observation.seen.get_mut(&address) {
                seen.ready = ready;
            }
        }
        observation
    }

    async fn look_at(&self, zones: &BTreeSet<String>, zone: &str, ask: &ObserveQuery) -> Result<ZoneLook, B::Error> {
        if let Some(look) = self.memory().looks.get(zone).filter(|_| ask.reuse) {
            return Ok(look.clone());
        }
        let epoch = self.memory().epoch;
        let look = self.read_zone(zones, zone, ask).await?;
        let mut memory = self.memory();
        if memory.epoch == epoch {
            memory.looks.insert(zone.to_owned(), look.clone());
        }
        Ok(look)
    }

    async fn read_zone(&self, zones: &BTreeSet<String>, zone: &str, ask: &ObserveQuery) -> Result<ZoneLook, B::Error> {
        let sets = gather(zones, zone, &self.backend.rows(zone).await?, &self.key);
        let concerns = |name: &str, record_type: &str| {
            let address = self.address(name, record_type);
            ask.wanted.contains_key(&address) || ask.applied.contains_key(&address)
        };
        let asks_for_ttl =
            sets.iter().any(|((name, record_type), held)| held.has_default_ttl() && concerns(name, record_type));
        let default_ttl =
            if asks_for_ttl { self.default_ttl(zone).await } else { self.memory().default_ttls.get(zone).copied() };
        Ok(ZoneLook { sets, default_ttl })
    }

    /// Adds the records of a zone to the observation; answers those whose readiness is to be found out.
    fn report(&self, zone: &str, look: &ZoneLook, ask: &ObserveQuery, observation: &mut Observation) -> Vec<Watch> {
        let mut watches = Vec::new();
        for ((name, record_type), held) in &look.sets {
            let address = self.address(name, record_type);
            let wanted = ask.wanted.get(&address);
            let read = held.fields(&self.instance, self.registry, look.default_ttl);
            let fields = respelled(record_type, &read, wanted);
            if wanted.is_some() || ask.applied.contains_key(&address) {
                self.remember_spelling(&address, &fields, &read);
            }
            let applied = ask.applied.get(&address);
            let owner = self.owner(record_type, held, applied);
            if held.rows.is_empty() && owner == Owner::Unverified {
                // A claim about nothing: there is nothing to use, and nothing that it could stand in the way of.
                continue;
            }
            if held.rows.is_empty() && owner.is_ours() && wanted.is_some() && applied.is_none() {
                // The mark was written and the record never was: it is yet to be created, beside its mark.
                continue;
            }
            if wanted.is_some() || owner.is_ours() {
                let values = held.values().into_iter().map(str::to_owned).collect::<BTreeSet<String>>();
                watches.push(Watch {
                    address: address.clone(),
                    zone: zone.to_owned(),
                    name: name.clone(),
                    record_type: record_type.clone(),
                    values: values.into_iter().collect(),
                });
            }
            let marked = held.our_mark(&self.instance).map(|held| &held.mark.service);
            let known = applied.filter(|_| owner.is_ours()).map(|applied| &applied.service);
            let service = marked.or(known).cloned();
            let vendor_id = held.vendor_id();
            let seen = Seen { fields, ready: Readiness::Ready, owner, service, vendor_id, at: ask.now };
            observation.seen.insert(address, seen);
        }
        watches
    }

    /// Whose it is, by marks and ledger:
    ///
    /// | mark that says ours | ledger | |
    /// | --- | --- | --- |
    /// | signed by a key of ours, for this name and type | | ours |
    /// | not so | has the vendor's id of a row; or no row is left | ours, to be signed |
    /// | not so | does not | unverified |
    /// | none | has one of the values | ours, mark lost |
    fn owner(&self, record_type: &str, held: &HeldSet, applied: Option<&Applied>) -> Owner {
        let by_mark = held.owner(&self.instance);
        let known = applied.is_some_and(|applied| {
            let values = canonical(record_type, &applied.fields.strings("values"));
            held.values().iter().any(|value| values.iter().any(|known| known == value))
        });
        let is_same = applied.is_some_and(|applied| {
            let ids: BTreeSet<&str> = applied.vendor_id.split(',').collect();
            held.rows.is_empty() || held.rows.iter().any(|row| ids.contains(row.id.to_string().as_str()))
        });
        match by_mark {
            Owner::Unverified if self.registry && is_same => Owner::Ours,
            Owner::Foreign if known && self.registry => Owner::MarkLost,
            Owner::Foreign | Owner::Unverified if known && !self.registry => Owner::Ours,
            Owner::Ours | Owner::MarkLost | Owner::Foreign | Owner::Unverified | Owner::Other(_) => by_mark,
        }
    }

    fn remember_spelling(&self, address: &Address, reported: &Fields, read: &Fields) {
        let mut memory = self.memory();
        if reported == read {
            memory.respelled.remove(address);
        } else {
            memory.respelled.insert(address.clone(), (reported.clone(), read.clone()));
        }
    }

    fn address(&self, name: &str, record_type: &str) -> Address {
        Address::new(self.id.clone(), Kind::Record, &format!("{name}/{record_type}"))
    }

    fn zone_gap(&self, zone: &str, trouble: B::Error, now: Timestamp) -> Gap {
        let mut error = trouble.into_error(&text!("could not read zone {zone}", zone), false);
        error.code = Code::A0701;
        error.into_gap(&self.id, GapScope::Zone(zone.to_owned()), now)
    }

    fn empty_gap(&self, now: Timestamp) -> Gap {
        Gap {
            provider: self.id.clone(),
            scope: GapScope::Whole,
            code: Code::A0705,
            message: text!(
                "{provider} lists no zone at all, though records of ours are in it",
                provider = self.id.title()
            ),
            hint: self.backend.missing_zones_hint().into(),
            since: now,
        }
    }
}

impl ZoneLook {
    /// The NS records at the apex: what the zone says of itself.
    fn nameservers(&self, zone: &str) -> Vec<String> {
        let held = self.sets.get(&(zone.to_owned(), "NS".to_owned()));
        held.map(|held| held.values().into_iter().map(str::to_owned).collect()).unwrap_or_default()
    }
}

/// The zones that hold a wanted or an owned name.
fn needed_zones<'a>(zones: &'a BTreeSet<String>, ask: &ObserveQuery) -> BTreeSet<&'a str> {
    let addresses = ask.wanted.keys().chain(ask.applied.keys()).filter(|address| address.kind == Kind::Record);
    addresses.filter_map(|address| Site::zone_of(zones.iter().map(String::as_str), split(address).0)).collect()
}

/// The values as the manifest spells them, where that means the same: a spelling is no drift.
fn respelled(record_type: &str, read: &Fields, wanted: Option<&Fields>) -> Fields {
    let Some(wanted) = wanted else { return read.clone() };
    let spellings: BTreeMap<String, &str> = wanted
        .strings("values")
        .into_iter()
        .filter_map(|value| Some((canonical(record_type, &[value]).pop()?, value)))
        .collect();
    let values = read.strings("values").into_iter().map(|value| spellings.get(value).copied().unwrap_or(value));
    let mut values: Vec<&str> = values.collect();
    values.sort_unstable();
    read.clone().with("values", Value::texts(values))
}

fn zone_seen(zone: &str, nameservers: &[String], now: Timestamp) -> Seen {
    Seen {
        fields: Zone { nameservers: nameservers.to_vec() }.fields(),
        ready: Readiness::Ready,
        owner: Owner::Foreign,
        service: None,
        vendor_id: zone.to_owned(),
        at: now,
    }
}
