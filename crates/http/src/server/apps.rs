//! `/api/v1/apps` and `/api/v1/deployments`: services whose images are built from a repository, and what was deployed of them.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::{ApiRoute, StyleQuery, document_of, openapi, text_answer};
use crate::engine::commands::{apps as commands, builds};
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::apps;
use amarre_core::plan::render::Style;

/// Deployments in one answer, where none is said.
const LIMIT: usize = 100;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        ApiRoute::new("/api/v1/apps", get(list), openapi::apps()),
        ApiRoute::new("/api/v1/apps/{name}", get(one), openapi::app()),
        ApiRoute::new("/api/v1/apps/{name}/build-log", get(build_log), openapi::build_log()),
        ApiRoute::new("/api/v1/apps/{name}/deployments", get(deployments_of), openapi::deployments_of_app()),
        ApiRoute::new("/api/v1/deployments", get(deployments), openapi::deployments()),
        ApiRoute::new("/api/v1/deployments/stats", get(stats), openapi::deployment_stats()),
        ApiRoute::new("/api/v1/deployments/{id}", get(deployment), openapi::deployment()),
        ApiRoute::new("/api/v1/deployments/{id}/log", get(deployment_log), openapi::deployment_log()),
    ]
}

/// Texts for the command line of the same version.
pub(super) fn command_line_routes() -> Vec<ApiRoute> {
    vec![
        ApiRoute::new("/api/v1/app-key/text", get(key_text), openapi::app_key_text()),
        ApiRoute::new("/api/v1/apps/text", get(list_text), openapi::apps_text()),
        ApiRoute::new("/api/v1/apps/{name}/text", get(one_text), openapi::app_text()),
        ApiRoute::new("/api/v1/apps/{name}/build-log/text", get(build_log_text), openapi::build_log_text()),
        ApiRoute::new("/api/v1/deployments/text", get(deployments_text), openapi::deployments_text()),
        ApiRoute::new("/api/v1/deployments/stats/text", get(stats_text), openapi::deployment_stats_text()),
        ApiRoute::new("/api/v1/deployments/{id}/text", get(deployment_text), openapi::deployment_text()),
        ApiRoute::new("/api/v1/deployments/{id}/log/text", get(deployment_log_text), openapi::deployment_log_text()),
    ]
}

/// Deployments to count.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatsQuery {
    /// Of this app.
    app: Option<String>,
}

/// Which deployments.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DeploymentsQuery {
    /// Of this app.
    app: Option<String>,
    /// At most this many, the newest.
    limit: Option<u16>,
}

impl DeploymentsQuery {
    fn limit(&self) -> usize {
        self.limit.map_or(LIMIT, usize::from)
    }
}

async fn list(State(handle): State<Handle>) -> Response {
    Json(apps::document(&apps::rows(&handle.last_pass().0))).into_response()
}

async fn one(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    document_of(Some(commands::show(&handle.last_pass().0, &name, Style::PLAIN)))
}

async fn build_log(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    document_of(Some(builds::log(&handle, &handle.last_pass().0, &name, Style::PLAIN, true).await))
}

async fn deployments_of(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    document_of(Some(commands::deployments(&handle.last_pass().0, Some(&name), LIMIT, Style::PLAIN)))
}

async fn deployments(State(handle): State<Handle>, Query(query): Query<DeploymentsQuery>) -> Response {
    let app = query.app.as_deref();
    document_of(Some(commands::deployments(&handle.last_pass().0, app, query.limit(), Style::PLAIN)))
}

async fn stats(State(handle): State<Handle>, Query(query): Query<StatsQuery>) -> Response {
    document_of(Some(commands::stats(&handle.last_pass().0, query.app.as_deref())))
}

async fn deployment(State(handle): State<Handle>, Path(id): Path<String>) -> Response {
    document_of(Some(commands::deployment(&handle.last_pass().0, &id, Style::PLAIN)))
}

async fn deployment_log(State(handle): State<Handle>, Path(id): Path<String>) -> Response {
    document_of(Some(builds::deployment_log(&handle, &handle.last_pass().0, &id, Style::PLAIN, true).await))
}

async fn list_text(State(handle): State<Handle>, Query(style): Query<StyleQuery>) -> Response {
    text_answer(Some(commands::list(&handle.last_pass().0, style.style())))
}

async fn one_text(State(handle): State<Handle>, Path(name): Path<String>, Query(style): Query<StyleQuery>) -> Response {
    text_answer(Some(commands::show(&handle.last_pass().0, &name, style.style())))
}

/// How much of a log.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BuildLogQuery {
    /// Also what steps have printed that are done.
    all: bool,
}

async fn build_log_text(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    Query(style): Query<StyleQuery>,
    Query(log): Query<BuildLogQuery>,
) -> Response {
    text_answer(Some(builds::log(&handle, &handle.last_pass().0, &name, style.style(), log.all).await))
}

async fn deployments_text(
    State(handle): State<Handle>,
    Query(style): Query<StyleQuery>,
    Query(query): Query<DeploymentsQuery>,
) -> Response {
    let limit = query.limit();
    text_answer(Some(commands::deployments(&handle.last_pass().0, query.app.as_deref(), limit, style.style())))
}

async fn stats_text(State(handle): State<Handle>, Query(query): Query<StatsQuery>) -> Response {
    text_answer(Some(commands::stats(&handle.last_pass().0, query.app.as_deref())))
}

async fn deployment_text(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Query(style): Query<StyleQuery>,
) -> Response {
    text_answer(Some(commands::deployment(&handle.last_pass().0, &id, style.style())))
}

async fn deployment_log_text(
    State(handle): State<Handle>,
    Path(id): Path<String>,
    Query(style): Query<StyleQuery>,
    Query(log): Query<BuildLogQuery>,
) -> Response {
    text_answer(Some(builds::deployment_log(&handle, &handle.last_pass().0, &id, style.style(), log.all).await))
}

/// Which app, and which repository: by default the one of its manifest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KeyQuery {
    app: String,
    url: String,
}

async fn key_text(State(handle): State<Handle>, Query(of): Query<KeyQuery>) -> Response {
    text_answer(Some(commands::deploy_key(&handle, &of.app, &of.url).await))
}
