//! What a person may ask of an instance: start, stop, reboot, shelve, unshelve, rebuild, snapshot; of one that Amarre did not make,
//! resize, clone and delete. A clone is a snapshot, and then a server that is made of it. And its console, which changes nothing.

use async_trait::async_trait;

use super::api::failed;
use super::{OvhCloudProvider, gone};
use crate::providers::servers::ServerVendor;
use crate::providers::{Class, OpenConsole, PerformAction, ProviderError};
use crate::secret::Secret;
use amarre_core::model::{Action, Code, Kind, Millis, Seen};
use amarre_core::resources::cloud::power;
use amarre_core::text;

#[async_trait]
impl PerformAction for OvhCloudProvider {
    fn words(&self, kind: Kind) -> &'static [&'static str] {
        const MADE: &[&str] = &["start", "stop", "reboot", "reboot-hard", "shelve", "unshelve", "rebuild", "snapshot"];
        const FOUND: &[&str] = &[
            "start",
            "stop",
            "reboot",
            "reboot-hard",
            "shelve",
            "unshelve",
            "resize",
            "rebuild",
            "snapshot",
            "clone",
            "delete",
        ];
        if kind == Kind::Instance {
            FOUND
        } else if kind.is_instance() {
            MADE
        } else {
            &[]
        }
    }

    fn first(&self, word: &'static str) -> &'static str {
        if word == "clone" { "clone-snapshot" } else { word }
    }

    fn then(&self, action: &Action) -> Option<&'static str> {
        let is_saved = action.word == "clone-snapshot";
        if is_saved {
            // Also where another process began it: until its region says so, the snapshot cannot be used.
            self.memory().follows(&action.vendor_id, action.at);
        }
        is_saved.then_some("clone")
    }

    /// A snapshot of a large disk takes its time, and so does a new place for it.
    fn limit(&self, word: &str, _: &Seen) -> Millis {
        match word {
            "shelve" | "unshelve" | "resize" | "rebuild" | "snapshot" | "clone-snapshot" => Millis::minutes(30),
            _ => Millis::minutes(10),
        }
    }

    /// The status. OVH counts no boots.
    fn before(&self, _: &str, seen: &Seen) -> String {
        seen.fields.text("status").unwrap_or_default().to_owned()
    }

    async fn perform(&self, action: &Action) -> Result<(), ProviderError> {
        let id = &action.vendor_id;
        let Some(place) = self.memory().place(id) else { return Err(gone(id)) };
        match action.word.as_str() {
            "delete" => self.delete_named(&place.project, id, &action.before).await,
            "resize" => self.resize(id, &action.before).await.map(drop),
            "rebuild" => self.rebuild(&place, &action.before).await,
            "snapshot" => self.snapshot(id, &action.before).await,
            "clone-snapshot" => self.save_for_clone(&place, &action.before).await,
            "clone" => self.clone_of(&place, &action.before).await,
            word => self.act(&place.project, id, word, &text!("could not {word} instance {id}", word, id)).await,
        }
    }

    fn happened(&self, action: &Action, seen: Option<&Seen>) -> Option<bool> {
        let Some(seen) = seen else { return (action.word == "delete").then_some(true) };
        self.memory().follows(&action.vendor_id, action.at);
        let status = seen.fields.text("status").unwrap_or_default();
        let target = match action.word.as_str() {
            "start" | "unshelve" => power::ON,
            "stop" => power::OFF,
            "shelve" => power::SHELVED,
            "delete" => return matches!(status, "DELETING" | "DELETED" | "SOFT_DELETED").then_some(true),
            // Only one that is seen at it tells: afterwards it looks as before.
            "resize" => return Some(seen.fields.text("type") == Some(&action.before)),
            "rebuild" => return (status == "REBUILD").then_some(true),
            "snapshot" | "clone-snapshot" => return (status == "SNAPSHOTTING").then_some(true),
            "clone" => return self.memory().is_listed(&action.vendor_id, &action.before).then_some(true),
            _ => return matches!(status, "REBOOT" | "HARD_REBOOT").then_some(true),
        };
        Some(seen.fields.text("power") == Some(target))
    }
}

#[async_trait]
impl OpenConsole for OvhCloudProvider {
    async fn console(&self, id: &str) -> Result<Secret, ProviderError> {
        let Some(place) = self.memory().place(id) else { return Err(gone(id)) };
        let opened = self.api.console(&place.project, id).await;
        let opened =
            opened.map_err(|trouble| failed(trouble, &text!("could not open the console of {id}", id), false))?;
        if !["https://", "http://"].iter().any(|scheme| opened.url.starts_with(scheme)) {
            let message = text!("OVH gave no address for the console of {id}", id);
            return Err(ProviderError::new(Class::RetryLater, Code::A0705, message).hint(text!("ask once more")));
        }
        Ok(Secret::new(opened.url))
    }
}
