//! Makes another server like one: asks for its name, and does it like `amarre instance clone`.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::HeaderMap;

use super::asked_instance::{begin, found};
use super::instance::facts;
use super::instance_view::{self, Offer};
use super::{FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, page, signed_in};
use crate::accounts::Role;
use crate::engine::commands::Act;
use crate::engine::commands::clone_instance::NEW_NAME;
use crate::engine::commands::instances::InstanceDeed;
use crate::engine::commands::verbs::INSTANCE_CLONE;
use crate::engine::report::instances::InstanceRow;

#[derive(Template)]
#[template(path = "instance_clone.html")]
struct ClonePage {
    frame: PageFrame,
    path: String,
    about: String,
    facts: Vec<(String, String, bool)>,
    /// Why it is not cloned, with the code of that.
    refused: Option<(String, String)>,
    may_clone: bool,
    /// Who may.
    role: String,
}

fn needed(web: &Web, row: &InstanceRow) -> Role {
    instance_view::role(&INSTANCE_CLONE, &instance_view::asked_name(row), &web.handle.last_pass().0)
}

/// `GET /instances/{name}/clone`
pub async fn page_of(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let visitor = signed_in(&web, &headers, &format!("{}/clone", instance_view::path(&name))).await?;
    let row = found(&web, &visitor, &web.handle.last_pass().0, &name).await?;
    let (words, path, role) = (visitor.words, instance_view::path(&row.name), needed(&web, &row));
    let title = words.with("inst-clone-title", "name", row.shown_name());
    let frame = PageFrame::new(&web, &visitor, "instances", title, format!("{path}/clone")).await;
    Ok(page(&ClonePage {
        frame,
        path,
        about: words.get(if row.is_made() { "inst-clone-made" } else { "inst-clone-about" }),
        facts: facts(&row, words),
        refused: Offer::new(&web.handle.last_pass().0, &row, InstanceDeed::Clone, words).refused,
        may_clone: visitor.may(role),
        role: words.with("inst-clone-role", "role", &role.to_string()),
    }))
}

/// `POST /instances/{name}/clone`
pub async fn clone_now(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let path = instance_view::path(&name);
    let visitor = RequestContext::new(&headers, &web).await;
    let row = found(&web, &visitor, &web.handle.last_pass().0, &name).await?;
    let doer = authorize_form(&web, &headers, &fields, needed(&web, &row), &format!("{path}/clone")).await?;
    let clone = fields.get(NEW_NAME).map(|typed| typed.trim()).unwrap_or_default();
    let text = doer.visitor.words.with_all("inst-clone-begun", &[("clone", clone), ("name", row.shown_name())]);
    let command = Act::new(&INSTANCE_CLONE).with("instances", vec![instance_view::asked_name(&row)]);
    let command = command.with(NEW_NAME, clone);
    Ok(begin(&web, &doer, (from, INSTANCE_CLONE.word, &name), command, (&text, &path)).await)
}
