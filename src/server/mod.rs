//! HTTP: health, metrics, status, plan, drift. On loopback reading only; on the unix socket beside the ledger also
//! what changes something, for whoever may open it (mode 0600).

pub mod metrics;
mod of_service;
pub mod openapi;
pub mod socket;
mod users;

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;

use crate::engine::daemon::Handle;
use crate::engine::events::{self, EventsOf};
use crate::engine::explain;
use crate::engine::follow;
use crate::engine::history::{self, HistoryOf};
use crate::engine::listing::{self, Listing, Only};
use crate::engine::logs::{self, LogsOf};
use crate::engine::verbs::{self, Act, Step};
use crate::engine::{report, subnets, trace};
use crate::plan::render::Look;
use crate::store::journal::Event;

/// Steps that wait for a slow reader before lanes' progress is dropped for it.
const STEPS_MAX: usize = 256;
/// What happened lately to one service.
const EVENTS_SHOWN: u32 = 5;
/// Requests are small; this is a hundred times the largest.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How a text is to look.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct LookQuery {
    /// ASCII signs.
    pub ascii: bool,
    /// ANSI colours.
    pub colour: bool,
    /// All services, quiet ones too.
    pub all: bool,
    /// More columns.
    pub wide: bool,
    /// Only one sort of services.
    pub only: Option<Only>,
    /// A plan as the comment of a merge request.
    pub markdown: bool,
}

/// Of what a plan is to be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PlanQuery {
    /// A branch, tag or commit; `None` = what is followed.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
}

impl LookQuery {
    fn look(self) -> Look {
        Look { ascii: self.ascii, colour: self.colour }
    }

    fn listing(self) -> Listing {
        Listing { all: self.all, wide: self.wide, only: self.only }
    }
}

/// One path: what answers it, and what the document of the interface says of it.
struct Route {
    path: &'static str,
    handler: MethodRouter<Handle>,
    says: openapi::Operation,
}

impl Route {
    fn new(path: &'static str, handler: MethodRouter<Handle>, says: openapi::Operation) -> Self {
        Self { path, handler, says }
    }
}

/// What anybody on this machine may read.
pub fn public(handle: Handle) -> Router {
    router(handle, reading(), true).layer(middleware::from_fn(check_host))
}

/// What whoever may open the socket may do.
pub fn private(handle: Handle) -> Router {
    let routes = reading().into_iter().chain(acting()).collect();
    router(handle, routes, false).layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
}

fn reading() -> Vec<Route> {
    vec![
        Route::new("/healthz", get(|| async { "ok\n" }), openapi::healthz()),
        Route::new("/readyz", get(readyz), openapi::readyz()),
        Route::new("/health", get(health), openapi::health()),
        Route::new("/metrics", get(metrics), openapi::metrics()),
        Route::new("/api/v1/status", get(status_all), openapi::status()),
        Route::new("/api/v1/services", get(services), openapi::services_of()),
        Route::new("/api/v1/services/{name}", get(service), openapi::service()),
        Route::new("/api/v1/drift", get(drift), openapi::drift()),
        Route::new("/api/v1/plan", get(plan), openapi::plan()),
        Route::new("/api/v1/subnets", get(subnets), openapi::subnets()),
        Route::new("/errors/{code}", get(page), openapi::page()),
    ]
}

fn acting() -> Vec<Route> {
    let mut routes = vec![
        Route::new("/api/v1/act", post(act), openapi::act()),
        Route::new("/api/v1/plan/text", get(plan_text), openapi::plan_text()),
        Route::new("/api/v1/status/text", get(status_text), openapi::status_text()),
        Route::new("/api/v1/services/{name}/text", get(service_text), openapi::service_text()),
        Route::new("/api/v1/subnets/text", get(subnets_text), openapi::subnets_text()),
        Route::new("/api/v1/logs", get(logs_of), openapi::logs()),
        Route::new("/api/v1/logs/follow", get(logs_follow), openapi::logs_follow()),
        Route::new("/api/v1/events", get(events_of), openapi::events()),
        Route::new("/api/v1/history", get(history_of), openapi::history()),
        Route::new("/api/v1/explain", get(explain_of), openapi::explain()),
        Route::new("/api/v1/trace", get(trace_of), openapi::trace()),
    ];
    routes.extend(of_service::routes());
    routes.extend(users::routes());
    routes
}

/// These routes and the document that describes them.
fn router(handle: Handle, routes: Vec<Route>, checks_host: bool) -> Router {
    let document = openapi::document(routes.iter().map(|route| (route.path, &route.says)), checks_host);
    let mut router = Router::new().route(openapi::PATH, get(move || async move { Json(document) }));
    for route in routes {
        router = router.route(route.path, route.handler);
    }
    let nothing =
        || async { problem(StatusCode::NOT_FOUND, "A1003", "nothing is served here", "see docs/http.md for what is") };
    router.fallback(nothing).with_state(handle)
}

