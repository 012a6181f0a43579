//! Reads manifests off the loop and for a limited time: whatever is in them, the loop goes on.
//!
//! | what | then |
//! |---|---|
//! | this revision was read before | the result of then |
//! | it is read in time | its manifests, which are kept for the next pass |
//! | it is not | an error (A0183); the last good manifests stay, and later passes ask whether it has ended |
//! | the reader panicked | an error (A0184), which is a bug; the last good manifests stay |
//!
//! Manifests of the ledger that were good before are read in the same way, each by itself; a manifest that is not read
//! in time is ignored in this pass. A running reading is not begun twice, at most [`AT_ONCE`] readings run at a time,
//! and [`THREADS_MAX`] with those of earlier configurations: stuck readings do not multiply.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::source::{Snapshot, SourceError};
use amarre_core::manifest::{self, Broken, Diagnostic, Loaded, SourceFile};
use amarre_core::model::app::AppSource;
use amarre_core::model::{Assets, Code, Document, Hint, Service, Site};

/// Ten thousand manifests take less than a second, and what one may cost is counted.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// One manifest alone; a pass may read several of them.
const ONE_TIMEOUT: Duration = Duration::from_secs(5);
/// A reading that was not ready in time is asked again in each pass, and no pass waits long for it.
const ASKED_AGAIN: Duration = Duration::from_millis(50);
/// One stuck reading, and the one that replaces it.
pub(crate) const AT_ONCE: usize = 2;
/// A new configuration reads everything again, beside readings with the previous one that are stuck.
const THREADS_MAX: usize = 6;

/// What the files of a revision say. Passes share it, and copy only what they change.
#[derive(Debug, Clone, Default)]
pub struct SharedManifests {
    /// The good ones, by name.
    pub services: Arc<BTreeMap<String, Service>>,
    /// The text of each good service.
    pub texts: Arc<BTreeMap<String, Document>>,
    /// By file, line and column.
    pub diagnostics: Vec<Diagnostic>,
    /// Documents that could not be used.
    pub broken: Vec<Broken>,
    /// The repositories that apps are built from.
    pub apps: BTreeMap<String, AppSource>,
}

impl From<Loaded> for SharedManifests {
    fn from(loaded: Loaded) -> Self {
        let Loaded { services, diagnostics, broken, texts, apps } = loaded;
        let services = services.into_iter().map(|service| (service.name.clone(), service)).collect();
        Self { services: Arc::new(services), texts: Arc::new(texts), diagnostics, broken, apps }
    }
}

/// The manifests of the source's latest revision, and those that were good before.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    latest: ManifestReadings,
    good: ManifestReadings,
}

/// The last result, and the running readings by digest; readings of an earlier configuration have no name.
#[derive(Debug, Default)]
struct ManifestReadings {
    known: Option<(String, SharedManifests)>,
    running: Vec<(String, JoinHandle<Loaded>)>,
}

/// Why there is no result yet.
#[derive(Debug)]
enum LoadFailure {
    /// The reading goes on.
    Late(JoinHandle<Loaded>),
    /// The reading ended without a result.
    Broke,
}

impl Loading {
    /// Another configuration reads the same text differently.
    pub(crate) fn forget(&mut self) {
        self.latest.forget();
        self.good.forget();
    }

    /// The manifests of a revision. The same revision gives the same result.
    ///
    /// # Errors
    /// It could not be read in time, or not at all.
    pub(crate) async fn load(&mut self, source: &Snapshot, site: &Site) -> Result<SharedManifests, SourceError> {
        let name = format!("{}{}", source.revision, source.apps);
        let name = if source.revision.is_empty() { String::new() } else { name };
        self.latest.load_with(&name, LOAD_TIMEOUT, || begin(source, site, None)).await
    }

