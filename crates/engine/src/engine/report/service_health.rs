//! Whether a service works, by its worst part. Pure.
//!
//! | its manifest | its parts |
//! |---|---|
//! | is there | what it wants, but for what goes |
//! | is gone, and something of it still serves or goes | what its last text wanted: what is held from going serves on, what is not there is missing |
//! | is gone, and only its data is left | none |

use std::collections::{BTreeMap, BTreeSet};

use super::leftovers;
use super::status::{Health, ResourceStatus};
use crate::engine::pass_result::PassInput;
use crate::engine::report::pass_view::PassView;
use amarre_core::model::{Address, Kind, Service, Verb};
use amarre_core::plan;

/// Of each service whose manifest is gone and that is not: what serves by its last text, without generations.
pub(super) fn parts_of_gone(pass: &PassView) -> BTreeMap<String, BTreeSet<Address>> {
    let is_left = |name: &&String| pass.owned_by(name).iter().any(|address| !address.kind.is_kept());
    let left: BTreeMap<String, Service> =
        pass.gone.iter().filter(|(name, _)| is_left(name)).map(|(name, known)| (name.clone(), known.clone())).collect();
    let Some(context) = pass.context.as_ref().filter(|_| !left.is_empty()) else { return BTreeMap::new() };
    let wants = context.with_input(PassInput { services: &left, ..pass.input() }, plan::wants);
    let mut parts: BTreeMap<String, BTreeSet<Address>> = left.into_keys().map(|name| (name, BTreeSet::new())).collect();
    for (address, want) in wants.map.iter().filter(|(address, _)| serves(address.kind)) {
        if let Some(parts) = parts.get_mut(&want.service) {
            parts.insert(address.base());
        }
    }
    parts
}

/// `parts`: of a service whose manifest is gone, and whose last text can be read.
pub(super) fn health(
    pass: &PassView,
    name: &str,
    resources: &[ResourceStatus],
    parts: Option<&BTreeSet<Address>>,
) -> Health {
    let is_gone = !pass.services.contains_key(name) && !pass.broken.contains_key(name);
    let is_destroyed = pass.facts.suspended.get(name).is_some_and(|suspension| suspension.destroy);
    let is_left = is_gone && !is_destroyed && !leftovers::is_deleted(pass, name, resources);
    let worst = if is_left { worst_of_gone(pass, resources, parts) } else { worst(resources) };
    let is_moving = pass.changes_of(name).any(|change| change.refusal().is_none());
    match worst {
        // A resource that is about to be created is on its way.
        Some(Health::Missing) if is_moving && !pass.errors.contains_key(name) && !is_blocked(pass, name) => {
            Health::Progressing
        }
        Some(worst) => worst,
        None if pass.facts.suspended.contains_key(name) && !pass.plan.has_seen_services() => Health::Unknown,
        None if is_destroyed => Health::Missing,
        None if pass.broken.contains_key(name) => Health::Missing,
        None => Health::Healthy,
    }
}

fn worst(resources: &[ResourceStatus]) -> Option<Health> {
    let goes = |resource: &&ResourceStatus| resource.change.as_deref().is_none_or(|change| change.verb != Verb::Delete);
    resources.iter().filter(|resource| serves(resource.address.kind)).filter(goes).map(|resource| resource.health).min()
}

/// What is there of it serves until it goes; what was never made, or is gone already, does not.
fn worst_of_gone(pass: &PassView, resources: &[ResourceStatus], parts: Option<&BTreeSet<Address>>) -> Option<Health> {
    let of_resource = |resource: &ResourceStatus| {
        let is_absent = !pass.world.seen.contains_key(&resource.address);
        if is_absent && resource.health == Health::Healthy { Health::Missing } else { resource.health }
    };
    let there = resources.iter().filter(|resource| serves(resource.address.kind));
    let is_there = |base: &Address| resources.iter().any(|resource| resource.address.is_same(base));
    let of_part = |base: &Address| match pass.world.gap(base) {
        Some(_) => Health::Unknown,
        None => Health::Missing,
    };
    let absent = parts.into_iter().flatten().filter(|base| !is_there(base)).map(of_part);
    let worst = there.map(of_resource).chain(absent).min();
    // What served cannot be told.
    worst.or_else(|| parts.is_none().then_some(Health::Unknown))
}

fn serves(kind: Kind) -> bool {
    kind == Kind::Container || kind.is_instance() || kind.is_proxied()
}

fn is_blocked(pass: &PassView, name: &str) -> bool {
    pass.changes_of(name).all(|change| pass.blocked().contains(&change.address))
}
