//! One look, top to bottom: source → manifests → observe → plan → lint → guard → hand out → say when to look next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::lane::{self, Job, Tools};
use super::{Engine, Mode, OpenRun, Picture, pace};
use crate::manifest::{self, Diagnostic, Loaded, SourceFile};
use crate::model::plan::Wait;
use crate::model::world::Applied;
use crate::model::{
    Address, Change, Facts, Fields, Gate, Kind, Mark, Millis, Need, Plan, ProviderId, Readiness, SecretName, Service,
    Timestamp, Verb, Wants, World,
};
use crate::plan::{self, Input, expand, guard, lint};
use crate::secret::Secrets;
use crate::source::Snapshot;
use crate::store::{StoreError, Unpublished};

/// Within this span a look that follows up on another may rest on what that one read from vendors with a quota.
const READ_ANEW: Millis = Millis::seconds(60);

/// What the manifests say, the last good ones where a file is broken.
struct Desired {
    services: BTreeMap<String, Service>,
    diagnostics: Vec<Diagnostic>,
    broken: BTreeMap<String, String>,
    frozen: BTreeSet<String>,
    prune_blocked: bool,
    marks: BTreeMap<SecretName, Mark>,
    secrets: Secrets,
    texts: BTreeMap<String, (String, String)>,
}

impl Engine {
    /// Looks once. Cannot fail: what went wrong is in the picture.
    pub async fn look(&mut self, mode: Mode) {
        let started = self.clock.now();
        let now = started;
        let (source, source_error) = self.read_source();
        let mut facts = self.read_facts().await;
        let desired = self.desired(source.as_ref()).await;
        facts.frozen = desired.frozen.clone();
        facts.confirmed = self.confirmed.clone();
        facts.prune_blocked = desired.prune_blocked || source.is_none();

        let unpublished = self.ledger.unpublished().await.unwrap_or_default();
        let before = self.picture.world.clone();
        let early = self.with_input(&desired, &before, &facts, now, &mode, expand::expand);
        let reuse = now - self.read_anew < Millis(self.interval.0.min(READ_ANEW.0));
        if !reuse {
            self.read_anew = now;
        }
        let observing = self.observer.observe(&self.context.providers, &early, &facts, &unpublished, reuse, now);
        let (mut world, again) = observing.await;
        if again.is_some() {
            // What is doubted is not asked of a memory.
            self.read_anew = Timestamp::default();
        }
        let probed = self.with_input(&desired, &world, &facts, now, &mode, expand::expand);
        self.health.judge(&self.context.providers, &probed.probes, &facts, &mut world, now).await;

        let now = self.clock.now();
        let (wants, mut plan, broken_rules, agreed) = self.with_input(&desired, &world, &facts, now, &mode, |input| {
            let (wants, plan) = plan::look(input);
            let broken_rules = lint::broken_rules(input, &plan);
            let agreed = guard::doomed(input, &plan);
            (wants, plan, broken_rules, agreed)
        });
        let is_asked = matches!(mode, Mode::Act { confirmed_deletes: Some(_), .. });
        if is_asked && self.confirmed.is_empty() && plan.guard.is_none() {
            self.confirmed = agreed;
        }
        for rule in &broken_rules {
            tracing::error!("a bug in Amarre, nothing is written: {rule}");
        }
        self.hold_back(&mut plan, now);
        when_to_look(&mut plan, &wants, &world, again, now);
        let only = match &mode {
            Mode::Act { only, .. } => only.clone(),
            Mode::PlanOnly => None,
        };
        let acts = matches!(mode, Mode::Act { .. }) && broken_rules.is_empty();
        if acts && self.ledger_error.is_some() {
            self.try_ledger(&mut plan, now).await;
        }
        let run = self.run_id(acts, &plan, &unpublished, source.as_ref(), now).await;
        if acts && self.ledger_error.is_none() {
            let ready = self.ready(&plan, only.as_ref());
            if let Err(error) = self.keep_books(&wants, &world, &plan, &facts, &desired, now).await {
                self.ledger_failed(&error);
            } else {
                self.hand_out(ready, run, &desired.secrets);
                self.publish(&unpublished, &plan, now).await;
            }
        }
        if self.lanes.is_empty() && self.run.is_some() && !plan.changes.iter().any(Change::is_now) {
            self.end_run().await;
        }
        let services = desired.services;
        let unpublished = unpublished.into_iter().map(|dirty| self.with_error(dirty)).collect();
        let mut picture = Picture {
            at: now,
            source: source.unwrap_or_else(|| self.picture.source.clone()),
            source_error,
            services,
            diagnostics: desired.diagnostics,
            broken: desired.broken,
            world,
            facts,
            wants,
            plan,
            errors: self.errors.clone(),
            past_failures: self.ledger.past_failures().await.unwrap_or_default(),
            ledger_error: self.ledger_error.clone(),
            unpublished,
            versions: self.observer.versions.clone(),
            run,
            acts,
            at_rest: false,
            only,
            since: BTreeMap::new(),
            context: Some(self.context.clone()),
            marks: desired.marks,
            took: self.clock.now() - started,
        };
        picture.since = since(&self.picture, &picture);
        picture.at_rest = self.is_at_rest(&picture);
        self.picture = Arc::new(picture);
    }

