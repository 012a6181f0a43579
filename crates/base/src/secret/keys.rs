//! The instance's keys: marks of secrets, and signatures of what says that something is ours.
//!
//! | form of the file | |
//! | --- | --- |
//! | 32 bytes | one key, as Amarre made it before there could be several |
//! | lines of 64 hex digits | the first signs, each of them verifies, the last makes the marks of secrets |
//! | the same, and at last `secrets` with 64 hex digits | that one makes the marks of secrets, and verifies nothing |
//!
//! Marks of secrets are part of the digests of containers: a new signing key must not change them, so they stay with
//! the oldest key.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use amarre_core::model::Mark;

/// The length of a key.
pub const KEY_BYTES: usize = 32;
/// More keys are a mistake: each one verifies.
const KEYS_MAX: usize = 16;
/// Of a signature: 128 bits, too many to guess, in 32 hex digits, so that a mark fits into one string of a TXT record.
const SIGNATURE_BYTES: usize = 16;
/// Keeps signatures of DNS marks apart from all else that is made with the key.
const DNS_MARKS: &[u8] = b"amarre.dns-mark.v1";
/// The same for what is built: names that nobody can guess.
const BUILDS: &[u8] = b"amarre.build.v1";
/// The same for the name by which people tell keys apart.
const FINGERPRINT: &[u8] = b"amarre.key-fingerprint.v1";
/// Before the key that only makes the marks of secrets.
const SECRETS_ONLY: &str = "secrets ";

type KeyBytes = [u8; KEY_BYTES];

/// The instance's keys: they make marks, which tell equal values from different ones and nothing else, and signatures.
/// Shared: everything that marks or signs holds them.
#[derive(Clone)]
pub struct MarkKey(Arc<KeyFile>);

struct KeyFile {
    signs: KeyBytes,
    /// Keys that signed before, the newest first.
    verify: Vec<KeyBytes>,
    secrets: KeyBytes,
}

/// Who made a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The key that signs now.
    Now,
    /// One that signed before.
    Before,
    /// None of these keys.
    Unknown,
}

impl MarkKey {
    pub fn new(bytes: KeyBytes) -> Self {
        Self::of(bytes, Vec::new(), bytes)
    }

    fn of(signs: KeyBytes, verify: Vec<KeyBytes>, secrets: KeyBytes) -> Self {
        Self(Arc::new(KeyFile { signs, verify, secrets }))
    }

    /// From what stands in `<state>.key`; `None`: that is not a key.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if let Ok(bytes) = KeyBytes::try_from(bytes) {
            return Some(Self::new(bytes));
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let apart = lines.last().and_then(|line| line.strip_prefix(SECRETS_ONLY)).map(key_of);
        if apart.is_some() {
            lines.pop();
        }
        let mut keys = Vec::new();
        for line in lines {
            keys.push(key_of(line)?);
        }
        let oldest = *keys.last().filter(|_| keys.len() <= KEYS_MAX)?;
        let secrets = match apart {
            Some(apart) => apart?,
            None => oldest,
        };
        let signs = keys.remove(0);
        Some(Self::of(signs, keys, secrets))
    }

    /// As it stands in the file.
    pub fn text(&self) -> String {
        let mut text: String =
            std::iter::once(&self.0.signs).chain(&self.0.verify).map(|key| format!("{}\n", hex::encode(key))).collect();
        if self.0.secrets != *self.0.verify.last().unwrap_or(&self.0.signs) {
            text.push_str(&format!("{SECRETS_ONLY}{}\n", hex::encode(self.0.secrets)));
        }
        text
    }

    /// With a new key in front; `None`: there are as many as there may be.
    pub fn rotated(&self, bytes: KeyBytes) -> Option<Self> {
        let verify: Vec<KeyBytes> = std::iter::once(self.0.signs).chain(self.0.verify.iter().copied()).collect();
        (verify.len() < KEYS_MAX).then(|| Self::of(bytes, verify, self.0.secrets))
    }

    /// With the first key alone to sign and to verify; the marks of secrets stay.
    pub fn retired(&self) -> Self {
        Self::of(self.0.signs, Vec::new(), self.0.secrets)
    }

    /// How many keys verify what was signed before.
    pub fn older(&self) -> usize {
        self.0.verify.len()
    }

    /// By what people tell keys apart, of the key that signs; says nothing about the key.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.0.signs)
    }

    /// Whether one of the keys that sign or verify has this fingerprint.
    pub fn knows(&self, of: &str) -> bool {
        std::iter::once(&self.0.signs).chain(&self.0.verify).any(|key| fingerprint(key) == of)
    }

    /// The mark of a value: 16 hex digits of HMAC-SHA-256.
    pub fn mark(&self, value: &str) -> Mark {
        Mark(hex::encode(&hmac(&self.0.secrets, &[value.as_bytes()]).finalize().into_bytes()[..8]))
    }

    /// What nobody without the key can guess, for these parts in this order: 32 hex digits. As marks of secrets, it stays when a new
    /// key signs: images and layers would be built again.
    pub fn unguessable(&self, parts: &[&str]) -> String {
        hex::encode(&derived(&self.0.secrets, BUILDS, parts).finalize().into_bytes()[..SIGNATURE_BYTES])
    }

    /// The signature of a DNS mark over these parts, in this order.
    pub fn sign(&self, parts: &[&str]) -> String {
        hex::encode(&signature(&self.0.signs, parts).finalize().into_bytes()[..SIGNATURE_BYTES])
    }

    /// Who signed these parts.
    pub fn signer(&self, parts: &[&str], signed: &str) -> Signer {
        let Some(bytes) = hex::decode(signed).ok().filter(|bytes| bytes.len() == SIGNATURE_BYTES) else {
            return Signer::Unknown;
        };
        let made_it = |key: &KeyBytes| signature(key, parts).verify_truncated_left(&bytes).is_ok();
        if made_it(&self.0.signs) {
            Signer::Now
        } else if self.0.verify.iter().any(made_it) {
            Signer::Before
        } else {
            Signer::Unknown
        }
    }
}

