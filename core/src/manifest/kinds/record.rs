//! DNS records and networks: `dns:`, kind `Record`, `network:`, subnets.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value as Json;

use super::ManifestKindRow;
use crate::manifest::compose::{container, unsupported};
use crate::manifest::policy::{host_names, records};
use crate::manifest::reader::{Reader, nothing_else};
use crate::manifest::resolve;
use crate::manifest::resolve::NameScope;
use crate::manifest::schema_keys::{link, object, record_keys, text};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::shown;
use crate::manifest::yaml::tree::NodeData;
use crate::model::service::{Dns, ManifestKind, Record, Service};
use crate::model::{Code, Text};
use crate::text;

/// The row of the kind.
pub(super) const ROW: ManifestKindRow = ManifestKindRow { kind: ManifestKind::RECORD, parse, schema };

/// Every record is a call at the vendor; no service has so many.
const RECORDS_MAX: usize = 200;
/// Longer texts do not fit an answer that UDP carries.
const VALUE_BYTES_MAX: usize = 4000;
const TYPES: [&str; 8] = ["A", "AAAA", "CNAME", "TXT", "CAA", "SRV", "MX", "NS"];

/// How a record is called among the manifests: its name as a label, and its type.
pub(crate) fn identity(name: &str, record_type: &str) -> String {
    let mut label = String::new();
    for letter in name.to_lowercase().chars() {
        match letter {
            '@' => label.push_str("apex"),
            '*' => label.push_str("wildcard"),
            '_' => (),
            '.' => label.push('-'),
            letter if letter.is_ascii_alphanumeric() || letter == '-' => label.push(letter),
            _ => label.push('-'),
        }
    }
    format!("{}-{}", label.trim_matches('-'), shown(&record_type.to_ascii_lowercase()))
}

/// Kind `Record`.
fn parse(mut reader: Reader<'_>, mut service: Service) -> Option<Service> {
    let scope = reader.scope;
    let spot = reader.entry("name").map_or(reader.spot, |entry| entry.value.spot);
    scope.claims.borrow_mut().name = Some(spot);
    let records = entries(&mut reader);
    reader.finish(&unsupported::small_kind_key);
    service.name.clone_from(&scope.name);
    service.host = "default".to_owned();
    service.dns = Dns::Records(records);
    Some(service)
}

/// `dns:` of a Service, Route or Redirect.
pub(crate) fn dns(reader: &mut Reader<'_>) -> Dns {
    let Some(node) = reader.node("dns") else { return Dns::Auto };
    let scope = reader.scope;
    let items = match &node.data {
        NodeData::List(items) => items,
        NodeData::Scalar(_) => {
            return match reader.choice("dns", &[("auto", false), ("none", true)]) {
                Some(true) => Dns::None,
                Some(false) | None => Dns::Auto,
            };
        }
        NodeData::Map(_) => {
            scope.wrong_type(node, "`dns`", text!("`auto`, `none` or a list of records"));
            return Dns::Auto;
        }
    };
    if items.len() > RECORDS_MAX {
        let message = text!("{n} records in one manifest, at most {most}", n = items.len(), most = RECORDS_MAX);
        scope.error(Code::A0108, reader.key_spot("dns"), message);
        return Dns::Auto;
    }
    let mut records = Vec::new();
    for item in items {
        if item.scalar().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()) {
            let message = text!("`dns` holds the address of a name server where a record belongs");
            let hint = text!("name servers of a container: move its keys below `containers:`, and `dns:` with them");
            scope.error_hint(Code::A0106, item.spot, message, hint);
            continue;
        }
        if let Some(mut reader) = Reader::open(scope, item, text!("a record"), "") {
            records.extend(entries(&mut reader));
            reader.finish(&nothing_else);
        }
    }
    Dns::Records(records)
}

/// The values of one record set: `type`, `name`, `value` or `values`, `ttl`.
fn entries(reader: &mut Reader<'_>) -> Vec<Record> {
    let scope = reader.scope;
    let spot = reader.spot;
    let record_type = reader.required("type", text!("as in {example}", example = "`type: CNAME`"));
    let record_type = record_type.and_then(|text| self::record_type(scope, &text));
    let name = reader.required("name", text!("as in `name: mail`, `@` for the domain itself"));
    let name = name.and_then(|text| Some((resolve::full_name(scope, &text, NameScope::Records)?, text.spot)));
    let ttl_s = ttl(reader).unwrap_or(scope.site.dns_ttl_s);
    let mut values: Vec<PlacedText> = reader.text("value").into_iter().collect();
    if reader.has("value") && reader.has("values") {
        scope.error(Code::A0106, reader.key_spot("values"), text!("`values` stands beside `value`"));
    }
    values.extend(reader.texts("values"));
    if !reader.has("value") && !reader.has("values") {
        reader.missing("value", text!("as in {example}", example = "`value: legacy.example.org.`"));
    }
    if values.len() > RECORDS_MAX {
        let message = text!("{n} values, at most {most}", n = values.len(), most = RECORDS_MAX);
        scope.error(Code::A0108, reader.key_spot("values"), message);
        return Vec::new();
    }
    let (Some(record_type), Some((name, name_spot))) = (record_type, name) else { return Vec::new() };
    // OVH refuses it as "Invalid domain name, underscore not allowed" (dnscontrol's notes on OVH).
    if ["A", "AAAA"].contains(&record_type.as_str()) && name.contains('_') {
        let message = text!("not the name of a host: {name}", name = format!("\"{}\"", shown(&name)));
        let hint = text!("a record with an address stands for a host, whose name has no `_`");
        scope.error_hint(Code::A0107, name_spot, message, hint);
        return Vec::new();
    }
    records::of_name(scope, &record_type, &name, name_spot);
    scope.claims.borrow_mut().records.push((name.clone(), record_type.clone(), name_spot));
    if values.len() > 1 && record_type == "CNAME" {
        scope.error(Code::A0106, reader.key_spot("values"), text!("a CNAME has one value"));
    }
    let mut records: Vec<Record> = Vec::new();
    for text in &values {
        let Some(value) = value(scope, &record_type, text) else { continue };
        if record_type == "CNAME" {
            host_names::judge_alias(scope, &name, &value, text.spot);
        }
        if records.iter().any(|other| other.value == value) {
            scope.error(Code::A0106, text.spot, text!("the same value twice"));
        }
        let origin = scope.origin(spot);
        records.push(Record { name: name.clone(), record_type: record_type.clone(), value, ttl_s, origin });
    }
    records
}

