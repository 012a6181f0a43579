//! The commands that the command line and the socket share: plan, apply, destroy, status, …

pub mod act;
pub mod verbs;
pub(super) mod apply;
pub(super) mod delete_instance;
pub(super) mod destroy;
pub(super) mod console_instance;
pub mod clone_instance;
pub(super) mod rebuild_instance;
pub(super) mod resize_instance;
pub(super) mod snapshot_instance;
pub mod manifest_text;
pub mod machine_list;
pub(super) mod restart;
pub mod instance_answers;
pub mod instances;
pub mod offers;
pub mod apps;
pub mod builds;
mod app_verbs;
pub mod pools;
pub mod reads;
pub mod reservation_drafts;
pub mod pool_verbs;
mod pool_server;
pub mod pool_machines;
pub(super) mod pool_ends;
pub mod service_actions;
pub(super) mod adopt;
pub(super) mod adopt_unsigned;
pub(super) mod npm_rescue;
pub mod logs;
pub mod follow_logs;
pub mod events;
pub mod history;
pub mod explain;
mod explain_service;
pub mod trace;
pub mod doctor;
pub mod edit_manifest;
pub mod find_address;
pub mod image_lookup;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

pub use self::act::Act;
use self::act::VerbCall;
use super::reconcile::daemon::{Handle, LoopCommand, Reply};
use super::reconcile::lane::{alias_text, diff_parts};
use super::report;
use super::report::RunTally;
use crate::engine::progress::{LaneStep, Progress, ProgressState};
use crate::engine::report::pass_view::PassView;
use crate::ledger::Ledger;
use crate::words::say;
use amarre_core::manifest::Severity;
use amarre_core::model::{Address, Change, Code, Fields, Hint, Language, Millis, Text, Verb};
use amarre_core::plan::render::text::NextStep;
use amarre_core::plan::render::{Style, lines};
use amarre_core::text;

/// After this long without progress, the pending waits are shown.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer: a JSON document, a text, an exit code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// The JSON document.
    pub document: Json,
    /// The text for a terminal.
    pub text: String,
    /// The exit code of the command line.
    pub exit: u8,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: Code,
    pub message: String,
    /// The same for other languages.
    pub said: Text,
    pub hint: String,
    /// All hints, with their commands.
    pub hints: Vec<Hint>,
}

impl CommandAnswer {
    /// Why the request was refused; `None`: it was carried out, or is being carried out.
    pub fn refused(&self) -> Option<Refused> {
        // The document of a service says under `error` what is wrong with it.
        let error = self.document.as_object().filter(|fields| fields.len() == 1)?.get("error")?;
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let message = text(error.get("message")?);
        let hints = serde_json::from_value(error["hints"].clone()).unwrap_or_default();
        // This process made the document, so it knows the code.
        let code = Code::parse(&text(&error["code"]))?;
        let said = serde_json::from_value(error.clone()).unwrap_or_else(|_| Text::from(&message));
        Some(Refused { code, message, said, hint: text(&error["hints"][0]["text"]), hints })
    }
}

/// Why a command ended before its work was done.
#[derive(Debug)]
pub enum CommandEnd {
    /// It was refused, with this answer.
    Refused(CommandAnswer),
    /// Amarre is stopping.
    Stopping,
}

impl CommandEnd {
    /// The answer, where there is one.
    pub fn answer(self) -> Option<CommandAnswer> {
        match self {
            CommandEnd::Refused(answer) => Some(answer),
            CommandEnd::Stopping => None,
        }
    }
}

impl From<CommandAnswer> for CommandEnd {
    fn from(answer: CommandAnswer) -> Self {
        CommandEnd::Refused(answer)
    }
}

/// One line of progress.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProgressStep {
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    pub service: String,
    /// `begun`, `done`, `failed`, `waiting`.
    pub state: String,
    /// `create`, `update`, `delete`.
    pub action: String,
    /// The kind on screen.
    pub kind: String,
    /// The name on screen.
    pub name: String,
    /// The detail, or the error.
    pub detail: String,
    /// The duration in milliseconds.
    pub took_ms: i64,
}