    /// Whether nothing will happen by itself any more: what is left waits for a person, or failed for good.
    fn is_at_rest(&self, picture: &Picture) -> bool {
        if self.is_busy() || picture.unpublished.iter().any(|(_, error)| error.is_none()) {
            return false;
        }
        let stuck = stuck(&picture.plan, &self.errors);
        let asked = |service: &String| picture.only.as_ref().is_none_or(|only| only.contains(service));
        let mut changes = picture.plan.changes.iter().filter(|change| asked(&change.service));
        let moving = changes.any(|change| !stuck.contains(&change.address));
        let starting =
            picture.wants.probes.keys().filter(|container| is_asked(picture, container, &asked)).any(|container| {
                let seen = picture.world.seen.get(container);
                let known_bad = picture.facts.failed.contains_key(container);
                seen.is_some_and(|seen| matches!(seen.ready, Readiness::NotYet { .. })) && !known_bad
            });
        !moving && !starting
    }

    fn with_input<T>(
        &self,
        desired: &Desired,
        world: &World,
        facts: &Facts,
        now: Timestamp,
        mode: &Mode,
        use_it: impl FnOnce(&Input<'_>) -> T,
    ) -> T {
        let confirmed = match mode {
            Mode::PlanOnly => None,
            // The number counts once: what vanishes after it was matched is another question.
            Mode::Act { confirmed_deletes, .. } => confirmed_deletes.filter(|_| self.confirmed.is_empty()),
        };
        self.context.with_input(&desired.services, &desired.marks, world, facts, now, confirmed, use_it)
    }

    /// Whether the source is not what it was at the last look.
    pub(super) fn source_moved(&self) -> bool {
        self.source.read().is_ok_and(|snapshot| snapshot.revision != self.picture.source.revision)
    }

    fn read_source(&self) -> (Option<Snapshot>, Option<String>) {
        match self.source.read() {
            Ok(snapshot) => (Some(snapshot), None),
            Err(error) => (None, Some(error.to_string())),
        }
    }

    async fn read_facts(&mut self) -> Facts {
        match self.ledger.facts().await {
            Ok(facts) => {
                self.last_facts = facts.clone();
                facts
            }
            Err(error) => {
                self.ledger_failed(&error);
                self.last_facts.clone()
            }
        }
    }

    /// Manifests in force: the source's, and the last good text of each that is broken or out of reach.
    async fn desired(&self, source: Option<&Snapshot>) -> Desired {
        let stored = self.ledger.manifests().await.unwrap_or_default();
        let files: Vec<SourceFile> = match source {
            Some(snapshot) => {
                let file = |(path, text): &(String, String)| SourceFile { path: path.clone(), text: text.clone() };
                snapshot.files.iter().map(file).collect()
            }
            None => Vec::new(),
        };
        let Loaded { services, diagnostics, broken, texts } = manifest::load(&files, &self.context.site);
        let mut desired = Desired {
            services: services.into_iter().map(|service| (service.name.clone(), service)).collect(),
            diagnostics,
            broken: BTreeMap::new(),
            frozen: BTreeSet::new(),
            prune_blocked: broken.iter().any(|broken| broken.service.is_none()),
            marks: BTreeMap::new(),
            secrets: Secrets::new(),
            texts: texts.into_iter().map(|(service, document)| (service, (document.file, document.text))).collect(),
        };
        for broken in &broken {
            let Some(name) = &broken.service else { continue };
            desired.broken.insert(name.clone(), format!("{} is broken", broken.file));
            self.put_back(&mut desired, name, stored.get(name));
        }
        let lost = |file: &String| source.is_none() || broken.iter().any(|b| b.service.is_none() && b.file == *file);
        for (name, text) in stored.iter().filter(|(_, (file, _))| lost(file)) {
            if !desired.services.contains_key(name) {
                self.put_back(&mut desired, name, Some(text));
            }
        }
        self.resolve_secrets(&mut desired);
        desired
    }

    /// The last good text of a manifest; without one, nothing of the service is touched.
    fn put_back(&self, desired: &mut Desired, name: &str, stored: Option<&(String, String)>) {
        let file = stored.map(|(path, text)| SourceFile { path: path.clone(), text: text.clone() });
        let loaded = file.map(|file| manifest::load(&[file], &self.context.site));
        let good = loaded.and_then(|loaded| loaded.services.into_iter().find(|service| service.name == name));
        match good {
            Some(service) => {
                desired.services.insert(name.to_owned(), service);
            }
            None => {
                desired.frozen.insert(name.to_owned());
            }
        }
    }

    fn resolve_secrets(&self, desired: &mut Desired) {
        let mut missing = Vec::new();
        for service in desired.services.values() {
            for (name, origin) in service.secrets() {
                if desired.secrets.contains_key(name) {
                    continue;
                }
                match (self.secrets)(name) {
                    Ok(secret) => {
                        desired.marks.insert(name.clone(), self.key.mark(secret.expose()));
                        desired.secrets.insert(name.clone(), secret);
                    }
                    Err((message, hint)) => missing.push((service.name.clone(), origin.clone(), message, hint)),
                }
            }
        }
        for (service, origin, message, hint) in missing {
            desired.broken.insert(service.clone(), message.clone());
            desired.frozen.insert(service.clone());
            desired.diagnostics.push(Diagnostic::missing_secret(&service, &origin, message, hint));
        }
    }

    /// Changes of a service that failed wait for its backoff.
    fn hold_back(&self, plan: &mut Plan, now: Timestamp) {
        for change in &mut plan.changes {
            let Some(backoff) = self.backoffs.get(&change.service) else { continue };
            if change.is_now() && now < backoff.until {
                change.gate = Gate::Until { at: backoff.until, what: Wait::Backoff };
            }
        }
    }

    /// What idle lanes may do, by service. A service is never planned from an observation begun before its last write.
    fn ready(&self, plan: &Plan, only: Option<&BTreeSet<String>>) -> BTreeMap<String, Vec<Change>> {
        let mut ready: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        for change in plan.changes.iter().filter(|change| change.is_now()) {
            let is_asked = only.is_none_or(|only| only.contains(&change.service));
            if is_asked && !self.is_at_work_for(&change.service) {
                ready.entry(change.service.clone()).or_default().push(change.clone());
            }
        }
        ready
    }

    fn hand_out(&mut self, ready: BTreeMap<String, Vec<Change>>, run: i64, secrets: &Secrets) {
        for (service, changes) in ready {
            let tools = Tools {
                providers: self.context.providers.clone(),
                ledger: self.ledger.clone(),
                clock: self.clock.clone(),
                progress: self.progress.clone(),
                stopping: self.stopping.clone(),
            };
            let job = Job { service: service.clone(), run, changes, secrets: secrets.clone() };
            let lane = self.lanes.spawn(lane::work(job, tools));
            self.busy.insert(lane.id(), service);
        }
    }

    /// A ledger that could not be written is tried again after a while, so that its trouble ends by itself.
    async fn try_ledger(&mut self, plan: &mut Plan, now: Timestamp) {
        if self.ledger_retry <= now {
            match self.ledger.set_meta("tried", &now.0.to_string()).await {
                Ok(()) => self.ledger_error = None,
                Err(error) => self.ledger_failed(&error),
            }
        }
        if self.ledger_error.is_some() {
            plan.look_by(self.ledger_retry);
        }
    }

    async fn run_id(
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
        let has_work = plan.changes.iter().any(Change::is_now) || !unpublished.is_empty();
        if !acts || !has_work {
            return self.picture.run;
        }
        let revision = source.map_or("", |source| source.revision.as_str());
        match self.ledger.begin_run(revision, now).await {
            Ok(id) => {
                self.run = Some(OpenRun { id, failed: false });
                id
            }
            Err(error) => {
                self.ledger_failed(&error);
                self.picture.run
            }
        }
    }

    /// Closes the run that is open, if one is.
    pub async fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        let held = self.picture.plan.changes.iter().any(|change| change.refusal().is_some());
        let result = match (run.failed, self.picture.plan.guard.is_some(), held) {
            (_, true, _) => "guarded",
            (true, false, _) | (false, false, true) => "partial",
            (false, false, false) => "applied",
        };
        if let Err(error) = self.ledger.end_run(run.id, result, self.clock.now()).await {
            self.ledger_failed(&error);
        }
    }

