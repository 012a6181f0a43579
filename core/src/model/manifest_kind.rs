//! What a manifest was written as.

use super::uses::UseKind;

/// What services and apps may use.
const OF_SERVICES: &[UseKind] = &[
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
    UseKind::Target,
    UseKind::Right,
    UseKind::NginxLines,
    UseKind::AccessList,
    UseKind::Certificate,
];

/// What hosts of NPM may use that lead nowhere.
pub const OF_ANSWERED: &[UseKind] =
    &[UseKind::Host, UseKind::Name, UseKind::Record, UseKind::NginxLines, UseKind::Certificate, UseKind::Right];

/// Kinds that the list of services always shows, and counts; manifests of the others stand beside it.
pub const LISTED: [&str; 4] = ["Service", "App", "Route", "Stream"];

/// Which kind of manifest something was written as: the word behind `kind:`. How each is read: `manifest::kinds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ManifestKind {
    word: &'static str,
    needs_host: bool,
    can_stop: bool,
    uses: &'static [UseKind],
}

impl ManifestKind {
    /// Containers with their network, names and routes.
    pub const SERVICE: Self = Self { can_stop: true, ..Self::new("Service").using(OF_SERVICES) };
    /// A service whose image is built from a repository.
    pub const APP: Self = Self { can_stop: true, ..Self::new("App").using(OF_SERVICES) };
    /// A DNS record, which is called after what it says.
    pub const RECORD: Self = Self::without_host("Record").using(&[UseKind::Record, UseKind::Right]);
    /// A network that services share.
    pub const NETWORK: Self = Self::new("Network").using(&[UseKind::Host, UseKind::Subnet]);

    /// The power of a server at a cloud.
    pub const INSTANCE: Self = Self {
        can_stop: true,
        ..Self::without_host("Instance").using(&[
            UseKind::Name,
            UseKind::Record,
            UseKind::File,
            UseKind::CloudServer,
            UseKind::MadeServer,
            UseKind::Project,
            UseKind::SshKey,
            UseKind::Right,
        ])
    };

    /// A kind whose manifests are on a host. It uses nothing until [`ManifestKind::using`] says what.
    pub const fn new(word: &'static str) -> Self {
        Self { word, needs_host: true, can_stop: false, uses: &[] }
    }

    /// A kind whose manifests are on none.
    pub const fn without_host(word: &'static str) -> Self {
        Self { word, needs_host: false, can_stop: false, uses: &[] }
    }

    /// The same, with the sorts of resources that its manifests may use: all others are refused.
    pub const fn using(self, uses: &'static [UseKind]) -> Self {
        Self { uses, ..self }
    }

    /// The sorts of resources that its manifests may use.
    pub const fn uses(self) -> &'static [UseKind] {
        self.uses
    }

    /// As manifests write it.
    pub const fn word(self) -> &'static str {
        self.word
    }

    /// Whether its manifests are counted among the services: it has a health, and no list of its own.
    pub fn is_listed(self) -> bool {
        LISTED.contains(&self.word)
    }

    /// Whether what it makes or manages can stop by itself, and is started again after a while.
    pub const fn can_stop(self) -> bool {
        self.can_stop
    }

    /// Whether its manifests are on a host.
    pub const fn needs_host(self) -> bool {
        self.needs_host
    }
}
