//! Whether the world can see a record: every one of the zone's own servers answers exactly its values.
//!
//! | the zone's servers | who decides |
//! | --- | --- |
//! | all answer right | ready |
//! | some do not, or are silent | not yet, with how many do |
//! | none can be reached | the resolvers, and `why` says so |
//! | nor can the resolvers | not yet: no name server can be reached from here |
//!
//! Resolvers are not asked before that: asking early makes them remember "no such name". A record
//! that was right is not asked for again for a while, so that a quiet world stays quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::query;
use super::query::ServerAnswer;
use crate::providers::Resolved;
use amarre_core::model::{Address, Millis, Readiness, Text, Timestamp};
use amarre_core::text;

use super::record_sets::canonical;

/// A server that is there answers in a tenth of this.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Questions at one time, over all servers.
const QUESTIONS_IN_FLIGHT_MAX: usize = 16;
/// For how long "all answer right" is believed.
const READY_FOR: Millis = Millis::minutes(5);
/// For how long the addresses of name servers are believed.
const SERVERS_FOR: Millis = Millis::minutes(60);

/// Who is asked.
#[derive(Debug, Clone)]
pub struct Propagation {
    /// Instead of the zone's own servers.
    pub servers: Vec<SocketAddr>,
    /// Where the zone's servers cannot be reached, and for their addresses; none = the machine's own.
    pub resolvers: Vec<SocketAddr>,
    /// After this, `why` says that it takes unusually long.
    pub timeout: Millis,
}

/// One record to watch.
#[derive(Debug, Clone)]
pub struct Watch {
    pub address: Address,
    pub zone: String,
    pub name: String,
    pub record_type: String,
    /// Canonical, in order.
    pub values: Vec<String>,
}

/// What is known of the zones of this look.
#[derive(Debug, Default)]
pub struct Zones {
    /// Name servers by zone.
    pub nameservers: BTreeMap<String, Vec<String>>,
    /// With changes that nobody sees yet.
    pub unpublished: BTreeSet<String>,
}

/// Remembers what was ready, and since when the rest is waited for.
#[derive(Debug)]
pub struct Watcher {
    settings: Propagation,
    memory: Mutex<BTreeMap<Address, WatchMemory>>,
    /// By name server: its addresses, and when that was found out.
    servers: Mutex<BTreeMap<String, (Timestamp, Vec<SocketAddr>)>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct WatchMemory {
    values: Vec<String>,
    since: Timestamp,
    ready_at: Option<Timestamp>,
}

/// Who was asked, and how long the answer took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerTime {
    /// A name or an address.
    pub who: String,
    /// `None` = no answer.
    pub took: Option<Millis>,
}

/// One server, under any of its addresses.
type Server = Vec<SocketAddr>;

/// What the servers said of one record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct AnswerTally {
    right: usize,
    answered: usize,
    asked: usize,
}

impl Watcher {
    /// A watcher that has seen nothing.
    pub fn new(settings: Propagation) -> Self {
        Self { settings, memory: Mutex::default(), servers: Mutex::default() }
    }

    /// How far each record is. Forgets all others.
    pub async fn readiness(&self, now: Timestamp, watches: &[Watch], zones: &Zones) -> BTreeMap<Address, Readiness> {
        let known = self.recall(now, watches);
        let mut found = BTreeMap::new();
        let mut open = Vec::new();
        for watch in watches {
            let memory = known.get(&watch.address);
            let was_ready = memory.and_then(|memory| memory.ready_at);
            let since = memory.map_or(now, |memory| memory.since);
            let unpublished = zones.unpublished.contains(&watch.zone);
            match was_ready {
                Some(at) if unpublished || (now - at) < READY_FOR => {
                    found.insert(watch.address.clone(), Readiness::Ready);
                }
                Some(_) | None if unpublished => {
                    let why = text!("waits for the zone's refresh");
                    found.insert(watch.address.clone(), Readiness::NotYet { since, why });
                }
                Some(_) | None if watch.values.is_empty() => {
                    let why = text!("has no values yet");
                    found.insert(watch.address.clone(), Readiness::NotYet { since, why });
                }
                Some(_) | None => open.push(watch),
            }
        }
        for (watch, verdict) in self.verdicts(now, &open, zones).await {
            let since = known.get(&watch.address).map_or(now, |memory| memory.since);
            let readiness = self.settle(now, watch, since, verdict);
            found.insert(watch.address.clone(), readiness);
        }
        found
    }

