//! Two hosts with an engine each, one of them over TLS, and one NPM, which reaches the second host's containers by ports.

use serde_json::{Value as Json, json};

use super::apply::WEB;
use super::reach::first_port;
use crate::support::certificates::Certificates;
use crate::support::engine::SecondEngine;
use crate::support::image;
use crate::support::rig::{PUBLIC, Rig};
use crate::support::visitors::Visitors;

/// No healthcheck: probed where NPM reaches it.
const FAR: &str = "
name: TAG-far
host: edge
image: amarre-test:2
command: [serve, '80']
port: 80
environment: {TEXT: far one}
update: {drain: 5s}
";

fn two_hosts(rig: &mut Rig, engine: &SecondEngine, certificates: &Certificates) {
    let path = |name: &str| certificates.path(name).display().to_string();
    let tls = json!({"ca": path("ca.pem"), "cert": path("client.pem"), "key": path("client-key.pem")});
    let first = first_port();
    let hosts = json!({
        "default": {
            "docker": format!("unix://{}", rig.folder.path().join("docker.sock").display()), "address": PUBLIC, "npm": "main",
        },
        "edge": {
            "docker": {"url": engine.tls_endpoint(), "tls": tls}, "address": PUBLIC, "npm": "main",
            "private_address": "127.0.0.1", "publish_ports": format!("{first}-{}", first + 5),
        },
    });
    rig.settings.insert("hosts".to_owned(), hosts);
    rig.configure();
}

/// Where the proxy host of a service leads to.
fn leads_to(rig: &Rig, name: &str) -> (String, u64) {
    let row = rig.host(&rig.domain(name)).unwrap();
    (row["forward_host"].as_str().unwrap().to_owned(), row["forward_port"].as_u64().unwrap())
}

/// What the second engine publishes for a container.
fn published(engine: &SecondEngine, name: &str) -> String {
    engine.docker(&["port", name, "80/tcp"])
}

fn sync(status: &Json, name: &str) -> Json {
    let rows = status["services"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}: {status:#}"))["sync"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_npm_serves_two_hosts_one_of_them_over_tls() {
    let mut rig = Rig::start().await;
    let certificates = Certificates::make();
    let mut engine = SecondEngine::start_with_tls(&certificates).await;
    engine.copy_image(image::ONE);
    engine.copy_image(image::TWO);
    two_hosts(&mut rig, &engine, &certificates);
    rig.write("web.yaml", WEB);
    rig.write("far.yaml", FAR);
    rig.apply().await;
    let far = rig.name("far");
    assert_eq!(rig.containers().into_keys().collect::<Vec<_>>(), [rig.name("web")]);
    assert_eq!(engine.docker(&["ps", "--format", "{{.Names}}"]), far);
    let (address, port) = leads_to(&rig, "far");
    assert_eq!((address.as_str(), published(&engine, &far)), ("127.0.0.1", format!("127.0.0.1:{port}")));
    rig.assert_serves("web", "web one").await;
    rig.assert_serves("far", "far one").await;

    rig.forget();
    let (before, writes) = engine.asked();
    assert!(!writes.is_empty(), "what it is asked is in its log");
    rig.apply().await;
    assert_eq!(rig.writes(), [""; 0], "a second apply writes nothing");
    let (after, after_writes) = engine.asked();
    assert_eq!(after_writes, writes, "a second apply writes nothing at the second engine");
    assert!(after > before, "it was asked");

    let visitors = Visitors::start(rig.npm.proxy_address, &rig.domain("far"), "far ");
    for (text, image) in [("far two", "amarre-test:1"), ("far three", "amarre-test:2")] {
        let old = leads_to(&rig, "far");
        rig.write("far.yaml", &FAR.replace("far one", text).replace("amarre-test:2", image));
        rig.apply().await;
        rig.assert_serves("far", text).await;
        assert_ne!(leads_to(&rig, "far"), old, "the new one started beside the old one");
    }
    visitors.assert_content().await;
    assert_eq!(engine.docker(&["ps", "-a", "--format", "{{.Names}}"]), far, "the old ones are gone");

    // One that is away hides only its own; the other goes on.
    engine.stop();
    rig.forget();
    rig.write("web.yaml", &WEB.replace("web one", "web two"));
    let mut ended = rig.run(&["apply", "--yes", "--timeout", "20s"]).await;
    // It ends with its time, for the engine stays away; a slow machine may need more of it for the other service.
    if rig.visit("web").await != Some((200, "web two\n".to_owned())) {
        ended = rig.run(&["apply", "--yes", "--timeout", "60s"]).await;
    }
    rig.assert_serves("web", "web two").await;
    let status = rig.status().await;
    let both = (sync(&status, &rig.name("web")), sync(&status, &far));
    assert_eq!(both, (json!("Synced"), json!("Unknown")), "{status:#}\n{ended}");
    assert!(rig.host(&rig.domain("far")).is_some(), "unknown is not missing");

    engine.start_again().await;
    rig.apply().await;
    rig.assert_serves("far", "far three").await;
    let destroyed = rig.run(&["destroy", "--all", "--yes"]).await;
    assert_eq!(destroyed.code, 0, "{destroyed}");
    assert_eq!((rig.containers().len(), rig.ours("network")), (0, Vec::new()));
    for list in [["ps", "-aq"].as_slice(), &["network", "ls", "-q", "--filter", "type=custom"]] {
        assert_eq!(engine.docker(list), "", "{list:?} of the second engine");
    }
    assert_eq!(rig.records(), [""; 0]);
    assert_eq!((rig.host(&rig.domain("web")), rig.host(&rig.domain("far"))), (None, None));
    rig.quiet().await;
}
