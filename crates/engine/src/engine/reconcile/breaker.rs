//! One breaker for each provider: when it fails for everybody, one change at a time is tried there, not one of each
//! service. Lanes ask before a call leaves, and report its result.
//!
//! | | opens | closes |
//! |---|---|---|
//! | the provider says when to come again (429, 503 with `Retry-After`) | at once, until then | with the first success |
//! | changes of three services failed in a row, and none worked | for 1 s, doubled up to a minute | with the first success |
//!
//! A refusal of the vendor (a wrong value, a conflict) does not count, and pulling an image is the registry's matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lane::takes_away;
use crate::engine::backoff;
use crate::engine::backoff::Jitter;
use crate::engine::pass_result::OpenBreaker;
use crate::providers::{Class, Provider, ProviderError};
use amarre_core::model::{Change, Kind, Millis, ProviderId, Timestamp};

/// Failures of this many services in a row are not the trouble of one service.
const SERVICES_IN_A_ROW: usize = 3;
/// A provider that fails for everybody is tried again at least this often.
const CLOSED_LAST: Millis = Millis::minutes(1);
/// The longest pause that a vendor can ask for.
const RETRY_AFTER_MAX: Millis = Millis::minutes(10);
/// How often waiting changes check whether the probing change succeeded.
const PROBE_TAKES: Millis = Millis::seconds(1);

/// Containers that end at once: each takes the grace that its image or manifest gives it.
const STOPS_AT_ONCE: usize = 64;
/// An engine makes networks one after another. In a queue of their own they keep no container waiting whose network is
/// there.
const NETWORKS_AT_ONCE: usize = 4;

/// The state of one provider.
#[derive(Debug, Clone, Default)]
struct BreakerState {
    /// Services whose changes failed since the last success.
    failed: BTreeSet<String>,
    open: Option<OpenBreaker>,
}

/// The breakers of all providers and the turns at each. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Breakers {
    fares: Arc<Mutex<BTreeMap<ProviderId, BreakerState>>>,
    turns: Turns,
    stops: Turns,
    networks: Turns,
}

type Turns = Arc<BTreeMap<ProviderId, Arc<Semaphore>>>;

impl Breakers {
    /// All closed.
    pub fn new(providers: &BTreeMap<ProviderId, Arc<dyn Provider>>) -> Self {
        let turns = |at_once: fn(&dyn Provider) -> usize| -> Turns {
            let seats = |provider: &Arc<dyn Provider>| Arc::new(Semaphore::new(at_once(provider.as_ref())));
            Arc::new(providers.iter().map(|(id, provider)| (id.clone(), seats(provider))).collect())
        };
        Self {
            fares: Arc::default(),
            turns: turns(|provider| provider.capabilities().max_in_flight),
            stops: turns(|_| STOPS_AT_ONCE),
            networks: turns(|_| NETWORKS_AT_ONCE),
        }
    }

    /// Waits for the change's turn at its provider; `None` when the breaker is open by then.
    pub async fn turn(&self, change: &Change) -> Option<CallSlot> {
        let turns = self.queue(change).get(&change.address.provider).filter(|_| counts(change));
        let Some(turns) = turns else { return Some(CallSlot { _permit: None }) };
        let permit = turns.clone().acquire_owned().await.ok();
        let is_probe = |open: &OpenBreaker| open.probe.as_deref() == Some(change.service.as_str());
        let fares = self.lock();
        let open = fares.get(&change.address.provider).and_then(|fares| fares.open.as_ref());
        open.is_none_or(is_probe).then_some(CallSlot { _permit: permit })
    }

    fn queue(&self, change: &Change) -> &Turns {
        let kind = change.address.kind;
        if kind == Kind::Network {
            &self.networks
        } else if kind == Kind::Container && takes_away(change) {
            // A container is stopped within its own grace period, and stopping costs the engine nothing.
            &self.stops
        } else {
            &self.turns
        }
    }

