//! What a person may ask of a server: start, stop, reboot, snapshot; of one that Amarre did not make, resize and
//! clone and delete. A stop cuts the power:
//! Kamatera has no other.

use async_trait::async_trait;

use super::{KamateraProvider, gone};
use crate::providers::servers::ServerVendor;
use crate::providers::{Class, PerformAction, ProviderError};
use amarre_core::model::{Action, Code, Kind, Millis, Readiness, Seen, Text};
use amarre_core::resources::cloud::power;
use amarre_core::text;

#[async_trait]
impl PerformAction for KamateraProvider {
    fn words(&self, kind: Kind) -> &'static [&'static str] {
        const MADE: &[&str] = &["start", "stop", "reboot", "snapshot"];
        const FOUND: &[&str] = &["start", "stop", "reboot", "resize", "snapshot", "clone", "delete"];
        if kind == Kind::Instance {
            FOUND
        } else if kind.is_instance() {
            MADE
        } else {
            &[]
        }
    }

    fn limit(&self, _: &str, _: &Seen) -> Millis {
        Millis::minutes(10)
    }

    /// The power. Kamatera counts no boots.
    fn before(&self, _: &str, seen: &Seen) -> String {
        seen.fields.text("status").unwrap_or_default().to_owned()
    }

    async fn perform(&self, action: &Action) -> Result<(), ProviderError> {
        let id = &action.vendor_id;
        if self.memory().server(id).is_none() {
            return Err(gone(id));
        }
        match action.word.as_str() {
            "delete" => self.delete_named(id, &action.before).await,
            "resize" => self.resize(id, &action.before).await.map(drop),
            "clone" => self.clone_of(id, &action.before).await,
            "snapshot" => self.snapshot(id, &action.before).await,
            word => {
                let acted = self.act(id, word).await;
                acted.map_err(|trouble| trouble.into_error(&text!("could not {word} instance {id}", word, id), true))
            }
        }
    }

    fn happened(&self, action: &Action, seen: Option<&Seen>) -> Option<bool> {
        let Some(seen) = seen else { return (action.word == "delete").then_some(true) };
        let target = match action.word.as_str() {
            "start" => power::ON,
            "stop" => power::OFF,
            "clone" => return self.memory().is_listed(&action.before).then_some(true),
            // Its details are read again while the outcome is open.
            "resize" => {
                self.memory().asks_details(&action.vendor_id);
                return Some(seen.fields.text("type") == Some(&action.before));
            }
            // What is on again looks as before.
            _ => return None,
        };
        Some(seen.fields.text("status") == Some(target))
    }

    fn is_asynchronous(&self) -> bool {
        true
    }

    fn outcome(&self, action: &Action, seen: Option<&Seen>) -> Option<Result<(), ProviderError>> {
        let id = &action.vendor_id;
        let Some(seen) = seen else {
            return Some(if action.word == "delete" { Ok(()) } else { Err(gone(id)) });
        };
        if let Some((why, _)) = self.memory().failure(id) {
            let (word, why) = (action.word.as_str(), Text::foreign(why));
            let message = text!("could not {word} server {id}: Kamatera's command failed: {why}", word, id, why);
            let hint = text!("Kamatera's console says more; ask again when its cause is gone");
            return Some(Err(ProviderError::new(Class::Rejected, Code::A0742, message).hint(hint)));
        }
        if self.memory().is_acting(id) || matches!(seen.ready, Readiness::NotYet { .. }) {
            return None;
        }
        let is_done = match action.word.as_str() {
            "start" => seen.fields.text("power") == Some(power::ON),
            "stop" => seen.fields.text("power") == Some(power::OFF),
            "clone" => self.memory().is_listed(&action.before),
            "resize" => {
                self.memory().asks_details(id);
                seen.fields.text("type") == Some(&action.before)
            }
            "delete" => false,
            // It looks as before, and its command is complete.
            _ => true,
        };
        is_done.then_some(Ok(()))
    }
}
