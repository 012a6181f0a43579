//! A folder of manifests and of the files beside them. Follows no links, sees no hidden names but `.env`; everything is
//! bounded. A file beside the manifests that is too large, or beyond what a source may hold, is known by name only.
//!
//! A folder on a share that went away may never answer: it is read on another thread, with a time limit, and not read
//! again before that reading has ended.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::edit::{self, Edit};
use super::{Snapshot, SourceError};
use amarre_core::model::source::{is_env_file, is_manifest};
use amarre_core::model::{Asset, Assets, Hint, History};

/// With more manifests it is the wrong folder.
const FILES_MAX: usize = 10_000;
/// With more files beside them it is, too: data of a service, or source code.
const ASSETS_MAX: usize = 20_000;
/// Files for containers are configuration.
const ASSET_BYTES_MAX: u64 = 1024 * 1024;
/// All of them are held in memory; files beyond it, by path, are known by name only.
const ASSETS_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// A manifest is read up to its limit plus one byte, so that the reader can say that it is too large.
const FILE_BYTES_MAX: u64 = 1024 * 1024 + 1;
/// The depth limit.
const DEPTH_MAX: usize = 8;
/// The largest folder is read from a disk in a second or two.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The wait of a page for the write check: a disk answers within milliseconds.
const TRY_TIMEOUT: Duration = Duration::from_secs(1);
/// A late reading is polled in each pass, and no pass waits long for it.
const ASKED_AGAIN: Duration = Duration::from_millis(50);

/// A running reading.
type FolderReading = JoinHandle<Result<Snapshot, SourceError>>;

/// A folder on this machine.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    /// Files and folders in it that are no part of the source.
    apart: BTreeSet<PathBuf>,
    /// A late reading that has not ended.
    late: Arc<Mutex<Option<FolderReading>>>,
}

