//! Certificates of ours that nothing uses any more: kept for a while, since Let's Encrypt gives only so many, and since
//! a service that comes back has its own again. Pure.
//!
//! A certificate that goes while a host has it makes nginx refuse its configuration as a whole. So whoever has one, ours
//! or not, switched on or off, keeps it; and NPM is asked once more, with what is hidden here, before it goes.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Address, Kind, Millis, ProviderId, Timestamp, Wants};
use crate::plan::input::Input;

/// From the first look at which nothing uses one.
pub const KEPT: Millis = Millis::minutes(30 * 24 * 60);

/// Until when each of them is kept. What the ledger does not know begins now, and so does what it says to begin later:
/// the clock was put back.
pub fn kept_until(input: &Input<'_>, wants: &Wants) -> BTreeMap<Address, Timestamp> {
    let all = input.world.seen.iter().filter(|(address, seen)| {
        address.kind == Kind::Certificate && seen.owner.is_ours() && input.world.gap(address).is_none()
    });
    let mut all = all.peekable();
    if all.peek().is_none() {
        return BTreeMap::new();
    }
    let needs = wants.map.values().flat_map(|want| &want.needs).filter(|need| need.on.kind == Kind::Certificate);
    let needed: BTreeSet<&Address> = needs.map(|need| &need.on).collect();
    let users =
        input.world.seen.iter().filter_map(|(user, seen)| Some((&user.provider, seen.fields.text("certificate")?)));
    let used: BTreeSet<(&ProviderId, &str)> = users.collect();
    let is_wanted = |address: &Address| wants.map.contains_key(address) || needed.contains(address);
    let is_used = |address: &Address| used.contains(&(&address.provider, address.name.as_str()));
    let unused = all.filter(|(address, _)| !is_wanted(address) && !is_used(address));
    let until = |address: &Address| {
        let since = input.facts.repointed_at.get(address);
        let since = since.map_or_else(|| input.now.exact(), |since| input.now.not_later(*since));
        since + KEPT
    };
    unused.map(|(address, _)| (address.clone(), until(address))).collect()
}

/// Whether a host or a stream of its NPM has it.
pub fn is_used(input: &Input<'_>, certificate: &Address) -> bool {
    let users = input.world.seen.iter().filter(|(address, _)| address.provider == certificate.provider);
    users.into_iter().any(|(_, seen)| seen.fields.text("certificate") == Some(certificate.name.as_str()))
}
