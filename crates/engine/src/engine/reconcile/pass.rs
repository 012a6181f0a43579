//! One pass, top to bottom: source → manifests → observe → plan (guard last) → lint → hand out → schedule the next pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::effective_manifests::DesiredManifests;
use super::engine::{Engine, RunMode};
use super::manifest_loader::SharedManifests;
use super::observe::PassKnowledge;
use super::pass_ledger::Findings;
use super::poll::PollHistory;
use super::{bind_links, failure_log, schedule, upstream_probe};
use crate::engine::pass_result::{DeadEnd, PassInput, PassResult};
use crate::engine::report::conditions;
use crate::engine::report::pass_view::PassView;
use crate::engine::report::status::{self, ServiceStatus};
use crate::ledger::{LastFailure, StoreError, Unpublished};
use crate::secret::{Scrubber, Secret};
use crate::source::{Snapshot, SourceError, SourceReading};
use amarre_core::model::savings::LOOKS_APART_MAX;
use amarre_core::model::world::Suspension;
use amarre_core::model::{
    Address, Change, Code, Facts, Gate, Hint, Kind, Millis, Plan, Readiness, Refusal, Requests, Timestamp, Wants, World,
};
use amarre_core::plan;
use amarre_core::plan::desired::{account, instance};
use amarre_core::plan::diff::engine_spelling;
use amarre_core::plan::input::Input;
use amarre_core::plan::safety::{builds, lint, mass_deletes};
use amarre_core::plan::targets;
use amarre_core::text;

/// Within this span a follow-up pass may use what the previous one read from vendors with a quota.
const READ_ANEW: Millis = Millis::seconds(60);

/// The state of a pass. It begins with what is known, and each step adds what it finds.
struct PassState {
    mode: RunMode,
    /// When the pass began; from the plan on, when everything was observed.
    now: Timestamp,
    source: Option<Snapshot>,
    source_error: Option<SourceError>,
    desired: DesiredManifests,
    /// Suspensions of services that are being rolled back: they wait until that is done.
    rolling: BTreeMap<String, Suspension>,
    facts: Facts,
    requests: Requests,
    world: Arc<World>,
    /// Zones that wait to be published.
    unpublished: Vec<Unpublished>,
}

impl PassState {
    /// Rollbacks that are done: their services are suspended again.
    fn suspend_rolled_back(&mut self) {
        let rollbacks = &self.desired.going_back.rollbacks;
        let is_done = |name: &String| rollbacks.get(name).is_some_and(|rollback| rollback.done);
        let rolling = std::mem::take(&mut self.rolling);
        self.facts.suspended.extend(rolling.into_iter().filter(|(name, _)| is_done(name)));
    }
}

/// What a pass wants, and how it would get there.
struct PassDraft {
    wants: Arc<Wants>,
    plan: Plan,
}

/// The parts of a result beside observation and plan.
struct PassNotes {
    acts: bool,
    run: i64,
    dead_ends: BTreeMap<Address, DeadEnd>,
    last_failures: BTreeMap<Address, LastFailure>,
    scrubber: Scrubber,
}

impl Engine {
    /// Runs one pass. Cannot fail: errors are part of the result.
    pub async fn pass(&mut self, mode: RunMode) {
        let started = self.clock.now();
        Box::pin(self.keep_builds()).await;
        self.note_made_servers().await;
        let (reading, loaded) = Box::pin(self.read_manifests()).await;
        self.record_source_events().await;
        let mut pass = Box::pin(self.run_pass(reading, loaded, mode)).await;
        pass.took = self.clock.now() - started;
        self.meters.phase("total", pass.took);
        self.meters.compare(&self.pass, &pass);
        if self.run.is_none() && pass.run == self.pass.run {
            self.meters.reconciled(if pass.plan.guard.is_some() { "guarded" } else { "unchanged" });
        }
        self.note_shares(&pass);
        Box::pin(self.follow_deployments(&mut pass)).await;
        Box::pin(self.follow_bases(&pass)).await;
        self.pass = Arc::new(pass);
    }

    /// A pass of which nothing comes: what it finds waits for the loop's own.
    pub async fn look_only(&mut self) -> Arc<PassView> {
        self.note_made_servers().await;
        let (reading, loaded) = Box::pin(self.read_manifests()).await;
        Box::pin(self.forecast(reading, loaded)).await
    }

