//! What people mean by the end of an address.

use std::sync::Arc;

use super::{Answer, refused};
use crate::engine::Picture;
use crate::engine::reconcile::daemon::{Command, Handle};
use amarre_core::model::Address;
use amarre_core::model::suggestion::nearest;

/// Addresses that are there or wanted and that end so, without their generations. The whole text comes first.
pub fn meant(picture: &Picture, thing: &str) -> Vec<Address> {
    let all = picture.world.seen.keys().chain(picture.wants.map.keys()).chain(picture.facts.applied.keys());
    let mut found: Vec<Address> = all.filter(|address| is_meant(address, thing)).cloned().collect();
    found.sort();
    found.dedup();
    // Of several generations of one container, the one in force.
    let bases: Vec<Address> = found.iter().map(Address::base).collect();
    let is_in_force = |address: &Address| picture.wants.map.get(address).is_some_and(|want| !want.keep_only);
    let has_better = |address: &Address| {
        let same = found.iter().zip(&bases).filter(|(_, base)| **base == address.base());
        !is_in_force(address) && same.into_iter().any(|(other, _)| is_in_force(other))
    };
    found.iter().filter(|address| !has_better(address)).cloned().collect()
}

/// `container/cloud-app` is one of `docker/container/cloud-app@4b78`; a record may be named without its type.
pub fn is_meant(address: &Address, thing: &str) -> bool {
    let text = address.base().to_string();
    let end = |text: &str| text == thing || text.ends_with(&format!("/{thing}"));
    end(&text) || text.rsplit_once('/').is_some_and(|(name, _)| thing.contains('/') && end(name))
}

/// What the last look saw; where there was none yet, one is made.
pub async fn known(handle: &Handle) -> Option<Arc<Picture>> {
    let (picture, _) = handle.picture();
    match picture.context {
        Some(_) => Some(picture),
        None => Some(handle.ask(Command::Look).await?.picture),
    }
}

/// No service is called so; the one that may be meant is named.
pub fn no_service(picture: &Picture, name: &str) -> Answer {
    refused("A1002", &format!("there is no service {name}"), &service_hint(picture, name))
}

/// Which service may be meant, or where they are listed.
pub fn service_hint(picture: &Picture, name: &str) -> String {
    let services = picture.statuses();
    let known: Vec<&str> = services.keys().map(String::as_str).collect();
    let lists = "amarre status --all lists them";
    nearest(name, &known).map_or_else(|| lists.to_owned(), |near| format!("did you mean {near}? {lists}"))
}

/// Nothing is called so.
pub fn nothing(thing: &str) -> Answer {
    let hint = "a thing is named as plans name it: proxy-host/cloud.example.org, record/cloud.example.org/A";
    refused("A1002", &format!("there is nothing called {thing}"), hint)
}

/// More than one is called so.
pub fn several(thing: &str, found: &[Address]) -> Answer {
    let names: Vec<String> = found.iter().map(|address| address.base().to_string()).collect();
    let hint = format!("write more of it: {}", names.join(", "));
    refused("A1002", &format!("{thing} may be one of {}", found.len()), &hint)
}
