//! Checks a body as NPM's validator does, objections word for word, and coerces as it coerces.
//!
//! All objections are listed at once, joined with ", " (ph-create-many-errors). Pure.

use std::net::Ipv6Addr;

use serde_json::{Map, Value};

/// The fields of one object; any other field is refused.
#[derive(Debug)]
pub(super) struct Schema {
    pub required: &'static [&'static str],
    pub fields: &'static [Field],
}

/// One allowed field.
#[derive(Debug)]
pub(super) struct Field {
    pub name: &'static str,
    pub rule: Rule,
}

/// What a value may be.
#[derive(Debug)]
pub(super) enum Rule {
    Domains { min: usize },
    Text { min: usize, max: Option<usize> },
    Texts,
    OneOf(&'static [&'static str]),
    Like(Pattern),
    Integer { min: i64, max: i64 },
    IdOrNull,
    Flag,
    Object(Option<&'static Schema>),
    List(&'static Schema),
    CertificateId,
    Address,
}

/// Patterns that NPM quotes in its objections.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pattern {
    /// `forward_domain_name` of a redirection.
    DomainName,
    /// `provider` of a certificate.
    Provider,
}

/// Whether absent fields are objected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// POST: required fields must be there.
    Whole,
    /// PUT: at least one field.
    Part,
}

const DOMAINS_MAX: usize = 100;
const DOMAIN: &str = "^[^&| @!#%^();:/\\\\}{=+?<>,~`'\"]+$";
const DOMAIN_FORBIDDEN: &str = "&| @!#%^();:/\\}{=+?<>,~`'\"";

/// The fields of `body`, coerced.
///
/// # Errors
/// The objections as NPM words them.
pub(super) fn check(schema: &Schema, scope: Scope, body: Value) -> Result<Map<String, Value>, String> {
    let Value::Object(mut fields) = body else {
        return Err("data must be object".to_owned());
    };
    let mut objections = Vec::new();
    if scope == Scope::Part && fields.is_empty() {
        objections.push("data must NOT have fewer than 1 properties".to_owned());
    }
    check_object(schema, scope, "data", &mut fields, &mut objections);
    if objections.is_empty() { Ok(fields) } else { Err(objections.join(", ")) }
}

fn check_object(
    schema: &Schema,
    scope: Scope,
    path: &str,
    fields: &mut Map<String, Value>,
    objections: &mut Vec<String>,
) {
    if scope == Scope::Whole {
        for name in schema.required {
            if !fields.contains_key(*name) {
                objections.push(format!("{path} must have required property '{name}'"));
            }
        }
    }
    for name in fields.keys() {
        if !schema.fields.iter().any(|field| field.name == name) {
            objections.push(format!("{path} must NOT have additional properties"));
        }
    }
    for field in schema.fields {
        if let Some(value) = fields.get_mut(field.name) {
            check_value(&field.rule, &format!("{path}/{}", field.name), value, objections);
        }
    }
}

fn check_value(rule: &Rule, path: &str, value: &mut Value, objections: &mut Vec<String>) {
    match rule {
        Rule::Domains { min } => check_domains(*min, path, value, objections),
        Rule::Texts => {
            if !value.is_array() {
                objections.push(format!("{path} must be array"));
            }
        }
        Rule::Text { min, max } => {
            let Some(text) = coerce_text(path, value, objections) else {
                return;
            };
            let length = text.chars().count();
            if length < *min {
                objections.push(format!("{path} must NOT have fewer than {min} characters"));
            }
            if let Some(max) = max.filter(|max| length > *max) {
                objections.push(format!("{path} must NOT have more than {max} characters"));
            }
        }
        Rule::OneOf(allowed) => {
            if let Some(text) = coerce_text(path, value, objections)
                && !allowed.contains(&text.as_str())
            {
                objections.push(format!("{path} must be equal to one of the allowed values"));
            }
        }
        Rule::Like(pattern) => {
            if let Some(text) = coerce_text(path, value, objections)
                && !pattern.holds(&text)
            {
                objections.push(format!("{path} must match pattern \"{}\"", pattern.text()));
            }
        }
        Rule::Integer { min, max } => check_integer(*min, *max, path, value, objections),
        Rule::IdOrNull => {
            if !value.is_null() {
                check_integer(i64::MIN, i64::MAX, path, value, objections);
            }
        }
        Rule::Flag => match coerce_flag(value) {
            Some(flag) => *value = Value::Bool(flag),
            None => objections.push(format!("{path} must be boolean")),
        },
        Rule::Object(schema) => match (value.as_object_mut(), schema) {
            (None, _) => objections.push(format!("{path} must be object")),
            (Some(_), None) => (),
            (Some(fields), Some(schema)) => {
                check_object(schema, Scope::Whole, path, fields, objections);
            }
        },
        Rule::List(schema) => {
            let Some(entries) = value.as_array_mut() else {
                objections.push(format!("{path} must be array"));
                return;
            };
            for (index, entry) in entries.iter_mut().enumerate() {
                let path = format!("{path}/{index}");
                match entry.as_object_mut() {
                    Some(fields) => check_object(schema, Scope::Whole, &path, fields, objections),
                    None => objections.push(format!("{path} must be object")),
                }
            }
        }
        Rule::CertificateId => check_certificate_id(path, value, objections),
        Rule::Address => check_address(path, value, objections),
    }
}

