//! What must be there before a container is made: siblings (`depends_on`) and other manifests (`needs`).
//!
//! | the sibling | waited for | required, and it will not come |
//! |---|---|---|
//! | `service_started` | the one that serves is there | waits on |
//! | `service_healthy` | the one that serves is ready | waits on |
//! | `service_completed_successfully` | the one that is wanted has ended well | refused: it failed |
//!
//! A sibling with `required: false` is not waited for once it failed, is refused, or is not well within its time. All of it
//! is asked of what is made only: what runs is never stopped for a need.

use std::collections::{BTreeMap, BTreeSet};

use super::{generation, stopped};
use crate::model::address::generations;
use crate::model::service::{Condition, Container, Dependency, Needed};
use crate::model::{
    Address, Code, Fields, Hint, Kind, Need, Readiness, Refusal, Seen, Service, State, Text, Value, Wants, failures,
};
use crate::plan::desired::image_volumes;
use crate::plan::expansion::{Expansion, RouteTarget};
use crate::plan::indexes::shared_networks;
use crate::plan::input::Input;
use crate::plan::left_alone;
use crate::text;

/// What a container waits for before it is made, and why it would wait for ever.
#[derive(Debug, Clone, Default)]
pub struct ContainerWaits {
    /// All of these first.
    pub needs: Vec<Need>,
    /// Nothing is made until a person did something.
    pub refusal: Option<Refusal>,
}

impl ContainerWaits {
    /// Both.
    pub fn and(mut self, other: ContainerWaits) -> ContainerWaits {
        self.needs.extend(other.needs);
        self.refusal = self.refusal.or(other.refusal);
        self
    }
}

/// The siblings that a container of the service depends on.
pub fn of_siblings(
    expansion: &Expansion<'_>,
    container: &Container,
    targets: &BTreeMap<String, RouteTarget>,
) -> ContainerWaits {
    let mut waits = ContainerWaits::default();
    for (key, dependency) in &container.depends_on {
        let Some(target) = targets.get(key) else { continue };
        if dependency.is_optional && is_lost(expansion, key, target) {
            continue;
        }
        if dependency.condition == Condition::Completed && waits.refusal.is_none() {
            waits.refusal = failed(expansion, target).map(|why| not_completed(expansion, key, why, container));
        }
        let is_shared = container.joins().any(|joined| joined == key);
        let need = need(dependency, target);
        waits.needs.push(if is_shared { without_circle(expansion.input, need) } else { need });
    }
    waits
}

/// What shares the network of a container without a healthcheck may be what answers there: it waits for it to run, and no longer.
fn without_circle(input: &Input<'_>, need: Need) -> Need {
    let is_asked_by_port = |seen: &Seen| seen.fields.text("health") == Some("none");
    if need.is == State::Ready && input.world.seen.get(&need.on).is_some_and(is_asked_by_port) {
        return Need::present(need.on);
    }
    need
}

fn need(dependency: &Dependency, target: &RouteTarget) -> Need {
    // Who follows a sibling is made for the one that comes.
    let serving = if dependency.follows { &target.coming } else { &target.address };
    match dependency.condition {
        Condition::Started => Need::present(serving.clone()),
        Condition::Healthy => Need::ready(serving.clone()),
        Condition::Completed => Need::ready(target.wanted.clone()),
    }
}

/// Why the wanted generation of a sibling is not going to end well, if so.
fn failed(expansion: &Expansion<'_>, target: &RouteTarget) -> Option<Text> {
    let (facts, wants) = (&expansion.input.facts, &expansion.wants);
    let known = facts.failed.get(&target.wanted);
    let known = known.or_else(|| wants.failed.iter().find(|failure| failure.address == target.wanted));
    if target.coming != target.wanted {
        return Some(known.map_or_else(|| text!("it did not end well"), |failure| failures::in_parts(&failure.why)));
    }
    match &expansion.input.world.seen.get(&target.wanted)?.ready {
        Readiness::Failed { why } => Some(why.clone()),
        Readiness::Ready | Readiness::NotYet { .. } => None,
    }
}

