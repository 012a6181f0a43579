//! Server-sent events: each names what changed, so that clients read it again. Carries no content.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::stream_limit;
use super::stream_limit::StreamSlot;
use crate::engine::Progress;
use crate::engine::reconcile::daemon::Handle;

const STREAM: &str = "text/event-stream";

/// Whether the client asks for an event stream.
pub fn is_requested(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains(STREAM))
}

/// The position of a stream: the handle, and the number of events sent.
struct StreamPosition {
    handle: Handle,
    progress: Receiver<Progress>,
    told: u64,
    /// Whether the client may know which services there are.
    names: bool,
    was_away: bool,
    _seat: StreamSlot,
}

/// One message each time: `{"id": 3, "keys": ["service:cloud"]}`, or the key `all`. A client that reconnects
/// (`Last-Event-ID`) gets one at once.
pub fn stream(handle: Handle, headers: &HeaderMap, account: &str, names: bool) -> Response {
    let progress = handle.progress();
    let was_away = headers.contains_key("last-event-id");
    let Some(seat) = StreamSlot::take(account) else { return stream_limit::too_many() };
    let at = StreamPosition { handle, progress, told: 0, names, was_away, _seat: seat };
    let messages = futures_util::stream::unfold(at, async |mut at: StreamPosition| {
        let key = if std::mem::take(&mut at.was_away) { "all".to_owned() } else { next_event(&mut at).await? };
        at.told += 1;
        let message = json!({"id": at.told, "keys": [key]});
        Some((Ok::<String, std::convert::Infallible>(format!("id: {}\ndata: {message}\n\n", at.told)), at))
    });
    let kind = [(header::CONTENT_TYPE, STREAM), (header::CACHE_CONTROL, "no-store")];
    (kind, Body::from_stream(messages.take_until(Box::pin(tokio::time::sleep(stream_limit::LASTS))))).into_response()
}

/// The next event; `None` when the loop has ended.
async fn next_event(at: &mut StreamPosition) -> Option<String> {
    tokio::select! {
        is_there = at.handle.changed() => is_there.then(|| "all".to_owned()),
        told = at.progress.recv() => match told {
            Ok(_) if !at.names => Some("all".to_owned()),
            Ok(progress) => Some(format!("service:{}", progress.step.service())),
            // Several missed events become one.
            Err(RecvError::Lagged(_)) => Some("all".to_owned()),
            Err(RecvError::Closed) => None,
        },
    }
}
