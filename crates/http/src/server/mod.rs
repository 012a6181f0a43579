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
pub mod sse;
mod notifications;
mod write_timeout;
mod webhook_bodies;
mod idempotency;
pub mod reads;
mod pool_machines;
mod stream_limit;

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use self::openapi::Transport;
pub use self::problem::problem;
use crate::engine::commands::follow_logs;
use crate::engine::commands::logs::LogsQuery;
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report;
use crate::notifications::Notifications;
use crate::templates::TemplateStore;
use amarre_core::manifest;
use amarre_core::model::{Code, Language, Timestamp};
use amarre_core::plan::render::Style;
use auth::{AccessControl, Identity, Permission, RequestCounts, RouteGuard};
use stream_limit::StreamSlot;

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
}

impl StyleQuery {
    fn style(self) -> Style {
        Style { ascii: self.ascii, colour: self.colour, language: self.lang }
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
    let routes = shared_routes().into_iter().chain(reads::routes(false)).chain([webhook(access)]).map(|route| {
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
    let routes: Vec<ApiRoute> =
        shared_routes().into_iter().chain(reads::routes(false)).chain([webhook(access)]).collect();
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
    let routes = shared_routes().into_iter().chain(reads::routes(true)).collect();
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
        ApiRoute::new("/api/v1/schema", get(schema), openapi::schema()),
        ApiRoute::new("/errors/{code}", get(error_code_page), openapi::page()),
        ApiRoute::new("/api/v1/act", post(act::act), openapi::act()),
        ApiRoute::new("/api/v1/logs/follow", get(logs_follow), openapi::logs_follow()),
    ];
    routes.extend(verbs::routes());
    routes.extend(pool_machines::routes());
    routes.extend(manifests::routes());
    routes.extend(users::routes());
    routes.extend(tokens::routes());
    routes.extend(notifications::routes());
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

async fn schema() -> Response {
    Json(manifest::schema()).into_response()
}

fn stopping() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, Code::A0904, "Amarre is stopping", "try again when it runs")
}

fn no_such(name: &str) -> Response {
    problem(
        StatusCode::NOT_FOUND,
        Code::A1002,
        &format!("there is no service {name}"),
        "amarre status --all lists them",
    )
}
