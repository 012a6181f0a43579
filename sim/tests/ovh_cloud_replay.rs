//! Makes the calls that stand in `tests/cases/ovh-cloud` and compares the answers: what the vendor's command line and libcloud
//! are tested with is what the simulator says.
//!
//! Every member of a recorded answer must be in ours: with the same value where OVH's own test shows it (2025), with the same
//! type where libcloud does (2015). What differs stands in [`DIFFERENCES`] with its reason.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "ovh_cloud/support.rs"]
#[expect(dead_code, reason = "the dozen is for the other tests")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use amarre_sim::ovh_cloud::{CloudImage, CloudInstance, CloudProject, OvhCloud, OvhCloudOptions};
use serde_json::{Value, json};

use support::{ci, get, send};

const ANOTHER_API: &str = "the API v2 is another family: the product does not call it";
const OLD_IMAGE: &str = "its `deprecated` left the vendor's schema by 2024";

/// Exchanges that the simulator does not reproduce, and why.
const DIFFERENCES: [(&str, &str); 10] = [
    ("libcloud/image_get.json", OLD_IMAGE),
    ("libcloud/image_get_detail.json", OLD_IMAGE),
    ("ovhcloud-cli/v1-autobackup-list.json", "backups are not simulated: the product does not read them"),
    ("ovhcloud-cli/v1-group-list.json", "groups are not simulated: the product does not read them"),
    ("ovhcloud-cli/v2-instance-delete.json", ANOTHER_API),
    ("ovhcloud-cli/v2-instance-get-boot-from-volume.json", ANOTHER_API),
    ("ovhcloud-cli/v2-instance-get-missing.json", ANOTHER_API),
    ("ovhcloud-cli/v2-instance-get-ready.json", ANOTHER_API),
    ("ovhcloud-cli/v2-instance-list.json", ANOTHER_API),
    ("ovhcloud-cli/v2-instance-put-rename.json", ANOTHER_API),
];

/// Ids and addresses that the simulator makes by itself.
const VOLATILE: [&str; 4] = ["flavor.id", "ip", "networkId", "gatewayIp"];

const PROJECT: &str = "/cloud/project/fakeProjectID";
const INSTANCE: &str = "fakeInstanceID";

