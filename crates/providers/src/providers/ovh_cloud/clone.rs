//! Another server with what is on the disk of one: a snapshot, and a server that is made of it in the same region, with the same size
//! and key. The snapshot is called after the clone, so that each step is seen to be done by what is there.

use serde_json::json;

use super::OvhCloudProvider;
use super::api::{failed, in_project};
use super::made::not_made;
use super::memory::Place;
use super::wire::WireSnapshot;
use crate::providers::servers::refused;
use crate::providers::{Class, ProviderError};
use amarre_core::model::Code;
use amarre_core::text;
use reqwest::Method;

/// What the snapshot of a clone is called.
fn snapshot_name(name: &str) -> String {
    format!("{name}-clone")
}

impl OvhCloudProvider {
    async fn snapshot_of(&self, place: &Place, name: &str) -> Result<Option<WireSnapshot>, ProviderError> {
        let found = self.api.snapshots(&place.project, &place.region).await;
        let found = found.map_err(|trouble| failed(trouble, &text!("could not read the snapshots"), false))?;
        Ok(found.into_iter().find(|snapshot| snapshot.name == snapshot_name(name)))
    }

    /// The first step. One that was taken before does for it.
    pub(super) async fn save_for_clone(&self, place: &Place, name: &str) -> Result<(), ProviderError> {
        match self.snapshot_of(place, name).await? {
            Some(_) => Ok(()),
            None => self.snapshot(&place.id, &snapshot_name(name)).await,
        }
    }

    /// The second step.
    pub(super) async fn clone_of(&self, place: &Place, name: &str) -> Result<(), ProviderError> {
        let Place { project, region, id } = place;
        let doing = text!("could not make {name}", name);
        let read = |trouble| failed(trouble, &doing, false);
        let listed = self.api.instances(project).await.map_err(read)?;
        if listed.iter().any(|one| one.name == name) {
            return Err(refused(text!("{doing}: there is one of this name", doing), text!("take another name")));
        }
        let Some(snapshot) = self.snapshot_of(place, name).await? else {
            return Err(refused(
                text!("{doing}: the snapshot {name} is gone", doing, name = snapshot_name(name)),
                text!("ask for the clone again"),
            ));
        };
        if snapshot.status != "active" {
            let message = text!("{doing}: the snapshot {name} cannot be used yet", doing, name = snapshot.name);
            return Err(ProviderError::new(Class::RetryLater, Code::A0754, message)
                .hint(text!("ask for the clone again in some minutes: the snapshot is used, and none is taken")));
        }
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
}
