//! Who calls and what they may: tokens, users, permissions, and the routes that are about them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::api::{Answer, Call, Failure, Reply, row_id};
use super::kinds::{self, Kind};
use super::schema::{Scope, check};
use super::state::{Account, Row, State, Token, local_now};
use super::{NpmPermissions, NpmVersion, versions, view};

/// The last entries that the audit log answers with; there are no pages.
const AUDIT_ENTRIES_MAX: usize = 100;

/// What a call does to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    View,
    Manage,
}

/// An authenticated caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub user: u64,
    sees_all: bool,
}

impl Caller {
    pub(super) fn sees(&self, row: &Row) -> bool {
        self.sees_all || row.number("owner_user_id") == self.user
    }
}

/// The caller if it may do this, nothing if it may not.
///
/// # Errors
/// The token is unknown or has expired.
pub(super) fn permit(state: &State, call: &Call, kind: Kind, need: Need) -> Result<Option<Caller>, Failure> {
    let Some(account) = caller(state, call)? else {
        return Ok(None);
    };
    let level = account.permissions.get(kind.permission());
    let allowed = account.is_admin()
        || match level.and_then(Value::as_str) {
            Some("manage") => true,
            Some("view") => need == Need::View,
            Some(_) | None => false,
        };
    Ok(allowed.then(|| as_caller(account)))
}

/// The account behind the token; nothing without token or when it was disabled since.
fn caller<'a>(state: &'a State, call: &Call) -> Result<Option<&'a Account>, Failure> {
    let Some(token) = &call.token else {
        return Ok(None);
    };
    // auth-garbage-token
    let token = state.tokens.get(token).ok_or_else(Failure::internal)?;
    if token.expires <= crate::clock::now() {
        let expired = json!({
            "name": "TokenExpiredError", "message": "jwt expired",
            "expiredAt": iso(token.expires),
        });
        return Err(Failure::invalid("Token has expired").with_i18n(expired));
    }
    let account = state.accounts.get(&token.user);
    Ok(account.filter(|account| !account.is_disabled()))
}

fn any_caller<'a>(state: &'a State, call: &Call) -> Result<&'a Account, Failure> {
    caller(state, call)?.ok_or_else(|| Failure::hidden(call))
}

fn admin(state: &State, call: &Call) -> Result<Caller, Failure> {
    let account = caller(state, call)?.filter(|account| account.is_admin());
    account.map(as_caller).ok_or_else(|| Failure::hidden(call))
}

fn as_caller(account: &Account) -> Caller {
    let visibility = account.permissions.get("visibility");
    Caller { user: account_id(account), sees_all: visibility.and_then(Value::as_str) == Some("all") }
}

fn account_id(account: &Account) -> u64 {
    account.fields.get("id").and_then(Value::as_u64).unwrap_or(0)
}

pub(super) fn health(state: &State) -> Reply {
    let [major, minor, revision] = state.version.numbers();
    let version = json!({"major": major, "minor": minor, "revision": revision});
    Reply::ok(match state.version {
        NpmVersion::V2_12_0 | NpmVersion::V2_12 => json!({"status": "OK", "version": version}),
        NpmVersion::V2_13_2 | NpmVersion::V2_13 | NpmVersion::V2_15 => {
            json!({"status": "OK", "setup": !state.accounts.is_empty(), "version": version})
        }
    })
}

pub(super) fn version_check() -> Reply {
    Reply::ok(json!({"current": null, "latest": null, "update_available": false}))
}

pub(super) fn log_in(state: &mut State, call: &Call) -> Answer {
    let fields = check(&kinds::LOGIN, Scope::Whole, call.json()).map_err(Failure::invalid)?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or("");
    let identity = text("identity").trim().to_lowercase();
    let account = state.accounts.values().find(|account| account.email() == identity && !account.is_disabled());
    let refused = Failure::invalid("Invalid email or password");
    match account {
        None => Err(refused),
        Some(account) if account.secret != text("secret") => Err(refused.with_i18n(json!("error.invalid-auth"))),
        Some(account) => {
            let user = account_id(account);
            let lifetime = state.token_lifetime;
            Ok(hand_out(state, user, lifetime))
        }
    }
}

