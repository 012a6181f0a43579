//! Rollbacks: which manifests were good, which service is rolled back to one of them, and when that ends.
//!
//! A rollback plans a service with the containers of a manifest with which it was healthy. The loop works on it until
//! they are there; then it is suspended until a person resumes it or its manifest changes. Data is never rolled back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::daemon::Handle;
use super::effective_manifests::DesiredManifests;
use super::engine::Engine;
use super::pass_ledger::Findings;
use crate::engine::pass_result::PassInput;
use crate::engine::report::pass_view::PassView;
use crate::engine::report::short_revision;
use crate::ledger::runs::Event;
use crate::ledger::{GoodManifest, Ledger, RolledBack, StoreError, StoredManifest};
use crate::source::Snapshot;
use amarre_core::manifest::SourceFile;
use amarre_core::model::service::{Route, Stream};
use amarre_core::model::world::Suspension;
use amarre_core::model::{
    Address, Assets, Facts, Kind, Plan, Seen, Service, Site, Text, Timestamp, Want, Wants, World,
};
use amarre_core::plan;
use amarre_core::text;

/// The effective rollbacks of one pass.
#[derive(Debug, Default)]
pub(crate) struct EffectiveRollbacks {
    /// Services that are rolled back.
    pub(crate) rollbacks: BTreeMap<String, RolledBack>,
    /// Services whose manifest has changed: their rollback has ended.
    pub(crate) ended: BTreeSet<String>,
}

/// The target of a rollback.
#[derive(Debug, Clone)]
pub struct RollbackTarget {
    /// The good manifest.
    pub good: GoodManifest,
    /// The service as it would be planned.
    pub service: Service,
    /// Each container of which another generation is asked for.
    pub containers: Vec<ContainerTurn>,
}

/// What a rollback makes of a container.
#[derive(Debug, Clone)]
pub struct ContainerTurn {
    /// Its address, without a generation.
    pub container: Address,
    /// The image that runs, else the one that its manifest asks for; empty: it has none any more.
    pub now: String,
    /// The image then.
    pub then: String,
    /// That very one works: it stays, and only its manifest is left alone.
    pub stays: bool,
}

impl RollbackTarget {
    /// What people know it by: the commit that was built, else the revision of the manifests.
    pub fn version(&self) -> String {
        match self.service.build() {
            Some(build) => build.commit.short().to_owned(),
            None => short_revision(&self.good.revision),
        }
    }
}

