//! Buttons: each is a command that goes on after the page was answered.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use super::{
    Flash, FormFields, From, PageFrame, PageOutcome, Web, authorize_form, page, problem, redirect, signed_in,
    text_page, view_model,
};
use crate::accounts::Role;
use crate::engine::commands;
use crate::engine::commands::{Act, CommandAnswer, Refused};
use amarre_core::plan::render::Style;

/// Steps are dropped: the page shows them.
const STEPS_MAX: usize = 256;
/// A button does not wait for the end: a pass hands out the changes, and the loop goes on by itself.
pub const NO_WAIT_MS: i64 = 0;

/// Runs a command without waiting until all is done. A timeout is therefore no failure.
async fn act(web: &Web, act: Act) -> Option<CommandAnswer> {
    let (steps, mut inbox) = mpsc::channel(STEPS_MAX);
    let doing = commands::act(&web.handle, act, Style::PLAIN, &steps);
    let mut doing = std::pin::pin!(doing);
    loop {
        tokio::select! {
            biased;
            answer = &mut doing => return answer,
            Some(_) = inbox.recv() => (),
        }
    }
}

/// Why a command was refused, in one line.
fn in_line(refused: &Refused) -> String {
    let Refused { code, message, .. } = refused;
    format!("{message} ({code})")
}

/// `POST /services/{name}/{verb}`
pub async fn verb(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path((name, verb)): Path<(String, String)>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let back = format!("/services/{}", view_model::encoded(&name));
    let doer = authorize_form(&web, &headers, &fields, Role::Operator, &back).await?;
    let (service, by, timeout_ms) = (name.clone(), doer.author(), NO_WAIT_MS);
    let why = fields.get("why").cloned().unwrap_or_default();
    let command = match verb.as_str() {
        "reconcile" => Act::Reconcile { service: Some(service), timeout_ms },
        "suspend" => Act::Suspend { service, why, by, until_ms: None },
        "resume" => Act::Resume { service },
        "retry" => Act::Retry { service, timeout_ms },
        "cancel" => Act::Cancel { service, by },
        _ => return Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await),
    };
    Ok(finish(&web, &doer, (from, &verb, &name), command, &back).await)
}

/// Carries out a form, records it in the audit log, and leads back.
pub async fn finish(
    web: &Web,
    doer: &super::Actor,
    (from, verb, name): (std::net::SocketAddr, &str, &str),
    command: Act,
    back: &str,
) -> Response {
    let Some(answer) = act(web, command).await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "Amarre is stopping\n").into_response();
    };
    let refused = answer.refused();
    let result = refused.as_ref().map_or_else(|| "ok".to_owned(), in_line);
    doer.audit(web, from, verb, name, &result).await;
    match refused {
        Some(refused) => Flash::refused(refused).store(web, &doer.session).await,
        // The page that follows shows the new state.
        None => _ = web.handle.pass().await,
    }
    redirect(back)
}

/// `POST /apply`: everything is observed and corrected; with `consent`, for the first time.
pub async fn apply(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let is_first = fields.contains_key("consent");
    let role = if is_first { Role::Admin } else { Role::Operator };
    let doer = authorize_form(&web, &headers, &fields, role, "/").await?;
    let timeout_ms = NO_WAIT_MS;
    let command = match is_first {
        true => Act::Apply { confirm_deletes: None, plan: None, accept_rewrite: None, timeout_ms },
        false => Act::Reconcile { service: None, timeout_ms },
    };
    Ok(finish(&web, &doer, (from, if is_first { "apply" } else { "reconcile" }, ""), command, "/").await)
}

#[derive(Template)]
#[template(path = "rollback.html")]
struct RollbackPage {
    frame: PageFrame,
    name: String,
    to: String,
    text: String,
    is_possible: bool,
    may_act: bool,
}

/// `GET /services/{name}/rollback?to=…`: the forecast.
pub async fn rollback(
    State(web): State<Web>,
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(fields): Query<FormFields>,
) -> PageOutcome {
    let visitor = signed_in(&web, &headers, &format!("/services/{}/rollback", view_model::encoded(&name))).await?;
    let words = visitor.words;
    let revision = fields.get("to").filter(|to| !to.is_empty()).cloned();
    let (service, by) = (name.clone(), String::new());
    let command = Act::Rollback { service, to: revision.clone(), dry_run: true, by, timeout_ms: NO_WAIT_MS };
    let Some(answer) = act(&web, command).await else {
        return Ok(text_page(&web, &visitor, StatusCode::SERVICE_UNAVAILABLE, words.get("problem-page")).await);
    };
    let here = format!("/services/{}/rollback", view_model::encoded(&name));
    let frame = PageFrame::new(&web, &visitor, "services", words.with("rollback-title", "name", &name), here).await;
    let refused = answer.refused().as_ref().map(in_line);
    Ok(page(&RollbackPage {
        frame,
        name,
        to: revision.unwrap_or_default(),
        is_possible: refused.is_none(),
        text: refused.unwrap_or(answer.text),
        may_act: visitor.may(Role::Operator),
    }))
}

/// `POST /services/{name}/rollback`
pub async fn rollback_now(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let back = format!("/services/{}", view_model::encoded(&name));
    let doer = authorize_form(&web, &headers, &fields, Role::Operator, &back).await?;
    let revision = fields.get("to").filter(|to| !to.is_empty()).cloned();
    let (service, by, timeout_ms) = (name.clone(), doer.author(), NO_WAIT_MS);
    let command = Act::Rollback { service, to: revision, dry_run: false, by, timeout_ms };
    Ok(finish(&web, &doer, (from, "rollback", &name), command, &back).await)
}
