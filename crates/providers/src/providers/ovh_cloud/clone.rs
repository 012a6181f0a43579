//! Another server with what is on the disk of one: a snapshot, and a server that is made of it in the same region, with the same size
//! and key. A snapshot is found by its name alone, so the name is of this one request: no other snapshot, of another server or of an
//! earlier day, is ever taken for it.

use futures_util::future::join_all;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::OvhCloudProvider;
use super::api::{failed, in_project};
use super::made::not_made;
use super::memory::Place;
use crate::providers::servers::refused;
use crate::providers::{ActionStep, Class, ProviderError};
use amarre_core::model::{Action, Code, Text, Timestamp};
use amarre_core::text;
use reqwest::Method;

/// The second step: what is made, and of which snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CloneStep {
    pub name: String,
    pub snapshot: String,
}

impl CloneStep {
    pub const WORD: &str = "clone";

    /// That of a first step.
    pub fn after(first: &Action) -> Self {
        Self { name: first.before.clone(), snapshot: snapshot_name(first) }
    }

    /// From what an action was given. Names have no spaces.
    pub fn parse(given: &str) -> Option<Self> {
        let (name, snapshot) = given.split_once(' ')?;
        Some(Self { name: name.to_owned(), snapshot: snapshot.to_owned() })
    }

    pub fn step(&self) -> ActionStep {
        ActionStep { word: Self::WORD, given: format!("{} {}", self.name, self.snapshot) }
    }
}

/// What the snapshot of a first step is called: after the clone, and after the server and the moment of the request.
pub(super) fn snapshot_name(first: &Action) -> String {
    let request = Sha256::digest(format!("{} {}", first.vendor_id, first.at.0));
    format!("{}-clone-{}", first.before, hex::encode(&request[..4]))
}

impl OvhCloudProvider {
    /// Looks for the snapshots of which servers are to be made.
    pub(super) async fn follow_snapshots(&self, now: Timestamp) {
        let due = self.memory().due_snapshots(now);
        let read = due
            .iter()
            .map(|(place, name)| async move { (place, name, self.api.snapshots(&place.project, &place.region).await) });
        for (place, name, listed) in join_all(read).await {
            // Without an answer it is looked for once more.
            let Ok(listed) = listed else { continue };
            let found = listed.into_iter().find(|snapshot| snapshot.name == *name);
            self.memory().saw_snapshot(&place.id, found);
        }
    }

    /// Why a server cannot be made of a snapshot yet.
    pub(super) fn snapshot_is_late(&self, id: &str, step: &CloneStep) -> Option<Text> {
        let memory = self.memory();
        let name = step.snapshot.as_str();
        match memory.snapshot(id) {
            Some(found) if found.name == name && found.status == "active" => None,
            Some(found) if found.name == name => {
                Some(text!("the snapshot {name} cannot be used yet; it stays at OVH, and is billed", name))
            }
            Some(_) | None => Some(text!("OVH does not list the snapshot {name}; if it comes, it is billed", name)),
        }
    }

    /// The second step.
    pub(super) async fn clone_of(&self, place: &Place, step: &CloneStep) -> Result<(), ProviderError> {
        let Place { project, region, id } = place;
        let CloneStep { name, snapshot } = step;
        let name = name.as_str();
        let doing = text!("could not make {name}; the snapshot {snapshot} stays, and is billed", name, snapshot);
        let read = |trouble| failed(trouble, &doing, false);
        let listed = self.api.instances(project).await.map_err(read)?;
        if listed.iter().any(|one| one.name == name) {
            return Err(refused(text!("{doing}: there is one of this name", doing), text!("take another name")));
        }
        let snapshots = self.api.snapshots(project, region).await.map_err(read)?;
        let Some(snapshot) = snapshots.into_iter().find(|one| one.name == *snapshot && one.status == "active") else {
            let message = text!("{doing}: OVH does not list it as usable any more", doing);
            return Err(
                ProviderError::new(Class::Conflict, Code::A0754, message).hint(text!("ask for the clone again"))
            );
        };
        let source = self.api.instance(project, id).await.map_err(read)?;
        let flavors = self.api.flavors(project, region).await.map_err(read)?;
        let Some(flavor) = flavors.iter().find(|flavor| flavor.name == source.size()) else {
            let message =
                text!("{doing}: {region} offers no type `{size}` any more", doing, region, size = source.size());
            return Err(refused(message, text!("make one from the snapshot in OVH's control panel")));
        };
        let key = listed.iter().find(|one| one.id == *id).and_then(|one| one.ssh_key_id.clone());
        let mut body = json!({
            "name": name, "flavorId": flavor.id, "region": region, "imageId": snapshot.id, "monthlyBilling": false,
        });
        if let (Some(key), Some(body)) = (key, body.as_object_mut()) {
            body.insert("sshKeyId".to_owned(), json!(key));
        }
        let (line, came) = self.api.noted(&in_project(Method::POST, project, &["instance"]).body(&body)).await;
        self.exchanges.note(self.log_address(id), &line);
        came.map(drop).map_err(|trouble| not_made(trouble, &doing))
    }

    /// Whether a server was made by the second step: it has the name, and was made of that very snapshot.
    pub(super) fn is_cloned(&self, id: &str, step: &CloneStep) -> bool {
        let memory = self.memory();
        let snapshot = memory.snapshot(id).filter(|found| found.name == step.snapshot);
        snapshot.is_some_and(|snapshot| memory.has_made_of(id, &step.name, &snapshot.id))
    }
}
