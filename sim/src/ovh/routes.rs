//! HTTP in, the right call, HTTP out.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State as Shared};
use axum::http::{HeaderMap, Response};
use serde_json::{Value, json};

use super::answers::{Reply, bad_request, no_such_service, no_such_url, refused};
use super::auth::{self, Signed};
use super::state::State;
use super::{Inner, PublishMode, oauth, records, zone_calls};

/// Far above the largest zone file that anybody keeps.
const BODY_BYTES_MAX: usize = 8 << 20;

/// One call with everything that a handler may look at.
pub(super) struct Call {
    pub method: String,
    pub headers: HeaderMap,
    pub query: Vec<(String, String)>,
    pub body: Value,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut named = self.query.iter().filter(|(key, _)| key == name);
        named.next().map(|(_, value)| value.as_str())
    }
}

pub(super) async fn handle(Shared(inner): Shared<Arc<Inner>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let bytes = to_bytes(body, BODY_BYTES_MAX).await;
    let query = inner.lock().next_query();
    let Ok(bytes) = bytes else {
        return bad_request("the body is too large").response(&query);
    };
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let host = head.headers.get("host").and_then(|host| host.to_str().ok());
    let url = format!("http://{}{target}", host.unwrap_or_default());
    // `/v1` is another name of `/1.0` (python-ovh issue 141).
    let path = head.uri.path();
    let path = path.strip_prefix("/1.0").or_else(|| path.strip_prefix("/v1")).unwrap_or(path);
    let segments = segments(path);
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    let method = head.method.as_str();
    if (method, names.as_slice()) == ("GET", ["auth", "time"].as_slice()) {
        let now = inner.lock().now();
        return Reply::ok(json!(now)).response(&query);
    }
    if (method, names.as_slice()) == ("POST", ["auth", "oauth2", "token"].as_slice()) {
        let mut state = inner.lock();
        let now = state.now();
        return state.tokens.give(&bytes, now).response(&query);
    }
    let signed = Signed { method, url: &url, path, headers: &head.headers, body: &bytes };
    let refusal = {
        let state = inner.lock();
        let by_token = oauth::check(&state, &head.headers, method, path);
        by_token.unwrap_or_else(|| auth::check(&state, &signed)).err()
    };
    if let Some(why) = refusal {
        return refused(why).response(&query);
    }
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            // Guessed text.
            Err(_) => return bad_request("Invalid JSON received").response(&query),
        }
    };
    let parameters = Query::<Vec<(String, String)>>::try_from_uri(&head.uri);
    let call = Call {
        method: method.to_owned(),
        headers: head.headers.clone(),
        query: parameters.map(|Query(query)| query).unwrap_or_default(),
        body,
    };
    dispatch(&inner, &names, &call).response(&query)
}

fn dispatch(inner: &Inner, names: &[&str], call: &Call) -> Reply {
    let mut state = inner.lock();
    let reply = match (call.method.as_str(), names) {
        ("GET", ["auth", "currentCredential"]) => Reply::ok(auth::credential(&state)),
        ("GET", ["domain", "zone"]) => {
            let zones: Vec<&String> = state.zones.keys().collect();
            Reply::ok(json!(zones))
        }
        (_, ["domain", "zone", zone, rest @ ..]) => {
            if rest.iter().any(|name| name.is_empty()) || zone.is_empty() {
                no_such_url()
            } else if state.zones.contains_key(*zone) {
                in_zone(&mut state, zone, rest, call)
            } else {
                no_such_service()
            }
        }
        _ => no_such_url(),
    };
    let wrote = call.method != "GET";
    if let (PublishMode::AtOnce, true, ["domain", "zone", zone, ..]) = (state.publish, wrote, names)
        && let Some(zone) = state.zones.get(*zone)
    {
        inner.serve(zone);
    }
    reply
}

fn in_zone(state: &mut State, zone: &str, rest: &[&str], call: &Call) -> Reply {
    match (call.method.as_str(), rest) {
        ("GET", ["record"]) => records::list(state, zone, call),
        ("POST", ["record"]) => records::create(state, zone, call),
        ("GET", ["record", id]) => records::show(state, zone, id, call),
        ("PUT", ["record", id]) => records::update(state, zone, id, call),
        ("DELETE", ["record", id]) => records::delete(state, zone, id),
        (_, rest) => zone_calls::answer(state, zone, rest, call),
    }
}

/// Decoded parts of the path. One final slash does not count: lexicon lists zones with it.
fn segments(path: &str) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').map(decoded).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let pair = tail.get(..2).filter(|_| byte == b'%');
        match pair.and_then(|pair| hex::decode(pair).ok()) {
            Some(decoded) => {
                bytes.extend(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
