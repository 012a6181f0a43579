//! Drift by hand beside a running daemon is shown with field and reason, and corrected.

use serde_json::{Value as Json, json};

use super::apply::{PLAIN, WEB};
use crate::support::rig::{Daemon, PUBLIC, Rig, ZONE};
use crate::support::{docker, eventually, inspect};

/// The drift of a service while the daemon leaves it alone.
async fn drift(daemon: &Daemon, address: &str) -> Json {
    let mut item = Json::Null;
    eventually(60, &format!("drift of {address}"), async || {
        let drift = daemon.json("/api/v1/drift").await;
        let found = drift["items"].as_array().unwrap().iter().find(|item| item["address"].as_str() == Some(address));
        item = found.cloned().unwrap_or_default();
        found.is_some()
    })
    .await;
    item
}

fn field<'a>(item: &'a Json, name: &str) -> &'a Json {
    let fields = item["fields"].as_array().unwrap();
    fields.iter().find(|field| field["field"] == name).unwrap_or_else(|| panic!("no {name} in {item:#}"))
}

/// The daemon has written down why it changed something.
async fn event(rig: &Rig, address: &str, kind: &str, text: &str) {
    use sqlx::{Connection, Row};
    let url = format!("sqlite://{}?mode=ro", rig.state().join("amarre.db").display());
    eventually(60, &format!("{kind} {address}: {text}"), async || {
        let mut ledger = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let rows = sqlx::query("SELECT address, kind, text FROM events").fetch_all(&mut ledger).await.unwrap();
        let text_of =
            |row: &sqlx::sqlite::SqliteRow, name: &str| row.get::<Option<String>, _>(name).unwrap_or_default();
        rows.iter().any(|row| {
            text_of(row, "address").starts_with(address)
                && text_of(row, "kind") == kind
                && text_of(row, "text").contains(text)
        })
    })
    .await;
}

