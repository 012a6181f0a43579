//! The dozen, and how its servers are asked for.

use amarre_sim::ovh_cloud::{CI_PROJECT, OvhCloud, OvhCloudOptions, WEB_PROJECT};
use serde_json::Value;

#[path = "../signed/mod.rs"]
mod signed;

pub use signed::*;

impl Api for OvhCloud {
    fn endpoint(&self) -> String {
        self.endpoint()
    }
}

pub async fn start() -> OvhCloud {
    OvhCloud::start(OvhCloudOptions::dozen()).await.unwrap()
}

pub fn ci(rest: &str) -> String {
    format!("/cloud/project/{CI_PROJECT}{rest}")
}

pub fn web(rest: &str) -> String {
    format!("/cloud/project/{WEB_PROJECT}{rest}")
}

/// A server of the project `ci` and the path of its verbs and its detail.
pub fn server(cloud: &OvhCloud, region: &str, name: &str) -> (String, String) {
    let id = cloud.id_of(region, name);
    assert_ne!(id, "", "no {name} in {region}");
    let project = cloud.instance(&id).unwrap().project;
    let path = format!("/cloud/project/{project}/instance/{id}");
    (id, path)
}

/// The answer to a verb without a body.
pub async fn verb(cloud: &OvhCloud, path: &str, verb: &str) -> Answer {
    send(cloud, "POST", &format!("{path}/{verb}"), Value::Null).await
}

pub async fn status(cloud: &OvhCloud, path: &str) -> String {
    get(cloud, path).await.body["status"].as_str().unwrap_or_default().to_owned()
}

/// The words of one member of each item, sorted.
pub fn column(list: &Value, member: &str) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    let mut words: Vec<String> = items.map(|item| item[member].as_str().unwrap_or("null").to_owned()).collect();
    words.sort();
    words
}

/// The dozen, at which a key may create, change and delete.
pub async fn managing() -> OvhCloud {
    let cloud = start().await;
    cloud.grant_managing();
    cloud
}

/// The id of a flavour or an image in a region, as a client finds it.
pub async fn id_in(cloud: &OvhCloud, part: &str, region: &str, name: &str) -> String {
    let all = get(cloud, &ci(&format!("/{part}?region={region}"))).await.body;
    let found = all.as_array().unwrap().iter().find(|item| item["name"] == name);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

/// The body of a creation by the flat route: `c3-4`, Debian 13, the key `deploy`.
pub async fn wish(cloud: &OvhCloud, region: &str, name: &str) -> Value {
    serde_json::json!({
        "name": name,
        "region": region,
        "flavorId": id_in(cloud, "flavor", region, "c3-4").await,
        "imageId": id_in(cloud, "image", region, "Debian 13").await,
        // `deploy`.
        "sshKeyId": "5a47567762473935",
    })
}

/// The same with other members.
pub async fn wish_with(cloud: &OvhCloud, members: Value) -> Value {
    let mut wish = wish(cloud, "GRA11", "am-web").await;
    for (name, value) in members.as_object().unwrap() {
        wish[name] = value.clone();
    }
    wish
}

/// The answer to a creation by the flat route in the project `ci`.
pub async fn create(cloud: &OvhCloud, body: Value) -> Answer {
    send(cloud, "POST", &ci("/instance"), body).await
}

/// A server of the project `ci` that runs: its id, and its path.
pub async fn made(cloud: &OvhCloud, body: Value) -> (String, String) {
    let answer = create(cloud, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    cloud.finish();
    let id = answer.body["id"].as_str().unwrap().to_owned();
    let path = ci(&format!("/instance/{id}"));
    assert_eq!(status(cloud, &path).await, "ACTIVE");
    (id, path)
}

/// The statuses that are shown second by second, each once; of one that is gone `404`.
pub async fn shown(cloud: &OvhCloud, path: &str) -> String {
    let mut shown: Vec<String> = Vec::new();
    for second in 0..60 {
        cloud.advance(i64::from(second > 0));
        let answer = get(cloud, path).await;
        let now = if answer.status == 200 { status(cloud, path).await } else { answer.status.to_string() };
        if shown.last() != Some(&now) {
            shown.push(now);
        }
    }
    shown.join(" ")
}

/// Names in the list of the project `ci`, sorted.
pub async fn names(cloud: &OvhCloud) -> Vec<String> {
    column(&get(cloud, &ci("/instance")).await.body, "name")
}
