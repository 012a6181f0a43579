//! Generations of containers: which one is wanted, which old one stays meanwhile, where routes point.
//!
//! | old seen | new seen | shares nothing | wants |
//! |---|---|---|---|
//! | no  | no    | –   | the new one |
//! | yes | no    | yes | both; the new one under `<name>-<generation>` |
//! | yes | ready | yes | the new one; the old one until it has handed over ([`self::handover`]) |
//! | yes | –     | no  | the new one, after the old one is gone, which goes when all else is there |
//! | any | failed| yes | the last good one; the new one goes |
//! | no  | exited| no, and no data | the last good one is put back |
//! | no  | failed| no, with data   | the new one is left as it is: it may be migrating |
//!
//! Whether it shares nothing, [`self::strategy`] says.

pub mod strategy;
pub mod generation;
pub mod handover;
pub mod stopped;
pub mod data_loss;
pub mod completion;
pub mod network_recreate;
pub mod start_conditions;
pub mod job;
pub mod restart_policy;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use container::ContainerSlot;

use super::desired::{bind_mounts, container, image_volumes, joined_network, mounts, npm_reach, subnets};
use super::expansion::{Expansion, Home, Interim, RouteTarget};
use super::indexes::occupied;
use super::rollout::generation::Generation;
use super::rollout::start_conditions::ContainerWaits;
use super::{addressing, protection, targets};
use crate::model::service::{Container, ContainerNetwork, may_end};
use crate::model::world::Probe;
use crate::model::{Address, Fields, Kind, Need, Refusal, Seen, Service, Value, Want, World};

/// Wants every container of a manifest; answers where routes to each point, by key.
pub fn containers(expansion: &mut Expansion<'_>, home: &Home) -> BTreeMap<String, RouteTarget> {
    let service = expansion.service;
    let mut rollouts = BTreeMap::new();
    for key in joined_first(service) {
        let Some(container) = service.containers.get(key) else { continue };
        let home = expansion.home_of(home, container);
        let rollout = Rollout::of(expansion, ContainerSlot { key, container, home: &home }, &rollouts);
        rollouts.insert(key.clone(), rollout);
    }
    let targets: BTreeMap<String, RouteTarget> =
        rollouts.iter().map(|(key, rollout)| (key.clone(), rollout.target(expansion.input.world))).collect();
    let first = start_conditions::of_services(expansion);
    let held = held(expansion, &rollouts);
    let gate = job::before_update(expansion, home, &rollouts, &targets, &first, held);
    let seen = &expansion.input.world.seen;
    let new: Vec<(&String, &Rollout)> =
        rollouts.iter().filter(|(_, rollout)| !seen.contains_key(&rollout.effective)).collect();
    restart_policy::note_changes(expansion, new.iter().map(|(key, _)| *key));
    bind_mounts::tell_missing(expansion, new.iter().map(|(_, rollout)| (&rollout.base, &rollout.fields)));
    for (key, rollout) in rollouts {
        let Some(container) = service.containers.get(&key) else { continue };
        let waits = first.clone().and(gate.before(expansion, &key, &rollout));
        let home = expansion.home_of(home, container);
        rollout.want(expansion, ContainerSlot { key: &key, container, home: &home }, &targets, waits);
    }
    job::keep_until_jobs_end(expansion, &gate);
    targets
}

/// Why a container that is due is not made, whatever its jobs would do before.
fn held(expansion: &mut Expansion<'_>, rollouts: &BTreeMap<String, Rollout>) -> Option<Refusal> {
    let (input, name) = (expansion.input, &expansion.service.name);
    let due = rollouts.values().filter(|rollout| !input.world.seen.contains_key(&rollout.effective));
    for rollout in due {
        let empty = data_loss::would_be_empty(expansion, &rollout.base, &rollout.fields);
        let empty = empty.or_else(|| bind_mounts::refusal(expansion, &rollout.base, &rollout.fields));
        let protected =
            || (!rollout.olds.is_empty()).then(|| protection::protected(input, name, &rollout.base)).flatten();
        if let Some(refusal) = empty.or_else(protected) {
            return Some(refusal);
        }
    }
    None
}

