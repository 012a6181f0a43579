//! What a simulator was asked, in the order in which it answered.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Upper-case HTTP method.
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// Status that was answered; 0 when the connection was cut or no answer is given.
    pub status: u16,
}

/// Is told of each call once its effect is there, before the answer leaves.
pub type Witness = Arc<dyn Fn(&Call) + Send + Sync>;

/// A shared list of calls. Clones see the same list.
#[derive(Clone, Default)]
pub struct Journal {
    calls: Arc<Mutex<Vec<Call>>>,
    witness: Arc<Mutex<Option<Witness>>>,
    /// Words that no request may hold, and the calls that did.
    forbidden: Arc<Mutex<Vec<String>>>,
    sightings: Arc<Mutex<Vec<String>>>,
}

impl Journal {
    /// Adds one call.
    pub fn record(&self, call: Call) {
        let witness = lock(&self.witness).clone();
        if let Some(witness) = witness {
            witness(&call);
        }
        lock(&self.calls).push(call);
    }

    /// Every call since the start or the last [`Journal::clear`].
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// Calls that may change something: anything but GET and HEAD.
    pub fn writes(&self) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.method != "GET" && call.method != "HEAD");
        calls
    }

    /// Forgets what was recorded.
    pub fn clear(&self) {
        lock(&self.calls).clear();
    }

    /// As if nothing had been recorded, searched for or seen, with no witness.
    pub fn reset(&self) {
        self.clear();
        self.tell(None);
        lock(&self.forbidden).clear();
        lock(&self.sightings).clear();
    }

    /// Tells `witness` of each call from now on; `None` ends it.
    pub fn tell(&self, witness: Option<Witness>) {
        *lock(&self.witness) = witness;
    }

    /// From now on bodies and paths are searched for `word`.
    pub fn forbid(&self, word: &str) {
        lock(&self.forbidden).push(word.to_owned());
    }

    /// Calls that held a forbidden word.
    pub fn sightings(&self) -> Vec<String> {
        lock(&self.sightings).clone()
    }

    pub(crate) fn searches(&self) -> bool {
        !lock(&self.forbidden).is_empty()
    }

    pub(crate) fn search(&self, method: &str, path: &str, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        for word in lock(&self.forbidden).iter() {
            if path.contains(word.as_str()) || text.contains(word.as_str()) {
                lock(&self.sightings).push(format!("{method} {path} holds `{word}`"));
            }
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("calls", &self.calls).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
