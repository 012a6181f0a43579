//! `POST /api/v1/services/NAME/WORD`, and the same below `instances`, `pools` and `apps`: the verbs about one thing, with its name in
//! the path. Each is answered as at `/api/v1/act`.

use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Map, Value, json};

use super::act::answer_if_allowed;
use super::auth::Identity;
use super::openapi::Operation;
use super::{ApiRoute, JsonBody, StyleQuery};
use crate::engine::commands::Act;
use crate::engine::commands::act::{ArgShape, Subject, VerbRow};
use crate::engine::commands::verbs::VERBS;
use crate::engine::reconcile::daemon::Handle;

pub(super) fn routes() -> Vec<ApiRoute> {
    VERBS.into_iter().filter_map(route).collect()
}

fn route(row: &'static VerbRow) -> Option<ApiRoute> {
    const SERVER: &str = "The name of its manifest, `CLOUD:ID`, or a vendor's name that only one has";
    let (folder, word, name, summary) = match row.subject {
        Subject::Service(verb) => ("services", row.word, "Its name", verb.summary),
        Subject::Instances(verb) => ("instances", verb.word, SERVER, verb.summary),
        Subject::Pool(verb) => ("pools", verb.word, "Its name", verb.summary),
        Subject::App(verb) => ("apps", verb.word, "Its name", verb.summary),
        Subject::Other | Subject::None => return None,
    };
    let handler = post(
        async move |State(handle): State<Handle>,
                    Extension(who): Extension<Identity>,
                    Path(name): Path<String>,
                    Query(query): Query<StyleQuery>,
                    JsonBody(body): JsonBody<Map<String, Value>>| {
            match parse_act(row, &name, body) {
                Ok(act) => answer_if_allowed(handle, act, query, &who).await,
                Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
            }
        },
    );
    Some(ApiRoute::new(format!("/api/v1/{folder}/{{name}}/{word}"), handler, Operation::acts_on(row, name, summary)))
}

/// The command of a request: what it is about is the first argument.
fn parse_act(row: &'static VerbRow, name: &str, mut body: Map<String, Value>) -> Result<Act, String> {
    let Some(about) = row.args.first() else { return Act::parse(row, body) };
    let is_list = matches!(about.shape, ArgShape::Texts | ArgShape::Single);
    let name = if is_list { json!([name]) } else { json!(name) };
    match body.insert(about.name.to_owned(), name) {
        Some(_) => Err(format!("unknown field `{}`: it is in the path", about.name)),
        None => Act::parse(row, body),
    }
}
