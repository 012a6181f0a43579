//! The servers of one account at Kamatera, through the proxy that its own command line uses. Reads one list; details of servers
//! when somebody looks at them; the queue while a command of ours is under way.
//!
//! | what Kamatera says | what is observed |
//! |---|---|
//! | anything but a list, whatever the status | a gap of the cloud; its servers are as last read, for people to see |
//! | a list without a server, and its id is denied | it is gone |
//! | a list without a server whose id answers | the server, by its details |
//! | a command that is not over, or over for less than a minute while the list shows what was before | the server without a power: nobody acts on it |
//! | a command that failed | the server in error, with the reason, for ten minutes |

mod actions;
mod api;
mod examine;
mod made;
mod memory;
mod observe_made;
mod offers;
mod prices;
mod resize;
mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::exchanges::Exchanges;
use super::offers::OfferMemory;
use super::servers::{self, MadeServers};
use super::{
    Capabilities, Class, Observation, ObserveQuery, Outcome, Provider, ProviderError, ReadPrices, ReadRawList, Supplies,
};
use crate::secret::Secret;
use amarre_core::model::{
    Address, Change, Code, Fields, GapScope, Kind, KindSchema, Owner, ProviderId, Readiness, Seen, Text, Timestamp,
    Value,
};
use amarre_core::resources::Objection;
use amarre_core::resources::cloud::{INSTANCE, SERVER, power};
use amarre_core::text;

use api::{KamateraApi, Trouble};
use memory::KamateraMemory;
use wire::WireServer;

/// In which Kamatera bills.
const CURRENCY: &str = "USD";
/// The kinds of the provider.
static KINDS: [KindSchema; 2] = [INSTANCE, SERVER];

/// How an account is reached.
#[derive(Debug, Clone)]
pub struct KamateraConfig {
    /// Its name in addresses.
    pub id: ProviderId,
    /// Where the proxy is: `https://cloudcli.cloudwm.com`, or that of another brand of the vendor.
    pub url: String,
    /// Where its console is, which tells all commands under way: `https://console.kamatera.com`.
    pub console: String,
    /// The mark of this instance of Amarre.
    pub instance: String,
    /// The id of the API key.
    pub client_id: String,
    pub secret: Secret,
    /// Between the details of one server and those of the next.
    pub pause: Duration,
}

/// One account at Kamatera.
#[derive(Debug)]
pub struct KamateraProvider {
    id: ProviderId,
    url: String,
    instance: String,
    api: KamateraApi,
    memory: Mutex<KamateraMemory>,
    exchanges: Exchanges,
    offers: OfferMemory,
    pause: Duration,
    /// Held while details are read.
    reading: tokio::sync::Mutex<()>,
}

impl KamateraProvider {
    /// A provider; makes no call yet.
    ///
    /// # Errors
    /// The URL is none.
    pub fn new(config: KamateraConfig) -> Result<Self, String> {
        let KamateraConfig { id, url, console, instance, client_id, secret, pause } = config;
        let api = KamateraApi::new((&url, &console), &client_id, secret)?;
        let (memory, exchanges, offers) = (Mutex::default(), Exchanges::default(), OfferMemory::default());
        Ok(Self { id, url, instance, api, memory, exchanges, offers, pause, reading: tokio::sync::Mutex::default() })
    }

    fn memory(&self) -> MutexGuard<'_, KamateraMemory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self, id: &str) -> Address {
        Address::new(self.id.clone(), Kind::Instance, id)
    }

    /// Asks the queue about actions of ours. Without an answer they go on, as far as is known.
    async fn follow_actions(&self, now: Timestamp) {
        let due = self.memory().due_commands(now);
        if due.is_empty() {
            return;
        }
        let Ok(found) = self.api.commands(&due).await else { return };
        let ended = self.memory().heard(&due, &found, now);
        for (id, line) in ended {
            self.exchanges.note(self.log_address(&id), &line);
        }
    }

    async fn read_list(&self, reuse: bool, now: Timestamp) -> Result<(), Trouble> {
        if !self.memory().asks_list(reuse, now) {
            // What could not be read is not known by the next look, either.
            return self.memory().trouble().cloned().map_or(Ok(()), Err);
        }
        match self.api.servers().await {
            Ok(servers) => self.memory().keep_list(servers, now),
            Err(trouble) => {
                self.memory().keep_trouble(trouble.clone());
                return Err(trouble);
            }
        }
        Ok(())
    }

    /// A server as it is shown.
    fn seen(&self, server: &WireServer, at: Timestamp) -> Seen {
        let memory = self.memory();
        let since = memory.since(&server.id).unwrap_or(at);
        let mut fields = Fields::default()
            .with("name", Value::text(&server.name))
            .with("status", Value::text(&server.power))
            .with("region", Value::text(&server.datacenter));
        if let Some(details) = memory.details(&server.id) {
            fields.set("type", Value::text(details.size()));
            servers::set_addresses(&mut fields, details.addresses());
            fields.set("billing", Value::text(if details.is_monthly() { "month" } else { "hour" }));
            if let Some(price) = details.price() {
                fields.set("price", Value::Int(price));
                fields.set("currency", Value::text(CURRENCY));
            }
        }
        let not_yet = |why: Text| Readiness::NotYet { since, why };
        let ready = match (memory.failure(&server.id), server.power.as_str()) {
            (Some((why, _)), _) => {
                let why = Text::foreign(why);
                Readiness::Failed { why: text!("the vendor's command failed: {why}", why) }
            }
            _ if memory.is_acting(&server.id) => Readiness::NotYet {
                since: memory.acting_since(&server.id).unwrap_or(at),
                why: text!("the vendor carries out an action"),
            },
            (None, power @ (power::ON | power::OFF)) => {
                fields.set("power", Value::text(power));
                Readiness::Ready
            }
            (None, _) => not_yet(text!("something is under way at the vendor")),
        };
        Seen { fields, ready, owner: Owner::Foreign, service: None, vendor_id: server.id.clone(), at }
    }

    /// Begins an action, and notes it.
    async fn act(&self, id: &str, word: &str) -> Result<(), Trouble> {
        let to = match word {
            "start" => Some(power::ON),
            "stop" => Some(power::OFF),
            _ => None,
        };
        // Before the call: what the answer says, the power from before may be shown now.
        self.memory().acts(id, to);
        let (line, came) = self.api.act(id, word).await;
        self.exchanges.note(self.log_address(id), &line);
        if !matches!(&came, Err(trouble) if trouble.is_unclear()) {
            self.memory().answered(id, came.as_ref().ok().cloned());
        }
        came.map(drop)
    }

    /// Brings a server to a power, if it is not there by now.
    async fn reach_power(&self, id: &str, wanted: &str) -> Result<(), ProviderError> {
        let doing = text!("could not turn instance {id} {wanted}", id, wanted);
        let word = match wanted {
            power::ON => "start",
            power::OFF => "stop",
            _ => {
                let message = text!("{doing}: Kamatera shelves no server", doing);
                return Err(ProviderError::new(Class::Rejected, Code::A0742, message)
                    .hint(text!("write on or off, or `off_as: stop`")));
            }
        };
        let details = self.api.details(id, self.pause).await;
        let details = details.map_err(|trouble| trouble.into_error(&doing, false))?;
        if details.power == wanted {
            return Ok(());
        }
        self.act(id, word).await.map_err(|trouble| trouble.into_error(&doing, true))
    }
}

