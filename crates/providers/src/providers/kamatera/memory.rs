//! What a provider remembers from one look to the next: the last list, the commands that it began, details that somebody asked
//! for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::api::Trouble;
use super::observe_made::ById;
use super::prices::PriceList;
use super::wire::{CommandState, WireCommand, WireServer, WireServerDetails};
use crate::providers::servers::MadeServers;
use crate::providers::{ObserveQuery, RAW_LIST_AGE_MAX};
use amarre_core::model::{Address, Kind, Millis, ProviderId, Timestamp};

/// Details are read again after this long.
const DETAILS_ANEW: Millis = Millis::minutes(24 * 60);
/// A server without a public address is asked for it again, and one whose details tell what became of an action.
const ADDRESS_AGAIN: Millis = Millis::seconds(60);
/// A server that the list lacks is asked for by its id so often.
const BY_ID_AGAIN: Millis = Millis::seconds(30);
/// A list of prices that could not be read is asked for again.
const PRICES_AGAIN: Millis = Millis::minutes(10);
/// The queue, and the list while a command is under way, are read so often.
const ASKED_EVERY: Millis = Millis::seconds(5);
/// The list is read so often, and so often while a new server is to show in it.
const LIST_ANEW: Millis = Millis::seconds(60);
const EXPECTED_ANEW: Millis = Millis::seconds(15);
/// The details of so many servers are read with one look, to see what came of commands.
const LOOKED_AT_ONCE: usize = 3;
/// For this long after a command is complete the list may show what was before it.
const LAGS_FOR: Millis = Millis::seconds(60);
/// A command that failed is told for this long: then what was wanted may be tried again.
const FAILURE_TOLD: Millis = Millis::minutes(10);

#[derive(Debug, Default)]
pub struct KamateraMemory {
    list: Option<(Timestamp, Vec<WireServer>)>,
    /// Why the list could not be read last; what was read before it stands for nothing.
    trouble: Option<Trouble>,
    acted: BTreeMap<String, BegunAction>,
    failures: BTreeMap<String, (String, Timestamp)>,
    details: BTreeMap<String, (WireServerDetails, Timestamp)>,
    /// Since when each server has its power.
    since: BTreeMap<String, (String, Timestamp)>,
    /// When the queue was asked last.
    asked: Option<Timestamp>,
    /// The servers of Amarre's as of the last look, and which of those that were listed are theirs.
    made: MadeServers,
    sorted: BTreeMap<String, Address>,
    /// Servers of which an action is open whose outcome only the details show.
    doubted: BTreeSet<String>,
    /// Servers that are being made.
    creates: BTreeMap<Address, BegunCreate>,
    /// Commands of creates that led to nothing in the list, however long that was waited for.
    past: BTreeSet<String>,
    /// Since when neither the list nor the console's queue has a server.
    missing: BTreeMap<Address, Timestamp>,
    /// What the vendor said of servers by their ids, and when.
    by_id: BTreeMap<String, (ById, Timestamp)>,
    /// The details of servers that the list lacks.
    unlisted_details: BTreeMap<String, WireServerDetails>,
    /// The last list as it came, for programs that know its form.
    raw_list: Option<(Timestamp, Json)>,
    /// The vendor's list of prices.
    prices: Option<(Timestamp, Option<PriceList>)>,
}

/// A create of ours.
#[derive(Debug, Clone, Default)]
pub struct BegunCreate {
    pub commands: Vec<String>,
    /// The first look since.
    pub since: Option<Timestamp>,
    /// When its commands were over.
    pub over: Option<Timestamp>,
    /// The name that the server came to have.
    pub real_name: Option<String>,
    /// Why there is no server.
    pub failure: Option<String>,
}

/// An action of ours on a server.
#[derive(Debug, Clone, Default)]
struct BegunAction {
    /// The first look since.
    first_look: Option<Timestamp>,
    /// Its commands; empty: their numbers were lost with the answer.
    commands: Vec<String>,
    /// The power that it leads to; `None`: it ends as it began.
    to: Option<&'static str>,
    /// The size that it leads to, which only the details show.
    size: Option<String>,
    /// It leads to no server.
    is_end: bool,
    /// When its details were read to see what came of it.
    looked: Option<Timestamp>,
    /// When its commands were seen to be over, or it was first looked at without any.
    over: Option<Timestamp>,
}

impl KamateraMemory {
    /// The servers of Amarre's as of the last look.
    pub fn made(&self) -> &MadeServers {
        &self.made
    }

