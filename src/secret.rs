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
/// what it was sent. Values shorter than four bytes stay.
pub fn censored<'a>(text: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    Scrubber::of_texts(values.into_iter().filter(|value| value.len() >= CENSORED_BYTES_MIN)).scrub(text)
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
    let mut other: Vec<String> = plain.iter().map(|form| form.to_lowercase()).collect();
    for text in [value, json.as_str()] {
        for shift in 0..3 {
            let encoded = base64_core(text.as_bytes(), shift);
            other.extend([encoded.replace('+', "-").replace('/', "_"), encoded]);
        }
    }
    other.retain(|form| form.len() >= CENSORED_BYTES_MIN);
    plain.into_iter().chain(other).collect()
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

/// Takes secrets out of texts that others wrote, such as what a container prints.
#[derive(Clone, Default)]
pub struct Scrubber(Vec<String>);

impl Scrubber {
    /// What stands in the place of a secret.
    const HIDDEN: &str = "(hidden)";

    /// Knows these secrets in every form in which they may be written.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        Self::of_texts(secrets.into_iter().map(Secret::expose))
    }

    /// Of a text with several lines each line counts as well, for texts may be looked at line by line.
    fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all: Vec<String> = Vec::new();
        for text in texts {
            all.extend(std::iter::once(text).chain(text.lines().map(str::trim)).flat_map(forms));
        }
        all.retain(|form| !form.is_empty());
        // The longest first: one secret may be the beginning of another.
        all.sort_by(|one, two| two.len().cmp(&one.len()).then_with(|| one.cmp(two)));
        all.dedup();
        Self(all)
    }

    /// Knows what `other` knows as well.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut all: Vec<String> = self.0.iter().chain(&other.0).cloned().collect();
        all.sort_by(|one, two| two.len().cmp(&one.len()).then_with(|| one.cmp(two)));
        all.dedup();
        Self(all)
    }

    /// The text with `(hidden)` in the place of each secret.
    pub fn scrub(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            match self.0.iter().find(|form| rest.starts_with(form.as_str())) {
                Some(form) => {
                    clean.push_str(Self::HIDDEN);
                    rest = &rest[form.len()..];
                }
                None => {
                    clean.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        clean
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secrets)")
    }
}

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
    fn what_others_print_is_rid_of_secrets_in_each_form() {
        let secrets = ["pa/ss wörd", "pa", "line one\n  line two\n", "", "say \"x\""].map(Secret::new);
        let scrubber = Scrubber::of(&secrets);
        let scrub = |text: &str| scrubber.scrub(text);
        assert_eq!(scrub("user=a password=pa/ss wörd!"), "user=a (hidden)ssword=(hidden)!");
        assert_eq!(scrub("postgres://a:pa%2Fss%20w%C3%B6rd@db"), "postgres://a:(hidden)@db");
        assert_eq!(scrub(r#"{"p": "say \"x\""}"#), r#"{"p": "(hidden)"}"#);
        assert_eq!(scrub("> line two <"), "> (hidden) <");
        assert_eq!(Scrubber::default().scrub("nothing"), "nothing");
        assert_eq!(
            Scrubber::of(&[Secret::new("a")]).and(&Scrubber::of(&[Secret::new("b")])).scrub("abc"),
            "(hidden)(hidden)c"
        );
        assert_eq!(format!("{scrubber:?}"), "(secrets)");
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
            assert!(shown.contains("(hidden)") && !shown.to_lowercase().contains("ary"), "{shown}");
        }
        // `printf 'a:Can"ary 7+/é' | base64`, and with one and two letters more before it.
        for (text, rest) in [
            ("YTpDYW4iYXJ5IDcrL8Op", "YTpD"),
            ("YWE6Q2FuImFyeSA3Ky/DqQ==", "YWE6"),
            ("YWFhOkNhbiJhcnkgNysvw6k=", "YWFhOk"),
        ] {
            let shown = censored(text, [value]);
            assert!(shown.starts_with(rest) && shown.contains("(hidden)"), "{shown}");
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
