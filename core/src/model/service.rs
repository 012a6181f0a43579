//! A manifest, resolved: names are whole, defaults filled in, secrets are references.
//!
//! The other kinds are services with fewer parts: a `Route` has only routes, a `Record` only records.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::app::{App, Build};
use super::instance::Instance;
use super::kinds::Kind;
use super::pool::Pool;
use super::site::Challenge;
use super::source::Bundle;
use super::time::Millis;
use super::value::{Fields, SecretName, Value};
use super::world::Origin;

pub use super::dependencies::{Condition, Dependency, Job, Needed};
pub use super::manifest_kind::ManifestKind;
pub use super::reconcile_options::{DRAIN, Data, Ignored, Reconcile, Rollback, Strategy, Update};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Service {
    /// Unique; a DNS label.
    pub name: String,
    /// Which kind it was written as.
    pub kind: ManifestKind,
    /// Which server; empty where its kind needs none.
    pub host: String,
    pub origin: Origin,
    /// By key; the short form's key is the service's name. Boxed, since a map has room for eleven and most services have one.
    pub containers: BTreeMap<String, Box<Container>>,
    /// Run once before an update, by key.
    pub jobs: BTreeMap<String, Job>,
    /// Manifests that come first.
    pub needs: Vec<Needed>,
    /// Proxy hosts.
    pub routes: Vec<Route>,
    /// Hosts that NPM answers itself.
    pub answered: Vec<AnsweredHost>,
    /// Ports that are forwarded.
    pub streams: Vec<Stream>,
    /// Access lists.
    pub access_lists: Vec<AccessList>,
    /// A server of a cloud whose power is managed.
    pub instance: Option<Instance>,
    /// The repository that its image is built from.
    pub app: Option<App>,
    /// Machines that people reserve.
    pub pool: Option<Pool>,
    /// What DNS is to say.
    pub dns: Dns,
    /// Where the containers live.
    pub network: NetworkMode,
    /// Its own networks beside that one, by the name that containers call them by: `shop.back`.
    pub networks: BTreeMap<String, OwnNetwork>,
    /// Volumes that are not simply ours, by name in the manifest.
    pub volumes: BTreeMap<String, Volume>,
    /// `state: stopped`: what is there stands still, and nothing is made.
    pub stopped: bool,
    /// How it is kept.
    pub reconcile: Reconcile,
    /// Whose data its containers have.
    pub data: Data,
    /// How a new generation of its containers takes the place of the old one.
    pub update: Update,
    /// Where the keys of its parts stand: by the origin of the part, then by key.
    pub places: BTreeMap<Origin, BTreeMap<String, Origin>>,
}

/// A volume of which a Compose file says more than its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Volume {
    /// What Docker calls it; `None`: as every volume of the service.
    pub name: Option<String>,
    /// It is there already: used, never made or deleted.
    pub is_external: bool,
    /// `None`: Docker's own.
    pub driver: Option<String>,
    /// For the driver.
    pub options: BTreeMap<String, String>,
    /// People's labels.
    pub labels: BTreeMap<String, String>,
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Container {
    /// With a tag or digest.
    pub image: String,
    /// How that is built from files of the source; `None`: it is pulled, or it is an app's.
    pub build: Option<Box<Build>>,
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// Replaces the image's entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// Variables.
    pub environment: BTreeMap<String, EnvValue>,
    /// Published on the host.
    pub ports: Vec<Port>,
    /// Mounted.
    pub mounts: Vec<Mount>,
    /// Replaces the image's healthcheck.
    pub healthcheck: Option<Healthcheck>,
    /// `user[:group]`.
    pub user: Option<String>,
    /// `no`, `always`, `unless-stopped`, `on-failure[:n]`.
    pub restart: String,
    /// Its Compose file says nothing of `restart`, which is `no`: one that is there keeps what it has.
    pub is_restart_unsaid: bool,
    /// People's labels.
    pub labels: BTreeMap<String, String>,
    /// Others of the service that must be up first.
    pub depends_on: BTreeMap<String, Dependency>,
    /// Log driver and options.
    pub logging: (String, BTreeMap<String, String>),
    /// When its image is asked for.
    pub pull_policy: PullPolicy,
    /// What Docker calls it, where that is not left to us.
    pub container_name: Option<String>,
    /// Whose network it is on.
    pub network_mode: ContainerNetwork,
    /// The network on which it lives in place of the service's, as in `also_on`.
    pub home: Option<String>,
    /// Networks beside the one on which it lives: of the service's own, that of a `Network` manifest, or one that is there.
    pub also_on: BTreeSet<String>,
    /// Names on its networks beside its own.
    pub aliases: Vec<String>,
    /// On the network, where one is asked for.
    pub ipv4_address: Option<Ipv4Addr>,
    /// Other namespaces (`pid`, `ipc`) that it shares with another container of the service, by key.
    pub shares: BTreeMap<String, String>,
    /// Keys that go to the engine as they are, by the name of the field: bytes, microseconds, nano-CPUs, seconds.
    /// What says what holds anyway is left out.
    pub settings: BTreeMap<String, Value>,
    pub origin: Origin,
}

