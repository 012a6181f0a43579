//! `GET /events`: what was, as far as it is remembered, then what happens, one JSON object a line.

use std::time::Duration;

use axum::body::Body;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::query::{Filters, Query};
use super::state::Engine;

/// The body of the answer. The engine's end, or `until`, ends it.
pub(super) fn stream_of(engine: &Engine, query: &Query, filters: Filters) -> Body {
    let since = query.number("since");
    let until = query.number("until");
    // Subscribed and read under one lock: nothing is lost or told twice.
    let (past, receiver) = {
        let state = engine.lock();
        let receiver = state.events.subscribe();
        let told = |event: &&Value| {
            let time = event["timeNano"].as_i64().unwrap_or(0) as f64 / 1e9;
            let after = since.is_some_and(|since| time >= since);
            after && until.is_none_or(|until| time <= until)
        };
        let past: Vec<Value> = state.history.iter().filter(told).cloned().collect();
        (past, receiver)
    };
    let past: Vec<Value> = past.into_iter().filter(|event| matches(event, &filters)).collect();
    let now = crate::clock::now().as_nanosecond() as f64 / 1e9;
    let left = until.map(|until| Duration::try_from_secs_f64(until - now).unwrap_or_default());
    let end = left.map(|left| tokio::time::Instant::now() + left);
    let live = stream::unfold((receiver, filters), move |(mut receiver, filters)| async move {
        let next = async {
            loop {
                match next(&mut receiver).await {
                    Some(event) if !matches(&event, &filters) => (),
                    other => break other,
                }
            }
        };
        let event = match end {
            Some(end) => tokio::time::timeout_at(end, next).await.ok().flatten()?,
            None => next.await?,
        };
        Some((event, (receiver, filters)))
    });
    let lines = stream::iter(past).chain(live);
    Body::from_stream(lines.map(|event| Ok::<_, std::io::Error>(format!("{event}\n"))))
}

async fn next(receiver: &mut broadcast::Receiver<Option<Value>>) -> Option<Value> {
    loop {
        match receiver.recv().await {
            Ok(event) => return event,
            // A reader that is too slow misses some, as with the real engine's full buffer.
            Err(RecvError::Lagged(_)) => (),
            Err(RecvError::Closed) => return None,
        }
    }
}

fn matches(event: &Value, filters: &Filters) -> bool {
    let kind = event["Type"].as_str().unwrap_or_default();
    let action = event["Action"].as_str().unwrap_or_default();
    let id = event["Actor"]["ID"].as_str().unwrap_or_default();
    let attributes = &event["Actor"]["Attributes"];
    let name = attributes["name"].as_str().unwrap_or_default();
    let about = |of: &str| {
        filters.none_or(of, |wanted| {
            kind == of && !wanted.is_empty() && (id == wanted || id.starts_with(wanted) || name == wanted)
        })
    };
    filters.none_or("type", |wanted| wanted == kind)
        && filters.none_or("event", |wanted| action == wanted || action.split(": ").next() == Some(wanted))
        && filters.none_or("scope", |wanted| wanted == "local")
        && filters.all("label", |wanted| has_label(attributes, wanted))
        && about("container")
        && about("network")
        && about("volume")
        && filters.none_or("image", |wanted| {
            (kind == "image" && (id == wanted || name == wanted))
                || (kind == "container" && attributes["image"] == wanted)
        })
}

/// `key` or `key=value`.
pub(super) fn has_label(labels: &Value, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels[key] == value,
        None => labels.get(wanted).is_some(),
    }
}