/// A sibling that is not going to be there, or well: not by itself.
fn is_lost(expansion: &Expansion<'_>, key: &str, target: &RouteTarget) -> bool {
    let input = expansion.input;
    if target.coming != target.wanted || expansion.wants.map.get(&target.coming).is_some_and(|w| w.refusal.is_some()) {
        return true;
    }
    let Some(seen) = input.world.seen.get(&target.coming) else {
        return input.facts.failed.contains_key(&target.coming);
    };
    match (&seen.ready, expansion.service.containers.get(key)) {
        (Readiness::Ready, _) => false,
        (Readiness::Failed { .. }, _) => true,
        (Readiness::NotYet { .. }, None) => false,
        (Readiness::NotYet { since, .. }, Some(sibling)) => {
            let writes = sibling.writes_data() || !seen.fields.strings(image_volumes::FIELD).is_empty();
            let is_task = expansion.service.is_task(key);
            let timeout = generation::health_timeout(&expansion.service.update, sibling, writes);
            !is_task && input.now.is_after(*since + timeout)
        }
    }
}

fn not_completed(expansion: &Expansion<'_>, key: &str, why: Text, container: &Container) -> Refusal {
    let name = expansion.service.container_name(key);
    let origin = &container.origin;
    Refusal {
        code: Code::A0537,
        message: text!("waits for {name} to end well: {why}", name = &name, why),
        found: vec![origin.said_in()],
        hints: vec![
            Hint::command(text!("what it said"), format!("docker logs --tail 50 {name}")),
            Hint::text(text!("correct {key} in {file}: a changed one runs again", key, file = &origin.file)),
        ],
    }
}

/// The other manifests that come before the containers of this one.
pub fn of_services(expansion: &Expansion<'_>) -> ContainerWaits {
    let mut waits = ContainerWaits::default();
    for needed in shared_networks::needed(expansion.input, expansion.service) {
        let own = of_service(expansion, &needed);
        waits = waits.and(own);
    }
    waits
}

fn of_service(expansion: &Expansion<'_>, needed: &Needed) -> ContainerWaits {
    let input = expansion.input;
    let name = &needed.service;
    let refused =
        |(what, hint): (Text, Hint)| ContainerWaits { needs: Vec::new(), refusal: Some(not_there(needed, what, hint)) };
    let Some(service) = input.services.get(name) else {
        if is_up_anyhow(input, name) {
            return ContainerWaits::default();
        }
        let what = if input.facts.frozen.contains(name) {
            text!("whose manifest is broken")
        } else {
            text!("which no manifest describes")
        };
        return refused((what, Hint::command(text!("to see what is wrong"), "amarre validate")));
    };
    let Some(reached) = expansion.reached.get(name.as_str()) else {
        let what = why_not_now(input, service);
        if !service.stopped && is_up(input, service) {
            return ContainerWaits::default();
        }
        let circle = || {
            let hint = Hint::text(text!("correct `needs` in {file}", file = &needed.origin.file));
            (text!("whose `needs` lead back here"), hint)
        };
        return refused(what.unwrap_or_else(circle));
    };
    let shared: Vec<&String> = expansion
        .service
        .containers
        .values()
        .filter_map(|container| container.network_of_other())
        .filter_map(|name| service.key_of(name))
        .collect();
    let ready = reached.targets.iter().map(|(key, target)| {
        let need = Need::ready(target.address.clone());
        if shared.contains(&key) { without_circle(input, need) } else { need }
    });
    let mut needs: Vec<Need> = ready.collect();
    if service.containers.is_empty() {
        let own = expansion.wants.map.iter().filter(|(_, want)| want.service == *name);
        let of = |address: &Address| {
            if address.kind.is_instance() { Need::ready(address.clone()) } else { Need::present(address.clone()) }
        };
        needs.extend(own.map(|(address, _)| of(address)));
    }
    let unmet: Vec<&Need> = needs.iter().filter(|need| input.world.holds(need) != Some(true)).collect();
    let lacks = service.containers.keys().any(|key| !reached.targets.contains_key(key));
    if unmet.is_empty() && !lacks && !service.stopped {
        return ContainerWaits::default();
    }
    if let Some(why) = why_not_now(input, service) {
        return refused(why);
    }
    let unwell = unmet.into_iter().find_map(|need| {
        let (seen, want) = (input.world.seen.get(&need.on)?, expansion.wants.map.get(&need.on));
        let applied = input.facts.applied.get(&need.on).map(|row| &row.fields);
        let restart = want.and_then(|want| want.fields.text("restart")).unwrap_or_default();
        match &seen.ready {
            // What we stopped starts again.
            Readiness::Failed { .. } if want.is_some() && stopped::is_ours(applied, &seen.fields, restart) => None,
            Readiness::Failed { why } => {
                let (name, why) = (&need.on.name, why.clone());
                Some(text!("whose container {name} is not well: {why}", name, why))
            }
            Readiness::Ready | Readiness::NotYet { .. } => None,
        }
    });
    match unwell {
        Some(what) => refused((what, Hint::command(text!("to see what is wrong"), format!("amarre status {name}")))),
        None => ContainerWaits { needs, refusal: None },
    }
}

