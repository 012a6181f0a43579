//! The commands that the command line and the socket share: plan, apply, destroy, status, …

pub(super) mod apply;
pub(super) mod service_actions;
pub(super) mod adopt;
pub(super) mod adopt_unsigned;
pub(super) mod npm_rescue;
pub mod logs;
pub mod follow_logs;
pub mod events;
pub mod history;
pub mod explain;
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

use self::adopt::OwnershipQuery;
use self::apply::Agreed;
use super::reconcile::daemon::{Handle, LoopCommand, Reply};
use super::report;
use super::report::RunTally;
use super::report::subnets;
use super::{LaneStep, PassResult, Progress, ProgressState};
use amarre_core::manifest::Severity;
use amarre_core::model::world::Suspension;
use amarre_core::model::{Address, Change, Code, Hint, Millis, Timestamp, Verb};
use amarre_core::plan::render::text::{NextStep, refusal_body};
use amarre_core::plan::render::{Sign, Style, lines};

/// The longest timeout: a week.
pub const TIMEOUT_MS_MAX: i64 = Millis::minutes(7 * 24 * 60).0;
/// The end of the year 9999.
pub const UNTIL_MS_MAX: i64 = 253_402_300_799_999;

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
    /// Its code.
    pub code: Code,
    /// The reason.
    pub message: String,
    /// The hint.
    pub hint: String,
    /// All hints, with their commands.
    pub hints: Vec<Hint>,
}

impl CommandAnswer {
    /// Why the request was refused; `None`: it was carried out, or is being carried out.
    pub fn refused(&self) -> Option<Refused> {
        let error = &self.document["error"];
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let message = text(error.get("message")?);
        let hints = serde_json::from_value(error["hints"].clone()).unwrap_or_default();
        // This process made the document, so it knows the code.
        let code = Code::parse(&text(&error["code"]))?;
        Some(Refused { code, message, hint: text(&error["hints"][0]["text"]), hints })
    }
}

