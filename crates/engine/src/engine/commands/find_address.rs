//! Finds resources by the end of an address.

use std::sync::Arc;

use super::{CommandAnswer, refused};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report::pass_view::PassView;
use amarre_core::model::suggestion::nearest;
use amarre_core::model::{Address, Code};

/// Addresses, present or wanted, that end with the text, without their generations. A whole address with its generation is that
/// one alone. A server is found by the name of its manifest, too.
pub fn matching_addresses(pass: &PassView, thing: &str) -> Vec<Address> {
    if let Some(instance) = pass.services.get(thing).and_then(|service| service.instance.as_ref()) {
        return vec![instance.address.clone()];
    }
    let all = pass.world.seen.keys().chain(pass.wants.map.keys()).chain(pass.facts.applied.keys());
    if let Some(exact) = all.clone().find(|address| address.generation.is_some() && address.to_string() == thing) {
        return vec![exact.clone()];
    }
    let mut found: Vec<Address> = all.filter(|address| matches_address(address, thing)).cloned().collect();
    found.sort();
    found.dedup();
    // What was deleted long ago is meant only where nothing else is called so.
    let is_left = |address: &Address| pass.world.seen.contains_key(address) || pass.wants.map.contains_key(address);
    if found.iter().any(is_left) {
        found.retain(is_left);
    }
    // Of several generations of one container, the effective one.
    let bases: Vec<Address> = found.iter().map(Address::base).collect();
    let is_in_force = |address: &Address| pass.wants.map.get(address).is_some_and(|want| !want.keep_only);
    let has_better = |address: &Address| {
        let same = found.iter().zip(&bases).filter(|(_, base)| **base == address.base());
        !is_in_force(address) && same.into_iter().any(|(other, _)| is_in_force(other))
    };
    found.iter().filter(|address| !has_better(address)).cloned().collect()
}

/// `container/cloud-app` is one of `docker/container/cloud-app@4b78`; a record may be named without its type.
pub fn matches_address(address: &Address, thing: &str) -> bool {
    let text = address.base().to_string();
    let end = |text: &str| text == thing || text.ends_with(&format!("/{thing}"));
    end(&text) || text.rsplit_once('/').is_some_and(|(name, _)| thing.contains('/') && end(name))
}

/// The last pass; runs one if there is none yet.
pub async fn last_pass_or_new(handle: &Handle) -> Option<Arc<PassView>> {
    let (pass, _) = handle.last_pass();
    match pass.context {
        Some(_) => Some(pass),
        None => Some(handle.request(LoopCommand::Pass).await?.pass),
    }
}

/// Refuses a service that is not known, and what [`may_act`] refuses.
pub fn active_service(pass: &PassView, service: &str) -> Result<(), CommandAnswer> {
    if !pass.statuses().contains_key(service) {
        return Err(no_service(pass, service));
    }
    may_act(pass, Some(service))
}

/// Refuses everything before the first consent, and a service that is suspended.
pub fn may_act(pass: &PassView, service: Option<&str>) -> Result<(), CommandAnswer> {
    if !pass.consented {
        return Err(refused(Code::A0404, "nothing was applied with this ledger yet", "amarre plan, then amarre apply"));
    }
    match service.filter(|name| pass.facts.suspended.contains_key(*name)) {
        Some(name) => Err(refused(Code::A0403, &format!("{name} is suspended"), &format!("amarre resume {name}"))),
        None => Ok(()),
    }
}

/// No service has this name; the nearest name is suggested.
pub fn no_service(pass: &PassView, name: &str) -> CommandAnswer {
    // Which services there are is in the ledger, too.
    if let Some(error) = &pass.ledger_error {
        return refused(Code::A0903, &error.message, &error.hint.to_string());
    }
    refused(Code::A1002, &format!("there is no service {name}"), &service_hint(pass, name))
}

/// The nearest service name, or the command that lists them.
pub fn service_hint(pass: &PassView, name: &str) -> String {
    let services = pass.statuses();
    let known: Vec<&str> = services.keys().map(String::as_str).collect();
    let lists = "amarre status --all lists them";
    nearest(name, &known).map_or_else(|| lists.to_owned(), |near| format!("did you mean {near}? {lists}"))
}

/// No resource matches.
pub fn no_match(thing: &str) -> CommandAnswer {
    let hint = "a thing is named as plans name it: proxy-host/cloud.example.org, record/cloud.example.org/A";
    refused(Code::A1002, &format!("there is nothing called {thing}"), hint)
}

/// More than one resource matches; two generations of one differ in what follows the `@`.
pub fn ambiguous_match(thing: &str, found: &[Address]) -> CommandAnswer {
    let names: Vec<String> = found.iter().map(Address::to_string).collect();
    let hint = format!("write more of it: {}", names.join(", "));
    refused(Code::A1002, &format!("{thing} may be one of {}", found.len()), &hint)
}
