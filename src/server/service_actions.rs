//! `POST /api/v1/services/NAME/VERB`: the commands about one service, with its name in the path. Each is the [`Act`] of
//! the same name, and is answered as that is at `/api/v1/act`.

use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Map, Value, json};

use super::act::stream_answer;
use super::auth::Identity;
use super::openapi::{Operation, flag_type, or_null, text, timeout, until_time};
use super::{ApiRoute, JsonBody, StyleQuery};
use crate::engine::commands::Act;

/// One command.
struct ActionVerb {
    /// Its name in `Act` and on the command line.
    word: &'static str,
    path: &'static str,
    summary: &'static str,
    /// Its body: all arguments but the name.
    body: fn() -> Value,
}

/// The commands about one service, but for `destroy`, which takes several.
const VERBS: [ActionVerb; 6] = [
    ActionVerb {
        word: "cancel",
        path: "/api/v1/services/{name}/cancel",
        summary: "Stops waiting for a service and changing it, and leaves it as it stands",
        body: || json!({"by": text()}),
    },
    ActionVerb {
        word: "reconcile",
        path: "/api/v1/services/{name}/reconcile",
        summary: "Puts a service right",
        body: || json!({"timeout_ms": timeout()}),
    },
    ActionVerb {
        word: "resume",
        path: "/api/v1/services/{name}/resume",
        summary: "Takes a service up again",
        body: || json!({}),
    },
    ActionVerb {
        word: "retry",
        path: "/api/v1/services/{name}/retry",
        summary: "Forgets that anything of a service failed, and tries again now",
        body: || json!({"timeout_ms": timeout()}),
    },
    ActionVerb {
        word: "rollback",
        path: "/api/v1/services/{name}/rollback",
        summary: "Puts the containers of a service back as they were when all was well, and leaves them so",
        body: || json!({"to": or_null(text()), "dry_run": flag_type(), "by": text(), "timeout_ms": timeout()}),
    },
    ActionVerb {
        word: "suspend",
        path: "/api/v1/services/{name}/suspend",
        summary: "Leaves a service alone",
        body: || json!({"why": text(), "until_ms": or_null(until_time()), "by": text()}),
    },
];

pub(super) fn routes() -> Vec<ApiRoute> {
    VERBS.into_iter().map(route).collect()
}

fn route(verb: ActionVerb) -> ApiRoute {
    let word = verb.word;
    let handler = post(
        async move |State(handle),
                    Extension(who): Extension<Identity>,
                    Path(name): Path<String>,
                    Query(query): Query<StyleQuery>,
                    JsonBody(body): JsonBody<Map<String, Value>>| {
            match parse_act(word, name, body) {
                Ok(act) => stream_answer(handle, act, query, &who).await,
                Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
            }
        },
    );
    ApiRoute::new(verb.path, handler, Operation::acts_on_service(word, verb.summary, (verb.body)()))
}

/// The command of a request.
fn parse_act(word: &str, name: String, mut body: Map<String, Value>) -> Result<Act, String> {
    if body.insert("service".to_owned(), json!(name)).is_some() {
        return Err("unknown field `service`: it is in the path".to_owned());
    }
    let act: Act = serde_json::from_value(json!({word: body})).map_err(|error| error.to_string())?;
    act.unsupported_request().map_or(Ok(act), Err)
}
