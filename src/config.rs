//! The configuration: `amarre.yaml`, environment names, secrets. Only `main`, `cli` and `engine` build from it.
//!
//! | environment | stands for |
//! |---|---|
//! | `AMARRE_CONFIG` | `--config` |
//! | `AMARRE_` and a key's path | that key: `AMARRE_DNS_TTL` is `dns.ttl`; see `overlay.rs` |
//! | the same and `_FILE`, for a secret | `{file: …}` |
//! | `DOCKER_HOST`, `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH`, `DOCKER_CONTEXT`, `DOCKER_CONFIG` | `hosts.….docker` where the file does not say one |
//! | `OVH_ENDPOINT`, `OVH_APPLICATION_KEY`, `OVH_CLIENT_ID`, … (and `ovh.conf`) | `ovh.…` |
//! | `AMARRE_SECRET_A_B`, `AMARRE_SECRET_A_B_FILE` | `{secret: a/b}` |

mod file;
mod build;
pub mod clouds;
mod dnsmasq;
mod docker;
mod git;
mod notifications;
mod npm;
mod own_names;
mod ports;
mod secrets;
mod server;
mod ovh;
mod ovh_cloud;
pub mod pools;
pub mod kamatera;
mod overlay;
mod keys;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use self::file::File;
use self::secrets::{Resolver, ServiceSecrets, environment, read_limited};
use crate::notifications::channel::{Channel, Heartbeat};
use crate::secret::{KEY_BYTES, MarkKey, OvhLogin, Secret};
use amarre_core::model::site::{PublicAddress, ascii_name};
use amarre_core::model::suggestion::nearest;
use amarre_core::model::{Code, GitRef, GitUrl, Hint, Millis, ProviderId, SecretName, Site};

/// A configuration file larger than this is a mistake.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A problem of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// `A02…`.
    pub code: Code,
    /// Lowercase, no full stop; says where.
    pub message: String,
    /// The hint.
    pub hints: Vec<Hint>,
}

impl ConfigError {
    fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hints: vec![Hint::text(hint.into())] }
    }
}

/// The whole configuration, paths made absolute.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// The part that the core may know.
    pub site: Site,
    /// The source of the manifests.
    pub source: SourceAccess,
    /// The time between passes without events.
    pub interval: Millis,
    /// Docker engines by host.
    pub dockers: BTreeMap<String, DockerAccess>,
    /// Accounts at registries, by their host.
    pub registries: BTreeMap<String, RegistryAccess>,
    /// NPMs by name.
    pub npms: BTreeMap<String, NpmAccess>,
    /// The OVH account, if there is one.
    pub ovh: Option<OvhAccess>,
    /// A dnsmasq on this machine.
    pub dnsmasq: Option<dnsmasq::DnsmasqAccess>,
    /// Accounts at clouds, by the provider that each becomes.
    pub clouds: BTreeMap<ProviderId, clouds::CloudAccess>,
    /// How machines of pools are reached; `None`: there are none.
    pub pools: Option<pools::PoolsAccess>,
    /// How HTTP is served.
    pub server: ServerAccess,
    /// The notification channels.
    pub notifications: Vec<Channel>,
    /// The heartbeat's URL and pause.
    pub heartbeat: Option<Heartbeat>,
    /// The ledger.
    pub state: PathBuf,
    /// The files that hold its own secrets, and those of a running configuration that it replaces.
    pub secret_files: BTreeSet<PathBuf>,
}

/// How HTTP is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAccess {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The public URL: scheme, name and perhaps port, in lower case.
    pub url: Option<String>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub proxies: Vec<IpNet>,
    /// Requests that one address, or one user, may send in a minute.
    pub per_minute: u32,
    /// The secret with which forges sign webhooks.
    pub webhook_secret: Option<Secret>,
    /// What all of its listeners encrypt with; `None`: HTTP.
    pub tls: Option<TlsSource>,
    /// Where the list of a cloud is served as its vendor gives it: an address, and the cloud's name.
    pub compat_cloud: Option<(SocketAddr, String)>,
    /// Where a pool is served as the server of machines before Amarre served it.
    pub compat_pool: Option<CompatPool>,
}

/// A listener with the paths of another server of machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompatPool {
    /// Its address.
    pub listen: SocketAddr,
    /// The pool's name.
    pub pool: String,
    /// Every answer is indented, as with `?pretty`.
    pub is_pretty: bool,
}

impl ServerAccess {
    /// The addresses of all listeners, each with its key.
    pub fn listeners(&self) -> Vec<(SocketAddr, &'static str)> {
        let cloud = self.compat_cloud.iter().map(|(listen, _)| (*listen, "server.compat.cloud.listen"));
        let pool = self.compat_pool.iter().map(|pool| (pool.listen, "server.compat.pool.listen"));
        std::iter::once((self.listen, "server.listen")).chain(cloud).chain(pool).collect()
    }
}

