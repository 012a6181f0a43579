//! The text of a record as OVH stores it → data of a DNS answer.

use hickory_proto::rr::rdata::{NULL, TXT};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::BinEncodable;
use hickory_proto::serialize::txt::Parser;

/// Length of one string within a TXT record (RFC 1035 §3.3).
pub(crate) const TXT_STRING_MAX: usize = 255;

/// Names without a final dot are relative to `origin`, as in a zone file.
pub(super) fn parse(origin: &Name, kind: &str, target: &str) -> Result<RData, String> {
    if target.chars().any(char::is_control) {
        return Err("control character in the data".to_owned());
    }
    match kind {
        // OVH's own types are TXT in the DNS (dnscontrol issue 2488).
        "TXT" | "SPF" | "DKIM" | "DMARC" => {
            let strings = strings(target)?;
            let bytes = strings.iter().map(Vec::as_slice).collect();
            Ok(RData::TXT(TXT::from_bytes(bytes)))
        }
        "DNAME" => {
            let name = Name::parse(target, Some(origin)).map_err(|error| error.to_string())?;
            let bytes = name.to_bytes().map_err(|error| error.to_string())?;
            Ok(RData::Unknown { code: RecordType::DNAME, rdata: NULL::with(bytes) })
        }
        kind => {
            let line = format!("{origin} 1 IN {kind} {target}\n");
            let parser = Parser::new(line, None, Some(origin.clone()));
            let (_, sets) = parser.parse().map_err(|error| error.to_string())?;
            let record =
                sets.into_values().flat_map(|set| set.records_without_rrsigs().cloned().collect::<Vec<_>>()).next();
            record.map(|record| record.data).ok_or_else(|| "no data".to_owned())
        }
    }
}

/// `"a" "b"` → two strings; text without quotes → strings of 255 bytes.
fn strings(target: &str) -> Result<Vec<Vec<u8>>, String> {
    if !target.starts_with('"') {
        let chunks = target.as_bytes().chunks(TXT_STRING_MAX);
        return Ok(chunks.map(<[u8]>::to_vec).collect());
    }
    let mut strings = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    let mut bytes = target.bytes();
    while let Some(byte) = bytes.next() {
        match (&mut open, byte) {
            (None, b'"') => open = Some(Vec::new()),
            (None, b' ') => (),
            (None, _) => return Err("text outside of the quotes".to_owned()),
            (Some(string), b'"') => {
                if string.len() > TXT_STRING_MAX {
                    return Err(format!("a string of {} bytes", string.len()));
                }
                strings.push(std::mem::take(string));
                open = None;
            }
            (Some(string), b'\\') => string.push(escaped(&mut bytes)?),
            (Some(string), byte) => string.push(byte),
        }
    }
    match open {
        Some(_) => Err("a quote is missing".to_owned()),
        None => Ok(strings),
    }
}

/// `\"` and, in decimal, `\034` (RFC 1035 §5.1).
fn escaped(bytes: &mut std::str::Bytes<'_>) -> Result<u8, String> {
    let unfinished = || "an escape without its end".to_owned();
    let first = bytes.next().ok_or_else(unfinished)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut number = u32::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or_else(unfinished)?;
        number = number * 10 + u32::from(digit - b'0');
    }
    u8::try_from(number).map_err(|_| format!("\\{number} is not a byte"))
}
