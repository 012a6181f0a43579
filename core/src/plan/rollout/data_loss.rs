//! Whether a container would start on nothing where its service had data: a volume that was renamed, another path on the
//! host, another host, a service or a container under another name, data that is gone, or that an unmanaged container has.

use std::collections::BTreeSet;

use crate::model::folders::{Lead, normal};
use crate::model::service::{Container, MountSource};
use crate::model::{Address, Code, Fields, Hint, Kind, Owner, ProviderId, Refusal, Seen, Service, Text, Value};
use crate::plan::desired::foreign_use::{is_like, is_of_project};
use crate::plan::desired::mounts;
use crate::plan::expansion::Expansion;
use crate::plan::indexes::known_containers::KnownContainers;
use crate::plan::indexes::{host_folders, known_containers};
use crate::plan::input::Input;
use crate::resources::docker;
use crate::resources::docker::MountedData;
use crate::text;

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
    let known = known_containers::known(input);
    service.containers.iter().any(|(key, container)| {
        let base = Address::new(host.docker.clone(), Kind::Container, &service.address_name(key));
        let mounts = container.mounts.iter().filter_map(|mount| host_folders::mount_text(service, mount));
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
    let is_there = |data| matches!(data, MountedData::Volume(name) if has_volume(input, &base.provider, name));
    let elsewhere = former.at.provider != base.provider;
    if let Some(lost) = lost(input, service, base, fields, &former).filter(|_| !elsewhere) {
        return Some((lost, None));
    }
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
    let was = if elsewhere {
        text!("{data} on {engine}", data = before.shown(), engine = &former.at.provider)
    } else {
        before.shown().into()
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

/// What the container had is gone, whoever took it: a volume or a folder of the same name would be a new one.
fn lost(input: &Input<'_>, service: &Service, base: &Address, fields: &Fields, former: &Former<'_>) -> Option<Refusal> {
    let had: BTreeSet<MountedData<'_>> = written(former.fields).map(|(data, _)| data).collect();
    let gone =
        |(data, _): &(MountedData<'_>, &str)| had.contains(data) && is_gone(input, service, &base.provider, *data);
    let (data, target) = written(fields).find(gone)?;
    let file = &service.origin.file;
    let back = match data {
        MountedData::Volume(name) => text!(
            "bring it back from a backup: amarre suspend {service}, docker volume create {name}, put the files there, amarre resume {service}",
            service = &service.name,
            name
        ),
        MountedData::Path(path) => {
            text!("mount the disk of {path}, or bring it back from a backup; then nothing is held", path)
        }
    };
    Some(Refusal {
        code: Code::A0419,
        message: text!("container {name} would start without its data", name = &base.name),
        found: vec![
            (text!("{target} was", target), data.shown().into()),
            (text!("{target} would be", target), text!("{data}, empty: what was there is gone", data = data.shown())),
        ],
        hints: vec![Hint::text(back), start_on_nothing(file)],
    })
}

/// Whether nothing is there any more of what a container had, as far as can be seen.
fn is_gone(input: &Input<'_>, service: &Service, engine: &ProviderId, data: MountedData<'_>) -> bool {
    let is_lost = |path: &str, is_made_anew: bool| {
        // A disk that is not mounted leaves an empty folder.
        let was_filled = input.facts.written_folders.get(engine).and_then(|known| known.get(path)) == Some(&true);
        lead(input, engine, path).is_some_and(|lead| lead.is_missing && is_made_anew || lead.is_empty && was_filled)
    };
    match data {
        MountedData::Volume(name) => {
            let volume = Address::new(engine.clone(), Kind::Volume, name);
            let is_away = !has_volume(input, engine, name) && input.world.gap(&volume).is_none();
            is_away || host_folders::device(input, service, engine, name).is_some_and(|path| is_lost(&path, false))
        }
        MountedData::Path(path) => is_lost(&normal(path), true),
    }
}

fn has_volume(input: &Input<'_>, engine: &ProviderId, name: &str) -> bool {
    input.world.seen.contains_key(&Address::new(engine.clone(), Kind::Volume, name))
}

/// Whether a folder of the host has nothing in it, or is not there; `None`: that cannot be seen.
fn is_bare(input: &Input<'_>, engine: &ProviderId, path: &str) -> Option<bool> {
    lead(input, engine, path).map(|lead| lead.is_missing || lead.is_empty)
}

/// Where a folder of the host leads, if Amarre sees the files of that host.
fn lead<'a>(input: &Input<'a>, engine: &ProviderId, path: &str) -> Option<&'a Lead> {
    input.world.leads.get(engine)?.get(&normal(path))
}

/// The first start of a container beside one that is not ours, runs or ran the same image or is it in a Compose project of
/// this name, and has data where this one would find nothing: most likely that is the service, under other names.
fn beside_stranger(
    input: &Input<'_>,
    known: &KnownContainers<'_>,
    service: &Service,
    base: &Address,
    fields: &Fields,
) -> Option<Refusal> {
    // Its siblings may be there already: they had nothing to wait for.
    let own = known.of.get(service.name.as_str()).into_iter().flatten();
    let is_known =
        own.into_iter().any(|(address, _)| address.is_same(base)) || input.facts.converged.contains(&service.name);
    if is_known || service.data.of.is_some() {
        return None;
    }
    let makes = fields.strings(mounts::CREATED_FOLDERS);
    let is_empty = |data: &MountedData<'_>| match data {
        MountedData::Volume(name) => !has_volume(input, &base.provider, name),
        // Where Amarre does not see the files of the host, what it would create may be there, too.
        MountedData::Path(path) => is_bare(input, &base.provider, path).unwrap_or_else(|| makes.contains(path)),
    };
    let is_it = |seen: &Seen| is_like(&seen.fields, fields) || is_of_project(service, base, &seen.fields);
    let containers = input.world.of_kind(&base.provider, Kind::Container);
    // What another instance made has a manifest there.
    let is_strange = |owner: &Owner| matches!(owner, Owner::Foreign | Owner::Unverified);
    let strangers = containers.filter(|(_, seen)| is_strange(&seen.owner) && is_it(seen));
    let strangers: Vec<(&Address, &Seen)> = strangers.collect();
    let copied = strangers.iter().find_map(|(stranger, seen)| in_place_of(service, base, stranger, &seen.fields));
    if copied.is_some() {
        return copied;
    }
    // Theirs is gone: as if it were a container of ours.
    let is_lost = |data: &MountedData<'_>| is_gone(input, service, &base.provider, *data);
    let found = strangers.into_iter().find_map(|(stranger, seen)| {
        // What is somewhere else than in its own Compose project is another copy, whatever is there.
        let is_own = is_of_project(service, base, &seen.fields);
        written(fields).filter(|(now, _)| is_own || is_empty(now)).find_map(|(now, target)| {
            let (theirs, _) = written(&seen.fields).find(|(_, at)| *at == target)?;
            let is_bare =
                matches!(theirs, MountedData::Path(path) if is_bare(input, &base.provider, path) == Some(true));
            let is_held = if theirs == now { is_lost(&now) } else { !is_bare };
            is_held.then_some((stranger, theirs, now, target))
        })
    });
    let Some((stranger, theirs, now, target)) = found else {
        return beside_volume(input, service, base, written(fields).find(|(now, _)| is_empty(now))?);
    };
    if theirs == now {
        // The other container has the data where this one looks for them, and they are gone.
        let gone = text!("{data}, empty: what was there is gone", data = now.shown());
        let way = text!("bring {path} back; then nothing is held", path = now.shown());
        let found = vec![(text!("{target} would be", target), gone)];
        return Some(without_data_of(service, base, stranger, found, vec![way]));
    }
    let would_be = match now {
        _ if !is_empty(&now) => text!("{data}, which holds something else", data = now.shown()),
        MountedData::Volume(volume) => text!("volume {volume}, which is new", volume),
        MountedData::Path(path) => text!("{path}, which is empty or not there yet", path),
    };
    let found = vec![
        (text!("{target} of {container}", target, container = &stranger.name), theirs.shown().into()),
        (text!("{target} would be", target), would_be),
    ];
    Some(without_data_of(service, base, stranger, found, with_its_data(input, service, base, theirs, now, target)))
}

fn without_data_of(
    service: &Service,
    base: &Address,
    other: &Address,
    found: Vec<(Text, Text)>,
    ways: Vec<Text>,
) -> Refusal {
    Refusal {
        code: Code::A0419,
        message: text!(
            "container {name} would start without the data of container {other}",
            name = &base.name,
            other = &other.name
        ),
        found,
        hints: ways.into_iter().map(Hint::text).chain([start_on_nothing(&service.origin.file)]).collect(),
    }
}

/// How the service goes on with what another container has at `target`.
fn with_its_data(
    input: &Input<'_>,
    service: &Service,
    base: &Address,
    theirs: MountedData<'_>,
    now: MountedData<'_>,
    target: &str,
) -> Vec<Text> {
    let path = match theirs {
        MountedData::Volume(name) => return vec![external_volume(service, base, name, target)],
        MountedData::Path(path) => path,
    };
    let file = &service.origin.file;
    let folder = match now {
        MountedData::Path(ours) => data_folder(input, service, path, ours),
        MountedData::Volume(_) => None,
    };
    let mount = text!("to go on with its data, stop it and mount {path} in {file}", path, file);
    folder.into_iter().chain([mount]).collect()
}

/// How a container gets a volume that is there: in a Compose file, its volume is called so.
fn external_volume(service: &Service, base: &Address, name: &str, target: &str) -> Text {
    let file = &service.origin.file;
    let of_compose = of_address(service, base).filter(|container| container.origin.file != *file);
    let own = of_compose.and_then(|container| {
        let mount = container.mounts.iter().find(|mount| mount.target == target)?;
        match &mount.source {
            MountSource::Volume(own) => Some((own, &container.origin.file)),
            MountSource::Bind(_) | MountSource::Tmpfs | MountSource::Copied(_) => None,
        }
    });
    if let Some((own, file)) = own {
        let entry = format!("`volumes: {{{own}: {{external: true, name: {name}}}}}`");
        return text!("to go on with its data, stop it and write {entry} at the top level of {file}", entry, file);
    }
    let mount = format!("`{{type: volume, source: {name}, target: {target}, external: true}}`");
    text!("to go on with its data, stop it and write {mount} in {file}", mount, file)
}

fn of_address<'a>(service: &'a Service, base: &Address) -> Option<&'a Container> {
    let mut containers = service.containers.iter();
    containers.find(|(key, _)| service.address_name(key) == base.name).map(|(_, container)| &**container)
}

