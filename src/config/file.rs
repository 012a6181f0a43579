//! `amarre.yaml` as written: shapes only. [`super::build`] decides what they mean.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::Ipv4Net;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use amarre_core::model::site::{Authors, NginxPolicy};

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default = "default_instance")]
    pub(super) instance: String,
    pub(super) domains: Option<Vec<String>>,
    pub(super) domain: Option<String>,
    pub(super) source: Option<SourceSection>,
    #[serde(default)]
    pub(super) reconcile: ReconcileFile,
    #[serde(default)]
    pub(super) defaults: DefaultsFile,
    #[serde(default)]
    pub(super) hosts: BTreeMap<String, HostFile>,
    #[serde(default)]
    pub(super) npm: BTreeMap<String, NpmFile>,
    pub(super) ovh: Option<OvhFile>,
    pub(super) dnsmasq: Option<super::dnsmasq::DnsmasqFile>,
    #[serde(default)]
    pub(super) clouds: super::clouds::CloudsFile,
    pub(super) pools: Option<super::pools::PoolsFile>,
    /// Public keys for servers, by name.
    #[serde(default)]
    pub(super) ssh_keys: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) network: NetworkFile,
    #[serde(default)]
    pub(super) dns: DnsFile,
    #[serde(default)]
    pub(super) policy: PolicyFile,
    #[serde(default)]
    pub(super) limits: LimitsFile,
    #[serde(default)]
    pub(super) registries: BTreeMap<String, RegistryFile>,
    #[serde(default)]
    pub(super) images: ImagesFile,
    #[serde(default)]
    pub(super) server: ServerFile,
    #[serde(default = "default_state")]
    pub(super) state: PathBuf,
    #[serde(default)]
    pub(super) vars: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) certificates: CertificatesFile,
    #[serde(default)]
    pub(super) notifications: BTreeMap<String, ChannelFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceSection {
    pub(super) folder: Option<PathBuf>,
    pub(super) git: Option<GitFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GitFile {
    pub(super) url: String,
    pub(super) branch: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) path: Option<String>,
    pub(super) username: Option<String>,
    pub(super) token: Option<SecretSource>,
    pub(super) ssh_key: Option<PathBuf>,
    pub(super) known_hosts: Option<PathBuf>,
    pub(super) host_key: Option<String>,
    pub(super) ssh_config: Option<PathBuf>,
    pub(super) memory: Option<String>,
    pub(super) interval: Option<String>,
    pub(super) verify: Option<VerifyFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyFile {
    pub(super) ssh_allowed_signers: Option<PathBuf>,
    pub(super) openpgp: Option<PathBuf>,
    pub(super) all: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReconcileFile {
    pub(super) interval: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) prune: Option<bool>,
    pub(super) heartbeat: Option<HeartbeatFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeartbeatFile {
    pub(super) url: SecretSource,
    pub(super) every: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DefaultsFile {
    pub(super) restart: Option<String>,
    pub(super) logging: Option<LoggingFile>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoggingFile {
    pub(super) driver: Option<String>,
    pub(super) options: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostFile {
    pub(super) docker: Option<DockerFile>,
    #[serde(default)]
    pub(super) address: Many,
    #[serde(default)]
    pub(super) also_at: Many,
    pub(super) data: Option<String>,
    pub(super) npm: Option<String>,
    pub(super) private_address: Option<IpAddr>,
    pub(super) publish_ports: Option<String>,
    pub(super) publish_on: Option<Vec<String>>,
}

/// An engine: its URL, or a map.
#[derive(Debug)]
pub(super) enum DockerFile {
    Url(String),
    Parts(DockerParts),
}

impl DockerFile {
    /// The files for TLS.
    pub(super) fn tls(&self) -> Option<&TlsFile> {
        match self {
            DockerFile::Url(_) => None,
            DockerFile::Parts(parts) => parts.tls.as_ref(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DockerParts {
    pub(super) url: Option<String>,
    pub(super) context: Option<String>,
    pub(super) tls: Option<TlsFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsFile {
    pub(super) ca: PathBuf,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

// Written out, so that a wrong key is named: an untagged enum only reports that no variant fits.
impl<'de> Deserialize<'de> for DockerFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> Visitor<'de> for Forms {
            type Value = DockerFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL, or a map with `url` or `context`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<DockerFile, E> {
                Ok(DockerFile::Url(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DockerFile, A::Error> {
                DockerParts::deserialize(MapAccessDeserializer::new(map)).map(DockerFile::Parts)
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

/// One or a list.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Many {
    #[default]
    None,
    One(String),
    List(Vec<String>),
}

impl Many {
    pub(super) fn list(&self) -> Vec<String> {
        match self {
            Many::None => Vec::new(),
            // A variable of the environment separates several values by commas, which no value here contains.
            Many::One(one) => one.split(',').map(|item| item.trim().to_owned()).collect(),
            Many::List(list) => list.clone(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NpmFile {
    pub(super) url: Option<String>,
    pub(super) identity: Option<String>,
    pub(super) secret: Option<SecretSource>,
    #[serde(default)]
    pub(super) simulated: bool,
    pub(super) container: Option<String>,
    pub(super) host: Option<String>,
    pub(super) reach: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImagesFile {
    pub(super) keep: Option<usize>,
    pub(super) min_free: Option<String>,
    pub(super) builds_per_hour: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistryFile {
    pub(super) username: String,
    pub(super) password: SecretSource,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OvhFile {
    pub(super) endpoint: Option<String>,
    pub(super) application_key: Option<String>,
    pub(super) application_secret: Option<SecretSource>,
    pub(super) consumer_key: Option<SecretSource>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<SecretSource>,
    pub(super) token_url: Option<String>,
    #[serde(default)]
    pub(super) simulated: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkFile {
    pub(super) pools: Option<Vec<Ipv4Net>>,
    pub(super) pool: Option<Ipv4Net>,
    pub(super) prefix: Option<u8>,
    #[serde(default)]
    pub(super) avoid: Vec<Ipv4Net>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DnsFile {
    pub(super) ttl: Option<String>,
    pub(super) registry: Option<String>,
    #[serde(default)]
    pub(super) propagation: PropagationFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PropagationFile {
    pub(super) timeout: Option<String>,
    #[serde(default)]
    pub(super) servers: Vec<String>,
    pub(super) resolvers: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyFile {
    pub(super) authors: Option<AuthorsFile>,
    pub(super) host_paths: Option<Vec<String>>,
    pub(super) volumes: Option<Vec<String>>,
    pub(super) volume_drivers: Option<Vec<String>>,
    pub(super) networks: Option<Vec<String>>,
    pub(super) subnets: Option<Vec<Ipv4Net>>,
    pub(super) ports: Option<Vec<PortText>>,
    pub(super) runtimes: Option<Vec<String>>,
    pub(super) log_drivers: Option<Vec<String>>,
    #[serde(default)]
    pub(super) targets: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) names: BTreeMap<String, Vec<String>>,
    pub(super) secrets: Option<BTreeMap<String, Vec<String>>>,
    pub(super) records: Option<Vec<String>>,
    pub(super) images: Option<Vec<String>>,
    pub(super) privileged: Option<bool>,
    pub(super) docker_socket: Option<bool>,
    pub(super) host_network: Option<bool>,
    pub(super) host_namespaces: Option<bool>,
    pub(super) devices: Option<Vec<String>>,
    pub(super) capabilities: Option<Many>,
    pub(super) nginx: Option<NginxFile>,
    pub(super) machine_scripts: Option<bool>,
    pub(super) instances: Option<Vec<String>>,
    pub(super) repositories: Option<Vec<String>>,
    pub(super) dockerfiles: Option<Vec<String>>,
    pub(super) follow_links: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsFile {
    pub(super) names: Option<usize>,
    pub(super) labels: Option<String>,
    pub(super) advanced: Option<String>,
    pub(super) containers: Option<usize>,
}

impl PolicyFile {
    /// The words that hold as they are written. `names` and `targets` are none of them: they
    /// open more beside `authors: operators`.
    pub(super) fn written(&self) -> BTreeSet<&'static str> {
        let words = [
            ("capabilities", self.capabilities.is_some()),
            ("devices", self.devices.is_some()),
            ("docker_socket", self.docker_socket.is_some()),
            ("dockerfiles", self.dockerfiles.is_some()),
            ("follow_links", self.follow_links.is_some()),
            ("host_namespaces", self.host_namespaces.is_some()),
            ("host_network", self.host_network.is_some()),
            ("host_paths", self.host_paths.is_some()),
            ("instances", self.instances.is_some()),
            ("log_drivers", self.log_drivers.is_some()),
            ("machine_scripts", self.machine_scripts.is_some()),
            ("networks", self.networks.is_some()),
            ("nginx", self.nginx.is_some()),
            ("ports", self.ports.is_some()),
            ("privileged", self.privileged.is_some()),
            ("records", self.records.is_some()),
            ("repositories", self.repositories.is_some()),
            ("runtimes", self.runtimes.is_some()),
            ("secrets", self.secrets.is_some()),
            ("subnets", self.subnets.is_some()),
            ("volume_drivers", self.volume_drivers.is_some()),
            ("volumes", self.volumes.is_some()),
        ];
        words.into_iter().filter_map(|(word, is_written)| is_written.then_some(word)).collect()
    }
}

/// Who commits manifests.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AuthorsFile {
    Operators,
    Others,
}

impl From<AuthorsFile> for Authors {
    fn from(file: AuthorsFile) -> Self {
        match file {
            AuthorsFile::Operators => Authors::Operators,
            AuthorsFile::Others => Authors::Others,
        }
    }
}

/// A port, or several: YAML reads `2222` as a number.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum PortText {
    One(u32),
    Text(String),
}

/// The allowed parts of `advanced`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NginxFile {
    None,
    #[default]
    Directives,
    Any,
}

impl From<NginxFile> for NginxPolicy {
    fn from(file: NginxFile) -> Self {
        match file {
            NginxFile::None => NginxPolicy::None,
            NginxFile::Directives => NginxPolicy::Directives,
            NginxFile::Any => NginxPolicy::Any,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerFile {
    pub(super) listen: Option<SocketAddr>,
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) trusted_proxies: Many,
    pub(super) requests_per_minute: Option<u32>,
    pub(super) webhook_secret: Option<SecretSource>,
    pub(super) tls: Option<ServerTlsFile>,
    #[serde(default)]
    pub(super) compat: CompatFile,
}

/// What the listeners encrypt with.
#[derive(Debug)]
pub(super) enum ServerTlsFile {
    Word(String),
    Files(ServerTlsPair),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerTlsPair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

// Written out, so that a wrong key is named: an untagged enum only reports that no variant fits.
impl<'de> Deserialize<'de> for ServerTlsFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> Visitor<'de> for Forms {
            type Value = ServerTlsFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`self-signed`, or a map with `certificate` and `key`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ServerTlsFile, E> {
                Ok(ServerTlsFile::Word(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ServerTlsFile, A::Error> {
                ServerTlsPair::deserialize(MapAccessDeserializer::new(map)).map(ServerTlsFile::Files)
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompatFile {
    pub(super) cloud: Option<CompatCloudFile>,
    pub(super) pool: Option<CompatPoolFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompatCloudFile {
    pub(super) listen: SocketAddr,
    pub(super) from: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompatPoolFile {
    pub(super) listen: SocketAddr,
    pub(super) pool: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificatesFile {
    pub(super) challenge: Option<String>,
    pub(super) port80: Option<String>,
    pub(super) dns_credentials: Option<DnsCredentialsFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DnsCredentialsFile {
    pub(super) endpoint: Option<String>,
    pub(super) application_key: String,
    pub(super) application_secret: SecretSource,
    pub(super) consumer_key: SecretSource,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelFile {
    pub(super) slack: Option<SecretSource>,
    pub(super) discord: Option<SecretSource>,
    pub(super) ntfy: Option<NtfyFile>,
    pub(super) smtp: Option<SmtpFile>,
    pub(super) webhook: Option<WebhookFile>,
    #[serde(default)]
    pub(super) on: Many,
    #[serde(default)]
    pub(super) services: Many,
    pub(super) after: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NtfyFile {
    pub(super) url: String,
    pub(super) token: Option<SecretSource>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookFile {
    pub(super) url: String,
    pub(super) secret: SecretSource,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SmtpFile {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) tls: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretSource>,
    pub(super) from: String,
    #[serde(default)]
    pub(super) to: Many,
}

/// A secret as the configuration writes it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum SecretSource {
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
