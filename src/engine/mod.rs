//! The only place where effects are ordered: looks, lanes, wake-ups.
//!
//! A look (`reconcile/pass.rs`) never waits for the world to change; it does what can be done now and says when to look next.

pub mod report;
pub mod reconcile;
pub mod commands;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, broadcast};
use tokio::task::JoinSet;

use crate::ledger::{LastFailure, Ledger, Rollback, StoreError, Unpublished};
use crate::providers::{Class, Provider, ProviderError};
use crate::secret::{MarkKey, Scrubber, Secret};
use crate::source::{Snapshot, Source, SourceError};
use amarre_core::manifest::Diagnostic;
use amarre_core::model::{
    Address, Change, Facts, Fields, Kind, Mark, Millis, Plan, ProviderId, SecretName, Service, Site, Timestamp, Verb,
    Wants, World,
};
use amarre_core::plan::diff::upstreams;
use amarre_core::plan::{Input, Schemas};
use reconcile::breaker::{Breakers, Open};
pub use reconcile::clock::{Clock, ShiftedClock, SystemClock};
use reconcile::health::Health;
use reconcile::lane::{LaneDone, LaneFailure};
use reconcile::observe::Observer;
use reconcile::retry::Patience;
use reconcile::schedule::Backoff;
use reconcile::state_age::Ages;
use reconcile::upstream_probe::{DeadEnd, Hops};
use report::derived::Derived;

/// Progress that a slow listener may lag behind before it loses the oldest.
const PROGRESS_KEPT: usize = 1024;

/// A ledger that could not be written is tried again after this long: often enough to go on soon once there is room.
const LEDGER_RETRY: Millis = Millis::seconds(5);

/// Finds the value of a secret; the hint of the error says where to put it.
pub type SecretFinder = Arc<dyn Fn(&SecretName) -> Result<Secret, (String, String)> + Send + Sync>;

/// What an engine is built from.
pub struct Parts {
    /// The configuration as the pure part sees it.
    pub site: Site,
    /// The vendors.
    pub providers: Vec<Arc<dyn Provider>>,
    /// Where manifests come from.
    pub source: Source,
    /// The ledger.
    pub ledger: Ledger,
    /// Where secrets come from.
    pub secrets: SecretFinder,
    /// For marks.
    pub key: MarkKey,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Asks who answers on port 80.
    pub visitor: Arc<dyn reconcile::port80::Visitor>,
    /// Between looks when nothing wakes us.
    pub interval: Millis,
}

/// What a running engine takes over from a configuration that was read again. Source, ledger and key stay.
pub struct Settings {
    /// The configuration as the pure part sees it.
    pub site: Site,
    /// The vendors.
    pub providers: Vec<Arc<dyn Provider>>,
    /// Where secrets come from.
    pub secrets: SecretFinder,
    /// Between looks when nothing wakes us.
    pub interval: Millis,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("site", &self.site).finish_non_exhaustive()
    }
}

/// What is wrong with a configuration that was read again; the one before is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigTrouble {
    /// `A02…`.
    pub code: String,
    /// Lowercase, no full stop.
    pub message: String,
}

/// Whether a look acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Observe, plan, report.
    PlanOnly,
    /// Do what is `now` as well.
    Act {
        /// How many services a person agreed to delete.
        confirmed_deletes: Option<usize>,
        /// Only for these services; `None` = for all.
        only: Option<BTreeSet<String>>,
    },
    /// Write the mark of what a person takes over, and nothing else.
    Mark,
}

