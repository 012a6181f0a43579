//! What a person may ask of an instance: start, stop, reboot, shelve, unshelve.

use async_trait::async_trait;

use super::api::failed;
use super::{OvhCloudProvider, gone};
use crate::providers::{PerformAction, ProviderError};
use amarre_core::model::{Action, Kind, Millis, Seen};
use amarre_core::resources::cloud::power;

#[async_trait]
impl PerformAction for OvhCloudProvider {
    fn words(&self, kind: Kind) -> &'static [&'static str] {
        const WORDS: &[&str] = &["start", "stop", "reboot", "reboot-hard", "shelve", "unshelve"];
        if kind.is_instance() { WORDS } else { &[] }
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
        let acted = self.act(&place.project, id, &action.word).await;
        acted.map_err(|trouble| failed(trouble, &format!("could not {} instance {id}", action.word), true))
    }

    fn happened(&self, action: &Action, seen: &Seen) -> Option<bool> {
        let status = seen.fields.text("status").unwrap_or_default();
        let target = match action.word.as_str() {
            "start" | "unshelve" => power::ON,
            "stop" => power::OFF,
            "shelve" => power::SHELVED,
            // Only one that is seen at it tells: what is on again looks as before.
            _ => return matches!(status, "REBOOT" | "HARD_REBOOT").then_some(true),
        };
        Some(seen.fields.text("power") == Some(target))
    }
}
