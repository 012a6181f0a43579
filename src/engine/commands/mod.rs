//! What a person can ask for, the same for the command line and the socket: plan, apply, destroy, status, …

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

use self::adopt::Asked;
use self::apply::Agreed;
use super::reconcile::daemon::{Command, Handle, Reply};
use super::report;
use super::report::Tally;
use super::report::subnets;
use super::{Picture, Progress, ProgressState};
use amarre_core::manifest::Severity;
use amarre_core::model::world::Suspension;
use amarre_core::model::{Change, Hint, Millis, Timestamp, Verb};
use amarre_core::plan::render::text::{Next, refusal_body};
use amarre_core::plan::render::{Look, Sign, lines};

/// Nobody waits longer than a week.
pub const TIMEOUT_MS_MAX: i64 = Millis::minutes(7 * 24 * 60).0;
/// The end of the year 9999.
pub const UNTIL_MS_MAX: i64 = 253_402_300_799_999;

/// After this long without news, people are told what is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer: a document for machines, a text for people, an exit code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// For machines.
    pub document: Json,
    /// For people.
    pub text: String,
    /// As the command line exits.
    pub exit: u8,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `A…`; empty where there is none.
    pub code: String,
    /// Why not.
    pub message: String,
    /// The way past it.
    pub hint: String,
    /// All ways past it, with their commands.
    pub hints: Vec<Hint>,
}

impl Answer {
    /// Why what was asked was not done; `None`: it was, or it is being done.
    pub fn refused(&self) -> Option<Refused> {
        let error = &self.document["error"];
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let message = text(error.get("message")?);
        let hints = serde_json::from_value(error["hints"].clone()).unwrap_or_default();
        Some(Refused { code: text(&error["code"]), message, hint: text(&error["hints"][0]["text"]), hints })
    }
}