/// Everything one look found out: what status, plan and drift are made of.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// When it was taken.
    pub at: Timestamp,
    /// The state of the source.
    pub source: Snapshot,
    /// Why the source is not as it should be; the last good manifests are in force meanwhile.
    pub source_error: Option<SourceError>,
    /// Manifests in force.
    pub services: BTreeMap<String, Service>,
    /// What is wrong with files.
    pub diagnostics: Vec<Diagnostic>,
    /// Services whose file is broken or whose secret is missing: why.
    pub broken: BTreeMap<String, String>,
    /// What was there.
    pub world: World,
    /// What the ledger knew.
    pub facts: Facts,
    /// What is wanted.
    pub wants: Wants,
    /// What stands between.
    pub plan: Plan,
    /// What last went wrong, by service.
    pub errors: BTreeMap<String, ServiceError>,
    /// What last went wrong, change by change.
    pub failing: BTreeMap<Address, ServiceError>,
    /// Providers that fail for everybody.
    pub open: BTreeMap<ProviderId, Open>,
    /// What did not work the last time, by service, where nothing worked since: from the ledger, for a process that
    /// has not tried yet.
    pub past_failures: BTreeMap<String, (Address, String)>,
    /// What is to be said of the generation of each container that failed last, by address without generation.
    pub last_failures: BTreeMap<Address, LastFailure>,
    /// Takes the secrets of the manifests out of what containers print.
    pub scrubber: Scrubber,
    /// The ledger's own trouble.
    pub ledger_error: Option<String>,
    /// What is wrong with the configuration as it stands in its file now.
    pub config_trouble: Option<ConfigTrouble>,
    /// Scopes that wait to be published, with the last error.
    pub unpublished: Vec<(Unpublished, Option<ProviderError>)>,
    /// Hosts that lead to a port at which nothing listens.
    pub dead_ends: BTreeMap<Address, DeadEnd>,
    /// Services that are put back, or were.
    pub rollbacks: BTreeMap<String, Rollback>,
    /// Services that a lane works for.
    pub busy: BTreeSet<String>,
    /// Vendors' versions.
    pub versions: BTreeMap<ProviderId, String>,
    /// The run that this look belongs to.
    pub run: i64,
    /// Whether looks act at all.
    pub acts: bool,
    /// Whether somebody has ever said that this ledger may act.
    pub consented: bool,
    /// Whether everything that was to be done is at rest: what is left waits for a person, or failed for good.
    pub at_rest: bool,
    /// What was asked of the look.
    pub only: Option<BTreeSet<String>>,
    /// When a service came to the state that it is in, with that state.
    pub since: BTreeMap<String, (String, Timestamp)>,
    /// Since when each condition of each service has been as it is.
    pub conditions_since: report::conditions::Since,
    /// What a plan depends on besides; `None` before the first look.
    pub context: Option<Arc<Context>>,
    /// Marks of the secrets that the manifests name.
    pub marks: BTreeMap<SecretName, Mark>,
    /// How long the look took.
    pub took: Millis,
    /// So long after it there is another one at the latest.
    pub interval: Millis,
    /// What follows from all that.
    derived: Derived,
}

impl Picture {
    /// Whether everything could be seen and written: no gap, and the source and the ledger can be used.
    pub fn is_whole(&self) -> bool {
        self.plan.gaps.is_empty() && self.source_error.is_none() && self.ledger_error.is_none()
    }

    /// What has no account and is simulated meanwhile: test mode.
    pub fn simulated(&self) -> impl Iterator<Item = &ProviderId> {
        self.context.iter().flat_map(|context| &context.site.simulated)
    }

    /// Whether what stands there is not real.
    pub fn is_simulated(&self, provider: &ProviderId) -> bool {
        self.simulated().any(|id| id == provider)
    }

    /// Where visitors reach the proxy of a host, where that is simulated.
    pub fn visited(&self, host: &str) -> Option<SocketAddr> {
        let context = self.context.as_ref()?;
        let npm = context.site.hosts.get(host)?.npm.as_ref()?;
        context.stage.proxies.get(&npm.provider).copied()
    }

    /// Whether a change of the service is planned.
    pub fn is_changing(&self, service: &str) -> bool {
        self.changes_of(service).next().is_some()
    }

    /// Calls `use_it` with everything that a plan for this picture depends on.
    pub fn with_input<T>(&self, use_it: impl FnOnce(&Input<'_>) -> T) -> Option<T> {
        let context = self.context.as_ref()?;
        Some(context.with_input(self.given(), use_it))
    }

    /// What its plan was made of.
    pub fn given(&self) -> Given<'_> {
        let Self { services, marks, world, facts, at, .. } = self;
        Given { services, marks, world, facts, now: *at, confirmed_deletes: None }
    }
}

