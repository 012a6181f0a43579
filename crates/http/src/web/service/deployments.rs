//! Deployments of an app: their table beside the app's other pages, and a page for each with the log of its build.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::builds::{BaseView, BuildView, FoundView, base_views};
use super::{Head, find_row};
use crate::accounts::Role;
use crate::engine::PassView;
use crate::engine::commands::Act;
use crate::engine::commands::act::{ActArgs, VerbRow};
use crate::engine::commands::builds::of_deployment;
use crate::engine::commands::verbs::{APP_DEPLOY, APP_START, APP_STOP};
use crate::engine::report::apps::{self, AppRow, limited_text};
use crate::engine::report::deployments::{self, DeploymentStats};
use crate::ledger::{Deployment, DeploymentState};
use crate::web::actions::{NO_WAIT_MS, finish};
use crate::web::view_model::{self, StateMark};
use crate::web::{
    FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, page, problem, signed_in, text_page,
};
use crate::words::Words;
use amarre_core::model::{Code, Timestamp};

/// A deployment in the table.
struct DeploymentRow {
    id: u64,
    subject: String,
    commit: String,
    author: String,
    state: StateMark,
    when: String,
    took: String,
    /// Commits that came too fast, in a sentence; empty: none.
    skipped: String,
    is_rollback: bool,
    can_go_back: bool,
    is_moving: bool,
}

impl DeploymentRow {
    fn new(pass: &PassView, one: &Deployment, now: Timestamp, words: Words) -> Self {
        let is_current = one.state == DeploymentState::Running || one.state.is_moving();
        Self {
            id: one.id,
            subject: one.commit.subject.clone(),
            commit: one.commit.short().to_owned(),
            author: one.commit.author.clone(),
            state: state_mark(one.state, words),
            when: view_model::moment(one.began, now),
            took: one.took().map(view_model::span).unwrap_or_default(),
            skipped: if one.skipped > 0 { words.count("dep-skipped", &one.skipped) } else { String::new() },
            is_rollback: one.is_rollback,
            can_go_back: !is_current && one.ran.is_some() && deployments::has_image(pass, one),
            is_moving: matches!(one.state, DeploymentState::Provisioning | DeploymentState::Deploying),
        }
    }
}

fn state_mark(state: DeploymentState, words: Words) -> StateMark {
    let tone = match state {
        DeploymentState::Pending => "dim",
        DeploymentState::Provisioning | DeploymentState::Deploying => "go",
        DeploymentState::Running => "ok",
        DeploymentState::Failed => "bad",
        DeploymentState::Stopped => "off",
        DeploymentState::Deleted => "gone",
    };
    StateMark { tone, word: words.get(&format!("deployed-{}", state.word())), title: state.word().to_owned() }
}

#[derive(Template)]
#[template(path = "deployments.html")]
struct DeploymentsPage {
    frame: PageFrame,
    head: Head,
    rows: Vec<DeploymentRow>,
    summary: String,
    state: Option<StateMark>,
    why: String,
    code: Option<Code>,
    /// What is known of the source: label and value.
    source: Vec<(String, String)>,
    /// What was found out of the repository.
    found: FoundView,
    bases: Vec<BaseView>,
    has_newer: bool,
    may_build: bool,
    is_stopped: bool,
}