fn record_type(scope: &Scope<'_>, text: &PlacedText) -> Option<String> {
    let upper = text.text.to_ascii_uppercase();
    if !TYPES.contains(&upper.as_str()) {
        scope.not_allowed(text, "`type`", text!("one of {words}", words = TYPES.join(", ")));
        return None;
    }
    records::of_type(scope, &upper, text.spot);
    Some(upper)
}

fn ttl(reader: &mut Reader<'_>) -> Option<u32> {
    /// What the vendor takes.
    const TTL_MIN_S: i64 = 60;
    const TTL_MAX_S: i64 = 30 * 86_400;
    let spot = reader.key_spot("ttl");
    let seconds = container::duration(reader, "ttl")? / 1000;
    if !(TTL_MIN_S..=TTL_MAX_S).contains(&seconds) {
        reader.scope.error_hint(Code::A0106, spot, text!("`ttl` is out of range"), text!("from `1m` to `30d`"));
        return None;
    }
    u32::try_from(seconds).ok()
}

/// A value in the spelling that is compared; `None` when it is reported.
fn value(scope: &Scope<'_>, record_type: &str, text: &PlacedText) -> Option<String> {
    if text.text.len() > VALUE_BYTES_MAX {
        let message = text!("a record's value of more than {most} bytes", most = VALUE_BYTES_MAX.to_string());
        scope.error(Code::A0108, text.spot, message);
        return None;
    }
    if record_type == "TXT" && !records::of_text(scope, text) {
        return None;
    }
    let words: Vec<&str> = text.text.split_whitespace().collect();
    let value = match (record_type, words.as_slice()) {
        ("A", [ip]) => ip.parse::<Ipv4Addr>().ok().map(|ip| ip.to_string()),
        ("AAAA", [ip]) => ip.parse::<Ipv6Addr>().ok().map(|ip| ip.to_string()),
        ("CNAME" | "NS", [name]) => target(scope, name),
        ("MX", [priority, name]) => numbers_and_target(scope, &[priority], name),
        ("SRV", [priority, weight, port, name]) => numbers_and_target(scope, &[priority, weight, port], name),
        ("CAA", [flags, tag @ ("issue" | "issuewild" | "iodef"), rest @ ..]) => {
            let value = rest.join(" ");
            let quoted = format!("\"{}\"", value.trim_matches('"'));
            let is_good = flags.parse::<u8>().is_ok() && !rest.is_empty();
            is_good.then(|| format!("{flags} {tag} {quoted}"))
        }
        ("TXT", _) => {
            let is_quoted = text.text.len() > 1 && text.text.starts_with('"') && text.text.ends_with('"');
            let is_good = !is_quoted && !text.text.is_empty() && !text.text.chars().any(char::is_control);
            is_good.then(|| text.text.clone())
        }
        _ => None,
    };
    if value.is_none() {
        let value = shown(&text.text);
        let message = text!("a record of type {record_type} cannot be `{value}`", record_type, value);
        scope.error_hint(Code::A0106, text.spot, message, value_hint(record_type, words.len()));
    }
    value
}

/// What a value of so many words was to be.
fn value_hint(record_type: &str, words: usize) -> Text {
    match record_type {
        "A" => text!("an address, as in {example}", example = "`203.0.113.10`"),
        "AAAA" => text!("an address, as in {example}", example = "`2001:db8::1`"),
        "CNAME" | "NS" => text!("a name, as in {example}", example = "`legacy.example.org.`"),
        "MX" => text!("as in {example}", example = "`10 mail.example.org.`"),
        "SRV" if words == 4 => text!("as in {example}", example = "`10 5 5060 sip.example.org.`"),
        "SRV" => text!("priority, weight, port and name, as in {example}", example = "`10 5 5060 sip.example.org.`"),
        "TXT" => text!("plain text, without quotes inside it"),
        _ => text!("as in {example}", example = "`0 issue \"letsencrypt.org\"`"),
    }
}

/// A name, whole and with its dot.
fn target(scope: &Scope<'_>, name: &str) -> Option<String> {
    let whole = scope.site.full_name(name);
    let is_good = !whole.starts_with('*') && resolve::why_not_a_name(name, &whole, NameScope::Records).is_none();
    is_good.then(|| format!("{whole}."))
}

fn numbers_and_target(scope: &Scope<'_>, numbers: &[&str], name: &str) -> Option<String> {
    let mut words = Vec::new();
    for number in numbers {
        words.push(number.parse::<u16>().ok()?.to_string());
    }
    words.push(if name == "." { ".".to_owned() } else { target(scope, name)? });
    Some(words.join(" "))
}

fn schema() -> Json {
    let mut keys = vec![("kind", text(), "Record"), ("reconcile", link("kept"), "How it is kept")];
    keys.extend(record_keys());
    object(&["name", "type"], keys)
}
