//! Reads secrets: from the environment, files, and a folder beside the configuration. The configuration's own
//! credentials and the secrets of manifests have a name space each.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::ConfigError;
use super::file::SecretSource;
use crate::secret::Secret;

use amarre_core::model::site::credential_key;
use amarre_core::model::suggestion::matches as pattern_matches;
use amarre_core::model::{Code, Site};

/// Where Docker puts the secrets of a stack.
const RUN: &str = "/run/secrets";
/// The prefix of variables with secrets of manifests.
pub(super) const SERVICE_SECRETS: &str = "AMARRE_SERVICE_SECRET_";
/// The suffix of variables that name a file.
const FILE: &str = "_FILE";
/// A secret larger than this is a mistake.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Finds the configuration's own credentials; relative paths are relative to the configuration.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) base: PathBuf,
    /// Names that manifests could call these credentials by, as [`credential_key`] spells them.
    pub(super) own: RefCell<BTreeSet<String>>,
    /// The files that may hold them.
    files: RefCell<BTreeSet<PathBuf>>,
}

impl Resolver {
    pub(super) fn new(base: PathBuf) -> Self {
        Self { base, own: RefCell::default(), files: RefCell::default() }
    }

    /// Records a file that holds a credential.
    pub(super) fn note_file(&self, path: &Path) {
        let path = self.base.join(path);
        self.files.borrow_mut().insert(path.clone());
        let places = [PathBuf::from(RUN), self.base.join("secrets")];
        let inside = places.iter().find_map(|place| path.strip_prefix(place).ok());
        let name = inside.and_then(Path::to_str).or_else(|| path.file_name()?.to_str());
        self.own.borrow_mut().extend(name.map(credential_key));
    }

    /// The files that may hold credentials.
    pub(super) fn files(&self) -> BTreeSet<PathBuf> {
        self.files.borrow().clone()
    }

    pub(super) fn read(&self, source: &SecretSource) -> Result<Secret, ConfigError> {
        match source {
            SecretSource::Text(text) => Ok(Secret::new(text)),
            SecretSource::File { file } => {
                self.note_file(file);
                file_of(&self.base.join(file))
            }
            // A text in place of a name may be the secret itself: it is not repeated.
            SecretSource::Env { env } if !is_name(env) => {
                let hint =
                    "write `{env: NAME}`, with letters, digits and `_`; the secret itself stands in that variable";
                Err(ConfigError::new(Code::A0207, "`env` is not the name of a variable", hint))
            }
            SecretSource::Env { env } => environment(env).map(Secret::new).ok_or_else(|| {
                ConfigError::new(Code::A0207, format!("the environment has no `{env}`"), format!("export {env}=…"))
            }),
            SecretSource::Named { secret } => {
                self.own.borrow_mut().insert(credential_key(secret));
                self.by_name(secret)
            }
        }
    }

    fn by_name(&self, name: &str) -> Result<Secret, ConfigError> {
        let flat = name.replace('/', "_");
        let variable = format!("AMARRE_SECRET_{}", flat.to_uppercase().replace('-', "_"));
        let paths = [Path::new(RUN).join(&flat), self.base.join("secrets").join(name)];
        self.files.borrow_mut().extend(paths.iter().cloned());
        if let Some(found) = first(&variable, &paths) {
            return found;
        }
        let unset = names_no_file(&variable);
        let hint = format!(
            "{unset}export {variable}=… or put it in /run/secrets/{flat} or {}",
            self.base.join("secrets").join(name).display()
        );
        Err(ConfigError::new(Code::A0207, format!("secret `{name}` is not set"), hint))
    }
}

/// The secrets of manifests: a name space of their own, in which no credential of the configuration stands.
pub(super) struct ServiceSecrets<'a> {
    pub(super) base: &'a Path,
    pub(super) site: &'a Site,
}

