//! `/api/v1/pools/NAME/machines`: puts one machine into a pool, and takes one out, by the verbs of the table.

use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::act::answer_if_allowed;
use super::auth::Identity;
use super::openapi::{self, Operation, flag_type, or_null, text};
use super::{ApiRoute, JsonBody, StyleQuery};
use crate::accounts::Role;
use crate::engine::commands::Act;
use crate::engine::commands::act::TIMEOUT_MS_MAX;
use crate::engine::commands::verbs::{POOL_REGISTER, POOL_UNREGISTER};
use crate::engine::reconcile::daemon::Handle;

pub(super) fn routes() -> Vec<ApiRoute> {
    let port = json!({"type": "integer", "minimum": 1, "maximum": 65_535});
    let machine = json!({
        "name": text(), "address": text(), "port": or_null(port), "user": or_null(text()), "password": or_null(text()),
        "host_key": or_null(text()),
    });
    let machine = (machine, &["name", "address"][..]);
    let timeout = json!({"type": "integer", "minimum": 0, "maximum": TIMEOUT_MS_MAX});
    let acts = |operation: Operation| {
        operation
            .parameter(openapi::in_path("name", "The pool's name"))
            .returns(200, "JSON lines: one `end`", "application/x-ndjson", &openapi::named("ActLine"))
            .refuses(404, "A1002: there is no such thing")
            .refuses(409, "It was not done; the code says why")
            .refuses(503, openapi::STOPPING)
            .only(Role::Admin)
    };
    let registers =
        Operation::writes("post", "register_machine", "Puts a machine into a pool's manifest", Some(machine));
    let removes = Operation::writes("delete", "unregister_machine", "Takes a machine out of a pool's manifest", None)
        .parameter(openapi::in_path("machine", "Its name in the pool"))
        .parameter(openapi::in_query("drain", "Wait until nobody has it", &flag_type()))
        .parameter(openapi::in_query("timeout_ms", "Stop waiting after this long", &timeout))
        .checks_query();
    vec![
        ApiRoute::new("/api/v1/pools/{name}/machines", post(register), acts(registers)),
        ApiRoute::new("/api/v1/pools/{name}/machines/{machine}", delete(unregister), acts(removes)),
    ]
}

async fn register(
    State(handle): State<Handle>,
    Extension(who): Extension<Identity>,
    Path(name): Path<String>,
    JsonBody(mut body): JsonBody<Map<String, Value>>,
) -> Response {
    for key in ["pool", "list", "by"] {
        if body.contains_key(key) {
            return (StatusCode::UNPROCESSABLE_ENTITY, format!("unknown field `{key}`")).into_response();
        }
    }
    body.insert("pool".to_owned(), json!(name));
    match Act::parse(&POOL_REGISTER, body) {
        Ok(act) => answer_if_allowed(handle, act.asked_by(&who.account), StyleQuery::default(), &who).await,
        Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
    }
}

/// Whether a machine that is reserved is waited for, and how long.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Draining {
    drain: bool,
    timeout_ms: Option<i64>,
}

async fn unregister(
    State(handle): State<Handle>,
    Extension(who): Extension<Identity>,
    Path((name, machine)): Path<(String, String)>,
    Query(draining): Query<Draining>,
) -> Response {
    let act =
        Act::new(&POOL_UNREGISTER).with("pool", name).with("machines", vec![machine]).with("drain", draining.drain);
    let act = act.with("timeout_ms", draining.timeout_ms);
    match act.out_of_range() {
        None => answer_if_allowed(handle, act.asked_by(&who.account), StyleQuery::default(), &who).await,
        Some(why) => (StatusCode::BAD_REQUEST, why).into_response(),
    }
}
