//! Going back: which manifests were good, which service is put back to one of them, and when that ends.
//!
//! A service is put back by planning it with the containers of a manifest with which all was well. Until they are there
//! it is worked on; then it is left alone, until somebody resumes it or its manifest changes. Data is never put back.

use std::collections::{BTreeMap, BTreeSet};

use super::daemon::Handle;
use super::manifests_in_force::Desired;
use super::record::Findings;
use crate::engine::{Engine, Given, Picture};
use crate::ledger::runs::Event;
use crate::ledger::{GoodManifest, Kept, Ledger, Rollback, StoreError};
use crate::source::Snapshot;
use amarre_core::manifest::{Loaded, SourceFile};
use amarre_core::model::service::{Container, Route, Stream};
use amarre_core::model::world::Suspension;
use amarre_core::model::{Address, Assets, Facts, Kind, Plan, Service, Site, Timestamp, Wants, World};
use amarre_core::plan;

/// What of rollbacks is in force at one look.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    /// Services that are put back.
    pub(crate) rollbacks: BTreeMap<String, Rollback>,
    /// Those whose manifest is another one by now: their rollback has ended.
    pub(crate) ended: BTreeSet<String>,
}

/// Where a service can go back to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The good manifest.
    pub good: GoodManifest,
    /// The service as it would be planned.
    pub service: Service,
    /// Each container that would be another one: its address, the image now, the image then.
    pub containers: Vec<(Address, String, String)>,
}

impl Engine {
    /// Services that are put back are what they were then; those whose manifest changed since are not put back any more.
    pub(crate) async fn rewind_all(&mut self, desired: &mut Desired, source: Option<&Snapshot>) {
        let rollbacks = match self.ledger.rollbacks().await {
            Ok(rollbacks) => rollbacks,
            Err(error) => {
                self.ledger_failed(&error);
                self.picture.rollbacks.clone()
            }
        };
        for (name, rollback) in rollbacks {
            let changed =
                desired.texts.get(&name).is_some_and(|document| Kept::of(document).identity() != rollback.manifest);
            let is_known = desired.services.contains_key(&name) || desired.broken.contains_key(&name);
            let is_gone = source.is_some() && !is_known && !desired.prune_blocked;
            if changed || is_gone {
                desired.going_back.ended.insert(name);
                continue;
            }
            let goods = self.ledger.good_manifests(&name).await;
            let goods = goods.inspect_err(|error| self.ledger_failed(error)).unwrap_or_default();
            let good = goods.into_iter().find(|good| good.generations == rollback.generations);
            let now = desired.services.get(&name).cloned();
            if let Some((good, now)) = good.zip(now)
                && let Some(then) = self.read_good(&name, &good).await
            {
                desired.services.insert(name.clone(), rewind(&now, then));
            }
            desired.going_back.rollbacks.insert(name, rollback);
        }
    }

    /// A good manifest, read again; none when it cannot be any more.
    async fn read_good(&mut self, name: &str, good: &GoodManifest) -> Option<Service> {
        let texts = texts_of(&self.ledger, name, good).await;
        let (file, assets) = texts.inspect_err(|error| self.ledger_failed(error)).ok()?;
        named(self.loading.load_again(file, assets, &self.context.site).await?, name)
    }

    /// What is being put back is worked on; answers the suspensions that wait for its end.
    pub(crate) fn wake_rolling(facts: &mut Facts, desired: &Desired) -> BTreeMap<String, Suspension> {
        for ended in &desired.going_back.ended {
            facts.suspended.remove(ended);
        }
        let rolling = desired.going_back.rollbacks.iter().filter(|(_, rollback)| !rollback.done);
        rolling.filter_map(|(name, _)| facts.suspended.remove_entry(name)).collect()
    }

    /// Stores what became of rollbacks, and which manifests are good.
    pub(crate) async fn keep_ways_back(
        &mut self,
        found: Findings<'_>,
        desired: &mut Desired,
    ) -> Result<(), StoreError> {
        let Findings { wants, world, plan, facts, now } = found;
        for name in desired.going_back.ended.clone() {
            self.ledger.resume(&name).await?;
            let text = "its manifest changed: it is not put back any more";
            self.say_of(&name, "resumed", text, now).await?;
        }
        for name in desired.services.keys() {
            let Some(generations) = good_generations(name, wants, world, plan) else { continue };
            if let Some(rollback) = desired.going_back.rollbacks.get_mut(name) {
                if !rollback.done {
                    self.ledger.rolled_back(name).await?;
                    rollback.done = true;
                    self.say_of(name, "rolled back", "its containers are as they were", now).await?;
                }
                continue;
            }
            let is_touched = facts.suspended.contains_key(name)
                || desired.frozen.contains(name)
                || desired.broken.contains_key(name);
            let Some(document) = desired.texts.get(name).filter(|_| !is_touched) else { continue };
            let good = (generations, Kept::of(document).identity());
            if self.good_manifests.get(name) != Some(&good) {
                let revision = desired.revision.as_str();
                self.ledger.keep_good(name, &good.0, document, revision, now).await?;
                self.good_manifests.insert(name.clone(), good);
            }
        }
        Ok(())
    }

