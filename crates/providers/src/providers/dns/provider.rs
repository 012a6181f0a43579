//! A provider of DNS zones over any vendor: record sets, who owns them, and whether the world can see them.
//!
//! A pass takes one list of zones and one read of each zone that holds something wanted or owned. A change reads again what
//! it touches, writes its mark first and removes it last, so that a cut at any point leaves something that the next pass
//! understands. Publishing is a step of its own: the engine asks for it once a zone, after the changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::backend::ZoneBackend;
use super::change::split;
use super::observe::ZoneLook;
use super::propagation::{Propagation, Watcher};
use crate::providers::{
    AskNameServers, Capabilities, Class, Exam, ExamineSetup, Finding, Observation, ObserveQuery, Outcome, Provider,
    ProviderError, Publish, Resolved, Supplies,
};
use crate::secret::MarkKey;
use amarre_core::model::{Address, Change, Fields, Kind, KindSchema, ProviderId, Site, Timestamp, Verb};
use amarre_core::resources::{Objection, dns};

/// What every provider of zones is told.
#[derive(Debug, Clone)]
pub struct DnsSettings {
    /// Its name in addresses.
    pub id: ProviderId,
    /// Our name in marks.
    pub instance: String,
    /// Whether records are marked by TXT records.
    pub registry: bool,
    /// Signs the marks.
    pub key: MarkKey,
    /// Who is asked whether a record is visible.
    pub propagation: Propagation,
}

/// The zones of one vendor.
#[derive(Debug)]
pub struct DnsProvider<B> {
    pub(super) id: ProviderId,
    pub(super) backend: B,
    pub(super) instance: String,
    pub(super) registry: bool,
    pub(super) key: MarkKey,
    pub(super) watcher: Watcher,
    memory: Mutex<ZoneMemory>,
    /// One change at a time: at a vendor's pace a queue of many would put minutes between a check and its write.
    changing: tokio::sync::Mutex<()>,
}

/// What earlier passes found. Losing it costs a read.
#[derive(Debug, Default)]
pub(super) struct ZoneMemory {
    /// The vendor's zones.
    pub(super) zones: BTreeSet<String>,
    /// Whether the last look read them and every zone that it needed. After a failure nothing is used again: an outage
    /// stays a gap until the vendor answers.
    pub(super) is_current: bool,
    /// The records of each zone as last read; gone as soon as something is written there.
    pub(super) looks: BTreeMap<String, ZoneLook>,
    /// Counts writes: a read that began before one is not remembered.
    pub(super) epoch: u64,
    /// The TTL of rows without one, by zone.
    pub(super) default_ttls: BTreeMap<String, u32>,
    /// Records whose wanted spelling differs from the vendor's: as reported, and as read.
    pub(super) respelled: BTreeMap<Address, (Fields, Fields)>,
}

impl ZoneMemory {
    /// Something is written: what was read before, or is being read, does not stand for it any more.
    fn forget_looks(&mut self) {
        self.epoch += 1;
        self.looks.clear();
    }

    /// The zones that a look may use again.
    pub(super) fn kept_zones(&self) -> Option<BTreeSet<String>> {
        (self.is_current && !self.zones.is_empty()).then(|| self.zones.clone())
    }

    /// They were listed just now.
    pub(super) fn keep_zones(&mut self, zones: &BTreeSet<String>) {
        self.zones.clone_from(zones);
        self.is_current = true;
    }

    /// A zone could not be read: the next look asks again for the list and for this one.
    pub(super) fn forget_zone(&mut self, zone: &str) {
        self.is_current = false;
        self.looks.remove(zone);
    }

    /// The vendor failed. The names of the zones stay: changes and publications are addressed by them.
    pub(super) fn forget_reading(&mut self) {
        self.is_current = false;
        self.forget_looks();
    }
}

impl<B: ZoneBackend> DnsProvider<B> {
    /// A provider; makes no call yet.
    pub fn over(backend: B, settings: DnsSettings) -> Self {
        let DnsSettings { id, instance, registry, key, propagation } = settings;
        Self {
            id,
            backend,
            instance,
            registry,
            key,
            watcher: Watcher::new(propagation),
            memory: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, ZoneMemory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The vendor's zone for a name, among those seen last.
    pub(super) fn zone_of(&self, name: &str) -> Option<String> {
        let memory = self.memory();
        Site::zone_of(memory.zones.iter().map(String::as_str), name).map(str::to_owned)
    }

    /// The TTL of rows that name none; `None` when the vendor does not say.
    pub(super) async fn default_ttl(&self, zone: &str) -> Option<u32> {
        if let Some(ttl) = self.memory().default_ttls.get(zone).copied() {
            return Some(ttl);
        }
        let ttl = self.backend.default_ttl(zone).await.ok()?;
        self.memory().default_ttls.insert(zone.to_owned(), ttl);
        Some(ttl)
    }
}

#[async_trait]
impl<B: ZoneBackend> Provider for DnsProvider<B> {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn kinds(&self) -> &'static [KindSchema] {
        dns::KINDS
    }

    fn normalize(&self, address: &Address, fields: &mut Fields) -> Result<(), Objection> {
        if address.kind != Kind::Record {
            return Ok(());
        }
        let (name, record_type) = address.name.rsplit_once('/').unzip();
        self.backend.normalize(name.unwrap_or(&address.name), record_type, fields)
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
            requests: self.backend.requests(),
            max_in_flight: B::IN_FLIGHT_MAX,
            ..Capabilities::NONE
        }
    }
}

#[async_trait]
impl<B: ZoneBackend> Publish for DnsProvider<B> {
    fn scope_of(&self, address: &Address) -> Option<String> {
        if address.kind != Kind::Record {
            return None;
        }
        self.zone_of(split(address).0)
    }

    async fn publish(&self, zone: &str) -> Result<(), ProviderError> {
        self.backend.publish(zone).await
    }
}

#[async_trait]
impl<B: ZoneBackend> AskNameServers for DnsProvider<B> {
    async fn resolve(&self, zone: &str, servers: &[String], name: &str, now: Timestamp) -> Vec<Resolved> {
        self.watcher.resolve(zone, servers, name, now).await
    }
}

#[async_trait]
impl<B: ZoneBackend> ExamineSetup for DnsProvider<B> {
    async fn examine(&self, exam: &Exam) -> Vec<Finding> {
        self.backend.examine(exam, &self.watcher).await
    }
}