impl Folder {
    /// A folder; it need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), apart: BTreeSet::new(), late: Arc::default() }
    }

    /// Excludes these: Amarre's own files, if the folder holds its configuration too. Excluded files are delivered into
    /// no container.
    #[must_use]
    pub fn excluding(self, own: BTreeSet<PathBuf>) -> Self {
        let apart = own.into_iter().filter(|path| *path != self.path).collect();
        Self { apart, ..self }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The prefix of paths in it, as they are shown.
    pub fn label(&self) -> String {
        self.path.file_name().map_or_else(|| ".".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// Writes a change of one file.
    ///
    /// # Errors
    /// The file has changed meanwhile, or the folder cannot be written.
    pub async fn write(&self, edit: Edit) -> Result<(), SourceError> {
        let (root, label) = (self.path.clone(), self.label());
        let done = tokio::task::spawn_blocking(move || edit::write(&root, &label, &edit)).await;
        done.unwrap_or_else(|_| Err(edit::unwritable("it broke", "see the log")))
    }

    /// Why a file, as shown, cannot be written; `None`: it can, or the folder gives no answer in time.
    pub async fn unwritable(&self, shown: &str) -> Option<SourceError> {
        let (root, label, shown) = (self.path.clone(), self.label(), shown.to_owned());
        let trying = tokio::task::spawn_blocking(move || edit::unwritable_for(&root, &label, &shown));
        tokio::time::timeout(TRY_TIMEOUT, trying).await.ok()?.ok()?
    }

    /// As [`Folder::read`], on another thread.
    ///
    /// # Errors
    /// As there, or it does not answer in time.
    pub async fn read_in_time(&self) -> Result<Snapshot, SourceError> {
        let folder = self.clone();
        self.in_time(READ_TIMEOUT, || tokio::task::spawn_blocking(move || folder.read())).await
    }

    async fn in_time(&self, limit: Duration, begin: impl FnOnce() -> FolderReading) -> Result<Snapshot, SourceError> {
        let mut late = self.late.lock().await;
        // The result of a late reading may be out of date.
        let (mut reading, limit) = match late.take().filter(|reading| !reading.is_finished()) {
            Some(reading) => (reading, ASKED_AGAIN),
            None => (begin(), limit),
        };
        match tokio::time::timeout(limit, &mut reading).await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => {
                tracing::error!("a bug in Amarre, the folder of manifests could not be read: {error}");
                Err(self.failed("reading it broke, see the log".to_owned()))
            }
            Err(_) => {
                *late = Some(reading);
                Err(self.failed(format!("it gave no answer within {} s", READ_TIMEOUT.as_secs())))
            }
        }
    }

    fn failed(&self, why: String) -> SourceError {
        let message = format!("the folder {} could not be read: {why}", self.path.display());
        SourceError::new("A0301", message, Hint::text("make the folder, or correct `source.folder`"))
    }

    /// Reads every manifest, and every file beside them.
    ///
    /// # Errors
    /// The folder is missing, holds too much, or a manifest in it cannot be read: all or nothing, for an omitted file
    /// would look like a deleted manifest.
    pub fn read(&self) -> Result<Snapshot, SourceError> {
        let failed = |why: String| self.failed(why);
        let mut found = FolderFiles::default();
        if let Err(error) = std::fs::read_dir(&self.path) {
            return Err(failed(error.to_string()));
        }
        collect(&self.path, &self.apart, 0, &mut found).map_err(failed)?;
        found.manifests.sort();
        found.others.sort();
        let label = self.label();
        let shown = |path: &Path| path.strip_prefix(&self.path).unwrap_or(path).to_string_lossy().into_owned();
        let mut digest = Sha256::new();
        let mut files = Vec::new();
        for path in found.manifests {
            let bytes = read_bounded(&path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
            let relative = shown(&path);
            digest.update(relative.as_bytes());
            digest.update([0]);
            digest.update(&bytes);
            digest.update([0]);
            // Bytes that are no UTF-8 become characters that the reader refuses, with their place.
            files.push((format!("{label}/{relative}"), String::from_utf8_lossy(&bytes).into_owned()));
        }
        let mut assets = Assets::new();
        let mut left = ASSETS_BYTES_MAX;
        for path in found.others {
            let Some(asset) = read_asset(&path, left) else { continue };
            let relative = shown(&path);
            left -= asset.bytes.as_ref().map_or(0, |_| asset.size);
            digest.update(relative.as_bytes());
            digest.update([0, u8::from(asset.executable), u8::from(asset.bytes.is_some())]);
            digest.update(asset.size.to_be_bytes());
            digest.update(asset.bytes.as_deref().unwrap_or_default());
            assets.insert(format!("{label}/{relative}"), asset);
        }
        Ok(Snapshot {
            revision: hex::encode(&digest.finalize()[..20]),
            label,
            is_branch: false,
            files,
            assets,
            commit: None,
            history: History::default(),
            notes: Vec::new(),
        })
    }
}

/// Files of the folder.
#[derive(Default)]
struct FolderFiles {
    manifests: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

fn collect(folder: &Path, apart: &BTreeSet<PathBuf>, depth: usize, found: &mut FolderFiles) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("{} is more than {DEPTH_MAX} folders deep", folder.display()));
    }
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, kind) = (entry.file_name(), entry.file_type().map_err(failed)?);
        let name = name.to_string_lossy();
        let is_hidden = name.starts_with('.') && !(kind.is_file() && is_env_file(&name));
        if is_hidden || kind.is_symlink() || apart.contains(&entry.path()) {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), apart, depth + 1, found)?;
        } else if kind.is_file() && is_manifest(&name) {
            found.manifests.push(entry.path());
        } else if kind.is_file() {
            found.others.push(entry.path());
        }
        if found.manifests.len() > FILES_MAX {
            return Err(format!("it holds more than {FILES_MAX} manifests"));
        }
        if found.others.len() > ASSETS_MAX {
            return Err(format!("it holds more than {ASSETS_MAX} files beside the manifests"));
        }
    }
    Ok(())
}