    /// What was found out is stored before anything is done with it.
    async fn keep_books(
        &mut self,
        wants: &Wants,
        world: &World,
        plan: &Plan,
        facts: &Facts,
        desired: &Desired,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let ledger = &self.ledger;
        if !wants.failed.is_empty() || !wants.good.is_empty() {
            ledger.judge(&wants.failed, &wants.good, now).await?;
        }
        if facts.open_intents.values().any(|left| now - *left >= plan::SETTLE) {
            ledger.settle(Timestamp(now.0 - plan::SETTLE.0 + 1), now).await?;
        }
        let rows = self.learned(wants, world, plan, facts);
        if !rows.is_empty() {
            ledger.learn(&rows, self.picture.run, now).await?;
            for (provider, scope) in self.maybe_unpublished(&rows, world, facts) {
                ledger.unpublished_again(&provider, &scope, now).await?;
            }
        }
        let gone: Vec<Address> = facts
            .applied
            .keys()
            .filter(|address| {
                let known = world.seen.contains_key(*address) || wants.map.contains_key(*address);
                !known && world.gap(address).is_none() && !facts.open_intents.contains_key(*address)
            })
            .filter(|address| facts.applied.get(*address).is_some_and(|row| !self.is_at_work_for(&row.service)))
            .cloned()
            .collect();
        if !gone.is_empty() {
            ledger.forget(&gone).await?;
        }
        for gone in facts.suspended.iter().filter(|(_, suspension)| suspension.destroy).map(|(name, _)| name) {
            let is_known =
                desired.services.contains_key(gone) || desired.broken.contains_key(gone) || desired.prune_blocked;
            let is_left = facts.applied.values().any(|row| row.service == *gone)
                || world.seen.values().any(|seen| seen.owner.is_ours() && seen.service.as_ref() == Some(gone));
            if !is_known && !is_left && plan.gaps.is_empty() {
                // Its manifest is gone as well: there is nothing left to keep away from.
                ledger.resume(gone).await?;
            }
        }
        let is_calm = |name: &&String| {
            let touched = plan.changes.iter().any(|change| change.service == **name);
            !touched && !facts.converged.contains(*name) && !facts.suspended.contains_key(*name) && plan.gaps.is_empty()
        };
        let calm: Vec<String> = desired.services.keys().filter(is_calm).cloned().collect();
        if !calm.is_empty() {
            ledger.converged(&calm, now).await?;
        }
        self.keep_manifests(facts, desired).await
    }

