//! What is asked of one server: its power, its name, its size, its image, a snapshot, its console, its bill, its end.
//!
//! | call | answer |
//! |---|---|
//! | start, stop, reboot, shelve, unshelve, snapshot, rename, delete | `null`; of delete also an empty 204 |
//! | resize, reinstall, activeMonthlyBilling | the server as it is shown now |
//! | vnc | type and address of a console |
//!
//! Statuses and texts of refusals are guessed.

use serde_json::json;

use super::catalogue::{Flavor, uuid};
use super::create::{flavor, no_room, quota_exceeded, required, source};
use super::shapes;
use super::snapshots::SnapshotRow;
use super::state::{Instance, Project, State, no_such_instance, stamp};
use super::verbs::{CloudVerb, Work, WorkChange};
use crate::ovh_api::{Call, Reply, bad_request, conflict, no_such_service, no_such_url};

/// Project and server that a call is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub project: &'a str,
    pub id: &'a str,
}

/// `POST …/instance/{id}/{verb}`
pub(super) fn post(state: &mut State, target: Target<'_>, verb: &str, call: &Call) -> Result<Reply, Reply> {
    match verb {
        "start" => power(state, target, CloudVerb::Start),
        "stop" => power(state, target, CloudVerb::Stop),
        "shelve" => power(state, target, CloudVerb::Shelve),
        "unshelve" => power(state, target, CloudVerb::Unshelve),
        "reboot" => match call.body["type"].as_str() {
            Some("soft") => power(state, target, CloudVerb::RebootSoft),
            Some("hard") => power(state, target, CloudVerb::RebootHard),
            // Guessed texts.
            Some(other) => Err(bad_request(&format!(
                "[type] Given data ({other}) does not belong to the RebootTypeEnum enumeration"
            ))),
            None => Err(bad_request("Missing parameter(s): type")),
        },
        "resize" => resize(state, target, call),
        "reinstall" => reinstall(state, target, call),
        "snapshot" => snapshot(state, target, call),
        "vnc" => vnc(state, target),
        "activeMonthlyBilling" => bill_monthly(state, target),
        _ => Err(no_such_url()),
    }
}

/// Answered `null` before anything is seen of it.
fn power(state: &mut State, target: Target<'_>, verb: CloudVerb) -> Result<Reply, Reply> {
    writable(state, target)?;
    state.begin(target.project, target.id, verb, None)?;
    Ok(Reply::void())
}

/// What a write is about, if its project and its region take writes.
fn writable<'a>(state: &'a State, target: Target<'_>) -> Result<(&'a Project, &'a Instance), Reply> {
    let project = state.projects.get(target.project).ok_or_else(no_such_service)?;
    project.refusal_of_write().map_or(Ok(()), Err)?;
    let instance = project.instance(target.id, state.now()).ok_or_else(|| no_such_instance(target.id))?;
    match state.condition(&instance.region).refusal_of_verb(&instance.region) {
        Some(refusal) => Err(refusal),
        None => Ok((project, instance)),
    }
}

fn shown(state: &State, target: Target<'_>) -> Result<Reply, Reply> {
    let project = state.projects.get(target.project).ok_or_else(no_such_service)?;
    let instance = project.instances.get(target.id).ok_or_else(|| no_such_instance(target.id))?;
    Ok(Reply::ok(shapes::detailed(state, project, instance)))
}

/// `DELETE …/instance/{id}`: of any server, whatever goes on with it, one billed by the month too: its month is charged all the
/// same. One that is being deleted is answered like one that is gone.
pub(super) fn delete(state: &mut State, target: Target<'_>) -> Result<Reply, Reply> {
    let (_, instance) = writable(state, target)?;
    if instance.work.as_ref().is_some_and(Work::is_deletion) {
        return Err(no_such_instance(target.id));
    }
    state.begin(target.project, target.id, CloudVerb::Delete, Some(WorkChange::Gone))?;
    Ok(if state.switches.delete_is_empty { Reply::no_content() } else { Reply::void() })
}

/// `PUT …/instance/{id} {instanceName}`: any name, in any status, at once unless a test says otherwise.
pub(super) fn rename(state: &mut State, target: Target<'_>, call: &Call) -> Result<Reply, Reply> {
    writable(state, target)?;
    let name = required(&call.body, "instanceName")?.to_owned();
    let at = state.now() + state.switches.rename_lag_s;
    if let Some(instance) = state.instance_mut(target.id) {
        instance.next_name = Some((at, name));
    }
    state.effects.push((target.id.to_owned(), CloudVerb::Rename));
    Ok(Reply::void())
}

