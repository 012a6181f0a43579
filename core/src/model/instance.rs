//! A server of a cloud as a manifest manages it: its power, and nothing else of it.

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::power::{self, Cause, Override, Power, PowerRule, Wanted};
use super::time::{Millis, Timestamp};
use super::timetable::Tick;
use super::world::Origin;

/// How long a change of power may take before it is said that it does not come.
pub const POWER_WITHIN: Millis = Millis::minutes(30);

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
    /// Since when Amarre watches whether the power of that tick is reached: the first look after the tick, or the first after
    /// Amarre was away.
    #[serde(default)]
    pub ticked: Option<Timestamp>,
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

impl PowerFacts {
    /// The tick whose power was not reached in time, whatever the reason: the last one, unless something else holds. What was
    /// seen last counts for as long as nothing is seen.
    pub fn missed(&self, wanted: &Wanted, now: Timestamp) -> Option<Tick> {
        let Cause::Tick(tick) = wanted.why else { return None };
        let is_late = self.ticked.is_some_and(|since| now - since >= POWER_WITHIN);
        let is_reached = self.seen.is_some_and(|seen| tick.to.is_met_by(seen));
        (is_late && !is_reached).then_some(tick)
    }

    /// Amarre was away: what could not be switched meanwhile has its time from now on.
    pub fn watch_anew(&mut self, now: Timestamp) {
        if self.ticked.is_some() {
            self.ticked = Some(now);
        }
    }
}
