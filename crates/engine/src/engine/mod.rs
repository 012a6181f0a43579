//! The only place where effects are ordered: passes, lanes, wake-ups.
//!
//! A pass (`reconcile/pass.rs`) never waits for the world to change; it does what can be done now and says when the next one is due.

pub mod report;
pub mod ledger_trouble;
pub mod reconcile;
pub mod commands;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, broadcast};
use tokio::task::JoinSet;

use crate::ledger::{Deployments, LastFailure, Ledger, RolledBack, StoreError, Unpublished};
use crate::providers::{Class, Provider, ProviderError};
use crate::secret::{MarkKey, Scrubber, Secret};
use crate::source::{AppStates, Snapshot, Source, SourceError};
use amarre_core::manifest::Diagnostic;
use amarre_core::model::base_images::BaseStates;
use amarre_core::model::{
    Action, Address, Change, Code, Facts, Fields, Kind, Mark, Millis, Plan, ProviderId, Requests, SecretName, Service,
    Site, Text, Timestamp, Wants, World,
};
use amarre_core::plan::input::{Input, Schemas};
use reconcile::actions::{ActionState, Actions};
use reconcile::breaker::{Breakers, OpenBreaker};
pub use reconcile::clock::{Clock, ShiftedClock, SystemClock};
use reconcile::health::HealthTracks;
use reconcile::lane::{LaneDone, LaneFailure};
use reconcile::observe::Observer;
use reconcile::retry::Retries;
use reconcile::schedule::Backoff;
use reconcile::state_age::StateAges;
use reconcile::upstream_probe::{DeadEnd, UpstreamProbes};
use report::derived::Derived;

/// A listener that lags behind by more progress messages loses the oldest.
const PROGRESS_KEPT: usize = 1024;

/// A failed write of the ledger is retried after this long: often enough to go on soon once there is room.
const LEDGER_RETRY: Millis = Millis::seconds(5);

/// Finds the value of a secret; the hint of the error names the place to put it.
pub type SecretFinder = Arc<dyn Fn(&SecretName) -> Result<Secret, (String, String)> + Send + Sync>;

/// The parts of a new engine.
pub struct EngineParts {
    /// The configuration as the core sees it.
    pub site: Site,
    pub providers: Vec<Arc<dyn Provider>>,
    /// The source of the manifests.
    pub source: Source,
    pub ledger: Ledger,
    /// The resolver of secrets.
    pub secrets: SecretFinder,
    /// The instance's name in marks.
    pub key: MarkKey,
    pub clock: Arc<dyn Clock>,
    /// Examines port 80 of a host.
    pub visitor: Arc<dyn reconcile::port80::Port80Client>,
    /// The time between passes without events.
    pub interval: Millis,
}

/// The settings that a reload replaces. Source, ledger and key stay.
pub struct EngineSettings {
    /// The configuration as the core sees it.
    pub site: Site,
    pub providers: Vec<Arc<dyn Provider>>,
    /// The resolver of secrets.
    pub secrets: SecretFinder,
    /// The time between passes without events.
    pub interval: Millis,
}

impl std::fmt::Debug for EngineSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("site", &self.site).finish_non_exhaustive()
    }
}

/// Why a reloaded configuration is not used; the previous one stays effective.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// `A02…`.
    pub code: Code,
    /// Lowercase, no full stop.
    pub message: String,
}

/// Whether a pass acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunMode {
    /// Observe, plan, report.
    PlanOnly,
    /// Also apply the changes whose gate is `now`.
    Act {
        /// The number of services that may be deleted.
        confirmed_deletes: Option<usize>,
        /// Only for these services; `None` = for all.
        only: Option<BTreeSet<String>>,
    },
    /// Only what a person asks for beside changes: the mark of a resource that is being adopted, and actions.
    RequestsOnly,
}

