//! The room on the disk of the ledger: a full one is said by name, before what SQLite says of it.

use std::path::{Path, PathBuf};

/// With less room than this SQLite cannot write what one pass records.
const ROOM_BYTES_MIN: u64 = 256 * 1024;
/// With less room than this the disk is soon full: a day of runs and events takes about as much.
const ROOM_BYTES_LOW: u64 = 32 * 1024 * 1024;

/// The room on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskRoom {
    folder: PathBuf,
    free: u64,
    size: u64,
    has_inodes: bool,
}

impl DiskRoom {
    /// The room where a file is, or would be; `None`: it cannot be asked for.
    pub fn beside(file: &Path) -> Option<Self> {
        let folder = std::path::absolute(file).ok()?.parent()?.to_owned();
        let stat = rustix::fs::statvfs(&folder).ok()?;
        // What is kept for root is room for root alone.
        let is_root = rustix::process::geteuid().is_root();
        let blocks = if is_root { stat.f_bfree } else { stat.f_bavail };
        let has_inodes = stat.f_files == 0 || stat.f_favail > 0;
        Some(Self { folder, free: blocks * stat.f_frsize, size: stat.f_blocks * stat.f_frsize, has_inodes })
    }

    /// Whether nothing more can be written.
    pub fn is_full(&self) -> bool {
        self.free < ROOM_BYTES_MIN || !self.has_inodes
    }

    /// Whether it is soon full.
    pub fn is_low(&self) -> bool {
        self.free < ROOM_BYTES_LOW
    }

    /// `the disk of /var/lib/amarre is full: 0 MiB of 20480 MiB are free`
    pub fn text(&self) -> String {
        let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
        let (folder, free, size) = (self.folder.display(), mebibytes(self.free), mebibytes(self.size));
        match (self.is_full(), self.has_inodes) {
            (true, false) => {
                format!("the disk of {folder} is full: it takes no more files, with {free} of {size} free")
            }
            (true, true) => format!("the disk of {folder} is full: {free} of {size} are free"),
            (false, _) => format!("the disk of {folder} is nearly full: {free} of {size} are free"),
        }
    }

    /// What to do.
    pub fn hint(&self) -> String {
        format!("make room there: df -h {}; what runs goes on running", self.folder.display())
    }
}
