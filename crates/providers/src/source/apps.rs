//! The repositories of apps: each is fetched as the source is, into a clone of its own, and its newest commit stands among the other
//! files of the source, where manifests of apps find it.

mod fetch_turns;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use self::fetch_turns::{FetchPace, ServerTrust, server_of};
use super::base_images::BaseImages;
use super::git::{AppRepository, FetchedCommit, FilesToSend, RemoteAccess};
use super::{Snapshot, SourceError};
use crate::secret::{Secret, private_file, ssh_key};
use crate::turns::Seats;
use amarre_core::apps::{Checkout, SecretForm};
use amarre_core::model::app::AppSource;
use amarre_core::model::{Asset, Code, Commit, GitUrl, Hint, Millis, SecretName, Timestamp};
use amarre_core::turns::{QueuedJob, Room};

/// How often a server is asked: webhooks and people are faster.
pub const INTERVAL: Millis = Millis::seconds(60);
/// How often a server is asked for one repository, people and webhooks included, within this span.
pub const ASKS_MAX: usize = 30;
/// Of how long questions to a server are counted.
pub const COUNTED: Millis = Millis::minutes(10);
/// Clones for forecasts at once.
const LOOKS_AT_ONCE: usize = 2;
/// Looks that are kept for the next forecast of the same manifest.
const LOOKS_MAX: usize = 8;
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
    /// Whether each server answered when it was asked last.
    servers: Arc<Mutex<ServerTrust>>,
    /// What manifests call them.
    names: Arc<Mutex<BTreeMap<String, AppSource>>>,
    tokens: Arc<Mutex<TokenFinder>>,
    /// One key at a time: two of one name would be in each other's way.
    making_keys: Arc<tokio::sync::Mutex<()>>,
    /// Forecasts clone in turns.
    turns: Arc<Seats>,
    /// What forecasts looked at, and when.
    looks: Arc<Mutex<BTreeMap<String, (Timestamp, Asset)>>>,
    /// The images that services are built from.
    bases: BaseImages,
}

/// What is known of the repositories of apps, by manifest.
pub type AppStates = BTreeMap<String, (AppSource, AppState)>;

/// What is known of one.
#[derive(Debug, Clone)]
struct KnownApp {
    repository: AppRepository,
    source: AppSource,
    /// Its newest commit, as a source has it.
    asset: Option<Asset>,
    state: AppState,
    /// When the server was asked last, as many times as it may be in a while; the oldest first.
    asks: VecDeque<Timestamp>,
    /// How often in a row it did not answer.
    silences: u32,
    /// Its time has come, and others have their turn.
    is_waiting: bool,
    /// Of the fetch that runs: how it stands to those that wait, and what ends it for their sake.
    pace: FetchPace,
    is_over: Arc<Notify>,
}

/// What is known of the repository of an app, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppState {
    /// Its newest commit that was fetched.
    pub commit: Option<Commit>,
    /// The ids of the commits before it, the newest first, as far as they are known.
    pub before: Vec<String>,
    /// Why it is not the server's newest.
    pub error: Option<SourceError>,
    /// When the server was asked last.
    pub asked: Option<Timestamp>,
    /// It is being asked.
    pub is_fetching: bool,
    /// It was to be asked, and was asked as often as may be: when it is asked next.
    pub limited: Option<Timestamp>,
}

/// The value of a secret, where it is set.
type FindSecret = dyn Fn(&SecretName) -> Option<Secret> + Send + Sync;

/// Finds the token of a private repository.
#[derive(Clone)]
pub struct TokenFinder(pub Arc<FindSecret>);

impl Default for TokenFinder {
    fn default() -> Self {
        Self(Arc::new(|_| None))
    }
}

impl fmt::Debug for TokenFinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenFinder")
    }
}

/// What is looked at of the commit that a server has, of a repository that is not followed; the clone goes again.
///
/// # Errors
/// The server does not answer, refuses us, or has no such ref; the commit cannot be read.
pub async fn look_at(source: &AppSource) -> Result<Checkout, SourceError> {
    Checkout::read(&clone_and_read(source, None, None).await?)
        .ok_or_else(|| not_cloned(&io::Error::other("it cannot be read")))
}

async fn clone_and_read(
    source: &AppSource,
    token: Option<Secret>,
    key: Option<PathBuf>,
) -> Result<Vec<u8>, SourceError> {
    let name = format!("amarre-look-{}", hex::encode(rand::random::<[u8; 8]>()));
    let folder = LookFolder(std::env::temp_dir().join(name));
    DirBuilder::new().mode(0o700).create(&folder.0).map_err(|error| not_cloned(&error))?;
    let place = AppFolder { folder: folder.0.clone(), program: PathBuf::from(SELF) };
    Ok(repository(&place, source, token, key).fetch().await?.checkout)
}

