//! What no plan may contain: a bug of ours stops the look, not the process.

use std::collections::BTreeSet;

use super::unused_certificates;
use crate::model::schema::unknown_fields;
use crate::model::{Address, Expect, Gate, Kind, Need, Plan, Seen, Verb};
use crate::plan::desired::subnets;
use crate::plan::input::Input;
use crate::plan::{exclusive, targets};

/// Every broken rule, in words; empty when the plan is sound.
pub fn broken_rules(input: &Input<'_>, plan: &Plan) -> Vec<String> {
    let mut broken = Vec::new();
    let mut addresses = BTreeSet::new();
    for change in &plan.changes {
        let address = &change.address;
        if !addresses.insert(address) {
            broken.push(format!("{address} is changed twice"));
        }
        if input.world.gap(address).is_some() {
            broken.push(format!("{address} is changed though it cannot be seen"));
        }
        let seen = input.world.seen.get(address);
        let is_image = address.kind == Kind::Image;
        let is_load = change.is_load();
        let is_renewal = change.is_order() && matches!(change.verb, Verb::Update(_));
        if change.refusal().is_none() && !is_image && !is_load && seen.is_some_and(|seen| !seen.owner.is_ours()) {
            broken.push(format!("{address} is changed though it is not ours"));
        }
        let fields = match &change.verb {
            Verb::Create(fields) | Verb::Update(fields) => Some(fields),
            Verb::Delete => None,
        };
        if change.is_now() && fields.is_some_and(|fields| fields.is_unresolved()) {
            broken.push(format!("{address} is executed with a value that is not known"));
        }
        // Such a change writes no field of its own.
        if let (Some(fields), Some(schema), false) = (fields, input.schema(address), is_load || is_renewal) {
            broken.extend(
                unknown_fields(schema, fields).into_iter().map(|name| format!("{address} has no field {name}")),
            );
        }
        match (&change.verb, &change.expects) {
            (Verb::Create(_), Expect::Absent) | (Verb::Update(_) | Verb::Delete, Expect::Unchanged { .. }) => (),
            (Verb::Create(_), Expect::Unchanged { .. }) if change.refusal().is_some() => (),
            (Verb::Create(_), Expect::Unchanged { .. }) => broken.push(format!("{address} is created over something")),
            // Of a certificate that never came there may be hosts.
            (Verb::Update(_), Expect::Absent) if is_load => (),
            (Verb::Update(_) | Verb::Delete, Expect::Absent) => broken.push(format!("{address} expects nothing there")),
        }
        let id = seen.and_then(|seen| seen.fields.text("id")).unwrap_or_default();
        if is_image && change.verb == Verb::Delete && !input.facts.pulled.iter().any(|pulled| pulled.id == id) {
            broken.push(format!("{address} is deleted though we did not pull it"));
        }
        if change.verb == Verb::Delete && address.kind == Kind::Zone {
            broken.push(format!("{address} is of a kind that is never deleted"));
        }
        if change.verb == Verb::Delete
            && address.kind == Kind::Certificate
            && unused_certificates::is_used(input, address)
        {
            broken.push(format!("{address} is deleted while a host has it: nginx would not take its configuration"));
        }
        if change.verb == Verb::Delete && change.is_now() && address.kind == Kind::Container {
            broken.extend(pointed_at(input, plan, change));
        }
    }
    broken
}

/// A container that a host of ours points at goes only when another container replaces it, stop-first.
fn pointed_at(input: &Input<'_>, plan: &Plan, change: &crate::model::Change) -> Option<String> {
    let waits_for_it = |gate: &Gate| match gate {
        Gate::After(needs) => needs.contains(&Need::absent(change.address.clone())),
        Gate::Now | Gate::Until { .. } | Gate::Held(_) => false,
    };
    let comes = |verb: &Verb| match verb {
        Verb::Create(_) => true,
        Verb::Update(fields) => fields.flag("running") == Some(true),
        Verb::Delete => false,
    };
    if plan.changes.iter().any(|other| comes(&other.verb) && waits_for_it(&other.gate)) {
        return None;
    }
    // Nor does it work while the network is made anew on which all of its service are.
    let own = input.services.get(&change.service).map(|service| subnets::networks_of(input, service));
    let is_going = |network: &Address| plan.changes.iter().any(|c| c.address == *network && c.verb == Verb::Delete);
    if own.into_iter().flatten().any(|own| is_going(&own.address)) {
        return None;
    }
    let seen = input.world.seen.get(&change.address)?;
    let mut networks = input.world.of_kind(&change.address.provider, Kind::Network);
    if networks.any(|(network, _)| is_going(network) && exclusive::is_on(&seen.fields, network)) {
        return None;
    }
    let is_ready = seen.ready.is_ready();
    let is_wanted = input.services.get(&change.service).is_some_and(|service| {
        service.containers.keys().any(|key| service.address_name(key) == change.address.name)
            && !input.facts.suspended.contains_key(&change.service)
    });
    let leads = |host: &Seen| targets::lead_to(input, host, &change.address.provider, seen);
    let host =
        input.world.seen.iter().find(|(host, seen)| host.kind.traits().forwards && seen.owner.is_ours() && leads(seen));
    let (host, _) = host.filter(|_| is_ready && !is_wanted)?;
    Some(format!("{} goes while {host} points at it", change.address))
}