/// When an image is asked for that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PullPolicy {
    /// Never; it is pulled when it is missing.
    Missing,
    /// Never, nor when it is missing.
    Never,
    /// The registry is asked so often whether it has another one.
    Every(Millis),
}

/// Whether a restart policy lets a container end by itself.
pub fn may_end(policy: &str) -> bool {
    policy == "no" || policy.starts_with("on-failure")
}

impl Container {
    /// Whether it can write to something that outlives it.
    pub fn writes_data(&self) -> bool {
        self.written().is_some()
    }

    /// What is copied in, by target.
    pub fn deliveries(&self) -> impl Iterator<Item = (&String, &Delivery)> {
        self.mounts.iter().filter_map(|mount| match &mount.source {
            MountSource::Copied(delivery) => Some((&mount.target, delivery)),
            MountSource::Volume(_) | MountSource::Bind(_) | MountSource::Tmpfs => None,
        })
    }

    /// The containers of the service whose namespaces it shares.
    pub fn joins(&self) -> impl Iterator<Item = &String> {
        let network = match &self.network_mode {
            ContainerNetwork::Of(sibling) => Some(sibling),
            ContainerNetwork::Own | ContainerNetwork::None | ContainerNetwork::Host | ContainerNetwork::Other(_) => {
                None
            }
        };
        network.into_iter().chain(self.shares.values())
    }

    /// The container of another service, or of nobody's, whose network it shares, by its name.
    pub fn network_of_other(&self) -> Option<&str> {
        match &self.network_mode {
            ContainerNetwork::Other(name) => Some(name),
            ContainerNetwork::Own | ContainerNetwork::None | ContainerNetwork::Host | ContainerNetwork::Of(_) => None,
        }
    }
}

/// Whose network a container is on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum ContainerNetwork {
    /// The service's.
    #[default]
    Own,
    /// Nobody's.
    None,
    /// The host's: its ports are the host's.
    Host,
    /// That of another container of the service, by key: one address for both.
    Of(String),
    /// The same of a container of another service, or of nobody's, by the name that Docker knows it by.
    Other(String),
}

/// A variable's value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EnvValue {
    /// Written in the manifest.
    Plain(String),
    /// Kept elsewhere.
    Secret(SecretName),
}

/// A port published on the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port {
    /// `0.0.0.0` unless said otherwise, as Compose has it.
    pub host_ip: String,
    /// It is not said: IPv6 is meant, too.
    pub is_anywhere: bool,
    /// On the host.
    pub published: u16,
    /// In the container.
    pub target: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mount {
    pub source: MountSource,
    /// To where in the container.
    pub target: String,
    /// Not writable, or nothing that outlives the container is written.
    pub read_only: bool,
    /// `propagation`, `create`, `nocopy`, `subpath`, `size`, `mode`: as they are compared.
    pub options: BTreeMap<String, String>,
    /// Whether the manifest has the container write to a folder that is copied in. Not compared: that is no mount.
    pub writes_copy: bool,
    /// Whether a missing folder of the host is created with the container. Not compared: nothing of a container that is
    /// there depends on it.
    pub creates_folder: bool,
}

