//! Manifests from a git repository: a bare clone beside the ledger, updated by [`Git::fetch`].
//!
//! | the server | effective | shown |
//! |---|---|---|
//! | has a new commit | the new one | |
//! | has rewritten the branch | the new one; with `verify` the last good one, until a person consents | an event; A0314 |
//! | has unsigned commits below a signed one, with `verify.all` | the last good one | A0315 |
//! | does not answer, or refuses us | the last good one | A0302, A0303, A0304 |
//! | has no such branch any more, or nothing at all | the last good one | A0305 |
//! | has a commit that is not signed as asked | the last good one | A0306 |
//! | has a commit that is too large, or without the folder | the last good one | A0307, A0309, A0316 |
//!
//! The effective commit is stored in the clone, so it stays over restarts. No working tree is ever written.

mod session;
mod transport;
mod http;
mod ssh;
mod clone;
mod checkout;
mod tree;
mod history;
mod push;
mod signature;
mod rewind_protection;
pub mod fetch_process;
mod ref_names;
mod app_repository;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git2::{Oid, Repository};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

pub use self::app_repository::{AppRepository, FetchedCommit};
pub use self::session::RemoteAccess;
pub use self::signature::Verify;

use self::app_repository::app_hint;
pub use self::checkout::FilesToSend;
use self::clone::{Depth, FetchFailure};
use self::push::NotPushed;
use self::session::{Asker, GitSession, SessionError};
use self::tree::UnfitCommit;
use super::edit::{self, Edit};
use super::{Snapshot, SourceError, SourceReading};
use amarre_core::model::{Code, Commit, GitRef, GitUrl, Hint, Millis, Timestamp};

/// The longest name of a branch, tag or commit.
const NAME_CHARS_MAX: usize = 200;
/// How often a write is retried when the branch moves meanwhile.
const PUSHES_MAX: usize = 4;
/// The largest number of pending events.
const EVENTS_MAX: usize = 20;

#[derive(Debug, Clone)]
pub struct GitSettings {
    /// URL and credentials.
    pub access: RemoteAccess,
    /// The followed ref.
    pub reference: GitRef,
    /// The folder of manifests in the repository; empty = all of it.
    pub path: String,
    /// The id of a commit of the followed ref; `None`: its newest.
    pub commit: Option<String>,
    /// How often the server is asked.
    pub interval: Millis,
    /// Whose commits count; `None` = those of everybody who may push.
    pub verify: Option<Verify>,
    /// Whether each commit since the accepted one must be signed, and not only the newest.
    pub verify_all: bool,
    /// The memory that a fetch may take.
    pub memory_bytes: u64,
    /// The bare clone, beside the ledger.
    pub clone: PathBuf,
    /// This program, which fetches in a process of its own.
    pub program: PathBuf,
}

/// A git repository. Clones share what is known of it.
#[derive(Debug, Clone)]
pub struct Git {
    settings: Arc<GitSettings>,
    known: Arc<Mutex<KnownRevision>>,
    /// One session at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct KnownRevision {
    /// Whether the clone was read since the start.
    is_loaded: bool,
    accepted: Option<Arc<Snapshot>>,
    error: Option<SourceError>,
    answered: Option<Timestamp>,
    events: Vec<String>,
}

/// The result of a session.
struct FetchOutcome {
    snapshot: Option<Snapshot>,
    error: Option<SourceError>,
    has_answered: bool,
    event: Option<String>,
}

/// A commit that was fetched, or the failure and the session's error.
type FetchedOid = Result<Oid, (FetchFailure, Option<SessionError>)>;

/// A commit in a clone, or the failure and the session's error.
type Brought = Result<(Repository, Oid), (FetchFailure, Option<SessionError>)>;

impl Git {
    /// Whether this ref is followed: `refs/heads/main`.
    pub fn follows(&self, reference: &str) -> bool {
        self.settings.followed().full() == reference
    }

