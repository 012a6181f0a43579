//! HTTP: health, metrics, status, plan, drift, and commands. Over the network for authenticated clients with the needed
//! role; on the unix socket beside the ledger for its owner (mode 0600).

pub mod listener;
pub mod tls;
pub mod certificate;
pub mod self_signed;
pub mod metrics;
mod manifests;
pub mod openapi;
mod problem;
pub mod socket;
mod tokens;
mod users;
mod verbs;
mod webhook;
pub mod auth;
mod act;
pub mod compat;
pub mod compat_pool;
mod known_clients;
mod rate_limit;
mod services;
pub mod sse;
mod notifications;
mod write_timeout;
mod webhook_bodies;
mod idempotency;
mod instances;
mod apps;
mod pools;
mod pool_machines;
mod stream_limit;

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use self::openapi::{RequestForm, Transport};
pub use self::problem::problem;
use crate::engine::commands;
use crate::engine::commands::events;
use crate::engine::commands::events::EventsQuery;
use crate::engine::commands::explain;
use crate::engine::commands::follow_logs;
use crate::engine::commands::history;
use crate::engine::commands::history::HistoryQuery;
use crate::engine::commands::logs;
use crate::engine::commands::logs::LogsQuery;
use crate::engine::commands::{CommandAnswer, PlanForm};
use crate::engine::commands::{find_address, trace};
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report;
use crate::engine::report::service_list;
use crate::engine::report::service_list::{ListQuery, Only};
use crate::engine::report::subnets;
use crate::ledger::runs::Event;
use crate::notifications::Notifications;
use crate::templates::TemplateStore;
use amarre_core::manifest;
use amarre_core::model::{Code, Language, Timestamp};
use amarre_core::plan::render::Style;
use auth::{AccessControl, Identity, Permission, RequestCounts, RouteGuard};
use stream_limit::StreamSlot;

/// The recent events of one service.
const EVENTS_SHOWN: u32 = 5;
/// Requests are small; this is a hundred times the largest.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// What is answered from the last look; the rest looks by itself, or needs none.
const OF_THE_LAST_LOOK: [&str; 7] = [
    "/api/v1/status",
    "/api/v1/services",
    "/api/v1/drift",
    "/api/v1/unmanaged",
    "/api/v1/instances",
    "/api/v1/apps",
    "/api/v1/pools",
];
/// What is asked while the daemon starts waits so long.
const STARTS_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// The form of a text.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct StyleQuery {
    /// ASCII signs.
    pub ascii: bool,
    /// ANSI colours.
    pub colour: bool,
    /// Of sentences with a template.
    pub lang: Language,
    /// All services, quiet ones too.
    pub all: bool,
    /// More columns.
    pub wide: bool,
    /// Only services that match this filter.
    pub only: Option<Only>,
    /// A plan as the comment of a merge request.
    pub markdown: bool,
    /// A plan without the command that carries it out: a question follows.
    pub asks: bool,
}

/// The form of a plan.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PlanQuery {
    /// A branch, tag or commit; `None` = the followed one.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
}

impl StyleQuery {
    fn style(self) -> Style {
        Style { ascii: self.ascii, colour: self.colour, language: self.lang }
    }

    fn listing(self) -> ListQuery {
        ListQuery { all: self.all, wide: self.wide, only: self.only }
    }
}

/// One path: its handler, and its description in the OpenAPI document.
struct ApiRoute {
    path: Cow<'static, str>,
    handler: MethodRouter<Handle>,
    says: openapi::Operation,
}

impl ApiRoute {
    fn new(path: impl Into<Cow<'static, str>>, handler: MethodRouter<Handle>, says: openapi::Operation) -> Self {
        Self { path: path.into(), handler, says }
    }
}

