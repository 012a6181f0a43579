//! `amarre events`: changes and observations recorded in the ledger.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::act::Deed;
use super::find_address;
use super::verbs::VERBS;
use super::{CommandAnswer, ledger_refused, no_such, refused};
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report;
use crate::engine::report::wait_text;
use crate::ledger::runs::{Event, EventFilter};
use crate::words;
use crate::words::Words;
use amarre_core::model::suggestion::nearest;
use amarre_core::model::{Code, Language, Millis, ReasonCode, Timestamp};
use amarre_core::plan::render::lines;

/// The default number of events.
const LIMIT: u32 = 50;
/// The largest number of events that is read at once.
const LIMIT_MAX: u32 = 1_000;
/// Every kind of event that is recorded.
pub const KINDS: [&str; 15] = [
    "created",
    "updated",
    "deleted",
    "failed",
    "degraded",
    "adopted",
    "released",
    "resumed",
    "rolled back",
    "rescued",
    "source",
    "performed",
    "not performed",
    "unknown",
    "deployment",
];

/// The filter of a query.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct EventsQuery {
    /// A service, an address or the end of one; `None` = all.
    pub name: Option<String>,
    /// Only events of the service with exactly this name.
    #[serde(skip)]
    pub service: Option<String>,
    /// A kind (`created`, `updated`, `deleted`, `failed`, `degraded`, …) or a reason (`drift`, …).
    pub kind: Option<String>,
    /// Not older than this many seconds.
    pub since_s: Option<u32>,
    /// Only events before the one with this `id`: the `next` of another answer.
    pub cursor: Option<u32>,
    /// At most this many, the newest.
    pub limit: u32,
}

impl Default for EventsQuery {
    fn default() -> Self {
        Self { name: None, service: None, kind: None, since_s: None, cursor: None, limit: LIMIT }
    }
}

/// Reads the events, oldest first.
pub async fn events(handle: &Handle, of: &EventsQuery, language: Language) -> CommandAnswer {
    if let Some(refusal) = of.kind.as_deref().and_then(unknown_kind) {
        return refusal;
    }
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
        Err(error) => return ledger_refused(handle.ledger(), &handle.ledger().failure_text(&error), ""),
    };
    if found.is_empty()
        && let Some(refusal) = unknown_name(handle, of).await
    {
        return refusal;
    }
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
    let text =
        if found.is_empty() { "nothing happened of that sort\n".to_owned() } else { text(&found, now, language) };
    CommandAnswer { document, text, exit: 0 }
}

/// Why no event can have this kind. An empty kind is none.
fn unknown_kind(kind: &str) -> Option<CommandAnswer> {
    let actions = VERBS.into_iter().filter(|row| row.deed == Deed::Action).map(|row| row.word);
    let reasons: Vec<&str> = ReasonCode::ALL.map(ReasonCode::word).into_iter().chain(actions).collect();
    let known: Vec<&str> = KINDS.into_iter().chain(reasons.iter().copied()).collect();
    if kind.is_empty() || known.contains(&kind) {
        return None;
    }
    let hint = match nearest(kind, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("a kind: {}; or a reason: {}", KINDS.join(", "), reasons.join(", ")),
    };
    Some(CommandAnswer { exit: 2, ..refused(Code::A1013, &format!("there is no kind of event `{kind}`"), &hint) })
}

/// Why no event can have this name: no event, no resource and no manifest has it.
async fn unknown_name(handle: &Handle, of: &EventsQuery) -> Option<CommandAnswer> {
    let (named, service) = (of.name.as_deref().unwrap_or_default(), of.service.as_deref().unwrap_or_default());
    if named.is_empty() && service.is_empty() {
        return None;
    }
    let any = EventFilter { of: named, service, since: Timestamp(i64::MIN), limit: 1, ..EventFilter::default() };
    if handle.ledger().events_of(&any).await.is_ok_and(|found| !found.is_empty()) {
        return None;
    }
    let pass = find_address::last_pass_or_new(handle).await?;
    let is_thing = !named.is_empty() && !find_address::matching_addresses(&pass, named).is_empty();
    let name = if named.is_empty() { service } else { named };
    if is_thing || pass.statuses().contains_key(name) {
        return None;
    }
    // An account for some services is not told whether others exist.
    Some(if named.is_empty() {
        no_such(&format!("there is no service {name}"))
    } else {
        find_address::no_service(&pass, name)
    })
}

pub(crate) fn document(event: &Event) -> Json {
    let mut document = json!({
        "at": event.at.rfc3339(),
        "run": event.run,
        "service": Some(event.service.as_str()).filter(|service| !service.is_empty()),
        "address": event.address.as_ref().map(ToString::to_string),
        "kind": event.kind,
        "reason": event.reason,
    });
    report::insert(&mut document, &event.text, "text");
    document
}

/// One line for each event: time, run, service, what happened, and why.
pub(crate) fn text(events: &[Event], now: Timestamp, language: Language) -> String {
    let words = Words(language);
    let rows: Vec<[String; 4]> = events
        .iter()
        .map(|event| {
            let what = match &event.address {
                Some(address) => words.event_of(&event.kind, &address.kind.label(), &lines::name(address, None)),
                None => words.event(&event.kind),
            };
            [wait_text::time(event.at, now), format!("run {}", event.run), event.service.clone(), what]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    let mut out = String::new();
    for (row, event) in rows.iter().zip(events) {
        let [at, run, service, what] = row;
        let [first, second, third] = widths;
        let line = format!("{at:first$}  {run:second$}  {service:third$}  {what}");
        let said = words::say(&event.text, language);
        let why = Some(said.lines().next().unwrap_or_default()).filter(|why| !why.is_empty());
        out.push_str(&why.map_or_else(|| line.clone(), |why| words.pair(&line, why)));
        out.push('\n');
    }
    out
}
