//! `/api/v1/pools`: machines that people reserve, and the verbs about one pool.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{ApiRoute, StyleQuery, document_of, openapi, text_answer};
use crate::engine::commands::pools as commands;
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::pools;
use amarre_core::plan::render::Style;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        ApiRoute::new("/api/v1/pools", get(list), openapi::pools()),
        ApiRoute::new("/api/v1/pools/{name}", get(one), openapi::pool()),
        ApiRoute::new("/api/v1/pools/{name}/history", get(history), openapi::pool_history()),
    ]
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
