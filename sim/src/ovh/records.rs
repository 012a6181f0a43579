//! `/domain/zone/{zone}/record` and `/record/{id}`.

use serde_json::{Value, json};

use super::state::{Row, State, Zone};
use crate::ovh_api::{Call, Reply, bad_request, no_such_object};

/// "Single batch is limited to 50 ids" (ovh-manager-telecom).
const BATCH_IDS_MAX: usize = 50;

/// Default page of the expanded list (a comment in ovh/manager).
const PAGE_SIZE: usize = 1000;

/// What PUT may not name (dnscontrol issues 483 and 2488 for `fieldType`).
const READ_ONLY: [&str; 3] = ["fieldType", "id", "zone"];

/// Ids, or whole records for a client that asks for `CachedObjectList-Pages`.
pub(super) fn list(state: &mut State, zone: &str, call: &Call) -> Reply {
    let apex_null = state.habits.apex_null;
    let expanded = state.habits.expanded && call.header("x-pagination-mode") == Some("CachedObjectList-Pages");
    let Some(zone) = state.zones.get_mut(zone) else {
        return no_such_object(zone);
    };
    let filter = Filter { kind: call.parameter("fieldType"), sub: call.parameter("subDomain") };
    if !expanded {
        let rows = zone.rows.values();
        let ids: Vec<u64> = rows.filter(|row| filter.takes(row)).map(|row| row.id).collect();
        return Reply::ok(json!(ids));
    }
    let fresh = call.header("pragma") == Some("no-cache");
    let rows: Vec<Row> = match zone.cached.take() {
        Some(rows) if !fresh => rows,
        _ => zone.rows.values().cloned().collect(),
    };
    zone.cached = Some(rows.clone());
    let rows: Vec<&Row> = rows.iter().filter(|row| filter.takes(row)).collect();
    let number = |name| call.header(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("x-pagination-size").unwrap_or(PAGE_SIZE).max(1);
    let page = number("x-pagination-number").unwrap_or(1).max(1);
    let page_rows: Vec<Value> = rows
        .iter()
        .skip((page - 1).saturating_mul(size))
        .take(size)
        .map(|row| shown(row, &zone.name, apex_null))
        .collect();
    let mut reply = Reply::ok(Value::Array(page_rows));
    reply.headers = vec![
        ("x-pagination-elements", rows.len().to_string()),
        ("x-pagination-number", page.to_string()),
        ("x-pagination-size", size.to_string()),
    ];
    reply
}

pub(super) fn create(state: &mut State, zone: &str, call: &Call) -> Reply {
    let sent = match Sent::read(&call.body) {
        Ok(sent) => sent,
        Err(refusal) => return refusal,
    };
    let (Some(kind), Some(target)) = (text(&call.body, "fieldType"), sent.target) else {
        // Guessed text; the schema requires both.
        return bad_request("Missing required parameter: fieldType, target");
    };
    let row = Row { id: state.next_id(), sub: sent.sub.unwrap_or_default(), kind, target, ttl: sent.ttl.unwrap_or(0) };
    let row = match row.checked(zone) {
        Ok(row) => row,
        Err(refusal) => return refusal,
    };
    let habits = &state.habits;
    let mut body = shown(&row, zone, habits.apex_null);
    if habits.id_zero {
        body["id"] = json!(0);
    }
    if let Some(zone) = state.zones.get_mut(zone) {
        zone.rows.insert(row.id, row);
    }
    Reply::ok(body)
}

/// One record, or several in one call with `X-Ovh-Batch` (python-ovh pull request 64).
pub(super) fn show(state: &State, zone: &str, id: &str, call: &Call) -> Reply {
    let Some(zone) = state.zones.get(zone) else {
        return no_such_object(id);
    };
    let apex_null = state.habits.apex_null;
    let separator = call.header("x-ovh-batch").filter(|text| !text.is_empty());
    match separator.filter(|_| state.habits.batch) {
        Some(separator) => batch(zone, &id.split(separator).collect::<Vec<_>>(), apex_null),
        None => match row(zone, id) {
            Ok(row) => Reply::ok(shown(row, &zone.name, apex_null)),
            Err(refusal) => refusal,
        },
    }
}

/// `value` is what the vendor's manager reads; `key` and `error` are reported, not proven.
fn batch(zone: &Zone, ids: &[&str], apex_null: bool) -> Reply {
    if ids.len() > BATCH_IDS_MAX {
        // Guessed text.
        return bad_request("Batch is limited to 50 elements");
    }
    let items = ids.iter().map(|id| match row(zone, id) {
        Ok(row) => json!({ "key": id, "value": shown(row, &zone.name, apex_null), "error": null }),
        Err(refusal) => json!({ "key": id, "value": null, "error": refusal.body }),
    });
    Reply::ok(items.collect())
}

pub(super) fn update(state: &mut State, zone: &str, id: &str, call: &Call) -> Reply {
    let Some(zone) = state.zones.get_mut(zone) else {
        return no_such_object(id);
    };
    let mut changed = match row(zone, id) {
        Ok(row) => row.clone(),
        Err(refusal) => return refusal,
    };
    let named: Vec<&str> = READ_ONLY.into_iter().filter(|name| call.body.get(name).is_some()).collect();
    if !named.is_empty() {
        let names = named.join(", ");
        return bad_request(&format!("Try to alter read-only properties: {names}"));
    }
    let sent = match Sent::read(&call.body) {
        Ok(sent) => sent,
        Err(refusal) => return refusal,
    };
    changed.sub = sent.sub.unwrap_or(changed.sub);
    changed.target = sent.target.unwrap_or(changed.target);
    changed.ttl = sent.ttl.unwrap_or(changed.ttl);
    match changed.checked(&zone.name) {
        Ok(row) => {
            zone.rows.insert(row.id, row);
            Reply::void()
        }
        Err(refusal) => refusal,
    }
}

pub(super) fn delete(state: &mut State, zone: &str, id: &str) -> Reply {
    let Some(zone) = state.zones.get_mut(zone) else {
        return no_such_object(id);
    };
    match row(zone, id).map(|row| row.id) {
        Ok(id) => {
            zone.rows.remove(&id);
            Reply::void()
        }
        Err(refusal) => refusal,
    }
}

fn row<'a>(zone: &'a Zone, id: &str) -> Result<&'a Row, Reply> {
    let Ok(number) = id.parse::<u64>() else {
        // Guessed text.
        return Err(bad_request(&format!("[id] Given data ({id}) is not valid for type long")));
    };
    zone.rows.get(&number).ok_or_else(|| no_such_object(id))
}

