//! One service's changes, one after another: intent → apply → outcome. A lane never sleeps and never retries.
//!
//! A change that fails holds up what would take something away, and nothing else: all that a lane is given may be done
//! now, each by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::breaker::Breakers;
use super::counters::Meters;
use super::{bind_links, change_limit};
use crate::engine::commands::npm_rescue;
use crate::engine::{Clock, Context, Progress, ProgressState};
use crate::ledger::runs::Event;
use crate::ledger::{Intent, Ledger, StoreError};
use crate::providers::{Class, Outcome, Provider, ProviderError, Supplies, Taken};
use crate::secret::Secrets;
use amarre_core::model::{
    Address, Change, Fields, Kind, Payloads, ProviderId, ReasonCode, Timestamp, Value, Verb, words,
};
use amarre_core::plan::desired::bind_mounts::Check;
use amarre_core::plan::render::lines;

/// A pull that takes long says so often how far it is.
const NEWS_EVERY: Duration = Duration::from_secs(2);

/// What a lane is given.
pub struct Job {
    /// Whose lane.
    pub service: String,
    /// In which run.
    pub run: i64,
    /// All of them `now`, in order.
    pub changes: Vec<Change>,
    /// Those that the changes name, for the wire clients.
    pub secrets: Secrets,
    /// Files that the changes name by digest.
    pub payloads: Payloads,
    /// What is looked at again right before a container is made.
    pub checks: BTreeMap<Address, Check>,
}

/// What came of it.
#[derive(Debug)]
pub struct LaneDone {
    /// Whose lane.
    pub service: String,
    /// Providers that were written to, or may have been.
    pub called: BTreeSet<ProviderId>,
    /// What worked.
    pub worked: Vec<Address>,
    /// What did not work.
    pub failures: Vec<LaneFailure>,
    /// When its last write had ended: an observation begun before that does not count.
    pub ended: Timestamp,
}

/// What did not work in a lane.
#[derive(Debug, Clone)]
pub enum LaneFailure {
    /// A provider refused or did not answer.
    Provider {
        /// What was being changed.
        change: Box<Change>,
        /// Why not.
        error: ProviderError,
    },
    /// The ledger could not be written: nothing more is written anywhere.
    Ledger(StoreError),
}

/// What a lane works with.
#[derive(Clone)]
pub struct Tools {
    /// The vendors, and which NPM runs where.
    pub context: Arc<Context>,
    /// The ledger.
    pub ledger: Ledger,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Set when the process is to end: the running step is finished, the next is left for later.
    pub stopping: Arc<AtomicBool>,
    /// Set when a person wants no more of this service: the same for this lane alone.
    pub cancelled: Arc<AtomicBool>,
    /// Who may call which provider now.
    pub breakers: Breakers,
    /// Who is told.
    pub progress: tokio::sync::broadcast::Sender<Progress>,
    /// What is counted.
    pub meters: Arc<Meters>,
}

/// Makes the changes of a job.
pub async fn work(job: Job, tools: Tools) -> LaneDone {
    let (called, worked, failures) = (BTreeSet::new(), Vec::new(), Vec::new());
    let mut done = LaneDone { service: job.service.clone(), called, worked, failures, ended: tools.clock.now() };
    let is_over = || tools.stopping.load(Ordering::Relaxed) || tools.cancelled.load(Ordering::Relaxed);
    for change in &job.changes {
        if is_over() {
            break;
        }
        if !done.failures.is_empty() && takes_away(change) {
            continue;
        }
        // A provider that is to be left alone is looked at again with the next plan.
        let Some(_turn) = tools.breakers.turn(change).await else { continue };
        // A turn may be long in coming.
        if is_over() {
            break;
        }
        done.called.insert(change.address.provider.clone());
        match step(change, &job, &tools).await {
            Ok(()) => {
                tools.breakers.worked(change);
                done.worked.push(change.address.clone());
            }
            Err(failure) => {
                let goes_on = goes_on_after(&failure);
                if let LaneFailure::Provider { error, .. } = &failure {
                    tools.breakers.failed(change, error, tools.clock.now(), rand::random());
                }
                done.failures.push(failure);
                if !goes_on {
                    break;
                }
            }
        }
    }
    done.ended = tools.clock.now();
    done
}

/// Whether the other changes of a lane still rest on what was observed.
fn goes_on_after(failure: &LaneFailure) -> bool {
    match failure {
        LaneFailure::Ledger(_) => false,
        LaneFailure::Provider { error, .. } => match error.class {
            Class::RetryLater | Class::Reauthenticate | Class::Rejected | Class::OutcomeUnknown => true,
            Class::Conflict | Class::Taken(_) => false,
        },
    }
}

/// Whether something that may serve is gone, or stands still, after this change.
pub fn takes_away(change: &Change) -> bool {
    match &change.verb {
        Verb::Delete => true,
        Verb::Update(fields) => fields.flag("running") == Some(false),
        Verb::Create(_) => false,
    }
}