/// The form of a plan's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanForm {
    /// With the command that carries it out.
    Whole,
    /// Without that command: a question follows, or another program carries it out.
    Asks,
    /// As the comment of a merge request.
    Markdown,
}

/// Plans, and answers whether there is anything to do. `reference`: another branch, tag or commit, which does not
/// become effective, so no command carries its plan out.
pub async fn plan(handle: &Handle, reference: Option<&str>, style: Style, form: PlanForm) -> Option<CommandAnswer> {
    let reply = match reference {
        None => {
            handle.fetch().await;
            handle.look_only().await?
        }
        Some(name) => match handle.fetch_ref(name).await {
            Ok(snapshot) => handle.preview(snapshot, Vec::new(), false).await?,
            Err(error) => {
                let hint = error.hints.first().map(|hint| hint.text.to_string()).unwrap_or_default();
                return Some(refused(error.code, &error.message, &hint));
            }
        },
    };
    let pass = &reply.pass;
    let answer = plan_answer(pass, style);
    let text = match form {
        PlanForm::Markdown => report::plan_markdown(pass),
        PlanForm::Whole if reference.is_none() => answer.text,
        PlanForm::Whole | PlanForm::Asks => report::plan_text_before(pass, NextStep::Elsewhere, style),
    };
    Some(CommandAnswer { text, ..answer })
}

/// The plan of a pass. The exit code is that of `--detailed-exitcode`: 0 nothing to do, 2 changes, 1 an error or a
/// needed resource that could not be observed, 4 held by the guard.
pub fn plan_answer(pass: &PassView, style: Style) -> CommandAnswer {
    let document = report::plan_json(pass);
    let text = report::plan_text(pass, style);
    let broken = pass.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let is_left = |change: &Change| change.refusal().is_some_and(|refusal| refusal.is_left());
    let has_changes = pass.plan.changes.iter().any(|change| !is_left(change));
    let is_wrong = broken || pass.source_error.is_some() || pass.ledger_error.is_some();
    let is_partial = document["gaps"].as_array().is_some_and(|gaps| gaps.iter().any(|gap| gap["needed"] == true));
    let exit = match (is_wrong || is_partial, document["guard"].is_null(), has_changes) {
        (true, _, _) => 1,
        (false, false, _) => 4,
        (false, true, true) => 2,
        (false, true, false) => 0,
    };
    CommandAnswer { document, text, exit }
}

/// Carries out a request, and sends each step.
pub async fn act(handle: &Handle, act: Act, style: Style, steps: &mpsc::Sender<ProgressStep>) -> Option<CommandAnswer> {
    (act.row.run)(handle, VerbCall { args: &act.args, style, steps }).await
}

pub(super) async fn converge(
    handle: &Handle,
    confirm_deletes: Option<usize>,
    only: Option<BTreeSet<String>>,
    timeout_ms: i64,
    style: Style,
    steps: &mpsc::Sender<ProgressStep>,
) -> Option<CommandAnswer> {
    let started = handle.now();
    let (reply, tally) = follow(handle, confirm_deletes, only.clone(), timeout_ms, (steps, style.language)).await?;
    let took = handle.now() - started;
    let ended = report::RunEnd { only: only.as_ref(), settled: reply.settled, goes_on: handle.goes_on(), took };
    let (text, exit) = report::verdict(&reply.pass, ended, &tally, handle.now(), style);
    Some(CommandAnswer { document: report::status_json(&reply.pass, None), text, exit })
}

/// Applies, and forwards every step until the answer is there.
pub(super) async fn follow(
    handle: &Handle,
    confirmed_deletes: Option<usize>,
    only: Option<BTreeSet<String>>,
    timeout_ms: i64,
    (steps, language): (&mpsc::Sender<ProgressStep>, Language),
) -> Option<(Reply, RunTally)> {
    let command = LoopCommand::Apply { confirmed_deletes, only: only.clone(), timeout: Millis(timeout_ms) };
    follow_command(handle, command, only.as_ref(), steps, language).await
}

