//! `amarre status`, once or repeatedly.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use super::CommandFailure;
use super::args::{Args, StatusArgs, StatusFormat};
use super::link::Link;
use super::output::Output;
use crate::engine::commands::CommandAnswer;
use crate::engine::commands::reads::{SERVICE, STATUS};
use crate::engine::report::service_list::Only;
use amarre_core::model::Code;

/// A daemon answers from memory.
const PAUSE: Duration = Duration::from_secs(2);
/// Without one, each answer asks every vendor.
const PAUSE_WITHOUT_DAEMON: Duration = Duration::from_secs(15);

/// `amarre status`
pub async fn status(args: &Args, status: &StatusArgs, output: &Output) -> Result<u8, CommandFailure> {
    if status.watch {
        return watch(args, status, output).await;
    }
    let (answer, _) = fetch_status(args, status, output).await?;
    match status.output {
        StatusFormat::Text | StatusFormat::Wide => output.data(&answer.text),
        StatusFormat::Json => output.document(&answer.document),
    }
    Ok(if status.exit_code && needs_attention(&answer.document, status.only) { 2 } else { 0 })
}

/// Asks the process that holds the ledger; releases the ledger each time, so that others can work meanwhile.
async fn fetch_status(
    args: &Args,
    status: &StatusArgs,
    output: &Output,
) -> Result<(CommandAnswer, Duration), CommandFailure> {
    let link = Link::open(args).await?;
    let pause = if link.is_remote() { PAUSE } else { PAUSE_WITHOUT_DAEMON };
    let answer = match &status.service {
        Some(name) => link.read(&SERVICE, &[("name", name.clone())], output.style).await,
        None => {
            let only = status.only.map(|only| ("only", only.word().to_owned()));
            let wide = status.output == StatusFormat::Wide;
            let flags = [("all", status.all.to_string()), ("wide", wide.to_string())];
            link.read(&STATUS, &only.into_iter().chain(flags).collect::<Vec<_>>(), output.style).await
        }
    };
    link.close().await;
    Ok((answer?, pause))
}

/// Whether what is listed needs a person: everything that does, unless a filter lists only some services.
fn needs_attention(document: &Json, only: Option<Only>) -> bool {
    let all = document["summary"]["attention"].as_u64().unwrap_or_default();
    let rows = document["services"].as_array();
    let of_rows = rows.is_some_and(|rows| rows.iter().any(|row| row["attention"] == true));
    let is_guarded = !document["guard"].is_null();
    let lists_all = only.is_none_or(|only| only == Only::Attention);
    lists_all && all > 0
        || is_guarded
        || of_rows
        || document["attention"] == true
        || document["items"].as_array().is_some_and(|items| !items.is_empty())
}

/// On a terminal the table is drawn again; elsewhere each change is a line.
async fn watch(args: &Args, status: &StatusArgs, output: &Output) -> Result<u8, CommandFailure> {
    let stop = super::daemon::stopped();
    tokio::pin!(stop);
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let (pause, needy) = match fetch_status(args, status, output).await {
            Ok((answer, pause)) => {
                match status.output {
                    StatusFormat::Json => output.data(&format!("{}\n", answer.document)),
                    StatusFormat::Text | StatusFormat::Wide if output.is_terminal() => output.redraw(&answer.text),
                    StatusFormat::Text | StatusFormat::Wide => {
                        output.data(&changed_lines(&answer.document, &mut known, output))
                    }
                }
                (pause, needs_attention(&answer.document, status.only))
            }
            // Another process works with the ledger, or a daemon is just starting.
            Err(failure) if matches!(failure.code, Some(Code::A0902 | Code::A0904)) => {
                output.note(&failure.message);
                (PAUSE, false)
            }
            Err(failure) => return Err(failure),
        };
        tokio::select! {
            biased;
            () = &mut stop => return Ok(if status.exit_code && needy { 2 } else { 0 }),
            () = tokio::time::sleep(pause) => (),
        }
    }
}

/// A line for each service that has changed.
fn changed_lines(document: &Json, known: &mut BTreeMap<String, String>, output: &Output) -> String {
    let single = std::slice::from_ref(document);
    let rows = document["services"].as_array().or(document["items"].as_array()).map_or(single, Vec::as_slice);
    let text = |row: &Json, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let mut out = String::new();
    let mut there = Vec::new();
    for row in rows {
        let name = match row["address"].as_str() {
            Some(address) => address.to_owned(),
            None => text(row, "name"),
        };
        let now = text(row, "what_now");
        let line = format!("{name} {} {} {now}", text(row, "sync"), text(row, "health"));
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if known.insert(name.clone(), line.clone()).as_ref() != Some(&line) {
            out.push_str(&format!("{} {line}\n", output.clock()));
        }
        there.push(name);
    }
    for gone in known.extract_if(.., |name, _| !there.contains(name)) {
        out.push_str(&format!("{} {} is no longer listed\n", output.clock(), gone.0));
    }
    out
}
