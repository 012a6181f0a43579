//! From look to look until nothing more happens, with the ledger kept as the engine keeps it; and from any cut on.

use std::collections::{BTreeMap, BTreeSet};

use amarre_core::model::plan::Gate;
use amarre_core::model::world::Applied;
use amarre_core::model::{
    Address, Change, Code, Facts, Kind, Millis, Owner, Plan, Readiness, Rule, SecretName, Timestamp, Value, Verb,
    Wants, World,
};
use amarre_core::plan;
use amarre_core::plan::input::Input;
use amarre_core::plan::kept::{Digests, KeptPass};
use amarre_core::plan::safety::{lint, mass_deletes};
use amarre_core::plan::settling;

use crate::dangers;
use crate::scene::{Scene, schemas};
use crate::state::{self, State};

/// Far more than any way takes.
const LOOKS_MAX: usize = 120;
/// Of so many looks, one whose plan is made once more just before it falls due.
const LOOKS_COMPARED: usize = 4;
/// A container that hangs is judged after at most this long.
const PATIENCE: Millis = Millis::minutes(11);

/// In which order services have their turn within a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turns {
    /// As the plan lists them.
    AsPlanned,
    /// The last service first: lanes do not wait for one another.
    Reversed,
}

/// One change that was done, and the state before and after it.
#[derive(Clone)]
pub struct Step {
    pub change: Change,
    pub before: State,
    pub after: State,
}

/// A way to its end.
#[derive(Clone)]
pub struct Walk {
    pub steps: Vec<Step>,
    pub end: State,
    /// The last plan: what is left.
    pub left: Plan,
    pub wants: Wants,
    /// What went wrong.
    pub wrong: Vec<String>,
    /// Services that were away for a while though they were there before and after.
    pub away: BTreeSet<String>,
}

/// What is kept is what would be made, now and until it falls due.
fn not_as_fresh(input: &Input<'_>, made: (&Wants, &Plan), until: Timestamp) -> Option<String> {
    // As far as anybody waits; at the moment itself, where nothing holds longer.
    let last = Timestamp(until.0.saturating_sub(1)).min(input.now.exact() + Millis::minutes(60 * 24 * 100));
    let later = last.max(input.now.exact());
    // When something was observed is no matter of plans, nor is since when something of NPM's is not ready.
    let mut world = input.world.clone();
    for (address, seen) in &mut world.seen {
        seen.at = later;
        match &mut seen.ready {
            Readiness::NotYet { since, .. } if address.provider.is_proxy() || address.kind == Kind::Image => {
                *since = later
            }
            Readiness::NotYet { .. } | Readiness::Ready | Readiness::Failed { .. } => (),
        }
    }
    let fresh = plan::pass(&Input { now: later.into(), world: &world, ..*input });
    ((&fresh.0, &fresh.1) != made)
        .then(|| format!("kept until {until:?}, and another plan at {later:?}: {:#?}", fresh.1))
}

/// Looks and acts until nothing more happens.
pub fn walk(scene: &Scene, start: &State, turns: Turns) -> Walk {
    let mut state = start.clone();
    let mut walk = Walk {
        steps: Vec::new(),
        end: start.clone(),
        left: Plan::default(),
        wants: Wants::default(),
        wrong: Vec::new(),
        away: BTreeSet::new(),
    };
    let mut waited_from = None;
    let (digests, mut kept) = (Digests::default(), KeptPass::default());
    for look in 0..LOOKS_MAX {
        state::judge(&mut state, scene);
        let view = state::observe(&state);
        let (made, broken) = scene.with_state(&state, &view, |input| {
            let digest = digests.of_input(input, digests.of_services(input.services), &());
            // As a pass does, which examines what is wanted before it plans.
            kept.wants(digest, input);
            let made = kept.pass(digest, input);
            if look % LOOKS_COMPARED == 0 {
                walk.wrong.extend(not_as_fresh(input, (&made.0, &made.1), kept.until()));
            }
            let broken = lint::broken_rules(input, &made.1);
            (made, broken)
        });
        let (wants, plan) = (Wants::clone(&made.0), made.1.clone());
        walk.wrong.extend(broken.into_iter().map(|rule| format!("lint: {rule}")));
        keep_books(&mut state, &view, &wants, &plan);
        if plan.guard.as_ref().is_some_and(|guard| guard.code == Code::A0430) {
            // A person reads the names of what a lost ledger knew, and means them.
            let doomed = scene.with_state(&state, &view, |input| mass_deletes::doomed(input, &plan));
            state.confirmed.extend(doomed);
            walk.left = plan;
            continue;
        }
        let mut ready: Vec<Change> = plan.changes.iter().filter(|change| change.is_now()).cloned().collect();
        if turns == Turns::Reversed {
            ready.sort_by(|left, right| right.service.cmp(&left.service));
        }
        let starting = is_starting(&state.raw, &wants, &state.facts);
        let until = plan.next_look.filter(|at| *at > state.now);
        (walk.left, walk.wants) = (plan, wants);
        if ready.is_empty() {
            let from = *waited_from.get_or_insert(state.now);
            match until {
                Some(at) => state.now = at,
                None if starting && state.now - from <= PATIENCE => state.now = state.now + Millis::minutes(1),
                None if !state.facts.in_progress.is_empty() || !state.facts.going.is_empty() => (),
                None => {
                    walk.end = state;
                    return walk;
                }
            }
            calls_end(&mut state);
            state::tick(&mut state, scene);
            continue;
        }
        waited_from = None;
        for change in ready {
            step(scene, &mut state, change, &mut walk);
        }
        calls_end(&mut state);
        state.now = state.now + Millis::seconds(1);
        state::tick(&mut state, scene);
    }
    walk.wrong.push(format!("does not settle within {LOOKS_MAX} looks; still to do: {}", names(&walk.left)));
    walk.end = state;
    walk
}

