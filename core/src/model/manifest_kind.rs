//! What a manifest was written as.

/// Kinds that the list of services always shows, and counts; manifests of the others stand beside it.
pub const LISTED: [&str; 4] = ["Service", "App", "Route", "Stream"];

/// Which kind of manifest something was written as: the word behind `kind:`. How each is read: `manifest::kinds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ManifestKind {
    word: &'static str,
    needs_host: bool,
    can_stop: bool,
}

impl ManifestKind {
    /// Containers with their network, names and routes.
    pub const SERVICE: Self = Self { can_stop: true, ..Self::new("Service") };
    /// A service whose image is built from a repository.
    pub const APP: Self = Self { can_stop: true, ..Self::new("App") };
    /// A DNS record, which is called after what it says.
    pub const RECORD: Self = Self::without_host("Record");
    /// A network that services share.
    pub const NETWORK: Self = Self::new("Network");

    /// The power of a server at a cloud.
    pub const INSTANCE: Self = Self { can_stop: true, ..Self::without_host("Instance") };

    /// A kind whose manifests are on a host.
    pub const fn new(word: &'static str) -> Self {
        Self { word, needs_host: true, can_stop: false }
    }

    /// A kind whose manifests are on none.
    pub const fn without_host(word: &'static str) -> Self {
        Self { word, needs_host: false, can_stop: false }
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
