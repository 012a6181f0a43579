//! `/api/v1/instances`: the servers of all clouds, and the verbs about one of them.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::{ApiRoute, StyleQuery, document_of, openapi, page_length, text_answer};
use crate::engine::commands::instance_answers as commands;
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::instances::{self, InstancesQuery};
use amarre_core::plan::render::Style;

/// The largest page.
const LIMIT: usize = 1_000;

/// The page of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListPage {
    limit: Option<u32>,
    cursor: Option<u32>,
}

/// How much of a log.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct LogPage {
    lines: u32,
}

impl Default for LogPage {
    fn default() -> Self {
        Self { lines: commands::LOG_LINES }
    }
}

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        ApiRoute::new("/api/v1/instances", get(list), openapi::instances()),
        ApiRoute::new("/api/v1/instances/{name}", get(one), openapi::instance()),
        ApiRoute::new("/api/v1/instances/{name}/schedule", get(schedule), openapi::instance_schedule()),
        ApiRoute::new("/api/v1/instances/{name}/logs", get(logs), openapi::instance_logs()),
    ]
}

/// Texts for the command line of the same version.
pub(super) fn command_line_routes() -> Vec<ApiRoute> {
    vec![
        ApiRoute::new("/api/v1/instances/text", get(list_text), openapi::instances_text()),
        ApiRoute::new("/api/v1/instances/{name}/text", get(one_text), openapi::instance_text()),
        ApiRoute::new("/api/v1/instances/{name}/schedule/text", get(schedule_text), openapi::instance_schedule_text()),
        ApiRoute::new("/api/v1/instances/{name}/logs/text", get(logs_text), openapi::instance_logs_text()),
        ApiRoute::new("/api/v1/instances/manifests/text", get(manifests_text), openapi::instance_manifests_text()),
    ]
}

async fn list(
    State(handle): State<Handle>,
    Query(of): Query<InstancesQuery>,
    Query(page): Query<ListPage>,
) -> Response {
    if let Some(why) = of.mistake() {
        return (StatusCode::BAD_REQUEST, why.to_string()).into_response();
    }
    let length = match page_length(page.limit, LIMIT) {
        Ok(length) => length,
        Err(why) => return (StatusCode::BAD_REQUEST, why).into_response(),
    };
    super::spawn_detached(commands::read_prices(handle.clone()));
    let (pass, _) = handle.last_pass();
    let rows = of.select(&pass);
    let from = page.cursor.and_then(|at| usize::try_from(at).ok()).unwrap_or_default().min(rows.len());
    let to = (from + length).min(rows.len());
    Json(instances::document(&pass, &rows, from..to)).into_response()
}

async fn one(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    super::spawn_detached(commands::read_prices(handle.clone()));
    document_of(Some(commands::show(handle.ledger(), &handle.last_pass().0, &name, Style::PLAIN).await))
}

async fn schedule(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    document_of(Some(commands::schedule(&handle.last_pass().0, handle.now(), &name, Style::PLAIN)))
}

async fn logs(State(handle): State<Handle>, Path(name): Path<String>, Query(page): Query<LogPage>) -> Response {
    let pass = handle.last_pass().0;
    document_of(Some(commands::logs(handle.ledger(), &pass, &name, page.lines, Style::PLAIN).await))
}

async fn logs_text(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    Query(page): Query<LogPage>,
    Query(style): Query<StyleQuery>,
) -> Response {
    let pass = handle.last_pass().0;
    text_answer(Some(commands::logs(handle.ledger(), &pass, &name, page.lines, style.style()).await))
}

async fn list_text(
    State(handle): State<Handle>,
    Query(style): Query<StyleQuery>,
    Query(of): Query<InstancesQuery>,
) -> Response {
    text_answer(Some(commands::list(&handle.last_pass().0, &of, style.wide, style.style())))
}

async fn one_text(State(handle): State<Handle>, Path(name): Path<String>, Query(style): Query<StyleQuery>) -> Response {
    super::spawn_detached(commands::read_prices(handle.clone()));
    text_answer(Some(commands::show(handle.ledger(), &handle.last_pass().0, &name, style.style()).await))
}

async fn schedule_text(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    Query(style): Query<StyleQuery>,
) -> Response {
    text_answer(Some(commands::schedule(&handle.last_pass().0, handle.now(), &name, style.style())))
}

async fn manifests_text(State(handle): State<Handle>, Query(of): Query<InstancesQuery>) -> Response {
    text_answer(Some(commands::manifests(&handle.last_pass().0, &of)))
}