impl Engine {
    /// Replaces rolled-back services by their good version; a rollback ends when the manifest has changed since.
    pub(crate) async fn rewind_all(&mut self, desired: &mut DesiredManifests, source: Option<&Snapshot>) {
        let rollbacks = match self.ledger.rollbacks().await {
            Ok(rollbacks) => rollbacks,
            Err(error) => {
                self.ledger_failed(&error);
                self.pass.rollbacks.clone()
            }
        };
        for (name, rollback) in rollbacks {
            let changed = desired
                .texts
                .get(&name)
                .is_some_and(|document| StoredManifest::new(document).identity() != rollback.manifest);
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
                Arc::make_mut(&mut desired.services).insert(name.clone(), rewind(&now, then));
            }
            desired.going_back.rollbacks.insert(name, rollback);
        }
    }

    /// A good manifest, read again; `None` when it can no longer be read.
    async fn read_good(&mut self, name: &str, good: &GoodManifest) -> Option<Service> {
        let texts = texts_of(&self.ledger, name, good).await;
        let (file, assets) = texts.inspect_err(|error| self.ledger_failed(error)).ok()?;
        let loaded = self.loading.load_again(file, assets, &self.context.site).await?;
        loaded.services.get(name).cloned()
    }

    /// Lets the loop work on services that are being rolled back; answers the suspensions that wait for the end.
    pub(crate) fn wake_rolling(facts: &mut Facts, desired: &DesiredManifests) -> BTreeMap<String, Suspension> {
        for ended in &desired.going_back.ended {
            facts.suspended.remove(ended);
        }
        let rolling = desired.going_back.rollbacks.iter().filter(|(_, rollback)| !rollback.done);
        let waiting: BTreeMap<String, Suspension> =
            rolling.filter_map(|(name, _)| facts.suspended.remove_entry(name)).collect();
        facts.rolling = waiting.iter().map(|(name, suspension)| (name.clone(), suspension.by.clone())).collect();
        waiting
    }

    /// Records the results of rollbacks, and which manifests are good.
    pub(crate) async fn record_good_versions(
        &mut self,
        found: Findings<'_>,
        desired: &mut DesiredManifests,
    ) -> Result<(), StoreError> {
        let Findings { wants, world, plan, facts, now, .. } = found;
        for name in desired.going_back.ended.clone() {
            self.ledger.resume(&name).await?;
            let text = text!("its manifest changed: it is not put back any more");
            self.record_service_event(&name, "resumed", text, now).await?;
        }
        let good = good_generations(wants, world, plan);
        let stored = self.ledger.good_generations().await?;
        for (name, generations) in good.into_iter().filter(|(name, _)| desired.services.contains_key(*name)) {
            if let Some(rollback) = desired.going_back.rollbacks.get_mut(name) {
                if !rollback.done {
                    self.ledger.rolled_back(name).await?;
                    rollback.done = true;
                    self.record_service_event(name, "rolled back", text!("its containers are as they were"), now)
                        .await?;
                }
                continue;
            }
            let is_touched = facts.suspended.contains_key(name)
                || desired.frozen.contains(name)
                || desired.broken.contains_key(name);
            let Some(document) = desired.texts.get(name).filter(|_| !is_touched) else { continue };
            let good = (generations, StoredManifest::new(document).identity());
            // The ledger forgets the versions of what is destroyed or gone.
            let is_stored = stored.contains(&(name.clone(), good.0.clone()));
            if !is_stored || self.good_manifests.get(name) != Some(&good) {
                let revision = desired.revision.as_str();
                // As many as there are images to go back to.
                let kept = self.context.site.images.keep + 1;
                self.ledger.store_good(name, &good.0, document, revision, kept, now).await?;
                self.good_manifests.insert(name.clone(), good);
            }
        }
        Ok(())
    }

    pub(crate) async fn record_service_event(
        &self,
        service: &str,
        kind: &str,
        text: Text,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let kind = kind.to_owned();
        let event =
            Event { at, run: self.pass.run, service: service.to_owned(), address: None, kind, text, reason: None };
        self.ledger.record(&event).await
    }
}

/// The services without a planned change whose containers are all healthy, and the generations of these.
fn good_generations<'a>(wants: &'a Wants, world: &World, plan: &Plan) -> BTreeMap<&'a String, String> {
    if !plan.has_seen_services() {
        return BTreeMap::new();
    }
    let touched: BTreeSet<&String> = plan.changes.iter().map(|change| &change.service).collect();
    let mut containers: BTreeMap<&String, Vec<(&Address, &Want)>> = BTreeMap::new();
    let all = wants.map.iter().filter(|(address, _)| address.kind == Kind::Container);
    for (address, want) in all.filter(|(_, want)| !touched.contains(&want.service)) {
        containers.entry(&want.service).or_default().push((address, want));
    }
    let is_well = |(address, want): &(&Address, &Want)| {
        let stands = want.fields.flag("running") == Some(false);
        !stands && world.seen.get(*address).is_some_and(|seen| seen.ready.is_ready())
    };
    containers.retain(|_, containers| containers.iter().all(is_well));
    let joined = |containers: Vec<(&Address, &Want)>| joined(containers.into_iter().map(|(address, _)| address));
    containers.into_iter().map(|(service, containers)| (service, joined(containers))).collect()
}