/// The instances of a container. The only one of its service takes over from those that it had under another key, which
/// are called as it is.
fn instances<'a>(expansion: &Expansion<'a>, key: &str, base: &Address) -> BTreeMap<Address, &'a Seen> {
    let (world, service) = (expansion.input.world, expansion.service);
    let mut all = world.instances(base);
    if service.containers.len() == 1 {
        let name = service.container_name(key);
        let is_called = |address: &Address, seen: &Seen| {
            seen.fields
                .text("name")
                .is_some_and(|called| called == name || called == handover::old_name(address, base, &name))
        };
        let engine = &expansion.host.docker;
        let of_service = world.of_kind(engine, Kind::Container).filter(|(address, seen)| {
            let is_own = seen.owner.is_ours() && seen.service.as_ref() == Some(&service.name);
            address.generation.is_some() && is_own && is_called(address, seen)
        });
        all.extend(of_service.map(|(address, seen)| (address.clone(), seen)));
    }
    all
}

/// Keys in an order in which a container comes after those whose namespaces it shares, and those that it follows.
fn joined_first(service: &Service) -> Vec<&String> {
    let mut order: Vec<&String> = Vec::new();
    // Each round takes at least one, for manifests have no circles.
    for _ in 0..service.containers.len() {
        for (key, container) in &service.containers {
            if !order.contains(&key) && container.joins().chain(container.follows()).all(|other| order.contains(&other))
            {
                order.push(key);
            }
        }
    }
    order
}

/// Which instance of each container is in force, by its key.
pub fn in_force(rollouts: &BTreeMap<String, Rollout>) -> impl Fn(&str) -> Option<Address> {
    |key| Some(rollouts.get(key)?.effective.clone())
}

/// One container's way from what is there to what is wanted.
pub struct Rollout {
    pub(super) base: Address,
    /// The generation that the manifest wants.
    pub(super) wanted: Address,
    /// What that means for what is there.
    pub(super) coming: job::NextGeneration,
    /// The generation in force: the wanted one, or the last good one after a failure.
    pub(super) effective: Address,
    pub(super) fields: Fields,
    serving: Serving,
    /// What the manifest describes, while another one serves.
    successor: Option<RouteTarget>,
    pub(super) olds: Vec<Address>,
    start_first: bool,
}

impl Rollout {
    fn of(expansion: &mut Expansion<'_>, slot: ContainerSlot<'_>, others: &BTreeMap<String, Rollout>) -> Self {
        let ContainerSlot { key, container, .. } = slot;
        let service = expansion.service;
        let docker = expansion.host.docker.clone();
        let base = Address::new(docker, Kind::Container, &service.address_name(key));
        let instances = instances(expansion, key, &base);
        let mut wanted = container::fields(expansion, slot, in_force(others));
        declare(expansion, key, container, &instances, &mut wanted);
        npm_reach::declare(expansion, key, &mut wanted);
        let reason = strategy::reason_to_stop_first(expansion, slot, &wanted, &instances);
        let picked = generation::pick(expansion, &base, &wanted, &instances);
        let coming = job::coming(expansion, &base, &wanted, &instances);
        let successor = RouteTarget::of(&picked, &wanted);
        let next = Generation { address: picked.clone(), fields: wanted };
        let mut effective = generation::after_failure(expansion, container, &base, next, &instances, reason.is_none());
        let is_put_back = effective.address != picked;
        if is_put_back {
            // What is put back is not made anew for whom it follows.
            effective.fields.remove(container::FOLLOWS);
        }
        declare(expansion, key, container, &instances, &mut effective.fields);
        start_conditions::note(expansion, &effective.address, &mut effective.fields);
        let reason = match reason {
            None if is_put_back => strategy::reason_when_put_back(expansion, key, &effective, &instances),
            known => known,
        };
        let start_first = reason.is_none();
        let olds: Vec<Address> = instances.keys().filter(|address| **address != effective.address).cloned().collect();
        let rekeyed = olds.iter().filter(|old| !old.is_same(&base)).map(|old| (old.base(), base.clone()));
        expansion.wants.rekeyed.extend(rekeyed);
        if let (Some(why), false) = (reason, olds.is_empty()) {
            expansion.wants.stop_first.insert(service.name.clone(), why);
        }
        let serving = Serving::choose(expansion, slot, &instances, &effective, start_first);
        let successor = Some(successor).filter(|successor| successor.address != serving.address);
        let Generation { address: effective, fields } = effective;
        // Until the old one is gone, it may still turn out to be no good.
        if instances.get(&effective).is_some_and(|seen| seen.ready.is_ready()) && olds.is_empty() {
            generation::good(expansion, &base, &effective, &fields);
        }
        Self { base, wanted: picked, coming, effective, fields, serving, successor, olds, start_first }
    }

