//! The other files of the source that a manifest reads: Compose files, `.env` files, what is delivered.
//!
//! A path is never looked up outside of the source, and each file that was read is kept with its manifest, so that the
//! manifest can be read again without the source.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::model::source::is_env_file;
use crate::model::{Asset, Assets, Bundle, BundleFile, Code, Text};
use crate::text;

use super::SourceFile;
use super::budget::Effort;
use super::yaml::diagnostic::{Spot, shown};
use super::yaml::reader::{PlacedText, Scope};

/// All files of the source.
pub(super) struct SourceFiles<'a> {
    assets: &'a Assets,
    /// YAML that may be manifests, or what manifests name.
    texts: BTreeMap<&'a str, &'a str>,
    /// Their bytes, of those that were named as files.
    shared: RefCell<BTreeMap<String, Arc<[u8]>>>,
    /// What is delivered, by path and whether it may be executed: digested once, however often it is named.
    bundles: RefCell<BTreeMap<(String, bool), Bundle>>,
    /// What the manifests that were read cost.
    spent: Cell<Effort>,
}

impl<'a> SourceFiles<'a> {
    pub fn new(files: &[&'a SourceFile], assets: &'a Assets) -> Self {
        Self {
            assets,
            texts: files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect(),
            shared: RefCell::default(),
            bundles: RefCell::default(),
            spent: Cell::default(),
        }
    }

    /// What the manifests that were read so far cost.
    pub fn spent(&self) -> Effort {
        self.spent.get()
    }

    /// One more was read.
    pub fn add_spent(&self, work: Effort) {
        self.spent.set(self.spent.get().and(work));
    }

    /// Whether there is a file at a path as shown.
    pub fn has(&self, path: &str) -> bool {
        self.assets.contains_key(path) || self.texts.contains_key(path)
    }

    /// A file by its path as shown.
    pub fn file(&self, path: &str) -> Option<Asset> {
        if let Some(asset) = self.assets.get(path) {
            return Some(asset.clone());
        }
        let text = self.texts.get(path)?;
        // What is longer was not read to its end.
        let bytes = (text.len() <= super::FILE_BYTES_MAX).then(|| {
            let mut shared = self.shared.borrow_mut();
            shared.entry(path.to_owned()).or_insert_with(|| text.as_bytes().into()).clone()
        });
        Some(Asset { bytes, size: text.len() as u64, executable: false })
    }

    /// What lies below a folder, by path within it; none when there is no such folder.
    pub fn below(&self, folder: &str) -> BTreeMap<String, Asset> {
        let start = format!("{folder}/");
        let assets = self.assets.range(start.clone()..).map(|(path, _)| path.as_str());
        let texts = self.texts.range(start.as_str()..).map(|(path, _)| *path);
        let inside = |path: &&str| path.starts_with(&start);
        let paths: BTreeSet<&str> = assets.take_while(inside).chain(texts.take_while(inside)).collect();
        paths.into_iter().filter_map(|path| Some((path[start.len()..].to_owned(), self.file(path)?))).collect()
    }

    /// What may be manifests below a folder, by path within it.
    pub fn texts_below<'b>(&'b self, folder: &'b str) -> impl Iterator<Item = (&'b str, &'b str)> + Clone {
        let after = self.texts.range(folder..).take_while(move |(path, _)| path.starts_with(folder));
        after.filter_map(move |(path, text)| Some((path.strip_prefix(folder)?.strip_prefix('/')?, *text)))
    }
}

impl SourceFiles<'_> {
    /// One file, to be delivered.
    pub fn file_bundle(&self, path: &str, bytes: Arc<[u8]>, executable: bool) -> Bundle {
        let mut bundles = self.bundles.borrow_mut();
        let known = bundles.entry((path.to_owned(), executable));
        known.or_insert_with(|| Bundle::of_file(bytes, executable)).clone()
    }

    /// A folder, to be delivered `without` one file of it, or whole; the end of its key tells it from a file.
    pub fn folder_bundle(&self, path: &str, without: Option<&str>, files: BTreeMap<String, BundleFile>) -> Bundle {
        let mut bundles = self.bundles.borrow_mut();
        let key = without.map_or_else(|| format!("{path}/"), |file| format!("{path}/-/{file}/"));
        bundles.entry((key, false)).or_insert_with(|| Bundle::new(files)).clone()
    }
}

/// A file that a manifest names, once it was opened.
#[derive(Debug)]
pub(super) struct OtherFile {
    pub path: String,
    pub text: Rc<str>,
    /// The folder from which relative paths in it start.
    pub base: String,
}

