//! Everything the simulated NPM remembers: its tables, users, tokens and nginx. Synchronous.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::front::Front;
use super::kinds::Kind;
use super::nginx::{KeyPair, Nginx};
use super::upstreams::Upstreams;
use super::{Issuance, NpmUser, NpmVersion};

/// The state behind its one lock. Held for the time of one request, never across an await.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub(super) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One row of a table; deleted rows stay, as in NPM's database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    pub fields: Map<String, Value>,
    pub deleted: bool,
}

impl Row {
    pub(super) fn id(&self) -> u64 {
        self.number("id")
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        self.fields.get(name).and_then(Value::as_u64).unwrap_or(0)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.fields.get(name).and_then(Value::as_bool) == Some(true)
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or("")
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let entries = self.fields.get(name).and_then(Value::as_array);
        let texts = entries.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    pub(super) fn list(&self, name: &str) -> &[Value] {
        self.fields.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// An account as the database has it.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub fields: Map<String, Value>,
    pub secret: String,
    pub permissions: Map<String, Value>,
}

impl Account {
    pub(super) fn is_admin(&self) -> bool {
        let roles = self.fields.get("roles").and_then(Value::as_array);
        roles.is_some_and(|roles| roles.iter().any(|role| role == "admin"))
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.fields.get("is_disabled").and_then(Value::as_bool) == Some(true)
    }

    pub(super) fn email(&self) -> &str {
        let email = self.fields.get("email").and_then(Value::as_str);
        email.unwrap_or("")
    }
}

/// A token that was handed out. It stays valid until it expires (2fa-old-token-still-valid).
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub user: u64,
    pub expires: Timestamp,
}

#[derive(Clone)]
pub(super) struct State {
    pub accounts: BTreeMap<u64, Account>,
    pub tokens: BTreeMap<String, Token>,
    pub token_lifetime: SignedDuration,
    pub tables: BTreeMap<Kind, BTreeMap<u64, Row>>,
    pub nginx: Nginx,
    pub upstreams: Arc<dyn Upstreams>,
    pub front: Option<Arc<dyn Front>>,
    pub issuance: Issuance,
    pub version: NpmVersion,
    pub default_site: Map<String, Value>,
    pub audit: Vec<Map<String, Value>>,
    pub backend_down: bool,
    /// Ids of rows are greater.
    pub ids_after: u64,
    serials: BTreeMap<String, u64>,
}

/// What outlives a start: rows, and which certificates have their files. Accounts are those of the options; what the
/// audit log told is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    tables: BTreeMap<String, Vec<Row>>,
    /// Each, and whether its key is its own.
    certificates: BTreeMap<u64, bool>,
    serials: BTreeMap<String, u64>,
}

impl State {
    pub(super) fn new(
        users: &[NpmUser],
        token_lifetime: SignedDuration,
        upstreams: Arc<dyn Upstreams>,
        issuance: Issuance,
    ) -> Self {
        let tables = Kind::ALL.map(|kind| (kind, BTreeMap::new()));
        let mut state = Self {
            accounts: BTreeMap::new(),
            tokens: BTreeMap::new(),
            token_lifetime,
            tables: tables.into_iter().collect(),
            nginx: Nginx::default(),
            upstreams,
            front: None,
            issuance,
            version: NpmVersion::V2_15,
            default_site: default_site(),
            audit: Vec::new(),
            backend_down: false,
            ids_after: 0,
            serials: BTreeMap::new(),
        };
        for user in users {
            state.add_account(user);
        }
        state
    }

    fn add_account(&mut self, user: &NpmUser) {
        let now = local_now();
        let fields = json!({
            "id": user.id, "created_on": now, "modified_on": now, "is_disabled": false,
            "email": user.identity, "name": user.name, "nickname": user.nickname, "avatar": "",
            "roles": user.roles,
        });
        let Value::Object(fields) = fields else {
            return;
        };
        let account = Account { fields, secret: user.secret.clone(), permissions: user.permissions.to_fields() };
        let serial = self.serials.entry("user".to_owned()).or_insert(0);
        *serial = user.id.max(*serial);
        self.accounts.insert(user.id, account);
    }

    /// The next id of a table. Ids of rows that are gone are not used again.
    pub(super) fn next_id(&mut self, table: &'static str) -> u64 {
        let serial = self.serials.entry(table.to_owned()).or_insert(self.ids_after);
        *serial += 1;
        *serial
    }

