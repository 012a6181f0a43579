//! Creating servers by the flat route: what is answered, what comes of it, and what is refused.

use amarre_sim::Fault;
use amarre_sim::ovh_cloud::{
    CI_PROJECT, CloudCreationFailure, CloudImage, CloudPace, CloudQuota, CloudVerb, NoCapacity, NoStock,
    RegionCondition,
};
use serde_json::{Value, json};

use crate::support::{
    ci, column, create, get, id_in, made, managing, names, refused, send, shown, start, verb, wish, wish_with,
};

#[tokio::test]
async fn a_server_has_its_id_at_once_and_its_address_later() {
    let cloud = managing().await;
    let body = wish_with(&cloud, json!({ "userData": "#cloud-config\n", "monthlyBilling": false })).await;
    let answer = create(&cloud, body.clone()).await;
    let server = &answer.body;
    assert_eq!((answer.status, &server["status"], &server["ipAddresses"]), (200, &json!("BUILD"), &json!([])));
    assert_eq!((&server["flavor"]["id"], &server["image"]["id"]), (&body["flavorId"], &body["imageId"]));
    assert_eq!((&server["sshKey"]["name"], &server["monthlyBilling"]), (&json!("deploy"), &Value::Null));
    assert_eq!((&server["planCode"], &server["operationIds"]), (&json!("c3-4.consumption"), &json!([])));
    assert_eq!((&server["created"], &server["rescuePassword"]), (&json!("2026-10-05T12:00:00Z"), &Value::Null));
    let id = server["id"].as_str().unwrap();
    assert_eq!(cloud.created(), [(id.to_owned(), "am-web".to_owned())]);
    assert!(names(&cloud).await.contains(&"am-web".to_owned()));
    let path = ci(&format!("/instance/{id}"));
    assert_eq!(shown(&cloud, &path).await, "BUILD ACTIVE");
    let there = get(&cloud, &path).await.body;
    assert_eq!(column(&there["ipAddresses"], "type"), ["public", "public"]);
    assert_eq!(there["ipAddresses"][0]["ip"], "203.0.113.16");
    let seen = cloud.instance(id).unwrap();
    assert_eq!((seen.user_data.as_deref(), seen.key.as_deref()), (Some("#cloud-config\n"), Some("deploy")));
    assert_eq!(cloud.effects(), [(id.to_owned(), CloudVerb::Create)]);
    assert_eq!(get(&cloud, &ci("/operation")).await.body, json!([]), "this route has no operation");
}

#[tokio::test]
async fn without_a_pace_the_answer_is_in_build_all_the_same() {
    let cloud = managing().await;
    cloud.pace(CloudPace { lag_s: 0, step_s: 0 });
    let answer = create(&cloud, wish(&cloud, "SBG5", "am-web").await).await;
    assert_eq!(answer.body["status"], "BUILD");
    assert_eq!(cloud.instance(answer.body["id"].as_str().unwrap()).unwrap().status, "ACTIVE");
}

#[tokio::test]
async fn a_lost_answer_and_a_second_try_make_two_servers_of_one_name() {
    let cloud = managing().await;
    let body = wish(&cloud, "GRA11", "am-web").await;
    cloud.server.faults.add("POST", &format!("/1.0{}", ci("/instance")), 1, Fault::After(504));
    assert_eq!(create(&cloud, body.clone()).await.status, 504);
    assert_eq!(names(&cloud).await.iter().filter(|name| *name == "am-web").count(), 1, "the list tells of it");
    let second = create(&cloud, body).await.body["id"].as_str().unwrap().to_owned();
    cloud.finish();
    assert_eq!(names(&cloud).await.iter().filter(|name| *name == "am-web").count(), 2);
    let created = cloud.created();
    assert_eq!((created.len(), &created[1].0), (2, &second));
    assert_ne!(created[0].0, second);
    cloud.server.faults.add("POST", &format!("/1.0{}", ci("/instance")), 1, Fault::Before(504));
    assert_eq!(create(&cloud, wish(&cloud, "GRA11", "am-web").await).await.status, 504);
    assert_eq!(cloud.created().len(), 2, "the same answer, and nothing was made");
}

