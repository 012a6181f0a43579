//! The account: its servers as they are and as they are shown, the queue, the clock, and what is out of order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::answers::Decline;
use super::catalogue::{self, TRAFFIC_AT_FIRST};
use super::fleet::{KamateraBilling, KamateraClock, KamateraOptions, KamateraPace, KamateraServer};
use super::login::Login;
use super::queue::{Command, KamateraVerb, Order};

/// Where a stopped clock stands at first: 2026-10-05T12:00:00Z.
const FIRST_SECOND: i64 = 1_791_201_600;

/// The id of the first command is one more.
const COMMANDS_BEFORE: u64 = 210_910_167;

/// For so long the queue of the console lists what is over. Guessed: it says "recent".
const RECENT_S: i64 = 86_400;

pub(super) type Machines = BTreeMap<String, Machine>;

#[derive(Debug, Clone)]
pub(super) struct State {
    pub login: Login,
    /// What there is.
    pub truth: Machines,
    /// What the list and the detail of a server show: behind by the lag.
    pub shown: Machines,
    pub queue: Vec<Command>,
    pub lans: Vec<String>,
    pub switches: Switches,
    pub pace: KamateraPace,
    /// (id, verb) of each change that was accepted.
    pub accepted: Vec<(String, KamateraVerb)>,
    /// (id, name) of each server that a command made.
    pub created: Vec<(String, String)>,
    /// The same of each that a command ended.
    pub terminated: Vec<(String, String)>,
    clock: KamateraClock,
    /// Seconds that the clock was moved ahead.
    ahead: i64,
    made: u32,
    commands: u64,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub id: String,
    pub name: String,
    pub datacenter: String,
    pub cpu: String,
    pub ram_mib: u32,
    pub disks_gb: Vec<u32>,
    /// (name, address) of each network.
    pub networks: Vec<(String, String)>,
    pub is_on: bool,
    pub billing: KamateraBilling,
    pub traffic: String,
    pub is_managed: bool,
    pub has_backup: bool,
    /// What it was made from, by name: no answer shows it.
    pub image: String,
    /// What its first boot was handed: no answer shows it.
    #[serde(default)]
    pub user_data: String,
    pub tags: BTreeSet<String>,
    pub description: String,
    pub snapshots: Vec<SnapshotRow>,
    /// (second, action), the oldest first.
    pub history: Vec<(i64, String)>,
    /// Its networks have no address before this second; [`i64::MAX`]: before it was started.
    pub addresses_from: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SnapshotRow {
    pub id: u32,
    pub name: String,
    pub taken: i64,
}

/// What is out of order, until a test puts it right.
#[derive(Debug, Clone, Default)]
pub(super) struct Switches {
    /// The list answers an error.
    pub list_fails: bool,
    /// What the list leaves out.
    pub list_lacks: Option<ListLack>,
    /// So many calls of `/service/server/info` answer 500.
    pub info_failures: u32,
    /// Prices are `""`.
    pub has_no_prices: bool,
    /// Images that left the catalogue, by name.
    pub withdrawn_images: Vec<String>,
    /// Why creations fail.
    pub creations_fail: Option<CreationFailure>,
    /// What becomes of the next commands, one after another.
    pub disasters: Vec<Disaster>,
    pub suffix: NameSuffix,
    pub command_ids: CommandIds,
    pub working_word: Option<String>,
}

/// What a list that answers 200 leaves out, of servers that are there and answer by their ids. That it happens is known of other vendors;
/// here it is a guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListLack {
    /// Every second server, the one that was made last among them.
    Half,
    /// All.
    All,
    /// Those in this datacenter.
    Region(String),
}

/// What becomes of a command that was accepted.
#[derive(Debug, Clone)]
pub(super) enum Disaster {
    /// It ends in `error` with this at the end of its log.
    Fails(String),
    /// It is `complete`, and nothing was done (`jmauas/kamatera` saw it of a terminate).
    DoesNothing,
}

