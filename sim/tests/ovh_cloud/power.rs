//! Start, stop, reboot, shelve and unshelve: what is seen, when, and what is refused.

use amarre_sim::ovh_cloud::{CloudPace, CloudVerb, NoStock};
use serde_json::{Value, json};

use crate::support::{ci, get, refused, send, server, shown, start, status, verb};

#[tokio::test]
async fn each_verb_shows_the_old_status_and_then_its_own() {
    let cloud = start().await;
    for (region, name, call, body, statuses) in [
        ("GRA11", "build-2", "start", Value::Null, "SHUTOFF ACTIVE"),
        ("GRA11", "build-2", "stop", Value::Null, "ACTIVE SHUTOFF"),
        ("GRA11", "build-1", "reboot", json!({ "type": "soft" }), "ACTIVE REBOOT ACTIVE"),
        ("GRA11", "build-1", "reboot", json!({ "type": "hard" }), "ACTIVE HARD_REBOOT ACTIVE"),
        ("GRA11", "build-1", "shelve", Value::Null, "ACTIVE SHELVING SHELVED SHELVED_OFFLOADED"),
        ("SBG5", "build-3", "unshelve", Value::Null, "SHELVED_OFFLOADED UNSHELVING ACTIVE"),
    ] {
        let (id, path) = server(&cloud, region, name);
        let answer = send(&cloud, "POST", &format!("{path}/{call}"), body).await;
        assert_eq!((answer.status, &answer.body), (200, &Value::Null), "{call}");
        let last = statuses.split(' ').next_back().unwrap();
        assert_eq!(cloud.instance(&id).unwrap().becomes, last);
        assert_eq!(shown(&cloud, &path).await, statuses, "{call}");
        assert_eq!(cloud.instance(&id).unwrap().status, last);
    }
    assert_eq!(cloud.writes().len(), 6);
    assert_eq!(cloud.effects().iter().map(|(_, verb)| *verb).max(), Some(CloudVerb::Unshelve));
}

#[tokio::test]
async fn the_summary_is_busy_from_the_first_moment() {
    let cloud = start().await;
    let (id, path) = server(&cloud, "GRA11", "build-1");
    let summary = ci(&format!("/region/GRA11/instance/{id}"));
    assert_eq!(get(&cloud, &summary).await.body["taskState"], "");
    verb(&cloud, &path, "stop").await;
    let busy = get(&cloud, &summary).await.body;
    assert_eq!((&busy["status"], &busy["taskState"]), (&json!("ACTIVE"), &json!("PoweringOff")));
    let listed = get(&cloud, &ci("/region/GRA11/instance")).await.body;
    let tasks = listed.as_array().unwrap().iter().filter(|item| item["taskState"] != "").count();
    assert_eq!(tasks, 1);
    cloud.finish();
    let done = get(&cloud, &summary).await.body;
    assert_eq!((&done["status"], &done["taskState"]), (&json!("SHUTOFF"), &json!("")));
}

#[tokio::test]
async fn a_busy_server_refuses_and_so_does_one_in_another_status() {
    let cloud = start().await;
    let (id, path) = server(&cloud, "GRA11", "build-1");
    assert_eq!(verb(&cloud, &path, "stop").await.status, 200);
    let answer = verb(&cloud, &path, "stop").await;
    refused(&answer, 409, &format!("Cannot 'stop' instance {id} while it is in task_state powering-off"));
    assert_eq!(answer.body["class"], "Client::Conflict");
    cloud.finish();
    refused(&verb(&cloud, &path, "stop").await, 409, "while it is in vm_state stopped");
    refused(&verb(&cloud, &path, "unshelve").await, 409, "while it is in vm_state stopped");
    let soft = send(&cloud, "POST", &format!("{path}/reboot"), json!({ "type": "soft" })).await;
    refused(&soft, 409, "while it is in vm_state stopped");
    let (_, shelved) = server(&cloud, "SBG5", "build-3");
    refused(&verb(&cloud, &shelved, "start").await, 409, "while it is in vm_state shelved_offloaded");
    assert_eq!(cloud.effects(), [(id, CloudVerb::Stop)]);
}

#[tokio::test]
async fn a_reboot_says_how() {
    let cloud = start().await;
    let (_, path) = server(&cloud, "GRA11", "build-1");
    refused(&verb(&cloud, &path, "reboot").await, 400, "type");
    refused(&send(&cloud, "POST", &format!("{path}/reboot"), json!({ "type": "cold" })).await, 400, "cold");
    assert_eq!(cloud.effects(), []);
}

#[tokio::test]
async fn what_is_paid_by_the_month_is_not_shelved() {
    let cloud = start().await;
    let (_, path) = server(&cloud, "GRA11", "web-1");
    refused(&verb(&cloud, &path, "shelve").await, 400, "cannot be shelved");
    let (_, path) = server(&cloud, "SBG5", "web-1");
    assert_eq!(verb(&cloud, &path, "shelve").await.status, 200);
    assert_eq!(cloud.nvme_lost(), [""; 0]);
}

#[tokio::test]
async fn a_shelve_loses_local_disks_without_a_word() {
    let cloud = start().await;
    let (id, path) = server(&cloud, "GRA11", "gpu-train");
    assert_eq!(verb(&cloud, &path, "shelve").await.status, 200);
    assert_eq!(cloud.nvme_lost(), [id]);
}

#[tokio::test]
async fn without_stock_a_shelved_server_does_not_come_back() {
    for (outcome, statuses) in [
        (NoStock::EndsInError, "SHELVED_OFFLOADED UNSHELVING ERROR"),
        (NoStock::FallsBack, "SHELVED_OFFLOADED UNSHELVING SHELVED_OFFLOADED"),
    ] {
        let cloud = start().await;
        cloud.no_stock("SBG5", "c3-4", Some(outcome));
        let flavors = get(&cloud, &ci("/flavor?region=SBG5")).await.body;
        let flavor = flavors.as_array().unwrap().iter().find(|flavor| flavor["name"] == "c3-4").unwrap();
        assert_eq!((&flavor["available"], &flavor["quota"]), (&json!(false), &json!(0)));
        let (id, path) = server(&cloud, "SBG5", "build-3");
        assert_eq!(verb(&cloud, &path, "unshelve").await.status, 200);
        assert_eq!(shown(&cloud, &path).await, statuses);

        cloud.no_stock("SBG5", "c3-4", None);
        cloud.set_status(&id, "SHELVED_OFFLOADED");
        verb(&cloud, &path, "unshelve").await;
        cloud.finish();
        assert_eq!(status(&cloud, &path).await, "ACTIVE");
    }
}

#[tokio::test]
async fn what_people_do_elsewhere_is_seen_at_once() {
    let cloud = start().await;
    let (id, path) = server(&cloud, "GRA11", "build-1");
    verb(&cloud, &path, "stop").await;
    assert!(cloud.set_status(&id, "RESCUE"));
    cloud.advance(3600);
    assert_eq!(status(&cloud, &path).await, "RESCUE");
    assert!(cloud.set_status(&id, "A_WORD_OF_TOMORROW"));
    assert_eq!(status(&cloud, &path).await, "A_WORD_OF_TOMORROW");
    assert!(!cloud.set_status("none", "ACTIVE"));
}

#[tokio::test]
async fn without_a_pace_a_verb_is_done_with_its_answer() {
    let cloud = start().await;
    cloud.pace(CloudPace { lag_s: 0, step_s: 0 });
    let (_, path) = server(&cloud, "GRA11", "build-1");
    verb(&cloud, &path, "shelve").await;
    assert_eq!(status(&cloud, &path).await, "SHELVED_OFFLOADED");
}
