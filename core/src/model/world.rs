//! The three worlds the planner compares: what is wanted, what is observed, what the ledger knows.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::address::{Address, ProviderId, generations};
use super::code::Code;
use super::flapping::Flap;
use super::folders::{Lead, Reserved};
use super::instance::PowerFacts;
use super::kinds::{Kind, ResourceScope};
use super::owner::Owner;
use super::plan::{Hint, Refusal};
use super::pool::{MACHINE_PART, PoolFacts};
use super::savings::ServerPrices;
use super::service::Reconcile;
use super::site::Site;
use super::source::History;
use super::text::Text;
use super::time::{Millis, Timestamp};
use super::value::Fields;
pub use super::wants::{Good, Need, Probe, State, Want, Wants};
use crate::text;

/// Where in the source something stands. Never part of a digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// Path, relative to the source's parent: `services/gitea.yaml`.
    pub file: String,
    /// From 1; 0 when unknown.
    pub line: usize,
    /// From 1; 0 when unknown.
    pub column: usize,
}

impl Origin {
    /// As a line below a refusal.
    pub fn said_in(&self) -> (Text, Text) {
        (text!("said in"), format!("{}:{}", self.file, self.line).into())
    }
}

/// One generation that did not become ready in time, or exited.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Failure {
    pub address: Address,
    /// Digest of all its fields, marks of secrets included: another digest is worth another try.
    pub inputs: String,
    /// What was seen.
    pub why: String,
}

/// Does it do its work?
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// Yes: healthy, propagated, on line.
    Ready,
    /// Not yet.
    NotYet {
        /// Since when it is waited for.
        since: Timestamp,
        /// What it waits for.
        why: Text,
    },
    /// It will not by itself.
    Failed {
        /// What was seen.
        why: Text,
    },
}

impl Readiness {
    /// Whether it is ready.
    pub fn is_ready(&self) -> bool {
        matches!(self, Readiness::Ready)
    }
}

/// A resource as its provider reports it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What it looks like, in the product's spelling.
    pub fields: Fields,
    /// Whether it does its work.
    pub ready: Readiness,
    pub owner: Owner,
    /// The manifest that its mark names.
    pub service: Option<String>,
    /// The vendor's own id; a record set's is the ids of its rows.
    pub vendor_id: String,
    /// When it was observed.
    pub at: Timestamp,
}

/// Of what it is, whenever it was observed.
impl Hash for Seen {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { fields, ready, owner, service, vendor_id, at: _ } = self;
        (fields, ready, owner, service, vendor_id).hash(state);
    }
}

/// A part of the world that could not be observed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gap {
    pub provider: ProviderId,
    /// How much of it.
    pub scope: GapScope,
    /// Error code for people.
    pub code: Code,
    /// What happened, in one sentence.
    pub message: Text,
    /// What a person can do.
    pub hint: Text,
    pub since: Timestamp,
}

/// How much of its provider a gap hides.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapScope {
    /// All of it.
    Whole,
    /// The names in this DNS zone.
    Zone(String),
    /// What has this path before its name: a region, a project, a machine.
    Part {
        /// The vendor's word for it: `region`.
        word: String,
        /// As in addresses, without a slash at its end: `GRA11`.
        path: String,
    },
    /// All of one kind: a section that the account may not read.
    Kind(Kind),
    /// One resource, in each of its generations unless it names one.
    Resource(Address),
}

impl GapScope {
    /// The part that goes by the vendor's `word` and is called `path`.
    pub fn part(word: &str, path: &str) -> Self {
        Self::Part { word: word.to_owned(), path: path.to_owned() }
    }

    /// The zone, where it is one.
    pub fn zone(&self) -> Option<&str> {
        if let Self::Zone(zone) = self { Some(zone) } else { None }
    }

    /// The one resource, where it is one.
    pub fn resource(&self) -> Option<&Address> {
        if let Self::Resource(address) = self { Some(address) } else { None }
    }

