//! What a pass reads from the ledger, and what it records before it acts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::effective_manifests::DesiredManifests;
use super::engine::{Engine, LEDGER_RETRY, OpenRun};
use super::lane;
use crate::engine::pass_result::PassInput;
use crate::engine::progress::{LaneStep, Progress, ProgressState};
use crate::ledger::runs::Event;
use crate::ledger::{LogKind, LogLine, StoreError, Unpublished};
use crate::providers::{Class, ProviderError};
use crate::source::Snapshot;
use amarre_core::model::power::Override;
use amarre_core::model::world::{Applied, Pulled};
use amarre_core::model::{
    Address, Change, Code, Document, Facts, Fields, Kind, Millis, Payloads, Plan, ProviderId, Readiness, Refusal,
    Requests, Text, Timestamp, Value, Verb, Wants, World, words,
};
use amarre_core::plan;
use amarre_core::resources::cloud;
use amarre_core::text;

/// The findings of a pass: wants, world, and plan.
#[derive(Clone, Copy)]
pub(crate) struct Findings<'a> {
    pub(crate) wants: &'a Wants,
    pub(crate) world: &'a World,
    pub(crate) plan: &'a Plan,
    /// The facts of the ledger.
    pub(crate) facts: &'a Facts,
    /// What people have asked for.
    pub(crate) requests: &'a Requests,
    pub(crate) now: Timestamp,
}

impl Engine {
    /// Applies each request for a retry once.
    pub(crate) async fn apply_retry_requests(&mut self) {
        let pardon = std::mem::take(&mut self.retry_request);
        let mut result = if pardon.tries { self.ledger.retry_flaps().await } else { Ok(()) };
        for service in &pardon.services {
            result = result.and(self.ledger.forget_flaps(service).await);
        }
        if let Err(error) = result {
            self.retry_request = pardon;
            self.ledger_failed(&error);
        }
    }

    /// Reads since when the ledger is there. A new one knows nothing of what was made with another.
    pub(crate) async fn load_ledger_since(&mut self, now: Timestamp) {
        const SINCE: &str = "since";
        if self.ledger_since.is_some() {
            return;
        }
        let known = self.ledger.meta(SINCE).await.ok().flatten().and_then(|since| since.parse().ok());
        let since = known.map_or(now, Timestamp).min(now);
        self.ledger_since = Some(since);
        if known.is_none() {
            // Without it the ledger is taken for new once more.
            let _ = self.ledger.set_meta(SINCE, &since.0.to_string()).await;
        }
    }

    pub(crate) async fn read_facts(&mut self, now: Timestamp) -> Facts {
        match self.ledger.facts().await {
            Ok(mut facts) => {
                // The clock was ahead when it was written: the wait begins now, and does not last an hour longer.
                let times = facts.open_intents.values().chain(facts.repointed_at.values());
                if times.max().is_some_and(|latest| *latest > now) && self.ledger.date_back(now).await.is_ok() {
                    let facts = Arc::make_mut(&mut facts);
                    let times = facts.open_intents.values_mut().chain(facts.repointed_at.values_mut());
                    times.for_each(|at| *at = now.min(*at));
                }
                self.last_facts = Arc::clone(&facts);
                Facts::clone(&facts)
            }
            Err(error) => {
                self.ledger_failed(&error);
                Facts::clone(&self.last_facts)
            }
        }
    }

    /// Lets a power hold in place of each server's rule; `None`: the rule holds again.
    pub async fn hold_power(&mut self, holds: Vec<(Address, Option<Override>)>) -> Result<(), StoreError> {
        // As of the last look, which may not have been stored.
        let (mut power, now) = (self.pass.facts.power.clone(), self.clock.now());
        for (address, holds) in holds {
            let facts = power.entry(address).or_default();
            (facts.override_, facts.stopped_at) = (holds, None);
            facts.watch_anew(now);
        }
        self.ledger.note_power(&power).await
    }

    /// Ends suspensions whose time has come, and records that.
    pub(crate) async fn end_suspensions(&mut self, facts: &mut Facts, now: Timestamp) {
        let is_over = |until: Option<Timestamp>| until.is_some_and(|until| until <= now);
        let over = facts.suspended.iter().filter(|(_, suspension)| is_over(suspension.until));
        for service in over.map(|(service, _)| service.clone()).collect::<Vec<_>>() {
            match self.ledger.resume(&service).await {
                Ok(_) => {
                    facts.suspended.remove(&service);
                    // A suspension ends even if its event cannot be written.
                    let _ = self
                        .record_service_event(&service, "resumed", text!("the time of its suspension is over"), now)
                        .await;
                }
                Err(error) => self.ledger_failed(&error),
            }
        }
    }

