//! Who has shown, within what was asked since the start, something that opens something. Where one address asks too much,
//! and that may be a tunnel or a proxy with everybody behind it, those who are known are counted on their own.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use amarre_core::model::Timestamp;

/// More are remembered of no instance: a thousand sessions and tokens are many.
const KNOWN_MAX: usize = 1_000;

/// By digest, when it was shown last.
#[derive(Debug, Default)]
pub struct Known(BTreeMap<String, Timestamp>);

impl Known {
    /// A session, a token or a browser that is good was shown.
    pub fn note(&mut self, shown: &str, now: Timestamp) {
        self.0.insert(digest(shown), now);
        if self.0.len() > KNOWN_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, at)| **at).map(|(digest, _)| digest.clone())
        {
            self.0.remove(&oldest);
        }
    }

    /// As what it is counted, where it is known.
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
    fn what_was_shown_is_known_and_memory_has_an_end() {
        let mut known = Known::default();
        assert_eq!(known.account("a"), None);
        (0..3_000).for_each(|number| known.note(&number.to_string(), Timestamp(number)));
        assert!(known.account("2999").is_some() && known.account("0").is_none());
        assert_eq!(known.0.len(), KNOWN_MAX);
    }
}
