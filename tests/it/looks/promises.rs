//! What the loop promises whatever its vendors do: doubts, gaps, isolation, publishing, guards, suspensions.

use std::collections::BTreeSet;

use amarre::engine::{Clock, RunMode};
use amarre_core::model::plan::Wait;
use amarre_core::model::world::Suspension;
use amarre_core::model::{Code, Gate, Kind, Millis};
use amarre_sim::Fault;
use amarre_sim::docker::{Behaviour, ImageSpec};
use amarre_sim::npm;
use serde_json::json;

use super::{CLOUD, container_names, plain, settled};
use crate::support::get;
use crate::support::stepped::{Stepped, ZONE, act, step};

const REFRESH: &str = "/1.0/domain/zone/example.org/refresh";

fn codes(rig: &Stepped) -> BTreeSet<String> {
    rig.last_pass().plan.gaps.iter().map(|gap| gap.code.to_string()).collect()
}

#[tokio::test]
async fn everything_converges_and_stays_quiet() {
    let mut rig = Stepped::start().await;
    let foreign = rig.foreign();
    rig.write("cloud.yaml", CLOUD);
    rig.write("plain.yaml", &plain("plain"));
    rig.settle().await;
    assert_eq!(get(rig.npm.proxy_address, "plain.example.org", "/").await.unwrap().0, 200);
    assert_eq!(rig.docker.port_moves("npm"), 0, "NPM was not cut");
    assert_eq!(rig.foreign(), foreign);
}

#[tokio::test]
async fn a_pass_that_only_plans_writes_nothing() {
    let mut rig = Stepped::start().await;
    rig.write("cloud.yaml", CLOUD);
    step(&mut rig.engine, RunMode::PlanOnly).await;
    assert!(rig.last_pass().plan.changes.len() > 5);
    assert_eq!(rig.writes(), [""; 0]);
    assert!(!rig.last_pass().acts);
}

/// A new disk, the wrong socket, an API that lost its data: believed when it says so twice, ten seconds apart.
#[tokio::test]
async fn an_empty_answer_is_doubted_for_ten_seconds() {
    let mut rig = settled(&["one", "two"]).await;
    for name in ["one", "two"] {
        rig.docker.remove(name).unwrap();
    }
    // Networks of ours still answer: that is no empty answer.
    rig.pass().await;
    assert!(rig.last_pass().plan.gaps.is_empty());
    rig.settle().await;

    for row in rig.ovh.records(ZONE) {
        let name = row["subDomain"].as_str().unwrap();
        if name.contains("one") || name.contains("two") {
            assert!(rig.ovh.remove_record(ZONE, row["id"].as_u64().unwrap()));
        }
    }
    rig.forget();
    rig.clock.advance(Millis::minutes(1));
    rig.pass().await;
    assert_eq!(codes(&rig), BTreeSet::from(["A0901".to_owned()]));
    assert_eq!(rig.writes(), [""; 0], "unknown is not missing");
    rig.clock.advance(Millis::seconds(5));
    rig.pass().await;
    assert_eq!(rig.writes(), [""; 0], "five seconds are not ten");
    rig.clock.advance(Millis::seconds(6));
    rig.settle().await;
    assert!(rig.ovh.records(ZONE).iter().any(|row| row["subDomain"] == "one"), "believed, and put right");
}

#[tokio::test]
async fn a_vendor_that_is_away_is_a_gap_and_the_rest_goes_on() {
    let mut rig = settled(&["one", "two"]).await;
    let world = rig.world();
    rig.docker.down(true);
    rig.remove("two.yaml");
    rig.ovh.remove_record(
        ZONE,
        rig.ovh.records(ZONE).iter().find(|row| row["subDomain"] == "one").unwrap()["id"].as_u64().unwrap(),
    );
    let mut since = BTreeSet::new();
    for _ in 0..3 {
        rig.pass().await;
        since.extend(rig.last_pass().plan.gaps.iter().map(|gap| gap.since));
        rig.clock.advance(Millis::seconds(2));
    }
    assert_eq!(since.len(), 1, "a gap that goes on began when it began");
    assert!(rig.docker.server.journal.writes().is_empty(), "nothing is made or deleted where nothing is seen");
    assert!(rig.ovh.records(ZONE).iter().any(|row| row["subDomain"] == "one"), "the record is healed meanwhile");
    rig.docker.down(false);
    rig.write("two.yaml", &plain("two"));
    rig.settle().await;
    assert_eq!(rig.world()["containers"], world["containers"]);
    rig.remove("two.yaml");
    rig.settle().await;
    assert!(!container_names(&rig).contains(&"/two".to_owned()));
}

