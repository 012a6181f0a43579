//! A commit of an app's repository: what detection looks at, and its files as a tar. Trees are read object by object; no working
//! tree is ever written, so links and names have no effect here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use git2::{ObjectType, Oid, Repository, Tree, TreeEntry};

use super::tree::{EXECUTABLE, LINK, SUBMODULE, describe, shown, shown_path};
use amarre_core::apps::{Checkout, FILES_MAX, SentFiles, TEXT_BYTES_MAX, is_read};
use amarre_core::model::source::{LFS, LFS_BYTES_MAX};

/// Of all texts that detection looks at.
const TEXTS_BYTES_MAX: usize = 4 << 20;
/// Folders in folders: deeper trees are made to harm.
const DEPTH_MAX: usize = 64;
/// Of what is sent to an engine.
const CONTEXT_BYTES_MAX: u64 = 1 << 30;
/// Files that are sent.
const CONTEXT_FILES_MAX: usize = 100_000;

/// What is sent of a commit.
#[derive(Debug, Clone)]
pub struct FilesToSend {
    pub commit: String,
    /// Which folder of it; empty = all of it.
    pub folder: String,
    /// The Dockerfile in it, which is sent whatever is left out.
    pub dockerfile: Option<String>,
    /// The folder in what is sent that holds the files; empty: they are at the top.
    pub below: String,
    /// One file at the top that is sent in the place of whatever is called so: its name, and its content.
    pub beside: Option<(String, Arc<[u8]>)>,
}

/// What is known of a commit; `path` is the folder of the app.
///
/// # Errors
/// The commit cannot be read, or it has more files than are looked at.
pub(super) fn read(repository: &Repository, commit: Oid, path: &str) -> Result<Checkout, String> {
    let said = |error: git2::Error| error.message().to_owned();
    let commit = repository.find_commit(commit).map_err(said)?;
    let root = commit.tree().map_err(said)?;
    let mut trees = BTreeMap::from([(String::new(), root.id().to_string())]);
    let mut folder = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        folder = shown_path(&folder, part);
        if let Ok(entry) = root.get_path(Path::new(&folder)) {
            trees.insert(folder.clone(), entry.id().to_string());
        }
    }
    let mut found = CheckoutWalk { repository, files: BTreeMap::new(), left_out: Vec::new(), bytes: 0 };
    found.walk(&root, "", 0)?;
    Ok(Checkout { commit: describe(&commit), trees, files: found.files, left_out: found.left_out })
}

struct CheckoutWalk<'a> {
    repository: &'a Repository,
    files: BTreeMap<String, Option<String>>,
    left_out: Vec<String>,
    bytes: usize,
}

impl CheckoutWalk<'_> {
    fn walk(&mut self, tree: &Tree<'_>, path: &str, depth: usize) -> Result<(), String> {
        let said = |error: git2::Error| error.message().to_owned();
        if depth > DEPTH_MAX {
            return Err(format!("{} is more than {DEPTH_MAX} folders deep", shown(path)));
        }
        each_name_once(tree, path)?;
        for entry in tree.iter() {
            // What has no name in UTF-8 tells nothing of a framework.
            let Some(name) = file_name(entry.name_bytes()) else { continue };
            let full = shown_path(path, name);
            if self.files.len() >= FILES_MAX {
                return Err(format!("it has more than {FILES_MAX} files"));
            }
            match (entry.filemode(), entry.kind()) {
                (SUBMODULE, _) => self.left_out.push(full),
                (LINK, _) => drop(self.files.insert(full, None)),
                (_, Some(ObjectType::Tree)) => {
                    let below = self.repository.find_tree(entry.id()).map_err(said)?;
                    self.walk(&below, &full, depth + 1)?;
                }
                (_, Some(ObjectType::Blob)) => {
                    let text = self.text(&full, entry.id()).map_err(said)?;
                    self.files.insert(full, text);
                }
                (_, _) => (),
            }
        }
        Ok(())
    }

    fn text(&mut self, path: &str, id: Oid) -> Result<Option<String>, git2::Error> {
        let (size, _) = self.repository.odb()?.read_header(id)?;
        if size <= LFS_BYTES_MAX && self.repository.find_blob(id)?.content().starts_with(LFS) {
            self.left_out.push(path.to_owned());
        }
        if !is_read(path) || size > TEXT_BYTES_MAX || self.bytes + size > TEXTS_BYTES_MAX {
            return Ok(None);
        }
        self.bytes += size;
        Ok(String::from_utf8(self.repository.find_blob(id)?.content().to_vec()).ok())
    }
}