/// The router for the network.
pub fn public(
    handle: Handle,
    access: &AccessControl,
    notifications: Notifications,
    shelf: Arc<dyn TemplateStore>,
) -> Router {
    let routes = shared_routes().into_iter().chain([webhook(access)]).map(|route| {
        let ApiRoute { path, handler, says } = route;
        if says.needs == Permission::Nothing {
            return ApiRoute { path, handler, says };
        }
        let (needs, action, works) = (says.needs, says.id, says.works);
        let door = RouteGuard { access: access.clone(), needs, action, path: path.clone(), works };
        ApiRoute { path, handler: handler.route_layer(middleware::from_fn_with_state(door, auth::guard_route)), says }
    });
    let counts = middleware::from_fn_with_state(access.asked.clone(), auth::measure);
    let router = router(handle, routes.collect(), transport(access)).layer(counts);
    router.layer(Extension(notifications)).layer(Extension(shelf)).layer(Extension(access.asked.clone()))
}

pub fn document(access: &AccessControl) -> serde_json::Value {
    let routes: Vec<ApiRoute> = shared_routes().into_iter().chain([webhook(access)]).collect();
    openapi::document(routes.iter().map(|route| (&*route.path, &route.says)), transport(access))
}

fn webhook(access: &AccessControl) -> ApiRoute {
    let hook = webhook::Hook::new(access.listening.webhook_secret.clone());
    ApiRoute::new("/webhooks/git", hook.handler(), openapi::webhook())
}

fn transport(access: &AccessControl) -> Transport {
    let cookie = access.listening.session_cookie();
    if access.listening.is_local() { Transport::Loopback(cookie) } else { Transport::Network(cookie) }
}

/// The router for the owner of the socket.
pub fn private(handle: Handle, notifications: Notifications, shelf: Arc<dyn TemplateStore>) -> Router {
    let routes = shared_routes().into_iter().chain(command_line_routes()).collect();
    let router = router(handle, routes, Transport::Socket).layer(Extension(notifications));
    router.layer(Extension(shelf)).layer(Extension(Identity::owner())).layer(Extension(RequestCounts::default()))
}

/// The routes of both.
fn shared_routes() -> Vec<ApiRoute> {
    let mut routes = vec![
        ApiRoute::new("/healthz", get(|| async { "ok\n" }), openapi::healthz()),
        ApiRoute::new("/readyz", get(readyz), openapi::readyz()),
        ApiRoute::new("/health", get(health), openapi::health()),
        ApiRoute::new("/metrics", get(metrics), openapi::metrics()),
        ApiRoute::new("/api/v1/status", get(status_all), openapi::status()),
        ApiRoute::new("/api/v1/services", get(services::services), openapi::services_of()),
        ApiRoute::new("/api/v1/services/{name}", get(service), openapi::service()),
        ApiRoute::new(
            "/api/v1/services/{name}/events",
            get(events_of_service),
            openapi::events(RequestForm::OfService),
        ),
        ApiRoute::new(
            "/api/v1/services/{name}/history",
            get(history_of_service),
            openapi::history(RequestForm::OfService),
        ),
        ApiRoute::new("/api/v1/services/{name}/logs", get(logs_of_service), openapi::logs(RequestForm::OfService)),
        ApiRoute::new("/api/v1/drift", get(drift), openapi::drift()),
        ApiRoute::new("/api/v1/plan", get(plan), openapi::plan()),
        ApiRoute::new("/api/v1/preview", get(preview), openapi::preview()),
        ApiRoute::new("/api/v1/subnets", get(subnets), openapi::subnets()),
        ApiRoute::new("/api/v1/unmanaged", get(unmanaged), openapi::unmanaged()),
        ApiRoute::new("/api/v1/schema", get(schema), openapi::schema()),
        ApiRoute::new("/errors/{code}", get(error_code_page), openapi::page()),
        ApiRoute::new("/api/v1/act", post(act::act), openapi::act()),
        ApiRoute::new("/api/v1/logs", get(logs_whole), openapi::logs(RequestForm::Whole)),
        ApiRoute::new("/api/v1/logs/follow", get(logs_follow), openapi::logs_follow()),
        ApiRoute::new("/api/v1/events", get(events_whole), openapi::events(RequestForm::Whole)),
        ApiRoute::new("/api/v1/history", get(history_whole), openapi::history(RequestForm::Whole)),
        ApiRoute::new("/api/v1/explain", get(explain_whole), openapi::explain(RequestForm::Whole)),
        ApiRoute::new("/api/v1/trace", get(trace_whole), openapi::trace(RequestForm::Whole)),
    ];
    routes.extend(verbs::routes());
    routes.extend(instances::routes());
    routes.extend(apps::routes());
    routes.extend(pools::routes());
    routes.extend(pool_machines::routes());
    routes.extend(manifests::routes());
    routes.extend(users::routes());
    routes.extend(tokens::routes());
    routes.extend(notifications::routes());
    routes
}

