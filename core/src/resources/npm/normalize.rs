//! Rewrites fields to the spelling that NPM answers with, and objects to what it would take and
//! then not serve. Pure; doing it twice changes nothing; a value known only later is left alone.
//!
//! NPM itself checks next to nothing: `has space`, `a;b` and `http://x` are accepted as an upstream.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use crate::model::{Fields, Kind, Value};
use crate::resources::Objection;

/// NPM's own limit.
const DOMAINS_MAX: usize = 100;
/// DNS's limits; NPM would take more and nobody could ask for it.
const DOMAIN_LENGTH_MAX: usize = 253;
const LABEL_LENGTH_MAX: usize = 63;
/// NPM's own limit.
const FORWARD_HOST_LENGTH_MAX: usize = 255;
/// htpasswd's limit.
const USER_LENGTH_MAX: usize = 255;

/// Rewrites the fields of one resource.
///
/// # Errors
/// NPM would refuse the value, or take it and not serve it.
pub fn normalize(kind: Kind, fields: &mut Fields) -> Result<(), Objection> {
    if kind.has_host_names() {
        site(fields)?;
    }
    let rule = RULES.iter().find(|(named, _)| *named == kind);
    rule.map_or(Ok(()), |(_, rule)| rule(fields))
}

type NormalRule = fn(&mut Fields) -> Result<(), Objection>;

/// What a kind has beside the names, the certificate and nginx's lines of every host.
const RULES: [(Kind, NormalRule); 4] = [
    (Kind::ProxyHost, |fields| {
        text(fields, "forward_scheme", |scheme| one_of(scheme, &["http", "https"]))?;
        text(fields, "forward_host", forward_host)?;
        number(fields, "forward_port", 1, 65_535)?;
        text(fields, "access_list", some_name)?;
        locations(fields)
    }),
    (Kind::Redirection, |fields| {
        text(fields, "scheme", |scheme| one_of(scheme, &["auto", "http", "https"]))?;
        text(fields, "to", redirect_target)?;
        number(fields, "code", 300, 308)
    }),
    (Kind::Stream, |fields| {
        number(fields, "port", 1, 65_535)?;
        text(fields, "forward_host", address)?;
        number(fields, "forward_port", 1, 65_535)
    }),
    (Kind::AccessList, |fields| {
        texts(fields, "allow", client)?;
        texts(fields, "deny", client)?;
        users(fields)
    }),
];

/// What all hosts that are known by names have in common. Each flag of TLS stands on another one, and on the certificate.
fn site(fields: &mut Fields) -> Result<(), Objection> {
    texts(fields, "domains", domain)?;
    at_least_one(fields, "domains")?;
    text(fields, "certificate", some_name)?;
    if let Some(given) = fields.text("advanced") {
        let written = lines(given);
        fields.set("advanced", Value::Text(written));
    }
    let stands_on = [
        ("force_https", fields.get("certificate") == Some(&Value::None)),
        ("http2", fields.get("certificate") == Some(&Value::None)),
        ("hsts", fields.get("certificate") == Some(&Value::None) || fields.flag("force_https") == Some(false)),
    ];
    for (flag, is_void) in stands_on {
        if is_void && fields.get(flag).is_some() {
            fields.set(flag, Value::Bool(false));
        }
    }
    if fields.flag("hsts") == Some(false) && fields.get("hsts_subdomains").is_some() {
        fields.set("hsts_subdomains", Value::Bool(false));
    }
    Ok(())
}

/// nginx resolves their hosts when it loads, and one that it cannot keeps every site down: addresses only.
fn locations(fields: &mut Fields) -> Result<(), Objection> {
    let Some(Value::List(items)) = fields.get("locations") else { return Ok(()) };
    let mut written = Vec::new();
    for item in items {
        let Value::Map(entries) = item else {
            return Err(objection("locations", "not a list of locations".to_owned()));
        };
        let mut entries = entries.clone();
        if let Some(host) = entries.get("host").and_then(Value::as_text) {
            let host = address(host).map_err(|why| objection("locations", why))?;
            entries.insert("host".to_owned(), Value::Text(host));
        }
        written.push(Value::Map(entries));
    }
    written.sort_by_key(|item| item.entries().and_then(|entries| entries.get("path").cloned()));
    fields.set("locations", Value::List(written));
    Ok(())
}

/// A rewritten text, or why not, as a sentence that ends in the value.
type CheckedText = Result<String, String>;

fn text(fields: &mut Fields, name: &'static str, rewrite: impl Fn(&str) -> CheckedText) -> Result<(), Objection> {
    if let Some(given) = fields.text(name) {
        let written = rewrite(given.trim()).map_err(|why| objection(name, why))?;
        fields.set(name, Value::Text(written));
    }
    Ok(())
}

fn texts(fields: &mut Fields, name: &'static str, rewrite: impl Fn(&str) -> CheckedText) -> Result<(), Objection> {
    let Some(Value::List(items)) = fields.get(name) else { return Ok(()) };
    let mut written = Vec::new();
    for item in items {
        written.push(match item.as_text() {
            Some(given) => Value::Text(rewrite(given.trim()).map_err(|why| objection(name, why))?),
            None => item.clone(),
        });
    }
    written.sort();
    written.dedup();
    fields.set(name, Value::List(written));
    Ok(())
}

