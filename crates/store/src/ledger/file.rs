//! The ledger's file: readable by its owner only, and the same file for as long as it is open.

use std::fs::{Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::resources::StoreError;

/// It holds environments in plain text.
const PRIVATE: u32 = 0o600;
/// What SQLite writes beside it. New ones get the mode of the ledger.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// A ledger's file as it was opened.
#[derive(Debug)]
pub(super) struct LedgerFile {
    path: PathBuf,
    /// Device and number of the file.
    identity: (u64, u64),
}

impl LedgerFile {
    /// Creates the file where there is none; closes it, and what SQLite left beside it, to others.
    pub(super) fn make_private(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(PRIVATE).open(path)?;
        let opened = file.metadata()?;
        close_to_others(path, &opened);
        for end in BESIDE {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            if let Ok(there) = std::fs::metadata(&name) {
                close_to_others(Path::new(&name), &there);
            }
        }
        Ok(Self { path: path.to_owned(), identity: identity(&opened) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file that is open is the one at its path.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let what = match std::fs::metadata(&self.path) {
            Ok(there) if identity(&there) == self.identity => return Ok(()),
            Ok(_) => "was replaced",
            Err(error) if error.kind() == io::ErrorKind::NotFound => "was removed",
            Err(error) => return Err(StoreError::new("could not be used", &error)),
        };
        let path = self.path.display();
        let why = format!("{path} {what} while Amarre has it open: stop Amarre, put the file back, start Amarre");
        Err(StoreError::because("could not be used", why))
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// About a file of another user its owner decides.
fn close_to_others(path: &Path, file: &Metadata) {
    if file.permissions().mode() & 0o777 & !PRIVATE != 0 {
        let _ = std::fs::set_permissions(path, Permissions::from_mode(PRIVATE));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ledger::Ledger;
    use amarre_core::model::Timestamp;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn its_files_are_closed_to_others_at_each_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("amarre.db");
        let files = ["", "-wal", "-shm"].map(|end| folder.path().join(format!("amarre.db{end}")));
        let ledger = Ledger::open(&path).await.unwrap();
        ledger.begin_run("a", Timestamp(1)).await.unwrap();
        for file in &files {
            assert_eq!(mode(file), PRIVATE, "{}", file.display());
            std::fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
        }
        // Another process, after a crash: what SQLite wrote beside it is still there.
        let again = Ledger::open(&path).await.unwrap();
        again.begin_run("b", Timestamp(2)).await.unwrap();
        for file in &files {
            assert_eq!(mode(file), PRIVATE, "{}", file.display());
        }
    }

    #[tokio::test]
    async fn a_file_that_was_removed_or_replaced_is_no_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("amarre.db"), folder.path().join("aside.db"));
        let ledger = Ledger::open(&path).await.unwrap();
        std::fs::rename(&path, &aside).unwrap();
        let error = ledger.facts().await.unwrap_err().to_string();
        assert!(error.contains("was removed") && error.contains("put the file back"), "{error}");
        assert!(ledger.begin_run("a", Timestamp(1)).await.is_err());
        assert!(ledger.set_meta("tried", "1").await.is_err(), "it does not pass for well again");
        assert!(!path.exists(), "no empty one takes its place");
        std::fs::write(&path, "").unwrap();
        assert!(ledger.facts().await.unwrap_err().to_string().contains("was replaced"));
        std::fs::rename(&aside, &path).unwrap();
        ledger.begin_run("b", Timestamp(2)).await.unwrap();
    }
}
