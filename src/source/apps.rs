//! The repositories of apps: each is fetched as the source is, into a clone of its own, and its newest commit stands among the other
//! files of the source, where manifests of apps find it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::git::{AppRepository, RemoteAccess};
use super::{Snapshot, SourceError};
use crate::secret::{Secret, private_file};
use amarre_core::apps::{Checkout, SecretForm};
use amarre_core::model::app::AppSource;
use amarre_core::model::{Asset, Code, Commit, GitUrl, Hint, Millis, Timestamp};

/// How often a server is asked: webhooks and people are faster.
pub const INTERVAL: Millis = Millis::seconds(60);
/// Fetches at once: each is a process.
const FETCHES_MAX: usize = 4;
/// Pieces of a tar that wait to be taken.
const PIECES_MAX: usize = 8;
const PIECE_BYTES: usize = 64 * 1024;
/// The running program, also after its file was replaced on disk.
pub const SELF: &str = "/proc/self/exe";

/// Where the clones lie.
#[derive(Debug, Clone)]
pub struct AppFolder {
    /// The folder of all clones, beside the ledger.
    pub folder: PathBuf,
    /// This program, which fetches in a process of its own.
    pub program: PathBuf,
}

/// The repositories of apps. Clones share what is known of them.
#[derive(Debug, Clone, Default)]
pub struct AppRepositories {
    place: Option<Arc<AppFolder>>,
    known: Arc<Mutex<BTreeMap<String, KnownApp>>>,
    /// Fetches that run; they end with the last of the clones.
    fetches: Arc<Mutex<JoinSet<()>>>,
    /// Rings when a fetch has ended.
    ended: Arc<Notify>,
    /// What manifests call them.
    names: Arc<Mutex<BTreeMap<String, AppSource>>>,
}

/// What is known of the repositories of apps, by manifest.
pub type AppStates = BTreeMap<String, (AppSource, AppState)>;

/// What is known of one.
#[derive(Debug, Clone)]
struct KnownApp {
    repository: AppRepository,
    /// Its newest commit, as a source has it.
    asset: Option<Asset>,
    state: AppState,
}

/// What is known of the repository of an app, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppState {
    /// Its newest commit that was fetched.
    pub commit: Option<Commit>,
    /// Why it is not the server's newest.
    pub error: Option<SourceError>,
    /// When the server was asked last.
    pub asked: Option<Timestamp>,
    /// It is being asked.
    pub is_fetching: bool,
}

/// What is looked at of the commit that a server has, of a repository that is not followed; the clone goes again.
///
/// # Errors
/// The server does not answer, refuses us, or has no such ref; the commit cannot be read.
pub async fn look_at(url: GitUrl, reference: &str, path: &str) -> Result<Checkout, SourceError> {
    let here = |error: io::Error| {
        let hint = Hint::text("is there room in the folder for temporary files?");
        SourceError::new(Code::A0302, format!("no clone could be made: {error}"), hint)
    };
    let name = format!("amarre-look-{}", hex::encode(rand::random::<[u8; 8]>()));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).map_err(here)?;
    let place = AppFolder { folder: folder.clone(), program: PathBuf::from(SELF) };
    let source =
        AppSource { url, reference: reference.to_owned(), path: path.trim_matches('/').to_owned(), token: None };
    let fetched = repository(&place, &source, None).fetch().await;
    // It is of no use any more, and nothing of it is ours to keep.
    let _ = std::fs::remove_dir_all(&folder);
    let (_, bytes) = fetched?;
    Checkout::read(&bytes).ok_or_else(|| here(io::Error::other("it cannot be read")))
}