/// What listeners encrypt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsSource {
    /// A certificate of its own, kept beside the ledger.
    SelfSigned,
    /// PEM files that are replaced by whoever renews them.
    Files {
        /// The certificate and its chain.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// The source of the manifests.
#[derive(Debug, Clone)]
pub enum SourceAccess {
    /// A folder on this machine.
    Folder(PathBuf),
    /// A git repository.
    Git(Box<GitAccess>),
}

/// How a git repository is followed.
#[derive(Debug, Clone)]
pub struct GitAccess {
    /// The URL, without credentials.
    pub url: GitUrl,
    /// The followed ref.
    pub reference: GitRef,
    /// The folder of manifests in it; empty = all of it.
    pub path: String,
    /// For HTTP: the name that goes with the token.
    pub username: String,
    /// For HTTP: a token or password.
    pub token: Option<Secret>,
    /// For ssh: the private key.
    pub ssh_key: Option<PathBuf>,
    /// For ssh: its configuration.
    pub ssh_config: Option<PathBuf>,
    /// For ssh: a file of known hosts.
    pub known_hosts: Option<PathBuf>,
    /// For ssh: the server's one key.
    pub host_key: Option<String>,
    /// How often the server is asked.
    pub interval: Millis,
    /// Lines of `name key`: only commits signed by one of them count.
    pub ssh_allowed_signers: Option<PathBuf>,
    /// A keyring: only commits signed by one of its keys count.
    pub openpgp: Option<PathBuf>,
    /// Each commit since the accepted one has to be signed.
    pub verify_all: bool,
    /// The memory that a fetch may take.
    pub memory_bytes: u64,
}

/// How an engine is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerAccess {
    /// `unix://…`, `tcp://…` or `ssh://…`.
    pub endpoint: String,
    /// For `tcp://`; `None` = not encrypted.
    pub tls: Option<TlsAccess>,
}

/// The files for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsAccess {
    /// The CA of the engine's certificate.
    pub ca: PathBuf,
    /// Our certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// An account at a registry.
#[derive(Debug, Clone)]
pub struct RegistryAccess {
    /// Its name.
    pub username: String,
    /// Its password or token.
    pub password: Secret,
}

/// Access to an NPM.
#[derive(Debug, Clone)]
pub struct NpmAccess {
    /// The admin address that people type.
    pub url: String,
    /// The account's e-mail.
    pub identity: String,
    /// Its password.
    pub secret: Secret,
    /// certbot's credentials for writing records; `None`: it has none.
    pub dns_credentials: Option<Secret>,
}

/// Access to OVH.
#[derive(Debug, Clone)]
pub struct OvhAccess {
    /// `ovh-eu`, …, or a URL.
    pub endpoint: String,
    /// The login.
    pub login: OvhLogin,
    /// Servers asked instead of the zone's own.
    pub servers: Vec<SocketAddr>,
    /// Resolvers, for status.
    pub resolvers: Vec<SocketAddr>,
    /// How long a record may take to propagate.
    pub timeout: Millis,
}

