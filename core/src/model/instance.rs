//! A server of a cloud as a manifest manages it: its power, and nothing else of it.

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::power::{self, Override, Power, PowerRule, Wanted};
use super::time::Timestamp;
use super::world::Origin;

/// What a manifest says of a server that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The server, by the vendor's id.
    pub address: Address,
    /// Its cloud, as the configuration calls it.
    pub cloud: String,
    /// The power that it is to have.
    pub rule: PowerRule,
    /// Where the power or the timetable is in the source.
    pub origin: Origin,
}

impl Instance {
    /// The power that it is to have now, and why. `facts`: what the ledger knows of it.
    pub fn wanted(&self, facts: Option<&PowerFacts>, now: Timestamp) -> Wanted {
        let since = facts.map(|facts| facts.since);
        power::wanted(now, &self.rule, since, facts.and_then(|facts| facts.override_.as_ref()))
    }
}

/// What the ledger knows of the power of a managed server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerFacts {
    /// The rule when it was last looked at: [`PowerRule::key`].
    pub key: String,
    /// The timetable then; empty: none.
    pub timetable: String,
    /// When that timetable was first seen.
    pub since: Timestamp,
    /// What holds in place of the rule.
    #[serde(rename = "override")]
    pub override_: Option<Override>,
    /// The last tick at the time of the last look: with another one now, what was switched before and after cannot be told
    /// apart.
    pub tick: Option<Timestamp>,
    /// The power that was last observed.
    pub seen: Option<Power>,
    /// The power that Amarre began to bring it to, and since when: that it gets there is no doing of anybody else.
    #[serde(default)]
    pub moving: Option<(Power, Timestamp)>,
    /// What Amarre wrote last, and when: for a while its vendor may show the power from before.
    #[serde(skip)]
    pub written: Option<(Power, Timestamp)>,
    /// Since when it is off although its manifest wants it on, and nobody asked Amarre for that.
    pub stopped_at: Option<Timestamp>,
}
