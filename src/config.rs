//! The configuration: `amarre.yaml`, environment names, secrets. Only `main`, `cli` and `engine` build from it.
//!
//! | environment | stands for |
//! |---|---|
//! | `AMARRE_CONFIG` | `--config` |
//! | `DOCKER_HOST` | `hosts.default.docker` where the file does not say one |
//! | `OVH_ENDPOINT`, `OVH_APPLICATION_KEY`, `OVH_APPLICATION_SECRET`, `OVH_CONSUMER_KEY` | `ovh.…` |
//! | `AMARRE_SECRET_A_B`, `AMARRE_SECRET_A_B_FILE` | `{secret: a/b}` |

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::model::site::{Defaults, HostSite, NpmSite, Policy, PublicAddress, Reach};
use crate::model::{Hint, Millis, ProviderId, SecretName, Site};
use crate::secret::{MarkKey, Secret};

/// A configuration file larger than this is a mistake.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// A secret larger than this is a mistake.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// What is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// `A02…`.
    pub code: &'static str,
    /// Lowercase, no full stop; says where.
    pub message: String,
    /// How to mend it.
    pub hints: Vec<Hint>,
}

impl ConfigError {
    fn new(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hints: vec![Hint::text(hint)] }
    }
}

/// The whole configuration, paths made absolute.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from.
    pub path: PathBuf,
    /// What the pure part may know.
    pub site: Site,
    /// The folder of manifests.
    pub source: PathBuf,
    /// Time between looks when nothing wakes us.
    pub interval: Millis,
    /// Docker endpoints by host.
    pub dockers: BTreeMap<String, String>,
    /// NPMs by name.
    pub npms: BTreeMap<String, NpmAccess>,
    /// The OVH account, if there is one.
    pub ovh: Option<OvhAccess>,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// The ledger.
    pub state: PathBuf,
}

/// How an NPM is signed in to.
#[derive(Debug, Clone)]
pub struct NpmAccess {
    /// The admin address that people type.
    pub url: String,
    /// The account's e-mail.
    pub identity: String,
    /// Its password.
    pub secret: Secret,
}

/// How OVH is asked.
#[derive(Debug, Clone)]
pub struct OvhAccess {
    /// `ovh-eu`, …, or a URL.
    pub endpoint: String,
    /// Application key.
    pub application_key: String,
    /// Application secret.
    pub application_secret: Secret,
    /// Consumer key.
    pub consumer_key: Secret,
    /// Servers asked instead of the zone's own.
    pub servers: Vec<SocketAddr>,
    /// Resolvers, for status.
    pub resolvers: Vec<SocketAddr>,
    /// How long a record may take to be seen.
    pub timeout: Millis,
}

