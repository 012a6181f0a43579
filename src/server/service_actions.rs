//! `POST /api/v1/services/NAME/WORD`: the verbs about one service, with its name in the path. Each is answered as at
//! `/api/v1/act`.

use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Map, Value, json};

use super::act::stream_answer;
use super::auth::Identity;
use super::openapi::Operation;
use super::{ApiRoute, JsonBody, StyleQuery};
use crate::engine::commands::Act;
use crate::engine::commands::act::VerbRow;
use crate::engine::commands::verbs::VERBS;

pub(super) fn routes() -> Vec<ApiRoute> {
    VERBS.into_iter().filter_map(|row| Some(route(row, row.of_service()?.summary))).collect()
}

fn route(row: &'static VerbRow, summary: &'static str) -> ApiRoute {
    let handler = post(
        async move |State(handle),
                    Extension(who): Extension<Identity>,
                    Path(name): Path<String>,
                    Query(query): Query<StyleQuery>,
                    JsonBody(body): JsonBody<Map<String, Value>>| {
            match parse_act(row, name, body) {
                Ok(act) => stream_answer(handle, act, query, &who).await,
                Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
            }
        },
    );
    ApiRoute::new(format!("/api/v1/services/{{name}}/{}", row.word), handler, Operation::acts_on_service(row, summary))
}

/// The command of a request.
fn parse_act(row: &'static VerbRow, name: String, mut body: Map<String, Value>) -> Result<Act, String> {
    if body.insert("service".to_owned(), json!(name)).is_some() {
        return Err("unknown field `service`: it is in the path".to_owned());
    }
    Act::parse(row, body)
}