    fn covers(&self, address: &Address) -> bool {
        let scope = address.kind.traits().scope;
        match self {
            Self::Whole => true,
            Self::Zone(zone) => {
                let name = address.name.split('/').next().unwrap_or_default();
                scope == ResourceScope::InZone && super::site::is_below(name, zone)
            }
            Self::Part { path, .. } if scope == ResourceScope::OnMachine => {
                address.name.strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            // No other address says in which part it is: its provider names each resource that a part hides.
            Self::Part { .. } => false,
            Self::Kind(kind) => address.kind == *kind,
            Self::Resource(hidden) => {
                let is_generation = hidden.generation.is_none() || hidden.generation == address.generation;
                is_generation && hidden.is_same(address)
            }
        }
    }
}

impl Gap {
    /// What a person can do, where there is something.
    pub fn hint(&self) -> Option<Hint> {
        Some(self.hint.clone()).filter(|hint| !hint.is_empty()).map(Hint::text)
    }

    /// Whether nothing of its provider was observed.
    pub fn is_whole(&self) -> bool {
        self.scope == GapScope::Whole
    }

    /// Whether it hides hosts that may lead to a container.
    pub fn hides_upstreams(&self) -> bool {
        match &self.scope {
            GapScope::Whole => self.provider.is_proxy(),
            GapScope::Kind(kind) => kind.traits().forwards,
            GapScope::Zone(_) | GapScope::Part { .. } | GapScope::Resource(_) => false,
        }
    }

    /// Whether it hides a machine of a pool and nothing else: such ones are off now and then, and no service is on one.
    pub fn is_of_machine(&self) -> bool {
        matches!(&self.scope, GapScope::Part { word, .. } if word == MACHINE_PART)
    }

    /// What of its provider is hidden, after the provider's name: ` zone example.org`.
    pub fn place(&self) -> String {
        match &self.scope {
            GapScope::Whole => String::new(),
            GapScope::Zone(zone) => format!(" zone {zone}"),
            GapScope::Part { word, path } => format!(" {word} {path}"),
            GapScope::Kind(kind) => format!(" {}", kind.label()),
            GapScope::Resource(hidden) => format!(" {} {}", hidden.kind.label(), hidden.name),
        }
    }

    /// Whether `address` lies in it.
    pub fn covers(&self, address: &Address) -> bool {
        address.provider == self.provider && self.scope.covers(address)
    }
}

/// Who answers on port 80 by a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Port80 {
    /// NPM's nginx.
    Npm,
    /// Nobody, asked from here, and why: `connection refused`.
    Silent(String),
    /// Somebody else: `lighttpd answers 301 to https://box.lan/`.
    Other(String),
    /// The name leads nowhere, or not to its host: `wiki.example.org leads to 192.0.2.9, not to 198.51.100.7`.
    Elsewhere(String),
}

impl Port80 {
    /// With the address at which that was found.
    #[must_use]
    pub fn at(self, ip: IpAddr) -> Self {
        match self {
            Port80::Npm => Port80::Npm,
            Port80::Silent(why) => Port80::Silent(format!("{ip}: {why}")),
            Port80::Other(what) => Port80::Other(format!("{what} at {ip}")),
            Port80::Elsewhere(what) => Port80::Elsewhere(what),
        }
    }
}

/// Where a name leads, whatever aliases are on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// To these addresses.
    To(BTreeSet<IpAddr>),
    /// To none: the resolver that said so.
    Nowhere(IpAddr),
    /// No resolver answered.
    Unknown,
}

