//! The DNS zones of one OVH account: its API, its login, and how its rows are read and written.

pub(super) mod api;
mod login;
mod convert;
pub(super) mod examine;
mod request_rate;
mod zone_rows;

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::providers::dns::backend::{RowContent, ZoneBackend, ZoneError};
use crate::providers::dns::propagation::Watcher;
use crate::providers::dns::provider::{DnsProvider, DnsSettings};
use crate::providers::dns::record_sets::ZoneRow;
use crate::providers::http::Counts;
use crate::providers::{Class, Exam, Finding, ProviderError};
use crate::secret::MarkKey;
use amarre_core::model::{Code, ProviderId, Text};
use amarre_core::resources::dns::spelling::sub_domain;
use amarre_core::text;

pub use super::dns::propagation::Propagation;
pub use crate::secret::OvhLogin;
use api::{OvhApi, OvhError, RIGHTS, WireCreate, WireUpdate};
use convert::target_of;
pub use request_rate::Pace;
use zone_rows::ZoneReader;

/// How an account is reached and what is ours in it.
#[derive(Debug, Clone)]
pub struct OvhConfig {
    /// Its name in addresses.
    pub id: ProviderId,
    /// `ovh-eu`, `ovh-ca`, …, or a URL.
    pub endpoint: String,
    pub login: OvhLogin,
    /// Our name in marks.
    pub instance: String,
    /// Whether records are marked by TXT records.
    pub registry: bool,
    /// Signs the marks.
    pub key: MarkKey,
    /// How fast it is asked.
    pub pace: Pace,
    /// Who is asked whether a record is visible.
    pub propagation: Propagation,
}

/// The zones of one OVH account.
pub type OvhProvider = DnsProvider<OvhAccount>;

/// One OVH account.
#[derive(Debug)]
pub struct OvhAccount {
    endpoint: String,
    api: OvhApi,
    listing: ZoneReader,
}

impl OvhProvider {
    /// A provider; makes no call yet.
    ///
    /// # Errors
    /// The endpoint is not one.
    pub fn new(config: OvhConfig) -> Result<Self, String> {
        let OvhConfig { id, endpoint, login, instance, registry, key, pace, propagation } = config;
        let api = OvhApi::new(&endpoint, login, pace)?;
        let account = OvhAccount { endpoint, api, listing: ZoneReader::default() };
        Ok(Self::over(account, DnsSettings { id, instance, registry, key, propagation }))
    }
}

impl ZoneError for OvhError {
    fn into_error(self, doing: &Text, wrote: bool) -> ProviderError {
        OvhError::into_error(self, doing, wrote)
    }
}

#[async_trait]
impl ZoneBackend for OvhAccount {
    type Error = OvhError;

    /// OVH counts requests by the minute.
    const IN_FLIGHT_MAX: usize = 4;

    async fn zones(&self) -> Result<BTreeSet<String>, OvhError> {
        self.api.zones().await
    }

    async fn rows(&self, zone: &str) -> Result<Vec<ZoneRow>, OvhError> {
        self.listing.zone(&self.api, zone).await
    }

    async fn rows_of(&self, zone: &str, names: &[&str]) -> Result<Vec<ZoneRow>, OvhError> {
        self.listing.names(&self.api, zone, names).await
    }

    async fn default_ttl(&self, zone: &str) -> Result<u32, OvhError> {
        self.api.default_ttl(zone).await
    }

    async fn add(&self, zone: &str, row: RowContent<'_>) -> Result<u64, OvhError> {
        let RowContent { name, native_type, value, ttl } = row;
        let target = target_of(native_type, value);
        let record = WireCreate { field_type: native_type, sub_domain: sub_domain(name, zone), target: &target, ttl };
        Ok(self.api.create(zone, &record).await?.id)
    }

    async fn replace(&self, zone: &str, id: u64, row: RowContent<'_>) -> Result<(), OvhError> {
        let RowContent { name, native_type, value, ttl } = row;
        let target = target_of(native_type, value);
        self.api.update(zone, id, &WireUpdate { sub_domain: sub_domain(name, zone), target: &target, ttl }).await
    }

    async fn remove(&self, zone: &str, id: u64) -> Result<(), OvhError> {
        self.api.delete(zone, id).await
    }

    async fn publish(&self, zone: &str) -> Result<(), ProviderError> {
        let refused = |trouble: &OvhError| matches!(trouble, OvhError::Refused { status: 400..=428 | 430..=499, .. });
        match self.api.refresh(zone).await {
            Ok(()) => Ok(()),
            Err(trouble) if refused(&trouble) && !trouble.is_about_credentials() && !trouble.is_timeout() => {
                let message =
                    text!("OVH took the record but not the refresh of zone {zone}: {why}", zone, why = trouble.words());
                let hint = match trouble.lacks() {
                    Some(action) => {
                        text!("nobody sees the record yet; allow `{action}` in the service account's policy", action)
                    }
                    None => text!(
                        "nobody sees the record yet; does the token have POST /domain/zone/{zone}/refresh, and is the zone sound?",
                        zone
                    ),
                };
                Err(ProviderError::new(Class::Rejected, Code::A0703, message).hint(hint))
            }
            Err(trouble) => Err(trouble.into_error(&text!("could not refresh zone {zone}", zone), true)),
        }
    }

    async fn examine(&self, exam: &Exam, watcher: &Watcher) -> Vec<Finding> {
        self.examined(exam, watcher).await
    }

    fn requests(&self) -> Option<&Counts> {
        Some(self.api.counts())
    }

    fn missing_zones_hint(&self) -> String {
        format!("is this the right account? {RIGHTS}")
    }
}
