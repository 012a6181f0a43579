//! What a manifest uses: every resource that it names or reaches, once, whatever its kind.
//!
//! Limited tokens and the claims between manifests ask this list. [`of`] takes a service apart without `..`, so a new field of a
//! manifest does not compile before somebody says here what it uses; [`UseKind::row`] has no wildcard arm, so a new sort of resource
//! says who may have it. A kind of manifest lists the sorts that it uses (`ManifestKind::using`): what it uses beyond them is
//! [`Use::Unlisted`], which nobody may have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::address::{Address, service_of_network};
use super::app::{App, AppSource};
use super::instance::{Instance, ServerShape};
use super::pool::{Machine, Pool};
use super::service::{
    AccessList, AnsweredHost, Container, ContainerNetwork, Delivery, DeliveryContent, Dns, EnvValue, Mount,
    MountSource, NetworkMode, OwnNetwork, Port, Record, Route, Service, Stream, StreamTarget, Target, Tls, Volume,
};
use super::site::{PublicAddress, Reach, Site, is_below};
use super::value::{SecretName, Value};

/// A resource that a manifest names or reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// The host on which it is.
    Host(String),
    /// A manifest that it waits for.
    Service(String),
    /// A manifest whose container or server routes and streams lead to.
    ContainerOf(String),
    /// A manifest that is no more, whose data it takes over.
    DataOf(String),
    /// A host name at which visitors come in, or that leads to a server.
    Name(String),
    /// The records of a type at a name.
    Record {
        /// Whole, without a trailing dot.
        name: String,
        /// `A`, `TXT`, …
        record_type: String,
    },
    /// A name of a container.
    ContainerName(ContainerName),
    /// What plans and the ledger call a container of a host.
    ContainerKey {
        /// On which host.
        host: String,
        /// The name in addresses.
        name: String,
    },
    /// An address on a network that a container asks for.
    Address {
        /// On which host.
        host: String,
        /// The network, as the service calls it that owns it.
        network: String,
        /// The address.
        ip: Ipv4Addr,
    },
    /// A port of a host.
    Port {
        /// Which host.
        host: String,
        /// At which address of it: `0.0.0.0`.
        ip: String,
        /// The port.
        port: u16,
        /// `tcp` or `udp`.
        protocol: String,
    },
    /// A port at which an NPM listens for a stream.
    NpmPort {
        /// The provider; empty: none is configured.
        npm: String,
        /// The port.
        port: u16,
    },
    /// A range of addresses on a host.
    Subnet {
        /// Which host.
        host: String,
        /// The range.
        subnet: Ipv4Net,
    },
    /// A network that is not its own, or `container:NAME`.
    Network {
        /// On which host.
        host: String,
        /// Its name there.
        name: String,
    },
    /// A volume of a host.
    Volume {
        /// Which host.
        host: String,
        /// Its name there.
        name: String,
        /// Whether it may be written to.
        is_written: bool,
    },
    /// A folder of a host.
    Folder {
        /// Which host.
        host: String,
        /// Its path there.
        path: String,
        /// Whether it may be written to.
        is_written: bool,
    },
    /// A file of the source.
    File(String),
    /// An image that is pulled.
    Image(String),
    /// An image that is built for another manifest.
    BuiltImage(String),
    /// A repository whose code is built and run.
    Repository(String),
    /// Where a container's log goes.
    LogDriver(String),
    /// A secret.
    Secret(String),
    /// A machine that is reached over SSH.
    Machine {
        /// Its address, in its canonical form.
        address: String,
        /// Where its sshd listens.
        port: u16,
    },
    /// The host key by which a machine is known.
    HostKey(String),
    /// A server that is there, by its vendor's id.
    Server(Address),
    /// A server that Amarre makes.
    MadeServer {
        /// Its name.
        address: Address,
        /// Its size: a larger one costs more.
        size: String,
    },
    /// A project of a cloud.
    Project {
        /// The cloud, as the configuration calls it.
        cloud: String,
        /// By id or as people call it; empty: the only one.
        project: String,
    },
    /// A public key that may sign in.
    SshKey(String),
    /// What a route or stream leads to, `host:port`.
    Target(String),
    /// Something that a word of the policy allows, and that has no sort of its own here.
    Right {
        /// The word.
        word: String,
        /// What is used.
        item: String,
    },
    /// Lines for nginx that policy does not check.
    NginxLines(String),
    /// An access list, of a manifest or of NPM.
    AccessList(String),
    /// A certificate that NPM has.
    Certificate(String),
    /// Something that the kind of the manifest does not list.
    Unlisted {
        /// The kind of the manifest.
        manifest: &'static str,
        /// What it uses; `None`: the kind lists nothing.
        used: Option<UseKind>,
    },
}

/// A name by which something finds a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerName {
    /// On which host.
    pub host: String,
    /// `None`: on the engine.
    pub network: Option<String>,
    /// The name.
    pub name: String,
}