impl Mount {
    /// The folder of the host that is created where it is missing.
    pub fn created_folder(&self) -> Option<&String> {
        match &self.source {
            MountSource::Bind(path) => Some(path).filter(|_| self.creates_folder),
            MountSource::Volume(_) | MountSource::Tmpfs | MountSource::Copied(_) => None,
        }
    }

    /// Whether it is copied in, and a folder.
    pub fn is_copied_folder(&self) -> bool {
        match &self.source {
            MountSource::Copied(Delivery { content: DeliveryContent::Bundle(bundle), .. }) => {
                bundle.files.keys().any(|path| !path.is_empty())
            }
            MountSource::Copied(_) | MountSource::Volume(_) | MountSource::Bind(_) | MountSource::Tmpfs => false,
        }
    }

    /// Whether it is copied in rather than mounted.
    pub fn is_copied(&self) -> bool {
        matches!(self.source, MountSource::Copied(_))
    }
}

/// From where something is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MountSource {
    /// A named volume; its name in the manifest.
    Volume(String),
    /// A path on the host.
    Bind(String),
    /// Memory, gone with the container.
    Tmpfs,
    /// A file or folder of the source, or a secret: copied in before the container starts.
    Copied(Delivery),
}

/// What is copied into a container before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Delivery {
    /// What.
    pub content: DeliveryContent,
    /// Of each file; `None` = 0644, or 0755 for what may be executed.
    pub mode: Option<u32>,
    pub uid: u32,
    pub gid: u32,
}

/// What a delivery holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeliveryContent {
    /// Files of the source.
    Bundle(Bundle),
    /// One file with a secret in it.
    Secret(SecretName),
}

/// How Docker finds out whether it works.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Healthcheck {
    /// `[CMD, …]`, `[CMD-SHELL, …]` or `[NONE]`.
    pub test: Vec<String>,
    /// Milliseconds; `None` = Docker's 30 s.
    pub interval_ms: Option<i64>,
    /// Milliseconds; `None` = Docker's 30 s.
    pub timeout_ms: Option<i64>,
    /// Milliseconds; `None` = Docker's 0.
    pub start_period_ms: Option<i64>,
    /// Milliseconds between probes while it starts; `None` = Docker's 5 s. API 1.44.
    pub start_interval_ms: Option<i64>,
    /// `None` = Docker's 3.
    pub retries: Option<i64>,
}

/// One proxy host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// Whole names, the main one first.
    pub domains: Vec<String>,
    /// What it points to.
    pub to: Target,
    /// Which certificate.
    pub tls: Tls,
    /// Plain HTTP answers with a redirection.
    pub force_https: bool,
    /// Upgrades pass.
    pub websockets: bool,
    /// NPM's filter of common attacks.
    pub block_exploits: bool,
    /// Who may come in.
    pub access_list: Option<String>,
    /// HTTP/2; needs a certificate.
    pub http2: bool,
    /// Whether browsers are told to come by HTTPS only.
    pub hsts: Hsts,
    /// NPM keeps images, styles and scripts; `None` = not managed.
    pub caching: Option<bool>,
    /// Paths that lead elsewhere.
    pub locations: Vec<Location>,
    /// Lines of nginx's configuration; may be empty.
    pub advanced: String,
    pub origin: Origin,
}

impl Route {
    /// Everything that it points to: the main target, and that of each path.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        std::iter::once(&self.to).chain(self.locations.iter().map(|location| &location.to))
    }
}

/// For whom HTTPS is the only way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Hsts {
    /// Nobody.
    #[default]
    Off,
    /// The names of the route.
    Names,
    /// These and every name below them.
    Subdomains,
}

/// A path that leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// As nginx reads it: `/api`, `= /api` or `^~ /api`.
    pub path: String,
    /// What it points to; never a name, for nginx resolves that when it loads.
    pub to: Target,
    /// What stands there in place of the path; empty = the path stays.
    pub to_path: String,
    /// Lines of nginx's configuration; may be empty.
    pub advanced: String,
}