/// Sends a command that waits, and forwards every step until the answer is there.
async fn follow_command(
    handle: &Handle,
    command: LoopCommand,
    only: Option<&BTreeSet<String>>,
    steps: &mpsc::Sender<ProgressStep>,
    language: Language,
) -> Option<(Reply, RunTally)> {
    let is_asked = |told: &Progress| only.is_none_or(|only| only.contains(told.step.service()));
    let mut progress = handle.progress();
    let mut tally = RunTally::default();
    let asked = handle.request(command);
    tokio::pin!(asked);
    let mut said: BTreeMap<String, Text> = BTreeMap::new();
    let mut patience = tokio::time::interval(PATIENCE);
    patience.tick().await;
    let reply = loop {
        tokio::select! {
            biased;
            told = progress.recv() => match told {
                Ok(told) if is_asked(&told) => forward_step(handle, &told, &mut tally, steps).await,
                // What the same pass does for others is none of this command's.
                Ok(_) => (),
                Err(RecvError::Lagged(_)) => (),
                Err(RecvError::Closed) => break asked.await?,
            },
            reply = &mut asked => break reply?,
            _ = patience.tick() => for step in waiting(handle, only, &mut said, language) {
                let _ = steps.send(step).await;
            },
        }
    };
    while let Ok(told) = progress.try_recv() {
        if !is_asked(&told) {
            continue;
        }
        forward_step(handle, &told, &mut tally, steps).await;
    }
    Some((reply, tally))
}

/// One line for each service whose wait has changed.
fn waiting(
    handle: &Handle,
    only: Option<&BTreeSet<String>>,
    said: &mut BTreeMap<String, Text>,
    language: Language,
) -> Vec<ProgressStep> {
    let (pass, _) = handle.last_pass();
    let mut steps = Vec::new();
    for (service, row) in pass.statuses() {
        let asked = only.is_none_or(|only| only.contains(service));
        // A running change reports its own end.
        let waits = row.waiting.is_some() && !row.what_now.is_empty();
        if !asked || !waits || said.get(service).is_some_and(|known| *known == row.what_now) {
            continue;
        }
        // Without the countdown, which changes all the time.
        said.insert(service.clone(), row.what_now.clone());
        let now = handle.now();
        let what = row.status_line_at(now);
        let what = match row.progress(now) {
            Some(progress) => text!("{what}, {progress}", what, progress),
            None => what,
        };
        steps.push(ProgressStep {
            at_ms: now.0,
            service: service.clone(),
            state: "waiting".to_owned(),
            action: String::new(),
            kind: String::new(),
            name: String::new(),
            detail: say(&what, language),
            took_ms: 0,
        });
    }
    steps
}

async fn forward_step(handle: &Handle, progress: &Progress, tally: &mut RunTally, steps: &mpsc::Sender<ProgressStep>) {
    if let LaneStep::Change(change) = &progress.step {
        match progress.state {
            ProgressState::Begun => (),
            ProgressState::Done => {
                tally.failed.remove(&change.address);
                tally.add(change);
            }
            ProgressState::Failed => drop(tally.failed.insert(change.address.clone(), Change::clone(change))),
        }
    }
    // The listener may have hung up; the work goes on.
    let _ = steps.send(step(&handle.last_pass().0, progress)).await;
}

fn step(pass: &PassView, progress: &Progress) -> ProgressStep {
    let seen = |address: &Address| pass.world.seen.get(address).map(|seen| &seen.fields);
    let (action, kind, name, detail) = match &progress.step {
        LaneStep::Change(change) => change_words(change, seen(&change.address), progress),
        LaneStep::Action(action) => {
            let detail = if progress.text.is_empty() { &action.word } else { &progress.text };
            let kind = action.address.kind.label().to_owned();
            (action.word.clone(), kind, lines::name(&action.address, seen(&action.address)), detail.clone())
        }
    };
    let state = match progress.state {
        ProgressState::Begun if progress.text.is_empty() => "begun",
        ProgressState::Begun => "going",
        ProgressState::Done => "done",
        ProgressState::Failed => "failed",
    };
    ProgressStep {
        at_ms: progress.at.0,
        service: progress.step.service().to_owned(),
        state: state.to_owned(),
        action,
        kind,
        name,
        detail,
        took_ms: progress.took.0,
    }
}

