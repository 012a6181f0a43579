//! What containers that are not ours have, and what NPM and Amarre have for themselves: a name is no right to it.
//!
//! | a container that is yet to be made asks for | verdict |
//! |---|---|
//! | a volume that was there before, and is not ours | held (A0444) unless `policy.volumes` lists it |
//! | a folder that a container which is not ours mounts | held (A0445) unless `policy.host_paths` names it |
//! | the name or a port of NPM's or Amarre's own container, there or not | held (A0442) |
//! | data that a running container which is not ours writes to | held (A0446) unless the manifest says `data: shared` |
//! | a port that a container which is not ours publishes | held (A0447) |
//! | a port at an address that the host does not have | held (A0448) |
//!
//! What a container of ours mounted before, it keeps, but for data that its twin writes to while it is away. A twin that writes beside
//! one that runs is told as A0446, too.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::bind_mounts;
use super::bind_mounts::{is_common, others};
use crate::model::folders::{is_within, normal};
use crate::model::suggestion::matches;
use crate::model::{Address, Arg, Code, Fields, Hint, Kind, Refusal, Seen, Service};
use crate::plan::exclusive;
use crate::plan::indexes::all_mounts::AllMounts;
use crate::plan::indexes::host_folders;
use crate::plan::input::Input;
use crate::resources::docker;
use crate::resources::docker::{MountKind, MountSpec, MountedData, WantedPort};
use crate::text;

/// Why a container is not made.
pub fn held(all_mounts: &AllMounts<'_>, service: &Service, base: &Address, fields: &Fields) -> Option<Refusal> {
    let input = all_mounts.input;
    reserved(input, service, base, fields)
        .or_else(|| volume(all_mounts, service, base, fields))
        .or_else(|| folder(all_mounts, service, base, fields))
        .or_else(|| written(all_mounts, service, base, fields))
        .or_else(|| published(all_mounts, service, base, fields))
        .or_else(|| address_on_other_network(input, service, base, fields))
}

fn volume(all_mounts: &AllMounts<'_>, service: &Service, base: &Address, fields: &Fields) -> Option<Refusal> {
    let input = all_mounts.input;
    let provider = &base.provider;
    let is_foreign = |name: &str| {
        let address = Address::new(provider.clone(), Kind::Volume, name);
        input.world.seen.get(&address).is_some_and(|seen| !seen.owner.is_ours())
    };
    let is_allowed = |name: &str| input.site.policy.volumes.iter().any(|pattern| matches(pattern, name));
    let asked = docker::mounts(fields).filter(|mount| mount.kind == MountKind::Volume).map(|mount| mount.source);
    let mut asked = asked.filter(|name| is_foreign(name) && !is_allowed(name)).peekable();
    asked.peek()?;
    let before: BTreeSet<&str> =
        bind_mounts::before(input, base).flat_map(docker::mounts).map(|mount| mount.source).collect();
    let name = asked.find(|name| !before.contains(name))?;
    let has_it = |mount: MountSpec<'_>| mount.data() == Some(MountedData::Volume(name));
    let user = all_mounts.foreign(provider).find(|(_, seen)| docker::mounts(&seen.fields).any(has_it));
    Some(Refusal {
        code: Code::A0444,
        message: text!("volume {name} was there before {service}, and is not Amarre's", name, service = &service.name),
        found: user
            .map(|(user, _)| (text!("used by"), text!("container {name}", name = &user.name)))
            .into_iter()
            .collect(),
        hints: vec![
            Hint::text(text!(
                "if {service} is to have it, the operator adds {name} to `policy.volumes`",
                service = &service.name,
                name
            )),
            Hint::text(text!("if not, give the volume another name in {file}", file = &service.origin.file)),
        ],
    })
}

fn folder(all_mounts: &AllMounts<'_>, service: &Service, base: &Address, fields: &Fields) -> Option<Refusal> {
    let input = all_mounts.input;
    let host = input.site.host_of(service)?;
    let asked = host_folders::folders(input, service, &base.provider, fields);
    if asked.is_empty() {
        return None;
    }
    // A folder of the template belongs to a name; what the operator writes out is meant for all.
    let written_out = input.site.policy.host_paths.iter().filter(|root| !root.contains("<service>"));
    let roots: Vec<String> =
        written_out.map(|root| normal(&root.replace("<data>", host.data.trim_end_matches('/')))).collect();
    let before: BTreeSet<String> = bind_mounts::before(input, base)
        .flat_map(|fields| host_folders::folders(input, service, &base.provider, fields))
        .map(|folder| folder.path)
        .collect();
    let is_open = |path: &String| before.contains(path) || roots.iter().any(|root| is_within(path, root));
    let asked: Vec<String> = asked.into_iter().map(|folder| folder.path).filter(|path| !is_open(path)).collect();
    let touches = |one: &str, other: &str| is_within(one, other) || is_within(other, one);
    let (path, user, theirs) = all_mounts.foreign(&base.provider).find_map(|(user, seen)| {
        let binds = docker::mounts(&seen.fields).filter(|mount| mount.kind == MountKind::Bind);
        let theirs = binds.map(|mount| normal(mount.source));
        theirs.filter(|path| !is_common(path)).find_map(|theirs| {
            let path = asked.iter().find(|path| touches(path, &theirs))?;
            Some((path, user, theirs))
        })
    })?;
    Some(Refusal {
        code: Code::A0445,
        message: text!(
            "container {name} may not mount {path}: another container has it",
            name = service.called(&base.name),
            path
        ),
        found: vec![(text!("used by"), text!("container {name}: {path}", name = &user.name, path = theirs))],
        hints: vec![
            Hint::text(text!("if both are to have it, the operator adds {path} to `policy.host_paths`", path)),
            Hint::text(text!("if it is the service's own from now on, remove the other container first")),
        ],
    })
}

