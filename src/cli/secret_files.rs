//! The secrets of manifests as files: `secrets/services/NAME` beside the configuration, readable by the owner only.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::secret::{KeepSecrets, Secret, private_file};
use amarre_core::model::SecretName;

/// The secrets beside a configuration.
pub struct SecretFiles(pub Config);

impl KeepSecrets for SecretFiles {
    fn keep(&self, name: &SecretName, value: &Secret) -> Result<bool, String> {
        let Self(config) = self;
        match config.secret(name) {
            Ok(known) if known == *value => return Ok(false),
            Ok(_) => {
                let place = place(config, name);
                return Err(format!(
                    "the secret {} is set already, to something else: see {}",
                    name.0,
                    place.display()
                ));
            }
            Err(_) => (),
        }
        let path = write(config, name, value.expose()).map_err(|failed| failed.to_string())?;
        match config.secret(name) {
            Ok(known) if known == *value => Ok(true),
            // A secret that reads otherwise would sign in nowhere.
            Ok(_) | Err(_) => {
                let _ = std::fs::remove_file(&path);
                Err(format!("the secret {} could not be read back from {}", name.0, path.display()))
            }
        }
    }

    fn forget(&self, name: &SecretName) -> Result<(), String> {
        let path = place(&self.0, name);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(format!("could not remove {}: {error}", path.display())),
        }
    }
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("could not write {}: {error}", path.display())]
pub(super) struct UnsavedSecret {
    path: PathBuf,
    error: io::Error,
}

/// The folder of a configuration.
pub(super) fn base(config: &Config) -> PathBuf {
    std::path::absolute(&config.path).ok().and_then(|path| path.parent().map(Path::to_owned)).unwrap_or_default()
}

fn place(config: &Config, name: &SecretName) -> PathBuf {
    base(config).join("secrets/services").join(&name.0)
}

/// Writes a secret, the whole file or none; answers its place.
pub(super) fn write(config: &Config, name: &SecretName, text: &str) -> Result<PathBuf, UnsavedSecret> {
    let path = place(config, name);
    match private_file::replace(&path, text) {
        Ok(()) => Ok(path),
        Err(error) => Err(UnsavedSecret { path, error }),
    }
}
