//! The engine: its parts, and what a person asks of it between two passes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, broadcast};
use tokio::task::JoinSet;

use super::actions::Actions;
use super::breaker::Breakers;
use super::clock::Clock;
use super::health::HealthTracks;
use super::lane::{LaneDone, LaneFailure};
use super::observe::Observer;
use super::retry::Retries;
use super::state_age::StateAges;
use super::upstream_probe::UpstreamProbes;
use crate::engine::backoff::Backoff;
use crate::engine::ledger_trouble::LedgerTrouble;
use crate::engine::pass_result::{ConfigProblem, Context, Stage};
use crate::engine::progress::{PROGRESS_KEPT, Progress};
use crate::engine::report::pass_view::PassView;
use crate::ledger::{Deployments, Ledger, StoreError};
use crate::providers::{Class, Provider, ProviderError};
use crate::secret::{MarkKey, Secret};
use crate::source::Source;
use amarre_core::model::{Address, Change, Facts, Kind, Millis, ProviderId, Requests, SecretName, Site, Timestamp};

/// A failed write of the ledger is retried after this long: often enough to go on soon once there is room.
pub(super) const LEDGER_RETRY: Millis = Millis::seconds(5);

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
    pub visitor: Arc<dyn super::port80::Port80Client>,
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

/// The engine. Tests, `apply` and the daemon step it pass by pass.
pub struct Engine {
    pub(super) context: Arc<Context>,
    pub(super) source: Source,
    pub(super) ledger: Ledger,
    pub(super) secrets: SecretFinder,
    pub(super) key: MarkKey,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) interval: Millis,
    pub(super) observer: Observer,
    /// What the last passes made of the same input.
    pub(super) kept: super::kept_plans::KeptPlans,
    pub(super) ages: StateAges,
    /// When the latest write ended, by provider.
    pub(super) written: BTreeMap<ProviderId, Timestamp>,
    pub(super) health: HealthTracks,
    pub(super) hops: UpstreamProbes,
    pub(super) port80: super::port80::Port80Findings,
    pub(super) lanes: JoinSet<LaneDone>,
    pub(super) busy: BTreeMap<tokio::task::Id, String>,
    /// The resources that lanes create and delete, by service.
    pub(super) under_way: BTreeMap<String, super::hand_out::UnderWay>,
    /// Tells a lane to end after its running step, by service.
    pub(super) cancels: BTreeMap<String, Arc<AtomicBool>>,
    /// What was last recorded as good of each service: its generations and its manifest.
    pub(super) good_manifests: BTreeMap<String, (String, String)>,
    /// Lanes read it between two steps.
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) actions: Actions,
    pub(super) savings: super::savings::SavingsCount,
    /// As the ledger has them; `None`: they were not read yet.
    pub(super) deployments: Option<Arc<Deployments>>,
    pub(super) builds: super::builds::KeptBuilds,
    /// What it plans is another revision, which nothing comes of.
    pub(super) previews: bool,
    /// What people have asked for and what is not done yet.
    pub(super) requests: Requests,
    /// Readings older than this are not used again.
    pub(super) readings_from: Timestamp,
    /// Failed changes and their retries.
    pub(super) retries: Retries,
    /// The retries that the next pass grants.
    pub(super) retry_request: RetryRequest,
    pub(super) publish_backoffs: BTreeMap<(ProviderId, String), (Backoff, ProviderError)>,
    pub(super) attributions: super::attribution::Attributions,
    pub(super) pass: Arc<PassView>,
    /// The manifests of the source's latest revision, as read with this configuration.
    pub(super) loading: super::manifest_loader::Loading,
    pub(super) last_facts: Arc<Facts>,
    pub(super) ledger_error: Option<LedgerTrouble>,
    pub(super) config_trouble: Option<ConfigProblem>,
    pub(super) listener_trouble: Option<ConfigProblem>,
    pub(super) ledger_retry: Timestamp,
    /// Since when the ledger is there; `None`: it was not read yet.
    pub(super) ledger_since: Option<Timestamp>,
    pub(super) run: Option<OpenRun>,
    pub(super) wake: Arc<Notify>,
    pub(super) progress: broadcast::Sender<Progress>,
    pub(super) meters: Arc<super::counters::Meters>,
}

/// What a person wants retried: fields that did not stay, and of whole services also flapping fields.
#[derive(Debug, Default)]
pub(super) struct RetryRequest {
    pub(super) tries: bool,
    pub(super) services: BTreeSet<String>,
}

/// An open run: from the first change until everything is settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenRun {
    pub(super) id: i64,
    pub(super) failed: bool,
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
            kept: super::kept_plans::KeptPlans::default(),
            ages: StateAges::default(),
            written: BTreeMap::new(),
            health: HealthTracks::default(),
            hops: UpstreamProbes::default(),
            port80: super::port80::Port80Findings::new(parts.visitor),
            lanes: JoinSet::new(),
            busy: BTreeMap::new(),
            under_way: BTreeMap::new(),
            cancels: BTreeMap::new(),
            good_manifests: BTreeMap::new(),
            stopping: Arc::default(),
            actions: Actions::default(),
            savings: super::savings::SavingsCount::default(),
            deployments: None,
            builds: super::builds::KeptBuilds::default(),
            previews: false,
            requests: Requests::default(),
            readings_from: Timestamp::default(),
            retries,
            retry_request: RetryRequest::default(),
            publish_backoffs: BTreeMap::new(),
            attributions: super::attribution::Attributions::new(),
            pass: Arc::default(),
            loading: super::manifest_loader::Loading::default(),
            last_facts: Arc::default(),
            ledger_error: None,
            config_trouble: None,
            listener_trouble: None,
            ledger_retry: Timestamp::default(),
            ledger_since: None,
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

    pub fn meters(&self) -> &super::counters::Meters {
        &self.meters
    }

    /// The last result.
    pub fn last_pass(&self) -> Arc<PassView> {
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
    pub(super) fn services_at_work(&self) -> BTreeSet<String> {
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
        self.kept = super::kept_plans::KeptPlans::default();
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

    pub(super) fn ledger_failed(&mut self, error: &StoreError) {
        if self.ledger_error.is_none() {
            tracing::error!("{error}; observing only until it can be written again");
        }
        self.ledger_error = Some(LedgerTrouble::new(&self.ledger, error));
        self.ledger_retry = self.clock.now() + LEDGER_RETRY;
    }

    pub(super) fn change_failed(&mut self, change: Change, error: ProviderError, now: Timestamp) {
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