/// The result of one pass: status, plan and drift are derived from it.
#[derive(Debug, Clone, Default)]
pub struct PassResult {
    /// When it was observed.
    pub at: Timestamp,
    /// The state of the source.
    pub source: Snapshot,
    /// Why the source cannot be used; the last good manifests are effective meanwhile.
    pub source_error: Option<SourceError>,
    /// The effective manifests.
    pub services: Arc<BTreeMap<String, Service>>,
    /// What manifests that are gone asked for: their last text, if it can be read.
    pub gone: BTreeMap<String, Service>,
    /// Diagnostics of the manifests.
    pub diagnostics: Vec<Diagnostic>,
    /// Services whose file is broken or whose secret is missing: why.
    pub broken: BTreeMap<String, String>,
    /// The observed resources.
    pub world: Arc<World>,
    /// The facts of the ledger.
    pub facts: Facts,
    /// What people have asked for, without the number of deletes: that counted for this plan.
    pub requests: Requests,
    /// The wanted resources.
    pub wants: Arc<Wants>,
    pub plan: Plan,
    /// The last error of each service.
    pub errors: BTreeMap<String, ServiceError>,
    /// The last error of each change.
    pub failing: BTreeMap<Address, ServiceError>,
    /// Providers with an open breaker.
    pub open: BTreeMap<ProviderId, OpenBreaker>,
    /// The last failure of each service without a later success: from the ledger, for a process that has not tried yet.
    pub past_failures: BTreeMap<String, (Address, Text)>,
    /// The last failure of each container, by address without generation.
    pub last_failures: BTreeMap<Address, LastFailure>,
    /// Removes the secrets of the manifests from what containers print.
    pub scrubber: Scrubber,
    /// Why the ledger cannot be used.
    pub ledger_error: Option<ledger_trouble::LedgerTrouble>,
    /// What is wrong with the configuration file as it stands now.
    pub config_trouble: Option<ConfigProblem>,
    /// What is wrong with the certificate of the listeners.
    pub listener_trouble: Option<ConfigProblem>,
    /// Zones that wait to be published, with the last error.
    pub unpublished: Vec<(Unpublished, Option<ProviderError>)>,
    /// Hosts that lead to a port on which nothing listens.
    pub dead_ends: BTreeMap<Address, DeadEnd>,
    /// Services that are rolled back, or were.
    pub rollbacks: BTreeMap<String, RolledBack>,
    /// Services with a lane at work, and resources without a service.
    pub busy: BTreeSet<String>,
    /// What became of the latest action of each resource.
    pub actions: BTreeMap<Address, ActionState>,
    /// What timetables saved recently.
    pub saved: reconcile::savings::SavedTotals,
    /// Versions of the vendors.
    pub versions: BTreeMap<ProviderId, String>,
    /// The run that this pass belongs to.
    pub run: i64,
    /// Whether passes act at all.
    pub acts: bool,
    /// The repositories of apps, by manifest.
    pub apps: AppStates,
    /// What was deployed of each app.
    pub deployments: Arc<Deployments>,
    /// The images that services are built from.
    pub bases: BaseStates,
    /// Whether a person has ever consented that this ledger may act.
    pub consented: bool,
    /// Whether everything is settled: what is left waits for a person, or failed for good.
    pub at_rest: bool,
    /// The services that the pass was limited to.
    pub only: Option<BTreeSet<String>>,
    /// When a service reached its state, with that state.
    pub since: BTreeMap<String, (String, Timestamp)>,
    /// Since when each condition of each service holds.
    pub conditions_since: report::conditions::ConditionTimes,
    /// When the latest deploy of each service began, if known.
    pub deploys_since: BTreeMap<String, Timestamp>,
    /// What else a plan depends on; `None` before the first pass.
    pub context: Option<Arc<Context>>,
    /// Marks of the secrets that the manifests name.
    pub marks: BTreeMap<SecretName, Mark>,
    /// How long the pass took.
    pub took: Millis,
    /// The longest time until the next pass.
    pub interval: Millis,
    /// Values derived from the fields above.
    derived: Derived,
}

impl PassResult {
    /// Whether everything could be observed and written: no gap, and source and ledger are usable.
    pub fn is_whole(&self) -> bool {
        self.plan.has_seen_services() && self.source_error.is_none() && self.ledger_error.is_none()
    }

