//! Changes for which the account at their vendor lacks the right, or which the vendor cannot serve as they are wanted: held, so
//! that the plan tells it, and nothing is begun that could not be finished. Pure.

use crate::model::{Change, Gate, Plan, Verb};
use crate::plan::input::Input;

/// Holds them. What brings hosts back on line writes nothing else.
pub fn hold_back(input: &Input<'_>, plan: &mut Plan) {
    // Servers that are not offered are judged with what they cost.
    let is_host = |change: &&mut Change| change.address.kind.has_host_names() && change.verb != Verb::Delete;
    for change in plan.changes.iter_mut().filter(|change| change.refusal().is_none()).filter(is_host) {
        if let Some(refusal) = input.world.unoffered.get(&change.address) {
            change.gate = Gate::Held(refusal.clone());
        }
    }
    if input.world.read_only.is_empty() {
        return;
    }
    for change in plan.changes.iter_mut().filter(|change| change.refusal().is_none() && !change.is_load()) {
        let written = (change.address.provider.clone(), change.address.kind);
        if let Some(refusal) = input.world.read_only.get(&written) {
            change.gate = Gate::Held(refusal.clone());
        }
    }
}