/// Addresses and verbs of a plan.
pub fn names(plan: &Plan) -> String {
    let names = plan.changes.iter().map(|change| format!("{} {} {:?}", change.action(), change.address, change.gate));
    names.collect::<Vec<_>>().join("; ")
}

fn step(scene: &Scene, state: &mut State, change: Change, walk: &mut Walk) {
    let before = state.clone();
    if let (Verb::Delete, Some(gone)) = (&change.verb, state.raw.seen.get(&change.address)) {
        // Of this generation or another, on this host or another.
        let same = |other: &Address| other.kind == change.address.kind && other.name == change.address.name;
        let others = state.raw.seen.iter().filter(|(other, _)| same(other));
        let alone = !others.into_iter().any(|(other, seen)| *other != change.address && seen.ready.is_ready());
        let wanted = dangers::is_wanted(scene, &change.service, &change.address.name);
        let destroyed = state.facts.suspended.get(&change.service).is_some_and(|suspension| suspension.destroy);
        if change.address.kind == Kind::Container && alone && wanted && !destroyed && gone.ready.is_ready() {
            walk.away.insert(change.service.clone());
        }
    }
    walk.wrong.extend(state::apply(state, &change, scene, &walk.wants, &walk.left));
    remember(state, &change);
    walk.steps.push(Step { change, before, after: state.clone() });
}

/// The outcome of one change, written down.
pub fn remember(state: &mut State, change: &Change) {
    let vendor_id = state.raw.seen.get(&change.address).map(|seen| seen.vendor_id.clone()).unwrap_or_default();
    let facts = &mut state.facts;
    let own = |fields| Applied { service: change.service.clone(), vendor_id: vendor_id.clone(), fields };
    match &change.verb {
        Verb::Delete => {
            facts.applied.remove(&change.address);
            facts.leases.remove(&change.address);
            give_ports_back(facts, &change.address);
        }
        Verb::Create(fields) => {
            intend(facts, change);
            if change.address.kind != Kind::Image {
                facts.applied.insert(change.address.clone(), own(fields.clone()));
            }
        }
        Verb::Update(_) if change.address.kind == Kind::Certificate => (),
        Verb::Update(fields) => {
            let mut merged = facts.applied.get(&change.address).map(|row| row.fields.clone()).unwrap_or_default();
            merged.extend(fields.clone());
            facts.applied.insert(change.address.clone(), own(merged));
        }
    }
}

/// What is written down before a call leaves: a network's lease.
pub fn intend(facts: &mut Facts, change: &Change) {
    if let (Kind::Network, Verb::Create(fields)) = (change.address.kind, &change.verb)
        && let Some(subnet) = fields.text("subnet").and_then(|subnet| subnet.parse().ok())
    {
        facts.leases.insert(change.address.clone(), subnet);
    }
    if let (Kind::Container, Verb::Create(fields)) = (change.address.kind, &change.verb) {
        let ports = fields.strings("published").into_iter().filter_map(|text| text.rsplit(':').nth(1)?.parse().ok());
        let ports: BTreeSet<u16> = ports.collect();
        if !ports.is_empty() {
            facts.ports.entry(change.address.base()).or_default().extend(ports);
        }
    }
}