    /// The simulated providers: test mode.
    pub fn simulated(&self) -> impl Iterator<Item = &ProviderId> {
        self.context.iter().flat_map(|context| &context.site.simulated)
    }

    /// Whether a provider is simulated.
    pub fn is_simulated(&self, provider: &ProviderId) -> bool {
        self.simulated().any(|id| id == provider)
    }

    /// The address of the simulated proxy of a host, if it is simulated.
    pub fn visited(&self, host: &str) -> Option<SocketAddr> {
        let context = self.context.as_ref()?;
        let npm = context.site.hosts.get(host)?.npm.as_ref()?;
        context.stage.proxies.get(&npm.provider).copied()
    }

    /// Whether a change of the service is planned.
    pub fn is_changing(&self, service: &str) -> bool {
        self.changes_of(service).next().is_some()
    }

    /// Calls `use_it` with everything that a plan of this pass depends on.
    pub fn with_input<T>(&self, use_it: impl FnOnce(&Input<'_>) -> T) -> Option<T> {
        let context = self.context.as_ref()?;
        Some(context.with_input(self.input(), use_it))
    }

    /// The input of its plan.
    pub fn input(&self) -> PassInput<'_> {
        let Self { services, marks, world, facts, requests, at, .. } = self;
        PassInput { services, marks, world, facts, requests, now: *at }
    }
}

/// The simulated part of the world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stage {
    /// The simulated providers of a demo; empty: no demo.
    pub demo: BTreeSet<ProviderId>,
    /// The address of a simulated proxy. The addresses of its hosts do not lead there.
    pub proxies: BTreeMap<ProviderId, SocketAddr>,
    /// What a terminal needs in place of `amarre` to reach it; empty: nothing else.
    pub program: String,
}

/// The input of a plan that changes from pass to pass.
#[derive(Clone, Copy)]
pub struct PassInput<'a> {
    /// The manifests by service.
    pub services: &'a BTreeMap<String, Service>,
    /// Marks of the secrets that the manifests name.
    pub marks: &'a BTreeMap<SecretName, Mark>,
    /// The observed resources.
    pub world: &'a World,
    /// The facts of the ledger.
    pub facts: &'a Facts,
    /// What people have asked for.
    pub requests: &'a Requests,
    /// The time of the pass.
    pub now: Timestamp,
}

/// The input of a plan that stays the same for the life of an engine.
pub struct Context {
    /// The configuration as the core sees it.
    pub site: Site,
    /// The schema of every kind.
    pub schemas: Schemas,
    /// The providers by id.
    pub providers: Arc<BTreeMap<ProviderId, Arc<dyn Provider>>>,
    /// The simulated part.
    pub stage: Stage,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Context {
    fn new(site: Site, providers: &[Arc<dyn Provider>], stage: Stage) -> Arc<Self> {
        let providers: BTreeMap<ProviderId, Arc<dyn Provider>> =
            providers.iter().map(|provider| (provider.id().clone(), provider.clone())).collect();
        let mut schemas = Schemas::new();
        for provider in providers.values() {
            for schema in provider.kinds() {
                schemas.insert((provider.id().family().to_owned(), schema.kind), schema);
            }
        }
        Arc::new(Self { site, schemas, providers: Arc::new(providers), stage })
    }

    /// Calls `use_it` with everything that a plan depends on.
    pub fn with_input<T>(&self, given: PassInput<'_>, use_it: impl FnOnce(&Input<'_>) -> T) -> T {
        let PassInput { services, marks, world, facts, requests, now } = given;
        let spell = |address: &Address, fields: &mut Fields| match self.providers.get(&address.provider) {
            Some(provider) => provider.normalize(address, fields).map_err(|objection| objection.message),
            None => Ok(()),
        };
        let (site, schemas) = (&self.site, &self.schemas);
        use_it(&Input { services, site, schemas, spell: &spell, marks, world, facts, requests, now: now.into() })
    }
}

/// The last error of a service.
#[derive(Debug, Clone)]
pub struct ServiceError {
    /// The change that failed.
    pub change: Change,
    pub error: ProviderError,
    /// Since when it fails.
    pub first: Timestamp,
    /// The number of failures in a row.
    pub count: u32,
    /// When it is retried.
    pub next_try: Timestamp,
}