impl Config {
    /// Reads the file: the one named, else `amarre.yaml` here, below XDG's configuration folder, or in /etc.
    ///
    /// # Errors
    /// File, line and key, with a hint.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let path = locate(path)?;
        let text = read_limited(&path, FILE_BYTES_MAX).map_err(|why| {
            ConfigError::new(
                Code::A0201,
                format!("could not read {}: {why}", path.display()),
                "name another file with --config",
            )
        })?;
        Self::parse(&text, &path).map_err(|error| place::with_place(error, &text, &path))
    }

    /// Reads the text of a configuration that stands at `path`.
    ///
    /// # Errors
    /// As [`Config::load`]; a wrong value has its key only, for the text need not be that of a file.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file = read(text, path, &overlay::own_variables(secrets::variables()))?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let base = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        let secrets = Resolver::new(base.clone());
        file.build(absolute, &base, &secrets)
    }

    /// Resolves one secret of a manifest.
    ///
    /// # Errors
    /// It is set nowhere; the hint names every place that was searched.
    pub fn secret(&self, name: &SecretName) -> Result<Secret, ConfigError> {
        self.service_secrets().by_name(&name.0)
    }

    fn service_secrets(&self) -> ServiceSecrets<'_> {
        ServiceSecrets { base: self.path.parent().unwrap_or(Path::new("/")), site: &self.site }
    }

    /// The instance's keys; the first is made on first use, readable by the owner only.
    ///
    /// # Errors
    /// The file cannot be read or made.
    pub fn key(&self) -> Result<MarkKey, ConfigError> {
        let path = self.key_path();
        match std::fs::read(&path) {
            Ok(bytes) => MarkKey::parse(&bytes).ok_or_else(|| {
                ConfigError::new(
                    Code::A0203,
                    format!("{} is not a key of 32 bytes, nor lines of 64 hex digits", path.display()),
                    "put back the right file; with a new one, secrets are re-applied once, and marks in DNS prove nothing",
                )
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let bytes: [u8; KEY_BYTES] = rand::random();
                write_private(&path, &bytes).map_err(|why| self.key_unusable(&why))?;
                Ok(MarkKey::new(bytes))
            }
            Err(error) => Err(self.key_unusable(&error)),
        }
    }

    /// Replaces the keys, at once and for good.
    ///
    /// # Errors
    /// The file cannot be written; then the keys are as before.
    pub fn replace_key(&self, keys: &MarkKey) -> Result<(), ConfigError> {
        let (path, fresh) = (self.key_path(), self.beside_state("key-new"));
        let written = || {
            // Left by a crash during an earlier try.
            match std::fs::remove_file(&fresh) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => (),
            }
            write_private(&fresh, keys.text().as_bytes())?;
            std::fs::rename(&fresh, &path)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            std::fs::File::open(folder)?.sync_all()
        };
        written().map_err(|why| self.key_unusable(&why))
    }

    /// Where the instance's keys are.
    pub fn key_path(&self) -> PathBuf {
        self.beside_state("key")
    }

    /// The fingerprint of the last exported key, if any.
    pub fn exported_key(&self) -> Option<String> {
        std::fs::read_to_string(self.beside_state("key-saved")).ok().map(|text| text.trim().to_owned())
    }

    /// Records that the keys were exported.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note_exported_key(&self, keys: &MarkKey) -> Result<(), ConfigError> {
        let text = format!("{}\n", keys.fingerprint());
        std::fs::write(self.beside_state("key-saved"), text).map_err(|why| self.key_unusable(&why))
    }

    /// Deletes that record: the copy no longer matches the keys.
    pub fn forget_exported_key(&self) {
        // An error here only repeats or omits a reminder.
        let _ = std::fs::remove_file(self.beside_state("key-saved"));
    }

    fn key_unusable(&self, why: &std::io::Error) -> ConfigError {
        let message = format!("could not use the key {}: {why}", self.key_path().display());
        ConfigError::new(Code::A0203, message, "the folder of `state` must be writable")
    }

    /// A file beside the ledger: `amarre.db` → `amarre.key`, `amarre.sock`, `amarre.lock`.
    pub fn beside_state(&self, extension: &str) -> PathBuf {
        self.state.with_extension(extension)
    }

    /// Adds what manifests may not use because the configuration that runs until a restart uses it: its files, its
    /// listeners and the names of its credentials.
    #[must_use]
    pub fn with_startup_settings(mut self, running: &Config) -> Self {
        self.secret_files.extend(running.own_paths());
        self.site.own_secrets.extend(running.site.own_secrets.iter().cloned());
        for listener in &running.site.listeners {
            if !self.site.listeners.contains(listener) {
                self.site.listeners.push(*listener);
            }
        }
        for (name, host) in &mut self.site.hosts {
            let before = running.site.hosts.get(name).into_iter().flat_map(|host| host.kept_ports.clone());
            host.kept_ports.extend(before);
        }
        self
    }

    /// The files and folders that Amarre works with: whoever writes there controls Amarre, whoever reads there has its
    /// secrets. Each by its configured path, and by its real one.
    pub fn own_paths(&self) -> BTreeSet<PathBuf> {
        const BESIDE_STATE: [&str; 13] = [
            "key",
            "key-new",
            "key-saved",
            "lock",
            "sock",
            "git",
            "simulated",
            "db",
            "db-wal",
            "db-shm",
            "db-journal",
            "tls.pem",
            "tls-key.pem",
        ];
        let mut paths = self.secret_files.clone();
        paths.extend([self.state.clone(), self.path.clone()]);
        paths.extend(BESIDE_STATE.map(|extension| self.beside_state(extension)));
        paths.extend(["-wal", "-shm", "-journal"].map(|end| PathBuf::from(format!("{}{end}", self.state.display()))));
        paths.extend(self.path.parent().map(|base| base.join("secrets")));
        match &self.source {
            SourceAccess::Folder(folder) => paths.extend([folder.clone()]),
            SourceAccess::Git(git) => {
                let files = [&git.ssh_key, &git.ssh_config, &git.known_hosts, &git.ssh_allowed_signers, &git.openpgp];
                paths.extend(files.into_iter().flatten().cloned());
            }
        }
        if let Some(TlsSource::Files { certificate, key }) = &self.server.tls {
            paths.extend([certificate.clone(), key.clone()]);
        }
        for tls in self.dockers.values().filter_map(|docker| docker.tls.as_ref()) {
            paths.extend([tls.ca.clone()]);
            paths.extend(tls.client.iter().flat_map(|(cert, key)| [cert.clone(), key.clone()]));
        }
        let real: Vec<PathBuf> = paths.iter().filter_map(|path| std::fs::canonicalize(path).ok()).collect();
        paths.extend(real);
        paths
    }
}

