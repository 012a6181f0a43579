//! What a person may ask of an instance: start, stop, reboot, shelve, unshelve, rebuild, snapshot; of one that Amarre did not make,
//! resize, clone and delete. A clone is a snapshot, and then a server that is made of it. And its console, which changes nothing.

use async_trait::async_trait;

use super::api::failed;
use super::clone::{CloneStep, snapshot_name};
use super::{OvhCloudProvider, gone};
use crate::providers::servers::{ServerVendor, refused};
use crate::providers::{ActionStep, Class, OpenConsole, PerformAction, ProviderError};
use crate::secret::Secret;
use amarre_core::model::{Action, Code, Kind, Millis, Readiness, Seen, Text};
use amarre_core::resources::cloud::power;
use amarre_core::text;

/// The first step of a clone.
const FIRST_OF_CLONE: &str = "clone-snapshot";

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
        if word == CloneStep::WORD { FIRST_OF_CLONE } else { word }
    }

    fn then(&self, action: &Action) -> Option<ActionStep> {
        if action.word != FIRST_OF_CLONE {
            return None;
        }
        let step = CloneStep::after(action);
        let mut memory = self.memory();
        // Also where another process began it: until its region says so, the snapshot cannot be used.
        memory.follows(&action.vendor_id, action.at);
        memory.awaits_snapshot(&action.vendor_id, &step.snapshot);
        Some(step.step())
    }

    fn waits(&self, vendor_id: &str, step: &ActionStep) -> Option<Text> {
        let is_clone = step.word == CloneStep::WORD;
        is_clone
            .then(|| CloneStep::parse(&step.given))
            .flatten()
            .and_then(|step| self.snapshot_is_late(vendor_id, &step))
    }

    fn is_asynchronous(&self) -> bool {
        true
    }

    /// A snapshot of a large disk takes its time, and so does a new place for it.
    fn limit(&self, word: &str, _: &Seen) -> Millis {
        match word {
            "shelve" | "unshelve" | "resize" | "rebuild" | "snapshot" | FIRST_OF_CLONE | CloneStep::WORD => {
                Millis::minutes(30)
            }
            _ => Millis::minutes(5),
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
            FIRST_OF_CLONE => self.snapshot(id, &snapshot_name(action)).await,
            CloneStep::WORD => match CloneStep::parse(&action.before) {
                Some(step) => self.clone_of(&place, &step).await,
                None => {
                    Err(refused(text!("no snapshot is known of which to make it"), text!("ask for the clone again")))
                }
            },
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
            "snapshot" | FIRST_OF_CLONE => return (status == "SNAPSHOTTING").then_some(true),
            CloneStep::WORD => return self.is_made(action).then_some(true),
            _ => return matches!(status, "REBOOT" | "HARD_REBOOT").then_some(true),
        };
        Some(seen.fields.text("power") == Some(target))
    }

    fn outcome(&self, action: &Action, seen: Option<&Seen>) -> Option<Result<(), ProviderError>> {
        let Some(seen) = seen else {
            return Some(if action.word == "delete" { Ok(()) } else { Err(gone(&action.vendor_id)) });
        };
        self.memory().follows(&action.vendor_id, action.at);
        if self.memory().is_acting(&action.vendor_id) || matches!(seen.ready, Readiness::NotYet { .. }) {
            return None;
        }
        if let Readiness::Failed { why } = &seen.ready {
            let message = text!("instance {id}: {why}", id = action.vendor_id.as_str(), why = why.clone());
            let hint = text!("OVH's control panel says more");
            return Some(Err(ProviderError::new(Class::Rejected, Code::A0735, message).hint(hint)));
        }
        let power = seen.fields.text("power");
        let is_done = match action.word.as_str() {
            "start" | "unshelve" => power == Some(power::ON),
            "stop" => power == Some(power::OFF),
            "shelve" => power == Some(power::SHELVED),
            "resize" => seen.fields.text("type") == Some(&action.before),
            "delete" => false,
            CloneStep::WORD => self.is_made(action),
            // It looks as before, and nothing is under way any more.
            _ => true,
        };
        is_done.then_some(Ok(()))
    }
}

impl OvhCloudProvider {
    /// Whether the second step of a clone has made its server.
    fn is_made(&self, action: &Action) -> bool {
        let Some(step) = CloneStep::parse(&action.before) else { return false };
        self.memory().awaits_snapshot(&action.vendor_id, &step.snapshot);
        self.is_cloned(&action.vendor_id, &step)
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
