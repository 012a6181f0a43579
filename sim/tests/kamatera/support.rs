//! The eight, and how they are asked for.

use amarre_sim::kamatera::{Kamatera, KamateraOptions};
use axum::http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// An answer of either door.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Text for what is not JSON.
    pub body: Value,
}

impl Answer {
    /// What a person is told: the proxy's message, or the console's text, which the proxy hands on as JSON inside of a string.
    pub fn message(&self) -> String {
        let message = self.body["message"].as_str().unwrap_or_default();
        let inner = serde_json::from_str(message).unwrap_or_else(|_| self.body.clone());
        inner["errors"][0]["info"].as_str().unwrap_or(message).to_owned()
    }

    pub fn is_list(&self) -> bool {
        self.status == 200 && self.body.is_array()
    }
}

pub async fn start() -> Kamatera {
    Kamatera::start(KamateraOptions::eight()).await.unwrap()
}

/// A call with the simulator's default login.
pub async fn call(cloud: &Kamatera, method: &str, path: &str, body: Value) -> Answer {
    call_as(cloud, method, path, body, &[("AuthClientId", "client-id"), ("AuthSecret", "secret")]).await
}

/// A call with these headers.
pub async fn call_as(cloud: &Kamatera, method: &str, path: &str, body: Value, headers: &[(&str, &str)]) -> Answer {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(format!("{}{path}", cloud.endpoint()))
        .header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.body(Full::<axum::body::Bytes>::from(text)).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Answer { status: head.status.as_u16(), body }
}

pub async fn get(cloud: &Kamatera, path: &str) -> Answer {
    call(cloud, "GET", path, Value::Null).await
}

pub async fn post(cloud: &Kamatera, path: &str, body: Value) -> Answer {
    call(cloud, "POST", path, body).await
}

/// What a careful client sends to create a server: every flag, empty ones as `""`.
pub fn wish(name: &str) -> Value {
    json!({
        "name": name, "password": "", "passwordValidate": "", "ssh-key": "ssh-ed25519 AAAA ops", "datacenter": "EU",
        "image": "ubuntu_server_24.04_64-bit", "cpu": "2B", "ram": "2048", "disk": "size=20",
        "network": "name=wan,ip=auto", "dailybackup": "no", "managed": "no", "quantity": 1, "billingcycle": "hourly",
        "monthlypackage": "", "poweronaftercreate": "yes", "script-file": "", "userdata-file": "", "tag": "",
    })
}

/// The same with some flags otherwise.
pub fn wish_with(name: &str, flags: Value) -> Value {
    let mut wish = wish(name);
    for (flag, value) in flags.as_object().unwrap() {
        wish[flag] = value.clone();
    }
    wish
}

/// The command that an answer names.
#[track_caller]
pub fn command(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body[0].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// One command as the proxy's queue has it.
pub async fn queued(cloud: &Kamatera, command: &str) -> Value {
    let answer = get(cloud, &format!("/service/queue?id={command}")).await;
    assert_eq!(answer.body.as_array().map(Vec::len), Some(1), "{answer:?}");
    answer.body[0].clone()
}

/// What `/service/server/info` has of a server.
pub async fn info(cloud: &Kamatera, id: &str) -> Value {
    let answer = post(cloud, "/service/server/info", json!({ "id": id })).await;
    assert_eq!(answer.body.as_array().map(Vec::len), Some(1), "{answer:?}");
    answer.body[0].clone()
}

#[track_caller]
pub fn refused(answer: &Answer, status: u16, text: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.message().contains(text), "{answer:?}");
}

/// The words of one member of each item, sorted.
#[track_caller]
pub fn column(list: &Value, member: &str) -> Vec<String> {
    let items = list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter();
    let mut words: Vec<String> = items.map(|item| item[member].as_str().unwrap_or("null").to_owned()).collect();
    words.sort();
    words
}