    /// Keeps them.
    pub fn keep_made(&mut self, made: MadeServers) {
        self.made = made;
    }

    /// Keeps which of those that were listed are Amarre's.
    pub fn keep_sorted(&mut self, sorted: BTreeMap<String, Address>) {
        self.creates.retain(|address, _| !sorted.values().any(|found| found == address));
        self.missing.retain(|address, _| !sorted.values().any(|found| found == address));
        self.sorted = sorted;
    }

    /// The address of a server of Amarre's.
    pub fn made_address(&self, id: &str) -> Option<Address> {
        self.sorted.get(id).cloned()
    }

    /// A create of ours leaves now.
    pub fn makes(&mut self, address: &Address) {
        self.creates.remove(address);
        self.missing.remove(address);
    }

    /// It goes on, by these commands.
    pub fn is_being_made(&mut self, address: &Address, commands: Vec<String>) {
        self.creates.insert(address.clone(), BegunCreate { commands, ..BegunCreate::default() });
    }

    /// It is refused, or lost: then only list and queue tell.
    pub fn is_not_being_made(&mut self, address: &Address) {
        self.creates.remove(address);
    }

    /// The creates that go on, or ended a moment ago.
    pub fn creates(&mut self) -> &mut BTreeMap<Address, BegunCreate> {
        &mut self.creates
    }

    /// The vendor's id of a server of Amarre's, if the list has it.
    pub fn id_of(&self, address: &Address) -> Option<String> {
        self.sorted.iter().find(|(_, found)| *found == address).map(|(id, _)| id.clone())
    }

    /// The create of a server that is on its way, or failed a moment ago.
    pub fn on_its_way(&mut self, address: &Address, now: Timestamp) -> Option<BegunCreate> {
        let past = self.creates.values().filter(|create| create.is_past(now));
        self.past.extend(past.flat_map(|create| create.commands.clone()));
        self.creates.retain(|_, create| !create.is_past(now));
        self.creates.get_mut(address).map(|create| {
            create.since.get_or_insert(now);
            create.clone()
        })
    }

    /// Whether a command is known to have led to nothing.
    pub fn is_past(&self, command: &str) -> bool {
        self.past.contains(command)
    }

    /// The servers of Amarre's, and those whose address is needed, whose details are to be read, with their ids.
    pub fn due_made_details(&self, provider: &ProviderId, now: Timestamp) -> Vec<(String, Address)> {
        let is_known = |id: &String| {
            self.details.get(id).is_some_and(|(details, at)| {
                // Its address comes some moments after it.
                let anew = if details.addresses().is_empty() { ADDRESS_AGAIN } else { DETAILS_ANEW };
                *at <= now && now - *at < anew
            })
        };
        let made = self.sorted.iter().map(|(id, address)| (id.clone(), address.clone()));
        let is_there = |id: &&String| self.since.contains_key(*id);
        let led_to = self.made.led_to().filter(is_there);
        let led_to = led_to.map(|id| (id.clone(), Address::new(provider.clone(), Kind::Instance, id)));
        made.chain(led_to).filter(|(id, _)| !is_known(id)).collect()
    }

    /// The details of a server tell what became of an action: they are read with the next look, and once a minute.
    pub fn asks_details(&mut self, id: &str) {
        self.doubted.insert(id.to_owned());
    }

    /// The servers whose details are to be read for that; each has to be asked for again.
    pub fn due_doubts(&mut self, now: Timestamp) -> Vec<String> {
        let doubted = std::mem::take(&mut self.doubted);
        let is_recent =
            |id: &String, age: Millis| self.details.get(id).is_some_and(|(_, at)| *at <= now && now - *at < age);
        let awaited = self.acted.iter().filter(|(_, acted)| acted.size.is_some() && acted.over.is_some());
        let awaited = awaited.map(|(id, _)| id.clone()).filter(|id| !is_recent(id, ASKED_EVERY));
        doubted.into_iter().filter(|id| !is_recent(id, ADDRESS_AGAIN)).chain(awaited).collect()
    }

    /// Since when neither the list nor the queue has a server.
    pub fn missing(&mut self) -> &mut BTreeMap<Address, Timestamp> {
        &mut self.missing
    }

    /// What manifests name and what the ledger has by an id, and the list does not, with these ids.
    pub fn unlisted(&self, query: &ObserveQuery) -> Vec<(Address, String)> {
        let unlisted = self.made.known_ids(query).filter(|(_, id)| self.server(id).is_none());
        unlisted.map(|(address, id)| (address.clone(), id.to_owned())).collect()
    }