impl ServiceSecrets<'_> {
    /// The value of `{secret: NAME}` in a manifest.
    pub(super) fn by_name(&self, name: &str) -> Result<Secret, ConfigError> {
        if let Some(found) = self.at_its_place(name) {
            return found;
        }
        let place = self.base.join("secrets/services").join(name);
        let variable = service_variable(name);
        let variable = variable.map(|variable| format!("{}export {variable}=…, or ", names_no_file(&variable)));
        let variable = variable.unwrap_or_default();
        let hint = format!("{variable}put it in {}", place.display());
        Err(ConfigError::new(Code::A0207, format!("secret `{name}` is not set"), hint))
    }

    /// The place of manifests' secrets.
    pub(super) fn at_its_place(&self, name: &str) -> Option<Result<Secret, ConfigError>> {
        let mut paths = vec![self.base.join("secrets/services").join(name)];
        // The folder also holds credentials: only what the configuration lists is read there.
        if self.is_listed(name) {
            paths.push(Path::new(RUN).join(name.replace('/', "_")));
        }
        match service_variable(name) {
            // A file named after another service belongs to it.
            Some(variable) if !name.contains('/') && variable.ends_with(FILE) && named_by(&variable).is_some() => {
                first_file(&paths)
            }
            Some(variable) => first(&variable, &paths),
            None => first_file(&paths),
        }
    }

    fn is_listed(&self, name: &str) -> bool {
        let is_own = self.site.own_secrets.contains(&credential_key(name));
        !is_own && self.site.policy.secrets.values().flatten().any(|pattern| pattern_matches(pattern, name))
    }
}

/// `cloud/db-key` is `AMARRE_SERVICE_SECRET_CLOUD__DB_KEY`. None for a name that would share its variable with one of
/// another service.
fn service_variable(name: &str) -> Option<String> {
    let (owner, rest) = name.split_once('/').map_or((name, None), |(owner, rest)| (owner, Some(rest)));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !owner.bytes().all(is_plain) || owner.contains("--") || name.contains('.') {
        return None;
    }
    let spell = |text: &str| text.to_ascii_uppercase().replace('-', "_");
    let rest = rest.map(|rest| format!("__{}", spell(&rest.replace('/', "__")))).unwrap_or_default();
    Some(format!("{SERVICE_SECRETS}{}{rest}", spell(owner)))
}

/// The value of a variable, else of the file that it names with `_FILE`, else of the first file that is there.
///
/// `…_CLOUD_FILE` may also hold the secret `cloud-file`. So it is taken for the name of a file only where that file is
/// there, and what it says is never repeated.
fn first(variable: &str, paths: &[PathBuf]) -> Option<Result<Secret, ConfigError>> {
    if let Some(value) = environment(variable) {
        return Some(Ok(Secret::new(value)));
    }
    named_by(&format!("{variable}{FILE}")).map(|path| file_of(&path)).or_else(|| first_file(paths))
}

/// The file that a variable names, if it is there.
fn named_by(variable: &str) -> Option<PathBuf> {
    environment(variable).map(PathBuf::from).filter(|path| path.is_file())
}

/// A hint that a variable was meant as the name of a file, if it is set and is none.
fn names_no_file(variable: &str) -> String {
    let named = format!("{variable}{FILE}");
    if environment(&named).is_some() && named_by(&named).is_none() {
        format!("`{named}` names no file that is there; ")
    } else {
        String::new()
    }
}

fn first_file(paths: &[PathBuf]) -> Option<Result<Secret, ConfigError>> {
    paths.iter().find(|path| path.is_file()).map(|path| file_of(path))
}

fn file_of(path: &Path) -> Result<Secret, ConfigError> {
    let text = read_limited(path, SECRET_BYTES_MAX).map_err(|why| {
        ConfigError::new(
            Code::A0207,
            format!("could not read the secret in {}: {why}", place(path)),
            "is it there and readable by this user?",
        )
    })?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

/// A file's label. The value of a variable may be a misplaced secret: the variable is named instead.
fn place(path: &Path) -> String {
    let is_it = |(name, value): &(String, String)| {
        name.starts_with("AMARRE_") && name.ends_with(FILE) && !value.is_empty() && path.ends_with(value)
    };
    match variables().find(is_it) {
        Some((name, _)) => format!("the file that `{name}` names"),
        None => path.display().to_string(),
    }
}

/// The text of a file within its size limit.
pub(super) fn read_limited(path: &Path, bytes_max: u64) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > bytes_max {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Whether a variable may have this name.
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !text.starts_with(|first: char| first.is_ascii_digit())
}

/// A variable with a non-empty value.
#[expect(clippy::disallowed_methods, reason = "the one door to the environment")]
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Every variable with a UTF-8 value.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
