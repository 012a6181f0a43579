//! A commit's files as a snapshot. Nothing is written to a disk: a tree is read, object by object, so links and names
//! have no effect here.

use std::sync::Arc;

use git2::{Commit, ObjectType, Oid, Repository, Tree};

use crate::source::{Snapshot, SourceNote};
use amarre_core::model::source::{is_env_file, is_manifest};
use amarre_core::model::{self, Asset, Assets, History, Timestamp};

/// With more files it is the wrong folder.
const FILES_MAX: usize = 10_000;
/// Examined entries, files or not.
const ENTRIES_MAX: usize = 100_000;
/// The depth limit.
const DEPTH_MAX: usize = 8;
/// Larger files are cut here. The reader refuses a larger manifest, which is given one byte more.
pub(super) const FILE_BYTES_MAX: usize = 1024 * 1024;
/// All files together.
const SOURCE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Reported one by one; a repository with more of them has them everywhere.
const NOTES_MAX: usize = 50;
/// The longest shown name or subject.
const WORDS_CHARS_MAX: usize = 100;

const LINK: i32 = 0o120000;
const SUBMODULE: i32 = 0o160000;
const EXECUTABLE: i32 = 0o100755;

/// Why a commit is no usable revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UnfitCommit {
    /// The folder is not in it.
    NoFolder,
    /// It exceeds a limit.
    TooMuch(String),
    /// An object is missing or broken.
    Broken(String),
}

impl From<git2::Error> for UnfitCommit {
    fn from(error: git2::Error) -> Self {
        UnfitCommit::Broken(error.message().to_owned())
    }
}

/// All files below `folder` (empty: of the whole repository).
pub(super) fn snapshot(
    repository: &Repository,
    commit: Oid,
    folder: &str,
    label: &str,
) -> Result<Snapshot, UnfitCommit> {
    let commit = repository.find_commit(commit)?;
    let root = commit.tree()?;
    let tree = match folder {
        "" => root,
        folder => {
            let entry = root.get_path(std::path::Path::new(folder)).map_err(|_| UnfitCommit::NoFolder)?;
            if entry.kind() != Some(ObjectType::Tree) {
                return Err(UnfitCommit::NoFolder);
            }
            repository.find_tree(entry.id())?
        }
    };
    let mut walk =
        Walk { repository, files: Vec::new(), assets: Assets::new(), notes: Vec::new(), entries: 0, bytes: 0 };
    walk.folder(&tree, folder, 0)?;
    walk.files.sort();
    Ok(Snapshot {
        revision: commit.id().to_string(),
        label: label.to_owned(),
        is_branch: false,
        files: walk.files,
        assets: walk.assets,
        commit: Some(describe(&commit)),
        history: History::default(),
        notes: walk.notes,
    })
}

/// A commit for people.
pub(super) fn describe(commit: &Commit<'_>) -> model::Commit {
    let subject = String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned();
    let author = String::from_utf8_lossy(commit.author().name_bytes()).into_owned();
    model::Commit {
        id: commit.id().to_string(),
        subject: shown(&subject),
        author: shown(&author),
        at: Timestamp(commit.time().seconds().saturating_mul(1000)),
    }
}

/// Foreign text, without control characters and without marks that change its direction.
pub(super) fn shown(text: &str) -> String {
    let obeyed = |char: char| {
        char.is_control() || matches!(char, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let clean: String = text.chars().map(|char| if obeyed(char) { '?' } else { char }).take(WORDS_CHARS_MAX).collect();
    if text.chars().nth(WORDS_CHARS_MAX).is_some() { format!("{clean}…") } else { clean }
}

struct Walk<'a> {
    repository: &'a Repository,
    files: Vec<(String, String)>,
    assets: Assets,
    notes: Vec<SourceNote>,
    entries: usize,
    bytes: usize,
}

impl Walk<'_> {
    fn folder(&mut self, tree: &Tree<'_>, path: &str, depth: usize) -> Result<(), UnfitCommit> {
        if depth > DEPTH_MAX {
            return Err(UnfitCommit::TooMuch(format!("{} is more than {DEPTH_MAX} folders deep", shown(path))));
        }
        for entry in tree.iter() {
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return Err(UnfitCommit::TooMuch(format!("it holds more than {ENTRIES_MAX} files and folders")));
            }
            let Some(name) = name(entry.name_bytes()) else {
                let name = shown(&String::from_utf8_lossy(entry.name_bytes()));
                self.add_note(
                    path,
                    &name,
                    "its name is none that a file should have",
                    "rename it with letters, digits, `.`, `_` and `-`",
                );
                continue;
            };
            if name.starts_with('.') && !is_env_file(name) {
                continue;
            }
            let full = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            match (entry.filemode(), entry.kind()) {
                (LINK, _) => {
                    self.add_note(path, name, "a symbolic link is not followed", "put the file itself there");
                }
                (SUBMODULE, _) => {
                    self.add_note(path, name, "a submodule is not followed", "put its files there, or leave it out");
                }
                (_, Some(ObjectType::Tree)) => {
                    let below = self.repository.find_tree(entry.id())?;
                    self.folder(&below, &full, depth + 1)?;
                }
                (mode, Some(ObjectType::Blob)) => self.file(full, entry.id(), mode == EXECUTABLE)?,
                (_, _) => self.add_note(path, name, "it is neither file nor folder", "leave it out"),
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, id: Oid, executable: bool) -> Result<(), UnfitCommit> {
        if self.files.len() + self.assets.len() >= FILES_MAX {
            return Err(UnfitCommit::TooMuch(format!("it holds more than {FILES_MAX} files")));
        }
        // The size is checked first, so that a file that is too large is never in memory.
        let (size, _) = self.repository.odb()?.read_header(id)?;
        if is_manifest(&path) {
            // The reader reports a file that is one byte too large.
            let text = if size > FILE_BYTES_MAX { " ".repeat(FILE_BYTES_MAX + 1) } else { self.text(id)? };
            self.bytes += text.len();
            self.files.push((path, text));
        } else {
            let fits = size <= FILE_BYTES_MAX && self.bytes + size <= SOURCE_BYTES_MAX;
            let bytes = if fits { Some(Arc::from(self.repository.find_blob(id)?.content())) } else { None };
            self.bytes += if fits { size } else { 0 };
            let size = u64::try_from(size).unwrap_or(u64::MAX);
            self.assets.insert(path, Asset { bytes, size, executable });
        }
        if self.bytes > SOURCE_BYTES_MAX {
            return Err(UnfitCommit::TooMuch(format!(
                "its manifests are more than {} MiB",
                SOURCE_BYTES_MAX / 1024 / 1024
            )));
        }
        Ok(())
    }

    /// Bytes that are no UTF-8 become characters that the reader refuses, with their place.
    fn text(&self, id: Oid) -> Result<String, UnfitCommit> {
        Ok(String::from_utf8_lossy(self.repository.find_blob(id)?.content()).into_owned())
    }

    fn add_note(&mut self, path: &str, name: &str, message: &str, hint: &str) {
        if self.notes.len() >= NOTES_MAX {
            return;
        }
        let file = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        self.notes.push(SourceNote { code: "A0308", file, message: message.to_owned(), hint: hint.to_owned() });
    }
}

/// A name that a file may have on a disk, in UTF-8 and without control characters.
fn name(bytes: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(bytes).ok()?;
    let is_odd =
        name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) || shown(name) != name;
    (!is_odd).then_some(name)
}