/// Texts for the command line of the same version.
fn command_line_routes() -> Vec<ApiRoute> {
    let mut routes = instances::command_line_routes();
    routes.extend(apps::command_line_routes());
    routes.extend(pools::command_line_routes());
    routes.extend([
        ApiRoute::new("/api/v1/plan/text", get(plan_text), openapi::plan_text()),
        ApiRoute::new("/api/v1/status/text", get(status_text), openapi::status_text()),
        ApiRoute::new("/api/v1/services/{name}/text", get(service_text), openapi::service_text()),
        ApiRoute::new("/api/v1/subnets/text", get(subnets_text), openapi::subnets_text()),
        ApiRoute::new("/api/v1/logs/text", get(logs_of), openapi::logs(RequestForm::Text)),
        ApiRoute::new("/api/v1/events/text", get(events_of), openapi::events(RequestForm::Text)),
        ApiRoute::new("/api/v1/history/text", get(history_of), openapi::history(RequestForm::Text)),
        ApiRoute::new("/api/v1/explain/text", get(explain_of), openapi::explain(RequestForm::Text)),
        ApiRoute::new("/api/v1/trace/text", get(trace_of), openapi::trace(RequestForm::Text)),
    ]);
    routes
}

/// These routes and the document that describes them.
fn router(handle: Handle, routes: Vec<ApiRoute>, over: Transport) -> Router {
    let document = openapi::document(routes.iter().map(|route| (&*route.path, &route.says)), over);
    // As text: parsed it takes ten times the memory, and each request would copy it.
    let document = Bytes::from(document.to_string());
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], document) };
    let mut router = Router::new().route(openapi::PATH, get(answer));
    for route in routes {
        router = router.route(&route.path, route.handler);
    }
    let nothing = || async {
        problem(StatusCode::NOT_FOUND, Code::A1003, "nothing is served here", "see docs/http.md for what is")
    };
    let starts = middleware::from_fn_with_state(handle.clone(), after_first_look);
    let router = router.fallback(nothing).layer(starts).with_state(handle);
    let limit = axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX);
    router.layer(limit).layer(middleware::from_fn(problem::shape))
}

/// Before the first look has ended, nothing is known of any service: an answer would say that there is none.
async fn after_first_look(State(mut handle): State<Handle>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // The texts of plan and subnets look by themselves.
    let is_whole = matches!(path, "/api/v1/plan" | "/api/v1/subnets");
    let is_of_last = is_whole || OF_THE_LAST_LOOK.iter().any(|read| path.starts_with(read));
    let is_read = request.method() == Method::GET && is_of_last;
    let has_looked = async { while handle.last_pass().0.context.is_none() && handle.changed().await {} };
    if !is_read || tokio::time::timeout(STARTS_WITHIN, has_looked).await.is_ok() {
        return next.run(request).await;
    }
    let title = "Amarre is starting: its first look at Docker, NPM and the clouds has not ended";
    let hint = "ask again in some seconds; /readyz says when it has";
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, Code::A1035, title, hint);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// A body of JSON.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let given = Json::<T>::from_request(request, state).await;
        given.map(|Json(given)| Self(given)).map_err(IntoResponse::into_response)
    }
}