/// The last generation of a container gives its ports back.
fn give_ports_back(facts: &mut Facts, container: &Address) {
    if !facts.applied.keys().any(|known| known.base() == container.base()) {
        facts.ports.remove(&container.base());
    }
}

/// As the engine does before it acts: verdicts, settled intents, what was learned, what is gone.
pub fn keep_books(state: &mut State, view: &World, wants: &Wants, plan: &Plan) {
    let (facts, now) = (&mut state.facts, state.now);
    for failure in &wants.failed {
        facts.failed.insert(failure.address.clone(), failure.clone());
    }
    for good in &wants.good {
        facts.last_good.insert(good.base.clone(), (good.generation.clone(), good.fields.clone()));
    }
    let left = wants.left();
    facts.repointed_at.retain(|address, _| left.contains(address));
    for address in left {
        let since = facts.repointed_at.entry(address).or_insert(now);
        *since = now.min(*since);
    }
    facts.open_intents.retain(|address, left| !settling::is_settled(view, address, *left, now));
    let changing: BTreeSet<&Address> = plan.changes.iter().map(|change| &change.address).collect();
    for (address, want) in &wants.map {
        let Some(seen) = view.seen.get(address).filter(|seen| seen.owner.is_ours()) else { continue };
        if want.keep_only || changing.contains(address) || address.kind == Kind::Image {
            continue;
        }
        let known = facts.applied.get(address);
        let same = known.is_some_and(|known| {
            let its = known.vendor_id == seen.vendor_id && known.service == want.service;
            its && plan::compare::is_applied(&want.fields, view, &known.fields)
        });
        if !same {
            let fields = plan::compare::learned(&want.fields, view, &seen.fields);
            let row = Applied { service: want.service.clone(), vendor_id: seen.vendor_id.clone(), fields };
            if let Some(subnet) = row.fields.text("subnet").and_then(|subnet| subnet.parse().ok()) {
                facts.leases.insert(address.clone(), subnet);
            }
            facts.applied.insert(address.clone(), row);
        }
    }
    let known = |address: &Address| view.seen.contains_key(address) || wants.map.contains_key(address);
    let gone: Vec<Address> = facts
        .applied
        .keys()
        .filter(|address| !known(address) && view.gap(address).is_none() && !facts.open_intents.contains_key(*address))
        .cloned()
        .collect();
    for address in gone {
        facts.applied.remove(&address);
        facts.leases.remove(&address);
        give_ports_back(facts, &address);
    }
}

pub fn is_starting(raw: &World, wants: &Wants, facts: &Facts) -> bool {
    let probed = wants.probes.keys().filter(|address| !facts.failed.contains_key(*address));
    // Servers of a zone answer after a while; who waits for that waits for nothing else.
    let awaited = wants.map.values().flat_map(|want| &want.needs);
    let answered = awaited
        .filter(|need| need.is == amarre_core::model::State::Ready && need.on.kind == Kind::Record)
        .map(|need| &need.on);
    let mut watched = probed.chain(&wants.tasks).chain(answered);
    watched.any(|address| raw.seen.get(address).is_some_and(|seen| matches!(seen.ready, Readiness::NotYet { .. })))
}

/// What a crash leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Between two changes.
    Between,
    /// And the ledger is lost.
    LedgerLost,
    /// The call had its effect, its outcome was not written down.
    AfterEffect,
    /// The call never left.
    BeforeEffect,
}

/// The state after the first `count` changes and a crash there; `None` where the crash makes no difference.
pub fn cut(walk: &Walk, start: &State, count: usize, crash: Crash) -> Option<State> {
    let last = count.checked_sub(1).and_then(|at| walk.steps.get(at));
    let after = last.map_or(start, |step| &step.after);
    let mut state = after.clone();
    match crash {
        Crash::Between => (),
        // Without mark and ledger a thing is somebody else's.
        Crash::LedgerLost if state.raw.seen.values().any(|seen| seen.owner == Owner::MarkLost) => return None,
        Crash::LedgerLost => {
            let facts = std::mem::take(&mut state.facts);
            state.facts = Facts {
                last_good: facts.last_good,
                suspended: facts.suspended,
                frozen: facts.frozen,
                gone: facts.gone,
                prune_blocked: facts.prune_blocked,
                ..Facts::default()
            };
        }
        Crash::AfterEffect | Crash::BeforeEffect => {
            let step = last?;
            state.facts = step.before.facts.clone();
            if crash == Crash::BeforeEffect {
                state.raw = step.before.raw.clone();
            }
            if matches!(step.change.verb, Verb::Create(_)) {
                intend(&mut state.facts, &step.change);
            }
            state.facts.open_intents.insert(step.change.address.clone(), state.now);
        }
    }
    Some(state)
}