    /// Nothing is called or created before the first use.
    pub fn new(settings: GitSettings) -> Self {
        Self { settings: Arc::new(settings), known: Arc::default(), turn: Arc::default() }
    }

    /// How often the server is asked.
    pub fn interval(&self) -> Millis {
        self.settings.interval
    }

    /// The effective revision, from the clone.
    pub async fn read(&self) -> SourceReading {
        self.load().await;
        let known = self.lock_known();
        let mut error = known.error.clone();
        if known.accepted.is_none() && error.is_none() {
            let message = format!("{} was not fetched yet", self.settings.access.url);
            error = Some(SourceError::new(Code::A0302, message, Hint::command("to fetch it now", "amarre plan")));
        }
        let error = error.map(|error| SourceError { fetched: known.answered, ..error });
        SourceReading { snapshot: known.accepted.as_deref().cloned(), error }
    }

    /// Fetches, and accepts the server's commit if it is good. Answers whether anything changed.
    ///
    /// # Repeats
    /// With nothing new on the server it reads its list and nothing else.
    pub async fn fetch(&self, now: Timestamp) -> bool {
        self.fetch_and_take(now, None).await
    }

    /// As [`Git::fetch`], and accepts a held commit with a person's consent, if it is exactly this one.
    ///
    /// # Errors
    /// The server has another one, which stays held; or it is not signed as asked.
    pub async fn accept(&self, commit: &str, now: Timestamp) -> Result<(), SourceError> {
        let is_in_force = |git: &Self| git.lock_known().accepted.as_ref().is_some_and(|it| it.revision == commit);
        self.fetch_and_take(now, Some(commit.to_owned())).await;
        if is_in_force(self) {
            return Ok(());
        }
        let known = self.lock_known().error.clone();
        Err(known.unwrap_or_else(|| {
            let message =
                format!("{} on {} is not {}", self.settings.followed(), self.settings.access.url, tree::shown(commit));
            SourceError::new(Code::A0317, message, Hint::command("to see what it is", "amarre plan"))
        }))
    }

    async fn fetch_and_take(&self, now: Timestamp, consent: Option<String>) -> bool {
        let _turn = self.turn.lock().await;
        self.load().await;
        let before = self.lock_known().accepted.clone();
        let (settings, accepted) = (self.settings.clone(), before.clone());
        let (_waiting, asker) = watch::channel(());
        let work = move || settings.fetch(accepted.as_deref(), consent.as_deref(), now, &asker);
        let done = tokio::task::spawn_blocking(work).await;
        let outcome = done.unwrap_or_else(|_| {
            let what = "it answers what cannot be read".to_owned();
            FetchOutcome::failed(self.settings.explain(&SessionError::NoAnswer(what)))
        });
        let mut known = self.lock_known();
        if outcome.has_answered {
            known.answered = Some(now);
        }
        if let Some(event) = outcome.event.filter(|_| known.events.len() < EVENTS_MAX) {
            known.events.push(event);
        }
        let is_new = outcome.snapshot.is_some();
        if let Some(snapshot) = outcome.snapshot {
            known.accepted = Some(Arc::new(snapshot));
        }
        let was = known.error.as_ref().map(|error| (error.code, error.message.clone()));
        let is = outcome.error.as_ref().map(|error| (error.code, error.message.clone()));
        let since = known.error.as_ref().filter(|_| was.as_ref().map(|was| was.0) == is.as_ref().map(|is| is.0));
        let since = since.and_then(|error| error.since).or(Some(now));
        known.error = outcome.error.map(|error| SourceError { since, ..error });
        if was != is {
            match &known.error {
                Some(error) => tracing::warn!("{error}"),
                None => tracing::info!("{} is fetched again", self.settings.access.url),
            }
        }
        is_new || was != is
    }