/// The folder of a path.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// `services/cloud` and `../x/./y` make `services/x/y`; `None` when it leaves the source.
pub(super) fn join(folder: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let root = parts.len().min(1);
    for part in relative.split('/') {
        match part {
            "" | "." => (),
            ".." if parts.len() > root => drop(parts.pop()),
            ".." => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

impl Scope<'_> {
    /// The file in which a place lies, as shown.
    pub fn path_of(&self, spot: Spot) -> String {
        let files = self.files.borrow();
        let other = usize::from(spot.file).checked_sub(1).and_then(|index| files.get(index));
        other.map_or_else(|| self.file.to_owned(), |other| other.path.clone())
    }

    /// The folder from which relative paths at a place start.
    pub fn base_of(&self, spot: Spot) -> String {
        let files = self.files.borrow();
        let other = usize::from(spot.file).checked_sub(1).and_then(|index| files.get(index));
        other.map_or_else(|| folder_of(self.file).to_owned(), |other| other.base.clone())
    }

    /// A path of the source as written at a place, made whole; reported when it leaves the source.
    pub fn source_path(&self, text: &PlacedText) -> Option<String> {
        let is_absolute = text.text.starts_with(['/', '~']);
        let path = if is_absolute { None } else { join(&self.base_of(text.spot), &text.text) };
        if path.is_none() {
            let message = text!("{path} leads out of the source", path = shown(&text.text));
            let hint = text!("write a path from the file's own folder, as in {example}", example = "`./app.env`");
            self.error_hint(Code::A0151, text.spot, message, hint);
        }
        path
    }

    /// Opens a text file that a manifest names; answers its number for [`Spot`], and its text. `base` is the folder from
    /// which relative paths in it start, its own when there is none.
    pub fn open(&self, path: &str, base: Option<&str>, spot: Spot) -> Option<(u16, Rc<str>)> {
        if !self.spend(Effort { files: 1, ..Effort::default() }, spot) {
            return None;
        }
        let base = base.unwrap_or_else(|| folder_of(path));
        let known = |file: &OtherFile| file.path == path && file.base == base;
        if let Some(index) = self.files.borrow().iter().position(known) {
            let text = Rc::clone(&self.files.borrow()[index].text);
            return self.spend(Effort::bytes(text.len()), spot).then_some((number(index)?, text));
        }
        let bytes = self.bytes(path, spot)?;
        let Ok(text) = std::str::from_utf8(&bytes) else {
            self.error(Code::A0157, spot, text!("{path} is no text in UTF-8", path = shown(path)));
            return None;
        };
        if !self.spend(Effort::bytes(text.len()), spot) {
            return None;
        }
        let text: Rc<str> = Rc::from(text);
        let mut files = self.files.borrow_mut();
        files.push(OtherFile { path: path.to_owned(), text: Rc::clone(&text), base: base.to_owned() });
        Some((number(files.len() - 1)?, text))
    }

    /// The content of a file that must be there; from now on it belongs to the manifest.
    pub fn bytes(&self, path: &str, spot: Spot) -> Option<std::sync::Arc<[u8]>> {
        let Some(asset) = self.source.file(path) else {
            let name = path.rsplit('/').next().unwrap_or_default();
            let hint = if name.starts_with('.') && !is_env_file(name) {
                text!("hidden files are not read, but for those with `env` in their names, as in `.env` or `.db.env`")
            } else {
                text!("put it there, or correct the path; it is read from {folder}", folder = folder_of(path))
            };
            self.error_hint(Code::A0150, spot, text!("there is no {path} in the source", path = shown(path)), hint);
            return None;
        };
        self.uses.borrow_mut().insert(path.to_owned(), asset.clone());
        if asset.bytes.is_none() {
            let message = text!("{path} was not read: {size} bytes", path = shown(path), size = asset.size.to_string());
            self.error_hint(Code::A0157, spot, message, too_large());
        }
        asset.bytes
    }
}

/// Why an asset has no content, and what to do.
pub(super) fn too_large() -> Text {
    text!("a file has at most 1 MiB, all together 32 MiB; keep larger ones on the host")
}

fn number(index: usize) -> Option<u16> {
    u16::try_from(index + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_the_source() {
        let cases = [
            ("services/cloud", "./php.ini", Some("services/cloud/php.ini")),
            ("services/cloud", "../shared/./a//b", Some("services/shared/a/b")),
            ("services/cloud", "../..", None),
            ("services/cloud", "../../etc/passwd", None),
            ("services", "..", None),
            ("services", "x/../..", None),
            ("services", ".", Some("services")),
        ];
        for (folder, relative, whole) in cases {
            assert_eq!(join(folder, relative).as_deref(), whole, "{folder} {relative}");
        }
    }
}
