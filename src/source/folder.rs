//! A folder of YAML manifests. Reads files, follows no links, sees no hidden names; everything is bounded.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Snapshot, SourceError};
use crate::model::{Assets, Hint, History};

/// More files than this is the wrong folder.
const FILES_MAX: usize = 10_000;
/// A manifest is read up to its limit plus one byte, so that the reader can say that it is too large.
const FILE_BYTES_MAX: u64 = 1024 * 1024 + 1;
/// Folders in folders.
const DEPTH_MAX: usize = 8;

/// A folder on this machine.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A folder; it need not be there yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads every manifest file.
    ///
    /// # Errors
    /// The folder is not there, holds too much, or a file in it cannot be read: all or nothing, for a file that is
    /// left out would look like a manifest that was removed.
    pub fn read(&self) -> Result<Snapshot, SourceError> {
        let failed = |why: String| {
            let message = format!("the folder {} could not be read: {why}", self.path.display());
            SourceError::new("A0301", message, Hint::text("make the folder, or correct `source.folder`"))
        };
        let mut paths = Vec::new();
        if let Err(error) = std::fs::read_dir(&self.path) {
            return Err(failed(error.to_string()));
        }
        collect(&self.path, 0, &mut paths).map_err(failed)?;
        paths.sort();
        let label = self.path.file_name().map_or_else(|| ".".to_owned(), |name| name.to_string_lossy().into_owned());
        let mut digest = Sha256::new();
        let mut files = Vec::new();
        for path in paths {
            let bytes = read_bounded(&path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
            let relative = path.strip_prefix(&self.path).unwrap_or(&path).to_string_lossy().into_owned();
            digest.update(relative.as_bytes());
            digest.update([0]);
            digest.update(&bytes);
            digest.update([0]);
            // Bytes that are no UTF-8 become signs that the reader refuses, with their place.
            files.push((format!("{label}/{relative}"), String::from_utf8_lossy(&bytes).into_owned()));
        }
        Ok(Snapshot {
            revision: hex::encode(&digest.finalize()[..20]),
            label,
            is_branch: false,
            files,
            assets: Assets::new(),
            commit: None,
            history: History::default(),
            notes: Vec::new(),
        })
    }
}

fn collect(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("{} is more than {DEPTH_MAX} folders deep", folder.display()));
    }
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, kind) = (entry.file_name(), entry.file_type().map_err(failed)?);
        let name = name.to_string_lossy();
        if name.starts_with('.') || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), depth + 1, paths)?;
        } else if name.ends_with(".yaml") || name.ends_with(".yml") {
            paths.push(entry.path());
        }
        if paths.len() > FILES_MAX {
            return Err(format!("it holds more than {FILES_MAX} manifests"));
        }
    }
    Ok(())
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
    }

    /// What is left out would look like manifests that were removed.
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
