//! Generations of containers: which one is wanted, which old one stays meanwhile, where routes point.
//!
//! | old seen | new seen | shares nothing | wants |
//! |---|---|---|---|
//! | no  | no    | –   | the new one |
//! | yes | no    | yes | both; the new one under `<name>-<generation>` |
//! | yes | ready | yes | the new one; the old one until no host points at it |
//! | yes | –     | no  | the new one, after the old one is gone, which goes when all else is there |
//! | any | failed| yes | the last good one; the new one goes |
//! | no  | exited| no, and no data | the last good one is put back |
//! | no  | failed| no, with data   | the new one is left as it is: it may be migrating |

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::expand::{Expansion, Home};
use super::{declared, diff, mounted, pointers, pool, reach, stopped};
use crate::model::service::{Condition, Container, ContainerNetwork, EnvValue, Healthcheck};
use crate::model::world::{Failure, Good};
use crate::model::{
    Address, Fields, Hint, Kind, Millis, Need, Readiness, Refusal, Rule, Seen, Service, Value, Want, World,
};

/// A generation may be tried again under another number when its own cannot be used; more than a few is a loop.
const ATTEMPTS_MAX: usize = 16;
/// Variables whose value is known only when the network is.
const LATE_VARIABLES: [&str; 3] = ["network.subnet", "network.gateway", "npm.address"];
/// Without writable data, a container that is not healthy by then will not be.
const HEALTH_TIMEOUT: Millis = Millis::minutes(2);
/// With writable data it may be migrating.
const HEALTH_TIMEOUT_DATA: Millis = Millis::minutes(10);

/// Where routes to a container point, and what records wait for.
#[derive(Debug, Clone)]
pub struct Target {
    /// The instance that serves, or will.
    pub address: Address,
    /// It is on the host's own network: what it listens on, the host listens on.
    pub on_host: bool,
}

impl Target {
    /// An instance with these fields.
    pub fn of(address: &Address, fields: &Fields) -> Self {
        Self { address: address.clone(), on_host: reach::is_on_host(fields) }
    }
}

/// Wants every container of a manifest; answers where routes to each point, by key.
pub fn containers(expansion: &mut Expansion<'_>, home: &Home) -> BTreeMap<String, Target> {
    let service = expansion.service;
    let mut rollouts = BTreeMap::new();
    for key in joined_first(service) {
        let Some(container) = service.containers.get(key) else { continue };
        let rollout = Rollout::of(expansion, home, key, container, &rollouts);
        rollouts.insert(key.clone(), rollout);
    }
    let targets: BTreeMap<String, Target> =
        rollouts.iter().map(|(key, rollout)| (key.clone(), rollout.target(expansion.input.world))).collect();
    for (key, rollout) in rollouts {
        let Some(container) = service.containers.get(&key) else { continue };
        rollout.want(expansion, home, &key, container, &targets);
    }
    targets
}

/// Keys in an order in which a container comes after those whose namespaces it shares.
fn joined_first(service: &Service) -> Vec<&String> {
    let mut order: Vec<&String> = Vec::new();
    // Each round takes at least one, for manifests have no circles.
    for _ in 0..service.containers.len() {
        for (key, container) in &service.containers {
            if !order.contains(&key) && container.joins().all(|other| order.contains(&other)) {
                order.push(key);
            }
        }
    }
    order
}

/// One container's way from what is there to what is wanted.
struct Rollout {
    base: Address,
    /// The generation in force: the wanted one, or the last good one after a failure.
    effective: Address,
    fields: Fields,
    /// Where hosts point.
    serving: Address,
    /// An old one that works, while there is no other.
    standing: Option<Address>,
    olds: Vec<Address>,
    start_first: bool,
}

