//! NPM elsewhere: containers are reached through ports of their host.

use std::net::TcpListener;

use serde_json::json;

use super::apply::WEB;
use crate::support::rig::{PUBLIC, Rig};
use crate::support::{docker, free_port, inspect};

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
        "url": rig.npm.server.url(), "identity": "amarre@amarre.demo", "secret": "changeme-npm", "reach": "published",
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_container_on_the_hosts_network_is_reached_there() {
    let mut rig = Rig::start().await;
    rig.settings.insert("policy".to_owned(), json!({"host_network": true}));
    rig.configure();
    let port = first_port() + 6;
    let plain = format!("{{name: TAG-plain, image: 'amarre-test:1', command: [serve, '{port}'], port: {port}");
    let on_host = format!("{plain}, network_mode: host}}");
    rig.write("plain.yaml", &on_host);
    let plan = rig.run(&["plan"]).await.out;
    assert!(plan.contains("is on the host's own network"), "{plan}");
    rig.apply().await;
    assert_eq!(rig.ours("network"), [""; 0]);
    let row = rig.host(&rig.domain("plain")).unwrap();
    assert_eq!((&row["forward_host"], &row["forward_port"]), (&json!("127.0.0.1"), &json!(port)));
    rig.assert_serves("plain", "amarre-test 1").await;

    // The old one stops first: both would listen on one port.
    rig.write("plain.yaml", &on_host.replace("test:1", "test:2"));
    rig.apply().await;
    rig.assert_serves("plain", "amarre-test 2").await;
    rig.write("plain.yaml", &format!("{plain}}}"));
    rig.apply().await;
    rig.assert_serves("plain", "amarre-test 1").await;
    assert_eq!(rig.ours("network").len(), 1);
    rig.write("plain.yaml", &on_host);
    rig.apply().await;
    rig.assert_serves("plain", "amarre-test 1").await;
    assert_eq!((rig.ours("network"), rig.containers().len()), (Vec::new(), 1));
}

/// A server in an image for tests, on a port of all addresses of its host.
const ANYWHERE: &str = "name: TAG-open\nimage: amarre-test:1\ncommand: [serve, '8080']\nports: ['PORT:8080']\n\
                        healthcheck: {test: [CMD, 'true'], interval: 1s}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_port_without_an_address_is_on_ipv6_from_the_next_update_on() {
    let mut rig = Rig::start().await;
    let socket = format!("unix://{}", rig.folder.path().join("docker.sock").display());
    let host = json!({"docker": socket, "address": PUBLIC, "npm": "main"});
    let on_ipv4 = json!({"docker": socket, "address": PUBLIC, "npm": "main", "publish_on": ["0.0.0.0"]});
    let bound = |rig: &Rig| {
        let found = inspect("container", &rig.name("open"));
        found["HostConfig"]["PortBindings"]["8080/tcp"][0]["HostIp"].as_str().unwrap().to_owned()
    };
    let manifest = ANYWHERE.replace("PORT", &free_port().to_string());
    rig.settings.insert("hosts".to_owned(), json!({"default": on_ipv4}));
    rig.configure();
    rig.write("open.yaml", &manifest);
    rig.apply().await;
    assert_eq!(bound(&rig), "0.0.0.0");

    rig.settings.insert("hosts".to_owned(), json!({"default": host}));
    rig.configure();
    assert_eq!(rig.plan_exit().await, 0, "what is there stays as it is");
    rig.write("open.yaml", &manifest.replace("1s", "2s"));
    let plan = rig.run(&["plan"]).await;
    assert!(plan.out.contains("newly reachable on [::]:"), "{plan}");
    rig.apply().await;
    assert_eq!(bound(&rig), "");

    rig.settings.insert("hosts".to_owned(), json!({"default": on_ipv4}));
    rig.configure();
    rig.apply().await;
    assert_eq!(bound(&rig), "0.0.0.0", "what is closed is not put off");
}
