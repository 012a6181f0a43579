//! Instances with a name in the DNS, and routes that lead to them.

use amarre_core::model::{Address, Kind, Millis};
use amarre_sim::ovh_cloud::{OvhCloud, OvhCloudOptions};
use serde_json::json;

use super::made_rig::{Cloud, MadeRig, Make};
use crate::support::eventually;
use crate::support::rig::{PUBLIC, Rig};

const WORKER: &str = "kind: Instance
name: TAG-worker
cloud: paris
project: ci
region: GRA11
type: b3-8
image: Debian 13
ssh_keys: [ops]
dns: auto
";
const JENKINS: &str = "kind: Route\nname: TAG-jenkins\nroutes: [{domain: TAG-jenkins, to: 'TAG-worker:8080'}]\n";

async fn rig() -> (Rig, OvhCloud) {
    let mut rig = Rig::start().await;
    let cloud = OvhCloud::start(OvhCloudOptions::dozen()).await.unwrap();
    cloud.grant_managing();
    let keys = OvhCloudOptions::dozen();
    let account = json!({"endpoint": cloud.endpoint(), "application_key": keys.application_key,
        "application_secret": keys.application_secret, "consumer_key": keys.consumer_key});
    rig.settings.insert("ssh_keys".to_owned(), json!({"ops": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ops"}));
    rig.settings.insert("clouds".to_owned(), json!({"paris": {"ovh": account, "limits": {"instances": 2}}}));
    rig.settings.insert("policy".to_owned(), json!({"instances": ["*"]}));
    rig.configure();
    (rig, cloud)
}

#[tokio::test]
async fn a_server_that_is_made_has_its_name_and_a_route_leads_to_it() {
    let (rig, cloud) = rig().await;
    rig.write("worker.yaml", WORKER);
    rig.write("jenkins.yaml", JENKINS);
    let daemon = rig.daemon().await;
    let domain = rig.domain("jenkins");
    eventually(60, "the route leads to the server", async || {
        cloud.advance(10);
        rig.host(&domain).is_some()
    })
    .await;
    daemon.wait_until_settled().await;
    let server = cloud.instances().into_iter().find(|one| one.name.starts_with(&rig.name("worker"))).unwrap();
    let shown = daemon.json(&format!("/api/v1/instances/{}", rig.name("worker"))).await;
    let addresses = shown["addresses"].as_array().unwrap().iter().map(|address| address.as_str().unwrap());
    let address = addresses.into_iter().find(|address| address.parse::<std::net::Ipv4Addr>().is_ok()).unwrap();
    let host = rig.host(&domain).unwrap();
    assert_eq!((&host["forward_host"], &host["forward_port"]), (&json!(address), &json!(8080)));
    let records = rig.records();
    assert!(records.contains(&format!("{} A {address}", rig.name("worker"))), "{records:?}");
    assert!(records.contains(&format!("{} A {PUBLIC}", rig.name("jenkins"))), "{records:?}");
    let traced = rig.run(&["trace", &rig.domain("worker")]).await;
    assert!(traced.code == 0 && traced.out.contains(", ours") && traced.out.contains("instance"), "{traced}");
    // Destroyed and not purged, it is there once; a purge is refused while it is protected, and so is its dry run.
    let worker = rig.name("worker");
    rig.run(&["destroy", &worker, "--yes", "--timeout", "60s"]).await;
    let purge = rig.run(&["destroy", &worker, "--purge", "--dry-run"]).await;
    let line = format!("  - {:14}{worker}\n", "server");
    assert!(purge.code == 3 && purge.out.contains("A0418"), "{purge}");
    let kept = rig.run(&["destroy", &worker, "--dry-run"]).await;
    assert!(kept.out.contains(&line.replace("- ", "kept: ")), "{kept}");
    let listed = daemon.json("/api/v1/instances?q=worker").await;
    assert_eq!(listed["instances"].as_array().map(Vec::len), Some(1), "{listed}");
    rig.run(&["resume", &worker]).await;
    eventually(60, "its record is back", async || {
        cloud.advance(10);
        rig.records().contains(&format!("{worker} A {address}"))
    })
    .await;
    daemon.wait_until_settled().await;
    // Without its manifest, the server stays, its record does, and so does what leads there.
    rig.remove("worker.yaml");
    rig.run(&["reconcile", "--timeout", "60s"]).await;
    let plan = rig.run(&["plan"]).await;
    assert!(plan.out.contains("stays with its records"), "{plan}");
    // Its page offers to delete it, though its record is there, too.
    assert_eq!(daemon.json(&format!("/api/v1/services/{worker}")).await["deleted"], json!(true));
    assert!(rig.records().contains(&format!("{} A {address}", rig.name("worker"))));
    assert!(rig.host(&domain).is_some() && cloud.instance(&server.id).is_some());
    rig.remove("jenkins.yaml");
    let purged = rig.run(&["destroy", &rig.name("worker"), "--purge", "--yes", "--timeout", "60s"]).await;
    eventually(60, &format!("the server goes with its records: {purged}"), async || {
        cloud.advance(10);
        rig.records().is_empty() && cloud.instance(&server.id).is_none()
    })
    .await;
    daemon.stop().await;
}

#[tokio::test]
async fn an_address_is_read_of_those_that_something_leads_to() {
    let mut rig = MadeRig::start(Make::Kamatera, "").await;
    let Cloud::Kamatera(cloud) = &rig.cloud else { unreachable!("it is one") };
    let [named, other] = ["shop-web", "shop-db"].map(|name| cloud.id_of(name));
    rig.write("named", &format!("id: {named}\ndns: auto\n"));
    rig.write("other", &format!("id: {other}\n"));
    for _ in 0..3 {
        rig.pass(Millis::seconds(10)).await;
    }
    let pass = rig.engine.last_pass();
    let field = |id: &str| {
        let address = Address::new("kamatera.lab".to_owned().into(), Kind::Instance, id);
        pass.world.seen[&address].fields.text("address").map(str::to_owned)
    };
    assert!(field(&named).is_some_and(|address| address.parse::<std::net::Ipv4Addr>().is_ok()));
    assert_eq!(field(&other), None, "nothing needs it, so it costs no call");
}
