//! Changing servers: names, sizes, images, snapshots, consoles, bills.

use amarre_sim::ovh_cloud::{CI_PROJECT, CloudImage, CloudQuota, CloudVerb, NoCapacity, NoStock, OvhCloud};
use serde_json::{Value, json};

use crate::support::{
    Answer, ci, column, create, get, id_in, made, managing, refused, send, server, shown, verb, wish, wish_with,
};

async fn flavor(cloud: &OvhCloud, region: &str, name: &str) -> Value {
    json!({ "flavorId": id_in(cloud, "flavor", region, name).await })
}

async fn image(cloud: &OvhCloud, region: &str, name: &str) -> Value {
    json!({ "imageId": id_in(cloud, "image", region, name).await })
}

async fn post(cloud: &OvhCloud, path: &str, verb: &str, body: Value) -> Answer {
    send(cloud, "POST", &format!("{path}/{verb}"), body).await
}

#[tokio::test]
async fn a_name_changes_and_the_id_stays() {
    let cloud = managing().await;
    let (id, path) = made(&cloud, wish(&cloud, "GRA11", "am-web").await).await;
    let answer = send(&cloud, "PUT", &path, json!({ "instanceName": "am-shop" })).await;
    assert_eq!((answer.status, answer.body), (200, Value::Null));
    assert_eq!(get(&cloud, &path).await.body["name"], "am-shop");
    refused(&send(&cloud, "PUT", &path, json!({})).await, 400, "instanceName");
    // Another server has this name already.
    assert_eq!(send(&cloud, "PUT", &path, json!({ "instanceName": "build-1" })).await.status, 200);
    cloud.renames_lag(20);
    send(&cloud, "PUT", &path, json!({ "instanceName": "am-late" })).await;
    cloud.advance(19);
    assert_eq!(get(&cloud, &path).await.body["name"], "build-1");
    cloud.advance(1);
    assert_eq!(get(&cloud, &path).await.body["name"], "am-late");
    assert_eq!(cloud.created(), [(id.clone(), "am-web".to_owned())]);
    assert_eq!(cloud.effects().iter().filter(|effect| **effect == (id.clone(), CloudVerb::Rename)).count(), 3);
}

#[tokio::test]
async fn a_resize_is_confirmed_by_the_vendor() {
    let cloud = managing().await;
    for (name, last) in [("am-on", "ACTIVE"), ("am-off", "SHUTOFF")] {
        let (id, path) = made(&cloud, wish(&cloud, "GRA11", name).await).await;
        cloud.set_status(&id, last);
        let answer = post(&cloud, &path, "resize", flavor(&cloud, "GRA11", "b3-16").await).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!(last)), "as before");
        assert_eq!(answer.body["flavor"]["name"], "c3-4", "as before");
        refused(&verb(&cloud, &path, "start").await, 409, "task_state resize_prep");
        assert_eq!(shown(&cloud, &path).await, format!("{last} RESIZE VERIFY_RESIZE {last}"));
        let seen = get(&cloud, &path).await.body;
        assert_eq!((&seen["flavor"]["name"], &seen["planCode"]), (&json!("b3-16"), &json!("b3-16.consumption")));
    }
}