impl Rollout {
    fn of(
        expansion: &mut Expansion<'_>,
        home: &Home,
        key: &str,
        container: &Container,
        others: &BTreeMap<String, Rollout>,
    ) -> Self {
        let (input, service) = (expansion.input, expansion.service);
        let docker = expansion.host.docker.clone();
        let base = Address::new(docker, Kind::Container, &service.address_name(key));
        let name = service.container_name(key);
        let instances: BTreeMap<Address, &Seen> = input
            .world
            .of_kind(&base.provider, Kind::Container)
            .filter(|(address, seen)| address.name == base.name && address.generation.is_some() && seen.owner.is_ours())
            .map(|(address, seen)| (address.clone(), seen))
            .collect();
        let mut wanted = fields(expansion, home, key, container, others);
        declare(expansion, key, container, &instances, &mut wanted);
        reach::declare(expansion, key, &mut wanted);
        let joined = service.containers.iter().find(|(_, other)| other.joins().any(|joined| joined == key));
        let joined = joined.map(|(other, _)| format!("{other} shares a namespace of {name}"));
        let exclusive = container.exclusive(&name, &service.name).or(joined);
        let exclusive = exclusive.or_else(|| writes_for_image(&name, &wanted, &instances));
        let start_first = exclusive.is_none();

        let picked = pick(expansion, &base, &wanted, &instances);
        let (effective, mut fields) =
            after_failure(expansion, container, &base, picked, wanted, &instances, start_first);
        declare(expansion, key, container, &instances, &mut fields);
        let olds: Vec<Address> = instances.keys().filter(|address| **address != effective).cloned().collect();
        let is_ready = |address: &Address| instances.get(address).is_some_and(|seen| seen.ready.is_ready());
        let is_pointed_at =
            |address: &Address| instances.get(address).is_some_and(|seen| is_pointed_at(expansion, seen));
        let mut standing: Vec<&Address> = olds.iter().filter(|old| start_first && is_ready(old)).collect();
        standing.sort_by_key(|old| !is_pointed_at(old));
        let standing = standing.first().map(|old| (*old).clone());
        let can_serve = |old: &&Address| {
            let fields = instances.get(*old).map(|seen| &seen.fields);
            let is_home = fields.and_then(|fields| fields.text("network")) == Some(home.address.name.as_str());
            let is_reachable = fields.is_some_and(|fields| reach::is_reachable(expansion, key, fields));
            is_home && is_reachable || is_pointed_at(old)
        };
        let serving = match standing.as_ref().filter(can_serve) {
            Some(old) if !is_ready(&effective) => old.clone(),
            Some(_) | None => effective.clone(),
        };
        if let (Some(why), false) = (exclusive, olds.is_empty()) {
            expansion.wants.stop_first.insert(service.name.clone(), why);
        }
        if is_ready(&effective) {
            good(expansion, &base, &effective, &fields);
        }
        Self { base, effective, fields, serving, standing, olds, start_first }
    }

    /// The instance that serves, which may be on another network than the one that comes.
    fn target(&self, world: &World) -> Target {
        let old = world.seen.get(&self.serving).filter(|_| self.serving != self.effective);
        Target::of(&self.serving, old.map_or(&self.fields, |old| &old.fields))
    }

