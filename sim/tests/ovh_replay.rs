//! Makes the calls of `ovh/examples.json` and compares the answers: what the vendor's sources show is what the simulator does.
//!
//! Every member of an example's answer must be in ours, with the same value or, where chance or time are in it, of the same
//! type. What differs stands in [`DIFFERENCES`] with its reason.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "ovh/support.rs"]
#[expect(dead_code, reason = "the DNS part is for the other tests")]
mod support;

use std::collections::BTreeMap;

use amarre_sim::ovh::{Ovh, OvhOptions};
use axum::body::Bytes;
use axum::http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use support::{Answer, RECORDS, Signer, ZONE, fetch, get, send};

/// Examples that the simulator does not reproduce, and why.
const DIFFERENCES: [(&str, &str); 3] = [
    ("auth_credential", "asks a person for consent in a browser; the product never calls it"),
    ("Internal server error", "a fault that tests inject: only its status is the vendor's"),
    ("408", "a fault that tests inject: only its status is the vendor's"),
];
/// Compared by type only: time and chance are in them.
const VOLATILE: [&str; 4] = ["auth_time", "access_token", "id", "details"];

#[tokio::test]
async fn replay_of_the_examples_gives_their_answers() {
    let examples: Value = serde_json::from_str(include_str!("ovh/examples.json")).unwrap();
    let mut wrong = Vec::new();
    let mut differing = BTreeMap::new();
    let mut total = 0;
    let named = examples.as_object().unwrap().iter().filter(|(name, _)| !name.starts_with('_') && *name != "errors");
    for (name, example) in named {
        total += 1;
        match answer_of(name, example).await {
            Some(answer) => wrong.extend(compare(name, &expected(name, example), &answer)),
            None => drop(differing.insert(name.clone(), ())),
        }
    }
    for error in examples["errors"].as_array().unwrap() {
        total += 1;
        let name = error["body"]["message"].as_str().unwrap_or("408");
        match refusal_of(name, error).await {
            Some(answer) => {
                wrong.extend(compare_values(name, &error["body"], &answer.body));
                if error["status"] != answer.status {
                    wrong.push(format!("{name}: answered {}", answer.status));
                }
            }
            None => drop(differing.insert(name.to_owned(), ())),
        }
    }
    let excused: Vec<&str> = DIFFERENCES.iter().map(|(name, _)| *name).collect();
    for name in differing.keys().filter(|name| !excused.contains(&name.as_str())) {
        wrong.push(format!("{name}: nobody makes this call"));
    }
    for (name, _) in DIFFERENCES.iter().filter(|(name, _)| !differing.contains_key(*name)) {
        wrong.push(format!("{name} no longer differs: strike it from the table"));
    }
    report(&format!("OVH: {} of {total} exchanges reproduced", total - differing.len()));
    for (name, why) in DIFFERENCES {
        report(&format!("  differs: {name}: {why}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[expect(clippy::print_stdout, reason = "the count is the result of the replay")]
fn report(line: &str) {
    println!("{line}");
}

async fn ovh() -> (Ovh, u64) {
    let ovh = Ovh::start(OvhOptions::with_zones(&["example.com"])).await.unwrap();
    let id = ovh.seed_record("example.com", "www", "A", "192.0.2.1", 0);
    (ovh, id)
}

/// The call of an example; `None` = the simulator does not know it.
async fn answer_of(name: &str, example: &Value) -> Option<Answer> {
    let (ovh, id) = ovh().await;
    let body = example["body"].clone();
    Some(match name {
        "auth_time" => {
            let url = format!("{}/auth/time", ovh.endpoint());
            fetch(Request::get(url).body(Full::<Bytes>::default()).unwrap()).await
        }
        "oauth2_token" => {
            let form = example["form"].as_str().unwrap();
            let form = form.replacen('…', "client-id", 1).replacen('…', "client-secret", 1);
            fetch(Request::post(ovh.token_url()).body(Full::<Bytes>::from(form)).unwrap()).await
        }
        "zones" | "record_ids" | "export" => get(&ovh, example["GET"].as_str().unwrap()).await,
        "record" => get(&ovh, &format!("{RECORDS}/{id}")).await,
        "record_txt_quoted" => {
            let body = json!({ "fieldType": "TXT", "subDomain": "t", "target": example["sent_target"] });
            send(&ovh, "POST", RECORDS, body).await
        }
        "record_create" | "refresh" | "import" => send(&ovh, "POST", example["POST"].as_str().unwrap(), body).await,
        "record_update" => send(&ovh, "PUT", &format!("{RECORDS}/{id}"), body).await,
        _ => return None,
    })
}

/// What an example says of its answer.
fn expected(name: &str, example: &Value) -> Value {
    match name {
        "record_txt_quoted" => json!({ "target": example["response_target"] }),
        // Said in words: a record, with what was sent.
        "record_create" => example["body"].clone(),
        _ => example["response"].clone(),
    }
}

fn compare(name: &str, expected: &Value, answer: &Answer) -> Vec<String> {
    if !(200..300).contains(&answer.status) {
        return vec![format!("{name}: answered {} {}", answer.status, answer.body)];
    }
    compare_values(name, expected, &answer.body)
}

fn compare_values(name: &str, expected: &Value, answered: &Value) -> Vec<String> {
    let differs = || vec![format!("{name}: {expected} became {answered}")];
    match (expected, answered) {
        (Value::Object(expected), Value::Object(answered)) => expected
            .iter()
            .flat_map(|(key, value)| match answered.get(key) {
                Some(_) if VOLATILE.contains(&key.as_str()) => Vec::new(),
                Some(other) => compare_values(&format!("{name}.{key}"), value, other),
                None => vec![format!("{name}.{key} is missing")],
            })
            .collect(),
        // Serial and records are the simulator's own; the form counts.
        (Value::String(zone), Value::String(text)) if zone.starts_with("$TTL") => {
            let head = zone.split_once('(').unwrap().0;
            if text.starts_with(head) && text.contains("IN NS") { Vec::new() } else { differs() }
        }
        // A message that quotes what was sent, and an id.
        (Value::String(expected), Value::String(text)) if expected.contains(" : ") || expected.contains("(id = ") => {
            let head = expected.split(" : ").next().unwrap();
            if text.starts_with(head) { Vec::new() } else { differs() }
        }
        (Value::Number(_), Value::Number(_)) if VOLATILE.contains(&name) => Vec::new(),
        (Value::Array(expected), Value::Array(answered)) if expected.iter().all(Value::is_number) => {
            if expected.len() == answered.len() && answered.iter().all(Value::is_number) {
                Vec::new()
            } else {
                differs()
            }
        }
        (expected, answered) if expected == answered => Vec::new(),
        _ => differs(),
    }
}

/// A call that is refused so.
async fn refusal_of(message: &str, example: &Value) -> Option<Answer> {
    let (ovh, id) = ovh().await;
    let record = format!("{RECORDS}/{id}");
    let right = Signer::right;
    let post = |body: Value| async { send(&ovh, "POST", RECORDS, body).await };
    Some(match message {
        "This service does not exist" => get(&ovh, "/domain/zone/example.net/record").await,
        "The requested object (id = 1583058551) does not exist" => get(&ovh, &format!("{RECORDS}/1583058551")).await,
        "Got an invalid (or empty) URL" => get(&ovh, "/domain/zone//record").await,
        "Try to alter read-only properties: fieldType" => send(&ovh, "PUT", &record, json!({ "fieldType": "A" })).await,
        "Invalid domain name, underscore not allowed" => {
            post(json!({ "fieldType": "A", "subDomain": "_a", "target": "192.0.2.1" })).await
        }
        "Invalid subfield found in DKIM : \"v=DKIM1" => {
            post(json!({ "fieldType": "DKIM", "subDomain": "x._domainkey", "target": "\"v=DKIM1; p=A\"" })).await
        }
        "User not granted for this request" => {
            ovh.deny("POST", "/domain/zone/example.com/refresh");
            let form = "grant_type=client_credentials&client_id=client-id&client_secret=client-secret&scope=all";
            let token = fetch(Request::post(ovh.token_url()).body(Full::from(form)).unwrap()).await;
            let token = token.body["access_token"].as_str().unwrap().to_owned();
            let request = Request::post(format!("{}{ZONE}/refresh", ovh.endpoint()));
            let request = request.header("authorization", format!("Bearer {token}"));
            let answer = fetch(request.body(Full::<Bytes>::default()).unwrap()).await;
            assert_eq!(answer.body["details"], example["body"]["details"]);
            answer
        }
        "This application key is invalid" => {
            let signer = Signer { application_key: "wrong".to_owned(), ..right() };
            signer.send(&ovh, "GET", "/domain/zone", "", &[]).await
        }
        "This credential is not valid" => {
            let signer = Signer { consumer_key: "wrong".to_owned(), ..right() };
            signer.send(&ovh, "GET", "/domain/zone", "", &[]).await
        }
        "This call has not been granted" => {
            ovh.deny("GET", "/domain/zone");
            get(&ovh, "/domain/zone").await
        }
        _ => return None,
    })
}