fn check_domains(min: usize, path: &str, value: &mut Value, objections: &mut Vec<String>) {
    let Some(names) = value.as_array_mut() else {
        objections.push(format!("{path} must be array"));
        return;
    };
    if names.len() > DOMAINS_MAX {
        objections.push(format!("{path} must NOT have more than {DOMAINS_MAX} items"));
    }
    if names.len() < min {
        objections.push(format!("{path} must NOT have fewer than {min} items"));
    }
    let twice = (0..names.len()).rev().find_map(|later| {
        let earlier = names[..later].iter().rposition(|name| *name == names[later])?;
        Some((later, earlier))
    });
    if let Some((later, earlier)) = twice {
        objections.push(format!("{path} must NOT have duplicate items (items ## {later} and {earlier} are identical)"));
    }
    for (index, name) in names.iter_mut().enumerate() {
        let path = format!("{path}/{index}");
        if let Some(text) = coerce_text(&path, name, objections)
            && (text.is_empty() || text.chars().any(|sign| DOMAIN_FORBIDDEN.contains(sign)))
        {
            objections.push(format!("{path} must match pattern \"{DOMAIN}\""));
        }
    }
}

fn check_integer(min: i64, max: i64, path: &str, value: &mut Value, objections: &mut Vec<String>) {
    let Some(number) = coerce_integer(value) else {
        objections.push(format!("{path} must be integer"));
        return;
    };
    *value = Value::from(number);
    if number > max {
        objections.push(format!("{path} must be <= {max}"));
    }
    if number < min {
        objections.push(format!("{path} must be >= {min}"));
    }
}

/// `anyOf` integer and `"new"`: every branch coerces, see `hosts::clean_tls` for what comes of it.
fn check_certificate_id(path: &str, value: &mut Value, objections: &mut Vec<String>) {
    if value.as_str() == Some("new") {
        return;
    }
    match coerce_integer(value) {
        Some(number) if number >= 0 => *value = Value::from(number),
        Some(_) | None => {
            let first = match coerce_integer(value) {
                Some(_) => "must be >= 0",
                None => "must be integer",
            };
            objections.push(format!("{path} {first}"));
            objections.push(format!("{path} must match pattern \"^new$\""));
            objections.push(format!("{path} must match a schema in anyOf"));
        }
    }
}

fn check_address(path: &str, value: &mut Value, objections: &mut Vec<String>) {
    let Some(text) = coerce_text(path, value, objections) else {
        return;
    };
    if text == "all" || is_ipv4_range(&text) || is_ipv6_range(&text) {
        return;
    }
    for pattern in [IPV4_RANGE, IPV6_RANGE, "^all$"] {
        objections.push(format!("{path} must match pattern \"{pattern}\""));
    }
    objections.push(format!("{path} must match exactly one schema in oneOf"));
}

fn is_ipv4_range(text: &str) -> bool {
    let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
    let parts: Vec<&str> = address.split('.').collect();
    let digits = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 4 && parts.iter().all(digits) && bits.parse::<u8>().is_ok_and(|bits| bits <= 32)
}