    pub(super) fn to_keep(&self) -> Kept {
        let rows = |rows: &BTreeMap<u64, Row>| rows.values().cloned().collect();
        let certificates = self.nginx.certificates.iter();
        Kept {
            tables: self.tables.iter().map(|(kind, table)| (kind.word().to_owned(), rows(table))).collect(),
            certificates: certificates.map(|(id, key)| (*id, *key == KeyPair::Matching)).collect(),
            // Who signs in, and what is logged, is nothing that is kept.
            serials: {
                let mut serials = self.serials.clone();
                serials.retain(|table, _| !UNKEPT.contains(&table.as_str()));
                serials
            },
        }
    }

    /// Before anything else is asked of it.
    pub(super) fn take_over(&mut self, kept: Kept) {
        let key = |matches: bool| if matches { KeyPair::Matching } else { KeyPair::Mismatched };
        self.nginx.certificates = kept.certificates.into_iter().map(|(id, matches)| (id, key(matches))).collect();
        self.serials.extend(kept.serials);
        let mut tables = kept.tables;
        for (kind, table) in &mut self.tables {
            let rows = tables.remove(kind.word()).unwrap_or_default();
            table.extend(rows.into_iter().map(|row| (row.id(), row)));
        }
        let hosts = Kind::HOSTS.map(|kind| self.table(kind).map(|row| (kind, row.id())).collect::<Vec<_>>());
        for (kind, id) in hosts.concat() {
            // What nginx refused then, it refuses now: the rows say so.
            let _ = self.configure(kind, id);
        }
    }

    /// Every row of a kind, deleted ones included.
    pub(super) fn table(&self, kind: Kind) -> impl Iterator<Item = &Row> {
        self.tables.get(&kind).into_iter().flat_map(BTreeMap::values)
    }

    /// A row that is not deleted.
    pub(super) fn row(&self, kind: Kind, id: u64) -> Option<&Row> {
        let row = self.tables.get(&kind)?.get(&id)?;
        (!row.deleted).then_some(row)
    }

    /// A row that is not deleted, to be changed.
    pub(super) fn row_mut(&mut self, kind: Kind, id: u64) -> Option<&mut Row> {
        let row = self.tables.get_mut(&kind)?.get_mut(&id)?;
        (!row.deleted).then_some(row)
    }

    /// Adds a row with the database's defaults and `fields` over them, names sorted.
    pub(super) fn insert(&mut self, kind: Kind, owner: u64, fields: Map<String, Value>) -> u64 {
        let id = self.next_id(kind.word());
        let now = local_now();
        let mut row = kind.defaults();
        row.insert("id".to_owned(), json!(id));
        row.insert("created_on".to_owned(), json!(now));
        row.insert("modified_on".to_owned(), json!(now));
        row.insert("owner_user_id".to_owned(), json!(owner));
        row.extend(fields);
        sort_names(&mut row);
        let row = Row { fields: row, deleted: false };
        self.tables.entry(kind).or_default().insert(id, row);
        id
    }

    /// Merges `patch` into a row.
    pub(super) fn patch(&mut self, kind: Kind, id: u64, patch: Map<String, Value>) {
        if let Some(row) = self.row_mut(kind, id) {
            row.fields.extend(patch);
            row.fields.insert("modified_on".to_owned(), json!(local_now()));
            sort_names(&mut row.fields);
        }
    }

    pub(super) fn delete(&mut self, kind: Kind, id: u64) {
        if let Some(row) = self.row_mut(kind, id) {
            row.deleted = true;
        }
    }

    /// Adds to the audit log.
    pub(super) fn log(&mut self, user: u64, object: &str, id: u64, action: &str, meta: Map<String, Value>) {
        let now = local_now();
        let entry = json!({
            "id": self.next_id("audit_log"), "created_on": now, "modified_on": now, "user_id": user,
            "object_type": object.replace('_', "-"), "object_id": id, "action": action, "meta": meta,
        });
        if let Value::Object(entry) = entry {
            self.audit.push(entry);
        }
    }
}

/// Tables of which nothing outlives a start.
const UNKEPT: [&str; 3] = ["token", "audit_log", "user"];

/// The time as NPM on SQLite writes it: local, without zone (ph-create-minimal).
pub(super) fn local_now() -> String {
    crate::clock::now().to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// NPM stores names sorted (ph-create-full-with-meta).
fn sort_names(row: &mut Map<String, Value>) {
    if let Some(names) = row.get_mut("domain_names").and_then(Value::as_array_mut) {
        names.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
    }
}

fn default_site() -> Map<String, Value> {
    let setting = json!({
        "id": "default-site", "name": "Default Site",
        "description": "What to show when Nginx is hit with an unknown Host",
        "value": "congratulations", "meta": {},
    });
    setting.as_object().cloned().unwrap_or_default()
}
