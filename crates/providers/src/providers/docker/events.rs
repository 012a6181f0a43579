//! The engine's events: those to come wake the loop, those that are past tell when somebody stopped or removed a container.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::{EventMessage, EventMessageTypeEnum};
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::api::{EngineApi, Pieces};
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
                let (mut events, meter) = api.events(since.map(String::as_str));
                meter.into_iter().for_each(|meter| self.lists.events_begin(&meter));
                let mut end_due = None;
                while let Some(event) = next_until(&mut events, end_due).await {
                    let Some(event) = event else {
                        end_due = None;
                        wake.notify_one();
                        continue;
                    };
                    heard_at = event.time_nano.map(since_nanos).or(heard_at);
                    self.lists.note_event(&event);
                    if self.inspects.note_event(&event) {
                        if is_end(&event) {
                            end_due = end_due.or(Some(Instant::now() + END_COMPLETES));
                        } else {
                            end_due = None;
                            wake.notify_one();
                        }
                    }
                }
                self.lists.events_end();
            }
            tokio::time::sleep(RESUBSCRIBE_AFTER).await;
        }
    }
}

/// The next event; `Some(None)`: none came until `due`. `None`: the stream has ended.
async fn next_until(events: &mut Pieces<EventMessage>, due: Option<Instant>) -> Option<Option<EventMessage>> {
    let event = match due {
        Some(due) => match tokio::time::timeout_at(due, events.next()).await {
            Ok(event) => event,
            Err(_) => return Some(None),
        },
        None => events.next().await,
    };
    Some(Some(event?.ok()?))
}

/// Whether an event tells of an end: of a container, or of its place on a network.
fn is_end(event: &EventMessage) -> bool {
    let action = event.action.as_deref().unwrap_or_default();
    match event.typ {
        Some(EventMessageTypeEnum::CONTAINER) => ["die", "oom", "stop"].contains(&action),
        Some(EventMessageTypeEnum::NETWORK) => action == "disconnect",
        Some(_) | None => false,
    }
}

/// An end is mostly the first of several events: the container is removed as well, or its engine starts it again. One pass
/// sees all of it. The removal of a running container takes some 100 ms.
const END_COMPLETES: Duration = Duration::from_millis(150);

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
    let at = Timestamp(last?.checked_mul(1000)?);
    Some((thing.address, Attributed { by: None, at, evidence: "Docker event" }))
}

/// What is past is told at once; a clock that is behind makes an engine wait for it.
const EVENT_LIMIT: Duration = Duration::from_millis(1500);

/// Events by which somebody may have brought about what is put right.
const ENDS: [&str; 6] = ["destroy", "stop", "die", "rename", "update", "pause"];

/// Time between a lost event stream and the next try.
const RESUBSCRIBE_AFTER: Duration = Duration::from_secs(2);

/// RFC 3339 → seconds since 1970 with nine decimals, in which `since` of events counts.
pub(super) fn event_time(text: &str) -> Option<String> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(since_nanos(i64::try_from(time.as_nanosecond()).ok()?))
}

/// Nanoseconds since 1970 → the same.
fn since_nanos(nanos: i64) -> String {
    format!("{}.{:09}", nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_waits_for_what_follows_it_and_nothing_else_waits() {
        use EventMessageTypeEnum::{CONTAINER, NETWORK, VOLUME};
        let cases = [
            (CONTAINER, "die", true),
            (CONTAINER, "stop", true),
            (CONTAINER, "destroy", false),
            (CONTAINER, "start", false),
            (CONTAINER, "health_status: healthy", false),
            (NETWORK, "disconnect", true),
            (NETWORK, "destroy", false),
            (VOLUME, "destroy", false),
        ];
        for (typ, action, expected) in cases {
            let event = EventMessage { typ: Some(typ), action: Some(action.to_owned()), ..EventMessage::default() };
            assert_eq!(is_end(&event), expected, "{typ} {action}");
        }
    }
}
