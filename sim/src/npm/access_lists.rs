//! Writes of access lists.

use serde_json::{Map, Value, json};

use super::api::{Answer, Call, Failure, Reply, permit};
use super::hosts::visible;
use super::kinds::Kind;
use super::people::Need;
use super::schema::{Scope, check};
use super::state::{State, local_now};
use super::view;

const KIND: Kind = Kind::AccessList;

pub(super) fn create(state: &mut State, call: &Call) -> Answer {
    let mut fields = check(KIND.schema(), Scope::Whole, call.json()).map_err(Failure::invalid)?;
    let caller = permit(state, call, KIND, Need::Manage)?;
    let (items, clients) = (fields.remove("items"), fields.remove("clients"));
    let id = state.insert(KIND, caller.user, fields.clone());
    // Without both lists NPM trips after it has inserted the row (al-create-same-name).
    let (Some(items), Some(clients)) = (items, clients) else {
        return Err(Failure::internal());
    };
    add_items(state, id, &items);
    replace_clients(state, id, &clients);
    fields.insert("id".to_owned(), json!(id));
    state.log(caller.user, KIND.word(), id, "created", fields);
    Ok(Reply::created(view::written(state, KIND, id)))
}

pub(super) fn update(state: &mut State, call: &Call, id: u64) -> Answer {
    let mut patch = check(KIND.schema(), Scope::Part, call.json()).map_err(Failure::invalid)?;
    let caller = permit(state, call, KIND, Need::Manage)?;
    visible(state, &caller, KIND, id)?;
    let (items, clients) = (patch.remove("items"), patch.remove("clients"));
    if let Some(items) = items {
        keep_items(state, id, &items);
        add_items(state, id, &items);
    }
    if let Some(clients) = clients {
        replace_clients(state, id, &clients);
    }
    state.patch(KIND, id, patch.clone());
    patch.insert("id".to_owned(), json!(id));
    state.log(caller.user, KIND.word(), id, "updated", patch);
    let hosts = hosts_of(state, id);
    if !hosts.is_empty() {
        for host in hosts {
            state.write_file(Kind::ProxyHost, host);
        }
        state.reload()?;
    }
    Ok(Reply::ok(view::written(state, KIND, id)))
}

/// Hosts that use the list are opened to everyone, without objection (al-delete-in-use).
pub(super) fn delete(state: &mut State, call: &Call, id: u64) -> Answer {
    let caller = permit(state, call, KIND, Need::Manage)?;
    let row = visible(state, &caller, KIND, id)?.fields.clone();
    let hosts = hosts_of(state, id);
    state.delete(KIND, id);
    for host in &hosts {
        if let Some(row) = state.row_mut(Kind::ProxyHost, *host) {
            row.fields.insert("access_list_id".to_owned(), json!(0));
        }
        state.write_file(Kind::ProxyHost, *host);
    }
    state.reload()?;
    state.log(caller.user, KIND.word(), id, "deleted", row);
    Ok(Reply::ok(json!(true)))
}

fn hosts_of(state: &State, id: u64) -> Vec<u64> {
    let hosts = view::users_of(state, Kind::ProxyHost, "access_list_id", id);
    hosts.map(super::state::Row::id).collect()
}

/// Adds a list as a person would, for tests.
pub(super) fn seed(state: &mut State, owner: u64, mut fields: Map<String, Value>) -> u64 {
    let items = fields.remove("items").unwrap_or_else(|| json!([]));
    let clients = fields.remove("clients").unwrap_or_else(|| json!([]));
    let id = state.insert(KIND, owner, fields);
    add_items(state, id, &items);
    replace_clients(state, id, &clients);
    id
}

/// Removes the users that are not named with an empty password: that one means "keep" (al-put).
fn keep_items(state: &mut State, id: u64, items: &Value) {
    let kept: Vec<&str> = items
        .as_array()
        .into_iter()
        .flatten()
        .filter(|item| password_of(item).is_empty())
        .filter_map(|item| item.get("username")?.as_str())
        .collect();
    edit_entries(state, id, "items", |entries| {
        entries.retain(|entry| {
            let name = entry.get("username").and_then(Value::as_str);
            name.is_some_and(|name| kept.contains(&name))
        });
    });
}

fn add_items(state: &mut State, id: u64, items: &Value) {
    for item in items.as_array().into_iter().flatten() {
        if password_of(item).is_empty() {
            continue;
        }
        let entry = entry(state, "access_list_auth", id, item);
        edit_entries(state, id, "items", |entries| entries.push(entry));
    }
}

fn replace_clients(state: &mut State, id: u64, clients: &Value) {
    edit_entries(state, id, "clients", Vec::clear);
    for client in clients.as_array().into_iter().flatten() {
        let entry = entry(state, "access_list_client", id, client);
        edit_entries(state, id, "clients", |entries| entries.push(entry));
    }
}

fn password_of(item: &Value) -> &str {
    item.get("password").and_then(Value::as_str).unwrap_or("")
}

fn entry(state: &mut State, table: &'static str, list: u64, fields: &Value) -> Value {
    let now = local_now();
    let mut entry = json!({
        "id": state.next_id(table), "created_on": now, "modified_on": now,
        "access_list_id": list, "meta": {},
    });
    if let (Some(entry), Some(fields)) = (entry.as_object_mut(), fields.as_object()) {
        entry.extend(fields.clone());
    }
    entry
}

fn edit_entries(state: &mut State, id: u64, column: &str, edit: impl FnOnce(&mut Vec<Value>)) {
    let row = state.row_mut(KIND, id);
    if let Some(entries) = row.and_then(|row| row.fields.get_mut(column)).and_then(Value::as_array_mut) {
        edit(entries);
    }
}