/// A folder that goes when nothing waits for it any more.
struct LookFolder(PathBuf);

impl Drop for LookFolder {
    fn drop(&mut self) {
        // Nothing of it is ours to keep.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// It was ended for the sake of others.
fn kept_waiting(source: &AppSource) -> SourceError {
    let hint = Hint::text("it is asked again by itself; does its server answer in time?");
    SourceError::new(Code::A0302, format!("{} kept too many others waiting", source.url), hint)
}

fn not_cloned(error: &io::Error) -> SourceError {
    let hint = Hint::text("is there room in the folder for temporary files?");
    SourceError::new(Code::A0302, format!("no clone could be made: {error}"), hint)
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
        self.bases.add_to(&mut snapshot.assets);
        snapshot.apps = digest(&known, &self.bases.revision());
    }

    /// Whether more is known by now than what was put among the files of a source.
    pub fn is_newer(&self, snapshot: &Snapshot) -> bool {
        digest(&self.lock(), &self.bases.revision()) != snapshot.apps
    }

    /// The images that services are built from.
    pub fn bases(&self) -> &BaseImages {
        &self.bases
    }

    /// Finds tokens so from now on.
    pub fn find_tokens_by(&self, finder: TokenFinder) {
        *self.tokens.lock().unwrap_or_else(PoisonError::into_inner) = finder;
    }

    fn token(&self, source: &AppSource) -> Option<Secret> {
        let finder = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone();
        source.token.as_ref().and_then(|name| finder.0(name))
    }

    /// Puts what servers have of repositories among the files of a source, for a forecast. Answers those of which nothing could
    /// be learnt, by manifest.
    ///
    /// # Guarantees
    /// Without `credentials` nothing private is read: the author of the manifests may have no right to write here.
    pub async fn look_for(
        &self,
        sources: &BTreeMap<String, AppSource>,
        snapshot: &mut Snapshot,
        credentials: bool,
        now: Timestamp,
    ) -> Vec<(String, SourceError)> {
        let mut failed = Vec::new();
        for (name, source) in sources {
            if snapshot.assets.contains_key(&source.asset()) {
                continue;
            }
            match self.look_once(source, credentials, now).await {
                Ok(found) => _ = snapshot.assets.insert(source.asset(), found),
                Err(error) => failed.push((name.clone(), error)),
            }
        }
        failed
    }

    /// What is known of a repository, what a forecast saw a moment ago, or what its server has.
    async fn look_once(&self, source: &AppSource, credentials: bool, now: Timestamp) -> Result<Asset, SourceError> {
        let asset = source.asset();
        let looks = || self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.lock().get(&asset).and_then(|one| one.asset.clone());
        let known = known.or_else(|| {
            let (at, kept) = looks().get(&asset).cloned()?;
            (now - at < INTERVAL).then_some(kept)
        });
        // What was read with credentials is for those who may use them.
        if let Some(known) = known.filter(|_| credentials || !source.is_private()) {
            return Ok(known);
        }
        if !credentials && source.is_private() {
            let hint = Hint::text("ask an editor: credentials are used for those who may write manifests");
            let message = format!("{} is read with credentials of Amarre's", source.url);
            return Err(SourceError::new(Code::A0303, message, hint));
        }
        let server = server_of(&source.url);
        let mut places = vec![Room::brief("looks", LOOKS_AT_ONCE)];
        if self.servers().answers(&server) == Some(false) {
            places.push(Room::new(format!("server {server}"), 1));
        }
        let (name, owner) = (asset.clone(), server.clone());
        let turn = self.turns.take(QueuedJob { name, owner, last: Some(now), places, ..QueuedJob::default() }).await;
        let (token, key) = (self.token(source), self.key(source).await);
        let found = turn.work(clone_and_read(source, token, key)).await.unwrap_or_else(|| Err(kept_waiting(source)));
        let is_silent = found.as_ref().is_err_and(|error| error.code == Code::A0302);
        self.servers().note(server, is_silent);
        let found = match found {
            Ok(found) => as_asset(found),
            Err(error) => return Err(self.with_key(source, error).await),
        };
        let mut looks = looks();
        looks.retain(|_, (at, _)| now - *at < INTERVAL);
        if looks.len() < LOOKS_MAX {
            looks.insert(asset, (now, found.clone()));
        }
        Ok(found)
    }

    /// Follows the repositories that manifests name, and no others, as far as they are known here; asks no server.
    pub fn recall(&self, sources: &BTreeMap<String, AppSource>) {
        let Some(place) = &self.place else { return };
        let wanted: BTreeSet<String> = sources.values().map(AppSource::asset).collect();
        let mut known = self.lock();
        known.retain(|name, one| wanted.contains(name) || one.state.is_fetching);
        for source in sources.values() {
            let repository = repository(place, source, self.token(source), key_path(place, source));
            let new = || KnownApp::remembered(repository.clone(), source.clone());
            let one = known.entry(source.asset()).or_insert_with(new);
            one.repository = repository;
        }
        drop(known);
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = sources.clone();
    }

    /// The private key for a repository over ssh, made where there is none yet. `None`: it is not reached over ssh.
    async fn key(&self, source: &AppSource) -> Option<PathBuf> {
        let path = key_path(self.place.as_deref()?, source)?;
        let _turn = self.making_keys.lock().await;
        if !path.exists()
            && let Err(error) = new_key(&path).await
        {
            // Without it ssh says that it is not let in.
            tracing::warn!("no key could be made at {}: {error}", path.display());
        }
        Some(path)
    }

    /// The line that a forge takes as the deploy key of the repository of an app.
    ///
    /// # Errors
    /// It is not reached over ssh, or no key can be made; in words for people.
    pub async fn deploy_key(&self, source: &AppSource) -> Result<String, String> {
        match self.key(source).await {
            Some(path) => ssh_key::public_line(&path).await,
            None => Err("no key could be made: it is for repositories over ssh, and needs ssh-keygen".to_owned()),
        }
    }

    /// Who is not let in is told which key to let in.
    async fn with_key(&self, source: &AppSource, error: SourceError) -> SourceError {
        match self.deploy_key(source).await {
            Ok(line) if error.code == Code::A0303 => {
                let hint = format!("let this key read it, as a deploy key of the repository: {line}");
                SourceError { hints: vec![Hint::text(hint)], ..error }
            }
            Ok(_) | Err(_) => error,
        }
    }

    fn begin(&self, name: String, one: &KnownApp, wake: Arc<Notify>) {
        let (all, repository, source) = (self.clone(), one.repository.clone(), one.source.clone());
        let is_over = one.is_over.clone();
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended.
        while fetches.try_join_next().is_some() {}
        fetches.spawn(async move {
            all.key(&source).await;
            let fetched = tokio::select! {
                fetched = repository.fetch() => fetched,
                () = is_over.notified() => Err(kept_waiting(&source)),
            };
            let outcome = match fetched {
                Ok(fetched) => Ok(fetched),
                Err(error) => Err(all.with_key(&source, error).await),
            };
            let mut known = all.lock();
            let is_silent = outcome.as_ref().is_err_and(|error| error.code == Code::A0302);
            all.servers().note(server_of(&source.url), is_silent);
            let is_awaited = known.values().any(|one| one.is_waiting);
            let Some(one) = known.get_mut(&name) else { return };
            one.state.is_fetching = false;
            one.silences = if is_silent { one.silences.saturating_add(1) } else { 0 };
            all.ended.notify_waiters();
            let before = one.state.clone();
            match outcome {
                Ok(fetched) => one.take(fetched),
                Err(error) => one.state.error = Some(error),
            }
            if let Some(error) = one.state.error.as_ref().filter(|_| before.error != one.state.error) {
                tracing::warn!("{error}");
            }
            if before != one.state || is_awaited {
                wake.notify_one();
            }
        });
    }

    /// Lets a question to a registry go on beside the loop; it ends with the last of the clones.
    pub fn run_beside(&self, ask: impl Future<Output = ()> + Send + 'static) {
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        while fetches.try_join_next().is_some() {}
        fetches.spawn(ask);
    }

    /// Asks all servers again at the next look.
    pub fn ask_again(&self) {
        self.lock().values_mut().for_each(|one| one.state.asked = None);
    }

    /// Asks those of which a push is told again at the next look, or as soon as may be: when. `None`: there are none.
    pub fn pushed(&self, reference: &str, urls: &[&str], now: Timestamp) -> Option<Timestamp> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let follows = |source: &AppSource| {
            source.names().iter().any(|name| name == reference)
                && urls.iter().any(|url| place(url).is_some_and(|told| Some(told) == place(&source.url.to_string())))
        };
        let pushed: BTreeSet<String> = names.values().filter(|source| follows(source)).map(AppSource::asset).collect();
        drop(names);
        let mut known = self.lock();
        let mut next = (!pushed.is_empty()).then_some(now);
        for (_, one) in known.iter_mut().filter(|(name, _)| pushed.contains(*name)) {
            one.state.asked = None;
            next = next.max(one.limited(now));
        }
        next
    }

