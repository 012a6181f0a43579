//! Jobs: what runs once before an update, and stops it when it fails.
//!
//! A job is wanted while a container of its service is about to be replaced: an old one is there, and what is wanted is
//! not. Its generation covers what the containers are to become, so that another update is another job.
//!
//! | the job | an update is due | none is due |
//! |---|---|---|
//! | not there | made, after the images, in order of its name and of `depends_on` | nothing |
//! | runs | waited for; older than the old container it was for: another one is made | let run |
//! | ended with code 0 | the update goes on; it is kept | kept until the next update |
//! | failed, or took too long | the ledger is told, it is kept as `…-failed`, the update is refused | goes |
//! | of another update | goes, once it has ended | kept |
//!
//! Until all jobs are done, nothing of the service is made that an update makes, and nothing goes. What only follows another
//! container, or was removed by hand, is no update: a job never holds back what heals.

use std::collections::{BTreeMap, BTreeSet};

use super::start_conditions::ContainerWaits;
use super::{Rollout, completion, generation, start_conditions};
use crate::model::service::{ContainerNetwork, Job};
use crate::model::world::Failure;
use crate::model::{
    Address, Change, Code, Fields, Hint, Kind, Need, Readiness, Refusal, Seen, Service, Value, Verb, Want, failures,
};
use crate::plan::desired::container::ContainerSlot;
use crate::plan::desired::{bind_mounts, container, joined_network, mounts, npm_reach};
use crate::plan::expansion::{Expansion, Home, RouteTarget};
use crate::plan::input::Input;
use crate::plan::{compare, rollout, targets};
use crate::text;

/// What the containers of a service are to become, by key: in a job's fields, and on its label.
pub const FIELD: &str = "before";
/// What a failed job is called from then on. One that is called so, and that the ledger does not know as failed, is to
/// be tried again.
const FAILED: &str = "-failed";
/// What a container has of others: a new one of those is no update of this one.
const OF_OTHERS: [&str; 5] = ["network_of", "pid_of", "ipc_of", "joined", "follows"];

/// What is to become of one container.
#[derive(Debug, Clone, Default)]
pub struct NextGeneration {
    /// What is there is replaced by something else.
    is_replaced: bool,
    /// Digest of what it is made with, marks of secrets included.
    inputs: String,
}

/// What is to become of a container, for the jobs before that, if there are any.
pub fn coming(
    expansion: &Expansion<'_>,
    base: &Address,
    wanted: &Fields,
    there: &BTreeMap<Address, &Seen>,
) -> NextGeneration {
    if expansion.service.jobs.is_empty() {
        return NextGeneration::default();
    }
    let mut own = wanted.clone();
    OF_OTHERS.iter().for_each(|name| drop(own.remove(name)));
    let picked = generation::pick(expansion, base, &own, there);
    own.remove(crate::plan::desired::image_volumes::FIELD);
    let inputs = compare::resolve(&own, expansion.input.world).marked_digest();
    NextGeneration { is_replaced: !there.is_empty() && !there.contains_key(&picked), inputs }
}

/// What an update waits for.
#[derive(Debug, Default)]
pub struct UpdateGate {
    waits: ContainerWaits,
    /// An update is due, and not all jobs are done.
    is_shut: bool,
    /// Containers that jobs depend on.
    used: BTreeSet<String>,
}

impl UpdateGate {
    /// What the container of a key waits for before it is made.
    pub fn before(&self, expansion: &Expansion<'_>, key: &str, rollout: &Rollout) -> ContainerWaits {
        let is_heal = rollout.olds.is_empty() && {
            let good = expansion.input.facts.last_good.get(&rollout.base).map(|(generation, _)| generation);
            good.is_some() && good == rollout.wanted.generation.as_ref() || self.used.contains(key)
        };
        if !self.is_shut || is_heal || !is_due(expansion, rollout) && !rollout.olds.is_empty() {
            return ContainerWaits::default();
        }
        self.waits.clone()
    }
}

/// Whether a change is of a job.
pub fn is_job(input: &Input<'_>, change: &Change) -> bool {
    let seen = || input.world.seen.get(&change.address).map(|seen| &seen.fields);
    let fields = match &change.verb {
        Verb::Create(fields) => Some(fields),
        Verb::Update(_) | Verb::Delete => seen(),
    };
    fields.is_some_and(|fields| fields.get(FIELD).is_some())
}

