//! A provider on a simulated NPM, and a planner in miniature: observe, compare, change, observe again.

use crate::support::supplies;
use std::collections::{BTreeMap, BTreeSet};

use amarre::providers::npm::{NpmConfig, NpmProvider};
use amarre::providers::{ObserveQuery, Outcome, Provider, ProviderError};
use amarre::secret::{MarkKey, Secret, Secrets};
use amarre_core::model::plan::Downtime;
use amarre_core::model::world::Applied;
use amarre_core::model::{
    Address, Change, Expect, Fields, Gap, Gate, Impact, Kind, Owner, ProviderId, Reason, ReasonCode, Seen, Text,
    Timestamp, Value, Verb,
};
use amarre_sim::Call;
use amarre_sim::npm::{self, Npm, NpmOptions};
use serde_json::Value as Json;

pub const SERVICE: &str = "git";
pub const NOW: Timestamp = Timestamp(1_795_000_000_000);

pub struct Rig {
    pub npm: Npm,
    pub provider: NpmProvider,
    pub applied: BTreeMap<Address, Applied>,
    pub secrets: Secrets,
}

pub fn provider(url: &str, identity: &str, secret: &str) -> NpmProvider {
    let config = NpmConfig {
        id: ProviderId::npm("main"),
        url: url.to_owned(),
        identity: identity.to_owned(),
        secret: Secret::new(secret),
        dns_credentials: None,
        instance: "amarre".to_owned(),
        key: key(),
        look_every: std::time::Duration::from_millis(20),
    };
    NpmProvider::new(config).unwrap()
}

pub fn key() -> MarkKey {
    MarkKey::new([7; 32])
}

pub fn address(kind: Kind, name: &str) -> Address {
    Address::new(ProviderId::npm("main"), kind, name)
}

pub fn change(address: &Address, verb: Verb, expects: Expect) -> Change {
    Change {
        address: address.clone(),
        service: SERVICE.to_owned(),
        verb,
        diff: Vec::new(),
        because: Reason { code: ReasonCode::ManifestNew, text: Text::default(), origin: None },
        impact: Impact { downtime: Downtime::None, exposes: Vec::new() },
        expects,
        gate: Gate::Now,
    }
}

pub fn unchanged(seen: &Seen) -> Expect {
    Expect::Unchanged { vendor_id: seen.vendor_id.clone(), fields: seen.fields.digest() }
}

/// A proxy host as a manifest wants it; its main domain is `domain`.
pub fn host(domain: &str) -> Fields {
    Fields::default()
        .with("domains", Value::texts([domain]))
        .with("forward_scheme", Value::text("http"))
        .with("forward_host", Value::text("172.20.8.3"))
        .with("forward_port", Value::Int(3000))
        .with("certificate", Value::None)
        .with("force_https", Value::Bool(false))
        .with("http2", Value::Bool(false))
        .with("hsts", Value::Bool(false))
        .with("hsts_subdomains", Value::Bool(false))
        .with("websockets", Value::Bool(true))
        .with("block_exploits", Value::Bool(true))
        .with("caching", Value::Bool(false))
        .with("access_list", Value::None)
        .with("locations", Value::List(Vec::new()))
        .with("advanced", Value::text(""))
        .with("enabled", Value::Bool(true))
        .with("online", Value::Bool(true))
        .with("mark", Value::Bool(true))
}

pub fn dead_host(domain: &str) -> Fields {
    let mut fields = redirection(domain);
    for name in ["scheme", "to", "code", "keep_path", "block_exploits"] {
        fields.remove(name);
    }
    fields
}

pub fn redirection(domain: &str) -> Fields {
    Fields::default()
        .with("domains", Value::texts([domain]))
        .with("scheme", Value::text("https"))
        .with("to", Value::text("new.example.org"))
        .with("code", Value::Int(301))
        .with("keep_path", Value::Bool(true))
        .with("certificate", Value::None)
        .with("force_https", Value::Bool(false))
        .with("http2", Value::Bool(false))
        .with("hsts", Value::Bool(false))
        .with("hsts_subdomains", Value::Bool(false))
        .with("block_exploits", Value::Bool(false))
        .with("advanced", Value::text(""))
        .with("enabled", Value::Bool(true))
        .with("online", Value::Bool(true))
        .with("mark", Value::Bool(true))
}

/// A stream as a manifest wants it.
pub fn stream(port: u16) -> Fields {
    Fields::default()
        .with("port", Value::Int(i64::from(port)))
        .with("forward_host", Value::text("172.20.8.3"))
        .with("forward_port", Value::Int(22))
        .with("tcp", Value::Bool(true))
        .with("udp", Value::Bool(false))
        .with("enabled", Value::Bool(true))
        .with("online", Value::Bool(true))
        .with("mark", Value::Bool(true))
}

/// An access list; each user's secret is called as the user and holds `pw-<user>`.
pub fn list(users: &[&str]) -> Fields {
    let users = users.iter().map(|user| ((*user).to_owned(), secret(user, &format!("pw-{user}"))));
    Fields::default()
        .with("users", Value::Map(users.collect()))
        .with("allow", Value::texts(["192.168.0.0/16"]))
        .with("deny", Value::List(Vec::new()))
        .with("satisfy_any", Value::Bool(true))
        .with("pass_auth", Value::Bool(false))
}

