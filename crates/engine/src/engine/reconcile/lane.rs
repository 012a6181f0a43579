//! One service's changes, one after another: intent → apply → outcome. A lane never sleeps and never retries.
//!
//! A failed change holds up only deletes: every change of a lane may be done now, independent of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::actions::ActionDone;
use super::apps::AppContexts;
use super::breaker::Breakers;
use super::clock::Clock;
use super::counters::Meters;
use super::{bind_links, change_timeout, rescued_npm};
use crate::engine::pass_result::{Context, written_fields};
use crate::engine::progress::{LaneStep, Progress, ProgressState};
use crate::ledger::runs::Event;
use crate::ledger::{Intent, Ledger, LogKind, LogLine, StoreError};
use crate::providers::exchanges::Exchanges;
use crate::providers::{Class, Outcome, Provider, ProviderError, Supplies, Taken};
use crate::secret::Secrets;
use amarre_core::model::{
    Address, Arg, Change, FieldDiff, Fields, Kind, Payloads, ProviderId, ReasonCode, Text, Timestamp, Value, Verb,
    words,
};
use amarre_core::plan::desired::bind_mounts::Check;
use amarre_core::plan::render::lines;
use amarre_core::text;

/// How often a long pull reports its progress.
const NEWS_EVERY: Duration = Duration::from_secs(2);

/// The job of a lane.
pub struct LaneJob {
    pub service: String,
    pub run: i64,
    /// The changes, all `now`, in order.
    pub changes: Vec<Change>,
    /// The secrets that the changes name, for the wire clients.
    pub secrets: Secrets,
    /// The files that the changes name by digest.
    pub payloads: Payloads,
    /// The paths to check again right before a container is created.
    pub checks: BTreeMap<Address, Check>,
}

/// The result of a lane.
#[derive(Debug)]
pub struct LaneDone {
    pub service: String,
    /// Providers that were written to, or may have been.
    pub called: BTreeSet<ProviderId>,
    /// The changes that succeeded.
    pub worked: Vec<Address>,
    /// The changes that failed.
    pub failures: Vec<LaneFailure>,
    /// The action that it performed, if it was given one.
    pub action: Option<Box<ActionDone>>,
    /// When its last write ended: an observation begun before that does not count.
    pub ended: Timestamp,
}

impl LaneDone {
    /// Nothing done yet.
    pub fn new(service: String, now: Timestamp) -> Self {
        let (called, worked, failures) = (BTreeSet::new(), Vec::new(), Vec::new());
        Self { service, called, worked, failures, action: None, ended: now }
    }
}

/// A failure in a lane.
#[derive(Debug, Clone)]
pub enum LaneFailure {
    /// A provider refused or did not answer.
    Provider {
        /// The change that failed.
        change: Box<Change>,
        error: ProviderError,
    },
    /// The ledger could not be written: nothing more is written anywhere.
    Ledger(StoreError),
}

/// The tools of a lane.
#[derive(Clone)]
pub struct Tools {
    /// The providers, and which NPM runs where.
    pub context: Arc<Context>,
    pub ledger: Ledger,
    pub clock: Arc<dyn Clock>,
    /// Set when the process is to end: the running step is finished, the next one stays for later.
    pub stopping: Arc<AtomicBool>,
    /// Set when a person stops this service: the same for this lane alone.
    pub cancelled: Arc<AtomicBool>,
    /// The breakers that grant calls.
    pub breakers: Breakers,
    /// The files of apps.
    pub contexts: AppContexts,
    /// Receives progress.
    pub progress: tokio::sync::broadcast::Sender<Progress>,
    /// Counters.
    pub meters: Arc<Meters>,
}

impl Tools {
    /// Whether the next step stays for later.
    pub fn is_over(&self) -> bool {
        self.stopping.load(Ordering::Relaxed) || self.cancelled.load(Ordering::Relaxed)
    }

    /// Stores what was said between a provider and its vendor, in the logs of its instances.
    pub async fn store_exchanges(&self, provider: &ProviderId) {
        let Some(provider) = self.context.providers.get(provider) else { return };
        let lines = exchange_lines(provider, self.clock.now());
        // Logs are for people: one that cannot be written stops nothing.
        if let Err(error) = self.ledger.log_instances(&lines).await {
            tracing::warn!("could not write a log of an instance: {error}");
        }
    }
}

/// What was said between a provider and its vendor since it was asked last, for the logs of instances.
pub fn exchange_lines(provider: &Arc<dyn Provider>, at: Timestamp) -> Vec<LogLine> {
    let said = provider.capabilities().exchanges.map(Exchanges::take).unwrap_or_default();
    said.into_iter().map(|(address, text)| LogLine { address, at, kind: LogKind::Request, text }).collect()
}