#[tokio::test]
async fn a_service_that_fails_does_not_slow_the_others() {
    let mut rig = Stepped::start().await;
    rig.write("bad.yaml", "name: bad\nimage: nowhere:1\nport: 80\n");
    rig.write("good.yaml", &plain("good"));
    let end = rig.clock_now() + Millis::seconds(40);
    while rig.clock_now() < end {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(1));
    }
    assert_eq!(get(rig.npm.proxy_address, "good.example.org", "/").await.unwrap().0, 200);
    let pulls = rig.docker.server.journal.writes().iter().filter(|call| call.path.contains("nowhere")).count();
    // Doubled each time: at 0, 1, 3, 7, 15, 31 s.
    assert!((4..=6).contains(&pulls), "{pulls} pulls in 40 s");
    assert!(rig.last_pass().errors.contains_key("bad"));
    let before = rig.writes().len();
    rig.write("good.yaml", &plain("good").replace("web:1", "web:2"));
    rig.pass().await;
    assert!(rig.writes().len() > before, "the other's update begins at once");
    rig.write("bad.yaml", &plain("bad"));
    rig.settle().await;
    assert!(rig.last_pass().errors.is_empty());
}

#[tokio::test]
async fn a_zone_is_refreshed_once_a_run_and_again_until_it_works() {
    let mut rig = Stepped::start().await;
    rig.write("cloud.yaml", CLOUD);
    rig.settle().await;
    assert_eq!(rig.ovh.refreshes(ZONE), 1, "two names, two marks, one refresh");

    rig.ovh.server.faults.add("POST", REFRESH, 3, Fault::Before(500));
    rig.write("plain.yaml", &plain("plain"));
    let mut said = false;
    for _ in 0..40 {
        rig.pass().await;
        said |= rig.last_pass().unpublished.iter().any(|(_, error)| error.is_some());
        rig.clock.advance(Millis::seconds(1));
    }
    assert!(said, "status can say so");
    assert_eq!(rig.ovh.refreshes(ZONE), 2);
    let tries = rig.ovh.server.journal.writes().iter().filter(|call| call.path == REFRESH).count();
    assert_eq!(tries, 4, "backing off, and then no more");
    rig.settle().await;
    rig.assert_published("at the end");
}

#[tokio::test]
async fn an_unpublished_change_survives_a_crash() {
    let mut rig = Stepped::start().await;
    rig.write("plain.yaml", &plain("plain"));
    rig.ovh.server.faults.add("POST", REFRESH, 99, Fault::Before(500));
    while rig.ovh.records(ZONE).iter().all(|row| row["subDomain"] != "plain") {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(1));
    }
    rig.restart().await;
    rig.ovh.server.faults.clear();
    rig.settle().await;
    assert_eq!(rig.ovh.refreshes(ZONE), 1);
    rig.assert_published("after the crash");
}