/// What is played in place of the real world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stage {
    /// What a demo simulates; empty: it is none.
    pub demo: BTreeSet<ProviderId>,
    /// Where visitors reach a simulated proxy. The addresses of its hosts lead to no such place.
    pub proxies: BTreeMap<ProviderId, SocketAddr>,
}

/// What of a plan's input is another from look to look.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The manifests, by name.
    pub services: &'a BTreeMap<String, Service>,
    /// Marks of the secrets that the manifests name.
    pub marks: &'a BTreeMap<SecretName, Mark>,
    /// What is there.
    pub world: &'a World,
    /// What the ledger knows.
    pub facts: &'a Facts,
    /// The time of the look.
    pub now: Timestamp,
    /// How many services a person agreed to delete, if any.
    pub confirmed_deletes: Option<usize>,
}

/// What stays the same for the life of an engine.
pub struct Context {
    /// The configuration as the pure part sees it.
    pub site: Site,
    /// Tables of every kind.
    pub schemas: Schemas,
    /// The vendors, by name.
    pub providers: Arc<BTreeMap<ProviderId, Arc<dyn Provider>>>,
    /// What is not real.
    pub stage: Stage,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Context {
    fn of(site: Site, providers: &[Arc<dyn Provider>], stage: Stage) -> Arc<Self> {
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
    pub fn with_input<T>(&self, given: Given<'_>, use_it: impl FnOnce(&Input<'_>) -> T) -> T {
        let Given { services, marks, world, facts, now, confirmed_deletes } = given;
        let spell = |address: &Address, fields: &mut Fields| match self.providers.get(&address.provider) {
            Some(provider) => provider.normalize(address, fields).map_err(|objection| objection.message),
            None => Ok(()),
        };
        let (site, schemas) = (&self.site, &self.schemas);
        use_it(&Input { services, site, schemas, spell: &spell, marks, world, facts, now, confirmed_deletes })
    }
}

/// What last went wrong with a service.
#[derive(Debug, Clone)]
pub struct ServiceError {
    /// What was being changed.
    pub change: Change,
    /// Why not.
    pub error: ProviderError,
    /// Since when.
    pub first: Timestamp,
    /// How often in a row.
    pub count: u32,
    /// Tried again then.
    pub next_try: Timestamp,
}

/// What a lane is doing, for whoever watches.
#[derive(Debug, Clone)]
pub struct Progress {
    /// When.
    pub at: Timestamp,
    /// Which change.
    pub change: Change,
    /// How far it is.
    pub state: ProgressState,
    /// The error, when it failed; else how far it is, or how much it was, where that is known.
    pub text: String,
    /// How long it took.
    pub took: Millis,
}

/// How far a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressState {
    /// Its call leaves.
    Begun,
    /// It is done.
    Done,
    /// It did not work.
    Failed,
}

/// What a lane was given.
#[derive(Debug, Default)]
struct UnderWay {
    made: BTreeMap<Address, Fields>,
    going: BTreeSet<Address>,
}

impl UnderWay {
    fn of(changes: &[Change]) -> Self {
        let mut under_way = Self::default();
        for change in changes {
            match &change.verb {
                Verb::Update(_) if !upstreams::points(change.address.kind) => (),
                Verb::Create(fields) | Verb::Update(fields) => {
                    under_way.made.insert(change.address.clone(), fields.clone());
                }
                Verb::Delete => drop(under_way.going.insert(change.address.clone())),
            }
        }
        under_way
    }
}

