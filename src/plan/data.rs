//! Whether a container would start on nothing where its service had data: a volume that was renamed, another path on the
//! host, another host, a service under another name.

use super::declared;
use super::expand::Expansion;
use crate::model::{Address, Fields, Hint, Kind, Refusal};

/// Why a container that is yet to be made is held, if it would find a place empty where data were.
pub fn would_be_empty(expansion: &mut Expansion<'_>, base: &Address, fields: &Fields) -> Option<Refusal> {
    let service = expansion.service;
    if service.data.is_new {
        return None;
    }
    let former = former(expansion, base, fields)?;
    let world = &expansion.input.world;
    let is_there = |source: &str| {
        let volume = source.strip_prefix("volume:");
        volume.is_some_and(|name| world.seen.contains_key(&Address::new(base.provider.clone(), Kind::Volume, name)))
    };
    let moved = written(fields).find_map(|(source, target)| {
        let (before, _) = written(&former.fields).find(|(_, at)| *at == target)?;
        let is_same = before == source && former.at == *base.provider.as_str();
        (!is_same && !is_there(source)).then(|| (before.to_owned(), source.to_owned(), target.to_owned()))
    });
    let (before, now, target) = moved?;
    let file = &service.origin.file;
    let (name, elsewhere) = (&base.name, former.at != *base.provider.as_str());
    let mut hints = Vec::new();
    if let Some(old) = &former.service {
        hints.push(Hint::text(format!(
            "if it is the service that was called {old}, write `moved_from: {old}` in {file}"
        )));
    } else if elsewhere {
        hints.push(Hint::text(format!("bring the data to {} first, as {}", base.provider, shown(&now))));
    } else {
        hints.push(Hint::text(format!("to keep the data, put {} back in {file}", shown(&before))));
    }
    hints.push(Hint::text(format!("if it may start on nothing, write `data: new` in {file}")));
    let left_behind = former.service.clone();
    let was = if elsewhere { format!("{} on {}", shown(&before), former.at) } else { shown(&before) };
    let refusal = Refusal {
        code: "A0419".to_owned(),
        message: format!("container {name} would start without its data"),
        found: vec![(format!("{target} was"), was), (format!("{target} would be"), shown(&now))],
        hints,
    };
    // Until a person has said what is meant, who has the data goes on.
    expansion.wants.left_behind.extend(left_behind.map(|service| (service, refusal.clone())));
    Some(refusal)
}

/// What a container was before, where its data are to be looked for.
struct Former {
    /// Its provider.
    at: String,
    /// The service that it was of, where that has another name.
    service: Option<String>,
    fields: Fields,
}

fn former(expansion: &Expansion<'_>, base: &Address, fields: &Fields) -> Option<Former> {
    let (input, service) = (expansion.input, expansion.service);
    let here =
        |fields: &Fields| Former { at: base.provider.as_str().to_owned(), service: None, fields: fields.clone() };
    if let Some(seen) = input.world.instances(base).values().next() {
        return Some(here(&seen.fields));
    }
    if let Some((_, fields)) = input.facts.last_good.get(base) {
        return Some(here(fields));
    }
    let applied = input.facts.applied.iter().map(|(address, row)| (address, &row.service, &row.fields));
    let seen = input.world.seen.iter().filter(|(_, seen)| seen.owner.is_ours());
    let seen = seen.filter_map(|(address, seen)| Some((address, seen.service.as_ref()?, &seen.fields)));
    let containers: Vec<(&Address, &String, &Fields)> =
        seen.chain(applied).filter(|(address, _, _)| address.kind == Kind::Container).collect();
    let own = || containers.iter().filter(|(_, of, _)| **of == service.name);
    if let Some((address, _, fields)) = own().find(|(address, _, _)| address.name == base.name) {
        return Some(Former { at: address.provider.as_str().to_owned(), service: None, fields: (*fields).clone() });
    }
    if own().next().is_some() {
        return None;
    }
    // A manifest that is new, and another that has gone, with the same image.
    let is_gone = |name: &String| !input.services.contains_key(name) && !input.facts.frozen.contains(name);
    let image = |fields: &Fields| repository(fields.text("image").unwrap_or_default()).to_owned();
    let mut gone = containers.iter().filter(|(address, of, _)| address.provider == base.provider && is_gone(of));
    let (_, of, former) = gone.find(|(_, _, former)| image(former) == image(fields))?;
    let at = base.provider.as_str().to_owned();
    Some(Former { at, service: Some((*of).clone()), fields: (*former).clone() })
}

/// An image without its tag or digest.
fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        Some(_) | None => image,
    }
}

/// Source and target of each mount that is written to.
fn written(fields: &Fields) -> impl Iterator<Item = (&str, &str)> {
    let mounts = fields.strings("mounts").into_iter().chain(fields.strings(declared::FIELD));
    mounts.filter_map(|mount| {
        let (place, mode) = mount.rsplit_once(':')?;
        let (source, target) = place.rsplit_once(':')?;
        let has_source = source.starts_with("volume:") || source.starts_with("bind:");
        (has_source && mode.split(',').next() == Some("rw")).then_some((source, target))
    })
}

/// `volume:gitea_data` as people say it.
fn shown(source: &str) -> String {
    match source.split_once(':') {
        Some(("volume", name)) => format!("volume {name}"),
        Some((_, path)) => path.to_owned(),
        None => source.to_owned(),
    }
}
