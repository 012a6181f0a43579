//! Accepts connections up to a limit in all and for each address. Each has to send its request within seconds and to
//! read the answer. Slow or numerous connections take no descriptor that the loop needs. Where all slots are taken, a
//! connection that has asked nothing yet is ended for a new one.
//!
//! The socket beside the ledger has an allowance of its own: commands are served while the network is flooded.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::Response;
use futures_util::StreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower_service::Service;

use super::problem::problem;
use super::tls::ServerTls;
use super::write_timeout::Paced;
use amarre_core::model::Code;

/// The limit over the network: each connection may be a page that listens.
const ALL_MAX: usize = 256;
/// The limit of one address: a browser opens six to a site.
const OF_ONE_MAX: usize = 32;
/// The limit of the socket.
const SOCKET_MAX: usize = 64;
/// Descriptors that stay for the loop: the ledger, manifests, vendors, probes, git.
const FOR_THE_LOOP: usize = 128;
/// Accepted at least, however few descriptors there are.
const ALL_MIN: usize = 8;
/// Until a request's head is there; an idle connection is closed after it, too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Until all of a request's body is there.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a slow reader may delay an answer; reading at [`super::write_timeout::BYTES_PER_SECOND`] wins it back.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// How often rejected connections are logged.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// The first byte of a TLS connection; no request of HTTP begins with it.
const HANDSHAKE: u8 = 0x16;
/// After an error of the listener itself, such as too many open files.
const ERROR_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// In all.
    pub all: usize,
    /// Of one address.
    pub of_one: usize,
    /// Proxies that bring clients of many addresses; they share `all`.
    pub proxies: Vec<IpNet>,
    /// Until a request's head is there.
    pub head: Duration,
    /// Until its body is there.
    pub body: Duration,
    /// How long an answer waits for a slow reader; `None`: without limit.
    pub write: Option<Duration>,
}

impl ConnectionLimits {
    /// For the network, with this many descriptors.
    pub fn network(descriptors: usize, proxies: Vec<IpNet>) -> Self {
        let all = descriptors.saturating_sub(FOR_THE_LOOP + Self::socket(descriptors).all).clamp(ALL_MIN, ALL_MAX);
        let write = Some(WRITE_PATIENCE);
        Self { all, of_one: OF_ONE_MAX.min(all), proxies, head: HEAD_TIMEOUT, body: BODY_TIMEOUT, write }
    }

    /// For the socket. Its owner may read as slowly as needed: logs are read page by page.
    pub fn socket(descriptors: usize) -> Self {
        let all = (descriptors / 8).clamp(ALL_MIN, SOCKET_MAX);
        Self { all, of_one: all, proxies: Vec::new(), head: HEAD_TIMEOUT, body: BODY_TIMEOUT, write: None }
    }

    fn limit_for(&self, address: IpAddr) -> usize {
        let is_proxy = self.proxies.iter().any(|net| net.contains(&address.to_canonical()));
        if is_proxy { self.all } else { self.of_one }
    }
}

/// Raises the limit of open files as far as allowed; answers the limit.
pub fn raise_descriptors() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || (limit.maximum.is_none() && limit.current.is_some()) {
        let before = limit.current;
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!("the number of open files could not be raised: {error}");
            limit.current = before;
        }
    }
    limit.current.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX))
}

/// Open connections by address; IPv6 clients count by network, which is one household's.
#[derive(Debug, Default)]
struct TakenSlots {
    by_address: BTreeMap<IpAddr, usize>,
    /// Those that have asked nothing yet, the oldest first.
    waiting: BTreeMap<u64, WaitingConnection>,
    next: u64,
}

#[derive(Debug)]
struct WaitingConnection {
    address: IpAddr,
    /// Ends it.
    end: Arc<Notify>,
}

impl TakenSlots {
    /// Ends a connection that has asked nothing, of the address that has the most; `false`: none has more than `own`.
    fn end_waiting(&mut self, own: usize) -> bool {
        let count = |address: &IpAddr| self.by_address.get(address).copied().unwrap_or_default();
        let largest = self.waiting.iter().max_by_key(|(id, one)| (count(&one.address), Reverse(**id)));
        let Some(id) = largest.filter(|(_, one)| count(&one.address) > own).map(|(id, _)| *id) else { return false };
        if let Some(one) = self.waiting.remove(&id) {
            one.end.notify_one();
        }
        true
    }
}

