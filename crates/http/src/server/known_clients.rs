//! Clients that have shown a valid credential since the start. When one address exceeds its rate, which may be a tunnel
//! or a proxy with all clients behind it, known clients are counted on their own.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use amarre_core::model::Timestamp;

/// The largest number of remembered credentials: a thousand sessions and tokens are many.
const KNOWN_MAX: usize = 1_000;

/// When each was last shown, by digest.
#[derive(Debug, Default)]
pub struct KnownClients(BTreeMap<String, Timestamp>);

impl KnownClients {
    /// Remembers a valid session, token or browser.
    pub fn remember(&mut self, shown: &str, now: Timestamp) {
        self.0.insert(digest(shown), now);
        if self.0.len() > KNOWN_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, at)| **at).map(|(digest, _)| digest.clone())
        {
            self.0.remove(&oldest);
        }
    }

    /// The key under which a known client is counted.
    pub fn account(&self, shown: &str) -> Option<String> {
        Some(digest(shown)).filter(|digest| self.0.contains_key(digest)).map(|digest| format!("known {digest}"))
    }
}

fn digest(shown: &str) -> String {
    hex::encode(Sha256::digest(shown.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_credentials_are_known_and_memory_is_bounded() {
        let mut known = KnownClients::default();
        assert_eq!(known.account("a"), None);
        (0..3_000).for_each(|number| known.remember(&number.to_string(), Timestamp(number)));
        assert!(known.account("2999").is_some() && known.account("0").is_none());
        assert_eq!(known.0.len(), KNOWN_MAX);
    }
}
