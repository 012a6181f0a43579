//! What a source holds beside manifests, and where a revision of it comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

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
