//! Who may call, and the life of records.

use amarre_sim::ovh::Ovh;
use axum::body::Bytes;
use axum::http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Answer, RECORDS, Signer, ZONE, fetch, get, ids, post, refresh, refused, send, start};

async fn expanded(ovh: &Ovh, more: &[(&str, &str)]) -> Answer {
    let mut headers = vec![("x-pagination-mode", "CachedObjectList-Pages")];
    headers.extend(more);
    Signer::right().send(ovh, "GET", RECORDS, "", &headers).await
}

#[tokio::test]
async fn the_clock_needs_no_key() {
    let ovh = start().await;
    ovh.clock_skew(3600);
    let url = format!("{}/auth/time", ovh.endpoint());
    let answer = fetch(Request::get(url).body(Full::<Bytes>::default()).unwrap()).await;
    let ahead = answer.body.as_i64().unwrap() - jiff::Timestamp::now().as_second();
    assert!((3590..=3610).contains(&ahead), "{ahead}");
    assert!(answer.header("x-ovh-queryid").starts_with("EU.ext-"));

    refused(&get(&ovh, "/domain/zone").await, 400, "Query out of time");
    let ahead = Signer { seconds_ahead: 3600, ..Signer::right() };
    assert_eq!(ahead.send(&ovh, "GET", "/domain/zone", "", &[]).await.status, 200);
}

#[tokio::test]
async fn wrong_keys_are_told_apart() {
    let ovh = start().await;
    let right = Signer::right();
    let wrong = || "wrong".to_owned();
    let cases = [
        (Signer { application_key: wrong(), ..right.clone() }, 403, "This application key is invalid", Value::Null),
        (
            Signer { consumer_key: wrong(), ..right.clone() },
            403,
            "This credential is not valid",
            json!("INVALID_CREDENTIAL"),
        ),
        (
            Signer { consumer_key: String::new(), ..right.clone() },
            403,
            "This credential does not exist",
            json!("NOT_CREDENTIAL"),
        ),
        (Signer { secret: wrong(), ..right.clone() }, 400, "Invalid signature", json!("INVALID_SIGNATURE")),
    ];
    for (signer, status, text, code) in cases {
        let answer = signer.send(&ovh, "GET", "/domain/zone", "", &[]).await;
        refused(&answer, status, text);
        assert_eq!(answer.body["errorCode"], code);
    }
    let answer = right.send(&ovh, "GET", "/domain/zone", "", &[]).await;
    assert_eq!(answer.body, json!(["example.com", "example.org"]));
}

#[tokio::test]
async fn the_signature_covers_the_very_bytes() {
    let ovh = start().await;
    let spaced = r#"{ "fieldType" : "A",  "subDomain":"é", "target":"192.0.2.1" }"#;
    let answer = Signer::right().send(&ovh, "POST", RECORDS, spaced, &[]).await;
    assert_eq!((answer.status, &answer.body["subDomain"]), (200, &json!("é")));
    let path = format!("{RECORDS}?subDomain=%C3%A9&fieldType=A");
    assert_eq!(get(&ovh, &path).await.body, json!([answer.body["id"]]));
}

#[tokio::test]
async fn a_missing_right_is_told() {
    let ovh = start().await;
    ovh.deny("POST", "/domain/zone/example.com/refresh");
    assert_eq!(post(&ovh, "A", "www", "192.0.2.1").await.status, 200);
    let answer = refresh(&ovh).await;
    refused(&answer, 403, "This call has not been granted");
    assert_eq!(answer.body["errorCode"], "NOT_GRANTED_CALL");
    assert_eq!(ovh.refreshes("example.com"), 0);

    ovh.grant_only(&[("GET", "/domain/zone/*/record"), ("GET", "/domain/zone/")]);
    let rules = get(&ovh, "/auth/currentCredential").await.body;
    assert_eq!(rules["rules"][0], json!({ "method": "GET", "path": "/domain/zone/*/record" }));
    assert_eq!(rules["status"], "validated");
    assert_eq!(get(&ovh, RECORDS).await.status, 200);
    assert_eq!(get(&ovh, "/domain/zone/").await.status, 200);
    assert_eq!(get(&ovh, &format!("{ZONE}/soa")).await.status, 403);
    assert_eq!(post(&ovh, "A", "www", "192.0.2.1").await.status, 403);
}