/// What a route points to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A container of the service.
    Container { key: String, port: u16 },
    /// Something else.
    Url {
        /// `http` or `https`.
        scheme: String,
        /// Name or address.
        host: String,
        port: u16,
    },
    /// A server of a cloud that a manifest manages, over HTTP.
    Instance {
        /// The manifest's name.
        name: String,
        port: u16,
    },
}

/// Which certificate a route has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tls {
    /// None.
    None,
    /// An existing one in NPM, by its name there.
    Existing(String),
    /// One by Let's Encrypt, which NPM asks for and renews.
    LetsEncrypt(LetsEncrypt),
}

/// How a certificate is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LetsEncrypt {
    /// How it is shown that the names are ours.
    pub challenge: Challenge,
    /// One for `*` beside the names, which others have as well.
    pub wildcard: bool,
}

/// A host of NPM that answers visitors itself and forwards them to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AnsweredHost {
    pub kind: Kind,
    /// Whole names, the main one first.
    pub domains: Vec<String>,
    /// Which certificate.
    pub tls: Tls,
    /// Plain HTTP is sent to HTTPS first.
    pub force_https: bool,
    /// HTTP/2; needs a certificate.
    pub http2: bool,
    /// Whether browsers are told to come by HTTPS only.
    pub hsts: Hsts,
    /// Lines of nginx's configuration; may be empty.
    pub advanced: String,
    /// What only its kind has.
    pub fields: Fields,
    pub origin: Origin,
}

/// One access list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccessList {
    /// Its name in manifests.
    pub name: String,
    /// Names and passwords.
    pub users: BTreeMap<String, SecretName>,
    /// Networks that may come in.
    pub allow: Vec<String>,
    /// Networks that may not.
    pub deny: Vec<String>,
    /// One of the two is enough.
    pub satisfy_any: bool,
    /// The user's name goes on to the container.
    pub pass_auth: bool,
    pub origin: Origin,
}

/// A port that NPM forwards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stream {
    /// Where NPM listens.
    pub port: u16,
    /// What it leads to.
    pub to: StreamTarget,
    /// Of TCP.
    pub tcp: bool,
    /// Of UDP.
    pub udp: bool,
    pub origin: Origin,
}

/// What a stream leads to; never a name, for nginx resolves that when it loads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StreamTarget {
    /// A container, of whatever manifest.
    Container {
        service: String,
        /// Its key there.
        key: String,
        port: u16,
    },
    /// Something else.
    Address {
        /// An IPv6 address in brackets.
        host: String,
        port: u16,
    },
}

/// What DNS is to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dns {
    /// A record for each name of each route.
    Auto,
    /// Nothing.
    None,
    /// These instead.
    Records(Vec<Record>),
}

/// One value of one record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Record {
    /// Whole name, without a trailing dot.
    pub name: String,
    /// `A`, `TXT`, …
    pub record_type: String,
    /// As in a zone file; a TXT without quotes.
    pub value: String,
    /// Seconds.
    pub ttl_s: u32,
    pub origin: Origin,
}

/// Where the containers live.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NetworkMode {
    /// A subnet of their own.
    Auto,
    /// A subnet of their own, this one.
    Subnet(ipnet::Ipv4Net),
    /// A network that is there already, or a `Network` manifest's.
    Shared(String),
    /// One of their own of which more is said; of a `Network` manifest, the network itself.
    Defined {
        /// This one, else the next free.
        subnet: Option<ipnet::Ipv4Net>,
        /// No way out.
        internal: bool,
    },
}

/// A network of a service's own, beside the one on which its containers live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct OwnNetwork {
    /// This one, else the next free.
    pub subnet: Option<ipnet::Ipv4Net>,
    /// No way out.
    pub internal: bool,
}

impl Service {
    /// Whether any of its containers lives on the service's network.
    pub fn has_network(&self) -> bool {
        self.containers.values().any(|one| one.network_mode == ContainerNetwork::Own && one.home.is_none())
    }

    /// Whether a container is on the host's own network.
    pub fn is_on_host(&self, key: &str) -> bool {
        self.containers.get(key).is_some_and(|container| container.network_mode == ContainerNetwork::Host)
    }

