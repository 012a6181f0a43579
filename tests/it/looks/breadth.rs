//! What containers, hosts and networks can be beyond the usual: states, volumes of images, ways that NPM reaches them.

use amarre_sim::docker::ImageSpec;
use amarre_sim::npm;

use super::plain;
use crate::support::get;
use crate::support::stepped::Stepped;

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
async fn what_an_image_declares_is_kept_in_a_volume_with_a_name() {
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
