//! Actions on containers: restart.

use async_trait::async_trait;

use super::DockerProvider;
use crate::providers::{Class, PerformAction, ProviderError};
use amarre_core::model::{Action, Code, Kind, Millis, Seen, Value};
use amarre_core::text;

/// What a container gets to stop where nothing says how long, in seconds.
const STOP_GRACE_S: i64 = 10;
/// What an engine may need beside that, to kill a container and to start it.
const START: Millis = Millis::minutes(1);

#[async_trait]
impl PerformAction for DockerProvider {
    fn words(&self, kind: Kind) -> &'static [&'static str] {
        if kind == Kind::Container { &["restart"] } else { &[] }
    }

    fn limit(&self, _word: &str, seen: &Seen) -> Millis {
        let grace = seen.fields.get("stop_grace_period").and_then(Value::as_int).unwrap_or(STOP_GRACE_S);
        Millis(Millis::seconds(grace.max(0)).0 + START.0)
    }

    /// When it started, as the engine writes it.
    fn before(&self, _word: &str, seen: &Seen) -> String {
        seen.fields.text("started").unwrap_or_default().to_owned()
    }

    async fn perform(&self, action: &Action) -> Result<(), ProviderError> {
        let (id, name) = (&action.vendor_id, &action.address.name);
        self.spare_own(Some(id.clone()), name)?;
        let restarted = self.api().await?.restart(id, name).await;
        self.inspects.acted_on(id);
        self.lists.written(Kind::Container);
        if restarted? {
            Ok(())
        } else {
            Err(ProviderError::new(Class::Conflict, Code::A0511, text!("container {name} is gone", name)))
        }
    }

    fn happened(&self, action: &Action, seen: Option<&Seen>) -> Option<bool> {
        let seen = seen?;
        // Another container of the same name says nothing about this one.
        let started = seen.fields.text("started").filter(|_| seen.vendor_id == action.vendor_id)?;
        Some(started != action.before && seen.fields.flag("running") == Some(true))
    }
}
