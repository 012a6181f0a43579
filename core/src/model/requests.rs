//! What people have asked for and what is not done yet. No ledger keeps it: with the process, a request ends.

use std::collections::{BTreeMap, BTreeSet};

use super::address::Address;
use super::time::Timestamp;

/// The requests that a plan takes into account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Requests {
    /// A person waits: what was stopped is started without its grace. Certificates wait all the same.
    pub immediate: bool,
    /// A person waits for these services only.
    pub immediate_for: BTreeSet<String>,
    /// The resource that a person takes over: it gets its mark, and stays as it is otherwise.
    pub adopting: Option<Address>,
    /// How many services a person agreed to delete; it counts for one plan.
    pub confirmed_deletes: Option<usize>,
    /// The services that this number meant, until they are deleted.
    pub confirmed: BTreeSet<String>,
    /// Services of which a person said that no create from before had an effect, and when that was said.
    pub create_again: BTreeMap<String, Timestamp>,
}

impl Requests {
    /// Whether a person waits for this service.
    pub fn is_awaited(&self, service: &str) -> bool {
        self.immediate || self.immediate_for.contains(service)
    }
}