/// A folder that is in the source is copied in: what another container wrote there stays behind, and so does what this one
/// writes, at its next update.
fn in_place_of(service: &Service, base: &Address, stranger: &Address, theirs: &Fields) -> Option<Refusal> {
    let container = of_address(service, base)?;
    let copied = |target: &str| container.mounts.iter().any(|mount| mount.writes_copy && mount.target == target);
    let (data, target) = written(theirs).find(|(_, target)| copied(target))?;
    let file = &container.origin.file;
    Some(Refusal {
        code: Code::A0419,
        message: text!(
            "container {name} would start with a copy in place of the data of container {other}",
            name = &base.name,
            other = &stranger.name
        ),
        found: vec![
            (text!("{target} of {container}", target, container = &stranger.name), data.shown().into()),
            (text!("{target} would be", target), text!("a copy of the folder in the source")),
        ],
        hints: vec![
            Hint::text(text!("if it is data, take the folder out of the source: it is then looked for on the host")),
            Hint::text(text!("if it is configuration that is only read, write `:ro` behind it in {file}", file)),
        ],
    })
}

/// The first start of a service that has volumes here already, of a stack that is gone, and would make a folder that was
/// somewhere else.
fn beside_volume(
    input: &Input<'_>,
    service: &Service,
    base: &Address,
    (now, target): (MountedData<'_>, &str),
) -> Option<Refusal> {
    let MountedData::Path(path) = now else { return None };
    let volumes = service.containers.values().flat_map(|container| &container.mounts);
    let mut volumes = volumes.filter_map(|mount| match &mount.source {
        MountSource::Volume(volume) => Some(service.volume_name(volume)),
        MountSource::Bind(_) | MountSource::Tmpfs | MountSource::Copied(_) => None,
    });
    let prefix = format!("{}_", service.name);
    let there = volumes.find(|name| {
        let seen = input.world.seen.get(&Address::new(base.provider.clone(), Kind::Volume, name));
        name.starts_with(&prefix) && seen.is_some_and(|seen| matches!(seen.owner, Owner::Foreign))
    })?;
    let file = &service.origin.file;
    Some(Refusal {
        code: Code::A0419,
        message: text!(
            "container {name} would start on a new folder, and its volumes are here already",
            name = &base.name
        ),
        found: vec![
            (text!("volume"), there.into()),
            (text!("{target} would be", target), text!("{path}, which is empty or not there yet", path)),
        ],
        hints: vec![
            Hint::text(text!(
                "if the folder is elsewhere, copy it to {path}, or have the operator set `hosts.{host}.data` in amarre.yaml",
                path,
                host = &service.host
            )),
            start_on_nothing(file),
        ],
    })
}

/// Where the folders of all services of a host have to lie so that this one finds those of a Compose project: it is called as the
/// service is.
fn data_folder(input: &Input<'_>, service: &Service, theirs: &str, ours: &str) -> Option<Text> {
    let own = input.site.host_of(service)?.data.as_str();
    let tail = ours.strip_prefix(own).filter(|tail| tail.starts_with('/'))?;
    let folder = theirs.strip_suffix(tail).filter(|folder| !folder.is_empty())?;
    let key = format!("hosts.{}.data: {folder}", service.host);
    Some(text!(
        "to go on with its data where they are, stop it, and have the operator write `{key}` in amarre.yaml",
        key
    ))
}

fn start_on_nothing(file: &str) -> Hint {
    Hint::text(text!("if it may start on nothing, write `data: new` in {file}", file))
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

/// Source and target of each mount that is written to. A socket holds no data.
fn written(fields: &Fields) -> impl Iterator<Item = (MountedData<'_>, &str)> {
    let mounts = docker::mounts(fields).filter(|mount| !mount.is_read_only);
    let data = mounts.filter_map(|mount| Some((mount.data()?, mount.target)));
    data.filter(|(data, _)| !matches!(data, MountedData::Path(path) if path.ends_with(".sock")))
}
