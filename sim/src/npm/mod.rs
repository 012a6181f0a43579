//! Nginx Proxy Manager 2.15.1: its admin API with its bad habits, and a real proxy behind it.
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
mod certificates;
mod directives;
mod hosts;
mod kinds;
mod multipart;
mod nginx;
mod pem;
mod people;
mod proxy;
mod schema;
mod site;
mod state;
mod upstreams;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

pub use kinds::Kind;
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

/// How to start one.
pub struct NpmOptions {
    /// Port of the admin API, 0 for any.
    pub admin_port: u16,
    /// Port of the proxy, 0 for any.
    pub proxy_port: u16,
    /// Accounts. Empty: the set-up wizard is still open.
    pub users: Vec<NpmUser>,
    /// How long tokens live.
    pub token_lifetime: Duration,
    /// Where the proxy finds what hosts forward to.
    pub upstreams: Arc<dyn Upstreams>,
    /// What becomes of requests for certificates.
    pub issuance: Issuance,
}

/// What becomes of requests for Let's Encrypt certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuance {
    /// Every request fails at once: there is no certbot.
    NoCertbot,
    /// Every request fails: the authority could not reach the names.
    ChallengesFail,
    /// Every request fails: the authority does not issue for these names.
    Forbidden,
    /// Every request fails: another one is under way.
    Busy,
    /// Every request succeeds, save for wildcards without DNS challenge.
    Granted,
}

/// An account.
#[derive(Debug, Clone)]
pub struct NpmUser {
    /// Unique; shows as `owner_user_id`.
    pub id: u64,
    /// The e-mail address, lower case.
    pub identity: String,
    /// The password.
    pub secret: String,
    /// Shown name.
    pub name: String,
    /// Shown short name.
    pub nickname: String,
    /// `admin` or nothing.
    pub roles: Vec<String>,
    /// What it may when it is not an admin.
    pub permissions: NpmPermissions,
}

/// Permissions of an account: `manage`, `view` or `hidden` each.
#[derive(Debug, Clone)]
pub struct NpmPermissions {
    /// `all`, or `user` for own rows only.
    pub visibility: &'static str,
    /// On proxy hosts.
    pub proxy_hosts: &'static str,
    /// On redirection hosts.
    pub redirection_hosts: &'static str,
    /// On 404 hosts.
    pub dead_hosts: &'static str,
    /// On streams.
    pub streams: &'static str,
    /// On access lists.
    pub access_lists: &'static str,
    /// On certificates.
    pub certificates: &'static str,
}

impl NpmOptions {
    /// Free ports, one admin `amarre@example.net` with secret `changeme-npm`, literal upstreams.
    pub fn with_upstreams(upstreams: Arc<dyn Upstreams>) -> Self {
        Self {
            admin_port: 0,
            proxy_port: 0,
            users: vec![NpmUser::admin(1, "amarre@example.net", "changeme-npm")],
            token_lifetime: Duration::from_secs(24 * 60 * 60),
            upstreams,
            issuance: Issuance::NoCertbot,
        }
    }
}

impl Default for NpmOptions {
    fn default() -> Self {
        Self::with_upstreams(Arc::new(DirectUpstreams))
    }
}

impl NpmUser {
    /// An account that may do everything.
    pub fn admin(id: u64, identity: &str, secret: &str) -> Self {
        Self {
            id,
            identity: identity.to_lowercase(),
            secret: secret.to_owned(),
            name: "Administrator".to_owned(),
            nickname: "Admin".to_owned(),
            roles: vec!["admin".to_owned()],
            permissions: NpmPermissions::admin(),
        }
    }

    /// An account without roles.
    pub fn plain(id: u64, identity: &str, secret: &str, permissions: NpmPermissions) -> Self {
        Self {
            name: "amarre bot".to_owned(),
            nickname: "amarre".to_owned(),
            roles: Vec::new(),
            permissions,
            ..Self::admin(id, identity, secret)
        }
    }
}

