//! Where the folders lead that containers are about to mount, on engines whose host's files Amarre sees itself. Each
//! part of a path is opened without following it, so that every link on the way is known.
//!
//! It is asked before a plan is made, and again right before the engine is told to make the container.
//!
//! A folder on a share that went away may never answer, and a thread that asks cannot be stopped. So each path is
//! walked by itself; if no answer comes, another thread goes on with the others, and a path that hangs is not asked
//! again before its walk has ended. Only a path that could not be read is held.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{Dir, FileType, Mode, OFlags, fstat, open, openat, readlinkat};
use rustix::io::Errno;
use tokio::sync::mpsc;

use crate::providers::{Class, ProviderError};
use amarre_core::model::folders::{Lead, Lost, is_within, normal};
use amarre_core::model::{Address, Change, Code, Fields, Kind, ProviderId, Service, Verb, Wants};
use amarre_core::plan::desired::bind_mounts::Check;
use amarre_core::plan::indexes::all_mounts::AllMounts;
use amarre_core::plan::indexes::host_folders;
use amarre_core::plan::input::Input;

/// The limit of Linux.
const LINKS_MAX: usize = 40;
/// A share that does not answer must not hold up a pass for longer.
const LIMIT: Duration = Duration::from_secs(3);
/// Threads that walk at once while none hangs.
const WALKERS: usize = 4;
/// A walk takes microseconds: after this long without an answer, the running walks hang, and one more thread takes the
/// rest.
const HANGS_AFTER: Duration = Duration::from_millis(200);
/// Including those that hang, over all callers: the runtime has several hundred for other work.
const WALKERS_MAX: usize = 32;
/// Threads that do not hang.
static WALKS: Walks = Walks::new();

/// The paths whose target a plan must know, on each engine whose host's files are visible here.
pub fn paths(input: &Input<'_>, wants: &Wants) -> BTreeMap<ProviderId, BTreeSet<String>> {
    let mut all: BTreeMap<ProviderId, BTreeSet<String>> =
        input.world.leads.keys().map(|provider| (provider.clone(), BTreeSet::new())).collect();
    let all_mounts = AllMounts::of(input);
    let mut note = |service: &Service, base: &Address, fields: &Fields| {
        let Some(paths) = all.get_mut(&base.provider) else { return };
        let check = Check::of(&all_mounts, service, base, fields);
        paths.extend(check.iter().flat_map(Check::paths).cloned());
    };
    for service in input.services.values() {
        let Some(host) = input.site.host_of(service) else { continue };
        let base = Address::new(host.docker.clone(), Kind::Container, &service.name);
        for container in service.all_containers() {
            note(service, &base, &host_folders::of_manifest(service, container));
        }
    }
    // A rolled-back service differs from its manifest.
    for (address, want) in wants.map.iter().filter(|(address, _)| address.kind == Kind::Container) {
        if let Some(service) = input.services.get(&want.service) {
            note(service, address, &want.fields);
        }
    }
    all
}

/// The targets of all paths.
pub async fn follow_all(paths: BTreeMap<ProviderId, BTreeSet<String>>) -> BTreeMap<ProviderId, BTreeMap<String, Lead>> {
    let mut leads = BTreeMap::new();
    for (provider, paths) in paths {
        leads.insert(provider, follow(paths).await);
    }
    leads
}

/// The paths to check again right before each container is created.
pub fn checks<'a>(input: &Input<'_>, changes: impl Iterator<Item = &'a Change>) -> BTreeMap<Address, Check> {
    let all_mounts = AllMounts::of(input);
    let check = |change: &Change| {
        let Verb::Create(fields) = &change.verb else { return None };
        let is_seen = input.world.leads.contains_key(&change.address.provider);
        let service = input.services.get(&change.service).filter(|_| is_seen)?;
        Some((change.address.clone(), Check::of(&all_mounts, service, &change.address.base(), fields)?))
    };
    changes.filter(|change| change.address.kind == Kind::Container).filter_map(check).collect()
}

/// Checks once more where the folders of a container lead.
///
/// # Errors
/// A path leads elsewhere than when it was planned: the next pass holds the container.
pub async fn check_again(check: &Check) -> Result<(), ProviderError> {
    match check.judge(&follow(check.paths().cloned().collect()).await) {
        Some(refusal) => Err(ProviderError::new(Class::Conflict, Code::A0440, refusal.message)),
        None => Ok(()),
    }
}

