//! HTTP in, the right call, HTTP out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::Response;
use serde_json::json;

use super::state::State;
use super::{Inner, PublishMode, records, zone_calls};
use crate::ovh_api::{Call, Incoming, Reply, credential, no_such_service, no_such_url};

pub(super) async fn handle(Shared(inner): Shared<Arc<Inner>>, request: Request) -> Response<Body> {
    let request = Incoming::read(request).await;
    let (query, call) = {
        let access = &mut inner.lock().access;
        (access.next_query(), request.admit(access, signed_as))
    };
    let names: Vec<&str> = request.names.iter().map(String::as_str).collect();
    call.map_or_else(|reply| reply, |call| dispatch(&inner, &names, &call)).response(&query)
}

/// As the client wrote it, with its port.
fn signed_as(host: &str, target: &str) -> Vec<String> {
    vec![format!("http://{host}{target}")]
}

fn dispatch(inner: &Inner, names: &[&str], call: &Call) -> Reply {
    let mut state = inner.lock();
    let reply = match (call.method.as_str(), names) {
        ("GET", ["auth", "currentCredential"]) => Reply::ok(credential(&state.access)),
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

/// The name of the right that a call needs, as the schema's `x-iam-actions` have it.
pub(super) fn action(method: &str, path: &str) -> String {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let verb = match method {
        "POST" => "create",
        "PUT" => "edit",
        "DELETE" => "delete",
        _ => "get",
    };
    match parts.as_slice() {
        ["domain", "zone"] | ["domain", "zone", _] => "dnsZone:apiovh:get".to_owned(),
        ["domain", "zone", _, what @ ("refresh" | "import" | "reset")] => format!("dnsZone:apiovh:{what}"),
        ["domain", "zone", _, what, ..] => format!("dnsZone:apiovh:{what}/{verb}"),
        _ => format!("account:apiovh:{}/{verb}", parts.join("/")),
    }
}