/// Whether a container is about to be replaced by what its manifest says; not after that has failed.
fn is_due(expansion: &Expansion<'_>, rollout: &Rollout) -> bool {
    let is_there = expansion.input.world.seen.contains_key(&rollout.effective);
    rollout.coming.is_replaced && rollout.effective == rollout.wanted && !is_there
}

/// Wants the jobs before an update that is due; answers what the update waits for.
pub fn before_update(
    expansion: &mut Expansion<'_>,
    home: &Home,
    rollouts: &BTreeMap<String, Rollout>,
    targets: &BTreeMap<String, RouteTarget>,
    first: &ContainerWaits,
    held: Option<Refusal>,
) -> UpdateGate {
    let service = expansion.service;
    let due: Vec<&Rollout> = rollouts.values().filter(|rollout| is_due(expansion, rollout)).collect();
    if service.jobs.is_empty() || due.is_empty() {
        keep(expansion);
        return UpdateGate::default();
    }
    if held.is_some() {
        // A job for an update that does not come would leave the old one with what it changed.
        keep(expansion);
        return UpdateGate {
            waits: ContainerWaits { needs: Vec::new(), refusal: held },
            is_shut: true,
            used: BTreeSet::new(),
        };
    }
    let docker = &expansion.host.docker;
    let image =
        |rollout: &&Rollout| rollout.fields.text("image").map(|image| Address::new(docker.clone(), Kind::Image, image));
    let images = due.iter().filter_map(image).map(Need::ready);
    let mut waits = ContainerWaits { needs: images.collect(), refusal: None }.and(first.clone());
    let update = UpdateRun {
        before: rollouts.iter().map(|(key, rollout)| (key.clone(), Value::text(digest_of(&rollout.wanted)))).collect(),
        inputs: rollouts.values().map(|rollout| rollout.coming.inputs.as_str()).collect(),
        since: due
            .iter()
            .flat_map(|rollout| &rollout.olds)
            .filter_map(|old| completion::time(&expansion.input.world.seen.get(old)?.fields, "created_at_ms"))
            .max(),
    };
    let serving = serving(expansion, rollouts, targets);
    let mut gate = UpdateGate::default();
    for (key, job) in in_order(service) {
        gate.used.extend(job.container.depends_on.keys().cloned());
        let slot = ContainerSlot { key, container: &job.container, home };
        let run = JobRun::of(expansion, slot, job, &update, rollouts);
        if gate.waits.refusal.is_some() {
            // What comes after one that failed is not run, though all that it needs is there.
            mounts::image_and_volumes(expansion, &job.container, &run.fields);
            continue;
        }
        let address = run.address.clone();
        let state = run.want(expansion, &serving, &waits);
        waits.needs.push(Need::ready(address.clone()));
        gate.waits.needs.push(Need::ready(address));
        match state {
            JobState::Done => (),
            JobState::Due => gate.is_shut = true,
            JobState::Failed(why) => {
                gate.is_shut = true;
                gate.waits.refusal = Some(failed(service, key, &why));
            }
        }
    }
    gate
}

/// The containers as they serve before the update; those that jobs depend on are asked whether they are well.
fn serving(
    expansion: &mut Expansion<'_>,
    rollouts: &BTreeMap<String, Rollout>,
    targets: &BTreeMap<String, RouteTarget>,
) -> BTreeMap<String, RouteTarget> {
    let (world, service) = (expansion.input.world, expansion.service);
    let used: BTreeSet<&String> = service.jobs.values().flat_map(|job| job.container.depends_on.keys()).collect();
    let mut serving = BTreeMap::new();
    for (key, target) in targets {
        let mut target = target.as_it_serves();
        let olds = rollouts.get(key).map(|rollout| rollout.olds.as_slice()).unwrap_or_default();
        let is_ready = |old: &&Address| world.seen.get(*old).is_some_and(|seen| seen.ready.is_ready());
        // One that must stop first is not there yet.
        if !world.seen.contains_key(&target.address)
            && let Some(old) = olds.iter().find(is_ready).or(olds.first())
        {
            target.address = old.clone();
        }
        if used.contains(key) && !service.is_task(key) {
            let port = targets::routed(service).find(|(routed, _)| *routed == key).map(|(_, port)| port);
            let probe = port.map(|port| npm_reach::probe(expansion, &target.address, port));
            expansion.wants.probes.insert(target.address.clone(), probe);
        }
        serving.insert(key.clone(), target.as_it_serves());
    }
    serving
}