/// What is appended to a name that is taken. All three are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameSuffix {
    /// `web(1)`
    #[default]
    Parentheses,
    /// `web (1)`
    SpaceAndParentheses,
    /// `web-1`
    Dash,
}

/// Why the vendor makes no server. Both are known to arrive in the log of the command; their texts are guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreationFailure {
    /// The datacenter has no room.
    NoCapacity,
    /// The account has as many servers as it may.
    AccountLimit,
}

/// How an answer names the command that began. Clients have seen all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommandIds {
    /// `["210910168"]`
    #[default]
    Strings,
    /// `[210910168]`
    Numbers,
    /// `210910168`
    Bare,
    /// `{"cmdId": 210910168}`
    Named,
}

/// What outlives a start.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    ahead: i64,
    made: u32,
    commands: u64,
    truth: Machines,
    shown: Machines,
    queue: Vec<Command>,
}

impl State {
    /// The servers that a list has.
    pub fn listed(&self) -> impl Iterator<Item = &Machine> {
        let last = self.created.last().map(|(id, _)| id);
        self.shown.values().enumerate().filter_map(move |(index, machine)| {
            let is_left_out = match &self.switches.list_lacks {
                None => false,
                Some(ListLack::All) => true,
                Some(ListLack::Half) => index % 2 == 1 || last == Some(&machine.id),
                Some(ListLack::Region(region)) => machine.datacenter == *region,
            };
            (!is_left_out).then_some(machine)
        })
    }

    pub fn new(options: KamateraOptions) -> Result<Self, String> {
        let mut state = Self {
            login: Login::new(options.client_id, options.secret),
            truth: BTreeMap::new(),
            shown: BTreeMap::new(),
            queue: Vec::new(),
            lans: options.lans,
            switches: Switches::default(),
            pace: options.pace,
            accepted: Vec::new(),
            created: Vec::new(),
            terminated: Vec::new(),
            clock: options.clock,
            ahead: 0,
            made: 0,
            commands: COMMANDS_BEFORE,
        };
        for server in options.servers {
            state.add(server)?;
        }
        Ok(state)
    }

    pub fn to_keep(&self) -> Kept {
        Kept {
            ahead: self.ahead,
            made: self.made,
            commands: self.commands,
            truth: self.truth.clone(),
            shown: self.shown.clone(),
            queue: self.queue.clone(),
        }
    }

    pub fn take_over(&mut self, kept: Kept) {
        (self.ahead, self.made, self.commands) = (kept.ahead, self.made.max(kept.made), kept.commands);
        (self.truth, self.shown, self.queue) = (kept.truth, kept.shown, kept.queue);
    }

    /// The vendor's clock, in seconds since 1970.
    pub fn now(&self) -> i64 {
        let second = match self.clock {
            KamateraClock::Stopped => FIRST_SECOND,
            KamateraClock::Running => crate::clock::now().as_second(),
        };
        second.saturating_add(self.ahead)
    }

    pub fn advance(&mut self, seconds: i64) {
        self.ahead = self.ahead.saturating_add(seconds);
    }

    /// Does what is due, and shows what is due to be shown.
    pub fn settle(&mut self) {
        let now = self.now();
        for command in &mut self.queue {
            let works = command.failure.is_none();
            if !command.is_done && command.ends_at <= now {
                command.is_done = true;
                let before = self.truth.get(&command.machine).map(|machine| machine.name.clone());
                if works {
                    command.effect.apply(&command.machine, &mut self.truth, command.ends_at);
                }
                let after = self.truth.get(&command.machine).map(|machine| machine.name.clone());
                match (before, after) {
                    (None, Some(name)) => self.created.push((command.machine.clone(), name)),
                    (Some(name), None) => self.terminated.push((command.machine.clone(), name)),
                    (None, None) | (Some(_), Some(_)) => (),
                }
            }
            if !command.is_shown && command.shows_at <= now {
                command.is_shown = true;
                match command.effect.machine() {
                    _ if !works => (),
                    None => command.effect.apply(&command.machine, &mut self.shown, command.ends_at),
                    // As it is by now: somebody may have changed or ended it.
                    Some(_) => {
                        let made = self.truth.get(&command.machine);
                        self.shown.extend(made.map(|machine| (machine.id.clone(), machine.clone())));
                    }
                }
            }
        }
    }