#[tokio::test]
async fn what_cannot_be_resized_is_refused() {
    let cloud = managing().await;
    let body = json!({ "flavorId": id_in(&cloud, "flavor", "GRA11", "b3-16").await });
    let (_, path) = made(&cloud, wish_with(&cloud, body).await).await;
    for (name, text) in [
        ("b3-8", "disk is smaller"),
        ("b3-16", "must change flavor"),
        ("d2-2", "Cannot resize from flavor b3-16 to flavor d2-2"),
        ("t1-45", "Cannot resize"),
        ("win-b3-8", "Cannot resize"),
    ] {
        refused(&post(&cloud, &path, "resize", flavor(&cloud, "GRA11", name).await).await, 400, text);
    }
    let elsewhere = flavor(&cloud, "SBG5", "b3-16").await;
    refused(&post(&cloud, &path, "resize", elsewhere).await, 400, "not found in region GRA11");
    refused(&post(&cloud, &path, "resize", json!({})).await, 400, "flavorId");
    let (_, shelved) = server(&cloud, "SBG5", "build-3");
    refused(&post(&cloud, &shelved, "resize", flavor(&cloud, "SBG5", "b3-8").await).await, 409, "shelved_offloaded");

    let (_, small) = server(&cloud, "GRA11", "build-1");
    let wanted = flavor(&cloud, "GRA11", "b3-8").await;
    cloud.no_stock("GRA11", "b3-8", Some(NoStock::FallsBack));
    refused(&post(&cloud, &small, "resize", wanted.clone()).await, 400, "out of stock");
    cloud.no_stock("GRA11", "b3-8", None);
    cloud.no_capacity("GRA11", Some(NoCapacity::EndsInError));
    refused(&post(&cloud, &small, "resize", wanted.clone()).await, 400, "No valid host");
    cloud.no_capacity("GRA11", None);
    // What it has is given back: only the four gigabytes more count.
    for (ram_mb, status) in [(72_000, 403), (73_000, 200)] {
        cloud.set_quota(CI_PROJECT, "GRA11", CloudQuota { ram_mb, instances: 4, cores: 16 });
        let answer = post(&cloud, &small, "resize", wanted.clone()).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    assert_eq!(cloud.effects().iter().filter(|(_, verb)| *verb == CloudVerb::Resize).count(), 1);
}

#[tokio::test]
async fn a_reinstall_takes_another_image() {
    let cloud = managing().await;
    let (id, path) = server(&cloud, "GRA11", "build-1");
    let answer = post(&cloud, &path, "reinstall", image(&cloud, "GRA11", "Debian 12").await).await;
    assert_eq!((answer.status, &answer.body["image"]["name"]), (200, &json!("Debian 13")));
    assert_eq!(shown(&cloud, &path).await, "ACTIVE REBUILD ACTIVE");
    assert_eq!(get(&cloud, &path).await.body["image"]["name"], "Debian 12");
    for (name, last) in [("build-2", "SHUTOFF REBUILD SHUTOFF"), ("build-1", "ERROR REBUILD ACTIVE")] {
        let (_, path) = server(&cloud, "GRA11", name);
        if name == "build-1" {
            cloud.set_status(&id, "ERROR");
        }
        post(&cloud, &path, "reinstall", image(&cloud, "GRA11", "Ubuntu 24.04").await).await;
        assert_eq!(shown(&cloud, &path).await, last);
    }
    let windows = image(&cloud, "GRA11", "Windows Server 2022 Standard (Core)").await;
    refused(&post(&cloud, &path, "reinstall", windows).await, 400, "does not go with");
    refused(&post(&cloud, &path, "reinstall", image(&cloud, "SBG5", "Debian 12").await).await, 400, "not found");
    refused(&post(&cloud, &path, "reinstall", json!({})).await, 400, "imageId");
    assert_eq!(cloud.instance(&id).unwrap().id, id);
}

#[tokio::test]
async fn a_snapshot_is_an_image_of_the_project() {
    let cloud = managing().await;
    let (_, path) = server(&cloud, "GRA11", "build-2");
    let before = get(&cloud, &ci("/snapshot?region=GRA11")).await.body;
    assert_eq!(before, json!([]));
    let answer = post(&cloud, &path, "snapshot", json!({ "snapshotName": "before-upgrade" })).await;
    assert_eq!((answer.status, answer.body), (200, Value::Null));
    let saving = get(&cloud, &ci("/snapshot?region=GRA11")).await.body[0].clone();
    assert_eq!((&saving["name"], &saving["status"]), (&json!("before-upgrade"), &json!("saving")));
    let wish = wish_with(&cloud, json!({ "imageId": saving["id"] })).await;
    refused(&create(&cloud, wish.clone()).await, 400, "not found in region");
    assert_eq!(shown(&cloud, &path).await, "SHUTOFF SNAPSHOTTING SHUTOFF");
    let snapshot = ci(&format!("/snapshot/{}", saving["id"].as_str().unwrap()));
    let saved = get(&cloud, &snapshot).await.body;
    assert_eq!((&saved["status"], &saved["visibility"]), (&json!("active"), &json!("private")));
    assert_eq!((&saved["user"], &saved["minDisk"]), (&json!("debian"), &json!(50)));
    assert!(!column(&get(&cloud, &ci("/image")).await.body, "id").contains(&saved["id"].to_string()));

    // A server is made of it, and outlives it.
    let (id, made) = made(&cloud, wish).await;
    assert_eq!(get(&cloud, &made).await.body["image"]["name"], "before-upgrade");
    assert_eq!(send(&cloud, "DELETE", &snapshot, Value::Null).await.body["id"], saved["id"]);
    refused(&send(&cloud, "DELETE", &snapshot, Value::Null).await, 404, "does not exist");
    assert_eq!(get(&cloud, &made).await.body["image"], Value::Null);
    assert_eq!(cloud.instance(&id).unwrap().image, CloudImage::Snapshot(saved["id"].as_str().unwrap().to_owned()));
    refused(&post(&cloud, &path, "snapshot", json!({})).await, 400, "snapshotName");
}

#[tokio::test]
async fn the_snapshot_of_a_shelved_server_looks_like_any_other() {
    let cloud = managing().await;
    let (id, path) = server(&cloud, "SBG5", "build-3");
    let snapshots = get(&cloud, &ci("/snapshot")).await.body;
    assert_eq!(column(&snapshots, "name"), ["build-3-shelved"]);
    verb(&cloud, &path, "unshelve").await;
    cloud.finish();
    assert_eq!(get(&cloud, &ci("/snapshot")).await.body, json!([]), "it goes with the shelf");
    verb(&cloud, &path, "shelve").await;
    cloud.finish();
    let shelf = ci(&format!("/snapshot/{}", snapshots[0]["id"].as_str().unwrap()));
    assert_eq!(send(&cloud, "DELETE", &shelf, Value::Null).await.status, 200);
    assert_eq!(get(&cloud, &shelf).await.status, 404);
    assert_eq!(cloud.instance(&id).unwrap().status, "SHELVED_OFFLOADED");
    verb(&cloud, &path, "unshelve").await;
    assert_eq!(shown(&cloud, &path).await, "SHELVED_OFFLOADED UNSHELVING ERROR");
}

#[tokio::test]
async fn keys_are_made_and_deleted() {
    let cloud = managing().await;
    let key = json!({ "name": "testkey", "publicKey": "ssh-rsa AAAA ops", "region": "GRA11" });
    let answer = send(&cloud, "POST", &ci("/sshkey"), key.clone()).await;
    assert_eq!(
        (&answer.body["id"], &answer.body["publicKey"]),
        (&json!("6447567a6447746c65513d3d"), &json!("ssh-rsa AAAA ops"))
    );
    assert_eq!((answer.body["fingerPrint"].as_str().unwrap().len(), &answer.body["regions"]), (47, &json!(["GRA11"])));
    let path = ci("/sshkey/6447567a6447746c65513d3d");
    assert_eq!(get(&cloud, &path).await.body, answer.body);
    let (_, made) = made(&cloud, wish_with(&cloud, json!({ "sshKeyId": answer.body["id"] })).await).await;
    assert_eq!(get(&cloud, &made).await.body["sshKey"]["name"], "testkey");
    let mut elsewhere = wish(&cloud, "SBG5", "am-web").await;
    elsewhere["sshKeyId"] = answer.body["id"].clone();
    refused(&create(&cloud, elsewhere).await, 400, "not found in region SBG5");
    refused(&send(&cloud, "POST", &ci("/sshkey"), key).await, 409, "already exists");
    for (members, text) in [
        (json!({ "name": "other" }), "publicKey"),
        (json!({ "name": "other", "publicKey": "AAAA" }), "Keypair data is invalid"),
        (json!({ "name": "other", "publicKey": "ssh-rsa AAAA", "region": "DE1" }), "DE1"),
    ] {
        refused(&send(&cloud, "POST", &ci("/sshkey"), members).await, 400, text);
    }
    assert_eq!(send(&cloud, "DELETE", &path, Value::Null).await.status, 200);
    refused(&send(&cloud, "DELETE", &path, Value::Null).await, 404, "does not exist");
    assert_eq!(get(&cloud, &made).await.body["sshKey"], Value::Null);
    let listed = get(&cloud, &ci("/instance?region=GRA11")).await.body;
    assert!(column(&listed, "sshKeyId").contains(&"6447567a6447746c65513d3d".to_owned()), "the list keeps its id");
    let verbs: Vec<CloudVerb> = cloud.effects().into_iter().map(|(_, verb)| verb).collect();
    assert_eq!(verbs, [CloudVerb::CreateKey, CloudVerb::Create, CloudVerb::DeleteKey]);
}

#[tokio::test]
async fn a_bill_by_the_month_has_no_way_back() {
    let cloud = managing().await;
    let (id, path) = server(&cloud, "GRA11", "build-1");
    let answer = post(&cloud, &path, "activeMonthlyBilling", Value::Null).await;
    assert_eq!(
        (&answer.body["monthlyBilling"]["status"], &answer.body["planCode"]),
        (&json!("activationPending"), &json!("c3-4.monthly.postpaid"))
    );
    cloud.finish();
    assert_eq!(
        get(&cloud, &path).await.body["monthlyBilling"],
        json!({ "since": "2026-10-05T12:00:00Z", "status": "ok" })
    );
    refused(&post(&cloud, &path, "activeMonthlyBilling", Value::Null).await, 400, "already active");
    refused(&verb(&cloud, &path, "shelve").await, 400, "cannot be shelved");
    assert_eq!(cloud.effects(), [(id, CloudVerb::BillMonthly)]);
}

#[tokio::test]
async fn a_console_is_had_of_what_runs() {
    let cloud = managing().await;
    let (_, path) = server(&cloud, "GRA11", "build-1");
    let console = verb(&cloud, &path, "vnc").await.body;
    assert!(console["type"].is_string() && console["url"].as_str().unwrap().starts_with("https://"));
    let (_, off) = server(&cloud, "GRA11", "build-2");
    refused(&verb(&cloud, &off, "vnc").await, 409, "not yet ready");
    assert_eq!((cloud.effects(), cloud.writes()), (vec![], vec![]));
}
