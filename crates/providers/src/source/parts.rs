//! What of a source is read when not all of it can be: what one person puts into it harms that part, and no other. A part
//! is a folder at the top, with all that is in it.
//!
//! | what | then |
//! |---|---|
//! | a folder is too deep, or a file or folder cannot be read | it is left out, and known to be |
//! | there are too many files | the part that has the most is left out |
//! | they are too large together | each part has the same share, and what it leaves others have; of a share, small files come first |

use std::collections::{BTreeMap, BTreeSet};

use super::SourceNote;
use amarre_core::model::source::is_manifest;
use amarre_core::model::{Code, NotRead};

/// With more manifests it is the wrong folder.
const MANIFESTS_MAX: usize = 10_000;
/// With more files beside them it is, too: data of a service, or source code.
const OTHERS_MAX: usize = 20_000;
/// Entries that are looked at, files or not.
const ENTRIES_MAX: usize = 100_000;
/// A hidden folder with more files belongs to a program, as `.venv` does.
pub const HIDDEN_FILES_MAX: usize = 500;
/// All hidden files together.
const ALL_HIDDEN_MAX: usize = 5_000;
/// All files that are read together: they are held in memory.
pub const SOURCE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Larger files are not read: those for containers are configuration, and the reader refuses larger manifests.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The depth limit.
pub const DEPTH_MAX: usize = 8;
/// Why a manifest is not read for which there is no room.
pub const NO_ROOM: &str = "with it the source would hold more than 32 MiB";
/// Reported one by one; a source with more of them has them everywhere.
const NOTES_MAX: usize = 50;

/// Whether a file is hidden, its size, and its place in the list.
type WeighedFile = (bool, u64, usize);

/// A file of the source.
#[derive(Debug)]
pub struct FoundFile<T> {
    /// Below the source's folder.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Whether it is read as manifests.
    pub is_manifest: bool,
    /// Whether it is hidden, and read only for manifests that name it.
    pub is_hidden: bool,
    pub at: T,
    /// Whether it is among what may be read.
    pub has_room: bool,
}

/// What is found on the way through a source.
#[derive(Debug)]
pub struct Found<T> {
    files: Vec<FoundFile<T>>,
    parts: BTreeMap<String, PartCounts>,
    /// Of all parts together.
    all: PartCounts,
    dropped: BTreeSet<String>,
    unread: BTreeMap<String, String>,
    odd: Vec<String>,
    /// What is known by name only.
    marks: BTreeMap<String, NotRead>,
}

#[derive(Debug, Default, Clone, Copy)]
struct PartCounts {
    entries: usize,
    manifests: usize,
    others: usize,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            parts: BTreeMap::new(),
            all: PartCounts::default(),
            dropped: BTreeSet::new(),
            unread: BTreeMap::new(),
            odd: Vec::new(),
            marks: BTreeMap::new(),
        }
    }
}

impl<T> Found<T> {
    /// One more entry of a folder. `false`: its part is left out, and the way goes on elsewhere.
    ///
    /// # Errors
    /// There are too many files in no folder.
    pub fn enter(&mut self, path: &str, is_folder: bool) -> Result<bool, String> {
        let part = part_of(path, is_folder).to_owned();
        if self.dropped.contains(&part) {
            return Ok(false);
        }
        for counts in [self.parts.entry(part.clone()).or_default(), &mut self.all] {
            counts.entries += 1;
            if !is_folder {
                let sort = if is_manifest(path) { &mut counts.manifests } else { &mut counts.others };
                *sort += 1;
            }
        }
        self.keep_within("files and folders", ENTRIES_MAX, |counts| counts.entries)?;
        self.keep_within("manifests", MANIFESTS_MAX, |counts| counts.manifests)?;
        self.keep_within("files beside the manifests", OTHERS_MAX, |counts| counts.others)?;
        Ok(!self.dropped.contains(&part))
    }

    fn keep_within(&mut self, what: &str, most: usize, count: fn(&PartCounts) -> usize) -> Result<(), String> {
        if count(&self.all) <= most {
            return Ok(());
        }
        let largest = self.parts.iter().max_by_key(|(_, counts)| count(counts)).map(|(part, _)| part.clone());
        let Some(part) = largest.filter(|part| !part.is_empty()) else {
            return Err(format!("it holds more than {most} {what}"));
        };
        if let Some(less) = self.parts.remove(&part) {
            self.all.entries -= less.entries;
            self.all.manifests -= less.manifests;
            self.all.others -= less.others;
        }
        self.files.retain(|file| part_of(&file.path, false) != part);
        self.unread.retain(|path, _| part_of(path, true) != part);
        self.marks.retain(|path, _| part_of(path, true) != part);
        self.leave_out(&part, format!("the source holds more than {most} {what}, most of them there"));
        self.dropped.insert(part);
        Ok(())
    }