    fn want(
        mut self,
        expansion: &mut Expansion<'_>,
        home: &Home,
        key: &str,
        container: &Container,
        targets: &BTreeMap<String, Target>,
    ) {
        let input = expansion.input;
        let mut needs = Vec::new();
        if expansion.service.has_network() {
            needs.push(Need::present(home.address.clone()));
        }
        if self.fields.get("edge").is_some() {
            needs.push(Need::present(reach::edge_network(expansion.host)));
        }
        needs.extend(mounted::image_and_volumes(expansion, container, &self.fields));
        for (sibling, condition) in &container.depends_on {
            let Some(target) = targets.get(sibling) else { continue };
            needs.push(match condition {
                Condition::Started => Need::present(target.address.clone()),
                Condition::Healthy => Need::ready(target.address.clone()),
            });
        }
        needs.extend(container.joins().filter_map(|other| Some(Need::present(targets.get(other)?.address.clone()))));
        let name = expansion.service.container_name(key);
        let held_by_old = self
            .olds
            .iter()
            .any(|old| input.world.seen.get(old).is_some_and(|seen| seen.fields.text("name") == Some(name.as_str())));
        let generation = self.effective.generation.clone().unwrap_or_default();
        let is_candidate = self.start_first && held_by_old;
        self.fields.set("name", Value::text(if is_candidate { format!("{name}-{generation}") } else { name }));

        if !self.start_first {
            for old in &self.olds {
                expansion.wants.before_delete.insert(old.clone(), needs.clone());
                needs.push(Need::absent(old.clone()));
            }
        }
        let mut refusal = None;
        match input.world.seen.get(&self.effective) {
            None => refusal = self.place(expansion, home, key, container),
            Some(seen) if has_ended(expansion, &self.effective, container, seen) => {
                self.fields.0.remove("running");
            }
            // It ended with the other, and cannot start without it: it is made anew when the other is there.
            Some(_) if !are_there(input.world, container, targets) => {
                self.fields.0.remove("running");
            }
            Some(_) => (),
        }
        let port = pointers::routed(expansion.service).find(|(target, _)| *target == key).map(|(_, port)| port);
        let probe = port.map(|port| reach::probe(expansion, &self.effective, port));
        expansion.wants.probes.insert(self.effective.clone(), probe);
        if self.start_first {
            self.keep_olds(expansion);
        }
        let has_network = expansion.service.has_network();
        let is_there = input.world.seen.contains_key(&home.address) || !has_network;
        let unknown = unknown_variable(container, home).filter(|_| is_there);
        let refusal = refusal.or_else(|| unknown.map(|variable| no_value(variable, home, has_network, container)));
        let missing = mounted::missing_volume(expansion, container);
        let want = expansion.want(self.effective, self.fields, needs, &container.origin);
        want.refusal = want.refusal.take().or(refusal).or(missing);
    }

    /// What of the network an instance that is yet to be made gets: nothing, where it has none to itself.
    fn place(
        &mut self,
        expansion: &mut Expansion<'_>,
        home: &Home,
        key: &str,
        container: &Container,
    ) -> Option<Refusal> {
        match &container.network_mode {
            ContainerNetwork::None | ContainerNetwork::Host | ContainerNetwork::Of(_) => None,
            ContainerNetwork::Own => {
                let full = self.give_address(expansion, home, key);
                if let Some(address) = container.ipv4_address {
                    self.fields.set("address", Value::text(address.to_string()));
                }
                full
            }
        }
    }

    /// Chooses free addresses and ports for an instance that is yet to be made; why there are none, if so.
    fn give_address(&mut self, expansion: &mut Expansion<'_>, home: &Home, key: &str) -> Option<Refusal> {
        let others = pointers::meant_for_others(expansion, key);
        let meant_for_others: BTreeSet<Ipv4Addr> = others.iter().filter_map(|(host, _)| host.parse().ok()).collect();
        reach::give_edge_address(expansion, &mut self.fields, &meant_for_others);
        let full = reach::give_ports(expansion, &self.base, &mut self.fields, &others).err();
        let Some(subnet) = home.subnet else { return full };
        let taken = expansion.taken.entry(home.address.clone()).or_insert_with(|| {
            let containers = expansion.input.world.of_kind(&self.base.provider, Kind::Container);
            containers.filter_map(|(_, seen)| seen.fields.text("address")?.parse::<Ipv4Addr>().ok()).collect()
        });
        let asked_for = expansion.input.services.values().flat_map(|service| service.containers.values());
        let asked_for = asked_for.filter_map(|container| container.ipv4_address);
        let kept: BTreeSet<Ipv4Addr> = taken.union(&meant_for_others).copied().chain(asked_for).collect();
        if let Some(address) = pool::free_address(subnet, &kept) {
            taken.insert(address);
            self.fields.set("address", Value::text(address.to_string()));
        }
        full
    }

