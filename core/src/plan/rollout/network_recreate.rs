//! Networks that are made anew: a subnet cannot change in place. Everything on such a network goes first, then the
//! network, then all of it comes again at its new place; images are there before anything goes, volumes stay.
//!
//! Where something on it would not go (a stranger, a suspended or stopped service, hosts that cannot be seen), nothing
//! does, and the change is held.

use std::collections::{BTreeMap, BTreeSet};

use super::data_loss;
use crate::model::address::service_of_network;
use crate::model::{Address, Fields, Kind, Need, Refusal, Seen, Want};
use crate::plan::desired::{bind_mounts, container, subnets};
use crate::plan::expansion::{Expansion, RouteTarget};
use crate::plan::indexes::all_mounts::AllMounts;
use crate::plan::{exclusive, left_alone, protection, rollout, targets};
use crate::text;

/// Networks that are there, are ours, and are to be otherwise.
pub fn networks(
    all_mounts: &AllMounts<'_>,
    subnets: &BTreeMap<Address, Result<ipnet::Ipv4Net, Box<Refusal>>>,
) -> BTreeSet<Address> {
    let input = all_mounts.input;
    let mut moving = BTreeSet::new();
    for service in input.services.values() {
        for subnets::Own { address, asked, internal } in subnets::networks_of(input, service) {
            let Some(seen) = input.world.seen.get(&address).filter(|seen| seen.owner.is_ours()) else { continue };
            let is_other = asked.is_some_and(|asked| seen.fields.text("subnet") != Some(asked.to_string().as_str()));
            let differs = is_other || seen.fields.flag("internal") != Some(internal);
            let is_free = || asked.is_none_or(|asked| subnets::free_of_others(input, &address, asked).is_ok());
            if differs && is_free() && subnets.contains_key(&address) && !is_held(all_mounts, &service.name) {
                let members = seen.fields.strings("members");
                if members.iter().all(|member| goes_along(all_mounts, &address, member)) {
                    moving.insert(address);
                }
            }
        }
    }
    moving
}

/// Whether a service's containers would not go.
fn is_held(all_mounts: &AllMounts<'_>, name: &str) -> bool {
    let input = all_mounts.input;
    let Some(service) = input.services.get(name) else { return true };
    let npm = input.site.host_of(service).and_then(|host| host.npm.as_ref());
    let is_hidden = npm.is_some_and(|npm| input.world.is_dark(&npm.provider)) && !service.routes.is_empty();
    // It would be another way past what the jobs are for.
    let has_jobs = !service.jobs.is_empty();
    let is_kept = protection::is_reported(input, name) || service.reconcile.protect == Some(true);
    let is_left = is_kept || left_alone::is_left_alone(input, name);
    service.stopped
        || is_hidden
        || has_jobs
        || is_left
        || data_loss::any_would_be_empty(input, service)
        || bind_mounts::is_any_barred(all_mounts, service)
}

/// Whether a member of a network leaves it for the network to be made anew: a container of a service in force, or NPM.
fn goes_along(all_mounts: &AllMounts<'_>, network: &Address, member: &str) -> bool {
    let input = all_mounts.input;
    let hosts = input.site.hosts.values().filter(|host| host.docker == network.provider);
    let mut npms = hosts.filter_map(|host| host.npm.as_ref()?.container.as_deref());
    let mut containers = input.world.of_kind(&network.provider, Kind::Container);
    let own = containers.find(|(_, seen)| seen.fields.text("name") == Some(member) && seen.owner.is_ours());
    let service = own.and_then(|(_, seen)| seen.service.as_ref());
    npms.any(|npm| npm == member) || service.is_some_and(|service| !is_held(all_mounts, service))
}

/// The containers of a service whose network is made anew: they go, once their images are there.
pub fn remove_containers(expansion: &mut Expansion<'_>, network: &Address) -> BTreeMap<String, RouteTarget> {
    let (input, service) = (expansion.input, expansion.service);
    let mut targets = BTreeMap::new();
    for (key, container) in &service.containers {
        let base = Address::new(expansion.host.docker.clone(), Kind::Container, &service.address_name(key));
        let image = container::image_reference(&container.image);
        let image = Address::new(base.provider.clone(), Kind::Image, &image);
        expansion.want(image.clone(), Fields::default(), Vec::new(), &container.origin);
        let all = input.world.generations(&base);
        let instances: Vec<(&Address, &Seen)> = all.filter(|(_, seen)| seen.owner.is_ours()).collect();
        let serving = instances.iter().find(|(_, seen)| rollout::is_pointed_at(expansion, seen));
        if let Some((address, seen)) = serving.or(instances.first()) {
            targets.insert(key.clone(), RouteTarget::of(address, &seen.fields));
        }
        for (instance, _) in instances {
            expansion.wants.before_delete.insert(instance.clone(), vec![Need::present(image.clone())]);
        }
    }
    let name = service_of_network(&network.name).unwrap_or(&network.name);
    let why = text!("network {name} cannot change in place: it is made anew, with everything on it", name);
    expansion.wants.stop_first.insert(service.name.clone(), why);
    targets
}

/// Hosts of a service whose network is made anew lead where they do, and none is made: NPM is about to leave that network,
/// and what stands there now is about to go.
pub fn keep_hosts(expansion: &mut Expansion<'_>) {
    let (world, name) = (&expansion.input.world, &expansion.service.name);
    let is_host = |address: &Address, want: &Want| want.service == *name && address.kind.traits().forwards;
    expansion.wants.map.retain(|address, want| !is_host(address, want) || world.seen.contains_key(address));
    for (address, want) in expansion.wants.map.iter_mut().filter(|(address, want)| is_host(address, want)) {
        if let Some(seen) = world.seen.get(address) {
            targets::keep_pointing(want, &seen.fields);
        }
    }
    siblings_go_too(expansion);
}

/// Containers that the manifest describes no more go with the others, though its own hosts, or streams that are for it,
/// still lead there: those lead elsewhere only when there is an elsewhere again.
fn siblings_go_too(expansion: &mut Expansion<'_>) {
    let (input, service) = (expansion.input, expansion.service);
    let containers = input.world.of_kind(&expansion.host.docker, Kind::Container);
    let own = containers.filter(|(_, seen)| seen.owner.is_ours() && seen.service.as_ref() == Some(&service.name));
    let moving =
        own.filter(|(_, seen)| expansion.wants.moving.iter().any(|network| exclusive::is_on(&seen.fields, network)));
    let mut first: Vec<(Address, Vec<Need>)> = Vec::new();
    for (address, seen) in moving.filter(|(address, _)| !expansion.wants.before_delete.contains_key(*address)) {
        let is_own = |host: &Address| {
            let is_wanted = expansion.wants.map.get(host).is_some_and(|want| want.service == service.name);
            let seen = input.world.seen.get(host);
            is_wanted || seen.and_then(|seen| targets::meant_service(input, host, seen)) == Some(service.name.as_str())
        };
        let users = exclusive::users(input, address, seen).into_iter().filter(|host| !is_own(host));
        first.push((address.clone(), users.map(Need::absent).collect()));
    }
    expansion.wants.before_delete.extend(first);
}

/// NPM leaves a network after everything else on it.
pub fn detach(expansion: &mut Expansion<'_>, attachment: Address, network: &Address) {
    let containers = expansion.input.world.of_kind(&network.provider, Kind::Container);
    let on_it = containers.filter(|(_, seen)| seen.owner.is_ours() && exclusive::is_on(&seen.fields, network));
    let first = on_it.map(|(container, _)| Need::absent(container.clone())).collect();
    expansion.wants.before_delete.insert(attachment, first);
}
