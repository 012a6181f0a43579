//! What a service waits for, since when, for how long at most, and whether that can end by itself. Pure.
//!
//! | what is there | ends |
//! |---|---|
//! | held, refused, its manifest broken, failed for good | not by itself: a person is needed |
//! | a time: backoff, grace, an open call | by itself, at that time |
//! | what a vendor refused | tried again at that time; likely to be refused again |
//! | a container that starts, a record on its way, a change that comes after another | by itself, when it is there |
//! | a job that runs | by itself, when it has ended |
//! | the same, for longer than it may take | not by itself, as far as can be told; it is still looked at |
//! | a vendor that does not answer | by itself, when it answers |

use super::jobs;
use super::status;
use super::status::{Health, ServiceStatus};
use crate::engine::reconcile::retry;
use crate::engine::{Picture, ServiceError};
use amarre_core::model::plan::Wait;
use amarre_core::model::{Address, Change, Gate, Hint, Kind, Millis, Need, Readiness, Timestamp};

/// One wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// For what, in words.
    pub what: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// How long it may take, where it has a limit.
    pub limit: Option<Millis>,
    /// How it ends.
    pub next: Next,
    /// What a person can do, where somebody has to.
    pub hints: Vec<Hint>,
    /// The job that is waited for, by its name in the manifest.
    pub job: Option<String>,
}

/// How a wait ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// By itself, at that time.
    At(Timestamp),
    /// By itself, as soon as what is waited for is there.
    WhenThere,
    /// By itself, when the job has ended.
    WhenEnded,
    /// It is tried again at that time, though the vendor refused the same.
    Again(Timestamp),
    /// Not by itself: why.
    Person(&'static str),
}

impl Waiting {
    /// Whether somebody should look: it does not end by itself, or hardly.
    pub fn is_stalled(&self) -> bool {
        matches!(self.next, Next::Person(_) | Next::Again(_))
    }

    /// When it ends by itself, where that is known.
    pub fn at(&self) -> Option<Timestamp> {
        match self.next {
            Next::At(at) | Next::Again(at) => Some(at),
            Next::WhenThere | Next::WhenEnded | Next::Person(_) => None,
        }
    }

    /// When it has taken as long as it may.
    pub fn deadline(&self) -> Option<Timestamp> {
        Some(self.since? + self.limit?)
    }

    /// `1:52 of 10:00`, of a wait with a limit.
    pub fn progress(&self, now: Timestamp) -> Option<String> {
        let (since, limit) = (self.since?, self.limit?);
        Some(format!("{} of {}", clock(now - since), clock(limit)))
    }
}

/// The limit of a wait, when it has passed.
pub fn overdue(limit: Option<Millis>, since: Timestamp, now: Timestamp) -> Option<Millis> {
    limit.filter(|limit| now - since > *limit)
}

/// The same of a resource in a picture.
pub fn is_overdue(picture: &Picture, address: &Address) -> Option<Millis> {
    match picture.world.seen.get(address).map(|seen| &seen.ready)? {
        Readiness::NotYet { since, .. } => overdue(picture.wants.limits.get(address).copied(), *since, picture.at),
        Readiness::Ready | Readiness::Failed { .. } => None,
    }
}

/// Whether a container takes longer than it may: not ready for too long, or failing over and over for as long.
pub fn is_late(picture: &Picture, address: &Address) -> bool {
    if address.kind != Kind::Container {
        return false;
    }
    let Some(seen) = picture.world.seen.get(address) else { return false };
    let limit = picture.wants.limits.get(address).copied();
    match &seen.ready {
        Readiness::Ready => false,
        Readiness::NotYet { since, .. } => overdue(limit, *since, picture.at).is_some(),
        Readiness::Failed { .. } => picture
            .last_failures
            .get(&address.base())
            .filter(|failure| failure.vendor_id == seen.vendor_id)
            .is_some_and(|failure| overdue(limit, failure.first, picture.at).is_some()),
    }
}

