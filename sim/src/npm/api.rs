//! The admin API: reads one request, answers it under the lock, words failures as NPM words them.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State as Extracted};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::kinds::Kind;
use super::nginx::Refused;
use super::people::Caller;
use super::state::{Shared, State};
use super::{NpmVersion, access_lists, certificates, hosts, multipart, people, versions};

/// Bodies beyond this are refused (ph-body-too-large).
const JSON_BYTES_MAX: usize = 100 * 1024;

/// Uploads of certificates may be larger; this is far beyond any chain.
const UPLOAD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Only what succeeds says who served it.
const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");
const LOOPBACK: HeaderValue = HeaderValue::from_static("127.0.0.1");

const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

/// One request, read.
#[derive(Debug)]
pub(super) struct Call {
    pub method: String,
    /// Without `/api` and query.
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub token: Option<String>,
    pub body: Payload,
}

/// What came as body.
#[derive(Debug)]
pub(super) enum Payload {
    Json(Value),
    Parts(BTreeMap<String, String>),
}

/// What is answered when all goes well.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub body: Value,
}

/// An error answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub status: u16,
    pub message: String,
    pub message_i18n: Option<Value>,
    pub debug: Option<Value>,
    /// Whether the body has the code too.
    pub has_code: bool,
}

pub(super) type Answer = Result<Reply, Failure>;

pub(super) fn router(shared: Shared) -> Router {
    Router::new().fallback(answer).with_state(shared)
}

async fn answer(Extracted(shared): Extracted<Shared>, request: Request) -> Response {
    if shared.lock().backend_down {
        return bad_gateway();
    }
    if request.method() == axum::http::Method::OPTIONS {
        return preflight(request.headers());
    }
    let path = request.uri().path();
    let path = path.strip_prefix("/api").unwrap_or(path).to_owned();
    let version = shared.lock().version;
    let answer = match read(&path, request).await {
        Ok(mut call) => {
            versions::age(version, &mut call);
            let mut state = shared.lock();
            dispatch(&mut state, &call)
        }
        Err(failure) => Err(failure),
    };
    match answer {
        Ok(reply) => respond(reply.status, &reply.body),
        Err(failure) => versions::word(version, failure, &path).respond(&path),
    }
}

async fn read(path: &str, request: Request) -> Result<Call, Failure> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let boundary = kind.starts_with("multipart/form-data").then(|| kind.split_once("boundary="));
    let limit = if boundary.is_some() { UPLOAD_BYTES_MAX } else { JSON_BYTES_MAX };
    let bytes = to_bytes(body, limit).await.map_err(|_| Failure::new(413, "Internal Error"))?;
    let body = match boundary {
        Some(Some((_, boundary))) => Payload::Parts(multipart::read(&bytes, boundary)),
        Some(None) => Payload::Parts(BTreeMap::new()),
        None if bytes.is_empty() => Payload::Json(json!({})),
        // token-post-malformed-json
        None => Payload::Json(serde_json::from_slice(&bytes).map_err(|_| Failure::new(400, "Internal Error"))?),
    };
    let query = Query::<BTreeMap<String, String>>::try_from_uri(&parts.uri);
    let token = parts.headers.get(header::AUTHORIZATION);
    let token = token.and_then(|token| token.to_str().ok()?.strip_prefix("Bearer "));
    Ok(Call {
        method: parts.method.to_string(),
        path: path.to_owned(),
        query: query.map(|Query(query)| query).unwrap_or_default(),
        token: token.map(str::to_owned),
        body,
    })
}

fn dispatch(state: &mut State, call: &Call) -> Answer {
    let segments: Vec<&str> = call.path.split('/').filter(|part| !part.is_empty()).collect();
    match (call.method.as_str(), segments.as_slice()) {
        ("GET", []) => Ok(people::health(state)),
        ("GET", ["version", "check"]) => Ok(people::version_check()),
        ("POST", ["tokens"]) => people::log_in(state, call),
        ("GET", ["tokens"]) => people::refresh(state, call),
        ("GET", ["audit-log"]) => people::audit_log(state, call),
        ("GET", ["reports", "hosts"]) => people::count_hosts(state, call),
        (_, ["settings", rest @ ..]) => people::settings(state, call, rest),
        (_, ["users", rest @ ..]) => people::users(state, call, rest),
        (_, ["nginx", route, rest @ ..]) => match Kind::of_route(route) {
            Some(kind) => dispatch_rows(state, call, kind, rest),
            None => Err(Failure::hidden(call)),
        },
        _ => Err(Failure::hidden(call)),
    }
}

