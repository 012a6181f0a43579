//! What a container waits for: siblings, jobs before an update, other manifests.

use super::service::Container;
use super::time::Millis;
use super::world::Origin;

/// How a container depends on a sibling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dependency {
    /// What must hold first.
    pub condition: Condition,
    /// One that fails, or cannot be made, is not waited for.
    pub is_optional: bool,
    /// A new one of the sibling needs a new one of this.
    pub follows: bool,
}

impl Dependency {
    /// The short form's.
    pub const STARTED: Dependency = Dependency { condition: Condition::Started, is_optional: false, follows: false };
}

/// What must hold of a sibling first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Condition {
    Started,
    Healthy,
    /// It has ended, with code 0.
    Completed,
}

/// Another manifest that comes first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Needed {
    pub service: String,
    /// Where it is named.
    pub origin: Origin,
}

/// What runs once before an update.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Job {
    /// What runs.
    pub container: Container,
    /// It has failed when it still runs after this.
    pub timeout: Millis,
}

impl Container {
    /// The containers of the service of which a new one needs a new one of this.
    pub fn follows(&self) -> impl Iterator<Item = &String> {
        self.depends_on.iter().filter(|(_, dependency)| dependency.follows).map(|(key, _)| key)
    }

    /// Whether it waits until the container of that key has ended.
    pub fn waits_for_end_of(&self, key: &str) -> bool {
        self.depends_on.get(key).is_some_and(|dependency| dependency.condition == Condition::Completed)
    }
}
