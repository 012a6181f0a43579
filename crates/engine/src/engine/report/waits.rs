//! What a service waits for, since when, for how long at most, and whether the wait can end without a person. Pure.
//!
//! | what is there | ends |
//! |---|---|
//! | held, refused, its manifest broken, failed for good | not by itself: a person is needed |
//! | a time: backoff, grace, an open call | by itself, at that time |
//! | what a vendor refused | tried again at that time; likely to be refused again |
//! | a container that starts, a record on its way, a change that comes after another | by itself, when it is there |
//! | a job that runs | by itself, when it has ended |
//! | the same, over its limit | not by itself, as far as is known; it is still checked |
//! | a vendor that does not answer | by itself, when it answers |

use super::countdown::{CountFrom, Then};
use super::status::{Health, ServiceStatus};
use super::{failures, jobs, status};
use crate::engine::pass_result::ServiceError;
use crate::engine::report::pass_view::PassView;
use amarre_core::model::plan::Wait;
use amarre_core::model::world::{LIMITED, NOT_ISSUED, Ordered};
use amarre_core::model::{Address, Change, Code, Gate, Hint, Kind, Millis, Need, Readiness, Text, Timestamp};
use amarre_core::text;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingWait {
    pub what: Text,
    /// Since when, if known.
    pub since: Option<Timestamp>,
    /// How long it may take, where it has a limit.
    pub limit: Option<Millis>,
    pub next: WaitEnd,
    /// The hint, if a person is needed.
    pub hints: Vec<Hint>,
    /// The job that is waited for, by its name in the manifest.
    pub job: Option<String>,
}

/// How a wait ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitEnd {
    /// By itself, at that time.
    At(Timestamp),
    /// By itself, as soon as what is waited for is there.
    WhenThere,
    /// By itself, as soon as what is there is ready.
    WhenReady,
    /// By itself, when the job has ended.
    WhenEnded,
    /// It is tried again at that time, though the vendor refused the same.
    Again(Timestamp),
    /// Not by itself: why.
    Person(Text),
}

impl PendingWait {
    /// Whether a person should check: it does not end by itself, or hardly.
    pub fn is_stalled(&self) -> bool {
        matches!(self.next, WaitEnd::Person(_) | WaitEnd::Again(_))
    }

    /// When it ends by itself, if known.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match &self.next {
            WaitEnd::At(at) | WaitEnd::Again(at) => Some(*at),
            WaitEnd::WhenThere | WaitEnd::WhenReady | WaitEnd::WhenEnded | WaitEnd::Person(_) => None,
        }
    }

    /// When its limit passes.
    pub fn deadline(&self) -> Option<Timestamp> {
        Some(self.since? + self.limit?)
    }

    /// `1:52 of 10:00`, of a wait with a limit.
    pub fn progress(&self, now: Timestamp) -> Option<Text> {
        let (since, limit) = (self.since?, self.limit?);
        Some(text!("{span} of {limit}", span = clock(now - since), limit = clock(limit)))
    }
}

/// The limit of a wait, when it has passed.
pub fn overdue(limit: Option<Millis>, since: Timestamp, now: Timestamp) -> Option<Millis> {
    limit.filter(|limit| now - since > *limit)
}

/// The same of a resource in a pass.
pub fn is_overdue(pass: &PassView, address: &Address) -> Option<Millis> {
    match pass.world.seen.get(address).map(|seen| &seen.ready)? {
        Readiness::NotYet { since, .. } => overdue(pass.wants.limits.get(address).copied(), *since, pass.at),
        Readiness::Ready | Readiness::Failed { .. } => None,
    }
}

/// Whether a container takes longer than it may: not ready for too long, or failing over and over for as long.
pub fn is_late(pass: &PassView, address: &Address) -> bool {
    if address.kind != Kind::Container && !address.kind.is_instance() {
        return false;
    }
    let Some(seen) = pass.world.seen.get(address) else { return false };
    let limit = pass.wants.limits.get(address).copied();
    match &seen.ready {
        Readiness::Ready => false,
        Readiness::NotYet { since, .. } => overdue(limit, *since, pass.at).is_some(),
        Readiness::Failed { .. } => pass
            .last_failures
            .get(&address.base())
            .filter(|failure| failure.vendor_id == seen.vendor_id)
            .is_some_and(|failure| overdue(limit, failure.first, pass.at).is_some()),
    }
}