    /// The source, and its manifests with what is known of the repositories of apps.
    async fn read_manifests(&mut self) -> (SourceReading, Result<SharedManifests, SourceError>) {
        Box::pin(self.load_deployments()).await;
        Box::pin(self.load_bases()).await;
        let mut reading = self.source.read().await;
        let mut loaded = self.manifests_of(&reading).await;
        if let (Ok(manifests), Some(snapshot)) = (&loaded, &reading.snapshot) {
            self.follow_apps(manifests);
            // What an earlier process has fetched is known at once.
            if self.source.apps().is_newer(snapshot) {
                reading = self.source.read().await;
                loaded = self.manifests_of(&reading).await;
            }
        }
        (reading, loaded)
    }

    async fn forecast(
        &mut self,
        reading: SourceReading,
        loaded: Result<SharedManifests, SourceError>,
    ) -> Arc<PassView> {
        let kept = (self.health.clone(), self.hops.clone(), self.run.take(), self.attributions.clone());
        self.previews = true;
        let pass = Box::pin(self.run_pass(reading, loaded, RunMode::PlanOnly)).await;
        self.previews = false;
        (self.health, self.hops, self.run, self.attributions) = kept;
        Arc::new(pass)
    }

    /// Forecasts another revision of the source, with reserved secrets. Nothing is done, and nothing comes of it.
    pub async fn preview(
        &mut self,
        (snapshot, loaded): (Snapshot, Result<SharedManifests, SourceError>),
        new_secrets: &[String],
    ) -> Arc<PassView> {
        let (finder, new_secrets) = (self.secrets.clone(), new_secrets.to_owned());
        self.secrets = Arc::new({
            let finder = finder.clone();
            // The value is not known yet; that there is one is enough here.
            move |name| {
                finder(name)
                    .or_else(|why| if new_secrets.contains(&name.0) { Ok(Secret::new(&*name.0)) } else { Err(why) })
            }
        });
        let reading = SourceReading { snapshot: Some(snapshot), error: None };
        let pass = Box::pin(self.forecast(reading, loaded)).await;
        self.secrets = finder;
        pass
    }

    /// The manifests of the source; none while it is away.
    async fn manifests_of(&mut self, reading: &SourceReading) -> Result<SharedManifests, SourceError> {
        match &reading.snapshot {
            Some(snapshot) => self.loading.load(snapshot, &self.context.site).await,
            None => Ok(SharedManifests::default()),
        }
    }

    /// The pass, top to bottom.
    async fn run_pass(
        &mut self,
        reading: SourceReading,
        loaded: Result<SharedManifests, SourceError>,
        mode: RunMode,
    ) -> PassView {
        let mut state = self.gather(reading, loaded, mode).await;
        let again = self.observe(&mut state).await;
        if state.mode != RunMode::PlanOnly {
            let (world, now) = (state.world.clone(), state.now);
            self.settle_deletions(&world, &mut state.facts, now).await;
        }
        let dead_ends = self.examine(&mut state).await;
        let scrubber = Scrubber::of(state.desired.secrets.values());
        let world = Arc::make_mut(&mut state.world);
        failure_log::scrub(world, &scrubber);
        plan::rollout::completion::judge(&state.desired.services, &self.context.site, &state.facts, world);

        state.now = self.clock.now();
        let is_to_act = state.mode != RunMode::PlanOnly;
        state.facts.power = self.with_input(&state, instance::after_look);
        if state.mode != RunMode::PlanOnly && self.was_away(state.now) {
            state.facts.power.values_mut().for_each(|facts| facts.watch_anew(state.now));
        }
        if is_to_act && self.ledger_error.is_none() {
            let changed = self.with_input(&state, account::after_look);
            let PassState { desired, facts, .. } = &mut state;
            self.record_reservations(changed, desired, facts).await;
        }
        let mut draft = self.plan(&state);
        let planned = self.clock.now();
        self.meters.phase("plan", planned - state.now);
        self.hold_back(&mut state, &mut draft.plan).await;
        schedule_next_pass(&mut draft, &state, again, &dead_ends);
        self.with_input(&state, instance::next_change).into_iter().for_each(|at| draft.plan.look_by(at));
        if !self.context.site.clouds.is_empty() {
            draft.plan.look_in(state.now, schedule::CLOUDS_ANEW);
        }
        self.with_input(&state, account::next_change).into_iter().for_each(|at| draft.plan.look_by(at));
        if state.desired.services.values().any(|service| service.pool.is_some()) {
            draft.plan.look_in(state.now, schedule::CLOUDS_ANEW);
        }
        self.source.apps().next().into_iter().for_each(|at| draft.plan.look_by(at));
        self.next_action_look(&state.world, state.now).into_iter().for_each(|at| draft.plan.look_by(at));
        if is_to_act && self.ledger_error.is_some() {
            self.try_ledger(&mut draft.plan, state.now).await;
        }
        // Nothing changes the plan after this.
        let acts = self.keeps_all_rules(&state, &draft.plan) && is_to_act;

        self.end_adopting(&draft.plan);
        let run = self.run_id(acts, &draft.plan, &state.unpublished, state.source.as_ref(), state.now).await;
        let mut last_failures = self.ledger.last_failures().await.unwrap_or_default();
        if acts && self.ledger_error.is_none() {
            self.carry_out(&mut state, &draft, run, &mut last_failures, &scrubber).await;
        }
        self.meters.phase("execute", self.clock.now() - planned);
        if self.lanes.is_empty() && self.run.is_some() && !draft.plan.changes.iter().any(Change::is_now) {
            self.end_run().await;
        }
        let instances =
            state.desired.services.iter().flat_map(|(name, service)| service.servers().map(move |one| (name, one)));
        self.count_savings(instances.collect(), &state.world, &state.facts, state.now, acts).await;
        state.suspend_rolled_back();
        draft.plan = self.with_suspended(draft.plan, &state);
        self.compose_result(state, draft, PassNotes { acts, run, dead_ends, last_failures, scrubber }).await
    }

