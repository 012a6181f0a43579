//! Every container of ours that is there or that the ledger knows, by service.

use std::collections::BTreeMap;

use crate::model::{Address, Fields, Kind};
use crate::plan::input::Input;

/// Every container of ours.
#[derive(Debug, Default)]
pub struct KnownContainers<'a> {
    /// By service: those that are there, then those that the ledger knows.
    pub(crate) of: BTreeMap<&'a str, Vec<(&'a Address, &'a Fields)>>,
    /// Services whose manifest is gone.
    pub(crate) gone: Vec<&'a str>,
}

/// Gathers them.
pub fn known<'a>(input: &Input<'a>) -> KnownContainers<'a> {
    let mut known = KnownContainers::default();
    let seen = input.world.seen.iter().filter(|(_, seen)| seen.owner.is_ours());
    let seen = seen.filter_map(|(address, seen)| Some((address, seen.service.as_ref()?, &seen.fields)));
    let applied = input.facts.applied.iter().map(|(address, row)| (address, &row.service, &row.fields));
    for (address, service, fields) in seen.chain(applied).filter(|(address, _, _)| address.kind == Kind::Container) {
        known.of.entry(service).or_default().push((address, fields));
    }
    let is_gone = |name: &&str| !input.services.contains_key(*name) && !input.facts.frozen.contains(*name);
    known.gone = known.of.keys().copied().filter(is_gone).collect();
    known
}