    /// How long each server of a zone takes to answer for it.
    pub async fn hear_servers(&self, zone: &str, names: &[String], now: Timestamp) -> Vec<AnswerTime> {
        let nameservers = BTreeMap::from([(zone.to_owned(), names.to_vec())]);
        let zones = Zones { nameservers, unpublished: BTreeSet::new() };
        let servers = self.servers_of(now, zone, &zones).await;
        let asks = servers.into_iter().enumerate().map(|(index, server)| {
            // A server whose address nobody knows is still one of the zone's.
            let name = names.get(index).filter(|_| self.settings.servers.is_empty()).cloned();
            async move {
                let who = name.or_else(|| server.first().map(ToString::to_string)).unwrap_or_default();
                AnswerTime { took: first_answer(&server, zone).await, who }
            }
        });
        join_all(asks).await
    }

    /// How long each resolver takes to answer for a zone.
    pub async fn hear_resolvers(&self, zone: &str) -> Vec<AnswerTime> {
        let asks = self.settings.resolvers.iter().map(|resolver| async move {
            AnswerTime { took: first_answer(&[*resolver], zone).await, who: resolver.to_string() }
        });
        join_all(asks).await
    }

    /// What is remembered of these records with these values; the rest is forgotten.
    fn recall(&self, now: Timestamp, watches: &[Watch]) -> BTreeMap<Address, WatchMemory> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = BTreeMap::new();
        for watch in watches {
            let known = memory.remove(&watch.address).filter(|known| known.values == watch.values);
            let fresh = || WatchMemory { values: watch.values.clone(), since: now, ready_at: None };
            kept.insert(watch.address.clone(), known.unwrap_or_else(fresh));
        }
        memory.clone_from(&kept);
        kept
    }

    fn settle(&self, now: Timestamp, watch: &Watch, since: Timestamp, verdict: Result<(), Text>) -> Readiness {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = memory.get_mut(&watch.address) else {
            return Readiness::NotYet { since, why: "".into() };
        };
        match verdict {
            Ok(()) => {
                known.ready_at = Some(now);
                Readiness::Ready
            }
            Err(mut why) => {
                // It was right and is not any more: the wait begins now.
                if known.ready_at.take().is_some() {
                    known.since = now;
                }
                if (now - known.since) > self.settings.timeout {
                    why = text!("{why}, for {span} now", why, span = now - known.since);
                }
                Readiness::NotYet { since: known.since, why }
            }
        }
    }

    async fn verdicts<'a>(
        &self,
        now: Timestamp,
        open: &[&'a Watch],
        zones: &Zones,
    ) -> Vec<(&'a Watch, Result<(), Text>)> {
        let mut servers: BTreeMap<&str, Vec<Server>> = BTreeMap::new();
        for watch in open {
            if !servers.contains_key(watch.zone.as_str()) {
                servers.insert(&watch.zone, self.servers_of(now, &watch.zone, zones).await);
            }
        }
        let of_zone = |watch: &Watch| servers.get(watch.zone.as_str()).cloned().unwrap_or_default();
        let said = tallies(open, of_zone).await;
        let mut verdicts = Vec::new();
        let mut unreached = Vec::new();
        for (watch, tally) in open.iter().copied().zip(said) {
            match tally {
                AnswerTally { answered: 0, .. } => unreached.push(watch),
                AnswerTally { right, asked, .. } if right == asked => verdicts.push((watch, Ok(()))),
                AnswerTally { right, asked, .. } => {
                    verdicts.push((watch, Err(text!("{right} of {asked} of the zone's servers answer", right, asked))));
                }
            }
        }
        let resolvers: Vec<Server> = self.resolvers().into_iter().map(|resolver| vec![resolver]).collect();
        let said = tallies(&unreached, |_| resolvers.clone()).await;
        for (watch, tally) in unreached.into_iter().zip(said) {
            let verdict = match tally {
                AnswerTally { answered: 0, .. } => Err(text!("no name server can be reached from here")),
                AnswerTally { right, answered, .. } if right == answered => Ok(()),
                AnswerTally { right, answered, .. } => Err(text!(
                    "none of the zone's servers can be reached from here, and {right} of {answered} resolvers answer",
                    right,
                    answered
                )),
            };
            verdicts.push((watch, verdict));
        }
        verdicts
    }

    /// What each of a zone's servers answers for a name, types of addresses and aliases only.
    pub async fn resolve(&self, zone: &str, names: &[String], name: &str, now: Timestamp) -> Vec<Resolved> {
        let zones = Zones { nameservers: BTreeMap::from([(zone.to_owned(), names.to_vec())]), ..Zones::default() };
        let servers = self.servers_of(now, zone, &zones).await;
        let heard = servers.into_iter().enumerate().map(|(at, server)| async move {
            let label = names.get(at).filter(|_| self.settings.servers.is_empty()).cloned();
            let label = label.or_else(|| server.first().map(ToString::to_string)).unwrap_or_default();
            let mut said = BTreeMap::new();
            for record_type in ["A", "AAAA", "CNAME"] {
                let mut answer = Err("its own address is not known".to_owned());
                for address in &server {
                    answer = match query::ask(*address, name, record_type, ANSWER_LIMIT).await {
                        Ok(ServerAnswer::Values(values)) => Ok(values),
                        Ok(ServerAnswer::Declined(why)) => Err(why),
                        Err(why) => Err(why),
                    };
                    if answer.is_ok() {
                        break;
                    }
                }
                said.insert(record_type, answer);
            }
            Resolved { server: label, said }
        });
        join_all(heard).await
    }

    async fn servers_of(&self, now: Timestamp, zone: &str, zones: &Zones) -> Vec<Server> {
        if !self.settings.servers.is_empty() {
            return self.settings.servers.iter().map(|server| vec![*server]).collect();
        }
        let names = zones.nameservers.get(zone).map(Vec::as_slice).unwrap_or_default();
        let resolvers = self.resolvers();
        let mut servers = Vec::new();
        for name in names {
            let known = self.known_server(now, name);
            let addresses = match known {
                Some(addresses) => addresses,
                None => {
                    let found = query::addresses(name, &resolvers, ANSWER_LIMIT).await;
                    let addresses: Server = found.into_iter().map(query::at_usual_port).collect();
                    self.learn_server(now, name, &addresses);
                    addresses
                }
            };
            servers.push(addresses);
        }
        servers
    }

    fn known_server(&self, now: Timestamp, name: &str) -> Option<Server> {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, addresses) = servers.get(name)?;
        ((now - *at) < SERVERS_FOR).then(|| addresses.clone())
    }

    fn learn_server(&self, now: Timestamp, name: &str, addresses: &[SocketAddr]) {
        if !addresses.is_empty() {
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            servers.insert(name.to_owned(), (now, addresses.to_vec()));
        }
    }

    fn resolvers(&self) -> Vec<SocketAddr> {
        if self.settings.resolvers.is_empty() { query::system_resolvers() } else { self.settings.resolvers.clone() }
    }
}

