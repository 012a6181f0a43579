//! The rows of all kinds: list and get; and the writes of the four kinds of hosts.
//!
//! A write first changes the row and then nginx, and never takes the row back: that is NPM's habit.

use serde_json::{Map, Value, json};

use super::api::{Answer, Call, Failure, Reply, permit};
use super::certificates;
use super::kinds::Kind;
use super::people::{Caller, Need};
use super::schema::{Scope, check};
use super::state::{Row, State};
use super::view;

pub(super) fn list(state: &State, call: &Call, kind: Kind) -> Answer {
    let caller = permit(state, call, kind, Need::View)?;
    let expansions = call.expansions(state.version, kind)?;
    let search = call.query.get("query").map(|query| query.to_lowercase());
    let mut rows: Vec<&Row> = state
        .table(kind)
        .filter(|row| !row.deleted && caller.sees(row))
        .filter(|row| match &search {
            Some(search) => order_text(row, kind).to_lowercase().contains(search),
            None => true,
        })
        .collect();
    rows.sort_by_cached_key(|row| match row.fields.get(kind.order()) {
        Some(Value::Number(number)) => (number.as_u64(), String::new(), row.id()),
        _ => (None, order_text(row, kind), row.id()),
    });
    let rows: Vec<Value> = rows.iter().map(|row| view::row(state, kind, row, &expansions)).collect();
    Ok(Reply::ok(Value::Array(rows)))
}

/// The text of the column that lists are ordered and searched by; names are one JSON text there.
fn order_text(row: &Row, kind: Kind) -> String {
    match row.fields.get(kind.order()) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

pub(super) fn get(state: &State, call: &Call, kind: Kind, id: u64) -> Answer {
    let caller = permit(state, call, kind, Need::View)?;
    let expansions = call.expansions(state.version, kind)?;
    let row = visible(state, &caller, kind, id)?;
    Ok(Reply::ok(view::row(state, kind, row, &expansions)))
}

pub(super) fn create(state: &mut State, call: &Call, kind: Kind) -> Answer {
    let mut fields = check(kind.schema(), Scope::Whole, call.json()).map_err(Failure::invalid)?;
    let caller = permit(state, call, kind, Need::Manage)?;
    refuse_taken(state, &fields, kind, None)?;
    let wants_certificate = fields.get("certificate_id") == Some(&json!("new"));
    if wants_certificate {
        fields.remove("certificate_id");
    }
    clean_tls(kind, &mut fields, None);
    let id = state.insert(kind, caller.user, fields.clone());
    if wants_certificate {
        issue_for(state, &caller, kind, id)?;
        state.configure(kind, id)?;
    }
    // The answer is the row from before nginx was asked: without `nginx_online` (ph-create-minimal).
    let written = view::written(state, kind, id);
    state.configure(kind, id)?;
    fields.insert("owner_user_id".to_owned(), json!(caller.user));
    state.log(caller.user, kind.word(), id, "created", fields);
    Ok(Reply::created(written))
}

/// A certificate for a host that was just created. Its failure leaves the host behind, served
/// without TLS (certnew-nocertbot-2-list-after).
fn issue_for(state: &mut State, caller: &Caller, kind: Kind, id: u64) -> Result<(), Failure> {
    let Some(row) = state.row(kind, id) else {
        return Err(Failure::internal());
    };
    let (names, meta) = (row.texts("domain_names"), view::meta(row));
    match certificates::issue(state, caller.user, &names, meta) {
        Ok(certificate) => {
            let patch = Map::from_iter([("certificate_id".to_owned(), json!(certificate))]);
            state.patch(kind, id, patch);
            Ok(())
        }
        Err(failure) => {
            state.write_file(kind, id);
            state.reload()?;
            Err(failure)
        }
    }
}

pub(super) fn update(state: &mut State, call: &Call, kind: Kind, id: u64) -> Answer {
    let mut patch = check(kind.schema(), Scope::Part, call.json()).map_err(Failure::invalid)?;
    let caller = permit(state, call, kind, Need::Manage)?;
    refuse_taken(state, &patch, kind, Some(id))?;
    let before = visible(state, &caller, kind, id)?.clone();
    let row = &before;
    if patch.get("certificate_id") == Some(&json!("new")) {
        let meta = patch.get("meta").and_then(Value::as_object).cloned();
        let meta = meta.unwrap_or_else(|| view::meta(row));
        let names = row.texts("domain_names");
        let certificate = certificates::issue(state, caller.user, &names, meta)?;
        patch.insert("certificate_id".to_owned(), json!(certificate));
    }
    clean_tls(kind, &mut patch, Some(row));
    state.patch(kind, id, patch);
    let row = state.row(kind, id).map(|row| row.fields.clone());
    state.log(caller.user, kind.word(), id, "updated", row.unwrap_or_default());
    // A host that is, or just was, switched off here is not written: it keeps being served
    // (ph-put-enabled-false-conf-stays).
    if kind == Kind::DeadHost && state.version.writes_404_hosts_of_before() {
        let written = view::written(state, kind, id);
        state.configure_of_before(&before)?;
        return Ok(Reply::ok(written));
    }
    if state.row(kind, id).is_some_and(|row| row.flag("enabled")) {
        state.configure(kind, id)?;
    }
    Ok(Reply::ok(view::written(state, kind, id)))
}

pub(super) fn delete(state: &mut State, call: &Call, kind: Kind, id: u64) -> Answer {
    let caller = permit(state, call, kind, Need::Manage)?;
    let row = visible(state, &caller, kind, id)?.fields.clone();
    state.delete(kind, id);
    state.unconfigure(kind, id)?;
    state.log(caller.user, kind.word(), id, "deleted", row);
    Ok(Reply::ok(json!(true)))
}

pub(super) fn enable(state: &mut State, call: &Call, kind: Kind, id: u64) -> Answer {
    let caller = permit(state, call, kind, Need::Manage)?;
    if visible(state, &caller, kind, id)?.flag("enabled") {
        return Err(Failure::invalid(format!("{} is already enabled", noun(kind))));
    }
    switch(state, kind, id, true);
    state.configure(kind, id)?;
    log_switch(state, &caller, kind, id, "enabled");
    Ok(Reply::ok(json!(true)))
}

pub(super) fn disable(state: &mut State, call: &Call, kind: Kind, id: u64) -> Answer {
    let caller = permit(state, call, kind, Need::Manage)?;
    if !visible(state, &caller, kind, id)?.flag("enabled") {
        return Err(Failure::invalid(format!("{} is already disabled", noun(kind))));
    }
    switch(state, kind, id, false);
    state.unconfigure(kind, id)?;
    log_switch(state, &caller, kind, id, "disabled");
    Ok(Reply::ok(json!(true)))
}

fn switch(state: &mut State, kind: Kind, id: u64, enabled: bool) {
    let patch = Map::from_iter([("enabled".to_owned(), json!(enabled))]);
    state.patch(kind, id, patch);
}

fn log_switch(state: &mut State, caller: &Caller, kind: Kind, id: u64, action: &str) {
    let row = state.row(kind, id).map(|row| row.fields.clone());
    state.log(caller.user, kind.word(), id, action, row.unwrap_or_default());
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Stream => "Stream",
        Kind::ProxyHost | Kind::RedirectionHost | Kind::DeadHost | Kind::AccessList | Kind::Certificate => "Host",
    }
}

