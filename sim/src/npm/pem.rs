//! Reads of a certificate what NPM shows of it, and whether a key is its own. No signature is checked.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// What is read of a certificate. Times in seconds since 1970.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    pub common_name: String,
    pub issuer: String,
    pub not_before: i64,
    pub not_after: i64,
    /// The modulus or point that the key must hold too.
    public: Vec<u8>,
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;

/// The object identifier 2.5.4.3 with its header.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

/// The first certificate of a PEM text.
pub(super) fn certificate(text: &str) -> Option<Certificate> {
    let der = block(text, "CERTIFICATE")?;
    let (whole, _) = expect(&der, SEQUENCE)?;
    let (signed, _) = expect(whole, SEQUENCE)?;
    // Version (optional), serial number and algorithm come first.
    let (tag, _, mut rest) = element(signed)?;
    if tag != INTEGER {
        (_, rest) = expect(rest, INTEGER)?;
    }
    let (_, rest) = expect(rest, SEQUENCE)?;
    let (issuer, rest) = expect(rest, SEQUENCE)?;
    let (validity, rest) = expect(rest, SEQUENCE)?;
    let (subject, rest) = expect(rest, SEQUENCE)?;
    let (key, _) = expect(rest, SEQUENCE)?;
    let (from_tag, from, until) = element(validity)?;
    let (until_tag, until, _) = element(until)?;
    Some(Certificate {
        common_name: common_name(subject)?,
        issuer: common_name(issuer).unwrap_or_default(),
        not_before: time(from_tag, from)?,
        not_after: time(until_tag, until)?,
        public: public(key)?,
    })
}

/// Whether a PEM key has the public part of `certificate` in it.
pub(super) fn holds_key(text: &str, certificate: &Certificate) -> bool {
    let labels = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
    let key = labels.into_iter().find_map(|label| block(text, label));
    let public = certificate.public.as_slice();
    key.is_some_and(|key| key.windows(public.len()).any(|part| part == public))
}

fn public(key: &[u8]) -> Option<Vec<u8>> {
    let (_, rest) = expect(key, SEQUENCE)?;
    let (bits, _) = expect(rest, BIT_STRING)?;
    let bits = bits.get(1..)?;
    // RSA: the modulus is the first number inside. Anything else: the point as it is.
    let modulus = expect(bits, SEQUENCE).and_then(|(numbers, _)| expect(numbers, INTEGER));
    Some(modulus.map_or(bits, |(modulus, _)| modulus).to_vec())
}

fn common_name(name: &[u8]) -> Option<String> {
    let at = name.windows(COMMON_NAME.len()).position(|part| part == COMMON_NAME)?;
    let (_, text, _) = element(name.get(at + COMMON_NAME.len()..)?)?;
    String::from_utf8(text.to_vec()).ok()
}

fn time(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let text = match tag {
        UTC_TIME => format!("20{text}"),
        _ => text.to_owned(),
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Content and rest of an element that must have `tag`.
fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(bytes)?;
    (found == tag).then_some((content, rest))
}

fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(*short), rest),
        long => {
            let digits = usize::from(long & 0x7f);
            // Four bytes of length are more than any upload may have.
            if digits > 4 {
                return None;
            }
            let (digits, rest) = rest.split_at_checked(digits)?;
            let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
            (length, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn block(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    base64(body)
}

/// Decodes base64, spaces and line breaks allowed, padding optional.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0_u32);
    for sign in text.bytes() {
        let digit = match sign {
            b'A'..=b'Z' => sign - b'A',
            b'a'..=b'z' => sign - b'a' + 26,
            b'0'..=b'9' => sign - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' | b'\r' | b'\n' | b' ' => continue,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}
