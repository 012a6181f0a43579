//! What all containers of ours mount, and what they may mount, on each engine: found out once for a plan, when it is first
//! asked for. Each container is then judged by the folders above and below its own, not by all there are.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::host_folders::{HostFolder, binds, folders, of_manifest, roots};
use crate::model::folders::is_strictly_below;
use crate::model::{Address, Kind, ProviderId, Seen, Service};
use crate::plan::input::Input;

/// The folders, and the containers that are not ours, of all engines.
pub struct AllMounts<'a> {
    pub(in crate::plan) input: &'a Input<'a>,
    engines: BTreeMap<ProviderId, EngineMounts<'a>>,
}

#[derive(Default)]
struct EngineMounts<'a> {
    roots: OnceCell<BTreeSet<String>>,
    mounted: OnceCell<Mounted>,
    foreign: Vec<(&'a Address, &'a Seen)>,
}

/// The folders that containers of ours mount, have mounted, or are to mount.
#[derive(Default)]
struct Mounted {
    all: BTreeSet<String>,
    written: BTreeSet<String>,
}

impl<'a> AllMounts<'a> {
    /// Of one plan.
    pub fn of(input: &'a Input<'a>) -> Self {
        let engine = |provider: &'a ProviderId| {
            let containers = input.world.of_kind(provider, Kind::Container);
            let foreign = containers.filter(|(_, seen)| !seen.owner.is_ours());
            EngineMounts { foreign: foreign.collect(), ..EngineMounts::default() }
        };
        let engines = input.site.hosts.values().map(|host| (host.docker.clone(), engine(&host.docker))).collect();
        Self { input, engines }
    }

    /// Whether any service may mount below a folder that lies above this one.
    pub(crate) fn has_root_above(&self, provider: &ProviderId, folder: &str) -> bool {
        let Some(engine) = self.engines.get(provider) else { return false };
        let roots = engine.roots.get_or_init(|| self.roots(provider));
        above(folder).any(|above| roots.contains(above))
    }

    /// Whether a container may write to a folder.
    pub(crate) fn is_written(&self, provider: &ProviderId, folder: &str) -> bool {
        self.mounted(provider).is_some_and(|mounted| mounted.written.contains(folder))
    }

    /// The first folder below another one that a container mounts.
    pub(crate) fn first_below(&self, provider: &ProviderId, folder: &str) -> Option<&str> {
        first_below(&self.mounted(provider)?.all, folder)
    }

    /// The containers of an engine that are not ours.
    pub(in crate::plan) fn foreign(&self, provider: &ProviderId) -> impl Iterator<Item = (&'a Address, &'a Seen)> {
        self.engines.get(provider).into_iter().flat_map(|engine| engine.foreign.iter().copied())
    }

    fn mounted(&self, provider: &ProviderId) -> Option<&Mounted> {
        let engine = self.engines.get(provider)?;
        Some(engine.mounted.get_or_init(|| Mounted::of(self.input, provider)))
    }

    fn roots(&self, provider: &ProviderId) -> BTreeSet<String> {
        let of = |service: &Service| {
            let host = self.input.site.host_of(service).filter(|host| host.docker == *provider);
            host.map(|host| roots(self.input, &host.data, service)).unwrap_or_default()
        };
        self.input.services.values().flat_map(of).collect()
    }
}

impl Mounted {
    fn of(input: &Input<'_>, provider: &ProviderId) -> Self {
        let mut mounted = Self::default();
        for service in input.services.values() {
            let is_here = input.site.host_of(service).is_some_and(|host| host.docker == *provider);
            for container in service.all_containers().filter(|_| is_here) {
                mounted.extend(folders(input, service, provider, &of_manifest(service, container)));
            }
        }
        let seen = input.world.of_kind(provider, Kind::Container).filter(|(_, seen)| seen.owner.is_ours());
        let applied = input.facts.applied.iter().filter(|(address, _)| address.provider == *provider);
        let applied = applied.filter(|(address, _)| address.kind == Kind::Container).map(|(_, row)| &row.fields);
        mounted.extend(seen.map(|(_, seen)| &seen.fields).chain(applied).flat_map(binds));
        mounted
    }

    fn extend(&mut self, folders: impl IntoIterator<Item = HostFolder>) {
        for folder in folders {
            if folder.is_written {
                self.written.insert(folder.path.clone());
            }
            self.all.insert(folder.path);
        }
    }
}

/// The folders above one, from `/` on.
pub(crate) fn above(path: &str) -> impl Iterator<Item = &str> {
    let folders = path.match_indices('/').map(|(at, _)| if at == 0 { "/" } else { path.get(..at).unwrap_or("/") });
    folders.filter(move |folder| *folder != path)
}

fn first_below<'a>(all: &'a BTreeSet<String>, folder: &str) -> Option<&'a str> {
    let from = format!("{}/", folder.trim_end_matches('/'));
    let mut from = all.range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded));
    let first = from.find(|path| *path != folder).filter(|path| is_strictly_below(path, folder));
    first.map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_above_and_below_are_those_of_a_search_through_all() {
        let paths = ["/", "/a", "/a/b", "/a/b/c", "/a-b", "/a.b", "/ab", "/b/c"];
        for size in 0..paths.len() {
            let all: BTreeSet<String> = paths.iter().skip(size).map(|path| (*path).to_owned()).collect();
            for path in paths {
                let found: Vec<&str> = above(path).filter(|folder| all.contains(*folder)).collect();
                let expected: Vec<&String> = all.iter().filter(|folder| is_strictly_below(path, folder)).collect();
                assert_eq!(found, expected, "above {path} in {all:?}");
                let expected = all.iter().find(|below| is_strictly_below(below, path)).map(String::as_str);
                assert_eq!(first_below(&all, path), expected, "below {path} in {all:?}");
            }
        }
    }
}
