//! Secrets: plain text lives here and in the wire clients, nowhere else.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

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

/// What is shorter says little by itself and stands in many words.
const CENSORED_BYTES_MIN: usize = 4;

/// A text of somebody else's without these values, in whatever form they stand there: a vendor may repeat in an error
/// what it was sent.
pub fn censored<'a>(text: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let values = values.into_iter().filter(|value| value.len() >= CENSORED_BYTES_MIN);
    let mut forms: Vec<String> = values.flat_map(forms).collect();
    // One may be part of another.
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    forms.iter().fold(text.to_owned(), |text, form| text.replace(form.as_str(), "(secret)"))
}

/// As it is, within JSON, within URLs and forms, and within base64, which depends on what stands before it.
fn forms(value: &str) -> Vec<String> {
    let json = serde_json::Value::from(value).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let url: String = value.bytes().map(escape).collect();
    let form = url.replace("%20", "+");
    let plain = [value.to_owned(), json.clone(), url.clone(), form, url.replace("%2A", "*").replace("%20", "+")];
    let mut all: Vec<String> = plain.iter().flat_map(|form| [form.clone(), form.to_lowercase()]).collect();
    for text in [value, json.as_str()] {
        for shift in 0..3 {
            let encoded = base64_core(text.as_bytes(), shift);
            all.extend([encoded.replace('+', "-").replace('/', "_"), encoded]);
        }
    }
    all.retain(|form| form.len() >= CENSORED_BYTES_MIN);
    all
}

/// What of the base64 of a text depends on these bytes alone, where `shift` others stand before them in a group.
fn base64_core(bytes: &[u8], shift: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<bool> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    // The first letter that holds none of the bits before.
    let skipped = (6 - shift * 8 % 6) % 6;
    let letters = bits.get(skipped..).unwrap_or_default().chunks_exact(6);
    let number = |six: &[bool]| six.iter().fold(0, |number, bit| number * 2 + usize::from(*bit));
    letters.map(|six| char::from(ALPHABET[number(six)])).collect()
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
    fn what_a_vendor_repeats_is_censored_in_every_form() {
        let value = "Can\"ary 7+/é";
        let texts = [
            "it was Can\"ary 7+/é",
            "in json: Can\\\"ary 7+/é",
            "in small letters: can\"ary 7+/é",
            "in a url: a=Can%22ary%207%2B%2F%C3%A9&b",
            "in a form: a=Can%22ary+7%2B%2F%C3%A9&b",
        ];
        for text in texts {
            let shown = censored(text, [value]);
            assert!(shown.contains("(secret)") && !shown.to_lowercase().contains("ary"), "{shown}");
        }
        // `printf 'a:Can"ary 7+/é' | base64`, and with one and two letters more before it.
        for (text, rest) in [
            ("YTpDYW4iYXJ5IDcrL8Op", "YTpD"),
            ("YWE6Q2FuImFyeSA3Ky/DqQ==", "YWE6"),
            ("YWFhOkNhbiJhcnkgNysvw6k=", "YWFhOk"),
        ] {
            let shown = censored(text, [value]);
            assert!(shown.starts_with(rest) && shown.contains("(secret)"), "{shown}");
        }
        assert_eq!(censored("abc", ["abc", ""]), "abc", "so short, it is in many words");
    }

    #[test]
    fn a_mark_tells_values_apart_and_means_nothing_without_its_key() {
        let (one, two) = (MarkKey::new([1; 32]), MarkKey::new([2; 32]));
        assert_eq!(one.mark("a"), one.mark("a"));
        assert_ne!(one.mark("a"), one.mark("b"));
        assert_ne!(one.mark("a"), two.mark("a"));
    }
}
