//! The engine's events: those to come wake the loop, those that are past tell when somebody stopped or removed a container.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::sync::Notify;

use super::api::{self, EngineApi};
use super::{DockerProvider, inspects};
use crate::providers::{AttributeDrift, Attributed, Difference, WatchEvents};
use amarre_core::model::{Address, Kind, Timestamp};

/// What became of the last subscription.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subscription {
    /// There was none.
    None,
    /// It ended: what happened since is not known.
    Ended,
    /// The engine did not answer when it was asked again. Passes know that, and look at it as often as they see fit.
    Away,
}

#[async_trait]
impl WatchEvents for DockerProvider {
    async fn watch(&self, wake: Arc<Notify>) {
        let (mut heard_at, mut before) = (None, Subscription::None);
        loop {
            let engine = self.api().await.ok();
            let answers = match engine {
                Some(api) => before == Subscription::None || api.answers().await,
                None => false,
            };
            let is_known = before == if answers { Subscription::None } else { Subscription::Away };
            if !is_known {
                // The stream also ends at an event that the client cannot read: every container is inspected again.
                self.inspects.forget_all();
                wake.notify_one();
            }
            before = if answers { Subscription::Ended } else { Subscription::Away };
            if let Some(api) = engine.filter(|_| answers) {
                // Containers may have been inspected before this subscription stands: the engine repeats what came since.
                let since = heard_at.as_ref().or(api.connected_at.as_ref());
                let mut events = Box::pin(api.events(since.map(String::as_str)));
                while let Some(Ok(event)) = events.next().await {
                    heard_at = event.time_nano.map(api::since_nanos).or(heard_at);
                    if self.inspects.note_event(&event) {
                        wake.notify_one();
                    }
                }
            }
            tokio::time::sleep(api::RESUBSCRIBE_AFTER).await;
        }
    }
}

#[async_trait]
impl AttributeDrift for DockerProvider {
    async fn attribute(&self, touched: &[Difference], now: Timestamp) -> BTreeMap<Address, Attributed> {
        let Ok(api) = self.api().await else { return BTreeMap::new() };
        let containers = touched.iter().filter(|thing| thing.address.kind == Kind::Container).cloned();
        let containers: Vec<Difference> = containers.collect();
        let traces = containers.into_iter().map(|thing| last_end(api, thing, now));
        let traces: Vec<Option<(Address, Attributed)>> =
            futures_util::stream::iter(traces).buffer_unordered(inspects::IN_FLIGHT).collect().await;
        traces.into_iter().flatten().collect()
    }
}

/// When a container was stopped, removed or changed last, as far as the engine remembers.
async fn last_end(api: &EngineApi, thing: Difference, now: Timestamp) -> Option<(Address, Attributed)> {
    let mut events = Box::pin(api.past_events(&thing.vendor_id, thing.since, now));
    let mut last = None;
    while let Ok(Some(Ok(event))) = tokio::time::timeout(EVENT_LIMIT, events.next()).await {
        let is_end = event.action.as_deref().is_some_and(|action| ENDS.contains(&action));
        last = event.time.filter(|_| is_end).or(last);
    }
    let at = Timestamp(last? * 1000);
    Some((thing.address, Attributed { by: None, at, evidence: "Docker event" }))
}

/// What is past is told at once; a clock that is behind makes an engine wait for it.
const EVENT_LIMIT: std::time::Duration = std::time::Duration::from_millis(1500);

/// Events by which somebody may have brought about what is put right.
const ENDS: [&str; 6] = ["destroy", "stop", "die", "rename", "update", "pause"];