    /// Retries a failed ledger after a while, so that its error ends by itself.
    pub(crate) async fn try_ledger(&mut self, plan: &mut Plan, now: Timestamp) {
        if self.ledger_retry <= now || self.ledger_retry > now + LEDGER_RETRY {
            match self.ledger.set_meta("tried", &now.0.to_string()).await {
                Ok(()) => self.ledger_error = None,
                Err(error) => self.ledger_failed(&error),
            }
        }
        if self.ledger_error.is_some() {
            plan.look_by(self.ledger_retry);
        }
    }

    pub(crate) async fn run_id(
        &mut self,
        acts: bool,
        plan: &Plan,
        unpublished: &[Unpublished],
        source: Option<&Snapshot>,
        now: Timestamp,
    ) -> i64 {
        if let Some(run) = self.run {
            return run.id;
        }
        let publishes = unpublished.iter().any(|dirty| self.is_publishable(dirty, plan, now));
        let has_work = plan.changes.iter().any(Change::is_now) || publishes || self.actions.has_queued();
        if !acts || !has_work {
            return self.pass.run;
        }
        let revision = source.map_or("", |source| source.revision.as_str());
        match self.ledger.begin_run(revision, now).await {
            Ok(id) => {
                self.run = Some(OpenRun { id, failed: false });
                id
            }
            Err(error) => {
                self.ledger_failed(&error);
                self.pass.run
            }
        }
    }

