//! Fields that somebody else writes, too: they are left out of the plan's changes, and everything else goes on.

use std::collections::BTreeMap;

use crate::model::flapping::{DAY_MAX, Flap, HOUR_MAX, ITSELF, LeftAloneReason, UNSEEN_MAX};
use crate::model::plan::Wait;
use crate::model::{
    Address, Arg, Change, Code, FieldDiff, FieldName, Gate, Hint, Kind, Note, Plan, Refusal, Timestamp, Verb, Wants,
    World, flapping,
};
use crate::plan::input::Input;
use crate::plan::{compare, settling};
use crate::text;

/// Takes what is left alone out of each change; one of which nothing is left is held.
pub fn hold_back(input: &Input<'_>, plan: &mut Plan) {
    let mut notes = Vec::new();
    for change in &mut plan.changes {
        let Some(flaps) = input.facts.flaps.get(&change.address).filter(|_| change.refusal().is_none()) else {
            continue;
        };
        if let Some(at) = not_yet_seen(input, change, flaps) {
            change.gate = Gate::Until { at, what: Wait::Settle };
            plan.next_look = Some(plan.next_look.map_or(at, |known| known.min(at)));
            continue;
        }
        let left = fields_left_alone(input, change, flaps);
        let Some((_, why)) = left.first_key_value() else { continue };
        let refusal = refusal(input, change, &left, flaps, *why);
        if let Verb::Update(fields) = &mut change.verb
            && fields.names().any(|field| !left.contains_key(&**field))
        {
            fields.retain(|field, _| !left.contains_key(&**field));
            change.diff.retain(|diff| !left.contains_key(top(diff)));
            notes.push(Note {
                service: change.service.clone(),
                address: Some(change.address.clone()),
                text: text!("{message}, {code}", message = Arg::Text(Box::new(refusal.message)), code = refusal.code),
                code: Some(refusal.code),
            });
        } else {
            change.gate = Gate::Held(refusal);
        }
    }
    plan.notes.extend(notes);
    plan.notes.sort();
}

/// What a look says of all that is remembered: the rows that change, `None` = gone.
pub fn after_look(
    flaps: &BTreeMap<Address, BTreeMap<String, Flap>>,
    (wants, world, plan): (&Wants, &World, &Plan),
    spared: impl Fn(&Flap) -> bool,
    now: Timestamp,
) -> Vec<(Address, String, Option<Flap>)> {
    let mut rows = Vec::new();
    for (address, fields) in flaps {
        let change = plan.changes.iter().find(|change| change.address == *address);
        for (field, flap) in fields {
            if world.gap(address).is_some() || spared(flap) {
                continue;
            }
            let noted = plan.notes.iter().any(|note| note.address.as_ref() == Some(address) && is_noted(note));
            let next = match (world.seen.get(address), wants.map.get(address)) {
                (None, None) => None,
                // Once it has been seen there is nothing to remember.
                _ if field == ITSELF => flap.seen(false, now).filter(|flap| is_again(change, flap)),
                (Some(_), Some(want)) => {
                    let wanted = want.fields.get(field).map(|value| flapping::digest(field, &resolved(value, world)));
                    let is_asked_for = wanted.is_none_or(|wanted| wanted == flap.wanted);
                    let is_left = flap.since.is_some() || flap.unseen >= UNSEEN_MAX;
                    let differs = noted && is_left
                        || change.is_some_and(|change| change.diff.iter().any(|diff| top(diff) == field));
                    if is_asked_for || flap.since.is_none() { flap.seen(!differs, now) } else { None }
                }
                (Some(_), None) | (None, Some(_)) => Some(flap.clone()),
            };
            if next.as_ref() != Some(flap) {
                rows.push((address.clone(), field.clone(), next));
            }
        }
    }
    rows
}

/// What was made a moment ago and is not in the vendor's list yet is not made a second time at once.
fn not_yet_seen(input: &Input<'_>, change: &Change, flaps: &BTreeMap<String, Flap>) -> Option<Timestamp> {
    let last = settling::unseen_create(flaps).filter(|last| !input.now.is_before(*last))?;
    let is_made = matches!(change.verb, Verb::Create(_)) && change.is_now() && change.address.kind != Kind::Image;
    let until = change.address.kind.traits().settling.until(last);
    (is_made && input.now.is_before(until)).then_some(until)
}

