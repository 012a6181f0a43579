//! The time of a look. What asks for it says until when the answer holds, so a plan is known to hold as long.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::model::{Millis, Timestamp};

/// The time of a look, in an [`Input`](super::input::Input).
#[derive(Debug, Clone, Copy)]
pub struct LookTime<'a> {
    at: Timestamp,
    horizon: Option<&'a Horizon>,
}

/// Until when everything that was asked of a [`LookTime`] has the same answer, while the clock goes on.
#[derive(Debug)]
pub struct Horizon(AtomicI64);

impl Default for Horizon {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

impl Horizon {
    /// The first moment of which nothing is known.
    pub fn end(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn ends_by(&self, at: Timestamp) {
        self.0.fetch_min(at.0, Ordering::Relaxed);
    }
}

impl From<Timestamp> for LookTime<'_> {
    /// Of which nobody wants to know how long its answers hold.
    fn from(at: Timestamp) -> Self {
        Self { at, horizon: None }
    }
}

impl<'a> LookTime<'a> {
    /// Notes in `horizon` how long its answers hold.
    pub fn noted(self, horizon: &'a Horizon) -> Self {
        Self { horizon: Some(horizon), ..self }
    }

    /// Whether `when` is still to come.
    pub fn is_before(self, when: Timestamp) -> bool {
        let is_to_come = self.at < when;
        if is_to_come {
            self.ends_by(when);
        }
        is_to_come
    }

    /// Whether `when` is over.
    pub fn is_after(self, when: Timestamp) -> bool {
        !self.is_before(when + Millis(1))
    }

    /// `when`, unless it is to come: what a clock said that has been set back since counts as said now.
    pub fn not_later(self, when: Timestamp) -> Timestamp {
        if when <= self.at { when } else { self.exact() }
    }

    /// The time itself, of which nothing is noted.
    pub(super) fn at(self) -> Timestamp {
        self.at
    }

    /// The time itself, for what changes by itself at `next`, and not before.
    pub fn until(self, next: impl IntoIterator<Item = Timestamp>) -> Timestamp {
        next.into_iter().for_each(|at| self.ends_by(at));
        self.at
    }

    /// The time itself. What comes of it holds at no other time.
    pub fn exact(self) -> Timestamp {
        self.until([self.at])
    }

    /// Notes that what was made of it holds until `at`, and no longer.
    pub(super) fn ends_by(self, at: Timestamp) {
        if let Some(horizon) = self.horizon {
            horizon.ends_by(at);
        }
    }
}