/// What counts when two ends are compared: everything but ids, times and which of several free addresses was taken.
pub fn essence(state: &State, strict: bool) -> BTreeMap<String, String> {
    let view = state::observe(&State { raw: World { gaps: Vec::new(), ..state.raw.clone() }, ..state.clone() });
    let mut essence: BTreeMap<String, String> = BTreeMap::new();
    for (address, seen) in &view.seen {
        let mut fields = seen.fields.clone();
        let schema = schemas().get(&(address.provider.family().to_owned(), address.kind)).unwrap();
        let later = |rule| matches!(rule, Rule::Observed | Rule::Volatile | Rule::AtMost);
        let observed = schema.fields.iter().filter(|field| later(field.rule));
        observed.for_each(|field| drop(fields.remove(field.name)));
        if address.kind == Kind::Container && fields.text("restart") == Some("no") {
            // A plan does not wait until what ends has ended.
            fields.remove("running");
        }
        if !strict {
            ["subnet", "environment", "mark"].iter().for_each(|name| drop(fields.remove(name)));
        }
        if !strict && !state.raw.gaps.is_empty() {
            // Without a ledger, nobody knows where hidden hosts point.
            fields.remove("forward_host");
            fields.remove("locations");
        }
        if let Some(environment) = fields.get("environment").and_then(Value::entries).cloned() {
            let nameless = |value: Value| match value {
                Value::Secret { mark, .. } => Value::secret(SecretName(mark.0.clone()), *mark),
                other => other,
            };
            let kept = environment.into_iter().filter(|(name, _)| name != "PATH");
            fields.set("environment", Value::Map(kept.map(|(name, value)| (name, nameless(value))).collect()));
        }
        let points = matches!(address.kind, Kind::ProxyHost | Kind::Stream) && fields.get("forward_host").is_some();
        if let Some((target, _)) = dangers::target(&view, seen).filter(|_| points) {
            fields.set("forward_host", Value::text(target.base().to_string()));
            if view.seen[target].fields.get("published").is_some() {
                // Which of several free ones was taken does not count.
                fields.remove("forward_port");
            }
        }
        if let Some(Value::List(locations)) = fields.get("locations").cloned() {
            let named = |location: Value| match location {
                Value::Map(mut entries) => {
                    let host = entries.get("host").and_then(Value::as_text);
                    let is_it = |(other, seen): &(&Address, &amarre_core::model::Seen)| {
                        other.kind == Kind::Container && seen.fields.text("address") == host
                    };
                    if let Some((target, _)) = view.seen.iter().find(is_it) {
                        entries.insert("host".to_owned(), Value::text(target.base().to_string()));
                    }
                    Value::Map(entries)
                }
                other => other,
            };
            fields.set("locations", Value::List(locations.into_iter().map(named).collect()));
        }
        let works = address.kind == Kind::Record || seen.ready.is_ready();
        let owner = if strict { format!("{:?} ", seen.owner) } else { String::new() };
        let entry = format!("{fields:?} {owner}{}", if works { "works" } else { "does not work" });
        let mut key = address.base().to_string();
        while essence.contains_key(&key) {
            key.push('+');
        }
        essence.insert(key, entry);
    }
    essence
}

/// Changes that wait for nothing that a person, a suspension or a gap would have to let go.
pub fn unexplained(plan: &Plan) -> Vec<String> {
    let held = |change: &Change| change.refusal().is_some();
    let mut stuck: BTreeSet<&Address> =
        plan.changes.iter().filter(|change| held(change)).map(|change| &change.address).collect();
    loop {
        let count = stuck.len();
        for change in &plan.changes {
            if let Gate::After(needs) = &change.gate
                && needs.iter().any(|need| stuck.contains(&need.on) || plan.gaps.iter().any(|gap| gap.covers(&need.on)))
            {
                stuck.insert(&change.address);
            }
        }
        if stuck.len() == count {
            break;
        }
    }
    let rest = plan.changes.iter().filter(|change| !stuck.contains(&change.address));
    rest.map(|change| format!("{} {} {:?}", change.action(), change.address, change.gate)).collect()
}

/// What calls on their way were to make, they have not made; what they were to delete is gone.
fn calls_end(state: &mut State) {
    state.facts.in_progress.clear();
    for address in std::mem::take(&mut state.facts.going) {
        state.raw.seen.remove(&address);
    }
}