/// Two databases on one volume destroy it: as with a Compose project that still runs when its manifest is committed.
fn written(all_mounts: &AllMounts<'_>, service: &Service, base: &Address, fields: &Fields) -> Option<Refusal> {
    if service.data.is_shared {
        return None;
    }
    let input = all_mounts.input;
    let before: BTreeSet<MountedData<'_>> = bind_mounts::before(input, base).flat_map(exclusive::written).collect();
    let asked: Vec<MountedData<'_>> = exclusive::written(fields).filter(|data| is_data(*data)).collect();
    let is_there = !input.world.instances(base).is_empty();
    // Beside a helper that writes there too, it comes back. In its absence, its twin does its work.
    let is_twin = |seen: &Seen| is_like(&seen.fields, fields) || is_of_project(service, base, &seen.fields);
    let runs = |(_, seen): &(&Address, &Seen)| seen.fields.flag("running") == Some(true);
    let (data, user) = all_mounts.foreign(&base.provider).filter(runs).find_map(|(user, seen)| {
        let is_held = |data: &&MountedData<'_>| !before.contains(data) || !is_there && is_twin(seen);
        let mut asked = asked.iter().filter(is_held);
        let data = asked.find(|data| exclusive::written(&seen.fields).any(|its| is_same_data(**data, its)))?;
        Some((*data, user))
    })?;
    Some(Refusal {
        code: Code::A0446,
        message: text!(
            "container {name} waits: another container writes to {data}",
            name = service.called(&base.name),
            data = data.in_words()
        ),
        found: vec![(text!("written by"), text!("container {name}, which runs", name = &user.name))],
        hints: vec![
            stop_other(user),
            Hint::text(text!(
                "if both are to write to it, write `data: shared` in {file}",
                file = &service.origin.file
            )),
        ],
    })
}

/// A container beside one that runs, where both write to the same data and both are the same program: an operator started the old
/// one again. By service, why that destroys what they have.
pub fn second_writers(input: &Input<'_>) -> BTreeMap<String, Refusal> {
    let runs = |seen: &Seen| seen.fields.flag("running") == Some(true);
    let all_mounts = AllMounts::of(input);
    let mut found = BTreeMap::new();
    for service in input.services.values().filter(|service| !service.data.is_shared) {
        let Some(host) = input.site.host_of(service) else { continue };
        let mut foreign = all_mounts.foreign(&host.docker).filter(|(_, seen)| runs(seen)).peekable();
        if foreign.peek().is_none() {
            continue;
        }
        let foreign: Vec<(&Address, &Seen)> = foreign.collect();
        for key in service.containers.keys() {
            let base = Address::new(host.docker.clone(), Kind::Container, &service.address_name(key));
            let own = input.world.instances(&base).into_iter().filter(|(_, seen)| runs(seen));
            let refusal = own.filter_map(|(_, seen)| beside(service, &base, seen, &foreign)).next();
            found.extend(refusal.map(|refusal| (service.name.clone(), refusal)));
        }
    }
    found
}

fn beside(service: &Service, base: &Address, own: &Seen, foreign: &[(&Address, &Seen)]) -> Option<Refusal> {
    let written: Vec<MountedData<'_>> = exclusive::written(&own.fields).filter(|data| is_data(*data)).collect();
    let (data, user) = foreign.iter().find_map(|(user, seen)| {
        let is_twin = is_like(&seen.fields, &own.fields) || is_of_project(service, base, &seen.fields);
        let mut own = written.iter().filter(|_| is_twin);
        let data = own.find(|data| exclusive::written(&seen.fields).any(|its| is_same_data(**data, its)))?;
        Some((*data, *user))
    })?;
    Some(Refusal {
        code: Code::A0446,
        message: text!(
            "containers {name} and {other} both write to {data}",
            name = own.fields.text("name").unwrap_or(&base.name),
            other = &user.name,
            data = data.in_words()
        ),
        found: Vec::new(),
        hints: vec![
            Hint::command(text!("stop the one that Amarre does not manage"), format!("docker stop {}", user.name)),
            Hint::text(text!(
                "if both are to write to it, write `data: shared` in {file}",
                file = &service.origin.file
            )),
        ],
    })
}