/// Git makes no tree in which a name stands twice; who makes one shows one file to who looks, and another one to who builds.
fn each_name_once(tree: &Tree<'_>, path: &str) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for entry in tree.iter() {
        if let Some(name) = file_name(entry.name_bytes())
            && !names.insert(name.to_owned())
        {
            return Err(format!("{} is in it twice", shown(&shown_path(path, name))));
        }
    }
    Ok(())
}

/// A name that a file may have on a disk.
fn file_name(bytes: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(bytes).ok()?;
    let is_odd = name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']);
    (!is_odd).then_some(name)
}

/// Writes the files of a folder at a commit as a tar, less what its `.dockerignore` leaves out, with one more file beside them. No
/// path is in it twice: engines take the last one.
///
/// # Errors
/// The commit or the folder is not there, it is larger than what is sent, or it is not taken any more.
pub(super) fn write(repository: &Repository, commit: Oid, wanted: &FilesToSend, out: impl Write) -> io::Result<()> {
    let broken = |error: git2::Error| io::Error::other(error.message().to_owned());
    let root = repository.find_commit(commit).and_then(|commit| commit.tree()).map_err(broken)?;
    let tree = match wanted.folder.as_str() {
        "" => root,
        folder => {
            let entry = root.get_path(Path::new(folder)).map_err(broken)?;
            repository.find_tree(entry.id()).map_err(broken)?
        }
    };
    let of = |path: &str| {
        let entry = tree.get_path(Path::new(path)).ok()?;
        Some(String::from_utf8_lossy(repository.find_blob(entry.id()).ok()?.content()).into_owned())
    };
    let sent = SentFiles::new(wanted.dockerfile.as_deref(), of);
    let beside = wanted.beside.as_ref().map(|(name, content)| (name.as_str(), content));
    let place = |path: &str| shown_path(&wanted.below, path);
    let is_sent = |path: &str| sent.has(path) && beside.is_none_or(|(name, _)| name != place(path));
    let mut size = ContextSize::default();
    walk(repository, (&tree, "", 0), &is_sent, &mut |_, entry| {
        let (bytes, _) = repository.odb().and_then(|objects| objects.read_header(entry.id())).map_err(broken)?;
        size.add(bytes)
    })?;
    let mut tar = tar::Builder::new(out);
    if let Some((name, content)) = beside {
        add_file(&mut tar, name, content, false)?;
    }
    walk(repository, (&tree, "", 0), &is_sent, &mut |path, entry| {
        let blob = repository.find_blob(entry.id()).map_err(broken)?;
        match entry.filemode() {
            LINK => add_link(&mut tar, &place(path), &String::from_utf8_lossy(blob.content())),
            mode => add_file(&mut tar, &place(path), blob.content(), mode == EXECUTABLE),
        }
    })?;
    tar.finish()
}

/// Calls for each file and link of a folder that is sent, by its path from there.
fn walk(
    repository: &Repository,
    (tree, path, depth): (&Tree<'_>, &str, usize),
    is_sent: &dyn Fn(&str) -> bool,
    visit: &mut dyn FnMut(&str, &TreeEntry<'_>) -> io::Result<()>,
) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other(format!("it is more than {DEPTH_MAX} folders deep")));
    }
    each_name_once(tree, path).map_err(io::Error::other)?;
    for entry in tree.iter() {
        let Some(name) = file_name(entry.name_bytes()) else { continue };
        let full = shown_path(path, name);
        match entry.kind() {
            Some(ObjectType::Tree) => {
                let below = repository.find_tree(entry.id());
                let below = below.map_err(|error| io::Error::other(error.message().to_owned()))?;
                walk(repository, (&below, &full, depth + 1), is_sent, visit)?;
            }
            Some(ObjectType::Blob) if is_sent(&full) => visit(&full, &entry)?,
            _ => (),
        }
    }
    Ok(())
}

/// What is to be sent, counted before anything is: a small repository can stand for endlessly much.
#[derive(Default)]
struct ContextSize {
    bytes: u64,
    files: usize,
}

impl ContextSize {
    fn add(&mut self, bytes: usize) -> io::Result<()> {
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        self.files += 1;
        if self.bytes > CONTEXT_BYTES_MAX {
            return Err(io::Error::other(
                "it is larger than 1 GiB; leave out in .dockerignore what the build does not need",
            ));
        }
        if self.files > CONTEXT_FILES_MAX {
            return Err(io::Error::other(format!("it has more than {CONTEXT_FILES_MAX} files")));
        }
        Ok(())
    }
}

