//! Other sizes of servers that are there: whether a vendor gives one, in which steps, and what it takes for it.

use async_trait::async_trait;

use super::ProviderError;
use amarre_core::model::Timestamp;
use amarre_core::model::savings::ServerPrices;

/// What another size takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResizePlan {
    /// The size that the server has, as observations have it.
    pub now: String,
    /// The size that it gets, as observations have it.
    pub size: String,
    /// The same as a manifest spells it in `type`.
    pub spelled: String,
    /// The sizes that it has one after another, each by a call of its own; none: it has that size.
    pub steps: Vec<String>,
    /// What the vendor takes for a server of that size, where that is known.
    pub prices: Option<ServerPrices>,
}

/// A vendor that gives servers other sizes.
#[async_trait]
pub trait PlanResize: Send + Sync {
    /// What it takes to give a server, by its vendor's id, the size that a person typed, as manifests spell sizes. Reads only.
    ///
    /// # Errors
    /// There is no such size, the server cannot get it, or that could not be read.
    async fn plan_resize(&self, id: &str, typed: &str, now: Timestamp) -> Result<ResizePlan, ProviderError>;
}
