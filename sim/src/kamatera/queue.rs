//! Commands: what each is about, when it begins and ends, and what it does to a server once it is over.
//!
//! | from | status | log |
//! |---|---|---|
//! | its acceptance | `pending` | empty |
//! | `starts_at` | `progress`, or the word of [`super::Kamatera::working_word`] | what is done; of a creation `Name: ` and the real name |
//! | `ends_at` | `complete`, or `error` | the same and `Done`, or the reason |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fleet::KamateraBilling;
use super::state::{Disaster, Machine, SnapshotRow, stamp};

/// What was asked of the account, once it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KamateraVerb {
    /// `POST /service/server`
    Create,
    /// `POST /service/cloneServer`
    Clone,
    /// `POST /service/server/terminate`
    Terminate,
    /// `POST /service/server/poweron`
    PowerOn,
    /// `POST /service/server/poweroff`
    PowerOff,
    /// `POST /service/server/reboot`
    Reboot,
    /// `POST /server/configure`
    Configure,
    /// `POST /service/server/rename`
    Rename,
    /// `POST /server/disk` with `add`, `remove` or `resize`
    Disk,
    /// `POST /server/snapshot` with `create`, `delete` or `revert`
    Snapshot,
    /// `POST /server/tags` with `add` or `remove`
    Tags,
    /// `POST /server/description` with `set`
    Description,
}

/// One entry of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Command {
    pub id: u64,
    /// Whose it is: an id that the queue does not show.
    pub machine: String,
    /// The server's name when it was asked; of a creation the wanted one. That it is not the real one there is a guess.
    pub server: String,
    pub description: String,
    pub added: i64,
    pub starts_at: i64,
    pub ends_at: i64,
    /// When the list and the detail know it.
    pub shows_at: i64,
    pub log: String,
    /// Why it ends in `error`.
    pub failure: Option<String>,
    pub effect: Effect,
    pub is_done: bool,
    pub is_shown: bool,
}

/// What a command does once it is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Effect {
    Nothing,
    Create(Box<Machine>),
    Terminate,
    Change(Change),
}

/// What becomes of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Change {
    Power(bool),
    Cpu(String),
    Ram(u32),
    Backup(bool),
    Managed(bool),
    Billing(KamateraBilling, String),
    Name(String),
    AddDisk(u32),
    RemoveDisk(usize),
    /// The vendor takes a snapshot first, and leaves it.
    ResizeDisk(usize, u32, SnapshotRow),
    AddSnapshot(SnapshotRow),
    DeleteSnapshot(u32),
}

impl KamateraVerb {
    pub(super) fn is_creation(self) -> bool {
        matches!(self, Self::Create | Self::Clone)
    }

    /// The queue's description. Known are those of creation, end and start; the rest is made up along these.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Create => "Create Server",
            Self::Terminate => "Terminate Server",
            Self::PowerOn => "Power On Server",
            Self::PowerOff => "Power Off Server",
            Self::Reboot => "Reboot Server",
            Self::Clone => "Clone Server",
            Self::Configure => "Configure Server",
            Self::Rename => "Rename Server",
            Self::Disk => "Change Server Disks",
            Self::Snapshot => "Server Snapshot",
            Self::Tags => "Server Tags",
            Self::Description => "Server Description",
        }
    }
}

impl Command {
    pub fn status<'a>(&self, now: i64, working: &'a str) -> &'a str {
        match (now < self.starts_at, now < self.ends_at, &self.failure) {
            (true, _, _) => "pending",
            (_, true, _) => working,
            (_, _, None) => "complete",
            (_, _, Some(_)) => "error",
        }
    }

    pub fn is_under_way(&self, now: i64) -> bool {
        now < self.ends_at
    }

    pub fn log(&self, now: i64) -> String {
        match (now < self.starts_at, now < self.ends_at, &self.failure) {
            (true, _, _) => String::new(),
            (_, true, _) => self.log.clone(),
            (_, _, None) => format!("{}\nDone", self.log),
            (_, _, Some(why)) => format!("{}\n{why}", self.log),
        }
    }

    /// As both doors show it. Ids are strings, times without a zone, and `""` until they have come.
    pub fn shape(&self, now: i64, working: &str) -> Value {
        let from = |at: i64| if now < at { String::new() } else { stamp(at) };
        json!({
            "id": self.id.to_string(),
            "status": self.status(now, working),
            "server": self.server,
            "description": self.description,
            "added": stamp(self.added),
            "executed": from(self.starts_at),
            "completed": from(self.ends_at),
            "log": self.log(now),
        })
    }
}

impl Effect {
    /// Does it to a book of servers: what there is, or later what is shown.
    pub fn apply(&self, id: &str, book: &mut BTreeMap<String, Machine>, at: i64) {
        match self {
            Self::Nothing => (),
            Self::Create(machine) => drop(book.insert(id.to_owned(), machine.as_ref().clone())),
            Self::Terminate => drop(book.remove(id)),
            Self::Change(change) => {
                if let Some(machine) = book.get_mut(id) {
                    change.apply(machine, at);
                }
            }
        }
    }

    /// The server that it makes.
    pub fn machine(&self) -> Option<&Machine> {
        if let Self::Create(machine) = self { Some(machine) } else { None }
    }
}

impl Change {
    pub fn apply(&self, machine: &mut Machine, at: i64) {
        match self {
            Self::Power(is_on) => {
                machine.is_on = *is_on;
                // One that was created off has its address from its first start on.
                if *is_on && machine.addresses_from == i64::MAX {
                    machine.addresses_from = at;
                }
            }
            Self::Cpu(cpu) => machine.cpu.clone_from(cpu),
            Self::Ram(ram_mib) => machine.ram_mib = *ram_mib,
            Self::Backup(has_backup) => machine.has_backup = *has_backup,
            Self::Managed(is_managed) => machine.is_managed = *is_managed,
            Self::Billing(billing, traffic) => {
                machine.billing = *billing;
                machine.traffic.clone_from(traffic);
            }
            Self::Name(name) => machine.name.clone_from(name),
            Self::AddDisk(size) => machine.disks_gb.push(*size),
            Self::RemoveDisk(index) => {
                if *index < machine.disks_gb.len() {
                    machine.disks_gb.remove(*index);
                }
            }
            Self::ResizeDisk(index, size, snapshot) => {
                if let Some(disk) = machine.disks_gb.get_mut(*index) {
                    *disk = *size;
                }
                machine.snapshots.push(snapshot.clone());
            }
            Self::AddSnapshot(snapshot) => machine.snapshots.push(snapshot.clone()),
            Self::DeleteSnapshot(id) => machine.snapshots.retain(|snapshot| snapshot.id != *id),
        }
    }
}

/// What a command is made of when it is accepted.
#[derive(Debug)]
pub(super) struct Order {
    pub machine: String,
    pub server: String,
    pub verb: KamateraVerb,
    pub log: String,
    /// Why it will fail, where that is known already.
    pub failure: Option<String>,
    pub effect: Effect,
}

impl Order {
    /// One that does this to a server, unless something fails.
    pub fn new(machine: &Machine, verb: KamateraVerb, effect: Effect) -> Self {
        Self {
            machine: machine.id.clone(),
            server: machine.name.clone(),
            verb,
            log: format!("{} {}", verb.description(), machine.name),
            failure: None,
            effect,
        }
    }

    /// What a test asked for becomes of it.
    pub fn meet(&mut self, disaster: Disaster) {
        match disaster {
            Disaster::Fails(why) => self.failure = Some(why),
            Disaster::DoesNothing => self.effect = Effect::Nothing,
        }
    }
}