    /// A file that was entered.
    pub fn add(&mut self, path: String, size: u64, at: T) {
        let is_manifest = is_manifest(&path);
        self.files.push(FoundFile { path, size, is_manifest, is_hidden: false, at, has_room: true });
    }

    /// A hidden file, or all files of a hidden folder at `top`. They count for no limit of others: where there are too many
    /// of them, they are known by name only.
    pub fn add_hidden(&mut self, top: &str, files: Vec<(String, u64, T)>) {
        if files.len() > HIDDEN_FILES_MAX {
            self.mark(top.to_owned(), NotRead::HiddenFolder);
            return;
        }
        let hidden =
            |(path, size, at)| FoundFile { path, size, is_manifest: false, is_hidden: true, at, has_room: true };
        self.files.extend(files.into_iter().map(hidden));
    }

    /// What is there, and is known by name only.
    pub fn mark(&mut self, path: String, why: NotRead) {
        if self.marks.len() < ENTRIES_MAX {
            self.marks.insert(path, why);
        }
    }

    /// What is known by name only, by its path.
    pub fn marks(&self) -> &BTreeMap<String, NotRead> {
        &self.marks
    }

    /// A file or folder that is not read, and why; empty: all of the source.
    pub fn leave_out(&mut self, path: &str, why: String) {
        self.unread.insert(path.to_owned(), why);
    }

    /// A file or folder whose name would be obeyed where it is shown; `path` is how it may be.
    pub fn note_odd_name(&mut self, path: &str) {
        let odd = self.odd.len() < NOTES_MAX;
        self.odd.extend(odd.then(|| path.to_owned()));
    }

    /// All files by their paths, with what has room.
    pub fn take_files(&mut self) -> Vec<FoundFile<T>> {
        let mut files = std::mem::take(&mut self.files);
        if files.iter().filter(|file| file.is_hidden).count() > ALL_HIDDEN_MAX {
            let (hidden, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file: &FoundFile<T>| file.is_hidden);
            hidden.into_iter().for_each(|file| self.mark(hidden_part(&file.path), NotRead::HiddenFolder));
            files = others;
        }
        let mut parts: BTreeMap<&str, Vec<(bool, u64, usize)>> = BTreeMap::new();
        for (index, file) in files.iter().enumerate() {
            // What is larger is not read, or only so far that this can be said.
            let size = if file.size <= FILE_BYTES_MAX { file.size } else { 1 };
            parts.entry(part_of(&file.path, false)).or_default().push((file.is_hidden, size, index));
        }
        let mut parts: Vec<(u64, Vec<WeighedFile>)> =
            parts.into_values().map(|files| (files.iter().map(|(_, size, _)| size).sum(), files)).collect();
        parts.sort();
        let (mut left, mut count) = (SOURCE_BYTES_MAX, parts.len() as u64);
        let mut without_room = Vec::new();
        for (_, mut part) in parts {
            let mut share = left / count.max(1);
            part.sort_unstable();
            for (_, size, index) in part {
                if size > share {
                    without_room.push(index);
                    continue;
                }
                share -= size;
                left -= size;
            }
            count -= 1;
        }
        for index in without_room {
            files[index].has_room = false;
        }
        files
    }

    /// Whether nothing was left out.
    pub fn is_whole(&self) -> bool {
        self.unread.is_empty() && self.odd.is_empty()
    }

    /// What is said of all that is not read; `label` is the folder's own name before its paths.
    pub fn notes(self, label: &str) -> Vec<SourceNote> {
        let whole = |path: String| if label.is_empty() { path } else { format!("{label}/{path}") };
        let note = |(path, why): (String, String)| SourceNote {
            code: Code::A0318,
            file: whole(path),
            message: format!("it is not read: {why}"),
            hint: "its services stay as they were, and while it is so none is deleted; correct or remove it".to_owned(),
            is_unread: true,
        };
        let odd = self.odd.into_iter().map(|path| SourceNote::odd_name(whole(path)));
        self.unread.into_iter().take(NOTES_MAX).map(note).chain(odd).collect()
    }
}

/// A path as far as its first hidden part.
fn hidden_part(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let hidden = parts.iter().position(|part| part.starts_with('.')).unwrap_or(parts.len());
    parts[..parts.len().min(hidden + 1)].join("/")
}

