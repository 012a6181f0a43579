//! What follows from a picture, worked out once, when it is first asked for. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::status;
use super::status::ServiceStatus;
use crate::engine::Picture;
use crate::engine::reconcile::settled;
use amarre_core::model::{Address, Change};
use amarre_core::plan::forecast::{self, Forecast};

/// What has been worked out so far. A picture is complete before anything is asked of it.
#[derive(Debug, Clone, Default)]
pub struct Derived {
    index: OnceLock<Index>,
    stuck: OnceLock<BTreeSet<Address>>,
    services: OnceLock<BTreeMap<String, ServiceStatus>>,
    forecast: OnceLock<Option<Forecast>>,
}

/// What belongs to whom.
#[derive(Debug, Clone, Default)]
struct Index {
    /// Places in the plan, by service.
    changes: BTreeMap<String, Vec<usize>>,
    /// Places in the plan, by address.
    change: BTreeMap<Address, usize>,
    wanted: BTreeMap<String, Vec<Address>>,
    owned: BTreeMap<String, Vec<Address>>,
}

impl Index {
    fn of(picture: &Picture) -> Self {
        let mut index = Self::default();
        for (place, change) in picture.plan.changes.iter().enumerate() {
            index.changes.entry(change.service.clone()).or_default().push(place);
            index.change.entry(change.address.clone()).or_insert(place);
        }
        for (address, want) in &picture.wants.map {
            index.wanted.entry(want.service.clone()).or_default().push(address.clone());
        }
        for (address, row) in &picture.facts.applied {
            index.owned.entry(row.service.clone()).or_default().push(address.clone());
        }
        index
    }
}

impl Picture {
    /// The changes that are planned for a service, in order.
    pub fn changes_of(&self, service: &str) -> impl Iterator<Item = &Change> + Clone {
        let places = self.index().changes.get(service).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.plan.changes.get(*place))
    }

    /// Whether a service has a manifest that can be read, or has made anything.
    pub fn knows(&self, service: &str) -> bool {
        self.services.contains_key(service)
            || self.facts.applied.values().any(|applied| applied.service == service)
            || self.world.seen.values().any(|seen| seen.service.as_deref() == Some(service))
    }

    /// The first change that is planned for an address.
    pub fn change_of(&self, address: &Address) -> Option<&Change> {
        self.index().change.get(address).and_then(|place| self.plan.changes.get(*place))
    }

    /// What a service wants.
    pub fn wanted_by(&self, service: &str) -> &[Address] {
        self.index().wanted.get(service).map(Vec::as_slice).unwrap_or_default()
    }

    /// What the ledger owns for a service.
    pub fn owned_by(&self, service: &str) -> &[Address] {
        self.index().owned.get(service).map(Vec::as_slice).unwrap_or_default()
    }

    /// What does not move by itself any more.
    pub fn stuck(&self) -> &BTreeSet<Address> {
        self.derived.stuck.get_or_init(|| settled::stuck(self))
    }

    /// Every service, by name: those in force, and those that are known to the ledger only.
    pub fn statuses(&self) -> &BTreeMap<String, ServiceStatus> {
        self.derived.services.get_or_init(|| status::services(self))
    }

    /// What the plan comes to in the end; `None` before the first look.
    pub fn forecast(&self) -> Option<&Forecast> {
        self.derived.forecast.get_or_init(|| self.with_input(forecast::forecast)).as_ref()
    }

    fn index(&self) -> &Index {
        self.derived.index.get_or_init(|| Index::of(self))
    }
}
