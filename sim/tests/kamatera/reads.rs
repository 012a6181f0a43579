//! The list, the detail, names that are expressions, and the catalogue.

use amarre_sim::Fault;
use serde_json::{Value, json};

use crate::support::{column, get, info, post, refused, start};

#[tokio::test]
async fn the_list_has_four_members_at_both_doors() {
    let cloud = start().await;
    let list = get(&cloud, "/service/servers").await;
    assert_eq!(list.body.as_array().unwrap().len(), 8);
    for item in list.body.as_array().unwrap() {
        let members: Vec<&str> = item.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["datacenter", "id", "name", "power"]);
    }
    assert_eq!(get(&cloud, "/console/service/servers").await.body, list.body);
    assert_eq!(column(&list.body, "power").iter().filter(|power| *power == "off").count(), 3);
}

#[tokio::test]
async fn a_list_that_fails_is_answered_200_at_the_proxy() {
    let cloud = start().await;
    cloud.list_fails(true);
    let proxy = get(&cloud, "/service/servers").await;
    assert_eq!((proxy.status, proxy.is_list()), (200, false));
    let errors = json!({ "errors": [{ "code": 20, "info": "error occurred", "category": "General Error" }] });
    assert_eq!(proxy.body, errors);
    let console = get(&cloud, "/console/service/servers").await;
    assert_eq!((console.status, console.body), (500, errors));
    cloud.list_fails(false);
    assert!(get(&cloud, "/service/servers").await.is_list());
}

#[tokio::test]
async fn the_detail_has_numbers_in_strings_and_the_hourly_price_twice() {
    let cloud = start().await;
    let id = cloud.id_of("shop-db");
    let detail = info(&cloud, &id).await;
    let networks = json!([
        { "network": "wan-eu", "ips": ["203.0.113.6"] },
        { "network": "lan-12345-backend", "ips": ["10.0.0.5"] },
    ]);
    assert_eq!((&detail["diskSizes"], &detail["networks"]), (&json!([50, 100]), &networks));
    assert_eq!((&detail["cpu"], &detail["ram"], &detail["power"]), (&json!("4D"), &json!(8192), &json!("on")));
    assert_eq!((&detail["managed"], &detail["backup"]), (&json!("0"), &json!("0")));
    assert_eq!(detail["priceHourlyOn"], detail["priceHourlyOff"]);
    assert_eq!(detail.get("tags").or(detail.get("image")), None);
    cloud.prices_missing(true);
    let detail = info(&cloud, &id).await;
    assert_eq!((&detail["priceMonthlyOn"], &detail["priceHourlyOff"]), (&json!(""), &json!("")));
    let console = get(&cloud, &format!("/console/service/server/{id}")).await.body;
    assert_eq!((&console["name"], console.get("priceMonthlyOn")), (&json!("shop-db"), None));
}

#[tokio::test]
async fn prices_are_those_of_the_list_of_prices() {
    let cloud = start().await;
    let detail = info(&cloud, &cloud.id_of("shop-web")).await;
    assert_eq!((&detail["priceMonthlyOn"], &detail["priceHourlyOn"]), (&json!("25.00"), &json!("0.034")));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let cloud = start().await;
    refused(&post(&cloud, "/service/server/info", json!({ "id": "nosuch" })).await, 500, "error occurred");
    refused(&get(&cloud, "/console/service/server/nosuch").await, 404, "error occurred");
    let none = json!({ "name": "nosuch" });
    refused(&post(&cloud, "/service/server/info", none).await, 500, "No servers found (name='nosuch')");
    let none = json!({ "name": "nosuch", "allow-no-servers": true });
    assert_eq!(post(&cloud, "/service/server/info", none).await.body, json!([]));
    let both = json!({ "name": "shop-web", "id": cloud.id_of("shop-web") });
    refused(&post(&cloud, "/service/server/info", both).await, 400, "'name' or 'id' but not both");
}

#[tokio::test]
async fn a_name_is_an_expression() {
    let cloud = start().await;
    let found =
        async |name: &str| column(&post(&cloud, "/service/server/info", json!({ "name": name })).await.body, "name");
    assert_eq!(found("shop-.*").await, ["shop-db", "shop-web", "shop-web(1)"]);
    assert_eq!(found("shop.web").await, ["shop-web"]);
    // The end is bound to the last alternative only, and the start to the first.
    assert_eq!(found("old|1").await, ["batch-1", "build-1", "cache-1", "old-mail"]);
    // The suffix is a group.
    let answer = post(&cloud, "/service/server/info", json!({ "name": "shop-web(1)" })).await;
    refused(&answer, 500, "No servers found (name='shop-web(1)')");
    assert_eq!(found(r"shop-web\(1\)").await, ["shop-web(1)"]);
    let broken = post(&cloud, "/service/server/info", json!({ "name": "shop-(" })).await;
    refused(&broken, 500, "Failed to run command method (serversInfo)");
}

