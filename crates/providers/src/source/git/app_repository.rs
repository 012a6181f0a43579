//! The repository of an app: its newest commit, what is looked at of it, and the files that are sent to an engine.

use std::path::PathBuf;
use std::sync::Arc;

use git2::{Oid, Repository};
use tokio::sync::watch;

use super::checkout::{self, FilesToSend};
use super::clone;
use super::session::{RemoteAccess, SessionError};
use super::{GitSettings, SourceError};
use amarre_core::model::app::AppSource;
use amarre_core::model::{Code, Commit, GitRef, Hint, Millis};

/// What can be done about the repository of an app that cannot be fetched.
pub(super) fn app_hint(code: Code) -> &'static str {
    const HINTS: [(Code, &str); 7] = [
        (Code::A0303, "is the URL right? for a private repository write `git: {token: {secret: NAME}}`"),
        (Code::A0304, "ask who runs it for its host key, and put it into the known_hosts of Amarre's user"),
        (Code::A0305, "push it, or correct `git.ref`"),
        (Code::A0307, "keep what is generated, and large files, out of the repository"),
        (Code::A0316, "keep what is generated, and large files, out of the repository"),
        (Code::A0775, "what runs stays as it is until a commit fixes it"),
        (Code::A0779, "write the branch or tag that has it into `git.ref`, or a newer commit into `git.commit`"),
    ];
    let usual = "is the server up, and `git.url` right? the daemon tries again by itself";
    HINTS.into_iter().find(|(known, _)| *known == code).map_or(usual, |(_, hint)| hint)
}

/// The memory that a fetch of an app may take.
const APP_MEMORY_BYTES: u64 = 1 << 30;

/// The repository of an app.
#[derive(Debug, Clone)]
pub struct AppRepository {
    settings: Arc<GitSettings>,
    /// What the followed ref may be called.
    names: Vec<String>,
    reference: String,
}

/// The newest commit of the repository of an app.
pub struct FetchedCommit {
    pub commit: Commit,
    /// The ids of those before it, the newest first, as far as they are here.
    pub before: Vec<String>,
    /// What is looked at of it.
    pub checkout: Vec<u8>,
}

impl AppRepository {
    /// Nothing is called or created before the first use.
    pub fn new(access: RemoteAccess, source: &AppSource, clone: PathBuf, program: PathBuf) -> Self {
        let followed = GitRef::Branch(source.reference.clone());
        let (path, commit) = (source.path.clone(), source.commit.clone());
        let (interval, memory_bytes) = (Millis(0), APP_MEMORY_BYTES);
        let (verify, verify_all) = (None, false);
        let settings = GitSettings {
            access,
            reference: followed,
            path,
            commit,
            interval,
            verify,
            verify_all,
            memory_bytes,
            clone,
            program,
        };
        Self { settings: Arc::new(settings), names: source.names(), reference: source.shown_reference() }
    }

    /// The commit that the server has, and what is looked at of it.
    ///
    /// # Errors
    /// The server does not answer, refuses us, or has no such ref; the commit cannot be read.
    pub async fn fetch(&self) -> Result<FetchedCommit, SourceError> {
        let of = self.clone();
        let (_waiting, asker) = watch::channel(());
        let done = tokio::task::spawn_blocking(move || {
            if let Some(parent) = of.settings.clone.parent() {
                // Where it cannot be made, the clone cannot either, and says so.
                let _ = std::fs::create_dir_all(parent);
            }
            let (repository, commit) = of.settings.bring(&of.names, &asker).map_err(|(error, _)| error)?;
            let read = of.read(&repository, commit)?;
            // Without it the next process has to ask the server first.
            let _ = clone::remember(&repository, &of.settings.key("app"), commit);
            Ok(read)
        });
        let what = "it answers what cannot be read".to_owned();
        let done = done.await.unwrap_or_else(|_| Err(self.settings.explain(&SessionError::NoAnswer(what))));
        done.map_err(|error| SourceError { hints: vec![Hint::text(app_hint(error.code))], ..error })
    }

    fn read(&self, repository: &Repository, commit: Oid) -> Result<FetchedCommit, SourceError> {
        let checkout = checkout::read(repository, commit, &self.settings.path).map_err(|why| {
            let message = format!("{} of {} is not taken: {why}", self.reference, self.settings.access.url);
            SourceError::new(Code::A0775, message, Hint::text(app_hint(Code::A0775)))
        })?;
        let before = clone::ancestors(repository, commit);
        Ok(FetchedCommit { commit: checkout.commit.clone(), before, checkout: checkout.to_bytes() })
    }

    /// What an earlier process has fetched.
    pub fn remembered(&self) -> Option<FetchedCommit> {
        let repository = clone::open_existing(&self.settings.clone)?;
        let commit = clone::remembered(&repository, &self.settings.key("app"))?;
        self.read(&repository, commit).ok()
    }

    /// Writes the files of a folder at a commit as a tar.
    ///
    /// # Errors
    /// They are not here, too large, or they are not taken any more.
    pub fn write(&self, wanted: &FilesToSend, out: impl std::io::Write) -> std::io::Result<()> {
        let broken = |error: git2::Error| std::io::Error::other(error.message().to_owned());
        let repository = clone::open_existing(&self.settings.clone);
        let repository = repository.ok_or_else(|| std::io::Error::other("the clone of the repository is gone"))?;
        checkout::write(&repository, Oid::from_str(&wanted.commit).map_err(broken)?, wanted, out)
    }
}
