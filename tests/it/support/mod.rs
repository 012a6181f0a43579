//! Shared rigs: a real Docker engine behind a counting gate, simulated vendors, a folder of manifests.

pub mod certificates;
pub mod crowd;
pub mod engine;
pub mod forge;
pub mod following;
pub mod gate;
pub mod image;
pub mod machine;
pub mod nginx;
pub mod registry;
pub mod rig;
pub mod sentences;
pub mod stepped;
pub mod trust;
pub mod vendor_rows;
pub mod visitors;

use amarre::providers::{NoContexts, Supplies};
use amarre::secret::Secrets;
use amarre_core::model::Payloads;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Between two checks of a condition that is waited for.
const POLL: Duration = Duration::from_millis(100);
/// The niceness of a test that computes.
const POLITE: i32 = 10;
/// The longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What a change needs beside its fields: secrets, and no files.
pub fn supplies(secrets: &Secrets) -> Supplies<'_> {
    static NONE: Payloads = Payloads::new();
    Supplies { secrets, payloads: &NONE, contexts: &NoContexts }
}

/// The folder of a world that runs in this process: manifests, and a ledger. It is in memory, because hundreds of stories write
/// to a ledger each; and from now on this test keeps to one core and leaves it to tests that wait for an engine.
pub fn world_folder() -> TempDir {
    share_the_machine();
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    std::fs::create_dir(folder.path().join("services")).unwrap();
    folder
}

/// Each statement of a ledger wakes a thread and waits for it, which takes twice the time where that thread sleeps on another core.
/// The runner's place for this test says which core; `cargo test` has no places, and runs tests as threads of one process.
fn share_the_machine() {
    let slot = |name: &str| std::env::var_os(name)?.to_str()?.parse::<usize>().ok();
    let Some(slot) = slot("NEXTEST_TEST_GROUP_SLOT").or_else(|| slot("NEXTEST_TEST_GLOBAL_SLOT")) else {
        return;
    };
    let ours = sched_getaffinity(None).unwrap();
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| ours.is_set(*core)).collect();
    let mut one = CpuSet::new();
    one.set(cores[slot % cores.len()]);
    sched_setaffinity(None, &one).unwrap();
    rustix::process::setpriority_process(None, POLITE).unwrap();
}

/// Writes a file of a source as if it was done a while ago: what changes at this moment is read again until it stays.
pub fn write_settled(path: impl AsRef<std::path::Path>, text: impl AsRef<[u8]>) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(text.as_ref()).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
}

/// Waits until `reached` holds, at most `limit_s` seconds.
#[track_caller]
pub fn eventually<F: AsyncFnMut() -> bool>(limit_s: u64, what: &str, mut reached: F) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let what = what.to_owned();
    async move {
        let wait = async {
            while !reached().await {
                tokio::time::sleep(POLL).await;
            }
        };
        let done = tokio::time::timeout(Duration::from_secs(limit_s), wait).await;
        assert!(done.is_ok(), "{caller}: not within {limit_s} s: {what}");
    }
}

/// `docker …`; a failure fails the test.
#[track_caller]
pub fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("the docker client is there: scripts/test");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {error}", args.join(" "));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Lines of `docker …`, sorted.
#[track_caller]
pub fn docker_lines(args: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = docker(args).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// `docker KIND inspect NAME`.
#[track_caller]
pub fn inspect(kind: &str, name: &str) -> Json {
    let mut all: Json = serde_json::from_str(&docker(&[kind, "inspect", name])).unwrap();
    all[0].take()
}

/// Status and body of `GET path` with this `Host`; `None` without an answer.
pub async fn get(address: SocketAddr, host: &str, path: &str) -> Option<(u16, String)> {
    tokio::time::timeout(ANSWER_TIMEOUT, async { answer(TcpStream::connect(address).await.ok()?, host, path).await })
        .await
        .ok()
        .flatten()
}

/// The same over the socket, whose owner may ask everything.
pub async fn get_as_owner(socket: &Path, path: &str) -> Option<(u16, String)> {
    tokio::time::timeout(ANSWER_TIMEOUT, async {
        answer(UnixStream::connect(socket).await.ok()?, "localhost", path).await
    })
    .await
    .ok()
    .flatten()
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str, path: &str) -> Option<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = if head.to_lowercase().contains("transfer-encoding: chunked") { unchunked(body) } else { body.into() };
    Some((status, body))
}

fn unchunked(body: &str) -> String {
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let Some(chunk) = usize::from_str_radix(size.trim(), 16).ok().filter(|size| *size > 0) else { break };
        let Some(text) = after.get(..chunk) else { break };
        whole.push_str(text);
        rest = after.get(chunk + 2..).unwrap_or_default();
    }
    whole
}

/// No templates, and nowhere to keep secrets.
pub struct Empty;

impl amarre::templates::TemplateStore for Empty {
    fn templates(&self) -> Result<std::collections::BTreeMap<String, amarre::templates::Template>, String> {
        Ok(std::collections::BTreeMap::new())
    }

    fn make_secret(&self, name: &str) -> Result<(), String> {
        Err(format!("there is no place for {name}"))
    }
}

/// What is served over the network, on loopback.
pub fn network(handle: &amarre::engine::reconcile::daemon::Handle) -> axum::Router {
    let notifications = amarre::notifications::Notifications::new(handle.clone(), Vec::new(), None);
    network_with(handle, notifications, None)
}

/// The same, with notification channels, and a secret that webhooks are signed with.
pub fn network_with(
    handle: &amarre::engine::reconcile::daemon::Handle,
    notifications: amarre::notifications::Notifications,
    webhook_secret: Option<&str>,
) -> axum::Router {
    use amarre::server::auth::{AccessControl, Encryption, Listening};
    let accounts = amarre::accounts::Accounts::new(handle.ledger().clone());
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let webhook_secret = webhook_secret.map(amarre::secret::Secret::new);
    let listening = Listening {
        address,
        url: None,
        proxies: Vec::new(),
        per_minute: 100_000,
        webhook_secret,
        encryption: Encryption::Plain,
    };
    amarre::web::public(
        handle.clone(),
        AccessControl::new(handle.clone(), accounts, listening),
        notifications,
        Arc::new(Empty),
        None,
    )
}

/// A port that was free a moment ago, and that no other test gets while this process runs. None of those that the kernel
/// gives out by itself: a simulated container, which answers everything with 200, would have taken it before whoever it is for.
pub fn free_port() -> u16 {
    static TAKEN: Mutex<Vec<std::fs::File>> = Mutex::new(Vec::new());
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let tries = (0..PORTS_OF_TESTS.1).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(101);
        let at = std::process::id().wrapping_mul(7).wrapping_add(step) % u32::from(PORTS_OF_TESTS.1);
        PORTS_OF_TESTS.0 + u16::try_from(at).unwrap()
    });
    let folder = std::env::temp_dir().join("amarre-ports");
    std::fs::create_dir_all(&folder).unwrap();
    let take = |port: u16| {
        let file = std::fs::File::create(folder.join(port.to_string())).unwrap();
        let is_free = file.try_lock().is_ok() && std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        is_free.then_some((port, file))
    };
    let (port, file) = tries.into_iter().find_map(take).expect("a port is free");
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner).push(file);
    port
}

/// The first one, and how many.
const PORTS_OF_TESTS: (u16, u16) = (21_000, 11_000);