/// The target of each path.
async fn follow(paths: BTreeSet<String>) -> BTreeMap<String, Lead> {
    follow_with(&WALKS, paths, lead).await
}

async fn follow_with(
    walks: &'static Walks,
    paths: BTreeSet<String>,
    look: impl Fn(&str) -> Lead + Clone + Send + 'static,
) -> BTreeMap<String, Lead> {
    let hanging = walks.hanging();
    let hangs = |path: &String| hanging.iter().any(|folder| is_within(&normal(path), &normal(folder)));
    let (mut unseen, ahead): (BTreeSet<String>, BTreeSet<String>) = paths.into_iter().partition(hangs);
    let (count, mut leads) = (ahead.len(), BTreeMap::new());
    unseen.extend(ahead.iter().cloned());
    let crew = WalkThreads { number: walks.next(), ahead: Arc::new(Mutex::new(ahead.into_iter().collect())) };
    let (answers, mut inbox) = mpsc::unbounded_channel();
    let start = || {
        if walks.has_room() {
            let (crew, answers, look) = (crew.clone(), answers.clone(), look.clone());
            drop(tokio::task::spawn_blocking(move || walks.walk(&crew, &answers, look)));
        }
    };
    (0..count.min(WALKERS)).for_each(|_| start());
    let collect = async {
        while leads.len() < count {
            match tokio::time::timeout(HANGS_AFTER, inbox.recv()).await {
                Ok(Some((path, lead))) => drop(leads.insert(path, lead)),
                Ok(None) => return,
                Err(_) => start(),
            }
        }
    };
    // A path without an answer by then counts as not read.
    let _ = tokio::time::timeout(LIMIT, collect).await;
    walks.give_up(&crew);
    unseen.retain(|path| !leads.contains_key(path));
    leads.extend(unseen.into_iter().map(|path| (path.clone(), not_seen(&path, "no answer in time"))));
    leads
}

/// The running walks.
struct Walks(Mutex<Walking>);

struct Walking {
    next: u64,
    threads: usize,
    /// Each path with the threads that walk for it, and whether they still wait for it.
    paths: BTreeMap<u64, (u64, String, bool)>,
}

/// The threads of one question, and the paths that are left.
#[derive(Clone)]
struct WalkThreads {
    number: u64,
    ahead: Arc<Mutex<VecDeque<String>>>,
}

impl Walks {
    const fn new() -> Self {
        Self(Mutex::new(Walking { next: 0, threads: 0, paths: BTreeMap::new() }))
    }

    fn next(&self) -> u64 {
        let mut walking = lock(&self.0);
        walking.next += 1;
        walking.next
    }

    /// Reserves a thread, if there is room.
    fn has_room(&self) -> bool {
        let mut walking = lock(&self.0);
        let has_room = walking.threads < WALKERS_MAX;
        walking.threads += usize::from(has_room);
        has_room
    }

    fn hanging(&self) -> BTreeSet<String> {
        lock(&self.0).paths.values().filter(|(_, _, hangs)| *hangs).map(|(_, path, _)| path.clone()).collect()
    }

    /// The work of one thread: one path after the other, until none is left or the caller no longer waits.
    fn walk(&self, crew: &WalkThreads, answers: &mpsc::UnboundedSender<(String, Lead)>, look: impl Fn(&str) -> Lead) {
        loop {
            let Some(path) = lock(&crew.ahead).pop_front() else { break };
            let id = self.next();
            lock(&self.0).paths.insert(id, (crew.number, path.clone(), false));
            let lead = look(&path);
            lock(&self.0).paths.remove(&id);
            if answers.send((path, lead)).is_err() {
                break;
            }
        }
        lock(&self.0).threads -= 1;
    }

