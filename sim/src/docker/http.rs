//! The HTTP face: paths to calls, refusals to bodies, and the headers that every answer of the engine carries.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::query::{Query, decode};
use super::state::{Answer, Engine, Refusal, State, refuse};
use super::{build, events, lists, shapes, streams, system};

/// No request of a client comes near this.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
const VERSION_MIN: (u32, u32) = (1, 12);

/// What a call answers.
pub(super) enum Reply {
    Json(u16, Value),
    Empty(u16),
    Full(Response),
}

pub(super) fn router(engine: Arc<Engine>) -> Router {
    Router::new().fallback(handle).with_state(engine)
}

async fn handle(Shared(engine): Shared<Arc<Engine>>, request: Request) -> Response {
    let (down, version) = {
        let state = engine.lock();
        (state.down, state.options.api_version.clone())
    };
    if down {
        return cut();
    }
    let path = Some(request.uri().path().to_owned()).filter(|_| request.method() == Method::GET);
    // An engine answers in the shapes of the version that it is asked in.
    let asked = path.as_deref().and_then(|path| path.trim_start_matches('/').split('/').next()).and_then(version_of);
    let own = || version_of(&format!("v{version}")).unwrap_or(VERSION_MIN);
    let (_, minor) = asked.unwrap_or_else(own);
    match answer(&engine, &version, request).await {
        Ok(Reply::Json(status, mut body)) => {
            if let Some(path) = path.filter(|_| status == 200) {
                shapes::newer(minor, &path, &mut body);
            }
            with_headers(json_response(status, &body), &version)
        }
        Ok(Reply::Empty(status)) => with_headers(empty(status), &version),
        Ok(Reply::Full(response)) => with_headers(response, &version),
        // An unknown path is answered before the engine's own headers are put on.
        Err(refusal) if refusal.message == "page not found" => failure(&refusal),
        Err(refusal) => with_headers(failure(&refusal), &version),
    }
}

async fn answer(engine: &Arc<Engine>, version: &str, request: Request) -> Answer<Reply> {
    let (mut parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let path = parts.uri.path().trim_matches('/');
    // Decoded one by one: a name may have a slash in it.
    let path: Vec<String> = path.split('/').map(|segment| decode(segment, false)).collect();
    let mut segments: Vec<&str> = path.iter().map(String::as_str).collect();
    if let Some(asked) = segments.first().copied().and_then(version_of) {
        check_version(asked, version)?;
        segments.remove(0);
    }
    let upgrade = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
    let asks_upgrade = parts.headers.contains_key("upgrade");
    let upgrade = upgrade.filter(|_| asks_upgrade);
    let Ok(bytes) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return refuse(400, "request body too large");
    };
    let body = || parse_body(&bytes);
    let method = if parts.method == Method::HEAD { "GET" } else { parts.method.as_str() };
    match (method, segments.as_slice()) {
        ("GET", ["events"]) => {
            let known = [
                "type",
                "event",
                "container",
                "image",
                "network",
                "volume",
                "label",
                "scope",
                "daemon",
                "plugin",
                "service",
                "node",
                "secret",
                "config",
            ];
            let filters = query.filters(&known)?;
            let body = events::stream_of(engine, &query, filters);
            Ok(Reply::Full(streams::response("application/json", body)))
        }
        ("GET", ["containers", id, "logs"]) => streams::logs(engine, id, &query),
        ("POST", ["containers", id, "wait"]) => streams::wait(engine, id, &query),
        ("POST", ["exec", id, "start"]) => streams::exec(engine, id, &body()?, upgrade).await,
        ("PUT", ["containers", id, "archive"]) => {
            engine.lock().upload(id, query.text("path"), &bytes)?;
            Ok(Reply::Empty(200))
        }
        (_, ["containers", ..]) => containers(&mut engine.lock(), method, &segments, &query, &body),
        (_, ["exec", ..]) => match (method, segments.as_slice()) {
            ("GET", ["exec", id, "json"]) => Ok(Reply::Json(200, engine.lock().show_exec(id)?)),
            ("POST", ["exec", _, "resize"]) => Ok(Reply::Empty(200)),
            _ => refuse(404, "page not found"),
        },
        (_, ["networks", ..]) => networks(&mut engine.lock(), method, &segments, &query, &body),
        (_, ["volumes", ..]) => volumes(&mut engine.lock(), method, &segments, &query, &body),
        (_, ["images" | "distribution", ..]) => images(&mut engine.lock(), method, &segments, &query),
        ("POST", ["build"]) => build::build(engine, &query, &bytes),
        ("GET", ["_ping"]) => Ok(Reply::Full(system::ping(parts.method == Method::HEAD))),
        ("GET", ["version"]) => Ok(Reply::Json(200, system::version(version))),
        ("GET", ["info"]) => Ok(Reply::Json(200, system::info(&engine.lock()))),
        ("GET", ["system", "df"]) => Ok(Reply::Json(200, system::disk_use(&engine.lock()))),
        _ => refuse(404, "page not found"),
    }
}

