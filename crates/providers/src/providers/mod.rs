//! The outside world: the contract with vendors, a folder for each of them, and the one HTTP client.

pub mod builds;
pub mod contract;
pub mod error;
pub mod exchanges;
pub mod http;
pub mod kept_reading;
pub mod rows;
pub mod offers;
pub mod resize;
pub mod machines;
pub mod servers;
mod clean;
pub mod docker;
pub mod npm;
pub mod ovh;
pub mod ovh_cloud;
pub mod kamatera;
pub mod ssh;
pub mod dns;
pub mod dnsmasq;

pub use builds::{BuildContext, ContextPieces, NoContexts, OpenContexts, WatchBuilds, WatchedBuild};
pub use contract::*;
pub use error::{Class, ProviderError, Taken};
