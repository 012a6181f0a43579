//! Silent connections and bodies that never come hold no slot for long and take nothing from other clients.

use std::net::SocketAddr;
use std::time::Duration;

use amarre::engine::reconcile::daemon;
use amarre::engine::reconcile::daemon::{Behaviour, LoopCommand};
use amarre::engine::{Clock, SystemClock};
use amarre::server::certificate::CertificateFiles;
use amarre::server::listener::{self, ConnectionLimits};
use amarre::server::socket;
use amarre::server::tls::{CertificateOrigin, ServerTls};
use amarre_core::model::Millis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};

use crate::support::stepped::Stepped;
use crate::support::trust::Trust;
use crate::support::{eventually, get, network};

/// Short, so that no test waits; long enough for an honest request.
const HEAD_TIMEOUT: Duration = Duration::from_millis(500);

fn room() -> ConnectionLimits {
    ConnectionLimits { head: HEAD_TIMEOUT, body: HEAD_TIMEOUT, ..ConnectionLimits::network(1_024, Vec::new()) }
}

/// Connections that have begun a request and do not end it.
async fn half_open(address: SocketAddr, count: usize, begun: &str) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // One that is turned away may be closed by now.
        let _ = stream.write_all(begun.as_bytes()).await;
        open.push(stream);
    }
    open
}

#[tokio::test]
async fn a_flood_of_connections_locks_out_no_client_and_the_loop_continues() {
    let rig = Stepped::start().await;
    let (handle, daemon, shutdown) = daemon::start(rig.another_engine().await, Behaviour { acts: true, watches: true });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("amarre.sock");
    let private = socket::bind(&path).unwrap();
    let served = listener::network(listener, None, network(&handle), room());
    let commands = listener::socket(private, network(&handle), ConnectionLimits::socket(1_024));
    let asks = async {
        let flood = half_open(address, 200, "GET / HTTP/1.1\r\n").await;
        // What does not need the network is served at once.
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        rig.write("calm.yaml", "name: calm\nimage: web:1\n");
        eventually(60, "the new manifest is converged", async || {
            rig.docker.containers().iter().any(|one| one["Name"] == "/calm")
        })
        .await;
        // The flood is still there on its own side.
        eventually(60, "a fresh connection is served", async || {
            get(address, "localhost", "/healthz").await.is_some_and(|(status, _)| status == 200)
        })
        .await;
        drop(flood);
        let slow = "POST /api/v1/act HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{";
        let slow = half_open(address, 200, slow).await;
        eventually(60, "slow bodies end", async || {
            get(address, "localhost", "/healthz").await.is_some_and(|(status, _)| status == 200)
        })
        .await;
        drop(slow);
        shutdown.notify_one();
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(daemon, asks) } => (),
        () = served => unreachable!("it is served for ever"),
        () = commands => unreachable!("it is served for ever"),
    }
}

/// As many as there are slots, from twenty addresses that each keep to their own limit, and no time in which they end.
#[tokio::test]
async fn silent_connections_of_many_addresses_make_room_for_who_asks() {
    let rig = Stepped::start().await;
    let (handle, daemon, shutdown) =
        daemon::start(rig.another_engine().await, Behaviour { acts: false, watches: false });
    let listener = TcpListener::bind(("0.0.0.0", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    let room = ConnectionLimits { head: Duration::from_secs(3_600), ..room() };
    let served = listener::network(listener, None, network(&handle), room);
    let asks = async {
        let mut silent = Vec::new();
        for number in 0..400_u16 {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(([127, 0, 1, u8::try_from(number % 20 + 1).unwrap()], 0).into()).unwrap();
            silent.push(socket.connect(address).await.unwrap());
        }
        for _ in 0..40 {
            assert_eq!(get(address, "localhost", "/healthz").await.map(|(status, _)| status), Some(200));
        }
        let mut twice = TcpStream::connect(address).await.unwrap();
        twice
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        twice.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("A1032"), "{answer}");
        drop(silent);
        shutdown.notify_one();
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(daemon, asks) } => (),
        () = served => unreachable!("it is served for ever"),
    }
}