    /// The instance that serves, which may be on another network than the one that comes.
    fn target(&self, world: &World) -> RouteTarget {
        let address = &self.serving.address;
        let old = world.seen.get(address).filter(|_| *address != self.effective);
        let serving = RouteTarget::of(address, old.map_or(&self.fields, |old| &old.fields));
        let successor = self.successor.clone();
        let interim =
            successor.map(|successor| Interim { is_abroad: self.serving.is_abroad, successor: Box::new(successor) });
        RouteTarget { coming: self.effective.clone(), wanted: self.wanted.clone(), interim, ..serving }
    }

    /// Wants the generation in force after what it needs, and keeps the old ones for as long as they may serve.
    fn want(
        mut self,
        expansion: &mut Expansion<'_>,
        slot: ContainerSlot<'_>,
        targets: &BTreeMap<String, RouteTarget>,
        first: ContainerWaits,
    ) {
        let ContainerSlot { key, container, home } = slot;
        let world = expansion.input.world;
        let name = expansion.service.container_name(key);
        let instance = world.seen.get(&self.effective);
        let mut waits = first.and(start_conditions::of_siblings(expansion, container, targets));
        let empty =
            if instance.is_none() { data_loss::would_be_empty(expansion, &self.base, &self.fields) } else { None };
        waits.refusal = waits.refusal.or(empty.clone()).or(self.find_obstacle(expansion, slot));
        let mut needs = waits.needs;
        needs.extend(self.gather_needs(expansion, slot, targets, empty));
        self.choose_name(world, &name);
        let is_refused = waits.refusal.is_some() || nobody_makes(expansion, home, container);
        if is_refused && instance.is_none() {
            self.spare_olds(expansion);
        } else if !self.start_first {
            for old in &self.olds {
                expansion.wants.before_delete.insert(old.clone(), needs.clone());
                needs.push(Need::absent(old.clone()));
            }
        }
        let is_due = instance.is_some_and(|seen| is_due(expansion, &self.effective, container, seen));
        restart_policy::note(container, instance, is_due, &mut self.fields);
        let refusal = match instance {
            None => waits.refusal.or(self.place(expansion, slot)),
            Some(seen) => {
                let stays_ended = !is_due && has_ended(expansion, &self.effective, container, seen);
                // It ended with the other, and cannot start without it: it is made anew when the other is there.
                if stays_ended || !are_there(expansion, container, targets) {
                    self.fields.remove("running");
                }
                None
            }
        };
        if let Some(seen) = instance.filter(|_| self.fields.get("aliases").is_some()) {
            let address = handover::address(expansion, home, &self.effective, seen);
            self.fields.extend(address.map(|address| ("address".into(), address)));
        }
        self.ask_after(expansion, key, container);
        if self.start_first {
            self.keep_olds(expansion, home, &name);
            self.be_named(world);
        }
        let refusal = refusal.or_else(|| unknown_variable(expansion, slot));
        let missing = mounts::missing_volume(expansion, container);
        let want = expansion.want(self.effective, self.fields, needs, &container.origin);
        want.refuse(refusal.or(missing));
    }