fn key_of(line: &str) -> Option<KeyBytes> {
    hex::decode(line).ok()?.try_into().ok()
}

fn fingerprint(key: &KeyBytes) -> String {
    hex::encode(&hmac(key, &[FINGERPRINT]).finalize().into_bytes()[..4])
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac
}

fn signature(key: &KeyBytes, parts: &[&str]) -> Hmac<Sha256> {
    derived(key, DNS_MARKS, parts)
}

/// Each part with its length before it: no two lists of parts are the same bytes.
fn derived(key: &KeyBytes, purpose: &[u8], parts: &[&str]) -> Hmac<Sha256> {
    let derived = hmac(key, &[purpose]).finalize().into_bytes();
    let mut mac = hmac(&derived, &[]);
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac
}

impl fmt::Debug for MarkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(key)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: [&str; 4] = ["cloud.example.org", "A", "cloud", "home"];

    #[test]
    fn a_mark_tells_values_apart_and_means_nothing_without_its_key() {
        let (one, two) = (MarkKey::new([1; 32]), MarkKey::new([2; 32]));
        assert_eq!(one.mark("a"), one.mark("a"));
        assert_ne!(one.mark("a"), one.mark("b"));
        assert_ne!(one.mark("a"), two.mark("a"));
        assert_eq!(format!("{one:?} {:?}", one.mark("canary")), "(key) (secret)");
    }

    #[test]
    fn a_signature_is_of_its_parts_in_their_order() {
        let key = MarkKey::new([1; 32]);
        let signed = key.sign(&PARTS);
        assert_eq!(signed.len(), 32);
        assert_eq!(key.signer(&PARTS, &signed), Signer::Now);
        assert_eq!(key.signer(&PARTS, &signed.to_uppercase()), Signer::Now, "hex digits are hex digits");
        for parts in [
            ["other.example.org", "A", "cloud", "home"],
            ["cloud.example.org", "MX", "cloud", "home"],
            ["cloud.example.org", "A", "forge", "home"],
            ["cloud.example.org", "A", "cloud", "other"],
            ["A", "cloud.example.org", "cloud", "home"],
            ["cloud.example.orgA", "", "cloud", "home"],
        ] {
            assert_eq!(key.signer(&parts, &signed), Signer::Unknown, "{parts:?}");
        }
        for wrong in ["", "00", "no hex", &signed[2..], &format!("{signed}00"), &"0".repeat(32)] {
            assert_eq!(key.signer(&PARTS, wrong), Signer::Unknown, "{wrong}");
        }
        assert_eq!(MarkKey::new([2; 32]).signer(&PARTS, &signed), Signer::Unknown);
    }

    #[test]
    fn a_rotated_key_signs_anew_and_knows_what_was_signed_and_marked_before() {
        let old = MarkKey::new([1; 32]);
        let signed = old.sign(&PARTS);
        let new = old.rotated([2; 32]).unwrap();
        assert_eq!(new.signer(&PARTS, &signed), Signer::Before);
        assert_eq!(new.signer(&PARTS, &new.sign(&PARTS)), Signer::Now);
        assert_ne!((new.sign(&PARTS), new.fingerprint()), (signed.clone(), old.fingerprint()));
        assert!(new.knows(&old.fingerprint()) && !old.knows(&new.fingerprint()));
        assert_eq!(new.mark("a"), old.mark("a"), "no container is made again for a key");
        let retired = new.retired();
        assert_eq!(retired.signer(&PARTS, &signed), Signer::Unknown);
        assert_eq!(retired.signer(&PARTS, &new.sign(&PARTS)), Signer::Now);
        assert_eq!(retired.mark("a"), old.mark("a"));
        for key in [&old, &new, &retired, &retired.rotated([3; 32]).unwrap()] {
            let read = MarkKey::parse(key.text().as_bytes()).unwrap();
            assert_eq!((read.text(), read.mark("a"), read.sign(&PARTS)), (key.text(), key.mark("a"), key.sign(&PARTS)));
        }
    }

    #[test]
    fn the_file_of_one_key_is_read_as_ever_and_nonsense_is_refused() {
        assert_eq!(MarkKey::parse(&[7; 32]).unwrap().mark("a"), MarkKey::new([7; 32]).mark("a"));
        let line = "07".repeat(32);
        assert_eq!(
            MarkKey::parse(format!("\n {line} \r\n").as_bytes()).unwrap().mark("a"),
            MarkKey::new([7; 32]).mark("a")
        );
        for text in [
            "",
            "\n",
            "x",
            &line[2..],
            &format!("secrets {line}"),
            &format!("{line}\nsecrets x"),
            &format!("{line}\nx"),
        ] {
            assert!(MarkKey::parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(MarkKey::parse(format!("{line}\n").repeat(17).as_bytes()).is_none());
    }
}