fn header(mode: u32, kind: tar::EntryType, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    // What goes in is the same for the same commit, whenever it is sent.
    header.set_mtime(0);
    header.set_size(u64::try_from(size).unwrap_or_default());
    header.set_entry_type(kind);
    header
}

fn add_file(tar: &mut tar::Builder<impl Write>, path: &str, content: &[u8], is_executable: bool) -> io::Result<()> {
    let mode = if is_executable { 0o755 } else { 0o644 };
    tar.append_data(&mut header(mode, tar::EntryType::Regular, content.len()), path, content)
}

/// The engine lets no link lead out of what is sent; it is sent as it is.
fn add_link(tar: &mut tar::Builder<impl Write>, path: &str, target: &str) -> io::Result<()> {
    tar.append_link(&mut header(0o777, tar::EntryType::Symlink, 0), path, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A commit whose tree has these files at the top, in this order, each as often as it is named.
    fn commit_of(repository: &Repository, files: &[(&str, &str)]) -> Oid {
        let mut tree = Vec::new();
        for (name, text) in files {
            let blob = repository.blob(text.as_bytes()).unwrap();
            tree.extend_from_slice(format!("100644 {name}\0").as_bytes());
            tree.extend_from_slice(blob.as_bytes());
        }
        let tree = repository.odb().unwrap().write(ObjectType::Tree, &tree).unwrap();
        let tree = repository.find_tree(tree).unwrap();
        let who = git2::Signature::now("Mallory", "mallory@example.org").unwrap();
        repository.commit(None, &who, &who, "files", &tree, &[]).unwrap()
    }

    fn wanted(dockerfile: Option<&str>, below: &str, beside: (&str, &str)) -> FilesToSend {
        FilesToSend {
            commit: String::new(),
            folder: String::new(),
            dockerfile: dockerfile.map(str::to_owned),
            below: below.to_owned(),
            beside: Some((beside.0.to_owned(), beside.1.as_bytes().into())),
        }
    }

    /// Each entry: its path, and its text.
    fn sent(repository: &Repository, commit: Oid, wanted: &FilesToSend) -> io::Result<Vec<(String, String)>> {
        let mut bytes = Vec::new();
        write(repository, commit, wanted, &mut bytes)?;
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries()?.map(|entry| {
            let mut entry = entry?;
            let path = entry.path()?.display().to_string();
            Ok((path, io::read_to_string(&mut entry)?))
        });
        entries.collect()
    }

    #[test]
    fn no_path_is_sent_twice_and_a_dockerfile_of_amarre_stands_beside_the_files() {
        const OURS: &str = ".amarre-0123.Dockerfile";
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let commit = commit_of(&repository, &[(OURS, "FROM evil"), ("Dockerfile", "FROM x:1"), ("index.html", "page")]);
        let texts = |wanted: &FilesToSend| {
            let all = sent(&repository, commit, wanted).unwrap();
            all.into_iter().map(|(path, text)| format!("{path}: {text}")).collect::<Vec<_>>()
        };
        assert_eq!(
            texts(&wanted(None, "source", (OURS, "FROM ours"))),
            [
                format!("{OURS}: FROM ours"),
                format!("source/{OURS}: FROM evil"),
                "source/Dockerfile: FROM x:1".to_owned(),
                "source/index.html: page".to_owned(),
            ]
        );
        // One of the files, with digests in place of tags.
        assert_eq!(
            texts(&wanted(Some("Dockerfile"), "", ("Dockerfile", "FROM x@sha256:00"))),
            ["Dockerfile: FROM x@sha256:00".to_owned(), format!("{OURS}: FROM evil"), "index.html: page".to_owned()]
        );
        assert_eq!(
            texts(&wanted(None, "", (OURS, "FROM ours"))),
            [format!("{OURS}: FROM ours"), "Dockerfile: FROM x:1".to_owned(), "index.html: page".to_owned()]
        );
    }

    #[test]
    fn a_tree_in_which_a_name_stands_twice_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let commit = commit_of(&repository, &[("Dockerfile", "FROM x:1"), ("Dockerfile", "FROM evil")]);
        let why = read(&repository, commit, "").err().unwrap_or_default();
        assert!(why.contains("Dockerfile is in it twice"), "{why}");
        let why = sent(&repository, commit, &wanted(None, "source", ("d", ""))).map(|_| ()).unwrap_err();
        assert!(why.to_string().contains("is in it twice"), "{why}");
    }
}