fn dispatch_rows(state: &mut State, call: &Call, kind: Kind, rest: &[&str]) -> Answer {
    if kind == Kind::Certificate
        && let Some(answer) = certificates::special(state, call, rest)
    {
        return answer;
    }
    match (call.method.as_str(), rest) {
        ("GET", []) => hosts::list(state, call, kind),
        ("POST", []) => match kind {
            Kind::ProxyHost | Kind::RedirectionHost | Kind::DeadHost | Kind::Stream => hosts::create(state, call, kind),
            Kind::AccessList => access_lists::create(state, call),
            Kind::Certificate => certificates::create(state, call),
        },
        ("GET", [id]) => hosts::get(state, call, kind, row_id(id)?),
        ("PUT", [id]) => match kind {
            Kind::ProxyHost | Kind::RedirectionHost | Kind::DeadHost | Kind::Stream => {
                hosts::update(state, call, kind, row_id(id)?)
            }
            Kind::AccessList => access_lists::update(state, call, row_id(id)?),
            // cert-put-not-supported
            Kind::Certificate => Err(Failure::hidden(call)),
        },
        ("DELETE", [id]) => match kind {
            Kind::ProxyHost | Kind::RedirectionHost | Kind::DeadHost | Kind::Stream => {
                hosts::delete(state, call, kind, row_id(id)?)
            }
            Kind::AccessList => access_lists::delete(state, call, row_id(id)?),
            Kind::Certificate => certificates::delete(state, call, row_id(id)?),
        },
        ("POST", [id, "enable"]) if Kind::HOSTS.contains(&kind) => hosts::enable(state, call, kind, row_id(id)?),
        ("POST", [id, "disable"]) if Kind::HOSTS.contains(&kind) => hosts::disable(state, call, kind, row_id(id)?),
        _ => Err(Failure::hidden(call)),
    }
}

/// ph-get-nonint
pub(super) fn row_id(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::new(400, "Internal Error"))
}

impl Call {
    pub(super) fn json(&self) -> Value {
        match &self.body {
            Payload::Json(value) => value.clone(),
            Payload::Parts(_) => json!({}),
        }
    }

    /// What to add of related rows; a relation that the kind does not have is a 500.
    pub(super) fn expansions(&self, version: NpmVersion, kind: Kind) -> Result<Vec<&str>, Failure> {
        let asked = self.query.get("expand").map_or("", String::as_str);
        let asked: Vec<&str> = asked.split(',').filter(|name| !name.is_empty()).collect();
        let known = versions::expansions(version, kind);
        if asked.iter().all(|name| known.contains(name)) { Ok(asked) } else { Err(Failure::internal()) }
    }
}

impl Reply {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    pub(super) fn created(body: Value) -> Self {
        Self { status: 201, body }
    }
}

impl Failure {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), message_i18n: None, debug: None, has_code: true }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub(super) fn internal() -> Self {
        Self::new(500, "Internal Error")
    }

    /// No such row, or one that the caller does not see: names the id.
    pub(super) fn absent(id: u64) -> Self {
        Self::new(404, format!("Not Found - {id}"))
    }

    /// No such route, no token or no permission: names the path (perm-readonly-put-others).
    pub(super) fn hidden(call: &Call) -> Self {
        Self::new(404, format!("Not Found - {}", call.path))
    }

    pub(super) fn with_i18n(mut self, text: Value) -> Self {
        self.message_i18n = Some(text);
        self
    }

    pub(super) fn with_debug(mut self, debug: Value) -> Self {
        self.debug = Some(debug);
        self
    }

    fn respond(self, path: &str) -> Response {
        let mut error = json!({"message": self.message});
        if self.has_code {
            error["code"] = json!(self.status);
        }
        if let Some(text) = self.message_i18n {
            error["message_i18n"] = text;
        }
        let mut body = json!({"error": error});
        // Only the routes of certificates tell more (cert-put-not-supported).
        if path.starts_with("/nginx/certificates") {
            let stack = format!("Error: {}", self.message);
            let stack: Vec<&str> = stack.split('\n').collect();
            body["debug"] = self.debug.unwrap_or_else(|| json!({"stack": stack}));
        }
        respond(self.status, &body)
    }
}

impl From<Refused> for Failure {
    fn from(_: Refused) -> Self {
        Self::internal()
    }
}

/// Whether the caller may do this to rows of `kind`.
pub(super) fn permit(state: &State, call: &Call, kind: Kind, need: people::Need) -> Result<Caller, Failure> {
    let permitted = people::permit(state, call, kind, need)?;
    permitted.ok_or_else(|| match (kind, call.method.as_str()) {
        // perm-readonly-create: the error handler of this one route trips over the error.
        (Kind::ProxyHost, "POST") if call.path.ends_with("proxy-hosts") && state.version > NpmVersion::V2_12 => {
            Failure::internal()
        }
        _ => Failure::hidden(call),
    })
}

fn respond(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    let mut response = (status, kind, body.to_string()).into_response();
    if status.is_success() {
        response.headers_mut().insert(SERVED_BY, LOOPBACK);
    }
    response
}

fn preflight(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(SERVED_BY, LOOPBACK);
    if let Some(origin) = headers.get(header::ORIGIN) {
        let allowed = header::ACCESS_CONTROL_ALLOW_ORIGIN;
        response.headers_mut().insert(allowed, origin.clone());
    }
    response
}

/// What the nginx in front answers for a backend that is gone, or for an upstream (backend-down-502).
pub(super) fn bad_gateway() -> Response {
    let mut response = Response::new(Body::from(BAD_GATEWAY));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    let kind = HeaderValue::from_static("text/html");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