    /// Why one that is yet to be made cannot be, though all that it waits for is there. Of one that is there it is noted.
    fn find_obstacle(&self, expansion: &mut Expansion<'_>, slot: ContainerSlot<'_>) -> Option<Refusal> {
        let alone = joined_network::missing(expansion, slot.container);
        if expansion.input.world.seen.contains_key(&self.effective) {
            if let Some(alone) = alone {
                expansion.note(Some(self.effective.clone()), alone.message);
            }
            return None;
        }
        let barred = bind_mounts::refusal(expansion, &self.base, &self.fields);
        barred.or(alone).or_else(|| subnets::address_refusal(expansion, slot, &self.fields))
    }

    /// Wants its image and its volumes, and answers all that has to be there before it. Where its data would be `empty`,
    /// the volumes are refused as well.
    fn gather_needs(
        &self,
        expansion: &mut Expansion<'_>,
        slot: ContainerSlot<'_>,
        targets: &BTreeMap<String, RouteTarget>,
        empty: Option<Refusal>,
    ) -> Vec<Need> {
        let ContainerSlot { container, home, .. } = slot;
        let mut needs = Vec::new();
        if has_network(expansion, container) {
            needs.push(Need::present(home.address.clone()));
        }
        needs.extend(expansion.beside(container).map(Need::present));
        if self.fields.get("edge").is_some() {
            needs.push(Need::present(npm_reach::edge_network(expansion.host)));
        }
        let mounted = mounts::image_and_volumes(expansion, container, &self.fields);
        for need in mounted.iter().filter(|need| need.on.kind == Kind::Volume && empty.is_some()) {
            // A volume that is there, though empty, would be taken for the data.
            let want = expansion.wants.map.get_mut(&need.on);
            want.into_iter().for_each(|want| want.refuse(empty.clone()));
        }
        needs.extend(mounted);
        needs.extend(container.joins().filter_map(|other| Some(Need::present(targets.get(other)?.address.clone()))));
        needs.extend(joined_network::need(expansion, container));
        needs
    }

    /// One that is there takes the name when the other is gone; one that comes does so after that.
    fn choose_name(&mut self, world: &World, name: &str) {
        let is_there = world.seen.contains_key(&self.effective);
        let has_name = |old: &Address| world.seen.get(old).is_some_and(|seen| seen.fields.text("name") == Some(name));
        let held_by_old = self.olds.iter().any(has_name);
        if self.start_first || !held_by_old || !is_there {
            let generation = self.effective.generation.as_deref().unwrap_or_default();
            let is_candidate = self.start_first && held_by_old;
            let called = if is_candidate { format!("{name}-{generation}") } else { name.to_owned() };
            self.fields.set("name", Value::text(called));
        }
    }

    /// What is not made takes nobody's place.
    fn spare_olds(&self, expansion: &mut Expansion<'_>) {
        let input = expansion.input;
        let is_ready = |old: &Address| input.world.seen.get(old).is_some_and(|seen| seen.ready.is_ready());
        let left = self.olds.iter().filter(|old| !input.facts.failed.contains_key(*old) || is_ready(old));
        left.for_each(|old| job::keep_one(expansion, old));
    }

