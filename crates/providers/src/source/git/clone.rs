//! The bare clone beside the ledger: fetches from the server, remembers the effective commit. Everything here blocks.

use std::path::Path;
use std::sync::Arc;

use git2::{AutotagOption, Direction, ErrorCode, FetchOptions, Oid, RemoteCallbacks, Repository, RepositoryOpenFlags};

use serde::{Deserialize, Serialize};

use super::session::GitSession;
use super::transport::OpenSession;
use super::tree::shown;
use amarre_core::model::Timestamp;
use amarre_core::model::source::HEAD;

/// The depth of a fetch: as far back as a change can be attributed.
pub(super) const DEPTH: i32 = 50;
/// Where fifty revisions hold too much.
const DEPTH_FEW: i32 = 5;
/// The newest commit alone.
const DEPTH_TIP: i32 = 1;
/// The depth for finding out whether a commit descends from the accepted one: an installation that was off for months
/// is more than fifty behind.
pub(super) const DEPTH_FAR: i32 = 1_000;
/// Commits that are examined for it: side branches come on top of the depth.
pub(super) const COMMITS_WALKED_MAX: usize = 20_000;
/// Commits of an app that are told apart.
const ANCESTORS_MAX: usize = 200;
/// Each fetch leaves a pack, and nothing tidies them up: with more than this the repository is cloned again.
const PACKS_MAX: usize = 100;
const BRANCHES: &str = "refs/heads/";
/// More objects than this in one fetch are no manifests.
const OBJECTS_MAX: usize = 500_000;
/// The file with the time of the server's last answer, milliseconds; in the clone's folder.
const ANSWERED: &str = "amarre-answered";
/// The file with the name of the branch that the server calls its default; there, too.
const DEFAULT_BRANCH: &str = "amarre-default-branch";
/// The file with the depth of a fetch where the usual one is too much; there, too.
const SHALLOWER: &str = "amarre-depth";
/// Branches that are named where the one that is followed is missing.
const BRANCHES_NAMED: usize = 10;

/// The depth of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Depth {
    /// [`DEPTH`], of a commit that is not here yet.
    Usual,
    /// [`DEPTH_FEW`], likewise.
    Few,
    /// [`DEPTH_TIP`], likewise.
    Tip,
    /// [`DEPTH_FAR`], also of one that is here.
    Far,
}

impl Depth {
    /// The next one where a fetch was too much.
    pub fn fewer(self) -> Option<Self> {
        match self {
            Depth::Usual => Some(Depth::Few),
            Depth::Few => Some(Depth::Tip),
            Depth::Tip | Depth::Far => None,
        }
    }

    fn revisions(self) -> i32 {
        match self {
            Depth::Usual => DEPTH,
            Depth::Few => DEPTH_FEW,
            Depth::Tip => DEPTH_TIP,
            Depth::Far => DEPTH_FAR,
        }
    }
}

/// Why a fetch failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum FetchFailure {
    /// In the session with the server: the session knows more.
    Server(String),
    /// In the clone.
    Here(String),
    /// The server has no such branch, tag or commit; the branches that it has.
    NoSuchRef(Vec<String>),
    /// The branch or tag does not have the commit, as far back as it was fetched.
    NotInRef,
}

/// The ids of the commits before one, the newest first, along first parents and as far as they are here.
pub(super) fn ancestors(repository: &Repository, commit: Oid) -> Vec<String> {
    let first = repository.find_commit(commit).ok().and_then(|commit| commit.parent(0).ok());
    std::iter::successors(first, |commit| commit.parent(0).ok())
        .take(ANCESTORS_MAX)
        .map(|commit| commit.id().to_string())
        .collect()
}

/// Opens the clone; creates it if there is none.
pub(super) fn open(folder: &Path) -> Result<Repository, FetchFailure> {
    let here = |error: git2::Error| FetchFailure::Here(error.message().to_owned());
    if let Some(repository) = open_existing(folder) {
        return Ok(repository);
    }
    let made = Repository::init_bare(folder).map_err(here)?;
    // A private repository is private on this machine, too.
    use std::os::unix::fs::PermissionsExt;
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(folder, private).map_err(|error| FetchFailure::Here(error.to_string()))?;
    Ok(made)
}

/// The clone, if there is one.
pub(super) fn open_existing(folder: &Path) -> Option<Repository> {
    // `open_bare` ignores where the history was cut off: a walk would end with an error there. It does not check the
    // owner of the folder either, which may be another user's after a move.
    let flags = RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
    let opened = Repository::open_ext(folder, flags, None::<&Path>.iter());
    opened.or_else(|_| Repository::open_bare(folder)).ok()
}

/// Deletes the clone, when it is broken or has grown: it is only a copy.
pub(super) fn discard(folder: &Path) -> Result<(), FetchFailure> {
    match std::fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FetchFailure::Here(error.to_string())),
    }
}

