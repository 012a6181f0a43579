//! What is observed of servers that Amarre makes at Kamatera: which of the list they are, those that are on their way, and those
//! of which the vendor shows that there are none.
//!
//! | after a create | what is observed |
//! |---|---|
//! | its commands go on, or are over and the list does not have it yet | the server, on its way |
//! | a command failed | the server in error, with the reason, for ten minutes; then it may be made again |
//! | the answer was lost: the console's queue has a create of this name | as above |
//! | neither the queue, which could be read, nor the list has it for ten minutes | it is ruled out |
//!
//! A server whose id the ledger has is asked for by this id as well, for a list may lack it for days:
//!
//! | by its id the vendor says | what is observed |
//! |---|---|
//! | its details | a gap: it is there, and the list lacks it |
//! | that there is none, as above | it is ruled out |
//! | anything else | nothing: it is not ruled out |

use std::collections::BTreeSet;

use super::KamateraProvider;
use super::api::Trouble;
use super::memory::BegunCreate;
use super::prices::PriceList;
use super::resize::no_such_cpu;
use super::wire::{CommandState, SizeParts, WireCommand};
use crate::providers::offers;
use crate::providers::servers::refused;
use crate::providers::{Class, Observation, ObserveQuery, ProviderError};
use amarre_core::model::offers::OfferedSizes;
use amarre_core::model::{Address, Code, Fields, GapScope, Kind, Millis, Owner, Readiness, Seen, Timestamp};
use amarre_core::text;

/// Servers that the list lacks and that are asked for by their ids, with one look.
const BY_ID_MAX: usize = 20;
/// For so long after its command a server may be missing in the list, and a failure is told.
const TOLD_FOR: Millis = Millis::minutes(10);
/// With the minute that the planner adds: a create that left before has had its time to show.
const MISSING_FOR: Millis = Millis::minutes(9);

impl KamateraProvider {
    /// Asks the queue about creates of ours.
    pub(super) async fn follow_creates(&self, now: Timestamp) {
        let due: Vec<String> = {
            let mut memory = self.memory();
            let begun = memory.creates().values().filter(|create| create.over.is_none());
            begun.flat_map(|create| create.commands.clone()).collect()
        };
        if due.is_empty() {
            return;
        }
        let Ok(found) = self.api.commands(&due).await else { return };
        let mut lines = Vec::new();
        for (address, create) in self.memory().creates().iter_mut().filter(|(_, create)| create.over.is_none()) {
            let own: Vec<&WireCommand> = found.iter().filter(|one| create.commands.contains(&one.id())).collect();
            create.heard(&own, now);
            let ended = own.iter().filter(|_| create.over.is_some());
            lines.extend(
                ended.map(|one| (address.clone(), format!("command {} → {} {}", one.id(), one.status, one.reason()))),
            );
        }
        for (address, line) in lines {
            self.exchanges.note(address, &line);
        }
    }

    /// Sorts the list into servers of Amarre's and others, and observes those that the list does not have.
    pub(super) async fn sort_made(&self, query: &ObserveQuery, observation: &mut Observation) {
        let made = self.memory().made().clone();
        let now = query.now;
        let missing: BTreeSet<Address> =
            query.to_rule_out.iter().filter(|address| address.kind == Kind::Server).cloned().collect();
        self.sort_list(observation, now);
        let is_listed = |address: &Address| self.memory().id_of(address).is_some();
        let missing: Vec<Address> = missing.into_iter().filter(|address| !is_listed(address)).collect();
        if !missing.is_empty() {
            let denied = self.ask_by_id(&missing, query).await;
            self.rule_out(&denied, observation, now).await;
            // The queue may have told the name that one came to have.
            self.sort_list(observation, now);
        }
        for address in made.addresses().filter(|address| !is_listed(address)) {
            let wanted = query.wanted.get(address).or_else(|| query.applied.get(address).map(|row| &row.fields));
            let on_its_way = self.memory().on_its_way(address, now);
            if let (Some(create), Some(wanted)) = (on_its_way, wanted) {
                observation.ruled_out.remove(address);
                observation.seen.insert(address.clone(), seen(made.service(address), &create, wanted, now));
            }
        }
        self.read_made_details(observation, now).await;
        self.quote(query, observation).await;
    }

