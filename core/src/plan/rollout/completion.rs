//! What is done when it has ended: jobs, containers whose end others wait for, and whatever may end by itself.
//!
//! | | runs | ended with code 0 | ended otherwise |
//! |---|---|---|---|
//! | job | not yet | ready; failed when it took longer than it may | failed |
//! | its end is waited for | not yet | ready | failed |
//! | its policy lets it end, no route leads to it | as any other | ready | failed |
//! | it ended with its engine, and [starts again](super::restart_policy) | as any other | failed | failed |
//!
//! What we stopped has not ended by itself. Docker cannot tell any of this, so it is worked into what was observed.

use std::collections::BTreeMap;

use super::{restart_policy, stopped};
use crate::model::address::generations_mut;
use crate::model::service::{Container, Service, may_end};
use crate::model::{Address, Facts, Fields, Kind, Millis, Readiness, Seen, Site, Timestamp, Value, World};
use crate::plan::targets;
use crate::text;

/// Tells of every container that may end whether it has, and well.
pub fn judge(services: &BTreeMap<String, Service>, site: &Site, facts: &Facts, world: &mut World) {
    for service in services.values() {
        let Some(host) = site.host_of(service) else { continue };
        let base = |key: &str| Address::new(host.docker.clone(), Kind::Container, &service.address_name(key));
        let came_up = world.started.get(&host.docker).copied();
        for (key, container) in &service.containers {
            let is_task = service.is_task(key);
            let is_routed = targets::routed(service).any(|(target, _)| target == key);
            each_generation(world, &base(key), &mut |address, seen| {
                let may_end = may_end(restart_policy::policy(container, &seen.fields)) && !is_routed;
                let is_due = restart_policy::is_due(container, address, facts, came_up, &seen.fields);
                if (is_task || may_end) && !is_due {
                    settle(facts, container, is_task, address, seen);
                }
            });
        }
        for (key, job) in &service.jobs {
            each_generation(world, &base(key), &mut |address, seen| {
                settle(facts, &job.container, true, address, seen);
                if let Some(took) = took(&seen.fields).filter(|took| *took > job.timeout) {
                    let why = text!("took {took}, at most {limit}", took, limit = job.timeout);
                    seen.ready = Readiness::Failed { why };
                }
            });
        }
    }
}

/// Whether a container, by its address without generation, is done when it has ended.
pub fn is_task(service: &Service, base: &Address) -> bool {
    service.containers.keys().any(|key| service.address_name(key) == base.name && service.is_task(key))
}

fn each_generation(world: &mut World, base: &Address, judge: &mut dyn FnMut(&Address, &mut Seen)) {
    let all = generations_mut(&mut world.seen, base);
    for (address, seen) in all.filter(|(address, seen)| address.generation.is_some() && seen.owner.is_ours()) {
        judge(address, seen);
    }
}

fn settle(facts: &Facts, container: &Container, is_task: bool, address: &Address, seen: &mut Seen) {
    let applied = facts.applied.get(address).map(|row| &row.fields);
    let by_us = stopped::is_ours(applied, &seen.fields, restart_policy::policy(container, &seen.fields));
    if restart_policy::has_ended_well(&seen.fields) && !by_us {
        seen.ready = Readiness::Ready;
    } else if is_task && seen.fields.flag("running") == Some(true) {
        let since = match &seen.ready {
            Readiness::Ready => time(&seen.fields, "started_at_ms").unwrap_or(seen.at),
            Readiness::NotYet { since, .. } => *since,
            Readiness::Failed { .. } => return,
        };
        seen.ready = Readiness::NotYet { since, why: text!("runs, and is done when it has ended") };
    }
}

/// Whether it ran and stands.
pub fn has_ended(fields: &Fields) -> bool {
    fields.flag("running") == Some(false) && fields.get("finished_at_ms").is_some()
}

fn took(fields: &Fields) -> Option<Millis> {
    let ended = time(fields, "finished_at_ms").filter(|_| has_ended(fields))?;
    Some(ended - time(fields, "started_at_ms")?)
}

/// A time that a container tells.
pub fn time(fields: &Fields, field: &str) -> Option<Timestamp> {
    fields.get(field).and_then(Value::as_int).map(Timestamp)
}
