//! The part of the OVHcloud API v1 that serves DNS zones, and the zones' authoritative servers.
//!
//! Written from the vendor's published schema and from what users and the vendor's own client
//! libraries report of it; the comments name the source. Where nobody reports the text of an
//! error, the comment says that it is a guess: a client must not depend on it.
//!
//! A record passes three stages, as with the vendor: stored by POST, in the zone by `/refresh`,
//! answered by a server once it is published there ([`PublishMode`]).

mod records;
mod routes;
mod state;
mod zone_calls;
mod zonefile;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use serde_json::Value;

use crate::dns::{Dns, DnsZone, Role};
use crate::{Server, keep, ovh_api, serve};
use state::{Row, State, Zone};

/// The access rules that `docs/providers/ovh.md` has people give a token: what a consumer key may at first.
pub const DOCUMENTED_RULES: [(&str, &str); 5] = [
    ("GET", "/domain/zone"),
    ("GET", "/domain/zone/*"),
    ("POST", "/domain/zone/*"),
    ("PUT", "/domain/zone/*"),
    ("DELETE", "/domain/zone/*"),
];

/// The rights that it has people give a service account, and no more.
pub const DOCUMENTED_ACTIONS: [&str; 7] = [
    "dnsZone:apiovh:get",
    "dnsZone:apiovh:record/get",
    "dnsZone:apiovh:record/create",
    "dnsZone:apiovh:record/edit",
    "dnsZone:apiovh:record/delete",
    "dnsZone:apiovh:refresh",
    "dnsZone:apiovh:soa/get",
];

/// When the authoritative servers get a zone that was refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishMode {
    /// With the refresh.
    AtOnce,
    /// When the test says so: [`Ovh::propagate`], [`Ovh::publish_to`]. The vendor needs 10 to 210 seconds (certbot #9065).
    Manual,
}

/// How one simulator starts.
#[derive(Debug, Clone)]
pub struct OvhOptions {
    /// Port of the API on loopback; 0 = any free one.
    pub port: u16,
    /// What `X-Ovh-Application` must be.
    pub application_key: String,
    /// The half of the signature's key that belongs to the application.
    pub application_secret: String,
    /// What `X-Ovh-Consumer` must be.
    pub consumer_key: String,
    /// Names of the account's zones.
    pub zones: Vec<String>,
    /// One authoritative server for each; 0 = any free port.
    pub dns_ports: Vec<u16>,
    /// When these servers learn of a refresh.
    pub publish: PublishMode,
    /// Ids of records are greater.
    pub ids_after: u64,
    /// Where records are kept from one start to the next; `None`: nowhere.
    pub kept_at: Option<PathBuf>,
}

impl OvhOptions {
    /// These zones, keys named after themselves, two servers that publish at once, free ports.
    pub fn with_zones(zones: &[&str]) -> Self {
        Self {
            port: 0,
            application_key: "application-key".to_owned(),
            application_secret: "application-secret".to_owned(),
            consumer_key: "consumer-key".to_owned(),
            zones: zones.iter().map(|&zone| zone.to_owned()).collect(),
            dns_ports: vec![0, 0],
            publish: PublishMode::AtOnce,
            ids_after: state::FIRST_ID,
            kept_at: None,
        }
    }
}

/// A running OVHcloud. Dropping it stops the API and the DNS servers.
#[derive(Debug)]
pub struct Ovh {
    /// The API: address, journal, faults.
    pub server: Server,
    /// Addresses of the authoritative servers.
    pub dns: Vec<SocketAddr>,
    /// The authoritative servers themselves, to stop or silence one.
    pub servers: Vec<Dns>,
    inner: Arc<Inner>,
}

/// What the routes and [`Ovh`] share.
#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    servers: Vec<Dns>,
}

/// Everything that an account holds, for [`Ovh::rewind`].
#[derive(Debug, Clone)]
pub struct Snapshot(State);

