//! The section `pools`: that manifests may have machines which people reserve, and the key by which Amarre reaches them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::build::clean;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolsFile {
    pub(super) ssh_key: Option<PathBuf>,
}

/// How machines of pools are reached.
#[derive(Debug, Clone)]
pub struct PoolsAccess {
    /// A private key; `None`: Amarre makes one beside its ledger.
    pub ssh_key: Option<PathBuf>,
    /// A folder of Amarre's own.
    pub folder: PathBuf,
}

impl PoolsFile {
    pub(super) fn build(&self, base: &Path, state: &Path) -> PoolsAccess {
        let ssh_key = self.ssh_key.as_ref().map(|path| clean(base, path));
        PoolsAccess { ssh_key, folder: state.with_extension("ssh") }
    }
}