#[tokio::test]
async fn a_list_may_be_behind_what_the_detail_knows() {
    let cloud = managing().await;
    cloud.list_lags(30);
    let body = wish(&cloud, "GRA11", "am-web").await;
    let id = create(&cloud, body).await.body["id"].as_str().unwrap().to_owned();
    let lists = [ci("/instance"), ci("/instance?region=GRA11"), ci("/region/GRA11/instance")];
    for (seconds, is_listed) in [(0, false), (29, false), (1, true)] {
        cloud.advance(seconds);
        for list in &lists {
            let listed = column(&get(&cloud, list).await.body, "id").contains(&id);
            assert_eq!(listed, is_listed, "{list}");
        }
        assert_eq!(get(&cloud, &ci(&format!("/instance/{id}"))).await.status, 200);
    }
}

#[tokio::test]
async fn an_accepted_creation_may_end_in_error() {
    let cloud = managing().await;
    cloud.fail_next_creation(CloudCreationFailure::EndsInError);
    // Without an operation, there is a server whatever fails.
    cloud.fail_next_creation(CloudCreationFailure::OperationFails);
    for _ in 0..2 {
        let answer = create(&cloud, wish(&cloud, "GRA11", "am-web").await).await;
        let path = ci(&format!("/instance/{}", answer.body["id"].as_str().unwrap()));
        assert_eq!(shown(&cloud, &path).await, "BUILD ERROR");
        assert_eq!(get(&cloud, &path).await.body["ipAddresses"], json!([]));
        assert_eq!(send(&cloud, "DELETE", &path, Value::Null).await.status, 200);
        assert_eq!(shown(&cloud, &path).await, "ERROR DELETING 404");
    }
    assert_eq!((cloud.created().len(), cloud.deleted().len()), (2, 2));
    made(&cloud, wish(&cloud, "GRA11", "am-web").await).await;
}

#[tokio::test]
async fn a_region_without_room_is_told_in_three_ways() {
    let cloud = managing().await;
    let body = wish(&cloud, "GRA11", "am-web").await;
    cloud.no_capacity("GRA11", Some(NoCapacity::Refused));
    refused(&create(&cloud, body.clone()).await, 400, "No valid host was found");
    assert_eq!(cloud.created(), []);
    for (outcome, statuses) in [(NoCapacity::EndsInError, "BUILD ERROR"), (NoCapacity::StaysInBuild, "BUILD")] {
        cloud.no_capacity("GRA11", Some(outcome));
        let id = create(&cloud, body.clone()).await.body["id"].as_str().unwrap().to_owned();
        let path = ci(&format!("/instance/{id}"));
        assert_eq!(shown(&cloud, &path).await, statuses);
        assert_eq!(send(&cloud, "DELETE", &path, Value::Null).await.status, 200);
    }
    made(&cloud, wish(&cloud, "SBG5", "am-web").await).await;
    cloud.no_capacity("GRA11", None);
    made(&cloud, body).await;
}

#[tokio::test]
async fn a_flavor_without_stock_is_refused_or_ends_in_error() {
    let cloud = managing().await;
    let body = wish(&cloud, "GRA11", "am-web").await;
    cloud.no_stock("GRA11", "c3-4", Some(NoStock::FallsBack));
    refused(&create(&cloud, body.clone()).await, 400, "c3-4 is out of stock in GRA11");
    cloud.no_stock("GRA11", "c3-4", Some(NoStock::EndsInError));
    let id = create(&cloud, body).await.body["id"].as_str().unwrap().to_owned();
    assert_eq!(shown(&cloud, &ci(&format!("/instance/{id}"))).await, "BUILD ERROR");
}