    /// Closes the open run, if there is one. Its result is about the services that it touched: what is held of others says
    /// nothing about it, nor what was held of a service before something of it was put back.
    pub async fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        let events = self.ledger.events_of_run(run.id).await.unwrap_or_default();
        let attempts = || events.iter().filter(|event| event.is_attempt());
        let touched: BTreeSet<&String> = attempts().map(|event| &event.service).collect();
        let changed: BTreeSet<&String> =
            attempts().filter(|event| !event.is_heal()).map(|event| &event.service).collect();
        let has_failed =
            run.failed || events.iter().any(|event| event.is_failure() && touched.contains(&event.service));
        let of_changed = self.pass.plan.changes.iter().filter(|change| changed.contains(&change.service));
        let held: Vec<&Refusal> = of_changed.filter_map(Change::trouble).filter(|refusal| !refusal.is_left()).collect();
        let result = match (has_failed, held.iter().any(|refusal| refusal.is_guard()), held.is_empty()) {
            (_, true, _) => "guarded",
            (true, false, _) | (false, false, false) => "partial",
            (false, false, true) => "applied",
        };
        self.meters.reconciled(result);
        if let Err(error) = self.ledger.end_run(run.id, result, self.clock.now()).await {
            self.ledger_failed(&error);
        }
    }

    /// Records the findings before the pass acts. Answers whether a zone may have to be published that was not before.
    pub(crate) async fn record_findings(
        &self,
        found: Findings<'_>,
        desired: &DesiredManifests,
    ) -> Result<bool, StoreError> {
        let busy = self.services_at_work();
        self.record_verdicts(found).await?;
        self.settle_intents(found).await?;
        self.record_flaps(found, &busy).await?;
        if found.facts.power != self.last_facts.power {
            self.ledger.note_power(&found.facts.power).await?;
        }
        let mut lines: Vec<LogLine> =
            self.context.providers.values().flat_map(|one| lane::exchange_lines(one, found.now)).collect();
        lines.extend(self.status_changes(found));
        self.ledger.log_instances(&lines).await?;
        self.record_downtimes(found, desired, &busy).await?;
        let is_unpublished = self.record_learned(found).await?;
        let gone = self.forget_gone(found, &busy).await?;
        self.forget_images(found, &busy).await?;
        self.end_destructions(found, desired, &gone).await?;
        self.record_converged(found, desired).await?;
        self.forget_released(found).await?;
        self.record_retired_names(found, desired).await?;
        self.record_reserved(found).await?;
        self.record_manifests(found.facts, desired).await?;
        Ok(is_unpublished)
    }

    /// The instances whose vendor shows another status than at the look before.
    fn status_changes(&self, found: Findings<'_>) -> Vec<LogLine> {
        let status = |world: &World, address: &Address| Some(world.thing(address)?.fields.text("status")?.to_owned());
        let addresses = found.world.inventory.keys().chain(found.world.seen.keys());
        let instances = addresses.filter(|address| address.kind.is_instance());
        let changes = instances.filter_map(|address| {
            let (from, to) = (status(&self.pass.world, address)?, status(found.world, address)?);
            let line = || LogLine {
                address: address.clone(),
                at: found.now,
                kind: LogKind::Status,
                text: words::clean(&format!("{from} → {to}")),
            };
            (from != to).then(line)
        });
        changes.collect()
    }

    /// Records which generations failed, which are good, and which old ones hosts still lead to.
    async fn record_verdicts(&self, found: Findings<'_>) -> Result<(), StoreError> {
        let Findings { wants, facts, now, .. } = found;
        if !wants.failed.is_empty() || !wants.good.is_empty() {
            self.ledger.judge(&wants.failed, &wants.good, now).await?;
        }
        let left = wants.left();
        if !left.iter().eq(facts.repointed_at.keys()) {
            self.ledger.store_repointed(&left, now).await?;
        }
        Ok(())
    }

    /// Closes intents without an outcome once their effect would have been observed.
    async fn settle_intents(&self, found: Findings<'_>) -> Result<(), StoreError> {
        let Findings { world, plan, facts, now, .. } = found;
        let loads: BTreeSet<&Address> =
            plan.changes.iter().filter(|change| change.is_load()).map(|change| &change.address).collect();
        // While its NPM cannot be observed, it is unknown whether a host is off line for a certificate.
        let is_hidden = |address: &Address| address.kind == Kind::Certificate && world.gap(address).is_some();
        let is_settled = |(address, left): &(&Address, &Timestamp)| {
            plan::settling::is_settled(world, address, **left, now) && !loads.contains(address) && !is_hidden(address)
        };
        let settled: Vec<(&Address, &Timestamp)> = facts.open_intents.iter().filter(is_settled).collect();
        if settled.is_empty() { Ok(()) } else { self.ledger.settle(&settled, now).await }
    }

    /// Records flapping fields.
    async fn record_flaps(&self, found: Findings<'_>, busy: &BTreeSet<String>) -> Result<(), StoreError> {
        let Findings { wants, world, plan, facts, now, .. } = found;
        let spared = |flap: &amarre_core::model::flapping::Flap| busy.contains(&flap.service);
        let flaps = plan::safety::flapping::after_look(&facts.flaps, (wants, world, plan), spared, now);
        if flaps.is_empty() { Ok(()) } else { self.ledger.note_flaps(&flaps).await }
    }

    /// Records since when containers are away, and which have come back.
    async fn record_downtimes(
        &self,
        found: Findings<'_>,
        desired: &DesiredManifests,
        busy: &BTreeSet<String>,
    ) -> Result<(), StoreError> {
        let Findings { world, facts, now, .. } = found;
        let is_busy = |service: &str| busy.contains(service);
        let site = &self.context.site;
        let endings = plan::forecast::downtime::after_look(&desired.services, site, facts, world, is_busy, now);
        if endings.is_empty() { Ok(()) } else { self.ledger.record_endings(&endings, now).await }
    }

    /// Records owned resources that the ledger did not know.
    async fn record_learned(&self, found: Findings<'_>) -> Result<bool, StoreError> {
        let rows = self.learned(found);
        if rows.is_empty() {
            return Ok(false);
        }
        self.ledger.learn(&rows, self.pass.run, found.now).await?;
        let unpublished = self.maybe_unpublished(&rows, found.world, found.facts);
        for (provider, scope) in &unpublished {
            self.ledger.unpublished_again(provider, scope, found.now).await?;
        }
        Ok(!unpublished.is_empty())
    }

    /// Removes what is neither wanted nor present from the ledger; answers the removed addresses.
    async fn forget_gone(&self, found: Findings<'_>, busy: &BTreeSet<String>) -> Result<Vec<Address>, StoreError> {
        let Findings { wants, world, facts, .. } = found;
        let gone: Vec<Address> = facts
            .applied
            .keys()
            .filter(|address| {
                let known = world.seen.contains_key(*address) || wants.map.contains_key(*address);
                !known && world.gap(address).is_none() && !facts.open_intents.contains_key(*address)
            })
            .filter(|address| facts.applied.get(*address).is_some_and(|row| !busy.contains(&row.service)))
            .cloned()
            .collect();
        if !gone.is_empty() {
            self.ledger.forget(&gone).await?;
        }
        for address in &gone {
            let Some(row) = facts.applied.get(address).filter(|row| cloud::deleted_by(row).is_some()) else { continue };
            let text = text!("the vendor shows that it is gone, with its disks");
            let run = self.run.map_or(self.pass.run, |run| run.id);
            self.ledger.record(&deletion_event(address, row, run, "deleted", text, found.now)).await?;
            if let Some(change) = self.planned_deletion(address) {
                self.meters.changed(&change, "done");
                self.send_progress(&change, ProgressState::Done, String::new(), found.now);
            }
        }
        Ok(gone)
    }

    /// Finds deletions that the vendor had accepted and that came to nothing: each is a failure, and the server stays owned.
    pub(crate) async fn settle_deletions(&mut self, world: &World, facts: &mut Facts, now: Timestamp) {
        for (address, row) in &mut facts.applied {
            let (Some(by), Some(seen)) = (cloud::deleted_by(row), world.seen.get(address)) else { continue };
            let why = match &seen.ready {
                Readiness::Failed { why } => why.clone(),
                Readiness::Ready | Readiness::NotYet { .. } if now >= by => {
                    text!("it is still there after {span}", span = cloud::DELETED_WITHIN)
                }
                Readiness::Ready | Readiness::NotYet { .. } => continue,
            };
            let message = text!("could not delete {name}: {why}", name = &address.name, why);
            let run = self.run.map_or(self.pass.run, |run| run.id);
            let event = deletion_event(address, row, run, "failed", message.clone(), now);
            let written = async {
                self.ledger.deletion_failed(address, run, now).await?;
                self.ledger.record(&event).await
            };
            if let Err(error) = written.await {
                self.ledger_failed(&error);
                continue;
            }
            row.fields.remove(cloud::DELETING);
            if let Some(change) = self.planned_deletion(address) {
                self.meters.changed(&change, "failed");
                self.send_progress(&change, ProgressState::Failed, message.to_string(), now);
                let hint =
                    text!("it stays Amarre's, and is billed; the vendor's console says more, and Amarre tries again");
                let error = ProviderError::new(Class::RetryLater, Code::A0754, message).hint(hint);
                self.change_failed(change, error, now);
            }
        }
    }

    /// The deletion of a server that the last pass still waited for.
    fn planned_deletion(&self, address: &Address) -> Option<Change> {
        let mut planned = self.pass.plan.changes.iter();
        planned.find(|one| one.address == *address && one.verb == Verb::Delete).cloned()
    }

    /// Reports what came of a change whose lane has ended.
    fn send_progress(&self, change: &Change, state: ProgressState, text: String, at: Timestamp) {
        let step = LaneStep::Change(Box::new(change.clone()));
        // There may be no listener; that is fine.
        let _ = self.progress.send(Progress { at, step, state, text, took: Millis(0) });
    }

    /// Removes images from the ledger that were deleted outside Amarre.
    async fn forget_images(&self, found: Findings<'_>, busy: &BTreeSet<String>) -> Result<(), StoreError> {
        let Findings { world, facts, .. } = found;
        let images = world.seen.iter().filter(|(address, _)| address.kind == Kind::Image);
        let images = images.filter_map(|(address, seen)| Some((&address.provider, seen.fields.text("id")?)));
        let images: BTreeSet<(&ProviderId, &str)> = images.collect();
        let is_there = |pulled: &Pulled| images.contains(&(&pulled.provider, pulled.id.as_str()));
        let lost: Vec<Pulled> = facts.pulled.iter().filter(|pulled| !is_there(pulled)).cloned().collect();
        let lost: Vec<Pulled> = lost
            .into_iter()
            .filter(|pulled| !world.is_dark(&pulled.provider) && !busy.contains(&pulled.service))
            .collect();
        if lost.is_empty() { Ok(()) } else { self.ledger.forget_images(&lost).await }
    }

    /// Removes a destroyed service whose manifest is gone. `gone`: the addresses just removed from the ledger.
    async fn end_destructions(
        &self,
        found: Findings<'_>,
        desired: &DesiredManifests,
        gone: &[Address],
    ) -> Result<(), StoreError> {
        let Findings { world, plan, facts, .. } = found;
        let row_is_left = |name: &String| {
            let mut rows = facts.applied.iter().filter(|(address, _)| !gone.contains(*address));
            rows.any(|(_, row)| row.service == *name)
        };
        for name in facts.suspended.iter().filter(|(_, suspension)| suspension.destroy).map(|(name, _)| name) {
            let is_known =
                desired.services.contains_key(name) || desired.broken.contains_key(name) || desired.prune_blocked;
            let is_left = row_is_left(name)
                || world.seen.values().any(|seen| seen.owner.is_ours() && seen.service.as_ref() == Some(name));
            if !is_known && !is_left && plan.has_seen_services() {
                // Its manifest is gone as well: there is nothing left to suspend or to show.
                self.ledger.resume(name).await?;
                self.wake.notify_one();
            }
        }
        Ok(())
    }

    /// Records services that match their manifests for the first time.
    async fn record_converged(&self, found: Findings<'_>, desired: &DesiredManifests) -> Result<(), StoreError> {
        let Findings { plan, facts, now, .. } = found;
        let touched: BTreeSet<&String> = plan.changes.iter().map(|change| &change.service).collect();
        let is_calm = |name: &&String| {
            !touched.contains(name)
                && !desired.frozen.contains(*name)
                && !facts.converged.contains(*name)
                && !facts.suspended.contains_key(*name)
                && plan.has_seen_services()
        };
        let calm: Vec<String> = desired.services.keys().filter(is_calm).cloned().collect();
        if calm.is_empty() { Ok(()) } else { self.ledger.converged(&calm, now).await }
    }

    /// A released resource that is gone needs no note.
    async fn forget_released(&self, found: Findings<'_>) -> Result<(), StoreError> {
        let Findings { world, facts, .. } = found;
        let is_away = |address: &&Address| world.gap(address).is_none() && !world.seen.contains_key(*address);
        let released: Vec<Address> = facts.released.keys().filter(is_away).cloned().collect();
        if released.is_empty() { Ok(()) } else { self.ledger.forget_released(&released).await }
    }

    /// Records the names of deleted services, and the folders that containers can write to.
    async fn record_retired_names(&self, found: Findings<'_>, desired: &DesiredManifests) -> Result<(), StoreError> {
        let Findings { world, facts, requests, now, .. } = found;
        let is_broken = |name: &str| desired.frozen.contains(name) || desired.broken.contains_key(name);
        let prunes = self.context.site.prune && !facts.prune_blocked;
        let names = plan::desired::reused_names::after_look(&desired.services, is_broken, prunes, facts, world, now);
        if !names.is_empty() {
            self.ledger.retire(&names).await?;
        }
        let (services, marks) = (&desired.services, &desired.marks);
        let given = PassInput { services, marks, world, facts, requests, now };
        let mut written = self.context.with_input(given, plan::desired::bind_mounts::written);
        written.retain(|(provider, path), is_filled| {
            let known = facts.written_folders.get(provider).and_then(|known| known.get(path));
            known.is_none_or(|was_filled| *is_filled && !was_filled)
        });
        if written.is_empty() { Ok(()) } else { self.ledger.note_written_folders(&written, now).await }
    }

    /// Records what NPM's and Amarre's own containers have: a restart while they are away must not release it.
    async fn record_reserved(&self, found: Findings<'_>) -> Result<(), StoreError> {
        let Findings { world, facts, .. } = found;
        for (provider, reserved) in &world.reserved {
            let main: Vec<_> = reserved.iter().filter(|one| !one.is_beside).cloned().collect();
            if main.as_slice() != facts.reserved.get(provider).map(Vec::as_slice).unwrap_or_default() {
                self.ledger.note_reserved(provider, &main).await?;
            }
        }
        Ok(())
    }

    /// Zones with records that a lost ledger had written and no observation shows: a publication may have been pending.
    pub(crate) fn maybe_unpublished(
        &self,
        learned: &BTreeMap<Address, Applied>,
        world: &World,
        facts: &Facts,
    ) -> BTreeSet<(ProviderId, String)> {
        let unseen = |address: &&Address| {
            let is_new = !facts.applied.contains_key(*address);
            is_new && world.seen.get(*address).is_some_and(|seen| !seen.ready.is_ready())
        };
        let scope = |address: &Address| {
            let provider = self.context.providers.get(&address.provider)?;
            Some((address.provider.clone(), provider.capabilities().publish?.scope_of(address)?))
        };
        learned.keys().filter(unseen).filter_map(scope).collect()
    }

    pub(crate) async fn record_manifests(&self, facts: &Facts, desired: &DesiredManifests) -> Result<(), StoreError> {
        let stored = self.ledger.manifests().await?;
        let changed: BTreeMap<String, Document> = desired
            .texts
            .iter()
            .filter(|(name, document)| !stored.get(*name).is_some_and(|kept| kept.is(document)))
            .map(|(name, document)| (name.clone(), document.clone()))
            .collect();
        let gone: Vec<String> = stored
            .keys()
            .filter(|name| !desired.services.contains_key(*name) && !desired.frozen.contains(*name))
            .filter(|name| !desired.prune_blocked && !facts.applied.values().any(|row| row.service == **name))
            .cloned()
            .collect();
        if !(changed.is_empty() && gone.is_empty()) {
            self.ledger.store_manifests(&changed, &gone).await?;
        }
        let payloads = desired.payloads();
        let rows = facts.applied.values().map(|row| &row.fields);
        let good = facts.last_good.values().map(|(_, fields)| fields);
        let used = rows.chain(good).flat_map(digests).chain(payloads.keys().cloned()).collect();
        self.ledger.store_bundles(&payloads, &used).await
    }

    /// The contents of the files that changes name; those of the last good generation are in the ledger.
    pub(crate) async fn payloads(&self, changes: &[Change], wants: &Wants, known: &Payloads) -> Payloads {
        let mut payloads = Payloads::new();
        let wanted = changes.iter().filter_map(|change| wants.map.get(&change.address));
        for digest in wanted.flat_map(|want| digests(&want.fields)) {
            let bundle = match known.get(&digest) {
                Some(bundle) => Some(bundle.clone()),
                None => self.ledger.bundle(&digest).await.ok().flatten(),
            };
            payloads.extend(bundle.map(|bundle| (digest, bundle)));
        }
        payloads
    }

    /// Owned resources that match their wants, but are missing or differ in the ledger.
    fn learned(&self, found: Findings<'_>) -> BTreeMap<Address, Applied> {
        let Findings { wants, world, plan, facts, requests, .. } = found;
        let mut rows = BTreeMap::new();
        let changing: BTreeSet<&Address> = plan.changes.iter().map(|change| &change.address).collect();
        let busy = self.services_at_work();
        for (address, want) in &wants.map {
            let Some(seen) = world.seen.get(address).filter(|seen| seen.owner.is_ours()) else { continue };
            // A certificate that was found again is ours like one whose order came back.
            let is_only_kept = want.keep_only && address.kind != Kind::Certificate;
            if is_only_kept || changing.contains(address) || busy.contains(&want.service) {
                continue;
            }
            // Its plan held only the mark.
            if requests.adopting.as_ref() == Some(address) {
                continue;
            }
            // A chosen address is only in the first row.
            let is_known = facts.applied.get(address).is_some_and(|known| {
                let is_its = known.vendor_id == seen.vendor_id && known.service == want.service;
                // An adopted resource is corrected to its manifest from now on.
                let is_adopted = known.fields.get(plan::diff::reason::ADOPTED).is_some();
                is_its && !is_adopted && plan::compare::is_applied(&want.fields, world, &known.fields)
            });
            if !is_known {
                let fields = plan::compare::learned(&want.fields, world, &seen.fields);
                let row = Applied { service: want.service.clone(), vendor_id: seen.vendor_id.clone(), fields };
                rows.insert(address.clone(), row);
            }
        }
        rows
    }
}

/// The contents that the files of a container name, and those that an image is built by and from.
fn digests(fields: &Fields) -> Vec<String> {
    let build = fields.get("build").and_then(Value::entries);
    let of_build = |name: &str| build.and_then(|build| build.get(name)?.as_text().map(str::to_owned));
    let built = ["dockerfile", "files"].into_iter().filter_map(of_build);
    let files = fields.get("files").and_then(Value::entries).into_iter().flat_map(BTreeMap::values);
    let content = |file: &Value| file.entries()?.get("content")?.as_text().map(str::to_owned);
    files.filter_map(content).chain(built).collect()
}

/// What came of a deletion that the vendor had accepted.
fn deletion_event(address: &Address, row: &Applied, run: i64, kind: &str, text: Text, at: Timestamp) -> Event {
    Event {
        at,
        run,
        service: row.service.clone(),
        address: Some(address.clone()),
        kind: kind.to_owned(),
        text,
        reason: None,
    }
}