/// `GET /services/{name}/deployments`
pub async fn list(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let here = format!("/services/{}/deployments", view_model::encoded(&name));
    let visitor = signed_in(&web, &headers, &here).await?;
    let (pass, _) = web.handle.last_pass();
    let row = find_row(&web, &visitor, &pass, &name).await?;
    let (words, now) = (visitor.words, web.handle.now());
    let all = deployments::rows(&pass, Some(&name));
    let app = apps::find(&pass, &name);
    let mut frame = PageFrame::new(&web, &visitor, "services", name.clone(), here).await;
    frame.moves |= all.iter().any(|one| one.state.is_moving());
    let bases = app.as_ref().map(|app| base_views(&app.bases, now, words)).unwrap_or_default();
    let build = app.as_ref().and_then(|app| app.build.as_ref());
    Ok(page(&DeploymentsPage {
        head: Head::new(&pass, row, &visitor, "deployments"),
        summary: summary(&DeploymentStats::new(all.iter().copied()), words),
        rows: all.iter().map(|one| DeploymentRow::new(&pass, one, now, words)).collect(),
        state: app.as_ref().map(|app| state_mark(app.stage.state, words)),
        why: app.as_ref().map(|app| words.say(&app.stage.why)).unwrap_or_default(),
        code: app.as_ref().and_then(|app| app.stage.code),
        source: app.as_ref().map(|app| source(app, now, words)).unwrap_or_default(),
        found: FoundView::new(build, words),
        has_newer: bases.iter().any(|base| base.is_newer),
        may_build: visitor.may(Role::Operator) && !row.deleted,
        bases,
        is_stopped: pass.services.get(&name).is_some_and(|service| service.stopped),
        frame,
    }))
}

/// `96 % succeed, median build 1 min`; empty: nothing is known yet.
fn summary(stats: &DeploymentStats, words: Words) -> String {
    let rate = stats.success_rate().map(|rate| words.with("dep-rate", "rate", &rate.to_string()));
    let time = stats.build_time.map(|time| words.with("dep-median", "time", &view_model::span(time)));
    rate.into_iter().chain(time).collect::<Vec<_>>().join(" · ")
}

fn source(app: &AppRow, now: Timestamp, words: Words) -> Vec<(String, String)> {
    let mut rows = vec![
        (words.get("app-repository"), app.source.url.to_string()),
        (words.get("app-ref"), app.source.reference.clone()),
    ];
    if !app.source.path.is_empty() {
        rows.push((words.get("app-path"), app.source.path.clone()));
    }
    rows.extend(app.build.as_ref().map(|build| (words.get("app-framework"), build.framework.clone())));
    rows.extend(app.build.as_ref().map(|build| (words.get("app-image"), build.image.clone())));
    rows.extend(app.state.asked.map(|asked| (words.get("app-asked"), view_model::moment(asked, now))));
    rows.extend(app.state.limited.map(|next| (words.get("app-limited"), words.say(&limited_text(next)))));
    rows.extend(app.state.error.as_ref().map(|error| (words.get("app-error"), error.message.clone())));
    rows
}

#[derive(Template)]
#[template(path = "deployment.html")]
struct DeploymentPage {
    frame: PageFrame,
    app: String,
    commit: String,
    id: u64,
    about: String,
    state: StateMark,
    why: String,
    code: Option<Code>,
    facts: Vec<(String, String)>,
    build: Option<BuildView>,
    is_live: bool,
    can_cancel: bool,
    can_go_back: bool,
}

/// One deployment, or the page for none.
async fn find<'p>(
    web: &Web,
    visitor: &RequestContext,
    pass: &'p PassView,
    id: &str,
) -> Result<&'p Deployment, Response> {
    match deployments::find(pass, id) {
        Some(one) => Ok(one),
        None => Err(text_page(web, visitor, StatusCode::NOT_FOUND, visitor.words.with("dep-unknown", "id", id)).await),
    }
}

