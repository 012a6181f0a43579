//! One look, top to bottom: source → manifests → observe → plan → lint → guard → hand out → say when to look next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::lane::{Job, Tools};
use super::manifests_in_force::Desired;
use super::poll::Past;
use super::{bind_links, earlier_use, failure_log, lane, schedule, upstream_probe};
use crate::engine::report::conditions;
use crate::engine::report::derived::Derived;
use crate::engine::{Engine, Mode, Picture, UnderWay};
use crate::secret::{Scrubber, Secret};
use crate::source::{Reading, Snapshot, SourceError};
use amarre_core::manifest::Loaded;
use amarre_core::model::plan::ReasonCode;
use amarre_core::model::{
    Address, Change, Facts, Fields, Gate, Hint, Kind, Millis, Plan, Readiness, Refusal, Timestamp, Verb, Wants, World,
};
use amarre_core::plan;
use amarre_core::plan::Input;
use amarre_core::plan::desired::bind_mounts::Check;
use amarre_core::plan::desired::expand;
use amarre_core::plan::safety::{guard, lint};

/// Within this span a look that follows up on another may rest on what that one read from vendors with a quota.
const READ_ANEW: Millis = Millis::seconds(60);

impl Engine {
    /// Looks once. Cannot fail: what went wrong is in the picture.
    pub async fn look(&mut self, mode: Mode) {
        let started = self.clock.now();
        let reading = self.source.read().await;
        self.tell_source_events().await;
        let loaded = self.manifests_of(&reading).await;
        let mut picture = Box::pin(self.see(reading, loaded, mode)).await;
        picture.took = self.clock.now() - started;
        self.meters.phase("total", picture.took);
        self.meters.compare(&self.picture, &picture);
        if self.run.is_none() && picture.run == self.picture.run {
            self.meters.reconciled(if picture.plan.guard.is_some() { "guarded" } else { "unchanged" });
        }
        earlier_use::tell(&self.picture.diagnostics, &picture.diagnostics);
        self.picture = Arc::new(picture);
    }

    /// What a look would find with another state of the source in force, and with secrets that are promised. Nothing is
    /// done, and nothing comes of it.
    pub async fn preview(
        &mut self,
        (snapshot, loaded): (Snapshot, Result<Loaded, SourceError>),
        promised: &[String],
    ) -> Arc<Picture> {
        let kept = (self.health.clone(), self.hops.clone(), self.run.take(), self.culprits.clone());
        let (finder, promised) = (self.secrets.clone(), promised.to_owned());
        self.secrets = Arc::new({
            let finder = finder.clone();
            // What it will be is not known yet, and only that there is one counts here.
            move |name| {
                finder(name)
                    .or_else(|why| if promised.contains(&name.0) { Ok(Secret::new(&*name.0)) } else { Err(why) })
            }
        });
        let reading = Reading { snapshot: Some(snapshot), error: None };
        let picture = Box::pin(self.see(reading, loaded, Mode::PlanOnly)).await;
        self.secrets = finder;
        (self.health, self.hops, self.run, self.culprits) = kept;
        Arc::new(picture)
    }

    /// What the source says; where it is away, nothing.
    async fn manifests_of(&mut self, reading: &Reading) -> Result<Loaded, SourceError> {
        match &reading.snapshot {
            Some(snapshot) => self.loading.load(snapshot, &self.context.site).await,
            None => Ok(Loaded::default()),
        }
    }