/// The sorts of resources that manifests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UseKind {
    /// [`Use::Host`]
    Host,
    /// [`Use::Service`]
    Service,
    /// [`Use::ContainerOf`]
    ContainerOf,
    /// [`Use::DataOf`]
    DataOf,
    /// [`Use::Name`]
    Name,
    /// [`Use::Record`]
    Record,
    /// [`Use::ContainerName`]
    ContainerName,
    /// [`Use::ContainerKey`]
    ContainerKey,
    /// [`Use::Address`]
    Address,
    /// [`Use::Port`]
    Port,
    /// [`Use::NpmPort`]
    NpmPort,
    /// [`Use::Subnet`]
    Subnet,
    /// [`Use::Network`]
    Network,
    /// [`Use::Volume`]
    Volume,
    /// [`Use::Folder`]
    Folder,
    /// [`Use::File`]
    File,
    /// [`Use::Image`]
    Image,
    /// [`Use::BuiltImage`]
    BuiltImage,
    /// [`Use::Repository`]
    Repository,
    /// [`Use::LogDriver`]
    LogDriver,
    /// [`Use::Secret`]
    Secret,
    /// [`Use::Machine`]
    Machine,
    /// [`Use::HostKey`]
    HostKey,
    /// [`Use::Server`]
    Server,
    /// [`Use::MadeServer`]
    MadeServer,
    /// [`Use::Project`]
    Project,
    /// [`Use::SshKey`]
    SshKey,
    /// [`Use::Target`]
    Target,
    /// [`Use::Right`]
    Right,
    /// [`Use::NginxLines`]
    NginxLines,
    /// [`Use::AccessList`]
    AccessList,
    /// [`Use::Certificate`]
    Certificate,
    /// [`Use::Unlisted`]
    Unlisted,
}

/// Which word of the policy decides on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyWord {
    /// This key of `policy`.
    Word(&'static str),
    /// None, and why.
    Needless(&'static str),
}

/// Whether two manifests may use one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// One manifest has it: [`Use::excludes`].
    One,
    /// Several may, and why.
    Shared(&'static str),
}

/// Whose a resource is, for a token that is limited to some services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenScope {
    /// What is called after the service is its own: [`Use::is_of`].
    ByName,
    /// It belongs to no service: only what the manifest uses already stays.
    NoService,
    /// Every service may use it, and why.
    Everybody(&'static str),
}

/// What holds for a sort of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UseRow {
    /// What people read.
    pub word: &'static str,
    /// Which word of the policy decides on it.
    pub policy: PolicyWord,
    /// Whether two manifests may use it.
    pub claim: Claim,
    /// Whose it is.
    pub tokens: TokenScope,
}

impl UseKind {
    /// Every sort.
    pub const ALL: [UseKind; 33] = [
        UseKind::Host,
        UseKind::Service,
        UseKind::ContainerOf,
        UseKind::DataOf,
        UseKind::Name,
        UseKind::Record,
        UseKind::ContainerName,
        UseKind::ContainerKey,
        UseKind::Address,
        UseKind::Port,
        UseKind::NpmPort,
        UseKind::Subnet,
        UseKind::Network,
        UseKind::Volume,
        UseKind::Folder,
        UseKind::File,
        UseKind::Image,
        UseKind::BuiltImage,
        UseKind::Repository,
        UseKind::LogDriver,
        UseKind::Secret,
        UseKind::Machine,
        UseKind::HostKey,
        UseKind::Server,
        UseKind::MadeServer,
        UseKind::Project,
        UseKind::SshKey,
        UseKind::Target,
        UseKind::Right,
        UseKind::NginxLines,
        UseKind::AccessList,
        UseKind::Certificate,
        UseKind::Unlisted,
    ];

