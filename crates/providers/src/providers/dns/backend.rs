//! What a vendor of DNS zones must offer: zones, rows, and four calls. Whose a record is, which rows make a record set and
//! whether the world sees it is the same for every vendor, and stands beside this file.
#![warn(missing_docs)]

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::propagation::Watcher;
use super::record_sets::ZoneRow;
use crate::providers::http::Counts;
use crate::providers::{Exam, Finding, ProviderError};
use amarre_core::model::{Fields, Text};
use amarre_core::resources::{Objection, dns};

/// Why a vendor's call gave nothing of use.
pub trait ZoneError: Send {
    /// As the engine takes it. `doing` says what could not be done, `wrote` whether the call might have changed something.
    fn into_error(self, doing: &Text, wrote: bool) -> ProviderError;
}

/// What a row is to be.
#[derive(Debug, Clone, Copy)]
pub struct RowContent<'a> {
    /// The whole name, lower case, no final dot.
    pub name: &'a str,
    /// The vendor's own type, as in [`ZoneRow::native_type`].
    pub native_type: &'a str,
    /// In the product's spelling.
    pub value: &'a str,
    /// Seconds; 0 = the zone's own.
    pub ttl: u32,
}

/// Holds zones. The names of zones and records are lower case and have no final dot.
#[async_trait]
pub trait ZoneBackend: Send + Sync {
    /// What its calls fail with.
    type Error: ZoneError;

    /// How many changes may be under way there at once.
    const IN_FLIGHT_MAX: usize;

    /// The zones that it holds.
    async fn zones(&self) -> Result<BTreeSet<String>, Self::Error>;

    /// Every row of a zone.
    async fn rows(&self, zone: &str) -> Result<Vec<ZoneRow>, Self::Error>;

    /// The rows of these names, perhaps with others; read again for each call.
    async fn rows_of(&self, zone: &str, names: &[&str]) -> Result<Vec<ZoneRow>, Self::Error>;

    /// The time to live of rows that name none, in seconds.
    async fn default_ttl(&self, zone: &str) -> Result<u32, Self::Error>;

    /// Adds a row; answers its id, or 0 where the vendor does not say it.
    async fn add(&self, zone: &str, row: RowContent<'_>) -> Result<u64, Self::Error>;

    /// Gives a row another content; its type stays.
    async fn replace(&self, zone: &str, id: u64, row: RowContent<'_>) -> Result<(), Self::Error>;

    /// Removes a row; one that is gone already is fine.
    async fn remove(&self, zone: &str, id: u64) -> Result<(), Self::Error>;

    /// Makes the changes of a zone visible.
    ///
    /// # Errors
    /// As [`Publish::publish`](crate::providers::Publish::publish).
    async fn publish(&self, zone: &str) -> Result<(), ProviderError>;

    /// What `amarre doctor` is told of it.
    async fn examine(&self, exam: &Exam, watcher: &Watcher) -> Vec<Finding>;

    /// How many requests were made, where it makes some.
    fn requests(&self) -> Option<&Counts>;

    /// What a person can do where it lists no zone though some were there.
    fn missing_zones_hint(&self) -> String;

    /// Rewrites the fields of a record set to the spelling that is read back. Pure. `name` and type are those of its
    /// address.
    ///
    /// # Errors
    /// The vendor would refuse the value.
    fn normalize(&self, _name: &str, record_type: Option<&str>, fields: &mut Fields) -> Result<(), Objection> {
        dns::normalize(amarre_core::model::Kind::Record, record_type, fields)
    }
}