async fn healed(daemon: &Daemon) {
    eventually(60, "all is put right", async || {
        daemon.is_settled().await && daemon.json("/api/v1/drift").await["count"]["resources"] == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_daemon_corrects_the_drift_that_it_sees() {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.write("plain.yaml", PLAIN);
    let foreigners = rig.seed_foreigners();
    let daemon = rig.daemon().await;
    daemon.wait_until_settled().await;
    let domain = rig.domain("web");

    // A changed file.
    let first = rig.containers()[&rig.name("web")].clone();
    rig.write("web.yaml", &WEB.replace("web one", "web two"));
    eventually(60, "the new text is served", async || rig.visit("web").await == Some((200, "web two\n".to_owned())))
        .await;
    healed(&daemon).await;
    assert_ne!(rig.containers()[&rig.name("web")], first);
    event(&rig, &format!("docker/container/{}@", rig.name("web")), "created", "services/web.yaml:6 changed").await;

    // docker rm -f.
    docker(&["rm", "-f", &rig.name("plain")]);
    event(&rig, &format!("docker/container/{}@", rig.name("plain")), "created", "removed ").await;
    healed(&daemon).await;
    rig.assert_serves("plain", "amarre-test 2").await;

    // An edited proxy host.
    let id = rig.host(&domain).unwrap()["id"].as_u64().unwrap();
    rig.npm.edit_proxy_host(id, &json!({"forward_port": 9, "block_exploits": false}));
    event(&rig, &format!("npm/proxy-host/{domain}"), "updated", "changed by ").await;
    healed(&daemon).await;
    assert_eq!(rig.host(&domain).unwrap()["forward_port"], 8080);
    assert_eq!(rig.host(&domain).unwrap()["block_exploits"], true);
    assert_eq!(rig.host(&domain).unwrap()["id"], id, "put right, not made anew");
    rig.assert_serves("web", "web two").await;

    // An edited and a removed record.
    rig.ovh.edit_record(ZONE, rig.record_id("web", "A"), "192.0.2.66");
    event(&rig, &format!("ovh/record/{domain}/A"), "updated", "changed by somebody, between ").await;
    let plain = rig.record_id("plain", "A");
    rig.ovh.remove_record(ZONE, plain);
    // Its mark is still there.
    event(&rig, &format!("ovh/record/{}/A", rig.domain("plain")), "updated", "changed by somebody, between ").await;
    healed(&daemon).await;
    for name in ["web", "plain"] {
        let expected = format!("{} A {PUBLIC}", rig.name(name));
        assert!(rig.records().contains(&expected), "{expected} in {:?}", rig.records());
        assert!(
            rig.ovh.published(ZONE).iter().any(|row| row["subDomain"] == rig.name(name) && row["target"] == PUBLIC)
        );
    }

    foreigners.assert_unchanged(&rig);
    assert_eq!(daemon.stop().await, 0, "SIGTERM");
    rig.forget();
    let daemon = rig.daemon().await;
    daemon.wait_until_settled().await;
    let looks = rig.gate.asked().len();
    eventually(60, "more looks", async || rig.gate.asked().len() > looks + 8).await;
    assert_eq!(rig.writes(), [""; 0], "a start does nothing");
    assert_eq!(daemon.stop().await, 0);
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn drift_of_a_suspended_service_is_shown_by_field_and_left_alone() {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.apply().await;
    let daemon = rig.daemon().await;
    daemon.wait_until_settled().await;
    let (name, domain) = (rig.name("web"), rig.domain("web"));
    let suspended = rig.run(&["suspend", &name, "--why", "a test"]).await;
    assert_eq!(suspended.code, 0, "{suspended}");
    rig.forget();
    docker(&["rm", "-f", &name]);
    let id = rig.host(&domain).unwrap()["id"].as_u64().unwrap();
    rig.npm.edit_proxy_host(id, &json!({"forward_port": 9}));
    rig.ovh.edit_record(ZONE, rig.record_id("web", "A"), "192.0.2.66");
    let looks = rig.gate.asked().len();
    eventually(60, "some looks", async || rig.gate.asked().len() > looks + 12).await;
    assert_eq!(rig.writes(), [""; 0], "a suspended service is left alone");
    let row = daemon.json(&format!("/api/v1/services/{name}")).await;
    assert_eq!(row["suspended"]["why"], "a test", "{row:#}");
    assert!(row["what_now"].as_str().unwrap().contains("a test"), "{row:#}");

    let resumed = rig.run(&["resume", &name]).await;
    assert_eq!(resumed.code, 0, "{resumed}");
    healed(&daemon).await;
    rig.assert_serves("web", "web one").await;
    assert_eq!(daemon.stop().await, 0);
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn drift_is_shown_by_field_before_it_is_corrected() {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.write("plain.yaml", PLAIN);
    rig.apply().await;
    let (name, domain) = (rig.name("web"), rig.domain("web"));
    let id = rig.host(&domain).unwrap()["id"].as_u64().unwrap();
    rig.npm.edit_proxy_host(id, &json!({"forward_port": 9}));
    rig.ovh.edit_record(ZONE, rig.record_id("web", "A"), "192.0.2.66");
    docker(&["update", "--restart", "no", &name]);
    docker(&["rm", "-f", &rig.name("plain")]);
    rig.forget();
    // A ledger whose daemon may not act: it shows what it sees.
    let plan = rig.plan().await;
    let changes: Vec<&Json> =
        plan["services"].as_array().unwrap().iter().flat_map(|row| row["changes"].as_array().unwrap()).collect();
    let of = |address: &str| {
        let found =
            changes.iter().find(|change| change["address"].as_str().is_some_and(|text| text.starts_with(address)));
        *found.unwrap_or_else(|| panic!("no {address} in {plan:#}"))
    };
    let host = of(&format!("npm/proxy-host/{domain}"));
    assert_eq!(host["reason"]["code"], "drift", "{host:#}");
    assert_eq!(field(host, "forward_port")["from"], 9);
    assert_eq!(field(host, "forward_port")["to"], 8080);
    let record = of(&format!("ovh/record/{domain}/A"));
    assert_eq!(record["reason"]["code"], "drift", "{record:#}");
    assert_eq!(field(record, "values")["from"], json!(["192.0.2.66"]), "{record:#}");
    let container = of(&format!("docker/container/{name}"));
    assert_eq!(field(container, "restart")["to"], "unless-stopped", "{container:#}");
    let gone = of(&format!("docker/container/{}", rig.name("plain")));
    assert_eq!(gone["reason"]["code"], "missing", "{gone:#}");
    let text = rig.run(&["status", &name]).await.out;
    assert!(text.contains("forward_port") && text.contains("changed "), "{text}");
    assert_eq!(rig.writes(), [""; 0]);

    let before = rig.containers();
    rig.apply().await;
    assert_eq!(rig.containers()[&name], before[&name], "a restart policy needs no other container");
    assert_eq!(inspect("container", &name)["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped");
    assert_eq!(rig.host(&domain).unwrap()["forward_port"], 8080);
    assert!(rig.records().contains(&format!("{name} A {PUBLIC}")));
    rig.assert_serves("plain", "amarre-test 2").await;
}

/// A stopped one may be in a backup; a dead one is Docker's to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stopped_container_is_shown_and_left_for_a_while() {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.apply().await;
    let name = rig.name("web");
    docker(&["stop", &name]);
    rig.forget();
    let daemon = rig.daemon().await;
    let item = drift(&daemon, &address(&rig, &name)).await;
    assert_eq!(field(&item, "running")["now"], false, "{item:#}");
    let row = daemon.json(&format!("/api/v1/services/{name}")).await;
    assert!(row["what_now"].as_str().unwrap().contains("stopped outside Amarre"), "{row:#}");
    assert_eq!(rig.writes(), [""; 0], "its grace is not over");
    // Not answered yet is not healthy: nothing else is touched meanwhile.
    docker(&["start", &name]);
    healed(&daemon).await;
    assert_eq!(daemon.stop().await, 0);
    rig.quiet().await;
}

fn address(rig: &Rig, name: &str) -> String {
    let spec = inspect("container", name)["Config"]["Labels"]["io.amarre.spec"].as_str().unwrap().to_owned();
    assert!(rig.containers().contains_key(name));
    format!("docker/container/{name}@{spec}")
}