#[tokio::test]
async fn a_suspended_service_is_left_alone_and_taken_up_again() {
    let mut rig = settled(&["one", "two"]).await;
    let suspension = Suspension {
        by: "a test".to_owned(),
        why: "a reason".into(),
        destroy: false,
        purge: false,
        at: amarre_core::model::Timestamp::default(),
        until: None,
    };
    rig.engine.ledger().suspend("one", &suspension).await.unwrap();
    rig.docker.remove("one").unwrap();
    rig.docker.remove("two").unwrap();
    rig.pass_until_settled().await;
    assert!(!container_names(&rig).contains(&"/one".to_owned()));
    assert!(container_names(&rig).contains(&"/two".to_owned()));
    rig.restart().await;
    rig.pass_until_settled().await;
    assert!(!container_names(&rig).contains(&"/one".to_owned()), "after a restart as well");
    assert!(rig.engine.ledger().resume("one").await.unwrap());
    rig.settle().await;
    assert!(container_names(&rig).contains(&"/one".to_owned()));
}

#[tokio::test]
async fn a_suspension_with_an_end_ends_by_itself() {
    let mut rig = settled(&["one"]).await;
    let now = rig.clock.now();
    let until = Some(now + Millis::minutes(60));
    let suspension =
        Suspension { by: "anna".to_owned(), why: "moving".into(), destroy: false, purge: false, at: now, until };
    rig.engine.ledger().suspend("one", &suspension).await.unwrap();
    rig.docker.remove("one").unwrap();
    rig.clock.advance(Millis::minutes(59));
    rig.pass_until_settled().await;
    assert_eq!(container_names(&rig).iter().filter(|name| *name == "/one").count(), 0);
    let said = rig.last_pass().statuses()["one"].what_now.clone();
    assert!(said.to_string().starts_with("suspended by anna until "), "{said}");
    assert!(rig.last_pass().plan.next_look.is_some_and(|at| Some(at) <= until), "it is looked at when its time comes");
    rig.clock.advance(Millis::minutes(1));
    rig.settle().await;
    assert_eq!(container_names(&rig).iter().filter(|name| *name == "/one").count(), 1);
    let events = rig.engine.ledger().events("one", 20).await.unwrap();
    assert!(events.iter().any(|event| event.kind == "resumed"), "{events:?}");
}

#[tokio::test]
async fn destroyed_is_gone_and_stays_gone_until_it_is_resumed() {
    let mut rig = settled(&["one", "two"]).await;
    rig.destroy("one").await;
    rig.settle().await;
    assert!(!container_names(&rig).contains(&"/one".to_owned()));
    assert!(rig.ovh.records(ZONE).iter().all(|row| !row["subDomain"].to_string().contains("one")));
    assert!(rig.docker.networks().iter().all(|network| network["Name"] != "zz-amarre-one"));
    rig.restart().await;
    rig.settle().await;
    let status = rig.last_pass().statuses()["one"].clone();
    assert_eq!((status.sync.word(), status.health.word()), ("OutOfSync", "Missing"), "{status:#?}");
    let said = status.what_now.to_string();
    assert!(said.starts_with("destroyed by ") && said.ends_with("one.yaml still asks for it"), "{said}");
    let ways: Vec<String> = status.hints.iter().map(|hint| hint.in_line()).collect();
    assert!(ways.len() == 2 && ways[1].contains("amarre resume one"), "{ways:?}");
    assert!(rig.engine.ledger().resume("one").await.unwrap());
    rig.settle().await;
    assert_eq!(get(rig.npm.proxy_address, "one.example.org", "/").await.unwrap().0, 200);
}

#[tokio::test]
async fn many_deletes_need_their_number() {
    let names = ["aa", "bb", "cc", "dd", "ee"];
    let mut rig = settled(&names).await;
    for name in &names[..4] {
        rig.remove(&format!("{name}.yaml"));
    }
    rig.write("fresh.yaml", &plain("fresh"));
    rig.pass_until_settled().await;
    let guard = rig.last_pass().plan.guard.clone().expect("four of six are many");
    assert_eq!(guard.code, Code::A0401);
    assert!(container_names(&rig).contains(&"/fresh".to_owned()), "the rest goes on");
    assert!(container_names(&rig).contains(&"/aa".to_owned()));
    let wrong = RunMode::Act { confirmed_deletes: Some(3), only: None };
    step(&mut rig.engine, wrong).await;
    assert!(rig.last_pass().plan.guard.is_some(), "another number confirms nothing");
    for _ in 0..12 {
        let right = RunMode::Act { confirmed_deletes: Some(4), only: None };
        step(&mut rig.engine, right).await;
        rig.clock.advance(Millis::seconds(1));
    }
    rig.settle().await;
    let left: Vec<String> = container_names(&rig).into_iter().filter(|name| name.len() == 3).collect();
    assert_eq!(left, ["/ee"]);
}

