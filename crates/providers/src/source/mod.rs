//! The source of the manifests: a folder, or a git repository.
//!
//! Reading never asks a server: a folder is read, and of a repository the last good commit that was fetched.
//! [`Source::fetch`] asks the server; the engine calls it at the interval and whenever a person asks.

pub mod apps;
pub mod base_images;
pub mod edit;
pub mod folder;
pub mod git;
pub mod parts;

use std::path::Path;

pub use apps::{AppFolder, AppRepositories, AppState, AppStates, TokenFinder, look_at};
pub use edit::{CommitAuthor, Edit, moved};
pub use folder::Folder;
pub use git::{FilesToSend, Git};

use amarre_core::model::{Assets, Code, Commit, Hint, History, Millis, Timestamp, words};

/// One revision of the source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// A commit's id, or a digest of all names and contents; 40 hex digits.
    pub revision: String,
    /// The name of the folder or branch, for people.
    pub label: String,
    /// Whether that is a branch.
    pub is_branch: bool,
    /// Path as shown (`services/gitea.yaml`) and text, by path.
    pub files: Vec<(String, String)>,
    /// Every other file, which manifests may name.
    pub assets: Assets,
    /// Its commit; `None`: a folder.
    pub commit: Option<Commit>,
    /// Which commit last touched which file; empty for a folder.
    pub history: History,
    /// Skipped files, and why.
    pub notes: Vec<SourceNote>,
    /// A digest of the commits of apps whose repositories stand among the other files.
    pub apps: String,
}

/// A skipped file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceNote {
    /// `A03…`.
    pub code: Code,
    /// The path, as shown.
    pub file: String,
    pub message: String,
    pub hint: String,
    /// What lies there is not known: services whose file it was, or was in, are still wanted.
    pub is_unread: bool,
}

impl SourceNote {
    /// A file or folder that is left out for its name.
    pub fn odd_name(file: String) -> Self {
        let message = "its name is none that a file should have".to_owned();
        let hint = "rename it with letters, digits, `.`, `_` and `-`".to_owned();
        Self { code: Code::A0308, file, message, hint, is_unread: false }
    }

    /// Whether a file, as shown, is not known for it.
    pub fn hides(&self, file: &str) -> bool {
        let below = file.strip_prefix(self.file.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.is_unread && below
    }
}

/// Why the source cannot be used, or is out of date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// `A03…`.
    pub code: Code,
    /// Lowercase, no full stop; never with a secret.
    pub message: String,
    pub hints: Vec<Hint>,
    /// Since when it is so; `None`: not known.
    pub since: Option<Timestamp>,
    /// When the effective revision was last known to be the newest; `None`: not known.
    pub fetched: Option<Timestamp>,
}

impl SourceError {
    /// With one hint.
    pub fn new(code: Code, message: impl Into<String>, hint: Hint) -> Self {
        // It may quote a server.
        Self { code, message: words::line(&message.into()), hints: vec![hint], since: None, fetched: None }
    }
}

/// The effective revision, and the error. Both, when a repository cannot be fetched and its last good commit stays.
#[derive(Debug, Clone, Default)]
pub struct SourceReading {
    /// The effective revision; `None`: none is known.
    pub snapshot: Option<Snapshot>,
    /// Why it is not the newest one.
    pub error: Option<SourceError>,
}

/// The source of the manifests, and the repositories of apps that they name.
#[derive(Debug, Clone)]
pub struct Source {
    place: SourcePlace,
    apps: AppRepositories,
}

/// Where manifests come from.
#[derive(Debug, Clone)]
enum SourcePlace {
    /// A folder on this machine.
    Folder(Folder),
    /// A git repository.
    Git(Git),
}

impl From<Folder> for Source {
    fn from(folder: Folder) -> Self {
        Self { place: SourcePlace::Folder(folder), apps: AppRepositories::default() }
    }
}

impl From<Git> for Source {
    fn from(git: Git) -> Self {
        Self { place: SourcePlace::Git(git), apps: AppRepositories::default() }
    }
}

impl Source {
    /// With the repositories of apps in a folder.
    #[must_use]
    pub fn with_apps(self, folder: AppFolder) -> Self {
        Self { apps: AppRepositories::new(folder), ..self }
    }

    /// The repositories of apps.
    pub fn apps(&self) -> &AppRepositories {
        &self.apps
    }

    /// Whether it is a repository, which is fetched.
    pub fn is_git(&self) -> bool {
        matches!(self.place, SourcePlace::Git(_))
    }

    /// The effective revision. Asks no server.
    pub async fn read(&self) -> SourceReading {
        let mut reading = match &self.place {
            SourcePlace::Folder(folder) => match folder.read_in_time().await {
                Ok(snapshot) => SourceReading { snapshot: Some(snapshot), error: None },
                Err(error) => SourceReading { snapshot: None, error: Some(error) },
            },
            SourcePlace::Git(git) => git.read().await,
        };
        reading.snapshot.iter_mut().for_each(|snapshot| self.apps.add_to(snapshot));
        reading
    }

