//! What a manifest uses: every resource that it names or reaches, once, whatever its kind.
//!
//! Limited tokens and the claims between manifests ask this list. [`of`] takes a service apart without `..`, so a new field of a
//! manifest does not compile before somebody says here what it uses; [`UseKind::row`] has no wildcard arm, so a new sort of resource
//! says who may have it. A kind of manifest lists the sorts that it uses (`ManifestKind::using`): what it uses beyond them is
//! [`Use::Unlisted`], which nobody may have.

mod collector;
mod container_names;
mod rows;

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::address::{Address, service_of_network};
use super::service::{Dns, Record, Service};
use super::site::{Site, is_below};

pub use collector::{listed, of};
pub use container_names::{ContainerName, container_names, home_network};
pub use rows::{PolicyWord, TokenScope, UseClaim, UseKind, UseRow};

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
        host: String,
        /// The name in addresses.
        name: String,
    },
    /// An address on a network that a container asks for.
    Address {
        host: String,
        /// The network, as the service calls it that owns it.
        network: String,
        ip: Ipv4Addr,
    },
    /// A port of a host.
    Port {
        /// Which host.
        host: String,
        /// At which address of it: `0.0.0.0`.
        ip: String,
        port: u16,
        /// `tcp` or `udp`.
        protocol: String,
    },
    /// A port at which an NPM listens for a stream.
    NpmPort {
        /// The provider; empty: none is configured.
        npm: String,
        port: u16,
    },
    /// A range of addresses on a host.
    Subnet {
        /// Which host.
        host: String,
        subnet: Ipv4Net,
    },
    /// A network that is not its own, or `container:NAME`.
    Network {
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
        word: String,
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

impl Use {
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
            Use::Server(_) => UseKind::CloudServer,
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
            (one, other) => matches!(one.kind().row().claim, UseClaim::One) && one == other,
        }
    }

    /// Under which text uses are compared by [`Use::excludes`]; `None`: several manifests may have it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what has no form of its own is compared as people read it")]
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
        matches!(self.kind().row().claim, UseClaim::One).then(|| (self.kind(), key))
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
            | UseKind::CloudServer
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
        let is_written = matches!(self, Use::Volume { is_written: true, .. } | Use::Folder { is_written: true, .. });
        let written = if is_written { " to write to" } else { "" };
        write!(f, "the {}{written} {}", self.kind().row().word, self.item())
    }
}

/// The host of a manifest that names none.
const DEFAULT_HOST: &str = "default";
/// A network that is a container's.
pub const OF_CONTAINER: &str = "container:";

/// Whether two addresses of a host cannot both have a port.
pub fn is_one_address(one: &str, other: &str) -> bool {
    let is_all = |ip: &str| matches!(ip, "0.0.0.0" | "::");
    one == other || is_all(one) || is_all(other)
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