async fn step(change: &Change, job: &Job, tools: &Tools) -> Result<(), LaneFailure> {
    let started = tools.clock.now();
    let provider = tools.context.providers.get(&change.address.provider);
    let provider = provider.expect("a change's provider is one of those that were observed");
    let publishes = provider.capabilities().publish.and_then(|publish| publish.scope_of(&change.address));
    let intent = Intent { run: job.run, change, publishes };
    let id = tools.ledger.intent(&intent, started).await.map_err(LaneFailure::Ledger)?;
    tell(tools, change, ProgressState::Begun, String::new(), started, started);
    let outcome = watched(change, job, tools, provider.as_ref(), started).await;
    let now = tools.clock.now();
    match outcome {
        Ok(outcome) => {
            let stored = tools.ledger.done(id, job.run, change, &outcome.vendor_id, now).await;
            stored.map_err(LaneFailure::Ledger)?;
            tools.meters.changed(change, "done");
            tell(tools, change, ProgressState::Done, Moving::of(provider.as_ref(), change).text, started, now);
            let (service, address) = (&change.service, &change.address);
            tracing::info!(service, run = job.run, %address, "{} {address}", past(change));
            remember(tools, change, job.run, past(change), &story(change), now).await;
            Ok(())
        }
        Err(error) => {
            let error = npm_rescue::named(&tools.context, &change.address.provider, error).await;
            if error.class == Class::Taken(Taken::Subnet) {
                refuse_subnet(tools, change, now).await.map_err(LaneFailure::Ledger)?;
            }
            if let Class::Taken(Taken::Port(port)) = error.class {
                tools.ledger.refuse_port(&change.address, port, now).await.map_err(LaneFailure::Ledger)?;
            }
            if error.class != Class::OutcomeUnknown {
                let stored = tools.ledger.failed_call(id, (error.code, error.not_before), &error.message, now).await;
                stored.map_err(LaneFailure::Ledger)?;
            }
            tools.meters.changed(change, "failed");
            tell(tools, change, ProgressState::Failed, error.message.clone(), started, now);
            remember(tools, change, job.run, "failed", &error.message, now).await;
            Err(LaneFailure::Provider { change: Box::new(change.clone()), error })
        }
    }
}

/// Makes a change, and tells meanwhile how far it is, where the provider knows that. One that takes longer than it may
/// is left: what became of it shows.
async fn watched(
    change: &Change,
    job: &Job,
    tools: &Tools,
    provider: &dyn Provider,
    started: Timestamp,
) -> Result<Outcome, ProviderError> {
    if let Some(check) = job.checks.get(&change.address) {
        bind_links::check_again(check).await?;
    }
    let secrets = named(change, &job.secrets);
    let mut making = provider.apply(change, Supplies { secrets: &secrets, payloads: &job.payloads });
    let (mut told, mut moved) = (String::new(), started);
    let mut ticks = Moving::of(provider, change).ticks;
    loop {
        if let Ok(outcome) = tokio::time::timeout(NEWS_EVERY, &mut making).await {
            return outcome;
        }
        let (moving, now) = (Moving::of(provider, change), tools.clock.now());
        if !moving.text.is_empty() && moving.text != told {
            tell(tools, change, ProgressState::Begun, moving.text.clone(), started, now);
            told = moving.text;
        }
        if moving.ticks != ticks {
            (ticks, moved) = (moving.ticks, now);
        }
        if let Some(limit) = change_limit::passed(change, started, moved, now) {
            return Err(change_limit::too_long(change, limit, &told));
        }
    }
}

/// How far a change is, where its provider knows that.
#[derive(Default)]
struct Moving {
    /// In words for people.
    text: String,
    /// Grows while the change moves.
    ticks: u64,
}

impl Moving {
    fn of(provider: &dyn Provider, change: &Change) -> Self {
        let Some(progress) = provider.capabilities().progress else { return Self::default() };
        Self { text: progress.progress_text(&change.address), ticks: progress.ticks(&change.address) }
    }
}

/// The secrets that the fields of a change name: a provider is given no other, whatever it finds out there.
pub fn named(change: &Change, secrets: &Secrets) -> Secrets {
    let mut names = BTreeSet::new();
    let written = super::pass::written(change).into_iter().flat_map(Fields::values);
    written.for_each(|value| value.secret_names(&mut names));
    names.into_iter().filter_map(|name| Some((name.clone(), secrets.get(name)?.clone()))).collect()
}

async fn refuse_subnet(tools: &Tools, change: &Change, now: Timestamp) -> Result<(), StoreError> {
    let (Verb::Create(fields) | Verb::Update(fields)) = &change.verb else { return Ok(()) };
    match fields.text("subnet") {
        Some(subnet) => tools.ledger.refuse_subnet(subnet, &change.address, now).await,
        None => Ok(()),
    }
}

/// Events are for people: one that cannot be written stops nothing.
async fn remember(tools: &Tools, change: &Change, run: i64, kind: &str, text: &str, at: Timestamp) {
    let address: Option<Address> = Some(change.address.clone());
    let reason = Some(change.because.code.word().to_owned());
    let event = Event {
        at,
        run,
        service: change.service.clone(),
        address,
        kind: kind.to_owned(),
        text: text.to_owned(),
        reason,
    };
    if let Err(error) = tools.ledger.record(&event).await {
        tracing::warn!(service = change.service, run, address = %change.address, "could not write down an event: {error}");
    }
}