#[tokio::test]
async fn a_record_lives() {
    let ovh = start().await;
    let answer =
        send(&ovh, "POST", RECORDS, json!({ "fieldType": "A", "subDomain": null, "target": "192.0.2.1", "ttl": 60 }))
            .await;
    let id = answer.body["id"].as_u64().unwrap();
    assert_eq!(
        answer.body,
        json!({ "id": id, "zone": "example.com", "subDomain": "", "fieldType": "A", "target": "192.0.2.1", "ttl": 60 })
    );
    let path = format!("{RECORDS}/{id}");
    let answer = send(&ovh, "PUT", &path, json!({ "target": "192.0.2.2" })).await;
    assert_eq!((answer.status, answer.body), (200, Value::Null));
    let answer = get(&ovh, &path).await;
    assert_eq!((&answer.body["target"], &answer.body["ttl"]), (&json!("192.0.2.2"), &json!(60)));
    let answer = send(&ovh, "DELETE", &path, Value::Null).await;
    assert_eq!((answer.status, answer.body), (200, Value::Null));
    let gone = format!("The requested object (id = {id}) does not exist");
    for method in ["GET", "PUT", "DELETE"] {
        refused(&send(&ovh, method, &path, Value::Null).await, 404, &gone);
    }
    assert_eq!(ovh.server.journal.writes().len(), 5);
}

#[tokio::test]
async fn what_the_vendor_refuses_is_refused() {
    let ovh = start().await;
    refused(&post(&ovh, "A", "_a", "192.0.2.1").await, 400, "Invalid domain name, underscore not allowed");
    refused(&post(&ovh, "CNAME", "a_b", "x.").await, 400, "underscore not allowed");
    refused(&post(&ovh, "A", "www", "300.0.0.1").await, 400, "Invalid subfield found in A : 300.0.0.1");
    refused(&post(&ovh, "MX", "", "mail.example.net.").await, 400, "Invalid subfield found in MX");
    refused(
        &post(&ovh, "DKIM", "x._domainkey", "\"v=DKIM1\"").await,
        400,
        "Invalid subfield found in DKIM : \"v=DKIM1",
    );
    refused(&post(&ovh, "DMARC", "www", "v=DMARC1").await, 400, "Invalid subdomain");
    refused(&post(&ovh, "SOA", "", "x").await, 400, "fieldType");
    refused(&send(&ovh, "POST", RECORDS, json!({ "fieldType": "A" })).await, 400, "target");
    for ttl in [json!(59), json!(-1), json!("60")] {
        let body = json!({ "fieldType": "A", "target": "192.0.2.1", "ttl": ttl });
        refused(&send(&ovh, "POST", RECORDS, body).await, 400, "ttl");
    }
    let id = ovh.seed_record("example.com", "www", "A", "192.0.2.1", 0);
    let path = format!("{RECORDS}/{id}");
    refused(
        &send(&ovh, "PUT", &path, json!({ "fieldType": "A" })).await,
        400,
        "Try to alter read-only properties: fieldType",
    );
    refused(&send(&ovh, "PUT", &path, json!({ "target": "x" })).await, 400, "Invalid subfield");
    refused(&Signer::right().send(&ovh, "POST", RECORDS, "{", &[]).await, 400, "JSON");
    refused(&get(&ovh, "/domain/zone/example.net/record").await, 404, "This service does not exist");
    refused(&get(&ovh, "/domain/zone//record").await, 404, "Got an invalid (or empty) URL");
    refused(&get(&ovh, "/me").await, 403, "This call has not been granted");
    assert_eq!(ovh.records("example.com").len(), 3);
}