    fn sort_list(&self, observation: &mut Observation, now: Timestamp) {
        let mut memory = self.memory();
        let made = memory.made().clone();
        let servers = memory.list().map(|(_, servers)| servers.clone()).unwrap_or_default();
        let mut sorted = made.sort(servers.iter().map(|server| (server.id.as_str(), server.name.as_str())));
        // One whose name was taken came to have another one; it is given its own by a change.
        let renamed: Vec<(Address, String)> = memory
            .creates()
            .iter()
            .filter_map(|(address, create)| Some((address.clone(), create.real_name.clone()?)))
            .collect();
        for (address, name) in renamed {
            let is_free = |id: &String| !sorted.found.contains_key(id) && !made.is_taken(id);
            let other = servers.iter().find(|server| server.name == name && is_free(&server.id));
            if let Some(other) = other.filter(|_| !sorted.found.values().any(|found| *found == address)) {
                sorted.found.insert(other.id.clone(), address);
            }
        }
        observation.gaps.retain(|gap| gap.code != Code::A0753);
        observation.gaps.extend(sorted.gaps(&self.id, now));
        memory.keep_sorted(sorted.found);
    }

    /// Asks for what the list lacks by the ids that manifests and the ledger have: it is not gone before Kamatera denies its id.
    pub(super) async fn find_unlisted(&self, query: &ObserveQuery, observation: &mut Observation) {
        let unlisted_ones = self.memory().unlisted(query);
        for (asked, (address, id)) in unlisted_ones.into_iter().enumerate() {
            let said = if asked < BY_ID_MAX { self.by_id(&id, query.now).await } else { ById::Unclear };
            let is_found = said == ById::There && self.memory().add_to_list(&id, query.now);
            if is_found || said == ById::Denied {
                continue;
            }
            let gap = if said == ById::There { still_there(&address.name, &id) } else { unlisted(&address.name, &id) };
            observation.gaps.push(gap.into_gap(&self.id, GapScope::Resource(address), query.now));
        }
    }

    /// Asks for what the list lacks by the ids that the ledger has. Answers those that may be ruled out: the vendor denies the id, or
    /// none is known.
    async fn ask_by_id(&self, missing: &[Address], query: &ObserveQuery) -> Vec<Address> {
        let mut denied = Vec::new();
        for address in missing {
            let id = query.applied.get(address).map(|row| row.vendor_id.as_str()).unwrap_or_default();
            // Of one that the list has, another manifest names the id.
            if id.is_empty() || self.memory().server(id).is_some() {
                denied.push(address.clone());
                continue;
            }
            match self.by_id(id, query.now).await {
                ById::Denied => denied.push(address.clone()),
                // A gap of it is told already.
                ById::There | ById::Unclear => drop(self.memory().missing().remove(address)),
            }
        }
        denied
    }

    /// What the vendor says of a server by its id, read of late.
    async fn by_id(&self, id: &str, now: Timestamp) -> ById {
        if let Some(known) = self.memory().by_id(id, now) {
            return known;
        }
        let said = self.by_id_now(id).await;
        self.memory().keep_by_id(id, said, now);
        said
    }

    /// The same, read now. The proxy's refusal alone denies nothing: it loses the status of the console, whose words are the same when
    /// it fails. So the console has to say that there is none, or the proxy in its own words.
    pub(super) async fn by_id_now(&self, id: &str) -> ById {
        match self.api.details(id, self.pause).await {
            Ok(details) => {
                self.memory().keep_details_by_id(id, details);
                ById::There
            }
            Err(trouble) if trouble.is_no_server() => ById::Denied,
            Err(Trouble::Refused { status: 429, .. }) => ById::Unclear,
            Err(Trouble::Refused { .. }) => match self.api.console_knows(id).await {
                Some(true) => ById::There,
                Some(false) => ById::Denied,
                None => ById::Unclear,
            },
            Err(_) => ById::Unclear,
        }
    }

    /// What the console's queue and the list have not had for a while. What cannot be read rules nothing out.
    async fn rule_out(&self, missing: &[Address], observation: &mut Observation, now: Timestamp) {
        let Ok(queue) = self.api.queue().await else {
            for address in missing {
                self.memory().missing().remove(address);
            }
            return;
        };
        let mut memory = self.memory();
        let made = memory.made().clone();
        for address in missing {
            let Some(name) = made.name(address) else { continue };
            if let Some(command) = begun(&queue, name).filter(|command| !memory.is_past(&command.id())) {
                memory.missing().remove(address);
                let create = memory.creates().entry(address.clone()).or_default();
                create.commands = vec![command.id()];
                create.heard(&[command], now);
                continue;
            }
            let since = *memory.missing().entry(address.clone()).or_insert(now);
            if now - since.min(now) >= MISSING_FOR {
                observation.ruled_out.insert(address.clone());
            }
        }
    }