    async fn see(&mut self, reading: Reading, loaded: Result<Loaded, SourceError>, mode: Mode) -> Picture {
        let now = self.clock.now();
        let Reading { snapshot: mut source, error: mut source_error } = reading;
        let loaded = loaded.unwrap_or_else(|error| {
            // As if the source were away: the last good manifests stay.
            (source, source_error) = (None, Some(error));
            Loaded::default()
        });
        self.grant_pardon().await;
        let mut facts = self.read_facts(now).await;
        if mode != Mode::PlanOnly {
            self.end_suspensions(&mut facts, now).await;
        }
        let mut desired = self.desired(source.as_ref(), loaded).await;
        let rolling = Self::wake_rolling(&mut facts, &desired);
        facts.frozen = desired.frozen.clone();
        facts.history = desired.history.clone();
        facts.gone = desired.gone.clone();
        facts.confirmed = self.confirmed.clone();
        facts.impatient = self.impatient;
        facts.adopting = self.adopting.clone();
        facts.revision = source.as_ref().unwrap_or(&self.picture.source).revision.clone();
        for under_way in self.under_way.values() {
            facts.promised.extend(under_way.made.clone());
            facts.going.extend(under_way.going.iter().cloned());
        }
        facts.prune_blocked = desired.prune_blocked || source.is_none();

        let unpublished = match self.ledger.unpublished().await {
            Ok(unpublished) => unpublished,
            Err(error) => {
                self.ledger_failed(&error);
                self.picture.unpublished.iter().map(|(dirty, _)| dirty.clone()).collect()
            }
        };
        let before = self.picture.world.clone();
        let early = self.with_input(&desired, &before, &facts, now, &mode, expand::expand);
        let reuse = self.read_anew <= now && now - self.read_anew < Millis(self.interval.0.min(READ_ANEW.0));
        if !reuse {
            self.read_anew = now;
        }
        let past = Past { written: &self.written, wake: &self.wake };
        let providers = &self.context.providers;
        let observing = self.observer.observe(providers, &early, &facts, &unpublished, reuse, past, now);
        let (mut world, again) = observing.await;
        self.meters.phase("observe", self.clock.now() - now);
        if again.is_some() {
            // What is doubted is not asked of a memory.
            self.read_anew = Timestamp::default();
        }
        self.ages.correct(&mut world, self.clock.now(), self.clock.steady());
        let probed = self.with_input(&desired, &world, &facts, now, &mode, expand::expand);
        let (ages, steady) = (&self.ages, self.clock.steady());
        let up_since = |address: &Address, stamp| ages.up_since(address, stamp, now, steady);
        self.health.judge(&self.context.providers, &probed, &facts, &mut world, up_since, now).await;
        let places =
            self.with_input(&desired, &world, &facts, now, &mode, |input| upstream_probe::places(input, &probed));
        let dead_ends = self.hops.ask(&self.context.providers, places, now).await;
        let paths = self.with_input(&desired, &world, &facts, now, &mode, |input| bind_links::paths(input, &probed));
        world.leads = bind_links::follow_all(paths).await;
        let (site, services) = (&self.context.site, &desired.services);
        self.port80.ask(site, services, &probed, &mut world, now).await;
        let scrubber = Scrubber::of(desired.secrets.values());
        failure_log::scrub(&mut world, &scrubber);
        plan::rollout::completion::judge(&desired.services, &self.context.site, &facts, &mut world);

        let now = self.clock.now();
        let (wants, mut plan, agreed) = self.with_input(&desired, &world, &facts, now, &mode, |input| {
            let (wants, plan) = plan::look(input);
            let agreed = guard::doomed(input, &plan);
            (wants, plan, agreed)
        });
        let planned = self.clock.now();
        self.meters.phase("plan", planned - now);
        let is_asked = matches!(mode, Mode::Act { confirmed_deletes: Some(_), .. });
        if is_asked && self.confirmed.is_empty() && plan.guard.is_none() {
            self.confirmed = agreed;
        }
        let busy: BTreeSet<String> = self.busy.values().cloned().collect();
        self.patience.forget(&plan, &world, |service| busy.contains(service));
        self.patience.hold_back(&mut plan, &facts.revision, now, |service| busy.contains(service));
        facts.culprits = self.name_culprits(&mut plan, now).await;
        when_to_look(&mut plan, &wants, &world, again, now);
        for end in dead_ends.values() {
            plan.look_by(schedule::watch(end.since, now));
        }
        for until in facts.suspended.values().filter_map(|suspension| suspension.until).filter(|until| *until > now) {
            plan.look_by(until);
        }
        let only = match &mode {
            Mode::Act { only, .. } => only.clone(),
            Mode::PlanOnly | Mode::Mark => None,
        };
        let is_to_act = mode != Mode::PlanOnly;
        if is_to_act && self.ledger_error.is_some() {
            self.try_ledger(&mut plan, now).await;
        }
        // Nothing changes the plan after this.
        let broken_rules =
            self.with_input(&desired, &world, &facts, now, &mode, |input| lint::broken_rules(input, &plan));
        for rule in &broken_rules {
            tracing::error!("a bug in Amarre, nothing is written: {rule}");
        }
        let acts = is_to_act && broken_rules.is_empty();
        let is_marked = |address: &Address| !plan.changes.iter().any(|change| change.address == *address);
        let cannot_mark = |address: &Address| {
            let held = plan.changes.iter().any(|change| change.address == *address && change.refusal().is_some());
            held || self.patience.failing().contains_key(address)
        };
        self.adopting = self.adopting.take().filter(|address| !is_marked(address) && !cannot_mark(address));
        let run = self.run_id(acts, &plan, &unpublished, source.as_ref(), now).await;
        let mut last_failures = self.ledger.last_failures().await.unwrap_or_default();
        if acts && self.ledger_error.is_none() {
            let ready = self.ready(&plan, &mode);
            // Before what failed goes.
            self.keep_last_words(&mut last_failures, &wants, &world, &plan, &facts, &scrubber, now).await;
            let mut kept = self.keep_books(&wants, &world, &plan, &facts, &desired, now).await;
            if kept.is_ok() {
                kept = self.keep_ways_back(&wants, &world, &plan, &facts, &mut desired, now).await;
            }
            if let Err(error) = kept {
                self.ledger_failed(&error);
            } else {
                let due = || ready.values().flatten();
                let checks =
                    self.with_input(&desired, &world, &facts, now, &mode, |input| bind_links::checks(input, due()));
                self.hand_out(ready, run, &wants, &desired, &checks).await;
                self.publish(&unpublished, &plan, now).await;
            }
        }
        self.meters.phase("execute", self.clock.now() - planned);
        if self.lanes.is_empty() && self.run.is_some() && !plan.changes.iter().any(Change::is_now) {
            self.end_run().await;
        }
        let is_done = |name: &String| desired.going_back.rollbacks.get(name).is_some_and(|rollback| rollback.done);
        facts.suspended.extend(rolling.into_iter().filter(|(name, _)| is_done(name)));
        let unpublished = unpublished.into_iter().map(|dirty| self.with_error(dirty)).collect();
        let plan = self.with_suspended(plan, &desired, &world, &facts, now, &mode);
        let mut picture = Picture {
            at: now,
            source: source.unwrap_or_else(|| self.picture.source.clone()),
            source_error,
            services: desired.services,
            diagnostics: desired.diagnostics,
            broken: desired.broken,
            world,
            facts,
            wants,
            plan,
            errors: self.patience.errors(),
            failing: self.patience.failing(),
            open: self.patience.breakers.open(),
            past_failures: self.ledger.past_failures().await.unwrap_or_default(),
            last_failures,
            scrubber,
            ledger_error: self.ledger_error.clone(),
            config_trouble: self.config_trouble.clone(),
            unpublished,
            dead_ends,
            rollbacks: desired.going_back.rollbacks,
            busy: self.busy.values().cloned().collect(),
            versions: self.observer.versions.clone(),
            run,
            acts,
            consented: acts || self.ledger.meta("consent").await.ok().flatten().is_some(),
            at_rest: false,
            only,
            since: BTreeMap::new(),
            conditions_since: BTreeMap::new(),
            context: Some(self.context.clone()),
            marks: desired.marks,
            took: Millis(0),
            interval: self.interval,
            derived: Derived::default(),
        };
        picture.since = since(&self.picture, &picture);
        picture.conditions_since = conditions::since(&self.picture, &picture);
        picture.at_rest = self.is_at_rest(&picture);
        picture
    }