/// While an update waits for its jobs, or was refused for one, nothing of the service goes.
pub fn keep_until_jobs_end(expansion: &mut Expansion<'_>, gate: &UpdateGate) {
    if !gate.is_shut {
        return;
    }
    let (input, service) = (expansion.input, expansion.service);
    let jobs: BTreeSet<String> = service.jobs.keys().map(|job| service.address_name(job)).collect();
    let all = input.world.of_kind(&expansion.host.docker, Kind::Container);
    let own = all.filter(|(address, seen)| {
        seen.owner.is_ours() && seen.service.as_ref() == Some(&service.name) && !jobs.contains(&address.name)
    });
    for (address, _) in own.filter(|(address, _)| !input.facts.failed.contains_key(*address)) {
        keep_one(expansion, address);
    }
}

/// Jobs of a service to which nothing happens: what is done is kept, what runs is let run, what failed goes.
pub fn keep(expansion: &mut Expansion<'_>) {
    let (input, service) = (expansion.input, expansion.service);
    for (key, job) in &service.jobs {
        let base = Address::new(expansion.host.docker.clone(), Kind::Container, &service.address_name(key));
        for (address, seen) in input.world.instances(&base) {
            match verdict(expansion, job, seen) {
                Some(_) if !service.stopped => (),
                Some(_) | None => keep_one(expansion, &address),
            }
            if matches!(seen.ready, Readiness::NotYet { .. }) {
                expansion.wants.tasks.insert(address);
            }
        }
    }
}

/// What is there stays as it is.
pub fn keep_one(expansion: &mut Expansion<'_>, address: &Address) {
    let service = expansion.service;
    let want = Want {
        fields: Fields::default(),
        needs: Vec::new(),
        service: service.name.clone(),
        origin: service.origin.clone(),
        keep_only: true,
        refusal: None,
    };
    expansion.wants.map.entry(address.clone()).or_insert(want);
}

/// In order of name, but after those that they depend on.
fn in_order(service: &Service) -> Vec<(&String, &Job)> {
    let mut order: Vec<(&String, &Job)> = Vec::new();
    // Each round takes at least one, for manifests have no circles.
    for _ in 0..service.jobs.len() {
        let is_next = |(key, job): &(&String, &Job)| {
            let is_done = |other: &String| order.iter().any(|(done, _)| *done == other);
            let mut first = job.container.depends_on.keys().filter(|other| service.jobs.contains_key(*other));
            !is_done(key) && first.all(is_done)
        };
        let next = service.jobs.iter().find(is_next);
        order.extend(next);
    }
    order
}

/// The generation without the number of its attempt.
fn digest_of(address: &Address) -> String {
    let generation = address.generation.as_deref().unwrap_or_default();
    generation.split('-').next().unwrap_or(generation).to_owned()
}

/// What a job is run for.
struct UpdateRun {
    /// By key of the container, the generation that it is to become.
    before: BTreeMap<String, Value>,
    inputs: String,
    /// When the youngest that is replaced was made: a job that ended before that was for another update.
    since: Option<crate::model::Timestamp>,
}

/// How far a job is.
enum JobState {
    Due,
    Done,
    Failed(String),
}

/// One job of an update.
struct JobRun<'a> {
    slot: ContainerSlot<'a>,
    job: &'a Job,
    address: Address,
    fields: Fields,
    inputs: String,
    there: BTreeMap<Address, &'a Seen>,
}

