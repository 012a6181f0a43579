//! What the lists and details say, oddities included.

use axum::body::Bytes;
use axum::http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{ci, column, fetch, get, refused, server, start, web};

/// An item of the web project's list, by region and name.
async fn listed(cloud: &amarre_sim::ovh_cloud::OvhCloud, region: &str, name: &str) -> Value {
    let list = get(cloud, &web("/instance")).await.body;
    let found = list.as_array().unwrap().iter().find(|item| item["region"] == region && item["name"] == name);
    found.unwrap().clone()
}

#[tokio::test]
async fn projects_say_what_they_are_called() {
    let cloud = start().await;
    let ids = get(&cloud, "/cloud/project").await;
    assert!(ids.header("x-ovh-queryid").starts_with("EU.ext-"));
    let mut names = Vec::new();
    for id in ids.body.as_array().unwrap() {
        let project = get(&cloud, &format!("/cloud/project/{}", id.as_str().unwrap())).await.body;
        assert_eq!((&project["project_id"], &project["status"]), (id, &json!("ok")));
        names.push(project["description"].as_str().unwrap().to_owned());
    }
    assert_eq!(names, ["ci", "web"]);
}

#[tokio::test]
async fn a_list_holds_all_regions_and_one_holds_one() {
    let cloud = start().await;
    let all = get(&cloud, &ci("/instance")).await.body;
    assert_eq!(column(&all, "region"), ["BHS5", "BHS5", "GRA11", "GRA11", "GRA11", "SBG5", "SBG5"]);
    let one = get(&cloud, &ci("/instance?region=SBG5")).await.body;
    assert_eq!(column(&one, "name"), ["build-3", "win-agent"]);
    let names = column(&get(&cloud, &web("/instance")).await.body, "name");
    assert_eq!(names, ["db-1", "db-2", "staging", "web-1", "web-1"]);
}

#[tokio::test]
async fn nothing_to_say_is_null() {
    let cloud = start().await;
    let item = listed(&cloud, "SBG5", "db-2").await;
    assert_eq!((&item["imageId"], &item["currentMonthOutgoingTraffic"]), (&Value::Null, &Value::Null));
    assert_eq!(item["operationIds"], json!([]));
    let (_, volume) = server(&cloud, "SBG5", "db-2");
    assert_eq!(get(&cloud, &volume).await.body["image"], Value::Null);

    // The image left the catalogue, and the key was deleted: the list still has their ids.
    let item = listed(&cloud, "BHS5", "staging").await;
    assert!(item["imageId"].is_string() && item["sshKeyId"].is_string());
    let (_, path) = server(&cloud, "BHS5", "staging");
    let detail = get(&cloud, &path).await.body;
    assert_eq!((&detail["image"], &detail["sshKey"]), (&Value::Null, &Value::Null));
    let image = web(&format!("/image/{}", item["imageId"].as_str().unwrap()));
    refused(&get(&cloud, &image).await, 404, "does not exist");

    let (_, path) = server(&cloud, "BHS5", "cache-1");
    assert_eq!(get(&cloud, &path).await.body["sshKey"], Value::Null);
}

#[tokio::test]
async fn images_and_keys_vanish() {
    let cloud = start().await;
    let (_, path) = server(&cloud, "GRA11", "db-1");
    let before = get(&cloud, &path).await.body;
    assert_eq!((&before["image"]["name"], &before["sshKey"]["name"]), (&json!("Debian 13"), &json!("deploy")));
    cloud.withdraw_image("Debian 13");
    cloud.remove_key(amarre_sim::ovh_cloud::WEB_PROJECT, "deploy");
    let after = get(&cloud, &path).await.body;
    assert_eq!((&after["image"], &after["sshKey"]), (&Value::Null, &Value::Null));
    assert_eq!(get(&cloud, &web("/sshkey")).await.body, json!([]));
    assert!(!column(&get(&cloud, &web("/image")).await.body, "name").contains(&"Debian 13".to_owned()));
}

#[tokio::test]
async fn memory_has_two_units() {
    let cloud = start().await;
    let (_, path) = server(&cloud, "GRA11", "db-1");
    let flavor = get(&cloud, &path).await.body["flavor"].clone();
    let catalogue = web(&format!("/flavor/{}", flavor["id"].as_str().unwrap()));
    assert_eq!((&flavor["ram"], &get(&cloud, &catalogue).await.body["ram"]), (&json!(8), &json!(8000)));
    cloud.catalogue_ram_in_mb(false);
    assert_eq!(get(&cloud, &catalogue).await.body["ram"], 8);
}

