//! What a source holds beside manifests, and where a revision of it comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::time::Timestamp;

/// Files beside the manifests, by path as shown (`services/cloud/php.ini`): Compose files, `.env` files, what is
/// delivered into containers.
pub type Assets = BTreeMap<String, Asset>;

/// One file of the source that is no manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its content; `None` when it is larger than a source may hold.
    pub bytes: Option<Arc<[u8]>>,
    /// In bytes.
    pub size: u64,
    /// Whether it may be executed.
    pub executable: bool,
}

/// One commit of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// 40 hex digits.
    pub id: String,
    /// The first line of its message.
    pub subject: String,
    /// The author's name.
    pub author: String,
    /// When it was committed.
    pub at: Timestamp,
}

/// A manifest on its own, with the other files that it uses. Reading it again gives the same service with the same places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// As shown.
    pub file: String,
    /// Its own text, after as many empty lines as stood before it.
    pub text: String,
    /// Compose files, `.env` files and what is delivered.
    pub assets: Assets,
}

/// A file, or a folder with all that is in it, as it is copied into a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bundle {
    /// 16 hex digits of SHA-256 over paths, contents and what may be executed.
    pub digest: String,
    /// By path below the target; the path of a single file is empty.
    pub files: BTreeMap<String, BundleFile>,
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BundleFile {
    /// Its content.
    pub bytes: Arc<[u8]>,
    /// Whether it may be executed.
    pub executable: bool,
}

/// What plans refer to by digest and only the wire client holds.
pub type Payloads = BTreeMap<String, Bundle>;

impl Bundle {
    /// Takes files by path.
    pub fn new(files: BTreeMap<String, BundleFile>) -> Self {
        let mut hash = Sha256::new();
        for (path, file) in &files {
            hash.update([u8::from(file.executable)]);
            // Lengths in front: no two lists of files give the same bytes.
            hash.update((path.len() as u64).to_be_bytes());
            hash.update(path.as_bytes());
            hash.update((file.bytes.len() as u64).to_be_bytes());
            hash.update(&file.bytes);
        }
        Self { digest: hex::encode(&hash.finalize()[..8]), files }
    }

    /// A single file.
    pub fn of_file(bytes: Arc<[u8]>, executable: bool) -> Self {
        Self::new(BTreeMap::from([(String::new(), BundleFile { bytes, executable })]))
    }
}

/// Whether a file of a source is read as manifests: YAML, but for Compose files, which manifests name.
pub fn is_manifest(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some(stem) = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")) else { return false };
    stem != "compose" && !stem.starts_with("compose.") && !stem.starts_with("docker-compose")
}

/// Whether a hidden name belongs to a source all the same: `.env`, `.env.production`.
pub fn is_env_file(name: &str) -> bool {
    name == ".env" || name.starts_with(".env.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compose_files_are_no_manifests() {
        let manifests = ["a/gitea.yaml", "b.yml", "a/my-compose.yaml", "composer.yaml"];
        assert!(manifests.iter().all(|path| is_manifest(path)));
        let others = [
            "compose.yaml",
            "a/compose.yml",
            "compose.prod.yaml",
            "docker-compose.yml",
            "a/docker-compose-x.yaml",
            "x.ini",
        ];
        assert!(!others.iter().any(|path| is_manifest(path)));
    }

    #[test]
    fn a_bundle_is_known_by_its_files() {
        let of = |files: &[(&str, &str, bool)]| {
            let file = |(path, text, executable): &(&str, &str, bool)| {
                ((*path).to_owned(), BundleFile { bytes: text.as_bytes().into(), executable: *executable })
            };
            Bundle::new(files.iter().map(file).collect()).digest
        };
        let all = [
            of(&[("a", "x", false)]),
            of(&[("a", "x", true)]),
            of(&[("b", "x", false)]),
            of(&[("a", "xb", false)]),
            of(&[("a", "x", false), ("b", "", false)]),
        ];
        let different: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(all[0], of(&[("a", "x", false)]));
    }
}
