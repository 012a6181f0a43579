//! Many visitors at once, on a thread of their own, so that nothing else that the test does holds them up: some with a
//! connection for each request, some who keep theirs, some whose answers take their time.
#![expect(clippy::disallowed_types, reason = "how long visitors waited is a figure, and decides nothing")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Visitors of each sort at each site.
const EACH: usize = 2;
/// Between two requests of one visitor: they leave room for what they are there to watch.
const PAUSE: Duration = Duration::from_millis(4);
/// The longest wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Failures that are reported in full.
const TOLD_MAX: usize = 20;

/// How a visitor asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// A connection for each request.
    Fresh,
    /// One connection, as long as the server keeps it.
    Kept,
    /// `/slow`.
    Slow,
}

/// What all of them saw at one site.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub requests: u64,
    pub failed: u64,
    /// On a kept connection that the server closed before it answered, and then answered on a new one: what every client
    /// does by itself.
    pub retried: u64,
    pub slow: u64,
    /// Spans without a good answer to a visitor that does not retry.
    pub longest_gap: Duration,
    pub told: Vec<String>,
    last_good: Option<Instant>,
}

impl Tally {
    /// Adds what was seen elsewhere.
    pub fn add(&mut self, other: &Tally) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.retried += other.retried;
        self.slow += other.slow;
        self.longest_gap = self.longest_gap.max(other.longest_gap);
        self.told.extend(other.told.iter().cloned());
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { requests, failed, retried, slow, longest_gap, .. } = self;
        let gap = longest_gap.as_millis();
        write!(
            f,
            "{requests} requests ({slow} slow), {failed} failed, {retried} retried by the client, longest gap {gap} ms"
        )
    }
}

/// They come until they are stopped.
pub struct Crowd {
    tally: Arc<Mutex<Tally>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    /// A good answer is a 200 whose body starts with `start` and is whole.
    pub fn start(address: SocketAddr, domain: &str, start: &str) -> Self {
        let (tally, stop): (Arc<Mutex<Tally>>, Arc<AtomicBool>) = Default::default();
        let visitor = Visitor {
            address,
            domain: domain.to_owned(),
            start: start.to_owned(),
            begun: Instant::now(),
            tally: tally.clone(),
            stop: stop.clone(),
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut visitors = JoinSet::new();
                for sort in [Sort::Fresh, Sort::Kept, Sort::Slow].repeat(EACH) {
                    visitors.spawn(visitor.clone().come(sort));
                }
                visitors.join_all().await;
            });
        });
        Self { tally, stop, thread: Some(thread) }
    }

    /// What they saw so far.
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last of them has got its answer.
    pub fn end(mut self) -> Tally {
        self.leave();
        self.tally()
    }

    fn leave(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.leave();
    }
}

#[derive(Clone)]
struct Visitor {
    address: SocketAddr,
    domain: String,
    start: String,
    begun: Instant,
    tally: Arc<Mutex<Tally>>,
    stop: Arc<AtomicBool>,
}

impl Visitor {
    async fn come(self, sort: Sort) {
        let mut kept = None;
        while !self.stop.load(Ordering::Relaxed) {
            let begun = self.begun.elapsed();
            let asked = tokio::time::timeout(ANSWER_TIMEOUT, self.ask(sort, &mut kept)).await;
            let outcome = asked.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            self.count(sort, begun, outcome);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether it had to be asked twice.
    async fn ask(&self, sort: Sort, kept: &mut Option<TcpStream>) -> Result<bool, String> {
        let path = if sort == Sort::Slow { "/slow" } else { "/" };
        let keep = sort == Sort::Kept;
        if let Some(stream) = kept.take() {
            match self.exchange(stream, path, keep).await {
                Ok(stream) => {
                    *kept = stream;
                    return Ok(false);
                }
                Err(ClientFailure::Closed) => (),
                Err(ClientFailure::Bad(why)) => return Err(format!("on a kept connection: {why}")),
            }
            *kept = self.ask_on_new_connection(path, keep).await?;
            return Ok(true);
        }
        *kept = self.ask_on_new_connection(path, keep).await?;
        Ok(false)
    }

    async fn ask_on_new_connection(&self, path: &str, keep: bool) -> Result<Option<TcpStream>, String> {
        let stream = TcpStream::connect(self.address).await.map_err(|error| format!("connecting: {error}"))?;
        self.exchange(stream, path, keep).await.map_err(|trouble| match trouble {
            ClientFailure::Closed => "closed without an answer".to_owned(),
            ClientFailure::Bad(why) => why,
        })
    }

    /// One request; answers the connection when it can be used again.
    async fn exchange(
        &self,
        mut stream: TcpStream,
        path: &str,
        keep: bool,
    ) -> Result<Option<TcpStream>, ClientFailure> {
        let connection = if keep { "keep-alive" } else { "close" };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: {connection}\r\n\r\n", self.domain);
        stream.write_all(request.as_bytes()).await.map_err(|_| ClientFailure::Closed)?;
        let (mut answer, mut part) = (Vec::new(), [0; 4096]);
        loop {
            if let Some(answer) = Answer::parse(&answer) {
                let good = answer.status == 200 && answer.body.starts_with(&self.start) && answer.body.ends_with('\n');
                return if good {
                    Ok((keep && !answer.closes).then_some(stream))
                } else {
                    Err(ClientFailure::Bad(format!("{path}: {}, {} bytes", answer.status, answer.body.len())))
                };
            }
            match stream.read(&mut part).await {
                Ok(0) | Err(_) if answer.is_empty() => return Err(ClientFailure::Closed),
                Ok(0) => return Err(ClientFailure::Bad(format!("{path}: cut after {} bytes", answer.len()))),
                Err(error) => return Err(ClientFailure::Bad(format!("{path}: {error} after {} bytes", answer.len()))),
                Ok(count) => answer.extend_from_slice(&part[..count]),
            }
        }
    }

    fn count(&self, sort: Sort, begun: Duration, outcome: Result<bool, String>) {
        let now = Instant::now();
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.requests += 1;
        tally.slow += u64::from(sort == Sort::Slow);
        match outcome {
            Ok(again) => {
                tally.retried += u64::from(again);
                if sort != Sort::Slow {
                    let gap = tally.last_good.map_or(Duration::ZERO, |last| now - last);
                    tally.longest_gap = tally.longest_gap.max(gap);
                    tally.last_good = Some(now);
                }
            }
            Err(why) => {
                tally.failed += 1;
                if tally.told.len() < TOLD_MAX {
                    let (from, to) = (begun.as_millis(), self.begun.elapsed().as_millis());
                    tally.told.push(format!("{} {sort:?} from {from} to {to} ms: {why}", self.domain));
                }
            }
        }
    }
}

enum ClientFailure {
    /// Before the first byte of an answer.
    Closed,
    Bad(String),
}

/// An answer with its length in front, as nginx gives it here.
struct Answer {
    status: u16,
    body: String,
    closes: bool,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        let body = bytes.get(end + 4..end + 4 + length)?;
        Some(Self {
            status: head.split(' ').nth(1)?.parse().ok()?,
            body: String::from_utf8_lossy(body).into_owned(),
            closes: head.contains("connection: close"),
        })
    }
}
