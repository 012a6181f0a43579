//! What tests may do to the simulator beside its API.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "npm/client.rs"]
mod client;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use amarre_sim::Fault;
use amarre_sim::npm::{Front, Kind, Npm, NpmOptions, NpmPermissions, NpmUser, Visibility};
use client::Answer;
use serde_json::{Value, json};

const HOSTS: &str = "/api/nginx/proxy-hosts";

async fn call(npm: &Npm, method: &str, path: &str, token: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    client::send(npm.server.address, method, path, &headers, body.to_string()).await
}

async fn log_in(npm: &Npm) -> String {
    log_in_as(npm, "amarre@amarre.demo", "changeme-npm").await
}

async fn log_in_as(npm: &Npm, identity: &str, secret: &str) -> String {
    let login = json!({"identity": identity, "secret": secret});
    let answer = call(npm, "POST", "/api/tokens", "", &login).await;
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn tokens_expire_when_told_and_by_their_lifetime() {
    let npm = Npm::start(NpmOptions::default()).await.unwrap();
    let token = log_in(&npm).await;
    assert_eq!(call(&npm, "GET", HOSTS, &token, &json!({})).await.status, 200);
    npm.expire_tokens();
    let answer = call(&npm, "GET", HOSTS, &token, &json!({})).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("Token has expired"));
    npm.set_token_lifetime(Duration::ZERO);
    let token = log_in(&npm).await;
    assert_eq!(call(&npm, "GET", HOSTS, &token, &json!({})).await.status, 400);
}

#[tokio::test]
async fn a_backend_that_is_down_answers_pages() {
    let npm = Npm::start(NpmOptions::default()).await.unwrap();
    npm.backend_down(true);
    let answer = call(&npm, "GET", "/api/", "", &json!({})).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..6]), (502, "<html>"));
    npm.backend_down(false);
    let answer = call(&npm, "GET", "/api/", "", &json!({})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json; charset=utf-8");
}

#[tokio::test]
async fn edits_in_the_ui_keep_or_lose_the_marker() {
    let npm = Npm::start(NpmOptions::default()).await.unwrap();
    let id = npm.seed_proxy_host(&json!({
        "domain_names": ["a.example.com"], "forward_host": "app", "forward_port": 1,
        "meta": {"managed_by": "amarre"},
    }));
    npm.edit_proxy_host(id, &json!({"forward_port": 2}));
    let row = npm.rows(Kind::ProxyHost).remove(0);
    assert_eq!(row["forward_port"], 2);
    assert_eq!(row["meta"]["managed_by"], "amarre");
    assert_eq!(row["meta"]["nginx_online"], true);
    npm.drop_marker(id);
    let row = npm.rows(Kind::ProxyHost).remove(0);
    assert_eq!(row["meta"].get("managed_by"), None);
    assert_eq!(row["meta"]["nginx_online"], true);
    assert!(npm.server.journal.calls().is_empty());
}

#[tokio::test]
async fn a_lost_answer_leaves_the_row() {
    let npm = Npm::start(NpmOptions::default()).await.unwrap();
    let token = log_in(&npm).await;
    npm.server.faults.add("POST", HOSTS, 1, Fault::After(502));
    let host = json!({
        "domain_names": ["a.example.com"], "forward_scheme": "http", "forward_host": "app",
        "forward_port": 1,
    });
    assert_eq!(call(&npm, "POST", HOSTS, &token, &host).await.status, 502);
    let answer = call(&npm, "POST", HOSTS, &token, &host).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("a.example.com is already in use"));
    assert_eq!(npm.rows(Kind::ProxyHost).len(), 1);
    let statuses: Vec<u16> = npm.server.journal.writes().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [200, 502, 400]);
}

#[tokio::test]
async fn seeded_rows_are_seen_by_the_api() {
    let npm = Npm::start(NpmOptions::default()).await.unwrap();
    let certificate = npm.seed_certificate("wild", &["*.example.com", "example.com"]);
    let list = npm.seed_access_list(&json!({
        "name": "people", "items": [{"username": "ann", "password": "secret"}],
    }));
    let token = log_in(&npm).await;
    let path = format!("/api/nginx/certificates/{certificate}");
    let answer = call(&npm, "GET", &path, &token, &json!({})).await;
    let row: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(row["domain_names"], json!(["*.example.com", "example.com"]));
    let path = format!("/api/nginx/access-lists/{list}?expand=items,clients");
    let answer = call(&npm, "GET", &path, &token, &json!({})).await;
    let row: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(row["items"][0]["hint"], "s*****");
    assert_eq!(row["items"][0]["password"], "");
    assert_eq!(npm.rows(Kind::AccessList)[0]["items"][0]["password"], "secret");
}