/// Progress of a lane.
#[derive(Debug, Clone)]
pub struct Progress {
    pub at: Timestamp,
    pub step: LaneStep,
    pub state: ProgressState,
    /// The error of a failed change; else the progress or the amount, if known.
    pub text: String,
    /// How long it took.
    pub took: Millis,
}

/// One step of a lane.
#[derive(Debug, Clone)]
pub enum LaneStep {
    /// A change of a plan.
    Change(Box<Change>),
    /// An action of a person.
    Action(Action),
}

impl LaneStep {
    /// The service; empty for a resource without one.
    pub fn service(&self) -> &str {
        match self {
            LaneStep::Change(change) => &change.service,
            LaneStep::Action(action) => &action.service,
        }
    }
}

/// How far a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressState {
    /// The call leaves.
    Begun,
    /// The change is done.
    Done,
    /// The change failed.
    Failed,
}

/// The engine. Tests, `apply` and the daemon step it pass by pass.
pub struct Engine {
    context: Arc<Context>,
    source: Source,
    ledger: Ledger,
    secrets: SecretFinder,
    key: MarkKey,
    clock: Arc<dyn Clock>,
    interval: Millis,
    observer: Observer,
    /// What the last passes made of the same input.
    kept: reconcile::kept_plans::KeptPlans,
    ages: StateAges,
    /// When the latest write ended, by provider.
    written: BTreeMap<ProviderId, Timestamp>,
    health: HealthTracks,
    hops: UpstreamProbes,
    port80: reconcile::port80::Port80Findings,
    lanes: JoinSet<LaneDone>,
    busy: BTreeMap<tokio::task::Id, String>,
    /// The resources that lanes create and delete, by service.
    under_way: BTreeMap<String, reconcile::hand_out::UnderWay>,
    /// Tells a lane to end after its running step, by service.
    cancels: BTreeMap<String, Arc<AtomicBool>>,
    /// What was last recorded as good of each service: its generations and its manifest.
    good_manifests: BTreeMap<String, (String, String)>,
    /// Lanes read it between two steps.
    stopping: Arc<AtomicBool>,
    actions: Actions,
    savings: reconcile::savings::SavingsCount,
    /// As the ledger has them; `None`: they were not read yet.
    deployments: Option<Arc<Deployments>>,
    builds: reconcile::builds::KeptBuilds,
    /// What it plans is another revision, which nothing comes of.
    previews: bool,
    /// What people have asked for and what is not done yet.
    requests: Requests,
    /// Readings older than this are not used again.
    readings_from: Timestamp,
    /// Failed changes and their retries.
    retries: Retries,
    /// The retries that the next pass grants.
    retry_request: RetryRequest,
    publish_backoffs: BTreeMap<(ProviderId, String), (Backoff, ProviderError)>,
    attributions: reconcile::attribution::Attributions,
    pass: Arc<PassResult>,
    /// The manifests of the source's latest revision, as read with this configuration.
    loading: reconcile::manifest_loader::Loading,
    last_facts: Arc<Facts>,
    ledger_error: Option<ledger_trouble::LedgerTrouble>,
    config_trouble: Option<ConfigProblem>,
    listener_trouble: Option<ConfigProblem>,
    ledger_retry: Timestamp,
    run: Option<OpenRun>,
    wake: Arc<Notify>,
    progress: broadcast::Sender<Progress>,
    meters: Arc<reconcile::counters::Meters>,
}

/// What a person wants retried: fields that did not stay, and of whole services also flapping fields.
#[derive(Debug, Default)]
struct RetryRequest {
    tries: bool,
    services: BTreeSet<String>,
}

/// An open run: from the first change until everything is settled.
#[derive(Debug, Clone, Copy)]
struct OpenRun {
    id: i64,
    failed: bool,
}