#[tokio::test]
async fn a_quota_counts_what_is_there_and_broken() {
    let cloud = managing().await;
    // Three servers of the dozen are there, with 12 cores and 53 GB.
    for (quota, text) in [
        (CloudQuota { instances: 3, cores: 99, ram_mb: 99_000 }, "already used 3 of 3 instances"),
        (CloudQuota { instances: 9, cores: 13, ram_mb: 99_000 }, "Requested 2, but already used 12 of 13 cores"),
        (CloudQuota { instances: 9, cores: 99, ram_mb: 56_000 }, "Requested 4000, but already used 53000 of 56000 ram"),
    ] {
        assert!(cloud.set_quota(CI_PROJECT, "GRA11", quota));
        refused(&create(&cloud, wish(&cloud, "GRA11", "am-web").await).await, 403, text);
        let flavors = get(&cloud, &ci("/flavor?region=GRA11")).await.body;
        let flavor = flavors.as_array().unwrap().iter().find(|flavor| flavor["name"] == "c3-4").unwrap();
        assert_eq!((&flavor["quota"], &flavor["available"]), (&json!(0), &json!(false)));
    }
    cloud.set_quota(CI_PROJECT, "GRA11", CloudQuota { instances: 4, ..CloudQuota::default() });
    cloud.fail_next_creation(CloudCreationFailure::EndsInError);
    assert_eq!(create(&cloud, wish(&cloud, "GRA11", "am-web").await).await.status, 200);
    cloud.finish();
    refused(&create(&cloud, wish(&cloud, "GRA11", "am-web").await).await, 403, "used 4 of 4 instances");
    let quota = get(&cloud, &ci("/quota")).await.body[0]["instance"].clone();
    assert_eq!((&quota["maxInstances"], &quota["usedInstances"]), (&json!(4), &json!(4)));
    made(&cloud, wish(&cloud, "SBG5", "am-web").await).await;
}

#[tokio::test]
async fn ids_of_another_region_are_no_ids_here() {
    let cloud = managing().await;
    let (flavor, image) =
        (id_in(&cloud, "flavor", "SBG5", "c3-4").await, id_in(&cloud, "image", "SBG5", "Debian 13").await);
    let windows = id_in(&cloud, "image", "GRA11", "Windows Server 2022 Standard (Core)").await;
    for (members, text) in [
        (json!({ "flavorId": flavor }), "not found in region GRA11"),
        (json!({ "imageId": image }), "not found in region GRA11"),
        (json!({ "sshKeyId": "6f70" }), "SSH key 6f70 not found"),
        (json!({ "region": "DE1" }), "DE1"),
        (json!({ "imageId": windows }), "does not go with a flavor of linux"),
        (json!({ "imageId": null }), "Missing imageRef attribute"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "n".repeat(256) }), "too long"),
        (json!({ "flavorId": null }), "flavorId"),
        (json!({ "region": null }), "region"),
        (json!({ "networks": [{ "networkId": "other" }] }), "Network other not found"),
        (json!({ "userData": "x".repeat(60_000) }), "too long"),
        (json!({ "groupId": "group-1" }), "not simulated"),
        (json!({ "volumeId": "volume-1" }), "not simulated"),
    ] {
        refused(&create(&cloud, wish_with(&cloud, members).await).await, 400, text);
    }
    let windows = json!({
        "flavorId": id_in(&cloud, "flavor", "GRA11", "win-b3-8").await, "imageId": windows,
    });
    made(&cloud, wish_with(&cloud, windows).await).await;
    assert_eq!((cloud.created().len(), cloud.effects().len()), (1, 1), "what is refused made nothing");
    // The name is free text.
    made(&cloud, wish_with(&cloud, json!({ "name": "Büro 2 <a>" })).await).await;
}

#[tokio::test]
async fn an_image_that_left_the_catalogue_makes_no_server() {
    let cloud = managing().await;
    let body = wish(&cloud, "GRA11", "am-web").await;
    let (_, path) = made(&cloud, body.clone()).await;
    cloud.withdraw_image("Debian 13");
    refused(&create(&cloud, body).await, 400, "not found in region GRA11");
    assert_eq!(get(&cloud, &path).await.body["image"], Value::Null, "and is no gap where one was made of it");
}

