//! The result of a pass, and what a plan depends on. Everything that people see is derived from it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::backoff::Backoff;
use super::ledger_trouble::LedgerTrouble;
use crate::ledger::{Deployments, LastFailure, RolledBack, Unpublished};
use crate::providers::{Provider, ProviderError};
use crate::secret::Scrubber;
use crate::source::{AppStates, Snapshot, SourceError};
use amarre_core::manifest::Diagnostic;
use amarre_core::model::base_images::BaseStates;
use amarre_core::model::{
    Address, Change, Code, Facts, Fields, Mark, Millis, Plan, ProviderId, Requests, SecretName, Service, Site, Text,
    Timestamp, Verb, Wants, World,
};
use amarre_core::plan::input::{Input, Schemas};

/// Why a reloaded configuration is not used; the previous one stays effective.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// `A02…`.
    pub code: Code,
    /// Lowercase, no full stop.
    pub message: String,
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
    pub ledger_error: Option<LedgerTrouble>,
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
    pub saved: SavedTotals,
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
    pub conditions_since: ConditionTimes,
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
    pub(crate) fn new(site: Site, providers: &[Arc<dyn Provider>], stage: Stage) -> Arc<Self> {
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

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionState {
    /// It waits for its lane, or for what comes before it.
    Waiting,
    /// The call has left.
    Begun,
    /// The vendor has accepted it; the resource is observed until it is done.
    Accepted,
    /// No answer came; the resource is observed.
    Unconfirmed,
    /// It has happened.
    Done,
    /// It has not happened.
    Failed(ProviderError),
    /// No answer came within its limit, and the resource does not tell.
    Unknown,
    /// It was not begun and will not be: the reason.
    Dropped(Text),
}

/// What a timetable saved recently.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    /// In this month of UTC, in 10⁻⁸ of the currency.
    pub month: i64,
    /// Today and in the six days before.
    pub week: i64,
    /// As `EUR`; empty: no price was known yet.
    pub currency: String,
}

/// The same of every server of which anything is known.
pub type SavedTotals = BTreeMap<Address, Saved>;

/// Why a provider is not called, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenBreaker {
    /// The number of failures in a row, and when the next call may leave.
    pub backoff: Backoff,
    pub since: Timestamp,
    /// The last error.
    pub error: ProviderError,
    /// The service whose change probes the provider.
    pub(crate) probe: Option<String>,
}

/// How long a program that Docker calls healthy may need until its port is open.
const SETTLES: Millis = Millis::seconds(10);

/// A host of ours that leads to a port on which nothing listens: visitors get a 502.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadEnd {
    /// The service of the host.
    pub service: String,
    /// The path that leads there; `None`: the host itself.
    pub path: Option<String>,
    /// Host and port.
    pub at: String,
    /// The running container.
    pub container: Address,
    /// Since when that is known.
    pub since: Timestamp,
    /// The host leads there already; else it is to, and visitors go where it leads now.
    pub is_led: bool,
}

impl DeadEnd {
    /// Whether it may still end by itself: the container has only just become healthy.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now - self.since < SETTLES
    }

    /// The sentence for people.
    pub fn text(&self) -> String {
        let path = self.path.as_ref().map(|path| format!(", where {path} leads")).unwrap_or_default();
        let kept = if self.is_led { "" } else { "; the host is not led there before something does" };
        format!("nothing listens at {}{path}{kept}", self.at)
    }
}

/// Since when each condition of each service holds.
pub type ConditionTimes = BTreeMap<(String, &'static str), (Option<bool>, Timestamp)>;

/// The fields that a change writes, if it writes any.
pub fn written_fields(change: &Change) -> Option<&Fields> {
    match &change.verb {
        Verb::Create(fields) | Verb::Update(fields) => Some(fields),
        Verb::Delete => None,
    }
}