#[tokio::test]
async fn one_name_has_an_id_in_each_region() {
    let cloud = start().await;
    for part in ["flavor", "image"] {
        let all = get(&cloud, &ci(&format!("/{part}"))).await.body;
        let mut ids = column(&all, "id");
        ids.dedup();
        assert_eq!(ids.len(), all.as_array().unwrap().len());
        let one = get(&cloud, &ci(&format!("/{part}?region=BHS5"))).await.body;
        assert_eq!(one.as_array().unwrap().len() * 3, ids.len());
        let mut regions = column(&one, "region");
        regions.dedup();
        assert_eq!(regions, ["BHS5"]);
    }
    let windows = get(&cloud, &ci("/image?region=GRA11&osType=windows")).await.body;
    assert_eq!(column(&windows, "user"), ["Administrator"]);
}

#[tokio::test]
async fn money_is_told_apart() {
    let cloud = start().await;
    let monthly = listed(&cloud, "GRA11", "web-1").await;
    assert_eq!(monthly["monthlyBilling"], json!({ "since": "2026-09-01T00:00:00Z", "status": "ok" }));
    assert_eq!(monthly["planCode"], "b3-8.monthly.postpaid");
    let hourly = listed(&cloud, "SBG5", "web-1").await;
    assert_eq!((&hourly["monthlyBilling"], &hourly["planCode"]), (&Value::Null, &json!("b3-8.consumption")));
    let (_, windows) = server(&cloud, "SBG5", "win-agent");
    assert_eq!(get(&cloud, &windows).await.body["licensePlanCode"], "win-b3-8.license");
}

#[tokio::test]
async fn prices_need_no_signature() {
    let cloud = start().await;
    let ask = async |query: &str| {
        let url = format!("{}/order/catalog/public/cloud{query}", cloud.endpoint());
        fetch(Request::get(url).body(Full::<Bytes>::default()).unwrap()).await
    };
    let catalogue = ask("?ovhSubsidiary=FR").await.body;
    assert_eq!(catalogue["locale"]["currencyCode"], "EUR");
    let plans = catalogue["addons"].as_array().unwrap();
    for list in [ci("/instance"), web("/instance")] {
        for plan in column(&get(&cloud, &list).await.body, "planCode") {
            let addon = plans.iter().find(|addon| addon["planCode"] == plan.as_str()).unwrap();
            assert!(addon["pricings"][0]["price"].as_i64().unwrap() > 1_000_000, "{plan}");
        }
    }
    refused(&ask("").await, 400, "ovhSubsidiary");
    refused(&ask("?ovhSubsidiary=XX").await, 400, "XX");
}

#[tokio::test]
async fn keys_quotas_and_regions() {
    let cloud = start().await;
    let keys = get(&cloud, &ci("/sshkey")).await.body;
    // Base64 in hexadecimal digits: `ZGVwbG95`.
    assert_eq!((&keys[0]["name"], &keys[0]["id"]), (&json!("deploy"), &json!("5a47567762473935")));
    let key = get(&cloud, &ci(&format!("/sshkey/{}", keys[0]["id"].as_str().unwrap()))).await.body;
    assert_eq!(key["fingerPrint"].as_str().unwrap().len(), 47);
    let quotas = get(&cloud, &ci("/quota")).await.body;
    assert_eq!((&quotas[0]["region"], &quotas[0]["instance"]["usedInstances"]), (&json!("GRA11"), &json!(3)));
    assert_eq!((&quotas[0]["instance"]["usedCores"], &quotas[0]["instance"]["usedRAM"]), (&json!(12), &json!(53_000)));
    assert_eq!(get(&cloud, &ci("/region")).await.body, json!(["GRA11", "SBG5", "BHS5"]));
    let region = get(&cloud, &ci("/region/BHS5")).await.body;
    assert_eq!((&region["status"], &region["continentCode"]), (&json!("UP"), &json!("NA")));
    refused(&get(&cloud, &ci("/region/DE1")).await, 404, "does not exist");
}

#[tokio::test]
async fn an_open_operation_stands_with_its_server() {
    let cloud = start().await;
    let (id, path) = server(&cloud, "GRA11", "build-1");
    assert_eq!(get(&cloud, &ci("/operation")).await.body, json!([]));
    let operation = cloud.add_operation(&id, "instance#reinstall", "in-progress");
    cloud.add_operation(&id, "instance#snapshot", "completed");
    assert_eq!(get(&cloud, &path).await.body["operationIds"], json!([operation]));
    let shown = get(&cloud, &ci(&format!("/operation/{operation}"))).await.body;
    assert_eq!((&shown["resourceId"], &shown["completedAt"]), (&json!(id), &Value::Null));
    assert_eq!(shown["action"], "instance#reinstall");
    assert_eq!(get(&cloud, &ci("/operation")).await.body.as_array().unwrap().len(), 2);
}
