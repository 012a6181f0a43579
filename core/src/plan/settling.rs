//! A create whose outcome is not known may still take effect: when it may be made again, by the row of its kind. Pure.

use std::collections::BTreeMap;

use super::input::Input;
use crate::model::flapping::{Flap, ITSELF};
use crate::model::kinds::Settling;
use crate::model::plan::Wait;
use crate::model::{Address, Code, Gate, Hint, Refusal, Timestamp, World};
use crate::text;

/// What a create at `address` for `service` waits for because of one before it; `None`: nothing.
pub fn gate(input: &Input<'_>, address: &Address, service: &str) -> Option<Gate> {
    let settling = address.kind.traits().settling;
    let left = match settling {
        Settling::After(_) => input.facts.open_intents.get(address).copied(),
        Settling::RuledOut(_) => last_create(input, address),
    }?;
    // A person's word covers the calls that left before it, and no other.
    if input.requests.create_again.get(service).is_some_and(|said| left < *said) {
        return None;
    }
    match over_at(input.world, address, left) {
        Some(at) => input.now.is_before(at).then_some(Gate::Until { at, what: Wait::Settle }),
        None if input.now.is_before(settling.until(left)) => {
            Some(Gate::Until { at: settling.until(left), what: Wait::Settle })
        }
        None => Some(Gate::Held(undecided(address, service, left))),
    }
}

/// Whether an intent that left at `left` needs no attention any more: its effect is observed, or none will come.
pub fn is_settled(world: &World, address: &Address, left: Timestamp, now: Timestamp) -> bool {
    let is_ruled_out_first = matches!(address.kind.traits().settling, Settling::RuledOut(_));
    let is_over = over_at(world, address, left).is_some_and(|at| at <= now);
    is_over || is_ruled_out_first && world.seen.contains_key(address)
}

/// When a call that left at `left` can have no effect any more that is not observed. `None`: the vendor does not tell yet.
fn over_at(world: &World, address: &Address, left: Timestamp) -> Option<Timestamp> {
    let settling = address.kind.traits().settling;
    match settling {
        Settling::After(_) => Some(settling.until(left)),
        Settling::RuledOut(_) => world.ruled_out.get(address).map(|since| settling.until(left.max(*since))),
    }
}

/// When the last create left here. What the vendor confirmed counts like what it did not: its list may lag. The beginning of
/// time: one was made, and it is not known when.
fn last_create(input: &Input<'_>, address: &Address) -> Option<Timestamp> {
    let unknown = input.facts.open_intents.get(address).copied();
    let confirmed = input.facts.flaps.get(address).and_then(unseen_create);
    let made = input.facts.applied.contains_key(address).then(Timestamp::default);
    unknown.max(confirmed).max(made)
}

fn undecided(address: &Address, service: &str, left: Timestamp) -> Refusal {
    let (kind, provider) = (address.kind, address.provider.title());
    let call = match left.0 {
        0 => text!("is in the ledger"),
        _ => left.rfc3339().into(),
    };
    Refusal {
        code: Code::A0449,
        message: text!(
            "a create of this {kind} may have worked: {provider} neither lists it nor rules it out",
            kind,
            provider = &provider
        ),
        found: vec![(text!("last create"), call), (text!("listed"), text!("no"))],
        hints: vec![
            Hint::text(text!(
                "look for it at {provider}: once {provider} lists it, or shows that there is none, Amarre goes on",
                provider
            )),
            Hint::command(text!("if there is none"), format!("amarre retry {service} --create-again")),
        ],
    }
}

/// When a create left last that was confirmed and whose effect is not observed yet.
pub(crate) fn unseen_create(flaps: &BTreeMap<String, Flap>) -> Option<Timestamp> {
    let flap = flaps.get(ITSELF).filter(|flap| flap.wanted == "create" && flap.unseen > 0)?;
    flap.writes.last().copied()
}
