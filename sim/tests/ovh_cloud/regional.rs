//! Creating servers by the regional route, whose answer is an operation, and how operations go on.

use amarre_sim::Fault;
use amarre_sim::ovh_cloud::{CloudCreationFailure, OperationForm, OvhCloud};
use serde_json::{Value, json};

use crate::support::{Answer, ci, column, get, id_in, made, managing, names, refused, send, shown, wish};

async fn body(cloud: &OvhCloud, members: Value) -> Value {
    let mut body = json!({
        "name": "am-web",
        "flavor": { "id": id_in(cloud, "flavor", "GRA11", "c3-4").await },
        "bootFrom": { "imageId": id_in(cloud, "image", "GRA11", "Debian 13").await },
        "network": { "public": true },
        "sshKey": { "name": "deploy" },
        "billingPeriod": "hourly",
        "userData": "#cloud-config\n",
    });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn create(cloud: &OvhCloud, members: Value) -> Answer {
    send(cloud, "POST", &ci("/region/GRA11/instance"), body(cloud, members).await).await
}

async fn operation(cloud: &OvhCloud, id: &Value) -> Value {
    get(cloud, &ci(&format!("/operation/{}", id.as_str().unwrap()))).await.body
}

#[tokio::test]
async fn an_operation_is_answered_and_the_server_comes_later() {
    let cloud = managing().await;
    let answer = create(&cloud, json!({})).await;
    let begun = &answer.body;
    assert_eq!(
        (answer.status, &begun["action"], &begun["status"]),
        (200, &json!("instance#create"), &json!("created"))
    );
    assert_eq!(
        (&begun["resourceId"], &begun["startedAt"], &begun["progress"]),
        (&Value::Null, &Value::Null, &json!(0))
    );
    assert_eq!((&begun["regions"], &begun["createdAt"]), (&json!(["GRA11"]), &json!("2026-10-05T12:00:00Z")));
    let id = cloud.created()[0].0.clone();
    let path = ci(&format!("/instance/{id}"));
    assert_eq!(get(&cloud, &path).await.status, 404, "the server is accepted, and not there");
    assert!(!names(&cloud).await.contains(&"am-web".to_owned()));

    cloud.advance(5);
    let under_way = operation(&cloud, &begun["id"]).await;
    assert_eq!((&under_way["status"], &under_way["resourceId"]), (&json!("in-progress"), &json!(id)));
    assert_eq!(get(&cloud, &path).await.body["operationIds"], json!([begun["id"]]));
    let summary = get(&cloud, &ci(&format!("/region/GRA11/instance/{id}"))).await.body;
    assert_eq!((&summary["status"], &summary["taskState"]), (&json!("BUILD"), &json!("Spawning")));
    cloud.advance(10);
    let done = operation(&cloud, &begun["id"]).await;
    assert_eq!((&done["status"], &done["progress"]), (&json!("completed"), &json!(100)));
    assert_eq!(
        (&done["startedAt"], &done["completedAt"]),
        (&json!("2026-10-05T12:00:05Z"), &json!("2026-10-05T12:00:15Z"))
    );
    assert_eq!(shown(&cloud, &path).await, "BUILD ACTIVE", "completed is not running");
    let there = get(&cloud, &path).await.body;
    assert_eq!((&there["operationIds"], &there["sshKey"]["name"]), (&json!([]), &json!("deploy")));
    assert_eq!(cloud.instance(&id).unwrap().user_data.as_deref(), Some("#cloud-config\n"));
}

#[tokio::test]
async fn the_id_may_stand_in_a_sub_operation() {
    let cloud = managing().await;
    cloud.operation_form(OperationForm::SubOperation);
    let begun = create(&cloud, json!({})).await.body;
    assert_eq!(begun["subOperations"][0]["resourceId"], Value::Null);
    cloud.finish();
    let done = operation(&cloud, &begun["id"]).await;
    let inner = &done["subOperations"][0];
    assert_eq!((&done["resourceId"], &inner["action"]), (&Value::Null, &json!("instance#create")));
    assert_eq!((&inner["resourceId"], &inner["status"]), (&json!(cloud.created()[0].0), &json!("completed")));
    assert_ne!(inner["id"], done["id"]);
}

#[tokio::test]
async fn a_lost_answer_is_in_no_list_of_servers_at_first() {
    let cloud = managing().await;
    let path = format!("/1.0{}", ci("/region/GRA11/instance"));
    cloud.server.faults.add("POST", &path, 1, Fault::After(504));
    assert_eq!(create(&cloud, json!({})).await.status, 504);
    assert!(!names(&cloud).await.contains(&"am-web".to_owned()));
    let operations = get(&cloud, &ci("/operation")).await.body;
    assert_eq!(
        (column(&operations, "action"), column(&operations, "resourceId")),
        (vec!["instance#create".to_owned()], vec!["null".to_owned()])
    );
    // Who may not read operations cannot know.
    cloud.operations_readable(false);
    refused(&get(&cloud, &ci("/operation")).await, 403, "not been granted");
    cloud.operations_readable(true);
    assert_eq!(get(&cloud, &ci("/operation")).await.status, 200);
    cloud.advance(5);
    assert!(names(&cloud).await.contains(&"am-web".to_owned()));
}

#[tokio::test]
async fn a_creation_fails_with_a_server_or_without() {
    let cloud = managing().await;
    cloud.fail_next_creation(CloudCreationFailure::OperationFails);
    let begun = create(&cloud, json!({})).await.body;
    cloud.finish();
    let failed = operation(&cloud, &begun["id"]).await;
    assert_eq!((&failed["status"], &failed["resourceId"]), (&json!("in-error"), &Value::Null));
    assert_eq!((cloud.created(), cloud.instances().len()), (vec![], 12));

    cloud.fail_next_creation(CloudCreationFailure::EndsInError);
    let begun = create(&cloud, json!({})).await.body;
    cloud.finish();
    let done = operation(&cloud, &begun["id"]).await;
    assert_eq!(done["status"], "completed", "the operation knows nothing of it");
    assert_eq!(cloud.instance(done["resourceId"].as_str().unwrap()).unwrap().status, "ERROR");
}

#[tokio::test]
async fn a_key_can_be_made_with_its_server() {
    let cloud = managing().await;
    let key = json!({ "name": "amarre-prod", "publicKey": "ssh-ed25519 AAAA ops" });
    assert_eq!(create(&cloud, json!({ "sshKey": null, "sshKeyCreate": key })).await.status, 200);
    refused(&create(&cloud, json!({ "sshKey": null, "sshKeyCreate": key })).await, 409, "already exists");
    assert_eq!(create(&cloud, json!({ "sshKey": { "name": "amarre-prod" } })).await.status, 200);
    assert_eq!(cloud.created().len(), 2);
    let keys = get(&cloud, &ci("/sshkey?region=GRA11")).await.body;
    assert_eq!(column(&keys, "name"), ["amarre-prod", "deploy"]);
    assert_eq!(column(&get(&cloud, &ci("/sshkey?region=SBG5")).await.body, "name"), ["deploy"]);
}

#[tokio::test]
async fn what_is_refused_has_no_operation() {
    let cloud = managing().await;
    let elsewhere = id_in(&cloud, "flavor", "SBG5", "c3-4").await;
    for (members, text) in [
        (json!({ "name": null }), "name"),
        (json!({ "flavor": { "id": elsewhere } }), "not found in region GRA11"),
        (json!({ "bootFrom": {} }), "Missing imageRef attribute"),
        (json!({ "bootFrom": { "volumeId": "volume-1" } }), "not simulated"),
        (json!({ "network": {} }), "network"),
        (json!({ "network": { "private": { "networkCreate": { "name": "n" } } } }), "not simulated"),
        (json!({ "sshKey": { "name": "none" } }), "SSH key none not found"),
        (json!({ "bulk": 3 }), "not simulated"),
    ] {
        refused(&create(&cloud, members).await, 400, text);
    }
    let body = body(&cloud, json!({})).await;
    refused(&send(&cloud, "POST", &ci("/region/DE1/instance"), body).await, 404, "DE1");
    assert_eq!((get(&cloud, &ci("/operation")).await.body, cloud.created()), (json!([]), vec![]));
    assert_eq!(create(&cloud, json!({ "billingPeriod": "monthly" })).await.status, 200);
    assert!(cloud.instance(&cloud.created()[0].0).unwrap().is_monthly);
}

#[tokio::test]
async fn other_deeds_leave_operations_too() {
    let cloud = managing().await;
    let (_, path) = made(&cloud, wish(&cloud, "GRA11", "am-web").await).await;
    let image = id_in(&cloud, "image", "GRA11", "Debian 12").await;
    send(&cloud, "POST", &format!("{path}/reinstall"), json!({ "imageId": image })).await;
    let open = get(&cloud, &path).await.body["operationIds"].as_array().unwrap().len();
    cloud.finish();
    send(&cloud, "POST", &format!("{path}/snapshot"), json!({ "snapshotName": "before" })).await;
    cloud.finish();
    send(&cloud, "DELETE", &path, Value::Null).await;
    cloud.finish();
    let operations = get(&cloud, &ci("/operation")).await.body;
    assert_eq!((open, column(&operations, "status").join(" ").as_str()), (1, "completed completed completed"));
    assert_eq!(column(&operations, "action"), ["instance#delete", "instance#reinstall", "instance#snapshot"]);
}
