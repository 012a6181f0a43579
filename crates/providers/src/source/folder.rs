//! A folder of manifests and of the files beside them; everything is bounded ([`super::parts`]). A link, and a file beside
//! the manifests that is too large, or beyond what a source may hold, is known by name only. No manifest is hidden or a link.
//!
//! A folder on a share that went away may never answer: it is read on another thread, with a time limit, and not read
//! again before that reading has ended. While each file is the same by name, size, times and inode, no file is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirEntry, FileType, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::edit::{self, Edit};
use super::parts::{DEPTH_MAX, FILE_BYTES_MAX, Found, FoundFile, HIDDEN_FILES_MAX, NO_ROOM};
use super::{Snapshot, SourceError};
use amarre_core::model::source::{is_known_hidden, is_no_content};
use amarre_core::model::{Asset, Assets, Code, Hint, History, NotRead, words};

/// The largest folder is read from a disk in a second or two.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The wait of a page for the write check: a disk answers within milliseconds.
const TRY_TIMEOUT: Duration = Duration::from_secs(1);
/// A file that goes on changing is taken as it is after this time.
const SETTLES_MAX: Duration = Duration::from_secs(2);
/// A file that was changed within this time may still be in the middle of being written.
const SETTLED_AFTER: Duration = Duration::from_millis(100);
/// A file that was changed within this time before it was read may change again within the same step of its clock, and then
/// look as it did: some clocks of files count two seconds at a time.
const SURELY_SETTLED_AFTER: Duration = Duration::from_secs(3);
/// The number of times that the last reading is used again. Then all is read, whatever a share says of its files.
const KEPT_TIMES: u32 = 100;
/// A late reading is polled in each pass, and no pass waits long for it.
const ASKED_AGAIN: Duration = Duration::from_millis(50);

/// A running reading.
type FolderReading = JoinHandle<Result<Snapshot, SourceError>>;

/// A folder on this machine.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    /// Files and folders in it that are no part of the source.
    apart: Arc<BTreeSet<PathBuf>>,
    /// A late reading that has not ended.
    late: Arc<Mutex<Option<FolderReading>>>,
    kept: Arc<std::sync::Mutex<Option<KeptSnapshot>>>,
}

/// What was read last, and the files that it was read from.
#[derive(Debug)]
struct KeptSnapshot {
    from: Vec<(PathBuf, FileState)>,
    marks: BTreeMap<String, NotRead>,
    snapshot: Snapshot,
    times: u32,
}

