//! `/api/v1/notifications`: the channels, their state, and a test.

use axum::Json;
use axum::extract::{Extension, Path};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::ApiRoute;
use super::auth::Identity;
use super::openapi;
use super::openapi::Operation;
use super::problem::problem;
use crate::accounts::Role;
use crate::notifications::{self, Notifications};
use amarre_core::model::Code;

const ALL: &str = "/api/v1/notifications";
const TEST: &str = "/api/v1/notifications/{channel}/test";

pub(super) fn routes() -> Vec<ApiRoute> {
    let listed = Operation::document("notifications", "Who is told what, and how that goes", "Notifications");
    let tested = Operation::writes("post", "test_notification", "Sends a message that says that it is a test", None)
        .parameter(openapi::in_path("channel", "As the configuration calls it"))
        .returns_nothing("It was taken")
        .refuses(404, "A1002: there is no such channel")
        .refuses(502, "A1016: it was not taken");
    vec![
        ApiRoute::new(ALL, get(list), listed.only(Role::Viewer)),
        ApiRoute::new(TEST, post(test), tested.only(Role::Admin)),
    ]
}

async fn list(Extension(notifications): Extension<Notifications>) -> Response {
    Json(notifications::document(&notifications.channels())).into_response()
}

async fn test(
    Extension(notifications): Extension<Notifications>,
    Extension(who): Extension<Identity>,
    Path(channel): Path<String>,
) -> Response {
    let by = who.name.unwrap_or(who.account);
    match notifications.test(&channel, &by).await {
        None => {
            let (why, hint) = (format!("there is no channel {channel}"), "see `notifications` in amarre.yaml");
            problem(StatusCode::NOT_FOUND, Code::A1002, &why, hint)
        }
        Some(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Some(Err(why)) => {
            let hint = format!("see `notifications.{channel}` in amarre.yaml");
            problem(StatusCode::BAD_GATEWAY, Code::A1016, &format!("{channel} did not take it: {why}"), &hint)
        }
    }
}
