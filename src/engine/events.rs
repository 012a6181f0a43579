//! `amarre events`: what was done and seen, from the ledger.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::daemon::Handle;
use super::telling;
use super::verbs::{Answer, refused};
use crate::model::{Millis, Timestamp};
use crate::plan::render::lines;
use crate::store::journal::{Event, EventFilter};

/// Unless said otherwise.
const LIMIT: u32 = 50;
/// No more are read, whatever is asked.
const LIMIT_MAX: u32 = 1_000;

/// What is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct EventsOf {
    /// A service, an address or its end; `None` = all.
    pub name: Option<String>,
    /// Only what is about this service itself, whatever else is called so.
    #[serde(skip)]
    pub service: Option<String>,
    /// A kind (`created`, `updated`, `deleted`, `failed`, `degraded`, …) or a reason (`drift`, …).
    pub kind: Option<String>,
    /// Not older than so many seconds.
    pub since_s: Option<u32>,
    /// Only those before the one with this `id`: the `next` of another answer.
    pub cursor: Option<u32>,
    /// At most so many, the newest.
    pub limit: u32,
}

impl Default for EventsOf {
    fn default() -> Self {
        Self { name: None, service: None, kind: None, since_s: None, cursor: None, limit: LIMIT }
    }
}

/// Reads them, the oldest first.
pub async fn events(handle: &Handle, of: &EventsOf) -> Answer {
    let now = handle.now();
    let filter = EventFilter {
        of: of.name.as_deref().unwrap_or_default(),
        kind: of.kind.as_deref().unwrap_or_default(),
        since: of
            .since_s
            .map_or(Timestamp(i64::MIN), |since| Timestamp((now.0 - Millis::seconds(since.into()).0).max(0))),
        service: of.service.as_deref().unwrap_or_default(),
        before: of.cursor.map(i64::from),
        after: None,
        limit: of.limit.clamp(1, LIMIT_MAX),
    };
    let mut found = match handle.ledger().events_of(&filter).await {
        Ok(found) => found,
        Err(error) => return refused("A0903", &error.to_string(), "is the disk full, or the ledger damaged?"),
    };
    found.reverse();
    // A page that is not full is the last one.
    let next = found.first().filter(|_| found.len() == filter.limit as usize).map(|(id, _)| *id);
    let (ids, found): (Vec<i64>, Vec<Event>) = found.into_iter().unzip();
    let numbered = |(id, event): (&i64, &Event)| {
        let mut document = document(event);
        document["id"] = json!(id);
        document
    };
    let documents: Vec<Json> = ids.iter().zip(&found).map(numbered).collect();
    let document = json!({"schema": "amarre.events/v1", "events": documents, "next": next});
    let text = if found.is_empty() { "nothing happened of that sort\n".to_owned() } else { text(&found, now) };
    Answer { document, text, exit: 0 }
}

pub(super) fn document(event: &Event) -> Json {
    json!({
        "at": event.at.rfc3339(),
        "run": event.run,
        "service": Some(event.service.as_str()).filter(|service| !service.is_empty()),
        "address": event.address.as_ref().map(ToString::to_string),
        "kind": event.kind,
        "reason": event.reason,
        "text": event.text,
    })
}

/// A line each: when, in which run, of which service, what, and why.
pub(super) fn text(events: &[Event], now: Timestamp) -> String {
    let rows: Vec<[String; 4]> = events
        .iter()
        .map(|event| {
            let thing = event.address.as_ref();
            let thing = thing.map(|address| format!("{} {}", address.kind.label(), lines::name(address, None)));
            let what = thing.map_or_else(|| event.kind.clone(), |thing| format!("{} {thing}", event.kind));
            [telling::time(event.at, now), format!("run {}", event.run), event.service.clone(), what]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    let mut out = String::new();
    for (row, event) in rows.iter().zip(events) {
        let [at, run, service, what] = row;
        let [first, second, third] = widths;
        let line = format!("{at:first$}  {run:second$}  {service:third$}  {what}");
        let why = Some(event.text.lines().next().unwrap_or_default()).filter(|why| !why.is_empty());
        out.push_str(&why.map_or_else(|| line.clone(), |why| format!("{line}: {why}")));
        out.push('\n');
    }
    out
}
