//! Fields that another program writes, too: in every pattern the number of writes is limited.

use amarre::engine::report;
use amarre_core::model::Millis;
use amarre_sim::npm;
use serde_json::{Value as Json, json};

use super::plain;
use crate::support::stepped::Stepped;

async fn settled() -> (Stepped, u64) {
    let mut rig = Stepped::start().await;
    rig.write("one.yaml", &plain("one"));
    rig.settle().await;
    rig.forget();
    let hosts = rig.npm.rows(npm::Kind::ProxyHost);
    let host = hosts.iter().find(|host| host["domain_names"][0] == "one.example.org").unwrap();
    let id = host["id"].as_u64().unwrap();
    (rig, id)
}

fn puts(rig: &Stepped) -> usize {
    rig.writes().iter().filter(|call| call.starts_with("PUT")).count()
}

fn codes(rig: &Stepped) -> Vec<String> {
    let pass = rig.last_pass();
    pass.plan.changes.iter().filter_map(|change| change.refusal().map(|refusal| refusal.code.to_string())).collect()
}

fn port(rig: &Stepped, id: u64) -> Json {
    let hosts = rig.npm.rows(npm::Kind::ProxyHost);
    hosts.iter().find(|host| host["id"] == id).unwrap()["forward_port"].clone()
}

/// Another program changes a field, and it is corrected and observed to be correct, three times.
async fn fight(rig: &mut Stepped, id: u64) {
    for _ in 0..3 {
        rig.npm.edit_proxy_host(id, &json!({"forward_port": 9999}));
        rig.pass().await;
        rig.clock.advance(Millis::seconds(90));
        rig.pass().await;
        rig.clock.advance(Millis::seconds(90));
    }
    rig.npm.edit_proxy_host(id, &json!({"forward_port": 9999}));
    rig.pass().await;
}

#[tokio::test]
async fn a_flapping_field_is_left_to_a_person() {
    let (mut rig, id) = settled().await;
    fight(&mut rig, id).await;
    assert_eq!((puts(&rig), codes(&rig)), (3, vec!["A0907".to_owned()]));
    assert!(rig.last_pass().at_rest, "it waits for a person");
    let drift = report::drift_json(&rig.last_pass());
    assert_eq!((&drift["items"][0]["flaps"], &drift["items"][0]["quarantined"]), (&json!(3), &json!(true)), "{drift}");

    // A restart of the process forgets no flapping.
    rig.restart().await;
    for _ in 0..3 {
        rig.clock.advance(Millis::minutes(30));
        rig.pass().await;
    }
    assert_eq!((puts(&rig), codes(&rig)), (3, vec!["A0907".to_owned()]));

    // The other fields of the host, and the rest of the service, go on.
    rig.npm.edit_proxy_host(id, &json!({"allow_websocket_upgrade": false}));
    rig.docker.remove("one").unwrap();
    for _ in 0..8 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(2));
    }
    let hosts = rig.npm.rows(npm::Kind::ProxyHost);
    let host = hosts.iter().find(|host| host["id"] == id).unwrap();
    assert_eq!((&host["allow_websocket_upgrade"], &host["forward_port"]), (&json!(true), &json!(9999)));
    assert!(rig.docker.containers().iter().any(|container| container["Name"] == "/one"));

    // A person asks.
    rig.engine.reset_service("one");
    rig.settle().await;
    assert_eq!(port(&rig, id), 80);
}

#[tokio::test]
async fn a_quarantine_ends_with_a_manifest_change_or_after_a_day_without_writes() {
    let (mut rig, id) = settled().await;
    fight(&mut rig, id).await;
    rig.write("one.yaml", &plain("one").replace("port: 80", "port: 8080"));
    rig.pass_until_settled().await;
    assert_eq!(port(&rig, id), 8080, "{:?}", rig.last_pass().plan.changes);

    let (mut rig, id) = settled().await;
    fight(&mut rig, id).await;
    rig.npm.edit_proxy_host(id, &json!({"forward_port": 80}));
    rig.pass().await;
    rig.clock.advance(Millis::minutes(24 * 60 - 5));
    rig.pass().await;
    rig.npm.edit_proxy_host(id, &json!({"forward_port": 9999}));
    rig.pass().await;
    assert_eq!((puts(&rig), codes(&rig)), (3, vec!["A0907".to_owned()]), "not a whole day");
    rig.npm.edit_proxy_host(id, &json!({"forward_port": 80}));
    rig.pass().await;
    rig.clock.advance(Millis::minutes(24 * 60 + 1));
    rig.pass().await;
    rig.npm.edit_proxy_host(id, &json!({"forward_port": 9999}));
    rig.settle().await;
    assert_eq!(port(&rig, id), 80, "it was calm for a day");
}

/// Whatever is rewritten, and in whatever order, over restarts: never more than three writes of a field within an hour,
/// and ten within a day.
#[tokio::test]
async fn whatever_a_vendor_rewrites_the_number_of_writes_is_limited() {
    let edits = [
        json!({"forward_port": 9999}),
        json!({"allow_websocket_upgrade": false}),
        json!({"forward_port": 9998, "block_exploits": false}),
        json!({"advanced_config": "client_max_body_size 9g;"}),
        json!({"block_exploits": false, "allow_websocket_upgrade": false}),
    ];
    for seed in [3_u64, 17, 92] {
        let (mut rig, id) = settled().await;
        let mut state = seed;
        for turn in 0..60 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let chance = usize::try_from(state >> 33).unwrap();
            rig.npm.edit_proxy_host(id, &edits[chance % edits.len()]);
            rig.pass().await;
            rig.clock.advance(Millis::seconds([1, 20, 90, 300][chance % 4]));
            rig.pass().await;
            if turn % 17 == 0 {
                rig.restart().await;
            }
        }
        // Four fields; most writes put several right at once.
        assert!(puts(&rig) <= 4 * 10, "seed {seed}: {} writes", puts(&rig));
        assert!(!codes(&rig).is_empty(), "seed {seed}: somebody is told");
    }
}

/// What does not stay as written is written twice, over a restart of the process as well.
#[tokio::test]
async fn a_restart_keeps_the_record_of_flapping_fields() {
    let (mut rig, id) = settled().await;
    for _ in 0..4 {
        rig.npm.edit_proxy_host(id, &json!({"forward_port": 9999}));
        rig.pass().await;
        rig.restart().await;
        rig.clock.advance(Millis::seconds(1));
    }
    assert_eq!(puts(&rig), 2);
    rig.npm.edit_proxy_host(id, &json!({"forward_port": 9999}));
    rig.pass().await;
    assert_eq!(codes(&rig), ["A0906"]);
}