pub fn secret(name: &str, plain: &str) -> Value {
    Value::secret(amarre_core::model::SecretName(name.to_owned()), key().mark(plain))
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(NpmOptions::default()).await
    }

    pub async fn with(options: NpmOptions) -> Self {
        let user = options.users.last().unwrap().clone();
        let npm = Npm::start(options).await.unwrap();
        let provider = provider(&npm.server.url(), &user.identity, &user.secret);
        let secrets = ["anna", "ben", "ben/two"]
            .map(|name| (amarre_core::model::SecretName(name.to_owned()), Secret::new(format!("pw-{name}"))));
        Self { npm, provider, applied: BTreeMap::new(), secrets: secrets.into() }
    }

    /// Writes but the sign-in.
    pub fn writes(&self) -> Vec<Call> {
        let mut writes = self.npm.server.journal.writes();
        writes.retain(|call| call.path != "/api/tokens");
        writes
    }

    pub fn rows(&self, kind: npm::Kind) -> Vec<Json> {
        self.npm.rows(kind)
    }

    pub async fn observe(&self, wanted: &[&Address]) -> amarre::providers::Observation {
        self.provider.observe(&self.query(wanted)).await
    }

    pub fn query(&self, wanted: &[&Address]) -> ObserveQuery {
        let wanted = wanted.iter().map(|address| ((*address).clone(), Fields::default())).collect();
        ObserveQuery { now: NOW, wanted, applied: self.applied.clone(), ..ObserveQuery::default() }
    }

    /// Everything there is; a gap fails the test.
    pub async fn observe_all(&self) -> BTreeMap<Address, Seen> {
        let observation = self.observe(&[]).await;
        assert_eq!(observation.gaps, []);
        observation.seen
    }

    pub async fn see(&self, address: &Address) -> Option<Seen> {
        let observation = self.observe(&[address]).await;
        assert_eq!(observation.gaps, []);
        observation.seen.get(address).cloned()
    }

    /// The one gap; anything seen beside it fails the test.
    pub async fn gap(&self) -> Gap {
        let mut observation = self.observe(&[]).await;
        assert!(observation.seen.is_empty(), "half an answer");
        assert_eq!(observation.gaps.len(), 1);
        observation.gaps.remove(0)
    }

    pub async fn apply(&self, change: &Change) -> Result<Outcome, ProviderError> {
        self.provider.apply(change, supplies(&self.secrets)).await
    }

    /// One observation and the change that follows from it, recorded as the ledger does. `None` = nothing to do.
    pub async fn step(&mut self, address: &Address, wanted: &Fields) -> Result<Option<Outcome>, ProviderError> {
        let mut wanted = wanted.clone();
        self.provider.normalize(address, &mut wanted).unwrap();
        let next = match self.see(address).await {
            None => change(address, Verb::Create(wanted.clone()), Expect::Absent),
            Some(seen) => {
                let mut changed = wanted.clone();
                changed.retain(|name, value| seen.fields.get(name) != Some(value));
                if changed.is_empty() {
                    return Ok(None);
                }
                change(address, Verb::Update(changed), unchanged(&seen))
            }
        };
        let outcome = self.apply(&next).await?;
        let vendor_id = outcome.vendor_id.clone();
        self.applied.insert(address.clone(), Applied { service: SERVICE.to_owned(), vendor_id, fields: wanted });
        Ok(Some(outcome))
    }

    /// Brings it to what is wanted in one step; then what is seen is what is wanted, ours, and quiet.
    #[track_caller]
    pub fn bring<'a>(&'a mut self, address: &'a Address, wanted: &'a Fields) -> impl Future<Output = Seen> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let outcome = self.step(address, wanted).await.unwrap_or_else(|error| panic!("{caller}: {error:?}"));
            let seen = self.see(address).await.unwrap_or_else(|| panic!("{caller}: {address} is not there"));
            let mut normal = wanted.clone();
            self.provider.normalize(address, &mut normal).unwrap();
            assert_eq!(seen.fields, normal, "{caller}: {address}");
            assert_eq!(seen.owner, Owner::Ours, "{caller}: {address}");
            assert!(outcome.is_none_or(|outcome| outcome.vendor_id == seen.vendor_id), "{caller}");
            self.npm.server.journal.clear();
            assert_eq!(self.step(address, wanted).await.unwrap(), None, "{caller}: not quiet");
            assert_eq!(self.writes(), [], "{caller}: not quiet");
            seen
        }
    }

    pub async fn delete(&mut self, address: &Address) -> Result<Outcome, ProviderError> {
        let seen = self.see(address).await.unwrap();
        let outcome = self.apply(&change(address, Verb::Delete, unchanged(&seen))).await?;
        self.applied.remove(address);
        Ok(outcome)
    }

    /// The rows of a kind that carry a domain.
    pub fn hosts_with(&self, kind: npm::Kind, domain: &str) -> Vec<Json> {
        let mut rows = self.rows(kind);
        rows.retain(|row| row["domain_names"].as_array().unwrap().iter().any(|name| name == domain));
        rows
    }
}

/// Puts the marks of this test's key in place of a sample's.
pub fn with_real_marks(value: Value, seen: &mut BTreeSet<String>) -> Value {
    match value {
        Value::Secret { name, .. } => {
            seen.insert(name.0.clone());
            secret(&name.0, &format!("pw-{}", name.0))
        }
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|(key, value)| (key, with_real_marks(value, seen))).collect())
        }
        Value::List(_) | Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Output { .. } => value,
    }
}