    fn give_up(&self, crew: &WalkThreads) {
        lock(&crew.ahead).clear();
        for (of, _, hangs) in lock(&self.0).paths.values_mut() {
            *hangs |= *of == crew.number;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_seen(path: &str, why: &str) -> Lead {
    Lead { path: normal(path), lost: Some(Lost::NotSeen(why.to_owned())), ..Lead::default() }
}

/// The target of one path. A path that does not exist leads to itself.
fn lead(path: &str) -> Lead {
    match walk(path) {
        Ok(lead) => lead,
        Err(errno) => not_seen(path, &errno.to_string()),
    }
}

/// The open folders from the root to where a walk stands.
struct OpenPath {
    root: OwnedFd,
    parts: Vec<(String, OwnedFd)>,
}

impl OpenPath {
    fn path(&self) -> String {
        format!("/{}", self.parts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("/"))
    }

    fn path_of(&self, name: &str) -> String {
        normal(&format!("{}/{name}", self.path()))
    }

    fn current(&self) -> &OwnedFd {
        self.parts.last().map_or(&self.root, |(_, folder)| folder)
    }
}

fn walk(path: &str) -> Result<Lead, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut way = OpenPath { root: open("/", flags, Mode::empty())?, parts: Vec::new() };
    let mut ahead: VecDeque<String> = parts(path);
    let mut links: Vec<(String, String)> = Vec::new();
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            way.parts.pop();
            continue;
        }
        let opened = match openat(way.current(), name.as_str(), flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                let rest = ahead.into_iter().fold(way.path_of(&name), |path, name| format!("{path}/{name}"));
                return Ok(Lead { path: normal(&rest), links, is_missing: true, ..Lead::default() });
            }
            Err(errno) => {
                let rest = ahead.into_iter().fold(way.path_of(&name), |path, name| format!("{path}/{name}"));
                return Ok(Lead {
                    path: normal(&rest),
                    links,
                    lost: Some(Lost::NotSeen(errno.to_string())),
                    ..Lead::default()
                });
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
            let lost = Some(Lost::TooManyLinks);
            return Ok(Lead { path: way.path_of(&name), links, lost, ..Lead::default() });
        }
        if to.starts_with('/') {
            way.parts.clear();
        }
        for part in parts(&to).into_iter().rev() {
            ahead.push_front(part);
        }
    }
    let is_empty = is_empty(way.current());
    Ok(Lead { path: way.path(), links, is_empty, ..Lead::default() })
}

/// Whether it is a folder with nothing in it, as far as Amarre may look.
fn is_empty(place: &OwnedFd) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(folder) = openat(place, ".", flags, Mode::empty()).and_then(Dir::new) else { return false };
    let is_entry = |name: &[u8]| !matches!(name, b"." | b"..");
    !folder.flatten().any(|entry| is_entry(entry.file_name().to_bytes()))
}

fn parts(path: &str) -> VecDeque<String> {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets the threads go, also when the test fails.
    struct End(Arc<Mutex<Vec<String>>>);

    impl Drop for End {
        fn drop(&mut self) {
            lock(&self.0).push("end".to_owned());
        }
    }

    /// Paths below `/hung` never answer; walked paths are recorded.
    fn a_share_that_went_away_holds_one_thread(
        walked: &Arc<Mutex<Vec<String>>>,
    ) -> impl Fn(&str) -> Lead + Clone + Send + 'static {
        let walked = walked.clone();
        move |path| {
            lock(&walked).push(path.to_owned());
            while path.starts_with("/hung") && lock(&walked).last().is_some_and(|last| last != "end") {
                std::thread::park_timeout(Duration::from_millis(50));
            }
            Lead { path: path.to_owned(), ..Lead::default() }
        }
    }

    #[tokio::test]
    async fn hanging_folders_hide_no_other_and_are_asked_once() {
        let walks: &'static Walks = Box::leak(Box::new(Walks::new()));
        let walked = Arc::new(Mutex::new(Vec::new()));
        let end = End(walked.clone());
        let mut paths: BTreeSet<String> = (0..7).map(|number| format!("/hung/{number}")).collect();
        paths.insert("/srv/app".to_owned());
        paths.insert("/hung/0/below".to_owned());
        for round in 0..40 {
            let leads = follow_with(walks, paths.clone(), a_share_that_went_away_holds_one_thread(&walked)).await;
            assert_eq!(leads.len(), paths.len());
            for (path, lead) in &leads {
                assert_eq!(lead.lost.is_some(), path.starts_with("/hung"), "{path} in round {round}");
            }
        }
        let hung = lock(&walked).iter().filter(|path| path.starts_with("/hung")).count();
        assert!(hung <= 8, "{hung} walks of 8 paths");
        drop(end);
    }

    #[test]
    fn every_link_on_the_way_is_reported() {
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