/// Only some calls have a body, so only they may complain of a broken one.
type ReadBody<'a> = &'a dyn Fn() -> Answer<Map<String, Value>>;

fn containers(state: &mut State, method: &str, path: &[&str], query: &Query, body: ReadBody<'_>) -> Answer<Reply> {
    let quiet = |started: bool| Ok(Reply::Empty(if started { 204 } else { 304 }));
    match (method, path) {
        ("GET", [_, "json"]) => Ok(Reply::Json(200, lists::containers(state, query)?)),
        ("POST", [_, "create"]) => {
            let id = state.create(query.text("name"), query.text("platform"), &body()?)?;
            Ok(Reply::Json(201, json!({"Id": id, "Warnings": []})))
        }
        ("GET", [_, id, "json"]) => {
            let index = state.find(id)?;
            let key = state.containers[index].id.clone();
            state.looked_at(index);
            let index = state.find(&key)?;
            Ok(Reply::Json(200, state.inspect(index)))
        }
        ("POST", [_, id, "start"]) => quiet(state.start(id)?),
        ("POST", [_, id, "stop"]) => quiet(state.stop(id)?),
        ("POST", [_, id, "restart"]) => {
            state.restart(id)?;
            Ok(Reply::Empty(204))
        }
        ("POST", [_, id, "kill"]) => {
            state.kill(id, query.text("signal"))?;
            Ok(Reply::Empty(204))
        }
        ("POST", [_, id, "rename"]) => {
            state.rename(id, query.text("name"))?;
            Ok(Reply::Empty(204))
        }
        ("POST", [_, id, "update"]) => {
            state.update(id, &body()?)?;
            Ok(Reply::Json(200, json!({"Warnings": null})))
        }
        ("POST", [_, id, "exec"]) => {
            let exec = state.create_exec(id, &body()?)?;
            Ok(Reply::Json(201, json!({"Id": exec})))
        }
        ("DELETE", [_, id]) => {
            state.remove(id, query.flag("force"), query.flag("v"))?;
            Ok(Reply::Empty(204))
        }
        _ => refuse(404, "page not found"),
    }
}

fn networks(state: &mut State, method: &str, path: &[&str], query: &Query, body: ReadBody<'_>) -> Answer<Reply> {
    match (method, path) {
        ("GET", [_]) => Ok(Reply::Json(200, lists::networks(state, query)?)),
        ("POST", [_, "create"]) => Ok(Reply::Json(201, state.create_network(&body()?)?)),
        ("GET", [_, id]) => {
            let index = state.find_network(id).map_err(|mut refusal| {
                // Only here the same is said the other way round (20.10).
                if let Some((what, how)) = refusal.message.clone().split_once(" (") {
                    refusal.message = format!("{}: {what}", how.trim_end_matches(')'));
                }
                refusal
            })?;
            Ok(Reply::Json(200, state.show_network(index, true)))
        }
        ("DELETE", [_, id]) => {
            state.delete_network(id)?;
            Ok(Reply::Empty(204))
        }
        ("POST", [_, id, "connect"]) => {
            state.connect(id, &body()?)?;
            Ok(Reply::Empty(200))
        }
        ("POST", [_, id, "disconnect"]) => {
            state.disconnect(id, &body()?)?;
            Ok(Reply::Empty(200))
        }
        _ => refuse(404, "page not found"),
    }
}