fn is_ipv6_range(text: &str) -> bool {
    let (address, bits) = text.split_once('/').unwrap_or((text, "128"));
    address.parse::<Ipv6Addr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 128)
}

fn coerce_text(path: &str, value: &mut Value, objections: &mut Vec<String>) -> Option<String> {
    let text = match value {
        Value::String(text) => return Some(text.clone()),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null => String::new(),
        Value::Array(_) | Value::Object(_) => {
            objections.push(format!("{path} must be string"));
            return None;
        }
    };
    *value = Value::String(text.clone());
    Some(text)
}

fn coerce_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Null => Some(0),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn coerce_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            Some(_) | None => None,
        },
        Value::String(text) if text == "true" => Some(true),
        Value::String(text) if text == "false" => Some(false),
        Value::Null => Some(false),
        Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Pattern {
    fn text(self) -> &'static str {
        match self {
            Self::DomainName => "^(?:[^.*]+\\.?)+[^.]$",
            Self::Provider => "^(letsencrypt|other)$",
        }
    }

    fn holds(self, text: &str) -> bool {
        match self {
            Self::DomainName => {
                text.chars().count() >= 2
                    && !text.contains('*')
                    && !text.contains("..")
                    && !text.starts_with('.')
                    && !text.ends_with('.')
            }
            Self::Provider => text == "letsencrypt" || text == "other",
        }
    }
}

const IPV4_RANGE: &str = r#"^([0-9]{1,3}\.){3}[0-9]{1,3}(/([0-9]|[1-2][0-9]|3[0-2]))?$"#;
/// As quoted in al-create-bad-address; NPM lost the backslashes.
const IPV6_RANGE: &str = r#"^s*((([0-9A-Fa-f]{1,4}:){7}([0-9A-Fa-f]{1,4}|:))|(([0-9A-Fa-f]{1,4}:){6}(:[0-9A-Fa-f]{1,4}|((25[0-5]|2[0-4]d|1dd|[1-9]?d)(.(25[0-5]|2[0-4]d|1dd|[1-9]?d)){3})|:))|(([0-9A-Fa-f]{1,4}:){5}(((:[0-9A-Fa-f]{1,4}){1,2})|:((25[0-5]|2[0-4]d|1dd|[1-9]?d)(.(25[0-5]|2[0-4]d|1dd|[1-9]?d)){3})|:))|(([0-9A-Fa-f]{1,4}:){4}(((:[0-9A-Fa-f]{1,4}){1,3})|((:[0-9A-Fa-f]{1,4})?:((25[0-5]|2[0-4]d|1dd|[1-9]?d)(.(25[0-5]|2[0-4]d|1dd|[1-9]?d)){3}))|:))|(([0-9A-Fa-f]{1,4}:){3}(((:[0-9A-Fa-f]{1,4}){1,4})|((:[0-9A-Fa-f]{1,4}){0,2}:((25[0-5]|2[0-4]d|1dd|[1-9]?d)(.(25[0-5]|2[0-4]d|1dd|[1-9]?d)){3}))|:))|(([0-9A-Fa-f]{1,4}:){2}(((:[0-9A-Fa-f]{1,4}){1,5})|((:[0-9A-Fa-f]{1,4}){0,3}:((25[0-5]|2[0-4]d|1dd|[1-9]?d)(.(25[0-5]|2[0-4]d|1dd|[1-9]?d)){3}))|:))|(([0-9A-Fa-f]{1,4}:){1}(((:[0-9A-Fa-f]{1,4}){1,6})|((:[0-9A-Fa-f]{1,4}){0,4}:((25[0-5]|2[0-4]d|1dd|[1-9]?d)(.(25[0-5]|2[0-4]d|1dd|[1-9]?d)){3}))|:))|(:(((:[0-9A-Fa-f]{1,4}){1,7})|((:[0-9A-Fa-f]{1,4}){0,5}:((25[0-5]|2[0-4]d|1dd|[1-9]?d)(.(25[0-5]|2[0-4]d|1dd|[1-9]?d)){3}))|:)))(%.+)?s*(/([0-9]|[1-9][0-9]|1[0-1][0-9]|12[0-8]))?$"#;