    /// Fetches another branch, tag or commit, which does not become effective.
    ///
    /// # Errors
    /// The server does not answer, or has no such thing; or it is not signed as asked.
    pub async fn fetch_ref(&self, name: &str) -> Result<Snapshot, SourceError> {
        let _turn = self.turn.lock().await;
        let (settings, name) = (self.settings.clone(), name.to_owned());
        let (_waiting, asker) = watch::channel(());
        let done = tokio::task::spawn_blocking(move || settings.fetch_ref(&name, &asker)).await;
        let what = || self.settings.explain(&SessionError::NoAnswer("it answers what cannot be read".to_owned()));
        done.unwrap_or_else(|_| Err(what()))
    }

    /// What [`Git::fetch_ref`] fetched last under this name, from the clone.
    ///
    /// # Errors
    /// Nothing of that name was fetched.
    pub async fn read_ref(&self, name: &str) -> Result<Snapshot, SourceError> {
        let (settings, name) = (self.settings.clone(), name.to_owned());
        let read = move || {
            let repository = clone::open_existing(&settings.clone)?;
            let commit = clone::remembered(&repository, &settings.key(&name))?;
            settings.snapshot(&repository, commit, &name).ok()
        };
        let done = tokio::task::spawn_blocking(read).await;
        done.ok()
            .flatten()
            .ok_or_else(|| SourceError::new(Code::A0305, "it was not fetched yet", Hint::text("fetch it first")))
    }

    /// The folder of manifests in the repository; empty = all of it.
    pub fn path(&self) -> &str {
        &self.settings.path
    }

    /// Commits a change of one file on top of the server's branch, pushes it, and accepts it.
    ///
    /// # Errors
    /// The file has changed meanwhile, or the followed ref takes no commits; the server does not answer, or refuses it.
    pub async fn write(&self, edit: Edit, now: Timestamp) -> Result<(), SourceError> {
        {
            let _turn = self.turn.lock().await;
            let settings = self.settings.clone();
            let (_waiting, asker) = watch::channel(());
            let done = tokio::task::spawn_blocking(move || settings.write(&edit, &asker)).await;
            let what = || self.settings.explain(&SessionError::NoAnswer("it answers what cannot be read".to_owned()));
            done.unwrap_or_else(|_| Err(what()))?;
        }
        self.fetch(now).await;
        Ok(())
    }

    /// The events since the last call.
    pub fn take_events(&self) -> Vec<String> {
        std::mem::take(&mut self.lock_known().events)
    }

    /// The effective commit of an earlier process.
    async fn load(&self) {
        if self.lock_known().is_loaded {
            return;
        }
        let settings = self.settings.clone();
        let done = tokio::task::spawn_blocking(move || {
            let repository = clone::open_existing(&settings.clone)?;
            let commit = clone::remembered(&repository, &settings.key(""));
            let snapshot = commit.and_then(|commit| settings.snapshot(&repository, commit, "").ok());
            Some((snapshot, clone::answered_at(&repository)))
        });
        let (snapshot, answered) = done.await.ok().flatten().unwrap_or_default();
        let mut known = self.lock_known();
        if !known.is_loaded {
            known.is_loaded = true;
            known.accepted = snapshot.map(Arc::new);
            known.answered = answered;
        }
    }

    fn lock_known(&self) -> MutexGuard<'_, KnownRevision> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Display for Git {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (url, followed) = (&self.settings.access.url, self.settings.followed());
        match followed {
            GitRef::Default => write!(f, "{url}"),
            GitRef::Branch(name) | GitRef::Tag(name) => write!(f, "{url} {name}"),
        }
    }
}

impl FetchOutcome {
    fn failed(error: SourceError) -> Self {
        Self { snapshot: None, error: Some(error), has_answered: false, event: None }
    }

    fn refused(error: SourceError) -> Self {
        Self { has_answered: true, ..Self::failed(error) }
    }
}

