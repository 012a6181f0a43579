//! What containers, hosts and networks can be beyond the usual: states, volumes of images, ways that NPM reaches them.

use amarre_sim::docker::ImageSpec;
use amarre_sim::npm;
use serde_json::json;

use super::plain;
use crate::support::get;
use crate::support::stepped::{NAS, Setting, Stepped, ZONE, options};

/// An image with a volume that no manifest maps.
fn with_volume(rig: &Stepped, reference: &str) {
    let volumes = vec!["/var/lib/data".to_owned()];
    rig.docker.image(ImageSpec { id: reference.to_owned(), volumes, ..ImageSpec::new(reference) });
}

fn volumes(rig: &Stepped) -> Vec<String> {
    rig.docker.volumes().iter().map(|volume| volume["Name"].as_str().unwrap().to_owned()).collect()
}

fn is_running(rig: &Stepped, name: &str) -> bool {
    let containers = rig.docker.containers();
    let container = containers.iter().find(|container| container["Name"] == format!("/{name}"));
    container.unwrap()["State"]["Running"] == true
}

#[tokio::test]
async fn a_volume_declared_by_an_image_gets_a_name() {
    let mut rig = Stepped::start().await;
    with_volume(&rig, "store:1");
    with_volume(&rig, "store:2");
    rig.write("store.yaml", "name: store\nimage: store:1\nport: 80\n");
    rig.settle().await;
    let expected = ["store_store_var-lib-data"];
    assert_eq!(volumes(&rig), expected);
    rig.write("store.yaml", "name: store\nimage: store:2\nport: 80\n");
    rig.settle().await;
    rig.docker.remove("store").unwrap();
    rig.settle().await;
    assert_eq!(volumes(&rig), expected, "no update makes a volume without a name");
    rig.remove("store.yaml");
    rig.settle().await;
    assert_eq!(volumes(&rig), expected, "volumes stay");
}

#[tokio::test]
async fn a_stopped_service_stands_still_and_runs_again() {
    let mut rig = Stepped::start().await;
    rig.write("one.yaml", &plain("one"));
    rig.settle().await;
    rig.write("one.yaml", &format!("{}state: stopped\n", plain("one")));
    rig.settle().await;
    assert!(!is_running(&rig, "one"));
    assert_eq!(get(rig.npm.proxy_address, "one.example.org", "/").await.unwrap().0, 404);
    assert_eq!(rig.npm.rows(npm::Kind::ProxyHost).len(), 2, "its host is switched off, not gone");

    rig.docker.restart_engine();
    rig.settle().await;
    assert!(!is_running(&rig, "one"), "an engine that restarts leaves it as it is");
    rig.restart_without_ledger().await;
    rig.settle().await;
    assert!(!is_running(&rig, "one"));

    rig.write("one.yaml", &plain("one"));
    rig.settle().await;
    assert_eq!(get(rig.npm.proxy_address, "one.example.org", "/").await.unwrap().0, 200);
}

#[tokio::test]
async fn npm_is_attached_once_where_all_share_one_network() {
    let setting = Setting { reach: Some("edge"), with_nas: false, ..Setting::default() };
    let mut rig = Stepped::in_setting(options(), setting).await;
    let foreign = rig.foreign();
    rig.write("one.yaml", &plain("one"));
    rig.write("two.yaml", &plain("two"));
    rig.settle().await;
    let networks = |rig: &Stepped, name: &str| -> Vec<String> {
        let containers = rig.docker.containers();
        let container = containers.iter().find(|container| container["Name"] == format!("/{name}")).unwrap();
        container["NetworkSettings"]["Networks"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(networks(&rig, "npm"), ["npm_default", "zz-amarre-edge"]);
    assert_eq!(networks(&rig, "one"), ["zz-amarre-edge", "zz-amarre-one"]);
    for name in ["one", "two"] {
        let answer = get(rig.npm.proxy_address, &format!("{name}.example.org"), "/").await;
        assert_eq!(answer.unwrap().0, 200, "{name}");
    }
    assert_eq!(rig.docker.port_moves("npm"), 0, "NPM was not cut");

    rig.write("one.yaml", &plain("one").replace("web:1", "web:2"));
    rig.settle().await;
    rig.restart_without_ledger().await;
    rig.settle().await;
    rig.remove("one.yaml");
    rig.settle().await;
    assert_eq!(networks(&rig, "npm"), ["npm_default", "zz-amarre-edge"], "the other needs it");
    assert_eq!(get(rig.npm.proxy_address, "two.example.org", "/").await.unwrap().0, 200);
    rig.write("two.yaml", "name: two\nimage: web:1\n");
    rig.settle().await;
    assert_eq!(networks(&rig, "npm"), ["npm_default"]);
    assert!(!rig.docker.networks().iter().any(|network| network["Name"] == "zz-amarre-edge"));
    assert_eq!(rig.foreign(), foreign);
}

/// Two hosts, an engine each, one NPM: services of the second are published for it.
#[tokio::test]
async fn one_npm_serves_two_hosts() {
    let mut rig = Stepped::in_setting(options(), Setting { reach: None, with_nas: true, ..Setting::default() }).await;
    let nas = rig.nas.clone().unwrap();
    for image in ["web:1", "web:2", "other:1"] {
        // Nothing of the test's machine listens on the other host's ports: its own healthcheck tells.
        let healthcheck = Some(json!({"Test": ["CMD", "true"]}));
        nas.image(ImageSpec { id: image.to_owned(), healthcheck, ..ImageSpec::new(image) });
    }
    // A foreign container has the first port, which shows only when the port is asked for.
    let body = json!({
        "Image": "other:1", "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "20000"}]}},
    });
    nas.seed("stranger", body).unwrap();
    rig.write("near.yaml", &plain("near"));
    rig.write("far.yaml", &format!("{}host: nas\n", plain("far")));
    rig.settle().await;
    let host = |rig: &Stepped| {
        let rows = rig.npm.rows(npm::Kind::ProxyHost);
        let row = rows.into_iter().find(|row| row["domain_names"] == json!(["far.example.org"])).unwrap();
        (row["forward_host"].as_str().unwrap().to_owned(), row["forward_port"].as_u64().unwrap())
    };
    assert_eq!(host(&rig), (NAS.to_owned(), 20001));
    for name in ["near", "far"] {
        let answer = get(rig.npm.proxy_address, &format!("{name}.example.org"), "/").await;
        assert_eq!(answer.unwrap().0, 200, "{name}");
    }
    let is_record = |row: &serde_json::Value| row["subDomain"] == "far" && row["fieldType"] == "A";
    let record = rig.ovh.records(ZONE).into_iter().find(is_record).unwrap();
    assert_eq!(record["target"], "203.0.113.10", "visitors come to where NPM is");

    rig.write("far.yaml", &format!("{}host: nas\n", plain("far").replace("web:1", "web:2")));
    rig.settle().await;
    assert_eq!(host(&rig), (NAS.to_owned(), 20002), "the new one started beside the old one");
    rig.restart_without_ledger().await;
    rig.settle().await;
    assert_eq!(host(&rig), (NAS.to_owned(), 20002));

    nas.down(true);
    rig.write("near.yaml", &plain("near").replace("web:1", "web:2"));
    rig.pass_until_settled().await;
    assert_eq!(rig.last_pass().plan.gaps.len(), 1);
    assert_eq!(get(rig.npm.proxy_address, "far.example.org", "/").await.unwrap().0, 200);
    nas.down(false);
    rig.settle().await;
    rig.remove("far.yaml");
    rig.settle().await;
    assert_eq!(nas.containers().len(), 1, "only the stranger's is left");
}