/// What was never made, or went before the guard held the rest, does not serve: no *Healthy* hides it.
#[tokio::test]
async fn a_service_whose_manifest_is_gone_is_as_healthy_as_its_last_text_is_served() {
    let names = ["aa", "bb", "cc", "dd", "ee"];
    let mut rig = settled(&names).await;
    let health = |rig: &Stepped, name: &str| rig.last_pass().statuses()[name].health.word();
    rig.docker.server.faults.add("POST", "/v1.41/containers/create", 99, Fault::Before(500));
    rig.write("never.yaml", &plain("never"));
    for _ in 0..4 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(1));
    }
    assert!(rig.last_pass().owned_by("never").len() > 1, "{:?}", rig.last_pass().owned_by("never"));
    for name in [&names[..4], &["never"]].concat() {
        rig.remove(&format!("{name}.yaml"));
    }
    rig.docker.remove("bb").unwrap();
    rig.pass_until_settled().await;
    rig.docker.server.faults.clear();
    assert_eq!(rig.last_pass().plan.guard.as_ref().map(|guard| guard.code), Some(Code::A0401));
    assert_eq!(health(&rig, "never"), "Missing", "its container was never made");
    assert_eq!(health(&rig, "bb"), "Missing", "its container is gone");
    assert_eq!(health(&rig, "aa"), "Healthy", "the guard holds all of it, and it serves");
    let host = rig.npm.rows(npm::Kind::ProxyHost).into_iter().find(|row| row["domain_names"][0] == "aa.example.org");
    rig.npm.remove_proxy_host(host.unwrap()["id"].as_u64().unwrap());
    rig.pass_until_settled().await;
    assert_eq!(health(&rig, "aa"), "Missing", "visitors no longer come in");
    rig.restart().await;
    rig.pass_until_settled().await;
    assert_eq!(health(&rig, "aa"), "Missing", "over a restart, too");
}

/// With the first of them gone, the number that was agreed to is another one: the agreement holds all the same.
#[tokio::test]
async fn an_agreement_to_delete_holds_to_the_end() {
    let names = ["aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh"];
    let mut rig = settled(&names).await;
    for name in &names[..6] {
        rig.remove(&format!("{name}.yaml"));
    }
    // Two go at once, four only at the second try.
    rig.npm.server.faults.add_nth("DELETE", "/api/nginx/proxy-hosts", 2, 4, Fault::Before(500));
    for _ in 0..30 {
        let right = RunMode::Act { confirmed_deletes: Some(6), only: None };
        step(&mut rig.engine, right).await;
        rig.clock.advance(Millis::seconds(1));
    }
    rig.settle().await;
    assert_eq!(rig.last_pass().plan.guard, None);
    let left: Vec<String> = container_names(&rig).into_iter().filter(|name| name.len() == 3).collect();
    assert_eq!(left, ["/gg", "/hh"]);
}

/// Another program undoes a correction, at once and again: the third time is left to a person.
#[tokio::test]
async fn a_field_that_does_not_stay_is_not_written_for_ever() {
    let mut rig = settled(&["one"]).await;
    let hosts = rig.npm.rows(npm::Kind::ProxyHost);
    let host = hosts.iter().find(|host| host["domain_names"][0] == "one.example.org").unwrap();
    let id = host["id"].as_u64().unwrap();
    rig.forget();
    for _ in 0..5 {
        rig.npm.edit_proxy_host(id, &json!({"forward_port": 9999}));
        step(&mut rig.engine, act()).await;
        rig.clock.advance(Millis::seconds(1));
    }
    assert_eq!(rig.writes().iter().filter(|call| call.contains("PUT")).count(), 2, "{:?}", rig.writes());
    assert!(rig.last_pass().at_rest, "it waits for a person");
    let refusal = rig.last_pass().plan.changes.iter().find_map(|change| change.refusal().cloned()).unwrap();
    assert_eq!(refusal.code, Code::A0906);
    rig.engine.retry_now();
    rig.settle().await;
}

