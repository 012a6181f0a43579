//! One ledger has one writer: an advisory lock on `<state>.lock`, released by the kernel even after `kill -9`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// A user who may open the file may lock it, and so block us.
const PRIVATE: u32 = 0o600;

/// Held as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The holder, if known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("another Amarre{} holds the ledger", .0.as_ref().map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Held(Option<String>),
    /// The file cannot be used.
    #[error("could not lock the ledger: {0}")]
    Unusable(String),
}

impl Lock {
    /// Takes the lock, or reports its holder.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let unusable = |error: std::io::Error| LockError::Unusable(format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(PRIVATE);
        let mut file = options.open(path).map_err(unusable)?;
        close_to_others(&file);
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                // It is empty until the holder, which has just begun, wrote its own.
                return Err(LockError::Held(Some(pid.trim().to_owned()).filter(|pid| !pid.is_empty())));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        file.set_len(0).map_err(unusable)?;
        file.rewind().map_err(unusable)?;
        // On a full disk the lock still works; only the pid is not written.
        let _ = write!(file, "{}", std::process::id());
        Ok(Self { _file: file })
    }
}

/// The lock file of an earlier version is open to others. Of a foreign file the owner decides.
fn close_to_others(file: &File) {
    let is_open = |mode: u32| mode & 0o777 & !PRIVATE != 0;
    if file.metadata().is_ok_and(|there| is_open(there.permissions().mode())) {
        let _ = file.set_permissions(std::fs::Permissions::from_mode(PRIVATE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_closed_to_others_also_where_it_was_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("amarre.lock");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        drop(Lock::take(&path).unwrap());
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let held = Lock::take(&path).unwrap();
        assert_eq!(mode(), 0o600);
        assert_eq!(Lock::take(&path).unwrap_err(), LockError::Held(Some(std::process::id().to_string())));
        drop(held);
    }
}
