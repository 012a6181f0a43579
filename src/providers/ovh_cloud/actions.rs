//! What a person may ask of an instance: start, stop, reboot, shelve, unshelve; of one that Amarre did not make, delete.

use async_trait::async_trait;

use super::api::failed;
use super::{OvhCloudProvider, gone};
use crate::providers::{PerformAction, ProviderError};
use amarre_core::model::{Action, Kind, Millis, Seen};
use amarre_core::resources::cloud::power;

#[async_trait]
impl PerformAction for OvhCloudProvider {
    fn words(&self, kind: Kind) -> &'static [&'static str] {
        const MADE: &[&str] = &["start", "stop", "reboot", "reboot-hard", "shelve", "unshelve"];
        const FOUND: &[&str] = &["start", "stop", "reboot", "reboot-hard", "shelve", "unshelve", "delete"];
        if kind == Kind::Instance {
            FOUND
        } else if kind.is_instance() {
            MADE
        } else {
            &[]
        }
    }

    /// A snapshot of a large disk takes its time, and so does a new place for it.
    fn limit(&self, word: &str, _: &Seen) -> Millis {
        match word {
            "shelve" | "unshelve" => Millis::minutes(30),
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
        if action.word == "delete" {
            return self.delete_named(&place.project, id, &action.before).await;
        }
        let acted = self.act(&place.project, id, &action.word).await;
        acted.map_err(|trouble| failed(trouble, &format!("could not {} instance {id}", action.word), true))
    }

    fn happened(&self, action: &Action, seen: Option<&Seen>) -> Option<bool> {
        let Some(seen) = seen else { return (action.word == "delete").then_some(true) };
        let status = seen.fields.text("status").unwrap_or_default();
        let target = match action.word.as_str() {
            "start" | "unshelve" => power::ON,
            "stop" => power::OFF,
            "shelve" => power::SHELVED,
            "delete" => return matches!(status, "DELETING" | "DELETED" | "SOFT_DELETED").then_some(true),
            // Only one that is seen at it tells: what is on again looks as before.
            _ => return matches!(status, "REBOOT" | "HARD_REBOOT").then_some(true),
        };
        Some(seen.fields.text("power") == Some(target))
    }
}
