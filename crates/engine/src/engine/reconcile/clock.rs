//! The only place that reads the clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amarre_core::model::{Millis, Timestamp};

/// A source of time.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time that has passed; setting the clock does not change it.
    fn steady(&self) -> Millis;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one clock of the process")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    #[expect(clippy::disallowed_types, reason = "the one clock of the process")]
    fn steady(&self) -> Millis {
        static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        let since = BEGAN.get_or_init(std::time::Instant::now).elapsed();
        Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The machine's clock, put forward by hand: what tests step the loop with. Vendors' times stay comparable.
#[derive(Debug, Default)]
pub struct ShiftedClock {
    ahead_ms: AtomicI64,
    passed_ms: AtomicI64,
}

impl ShiftedClock {
    /// Puts the clock forward.
    pub fn advance(&self, span: Millis) {
        self.ahead_ms.fetch_add(span.0, Ordering::Relaxed);
        self.passed_ms.fetch_add(span.0, Ordering::Relaxed);
    }

    /// Sets the wall clock without letting time pass.
    pub fn jump(&self, span: Millis) {
        self.ahead_ms.fetch_add(span.0, Ordering::Relaxed);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Millis(self.ahead_ms.load(Ordering::Relaxed))
    }

    fn steady(&self) -> Millis {
        Millis(SystemClock.steady().0 + self.passed_ms.load(Ordering::Relaxed))
    }
}
