//! How often vendors are asked, published and tried again: as seldom as it can be.

use amarre_core::model::{Code, Millis};
use amarre_sim::Fault;
use amarre_sim::docker::{Behaviour, ImageSpec};

use super::{plain, settled};
use crate::support::stepped::{Stepped, ZONE, act};

const REFRESH: &str = "/1.0/domain/zone/example.org/refresh";

fn record(name: &str) -> String {
    format!("{{kind: Record, name: {name}, type: A, value: 203.0.113.77}}\n")
}

/// What is remembered of a vendor is not asked again, and does not outlive a write.
#[tokio::test]
async fn consecutive_passes_ask_each_vendor_no_more_than_needed() {
    let mut rig = settled(&["one", "two"]).await;
    rig.clock.advance(Millis::minutes(2));
    rig.forget();
    for _ in 0..5 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(5));
    }
    let calls = |server: &amarre_sim::Server| server.journal.calls().len();
    assert_eq!(calls(&rig.ovh.server), 2, "{:?}", rig.ovh.server.journal.calls());
    let lists = ["/containers/json", "/networks", "/volumes", "/images/json"];
    let is_list = |path: &str| lists.iter().any(|list| path.split('?').next().is_some_and(|path| path.ends_with(list)));
    for call in rig.docker.server.journal.calls() {
        assert!(is_list(&call.path), "{} {}: a list of each kind, no more", call.method, call.path);
    }
    rig.write("one.yaml", &format!("{}restart: always\n", plain("one")));
    rig.settle().await;
}

/// An answer that was doubted is asked for again, not cached.
#[tokio::test]
async fn an_outcome_in_doubt_is_settled_by_the_next_answer() {
    let mut rig = settled(&["one", "two"]).await;
    let rows = rig.ovh.records(ZONE);
    let ours: Vec<_> =
        rows.iter().filter(|row| !["", "foreign"].contains(&row["subDomain"].as_str().unwrap())).collect();
    for row in &ours {
        assert!(rig.ovh.remove_record(ZONE, row["id"].as_u64().unwrap()));
    }
    rig.clock.advance(Millis::minutes(2));
    rig.pass().await;
    assert_eq!(rig.last_pass().plan.gaps.iter().map(|gap| gap.code).collect::<Vec<_>>(), [Code::A0901]);
    for row in &ours {
        let text = |name: &str| row[name].as_str().unwrap();
        rig.ovh.seed_record(ZONE, text("subDomain"), text("fieldType"), text("target"), 3600);
    }
    rig.clock.advance(Millis::seconds(11));
    rig.pass().await;
    assert!(rig.last_pass().plan.gaps.is_empty());
    assert!(rig.last_pass().plan.changes.is_empty(), "{:?}", rig.last_pass().plan.changes);
}

/// A record that is being written, or will be in a moment, is waited for.
#[tokio::test]
async fn records_of_several_services_share_a_refresh() {
    let mut rig = Stepped::start().await;
    rig.write("one.yaml", &record("one"));
    rig.pass().await;
    rig.write("two.yaml", &record("two"));
    rig.settle().await;
    assert_eq!(rig.ovh.refreshes(ZONE), 1);
    rig.assert_published("both");

    rig.write("web.yaml", &plain("web"));
    while !rig.docker.containers().iter().any(|container| container["Name"] == "/web") {
        rig.pass().await;
    }
    rig.write("three.yaml", &record("three"));
    for _ in 0..6 {
        rig.pass().await;
    }
    rig.settle().await;
    assert_eq!(rig.ovh.refreshes(ZONE), 2, "a container that is about to be ready");
    rig.assert_published("all of them");
}