/// What a change does, the kind and name of its resource, and the detail. What goes is called as it was.
fn change_words(change: &Change, seen: Option<&Fields>, progress: &Progress) -> (String, String, String, String) {
    let fields = super::pass_result::written_fields(change).or(seen);
    let detail = match (&change.verb, progress.state) {
        (_, ProgressState::Failed) => progress.text.clone(),
        (Verb::Create(_) | Verb::Update(_), _) if !progress.text.is_empty() => progress.text.clone(),
        (Verb::Create(fields), _) => lines::detail(&change.address, fields, None).to_string(),
        (Verb::Update(_), _) => {
            alias_text(change).unwrap_or_else(|| text!("{parts}", parts = diff_parts(change))).to_string()
        }
        (Verb::Delete, _) => "removed".to_owned(),
    };
    let kind = lines::kind(change.address.kind, &change.verb);
    (change.action().to_owned(), kind, lines::name(&change.address, fields), detail)
}

/// The error for the first unknown service among `names`.
async fn unknown_service(handle: &Handle, names: Option<&BTreeSet<String>>) -> Option<Option<CommandAnswer>> {
    let Some(names) = names else { return Some(None) };
    let reply = handle.request(LoopCommand::Pass).await?;
    let known = reply.pass.statuses();
    let seen = |name: &str| {
        reply.pass.world.seen.values().any(|seen| seen.owner.is_ours() && seen.service.as_deref() == Some(name))
    };
    Some(
        names
            .iter()
            .find(|name| !known.contains_key(*name) && !seen(name))
            .map(|name| find_address::no_service(&reply.pass, name)),
    )
}

fn reply_answer(handle: &Handle, reply: &Reply, service: &str, text: String) -> CommandAnswer {
    match &reply.error {
        Some(error) if handle.ledger().full_disk().is_some() => {
            ledger_refused(handle.ledger(), error, "nothing was changed")
        }
        Some(error) if reply.pass.statuses().contains_key(service) => {
            refused(Code::A1002, error, &format!("amarre status {service} says what is with it"))
        }
        Some(error) => refused(Code::A1002, error, &find_address::service_hint(&reply.pass, service)),
        None => CommandAnswer { document: json!({"ok": true}), text, exit: 0 },
    }
}

pub(super) fn refused(code: Code, why: &str, hint: &str) -> CommandAnswer {
    refused_as(code, &Text::from(why), &Text::from(hint))
}

/// The same, of what can be said in several languages.
pub(super) fn refused_as(code: Code, why: &Text, hint: &Text) -> CommandAnswer {
    let text = format!("error[{code}]: {why}\n  hint: {hint}\n");
    let mut document = json!({"error": {"code": code, "hints": [Hint::text(hint.clone())]}});
    report::insert(&mut document["error"], why, "message");
    CommandAnswer { document, text, exit: 1 }
}

/// The ledger could not be used: whether its disk is full, and `left`, what was not done then; empty: it was only read.
pub(super) fn ledger_refused(ledger: &Ledger, error: &str, left: &str) -> CommandAnswer {
    let hint = ledger.full_disk().map_or_else(|| "is the disk full?".to_owned(), |room| room.hint());
    let hint = if left.is_empty() { hint } else { format!("{hint}; {left}") };
    refused(Code::A0903, error, &hint)
}

/// The answer for an unknown service.
pub(super) fn no_such(why: &str) -> CommandAnswer {
    refused(Code::A1002, why, "amarre status --all lists them")
}