    /// Adds a server to the list, which lacks it, by its details. Answers whether they are known.
    pub fn add_to_list(&mut self, id: &str, now: Timestamp) -> bool {
        let Some(details) = self.unlisted_details.get(id) else { return false };
        let (name, datacenter) = (details.name.clone(), details.datacenter.clone());
        let server = WireServer { id: id.to_owned(), name, datacenter, power: details.power.clone() };
        if self.since.get(id).is_none_or(|(power, _)| *power != server.power) {
            self.since.insert(id.to_owned(), (server.power.clone(), now));
        }
        if let Some((_, servers)) = &mut self.list {
            servers.push(server);
        }
        true
    }

    /// Keeps what the vendor said of a server that the list lacks.
    pub fn keep_details_by_id(&mut self, id: &str, details: WireServerDetails) {
        self.unlisted_details.insert(id.to_owned(), details);
    }

    /// What the vendor said of a server by its id, if it was asked of late.
    pub fn by_id(&self, id: &str, now: Timestamp) -> Option<ById> {
        let (said, at) = self.by_id.get(id)?;
        (*at <= now && now - *at < BY_ID_AGAIN).then_some(*said)
    }

    /// Keeps it.
    pub fn keep_by_id(&mut self, id: &str, said: ById, now: Timestamp) {
        self.by_id.retain(|_, (_, at)| *at <= now && now - *at < BY_ID_AGAIN);
        self.by_id.insert(id.to_owned(), (said, now));
    }

    /// The last list as it came, if it is not too old.
    pub fn raw_list(&self, now: Timestamp) -> Option<Json> {
        let (at, list) = self.raw_list.as_ref()?;
        (*at <= now && now - *at < RAW_LIST_AGE_MAX).then(|| list.clone())
    }

    /// Keeps it.
    pub fn keep_raw_list(&mut self, list: Json, now: Timestamp) {
        self.raw_list = Some((now, list));
    }

    /// The list of prices, if it was read of late; within: there is none.
    pub fn prices(&self, now: Timestamp) -> Option<Option<PriceList>> {
        let (at, prices) = self.prices.as_ref()?;
        let pause = if prices.is_some() { DETAILS_ANEW } else { PRICES_AGAIN };
        (*at <= now && now - *at < pause).then(|| prices.clone())
    }

    /// Keeps it; answers the one that holds, which is the one before where there is none now.
    pub fn keep_prices(&mut self, prices: Option<PriceList>, now: Timestamp) -> Option<PriceList> {
        let prices = prices.or_else(|| self.prices.take().and_then(|(_, prices)| prices));
        self.prices = Some((now, prices.clone()));
        prices
    }

    /// What was read of a server holds no more.
    pub fn forget_details(&mut self, id: &str) {
        self.details.remove(id);
    }

    /// The last list, and when it was read.
    pub fn list(&self) -> Option<&(Timestamp, Vec<WireServer>)> {
        self.list.as_ref()
    }

    /// The server of this id in the last list.
    pub fn server(&self, id: &str) -> Option<&WireServer> {
        self.list.as_ref()?.1.iter().find(|server| server.id == id)
    }

    /// Whether the list has a server of this name.
    pub fn is_listed(&self, name: &str) -> bool {
        self.list.as_ref().is_some_and(|(_, servers)| servers.iter().any(|server| server.name == name))
    }

    /// Whether the list is to be read: not where a reading of a moment ago will do, unless a command may show in it.
    pub fn asks_list(&self, reuse: bool, now: Timestamp) -> bool {
        let Some((at, _)) = self.list.as_ref().filter(|_| reuse) else { return true };
        *at > now || now - *at >= LIST_ANEW
    }

    /// Whether something is looked for that the last list lacks, and that list is old enough to be read again.
    pub fn is_missing(&self, query: &ObserveQuery, now: Timestamp) -> bool {
        let Some((at, _)) = &self.list else { return true };
        let is_older = |span: Millis| *at > now || now - *at >= span;
        let is_listed = |address: &Address| self.sorted.values().any(|found| found == address);
        let mut servers = query.to_rule_out.iter().filter(|address| address.kind == Kind::Server);
        let is_expected = self.creates.values().any(|create| create.over.is_some() && create.failure.is_none());
        is_expected && is_older(EXPECTED_ANEW) || is_older(LIST_ANEW) && servers.any(|address| !is_listed(address))
    }