/// One of several may always go.
#[tokio::test]
async fn one_delete_needs_no_confirmation() {
    let mut rig = settled(&["one", "two"]).await;
    rig.remove("one.yaml");
    rig.settle().await;
    assert!(!container_names(&rig).contains(&"/one".to_owned()));
}

/// The number holds for what was there when it was given.
#[tokio::test]
async fn an_agreement_to_delete_covers_nothing_that_vanishes_later() {
    let names = ["aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh", "ii"];
    let mut rig = settled(&names).await;
    let agreed = || RunMode::Act { confirmed_deletes: Some(4), only: None };
    for name in &names[..4] {
        rig.remove(&format!("{name}.yaml"));
    }
    step(&mut rig.engine, agreed()).await;
    for name in &names[4..8] {
        rig.remove(&format!("{name}.yaml"));
    }
    for _ in 0..12 {
        step(&mut rig.engine, agreed()).await;
        rig.clock.advance(Millis::seconds(1));
    }
    assert_eq!(rig.last_pass().plan.guard.as_ref().map(|guard| guard.code), Some(Code::A0401));
    let left: Vec<String> = container_names(&rig).into_iter().filter(|name| name.len() == 3).collect();
    assert_eq!(left, ["/ee", "/ff", "/gg", "/hh", "/ii"]);
}

/// NPM is re-created: its attachments are corrected first.
#[tokio::test]
async fn a_recreated_npm_is_attached_again() {
    let mut rig = settled(&["one"]).await;
    rig.docker.remove("npm").unwrap();
    rig.pass().await;
    rig.docker.seed_container("npm", "npm:2", &["npm_default"]).unwrap();
    rig.forget();
    rig.pass().await;
    let first = rig.docker.server.journal.writes().first().map(|call| call.path.clone()).unwrap_or_default();
    assert!(first.contains("/connect"), "{first}");
    rig.settle().await;
    assert_eq!(get(rig.npm.proxy_address, "one.example.org", "/").await.unwrap().0, 200);
}

/// What a lane could not finish leaves the others' changes in place.
#[tokio::test]
async fn only_what_is_asked_for_is_done() {
    let mut rig = Stepped::start().await;
    rig.write("one.yaml", &plain("one"));
    rig.write("two.yaml", &plain("two"));
    for _ in 0..8 {
        let only = RunMode::Act { confirmed_deletes: None, only: Some(BTreeSet::from(["one".to_owned()])) };
        step(&mut rig.engine, only).await;
        rig.clock.advance(Millis::seconds(1));
    }
    assert!(container_names(&rig).contains(&"/one".to_owned()));
    assert!(!container_names(&rig).contains(&"/two".to_owned()));
    step(&mut rig.engine, act()).await;
    rig.settle().await;
}

/// It may have been made: nothing is made a second time before that is seen, or half a minute has passed.
#[tokio::test]
async fn a_call_whose_outcome_is_not_known_is_not_repeated_at_once() {
    let mut rig = Stepped::start().await;
    rig.write("one.yaml", &plain("one"));
    rig.docker.server.faults.add("POST", "/v1.41/networks/create", 1, Fault::CutBefore);
    let tries = |rig: &Stepped| rig.writes().iter().filter(|line| line.ends_with("/networks/create")).count();
    for _ in 0..10 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(2));
    }
    assert_eq!(tries(&rig), 1);
    let pass = rig.last_pass();
    let create = pass.plan.changes.iter().find(|change| change.address.kind == Kind::Network).unwrap();
    assert!(matches!(create.gate, Gate::Until { what: Wait::Settle, .. }), "{create:?}");
    rig.clock.advance(Millis::seconds(20));
    rig.settle().await;
    assert!(rig.docker.networks().iter().any(|network| network["Name"] == "zz-amarre-one"));
    assert!(rig.last_pass().facts.open_intents.is_empty());
}

