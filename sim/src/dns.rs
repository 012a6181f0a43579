//! DNS servers over UDP and TCP on loopback that answer from published zones.
//!
//! One [`Dns`] plays an authoritative server or, as [`Role::Resolver`], the resolver that an
//! application asks. What it serves is what was last given to [`Dns::publish`], so that a server
//! that lags behind is one that was not given the newest zone.

mod answer;
pub(crate) mod rdata;
mod serve;
pub(crate) mod zone;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hickory_proto::rr::Name;
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::task::JoinHandle;

pub use zone::{DnsZone, Soa};

/// A server keeps the last queries only, so that a long demo does not grow.
const QUERIES_KEPT_MAX: usize = 10_000;

/// Tries to find a port that is free for both UDP and TCP.
const PORT_TRIES_MAX: usize = 20;

/// What a server is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers with authority for its zones, REFUSED for all others.
    Authority,
    /// Stands in for a recursive resolver: no authority, aliases followed over all zones, NXDOMAIN for the rest.
    Resolver,
}

/// How a running server treats a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    Answers,
    /// Receives it and says nothing: the client runs into its time-out.
    Silent,
    /// SERVFAIL.
    Fails,
}

/// One DNS server. Clones are the same server; dropping the last one stops it.
#[derive(Debug, Clone)]
pub struct Dns {
    /// Where it listens, UDP and TCP, also while it is stopped.
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    port: Mutex<Port>,
}

#[derive(Debug)]
struct Port {
    /// What answers there, of a running server.
    task: Option<JoinHandle<()>>,
    /// What keeps it from other programs, of a stopped one.
    closed: Option<(UdpSocket, TcpSocket)>,
}

/// What the serving task and the owner both see.
#[derive(Debug)]
struct Shared {
    role: Role,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    zones: BTreeMap<Name, DnsZone>,
    mood: Mood,
    queries: Vec<String>,
}

impl Dns {
    /// Serves no zones yet on `127.0.0.1:port` (0 = any free port).
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(role: Role, port: u16) -> std::io::Result<Self> {
        let (udp, tcp) = bind(port).await?;
        let address = tcp.local_addr()?;
        let shared = Arc::new(Shared {
            role,
            state: Mutex::new(State { zones: BTreeMap::new(), mood: Mood::Answers, queries: Vec::new() }),
        });
        let task = tokio::spawn(serve::run(udp, tcp, Arc::clone(&shared)));
        let inner = Arc::new(Inner { shared, port: Mutex::new(Port { task: Some(task), closed: None }) });
        Ok(Self { address, inner })
    }

    /// Serves this version of a zone from now on.
    pub fn publish(&self, zone: DnsZone) {
        let mut state = self.inner.shared.lock();
        state.zones.insert(zone.origin().clone(), zone);
    }

    /// Serves no zones any more.
    pub fn forget(&self) {
        self.inner.shared.lock().zones.clear();
    }

    /// How queries are treated from now on.
    pub fn behave(&self, mood: Mood) {
        self.inner.shared.lock().mood = mood;
    }

    /// Every query since the start, as `www.example.com. A`.
    pub fn queries(&self) -> Vec<String> {
        self.inner.shared.lock().queries.clone()
    }

    /// Closes both sockets: the host answers "port unreachable". What was published is kept.
    pub async fn stop(&self) {
        let task = self.inner.lock().task.take();
        if let Some(task) = task {
            task.abort();
            // Waits until the sockets are closed; "cancelled" is the only result there can be.
            let _ = task.await;
            let closed = close(self.address).await.ok();
            self.inner.lock().closed = closed;
        }
    }

    /// As [`Dns::stop`], without waiting until the sockets are closed.
    pub fn abort(&self) {
        self.inner.abort();
    }

    /// Opens the same port again after [`Dns::stop`]; does nothing while running.
    ///
    /// # Errors
    /// The port was taken by somebody else meanwhile.
    pub async fn resume(&self) -> std::io::Result<()> {
        if self.inner.lock().task.is_some() {
            return Ok(());
        }
        self.inner.lock().closed = None;
        let (udp, tcp) = bind(self.address.port()).await?;
        let task = tokio::spawn(serve::run(udp, tcp, Arc::clone(&self.inner.shared)));
        self.inner.lock().task = Some(task);
        Ok(())
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Port> {
        self.port.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn abort(&self) {
        if let Some(task) = self.lock().task.take() {
            task.abort();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a port and hears nothing there: a socket that is connected to itself, and one that does not listen.
async fn close(address: SocketAddr) -> std::io::Result<(UdpSocket, TcpSocket)> {
    let udp = UdpSocket::bind(address).await?;
    udp.connect(address).await?;
    let tcp = TcpSocket::new_v4()?;
    // Connections that it had may linger.
    tcp.set_reuseaddr(true)?;
    tcp.bind(address)?;
    Ok((udp, tcp))
}

/// Resolvers repeat a truncated answer over TCP at the same port, so both must be had.
async fn bind(port: u16) -> std::io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let tcp = TcpListener::bind(("127.0.0.1", port)).await?;
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => return Ok((udp, tcp)),
            Err(error) if port != 0 || tries >= PORT_TRIES_MAX => return Err(error),
            Err(_) => (),
        }
    }
}