    /// Whether the last pass was long ago, or there was none.
    fn was_away(&self, now: Timestamp) -> bool {
        self.pass.context.is_none() || now - self.pass.at > LOOKS_APART_MAX
    }

    /// What the ledger and the manifests say; the world is still that of the last pass.
    async fn gather(
        &mut self,
        reading: SourceReading,
        loaded: Result<SharedManifests, SourceError>,
        mode: RunMode,
    ) -> PassState {
        let now = self.clock.now();
        let SourceReading { snapshot: mut source, error: mut source_error } = reading;
        let loaded = loaded.unwrap_or_else(|error| {
            // As if the source were away: the last good manifests stay.
            (source, source_error) = (None, Some(error));
            SharedManifests::default()
        });
        self.apply_retry_requests().await;
        self.load_actions(now).await;
        self.load_ledger_since(now).await;
        let mut facts = self.read_facts(now).await;
        if mode != RunMode::PlanOnly {
            self.end_suspensions(&mut facts, now).await;
        }
        let mut desired = self.desired(source.as_ref(), loaded).await;
        self.add_own_secrets(&mut desired, mode != RunMode::PlanOnly).await;
        self.place_servers(&mut desired, &facts);
        self.add_app_secrets(&mut desired, mode != RunMode::PlanOnly).await;
        let rolling = Self::wake_rolling(&mut facts, &desired);
        self.complete_facts(&mut facts, &desired, source.as_ref());
        let unpublished = match self.ledger.unpublished().await {
            Ok(unpublished) => unpublished,
            Err(error) => {
                self.ledger_failed(&error);
                self.pass.unpublished.iter().map(|(dirty, _)| dirty.clone()).collect()
            }
        };
        let world = Arc::clone(&self.pass.world);
        let requests = self.requests_of(&mode);
        PassState { mode, now, source, source_error, desired, rolling, facts, requests, world, unpublished }
    }

    /// What people have asked for. The number of deletes counts once: what vanishes later needs a new one.
    fn requests_of(&self, mode: &RunMode) -> Requests {
        let number = match mode {
            RunMode::PlanOnly | RunMode::RequestsOnly => None,
            RunMode::Act { confirmed_deletes, .. } => *confirmed_deletes,
        };
        let confirmed_deletes = number.filter(|_| self.requests.confirmed.is_empty());
        Requests { confirmed_deletes, ..self.requests.clone() }
    }

    /// Facts that are not in the ledger: the history of manifests, running lanes.
    fn complete_facts(&self, facts: &mut Facts, desired: &DesiredManifests, source: Option<&Snapshot>) {
        facts.frozen = desired.frozen.clone();
        facts.history = desired.history.clone();
        facts.gone = desired.gone.clone();
        facts.revision = source.unwrap_or(&self.pass.source).revision.clone();
        for under_way in self.under_way.values() {
            facts.in_progress.extend(under_way.made.clone());
            facts.going.extend(under_way.going.iter().cloned());
        }
        facts.prune_blocked = desired.prune_blocked || source.is_none();
    }