    /// Says how it is told whether each instance is well, and how long that may take.
    fn ask_after(&self, expansion: &mut Expansion<'_>, key: &str, container: &Container) {
        let port = targets::routed(expansion.service).find(|(target, _)| *target == key).map(|(_, port)| port);
        let probe = |instance| port.map(|port| npm_reach::probe(expansion, instance, port));
        let own = probe(&self.effective);
        let of_old: Vec<(Address, Option<Probe>)> = self.olds.iter().map(|old| (old.clone(), probe(old))).collect();
        if expansion.service.is_task(key) {
            expansion.wants.tasks.insert(self.effective.clone());
        } else {
            expansion.wants.probes.insert(self.effective.clone(), own);
            let writes = container.writes_data() || !self.fields.strings(image_volumes::FIELD).is_empty();
            let limit = generation::health_timeout(&expansion.service.update, container, writes);
            expansion.wants.limits.insert(self.effective.clone(), limit);
        }
        // What comes may be long in coming, a job before it: meanwhile people are told how the old one is.
        expansion.wants.probes_of_old.extend(of_old);
    }

    /// What of the network an instance that is yet to be made gets: nothing, where it has none to itself.
    fn place(&mut self, expansion: &mut Expansion<'_>, slot: ContainerSlot<'_>) -> Option<Refusal> {
        let ContainerSlot { key, container, home } = slot;
        match &container.network_mode {
            ContainerNetwork::None | ContainerNetwork::Host | ContainerNetwork::Of(_) | ContainerNetwork::Other(_) => {
                None
            }
            ContainerNetwork::Own => {
                let full = self.give_address(expansion, home, key);
                // Of the generation that comes: one that is put back had its own.
                if let Some(address) = self.fields.text("ipv4_address").map(Value::text) {
                    self.fields.set("address", address);
                }
                full
            }
        }
    }

    /// Chooses free addresses and ports for an instance that is yet to be made; why there are none, if so.
    fn give_address(&mut self, expansion: &mut Expansion<'_>, home: &Home, key: &str) -> Option<Refusal> {
        let own = (expansion.service.name.as_str(), key);
        npm_reach::give_edge_address(expansion, &self.base, &mut self.fields, own);
        let full = npm_reach::give_ports(expansion, &self.base, &mut self.fields, own).err();
        let Some(subnet) = home.subnet else { return full };
        let (input, engine) = (expansion.input, &self.base.provider);
        let places = expansion.places.entry(engine.clone()).or_insert_with(|| occupied::Places::of(input, engine));
        let taken = expansion.taken.entry(home.address.clone()).or_insert_with(|| places.within(subnet));
        let (asked_for, host_targets) = (expansion.asked_for, expansion.host_targets);
        let is_taken = |address: &Ipv4Addr| {
            let is_others = taken.contains(address) && !places.is_only_for(address, &self.base);
            is_others || asked_for.contains(address) || host_targets.is_meant_for_others(address, own)
        };
        if let Some(address) = addressing::free_address(subnet, is_taken) {
            taken.insert(address);
            self.fields.set("address", Value::text(address.to_string()));
        }
        full
    }

    /// An old one stays until the new one has taken over, nothing leads to the old one any more, and it has drained.
    fn keep_olds(&self, expansion: &mut Expansion<'_>, home: &Home, name: &str) {
        if self.olds.is_empty() {
            return;
        }
        let (input, service) = (expansion.input, expansion.service);
        let world = input.world;
        let npm = expansion.host.npm.as_ref().map(|npm| &npm.provider);
        let is_dark = npm.is_some_and(|npm| world.is_dark(npm));
        let successor = world.seen.get(&self.effective);
        let is_switched = successor.is_none_or(|seen| handover::is_on_line(expansion, seen));
        for old in &self.olds {
            let Some(seen) = world.seen.get(old) else { continue };
            let pointed_at = is_pointed_at(expansion, seen);
            // A second old one beside a standing one is a left-over of an update that was overtaken.
            let serves = self.serving.standing.as_ref() == Some(old);
            let may_be_pointed_at = is_dark && !input.facts.failed.contains_key(old);
            let drains = self.serving.takes_over && handover::drains(expansion, old, seen);
            let may_serve = serves || handover::may_have_served(expansion, old, seen);
            let stays = pointed_at || may_be_pointed_at || may_serve && !(self.serving.takes_over && is_switched);
            let to_take = match (stays, drains) {
                (true, _) if serves && !self.serving.takes_over => Some(self.names_back(expansion, old, seen)),
                (true, _) => Some(Fields::default()),
                (false, true) => handover::still_to_take(home, old, seen, successor, &self.base, name),
                (false, false) => continue,
            };
            let Some(mut fields) = to_take else {
                let until = handover::until(expansion, old);
                expansion.wants.drains.insert(old.clone(), until);
                continue;
            };
            if fields.get("aliases").is_some() {
                fields.extend(handover::address(expansion, home, old, seen).map(|at| ("address".into(), at)));
            }
            let want = Want {
                fields,
                needs: Vec::new(),
                service: service.name.clone(),
                origin: service.origin.clone(),
                keep_only: true,
                refusal: None,
            };
            expansion.wants.map.insert(old.clone(), want);
        }
    }