    /// A manifest that was good before; `None`: it could not be read in time, or not at all.
    pub(crate) async fn load_again(
        &mut self,
        file: SourceFile,
        assets: Assets,
        site: &Site,
    ) -> Option<SharedManifests> {
        let name = digest(&file, &assets);
        self.good.load_with(&name, ONE_TIMEOUT, || begin_one(file, assets, site, None)).await.ok()
    }
}

impl ManifestReadings {
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
    ) -> Result<SharedManifests, SourceError> {
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
                let loaded = SharedManifests::from(loaded);
                if is_named {
                    self.known = Some((revision.to_owned(), loaded.clone()));
                }
                Ok(loaded)
            }
            Err(LoadFailure::Late(reading)) => {
                self.running.push((revision.to_owned(), reading));
                Err(too_long(limit))
            }
            Err(LoadFailure::Broke) => Err(broken_reader()),
        }
    }
}

/// Reads a revision that is not followed, for a forecast; the loop does not wait for it.
///
/// # Errors
/// It could not be read in time, or not at all, or too many readings run.
pub(crate) async fn load_on_thread(
    turns: Arc<Semaphore>,
    source: &Snapshot,
    site: &Site,
) -> Result<Loaded, SourceError> {
    in_turn(turns, LOAD_TIMEOUT, |turn| begin(source, site, Some(turn))).await
}

/// As [`Loading::load_again`], for a request.
pub(crate) async fn reload_on_thread(
    turns: Arc<Semaphore>,
    (file, assets): (SourceFile, Assets),
    site: &Site,
) -> Option<Loaded> {
    in_turn(turns, ONE_TIMEOUT, |turn| begin_one(file, assets, site, Some(turn))).await.ok()
}

/// The permit is held until the reading has ended, not only until the caller stops waiting.
async fn in_turn(
    turns: Arc<Semaphore>,
    limit: Duration,
    begin: impl FnOnce(OwnedSemaphorePermit) -> JoinHandle<Loaded>,
) -> Result<Loaded, SourceError> {
    let turn = tokio::time::timeout(limit, turns.acquire_owned()).await;
    let turn = turn.ok().and_then(Result::ok).ok_or_else(|| too_long(limit))?;
    ended(begin(turn), limit).await.map_err(|unread| match unread {
        LoadFailure::Late(_) => too_long(limit),
        LoadFailure::Broke => broken_reader(),
    })
}

/// The result of a reading, or the reading that goes on.
async fn ended(mut reading: JoinHandle<Loaded>, limit: Duration) -> Result<Loaded, LoadFailure> {
    match tokio::time::timeout(limit, &mut reading).await {
        Ok(Ok(loaded)) => Ok(loaded),
        Ok(Err(error)) => {
            tracing::error!("a bug in Amarre, the manifests could not be read: {error}");
            Err(LoadFailure::Broke)
        }
        Err(_) => Err(LoadFailure::Late(reading)),
    }
}

fn begin(source: &Snapshot, site: &Site, turn: Option<OwnedSemaphorePermit>) -> JoinHandle<Loaded> {
    let file = |(path, text): &(String, String)| SourceFile { path: path.clone(), text: text.clone() };
    let files: Vec<SourceFile> = source.files.iter().map(file).collect();
    let (assets, site) = (source.assets.clone(), site.clone());
    spawn_reading(turn, move || manifest::load(&files, &assets, &site))
}

fn begin_one(file: SourceFile, assets: Assets, site: &Site, turn: Option<OwnedSemaphorePermit>) -> JoinHandle<Loaded> {
    let site = site.clone();
    spawn_reading(turn, move || manifest::load_again(&file, &assets, &site))
}

fn spawn_reading(
    turn: Option<OwnedSemaphorePermit>,
    read: impl FnOnce() -> Loaded + Send + 'static,
) -> JoinHandle<Loaded> {
    tokio::task::spawn_blocking(move || {
        let loaded = read();
        drop(turn);
        loaded
    })
}

