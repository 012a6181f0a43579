//! Makes another server like one: asks for its name, shows what it is and costs, and does it like `amarre instance clone`.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::asked_instance::{DryRun, begin, dry_run, found};
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
    /// Why it is not cloned, or not by this name, with the code of that.
    refused: Option<(String, String)>,
    /// Whether it can be cloned at all now.
    is_possible: bool,
    /// The name that was typed.
    typed: String,
    /// What would be made, as the command line shows it.
    forecast: Option<String>,
    may_clone: bool,
    role: String,
}

fn needed(web: &Web, row: &InstanceRow) -> Role {
    instance_view::role(&INSTANCE_CLONE, &instance_view::asked_name(row), &web.handle.last_pass().0)
}

/// What was typed, and what comes of it.
#[derive(Default)]
struct TriedClone {
    typed: String,
    dry_run: DryRun,
}

async fn asks(web: &Web, visitor: &RequestContext, row: &InstanceRow, tried: TriedClone) -> Response {
    let (words, path, role) = (visitor.words, instance_view::path(&row.name), needed(web, row));
    let title = words.with("inst-clone-title", "name", row.shown_name());
    let frame = PageFrame::new(web, visitor, "instances", title, format!("{path}/clone")).await;
    let refused = Offer::new(&web.handle.last_pass().0, row, InstanceDeed::Clone, words).refused;
    page(&ClonePage {
        frame,
        path,
        about: words.get(if row.is_made() { "inst-clone-made" } else { "inst-clone-about" }),
        facts: facts(row, words),
        is_possible: refused.is_none(),
        refused: refused.or(tried.dry_run.refused),
        typed: tried.typed,
        forecast: tried.dry_run.forecast,
        may_clone: visitor.may(role),
        role: words.with("inst-clone-role", "role", &words.role(role.word())),
    })
}

/// `GET /instances/{name}/clone`
pub async fn page_of(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let visitor = signed_in(&web, &headers, &format!("{}/clone", instance_view::path(&name))).await?;
    let row = found(&web, &visitor, &web.handle.last_pass().0, &name).await?;
    Ok(asks(&web, &visitor, &row, TriedClone::default()).await)
}

/// `POST /instances/{name}/clone`: shows what it would be, or does it.
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
    let words = doer.visitor.words;
    let command = Act::new(&INSTANCE_CLONE).with("instances", vec![instance_view::asked_name(&row)]);
    let command = command.with(NEW_NAME, clone);
    // The button is about what was shown.
    if fields.get("sure").is_some_and(|sure| sure == clone) {
        let text = words.with_all("inst-clone-begun", &[("clone", clone), ("name", row.shown_name())]);
        return Ok(begin(&web, &doer, (from, INSTANCE_CLONE.word, &name), command, (&text, &path)).await);
    }
    let dry_run = dry_run(&web, command.asked_by(&doer.author()), words).await?;
    let is_refused = dry_run.refused.is_some();
    let tried = TriedClone { typed: clone.to_owned(), dry_run };
    let page = asks(&web, &doer.visitor, &row, tried).await;
    Ok(if is_refused { (StatusCode::UNPROCESSABLE_ENTITY, page).into_response() } else { page })
}