    /// Observes the vendors; answers when a doubted one is to be asked again.
    async fn observe(&mut self, state: &mut PassState) -> Option<Timestamp> {
        let now = state.now;
        self.kept.begin(&state.desired.services);
        let early = self.kept.before_look(&self.context, Self::input(state));
        let reuse = self.readings_from <= now && now - self.readings_from < Millis(self.interval.0.min(READ_ANEW.0));
        if !reuse {
            self.readings_from = now;
        }
        let past = PollHistory { written: &self.written, wake: &self.wake };
        let PassState { facts, unpublished, .. } = &*state;
        let site = &self.context.site;
        let machines = self.machine_accesses(&state.desired, facts);
        let ledger_since = self.ledger_since.unwrap_or(now);
        let known =
            PassKnowledge { site, wants: &early, facts, unpublished, machines: &machines, reuse, ledger_since, now };
        let (world, again) = self.observer.observe(&self.context.providers, known, past).await;
        state.world = Arc::new(world);
        self.meters.phase("observe", self.clock.now() - now);
        if again.is_some() {
            // A doubted answer is not taken from a cache.
            self.readings_from = Timestamp::default();
        }
        again
    }

    /// Examines what no vendor reports: whether containers answer, where hosts and links lead, who answers on port 80.
    async fn examine(&mut self, state: &mut PassState) -> BTreeMap<Address, DeadEnd> {
        let now = state.now;
        let world = Arc::make_mut(&mut state.world);
        self.ages.correct(world, self.clock.now(), self.clock.steady());
        engine_spelling::as_made(world, &state.facts.applied);
        // So that most looks have nothing to ask, and want what they wanted before.
        self.health.recall(world);
        self.hops.recall(world);
        let probed = self.kept.observed(&self.context, Self::input(state), &self.observer.versions);
        let (ages, steady) = (&self.ages, self.clock.steady());
        let uptime = |address: &Address, stamp| now - ages.up_since(address, stamp, now, steady);
        let unknown = self.health.unknown(&probed, &state.world);
        let led_to = self.with_input(state, |input| targets::led_to(input, &unknown));
        let wants = (&*probed, &led_to);
        let world = Arc::make_mut(&mut state.world);
        let is_other = self.health.judge(&self.context.providers, wants, &state.facts, world, uptime).await;
        // What has just become ready is led to by now.
        let probed = if is_other {
            self.kept.observed(&self.context, Self::input(state), &self.observer.versions)
        } else {
            probed
        };
        let health = &self.health;
        let places = self.with_input(state, |input| upstream_probe::upstreams_to_probe(input, &probed, health));
        let dead_ends = self.hops.probe_due(&self.context.providers, places, now).await;
        self.hops.recall(Arc::make_mut(&mut state.world));
        let paths = self.with_input(state, |input| bind_links::paths(input, &probed));
        let leads = bind_links::follow_all(paths).await;
        let world = Arc::make_mut(&mut state.world);
        world.leads = leads;
        let (site, services) = (&self.context.site, &state.desired.services);
        self.port80.examine(site, services, &probed, world, now).await;
        let wrote = std::mem::take(&mut self.observer.wrote);
        let visitor = self.port80.visitor().clone();
        self.port80.left_out.examine((&visitor, site), wrote, world, now).await;
        self.health.instances.ask(self.port80.visitor(), site, &probed, world, now).await;
        dead_ends
    }

    /// The wants, and the plan.
    fn plan(&mut self, state: &PassState) -> PassDraft {
        let (wants, plan) = self.kept.planned(&self.context, Self::input(state), &self.observer.versions);
        if state.requests.confirmed_deletes.is_some() && plan.guard.is_none() {
            self.requests.confirmed = self.with_input(state, |input| mass_deletes::doomed(input, &plan));
        }
        PassDraft { wants, plan }
    }

