//! The section `pools`: that manifests may have machines which people reserve, and the key by which Amarre reaches them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::build::clean;
use super::{CompatPool, ConfigError};
use amarre_core::model::Code;

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

/// A pool that is served in another form takes the section.
pub(super) fn check_compat(compat: Option<&CompatPool>, has_pools: bool) -> Result<(), ConfigError> {
    match compat {
        Some(CompatPool { pool, .. }) if !has_pools => {
            let message = format!("server.compat.pool serves {pool}, and there is no `pools`");
            Err(ConfigError::new(Code::A0201, message, "write `pools: {}`, and the pool as a manifest"))
        }
        Some(_) | None => Ok(()),
    }
}
