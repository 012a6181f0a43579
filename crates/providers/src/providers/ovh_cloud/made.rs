//! Making, renaming, resizing and deleting servers at OVH Public Cloud: the older calls of API v1, which answer with the server's id.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::json;

use super::api::{failed, in_project, is_busy};
use super::memory::Place;
use super::wire::{WireFlavor, WireImage, WireKey, WireOperation};
use super::{OvhCloudProvider, gone};
use crate::providers::ovh::api::OvhError;
use crate::providers::servers::{self, ServerVendor, refused};
use crate::providers::{Class, ProviderError};
use amarre_core::model::suggestion::nearest;
use amarre_core::model::{Address, Code, Fields, Text, Timestamp};
use amarre_core::text;
use reqwest::Method;
use sha2::{Digest, Sha256};

/// Names that are shown where one does not exist.
const SHOWN_MAX: usize = 12;

/// What there is instead of a word that is not there.
pub(super) fn instead(word: &str, mut names: Vec<&str>) -> Text {
    names.sort_unstable();
    names.dedup();
    match nearest(word, &names) {
        Some(near) => text!("did you mean `{near}`?", near),
        None if names.is_empty() => text!("there is none that would do"),
        None => {
            let more = if names.len() > SHOWN_MAX { ", …" } else { "" };
            names.truncate(SHOWN_MAX);
            text!("there are {names}", names = format!("{}{more}", names.join(", ")))
        }
    }
}

/// A size that a region does not have.
pub(super) fn no_such_size(region: &str, size: &str, offered: &[WireFlavor]) -> ProviderError {
    let names = offered.iter().map(|flavor| flavor.name.as_str()).collect();
    refused(text!("{region} offers no type `{size}`", region, size), instead(size, names))
}

impl OvhCloudProvider {
    /// The id of the project that a server is to be in.
    pub(super) fn project_of(&self, fields: &Fields) -> Result<String, ProviderError> {
        let projects = self.memory().known_projects();
        let wanted = fields.text("project");
        let called = |name: &str| {
            let is_it = |(id, project): &(&String, &super::wire::WireProject)| {
                *id == name || project.description.as_deref() == Some(name)
            };
            projects.iter().filter(is_it).map(|(id, _)| id.clone()).collect::<Vec<_>>()
        };
        let found = wanted.map_or_else(|| projects.keys().cloned().collect(), called);
        match (found.as_slice(), wanted) {
            ([project], _) => Ok(project.clone()),
            ([], Some(name)) => {
                let names = projects.iter().map(|(id, project)| project.description.as_deref().unwrap_or(id));
                Err(refused(text!("the login sees no project `{name}`", name), instead(name, names.collect())))
            }
            ([], None) => Err(refused(text!("the login sees no project"), text!("amarre doctor says what it sees"))),
            (_, Some(name)) => Err(refused(
                text!("several projects are called `{name}`", name),
                text!("write the id of the project that is meant in `project`"),
            )),
            (_, None) => {
                let names = projects.iter().map(|(id, project)| project.description.as_deref().unwrap_or(id));
                Err(refused(
                    text!("the login sees several projects"),
                    text!("write `project`: {names}", names = instead("", names.collect())),
                ))
            }
        }
    }

    /// The sizes that a region offers, read at most once an hour.
    pub(super) async fn flavors(
        &self,
        (project, region): (&str, &str),
        now: Timestamp,
    ) -> Result<Vec<WireFlavor>, OvhError> {
        if let Some(known) = self.memory().flavors(project, region, now) {
            return Ok(known);
        }
        let flavors = self.api.flavors(project, region).await?;
        self.memory().keep_flavors(project, region, flavors.clone(), now);
        Ok(flavors)
    }

    async fn flavor(&self, project: &str, region: &str, size: &str) -> Result<WireFlavor, ProviderError> {
        let doing = text!("could not read the sizes of {region}", region);
        let flavors = self.api.flavors(project, region).await.map_err(|trouble| failed(trouble, &doing, false))?;
        let found = flavors.iter().find(|flavor| flavor.name == size);
        let found = found.ok_or_else(|| no_such_size(region, size, &flavors))?;
        match found.available {
            Some(false) => {
                let message = text!("{region} has no `{size}` left", region, size);
                let hint = text!(
                    "OVH says that it is out of stock; the daemon tries again; another region or type may have room"
                );
                Err(ProviderError::new(Class::RetryLater, Code::A0754, message).hint(hint))
            }
            Some(true) | None => Ok(found.clone()),
        }
    }