/// The same for the same change, whenever it is planned.
pub fn digest(change: &Change) -> String {
    let written = super::pass::written(change).map(amarre_core::model::Fields::marked_digest);
    format!("{} {}", change.action(), written.unwrap_or_default())
}

/// What changed and why: `forward_port 9999 → 3000, changed outside Amarre`.
fn story(change: &Change) -> String {
    if let Some(text) = names(change) {
        return text;
    }
    let mut parts: Vec<String> = Vec::new();
    for diff in &change.diff {
        let sensitive = [&diff.from, &diff.to].into_iter().flatten().any(amarre_core::model::Value::is_sensitive);
        parts.push(if sensitive {
            format!("{} (sensitive, changed)", diff.field)
        } else {
            let (from, to) =
                (lines::value(&diff.field, diff.from.as_ref()), lines::value(&diff.field, diff.to.as_ref()));
            format!("{} {from} → {to}", diff.field)
        });
    }
    parts.push(change.because.text.clone());
    parts.join(", ")
}

/// The same of a container that answers by other names than before, or is called otherwise, in an update.
fn names(change: &Change) -> Option<String> {
    let is_about_names = change.diff.iter().all(|diff| ["name", "aliases"].contains(&diff.field.as_str()));
    let is_handover = change.because.code == ReasonCode::DependencyReplaced;
    if change.address.kind != Kind::Container || change.diff.is_empty() || !is_about_names || !is_handover {
        return None;
    }
    let diff = |field: &str| change.diff.iter().find(|diff| diff.field == field);
    let listed = |value: Option<&Value>| -> Vec<String> {
        value.map(Value::items).unwrap_or_default().iter().filter_map(Value::as_text).map(str::to_owned).collect()
    };
    let mut parts = Vec::new();
    if let Some(aliases) = diff("aliases") {
        let (before, after) = (listed(aliases.from.as_ref()), listed(aliases.to.as_ref()));
        let comes: Vec<&str> = after.iter().filter(|name| !before.contains(name)).map(String::as_str).collect();
        let goes: Vec<&str> = before.iter().filter(|name| !after.contains(name)).map(String::as_str).collect();
        if !comes.is_empty() {
            parts.push(format!("the new container now answers as {}", comes.join(", ")));
        }
        if !goes.is_empty() {
            parts.push(format!("the old container no longer answers as {}", goes.join(", ")));
        }
    }
    if let Some(to) = diff("name").and_then(|name| name.to.as_ref()).and_then(Value::as_text) {
        let generation = change.address.generation.as_deref().unwrap_or_default();
        parts.push(match to.strip_suffix(generation).filter(|_| !generation.is_empty()) {
            Some(_) => format!("the old container is called {to} until it is removed"),
            None => format!("the new container is now called {to}"),
        });
    }
    (!parts.is_empty()).then(|| words::clean(&parts.join("; ")))
}

fn past(change: &Change) -> &'static str {
    match change.verb {
        Verb::Create(_) => "created",
        Verb::Update(_) => "updated",
        Verb::Delete => "deleted",
    }
}

fn tell(tools: &Tools, change: &Change, state: ProgressState, text: String, started: Timestamp, now: Timestamp) {
    let progress = Progress { at: now, change: change.clone(), state, text, took: now - started };
    // Nobody may be listening; that is fine.
    let _ = tools.progress.send(progress);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use amarre_core::model::plan::{Expect, Gate, Impact, Reason, ReasonCode};
    use amarre_core::model::{Kind, Mark, SecretName, Value};

    #[test]
    fn a_change_is_given_the_secrets_that_it_names_and_no_other() {
        let name = |name: &str| SecretName(name.to_owned());
        let secret = |of: &str| Value::secret(name(of), Mark(String::new()));
        let environment =
            BTreeMap::from([("A".to_owned(), secret("shop/a")), ("B".to_owned(), Value::text("cloud/db"))]);
        let file = BTreeMap::from([("content".to_owned(), secret("shop/file"))]);
        let files = BTreeMap::from([("/x".to_owned(), Value::Map(file))]);
        let fields = Fields::default().with("environment", Value::Map(environment)).with("files", Value::Map(files));
        let mut change = Change {
            address: Address::new(ProviderId::docker("default"), Kind::Container, "shop"),
            service: "shop".to_owned(),
            verb: Verb::Create(fields),
            diff: Vec::new(),
            because: Reason { code: ReasonCode::Missing, text: String::new(), origin: None },
            impact: Impact::default(),
            expects: Expect::Absent,
            gate: Gate::Now,
        };
        let known = ["shop/a", "shop/file", "shop/unused", "cloud/db"];
        let known: Secrets = known.into_iter().map(|one| (name(one), Secret::new(one))).collect();
        let given = named(&change, &known);
        assert_eq!(given.keys().map(|name| name.0.as_str()).collect::<Vec<_>>(), ["shop/a", "shop/file"]);
        change.verb = Verb::Delete;
        assert!(named(&change, &known).is_empty());
    }
}
