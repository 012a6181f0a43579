//! Reads manifests off the loop, and for so long only: whatever is in them, the loop goes on.
//!
//! | what | then |
//! |---|---|
//! | this state was read before | what it said |
//! | it is read in time | what it says, which is kept for the next look |
//! | it is not | an error (A0183); the last good manifests stay, and later looks ask whether it has ended |
//! | the reader broke | an error (A0184), which is a bug; the last good manifests stay |
//!
//! Manifests of the ledger that were good before are read in the same way, each by itself; one that is not read in time
//! is none for this look. What is being read is not begun twice, [`AT_ONCE`] at most are being read, and with those of
//! configurations that went [`THREADS_MAX`]: what is stuck does not multiply.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::source::{Snapshot, SourceError};
use amarre_core::manifest::{self, Loaded, SourceFile};
use amarre_core::model::{Assets, Hint, Site};

/// Ten thousand manifests take less than a second, and what one may cost is counted.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// One manifest alone; several of them may be read in one look.
const ONE_TIMEOUT: Duration = Duration::from_secs(5);
/// What was not ready in time is asked again at each look, and no look waits long for it.
const ASKED_AGAIN: Duration = Duration::from_millis(50);
/// One that is stuck, and the one that replaces it.
pub(crate) const AT_ONCE: usize = 2;
/// A new configuration reads everything again, beside what is stuck in the reading with one before.
const THREADS_MAX: usize = 6;

/// What manifests say: of the source's latest state, and of what was good before.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    latest: Readings,
    good: Readings,
}

/// What was read last, and what is being read, by what tells it apart; no name for what a configuration that went began.
#[derive(Debug, Default)]
struct Readings {
    known: Option<(String, Loaded)>,
    running: Vec<(String, JoinHandle<Loaded>)>,
}

/// Why there is nothing yet.
#[derive(Debug)]
enum Unread {
    /// It goes on.
    Late(JoinHandle<Loaded>),
    /// It ended without an answer.
    Broke,
}

impl Loading {
    /// Another configuration reads the same in another way.
    pub(crate) fn forget(&mut self) {
        self.latest.forget();
        self.good.forget();
    }

    /// What a state says. The same state says the same.
    ///
    /// # Errors
    /// It could not be read in time, or not at all.
    pub(crate) async fn load(&mut self, source: &Snapshot, site: &Site) -> Result<Loaded, SourceError> {
        self.latest.load_with(&source.revision, LOAD_TIMEOUT, || begin(source, site, None)).await
    }

    /// What a manifest says that was good before; `None`: it could not be read in time, or not at all.
    pub(crate) async fn load_again(&mut self, file: SourceFile, assets: Assets, site: &Site) -> Option<Loaded> {
        let name = digest(&file, &assets);
        self.good.load_with(&name, ONE_TIMEOUT, || begin_one(file, assets, site, None)).await.ok()
    }
}

impl Readings {
    fn forget(&mut self) {
        self.known = None;
        // No thread can be stopped: it is counted until it ends.
        self.running.iter_mut().for_each(|(name, _)| name.clear());
    }

    async fn load_with(
        &mut self,
        revision: &str,
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
                let named = self.running.iter().filter(|(known, _)| !known.is_empty()).count();
                if named >= AT_ONCE || self.running.len() >= THREADS_MAX {
                    return Err(too_long(limit));
                }
                (begin(), limit)
            }
        };
        match ended(reading, limit).await {
            Ok(loaded) => {
                if is_named {
                    self.known = Some((revision.to_owned(), loaded.clone()));
                }
                Ok(loaded)
            }
            Err(Unread::Late(reading)) => {
                self.running.push((revision.to_owned(), reading));
                Err(too_long(limit))
            }
            Err(Unread::Broke) => Err(broke()),
        }
    }
}

/// Reads a state that is not followed, for a request that asks what it would lead to; the loop does not wait for it.
///
/// # Errors
/// It could not be read in time, or not at all, or too many ask at once.
pub(crate) async fn aside(turns: Arc<Semaphore>, source: &Snapshot, site: &Site) -> Result<Loaded, SourceError> {
    in_turn(turns, LOAD_TIMEOUT, |turn| begin(source, site, Some(turn))).await
}

/// As [`Loading::load_again`], for a request.
pub(crate) async fn again_aside(
    turns: Arc<Semaphore>,
    (file, assets): (SourceFile, Assets),
    site: &Site,
) -> Option<Loaded> {
    in_turn(turns, ONE_TIMEOUT, |turn| begin_one(file, assets, site, Some(turn))).await.ok()
}