impl AppRepositories {
    /// Repositories below a folder.
    pub fn new(place: AppFolder) -> Self {
        Self { place: Some(Arc::new(place)), ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, KnownApp>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what was fetched among the files of a source.
    pub fn add_to(&self, snapshot: &mut Snapshot) {
        let known = self.lock();
        let fetched = known.iter().filter_map(|(name, known)| Some((name.clone(), known.asset.clone()?)));
        snapshot.assets.extend(fetched);
        snapshot.apps = digest(&known);
    }

    /// Whether more is known by now than what was put among the files of a source.
    pub fn is_newer(&self, snapshot: &Snapshot) -> bool {
        digest(&self.lock()) != snapshot.apps
    }

    /// Follows the repositories that manifests name, and no others, as far as they are known here; asks no server.
    pub fn recall(&self, sources: &BTreeMap<String, AppSource>, token: impl Fn(&AppSource) -> Option<Secret>) {
        let Some(place) = &self.place else { return };
        let wanted: BTreeSet<String> = sources.values().map(AppSource::asset).collect();
        let mut known = self.lock();
        known.retain(|name, one| wanted.contains(name) || one.state.is_fetching);
        for source in sources.values() {
            let repository = repository(place, source, token(source));
            let one = known.entry(source.asset()).or_insert_with(|| KnownApp::remembered(repository.clone()));
            one.repository = repository;
        }
        drop(known);
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = sources.clone();
    }

    /// Begins to fetch those whose time has come. `wake` rings for each that has changed.
    pub fn fetch_due(&self, now: Timestamp, wake: &Arc<Notify>) {
        let mut known = self.lock();
        let mut free = FETCHES_MAX.saturating_sub(known.values().filter(|one| one.state.is_fetching).count());
        for (name, one) in known.iter_mut() {
            let is_due = one.state.asked.is_none_or(|asked| now - asked >= INTERVAL) && !one.state.is_fetching;
            if is_due && free > 0 {
                free -= 1;
                one.state.is_fetching = true;
                one.state.asked = Some(now);
                self.begin(name.clone(), one.repository.clone(), wake.clone());
            }
        }
    }

    fn begin(&self, name: String, repository: AppRepository, wake: Arc<Notify>) {
        let all = self.clone();
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended.
        while fetches.try_join_next().is_some() {}
        fetches.spawn(async move {
            let outcome = repository.fetch().await;
            let mut known = all.lock();
            let Some(one) = known.get_mut(&name) else { return };
            one.state.is_fetching = false;
            all.ended.notify_waiters();
            let before = one.state.clone();
            match outcome {
                Ok((commit, bytes)) => one.take(commit, bytes),
                Err(error) => one.state.error = Some(error),
            }
            if let Some(error) = one.state.error.as_ref().filter(|_| before.error != one.state.error) {
                tracing::warn!("{error}");
            }
            if before != one.state {
                wake.notify_one();
            }
        });
    }

    /// Asks all servers again at the next look.
    pub fn ask_again(&self) {
        self.lock().values_mut().for_each(|one| one.state.asked = None);
    }

    /// When the next server is to be asked; `None`: there is none.
    pub fn next(&self) -> Option<Timestamp> {
        let known = self.lock();
        let waiting = known.values().map(|one| &one.state).filter(|state| !state.is_fetching);
        waiting.map(|state| state.asked.map_or(Timestamp(0), |asked| asked + INTERVAL)).min()
    }

    /// Whether a server is being asked.
    pub fn is_fetching(&self) -> bool {
        self.lock().values().any(|one| one.state.is_fetching)
    }

    /// What is known of all, by manifest.
    pub fn states(&self) -> AppStates {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = |source: &AppSource| self.state(source).unwrap_or_default();
        names.into_iter().map(|(name, source)| (name, (source.clone(), state(&source)))).collect()
    }

    /// Waits until no server is being asked, for a while.
    pub async fn idle(&self) {
        const PATIENCE: Duration = Duration::from_secs(130);
        let idle = async {
            loop {
                let ended = self.ended.notified();
                if !self.is_fetching() {
                    return;
                }
                ended.await;
            }
        };
        // What takes longer is told by the next pass.
        let _ = tokio::time::timeout(PATIENCE, idle).await;
    }

    /// What is known of a repository. `None`: it is not followed.
    pub fn state(&self, source: &AppSource) -> Option<AppState> {
        self.lock().get(&source.asset()).map(|one| one.state.clone())
    }

    /// A secret of an app, which is made once and kept beside the clones. `None`: there is none yet, and `makes` is false.
    ///
    /// # Errors
    /// The folder cannot be written; in words for people.
    pub async fn secret(
        &self,
        app: &str,
        variable: &str,
        form: SecretForm,
        makes: bool,
    ) -> Result<Option<Secret>, String> {
        let Some(place) = self.place.clone() else { return Ok(None) };
        let path = place.folder.join("secrets").join(format!("{app}.{variable}"));
        let made = tokio::task::spawn_blocking(move || match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !makes => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = random(form);
                private_file::replace(&path, &text)?;
                Ok(Some(Secret::new(text)))
            }
            Err(error) => Err(error),
        });
        made.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    /// Sends the files of a commit as a tar, in pieces.
    pub fn open(
        &self,
        name: &str,
        commit: String,
        folder: String,
        beside: Option<(String, Arc<[u8]>)>,
        dockerfile: Option<String>,
    ) -> mpsc::Receiver<io::Result<axum::body::Bytes>> {
        let (pieces, taken) = mpsc::channel(PIECES_MAX);
        let repository = self.lock().get(name).map(|one| one.repository.clone());
        tokio::task::spawn_blocking(move || {
            let mut out = TarPieces { pieces: pieces.clone(), gathered: Vec::new() };
            let done = match repository {
                Some(repository) => {
                    let beside = beside.as_ref().map(|(name, content)| (name.as_str(), &**content));
                    repository.write(&commit, &folder, beside, dockerfile.as_deref(), &mut out)
                }
                None => Err(io::Error::other("its repository is not followed any more")),
            };
            if let Err(error) = done.and_then(|()| out.flush()) {
                let _ = pieces.blocking_send(Err(error));
            }
        });
        taken
    }
}

/// Differs where a commit does; empty where none is known.
fn digest(known: &BTreeMap<String, KnownApp>) -> String {
    let commits =
        known.iter().filter_map(|(name, known)| Some(format!("{name} {}\n", known.state.commit.as_ref()?.id)));
    let commits: String = commits.collect();
    if commits.is_empty() { commits } else { hex::encode(&Sha256::digest(commits)[..8]) }
}

/// A secret of its own making.
fn random(form: SecretForm) -> String {
    let bytes: [u8; 32] = rand::random();
    match form {
        SecretForm::Hex => hex::encode(bytes),
        SecretForm::Base64 => format!("base64:{}", STANDARD.encode(bytes)),
    }
}

/// Sends what is written in pieces.
struct TarPieces {
    pieces: mpsc::Sender<io::Result<axum::body::Bytes>>,
    gathered: Vec<u8>,
}

impl Write for TarPieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.gathered);
        if piece.is_empty() {
            return Ok(());
        }
        self.pieces.blocking_send(Ok(piece.into())).map_err(|_| io::Error::other("it is not taken any more"))
    }
}

impl KnownApp {
    /// With what an earlier process has fetched.
    fn remembered(repository: AppRepository) -> Self {
        let fetched = repository.remembered();
        let mut one = Self { repository, asset: None, state: AppState::default() };
        fetched.into_iter().for_each(|(commit, bytes)| one.take(commit, bytes));
        one
    }

    fn take(&mut self, commit: Commit, bytes: Vec<u8>) {
        let size = bytes.len() as u64;
        self.asset = Some(Asset { bytes: Some(bytes.into()), size, executable: false });
        self.state.commit = Some(commit);
        self.state.error = None;
    }
}

/// The clone of a repository; several apps of one repository have one each, for each follows a ref of its own.
fn repository(place: &AppFolder, source: &AppSource, token: Option<Secret>) -> AppRepository {
    let digest = hex::encode(&Sha256::digest(source.asset())[..8]);
    let access = RemoteAccess {
        url: source.url.clone(),
        username: "git".to_owned(),
        token,
        ssh_key: None,
        ssh_config: None,
        known_hosts: None,
        host_key: None,
    };
    let clone = Path::new(&place.folder).join(format!("{digest}.git"));
    AppRepository::new(access, source.reference.clone(), source.path.clone(), clone, place.program.clone())
}
