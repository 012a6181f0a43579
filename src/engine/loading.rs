//! Reads the manifests of a state of the source off the loop, and for so long only: whatever is in them, the loop goes on.
//!
//! | what | then |
//! |---|---|
//! | this state was read before | what it said |
//! | it is read in time | what it says, which is kept for the next look |
//! | it is not | an error (A0183); the last good manifests stay, and later looks ask whether it has ended |
//!
//! A state is never read twice at once, and [`AT_ONCE`] at most are being read: what is stuck does not multiply.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::manifest::{self, Loaded, SourceFile};
use crate::model::{Hint, Site};
use crate::source::{Snapshot, SourceError};

/// Ten thousand manifests take less than a second, and what one may cost is counted.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// What was not ready in time is asked again at each look, and no look waits long for it.
const ASKED_AGAIN: Duration = Duration::from_millis(50);
/// One that is stuck, and the one that may mend it.
pub(super) const AT_ONCE: usize = 2;

/// What the source's states say.
#[derive(Debug, Default)]
pub(super) struct Loading {
    known: Option<(String, Loaded)>,
    running: Vec<(String, JoinHandle<Loaded>)>,
}

impl Loading {
    /// Another configuration reads the same in another way.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// What a state says. The same state says the same.
    ///
    /// # Errors
    /// It could not be read in time.
    pub(super) async fn load(&mut self, source: &Snapshot, site: &Site) -> Result<Loaded, SourceError> {
        self.load_with(&source.revision, LOAD_TIMEOUT, || begin(source, site, None)).await
    }

    async fn load_with(
        &mut self,
        revision: &String,
        limit: Duration,
        begin: impl FnOnce() -> JoinHandle<Loaded>,
    ) -> Result<Loaded, SourceError> {
        let is_named = !revision.is_empty();
        if let Some((_, loaded)) = self.known.as_ref().filter(|(known, _)| is_named && known == revision) {
            return Ok(loaded.clone());
        }
        let begun = self.running.iter().position(|(known, _)| is_named && known == revision);
        let (reading, limit) = match begun {
            Some(index) => (self.running.swap_remove(index).1, limit.min(ASKED_AGAIN)),
            None => {
                self.running.retain(|(_, reading)| !reading.is_finished());
                if self.running.len() >= AT_ONCE {
                    return Err(too_long());
                }
                (begin(), limit)
            }
        };
        match ended(reading, limit).await {
            Ok(loaded) => {
                if is_named {
                    self.known = Some((revision.clone(), loaded.clone()));
                }
                Ok(loaded)
            }
            Err(reading) => {
                self.running.extend(reading.map(|reading| (revision.clone(), reading)));
                Err(too_long())
            }
        }
    }
}

/// Reads a state that is not followed, for whoever asks what it would lead to; the loop does not wait for it.
///
/// # Errors
/// It could not be read in time, or too many ask at once.
pub(super) async fn aside(turns: Arc<Semaphore>, source: &Snapshot, site: &Site) -> Result<Loaded, SourceError> {
    let turn = tokio::time::timeout(LOAD_TIMEOUT, turns.acquire_owned()).await.map_err(|_| too_long())?;
    // Its place is taken until it has ended.
    ended(begin(source, site, turn.ok()), LOAD_TIMEOUT).await.map_err(|_| too_long())
}

/// What came of reading, or the reading that goes on.
async fn ended(mut reading: JoinHandle<Loaded>, limit: Duration) -> Result<Loaded, Option<JoinHandle<Loaded>>> {
    match tokio::time::timeout(limit, &mut reading).await {
        Ok(Ok(loaded)) => Ok(loaded),
        Ok(Err(error)) => {
            tracing::error!("a bug in Amarre, the manifests could not be read: {error}");
            Err(None)
        }
        Err(_) => Err(Some(reading)),
    }
}

fn begin(source: &Snapshot, site: &Site, turn: Option<OwnedSemaphorePermit>) -> JoinHandle<Loaded> {
    let file = |(path, text): &(String, String)| SourceFile { path: path.clone(), text: text.clone() };
    let files: Vec<SourceFile> = source.files.iter().map(file).collect();
    let (assets, site) = (source.assets.clone(), site.clone());
    tokio::task::spawn_blocking(move || {
        let loaded = manifest::load(&files, &assets, &site);
        drop(turn);
        loaded
    })
}

fn too_long() -> SourceError {
    let message = format!("the manifests were not read within {} s", LOAD_TIMEOUT.as_secs());
    SourceError::new("A0183", message, Hint::text("take back the latest change of the source, or divide it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuck() -> JoinHandle<Loaded> {
        tokio::spawn(std::future::pending())
    }

    fn quick() -> JoinHandle<Loaded> {
        tokio::spawn(std::future::ready(Loaded::default()))
    }

    async fn code(loading: &mut Loading, revision: &str, begin: fn() -> JoinHandle<Loaded>) -> &'static str {
        // What is stuck never ends, so how long it is waited for does not matter; what is ready ends at once.
        let limit = if std::ptr::fn_addr_eq(begin, stuck as fn() -> JoinHandle<Loaded>) {
            Duration::ZERO
        } else {
            LOAD_TIMEOUT
        };
        loading.load_with(&revision.to_owned(), limit, begin).await.map_or_else(|error| error.code, |_| "")
    }

    #[tokio::test]
    async fn what_is_stuck_is_not_begun_twice_and_another_state_is_read() {
        let mut loading = Loading::default();
        assert_eq!(code(&mut loading, "one", stuck).await, "A0183");
        assert_eq!(code(&mut loading, "one", || unreachable!("begun twice")).await, "A0183");
        assert_eq!(code(&mut loading, "two", quick).await, "");
        assert_eq!(code(&mut loading, "three", stuck).await, "A0183");
        assert_eq!(code(&mut loading, "four", || unreachable!("too many")).await, "A0183");
        assert_eq!(loading.running.len(), AT_ONCE);
        assert_eq!(code(&mut loading, "two", || unreachable!("it is known")).await, "");
        // What was stuck may end after all.
        loading.running.iter_mut().for_each(|(_, reading)| *reading = quick());
        assert_eq!(code(&mut loading, "one", || unreachable!("begun twice")).await, "");
    }
}
