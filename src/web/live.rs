//! `GET /live`: says that something happened, so that an open page is read again. Carries no content.

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Web;
use crate::engine::daemon::Handle;

/// Where a stream is: the handle, and what was last told.
struct At {
    handle: Handle,
    progress: tokio::sync::broadcast::Receiver<crate::engine::Progress>,
    told: u64,
}

/// `GET /live`
pub async fn live(State(web): State<Web>) -> Response {
    let progress = web.handle.progress();
    let at = At { handle: web.handle, progress, told: 0 };
    let events = futures_util::stream::unfold(at, async |mut at: At| {
        tokio::select! {
            is_there = at.handle.turned() => is_there.then_some(())?,
            told = at.progress.recv() => match told {
                // Of several that were missed, one is told.
                Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => (),
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return None,
            },
        }
        at.told += 1;
        let event = format!("id: {0}\ndata: {{\"id\":{0}}}\n\n", at.told);
        Some((Ok::<String, std::convert::Infallible>(event), at))
    });
    let kind = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (kind, Body::from_stream(events)).into_response()
}
