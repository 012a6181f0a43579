//! What an account begins with, how it is changed behind the API's back, and what of it is kept.

use std::collections::BTreeSet;

use amarre_sim::kamatera::{Kamatera, KamateraBilling, KamateraOptions, KamateraServer};
use serde_json::json;

use crate::support::{command, get, info, post, queued, start, wish};

#[tokio::test]
async fn the_eight_have_one_of_each() {
    let servers = start().await.instances();
    let datacenters: BTreeSet<&str> = servers.iter().map(|it| it.datacenter.as_str()).collect();
    assert_eq!(datacenters.into_iter().collect::<Vec<_>>(), ["EU", "IL", "US-NY2"]);
    assert_eq!(servers.iter().filter(|it| !it.is_on).count(), 3);
    assert_eq!(servers.iter().filter(|it| it.billing == KamateraBilling::Monthly).count(), 1);
    assert!(servers.iter().all(|it| it.id.len() == 32 && !it.is_busy));
    assert_eq!(servers.len(), 8);
}

#[tokio::test]
async fn many_are_the_same_each_time() {
    let first = Kamatera::start(KamateraOptions::many(2000)).await.unwrap();
    let second = Kamatera::start(KamateraOptions::many(2000)).await.unwrap();
    assert_eq!(first.instances(), second.instances());
    let list = get(&first, "/service/servers").await.body;
    assert_eq!(list.as_array().unwrap().len(), 2000, "there are no pages");
}

#[tokio::test]
async fn people_create_rename_switch_and_delete_elsewhere() {
    let cloud = start().await;
    let id = cloud.add(KamateraServer::new("by-hand", "IL", "1A", 1024)).unwrap();
    assert_eq!(info(&cloud, &id).await["name"], "by-hand");
    assert!(cloud.rename(&id, "by-foot") && cloud.set_power(&id, false));
    assert!(cloud.set_tags(&id, &["b", "a"]) && cloud.set_description(&id, "of a person"));
    let detail = info(&cloud, &id).await;
    assert_eq!((&detail["name"], &detail["power"]), (&json!("by-foot"), &json!("off")));
    let seen = cloud.instance(&id).unwrap();
    assert_eq!((seen.tags.join(" "), seen.description.as_str()), ("a b".to_owned(), "of a person"));
    assert!(cloud.remove(&id) && !cloud.remove(&id) && !cloud.set_power(&id, true));
    for wrong in [
        KamateraServer::new("by-hand", "XX", "1A", 1024),
        KamateraServer::new("by-hand", "EU", "3A", 1024),
        KamateraServer::new("by-hand", "EU", "1A", 1000),
        KamateraServer::new("by-hand", "EU", "1", 1024),
        KamateraServer { image: "Minix".to_owned(), ..KamateraServer::new("by-hand", "EU", "1A", 1024) },
        KamateraServer { id: Some(cloud.id_of("office")), ..KamateraServer::new("by-hand", "EU", "1A", 1024) },
    ] {
        assert!(cloud.add(wrong).is_err());
    }
    assert_eq!((cloud.created(), cloud.terminated(), cloud.effects()), (vec![], vec![], vec![]));
}

#[tokio::test]
async fn what_people_do_to_a_server_that_is_not_listed_yet_is_seen() {
    let cloud = start().await;
    for name in ["am-web-k3x9", "am-web-p7q2"] {
        command(&post(&cloud, "/service/server", wish(name)).await);
    }
    cloud.advance(155);
    let (kept, gone) = (cloud.id_of("am-web-k3x9"), cloud.id_of("am-web-p7q2"));
    assert!(cloud.set_power(&kept, false) && cloud.remove(&gone));
    cloud.finish();
    assert_eq!(info(&cloud, &kept).await["power"], "off");
    let list = get(&cloud, "/service/servers").await.body;
    assert_eq!(list.as_array().unwrap().len(), 9);
}

#[tokio::test]
async fn everything_can_be_as_it_was() {
    let cloud = start().await;
    let before = (cloud.snapshot(), cloud.instances());
    command(&post(&cloud, "/service/server", wish("am-web-k3x9")).await);
    cloud.finish();
    cloud.remove(&cloud.id_of("office"));
    cloud.rewind(&before.0);
    assert_eq!((cloud.instances(), cloud.commands()), (before.1, vec![]));
}

#[tokio::test]
async fn servers_and_commands_outlive_a_restart() {
    let folder = std::env::temp_dir().join(format!("amarre-sim-kamatera-{}", std::process::id()));
    let options = || KamateraOptions { kept_at: Some(folder.join("kamatera.json")), ..KamateraOptions::eight() };
    let first = Kamatera::start(options()).await.unwrap();
    let made = command(&post(&first, "/service/server", wish("am-web-k3x9")).await);
    let again = Kamatera::start(options()).await.unwrap();
    drop(first);
    assert_eq!(queued(&again, &made).await["status"], "pending");
    again.finish();
    assert_eq!(info(&again, &again.id_of("am-web-k3x9")).await["power"], "on");
    let next = command(&post(&again, "/service/server/reboot", json!({ "id": again.id_of("office") })).await);
    assert!(next > made, "no number is given twice");
    std::fs::remove_dir_all(&folder).unwrap();
    let broken = KamateraOptions { kept_at: Some(std::env::temp_dir()), ..KamateraOptions::eight() };
    assert!(Kamatera::start(broken).await.is_err());
}