impl GitSettings {
    /// The name under which a commit is stored. The followed ref and the accepted keys are part of it: what was good
    /// before the configuration changed is not good because of that.
    fn key(&self, other: &str) -> String {
        let all = (&self.access.url, &self.reference, &self.verify, other);
        let digest = Sha256::digest(format!("{all:?}").as_bytes());
        let kind = if other.is_empty() { "accepted" } else { "asked" };
        format!("{kind}/{}", hex::encode(&digest[..8]))
    }

    /// `consent`: the commit that a person accepts whatever came before it.
    fn fetch(&self, accepted: Option<&Snapshot>, consent: Option<&str>, now: Timestamp, asker: &Asker) -> FetchOutcome {
        let names = [self.reference.full()];
        let (repository, commit) = match self.bring(&names, asker) {
            Ok(brought) => brought,
            Err((error, has_answered)) => return FetchOutcome { has_answered, ..FetchOutcome::failed(error) },
        };
        clone::record_answer(&repository, now);
        if accepted.is_some_and(|accepted| accepted.revision == commit.to_string()) {
            return FetchOutcome { snapshot: None, error: None, has_answered: true, event: None };
        }
        if let Err(error) = self.check(&repository, commit) {
            return FetchOutcome::refused(error);
        }
        let before = self.accepted(&repository, accepted).filter(|_| consent != Some(&*commit.to_string()));
        if let Some(Err(error)) = before.map(|before| self.follows_accepted(&repository, before, commit, asker)) {
            return FetchOutcome::refused(error);
        }
        let snapshot = match self.snapshot(&repository, commit, "") {
            Ok(snapshot) => snapshot,
            Err(error) => return FetchOutcome::refused(error),
        };
        if let Err(failed) = clone::remember(&repository, &self.key(""), commit) {
            // It is effective all the same; only after a restart it must be fetched again.
            tracing::warn!("{} could not be remembered: {failed:?}", snapshot.revision);
        }
        let event = accepted.and_then(|accepted| self.rewritten(&repository, accepted, &snapshot, commit));
        FetchOutcome { snapshot: Some(snapshot), error: None, has_answered: true, event }
    }

    fn write(&self, edit: &Edit, asker: &Asker) -> Result<(), SourceError> {
        if let GitRef::Tag(_) = &self.reference {
            let hint = "let `source.git.branch` name a branch";
            return Err(edit::unwritable(format!("{} is no branch", self.reference), hint));
        }
        if self.verify.is_some() {
            let hint = "commit it yourself, signed, and push it";
            return Err(edit::unwritable("commits have to be signed here, and Amarre signs none", hint));
        }
        if edit::below(Path::new(""), &edit.path).is_none() {
            return Err(edit::unwritable(format!("{} is no path in the source", edit.path), "name a file in it"));
        }
        for _ in 0..PUSHES_MAX {
            let (repository, head) = self.bring(&[self.reference.full()], asker).map_err(|(error, _)| error)?;
            let branch = self.followed().full();
            let session = Arc::new(GitSession::new(self.access.clone(), repository.path().to_owned(), asker.clone()));
            let pushed = push::commit(&repository, head, edit)
                .and_then(|commit| push::push(&repository, &session, commit, &branch));
            match pushed {
                Ok(()) => return Ok(()),
                Err(NotPushed::Overtaken) => (),
                Err(NotPushed::Changed) => return Err(edit::moved(&edit.path)),
                Err(NotPushed::Refused(why)) => {
                    let hint = "may this token or key push to the branch, and is the branch not protected?";
                    return Err(edit::unwritable(format!("{} refuses it: {why}", self.access.url), hint));
                }
                Err(NotPushed::Failed(failed)) => {
                    return Err(match (failed, session.error()) {
                        (_, Some(SessionError::Denied(why))) => {
                            let hint = "give the token or the deploy key the right to write";
                            edit::unwritable(format!("{} does not let us write: {why}", self.access.url), hint)
                        }
                        (_, Some(trouble)) => self.explain(&trouble),
                        (FetchFailure::Server(why), None) => self.explain(&SessionError::NoAnswer(why)),
                        (failed, None) => self.local_error(&failed),
                    });
                }
            }
        }
        Err(edit::unwritable(format!("{} moves all the time", self.followed()), "try again in a moment"))
    }

