//! A cloud in memory: regions with servers, answers that are lost, regions that are silent, lists that lag.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub name: String,
    pub region: String,
    pub size: String,
    /// The instance that made it; empty: a person.
    pub made_by: String,
    pub reboots: u32,
}

/// What a call comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum CallFailure {
    /// The region does not answer; nothing happened.
    Silent,
    /// No answer came: it may have happened.
    Lost,
}

/// The cloud's side.
#[derive(Debug, Default)]
pub struct Cloud {
    pub servers: BTreeMap<u32, Server>,
    /// Every create that had an effect, also of servers that are gone.
    pub created: Vec<String>,
    pub silent: BTreeSet<String>,
    /// How many of the next writes lose their answer.
    pub loses: u32,
    /// A lost write has no effect.
    pub loses_before: bool,
    /// Servers that lists do not show yet, and that operations name.
    pub unlisted: BTreeSet<u32>,
    /// The operations cannot be read.
    pub hides_operations: bool,
}

/// A cloud that a provider and a test share.
#[derive(Debug, Clone, Default)]
pub struct Vendor(Arc<Mutex<Cloud>>);

impl Vendor {
    pub fn lock(&self) -> MutexGuard<'_, Cloud> {
        self.0.lock().unwrap()
    }
}

impl Cloud {
    /// The servers of a region that its list shows.
    pub fn list(&self, region: &str) -> Result<Vec<(u32, Server)>, CallFailure> {
        self.answers(region)?;
        let all = self.servers.iter().filter(|(id, server)| server.region == region && !self.unlisted.contains(id));
        Ok(all.map(|(id, server)| (*id, server.clone())).collect())
    }

    /// The names of servers that are being made in a region; `None`: that cannot be read.
    pub fn operations(&self, region: &str) -> Option<BTreeSet<String>> {
        let is_readable = !self.hides_operations && !self.silent.contains(region);
        let names = self.unlisted.iter().filter_map(|id| self.servers.get(id)).map(|server| server.name.clone());
        is_readable.then(|| names.collect())
    }

    pub fn create(&mut self, server: Server) -> Result<u32, CallFailure> {
        self.answers(&server.region)?;
        self.write(|cloud| {
            let id = u32::try_from(cloud.created.len()).unwrap() + 1;
            cloud.created.push(server.name.clone());
            cloud.servers.insert(id, server);
            id
        })
    }

    pub fn resize(&mut self, id: u32, size: &str) -> Result<(), CallFailure> {
        self.write(|cloud| {
            cloud.servers.get_mut(&id).unwrap().size = size.to_owned();
        })
    }

    pub fn reboot(&mut self, id: u32) -> Result<(), CallFailure> {
        self.write(|cloud| cloud.servers.get_mut(&id).unwrap().reboots += 1)
    }

    pub fn delete(&mut self, id: u32) -> Result<(), CallFailure> {
        self.write(|cloud| drop(cloud.servers.remove(&id)))
    }

    fn answers(&self, region: &str) -> Result<(), CallFailure> {
        if self.silent.contains(region) { Err(CallFailure::Silent) } else { Ok(()) }
    }

    fn write<T>(&mut self, effect: impl FnOnce(&mut Self) -> T) -> Result<T, CallFailure> {
        let is_lost = self.loses > 0;
        self.loses = self.loses.saturating_sub(1);
        if is_lost && self.loses_before {
            return Err(CallFailure::Lost);
        }
        let done = effect(self);
        if is_lost { Err(CallFailure::Lost) } else { Ok(done) }
    }
}
