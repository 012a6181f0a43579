//! How a value of each record type is spelled, so that two ways to write one value compare as equal. Pure.
//!
//! | type | spelling of a value |
//! | --- | --- |
//! | A, AAAA | the address, canonical |
//! | CNAME, DNAME, NS, PTR | absolute name, lower case, `xn--` where it is not ASCII, final dot |
//! | MX, SRV | numbers, then such a name, one space between |
//! | TXT (also the vendor's SPF, DKIM, DMARC, which are TXT in the DNS) | the text itself: no quotes, strings joined |
//! | CAA | `0 issue "letsencrypt.org"` |
//! | all others | one space between words |

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::site::ascii_name;

/// Length of one string within a TXT record (RFC 1035 §3.3).
const TXT_STRING_BYTES_MAX: usize = 255;
/// One value in the product's spelling. Names without a final dot lie in `zone`; without one they are whole.
///
/// # Errors
/// It is not of the type's form; the sentence says what is expected.
pub fn spell(record_type: &str, text: &str, zone: Option<&str>) -> Result<String, String> {
    match record_type {
        "A" => match text.trim().parse::<Ipv4Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err(format!("`{text}` is not an IPv4 address")),
        },
        "AAAA" => match text.trim().parse::<Ipv6Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err(format!("`{text}` is not an IPv6 address")),
        },
        "CNAME" | "DNAME" | "NS" | "PTR" => whole_name(text.trim(), zone),
        "MX" => {
            numbers_and_name(text, 1, zone).ok_or_else(|| format!("`{text}` is not of the form `10 mail.example.org.`"))
        }
        "SRV" => numbers_and_name(text, 3, zone)
            .ok_or_else(|| format!("`{text}` is not of the form `0 5 443 host.example.org.`")),
        "CAA" => {
            authorization(text).ok_or_else(|| format!("`{text}` is not of the form `0 issue \"letsencrypt.org\"`"))
        }
        "TXT" => Ok(text.to_owned()),
        "SSHFP" | "TLSA" => Ok(words(text).to_ascii_lowercase()),
        _ => Ok(words(text)),
    }
}

fn whole_name(text: &str, zone: Option<&str>) -> Result<String, String> {
    let lower = ascii_name(text);
    let whole = match (lower.strip_suffix('.'), zone) {
        (Some(_), _) => lower,
        (None, None) => format!("{lower}."),
        (None, Some(zone)) => format!("{}.", full_name(if lower == "@" { "" } else { &lower }, zone)),
    };
    let labels = whole.strip_suffix('.').unwrap_or(&whole);
    let sound = |label: &str| !label.is_empty() && label.len() <= 63 && !label.contains(char::is_whitespace);
    // A single dot is a name too: "no service here" in SRV and MX.
    if labels.is_empty() || (labels.len() <= 253 && labels.split('.').all(sound)) {
        Ok(whole)
    } else {
        Err(format!("`{text}` is not a host name"))
    }
}

fn numbers_and_name(text: &str, numbers: usize, zone: Option<&str>) -> Option<String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let (name, heads) = parts.split_last().filter(|(_, heads)| heads.len() == numbers)?;
    let mut spelled = Vec::new();
    for head in heads {
        spelled.push(head.parse::<u16>().ok()?.to_string());
    }
    spelled.push(whole_name(name, zone).ok()?);
    Some(spelled.join(" "))
}

fn authorization(text: &str) -> Option<String> {
    let (flags, rest) = text.trim().split_once(char::is_whitespace)?;
    let (tag, value) = rest.trim_start().split_once(char::is_whitespace)?;
    let flags: u8 = flags.parse().ok()?;
    let value = value.trim();
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    (!bare.contains('"') && tag.chars().all(char::is_alphanumeric))
        .then(|| format!("{flags} {} \"{bare}\"", tag.to_ascii_lowercase()))
}

/// Words with one space between them.
pub fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text as quoted strings of at most 255 bytes: the form that comes back for every TXT, whoever sent it bare.
pub fn quoted(text: &str) -> String {
    let mut strings = vec![String::new()];
    let mut length = 0;
    for character in text.chars() {
        if length + character.len_utf8() > TXT_STRING_BYTES_MAX {
            strings.push(String::new());
            length = 0;
        }
        length += character.len_utf8();
        if let Some(string) = strings.last_mut() {
            if matches!(character, '"' | '\\') {
                string.push('\\');
            }
            string.push(character);
        }
    }
    format!("\"{}\"", strings.join("\" \""))
}

