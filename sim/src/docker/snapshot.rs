//! An engine as it was once, for stories that begin alike. Not for engines with delays: what was to happen later happens
//! after a rewind, too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use serde_json::Value;

use super::Docker;
use super::page;
use super::spec::ImageSpec;
use super::state::{Answer, Container, Exec, Image, Network, Volume};

/// Everything that an engine holds, and which containers listened.
#[derive(Debug, Clone)]
pub struct Snapshot {
    containers: Vec<Container>,
    listening: Vec<String>,
    networks: Vec<Network>,
    volumes: BTreeMap<String, Volume>,
    folders: BTreeSet<PathBuf>,
    images: Vec<Image>,
    registry: BTreeMap<String, ImageSpec>,
    execs: BTreeMap<String, Exec>,
    history: VecDeque<Value>,
    next_pool: usize,
    made: u64,
}

impl Docker {
    /// Everything as it is now.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.engine.lock();
        let listening = state.containers.iter().filter(|container| container.listener.0.is_some());
        Snapshot {
            listening: listening.map(|container| container.id.clone()).collect(),
            containers: state.containers.clone(),
            networks: state.networks.clone(),
            volumes: state.volumes.clone(),
            folders: state.folders.clone(),
            images: state.images.clone(),
            registry: state.registry.clone(),
            execs: state.execs.clone(),
            history: state.history.clone(),
            next_pool: state.next_pool,
            made: state.made,
        }
    }

    /// Everything as it was then. Streams of events end.
    ///
    /// # Errors
    /// A container cannot listen.
    pub fn rewind(&self, to: &Snapshot) -> Answer<()> {
        let mut state = self.engine.lock();
        let _ = state.events.send(None);
        state.containers.clone_from(&to.containers);
        state.networks.clone_from(&to.networks);
        state.volumes.clone_from(&to.volumes);
        state.folders.clone_from(&to.folders);
        state.images.clone_from(&to.images);
        state.registry.clone_from(&to.registry);
        state.execs.clone_from(&to.execs);
        state.history.clone_from(&to.history);
        (state.next_pool, state.made, state.down) = (to.next_pool, to.made, false);
        for id in &to.listening {
            let listener = page::listen(&state, id)?;
            let index = state.find(id)?;
            state.containers[index].listener.0 = Some(listener);
        }
        Ok(())
    }
}