    /// The plan with what is different about suspended services, held: shown, not touched.
    fn with_suspended(
        &self,
        mut plan: Plan,
        desired: &Desired,
        world: &World,
        facts: &Facts,
        now: Timestamp,
        mode: &Mode,
    ) -> Plan {
        let is_left = |name: &String| facts.suspended.get(name).is_some_and(|suspension| !suspension.destroy);
        if !facts.suspended.keys().any(is_left) {
            return plan;
        }
        let mut awake = facts.clone();
        awake.suspended.retain(|_, suspension| suspension.destroy);
        let (_, shown) = self.with_input(desired, world, &awake, now, mode, plan::look);
        for mut change in shown.changes.into_iter().filter(|change| is_left(&change.service)) {
            change.gate = Gate::Held(suspended(&change.service, facts));
            plan.changes.push(change);
        }
        plan
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
            Mode::PlanOnly | Mode::Mark => None,
            // The number counts once: what vanishes after it was matched is another question.
            Mode::Act { confirmed_deletes, .. } => confirmed_deletes.filter(|_| self.confirmed.is_empty()),
        };
        self.context.with_input(&desired.services, &desired.marks, world, facts, now, confirmed, use_it)
    }

    /// What idle lanes may do, by service. A service is never planned from an observation begun before its last write.
    fn ready(&self, plan: &Plan, mode: &Mode) -> BTreeMap<String, Vec<Change>> {
        let mut ready: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        let busy = self.services_at_work();
        for change in plan.changes.iter().filter(|change| change.is_now()) {
            let is_asked = match mode {
                Mode::PlanOnly => false,
                Mode::Act { only, .. } => only.as_ref().is_none_or(|only| only.contains(&change.service)),
                Mode::Mark => self.adopting.as_ref() == Some(&change.address),
            };
            if is_asked && !busy.contains(change.service.as_str()) {
                ready.entry(change.service.clone()).or_default().push(change.clone());
            }
        }
        // An NPM that was made anew serves nobody before it is on its networks again: that comes before all else.
        let mut first = ready.clone();
        for changes in first.values_mut() {
            changes.retain(|change| change.address.kind == Kind::Attachment && is_missing(change));
        }
        first.retain(|_, changes| !changes.is_empty());
        if first.is_empty() { ready } else { first }
    }

    async fn hand_out(
        &mut self,
        ready: BTreeMap<String, Vec<Change>>,
        run: i64,
        wants: &Wants,
        desired: &Desired,
        checks: &BTreeMap<Address, Check>,
    ) {
        let known = desired.payloads();
        for (service, changes) in ready {
            let payloads = self.payloads(&changes, wants, &known).await;
            let tools = Tools {
                context: self.context.clone(),
                ledger: self.ledger.clone(),
                clock: self.clock.clone(),
                progress: self.progress.clone(),
                meters: self.meters.clone(),
                stopping: self.stopping.clone(),
                cancelled: Arc::default(),
                breakers: self.patience.breakers.clone(),
            };
            self.cancels.insert(service.clone(), tools.cancelled.clone());
            self.under_way.insert(service.clone(), UnderWay::of(&changes));
            let its = |change: &Change| Some((change.address.clone(), checks.get(&change.address)?.clone()));
            let checks = changes.iter().filter_map(its).collect();
            let secrets = changes.iter().flat_map(|change| lane::named(change, &desired.secrets)).collect();
            let job = Job { service: service.clone(), run, changes, secrets, payloads, checks };
            let lane = self.lanes.spawn(lane::work(job, tools));
            self.busy.insert(lane.id(), service);
        }
    }
}

