//! What a provider remembers from one look to the next: the last list, the commands that it began, details that somebody asked
//! for.

use std::collections::BTreeMap;

use super::api::Trouble;
use super::wire::{CommandState, WireCommand, WireServer, WireServerDetails};
use amarre_core::model::{Millis, Timestamp};

/// Details are read again after this long.
const DETAILS_ANEW: Millis = Millis::minutes(24 * 60);
/// The queue, and the list while a command is under way, are read so often.
const ASKED_EVERY: Millis = Millis::seconds(5);
/// For this long after a command is complete the list may show what was before it.
const LAGS_FOR: Millis = Millis::seconds(60);
/// A command that failed is told for this long: then what was wanted may be tried again.
const FAILURE_TOLD: Millis = Millis::minutes(10);

/// The memory.
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
}

/// An action of ours on a server.
#[derive(Debug, Clone, Default)]
struct BegunAction {
    /// Its commands; empty: their numbers were lost with the answer.
    commands: Vec<String>,
    /// The power that it leads to; `None`: it ends as it began.
    to: Option<&'static str>,
    /// When its commands were seen to be over, or it was first looked at without any.
    over: Option<Timestamp>,
}

impl KamateraMemory {
    /// The last list, and when it was read.
    pub fn list(&self) -> Option<&(Timestamp, Vec<WireServer>)> {
        self.list.as_ref()
    }

    /// The server of this id in the last list.
    pub fn server(&self, id: &str) -> Option<&WireServer> {
        self.list.as_ref()?.1.iter().find(|server| server.id == id)
    }

    /// Whether the list is to be read: not where a reading of a moment ago will do, unless a command may show in it.
    pub fn asks_list(&self, reuse: bool, now: Timestamp) -> bool {
        let Some((at, _)) = self.list.as_ref().filter(|_| reuse) else { return true };
        let is_old = *at > now || now - *at >= ASKED_EVERY;
        is_old && self.acted.values().any(|acted| acted.over.is_some())
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
        for server in &servers {
            if self.since.get(&server.id).is_none_or(|(power, _)| *power != server.power) {
                self.since.insert(server.id.clone(), (server.power.clone(), at));
                self.failures.remove(&server.id);
            }
        }
        let is_there = |id: &String| servers.iter().any(|server| server.id == *id);
        self.since.retain(|id, _| is_there(id));
        self.details.retain(|id, _| is_there(id));
        self.failures.retain(|id, (_, told)| is_there(id) && at - *told < FAILURE_TOLD);
        self.acted.retain(|id, acted| is_there(id) && !acted.is_seen(servers.iter().find(|one| one.id == *id), at));
        (self.list, self.trouble) = (Some((at, servers)), None);
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

    /// Whether an action of ours may still be under way.
    pub fn is_acting(&self, id: &str) -> bool {
        self.acted.contains_key(id)
    }

    /// Why the last command on a server failed, for a while.
    pub fn failure(&self, id: &str) -> Option<&(String, Timestamp)> {
        self.failures.get(id)
    }

    /// The commands that the queue is to be asked about now.
    pub fn due_commands(&mut self, now: Timestamp) -> Vec<String> {
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
    fn is_seen(&self, server: Option<&WireServer>, now: Timestamp) -> bool {
        let Some(over) = self.over else { return false };
        let is_reached = server.is_some_and(|server| self.to.is_none_or(|to| server.power == to));
        // Of a reboot whose answer was lost, no list tells.
        let tells = self.to.is_some() || !self.commands.is_empty();
        is_reached && tells || now - over.min(now) >= LAGS_FOR
    }
}
