//! Secrets: plain text lives here and in the wire clients, nowhere else.

mod coded;
mod keys;
pub mod private_file;
mod scrubber;
pub mod ssh_key;

use std::collections::BTreeMap;
use std::fmt;

use amarre_core::model::SecretName;

pub use self::keys::{KEY_BYTES, MarkKey, Signer};
pub use self::scrubber::Scrubber;

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

/// Keeps the secrets of manifests where manifests find them, never where manifests are.
pub trait KeepSecrets: Send + Sync {
    /// Stores a secret that is not set; `false`: it is set already, to the same.
    ///
    /// # Errors
    /// It is set to something else, or cannot be written; a sentence without the secret.
    fn keep(&self, name: &SecretName, value: &Secret) -> Result<bool, String>;

    /// Takes away what was stored here; what is not here stays where it is.
    ///
    /// # Errors
    /// It cannot be removed; a sentence.
    fn forget(&self, name: &SecretName) -> Result<(), String>;
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
        /// The client id.
        client_id: String,
        /// The client secret.
        client_secret: Secret,
        /// The token endpoint; `None` = the endpoint's own.
        token_url: Option<String>,
    },
    /// Nothing of either: no call leaves.
    Missing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_secret_or_the_key() {
        let shown = format!("{:?} {:?}", Secret::new("canary"), MarkKey::new([7; 32]));
        assert_eq!(shown, "(secret) (key)");
    }
}
