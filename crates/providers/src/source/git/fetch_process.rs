//! A fetch in a process of its own, with a memory limit: some megabytes on the wire may be gigabytes when unpacked, and
//! libgit2 knows no limit. A fetch that is too large ends only that process.
//!
//! The process fetches a commit into the clone and reads from it what the daemon will read. So reading within its limit
//! costs the daemon no more.
//!
//! Its order comes by standard input, for it holds a token; its answer goes to standard output. Both are JSON.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use git2::{Oid, Repository};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::clone;
use super::clone::{Depth, FetchFailure};
use super::session::{Asker, GitSession, RemoteAccess, SessionError};
use super::{GitSettings, history, tree};
use crate::secret::Secret;
use amarre_core::model::{GitRef, GitUrl, Millis};

/// The first argument that selects such a process.
pub const WORD: &str = "fetch-apart";
/// An order is some paths and a token.
pub const ORDER_BYTES_MAX: usize = 64 * 1024;
/// The process keeps to the time of its session; this is for one that cannot.
const LIMIT: Duration = Duration::from_secs(150);
/// An answer is a commit or a sentence.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Packs are mapped into memory beside what is unpacked, twice when one is made.
const MAPPED_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// What to fetch. Holds a token, so it cannot be printed.
#[derive(Serialize, Deserialize)]
struct FetchOrder {
    url: String,
    username: String,
    token: Option<String>,
    ssh_key: Option<PathBuf>,
    ssh_config: Option<PathBuf>,
    known_hosts: Option<PathBuf>,
    host_key: Option<String>,
    folder: PathBuf,
    /// The folder of manifests in the repository.
    path: String,
    names: Vec<String>,
    /// One that lies below what `names` stand for.
    commit: Option<String>,
    depth: Depth,
    memory_bytes: u64,
}

#[derive(Serialize, Deserialize)]
enum FetchMessage {
    Brought { commit: String },
    Failed { failed: FetchFailure, trouble: Option<SessionError> },
}

/// Fetches the commit under the first of `names` that the server has, or the one below it that is followed.
pub(super) fn bring(
    settings: &GitSettings,
    folder: &Path,
    names: &[String],
    depth: Depth,
    asker: &Asker,
) -> Result<Oid, (FetchFailure, Option<SessionError>)> {
    let access = &settings.access;
    let order = FetchOrder {
        url: access.url.to_string(),
        username: access.username.clone(),
        token: access.token.as_ref().map(|token| token.expose().to_owned()),
        ssh_key: access.ssh_key.clone(),
        ssh_config: access.ssh_config.clone(),
        known_hosts: access.known_hosts.clone(),
        host_key: access.host_key.clone(),
        folder: folder.to_owned(),
        path: settings.path.clone(),
        names: names.to_vec(),
        commit: settings.commit.clone(),
        depth,
        memory_bytes: settings.memory_bytes,
    };
    let here = |why: String| (FetchFailure::Here(why), None);
    let order = serde_json::to_vec(&order).map_err(|error| here(error.to_string()))?;
    let mut command = Command::new(&settings.program);
    // Without it the C library reserves memory for each thread, which would count.
    command.arg(WORD).env("MALLOC_ARENA_MAX", "1").env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let work = async {
        let mut child =
            command.spawn().map_err(|error| here(format!("could not start a process to fetch: {error}")))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        if let Some(mut stdin) = stdin {
            // A process that stops reading explains itself by how it ends.
            let _ = stdin.write_all(&order).await;
        }
        let mut answer = Vec::new();
        if let Some(stdout) = stdout {
            let _ = stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await;
        }
        let status = child.wait().await.map_err(|error| here(error.to_string()))?;
        match serde_json::from_slice(&answer) {
            Ok(FetchMessage::Brought { commit }) => {
                Oid::from_str(&commit).map_err(|error| here(error.message().to_owned()))
            }
            Ok(FetchMessage::Failed { failed, trouble }) => Err((failed, trouble)),
            // A failed allocation ends the process.
            Err(_) if status.signal().is_some() => {
                Err((FetchFailure::Here(status.to_string()), Some(too_large(settings))))
            }
            Err(_) => Err(here(format!("the process that fetches said nothing ({status})"))),
        }
    };
    let mut asker = asker.clone();
    Handle::current().block_on(async {
        tokio::select! {
            biased;
            _ = asker.changed() => Err(here("it was given up".to_owned())),
            done = tokio::time::timeout(LIMIT, work) => done.unwrap_or_else(|_| {
                let late = SessionError::NoAnswer(format!("it was not done after {} s", LIMIT.as_secs()));
                Err((FetchFailure::Here(String::new()), Some(late)))
            }),
        }
    })
}

fn too_large(settings: &GitSettings) -> SessionError {
    SessionError::TooLarge(format!("it needs more than {} MiB of memory", settings.memory_bytes / 1024 / 1024))
}