fn shown(row: &Row, zone: &str, apex_null: bool) -> Value {
    let mut body = row.json(zone);
    if row.sub.is_empty() && apex_null {
        body["subDomain"] = Value::Null;
    }
    body
}

/// What POST and PUT have in common; absent and `null` are the same.
struct Sent {
    sub: Option<String>,
    target: Option<String>,
    ttl: Option<u32>,
}

impl Sent {
    fn read(body: &Value) -> Result<Self, Reply> {
        let ttl = match body.get("ttl") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let number = value.as_u64().and_then(|ttl| u32::try_from(ttl).ok());
                // Guessed text.
                let refusal = || bad_request("[ttl] Given data is not valid for type long");
                Some(number.ok_or_else(refusal)?)
            }
        };
        Ok(Self { sub: text(body, "subDomain"), target: text(body, "target"), ttl })
    }
}

fn text(body: &Value, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// The schema calls the filters "like" and "ilike": SQL patterns, in which `_` is any character.
struct Filter<'a> {
    kind: Option<&'a str>,
    sub: Option<&'a str>,
}

impl Filter<'_> {
    fn takes(&self, row: &Row) -> bool {
        let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
        let plain = |text: &str| text.chars().collect::<Vec<_>>();
        self.kind.is_none_or(|kind| like(&plain(kind), &plain(&row.kind)))
            && self.sub.is_none_or(|sub| like(&lower(sub), &lower(&row.sub)))
    }
}

fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|skip| like(rest, &text[skip..])),
        Some((wanted, rest)) => {
            text.split_first().is_some_and(|(first, tail)| (*wanted == '_' || wanted == first) && like(rest, tail))
        }
    }
}