    /// The servers whose commands are over and whose details are to be read to see what came of them.
    pub fn due_changed(&mut self, now: Timestamp) -> Vec<String> {
        let mut due: Vec<(&String, &mut BegunAction)> =
            self.acted.iter_mut().filter(|(_, acted)| acted.over.is_some() && acted.size.is_none()).collect();
        due.retain(|(_, acted)| acted.looked.is_none_or(|looked| looked > now || now - looked >= ASKED_EVERY));
        due.sort_by_key(|(_, acted)| acted.looked);
        let chosen = due.into_iter().take(LOOKED_AT_ONCE);
        let chosen = chosen.map(|(id, acted)| {
            acted.looked = Some(now);
            id.clone()
        });
        chosen.collect()
    }

    /// What the details of a server show after a command on it.
    pub fn saw(&mut self, id: &str, details: WireServerDetails, now: Timestamp) {
        let Some((at, mut servers)) = self.list.take() else { return };
        if let Some(server) = servers.iter_mut().find(|server| server.id == id) {
            (server.power, server.name) = (details.power.clone(), details.name.clone());
        }
        self.details.insert(id.to_owned(), (details, now));
        self.judge(&servers, now);
        self.list = Some((at, servers));
    }

    /// The vendor says that there is no such server any more.
    pub fn saw_gone(&mut self, id: &str) {
        if let Some((_, servers)) = &mut self.list {
            servers.retain(|server| server.id != id);
        }
        self.acted.remove(id);
    }

    /// Why the list could not be read last.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The list could not be read.
    pub fn keep_trouble(&mut self, trouble: Trouble) {
        self.trouble = Some(trouble);
    }

    /// Keeps a list; what it has no more is forgotten.
    pub fn keep_list(&mut self, servers: Vec<WireServer>, at: Timestamp) {
        self.judge(&servers, at);
        (self.list, self.trouble) = (Some((at, servers)), None);
    }

    /// What servers as they are shown say of the actions of ours on them.
    fn judge(&mut self, servers: &[WireServer], at: Timestamp) {
        for server in servers {
            if self.since.get(&server.id).is_none_or(|(power, _)| *power != server.power) {
                self.since.insert(server.id.clone(), (server.power.clone(), at));
                self.failures.remove(&server.id);
            }
        }
        let is_there = |id: &String| servers.iter().any(|server| server.id == *id);
        self.since.retain(|id, _| is_there(id));
        self.details.retain(|id, _| is_there(id));
        self.unlisted_details.retain(|id, _| !is_there(id));
        self.failures.retain(|id, (_, told)| is_there(id) && at - *told < FAILURE_TOLD);
        let known_before: Vec<String> = self.acted.keys().cloned().collect();
        let is_undone = |(id, acted): &(&String, &BegunAction)| {
            acted.is_end && is_there(id) && acted.over.is_some_and(|over| at - over.min(at) >= LAGS_FOR)
        };
        let undone: Vec<String> = self.acted.iter().filter(is_undone).map(|(id, _)| id.clone()).collect();
        let details = &self.details;
        let size = |id: &String| details.get(id).map(|(details, _)| details.size());
        let sized: BTreeSet<String> =
            self.acted.iter().filter(|(_, acted)| acted.size.is_some()).map(|(id, _)| id.clone()).collect();
        self.acted.retain(|id, acted| {
            let server = servers.iter().find(|one| one.id == *id);
            is_there(id) && !acted.is_seen(server, size(id).as_ref(), at)
        });
        // What an action of ours changed is read again.
        let ended = known_before.iter().filter(|id| !self.acted.contains_key(*id));
        for id in ended.filter(|id| !sized.contains(*id)) {
            self.details.remove(id);
        }
        for id in undone {
            let why = "it is complete, and the server is still listed";
            self.failures.insert(id, (why.to_owned(), at));
        }
    }

    /// Since when a server has its power.
    pub fn since(&self, id: &str) -> Option<Timestamp> {
        self.since.get(id).map(|(_, since)| *since)
    }

    /// An action of ours leaves now.
    pub fn acts(&mut self, id: &str, to: Option<&'static str>) {
        self.failures.remove(id);
        self.acted.insert(id.to_owned(), BegunAction { to, ..BegunAction::default() });
    }

    /// The answer to it: the commands that do it, or nothing happened.
    pub fn answered(&mut self, id: &str, commands: Option<Vec<String>>) {
        match commands {
            Some(commands) => {
                if let Some(acted) = self.acted.get_mut(id) {
                    acted.commands = commands;
                }
            }
            None => drop(self.acted.remove(id)),
        }
    }