#[tokio::test]
async fn calls_about_one_server_refuse_a_name_of_several() {
    let cloud = start().await;
    for path in ["/server/tags", "/server/description", "/server/disk", "/server/snapshot", "/server/history"] {
        let several = post(&cloud, path, json!({ "name": "shop-.*" })).await;
        refused(&several, 500, "Too many matching servers (name='shop-.*')");
        assert_eq!(post(&cloud, path, json!({ "name": "shop-web" })).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_detail_fails_now_and_then() {
    let cloud = start().await;
    let ask = json!({ "id": cloud.id_of("shop-web") });
    cloud.info_fails(2);
    for _ in 0..2 {
        let answer = post(&cloud, "/service/server/info", ask.clone()).await;
        assert_eq!(answer.status, 500);
        assert_eq!(answer.body, json!({ "message": "Failed to run command method (serversInfo)" }));
    }
    assert!(post(&cloud, "/service/server/info", ask).await.is_list());
    cloud.server.faults.add("GET", "/service/servers", 1, Fault::Before(502));
    assert_eq!(get(&cloud, "/service/servers").await.status, 502);
}

#[tokio::test]
async fn the_catalogue_is_asked_for_by_datacenter() {
    let cloud = start().await;
    let datacenters = get(&cloud, "/service/server?datacenter=1").await.body;
    assert!(column(&datacenters, "id").contains(&"US-NY2".to_owned()));
    let images = get(&cloud, "/service/server?images=1&datacenter=IL").await.body;
    let ids = column(&images, "id");
    assert!(ids.iter().all(|id| id.starts_with("IL:6000C29") && id.len() == 35), "{ids:?}");
    cloud.withdraw_image("Ubuntu Server 22.04 LTS 64-bit");
    let fewer = get(&cloud, "/service/server?images=1&datacenter=IL").await.body;
    assert_eq!(fewer.as_array().unwrap().len() + 1, images.as_array().unwrap().len());
    let sizes = get(&cloud, "/service/server?sizes=1&datacenter=EU").await.body;
    assert_eq!(column(&sizes, "id"), ["large", "medium", "small"]);
    let can = get(&cloud, "/service/server?capabilities=1&datacenter=EU").await.body;
    assert_eq!(column(&can["cpuTypes"], "id"), ["A", "B", "D", "T"]);
    for path in ["/service/server?images=1", "/service/server?sizes=1&datacenter=XX", "/service/server"] {
        let answer = get(&cloud, path).await;
        assert_eq!((answer.status, answer.body.get("errors").is_some()), (200, true), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn tags_and_descriptions_are_there_at_once() {
    let cloud = start().await;
    let id = cloud.id_of("shop-web");
    let tags = post(&cloud, "/server/tags", json!({ "id": id })).await.body;
    assert_eq!(tags, json!([{ "id": id, "tagName": "shop" }]));
    assert_eq!(cloud.effects(), []);
    let tags = post(&cloud, "/server/tags", json!({ "id": id, "add": "amarre-prod" })).await.body;
    assert_eq!(column(&tags, "tagName"), ["amarre-prod", "shop"]);
    let tags = post(&cloud, "/server/tags", json!({ "id": id, "remove": "shop" })).await.body;
    assert_eq!(column(&tags, "tagName"), ["amarre-prod"]);
    let text = post(&cloud, "/server/description", json!({ "id": id })).await.body;
    assert_eq!(text, json!([{ "name": "shop-web", "description": "Ubuntu Server 24.04 LTS 64-bit" }]));
    let text = post(&cloud, "/server/description", json!({ "id": id, "set": "a shop" })).await.body;
    assert_eq!(text[0]["description"], "a shop");
    let seen = cloud.instance(&id).unwrap();
    assert_eq!((seen.tags, seen.description), (vec!["amarre-prod".to_owned()], "a shop".to_owned()));
    assert_eq!(post(&cloud, "/server/history", json!({ "id": id })).await.body[0]["date"], "05/10/2026 12:00:00");
    assert_eq!(info(&cloud, &id).await["description"], Value::Null);
}
