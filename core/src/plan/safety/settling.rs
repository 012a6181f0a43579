//! A create whose outcome is not known may still take effect: when it may be made again, by the row of its kind. Pure.

use super::flapping;
use crate::model::kinds::Settling;
use crate::model::plan::Wait;
use crate::model::{Address, Code, Gate, Hint, Refusal, Timestamp, World};
use crate::plan::input::Input;

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
    let until = match (settling, input.world.ruled_out.get(address)) {
        (Settling::RuledOut(_), Some(since)) => settling.until(left.max(*since)),
        (Settling::RuledOut(_), None) if settling.until(left) <= input.now => {
            return Some(Gate::Held(undecided(address, service, left)));
        }
        (Settling::RuledOut(_) | Settling::After(_), _) => settling.until(left),
    };
    (input.now < until).then_some(Gate::Until { at: until, what: Wait::Settle })
}

/// Whether an intent that left at `left` needs no attention any more: its effect is observed, or none will come.
pub fn is_settled(world: &World, address: &Address, left: Timestamp, now: Timestamp) -> bool {
    let settling = address.kind.traits().settling;
    match settling {
        Settling::After(_) => settling.until(left) <= now,
        Settling::RuledOut(_) => {
            let ruled_out = world.ruled_out.get(address);
            let is_over = ruled_out.is_some_and(|since| settling.until(left.max(*since)) <= now);
            is_over || world.seen.contains_key(address)
        }
    }
}

/// When the last create left here. What the vendor confirmed counts like what it did not: its list may lag. The beginning of
/// time: one was made, and it is not known when.
fn last_create(input: &Input<'_>, address: &Address) -> Option<Timestamp> {
    let unknown = input.facts.open_intents.get(address).copied();
    let confirmed = flapping::last_create(input, address);
    let made = input.facts.applied.contains_key(address).then(Timestamp::default);
    unknown.max(confirmed).max(made)
}

fn undecided(address: &Address, service: &str, left: Timestamp) -> Refusal {
    let (kind, provider) = (address.kind.label(), address.provider.title());
    let call = match left.0 {
        0 => "is in the ledger".to_owned(),
        _ => left.rfc3339(),
    };
    Refusal {
        code: Code::A0449,
        message: format!("a create of this {kind} may have worked: {provider} neither lists it nor rules it out"),
        found: vec![("last create".to_owned(), call), ("listed".to_owned(), "no".to_owned())],
        hints: vec![
            Hint::text(format!(
                "look for it at {provider}: once {provider} lists it, or shows that there is none, Amarre goes on"
            )),
            Hint::command("if there is none", format!("amarre retry {service} --create-again")),
        ],
    }
}
