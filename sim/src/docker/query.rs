//! Reads query strings, and the `filters` of the list endpoints.

use std::collections::BTreeMap;

use serde_json::Value;

use super::state::{Answer, refuse};

/// A decoded query string.
#[derive(Debug, Default)]
pub(super) struct Query {
    values: BTreeMap<String, String>,
}

impl Query {
    pub(super) fn parse(written: &str) -> Self {
        let pairs = written.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        });
        Self { values: pairs.collect() }
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.values.get(key).map(String::as_str).unwrap_or_default()
    }

    /// True for everything but nothing, 0, no, false and none, as the engine reads it.
    pub(super) fn flag(&self, key: &str) -> bool {
        let value = self.text(key).to_ascii_lowercase();
        !matches!(value.trim(), "" | "0" | "no" | "false" | "none")
    }

    pub(super) fn number(&self, key: &str) -> Option<f64> {
        self.text(key).parse().ok()
    }

    /// The filters, all of them among `known`. Both the list and the map form are taken.
    pub(super) fn filters(&self, known: &[&str]) -> Answer<Filters> {
        let written = self.text("filters");
        if written.is_empty() {
            return Ok(Filters::default());
        }
        let Ok(Value::Object(parsed)) = serde_json::from_str(written) else {
            let first = written.chars().next().unwrap_or(' ');
            return refuse(400, format!("invalid character '{first}' looking for beginning of value"));
        };
        let mut filters = Filters::default();
        for (key, values) in parsed {
            if !known.contains(&key.as_str()) {
                return refuse(400, format!("Invalid filter '{key}'"));
            }
            let values = match values {
                Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                Value::Object(map) => map.keys().cloned().collect(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
            };
            filters.wanted.insert(key, values);
        }
        Ok(filters)
    }
}

/// Wanted values by filter name.
#[derive(Debug, Default)]
pub(super) struct Filters {
    wanted: BTreeMap<String, Vec<String>>,
}

impl Filters {
    pub(super) fn get(&self, key: &str) -> &[String] {
        self.wanted.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Nothing is asked for, or one of the values is met.
    pub(super) fn none_or(&self, key: &str, mut met: impl FnMut(&str) -> bool) -> bool {
        let wanted = self.get(key);
        wanted.is_empty() || wanted.iter().any(|value| met(value))
    }

    /// Every value is met: how labels are read.
    pub(super) fn all(&self, key: &str, mut met: impl FnMut(&str) -> bool) -> bool {
        self.get(key).iter().all(|value| met(value))
    }

    /// Names match as the engine's regular expressions do, as far as these go: `^`, `$` and a leading slash.
    pub(super) fn name(&self, key: &str, name: &str) -> bool {
        self.none_or(key, |wanted| {
            let (start, rest) = match wanted.strip_prefix('^') {
                Some(rest) => (true, rest),
                None => (false, wanted),
            };
            let (end, rest) = match rest.strip_suffix('$') {
                Some(rest) => (true, rest),
                None => (false, rest),
            };
            let rest = rest.strip_prefix('/').unwrap_or(rest);
            match (start, end) {
                (true, true) => name == rest,
                (true, false) => name.starts_with(rest),
                (false, true) => name.ends_with(rest),
                (false, false) => name.contains(rest),
            }
        })
    }
}

/// Percent-decoding; in queries a plus is a space.
pub(super) fn decode(written: &str, plus: bool) -> String {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let code = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, code.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', _) if plus => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