fn number(fields: &Fields, name: &str, min: i64, max: i64) -> Result<(), Objection> {
    match fields.get(name).and_then(Value::as_int) {
        Some(given) if !(min..=max).contains(&given) => {
            Err(objection(name, format!("not a number from {min} to {max}: {given}")))
        }
        Some(_) | None => Ok(()),
    }
}

fn at_least_one(fields: &Fields, name: &str) -> Result<(), Objection> {
    match fields.get(name) {
        Some(Value::List(items)) if items.is_empty() => Err(objection(name, "at least one is needed".to_owned())),
        Some(Value::List(items)) if items.len() > DOMAINS_MAX => {
            Err(objection(name, format!("NPM takes {DOMAINS_MAX} at most, these are {}", items.len())))
        }
        Some(_) | None => Ok(()),
    }
}

fn users(fields: &Fields) -> Result<(), Objection> {
    let Some(entries) = fields.get("users").and_then(Value::entries) else { return Ok(()) };
    for name in entries.keys() {
        let wrong = name.is_empty()
            || name.len() > USER_LENGTH_MAX
            || name.contains(':')
            || name.chars().any(|c| c.is_control() || c.is_whitespace());
        if wrong {
            return Err(objection("users", format!("not a user name: `{}`", name.escape_debug())));
        }
    }
    Ok(())
}

/// Lines as we write them.
pub fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end().to_owned()
}

fn objection(field: &str, message: String) -> Objection {
    Objection { field: field.to_owned(), message }
}

fn one_of(given: &str, allowed: &[&str]) -> CheckedText {
    let lower = given.to_ascii_lowercase();
    if allowed.contains(&lower.as_str()) {
        Ok(lower)
    } else {
        Err(format!("not one of {}: `{}`", allowed.join(", "), given.escape_debug()))
    }
}

fn some_name(given: &str) -> CheckedText {
    if given.is_empty() { Err("an empty name".to_owned()) } else { Ok(given.to_owned()) }
}

/// A host name, or one below `*.`. NPM takes a bare `*`, capitals, a last dot and Unicode; nginx or browsers do not.
fn domain(given: &str) -> CheckedText {
    let lower = given.to_ascii_lowercase();
    let whole = lower.strip_suffix('.').unwrap_or(&lower);
    let name = whole.strip_prefix("*.").unwrap_or(whole);
    if !name.is_ascii() {
        return Err(format!("not in its ASCII form (xn--…): `{}`", given.escape_debug()));
    }
    let fits = whole.len() <= DOMAIN_LENGTH_MAX && name.split('.').all(is_label);
    if fits { Ok(whole.to_owned()) } else { Err(format!("not a host name: `{}`", given.escape_debug())) }
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty() && label.len() <= LABEL_LENGTH_MAX && label.bytes().all(plain)
}

/// NPM takes any 255 characters; a bare IPv6 address breaks the upstream, so it gets its brackets.
fn forward_host(given: &str) -> CheckedText {
    let inner = given.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = inner.unwrap_or(given).parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]"));
    }
    let name = given.strip_suffix('.').unwrap_or(given);
    let fits = given.len() <= FORWARD_HOST_LENGTH_MAX && name.split('.').all(is_label);
    if fits { Ok(given.to_owned()) } else { Err(format!("not a host name or address: `{}`", given.escape_debug())) }
}

/// As [`forward_host`], and no name.
fn address(given: &str) -> CheckedText {
    let written = forward_host(given)?;
    match written.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(_) => Ok(written),
        Err(_) => Err(format!("a name, and nginx would resolve it when it loads; not an address: `{written}`")),
    }
}

/// NPM writes it into nginx's configuration as it is, so nothing that means something to nginx.
fn redirect_target(given: &str) -> CheckedText {
    let host = given.split(['/', '?']).next().unwrap_or_default();
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "1"));
    let port_fits = port.parse::<u16>().is_ok_and(|port| port > 0);
    // NPM's own pattern: no star, no two dots in a row, no dot at either end.
    let npm_takes = !given.contains('*') && !given.contains("..") && !given.ends_with('.');
    let harmless = given.bytes().all(|byte| byte.is_ascii_graphic() && !b";{}\"'`\\$".contains(&byte));
    if port_fits && npm_takes && harmless && name.split('.').all(is_label) && !name.is_empty() {
        Ok(given.to_owned())
    } else {
        Err(format!("not a host name with an optional path: `{}`", given.escape_debug()))
    }
}

/// An address, a network or `all`.
fn client(given: &str) -> CheckedText {
    let lower = given.to_ascii_lowercase();
    let fits = lower == "all" || lower.parse::<IpAddr>().is_ok() || lower.parse::<IpNet>().is_ok();
    if fits { Ok(lower) } else { Err(format!("not an address, a network or `all`: `{}`", given.escape_debug())) }
}