#[async_trait]
impl Provider for KamateraProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn kinds(&self) -> &'static [KindSchema] {
        &KINDS
    }

    fn normalize(&self, _: &Address, _: &mut Fields) -> Result<(), Objection> {
        Ok(())
    }

    async fn observe(&self, query: &ObserveQuery) -> Observation {
        let now = query.now;
        let mut observation = Observation::default();
        self.memory().keep_made(MadeServers::of(query));
        self.follow_actions(now).await;
        // What is ruled out, and what was made and is not listed yet, is looked for in a list that was read of late.
        let reuse = query.reuse && !self.memory().is_missing(query, now);
        let read = self.read_list(reuse, now).await;
        if let Err(trouble) = &read {
            let error = trouble.clone().into_error(&text!("could not list the servers"), false);
            observation.gaps.push(error.into_gap(&self.id, GapScope::Whole, now));
        }
        if read.is_ok() {
            self.follow_creates(now).await;
            self.find_unlisted(query, &mut observation).await;
            self.sort_made(query, &mut observation).await;
            self.read_doubts(now).await;
            self.follow_changed(now).await;
        }
        let (at, servers) = self.memory().list().cloned().unwrap_or_default();
        for server in &servers {
            let is_made = self.memory().made_address(&server.id);
            let address = is_made.clone().unwrap_or_else(|| self.address(&server.id));
            let mut seen = self.seen(server, at);
            if is_made.is_some() {
                self.as_made(&address, &mut seen);
            }
            let is_hidden = read.is_err() || observation.gaps.iter().any(|gap| gap.covers(&address));
            if !is_hidden && (query.wanted.contains_key(&address) || is_made.is_some()) {
                // Of one that was there before, its power is a manifest's; nothing else of it is.
                seen.owner = Owner::Ours;
                observation.seen.insert(address, seen);
            } else {
                observation.inventory.insert(address, seen);
            }
        }
        observation
    }

    async fn apply(&self, change: &Change, _: Supplies<'_>) -> Result<Outcome, ProviderError> {
        let known = self.memory().made().clone();
        servers::apply(self, change, &known).await
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            actions: Some(self),
            resizes: Some(self),
            exchanges: Some(&self.exchanges),
            prices: Some(self),
            offers: Some(self),
            raw_list: Some(self),
            examine: Some(self),
            requests: Some(self.api.counts()),
            ..Capabilities::NONE
        }
    }
}

#[async_trait]
impl ReadPrices for KamateraProvider {
    /// Reads the details of every server, one after another: size, addresses, price.
    async fn read_prices(&self, now: Timestamp) -> Result<(), ProviderError> {
        // One reader is enough.
        let Ok(_reading) = self.reading.try_lock() else { return Ok(()) };
        let due = self.memory().due_details(now);
        for id in due {
            match self.api.details(&id, self.pause).await {
                Ok(details) => self.memory().keep_details(&id, details, now),
                Err(trouble @ Trouble::Refused { .. }) => {
                    tracing::info!(
                        "{}",
                        trouble.into_error(&text!("could not read the details of instance {id}", id), false)
                    );
                }
                Err(trouble) => {
                    return Err(trouble.into_error(&text!("could not read the details of the servers"), false));
                }
            }
            tokio::time::sleep(self.pause).await;
        }
        Ok(())
    }
}

#[async_trait]
impl ReadRawList for KamateraProvider {
    async fn raw_list(&self, now: Timestamp) -> Result<Json, ProviderError> {
        if let Some(known) = self.memory().raw_list(now) {
            return Ok(known);
        }
        let read = self.api.raw_servers().await;
        let list = read.map_err(|trouble| trouble.into_error(&text!("could not list the servers"), false))?;
        self.memory().keep_raw_list(list.clone(), now);
        Ok(list)
    }
}

/// A server that the list does not have.
fn gone(id: &str) -> ProviderError {
    ProviderError::new(Class::Conflict, Code::A0733, text!("instance {id} is not in the list of servers", id))
}
