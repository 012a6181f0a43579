//! Whose a name of a container is, on the engine and on networks that several services share.
//!
//! | a container that would | while another manifest's | |
//! |---|---|---|
//! | have the `container_name: x` | is called `x` after its manifest | A0120 |
//! | be called `x-` and twelve hexadecimal digits | is called `x`: its next one needs that name | A0289 |
//! | answer to `x` on a network: by its name, key, alias or `hostname` | answers to `x` there | A0288 |
//!
//! What is called after its manifest comes first, then what was there before, then the order of files and lines. `policy.names` allows a name to a
//! manifest; none allows one container's name to two.

use std::collections::BTreeMap;

use super::Closed;
use super::cross_manifest::{DraftService, precedence};
use crate::manifest::policy;
use crate::manifest::yaml::diagnostic::{Problem, shown};
use crate::model::service::{Service, StreamTarget};
use crate::model::site::Right;
use crate::model::uses::{ContainerName, container_names};
use crate::model::{Code, Site, Text};
use crate::text;

/// The key of the policy.
const WORD: &str = "names";

/// The names of a service's containers that no other service may have, each with where it is one, and whether the engine
/// itself knows but one.
pub fn names_of_containers(service: &Service, site: &Site) -> BTreeMap<String, bool> {
    let is_shared = |name: &ContainerName| {
        name.network.is_some() && policy::entry(&service.name, &site.policy.names, &name.name).is_some()
    };
    let names = container_names(service, site, &[]).into_keys().filter(|name| !is_shared(name));
    let shown = |ContainerName { host, network, name }| match network {
        Some(network) => (format!("{name} on the network {network} of {host}"), false),
        None => (format!("the container {name} on {host}"), true),
    };
    names.map(shown).collect()
}

/// The containers that streams lead to: service and key.
fn streamed<'a>(services: impl Iterator<Item = &'a Service>) -> Vec<(&'a str, &'a str)> {
    let targets = services.flat_map(|service| &service.streams).filter_map(|stream| match &stream.to {
        StreamTarget::Container { service, key, .. } => Some((service.as_str(), key.as_str())),
        StreamTarget::Address { .. } => None,
    });
    targets.collect()
}

/// Refuses names of others. The drafts are in the order of files and lines.
pub(crate) fn check(drafts: &mut [DraftService<'_>], site: &Site) {
    let good = precedence(drafts, site).into_iter().filter_map(|index| Some((index, drafts[index].good()?)));
    let good: Vec<(usize, &Service)> = good.collect();
    let streamed = streamed(good.iter().map(|(_, service)| *service));
    let all: Vec<(usize, BTreeMap<ContainerName, bool>)> =
        good.iter().map(|(index, service)| (*index, container_names(service, site, &streamed))).collect();
    let mut holders: BTreeMap<&ContainerName, (bool, usize)> = BTreeMap::new();
    for (index, names) in &all {
        for (name, is_own) in names {
            let holder = holders.entry(name).or_insert((*is_own, *index));
            if *is_own && !holder.0 {
                *holder = (true, *index);
            }
        }
    }
    let mut found: Vec<(usize, Right, Problem)> = Vec::new();
    for (index, names) in &all {
        let draft = &drafts[*index];
        for (name, is_own) in names {
            let holder = |wanted: &ContainerName| {
                let (is_own, other) = holders.get(wanted).filter(|(_, other)| other != index)?;
                Some((*is_own, drafts[*other].name.as_deref()?))
            };
            found.extend(judge(draft, name, *is_own, site, &holder).map(|(right, problem)| (*index, right, problem)));
        }
    }
    for (index, right, problem) in found {
        drafts[index].decide(right, &problem);
        drafts[index].problems.push(problem);
    }
}

/// Judges one name; `holder` says who else has one, and whether after its manifest.
fn judge<'h>(
    draft: &DraftService<'_>,
    wanted: &ContainerName,
    is_own: bool,
    site: &Site,
    holder: &dyn Fn(&ContainerName) -> Option<(bool, &'h str)>,
) -> Option<(Right, Problem)> {
    let service = draft.name.as_deref()?;
    let spot = draft.spot();
    let name = shown(&wanted.name);
    let right = Right { service: service.to_owned(), word: WORD.to_owned(), item: wanted.name.clone() };
    let is_named = |service: &str| policy::entry(service, &site.policy.names, &wanted.name).is_some();
    let forbid = |code: Code, why: Text| {
        let message = text!("policy forbids a container to be called {name}: {why}", name = &name, why);
        let entry = format!("`policy.names: {{{}: [{name}]}}`", shown(service));
        let hint = if has_own_name(draft, &wanted.name) {
            text!("leave `container_name` out, or ask the operator for {entry}", entry)
        } else {
            text!("take another, or ask the operator for {entry}", entry)
        };
        let closed = Closed { code, spot, word: WORD, item: &wanted.name, message, hint };
        Some((right.clone(), policy::problem(&closed)))
    };
    match (&wanted.network, holder(wanted)) {
        (None, Some((true, other))) if !is_own => {
            let message = text!("two containers would be named {name}", name = &name);
            let manifest = shown(other);
            let hint = if has_own_name(draft, &wanted.name) {
                text!("leave `container_name` out; the other is called after its manifest, {manifest}", manifest)
            } else {
                text!("the other is called after its manifest, {manifest}", manifest)
            };
            Some((right.clone(), Problem::error(Code::A0120, spot, message).hint(hint)))
        }
        (None, _) if !is_named(service) => {
            let before = before_update(&wanted.name)?;
            let (_, other) = holder(&ContainerName { name: before.to_owned(), ..wanted.clone() })?;
            let (container, service) = (shown(before), shown(other));
            let why = text!("an update of {container} of {service} would need that name", container, service);
            forbid(Code::A0289, why)
        }
        (Some(network), Some((_, other))) if !is_named(service) && !is_named(other) => {
            let (other, network) = (shown(other), shown(network));
            forbid(Code::A0288, text!("{other} answers to it on the network {network}", other, network))
        }
        (None | Some(_), _) => None,
    }
}

/// Whether a manifest gives a container this name by `container_name`.
fn has_own_name(draft: &DraftService<'_>, name: &str) -> bool {
    let mut containers = draft.service.iter().flat_map(|service| service.all_containers());
    containers.any(|container| container.container_name.as_deref() == Some(name))
}

/// The name of the container whose next one is called so for a while.
fn before_update(name: &str) -> Option<&str> {
    const GENERATION_LENGTH: usize = 12;
    let (before, end) = name.rsplit_once('-')?;
    let is_generation = end.len() == GENERATION_LENGTH && end.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_generation.then_some(before)
}
