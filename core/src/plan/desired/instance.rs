//! What a server of a cloud is to be, and the power that it is to have now.
//!
//! | the server | what is wanted |
//! |---|---|
//! | is not seen, and its manifest names an id | nothing; the manifest is refused, for such a one is never made |
//! | is not seen, and Amarre makes it | that it is made; it runs then, and its rule holds from the next look on |
//! | is on its way to something, or in trouble | that it is there |
//! | rests | its power, unless none is wanted now: before the first tick of a timetable |

use std::collections::BTreeMap;

use super::dns_records::WantedRecords;
use crate::model::instance::{Instance, POWER_WITHIN, PowerFacts, is_listed, not_shelved};
use crate::model::power::{Cause, Power, PowerRule, Wanted};
use crate::model::{
    Address, Code, FieldDiff, Hint, Millis, Need, Refusal, Rule, Seen, Service, Text, Timestamp, Value, Want, World,
    power,
};
use crate::plan::expansion::Expansion;
use crate::plan::input::Input;
use crate::text;

/// Wants the server, with its power where that may be changed now.
pub fn expand(expansion: &mut Expansion<'_>, instance: &Instance) {
    let input = expansion.input;
    let address = &instance.address;
    let seen = input.world.seen.get(address);
    let now = resting(input.world, address).filter(|seen| shown_until(input, address, *seen).is_none());
    let level = wanted(input, instance).level;
    let shape = instance.shape.as_ref();
    let mut fields = shape.map(|shape| shape.fields(&input.site.instance, address)).unwrap_or_default();
    if let (Some(level), Some(now)) = (level, now) {
        if !level.is_met_by(now) {
            fields.set("power", Value::text(level.as_str()));
        }
        let stopped = input.facts.power.get(address).and_then(|facts| facts.stopped_at);
        let grace = expansion.service.reconcile.stopped_grace;
        let is_awaited = input.requests.is_awaited(&expansion.service.name);
        if let (Some(stopped), PowerRule::Level(Power::On), false) = (stopped, &instance.rule, is_awaited) {
            expansion.wants.rests_until.insert(address.clone(), input.now.not_later(stopped) + grace);
        }
    }
    expansion.wants.limits.insert(address.clone(), POWER_WITHIN);
    expansion.wants.checks.extend(instance.check.clone().map(|check| (address.clone(), check)));
    if seen.is_some() && now.is_none() {
        // What is on its way has no other size or name given to it. What it is to have then is asked for its price by now.
        let size = fields.remove("type");
        expansion.wants.sizes.extend(size.map(|size| (address.clone(), size)));
        fields.remove("name");
    }
    if level != Some(Power::Shelved) && instance.rule.shelves() {
        // Once it is to be shelved, that change is held; it is said before.
        let name = if shape.is_some() { &address.name } else { &expansion.service.name };
        let why = seen.and_then(|seen| not_shelved(name, &seen.fields));
        why.into_iter().for_each(|why| expansion.note(Some(address.clone()), why.message));
    }
    let want = expansion.want(address.clone(), fields, Vec::new(), &instance.origin);
    if shape.is_none() {
        want.refuse(match seen {
            Some(seen) => foreign_project(input, instance, seen),
            None => Some(missing(instance)),
        });
    }
    let is_refused = want.refusal.is_some() && seen.is_some();
    records(expansion, instance, is_refused);
}

/// Why a server of a project that policy does not list is left alone. Without its project, a manifest could not be judged.
fn foreign_project(input: &Input<'_>, instance: &Instance, seen: &Seen) -> Option<Refusal> {
    let Instance { address, cloud, .. } = instance;
    let field = |name| seen.fields.text(name).unwrap_or_default();
    let (project, name) = (field("project"), field("project_name"));
    if is_listed(&input.site.policy.instances, cloud, Some([project, name]), &address.name) {
        return None;
    }
    let project = if name.is_empty() { project } else { name };
    let entry = format!("`policy: {{instances: [\"{cloud}:{project}/{}\"]}}`", address.name);
    Some(Refusal {
        code: Code::A0294,
        message: text!(
            "policy forbids manifests to name instances of the project {project} of {cloud}",
            project,
            cloud,
        ),
        found: Vec::new(),
        hints: vec![Hint::text(text!("ask the operator to write {entry} into amarre.yaml", entry))],
    })
}

/// The records of its names. What it has no address for, or is not seen, keeps the record that is there.
/// Nothing new leads to one that is refused.
fn records(expansion: &mut Expansion<'_>, instance: &Instance, is_refused: bool) {
    let input = expansion.input;
    let seen = &input.world.seen;
    let server = seen.get(&instance.address);
    for domain in &instance.domains {
        for (record_type, field) in [("A", "address"), ("AAAA", "address_v6")] {
            let has = server.is_some_and(|server| server.fields.get(field).is_some());
            let is_there = seen.contains_key(&expansion.record_address(domain, record_type));
            let is_kept = server.is_none() && is_there;
            if if is_refused { is_there } else { record_type == "A" || has || is_kept } {
                let values = Value::List(vec![Value::output(instance.address.clone(), field)]);
                let set = WantedRecords { name: domain, record_type, values, ttl_s: input.site.dns_ttl_s };
                let needs = vec![Need::ready(instance.address.clone())];
                expansion.record_set(set, needs, &instance.origin);
            }
        }
    }
}