/// Whether what was made or removed is to be made or removed once more.
fn is_again(change: Option<&Change>, flap: &Flap) -> bool {
    change.is_some_and(|change| change.action() == flap.wanted)
}

/// Which fields of a change are left alone, and why.
fn fields_left_alone(
    input: &Input<'_>,
    change: &Change,
    flaps: &BTreeMap<String, Flap>,
) -> BTreeMap<String, LeftAloneReason> {
    let revision = input.facts.revision.as_str();
    let of = |field: &str, wanted: &str| flaps.get(field)?.left(wanted, revision, input.now.exact());
    match &change.verb {
        Verb::Update(fields) => {
            let left =
                |(name, value): (&FieldName, _)| Some((name.to_string(), of(name, &flapping::digest(name, value))?));
            fields.iter().filter_map(left).collect()
        }
        // That something is made or removed over and over by turns is somebody's work; only what has no effect is left.
        Verb::Create(_) | Verb::Delete => of(ITSELF, change.action())
            .filter(|_| flaps.get(ITSELF).is_some_and(|flap| flap.unseen >= UNSEEN_MAX))
            .map(|_| (ITSELF.to_owned(), LeftAloneReason::DoesNotStay))
            .into_iter()
            .collect(),
    }
}

fn refusal(
    input: &Input<'_>,
    change: &Change,
    left: &BTreeMap<String, LeftAloneReason>,
    flaps: &BTreeMap<String, Flap>,
    why: LeftAloneReason,
) -> Refusal {
    let (kind, name) = (change.address.kind, &change.address.name);
    let named: Vec<&str> = left.keys().map(String::as_str).filter(|field| *field != ITSELF).collect();
    let (code, message) = match why {
        LeftAloneReason::DoesNotStay => {
            let times = i64::from(UNSEEN_MAX);
            let message =
                text!("{kind} {name} was written {times} times and does not stay as written", kind, name, times);
            (Code::A0906, message)
        }
        LeftAloneReason::Quarantined => {
            let times =
                named.iter().filter_map(|field| flaps.get(*field)).map(|flap| flap.count(input.now.exact())).max();
            let times = times.unwrap_or_default().clamp(HOUR_MAX, DAY_MAX);
            let message = text!(
                "{fields} of {kind} {name} was put right {times} times and is undone again",
                fields = named,
                kind,
                name,
                times
            );
            (Code::A0907, message)
        }
    };
    let is_named = |diff: &&FieldDiff| left.contains_key(top(diff));
    let shown = |value: &Option<crate::model::Value>| value.as_ref().map_or("(none)".to_owned(), ToString::to_string);
    let line = |diff: &FieldDiff| diff.found(shown);
    Refusal {
        code,
        message,
        found: change.diff.iter().filter(is_named).map(line).collect(),
        hints: vec![
            Hint::text(text!("does another program or another person write it as well?")),
            Hint::command(text!("to try again"), format!("amarre reconcile {}", change.service)),
        ],
    }
}

/// A map is written whole, though it is shown entry by entry.
fn top(diff: &FieldDiff) -> &str {
    diff.field.split('.').next().unwrap_or(&diff.field)
}

fn is_noted(note: &Note) -> bool {
    matches!(note.code, Some(Code::A0906 | Code::A0907))
}

fn resolved(value: &crate::model::Value, world: &World) -> crate::model::Value {
    let fields = crate::model::Fields::default().with("value", value.clone());
    compare::resolve(&fields, world).get("value").cloned().unwrap_or_else(|| value.clone())
}

/// Whether fields of a change are left alone, since somebody else writes them too.
pub fn is_quarantined(flaps: &BTreeMap<Address, BTreeMap<String, Flap>>, change: &Change, now: Timestamp) -> bool {
    let rows = flaps.get(&change.address).into_iter().flatten();
    rows.into_iter().any(|(_, flap)| flap.left(&flap.wanted, "", now) == Some(LeftAloneReason::Quarantined))
}
