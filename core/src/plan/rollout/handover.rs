//! Two generations side by side: who answers by name, and when the old one may go. Levels only, found out anew at each
//! look, so that it goes on wherever it was cut.
//!
//! | the new one | hosts lead to | by name answers | the old one |
//! |---|---|---|---|
//! | not ready | the old one | the old one | serves |
//! | ready | the old one | the old one, until the new one has its names too | serves |
//! | ready, with its names | the new one, as soon as NPM has it | both | serves |
//! | and every host is on line | the new one | both, until the new one is called as the old one was | drains |
//! | and it is called so | the new one | the new one; names are taken from the old one | drains |
//! | for long enough | the new one | the new one | goes |
//!
//! A name cannot be added to an endpoint that is there: a container is connected anew, at the same address, and what is
//! open stays open. So what has no fixed address, or publishes ports, keeps its names to its end.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::model::{Address, Fields, Kind, Readiness, Seen, Timestamp, Value};
use crate::plan::expansion::{Expansion, Home};
use crate::plan::indexes::occupied;
use crate::plan::{addressing, targets};

/// The names of a container on its network.
const NAMES: &str = "aliases";

/// Whether an instance answers by all the names that are wanted of it.
pub fn is_named(observed: &Fields, wanted: &Fields) -> bool {
    wanted.get(NAMES).is_none_or(|names| observed.get(NAMES) == Some(names))
}

/// The names of one that nobody is to reach by name: an engine adds the host's name by itself.
pub fn no_names(fields: &Fields) -> Value {
    Value::texts(host_name(fields))
}

/// What a container was told to call itself; else an engine calls it by the beginning of its id.
fn host_name(fields: &Fields) -> Option<&str> {
    let id = fields.text("id").unwrap_or_default();
    fields.text("hostname").filter(|name| !id.starts_with(name))
}

/// Whether others reach it by a name that was given to it.
pub fn has_names(observed: &Fields) -> bool {
    let own = host_name(observed);
    observed.strings(NAMES).into_iter().any(|name| Some(name) != own)
}

/// The names that a candidate gets, given the old one that stands meanwhile; `None`: those that it has.
pub fn of_candidate(fields: &Fields, candidate: Option<&Seen>, standing: &Seen) -> Option<Value> {
    let is_quiet = candidate.is_none() || has_names(&standing.fields);
    is_quiet.then(|| no_names(fields))
}

/// What is still to be taken from an old one that nothing leads to any more: the container's name, then its names. Empty
/// while its successor is yet to be called by the name: an engine forgets a container's names for a moment while it
/// renames it (measured on 20.10: 1 % of the look-ups under load), so that another container has to answer by them.
pub fn still_to_take(
    home: &Home,
    old: &Address,
    seen: &Seen,
    successor: Option<&Seen>,
    base: &Address,
    name: &str,
) -> Option<Fields> {
    let is_called = |seen: &Seen| seen.fields.text("name") == Some(name);
    if is_called(seen) {
        return Some(Fields::default().with("name", Value::text(old_name(old, base, name))));
    }
    if successor.is_some_and(|successor| !is_called(successor)) {
        return Some(Fields::default());
    }
    let names = no_names(&seen.fields);
    let is_home = seen.fields.text("network") == Some(home.address.name.as_str()) && home.subnet.is_some();
    let publishes = targets::host_ports(&seen.fields).next().is_some();
    let is_left = is_home && !publishes && seen.fields.get(NAMES) != Some(&names);
    is_left.then(|| Fields::default().with(NAMES, names))
}

/// What an old one is called beside its successor. One that had another key may be of the same generation.
pub fn old_name(old: &Address, base: &Address, name: &str) -> String {
    let generation = old.generation.as_deref().unwrap_or("old");
    if old.is_same(base) { format!("{name}-{generation}") } else { format!("{}-{generation}-old", old.name) }
}

/// Whether an old one has what is open at it: it did its work until a moment ago, or may have done.
pub fn drains(expansion: &Expansion<'_>, old: &Address, seen: &Seen) -> bool {
    let facts = expansion.input.facts;
    let is_running = seen.fields.flag("running") != Some(false);
    let has_served = seen.ready.is_ready() || facts.repointed_at.contains_key(old);
    is_running && !facts.failed.contains_key(old) && (has_served || may_have_served(expansion, old, seen))
}

/// Whether an old one may have served, for all that is known: it was the last good one, or the ledger is lost, and it has
/// not been asked often enough yet.
pub fn may_have_served(expansion: &Expansion<'_>, old: &Address, seen: &Seen) -> bool {
    let good = expansion.input.facts.last_good.get(&old.base());
    let may_be_good = good.is_none_or(|(generation, _)| old.generation.as_ref() == Some(generation));
    let is_running = seen.fields.flag("running") == Some(true) && seen.fields.text("health") == Some("none");
    may_be_good && is_running && matches!(seen.ready, Readiness::NotYet { .. })
}

/// Until when an old one that nothing leads to drains. What the ledger does not know begins now, and so does what it says
/// to begin later: the clock was put back.
pub fn until(expansion: &Expansion<'_>, old: &Address) -> Timestamp {
    let input = expansion.input;
    let since =
        input.facts.repointed_at.get(old).map_or_else(|| input.now.exact(), |since| input.now.not_later(*since));
    since + expansion.service.update.drain
}

/// Whether NPM serves every host that leads to an instance: what it could not switch over is served as before.
pub fn is_on_line(expansion: &Expansion<'_>, instance: &Seen) -> bool {
    let Some(npm) = expansion.host.npm.as_ref() else { return true };
    let hosts = targets::hosts(expansion.input.world, &npm.provider).filter(|(_, seen)| seen.owner.is_ours());
    let mut off = hosts.filter(|(_, seen)| seen.fields.flag("online") == Some(false));
    !off.any(|(_, host)| targets::lead_to(expansion.input, host, &expansion.host.docker, instance))
}

/// Where an instance is on its network, or was before it was taken off it.
pub fn address(expansion: &Expansion<'_>, home: &Home, instance: &Address, seen: &Seen) -> Option<Value> {
    if let Some(address) = seen.fields.get("address") {
        return Some(address.clone());
    }
    let (input, subnet) = (expansion.input, home.subnet?);
    let free = || {
        let containers = input.world.of_kind(&instance.provider, Kind::Container);
        let taken: BTreeSet<Ipv4Addr> =
            containers.filter_map(|(other, seen)| occupied::place(input, other, seen)).collect();
        addressing::free_address(subnet, |address| taken.contains(address))
    };
    let known = occupied::place(input, instance, seen).filter(|address| subnet.contains(address));
    known.or_else(free).map(|address| Value::text(address.to_string()))
}
