//! Decides when the next pass runs. Pure: takes the state and `now`, returns the next wake-up.
//! Never sleeps, never reads a clock; `daemon.rs` does both.

use crate::engine::backoff::Jitter;
use amarre_core::model::{Millis, Timestamp};

/// Events come in bursts: those within this span share one pass.
const COALESCE: Millis = Millis(10);
/// How long passes may take together before pauses are due.
const HASTE: Millis = Millis(500);
/// With this many lanes at work an engine has more to do than it does at once.
const LANES_ENOUGH: usize = 16;
/// A clock that was set meanwhile tells nothing about the duration of a pass.
const LOOK_LAST: Millis = Millis::seconds(1);
/// A resource that just started is watched closely.
const WATCH_CLOSE: Millis = Millis::seconds(1);
/// A resource that takes its time is not.
const WATCH_WIDE: Millis = Millis::seconds(10);
/// A resource that never comes is checked now and then.
const WATCH_RARELY: Millis = Millis::minutes(1);
/// How long a resource counts as just started.
const FRESH: Millis = Millis::minutes(3);
/// How long a resource counts as taking its time.
const SLOW: Millis = Millis::minutes(30);

/// Clouds have no events: they are observed this often.
pub const CLOUDS_ANEW: Millis = Millis::minutes(1);

/// A source that does not answer is asked at least this often, whatever its interval.
const SOURCE_LAST: Millis = Millis::minutes(10);

/// The pause after a request to the source: the interval, longer after each failure, with a tenth of jitter either way,
/// so that many clients of one server spread out.
pub fn ask_source_again(interval: Millis, failures: u32, jitter: Jitter) -> Millis {
    let doubled = interval.0.saturating_mul(1_i64.checked_shl(failures.min(20)).unwrap_or(i64::MAX));
    let span = doubled.min(interval.0.max(SOURCE_LAST.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a span of minutes in ms fits")]
    let extra = (span as f64 * 0.2 * (jitter.clamp(0.0, 1.0) - 0.5)) as i64;
    Millis(span + extra)
}

/// When to check again what is waited for since `since`.
pub fn watch(since: Timestamp, now: Timestamp) -> Timestamp {
    match now - since {
        waited if waited < FRESH => now + WATCH_CLOSE,
        waited if waited < SLOW => now + WATCH_WIDE,
        _ => now + WATCH_RARELY,
    }
}

/// The recent duration of passes that no pause has made up for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DutyCycle {
    owed: Millis,
    ended: Timestamp,
}

impl DutyCycle {
    /// Adds a pass of this duration. `lanes`: how many are at work.
    #[must_use]
    pub fn after_pass(self, took: Millis, now: Timestamp, lanes: usize) -> Self {
        let took = took.0.clamp(0, LOOK_LAST.0);
        let rested = ((now - self.ended).0 - took).max(0) / rest_for_each(lanes);
        Self { owed: Millis((self.owed.0 - rested).max(0) + took), ended: now }
    }

    /// When to run a pass for a new event: soon; under many events, so that passes take half of the time, or a fifth while
    /// many lanes are at work, which keep the vendors busy without another pass.
    pub fn pass_soon(self, now: Timestamp, lanes: usize) -> Timestamp {
        let rest = (self.owed.0 - HASTE.0).max(0) * rest_for_each(lanes);
        (self.ended.min(now) + Millis(rest)).max(now + COALESCE)
    }
}

/// How long the pause after a pass is, as a multiple of it.
fn rest_for_each(lanes: usize) -> i64 {
    if lanes >= LANES_ENOUGH { 4 } else { 1 }
}

/// The next pass: at the interval, or earlier if something is waited for, never in the past.
pub fn next_wake(last: Timestamp, interval: Millis, wishes: &[Timestamp], now: Timestamp) -> Timestamp {
    let regular = last + interval;
    wishes.iter().copied().chain([regular]).min().unwrap_or(regular).max(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_fails_is_asked_less_often_and_never_at_the_same_moment() {
        let minute = Millis::minutes(1);
        let waits = [0, 1, 2, 3, 4, 40].map(|failures| ask_source_again(minute, failures, 0.5).0 / 1000);
        assert_eq!(waits, [60, 120, 240, 480, 600, 600]);
        let jittered = [0.0, 1.0].map(|jitter| ask_source_again(minute, 0, jitter).0 / 1000);
        assert_eq!(jittered, [54, 66]);
        assert_eq!(ask_source_again(Millis::minutes(60), 5, 0.5), Millis::minutes(60), "its own interval is longer");
    }

    #[test]
    fn an_event_starts_a_pass_soon_and_passes_take_half_of_the_time_at_most_or_a_fifth_beside_many_lanes() {
        let took = Millis(100);
        for (lanes, expected) in [
            (LANES_ENOUGH - 1, [10, 10, 10, 10, 10, 50, 100, 100, 100, 100]),
            (LANES_ENOUGH, [10, 10, 10, 10, 10, 360, 400, 400, 400, 400]),
        ] {
            let [.., last] = expected;
            let (mut now, mut weariness) = (Timestamp(1_000_000), DutyCycle::default());
            let mut waits = Vec::new();
            for _ in 0..10 {
                weariness = weariness.after_pass(took, now, lanes);
                let next = weariness.pass_soon(now, lanes);
                waits.push((next - now).0);
                now = next + took;
            }
            assert_eq!(waits, expected, "{lanes} lanes");
            let rested = weariness.after_pass(took, now + Millis::minutes(1), lanes);
            assert_eq!(rested.pass_soon(now + Millis::minutes(1), lanes), now + Millis::minutes(1) + COALESCE);
            let clock_put_back = Timestamp(0);
            assert_eq!(weariness.pass_soon(clock_put_back, lanes), clock_put_back + Millis(last));
        }
    }

    #[test]
    fn without_events_a_pass_runs_now_and_then() {
        let waits = [0, 179, 180, 1799, 1800].map(|waited| {
            let now = Timestamp(waited * 1000);
            (watch(Timestamp(0), now) - now).0 / 1000
        });
        assert_eq!(waits, [1, 1, 10, 10, 60]);
    }
}