/// The first wait of a service; `None` when it is settled, or suspended.
pub fn first_wait(pass: &PassView, row: &ServiceStatus) -> Option<PendingWait> {
    let name = row.name.as_str();
    if pass.facts.suspended.get(name).is_some_and(|suspension| !suspension.destroy) {
        return None;
    }
    let person = |what: Text, why: Text| PendingWait {
        what,
        since: pass.since.get(name).map(|(_, at)| *at).filter(|at| at.0 > 0),
        limit: None,
        next: WaitEnd::Person(why),
        hints: row.hints.clone(),
        job: None,
    };
    if let Some(why) = pass.broken.get(name) {
        return Some(person(why.into(), text!("its manifest has to be mended")));
    }
    if let Some(failed) = row.resources.iter().find(|resource| is_failed(pass, resource)) {
        let what = text!("{thing}: {why}", thing = failed.label(), why = failed.detail.clone());
        let mut waiting = person(what, why_failed(failed));
        waiting.job.clone_from(&failed.job);
        waiting.since = failed.failure.as_ref().map(|failure| failure.first).or(waiting.since);
        return Some(waiting);
    }
    let mine: Vec<&Change> = pass.changes_of(name).collect();
    if let Some(refusal) = mine.iter().find_map(|change| change.refusal()) {
        return Some(person(refusal.message.clone(), text!("what holds it has to be settled")));
    }
    if let Some(known) = pass.errors.get(name) {
        let (is_refused, at) = (failures::is_refused(known) && !known.change.is_order(), next_try(pass, known));
        let next = match is_refused {
            _ if failures::would_fail_again(known) => {
                WaitEnd::Person(text!("a commit, or amarre retry, has to come first"))
            }
            true => WaitEnd::Again(at),
            false => WaitEnd::At(at),
        };
        return Some(PendingWait {
            what: known.error.message.clone(),
            since: Some(known.first),
            limit: None,
            next,
            hints: row.hints.clone(),
            job: None,
        });
    }
    hidden(pass, row)
        .or_else(|| mine.iter().find_map(|change| until_wait(pass, change)))
        .or_else(|| readiness_wait(pass, row))
}

/// When a failed change is retried: the time in the plan, if that is later than the engine's own backoff.
pub fn next_try(pass: &PassView, known: &ServiceError) -> Timestamp {
    let planned = pass.change_of(&known.change.address);
    let at = planned.and_then(|change| if let Gate::Until { at, .. } = &change.gate { Some(*at) } else { None });
    known.next_try.max(at.unwrap_or(known.next_try))
}

/// A container that does not work, without a planned change that would repair it.
fn is_failed(pass: &PassView, resource: &status::ResourceStatus) -> bool {
    let gate = resource.change.as_deref().map(|change| &change.gate);
    let is_planned = gate.is_some_and(|gate| !matches!(gate, Gate::Held(_)));
    resource.health == Health::Degraded
        && resource.address.kind == Kind::Container
        && !is_planned
        && pass.world.gap(&resource.address).is_none()
}

/// Why nothing more is done for a container that does not work.
pub fn why_failed(resource: &status::ResourceStatus) -> Text {
    if resource.is_restarted {
        text!("Docker restarts it, which has not helped so far")
    } else if resource.change.is_some() || resource.job.is_some() {
        text!("the same is not tried again")
    } else {
        text!("it is left as it is")
    }
}

/// To the version that worked before, if there was one.
pub fn way_back(pass: &PassView, service: &str, bad: &status::ResourceStatus) -> Option<Hint> {
    let (good, _) = pass.facts.last_good.get(&bad.address.base())?;
    let is_another = bad.address.generation.as_ref() != Some(good);
    is_another.then(|| Hint::command(text!("to go back to the version before"), format!("amarre rollback {service}")))
}

