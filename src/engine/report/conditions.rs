//! A service's state for machines: a few conditions, each with a stable reason and since when. Pure.
//!
//! `Parsed`, `Converged` and `Serving` are always there; `Stalled` and `Suspended` only while they are true.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::status;
use super::status::{Health, ServiceStatus, Sync};
use super::waits::Next;
use crate::engine::Picture;
use amarre_core::model::{Kind, Readiness, Timestamp};

/// Types of conditions, in the order in which they are told.
pub const TYPES: [&str; 5] = ["Parsed", "Converged", "Serving", "Stalled", "Suspended"];

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// One of [`TYPES`].
    pub name: &'static str,
    /// `None`: not known.
    pub holds: Option<bool>,
    /// For machines: a word that does not change.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// Since when each condition of each service has been as it is.
pub type Since = BTreeMap<(String, &'static str), (Option<bool>, Timestamp)>;

/// The conditions of a service.
pub fn of(picture: &Picture, row: &ServiceStatus) -> Vec<Condition> {
    let condition = |name, holds, reason, message: &str| Condition { name, holds, reason, message: message.to_owned() };
    let mut all = vec![parsed(picture, row), converged(picture, row), serving(picture, row)];
    if let Some(waiting) = row.waiting.as_ref().filter(|waiting| waiting.is_stalled()) {
        let message = match waiting.hints.first() {
            Some(hint) => format!("{}; {}", waiting.what, super::hint_text(hint)),
            None => waiting.what.clone(),
        };
        all.push(condition("Stalled", Some(true), stalled(picture, row), &message));
    }
    if let Some(suspension) = picture.facts.suspended.get(&row.name) {
        let reason = if suspension.destroy { "Destroyed" } else { "Suspended" };
        let message = format!("by {}: {}", suspension.by, suspension.why);
        all.push(condition("Suspended", Some(true), reason, &message));
    }
    all
}

/// As documents have them.
pub fn json(picture: &Picture, row: &ServiceStatus) -> Vec<Json> {
    let status = |holds: Option<bool>| match holds {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let one = |condition: Condition| {
        let mut document = json!({
            "type": condition.name, "status": status(condition.holds), "reason": condition.reason,
            "message": condition.message,
        });
        let since = picture.conditions_since.get(&(row.name.clone(), condition.name)).filter(|(_, at)| at.0 > 0);
        if let (Some(object), Some((_, at))) = (document.as_object_mut(), since) {
            object.insert("since".to_owned(), json!(at.rfc3339()));
        }
        document
    };
    of(picture, row).into_iter().map(one).collect()
}

/// When each came to be as it is, from the picture before.
pub fn since(before: &Picture, picture: &Picture) -> Since {
    let mut since = Since::new();
    for (name, row) in picture.statuses() {
        for condition in of(picture, row) {
            let key = (name.clone(), condition.name);
            let at = match before.conditions_since.get(&key) {
                Some((known, at)) if *known == condition.holds => *at,
                // At the first look nobody knows since when.
                None if before.context.is_none() => Timestamp::default(),
                Some(_) | None => picture.at,
            };
            since.insert(key, (condition.holds, at));
        }
    }
    since
}

fn parsed(picture: &Picture, row: &ServiceStatus) -> Condition {
    let (holds, reason, message) = match picture.broken.get(&row.name) {
        Some(why) => (Some(false), "Broken", why.clone()),
        None if picture.services.contains_key(&row.name) => (Some(true), "Good", String::new()),
        None => (None, "NoManifest", "no manifest of this name is in force".to_owned()),
    };
    Condition { name: "Parsed", holds, reason, message }
}

fn converged(picture: &Picture, row: &ServiceStatus) -> Condition {
    let has_failed = row.resources.iter().any(|resource| resource.failure.is_some());
    let is_held = picture.changes_of(&row.name).any(|change| change.refusal().is_some());
    let is_suspended = picture.facts.suspended.contains_key(&row.name);
    let (holds, reason) = match row.sync {
        Sync::Synced | Sync::OutOfSync if has_failed_job(row) && !is_suspended => (Some(false), "JobFailed"),
        Sync::Synced | Sync::OutOfSync if awaits_job(row) => (Some(false), "JobRuns"),
        Sync::Synced if row.health == Health::Progressing => (Some(false), "Waiting"),
        Sync::Synced if row.health == Health::Degraded => (Some(false), "NotHealthy"),
        Sync::Synced => (Some(true), "Synced"),
        Sync::Unknown => (None, "NotSeen"),
        Sync::OutOfSync if is_suspended => (Some(false), "Suspended"),
        Sync::OutOfSync if picture.broken.contains_key(&row.name) => (Some(false), "Broken"),
        Sync::OutOfSync if has_failed => (Some(false), "NotHealthy"),
        Sync::OutOfSync if is_held => (Some(false), "Held"),
        Sync::OutOfSync if picture.errors.contains_key(&row.name) => (Some(false), "Retrying"),
        Sync::OutOfSync => (Some(false), "Changing"),
    };
    let message = if holds == Some(true) { String::new() } else { row.what_now.clone() };
    Condition { name: "Converged", holds, reason, message }
}

/// Whether something answers for each container and host, be it an old one. Jobs serve nobody.
fn serving(picture: &Picture, row: &ServiceStatus) -> Condition {
    let condition = |holds, reason, message| Condition { name: "Serving", holds, reason, message };
    let serves = |kind: Kind| matches!(kind, Kind::Container | Kind::ProxyHost | Kind::Redirection | Kind::Stream);
    let mut relevant = row.resources.iter().filter(|resource| serves(resource.address.kind) && resource.job.is_none());
    if relevant.clone().any(|resource| resource.health == Health::Unknown) {
        return condition(None, "NotSeen", "not all of it can be seen".to_owned());
    }
    let works = |resource: &status::ResourceStatus| {
        picture
            .world
            .generations(&resource.address)
            .any(|(_, seen)| seen.owner.is_ours() && matches!(seen.ready, Readiness::Ready))
    };
    let ends_dead = |resource: &status::ResourceStatus| picture.dead_ends.contains_key(&resource.address);
    match relevant.find(|resource| !works(resource) || ends_dead(resource)) {
        Some(down) => condition(Some(false), "Down", format!("{}: {}", down.thing(), down.detail)),
        None if row.resources.iter().any(|resource| resource.failure.is_some() && resource.job.is_none()) => {
            condition(Some(true), "LastGood", "the last good one serves".to_owned())
        }
        None => condition(Some(true), "Serving", String::new()),
    }
}

fn has_failed_job(row: &ServiceStatus) -> bool {
    row.resources.iter().any(|resource| resource.job.is_some() && resource.health == Health::Degraded)
}

fn awaits_job(row: &ServiceStatus) -> bool {
    row.waiting.as_ref().is_some_and(|waiting| waiting.next == Next::WhenEnded)
}

fn stalled(picture: &Picture, row: &ServiceStatus) -> &'static str {
    if picture.broken.contains_key(&row.name) {
        "Broken"
    } else if has_failed_job(row) {
        "JobFailed"
    } else if row.resources.iter().any(|resource| resource.health == Health::Degraded) {
        "NotHealthy"
    } else if picture.changes_of(&row.name).any(|change| change.refusal().is_some()) {
        "Held"
    } else if picture.errors.contains_key(&row.name) {
        "Rejected"
    } else {
        "TakesTooLong"
    }
}
