//! `/api/v1/apps`: services whose images are built from a repository.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{ApiRoute, StyleQuery, document_of, openapi, text_answer};
use crate::engine::commands::apps as commands;
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report::apps;
use amarre_core::plan::render::Style;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        ApiRoute::new("/api/v1/apps", get(list), openapi::apps()),
        ApiRoute::new("/api/v1/apps/{name}", get(one), openapi::app()),
        ApiRoute::new("/api/v1/apps/{name}/build-log", get(build_log), openapi::build_log()),
    ]
}

/// Texts for the command line of the same version.
pub(super) fn command_line_routes() -> Vec<ApiRoute> {
    vec![
        ApiRoute::new("/api/v1/apps/text", get(list_text), openapi::apps_text()),
        ApiRoute::new("/api/v1/apps/{name}/text", get(one_text), openapi::app_text()),
        ApiRoute::new("/api/v1/apps/{name}/build-log/text", get(build_log_text), openapi::build_log_text()),
    ]
}

async fn list(State(handle): State<Handle>) -> Response {
    Json(apps::document(&apps::rows(&handle.last_pass().0))).into_response()
}

async fn one(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    document_of(Some(commands::show(&handle.last_pass().0, &name, Style::PLAIN)))
}

async fn build_log(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    document_of(Some(commands::build_log(&handle.last_pass().0, &name)))
}

async fn list_text(State(handle): State<Handle>, Query(style): Query<StyleQuery>) -> Response {
    text_answer(Some(commands::list(&handle.last_pass().0, style.style())))
}

async fn one_text(State(handle): State<Handle>, Path(name): Path<String>, Query(style): Query<StyleQuery>) -> Response {
    text_answer(Some(commands::show(&handle.last_pass().0, &name, style.style())))
}

async fn build_log_text(State(handle): State<Handle>, Path(name): Path<String>) -> Response {
    text_answer(Some(commands::build_log(&handle.last_pass().0, &name)))
}
