//! Retries: a failed change backs off by itself; a provider that fails for everybody is tried by one change at a time.
//! Changes that depend on neither go on.
//!
//! A delete or a disable never overtakes a host that could not be changed: the host may still point there.

use std::collections::{BTreeMap, BTreeSet};

use super::breaker::Breakers;
use super::lane;
use crate::engine::backoff;
use crate::engine::backoff::Backoff;
use crate::engine::pass_result::ServiceError;
use crate::engine::report::failures::would_fail_again;
use crate::providers::ProviderError;
use amarre_core::model::plan::Wait;
use amarre_core::model::{Address, Change, Gate, Kind, Millis, Plan, ProviderId, Timestamp, Verb, World};

/// Another commit or a person comes first.
const BUILT_AGAIN: Millis = Millis::minutes(365 * 24 * 60);

/// The failed changes and their backoffs.
#[derive(Debug, Default)]
pub struct Retries {
    failing: BTreeMap<Address, Failing>,
    /// A person has asked for everything to be tried.
    cleared: bool,
    /// Shared with the lanes.
    pub breakers: Breakers,
}

#[derive(Debug, Clone)]
struct Failing {
    error: ServiceError,
    backoff: Backoff,
    /// The failed change and its revision: another revision is tried at once.
    tried: String,
    revision: String,
}

impl Retries {
    /// With all breakers closed.
    pub fn new(breakers: Breakers) -> Self {
        Self { failing: BTreeMap::new(), cleared: false, breakers }
    }

    /// Records a success.
    pub fn worked(&mut self, address: &Address) {
        self.failing.remove(address);
    }

    /// Records a failure.
    pub fn failed(&mut self, change: Change, error: ProviderError, revision: &str, now: Timestamp) {
        let known = self.failing.get(&change.address);
        let mut backoff = backoff::after_failure(known.map(|known| known.backoff), now, rand::random());
        if let Some(wait) = error.retry_after {
            backoff.until = backoff.until.max(now + Millis(wait.0.min(backoff::BACKOFF_LAST.0)));
        }
        let first = known.map_or(now, |known| known.error.first);
        let (address, tried) = (change.address.clone(), lane::digest(&change));
        let error = ServiceError { change, error, first, count: backoff.failures, next_try: backoff.until };
        self.failing.insert(address, Failing { error, backoff, tried, revision: revision.to_owned() });
    }

    /// A person asks: everything is retried at once.
    pub fn clear(&mut self) {
        self.cleared = true;
        self.failing.clear();
        self.breakers.clear();
    }

    /// Whether nothing has failed here yet, and no person has asked for a try.
    pub fn is_unasked(&self) -> bool {
        self.failing.is_empty() && !self.cleared
    }

    /// A person asks for one service.
    pub fn reset_service(&mut self, service: &str) {
        self.failing.retain(|_, failing| failing.error.change.service != service);
        self.breakers.clear();
    }

    /// The last error, by address.
    pub fn failing(&self) -> BTreeMap<Address, ServiceError> {
        self.failing.iter().map(|(address, failing)| (address.clone(), failing.error.clone())).collect()
    }

    /// The last error, by service: of the change that failed most often.
    pub fn errors(&self) -> BTreeMap<String, ServiceError> {
        let mut errors: BTreeMap<String, ServiceError> = BTreeMap::new();
        for failing in self.failing.values() {
            let service = &failing.error.change.service;
            if errors.get(service).is_none_or(|known| known.count < failing.error.count) {
                errors.insert(service.clone(), failing.error.clone());
            }
        }
        errors
    }

    /// Forgets changes that are no longer planned.
    pub fn forget(&mut self, plan: &Plan, world: &World, is_busy: impl Fn(&str) -> bool) {
        let planned: BTreeSet<&Address> = plan.changes.iter().map(|change| &change.address).collect();
        self.failing.retain(|address, failing| {
            planned.contains(address) || world.gap(address).is_some() || is_busy(&failing.error.change.service)
        });
    }

    /// Holds back the changes that have to wait.
    pub fn hold_back(&mut self, plan: &mut Plan, revision: &str, now: Timestamp, is_busy: impl Fn(&str) -> bool) {
        let mut pointing: BTreeMap<String, Timestamp> = BTreeMap::new();
        for change in plan.changes.iter_mut().filter(|change| change.is_now()) {
            let Some(at) = self.waits(change, revision, now) else { continue };
            if points(change) {
                pointing.insert(change.service.clone(), at);
            }
            change.gate = Gate::Until { at, what: Wait::Backoff };
        }
        for change in plan.changes.iter_mut().filter(|change| change.is_now() && lane::takes_away(change)) {
            if let Some(at) = pointing.get(&change.service) {
                change.gate = Gate::Until { at: *at, what: Wait::Backoff };
            }
        }
        let open: Vec<ProviderId> = self.breakers.open().into_keys().collect();
        for provider in open {
            self.hold_back_at(&provider, plan, now, &is_busy);
        }
    }

    fn hold_back_at(&self, provider: &ProviderId, plan: &mut Plan, now: Timestamp, is_busy: impl Fn(&str) -> bool) {
        let is_there = |change: &Change| {
            change.is_now() && change.address.provider == *provider && change.address.kind != Kind::Image
        };
        // A change that did not fail by itself has the best prospects.
        let failures = |change: &Change| self.failing.get(&change.address).map_or(0, |known| known.backoff.failures);
        let first = || {
            let mut ready: Vec<&Change> =
                plan.changes.iter().filter(|change| is_there(change) && !is_busy(&change.service)).collect();
            ready.sort_by_key(|change| failures(change));
            ready.first().map(|change| change.service.clone())
        };
        let Some(waits) = self.breakers.wait(provider, now, &is_busy, first) else { return };
        let mut probes = waits.probe.as_deref();
        for change in plan.changes.iter_mut().filter(|change| is_there(change)) {
            if probes == Some(change.service.as_str()) {
                // The probe is one change.
                probes = None;
            } else {
                change.gate = Gate::Until { at: waits.until, what: Wait::Provider };
            }
        }
    }

    fn waits(&self, change: &Change, revision: &str, now: Timestamp) -> Option<Timestamp> {
        let failing = self.failing.get(&change.address)?;
        if would_fail_again(&failing.error) && failing.tried == lane::digest(change) {
            return Some(now + BUILT_AGAIN);
        }
        let is_another = failing.revision != revision && failing.tried != lane::digest(change);
        (failing.backoff.is_due_later(now) && !is_another).then_some(failing.backoff.until)
    }
}

/// Whether visitors come through it.
fn points(change: &Change) -> bool {
    change.address.kind.is_proxied() && !matches!(change.verb, Verb::Create(_))
}
