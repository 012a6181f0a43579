//! What a person asks of a resource that changes none of its fields: restart, start, stop, reboot.

use super::address::Address;
use super::time::{Millis, Timestamp};

/// What became of a call that was let go of shows within this time, or within its limit where that is less.
const SHOWS_WITHIN: Millis = Millis::minutes(5);

/// One action. Its vendor performs it once; a lost answer is observed, never repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub address: Address,
    /// The service of the resource; empty for one that no manifest manages.
    pub service: String,
    /// The provider's word: `restart`.
    pub word: String,
    /// The vendor's id of the resource when the action was asked for.
    pub vendor_id: String,
    /// A value of the resource that is another one once the action has happened, as it was before; or what the person gave with
    /// the action, where it needs that: a name, a size, an image.
    pub before: String,
    /// The account that asks.
    pub by: String,
    /// When its intent was stored, just before the call left.
    pub at: Timestamp,
    /// How long the vendor may need. A call without an answer is let go of then.
    pub limit: Millis,
}

impl Action {
    /// The lane in which an action is performed: that of the service, else one for the address alone.
    pub fn lane_of(service: &str, address: &Address) -> String {
        if service.is_empty() { address.to_string() } else { service.to_owned() }
    }

    pub fn lane(&self) -> String {
        Self::lane_of(&self.service, &self.address)
    }

    /// Until when its outcome is waited for: its call is let go of after its limit, and what came of that shows soon after.
    pub fn shows_until(&self) -> Timestamp {
        self.at + self.limit + self.limit.min(SHOWS_WITHIN)
    }

    /// Whether nothing more is expected of it.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now > self.shows_until()
    }
}
