//! What a vendor makes servers of: where, how large, from what.

use super::savings::ServerPrices;

/// A word of the vendor's, as manifests have it, and what people call it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offered {
    /// `GRA11`.
    pub word: String,
    /// `GRA11`, `EU (The Netherlands, Amsterdam)`.
    pub label: String,
}

impl Offered {
    /// One that people call as the vendor does.
    pub fn plain(word: impl Into<String>) -> Self {
        let word = word.into();
        Self { label: word.clone(), word }
    }
}

/// Where servers can be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerPlaces {
    /// The projects; empty: the vendor has none.
    pub projects: Vec<Offered>,
    /// The regions of the chosen project, or of the only one; empty while none is chosen.
    pub regions: Vec<Offered>,
}

/// What servers of a region can be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerOffers {
    pub sizes: OfferedSizes,
    /// What they are installed from.
    pub images: Vec<Offered>,
}

/// The sizes of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferedSizes {
    /// Each has a name.
    Named(Vec<OfferedSize>),
    /// They are put together.
    Parts {
        /// Number and class of the processors: `2B`.
        cpus: Vec<String>,
        /// In MiB.
        memories: Vec<u32>,
        /// In GB.
        disks: Vec<u32>,
    },
}

impl Default for OfferedSizes {
    fn default() -> Self {
        OfferedSizes::Named(Vec::new())
    }
}

/// A size with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedSize {
    /// `b3-8`.
    pub name: String,
    /// What is taken for one, where that is known.
    pub prices: Option<ServerPrices>,
    /// Whether the region has one left; not known: yes.
    pub is_left: bool,
}