    /// The names of one that serves again, where they were taken from it.
    fn names_back(&self, expansion: &Expansion<'_>, old: &Address, seen: &Seen) -> Fields {
        let good = expansion.input.facts.last_good.get(&old.base());
        let good = good.filter(|(generation, _)| old.generation.as_ref() == Some(generation));
        let names = good.map_or(&self.fields, |(_, fields)| fields).get("aliases");
        // One that is on another network, or on the machine's, has no names there that siblings ask for.
        let is_home = seen.fields.text("network") == self.fields.text("network");
        let names = names.filter(|_| is_home && !handover::has_names(&seen.fields));
        names.map(|names| ("aliases".into(), names.clone())).into_iter().collect()
    }

    /// Siblings reach the one that serves by name, and no candidate.
    fn be_named(&mut self, world: &World) {
        let standing = self.serving.standing.as_ref().and_then(|old| world.seen.get(old));
        let effective = world.seen.get(&self.effective);
        let is_ready = effective.is_some_and(|seen| seen.ready.is_ready());
        let Some(standing) = standing.filter(|_| !is_ready && self.fields.get("aliases").is_some()) else { return };
        match handover::of_candidate(&self.fields, effective, standing) {
            Some(names) => self.fields.set("aliases", names),
            None => drop(self.fields.remove("aliases")),
        }
    }
}

/// Which instance serves, as far as hosts can lead to it.
struct Serving {
    /// Where hosts point.
    address: Address,
    /// It is elsewhere than at home.
    is_abroad: bool,
    /// An old one that works, while there is no other.
    standing: Option<Address>,
    /// The one in force works and answers by its names.
    takes_over: bool,
}

impl Serving {
    /// An old one that works and that hosts can lead to serves until the one in force takes over.
    fn choose(
        expansion: &Expansion<'_>,
        slot: ContainerSlot<'_>,
        instances: &BTreeMap<Address, &Seen>,
        effective: &Generation,
        start_first: bool,
    ) -> Self {
        let is_ready = |address: &Address| instances.get(address).is_some_and(|seen| seen.ready.is_ready());
        let is_pointed_at =
            |address: &Address| instances.get(address).is_some_and(|seen| is_pointed_at(expansion, seen));
        let olds = instances.keys().filter(|address| **address != effective.address);
        let mut standing: Vec<&Address> = olds.filter(|old| start_first && is_ready(old)).collect();
        standing.sort_by_key(|old| !is_pointed_at(old));
        let standing = standing.first().map(|old| (*old).clone());
        let is_at_home = |old: &Address| {
            let fields = instances.get(old).map(|seen| &seen.fields);
            let is_home = fields.and_then(|fields| fields.text("network")) == Some(slot.home.address.name.as_str());
            is_home && fields.is_some_and(|fields| npm_reach::is_reachable(expansion, slot.key, fields))
        };
        let can_serve = |old: &&Address| is_at_home(old) || is_pointed_at(old);
        let seen = instances.get(&effective.address);
        let is_named = seen.is_some_and(|seen| handover::is_named(&seen.fields, &effective.fields));
        let takes_over = is_ready(&effective.address) && is_named;
        let serving = match standing.as_ref().filter(can_serve) {
            Some(old) if !takes_over => old.clone(),
            Some(_) | None => effective.address.clone(),
        };
        Self { is_abroad: !is_at_home(&serving), address: serving, standing, takes_over }
    }
}

