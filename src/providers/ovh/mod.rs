//! The DNS zones of one OVH account: record sets, who owns them, and whether the world can see them.
//!
//! A look is one list of zones and one read of each zone that holds something wanted or owned; a
//! change reads again what it touches, writes its mark first and removes it last, so that a cut at
//! any point leaves something that the next look understands. Publishing (`/refresh`) is a step of
//! its own: the engine asks for it once a zone, after the changes.

mod api;
mod login;
mod apply;
mod convert;
mod examine;
mod observe;
mod request_rate;
mod zone_rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::providers::{
    AskNameServers, Capabilities, Class, Exam, ExamineSetup, Finding, Observation, ObserveQuery, Outcome, Provider,
    ProviderError, Publish, Resolved, Supplies,
};
use crate::secret::MarkKey;
use amarre_core::model::{Address, Change, Fields, Kind, KindSchema, ProviderId, Site, Timestamp, Verb};
use amarre_core::resources::{Objection, dns};

pub use super::dns::propagation::Propagation;
use super::dns::propagation::Watcher;
pub use crate::secret::OvhLogin;
use api::{Api, Trouble};
pub use request_rate::Pace;
use zone_rows::Listing;

/// How an account is reached and what is ours in it.
#[derive(Debug, Clone)]
pub struct OvhConfig {
    /// Its name in addresses.
    pub id: ProviderId,
    /// `ovh-eu`, `ovh-ca`, …, or a URL.
    pub endpoint: String,
    /// Who calls.
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

/// One OVH account.
#[derive(Debug)]
pub struct OvhProvider {
    id: ProviderId,
    endpoint: String,
    instance: String,
    registry: bool,
    key: MarkKey,
    api: Api,
    listing: Listing,
    watcher: Watcher,
    memory: Mutex<Memory>,
    /// One change at a time: at this pace a queue of many would put minutes between a check and its write.
    changing: tokio::sync::Mutex<()>,
}

/// What earlier looks found. Losing it costs a read.
#[derive(Debug, Default)]
struct Memory {
    /// The account's zones.
    zones: BTreeSet<String>,
    /// The records of each zone as last read; gone as soon as something is written there.
    looks: BTreeMap<String, observe::ZoneLook>,
    /// Counts writes: a read that began before one is not remembered.
    epoch: u64,
    /// The TTL of rows without one, by zone.
    default_ttls: BTreeMap<String, u32>,
    /// Records whose wanted spelling differs from the vendor's: as reported, and as read.
    respelled: BTreeMap<Address, (Fields, Fields)>,
}

impl Memory {
    /// Something is written: what was read before, or is being read, does not stand for it any more.
    fn forget_looks(&mut self) {
        self.epoch += 1;
        self.looks.clear();
    }
}

impl OvhProvider {
    /// A provider; asks nothing yet.
    ///
    /// # Errors
    /// The endpoint is not one.
    pub fn new(config: OvhConfig) -> Result<Self, String> {
        Ok(Self {
            id: config.id,
            endpoint: config.endpoint.clone(),
            instance: config.instance,
            registry: config.registry,
            key: config.key,
            api: Api::new(&config.endpoint, config.login, config.pace)?,
            listing: Listing::default(),
            watcher: Watcher::new(config.propagation),
            memory: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account's zone for a name, among those seen last.
    fn zone_of(&self, name: &str) -> Option<String> {
        let memory = self.memory();
        Site::zone_of(memory.zones.iter().map(String::as_str), name).map(str::to_owned)
    }

    /// The TTL of rows that name none; `None` when the vendor does not say.
    async fn default_ttl(&self, zone: &str) -> Option<u32> {
        if let Some(ttl) = self.memory().default_ttls.get(zone).copied() {
            return Some(ttl);
        }
        let ttl = self.api.default_ttl(zone).await.ok()?;
        self.memory().default_ttls.insert(zone.to_owned(), ttl);
        Some(ttl)
    }
}

#[async_trait]
impl Provider for OvhProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn kinds(&self) -> &'static [KindSchema] {
        dns::KINDS
    }

    fn normalize(&self, address: &Address, fields: &mut Fields) -> Result<(), Objection> {
        let record_type = address.name.rsplit_once('/').map(|(_, record_type)| record_type);
        dns::normalize(address.kind, record_type, fields)
    }

    async fn observe(&self, ask: &ObserveQuery) -> Observation {
        self.look(ask).await
    }

    async fn apply(&self, change: &Change, _supplies: Supplies<'_>) -> Result<Outcome, ProviderError> {
        let _alone = self.changing.lock().await;
        self.memory().forget_looks();
        let mut work = self.work(change).await?;
        let result = match &change.verb {
            Verb::Create(fields) => work.create(fields, &change.expects).await,
            Verb::Update(fields) => work.update(fields, &change.expects).await,
            Verb::Delete => work.delete(&change.expects).await,
        };
        self.memory().forget_looks();
        // "Nothing has happened" is not true of a change whose first half was written.
        result.map_err(|error| match error.class {
            Class::RetryLater if work.wrote() => ProviderError { class: Class::OutcomeUnknown, ..error },
            Class::RetryLater
            | Class::Reauthenticate
            | Class::Rejected
            | Class::Conflict
            | Class::OutcomeUnknown
            | Class::Taken(_) => error,
        })
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            publish: Some(self),
            examine: Some(self),
            name_servers: Some(self),
            requests: Some(self.api.counts()),
            // OVH counts requests by the minute.
            max_in_flight: 4,
            ..Capabilities::NONE
        }
    }
}

#[async_trait]
impl Publish for OvhProvider {
    fn scope_of(&self, address: &Address) -> Option<String> {
        if address.kind != Kind::Record {
            return None;
        }
        self.zone_of(apply::split(address).0)
    }

    async fn publish(&self, zone: &str) -> Result<(), ProviderError> {
        let refused = |trouble: &Trouble| matches!(trouble, Trouble::Refused { status: 400..=428 | 430..=499, .. });
        match self.api.refresh(zone).await {
            Ok(()) => Ok(()),
            Err(trouble) if refused(&trouble) && !trouble.is_about_credentials() && !trouble.is_timeout() => {
                let message = format!("OVH took the record but not the refresh of zone {zone}: {}", trouble.words());
                let hint = match trouble.lacks() {
                    Some(action) => {
                        format!("nobody sees the record yet; allow `{action}` in the service account's policy")
                    }
                    None => format!(
                        "nobody sees the record yet; does the token have POST /domain/zone/{zone}/refresh, and is the zone sound?"
                    ),
                };
                Err(ProviderError::new(Class::Rejected, "A0703", message).hint(hint))
            }
            Err(trouble) => Err(trouble.into_error(&format!("could not refresh zone {zone}"), true)),
        }
    }
}

#[async_trait]
impl AskNameServers for OvhProvider {
    async fn resolve(&self, zone: &str, servers: &[String], name: &str, now: Timestamp) -> Vec<Resolved> {
        self.watcher.resolve(zone, servers, name, now).await
    }
}

#[async_trait]
impl ExamineSetup for OvhProvider {
    async fn examine(&self, exam: &Exam) -> Vec<Finding> {
        self.examined(exam).await
    }
}
