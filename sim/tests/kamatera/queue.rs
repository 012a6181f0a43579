//! The queue at both doors.

use serde_json::{Value, json};

use crate::support::{column, command, get, post, queued, refused, start, wish};

#[tokio::test]
async fn a_command_is_pending_then_in_progress_then_complete() {
    let cloud = start().await;
    let id = command(&post(&cloud, "/service/server", wish("am-web-k3x9")).await);
    let pending = queued(&cloud, &id).await;
    let expected = json!({
        "id": id, "status": "pending", "server": "am-web-k3x9", "description": "Create Server",
        "added": "2026-10-05 12:00:00", "executed": "", "completed": "", "log": "",
    });
    assert_eq!(pending, expected);
    cloud.advance(5);
    let working = queued(&cloud, &id).await;
    assert_eq!((&working["status"], &working["executed"]), (&json!("progress"), &json!("2026-10-05 12:00:05")));
    assert_eq!(working["log"], "Name: am-web-k3x9\nCreating...");
    cloud.working_word("executing");
    assert_eq!(queued(&cloud, &id).await["status"], "executing");
    cloud.advance(150);
    let done = queued(&cloud, &id).await;
    assert_eq!((&done["status"], &done["completed"]), (&json!("complete"), &json!("2026-10-05 12:02:35")));
    assert_eq!(done["log"], "Name: am-web-k3x9\nCreating...\nDone");
    let console = get(&cloud, &format!("/console/service/queue/{id}")).await.body;
    assert_eq!(console, done);
    assert_eq!(cloud.commands()[0].status, "complete");
}

#[tokio::test]
async fn the_proxy_shows_no_queue_without_an_id() {
    let cloud = start().await;
    let first = command(&post(&cloud, "/service/server/reboot", json!({ "id": cloud.id_of("shop-web") })).await);
    let second = command(&post(&cloud, "/service/server/reboot", json!({ "id": cloud.id_of("shop-db") })).await);
    assert_eq!(get(&cloud, "/service/queue").await.body, json!([]));
    assert_eq!(column(&get(&cloud, "/console/service/queue").await.body, "id"), [first.as_str(), second.as_str()]);
    let both = get(&cloud, &format!("/service/queue?id={first}%20{second}%201")).await.body;
    assert_eq!(column(&both, "server"), ["shop-db", "shop-web"]);
    // The console lists what ended of late.
    cloud.advance(3600);
    assert_eq!(get(&cloud, "/console/service/queue").await.body.as_array().unwrap().len(), 2);
    cloud.advance(86_400);
    assert_eq!(get(&cloud, "/console/service/queue").await.body, json!([]));
    assert_eq!(queued(&cloud, &first).await["status"], "complete");
}

#[tokio::test]
async fn a_command_may_be_forgotten() {
    let cloud = start().await;
    let id = command(&post(&cloud, "/service/server/reboot", json!({ "id": cloud.id_of("shop-web") })).await);
    cloud.forget_commands();
    assert_eq!(queued(&cloud, &id).await["status"], "pending", "it is under way");
    cloud.finish();
    cloud.forget_commands();
    assert_eq!(get(&cloud, &format!("/service/queue?id={id}")).await.body, json!([]));
    let console = get(&cloud, &format!("/console/service/queue/{id}")).await;
    refused(&console, 404, "error occurred");
    assert_ne!(console.body["errors"], Value::Null);
}
