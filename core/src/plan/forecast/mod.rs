//! The whole way to the end: applies the plan to the observed world in memory, look after look, until it settles.

pub mod downtime;

use std::collections::{BTreeMap, BTreeSet};

use super::input::Input;
use super::{pass, targets};
use crate::model::address::generations;
use crate::model::world::{Applied, Pulled};
use crate::model::{
    Address, Change, Facts, Gate, Kind, Millis, Owner, Plan, ProviderId, Readiness, ReasonCode, Seen, Timestamp, Verb,
    Wants, World,
};

/// Looks that a forecast takes at most: the longest way (a stop-first update behind two dependencies) takes 12.
const LOOKS_MAX: usize = 64;

/// What will happen, in the order in which it will.
#[derive(Debug, Clone)]
pub struct Forecast {
    /// Every change once, as first planned with literal values, in the order of execution; held ones last.
    pub plan: Plan,
    /// Wants of the first look, with what stops first in any.
    pub wants: Wants,
    /// The world at the end.
    pub world: World,
    /// Whether it came to rest within [`LOOKS_MAX`].
    pub settled: bool,
    /// How many looks that took.
    pub looks: usize,
    /// The plan of the first look, as the engine would execute it now.
    pub first: Plan,
}

/// Plays the plan to its end.
pub fn forecast(input: &Input<'_>) -> Forecast {
    let mut world = input.world.clone();
    let mut facts = input.facts.clone();
    let mut now = input.now.exact();
    let (mut wants, first) = pass(input);
    let mut firsts: BTreeMap<&Address, Vec<&Change>> = BTreeMap::new();
    for change in &first.changes {
        firsts.entry(&change.address).or_default().push(change);
    }
    let mut done: Vec<Change> = Vec::new();
    let (mut settled, mut looks) = (false, 0);
    let mut last = first.clone();
    for turn in 0..LOOKS_MAX {
        looks = turn + 1;
        let step = Input { world: &world, facts: &facts, now: now.into(), ..*input };
        let (own, plan) = if turn == 0 { (wants.clone(), first.clone()) } else { pass(&step) };
        let ready: Vec<Change> = plan.changes.iter().filter(|change| change.is_now()).cloned().collect();
        last = plan;
        // Whether what comes needs the old one out of its way shows when what it is made for is there.
        for (service, why) in &own.stop_first {
            wants.stop_first.entry(service.clone()).or_insert_with(|| why.clone());
        }
        judge(&mut facts, &own, now);
        // What calls on their way were to make is made by then, or never; what they were to delete is gone.
        let going = std::mem::take(&mut facts.going);
        let were_on_their_way = !std::mem::take(&mut facts.in_progress).is_empty() || !going.is_empty();
        world.seen.retain(|address, _| !going.contains(address));
        if ready.is_empty() {
            match last.next_look.filter(|at| *at > now) {
                // What starts is up before a time is waited for: a long wait is nobody's time-out.
                _ if comes_up(&mut world, &facts, &own) => (),
                Some(at) => now = at,
                None if were_on_their_way => (),
                None => {
                    settled = true;
                    break;
                }
            }
            continue;
        }
        for change in ready {
            apply(&mut world, &change);
            remember(&mut facts, &change);
            done.push(first_gate(firsts.get(&change.address).map_or(&[], Vec::as_slice), change));
        }
        now = now + Millis::seconds(1);
    }
    let listed: BTreeSet<Address> = done.iter().map(|change| change.address.clone()).collect();
    let is_told = |change: &Change| !listed.contains(&change.address) || change.refusal().is_some();
    done.extend(last.changes.into_iter().filter(is_told));
    let plan = Plan { changes: done, ..first.clone() };
    Forecast { plan, wants, world, settled, looks, first }
}

/// Verdicts are stored before anything is done, so the next look knows them.
fn judge(facts: &mut Facts, wants: &Wants, now: Timestamp) {
    facts.failed.extend(wants.failed.iter().map(|failure| (failure.address.clone(), failure.clone())));
    let good = wants.good.iter().map(|good| (good.base.clone(), (good.generation.clone(), good.fields.clone())));
    facts.last_good.extend(good);
    let left = wants.left();
    facts.repointed_at.retain(|address, _| left.contains(address));
    for address in left {
        let since = facts.repointed_at.entry(address).or_insert(now);
        *since = now.min(*since);
    }
}

/// What is starting is taken to come up, as everything else is taken to work; `false` when nothing is.
fn comes_up(world: &mut World, facts: &Facts, wants: &Wants) -> bool {
    let mut any = false;
    let probed = wants.probes.keys().filter(|address| !facts.failed.contains_key(*address));
    for address in probed.chain(&wants.tasks) {
        let Some(seen) = world.seen.get_mut(address).filter(|seen| seen.owner.is_ours()) else { continue };
        if let Readiness::NotYet { .. } = seen.ready {
            seen.ready = Readiness::Ready;
            any = true;
        }
    }
    any
}

/// The same change with the gate that it has in the first look, so that a stored plan says what waits.
fn first_gate(of_address: &[&Change], mut change: Change) -> Change {
    match of_address.iter().find(|known| known.action() == change.action()) {
        Some(known) => {
            change.gate = known.gate.clone();
            // What people notice is told from where they stand now.
            change.impact = known.impact.clone();
            change.because = known.because.clone();
        }
        None => change.gate = Gate::After(Vec::new()),
    }
    change
}