/// Why nothing is done for a service just now, and how to change that.
fn why_not_now(input: &Input<'_>, service: &Service) -> Option<(Text, Hint)> {
    let name = &service.name;
    match input.facts.suspended.get(name) {
        Some(suspension) => {
            let what = if suspension.destroy {
                text!("which is destroyed")
            } else {
                text!("which is suspended by {by}", by = &suspension.by)
            };
            Some((what, Hint::command(text!("to take it up again"), format!("amarre resume {name}"))))
        }
        None if input.facts.frozen.contains(name) => {
            Some((text!("whose manifest is broken"), Hint::command(text!("to see what is wrong"), "amarre validate")))
        }
        None if service.stopped => {
            let hint = text!("take `state: stopped` out of {file}", file = &service.origin.file);
            Some((text!("which is stopped, as its manifest says"), Hint::text(hint)))
        }
        None => None,
    }
}

fn not_there(needed: &Needed, what: Text, hint: Hint) -> Refusal {
    let origin = &needed.origin;
    Refusal {
        code: Code::A0535,
        message: text!("needs {service}, {what}", service = &needed.service, what),
        found: vec![origin.said_in()],
        hints: vec![hint],
    }
}

/// Whether every container of a service that is left alone is there and works.
fn is_up(input: &Input<'_>, service: &Service) -> bool {
    let Some(host) = input.site.host_of(service) else { return false };
    if service.containers.is_empty() {
        return input.world.seen.values().any(|seen| is_of(seen, &service.name));
    }
    service.containers.keys().all(|key| {
        let base = Address::new(host.docker.clone(), Kind::Container, &service.address_name(key));
        let mut all = input.world.generations(&base);
        all.any(|(_, seen)| is_of(seen, &service.name) && seen.ready.is_ready())
    })
}

/// The same of a service whose manifest is not known.
fn is_up_anyhow(input: &Input<'_>, name: &str) -> bool {
    let all = input.world.seen.iter().filter(|(address, _)| address.kind == Kind::Container);
    let mut own = all.filter(|(_, seen)| is_of(seen, name)).peekable();
    own.peek().is_some() && own.all(|(_, seen)| seen.ready.is_ready())
}

fn is_of(seen: &Seen, name: &str) -> bool {
    seen.owner.is_ours() && seen.service.as_deref() == Some(name)
}

