//! Whether a container would start on nothing where its service had data: a volume that was renamed, another path on the
//! host, another host, a service or a container under another name.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Address, Code, Fields, Hint, Kind, Owner, Refusal, Service, Value};
use crate::plan::desired::expand::Expansion;
use crate::plan::desired::mounts;
use crate::plan::input::Input;
use crate::resources::docker;
use crate::resources::docker::MountedData;
use crate::text;

/// Every container of ours.
#[derive(Debug, Default)]
pub struct KnownContainers<'a> {
    /// By service: those that are there, then those that the ledger knows.
    of: BTreeMap<&'a str, Vec<(&'a Address, &'a Fields)>>,
    /// Services whose manifest is gone.
    gone: Vec<&'a str>,
}

/// Gathers them.
pub fn known<'a>(input: &Input<'a>) -> KnownContainers<'a> {
    let mut known = KnownContainers::default();
    let seen = input.world.seen.iter().filter(|(_, seen)| seen.owner.is_ours());
    let seen = seen.filter_map(|(address, seen)| Some((address, seen.service.as_ref()?, &seen.fields)));
    let applied = input.facts.applied.iter().map(|(address, row)| (address, &row.service, &row.fields));
    for (address, service, fields) in seen.chain(applied).filter(|(address, _, _)| address.kind == Kind::Container) {
        known.of.entry(service).or_default().push((address, fields));
    }
    let is_gone = |name: &&str| !input.services.contains_key(*name) && !input.facts.frozen.contains(*name);
    known.gone = known.of.keys().copied().filter(is_gone).collect();
    known
}

/// Why a container that is yet to be made is held, if it would find a place empty where data were. Until a person has
/// said what is meant, who has the data goes on.
pub fn would_be_empty(expansion: &mut Expansion<'_>, base: &Address, fields: &Fields) -> Option<Refusal> {
    let (refusal, left_behind) = held(expansion.input, expansion.known, expansion.service, base, fields)?;
    expansion.wants.left_behind.extend(left_behind.map(|service| (service, refusal.clone())));
    Some(refusal)
}

/// Whether any container of a manifest would, for all that its manifest says of mounts.
pub fn any_would_be_empty(input: &Input<'_>, service: &Service) -> bool {
    let Some(host) = input.site.host_of(service) else { return false };
    let known = known(input);
    service.containers.iter().any(|(key, container)| {
        let base = Address::new(host.docker.clone(), Kind::Container, &service.address_name(key));
        let mounts = container.mounts.iter().filter_map(|mount| mounts::mount_text(service, mount));
        let fields =
            Fields::default().with("image", Value::text(&container.image)).with("mounts", Value::texts(mounts));
        held(input, &known, service, &base, &fields).is_some()
    })
}

/// The refusal, and the manifest whose things are to stay for it.
fn held(
    input: &Input<'_>,
    known: &KnownContainers<'_>,
    service: &Service,
    base: &Address,
    fields: &Fields,
) -> Option<(Refusal, Option<String>)> {
    if service.data.is_new {
        return None;
    }
    let Some(former) = former(input, known, service, base, fields) else {
        return beside_stranger(input, known, service, base, fields).map(|refusal| (refusal, None));
    };
    let has_volume = |name| input.world.seen.contains_key(&Address::new(base.provider.clone(), Kind::Volume, name));
    let is_there = |data| matches!(data, MountedData::Volume(name) if has_volume(name));
    let elsewhere = former.at.provider != base.provider;
    let (before, now, target) = written(fields).find_map(|(now, target)| {
        let (before, _) = written(former.fields).find(|(_, at)| *at == target)?;
        let is_same = before == now && !elsewhere;
        (!is_same && !is_there(now)).then_some((before, now, target))
    })?;
    let file = &service.origin.file;
    let mut hints = Vec::new();
    if let Some(old) = former.gone {
        hints.push(Hint::text(text!(
            "if it is the service that was called {old}, write `moved_from: {old}` in {file}",
            old,
            file
        )));
    } else if elsewhere {
        let (engine, data) = (&base.provider, now.in_words());
        hints.push(Hint::text(text!("bring the data to {engine} first, as {data}", engine, data)));
    } else {
        hints.push(Hint::text(text!("to keep the data, put {data} back in {file}", data = before.in_words(), file)));
    }
    if service.data.of.is_none() {
        hints.push(start_on_nothing(file));
    }
    let was = match elsewhere {
        true => text!("{data} on {engine}", data = before.shown(), engine = &former.at.provider),
        false => before.shown().into(),
    };
    let refusal = Refusal {
        code: Code::A0419,
        message: text!("container {name} would start without its data", name = &base.name),
        found: vec![(text!("{target} was", target), was), (text!("{target} would be", target), now.shown().into())],
        hints,
    };
    let left_behind = former.gone.or(elsewhere.then_some(service.name.as_str()));
    Some((refusal, left_behind.map(str::to_owned)))
}

