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

/// The secrets of one plan, by name.
pub type Secrets = BTreeMap<SecretName, Secret>;

/// Shorter ones stand in many words.
const WORD_BYTES_MIN: usize = 4;
/// The base64 of shorter ones is too short to say anything.
const BASE64_BYTES_MIN: usize = 6;

/// Takes secrets out of texts that others wrote, such as what a container prints.
#[derive(Clone, Default)]
pub struct Scrubber(Vec<String>);

impl Scrubber {
    /// What stands in the place of a secret.
    const HIDDEN: &str = "(hidden)";

    /// Knows these secrets, as they are and as they stand in URLs, in forms, in JSON and in base64. Of one with several
    /// lines each line counts, for texts are looked at line by line.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut forms: Vec<String> = Vec::new();
        for line in secrets.into_iter().flat_map(|secret| secret.expose().lines()).map(str::trim) {
            let json = serde_json::to_string(line).unwrap_or_default();
            let json = json.get(1..json.len() - 1).unwrap_or_default().to_owned();
            forms.extend([in_url(line), in_url(line).replace("%20", "+"), line.to_owned(), json.clone()]);
            if line.len() >= BASE64_BYTES_MIN {
                forms.extend((0..3).flat_map(|shift| in_base64(line, shift)));
                forms.extend((0..3).flat_map(|shift| in_base64(&json, shift)));
            }
        }
        forms.retain(|form| !form.is_empty());
        // The longest first: one secret may be the beginning of another.
        forms.sort_by(|one, two| two.len().cmp(&one.len()).then_with(|| one.cmp(two)));
        forms.dedup();
        Self(forms)
    }

    /// As [`Scrubber::of`], for the words of vendors: what is very short stands in many of them, and what is in small
    /// letters there counts, too.
    pub fn of_words<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let long: Vec<&Secret> = secrets.into_iter().filter(|secret| secret.0.len() >= WORD_BYTES_MIN).collect();
        let small: Vec<Secret> = long.iter().map(|secret| Secret(secret.0.to_lowercase())).collect();
        Self::of(long.into_iter().chain(&small))
    }

    /// Knows what `other` knows as well.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both: Vec<Secret> = self.0.iter().chain(&other.0).map(Secret::new).collect();
        Self::of(&both)
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

/// As it stands in the user's part of a URL.
fn in_url(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// The letters of base64 that depend on a text alone, where `shift` other bytes stand before it in their group of three;
/// in both alphabets.
fn in_base64(text: &str, shift: usize) -> [String; 2] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<bool> = text.bytes().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    // Letters have six bits: the first that holds none of what stands before.
    let first = (6 - shift * 8 % 6) % 6;
    let letters = bits.get(first..).unwrap_or_default().chunks_exact(6);
    let number = |six: &[bool]| six.iter().fold(0, |number, bit| number * 2 + usize::from(*bit));
    let text: String = letters.map(|six| char::from(ALPHABET[number(six)])).collect();
    [text.replace('+', "-").replace('/', "_"), text]
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
    fn what_a_vendor_repeats_is_rid_of_secrets_in_each_form() {
        let secrets = [Secret::new("Can\"ary 7+/é"), Secret::new("abc")];
        let scrubber = Scrubber::of_words(&secrets);
        for text in [
            "it was Can\"ary 7+/é",
            "in json: Can\\\"ary 7+/é",
            "in small letters: can\"ary 7+/é",
            "in a url: a=Can%22ary%207%2B%2F%C3%A9&b",
            "in a form: a=Can%22ary+7%2B%2F%C3%A9&b",
        ] {
            let shown = scrubber.scrub(text);
            assert!(shown.contains("(hidden)") && !shown.to_lowercase().contains("ary"), "{shown}");
        }
        // `printf 'a:Can"ary 7+/é' | base64`, and with one and two letters more before it.
        for (text, rest) in [
            ("YTpDYW4iYXJ5IDcrL8Op", "YTp"),
            ("YWE6Q2FuImFyeSA3Ky/DqQ==", "YWE6"),
            ("YWFhOkNhbiJhcnkgNysvw6k=", "YWFhOk"),
        ] {
            let shown = scrubber.scrub(text);
            assert!(shown.starts_with(rest) && shown.contains("(hidden)"), "{shown}");
        }
        assert_eq!(scrubber.scrub("abc"), "abc", "so short, it is in many words");
    }

    #[test]
    fn a_mark_tells_values_apart_and_means_nothing_without_its_key() {
        let (one, two) = (MarkKey::new([1; 32]), MarkKey::new([2; 32]));
        assert_eq!(one.mark("a"), one.mark("a"));
        assert_ne!(one.mark("a"), one.mark("b"));
        assert_ne!(one.mark("a"), two.mark("a"));
    }
}