    /// The list tells neither size nor address: what is not known of a server of Amarre's hides it.
    async fn read_made_details(&self, observation: &mut Observation, now: Timestamp) {
        let due: Vec<(String, Address)> = self.memory().due_made_details(&self.id, now);
        for (id, address) in due {
            match self.api.details(&id, self.pause).await {
                Ok(details) => self.memory().keep_details(&id, details, now),
                Err(trouble) if address.kind == Kind::Server && self.memory().details(&id).is_none() => {
                    let error =
                        trouble.into_error(&text!("could not read the details of {name}", name = &address.name), false);
                    observation.gaps.push(error.into_gap(&self.id, GapScope::Resource(address), now));
                }
                Err(_) => (),
            }
            tokio::time::sleep(self.pause).await;
        }
    }

    /// Reads the details that tell what became of an action whose answer was lost.
    pub(super) async fn read_doubts(&self, now: Timestamp) {
        let due = self.memory().due_doubts(now);
        for id in due {
            // Without an answer it stays open.
            if let Ok(details) = self.api.details(&id, self.pause).await {
                self.memory().keep_details(&id, details, now);
            }
        }
    }

    /// Reads the details of servers whose commands are over: they show what came of them before the list of all is read again.
    pub(super) async fn follow_changed(&self, now: Timestamp) {
        let due = self.memory().due_changed(now);
        for id in due {
            match self.api.details(&id, self.pause).await {
                Ok(details) => self.memory().saw(&id, details, now),
                Err(trouble) if trouble.is_no_server() => self.memory().saw_gone(&id),
                // Without an answer it is read again.
                Err(_) => (),
            }
        }
    }

    /// A server of Amarre's with what its vendor does not tell.
    pub(super) fn as_made(&self, address: &Address, seen: &mut Seen) {
        let memory = self.memory();
        for field in ["image", "ssh_key", "user_data"] {
            let known = memory.made().remembered(address, field);
            seen.fields.extend(known.map(|value| (field.into(), value.clone())));
        }
        seen.service = Some(memory.made().service(address));
    }

    /// The vendor's list of prices, read once a day.
    pub(super) async fn price_list(&self, now: Timestamp) -> Option<PriceList> {
        if let Some(known) = self.memory().prices(now) {
            return known;
        }
        let read = self.api.calculator().await;
        let prices: Option<PriceList> = read.ok().and_then(|list| serde_json::from_value(list).ok());
        self.memory().keep_prices(prices, now)
    }

    /// What Kamatera takes for servers that are not there, or not of the size that is wanted.
    async fn quote(&self, query: &ObserveQuery, observation: &mut Observation) {
        let now = query.now;
        let size = |address: &Address| {
            let memory = self.memory();
            let id = memory.id_of(address)?;
            memory.details(&id).map(super::wire::WireServerDetails::size)
        };
        let is_open = |(address, fields): &(&Address, &Fields)| {
            address.kind == Kind::Server && size(address).as_deref() != fields.text("type")
        };
        let open: Vec<(&Address, &Fields)> = query.wanted.iter().filter(is_open).collect();
        if open.is_empty() {
            return;
        }
        let prices = self.price_list(now).await;
        for (address, fields) in open {
            let quote = prices.as_ref().and_then(|prices| prices.of(fields));
            let is_new = !observation.seen.contains_key(address) && self.memory().id_of(address).is_none();
            // What has a price and is there already is what Kamatera offers.
            let refused = if is_new || quote.is_none() { self.offers_none(fields, now).await } else { None };
            observation.unoffered.extend(refused.map(|error| (address.clone(), error.into_refusal())));
            observation.quotes.extend(quote.map(|quote| (address.clone(), quote)));
        }
    }