/// A row that the caller sees: with visibility `user` only those it owns (perm-default-get-others).
pub(super) fn visible<'a>(state: &'a State, caller: &Caller, kind: Kind, id: u64) -> Result<&'a Row, Failure> {
    let row = state.row(kind, id).filter(|row| caller.sees(row));
    row.ok_or_else(|| Failure::absent(id))
}

/// Names are unique over all hosts, disabled and invisible ones included (ph-create-duplicate-of-*).
fn refuse_taken(state: &State, fields: &Map<String, Value>, kind: Kind, own: Option<u64>) -> Result<(), Failure> {
    if kind == Kind::Stream {
        return Ok(());
    }
    let names = fields.get("domain_names").and_then(Value::as_array);
    for name in names.into_iter().flatten().filter_map(Value::as_str) {
        for other in [Kind::ProxyHost, Kind::RedirectionHost, Kind::DeadHost] {
            let taken = state.table(other).any(|row| {
                let itself = other == kind && Some(row.id()) == own;
                let names = row.texts("domain_names");
                !row.deleted && !itself && names.iter().any(|taken| taken.to_lowercase() == name.to_lowercase())
            });
            if taken {
                return Err(Failure::invalid(format!("{name} is already in use")));
            }
        }
    }
    Ok(())
}

/// Without a certificate NPM resets what only makes sense with one. A `certificate_id` that was sent,
/// 0 too, has become a text by coercion and so counts as one (ph-create-full-with-meta,
/// ph-put-reset-acl).
fn clean_tls(kind: Kind, fields: &mut Map<String, Value>, row: Option<&Row>) {
    if kind == Kind::Stream {
        return;
    }
    let certificate = fields.contains_key("certificate_id") || row.is_some_and(|row| row.number("certificate_id") > 0);
    let flag = |name: &str| match fields.get(name) {
        Some(value) => value.as_bool() == Some(true),
        None => row.is_some_and(|row| row.flag(name)),
    };
    let forced = certificate && flag("ssl_forced");
    let http2 = certificate && flag("http2_support");
    let hsts = forced && flag("hsts_enabled");
    let subdomains = hsts && flag("hsts_subdomains");
    fields.insert("ssl_forced".to_owned(), json!(forced));
    fields.insert("http2_support".to_owned(), json!(http2));
    fields.insert("hsts_enabled".to_owned(), json!(hsts));
    fields.insert("hsts_subdomains".to_owned(), json!(subdomains));
}