/// Whether a container is this one in a Compose project that is called as the service is.
pub fn is_of_project(service: &Service, base: &Address, fields: &Fields) -> bool {
    let is_it = |key: &str| service.containers.contains_key(key) && service.address_name(key) == base.name;
    fields.text("project") == Some(&service.name) && fields.text("project_service").is_some_and(is_it)
}

/// Whether two containers run the same image, of whatever version.
pub fn is_like(one: &Fields, other: &Fields) -> bool {
    repository(one.text("image")) == repository(other.text("image"))
}

/// An image without its tag or digest.
fn repository(image: Option<&str>) -> &str {
    let image = image.unwrap_or_default();
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        Some(_) | None => image,
    }
}

/// Whether that is data: no socket, and nothing that every container of a host may have.
fn is_data(data: MountedData<'_>) -> bool {
    match data {
        MountedData::Path(path) => !is_common(&normal(path)),
        MountedData::Volume(_) => true,
    }
}

fn is_same_data(one: MountedData<'_>, other: MountedData<'_>) -> bool {
    match (one, other) {
        (MountedData::Path(one), MountedData::Path(other)) => normal(one) == normal(other),
        (MountedData::Path(_), MountedData::Volume(_)) | (MountedData::Volume(_), _) => one == other,
    }
}

/// The engine would refuse the start, after the old container has stopped for it.
fn published(all_mounts: &AllMounts<'_>, service: &Service, base: &Address, fields: &Fields) -> Option<Refusal> {
    let (port, user) = all_mounts.foreign(&base.provider).find_map(|(user, seen)| {
        let port =
            exclusive::bindings(fields).find(|own| exclusive::bindings(&seen.fields).any(|its| own.collides(&its)))?;
        Some((port.name(), user))
    })?;
    Some(Refusal {
        code: Code::A0447,
        message: text!(
            "container {name} cannot publish {port}: another container has it",
            name = service.called(&base.name),
            port
        ),
        found: vec![(text!("published by"), text!("container {name}", name = &user.name))],
        hints: vec![
            stop_other(user),
            Hint::text(text!("or publish another port in {file}", file = &service.origin.file)),
        ],
    })
}

fn stop_other(user: &Address) -> Hint {
    Hint::command(text!("stop the other one first"), format!("docker stop {}", user.name))
}

/// The engine would refuse each start.
fn address_on_other_network(input: &Input<'_>, service: &Service, base: &Address, fields: &Fields) -> Option<Refusal> {
    let own = input.world.addresses.get(&base.provider)?;
    let has = |at: &IpAddr| own.contains(at) || at.is_unspecified() || at.is_loopback();
    let own_ports = exclusive::bindings(fields).map(|binding| (binding.address(), "ports"));
    let given = fields.strings("publish").into_iter().filter_map(WantedPort::parse).map(|port| (port.ip, "private"));
    let asked = own_ports.chain(given).filter_map(|(address, by)| Some((address.parse::<IpAddr>().ok()?, by)));
    let (address, by) = { asked }.find(|(address, _)| !has(address))?;
    let hint = match by {
        "ports" => text!("correct the address in `ports:` of {file}", file = &service.origin.file),
        _ => text!("correct {key} in amarre.yaml", key = format!("`hosts.{}.private_address`", service.host)),
    };
    let is_bridge = |at: &&IpAddr| !at.is_loopback() && at.is_ipv4() == address.is_ipv4();
    let known: Vec<String> = own.iter().filter(is_bridge).map(ToString::to_string).collect();
    Some(Refusal {
        code: Code::A0448,
        message: text!(
            "container {name} cannot publish at {address}: its host does not have this address",
            name = service.called(&base.name),
            address = address.to_string()
        ),
        found: vec![(text!("the host has"), known.join(", ").into())],
        hints: vec![Hint::text(hint)],
    })
}

/// While NPM's container is made again, its name and its ports are free for a moment.
fn reserved(input: &Input<'_>, service: &Service, base: &Address, fields: &Fields) -> Option<Refusal> {
    let asked: BTreeSet<String> = exclusive::ports(fields).collect();
    let key = service.containers.keys().find(|key| service.address_name(key) == base.name);
    let name = key.map(|key| service.container_name(key));
    others(input, service, &base.provider).find_map(|(reserved, whose)| {
        let port = asked.intersection(&reserved.ports).next().map(Arg::from);
        let is_called_so = name.as_ref() == Some(&reserved.by.name) && reserved.service.is_none();
        let what = port.or_else(|| is_called_so.then(|| text!("the name {name}", name = &reserved.by.name).into()))?;
        Some(bind_mounts::refused_for(base, service, what, &whose))
    })
}
