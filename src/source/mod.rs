//! Where manifests come from: a folder, or a git repository.
//!
//! Reading never asks a server: a folder is read, and of a repository the last good commit that was fetched. What
//! fetches is [`Source::fetch`], which the engine calls from time to time and whenever a person asks.

pub mod edit;
pub mod folder;
pub mod git;

use std::path::Path;

pub use edit::{Author, Edit, moved};
pub use folder::Folder;
pub use git::Git;

use amarre_core::model::{Assets, Commit, Hint, History, Millis, Timestamp, words};

/// One state of the source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// A commit's id, or a digest of all names and contents; 40 hex digits.
    pub revision: String,
    /// The folder's own name or the branch's, for people.
    pub label: String,
    /// Whether that is a branch.
    pub is_branch: bool,
    /// Path as shown (`services/gitea.yaml`) and text, by path.
    pub files: Vec<(String, String)>,
    /// Every other file, which manifests may name.
    pub assets: Assets,
    /// Where it comes from; `None`: a folder.
    pub commit: Option<Commit>,
    /// Which commit last touched which file; empty for a folder.
    pub history: History,
    /// What was left out, and why.
    pub notes: Vec<Note>,
}

/// Something in a source that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// `A03…`.
    pub code: &'static str,
    /// Path as shown, with nothing in it that a terminal would obey.
    pub file: String,
    /// Why.
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

/// Why the source is not, or not any more, as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// `A03…`.
    pub code: &'static str,
    /// Lowercase, no full stop; never with a secret.
    pub message: String,
    /// The ways past it.
    pub hints: Vec<Hint>,
    /// Since when it is so; `None`: not known.
    pub since: Option<Timestamp>,
    /// When the state in force was last known to be the newest; `None`: not known.
    pub fetched: Option<Timestamp>,
}

impl SourceError {
    /// With one way past it.
    pub fn new(code: &'static str, message: impl Into<String>, hint: Hint) -> Self {
        // A server's words may be in it.
        Self { code, message: words::line(&message.into()), hints: vec![hint], since: None, fetched: None }
    }
}

/// What is in force, and what is wrong. Both, when a repository cannot be fetched and its last good commit stays.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The state in force; `None`: none is known.
    pub snapshot: Option<Snapshot>,
    /// Why it is not the newest one.
    pub error: Option<SourceError>,
}

/// Where manifests come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A folder on this machine.
    Folder(Folder),
    /// A git repository.
    Git(Git),
}

impl Source {
    /// What is in force. Asks no server.
    pub async fn read(&self) -> Reading {
        match self {
            Source::Folder(folder) => match folder.read_in_time().await {
                Ok(snapshot) => Reading { snapshot: Some(snapshot), error: None },
                Err(error) => Reading { snapshot: None, error: Some(error) },
            },
            Source::Git(git) => git.read().await,
        }
    }

    /// Asks the server for a newer state; whether something is other than before. A folder has none to ask.
    pub async fn fetch(&self, now: Timestamp) -> bool {
        match self {
            Source::Folder(_) => false,
            Source::Git(git) => git.fetch(now).await,
        }
    }

    /// Asks the server, and takes exactly this commit, though it does not descend from the accepted one.
    ///
    /// # Errors
    /// The server has another one; or the source is a folder, in which nothing is held.
    pub async fn accept(&self, commit: &str, now: Timestamp) -> Result<(), SourceError> {
        match self {
            Source::Folder(_) => {
                let hint = Hint::text("leave out --accept-rewrite");
                Err(SourceError::new("A0310", "the source is a folder, which has no branches", hint))
            }
            Source::Git(git) => git.accept(commit, now).await,
        }
    }

    /// Whether this is what is followed in the repository: `refs/heads/main`. Of a folder nothing is.
    pub fn follows(&self, reference: &str) -> bool {
        match self {
            Source::Folder(_) => false,
            Source::Git(git) => git.follows(reference),
        }
    }

    /// Another branch, tag or commit, which does not come into force.
    ///
    /// # Errors
    /// The server does not answer or has no such thing, or the source is a folder.
    pub async fn fetch_ref(&self, name: &str) -> Result<Snapshot, SourceError> {
        match self {
            Source::Folder(_) => Err(no_refs()),
            Source::Git(git) => git.fetch_ref(name).await,
        }
    }

    /// What [`Source::fetch_ref`] brought last. Asks no server.
    ///
    /// # Errors
    /// Nothing of that name was brought, or the source is a folder.
    pub async fn read_ref(&self, name: &str) -> Result<Snapshot, SourceError> {
        match self {
            Source::Folder(_) => Err(no_refs()),
            Source::Git(git) => git.read_ref(name).await,
        }
    }

    /// Writes a change of one file: into the folder, or as a commit that is pushed. The next reading has it.
    ///
    /// # Errors
    /// The file is another one by now (A0312); the source takes no change (A0313), or its server does not answer.
    pub async fn write(&self, edit: Edit, now: Timestamp) -> Result<(), SourceError> {
        match self {
            Source::Folder(folder) => folder.write(edit).await,
            Source::Git(git) => git.write(edit, now).await,
        }
    }

    /// Why a file, as shown, cannot be written; `None`: it can, as far as can be told without writing. What a repository
    /// takes shows when something is pushed.
    pub async fn unwritable(&self, shown: &str) -> Option<SourceError> {
        match self {
            Source::Folder(folder) => folder.unwritable(shown).await,
            Source::Git(_) => None,
        }
    }

    /// The path, as shown, of a manifest that is not there yet.
    pub fn path_of(&self, service: &str) -> String {
        let folder = match self {
            Source::Folder(folder) => folder.label(),
            Source::Git(git) => git.path().to_owned(),
        };
        if folder.is_empty() { format!("{service}.yaml") } else { format!("{folder}/{service}.yaml") }
    }

    /// How often the server is asked; `None`: there is none.
    pub fn interval(&self) -> Option<Millis> {
        match self {
            Source::Folder(_) => None,
            Source::Git(git) => Some(git.interval()),
        }
    }

    /// The folder to watch; `None`: there is none.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Source::Folder(folder) => Some(folder.path()),
            Source::Git(_) => None,
        }
    }

    /// What happened to the source since this was asked last, such as a branch that was rewritten.
    pub fn take_events(&self) -> Vec<String> {
        match self {
            Source::Folder(_) => Vec::new(),
            Source::Git(git) => git.take_events(),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Folder(folder) => write!(f, "{}", folder.path().display()),
            Source::Git(git) => write!(f, "{git}"),
        }
    }
}

fn no_refs() -> SourceError {
    let hint = Hint::text("leave out --ref, or let `source.git` name a repository");
    SourceError::new("A0310", "the source is a folder, which has no branches", hint)
}