/// Whether the clone has become larger than it needs to be.
pub(super) fn has_grown(repository: &Repository) -> bool {
    let packs = std::fs::read_dir(repository.path().join("objects/pack")).into_iter().flatten().flatten();
    packs.filter(|entry| entry.path().extension().is_some_and(|end| end == "pack")).count() > PACKS_MAX
}

/// Fetches the commit under the first of `names` that the server has, and its history as far as [`DEPTH`]. Asks the
/// server only for its list if the commit is already here.
pub(super) fn bring(
    repository: &Repository,
    session: &Arc<GitSession>,
    names: &[String],
    depth: Depth,
) -> Result<Oid, FetchFailure> {
    let server = |error: git2::Error| FetchFailure::Server(error.message().to_owned());
    let opened = OpenSession::new(session).map_err(FetchFailure::Here)?;
    let mut remote = repository.remote_anonymous(&opened.url()).map_err(server)?;
    let connection = remote.connect_auth(Direction::Fetch, None, None).map_err(server)?;
    let heads: Vec<(String, Oid)> = {
        let listed = connection.list().map_err(server)?;
        // git allows no `?` in a name: there it was a non-UTF-8 byte, see `ref_names.rs`.
        let names = listed.iter().filter(|head| !head.name().contains('?'));
        names.map(|head| (head.name().to_owned(), head.oid())).collect()
    };
    let default = connection.list().map_err(server)?.iter().find(|head| head.name() == HEAD);
    let default = default.and_then(|head| head.symref_target().map(str::to_owned));
    drop(connection);
    let find = |name: &str| heads.iter().find(|(known, _)| known == name).map(|(_, oid)| *oid);
    let default = default_branch(&heads, default);
    if let Some(branch) = &default {
        // Without it people read `HEAD`.
        let _ = std::fs::write(repository.path().join(DEFAULT_BRANCH), branch);
    }
    let whole = |name: &String| if name == HEAD { default.clone() } else { Some(name.clone()) };
    // An annotated tag stands for its commit.
    let found = names
        .iter()
        .filter_map(whole)
        .find_map(|name| Some((find(&format!("{name}^{{}}")).or_else(|| find(&name))?, name)));
    let (refspec, wanted) = match found {
        Some((oid, name)) => (format!("+{name}:refs/amarre/brought"), oid),
        None => {
            let id = names.iter().find_map(|name| Oid::from_str(name).ok().filter(|_| name.len() == 40));
            let Some(oid) = id else { return Err(FetchFailure::NoSuchRef(branches(&heads))) };
            (format!("+{oid}:refs/amarre/brought"), oid)
        }
    };
    if depth != Depth::Far && repository.find_commit(wanted).is_ok() {
        return Ok(wanted);
    }
    let mut options = FetchOptions::new();
    let mut callbacks = RemoteCallbacks::new();
    let watching = session.clone();
    callbacks.transfer_progress(move |progress| watching.may_go_on() && progress.total_objects() <= OBJECTS_MAX);
    options.remote_callbacks(callbacks).depth(depth.revisions()).download_tags(AutotagOption::None);
    let mut remote = repository.remote_anonymous(&opened.url()).map_err(server)?;
    remote.fetch(&[refspec.as_str()], Some(&mut options), None).map_err(server)?;
    match repository.find_commit(wanted) {
        Ok(_) => Ok(wanted),
        Err(error) if error.code() == ErrorCode::NotFound => {
            // It moved between the list and the fetch, or the name is no commit.
            let brought = repository.find_reference("refs/amarre/brought").and_then(|found| found.peel_to_commit());
            brought.map(|commit| commit.id()).map_err(server)
        }
        Err(error) => Err(FetchFailure::Here(error.message().to_owned())),
    }
}

/// The branch that a server calls its default. One that does not say so, or names one that is not there, has it all the same where
/// there is only one, or one of the usual names.
fn default_branch(heads: &[(String, Oid)], said: Option<String>) -> Option<String> {
    let has = |name: &str| heads.iter().any(|(known, _)| known == name);
    let mut branches = heads.iter().filter(|(name, _)| name.starts_with(BRANCHES));
    let only = branches.next().filter(|_| branches.next().is_none()).map(|(name, _)| name.clone());
    let at_head = heads.iter().find(|(name, _)| name == HEAD).map(|(_, oid)| *oid);
    let usual = ["main", "master"].map(|name| format!("{BRANCHES}{name}"));
    let is_head = |name: &&String| at_head.is_none_or(|at| heads.contains(&((*name).clone(), at)));
    said.filter(|name| name.starts_with(BRANCHES) && has(name))
        .or(only)
        .or_else(|| usual.iter().find(|name| has(name) && is_head(name)).cloned())
}

