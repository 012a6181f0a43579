//! Lines of dnsmasq's configuration ⇄ rows of a zone. Pure.
//!
//! | line | rows |
//! | --- | --- |
//! | `host-record=name[,name…],address[,address…][,ttl]` | A and AAAA |
//! | `cname=alias[,alias…],target[,ttl]` | CNAME |
//! | `txt-record=name,"text"[,"text"…]` | TXT, always with dnsmasq's own time to live |
//!
//! Measured with dnsmasq 2.90: text in double quotes may hold commas; `\` escapes a quote and itself.

use std::net::IpAddr;

/// One string of a TXT record holds at most so many bytes (RFC 1035 §3.3).
const TEXT_BYTES_MAX: usize = 255;

/// What one name has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfLine {
    /// Lower case, no final dot.
    pub name: String,
    pub record_type: &'static str,
    /// In the product's spelling: a CNAME's target ends in a dot.
    pub value: String,
    /// Seconds; 0: the line names none.
    pub ttl: u32,
}

/// The records of a line; none where it is about something else.
pub fn read(line: &str) -> Vec<ConfLine> {
    let Some((option, rest)) = line.trim_start().split_once('=') else { return Vec::new() };
    let parts = split(rest);
    match option.trim_end() {
        "host-record" => host_record(parts),
        "cname" => cname(parts),
        "txt-record" => txt_record(parts),
        _ => Vec::new(),
    }
}

/// The line of one record.
pub fn write(entry: &ConfLine) -> String {
    let ConfLine { name, record_type, value, ttl } = entry;
    let ttl = if *ttl == 0 { String::new() } else { format!(",{ttl}") };
    match *record_type {
        "CNAME" => format!("cname={name},{}{ttl}", value.trim_end_matches('.')),
        "TXT" => format!("txt-record={name},{}", quoted(value)),
        _ => format!("host-record={name},{value}{ttl}"),
    }
}

fn host_record(parts: Vec<String>) -> Vec<ConfLine> {
    let (mut names, mut addresses, mut ttl) = (Vec::new(), Vec::new(), 0);
    for part in parts {
        if let Ok(address) = part.parse::<IpAddr>() {
            addresses.push(address);
        } else if let Some(seconds) = part.parse().ok().filter(|_| !names.is_empty()) {
            ttl = seconds;
        } else {
            names.push(host_name(&part));
        }
    }
    let entry = |name: &String, address: &IpAddr| {
        let record_type = if address.is_ipv4() { "A" } else { "AAAA" };
        ConfLine { name: name.clone(), record_type, value: address.to_string(), ttl }
    };
    names.iter().flat_map(|name| addresses.iter().map(|address| entry(name, address)).collect::<Vec<_>>()).collect()
}

fn cname(mut parts: Vec<String>) -> Vec<ConfLine> {
    let ttl = parts.last().and_then(|part| part.parse().ok());
    if ttl.is_some() {
        parts.pop();
    }
    let Some(target) = parts.pop() else { return Vec::new() };
    let (value, ttl) = (format!("{}.", host_name(&target)), ttl.unwrap_or(0));
    let entry = |alias: String| ConfLine { name: host_name(&alias), record_type: "CNAME", value: value.clone(), ttl };
    parts.into_iter().map(entry).collect()
}

fn txt_record(mut parts: Vec<String>) -> Vec<ConfLine> {
    if parts.is_empty() {
        return Vec::new();
    }
    let name = host_name(&parts.remove(0));
    vec![ConfLine { name, record_type: "TXT", value: parts.concat(), ttl: 0 }]
}

fn host_name(text: &str) -> String {
    text.trim_end_matches('.').to_lowercase()
}

/// The parts between commas, without their quotes. What follows ` #` is a comment.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut in_quotes, mut was_quoted) = (false, false);
    let mut letters = text.trim().chars().peekable();
    let end = |part: &mut String, was_quoted: &mut bool| {
        let whole = std::mem::take(part);
        if std::mem::take(was_quoted) { whole } else { whole.trim().to_owned() }
    };
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if in_quotes => part.extend(letters.next()),
            '"' => (in_quotes, was_quoted) = (!in_quotes, true),
            ',' if !in_quotes => parts.push(end(&mut part, &mut was_quoted)),
            '#' if !in_quotes && part.ends_with(char::is_whitespace) => break,
            _ => part.push(letter),
        }
    }
    parts.push(end(&mut part, &mut was_quoted));
    parts
}

fn quoted(text: &str) -> String {
    let mut strings = vec![String::new()];
    for letter in text.chars() {
        let bytes = strings.last().map_or(0, |last| last.replace("\\\"", "\"").replace("\\\\", "\\").len());
        if bytes + letter.len_utf8() > TEXT_BYTES_MAX {
            strings.push(String::new());
        }
        let Some(last) = strings.last_mut() else { continue };
        if matches!(letter, '"' | '\\') {
            last.push('\\');
        }
        last.push(letter);
    }
    let strings: Vec<String> = strings.into_iter().map(|string| format!("\"{string}\"")).collect();
    strings.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, record_type: &'static str, value: &str, ttl: u32) -> ConfLine {
        ConfLine { name: name.to_owned(), record_type, value: value.to_owned(), ttl }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let long = "x".repeat(300);
        for entry in [
            entry("cloud.home.example", "A", "192.0.2.1", 120),
            entry("cloud.home.example", "AAAA", "2001:db8::1", 0),
            entry("www.home.example", "CNAME", "cloud.home.example.", 60),
            entry("t.home.example", "TXT", "a \"quoted\", \\ text # with a sign", 0),
            entry("t.home.example", "TXT", &long, 0),
        ] {
            assert_eq!(read(&write(&entry)), [entry]);
        }
    }

    #[test]
    fn lines_of_others_are_read() {
        let both = read("host-record = Two.home.example , alias.home.example,192.0.2.1,2001:db8::1,90 # ours");
        assert_eq!(both.len(), 4, "{both:?}");
        assert_eq!(both[1], entry("two.home.example", "AAAA", "2001:db8::1", 90));
        let aliases = read("cname=a.home.example,b.home.example,cloud.home.example");
        assert_eq!(aliases[1], entry("b.home.example", "CNAME", "cloud.home.example.", 0));
        assert_eq!(read("txt-record=t.home.example,\"one\",\"two\"")[0].value, "onetwo");
        for other in ["domain=home.example", "# host-record=a,192.0.2.1", "", "no-hosts"] {
            assert_eq!(read(other), [], "{other}");
        }
    }
}
