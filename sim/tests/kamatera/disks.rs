//! Disks and snapshots, and how the first leave the second behind.

use serde_json::{Value, json};

use crate::support::{column, post, refused, start};

#[tokio::test]
async fn disks_are_added_and_removed() {
    let cloud = start().await;
    let id = cloud.id_of("shop-web");
    let disk = async |body: Value| post(&cloud, "/server/disk", body).await;
    assert_eq!(disk(json!({ "id": id })).await.body, json!([{ "id": 0, "size": "20gb" }]));
    assert!(disk(json!({ "id": id, "add": "10gb" })).await.body.is_number());
    cloud.finish();
    assert_eq!(cloud.instance(&id).unwrap().disks_gb, [20, 10]);
    refused(&disk(json!({ "id": id, "remove": "0" })).await, 500, "boot disk");
    refused(&disk(json!({ "id": id, "remove": "2" })).await, 500, "no disk 2");
    refused(&disk(json!({ "id": id, "add": "11gb" })).await, 500, "invalid disk size 11");
    assert!(disk(json!({ "id": id, "remove": "1" })).await.body.is_number());
    cloud.finish();
    assert_eq!(cloud.instance(&id).unwrap().disks_gb, [20]);
}

#[tokio::test]
async fn a_resize_leaves_a_snapshot_that_keeps_disks_from_being_removed() {
    let cloud = start().await;
    let id = cloud.id_of("shop-db");
    let disk = async |body: Value| post(&cloud, "/server/disk", body).await;
    let snapshot = async |body: Value| post(&cloud, "/server/snapshot", body).await;
    refused(&disk(json!({ "id": id, "resize": "1", "size": "100gb" })).await, 500, "only grow");
    assert!(disk(json!({ "id": id, "resize": "1", "size": "150gb" })).await.body.is_number());
    cloud.finish();
    assert_eq!(cloud.instance(&id).unwrap().disks_gb, [50, 150]);
    refused(&disk(json!({ "id": id, "remove": "1" })).await, 500, "server has snapshots");
    let taken = snapshot(json!({ "id": id })).await.body;
    assert_eq!(column(&taken, "name"), ["snap1-resize-disk-1"]);
    snapshot(json!({ "id": id, "delete": taken[0]["id"] })).await;
    cloud.finish();
    assert!(disk(json!({ "id": id, "remove": "1" })).await.body.is_number());
    cloud.finish();
    assert_eq!(cloud.instance(&id).unwrap().disks_gb, [50]);
}

#[tokio::test]
async fn snapshots_are_taken_one_on_the_other() {
    let cloud = start().await;
    let id = cloud.id_of("shop-web");
    let snapshot = async |body: Value| post(&cloud, "/server/snapshot", body).await;
    for name in ["before", "after"] {
        assert!(snapshot(json!({ "id": id, "create": name })).await.body.is_number());
        cloud.finish();
    }
    let taken = snapshot(json!({ "id": id })).await.body;
    assert_eq!(column(&taken, "name"), ["snap1-before", "snap2-after"]);
    assert_eq!((&taken[0]["active"], &taken[1]["active"]), (&json!(false), &json!(true)));
    assert_eq!((&taken[0]["date"], &taken[1]["depth"]), (&json!("05/10/2026 12:00:00"), &json!(1)));
    assert!(snapshot(json!({ "id": id, "revert": "1" })).await.body.is_number());
    refused(&snapshot(json!({ "id": id, "delete": "9" })).await, 500, "no snapshot 9");
}
