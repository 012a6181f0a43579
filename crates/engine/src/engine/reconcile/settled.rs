//! Whether everything is settled, and which changes are blocked. Pure but for the engine's lanes.

use super::engine::Engine;
use crate::engine::report::pass_view::PassView;
use crate::engine::report::waits;
use amarre_core::model::power::PowerRule;
use amarre_core::model::{Address, Readiness, Service};

impl Engine {
    /// Whether nothing more will happen by itself: what is left waits for a person, or failed for good.
    pub(crate) fn is_settled(&self, pass: &PassView) -> bool {
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

fn is_selected(pass: &PassView, address: &Address, asked: &impl Fn(&String) -> bool) -> bool {
    pass.wants.map.get(address).is_some_and(|want| asked(&want.service))
}