    /// What holds for it.
    pub const fn row(self) -> UseRow {
        use Claim::{One, Shared};
        use PolicyWord::{Needless, Word};
        use TokenScope::{ByName, Everybody, NoService};
        let (word, policy, claim, tokens) = match self {
            UseKind::Host => {
                ("host", Needless("the configuration lists the hosts"), Shared("a host has many services"), NoService)
            }
            UseKind::Service => (
                "service",
                Needless("waiting for a service changes nothing of it"),
                Shared("many may wait for one"),
                ByName,
            ),
            UseKind::ContainerOf => (
                "container of",
                Needless("the author of the other manifest wrote what stands there for the network of NPM"),
                Shared("many names may lead to one container"),
                ByName,
            ),
            UseKind::DataOf => (
                "data of",
                Needless("only of a manifest that is no more"),
                Shared("a service may have become two"),
                ByName,
            ),
            UseKind::Name => ("name", Word("names"), One, ByName),
            UseKind::Record => ("name", Word("records"), One, ByName),
            UseKind::ContainerName => ("container name", Word("names"), One, ByName),
            UseKind::ContainerKey => ("container", Needless("it is called after the manifest"), One, ByName),
            UseKind::Address => {
                ("address", Needless("it lies in the subnet of a network that the manifest may join"), One, NoService)
            }
            UseKind::Port => ("host port", Word("ports"), One, NoService),
            UseKind::NpmPort => ("port", Word("ports"), One, NoService),
            UseKind::Subnet => ("subnet", Word("subnets"), One, NoService),
            UseKind::Network => ("network", Word("networks"), Shared("who joins one is allowed to"), ByName),
            UseKind::Volume => ("volume", Word("volumes"), Shared("policy lists those of others"), ByName),
            UseKind::Folder => ("folder", Word("host_paths"), Shared("policy lists those of others"), ByName),
            UseKind::File => (
                "file",
                Needless("who writes manifests reads the source"),
                Shared("a file may be read by many"),
                ByName,
            ),
            UseKind::Image => (
                "image",
                Word("images"),
                Shared("an image may be used by many"),
                Everybody("policy allows the image to every manifest, and pulling it reads nothing of a service"),
            ),
            UseKind::BuiltImage => (
                "image built for",
                Needless("no word opens it: an image that Amarre builds is its own app's"),
                Shared("only its own app may use it"),
                ByName,
            ),
            UseKind::Repository => {
                ("repository", Word("repositories"), Shared("two apps may be parts of one repository"), NoService)
            }
            UseKind::LogDriver => (
                "log driver",
                Word("log_drivers"),
                Shared("a driver serves many containers"),
                Everybody("policy allows the driver to every manifest"),
            ),
            UseKind::Secret => ("secret", Word("secrets"), Shared("policy lists those of others"), ByName),
            UseKind::Machine => ("machine", Word("targets"), One, NoService),
            UseKind::HostKey => (
                "host key",
                Needless("it says which machine is meant, and `targets` decides on its address"),
                One,
                NoService,
            ),
            UseKind::Server => ("server", Word("instances"), One, NoService),
            UseKind::MadeServer => (
                "new server",
                Needless("`limits` and `budget` of the cloud say how many, which and for how much"),
                One,
                NoService,
            ),
            UseKind::Project => (
                "project",
                Needless("the credentials of the cloud say which there are"),
                Shared("a project has many servers"),
                NoService,
            ),
            UseKind::SshKey => (
                "SSH key",
                Needless("the configuration lists the keys"),
                Shared("a person has many servers"),
                Everybody("a public key opens the service's server to its owner, and nothing of the owner's"),
            ),
            UseKind::Target => ("target", Word("targets"), Shared("many names may lead to one target"), NoService),
            UseKind::Right => ("right", Needless("it is a word of the policy"), Shared("policy allows it"), NoService),
            UseKind::NginxLines => ("lines for nginx", Word("nginx"), Shared("they are of one site"), NoService),
            UseKind::AccessList => (
                "access list",
                Needless("it closes the site that names it"),
                Shared("a list may close many sites"),
                Everybody("NPM checks the visitors of the site by it, and shows nothing of it"),
            ),
            UseKind::Certificate => (
                "certificate",
                Needless("NPM serves it for the names of the route alone"),
                Shared("a certificate may serve many sites"),
                Everybody("NPM serves it for the names of the route alone, and hands out no key"),
            ),
            UseKind::Unlisted => (
                "something that Amarre does not account for:",
                Needless("it is refused"),
                Shared("it is refused"),
                NoService,
            ),
        };
        UseRow { word, policy, claim, tokens }
    }
}

impl Use {
    /// Its sort.
    pub const fn kind(&self) -> UseKind {
        match self {
            Use::Host(_) => UseKind::Host,
            Use::Service(_) => UseKind::Service,
            Use::ContainerOf(_) => UseKind::ContainerOf,
            Use::DataOf(_) => UseKind::DataOf,
            Use::Name(_) => UseKind::Name,
            Use::Record { .. } => UseKind::Record,
            Use::ContainerName(_) => UseKind::ContainerName,
            Use::ContainerKey { .. } => UseKind::ContainerKey,
            Use::Address { .. } => UseKind::Address,
            Use::Port { .. } => UseKind::Port,
            Use::NpmPort { .. } => UseKind::NpmPort,
            Use::Subnet { .. } => UseKind::Subnet,
            Use::Network { .. } => UseKind::Network,
            Use::Volume { .. } => UseKind::Volume,
            Use::Folder { .. } => UseKind::Folder,
            Use::File(_) => UseKind::File,
            Use::Image(_) => UseKind::Image,
            Use::BuiltImage(_) => UseKind::BuiltImage,
            Use::Repository(_) => UseKind::Repository,
            Use::LogDriver(_) => UseKind::LogDriver,
            Use::Secret(_) => UseKind::Secret,
            Use::Machine { .. } => UseKind::Machine,
            Use::HostKey(_) => UseKind::HostKey,
            Use::Server(_) => UseKind::Server,
            Use::MadeServer { .. } => UseKind::MadeServer,
            Use::Project { .. } => UseKind::Project,
            Use::SshKey(_) => UseKind::SshKey,
            Use::Target(_) => UseKind::Target,
            Use::Right { .. } => UseKind::Right,
            Use::NginxLines(_) => UseKind::NginxLines,
            Use::AccessList(_) => UseKind::AccessList,
            Use::Certificate(_) => UseKind::Certificate,
            Use::Unlisted { .. } => UseKind::Unlisted,
        }
    }

