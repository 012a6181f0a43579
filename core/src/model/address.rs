//! `provider/kind/name[@generation]`: how a resource is named in plans, ledger, CLI and API.
//!
//! Only containers carry a generation. A record's name ends in its type (`cloud.example.org/A`).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How the names of networks begin that manifests define: they sort after NPM's own, for Docker publishes a container's
/// ports through the network whose name sorts first.
const NETWORK_PREFIX: &str = "zz-amarre-";

/// The name of a service's network.
pub fn network_name(service: &str) -> String {
    format!("{NETWORK_PREFIX}{service}")
}

/// The service whose network has this name; `None`: the name is none that [`network_name`] gives.
pub fn service_of_network(network: &str) -> Option<&str> {
    network.strip_prefix(NETWORK_PREFIX)
}

/// A system that holds resources: `docker`, `docker.edge`, `npm`, `npm.edge`, `ovh`.
///
/// The host `default` and the NPM `main` have no suffix, so that the common case reads well and
/// adding a second one renames nothing. Shared, for every address has one and there are few.
#[derive(Debug, Clone, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ProviderId(Arc<str>);

impl PartialEq for ProviderId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Ord for ProviderId {
    fn cmp(&self, other: &Self) -> Ordering {
        // Most are copies of each other.
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for ProviderId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for ProviderId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl From<String> for ProviderId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<ProviderId> for String {
    fn from(id: ProviderId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl ProviderId {
    /// The Docker engine of a host.
    pub fn docker(host: &str) -> Self {
        Self::named("docker", host, "default")
    }

    /// A Nginx Proxy Manager.
    pub fn npm(name: &str) -> Self {
        Self::named("npm", name, "main")
    }

    /// The OVH account.
    pub fn ovh() -> Self {
        Self("ovh".into())
    }

    /// The text, as in an address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of an NPM in the configuration: `main`.
    pub fn npm_name(&self) -> &str {
        self.0.split_once('.').map_or("main", |(_, name)| name)
    }

    /// As people call it: `OVH`, `NPM`, `NPM edge`.
    pub fn title(&self) -> String {
        let name = self.0.split_once('.').map(|(_, name)| format!(" {name}")).unwrap_or_default();
        let family = match self.family() {
            "docker" => "Docker",
            "npm" => "NPM",
            "ovh" => "OVH",
            other => other,
        };
        format!("{family}{name}")
    }

    /// `docker`, `npm` or `ovh`, without the suffix.
    pub fn family(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    fn named(family: &str, name: &str, usual: &str) -> Self {
        if name == usual { Self(family.into()) } else { Self(format!("{family}.{name}").into()) }
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a resource is. The order is the order of safety on the way up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A Docker network.
    Network,
    /// NPM's container on a network.
    Attachment,
    /// A Docker volume.
    Volume,
    /// A Docker image; never owned.
    Image,
    /// One generation of a container.
    Container,
    /// A DNS zone; observed, never changed.
    Zone,
    /// A DNS record set: all values of one name and type.
    Record,
    /// A certificate in NPM.
    Certificate,
    /// An access list in NPM.
    AccessList,
    /// A proxy host in NPM.
    ProxyHost,
    /// A redirection host in NPM.
    Redirection,
    /// A port that NPM forwards.
    Stream,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Kind; 12] = [
        Kind::Network,
        Kind::Attachment,
        Kind::Volume,
        Kind::Image,
        Kind::Container,
        Kind::Zone,
        Kind::Record,
        Kind::Certificate,
        Kind::AccessList,
        Kind::ProxyHost,
        Kind::Redirection,
        Kind::Stream,
    ];

    /// The word in addresses.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Network => "network",
            Kind::Attachment => "attachment",
            Kind::Volume => "volume",
            Kind::Image => "image",
            Kind::Container => "container",
            Kind::Zone => "zone",
            Kind::Record => "record",
            Kind::Certificate => "certificate",
            Kind::AccessList => "access-list",
            Kind::ProxyHost => "proxy-host",
            Kind::Redirection => "redirection",
            Kind::Stream => "stream",
        }
    }

    /// The word in sentences and tables.
    pub fn label(self) -> String {
        self.word().replace('-', " ")
    }

    /// Whether an engine takes it down when it stops and brings it back when it starts: containers, and what connects them.
    pub const fn comes_back_with_engine(self) -> bool {
        match self {
            Kind::Network | Kind::Attachment | Kind::Container => true,
            Kind::Volume | Kind::Image | Kind::Zone | Kind::Record | Kind::Certificate => false,
            Kind::AccessList | Kind::ProxyHost | Kind::Redirection | Kind::Stream => false,
        }
    }

    /// Place on the way down: smaller goes first.
    pub const fn down_rank(self) -> u8 {
        match self {
            Kind::ProxyHost | Kind::Redirection | Kind::Stream => 0,
            Kind::Certificate | Kind::AccessList => 1,
            Kind::Record | Kind::Zone => 2,
            Kind::Container => 3,
            Kind::Attachment => 4,
            Kind::Network => 5,
            Kind::Volume => 6,
            Kind::Image => 7,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Kind {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Kind::ALL.into_iter().find(|kind| kind.word() == text).ok_or_else(|| AddressError(text.to_owned()))
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The full name of one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Who holds it.
    pub provider: ProviderId,
    /// What it is.
    pub kind: Kind,
    /// Its name there; may contain slashes (`gitea/gitea:1.22`, `cloud.example.org/A`).
    pub name: String,
    /// Which incarnation; containers of ours only.
    pub generation: Option<String>,
}

impl Address {
    /// An address without a generation.
    pub fn new(provider: ProviderId, kind: Kind, name: &str) -> Self {
        Self { provider, kind, name: name.to_owned(), generation: None }
    }

    /// The same resource in one generation.
    #[must_use]
    pub fn at(mut self, generation: &str) -> Self {
        self.generation = Some(generation.to_owned());
        self
    }

    /// The address without its generation: what people call the thing.
    #[must_use]
    pub fn base(&self) -> Self {
        Self { generation: None, ..self.clone() }
    }

    /// Whether both are the same resource, of whatever generation.
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name == other.name && self.provider == other.provider
    }
}

/// What a map holds for one resource, of whatever generation; found without going through the others.
pub fn generations<'a, T>(
    map: &'a BTreeMap<Address, T>,
    of: &'a Address,
) -> impl Iterator<Item = (&'a Address, &'a T)> + 'a {
    map.range(of.base()..).take_while(|(address, _)| address.is_same(of))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.provider, self.kind, self.name)?;
        match &self.generation {
            Some(generation) => write!(f, "@{generation}"),
            None => Ok(()),
        }
    }
}

/// Not an address, or not a kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an address: `{0}`")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '/');
        let (Some(provider), Some(kind), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(AddressError(text.to_owned()));
        };
        let kind: Kind = kind.parse()?;
        let provider = ProviderId(provider.into());
        // An image's name may hold an `@sha256:`; only containers have generations.
        match rest.rsplit_once('@').filter(|_| kind == Kind::Container) {
            Some((name, generation)) => Ok(Self::new(provider, kind, name).at(generation)),
            None => Ok(Self::new(provider, kind, rest)),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
