//! `/api/v1/pools`: machines that people reserve, and the verbs about one pool.

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use super::act::stream_answer;
use super::auth::Identity;
use super::openapi::Operation;
use super::{ApiRoute, JsonBody, StyleQuery, document_of, openapi, text_answer};
use crate::engine::commands::act::{Act, PoolVerb, VerbRow};
use crate::engine::commands::pools as commands;
use crate::engine::commands::verbs::VERBS;
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::pools;
use amarre_core::plan::render::Style;

pub(super) fn routes() -> Vec<ApiRoute> {
    let mut routes = vec![
        ApiRoute::new("/api/v1/pools", get(list), openapi::pools()),
        ApiRoute::new("/api/v1/pools/{name}", get(one), openapi::pool()),
        ApiRoute::new("/api/v1/pools/{name}/history", get(history), openapi::pool_history()),
    ];
    routes.extend(VERBS.into_iter().filter_map(|row| Some(route(row, row.of_pool()?))));
    routes
}

/// Texts for the command line of the same version.
pub(super) fn command_line_routes() -> Vec<ApiRoute> {
    vec![
        ApiRoute::new("/api/v1/pools/text", get(list_text), openapi::pools_text()),
        ApiRoute::new("/api/v1/pools/{name}/text", get(one_text), openapi::pool_text()),
        ApiRoute::new("/api/v1/pools/{name}/history/text", get(history_text), openapi::pool_history_text()),
        ApiRoute::new("/api/v1/pool-key/text", get(key_text), openapi::pool_key_text()),
    ]
}

async fn list(State(handle): State<Handle>) -> Response {
    Json(pools::document(&pools::rows(&handle.last_pass().0))).into_response()
}

async fn one(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    document_of(Some(commands::show(&handle.last_pass().0, &name, Style::PLAIN)))
}

async fn history(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    document_of(Some(commands::history(handle.ledger(), &handle.last_pass().0, &name, Style::PLAIN).await))
}

async fn list_text(State(handle): State<Handle>, Query(style): Query<StyleQuery>) -> Response {
    text_answer(Some(commands::list(&handle.last_pass().0, style.style())))
}

async fn one_text(State(handle): State<Handle>, Path(name): Path<String>, Query(style): Query<StyleQuery>) -> Response {
    text_answer(Some(commands::show(&handle.last_pass().0, &name, style.style())))
}

async fn history_text(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    Query(style): Query<StyleQuery>,
) -> Response {
    text_answer(Some(commands::history(handle.ledger(), &handle.last_pass().0, &name, style.style()).await))
}

async fn key_text(State(handle): State<Handle>) -> Response {
    text_answer(Some(commands::key(&handle.last_pass().0).await))
}

fn route(row: &'static VerbRow, verb: PoolVerb) -> ApiRoute {
    let handler = post(
        async move |State(handle): State<Handle>,
                    Extension(who): Extension<Identity>,
                    Path(name): Path<String>,
                    Query(query): Query<StyleQuery>,
                    JsonBody(body): JsonBody<Map<String, Value>>| {
            match parse_act(row, name, body) {
                Ok(act) => {
                    // What others reserved is not for everybody.
                    let needed = (row.role)(&act.args, handle.last_pass().0.consented);
                    if who.role < needed {
                        return super::auth::denied(who.role, needed);
                    }
                    stream_answer(handle, act, query, &who).await
                }
                Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
            }
        },
    );
    let path = format!("/api/v1/pools/{{name}}/{}", verb.word);
    ApiRoute::new(path, handler, Operation::acts_on_pool(row, verb.summary))
}

/// The command of a request.
fn parse_act(row: &'static VerbRow, name: String, mut body: Map<String, Value>) -> Result<Act, String> {
    if body.insert("pool".to_owned(), json!(name)).is_some() {
        return Err("unknown field `pool`: it is in the path".to_owned());
    }
    Act::parse(row, body)
}