    fn rewritten(&self, repository: &Repository, before: &Snapshot, after: &Snapshot, commit: Oid) -> Option<String> {
        let old = Oid::from_str(&before.revision).ok()?;
        let is_rewritten = clone::is_rewritten(repository, old, commit)? && !matches!(self.reference, GitRef::Tag(_));
        let (old, new) = (before.commit.as_ref()?, after.commit.as_ref()?);
        let text =
            format!("{} was rewritten: {} is no longer part of it, now {}", self.followed(), old.short(), new.short());
        is_rewritten.then_some(text)
    }

    fn fetch_ref(&self, name: &str, asker: &Asker) -> Result<Snapshot, SourceError> {
        if name.is_empty()
            || name.chars().count() > NAME_CHARS_MAX
            || !git2::Reference::is_valid_name(&format!("refs/heads/{name}"))
        {
            let hint = Hint::text("name a branch, a tag or a commit with all its 40 digits");
            return Err(SourceError::new(Code::A0305, format!("`{}` is no name in git", tree::shown(name)), hint));
        }
        let names = ["refs/heads/", "refs/tags/", ""].map(|start| format!("{start}{name}"));
        let (repository, commit) = self.bring(&names, asker).map_err(|(error, _)| error)?;
        self.check(&repository, commit)?;
        let snapshot = self.snapshot(&repository, commit, name)?;
        // Only needed to show broken manifests again.
        let _ = clone::remember(&repository, &self.key(name), commit);
        Ok(snapshot)
    }

    /// The commit of the first of `names` that the server has; and, without one, whether the server answered.
    fn bring(&self, names: &[String], asker: &Asker) -> Result<(Repository, Oid), (SourceError, bool)> {
        let tried = match self.bring_into(&self.clone, names, Depth::Usual, asker) {
            Ok((repository, _)) if clone::has_grown(&repository) => {
                drop(repository);
                self.renewed(names, asker).unwrap_or_else(|| self.bring_into(&self.clone, names, Depth::Usual, asker))
            }
            // The session had no error: the clone may be broken.
            Err((failed @ (FetchFailure::Here(_) | FetchFailure::Server(_)), None)) => {
                self.renewed(names, asker).unwrap_or(Err((failed, None)))
            }
            tried => tried,
        };
        tried.map_err(|(failed, trouble)| match (&failed, trouble) {
            (_, Some(trouble)) => (self.explain(&trouble), false),
            (FetchFailure::NoSuchRef(branches), None) => (self.no_such_ref(names, branches), true),
            (FetchFailure::NotInRef, None) => (self.not_in_ref(), true),
            (FetchFailure::Server(why), None) => (self.explain(&SessionError::NoAnswer(why.clone())), false),
            (FetchFailure::Here(_), None) => (self.local_error(&failed), false),
        })
    }

    fn bring_into(&self, folder: &Path, names: &[String], depth: Depth, asker: &Asker) -> Brought {
        drop(clone::open(folder).map_err(|failed| (failed, None))?);
        let commit = self.bring_shallower(folder, names, depth, asker)?;
        // Not before: it must see what another process has added.
        let repository = clone::open(folder).map_err(|failed| (failed, None))?;
        Ok((repository, commit))
    }