#[tokio::test]
async fn a_zone_that_waits_for_another_record_is_no_run() {
    let mut rig = Stepped::start().await;
    rig.docker.image(ImageSpec { behaviour: Behaviour::SlowStart(1_000_000), ..ImageSpec::new("slow:1") });
    rig.write("slow.yaml", &plain("slow").replace("web:1", "slow:1"));
    while !rig.docker.containers().iter().any(|container| container["Name"] == "/slow") {
        rig.pass().await;
    }
    rig.write("one.yaml", &record("one"));
    let mut runs = std::collections::BTreeSet::new();
    let began = rig.clock_now();
    for _ in 0..12 {
        // A record waits for five.
        if rig.clock_now() - began > Millis::seconds(3) {
            break;
        }
        rig.pass().await;
        runs.insert(rig.last_pass().run);
    }
    assert_eq!(rig.ovh.refreshes(ZONE), 0, "the record of the slow one may join");
    assert!(runs.len() <= 2, "{runs:?}");
}

/// A refresh that leaves while a record is still on its way does not stand for it.
#[tokio::test]
async fn a_record_on_its_way_is_published_too() {
    let mut rig = Stepped::start().await;
    rig.write("one.yaml", &record("one"));
    rig.pass().await;
    rig.write("two.yaml", &record("two"));
    let slow = Fault::Delay(std::time::Duration::from_millis(300));
    rig.ovh.server.faults.add("POST", "/1.0/domain/zone/example.org/record", 9, slow);
    for _ in 0..3 {
        rig.engine.pass(act()).await;
    }
    while rig.engine.lane_done().await {}
    rig.ovh.server.faults.clear();
    rig.pass_until_settled().await;
    rig.assert_published("the second");
    rig.settle().await;
}

#[tokio::test]
async fn a_zone_that_cannot_be_published_is_tried_more_and_more_seldom() {
    let mut rig = Stepped::start().await;
    rig.ovh.server.faults.add("POST", REFRESH, 99, Fault::Before(500));
    rig.write("one.yaml", &record("one"));
    let end = rig.clock_now() + Millis::seconds(40);
    while rig.clock_now() < end {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(1));
    }
    let tries = rig.ovh.server.journal.writes().iter().filter(|call| call.path == REFRESH).count();
    // Doubled each time: at 1, 2, 4, 8, 16, 32 s.
    assert!((4..=6).contains(&tries), "{tries} tries in 40 s");
    rig.ovh.server.faults.clear();
    rig.clock.advance(Millis::minutes(1));
    rig.settle().await;
    rig.assert_published("at last");
}

/// What an engine refuses for what it is asked for, it refuses until something else is asked for.
#[tokio::test]
async fn a_container_that_an_engine_refuses_is_not_asked_for_again_until_it_is_another_one() {
    let mut rig = settled(&["one"]).await;
    rig.docker.image(ImageSpec { has_no_command: true, ..ImageSpec::new("empty:1") });
    let creates = |rig: &Stepped| {
        let calls = rig.docker.server.journal.calls();
        calls.iter().filter(|call| call.method == "POST" && call.path.contains("/containers/create")).count()
    };
    rig.forget();
    rig.write("bare.yaml", "name: bare\nimage: empty:1\n");
    rig.pass_until_settled().await;
    for _ in 0..20 {
        rig.clock.advance(Millis::minutes(5));
        rig.pass().await;
    }
    assert_eq!(creates(&rig), 1);
    let pass = rig.last_pass();
    let said = pass.statuses()["bare"].waiting.as_ref().map(|wait| format!("{:?}", wait.next)).unwrap_or_default();
    assert!(said.contains("amarre retry"), "{said}");
    drop(pass);
    // A person asks.
    rig.engine.retry("bare").await.unwrap();
    rig.pass_until_settled().await;
    assert_eq!(creates(&rig), 2);
    // Another commit that changes nothing of it does not, and one that does.
    rig.write("two.yaml", &plain("two"));
    rig.pass_until_settled().await;
    assert_eq!(creates(&rig), 3, "the third is that of the other service");
    rig.write("bare.yaml", "name: bare\nimage: empty:1\ncommand: [serve]\n");
    rig.pass_until_settled().await;
    assert_eq!(creates(&rig), 4);
    rig.settle().await;
}
