//! `amarre history`: runs, the changes of a run, and the versions of a service to which a rollback can go.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{CommandAnswer, ledger_refused, refused};
use super::{events, find_address};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::reconcile::rollback;
use crate::engine::report;
use crate::engine::report::pass_view::PassView;
use crate::engine::report::wait_text;
use crate::ledger::runs::{CUT_OFF, Run};
use crate::ledger::{GoodManifest, StoreError};
use amarre_core::model::{Address, Code, Language, Millis, Timestamp};

/// The default number of rows.
const LIMIT: u32 = 20;
/// The largest number of rows that is read at once.
const LIMIT_MAX: u32 = 1_000;

/// The filter of a query.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryQuery {
    /// The service whose versions are listed; `None` = runs.
    pub name: Option<String>,
    /// List the run at this time, milliseconds.
    pub at_ms: Option<u64>,
    /// List the runs from `at` until before this time: a minute, a day. Without it, `at` is a moment.
    pub to_ms: Option<u64>,
    /// Only runs before the one with this `id`: the `next` of another answer.
    pub cursor: Option<u32>,
    /// At most this many, the newest.
    pub limit: u32,
}

impl Default for HistoryQuery {
    fn default() -> Self {
        Self { name: None, at_ms: None, to_ms: None, cursor: None, limit: LIMIT }
    }
}

/// Reads the rows, newest last.
pub async fn history(handle: &Handle, of: &HistoryQuery, language: Language) -> CommandAnswer {
    let answer = match (&of.name, of.at_ms) {
        (Some(name), _) => versions(handle, name).await,
        (None, Some(at)) => {
            let moment = |ms: u64| Timestamp(i64::try_from(ms).unwrap_or(i64::MAX));
            let last = of.to_ms.map_or(at, |to| to.saturating_sub(1).max(at));
            done_between(handle, moment(at), moment(last), of.limit.clamp(1, LIMIT_MAX), language).await
        }
        (None, None) => runs(handle, of.cursor.map(i64::from), of.limit.clamp(1, LIMIT_MAX)).await,
    };
    answer.unwrap_or_else(|error| ledger_refused(handle.ledger(), &handle.ledger().failure_text(&error), ""))
}

async fn runs(handle: &Handle, before: Option<i64>, limit: u32) -> Result<CommandAnswer, StoreError> {
    let now = handle.now();
    let mut runs = handle.ledger().runs(Timestamp(i64::MAX), before, limit).await?;
    runs.reverse();
    // A page that is not full is the last one.
    let next = runs.first().filter(|_| runs.len() == limit as usize).map(|run| run.id);
    let documents: Vec<Json> = runs.iter().map(run_json).collect();
    let document = json!({"schema": "amarre.history/v1", "runs": documents, "next": next});
    if runs.is_empty() {
        return Ok(CommandAnswer { document, text: "there was no run yet\n".to_owned(), exit: 0 });
    }
    let mut text = format!("{:<7}{:<17}{:<10}{:<10}{:<11}CHANGES\n", "RUN", "BEGAN", "TOOK", "REVISION", "RESULT");
    for run in &runs {
        text.push_str(&format!(
            "{:<7}{:<17}{:<10}{:<10}{:<11}{}\n",
            run.id,
            wait_text::time(run.started, now),
            duration_text(run).map(|took| took.to_string()).unwrap_or_default(),
            report::short_revision(&run.revision),
            result(run),
            run.writes
        ));
    }
    Ok(CommandAnswer { document, text, exit: 0 })
}

