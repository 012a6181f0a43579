//! Where the folders lead that containers are about to mount, on engines whose host's files Amarre sees itself. Each
//! part of a path is opened without following it, so that every link on the way is known.
//!
//! It is asked before a plan is made, and again right before the engine is told to make the container.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags, fstat, open, openat, readlinkat};
use rustix::io::Errno;
use tokio::sync::Semaphore;

use crate::model::folders::{Lead, Lost, normal};
use crate::model::{Address, Change, Fields, Kind, ProviderId, Service, Verb, Wants};
use crate::plan::Input;
use crate::plan::binds::{self, Check};
use crate::providers::{Class, ProviderError};

/// As many as Linux follows.
const LINKS_MAX: usize = 40;
/// A share that does not answer must not hold up a look for longer.
const LIMIT: Duration = Duration::from_secs(3);
/// One that hangs keeps its thread for as long: the others wait for it, and for no more threads than this.
static WALKS: Semaphore = Semaphore::const_new(4);

/// The paths of which a plan must know where they lead, on each engine whose host's files are seen here.
pub fn paths(input: &Input<'_>, wants: &Wants) -> BTreeMap<ProviderId, BTreeSet<String>> {
    let mut all: BTreeMap<ProviderId, BTreeSet<String>> =
        input.world.leads.keys().map(|provider| (provider.clone(), BTreeSet::new())).collect();
    let mut note = |service: &Service, base: &Address, fields: &Fields| {
        let Some(paths) = all.get_mut(&base.provider) else { return };
        let check = Check::of(input, service, base, fields);
        paths.extend(check.iter().flat_map(Check::paths).cloned());
    };
    for service in input.services.values() {
        let Some(host) = input.site.hosts.get(&service.host) else { continue };
        let base = Address::new(host.docker.clone(), Kind::Container, &service.name);
        for container in service.all_containers() {
            note(service, &base, &binds::of_manifest(service, container));
        }
    }
    // What is put back is not what a manifest says now.
    for (address, want) in wants.map.iter().filter(|(address, _)| address.kind == Kind::Container) {
        if let Some(service) = input.services.get(&want.service) {
            note(service, address, &want.fields);
        }
    }
    all
}

/// Where all of them lead.
pub async fn follow_all(paths: BTreeMap<ProviderId, BTreeSet<String>>) -> BTreeMap<ProviderId, BTreeMap<String, Lead>> {
    let mut leads = BTreeMap::new();
    for (provider, paths) in paths {
        leads.insert(provider, follow(paths).await);
    }
    leads
}

/// What is to be checked again right before each container is made.
pub fn checks<'a>(input: &Input<'_>, changes: impl Iterator<Item = &'a Change>) -> BTreeMap<Address, Check> {
    let check = |change: &Change| {
        let Verb::Create(fields) = &change.verb else { return None };
        let is_seen = input.world.leads.contains_key(&change.address.provider);
        let service = input.services.get(&change.service).filter(|_| is_seen)?;
        Some((change.address.clone(), Check::of(input, service, &change.address.base(), fields)?))
    };
    changes.filter(|change| change.address.kind == Kind::Container).filter_map(check).collect()
}

/// Looks once more where the folders of a container lead.
///
/// # Errors
/// A link leads where none did when it was planned: the next look holds the container.
pub async fn check_again(check: &Check) -> Result<(), ProviderError> {
    match check.judge(&follow(check.paths().cloned().collect()).await) {
        Some(refusal) => Err(ProviderError::new(Class::Conflict, "A0440", refusal.message)),
        None => Ok(()),
    }
}

/// Where each path leads.
async fn follow(paths: BTreeSet<String>) -> BTreeMap<String, Lead> {
    if paths.is_empty() {
        return BTreeMap::new();
    }
    let unseen: Vec<String> = paths.iter().cloned().collect();
    let walk = async {
        let permit = WALKS.acquire().await.ok()?;
        let walk = move || {
            let leads = paths.into_iter().map(|path| (path.clone(), lead(&path))).collect();
            drop(permit);
            leads
        };
        tokio::task::spawn_blocking(walk).await.ok()
    };
    let leads = tokio::time::timeout(LIMIT, walk).await.ok().flatten();
    leads.unwrap_or_else(|| {
        unseen.into_iter().map(|path| (path.clone(), not_seen(&path, "no answer in time"))).collect()
    })
}