    /// An old one stays until the new one is ready and nothing points at the old one any more.
    fn keep_olds(&self, expansion: &mut Expansion<'_>) {
        let (input, service) = (expansion.input, expansion.service);
        let world = input.world;
        let is_ready = world.seen.get(&self.effective).is_some_and(|seen| seen.ready.is_ready());
        let npm = expansion.host.npm.as_ref().map(|npm| &npm.provider);
        let is_dark = npm.is_some_and(|npm| world.is_dark(npm));
        for old in &self.olds {
            let Some(seen) = world.seen.get(old) else { continue };
            let pointed_at = is_pointed_at(expansion, seen);
            // A second old one beside a standing one is a left-over of an update that was overtaken.
            let serves = self.standing.as_ref() == Some(old);
            let may_be_pointed_at = is_dark && !input.facts.failed.contains_key(old);
            if (!is_ready && serves) || pointed_at || may_be_pointed_at {
                let want = Want {
                    fields: Fields::default(),
                    needs: Vec::new(),
                    service: service.name.clone(),
                    origin: service.origin.clone(),
                    keep_only: true,
                    refusal: None,
                };
                expansion.wants.map.insert(old.clone(), want);
            }
        }
    }
}

/// Whether the containers whose namespaces it shares are there.
fn are_there(world: &World, container: &Container, targets: &BTreeMap<String, Target>) -> bool {
    container.joins().all(|other| targets.get(other).is_some_and(|target| world.seen.contains_key(&target.address)))
}

/// One whose policy lets it end has ended: it is not started again, and whether that is well is told by its health.
fn has_ended(expansion: &Expansion<'_>, address: &Address, container: &Container, seen: &Seen) -> bool {
    let may_end = container.restart == "no" || container.restart.starts_with("on-failure");
    let applied = expansion.input.facts.applied.get(address).map(|row| &row.fields);
    let ran = seen.fields.get("finished_at_ms").is_some();
    let stands = seen.fields.flag("running") == Some(false);
    may_end && ran && stands && !stopped::is_ours(applied, &seen.fields, &container.restart)
}

/// Whether a host of ours points at a container. NPM is not on every network that a container may have been on.
pub fn is_pointed_at(expansion: &Expansion<'_>, seen: &Seen) -> bool {
    let Some(npm) = expansion.host.npm.as_ref() else { return false };
    let mut all = expansion.input.world.seen.iter().filter(|(host, _)| host.provider == npm.provider);
    all.any(|(host, to)| {
        let leads = || pointers::lead_to(expansion.input, to, &expansion.host.docker, seen);
        pointers::points(host.kind) && to.owner.is_ours() && leads()
    })
}

/// Sets what the image declares, as far as that is known.
fn declare(
    expansion: &Expansion<'_>,
    key: &str,
    container: &Container,
    instances: &BTreeMap<Address, &Seen>,
    fields: &mut Fields,
) {
    let base = Address::new(expansion.host.docker.clone(), Kind::Container, &expansion.service.address_name(key));
    let last_good = expansion.input.facts.last_good.get(&base).map(|(_, fields)| fields);
    let image = fields.text("image").unwrap_or_default().to_owned();
    let mounts = declared::mounts(expansion, key, container, &image, instances, last_good);
    fields.set(declared::FIELD, mounts);
}

/// Why a second one cannot run beside it for what the image declares. An image that is not there yet is taken to
/// declare what the one before it does.
fn writes_for_image(name: &str, wanted: &Fields, instances: &BTreeMap<Address, &Seen>) -> Option<String> {
    let all = std::iter::once(wanted).chain(instances.values().map(|seen| &seen.fields));
    let (volume, _) = all.flat_map(declared::sources).next()?;
    Some(format!("{name} writes to volume {volume}"))
}

/// The generation that stands for `wanted`: one that is there and matches, else the first unused number.
fn pick(expansion: &Expansion<'_>, base: &Address, wanted: &Fields, instances: &BTreeMap<Address, &Seen>) -> Address {
    let Some(schema) = expansion.input.schema(base) else { return base.clone() };
    let resolved = diff::resolve(wanted, expansion.input.world);
    let of_digest = |fields: &Fields| {
        let covered = schema.fields.iter().filter(|field| field.rule == Rule::Generation);
        Fields(covered.filter_map(|field| Some((field.name.to_owned(), fields.get(field.name)?.clone()))).collect())
            .digest()
    };
    let digest = of_digest(wanted);
    let mut unused = None;
    for attempt in 0..ATTEMPTS_MAX {
        let generation = if attempt == 0 { digest.clone() } else { format!("{digest}-{attempt}") };
        let address = base.clone().at(&generation);
        match instances.get(&address) {
            Some(seen) if reach::is_refused(expansion.input, &address, seen) => (),
            Some(seen) if matches_generation(schema, &resolved, &seen.fields) => return address,
            Some(_) => (),
            None => unused = unused.or(Some(address)),
        }
    }
    unused.unwrap_or_else(|| base.clone().at(&digest))
}