    /// Whether no two manifests may have both.
    pub fn excludes(&self, other: &Use) -> bool {
        match (self, other) {
            (Use::Record { name, record_type }, Use::Record { name: at, record_type: word }) => {
                // Nothing can stand beside a CNAME.
                name == at && (record_type == word || record_type == "CNAME" || word == "CNAME")
            }
            (Use::Port { host, ip, port, protocol }, Use::Port { host: on, ip: at, port: number, protocol: word }) => {
                host == on && port == number && protocol == word && is_one_address(ip, at)
            }
            (Use::Subnet { host, subnet }, Use::Subnet { host: on, subnet: net }) => {
                host == on && (subnet.contains(net) || net.contains(subnet))
            }
            (Use::MadeServer { address, .. }, Use::MadeServer { address: other, .. }) => address == other,
            // `policy.names` may allow one name on a network to two: `manifest::policy::container_claims`.
            (Use::ContainerName(name), _) if name.network.is_some() => false,
            (one, other) => matches!(one.kind().row().claim, Claim::One) && one == other,
        }
    }

    /// Under which text uses are compared by [`Use::excludes`]; `None`: several manifests may have it.
    pub fn claim_key(&self) -> Option<(UseKind, String)> {
        let key = match self {
            Use::Record { name, .. } => name.clone(),
            Use::Port { host, port, protocol, .. } => format!("{host} {port}/{protocol}"),
            Use::Subnet { host, .. } => host.clone(),
            Use::MadeServer { address, .. } => address.to_string(),
            Use::ContainerName(ContainerName { host, network, name }) => {
                format!("{host} {} {name}", network.as_deref().unwrap_or_default())
            }
            Use::ContainerKey { host, name } => format!("{host} {name}"),
            Use::Address { host, network, ip } => format!("{host} {network} {ip}"),
            Use::NpmPort { npm, port } => format!("{npm} {port}"),
            one => one.item(),
        };
        matches!(self.kind().row().claim, Claim::One).then(|| (self.kind(), key))
    }

    /// What people read behind its word.
    pub fn item(&self) -> String {
        match self {
            Use::Host(text)
            | Use::Service(text)
            | Use::ContainerOf(text)
            | Use::DataOf(text)
            | Use::Name(text)
            | Use::File(text)
            | Use::Image(text)
            | Use::BuiltImage(text)
            | Use::Repository(text)
            | Use::LogDriver(text)
            | Use::Secret(text)
            | Use::SshKey(text)
            | Use::HostKey(text)
            | Use::Target(text)
            | Use::NginxLines(text)
            | Use::AccessList(text)
            | Use::Certificate(text) => text.clone(),
            Use::Record { name, .. }
            | Use::ContainerName(ContainerName { name, .. })
            | Use::ContainerKey { name, .. }
            | Use::Network { name, .. }
            | Use::Volume { name, .. } => name.clone(),
            Use::Folder { path, .. } => path.clone(),
            Use::Address { network, ip, .. } => format!("{ip} on {network}"),
            Use::Port { ip, port, protocol, .. } => format!("{ip}:{port}/{protocol}"),
            Use::NpmPort { port, .. } => port.to_string(),
            Use::Subnet { subnet, .. } => subnet.to_string(),
            Use::Machine { address, port } => format!("{address}:{port}"),
            Use::Server(address) => address.name.to_string(),
            Use::MadeServer { address, size } => format!("{} of size {size}", address.name),
            Use::Project { cloud, project } if project.is_empty() => format!("of {cloud}"),
            Use::Project { cloud, project } => format!("{project} of {cloud}"),
            Use::Right { word, item } => format!("{word} {item}"),
            Use::Unlisted { manifest, used: None } => format!("what `kind: {manifest}` uses"),
            Use::Unlisted { manifest, used: Some(used) } => format!("a {} of `kind: {manifest}`", used.row().word),
        }
    }

    /// Whether a resource belongs to the service `owner`, for who may write its manifest only.
    pub fn is_of(&self, owner: &str, site: &Site) -> bool {
        match self.kind().row().tokens {
            TokenScope::Everybody(_) => true,
            TokenScope::NoService => self.is_usual(),
            TokenScope::ByName => self.is_called_after(owner, site),
        }
    }

    /// A name on a network: who may be there is asked of the network, and no two have one name (A0288).
    fn is_on_a_network(&self) -> bool {
        matches!(self, Use::ContainerName(ContainerName { network: Some(_), .. }))
    }