    pub(crate) async fn say_of(&self, service: &str, kind: &str, text: &str, at: Timestamp) -> Result<(), StoreError> {
        let (kind, text) = (kind.to_owned(), text.to_owned());
        let event =
            Event { at, run: self.picture.run, service: service.to_owned(), address: None, kind, text, reason: None };
        self.ledger.record(&event).await
    }
}

/// The generations of a service of which nothing is planned and all containers are well.
fn good_generations(name: &str, wants: &Wants, world: &World, plan: &Plan) -> Option<String> {
    let is_calm = !plan.changes.iter().any(|change| change.service == name) && plan.gaps.is_empty();
    let containers: Vec<&Address> = wants
        .map
        .iter()
        .filter(|(address, want)| address.kind == Kind::Container && want.service == name)
        .map(|(address, _)| address)
        .collect();
    let is_well = |address: &&Address| {
        let stands = wants.map.get(*address).is_some_and(|want| want.fields.flag("running") == Some(false));
        !stands && world.seen.get(*address).is_some_and(|seen| seen.ready.is_ready())
    };
    let is_good = is_calm && !containers.is_empty() && containers.iter().all(is_well);
    is_good.then(|| joined(containers.into_iter()))
}

fn joined<'a>(containers: impl Iterator<Item = &'a Address>) -> String {
    containers.map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The generations that a service's manifest asks for, failed ones included, each with its image.
fn asked_for(wants: &Wants, name: &str) -> BTreeMap<Address, (Address, String)> {
    let mut wanted: BTreeMap<Address, (Address, String)> = BTreeMap::new();
    let containers = wants
        .map
        .iter()
        .filter(|(address, want)| address.kind == Kind::Container && want.service == name && !want.keep_only);
    for (address, want) in containers {
        let image = want.fields.text("image").unwrap_or_default().to_owned();
        // One that failed is there as refused, beside the last good one that stands for it.
        if want.refusal.is_some() || !wanted.contains_key(&address.base()) {
            wanted.insert(address.base(), (address.clone(), image));
        }
    }
    wanted
}

/// The newest good manifest, of the revision `to` where that is said, that asks for other containers than the one in force; none when there is none. What was
/// good under a name that means another image by now is not to be had any more.
pub async fn target(
    handle: &Handle,
    picture: &Picture,
    name: &str,
    to: Option<&str>,
) -> Result<Option<Target>, StoreError> {
    let (Some(context), Some(now)) = (&picture.context, picture.services.get(name)) else { return Ok(None) };
    let wanted = asked_for(&picture.wants, name);
    let is_meant = |good: &GoodManifest| to.is_none_or(|to| good.revision.starts_with(to));
    for good in handle.ledger().good_manifests(name).await?.into_iter().filter(is_meant) {
        let Some(then) = read_good(handle, &context.site, name, &good).await else { continue };
        let service = rewind(now, then);
        let mut services = picture.services.clone();
        services.insert(name.to_owned(), service.clone());
        let mut facts = picture.facts.clone();
        facts.suspended.remove(name);
        let given = Given { services: &services, facts: &facts, ..picture.given() };
        let wants = context.with_input(given, plan::desired::expand::expand);
        let then = asked_for(&wants, name);
        let containers: Vec<(Address, String, String)> = then
            .iter()
            .filter(|(base, (address, _))| wanted.get(*base).is_none_or(|(known, _)| known != address))
            .map(|(base, (_, image))| {
                let before = wanted.get(base).map(|(_, image)| image.clone()).unwrap_or_default();
                (base.clone(), before, image.clone())
            })
            .collect();
        if !containers.is_empty() {
            return Ok(Some(Target { service, good, containers }));
        }
    }
    Ok(None)
}

/// As the loop reads a good manifest, for a request.
pub(crate) async fn read_good(handle: &Handle, site: &Site, name: &str, good: &GoodManifest) -> Option<Service> {
    let texts = texts_of(handle.ledger(), name, good).await.ok()?;
    named(handle.read_again(texts, site).await?, name)
}

async fn texts_of(ledger: &Ledger, name: &str, good: &GoodManifest) -> Result<(SourceFile, Assets), StoreError> {
    let assets = ledger.good_assets(name, &good.generations).await?;
    Ok((SourceFile { path: good.file.clone(), text: good.text.clone() }, assets))
}

fn named(loaded: Loaded, name: &str) -> Option<Service> {
    loaded.services.into_iter().find(|service| service.name == name)
}

/// A service with its containers as they were then, and everything that leads to them; all else is as it is now.
/// Containers that came since stay.
fn rewind(now: &Service, then: Service) -> Service {
    let mut containers: BTreeMap<String, Container> = now.containers.clone();
    containers.extend(then.containers);
    let mut volumes = now.volumes.clone();
    volumes.extend(then.volumes);
    let route = |route: &Route| match then.routes.iter().find(|known| known.domains.first() == route.domains.first()) {
        Some(known) => Route { to: known.to.clone(), locations: known.locations.clone(), ..route.clone() },
        None => route.clone(),
    };
    let stream = |stream: &Stream| match then.streams.iter().find(|known| known.port == stream.port) {
        Some(known) => Stream { to: known.to.clone(), ..stream.clone() },
        None => stream.clone(),
    };
    let routes = now.routes.iter().map(route).collect();
    let streams = now.streams.iter().map(stream).collect();
    let mut places = now.places.clone();
    places.extend(then.places);
    Service { containers, volumes, routes, streams, places, ..now.clone() }
}