fn matches_generation(schema: &crate::model::KindSchema, wanted: &Fields, observed: &Fields) -> bool {
    let diffs = diff::compare(schema, wanted, observed, None);
    !diffs.iter().any(|(rule, _)| matches!(rule, Rule::Generation | Rule::Volatile))
}

/// The wanted generation, unless it failed and the last good one may be put back.
fn after_failure(
    expansion: &mut Expansion<'_>,
    container: &Container,
    base: &Address,
    picked: Address,
    wanted: Fields,
    instances: &BTreeMap<Address, &Seen>,
    start_first: bool,
) -> (Address, Fields) {
    let input = expansion.input;
    let last_good = input.facts.last_good.get(base).cloned();
    let last_good = last_good.filter(|(generation, _)| picked.generation.as_ref() != Some(generation));
    let Some((generation, good_fields)) = last_good else { return (picked, wanted) };
    let inputs = diff::resolve(&wanted, input.world).marked_digest();
    let known = input.facts.failed.get(&picked).is_some_and(|failure| failure.inputs == inputs);
    let seen = instances.get(&picked);
    let writes = container.writes_data() || !wanted.strings(declared::FIELD).is_empty();
    let applied = input.facts.applied.get(&picked).map(|row| &row.fields);
    // One that we stopped has not failed.
    let judged = seen.filter(|seen| !stopped::is_ours(applied, &seen.fields, &container.restart));
    let verdict = judged.and_then(|seen| verdict(expansion, container, writes, seen));
    if let Some(why) = verdict.clone().filter(|_| !known) {
        expansion.wants.failed.push(Failure { address: picked.clone(), inputs, why });
    }
    let exited = seen.is_none_or(|seen| matches!(seen.ready, Readiness::Failed { .. }));
    let may_go = start_first || (exited && !writes);
    if (known || verdict.is_some()) && may_go {
        if seen.is_none() {
            not_tried_again(expansion, container, picked, wanted, &good_fields);
        }
        return (base.clone().at(&generation), good_fields);
    }
    (picked, wanted)
}

/// What was tried and went is still wanted: the plan says that it is not tried again, and until when.
fn not_tried_again(
    expansion: &mut Expansion<'_>,
    container: &Container,
    picked: Address,
    wanted: Fields,
    good: &Fields,
) {
    let why = expansion.input.facts.failed.get(&picked).map(|failure| failure.why.clone()).unwrap_or_default();
    let refusal = Refusal {
        code: "A0512".to_owned(),
        message: format!("did not become ready: {why}"),
        found: vec![
            ("tried".to_owned(), wanted.text("image").unwrap_or_default().to_owned()),
            ("in force".to_owned(), format!("{}, the last good one", good.text("image").unwrap_or_default())),
        ],
        hints: vec![Hint::text("it is not tried again before its manifest, its image or a secret of it changes")],
    };
    expansion.want(picked, wanted, Vec::new(), &container.origin).refusal = Some(refusal);
}

/// Why an instance counts as failed, if it does.
fn verdict(expansion: &Expansion<'_>, container: &Container, writes: bool, seen: &Seen) -> Option<String> {
    match &seen.ready {
        Readiness::Ready => None,
        Readiness::Failed { why } => Some(why.clone()),
        Readiness::NotYet { since, why } => {
            let timeout = health_timeout(container, writes);
            (expansion.input.now - *since > timeout).then(|| format!("not healthy after {timeout}: {why}"))
        }
    }
}

