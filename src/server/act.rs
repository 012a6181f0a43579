//! Commands: `POST /api/v1/act`, and those about one service with its name in the path. Each is done to its end, also
//! when nobody waits for it any more.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::auth;
use super::auth::{Told, Who};
use super::problem::refusal;
use super::{Given, LookQuery, stopping, whole};
use crate::accounts::Role;
use crate::engine::commands;
use crate::engine::commands::{Act, Answer, Step};
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report;

/// Steps that wait for a slow reader before lanes' progress is dropped for it.
const STEPS_MAX: usize = 256;

/// Who may ask for a command.
fn needs(act: &Act) -> Role {
    match act {
        Act::Rollback { dry_run: true, .. } => Role::Viewer,
        // Who signs decides what counts; a history that was rewritten past it is for who answers for all of it.
        Act::Apply { accept_rewrite: Some(_), .. } => Role::Admin,
        Act::Apply { confirm_deletes: None, accept_rewrite: None, .. }
        | Act::Reconcile { .. }
        | Act::Suspend { .. }
        | Act::Resume { .. }
        | Act::Rollback { .. }
        | Act::Cancel { .. }
        | Act::Retry { .. } => Role::Operator,
        Act::Apply { confirm_deletes: Some(_), accept_rewrite: None, .. } | Act::Destroy { purge: false, .. } => {
            Role::Editor
        }
        Act::Destroy { purge: true, .. }
        | Act::Adopt { .. }
        | Act::AdoptUnsigned { .. }
        | Act::Release { .. }
        | Act::Rescue { .. } => Role::Admin,
    }
}

/// `POST /api/v1/act`
pub async fn act(
    State(handle): State<Handle>,
    Extension(who): Extension<Who>,
    Query(query): Query<LookQuery>,
    Given(act): Given<Act>,
) -> Response {
    if let Some(why) = act.misfit() {
        return (StatusCode::UNPROCESSABLE_ENTITY, why).into_response();
    }
    // The first time needs somebody who answers for all of it.
    let is_first = matches!(act, Act::Apply { .. }) && !handle.picture().0.consented;
    let needed = if is_first { Role::Admin } else { needs(&act) };
    if who.role < needed {
        return told(&act).with(auth::denied(who.role, needed));
    }
    answer_in_lines(handle, act, query, &who).await
}

/// A command as the audit has it: `suspend`, of `shop`.
fn told(act: &Act) -> Told {
    let document = serde_json::to_value(act).unwrap_or_default();
    let (action, body) = document
        .as_object()
        .and_then(|all| all.iter().next())
        .map_or(("act", &Json::Null), |(key, body)| (key.as_str(), body));
    let named = ["service", "thing", "npm"].into_iter().find_map(|key| body[key].as_str()).map(str::to_owned);
    let several = || {
        let names: Vec<&str> = body["services"].as_array()?.iter().filter_map(Json::as_str).collect();
        Some(if names.is_empty() { "all".to_owned() } else { names.join(" ") })
    };
    let action = if body["dry_run"] == true { format!("check_{action}") } else { action.to_owned() };
    Told { action, target: named.or_else(several) }
}

/// Acts. JSON lines: a `step` each, then one `end`. Over the network, what is not done at all is a problem.
pub async fn answer_in_lines(handle: Handle, act: Act, query: LookQuery, who: &Who) -> Response {
    told(&act).with(done_in_lines(handle, act, query, who).await)
}

