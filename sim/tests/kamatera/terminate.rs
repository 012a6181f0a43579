//! The end of servers, and what may end more of them than was meant.

use amarre_sim::Fault;
use serde_json::{Value, json};

use crate::support::{call, column, command, get, post, queued, refused, start};

#[tokio::test]
async fn one_that_runs_is_ended_by_force_only() {
    let cloud = start().await;
    let id = cloud.id_of("shop-web");
    refused(&post(&cloud, "/service/server/terminate", json!({ "id": id })).await, 500, "must be powered off");
    refused(&post(&cloud, "/service/server/terminate", json!({ "id": id, "force": false })).await, 500, "powered off");
    let ended = command(&post(&cloud, "/service/server/terminate", json!({ "id": id, "force": true })).await);
    cloud.advance(25);
    assert_eq!(queued(&cloud, &ended).await["status"], "complete");
    assert_eq!(cloud.instance(&id), None);
    let is_listed = async || column(&get(&cloud, "/service/servers").await.body, "id").contains(&id);
    assert!(is_listed().await, "the list is behind");
    cloud.finish();
    assert!(!is_listed().await);
    assert_eq!(cloud.terminated(), [(id.clone(), "shop-web".to_owned())]);
    // One that is off needs no force.
    let off = cloud.id_of("old-mail");
    command(&post(&cloud, "/service/server/terminate", json!({ "id": off })).await);
    cloud.finish();
    refused(
        &post(&cloud, "/service/server/terminate", json!({ "id": off, "force": true })).await,
        500,
        "error occurred",
    );
    assert_eq!(cloud.terminated().len(), 2);
}

#[tokio::test]
async fn a_name_ends_all_that_match() {
    let cloud = start().await;
    let dry = json!({ "name": "shop-.*", "force": true, "dryrun": true });
    let answer = post(&cloud, "/service/server/terminate", dry).await;
    assert_eq!(answer.body["dryrun"], true);
    let mut names: Vec<&str> =
        answer.body["server-names"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["shop-db", "shop-web", "shop-web(1)"]);
    cloud.finish();
    assert_eq!((cloud.instances().len(), cloud.effects().len()), (8, 0), "nothing happened");
    let answer = post(&cloud, "/service/server/terminate", json!({ "name": "shop-.*", "force": true })).await;
    assert_eq!(answer.body.as_array().unwrap().len(), 3);
    cloud.finish();
    assert_eq!((cloud.instances().len(), cloud.terminated().len()), (5, 3));
}

#[tokio::test]
async fn one_that_is_refused_stops_the_rest() {
    let cloud = start().await;
    for name in ["shop-db", "shop-web", "shop-web(1)"] {
        cloud.set_power(&cloud.id_of(name), false);
    }
    let ids: Vec<String> =
        cloud.instances().into_iter().filter(|it| it.name.starts_with("shop")).map(|it| it.id).collect();
    cloud.set_power(&ids[1], true);
    let answer = post(&cloud, "/service/server/terminate", json!({ "name": "shop-.*" })).await;
    refused(&answer, 500, "must be powered off");
    cloud.finish();
    assert_eq!(cloud.terminated().iter().map(|(id, _)| id).collect::<Vec<_>>(), [&ids[0]]);
}

#[tokio::test]
async fn an_end_may_be_complete_and_not_so() {
    let cloud = start().await;
    let id = cloud.id_of("old-mail");
    cloud.ignore_next();
    let ended = command(&post(&cloud, "/service/server/terminate", json!({ "id": id, "force": true })).await);
    cloud.finish();
    assert_eq!(queued(&cloud, &ended).await["status"], "complete");
    assert!(cloud.instance(&id).is_some());
    cloud.fail_next("Error: internal");
    let ended = command(&post(&cloud, "/service/server/terminate", json!({ "id": id, "force": true })).await);
    cloud.finish();
    let ended = queued(&cloud, &ended).await;
    assert_eq!(
        (&ended["status"], ended["log"].as_str().unwrap().ends_with("Error: internal")),
        (&json!("error"), true)
    );
    assert_eq!(cloud.terminated(), []);
}

#[tokio::test]
async fn a_lost_answer_ended_it_all_the_same() {
    let cloud = start().await;
    let id = cloud.id_of("shop-web");
    cloud.server.faults.add("POST", "/service/server/terminate", 1, Fault::After(504));
    let answer = post(&cloud, "/service/server/terminate", json!({ "id": id, "force": true })).await;
    assert_eq!(answer.status, 504);
    cloud.finish();
    assert_eq!(cloud.instance(&id), None);
}

#[tokio::test]
async fn the_console_wants_it_confirmed() {
    let cloud = start().await;
    let id = cloud.id_of("shop-web");
    let path = format!("/console/service/server/{id}/terminate");
    refused(&call(&cloud, "DELETE", &path, json!({ "force": 1 })).await, 500, "confirm");
    refused(&call(&cloud, "DELETE", &path, json!({ "confirm": 1 })).await, 500, "must be powered off");
    assert_eq!(call(&cloud, "DELETE", &path, json!({ "confirm": 1, "force": 1 })).await.status, 200);
    cloud.finish();
    assert_eq!(cloud.instance(&id), None);
}