#[tokio::test]
async fn txt_comes_back_quoted() {
    let ovh = start().await;
    let long = "x".repeat(300);
    let two = format!("\"{}\" \"{}\"", "x".repeat(255), "x".repeat(45));
    for (sent, stored) in [
        ("plain", "\"plain\""),
        ("\"quoted\"", "\"quoted\""),
        ("a \"b\" \\c", "\"a \\\"b\\\" \\\\c\""),
        (long.as_str(), two.as_str()),
        (two.as_str(), two.as_str()),
    ] {
        assert_eq!(post(&ovh, "TXT", "_t", sent).await.body["target"], stored);
    }
    let answer = post(&ovh, "DKIM", "x._domainkey", "v=DKIM1; p=AAAA").await;
    assert_eq!(answer.body["target"], "v=DKIM1; p=AAAA");
}

#[tokio::test]
async fn the_list_is_filtered_like_sql() {
    let ovh = start().await;
    let a = ovh.seed_record("example.com", "www", "A", "192.0.2.1", 0);
    let six = ovh.seed_record("example.com", "www", "AAAA", "2001:db8::1", 0);
    let low = ovh.seed_record("example.com", "_x", "TXT", "t", 0);
    let high = ovh.seed_record("example.com", "ax", "TXT", "t", 0);
    let apex = ovh.seed_record("example.com", "", "TXT", "t", 0);
    for (query, wanted) in [
        ("fieldType=A&subDomain=WWW", vec![a]),
        ("subDomain=www", vec![a, six]),
        ("fieldType=A%25", vec![a, six]),
        ("fieldType=a", vec![]),
        ("fieldType=TXT&subDomain=_x", vec![low, high]),
        ("fieldType=TXT&subDomain=", vec![apex]),
    ] {
        assert_eq!(get(&ovh, &format!("{RECORDS}?{query}")).await.body, json!(wanted), "{query}");
    }
}

#[tokio::test]
async fn whole_records_come_in_one_call_and_may_be_stale() {
    let ovh = start().await;
    let first = expanded(&ovh, &[]).await;
    assert_eq!((ids(&first.body).len(), first.header("x-pagination-elements")), (2, "2"));
    assert_eq!(first.body[0]["fieldType"], "NS");
    let id = post(&ovh, "A", "www", "192.0.2.1").await.body["id"].as_u64().unwrap();
    assert_eq!(expanded(&ovh, &[]).await.body, first.body, "cached");
    let fresh = expanded(&ovh, &[("pragma", "no-cache")]).await;
    assert_eq!(ids(&fresh.body).last(), Some(&id));
    assert_eq!(expanded(&ovh, &[]).await.body, fresh.body, "the cache has it too");
    let page = expanded(&ovh, &[("x-pagination-size", "2"), ("x-pagination-number", "2")]).await;
    assert_eq!((ids(&page.body), page.header("x-pagination-elements")), (vec![id], "3"));
    ovh.supports_expanded(false);
    let plain = expanded(&ovh, &[("pragma", "no-cache")]).await;
    assert_eq!(plain.body, get(&ovh, RECORDS).await.body);
    assert_eq!(plain.header("x-pagination-elements"), "");
}

#[tokio::test]
async fn fifty_records_come_in_one_batch() {
    let ovh = start().await;
    let all: Vec<u64> =
        (1..=51).map(|number| ovh.seed_record("example.com", "www", "A", &format!("192.0.2.{number}"), 0)).collect();
    let path = |ids: &[u64]| {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        format!("{RECORDS}/{}", ids.join(","))
    };
    let signer = Signer::right();
    let comma = [("x-ovh-batch", ",")];
    let answer = signer.send(&ovh, "GET", &path(&all[..50]), "", &comma).await;
    let items = answer.body.as_array().unwrap();
    assert_eq!(items.len(), 50);
    assert_eq!(items[49]["value"]["target"], "192.0.2.50");
    let answer = signer.send(&ovh, "GET", &path(&[1, all[0]]), "", &comma).await;
    assert_eq!(answer.body[0]["value"], Value::Null);
    assert_eq!(answer.body[1]["value"]["id"], json!(all[0]));
    assert_eq!(signer.send(&ovh, "GET", &path(&all), "", &comma).await.status, 400);
    assert_eq!(get(&ovh, &path(&all[..2])).await.status, 400, "without the header");
    ovh.supports_batch(false);
    assert_eq!(signer.send(&ovh, "GET", &path(&all[..2]), "", &comma).await.status, 400);
}
