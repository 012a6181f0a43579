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

use super::kinds::Kind;

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

    /// Its family, without the suffix: `docker`, `npm`, `ovh`.
    pub fn family(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// What stands behind the family: `edge` of `npm.edge`.
    pub fn suffix(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, name)| name)
    }

    pub(super) fn named(family: &str, name: &str, usual: &str) -> Self {
        if name == usual { Self(family.into()) } else { Self(format!("{family}.{name}").into()) }
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The full name of one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Who holds it.
    pub provider: ProviderId,
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

/// What a map holds of one provider; found without going through the others.
pub fn of_provider<'a, T>(
    map: &'a BTreeMap<Address, T>,
    provider: &'a ProviderId,
) -> impl Iterator<Item = (&'a Address, &'a T)> + Clone + 'a {
    let [first, ..] = Kind::ALL;
    map.range(Address::new(provider.clone(), first, "")..).take_while(|(address, _)| address.provider == *provider)
}

/// What a map holds for one resource, of whatever generation; found without going through the others.
pub fn generations<'a, T>(
    map: &'a BTreeMap<Address, T>,
    of: &'a Address,
) -> impl Iterator<Item = (&'a Address, &'a T)> + 'a {
    map.range(of.base()..).take_while(|(address, _)| address.is_same(of))
}

/// The same, to be changed.
pub fn generations_mut<'a, T>(
    map: &'a mut BTreeMap<Address, T>,
    of: &'a Address,
) -> impl Iterator<Item = (&'a Address, &'a mut T)> + 'a {
    map.range_mut(of.base()..).take_while(|(address, _)| address.is_same(of))
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
pub struct AddressError(pub(super) String);

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
