//! One breaker for each provider: when it fails for everybody, one change at a time is tried there, not one of each
//! service. Lanes ask before a call leaves, and tell how it went.
//!
//! | | opens | closes |
//! |---|---|---|
//! | the provider says when to come again (429, 503 with `Retry-After`) | at once, until then | with the first success |
//! | changes of three services failed in a row, and none worked | for 1 s, doubled up to a minute | with the first success |
//!
//! What a vendor refuses for itself (a wrong value, a conflict) says nothing about the vendor, and pulling an image is
//! the registry's matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lane::takes_away;
use super::schedule;
use super::schedule::{Backoff, Jitter};
use crate::providers::{Class, Provider, ProviderError};
use amarre_core::model::{Change, Kind, Millis, ProviderId, Timestamp};

/// So many services in a row are more than one service's own trouble.
const SERVICES_IN_A_ROW: usize = 3;
/// A provider that fails for everybody is tried again at least this often.
const CLOSED_LAST: Millis = Millis::minutes(1);
/// Nobody is asked to stay away for longer.
const RETRY_AFTER_MAX: Millis = Millis::minutes(10);
/// While one change tries whether it works again, the others look that often whether it did.
const PROBE_TAKES: Millis = Millis::seconds(1);

/// Containers that end at once: each takes the grace that its image or manifest gives it.
const STOPS_AT_ONCE: usize = 64;

/// How one provider fares.
#[derive(Debug, Clone, Default)]
struct Fares {
    /// Services whose changes failed there since the last success.
    failed: BTreeSet<String>,
    open: Option<Open>,
}

/// Why a provider is left alone, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// How often in a row, and not before.
    pub backoff: Backoff,
    /// Since when.
    pub since: Timestamp,
    /// What it answered last.
    pub error: ProviderError,
    /// The service whose change tries whether it works again.
    probe: Option<String>,
}

/// The breakers of all providers and the turns at each. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Breakers {
    fares: Arc<Mutex<BTreeMap<ProviderId, Fares>>>,
    turns: Turns,
    stops: Turns,
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
        }
    }

    /// Waits for the change's turn at its provider; `None` when the provider is to be left alone by then.
    pub async fn turn(&self, change: &Change) -> Option<Turn> {
        // A container is stopped as fast as it ends, which takes a grace of its own and the engine nothing.
        let all = if change.address.kind == Kind::Container && takes_away(change) { &self.stops } else { &self.turns };
        let turns = all.get(&change.address.provider).filter(|_| counts(change));
        let Some(turns) = turns else { return Some(Turn { _permit: None }) };
        let permit = turns.clone().acquire_owned().await.ok();
        let is_probe = |open: &Open| open.probe.as_deref() == Some(change.service.as_str());
        let fares = self.lock();
        let open = fares.get(&change.address.provider).and_then(|fares| fares.open.as_ref());
        open.is_none_or(is_probe).then_some(Turn { _permit: permit })
    }

    /// A change worked: whatever was wrong is over.
    pub fn worked(&self, change: &Change) {
        if counts(change)
            && let Some(fares) = self.lock().get_mut(&change.address.provider)
        {
            *fares = Fares::default();
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
        // What left before it was opened adds nothing.
        if (fares.open.is_some() && !was_probe) || (fares.open.is_none() && !opens) {
            return;
        }
        let before = fares.open.as_ref().map(|open| open.backoff);
        let since = fares.open.as_ref().map_or(now, |open| open.since);
        let mut backoff = schedule::after_failure(before, now, jitter);
        backoff.until = backoff.until.min(now + CLOSED_LAST);
        if let Some(wait) = error.retry_after {
            backoff.until = backoff.until.max(now + wait.min(RETRY_AFTER_MAX));
        }
        if before.is_none() {
            tracing::warn!(provider = %change.address.provider, "{} fails for everybody, one change at a time is tried: {error}", change.address.provider);
        }
        fares.open = Some(Open { backoff, since, error: error.clone(), probe: None });
    }

    /// Those that are left alone.
    pub fn open(&self) -> BTreeMap<ProviderId, Open> {
        self.lock().iter().filter_map(|(id, fares)| Some((id.clone(), fares.open.clone()?))).collect()
    }

    /// When the changes at an open provider may go on: for one of them, the probe, at once when it is due. `is_busy`
    /// says whether a service's lane is at work, `first` which service has the best prospects.
    pub fn wait(
        &self,
        provider: &ProviderId,
        now: Timestamp,
        is_busy: impl Fn(&str) -> bool,
        first: impl FnOnce() -> Option<String>,
    ) -> Option<Waits> {
        let mut all = self.lock();
        let open = all.get_mut(provider)?.open.as_mut()?;
        // A clock that was put back keeps nobody waiting.
        open.backoff.until = open.backoff.until.min(now + RETRY_AFTER_MAX);
        if now < open.backoff.until {
            return Some(Waits { until: open.backoff.until, probe: None });
        }
        if !open.probe.as_deref().is_some_and(is_busy) {
            open.probe = first();
        }
        Some(Waits { until: now + PROBE_TAKES, probe: open.probe.clone() })
    }

    /// A person asks, or the configuration is another one.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProviderId, Fares>> {
        self.fares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those that call a provider at once; given back on drop.
#[derive(Debug)]
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

/// How long an open provider is left alone, and by whose change it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// The others.
    pub until: Timestamp,
    /// This one goes.
    pub probe: Option<String>,
}

fn counts(change: &Change) -> bool {
    change.address.kind != Kind::Image
}
