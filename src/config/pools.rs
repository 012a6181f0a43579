//! The section `pools`: that manifests may have machines which people reserve, and the key by which Amarre reaches them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::build::{clean, duration};
use super::{CompatPool, ConfigError};
use amarre_core::model::{Code, Millis};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolsFile {
    pub(super) ssh_key: Option<PathBuf>,
    pub(super) keep: Option<String>,
}

/// A year and a month, so that a year can be compared with the one before.
const KEPT: Millis = Millis::minutes(400 * 24 * 60);
/// Longer than any reservation: a machine that was away so long would be of an unknown one, which is taken for lent.
const KEPT_LEAST: Millis = Millis::minutes(32 * 24 * 60);

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

/// How long it is kept who had which machine.
pub(super) fn kept(pools: Option<&PoolsFile>) -> Result<Millis, ConfigError> {
    let text = pools.and_then(|pools| pools.keep.as_deref());
    let kept = duration("pools.keep", text, KEPT)?;
    if kept < KEPT_LEAST {
        let message = format!("pools.keep: `{}` is less than 32 days", text.unwrap_or_default());
        return Err(ConfigError::new(
            Code::A0201,
            message,
            "write 32d or more, as in 90d: a reservation may last 31 days",
        ));
    }
    Ok(kept)
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
