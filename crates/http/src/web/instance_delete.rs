//! Deletes a server that no manifest manages: shown, confirmed by the name that it has at its vendor, and done like `amarre instance
//! delete`.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::asked_instance::{begin, found};
use super::instance::facts;
use super::instance_view::{self, Offer};
use super::{FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, page, signed_in};
use crate::accounts::Role;
use crate::engine::commands::Act;
use crate::engine::commands::act::VENDOR_NAME;
use crate::engine::commands::instances::InstanceDeed;
use crate::engine::commands::verbs::INSTANCE_DELETE;
use crate::engine::report::instances::InstanceRow;

#[derive(Template)]
#[template(path = "instance_delete.html")]
struct DeletePage {
    frame: PageFrame,
    path: String,
    facts: Vec<(String, String, bool)>,
    /// Why it is not deleted, with the code of that.
    refused: Option<(String, String)>,
    may_delete: bool,
    /// Whether another name was typed.
    is_wrong: bool,
}

async fn asks(web: &Web, visitor: &RequestContext, row: &InstanceRow, is_wrong: bool) -> Response {
    let (words, path) = (visitor.words, instance_view::path(&row.name));
    let title = words.with("inst-delete-title", "name", row.shown_name());
    let frame = PageFrame::new(web, visitor, "instances", title, format!("{path}/delete")).await;
    let refused = Offer::new(&web.handle.last_pass().0, row, InstanceDeed::Delete, words).refused;
    let may_delete = visitor.may(Role::Admin);
    page(&DeletePage { frame, path, facts: facts(row, words), refused, may_delete, is_wrong })
}

/// `GET /instances/{name}/delete`
pub async fn page_of(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let visitor = signed_in(&web, &headers, &format!("{}/delete", instance_view::path(&name))).await?;
    let row = found(&web, &visitor, &web.handle.last_pass().0, &name).await?;
    Ok(asks(&web, &visitor, &row, false).await)
}

/// `POST /instances/{name}/delete`
pub async fn delete_now(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let path = instance_view::path(&name);
    let doer = authorize_form(&web, &headers, &fields, Role::Admin, &format!("{path}/delete")).await?;
    let row = found(&web, &doer.visitor, &web.handle.last_pass().0, &name).await?;
    let typed = fields.get(VENDOR_NAME).map(|typed| typed.trim()).unwrap_or_default();
    if typed != row.vendor_name {
        let page = asks(&web, &doer.visitor, &row, true).await;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let text = doer.visitor.words.with("inst-delete-begun", "name", row.shown_name());
    let command = Act::new(&INSTANCE_DELETE).with("instances", vec![name.clone()]).with(VENDOR_NAME, typed);
    Ok(begin(&web, &doer, (from, INSTANCE_DELETE.word, &name), command, (&text, "/instances")).await)
}
