//! One image at a time is built on a host: builds beside one another have taken whole machines down.

use std::collections::BTreeMap;

use crate::model::{Address, Change, Gate, Kind, Need, Plan, ProviderId, Verb};
use crate::plan::input::Input;

/// Lets the others wait for the first build of each engine: one that is under way, else the first by name.
pub(crate) fn hold_back(input: &Input<'_>, plan: &mut Plan) {
    let is_ready = |change: &&Change| is_build(change) && change.is_now();
    let mut first: BTreeMap<ProviderId, (bool, Address)> = BTreeMap::new();
    for change in plan.changes.iter().filter(is_ready) {
        let place = (!input.facts.open_intents.contains_key(&change.address), change.address.clone());
        let known = first.entry(change.address.provider.clone()).or_insert_with(|| place.clone());
        if place < *known {
            *known = place;
        }
    }
    for change in plan.changes.iter_mut().filter(|change| is_ready(&&**change)) {
        if let Some((_, before)) = first.get(&change.address.provider).filter(|(_, first)| *first != change.address) {
            change.gate = Gate::After(vec![Need::present(before.clone())]);
        }
    }
}

/// Whether a change builds an image.
pub fn is_build(change: &Change) -> bool {
    let Verb::Create(fields) = &change.verb else { return false };
    change.address.kind == Kind::Image && fields.get("build").is_some()
}
