//! What families of providers there are: one row a family.

use super::address::ProviderId;
use super::pool::MACHINES;

/// What a family of providers is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderRole {
    /// Runs containers.
    Engine,
    /// Answers visitors and forwards them.
    Proxy,
    /// Holds DNS zones.
    Zones,
    /// Rents out servers.
    Cloud,
    /// Machines that are reached over SSH.
    Machines,
}

/// The section of the configuration that all clouds share.
pub const CLOUDS: &str = "clouds";

/// One family of providers: systems of one make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderFamily {
    /// The word in addresses.
    pub name: &'static str,
    /// The section of the configuration that its providers are in.
    pub section: &'static str,
    /// The word for it in that section, where several families share one; else empty.
    pub make: &'static str,
    /// As people call it.
    pub title: &'static str,
    /// One of them, in a sentence: "no … is configured", "no zone of the … holds it".
    pub one: &'static str,
    /// What it is for.
    pub role: ProviderRole,
    /// The name in the configuration of the one whose address has no suffix; empty where there is one only.
    pub unnamed: &'static str,
    /// What it does in its own way, if it rents out servers.
    pub cloud: Option<CloudTraits>,
}

/// What a vendor of servers does in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudTraits {
    /// It stores a server as a snapshot, and gives its place back.
    pub shelves: bool,
    /// Its stop is no shutdown: the power is cut.
    pub stop_cuts_power: bool,
    /// Its servers are in projects.
    pub has_projects: bool,
    /// A size of a server is a name, as `b3-8`; else it is made of processors, memory and a disk.
    pub names_sizes: bool,
    /// It changes the size of a server only while that is off.
    pub resizes_when_off: bool,
}

/// What a cloud on OpenStack does.
const OPENSTACK: CloudTraits = CloudTraits {
    shelves: true,
    stop_cuts_power: false,
    has_projects: true,
    names_sizes: true,
    resizes_when_off: false,
};

pub const FAMILIES: &[ProviderFamily] = &[
    ProviderFamily {
        name: "docker",
        section: "hosts",
        make: "",
        title: "Docker",
        one: "Docker engine",
        role: ProviderRole::Engine,
        unnamed: "default",
        cloud: None,
    },
    ProviderFamily {
        name: "npm",
        section: "npm",
        make: "",
        title: "NPM",
        one: "NPM",
        role: ProviderRole::Proxy,
        unnamed: "main",
        cloud: None,
    },
    ProviderFamily {
        name: "ovh",
        section: "ovh",
        make: "",
        title: "OVH",
        one: "OVH account",
        role: ProviderRole::Zones,
        unnamed: "",
        cloud: None,
    },
    ProviderFamily {
        name: "dnsmasq",
        section: "dnsmasq",
        make: "",
        title: "dnsmasq",
        one: "dnsmasq",
        role: ProviderRole::Zones,
        unnamed: "",
        cloud: None,
    },
    ProviderFamily {
        name: "ovh-cloud",
        section: CLOUDS,
        make: "ovh",
        title: "OVH Public Cloud",
        one: "OVH Public Cloud",
        role: ProviderRole::Cloud,
        unnamed: "",
        cloud: Some(OPENSTACK),
    },
    ProviderFamily {
        name: "kamatera",
        section: CLOUDS,
        make: "kamatera",
        title: "Kamatera",
        one: "account at Kamatera",
        role: ProviderRole::Cloud,
        unnamed: "",
        cloud: Some(CloudTraits {
            shelves: false,
            stop_cuts_power: true,
            has_projects: false,
            names_sizes: false,
            resizes_when_off: true,
        }),
    },
    ProviderFamily {
        name: MACHINES,
        section: "pools",
        make: "",
        title: "machines of pools",
        one: "machine of a pool",
        role: ProviderRole::Machines,
        unnamed: "",
        cloud: None,
    },
];

/// The families of a role, in order.
pub fn families(role: ProviderRole) -> impl Iterator<Item = &'static ProviderFamily> {
    FAMILIES.iter().filter(move |family| family.role == role)
}

impl ProviderId {
    /// The provider of a family that the configuration calls `name`.
    pub fn of_family(family: &ProviderFamily, name: &str) -> Self {
        Self::named(family.name, name, family.unnamed)
    }

    /// The one without a suffix of the first family of a role: where a resource would stand that no provider holds.
    pub fn usual(role: ProviderRole) -> Self {
        families(role).next().map_or("", |family| family.name).to_owned().into()
    }

    /// The row of its family; `None`: a family that this version does not know.
    pub fn family_row(&self) -> Option<&'static ProviderFamily> {
        FAMILIES.iter().find(|family| family.name == self.family())
    }

    /// What it is for; `None`: its family is not known.
    pub fn role(&self) -> Option<ProviderRole> {
        self.family_row().map(|family| family.role)
    }

    /// What it does in its own way as a vendor of servers.
    pub fn cloud_traits(&self) -> CloudTraits {
        self.family_row().and_then(|family| family.cloud).unwrap_or(OPENSTACK)
    }

    /// Whether it runs containers.
    pub fn is_engine(&self) -> bool {
        self.role() == Some(ProviderRole::Engine)
    }

    /// Whether it answers visitors.
    pub fn is_proxy(&self) -> bool {
        self.role() == Some(ProviderRole::Proxy)
    }

    /// Whether it holds DNS zones.
    pub fn is_zones(&self) -> bool {
        self.role() == Some(ProviderRole::Zones)
    }

    /// As people call it: `OVH`, `NPM`, `NPM edge`.
    pub fn title(&self) -> String {
        let family = self.family_row().map_or(self.family(), |family| family.title);
        match self.suffix() {
            Some(name) => format!("{family} {name}"),
            None => family.to_owned(),
        }
    }

    /// One of its family, in a sentence: `OVH account`.
    pub fn one(&self) -> &str {
        self.family_row().map_or(self.family(), |family| family.one)
    }

    /// Its name in the configuration: `main` of `npm`, `edge` of `npm.edge`.
    pub fn short_name(&self) -> &str {
        self.suffix().unwrap_or_else(|| self.family_row().map_or("", |family| family.unnamed))
    }
}
