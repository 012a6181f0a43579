//! A new service with a deleted one's name: what that one has left is not its own unless its manifest says `reuse: true`.
//!
//! A name is retired when its manifest and its containers are gone. One that is suspended, broken or only put back a
//! moment later is the same service.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::folders::{is_within, normal};
use crate::model::service::MountSource;
use crate::model::world::Retired;
use crate::model::{Address, Code, Facts, Hint, Kind, Refusal, Service, Text, Timestamp, World};
use crate::plan::indexes::host_folders;
use crate::plan::input::Input;
use crate::text;

/// Why no container of a service is made: it would get what another one of its name has left.
pub fn held(input: &Input<'_>, service: &Service, base: &Address) -> Option<Refusal> {
    if service.data.reuse {
        return None;
    }
    let is_gone = |name: &str| !with_containers(input.facts, input.world).iter().any(|known| *known == name);
    let is_retired = |name: &&str| {
        let retired = input.facts.retired.get(*name);
        retired.is_some_and(|retired| retired.is_over || is_gone(name) && input.world.has_all_of_services())
    };
    let name = [service.name.as_str(), service.data_name()].into_iter().find(is_retired)?;
    let found = leftovers(input, service, base, name);
    if found.is_empty() {
        return None;
    }
    let file = &service.origin.file;
    Some(Refusal {
        code: Code::A0443,
        message: text!(
            "a service {name} was deleted, and {service} would get what it has left",
            name,
            service = &service.name
        ),
        found,
        hints: vec![
            Hint::text(text!("if it is to have that, write `reuse: true` in {file}", file)),
            Hint::text(text!("if not, give it another name")),
        ],
    })
}

/// What of a deleted service a manifest would get: its folder, volumes that are there, secrets below its name.
fn leftovers(input: &Input<'_>, service: &Service, base: &Address, name: &str) -> Vec<(Text, Text)> {
    let mut found = BTreeSet::new();
    let Some(host) = input.site.host_of(service) else { return Vec::new() };
    let folder = normal(&format!("{}/{name}", host.data));
    for container in service.all_containers() {
        let fields = host_folders::of_manifest(service, container);
        let paths =
            host_folders::folders(input, service, &base.provider, &fields).into_iter().map(|folder| folder.path);
        found.extend(paths.filter(|path| is_within(path, &folder)).map(|path| (text!("folder"), path.into())));
        for mount in &container.mounts {
            let MountSource::Volume(volume) = &mount.source else { continue };
            let address = Address::new(base.provider.clone(), Kind::Volume, &service.volume_name(volume));
            let is_there = input.world.seen.contains_key(&address);
            found.extend(is_there.then(|| (text!("volume"), (&address.name).into())));
        }
    }
    let is_its = |secret: &str| secret == name || secret.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    let secrets = service.secrets().into_iter().map(|(secret, _)| secret.0.clone());
    found.extend(secrets.filter(|secret| is_its(secret)).map(|secret| (text!("secret"), secret.into())));
    found.into_iter().collect()
}

/// Services of which there are containers, or were when the ledger was written.
fn with_containers<'a>(facts: &'a Facts, world: &'a World) -> BTreeSet<&'a String> {
    let seen = world.seen.iter().filter(|(address, seen)| address.kind == Kind::Container && seen.owner.is_ours());
    let applied = facts.applied.iter().filter(|(address, _)| address.kind == Kind::Container);
    seen.filter_map(|(_, seen)| seen.service.as_ref()).chain(applied.map(|(_, row)| &row.service)).collect()
}

/// What the ledger is to know of names from now on; `None` for one that it is to forget.
pub fn after_look(
    services: &BTreeMap<String, Service>,
    is_broken: impl Fn(&str) -> bool,
    prunes: bool,
    facts: &Facts,
    world: &World,
    now: Timestamp,
) -> BTreeMap<String, Option<Retired>> {
    let with_containers = with_containers(facts, world);
    let is_over = |name: &String| !with_containers.contains(name) && world.has_all_of_services();
    let is_kept = |name: &str| services.contains_key(name) || is_broken(name);
    let continued: BTreeSet<&String> = services.values().filter_map(|service| service.data.of.as_ref()).collect();
    let reused: BTreeSet<&str> =
        services.values().filter(|service| service.data.reuse).map(Service::data_name).collect();
    let mut changes = BTreeMap::new();
    for (name, known) in &facts.retired {
        let goes_on = continued.contains(name);
        let is_taken = services.get(name).is_some_and(|service| service.data.reuse);
        let is_reused = reused.contains(name.as_str());
        let is_purged = facts.suspended.get(name).is_some_and(|suspension| suspension.destroy && suspension.purge);
        let is_back = !known.is_over && (goes_on || is_kept(name) && !is_over(name));
        // Its containers were judged before they were made: what it has by now is its own.
        let is_another = known.is_over && services.contains_key(name) && with_containers.contains(name);
        if is_taken || is_reused || is_purged || is_back || is_another {
            changes.insert(name.clone(), None);
        } else if !known.is_over && is_over(name) {
            changes.insert(name.clone(), Some(Retired { is_over: true, ..*known }));
        }
    }
    let destroyed = facts.suspended.iter().filter(|(_, suspension)| suspension.destroy && !suspension.purge);
    let destroyed = destroyed.map(|(name, _)| name);
    let pruned = with_containers.iter().copied().filter(|name| prunes && !facts.suspended.contains_key(*name));
    for name in destroyed.chain(pruned).filter(|name| !facts.retired.contains_key(*name)) {
        if !is_kept(name) && !continued.contains(name) {
            changes.insert(name.clone(), Some(Retired { at: now, is_over: is_over(name) }));
        }
    }
    changes
}
