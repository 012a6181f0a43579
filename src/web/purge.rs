//! What a deleted service has left goes for good: shown, confirmed by its name, and done as `amarre destroy --purge`
//! does it. A service that still has a manifest is deleted first.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::actions::{NO_WAIT_MS, finish};
use super::{Fields, Frame, From, Outcome, Visitor, Web, doer, known, page, said, service, view_model};
use crate::accounts::Role;
use crate::engine::commands::Act;

#[derive(Template)]
#[template(path = "purge.html")]
struct Purge {
    frame: Frame,
    name: String,
    /// Kind and name of what goes.
    kept: Vec<[String; 2]>,
    error: Option<String>,
    may_purge: bool,
}

/// What a deleted service has left; else the answer that it is none.
async fn left(web: &Web, visitor: &Visitor, name: &str) -> Result<Vec<[String; 2]>, Response> {
    let (picture, _) = web.handle.picture();
    match picture.statuses().get(name).filter(|row| row.deleted) {
        Some(row) => Ok(service::kept(row, visitor.words)),
        None => Err(said(web, visitor, StatusCode::NOT_FOUND, visitor.words.with("purge-none", "name", name)).await),
    }
}

async fn shown(web: &Web, visitor: &Visitor, name: &str, error: Option<String>) -> Outcome {
    let kept = left(web, visitor, name).await?;
    let here = format!("/services/{}/purge", view_model::encoded(name));
    let frame = Frame::new(web, visitor, "services", visitor.words.with("purge-title", "name", name), here).await;
    let may_purge = visitor.may(Role::Admin);
    Ok(page(&Purge { frame, name: name.to_owned(), kept, error, may_purge }))
}

/// `GET /services/{name}/purge`
pub async fn page_of(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> Outcome {
    let visitor = known(&web, &headers, &format!("/services/{}/purge", view_model::encoded(&name))).await?;
    shown(&web, &visitor, &name, None).await
}

/// `POST /services/{name}/purge`
pub async fn purge_now(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<Fields>,
) -> Outcome {
    let here = format!("/services/{}/purge", view_model::encoded(&name));
    let doer = doer(&web, &headers, &fields, Role::Admin, &here).await?;
    left(&web, &doer.visitor, &name).await?;
    if fields.get("name").is_none_or(|typed| typed.trim() != name) {
        let page = shown(&web, &doer.visitor, &name, Some(doer.visitor.words.of("delete-wrong-name"))).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    web.accounts.say_once(&doer.session, &doer.visitor.words.with("purged", "name", &name)).await;
    let (services, by) = (vec![name.clone()], doer.by());
    let command = Act::Destroy { services, all: false, purge: true, by, timeout_ms: NO_WAIT_MS };
    Ok(finish(&web, &doer, (from, "purge", &name), command, "/").await)
}