    async fn image(
        &self,
        project: &str,
        region: &str,
        flavor: &WireFlavor,
        image: &str,
    ) -> Result<WireImage, ProviderError> {
        let doing = text!("could not read the images of {region}", region);
        let images = self.api.images(project, region).await.map_err(|trouble| failed(trouble, &doing, false))?;
        let fits = |one: &&WireImage| flavor.os_type.is_none() || one.kind.is_none() || one.kind == flavor.os_type;
        let names = || images.iter().filter(fits).map(|image| image.name.as_str()).collect::<Vec<_>>();
        let found = images.iter().filter(fits).find(|one| one.id == image || one.name == image).cloned();
        found.ok_or_else(|| {
            let size = flavor.name.as_str();
            refused(text!("{region} has no image `{image}` for {size}", region, image, size), instead(image, names()))
        })
    }

    /// The id of a public key in a region: one that is there, or one that is put there.
    async fn key(&self, project: &str, region: &str, key: &str) -> Result<String, ProviderError> {
        let doing = text!("could not put the key into {region}", region);
        let read = |trouble| failed(trouble, &doing, false);
        // Who has it is a comment.
        let bare = |text: &str| text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        let keys: Vec<WireKey> = self.api.keys(project, region).await.map_err(read)?;
        let digest = hex::encode(&Sha256::digest(bare(key))[..4]);
        let name = format!("amarre-{digest}-{region}");
        if let Some(known) = keys.iter().find(|known| bare(&known.public_key) == bare(key)) {
            // Amarre puts a key there just before it makes a server.
            if known.name == name && self.memory().made().may_be_unknown() {
                let message = text!(
                    "{region} has a key of Amarre's, and this ledger is new: a server may have been made with another ledger, and not be listed yet",
                    region
                );
                return Err(ProviderError::new(Class::RetryLater, Code::A0744, message).hint(text!(
                    "Amarre looks again; it makes one once the ledger is eleven minutes old and no list has it"
                )));
            }
            return Ok(known.id.clone());
        }
        let body = json!({"name": name, "publicKey": key, "region": region});
        let call = in_project(Method::POST, project, &["sshkey"]).body(&body);
        // A key costs nothing, and another one of its name is refused: this may be sent again.
        let made: WireKey = self.api.api.json(&call).await.map_err(read)?;
        Ok(made.id)
    }

    /// Carries out a call that changes a server, and notes it.
    async fn change(
        &self,
        id: &str,
        call: impl FnOnce(&str) -> crate::providers::ovh::api::ApiCall,
    ) -> Result<(), OvhError> {
        let Some(place) = self.memory().place(id) else {
            return Err(OvhError::NotSent("no list has it".to_owned()));
        };
        self.memory().acts(id);
        let (line, came) = self.api.noted(&call(&place.project)).await;
        self.exchanges.note(self.log_address(id), &line);
        let is_busy = came.as_ref().is_err_and(is_busy);
        if came.as_ref().is_err_and(|trouble| !trouble.is_unclear()) && !is_busy {
            self.memory().ends(id);
        }
        came.map(drop)
    }

    /// Installs one again from an image that its region has and that fits.
    pub(super) async fn rebuild(&self, place: &Place, image: &str) -> Result<(), ProviderError> {
        let Place { project, region, id } = place;
        let doing = text!("could not install instance {id} again", id);
        let instance = self.api.instance(project, id).await.map_err(|trouble| failed(trouble, &doing, false))?;
        let flavors = self.api.flavors(project, region).await.map_err(|trouble| failed(trouble, &doing, false))?;
        let flavor = flavors.into_iter().find(|flavor| flavor.name == instance.size());
        let flavor = flavor.unwrap_or_else(|| WireFlavor::gone(instance.size()));
        let image = self.image(project, region, &flavor, image).await?;
        let body = json!({"imageId": image.id});
        let call = |project: &str| in_project(Method::POST, project, &["instance", id, "reinstall"]).body(&body);
        self.change(id, call).await.map_err(|trouble| failed(trouble, &doing, true))
    }

