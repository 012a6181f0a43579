//! Who may call what.

use amarre_sim::ovh_cloud::{OvhCloud, READING_RULES};
use axum::body::Bytes;
use axum::http::Request;
use http_body_util::Full;
use serde_json::json;

use crate::support::{Answer, Signer, ci, fetch, get, refused, send, server, start, verb, web};

async fn token(cloud: &OvhCloud) -> String {
    let form = "grant_type=client_credentials&client_id=client-id&client_secret=client-secret&scope=all";
    let answer = fetch(Request::post(cloud.token_url()).body(Full::from(form)).unwrap()).await;
    answer.body["access_token"].as_str().unwrap().to_owned()
}

async fn bearing(cloud: &OvhCloud, token: &str, method: &str, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(format!("{}{path}", cloud.endpoint()));
    let request = request.header("authorization", format!("Bearer {token}"));
    fetch(request.body(Full::<Bytes>::default()).unwrap()).await
}

#[tokio::test]
async fn the_clock_needs_no_key_and_rules_the_signatures() {
    let cloud = start().await;
    cloud.clock_skew(3600);
    let url = format!("{}/auth/time", cloud.endpoint());
    let answer = fetch(Request::get(url).body(Full::<Bytes>::default()).unwrap()).await;
    assert!(answer.body.as_i64().unwrap() > jiff::Timestamp::now().as_second() + 3500);
    refused(&get(&cloud, "/cloud/project").await, 400, "Query out of time");
    let ahead = Signer { seconds_ahead: 3600, ..Signer::right() };
    assert_eq!(ahead.send(&cloud, "GET", "/cloud/project", "", &[]).await.status, 200);
}

#[tokio::test]
async fn a_wrong_signature_is_refused() {
    let cloud = start().await;
    let right = Signer::right();
    for (signer, status, text) in [
        (Signer { secret: "wrong".to_owned(), ..right.clone() }, 400, "Invalid signature"),
        (Signer { consumer_key: "wrong".to_owned(), ..right.clone() }, 403, "This credential is not valid"),
        (Signer { application_key: "wrong".to_owned(), ..right }, 403, "This application key is invalid"),
    ] {
        refused(&signer.send(&cloud, "GET", &ci("/instance"), "", &[]).await, status, text);
    }
}