/// How long a container may take to become healthy; one that writes data may be migrating it.
pub fn health_timeout(container: &Container, writes: bool) -> Millis {
    let least = if writes { HEALTH_TIMEOUT_DATA } else { HEALTH_TIMEOUT };
    let Some(check) = &container.healthcheck else { return least };
    let interval = check.interval_ms.unwrap_or(30_000);
    let asked = check.start_period_ms.unwrap_or(0) + check.retries.unwrap_or(3) * interval;
    Millis(least.0.max(asked))
}

fn good(expansion: &mut Expansion<'_>, base: &Address, effective: &Address, fields: &Fields) {
    let Some(generation) = effective.generation.clone() else { return };
    if expansion.input.facts.last_good.get(base).is_some_and(|(known, _)| *known == generation) {
        return;
    }
    expansion.wants.good.push(Good { base: base.clone(), generation, fields: fields.clone() });
}

fn fields(
    expansion: &Expansion<'_>,
    home: &Home,
    key: &str,
    container: &Container,
    others: &BTreeMap<String, Rollout>,
) -> Fields {
    let input = expansion.input;
    let image = image_reference(&container.image);
    let image_address = Address::new(expansion.host.docker.clone(), Kind::Image, &image);
    let fill = |text: &str| fill(text, home);
    let mut environment: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in &input.site.defaults.environment {
        environment.insert(name.clone(), Value::text(value));
    }
    for (name, value) in &container.environment {
        let value = match value {
            EnvValue::Plain(text) => Value::text(fill(text)),
            EnvValue::Secret(secret) => expansion.secret(secret),
        };
        environment.insert(name.clone(), value);
    }
    let mut aliases: BTreeSet<&str> = BTreeSet::from([key]);
    if expansion.service.containers.len() == 1 {
        aliases.insert(&expansion.service.name);
    }
    aliases.extend(container.aliases.iter().map(String::as_str));
    // Engines before 25 add it by themselves, and say so.
    aliases.extend(container.settings.get("hostname").and_then(Value::as_text));
    let (driver, options) = &container.logging;
    let options = options.iter().map(|(name, value)| (name.clone(), Value::text(value))).collect();
    let mut logging = BTreeMap::from([("driver".to_owned(), Value::text(driver))]);
    logging.insert("options".to_owned(), Value::Map(options));

    let mut fields = Fields::default()
        .with("image", Value::text(image))
        .with("image_id", Value::Output { of: image_address, field: "id".to_owned() })
        .with("environment", Value::Map(environment))
        .with("logging", Value::Map(logging))
        .with("restart", Value::text(&container.restart))
        .with("running", Value::Bool(true));
    match &container.network_mode {
        ContainerNetwork::Own => {
            fields.set("network", Value::text(&home.address.name));
            fields.set("aliases", Value::texts(aliases));
        }
        ContainerNetwork::None => fields.set("network", Value::text("none")),
        ContainerNetwork::Host => fields.set("network", Value::text("host")),
        ContainerNetwork::Of(_) => (),
    }
    if let Some(address) = container.ipv4_address {
        fields.set("ipv4_address", Value::text(address.to_string()));
    }
    let of = |namespace: &str, other: &String| {
        let of = others.get(other).map(|rollout| rollout.effective.clone());
        of.map(|of| (format!("{namespace}_of"), Value::Output { of, field: "id".to_owned() }))
    };
    if let ContainerNetwork::Of(other) = &container.network_mode {
        fields.0.extend(of("network", other));
    }
    fields.0.extend(container.shares.iter().filter_map(|(namespace, other)| of(namespace, other)));
    fields.0.extend(container.settings.iter().map(|(name, value)| (name.clone(), fill_value(value, home))));
    let texts = |list: &Vec<String>| Value::texts(list.iter().map(|text| fill(text)));
    if let Some(command) = &container.command {
        fields.set("command", texts(command));
    }
    if let Some(entrypoint) = &container.entrypoint {
        fields.set("entrypoint", texts(entrypoint));
    }
    if let Some(user) = &container.user {
        fields.set("user", Value::text(user));
    }
    if let Some(check) = &container.healthcheck {
        fields.set("healthcheck", healthcheck(check));
    }
    let labels = container.labels.iter().map(|(name, value)| (name.clone(), Value::text(fill(value)))).collect();
    fields.set("labels", Value::Map(labels));
    let mut ports: Vec<String> = container
        .ports
        .iter()
        .map(|port| format!("{}:{}:{}/{}", port.host_ip, port.published, port.target, port.protocol))
        .collect();
    ports.sort();
    fields.set("ports", Value::texts(ports));
    mounted::set(expansion, container, &mut fields);
    fields
}

