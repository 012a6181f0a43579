//! Which changes are blocked: they will not happen by themselves. Pure.

use std::collections::BTreeSet;

use super::failures::is_refused;
use super::pass_view::PassView;
use super::waits;
use amarre_core::model::plan::Wait;
use amarre_core::model::{Address, Change, Gate, Millis, Need, State, Timestamp};

/// A command waits at most this long for the retry of a failure.
const WAITED_FOR: Millis = Millis::minutes(1);

/// Addresses whose change will not happen by itself: held, refused by the vendor, or waiting for such a change, or for
/// a container over its limit.
pub fn blocked(pass: &PassView) -> BTreeSet<Address> {
    let plan = &pass.plan;
    let refused = |change: &Change| pass.failing.get(&change.address).is_some_and(is_refused);
    let mut stuck: BTreeSet<Address> = plan
        .changes
        .iter()
        .filter(|change| change.refusal().is_some() || refused(change) || waits_long(change, pass.at))
        .map(|change| change.address.clone())
        .collect();
    loop {
        let more: Vec<Address> = plan
            .changes
            .iter()
            .filter(|change| !stuck.contains(&change.address) && waits_for(change, &stuck, pass))
            .map(|change| change.address.clone())
            .collect();
        if more.is_empty() {
            return stuck;
        }
        stuck.extend(more);
    }
}

/// Whether a change waits for a person, or longer than a command waits. The daemon goes on with it.
fn waits_long(change: &Change, now: Timestamp) -> bool {
    let Gate::Until { at, what } = &change.gate else { return false };
    match what {
        Wait::StoppedGrace | Wait::Budget | Wait::Order | Wait::Lent | Wait::Builds => true,
        Wait::Backoff | Wait::Provider => *at - now > WAITED_FOR,
        Wait::Settle | Wait::EngineStart | Wait::Drain => false,
    }
}

/// Whether a change waits for a blocked one, or for a resource that no change creates.
fn waits_for(change: &Change, stuck: &BTreeSet<Address>, pass: &PassView) -> bool {
    let Gate::After(needs) = &change.gate else { return false };
    let hidden = |need: &Need| pass.plan.gaps.iter().any(|gap| gap.covers(&need.on));
    let late = |need: &Need| match need.is {
        State::Ready => waits::is_late(pass, &need.on),
        State::Listening(_) => pass.dead_ends.values().any(|end| end.container == need.on && !end.is_fresh(pass.at)),
        State::Present | State::Absent => false,
    };
    needs.iter().any(|need| stuck.contains(&need.on) || hidden(need) || late(need))
}
