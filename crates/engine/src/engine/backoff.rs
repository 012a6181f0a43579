//! Backoffs: when a failed call is tried again. Pure.

use amarre_core::model::{Millis, Timestamp};

/// The first retry after a failure.
const BACKOFF_FIRST: Millis = Millis::seconds(1);

/// The longest backoff: an error that is over is noticed within this time.
pub const BACKOFF_LAST: Millis = Millis::minutes(5);

/// The longest backoff with all of the jitter.
pub const BACKOFF_WITH_JITTER: Millis = Millis(BACKOFF_LAST.0 + BACKOFF_LAST.0 / 4);

/// The failures in a row, and when the next try is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Failures in a row.
    pub failures: u32,
    /// When the next try is due.
    pub until: Timestamp,
}

impl Backoff {
    /// Whether it is too early. A backoff beyond the longest was set by a clock that has been set back since.
    pub fn is_due_later(&self, now: Timestamp) -> bool {
        now < self.until && self.until - now <= BACKOFF_WITH_JITTER
    }
}

/// A number from 0 to 1, chosen by the caller.
pub type Jitter = f64;

/// The backoff after one more failure: doubled each time, with up to a quarter of jitter on top.
pub fn after_failure(before: Option<Backoff>, now: Timestamp, jitter: Jitter) -> Backoff {
    let failures = before.map_or(0, |before| before.failures) + 1;
    let doubled = BACKOFF_FIRST.0.saturating_mul(1_i64.checked_shl(failures.min(20) - 1).unwrap_or(i64::MAX));
    let span = doubled.min(BACKOFF_LAST.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a span of minutes in ms fits")]
    let extra = (span as f64 * 0.25 * jitter.clamp(0.0, 1.0)) as i64;
    Backoff { failures, until: now + Millis(span + extra) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_waits_twice_as_long_each_time_and_never_longer_than_five_minutes() {
        let now = Timestamp(1_000_000);
        let mut backoff = None;
        let waits: Vec<i64> = (0..12)
            .map(|_| {
                let next = after_failure(backoff, now, 0.0);
                backoff = Some(next);
                (next.until - now).0 / 1000
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        let many = after_failure(Some(Backoff { failures: u32::MAX - 1, until: now }), now, 1.0);
        assert_eq!(many.until - now, Millis::seconds(375), "with all of the jitter");
    }
}