/// A web page can reach 127.0.0.1 through a name of its own; the name in `Host` gives it away.
pub async fn check_host(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    if matches!(name, "localhost" | "127.0.0.1" | "[::1]") || name.parse::<SocketAddr>().is_ok() {
        return next.run(request).await;
    }
    problem(StatusCode::MISDIRECTED_REQUEST, "A1001", "this name is not served here", "ask for 127.0.0.1 or localhost")
}

/// RFC 9457.
fn problem(status: StatusCode, code: &str, title: &str, hint: &str) -> Response {
    let body = json!({
        "type": format!("/errors/{code}"), "title": title, "status": status.as_u16(), "code": code,
        "hints": [{"text": hint}],
    });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

async fn readyz(State(handle): State<Handle>) -> Response {
    let (picture, _) = handle.picture();
    if picture.context.is_some() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "first look in progress\n").into_response()
    }
}

async fn health(State(handle): State<Handle>) -> Response {
    let (picture, _) = handle.picture();
    let services = picture.statuses();
    let attention = services.values().filter(|row| row.attention).count();
    let ok = picture.ledger_error.is_none() && picture.plan.gaps.is_empty() && picture.source_error.is_none();
    let body = json!({
        "status": if ok { "ok" } else { "degraded" },
        "services": services.len(),
        "attention": attention,
        "gaps": picture.plan.gaps.len(),
        "ledger": picture.ledger_error.is_none(),
        "source": picture.source_error.is_none(),
        "checked_at": picture.at.rfc3339(),
    });
    Json(body).into_response()
}

async fn metrics(State(handle): State<Handle>) -> Response {
    let (picture, _) = handle.picture();
    let text = metrics::render(&picture, handle.ledger().last_run().await.ok().flatten().as_ref());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

async fn status_all(State(handle): State<Handle>) -> Response {
    Json(status_document(&handle).await).into_response()
}

/// The status document with what only the ledger knows: the last run.
async fn status_document(handle: &Handle) -> serde_json::Value {
    let (picture, next) = handle.picture();
    let next = (next.0 > 0).then_some(next);
    let mut document = report::status_json(&picture, next);
    if let (Ok(Some(run)), Some(object)) = (handle.ledger().last_run().await, document.as_object_mut()) {
        let run = json!({
            "id": run.id, "started_at": run.started.rfc3339(), "result": run.result, "writes": run.writes,
            "duration_s": run.ended.map(|ended| (ended - run.started).0 / 1000),
        });
        object.insert("last_run".to_owned(), run);
    }
    document
}

async fn services(State(handle): State<Handle>) -> Response {
    let (picture, _) = handle.picture();
    let rows: Vec<_> = picture.statuses().values().map(|row| report::service_json(&picture, row)).collect();
    Json(json!({"schema": "amarre.status/v1", "services": rows})).into_response()
}

async fn service(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    let (picture, _) = handle.picture();
    match picture.statuses().get(&name) {
        Some(row) => Json(with_events(&handle, report::service_json(&picture, row), &name).await.0).into_response(),
        None => no_such(&name),
    }
}

/// The document of a service with what happened to it last.
async fn with_events(handle: &Handle, mut document: serde_json::Value, name: &str) -> (serde_json::Value, Vec<Event>) {
    let events = handle.ledger().events(name, EVENTS_SHOWN).await.unwrap_or_default();
    if let Some(object) = document.as_object_mut() {
        object.insert("events".to_owned(), report::events_json(&events));
    }
    (document, events)
}

async fn drift(State(handle): State<Handle>) -> Response {
    Json(report::drift_json(&handle.picture().0)).into_response()
}

async fn plan(State(handle): State<Handle>) -> Response {
    Json(report::plan_json(&handle.picture().0)).into_response()
}

/// Where `type` of a problem leads.
async fn page(Path(code): Path<String>) -> Response {
    match crate::pages::page(&code) {
        Some(page) => ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], page).into_response(),
        None => problem(StatusCode::NOT_FOUND, "A1004", &format!("there is no error code {code}"), "see docs/errors"),
    }
}

async fn plan_text(
    State(handle): State<Handle>,
    Query(query): Query<LookQuery>,
    Query(of): Query<PlanQuery>,
) -> Response {
    match verbs::plan(&handle, of.reference.as_deref(), query.look(), query.markdown).await {
        Some(answer) => Json(answer).into_response(),
        None => stopping(),
    }
}

async fn subnets(State(handle): State<Handle>) -> Response {
    Json(subnets::document(&handle.picture().0)).into_response()
}

async fn subnets_text(State(handle): State<Handle>, Query(query): Query<LookQuery>) -> Response {
    match verbs::subnets(&handle, query.look()).await {
        Some(answer) => Json(answer).into_response(),
        None => stopping(),
    }
}

async fn status_text(State(handle): State<Handle>, Query(query): Query<LookQuery>) -> Response {
    let ((picture, next), now) = (handle.picture(), handle.now());
    let text = report::status_text(&picture, query.listing(), now, Some(next), query.look());
    let document = listing::document(&picture, status_document(&handle).await, query.only);
    let answer = verbs::Answer { document, text, exit: 0 };
    Json(answer).into_response()
}

