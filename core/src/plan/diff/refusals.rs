//! Why a change of one resource is held: it refers to what is not there, something else has its place, or it cannot change
//! where it is.

use std::collections::BTreeSet;

use super::ways_out::{Rival, ways_out};
use crate::model::{Address, Code, FieldDiff, Hint, Kind, Need, Refusal, Seen, State, Text, Value, Want, Wants};
use crate::plan::desired::subnets;
use crate::plan::input::Input;
use crate::plan::{exclusive, protection};
use crate::text;

/// A manifest that refers to what is neither there nor made by any manifest waits for a person.
pub fn nobody_makes(input: &Input<'_>, wants: &Wants, want: &Want, unmet: &[Need]) -> Option<Refusal> {
    let is_lost = |need: &&Need| {
        let on = &need.on;
        let is_there = input.world.seen.contains_key(on) || wants.map.contains_key(on);
        need.is != State::Absent && !is_there && input.world.gap(on).is_none()
    };
    let on = &unmet.iter().find(is_lost)?.on;
    let (kind, name) = (on.kind, &on.name);
    let hint = if on.kind == Kind::Container {
        text!("start it, or correct `npm.container` in amarre.yaml: {name} is looked for by this name", name)
    } else {
        let place = format!("{}:{}", want.origin.file, want.origin.line);
        text!("make it in {provider}, or correct {place}", provider = &on.provider, place)
    };
    Some(Refusal {
        code: Code::A0408,
        message: text!("needs {kind} {name}, which is not there", kind, name),
        found: Vec::new(),
        hints: vec![Hint::text(hint)],
    })
}

/// Something else is where it is to be.
pub fn conflict(input: &Input<'_>, address: &Address, want: &Want, seen: &Seen, diffs: &[FieldDiff]) -> Refusal {
    let (kind, name, whose) = (address.kind, &address.name, seen.owner.whose());
    let names = if kind == Kind::Record { name.rsplit_once('/').map_or(name.as_str(), |(name, _)| name) } else { name };
    let rival = Rival { address, owner: &seen.owner, names, is_alike: true };
    Refusal {
        code: Code::A0405,
        message: text!("{kind} {name} exists and {whose}", kind, name, whose),
        found: found(diffs),
        hints: ways_out(input, &rival, want),
    }
}

/// What is there and what was wanted instead.
fn found(diffs: &[FieldDiff]) -> Vec<(Text, Text)> {
    let show = |value: &Option<Value>| match value.as_ref().map(ToString::to_string) {
        Some(text) if !text.is_empty() => text,
        Some(_) | None => "(none)".to_owned(),
    };
    diffs.iter().map(|diff| diff.found(show)).collect()
}

/// What differs cannot be written to what is there.
pub fn cannot_change(input: &Input<'_>, address: &Address, want: &Want, diffs: &[FieldDiff]) -> Refusal {
    let subnet = diffs.iter().find(|diff| address.kind == Kind::Network && diff.field == "subnet");
    let asked = subnet.and_then(|diff| diff.to.as_ref()?.as_text()?.parse().ok());
    if let Some(refusal) = asked.and_then(|asked| subnets::free_of_others(input, address, asked).err()) {
        return refusal;
    }
    Refusal {
        code: Code::A0406,
        message: text!("{kind} {name} cannot change in place", kind = address.kind, name = &address.name),
        found: found(diffs),
        hints: down_and_up(input, address, want),
    }
}

/// Down and up again with everything that is on it. What is protected is not destroyed: that is lifted first, and then it
/// may need no command.
fn down_and_up(input: &Input<'_>, address: &Address, want: &Want) -> Vec<Hint> {
    let containers = input.world.of_kind(&address.provider, Kind::Container);
    let on_it = containers.filter(|(_, seen)| seen.owner.is_ours() && exclusive::is_on(&seen.fields, address));
    let mut services: BTreeSet<&String> = on_it.filter_map(|(_, seen)| seen.service.as_ref()).collect();
    services.insert(&want.service);
    let protections = services.iter().filter_map(|service| protection::indestructible(input, service));
    let lifted: Vec<Hint> = protections.flat_map(|refusal| refusal.hints).collect();
    if !lifted.is_empty() {
        return lifted;
    }
    let names = services.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
    let resumes: String = services.iter().map(|name| format!(" && amarre resume {name}")).collect();
    let what = match services.len() {
        1 => text!("take the service down and up again; its volumes stay"),
        _ => text!("take what is on it down and up again; volumes stay"),
    };
    vec![Hint::command(what, format!("amarre destroy {names}{resumes}"))]
}
