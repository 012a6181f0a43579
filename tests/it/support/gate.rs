//! A socket in front of the engine's that relays every byte, takes note of what is asked and holds what a test says.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

const ENGINE: &str = "/var/run/docker.sock";
/// A request line is shorter than this.
const LINE_BYTES_MAX: usize = 16 * 1024;
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"];

/// A running gate. Dropping it closes it.
pub struct Gate {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    asked: watch::Sender<Vec<String>>,
    hold: Mutex<Option<Hold>>,
}

#[derive(Clone, Copy)]
struct Hold {
    what: &'static str,
    passes: usize,
    until: &'static str,
}

impl Gate {
    /// Opens a gate at `path`.
    pub fn open(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let shared: Arc<Shared> = Arc::default();
        let task = tokio::spawn(serve(listener, shared.clone()));
        Self { shared, task }
    }

    /// From now on every request with `what` in its line, but for the first `passes`, waits until one with `until` is
    /// asked.
    pub fn hold(&self, what: &'static str, passes: usize, until: &'static str) {
        self.forget();
        *self.shared.hold.lock().unwrap_or_else(PoisonError::into_inner) = Some(Hold { what, passes, until });
    }

    /// Every request line since the last [`Gate::forget`], as `METHOD /path`, the API's version left out.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.borrow().clone()
    }

    /// Requests that may change something; probes by exec apart.
    pub fn writes(&self) -> Vec<String> {
        let mut asked = self.asked();
        asked.retain(|line| !line.starts_with("GET ") && !line.starts_with("HEAD ") && !is_exec(line));
        asked
    }

    /// Requests that make a probe in a container.
    pub fn execs(&self) -> Vec<String> {
        let mut asked = self.asked();
        asked.retain(|line| line.starts_with("POST ") && is_exec(line));
        asked
    }

    /// Starts counting again.
    pub fn forget(&self) {
        self.shared.asked.send_modify(Vec::clear);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn is_exec(line: &str) -> bool {
    line.ends_with("/exec") || line.contains(" /exec/")
}

impl Shared {
    /// Takes note of a request and returns when it may go on.
    async fn pass(&self, line: String) {
        let hold = *self.hold.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = None;
        self.asked.send_modify(|asked| {
            let count = |hold: &Hold| asked.iter().filter(|line| line.contains(hold.what)).count();
            held = hold.filter(|hold| line.contains(hold.what) && count(hold) >= hold.passes);
            asked.push(line);
        });
        if let Some(hold) = held {
            let is_over = |asked: &Vec<String>| asked.iter().any(|line| line.contains(hold.until));
            let _ = self.asked.subscribe().wait_for(is_over).await;
        }
    }
}

async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    let mut relays = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        relays.spawn(relay(client, shared.clone()));
        while relays.try_join_next().is_some() {}
    }
}

async fn relay(client: UnixStream, shared: Arc<Shared>) {
    let Ok(engine) = UnixStream::connect(ENGINE).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_engine, to_engine) = engine.into_split();
    let mut scanner = Scanner::default();
    let pass = async |lines: Vec<String>| {
        for line in lines {
            shared.pass(line).await;
        }
    };
    tokio::join!(
        copy(from_client, to_engine, |bytes| pass(scanner.scan(bytes))),
        copy(from_engine, to_client, |_| std::future::ready(()))
    );
}

async fn copy<F: Future<Output = ()>>(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut see: impl FnMut(&[u8]) -> F,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        see(&buffer[..count]).await;
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Finds request lines in what a client sends, wherever they stand: a body has no such lines.
#[derive(Default)]
struct Scanner {
    tail: Vec<u8>,
}

impl Scanner {
    fn scan(&mut self, bytes: &[u8]) -> Vec<String> {
        self.tail.extend_from_slice(bytes);
        let mut lines = Vec::new();
        let end = b" HTTP/1.1\r\n";
        while let Some(at) = self.tail.windows(end.len()).position(|window| window == end) {
            lines.extend(line(&String::from_utf8_lossy(&self.tail[..at])));
            self.tail.drain(..at + end.len());
        }
        let surplus = self.tail.len().saturating_sub(LINE_BYTES_MAX);
        self.tail.drain(..surplus);
        lines
    }
}

/// `…POST /v1.41/containers/create?name=x` → `POST /containers/create?name=x`.
fn line(text: &str) -> Option<String> {
    let (before, path) = text.rsplit_once(' ')?;
    let method = METHODS.into_iter().find(|method| before.ends_with(method))?;
    let versionless = path.strip_prefix("/v1.").and_then(|rest| rest.split_once('/')).map(|(_, rest)| rest);
    Some(format!("{method} /{}", versionless.unwrap_or(path.trim_start_matches('/'))))
}

#[test]
fn request_lines_are_found_wherever_they_are_cut() {
    let stream = b"GET /v1.41/info HTTP/1.1\r\nHost: x\r\n\r\nPOST /v1.41/a?b=c HTTP/1.1\r\n\r\n{\"a\": 1}DELETE /d HTTP/1.1\r\n";
    let expected = ["GET /info", "POST /a?b=c", "DELETE /d"];
    for step in 1..stream.len() {
        let mut scanner = Scanner::default();
        let lines: Vec<String> = stream.chunks(step).flat_map(|chunk| scanner.scan(chunk)).collect();
        assert_eq!(lines, expected);
    }
}
