//! From the first start of a service to its end: in which order, what is kept, and what does not come back.

use amarre_core::model::Kind;

use super::{container_names, plain, settled};
use crate::support::stepped::{Stepped, ZONE};

#[tokio::test]
async fn what_a_service_has_comes_in_order_and_goes_in_reverse() {
    let mut rig = settled(&["one"]).await;
    rig.remove("one.yaml");
    rig.settle().await;
    let mut events = rig.engine.ledger().events("one", 50).await.unwrap();
    // The newest come first.
    events.reverse();
    let of = |kind: &str| -> Vec<Kind> {
        let of_kind = events.iter().filter(|event| event.kind == kind);
        of_kind
            .filter_map(|event| event.address.as_ref())
            .map(|address| address.kind)
            .filter(|kind| *kind != Kind::Image)
            .collect()
    };
    let mut order = of("created");
    assert_eq!(order, [Kind::Network, Kind::Attachment, Kind::Container, Kind::Record, Kind::ProxyHost]);
    order.reverse();
    assert_eq!(of("deleted"), order);
}

#[tokio::test]
async fn a_protected_service_is_neither_deleted_nor_recreated() {
    let mut rig = settled(&[]).await;
    let protected = format!("{}reconcile: {{protect: true}}\n", plain("one"));
    rig.write("one.yaml", &protected);
    rig.settle().await;
    let (before, records) = (container_names(&rig), rig.ovh.records(ZONE));
    let image = |rig: &Stepped| {
        let containers = rig.docker.containers();
        containers.iter().find(|container| container["Name"] == "/one").unwrap()["Config"]["Image"].clone()
    };
    rig.write("one.yaml", &protected.replace("web:1", "web:2"));
    rig.pass_until_settled().await;
    assert_eq!(image(&rig), "web:1");
    rig.remove("one.yaml");
    rig.pass_until_settled().await;
    rig.destroy("one").await;
    rig.pass_until_settled().await;
    assert_eq!((container_names(&rig), rig.ovh.records(ZONE)), (before, records));
}

#[tokio::test]
async fn what_an_engine_spells_otherwise_is_no_change() {
    let mut rig = settled(&[]).await;
    rig.write("one.yaml", &format!("{}command: []\nuser: ''\nworking_dir: //srv/./app/\n", plain("one")));
    rig.settle().await;
    assert_eq!(container_names(&rig).iter().filter(|name| name.starts_with("/one")).count(), 1);
}

/// What was deleted and has left its data is not brought back by a source that cannot be read.
#[tokio::test]
async fn a_deleted_service_does_not_come_back_with_the_last_good_state() {
    let mut rig = settled(&["two"]).await;
    rig.write("one.yaml", &format!("{}volumes: ['data:/data']\n", plain("one")));
    rig.settle().await;
    rig.remove("one.yaml");
    rig.settle().await;
    let is_there = |rig: &Stepped| container_names(rig).contains(&"/one".to_owned());
    assert!(!is_there(&rig) && rig.docker.volumes().iter().any(|volume| volume["Name"] == "one_data"));
    rig.write("one.yaml", "nam: other\nimage: web:1\n");
    rig.pass_until_settled().await;
    assert!(!is_there(&rig), "a broken file without a name, where its manifest stood");
    let unread = rig.last_pass().statuses().get("one").map(|row| (row.deleted, row.attention));
    assert_eq!(unread, Some((true, false)));
}
