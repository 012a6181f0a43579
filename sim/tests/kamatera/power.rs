//! Power, names and configuration: commands of servers that are there.

use amarre_sim::kamatera::{KamateraBilling, KamateraVerb};
use serde_json::json;

use crate::support::{call, command, get, info, post, queued, refused, start};

#[tokio::test]
async fn a_verb_is_done_when_its_command_is_and_seen_later() {
    let cloud = start().await;
    let id = cloud.id_of("shop-web");
    let off = command(&post(&cloud, "/service/server/poweroff", json!({ "id": id })).await);
    assert_eq!(queued(&cloud, &off).await["status"], "pending");
    cloud.advance(25);
    assert_eq!(queued(&cloud, &off).await["status"], "complete");
    assert!(!cloud.instance(&id).unwrap().is_on);
    // The list and the detail are behind.
    assert_eq!(info(&cloud, &id).await["power"], "on");
    cloud.advance(14);
    assert_eq!(info(&cloud, &id).await["power"], "on");
    cloud.advance(1);
    assert_eq!(info(&cloud, &id).await["power"], "off");
    let list = get(&cloud, "/service/servers").await.body;
    let listed = list.as_array().unwrap().iter().find(|item| item["id"] == id.as_str()).unwrap();
    assert_eq!(listed["power"], "off");
    for (path, verb, is_on) in [
        ("poweron", KamateraVerb::PowerOn, true),
        ("reboot", KamateraVerb::Reboot, true),
        ("poweroff", KamateraVerb::PowerOff, false),
        ("poweroff", KamateraVerb::PowerOff, false),
    ] {
        command(&post(&cloud, &format!("/service/server/{path}"), json!({ "id": id })).await);
        cloud.finish();
        assert_eq!(cloud.effects().last(), Some(&(id.clone(), verb)));
        assert_eq!(cloud.instance(&id).unwrap().is_on, is_on, "{path}");
    }
}

#[tokio::test]
async fn a_name_of_several_switches_them_all() {
    let cloud = start().await;
    let answer = post(&cloud, "/service/server/poweroff", json!({ "name": "shop-.*" })).await;
    assert_eq!(answer.body.as_array().unwrap().len(), 3);
    cloud.finish();
    let on: Vec<String> = cloud.instances().into_iter().filter(|it| it.is_on).map(|it| it.name).collect();
    assert_eq!(on.len(), 2, "{on:?}");
}

#[tokio::test]
async fn a_busy_server_refuses() {
    let cloud = start().await;
    let id = cloud.id_of("shop-web");
    command(&post(&cloud, "/service/server/reboot", json!({ "id": id })).await);
    assert!(cloud.instance(&id).unwrap().is_busy);
    for (path, body) in [
        ("/service/server/poweroff", json!({ "id": id })),
        ("/service/server/terminate", json!({ "id": id, "force": true })),
        ("/service/server/rename", json!({ "id": id, "new-name": "other" })),
        ("/server/configure", json!({ "id": id, "dailybackup": "yes" })),
        ("/server/disk", json!({ "id": id, "add": "10gb" })),
        ("/server/snapshot", json!({ "id": id, "create": "before" })),
    ] {
        refused(&post(&cloud, path, body).await, 500, "Existing operation is currently running on the server");
    }
    let console = call(&cloud, "PUT", &format!("/console/service/server/{id}/power"), json!({ "power": "off" })).await;
    refused(&console, 500, "Existing operation");
    // Another server is free, and reading is no command.
    command(&post(&cloud, "/service/server/reboot", json!({ "id": cloud.id_of("shop-db") })).await);
    assert_eq!(post(&cloud, "/server/disk", json!({ "id": id })).await.status, 200);
    assert_eq!(cloud.effects().len(), 2);
    cloud.advance(25);
    command(&post(&cloud, "/service/server/poweroff", json!({ "id": id })).await);
}

#[tokio::test]
async fn the_console_has_power_too() {
    let cloud = start().await;
    let id = cloud.id_of("shop-web");
    let path = format!("/console/service/server/{id}/power");
    let answer = call(&cloud, "PUT", &path, json!({ "power": "off" })).await;
    assert!(answer.body.is_number(), "{answer:?}");
    cloud.finish();
    assert!(!cloud.instance(&id).unwrap().is_on);
    refused(&call(&cloud, "PUT", &path, json!({ "power": "up" })).await, 500, "on, off or restart");
}

#[tokio::test]
async fn one_flag_is_configured_at_a_time() {
    let cloud = start().await;
    let id = cloud.id_of("shop-web");
    let configure = async |flags| post(&cloud, "/server/configure", flags).await;
    let none = configure(json!({ "id": id })).await;
    refused(&none, 400, "Please choose a configuration flag");
    let two = configure(json!({ "id": id, "cpu": "4B", "ram": "4096" })).await;
    refused(&two, 400, "Please choose only 1 configuration flag at a time");
    refused(&configure(json!({ "id": id, "cpu": "4B" })).await, 500, "must be powered off");
    cloud.set_power(&id, false);
    for flags in [
        json!({ "id": id, "cpu": "4B" }),
        json!({ "id": id, "ram": "4096" }),
        json!({ "id": id, "dailybackup": "yes" }),
        json!({ "id": id, "managed": "yes" }),
        json!({ "id": id, "billingcycle": "monthly", "monthlypackage": "b20" }),
    ] {
        command(&configure(flags).await);
        cloud.finish();
    }
    let seen = cloud.instance(&id).unwrap();
    assert_eq!((seen.cpu.as_str(), seen.ram_mib), ("4B", 4096));
    assert_eq!((seen.billing, seen.has_backup, seen.is_managed), (KamateraBilling::Monthly, true, true));
    let detail = info(&cloud, &id).await;
    assert_eq!((&detail["traffic"], &detail["backup"]), (&json!("b20"), &json!("1")));
    refused(&configure(json!({ "id": id, "billingcycle": "monthly" })).await, 500, "b20, t5000");
    // What does not exist is found out by the command.
    let odd = command(&configure(json!({ "id": id, "cpu": "3B" })).await);
    cloud.finish();
    let odd = queued(&cloud, &odd).await;
    assert_eq!(odd["status"], "error");
    assert!(odd["log"].as_str().unwrap().ends_with("Error: invalid number of CPU cores 3B"), "{odd}");
    assert_eq!(cloud.instance(&id).unwrap().cpu, "4B");
}

#[tokio::test]
async fn a_rename_takes_four_to_forty_characters() {
    let cloud = start().await;
    let id = cloud.id_of("shop-web");
    let rename = async |name: &str| post(&cloud, "/service/server/rename", json!({ "id": id, "new-name": name })).await;
    for name in ["web", "", "web 1234", &"x".repeat(41)] {
        refused(&rename(name).await, 500, "new-name");
    }
    // Names are not unique.
    command(&rename("shop-db").await);
    cloud.finish();
    assert_eq!(info(&cloud, &id).await["name"], "shop-db");
    let several = post(&cloud, "/server/tags", json!({ "name": "shop-db" })).await;
    refused(&several, 500, "Too many matching servers (name='shop-db')");
}