/// The text of quoted strings, joined; text without quotes is itself.
pub fn unquoted(target: &str) -> String {
    let trimmed = target.trim();
    if !trimmed.starts_with('"') {
        return target.to_owned();
    }
    let mut bytes = Vec::new();
    let mut inside = false;
    let mut rest = trimmed.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' => inside = !inside,
            b'\\' if inside => {
                let (escaped, tail) = unescaped(tail);
                bytes.extend(escaped);
                rest = tail;
            }
            byte if inside => bytes.push(byte),
            // Space between two strings.
            _ => (),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What follows a backslash: `"` itself, or three decimal digits (RFC 1035 §5.1).
fn unescaped(rest: &[u8]) -> (Option<u8>, &[u8]) {
    let digits = rest.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u8>().ok());
    match (number, rest.split_first()) {
        (Some(number), _) => (Some(number), rest.get(3..).unwrap_or_default()),
        (None, Some((&byte, tail))) => (Some(byte), tail),
        (None, None) => (None, rest),
    }
}

/// The whole name of a sub-domain of a zone, lower case and in ASCII; the zone itself where the sub-domain is empty.
pub fn full_name(sub: &str, zone: &str) -> String {
    // The vendor takes and shows names in Unicode as well (external-dns sends them so).
    let sub = ascii_name(sub);
    if sub.is_empty() { zone.to_owned() } else { format!("{sub}.{zone}") }
}

/// `cloud` of `cloud.example.org` in the zone `example.org`; empty at the apex.
pub fn sub_domain<'a>(name: &'a str, zone: &str) -> &'a str {
    name.strip_suffix(zone).map_or(name, |rest| rest.strip_suffix('.').unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_spelling(record_type: &str, text: &str, expected: &str) {
        let spelled = spell(record_type, text, Some("example.org")).unwrap();
        assert_eq!(spelled, expected);
        assert_eq!(spell(record_type, &spelled, Some("example.org")).unwrap(), expected);
    }

    #[test]
    fn values_have_one_spelling() {
        check_spelling("A", " 192.0.2.1", "192.0.2.1");
        check_spelling("AAAA", "2001:0DB8:0:0::1", "2001:db8::1");
        check_spelling("CNAME", "www", "www.example.org.");
        check_spelling("CNAME", "@", "example.org.");
        check_spelling("CNAME", "Legacy.Example.NET.", "legacy.example.net.");
        check_spelling("CNAME", "Bücher", "xn--bcher-kva.example.org.");
        check_spelling("MX", "1  mx1.mail.ovh.net.", "1 mx1.mail.ovh.net.");
        check_spelling("MX", "0 .", "0 .");
        check_spelling("SRV", "0 5 443 Host", "0 5 443 host.example.org.");
        check_spelling("CAA", "0   ISSUE letsencrypt.org", "0 issue \"letsencrypt.org\"");
        check_spelling("CAA", "128 iodef \"mailto:a@example.org\"", "128 iodef \"mailto:a@example.org\"");
        check_spelling("SSHFP", "1  1 ABCDEF", "1 1 abcdef");
        check_spelling("TXT", "Kept  As-It.Is", "Kept  As-It.Is");
    }

    #[test]
    fn malformed_values_are_refused() {
        for (record_type, text) in [
            ("A", "2001:db8::1"),
            ("AAAA", "192.0.2.1"),
            ("A", "010.0.0.1"),
            ("CNAME", "two words"),
            ("CNAME", "a..b."),
            ("MX", "mail.example.org."),
            ("MX", "70000 mail.example.org."),
            ("SRV", "1 2 host."),
            ("CAA", "0 issue"),
            ("CAA", "0 issue \"a\" \"b\""),
        ] {
            assert!(spell(record_type, text, None).is_err(), "{record_type} {text}");
        }
    }

    #[test]
    fn text_survives_quoting() {
        let long = "k".repeat(600);
        let accents = "é".repeat(200);
        for text in ["v=spf1 -all", "a \"quoted\" \\ word", "", "semi;colon", &long, &accents] {
            assert_eq!(unquoted(&quoted(text)), text);
        }
        assert_eq!(quoted(&long).matches("\" \"").count(), 2);
        for string in quoted(&accents).trim_matches('"').split("\" \"") {
            assert!(string.len() <= 255);
        }
        assert_eq!(unquoted("\"a\\034b\" \"\\\"c\""), "a\"b\"c");
        assert_eq!(unquoted("bare text"), "bare text");
    }

    #[test]
    fn names_and_sub_domains_are_two_sides() {
        for (sub, name) in [("", "example.org"), ("a.b", "a.b.example.org"), ("*", "*.example.org")] {
            assert_eq!(full_name(sub, "example.org"), name);
            assert_eq!(sub_domain(name, "example.org"), sub);
        }
    }
}