impl Config {
    /// Reads the file: the one named, else `amarre.yaml` here, below XDG's configuration folder, or in /etc.
    ///
    /// # Errors
    /// Says which file, line and key, and how to mend it.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let path = locate(path)?;
        let text = read_limited(&path, FILE_BYTES_MAX).map_err(|why| {
            ConfigError::new(
                "A0201",
                format!("could not read {}: {why}", path.display()),
                "name another file with --config",
            )
        })?;
        Self::parse(&text, &path)
    }

    /// Reads the text of a configuration that stands at `path`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file: File = serde_yaml::from_str(text).map_err(|error| {
            let message = format!("{}{}", path.display(), place_first(&error.to_string()));
            ConfigError::new("A0201", message, "see docs/configuration.md for every key")
        })?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let base = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        file.not_yet_supported()?;
        let secrets = Resolver { base: base.clone() };
        file.build(absolute, &base, &secrets)
    }

    /// Resolves one secret of a manifest.
    ///
    /// # Errors
    /// It is set nowhere; the hint names every place that was looked at.
    pub fn secret(&self, name: &SecretName) -> Result<Secret, ConfigError> {
        let base = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        Resolver { base }.by_name(&name.0)
    }

    /// The instance's key, made on first use; readable by the owner only.
    ///
    /// # Errors
    /// The file cannot be read or made.
    pub fn key(&self) -> Result<MarkKey, ConfigError> {
        let path = self.beside_state("key");
        let failed = |why: std::io::Error| {
            ConfigError::new(
                "A0203",
                format!("could not use the key {}: {why}", path.display()),
                "the folder of `state` must be writable",
            )
        };
        match std::fs::read(&path) {
            Ok(bytes) => {
                let bytes: [u8; 32] = bytes.try_into().map_err(|_| {
                    ConfigError::new(
                        "A0203",
                        format!("{} is not a key of 32 bytes", path.display()),
                        "put back the right file; with a new one, secrets are re-applied once",
                    )
                })?;
                Ok(MarkKey::new(bytes))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let bytes: [u8; 32] = rand::random();
                write_private(&path, &bytes).map_err(failed)?;
                Ok(MarkKey::new(bytes))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// A file beside the ledger: `amarre.db` → `amarre.key`, `amarre.sock`, `amarre.lock`.
    pub fn beside_state(&self, extension: &str) -> PathBuf {
        self.state.with_extension(extension)
    }
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "default_instance")]
    instance: String,
    domains: Option<Vec<String>>,
    domain: Option<String>,
    source: Option<SourceFile>,
    #[serde(default)]
    reconcile: ReconcileFile,
    #[serde(default)]
    defaults: DefaultsFile,
    #[serde(default)]
    hosts: BTreeMap<String, HostFile>,
    #[serde(default)]
    npm: BTreeMap<String, NpmFile>,
    ovh: Option<OvhFile>,
    #[serde(default)]
    network: NetworkFile,
    #[serde(default)]
    dns: DnsFile,
    #[serde(default)]
    policy: PolicyFile,
    #[serde(default)]
    server: ServerFile,
    #[serde(default = "default_state")]
    state: PathBuf,
    #[serde(default)]
    vars: BTreeMap<String, String>,
    // Of the design, for later.
    registries: Option<IgnoredAny>,
    certificates: Option<IgnoredAny>,
    images: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    folder: Option<PathBuf>,
    git: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReconcileFile {
    interval: Option<String>,
    mode: Option<String>,
    prune: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultsFile {
    restart: Option<String>,
    logging: Option<LoggingFile>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoggingFile {
    driver: Option<String>,
    options: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HostFile {
    docker: Option<String>,
    #[serde(default)]
    address: Many,
    #[serde(default)]
    also_at: Many,
    data: Option<String>,
    npm: Option<String>,
    private_address: Option<IgnoredAny>,
    publish_ports: Option<IgnoredAny>,
}

/// One or a list.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Many {
    #[default]
    None,
    One(String),
    List(Vec<String>),
}

impl Many {
    fn list(&self) -> Vec<String> {
        match self {
            Many::None => Vec::new(),
            Many::One(one) => vec![one.clone()],
            Many::List(list) => list.clone(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NpmFile {
    url: String,
    identity: String,
    secret: SecretSource,
    container: Option<String>,
    reach: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OvhFile {
    endpoint: Option<String>,
    application_key: Option<String>,
    application_secret: Option<SecretSource>,
    consumer_key: Option<SecretSource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkFile {
    pools: Option<Vec<Ipv4Net>>,
    pool: Option<Ipv4Net>,
    prefix: Option<u8>,
    #[serde(default)]
    avoid: Vec<Ipv4Net>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DnsFile {
    ttl: Option<String>,
    registry: Option<String>,
    #[serde(default)]
    propagation: PropagationFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PropagationFile {
    timeout: Option<String>,
    #[serde(default)]
    servers: Vec<String>,
    resolvers: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    host_paths: Option<Vec<String>>,
    records: Option<Vec<String>>,
    images: Option<Vec<String>>,
    privileged: Option<bool>,
    docker_socket: Option<bool>,
    host_network: Option<bool>,
    host_namespaces: Option<bool>,
    devices: Option<Vec<String>>,
    capabilities: Option<IgnoredAny>,
    nginx: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerFile {
    listen: Option<SocketAddr>,
}

/// A secret as the configuration writes it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum SecretSource {
    Text(String),
    File { file: PathBuf },
    Env { env: String },
    Named { secret: String },
}

fn default_instance() -> String {
    "amarre".to_owned()
}

fn default_state() -> PathBuf {
    PathBuf::from("./amarre.db")
}

impl File {
    /// Keys of the design that do nothing yet are refused, for a setting that is ignored is a trap.
    fn not_yet_supported(&self) -> Result<(), ConfigError> {
        let set = |on: bool, name: &'static str| on.then_some(name);
        let policy = &self.policy;
        let found = [
            set(self.registries.is_some(), "registries"),
            set(self.certificates.is_some(), "certificates"),
            set(self.images.is_some(), "images"),
            set(self.source.as_ref().is_some_and(|source| source.git.is_some()), "source.git"),
            set(self.reconcile.mode.as_deref().is_some_and(|mode| mode != "enforce"), "reconcile.mode: report"),
            set(self.hosts.values().any(|host| host.private_address.is_some()), "hosts.….private_address"),
            set(self.hosts.values().any(|host| host.publish_ports.is_some()), "hosts.….publish_ports"),
            set(policy.privileged == Some(true), "policy.privileged: true"),
            set(policy.docker_socket == Some(true), "policy.docker_socket: true"),
            set(policy.host_network == Some(true), "policy.host_network: true"),
            set(policy.host_namespaces == Some(true), "policy.host_namespaces: true"),
            set(policy.devices.as_ref().is_some_and(|devices| !devices.is_empty()), "policy.devices"),
            set(policy.capabilities.is_some(), "policy.capabilities"),
            set(policy.nginx.is_some(), "policy.nginx"),
        ];
        match found.into_iter().flatten().next() {
            Some(name) => {
                Err(ConfigError::new("A0202", format!("`{name}` is not yet supported"), "leave it out for now"))
            }
            None => Ok(()),
        }
    }

    fn build(self, path: PathBuf, base: &Path, secrets: &Resolver) -> Result<Config, ConfigError> {
        check_instance(&self.instance)?;
        let ovh = self.ovh(secrets)?;
        let site = self.site(ovh.is_some())?;
        let folder = self
            .source
            .as_ref()
            .and_then(|source| source.folder.clone())
            .unwrap_or_else(|| PathBuf::from("./services"));
        let interval = duration("reconcile.interval", self.reconcile.interval.as_deref(), Millis::minutes(5))?;
        let mut npms = BTreeMap::new();
        for (name, npm) in &self.npm {
            let secret = secrets.read(&npm.secret)?;
            let url = npm.url.trim_end_matches('/').trim_end_matches("/api").to_owned();
            npms.insert(name.clone(), NpmAccess { url, identity: npm.identity.clone(), secret });
        }
        let listen = self.server.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7070)));
        if !listen.ip().is_loopback() {
            let message = format!("server.listen {listen} is not on loopback");
            return Err(ConfigError::new(
                "A0204",
                message,
                "without accounts only loopback is served; put your own proxy in front",
            ));
        }
        let dockers = self.docker_endpoints(&site);
        Ok(Config {
            source: clean(base, &folder),
            interval,
            dockers,
            npms,
            ovh,
            listen,
            state: clean(base, &self.state),
            site,
            path,
        })
    }

    fn docker_endpoints(&self, site: &Site) -> BTreeMap<String, String> {
        let usual = environment("DOCKER_HOST").unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
        let endpoint =
            |name: &String| self.hosts.get(name).and_then(|host| host.docker.clone()).unwrap_or_else(|| usual.clone());
        site.hosts.keys().map(|name| (name.clone(), endpoint(name))).collect()
    }

    fn site(&self, has_dns: bool) -> Result<Site, ConfigError> {
        let mut domains = self.domains.clone().unwrap_or_default();
        domains.extend(self.domain.clone());
        let domains: Vec<String> = domains.iter().map(|domain| domain.trim_end_matches('.').to_lowercase()).collect();
        let mut hosts = BTreeMap::new();
        for (name, host) in &self.hosts {
            hosts.insert(name.clone(), self.host(name, host)?);
        }
        if hosts.is_empty() {
            hosts.insert("default".to_owned(), self.host("default", &HostFile::default())?);
        }
        let mut pools = self.network.pools.clone().unwrap_or_default();
        pools.extend(self.network.pool);
        if pools.is_empty() {
            pools =
                vec![Ipv4Net::new_assert([172, 20, 0, 0].into(), 16), Ipv4Net::new_assert([10, 213, 0, 0].into(), 16)];
        }
        let prefix = self.network.prefix.unwrap_or(24);
        if !(20..=28).contains(&prefix) || pools.iter().any(|pool| pool.prefix_len() > prefix) {
            let message = format!("network.prefix {prefix} does not fit");
            return Err(ConfigError::new("A0201", message, "it is from 20 to 28, and no pool is smaller"));
        }
        let ttl = duration("dns.ttl", self.dns.ttl.as_deref(), Millis::minutes(60))?;
        let registry = match self.dns.registry.as_deref() {
            None | Some("txt") => true,
            Some("none") => false,
            Some(other) => {
                return Err(ConfigError::new("A0201", format!("dns.registry: `{other}`"), "it is txt or none"));
            }
        };
        Ok(Site {
            instance: self.instance.clone(),
            domains,
            hosts,
            pools,
            prefix,
            avoid: self.network.avoid.clone(),
            dns_ttl_s: u32::try_from(ttl.0 / 1000).unwrap_or(3600),
            dns_registry: registry,
            has_dns,
            policy: self.policy(),
            defaults: self.defaults(),
            vars: self.vars.clone(),
            prune: self.reconcile.prune.unwrap_or(true),
        })
    }

    fn policy(&self) -> Policy {
        let usual = ["A", "AAAA", "CNAME", "TXT", "CAA", "SRV"].map(str::to_owned);
        Policy {
            host_paths: self.policy.host_paths.clone().unwrap_or_else(|| vec!["/srv".to_owned()]),
            records: self.policy.records.clone().unwrap_or_else(|| usual.to_vec()).into_iter().collect(),
            images: self.policy.images.clone().unwrap_or_else(|| vec!["*".to_owned()]),
        }
    }

    fn defaults(&self) -> Defaults {
        let logging = self.defaults.logging.as_ref();
        let rotated = [("max-size", "10m"), ("max-file", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Defaults {
            restart: self.defaults.restart.clone().unwrap_or_else(|| "unless-stopped".to_owned()),
            environment: self.defaults.environment.clone(),
            log_driver: logging.and_then(|logging| logging.driver.clone()).unwrap_or_else(|| "json-file".to_owned()),
            log_options: match logging {
                Some(logging) => logging.options.clone().unwrap_or_default(),
                None => rotated.into(),
            },
        }
    }

    fn host(&self, name: &str, host: &HostFile) -> Result<HostSite, ConfigError> {
        let mut address = Vec::new();
        for text in host.address.list() {
            address.push(match text.parse::<IpAddr>() {
                Ok(ip) => PublicAddress::Ip(ip),
                Err(_) if text.ends_with('.') => PublicAddress::Name(text.to_lowercase()),
                Err(_) => {
                    let message = format!("hosts.{name}.address: `{text}` is not an address");
                    return Err(ConfigError::new("A0201", message, "a name must end in a dot: home.example.org."));
                }
            });
        }
        let mut also_at = Vec::new();
        for text in host.also_at.list() {
            also_at.push(text.parse().map_err(|_| {
                ConfigError::new(
                    "A0201",
                    format!("hosts.{name}.also_at: `{text}` is not an address"),
                    "write an IPv4 or IPv6 address",
                )
            })?);
        }
        let only = (self.npm.len() == 1).then(|| self.npm.keys().next().cloned()).flatten();
        let npm = match host.npm.clone().or(only) {
            None => None,
            Some(npm) => Some(self.npm_site(name, &npm)?),
        };
        let data = host.data.clone().unwrap_or_else(|| "/srv".to_owned());
        Ok(HostSite { docker: ProviderId::docker(name), address, also_at, data, npm })
    }

    fn npm_site(&self, host: &str, npm: &str) -> Result<NpmSite, ConfigError> {
        let Some(file) = self.npm.get(npm) else {
            let message = format!("hosts.{host}.npm: there is no `npm.{npm}`");
            return Err(ConfigError::new("A0201", message, "add it below `npm:`"));
        };
        let reach = match file.reach.as_deref() {
            None | Some("auto") => Reach::Auto,
            Some("network") => Reach::Network,
            Some("host") => Reach::Host,
            Some(word @ ("edge" | "published")) => {
                return Err(ConfigError::new(
                    "A0202",
                    format!("npm.{npm}.reach: `{word}` is not yet supported"),
                    "use auto, network or host",
                ));
            }
            Some(other) => {
                return Err(ConfigError::new(
                    "A0201",
                    format!("npm.{npm}.reach: `{other}`"),
                    "it is auto, network or host",
                ));
            }
        };
        if reach == Reach::Network && file.container.is_none() {
            let message = format!("npm.{npm}.reach: network needs `npm.{npm}.container`");
            return Err(ConfigError::new("A0201", message, "name NPM's container"));
        }
        Ok(NpmSite { provider: ProviderId::npm(npm), container: file.container.clone(), reach })
    }

    fn ovh(&self, secrets: &Resolver) -> Result<Option<OvhAccess>, ConfigError> {
        let none = OvhFile::default();
        let file = self.ovh.as_ref().unwrap_or(&none);
        let text = |own: &Option<String>, name: &str| own.clone().or_else(|| environment(name));
        let secret = |own: &Option<SecretSource>, name: &str| match own {
            Some(source) => secrets.read(source).map(Some),
            None => Ok(environment(name).map(Secret::new)),
        };
        let key = text(&file.application_key, "OVH_APPLICATION_KEY");
        let application_secret = secret(&file.application_secret, "OVH_APPLICATION_SECRET")?;
        let consumer = secret(&file.consumer_key, "OVH_CONSUMER_KEY")?;
        let (application_key, application_secret, consumer_key) = match (key, application_secret, consumer) {
            (Some(key), Some(secret), Some(consumer)) => (key, secret, consumer),
            (None, None, None) if self.ovh.is_none() => return Ok(None),
            _ => {
                let message = "ovh needs application_key, application_secret and consumer_key";
                return Err(ConfigError::new("A0201", message, "all three come with an OVH API token"));
            }
        };
        let resolvers =
            self.dns.propagation.resolvers.clone().unwrap_or_else(|| vec!["1.1.1.1".to_owned(), "9.9.9.9".to_owned()]);
        Ok(Some(OvhAccess {
            endpoint: text(&file.endpoint, "OVH_ENDPOINT").unwrap_or_else(|| "ovh-eu".to_owned()),
            application_key,
            application_secret,
            consumer_key,
            servers: servers("dns.propagation.servers", &self.dns.propagation.servers)?,
            resolvers: servers("dns.propagation.resolvers", &resolvers)?,
            timeout: duration("dns.propagation.timeout", self.dns.propagation.timeout.as_deref(), Millis::minutes(10))?,
        }))
    }
}

/// Joined without the `./` that people write.
fn clean(base: &Path, path: &Path) -> PathBuf {
    base.join(path).components().collect()
}

fn check_instance(instance: &str) -> Result<(), ConfigError> {
    let fits = !instance.is_empty() && instance.len() <= 40;
    // It stands in labels, in NPM's names and in TXT values, where commas and slashes have a meaning.
    if fits && instance.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return Ok(());
    }
    Err(ConfigError::new(
        "A0201",
        format!("instance: `{instance}`"),
        "use lower-case letters, digits and `-`, at most 40",
    ))
}

fn duration(key: &str, text: Option<&str>, usual: Millis) -> Result<Millis, ConfigError> {
    let Some(text) = text else { return Ok(usual) };
    match humantime::parse_duration(text) {
        Ok(span) if span.as_millis() > 0 => Ok(Millis(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))),
        Ok(_) | Err(_) => {
            Err(ConfigError::new("A0201", format!("{key}: `{text}` is not a duration"), "write 30s, 5m or 1h"))
        }
    }
}

fn servers(key: &str, texts: &[String]) -> Result<Vec<SocketAddr>, ConfigError> {
    let parse = |text: &String| {
        let with_port = text.parse().ok();
        with_port.or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53)))
    };
    let mut servers = Vec::new();
    for text in texts {
        servers.push(
            parse(text).ok_or_else(|| {
                ConfigError::new("A0201", format!("{key}: `{text}`"), "write address or address:port")
            })?,
        );
    }
    Ok(servers)
}

/// Finds secrets; relative paths are relative to the configuration.
#[derive(Debug)]
struct Resolver {
    base: PathBuf,
}

impl Resolver {
    fn read(&self, source: &SecretSource) -> Result<Secret, ConfigError> {
        match source {
            SecretSource::Text(text) => Ok(Secret::new(text)),
            SecretSource::File { file } => self.file(&self.base.join(file)),
            SecretSource::Env { env } => environment(env).map(Secret::new).ok_or_else(|| {
                ConfigError::new("A0207", format!("the environment has no `{env}`"), format!("export {env}=…"))
            }),
            SecretSource::Named { secret } => self.by_name(secret),
        }
    }

    fn by_name(&self, name: &str) -> Result<Secret, ConfigError> {
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
        "A0201",
        format!("no configuration in {}", looked.join(", ")),
        "write an amarre.yaml, or name one with --config",
    ))
}

fn read_limited(path: &Path, bytes_max: u64) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > bytes_max {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[expect(clippy::disallowed_methods, reason = "the one door to the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The YAML library's words as `:line:column: what`, as editors and terminals open places.
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
