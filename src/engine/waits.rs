//! What a service waits for, since when, for how long at most, and whether that can end by itself. Pure.

use crate::model::{Millis, Timestamp};

/// The limit of a wait, when it has passed.
pub fn overdue(limit: Option<Millis>, since: Timestamp, now: Timestamp) -> Option<Millis> {
    limit.filter(|limit| now - since > *limit)
}
