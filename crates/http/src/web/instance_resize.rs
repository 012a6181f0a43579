//! Gives a server another size: chosen from what its region offers, shown with its price and its downtime, and done like `amarre
//! instance resize`.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::actions::act;
use super::asked_instance::{DryRun, begin, dry_run, found};
use super::instance::facts;
use super::instance_new::OfferedChoices;
use super::instance_view::{self, Offer};
use super::{
    FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, page, redirect,
    signed_in_and_counted,
};
use crate::accounts::Role;
use crate::engine::commands::instances::InstanceDeed;
use crate::engine::commands::verbs::INSTANCE_RESIZE;
use crate::engine::commands::{Act, offers};
use crate::engine::report::instances::InstanceRow;
use crate::server;

/// A value of a choice, its text, and whether it is chosen.
type SizeChoice = (String, String, bool);

#[derive(Template)]
#[template(path = "instance_resize.html")]
struct ResizePage {
    frame: PageFrame,
    path: String,
    about: String,
    facts: Vec<(String, String, bool)>,
    /// Why it gets no other size, or not the chosen one, with the code of that.
    refused: Option<(String, String)>,
    may_resize: bool,
    role: String,
    /// Whether it can get any other size now.
    is_possible: bool,
    sizes: Vec<SizeChoice>,
    /// Processors and memory, where a size is put together.
    parts: Option<[Vec<SizeChoice>; 2]>,
    /// What would be done, as the command line shows it.
    forecast: Option<String>,
    chosen: String,
}

/// The size that a form says, as it is typed on the command line.
fn typed(fields: &FormFields) -> String {
    let field = |name: &str| fields.get(name).map(|text| text.trim()).unwrap_or_default();
    if field("cpu").is_empty() {
        field("type").to_owned()
    } else {
        format!("cpu={},memory={}", field("cpu"), field("memory"))
    }
}

/// `2048MiB` as the choices have it: `2GiB`.
fn gibibytes(memory: &str) -> String {
    let gib = memory.strip_suffix("MiB").and_then(|mib| mib.parse::<u32>().ok()).filter(|mib| mib % 1024 == 0);
    gib.map_or_else(|| memory.to_owned(), |mib| format!("{}GiB", mib / 1024))
}

fn needed(web: &Web, row: &InstanceRow) -> Role {
    instance_view::role(&INSTANCE_RESIZE, &instance_view::asked_name(row), &web.handle.last_pass().0)
}

/// The page with what the region offers; `attempt`: what a form says, its forecast, and why it is refused.
async fn asks(web: &Web, visitor: &RequestContext, row: &InstanceRow, attempt: ResizeAttempt) -> Response {
    let (words, path) = (visitor.words, instance_view::path(&row.name));
    let title = words.with("inst-resize-title", "name", row.shown_name());
    let frame = PageFrame::new(web, visitor, "instances", title, format!("{path}/resize")).await;
    let refused = Offer::new(&web.handle.last_pass().0, row, InstanceDeed::Resize, words).refused;
    let (role, is_possible) = (needed(web, row), refused.is_none());
    let may_resize = visitor.may(role);
    let offered = if may_resize && is_possible {
        offers::of_cloud(&web.handle, &row.cloud, &row.project, &row.region).await.offers
    } else {
        None
    };
    let now: Vec<&str> = row.size.split(' ').collect();
    let chosen = |name: &str, now: &str| attempt.fields.get(name).cloned().unwrap_or_else(|| now.to_owned());
    let part = |at: usize| now.get(at).copied().unwrap_or_default();
    let choices = offered.map(|offers| {
        let chosen =
            [chosen("type", &row.size), chosen("cpu", part(0)), chosen("memory", &gibibytes(part(1))), String::new()];
        OfferedChoices::sizes_of(offers, &chosen, words)
    });
    let (sizes, parts) = choices.map(|one| (one.sizes, one.parts)).unwrap_or_default();
    let about = words.get(if row.manifest.as_ref().is_some_and(|_| row.is_made()) {
        "inst-resize-made"
    } else {
        "inst-resize-about"
    });
    page(&ResizePage {
        frame,
        path,
        about,
        facts: facts(row, words),
        refused: refused.or(attempt.dry_run.refused),
        may_resize,
        role: words.with("inst-resize-role", "role", &words.role(role.word())),
        is_possible,
        sizes,
        parts: parts.map(|[cpus, memories, _]| [cpus, memories]),
        forecast: attempt.dry_run.forecast,
        chosen: typed(&attempt.fields),
    })
}

/// What a form says, and what comes of it.
#[derive(Default)]
struct ResizeAttempt {
    fields: FormFields,
    dry_run: DryRun,
}

/// `GET /instances/{name}/resize`
pub async fn page_of(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let here = format!("{}/resize", instance_view::path(&name));
    let visitor = signed_in_and_counted(&web, &headers, &here).await?;
    let row = found(&web, &visitor, &web.handle.last_pass().0, &name).await?;
    Ok(asks(&web, &visitor, &row, ResizeAttempt::default()).await)
}

/// `POST /instances/{name}/resize`: shows what it would be, or does it.
pub async fn resize_now(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let path = instance_view::path(&name);
    let visitor = RequestContext::new(&headers, &web).await;
    let row = found(&web, &visitor, &web.handle.last_pass().0, &name).await?;
    let doer = authorize_form(&web, &headers, &fields, needed(&web, &row), &format!("{path}/resize")).await?;
    let typed = typed(&fields);
    let command = Act::new(&INSTANCE_RESIZE).with("instances", vec![instance_view::asked_name(&row)]);
    let command = command.with("type", typed.as_str()).asked_by(&doer.author());
    // The button is about what was shown.
    if fields.get("sure").is_some_and(|sure| *sure == typed) {
        let text = doer.visitor.words.with_all("inst-resize-begun", &[("name", row.shown_name()), ("type", &typed)]);
        if row.is_made() {
            return Ok(begin(&web, &doer, (from, INSTANCE_RESIZE.word, &name), command, (&text, &path)).await);
        }
        web.accounts.set_flash(&doer.session, &text).await;
        // One step may follow another: no page waits for that, and the history has what comes of it.
        doer.audit(&web, from, INSTANCE_RESIZE.word, &name, "ok").await;
        let web = web.clone();
        server::spawn_detached(async move { drop(act(&web, command).await) });
        return Ok(redirect(&path));
    }
    let words = doer.visitor.words;
    let dry_run = dry_run(&web, command, words).await?;
    let is_refused = dry_run.refused.is_some();
    let attempt = ResizeAttempt { fields, dry_run };
    let page = asks(&web, &doer.visitor, &row, attempt).await;
    Ok(if is_refused { (StatusCode::UNPROCESSABLE_ENTITY, page).into_response() } else { page })
}
