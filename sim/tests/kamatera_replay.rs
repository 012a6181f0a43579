//! Makes the calls that stand in `tests/cases/kamatera` and compares the answers: what libcloud's driver for Kamatera is tested
//! with, and what was written down by hand, is what the simulator says.
//!
//! Every member of a recorded answer must be in ours: with the same value where it says something, with the same type where it
//! is a placeholder or a catalogue of its day. What differs stands in [`DIFFERENCES`] with its reason.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "kamatera/support.rs"]
#[expect(dead_code, reason = "the eight are for the other tests")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use amarre_sim::kamatera::{CommandIds, Kamatera, KamateraBilling, KamateraOptions, KamateraServer};
use serde_json::{Value, json};

use support::{Answer, call_as, command, get, post, wish_with};

/// Exchanges that the simulator does not reproduce, and why.
const DIFFERENCES: [(&str, &str); 1] = [(
    "examples.json error_cloudcli",
    "by the proxy's source the status is 500, and its `error` and `status_code` are taken off before it is sent",
)];

/// Addresses that the simulator makes by itself.
const VOLATILE: [&str; 1] = ["networks.ips"];

const ID: &str = "XXXX-YYYY-ZZZZ";

/// How far a recorded answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// Each value.
    Values,
    /// Each member's type: the values are placeholders.
    Types,
}