/// Runs to the end, also when the client hangs up; `None`: it panicked.
pub async fn run_to_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    tokio::spawn(work).await.ok()
}

/// Starts a task that no request waits for.
pub fn spawn_detached(work: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(work));
}

/// The length of a page: what was asked for, or the largest.
///
/// # Errors
/// Why it cannot be.
fn page_length(asked: Option<u32>, largest: usize) -> Result<usize, String> {
    let length = asked.map_or(largest, |asked| usize::try_from(asked).unwrap_or(usize::MAX));
    if (1..=largest).contains(&length) {
        Ok(length)
    } else {
        Err(format!("limit: {length} is not from 1 to {largest}"))
    }
}

/// The document of an answer, or why there is none.
fn document_of(answer: Option<CommandAnswer>) -> Response {
    let Some(answer) = answer else { return stopping() };
    match answer.refused() {
        Some(refused) => problem::refusal(&refused),
        None => Json(answer.document).into_response(),
    }
}

async fn readyz(State(handle): State<Handle>) -> Response {
    let (pass, _) = handle.last_pass();
    if pass.context.is_some() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "first look in progress\n").into_response()
    }
}

async fn health(State(handle): State<Handle>, Extension(notifications): Extension<Notifications>) -> Response {
    let (pass, _) = handle.last_pass();
    let services = pass.statuses();
    let stalled = handle.stalled_since();
    let status = match pass.is_whole() && stalled.is_none() {
        _ if pass.context.is_none() => "starting",
        true => "ok",
        false => "degraded",
    };
    let mut body = json!({
        "status": status,
        "services": services.values().filter(|row| !row.deleted).count(),
        "attention": report::attention::count(&pass),
        "gaps": pass.plan.gaps.len(),
        "ledger": pass.ledger_error.is_none(),
        "source": pass.source_error.is_none(),
        "checked_at": pass.at.rfc3339(),
    });
    if let Some(since) = stalled {
        body["stalled_since"] = json!(since.rfc3339());
    }
    if let Some(heartbeat) = notifications.heartbeat() {
        let error = heartbeat.failed.map(|(why, at)| json!({"message": why, "at": at.rfc3339()}));
        body["heartbeat"] = json!({"sent_at": heartbeat.sent.map(Timestamp::rfc3339), "error": error});
    }
    Json(body).into_response()
}