    /// Where the usual history is too large, as with a large file that was there once, fewer revisions are fetched, down to the
    /// newest commit. What the clone remembers of that ends with the clone.
    fn bring_shallower(&self, folder: &Path, names: &[String], depth: Depth, asker: &Asker) -> FetchedOid {
        let mut depth = if depth == Depth::Usual { clone::known_depth(folder) } else { depth };
        loop {
            let tried = fetch_process::bring(self, folder, names, depth, asker);
            let is_too_much = matches!(&tried, Err((_, Some(SessionError::TooMuch(_) | SessionError::TooLarge(_)))));
            let Some(fewer) = depth.fewer().filter(|_| is_too_much) else { return tried };
            clone::remember_depth(folder, fewer);
            depth = fewer;
        }
    }

    /// The followed ref, by the name of the branch where it is the default one and known.
    fn followed(&self) -> GitRef {
        match &self.reference {
            GitRef::Default => clone::known_default(&self.clone).map_or(GitRef::Default, GitRef::Branch),
            named @ (GitRef::Branch(_) | GitRef::Tag(_)) => named.clone(),
        }
    }

    /// A new clone in place of a broken or grown one; `None` if that failed or would lose the effective commit.
    fn renewed(&self, names: &[String], asker: &Asker) -> Option<Brought> {
        let fresh_path = self.clone.with_extension("git.new");
        clone::discard(&fresh_path).ok()?;
        let (fresh, commit) = self.bring_into(&fresh_path, names, Depth::Usual, asker).ok()?;
        let key = self.key("");
        let in_force = clone::open_existing(&self.clone).and_then(|known| {
            let commit = clone::remembered(&known, &key)?;
            self.snapshot(&known, commit, "").ok().map(|_| commit)
        });
        match in_force {
            Some(in_force) if in_force != commit => return None,
            Some(_) => clone::remember(&fresh, &key, commit).ok()?,
            None => (),
        }
        drop(fresh);
        clone::discard(&self.clone).ok()?;
        std::fs::rename(&fresh_path, &self.clone).ok()?;
        let repository = clone::open_existing(&self.clone)?;
        Some(Ok((repository, commit)))
    }

    fn check(&self, repository: &Repository, commit: Oid) -> Result<(), SourceError> {
        let Some(verify) = &self.verify else { return Ok(()) };
        signature::check(repository, commit, verify).map_err(|why| {
            let found = repository.find_commit(commit).map(|commit| tree::describe(&commit));
            let who = found.map_or_else(|_| commit.to_string(), |commit| commit_text(&commit));
            let message = format!("{who} on {} is refused: {why}", self.followed());
            let mut error =
                SourceError::new(Code::A0306, message, Hint::text("sign it, and push it again: git commit --amend -S"));
            error.hints.push(Hint::text(match verify {
                Verify::Ssh { allowed_signers } => format!("or add the author's key to {}", allowed_signers.display()),
                Verify::OpenPgp { keyring } => format!("or add the author's key to {}", keyring.display()),
            }));
            error
        })
    }

    /// A commit as a revision of the source. `name`: the requested name, empty = the followed ref.
    fn snapshot(&self, repository: &Repository, commit: Oid, name: &str) -> Result<Snapshot, SourceError> {
        let followed = self.followed();
        let label = if name.is_empty() { followed.name() } else { name };
        let unfit = |unfit: UnfitCommit| {
            let found = repository.find_commit(commit).map(|commit| tree::describe(&commit));
            let who = found.map_or_else(|_| commit.to_string(), |commit| commit_text(&commit));
            match unfit {
                UnfitCommit::NoFolder => SourceError::new(
                    Code::A0309,
                    format!("{who} has no folder {}", self.path),
                    Hint::text("put it back, or correct `source.git.path`"),
                ),
                UnfitCommit::TooMuch(why) => SourceError::new(
                    Code::A0307,
                    format!("{who} is not taken: {why}"),
                    Hint::text("let `source.git.path` name the folder of manifests alone"),
                ),
                UnfitCommit::Broken(why) => SourceError::new(
                    Code::A0307,
                    format!("{who} is not taken: it cannot be read: {why}"),
                    Hint::text("does `git fsck` find something in the repository?"),
                ),
            }
        };
        let mut snapshot = tree::snapshot(repository, commit, &self.path, label).map_err(unfit)?;
        snapshot.is_branch = name.is_empty() && !matches!(followed, GitRef::Tag(_));
        // A change without its author is a change all the same.
        snapshot.history = history::read(repository, commit, &self.path).unwrap_or_default();
        Ok(snapshot)
    }

