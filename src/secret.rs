//! Secrets: plain text lives here and in the wire clients, nowhere else.

mod coded;
mod scrubber;

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub use self::scrubber::Scrubber;
use crate::model::{Mark, SecretName};

/// A value that never shows itself: no `Serialize`, and `Debug` prints `(secret)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps plain text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The plain text; for wire clients only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The secrets of one plan, by name.
pub type Secrets = BTreeMap<SecretName, Secret>;

/// The instance's key: makes marks, which tell equal values from different ones and nothing else.
#[derive(Clone)]
pub struct MarkKey([u8; 32]);

impl MarkKey {
    /// From the bytes of `<state>.key`.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The mark of a value: 16 hex digits of HMAC-SHA-256.
    pub fn mark(&self, value: &str) -> Mark {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(value.as_bytes());
        Mark(hex::encode(&mac.finalize().into_bytes()[..8]))
    }
}

impl fmt::Debug for MarkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(key)")
    }
}

/// The two ways to sign in to OVH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OvhLogin {
    /// An API token: application and consumer.
    Keys {
        /// `X-Ovh-Application`.
        application_key: String,
        /// Signs.
        application_secret: Secret,
        /// `X-Ovh-Consumer`; signs as well.
        consumer_key: Secret,
    },
    /// A service account (OAuth2, client credentials).
    Service {
        /// Public.
        client_id: String,
        /// Proves it.
        client_secret: Secret,
        /// Where tokens come from; `None` = the endpoint's own.
        token_url: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_secret_or_the_key() {
        let shown = format!("{:?} {:?}", Secret::new("canary"), MarkKey::new([7; 32]));
        assert_eq!(shown, "(secret) (key)");
        assert_eq!(format!("{:?}", MarkKey::new([7; 32]).mark("canary")), "(secret)");
    }

    #[test]
    fn a_mark_tells_values_apart_and_means_nothing_without_its_key() {
        let (one, two) = (MarkKey::new([1; 32]), MarkKey::new([2; 32]));
        assert_eq!(one.mark("a"), one.mark("a"));
        assert_ne!(one.mark("a"), one.mark("b"));
        assert_ne!(one.mark("a"), two.mark("a"));
    }
}
