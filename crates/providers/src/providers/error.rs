//! A call that did not work: what the engine does next, and what people read.

use crate::secret::Scrubber;
use amarre_core::model::{Code, Gap, GapScope, Hint, Millis, ProviderId, Refusal, Text, Timestamp, words};
use amarre_core::text;

/// What the engine does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same again later: the vendor was busy or away, and nothing has left or happened.
    RetryLater,
    /// The credentials do not do; the provider has already tried to sign in again.
    Reauthenticate,
    /// The vendor refuses; the same would be refused again.
    Rejected,
    /// What was expected is not there any more: observe and plan again.
    Conflict,
    /// It may have happened: observe before anything else at this address.
    OutcomeUnknown,
    /// Somebody else has what was asked for: the next one is tried.
    Taken(Taken),
}

/// A refusal in the vendor's own words, which may be none.
pub fn answered(vendor: &str, status: u16, words: &str) -> Text {
    match words {
        "" => text!("{vendor} answered {status}", vendor, status = status.to_string()),
        _ => text!("{vendor} answered {status}: {words}", vendor, status = status.to_string(), words),
    }
}

/// What of a host somebody else has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The subnet, or part of it.
    Subnet,
    Port(u16),
}

/// A change or a look that did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// For the engine.
    pub class: Class,
    /// For `amarre help`: `A0601`.
    pub code: Code,
    /// Lowercase, no full stop, names thing and operation, with the vendor's own words.
    pub message: Text,
    /// What a person can do; empty when nothing.
    pub hint: Text,
    /// How long the vendor wants to be left alone, where it says so.
    pub retry_after: Option<Millis>,
    /// Until when this very change is refused, where the vendor says so.
    pub not_before: Option<Timestamp>,
    /// Whether this very change is refused until a person changes what it asks for.
    pub is_final: bool,
}

impl ProviderError {
    /// An error without a hint. Whatever a vendor said in it, nothing is obeyed by a terminal.
    pub fn new(class: Class, code: Code, message: impl Into<Text>) -> Self {
        let mut message = message.into();
        message.map_words(&words::line);
        Self { class, code, message, hint: Text::default(), retry_after: None, not_before: None, is_final: false }
    }

    /// Of a change that is refused for what it asks for, and not for what is there.
    #[must_use]
    pub fn for_good(mut self) -> Self {
        self.is_final = true;
        self
    }

    /// With what a person can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Text>) -> Self {
        self.hint = hint.into();
        self.hint.map_words(&words::line);
        self
    }

    /// With how long the vendor wants to be left alone.
    #[must_use]
    pub fn after(mut self, wait: Option<Millis>) -> Self {
        self.retry_after = wait;
        self
    }

    /// With when this very change may be tried again.
    #[must_use]
    pub fn not_before(mut self, at: Option<Timestamp>) -> Self {
        self.not_before = at;
        self
    }

    /// Without secrets: the vendor's words may repeat what it was sent.
    #[must_use]
    pub fn without(mut self, sent: &Scrubber) -> Self {
        for text in [&mut self.message, &mut self.hint] {
            text.map_words(&|said| sent.scrub(said));
        }
        self
    }

    /// What a person can do, where there is something.
    pub fn hints(&self) -> Vec<Hint> {
        Some(self.hint.clone()).filter(|hint| !hint.is_empty()).map(Hint::text).into_iter().collect()
    }

    /// As what a plan holds.
    pub fn into_refusal(self) -> Refusal {
        let hints = self.hints();
        Refusal { code: self.code, message: self.message, found: Vec::new(), hints }
    }

    /// As a gap of `provider`, or of a part of it.
    pub fn into_gap(self, provider: &ProviderId, scope: GapScope, now: Timestamp) -> Gap {
        Gap { provider: provider.clone(), scope, code: self.code, message: self.message, hint: self.hint, since: now }
    }
}
