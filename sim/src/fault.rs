//! Misbehaviour on purpose, keyed by (method, path prefix, n-th call), so that a seed replays.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How one request goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answers this status and does nothing.
    Before(u16),
    /// Does what was asked, then answers this status.
    After(u16),
    /// Cuts the connection without doing anything.
    CutBefore,
    /// Does what was asked, then cuts the connection.
    CutAfter,
    /// Waits, then answers as usual.
    Delay(Duration),
    /// Answers 429 with this `Retry-After`, in seconds, and does nothing.
    TooMany(u32),
    /// Does nothing and never answers.
    HangBefore,
    /// Does what was asked and never answers.
    HangAfter,
    /// Does what was asked and answers the first half of the body as though it were all of it.
    Half,
    /// Does what was asked, then answers more than anybody can want.
    Huge,
    /// Does nothing and answers an empty list.
    Empty,
    /// Answers a read as the one of the same path was answered so many reads ago, or as the first that is remembered.
    Stale {
        /// Reads of this path, itself not counted.
        reads: usize,
    },
}

/// Decides about each call, in the order in which they come: method and path with query.
pub type Decide = Arc<dyn Fn(&str, &str) -> Option<Fault> + Send + Sync>;

#[derive(Debug, Clone)]
struct Rule {
    method: String,
    prefix: String,
    skip: u32,
    times: u32,
    fault: Fault,
}

/// The planned faults of one simulator. Clones share the plan.
#[derive(Clone, Default)]
pub struct Faults {
    rules: Arc<Mutex<Vec<Rule>>>,
    decide: Arc<Mutex<Option<Decide>>>,
}

impl Faults {
    /// Lets `fault` happen to the next `times` calls of `method` (`*` for any) whose path starts with `prefix`.
    pub fn add(&self, method: &str, prefix: &str, times: u32, fault: Fault) {
        self.add_nth(method, prefix, 0, times, fault);
    }

    /// As [`Faults::add`], after `skip` matching calls went well.
    pub fn add_nth(&self, method: &str, prefix: &str, skip: u32, times: u32, fault: Fault) {
        let rule = Rule { method: method.to_owned(), prefix: prefix.to_owned(), skip, times, fault };
        self.lock().push(rule);
    }

    /// Lets `decide` say what becomes of each call that no rule is about. While there is one, answers to reads are
    /// remembered for [`Fault::Stale`].
    pub fn decide_by(&self, decide: Decide) {
        *self.decide.lock().unwrap_or_else(PoisonError::into_inner) = Some(decide);
    }

    /// Ends all misbehaviour.
    pub fn clear(&self) {
        self.lock().clear();
        *self.decide.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The fault of this call, if any; counts the call.
    pub fn next(&self, method: &str, path: &str) -> Option<Fault> {
        let mut rules = self.lock();
        for rule in rules.iter_mut() {
            let matches = (rule.method == "*" || rule.method == method) && path.starts_with(&rule.prefix);
            if !matches || rule.times == 0 {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times -= 1;
            return Some(rule.fault.clone());
        }
        drop(rules);
        let decide = self.decide.lock().unwrap_or_else(PoisonError::into_inner).clone();
        decide.and_then(|decide| decide(method, path))
    }

    /// Whether stale answers may be asked for.
    pub(crate) fn remembers(&self) -> bool {
        let is_decided = self.decide.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        is_decided || self.lock().iter().any(|rule| matches!(rule.fault, Fault::Stale { .. }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("rules", &self.rules).finish_non_exhaustive()
    }
}