impl Folder {
    /// A folder; it need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), apart: Arc::default(), late: Arc::default(), kept: Arc::default() }
    }

    /// Excludes these: Amarre's own files, if the folder holds its configuration too. Excluded files are delivered into
    /// no container.
    #[must_use]
    pub fn excluding(self, own: BTreeSet<PathBuf>) -> Self {
        let apart = own.into_iter().filter(|path| *path != self.path).collect();
        Self { apart: Arc::new(apart), ..self }
    }

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
        SourceError::new(Code::A0301, message, Hint::text("make the folder, or correct `source.folder`"))
    }

    /// Reads every manifest, and every file beside them. What cannot be read is noted: an omitted file would look like a
    /// deleted manifest. So would the rest of one that is half written: what was changed just now is read again until it
    /// stays as it is, for two seconds at most.
    ///
    /// # Errors
    /// The folder is missing, or holds too much that lies in no folder of its own.
    pub fn read(&self) -> Result<Snapshot, SourceError> {
        self.read_settled(SETTLED_AFTER, || std::thread::sleep(SETTLED_AFTER))
    }

    /// The same. `fresh_for`: how long a change is one of just now.
    fn read_settled(&self, fresh_for: Duration, mut wait: impl FnMut()) -> Result<Snapshot, SourceError> {
        let (mut snapshot, mut fresh) = self.read_once(fresh_for)?;
        for _ in 0..SETTLES_MAX.as_millis() / SETTLED_AFTER.as_millis() {
            if fresh.is_empty() {
                break;
            }
            wait();
            if fresh.iter().all(|(path, state)| FileState::now(path).as_ref() == Some(state)) {
                break;
            }
            (snapshot, fresh) = self.read_once(fresh_for)?;
        }
        Ok(snapshot)
    }

    /// Reads all, and tells which files were changed just now, with their state before they were read.
    fn read_once(&self, fresh_for: Duration) -> Result<(Snapshot, Vec<(PathBuf, FileState)>), SourceError> {
        let failed = |why: String| self.failed(why);
        let mut found = Found::default();
        collect((&self.path, ""), &self.apart, 0, &mut found).map_err(failed)?;
        let (mut manifests, mut others): (Vec<_>, Vec<_>) =
            found.take_files().into_iter().partition(|file| file.is_manifest);
        manifests.sort_by(|left, right| left.at.0.cmp(&right.at.0));
        others.sort_by(|left, right| left.at.0.cmp(&right.at.0));
        let label = self.label();
        let all = manifests.iter().chain(&others);
        let before: Vec<(PathBuf, FileState)> = all.map(|file| file.at.clone()).collect();
        let is_whole = found.is_whole() && manifests.iter().all(|file| file.has_room);
        let marks = found.marks().clone();
        if let Some(snapshot) = self.kept(&before, &marks).filter(|_| is_whole) {
            return Ok((snapshot, Vec::new()));
        }
        let is_settled = |(path, _): &(PathBuf, FileState)| !changed_within(path, SURELY_SETTLED_AFTER);
        let is_kept = is_whole && before.iter().all(is_settled);
        let mut digest = Sha256::new();
        let mut files = Vec::new();
        for file in manifests {
            if !file.has_room {
                found.leave_out(&file.path, NO_ROOM.to_owned());
                continue;
            }
            let bytes = match read_bounded(&file.at.0) {
                Ok(bytes) => bytes,
                Err(error) => {
                    found.leave_out(&file.path, error.to_string());
                    continue;
                }
            };
            digest.update(file.path.as_bytes());
            digest.update([0]);
            digest.update(&bytes);
            digest.update([0]);
            // Bytes that are no UTF-8 become characters that the reader refuses, with their place.
            files.push((format!("{label}/{}", file.path), String::from_utf8_lossy(&bytes).into_owned()));
        }
        let mut assets = Assets::new();
        for file in others {
            let Some(asset) = read_asset(&file) else { continue };
            digest.update(file.path.as_bytes());
            digest.update([0, u8::from(asset.executable), u8::from(asset.bytes.is_ok())]);
            digest.update(asset.size.to_be_bytes());
            digest.update(asset.content().unwrap_or_default());
            assets.insert(format!("{label}/{}", file.path), asset);
        }
        for (path, why) in &marks {
            digest.update(format!("{path}\0{why:?}\0"));
            assets.insert(format!("{label}/{path}"), Asset::unread(why.clone()));
        }
        let notes = found.notes(&label);
        notes.iter().for_each(|note| digest.update(format!("\0{}\0", note.file)));
        let snapshot = Snapshot {
            revision: hex::encode(&digest.finalize()[..20]),
            label,
            is_branch: false,
            files,
            assets,
            commit: None,
            history: History::default(),
            notes,
            apps: String::new(),
        };
        // What could not be read is tried again each time.
        let known = before.len() + marks.len();
        let is_kept = is_kept && snapshot.notes.is_empty() && snapshot.files.len() + snapshot.assets.len() == known;
        let fresh = before.iter().filter(|(path, _)| changed_within(path, fresh_for)).cloned().collect();
        let kept = is_kept.then(|| KeptSnapshot { from: before, marks, snapshot: snapshot.clone(), times: 0 });
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok((snapshot, fresh))
    }

    /// What was read last, if it was read from these files.
    fn kept(&self, files: &[(PathBuf, FileState)], marks: &BTreeMap<String, NotRead>) -> Option<Snapshot> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_mut().filter(|kept| kept.times < KEPT_TIMES)?;
        if kept.from != files || kept.marks != *marks {
            return None;
        }
        kept.times += 1;
        Some(kept.snapshot.clone())
    }
}

/// By which a file that was changed is told from one that was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileState {
    size: u64,
    /// Of its content, which programs may set, and of the rest, which only the system sets: seconds and nanoseconds.
    changed: [(i64, i64); 2],
    /// Device and number.
    inode: (u64, u64),
}

impl FileState {
    const UNKNOWN: Self = Self { size: 0, changed: [(0, 0); 2], inode: (0, 0) };

    fn now(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::from)
    }
}

impl From<&Metadata> for FileState {
    fn from(of: &Metadata) -> Self {
        let changed = [(of.mtime(), of.mtime_nsec()), (of.ctime(), of.ctime_nsec())];
        Self { size: of.len(), changed, inode: (of.dev(), of.ino()) }
    }
}

