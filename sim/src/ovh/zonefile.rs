//! A zone as BIND text: what `/export` answers and `/import` takes.

use std::fmt::Write as _;

use super::state::{Row, quoted};
use crate::dns::Soa;

/// Column at which the class begins when the owner is short.
const OWNER_WIDTH: usize = 24;

/// A record of an imported text, not checked yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub sub: String,
    pub kind: String,
    pub target: String,
    pub ttl: u32,
}

/// The shape is that of users' zones: the apex first and without an owner, names relative, a TTL of
/// its own before the class. No ids, and OVH's own types as the TXT that they are in the DNS.
pub(super) fn export(rows: &[&Row], soa: &Soa) -> String {
    let mut text = format!(
        "$TTL {}\n@\tIN SOA {} {} ({} {} {} {} {})\n",
        soa.ttl, soa.server, soa.email, soa.serial, soa.refresh, soa.retry, soa.expire, soa.negative_ttl
    );
    let mut rows = rows.to_vec();
    rows.sort_by(|one, other| (&one.sub, &one.kind, one.id).cmp(&(&other.sub, &other.kind, other.id)));
    for row in rows {
        let (kind, target) = match row.kind.as_str() {
            "SPF" | "DKIM" | "DMARC" => ("TXT", quoted(&row.target)),
            kind => (kind, row.target.clone()),
        };
        let ttl = match row.ttl {
            0 => String::new(),
            ttl => format!("{ttl} "),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:<OWNER_WIDTH$} {ttl}IN {kind:<6} {target}", row.sub);
    }
    text
}

/// Records of a text for the zone `zone`; its SOA and `$TTL` change `soa`, whose serial stays the vendor's.
pub(super) fn parse(text: &str, zone: &str, soa: &mut Soa) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut origin = String::new();
    let mut owner = String::new();
    for line in lines(text)? {
        let refuse = |why: &str| format!("line {}: {why}", line.number);
        let mut words = line.words.iter().map(String::as_str).peekable();
        if !line.indented {
            match words.next() {
                Some("$TTL") => {
                    let ttl = words.next().and_then(|word| word.parse().ok());
                    soa.ttl = ttl.ok_or_else(|| refuse("$TTL without seconds"))?;
                    continue;
                }
                Some("$ORIGIN") => {
                    let name = words.next().ok_or_else(|| refuse("$ORIGIN without a name"))?;
                    origin = relative(name, "", zone).ok_or_else(|| refuse("not in this zone"))?;
                    continue;
                }
                Some(word) if word.starts_with('$') => return Err(refuse("unknown directive")),
                Some(name) => {
                    owner = relative(name, &origin, zone).ok_or_else(|| refuse("not in this zone"))?;
                }
                None => continue,
            }
        }
        let mut ttl = 0;
        while let Some(word) = words.peek() {
            match word.parse() {
                Ok(seconds) => ttl = seconds,
                Err(_) if word.eq_ignore_ascii_case("IN") => (),
                Err(_) => break,
            }
            words.next();
        }
        let kind = words.next().ok_or_else(|| refuse("no type"))?.to_uppercase();
        let data: Vec<&str> = words.collect();
        if kind == "SOA" {
            start_of_authority(&data, soa).ok_or_else(|| refuse("SOA needs seven values"))?;
            continue;
        }
        entries.push(Entry { sub: owner.clone(), kind, target: data.join(" "), ttl });
    }
    Ok(entries)
}

fn start_of_authority(data: &[&str], soa: &mut Soa) -> Option<()> {
    let [server, email, _serial, refresh, retry, expire, negative] = data else {
        return None;
    };
    soa.refresh = refresh.parse().ok()?;
    soa.retry = retry.parse().ok()?;
    soa.expire = expire.parse().ok()?;
    soa.negative_ttl = negative.parse().ok()?;
    (*server).clone_into(&mut soa.server);
    (*email).clone_into(&mut soa.email);
    Some(())
}

/// A name of the text → relative to the zone; `None` outside of it.
fn relative(name: &str, origin: &str, zone: &str) -> Option<String> {
    match name.strip_suffix('.') {
        None if name == "@" => Some(origin.to_owned()),
        None if origin.is_empty() => Some(name.to_owned()),
        None => Some(format!("{name}.{origin}")),
        Some(name) if name.eq_ignore_ascii_case(zone) => Some(String::new()),
        Some(name) => {
            let (head, tail) = name.split_at_checked(name.len().checked_sub(zone.len())?)?;
            let sub = head.strip_suffix('.')?;
            tail.eq_ignore_ascii_case(zone).then(|| sub.to_owned())
        }
    }
}

struct Line {
    number: usize,
    /// The owner is left out: that of the line before counts.
    indented: bool,
    words: Vec<String>,
}

/// Splits into words; quotes stay on them, comments go, parentheses join lines.
fn lines(text: &str) -> Result<Vec<Line>, String> {
    let mut lines: Vec<Line> = Vec::new();
    let mut depth = 0_usize;
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        let mut words = Vec::new();
        let was_open = depth > 0;
        split(raw, &mut words, &mut depth).map_err(|why| format!("line {number}: {why}"))?;
        match lines.last_mut() {
            Some(line) if was_open => line.words.extend(words),
            _ if words.is_empty() && depth == 0 => (),
            _ => lines.push(Line { number, indented: raw.starts_with([' ', '\t']), words }),
        }
    }
    if depth > 0 {
        return Err("a parenthesis is missing at the end".to_owned());
    }
    Ok(lines)
}

fn split(raw: &str, words: &mut Vec<String>, depth: &mut usize) -> Result<(), String> {
    let mut word = String::new();
    let mut quote = false;
    let mut characters = raw.chars();
    let mut end = |word: &mut String| {
        if !word.is_empty() {
            words.push(std::mem::take(word));
        }
    };
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                word.push(character);
                word.extend(characters.next());
            }
            '"' => {
                quote = !quote;
                word.push(character);
                if !quote {
                    end(&mut word);
                }
            }
            _ if quote => word.push(character),
            ';' => break,
            '(' => *depth += 1,
            ')' => {
                end(&mut word);
                *depth = depth.checked_sub(1).ok_or("a parenthesis too many")?;
            }
            space if space.is_whitespace() => end(&mut word),
            other => word.push(other),
        }
    }
    end(&mut word);
    if quote {
        return Err("a quote is missing".to_owned());
    }
    Ok(())
}
