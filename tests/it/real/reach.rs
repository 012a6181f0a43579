//! NPM elsewhere: containers are reached through ports of their host.

use std::net::TcpListener;

use serde_json::json;

use super::apply::WEB;
use crate::support::rig::{PUBLIC, Rig};
use crate::support::{docker, inspect};

/// Ports of this test run: below what the kernel hands out by itself, apart from those of the contract suite.
pub(super) fn first_port() -> u16 {
    31_000 + u16::try_from(std::process::id() % 150).unwrap() * 8
}

fn publish(rig: &mut Rig, first: u16) {
    let host = json!({
        "docker": format!("unix://{}", rig.folder.path().join("docker.sock").display()), "address": PUBLIC, "npm": "main",
        "private_address": "127.0.0.1", "publish_ports": format!("{first}-{}", first + 5),
    });
    let main = json!({
        "url": rig.npm.server.url(), "identity": "amarre@example.net", "secret": "changeme-npm", "reach": "published",
    });
    rig.settings.insert("hosts".to_owned(), json!({"default": host}));
    rig.settings.insert("npm".to_owned(), json!({"main": main}));
    rig.configure();
}

/// The port of the host that a container publishes.
fn port(name: &str) -> String {
    inspect("container", name)["HostConfig"]["PortBindings"]
        .as_object()
        .unwrap()
        .values()
        .map(|bindings| bindings[0]["HostPort"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_npm_elsewhere_reaches_published_ports() {
    let mut rig = Rig::start().await;
    let first = first_port();
    // A program listens on the first port; no list of the engine tells.
    let taken = TcpListener::bind(("127.0.0.1", first)).unwrap();
    publish(&mut rig, first);
    rig.write("web.yaml", WEB);
    rig.apply().await;
    let name = rig.name("web");
    assert_eq!(port(&name), (first + 1).to_string());
    rig.assert_serves("web", "web one").await;
    assert_eq!(rig.containers().len(), 1, "the one that could not start is gone");

    rig.write("web.yaml", &WEB.replace("web one", "web two"));
    rig.apply().await;
    assert_eq!(port(&name), (first + 2).to_string(), "the new one starts beside the old one");
    rig.assert_serves("web", "web two").await;
    drop(taken);

    docker(&["rm", "-f", &name]);
    rig.apply().await;
    assert_eq!(port(&name), (first + 1).to_string(), "a leased port comes first");
    rig.assert_serves("web", "web two").await;
}