/// What a service waits for first; nothing when it is at rest as it should be, or left alone.
pub fn of(picture: &Picture, row: &ServiceStatus) -> Option<Waiting> {
    let name = row.name.as_str();
    if picture.facts.suspended.get(name).is_some_and(|suspension| !suspension.destroy) {
        return None;
    }
    let person = |what: &str, why: &'static str| Waiting {
        what: what.to_owned(),
        since: picture.since.get(name).map(|(_, at)| *at).filter(|at| at.0 > 0),
        limit: None,
        next: Next::Person(why),
        hints: row.hints.clone(),
        job: None,
    };
    if let Some(why) = picture.broken.get(name) {
        return Some(person(why, "its manifest has to be mended"));
    }
    if let Some(failed) = row.resources.iter().find(|resource| is_failed(picture, resource)) {
        let mut waiting = person(&format!("{}: {}", failed.thing(), failed.detail), why_failed(failed));
        waiting.job.clone_from(&failed.job);
        waiting.since = failed.failure.as_ref().map(|failure| failure.first).or(waiting.since);
        return Some(waiting);
    }
    let mine: Vec<&Change> = picture.changes_of(name).collect();
    if let Some(refusal) = mine.iter().find_map(|change| change.refusal()) {
        return Some(person(&refusal.message, "what holds it has to be settled"));
    }
    if let Some(known) = picture.errors.get(name) {
        let (is_refused, at) = (retry::is_refused(known) && !known.change.is_order(), next_try(picture, known));
        let next = if is_refused { Next::Again(at) } else { Next::At(at) };
        return Some(Waiting {
            what: known.error.message.clone(),
            since: Some(known.first),
            limit: None,
            next,
            hints: row.hints.clone(),
            job: None,
        });
    }
    hidden(picture, row).or_else(|| mine.iter().find_map(|change| until(picture, change))).or_else(|| on(picture, row))
}

/// When something that failed is tried again: what the plan waits for, where that is later than the engine's own pause.
pub fn next_try(picture: &Picture, known: &ServiceError) -> Timestamp {
    let planned = picture.change_of(&known.change.address);
    let at = planned.and_then(|change| if let Gate::Until { at, .. } = &change.gate { Some(*at) } else { None });
    known.next_try.max(at.unwrap_or(known.next_try))
}

/// A container that does not work, and for which nothing is planned that would mend it.
fn is_failed(picture: &Picture, resource: &status::ResourceStatus) -> bool {
    let gate = resource.change.as_ref().map(|change| &change.gate);
    let is_planned = gate.is_some_and(|gate| !matches!(gate, Gate::Held(_)));
    resource.health == Health::Degraded
        && resource.address.kind == Kind::Container
        && !is_planned
        && picture.world.gap(&resource.address).is_none()
}

pub fn why_failed(resource: &status::ResourceStatus) -> &'static str {
    if resource.detail.ends_with("is being restarted by Docker") {
        "Docker restarts it, which has not helped so far"
    } else if resource.change.is_some() || resource.job.is_some() {
        "the same is not tried again"
    } else {
        "it is left as it is"
    }
}

fn hidden(picture: &Picture, row: &ServiceStatus) -> Option<Waiting> {
    let gap = row.resources.iter().find_map(|resource| picture.world.gap(&resource.address))?;
    Some(Waiting {
        what: gap.message.clone(),
        since: Some(gap.since),
        limit: None,
        next: Next::WhenThere,
        hints: Some(gap.hint.clone()).filter(|hint| !hint.is_empty()).map(Hint::text).into_iter().collect(),
        job: None,
    })
}