/// By the clock of the files: what a share says of the future is not waited for.
fn changed_within(path: &Path, span: Duration) -> bool {
    let age = std::fs::metadata(path).and_then(|file| file.modified()).map(|modified| modified.elapsed());
    matches!(age, Ok(Ok(age)) if age < span)
}

fn collect(
    (root, relative): (&Path, &str),
    apart: &BTreeSet<PathBuf>,
    depth: usize,
    found: &mut Found<(PathBuf, FileState)>,
) -> Result<(), String> {
    if depth > DEPTH_MAX {
        found.leave_out(relative, format!("it is more than {DEPTH_MAX} folders deep"));
        return Ok(());
    }
    let entries = match std::fs::read_dir(root.join(relative)) {
        Ok(entries) => entries,
        Err(error) if depth == 0 => return Err(error.to_string()),
        Err(error) => {
            found.leave_out(relative, error.to_string());
            return Ok(());
        }
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if depth == 0 => return Err(error.to_string()),
            Err(error) => {
                found.leave_out(relative, error.to_string());
                return Ok(());
            }
        };
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = if relative.is_empty() { name.to_string() } else { format!("{relative}/{name}") };
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => {
                found.leave_out(&path, error.to_string());
                continue;
            }
        };
        if apart.contains(&entry.path()) || is_no_content(&name) {
            continue;
        }
        let is_hidden = name.starts_with('.') && !(kind.is_file() && is_known_hidden(&name));
        if !words::is_clean(&name) {
            if !is_hidden && (kind.is_dir() || kind.is_file()) {
                found.note_odd_name(&words::masked(&path));
            }
            continue;
        }
        if let Some(why) = mark(&entry.path(), (root, relative), kind) {
            found.mark(path, why);
            continue;
        }
        if is_hidden {
            let mut files = Vec::new();
            if kind.is_dir() {
                collect_hidden(root, &path, apart, depth + 1, &mut files, found)
            } else {
                files.push(found_file(&entry, path.clone()))
            }
            found.add_hidden(&path, files);
            continue;
        }
        if !found.enter(&path, kind.is_dir())? {
            continue;
        }
        if kind.is_dir() {
            collect((root, &path), apart, depth + 1, found)?;
        } else {
            let (path, size, at) = found_file(&entry, path);
            found.add(path, size, at);
        }
    }
    Ok(())
}

/// A file with what it is told from a changed one by. One that is gone by now, or cannot be asked, is found to be so when it
/// is read.
fn found_file(entry: &DirEntry, path: String) -> (String, u64, (PathBuf, FileState)) {
    let state = entry.metadata().as_ref().map_or(FileState::UNKNOWN, FileState::from);
    (path, state.size, (entry.path(), state))
}

/// Why an entry is known by name only; `None`: it is a file or a folder that is read.
fn mark(at: &Path, (root, folder): (&Path, &str), kind: FileType) -> Option<NotRead> {
    if kind.is_symlink() {
        return Some(match std::fs::read_link(at) {
            Ok(target) => NotRead::Link(written_link(&target, root, folder)),
            Err(error) => NotRead::Denied(error.to_string()),
        });
    }
    if !kind.is_dir() && !kind.is_file() {
        return Some(NotRead::Special);
    }
    (at.file_name().is_some_and(|name| name == ".git")).then_some(NotRead::GitFolder)
}

/// What a link says. An absolute path into the source is one from the folder of the link.
fn written_link(target: &Path, root: &Path, folder: &str) -> String {
    let whole = std::fs::canonicalize(root).ok();
    let inside = [Some(root), whole.as_deref()].into_iter().flatten().find_map(|root| target.strip_prefix(root).ok());
    let Some(inside) = inside else { return target.to_string_lossy().into_owned() };
    let up = folder.split('/').filter(|part| !part.is_empty()).map(|_| "../");
    up.collect::<String>() + &inside.to_string_lossy()
}

