//! The end of servers.

use amarre_sim::Fault;
use amarre_sim::ovh_cloud::{CI_PROJECT, CloudVerb, RegionCondition};
use serde_json::{Value, json};

use crate::support::{column, create, get, made, managing, names, refused, send, server, shown, verb, web, wish};

#[tokio::test]
async fn a_deleted_server_is_shown_for_a_while_and_then_gone() {
    let cloud = managing().await;
    let (id, path) = made(&cloud, wish(&cloud, "GRA11", "am-web").await).await;
    let answer = send(&cloud, "DELETE", &path, Value::Null).await;
    assert_eq!((answer.status, answer.body), (200, Value::Null));
    assert_eq!((cloud.instance(&id).unwrap().becomes.as_str(), cloud.deleted()), ("DELETED", vec![]));
    assert_eq!(shown(&cloud, &path).await, "ACTIVE DELETING 404");
    assert_eq!(cloud.deleted(), [(id.clone(), "am-web".to_owned())]);
    refused(&send(&cloud, "DELETE", &path, Value::Null).await, 404, "does not exist");
    assert_eq!(cloud.effects().last(), Some(&(id, CloudVerb::Delete)));
}

#[tokio::test]
async fn one_that_is_deleted_already_is_answered_like_one_that_is_gone() {
    let cloud = managing().await;
    let (_, path) = server(&cloud, "GRA11", "build-1");
    send(&cloud, "DELETE", &path, Value::Null).await;
    refused(&send(&cloud, "DELETE", &path, Value::Null).await, 404, "does not exist");
    refused(&verb(&cloud, &path, "stop").await, 409, "task_state deleting");
    cloud.advance(5);
    assert_eq!(get(&cloud, &path).await.body["status"], "DELETING");
    refused(&send(&cloud, "DELETE", &path, Value::Null).await, 404, "does not exist");
    assert_eq!(cloud.effects().len(), 1);
}

#[tokio::test]
async fn deleted_is_a_status_that_may_be_seen() {
    let cloud = managing().await;
    cloud.shows_deleted_for(20);
    cloud.delete_is_empty(true);
    let (_, path) = server(&cloud, "GRA11", "build-1");
    let answer = send(&cloud, "DELETE", &path, Value::Null).await;
    assert_eq!((answer.status, answer.body), (204, Value::Null));
    cloud.advance(15);
    let list = get(&cloud, &crate::support::ci("/instance")).await.body;
    assert!(column(&list, "status").contains(&"DELETED".to_owned()));
    assert_eq!(shown(&cloud, &path).await, "DELETED 404");
}

#[tokio::test]
async fn any_server_can_be_deleted() {
    let cloud = managing().await;
    // Building, broken, shelved, busy, billed by the month.
    let building = create(&cloud, wish(&cloud, "GRA11", "am-web").await).await.body["id"].as_str().unwrap().to_owned();
    let paths = [
        crate::support::ci(&format!("/instance/{building}")),
        server(&cloud, "BHS5", "build-9").1,
        server(&cloud, "SBG5", "build-3").1,
        server(&cloud, "GRA11", "build-1").1,
        server(&cloud, "GRA11", "web-1").1,
    ];
    verb(&cloud, &paths[3], "stop").await;
    for path in &paths {
        assert_eq!(send(&cloud, "DELETE", path, Value::Null).await.status, 200, "{path}");
    }
    cloud.finish();
    for path in &paths {
        assert_eq!(get(&cloud, path).await.status, 404);
    }
    assert_eq!((cloud.deleted().len(), cloud.instances().len()), (5, 8));
    assert_eq!(get(&cloud, &crate::support::ci("/snapshot")).await.body, json!([]), "the shelf went, too");
}

#[tokio::test]
async fn a_lost_answer_deleted_it_all_the_same() {
    let cloud = managing().await;
    let (_, path) = server(&cloud, "GRA11", "build-1");
    cloud.server.faults.add("DELETE", &format!("/1.0{path}"), 1, Fault::After(504));
    assert_eq!(send(&cloud, "DELETE", &path, Value::Null).await.status, 504);
    cloud.finish();
    assert_eq!(cloud.deleted().len(), 1);
    assert!(!names(&cloud).await.contains(&"build-1".to_owned()));
}

#[tokio::test]
async fn nothing_is_deleted_where_nothing_is_written() {
    let cloud = managing().await;
    let (id, path) = server(&cloud, "GRA11", "build-1");
    cloud.set_region("GRA11", RegionCondition::DownListWhole);
    refused(&send(&cloud, "DELETE", &path, Value::Null).await, 503, "not available");
    cloud.set_region("GRA11", RegionCondition::Up);
    cloud.set_project_status(CI_PROJECT, "suspended");
    refused(&send(&cloud, "DELETE", &path, Value::Null).await, 403, "is suspended");
    cloud.set_project_status(CI_PROJECT, "ok");
    refused(&send(&cloud, "DELETE", &web(&format!("/instance/{id}")), Value::Null).await, 404, "does not exist");
    cloud.deny("DELETE", &path);
    refused(&send(&cloud, "DELETE", &path, Value::Null).await, 403, "not been granted");
    assert!(cloud.instance(&id).is_some());
    assert_eq!((cloud.effects(), cloud.deleted()), (vec![], vec![]));
}