/// `POST …/resize {flavorId}`: both flavours must be able to, and the disk cannot shrink. It is the old one until the work ends,
/// which is a guess.
fn resize(state: &mut State, target: Target<'_>, call: &Call) -> Result<Reply, Reply> {
    let (project, instance) = writable(state, target)?;
    let region = instance.region.as_str();
    let wanted = flavor(region, required(&call.body, "flavorId")?)?;
    let held = Flavor::named(&instance.flavor).ok_or_else(|| bad_request("The flavor of this instance is gone"))?;
    if wanted.name == held.name {
        return Err(bad_request("When resizing, instances must change flavor!"));
    }
    if !wanted.can_resize() || !held.can_resize() || wanted.os != held.os {
        return Err(bad_request(&format!("Cannot resize from flavor {} to flavor {}", held.name, wanted.name)));
    }
    if wanted.disk_gb < held.disk_gb {
        return Err(bad_request("Flavor's disk is smaller than the disk of the instance"));
    }
    if let Some(excess) = project.quota(region).excess(project.used(region), Some(held), wanted) {
        return Err(quota_exceeded(&excess));
    }
    if state.lack(region, wanted.name).is_some() || state.switches.no_capacity.contains_key(region) {
        return Err(no_room(region, wanted));
    }
    let change = WorkChange::Flavor(wanted.name.to_owned());
    state.begin(target.project, target.id, CloudVerb::Resize, Some(change))?;
    shown(state, target)
}

/// `POST …/reinstall {imageId}`: what was on its disk is lost.
fn reinstall(state: &mut State, target: Target<'_>, call: &Call) -> Result<Reply, Reply> {
    let (project, instance) = writable(state, target)?;
    let source = source(state, project, &instance.region, required(&call.body, "imageId")?)?;
    if let Some(flavor) = Flavor::named(&instance.flavor) {
        source.fits(flavor)?;
    }
    state.begin(target.project, target.id, CloudVerb::Reinstall, Some(WorkChange::Image(source.image)))?;
    shown(state, target)
}

/// `POST …/snapshot {snapshotName}`: it is in the list at once, and can be used once the work is over. Names are not unique.
fn snapshot(state: &mut State, target: Target<'_>, call: &Call) -> Result<Reply, Reply> {
    writable(state, target)?;
    let name = required(&call.body, "snapshotName")?;
    state.begin(target.project, target.id, CloudVerb::Snapshot, None)?;
    let (now, id) = (state.now(), uuid(&format!("snapshot/{}", state.next_number())));
    let lag_s = state.switches.snapshot_lag_s;
    let project = state.projects.get_mut(target.project).ok_or_else(no_such_service)?;
    let instance = project.instances.get(target.id).ok_or_else(|| no_such_instance(target.id))?;
    let ready_at = instance.work.as_ref().map_or(now, Work::ends_at);
    let taken = SnapshotRow::of(instance, id, name, (now, ready_at));
    project.snapshots.push(SnapshotRow { listed_from: now + lag_s, ..taken });
    Ok(Reply::void())
}

/// `POST …/vnc`: an address that leads nowhere. That only a running server has one is Nova's rule.
fn vnc(state: &State, target: Target<'_>) -> Result<Reply, Reply> {
    let (_, instance) = writable(state, target)?;
    if instance.status != "ACTIVE" {
        return Err(conflict("Instance not yet ready"));
    }
    let url = format!("https://console.invalid/vnc_auto.html?token={}", uuid(&format!("vnc/{}", instance.id)));
    Ok(Reply::ok(json!({ "type": "novnc", "url": url })))
}

/// `POST …/activeMonthlyBilling`: there is no way back.
fn bill_monthly(state: &mut State, target: Target<'_>) -> Result<Reply, Reply> {
    let (_, instance) = writable(state, target)?;
    if instance.is_monthly {
        return Err(bad_request("Monthly billing is already active on this instance"));
    }
    let (now, pace) = (state.now(), state.pace);
    if let Some(instance) = state.instance_mut(target.id) {
        instance.is_monthly = true;
        instance.monthly = Some((stamp(now), now + pace.lag_s + pace.step_s));
    }
    state.effects.push((target.id.to_owned(), CloudVerb::BillMonthly));
    shown(state, target)
}