async fn logs_of(State(handle): State<Handle>, Query(of): Query<LogsOf>) -> Response {
    match logs::logs(&handle, &of).await {
        Some(answer) => Json(answer).into_response(),
        None => stopping(),
    }
}

/// JSON lines: a `line` each; an `end` where there is nothing to follow, or the daemon stops.
async fn logs_follow(State(handle): State<Handle>, Query(of): Query<LogsOf>) -> Response {
    let (lines, inbox) = follow::lines();
    in_lines("line", inbox, Box::pin(follow::follow(handle, of, lines)))
}

async fn events_of(State(handle): State<Handle>, Query(of): Query<EventsOf>) -> Response {
    Json(events::events(&handle, &of).await).into_response()
}

async fn history_of(State(handle): State<Handle>, Query(of): Query<HistoryOf>) -> Response {
    Json(history::history(&handle, &of).await).into_response()
}

/// What is to be explained.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ExplainQuery {
    /// An address, or the end of it.
    pub thing: String,
}

async fn explain_of(
    State(handle): State<Handle>,
    Query(query): Query<LookQuery>,
    Query(of): Query<ExplainQuery>,
) -> Response {
    match explain::explain(&handle, &of.thing, query.look()).await {
        Some(answer) => Json(answer).into_response(),
        None => stopping(),
    }
}

/// What is to be followed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TraceQuery {
    /// A whole name.
    pub domain: String,
}

async fn trace_of(
    State(handle): State<Handle>,
    Query(query): Query<LookQuery>,
    Query(of): Query<TraceQuery>,
) -> Response {
    match trace::trace(&handle, &of.domain, query.look()).await {
        Some(answer) => Json(answer).into_response(),
        None => stopping(),
    }
}

async fn service_text(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    Query(query): Query<LookQuery>,
) -> Response {
    let (picture, _) = handle.picture();
    let row = picture.statuses().get(&name).map(|row| report::service_json(&picture, row));
    let Some(row) = row else {
        return no_such(&name);
    };
    let (document, events) = with_events(&handle, row, &name).await;
    match report::service_text(&picture, &name, &events, handle.now(), query.look()) {
        Some(text) => Json(verbs::Answer { document, text, exit: 0 }).into_response(),
        None => no_such(&name),
    }
}

async fn act(State(handle): State<Handle>, Query(query): Query<LookQuery>, Json(act): Json<Act>) -> Response {
    answer_in_lines(handle, act, query)
}

/// Acts. JSON lines: a `step` each, then one `end`.
fn answer_in_lines(handle: Handle, act: Act, query: LookQuery) -> Response {
    let (steps, inbox) = mpsc::channel::<Step>(STEPS_MAX);
    let ending = async move {
        let answer = verbs::act(&handle, act, query.look(), &steps).await;
        drop(steps);
        answer
    };
    in_lines("step", inbox, Box::pin(ending))
}

/// JSON lines: each thing that comes under its key, then one `end`.
fn in_lines<T: Serialize + Send + 'static>(key: &'static str, inbox: mpsc::Receiver<T>, ending: Ending) -> Response {
    let lines = futures_util::stream::unfold(Turn::Going(inbox, ending), move |at| turn(key, at));
    let body = lines.map(|line| Ok::<String, std::convert::Infallible>(format!("{line}\n")));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response()
}

type Ending = std::pin::Pin<Box<dyn Future<Output = Option<verbs::Answer>> + Send>>;

/// Where a stream of things is.
enum Turn<T> {
    Going(mpsc::Receiver<T>, Ending),
    Rest(mpsc::Receiver<T>, Option<verbs::Answer>),
    Over,
}

async fn turn<T: Serialize>(key: &str, turn: Turn<T>) -> Option<(serde_json::Value, Turn<T>)> {
    match turn {
        Turn::Going(mut inbox, mut ending) => {
            tokio::select! {
                biased;
                Some(thing) = inbox.recv() => Some((json!({key: thing}), Turn::Going(inbox, ending))),
                answer = &mut ending => rest(key, inbox, answer).await,
            }
        }
        Turn::Rest(inbox, answer) => rest(key, inbox, answer).await,
        Turn::Over => None,
    }
}

/// What was told before the end comes before the end.
async fn rest<T: Serialize>(
    key: &str,
    mut inbox: mpsc::Receiver<T>,
    answer: Option<verbs::Answer>,
) -> Option<(serde_json::Value, Turn<T>)> {
    match inbox.recv().await {
        Some(thing) => Some((json!({key: thing}), Turn::Rest(inbox, answer))),
        None => Some((json!({"end": answer}), Turn::Over)),
    }
}

fn no_such(name: &str) -> Response {
    problem(StatusCode::NOT_FOUND, "A1002", &format!("there is no service {name}"), "amarre status --all lists them")
}

fn stopping() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "A0904", "Amarre is stopping", "try again when it runs")
}
