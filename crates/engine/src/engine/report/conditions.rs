//! A service's state for machines: a few conditions, each with a stable reason and since when. Pure.
//!
//! `Parsed`, `Converged` and `Serving` are always there; `Stalled` and `Suspended` only while they are true.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::status;
use super::status::{Health, ServiceStatus, Sync};
use super::waits::{PendingWait, WaitEnd};
use crate::engine::pass_result::ConditionTimes;
use crate::engine::report::pass_view::PassView;
use crate::words::say;
use amarre_core::model::{Kind, Language, Readiness, Timestamp};

/// Types of conditions, in the order of the document.
pub const TYPES: [&str; 5] = ["Parsed", "Converged", "Serving", "Stalled", "Suspended"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCondition {
    /// One of [`TYPES`].
    pub name: &'static str,
    /// `None`: not known.
    pub holds: Option<bool>,
    /// For machines: a word that does not change.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// The conditions of a service.
pub fn conditions(pass: &PassView, row: &ServiceStatus) -> Vec<ServiceCondition> {
    let condition =
        |name, holds, reason, message: &str| ServiceCondition { name, holds, reason, message: message.to_owned() };
    let mut all = vec![parsed(pass, row), converged(pass, row), serving(pass, row)];
    if let Some(waiting) = row.waiting.as_ref().filter(|waiting| waiting.is_stalled()) {
        let message = match waiting.hints.first() {
            Some(hint) => format!("{}; {}", waiting.what, super::hint_text(hint, Language::En)),
            None => waiting.what.to_string(),
        };
        all.push(condition("Stalled", Some(true), stalled(pass, row), &message));
    }
    if let Some(suspension) = pass.facts.suspended.get(&row.name) {
        let reason = if suspension.destroy { "Destroyed" } else { "Suspended" };
        let message = format!("by {}: {}", suspension.by, suspension.why);
        all.push(condition("Suspended", Some(true), reason, &message));
    }
    all
}

/// As in documents.
pub fn json(pass: &PassView, row: &ServiceStatus) -> Vec<Json> {
    let status = |holds: Option<bool>| match holds {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let one = |condition: ServiceCondition| {
        let mut document = json!({
            "type": condition.name, "status": status(condition.holds), "reason": condition.reason,
            "message": condition.message,
        });
        let since = pass.conditions_since.get(&(row.name.clone(), condition.name)).filter(|(_, at)| at.0 > 0);
        if let (Some(object), Some((_, at))) = (document.as_object_mut(), since) {
            object.insert("since".to_owned(), json!(at.rfc3339()));
        }
        document
    };
    conditions(pass, row).into_iter().map(one).collect()
}

/// When each condition changed last, from the previous pass.
pub fn condition_times(before: &PassView, pass: &PassView) -> ConditionTimes {
    let mut since = ConditionTimes::new();
    for (name, row) in pass.statuses() {
        for condition in conditions(pass, row) {
            let key = (name.clone(), condition.name);
            let at = match before.conditions_since.get(&key) {
                Some((known, at)) if *known == condition.holds => *at,
                // At the first pass the time is not known.
                None if before.context.is_none() => Timestamp::default(),
                Some(_) | None => pass.at,
            };
            since.insert(key, (condition.holds, at));
        }
    }
    since
}

/// When the latest way of each service to what its manifest asks for began: it left its state, or its manifest changed
/// on the way. Absent: not known, for instance after a start.
pub fn deploy_times(before: &PassView, pass: &PassView) -> BTreeMap<String, Timestamp> {
    let is_known = before.context.is_some();
    let are_same = Arc::ptr_eq(&before.services, &pass.services);
    let begin = |name: &String| {
        let is_same = are_same || before.services.get(name) == pass.services.get(name);
        let sets_out = is_on_its_way(pass, name) && !is_on_its_way(before, name);
        let since = before.deploys_since.get(name).copied();
        if is_known && (sets_out || !is_same) { Some(pass.at) } else { since }
    };
    pass.statuses().keys().filter_map(|name| Some((name.clone(), begin(name)?))).collect()
}

/// Whether it is not what its manifest asks for, and goes on by itself.
fn is_on_its_way(pass: &PassView, name: &str) -> bool {
    let converged = pass.conditions_since.get(&(name.to_owned(), "Converged"));
    let waiting = pass.statuses().get(name).and_then(|row| row.waiting.as_ref());
    converged.is_some_and(|(holds, _)| *holds == Some(false)) && !waiting.is_some_and(PendingWait::is_stalled)
}

fn parsed(pass: &PassView, row: &ServiceStatus) -> ServiceCondition {
    let (holds, reason, message) = match pass.broken.get(&row.name) {
        Some(why) => (Some(false), "Broken", why.clone()),
        None if pass.services.contains_key(&row.name) => (Some(true), "Good", String::new()),
        None => (None, "NoManifest", "no manifest of this name is in force".to_owned()),
    };
    ServiceCondition { name: "Parsed", holds, reason, message }
}

fn converged(pass: &PassView, row: &ServiceStatus) -> ServiceCondition {
    let has_failed = row.resources.iter().any(|resource| resource.failure.is_some());
    let is_held = pass.changes_of(&row.name).any(|change| change.refusal().is_some());
    let is_suspended = pass.facts.suspended.contains_key(&row.name);
    let (holds, reason) = match row.sync {
        Sync::Synced | Sync::OutOfSync if has_failed_job(row) && !is_suspended => (Some(false), "JobFailed"),
        Sync::Synced | Sync::OutOfSync if awaits_job(row) => (Some(false), "JobRuns"),
        Sync::Synced if row.health == Health::Progressing => (Some(false), "Waiting"),
        Sync::Synced if row.health == Health::Degraded => (Some(false), "NotHealthy"),
        Sync::Synced => (Some(true), "Synced"),
        Sync::Unknown => (None, "NotSeen"),
        Sync::OutOfSync if is_suspended => (Some(false), "Suspended"),
        Sync::OutOfSync if pass.broken.contains_key(&row.name) => (Some(false), "Broken"),
        Sync::OutOfSync if has_failed => (Some(false), "NotHealthy"),
        Sync::OutOfSync if is_held => (Some(false), "Held"),
        Sync::OutOfSync if pass.errors.contains_key(&row.name) => (Some(false), "Retrying"),
        Sync::OutOfSync => (Some(false), "Changing"),
    };
    let message = if holds == Some(true) { String::new() } else { say(&row.what_now, Language::En) };
    ServiceCondition { name: "Converged", holds, reason, message }
}

/// Whether something answers for each container and host, be it an old one. Jobs serve no requests.
fn serving(pass: &PassView, row: &ServiceStatus) -> ServiceCondition {
    let condition = |holds, reason, message| ServiceCondition { name: "Serving", holds, reason, message };
    let serves = |kind: Kind| kind == Kind::Container || kind.is_proxied();
    let mut relevant = row.resources.iter().filter(|resource| serves(resource.address.kind) && resource.job.is_none());
    if relevant.clone().any(|resource| resource.health == Health::Unknown) {
        return condition(None, "NotSeen", "not all of it can be seen".to_owned());
    }
    let works = |resource: &status::ResourceStatus| {
        let address = &resource.address;
        let own = pass.world.seen.get(address).filter(|seen| seen.owner.is_ours());
        own.is_some_and(|seen| matches!(seen.ready, Readiness::Ready)) || pass.has_other_ready(address)
    };
    let ends_dead =
        |resource: &status::ResourceStatus| pass.dead_ends.get(&resource.address).is_some_and(|end| end.is_led);
    match relevant.find(|resource| !works(resource) || ends_dead(resource)) {
        Some(down) => condition(Some(false), "Down", format!("{}: {}", down.label(), down.detail)),
        None if row.resources.iter().any(|resource| resource.failure.is_some() && resource.job.is_none()) => {
            condition(Some(true), "LastGood", "the last good one serves".to_owned())
        }
        None => condition(Some(true), "Serving", String::new()),
    }
}

/// Whether a service that does not work as its manifest wants still answers: an update failed, and the version before serves.
pub fn serves_still(pass: &PassView, row: &ServiceStatus) -> bool {
    let has_failed = row.health == Health::Degraded || row.health == Health::Missing;
    let is_served = |resource: &status::ResourceStatus| {
        resource.address.kind == Kind::Container || resource.address.kind.is_proxied()
    };
    has_failed && row.resources.iter().any(is_served) && serving(pass, row).holds == Some(true)
}

fn has_failed_job(row: &ServiceStatus) -> bool {
    row.resources.iter().any(|resource| resource.job.is_some() && resource.health == Health::Degraded)
}

fn awaits_job(row: &ServiceStatus) -> bool {
    row.waiting.as_ref().is_some_and(|waiting| waiting.next == WaitEnd::WhenEnded)
}

fn stalled(pass: &PassView, row: &ServiceStatus) -> &'static str {
    if pass.broken.contains_key(&row.name) {
        "Broken"
    } else if has_failed_job(row) {
        "JobFailed"
    } else if row.resources.iter().any(|resource| resource.health == Health::Degraded) {
        "NotHealthy"
    } else if pass.changes_of(&row.name).any(|change| change.refusal().is_some()) {
        "Held"
    } else if pass.errors.contains_key(&row.name) {
        "Rejected"
    } else {
        "TakesTooLong"
    }
}