    /// When the last command is over and shown.
    pub fn last_end(&self) -> Option<i64> {
        let addresses = self.shown.values().map(|machine| machine.addresses_from).filter(|at| *at != i64::MAX);
        let coming = self.queue.iter().filter_map(|command| command.effect.machine());
        let addresses = addresses.chain(coming.map(|machine| machine.addresses_from).filter(|at| *at != i64::MAX));
        self.queue.iter().map(|command| command.shows_at).chain(addresses).max()
    }

    /// A person makes a server elsewhere: it is there and shown at once.
    pub fn add(&mut self, server: KamateraServer) -> Result<String, String> {
        if !catalogue::has_datacenter(&server.datacenter) {
            return Err(format!("there is no datacenter {}", server.datacenter));
        }
        let Some(cpu) = catalogue::cpu(&server.cpu) else {
            return Err(format!("{} is no count and type of CPUs", server.cpu));
        };
        if let Some(why) = catalogue::misfit(cpu, server.ram_mib, &server.disks_gb) {
            return Err(format!("{}: {why}", server.name));
        }
        if catalogue::image_named(&server.image).is_none() {
            return Err(format!("the catalogue has no image {}", server.image));
        }
        let number = self.next_number();
        let mut networks = vec![(wan(&server.datacenter), address(number))];
        networks.extend(server.lan);
        let id = server.id.unwrap_or_else(|| machine_id(number));
        let machine = Machine {
            id: id.clone(),
            name: server.name,
            datacenter: server.datacenter,
            cpu: server.cpu,
            ram_mib: server.ram_mib,
            disks_gb: server.disks_gb,
            networks,
            is_on: server.is_on,
            billing: server.billing,
            traffic: TRAFFIC_AT_FIRST.to_owned(),
            is_managed: false,
            has_backup: false,
            description: server.image.clone(),
            image: server.image,
            user_data: String::new(),
            tags: server.tags.into_iter().collect(),
            snapshots: Vec::new(),
            history: vec![(self.now(), KamateraVerb::Create.description().to_owned())],
            addresses_from: 0,
        };
        if self.truth.insert(id.clone(), machine.clone()).is_some() {
            return Err(format!("two servers have the id {id}"));
        }
        self.shown.insert(id.clone(), machine);
        Ok(id)
    }

    pub fn next_number(&mut self) -> u32 {
        let number = self.made;
        self.made += 1;
        number
    }

    /// A change by a person elsewhere, or one that needs no command: there and shown at once. False when there is no such
    /// server.
    pub fn by_hand(&mut self, id: &str, change: impl Fn(&mut Machine)) -> bool {
        if let Some(machine) = self.shown.get_mut(id) {
            change(machine);
        }
        self.truth.get_mut(id).map(change).is_some()
    }

    /// The server with this id; what is answered when there is none.
    pub fn machine(&self, id: &str) -> Result<&Machine, Decline> {
        self.truth.get(id).ok_or_else(Decline::no_such_server)
    }

