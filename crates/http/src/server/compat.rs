//! Endpoints of programs that were there before Amarre, on a listener of their own: whoever calls them changes address and token
//! and nothing else. `cloud`: the servers of one cloud, as its vendor lists them.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::auth::{self, AccessControl, Permission, RouteGuard};
use super::problem::{self, problem};
use crate::engine::commands::instance_answers::{RawList, raw_list};
use crate::engine::reconcile::daemon::Handle;
use amarre_core::model::Code;

/// What the endpoints of a cloud answer from.
#[derive(Clone)]
struct CompatCloud {
    handle: Handle,
    cloud: String,
    /// Where the pages are.
    pages: String,
}

/// The router of a cloud's listener. `access` is that of this listener; `pages`: where people look.
pub fn cloud(handle: Handle, access: &AccessControl, cloud: &str, pages: &str) -> Router {
    let guard = RouteGuard {
        access: access.clone(),
        needs: Permission::Look,
        action: "compat_servers",
        path: "/api/servers".into(),
        works: false,
    };
    let servers = get(servers).route_layer(middleware::from_fn_with_state(guard, auth::guard_route));
    let state = CompatCloud { handle, cloud: cloud.to_owned(), pages: format!("{pages}/instances") };
    let nothing = |_: Request| async {
        problem(StatusCode::NOT_FOUND, Code::A1003, "nothing is served here", "GET / says what is")
    };
    Router::new()
        .route("/", get(index))
        .route("/ui", get(ui))
        .route("/api/servers", servers)
        .fallback(nothing)
        .with_state(state)
        .layer(middleware::from_fn(problem::shape))
        .layer(middleware::from_fn_with_state(access.clone(), auth::guard_network))
}

async fn index(State(compat): State<CompatCloud>) -> Response {
    let CompatCloud { cloud, pages, .. } = compat;
    let text = format!(
        "Servers of {cloud}.\n\nGET /api/servers   their list, as the vendor gives it, at most 15 s old\nGET /ui            {pages}\n"
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

async fn ui(State(compat): State<CompatCloud>) -> Redirect {
    Redirect::temporary(&compat.pages)
}

async fn servers(State(compat): State<CompatCloud>) -> Response {
    match raw_list(&compat.handle, &compat.cloud).await {
        RawList::Listed(list) => Json(list).into_response(),
        RawList::NoKey(hint) => {
            let title = format!("there is no key for the cloud {}", compat.cloud);
            problem(StatusCode::UNAUTHORIZED, Code::A0740, &title, &hint)
        }
        RawList::Failed { code: Code::A0740, message, hint } => {
            problem(StatusCode::UNAUTHORIZED, Code::A0740, &message, &hint)
        }
        RawList::Failed { code, message, hint } => problem(StatusCode::BAD_GATEWAY, code, &message, &hint),
    }
}