    /// Holds changes that failed a moment ago, and attributes drift.
    async fn hold_back(&mut self, state: &mut PassState, plan: &mut Plan) {
        let busy = self.services_at_work();
        if !self.previews {
            self.retries.forget(plan, &state.world, |service| busy.contains(service));
            self.remember_failed_builds(plan, state.now);
        }
        // One that is to wait for its retry is held back while all ask for the turn, not only while it has it.
        builds::ask_again(plan);
        self.retries.hold_back(plan, &state.facts.revision, state.now, |service| busy.contains(service));
        self.with_input(state, |input| builds::take_turns(input, plan));
        state.facts.changed_by = self.attribute(plan, state.now).await;
    }

    /// Whether the plan may be carried out; each rule that it breaks is a bug, and logged.
    fn keeps_all_rules(&self, state: &PassState, plan: &Plan) -> bool {
        let broken_rules = self.with_input(state, |input| lint::broken_rules(input, plan));
        for rule in &broken_rules {
            tracing::error!("a bug in Amarre, nothing is written: {rule}");
        }
        broken_rules.is_empty()
    }

    /// Ends an adoption when the mark is written, or cannot be.
    fn end_adopting(&mut self, plan: &Plan) {
        let is_marked = |address: &Address| !plan.changes.iter().any(|change| change.address == *address);
        let cannot_mark = |address: &Address| {
            let held = plan.changes.iter().any(|change| change.address == *address && change.refusal().is_some());
            held || self.retries.failing().contains_key(address)
        };
        self.requests.adopting =
            self.requests.adopting.take().filter(|address| !is_marked(address) && !cannot_mark(address));
    }

    /// Records the findings, then hands out the changes that may be done now. Without the record nothing is handed out.
    async fn carry_out(
        &mut self,
        state: &mut PassState,
        draft: &PassDraft,
        run: i64,
        last_failures: &mut BTreeMap<Address, LastFailure>,
        scrubber: &Scrubber,
    ) {
        let PassDraft { wants, plan } = draft;
        self.settle_actions(&state.world, state.now).await;
        // Before the changes, which would go on without an end: a person waits for it.
        self.hand_out_actions(&state.world, run, state.now).await;
        let ready = self.ready(plan, &state.mode);
        let PassState { desired, world, facts, requests, unpublished, now, .. } = &mut *state;
        let found = Findings { wants, world, plan, facts, requests, now: *now };
        // Before a failed container is deleted.
        self.record_last_lines(last_failures, found, scrubber).await;
        if let Err(error) = self.record(found, desired, unpublished).await {
            return self.ledger_failed(&error);
        }
        let due = || ready.values().flatten();
        let checks = self.with_input(state, |input| bind_links::checks(input, due()));
        self.hand_out(ready, run, wants, &state.desired, &checks).await;
        self.publish(&state.unpublished, plan, state.now).await;
    }

    /// Records the findings and the good versions. A record that was learned just now may be in a zone that is not published.
    async fn record(
        &mut self,
        found: Findings<'_>,
        desired: &mut DesiredManifests,
        unpublished: &mut Vec<Unpublished>,
    ) -> Result<(), StoreError> {
        if self.record_findings(found, desired).await? {
            *unpublished = self.ledger.unpublished().await?;
        }
        self.record_good_versions(found, desired).await
    }

    /// Everything as the result that people and the next pass get.
    async fn compose_result(&self, state: PassState, draft: PassDraft, told: PassNotes) -> PassView {
        let unpublished = state.unpublished.iter().map(|dirty| self.with_error(dirty.clone())).collect();
        let PassState { mode, now, source, source_error, desired, facts, requests, world, .. } = state;
        let PassNotes { acts, run, dead_ends, last_failures, scrubber } = told;
        let only = match mode {
            RunMode::Act { only, .. } => only,
            RunMode::PlanOnly | RunMode::RequestsOnly => None,
        };
        let pass = PassResult {
            at: now,
            source: source.unwrap_or_else(|| self.pass.source.clone()),
            source_error,
            services: desired.services,
            gone: desired.gone_services,
            diagnostics: desired.diagnostics,
            broken: desired.broken,
            world,
            facts,
            requests: Requests { confirmed_deletes: None, ..requests },
            wants: draft.wants,
            plan: draft.plan,
            errors: self.retries.errors(),
            failing: self.retries.failing(),
            open: self.retries.breakers.open(),
            past_failures: self.ledger.past_failures().await.unwrap_or_default(),
            last_failures,
            scrubber,
            ledger_error: self.ledger_error.clone(),
            config_trouble: self.config_trouble.clone(),
            apps: self.source.apps().states(),
            deployments: self.deployments.clone().unwrap_or_default(),
            bases: self.source.apps().bases().states(),
            listener_trouble: self.listener_trouble.clone(),
            unpublished,
            dead_ends,
            rollbacks: desired.going_back.rollbacks,
            busy: self.services_at_work(),
            actions: self.actions.states(),
            saved: self.saved_totals(),
            versions: self.observer.versions.clone(),
            run,
            acts,
            consented: acts || self.ledger.meta("consent").await.ok().flatten().is_some(),
            at_rest: false,
            only,
            since: BTreeMap::new(),
            conditions_since: BTreeMap::new(),
            deploys_since: BTreeMap::new(),
            context: Some(self.context.clone()),
            marks: desired.marks,
            took: Millis(0),
            interval: self.interval,
        };
        let mut pass = PassView::from(pass);
        let mut rows = status::before_waits(&pass);
        pass.since = state_times(&self.pass, &rows, now);
        status::add_waits(&pass, &mut rows);
        let mut pass = pass.with_statuses(rows);
        pass.conditions_since = conditions::condition_times(&self.pass, &pass);
        pass.deploys_since = conditions::deploy_times(&self.pass, &pass);
        pass.at_rest = self.is_settled(&pass);
        pass
    }

