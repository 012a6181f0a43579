//! What a simulator was asked, in the order in which it answered.

use std::sync::{Arc, Mutex, PoisonError};

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Upper-case HTTP method.
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// Status that was answered; 0 when the connection was cut.
    pub status: u16,
}

/// A shared list of calls. Clones see the same list.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Journal {
    /// Adds one call.
    pub fn record(&self, call: Call) {
        self.lock().push(call);
    }

    /// Every call since the start or the last [`Journal::clear`].
    pub fn calls(&self) -> Vec<Call> {
        self.lock().clone()
    }

    /// Calls that may change something: anything but GET and HEAD.
    pub fn writes(&self) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.method != "GET" && call.method != "HEAD");
        calls
    }

    /// Forgets what was recorded.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