pub(super) fn refresh(state: &mut State, call: &Call) -> Answer {
    // token-refresh-no-auth
    let account = caller(state, call)?.ok_or_else(Failure::internal)?;
    let user = account_id(account);
    let lifetime = match call.query.get("expiry") {
        None => state.token_lifetime,
        Some(text) => lifetime(text).ok_or_else(|| Failure::invalid(format!("Invalid expiry time: {text}")))?,
    };
    Ok(hand_out(state, user, lifetime))
}

fn hand_out(state: &mut State, user: u64, lifetime: SignedDuration) -> Reply {
    let expires = crate::clock::now().checked_add(lifetime).unwrap_or(Timestamp::MAX);
    // Three parts like a real one, so that a client that looks at its shape is content.
    let token = format!("eyJhbGciOiJub25lIn0.{user:04x}.{:08x}", state.next_id("token"));
    state.tokens.insert(token.clone(), Token { user, expires });
    Reply::ok(json!({"token": token, "expires": iso(expires)}))
}

/// `10y`, `1M`, `30d`, `15m`, `500ms` (token-refresh-10y).
fn lifetime(text: &str) -> Option<SignedDuration> {
    let split = text.find(|sign: char| !sign.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: i64 = number.parse().ok()?;
    const DAY: i64 = 24 * 60 * 60;
    let seconds = match unit {
        "ms" => return Some(SignedDuration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => DAY,
        "w" => 7 * DAY,
        "M" => 30 * DAY,
        "Q" => 91 * DAY,
        "y" => 365 * DAY,
        _ => return None,
    };
    number.checked_mul(seconds).map(SignedDuration::from_secs)
}

fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

pub(super) fn count_hosts(state: &State, call: &Call) -> Answer {
    let caller = as_caller(any_caller(state, call)?);
    let count = |kind| {
        let rows = state.table(kind);
        rows.filter(|row| !row.deleted && caller.sees(row)).count()
    };
    Ok(Reply::ok(json!({
        "proxy": count(Kind::ProxyHost), "redirection": count(Kind::RedirectionHost),
        "stream": count(Kind::Stream), "dead": count(Kind::DeadHost),
    })))
}

pub(super) fn audit_log(state: &State, call: &Call) -> Answer {
    admin(state, call)?;
    let with_user = call.query.get("expand").is_some_and(|names| names == "user");
    let entries = state.audit.iter().rev().take(AUDIT_ENTRIES_MAX);
    let entries = entries.map(|entry| {
        let mut entry = entry.clone();
        let user = entry.get("user_id").and_then(Value::as_u64);
        let account = user.and_then(|user| state.accounts.get(&user));
        if let Some(account) = account.filter(|_| with_user) {
            let mut user = account.fields.clone();
            user.insert("is_deleted".to_owned(), json!(false));
            entry.insert("user".to_owned(), Value::Object(user));
        }
        Value::Object(entry)
    });
    Ok(Reply::ok(entries.collect()))
}

pub(super) fn settings(state: &mut State, call: &Call, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            admin(state, call)?;
            Ok(Reply::ok(json!([state.default_site])))
        }
        ("GET", ["default-site"]) => {
            admin(state, call)?;
            Ok(Reply::ok(json!(state.default_site)))
        }
        ("PUT", ["default-site"]) => {
            let patch = check(&kinds::SETTING, Scope::Part, call.json()).map_err(Failure::invalid)?;
            admin(state, call)?;
            state.default_site.extend(patch);
            Ok(Reply::ok(json!(state.default_site)))
        }
        _ => Err(Failure::hidden(call)),
    }
}