async fn done_in_lines(handle: Handle, mut act: Act, query: LookQuery, who: &Who) -> Response {
    if let Some(name) = &who.name {
        act.asked_by(name);
    }
    let (steps, mut raw) = mpsc::channel::<Step>(STEPS_MAX);
    let (shown, mut inbox) = mpsc::channel::<Step>(STEPS_MAX);
    let own = who.services.clone();
    let doing = async move {
        let acting = async {
            let answer = commands::act(&handle, act, query.look(), &steps).await;
            drop(steps);
            answer
        };
        // Who may see some services only is told of these.
        let is_shown = |service: &str| own.as_ref().is_none_or(|own| own.contains(service));
        let passing = async {
            while let Some(step) = raw.recv().await {
                if is_shown(&step.service) {
                    // Whoever listened may have gone; the work goes on.
                    let _ = shown.send(step).await;
                }
            }
        };
        let (answer, ()) = tokio::join!(acting, passing);
        drop(shown);
        let narrowed = |answer: Answer| match own.as_ref().filter(|_| answer.refused().is_none()) {
            None => answer,
            Some(own) => narrow(&handle, answer, own),
        };
        answer.map(narrowed)
    };
    let mut ending: Ending = Box::pin(async { whole(doing).await.flatten() });
    if who.name.is_none() {
        return lines("step", Turn::Going(inbox, ending), None);
    }
    tokio::select! {
        biased;
        Some(step) = inbox.recv() => lines("step", Turn::Begun(step, inbox, ending), None),
        answer = &mut ending => match answer.as_ref().map(Answer::refused) {
            None => stopping(),
            Some(Some(refused)) => refusal(&refused),
            Some(None) => lines("step", Turn::Rest(inbox, answer), None),
        },
    }
}

/// The end of a command for who may see some services only.
fn narrow(handle: &Handle, answer: Answer, own: &BTreeSet<String>) -> Answer {
    let (picture, _) = handle.picture();
    let rows = picture.statuses();
    let rows: Vec<_> = own.iter().filter_map(|name| Some(report::service_json(&picture, rows.get(name)?))).collect();
    let document = json!({"schema": "amarre.status/v1", "services": rows});
    Answer { document, text: String::new(), exit: answer.exit }
}

/// JSON lines: each thing that comes under its key, then one `end`.
pub fn in_lines<T: Serialize + Send + 'static>(
    key: &'static str,
    inbox: mpsc::Receiver<T>,
    ending: Ending,
    lasts: Option<Duration>,
) -> Response {
    lines(key, Turn::Going(inbox, ending), lasts)
}

/// `lasts`: then it ends, whatever would come.
fn lines<T: Serialize + Send + 'static>(key: &'static str, from: Turn<T>, lasts: Option<Duration>) -> Response {
    let over = async move {
        match lasts {
            Some(lasts) => tokio::time::sleep(lasts).await,
            None => std::future::pending().await,
        }
    };
    let lines = futures_util::stream::unfold(from, move |at| turn(key, at)).take_until(Box::pin(over));
    let body = lines.map(|line| Ok::<String, std::convert::Infallible>(format!("{line}\n")));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response()
}

/// What stands at the end.
pub type Ending = std::pin::Pin<Box<dyn Future<Output = Option<Answer>> + Send>>;

/// Where a stream of things is.
enum Turn<T> {
    Begun(T, mpsc::Receiver<T>, Ending),
    Going(mpsc::Receiver<T>, Ending),
    Rest(mpsc::Receiver<T>, Option<Answer>),
    Over,
}

async fn turn<T: Serialize>(key: &str, turn: Turn<T>) -> Option<(serde_json::Value, Turn<T>)> {
    match turn {
        Turn::Begun(thing, inbox, ending) => Some((json!({key: thing}), Turn::Going(inbox, ending))),
        Turn::Going(mut inbox, mut ending) => {
            tokio::select! {
                biased;
                Some(thing) = inbox.recv() => Some((json!({key: thing}), Turn::Going(inbox, ending))),
                answer = &mut ending => rest(key, inbox, answer).await,
            }
        }
        Turn::Rest(inbox, answer) => rest(key, inbox, answer).await,
        Turn::Over => None,
    }
}

/// What was told before the end comes before the end.
async fn rest<T: Serialize>(
    key: &str,
    mut inbox: mpsc::Receiver<T>,
    answer: Option<Answer>,
) -> Option<(serde_json::Value, Turn<T>)> {
    match inbox.recv().await {
        Some(thing) => Some((json!({key: thing}), Turn::Rest(inbox, answer))),
        None => Some((json!({"end": answer}), Turn::Over)),
    }
}
