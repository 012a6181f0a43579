//! A commit of an app's repository, as far as it is looked at: what a source keeps of it beside its files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Repository;
use crate::model::Commit;

/// A commit of an app's repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    pub commit: Commit,
    /// The id of each folder from the top to the app's, by path: it changes with any file below.
    pub trees: BTreeMap<String, String>,
    /// Every file by path from the top, with the text where detection reads it.
    pub files: BTreeMap<String, Option<String>>,
    /// What is there and cannot be sent to an engine: submodules, and files that Git LFS keeps elsewhere.
    pub left_out: Vec<String>,
}

impl Checkout {
    /// As a source keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Text in ordered maps: serialising cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what [`Checkout::to_bytes`] gave. `None`: it is something else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub fn repository(&self) -> Repository {
        Repository::new(self.files.clone())
    }
}