fn missing(instance: &Instance) -> Refusal {
    let Instance { address, cloud, .. } = instance;
    Refusal {
        code: Code::A0733,
        message: text!("{cloud} has no instance {name}", cloud, name = &address.name),
        found: Vec::new(),
        hints: vec![
            Hint::command(text!("to see which there are"), "amarre instance list --wide"),
            Hint::text(text!("a manifest with `id` makes no instance: correct the id, or remove the manifest")),
        ],
    }
}

/// Leaves of several differences of a server the one that is dealt with first: a vendor does one thing at a time, and what
/// cannot be changed holds up nothing else. Answers why it is held, if it is.
pub fn first_change(
    input: &Input<'_>,
    address: &Address,
    want: &Want,
    diffs: &mut Vec<(Rule, FieldDiff)>,
) -> Option<Refusal> {
    let is_resize = |(_, diff): &(Rule, FieldDiff)| diff.field == "type";
    let is_power = |(_, diff): &(Rule, FieldDiff)| diff.field == "power";
    let resize = diffs.iter().any(is_resize).then(|| no_resize(input, address, want)).flatten();
    let shelve = diffs.iter().any(is_power).then(|| no_shelve(input, address, want)).flatten();
    let is_open = |one: &&(Rule, FieldDiff)| {
        let is_closed = resize.is_some() && is_resize(one) || shelve.is_some() && is_power(one);
        one.0 == Rule::Update && !is_closed
    };
    if let Some(first) = diffs.iter().find(is_open).cloned() {
        *diffs = vec![first];
        return None;
    }
    if diffs.iter().any(|(rule, _)| *rule == Rule::Fixed) {
        return Some(another_server(address, want, diffs));
    }
    shelve.or(resize)
}

/// Why a server is not shelved, where that is wanted now.
fn no_shelve(input: &Input<'_>, address: &Address, want: &Want) -> Option<Refusal> {
    let is_shelve = want.fields.text("power") == Some(Power::Shelved.as_str());
    let seen = input.world.thing(address).filter(|_| is_shelve)?;
    let server = input.services.get(&want.service)?.server_at(address)?;
    let name = if server.shape.is_some() { &address.name } else { &want.service };
    not_shelved(name, &seen.fields)
}

/// Why the size of a server is not changed now.
fn no_resize(input: &Input<'_>, address: &Address, want: &Want) -> Option<Refusal> {
    let shape = input.services.get(&want.service)?.server_at(address)?.shape.as_ref()?;
    let name = &address.name;
    let (message, hint) = if !shape.may_resize {
        let what = "`update: {resize: allowed}`";
        let hint = Hint::text(text!("write {what} in {file}", what, file = &want.origin.file));
        (text!("another size needs {name} to be down for some minutes", name), hint)
    } else if address.provider.cloud_traits().resizes_when_off && resting(input.world, address) == Some(Power::On) {
        let hint = Hint::command(text!("it cuts the power"), format!("amarre instance stop {name}"));
        let provider = address.provider.title();
        (text!("{provider} changes the size of a server that is off, and {name} runs", provider, name), hint)
    } else {
        return None;
    };
    Some(Refusal { code: Code::A0738, message, found: Vec::new(), hints: vec![hint] })
}

/// What a server keeps for life is to be otherwise.
fn another_server(address: &Address, want: &Want, diffs: &[(Rule, FieldDiff)]) -> Refusal {
    let shown = |value: &Option<Value>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    let found = diffs.iter().filter(|(rule, _)| *rule == Rule::Fixed);
    let (fields, found): (Vec<&str>, Vec<(Text, Text)>) =
        found.map(|(_, diff)| (diff.field.as_str(), diff.found(shown))).unzip();
    let (service, file) = (&want.service, &want.origin.file);
    let put_back = text!("put back what was there in {file}; or make a second server under another name", file);
    let mut hints = vec![Hint::text(put_back)];
    // To destroy a pool for it would take the others, too.
    if *service == address.name {
        let again = format!("amarre destroy {service} --purge && amarre resume {service}");
        hints.push(Hint::command(text!("to lose its disks and have a new one"), again));
    }
    Refusal {
        code: Code::A0739,
        message: text!(
            "server {name} keeps its {fields} for life: another one would be without all that is on its disks",
            name = &address.name,
            fields
        ),
        found,
        hints,
    }
}

/// The power in which a server rests; `None`: it is not seen, or on its way.
pub fn resting(world: &World, address: &Address) -> Option<Power> {
    let seen = world.thing(address).filter(|_| world.gap(address).is_none())?;
    // What does not answer rests at its vendor all the same.
    let rests = seen.ready.is_ready() || seen.fields.flag("answers") == Some(false);
    Power::parse(seen.fields.text("power").filter(|_| rests)?)
}