async fn metrics(State(handle): State<Handle>, Extension(asked): Extension<RequestCounts>) -> Response {
    let (pass, _) = handle.last_pass();
    // A ledger that cannot be read shows as a missing part here, and in the pass.
    let applied = handle.ledger().last_applied().await.unwrap_or_default();
    let text = metrics::render(&pass, &applied, handle.meters(), &asked);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

async fn status_all(State(handle): State<Handle>) -> Response {
    Json(status_document(&handle).await).into_response()
}

/// The status document with what only the ledger knows: the last run.
async fn status_document(handle: &Handle) -> serde_json::Value {
    let (pass, next) = handle.last_pass();
    let next = (next.0 > 0).then_some(next);
    let mut document = report::status_json(&pass, next);
    if let (Ok(Some(run)), Some(object)) = (handle.ledger().last_run().await, document.as_object_mut()) {
        let run = json!({
            "id": run.id, "started_at": run.started.rfc3339(), "result": run.result, "writes": run.writes,
            "duration_s": run.ended.map(|ended| (ended - run.started).0 / 1000),
        });
        object.insert("last_run".to_owned(), run);
    }
    document
}

async fn service(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    let (pass, _) = handle.last_pass();
    match pass.statuses().get(&name) {
        Some(row) => Json(with_events(&handle, report::service_json(&pass, row), &name).await.0).into_response(),
        None => no_such(&name),
    }
}

/// The document of a service with its recent events.
async fn with_events(handle: &Handle, mut document: serde_json::Value, name: &str) -> (serde_json::Value, Vec<Event>) {
    let events = handle.ledger().events(name, EVENTS_SHOWN).await.unwrap_or_default();
    if let Some(object) = document.as_object_mut() {
        object.insert("events".to_owned(), report::events_json(&events));
    }
    (document, events)
}

async fn drift(State(handle): State<Handle>) -> Response {
    Json(report::drift_json(&handle.last_pass().0)).into_response()
}

async fn plan(State(handle): State<Handle>) -> Response {
    Json(report::plan_json(&handle.last_pass().0)).into_response()
}

/// The target of a problem's `type`.
async fn error_code_page(Path(code): Path<String>) -> Response {
    error_page(code.strip_suffix(".md").unwrap_or(&code))
}

/// The page of an error code as Markdown, or an answer that there is no such code.
pub fn error_page(code: &str) -> Response {
    match Code::parse(code).map(|code| crate::error_pages::page(code, Language::En)) {
        Some(page) => {
            let kind = [(header::CONTENT_TYPE, "text/markdown; charset=utf-8"), (header::VARY, "Accept")];
            (kind, page).into_response()
        }
        None => {
            problem(StatusCode::NOT_FOUND, Code::A1004, &format!("there is no error code {code}"), "see docs/errors")
        }
    }
}

async fn plan_text(
    State(handle): State<Handle>,
    Query(query): Query<StyleQuery>,
    Query(of): Query<PlanQuery>,
) -> Response {
    let form = match (query.markdown, query.asks) {
        (true, _) => PlanForm::Markdown,
        (false, true) => PlanForm::Asks,
        (false, false) => PlanForm::Whole,
    };
    text_answer(commands::plan(&handle, of.reference.as_deref(), query.style(), form).await)
}

/// As if the source followed another ref.
async fn preview(State(handle): State<Handle>, Query(of): Query<PlanQuery>) -> Response {
    document_of(commands::plan(&handle, of.reference.as_deref(), Style::PLAIN, PlanForm::Whole).await)
}

async fn subnets(State(handle): State<Handle>) -> Response {
    Json(subnets::document(&handle.last_pass().0)).into_response()
}

async fn subnets_text(State(handle): State<Handle>, Query(query): Query<StyleQuery>) -> Response {
    text_answer(commands::subnets(&handle, query.style()).await)
}

async fn status_text(State(handle): State<Handle>, Query(query): Query<StyleQuery>) -> Response {
    let ((pass, next), now) = (handle.last_pass(), handle.now());
    let text = report::status_text(&pass, query.listing(), now, Some(next), query.style());
    let document = service_list::document(&pass, status_document(&handle).await, query.only);
    let answer = commands::CommandAnswer { document, text, exit: 0 };
    Json(answer).into_response()
}

async fn logs_of(State(handle): State<Handle>, Query(of): Query<LogsQuery>) -> Response {
    text_answer(logs::logs(&handle, &of).await)
}

async fn logs_whole(State(handle): State<Handle>, Query(of): Query<LogsQuery>) -> Response {
    document_of(logs::logs(&handle, &of).await)
}

async fn logs_of_service(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    Query(of): Query<LogsQuery>,
) -> Response {
    let answer = logs::logs(&handle, &LogsQuery { name: Some(name.clone()), ..of }).await;
    // A container of another service may have this name.
    let answer = answer.map(|mut answer| {
        if let Some(containers) = answer.document["containers"].as_array_mut() {
            containers.retain(|one| one["service"] == name.as_str());
        }
        answer
    });
    document_of(answer)
}

/// JSON lines: one `line` each; an `end` when there is nothing to follow, or the daemon stops.
async fn logs_follow(
    State(handle): State<Handle>,
    Extension(who): Extension<Identity>,
    Query(of): Query<LogsQuery>,
) -> Response {
    let Some(seat) = StreamSlot::take(&who.account) else { return stream_limit::too_many() };
    let (lines, inbox) = follow_logs::lines();
    let ending = async move {
        let _seat = seat;
        follow_logs::follow(handle, of, lines).await
    };
    // The owner of the socket may follow without limit.
    let lasts = who.name.is_some().then_some(stream_limit::LASTS);
    act::json_lines("line", inbox, Box::pin(ending), lasts)
}

async fn events_of(
    State(handle): State<Handle>,
    Query(of): Query<EventsQuery>,
    Query(query): Query<StyleQuery>,
) -> Response {
    text_answer(Some(events::events(&handle, &of, query.lang).await))
}

async fn events_whole(
    State(handle): State<Handle>,
    Extension(who): Extension<Identity>,
    headers: HeaderMap,
    Query(of): Query<EventsQuery>,
) -> Response {
    if sse::is_requested(&headers) {
        return sse::stream(handle, &headers, &who.account, true);
    }
    document_of(Some(events::events(&handle, &of, Language::En).await))
}

async fn events_of_service(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    Query(of): Query<EventsQuery>,
) -> Response {
    let of = EventsQuery { service: Some(name), name: None, ..of };
    document_of(Some(events::events(&handle, &of, Language::En).await))
}

async fn history_of(
    State(handle): State<Handle>,
    Query(of): Query<HistoryQuery>,
    Query(query): Query<StyleQuery>,
) -> Response {
    text_answer(Some(history::history(&handle, &of, query.lang).await))
}

async fn history_whole(State(handle): State<Handle>, Query(of): Query<HistoryQuery>) -> Response {
    document_of(Some(history::history(&handle, &of, Language::En).await))
}

async fn history_of_service(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    let of = HistoryQuery { name: Some(name), ..HistoryQuery::default() };
    document_of(Some(history::history(&handle, &of, Language::En).await))
}

/// A request for an explanation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ExplainQuery {
    /// An address, or the end of it.
    pub thing: String,
}

