//! One image at a time is built on a host: builds beside one another have taken whole machines down. And so many for one service
//! within an hour: a repository that gets a commit each minute leaves room for others.

use std::collections::BTreeMap;

use crate::model::{Address, Change, Gate, Kind, Millis, Need, Plan, ProviderId, Timestamp, Verb, Wait};
use crate::plan::input::Input;

/// Of how long builds are counted.
pub const COUNTED: Millis = Millis::minutes(60);

/// When a service may have another image built; `None`: now.
pub fn next_build(input: &Input<'_>, service: &str) -> Option<Timestamp> {
    let began = input.facts.builds.get(service)?;
    let most = input.site.images.builds_per_hour.max(1);
    // The one after which there is room, as soon as it is long enough ago.
    let at = *began.get(began.len().checked_sub(most)?)? + COUNTED;
    input.now.is_before(at).then_some(at)
}

/// Lets those of a service wait that has had as many as it may.
fn limit(input: &Input<'_>, plan: &mut Plan) {
    for change in plan.changes.iter_mut().filter(|change| is_build(change) && change.is_now()) {
        // One that is under way goes on.
        if !input.facts.open_intents.contains_key(&change.address)
            && let Some(at) = next_build(input, &change.service)
        {
            change.gate = Gate::Until { at, what: Wait::Builds };
        }
    }
}

/// Lets the others wait for the first build of each engine: one that is under way, else the first by name.
pub(crate) fn hold_back(input: &Input<'_>, plan: &mut Plan) {
    limit(input, plan);
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