/// The engine: stepped look by look by tests, by `apply` and by the daemon alike.
pub struct Engine {
    context: Arc<Context>,
    source: Source,
    ledger: Ledger,
    secrets: SecretFinder,
    key: MarkKey,
    clock: Arc<dyn Clock>,
    interval: Millis,
    observer: Observer,
    ages: Ages,
    /// When the latest write ended, by provider.
    written: BTreeMap<ProviderId, Timestamp>,
    health: Health,
    hops: Hops,
    port80: reconcile::port80::Asked,
    lanes: JoinSet<LaneDone>,
    /// Which task works for which service.
    busy: BTreeMap<tokio::task::Id, String>,
    /// What lanes were given to make and to delete, by service.
    under_way: BTreeMap<String, UnderWay>,
    /// By which a lane is told to end after its running step, by service.
    cancels: BTreeMap<String, Arc<AtomicBool>>,
    /// What was last stored as good of each service: its generations and its manifest.
    good_manifests: BTreeMap<String, (String, String)>,
    /// Lanes look at it between two steps.
    stopping: Arc<AtomicBool>,
    /// A person asks and waits.
    impatient: bool,
    /// What a person takes over just now.
    adopting: Option<Address>,
    /// Services whose deletion was agreed to; with the first of them gone, their number is another one.
    confirmed: BTreeSet<String>,
    /// When everything was last read anew.
    read_anew: Timestamp,
    /// What failed and is tried again.
    patience: Patience,
    /// What people want forgiven with the next look.
    pardon: Pardon,
    publish_backoffs: BTreeMap<(ProviderId, String), (Backoff, ProviderError)>,
    /// Who made what is put right necessary.
    culprits: reconcile::attribution::Culprits,
    picture: Arc<Picture>,
    /// What the source's latest state says, as far as it was read with this configuration.
    loading: reconcile::manifest_loader::Loading,
    last_facts: Box<Facts>,
    ledger_error: Option<String>,
    config_trouble: Option<ConfigTrouble>,
    ledger_retry: Timestamp,
    run: Option<OpenRun>,
    wake: Arc<Notify>,
    progress: broadcast::Sender<Progress>,
    meters: Arc<reconcile::counters::Meters>,
}

/// What people want forgiven: what did not stay is tried again, of whole services also what somebody else undoes.
#[derive(Debug, Default)]
struct Pardon {
    tries: bool,
    services: BTreeSet<String>,
}

/// A run that is going on: from the first change until it settles.
#[derive(Debug, Clone, Copy)]
struct OpenRun {
    id: i64,
    failed: bool,
}

impl Engine {
    /// An engine that has not looked yet.
    pub fn new(parts: Parts) -> Self {
        let (progress, _) = broadcast::channel(PROGRESS_KEPT);
        let context = Context::of(parts.site, &parts.providers, Stage::default());
        let patience = Patience::new(Breakers::new(&context.providers));
        Self {
            context,
            source: parts.source,
            ledger: parts.ledger,
            secrets: parts.secrets,
            key: parts.key,
            clock: parts.clock,
            interval: parts.interval,
            observer: Observer::default(),
            ages: Ages::default(),
            written: BTreeMap::new(),
            health: Health::default(),
            hops: Hops::default(),
            port80: reconcile::port80::Asked::new(parts.visitor),
            lanes: JoinSet::new(),
            busy: BTreeMap::new(),
            under_way: BTreeMap::new(),
            cancels: BTreeMap::new(),
            good_manifests: BTreeMap::new(),
            stopping: Arc::default(),
            impatient: false,
            adopting: None,
            confirmed: BTreeSet::new(),
            read_anew: Timestamp::default(),
            patience,
            pardon: Pardon::default(),
            publish_backoffs: BTreeMap::new(),
            culprits: reconcile::attribution::Culprits::new(),
            picture: Arc::default(),
            loading: reconcile::manifest_loader::Loading::default(),
            last_facts: Box::default(),
            ledger_error: None,
            config_trouble: None,
            ledger_retry: Timestamp::default(),
            run: None,
            wake: Arc::new(Notify::new()),
            progress,
            meters: Arc::default(),
        }
    }

    /// With what is played in place of the real world.
    #[must_use]
    pub fn staged(mut self, stage: Stage) -> Self {
        let Context { site, schemas, providers, .. } = &*self.context;
        let (site, schemas, providers) = (site.clone(), schemas.clone(), providers.clone());
        self.context = Arc::new(Context { site, schemas, providers, stage });
        self
    }

