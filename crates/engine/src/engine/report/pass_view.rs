//! Values derived from a pass result, computed once, at first use. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use super::instances::{self, InstanceRow};
use super::status::ServiceStatus;
use super::{settled, status};
use crate::engine::pass_result::PassResult;
use amarre_core::model::{Address, Change, Kind};
use amarre_core::plan::forecast::{self, Forecast};

/// A pass result with what reports derive from it. The result is complete before anything is derived.
#[derive(Debug, Clone, Default)]
pub struct PassView {
    pass: PassResult,
    index: OnceLock<Index>,
    stuck: OnceLock<BTreeSet<Address>>,
    statuses: OnceLock<BTreeMap<String, ServiceStatus>>,
    forecast: OnceLock<Option<Forecast>>,
    instances: OnceLock<Vec<InstanceRow>>,
}

impl From<PassResult> for PassView {
    fn from(pass: PassResult) -> Self {
        Self { pass, ..Self::default() }
    }
}

impl Deref for PassView {
    type Target = PassResult;

    fn deref(&self) -> &PassResult {
        &self.pass
    }
}

impl DerefMut for PassView {
    fn deref_mut(&mut self) -> &mut PassResult {
        &mut self.pass
    }
}

/// Changes and resources by service.
#[derive(Debug, Clone, Default)]
struct Index {
    /// Places in the plan, by service.
    changes: BTreeMap<String, Vec<usize>>,
    /// Places in the plan, by address.
    change: BTreeMap<Address, usize>,
    wanted: BTreeMap<String, Vec<Address>>,
    owned: BTreeMap<String, Vec<Address>>,
    /// Names of hosts of ours that have no certificate.
    plain: BTreeSet<String>,
}

impl Index {
    fn new(pass: &PassResult) -> Self {
        let mut index = Self::default();
        for (place, change) in pass.plan.changes.iter().enumerate() {
            index.changes.entry(change.service.clone()).or_default().push(place);
            index.change.entry(change.address.clone()).or_insert(place);
        }
        for (address, want) in &pass.wants.map {
            index.wanted.entry(want.service.clone()).or_default().push(address.clone());
        }
        for (address, row) in &pass.facts.applied {
            index.owned.entry(row.service.clone()).or_default().push(address.clone());
        }
        let hosts = pass.world.seen.iter().filter(|(address, _)| address.kind == Kind::ProxyHost);
        let plain = hosts.filter(|(_, seen)| seen.owner.is_ours() && seen.fields.text("certificate").is_none());
        index.plain.extend(plain.flat_map(|(_, seen)| seen.fields.strings("domains")).map(str::to_owned));
        index
    }
}

impl PassView {
    /// With the statuses, which the pass itself needed.
    #[must_use]
    pub fn with_statuses(self, statuses: BTreeMap<String, ServiceStatus>) -> Self {
        Self { statuses: OnceLock::from(statuses), ..self }
    }

    /// Whether a change of the service is planned.
    pub fn is_changing(&self, service: &str) -> bool {
        self.changes_of(service).next().is_some()
    }

    /// Whether a host of ours with this name is there and has no certificate.
    pub fn is_served_plain(&self, domain: &str) -> bool {
        self.index().plain.contains(domain)
    }

    /// The changes that are planned for a service, in order.
    pub fn changes_of(&self, service: &str) -> impl Iterator<Item = &Change> + Clone {
        let places = self.index().changes.get(service).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.plan.changes.get(*place))
    }

    /// Whether a service has a readable manifest, or has created anything.
    pub fn knows(&self, service: &str) -> bool {
        self.services.contains_key(service)
            || self.facts.applied.values().any(|applied| applied.service == service)
            || self.world.seen.values().any(|seen| seen.service.as_deref() == Some(service))
    }

    /// The first change that is planned for an address.
    pub fn change_of(&self, address: &Address) -> Option<&Change> {
        self.index().change.get(address).and_then(|place| self.plan.changes.get(*place))
    }

    /// Whether another generation of a container is there and ready.
    pub fn has_other_ready(&self, address: &Address) -> bool {
        self.wants.has_other_ready(&self.world, address)
    }

    /// What a service wants.
    pub fn wanted_by(&self, service: &str) -> &[Address] {
        self.index().wanted.get(service).map(Vec::as_slice).unwrap_or_default()
    }

    /// What the ledger owns for a service.
    pub fn owned_by(&self, service: &str) -> &[Address] {
        self.index().owned.get(service).map(Vec::as_slice).unwrap_or_default()
    }

    /// The blocked changes.
    pub fn blocked(&self) -> &BTreeSet<Address> {
        self.stuck.get_or_init(|| settled::blocked(self))
    }

    /// Every service, by name: the effective ones, and those that only the ledger knows.
    pub fn statuses(&self) -> &BTreeMap<String, ServiceStatus> {
        self.statuses.get_or_init(|| {
            let mut rows = status::before_waits(self);
            status::add_waits(self, &mut rows);
            rows
        })
    }

    /// The forecast of the plan; `None` before the first pass.
    pub fn forecast(&self) -> Option<&Forecast> {
        self.forecast.get_or_init(|| self.with_input(forecast::forecast)).as_ref()
    }

    /// Every server at a cloud by name: those of manifests, and those that vendors list.
    pub fn instances(&self) -> &[InstanceRow] {
        self.instances.get_or_init(|| instances::rows(self))
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(self))
    }
}
