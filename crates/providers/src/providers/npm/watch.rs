//! Looks between two passes whether what manifests use in NPM has changed: NPM tells of nothing by itself, and its audit log is for
//! administrators only.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::api::{HostRow, Level, ListRow};
use super::errors::NpmError;
use super::sections::Section;
use super::{NpmProvider, ObserveQuery, used};
use crate::providers::WatchEvents;
use amarre_core::model::Kind;

/// Time between two questions whether a pass has looked.
const FIRST_LOOK: Duration = Duration::from_secs(1);

#[async_trait]
impl WatchEvents for NpmProvider {
    async fn watch(&self, wake: Arc<Notify>) {
        let mut before = None;
        loop {
            let mut pause = self.look_every;
            match self.state().await {
                // No pass has looked yet.
                Ok(None) => pause = pause.min(FIRST_LOOK),
                // That it does not answer any more, or does again, is a change as well.
                answer => {
                    let now = answer.ok();
                    if before.is_some_and(|before| before != now) {
                        self.reading.forget();
                        wake.notify_one();
                    }
                    self.is_watched.store(now.is_some(), Ordering::Relaxed);
                    before = Some(now);
                }
            }
            tokio::time::sleep(pause).await;
        }
    }
}

impl NpmProvider {
    /// Notes which kinds a look was about: no other is watched.
    pub(super) fn note_used(&self, ask: &ObserveQuery) {
        let kinds: BTreeSet<Kind> = used(ask).map(|address| address.kind).collect();
        *self.kinds.lock().unwrap_or_else(PoisonError::into_inner) = kinds;
    }

    /// What tells one state of the lists in use from another: a list is one GET. `None`: no pass has looked yet.
    async fn state(&self) -> Result<Option<u64>, NpmError> {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut state = StateHash::default();
        let Some(me) = self.account() else { return Ok(None) };
        for section in Section::all().filter(|section| kinds.contains(&section.kind()) && me.may(*section, Level::View))
        {
            state.add(&section);
            if section == Section::AccessLists {
                state.add(&self.api.list::<ListRow>(section).await?);
            } else if section.has_hosts() {
                state.add(&self.api.list::<HostRow>(section).await?);
            }
        }
        Ok(Some(state.finish()))
    }
}

/// What tells one state of rows from another.
#[derive(Default)]
pub(super) struct StateHash(DefaultHasher);

impl StateHash {
    pub(super) fn finish(&self) -> u64 {
        self.0.finish()
    }

    pub(super) fn add(&mut self, rows: &impl std::fmt::Debug) {
        // It cannot fail: nothing is written anywhere.
        let _ = write!(self, "{rows:?}");
    }
}

impl Write for StateHash {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
