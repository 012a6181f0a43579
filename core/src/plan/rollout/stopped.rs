//! `state: stopped`: what is there stays, its containers stand still, its hosts are switched off; nothing is made.
//!
//! | | there | not there |
//! |---|---|---|
//! | container, of whatever generation | stopped, with restart policy `no` | not made |
//! | proxy host | switched off, its other fields as wanted | not made |
//! | stream, of whatever manifest, that leads to one of its containers | switched off, leads where it did | refused |
//! | host or stream of another manifest that leads there, and where it is to lead is refused or not there | switched off | – |
//! | network, attachment, record | as wanted | not made |
//!
//! With `state: running` again, containers start at once: they were not stopped by somebody else.

use std::collections::{BTreeMap, BTreeSet};

use super::job;
use crate::model::plan::{Impact, Reason, ReasonCode};
use crate::model::{Address, Change, Expect, FieldDiff, Fields, Gate, Kind, Need, Seen, Value, Verb, Want, Wants};
use crate::plan::expansion::{Expansion, RouteTarget};
use crate::plan::input::Input;
use crate::plan::left_alone::{is_left_alone, is_released};
use crate::plan::{rollout, targets};
use crate::text;

/// The policy of a container that is to stand still: an engine that restarts must not bring it back.
const RESTART: &str = "no";

/// Wants every container of a stopped manifest to stand still; answers where its routes point meanwhile.
pub fn containers(expansion: &mut Expansion<'_>) -> BTreeMap<String, RouteTarget> {
    let (input, service) = (expansion.input, expansion.service);
    job::keep(expansion);
    let mut targets = BTreeMap::new();
    for (key, container) in &service.containers {
        let base = Address::new(expansion.host.docker.clone(), Kind::Container, &service.address_name(key));
        let instances = input.world.instances(&base);
        let serving = instances.iter().find(|(_, seen)| rollout::is_pointed_at(expansion, seen));
        if let Some((address, seen)) = serving.or(instances.first_key_value()) {
            targets.insert(key.clone(), RouteTarget::of(address, &seen.fields));
        }
        for (address, _) in instances {
            let fields = Fields::default().with("restart", Value::text(RESTART)).with("running", Value::Bool(false));
            expansion.want(address, fields, Vec::new(), &container.origin);
        }
    }
    targets
}

/// Leaves out what is not there: a stopped manifest makes nothing. What is there and another's is not kept for it either:
/// it would lead to the other's container for as long as this one is stopped.
pub fn make_nothing(expansion: &mut Expansion<'_>) {
    let (world, name) = (&expansion.input.world, &expansion.service.name);
    let is_own = |address: &Address| {
        let seen = world.seen.get(address);
        seen.is_some_and(|seen| !seen.owner.is_ours() || seen.service.as_ref().is_none_or(|service| service == name))
    };
    expansion.wants.map.retain(|address, want| want.service != *name || is_own(address));
    for want in expansion.wants.map.values_mut().filter(|want| want.service == *name) {
        // Nothing that a switched-off host points at has to be there; what it names for the day on which it is on, has.
        want.needs.retain(|need| matches!(need.on.kind, Kind::Certificate | Kind::AccessList));
    }
}

