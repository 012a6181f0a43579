//! Webhooks that are not signed, and do not come to an end, delay none that is.

use std::net::SocketAddr;

use amarre::engine::reconcile::daemon;
use amarre::engine::reconcile::daemon::Behaviour;
use amarre::notifications::Notifications;
use amarre::server::listener::{self, ConnectionLimits};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::api::webhooks::delivered;
use crate::support::stepped::Stepped;
use crate::support::{eventually, get, network_with};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Says that it is signed, and sends one byte of what it announces.
const SLOW: &str = "POST /webhooks/git HTTP/1.1\r\nHost: localhost\r\nX-GitHub-Event: push\r\nX-Hub-Signature-256: \
    sha256=00\r\nContent-Length: 1000\r\n\r\n{";

async fn slow(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(SLOW.as_bytes()).await.unwrap();
        open.push(stream);
    }
    // Who is served after them has come after them.
    eventually(60, "it is served", async || get(address, "localhost", "/healthz").await.is_some()).await;
    open
}

/// Whether it still waits for an answer.
fn waits(stream: &TcpStream) -> bool {
    stream.try_read(&mut [0; 1]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn a_signed_delivery_is_answered_while_unsigned_ones_do_not_end() {
    let rig = Stepped::start().await;
    let (handle, daemon, shutdown) =
        daemon::start(rig.another_engine().await, Behaviour { acts: false, watches: false });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let room = ConnectionLimits { of_one: 256, ..ConnectionLimits::network(1_024, Vec::new()) };
    let served = listener::network(
        listener,
        None,
        network_with(&handle, Notifications::new(handle.clone(), Vec::new(), None), Some(SECRET)),
        room,
    );
    let asks = async {
        let few = slow(address, 9).await;
        let answer = delivered(address.port(), SECRET, "ping", "{}").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(few.iter().all(waits), "they have not ended");
        // Many make room for one another, the first of them first.
        let many = slow(address, 40).await;
        let answer = delivered(address.port(), SECRET, "ping", "{}").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        eventually(60, "the oldest have ended", async || !few.iter().any(waits)).await;
        assert!(waits(many.last().unwrap()));
        drop((few, many));
        shutdown.notify_one();
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(daemon, asks) } => (),
        () = served => unreachable!("it is served for ever"),
    }
}