    /// Keeps what is on the disk of one as an image of this name.
    pub(super) async fn snapshot(&self, id: &str, name: &str) -> Result<(), ProviderError> {
        let body = json!({"snapshotName": name});
        let call = |project: &str| in_project(Method::POST, project, &["instance", id, "snapshot"]).body(&body);
        let taken = self.change(id, call).await;
        taken.map_err(|trouble| failed(trouble, &text!("could not take a snapshot of instance {id}", id), true))
    }

    /// Deletes one that Amarre did not make, if list and details both call it what a person typed.
    pub(super) async fn delete_named(&self, project: &str, id: &str, name: &str) -> Result<(), ProviderError> {
        let doing = text!("could not read instance {id} before deleting it", id);
        let listed = self.api.instances(project).await.map_err(|trouble| failed(trouble, &doing, false))?;
        let listed = listed.iter().find(|one| one.id == id).map(|one| one.name.as_str());
        let detailed = self.name_of(id).await?;
        if servers::is_the_named(id, name, listed, detailed.as_deref())? { self.delete(id).await } else { Ok(()) }
    }

    /// Where the lines of a server's log are kept.
    pub(super) fn log_address(&self, id: &str) -> Address {
        self.memory().made_address(id).unwrap_or_else(|| self.address(id))
    }
}

#[async_trait]
impl ServerVendor for OvhCloudProvider {
    async fn find(&self, name: &str, fields: &Fields) -> Result<Vec<String>, ProviderError> {
        let project = self.project_of(fields)?;
        let listed = self.api.instances(&project).await;
        let listed = listed
            .map_err(|trouble| failed(trouble, &text!("could not list the instances before making one"), false))?;
        let mut found: BTreeMap<String, String> = listed.into_iter().map(|one| (one.id, one.name)).collect();
        // A create may be under way of which neither the ledger nor the list knows. Without the right to read them, the list decides.
        let operations = self.api.operations(&project).await.unwrap_or_default();
        let creates: Vec<&WireOperation> =
            operations.iter().filter(|one| one.is_create() && !one.has_failed()).collect();
        for id in creates.iter().filter_map(|operation| operation.made()) {
            if found.contains_key(id) {
                continue;
            }
            match self.api.instance(&project, id).await {
                Ok(instance) => drop(found.insert(instance.id, instance.name)),
                Err(trouble) if is_no_such_instance(&trouble) => (),
                Err(trouble) => {
                    return Err(failed(trouble, &text!("could not read instance {id} before making one", id), false));
                }
            }
        }
        let nameless = creates.iter().filter(|one| one.made().is_none() && !one.is_complete()).count();
        if nameless > self.memory().being_made() {
            let message = text!("OVH makes a server in this project, and does not say yet which one");
            return Err(ProviderError::new(Class::RetryLater, Code::A0744, message)
                .hint(text!("nothing is made meanwhile; Amarre tries again")));
        }
        Ok(found.into_iter().filter(|(_, called)| called == name).map(|(id, _)| id).collect())
    }

    async fn is_not_there(&self, name: &str, id: &str) -> Result<(), ProviderError> {
        let projects = self.memory().known_projects();
        let asked = projects.keys().map(|project| async move { self.api.instance(project, id).await });
        let is_there = join_all(asked).await.iter().any(Result::is_ok);
        if !is_there {
            return Ok(());
        }
        let message = text!("the lists lack {name}, and OVH has it: instance {id} answers by its id", name, id);
        Err(ProviderError::new(Class::RetryLater, Code::A0744, message)
            .hint(text!("nothing is made in its place; it is seen again once the list has it")))
    }

