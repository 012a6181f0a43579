//! Snapshots: private images that a project made of its servers, and those from which shelved servers come back.
//!
//! | snapshot | made by | if it is deleted |
//! |---|---|---|
//! | of the asked name | `POST …/snapshot` | nothing else is lost |
//! | `NAME-shelved` | shelving the server `NAME`; it goes when the server is unshelved | the server cannot come back: it ends in ERROR (a guess) |
//!
//! Both stand in one list, and nothing but the name tells them apart.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalogue::{self, Flavor, uuid};
use super::fleet::CloudImage;
use super::state::{Instance, Project, State, stamp};
use super::verbs::CloudVerb;
use crate::ovh_api::{Reply, no_such_object, no_such_service};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SnapshotRow {
    pub id: String,
    pub name: String,
    pub region: String,
    pub created: i64,
    /// First user of what it was made from.
    pub user: String,
    pub os: String,
    /// Of the server that it was made from: none with a smaller disk can be made of it.
    pub disk_gb: u32,
    /// Before this second it is being saved.
    pub ready_at: i64,
    /// From this second on the list has it.
    #[serde(default)]
    pub listed_from: i64,
}

impl SnapshotRow {
    pub fn of(instance: &Instance, id: String, name: &str, (created, ready_at): (i64, i64)) -> Self {
        let flavor = Flavor::named(&instance.flavor);
        let listed = match &instance.image {
            CloudImage::Listed(name) | CloudImage::Withdrawn(name) => catalogue::image(&instance.region, name),
            CloudImage::Snapshot(_) | CloudImage::Volume => None,
        };
        let user = listed.and_then(|image| image["user"].as_str().map(str::to_owned));
        Self {
            id,
            name: name.to_owned(),
            region: instance.region.clone(),
            created,
            user: user.unwrap_or_default(),
            os: flavor.map_or("linux", |flavor| flavor.os).to_owned(),
            disk_gb: flavor.map_or(0, |flavor| flavor.disk_gb),
            ready_at,
            listed_from: created,
        }
    }

    /// `saving` is a word of OpenStack Glance: the schema has none.
    pub fn json(&self, now: i64) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "region": self.region,
            "visibility": "private",
            "type": self.os,
            "minDisk": self.disk_gb,
            "minRam": 0,
            "size": if self.ready_at > now { 0.0 } else { 1.5 },
            "creationDate": stamp(self.created),
            "status": if self.ready_at > now { "saving" } else { "active" },
            "user": self.user,
            "flavorType": null,
            "tags": [],
            "planCode": null,
        })
    }
}

fn shelf_id(instance: &Instance) -> String {
    uuid(&format!("shelf/{}", instance.id))
}

/// What a shelved server comes back from. That it has the server's present name, not that of its shelving, is a
/// simplification.
fn shelf(instance: &Instance) -> Option<SnapshotRow> {
    let is_there = matches!(instance.status.as_str(), "SHELVED" | "SHELVED_OFFLOADED") && !instance.has_lost_shelf;
    let row = || SnapshotRow::of(instance, shelf_id(instance), &format!("{}-shelved", instance.name), (0, 0));
    is_there.then(row)
}

/// `GET …/snapshot[?region=]`
pub(super) fn list(state: &State, project: &Project, region: Option<&str>) -> Vec<Value> {
    let shelves = project.instances.values().filter_map(shelf);
    let all = project.snapshots.iter().cloned().chain(shelves);
    let chosen = all.filter(|snapshot| region.is_none_or(|region| snapshot.region == region));
    let chosen = chosen.filter(|snapshot| snapshot.listed_from <= state.now());
    chosen.map(|snapshot| snapshot.json(state.now())).collect()
}

/// `DELETE …/snapshot/{id}`. The schema says that it answers the snapshot. One that a shelved server needs is deleted like any.
pub(super) fn delete(state: &mut State, project: &str, id: &str) -> Result<Reply, Reply> {
    let owner = state.projects.get(project).ok_or_else(no_such_service)?;
    let shown = list(state, owner, None).into_iter().find(|snapshot| snapshot["id"] == id);
    let shown = shown.ok_or_else(|| no_such_object(id))?;
    if let Some(owner) = state.projects.get_mut(project) {
        owner.snapshots.retain(|snapshot| snapshot.id != id);
        let shelved = owner.instances.values_mut().filter(|instance| shelf_id(instance) == id);
        shelved.for_each(|instance| instance.has_lost_shelf = true);
    }
    state.effects.push((id.to_owned(), CloudVerb::DeleteSnapshot));
    Ok(Reply::ok(shown))
}