/// A request that changes the world, or what Amarre may do to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Converge everything.
    Apply {
        /// How many services may be deleted.
        confirm_deletes: Option<usize>,
        /// The digest of the plan to carry out; with any other plan nothing is done.
        #[serde(default)]
        plan: Option<String>,
        /// The commit to accept although it does not descend from the accepted one.
        #[serde(default)]
        accept_rewrite: Option<String>,
        /// Wait at most this long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Converge one service, or all, as the daemon would.
    Reconcile {
        /// The service; `None` = all.
        service: Option<String>,
        /// Wait at most this long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Remove services and leave them suspended.
    Destroy {
        /// The services; empty with `all`.
        services: Vec<String>,
        /// All services.
        #[serde(default)]
        all: bool,
        /// Delete their volumes as well.
        #[serde(default)]
        purge: bool,
        /// The account that asks.
        #[serde(default)]
        by: String,
        /// Wait at most this long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Suspend a service.
    Suspend {
        /// The service.
        service: String,
        /// The reason.
        #[serde(default)]
        why: String,
        /// The account that asks.
        #[serde(default)]
        by: String,
        /// When the suspension ends, milliseconds since 1970.
        #[serde(default)]
        until_ms: Option<i64>,
    },
    /// Resume a service.
    Resume {
        /// The service.
        service: String,
    },
    /// Roll the containers of a service back to a version that was healthy, and suspend the service.
    Rollback {
        /// The service.
        service: String,
        /// The revision, or the beginning of it; `None`: the last healthy one.
        #[serde(default)]
        to: Option<String>,
        /// Report what would be done, and do nothing.
        #[serde(default)]
        dry_run: bool,
        /// The account that asks.
        #[serde(default)]
        by: String,
        /// Wait at most this long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Stop changing a service and waiting for it, and leave it as it stands.
    Cancel {
        /// The service.
        service: String,
        /// The account that asks.
        #[serde(default)]
        by: String,
    },
    /// Adopt an existing resource that a manifest wants.
    Adopt {
        /// Its address, or the end of it.
        thing: String,
        /// Report what would be done, and do nothing.
        #[serde(default)]
        dry_run: bool,
        /// The account that asks.
        #[serde(default)]
        by: String,
        /// Wait at most this long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Adopt every record whose mark names this instance but carries no signature of our keys.
    AdoptUnsigned {
        /// The expected number of records; with any other number nothing is done.
        #[serde(default)]
        confirm: Option<usize>,
        /// List them, and do nothing.
        #[serde(default)]
        dry_run: bool,
        /// The account that asks.
        #[serde(default)]
        by: String,
        /// Wait at most this long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Release a resource: it stays as it is.
    Release {
        /// Its address, or the end of it.
        thing: String,
        /// Report what would be done, and do nothing.
        #[serde(default)]
        dry_run: bool,
        /// The account that asks.
        #[serde(default)]
        by: String,
        /// Wait at most this long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Disable the hosts that keep an NPM's nginx from its configuration.
    Rescue {
        /// The NPM; `None` = the only one.
        #[serde(default)]
        npm: Option<String>,
        /// Report what nginx refuses, and do nothing.
        #[serde(default)]
        dry_run: bool,
        /// The account that asks.
        #[serde(default)]
        by: String,
    },
    /// Forget the failures of a service, and try again now.
    Retry {
        /// The service.
        service: String,
        /// Wait at most this long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
}

/// The default timeout of the command line.
const fn usual_timeout_ms() -> i64 {
    Millis::minutes(15).0
}

impl Act {
    /// Why a number is out of range; `None`: all are valid.
    pub fn unsupported_request(&self) -> Option<String> {
        let times = match self {
            Act::Apply { timeout_ms, .. }
            | Act::Reconcile { timeout_ms, .. }
            | Act::Destroy { timeout_ms, .. }
            | Act::Rollback { timeout_ms, .. }
            | Act::Adopt { timeout_ms, .. }
            | Act::AdoptUnsigned { timeout_ms, .. }
            | Act::Release { timeout_ms, .. }
            | Act::Retry { timeout_ms, .. } => [Some(*timeout_ms), None],
            Act::Suspend { until_ms, .. } => [None, *until_ms],
            Act::Resume { .. } | Act::Cancel { .. } | Act::Rescue { .. } => [None, None],
        };
        let [timeout, until] = times;
        let is_long = timeout.is_some_and(|timeout| !(0..=TIMEOUT_MS_MAX).contains(&timeout));
        if is_long {
            return Some(format!("timeout_ms: from 0 to {TIMEOUT_MS_MAX}"));
        }
        until
            .is_some_and(|until| !(0..=UNTIL_MS_MAX).contains(&until))
            .then(|| format!("until_ms: milliseconds since 1970, to {UNTIL_MS_MAX}"))
    }

    /// Sets the account that asks, whatever the request states.
    pub fn set_requester(&mut self, who: &str) {
        match self {
            Act::Destroy { by, .. }
            | Act::Suspend { by, .. }
            | Act::Rollback { by, .. }
            | Act::Cancel { by, .. }
            | Act::Adopt { by, .. }
            | Act::AdoptUnsigned { by, .. }
            | Act::Release { by, .. }
            | Act::Rescue { by, .. } => who.clone_into(by),
            Act::Apply { .. } | Act::Reconcile { .. } | Act::Resume { .. } | Act::Retry { .. } => (),
        }
    }
}

/// One line of progress.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProgressStep {
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// The service.
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
            handle.request(LoopCommand::Pass).await?
        }
        Some(name) => match handle.fetch_ref(name).await {
            Ok(snapshot) => handle.preview(snapshot, Vec::new()).await?,
            Err(error) => {
                let hint = error.hints.first().map(|hint| hint.text.clone()).unwrap_or_default();
                return Some(refused(error.code, &error.message, &hint));
            }
        },
    };
    let picture = &reply.picture;
    let answer = plan_answer(picture, style);
    let text = match form {
        PlanForm::Markdown => report::plan_markdown(picture),
        PlanForm::Whole if reference.is_none() => answer.text,
        PlanForm::Whole | PlanForm::Asks => report::plan_text_before(picture, NextStep::Elsewhere, style),
    };
    Some(CommandAnswer { text, ..answer })
}

/// The taken subnets, and the free ones.
pub async fn subnets(handle: &Handle, style: Style) -> Option<CommandAnswer> {
    let picture = handle.request(LoopCommand::Pass).await?.picture;
    Some(CommandAnswer { document: subnets::document(&picture), text: subnets::text(&picture, style), exit: 0 })
}

/// The plan of a pass. The exit code is that of `--detailed-exitcode`: 0 nothing to do, 2 changes, 1 an error or a
/// needed resource that could not be observed, 4 held by the guard.
pub fn plan_answer(picture: &PassResult, style: Style) -> CommandAnswer {
    let document = report::plan_json(picture);
    let text = report::plan_text(picture, style);
    let broken = picture.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let is_left = |change: &Change| change.refusal().is_some_and(|refusal| refusal.is_left());
    let has_changes = picture.plan.changes.iter().any(|change| !is_left(change));
    let is_wrong = broken || picture.source_error.is_some() || picture.ledger_error.is_some();
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
    match act {
        Act::Apply { confirm_deletes, plan, accept_rewrite, timeout_ms } => {
            apply::apply(handle, Agreed { confirm_deletes, plan, accept_rewrite }, timeout_ms, style, steps).await
        }
        Act::Reconcile { service, timeout_ms } => apply::reconcile(handle, service, timeout_ms, style, steps).await,
        Act::Destroy { services, all, purge, by, timeout_ms } => {
            destroy(handle, DestroyRequest { services, all, purge, by }, timeout_ms, style, steps).await
        }
        Act::Suspend { service, why, by, until_ms } => {
            service_actions::suspend(handle, &service, (by, why), until_ms.map(Timestamp)).await
        }
        Act::Rollback { service, to, dry_run: true, .. } => {
            service_actions::would_roll_back(handle, &service, to.as_deref(), style).await
        }
        Act::Rollback { service, to, dry_run: false, by, timeout_ms } => {
            service_actions::roll_back(handle, (&service, to.as_deref()), &by, timeout_ms, style, steps).await
        }
        Act::Cancel { service, by } => service_actions::cancel(handle, &service, &by, style).await,
        Act::Retry { service, timeout_ms } => service_actions::retry(handle, &service, timeout_ms, style, steps).await,
        Act::AdoptUnsigned { confirm, dry_run, by, timeout_ms } => {
            adopt_unsigned::adopt(handle, (dry_run, confirm), &by, timeout_ms, style, steps).await
        }
        Act::Adopt { thing, dry_run, by, timeout_ms } => {
            adopt::adopt(handle, OwnershipQuery { thing: &thing, dry_run, by: &by, timeout_ms }, style).await
        }
        Act::Release { thing, dry_run, by, timeout_ms } => {
            adopt::release(handle, OwnershipQuery { thing: &thing, dry_run, by: &by, timeout_ms }, style, steps).await
        }
        Act::Rescue { npm, dry_run, by } => npm_rescue::rescue(handle, npm.as_deref(), dry_run, &by, style).await,
        Act::Resume { service } => {
            let reply = handle.request(LoopCommand::Resume { service: service.clone() }).await?;
            Some(reply_answer(&reply, &service, format!("{service} is taken up again\n")))
        }
    }
}

struct DestroyRequest {
    services: Vec<String>,
    all: bool,
    purge: bool,
    by: String,
}

async fn destroy(
    handle: &Handle,
    doomed: DestroyRequest,
    timeout_ms: i64,
    style: Style,
    steps: &mpsc::Sender<ProgressStep>,
) -> Option<CommandAnswer> {
    let reply = handle.request(LoopCommand::Pass).await?;
    let names: BTreeSet<String> = if doomed.all {
        // A manifest that was broken from the beginning has created nothing.
        let picture = &reply.picture;
        let has_made = |name: &&String| !picture.broken.contains_key(*name) || picture.knows(name);
        picture.statuses().keys().filter(has_made).cloned().collect()
    } else {
        doomed.services.into_iter().collect()
    };
    if let Some(unknown) = unknown_service(handle, Some(&names)).await? {
        return Some(unknown);
    }
    if names.is_empty() {
        return Some(CommandAnswer {
            document: json!({"ok": true}),
            text: "Nothing to destroy: no service is known.\n".to_owned(),
            exit: 0,
        });
    }
    for service in &names {
        let why = format!("amarre destroy {service}");
        let suspension = Suspension {
            by: doomed.by.clone(),
            why,
            destroy: true,
            purge: doomed.purge,
            at: handle.now(),
            until: None,
        };
        let reply = handle.request(LoopCommand::Suspend { service: service.clone(), suspension }).await?;
        if let Some(error) = reply.error {
            return Some(no_such(&error));
        }
    }
    let started = handle.now();
    let (reply, tally) = follow(handle, None, Some(names.clone()), timeout_ms, steps).await?;
    let left = leftovers(&reply.picture, &names, doomed.purge, &tally);
    let hidden = !reply.picture.plan.gaps.is_empty();
    let took = (handle.now() - started).in_words();
    let (text, exit) = if left.is_empty() && !hidden {
        let kept = if doomed.purge { "" } else { "; volumes are kept" };
        (format!("Destroyed {} in {took}: {tally}{kept}.\n", names.into_iter().collect::<Vec<_>>().join(", ")), 0)
    } else {
        let mut text = String::new();
        for refusal in left.iter().filter_map(|change| change.refusal()) {
            text.push_str(&format!("{} {}, {}\n", style.sign(Sign::Refuse), refusal.message, refusal.code));
            refusal_body(refusal, style, &mut text);
        }
        report::problems_text(&reply.picture, handle.now(), style, &mut text);
        text.push_str(&format!("Partly destroyed in {took}: {tally}."));
        text.push_str(if reply.settled { "" } else { " Time is up; the next run goes on from there." });
        text.push_str(&left_text(&left));
        (text, 3)
    };
    Some(CommandAnswer { document: report::status_json(&reply.picture, None), text, exit })
}

/// What a destroy has left: what is still to be done, and what failed and is still there.
fn leftovers<'a>(
    picture: &'a PassResult,
    names: &BTreeSet<String>,
    purge: bool,
    tally: &'a RunTally,
) -> Vec<&'a Change> {
    let planned = picture.plan.changes.iter();
    let is_planned = |address: &Address| picture.plan.changes.iter().any(|change| change.address == *address);
    // Without `--purge` a certificate stays whatever became of its writes.
    let is_left = |change: &&Change| {
        let was_to_go = purge || change.verb == Verb::Delete;
        was_to_go && picture.world.seen.contains_key(&change.address) && !is_planned(&change.address)
    };
    let failed = tally.failed.values().filter(is_left);
    planned.chain(failed).filter(|change| names.contains(&change.service)).collect()
}

/// ` Left: certificate shop.example.org` and the end of the line.
fn left_text(left: &[&Change]) -> String {
    let name = |change: &&Change| format!("{} {}", change.address.kind.label(), lines::name(&change.address, None));
    let names: Vec<String> = left.iter().map(name).collect();
    if names.is_empty() { "\n".to_owned() } else { format!(" Left: {}\n", names.join(", ")) }
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
    let (reply, tally) = follow(handle, confirm_deletes, only, timeout_ms, steps).await?;
    let took = handle.now() - started;
    let (text, exit) = report::verdict(&reply.picture, reply.settled, &tally, (took, handle.now()), style);
    Some(CommandAnswer { document: report::status_json(&reply.picture, None), text, exit })
}

/// Applies, and forwards every step until the answer is there.
pub(super) async fn follow(
    handle: &Handle,
    confirmed_deletes: Option<usize>,
    only: Option<BTreeSet<String>>,
    timeout_ms: i64,
    steps: &mpsc::Sender<ProgressStep>,
) -> Option<(Reply, RunTally)> {
    let mut progress = handle.progress();
    let mut tally = RunTally::default();
    let asked =
        handle.request(LoopCommand::Apply { confirmed_deletes, only: only.clone(), timeout: Millis(timeout_ms) });
    tokio::pin!(asked);
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    let mut patience = tokio::time::interval(PATIENCE);
    patience.tick().await;
    let reply = loop {
        tokio::select! {
            biased;
            told = progress.recv() => match told {
                Ok(told) => forward_step(&told, &mut tally, steps).await,
                Err(RecvError::Lagged(_)) => (),
                Err(RecvError::Closed) => break asked.await?,
            },
            reply = &mut asked => break reply?,
            _ = patience.tick() => for step in waiting(handle, only.as_ref(), &mut said) {
                let _ = steps.send(step).await;
            },
        }
    };
    while let Ok(told) = progress.try_recv() {
        forward_step(&told, &mut tally, steps).await;
    }
    Some((reply, tally))
}

/// One line for each service whose wait has changed.
fn waiting(handle: &Handle, only: Option<&BTreeSet<String>>, said: &mut BTreeMap<String, String>) -> Vec<ProgressStep> {
    let (picture, _) = handle.last_pass();
    let mut steps = Vec::new();
    for (service, row) in picture.statuses() {
        let asked = only.is_none_or(|only| only.contains(service));
        // A running change reports its own end.
        let waits = row.waiting.is_some() && !row.what_now.is_empty();
        if !asked || !waits || said.get(service).is_some_and(|known| *known == row.what_now) {
            continue;
        }
        // Without the countdown, which changes all the time.
        said.insert(service.clone(), row.what_now.clone());
        let now = handle.now();
        let progress = row.progress(now).map(|progress| format!(", {progress}")).unwrap_or_default();
        steps.push(ProgressStep {
            at_ms: now.0,
            service: service.clone(),
            state: "waiting".to_owned(),
            action: String::new(),
            kind: String::new(),
            name: String::new(),
            detail: format!("{}{progress}", row.status_line_at(now)),
            took_ms: 0,
        });
    }
    steps
}

async fn forward_step(progress: &Progress, tally: &mut RunTally, steps: &mpsc::Sender<ProgressStep>) {
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
    let _ = steps.send(step(progress)).await;
}

fn step(progress: &Progress) -> ProgressStep {
    let (action, kind, name, detail) = match &progress.step {
        LaneStep::Change(change) => change_words(change, progress),
        LaneStep::Action(action) => {
            let detail = if progress.text.is_empty() { &action.word } else { &progress.text };
            let kind = action.address.kind.label().to_owned();
            (action.word.clone(), kind, lines::name(&action.address, None), detail.clone())
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

/// What a change does, the kind and name of its resource, and the detail.
fn change_words(change: &Change, progress: &Progress) -> (String, String, String, String) {
    let fields = super::reconcile::pass::written_fields(change);
    let detail = match (&change.verb, progress.state) {
        (_, ProgressState::Failed) => progress.text.clone(),
        (Verb::Create(_) | Verb::Update(_), _) if !progress.text.is_empty() => progress.text.clone(),
        (Verb::Create(fields), _) => lines::detail(&change.address, fields, None),
        (Verb::Update(_), _) => change.diff.iter().map(|diff| diff.field.clone()).collect::<Vec<_>>().join(", "),
        (Verb::Delete, _) => "removed".to_owned(),
    };
    let kind = lines::kind(change.address.kind, &change.verb);
    (change.action().to_owned(), kind, lines::name(&change.address, fields), detail)
}

/// The error for the first unknown service among `names`.
async fn unknown_service(handle: &Handle, names: Option<&BTreeSet<String>>) -> Option<Option<CommandAnswer>> {
    let Some(names) = names else { return Some(None) };
    let reply = handle.request(LoopCommand::Pass).await?;
    let known = reply.picture.statuses();
    let seen = |name: &str| {
        reply.picture.world.seen.values().any(|seen| seen.owner.is_ours() && seen.service.as_deref() == Some(name))
    };
    Some(
        names
            .iter()
            .find(|name| !known.contains_key(*name) && !seen(name))
            .map(|name| find_address::no_service(&reply.picture, name)),
    )
}

fn reply_answer(reply: &Reply, service: &str, text: String) -> CommandAnswer {
    match &reply.error {
        Some(error) => refused(Code::A1002, error, &find_address::service_hint(&reply.picture, service)),
        None => CommandAnswer { document: json!({"ok": true}), text, exit: 0 },
    }
}

pub(super) fn refused(code: Code, why: &str, hint: &str) -> CommandAnswer {
    let text = format!("error[{code}]: {why}\n  hint: {hint}\n");
    let document = json!({"error": {"code": code, "message": why, "hints": [{"text": hint}]}});
    CommandAnswer { document, text, exit: 1 }
}

/// The answer for an unknown service.
pub(super) fn no_such(why: &str) -> CommandAnswer {
    refused(Code::A1002, why, "amarre status --all lists them")
}