    /// Where every manifest is that names no host.
    fn is_usual(&self) -> bool {
        matches!(self, Use::Host(host) if host == DEFAULT_HOST)
    }

    fn is_called_after(&self, owner: &str, site: &Site) -> bool {
        let item = self.item();
        let after = |text: &str| text.strip_prefix(owner).map(str::to_owned);
        let begins = |text: &str, next: &str| after(text).is_some_and(|rest| rest.starts_with(next));
        let is_or = |text: &str, next: &str| text == owner || begins(text, next);
        match self.kind() {
            UseKind::Secret => is_or(&item, "/"),
            UseKind::ContainerName | UseKind::ContainerKey => self.is_on_a_network() || is_or(&item, "-"),
            UseKind::Volume => begins(&item, "_"),
            UseKind::Network => match item.strip_prefix(OF_CONTAINER) {
                Some(container) => is_or(container, "-"),
                None => item == owner || service_of_network(&item) == Some(owner),
            },
            UseKind::Service | UseKind::DataOf | UseKind::ContainerOf | UseKind::BuiltImage => item == owner,
            UseKind::File => item.split('/').rev().skip(1).any(|folder| folder == owner),
            UseKind::Folder => site.hosts.values().any(|host| {
                let own = format!("{}/{owner}", host.data.trim_end_matches('/'));
                item.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }),
            UseKind::Name | UseKind::Record => {
                let bare = item.strip_prefix("*.").unwrap_or(&item);
                // `*.shop.example.org` is below `shop.example.org`, and `*.example.org` is not.
                site.domains.iter().any(|domain| is_below(bare, &format!("{owner}.{domain}")))
            }
            UseKind::Host
            | UseKind::Address
            | UseKind::Port
            | UseKind::NpmPort
            | UseKind::Subnet
            | UseKind::Image
            | UseKind::Repository
            | UseKind::LogDriver
            | UseKind::Machine
            | UseKind::HostKey
            | UseKind::Server
            | UseKind::MadeServer
            | UseKind::Project
            | UseKind::SshKey
            | UseKind::Target
            | UseKind::Right
            | UseKind::NginxLines
            | UseKind::AccessList
            | UseKind::Certificate
            | UseKind::Unlisted => false,
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = match self {
            Use::Volume { is_written: true, .. } | Use::Folder { is_written: true, .. } => " to write to",
            _ => "",
        };
        write!(f, "the {}{written} {}", self.kind().row().word, self.item())
    }
}

/// The host of a manifest that names none.
const DEFAULT_HOST: &str = "default";
/// A network that is a container's.
pub const OF_CONTAINER: &str = "container:";
/// The network that NPM shares with routed containers.
const EDGE: &str = "edge";

/// Whether two addresses of a host cannot both have a port.
pub fn is_one_address(one: &str, other: &str) -> bool {
    let is_all = |ip: &str| matches!(ip, "0.0.0.0" | "::");
    one == other || is_all(one) || is_all(other)
}

/// What a service uses. Files of the source, and what words of the policy allow beside, are not in a service:
/// `manifest::uses_of_text` adds them.
pub fn of(service: &Service, site: &Site) -> BTreeSet<Use> {
    let mut found = Found { host: &service.host, site, uses: BTreeSet::new() };
    found.service(service);
    listed(service, found.uses)
}

/// These uses, and what of them the kind of the manifest does not list.
pub fn listed(service: &Service, mut uses: BTreeSet<Use>) -> BTreeSet<Use> {
    let (manifest, listed) = (service.kind.word(), service.kind.uses());
    let kinds: BTreeSet<UseKind> = uses.iter().map(Use::kind).filter(|kind| !listed.contains(kind)).collect();
    uses.extend(kinds.into_iter().map(|kind| Use::Unlisted { manifest, used: Some(kind) }));
    if listed.is_empty() {
        uses.insert(Use::Unlisted { manifest, used: None });
    }
    uses
}

/// The host names at which visitors come in, or that lead to its servers.
pub fn hosted(service: &Service) -> impl Iterator<Item = &str> {
    let routes = service.routes.iter().flat_map(|route| &route.domains);
    let answered = service.answered.iter().flat_map(|host| &host.domains);
    routes.chain(answered).chain(service.servers().flat_map(|server| &server.domains)).map(String::as_str)
}

/// The records that it writes out.
pub fn records(service: &Service) -> &[Record] {
    match &service.dns {
        Dns::Records(records) => records,
        Dns::Auto | Dns::None => &[],
    }
}

/// What is collected of one service.
struct Found<'a> {
    host: &'a str,
    site: &'a Site,
    uses: BTreeSet<Use>,
}

