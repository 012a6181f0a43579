//! Where secrets come from: environment, files, `/run/secrets`, a folder beside the configuration.

use std::path::{Path, PathBuf};

use super::ConfigError;
use super::file::SecretSource;
use crate::secret::Secret;

/// A secret larger than this is a mistake.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Finds secrets; relative paths are relative to the configuration.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) base: PathBuf,
}

impl Resolver {
    pub(super) fn read(&self, source: &SecretSource) -> Result<Secret, ConfigError> {
        match source {
            SecretSource::Text(text) => Ok(Secret::new(text)),
            SecretSource::File { file } => self.file(&self.base.join(file)),
            // What was meant as a name may be the secret itself: it is not repeated.
            SecretSource::Env { env } if !is_name(env) => {
                let hint =
                    "write `{env: NAME}`, with letters, digits and `_`; the secret itself stands in that variable";
                Err(ConfigError::new("A0207", "`env` is not the name of a variable", hint))
            }
            SecretSource::Env { env } => environment(env).map(Secret::new).ok_or_else(|| {
                ConfigError::new("A0207", format!("the environment has no `{env}`"), format!("export {env}=…"))
            }),
            SecretSource::Named { secret } => self.by_name(secret),
        }
    }

    pub(super) fn by_name(&self, name: &str) -> Result<Secret, ConfigError> {
        let flat = name.replace('/', "_");
        let variable = format!("AMARRE_SECRET_{}", flat.to_uppercase().replace('-', "_"));
        if let Some(value) = environment(&variable) {
            return Ok(Secret::new(value));
        }
        if let Some(path) = environment(&format!("{variable}_FILE")) {
            return self.file(Path::new(&path));
        }
        for path in [Path::new("/run/secrets").join(&flat), self.base.join("secrets").join(name)] {
            if path.is_file() {
                return self.file(&path);
            }
        }
        let hint = format!(
            "export {variable}=… or put it in /run/secrets/{flat} or {}",
            self.base.join("secrets").join(name).display()
        );
        Err(ConfigError::new("A0207", format!("secret `{name}` is not set"), hint))
    }

    fn file(&self, path: &Path) -> Result<Secret, ConfigError> {
        let text = read_limited(path, SECRET_BYTES_MAX).map_err(|why| {
            ConfigError::new(
                "A0207",
                format!("could not read the secret in {}: {why}", path.display()),
                "is it there and readable by this user?",
            )
        })?;
        Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
    }
}

/// The text of a file that is no larger than it should be.
pub(super) fn read_limited(path: &Path, bytes_max: u64) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > bytes_max {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Whether a variable may be called so.
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !text.starts_with(|first: char| first.is_ascii_digit())
}

/// A variable that is set to something.
#[expect(clippy::disallowed_methods, reason = "the one door to the environment")]
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Every variable that is text.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
