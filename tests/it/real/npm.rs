//! NPM as a container on the same engine: attached where it is needed, never cut, detached before the network goes.

use serde_json::{Value as Json, json};

use super::apply::PLAIN;
use crate::support::rig::Rig;
use crate::support::{docker, image, inspect};

/// A container that stands for NPM: what it is called, and how it is told to reach containers.
fn use_npm(rig: &mut Rig, name: &str) {
    let main = json!({
        "url": rig.npm.server.url(), "identity": "amarre@example.net", "secret": "changeme-npm", "container": name,
    });
    rig.settings.insert("npm".to_owned(), json!({"main": main}));
    rig.configure();
}

fn run_npm(name: &str, network: &str) {
    docker(&["run", "-d", "--name", name, "--network", network, image::ONE, "serve", "81"]);
}

fn endpoint(container: &str, network: &str) -> Json {
    inspect("container", container)["NetworkSettings"]["Networks"][network].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn npm_is_attached_detached_and_attached_again() {
    let mut rig = Rig::start().await;
    let (npm, own) = (rig.name("npm"), rig.name("proxy"));
    let network = format!("zz-amarre-{}", rig.name("plain"));
    docker(&["network", "create", "--subnet", &format!("10.{}.0.0/24", rig.octet), &own]);
    run_npm(&npm, &own);
    let before = endpoint(&npm, &own);
    use_npm(&mut rig, &npm);
    rig.write("plain.yaml", PLAIN);
    rig.apply().await;
    assert_eq!(endpoint(&npm, &network)["IPAddress"], format!("10.{}.1.2", rig.octet));
    assert_eq!(endpoint(&npm, &own), before, "its own network is as it was");
    assert!(!rig.gate.execs().is_empty(), "probed from where NPM stands");
    rig.assert_serves("plain", "amarre-test 2").await;

    // NPM is made anew, as an update of it does.
    docker(&["rm", "-f", &npm]);
    run_npm(&npm, &own);
    let plain = rig.containers()[&rig.name("plain")].clone();
    let ended = rig.apply().await;
    assert_eq!(endpoint(&npm, &network)["IPAddress"], format!("10.{}.1.2", rig.octet));
    assert_eq!(rig.containers()[&rig.name("plain")], plain, "{ended}");
    rig.forget();
    rig.apply().await;
    assert_eq!(rig.writes(), [""; 0]);

    rig.forget();
    let destroyed = rig.run(&["destroy", &rig.name("plain"), "--yes"]).await;
    assert_eq!(destroyed.code, 0, "{destroyed}");
    let writes = rig.gate.writes();
    let at =
        |what: &str| writes.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {writes:?}"));
    assert!(at("/disconnect") < at("DELETE /networks/"), "{writes:?}");
    assert!(endpoint(&npm, &network).is_null());
    assert_eq!(inspect("container", &npm)["State"]["Running"], true);
    rig.quiet().await;
}

/// Docker publishes ports through the network whose name sorts first: attaching would cut every site.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_npm_that_would_be_cut_is_not_attached() {
    let mut rig = Rig::start().await;
    let (npm, own) = (rig.name("npm"), format!("zzz-{}-proxy", rig.tag));
    docker(&["network", "create", "--subnet", &format!("10.{}.9.0/24", rig.octet), &own]);
    run_npm(&npm, &own);
    use_npm(&mut rig, &npm);
    rig.write("plain.yaml", PLAIN);
    let ended = rig.apply_partly("20s").await;
    assert!(ended.out.contains("A0506"), "{ended}");
    let network = format!("zz-amarre-{}", rig.name("plain"));
    assert!(endpoint(&npm, &network).is_null(), "held for consent");
    assert!(rig.host(&rig.domain("plain")).is_none(), "no host that leads nowhere");
    assert!(rig.status_text().await.contains("docker network connect") || ended.out.contains("docker network connect"));
    // A person attaches it when it suits.
    docker(&["network", "connect", "--ip", &format!("10.{}.0.2", rig.octet), &network, &npm]);
    rig.apply().await;
    rig.assert_serves("plain", "amarre-test 2").await;
    docker(&["rm", "-f", &npm]);
    docker(&["network", "rm", &own]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_npm_on_the_hosts_own_network_needs_no_attachment() {
    let mut rig = Rig::start().await;
    let npm = rig.name("npm");
    docker(&["run", "-d", "--name", &npm, "--network", "host", image::ONE, "idle"]);
    let before = inspect("container", &npm)["NetworkSettings"].clone();
    use_npm(&mut rig, &npm);
    rig.write("plain.yaml", PLAIN);
    rig.apply().await;
    assert_eq!(inspect("container", &npm)["NetworkSettings"], before);
    assert!(!rig.gate.asked().iter().any(|line| line.ends_with("/connect")));
    rig.assert_serves("plain", "amarre-test 2").await;
}
