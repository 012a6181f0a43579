//! Answers that have no end: so many at once, and not for ever, for who may ask may change meanwhile.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;

use super::problem::problem;

/// Then it is to be asked for again. Browsers do so by themselves.
pub const LASTS: Duration = Duration::from_secs(10 * 60);
/// So many may be open at once.
const ALL_MAX: usize = 256;
/// And of one account.
const OF_ONE_MAX: usize = 64;

/// Who has how many open.
static TAKEN: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// One of them.
pub struct Seat(String);

impl Seat {
    /// `None`: there are too many.
    pub fn take(account: &str) -> Option<Self> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(account).copied().unwrap_or_default();
        if all >= ALL_MAX || own >= OF_ONE_MAX {
            return None;
        }
        taken.insert(account.to_owned(), own + 1);
        Some(Self(account.to_owned()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let left = taken.get(&self.0).map_or(0, |open| open.saturating_sub(1));
        if left == 0 {
            taken.remove(&self.0);
        } else {
            taken.insert(self.0.clone(), left);
        }
    }
}

/// What is answered when there are too many.
pub fn full() -> Response {
    let hint = "close some, or ask from time to time";
    problem(StatusCode::SERVICE_UNAVAILABLE, "A1012", "too many listen already", hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_seats_and_a_seat_comes_back() {
        let own: Vec<Seat> = (0..OF_ONE_MAX).filter_map(|_| Seat::take("one")).collect();
        assert_eq!(own.len(), OF_ONE_MAX);
        assert!(Seat::take("one").is_none());
        assert!(Seat::take("another").is_some());
        drop(own);
        assert!(Seat::take("one").is_some());
    }
}