#[tokio::test]
async fn replay_of_the_recorded_answers_gives_them() {
    let cases = cases();
    let mut wrong = Vec::new();
    let mut reproduced = BTreeSet::new();
    let cloud = start().await;
    for (name, case) in &cases {
        let found = compare(&cloud, name, case).await;
        let is_excused = DIFFERENCES.iter().any(|(excused, _)| excused == name);
        match (found.is_empty(), is_excused) {
            (true, false) => drop(reproduced.insert(name)),
            (true, true) => wrong.push(format!("{name} no longer differs: strike it from the table")),
            (false, false) => wrong.extend(found),
            (false, true) => (),
        }
    }
    let stale = DIFFERENCES.iter().filter(|(name, _)| !cases.contains_key(*name));
    wrong.extend(stale.map(|(name, _)| format!("{name} is no case")));
    report(&format!("OVH Public Cloud: {} of {} exchanges reproduced", reproduced.len(), cases.len()));
    for (name, why) in DIFFERENCES {
        report(&format!("  differs: {name}: {why}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[expect(clippy::print_stdout, reason = "the count is the result of the replay")]
fn report(line: &str) {
    println!("{line}");
}

/// Every recorded file, by folder and name.
fn cases() -> BTreeMap<String, Value> {
    let root: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "tests/cases/ovh-cloud"].iter().collect();
    let mut cases = BTreeMap::new();
    for folder in ["libcloud", "ovhcloud-cli"] {
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
            cases.insert(name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
        }
    }
    cases
}

/// The account of the vendor's test, and beside its server an ordinary one, for what libcloud was shown.
async fn start() -> OvhCloud {
    let recorded = CloudInstance {
        id: Some(INSTANCE.to_owned()),
        key: None,
        image: CloudImage::Volume,
        created: "2025-09-24T17:21:31Z".to_owned(),
        ..CloudInstance::new("TestInstance", "GRA9", "b2-7")
    };
    let ordinary = CloudInstance { id: Some("ordinary".to_owned()), ..CloudInstance::new("test_vm", "SBG1", "d2-2") };
    let project = CloudProject::new("fakeProjectID", "fake", &["GRA9", "SBG1"], vec![ordinary, recorded]);
    OvhCloud::start(OvhCloudOptions::with_projects(vec![project])).await.unwrap()
}

/// Members that the vendor's schema of 2024 gives each answer about creating and changing a server; more may be there.
const MEMBERS: [(&str, &str); 7] = [
    (
        "created",
        "created currentMonthOutgoingTraffic flavor id image ipAddresses licensePlanCode monthlyBilling name operationIds \
         planCode region rescuePassword sshKey status",
    ),
    (
        "listed",
        "created currentMonthOutgoingTraffic flavorId id imageId ipAddresses monthlyBilling name operationIds planCode region \
         sshKeyId status",
    ),
    ("operation", "action completedAt createdAt id progress regions resourceId startedAt status subOperations"),
    ("key", "fingerPrint id name publicKey regions"),
    (
        "snapshot",
        "creationDate flavorType id minDisk minRam name planCode region size status tags type user visibility",
    ),
    ("console", "type url"),
    ("quota", "maxCores maxInstances maxRam usedCores usedInstances usedRAM"),
];

#[tokio::test]
async fn answers_have_the_members_of_the_vendors_schema() {
    let cloud = support::managing().await;
    let post = async |path: &str, body: Value| send(&cloud, "POST", &ci(path), body).await.body;
    let created = post("/instance", support::wish(&cloud, "GRA11", "am-web").await).await;
    cloud.finish();
    let path = format!("/instance/{}", created["id"].as_str().unwrap());
    let wanted = json!({
        "name": "am-web", "flavor": { "id": created["flavor"]["id"] }, "bootFrom": { "imageId": created["image"]["id"] },
        "network": { "public": true },
    });
    let operation = post("/region/GRA11/instance", wanted).await;
    let key = post("/sshkey", json!({ "name": "amarre", "publicKey": "ssh-ed25519 AAAA" })).await;
    post(&format!("{path}/snapshot"), json!({ "snapshotName": "s" })).await;
    let console = post(&format!("{path}/vnc"), Value::Null).await;
    let listed = get(&cloud, &ci("/instance")).await.body[0].clone();
    let snapshot = get(&cloud, &ci("/snapshot")).await.body[0].clone();
    let quota = get(&cloud, &ci("/quota")).await.body[0]["instance"].clone();
    let answers = [&created, &listed, &operation, &key, &snapshot, &console, &quota];
    for ((name, members), answer) in MEMBERS.iter().zip(answers) {
        let missing: Vec<&str> = members.split(' ').filter(|member| answer.get(member).is_none()).collect();
        assert_eq!(missing, [""; 0], "{name}: {answer}");
    }
}

/// What is unlike the recorded answer.
async fn compare(cloud: &OvhCloud, name: &str, case: &Value) -> Vec<String> {
    if let Some(request) = case.get("request") {
        let path = request["path"].as_str().unwrap();
        let Some(path) = path.strip_prefix("/v1").filter(|_| request["method"] == "GET") else {
            return vec![format!("{name}: not a call of this family")];
        };
        let answer = get(cloud, path).await;
        if case["response"]["status"] != answer.status {
            return vec![format!("{name}: answered {} {}", answer.status, answer.body)];
        }
        return differences("", &case["response"]["body"], &answer.body, true);
    }
    let flavor = get(cloud, &format!("{PROJECT}/instance/ordinary")).await.body["flavor"]["id"].clone();
    let image = get(cloud, &format!("{PROJECT}/instance/ordinary")).await.body["image"]["id"].clone();
    let path = match name.strip_prefix("libcloud/").unwrap() {
        "auth_time_get.json" => "/auth/time".to_owned(),
        "flavor_get.json" => format!("{PROJECT}/flavor"),
        "flavor_get_detail.json" => format!("{PROJECT}/flavor/{}", flavor.as_str().unwrap()),
        "image_get.json" => format!("{PROJECT}/image"),
        "image_get_detail.json" => format!("{PROJECT}/image/{}", image.as_str().unwrap()),
        "instance_get.json" => format!("{PROJECT}/instance?region=SBG1"),
        "instance_get_detail.json" => format!("{PROJECT}/instance/ordinary"),
        "region_get.json" => format!("{PROJECT}/region"),
        "pricing_get.json" => "/cloud/subsidiaryPrice?ovhSubsidiary=US".to_owned(),
        other => panic!("nobody makes the call of {other}"),
    };
    let answer = get(cloud, &path).await;
    if answer.status != 200 {
        return vec![format!("{name}: answered {} {}", answer.status, answer.body)];
    }
    differences("", case, &answer.body, false)
}

/// Members that are missing or have another value, or another type where values do not count.
fn differences(at: &str, recorded: &Value, ours: &Value, values_count: bool) -> Vec<String> {
    match (recorded, ours) {
        (Value::Object(recorded), Value::Object(ours)) => recorded
            .iter()
            .flat_map(|(key, value)| {
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                match ours.get(key) {
                    Some(_) if VOLATILE.iter().any(|end| at.ends_with(end)) && values_count => Vec::new(),
                    Some(other) => differences(&at, value, other, values_count),
                    None => vec![format!("{at} is missing")],
                }
            })
            .collect(),
        (Value::Array(recorded), Value::Array(ours)) if values_count => {
            if recorded.len() != ours.len() {
                return vec![format!("{at}: {} items became {}", recorded.len(), ours.len())];
            }
            recorded.iter().zip(ours).flat_map(|(one, other)| differences(at, one, other, true)).collect()
        }
        // Each of ours has all that any of theirs has.
        (Value::Array(recorded), Value::Array(ours)) if !ours.is_empty() => {
            let pairs = recorded.iter().flat_map(|one| ours.iter().map(move |other| (one, other)));
            pairs.flat_map(|(one, other)| differences(at, one, other, false)).collect()
        }
        (recorded, ours) if recorded == ours => Vec::new(),
        (recorded, ours) if !values_count && std::mem::discriminant(recorded) == std::mem::discriminant(ours) => {
            Vec::new()
        }
        _ => vec![format!("{at}: {recorded} became {ours}")],
    }
}

#[test]
fn a_difference_is_found() {
    let recorded = json!({ "a": 1, "b": [{ "c": "x" }] });
    assert_eq!(differences("", &recorded, &json!({ "a": 1, "b": [{ "c": "x" }], "d": 2 }), true), [""; 0]);
    assert_eq!(differences("", &recorded, &json!({ "a": 2, "b": [] }), true).len(), 2);
    assert_eq!(differences("", &recorded, &json!({ "a": 2, "b": [{ "c": "y" }] }), false), [""; 0]);
    assert_eq!(differences("", &recorded, &json!({ "a": "2", "b": [{}] }), false).len(), 2);
}
