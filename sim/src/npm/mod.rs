//! Nginx Proxy Manager 2.15.1, 2.13.7, 2.12.6 or one between: its admin API with its bad habits, and a real proxy behind it.
//!
//! ```text
//! admin API ─► rows ─► files ─► (reload, if all files pass) ─► what the proxy serves
//! ```
//!
//! Written from recordings of a real backend; `tests/npm_replay.rs` holds it to them. Names in
//! comments, as `ph-create-minimal`, are those of recordings in `tests/npm/exchanges`.
//!
//! One write at a time: what concurrent writes do to each other in the real NPM is not simulated.

mod access_lists;
mod api;
mod blocks;
mod certificates;
mod directives;
mod front;
mod hosts;
mod kinds;
mod multipart;
mod nginx;
mod options;
mod pem;
mod people;
mod proxy;
mod schema;
mod site;
mod state;
mod upstreams;
mod versions;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;

pub use front::Front;
pub use kinds::Kind;
pub use options::{Issuance, Level, NpmOptions, NpmPermissions, NpmUser, NpmVersion, Visibility};
pub use upstreams::{DirectUpstreams, Upstreams};

use crate::Server;
use state::{Shared, State};

/// A running NPM. Dropping it stops it.
pub struct Npm {
    /// The admin API.
    pub server: Server,
    /// Where the proxy listens.
    pub proxy_address: SocketAddr,
    shared: Shared,
    proxy: JoinHandle<()>,
}

/// Everything that an NPM holds, for [`Npm::rewind`].
#[derive(Clone)]
pub struct Snapshot(State);

