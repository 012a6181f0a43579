//! What fails waits by itself: one change holds up no other, one service no other, and a provider that fails for
//! everybody is tried by one.

use amarre::engine::report::status;
use amarre_core::model::{Code, Millis};
use amarre_sim::Fault;

use super::plain;
use crate::support::stepped::{Stepped, act, step};

const RECORDS: &str = "/1.0/domain/zone/example.org/record";

fn synced(rig: &Stepped) -> Vec<String> {
    let pass = rig.last_pass();
    let good = pass
        .statuses()
        .values()
        .filter(|row| row.sync == status::Sync::Synced && row.health == status::Health::Healthy);
    good.map(|row| row.name.clone()).collect()
}

/// A record that cannot be written does not keep a container down.
#[tokio::test]
async fn a_failing_record_holds_up_no_container() {
    let mut rig = Stepped::start().await;
    rig.write("one.yaml", &plain("one"));
    rig.settle().await;
    rig.write("one.yaml", &format!("{}dns: [{{type: TXT, name: x.one, value: y}}]\n", plain("one")));
    rig.ovh.server.faults.add("POST", RECORDS, 999, Fault::Before(500));
    for _ in 0..6 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(1));
    }
    assert!(rig.last_pass().errors.contains_key("one"), "its record fails");
    rig.docker.remove("one").unwrap();
    rig.pass().await;
    assert!(rig.docker.containers().iter().any(|container| container["Name"] == "/one"), "healed at once");
    rig.ovh.server.faults.clear();
    rig.engine.reset_service("one");
    rig.settle().await;
}

/// A corrected manifest is tried at once, not after the backoff of the previous one.
#[tokio::test]
async fn a_changed_want_is_tried_at_once() {
    let mut rig = Stepped::start().await;
    let record = |value: &str| format!("{{kind: Record, name: one, type: A, value: {value}}}\n");
    rig.write("one.yaml", &record("203.0.113.77"));
    rig.ovh.server.faults.add("POST", RECORDS, 999, Fault::Before(400));
    for _ in 0..9 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(20));
    }
    rig.ovh.server.faults.clear();
    rig.forget();
    rig.pass().await;
    assert_eq!(rig.writes(), [""; 0], "it waits");
    rig.write("one.yaml", &record("203.0.113.78"));
    rig.pass().await;
    assert!(!rig.writes().is_empty(), "another one is tried");
    rig.settle().await;
}

/// Thirty services, and an NPM that refuses every write: it is tried by one at a time, less and less often.
#[tokio::test]
async fn a_provider_that_fails_for_everybody_is_tried_by_one_at_a_time() {
    let mut rig = Stepped::start().await;
    for n in 0..30 {
        rig.write(
            &format!("s{n}.yaml"),
            &format!("{{kind: Redirect, name: s{n}, domain: s{n}, to: \"https://example.net\"}}\n"),
        );
    }
    rig.npm.server.faults.add("POST", "/api/nginx/redirection-hosts", 9999, Fault::Before(500));
    for _ in 0..60 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(2));
    }
    let tries = rig.writes().iter().filter(|line| line.contains("redirection-hosts")).count();
    // Three before it opens, then at 1, 2, 4, 8, 16, 32, 60 s.
    assert!((4..=14).contains(&tries), "{tries} tries in two minutes, of 30 services");
    assert!(rig.last_pass().open.contains_key(&amarre_core::model::ProviderId::npm("main")), "it is shown");
    let shown = amarre::engine::report::status_json(&rig.last_pass(), None);
    assert!(shown["providers"].as_array().unwrap().iter().any(|row| row["next_try_at"].is_string()), "{shown:#}");
    rig.npm.server.faults.clear();
    rig.clock.advance(Millis::minutes(1));
    for _ in 0..6 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(2));
    }
    assert!(rig.last_pass().open.is_empty(), "the first success closes it");
    rig.clock.advance(Millis::minutes(5));
    rig.settle().await;
}

/// A provider that does not answer holds up no pass for longer than it must.
#[tokio::test]
async fn a_provider_that_hangs_holds_up_no_service() {
    let mut rig = Stepped::start().await;
    rig.write("one.yaml", &plain("one"));
    rig.settle().await;
    rig.npm.server.faults.add("GET", "/api", 9999, Fault::CutBefore);
    rig.pass().await;
    rig.npm.server.faults.clear();
    rig.npm.server.faults.add("GET", "/api", 9999, Fault::Delay(std::time::Duration::from_secs(600)));
    rig.docker.remove("one").unwrap();
    let before = rig.npm.server.journal.calls().len();
    for _ in 0..4 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(1));
    }
    assert!(rig.docker.containers().iter().any(|container| container["Name"] == "/one"), "healed meanwhile");
    assert_eq!(rig.last_pass().plan.gaps.iter().map(|gap| gap.code).collect::<Vec<_>>(), [Code::A0909]);
    assert_eq!(rig.npm.server.journal.calls().len(), before, "it is asked once, and nothing has come of it yet");
}

/// Ninety-nine good services beside one whose image does not exist: the others need no more looks, and hardly a call
/// more, than without it.
#[tokio::test]
async fn one_failing_service_of_a_hundred_delays_no_other() {
    let without = passes_and_calls(false).await;
    let with = passes_and_calls(true).await;
    tracing::info!(?without, ?with, "looks and calls");
    assert!(with.0 * 100 <= without.0 * 105, "looks: {} instead of {}", with.0, without.0);
    assert!(with.1 * 100 <= without.1 * 105, "calls: {} instead of {}", with.1, without.1);
}

async fn passes_and_calls(is_one_failing: bool) -> (usize, usize) {
    let mut rig = Stepped::start().await;
    for n in 0..99 {
        rig.write(&format!("s{n}.yaml"), &format!("name: s{n}\nimage: web:1\nport: 80\ndns: none\n"));
    }
    if is_one_failing {
        rig.write("bad.yaml", "name: bad\nimage: nobody/made-it:1\nport: 80\ndns: none\n");
    }
    let mut looks = 0;
    while synced(&rig).iter().filter(|name| *name != "bad").count() < 99 {
        looks += 1;
        assert!(looks < 200, "{:?}", rig.last_pass().errors);
        step(&mut rig.engine, act()).await;
        rig.clock.advance(Millis::seconds(1));
    }
    (looks, rig.servers().iter().map(|server| server.journal.calls().len()).sum())
}