    /// Fetches; answers whether anything changed. A folder has nothing to fetch.
    pub async fn fetch(&self, now: Timestamp) -> bool {
        match &self.place {
            SourcePlace::Folder(_) => false,
            SourcePlace::Git(git) => git.fetch(now).await,
        }
    }

    /// Fetches, and accepts exactly this commit although it does not descend from the accepted one.
    ///
    /// # Errors
    /// The server has another one; or the source is a folder, in which nothing is held.
    pub async fn accept(&self, commit: &str, now: Timestamp) -> Result<(), SourceError> {
        match &self.place {
            SourcePlace::Folder(_) => {
                let hint = Hint::text("leave out --accept-rewrite");
                Err(SourceError::new(Code::A0310, "the source is a folder, which has no branches", hint))
            }
            SourcePlace::Git(git) => git.accept(commit, now).await,
        }
    }

    /// Whether this ref is followed: `refs/heads/main`. In a folder none is.
    pub fn follows(&self, reference: &str) -> bool {
        match &self.place {
            SourcePlace::Folder(_) => false,
            SourcePlace::Git(git) => git.follows(reference),
        }
    }

    /// Fetches another branch, tag or commit, which does not become effective.
    ///
    /// # Errors
    /// The server does not answer or has no such thing, or the source is a folder.
    pub async fn fetch_ref(&self, name: &str) -> Result<Snapshot, SourceError> {
        match &self.place {
            SourcePlace::Folder(_) => Err(no_refs()),
            SourcePlace::Git(git) => self.with_app_files(git.fetch_ref(name).await),
        }
    }

    /// What [`Source::fetch_ref`] fetched last. Asks no server.
    ///
    /// # Errors
    /// Nothing of that name was fetched, or the source is a folder.
    pub async fn read_ref(&self, name: &str) -> Result<Snapshot, SourceError> {
        match &self.place {
            SourcePlace::Folder(_) => Err(no_refs()),
            SourcePlace::Git(git) => self.with_app_files(git.read_ref(name).await),
        }
    }

    fn with_app_files(&self, read: Result<Snapshot, SourceError>) -> Result<Snapshot, SourceError> {
        read.map(|mut snapshot| {
            self.apps.add_to(&mut snapshot);
            snapshot
        })
    }

    /// Writes a change of one file: into the folder, or as a commit that is pushed. The next reading has it.
    ///
    /// # Errors
    /// The file has changed meanwhile (A0312); the source cannot be written (A0313), or its server does not answer.
    pub async fn write(&self, edit: Edit, now: Timestamp) -> Result<(), SourceError> {
        match &self.place {
            SourcePlace::Folder(folder) => folder.write(edit).await,
            SourcePlace::Git(git) => git.write(edit, now).await,
        }
    }

    /// Why a file, as shown, cannot be written; `None`: it can, as far as can be checked without writing. Whether a
    /// repository accepts it shows with the push.
    pub async fn unwritable(&self, shown: &str) -> Option<SourceError> {
        match &self.place {
            SourcePlace::Folder(folder) => folder.unwritable(shown).await,
            SourcePlace::Git(_) => None,
        }
    }

    /// The path, as shown, of a new manifest.
    pub fn path_of(&self, service: &str) -> String {
        let folder = match &self.place {
            SourcePlace::Folder(folder) => folder.label(),
            SourcePlace::Git(git) => git.path().to_owned(),
        };
        if folder.is_empty() { format!("{service}.yaml") } else { format!("{folder}/{service}.yaml") }
    }

    /// How often the server is asked; `None`: there is none.
    pub fn interval(&self) -> Option<Millis> {
        match &self.place {
            SourcePlace::Folder(_) => None,
            SourcePlace::Git(git) => Some(git.interval()),
        }
    }

    /// The folder to watch; `None`: there is none.
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            SourcePlace::Folder(folder) => Some(folder.path()),
            SourcePlace::Git(_) => None,
        }
    }

    /// The events of the source since the last call, such as a rewritten branch.
    pub fn take_events(&self) -> Vec<String> {
        match &self.place {
            SourcePlace::Folder(_) => Vec::new(),
            SourcePlace::Git(git) => git.take_events(),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            SourcePlace::Folder(folder) => write!(f, "{}", folder.path().display()),
            SourcePlace::Git(git) => write!(f, "{git}"),
        }
    }
}

fn no_refs() -> SourceError {
    let hint = Hint::text("leave out --ref, or let `source.git` name a repository");
    SourceError::new(Code::A0310, "the source is a folder, which has no branches", hint)
}
