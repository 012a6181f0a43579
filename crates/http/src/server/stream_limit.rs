//! Caps concurrent streaming responses and their duration: the rights of a client may change meanwhile.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;

use super::problem::problem;
use amarre_core::model::Code;

/// The longest stream; browsers reconnect by themselves.
pub const LASTS: Duration = Duration::from_secs(10 * 60);
/// The limit of open streams.
const ALL_MAX: usize = 256;
/// The limit of one account.
const OF_ONE_MAX: usize = 64;

/// Open streams by account.
static TAKEN: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// An open stream.
pub struct StreamSlot(String);

impl StreamSlot {
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

impl Drop for StreamSlot {
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

/// The answer when there are too many.
pub fn too_many() -> Response {
    let hint = "close some, or ask from time to time";
    problem(StatusCode::SERVICE_UNAVAILABLE, Code::A1012, "too many listen already", hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_account_takes_all_streams_and_a_closed_one_is_free_again() {
        let own: Vec<StreamSlot> = (0..OF_ONE_MAX).filter_map(|_| StreamSlot::take("one")).collect();
        assert_eq!(own.len(), OF_ONE_MAX);
        assert!(StreamSlot::take("one").is_none());
        assert!(StreamSlot::take("another").is_some());
        drop(own);
        assert!(StreamSlot::take("one").is_some());
    }
}
