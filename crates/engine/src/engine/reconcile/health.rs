//! Health where Docker itself cannot tell: probes of the route's port, or time without a restart.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};

use super::answers::InstanceAnswers;
use crate::providers::Provider;
use amarre_core::model::{
    Address, Facts, Kind, Millis, ProviderId, Readiness, Seen, Text, Timestamp, Value, Wants, World,
};
use amarre_core::text;

/// Good answers that make a container ready …
const OKS_NEEDED: usize = 3;
/// A container that was ready before is ready after one good answer.
const OKS_KNOWN: usize = 1;
/// … of this many latest probes.
const ANSWERS_KEPT: usize = 5;
/// Probes in flight at once: each is a process in NPM's container.
const PROBES_IN_FLIGHT: usize = 8;
/// A container without a healthcheck and a route is ready after this long without a restart.
const UPTIME_NEEDED: Millis = Millis::seconds(15);

/// Probe results by container and start.
#[derive(Debug, Default, Clone)]
pub struct HealthTracks {
    /// Of instances.
    pub instances: InstanceAnswers,
    tracks: BTreeMap<ContainerRun, Track>,
    /// This process has asked before.
    has_asked: bool,
}

/// A container since it started. Engines of machines that are copies of one another may have containers of one id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerRun {
    pub engine: ProviderId,
    id: String,
    started: i64,
}

#[derive(Debug, Default, Clone)]
struct Track {
    answers: VecDeque<bool>,
    needed: usize,
    /// Hosts were switched to it before this process started: it would lose its names to the old one until it has answered often enough.
    had_taken_over: bool,
    ready: bool,
    since: Timestamp,
    /// Where it was asked last: other answers count for nothing there.
    asked: Option<ProbeSpot>,
}

/// A probe to be sent.
struct ProbeRequest {
    run: ContainerRun,
    address: Address,
    /// With the address at which it is asked.
    seen: Seen,
    port: u16,
    provider: Arc<dyn Provider>,
}

/// A host and a port at which containers are asked.
pub type ProbeSpot = (String, u16);

impl HealthTracks {
    /// The containers of which this process, as it starts, may not know that they have taken over.
    pub fn unknown<'a>(&self, wants: &'a Wants, world: &World) -> Vec<&'a Address> {
        let is_unknown = |address: &&Address| world.seen.get(*address).is_some_and(needs_probe) && !self.has_asked;
        wants.probes.keys().filter(is_unknown).collect()
    }

    /// Writes into the world which containers are known to be ready since they started.
    pub fn recall(&self, world: &mut World) {
        for (address, seen) in world.seen.iter_mut().filter(|(_, seen)| needs_probe(seen)) {
            if self.tracks.get(&run_of(address, seen)).is_some_and(|track| track.ready) {
                seen.ready = Readiness::Ready;
            }
        }
    }

    /// Probes containers and writes the readiness into the world. A container that is known to be ready is not probed
    /// again before it starts again. `led_to`: of those that are unknown, those to which a host leads; `uptime`: how long a
    /// container has been up, by its reported start. Answers whether the world shows another readiness than before.
    pub async fn judge(
        &mut self,
        providers: &BTreeMap<ProviderId, Arc<dyn Provider>>,
        (wants, led_to): (&Wants, &BTreeSet<Address>),
        facts: &Facts,
        world: &mut World,
        uptime: impl Fn(&Address, i64) -> Millis,
    ) -> bool {
        let mut known = BTreeMap::new();
        let mut asks = Vec::new();
        for (address, probe) in wants.probes.iter().chain(&wants.probes_of_old) {
            let Some(seen) = world.seen.get(address).filter(|seen| needs_probe(seen)) else { continue };
            let key = run_of(address, seen);
            let started = key.started;
            let mut track = self.tracks.remove(&key).unwrap_or_default();
            track.had_taken_over |= led_to.contains(address);
            let is_old = track.had_taken_over || has_worked(address, wants, facts);
            track.needed = if is_old { OKS_KNOWN } else { OKS_NEEDED };
            if let Readiness::NotYet { since, .. } = &seen.ready {
                track.since = *since;
            }
            if !track.ready && probe.is_none() && uptime(address, started) >= UPTIME_NEEDED {
                track.ready = true;
            }
            if let (false, Some(probe), Some(provider)) = (track.ready, probe, providers.get(&address.provider)) {
                let mut asked = seen.clone();
                if let Some(at) = &probe.at {
                    asked.fields.set("address", Value::text(at));
                }
                let spot = (asked.fields.text("address").unwrap_or_default().to_owned(), probe.port);
                if track.asked.as_ref() != Some(&spot) {
                    track.answers.clear();
                    track.asked = Some(spot);
                }
                asks.push(ProbeRequest {
                    run: key.clone(),
                    address: address.clone(),
                    seen: asked,
                    port: probe.port,
                    provider: provider.clone(),
                });
            }
            known.insert(key, (address.clone(), track));
        }
        let mut whys = BTreeMap::new();
        for (key, answer) in answers_to(asks).await {
            let Some((_, track)) = known.get_mut(&key) else { continue };
            track.answers.push_back(answer.is_ok());
            while track.answers.len() > ANSWERS_KEPT {
                track.answers.pop_front();
            }
            let oks = track.answers.iter().filter(|ok| **ok).count();
            track.ready = oks >= track.needed;
            let needed = track.needed;
            let said = answer.err().map(Text::from);
            let why = said.unwrap_or_else(|| text!("{oks} of {needed} probes answered", oks, needed));
            whys.insert(key, why);
        }
        let mut is_other = false;
        for (key, (address, track)) in known {
            if let Some(seen) = world.seen.get_mut(&address) {
                let why = whys
                    .remove(&key)
                    .unwrap_or_else(|| text!("judged by uptime only: {span} without a restart", span = UPTIME_NEEDED));
                let since = track.since;
                let ready = if track.ready { Readiness::Ready } else { Readiness::NotYet { since, why } };
                is_other |= seen.ready != ready;
                seen.ready = ready;
            }
            self.tracks.insert(key, track);
        }
        self.forget_gone(world);
        self.has_asked = true;
        is_other
    }

    /// Whether a container counts as ready because it answered at this place.
    pub fn has_answered(&self, run: &ContainerRun, at: &ProbeSpot) -> bool {
        self.tracks.get(run).is_some_and(|track| track.ready && track.asked.as_ref() == Some(at))
    }

    fn forget_gone(&mut self, world: &World) {
        let containers = world.seen.iter().filter(|(address, _)| address.kind == Kind::Container);
        let there: BTreeSet<(&ProviderId, &str)> =
            containers.map(|(address, seen)| (&address.provider, seen.vendor_id.as_str())).collect();
        self.tracks.retain(|run, _| there.contains(&(&run.engine, run.id.as_str())));
    }
}