async fn explain_of(
    State(handle): State<Handle>,
    Query(query): Query<StyleQuery>,
    Query(of): Query<ExplainQuery>,
) -> Response {
    text_answer(explain::explain(&handle, &of.thing, query.style()).await)
}

async fn explain_whole(State(handle): State<Handle>, Query(of): Query<ExplainQuery>) -> Response {
    document_of(explain::explain(&handle, &of.thing, Style::PLAIN).await)
}

/// A request for a trace.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TraceQuery {
    /// A full domain name.
    pub domain: String,
}

async fn trace_of(
    State(handle): State<Handle>,
    Query(query): Query<StyleQuery>,
    Query(of): Query<TraceQuery>,
) -> Response {
    text_answer(trace::trace(&handle, &of.domain, query.style()).await)
}

async fn trace_whole(State(handle): State<Handle>, Query(of): Query<TraceQuery>) -> Response {
    document_of(trace::trace(&handle, &of.domain, Style::PLAIN).await)
}

async fn service_text(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    Query(query): Query<StyleQuery>,
) -> Response {
    let (pass, _) = handle.last_pass();
    let row = pass.statuses().get(&name).map(|row| report::service_json(&pass, row));
    let Some(row) = row else {
        return document_of(Some(find_address::no_service(&pass, &name)));
    };
    let (document, events) = with_events(&handle, row, &name).await;
    match report::service_text(&pass, &name, &events, handle.now(), query.style()) {
        Some(text) => Json(commands::CommandAnswer { document, text, exit: 0 }).into_response(),
        None => no_such(&name),
    }
}

/// The text as the command line prints it.
fn text_answer(answer: Option<CommandAnswer>) -> Response {
    answer.map_or_else(stopping, |answer| Json(answer).into_response())
}

async fn unmanaged(State(handle): State<Handle>) -> Response {
    Json(service_list::unmanaged_json(&handle.last_pass().0)).into_response()
}

async fn schema() -> Response {
    Json(manifest::schema()).into_response()
}

fn no_such(name: &str) -> Response {
    problem(
        StatusCode::NOT_FOUND,
        Code::A1002,
        &format!("there is no service {name}"),
        "amarre status --all lists them",
    )
}

fn stopping() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, Code::A0904, "Amarre is stopping", "try again when it runs")
}
