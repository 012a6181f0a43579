//! How files of the source are opened that a manifest names, and what is said of those that cannot be.

use std::rc::Rc;
use std::sync::Arc;

use super::budget::Effort;
use super::scope::{PlacedText, Scope};
use super::source_files;
use super::source_files::{Looked, OtherFile};
use super::yaml::diagnostic::{Spot, shown};
use crate::model::{Asset, Code, NotRead, Text};
use crate::text;

impl Scope<'_> {
    /// A path of the source as written at a place, made whole; reported when it leaves the source.
    pub fn source_path(&self, text: &PlacedText) -> Option<String> {
        let is_absolute = text.text.starts_with(['/', '~']);
        let base = self.base_of(text.spot);
        let path = if is_absolute { None } else { self.source.join(&base, &text.text) };
        if path.is_none() {
            let path = shown(&text.text);
            let message = match base.split('/').next().filter(|_| self.source.root > 0) {
                Some(folder) => text!("{path} leads out of {folder}, which is all of the source", path, folder),
                None => text!("{path} leads out of the source", path),
            };
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
        let base = base.unwrap_or_else(|| source_files::folder_of(path));
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
    pub fn bytes(&self, path: &str, spot: Spot) -> Option<Arc<[u8]>> {
        self.asset(path, spot)?.bytes.ok()
    }

    /// A file that must be there, with its content; from now on it belongs to the manifest.
    pub fn asset(&self, path: &str, spot: Spot) -> Option<Asset> {
        let (whole, asset) = match self.source.look(path) {
            Looked::File(whole, asset) => (whole, asset),
            Looked::Unread(whole, why) => {
                self.unread(&whole, &why, spot);
                return None;
            }
            Looked::Folder(_) | Looked::Missing => {
                let hint = text!(
                    "put it there, or correct the path; it is read from {folder}",
                    folder = source_files::folder_of(path)
                );
                self.error_hint(Code::A0150, spot, text!("there is no {path} in the source", path = shown(path)), hint);
                return None;
            }
        };
        // Under both names: without the source, the link is not there.
        for name in [path, &whole] {
            self.uses.borrow_mut().insert(name.to_owned(), asset.clone());
        }
        self.is_readable(&whole, &asset, spot).then_some(asset)
    }

    /// Whether a file is here as it is meant; reported where it is not.
    pub fn is_readable(&self, path: &str, asset: &Asset, spot: Spot) -> bool {
        match &asset.bytes {
            Ok(_) if asset.is_lfs_pointer() => {
                let message = text!("{path} is a pointer of Git LFS, not the file itself", path = shown(path));
                let hint = text!("put the file itself into the source, or keep it on the host");
                self.error_hint(Code::A0165, spot, message, hint);
                false
            }
            Ok(_) => true,
            Err(NotRead::TooLarge) => {
                let message =
                    text!("{path} was not read: {size} bytes", path = shown(path), size = asset.size.to_string());
                self.error_hint(Code::A0157, spot, message, too_large());
                false
            }
            Err(why) => {
                self.unread(path, why, spot);
                false
            }
        }
    }

    /// Reports what is in the source and not read.
    fn unread(&self, path: &str, why: &NotRead, spot: Spot) {
        let path = shown(path);
        let itself = || text!("put the files themselves there; data is bound by its absolute path on the host");
        let (message, hint) = match why {
            NotRead::Link(to) => (
                text!(
                    "{path} is a symbolic link to {to}, which is no file or folder of the source",
                    path,
                    to = shown(to)
                ),
                itself(),
            ),
            NotRead::Submodule => (text!("{path} is a submodule, which is not fetched", path), itself()),
            NotRead::GitFolder => {
                (text!("{path} is where git keeps the repository, and is not read", path), text!("name another folder"))
            }
            NotRead::HiddenFolder => (
                text!("{path} is not read: it is a hidden folder with many files", path),
                text!("put what is delivered into a folder that is not hidden"),
            ),
            NotRead::Special => (text!("{path} is neither a file nor a folder", path), itself()),
            NotRead::BesideFolder(folder) => (
                text!("{path} is in the repository, but not in {folder}, which is all that is read", path, folder),
                text!("let `source.git.path` name a folder that holds both, or leave it out"),
            ),
            NotRead::Denied(why) => {
                let hint = text!("let the user that runs Amarre read it");
                (text!("{path} cannot be read: {why}", path, why), hint)
            }
            NotRead::TooLarge => (text!("{path} was not read: it is too large", path), too_large()),
        };
        self.error_hint(Code::A0165, spot, message, hint);
    }
}

/// Why an asset has no content, and what to do.
pub(super) fn too_large() -> Text {
    text!("a file has at most 1 MiB, all together 32 MiB; keep larger ones on the host")
}

fn number(index: usize) -> Option<u16> {
    u16::try_from(index + 1).ok()
}