/// Carries out an order, in this process; answers the text for standard output. Blocks, inside a runtime.
pub fn serve(order: &[u8]) -> String {
    let told = match serde_json::from_slice::<FetchOrder>(order) {
        Ok(order) => carry_out(order),
        Err(error) => FetchMessage::Failed { failed: FetchFailure::Here(format!("no order: {error}")), trouble: None },
    };
    serde_json::to_string(&told).unwrap_or_default()
}

fn carry_out(order: FetchOrder) -> FetchMessage {
    let memory_bytes = order.memory_bytes;
    if let Err(error) = limit(memory_bytes) {
        let failed = FetchFailure::Here(format!("the memory of a fetch could not be limited: {error}"));
        return FetchMessage::Failed { failed, trouble: None };
    }
    let (names, depth, folder) = (order.names.clone(), order.depth, order.folder.clone());
    let settings = match settings(order) {
        Ok(settings) => settings,
        Err(why) => return FetchMessage::Failed { failed: FetchFailure::Here(why), trouble: None },
    };
    // The waiting process ends this one when it no longer needs it.
    let (_waiting, asker) = watch::channel(());
    let (failed, trouble) = match brought(&settings, &folder, &names, depth, asker) {
        Ok(commit) => return FetchMessage::Brought { commit: commit.to_string() },
        Err(both) => both,
    };
    let is_memory = match &failed {
        FetchFailure::Server(why) | FetchFailure::Here(why) => is_memory(why),
        FetchFailure::NoSuchRef(_) | FetchFailure::NotInRef => false,
    };
    let trouble = if is_memory { Some(too_large(&settings)) } else { trouble };
    FetchMessage::Failed { failed, trouble }
}

fn settings(order: FetchOrder) -> Result<GitSettings, String> {
    Ok(GitSettings {
        access: RemoteAccess {
            url: GitUrl::parse(&order.url).map_err(|(what, _)| what)?,
            username: order.username,
            token: order.token.map(Secret::new),
            ssh_key: order.ssh_key,
            ssh_config: order.ssh_config,
            known_hosts: order.known_hosts,
            host_key: order.host_key,
        },
        path: order.path,
        commit: order.commit,
        memory_bytes: order.memory_bytes,
        clone: order.folder,
        // Not needed for fetching and reading.
        reference: GitRef::Branch(String::new()),
        interval: Millis(0),
        verify: None,
        verify_all: false,
        program: PathBuf::new(),
    })
}

fn brought(
    settings: &GitSettings,
    folder: &Path,
    names: &[String],
    depth: Depth,
    asker: Asker,
) -> Result<Oid, (FetchFailure, Option<SessionError>)> {
    let repository = clone::open(folder).map_err(|failed| (failed, None))?;
    let session = Arc::new(GitSession::new(settings.access.clone(), repository.path().to_owned(), asker));
    let brought = match &settings.commit {
        None => clone::bring(&repository, &session, names, depth),
        Some(id) => Oid::from_str(id)
            .map_err(|error| FetchFailure::Here(error.message().to_owned()))
            .and_then(|commit| clone::bring_commit(&repository, &session, names, commit, depth)),
    };
    let commit = brought.map_err(|failed| (failed, session.error()))?;
    match read(&repository, commit, &settings.path) {
        Err(why) if is_memory(&why) => Err((FetchFailure::Here(why), None)),
        // Other problems are found by the daemon's own reading.
        Ok(()) | Err(_) => Ok(commit),
    }
}

/// Reads everything that is read of a commit after a fetch.
fn read(repository: &Repository, commit: Oid, path: &str) -> Result<(), String> {
    let said = |error: git2::Error| error.message().to_owned();
    clone::walk(repository, commit).map_err(said)?;
    let snapshot = tree::snapshot(repository, commit, path, "");
    if let Err(tree::UnfitCommit::Broken(why)) = snapshot {
        return Err(why);
    }
    history::read(repository, commit, path).map(|_| ()).map_err(said)
}

/// libgit2 reports it only as text, and not always the same.
fn is_memory(why: &str) -> bool {
    let why = why.to_lowercase();
    ["out of memory", "mmap", "allocate", "init zlib"].iter().any(|words| why.contains(words))
}

/// For the memory that this process may allocate from now on. What it has already is its program and its threads.
fn limit(bytes: u64) -> Result<(), String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let now = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()?.checked_mul(1024)
    };
    let all = [(Resource::Data, "VmData", 0), (Resource::As, "VmSize", MAPPED_BYTES_MAX), (Resource::Core, "", 0)];
    for (resource, name, more) in all {
        let limit = match now(name) {
            Some(now) => now.saturating_add(bytes).saturating_add(more),
            None if name.is_empty() => 0,
            None => return Err(format!("/proc/self/status has no {name}")),
        };
        // A stricter limit stays.
        let known = getrlimit(resource);
        let limit = [known.current, known.maximum].into_iter().flatten().fold(limit, u64::min);
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, limit).map_err(|error| error.to_string())?;
    }
    Ok(())
}