/// When each service came to the state that it is in.
fn since(before: &Picture, picture: &Picture) -> BTreeMap<String, (String, Timestamp)> {
    let mut since = BTreeMap::new();
    for (name, status) in crate::engine::report::status::services(picture) {
        let state = format!("{} {}", status.sync.word(), status.health.word());
        let at = match before.since.get(&name) {
            Some((known, at)) if *known == state => *at,
            // At the first look nobody knows since when.
            None if before.context.is_none() => Timestamp::default(),
            Some(_) | None => picture.at,
        };
        since.insert(name, (state, at));
    }
    since
}

fn is_missing(change: &Change) -> bool {
    matches!(change.verb, Verb::Create(_)) && change.because.code == ReasonCode::Missing
}

fn suspended(service: &str, facts: &Facts) -> Refusal {
    let by = facts.suspended.get(service).map_or("somebody", |suspension| suspension.by.as_str());
    Refusal {
        code: "A0403".to_owned(),
        message: format!("{service} is suspended by {by}"),
        found: Vec::new(),
        hints: vec![Hint::command("to take it up again", format!("amarre resume {service}"))],
    }
}

/// Something that starts is watched closely, something that takes its time is not.
fn when_to_look(plan: &mut Plan, wants: &Wants, world: &World, again: Option<Timestamp>, now: Timestamp) {
    if let Some(at) = again {
        plan.look_by(at);
    }
    for container in wants.probes.keys().chain(&wants.tasks) {
        if let Some(Readiness::NotYet { since, .. }) = world.seen.get(container).map(|seen| &seen.ready) {
            plan.look_by(schedule::watch(*since, now));
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