/// The file, overridden by environment variables.
fn read(text: &str, path: &Path, variables: &BTreeMap<String, String>) -> Result<File, ConfigError> {
    let unread = |error: &dyn std::fmt::Display| {
        let said = place_first(&error.to_string());
        let (said, hint) = match mistyped(&said) {
            Some((said, near)) => (said, format!("did you mean `{near}`?")),
            None => (said, "see docs/configuration.md for every key".to_owned()),
        };
        ConfigError::new(Code::A0201, format!("{}{said}", path.display()), hint)
    };
    let alone = serde_yaml::from_str::<File>(text);
    if variables.is_empty() {
        return alone.map_err(|error| unread(&error));
    }
    let mut tree: serde_json::Value = serde_yaml::from_str(text).map_err(|error| unread(&error))?;
    overlay::apply(&mut tree, &keys::Shape::new::<File>(), variables)?;
    serde_json::from_value(tree).map_err(|error| match alone {
        // The file has a place to report, unless the variables repair it.
        Err(alone) if !alone.to_string().contains("missing field") => unread(&alone),
        Err(_) | Ok(_) => {
            let names: Vec<&str> = variables.keys().map(String::as_str).collect();
            let message = format!("{} with {}: {error}", path.display(), names.join(", "));
            ConfigError::new(Code::A0221, message, "look with env for a name that you did not mean")
        }
    })
}

/// The nearest known key, if there is one: the list of all others is left out then.
fn mistyped(said: &str) -> Option<(String, String)> {
    let (before, rest) = said.split_once("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    let (_, known) = rest.split_once("expected ")?;
    let known = known.strip_prefix("one of ").unwrap_or(known);
    let known: Vec<&str> = known.split([',', ' ']).map(|word| word.trim_matches('`')).collect();
    let near = nearest(key, &known)?;
    Some((format!("{before}unknown key `{key}`"), near.to_owned()))
}

/// Labels of letters, digits and `-`, with dots between them.
pub fn is_domain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// What is said of a text that is no public address.
pub const NO_PUBLIC_ADDRESS: &str = "write an IPv4 or IPv6 address; a name must end in a dot: home.example.org.";

/// A public address of a host: where records point.
pub fn public_address(text: &str) -> Option<PublicAddress> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Some(PublicAddress::Ip(ip)),
        Err(_) => text.ends_with('.').then(|| PublicAddress::Name(ascii_name(text))),
    }
}

fn locate(path: Option<&Path>) -> Result<PathBuf, ConfigError> {
    if let Some(path) = path {
        return Ok(path.to_owned());
    }
    let home = environment("XDG_CONFIG_HOME").or_else(|| Some(format!("{}/.config", environment("HOME")?)));
    let places = [
        Some(PathBuf::from("amarre.yaml")),
        home.map(|home| PathBuf::from(home).join("amarre/amarre.yaml")),
        Some(PathBuf::from("/etc/amarre/amarre.yaml")),
    ];
    let places: Vec<PathBuf> = places.into_iter().flatten().collect();
    if let Some(found) = places.iter().find(|place| place.is_file()) {
        return Ok(found.clone());
    }
    let looked: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    Err(ConfigError::new(
        Code::A0201,
        format!("no configuration in {}", looked.join(", ")),
        "amarre init writes one; or name another with --config",
    ))
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The YAML library's message as `:line:column: what`, as editors and terminals open places.
fn place_first(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let place = line.strip_prefix("line ").and_then(|rest| rest.split_once(": ")).and_then(|(place, what)| {
        let (line, column) = place.split_once(" column ")?;
        Some(format!(":{line}:{column}: {what}"))
    });
    let text = place.unwrap_or_else(|| format!(": {line}"));
    let text = text.split(", set DuplicateKeyPolicy").next().unwrap_or(&text).to_owned();
    text.replace("expected sequence start", "a list is expected here")
        .replace("expected mapping start", "a map is expected here")
}