    /// Everything that Docker makes a container of: containers, then jobs.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.values().map(Box::as_ref).chain(self.jobs.values().map(|job| &job.container))
    }

    /// Whether a container is done once it has ended with code 0: another waits for that.
    pub fn is_task(&self, key: &str) -> bool {
        self.all_containers().any(|container| container.waits_for_end_of(key))
    }

    /// The secrets it refers to.
    pub fn secrets(&self) -> Vec<(&SecretName, &Origin)> {
        self.all_secrets().filter(|(name, _)| !name.is_own()).collect()
    }

    /// The secrets that Amarre makes for it.
    pub fn own_secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.all_secrets().map(|(name, _)| name).filter(|name| name.is_own())
    }

    fn all_secrets(&self) -> impl Iterator<Item = (&SecretName, &Origin)> {
        let environment = self.all_containers().flat_map(|container| {
            container.environment.values().filter_map(move |value| match value {
                EnvValue::Secret(name) => Some((name, &container.origin)),
                EnvValue::Plain(_) => None,
            })
        });
        let files = self.all_containers().flat_map(|container| {
            container.deliveries().filter_map(move |(_, delivery)| match &delivery.content {
                DeliveryContent::Secret(name) => Some((name, &container.origin)),
                DeliveryContent::Bundle(_) => None,
            })
        });
        let users = self.access_lists.iter().flat_map(|list| list.users.values().map(move |name| (name, &list.origin)));
        let machines = self.pool.iter().flat_map(|pool| pool.machines.values());
        let machines = machines.filter_map(|machine| Some((machine.password.as_ref()?, &machine.origin)));
        let tokens = self.app.iter().filter_map(|app| Some((app.source.token.as_ref()?, &self.origin)));
        environment.chain(files).chain(users).chain(machines).chain(tokens)
    }

    /// What Docker calls a volume of that name in the manifest.
    pub fn volume_name(&self, volume: &str) -> String {
        let own = self.volumes.get(volume).and_then(|volume| volume.name.clone());
        own.unwrap_or_else(|| format!("{}_{volume}", self.data_name()))
    }

    /// The name after which its data are called.
    pub fn data_name(&self) -> &str {
        self.data.of.as_ref().unwrap_or(&self.name)
    }

    /// The files that are copied into its containers, and those that its images are built by and from.
    pub fn bundles(&self) -> impl Iterator<Item = &Bundle> {
        let deliveries = self.all_containers().flat_map(Container::deliveries);
        let delivered = deliveries.filter_map(|(_, delivery)| match &delivery.content {
            DeliveryContent::Bundle(bundle) => Some(bundle),
            DeliveryContent::Secret(_) => None,
        });
        let built = self.builds().flat_map(|build| std::iter::once(&build.dockerfile).chain(&build.files));
        delivered.chain(built)
    }

    /// The images that are built for it: an app's, and those of its containers.
    pub fn builds(&self) -> impl Iterator<Item = &Build> {
        self.build().into_iter().chain(self.all_containers().filter_map(|container| container.build.as_deref()))
    }

    /// How its image is built; `None`: it is no app, or its repository was not fetched yet.
    pub fn build(&self) -> Option<&Build> {
        self.app.as_ref()?.build.as_deref()
    }

    /// What people and Docker call the container of that key.
    pub fn container_name(&self, key: &str) -> String {
        if let Some(name) = self.containers.get(key).and_then(|container| container.container_name.as_ref()) {
            return name.clone();
        }
        if self.containers.len() == 1 { self.name.clone() } else { self.address_name(key) }
    }

    /// The same for a container by what addresses call it.
    pub fn called(&self, address_name: &str) -> String {
        let key = self.containers.keys().find(|key| self.address_name(key) == address_name);
        key.map_or_else(|| address_name.to_owned(), |key| self.container_name(key))
    }

    /// The key of the container that Docker knows by a name.
    pub fn key_of(&self, container_name: &str) -> Option<&String> {
        self.containers.keys().find(|key| self.container_name(key) == container_name)
    }

    /// What addresses call it: by key, so that a second container renames nothing in the ledger.
    pub fn address_name(&self, key: &str) -> String {
        if key == self.name { self.name.clone() } else { format!("{}-{key}", self.name) }
    }
}