async fn answers_to(asks: Vec<ProbeRequest>) -> Vec<(ContainerRun, Result<(), String>)> {
    let mut answers = Vec::new();
    for ProbeRequest { run, address, seen, port, provider } in asks {
        let asking = async move {
            let answer = match provider.capabilities().probe {
                Some(probe) => probe.probe(&address, &seen, port).await,
                None => Ok(()),
            };
            (run, answer)
        };
        answers.push(asking.boxed());
    }
    futures_util::stream::iter(answers).buffer_unordered(PROBES_IN_FLIGHT).collect().await
}

/// Whether a container was ready before this process started, or an old one was told to go for it: it is not probed like a new one.
fn has_worked(address: &Address, wants: &Wants, facts: &Facts) -> bool {
    let good = facts.last_good.get(&address.base()).map(|(generation, _)| generation);
    let is_known = good.is_some() && good == address.generation.as_ref();
    let is_successor = |old: &Address| old.base() == address.base() && old != address;
    is_known || wants.probes.contains_key(address) && facts.repointed_at.keys().any(is_successor)
}

/// A container as it runs now.
pub fn run_of(address: &Address, seen: &Seen) -> ContainerRun {
    let started = seen.fields.get("started_at_ms").and_then(Value::as_int).unwrap_or_default();
    ContainerRun { engine: address.provider.clone(), id: seen.vendor_id.clone(), started }
}

fn needs_probe(seen: &Seen) -> bool {
    seen.fields.flag("running") == Some(true)
        && seen.fields.text("health") == Some("none")
        && matches!(seen.ready, Readiness::NotYet { .. })
}

#[cfg(test)]
mod tests {
    use amarre_core::model::{Fields, Owner};

    use super::*;

    fn running_since(started_ms: i64) -> Seen {
        Seen {
            fields: Fields::default()
                .with("running", Value::Bool(true))
                .with("health", Value::text("none"))
                .with("started_at_ms", Value::Int(started_ms)),
            ready: Readiness::NotYet { since: Timestamp(started_ms), why: Text::from("not probed yet") },
            owner: Owner::Ours,
            service: Some("web".to_owned()),
            vendor_id: "5e1c0aa".to_owned(),
            at: Timestamp(2),
        }
    }

    async fn judge(health: &mut HealthTracks, wants: &Wants, world: &mut World, uptime: impl Fn(&Address) -> Millis) {
        let (none, facts) = (BTreeMap::new(), Facts::default());
        health.judge(&none, (wants, &BTreeSet::new()), &facts, world, |address, _| uptime(address)).await;
    }

    /// Machines that are copies of one another may give two containers one id.
    #[tokio::test]
    async fn containers_of_one_id_on_two_engines_are_judged_apart() {
        let [near, far]: [Address; 2] =
            ["docker", "docker:nas"].map(|engine| format!("{engine}/container/web").parse().unwrap());
        let mut world = World::default();
        let mut wants = Wants::default();
        for address in [&near, &far] {
            world.seen.insert(address.clone(), running_since(1));
            wants.probes.insert(address.clone(), None);
        }
        let uptime = |address: &Address| if *address == near { UPTIME_NEEDED } else { Millis(0) };
        judge(&mut HealthTracks::default(), &wants, &mut world, uptime).await;
        assert!(world.seen[&near].ready.is_ready());
        assert!(!world.seen[&far].ready.is_ready(), "{:?}", world.seen[&far].ready);
    }

    #[tokio::test]
    async fn a_container_that_was_ready_is_ready_at_first_sight_until_it_starts_again() {
        let web: Address = "docker/container/web".parse().unwrap();
        let wants = Wants { probes: [(web.clone(), None)].into(), ..Wants::default() };
        let mut health = HealthTracks::default();
        let ready = |health: &HealthTracks, started_ms| {
            let mut world = World { seen: [(web.clone(), running_since(started_ms))].into(), ..World::default() };
            health.recall(&mut world);
            world.seen[&web].ready.is_ready()
        };
        assert!(!ready(&health, 1), "it is not known yet");
        let mut world = World { seen: [(web.clone(), running_since(1))].into(), ..World::default() };
        judge(&mut health, &wants, &mut world, |_| Millis(0)).await;
        assert!(!ready(&health, 1), "it was not ready");
        judge(&mut health, &wants, &mut world, |_| UPTIME_NEEDED).await;
        assert!(ready(&health, 1));
        assert!(!ready(&health, 5), "it has started again");
    }
}