/// The folder at the top in which a path lies; empty for files in none.
fn part_of(path: &str, is_folder: bool) -> &str {
    match path.split_once('/') {
        Some((part, _)) => part,
        None if is_folder => path,
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: impl IntoIterator<Item = (String, u64)>) -> Found<()> {
        let mut found = Found::default();
        for (path, size) in files {
            if found.enter(&path, false).unwrap() {
                found.add(path, size, ());
            }
        }
        found
    }

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn hidden_files_take_no_room_from_others_and_leave_no_part_out() {
        let hidden = |top: &str, count: usize| (0..count).map(|n| (format!("{top}/{n}"), MIB, ())).collect::<Vec<_>>();
        let mut all = found((0..32).map(|number| (format!("a/{number}"), MIB - 1)));
        all.add_hidden("a/.small", hidden("a/.small", 40));
        all.add_hidden("a/.venv", hidden("a/.venv", HIDDEN_FILES_MAX + 1));
        let files = all.take_files();
        let has_room = |file: &&FoundFile<()>| file.has_room && !file.is_hidden;
        assert_eq!(files.iter().filter(has_room).count(), 32);
        assert!(files.iter().any(|file| file.is_hidden && !file.has_room));
        assert_eq!(all.marks(), &BTreeMap::from([("a/.venv".to_owned(), NotRead::HiddenFolder)]));
        assert!(all.notes("services").is_empty());
        let mut all = found([("a/one".to_owned(), 1)]);
        for top in 0..=ALL_HIDDEN_MAX / HIDDEN_FILES_MAX {
            let top = format!("a/{top}/.x");
            all.add_hidden(&top, hidden(&format!("{top}/y"), HIDDEN_FILES_MAX));
        }
        assert_eq!(all.take_files().len(), 1);
        assert!(all.marks().len() == 11 && all.marks().contains_key("a/0/.x"), "{:?}", all.marks());
    }

    #[test]
    fn large_files_of_one_part_take_no_room_from_small_ones_of_others() {
        let large = (0..64).map(|number| (format!("aaa/{number}"), MIB));
        let many = (0..4_000).map(|number| (format!("bbb/{number}"), 16 * 1024));
        let calm = [("calm/compose.yaml".to_owned(), 3_000), ("calm/data.bin".to_owned(), 4 * MIB)];
        let files = found(large.chain(many).chain(calm)).take_files();
        let of = |part: &str| {
            files.iter().filter(|file| file.path.starts_with(part) && file.has_room).map(|file| file.size).sum::<u64>()
        };
        assert_eq!(of("calm"), 3_000 + 4 * MIB, "what is too large for a source is said to be so by who reads it");
        assert!(of("aaa") >= 15 * MIB && of("bbb") >= 15 * MIB && of("aaa") + of("bbb") <= SOURCE_BYTES_MAX);
        // In one folder, small ones come first.
        let flat = (0..64).map(|number| (format!("{number}"), MIB)).chain([("zzz".to_owned(), 10)]);
        let files = found(flat).take_files();
        assert!(files.iter().find(|file| file.path == "zzz").unwrap().has_room);
        assert_eq!(files.iter().filter(|file| file.has_room).count(), 32);
        // What fits has room.
        assert!(
            found((0..32).map(|number| (format!("a/{number}"), MIB))).take_files().iter().all(|file| file.has_room)
        );
    }

    #[test]
    fn too_many_files_of_one_part_leave_out_that_part() {
        for (name, most) in [("x.yaml", MANIFESTS_MAX), ("x.txt", OTHERS_MAX)] {
            let many = (0..=most).map(|number| (format!("many/{number}{name}"), 1));
            let mut found = found(many.chain([("calm/one.yaml".to_owned(), 1), ("two.yaml".to_owned(), 1)]));
            let files = found.take_files();
            let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
            assert_eq!(paths, ["calm/one.yaml", "two.yaml"]);
            let notes = found.notes("services");
            assert!(matches!(&notes[..], [note] if note.file == "services/many" && note.is_unread), "{notes:?}");
            let is_hidden = |file: &str| notes.iter().any(|note| note.hides(file));
            assert!(is_hidden("services/many/1.yaml") && !is_hidden("services/many2.yaml") && !is_hidden("x.yaml"));
        }
        let mut flat: Found<()> = Found::default();
        let entered: Result<Vec<bool>, String> =
            (0..=MANIFESTS_MAX).map(|number| flat.enter(&format!("{number}.yaml"), false)).collect();
        assert!(entered.unwrap_err().contains("10000 manifests"));
    }
}