    /// The action that left last leads to no server.
    pub fn ends_server(&mut self, id: &str) {
        if let Some(acted) = self.acted.get_mut(id) {
            acted.is_end = true;
        }
    }

    /// The action that left last leads to this size.
    pub fn awaits_size(&mut self, id: &str, size: &str) {
        if let Some(acted) = self.acted.get_mut(id) {
            acted.size = Some(size.to_owned());
        }
    }

    /// Whether an action of ours may still be under way.
    pub fn is_acting(&self, id: &str) -> bool {
        self.acted.contains_key(id)
    }

    /// The first look since the action of ours that may still be under way: the power from before is older.
    pub fn acting_since(&self, id: &str) -> Option<Timestamp> {
        self.acted.get(id)?.first_look
    }

    /// Why the last command on a server failed, for a while.
    pub fn failure(&self, id: &str) -> Option<&(String, Timestamp)> {
        self.failures.get(id)
    }

    /// The commands that the queue is to be asked about now.
    pub fn due_commands(&mut self, now: Timestamp) -> Vec<String> {
        for acted in self.acted.values_mut() {
            acted.first_look.get_or_insert(now);
        }
        let pending = self.acted.values_mut().filter(|acted| acted.over.is_none());
        let mut due = Vec::new();
        for acted in pending {
            match acted.commands.is_empty() {
                // Its numbers were lost: only the list tells.
                true => acted.over = Some(now),
                false => due.extend(acted.commands.iter().cloned()),
            }
        }
        let is_early = self.asked.is_some_and(|asked| asked <= now && now - asked < ASKED_EVERY);
        if due.is_empty() || is_early {
            return Vec::new();
        }
        self.asked = Some(now);
        due
    }

    /// What the queue said of them. A command that it does not know any more is over. Answers each that ended, with its server.
    pub fn heard(&mut self, asked: &[String], found: &[WireCommand], now: Timestamp) -> Vec<(String, String)> {
        let mut ended = Vec::new();
        let mut failed = Vec::new();
        for (id, acted) in &mut self.acted {
            let of_this = |command: &&WireCommand| acted.commands.contains(&command.id());
            let known: Vec<&WireCommand> = found.iter().filter(of_this).collect();
            let was_asked = acted.over.is_none() && acted.commands.iter().any(|command| asked.contains(command));
            if !was_asked || known.iter().any(|command| command.state() == CommandState::Working) {
                continue;
            }
            acted.over = Some(now);
            ended.extend(
                known.iter().map(|one| (id.clone(), format!("command {} → {} {}", one.id(), one.status, one.reason()))),
            );
            if let Some(command) = known.iter().find(|command| command.state() == CommandState::Failed) {
                failed.push((id.clone(), command.reason().to_owned()));
            }
        }
        for (id, reason) in failed {
            self.acted.remove(&id);
            self.failures.insert(id, (reason, now));
        }
        ended
    }

    /// What is known of a server beside its line in the list.
    pub fn details(&self, id: &str) -> Option<&WireServerDetails> {
        self.details.get(id).map(|(details, _)| details)
    }

    /// Keeps details.
    pub fn keep_details(&mut self, id: &str, details: WireServerDetails, now: Timestamp) {
        self.details.insert(id.to_owned(), (details, now));
    }

    /// The servers whose details are to be read: not known, or old.
    pub fn due_details(&self, now: Timestamp) -> Vec<String> {
        let servers = self.list.iter().flat_map(|(_, servers)| servers);
        let is_known = |id: &String| self.details.get(id).is_some_and(|(_, at)| *at <= now && now - *at < DETAILS_ANEW);
        servers.map(|server| server.id.clone()).filter(|id| !is_known(id)).collect()
    }
}

impl BegunAction {
    /// Whether a list shows what it led to, or can be believed all the same.
    fn is_seen(&self, server: Option<&WireServer>, size: Option<&String>, now: Timestamp) -> bool {
        let Some(over) = self.over else { return false };
        if self.is_end {
            return now - over.min(now) >= LAGS_FOR;
        }
        let is_reached = server.is_some_and(|server| self.to.is_none_or(|to| server.power == to));
        // Of a reboot whose answer was lost, no list tells.
        let tells = self.to.is_some() || self.size.is_some() || !self.commands.is_empty();
        let is_sized = self.size.is_none() || self.size.as_ref() == size;
        is_reached && is_sized && tells || now - over.min(now) >= LAGS_FOR
    }
}
