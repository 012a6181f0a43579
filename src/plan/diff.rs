//! Compares the fields of one resource under the rules of its kind.

use crate::model::{FieldDiff, Fields, KindSchema, Rule, Value, World};

/// What differs between `wanted` and `observed`, in the order of the schema.
///
/// A field that was applied once and is wanted no more goes back to its default, where it has one.
pub fn compare(
    schema: &KindSchema,
    wanted: &Fields,
    observed: &Fields,
    applied: Option<&Fields>,
) -> Vec<(Rule, FieldDiff)> {
    let mut diffs = Vec::new();
    for field in schema.fields {
        if field.rule == Rule::Observed {
            continue;
        }
        let released = || {
            applied.and_then(|applied| applied.get(field.name))?;
            serde_json::from_str(field.default?).ok()
        };
        let Some(target) = wanted.get(field.name).cloned().or_else(released) else { continue };
        if target.is_unresolved() {
            continue;
        }
        compare_value(field.rule, field.name, &target, observed.get(field.name), &mut diffs);
    }
    diffs
}

/// The same fields with every output that is known by now made a literal.
pub fn resolve(fields: &Fields, world: &World) -> Fields {
    Fields(fields.0.iter().map(|(name, value)| (name.clone(), resolve_value(value, world))).collect())
}

fn resolve_value(value: &Value, world: &World) -> Value {
    match value {
        Value::Output { of, field } => {
            let known = world.seen.get(of).and_then(|seen| seen.fields.get(field)).cloned();
            known.unwrap_or_else(|| value.clone())
        }
        Value::List(items) => Value::List(items.iter().map(|item| resolve_value(item, world)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(key, item)| (key.clone(), resolve_value(item, world))).collect())
        }
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Secret { .. } => value.clone(),
    }
}

/// Whether two values say the same under a rule.
pub fn same(rule: Rule, wanted: &Value, observed: &Value) -> bool {
    match (wanted, observed) {
        (Value::Secret { mark: wanted, .. }, Value::Secret { mark: observed, .. }) => wanted == observed,
        (Value::List(wanted), Value::List(observed)) if rule == Rule::Set => sorted(wanted) == sorted(observed),
        (Value::Map(wanted), Value::Map(observed)) => {
            wanted.iter().all(|(key, value)| observed.get(key).is_some_and(|seen| same(rule, value, seen)))
        }
        (wanted, observed) => wanted == observed,
    }
}

fn sorted(items: &[Value]) -> Vec<&Value> {
    let mut items: Vec<&Value> = items.iter().collect();
    items.sort();
    items
}

fn compare_value(rule: Rule, path: &str, wanted: &Value, observed: Option<&Value>, diffs: &mut Vec<(Rule, FieldDiff)>) {
    // A map is shown entry by entry; entries that are not wanted are not managed.
    if let (Value::Map(wanted), Some(Value::Map(observed))) = (wanted, observed) {
        for (key, value) in wanted {
            compare_value(rule, &format!("{path}.{key}"), value, observed.get(key), diffs);
        }
        return;
    }
    if !observed.is_some_and(|observed| same(rule, wanted, observed)) {
        let diff = FieldDiff { field: path.to_owned(), from: observed.cloned(), to: Some(wanted.clone()) };
        diffs.push((rule, diff));
    }
}
