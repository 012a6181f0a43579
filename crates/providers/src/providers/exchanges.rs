//! What was sent to a vendor to change something, and what it answered, until the engine stores it: the log of an instance.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use amarre_core::model::{Address, words};

/// More than a pass makes; the oldest goes first.
const KEPT_MAX: usize = 1_000;

/// Calls and their answers, a line each: `POST /cloud/project/…/stop → 200, X-OVH-QueryID EU.ext-3.4f`.
#[derive(Debug, Default)]
pub struct Exchanges(Mutex<VecDeque<(Address, String)>>);

impl Exchanges {
    /// Keeps one. The line holds no secret; what a terminal would obey is taken out of it.
    pub fn note(&self, address: Address, line: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((address, words::clean(line)));
        while kept.len() > KEPT_MAX {
            kept.pop_front();
        }
    }

    /// All that is kept, the oldest first; nothing is kept afterwards.
    pub fn take(&self) -> Vec<(Address, String)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}