impl<'a> JobRun<'a> {
    fn of(
        expansion: &Expansion<'a>,
        slot: ContainerSlot<'a>,
        job: &'a Job,
        update: &UpdateRun,
        rollouts: &BTreeMap<String, Rollout>,
    ) -> Self {
        let (service, key) = (expansion.service, slot.key);
        let base = Address::new(expansion.host.docker.clone(), Kind::Container, &service.address_name(key));
        let there = expansion.input.world.instances(&base);
        let mut fields = container::fields(expansion, slot, rollout::in_force(rollouts));
        rollout::declare(expansion, key, &job.container, &there, &mut fields);
        place(service, job, &mut fields);
        fields.set("name", Value::text(service.address_name(key)));
        fields.set(FIELD, Value::Map(update.before.clone()));
        let own = compare::resolve(&fields, expansion.input.world).marked_digest();
        let inputs =
            Fields::default().with("own", Value::text(own)).with("update", Value::text(&update.inputs)).digest();
        let address = pick(expansion, &base, &fields, &inputs, update, &there);
        Self { slot, job, address, fields, inputs, there }
    }

    fn want(
        mut self,
        expansion: &mut Expansion<'_>,
        targets: &BTreeMap<String, RouteTarget>,
        first: &ContainerWaits,
    ) -> JobState {
        let (key, job) = (self.slot.key, self.job);
        let facts = &expansion.input.facts;
        let known = facts.failed.get(&self.address).filter(|failure| failure.inputs == self.inputs).cloned();
        let others = self.others(expansion);
        let seen = self.there.get(&self.address).copied();
        let found = seen.and_then(|seen| verdict(expansion, job, seen));
        if let (None, Some(why)) = (&known, &found) {
            let (address, inputs) = (self.address.clone(), self.inputs.clone());
            expansion.wants.failed.push(Failure { address, inputs, why: why.clone() });
        }
        expansion.wants.tasks.insert(self.address.clone());
        expansion.wants.limits.insert(self.address.clone(), job.timeout);
        let origin = &job.container.origin;
        match (seen, known.map(|failure| failure.why).or(found)) {
            (Some(seen), Some(why)) => {
                let name = format!("{}{FAILED}", expansion.service.address_name(key));
                let mut fields = Fields::default().with("name", Value::text(name));
                if seen.fields.flag("running") == Some(true) {
                    fields.set("running", Value::Bool(false));
                }
                expansion.want(self.address, fields, Vec::new(), origin);
                JobState::Failed(why)
            }
            (None, Some(why)) => JobState::Failed(why),
            (Some(seen), None) if seen.ready.is_ready() => {
                keep_one(expansion, &self.address);
                JobState::Done
            }
            (Some(seen), None) => {
                let is_made_only = seen.fields.flag("running") == Some(false) && !completion::has_ended(&seen.fields);
                if is_made_only {
                    let fields = Fields::default().with("running", Value::Bool(true));
                    expansion.want(self.address, fields, Vec::new(), origin);
                } else {
                    keep_one(expansion, &self.address);
                }
                JobState::Due
            }
            (None, None) => {
                self.fields.retain(|name, _| name != "address");
                self.make(expansion, targets, first, others);
                JobState::Due
            }
        }
    }

    /// Other generations of it go: they have its name. One that runs is let run.
    fn others(&self, expansion: &mut Expansion<'_>) -> Vec<Need> {
        let mut needs = Vec::new();
        for (address, seen) in self.there.iter().filter(|(address, _)| **address != self.address) {
            let runs = matches!(seen.ready, Readiness::NotYet { .. }) && seen.fields.flag("running") == Some(true);
            if runs && verdict(expansion, self.job, seen).is_none() {
                keep_one(expansion, address);
                expansion.wants.tasks.insert(address.clone());
            }
            needs.push(Need::absent(address.clone()));
        }
        needs
    }

    fn make(
        self,
        expansion: &mut Expansion<'_>,
        targets: &BTreeMap<String, RouteTarget>,
        first: &ContainerWaits,
        others: Vec<Need>,
    ) {
        let ContainerSlot { container, home, .. } = self.slot;
        let mut needs = others;
        let has_network = expansion.service.has_network();
        if has_network {
            needs.push(Need::present(home.address.clone()));
        }
        needs.extend(mounts::image_and_volumes(expansion, container, &self.fields));
        let siblings = start_conditions::of_siblings(expansion, container, targets);
        let unwell = siblings.needs.iter().find_map(|need| unwell(expansion, &container.origin.file, need));
        needs.extend(joined_network::need(expansion, container));
        let waits = ContainerWaits { needs, refusal: None }.and(siblings).and(first.clone());
        let unknown = container::unknown_variable(container, home);
        let is_there = expansion.input.world.seen.contains_key(&home.address) || !has_network;
        let unknown = unknown.filter(|_| is_there);
        let unknown = unknown.map(|variable| container::no_value(variable, home, has_network, container));
        let barred = bind_mounts::refusal(expansion, &self.address.base(), &self.fields);
        let refusal = waits.refusal.or(unwell).or(barred).or(unknown);
        let refusal = refusal.or_else(|| mounts::missing_volume(expansion, container));
        let refusal = refusal.or_else(|| joined_network::missing(expansion, container));
        let want = expansion.want(self.address, self.fields, waits.needs, &container.origin);
        want.refuse(refusal);
    }
}

