//! What an account begins with, how it is changed behind the API's back, and what of it is kept.

use std::collections::BTreeSet;

use amarre_sim::ovh_cloud::{CI_PROJECT, CloudClock, CloudInstance, CloudPace, OvhCloud, OvhCloudOptions, WEB_PROJECT};
use serde_json::json;

use crate::support::{ci, create, get, made, managing, send, server, start, status, verb, wish};

#[tokio::test]
async fn the_dozen_has_one_of_each() {
    let servers = start().await.instances();
    assert_eq!(servers.len(), 12);
    let distinct = |of: fn(&amarre_sim::ovh_cloud::ServerState) -> String| {
        servers.iter().map(of).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(distinct(|it| it.region.clone()), ["BHS5", "GRA11", "SBG5"]);
    assert_eq!(distinct(|it| it.status.clone()), ["ACTIVE", "ERROR", "SHELVED_OFFLOADED", "SHUTOFF"]);
    assert_eq!(distinct(|it| it.flavor.clone()), ["b3-8", "c3-4", "d2-2", "t1-45", "win-b3-8"]);
    assert_eq!(distinct(|it| it.name.clone()).len(), 11, "one name is there twice");
    assert_eq!(distinct(|it| it.id.clone()).len(), 12);
}

#[tokio::test]
async fn many_are_the_same_each_time() {
    let first = OvhCloud::start(OvhCloudOptions::many(1000, 4, 11)).await.unwrap();
    let second = OvhCloud::start(OvhCloudOptions::many(1000, 4, 11)).await.unwrap();
    let servers = first.instances();
    assert_eq!(servers, second.instances());
    assert_eq!(servers.len(), 1000);
    let projects: BTreeSet<&str> = servers.iter().map(|it| it.project.as_str()).collect();
    let places: BTreeSet<(&str, &str)> = servers.iter().map(|it| (it.project.as_str(), it.region.as_str())).collect();
    assert_eq!((projects.len(), places.len()), (4, 44));
    assert!(projects.iter().all(|id| id.len() == 32));
    let list = get(&first, &format!("/cloud/project/{}/instance", projects.first().unwrap())).await.body;
    assert_eq!(list.as_array().unwrap().len(), 250);
}

#[tokio::test]
async fn people_create_rename_and_delete_elsewhere() {
    let cloud = start().await;
    let id = cloud.add(CI_PROJECT, CloudInstance::new("build-4", "GRA11", "c3-4")).unwrap();
    let path = ci(&format!("/instance/{id}"));
    assert_eq!(get(&cloud, &path).await.body["name"], "build-4");
    assert!(cloud.rename(&id, "build-5"));
    assert_eq!(get(&cloud, &path).await.body["name"], "build-5");
    assert!(cloud.remove(&id) && !cloud.remove(&id));
    assert!(cloud.add(CI_PROJECT, CloudInstance::new("x", "GRA11", "z9-1")).is_err());
    assert!(cloud.add(CI_PROJECT, CloudInstance::new("x", "DE1", "c3-4")).is_err());
    assert!(cloud.add("none", CloudInstance::new("x", "GRA11", "c3-4")).is_err());
}

#[tokio::test]
async fn everything_can_be_as_it_was() {
    let cloud = start().await;
    let (id, path) = server(&cloud, "GRA11", "build-1");
    let before = cloud.snapshot();
    verb(&cloud, &path, "stop").await;
    cloud.finish();
    cloud.remove(&cloud.id_of("BHS5", "staging"));
    cloud.rewind(&before);
    assert_eq!((cloud.instances().len(), cloud.instance(&id).unwrap().status.as_str()), (12, "ACTIVE"));
}

#[tokio::test]
async fn power_outlives_a_restart() {
    let folder = std::env::temp_dir().join(format!("amarre-ovh-cloud-{}", std::process::id()));
    let kept_at = Some(folder.join("ovh-cloud.json"));
    let options = || OvhCloudOptions { kept_at: kept_at.clone(), ..OvhCloudOptions::dozen() };
    let cloud = OvhCloud::start(options()).await.unwrap();
    let (_, done) = server(&cloud, "GRA11", "build-1");
    verb(&cloud, &done, "stop").await;
    cloud.finish();
    let (id, under_way) = server(&cloud, "SBG5", "web-1");
    verb(&cloud, &under_way, "shelve").await;
    drop(cloud);

    let cloud = OvhCloud::start(options()).await.unwrap();
    assert_eq!(status(&cloud, &done).await, "SHUTOFF");
    assert_eq!(status(&cloud, &under_way).await, "ACTIVE");
    assert_eq!(cloud.instance(&id).unwrap().becomes, "SHELVED_OFFLOADED");
    cloud.finish();
    assert_eq!(status(&cloud, &under_way).await, "SHELVED_OFFLOADED");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_was_made_and_deleted_can_be_as_it_was() {
    let cloud = managing().await;
    let before = cloud.snapshot();
    let key = json!({ "name": "amarre", "publicKey": "ssh-ed25519 AAAA" });
    send(&cloud, "POST", &ci("/sshkey"), key).await;
    let (id, path) = made(&cloud, wish(&cloud, "GRA11", "am-web").await).await;
    send(&cloud, "POST", &format!("{path}/snapshot"), json!({ "snapshotName": "s" })).await;
    let (_, other) = server(&cloud, "GRA11", "build-1");
    send(&cloud, "DELETE", &other, json!(null)).await;
    cloud.finish();
    cloud.rewind(&before);
    assert_eq!((cloud.created(), cloud.deleted(), cloud.effects()), (vec![], vec![], vec![]));
    assert_eq!((cloud.instances().len(), cloud.instance(&id)), (12, None));
    for (part, left) in [("/sshkey", 1), ("/snapshot", 1), ("/operation", 0)] {
        assert_eq!(get(&cloud, &ci(part)).await.body.as_array().unwrap().len(), left, "{part}");
    }
    // The same again is the same again.
    assert_eq!(made(&cloud, wish(&cloud, "GRA11", "am-web").await).await.0, id);
}

#[tokio::test]
async fn servers_keys_and_operations_outlive_a_restart() {
    let folder = std::env::temp_dir().join(format!("amarre-ovh-cloud-made-{}", std::process::id()));
    let kept_at = Some(folder.join("ovh-cloud.json"));
    let options = || OvhCloudOptions { kept_at: kept_at.clone(), ..OvhCloudOptions::dozen() };
    let cloud = OvhCloud::start(options()).await.unwrap();
    cloud.grant_managing();
    let key = json!({ "name": "amarre", "publicKey": "ssh-ed25519 AAAA" });
    send(&cloud, "POST", &ci("/sshkey"), key).await;
    let (_, gone) = server(&cloud, "GRA11", "build-1");
    send(&cloud, "DELETE", &gone, json!(null)).await;
    let id = create(&cloud, wish(&cloud, "GRA11", "am-web").await).await.body["id"].as_str().unwrap().to_owned();
    drop(cloud);

    let cloud = OvhCloud::start(options()).await.unwrap();
    cloud.grant_managing();
    let path = ci(&format!("/instance/{id}"));
    assert_eq!((status(&cloud, &path).await, status(&cloud, &gone).await), ("BUILD".to_owned(), "ACTIVE".to_owned()));
    cloud.finish();
    assert_eq!((status(&cloud, &path).await.as_str(), get(&cloud, &gone).await.status), ("ACTIVE", 404));
    assert_eq!(get(&cloud, &ci("/operation")).await.body[0]["status"], "completed");
    assert_eq!(get(&cloud, &ci("/sshkey")).await.body[1]["name"], "amarre");
    assert_ne!(made(&cloud, wish(&cloud, "GRA11", "am-web").await).await.0, id, "numbers go on");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_file_of_the_version_before_is_read() {
    let folder = std::env::temp_dir().join(format!("amarre-ovh-cloud-old-{}", std::process::id()));
    let kept_at = folder.join("ovh-cloud.json");
    std::fs::create_dir_all(&folder).unwrap();
    let old = json!({ "ahead": 60, "made": 12, "projects": { CI_PROJECT: { "an-id": {
        "id": "an-id", "name": "build-1", "region": "GRA11", "flavor": "c3-4", "image": { "Listed": "Debian 13" },
        "key": "deploy", "status": "ACTIVE", "is_monthly": true, "created": "2026-09-14T07:31:12Z",
        "address": "203.0.113.4", "private_address": null,
        "work": { "task": "PoweringOff", "steps": [[1_791_201_670, "SHUTOFF"]] },
    } } } });
    std::fs::write(&kept_at, old.to_string()).unwrap();
    let cloud = OvhCloud::start(OvhCloudOptions { kept_at: Some(kept_at), ..OvhCloudOptions::dozen() }).await.unwrap();
    let list = get(&cloud, &ci("/instance")).await.body;
    assert_eq!(
        (&list[0]["id"], &list[0]["status"], list.as_array().unwrap().len()),
        (&json!("an-id"), &json!("ACTIVE"), 1)
    );
    assert_eq!(list[0]["monthlyBilling"], json!({ "since": "2026-09-01T00:00:00Z", "status": "ok" }));
    cloud.advance(10);
    assert_eq!(status(&cloud, &ci("/instance/an-id")).await, "SHUTOFF");
    assert_eq!(get(&cloud, &ci("/sshkey")).await.body[0]["name"], "deploy");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_running_clock_needs_no_push() {
    let pace = CloudPace { lag_s: 0, step_s: 0 };
    let options = OvhCloudOptions { clock: CloudClock::Running, pace, ..OvhCloudOptions::dozen() };
    let cloud = OvhCloud::start(options).await.unwrap();
    let (_, path) = server(&cloud, "SBG5", "web-1");
    verb(&cloud, &path, "stop").await;
    let detail = get(&cloud, &path).await.body;
    assert_eq!((&detail["status"], &detail["region"]), (&json!("SHUTOFF"), &json!("SBG5")));
    assert_eq!(cloud.instances().iter().filter(|it| it.project == WEB_PROJECT).count(), 5);
}