    /// Scopes of records that a lost ledger had written and that nobody sees: it may have been about to publish them.
    fn maybe_unpublished(
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
            Some((address.provider.clone(), provider.publishes(address)?))
        };
        learned.keys().filter(unseen).filter_map(scope).collect()
    }

    async fn keep_manifests(&self, facts: &Facts, desired: &Desired) -> Result<(), StoreError> {
        let stored = self.ledger.manifests().await?;
        let changed: BTreeMap<String, (String, String)> = desired
            .texts
            .iter()
            .filter(|(name, text)| stored.get(*name) != Some(text))
            .map(|(n, t)| (n.clone(), t.clone()))
            .collect();
        let gone: Vec<String> = stored
            .keys()
            .filter(|name| !desired.services.contains_key(*name) && !desired.frozen.contains(*name))
            .filter(|name| !desired.prune_blocked && !facts.applied.values().any(|row| row.service == **name))
            .cloned()
            .collect();
        if changed.is_empty() && gone.is_empty() { Ok(()) } else { self.ledger.keep_manifests(&changed, &gone).await }
    }

    /// Things that are ours and as wanted, but not (or not so) in the ledger.
    fn learned(&self, wants: &Wants, world: &World, plan: &Plan, facts: &Facts) -> BTreeMap<Address, Applied> {
        let mut rows = BTreeMap::new();
        let changing: BTreeSet<&Address> = plan.changes.iter().map(|change| &change.address).collect();
        for (address, want) in &wants.map {
            let Some(seen) = world.seen.get(address).filter(|seen| seen.owner.is_ours()) else { continue };
            if want.keep_only || changing.contains(address) || self.is_at_work_for(&want.service) {
                continue;
            }
            let fields = plan::diff::resolve(&want.fields, world);
            let row = Applied { service: want.service.clone(), vendor_id: seen.vendor_id.clone(), fields };
            if facts.applied.get(address).is_none_or(|known| differs(known, &row)) {
                rows.insert(address.clone(), row);
            }
        }
        rows
    }
}