/// A job is on the service's network, under no name that a container has; where no container is on it, where those are.
fn place(service: &Service, job: &Job, fields: &mut Fields) {
    if job.container.network_mode != ContainerNetwork::Own {
        return;
    }
    if service.has_network() {
        let hostname = fields.text("hostname").map(str::to_owned);
        fields.set("aliases", Value::texts(hostname));
        return;
    }
    let is_on_host = service.containers.keys().any(|key| service.is_on_host(key));
    fields.set("network", Value::text(if is_on_host { "host" } else { "none" }));
    fields.remove("aliases");
}

/// The generation that stands for this update: one that is there, was made for it and matches, else the first number that
/// is free.
fn pick(
    expansion: &Expansion<'_>,
    base: &Address,
    fields: &Fields,
    inputs: &str,
    update: &UpdateRun,
    there: &BTreeMap<Address, &Seen>,
) -> Address {
    let Some(schema) = expansion.input.schema(base) else { return base.clone() };
    let facts = &expansion.input.facts;
    let is_it = |address: &Address, seen: &Seen| {
        let ended = completion::time(&seen.fields, "finished_at_ms").filter(|_| completion::has_ended(&seen.fields));
        let is_of_before = ended.zip(update.since).is_some_and(|(ended, since)| ended <= since);
        let is_known = facts.failed.get(address).is_some_and(|failure| failure.inputs == inputs);
        let is_asked_again = !is_known && seen.fields.text("name").is_some_and(|name| name.ends_with(FAILED));
        generation::matches(schema, fields, expansion.input.world, &seen.fields) && !is_of_before && !is_asked_again
    };
    generation::choose(base, &generation::digest(schema, fields), there, is_it)
}

/// Why a job counts as failed, if it does.
fn verdict(expansion: &Expansion<'_>, job: &Job, seen: &Seen) -> Option<String> {
    match &seen.ready {
        Readiness::Ready => None,
        Readiness::Failed { why } => Some(why.to_string()),
        Readiness::NotYet { since, .. } => {
            let runs = seen.fields.flag("running") == Some(true);
            (runs && expansion.input.now.is_after(*since + job.timeout))
                .then(|| format!("still ran after {}", job.timeout))
        }
    }
}

/// A sibling that a job waits for, and that does not get well by itself.
fn unwell(expansion: &Expansion<'_>, file: &str, need: &Need) -> Option<Refusal> {
    let why = match &expansion.input.world.seen.get(&need.on)?.ready {
        Readiness::Failed { why } if expansion.input.world.holds(need) == Some(false) => why,
        Readiness::Ready | Readiness::NotYet { .. } | Readiness::Failed { .. } => return None,
    };
    let name = &need.on.name;
    Some(Refusal {
        code: Code::A0538,
        message: text!("waits for {name}, which is not well: {why}", name, why = why.clone()),
        found: Vec::new(),
        hints: vec![
            Hint::command(text!("what it says"), format!("docker logs --tail 50 {name}")),
            Hint::text(text!("if the update is what mends it, take it out of `depends_on` of the job in {file}", file)),
        ],
    })
}

fn failed(service: &Service, key: &str, why: &str) -> Refusal {
    let name = service.address_name(key);
    Refusal {
        code: Code::A0536,
        message: text!("not updated, for job {job} failed: {why}", job = key, why = failures::in_parts(why)),
        found: vec![(text!("in force"), text!("what ran before"))],
        hints: vec![
            Hint::command(text!("what it said"), format!("docker logs --tail 50 {name}{FAILED}")),
            Hint::command(
                text!("it is not tried again before the manifest, an image or a secret changes, or you ask for it"),
                format!("amarre retry {}", service.name),
            ),
        ],
    }
}