/// `GET /deployments/{id}`
pub async fn show(State(web): State<Web>, headers: HeaderMap, Path(id): Path<String>) -> PageOutcome {
    let here = format!("/deployments/{}", view_model::encoded(&id));
    let visitor = signed_in(&web, &headers, &here).await?;
    let (pass, _) = web.handle.last_pass();
    let one = find(&web, &visitor, &pass, &id).await?;
    let (words, now) = (visitor.words, web.handle.now());
    let build = of_deployment(&web.handle, &pass, one).await;
    let is_live = one.state == DeploymentState::Provisioning;
    let mut frame =
        PageFrame::new(&web, &visitor, "services", format!("{} {}", one.app, one.commit.short()), here).await;
    frame.moves |= one.state.is_moving();
    let row = DeploymentRow::new(&pass, one, now, words);
    Ok(page(&DeploymentPage {
        frame,
        about: words.with_all(
            "dep-about",
            &[("subject", &one.commit.subject), ("author", &one.commit.author), ("when", &row.when)],
        ),
        facts: facts(&pass, one, now, words),
        build: build.map(|build| BuildView::new(&build, now, words)),
        is_live,
        can_cancel: row.is_moving && visitor.may(Role::Operator),
        can_go_back: row.can_go_back && visitor.may(Role::Operator),
        state: row.state,
        why: one.why.clone(),
        code: one.code,
        app: one.app.clone(),
        commit: row.commit,
        id: one.id,
    }))
}

fn facts(pass: &PassView, one: &Deployment, now: Timestamp, words: Words) -> Vec<(String, String)> {
    let mut rows = vec![(words.get("dep-began"), view_model::moment(one.began, now))];
    let built = if one.build_ended.is_some() { "dep-built-in" } else { "dep-building-for" };
    rows.extend(one.build_time(now).map(|time| (words.get(built), view_model::span(time))));
    rows.extend(one.ran.map(|at| (words.get("dep-ran"), view_model::moment(at, now))));
    rows.extend(one.ended.map(|at| (words.get("dep-ended"), view_model::moment(at, now))));
    let image = || {
        if deployments::lost_image(pass, one) {
            words.with("dep-no-image", "image", &one.image)
        } else {
            one.image.clone()
        }
    };
    rows.extend((!one.image.is_empty()).then(|| (words.get("app-image"), image())));
    rows.extend((!one.framework.is_empty()).then(|| (words.get("app-framework"), one.framework.clone())));
    rows.extend((one.skipped > 0).then(|| (words.get("dep-between"), words.count("dep-skipped", &one.skipped))));
    rows
}

/// `GET /deployments/{id}/log`: the whole log, as a file.
pub async fn log(State(web): State<Web>, headers: HeaderMap, Path(id): Path<String>) -> PageOutcome {
    let visitor = signed_in(&web, &headers, &format!("/deployments/{}", view_model::encoded(&id))).await?;
    let (pass, _) = web.handle.last_pass();
    let one = find(&web, &visitor, &pass, &id).await?;
    let Some(build) = of_deployment(&web.handle, &pass, one).await else {
        return Err(text_page(&web, &visitor, StatusCode::NOT_FOUND, visitor.words.get("dep-no-log")).await);
    };
    let name = format!("attachment; filename=\"{}-{}.log\"", one.app, one.id);
    let kind = "text/plain; charset=utf-8".to_owned();
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
    let lines = build.log.lines(build.ended.unwrap_or_else(|| web.handle.now()));
    Ok((headers, lines.join("\n") + "\n").into_response())
}

/// The verbs of apps that have a button.
const BUTTONS: [&VerbRow; 3] = [&APP_DEPLOY, &APP_STOP, &APP_START];

/// `POST /apps/{name}/{verb}`
pub async fn verb(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path((name, verb)): Path<(String, String)>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let back = format!("/services/{}/deployments", view_model::encoded(&name));
    let Some(row) = BUTTONS.into_iter().find(|row| row.of_app().is_some_and(|known| known.word == verb)) else {
        authorize_form(&web, &headers, &fields, Role::Operator, &back).await?;
        return Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await);
    };
    let role = (row.role)(&ActArgs::default(), true);
    let doer = authorize_form(&web, &headers, &fields, role, &back).await?;
    let command = Act::new(row).with("app", name.as_str()).with("timeout_ms", NO_WAIT_MS).asked_by(&doer.author());
    let pulls = fields.get("pull").is_some_and(|pull| pull == "1");
    let command = if pulls { command.with("pull", true) } else { command };
    Ok(finish(&web, &doer, (from, row.word, &name), command, &back).await)
}
