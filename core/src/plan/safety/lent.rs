//! A machine that Amarre made is not stopped, replaced or removed while a reservation has it, nor before its accounts are gone.

use crate::model::address::generations;
use crate::model::plan::Wait;
use crate::model::pool::PoolFacts;
use crate::model::{Change, Gate, Kind, Need, Plan, Timestamp, Verb};
use crate::plan::desired::account;
use crate::plan::input::Input;

/// Gives what would end a lent machine its gate.
pub fn hold_back(input: &Input<'_>, plan: &mut Plan) {
    for index in 0..plan.changes.len() {
        let change = &plan.changes[index];
        let Some(gate) = gate(input, change) else { continue };
        if let Gate::Until { at, .. } = gate {
            plan.look_by(at);
        }
        plan.changes[index].gate = gate;
    }
}

fn gate(input: &Input<'_>, change: &Change) -> Option<Gate> {
    if change.refusal().is_some() || !ends_a_machine(input, change) {
        return None;
    }
    let (pool, machine) = (&change.service, &change.address.name);
    if let Some(at) = lent_until(input, pool, machine) {
        return Some(Gate::Until { at, what: Wait::Lent });
    }
    let seen = account::accounts(input, pool, machine).into_values();
    // What cannot be seen goes with the machine.
    let left: Vec<Need> =
        seen.filter(|account| input.world.gap(account).is_none()).cloned().map(Need::absent).collect();
    (!left.is_empty()).then_some(Gate::After(left))
}

/// Until when a reservation has a machine.
fn lent_until(input: &Input<'_>, pool: &str, machine: &str) -> Option<Timestamp> {
    let nothing = PoolFacts::default();
    let holder = input.facts.pools.get(pool).unwrap_or(&nothing).holder(machine).and_then(|holder| holder.until());
    let marked = account::accounts(input, pool, machine).into_values();
    let marked = marked.filter_map(|account| account::lent_until(input, account));
    marked.chain(holder).filter(|until| input.now.is_before(*until)).max()
}

/// Whether it ends a machine that is there, itself or by its successor, or stops it for a while.
fn ends_a_machine(input: &Input<'_>, change: &Change) -> bool {
    let address = &change.address;
    match (&change.verb, address.kind) {
        (Verb::Delete, kind) => kind == Kind::Container || kind.is_instance(),
        (Verb::Update(fields), Kind::Container) => fields.flag("running") == Some(false),
        (Verb::Create(_), Kind::Container) => {
            generations(&input.world.seen, address).any(|(other, _)| other != address)
        }
        // A person who has one stopped by its name knows what they do.
        (Verb::Update(fields), kind) if kind.is_instance() => fields.get("type").is_some(),
        _ => false,
    }
}
