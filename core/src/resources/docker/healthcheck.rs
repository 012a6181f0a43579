//! The field `healthcheck` of a container: how Docker finds out whether it works. What is absent, the image or Docker decides.

use std::collections::BTreeMap;

use crate::model::Value;
use crate::model::service::Healthcheck;

/// A healthcheck; spans are in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthcheckSpec {
    /// `[CMD, …]`, `[CMD-SHELL, …]` or `[NONE]`.
    pub test: Option<Vec<String>>,
    /// Between two probes.
    pub interval_ms: Option<i64>,
    /// For one probe.
    pub timeout_ms: Option<i64>,
    /// While it starts, in which a probe that fails does not count.
    pub start_period_ms: Option<i64>,
    /// Between two probes while it starts.
    pub start_interval_ms: Option<i64>,
    /// Probes that fail until it counts as unhealthy.
    pub retries: Option<i64>,
}

impl From<&Healthcheck> for HealthcheckSpec {
    fn from(check: &Healthcheck) -> Self {
        Self {
            // Without one, it is the image's.
            test: (!check.test.is_empty()).then(|| check.test.clone()),
            interval_ms: check.interval_ms,
            timeout_ms: check.timeout_ms,
            start_period_ms: check.start_period_ms,
            start_interval_ms: check.start_interval_ms,
            retries: check.retries,
        }
    }
}

impl HealthcheckSpec {
    /// As the field.
    pub fn value(&self) -> Value {
        let numbers = [
            ("interval_ms", self.interval_ms),
            ("timeout_ms", self.timeout_ms),
            ("start_period_ms", self.start_period_ms),
            ("start_interval_ms", self.start_interval_ms),
            ("retries", self.retries),
        ];
        let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), Value::Int(number?))));
        let mut entries: BTreeMap<String, Value> = numbers.collect();
        entries.extend(self.test.as_ref().map(|test| ("test".to_owned(), Value::texts(test))));
        Value::Map(entries)
    }

    /// Reads the field; `None` when it is no map.
    pub fn parse(value: &Value) -> Option<Self> {
        let entries = value.entries()?;
        let number = |name: &str| entries.get(name).and_then(Value::as_int);
        Some(Self {
            test: entries.get("test").map(|test| test.strings().into_iter().map(str::to_owned).collect()),
            interval_ms: number("interval_ms"),
            timeout_ms: number("timeout_ms"),
            start_period_ms: number("start_period_ms"),
            start_interval_ms: number("start_interval_ms"),
            retries: number("retries"),
        })
    }
}