    async fn make(&self, address: &Address, fields: &Fields) -> Result<String, ProviderError> {
        let text = |name: &str| fields.text(name).unwrap_or_default();
        let (project, region) = (self.project_of(fields)?, text("region"));
        let flavor = self.flavor(&project, region, text("type")).await?;
        let image = self.image(&project, region, &flavor, text("image")).await?;
        let key = self.key(&project, region, text("ssh_key")).await?;
        let mut body = json!({
            "name": text("name"), "flavorId": flavor.id, "region": region, "imageId": image.id, "sshKeyId": key,
            "monthlyBilling": false,
        });
        if let Some(user_data) = fields.text("user_data_text") {
            body["userData"] = user_data.into();
        }
        let (line, came) = self.api.noted(&in_project(Method::POST, &project, &["instance"]).body(&body)).await;
        self.exchanges.note(address.clone(), &line);
        let doing = text!("could not make {name}", name = text("name"));
        let made = came.map_err(|trouble| not_made(trouble, &doing))?;
        let made: Option<super::wire::WireMade> = made.json();
        let id = made.map(|made| made.id).unwrap_or_default();
        self.memory().makes(&id);
        // Made it was: which one it is, the list tells.
        Ok(id)
    }

    async fn name_of(&self, id: &str) -> Result<Option<String>, ProviderError> {
        let Some(place) = self.memory().place(id) else { return Err(gone(id)) };
        match self.api.instance(&place.project, id).await {
            Ok(instance) => Ok(Some(instance.name)),
            Err(trouble) if is_no_such_instance(&trouble) => Ok(None),
            Err(trouble) => Err(failed(trouble, &text!("could not read instance {id}", id), false)),
        }
    }

    async fn rename(&self, id: &str, name: &str) -> Result<(), ProviderError> {
        let call =
            |project: &str| in_project(Method::PUT, project, &["instance", id]).body(&json!({"instanceName": name}));
        self.change(id, call)
            .await
            .map_err(|trouble| failed(trouble, &text!("could not rename instance {id}", id), true))
    }

    async fn resize(&self, id: &str, size: &str) -> Result<String, ProviderError> {
        let Some(place) = self.memory().place(id) else { return Err(gone(id)) };
        let doing = text!("could not resize instance {id}", id);
        let instance = self.api.instance(&place.project, id).await.map_err(|trouble| failed(trouble, &doing, false))?;
        if instance.size() == size {
            return Ok(instance.size().to_owned());
        }
        let flavor = self.flavor(&place.project, &place.region, size).await?;
        let call = |project: &str| {
            in_project(Method::POST, project, &["instance", id, "resize"]).body(&json!({"flavorId": flavor.id}))
        };
        self.change(id, call).await.map_err(|trouble| failed(trouble, &doing, true))?;
        Ok(size.to_owned())
    }

    async fn reach(&self, id: &str, power: &str) -> Result<(), ProviderError> {
        self.reach_power(id, power).await
    }

    async fn delete(&self, id: &str) -> Result<(), ProviderError> {
        let doing = text!("could not delete instance {id}", id);
        match self.change(id, |project| in_project(Method::DELETE, project, &["instance", id])).await {
            Err(trouble) if is_no_such_instance(&trouble) => Ok(()),
            came => came.map_err(|trouble| failed(trouble, &doing, true)),
        }
    }
}

/// A 404 of an instance, and not of its project.
pub(super) fn is_no_such_instance(trouble: &OvhError) -> bool {
    matches!(trouble, OvhError::Refused { status: 404, words, .. } if !words.contains(super::api::NO_SUCH_SERVICE))
}

/// Why a server was not made. A 403 without a right is a quota.
pub(super) fn not_made(trouble: OvhError, doing: &Text) -> ProviderError {
    let is_refused = trouble.lacks().is_none()
        && !trouble.is_about_credentials()
        && matches!(&trouble, OvhError::Refused { status: 400 | 403 | 404 | 409 | 412 | 422, words, .. } if !words.contains(super::api::NO_SUCH_SERVICE));
    if !is_refused {
        return failed(trouble, doing, true);
    }
    ProviderError::new(
        Class::Rejected,
        Code::A0754,
        text!("{doing}: {why}", doing = doing.clone(), why = trouble.words()),
    )
    .hint(text!("correct the manifest, or ask OVH for a higher quota (Public Cloud, Quota and regions)"))
}