fn hidden(pass: &PassView, row: &ServiceStatus) -> Option<PendingWait> {
    let gap = row.resources.iter().find_map(|resource| pass.world.gap(&resource.address))?;
    Some(PendingWait {
        what: gap.message.clone(),
        since: Some(gap.since),
        limit: None,
        next: WaitEnd::WhenThere,
        hints: gap.hint().into_iter().collect(),
        job: None,
    })
}

fn until_wait(pass: &PassView, change: &Change) -> Option<PendingWait> {
    let Gate::Until { at, what } = &change.gate else { return None };
    let (thing, provider) = (jobs::resource_label(pass, &change.address), &change.address.provider);
    let (reconcile, retry) =
        (format!("amarre reconcile {}", change.service), format!("amarre retry {}", change.service));
    let (what, hint) = match what {
        Wait::StoppedGrace => (
            text!("{thing} was stopped outside Amarre", thing),
            Some(Hint::command(text!("to start it now"), reconcile)),
        ),
        Wait::Settle => (text!("what became of {thing} shows", thing), None),
        Wait::EngineStart => (
            text!("{provider} just started and brings its containers back by itself", provider),
            Some(Hint::command(text!("not to wait"), reconcile)),
        ),
        Wait::Drain => (text!("what is still open at {thing} ends", thing), None),
        Wait::Lent => (text!("a reservation has {thing}", thing), None),
        Wait::Budget => {
            (text!("Let's Encrypt would refuse to issue {thing} before, {code}", thing, code = Code::A0805), None)
        }
        Wait::Order => (
            text!("the next order of {thing}: the last one failed, or its end is not known", thing),
            Some(Hint::command(text!("once its cause is gone, to order now"), retry)),
        ),
        Wait::Builds => (builds_limit_text(pass), None),
        Wait::Provider => (text!("{provider} fails for everybody", provider), None),
        Wait::Backoff => (text!("the next try of {thing}", thing), Some(Hint::command(text!("to try now"), retry))),
    };
    let hints = hint.into_iter().collect();
    let since = pass.facts.open_intents.get(&change.address).copied();
    let job = jobs::job(pass, &change.address).map(str::to_owned);
    Some(PendingWait { what, since, limit: None, next: WaitEnd::At(*at), hints, job })
}

/// A certificate that is ordered later only, until when, and what it waits for. Another change that fails comes first.
pub fn waiting_order<'a>(pass: &'a PassView, name: &str) -> Option<(&'a Change, Timestamp, Wait)> {
    let is_first = pass.errors.get(name).is_none_or(|known| known.change.is_order());
    pass.changes_of(name).filter(|change| is_first && change.is_order()).find_map(|change| match change.gate {
        Gate::Until { at, what } => Some((change, at, what)),
        Gate::Now | Gate::After(_) | Gate::Held(_) => None,
    })
}

/// Whatever process placed the last order, its words, its code and the time of the next one are told.
pub fn explain_order(pass: &PassView, status: &mut ServiceStatus, (change, at, what): (&Change, Timestamp, Wait)) {
    let known = pass.failing.get(&change.address).map(|known| &known.error);
    let past = pass.past_failures.get(&status.name).filter(|(address, _)| *address == change.address);
    let words = known.map(|error| &error.message).or_else(|| past.map(|(_, why)| why));
    let certificate = jobs::resource_label(pass, &change.address);
    let is_over_limit = what == Wait::Budget;
    status.what_now = match words {
        _ if is_over_limit => text!("Let's Encrypt would refuse one more order of {certificate}", certificate),
        Some(words) => words.clone(),
        None => text!("how the last order of {certificate} ended is not known", certificate),
    };
    status.what_now_clock = Some(CountFrom::Until(Then::NextOrder, at));
    let code = known.map_or_else(|| past_code(pass, &change.address), |error| error.code);
    status.code = Some(if is_over_limit { Code::A0805 } else { code });
    status.hints = if is_over_limit {
        vec![Hint::text(text!("it is ordered by itself then; where it is urgent, ask for it in NPM, and it is used"))]
    } else {
        let way = format!("amarre retry {}", status.name);
        let hints = known.map(|error| error.hints()).unwrap_or_default();
        hints.into_iter().chain([Hint::command(text!("once its cause is gone, to order now"), way)]).collect()
    };
    status.attention = true;
}

