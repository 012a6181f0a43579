//! How often one client may ask. Pure: takes `now`, reads no clock.

use std::collections::BTreeMap;

use amarre_core::model::{Millis, Timestamp};

/// The largest number of remembered clients.
const KEPT_MAX: usize = 10_000;
const MINUTE_MS: i64 = 60_000;

/// Requests in a minute, and requests at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_minute: u32,
    at_once: u32,
}

impl Rate {
    /// The rate of plain requests; half of it at once.
    pub fn reads(per_minute: u32) -> Self {
        Self { per_minute, at_once: (per_minute / 2).max(1) }
    }

    /// The rate of requests that cause work: a tenth of it.
    pub fn writes(per_minute: u32) -> Self {
        let per_minute = (per_minute / 10).max(1);
        Self { per_minute, at_once: per_minute }
    }

    /// How long one request counts.
    fn cost(self) -> Millis {
        Millis(MINUTE_MS / i64::from(self.per_minute.max(1)))
    }
}

/// Recent requests: for each client, until when they count.
#[derive(Debug, Default)]
pub struct Limits(BTreeMap<String, Timestamp>);

impl Limits {
    /// Counts one request.
    ///
    /// # Errors
    /// It is one too many: after how long there is room again.
    pub fn take(&mut self, who: &str, rate: Rate, now: Timestamp) -> Result<(), Millis> {
        self.forget(now);
        // A count by a clock that has been set back since ends no later than a full allowance.
        let full = now + Millis(rate.cost().0 * i64::from(rate.at_once));
        let counts_until = self.0.get(who).copied().unwrap_or(now).clamp(now, full) + rate.cost();
        if counts_until > full {
            return Err(counts_until - full);
        }
        self.0.insert(who.to_owned(), counts_until);
        Ok(())
    }

    fn forget(&mut self, now: Timestamp) {
        if self.0.len() >= KEPT_MAX {
            self.0.retain(|_, until| *until > now);
        }
        // Too many to be honest clients; letting some through costs less than remembering all.
        if self.0.len() >= KEPT_MAX {
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_client_that_asks_too_much_waits() {
        let (mut limits, rate) = (Limits::default(), Rate::reads(60));
        let now = Timestamp(1_000_000);
        for _ in 0..30 {
            assert_eq!(limits.take("a", rate, now), Ok(()));
        }
        assert_eq!(limits.take("a", rate, now), Err(Millis::seconds(1)));
        assert_eq!(limits.take("b", rate, now), Ok(()));
        let later = now + Millis::seconds(2);
        assert_eq!([(); 3].map(|()| limits.take("a", rate, later).is_ok()), [true, true, false]);
        // A clock that is set back locks no client out.
        assert_eq!(limits.take("a", rate, Timestamp(1)).map_err(|wait| wait.0 <= 1_000), Err(true));
        assert_eq!(limits.take("a", rate, Timestamp(1_500)).map_err(|wait| wait.0 <= 1_000), Err(true));
    }

    #[test]
    fn memory_is_bounded() {
        let mut limits = Limits::default();
        for number in 0..3 * KEPT_MAX {
            let _ = limits.take(&number.to_string(), Rate::writes(600), Timestamp(1));
        }
        assert!(limits.0.len() <= KEPT_MAX);
    }
}
