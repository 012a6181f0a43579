//! A desk that does by hand what the engine does: observe, compare, apply, publish, until nothing is left.

use crate::support::supplies;
use amarre::providers::Publish;
use std::collections::{BTreeMap, BTreeSet};

use amarre::providers::ovh::{OvhConfig, OvhLogin, OvhProvider, Pace, Propagation};
use amarre::providers::{Observation, ObserveQuery, Outcome, Provider, ProviderError};
use amarre::secret::{MarkKey, Secret, Secrets};
use amarre_core::model::world::Applied;
use amarre_core::model::{
    Address, Change, Expect, Fields, Gate, Impact, Kind, Millis, Owner, ProviderId, Reason, ReasonCode, Seen, Text,
    Timestamp, Value, Verb,
};
use amarre_sim::ovh::{Ovh, OvhOptions};

/// Nothing takes more rounds than this, faults included.
const ROUNDS_MAX: usize = 12;

pub const ZONE: &str = "example.org";

pub struct Desk {
    pub ovh: Ovh,
    pub provider: OvhProvider,
    pub wanted: BTreeMap<Address, Fields>,
    pub applied: BTreeMap<Address, Applied>,
    pub unpublished: BTreeSet<String>,
    pub now: Timestamp,
}

pub fn config(ovh: &Ovh) -> OvhConfig {
    OvhConfig {
        id: ProviderId::ovh(),
        endpoint: ovh.endpoint(),
        login: keys("application-key", "application-secret", "consumer-key"),
        instance: "home".to_owned(),
        registry: true,
        key: MarkKey::new([7; 32]),
        pace: Pace::unbounded(),
        propagation: Propagation { servers: ovh.dns.clone(), resolvers: Vec::new(), timeout: Millis::minutes(10) },
    }
}

pub fn keys(application_key: &str, application_secret: &str, consumer_key: &str) -> OvhLogin {
    OvhLogin::Keys {
        application_key: application_key.to_owned(),
        application_secret: Secret::new(application_secret),
        consumer_key: Secret::new(consumer_key),
    }
}

pub fn record(name: &str) -> Address {
    Address::new(ProviderId::ovh(), Kind::Record, name)
}

pub fn set(values: &[&str], ttl: i64) -> Fields {
    Fields::default()
        .with("values", Value::texts(values.iter().copied()))
        .with("ttl", Value::Int(ttl))
        .with("mark", Value::Bool(true))
}

impl Desk {
    pub async fn new() -> Self {
        Self::with(OvhOptions::with_zones(&[ZONE])).await
    }

    pub async fn with(options: OvhOptions) -> Self {
        let ovh = Ovh::start(options).await.unwrap();
        let provider = OvhProvider::new(config(&ovh)).unwrap();
        Self {
            ovh,
            provider,
            wanted: BTreeMap::new(),
            applied: BTreeMap::new(),
            unpublished: BTreeSet::new(),
            now: Timestamp(1_800_000_000_000),
        }
    }

    pub fn want(&mut self, name: &str, values: &[&str]) {
        self.wanted.insert(record(name), set(values, 300));
    }

    /// A new process: only the ledger is left.
    pub fn restart(&mut self) {
        self.provider = OvhProvider::new(config(&self.ovh)).unwrap();
    }

    pub async fn observe(&self) -> Observation {
        self.observe_as(false).await
    }

    /// A look that may use what the one before read.
    pub async fn observe_again(&self) -> Observation {
        self.observe_as(true).await
    }

    async fn observe_as(&self, reuse: bool) -> Observation {
        let ask = ObserveQuery {
            reuse,
            now: self.now,
            wanted: self.wanted.clone(),
            applied: self.applied.clone(),
            unpublished: self.unpublished.iter().cloned().collect(),
            ..ObserveQuery::default()
        };
        self.provider.observe(&ask).await
    }

    pub async fn seen(&self, name: &str) -> Seen {
        let mut seen = self.observe().await.seen;
        seen.remove(&record(name)).unwrap_or_else(|| panic!("no {name}"))
    }

    pub async fn apply(&self, change: &Change) -> Result<Outcome, ProviderError> {
        self.provider.apply(change, supplies(&Secrets::new())).await
    }

    /// What stands between the observed and the wanted records.
    pub fn plan(&self, world: &Observation) -> Vec<Change> {
        let hidden = |address: &Address| world.gaps.iter().any(|gap| gap.covers(address));
        let mut changes = Vec::new();
        for (address, fields) in self.wanted.iter().filter(|(address, _)| !hidden(address)) {
            match world.seen.get(address) {
                None => changes.push(change(address, Verb::Create(fields.clone()), Expect::Absent)),
                Some(seen) if seen.owner.is_ours() && !same(fields, &seen.fields) => {
                    changes.push(change(address, Verb::Update(fields.clone()), expect(seen)));
                }
                Some(_) => (),
            }
        }
        let ours = world.seen.iter().filter(|(address, seen)| address.kind == Kind::Record && seen.owner.is_ours());
        for (address, seen) in ours.filter(|(address, _)| !self.wanted.contains_key(*address)) {
            changes.push(change(address, Verb::Delete, expect(seen)));
        }
        changes
    }