fn healthcheck(check: &Healthcheck) -> Value {
    let mut map = BTreeMap::from([("test".to_owned(), Value::texts(check.test.iter().cloned()))]);
    let numbers = [
        ("interval_ms", check.interval_ms),
        ("timeout_ms", check.timeout_ms),
        ("start_period_ms", check.start_period_ms),
        ("start_interval_ms", check.start_interval_ms),
        ("retries", check.retries),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            map.insert(name.to_owned(), Value::Int(number));
        }
    }
    Value::Map(map)
}

/// The variables that are known only here. On a network of somebody else only what it says of itself is known.
fn fill(text: &str, home: &Home) -> String {
    if !text.contains("${") {
        return text.to_owned();
    }
    let mut text = text.to_owned();
    for (name, value) in &home.variables {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    text
}

fn fill_value(value: &Value, home: &Home) -> Value {
    match value {
        Value::Text(text) => Value::text(fill(text, home)),
        Value::List(items) => Value::List(items.iter().map(|item| fill_value(item, home)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.iter().map(|(name, item)| (name.clone(), fill_value(item, home))).collect())
        }
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Secret { .. } | Value::Output { .. } => value.clone(),
    }
}

/// The texts in a value.
fn texts_of<'v>(value: &'v Value, texts: &mut Vec<&'v String>) {
    match value {
        Value::Text(text) => texts.push(text),
        Value::List(items) => items.iter().for_each(|item| texts_of(item, texts)),
        Value::Map(entries) => entries.values().for_each(|item| texts_of(item, texts)),
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Secret { .. } | Value::Output { .. } => (),
    }
}

fn no_value(variable: &str, home: &Home, has_network: bool, container: &Container) -> Refusal {
    let origin = &container.origin;
    let (why, or) = if has_network {
        (format!("on network {}, which is not ours", home.address.name), ", or use `network: auto`")
    } else {
        ("where no container is on the service's network".to_owned(), "")
    };
    Refusal {
        code: "A0410".to_owned(),
        message: format!("`${{{variable}}}` has no value {why}"),
        found: Vec::new(),
        hints: vec![Hint::text(format!("write the value itself in {}:{}{or}", origin.file, origin.line))],
    }
}

/// A variable that has no value on this network, if a text of the container names one.
fn unknown_variable(container: &Container, home: &Home) -> Option<&'static str> {
    let plain = container.environment.values().filter_map(|value| match value {
        EnvValue::Plain(text) => Some(text),
        EnvValue::Secret(_) => None,
    });
    let texts = plain.chain(container.command.iter().flatten()).chain(container.entrypoint.iter().flatten());
    let mut settings = Vec::new();
    container.settings.values().for_each(|value| texts_of(value, &mut settings));
    let mut texts = texts.chain(container.labels.values()).chain(settings);
    texts.find_map(|text| {
        LATE_VARIABLES
            .iter()
            .copied()
            .find(|name| text.contains(&format!("${{{name}}}")) && !home.variables.contains_key(*name))
    })
}

/// A reference as the engine lists it: Docker Hub's prefixes left out, `latest` said, a digest without the tag.
pub fn image_reference(text: &str) -> String {
    let text = text.strip_prefix("docker.io/").unwrap_or(text);
    let text = text.strip_prefix("library/").unwrap_or(text);
    if let Some((name, digest)) = text.split_once('@') {
        let name = untagged(name);
        return format!("{name}@{digest}");
    }
    if untagged(text).len() == text.len() { format!("{text}:latest") } else { text.to_owned() }
}

/// The name without its tag; a colon before the last slash is a registry's port.
pub fn untagged(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        Some(_) | None => text,
    }
}