/// Everything observed in one look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    pub seen: BTreeMap<Address, Seen>,
    /// What could not be looked at.
    pub gaps: Vec<Gap>,
    /// Subnets that a host routes elsewhere; nothing of ours goes there.
    pub routes: BTreeMap<ProviderId, Vec<Ipv4Net>>,
    /// The addresses of an engine's host. Only engines of which they are known are in it.
    pub addresses: BTreeMap<ProviderId, BTreeSet<IpAddr>>,
    /// Free bytes where an engine keeps its images, for those where that can be known.
    pub free: BTreeMap<ProviderId, u64>,
    /// When each engine started, where that can be told.
    pub started: BTreeMap<ProviderId, Timestamp>,
    /// Engines that started a moment ago and bring their containers back by themselves, each until when.
    pub waking: BTreeMap<ProviderId, Timestamp>,
    /// The container that Amarre itself runs in, where it runs in one.
    pub own: BTreeSet<Address>,
    /// Who answers on port 80 by names for which a certificate is to be asked; names that were not asked for are not in it.
    pub port80: BTreeMap<String, Port80>,
    /// NPMs whose account has an e-mail address that Let's Encrypt refuses, with that address.
    pub mail_refused: BTreeMap<ProviderId, String>,
    /// Kinds that the account at a vendor may read and not write: why, and the way past it.
    pub read_only: BTreeMap<(ProviderId, Kind), Refusal>,
    /// What NPM's and Amarre's own containers have, by engine; also while they are away.
    pub reserved: BTreeMap<ProviderId, Vec<Reserved>>,
    /// What a provider reports that there is none of, in all that its vendor shows, and since when without a break.
    pub ruled_out: BTreeMap<Address, Timestamp>,
    /// What a vendor takes for what a manifest wants of it, where that is known: also before it is made.
    pub quotes: BTreeMap<Address, ServerPrices>,
    /// What a manifest wants of a vendor that does not offer it: why it is not asked for.
    pub unoffered: BTreeMap<Address, Refusal>,
    /// What is at a vendor and not Amarre's, by the vendor's own names: for people to see and to act on. No plan reads it.
    pub inventory: BTreeMap<Address, Seen>,
    /// Ports of containers at which nothing listens: some host leads there, or is to. Asked where NPM asks.
    pub closed: BTreeMap<Address, BTreeSet<u16>>,
    /// Where folders lead that containers are about to mount. Only engines whose host's files Amarre sees itself are in it.
    pub leads: BTreeMap<ProviderId, BTreeMap<String, Lead>>,
}

impl World {
    /// The gap that hides `address`, if one does.
    pub fn gap(&self, address: &Address) -> Option<&Gap> {
        self.gaps.iter().find(|gap| gap.covers(address))
    }

    /// Whether everything was seen that services can have.
    pub fn has_all_of_services(&self) -> bool {
        self.gaps.iter().all(Gap::is_of_machine)
    }

    /// What is at `address`, Amarre's or not.
    pub fn thing(&self, address: &Address) -> Option<&Seen> {
        self.seen.get(address).or_else(|| self.inventory.get(address))
    }

    /// Whether all of `provider` is hidden.
    pub fn is_dark(&self, provider: &ProviderId) -> bool {
        self.gaps.iter().any(|gap| gap.provider == *provider && gap.is_whole())
    }

    /// The zone at this provider that holds `name`, as it was observed.
    pub fn zone_of<'a>(&'a self, provider: &'a ProviderId, name: &str) -> Option<&'a str> {
        Site::zone_of(self.of_kind(provider, Kind::Zone).map(|(zone, _)| zone.name.as_str()), name)
    }

    /// What is there of one kind at one provider.
    pub fn of_kind<'a>(
        &'a self,
        provider: &'a ProviderId,
        kind: Kind,
    ) -> impl Iterator<Item = (&'a Address, &'a Seen)> + 'a {
        let from = Address::new(provider.clone(), kind, "");
        self.seen.range(from..).take_while(move |(address, _)| address.kind == kind && address.provider == *provider)
    }

    /// What is there of one resource, of whatever generation.
    pub fn generations<'a>(&'a self, of: &'a Address) -> impl Iterator<Item = (&'a Address, &'a Seen)> + 'a {
        generations(&self.seen, of)
    }

    /// Every generation of a container that is there and ours.
    pub fn instances(&self, base: &Address) -> BTreeMap<Address, &Seen> {
        let all = self.seen.range(base.clone()..).take_while(|(address, _)| address.is_same(base));
        let ours = all.filter(|(address, seen)| address.generation.is_some() && seen.owner.is_ours());
        ours.map(|(address, seen)| (address.clone(), seen)).collect()
    }

    /// Whether a need holds. In a gap nothing is known: `None`.
    pub fn holds(&self, need: &Need) -> Option<bool> {
        if self.gap(&need.on).is_some() {
            return None;
        }
        let seen = self.seen.get(&need.on);
        // A mark is written before its record: by itself it answers no visitor.
        let is_mark = |seen: &Seen| need.on.kind == Kind::Record && seen.fields.strings("values").is_empty();
        Some(match need.is {
            State::Present => seen.is_some_and(|seen| !is_mark(seen)),
            State::Ready => seen.is_some_and(|seen| !is_mark(seen) && seen.ready.is_ready()),
            State::Listening(port) => {
                seen.is_some() && !self.closed.get(&need.on).is_some_and(|ports| ports.contains(&port))
            }
            State::Absent => seen.is_none(),
        })
    }
}

