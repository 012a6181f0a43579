//! What the manifests need: every resource with its fields, and what was found out while expanding.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::instance::ServerCheck;
use super::plan::{Note, Refusal};
use super::text::Text;
use super::time::{Millis, Timestamp};
use super::value::{Fields, Value};
use super::world::{Failure, Origin, Seen, World};

/// A level that another resource must have reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Present,
    /// It is there and does its work.
    Ready,
    /// Something listens at this port of it, as far as can be asked.
    Listening(u16),
    /// It is not there.
    Absent,
}

/// What must hold first. Only levels: never "was once".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Need {
    pub on: Address,
    /// Which level.
    pub is: State,
}

impl Need {
    /// `on` is there.
    pub fn present(on: Address) -> Self {
        Self { on, is: State::Present }
    }

    /// `on` is there and does its work.
    pub fn ready(on: Address) -> Self {
        Self { on, is: State::Ready }
    }

    /// `on` is gone.
    pub fn absent(on: Address) -> Self {
        Self { on, is: State::Absent }
    }
}

/// A resource as the manifests need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// What is managed of it.
    pub fields: Fields,
    /// What must hold before it is made.
    pub needs: Vec<Need>,
    /// Which manifest wants it.
    pub service: String,
    /// Where that is said.
    pub origin: Origin,
    /// Kept as it is while it is there, never made: an old generation that still serves.
    pub keep_only: bool,
    /// Why it may not be made or changed now, decided while expanding (a pool that is full, no zone).
    pub refusal: Option<Box<Refusal>>,
}

impl Want {
    /// It may not be made or changed now, if there is a reason and none was given before.
    pub fn refuse(&mut self, reason: Option<Refusal>) {
        if self.refusal.is_none() {
            self.refusal = reason.map(Box::new);
        }
    }
}

/// Every want, by address, and what was found out while expanding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    pub map: BTreeMap<Address, Want>,
    /// Generations that have failed by now; the engine stores them before it does anything else.
    pub failed: Vec<Failure>,
    /// Containers that are ready in a generation that the ledger does not know as good yet.
    pub good: Vec<Good>,
    /// Manifests that are gone, whose data one that is new seems to be meant to have: why they are left as they are.
    pub left_behind: BTreeMap<String, Refusal>,
    /// What must hold before an old generation may go.
    pub before_delete: BTreeMap<Address, Vec<Need>>,
    /// Containers that had another key in their manifest, each with the one that takes its place; without generations.
    pub rekeyed: BTreeMap<Address, Address>,
    /// Old generations that nothing leads to any more, and until when they drain.
    pub drains: BTreeMap<Address, Timestamp>,
    /// Certificates of ours that nothing uses any more, and until when they are kept.
    pub unused: BTreeMap<Address, Timestamp>,
    /// Networks that are re-created, with everything on them.
    pub moving: BTreeSet<Address>,
    /// Services whose update must stop the old container first, and why.
    pub stop_first: BTreeMap<String, Text>,
    /// How long a resource may take to be ready; after that it is said that it will not be.
    pub limits: BTreeMap<Address, Millis>,
    /// Containers whose health is asked by a probe. `None` = by uptime only.
    pub probes: BTreeMap<Address, Option<Probe>>,
    /// The same of old generations beside them, which are not waited for.
    pub probes_of_old: BTreeMap<Address, Option<Probe>>,
    /// Instances that are ready once they answer this.
    pub checks: BTreeMap<Address, ServerCheck>,
    /// The sizes that servers are to have once they are not on their way any more: what those cost is asked by now.
    pub sizes: BTreeMap<Address, Value>,
    /// When a change of a resource may begin: what was stopped outside Amarre rests for a while.
    pub rests_until: BTreeMap<Address, Timestamp>,
    /// Containers that are well once they have ended with code 0; Amarre does not probe them.
    pub tasks: BTreeSet<Address>,
    /// Worth knowing.
    pub notes: Vec<Note>,
}

impl Wants {
    /// What nothing leads to, or uses, any more: since when is kept in the ledger.
    pub fn left(&self) -> BTreeSet<Address> {
        self.drains.keys().chain(self.unused.keys()).cloned().collect()
    }

    /// Of which container, without its generation, an instance is a generation: another one, where its key changed.
    pub fn heir(&self, address: &Address) -> Address {
        let base = address.base();
        self.rekeyed.get(&base).cloned().unwrap_or(base)
    }

    /// Every generation of a container that is there and ours, under whatever key.
    pub fn instances<'a>(&self, world: &'a World, address: &Address) -> BTreeMap<Address, &'a Seen> {
        let heir = self.heir(address);
        let former = self.rekeyed.iter().filter(|(_, next)| **next == heir).map(|(former, _)| former);
        former.chain([&heir]).flat_map(|base| world.instances(base)).collect()
    }

    /// Whether another generation of it is there and ready.
    pub fn has_other_ready(&self, world: &World, address: &Address) -> bool {
        self.instances(world, address).iter().any(|(other, seen)| other != address && seen.ready.is_ready())
    }
}

/// What is asked whether a container works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Which port.
    pub port: u16,
    /// Where, when it is not the container's own address.
    pub at: Option<String>,
}

/// One generation that became ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Good {
    /// The container, without its generation.
    pub base: Address,
    /// Which generation.
    pub generation: String,
    /// As wanted.
    pub fields: Fields,
}