    /// The plan with the differences of suspended services, held: shown, not applied.
    fn with_suspended(&mut self, mut plan: Plan, state: &PassState) -> Plan {
        let facts = &state.facts;
        let is_left = |name: &String| facts.suspended.get(name).is_some_and(|suspension| !suspension.destroy);
        if !facts.suspended.keys().any(is_left) {
            return plan;
        }
        let mut awake = facts.clone();
        awake.suspended.retain(|_, suspension| suspension.destroy);
        let given = PassInput { facts: &awake, ..Self::input(state) };
        let shown = self.kept.awake(&self.context, given, &self.observer.versions);
        for mut change in shown.changes.into_iter().filter(|change| is_left(&change.service)) {
            change.gate = Gate::Held(suspended(&change.service, facts));
            plan.changes.push(change);
        }
        plan
    }

    fn with_input<T>(&self, state: &PassState, use_it: impl FnOnce(&Input<'_>) -> T) -> T {
        self.context.with_input(Self::input(state), use_it)
    }

    fn input(state: &PassState) -> PassInput<'_> {
        let PassState { desired, world, facts, requests, now, .. } = state;
        let DesiredManifests { services, marks, .. } = desired;
        PassInput { services, marks, world, facts, requests, now: *now }
    }
}

/// When each service reached its state.
fn state_times(
    before: &PassView,
    rows: &BTreeMap<String, ServiceStatus>,
    now: Timestamp,
) -> BTreeMap<String, (String, Timestamp)> {
    let mut since = BTreeMap::new();
    for (name, status) in rows {
        let state = format!("{} {}", status.sync.word(), status.health.word());
        let at = match before.since.get(name) {
            Some((known, at)) if *known == state => *at,
            // At the first pass the time is not known.
            None if before.context.is_none() => Timestamp::default(),
            Some(_) | None => now,
        };
        since.insert(name.clone(), (state, at));
    }
    since
}

fn suspended(service: &str, facts: &Facts) -> Refusal {
    let by = facts.suspended.get(service).map_or("somebody", |suspension| suspension.by.as_str());
    Refusal {
        code: Code::A0403,
        message: text!("{service} is suspended by {by}", service, by),
        found: Vec::new(),
        hints: vec![Hint::command(text!("to take it up again"), format!("amarre resume {service}"))],
    }
}

/// A resource that starts is watched closely, one that takes its time is not.
fn schedule_next_pass(
    draft: &mut PassDraft,
    state: &PassState,
    again: Option<Timestamp>,
    dead_ends: &BTreeMap<Address, DeadEnd>,
) {
    let PassDraft { wants, plan } = draft;
    let (world, now) = (&state.world, state.now);
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
    let instances = wants.map.keys().filter(|address| address.kind.is_instance());
    for seen in instances.filter_map(|address| world.seen.get(address)) {
        if let Readiness::NotYet { since, .. } = seen.ready {
            plan.look_by(schedule::watch(since, now));
        }
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
    for end in dead_ends.values() {
        plan.look_by(schedule::watch(end.since, now));
    }
    for until in state.facts.suspended.values().filter_map(|suspension| suspension.until).filter(|until| *until > now) {
        plan.look_by(until);
    }
}
