//! Server-sent events: says that something happened, so that whoever shows it asks again. Carries no content.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::stream_limit;
use super::stream_limit::Seat;
use crate::engine::Progress;
use crate::engine::reconcile::daemon::Handle;

const STREAM: &str = "text/event-stream";

/// Whether whoever asks wants to be told.
pub fn is_asked(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains(STREAM))
}

/// Where a stream is: the handle, and how often was told.
struct At {
    handle: Handle,
    progress: Receiver<Progress>,
    told: u64,
    was_away: bool,
    _seat: Seat,
}

/// A message each time: `{"id": 3, "keys": ["service:cloud"]}`, or the key `all`. To somebody who was away
/// (`Last-Event-ID`) one comes at once.
pub fn stream(handle: Handle, headers: &HeaderMap, account: &str) -> Response {
    let progress = handle.progress();
    let was_away = headers.contains_key("last-event-id");
    let Some(seat) = Seat::take(account) else { return stream_limit::full() };
    let at = At { handle, progress, told: 0, was_away, _seat: seat };
    let messages = futures_util::stream::unfold(at, async |mut at: At| {
        let key = if std::mem::take(&mut at.was_away) { "all".to_owned() } else { happens(&mut at).await? };
        at.told += 1;
        let message = json!({"id": at.told, "keys": [key]});
        Some((Ok::<String, std::convert::Infallible>(format!("id: {}\ndata: {message}\n\n", at.told)), at))
    });
    let kind = [(header::CONTENT_TYPE, STREAM), (header::CACHE_CONTROL, "no-store")];
    (kind, Body::from_stream(messages.take_until(Box::pin(tokio::time::sleep(stream_limit::LASTS))))).into_response()
}

/// What happens next; `None` when the loop has ended.
async fn happens(at: &mut At) -> Option<String> {
    tokio::select! {
        is_there = at.handle.turned() => is_there.then(|| "all".to_owned()),
        told = at.progress.recv() => match told {
            Ok(progress) => Some(format!("service:{}", progress.change.service)),
            // Of several that were missed, one is told.
            Err(RecvError::Lagged(_)) => Some("all".to_owned()),
            Err(RecvError::Closed) => None,
        },
    }
}