/// How long a vendor may show the power from before a write.
const SHOWN_LATE: Millis = Millis::seconds(15);

/// Until when it is not known whether a power that is seen is that from before the last write.
fn shown_until(input: &Input<'_>, address: &Address, seen: Power) -> Option<Timestamp> {
    let (to, at) = input.facts.power.get(address)?.written?;
    let may_be_late = to != seen && !input.now.is_before(at) && input.now.is_before(at + SHOWN_LATE);
    may_be_late.then_some(at + SHOWN_LATE)
}

/// What is to be known of the power of every managed server after a look.
pub fn after_look(input: &Input<'_>) -> BTreeMap<Address, PowerFacts> {
    // A manifest that cannot be read for the moment takes no override away.
    let mut facts = if input.facts.prune_blocked { input.facts.power.clone() } else { BTreeMap::new() };
    let instances = input.services.values().flat_map(Service::servers);
    facts.extend(instances.map(|instance| (instance.address.clone(), after_look_at(input, instance))));
    facts
}

fn after_look_at(input: &Input<'_>, instance: &Instance) -> PowerFacts {
    let Instance { address, rule, .. } = instance;
    let now = input.now.exact();
    let timetable = rule.timetable().map(|table| table.identity()).unwrap_or_default();
    let known = input.facts.power.get(address);
    let mut facts = known.cloned().unwrap_or_default();
    if known.is_none() || facts.timetable != timetable {
        (facts.since, facts.tick, facts.ticked) = (now, None, None);
    }
    // A clock that was set back takes no tick away.
    (facts.since, facts.ticked) = (facts.since.min(now), facts.ticked.map(|at| at.min(now)));
    facts.override_ = facts.override_.filter(|one| one.survives(&facts.key, rule));
    (facts.key, facts.timetable) = (rule.key().to_owned(), timetable);
    let wanted = instance.wanted(Some(&facts), now);
    if wanted.override_is_over {
        facts.override_ = None;
        facts.watch_anew(now);
    }
    let tick = rule.timetable().and_then(|table| table.last_tick(now, facts.since)).map(|tick| tick.at);
    let is_same_span = facts.tick == tick;
    if !is_same_span {
        facts.ticked = Some(now);
    }
    facts.tick = tick;
    if let Some(seen) = resting(input.world, address) {
        let size = input.world.seen.get(address).and_then(|seen| seen.fields.text("type"));
        let is_resized = facts.size.as_deref().is_some_and(|before| size.is_some_and(|now| now != before));
        let did_we = is_resized || facts.moving.is_some_and(|(to, _)| to == seen);
        let observed = power::observed(now, rule, &wanted, facts.seen, seen, did_we).filter(|_| is_same_span);
        let was_on = facts.seen == Some(Power::On);
        facts.stopped_at = match (seen, &observed) {
            (Power::On, _) | (_, Some(_)) => None,
            _ if was_on && wanted.level == Some(Power::On) => Some(now),
            _ => facts.stopped_at,
        };
        facts.override_ = observed.or(facts.override_);
        facts.seen = Some(seen);
        facts.size = size.map(str::to_owned).or(facts.size);
        let level = instance.wanted(Some(&facts), now).level;
        facts.moving = match (level.filter(|level| !level.is_met_by(seen)), facts.moving) {
            (Some(to), Some((before, since))) if to == before => Some((to, since)),
            (Some(to), _) => Some((to, now)),
            // What was begun may still arrive, though something else is wanted by now.
            (None, Some((to, since))) if to != seen && (Millis(0)..POWER_WITHIN).contains(&(now - since)) => {
                facts.moving
            }
            (None, _) => None,
        };
    }
    facts
}

/// The power that a managed server is to have now, and why.
pub(crate) fn wanted(input: &Input<'_>, instance: &Instance) -> Wanted {
    let wanted = instance.wanted(input.facts.power.get(&instance.address), input.now.at());
    input.now.until(changes(&wanted).filter(|at| input.now.at() < *at));
    wanted
}

/// When that is another one by itself.
fn changes(wanted: &Wanted) -> impl Iterator<Item = Timestamp> + use<> {
    let end = match wanted.why {
        Cause::Override(_, end) => end,
        Cause::Unmanaged | Cause::Level(_) | Cause::Tick(_) | Cause::NoTickYet(_) => None,
    };
    wanted.next.map(|tick| tick.at).into_iter().chain(end)
}

/// When the wanted power of a managed server is another one by itself: a tick, or the end of an override.
pub fn next_change(input: &Input<'_>) -> Option<Timestamp> {
    let instances = input.services.values().flat_map(Service::servers);
    let times = instances.flat_map(|instance| {
        let wanted = wanted(input, instance);
        let seen = resting(input.world, &instance.address);
        let shown = seen.and_then(|seen| shown_until(input, &instance.address, seen));
        changes(&wanted).chain(shown)
    });
    times.filter(|at| input.now.is_before(*at)).min()
}