pub(super) fn users(state: &mut State, call: &Call, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("GET", ["me"]) => Ok(Reply::ok(show(state, any_caller(state, call)?, call))),
        ("GET", []) => {
            admin(state, call)?;
            let users = state.accounts.values().map(|account| show(state, account, call));
            Ok(Reply::ok(users.collect()))
        }
        ("POST", []) => add_user(state, call),
        ("GET", [id]) => {
            admin(state, call)?;
            let id = row_id(id)?;
            let account = state.accounts.get(&id).ok_or_else(|| Failure::absent(id))?;
            Ok(Reply::ok(show(state, account, call)))
        }
        ("PUT", [id]) => edit_user(state, call, row_id(id)?, |account, mut fields| {
            fields.remove("auth");
            account.fields.extend(fields);
        }),
        ("PUT", [id, "permissions"]) => {
            edit_user(state, call, row_id(id)?, |account, fields| {
                account.permissions.extend(fields);
            })?;
            Ok(Reply::ok(json!(true)))
        }
        ("PUT", [id, "auth"]) => {
            edit_user(state, call, row_id(id)?, |account, fields| {
                if let Some(secret) = fields.get("secret").and_then(Value::as_str) {
                    secret.clone_into(&mut account.secret);
                }
            })?;
            Ok(Reply::ok(json!(true)))
        }
        _ => Err(Failure::hidden(call)),
    }
}

/// The first user may be made without a token: that is the set-up wizard (setup-post-users-first).
fn add_user(state: &mut State, call: &Call) -> Answer {
    let mut fields = check(&kinds::USER, Scope::Whole, call.json()).map_err(Failure::invalid)?;
    let first = state.accounts.is_empty();
    let by = if first { None } else { Some(admin(state, call)?.user) };
    let auth = fields.remove("auth").unwrap_or_default();
    let secret = auth.get("secret").and_then(Value::as_str).unwrap_or("");
    let id = state.next_id("user");
    let now = local_now();
    let defaults = json!({
        "id": id, "created_on": now, "modified_on": now, "is_disabled": false, "roles": [],
        "avatar": "//www.gravatar.com/avatar/00000000000000000000000000000000?default=mm",
    });
    let mut row = defaults.as_object().cloned().unwrap_or_default();
    row.extend(fields);
    let mut account =
        Account { fields: row, secret: secret.to_owned(), permissions: NpmPermissions::user().to_fields() };
    if account.is_admin() {
        account.permissions = NpmPermissions::admin().to_fields();
    }
    let mut shown = account.fields.clone();
    let permissions = versions::permissions(state.version, id, &now, account.permissions.clone());
    shown.insert("permissions".to_owned(), json!(permissions));
    state.accounts.insert(id, account);
    state.log(by.unwrap_or(id), "user", id, "created", shown.clone());
    Ok(Reply::created(Value::Object(shown)))
}

fn edit_user(state: &mut State, call: &Call, id: u64, edit: impl FnOnce(&mut Account, Map<String, Value>)) -> Answer {
    let caller = admin(state, call)?;
    let fields = call.json().as_object().cloned().unwrap_or_default();
    let account = state.accounts.get_mut(&id).ok_or_else(|| Failure::absent(id))?;
    edit(account, fields);
    let modified = ("modified_on".to_owned(), json!(local_now()));
    account.fields.extend([modified]);
    let row = account.fields.clone();
    state.log(caller.user, "user", id, "updated", row.clone());
    Ok(Reply::ok(Value::Object(row)))
}

fn show(state: &State, account: &Account, call: &Call) -> Value {
    let mut fields = account.fields.clone();
    if call.query.get("expand").is_some_and(|names| names == "permissions") {
        let created = fields.get("created_on").and_then(Value::as_str).unwrap_or_default();
        let permissions =
            versions::permissions(state.version, account_id(account), created, account.permissions.clone());
        fields.insert("permissions".to_owned(), json!(permissions));
    }
    Value::Object(fields)
}

/// The person behind edits that are made in the UI: the first admin.
pub(super) fn first_admin(state: &State) -> u64 {
    let admin = state.accounts.values().find(|account| account.is_admin());
    admin.map_or(1, account_id)
}

/// A host's `meta` as UI up to 2.12 sends it back: rebuilt from the form, so foreign keys are lost.
pub(super) fn rebuilt_meta(row: &Row) -> Map<String, Value> {
    let mut meta = row.fields.get("meta").and_then(Value::as_object).cloned().unwrap_or_default();
    for lost in view::meta(row).keys() {
        meta.remove(lost);
    }
    meta.insert("letsencrypt_agree".to_owned(), json!(false));
    meta.insert("dns_challenge".to_owned(), json!(false));
    meta
}
