//! Our own commit on top of the server's branch, with one file changed, pushed to the followed branch.

use std::path::Path;
use std::sync::Arc;

use git2::build::TreeUpdateBuilder;
use git2::{ErrorCode, FileMode, Oid, PushOptions, RemoteCallbacks, Repository, Signature};

use super::clone::FetchFailure;
use super::session::GitSession;
use super::transport::OpenSession;
use crate::source::edit::Edit;

/// The ref of our commit until it is pushed.
const MADE: &str = "refs/amarre/made";

/// Why a commit was not pushed.
pub(super) enum NotPushed {
    /// The file has changed meanwhile.
    Changed,
    /// The branch moved between the fetch and the push.
    Overtaken,
    /// The server refuses it, with its message.
    Refused(String),
    /// The session failed, or the clone.
    Failed(FetchFailure),
}

impl From<git2::Error> for NotPushed {
    fn from(error: git2::Error) -> Self {
        NotPushed::Failed(FetchFailure::Here(error.message().to_owned()))
    }
}

/// Commits a change on top of `head`; nothing leaves.
pub(super) fn commit(repository: &Repository, head: Oid, edit: &Edit) -> Result<Oid, NotPushed> {
    let parent = repository.find_commit(head)?;
    let root = parent.tree()?;
    let there = match root.get_path(Path::new(&edit.path)) {
        Ok(entry) => Some(entry),
        Err(error) if error.code() == ErrorCode::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let text = match &there {
        Some(entry) => {
            // The size is checked first, so that a file that is too large is never in memory; no edit of ours created
            // it.
            let (size, _) = repository.odb()?.read_header(entry.id())?;
            if size > super::tree::TEXT_BYTES_MAX {
                return Err(NotPushed::Changed);
            }
            Some(String::from_utf8_lossy(repository.find_blob(entry.id())?.content()).into_owned())
        }
        None => None,
    };
    if text != edit.before {
        return Err(NotPushed::Changed);
    }
    let mut update = TreeUpdateBuilder::new();
    match &edit.after {
        Some(text) => {
            let mode = match there.map(|entry| entry.filemode()) {
                Some(mode) if mode == i32::from(FileMode::BlobExecutable) => FileMode::BlobExecutable,
                Some(_) | None => FileMode::Blob,
            };
            update.upsert(edit.path.as_str(), repository.blob(text.as_bytes())?, mode);
        }
        None => {
            update.remove(edit.path.as_str());
        }
    }
    let tree = repository.find_tree(update.create_updated(repository, &root)?)?;
    let who = Signature::now(&edit.author.name, &edit.author.email)?;
    Ok(repository.commit(None, &who, &who, &edit.message, &tree, &[&parent])?)
}

/// Pushes a commit to the branch of that full name.
pub(super) fn push(
    repository: &Repository,
    session: &Arc<GitSession>,
    commit: Oid,
    branch: &str,
) -> Result<(), NotPushed> {
    repository.reference(MADE, commit, true, "amarre")?;
    let opened = OpenSession::new(session).map_err(|why| NotPushed::Failed(FetchFailure::Here(why)))?;
    let mut remote = repository.remote_anonymous(&opened.url())?;
    let mut refused = None;
    let mut callbacks = RemoteCallbacks::new();
    callbacks.push_update_reference(|_, status| {
        refused = status.map(str::to_owned);
        Ok(())
    });
    let mut options = PushOptions::new();
    options.remote_callbacks(callbacks);
    let pushed = remote.push(&[format!("{MADE}:{branch}")], Some(&mut options));
    drop(options);
    match (pushed, refused) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(why)) if is_overtaken(&why) => Err(NotPushed::Overtaken),
        (Ok(()), Some(why)) => Err(NotPushed::Refused(super::tree::shown(&why))),
        (Err(error), _) if error.code() == ErrorCode::NotFastForward => Err(NotPushed::Overtaken),
        (Err(error), _) => Err(NotPushed::Failed(FetchFailure::Server(error.message().to_owned()))),
    }
}

/// Servers report it only as text: git's own, and those of a branch that another push locks.
fn is_overtaken(why: &str) -> bool {
    ["non-fast-forward", "fetch first", "stale info", "cannot lock ref", "failed to update ref", "incorrect old value"]
        .iter()
        .any(|words| why.contains(words))
}