impl Engine {
    /// An engine before its first pass.
    pub fn new(parts: EngineParts) -> Self {
        let (progress, _) = broadcast::channel(PROGRESS_KEPT);
        let context = Context::new(parts.site, &parts.providers, Stage::default());
        let retries = Retries::new(Breakers::new(&context.providers));
        Self {
            context,
            source: parts.source,
            ledger: parts.ledger,
            secrets: parts.secrets,
            key: parts.key,
            clock: parts.clock,
            interval: parts.interval,
            observer: Observer::default(),
            kept: reconcile::kept_plans::KeptPlans::default(),
            ages: StateAges::default(),
            written: BTreeMap::new(),
            health: HealthTracks::default(),
            hops: UpstreamProbes::default(),
            port80: reconcile::port80::Port80Findings::new(parts.visitor),
            lanes: JoinSet::new(),
            busy: BTreeMap::new(),
            under_way: BTreeMap::new(),
            cancels: BTreeMap::new(),
            good_manifests: BTreeMap::new(),
            stopping: Arc::default(),
            actions: Actions::default(),
            savings: reconcile::savings::SavingsCount::default(),
            deployments: None,
            builds: reconcile::builds::KeptBuilds::default(),
            previews: false,
            requests: Requests::default(),
            readings_from: Timestamp::default(),
            retries,
            retry_request: RetryRequest::default(),
            publish_backoffs: BTreeMap::new(),
            attributions: reconcile::attribution::Attributions::new(),
            pass: Arc::default(),
            loading: reconcile::manifest_loader::Loading::default(),
            last_facts: Arc::default(),
            ledger_error: None,
            config_trouble: None,
            listener_trouble: None,
            ledger_retry: Timestamp::default(),
            run: None,
            wake: Arc::new(Notify::new()),
            progress,
            meters: Arc::default(),
        }
    }

    /// Adds the simulated part of the world.
    #[must_use]
    pub fn staged(mut self, stage: Stage) -> Self {
        let Context { site, schemas, providers, .. } = &*self.context;
        let (site, schemas, providers) = (site.clone(), schemas.clone(), providers.clone());
        self.context = Arc::new(Context { site, schemas, providers, stage });
        self
    }

    pub fn meters(&self) -> &reconcile::counters::Meters {
        &self.meters
    }

