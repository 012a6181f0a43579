//! Who may ask what: names in `Host`, the public listener, the socket, the files beside the ledger.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use amarre::engine::reconcile::daemon;
use amarre::engine::reconcile::daemon::{Behaviour, LoopCommand};
use amarre::ledger::Ledger;
use amarre::server::socket;
use amarre_core::model::Millis;
use tokio::net::TcpListener;

use crate::support::stepped::Stepped;
use crate::support::{get, network};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_not_served_and_the_socket_serves_more() {
    let rig = Stepped::start().await;
    let (handle, daemon, shutdown) =
        daemon::start(rig.another_engine().await, Behaviour { acts: false, watches: true });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = axum::serve(listener, network(&handle)).into_future();
    let asks = async {
        let status = async |host: &str, path: &str| get(address, host, path).await.unwrap().0;
        for host in ["localhost", "127.0.0.1", "[::1]", "localhost:7070", "127.0.0.1:7070"] {
            assert_eq!(status(host, "/api/v1/status").await, 200, "{host}");
        }
        // A web page that has its own name resolved to 127.0.0.1.
        for host in ["rebound.example.net", "rebound.example.net:7070", "localhost.example.net", ""] {
            assert_eq!(status(host, "/api/v1/status").await, 421, "{host}");
        }
        // A path of the socket's; 405 would mean that it is there.
        assert_eq!(status("localhost", "/api/v1/pool-key").await, 404);
        shutdown.notify_one();
    };
    let served = async {
        tokio::select! {
            ended = served => ended.unwrap(),
            () = asks => (),
        }
    };
    tokio::join!(daemon, served);
}

/// A requested pass is not followed by another one.
#[tokio::test]
async fn a_requested_pass_reports_every_change() {
    let rig = Stepped::start().await;
    let (handle, daemon, shutdown) =
        daemon::start(rig.another_engine().await, Behaviour { acts: false, watches: true });
    let asks = async {
        handle.request(LoopCommand::Pass).await.unwrap();
        let mut turning = handle.clone();
        assert!(turning.changed().await);
        let next = handle.last_pass().1;
        assert!(next - handle.now() > Millis::seconds(10), "looks again in {}", next - handle.now());
        shutdown.notify_one();
    };
    tokio::join!(daemon, asks);
}

#[tokio::test]
async fn only_the_owner_speaks_through_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("amarre.sock");
    let first = socket::bind(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    drop(first);
    socket::bind(&path).unwrap();
    assert_eq!(mode(&path), 0o600, "a left-over is replaced");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    assert!(socket::bind(&path).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious", "what is no socket stays");
}

#[tokio::test]
async fn only_the_owner_reads_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("amarre.db");
    let ledger = Ledger::open(&path).await.unwrap();
    ledger.set_meta("a", "b").await.unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 1, "its own files beside it: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}