fn joined<'a>(containers: impl Iterator<Item = &'a Address>) -> String {
    containers.map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The generations that a service's manifest asks for, failed ones included, each with its image.
fn wanted_generations(wants: &Wants, name: &str) -> BTreeMap<Address, (Address, String)> {
    let mut wanted: BTreeMap<Address, (Address, String)> = BTreeMap::new();
    let containers = wants
        .map
        .iter()
        .filter(|(address, want)| address.kind == Kind::Container && want.service == name && !want.keep_only);
    for (address, want) in containers {
        let image = want.fields.text("image").unwrap_or_default().to_owned();
        // A failed candidate is there as refused, beside the last good one in its place.
        if want.refusal.is_some() || !wanted.contains_key(&address.base()) {
            wanted.insert(address.base(), (address.clone(), image));
        }
    }
    wanted
}

/// The newest good manifest, of the revision `to` if given, that asks for other containers than the effective one;
/// `None` when there is none. A version whose image name means another image by now cannot be restored.
pub async fn target(
    handle: &Handle,
    pass: &PassView,
    name: &str,
    to: Option<&str>,
) -> Result<Option<RollbackTarget>, StoreError> {
    let (Some(context), Some(now)) = (&pass.context, pass.services.get(name)) else { return Ok(None) };
    let wanted = wanted_generations(&pass.wants, name);
    for good in handle.ledger().good_manifests(name).await? {
        let Some(then) = read_good(handle, &context.site, name, &good).await else { continue };
        if !to.is_none_or(|to| is_meant(pass, name, &good, &then, to)) {
            continue;
        }
        let service = rewind(now, then);
        let mut services = Arc::clone(&pass.services);
        Arc::make_mut(&mut services).insert(name.to_owned(), service.clone());
        let mut facts = pass.facts.clone();
        facts.suspended.remove(name);
        let given = PassInput { services: &services, facts: &facts, ..pass.input() };
        let wants = context.with_input(given, plan::expand::expand);
        let then = wanted_generations(&wants, name);
        let containers: Vec<ContainerTurn> = then
            .iter()
            .filter(|(base, (address, _))| wanted.get(*base).is_none_or(|(known, _)| known != address))
            .map(|(base, (address, image))| turn(&wants, &pass.world, wanted.get(base), base, address, image))
            .collect();
        if !containers.is_empty() {
            return Ok(Some(RollbackTarget { service, good, containers }));
        }
    }
    Ok(None)
}

/// From what runs to what ran then. What a manifest asks for may have failed, and another one serve in its place.
fn turn(
    wants: &Wants,
    world: &World,
    wanted: Option<&(Address, String)>,
    base: &Address,
    then: &Address,
    image: &str,
) -> ContainerTurn {
    let mut working: Vec<(Address, &Seen)> = wants.instances(world, base).into_iter().collect();
    working.retain(|(_, seen)| seen.ready.is_ready());
    let asked_for = working.iter().find(|(address, _)| wanted.is_some_and(|(wanted, _)| wanted == address));
    let runs = asked_for.or(working.first()).and_then(|(_, seen)| seen.fields.text("image"));
    let now = wanted.map(|(_, image)| runs.unwrap_or(image).to_owned()).unwrap_or_default();
    let stays = asked_for.is_none() && working.iter().any(|(address, _)| address == then);
    ContainerTurn { container: base.clone(), now, then: image.to_owned(), stays }
}

/// Whether a version is the one that a person names: the number of a deployment, where the app has such a one, else the
/// beginning of its revision or commit.
fn is_meant(pass: &PassView, name: &str, good: &GoodManifest, then: &Service, to: &str) -> bool {
    let deployed = pass.deployments.get(name).into_iter().flatten();
    let number: Option<u64> = to.trim_start_matches('#').parse().ok();
    let image = deployed.filter(|one| Some(one.id) == number).map(|one| one.image.as_str()).next();
    match (image, then.build()) {
        (Some(image), build) => build.is_some_and(|build| build.image == image),
        (None, build) => good.revision.starts_with(to) || build.is_some_and(|build| build.commit.id.starts_with(to)),
    }
}

/// Reads a good manifest as the loop does, for a request.
pub(crate) async fn read_good(handle: &Handle, site: &Site, name: &str, good: &GoodManifest) -> Option<Service> {
    let texts = texts_of(handle.ledger(), name, good).await.ok()?;
    let loaded = handle.read_again(texts, site).await?;
    loaded.services.into_iter().find(|service| service.name == name)
}

async fn texts_of(ledger: &Ledger, name: &str, good: &GoodManifest) -> Result<(SourceFile, Assets), StoreError> {
    let assets = ledger.good_assets(name, &good.generations).await?;
    Ok((SourceFile { path: good.file.clone(), text: good.text.clone() }, assets))
}

/// A service with its earlier containers, and everything that leads to them; all else stays. Containers that were added
/// since stay.
fn rewind(now: &Service, then: Service) -> Service {
    let mut containers = now.containers.clone();
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
    // What it was built from goes back with what it was built to.
    let app = then.app.or_else(|| now.app.clone());
    Service { containers, volumes, routes, streams, places, app, ..now.clone() }
}