    /// The last result.
    pub fn last_pass(&self) -> Arc<PassResult> {
        self.pass.clone()
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Subscribes to the progress of lanes.
    pub fn progress(&self) -> broadcast::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// The lanes at work, and those that are kept for an action without an answer: services, and addresses without one.
    fn services_at_work(&self) -> BTreeSet<String> {
        self.busy.values().cloned().chain(self.actions.open_lanes(self.clock.now())).collect()
    }

    /// Whether a lane is at work.
    pub fn is_busy(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// Waits until a lane is done and records its result; `false` when none is at work.
    pub async fn lane_done(&mut self) -> bool {
        let Some(joined) = self.lanes.join_next_with_id().await else { return false };
        match joined {
            Ok((id, done)) => {
                self.is_free(id);
                self.record_lane(done);
            }
            Err(error) => {
                self.is_free(error.id());
                tracing::error!("a lane broke, its change is looked at again: {error}");
            }
        }
        true
    }

    fn is_free(&mut self, lane: tokio::task::Id) {
        if let Some(service) = self.busy.remove(&lane) {
            self.under_way.remove(&service);
        }
    }

    /// The next pass uses no earlier reading: a person asks.
    pub fn discard_readings(&mut self) {
        self.readings_from = Timestamp::default();
    }

    /// Ends all backoffs: a person asks.
    pub fn retry_now(&mut self) {
        self.discard_readings();
        self.retries.clear();
        self.publish_backoffs.clear();
        self.retry_request.tries = true;
        self.requests.immediate = true;
    }

    /// Forgets the failures of a service: a person wants a retry. Answers how many generations are retried.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn retry(&mut self, service: &str) -> Result<u64, StoreError> {
        let pass = self.last_pass();
        let names = pass.services.get(service).map(|manifest| {
            manifest.containers.keys().chain(manifest.jobs.keys()).map(|key| manifest.address_name(key)).collect()
        });
        let names: BTreeSet<String> = names.unwrap_or_default();
        let failed = pass.facts.failed.keys().filter(|address| names.contains(&address.name));
        let containers: BTreeSet<Address> = failed.map(Address::base).collect();
        let forgotten = self.ledger.clear_failure(&containers.into_iter().collect::<Vec<_>>()).await?;
        let wanted = pass.wants.map.iter().filter(|(_, want)| want.service == service);
        let certificates: Vec<Address> =
            wanted.map(|(address, _)| address).filter(|address| address.kind == Kind::Certificate).cloned().collect();
        let forgotten = forgotten + self.ledger.forgive_orders(&certificates).await?;
        self.reset_service(service);
        Ok(forgotten)
    }

    /// A person says that no create of a service from before had an effect.
    pub fn create_again(&mut self, service: &str) {
        let pass = &self.pass;
        self.requests.create_again.retain(|name, _| pass.services.contains_key(name));
        self.requests.create_again.insert(service.to_owned(), self.clock.now());
    }

    /// Tells the lane of a service to end after its running step, and drops the actions that wait for it.
    pub(super) fn cancel_lane(&mut self, service: &str) {
        self.actions.cancel(service);
        if let Some(cancelled) = self.cancels.get(service) {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Ends the backoffs of one service, retries its flapping fields, and starts what was stopped: a person asks.
    pub fn reset_service(&mut self, service: &str) {
        self.requests.immediate_for.insert(service.to_owned());
        self.discard_readings();
        self.retries.reset_service(service);
        self.publish_backoffs.clear();
        self.retry_request.services.insert(service.to_owned());
    }

    /// Goes on with another configuration. Lanes work with the one that they began with, so none may be at work.
    pub fn reconfigure(&mut self, settings: EngineSettings) {
        self.observer.reconfigured();
        self.kept = reconcile::kept_plans::KeptPlans::default();
        self.context = Context::new(settings.site, &settings.providers, self.context.stage.clone());
        self.retries = Retries::new(Breakers::new(&self.context.providers));
        self.secrets = settings.secrets;
        self.loading.forget();
        self.interval = settings.interval;
        self.stopping.store(false, Ordering::Relaxed);
        self.retry_now();
        self.requests.immediate = false;
    }

    /// Ends: each lane finishes its running step and leaves the rest for later.
    pub async fn stop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.drain().await;
    }

    /// Lets the lanes finish all their changes.
    pub async fn drain(&mut self) {
        while self.lane_done().await {}
    }

    fn record_lane(&mut self, done: LaneDone) {
        for id in done.called {
            self.written.insert(id, done.ended);
        }
        for address in done.worked {
            self.retries.worked(&address);
        }
        if let Some(action) = done.action {
            action.count(&self.meters, self.clock.now());
            self.actions.finish(*action);
        }
        for failure in done.failures {
            match failure {
                LaneFailure::Ledger(error) => self.ledger_failed(&error),
                LaneFailure::Provider { change, error } => self.change_failed(*change, error, done.ended),
            }
        }
    }

    /// The next passes write the mark of this resource until it is there or cannot be written.
    pub fn start_adopting(&mut self, address: Address) {
        self.retries.worked(&address);
        self.requests.adopting = Some(address);
    }

    /// Whether a mark is being written.
    pub fn is_adopting(&self) -> bool {
        self.requests.adopting.is_some()
    }

    fn ledger_failed(&mut self, error: &StoreError) {
        if self.ledger_error.is_none() {
            tracing::error!("{error}; observing only until it can be written again");
        }
        self.ledger_error = Some(ledger_trouble::LedgerTrouble::new(&self.ledger, error));
        self.ledger_retry = self.clock.now() + LEDGER_RETRY;
    }

    fn change_failed(&mut self, change: Change, error: ProviderError, now: Timestamp) {
        // The next subnet or port is tried at once: nothing is wrong with the service.
        if matches!(error.class, Class::Taken(_)) {
            return;
        }
        let (service, run) = (&change.service, self.run.map(|run| run.id));
        tracing::warn!(service, run, address = %change.address, "could not {} {}: {error}", change.action(), change.address);
        if let Some(run) = self.run.as_mut() {
            run.failed = true;
        }
        self.retries.failed(change, error, &self.pass.source.revision, now);
    }
}