/// Equal for equal texts.
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
        match &asset.bytes {
            Ok(bytes) => part(bytes),
            Err(why) => part(format!("{why:?}").as_bytes()),
        }
        part(&[u8::from(asset.executable), u8::from(asset.bytes.is_ok())]);
    }
    hex::encode(hash.finalize())
}

fn too_long(limit: Duration) -> SourceError {
    let limit = if limit == ASKED_AGAIN { LOAD_TIMEOUT } else { limit };
    let message = format!("the manifests were not read within {} s", limit.as_secs());
    SourceError::new(Code::A0183, message, Hint::text("take back the latest change of the source, or divide it"))
}

fn broken_reader() -> SourceError {
    let message = "the manifests could not be read: a bug in Amarre";
    SourceError::new(
        Code::A0184,
        message,
        Hint::text("take back the latest change of the source, and report it with the log"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuck_reader() -> JoinHandle<Loaded> {
        tokio::spawn(std::future::pending())
    }

    fn quick_reader() -> JoinHandle<Loaded> {
        tokio::spawn(std::future::ready(Loaded::default()))
    }

    fn broken() -> JoinHandle<Loaded> {
        tokio::spawn(async { unreachable!("what a bug in the reader is") })
    }

    async fn code(loading: &mut ManifestReadings, revision: &str, begin: fn() -> JoinHandle<Loaded>) -> Option<Code> {
        // A stuck reading never ends, so the limit does not matter; a quick one ends at once.
        let limit = if std::ptr::fn_addr_eq(begin, stuck_reader as fn() -> JoinHandle<Loaded>) {
            Duration::ZERO
        } else {
            LOAD_TIMEOUT
        };
        loading.load_with(revision, limit, begin).await.err().map(|error| error.code)
    }

    #[tokio::test]
    async fn a_stuck_reading_is_not_begun_twice_and_another_revision_is_read() {
        let mut loading = ManifestReadings::default();
        assert_eq!(code(&mut loading, "one", stuck_reader).await, Some(Code::A0183));
        assert_eq!(code(&mut loading, "one", || unreachable!("begun twice")).await, Some(Code::A0183));
        assert_eq!(code(&mut loading, "two", quick_reader).await, None);
        assert_eq!(code(&mut loading, "three", stuck_reader).await, Some(Code::A0183));
        assert_eq!(code(&mut loading, "four", || unreachable!("too many")).await, Some(Code::A0183));
        assert_eq!(loading.running.len(), AT_ONCE);
        assert_eq!(code(&mut loading, "two", || unreachable!("it is known")).await, None);
        // A stuck reading may end after all.
        loading.running.iter_mut().for_each(|(_, reading)| *reading = quick_reader());
        assert_eq!(code(&mut loading, "one", || unreachable!("begun twice")).await, None);
    }

    #[tokio::test]
    async fn a_panic_of_the_reader_differs_from_a_timeout() {
        let mut loading = ManifestReadings::default();
        assert_eq!(code(&mut loading, "one", broken).await, Some(Code::A0184));
        assert_eq!(loading.running.len(), 0, "it takes no place");
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let aside = in_turn(turns.clone(), LOAD_TIMEOUT, |_| broken()).await;
        assert_eq!(aside.err().map(|error| error.code), Some(Code::A0184));
    }

    #[tokio::test]
    async fn stuck_readings_count_across_configurations() {
        let mut loading = ManifestReadings::default();
        for _ in 0..20 {
            assert_eq!(code(&mut loading, "one", stuck_reader).await, Some(Code::A0183));
            loading.forget();
        }
        assert_eq!(loading.running.len(), THREADS_MAX);
        assert_eq!(code(&mut loading, "one", || unreachable!("too many")).await, Some(Code::A0183));
        loading.running.iter_mut().for_each(|(_, reading)| *reading = quick_reader());
        tokio::task::yield_now().await;
        assert_eq!(code(&mut loading, "one", quick_reader).await, None);
    }
}