#[tokio::test]
async fn replay_of_the_recorded_answers_gives_them() {
    let cases = cases();
    let mut wrong = Vec::new();
    let mut reproduced = BTreeSet::new();
    for (name, recorded) in &cases {
        let (status, answer, compared) = answer(name, recorded).await;
        let mut found = differences("", recorded, &answer.body, compared);
        if answer.status != status {
            found.push(format!("answered {}", answer.status));
        }
        let is_excused = DIFFERENCES.iter().any(|(excused, _)| excused == name);
        match (found.is_empty(), is_excused) {
            (true, false) => drop(reproduced.insert(name)),
            (true, true) => wrong.push(format!("{name} no longer differs: strike it from the table")),
            (false, false) => wrong.extend(found.iter().map(|what| format!("{name}: {what}"))),
            (false, true) => (),
        }
    }
    let stale = DIFFERENCES.iter().filter(|(name, _)| !cases.contains_key(*name));
    wrong.extend(stale.map(|(name, _)| format!("{name} is no case")));
    report(&format!("Kamatera: {} of {} exchanges reproduced", reproduced.len(), cases.len()));
    for (name, why) in DIFFERENCES {
        report(&format!("  differs: {name}: {why}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[expect(clippy::print_stdout, reason = "the count is the result of the replay")]
fn report(line: &str) {
    println!("{line}");
}

/// Every recorded answer, by its file, and in the examples by its call.
fn cases() -> BTreeMap<String, Value> {
    let root: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "tests/cases/kamatera"].iter().collect();
    let read = |path: PathBuf| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap();
    let mut cases = BTreeMap::new();
    for file in std::fs::read_dir(root.join("libcloud")).unwrap() {
        let path = file.unwrap().path();
        cases.insert(format!("libcloud/{}", path.file_name().unwrap().to_str().unwrap()), read(path));
    }
    for (call, example) in read(root.join("examples.json")).as_object().unwrap() {
        if ["_note", "headers"].contains(&call.as_str()) {
            continue;
        }
        let response = example.get("response").unwrap_or(example);
        cases.insert(format!("examples.json {call}"), response.clone());
        if let Some(generated) = example.get("response_if_generated_password") {
            cases.insert(format!("examples.json {call} with a generated password"), generated.clone());
        }
    }
    cases
}

/// The account of the driver's tests: the server whose id is a placeholder.
async fn start(name: &str) -> Kamatera {
    let recorded = KamateraServer {
        id: Some(ID.to_owned()),
        lan: Some(("12345-my-vlan".to_owned(), "5.6.7.8".to_owned())),
        billing: KamateraBilling::Monthly,
        ..KamateraServer::new(name, "IL", "1A", 1024)
    };
    Kamatera::start(KamateraOptions::with_servers(vec![recorded])).await.unwrap()
}

/// The status that is recorded or known, what the simulator answers to the call, and how far it counts.
async fn answer(name: &str, recorded: &Value) -> (u16, Answer, Compared) {
    use Compared::{Types, Values};
    let cloud = start(if name.ends_with("server_info.json") { "my-server" } else { "test_server" }).await;
    if name.starts_with("libcloud/") {
        // The driver was shown numbers.
        cloud.command_ids(CommandIds::Numbers);
    }
    let options = |what: &str| format!("/service/server?{what}=1&datacenter=EU");
    match name {
        "libcloud/servers.json" => (200, get(&cloud, "/service/servers").await, Values),
        "libcloud/server_info.json" => (200, post(&cloud, "/service/server/info", json!({ "id": ID })).await, Values),
        "libcloud/failed_auth.json" => {
            (401, call_as(&cloud, "GET", "/service/servers", Value::Null, &[]).await, Values)
        }
        "libcloud/datacenters.json" => (200, get(&cloud, "/service/server?datacenter=1").await, Types),
        "libcloud/sizes_datacenter_EU.json" => (200, get(&cloud, &options("sizes")).await, Values),
        "libcloud/images_datacenter_EU.json" => (200, get(&cloud, &options("images")).await, Types),
        "libcloud/capabilities_datacenter_EU.json" => (200, get(&cloud, &options("capabilities")).await, Types),
        "libcloud/create_server_sshkey.json" => (200, create(&cloud, json!({})).await, Types),
        "libcloud/create_server.json" | "examples.json POST /service/server with a generated password" => {
            let password = json!({ "password": "__generate__", "passwordValidate": "__generate__", "ssh-key": "" });
            (200, create(&cloud, password).await, Types)
        }
        "libcloud/server_operation.json" => {
            (200, post(&cloud, "/service/server/reboot", json!({ "id": ID })).await, Types)
        }
        name if name.starts_with("libcloud/queue_12345-") => (200, queue(&cloud, recorded).await, Values),
        "examples.json GET /service/servers" => (200, get(&cloud, "/service/servers").await, Types),
        "examples.json POST /service/server" => (200, documented_create(&cloud).await, Types),
        "examples.json GET /service/queue?id=1234567" => (200, queue(&cloud, recorded).await, Types),
        "examples.json POST /service/server/poweroff" => {
            (200, post(&cloud, "/service/server/poweroff", json!({ "id": ID })).await, Types)
        }
        "examples.json POST /service/server/terminate" => {
            (200, post(&cloud, "/service/server/terminate", json!({ "id": ID, "force": true })).await, Types)
        }
        "examples.json error_cloudcli" => {
            let none = json!({ "name": "__non_existent_server_name__" });
            (400, post(&cloud, "/service/server/info", none).await, Values)
        }
        "examples.json error_console" => {
            cloud.list_fails(true);
            (500, get(&cloud, "/console/service/servers").await, Values)
        }
        other => panic!("nobody makes the call of {other}"),
    }
}

async fn create(cloud: &Kamatera, flags: Value) -> Answer {
    post(cloud, "/service/server", wish_with("my-server", flags)).await
}

/// The documented body, with a name of more than three letters and an image that there still is.
async fn documented_create(cloud: &Kamatera) -> Answer {
    let root: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "tests/cases/kamatera/examples.json"].iter().collect();
    let examples: Value = serde_json::from_slice(&std::fs::read(root).unwrap()).unwrap();
    let mut body = examples["POST /service/server"]["body"].clone();
    body["name"] = json!("my-server");
    body["image"] = json!("ubuntu_server_24.04_64-bit");
    post(cloud, "/service/server", body).await
}

/// The queue of a creation when it shows this status.
async fn queue(cloud: &Kamatera, recorded: &Value) -> Answer {
    cloud.command_ids(CommandIds::Strings);
    let id = command(&create(cloud, json!({})).await);
    match recorded[0]["status"].as_str().unwrap() {
        "pending" => (),
        "complete" => cloud.finish(),
        working => {
            cloud.working_word(working);
            cloud.advance(60);
        }
    }
    get(cloud, &format!("/service/queue?id={id}")).await
}

/// Members that are missing or have another value, or another type where values do not count.
fn differences(at: &str, recorded: &Value, ours: &Value, compared: Compared) -> Vec<String> {
    match (recorded, ours) {
        (Value::Object(recorded), Value::Object(ours)) => recorded
            .iter()
            .flat_map(|(key, value)| {
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                match ours.get(key) {
                    Some(other) if VOLATILE.contains(&at.as_str()) => differences(&at, value, other, Compared::Types),
                    Some(other) => differences(&at, value, other, compared),
                    None => vec![format!("{at} is missing")],
                }
            })
            .collect(),
        (Value::Array(recorded), Value::Array(ours)) if compared == Compared::Values => {
            if recorded.len() != ours.len() {
                return vec![format!("{at}: {} items became {}", recorded.len(), ours.len())];
            }
            recorded.iter().zip(ours).flat_map(|(one, other)| differences(at, one, other, compared)).collect()
        }
        // Each of ours has all that any of theirs has.
        (Value::Array(recorded), Value::Array(ours)) if !ours.is_empty() => {
            let pairs = recorded.iter().flat_map(|one| ours.iter().map(move |other| (one, other)));
            pairs.flat_map(|(one, other)| differences(at, one, other, compared)).collect()
        }
        (recorded, ours) if recorded == ours => Vec::new(),
        (recorded, ours)
            if compared == Compared::Types && std::mem::discriminant(recorded) == std::mem::discriminant(ours) =>
        {
            Vec::new()
        }
        _ => vec![format!("{at}: {recorded} became {ours}")],
    }
}

#[test]
fn a_difference_is_found() {
    use Compared::{Types, Values};
    let recorded = json!({ "a": 1, "b": [{ "c": "x" }] });
    assert_eq!(differences("", &recorded, &json!({ "a": 1, "b": [{ "c": "x" }], "d": 2 }), Values), [""; 0]);
    assert_eq!(differences("", &recorded, &json!({ "a": 2, "b": [] }), Values).len(), 2);
    assert_eq!(differences("", &recorded, &json!({ "a": 2, "b": [{ "c": "y" }] }), Types), [""; 0]);
    assert_eq!(differences("", &recorded, &json!({ "a": "2", "b": [{}] }), Types).len(), 2);
}