impl Found<'_> {
    fn add(&mut self, used: Use) {
        self.uses.insert(used);
    }

    fn host(&self) -> String {
        self.host.to_owned()
    }

    fn service(&mut self, service: &Service) {
        let Service {
            name: _,
            kind,
            host,
            origin: _,
            containers,
            jobs,
            needs,
            routes,
            answered,
            streams,
            access_lists,
            instance,
            app,
            pool,
            dns: _,
            network,
            networks,
            volumes,
            stopped: _,
            reconcile: _,
            data,
            update: _,
            places: _,
        } = service;
        if kind.needs_host() {
            self.add(Use::Host(host.clone()));
        }
        for (key, container) in containers {
            self.add(Use::ContainerKey { host: self.host(), name: service.address_name(key) });
            self.container(service, container);
        }
        for (key, job) in jobs {
            self.add(Use::ContainerKey { host: self.host(), name: service.address_name(key) });
            self.container(service, &job.container);
        }
        self.uses.extend(container_names(service, self.site, &[]).into_keys().map(Use::ContainerName));
        self.uses.extend(needs.iter().map(|needed| Use::Service(needed.service.clone())));
        routes.iter().for_each(|route| self.route(route));
        answered.iter().for_each(|host| self.answered(host));
        streams.iter().for_each(|stream| self.stream(stream));
        access_lists.iter().for_each(|list| self.access_list(list));
        instance.iter().for_each(|instance| self.instance(instance));
        app.iter().for_each(|app| self.app(app));
        pool.iter().for_each(|pool| self.pool(pool));
        self.names(service);
        match network {
            NetworkMode::Subnet(subnet) | NetworkMode::Defined { subnet: Some(subnet), internal: _ } => {
                self.add(Use::Subnet { host: self.host(), subnet: *subnet });
            }
            NetworkMode::Shared(name) => self.add(Use::Network { host: self.host(), name: name.clone() }),
            NetworkMode::Auto | NetworkMode::Defined { subnet: None, internal: _ } => (),
        }
        for OwnNetwork { subnet, internal: _ } in networks.values() {
            self.uses.extend(subnet.map(|subnet| Use::Subnet { host: host.clone(), subnet }));
        }
        for (key, volume) in volumes {
            let Volume { name: _, is_external: _, driver: _, options, labels: _, origin: _ } = volume;
            let folder = options.get("device").map(|device| self.folder(device, false));
            self.uses.extend(folder);
            self.add(Use::Volume { host: self.host(), name: service.volume_name(key), is_written: false });
        }
        self.uses.extend(data.of.iter().map(|old| Use::DataOf(old.clone())));
    }

    /// Names and records, those that follow from names too.
    fn names(&mut self, service: &Service) {
        let record = |name: &str, word: &str| Use::Record { name: name.to_owned(), record_type: word.to_owned() };
        self.uses.extend(hosted(service).map(|name| Use::Name(name.to_owned())));
        self.uses.extend(records(service).iter().map(|one| record(&one.name, &one.record_type)));
        let is_recorded = |name: &&str| self.site.dns_provider(name).is_some();
        let to_servers: BTreeSet<&str> =
            service.servers().flat_map(|server| &server.domains).map(String::as_str).collect();
        let mut led = Vec::new();
        for name in hosted(service).filter(is_recorded) {
            if to_servers.contains(name) {
                led.extend(["A", "AAAA"].map(|word| record(name, word)));
            } else if service.dns == Dns::Auto {
                let addresses = self.site.hosts.get(&service.host).map(|host| host.address.as_slice());
                led.extend(addresses.unwrap_or_default().iter().map(|address| record(name, record_type_of(address))));
            }
        }
        self.uses.extend(led);
    }

    fn folder(&self, path: &str, is_written: bool) -> Use {
        Use::Folder { host: self.host(), path: path.to_owned(), is_written }
    }

    fn container(&mut self, service: &Service, container: &Container) {
        let Container {
            image,
            build: _,
            command: _,
            entrypoint: _,
            environment,
            ports,
            mounts,
            healthcheck: _,
            user: _,
            restart: _,
            is_restart_unsaid: _,
            labels: _,
            depends_on: _,
            logging: (log_driver, _),
            pull_policy: _,
            container_name: _,
            network_mode,
            home,
            also_on,
            aliases: _,
            ipv4_address,
            shares: _,
            settings: _,
            origin: _,
        } = container;
        self.uses.extend(environment.values().filter_map(|value| match value {
            EnvValue::Secret(name) => secret_use(name),
            EnvValue::Plain(_) => None,
        }));
        self.add(Use::LogDriver(log_driver.clone()));
        if !builds_itself(service, container) {
            self.add(match built_for(image) {
                Some(app) => Use::BuiltImage(app.to_owned()),
                None => Use::Image(image.clone()),
            });
        }
        for Port { host_ip, is_anywhere: _, published, target: _, protocol } in ports {
            let (ip, protocol) = (host_ip.clone(), protocol.clone());
            self.add(Use::Port { host: self.host(), ip, port: *published, protocol });
        }
        for Mount { source, target: _, read_only, options: _, creates_folder: _ } in mounts {
            // What may be read may still not be written to.
            for is_written in if *read_only { &[false][..] } else { &[false, true] } {
                match source {
                    MountSource::Bind(path) => self.add(self.folder(path, *is_written)),
                    MountSource::Volume(volume) => {
                        let name = service.volume_name(volume);
                        self.add(Use::Volume { host: self.host(), name, is_written: *is_written });
                    }
                    MountSource::Copied(Delivery { content: DeliveryContent::Secret(name), .. }) => {
                        self.uses.extend(secret_use(name));
                    }
                    // The files themselves are `Use::File`.
                    MountSource::Tmpfs | MountSource::Copied(_) => (),
                }
            }
        }
        let joined = home.iter().chain(also_on).filter(|network| !service.networks.contains_key(*network));
        let joined: Vec<Use> = joined.map(|name| Use::Network { host: self.host(), name: name.clone() }).collect();
        self.uses.extend(joined);
        match network_mode {
            ContainerNetwork::Other(name) => {
                self.add(Use::Network { host: self.host(), name: format!("{OF_CONTAINER}{name}") });
            }
            ContainerNetwork::Own | ContainerNetwork::None | ContainerNetwork::Host | ContainerNetwork::Of(_) => (),
        }
        // On a network of its own, it meets nobody.
        let shared = home_network(service, container);
        if let (Some(ip), true) = (ipv4_address, is_shared(service, shared)) {
            let network = service_of_network(shared).unwrap_or(shared).to_owned();
            self.add(Use::Address { host: self.host(), network, ip: *ip });
        }
    }

    fn route(&mut self, route: &Route) {
        let Route {
            domains: _,
            to: _,
            tls,
            force_https: _,
            websockets: _,
            block_exploits: _,
            access_list,
            http2: _,
            hsts: _,
            caching: _,
            locations: _,
            advanced: _,
            origin: _,
        } = route;
        for target in route.targets() {
            match target {
                Target::Url { scheme: _, host, port } => self.add(Use::Target(format!("{host}:{port}"))),
                Target::Instance { name, port: _ } => self.add(Use::ContainerOf(name.clone())),
                Target::Container { .. } => (),
            }
        }
        self.tls(tls);
        self.uses.extend(access_list.iter().map(|list| Use::AccessList(list.clone())));
    }

    fn tls(&mut self, tls: &Tls) {
        match tls {
            Tls::Existing(name) => self.add(Use::Certificate(name.clone())),
            Tls::None | Tls::LetsEncrypt(_) => (),
        }
    }

    fn answered(&mut self, host: &AnsweredHost) {
        let AnsweredHost {
            kind: _,
            domains: _,
            tls,
            force_https: _,
            http2: _,
            hsts: _,
            advanced: _,
            fields: _,
            origin: _,
        } = host;
        self.tls(tls);
    }

    fn stream(&mut self, stream: &Stream) {
        let Stream { port, to, tcp, udp, origin: _ } = stream;
        let npm = self.site.hosts.get(self.host).and_then(|host| host.npm.as_ref());
        let provider = npm.map(|npm| npm.provider.to_string()).unwrap_or_default();
        self.add(Use::NpmPort { npm: provider, port: *port });
        if npm.is_some_and(|npm| npm.reach == Reach::Host) {
            for (protocol, _) in [("tcp", tcp), ("udp", udp)].into_iter().filter(|(_, is_meant)| **is_meant) {
                let (ip, protocol) = ("0.0.0.0".to_owned(), protocol.to_owned());
                self.add(Use::Port { host: self.host(), ip, port: *port, protocol });
            }
        }
        match to {
            StreamTarget::Container { service, key: _, port: _ } => self.add(Use::ContainerOf(service.clone())),
            StreamTarget::Address { host, port } => self.add(Use::Target(format!("{host}:{port}"))),
        }
    }

    fn access_list(&mut self, list: &AccessList) {
        let AccessList { name: _, users, allow: _, deny: _, satisfy_any: _, pass_auth: _, origin: _ } = list;
        self.uses.extend(users.values().filter_map(secret_use));
    }

    fn instance(&mut self, instance: &Instance) {
        let Instance { address, shape, cloud, rule: _, domains: _, check: _, origin: _ } = instance;
        let Some(shape) = shape else { return self.add(Use::Server(address.clone())) };
        let ServerShape { project, region: _, size, image: _, ssh_key, user_data: _, may_resize: _ } = shape;
        self.add(Use::MadeServer { address: address.clone(), size: size.clone() });
        self.add(Use::Project { cloud: cloud.clone(), project: project.clone() });
        if !ssh_key.is_empty() {
            self.add(Use::SshKey(ssh_key.clone()));
        }
    }

    fn app(&mut self, app: &App) {
        let App { source, build: _ } = app;
        let AppSource { url, app: _, reference: _, commit: _, path: _, token, host_key: _ } = source;
        self.add(Use::Repository(url.to_string()));
        self.uses.extend(token.iter().filter_map(secret_use));
    }

    fn pool(&mut self, pool: &Pool) {
        let Pool { machines, servers, rules: _, usual: _, who: _, shell: _, sudo: _, between: _, origin: _ } = pool;
        for machine in machines.values() {
            let Machine { address, port, user: _, password, host_key, is_container: _, server, origin: _ } = machine;
            // Where a server is, its cloud says.
            if server.is_none() {
                self.add(Use::Machine { address: address.clone(), port: *port });
            }
            self.uses.extend(host_key.iter().map(|key| Use::HostKey(key.clone())));
            self.uses.extend(password.iter().filter_map(secret_use));
        }
        servers.values().for_each(|server| self.instance(server));
    }
}