impl Ovh {
    /// Everything as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.inner.lock().clone())
    }

    /// Everything as it was then, in the answers of its name servers, too.
    pub fn rewind(&self, to: &Snapshot) {
        *self.inner.lock() = to.0.clone();
        self.inner.propagate();
    }

    /// Starts the API and the authoritative servers. Every zone begins as the vendor makes it:
    /// with the NS records of its servers.
    ///
    /// # Errors
    /// A port is taken, a zone's name is not one, or what was kept cannot be read.
    pub async fn start(options: OvhOptions) -> std::io::Result<Self> {
        let mut servers = Vec::new();
        for port in &options.dns_ports {
            servers.push(Dns::start(Role::Authority, *port).await?);
        }
        let (port, kept_at) = (options.port, options.kept_at.clone());
        let mut state = State::new(options).map_err(std::io::Error::other)?;
        if let Some(kept) = kept_at.as_deref().map(keep::read).transpose()?.flatten() {
            state.take_over(kept);
        }
        let inner = Arc::new(Inner { state: Mutex::new(state), servers: servers.clone() });
        inner.propagate();
        let app = Router::new().fallback(routes::handle).with_state(Arc::clone(&inner));
        let app = keep::kept(app, kept_at, {
            let inner = Arc::clone(&inner);
            move || inner.lock().to_keep()
        });
        Ok(Self {
            server: serve(app, port).await?,
            dns: servers.iter().map(|server| server.address).collect(),
            servers,
            inner,
        })
    }

    /// What a client is configured with: `http://127.0.0.1:PORT/1.0`.
    pub fn endpoint(&self) -> String {
        format!("{}/1.0", self.server.url())
    }

    /// When the consumer key ends, as `/auth/currentCredential` shows it; the call is not refused after it.
    pub fn expires(&self, at: &str) {
        self.inner.lock().access.expiration = Some(at.to_owned());
    }

    /// Where the service account `client-id`, whose secret is `client-secret`, gets its tokens.
    pub fn token_url(&self) -> String {
        format!("{}/auth/oauth2/token", self.server.url())
    }

    /// How long a token lives from now on; the vendor's live 3599 seconds.
    pub fn token_seconds(&self, seconds: i64) {
        self.inner.lock().access.tokens.seconds = seconds;
    }

    /// Tokens given out so far are refused with 401.
    pub fn withdraw_tokens(&self) {
        self.inner.lock().access.tokens.withdraw();
    }

    /// Sets the API's clock this many seconds ahead of (or behind) the real one.
    pub fn clock_skew(&self, seconds: i64) {
        self.inner.lock().access.skew = seconds;
    }

    /// Takes a right away: calls of `method` whose path (without `/1.0`) starts with `path_prefix`
    /// are answered 403 `NOT_GRANTED_CALL`.
    pub fn deny(&self, method: &str, path_prefix: &str) {
        let denial = (method.to_owned(), path_prefix.to_owned());
        self.inner.lock().access.denied.push(denial);
    }

    /// Limits the consumer key to these (method, path) rules, `*` standing for anything, and shows them
    /// in `/auth/currentCredential`. Undoes every [`Ovh::deny`].
    pub fn grant_only(&self, rules: &[(&str, &str)]) {
        let mut state = self.inner.lock();
        state.access.denied.clear();
        state.access.granted = ovh_api::rules(rules);
    }

    /// Whether POST of a record answers `"id": 0`, the bug that the vendor knows of and keeps
    /// (terraform-provider-ovh, `resource_domain_zone_record.go`). Off at first.
    pub fn post_answers_id_zero(&self, on: bool) {
        self.inner.lock().habits.id_zero = on;
    }

    /// Whether `X-Pagination-Mode: CachedObjectList-Pages` is understood. On at first.
    pub fn supports_expanded(&self, on: bool) {
        self.inner.lock().habits.expanded = on;
    }

    /// Whether `X-Ovh-Batch` is understood. On at first.
    pub fn supports_batch(&self, on: bool) {
        self.inner.lock().habits.batch = on;
    }

    /// Whether `/export` exists. On at first.
    pub fn supports_export(&self, on: bool) {
        self.inner.lock().habits.export = on;
    }

    /// Whether `/export` shows what was not refreshed yet. On at first; which of both the vendor
    /// does is not known.
    pub fn export_shows_drafts(&self, on: bool) {
        self.inner.lock().habits.export_drafts = on;
    }

    /// Whether the apex is `"subDomain": null` instead of `""`: the schema allows both. Off at first.
    pub fn apex_is_null(&self, on: bool) {
        self.inner.lock().habits.apex_null = on;
    }

    /// Gives every refreshed zone to every authoritative server.
    pub fn propagate(&self) {
        self.inner.propagate();
    }

    /// Gives every refreshed zone to one authoritative server only.
    pub fn publish_to(&self, server_index: usize) {
        self.inner.publish_to(server_index);
    }

    /// What is stored now, refreshed or not, as GET shows it, by id.
    pub fn records(&self, zone: &str) -> Vec<Value> {
        self.inner.read(zone, |zone| zone.rows.values().map(|row| row.json(&zone.name)).collect())
    }

    /// What the last refresh made of the zone, whether or not a server has it yet.
    pub fn published(&self, zone: &str) -> Vec<Value> {
        self.inner.read(zone, |zone| zone.published.iter().map(|row| row.json(&zone.name)).collect())
    }

    /// The zone of the last refresh, to be given to a resolver: [`Dns::publish`].
    pub fn dns_zone(&self, zone: &str) -> Option<DnsZone> {
        self.inner.lock().zones.get(zone).and_then(Zone::dns)
    }

    /// Successful calls of `/refresh`.
    pub fn refreshes(&self, zone: &str) -> u32 {
        self.inner.read(zone, |zone| zone.refreshes)
    }

    /// The serial of the last refresh.
    pub fn serial(&self, zone: &str) -> u32 {
        self.inner.read(zone, |zone| zone.published_soa.serial)
    }

    /// A record that somebody else made before, published everywhere; `sub` `""` is the apex. Answers
    /// its id, or 0 when there is no such zone or the API would not take such a record.
    pub fn seed_record(&self, zone: &str, sub: &str, kind: &str, target: &str, ttl: u32) -> u64 {
        let row = Row { id: 0, sub: sub.to_owned(), kind: kind.to_owned(), target: target.to_owned(), ttl };
        self.inner.by_hand(zone, |zone, id| {
            let row = Row { id, ..row }.checked(&zone.name).ok()?;
            zone.rows.insert(id, row);
            Some(id)
        })
    }

    /// A person changes a target in the vendor's manager. False when there is no such record or the
    /// API would refuse the target.
    pub fn edit_record(&self, zone: &str, id: u64, target: &str) -> bool {
        let edited = self.inner.by_hand(zone, |zone, _| {
            let mut row = zone.rows.get(&id)?.clone();
            target.clone_into(&mut row.target);
            zone.rows.insert(id, row.checked(&zone.name).ok()?);
            Some(id)
        });
        edited == id && id != 0
    }

    /// A person deletes a record in the vendor's manager. False when there is none.
    pub fn remove_record(&self, zone: &str, id: u64) -> bool {
        let removed = self.inner.by_hand(zone, |zone, _| zone.rows.remove(&id).map(|row| row.id));
        removed == id && id != 0
    }
}

