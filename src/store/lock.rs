//! One ledger has one writer: an advisory lock on `<state>.lock`, given back by the kernel even after `kill -9`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// Held as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Who holds it, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Another process does.
    #[error("another Amarre (pid {0}) holds the ledger")]
    Held(String),
    /// The file cannot be used.
    #[error("could not lock the ledger: {0}")]
    Unusable(String),
}

impl Lock {
    /// Takes the lock, or says who has it.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let unusable = |error: std::io::Error| LockError::Unusable(format!("{}: {error}", path.display()));
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                return Err(LockError::Held(pid.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        file.set_len(0).map_err(unusable)?;
        file.rewind().map_err(unusable)?;
        // On a full disk the lock still holds; only the pid is not written.
        let _ = write!(file, "{}", std::process::id());
        Ok(Self { _file: file })
    }
}