/// Something that changes the world, or what we may do to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Converge everything.
    Apply {
        /// How many services may be deleted.
        confirm_deletes: Option<usize>,
        /// The digest of the plan that is meant: of another one nothing is done.
        #[serde(default)]
        plan: Option<String>,
        /// The commit that is followed from now on, though it does not descend from the one before.
        #[serde(default)]
        accept_rewrite: Option<String>,
        /// At most so long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Converge one service, or all, as the daemon would.
    Reconcile {
        /// Which; `None` = all.
        service: Option<String>,
        /// At most so long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Remove services and leave them suspended.
    Destroy {
        /// Which; empty with `all`.
        services: Vec<String>,
        /// Every one.
        #[serde(default)]
        all: bool,
        /// Their volumes as well.
        #[serde(default)]
        purge: bool,
        /// Who asks.
        #[serde(default)]
        by: String,
        /// At most so long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Leave a service alone.
    Suspend {
        /// Which.
        service: String,
        /// Why.
        #[serde(default)]
        why: String,
        /// Who asks.
        #[serde(default)]
        by: String,
        /// When it ends by itself, milliseconds since 1970.
        #[serde(default)]
        until_ms: Option<i64>,
    },
    /// Take a service up again.
    Resume {
        /// Which.
        service: String,
    },
    /// Put the containers of a service back as they were when all was well, and leave them so.
    Rollback {
        /// Which.
        service: String,
        /// To which revision, or the beginning of it; `None`: the last one with which all was well.
        #[serde(default)]
        to: Option<String>,
        /// Only say what would be done.
        #[serde(default)]
        dry_run: bool,
        /// Who asks.
        #[serde(default)]
        by: String,
        /// At most so long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Stop waiting for a service and changing it, and leave it as it stands.
    Cancel {
        /// Which.
        service: String,
        /// Who asks.
        #[serde(default)]
        by: String,
    },
    /// Take over what is there already and a manifest wants.
    Adopt {
        /// Its address, or the end of it.
        thing: String,
        /// Only say what would be done.
        #[serde(default)]
        dry_run: bool,
        /// Who asks.
        #[serde(default)]
        by: String,
        /// At most so long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Take over every record whose mark names us and that no key of ours signed.
    AdoptUnsigned {
        /// How many they are: of another number nothing is done.
        #[serde(default)]
        confirm: Option<usize>,
        /// Only say which.
        #[serde(default)]
        dry_run: bool,
        /// Who asks.
        #[serde(default)]
        by: String,
        /// At most so long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Give something of ours out of hand; it stays as it is.
    Release {
        /// Its address, or the end of it.
        thing: String,
        /// Only say what would be done.
        #[serde(default)]
        dry_run: bool,
        /// Who asks.
        #[serde(default)]
        by: String,
        /// At most so long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
    /// Switch off what keeps an NPM's nginx from its configuration.
    Rescue {
        /// Which NPM; `None` = the only one.
        #[serde(default)]
        npm: Option<String>,
        /// Only say what nginx refuses.
        #[serde(default)]
        dry_run: bool,
        /// Who asks.
        #[serde(default)]
        by: String,
    },
    /// Forget that anything of a service failed, and try again now.
    Retry {
        /// Which.
        service: String,
        /// At most so long.
        #[serde(default = "usual_timeout_ms")]
        timeout_ms: i64,
    },
}

/// As the command line waits.
const fn usual_timeout_ms() -> i64 {
    Millis::minutes(15).0
}

impl Act {
    /// What of its numbers makes no sense; `None`: all do.
    pub fn misfit(&self) -> Option<String> {
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

    /// Names who asks, whatever stands there.
    pub fn asked_by(&mut self, who: &str) {
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

/// One line of progress, for whoever prints it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// When, milliseconds.
    pub at_ms: i64,
    /// For which service.
    pub service: String,
    /// `begun`, `done`, `failed`, `waiting`.
    pub state: String,
    /// `create`, `update`, `delete`.
    pub action: String,
    /// The kind on screen.
    pub kind: String,
    /// The name on screen.
    pub name: String,
    /// What it is now, or the error.
    pub detail: String,
    /// Milliseconds.
    pub took_ms: i64,
}

/// How the text of a plan is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanForm {
    /// With the command that carries it out.
    Whole,
    /// Without it: a question follows, or something else carries it out.
    Asks,
    /// The comment of a merge request.
    Markdown,
}

/// What was planned, and whether there is something to do. `reference`: of another branch, tag or commit, which does not
/// become current, so that no command carries it out.
pub async fn plan(handle: &Handle, reference: Option<&str>, look: Look, form: PlanForm) -> Option<Answer> {
    let reply = match reference {
        None => {
            handle.fetch().await;
            handle.ask(Command::Look).await?
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
    let answer = planned(picture, look);
    let text = match form {
        PlanForm::Markdown => report::plan_markdown(picture),
        PlanForm::Whole if reference.is_none() => answer.text,
        PlanForm::Whole | PlanForm::Asks => report::plan_text_before(picture, Next::Elsewhere, look),
    };
    Some(Answer { text, ..answer })
}

/// Which subnets are taken, and where room is.
pub async fn subnets(handle: &Handle, look: Look) -> Option<Answer> {
    let picture = handle.ask(Command::Look).await?.picture;
    Some(Answer { document: subnets::document(&picture), text: subnets::text(&picture, look), exit: 0 })
}

/// The plan of a picture. Its exit code is that of `--detailed-exitcode`: 0 nothing to do, 2 changes, 1 an error or
/// something that is needed and could not be seen, 4 held by the guard.
pub fn planned(picture: &Picture, look: Look) -> Answer {
    let document = report::plan_json(picture);
    let text = report::plan_text(picture, look);
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
    Answer { document, text, exit }
}

/// Does what was asked; tells each step.
pub async fn act(handle: &Handle, act: Act, look: Look, steps: &mpsc::Sender<Step>) -> Option<Answer> {
    match act {
        Act::Apply { confirm_deletes, plan, accept_rewrite, timeout_ms } => {
            apply::apply(handle, Agreed { confirm_deletes, plan, accept_rewrite }, timeout_ms, look, steps).await
        }
        Act::Reconcile { service, timeout_ms } => apply::reconcile(handle, service, timeout_ms, look, steps).await,
        Act::Destroy { services, all, purge, by, timeout_ms } => {
            destroy(handle, Doomed { services, all, purge, by }, timeout_ms, look, steps).await
        }
        Act::Suspend { service, why, by, until_ms } => {
            service_actions::suspend(handle, &service, (by, why), until_ms.map(Timestamp)).await
        }
        Act::Rollback { service, to, dry_run: true, .. } => {
            service_actions::would_roll_back(handle, &service, to.as_deref(), look).await
        }
        Act::Rollback { service, to, dry_run: false, by, timeout_ms } => {
            service_actions::roll_back(handle, (&service, to.as_deref()), &by, timeout_ms, look, steps).await
        }
        Act::Cancel { service, by } => service_actions::cancel(handle, &service, &by, look).await,
        Act::Retry { service, timeout_ms } => service_actions::retry(handle, &service, timeout_ms, look, steps).await,
        Act::AdoptUnsigned { confirm, dry_run, by, timeout_ms } => {
            adopt_unsigned::adopt(handle, (dry_run, confirm), &by, timeout_ms, look, steps).await
        }
        Act::Adopt { thing, dry_run, by, timeout_ms } => {
            adopt::adopt(handle, Asked { thing: &thing, dry_run, by: &by, timeout_ms }, look).await
        }
        Act::Release { thing, dry_run, by, timeout_ms } => {
            adopt::release(handle, Asked { thing: &thing, dry_run, by: &by, timeout_ms }, look, steps).await
        }
        Act::Rescue { npm, dry_run, by } => npm_rescue::rescue(handle, npm.as_deref(), dry_run, &by, look).await,
        Act::Resume { service } => {
            let reply = handle.ask(Command::Resume { service: service.clone() }).await?;
            Some(answered(&reply, &service, format!("{service} is taken up again\n")))
        }
    }
}

struct Doomed {
    services: Vec<String>,
    all: bool,
    purge: bool,
    by: String,
}

async fn destroy(
    handle: &Handle,
    doomed: Doomed,
    timeout_ms: i64,
    look: Look,
    steps: &mpsc::Sender<Step>,
) -> Option<Answer> {
    let reply = handle.ask(Command::Look).await?;
    let names: BTreeSet<String> = if doomed.all {
        // A manifest that was broken from the beginning has made nothing.
        let picture = &reply.picture;
        let has_made = |name: &&String| !picture.broken.contains_key(*name) || picture.knows(name);
        picture.statuses().keys().filter(has_made).cloned().collect()
    } else {
        doomed.services.into_iter().collect()
    };
    if let Some(unknown) = unknown(handle, Some(&names)).await? {
        return Some(unknown);
    }
    if names.is_empty() {
        return Some(Answer {
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
        let reply = handle.ask(Command::Suspend { service: service.clone(), suspension }).await?;
        if let Some(error) = reply.error {
            return Some(no_such(&error));
        }
    }
    let started = handle.now();
    let (reply, tally) = follow(handle, None, Some(names.clone()), timeout_ms, steps).await?;
    let left: Vec<&Change> =
        reply.picture.plan.changes.iter().filter(|change| names.contains(&change.service)).collect();
    let hidden = !reply.picture.plan.gaps.is_empty();
    let took = handle.now() - started;
    let (text, exit) = if left.is_empty() && !hidden {
        let kept = if doomed.purge { "" } else { "; volumes are kept" };
        (
            format!(
                "Destroyed {} in {}: {tally}{kept}.\n",
                names.into_iter().collect::<Vec<_>>().join(", "),
                took.in_words()
            ),
            0,
        )
    } else {
        let mut text = format!("Partly destroyed in {}: {tally}.", took.in_words());
        text.push_str(if reply.settled { "\n" } else { " Time is up; the next run goes on from there.\n" });
        text.push_str(&left_over(&left, look));
        report::troubles(&reply.picture, handle.now(), look, &mut text);
        (text, 3)
    };
    Some(Answer { document: report::status_json(&reply.picture, None), text, exit })
}

/// What is still there, and of what is held the reason with the way past it.
fn left_over(left: &[&Change], look: Look) -> String {
    let name = |change: &&Change| format!("{} {}", change.address.kind.label(), lines::name(&change.address, None));
    let names: Vec<String> = left.iter().map(name).collect();
    let mut text = if names.is_empty() { String::new() } else { format!("Left: {}\n", names.join(", ")) };
    for refusal in left.iter().filter_map(|change| change.refusal()) {
        text.push_str(&format!("{} {}, {}\n", look.sign(Sign::Refuse), refusal.message, refusal.code));
        refusal_body(refusal, look, &mut text);
    }
    text
}

pub(super) async fn converge(
    handle: &Handle,
    confirm_deletes: Option<usize>,
    only: Option<BTreeSet<String>>,
    timeout_ms: i64,
    look: Look,
    steps: &mpsc::Sender<Step>,
) -> Option<Answer> {
    let started = handle.now();
    let (reply, tally) = follow(handle, confirm_deletes, only, timeout_ms, steps).await?;
    let took = handle.now() - started;
    let (text, exit) = report::verdict(&reply.picture, reply.settled, &tally, (took, handle.now()), look);
    Some(Answer { document: report::status_json(&reply.picture, None), text, exit })
}

/// Applies, and passes on every step until the answer is there.
pub(super) async fn follow(
    handle: &Handle,
    confirmed_deletes: Option<usize>,
    only: Option<BTreeSet<String>>,
    timeout_ms: i64,
    steps: &mpsc::Sender<Step>,
) -> Option<(Reply, Tally)> {
    let mut progress = handle.progress();
    let mut tally = Tally::default();
    let asked = handle.ask(Command::Apply { confirmed_deletes, only: only.clone(), timeout: Millis(timeout_ms) });
    tokio::pin!(asked);
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    let mut patience = tokio::time::interval(PATIENCE);
    patience.tick().await;
    let reply = loop {
        tokio::select! {
            biased;
            told = progress.recv() => match told {
                Ok(told) => pass_on(&told, &mut tally, steps).await,
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
        pass_on(&told, &mut tally, steps).await;
    }
    Some((reply, tally))
}

/// What is waited for, a line for each service that did not say the same before.
fn waiting(handle: &Handle, only: Option<&BTreeSet<String>>, said: &mut BTreeMap<String, String>) -> Vec<Step> {
    let (picture, _) = handle.picture();
    let mut steps = Vec::new();
    for (service, row) in picture.statuses() {
        let asked = only.is_none_or(|only| only.contains(service));
        // What is just being done tells its own end.
        let waits = row.waiting.is_some() && !row.what_now.is_empty();
        if !asked || !waits || said.get(service).is_some_and(|known| *known == row.what_now) {
            continue;
        }
        // Without the countdown, which is no news.
        said.insert(service.clone(), row.what_now.clone());
        let now = handle.now();
        let progress = row.progress(now).map(|progress| format!(", {progress}")).unwrap_or_default();
        steps.push(Step {
            at_ms: now.0,
            service: service.clone(),
            state: "waiting".to_owned(),
            action: String::new(),
            kind: String::new(),
            name: String::new(),
            detail: format!("{}{progress}", row.what_now_at(now)),
            took_ms: 0,
        });
    }
    steps
}

async fn pass_on(progress: &Progress, tally: &mut Tally, steps: &mpsc::Sender<Step>) {
    if progress.state == ProgressState::Done {
        tally.add(&progress.change);
    }
    // Whoever listened may have gone; the work goes on.
    let _ = steps.send(step(progress)).await;
}

fn step(progress: &Progress) -> Step {
    let change = &progress.change;
    let fields = super::reconcile::pass::written(change);
    let detail = match (&change.verb, progress.state) {
        (_, ProgressState::Failed) => progress.text.clone(),
        (Verb::Create(_) | Verb::Update(_), _) if !progress.text.is_empty() => progress.text.clone(),
        (Verb::Create(fields), _) => lines::detail(&change.address, fields, None),
        (Verb::Update(_), _) => change.diff.iter().map(|diff| diff.field.clone()).collect::<Vec<_>>().join(", "),
        (Verb::Delete, _) => "removed".to_owned(),
    };
    let state = match progress.state {
        ProgressState::Begun if progress.text.is_empty() => "begun",
        ProgressState::Begun => "going",
        ProgressState::Done => "done",
        ProgressState::Failed => "failed",
    };
    Step {
        at_ms: progress.at.0,
        service: change.service.clone(),
        state: state.to_owned(),
        action: change.action().to_owned(),
        kind: lines::kind(change.address.kind, &change.verb),
        name: lines::name(&change.address, fields),
        detail,
        took_ms: progress.took.0,
    }
}

/// The first of `names` that nobody knows, as an error.
async fn unknown(handle: &Handle, names: Option<&BTreeSet<String>>) -> Option<Option<Answer>> {
    let Some(names) = names else { return Some(None) };
    let reply = handle.ask(Command::Look).await?;
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

fn answered(reply: &Reply, service: &str, text: String) -> Answer {
    match &reply.error {
        Some(error) => refused("A1002", error, &find_address::service_hint(&reply.picture, service)),
        None => Answer { document: json!({"ok": true}), text, exit: 0 },
    }
}

pub(super) fn refused(code: &str, why: &str, hint: &str) -> Answer {
    let text = format!("error[{code}]: {why}\n  hint: {hint}\n");
    let document = json!({"error": {"code": code, "message": why, "hints": [{"text": hint}]}});
    Answer { document, text, exit: 1 }
}

/// A service that nobody knows.
pub(super) fn no_such(why: &str) -> Answer {
    refused("A1002", why, "amarre status --all lists them")
}