/// How long the first of a server's addresses that answers took.
async fn first_answer(server: &[SocketAddr], zone: &str) -> Option<Millis> {
    for address in server {
        let asked = Instant::now();
        if query::ask(*address, zone, "NS", ANSWER_LIMIT).await.is_ok() {
            return Some(Millis(i64::try_from(asked.elapsed().as_millis()).unwrap_or(i64::MAX)));
        }
    }
    None
}

/// Asks every server of every record, a few at a time. A server that is silent once is not asked again in this look.
async fn tallies(watches: &[&Watch], servers_of: impl Fn(&Watch) -> Vec<Server>) -> Vec<AnswerTally> {
    let mut tallies = vec![AnswerTally::default(); watches.len()];
    let silent = Mutex::new(BTreeSet::new());
    let mut questions = Vec::new();
    for (index, watch) in watches.iter().enumerate() {
        let servers = servers_of(watch);
        if let Some(tally) = tallies.get_mut(index) {
            tally.asked = servers.len();
        }
        for server in servers {
            let answer = answer_of(watch, server, &silent);
            questions.push(async move { (index, answer.await) });
        }
    }
    let mut answers = stream::iter(questions).buffer_unordered(QUESTIONS_IN_FLIGHT_MAX);
    while let Some((index, answer)) = answers.next().await {
        if let (Some(tally), Some(is_right)) = (tallies.get_mut(index), answer) {
            tally.answered += 1;
            tally.right += usize::from(is_right);
        }
    }
    tallies
}

/// Whether a server answers right; `None` when it does not answer at all.
async fn answer_of(watch: &Watch, server: Server, silent: &Mutex<BTreeSet<SocketAddr>>) -> Option<bool> {
    for address in &server {
        if silent.lock().unwrap_or_else(PoisonError::into_inner).contains(address) {
            continue;
        }
        match query::ask(*address, &watch.name, &watch.record_type, ANSWER_LIMIT).await {
            Ok(ServerAnswer::Values(values)) => {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                return Some(canonical(&watch.record_type, &values) == watch.values);
            }
            Ok(ServerAnswer::Declined(_)) => return Some(false),
            Err(_) => {
                silent.lock().unwrap_or_else(PoisonError::into_inner).insert(*address);
            }
        }
    }
    None
}
