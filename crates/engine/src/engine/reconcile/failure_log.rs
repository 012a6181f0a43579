//! Records why a container failed, how often, and its last lines, read before it is deleted.
//!
//! | what is seen | counts as failed |
//! |---|---|
//! | a candidate was judged by the plan | yes, before it is removed |
//! | exited, or restarted over and over by Docker, and nothing is planned for it | yes |
//! | not ready, for longer than it may take | yes |
//! | stopped by a manifest, by us or by a person | no |

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;

use super::engine::Engine;
use super::pass_ledger::Findings;
use crate::engine::report::waits;
use crate::ledger::LastFailure;
use crate::ledger::runs::Event;
use crate::providers::{LOG_LIMIT, LogQuery};
use crate::secret::Scrubber;
use amarre_core::model::{
    Address, Facts, Fields, Kind, Millis, Plan, Readiness, Seen, Timestamp, Value, Want, Wants, World, failures,
};

/// Lines kept for each failure.
pub const LINES_KEPT: usize = 50;
/// Characters kept of a line; stack traces and JSON logs fit.
pub const LINE_LETTERS_MAX: usize = 2_000;
/// Logs read concurrently.
const READS_IN_FLIGHT: usize = 4;
/// How often a container that restarts over and over is recorded again.
const ANEW_AFTER: Millis = Millis::minutes(1);

impl Engine {
    /// Reads the last lines of containers that have just failed, and records them, in `known` as well. An error here
    /// stops nothing.
    pub(crate) async fn record_last_lines(
        &mut self,
        known: &mut BTreeMap<Address, LastFailure>,
        found: Findings<'_>,
        scrubber: &Scrubber,
    ) {
        let Findings { wants, world, plan, facts, now, .. } = found;
        let failing = failing(wants, world, plan, facts, now);
        let fresh = failing.into_iter().filter(|(address, _)| is_news(address, world, known, now));
        let reads = fresh.map(|(address, why)| {
            let fields = wants.map.get(&address).map(|want| &want.fields);
            let fields = fields.or_else(|| facts.applied.get(&address).map(|row| &row.fields));
            let ask =
                LogQuery { lines: LINES_KEPT, hidden: fields.map(secret_variables).unwrap_or_default(), since: None };
            let provider = self.context.providers.get(&address.provider).cloned();
            let seen = world.seen.get(&address).cloned();
            async move {
                let (provider, seen) = (provider?, seen?);
                // A provider keeps to its limit; the loop does not hang on one that does not.
                let limit = LOG_LIMIT + Duration::from_secs(1);
                let logs = provider.capabilities().logs?;
                let log = tokio::time::timeout(limit, logs.logs(&address, &seen, &ask)).await;
                let log = log.map_err(|_| "there was no answer".to_owned());
                let log = log.and_then(|log| log.map_err(|error| error.message.to_string()));
                let log = log.map(|lines| lines.iter().map(|line| scrub_line(line, scrubber)).collect());
                Some((address, scrubber.scrub(&why), seen, log))
            }
        });
        let reads: Vec<_> = futures_util::stream::iter(reads).buffered(READS_IN_FLIGHT).collect().await;
        let mut failures = Vec::new();
        for (address, why, seen, log) in reads.into_iter().flatten() {
            let before = known.get(&address.base());
            let service = service_of(&address, &seen, wants, facts);
            failures.push(failure(FailedContainer { address, service, why, seen, log }, before, self.pass.run, now));
        }
        if failures.is_empty() {
            return;
        }
        if let Err(error) = self.ledger.set_last_failures(&failures).await {
            return self.ledger_failed(&error);
        }
        for failure in failures {
            let before = known.insert(failure.container.clone(), failure.clone());
            if before.is_none_or(|before| before.vendor_id != failure.vendor_id) {
                self.record_failures(failure).await;
            }
        }
    }

    async fn record_failures(&self, failure: LastFailure) {
        let LastFailure { container, service, why, run, at, .. } = failure;
        tracing::warn!(service, run, address = %container, "container {} is not well: {why}", container.name);
        let event = Event {
            at,
            run,
            service,
            address: Some(container),
            kind: "degraded".to_owned(),
            text: failures::in_parts(&why),
            reason: None,
        };
        if let Err(error) = self.ledger.record(&event).await {
            tracing::warn!("could not write down an event: {error}");
        }
    }
}

/// Output of healthchecks and probes is foreign text, too.
pub(crate) fn scrub(world: &mut World, scrubber: &Scrubber) {
    for seen in world.seen.values_mut() {
        match &mut seen.ready {
            Readiness::Ready => (),
            Readiness::NotYet { why, .. } | Readiness::Failed { why } => why.map_words(&|text| scrubber.scrub(text)),
        }
    }
}

