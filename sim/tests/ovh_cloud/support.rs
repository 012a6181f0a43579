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