impl Npm {
    /// Everything as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.shared.lock().clone())
    }

    /// Everything as it was then.
    pub fn rewind(&self, to: &Snapshot) {
        *self.shared.lock() = to.0.clone();
    }

    /// Starts the admin API and the proxy, both on loopback.
    ///
    /// # Errors
    /// A port is taken, or what was kept cannot be read.
    pub async fn start(options: NpmOptions) -> io::Result<Self> {
        let lifetime = SignedDuration::try_from(options.token_lifetime).unwrap_or(SignedDuration::MAX);
        let mut state = State::new(&options.users, lifetime, Arc::clone(&options.upstreams), options.issuance);
        state.version = options.version;
        state.front = options.front;
        state.ids_after = options.ids_after;
        if let Some(kept) = options.kept_at.as_deref().map(crate::keep::read).transpose()?.flatten() {
            state.take_over(kept);
        }
        let shared = Shared::new(state);
        let app = crate::keep::kept(api::router(shared.clone()), options.kept_at, {
            let shared = shared.clone();
            move || shared.lock().to_keep()
        });
        let server = crate::serve(app, options.admin_port).await?;
        let (proxy_address, proxy) =
            proxy::serve(shared.clone(), options.upstreams, (options.proxy_port, options.tls_ends_before)).await?;
        Ok(Self { server, proxy_address, shared, proxy })
    }

    /// The rows of a kind as the database has them, without deleted ones, ordered by id.
    pub fn rows(&self, kind: Kind) -> Vec<Value> {
        let state = self.shared.lock();
        let rows = state.table(kind).filter(|row| !row.deleted);
        rows.map(|row| Value::Object(row.fields.clone())).collect()
    }

    /// Lets every token that was handed out expire.
    pub fn expire_tokens(&self) {
        let now = crate::clock::now();
        for token in self.shared.lock().tokens.values_mut() {
            token.expires = now;
        }
    }

    /// Changes how long tokens live that are handed out from now on.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
        self.shared.lock().token_lifetime = lifetime;
    }

    /// A person gives every account that is no administrator this level on a kind of rows.
    pub fn set_level(&self, kind: Kind, level: Level) {
        for account in self.shared.lock().accounts.values_mut().filter(|account| !account.is_admin()) {
            account.permissions.insert(kind.permission().to_owned(), Value::from(level.word()));
        }
    }

    /// Says what becomes of requests for certificates from now on.
    pub fn set_issuance(&self, issuance: Issuance) {
        self.shared.lock().issuance = issuance;
    }

    /// Whether nginx has loaded a site of exactly this name, whatever the rows say.
    pub fn serves(&self, domain: &str) -> bool {
        self.shared.lock().nginx.loaded.iter().any(|site| site.names.iter().any(|name| name == domain))
    }

    /// Whether it has loaded one with a certificate.
    pub fn serves_tls(&self, domain: &str) -> bool {
        let state = self.shared.lock();
        let mut sites = state.nginx.loaded.iter().filter(|site| site.names.iter().any(|name| name == domain));
        sites.any(|site| site.certificate.is_some())
    }

    /// A reload for somebody else's host came while the file of this one was away: nginx serves it no more, until the next
    /// reload. Rows and files know nothing of it.
    pub fn leave_out(&self, domain: &str) {
        let mut state = self.shared.lock();
        let is_another = |site: &&site::Site| !site.names.iter().any(|name| name == domain);
        state.nginx.loaded = Arc::new(state.nginx.loaded.iter().filter(is_another).cloned().collect());
    }

    /// While down, every request to the API answers the 502 page of the nginx in front (backend-down-502).
    pub fn backend_down(&self, down: bool) {
        self.shared.lock().backend_down = down;
    }

    /// While broken, a file that belongs to no host does not pass nginx: writes answer 500 but happen
    /// (ph-create-nginx-globally-broken).
    pub fn break_nginx(&self, broken: bool) {
        let fault = "unknown directive \"broken\" in /data/nginx/custom/http.conf:1";
        self.shared.lock().nginx.broken = broken.then(|| fault.to_owned());
    }

    /// What its nginx objects to whenever it is asked, without time and process; `None`: nothing.
    pub fn nginx_test(&self) -> impl Fn() -> Option<String> + Send + Sync + 'static {
        let shared = self.shared.clone();
        move || shared.lock().first_fault()
    }

    /// Puts `enabled: false` as other clients do: the row is off, and its file stays.
    pub fn put_off(&self, id: u64) {
        let patch = Map::from_iter([("enabled".to_owned(), Value::Bool(false))]);
        self.shared.lock().patch(Kind::ProxyHost, id, patch);
    }

    /// Deletes a certificate as a person does whose hosts still use it: one of Let's Encrypt takes its files along
    /// (cert-delete-le-in-use).
    pub fn lose_certificate(&self, id: u64) {
        let mut state = self.shared.lock();
        state.delete(Kind::Certificate, id);
        state.nginx.certificates.remove(&id);
    }

    /// Adds a proxy host as a person would in the UI. Missing fields get NPM's defaults.
    pub fn seed_proxy_host(&self, fields: &Value) -> u64 {
        self.seed_host(Kind::ProxyHost, fields)
    }

    /// Adds a redirection host as a person would in the UI.
    pub fn seed_redirection_host(&self, fields: &Value) -> u64 {
        self.seed_host(Kind::RedirectionHost, fields)
    }

    /// Adds a 404 host as a person would in the UI.
    pub fn seed_dead_host(&self, fields: &Value) -> u64 {
        self.seed_host(Kind::DeadHost, fields)
    }

    /// Adds a stream as a person would in the UI.
    pub fn seed_stream(&self, fields: &Value) -> u64 {
        self.seed_host(Kind::Stream, fields)
    }

    fn seed_host(&self, kind: Kind, fields: &Value) -> u64 {
        let mut state = self.shared.lock();
        let mut fields = fields.as_object().cloned().unwrap_or_default();
        let owner = fields.remove("owner_user_id").and_then(|id| id.as_u64());
        let owner = owner.unwrap_or_else(|| people::first_admin(&state));
        let id = state.insert(kind, owner, fields);
        // A refusal is what the person would see too: the row is there all the same.
        let _ = state.configure(kind, id);
        id
    }

    /// A certificate has so many days left, as though NPM had not renewed it.
    pub fn set_days_left(&self, certificate: u64, days: i64) {
        certificates::set_days_left(&mut self.shared.lock(), certificate, days);
    }

    /// Adds a custom certificate with its files.
    pub fn seed_certificate(&self, nice_name: &str, domain_names: &[&str]) -> u64 {
        let mut state = self.shared.lock();
        let owner = people::first_admin(&state);
        certificates::seed(&mut state, owner, nice_name, domain_names)
    }

    /// The same, ordered from Let's Encrypt by a person.
    pub fn seed_ordered_certificate(&self, nice_name: &str, domain_names: &[&str]) -> u64 {
        let mut state = self.shared.lock();
        let owner = people::first_admin(&state);
        let id = certificates::seed(&mut state, owner, nice_name, domain_names);
        if let Some(row) = state.row_mut(Kind::Certificate, id) {
            row.fields.insert("provider".to_owned(), Value::from("letsencrypt"));
        }
        id
    }

    /// Adds an access list with `items` and `clients`.
    pub fn seed_access_list(&self, fields: &Value) -> u64 {
        let mut state = self.shared.lock();
        let owner = people::first_admin(&state);
        let fields = fields.as_object().cloned().unwrap_or_default();
        access_lists::seed(&mut state, owner, fields)
    }

    /// Changes a proxy host as a person would in the UI from 2.13: `meta` is kept, the file is written.
    pub fn edit_proxy_host(&self, id: u64, patch: &Value) {
        let mut state = self.shared.lock();
        let patch = patch.as_object().cloned().unwrap_or_default();
        state.patch(Kind::ProxyHost, id, patch);
        // See `seed_host`.
        let _ = state.configure(Kind::ProxyHost, id);
        log_edit(&mut state, id);
    }

    /// Deletes a proxy host as a person would in the UI.
    pub fn remove_proxy_host(&self, id: u64) {
        let mut state = self.shared.lock();
        let row = state.row(Kind::ProxyHost, id).map(|row| row.fields.clone());
        state.delete(Kind::ProxyHost, id);
        // See `seed_host`.
        let _ = state.unconfigure(Kind::ProxyHost, id);
        let person = people::first_admin(&state);
        state.log(person, Kind::ProxyHost.word(), id, "deleted", row.unwrap_or_default());
    }

    /// Saves a proxy host as the UI up to 2.12 does: `meta` is rebuilt from the form.
    pub fn drop_marker(&self, id: u64) {
        let mut state = self.shared.lock();
        let meta = state.row(Kind::ProxyHost, id).map(people::rebuilt_meta);
        if let Some(meta) = meta {
            let patch = Map::from_iter([("meta".to_owned(), Value::Object(meta))]);
            state.patch(Kind::ProxyHost, id, patch);
            log_edit(&mut state, id);
        }
    }

    /// Takes the file of a proxy host away, and the report of nginx with it: what is left of a create
    /// in whose middle the backend was killed. A restart does not write it again; a PUT does.
    pub fn lose_file(&self, id: u64) {
        let mut state = self.shared.lock();
        let meta = state.row(Kind::ProxyHost, id).map(view::meta);
        if let (Some(meta), Some(row)) = (meta, state.row_mut(Kind::ProxyHost, id)) {
            row.fields.insert("meta".to_owned(), Value::Object(meta));
        }
        // When nginx is broken the workers go on with what they have.
        let _ = state.unconfigure(Kind::ProxyHost, id);
    }
}

/// Edits in the UI stand in the audit log under the name of the person.
fn log_edit(state: &mut State, id: u64) {
    let row = state.row(Kind::ProxyHost, id).map(|row| row.fields.clone());
    let person = people::first_admin(state);
    let word = Kind::ProxyHost.word();
    state.log(person, word, id, "updated", row.unwrap_or_default());
}

impl Drop for Npm {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}