    /// Waits for a slot at a provider for what a person asks for: that is tried also while the breaker is open.
    pub async fn slot(&self, provider: &ProviderId) -> CallSlot {
        let turns = self.turns.get(provider).cloned();
        let permit = match turns {
            Some(turns) => turns.acquire_owned().await.ok(),
            None => None,
        };
        CallSlot { _permit: permit }
    }

    /// A change succeeded: the breaker closes.
    pub fn worked(&self, change: &Change) {
        if counts(change)
            && let Some(fares) = self.lock().get_mut(&change.address.provider)
        {
            *fares = BreakerState::default();
        }
    }

    /// A change failed.
    pub fn failed(&self, change: &Change, error: &ProviderError, now: Timestamp, jitter: Jitter) {
        let is_the_providers = match error.class {
            Class::RetryLater | Class::Reauthenticate | Class::OutcomeUnknown => true,
            Class::Rejected | Class::Conflict | Class::Taken(_) => false,
        };
        if !is_the_providers || !counts(change) {
            return;
        }
        let mut all = self.lock();
        let fares = all.entry(change.address.provider.clone()).or_default();
        fares.failed.insert(change.service.clone());
        let was_probe = fares.open.as_ref().is_some_and(|open| open.probe.as_ref() == Some(&change.service));
        let opens = fares.failed.len() >= SERVICES_IN_A_ROW || error.retry_after.is_some();
        // A call that left before the breaker opened adds nothing.
        if (fares.open.is_some() && !was_probe) || (fares.open.is_none() && !opens) {
            return;
        }
        let before = fares.open.as_ref().map(|open| open.backoff);
        let since = fares.open.as_ref().map_or(now, |open| open.since);
        let mut backoff = backoff::after_failure(before, now, jitter);
        backoff.until = backoff.until.min(now + CLOSED_LAST);
        if let Some(wait) = error.retry_after {
            backoff.until = backoff.until.max(now + wait.min(RETRY_AFTER_MAX));
        }
        if before.is_none() {
            tracing::warn!(provider = %change.address.provider, "{} fails for everybody, one change at a time is tried: {error}", change.address.provider);
        }
        fares.open = Some(OpenBreaker { backoff, since, error: error.clone(), probe: None });
    }

    /// The open breakers.
    pub fn open(&self) -> BTreeMap<ProviderId, OpenBreaker> {
        self.lock().iter().filter_map(|(id, fares)| Some((id.clone(), fares.open.clone()?))).collect()
    }

    /// When the changes at an open provider may go on: the probe as soon as it is due. `is_busy` says whether a
    /// service's lane is at work, `first` which service has the best prospects.
    pub fn wait(
        &self,
        provider: &ProviderId,
        now: Timestamp,
        is_busy: impl Fn(&str) -> bool,
        first: impl FnOnce() -> Option<String>,
    ) -> Option<BreakerWaits> {
        let mut all = self.lock();
        let open = all.get_mut(provider)?.open.as_mut()?;
        // A clock that was set back delays nothing.
        open.backoff.until = open.backoff.until.min(now + RETRY_AFTER_MAX);
        if now < open.backoff.until {
            return Some(BreakerWaits { until: open.backoff.until, probe: None });
        }
        if !open.probe.as_deref().is_some_and(is_busy) {
            open.probe = first();
        }
        Some(BreakerWaits { until: now + PROBE_TAKES, probe: open.probe.clone() })
    }

    /// A person asks, or the configuration has changed.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProviderId, BreakerState>> {
        self.fares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slot for a concurrent call of a provider; released on drop.
#[derive(Debug)]
pub struct CallSlot {
    _permit: Option<OwnedSemaphorePermit>,
}

/// How long calls to an open provider are paused, and which change probes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerWaits {
    /// All other changes wait until then.
    pub until: Timestamp,
    /// This change goes first.
    pub probe: Option<String>,
}

/// Whether a change says something of its provider, and takes a slot of it. Each machine of a pool is one by itself: those that do not
/// answer stop no other, and connections are shared out by their provider.
fn counts(change: &Change) -> bool {
    change.address.kind != Kind::Image && change.address.kind != Kind::Account
}