#[tokio::test]
async fn both_versions_name_the_same_calls() {
    let cloud = start().await;
    let one = get(&cloud, &ci("/instance")).await.body;
    let request = format!("{}/v1/cloud/project", cloud.server.url());
    let answer = fetch(Request::get(request).body(Full::<Bytes>::default()).unwrap()).await;
    refused(&answer, 403, "This application key is invalid");
    assert_eq!(one.as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn a_key_may_what_its_rules_say() {
    let cloud = start().await;
    let (_, path) = server(&cloud, "GRA11", "build-2");
    cloud.grant_only(&READING_RULES);
    let answer = verb(&cloud, &path, "start").await;
    refused(&answer, 403, "This call has not been granted");
    assert_eq!(answer.body["errorCode"], "NOT_GRANTED_CALL");
    let rules = get(&cloud, "/auth/currentCredential").await.body["rules"].clone();
    assert_eq!(rules[1], json!({ "method": "GET", "path": "/cloud/project/*" }));
    assert_eq!(get(&cloud, &path).await.status, 200);

    cloud.grant_only(&[("GET", "/cloud/project"), ("GET", &ci("*")), ("POST", &ci("/instance/*/start"))]);
    refused(&get(&cloud, &web("/instance")).await, 403, "This call has not been granted");
    assert_eq!(verb(&cloud, &path, "start").await.status, 200);
    refused(&verb(&cloud, &path, "stop").await, 403, "This call has not been granted");
    assert_eq!(cloud.effects().len(), 1);
}

#[tokio::test]
async fn a_key_is_taken_back_while_it_is_used() {
    let cloud = start().await;
    assert_eq!(get(&cloud, &ci("/instance")).await.status, 200);
    cloud.withdraw_key(true);
    let answer = get(&cloud, &ci("/instance")).await;
    refused(&answer, 403, "This credential is not valid");
    assert_eq!(answer.body["errorCode"], "INVALID_CREDENTIAL");
    refused(&get(&cloud, "/auth/currentCredential").await, 403, "This credential is not valid");
    cloud.withdraw_key(false);
    assert_eq!(get(&cloud, &ci("/instance")).await.status, 200);
}

#[tokio::test]
async fn a_service_account_may_what_its_policy_says() {
    let cloud = start().await;
    let (_, path) = server(&cloud, "GRA11", "build-2");
    let token = token(&cloud).await;
    for rest in ["", "/instance", "/region/GRA11/instance", "/flavor", "/image", "/sshkey", "/quota", "/operation"] {
        assert_eq!(bearing(&cloud, &token, "GET", &ci(rest)).await.status, 200, "{rest}");
    }
    assert_eq!(bearing(&cloud, &token, "POST", &format!("{path}/start")).await.status, 200);

    cloud.grant_actions(&["publicCloudProject:apiovh:instance/get"]);
    for (method, path, action) in [
        ("POST", format!("{path}/stop"), "publicCloudProject:apiovh:instance/stop"),
        ("GET", ci("/flavor"), "publicCloudProject:apiovh:flavor/get"),
        ("GET", ci("/region/GRA11/instance"), "publicCloudProject:apiovh:region/instance/get"),
        ("GET", "/cloud/project".to_owned(), "publicCloudProject:apiovh:get"),
    ] {
        let answer = bearing(&cloud, &token, method, &path).await;
        refused(&answer, 403, "User not granted for this request");
        assert_eq!(answer.body["details"]["unauthorizedActionsByIAM"], action);
    }
    assert_eq!(bearing(&cloud, &token, "GET", &path).await.status, 200);
    cloud.withdraw_tokens();
    assert_eq!(bearing(&cloud, &token, "GET", &path).await.status, 401);
}

#[tokio::test]
async fn a_service_account_creates_and_deletes_by_rights_of_their_own() {
    let cloud = start().await;
    let (_, path) = server(&cloud, "GRA11", "build-2");
    let token = token(&cloud).await;
    for (method, path, action) in [
        ("POST", ci("/instance"), "instance/create"),
        ("POST", ci("/region/GRA11/instance"), "region/instance/create"),
        ("DELETE", path.clone(), "instance/delete"),
        ("PUT", path.clone(), "instance/edit"),
        ("POST", format!("{path}/resize"), "instance/resize"),
        ("POST", format!("{path}/reinstall"), "instance/reinstall"),
        ("POST", format!("{path}/snapshot"), "instance/snapshot"),
        ("POST", format!("{path}/vnc"), "instance/vnc/create"),
        ("POST", format!("{path}/activeMonthlyBilling"), "instance/activeMonthlyBilling"),
        ("GET", ci("/snapshot"), "snapshot/get"),
        ("DELETE", ci("/snapshot/x"), "snapshot/delete"),
        ("POST", ci("/sshkey"), "sshkey/create"),
        ("DELETE", ci("/sshkey/x"), "sshkey/delete"),
    ] {
        let right = format!("publicCloudProject:apiovh:{action}");
        let answer = bearing(&cloud, &token, method, &path).await;
        refused(&answer, 403, "User not granted for this request");
        assert_eq!(answer.body["details"]["unauthorizedActionsByIAM"], right.as_str());
        cloud.grant_actions(&[&right]);
        assert_ne!(bearing(&cloud, &token, method, &path).await.status, 403, "{action}");
    }
    cloud.grant_managing();
    assert_eq!(bearing(&cloud, &token, "GET", &ci("/snapshot")).await.status, 200);
}

#[tokio::test]
async fn a_right_is_taken_away_from_key_and_account_alike() {
    let cloud = start().await;
    let (_, path) = server(&cloud, "GRA11", "build-1");
    cloud.deny("POST", &path);
    refused(&verb(&cloud, &path, "stop").await, 403, "This call has not been granted");
    let token = token(&cloud).await;
    let answer = bearing(&cloud, &token, "POST", &format!("{path}/stop")).await;
    refused(&answer, 403, "User not granted for this request");
    let (_, other) = server(&cloud, "GRA11", "build-2");
    assert_eq!(verb(&cloud, &other, "start").await.status, 200);
    assert_eq!((cloud.effects().len(), cloud.writes().len()), (1, 3), "a token is no write");
}

#[tokio::test]
async fn keys_and_tokens_end() {
    let cloud = start().await;
    cloud.expires("2026-12-24T00:00:00+00:00");
    let credential = get(&cloud, "/auth/currentCredential").await.body;
    assert_eq!(credential["expiration"], "2026-12-24T00:00:00+00:00");
    cloud.token_seconds(-1);
    let token = token(&cloud).await;
    assert_eq!(bearing(&cloud, &token, "GET", "/cloud/project").await.status, 401);
}

#[tokio::test]
async fn a_wrong_project_is_no_service_and_a_gone_server_no_object() {
    let cloud = start().await;
    let other = "/cloud/project/00000000000000000000000000000000";
    for path in [other.to_owned(), format!("{other}/instance"), format!("{other}/instance/x")] {
        refused(&get(&cloud, &path).await, 404, "This service does not exist");
    }
    refused(&send(&cloud, "POST", &format!("{other}/instance/x/start"), json!(null)).await, 404, "This service");

    let (id, path) = server(&cloud, "GRA11", "build-1");
    let elsewhere = web(&format!("/instance/{id}"));
    refused(&get(&cloud, &elsewhere).await, 404, "does not exist");
    assert!(cloud.remove(&id));
    let answer = get(&cloud, &path).await;
    refused(&answer, 404, "does not exist");
    assert_ne!(answer.message(), "This service does not exist");
    refused(&verb(&cloud, &path, "stop").await, 404, "does not exist");
    refused(&get(&cloud, &ci(&format!("/region/GRA11/instance/{id}"))).await, 404, "does not exist");
    assert_eq!(get(&cloud, &ci("/instance")).await.body.as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn what_is_not_simulated_is_no_address() {
    let cloud = start().await;
    let (_, path) = server(&cloud, "GRA11", "build-1");
    cloud.grant_only(&[("GET", "*"), ("POST", "*"), ("PUT", "*"), ("DELETE", "*")]);
    for (method, path) in [
        ("PUT", ci("")),
        ("POST", ci("/region")),
        ("POST", ci("/instance/bulk")),
        ("POST", format!("{path}/rescueMode")),
        ("GET", format!("{path}/interface")),
        ("GET", ci("/network/public")),
        ("GET", ci("/volume")),
        ("GET", ci("//instance")),
        ("GET", ci("/aggregated/instance")),
        ("GET", "/domain/zone".to_owned()),
    ] {
        refused(&send(&cloud, method, &path, json!({})).await, 404, "Got an invalid (or empty) URL");
    }
    assert_eq!(cloud.instances().len(), 12);
}