/// Containers that count as failed, each with the reason.
fn failing(wants: &Wants, world: &World, plan: &Plan, facts: &Facts, now: Timestamp) -> BTreeMap<Address, String> {
    let mut failing = BTreeMap::new();
    for (address, want) in wants.map.iter().filter(|(address, want)| address.kind == Kind::Container && !want.keep_only)
    {
        let Some(seen) = world.seen.get(address).filter(|seen| seen.owner.is_ours()) else { continue };
        let is_touched = plan.changes.iter().any(|change| change.address == *address);
        if facts.suspended.contains_key(&want.service) || is_touched || stands_as_wanted(want, seen) {
            continue;
        }
        match &seen.ready {
            Readiness::Ready => (),
            Readiness::Failed { why } => {
                failing.insert(address.clone(), why.to_string());
            }
            Readiness::NotYet { since, why } => {
                if let Some(limit) = waits::overdue(wants.limits.get(address).copied(), *since, now) {
                    failing.insert(address.clone(), format!("not healthy after {limit}: {why}"));
                }
            }
        }
    }
    failing.extend(wants.failed.iter().map(|failure| (failure.address.clone(), failure.why.clone())));
    failing
}

fn stands_as_wanted(want: &Want, seen: &Seen) -> bool {
    want.fields.flag("running") == Some(false) && seen.fields.flag("running") == Some(false)
}

/// Whether a failure is new: another instance, another exit, or more restarts for a while.
fn is_news(address: &Address, world: &World, known: &BTreeMap<Address, LastFailure>, now: Timestamp) -> bool {
    let Some(seen) = world.seen.get(address) else { return false };
    let Some(before) = known.get(&address.base()) else { return true };
    if before.vendor_id != seen.vendor_id {
        return true;
    }
    let is_other = before.restarts != restarts(seen) || before.exit_code != exit_code(seen);
    is_other && now - before.at >= ANEW_AFTER
}

fn restarts(seen: &Seen) -> i64 {
    seen.fields.get("restarts").and_then(Value::as_int).unwrap_or_default()
}

/// The last exit code; `None` for a container that runs for the first time.
fn exit_code(seen: &Seen) -> Option<i64> {
    let has_exited = seen.fields.flag("running") == Some(false) || restarts(seen) > 0;
    seen.fields.get("exit_code").and_then(Value::as_int).filter(|_| has_exited)
}

fn service_of(address: &Address, seen: &Seen, wants: &Wants, facts: &Facts) -> String {
    let wanted = wants.map.get(address).map(|want| want.service.clone());
    let applied = || facts.applied.get(address).map(|row| row.service.clone());
    wanted.or_else(applied).or_else(|| seen.service.clone()).unwrap_or_default()
}

/// Variables of the environment whose values come from secrets.
pub fn secret_variables(fields: &Fields) -> BTreeSet<String> {
    let variables = fields.get("environment").and_then(Value::entries).into_iter().flatten();
    variables.filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()).collect()
}

/// A line as it is stored and shown.
pub fn scrub_line(line: &str, scrubber: &Scrubber) -> String {
    scrubber.scrub(line).chars().take(LINE_LETTERS_MAX).collect()
}

/// A failed container, and what could be read of it.
struct FailedContainer {
    address: Address,
    service: String,
    why: String,
    seen: Seen,
    /// Its last lines, or why there are none.
    log: Result<Vec<String>, String>,
}

fn failure(failed: FailedContainer, before: Option<&LastFailure>, run: i64, now: Timestamp) -> LastFailure {
    let FailedContainer { address, service, why, seen, log } = failed;
    let generation = address.generation.clone().unwrap_or_default();
    let same = before.filter(|before| before.generation == generation);
    let is_another = same.is_some_and(|before| before.vendor_id != seen.vendor_id);
    let (log, log_note) = match log {
        Ok(lines) if lines.is_empty() => (lines, "it printed nothing".to_owned()),
        Ok(lines) => (lines, String::new()),
        Err(why) => (Vec::new(), why),
    };
    LastFailure {
        container: address.base(),
        service,
        generation,
        vendor_id: seen.vendor_id.clone(),
        image: seen.fields.text("image").unwrap_or_default().to_owned(),
        why,
        exit_code: exit_code(&seen),
        restarts: restarts(&seen),
        tries: same.map_or(0, |before| before.tries - i64::from(!is_another)) + 1,
        first: same.map_or(now, |before| before.first),
        at: now,
        run,
        log,
        log_note,
    }
}