/// Makes the changes of a job.
pub async fn run_lane(job: LaneJob, tools: Tools) -> LaneDone {
    let mut done = LaneDone::new(job.service.clone(), tools.clock.now());
    for change in &job.changes {
        if tools.is_over() {
            break;
        }
        if !done.failures.is_empty() && takes_away(change) {
            continue;
        }
        // A change behind an open breaker waits for the next plan.
        let Some(_turn) = tools.breakers.turn(change).await else { continue };
        // Waiting for a turn may take long.
        if tools.is_over() {
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

/// Whether a resource that may serve is gone, or stands still, after this change.
pub fn takes_away(change: &Change) -> bool {
    match &change.verb {
        Verb::Delete => true,
        Verb::Update(fields) => fields.flag("running") == Some(false),
        Verb::Create(_) => false,
    }
}

/// What is reported of a deletion that the vendor has accepted.
const DELETES: &str = "accepted; the vendor deletes it";

async fn step(change: &Change, job: &LaneJob, tools: &Tools) -> Result<(), LaneFailure> {
    let started = tools.clock.now();
    let provider = tools.context.providers.get(&change.address.provider);
    let provider = provider.expect("a change's provider is one of those that were observed");
    let publishes = provider.capabilities().publish.and_then(|publish| publish.scope_of(&change.address));
    let intent = Intent { run: job.run, change, publishes };
    let id = tools.ledger.intent(&intent, started).await.map_err(LaneFailure::Ledger)?;
    report_progress(tools, change, ProgressState::Begun, String::new(), started, started);
    let outcome = apply_with_limit(change, job, tools, provider.as_ref(), started).await;
    tools.store_exchanges(&change.address.provider).await;
    let now = tools.clock.now();
    match outcome {
        Ok(outcome) => {
            let done = (outcome.vendor_id.as_str(), outcome.written.as_ref());
            let stored = tools.ledger.finish_intent(id, job.run, change, done, now).await;
            stored.map_err(LaneFailure::Ledger)?;
            if change.verb == Verb::Delete && !outcome.vendor_id.is_empty() {
                // It is done, and told, once it is observed to be gone.
                report_progress(tools, change, ProgressState::Begun, DELETES.to_owned(), started, now);
                return Ok(());
            }
            tools.meters.changed(change, "done");
            report_progress(
                tools,
                change,
                ProgressState::Done,
                ChangeProgress::for_change(provider.as_ref(), change).text,
                started,
                now,
            );
            let (service, address) = (&change.service, &change.address);
            tracing::info!(service, run = job.run, %address, "{} {address}", past_tense(change));
            record_event(tools, change, job.run, past_tense(change), change_text(change), now).await;
            Ok(())
        }
        Err(error) => {
            let error = rescued_npm::find_npm(&tools.context, &change.address.provider, error).await;
            if error.class == Class::Taken(Taken::Subnet) {
                refuse_subnet(tools, change, now).await.map_err(LaneFailure::Ledger)?;
            }
            if let Class::Taken(Taken::Port(port)) = error.class {
                tools.ledger.refuse_port(&change.address, port, now).await.map_err(LaneFailure::Ledger)?;
            }
            if error.class != Class::OutcomeUnknown {
                let stored =
                    tools.ledger.failed_call(id, error.code, error.not_before, &error.message.to_string(), now).await;
                stored.map_err(LaneFailure::Ledger)?;
            }
            tools.meters.changed(change, "failed");
            report_progress(tools, change, ProgressState::Failed, error.message.to_string(), started, now);
            record_event(tools, change, job.run, "failed", error.message.clone(), now).await;
            Err(LaneFailure::Provider { change: Box::new(change.clone()), error })
        }
    }
}

/// Makes a change, and reports progress if the provider knows it. A change over its limit is let go of; the next
/// observation shows its outcome.
async fn apply_with_limit(
    change: &Change,
    job: &LaneJob,
    tools: &Tools,
    provider: &dyn Provider,
    started: Timestamp,
) -> Result<Outcome, ProviderError> {
    if let Some(check) = job.checks.get(&change.address) {
        bind_links::check_again(check).await?;
    }
    let secrets = named_secrets(change, &job.secrets);
    let mut making =
        provider.apply(change, Supplies { secrets: &secrets, payloads: &job.payloads, contexts: &tools.contexts });
    let (mut told, mut moved) = (String::new(), started);
    let mut ticks = ChangeProgress::for_change(provider, change).ticks;
    loop {
        if let Ok(outcome) = tokio::time::timeout(NEWS_EVERY, &mut making).await {
            return outcome;
        }
        let (moving, now) = (ChangeProgress::for_change(provider, change), tools.clock.now());
        if !moving.text.is_empty() && moving.text != told {
            report_progress(tools, change, ProgressState::Begun, moving.text.clone(), started, now);
            told = moving.text;
        }
        if moving.ticks != ticks {
            (ticks, moved) = (moving.ticks, now);
        }
        if let Some(limit) = change_timeout::exceeded_limit(change, started, moved, now) {
            return Err(change_timeout::too_long(change, limit, &told));
        }
    }
}

/// The progress of a change, if its provider knows it.
#[derive(Default)]
struct ChangeProgress {
    /// In words for people.
    text: String,
    /// Grows while the change moves.
    ticks: u64,
}

impl ChangeProgress {
    fn for_change(provider: &dyn Provider, change: &Change) -> Self {
        let Some(progress) = provider.capabilities().progress else { return Self::default() };
        Self { text: progress.progress_text(&change.address), ticks: progress.ticks(&change.address) }
    }
}

/// The secrets that the fields of a change name: a provider gets no other.
pub fn named_secrets(change: &Change, secrets: &Secrets) -> Secrets {
    let mut names = BTreeSet::new();
    let written = written_fields(change).into_iter().flat_map(Fields::values);
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

/// An event that cannot be written stops nothing: events are for people.
async fn record_event(tools: &Tools, change: &Change, run: i64, kind: &str, text: Text, at: Timestamp) {
    let address: Option<Address> = Some(change.address.clone());
    let reason = Some(change.because.code.word().to_owned());
    let event = Event { at, run, service: change.service.clone(), address, kind: kind.to_owned(), text, reason };
    if let Err(error) = tools.ledger.record(&event).await {
        tracing::warn!(service = change.service, run, address = %change.address, "could not write down an event: {error}");
    }
}

/// Equal for equal changes, whenever they are planned.
pub fn digest(change: &Change) -> String {
    let written = written_fields(change).map(amarre_core::model::Fields::marked_digest);
    format!("{} {}", change.action(), written.unwrap_or_default())
}

/// What changed and why: `forward_port 9999 → 3000, changed outside Amarre`.
fn change_text(change: &Change) -> Text {
    if let Some(text) = alias_text(change) {
        return text;
    }
    let mut parts = diff_parts(change);
    parts.push(change.because.text.clone().into());
    text!("{parts}", parts)
}

/// Each field that differs: `forward_port 9999 → 3000`.
pub(crate) fn diff_parts(change: &Change) -> Vec<Arg> {
    let part = |diff: &FieldDiff| {
        let sensitive = [&diff.from, &diff.to].into_iter().flatten().any(amarre_core::model::Value::is_sensitive);
        if sensitive {
            return text!("{field} (sensitive, changed)", field = &diff.field).into();
        }
        let (from, to) = (lines::value(&diff.field, diff.from.as_ref()), lines::value(&diff.field, diff.to.as_ref()));
        Arg::Foreign(format!("{} {from} → {to}", diff.field))
    };
    change.diff.iter().map(part).collect()
}

/// The same for a container whose update only changes its name or its aliases.
pub(crate) fn alias_text(change: &Change) -> Option<Text> {
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
        let only = |of: &[String], but: &[String]| -> Vec<String> {
            of.iter().filter(|name| !but.contains(name)).map(|name| words::clean(name)).collect()
        };
        let (comes, goes) = (only(&after, &before), only(&before, &after));
        if !comes.is_empty() {
            parts.push(text!("the new container now answers as {names}", names = comes));
        }
        if !goes.is_empty() {
            parts.push(text!("the old container no longer answers as {names}", names = goes));
        }
    }
    if let Some(to) = diff("name").and_then(|name| name.to.as_ref()).and_then(Value::as_text) {
        let generation = change.address.generation.as_deref().unwrap_or_default();
        parts.push(match to.strip_suffix(generation).filter(|_| !generation.is_empty()) {
            Some(_) => text!("the old container is called {name} until it is removed", name = words::clean(to)),
            None => text!("the new container is now called {name}", name = words::clean(to)),
        });
    }
    parts.into_iter().reduce(|first, more| text!("{first}; {more}", first, more))
}

fn past_tense(change: &Change) -> &'static str {
    match change.verb {
        Verb::Create(_) => "created",
        Verb::Update(_) => "updated",
        Verb::Delete => "deleted",
    }
}

fn report_progress(
    tools: &Tools,
    change: &Change,
    state: ProgressState,
    text: String,
    started: Timestamp,
    now: Timestamp,
) {
    send_progress(tools, LaneStep::Change(Box::new(change.clone())), state, text, started, now);
}

/// Tells whoever listens how far a step is.
pub fn send_progress(
    tools: &Tools,
    step: LaneStep,
    state: ProgressState,
    text: String,
    started: Timestamp,
    now: Timestamp,
) {
    // There may be no listener; that is fine.
    let _ = tools.progress.send(Progress { at: now, step, state, text, took: now - started });
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
            because: Reason { code: ReasonCode::Missing, text: Text::default(), origin: None },
            impact: Impact::default(),
            expects: Expect::Absent,
            gate: Gate::Now,
        };
        let known = ["shop/a", "shop/file", "shop/unused", "cloud/db"];
        let known: Secrets = known.into_iter().map(|one| (name(one), Secret::new(one))).collect();
        let given = named_secrets(&change, &known);
        assert_eq!(given.keys().map(|name| name.0.as_str()).collect::<Vec<_>>(), ["shop/a", "shop/file"]);
        change.verb = Verb::Delete;
        assert!(named_secrets(&change, &known).is_empty());
    }
}