/// What we wrote last, and so own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Applied {
    pub service: String,
    /// The vendor's id.
    pub vendor_id: String,
    /// The fields as wanted then.
    pub fields: Fields,
}

/// A certificate that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    /// Which: its NPM and its names, in order.
    pub certificate: Address,
    /// When the call left.
    pub at: Timestamp,
    /// What became of it.
    pub outcome: Ordered,
    /// With which code it ended, where that is known.
    pub code: Option<Code>,
    /// Until when Let's Encrypt said that it issues none, where it said so.
    pub until: Option<Timestamp>,
    /// A person has asked for another try since: there is no pause, and the limits hold.
    pub forgiven: bool,
}

/// The code of an order that Let's Encrypt did not fulfil, which counts against its limits.
pub const NOT_ISSUED: Code = Code::A0801;
/// The code of an order that Let's Encrypt did not take: one of its limits is used up.
pub const LIMITED: Code = Code::A0804;
/// Codes of orders that were never placed, which count against nothing: certbot was busy, NPM or its nginx failed,
/// no authority answered, or the authority does not take the account.
pub const NOT_PLACED: [Code; 5] = [Code::A0609, Code::A0802, Code::A0803, Code::A0807, Code::A0808];

/// What became of a certificate that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ordered {
    /// That is not known: it counts as both.
    Unknown,
    /// It was issued.
    Issued,
    /// Let's Encrypt could not see that the names are ours.
    Failed,
    /// It did not get as far as an order at Let's Encrypt.
    NotPlaced,
}

/// Why a service is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Suspension {
    /// Who asked.
    pub by: String,
    /// Why; empty: not said.
    pub why: Text,
    /// It is to go: its resources are deleted, then it stays suspended.
    pub destroy: bool,
    /// Its volumes go as well.
    pub purge: bool,
    pub at: Timestamp,
    /// When it ends by itself; `None`: when somebody resumes it.
    pub until: Option<Timestamp>,
}

/// A service whose manifest is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Retired {
    pub at: Timestamp,
    /// Its containers are gone, too: it does not come back by itself.
    pub is_over: bool,
}

/// An image that was not on the engine before we pulled it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pulled {
    pub provider: ProviderId,
    /// The engine's id of it.
    pub id: String,
    /// Under which name.
    pub reference: String,
    pub service: String,
    pub at: Timestamp,
    /// Whether a container of ours was ever ready with it; `None`: none has failed with it either.
    pub ready: Option<bool>,
}

/// A time that a container was away in an update that stopped the old one first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Outage {
    pub service: String,
    /// The vendor's id of the one that went.
    pub vendor_id: String,
    /// When the call left that stopped it.
    pub from: Timestamp,
    /// When the next one was ready; `None`: not yet.
    pub until: Option<Timestamp>,
}

impl Outage {
    /// How long it was away, when it is over. A clock that was put back meanwhile leaves nothing to tell.
    pub fn length(&self) -> Option<Millis> {
        self.until.map(|until| until - self.from).filter(|length| length.0 >= 0)
    }
}