    /// One round; answers what it tried.
    pub async fn round(&mut self) -> Vec<Change> {
        let changes = self.plan(&self.observe().await);
        for change in &changes {
            // Whatever comes of it, it may have reached the zone.
            self.unpublished.extend(self.provider.scope_of(&change.address));
            match (self.apply(change).await, &change.verb) {
                (Ok(outcome), Verb::Create(fields) | Verb::Update(fields)) => {
                    let applied = Applied {
                        service: change.service.clone(),
                        vendor_id: outcome.vendor_id,
                        fields: fields.clone(),
                    };
                    self.applied.insert(change.address.clone(), applied);
                }
                (Ok(_), Verb::Delete) => {
                    self.applied.remove(&change.address);
                }
                (Err(_), _) => (),
            }
        }
        for zone in self.unpublished.clone() {
            if self.provider.publish(&zone).await.is_ok() {
                self.unpublished.remove(&zone);
            }
        }
        self.now = self.now + Millis::minutes(10);
        changes
    }

    /// Rounds until nothing is left to do; then nothing may be left to do.
    pub async fn converge(&mut self) -> Observation {
        let mut last = Vec::new();
        for _ in 0..ROUNDS_MAX {
            last = self.round().await;
            if last.is_empty() && self.unpublished.is_empty() {
                self.ovh.server.journal.clear();
                let world = self.observe().await;
                assert!(world.gaps.is_empty(), "not settled: {:?}", world.gaps);
                assert!(self.plan(&world).is_empty(), "not settled: {:?}", self.plan(&world));
                assert!(self.ovh.server.journal.writes().is_empty(), "a look wrote");
                return world;
            }
        }
        panic!("does not settle: {last:?}");
    }

    /// Everything in the zone but its name servers, as `sub TYPE target`, in order.
    pub fn rows(&self) -> Vec<String> {
        let mut rows: Vec<String> = self
            .ovh
            .records(ZONE)
            .iter()
            .filter(|row| row["fieldType"] != "NS")
            .map(|row| {
                let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
                format!("{} {} {}", text("subDomain"), text("fieldType"), text("target"))
            })
            .collect();
        rows.sort();
        rows
    }

    pub fn id_of(&self, sub: &str, field_type: &str) -> u64 {
        let rows = self.ovh.records(ZONE);
        let row = rows.iter().find(|row| row["subDomain"] == sub && row["fieldType"] == field_type);
        row.unwrap()["id"].as_u64().unwrap()
    }

    /// Every wanted record is there, ours, as wanted, visible.
    #[track_caller]
    pub fn assert_good(&self, world: &Observation) {
        for (address, fields) in &self.wanted {
            let seen = world.seen.get(address).unwrap_or_else(|| panic!("no {address}"));
            assert!(same(fields, &seen.fields), "{address}: {:?} is not {fields:?}", seen.fields);
            assert_eq!(seen.owner, Owner::Ours, "{address}");
            assert!(seen.ready.is_ready(), "{address}: {:?}", seen.ready);
            assert_eq!(seen.service.as_deref(), Some("cloud"));
        }
    }
}

/// The mark of one of our records, as a row.
pub fn mark_row(registry: &str, record_type: &str) -> String {
    format!("{registry} TXT {}", signed_mark(registry, record_type))
}

/// The value of a mark at `registry`, as the desk's provider signs it.
pub fn signed_mark(registry: &str, record_type: &str) -> String {
    let sub = registry.strip_prefix("_amarre").unwrap().trim_start_matches('.').replace("_wildcard", "*");
    let name = if sub.is_empty() { ZONE.to_owned() } else { format!("{sub}.{ZONE}") };
    let signature = MarkKey::new([7; 32]).sign(&[&name, record_type, "cloud", "home"]);
    format!("\"heritage=amarre,instance=home,service=cloud,type={record_type},sig={signature}\"")
}

pub fn expect(seen: &Seen) -> Expect {
    Expect::Unchanged { vendor_id: seen.vendor_id.clone(), fields: seen.fields.digest() }
}

pub fn change(address: &Address, verb: Verb, expects: Expect) -> Change {
    Change {
        address: address.clone(),
        service: "cloud".to_owned(),
        verb,
        diff: Vec::new(),
        because: Reason { code: ReasonCode::ManifestNew, text: Text::default(), origin: None },
        impact: Impact::default(),
        expects,
        gate: Gate::Now,
    }
}

/// Whether what is managed is so; the order of values does not matter, their number does.
pub fn same(wanted: &Fields, observed: &Fields) -> bool {
    let sorted = |fields: &Fields| {
        let mut values: Vec<String> = fields.strings("values").into_iter().map(str::to_owned).collect();
        values.sort();
        values
    };
    let others = |name: &str, value: &Value| name == "values" || observed.get(name) == Some(value);
    sorted(wanted) == sorted(observed) && wanted.iter().all(|(name, value)| others(name, value))
}
