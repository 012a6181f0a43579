//! Whether everything is settled, and which changes are blocked. Pure but for the engine's lanes.

use std::collections::BTreeSet;

use crate::engine::report::waits;
use crate::engine::{Engine, PassResult};
use amarre_core::model::plan::Wait;
use amarre_core::model::power::PowerRule;
use amarre_core::model::{Address, Change, Gate, Millis, Need, Readiness, Service, State, Timestamp};

/// A command waits at most this long for the retry of a failure.
const WAITED_FOR: Millis = Millis::minutes(1);

impl Engine {
    /// Whether nothing more will happen by itself: what is left waits for a person, or failed for good.
    pub(crate) fn is_settled(&self, pass: &PassResult) -> bool {
        let is_acting = self.actions.are_pending(pass.at);
        let apps = self.source.apps();
        let is_fetching = apps.is_fetching() || apps.is_newer(&pass.source);
        if self.is_busy() || is_acting || is_fetching || pass.unpublished.iter().any(|(_, error)| error.is_none()) {
            return false;
        }
        let stuck = pass.blocked();
        let asked = |service: &String| pass.only.as_ref().is_none_or(|only| only.contains(service));
        let mut changes = pass.plan.changes.iter().filter(|change| asked(&change.service));
        let moving = changes.any(|change| !stuck.contains(&change.address));
        let probed = pass.wants.probes.keys().filter(|container| !pass.facts.failed.contains_key(*container));
        let instances = pass.services.values().flat_map(Service::servers);
        let switched = instances.filter(|instance| instance.rule != PowerRule::Unmanaged || instance.shape.is_some());
        // A job that failed under other circumstances runs again.
        let starting = probed
            .chain(&pass.wants.tasks)
            .chain(switched.map(|instance| &instance.address))
            .filter(|address| is_selected(pass, address, &asked))
            .any(|address| {
                let seen = pass.world.seen.get(address);
                let is_late = waits::is_late(pass, address);
                seen.is_some_and(|seen| matches!(seen.ready, Readiness::NotYet { .. })) && !is_late
            });
        let opening = pass.dead_ends.values().any(|end| asked(&end.service) && end.is_fresh(pass.at));
        !moving && !starting && !opening
    }
}

fn is_selected(pass: &PassResult, address: &Address, asked: &impl Fn(&String) -> bool) -> bool {
    pass.wants.map.get(address).is_some_and(|want| asked(&want.service))
}

/// Addresses whose change will not happen by itself: held, refused by the vendor, or waiting for such a change, or for
/// a container over its limit.
pub fn blocked(pass: &PassResult) -> BTreeSet<Address> {
    let plan = &pass.plan;
    let refused = |change: &Change| pass.failing.get(&change.address).is_some_and(super::retry::is_refused);
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
fn waits_for(change: &Change, stuck: &BTreeSet<Address>, pass: &PassResult) -> bool {
    let Gate::After(needs) = &change.gate else { return false };
    let hidden = |need: &Need| pass.plan.gaps.iter().any(|gap| gap.covers(&need.on));
    let late = |need: &Need| match need.is {
        State::Ready => waits::is_late(pass, &need.on),
        State::Listening(_) => pass.dead_ends.values().any(|end| end.container == need.on && !end.is_fresh(pass.at)),
        State::Present | State::Absent => false,
    };
    needs.iter().any(|need| stuck.contains(&need.on) || hidden(need) || late(need))
}