/// When each service came to the state that it is in.
fn since(before: &Picture, picture: &Picture) -> BTreeMap<String, (String, Timestamp)> {
    let mut since = BTreeMap::new();
    for (name, status) in super::status::services(picture) {
        let state = format!("{} {}", status.sync.word(), status.health.word());
        let known = before.since.get(&name).filter(|(known, _)| *known == state).map(|(_, at)| *at);
        since.insert(name, (state, known.unwrap_or(picture.at)));
    }
    since
}

fn is_asked(picture: &Picture, address: &Address, asked: &impl Fn(&String) -> bool) -> bool {
    picture.wants.map.get(address).is_some_and(|want| asked(&want.service))
}

/// Whether a row says something else. A chosen address is only in the first one.
fn differs(known: &Applied, row: &Applied) -> bool {
    let same = row.fields.0.iter().all(|(name, value)| known.fields.get(name) == Some(value));
    !same || known.vendor_id != row.vendor_id || known.service != row.service
}

/// Addresses whose change will not happen by itself: held, refused by the vendor, or waiting for such a one.
pub fn stuck(plan: &Plan, errors: &BTreeMap<String, super::ServiceError>) -> BTreeSet<Address> {
    let refused = |change: &Change| {
        errors.get(&change.service).is_some_and(|known| {
            known.error.class == crate::providers::Class::Rejected && known.change.address == change.address
        })
    };
    let mut stuck: BTreeSet<Address> = plan
        .changes
        .iter()
        .filter(|change| change.refusal().is_some() || refused(change) || waits_for_person(change))
        .map(|change| change.address.clone())
        .collect();
    loop {
        let more: Vec<Address> = plan
            .changes
            .iter()
            .filter(|change| !stuck.contains(&change.address) && waits_for(change, &stuck, plan))
            .map(|change| change.address.clone())
            .collect();
        if more.is_empty() {
            return stuck;
        }
        stuck.extend(more);
    }
}

fn waits_for_person(change: &Change) -> bool {
    matches!(change.gate, Gate::Until { what: Wait::StoppedGrace, .. })
}

/// Whether a change waits for something stuck, or for something that nobody is going to make.
fn waits_for(change: &Change, stuck: &BTreeSet<Address>, plan: &Plan) -> bool {
    let Gate::After(needs) = &change.gate else { return false };
    let hidden = |need: &Need| plan.gaps.iter().any(|gap| gap.covers(&need.on));
    needs.iter().any(|need| stuck.contains(&need.on) || hidden(need))
}

/// Something that starts is watched closely, something that takes its time is not.
fn when_to_look(plan: &mut Plan, wants: &Wants, world: &World, again: Option<Timestamp>, now: Timestamp) {
    if let Some(at) = again {
        plan.look_by(at);
    }
    for container in wants.probes.keys() {
        if let Some(Readiness::NotYet { since, .. }) = world.seen.get(container).map(|seen| &seen.ready) {
            plan.look_by(pace::watch(*since, now));
        }
    }
    let records = wants.map.keys().filter(|address| address.kind == Kind::Record);
    if records.filter_map(|address| world.seen.get(address)).any(|seen| !seen.ready.is_ready() && seen.owner.is_ours())
    {
        plan.look_in(now, Millis::seconds(10));
    }
    if !plan.gaps.is_empty() {
        plan.look_in(now, Millis::seconds(30));
    }
    let until = plan.changes.iter().filter_map(|change| match &change.gate {
        Gate::Until { at, .. } => Some(*at),
        Gate::Now | Gate::After(_) | Gate::Held(_) => None,
    });
    if let Some(at) = until.min() {
        plan.look_by(at);
    }
}

/// The fields that a change writes, when it writes some.
pub fn written(change: &Change) -> Option<&Fields> {
    match &change.verb {
        Verb::Create(fields) | Verb::Update(fields) => Some(fields),
        Verb::Delete => None,
    }
}