/// What one service was given belongs to no other, with the ledger and without.
#[tokio::test]
async fn a_subnet_stays_with_its_service() {
    let mut rig = settled(&["one", "two"]).await;
    let subnet = |rig: &Stepped| {
        let networks = rig.docker.networks();
        let one = networks.iter().find(|network| network["Name"] == "zz-amarre-one").unwrap();
        one["IPAM"]["Config"][0]["Subnet"].clone()
    };
    let before = subnet(&rig);
    for newcomer in ["aa", "bb"] {
        rig.docker.remove("one").unwrap();
        rig.docker.remove("npm").unwrap();
        rig.docker.remove_network("zz-amarre-one").unwrap();
        rig.docker.seed_container("npm", "npm:2", &["npm_default"]).unwrap();
        rig.write(&format!("{newcomer}.yaml"), &plain(newcomer));
        rig.settle().await;
        assert_eq!(subnet(&rig), before, "{newcomer} came");
        rig.restart_without_ledger().await;
        rig.settle().await;
    }
}

/// The process may have been killed before it published the zone, and what it had noted is lost.
#[tokio::test]
async fn without_a_ledger_a_zone_is_published_before_all_is_settled() {
    let mut rig = Stepped::start().await;
    rig.write("home.yaml", "{kind: Record, name: home, type: A, value: 203.0.113.10}\n");
    rig.ovh.server.faults.add("POST", REFRESH, 99, Fault::Before(500));
    rig.pass().await;
    rig.pass().await;
    assert_eq!(rig.ovh.refreshes(ZONE), 0);
    rig.ovh.server.faults.clear();
    rig.restart_without_ledger().await;
    rig.forget();
    rig.pass_until_settled().await;
    assert_eq!(rig.writes(), [format!("POST {REFRESH}")]);
    rig.assert_quiet().await;
}

/// Three answers make it ready, and nothing points at it before that.
#[tokio::test]
async fn a_container_gets_no_visitor_before_it_has_answered() {
    let mut rig = Stepped::start().await;
    rig.write("one.yaml", &plain("one"));
    rig.docker.image(ImageSpec { behaviour: Behaviour::Unhealthy, ..ImageSpec::new("sick:1") });
    rig.write("sick.yaml", &plain("sick").replace("web:1", "sick:1"));
    let has_host = |rig: &Stepped, name: &str| {
        let rows = rig.npm.rows(npm::Kind::ProxyHost);
        rows.iter().any(|row| row["domain_names"][0] == format!("{name}.example.org"))
    };
    let probes = |rig: &Stepped, name: &str| {
        let pass = rig.last_pass();
        let seen = pass.world.seen.iter().find(|(address, _)| address.kind == Kind::Container && address.name == name);
        seen.map(|(_, seen)| seen.ready.clone())
    };
    for _ in 0..3 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(2));
    }
    assert!(probes(&rig, "one").is_some_and(|ready| !ready.is_ready()), "two answers are not three");
    assert!(!has_host(&rig, "one"));
    for _ in 0..20 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(2));
    }
    assert!(has_host(&rig, "one"));
    assert!(!has_host(&rig, "sick"), "nor while its healthcheck fails");
    assert!(rig.ovh.records(ZONE).iter().all(|row| row["subDomain"] != "sick"));
}