/// The code of the last order of a certificate, of which the ledger keeps how it ended.
fn past_code(pass: &PassView, certificate: &Address) -> Code {
    let last = pass.facts.orders.iter().rev().find(|order| order.certificate == *certificate);
    match last.map(|order| (order.outcome, order.until)) {
        Some((Ordered::Failed, Some(_))) => LIMITED,
        Some((Ordered::Failed, None)) => NOT_ISSUED,
        Some((Ordered::NotPlaced, _)) => last.and_then(|order| order.code).unwrap_or(Code::A0803),
        Some((Ordered::Issued | Ordered::Unknown, _)) | None => Code::A0805,
    }
}

/// A starting resource: of what changes need first, one that is not ready; else a present one that is not ready.
fn readiness_wait(pass: &PassView, row: &ServiceStatus) -> Option<PendingWait> {
    let mine = pass.changes_of(&row.name);
    let needs = mine.filter_map(|change| match &change.gate {
        Gate::After(needs) => Some(needs.as_slice()),
        Gate::Now | Gate::Until { .. } | Gate::Held(_) => None,
    });
    let needed = needs.flatten().map(|need: &Need| &need.on);
    let own = row.resources.iter().map(|resource| &resource.address);
    let mut all = needed.chain(
        own.filter(|address| matches!(address.kind, Kind::Container | Kind::Record) || address.kind.is_instance()),
    );
    all.find_map(|address| {
        let seen = pass.world.seen.get(address).filter(|seen| seen.owner.is_ours())?;
        let Readiness::NotYet { since, why } = &seen.ready else { return None };
        let job = jobs::job(pass, address);
        let what = match job {
            Some(job) => text!("job {job} {why}", job, why = why.clone()),
            None => text!("{thing}: {why}", thing = jobs::resource_label(pass, address), why = why.clone()),
        };
        let limit = pass.wants.limits.get(address).copied();
        let next = match overdue(limit, *since, pass.at) {
            Some(_) => WaitEnd::Person(text!("it takes longer than it may; it is still looked at")),
            None if job.is_some() => WaitEnd::WhenEnded,
            None => WaitEnd::WhenReady,
        };
        let hints = if matches!(next, WaitEnd::Person(_)) { late_hints(address) } else { Vec::new() };
        Some(PendingWait { what, since: Some(*since), limit, next, hints, job: job.map(str::to_owned) })
    })
}

fn late_hints(address: &Address) -> Vec<Hint> {
    if address.kind == Kind::Record {
        let name = address.name.split('/').next().unwrap_or_default();
        return vec![Hint::command(text!("what do its servers say"), format!("dig +short {name}"))];
    }
    if address.kind == Kind::Container {
        return vec![Hint::command(text!("what does it say"), format!("amarre logs {}", address.name))];
    }
    Vec::new()
}

/// `1:52`, and `1:02:03` from an hour on.
fn clock(span: Millis) -> String {
    let seconds = span.0.max(0) / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Why a build waits that would be one too many.
pub(crate) fn builds_limit_text(pass: &PassView) -> Text {
    let n = pass.context.as_ref().map_or(0, |context| context.site.images.builds_per_hour);
    text!(n; "room for its build: an hour has 1, images.builds_per_hour", "room for its build: an hour has {n}, images.builds_per_hour")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_with_a_limit_says_how_far_it_is() {
        let waiting = PendingWait {
            what: Text::default(),
            since: Some(Timestamp(0)),
            limit: Some(Millis::minutes(10)),
            next: WaitEnd::WhenThere,
            hints: Vec::new(),
            job: None,
        };
        assert_eq!(waiting.progress(Timestamp(112_000)).map(|text| text.to_string()).as_deref(), Some("1:52 of 10:00"));
        assert_eq!(clock(Millis::minutes(62)), "1:02:00");
        assert_eq!(PendingWait { limit: None, ..waiting }.progress(Timestamp(5)), None);
        assert_eq!(overdue(Some(Millis(5)), Timestamp(0), Timestamp(5)), None);
        assert_eq!(overdue(Some(Millis(5)), Timestamp(0), Timestamp(6)), Some(Millis(5)));
        assert_eq!(overdue(None, Timestamp(0), Timestamp(6)), None);
    }
}
