//! How fast an account is asked: a few calls at once, then one by one. Waits by tokio's time only.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Duration, Instant, sleep_until};

use amarre_core::model::Millis;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// One call in this span, on average.
    pub interval: Millis,
    /// So many may come at once after a rest.
    pub burst: u32,
    /// So many may be on their way together.
    pub in_flight: usize,
}

impl Pace {
    /// For the vendor, which allows 60 calls in a minute: never more than 50 in any minute, 30 over long.
    pub const fn usual() -> Self {
        Self { interval: Millis::seconds(2), burst: 20, in_flight: 2 }
    }

    /// For a simulator on this machine.
    pub const fn unbounded() -> Self {
        Self { interval: Millis(0), burst: 1, in_flight: 8 }
    }
}

/// Keeps a pace.
#[derive(Debug)]
pub struct Pacer {
    interval: Duration,
    /// How far ahead of the even pace a burst may run.
    credit: Duration,
    /// When the next call would be due at the even pace.
    due: Mutex<Option<Instant>>,
    slots: Semaphore,
}

impl Pacer {
    /// A pacer that has rested.
    pub fn new(pace: Pace) -> Self {
        let interval = pace.interval.to_duration();
        Self {
            interval,
            credit: interval * pace.burst.saturating_sub(1),
            due: Mutex::new(None),
            slots: Semaphore::new(pace.in_flight.max(1)),
        }
    }

    /// Waits for its turn; the turn ends when the permit is dropped.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed, so this is always a permit.
        let permit = self.slots.acquire().await.ok();
        let at = self.book(Instant::now());
        sleep_until(at).await;
        permit
    }

    fn book(&self, now: Instant) -> Instant {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = due.map_or(now, |due| due.max(now));
        *due = Some(mine + self.interval);
        mine.checked_sub(self.credit).map_or(now, |early| early.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_even_pace() {
        let pacer = Pacer::new(Pace { interval: Millis::seconds(2), burst: 3, in_flight: 1 });
        let start = Instant::now();
        let waits: Vec<u64> = (0..6).map(|_| (pacer.book(start) - start).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 2, 4, 6]);
        let rested = start + Duration::from_secs(60);
        assert_eq!(pacer.book(rested), rested);
    }

    #[test]
    fn no_minute_sees_what_the_vendor_minds() {
        let pacer = Pacer::new(Pace::usual());
        let start = Instant::now();
        let in_first_minute = (0..200).filter(|_| pacer.book(start) - start < Duration::from_secs(60)).count();
        assert!(in_first_minute <= 50, "{in_first_minute}");
    }
}