/// A secret that a manifest names; those that Amarre makes for it are no use.
fn secret_use(name: &SecretName) -> Option<Use> {
    (!name.is_own()).then(|| Use::Secret(name.0.clone()))
}

fn record_type_of(address: &PublicAddress) -> &'static str {
    match address {
        PublicAddress::Ip(ip) if ip.is_ipv4() => "A",
        PublicAddress::Ip(_) => "AAAA",
        PublicAddress::Name(_) => "CNAME",
    }
}

/// Whether Amarre builds the image for this container.
fn builds_itself(service: &Service, container: &Container) -> bool {
    container.build.is_some() || service.build().is_some_and(|build| build.image == container.image)
}

/// The manifest for which Amarre built an image, by the image's name.
fn built_for(image: &str) -> Option<&str> {
    const REGISTRIES: [&str; 3] = ["docker.io/", "index.docker.io/", "registry-1.docker.io/"];
    let bare = REGISTRIES.iter().find_map(|registry| image.strip_prefix(registry)).unwrap_or(image);
    bare.strip_prefix("amarre/")?.split([':', '@']).next()
}

/// The network on which a container lives.
pub fn home_network<'a>(service: &'a Service, container: &'a Container) -> &'a str {
    match (&container.home, &service.network) {
        (Some(home), _) => home,
        (None, NetworkMode::Shared(name)) => name,
        (None, NetworkMode::Auto | NetworkMode::Subnet(_) | NetworkMode::Defined { .. }) => &service.name,
    }
}