/// A connection's slot, released when it ends.
struct ConnectionSlot {
    taken: Arc<Mutex<TakenSlots>>,
    address: IpAddr,
    id: u64,
    end: Arc<Notify>,
}

impl ConnectionSlot {
    /// A request came: it is not ended for others any more.
    fn asks(&self) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&self.id);
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.waiting.remove(&self.id);
        let left = taken.by_address.get(&self.address).map_or(0, |count| count.saturating_sub(1));
        match left {
            0 => _ = taken.by_address.remove(&self.address),
            left => _ = taken.by_address.insert(self.address, left),
        }
    }
}

/// A slot for a new connection. Where all are taken, one that has asked nothing makes room.
fn take_slot(taken: &Arc<Mutex<TakenSlots>>, room: &ConnectionLimits, address: IpAddr) -> Option<ConnectionSlot> {
    let most = room.limit_for(address);
    let address = match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    };
    let mut known = taken.lock().unwrap_or_else(PoisonError::into_inner);
    let all: usize = known.by_address.values().sum();
    let own = known.by_address.get(&address).copied().unwrap_or_default();
    if own >= most || all >= room.all && !known.end_waiting(own) {
        return None;
    }
    known.by_address.insert(address, own + 1);
    let (id, end) = (known.next, Arc::<Notify>::default());
    known.next += 1;
    known.waiting.insert(id, WaitingConnection { address, end: end.clone() });
    Some(ConnectionSlot { taken: taken.clone(), address, id, end })
}

/// Logs at most once in a while that connections are rejected.
#[derive(Default)]
struct RateLimitedWarning(Option<Instant>);

impl RateLimitedWarning {
    fn warn(&mut self, what: impl FnOnce() -> String) {
        if self.0.is_none_or(|last| last.elapsed() >= TOLD_EVERY) {
            self.0 = Some(Instant::now());
            tracing::warn!("{}", what());
        }
    }
}

/// Serves a listener of the network, until it is dropped; with `tls`, HTTPS.
pub async fn network(listener: TcpListener, tls: Option<ServerTls>, router: Router, room: ConnectionLimits) {
    let (taken, mut open, mut teller) =
        (Arc::<Mutex<TakenSlots>>::default(), JoinSet::new(), RateLimitedWarning::default());
    loop {
        while open.try_join_next().is_some() {}
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                teller.warn(|| format!("a connection could not be taken: {error}"));
                tokio::time::sleep(ERROR_PAUSE).await;
                continue;
            }
        };
        let Some(place) = take_slot(&taken, &room, peer.ip()) else {
            teller.warn(|| format!("too many connections, the latest from {}: it is closed", peer.ip()));
            continue;
        };
        let (tls, router, room, place_end) = (tls.clone(), router.clone(), room.clone(), place.end.clone());
        open.spawn(async move {
            let (place, end) = (Arc::new(place), place_end);
            tokio::select! {
                () = peer_connection(stream, tls, router, (peer, place), &room) => (),
                () = end.notified() => (),
            }
        });
    }
}

/// Serves the socket, until it is dropped.
pub async fn socket(listener: UnixListener, router: Router, room: ConnectionLimits) {
    let (mut open, mut teller) = (JoinSet::new(), RateLimitedWarning::default());
    loop {
        while open.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                teller.warn(|| format!("a command could not be taken: {error}"));
                tokio::time::sleep(ERROR_PAUSE).await;
                continue;
            }
        };
        if open.len() >= room.all {
            teller.warn(|| "too many commands at once: the latest is not taken".to_owned());
            continue;
        }
        let (router, room) = (router.clone(), room.clone());
        open.spawn(async move { connection(Paced::new(stream, room.write), router, None, &room).await });
    }
}

/// A connection of the network: the handshake first, if the listener encrypts.
async fn peer_connection(
    stream: TcpStream,
    tls: Option<ServerTls>,
    router: Router,
    peer: (SocketAddr, Arc<ConnectionSlot>),
    room: &ConnectionLimits,
) {
    let Some(tls) = tls else { return connection(Paced::new(stream, room.write), router, Some(peer), room).await };
    // As long as for a request's head, which comes after it.
    let deadline = Instant::now() + room.head;
    let mut first = [0];
    let Ok(Ok(1)) = tokio::time::timeout_at(deadline, stream.peek(&mut first)).await else { return };
    let stream = Paced::new(stream, room.write);
    if first != [HANDSHAKE] {
        let router = Router::new().fallback(speaks_https);
        return connection(stream, router, Some(peer), room).await;
    }
    match tokio::time::timeout_at(deadline, tls.acceptor.accept(stream)).await {
        Ok(Ok(stream)) => connection(stream, router, Some(peer), room).await,
        // A browser that does not know the certificate ends the handshake; that is not logged.
        Ok(Err(error)) => tracing::debug!("a handshake failed: {error}"),
        Err(_) => tracing::debug!("a handshake did not end in time"),
    }
}