/// Services in an order in which each comes after those that it needs, else as they were. One that is left alone, or
/// stopped, does not come forward: what several want is wanted by one that is taken care of.
pub fn in_order<'a>(input: &Input<'_>, services: Vec<&'a Service>) -> Vec<&'a Service> {
    let class = |service: &Service| (left_alone::is_left_alone(input, &service.name), service.stopped);
    let places: BTreeMap<&str, usize> =
        services.iter().enumerate().map(|(place, service)| (service.name.as_str(), place)).collect();
    // For each place those that come first, and who waits for it.
    let mut waits: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut users: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, service) in services.iter().enumerate() {
        for needed in shared_networks::needed(input, service) {
            let first = places.get(needed.service.as_str()).and_then(|first| Some((*first, services.get(*first)?)));
            if let Some((first, _)) = first.filter(|(_, other)| class(other) == class(service)) {
                waits.entry(place).or_default().insert(first);
                users.entry(first).or_default().push(place);
            }
        }
    }
    let mut left: BTreeSet<usize> = (0..services.len()).collect();
    let mut free: BTreeSet<usize> = left.iter().filter(|place| !waits.contains_key(place)).copied().collect();
    let mut order: Vec<&'a Service> = Vec::new();
    // Manifests of different times may go in a circle: the first of those that are left breaks it.
    while let Some(next) = free.pop_first().or_else(|| left.first().copied()) {
        left.remove(&next);
        order.extend(services.get(next));
        for user in users.remove(&next).unwrap_or_default() {
            let Some(waits) = waits.get_mut(&user) else { continue };
            waits.remove(&next);
            if waits.is_empty() && left.contains(&user) {
                free.insert(user);
            }
        }
    }
    order
}

/// The field of a container that tells which services come before it, for the day on which its manifest is gone.
pub const FIELD: &str = "needs";

/// Notes for the ledger what a container's service needs.
pub fn note(expansion: &Expansion<'_>, effective: &Address, fields: &mut Fields) {
    let needs = shared_networks::needed(expansion.input, expansion.service);
    let row = expansion.input.facts.applied.get(effective).map(|row| &row.fields);
    let seen = expansion.input.world.seen.get(effective).map(|seen| &seen.fields);
    let is_noted = [row, seen].into_iter().flatten().any(|fields| fields.get(FIELD).is_some());
    if !needs.is_empty() || is_noted {
        fields.set(FIELD, Value::texts(needs.into_iter().map(|needed| needed.service)));
    }
}

/// Of two services that go, the one that needs the other goes first.
pub fn go_first(
    input: &Input<'_>,
    wants: &Wants,
    address: &Address,
    service: &str,
    gone: &[(Address, String)],
) -> Vec<Need> {
    let is_end = matches!(address.kind, Kind::Container | Kind::Network) && !wants.moving.contains(address);
    if !is_end || comes_again(wants, address) {
        return Vec::new();
    }
    let mut noted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (other, seen) in
        input.world.seen.iter().filter(|(other, seen)| other.kind == Kind::Container && seen.owner.is_ours())
    {
        let Some(owner) = &seen.service else { continue };
        // What the container was made with may be out of date; without a ledger it is all that is known.
        let row = input.facts.applied.get(other).map(|row| &row.fields).filter(|fields| fields.get(FIELD).is_some());
        noted.entry(owner.as_str()).or_default().extend(row.unwrap_or(&seen.fields).strings(FIELD));
    }
    let needs = |name: &str| noted.get(name).cloned().unwrap_or_default();
    // What this one needs, near and far: notes of different times may contradict one another.
    let mut below: BTreeSet<&str> = needs(service);
    loop {
        let more: BTreeSet<&str> =
            below.iter().flat_map(|name| needs(name)).filter(|name| !below.contains(name)).collect();
        if more.is_empty() {
            break;
        }
        below.extend(more);
    }
    let users = gone.iter().filter(|(other, owner)| {
        other.kind == Kind::Container
            && owner != service
            && !comes_again(wants, other)
            && needs(owner).contains(service)
            && !below.contains(owner.as_str())
    });
    users.map(|(other, _)| Need::absent(other.clone())).collect()
}

fn comes_again(wants: &Wants, address: &Address) -> bool {
    generations(&wants.map, address).next().is_some()
}