/// Without a healthcheck and a route, only time tells.
#[tokio::test]
async fn a_container_that_cannot_be_probed_is_ready_after_a_while() {
    let mut rig = Stepped::start().await;
    rig.write("worker.yaml", "name: worker\nimage: web:1\n");
    let ready = |rig: &Stepped| {
        let pass = rig.last_pass();
        let mut seen = pass.world.seen.iter().filter(|(address, _)| address.name == "worker");
        seen.any(|(address, seen)| address.kind == Kind::Container && seen.ready.is_ready())
    };
    for _ in 0..4 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(2));
    }
    assert!(container_names(&rig).contains(&"/worker".to_owned()));
    assert!(!ready(&rig), "eight seconds are not fifteen");
    rig.clock.advance(Millis::seconds(10));
    rig.pass().await;
    assert!(ready(&rig));
}

/// Nothing is handed out for a service while its last changes are under way.
#[tokio::test]
async fn a_service_has_one_lane() {
    let mut rig = settled(&["one"]).await;
    rig.write("one.yaml", &format!("{}restart: always\n", plain("one")));
    let slow = Fault::Delay(std::time::Duration::from_millis(300));
    rig.docker.server.faults.add("POST", "/v1.41/containers/", 9, slow);
    rig.engine.pass(act()).await;
    rig.engine.pass(act()).await;
    while rig.engine.lane_done().await {}
    let updates = rig.writes().iter().filter(|line| line.ends_with("/update")).count();
    assert_eq!(updates, 1, "{:?}", rig.writes());
    rig.docker.server.faults.clear();
    rig.settle().await;
}

/// What a lane is about to make has its subnet and its addresses already, whoever comes meanwhile.
#[tokio::test]
async fn a_service_that_starts_during_a_lane_gets_other_subnets_and_addresses() {
    let mut rig = Stepped::start().await;
    let slow = Fault::Delay(std::time::Duration::from_millis(300));
    for call in ["/v1.41/networks/create", "/v1.41/containers/create"] {
        rig.docker.server.faults.add("POST", call, 9, slow.clone());
    }
    rig.write("one.yaml", &plain("one"));
    for newcomer in ["another", "before-all"] {
        rig.engine.pass(act()).await;
        rig.write(&format!("{newcomer}.yaml"), &plain(newcomer));
        rig.engine.pass(act()).await;
        while rig.engine.lane_done().await {}
    }
    rig.settle().await;
    let refused: Vec<_> = rig.last_pass().facts.refused_subnets.iter().copied().collect();
    assert!(refused.is_empty(), "the engine was asked for what it has: {refused:?}");
    let failed: Vec<_> = rig.docker.server.journal.writes().into_iter().filter(|call| call.status >= 400).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// An image that cannot be had is no reason to stop what runs.
#[tokio::test]
async fn a_pull_that_fails_stops_nothing() {
    let vault = "name: vault\nimage: web:1\nvolumes: ['data:/data']\n";
    let mut rig = Stepped::start().await;
    rig.write("vault.yaml", vault);
    rig.settle().await;
    let id = |rig: &Stepped| {
        let containers = rig.docker.containers();
        let mut vaults = containers.iter().filter(|container| container["Name"] == "/vault");
        vaults.next().map(|container| (container["Id"].clone(), container["State"]["Running"].clone()))
    };
    let before = id(&rig);
    assert!(before.is_some());
    rig.write("vault.yaml", &vault.replace("web:1", "nowhere:1"));
    for _ in 0..10 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(2));
    }
    assert!(rig.last_pass().errors.contains_key("vault"));
    assert_eq!(id(&rig), before);
    rig.write("vault.yaml", &vault.replace("web:1", "web:2"));
    rig.settle().await;
    assert_ne!(id(&rig), before);
}

