//! Serves a router on loopback with journal and faults around it.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::{Call, Fault, Faults, Journal};

/// A running simulator. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    /// Where it listens, always on loopback.
    pub address: SocketAddr,
    /// What it was asked.
    pub journal: Journal,
    /// How it misbehaves.
    pub faults: Faults,
    task: JoinHandle<()>,
}

impl Server {
    /// `http://127.0.0.1:PORT`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves `router` on `127.0.0.1:port` (0 = any free port).
///
/// # Errors
/// The port is taken.
pub async fn serve(router: Router, port: u16) -> std::io::Result<Server> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let (journal, faults) = (Journal::default(), Faults::default());
    let app = router.layer(middleware::from_fn_with_state((journal.clone(), faults.clone()), misbehave));
    let task = tokio::spawn(async move {
        // The listener lives as long as the task: an error here only ends the simulator.
        let _ = axum::serve(listener, app).await;
    });
    Ok(Server { address, journal, faults, task })
}

async fn misbehave(State((journal, faults)): State<(Journal, Faults)>, request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let response = match faults.next(&method, &path) {
        None => match faults.behind(&method, &path) {
            None => next.run(request).await,
            Some(reads) => late(&faults, &path, reads, next.run(request).await).await,
        },
        Some(Fault::Before(status)) => failed(status),
        Some(Fault::After(status)) => {
            next.run(request).await;
            failed(status)
        }
        Some(Fault::CutBefore) => cut(),
        Some(Fault::CutAfter) => {
            next.run(request).await;
            cut()
        }
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            next.run(request).await
        }
    };
    journal.record(Call { method, path, status: response.status().as_u16() });
    response
}

/// What was said some reads ago.
async fn late(faults: &Faults, path: &str, reads: usize, now: Response) -> Response {
    let status = now.status().as_u16();
    let kind = now.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let body = axum::body::to_bytes(now.into_body(), usize::MAX).await.unwrap_or_default().to_vec();
    let (status, kind, body) = faults.past(path, (status, kind, body), reads);
    (StatusCode::from_u16(status).unwrap_or_default(), [("content-type", kind)], body).into_response()
}

fn failed(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [("content-type", "text/html")], format!("<html><body>{status}</body></html>")).into_response()
}

/// A body that breaks off at once: the client sees the connection end in mid-answer.
fn cut() -> Response {
    let broken = futures_util::stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("cut")) });
    Response::new(Body::from_stream(broken))
}