/// What becomes of a container that is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Another one is ready.
    Back,
    /// How long it took cannot be told, or tells nothing.
    Untold,
    /// Nobody wants it any more.
    Forgotten,
}

/// What only the ledger knows. Losing it costs a retry, never harm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// Subnets by network address.
    pub leases: BTreeMap<Address, Ipv4Net>,
    /// Subnets that the engine refused as overlapping.
    pub refused_subnets: BTreeSet<Ipv4Net>,
    /// Ports of hosts that are published for an NPM elsewhere, by container without its generation.
    pub ports: BTreeMap<Address, BTreeSet<u16>>,
    /// Ports that somebody else listens on, by engine.
    pub refused_ports: BTreeMap<ProviderId, BTreeSet<u16>>,
    /// Generations that failed, with the digest of what was tried.
    pub failed: BTreeMap<Address, Failure>,
    /// Calls that left and whose outcome is not known, with the time they left.
    pub open_intents: BTreeMap<Address, Timestamp>,
    /// What we wrote last.
    pub applied: BTreeMap<Address, Applied>,
    /// Container generations that were ready, by base address: the last good one.
    pub last_good: BTreeMap<Address, (String, Fields)>,
    /// Certificates that were asked for of late, the oldest first.
    pub orders: Vec<Order>,
    /// Certificates that were asked for and of which it is not known whether they came, with their manifests.
    pub ordered: BTreeMap<Address, String>,
    /// What is being made for others just now, with its fields: its subnet, its addresses and its ports are taken. Of a
    /// host that is being led elsewhere, what changes.
    pub in_progress: BTreeMap<Address, Fields>,
    /// What is being deleted just now: it is seen still, and nothing that comes may rest on it.
    pub going: BTreeSet<Address>,
    /// Since when nothing leads to an old generation, or uses a certificate, any more.
    pub repointed_at: BTreeMap<Address, Timestamp>,
    /// When containers were away in updates, by base address, the newest last; at most one of each is not over yet.
    pub away: BTreeMap<Address, Vec<Outage>>,
    /// Images that we brought to an engine.
    pub pulled: Vec<Pulled>,
    /// When the latest builds of each service began, the oldest first.
    pub builds: BTreeMap<String, Vec<Timestamp>>,
    /// Services that are left alone.
    pub suspended: BTreeMap<String, Suspension>,
    /// Services that a person rolls back, until their containers are there: who.
    pub rolling: BTreeMap<String, String>,
    /// Services that were in sync once: what changes later is a change, not something new.
    pub converged: BTreeSet<String>,
    /// Services whose manifest is broken and whose last good one is not known: nothing of them is touched.
    pub frozen: BTreeSet<String>,
    /// How manifests that are gone said that they are kept.
    pub gone: BTreeMap<String, Reconcile>,
    /// Who made necessary what is put right, in words, where that is known.
    pub changed_by: BTreeMap<Address, Text>,
    /// What was given out of hand, each with its vendor's id.
    pub released: BTreeMap<Address, String>,
    /// Services whose manifest and containers are gone, and since when: one with such a name is another service.
    pub retired: BTreeMap<String, Retired>,
    /// Folders of hosts that containers of ours could ever write to, by engine, with whether anything was ever seen in each.
    pub written_folders: BTreeMap<ProviderId, BTreeMap<String, bool>>,
    /// What NPM's and Amarre's own containers had when they were observed last, by engine.
    pub reserved: BTreeMap<ProviderId, Vec<Reserved>>,
    /// Manifests that cannot be told are broken, so a vanished service is not pruned.
    pub prune_blocked: bool,
    /// Who changed which file of the source.
    pub history: History,
    /// What was written of late and whether it stayed, by address and field.
    pub flaps: BTreeMap<Address, BTreeMap<String, Flap>>,
    /// What is known of the power of managed servers.
    pub power: BTreeMap<Address, PowerFacts>,
    /// What is known of pools, by name.
    pub pools: BTreeMap<String, PoolFacts>,
    /// The state of the source that is in force.
    pub revision: String,
}