#[tokio::test]
async fn networks_are_the_public_one_or_those_that_are_named() {
    let cloud = managing().await;
    let sight = get(&cloud, &crate::support::web("/instance?region=GRA11")).await.body;
    let network = |kind: &str| {
        let mut all = sight.as_array().unwrap().iter().flat_map(|item| item["ipAddresses"].as_array().unwrap());
        all.find(|address| address["type"] == kind).unwrap()["networkId"].clone()
    };
    let (public, private) = (network("public"), network("private"));
    for (networks, kinds) in [
        (json!([{ "networkId": public }]), "public public"),
        (json!([{ "networkId": private, "ip": "10.1.2.99" }]), "private"),
        (json!([{ "networkId": public }, { "networkId": private }]), "private public public"),
    ] {
        let (_, path) = made(&cloud, wish_with(&cloud, json!({ "networks": networks })).await).await;
        let addresses = get(&cloud, &path).await.body["ipAddresses"].clone();
        assert_eq!(column(&addresses, "type").join(" "), kinds);
        assert_eq!(column(&addresses, "ip").contains(&"10.1.2.99".to_owned()), kinds == "private");
    }
}

#[tokio::test]
async fn a_suspended_project_and_a_region_in_maintenance_take_none() {
    let cloud = managing().await;
    let body = wish(&cloud, "GRA11", "am-web").await;
    cloud.set_region("GRA11", RegionCondition::Maintenance);
    refused(&create(&cloud, body.clone()).await, 503, "maintenance");
    cloud.set_region("GRA11", RegionCondition::Up);
    cloud.set_project_status(CI_PROJECT, "suspended");
    refused(&create(&cloud, body.clone()).await, 403, "is suspended");
    let key = json!({ "name": "amarre", "publicKey": "ssh-ed25519 AAAA" });
    refused(&send(&cloud, "POST", &ci("/sshkey"), key).await, 403, "is suspended");
    cloud.set_project_status(CI_PROJECT, "ok");
    made(&cloud, body).await;
}

#[tokio::test]
async fn at_first_a_key_may_create_and_delete_nothing() {
    let cloud = start().await;
    let body = wish(&cloud, "GRA11", "am-web").await;
    let (_, path) = crate::support::server(&cloud, "GRA11", "build-1");
    refused(&create(&cloud, body.clone()).await, 403, "not been granted");
    refused(&send(&cloud, "DELETE", &path, Value::Null).await, 403, "not been granted");
    refused(&send(&cloud, "PUT", &path, json!({ "instanceName": "x" })).await, 403, "not been granted");
    assert_eq!((cloud.effects(), cloud.created()), (vec![], vec![]));
    cloud.grant_managing();
    assert_eq!(create(&cloud, body).await.status, 200);
    assert_eq!(verb(&cloud, &path, "vnc").await.status, 200);
    // Refused ones count as well: they may have changed something. A console does not.
    assert_eq!(cloud.writes().len(), 4);
}

#[tokio::test]
async fn a_monthly_server_begins_so() {
    let cloud = managing().await;
    let answer = create(&cloud, wish_with(&cloud, json!({ "monthlyBilling": true })).await).await.body;
    let pending = json!({ "since": "2026-10-05T12:00:00Z", "status": "activationPending" });
    assert_eq!((&answer["monthlyBilling"], &answer["planCode"]), (&pending, &json!("c3-4.monthly.postpaid")));
    cloud.finish();
    let seen = cloud.instance(answer["id"].as_str().unwrap()).unwrap();
    assert_eq!((seen.is_monthly, seen.image), (true, CloudImage::Listed("Debian 13".to_owned())));
    let path = ci(&format!("/instance/{}", seen.id));
    assert_eq!(get(&cloud, &path).await.body["monthlyBilling"]["status"], "ok");
}