/// Whether there is a network for it, of its service or elsewhere.
fn has_network(expansion: &Expansion<'_>, container: &Container) -> bool {
    expansion.service.has_network() || container.home.is_some()
}

/// A variable in its texts that has no value on its network, which is known once that is there.
fn unknown_variable(expansion: &Expansion<'_>, slot: ContainerSlot<'_>) -> Option<Refusal> {
    let ContainerSlot { container, home, .. } = slot;
    let has_network = has_network(expansion, container);
    let is_there = expansion.input.world.seen.contains_key(&home.address) || !has_network;
    let variable = container::unknown_variable(container, home).filter(|_| is_there)?;
    Some(container::no_value(variable, home, has_network, container))
}

/// Whether a network of a container is somebody else's, as when its manifest went, and not there.
fn nobody_makes(expansion: &Expansion<'_>, home: &Home, container: &Container) -> bool {
    let world = expansion.input.world;
    let own = has_network(expansion, container).then(|| home.address.clone());
    let is_missing = |address: &Address| !world.seen.contains_key(address) && world.gap(address).is_none();
    own.into_iter()
        .chain(expansion.beside(container))
        .any(|address| is_missing(&address) && !expansion.subnets.contains_key(&address))
}

/// Whether the containers whose namespaces it shares are there.
fn are_there(expansion: &Expansion<'_>, container: &Container, targets: &BTreeMap<String, RouteTarget>) -> bool {
    let seen = &expansion.input.world.seen;
    let is_there = |other: &String| targets.get(other).is_some_and(|target| seen.contains_key(&target.address));
    container.joins().all(is_there)
        && joined_network::need(expansion, container).is_none_or(|need| seen.contains_key(&need.on))
}

/// One whose policy lets it end has ended: it is not started again, and whether that is well is told by its health.
fn has_ended(expansion: &Expansion<'_>, address: &Address, container: &Container, seen: &Seen) -> bool {
    let policy = restart_policy::policy(container, &seen.fields);
    let applied = expansion.input.facts.applied.get(address).map(|row| &row.fields);
    may_end(policy) && completion::has_ended(&seen.fields) && !stopped::is_ours(applied, &seen.fields, policy)
}

/// Whether one that has ended starts again though nothing says when: its engine took it down.
fn is_due(expansion: &Expansion<'_>, address: &Address, container: &Container, seen: &Seen) -> bool {
    let came_up = expansion.input.world.started.get(&address.provider).copied();
    restart_policy::is_due(container, address, expansion.input.facts, came_up, &seen.fields)
}

/// Whether a host of ours points at a container. NPM is not on every network that a container may have been on.
pub fn is_pointed_at(expansion: &Expansion<'_>, seen: &Seen) -> bool {
    let Some(npm) = expansion.host.npm.as_ref() else { return false };
    let mut all = targets::hosts(expansion.input.world, &npm.provider).filter(|(_, to)| to.owner.is_ours());
    all.any(|(_, to)| targets::lead_to(expansion.input, to, &expansion.host.docker, seen))
}

/// Sets what the image declares, as far as that is known.
pub(super) fn declare(
    expansion: &Expansion<'_>,
    key: &str,
    container: &Container,
    instances: &BTreeMap<Address, &Seen>,
    fields: &mut Fields,
) {
    let base = Address::new(expansion.host.docker.clone(), Kind::Container, &expansion.service.address_name(key));
    let last_good = expansion.input.facts.last_good.get(&base).map(|(_, fields)| fields);
    let image = fields.text("image").unwrap_or_default().to_owned();
    let mounts = image_volumes::mounts(expansion, key, container, &image, instances, last_good);
    fields.set(image_volumes::FIELD, mounts);
}