/// A handshake that does not end, and an answer over TLS that is not read, keep the only place no longer than others do.
#[tokio::test]
async fn tls_gives_slow_clients_no_more_time() {
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles { certificate: folder.path().join("tls.pem"), key: folder.path().join("tls-key.pem") };
    let names = ["127.0.0.1".to_owned()].into();
    let now = SystemClock.now();
    let tls = ServerTls::start(CertificateOrigin::SelfSigned(files.clone(), names), now).unwrap();
    let trust = Trust::only(&files.certificate).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let large = || async { vec![b'a'; LARGE] };
    let router = axum::Router::new().route("/large", axum::routing::get(large));
    let room = ConnectionLimits { all: 1, of_one: 1, write: Some(HEAD_TIMEOUT), ..room() };
    let served = listener::network(listener, Some(tls), router, room);
    let request = b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let reads_all = async || {
        let Ok(mut stream) = trust.connect(address.port()).await else { return false };
        let mut answer = Vec::new();
        stream.write_all(request).await.is_ok()
            && stream.read_to_end(&mut answer).await.is_ok_and(|count| count > LARGE)
    };
    let asks = async {
        let silent = half_open(address, 1, "").await;
        eventually(60, "a silent one ends", reads_all).await;
        let begun = half_open(address, 1, "\u{16}\u{3}\u{1}").await;
        eventually(60, "a handshake that was begun ends", reads_all).await;
        let mut idle = None;
        eventually(60, "its place comes back", async || {
            idle = trust.connect(address.port()).await.ok();
            idle.is_some()
        })
        .await;
        idle.as_mut().unwrap().write_all(request).await.unwrap();
        eventually(60, "one that does not read ends", reads_all).await;
        drop((silent, begun, idle));
    };
    tokio::select! {
        () = asks => (),
        () = served => unreachable!("it is served for ever"),
    }
}

/// More than what the kernel keeps of a connection that is not read.
const LARGE: usize = 32 * 1024 * 1024;

#[tokio::test]
async fn a_client_that_reads_no_answer_keeps_no_connection() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let large = || async { vec![b'a'; LARGE] };
    let router = axum::Router::new().route("/large", axum::routing::get(large));
    let room = ConnectionLimits { all: 1, of_one: 1, write: Some(HEAD_TIMEOUT), ..room() };
    let served = listener::network(listener, None, router, room);
    let asks = async {
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        // Who reads gets all of it.
        eventually(60, "its place comes back", async || {
            get(address, "localhost", "/large").await.is_some_and(|(status, body)| status == 200 && body.len() == LARGE)
        })
        .await;
        drop(idle);
    };
    tokio::select! {
        () = asks => (),
        () = served => unreachable!("it is served for ever"),
    }
}

#[tokio::test]
async fn health_reports_that_no_pass_ended_for_three_intervals() {
    let rig = Stepped::start().await;
    let (handle, daemon, shutdown) =
        daemon::start(rig.another_engine().await, Behaviour { acts: false, watches: false });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = listener::network(listener, None, network(&handle), room());
    let health = async || -> serde_json::Value {
        let (status, body) = get(address, "localhost", "/health").await.unwrap();
        assert_eq!(status, 200);
        serde_json::from_str(&body[body.find('{').unwrap()..]).unwrap()
    };
    let asks = async {
        handle.pass().await.unwrap();
        assert!(health().await.get("stalled_since").is_none());
        let interval = handle.last_pass().0.interval;
        rig.clock.advance(Millis((interval.0 * 3).max(Millis::minutes(3).0) + 1_000));
        let stalled = health().await;
        assert_eq!(stalled["status"], "degraded", "{stalled}");
        assert_eq!(stalled["stalled_since"], stalled["checked_at"]);
        assert_eq!(get(address, "localhost", "/healthz").await.unwrap().0, 200);
        handle.request(LoopCommand::Pass).await.unwrap();
        assert!(health().await.get("stalled_since").is_none());
        shutdown.notify_one();
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(daemon, asks) } => (),
        () = served => unreachable!("it is served for ever"),
    }
}