/// The answer to HTTP where HTTPS is spoken. It redirects nowhere: what was sent has crossed the network in clear.
async fn speaks_https(uri: Uri, headers: HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = uri.path();
    let title = format!("this port speaks HTTPS: https://{host}{path}");
    let hint = "a token or password that was sent to http:// has crossed the network in clear: replace it";
    let mut response = problem(StatusCode::BAD_REQUEST, Code::A1033, &title, hint);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Serves a connection. `stream` has the time limits of writing.
async fn connection<S>(
    stream: S,
    router: Router,
    peer: Option<(SocketAddr, Arc<ConnectionSlot>)>,
    room: &ConnectionLimits,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let body_timeout = room.body;
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = with_body_timeout(request.map(Body::new), body_timeout);
        if let Some((peer, place)) = &peer {
            place.asks();
            request.extensions_mut().insert(ConnectInfo(*peer));
        }
        router.clone().call(request)
    });
    let mut serving = http1::Builder::new();
    let serving = serving.timer(TokioTimer::new()).header_read_timeout(room.head);
    // A client that hangs up or stays silent is not logged.
    if let Err(error) = serving.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!("a connection ended: {error}");
    }
}

/// The same request, with a body that arrives in time or fails.
fn with_body_timeout(request: Request<Body>, limit: Duration) -> Request<Body> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return request;
    }
    let deadline = Instant::now() + limit;
    request.map(|body| {
        let parts = futures_util::stream::unfold(Some(body.into_data_stream()), move |body| async move {
            let mut body = body?;
            let part: Result<Bytes, io::Error> = match tokio::time::timeout_at(deadline, body.next()).await {
                Ok(part) => part?.map_err(io::Error::other),
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the body does not come")),
            };
            let rest = part.is_ok().then_some(body);
            Some((part, rest))
        });
        Body::from_stream(parts)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_keeps_its_descriptors() {
        for (descriptors, all) in [(64, 8), (128, 8), (256, 96), (1_024, 256), (usize::MAX, 256)] {
            assert_eq!(ConnectionLimits::network(descriptors, Vec::new()).all, all, "{descriptors}");
        }
    }

    fn is_ended(place: &ConnectionSlot) -> bool {
        !place.taken.lock().unwrap().waiting.contains_key(&place.id)
    }

    #[test]
    fn one_address_does_not_take_all_places_and_a_place_comes_back() {
        let room = ConnectionLimits::network(1_024, vec!["192.0.2.9/32".parse().unwrap()]);
        let taken = Arc::default();
        let at = |address: &str| take_slot(&taken, &room, address.parse().unwrap());
        let own: Vec<ConnectionSlot> = (0..64).filter_map(|_| at("198.51.100.1")).collect();
        assert_eq!(own.len(), OF_ONE_MAX);
        // The network of a household, and a proxy that brings many.
        let house: Vec<ConnectionSlot> = (0..64).filter_map(|host| at(&format!("2001:db8::{host}"))).collect();
        assert_eq!(house.len(), OF_ONE_MAX);
        let proxied: Vec<ConnectionSlot> = (0..300).filter_map(|_| at("192.0.2.9")).collect();
        assert_eq!(proxied.len(), ALL_MAX - 2 * OF_ONE_MAX);
        // Those that have asked nothing make room, each for one; those that have do not.
        let late: Vec<ConnectionSlot> = (1..4).filter_map(|host| at(&format!("203.0.113.{host}"))).collect();
        assert_eq!((late.len(), proxied.iter().filter(|one| is_ended(one)).count()), (3, 3));
        for one in own.iter().chain(&house).chain(&proxied).chain(&late) {
            one.asks();
        }
        assert!(at("203.0.113.9").is_none());
        drop((own, late, proxied));
        assert!(at("198.51.100.1").is_some());
        drop(house);
        let taken: std::sync::MutexGuard<'_, TakenSlots> = taken.lock().unwrap();
        assert!(taken.by_address.is_empty() && taken.waiting.is_empty());
    }
}