/// Its place is taken until it has ended, not until it is waited for no longer.
async fn in_turn(
    turns: Arc<Semaphore>,
    limit: Duration,
    begin: impl FnOnce(OwnedSemaphorePermit) -> JoinHandle<Loaded>,
) -> Result<Loaded, SourceError> {
    let turn = tokio::time::timeout(limit, turns.acquire_owned()).await;
    let turn = turn.ok().and_then(Result::ok).ok_or_else(|| too_long(limit))?;
    ended(begin(turn), limit).await.map_err(|unread| match unread {
        Unread::Late(_) => too_long(limit),
        Unread::Broke => broke(),
    })
}

/// What came of reading, or the reading that goes on.
async fn ended(mut reading: JoinHandle<Loaded>, limit: Duration) -> Result<Loaded, Unread> {
    match tokio::time::timeout(limit, &mut reading).await {
        Ok(Ok(loaded)) => Ok(loaded),
        Ok(Err(error)) => {
            tracing::error!("a bug in Amarre, the manifests could not be read: {error}");
            Err(Unread::Broke)
        }
        Err(_) => Err(Unread::Late(reading)),
    }
}

fn begin(source: &Snapshot, site: &Site, turn: Option<OwnedSemaphorePermit>) -> JoinHandle<Loaded> {
    let file = |(path, text): &(String, String)| SourceFile { path: path.clone(), text: text.clone() };
    let files: Vec<SourceFile> = source.files.iter().map(file).collect();
    let (assets, site) = (source.assets.clone(), site.clone());
    apart(turn, move || manifest::load(&files, &assets, &site))
}

fn begin_one(file: SourceFile, assets: Assets, site: &Site, turn: Option<OwnedSemaphorePermit>) -> JoinHandle<Loaded> {
    let site = site.clone();
    apart(turn, move || manifest::load_again(&file, &assets, &site))
}

fn apart(turn: Option<OwnedSemaphorePermit>, read: impl FnOnce() -> Loaded + Send + 'static) -> JoinHandle<Loaded> {
    tokio::task::spawn_blocking(move || {
        let loaded = read();
        drop(turn);
        loaded
    })
}

/// The same for the same texts.
fn digest(file: &SourceFile, assets: &Assets) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    part(file.path.as_bytes());
    part(file.text.as_bytes());
    for (path, asset) in assets {
        part(path.as_bytes());
        part(asset.bytes.as_deref().unwrap_or_default());
        part(&[u8::from(asset.executable)]);
    }
    hex::encode(hash.finalize())
}

fn too_long(limit: Duration) -> SourceError {
    let limit = if limit == ASKED_AGAIN { LOAD_TIMEOUT } else { limit };
    let message = format!("the manifests were not read within {} s", limit.as_secs());
    SourceError::new("A0183", message, Hint::text("take back the latest change of the source, or divide it"))
}

fn broke() -> SourceError {
    let message = "the manifests could not be read: a bug in Amarre";
    SourceError::new(
        "A0184",
        message,
        Hint::text("take back the latest change of the source, and report it with the log"),
    )
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

    fn broken() -> JoinHandle<Loaded> {
        tokio::spawn(async { unreachable!("what a bug in the reader is") })
    }

    async fn code(loading: &mut Readings, revision: &str, begin: fn() -> JoinHandle<Loaded>) -> &'static str {
        // What is stuck never ends, so how long it is waited for does not matter; what is ready ends at once.
        let limit = if std::ptr::fn_addr_eq(begin, stuck as fn() -> JoinHandle<Loaded>) {
            Duration::ZERO
        } else {
            LOAD_TIMEOUT
        };
        loading.load_with(revision, limit, begin).await.map_or_else(|error| error.code, |_| "")
    }

    #[tokio::test]
    async fn what_is_stuck_is_not_begun_twice_and_another_state_is_read() {
        let mut loading = Readings::default();
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

    #[tokio::test]
    async fn a_reader_that_breaks_is_told_from_one_that_takes_too_long() {
        let mut loading = Readings::default();
        assert_eq!(code(&mut loading, "one", broken).await, "A0184");
        assert_eq!(loading.running.len(), 0, "it takes no place");
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let aside = in_turn(turns.clone(), LOAD_TIMEOUT, |_| broken()).await;
        assert_eq!(aside.err().map(|error| error.code), Some("A0184"));
    }

    #[tokio::test]
    async fn what_is_stuck_is_counted_over_every_configuration() {
        let mut loading = Readings::default();
        for _ in 0..20 {
            assert_eq!(code(&mut loading, "one", stuck).await, "A0183");
            loading.forget();
        }
        assert_eq!(loading.running.len(), THREADS_MAX);
        assert_eq!(code(&mut loading, "one", || unreachable!("too many")).await, "A0183");
        loading.running.iter_mut().for_each(|(_, reading)| *reading = quick());
        tokio::task::yield_now().await;
        assert_eq!(code(&mut loading, "one", quick).await, "");
    }
}