impl Drop for Ovh {
    fn drop(&mut self) {
        // A client's open connection keeps the routes and with them the servers.
        for server in &self.servers {
            server.abort();
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn propagate(&self) {
        for index in 0..self.servers.len() {
            self.publish_to(index);
        }
    }

    fn publish_to(&self, index: usize) {
        let state = self.lock();
        if let Some(server) = self.servers.get(index) {
            for zone in state.zones.values().filter_map(Zone::dns) {
                server.publish(zone);
            }
        }
    }

    fn read<T: Default>(&self, zone: &str, look: impl FnOnce(&Zone) -> T) -> T {
        self.lock().zones.get(zone).map(look).unwrap_or_default()
    }

    /// Changes one row outside of the API and publishes that row alone: what an API client stored
    /// and did not refresh stays unpublished. Answers the row's id; 0 = nothing was changed.
    fn by_hand(&self, zone: &str, change: impl FnOnce(&mut Zone, u64) -> Option<u64>) -> u64 {
        let mut state = self.lock();
        let fresh = state.next_id();
        let Some(zone) = state.zones.get_mut(zone) else {
            return 0;
        };
        let Some(id) = change(zone, fresh) else {
            return 0;
        };
        zone.publish_row(id);
        self.serve(zone);
        id
    }

    /// Gives the last refresh of one zone to every authoritative server.
    fn serve(&self, zone: &Zone) {
        for server in &self.servers {
            if let Some(zone) = zone.dns() {
                server.publish(zone);
            }
        }
    }
}