/// One change in memory: as if the vendor had done it and it worked.
pub fn apply(world: &mut World, change: &Change) {
    match &change.verb {
        Verb::Update(_) if change.because.code == ReasonCode::Released => {
            if let Some(seen) = world.seen.get_mut(&change.address) {
                (seen.owner, seen.service) = (Owner::Foreign, None);
                seen.fields.set("mark", crate::model::Value::Bool(false));
            }
        }
        Verb::Delete => {
            leave_networks(world, &change.address);
            world.seen.remove(&change.address);
        }
        Verb::Create(fields) => {
            let seen = Seen {
                fields: observed(&change.address, fields),
                ready: Readiness::Ready,
                owner: if change.address.kind == Kind::Image { Owner::Foreign } else { Owner::Ours },
                service: Some(change.service.clone()),
                vendor_id: format!("planned:{}", change.address),
                at: crate::model::Timestamp(0),
            };
            world.seen.insert(change.address.clone(), seen);
        }
        Verb::Update(fields) => {
            if let Some(name) = fields.text("name") {
                be_called(world, &change.address, name);
            }
            if let Some(seen) = world.seen.get_mut(&change.address) {
                seen.fields.extend(fields.clone());
                seen.ready = match fields.flag("running") {
                    Some(false) => Readiness::Failed { why: "stopped".into() },
                    Some(true) | None => Readiness::Ready,
                };
                if change.address.kind == Kind::Image {
                    seen.fields.set("id", crate::model::Value::text("(new)"));
                } else {
                    seen.owner = Owner::Ours;
                    seen.service = Some(change.service.clone());
                }
            }
        }
    }
}

/// What is gone is no longer on its networks, or they would seem to be used by strangers.
fn leave_networks(world: &mut World, address: &Address) {
    if address.kind == Kind::Attachment {
        let Some((network, container)) = address.name.rsplit_once('/') else { return };
        change_member(world, &address.provider, Some(network), container, None);
    } else if let Some(name) = name_of(world, address) {
        change_member(world, &address.provider, None, &name, None);
    }
}

/// A container that gets another name is on its networks under that one.
fn be_called(world: &mut World, address: &Address, name: &str) {
    if let Some(before) = name_of(world, address) {
        change_member(world, &address.provider, None, &before, Some(name));
    }
}

fn name_of(world: &World, address: &Address) -> Option<String> {
    world.seen.get(address).and_then(|seen| seen.fields.text("name")).map(str::to_owned)
}

/// Takes a member off a network, or off all of an engine, or calls it by another name there.
fn change_member(world: &mut World, engine: &ProviderId, network: Option<&str>, name: &str, now: Option<&str>) {
    let networks = world.seen.iter_mut().filter(|(other, _)| {
        let is_it = network.is_none_or(|network| other.name == network);
        other.kind == Kind::Network && other.provider == *engine && is_it
    });
    for (_, seen) in networks.filter(|(_, seen)| seen.fields.get("members").is_some()) {
        let members = seen.fields.strings("members").into_iter();
        let members = members.filter_map(|member| if member == name { now } else { Some(member) });
        let members = crate::model::Value::texts(members.map(str::to_owned).collect::<BTreeSet<String>>());
        seen.fields.set("members", members);
    }
}

fn observed(address: &Address, fields: &crate::model::Fields) -> crate::model::Fields {
    let kind = address.kind;
    let mut fields = fields.clone();
    if kind == Kind::Container {
        // Who shares something with it, or follows it, is made for it.
        fields.set("id", crate::model::Value::text(format!("planned:{address}")));
    }
    if kind == Kind::Image {
        fields.set("id", crate::model::Value::text("(new)"));
    }
    if kind == Kind::Container && fields.get("address").is_none() && !targets::is_on_host(&fields) {
        fields.set("address", crate::model::Value::text("(given by Docker)"));
    }
    fields
}

fn remember(facts: &mut Facts, change: &Change) {
    match &change.verb {
        Verb::Delete => {
            facts.applied.remove(&change.address);
            facts.leases.remove(&change.address);
            if generations(&facts.applied, &change.address).next().is_none() {
                facts.ports.remove(&change.address.base());
            }
            facts.pulled.retain(|pulled| pulled.reference != change.address.name && pulled.id != change.address.name);
        }
        Verb::Create(_) if change.address.kind == Kind::Image => {
            facts.pulled.push(Pulled {
                provider: change.address.provider.clone(),
                id: "(new)".to_owned(),
                reference: change.address.name.clone(),
                service: change.service.clone(),
                at: crate::model::Timestamp(i64::MAX),
                ready: None,
            });
        }
        Verb::Create(fields) => {
            let applied = Applied { service: change.service.clone(), vendor_id: String::new(), fields: fields.clone() };
            facts.applied.insert(change.address.clone(), applied);
        }
        Verb::Update(_) if change.address.kind == Kind::Certificate => drop(facts.open_intents.remove(&change.address)),
        Verb::Update(_) if change.because.code == ReasonCode::Released => {
            facts.released.remove(&change.address);
            facts.applied.remove(&change.address);
        }
        Verb::Update(fields) => {
            if let Some(applied) = facts.applied.get_mut(&change.address) {
                applied.fields.extend(fields.clone());
            }
        }
    }
}