/// An application that must stop first goes on until its new database is healthy.
#[tokio::test]
async fn nothing_is_stopped_before_its_successor_can_start() {
    let pair = "
name: pair
containers:
  app:
    image: web:1
    depends_on: {db: {condition: service_healthy}}
    volumes: ['files:/files']
  db:
    image: db:1
    volumes: ['data:/data']
";
    let mut rig = Stepped::start().await;
    rig.docker.image(ImageSpec { behaviour: Behaviour::HealthyAfter(4), ..ImageSpec::new("slow:1") });
    rig.write("pair.yaml", pair);
    rig.settle().await;
    let find = |rig: &Stepped, name: &str| {
        let mut containers = rig.docker.containers().into_iter();
        containers.find(|container| container["Name"] == name).unwrap_or_default()
    };
    let app = find(&rig, "/pair-app")["Id"].clone();
    let changed = pair.replace("image: web:1", "image: web:2").replace("image: db:1", "image: slow:1");
    rig.write("pair.yaml", &changed);
    for _ in 0..30 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(2));
        if find(&rig, "/pair-app")["Id"] != app {
            break;
        }
    }
    assert_eq!(find(&rig, "/pair-db")["State"]["Health"]["Status"], "healthy");
    rig.settle().await;
    assert_eq!(find(&rig, "/pair-app")["Config"]["Image"], "web:2");
}

/// What cannot be written down is not done, at any vendor; a refresh has no intent of its own and waits all the same.
#[tokio::test]
async fn a_ledger_that_cannot_be_written_means_no_writes() {
    use sqlx::{Connection, Executor};
    let mut rig = settled(&["one"]).await;
    rig.ovh.server.faults.add("POST", REFRESH, 99, Fault::Before(500));
    rig.write("two.yaml", "{kind: Record, name: two, type: A, value: 203.0.113.77}\n");
    rig.pass().await;
    rig.pass().await;
    assert_eq!(rig.last_pass().unpublished.len(), 1);
    let url = format!("sqlite://{}", rig.folder.path().join("ledger-0.db").display());
    let mut ledger = sqlx::SqliteConnection::connect(&url).await.unwrap();
    for table in ["intents", "meta"] {
        let full = "BEFORE INSERT ON";
        let full = format!("CREATE TRIGGER full_{table} {full} {table} BEGIN SELECT RAISE(ABORT, 'disk full'); END");
        ledger.execute(sqlx::AssertSqlSafe(full)).await.unwrap();
    }
    rig.docker.remove("one").unwrap();
    rig.ovh.server.faults.clear();
    rig.pass().await;
    rig.forget();
    for _ in 0..5 {
        rig.clock.advance(Millis::seconds(10));
        rig.pass().await;
    }
    assert_eq!(rig.writes(), [""; 0]);
    assert!(rig.last_pass().ledger_error.is_some());
    for table in ["intents", "meta"] {
        ledger.execute(sqlx::AssertSqlSafe(format!("DROP TRIGGER full_{table}"))).await.unwrap();
    }
    rig.clock.advance(Millis::seconds(10));
    rig.settle().await;
    rig.assert_published("once there is room");
}

/// What of the ledger cannot be read is not taken for nothing: a table that is away means no writes, and what was known.
#[tokio::test]
async fn a_ledger_that_cannot_be_read_means_no_writes() {
    use sqlx::{Connection, Executor};
    for table in ["unpublished", "rollbacks"] {
        let mut rig = settled(&["one"]).await;
        rig.ovh.server.faults.add("POST", REFRESH, 99, Fault::Before(500));
        rig.write("two.yaml", "{kind: Record, name: two, type: A, value: 203.0.113.77}\n");
        rig.pass().await;
        rig.pass().await;
        let url = format!("sqlite://{}", rig.folder.path().join("ledger-0.db").display());
        let mut ledger = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let rename = |from: &str, to: &str| sqlx::AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"));
        ledger.execute(rename(table, "away")).await.unwrap();
        rig.docker.remove("one").unwrap();
        rig.ovh.server.faults.clear();
        rig.forget();
        for _ in 0..5 {
            rig.clock.advance(Millis::seconds(10));
            rig.pass().await;
        }
        assert_eq!(rig.writes(), [""; 0], "without {table}");
        assert!(rig.last_pass().ledger_error.is_some(), "without {table}");
        assert_eq!(rig.last_pass().unpublished.len(), 1, "without {table}");
        ledger.execute(rename("away", table)).await.unwrap();
        rig.clock.advance(Millis::seconds(10));
        rig.settle().await;
        rig.assert_published("once it can be read");
    }
}
