//! `state: stopped`: what is there stays, its containers stand still, its hosts are switched off; nothing is made.
//!
//! | | there | not there |
//! |---|---|---|
//! | container, of whatever generation | stopped, with restart policy `no` | not made |
//! | proxy host | switched off, its other fields as wanted | not made |
//! | network, attachment, record | as wanted | not made |
//!
//! With `state: running` again, containers start at once: they were not stopped by somebody else.

use std::collections::BTreeMap;

use super::expand::Expansion;
use super::jobs;
use super::rollout::{self, Target};
use crate::model::{Address, Fields, Kind, Need, Seen, Value};

/// The policy of a container that is to stand still: an engine that restarts must not bring it back.
const RESTART: &str = "no";

/// Wants every container of a stopped manifest to stand still; answers where its routes point meanwhile.
pub fn containers(expansion: &mut Expansion<'_>) -> BTreeMap<String, Target> {
    let (input, service) = (expansion.input, expansion.service);
    jobs::keep(expansion);
    let mut targets = BTreeMap::new();
    for (key, container) in &service.containers {
        let base = Address::new(expansion.host.docker.clone(), Kind::Container, &service.address_name(key));
        let all = input.world.of_kind(&base.provider, Kind::Container);
        let instances: Vec<(Address, &Seen)> = all
            .filter(|(address, seen)| address.name == base.name && address.generation.is_some() && seen.owner.is_ours())
            .map(|(address, seen)| (address.clone(), seen))
            .collect();
        let serving = instances.iter().find(|(_, seen)| rollout::is_pointed_at(expansion, seen));
        if let Some((address, seen)) = serving.or(instances.first()) {
            targets.insert(key.clone(), Target::of(address, &seen.fields));
        }
        for (address, _) in instances {
            let fields = Fields::default().with("restart", Value::text(RESTART)).with("running", Value::Bool(false));
            expansion.want(address, fields, Vec::new(), &container.origin);
        }
    }
    targets
}

/// Leaves out what is not there: a stopped manifest makes nothing.
pub fn make_nothing(expansion: &mut Expansion<'_>) {
    let (world, name) = (&expansion.input.world, &expansion.service.name);
    expansion.wants.map.retain(|address, want| want.service != *name || world.seen.contains_key(address));
    for want in expansion.wants.map.values_mut().filter(|want| want.service == *name) {
        // Nothing that a switched-off host points at has to be there.
        want.needs = Vec::<Need>::new();
    }
}

/// Whether a container that stands still was stopped by us: the ledger says so, or the policy that only we give.
pub fn is_ours(applied: Option<&Fields>, observed: &Fields, restart: &str) -> bool {
    let is_told = applied.is_some_and(|applied| applied.flag("running") == Some(false));
    let is_marked = observed.text("restart") == Some(RESTART) && restart != RESTART;
    observed.flag("running") == Some(false) && (is_told || is_marked)
}
