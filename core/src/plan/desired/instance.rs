//! The power that a server of a cloud is to have now.
//!
//! | the server | what is wanted |
//! |---|---|
//! | is not seen | nothing; its manifest is refused, for it is never made |
//! | is on its way to something, or in trouble | that it is there |
//! | rests | its power, unless none is wanted now: before the first tick of a timetable |

use std::collections::BTreeMap;

use super::expand::Expansion;
use crate::model::instance::{Instance, POWER_WITHIN, PowerFacts};
use crate::model::power::{self, Cause, Power, PowerRule};
use crate::model::{Address, Code, Fields, Hint, Millis, Readiness, Refusal, Timestamp, Value, World};
use crate::plan::input::Input;

/// Wants the server, with its power where that may be changed now.
pub(super) fn expand(expansion: &mut Expansion<'_>, instance: &Instance) {
    let input = expansion.input;
    let address = &instance.address;
    let seen = input.world.seen.get(address);
    let now = resting(input.world, address).filter(|seen| shown_until(input, address, *seen).is_none());
    let level = instance.wanted(input.facts.power.get(address), input.now).level;
    let mut fields = Fields::default();
    if let (Some(level), Some(now)) = (level, now) {
        if !level.is_met_by(now) {
            fields.set("power", Value::text(level.as_str()));
        }
        let stopped = input.facts.power.get(address).and_then(|facts| facts.stopped_at);
        let grace = expansion.service.reconcile.stopped_grace;
        if let (Some(stopped), PowerRule::Level(Power::On), false) = (stopped, &instance.rule, input.requests.impatient)
        {
            expansion.wants.rests_until.insert(address.clone(), stopped.min(input.now) + grace);
        }
    }
    expansion.wants.limits.insert(address.clone(), POWER_WITHIN);
    let want = expansion.want(address.clone(), fields, Vec::new(), &instance.origin);
    if seen.is_none() {
        want.refuse(Some(missing(instance)));
    }
}

fn missing(instance: &Instance) -> Refusal {
    let Instance { address, cloud, .. } = instance;
    Refusal {
        code: Code::A0733,
        message: format!("{cloud} has no instance {}", address.name),
        found: Vec::new(),
        hints: vec![
            Hint::command("to see which there are", "amarre instance list --wide".to_owned()),
            Hint::text("a manifest with `id` makes no instance: correct the id, or remove the manifest"),
        ],
    }
}

/// The power in which a server rests; `None`: it is not seen, or on its way.
pub fn resting(world: &World, address: &Address) -> Option<Power> {
    let seen = world.thing(address).filter(|_| world.gap(address).is_none())?;
    let rests = matches!(seen.ready, Readiness::Ready);
    Power::parse(seen.fields.text("power").filter(|_| rests)?)
}

/// How long a vendor may show the power from before a write.
const SHOWN_LATE: Millis = Millis::seconds(15);

/// Until when it is not known whether a power that is seen is that from before the last write.
fn shown_until(input: &Input<'_>, address: &Address, seen: Power) -> Option<Timestamp> {
    let (to, at) = input.facts.power.get(address)?.written?;
    let may_be_late = to != seen && (Millis(0)..SHOWN_LATE).contains(&(input.now - at));
    may_be_late.then_some(at + SHOWN_LATE)
}

/// What is to be known of the power of every managed server after a look.
pub fn after_look(input: &Input<'_>) -> BTreeMap<Address, PowerFacts> {
    // A manifest that cannot be read for the moment takes no override away.
    let mut facts = if input.facts.prune_blocked { input.facts.power.clone() } else { BTreeMap::new() };
    let instances = input.services.values().filter_map(|service| service.instance.as_ref());
    facts.extend(instances.map(|instance| (instance.address.clone(), after_look_at(input, instance))));
    facts
}

fn after_look_at(input: &Input<'_>, instance: &Instance) -> PowerFacts {
    let Instance { address, rule, .. } = instance;
    let now = input.now;
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
        let did_we = facts.moving.is_some_and(|(to, _)| to == seen);
        let observed = power::observed(now, rule, &wanted, facts.seen, seen, did_we).filter(|_| is_same_span);
        let was_on = facts.seen == Some(Power::On);
        facts.stopped_at = match (seen, &observed) {
            (Power::On, _) | (_, Some(_)) => None,
            _ if was_on && wanted.level == Some(Power::On) => Some(now),
            _ => facts.stopped_at,
        };
        facts.override_ = observed.or(facts.override_);
        facts.seen = Some(seen);
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

/// When the wanted power of a managed server is another one by itself: a tick, or the end of an override.
pub fn next_change(input: &Input<'_>) -> Option<Timestamp> {
    let instances = input.services.values().filter_map(|service| service.instance.as_ref());
    let changes = instances.flat_map(|instance| {
        let wanted = instance.wanted(input.facts.power.get(&instance.address), input.now);
        let end = match wanted.why {
            Cause::Override(_, end) => end,
            Cause::Unmanaged | Cause::Level(_) | Cause::Tick(_) | Cause::NoTickYet(_) => None,
        };
        let seen = resting(input.world, &instance.address);
        let shown = seen.and_then(|seen| shown_until(input, &instance.address, seen));
        [wanted.next.map(|tick| tick.at), end, shown]
    });
    changes.flatten().filter(|at| *at > input.now).min()
}