/// What stops comes after what led to it leads elsewhere or is gone; what stays is switched off just before it.
pub fn after_hosts(input: &Input<'_>, wants: &Wants, ups: &mut Vec<Change>, downs: &[Change]) {
    let is_held = |host: &Address| ups.iter().any(|change| change.address == *host && change.refusal().is_some());
    let goes = |host: &Address| downs.iter().any(|change| change.address == *host && change.refusal().is_none());
    // A route leads to containers of its own service: one that another service has now leads here no longer than it must.
    let moves = |host: &Address, to: &str| {
        let want = wants.map.get(host).filter(|_| host.kind == Kind::ProxyHost && !is_held(host));
        want.is_some_and(|want| want.service != to && want.fields.get("forward_host").is_some())
    };
    // Of one that is left alone, nothing comes.
    let changes = |host: &Address| ups.iter().any(|change| change.address == *host && change.refusal().is_none());
    let is_led_away = |host: &Address, seen: &Seen, stops: &Address| {
        let Some(want) = wants.map.get(host).filter(|_| host.kind == Kind::Stream) else { return false };
        let leads = want.fields.get("forward_host");
        if let Some(Value::Output { of, .. }) = leads.filter(|_| !changes(host)) {
            // What it is to lead to is still to be made, so there is no change of it yet.
            let is_left = want.refusal.is_some() || is_left_alone(input, &want.service);
            let is_made = ups.iter().any(|up| up.address == **of && matches!(up.verb, Verb::Create(_)));
            return !is_left && is_made && comes_without(ups, of, stops);
        }
        let is_on = seen.fields.flag("enabled") != Some(false);
        let is_other = leads.is_some() && leads != seen.fields.get("forward_host");
        changes(host) && (is_other || is_on && want.fields.flag("enabled") == Some(false))
    };
    // What it is to lead to is not there, and comes only after the end of what it leads to, if at all.
    let is_stranded = |host: &Address, seen: &Seen, stops: &Change| {
        let is_left = |want: &Want| is_left_alone(input, &want.service) || is_released(input, host, seen);
        let want = wants.map.get(host).filter(|want| !is_left(want) && input.world.gap(host).is_none());
        let Some(want) = want else { return false };
        match want.fields.get("forward_host") {
            Some(Value::Output { of, .. }) if !input.world.seen.contains_key(of) => {
                let is_made = ups.iter().any(|up| up.address == **of && matches!(up.verb, Verb::Create(_)));
                !is_made || !comes_without(ups, of, &stops.address)
            }
            // The network of the service is made anew to which it is to lead.
            leads => {
                let is_kept = host.kind == Kind::Stream && leads == seen.fields.get("forward_host");
                is_kept && targets::meant_service(input, host, seen).is_some_and(|to| to != stops.service)
            }
        }
    };
    let mut gates = Vec::new();
    let mut refused: BTreeSet<Address> = BTreeSet::new();
    for (at, change) in ups.iter().enumerate().filter(|(_, change)| stops(change) && change.is_now()) {
        let Some(container) = input.world.seen.get(&change.address) else { continue };
        let hosts = input.world.seen.iter().filter(|(host, seen)| host.kind.traits().forwards && seen.owner.is_ours());
        let leading = hosts.filter(|(_, seen)| targets::lead_to(input, seen, &change.address.provider, container));
        let leading: Vec<(&Address, &Seen)> = leading.collect();
        let is_left = |host: &Address, seen: &Seen| is_held(host) || is_stranded(host, seen, change);
        let left =
            leading.iter().filter(|(host, seen)| is_left(host, seen) && seen.fields.flag("enabled") == Some(true));
        refused.extend(left.map(|(host, _)| (*host).clone()));
        let leaving = leading.into_iter().filter(|(host, seen)| {
            let stops = &change.address;
            let is_away = || goes(host) || moves(host, &change.service) || is_led_away(host, seen, stops);
            refused.contains(*host) || !is_stranded(host, seen, change) && is_away()
        });
        let needs: Vec<Need> = leaving.map(|(host, _)| Need::absent(host.clone())).collect();
        if !needs.is_empty() {
            gates.push((at, Gate::After(needs)));
        }
    }
    let off: Vec<Change> = refused.iter().filter_map(|host| switched_off(input, wants, host, is_held(host))).collect();
    for (at, gate) in gates {
        ups[at].gate = gate;
    }
    ups.retain(|change| !off.iter().any(|off| off.address == change.address));
    ups.splice(..0, off);
}

/// A host that cannot be as its manifest says is switched off before what it leads to stands still; why it is refused, or
/// what it waits for, is told again when it is off.
fn switched_off(input: &Input<'_>, wants: &Wants, host: &Address, is_refused: bool) -> Option<Change> {
    let (want, seen) = (wants.map.get(host)?, input.world.seen.get(host)?);
    let diff = FieldDiff { field: "enabled".to_owned(), from: Some(Value::Bool(true)), to: Some(Value::Bool(false)) };
    let text = if is_refused {
        text!("what it leads to stops, and where it is to lead is refused")
    } else {
        text!("what it leads to stops, and where it is to lead is not there yet")
    };
    Some(Change {
        address: host.clone(),
        service: want.service.clone(),
        verb: Verb::Update(Fields::default().with("enabled", Value::Bool(false))),
        diff: vec![diff],
        because: Reason { code: ReasonCode::ManifestChanged, text, origin: Some(want.origin.clone()) },
        impact: Impact::default(),
        expects: Expect::Unchanged { vendor_id: seen.vendor_id.clone(), fields: seen.fields.digest() },
        gate: Gate::Now,
    })
}

/// Whether a container comes about, even if another one never ends.
fn comes_without(ups: &[Change], of: &Address, other: &Address) -> bool {
    let (mut first, mut next) = (BTreeSet::new(), vec![of]);
    while let Some(address) = next.pop() {
        if address == other {
            return false;
        }
        if !first.insert(address) {
            continue;
        }
        match ups.iter().find(|up| up.address == *address).map(|up| &up.gate) {
            Some(Gate::After(needs)) => next.extend(needs.iter().map(|need| &need.on)),
            Some(Gate::Held(_)) => return false,
            Some(Gate::Now | Gate::Until { .. }) | None => (),
        }
    }
    true
}

/// Whether a change stops a container.
pub fn stops(change: &Change) -> bool {
    matches!(&change.verb, Verb::Update(fields) if fields.flag("running") == Some(false))
}

/// Whether a container that stands still was stopped by us: the ledger says so, or the policy that only we give.
pub fn is_ours(applied: Option<&Fields>, observed: &Fields, restart: &str) -> bool {
    let is_told = applied.is_some_and(|applied| applied.flag("running") == Some(false));
    let is_marked = observed.text("restart") == Some(RESTART) && restart != RESTART;
    observed.flag("running") == Some(false) && (is_told || is_marked)
}
