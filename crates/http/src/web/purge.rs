//! Deletes the leftover data of a deleted service for good: shown, confirmed by its name, and done like `amarre destroy
//! --purge`. A service that still has a manifest is deleted first.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::actions::{NO_WAIT_MS, finish};
use super::{
    FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, page, service, signed_in, text_page,
    view_model,
};
use crate::accounts::Role;
use crate::engine::commands::Act;
use crate::engine::commands::verbs::DESTROY;

#[derive(Template)]
#[template(path = "purge.html")]
struct Purge {
    frame: PageFrame,
    name: String,
    /// Kind and name of each leftover.
    kept: Vec<[String; 2]>,
    error: Option<String>,
    may_purge: bool,
}

/// The leftovers of a deleted service; else an answer that it is not deleted.
async fn left_behind(web: &Web, visitor: &RequestContext, name: &str) -> Result<Vec<[String; 2]>, Response> {
    let (pass, _) = web.handle.last_pass();
    match pass.statuses().get(name).filter(|row| row.deleted) {
        Some(row) => Ok(service::left_behind(row, visitor.words)),
        None => {
            Err(text_page(web, visitor, StatusCode::NOT_FOUND, visitor.words.with("purge-none", "name", name)).await)
        }
    }
}

async fn confirm_page(web: &Web, visitor: &RequestContext, name: &str, error: Option<String>) -> PageOutcome {
    let kept = left_behind(web, visitor, name).await?;
    let here = format!("/services/{}/purge", view_model::encoded(name));
    let frame = PageFrame::new(web, visitor, "services", visitor.words.with("purge-title", "name", name), here).await;
    let may_purge = visitor.may(Role::Admin);
    Ok(page(&Purge { frame, name: name.to_owned(), kept, error, may_purge }))
}

/// `GET /services/{name}/purge`
pub async fn page_of(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let visitor = signed_in(&web, &headers, &format!("/services/{}/purge", view_model::encoded(&name))).await?;
    confirm_page(&web, &visitor, &name, None).await
}

/// `POST /services/{name}/purge`
pub async fn purge_now(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let here = format!("/services/{}/purge", view_model::encoded(&name));
    let doer = authorize_form(&web, &headers, &fields, Role::Admin, &here).await?;
    left_behind(&web, &doer.visitor, &name).await?;
    if fields.get("name").is_none_or(|typed| typed.trim() != name) {
        let page = confirm_page(&web, &doer.visitor, &name, Some(doer.visitor.words.get("delete-wrong-name"))).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    web.accounts.set_flash(&doer.session, &doer.visitor.words.with("purged", "name", &name)).await;
    let act = Act::new(&DESTROY).with("services", vec![name.clone()]).with("purge", true);
    let command = act.with("timeout_ms", NO_WAIT_MS).asked_by(&doer.author());
    Ok(finish(&web, &doer, (from, "purge", &name), command, "/").await)
}
