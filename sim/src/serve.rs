//! Serves a router on loopback with journal and faults around it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, response};
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
    let app = {
        let shared = (journal.clone(), faults.clone(), Memory::default());
        router.layer(middleware::from_fn_with_state(shared, misbehave))
    };
    let task = tokio::spawn(async move {
        // The listener lives as long as the task: an error here only ends the simulator.
        let _ = axum::serve(listener, app).await;
    });
    Ok(Server { address, journal, faults, task })
}

/// Bodies of requests are searched up to here.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// One piece of a body that does not end soon, and how many of them come: more than any client reads.
const HUGE_PIECE: usize = 1024 * 1024;
const HUGE_PIECES: usize = 64;

/// No list is further behind.
const READS_KEPT: usize = 8;

/// The last whole answers to reads, by path.
type Memory = Arc<Mutex<BTreeMap<String, VecDeque<(response::Parts, Bytes)>>>>;

async fn misbehave(
    State((journal, faults, memory)): State<(Journal, Faults, Memory)>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let request = searched(&journal, &method, &path, request).await;
    let fault = faults.next(&method, &path);
    let call = |status: u16| Call { method: method.clone(), path: path.clone(), status };
    let response = match fault {
        None if method == "GET" && faults.remembers() => remembered(&memory, &path, 0, next.run(request).await).await,
        None => next.run(request).await,
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
        Some(Fault::TooMany(seconds)) => {
            let mut response = failed(429);
            response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
            response
        }
        Some(Fault::HangBefore) => {
            journal.record(call(0));
            std::future::pending().await
        }
        Some(Fault::HangAfter) => {
            next.run(request).await;
            journal.record(call(0));
            std::future::pending().await
        }
        Some(Fault::Half) => half(next.run(request).await).await,
        Some(Fault::Huge) => {
            next.run(request).await;
            huge()
        }
        Some(Fault::Empty) => ([("content-type", "application/json")], "[]").into_response(),
        Some(Fault::Stale { reads }) => remembered(&memory, &path, reads, next.run(request).await).await,
    };
    journal.record(call(response.status().as_u16()));
    response
}

/// The request, its body searched for what it must not hold.
async fn searched(journal: &Journal, method: &str, path: &str, request: Request) -> Request {
    if !journal.searches() {
        return request;
    }
    let (parts, body) = request.into_parts();
    // A body that is too long or breaks off is passed on as nothing: the client hears of it from the route.
    let body = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await.unwrap_or_default();
    journal.search(method, path, &body);
    Request::from_parts(parts, Body::from(body))
}

/// The answer, kept for [`Fault::Stale`] where it is a whole one: streams of events and logs never end. Given is the one of
/// `reads` reads ago.
async fn remembered(memory: &Memory, path: &str, reads: usize, response: Response) -> Response {
    if !response.status().is_success() || response.body().size_hint().exact().is_none() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else { return cut() };
    let mut memory = lock(memory);
    let answers = memory.entry(path.to_owned()).or_default();
    answers.push_back((parts.clone(), body.clone()));
    if answers.len() > READS_KEPT {
        answers.pop_front();
    }
    let at = answers.len().saturating_sub(reads + 1);
    let (parts, body) = answers.get(at).cloned().unwrap_or((parts, body));
    Response::from_parts(parts, Body::from(body))
}

async fn half(response: Response) -> Response {
    if response.body().size_hint().exact().is_none() {
        return cut();
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove("content-length");
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else { return cut() };
    let length = body.len() / 2;
    Response::from_parts(parts, Body::from(body.slice(..length)))
}

fn huge() -> Response {
    let pieces = (0..HUGE_PIECES).map(|_| Ok::<_, std::io::Error>(vec![b' '; HUGE_PIECE]));
    let mut response = Response::new(Body::from_stream(futures_util::stream::iter(pieces)));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