fn until(picture: &Picture, change: &Change) -> Option<Waiting> {
    let Gate::Until { at, what } = &change.gate else { return None };
    let thing = jobs::thing(picture, &change.address);
    let (what, hints) = match what {
        Wait::StoppedGrace => (
            format!("{thing} was stopped outside Amarre"),
            vec![Hint::command("to start it now", format!("amarre reconcile {}", change.service))],
        ),
        Wait::Settle => (format!("what became of {thing} shows"), Vec::new()),
        Wait::EngineStart => (
            format!("{} just started and brings its containers back by itself", change.address.provider),
            vec![Hint::command("not to wait", format!("amarre reconcile {}", change.service))],
        ),
        Wait::Drain => (format!("what is still open at {thing} ends"), Vec::new()),
        Wait::Budget => (format!("Let's Encrypt would refuse to issue {thing} before, A0805"), Vec::new()),
        Wait::Order => (
            format!("the next order of {thing}: the last one failed, or its end is not known"),
            vec![Hint::command("once its cause is gone, to order now", format!("amarre retry {}", change.service))],
        ),
        Wait::Provider => (format!("{} fails for everybody", change.address.provider), Vec::new()),
        Wait::Backoff => (
            format!("the next try of {thing}"),
            vec![Hint::command("to try now", format!("amarre retry {}", change.service))],
        ),
    };
    let since = picture.facts.open_intents.get(&change.address).copied();
    let job = jobs::job(picture, &change.address).map(str::to_owned);
    Some(Waiting { what, since, limit: None, next: Next::At(*at), hints, job })
}

/// Something that starts or is on its way: of what changes need first, what is not ready; else what is there and is not.
fn on(picture: &Picture, row: &ServiceStatus) -> Option<Waiting> {
    let mine = picture.changes_of(&row.name);
    let needs = mine.filter_map(|change| match &change.gate {
        Gate::After(needs) => Some(needs.as_slice()),
        Gate::Now | Gate::Until { .. } | Gate::Held(_) => None,
    });
    let needed = needs.flatten().map(|need: &Need| &need.on);
    let own = row.resources.iter().map(|resource| &resource.address);
    let mut all = needed.chain(own.filter(|address| matches!(address.kind, Kind::Container | Kind::Record)));
    all.find_map(|address| {
        let seen = picture.world.seen.get(address).filter(|seen| seen.owner.is_ours())?;
        let Readiness::NotYet { since, why } = &seen.ready else { return None };
        let job = jobs::job(picture, address);
        let what = match job {
            Some(job) => format!("job {job} {why}"),
            None => format!("{} {}: {why}", address.kind.label(), address.name),
        };
        let limit = picture.wants.limits.get(address).copied();
        let next = match overdue(limit, *since, picture.at) {
            Some(_) => Next::Person("it takes longer than it may; it is still looked at"),
            None if job.is_some() => Next::WhenEnded,
            None => Next::WhenThere,
        };
        let hints = if matches!(next, Next::Person(_)) { late_hints(address) } else { Vec::new() };
        Some(Waiting { what, since: Some(*since), limit, next, hints, job: job.map(str::to_owned) })
    })
}

fn late_hints(address: &Address) -> Vec<Hint> {
    match address.kind {
        Kind::Record => {
            let name = address.name.split('/').next().unwrap_or_default();
            vec![Hint::command("what do its servers say", format!("dig +short {name}"))]
        }
        Kind::Container => vec![Hint::command("what does it say", format!("amarre logs {}", address.name))],
        Kind::Network | Kind::Attachment | Kind::Volume | Kind::Image | Kind::Certificate | Kind::AccessList => {
            Vec::new()
        }
        Kind::Zone | Kind::ProxyHost | Kind::Redirection | Kind::Stream => Vec::new(),
    }
}

/// `1:52`, and `1:02:03` from an hour on.
fn clock(span: Millis) -> String {
    let seconds = span.0.max(0) / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_with_a_limit_says_how_far_it_is() {
        let waiting = Waiting {
            what: String::new(),
            since: Some(Timestamp(0)),
            limit: Some(Millis::minutes(10)),
            next: Next::WhenThere,
            hints: Vec::new(),
            job: None,
        };
        assert_eq!(waiting.progress(Timestamp(112_000)).as_deref(), Some("1:52 of 10:00"));
        assert_eq!(clock(Millis::minutes(62)), "1:02:00");
        assert_eq!(Waiting { limit: None, ..waiting }.progress(Timestamp(5)), None);
        assert_eq!(overdue(Some(Millis(5)), Timestamp(0), Timestamp(5)), None);
        assert_eq!(overdue(Some(Millis(5)), Timestamp(0), Timestamp(6)), Some(Millis(5)));
        assert_eq!(overdue(None, Timestamp(0), Timestamp(6)), None);
    }
}