    /// Why Kamatera makes no server like this, by its own lists; `None`: it may, or the lists cannot be read.
    async fn offers_none(&self, fields: &Fields, now: Timestamp) -> Option<ProviderError> {
        let (region, size) = (fields.text("region")?, fields.text("type")?);
        let regions = offers::places(self, "", now).await.ok()?.regions;
        if !regions.iter().any(|one| one.word == region) {
            let names = regions.into_iter().map(|one| one.word).collect::<Vec<_>>().join(", ");
            return Some(refused(text!("there is no region `{region}`", region), text!("there are {names}", names)));
        }
        let Some(parts) = SizeParts::parse(size) else {
            let hint = text!("write {what}", what = "`type: {cpu: 2B, memory: 2GiB, disk: 20GB}`");
            return Some(refused(text!("`{size}` is no size at Kamatera", size), hint));
        };
        let offered = offers::offers(self, "", region, now).await.ok()?;
        let OfferedSizes::Parts { cpus, memories, disks } = offered.sizes else { return None };
        let is_one = |numbers: &[u32], text: &str| numbers.iter().any(|number| number.to_string() == text);
        let listed = |numbers: &[u32], unit: &str| {
            let all = numbers.iter().map(|number| format!("{number}{unit}"));
            text!("there are {names}", names = all.collect::<Vec<_>>().join(", "))
        };
        if !cpus.contains(&parts.cpu) {
            let of_class: Vec<String> = cpus.iter().filter(|cpu| cpu.ends_with(parts.class())).cloned().collect();
            let known = if of_class.is_empty() { &cpus } else { &of_class };
            return Some(no_such_cpu(region, &parts.cpu, known));
        }
        if !is_one(&memories, &parts.ram_mib) {
            let message = text!("{region} offers no {mib} MiB of memory", region, mib = parts.ram_mib.as_str());
            return Some(refused(message, listed(&memories, "MiB")));
        }
        if !is_one(&disks, &parts.disk_gb) {
            let message = text!("{region} offers no disk of {gb} GB", region, gb = parts.disk_gb.as_str());
            return Some(refused(message, listed(&disks, "GB")));
        }
        None
    }
}

/// What the vendor says of a server by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ById {
    There,
    /// There is none of this id.
    Denied,
    /// It does not tell.
    Unclear,
}

/// A server that the list lacks, although nothing says that it is gone.
fn unlisted(name: &str, id: &str) -> ProviderError {
    let message = text!("Kamatera does not list {name}, and does not say that there is no server {id}", name, id);
    ProviderError::new(Class::RetryLater, Code::A0744, message)
        .hint(text!("nothing is made in its place, and nothing of it is changed; Amarre asks again"))
}

/// A server that its vendor has, though its list does not.
pub(super) fn still_there(name: &str, id: &str) -> ProviderError {
    let message = text!("the list lacks {name}, and Kamatera has it: server {id} answers by its id", name, id);
    ProviderError::new(Class::RetryLater, Code::A0744, message)
        .hint(text!("nothing is made in its place; it is seen again once the list has it"))
}

/// The command that makes, or made, the server of this name, by the queue. Of one that was terminated since there is none.
pub(super) fn begun<'a>(queue: &'a [WireCommand], name: &str) -> Option<&'a WireCommand> {
    let of_it = queue.iter().filter(|one| one.server == name && (one.is_create() || one.is_end()));
    let latest = of_it.max_by_key(|one| one.id().parse::<u64>().unwrap_or_default())?;
    (latest.is_create() && latest.state() != CommandState::Failed).then_some(latest)
}

impl BegunCreate {
    /// What the queue said of its commands. Those that it does not know any more are over.
    fn heard(&mut self, commands: &[&WireCommand], now: Timestamp) {
        self.since.get_or_insert(now);
        if commands.iter().any(|one| one.state() == CommandState::Working) {
            return;
        }
        self.over = Some(now);
        let failed = commands.iter().find(|one| one.state() == CommandState::Failed);
        self.failure = failed.map(|one| one.reason().to_owned());
        self.real_name = commands.iter().find_map(|one| one.real_name()).map(str::to_owned);
    }

    /// Whether nothing is to be waited for any more.
    pub(super) fn is_past(&self, now: Timestamp) -> bool {
        self.over.is_some_and(|over| now - over.min(now) >= TOLD_FOR)
    }
}

/// A server that the list does not have yet: as it is wanted, on its way or in error.
fn seen(service: String, create: &BegunCreate, wanted: &Fields, now: Timestamp) -> Seen {
    let since = create.since.unwrap_or(now).min(now);
    let ready = match &create.failure {
        Some(why) => Readiness::Failed {
            why: text!("the vendor's command failed: {why}", why = amarre_core::model::Text::foreign(why)),
        },
        None => Readiness::NotYet { since, why: text!("it is being made") },
    };
    let mut fields = wanted.clone();
    fields.remove("power");
    Seen { fields, ready, owner: Owner::Ours, service: Some(service), vendor_id: String::new(), at: now }
}
