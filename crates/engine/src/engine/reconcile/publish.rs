//! Publishes zones: one refresh for all records written together, retried until it succeeds.

use super::engine::Engine;
use crate::engine::backoff;
use crate::ledger::Unpublished;
use crate::providers::ProviderError;
use amarre_core::model::{Address, Change, Gate, Kind, Millis, Plan, Timestamp};

/// Records of a service that is still on its way may join a refresh that waits at most this long.
const JOIN_WITHIN: Millis = Millis::seconds(5);

impl Engine {
    /// Whether a zone is to be published now: no record in it is being written, and none is about to be.
    pub(crate) fn is_publishable(&self, dirty: &Unpublished, plan: &Plan, now: Timestamp) -> bool {
        self.backs_off(dirty, now).is_none() && !self.is_written_to(dirty, plan, now)
    }

    /// The end of the backoff of a zone that could not be published.
    fn backs_off(&self, dirty: &Unpublished, now: Timestamp) -> Option<Timestamp> {
        let (backoff, _) = self.publish_backoffs.get(&(dirty.provider.clone(), dirty.scope.clone()))?;
        backoff.is_due_later(now).then_some(backoff.until)
    }

    /// When to check the zones that wait to be published: no event reports the end of a write.
    pub(crate) fn next_publish(&self, now: Timestamp) -> Option<Timestamp> {
        let zones = self.pass.unpublished.iter();
        zones.map(|(dirty, _)| self.backs_off(dirty, now).unwrap_or(now + Millis::seconds(1))).min()
    }

    /// Publishes each zone that may be published.
    pub(crate) async fn publish(&mut self, unpublished: &[Unpublished], plan: &Plan, now: Timestamp) {
        for dirty in unpublished {
            let key = (dirty.provider.clone(), dirty.scope.clone());
            let Some(provider) = self.context.providers.get(&dirty.provider).cloned() else { continue };
            if !self.is_publishable(dirty, plan, now) {
                continue;
            }
            let published = match provider.capabilities().publish {
                Some(publish) => publish.publish(&dirty.scope).await,
                None => Ok(()),
            };
            match published {
                Ok(()) => {
                    self.publish_backoffs.remove(&key);
                    if let Err(error) = self.ledger.published(&dirty.provider, &dirty.scope).await {
                        self.ledger_failed(&error);
                    }
                    self.wake.notify_one();
                }
                Err(error) => {
                    let before = self.publish_backoffs.get(&key).map(|(backoff, _)| *backoff);
                    tracing::warn!(zone = dirty.scope, "could not publish zone {}: {error}", dirty.scope);
                    self.publish_backoffs.insert(key, (backoff::after_failure(before, now, rand::random()), error));
                }
            }
        }
    }

    /// Whether a record of the zone is being written, or will be in a moment.
    fn is_written_to(&self, dirty: &Unpublished, plan: &Plan, now: Timestamp) -> bool {
        let may_join = now - dirty.since < JOIN_WITHIN;
        let in_zone = |address: &Address| {
            let name = address.name.split('/').next().unwrap_or_default();
            address.provider == dirty.provider && amarre_core::model::site::is_below(name, &dirty.scope)
        };
        let mut records =
            plan.changes.iter().filter(|change| change.address.kind == Kind::Record && in_zone(&change.address));
        // A create that has left is not observed yet; its lane may still be at work.
        let busy = self.services_at_work();
        let is_on_its_way = |change: &Change| busy.contains(change.service.as_str());
        records.any(|change: &Change| match &change.gate {
            Gate::Now => true,
            Gate::After(_) => may_join || is_on_its_way(change),
            Gate::Until { .. } | Gate::Held(_) => is_on_its_way(change),
        })
    }

    /// Adds the error of its last publication.
    pub(crate) fn with_error(&self, dirty: Unpublished) -> (Unpublished, Option<ProviderError>) {
        let key = (dirty.provider.clone(), dirty.scope.clone());
        let error = self.publish_backoffs.get(&key).map(|(_, error)| error.clone());
        (dirty, error)
    }
}