/// The runs that were open between two times, or else the last one before them.
async fn done_between(
    handle: &Handle,
    from: Timestamp,
    last: Timestamp,
    limit: u32,
    language: Language,
) -> Result<CommandAnswer, StoreError> {
    let now = handle.now();
    let found = handle.ledger().runs(last, None, limit).await?;
    let Some(newest) = found.first() else {
        let document = json!({"schema": "amarre.history/v1", "runs": []});
        let text = format!("nothing is known of what was done at {}\n", wait_text::time(from, now));
        return Ok(CommandAnswer { document, text, exit: 0 });
    };
    let is_idle = newest.started < from && newest.ended.is_some_and(|ended| ended < from);
    let was_on = |run: &Run| run.started >= from || run.ended.is_some_and(|ended| ended >= from);
    let earlier = found.iter().skip(1).filter(|run| !is_idle && was_on(run));
    let mut runs: Vec<&Run> = std::iter::once(newest).chain(earlier).collect();
    runs.reverse();
    let mut text = String::new();
    if is_idle {
        text.push_str(&format!("At {} nothing was being done. The last run before:\n\n", wait_text::time(from, now)));
    }
    let mut documents: Vec<Json> = Vec::new();
    for (number, run) in runs.iter().enumerate() {
        let events = handle.ledger().events_of_run(run.id).await?;
        documents.extend(events.iter().map(events::document));
        let until = run.ended.map(|ended| format!(" to {}", wait_text::time(ended, now))).unwrap_or_default();
        let (began, revision) = (wait_text::time(run.started, now), report::short_revision(&run.revision));
        let gap = if number > 0 { "\n" } else { "" };
        let (id, result, writes) = (run.id, result(run), run.writes);
        text.push_str(&format!("{gap}run {id}, {began}{until}, {revision}: {result}, {writes} changes\n"));
        text.push_str(&events::text(&events, now, language));
    }
    let document = json!({
        "schema": "amarre.history/v1", "runs": runs.iter().map(|run| run_json(run)).collect::<Vec<_>>(),
        "events": documents,
    });
    Ok(CommandAnswer { document, text, exit: 0 })
}

/// The versions with which all containers of a service were healthy, newest last.
async fn versions(handle: &Handle, name: &str) -> Result<CommandAnswer, StoreError> {
    let Some(reply) = handle.request(LoopCommand::Pass).await else {
        return Ok(refused(Code::A0904, "Amarre is stopping", "amarre status"));
    };
    let pass = reply.pass;
    let good = handle.ledger().good_manifests(name).await?;
    if good.is_empty() && !pass.statuses().contains_key(name) {
        return Ok(find_address::no_service(&pass, name));
    }
    let now = handle.now();
    let is_there = |generations: &str| {
        let mut addresses = generations.split(',').filter_map(|text| text.trim().parse().ok());
        addresses.all(|address: Address| pass.world.seen.contains_key(&address))
    };
    let back_at = pass.rollbacks.get(name).map(|rollback| &rollback.generations);
    let there = || good.iter().map(|good| &good.generations).filter(|generations| is_there(generations));
    // While the old container drains, two versions are there.
    let now_at = there().find(|generations| Some(*generations) == back_at).or_else(|| there().next());
    let mut versions = Vec::new();
    let mut text = String::new();
    for good in good.iter().rev() {
        let is_now = Some(&good.generations) == now_at;
        let images = images(handle, &pass, name, good).await;
        text.push_str(&format!(
            "{:<5}{:<9}{:<17}{}\n",
            if is_now { "now" } else { "" },
            report::short_revision(&good.revision),
            wait_text::time(good.at, now),
            images.join(", ")
        ));
        versions.push(json!({"revision": good.revision, "good_at": good.at.rfc3339(), "now": is_now, "images": images, "file": good.file}));
    }
    let head = match good.len() {
        0 => format!("{name} was not yet well in every container, with this ledger\n"),
        1 => format!("{name}: 1 version with which all was well\n"),
        several => format!("{name}: {several} versions with which all was well\n"),
    };
    let hint =
        if good.len() > 1 { format!("hint: amarre rollback {name} --to REVISION --dry-run\n") } else { String::new() };
    let document = json!({"schema": "amarre.history/v1", "service": name, "versions": versions});
    Ok(CommandAnswer { document, text: format!("{head}{text}{hint}"), exit: 0 })
}

/// The images of a good version, if its manifest can still be read.
async fn images(handle: &Handle, pass: &PassView, name: &str, good: &GoodManifest) -> Vec<String> {
    let Some(context) = &pass.context else { return Vec::new() };
    let service = rollback::read_good(handle, &context.site, name, good).await;
    let containers = service.map(|service| service.containers).unwrap_or_default();
    containers.into_values().map(|container| container.image).collect()
}

fn run_json(run: &Run) -> Json {
    json!({
        "id": run.id, "started_at": run.started.rfc3339(), "ended_at": run.ended.map(Timestamp::rfc3339),
        "revision": run.revision, "result": run.result, "writes": run.writes,
    })
}

fn duration_text(run: &Run) -> Option<Millis> {
    run.ended.map(|ended| ended - run.started)
}

fn result(run: &Run) -> &str {
    match run.result.as_deref() {
        Some(CUT_OFF) => "cut off",
        Some(result) => result,
        None => "going on",
    }
}