/// All files of a hidden folder, few as they must be; hidden or not.
fn collect_hidden(
    root: &Path,
    relative: &str,
    apart: &BTreeSet<PathBuf>,
    depth: usize,
    files: &mut Vec<(String, u64, (PathBuf, FileState))>,
    found: &mut Found<(PathBuf, FileState)>,
) {
    let entries = match std::fs::read_dir(root.join(relative)) {
        Ok(entries) if depth <= DEPTH_MAX => entries,
        Ok(_) => return found.mark(relative.to_owned(), NotRead::HiddenFolder),
        Err(error) => return found.mark(relative.to_owned(), NotRead::Denied(error.to_string())),
    };
    for entry in entries.flatten() {
        if files.len() > HIDDEN_FILES_MAX {
            return;
        }
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(kind) = entry.file_type() else { continue };
        if apart.contains(&entry.path()) || is_no_content(&name) || !words::is_clean(&name) {
            continue;
        }
        let path = format!("{relative}/{name}");
        match mark(&entry.path(), (root, relative), kind) {
            Some(why) => found.mark(path, why),
            None if kind.is_dir() => collect_hidden(root, &path, apart, depth + 1, files, found),
            None => files.push(found_file(&entry, path)),
        }
    }
}

/// A file beside the manifests; `None` when it is gone by now. An unreadable one is known by name only, so that it
/// never looks deleted.
fn read_asset(found: &FoundFile<(PathBuf, FileState)>) -> Option<Asset> {
    use std::io::Read;
    let denied = |error: std::io::Error| Asset::unread(NotRead::Denied(error.to_string()));
    let file = match std::fs::File::open(&found.at.0) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(denied(error)),
    };
    let metadata = match file.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Some(denied(error)),
    };
    let executable = metadata.permissions().mode() & 0o111 != 0;
    let size = metadata.len();
    // A file that has grown since it was found is read when there is room for it.
    let limit = FILE_BYTES_MAX.min(found.size);
    if size > limit || !found.has_room {
        return Some(Asset { bytes: Err(NotRead::TooLarge), size, executable });
    }
    let mut bytes = Vec::new();
    // One byte more than its size: a file that grows meanwhile is noticed.
    let read = match file.take(limit + 1).read_to_end(&mut bytes) {
        Ok(read) => read,
        Err(error) => return Some(denied(error)),
    };
    let bytes = if read as u64 <= limit { Ok(bytes.into()) } else { Err(NotRead::TooLarge) };
    Some(Asset { bytes, size: read as u64, executable })
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    // One byte more than its limit, so that the reader can say that it is too large.
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
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
        assert!(late.code == Code::A0301 && late.message.contains("no answer within 30 s"), "{late:?}");
        for _ in 0..3 {
            let still = folder.clone().in_time(READ_TIMEOUT, || unreachable!("begun twice")).await;
            assert_eq!(still.unwrap_err().code, Code::A0301);
        }
        drop(answer);
        while !folder.late.lock().await.as_ref().unwrap().is_finished() {
            tokio::task::yield_now().await;
        }
        let fresh = || tokio::spawn(async { Ok(Snapshot { revision: "new".to_owned(), ..Snapshot::default() }) });
        assert_eq!(folder.in_time(READ_TIMEOUT, fresh).await.unwrap().revision, "new");
        let broken = folder.in_time(READ_TIMEOUT, || tokio::spawn(async { unreachable!("what a bug is") })).await;
        assert_eq!(broken.unwrap_err().code, Code::A0301);
    }

    #[test]
    fn links_and_hidden_names_are_no_manifests_and_are_known() {
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
        let of = |name: &str| read.assets[&format!("{}/{name}", read.label)].bytes.clone();
        let out = |path: PathBuf| Err(NotRead::Link(path.to_string_lossy().into_owned()));
        assert_eq!(of("linked"), out(outside.path().to_owned()));
        assert_eq!(of("linked.yaml"), out(outside.path().join("secret.yaml")));
        assert!(of("note.txt").is_ok() && of(".hidden.yaml").is_ok() && read.assets.len() == 4, "{:?}", read.assets);
    }

    #[test]
    fn what_only_a_manifest_can_name_is_read_and_git_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for inner in [".git", ".conf", "web/.deep", ".venv", "data"] {
            std::fs::create_dir_all(path(inner)).unwrap();
        }
        let files = [
            ".git/config",
            ".conf/a",
            ".conf/.b",
            "web/.deep/c.yaml",
            "web/.htpasswd",
            "data/.gitkeep",
            ".one.yaml.swp",
        ];
        files.iter().for_each(|name| std::fs::write(path(name), "x").unwrap());
        (0..=HIDDEN_FILES_MAX).for_each(|number| std::fs::write(path(&format!(".venv/{number}")), "x").unwrap());
        std::os::unix::fs::symlink(path("web/.htpasswd"), path(".conf/absolute")).unwrap();
        let read = Folder::new(folder.path()).read().unwrap();
        let known: Vec<(&str, bool)> =
            read.assets.iter().map(|(path, asset)| (path.split_once('/').unwrap().1, asset.bytes.is_ok())).collect();
        let expected = [
            (".conf/.b", true),
            (".conf/a", true),
            (".conf/absolute", false),
            (".git", false),
            (".venv", false),
            ("web/.deep/c.yaml", true),
            ("web/.htpasswd", true),
        ];
        assert_eq!(known, expected);
        assert_eq!(
            read.assets[&format!("{}/.conf/absolute", read.label)].bytes,
            Err(NotRead::Link("../web/.htpasswd".to_owned()))
        );
        assert!(read.notes.is_empty() && read.files.is_empty());
        std::fs::write(path("web/.htpasswd"), "y").unwrap();
        assert_ne!(Folder::new(folder.path()).read().unwrap().revision, read.revision);
    }

    #[test]
    fn a_manifest_that_is_being_written_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.yaml");
        std::fs::write(&path, "").unwrap();
        // An editor empties a file before it writes it, and what is half written is not taken for the whole.
        let mut parts = ["a: 1\n", "a: 1\nb: 2\n"].into_iter();
        let write_on = || parts.next().into_iter().for_each(|text| std::fs::write(&path, text).unwrap());
        let read = Folder::new(folder.path()).read_settled(Duration::MAX, write_on).unwrap();
        assert_eq!(read.files[0].1, "a: 1\nb: 2\n");
    }

    /// A program can set back the time of a file's content, and not the time of its last change.
    #[test]
    fn what_was_read_is_kept_until_a_file_changes_in_any_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let long_ago = || Duration::from_secs(60);
        let write = |name: &str, text: &str| {
            std::fs::write(path(name), text).unwrap();
            let old = std::fs::metadata(path(name)).unwrap().modified().unwrap() - long_ago();
            std::fs::File::options().write(true).open(path(name)).unwrap().set_modified(old).unwrap();
        };
        write("one.yaml", "a: 1\n");
        write("run.sh", "true\n");
        let read = Folder::new(folder.path());
        let is_kept = || read.kept.lock().unwrap().as_ref().is_some_and(|kept| kept.times > 0);
        let before = read.read().unwrap();
        assert!(!is_kept());
        assert_eq!((read.read().unwrap(), is_kept()), (before, true));
        let changes: [&dyn Fn(); 5] = [
            &|| write("one.yaml", "a: 2\n"),
            &|| write("two.yaml", "a: 1\n"),
            &|| std::fs::rename(path("two.yaml"), path("three.yaml")).unwrap(),
            &|| std::fs::set_permissions(path("run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap(),
            &|| std::fs::remove_file(path("three.yaml")).unwrap(),
        ];
        for change in changes {
            change();
            let fresh = Folder::new(folder.path()).read().unwrap();
            assert_eq!((read.read().unwrap(), is_kept()), (fresh.clone(), false));
            assert_eq!((read.read().unwrap(), is_kept()), (fresh, true));
        }
        std::fs::write(path("one.yaml"), "a: 3\n").unwrap();
        read.read().unwrap();
        read.read().unwrap();
        assert!(!is_kept(), "it was changed a moment ago");
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
        assert_eq!(of(".env").content(), Some(b"A=1".as_slice()));
        assert_eq!(of("compose.yaml").size, 12);
        assert_eq!((of("run.sh").content(), of("run.sh").executable), (Some(b"\xff".as_slice()), true));
        assert_eq!((of("large.bin").bytes, of("large.bin").size), (Err(NotRead::TooLarge), 1024 * 1024 + 1));
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
    fn what_cannot_be_read_is_left_out_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut path = folder.path().to_owned();
        path.extend((0..=DEPTH_MAX).map(|level| level.to_string()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("deep.yaml"), "a: 1").unwrap();
        std::fs::write(folder.path().join("one.yaml"), "a: 1").unwrap();
        std::fs::create_dir(folder.path().join("two.yaml")).unwrap();
        let read = Folder::new(folder.path()).read().unwrap();
        assert_eq!(read.files.len(), 1, "{:?}", read.files);
        let notes: Vec<(&str, bool)> = read.notes.iter().map(|note| (note.file.as_str(), note.is_unread)).collect();
        assert_eq!(notes, [(format!("{}/0/1/2/3/4/5/6/7/8", read.label).as_str(), true)]);
    }
}