/// Whether containers of other manifests may be on a network.
fn is_shared(service: &Service, network: &str) -> bool {
    network != service.name && !service.networks.contains_key(network)
}

/// The names of a service's containers, each with whether it comes from the manifest's own. `streamed`: the containers, of whatever
/// service, that streams lead to, by service and key.
pub fn container_names(service: &Service, site: &Site, streamed: &[(&str, &str)]) -> BTreeMap<ContainerName, bool> {
    let host = &service.host;
    let mut names: BTreeMap<ContainerName, bool> = BTreeMap::new();
    let mut add = |network: Option<&str>, name: &str, is_own: bool| {
        let network = network.map(|network| service_of_network(network).unwrap_or(network).to_owned());
        let name = if network.is_some() { name.to_ascii_lowercase() } else { name.to_owned() };
        *names.entry(ContainerName { host: host.clone(), network, name }).or_default() |= is_own;
    };
    let is_on_edge =
        site.hosts.get(host).and_then(|host| host.npm.as_ref()).is_some_and(|npm| npm.reach == Reach::Edge);
    for (key, container) in &service.containers {
        let called = service.container_name(key);
        let is_own = container.container_name.is_none();
        add(None, &called, is_own);
        if container.network_mode != ContainerNetwork::Own {
            continue;
        }
        let hostname = container.settings.get("hostname").and_then(Value::as_text);
        if is_on_edge && is_led(service, key, streamed) {
            add(Some(EDGE), &called, is_own);
            hostname.into_iter().for_each(|name| add(Some(EDGE), name, false));
        }
        for network in container.also_on.iter().map(String::as_str).chain([home_network(service, container)]) {
            add(Some(network), &called, is_own);
            add(Some(network), key, *key == service.name);
            if service.containers.len() == 1 {
                add(Some(network), &service.name, true);
            }
            let more = container.aliases.iter().map(String::as_str).chain(hostname);
            more.for_each(|name| add(Some(network), name, false));
        }
    }
    for (key, job) in &service.jobs {
        let called = service.address_name(key);
        add(None, &called, true);
        // As one is called that did not end well.
        add(None, &format!("{called}-failed"), true);
        if job.container.network_mode == ContainerNetwork::Own {
            let home = home_network(service, &job.container);
            let hostname = job.container.settings.get("hostname").and_then(Value::as_text);
            hostname.into_iter().for_each(|name| add(Some(home), name, false));
            add(Some(home), &called, true);
        }
    }
    names
}

/// Whether a route or a stream leads to a container.
fn is_led(service: &Service, key: &str, streamed: &[(&str, &str)]) -> bool {
    let mut routed = service.routes.iter().flat_map(|route| route.targets());
    let is_it = |target: &Target| matches!(target, Target::Container { key: other, .. } if other == key);
    routed.any(is_it) || streamed.contains(&(service.name.as_str(), key))
}
