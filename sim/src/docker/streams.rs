//! Answers that are streams: pulls, logs, waits and attached execs.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::stream;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;

use super::exec::{self, Output};
use super::http::Reply;
use super::images::Reference;
use super::query::Query;
use super::state::{Answer, Container, Engine, Exec, State, Status, refuse};

const RAW: &str = "application/vnd.docker.raw-stream";

pub(super) fn response(kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    response
}

/// `POST /images/create`: what goes wrong before the first line has a status, afterwards only a line.
pub(super) fn pull(state: &mut State, query: &Query) -> Answer<Reply> {
    let from = query.text("fromImage");
    if from.is_empty() {
        return refuse(501, "the simulator imports no images: say fromImage");
    }
    let mut reference = Reference::parse(from);
    match query.text("tag") {
        "" => (),
        digest if digest.contains(':') => reference.digest = Some(digest.to_owned()),
        tag => reference.tag = Some(tag.to_owned()),
    }
    let lines = state.pull(&reference, query.text("platform"))?;
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    Ok(Reply::Full(response("application/json", Body::from(lines))))
}

/// `POST /containers/{id}/wait`: the head at once, the code when it ends.
pub(super) fn wait(engine: &Arc<Engine>, term: &str, query: &Query) -> Answer<Reply> {
    let condition = match query.text("condition") {
        word @ ("next-exit" | "removed") => word,
        // Whatever else is said means this one (20.10).
        _ => "not-running",
    }
    .to_owned();
    let (id, exits, mut changed) = {
        let state = engine.lock();
        let container = &state.containers[state.find(term)?];
        (container.id.clone(), container.exits, state.changed.subscribe())
    };
    let engine = engine.clone();
    let ended = async move {
        let mut code = 0;
        loop {
            let over = {
                let state = engine.lock();
                match state.containers.iter().find(|container| container.id == id) {
                    None => true,
                    Some(container) => {
                        code = container.exit_code;
                        is_over(container, &condition, exits)
                    }
                }
            };
            if over || changed.changed().await.is_err() {
                return Ok::<_, Infallible>(format!("{}\n", json!({"Error": null, "StatusCode": code})));
            }
        }
    };
    let body = Body::from_stream(stream::once(ended));
    Ok(Reply::Full(response("application/json", body)))
}

fn is_over(container: &Container, condition: &str, exits_before: u64) -> bool {
    match condition {
        "removed" => false,
        "next-exit" => container.exits > exits_before,
        _ => container.exits > exits_before || !container.is_running(),
    }
}

/// `GET /containers/{id}/logs`.
pub(super) fn logs(engine: &Arc<Engine>, term: &str, query: &Query) -> Answer<Reply> {
    let (out, err) = (query.flag("stdout"), query.flag("stderr"));
    if !out && !err {
        return refuse(400, "Bad parameters: you must choose at least one stream");
    }
    let since = query.number("since").unwrap_or(0.0);
    let timestamps = query.flag("timestamps");
    let (id, tty, first, changed) = {
        let state = engine.lock();
        let container = &state.containers[state.find(term)?];
        let first = match query.text("tail").parse::<usize>() {
            Ok(lines) => container.logs.len().saturating_sub(lines),
            Err(_) => 0,
        };
        let tty = container.config.get("Tty") == Some(&json!(true));
        (container.id.clone(), tty, first, state.changed.subscribe())
    };
    let render = move |(stream, at, line): &(u8, Timestamp, String)| {
        let shown = if *stream == 2 { err } else { out };
        if !shown || (at.as_second() as f64) < since.floor() {
            return Vec::new();
        }
        let line = if timestamps { format!("{at} {line}") } else { line.clone() };
        frame(*stream, &line, tty)
    };
    let follow = query.flag("follow");
    let engine = engine.clone();
    let lines = stream::unfold((first, changed, false), move |(next, mut changed, ended)| {
        let (engine, id) = (engine.clone(), id.clone());
        async move {
            if ended {
                return None;
            }
            loop {
                let (bytes, seen, running) = {
                    let state = engine.lock();
                    let container = state.containers.iter().find(|container| container.id == id)?;
                    let fresh = container.logs.get(next..).unwrap_or_default();
                    let bytes: Vec<u8> = fresh.iter().flat_map(&render).collect();
                    (bytes, container.logs.len(), container.status == Status::Running)
                };
                let last = !follow || !running;
                if last || !bytes.is_empty() {
                    return Some((Ok::<_, Infallible>(bytes), (seen, changed, last)));
                }
                if changed.changed().await.is_err() {
                    return None;
                }
            }
        }
    });
    let mut answer = Response::new(Body::from_stream(lines));
    if tty {
        answer.headers_mut().insert("content-type", HeaderValue::from_static(RAW));
    }
    Ok(Reply::Full(answer))
}

/// `POST /exec/{id}/start`: 101 and the bare connection when an upgrade is asked for, else a plain answer.
pub(super) async fn exec(
    engine: &Arc<Engine>,
    id: &str,
    body: &Map<String, Value>,
    upgrade: Option<OnUpgrade>,
) -> Answer<Reply> {
    let detached = body.get("Detach") == Some(&json!(true));
    let begun = engine.lock().begin_exec(id);
    let exec = match begun {
        // The engine finds this out only after it has taken over the connection.
        Err(refusal) if refusal.message.starts_with("Error: Exec") && !detached => {
            let said = frame(1, &format!("{}\r\n", refusal.message), false);
            return Ok(Reply::Full(response(RAW, Body::from(said))));
        }
        begun => begun?,
    };
    let tty = exec.asked.get("Tty") == Some(&json!(true));
    let (engine, id) = (engine.clone(), id.to_owned());
    if detached {
        exec::run(&engine, &id, &exec).await;
        return Ok(Reply::Empty(200));
    }
    let Some(upgrade) = upgrade else {
        let ended = async move {
            let output = exec::run(&engine, &id, &exec).await;
            Ok::<_, Infallible>(frames(&exec, &output, tty))
        };
        let body = Body::from_stream(stream::once(ended));
        return Ok(Reply::Full(response(RAW, body)));
    };
    let handle = engine.lock().handle.clone();
    handle.spawn(async move {
        let Ok(connection) = upgrade.await else {
            return;
        };
        let mut connection = TokioIo::new(connection);
        let output = exec::run(&engine, &id, &exec).await;
        // A client that left early does not want to know.
        let _ = connection.write_all(&frames(&exec, &output, tty)).await;
        let _ = connection.shutdown().await;
    });
    let mut switched = response(RAW, Body::empty());
    *switched.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = switched.headers_mut();
    headers.insert("connection", HeaderValue::from_static("Upgrade"));
    headers.insert("upgrade", HeaderValue::from_static("tcp"));
    Ok(Reply::Full(switched))
}

fn frames(exec: &Exec, output: &Output, tty: bool) -> Vec<u8> {
    let written = output.written.iter().filter(|(stream, _)| exec::wanted(exec, *stream));
    written.flat_map(|(stream, text)| frame(*stream, text, tty)).collect()
}

/// The engine's multiplexing: stream, three zeros, length, text. A terminal has only one stream, unframed.
fn frame(stream: u8, text: &str, tty: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 8);
    if !tty {
        bytes.extend([stream, 0, 0, 0]);
        bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    }
    bytes.extend(text.as_bytes());
    bytes
}
