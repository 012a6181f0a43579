//! A commit's files as a snapshot. Nothing is written to a disk: a tree is read, object by object, so links and names
//! have no effect here.

use std::sync::Arc;

use git2::{Commit, ObjectType, Oid, Repository, Tree, TreeEntry};

use crate::source::parts::{DEPTH_MAX, FILE_BYTES_MAX, Found, FoundFile, HIDDEN_FILES_MAX, NO_ROOM};
use crate::source::{Snapshot, SourceNote};
use amarre_core::model::source::{is_known_hidden, is_manifest, is_no_content};
use amarre_core::model::{self, Asset, Assets, Code, History, NotRead, Timestamp, words};

/// As [`FILE_BYTES_MAX`], in memory.
pub(super) const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Reported one by one; a repository with more of them has them everywhere.
const NOTES_MAX: usize = 50;
/// What lies beside the folder that is followed, and is known by name.
const BESIDE_MAX: usize = 1_000;
/// The longest path that a system follows.
const LINK_BYTES_MAX: usize = 4_096;
/// The longest shown name or subject.
const WORDS_CHARS_MAX: usize = 100;

pub(super) const LINK: i32 = 0o120000;
pub(super) const SUBMODULE: i32 = 0o160000;
pub(super) const EXECUTABLE: i32 = 0o100755;

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
    let beside = beside(repository, &root, folder);
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
    let mut walk = Walk { repository, label: folder, found: Found::default(), notes: Vec::new() };
    walk.folder(&tree, "", 0)?;
    let (mut files, mut assets) = (Vec::new(), beside);
    for file in walk.found.take_files() {
        let path = shown_path(folder, &file.path);
        if file.is_manifest && !file.has_room {
            walk.found.leave_out(&file.path, NO_ROOM.to_owned());
        } else if file.is_manifest {
            files.push((path, text(repository, &file)?));
        } else {
            assets.insert(path, asset(repository, &file)?);
        }
    }
    for (path, why) in walk.found.marks() {
        assets.insert(shown_path(folder, path), Asset::unread(why.clone()));
    }
    files.sort();
    walk.notes.extend(walk.found.notes(folder));
    Ok(Snapshot {
        revision: commit.id().to_string(),
        label: label.to_owned(),
        is_branch: false,
        files,
        assets,
        commit: Some(describe(&commit)),
        history: History::default(),
        notes: walk.notes,
        apps: String::new(),
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

/// Foreign text, with a sign in place of what is obeyed.
pub(super) fn shown(text: &str) -> String {
    words::cut(&words::masked(text), WORDS_CHARS_MAX)
}

/// Bytes that are no UTF-8 become characters that the reader refuses, with their place. A file that is too large is never in
/// memory; the reader reports one that is one byte too large.
fn text(repository: &Repository, file: &FoundFile<FoundBlob>) -> Result<String, UnfitCommit> {
    if file.size > FILE_BYTES_MAX {
        return Ok(" ".repeat(TEXT_BYTES_MAX + 1));
    }
    Ok(String::from_utf8_lossy(repository.find_blob(file.at.id)?.content()).into_owned())
}

fn asset(repository: &Repository, file: &FoundFile<FoundBlob>) -> Result<Asset, UnfitCommit> {
    let fits = file.has_room && file.size <= FILE_BYTES_MAX;
    let bytes = if fits { Ok(Arc::from(repository.find_blob(file.at.id)?.content())) } else { Err(NotRead::TooLarge) };
    Ok(Asset { bytes, size: file.size, executable: file.at.is_executable })
}

pub(super) fn shown_path(folder: &str, path: &str) -> String {
    match (folder, path) {
        ("", path) => path.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    }
}

/// What lies in the repository beside the folder that is followed: a path to it leads to what is not read.
fn beside(repository: &Repository, root: &Tree<'_>, folder: &str) -> Assets {
    let mut beside = Assets::new();
    let (mut tree, mut above) = (root.clone(), String::new());
    for part in folder.split('/').filter(|part| !part.is_empty()) {
        let others = tree.iter().filter_map(|entry| Some(name(entry.name_bytes())?.to_owned()));
        for other in others.filter(|other| other != part && !is_no_content(other)).take(BESIDE_MAX) {
            beside.insert(shown_path(&above, &other), Asset::unread(NotRead::BesideFolder(folder.to_owned())));
        }
        let below = tree.get_name(part).and_then(|entry| repository.find_tree(entry.id()).ok());
        let Some(below) = below else { break };
        above = shown_path(&above, part);
        tree = below;
    }
    beside
}

struct Walk<'a> {
    repository: &'a Repository,
    /// The folder that is followed.
    label: &'a str,
    found: Found<FoundBlob>,
    notes: Vec<SourceNote>,
}

struct FoundBlob {
    id: Oid,
    is_executable: bool,
}

impl Walk<'_> {
    fn folder(&mut self, tree: &Tree<'_>, path: &str, depth: usize) -> Result<(), UnfitCommit> {
        if depth > DEPTH_MAX {
            self.found.leave_out(path, format!("it is more than {DEPTH_MAX} folders deep"));
            return Ok(());
        }
        for entry in tree.iter() {
            let Some(name) = name(entry.name_bytes()) else {
                let name = shown(&String::from_utf8_lossy(entry.name_bytes()));
                self.note(SourceNote::odd_name(self.shown_as(path, &name)));
                continue;
            };
            if is_no_content(name) {
                continue;
            }
            let full = shown_path(path, name);
            if self.mark(&entry, (path, name))? {
                continue;
            }
            let is_folder = entry.kind() == Some(ObjectType::Tree);
            let is_as_others = is_known_hidden(name) && !is_folder;
            if name.starts_with('.') && !is_as_others {
                let mut files = Vec::new();
                self.hidden(&entry, &full, depth, &mut files)?;
                self.found.add_hidden(&full, files);
                continue;
            }
            if !self.found.enter(&full, is_folder).map_err(UnfitCommit::TooMuch)? {
                continue;
            }
            if is_folder {
                let below = self.repository.find_tree(entry.id())?;
                self.folder(&below, &full, depth + 1)?;
            } else {
                let (path, size, blob) = self.file(&entry, full)?;
                self.found.add(path, size, blob);
            }
        }
        Ok(())
    }

    fn file(&self, entry: &TreeEntry<'_>, path: String) -> Result<(String, u64, FoundBlob), UnfitCommit> {
        let (size, _) = self.repository.odb()?.read_header(entry.id())?;
        let blob = FoundBlob { id: entry.id(), is_executable: entry.filemode() == EXECUTABLE };
        Ok((path, u64::try_from(size).unwrap_or(u64::MAX), blob))
    }

    /// Marks what is known by name only; answers whether it is.
    fn mark(&mut self, entry: &TreeEntry<'_>, (path, name): (&str, &str)) -> Result<bool, UnfitCommit> {
        let why = match (entry.filemode(), entry.kind()) {
            (LINK, _) => {
                let blob = self.repository.find_blob(entry.id())?;
                let target = &blob.content()[..blob.content().len().min(LINK_BYTES_MAX)];
                // What manifests name is followed by whoever reads them; a manifest itself is never a link.
                if is_manifest(name) && !name.starts_with('.') {
                    self.add_note(path, name, "a symbolic link is no manifest", "put the file itself there");
                }
                NotRead::Link(words::masked(&String::from_utf8_lossy(target)))
            }
            (SUBMODULE, _) => {
                self.add_note(path, name, "a submodule is not followed", "put its files there, or leave it out");
                NotRead::Submodule
            }
            (_, Some(ObjectType::Tree | ObjectType::Blob)) => return Ok(false),
            (_, _) => {
                self.add_note(path, name, "it is neither file nor folder", "leave it out");
                NotRead::Special
            }
        };
        self.found.mark(shown_path(path, name), why);
        Ok(true)
    }

    /// A hidden file, or all files of a hidden folder, few as they must be.
    fn hidden(
        &mut self,
        entry: &TreeEntry<'_>,
        path: &str,
        depth: usize,
        files: &mut Vec<(String, u64, FoundBlob)>,
    ) -> Result<(), UnfitCommit> {
        if entry.kind() != Some(ObjectType::Tree) {
            files.push(self.file(entry, path.to_owned())?);
            return Ok(());
        }
        if depth >= DEPTH_MAX {
            self.found.mark(path.to_owned(), NotRead::HiddenFolder);
            return Ok(());
        }
        for entry in self.repository.find_tree(entry.id())?.iter() {
            if files.len() > HIDDEN_FILES_MAX {
                break;
            }
            let Some(name) = name(entry.name_bytes()).filter(|name| !is_no_content(name)) else { continue };
            if !self.mark(&entry, (path, name))? {
                self.hidden(&entry, &shown_path(path, name), depth + 1, files)?;
            }
        }
        Ok(())
    }

    fn add_note(&mut self, path: &str, name: &str, message: &str, hint: &str) {
        let (file, message, hint) = (self.shown_as(path, name), message.to_owned(), hint.to_owned());
        self.note(SourceNote { code: Code::A0308, file, message, hint, is_unread: false });
    }

    fn shown_as(&self, path: &str, name: &str) -> String {
        shown_path(self.label, &shown_path(path, name))
    }

    fn note(&mut self, note: SourceNote) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        }
    }
}

/// A name that a file may have on a disk, in UTF-8 and without control characters.
fn name(bytes: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(bytes).ok()?;
    let is_odd =
        name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) || !words::is_clean(name);
    (!is_odd).then_some(name)
}