#[tokio::test]
async fn a_lost_file_is_seen_in_meta_and_repaired_by_any_put() {
    let npm = Npm::start(NpmOptions::default()).await.unwrap();
    let id = npm.seed_proxy_host(&json!({
        "domain_names": ["a.example.com"], "forward_host": "127.0.0.1", "forward_port": 1,
        "meta": {"managed_by": "amarre"},
    }));
    npm.lose_file(id);
    assert_eq!(npm.rows(Kind::ProxyHost)[0]["meta"], json!({"managed_by": "amarre"}));
    let token = log_in(&npm).await;
    let path = format!("{HOSTS}/{id}");
    call(&npm, "PUT", &path, &token, &json!({"enabled": true})).await;
    assert_eq!(npm.rows(Kind::ProxyHost)[0]["meta"]["nginx_online"], true);
}

#[tokio::test]
async fn lists_are_ordered_by_the_text_of_their_names() {
    let npm = Npm::start(NpmOptions::default()).await.unwrap();
    let names = ["b.example.com", "a_b.example.com", "Upper.example.com", "*.w.example.com"];
    for name in names {
        npm.seed_proxy_host(&json!({"domain_names": [name], "forward_host": "x"}));
    }
    let token = log_in(&npm).await;
    let answer = call(&npm, "GET", HOSTS, &token, &json!({})).await;
    let rows: Vec<Value> = serde_json::from_str(&answer.body).unwrap();
    let listed: Vec<&str> = rows.iter().map(|row| row["domain_names"][0].as_str().unwrap()).collect();
    assert_eq!(listed, ["*.w.example.com", "Upper.example.com", "a_b.example.com", "b.example.com"]);
}

#[tokio::test]
async fn the_audit_log_tells_who_did_what() {
    let mut options = NpmOptions::default();
    let own = NpmPermissions { visibility: Visibility::All, ..NpmPermissions::user() };
    options.users.push(NpmUser::plain(7, "bot@example.net", "bot-password-123", own));
    let npm = Npm::start(options).await.unwrap();
    let bot = &log_in_as(&npm, "bot@example.net", "bot-password-123").await;
    let host = json!({
        "domain_names": ["a.example.com"], "forward_scheme": "http", "forward_host": "x",
        "forward_port": 1,
    });
    assert_eq!(call(&npm, "POST", HOSTS, bot, &host).await.status, 201);
    npm.edit_proxy_host(1, &json!({"forward_port": 2}));
    assert_eq!(call(&npm, "GET", "/api/audit-log", bot, &json!({})).await.status, 404);
    let admin = log_in_as(&npm, "bob@example.org", "changeme-bob").await;
    let answer = call(&npm, "GET", "/api/audit-log?expand=user", &admin, &json!({})).await;
    let entries: Vec<Value> = serde_json::from_str(&answer.body).unwrap();
    let told: Vec<(&str, u64)> = entries
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap(), entry["user"]["id"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("updated", 1), ("created", 7)]);
}

/// Takes note of what a real nginx would be told; refuses what has `refused` in it.
#[derive(Default)]
struct Notes {
    told: Mutex<Vec<String>>,
    refuses: Mutex<bool>,
}

impl Front for Notes {
    fn write(&self, name: &str, text: Option<&str>) {
        *self.refuses.lock().unwrap() = text.is_some_and(|text| text.contains("refused"));
        let line = text.map_or_else(|| format!("take {name}"), |text| format!("write {name} {text}"));
        self.told.lock().unwrap().push(line);
    }

    fn test(&self) -> Result<(), String> {
        if *self.refuses.lock().unwrap() { Err("nginx: [emerg] refused".to_owned()) } else { Ok(()) }
    }

    fn reload(&self) {
        self.told.lock().unwrap().push("reload".to_owned());
    }
}

#[tokio::test]
async fn a_real_nginx_in_front_is_given_every_file_and_reloaded() {
    let notes = Arc::new(Notes::default());
    let npm = Npm::start(NpmOptions { front: Some(notes.clone()), ..NpmOptions::default() }).await.unwrap();
    let token = log_in(&npm).await;
    let told = || std::mem::take(&mut *notes.told.lock().unwrap());
    let host = json!({
        "domain_names": ["a.example.com"], "forward_scheme": "http", "forward_host": "10.1.2.3", "forward_port": 80,
    });
    assert_eq!(call(&npm, "POST", HOSTS, &token, &host).await.status, 201);
    let first = told();
    assert_eq!(first.len(), 2, "{first:?}");
    for part in ["write 1.conf", "set $server \"10.1.2.3\";", "set $port 80;", "server_name a.example.com;"] {
        assert!(first[0].contains(part), "{part}: {first:?}");
    }
    assert_eq!(first[1], "reload");
    let one = format!("{HOSTS}/1");
    assert_eq!(call(&npm, "PUT", &one, &token, &json!({"advanced_config": "# refused"})).await.status, 200);
    assert_eq!(told().last().unwrap(), "reload", "without the file of the host");
    let row: Value = serde_json::from_str(&call(&npm, "GET", &one, &token, &json!({})).await.body).unwrap();
    assert_eq!(row["meta"]["nginx_online"], false);
    assert_eq!(row["meta"]["nginx_err"], "nginx: [emerg] refused");
    assert_eq!(call(&npm, "DELETE", &one, &token, &json!({})).await.status, 200);
    assert_eq!(told(), ["take 1.conf", "reload"]);
}
