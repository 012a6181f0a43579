//! Compares the fields of one resource under the rules of its kind.

use std::borrow::Cow;

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
    compare_in(&World::default(), schema, wanted, observed, applied)
}

/// The same with what of `wanted` is known by now.
pub fn compare_in(
    world: &World,
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
        let released = || -> Option<Value> {
            applied.and_then(|applied| applied.get(field.name))?;
            serde_json::from_str(field.default?).ok()
        };
        let target = match wanted.get(field.name) {
            Some(later) if later.is_unresolved() => Cow::Owned(resolve_value(later, world)),
            Some(known) => Cow::Borrowed(known),
            None => match released() {
                Some(default) => Cow::Owned(default),
                None => continue,
            },
        };
        let observed = observed.get(field.name);
        let is_same = || observed.is_some_and(|observed| same(field.rule, &target, observed));
        if target.is_unresolved() || is_same() {
            continue;
        }
        differ(field.rule, field.name, &target, observed, &mut diffs);
    }
    diffs
}

/// Whether what was applied says the same as what is wanted, with what of that is known by now.
pub fn is_applied(wanted: &Fields, world: &World, applied: &Fields) -> bool {
    if wanted == applied && !wanted.is_unresolved() {
        return true;
    }
    wanted.iter().all(|(name, value)| {
        let known = applied.get(name);
        if !value.is_unresolved() {
            return known == Some(value);
        }
        match resolve_value(value, world) {
            later if later.is_unresolved() => known.is_some_and(|known| !known.is_unresolved()),
            value => known == Some(&value),
        }
    })
}

/// The same fields with every output that is known by now made a literal.
pub fn resolve(fields: &Fields, world: &World) -> Fields {
    // Most have no outputs.
    if !fields.is_unresolved() {
        return fields.clone();
    }
    fields.iter().map(|(name, value)| (name.clone(), resolve_value(value, world))).collect()
}

/// What the ledger keeps of a thing that is as wanted: of an output that is not known yet, what is there. Of a host that
/// cannot be seen later, the ledger is to know where it leads.
pub fn learned(wanted: &Fields, world: &World, seen: &Fields) -> Fields {
    let known = resolve(wanted, world);
    let known = known.iter().map(|(name, value)| {
        let there = seen.get(name).filter(|_| value.is_unresolved());
        (name.clone(), there.unwrap_or(value).clone())
    });
    known.collect()
}

/// The same of one value.
pub fn resolve_value(value: &Value, world: &World) -> Value {
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
        (Value::Map(wanted), Value::Map(observed)) if rule != Rule::Set || wanted.len() == observed.len() => {
            wanted.iter().all(|(key, value)| observed.get(key).is_some_and(|seen| same(rule, value, seen)))
        }
        (Value::List(wanted), Value::List(observed)) if rule == Rule::AtMost => {
            observed.iter().all(|item| wanted.contains(item))
        }
        (wanted, observed) => wanted == observed,
    }
}

fn sorted(items: &[Value]) -> Vec<&Value> {
    let mut items: Vec<&Value> = items.iter().collect();
    items.sort();
    items
}

/// What is not the same; a map is shown entry by entry, and entries that are not wanted are not managed, if others may
/// be there.
fn differ(rule: Rule, path: &str, wanted: &Value, observed: Option<&Value>, diffs: &mut Vec<(Rule, FieldDiff)>) {
    if let (Value::Map(wanted), Some(Value::Map(observed))) = (wanted, observed) {
        for (key, value) in wanted {
            let observed = observed.get(key);
            if !observed.is_some_and(|observed| same(rule, value, observed)) {
                differ(rule, &format!("{path}.{key}"), value, observed, diffs);
            }
        }
        for (key, value) in observed.iter().filter(|(key, _)| rule == Rule::Set && !wanted.contains_key(*key)) {
            diffs.push((rule, FieldDiff { field: format!("{path}.{key}"), from: Some(value.clone()), to: None }));
        }
        return;
    }
    let diff = FieldDiff { field: path.to_owned(), from: observed.cloned(), to: Some(wanted.clone()) };
    diffs.push((rule, diff));
}