fn not_seen(path: &str, why: &str) -> Lead {
    Lead { path: normal(path), links: Vec::new(), lost: Some(Lost::NotSeen(why.to_owned())) }
}

/// Where one path leads. What is not there leads nowhere else than it says.
fn lead(path: &str) -> Lead {
    match walk(path) {
        Ok(lead) => lead,
        Err(errno) => not_seen(path, &errno.to_string()),
    }
}

/// The folders from the root to where a walk stands, each open.
struct Way {
    root: OwnedFd,
    parts: Vec<(String, OwnedFd)>,
}

impl Way {
    fn path(&self) -> String {
        format!("/{}", self.parts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("/"))
    }

    fn path_of(&self, name: &str) -> String {
        normal(&format!("{}/{name}", self.path()))
    }

    fn here(&self) -> &OwnedFd {
        self.parts.last().map_or(&self.root, |(_, folder)| folder)
    }
}

fn walk(path: &str) -> Result<Lead, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut way = Way { root: open("/", flags, Mode::empty())?, parts: Vec::new() };
    let mut ahead: VecDeque<String> = parts(path);
    let mut links: Vec<(String, String)> = Vec::new();
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            way.parts.pop();
            continue;
        }
        let opened = match openat(way.here(), name.as_str(), flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                let rest = ahead.into_iter().fold(way.path_of(&name), |path, name| format!("{path}/{name}"));
                return Ok(Lead { path: normal(&rest), links, lost: None });
            }
            Err(errno) => {
                let rest = ahead.into_iter().fold(way.path_of(&name), |path, name| format!("{path}/{name}"));
                return Ok(Lead { path: normal(&rest), links, lost: Some(Lost::NotSeen(errno.to_string())) });
            }
        };
        if FileType::from_raw_mode(fstat(&opened)?.st_mode) != FileType::Symlink {
            way.parts.push((name, opened));
            continue;
        }
        let to = readlinkat(&opened, "", Vec::new())?;
        // No entry of the policy could name such a folder.
        let to = OsStr::from_bytes(to.as_bytes()).to_str().ok_or(Errno::ILSEQ)?.to_owned();
        links.push((way.path_of(&name), to.clone()));
        if links.len() > LINKS_MAX {
            return Ok(Lead { path: way.path_of(&name), links, lost: Some(Lost::TooManyLinks) });
        }
        if to.starts_with('/') {
            way.parts.clear();
        }
        for part in parts(&to).into_iter().rev() {
            ahead.push_front(part);
        }
    }
    Ok(Lead { path: way.path(), links, lost: None })
}

fn parts(path: &str) -> VecDeque<String> {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_on_the_way_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let at = |name: &str| root.join(name).to_str().unwrap().to_owned();
        std::fs::create_dir_all(at("app/data")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
        link("/", "app/away");
        link("../app/data", "app/near");
        link("near", "app/twice");
        link("round", "app/round");
        link(&at("app"), "other");
        let told = |path: &str| {
            let lead = lead(&at(path));
            (lead.path, lead.links.into_iter().map(|(at, _)| at).collect::<Vec<_>>(), lead.lost)
        };
        assert_eq!(told("app/data"), (at("app/data"), vec![], None));
        assert_eq!(told("app/away/etc"), ("/etc".to_owned(), vec![at("app/away")], None));
        assert_eq!(told("app/near"), (at("app/data"), vec![at("app/near")], None));
        assert_eq!(told("app/twice/x"), (at("app/data/x"), vec![at("app/twice"), at("app/near")], None));
        assert_eq!(told("other/data"), (at("app/data"), vec![at("other")], None));
        assert_eq!(told("app/gone/x"), (at("app/gone/x"), vec![], None));
        assert_eq!(told("file/x"), (at("file/x"), vec![], None));
        assert_eq!(told("app/round").2, Some(Lost::TooManyLinks));
    }
}