    /// What is known of all, by manifest.
    pub fn states(&self) -> AppStates {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = |source: &AppSource| self.state(source).unwrap_or_default();
        names.into_iter().map(|(name, source)| (name, (source.clone(), state(&source)))).collect()
    }

    /// Takes what is private of the files of a source, where another manifest than the one that is followed names it. Whether there
    /// was any.
    pub fn hide_from(&self, sources: &BTreeMap<String, AppSource>, snapshot: &mut Snapshot) -> bool {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let is_foreign =
            |(name, source): &(&String, &AppSource)| source.is_private() && names.get(*name) != Some(*source);
        let foreign = sources.iter().filter(is_foreign);
        foreign.filter(|(_, source)| snapshot.assets.remove(&source.asset()).is_some()).count() > 0
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
    pub fn open(&self, name: &str, wanted: FilesToSend) -> mpsc::Receiver<io::Result<axum::body::Bytes>> {
        let (pieces, taken) = mpsc::channel(PIECES_MAX);
        let repository = self.lock().get(name).map(|one| one.repository.clone());
        tokio::task::spawn_blocking(move || {
            let mut out = TarPieces { pieces: pieces.clone(), gathered: Vec::new() };
            let done = match repository {
                Some(repository) => repository.write(&wanted, &mut out),
                None => Err(io::Error::other("its repository is not followed any more")),
            };
            if let Err(error) = done.and_then(|()| out.flush()) {
                let _ = pieces.blocking_send(Err(error));
            }
        });
        taken
    }
}

/// Makes a key, whole or not at all.
async fn new_key(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = path.with_extension("new");
    // What an earlier process has left.
    let _ = std::fs::remove_file(&draft);
    ssh_key::make(&draft).await?;
    std::fs::rename(&draft, path)
}

/// Where the key of an app for its repository over ssh is. Forges take a key for one repository only; and who may write another
/// manifest with the same URL was not let in.
fn key_path(place: &AppFolder, source: &AppSource) -> Option<PathBuf> {
    let GitUrl::Ssh { host, port, path, .. } = &source.url else { return None };
    let parts = format!("{} {host} {} {path}", source.app, port.unwrap_or(22));
    let digest = hex::encode(&Sha256::digest(parts)[..8]);
    Some(place.folder.join("keys").join(digest))
}

/// Host and path of a repository: forges tell it with several schemes, and with or without `.git`.
fn place(url: &str) -> Option<(String, String)> {
    let (host, path) = match GitUrl::parse(url).ok()? {
        GitUrl::Ssh { host, path, .. } => (host, path),
        GitUrl::Http(text) => {
            let (_, rest) = text.split_once("://")?;
            let (host, path) = rest.split_once('/')?;
            (host.split(':').next()?.to_owned(), path.to_owned())
        }
    };
    let path = path.trim_matches('/');
    Some((host.to_ascii_lowercase(), path.strip_suffix(".git").unwrap_or(path).to_owned()))
}

fn as_asset(checkout: Vec<u8>) -> Asset {
    Asset::of(checkout, false)
}

/// Differs where a commit does, or an image that a person has moved on to; empty where none is known.
fn digest(known: &BTreeMap<String, KnownApp>, bases: &str) -> String {
    let commits =
        known.iter().filter_map(|(name, known)| Some(format!("{name} {}\n", known.state.commit.as_ref()?.id)));
    let commits: String = commits.chain((!bases.is_empty()).then(|| bases.to_owned())).collect();
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
    fn remembered(repository: AppRepository, source: AppSource) -> Self {
        let fetched = repository.remembered();
        let (state, asks) = (AppState::default(), VecDeque::new());
        let (silences, is_waiting, pace, is_over) = (0, false, FetchPace::Brief, Arc::default());
        let mut one = Self { repository, source, asset: None, state, asks, silences, is_waiting, pace, is_over };
        fetched.into_iter().for_each(|fetched| one.take(fetched));
        one
    }

    fn take(&mut self, fetched: FetchedCommit) {
        self.asset = Some(as_asset(fetched.checkout));
        (self.state.commit, self.state.before) = (Some(fetched.commit), fetched.before);
        self.state.error = None;
    }
}

/// The clone of a repository; several apps of one repository have one each, for each follows a ref of its own.
fn repository(place: &AppFolder, source: &AppSource, token: Option<Secret>, ssh_key: Option<PathBuf>) -> AppRepository {
    let digest = hex::encode(&Sha256::digest(source.asset())[..8]);
    let access = RemoteAccess {
        url: source.url.clone(),
        username: "git".to_owned(),
        token,
        ssh_key,
        ssh_config: None,
        known_hosts: None,
        host_key: source.host_key.clone(),
    };
    let clone = Path::new(&place.folder).join(format!("{digest}.git"));
    AppRepository::new(access, source, clone, place.program.clone())
}
