//! How rows look in answers: which columns are kept back, which related rows are added. Pure.

use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::nginx::without_report;
use super::state::{Row, State};
use super::versions;

/// A row with the related rows that were asked for.
pub(super) fn row(state: &State, kind: Kind, row: &Row, expansions: &[&str]) -> Value {
    let mut fields = row.fields.clone();
    match kind {
        Kind::AccessList => {
            fields.remove("items");
            fields.remove("clients");
            let count = users_of(state, Kind::ProxyHost, "access_list_id", row.id()).count();
            fields.insert("proxy_host_count".to_owned(), json!(count));
        }
        Kind::Certificate => {
            // The key is shown, the provider's credentials are not (cert-get).
            if let Some(meta) = fields.get_mut("meta").and_then(Value::as_object_mut) {
                meta.remove("dns_provider_credentials");
            }
        }
        Kind::ProxyHost | Kind::RedirectionHost | Kind::DeadHost | Kind::Stream => (),
    }
    for expansion in expansions {
        let name = expansion.split('.').next().unwrap_or(expansion);
        let related = related(state, kind, row, expansion);
        fields.insert(name.to_owned(), related);
    }
    versions::row(state.version, kind, &mut fields);
    Value::Object(fields)
}

/// The answer to a write.
pub(super) fn written(state: &State, kind: Kind, id: u64) -> Value {
    match state.row(kind, id) {
        Some(found) => row(state, kind, found, kind.written_expansions()),
        None => Value::Null,
    }
}

/// The `meta` that a client gave a host.
pub(super) fn meta(row: &Row) -> Map<String, Value> {
    without_report(row.fields.get("meta"))
}

fn related(state: &State, kind: Kind, row: &Row, expansion: &str) -> Value {
    match expansion {
        "owner" => owner(state, row, kind.shows_deleted_owner()),
        "certificate" => match state.row(Kind::Certificate, row.number("certificate_id")) {
            Some(certificate) => {
                let mut fields = certificate.fields.clone();
                fields.insert("meta".to_owned(), json!({}));
                fields.insert("is_deleted".to_owned(), json!(false));
                Value::Object(fields)
            }
            None => Value::Null,
        },
        "access_list" | "access_list.[clients,items]" => {
            match state.row(Kind::AccessList, row.number("access_list_id")) {
                Some(list) => access_list(list, expansion.contains('[')),
                None => Value::Null,
            }
        }
        "items" => Value::Array(row.list("items").iter().map(masked).collect()),
        "clients" => json!(row.list("clients")),
        "proxy_hosts" if kind == Kind::AccessList => {
            let hosts = users_of(state, Kind::ProxyHost, "access_list_id", row.id());
            let expansions = ["certificate", "access_list.[clients,items]"];
            hosts.map(|host| self::row(state, Kind::ProxyHost, host, &expansions)).collect()
        }
        "proxy_hosts" => certificate_users(state, Kind::ProxyHost, row.id()),
        "redirection_hosts" => certificate_users(state, Kind::RedirectionHost, row.id()),
        "dead_hosts" => certificate_users(state, Kind::DeadHost, row.id()),
        "streams" => certificate_users(state, Kind::Stream, row.id()),
        _ => Value::Null,
    }
}

fn certificate_users(state: &State, kind: Kind, id: u64) -> Value {
    let hosts = users_of(state, kind, "certificate_id", id);
    hosts.map(|host| Value::Object(host.fields.clone())).collect()
}

/// The hosts of a kind that point at row `id` by `column`.
pub(super) fn users_of<'a>(state: &'a State, kind: Kind, column: &'a str, id: u64) -> impl Iterator<Item = &'a Row> {
    let rows = state.table(kind);
    rows.filter(move |row| !row.deleted && row.number(column) == id)
}

fn owner(state: &State, row: &Row, with_deleted: bool) -> Value {
    let Some(account) = state.accounts.get(&row.number("owner_user_id")) else {
        return Value::Null;
    };
    let mut fields = account.fields.clone();
    if with_deleted {
        fields.insert("is_deleted".to_owned(), json!(false));
    }
    Value::Object(fields)
}

/// The list inside an answer to a write of a host has its passwords in clear (ph-create-with-acl).
fn access_list(row: &Row, with_entries: bool) -> Value {
    let mut fields = row.fields.clone();
    fields.insert("is_deleted".to_owned(), json!(false));
    if !with_entries {
        fields.remove("items");
        fields.remove("clients");
    }
    Value::Object(fields)
}

/// A user of an access list as the API shows it: no password, a hint (al-create).
fn masked(item: &Value) -> Value {
    let password = item.get("password").and_then(Value::as_str).unwrap_or("");
    let mut signs = password.chars();
    let hint = match signs.next() {
        Some(first) => format!("{first}{}", "*".repeat(signs.count())),
        None => "*".repeat(9),
    };
    let mut item = item.clone();
    item["password"] = json!("");
    item["hint"] = json!(hint);
    item
}