/// What the branches of a server are called.
fn branches(heads: &[(String, Oid)]) -> Vec<String> {
    let all = heads.iter().filter_map(|(name, _)| name.strip_prefix(BRANCHES));
    let count = all.clone().count();
    let mut named: Vec<String> = all.take(BRANCHES_NAMED).map(shown).collect();
    if count > BRANCHES_NAMED {
        named.push(format!("{} more", count - BRANCHES_NAMED));
    }
    named
}

/// The branch that the server called its default when it was asked last.
pub(super) fn known_default(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join(DEFAULT_BRANCH)).ok()?;
    text.strip_prefix(BRANCHES).map(str::to_owned)
}

/// The depth at which a fetch was not too much, where the usual one was.
pub(super) fn known_depth(folder: &Path) -> Depth {
    let text = std::fs::read_to_string(folder.join(SHALLOWER)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or(Depth::Usual)
}

/// Stores it.
pub(super) fn remember_depth(folder: &Path, depth: Depth) {
    // Without it the next fetch tries the usual one first.
    let _ = std::fs::write(folder.join(SHALLOWER), serde_json::to_string(&depth).unwrap_or_default());
}

/// Fetches as [`bring`] does, and answers a commit that lies below what was fetched: further back only where it has to be. Other
/// commits that the server may have, or the clone, count for nothing: strangers could have made them.
pub(super) fn bring_commit(
    repository: &Repository,
    session: &Arc<GitSession>,
    names: &[String],
    commit: Oid,
    depth: Depth,
) -> Result<Oid, FetchFailure> {
    let depths = if depth == Depth::Far { &[Depth::Far][..] } else { &[Depth::Usual, Depth::Far] };
    for depth in depths {
        let newest = bring(repository, session, names, *depth)?;
        if is_rewritten(repository, commit, newest) == Some(false) {
            return Ok(commit);
        }
    }
    Err(FetchFailure::NotInRef)
}

/// The commit stored under a key.
pub(super) fn remembered(repository: &Repository, key: &str) -> Option<Oid> {
    repository.find_reference(&kept_ref(key)).ok()?.target()
}

/// Stores a commit, over restarts.
pub(super) fn remember(repository: &Repository, key: &str, commit: Oid) -> Result<(), FetchFailure> {
    let set = repository.reference(&kept_ref(key), commit, true, "amarre");
    set.map(|_| ()).map_err(|error| FetchFailure::Here(error.message().to_owned()))
}

fn kept_ref(key: &str) -> String {
    format!("refs/amarre/{key}")
}

/// Records that the server answered.
pub(super) fn record_answer(repository: &Repository, now: Timestamp) {
    // Without it less is known after a restart.
    let _ = std::fs::write(repository.path().join(ANSWERED), now.0.to_string());
}

/// When the server answered last.
pub(super) fn answered_at(repository: &Repository) -> Option<Timestamp> {
    let text = std::fs::read_to_string(repository.path().join(ANSWERED)).ok()?;
    text.trim().parse().ok().map(Timestamp)
}

/// Whether a branch was rewritten: `None` if the history at hand does not show it.
pub(super) fn is_rewritten(repository: &Repository, before: Oid, after: Oid) -> Option<bool> {
    let mut walk = repository.revwalk().ok()?;
    walk.push(after).ok()?;
    let edges = edges(repository);
    let mut is_whole = true;
    for (number, commit) in walk.enumerate() {
        let Ok(commit) = commit else { return None };
        if commit == before {
            return Some(false);
        }
        is_whole &= !edges.contains(&commit) && number < COMMITS_WALKED_MAX;
        if number >= COMMITS_WALKED_MAX {
            break;
        }
    }
    is_whole.then_some(true)
}

/// Examines every commit that [`is_rewritten`] may examine.
pub(super) fn walk(repository: &Repository, from: Oid) -> Result<(), git2::Error> {
    let mut walk = repository.revwalk()?;
    walk.push(from)?;
    for commit in walk.take(COMMITS_WALKED_MAX) {
        repository.find_commit(commit?)?;
    }
    Ok(())
}

/// The commits since one, newest first, at most `max` and one more.
pub(super) fn commits_since(
    repository: &Repository,
    before: Oid,
    after: Oid,
    max: usize,
) -> Result<Vec<Oid>, git2::Error> {
    let mut walk = repository.revwalk()?;
    walk.set_sorting(git2::Sort::TOPOLOGICAL)?;
    walk.push(after)?;
    walk.hide(before)?;
    walk.take(max + 1).collect()
}

/// Commits whose parents were not fetched.
pub(super) fn edges(repository: &Repository) -> std::collections::BTreeSet<Oid> {
    let text = std::fs::read_to_string(repository.path().join("shallow")).unwrap_or_default();
    text.lines().filter_map(|line| Oid::from_str(line.trim()).ok()).collect()
}