    /// Begins a command, unless another one of the same server is under way.
    pub fn begin(&mut self, mut order: Order) -> Result<u64, Decline> {
        let now = self.now();
        self.idle(&order.machine)?;
        if !self.switches.disasters.is_empty() {
            order.meet(self.switches.disasters.remove(0));
        }
        let takes_s = if order.verb.is_creation() { self.pace.create_s } else { self.pace.change_s };
        self.commands += 1;
        let starts_at = now + self.pace.pending_s;
        let ends_at = starts_at + takes_s;
        if let Some(machine) = self.truth.get_mut(&order.machine) {
            machine.history.push((now, order.verb.description().to_owned()));
        }
        self.accepted.push((order.machine.clone(), order.verb));
        self.queue.push(Command {
            id: self.commands,
            machine: order.machine,
            server: order.server,
            description: order.verb.description().to_owned(),
            added: now,
            starts_at,
            ends_at,
            shows_at: ends_at + self.pace.lag_s,
            log: order.log,
            failure: order.failure,
            effect: order.effect,
            is_done: false,
            is_shown: false,
        });
        let id = self.commands;
        self.settle();
        Ok(id)
    }

    /// Whether a server could be given a command now. The text is the one that users report, more or less.
    pub fn idle(&self, id: &str) -> Result<(), Decline> {
        let now = self.now();
        if self.queue.iter().any(|command| command.machine == id && command.is_under_way(now)) {
            Err(Decline::upstream("Existing operation is currently running on the server"))
        } else {
            Ok(())
        }
    }

    /// The name that a new server gets: the wanted one, or, where a server or a creation under way has it, one with a suffix.
    pub fn free_name(&self, wanted: &str) -> String {
        let now = self.now();
        let coming = self.queue.iter().filter(|command| command.is_under_way(now) && command.failure.is_none());
        let coming = coming.filter_map(|command| command.effect.machine()).map(|machine| machine.name.as_str());
        let taken: BTreeSet<&str> = self.truth.values().map(|machine| machine.name.as_str()).chain(coming).collect();
        let suffixed = |number: u32| match self.switches.suffix {
            NameSuffix::Parentheses => format!("{wanted}({number})"),
            NameSuffix::SpaceAndParentheses => format!("{wanted} ({number})"),
            NameSuffix::Dash => format!("{wanted}-{number}"),
        };
        let mut candidates = std::iter::once(wanted.to_owned()).chain((1..).map(suffixed));
        candidates.find(|name| !taken.contains(name.as_str())).unwrap_or_default()
    }

    /// The commands that the queue of the console lists, the oldest first.
    pub fn recent(&self) -> impl Iterator<Item = &Command> {
        let since = self.now() - RECENT_S;
        self.queue.iter().filter(move |command| command.ends_at >= since)
    }

    pub fn working_word(&self) -> &str {
        self.switches.working_word.as_deref().unwrap_or("progress")
    }
}

impl CreationFailure {
    pub(super) fn text(self, datacenter: &str) -> String {
        match self {
            Self::NoCapacity => format!("Error: not enough resources in datacenter {datacenter}"),
            Self::AccountLimit => "Error: you have reached the limit of active servers for your account".to_owned(),
        }
    }
}

/// The public network of a datacenter: `wan-eu`.
pub(super) fn wan(datacenter: &str) -> String {
    format!("wan-{}", datacenter.to_lowercase())
}

/// The same number makes the same id.
pub(super) fn machine_id(number: u32) -> String {
    catalogue::digits(&format!("server/{number}"))[..32].to_owned()
}

/// Of a network that is for documents, and for tests of throughput where that is too small.
pub(super) fn address(number: u32) -> String {
    match number {
        0..250 => format!("203.0.113.{}", number + 4),
        _ => format!("198.{}.{}.{}", 18 + (number >> 16 & 1), number >> 8 & 255, number & 255),
    }
}

/// `2026-10-04 11:22:33`; of which zone, nobody says.
pub(super) fn stamp(second: i64) -> String {
    let time = jiff::Timestamp::from_second(second).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `04/10/2026 11:22:33`, of snapshots and histories.
pub(super) fn local_stamp(second: i64) -> String {
    let time = jiff::Timestamp::from_second(second).unwrap_or_default();
    time.strftime("%d/%m/%Y %H:%M:%S").to_string()
}