/// A file beside the manifests; `None` when it is gone by now. An unreadable one is known by name only, so that it
/// never looks deleted.
fn read_asset(path: &Path, left: u64) -> Option<Asset> {
    use std::io::Read;
    let unread = Asset { bytes: None, size: 0, executable: false };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(_) => return Some(unread),
    };
    let Ok(metadata) = file.metadata() else { return Some(unread) };
    let executable = metadata.permissions().mode() & 0o111 != 0;
    let size = metadata.len();
    let limit = ASSET_BYTES_MAX.min(left);
    if size > limit {
        return Some(Asset { bytes: None, size, executable });
    }
    let mut bytes = Vec::new();
    // One byte more than its size: a file that grows meanwhile is noticed.
    let Ok(read) = file.take(limit + 1).read_to_end(&mut bytes) else { return Some(Asset { size, ..unread }) };
    let bytes = (read as u64 <= limit).then(|| bytes.into());
    Some(Asset { bytes, size: read as u64, executable })
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_that_does_not_answer_is_asked_once_and_read_again_when_it_does() {
        let folder = Folder::new(Path::new("/srv/services"));
        let (answer, hanging) = tokio::sync::oneshot::channel::<()>();
        let hangs = || {
            tokio::spawn(async move {
                let _ = hanging.await;
                Ok(Snapshot { revision: "old".to_owned(), ..Snapshot::default() })
            })
        };
        let late = folder.in_time(Duration::ZERO, hangs).await.unwrap_err();
        assert!(late.code == "A0301" && late.message.contains("no answer within 30 s"), "{late:?}");
        for _ in 0..3 {
            let still = folder.clone().in_time(READ_TIMEOUT, || unreachable!("begun twice")).await;
            assert_eq!(still.unwrap_err().code, "A0301");
        }
        drop(answer);
        while !folder.late.lock().await.as_ref().unwrap().is_finished() {
            tokio::task::yield_now().await;
        }
        let fresh = || tokio::spawn(async { Ok(Snapshot { revision: "new".to_owned(), ..Snapshot::default() }) });
        assert_eq!(folder.in_time(READ_TIMEOUT, fresh).await.unwrap().revision, "new");
        let broken = folder.in_time(READ_TIMEOUT, || tokio::spawn(async { unreachable!("what a bug is") })).await;
        assert_eq!(broken.unwrap_err().code, "A0301");
    }

    #[test]
    fn links_and_hidden_names_are_not_followed() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret.yaml"), "a: 1").unwrap();
        for name in ["one.yaml", ".hidden.yaml", "note.txt"] {
            std::fs::write(inside.path().join(name), "b: 2").unwrap();
        }
        std::os::unix::fs::symlink(outside.path(), inside.path().join("linked")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.yaml"), inside.path().join("linked.yaml")).unwrap();
        let read = Folder::new(inside.path()).read().unwrap();
        assert_eq!(read.files.len(), 1, "{:?}", read.files);
        assert!(read.files.iter().all(|(path, text)| path.ends_with("/one.yaml") && text == "b: 2"));
        let assets: Vec<&String> = read.assets.keys().collect();
        assert!(assets.len() == 1 && assets[0].ends_with("/note.txt"), "{assets:?}");
    }

    #[test]
    fn files_beside_the_manifests_are_read_within_limits_and_change_the_revision() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("one.yaml", b"a: 1");
        write("compose.yaml", b"services: {}");
        write(".env", b"A=1");
        write("run.sh", b"\xff");
        std::fs::set_permissions(folder.path().join("run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
        write("large.bin", &vec![0; 1024 * 1024 + 1]);
        let read = Folder::new(folder.path()).read().unwrap();
        assert_eq!(read.files.len(), 1);
        let of = |name: &str| read.assets[&format!("{}/{name}", read.label)].clone();
        assert_eq!(of(".env").bytes.as_deref(), Some(b"A=1".as_slice()));
        assert_eq!(of("compose.yaml").size, 12);
        assert_eq!((of("run.sh").bytes.as_deref(), of("run.sh").executable), (Some(b"\xff".as_slice()), true));
        assert_eq!((of("large.bin").bytes, of("large.bin").size), (None, 1024 * 1024 + 1));
        let mut revisions = vec![read.revision.clone()];
        write(".env", b"A=2");
        revisions.push(Folder::new(folder.path()).read().unwrap().revision);
        std::fs::set_permissions(folder.path().join("run.sh"), std::fs::Permissions::from_mode(0o644)).unwrap();
        revisions.push(Folder::new(folder.path()).read().unwrap().revision);
        revisions.sort();
        revisions.dedup();
        assert_eq!(revisions.len(), 3);
    }

    /// An omitted part would look like deleted manifests.
    #[test]
    fn a_folder_that_is_too_deep_is_not_read_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let mut path = folder.path().to_owned();
        path.extend((0..=DEPTH_MAX).map(|level| level.to_string()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(folder.path().join("one.yaml"), "a: 1").unwrap();
        let error = Folder::new(folder.path()).read().unwrap_err();
        assert!(error.to_string().contains("deep"), "{error}");
    }
}