    /// What the last look found out.
    pub fn picture(&self) -> Arc<Picture> {
        self.picture.clone()
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Listens to what lanes do.
    pub fn progress(&self) -> broadcast::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// For which services lanes are at work.
    fn services_at_work(&self) -> BTreeSet<&str> {
        self.busy.values().map(String::as_str).collect()
    }

    /// Whether a lane is at work.
    pub fn is_busy(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// Waits until a lane is done and takes note of it; `false` when none is at work.
    pub async fn lane_done(&mut self) -> bool {
        let Some(joined) = self.lanes.join_next_with_id().await else { return false };
        match joined {
            Ok((id, done)) => {
                self.is_free(id);
                self.take_note(done);
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

    /// The next look rests on nothing that was read before: a person asks.
    pub fn read_anew(&mut self) {
        self.read_anew = Timestamp::default();
    }

    /// Forgets what was to be waited for: a person asks.
    pub fn retry_now(&mut self) {
        self.read_anew();
        self.patience.clear();
        self.publish_backoffs.clear();
        self.pardon.tries = true;
        self.impatient = true;
    }

    /// Forgets that anything of a service failed: a person wants it tried again. Answers how many generations are
    /// tried again.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn retry(&mut self, service: &str) -> Result<u64, StoreError> {
        let picture = self.picture();
        let names: BTreeSet<String> = picture
            .services
            .get(service)
            .map(|manifest| {
                manifest.containers.keys().chain(manifest.jobs.keys()).map(|key| manifest.address_name(key)).collect()
            })
            .unwrap_or_default();
        let failed = picture.facts.failed.keys().filter(|address| names.contains(&address.name));
        let containers: BTreeSet<Address> = failed.map(Address::base).collect();
        let forgotten = self.ledger.try_again(&containers.into_iter().collect::<Vec<_>>()).await?;
        let wanted = picture.wants.map.iter().filter(|(_, want)| want.service == service);
        let certificates: Vec<Address> =
            wanted.map(|(address, _)| address).filter(|address| address.kind == Kind::Certificate).cloned().collect();
        let forgotten = forgotten + self.ledger.forgive_orders(&certificates).await?;
        self.forgive(service);
        Ok(forgotten)
    }

    /// Tells the lane of a service to end after its running step.
    pub(super) fn cancel_lane(&self, service: &str) {
        if let Some(cancelled) = self.cancels.get(service) {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Forgets what was to be waited for in one service, and what of it was left alone for it did not stay as written:
    /// a person asks.
    pub fn forgive(&mut self, service: &str) {
        self.read_anew();
        self.patience.forgive(service);
        self.publish_backoffs.clear();
        self.pardon.services.insert(service.to_owned());
    }

    /// Goes on with another configuration. Lanes work with the one that they began with, so none may be at work.
    pub fn reconfigure(&mut self, settings: Settings) {
        self.observer.reconfigured(|container| settings.site.is_npms(container));
        self.context = Context::of(settings.site, &settings.providers, self.context.stage.clone());
        self.patience = Patience::new(Breakers::new(&self.context.providers));
        self.secrets = settings.secrets;
        self.loading.forget();
        self.interval = settings.interval;
        self.stopping.store(false, Ordering::Relaxed);
        self.retry_now();
        self.impatient = false;
    }

    /// Ends: each lane finishes its running step and leaves the rest for later.
    pub async fn stop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.drain().await;
    }

    /// Lets the lanes finish all that they were given.
    pub async fn drain(&mut self) {
        while self.lane_done().await {}
    }

    fn take_note(&mut self, done: LaneDone) {
        for id in done.called {
            self.written.insert(id, done.ended);
        }
        for address in done.worked {
            self.patience.worked(&address);
        }
        for failure in done.failures {
            match failure {
                LaneFailure::Ledger(error) => self.ledger_failed(&error),
                LaneFailure::Provider { change, error } => self.change_failed(*change, error, done.ended),
            }
        }
    }

    /// The next looks write the mark of this, until it is there or cannot be.
    pub fn mark(&mut self, address: Address) {
        self.patience.worked(&address);
        self.adopting = Some(address);
    }

    /// Whether a mark is to be written.
    pub fn adopts(&self) -> bool {
        self.adopting.is_some()
    }

    /// No one waits for the mark any more.
    pub fn unmark(&mut self) {
        self.adopting = None;
    }

    fn ledger_failed(&mut self, error: &StoreError) {
        if self.ledger_error.is_none() {
            tracing::error!("{error}; observing only until it can be written again");
        }
        self.ledger_error = Some(error.to_string());
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
        self.patience.failed(change, error, &self.picture.source.revision, now);
    }
}
