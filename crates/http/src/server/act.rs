//! Commands: `POST /api/v1/act`, and those about one service with its name in the path. Each runs to its end, also when
//! the client has hung up.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::auth;
use super::auth::{AuditDetail, Identity};
use super::problem::refusal;
use super::{JsonBody, StyleQuery, run_to_end, stopping};
use crate::engine::commands;
use crate::engine::commands::{Act, CommandAnswer, ProgressStep};
use crate::engine::reconcile::daemon::Handle;
use crate::engine::report;

/// Steps buffered for a slow reader before progress is dropped for it.
const STEPS_MAX: usize = 256;

/// `POST /api/v1/act`
pub async fn act(
    State(handle): State<Handle>,
    Extension(who): Extension<Identity>,
    Query(query): Query<StyleQuery>,
    JsonBody(act): JsonBody<Act>,
) -> Response {
    answer_if_allowed(handle, act, query, &who).await
}

/// The arguments decide what role a command needs: what others reserved, or what no manifest manages, is not for everybody.
pub async fn answer_if_allowed(handle: Handle, act: Act, query: StyleQuery, who: &Identity) -> Response {
    let needed = (act.row.role)(&act.args, handle.last_pass().0.consented);
    if who.role < needed {
        return audit_detail(&act).attach(auth::denied(who.role, needed));
    }
    if let Some(services) = who.services.as_ref().filter(|services| !act.is_within(services)) {
        return audit_detail(&act).attach(auth::not_theirs(services));
    }
    stream_answer(handle, act, query, who).await
}

/// A command as the audit log shows it: `suspend`, with `shop` as its target.
fn audit_detail(act: &Act) -> AuditDetail {
    AuditDetail { action: act.audit_word(), target: act.target() }
}

/// Runs a command. JSON lines: one `step` each, then one `end`. Over the network, a command that is not done at all is
/// a problem.
async fn stream_answer(handle: Handle, act: Act, query: StyleQuery, who: &Identity) -> Response {
    let (detail, is_credential) = (audit_detail(&act), act.row.answers_a_credential());
    let mut answer = stream_act(handle, act, query, who).await;
    if is_credential {
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    detail.attach(answer)
}

async fn stream_act(handle: Handle, mut act: Act, query: StyleQuery, who: &Identity) -> Response {
    if let Some(name) = &who.name {
        act = act.asked_by(name);
    }
    let (steps, mut raw) = mpsc::channel::<ProgressStep>(STEPS_MAX);
    let (shown, mut inbox) = mpsc::channel::<ProgressStep>(STEPS_MAX);
    let own = who.services.clone();
    let doing = async move {
        let acting = async {
            let answer = commands::act(&handle, act, query.style(), &steps).await;
            drop(steps);
            answer
        };
        // An account for some services gets the steps of these only.
        let is_shown = |service: &str| own.as_ref().is_none_or(|own| own.contains(service));
        let passing = async {
            while let Some(step) = raw.recv().await {
                if is_shown(&step.service) {
                    // The listener may have hung up; the work goes on.
                    let _ = shown.send(step).await;
                }
            }
        };
        let (answer, ()) = tokio::join!(acting, passing);
        drop(shown);
        let narrowed = |answer: CommandAnswer| match own.as_ref().filter(|_| answer.refused().is_none()) {
            None => answer,
            Some(own) => restrict(&handle, answer, own),
        };
        answer.map(narrowed)
    };
    let mut ending: StreamEnd = Box::pin(async { run_to_end(doing).await.flatten() });
    if who.name.is_none() {
        return lines("step", StreamTurn::Going(inbox, ending), None);
    }
    tokio::select! {
        biased;
        Some(step) = inbox.recv() => lines("step", StreamTurn::Begun(step, inbox, ending), None),
        answer = &mut ending => match answer.as_ref().map(CommandAnswer::refused) {
            None => stopping(),
            Some(Some(refused)) => refusal(&refused),
            Some(None) => lines("step", StreamTurn::Rest(inbox, answer), None),
        },
    }
}

/// The end of a command, reduced to the services that the account may see.
fn restrict(handle: &Handle, answer: CommandAnswer, own: &BTreeSet<String>) -> CommandAnswer {
    let (pass, _) = handle.last_pass();
    let rows = pass.statuses();
    let rows: Vec<_> = own.iter().filter_map(|name| Some(report::service_json(&pass, rows.get(name)?))).collect();
    let document = json!({"schema": "amarre.status/v1", "services": rows});
    CommandAnswer { document, text: String::new(), exit: answer.exit }
}

/// JSON lines: each item under its key, then one `end`.
pub fn json_lines<T: Serialize + Send + 'static>(
    key: &'static str,
    inbox: mpsc::Receiver<T>,
    ending: StreamEnd,
    lasts: Option<Duration>,
) -> Response {
    lines(key, StreamTurn::Going(inbox, ending), lasts)
}

/// `lasts`: the longest duration of the stream.
fn lines<T: Serialize + Send + 'static>(key: &'static str, from: StreamTurn<T>, lasts: Option<Duration>) -> Response {
    let over = async move {
        match lasts {
            Some(lasts) => tokio::time::sleep(lasts).await,
            None => std::future::pending().await,
        }
    };
    let lines = futures_util::stream::unfold(from, move |at| next_line(key, at)).take_until(Box::pin(over));
    let body = lines.map(|line| Ok::<String, std::convert::Infallible>(format!("{line}\n")));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response()
}

/// The last line.
pub type StreamEnd = std::pin::Pin<Box<dyn Future<Output = Option<CommandAnswer>> + Send>>;

/// The state of a stream of lines.
enum StreamTurn<T> {
    Begun(T, mpsc::Receiver<T>, StreamEnd),
    Going(mpsc::Receiver<T>, StreamEnd),
    Rest(mpsc::Receiver<T>, Option<CommandAnswer>),
    Over,
}

async fn next_line<T: Serialize>(key: &str, turn: StreamTurn<T>) -> Option<(serde_json::Value, StreamTurn<T>)> {
    match turn {
        StreamTurn::Begun(thing, inbox, ending) => Some((json!({key: thing}), StreamTurn::Going(inbox, ending))),
        StreamTurn::Going(mut inbox, mut ending) => {
            tokio::select! {
                biased;
                Some(thing) = inbox.recv() => Some((json!({key: thing}), StreamTurn::Going(inbox, ending))),
                answer = &mut ending => remaining_lines(key, inbox, answer).await,
            }
        }
        StreamTurn::Rest(inbox, answer) => remaining_lines(key, inbox, answer).await,
        StreamTurn::Over => None,
    }
}

/// Items sent before the end come before the end.
async fn remaining_lines<T: Serialize>(
    key: &str,
    mut inbox: mpsc::Receiver<T>,
    answer: Option<CommandAnswer>,
) -> Option<(serde_json::Value, StreamTurn<T>)> {
    match inbox.recv().await {
        Some(thing) => Some((json!({key: thing}), StreamTurn::Rest(inbox, answer))),
        None => Some((json!({"end": answer}), StreamTurn::Over)),
    }
}
