//! One change of one file of the source by a person: written atomically to a folder, or committed and pushed.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::SourceError;
use amarre_core::model::{Code, Hint};

/// One writer at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A change of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Path as shown: `services/gitea.yaml`.
    pub path: String,
    /// The text that the person saw; `None`: no file. If the file differs by now, nothing is written.
    pub before: Option<String>,
    /// The new text; `None`: the file is deleted.
    pub after: Option<String>,
    pub author: CommitAuthor,
    /// The commit message.
    pub message: String,
}

/// The author of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitAuthor {
    /// `Alice Martin`.
    pub name: String,
    /// `alice@example.org`.
    pub email: String,
}

/// The file has changed meanwhile.
pub fn moved(path: &str) -> SourceError {
    let hint = Hint::text("read it again, and make the change once more");
    SourceError::new(
        Code::A0312,
        format!("{path} is not what it was when the change was begun; nothing was written"),
        hint,
    )
}

/// The source cannot be written.
pub(super) fn unwritable(why: impl std::fmt::Display, hint: &str) -> SourceError {
    SourceError::new(Code::A0313, format!("the change was not written: {why}"), Hint::text(hint))
}

/// A valid path below a folder: relative, without `..`, hidden names and backslashes.
pub(super) fn below(root: &Path, relative: &str) -> Option<PathBuf> {
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0']);
    relative.split('/').all(is_plain).then(|| root.join(relative))
}

/// Writes a change into a folder. A reader sees the old file or the new one, never a part, also after a power cut.
///
/// # Errors
/// The file has changed meanwhile (A0312), or the folder cannot be written (A0313).
pub(super) fn write(root: &Path, label: &str, edit: &Edit) -> Result<(), SourceError> {
    let failed = |error: io::Error| {
        unwritable(format!("{}: {error}", edit.path), "may Amarre write into `source.folder`, and is there room?")
    };
    let relative = edit.path.strip_prefix(label).and_then(|rest| rest.strip_prefix('/'));
    let path = relative.and_then(|relative| below(root, relative));
    let path =
        path.ok_or_else(|| unwritable(format!("{} is no path in the source", edit.path), "name a file in it"))?;
    // The compared file stays the same until it is replaced.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let there = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    if there != edit.before {
        return Err(moved(&edit.path));
    }
    let folder = path.parent().unwrap_or(root);
    match &edit.after {
        Some(text) => replace(folder, &path, text).map_err(failed)?,
        None if there.is_some() => std::fs::remove_file(&path).map_err(failed)?,
        None => (),
    }
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Why a file of a folder cannot be written, checked without a trace in it; `None`: it can, as far as is known.
pub(super) fn unwritable_for(root: &Path, label: &str, shown: &str) -> Option<SourceError> {
    let relative = shown.strip_prefix(label).and_then(|rest| rest.strip_prefix('/'));
    let path = relative.and_then(|relative| below(root, relative));
    let parent = path.as_deref().and_then(Path::parent).unwrap_or(root);
    // Missing folders are created with the file.
    let folder = parent.ancestors().find(|folder| folder.exists()).unwrap_or(root);
    let error = try_in(folder).err()?;
    let message = format!("{} cannot be written by Amarre: {error}", root.display());
    let user = rustix::process::geteuid().as_raw();
    let hint = if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
        Hint::text(
            "it is mounted read-only, as with :ro in a compose file: mount it writable, or write manifests elsewhere",
        )
    } else {
        Hint::command("to let Amarre write there, as root", format!("chown -R {user} {}", root.display()))
    };
    Some(SourceError::new(Code::A0313, message, hint))
}

/// Creates an unnamed temporary file in a folder, which no watcher is told of. On a file system without such files, one
/// with a hidden name is created and removed.
fn try_in(folder: &Path) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
        Ok(_) => return Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => (),
        Err(error) => return Err(error.into()),
    }
    let probe = folder.join(".amarre.new");
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&probe)?;
    std::fs::remove_file(&probe)
}

fn replace(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A hidden name is no part of a source.
    let fresh = folder.join(format!(".{name}.new"));
    let (owner, mode) = match std::fs::metadata(path) {
        Ok(there) => (there.clone(), there.mode() & 0o7777),
        Err(_) => (std::fs::metadata(folder)?, 0o644),
    };
    let _ = std::fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    // Its owner and group keep their access. Only root may give files away; other users write as themselves.
    let _ = std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()));
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}