fn volumes(state: &mut State, method: &str, path: &[&str], query: &Query, body: ReadBody<'_>) -> Answer<Reply> {
    match (method, path) {
        ("GET", [_]) => Ok(Reply::Json(200, lists::volumes(state, query)?)),
        ("POST", [_, "create"]) => Ok(Reply::Json(201, state.create_volume(&body()?)?)),
        ("GET", [_, name]) => Ok(Reply::Json(200, state.show_volume(name)?)),
        ("DELETE", [_, name]) => {
            state.delete_volume(name, query.flag("force"))?;
            Ok(Reply::Empty(204))
        }
        _ => refuse(404, "page not found"),
    }
}

/// Image names have slashes in them.
fn images(state: &mut State, method: &str, path: &[&str], query: &Query) -> Answer<Reply> {
    match (method, path) {
        ("GET", ["images", "json"]) => Ok(Reply::Json(200, lists::images(state, query)?)),
        ("POST", ["images", "create"]) => streams::pull(state, query),
        ("GET", ["images", name @ .., "json"]) => {
            let name = name.join("/");
            let Some(index) = state.find_image(&name) else {
                let full = super::images::Reference::parse(&name).full();
                return refuse(404, format!("no such image: {name}: No such image: {full}"));
            };
            Ok(Reply::Json(200, super::images::inspected(&state.images[index])))
        }
        ("POST", ["images", name @ .., "tag"]) => {
            state.tag_image(&name.join("/"), query.text("repo"), query.text("tag"))?;
            Ok(Reply::Empty(201))
        }
        ("DELETE", ["images", name @ ..]) if !name.is_empty() => {
            let gone = state.delete_image(&name.join("/"), query.flag("force"))?;
            Ok(Reply::Json(200, gone))
        }
        ("GET", ["distribution", name @ .., "json"]) => Ok(Reply::Json(200, state.distribution(&name.join("/"))?)),
        _ => refuse(404, "page not found"),
    }
}

fn parse_body(bytes: &[u8]) -> Answer<Map<String, Value>> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => refuse(400, "json: cannot unmarshal value into an object"),
        Err(error) if error.is_eof() => refuse(500, "unexpected EOF"),
        Err(error) => refuse(500, format!("invalid JSON: {error}")),
    }
}

/// `v1.41` as numbers, so that 1.9 is older than 1.10.
fn version_of(segment: &str) -> Option<(u32, u32)> {
    let (major, minor) = segment.strip_prefix('v')?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn check_version(asked: (u32, u32), own: &str) -> Answer<()> {
    let (major, minor) = asked;
    let newest = version_of(&format!("v{own}")).unwrap_or((1, 41));
    if asked > newest {
        return refuse(
            400,
            format!("client version {major}.{minor} is too new. Maximum supported API version is {own}"),
        );
    }
    if asked < VERSION_MIN {
        let (least_major, least) = VERSION_MIN;
        return refuse(
            400,
            format!(
                "client version {major}.{minor} is too old. Minimum supported API version is {least_major}.{least}, \
                 please upgrade your client to a newer version"
            ),
        );
    }
    Ok(())
}

fn json_response(status: u16, body: &Value) -> Response {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status_code(status);
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", kind);
    response
}

fn failure(refusal: &Refusal) -> Response {
    json_response(refusal.status, &json!({"message": refusal.message}))
}

fn empty(status: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status_code(status);
    response
}

fn with_headers(mut response: Response, version: &str) -> Response {
    let headers = response.headers_mut();
    if let Ok(version) = HeaderValue::from_str(version) {
        headers.insert("api-version", version);
    }
    for (name, value) in [("docker-experimental", "false"), ("ostype", "linux"), ("server", "Docker/20.10.24 (linux)")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The engine is away: the connection ends without a usable answer.
fn cut() -> Response {
    let broken = futures_util::stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("the engine is down")) });
    Response::new(Body::from_stream(broken))
}