    fn explain(&self, trouble: &SessionError) -> SourceError {
        let mut error = self.explained(trouble);
        let is_about_ssh = matches!(trouble, SessionError::NoAnswer(_) | SessionError::Denied(_));
        if is_about_ssh && self.access.ssh_config.is_none() && matches!(self.access.url, GitUrl::Ssh { .. }) {
            let hint = "ssh reads no configuration, not even ~/.ssh/config: `source.git.ssh_config` names one";
            error.hints.push(Hint::text(hint));
        }
        error
    }

    fn explained(&self, trouble: &SessionError) -> SourceError {
        let url = &self.access.url;
        match trouble {
            SessionError::NoAnswer(why) => SourceError::new(
                Code::A0302,
                format!("{url} did not answer: {why}"),
                Hint::text("is the server up, and `source.git.url` right? the daemon tries again by itself"),
            ),
            SessionError::Denied(why) => SourceError::new(
                Code::A0303,
                format!("{url} does not let us in: {why}"),
                Hint::text("give the token or the deploy key the right to read, and check `source.git`"),
            ),
            SessionError::OtherHost(why) => SourceError::new(
                Code::A0304,
                format!("{url} is not the host that was meant: {why}"),
                Hint::text("ask who runs it for its host key; only if that is it, correct `source.git.host_key`"),
            ),
            SessionError::TooMuch(why) => SourceError::new(
                Code::A0307,
                format!("{url} is not taken: {why}"),
                Hint::text("its newest commit alone is too large: keep manifests in a repository of their own"),
            ),
            SessionError::TooLarge(why) => SourceError::new(
                Code::A0316,
                format!("{url} is not taken: {why}"),
                Hint::text("keep manifests in a repository of their own; `source.git.memory` allows more"),
            ),
        }
    }

    fn no_such_ref(&self, names: &[String], branches: &[String]) -> SourceError {
        let url = &self.access.url;
        let message = match (branches, names.last()) {
            ([], _) => format!("{url} is empty"),
            (there, Some(name)) if !names.contains(&self.reference.full()) && !name.starts_with("refs/") => {
                format!("{url} has no branch, tag or commit {name}; its branches: {}", there.join(", "))
            }
            (there, _) => format!("{url} has no {}; its branches: {}", self.reference, there.join(", ")),
        };
        SourceError::new(Code::A0305, message, Hint::text("push it, or correct `source.git`"))
    }

    fn not_in_ref(&self) -> SourceError {
        let (commit, name) = (self.commit.as_deref().unwrap_or_default(), self.reference.name());
        let (url, far) = (&self.access.url, clone::DEPTH_FAR);
        let message = format!("{name} of {url} has no commit {commit} among its newest {far}");
        SourceError::new(Code::A0779, message, Hint::text(app_hint(Code::A0779)))
    }

    fn local_error(&self, failed: &FetchFailure) -> SourceError {
        let why = match failed {
            FetchFailure::Server(why) | FetchFailure::Here(why) => why.as_str(),
            FetchFailure::NoSuchRef(_) | FetchFailure::NotInRef => "something is missing in it",
        };
        let message = format!("the clone in {} cannot be used: {why}", self.clone.display());
        SourceError::new(
            Code::A0302,
            message,
            Hint::text("is there room on the disk, and is the folder of `state` writable?"),
        )
    }
}

/// `8d41b07 "add gitea" (Alice Martin)`
fn commit_text(commit: &Commit) -> String {
    format!("{} \"{}\" ({})", commit.short(), commit.subject, commit.author)
}