impl NpmPermissions {
    /// Everything, on the rows of everyone.
    pub fn admin() -> Self {
        Self {
            visibility: "all",
            ..Self::user()
        }
    }

    /// Everything, on its own rows: what NPM gives a new user (user-get-default-permissions).
    pub fn user() -> Self {
        Self {
            visibility: "user",
            proxy_hosts: "manage",
            redirection_hosts: "manage",
            dead_hosts: "manage",
            streams: "manage",
            access_lists: "manage",
            certificates: "manage",
        }
    }

    fn to_fields(&self) -> Map<String, Value> {
        let pairs = [
            ("visibility", self.visibility),
            ("proxy_hosts", self.proxy_hosts),
            ("redirection_hosts", self.redirection_hosts),
            ("dead_hosts", self.dead_hosts),
            ("streams", self.streams),
            ("access_lists", self.access_lists),
            ("certificates", self.certificates),
        ];
        let pairs = pairs.map(|(name, level)| (name.to_owned(), json!(level)));
        pairs.into_iter().collect()
    }
}

impl Npm {
    /// Starts the admin API and the proxy, both on loopback.
    ///
    /// # Errors
    /// A port is taken.
    pub async fn start(options: NpmOptions) -> io::Result<Self> {
        let lifetime =
            SignedDuration::try_from(options.token_lifetime).unwrap_or(SignedDuration::MAX);
        let state = State::new(
            &options.users,
            lifetime,
            Arc::clone(&options.upstreams),
            options.issuance,
        );
        let shared = Shared::new(state);
        let server = crate::serve(api::router(shared.clone()), options.admin_port).await?;
        let (proxy_address, proxy) =
            proxy::serve(shared.clone(), options.upstreams, options.proxy_port).await?;
        Ok(Self {
            server,
            proxy_address,
            shared,
            proxy,
        })
    }

    /// The rows of a kind as the database has them, without deleted ones, ordered by id.
    pub fn rows(&self, kind: Kind) -> Vec<Value> {
        let state = self.shared.lock();
        let rows = state.table(kind).filter(|row| !row.deleted);
        rows.map(|row| Value::Object(row.fields.clone())).collect()
    }

    /// Lets every token that was handed out expire.
    pub fn expire_tokens(&self) {
        let now = Timestamp::now();
        for token in self.shared.lock().tokens.values_mut() {
            token.expires = now;
        }
    }

    /// Changes how long tokens live that are handed out from now on.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
        self.shared.lock().token_lifetime = lifetime;
    }

    /// Says what becomes of requests for certificates from now on.
    pub fn set_issuance(&self, issuance: Issuance) {
        self.shared.lock().issuance = issuance;
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

    /// Adds a proxy host as a person would in the UI. Missing fields get NPM's defaults.
    pub fn seed_proxy_host(&self, fields: &Value) -> u64 {
        self.seed_host(Kind::ProxyHost, fields)
    }

    /// Adds a redirection host as a person would in the UI.
    pub fn seed_redirection_host(&self, fields: &Value) -> u64 {
        self.seed_host(Kind::RedirectionHost, fields)
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

    /// Adds a custom certificate with its files.
    pub fn seed_certificate(&self, nice_name: &str, domain_names: &[&str]) -> u64 {
        let mut state = self.shared.lock();
        let owner = people::first_admin(&state);
        certificates::seed(&mut state, owner, nice_name, domain_names)
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
    }

    /// Saves a proxy host as the UI up to 2.12 does: `meta` is rebuilt from the form.
    pub fn drop_marker(&self, id: u64) {
        let mut state = self.shared.lock();
        let meta = state.row(Kind::ProxyHost, id).map(people::rebuilt_meta);
        if let Some(meta) = meta {
            let patch = Map::from_iter([("meta".to_owned(), Value::Object(meta))]);
            state.patch(Kind::ProxyHost, id, patch);
        }
    }
}

impl Drop for Npm {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}
