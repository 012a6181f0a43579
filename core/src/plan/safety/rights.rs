//! Changes for which the account at their vendor lacks the right: held, so that the missing right is told by the plan, and
//! nothing is begun that could not be finished. Pure.

use crate::model::{Gate, Plan};
use crate::plan::input::Input;

/// Holds them. What brings hosts back on line writes nothing else.
pub fn hold_back(input: &Input<'_>, plan: &mut Plan) {
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