/// The first start of a service beside a container that is not ours, runs or ran the same image, and has data where this
/// one would have a new volume: most likely that is the service, under other names.
fn beside_stranger(
    input: &Input<'_>,
    known: &KnownContainers<'_>,
    service: &Service,
    base: &Address,
    fields: &Fields,
) -> Option<Refusal> {
    let is_known = known.of.contains_key(service.name.as_str()) || input.facts.converged.contains(&service.name);
    if is_known || service.data.of.is_some() {
        return None;
    }
    let is_new = |name| !input.world.seen.contains_key(&Address::new(base.provider.clone(), Kind::Volume, name));
    let containers = input.world.of_kind(&base.provider, Kind::Container);
    // What another instance made has a manifest there.
    let is_strange = |owner: &Owner| matches!(owner, Owner::Foreign | Owner::Unverified);
    let strangers = containers.filter(|(_, seen)| is_strange(&seen.owner) && is_like(&seen.fields, fields));
    let (stranger, theirs, volume, target) = strangers.into_iter().find_map(|(stranger, seen)| {
        written(fields).find_map(|(now, target)| {
            let (theirs, _) = written(&seen.fields).find(|(theirs, at)| *at == target && *theirs != now)?;
            match now {
                MountedData::Volume(name) if is_new(name) => Some((stranger, theirs, name, target)),
                MountedData::Volume(_) | MountedData::Path(_) => None,
            }
        })
    })?;
    let file = &service.origin.file;
    let to_keep = match theirs {
        MountedData::Volume(name) => {
            let mount = format!("`{{type: volume, source: {name}, target: {target}, external: true}}`");
            text!("to go on with its data, stop it and write {mount} in {file}", mount, file)
        }
        MountedData::Path(path) => text!("to go on with its data, stop it and mount {path} in {file}", path, file),
    };
    Some(Refusal {
        code: Code::A0419,
        message: text!(
            "container {name} would start without the data of container {other}",
            name = &base.name,
            other = &stranger.name
        ),
        found: vec![
            (text!("{target} of {container}", target, container = &stranger.name), theirs.shown().into()),
            (text!("{target} would be", target), text!("volume {volume}, which is new", volume)),
        ],
        hints: vec![Hint::text(to_keep), start_on_nothing(file)],
    })
}

fn start_on_nothing(file: &str) -> Hint {
    Hint::text(text!("if it may start on nothing, write `data: new` in {file}", file))
}

fn is_like(one: &Fields, other: &Fields) -> bool {
    repository(one.text("image")) == repository(other.text("image"))
}

/// What a container was before, where its data are to be looked for.
struct Former<'a> {
    at: &'a Address,
    /// The manifest that it was of, where that is gone.
    gone: Option<&'a str>,
    fields: &'a Fields,
}

fn former<'a>(
    input: &'a Input<'_>,
    known: &'a KnownContainers<'_>,
    service: &Service,
    base: &'a Address,
    fields: &Fields,
) -> Option<Former<'a>> {
    let of = |name: &str| known.of.get(name).map(Vec::as_slice).unwrap_or_default();
    let found = |(at, fields): (&'a Address, &'a Fields)| Former { at, gone: None, fields };
    let own = of(&service.name);
    let is_it = |(address, _): &(&'a Address, &'a Fields)| address.is_same(base);
    let here = own.iter().copied().find(is_it).map(found);
    // Of one that was destroyed, nothing is looked for.
    let good =
        || input.facts.last_good.get(base).filter(|_| !own.is_empty() || input.facts.converged.contains(&service.name));
    let here = here.or_else(|| good().map(|(_, fields)| found((base, fields))));
    if here.is_some() {
        return here;
    }
    let is_like = |other: &Fields| is_like(other, fields);
    if let Some(old) = &service.data.of {
        let all = of(old);
        let same_key = base.name.strip_prefix(&service.name).map(|key| format!("{old}{key}"));
        let named = all.iter().copied().find(|(address, _)| Some(&address.name) == same_key.as_ref());
        return named.or_else(|| all.iter().copied().find(|(_, other)| is_like(other))).map(found);
    }
    let elsewhere = own.iter().copied().find(|(address, _)| address.name == base.name);
    let wanted: BTreeSet<String> = service.containers.keys().map(|key| service.address_name(key)).collect();
    // Under another key it is another container, with the same data.
    let renamed = || own.iter().copied().find(|(address, other)| !wanted.contains(&address.name) && is_like(other));
    if let Some(former) = elsewhere.or_else(renamed) {
        return Some(found(former));
    }
    if !own.is_empty() {
        return None;
    }
    // A manifest that is new, and another that has gone, with the same image.
    let gone = known.gone.iter().copied();
    let mut gone = gone.flat_map(|name| of(name).iter().map(move |(at, fields)| (name, *at, *fields)));
    let (name, at, fields) = gone.find(|(_, at, other)| at.provider == base.provider && is_like(other))?;
    Some(Former { at, gone: Some(name), fields })
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

/// Source and target of each mount that is written to. A socket holds no data.
fn written(fields: &Fields) -> impl Iterator<Item = (MountedData<'_>, &str)> {
    let mounts = docker::mounts(fields).filter(|mount| !mount.is_read_only);
    let data = mounts.filter_map(|mount| Some((mount.data()?, mount.target)));
    data.filter(|(data, _)| !matches!(data, MountedData::Path(path) if path.ends_with(".sock")))
}
