//! Stability: engines that restart, a re-created NPM, Amarre's own container.

use std::sync::Arc;

use amarre_core::model::plan::Wait;
use amarre_core::model::{Code, Gate, Kind, Millis, Timestamp, Verb};
use amarre_sim::Fault;
use serde_json::json;

use super::{plain, settled};
use crate::support::get;
use crate::support::stepped::Stepped;

fn names(rig: &Stepped) -> Vec<String> {
    let names = rig.docker.containers();
    names.iter().map(|container| container["Name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// What waits for the engine, and until when.
fn waiting(rig: &Stepped) -> Vec<(String, Timestamp)> {
    let pass = rig.last_pass();
    let waits = pass.plan.changes.iter().filter_map(|change| match &change.gate {
        Gate::Until { at, what: Wait::EngineStart } => Some((change.address.to_string(), *at)),
        Gate::Now | Gate::After(_) | Gate::Held(_) | Gate::Until { .. } => None,
    });
    waits.collect()
}

/// The engine brings its containers back by itself: for a minute nothing is made, started or removed there.
#[tokio::test]
async fn after_an_engine_restart_nothing_is_healed_for_a_minute() {
    let mut rig = settled(&["one", "two"]).await;
    rig.docker.restart_engine();
    rig.docker.remove("one").unwrap();
    rig.pass().await;
    let began = rig.clock_now();
    let waits = waiting(&rig);
    assert!(waits.iter().any(|(address, _)| address.contains("container/one@")), "{waits:?}");
    assert!(waits.iter().all(|(_, at)| *at - began <= Millis::seconds(60)), "{waits:?}");
    assert!(rig.last_pass().plan.next_look.is_some_and(|at| at <= waits[0].1), "it is looked at again by itself");
    assert!(!rig.last_pass().at_rest, "the wait ends by itself");
    while rig.clock_now() - began < Millis::seconds(50) {
        rig.clock.advance(Millis::seconds(5));
        rig.pass().await;
    }
    let on_docker: Vec<String> = rig.writes().into_iter().filter(|line| line.contains("/v1.")).collect();
    assert_eq!(on_docker, [""; 0], "not within the minute");
    rig.clock.advance(Millis::seconds(11));
    rig.settle().await;
    assert!(names(&rig).contains(&"/one".to_owned()));
}

/// A process that begins after the engine did does not heal either, and what is new waits for nothing.
#[tokio::test]
async fn a_new_process_knows_that_the_engine_has_just_started() {
    let mut rig = settled(&["one"]).await;
    rig.docker.restart_engine();
    rig.docker.remove("one").unwrap();
    rig.restart().await;
    rig.write("fresh.yaml", &plain("fresh"));
    for _ in 0..8 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(1));
    }
    assert!(waiting(&rig).iter().any(|(address, _)| address.contains("container/one@")));
    assert!(names(&rig).contains(&"/fresh".to_owned()), "a first install is not delayed: {:?}", names(&rig));
    assert!(!names(&rig).contains(&"/one".to_owned()));
    rig.clock.advance(Millis::seconds(60));
    rig.settle().await;
}

/// An engine that could not be reached, and is the same one, was not restarted.
#[tokio::test]
async fn a_broken_line_to_an_engine_is_no_restart() {
    let mut rig = settled(&["one"]).await;
    rig.docker.down(true);
    rig.pass().await;
    rig.docker.down(false);
    rig.docker.remove("one").unwrap();
    rig.clock.advance(Millis::minutes(1));
    rig.pass().await;
    assert_eq!(waiting(&rig), []);
    rig.settle().await;
}

/// A candidate that was cut off by the engine's restart has not failed.
#[tokio::test]
async fn a_candidate_does_not_fail_by_its_engines_restart() {
    let mut rig = settled(&["one"]).await;
    rig.write("one.yaml", &plain("one").replace("web:1", "web:2"));
    while !rig.docker.containers().iter().any(|container| container["Config"]["Image"] == "web:2") {
        rig.pass().await;
    }
    rig.docker.restart_engine();
    let candidate = names(&rig).into_iter().find(|name| name.starts_with("/one-")).unwrap();
    rig.docker.crash(candidate.trim_start_matches('/')).unwrap();
    for _ in 0..5 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(2));
        assert!(rig.last_pass().facts.failed.is_empty(), "{:?}", rig.last_pass().facts.failed);
    }
    rig.clock.advance(Millis::seconds(60));
    rig.settle().await;
    assert!(rig.docker.containers().iter().any(|container| container["Config"]["Image"] == "web:2"));
}

/// The attachments of every service come before anything else of the run.
#[tokio::test]
async fn a_recreated_npm_is_attached_everywhere_first() {
    let mut rig = settled(&["one", "two", "three"]).await;
    rig.docker.remove("npm").unwrap();
    rig.pass().await;
    rig.docker.seed_container("npm", "npm:2", &["npm_default"]).unwrap();
    for name in ["one", "two"] {
        rig.docker.remove(name).unwrap();
    }
    rig.write("four.yaml", &plain("four"));
    rig.forget();
    rig.pass().await;
    let first = rig.writes();
    assert_eq!(first.len(), 3, "{first:?}");
    assert!(first.iter().all(|line| line.ends_with("/connect")), "{first:?}");
    rig.settle().await;
}

/// One that cannot be attached holds up nothing but what needs it.
#[tokio::test]
async fn an_attachment_that_fails_holds_up_no_other_service() {
    let mut rig = settled(&["one"]).await;
    rig.docker.remove("npm").unwrap();
    rig.pass().await;
    rig.docker.seed_container("npm", "npm:2", &["npm_default"]).unwrap();
    rig.docker.server.faults.add("POST", "/v1.41/networks", 2, amarre_sim::Fault::Before(500));
    rig.write("fresh.yaml", "{kind: Record, name: fresh, type: A, value: 203.0.113.77}\n");
    for _ in 0..4 {
        rig.pass().await;
    }
    assert!(rig.writes().iter().any(|line| line.starts_with("POST /1.0/domain/zone")), "{:?}", rig.writes());
    rig.settle().await;
}

/// A change of every sort at Amarre's own container and network is held; the rest of the service goes on.
#[tokio::test]
async fn the_own_container_is_never_replaced_stopped_or_cut_off() {
    let ended = ["image: web:2", "state: stopped", "network: {subnet: 10.77.200.0/24}", "gone"];
    for story in ended {
        let mut rig = settled(&["amarre", "other"]).await;
        let own = rig.docker.containers().into_iter().find(|container| container["Name"] == "/amarre").unwrap();
        rig.own = own["Id"].as_str().map(|id| id[..12].to_owned());
        rig.restart().await;
        rig.forget();
        match story {
            "image: web:2" => rig.write("amarre.yaml", &plain("amarre").replace("image: web:1", story)),
            "gone" => rig.remove("amarre.yaml"),
            _ => rig.write("amarre.yaml", &format!("{}{story}\n", plain("amarre"))),
        }
        rig.pass_until_settled().await;
        let pass = rig.last_pass();
        let held =
            |change: &&amarre_core::model::Change| change.refusal().is_some_and(|refusal| refusal.code == Code::A0508);
        let held: Vec<(Kind, &Verb)> =
            pass.plan.changes.iter().filter(held).map(|change| (change.address.kind, &change.verb)).collect();
        assert!(held.iter().any(|(kind, _)| *kind == Kind::Container), "{story}: {:?}", pass.plan.changes);
        let still = rig.docker.containers().into_iter().find(|container| container["Name"] == "/amarre").unwrap();
        assert_eq!((&still["Id"], &still["State"]["Running"]), (&own["Id"], &json!(true)), "{story}");
        assert!(still["NetworkSettings"]["Networks"]["zz-amarre-amarre"].is_object(), "{story}");
    }
}

/// An engine that was killed while it started a candidate refuses to start that one for good (measured: 20.10).
#[tokio::test]
async fn a_candidate_that_its_engine_cannot_start_is_recreated() {
    let mut rig = settled(&["one"]).await;
    rig.write("one.yaml", &plain("one").replace("web:1", "web:2"));
    let is_start = |method: &str, path: &str| method == "POST" && path.ends_with("/start");
    rig.docker
        .server
        .faults
        .decide_by(Arc::new(move |method, path| is_start(method, path).then_some(Fault::CutBefore)));
    let is_candidate = |name: &String| name.starts_with("/one-");
    while !names(&rig).iter().any(is_candidate) {
        rig.pass().await;
    }
    rig.docker.server.faults.clear();
    let candidate = names(&rig).into_iter().find(is_candidate).unwrap();
    rig.docker.hold(candidate.trim_start_matches('/')).unwrap();
    rig.docker.restart_engine();
    rig.clock.advance(Millis::minutes(2));
    rig.settle().await;
    let containers = rig.docker.containers();
    assert_eq!(names(&rig), ["/npm", "/stranger", "/one"]);
    assert!(containers.iter().any(|container| container["Config"]["Image"] == "web:2"), "{containers:?}");
}

/// A foreign container has the address that the manifest asks for: what served has its own again.
#[tokio::test]
async fn what_is_put_back_has_the_address_that_it_had() {
    let mut rig = settled(&[]).await;
    let manifest = |pin: &str| {
        format!(
            "name: one\nnetwork: {{subnet: 10.77.40.0/24}}\ncontainers:\n  web: {{image: 'web:1'{pin}}}\nroutes: [{{domain: one, to: 'web:80'}}]\n"
        )
    };
    rig.write("one.yaml", &manifest(""));
    rig.settle().await;
    let network =
        rig.docker.networks().into_iter().find(|network| network["Labels"]["io.amarre.service"] == "one").unwrap();
    let network = network["Name"].as_str().unwrap();
    rig.docker.seed_container("guest", "web:1", &[network]).unwrap();
    let guest = rig.docker.containers().into_iter().find(|container| container["Name"] == "/guest").unwrap();
    let taken = guest["NetworkSettings"]["Networks"][network]["IPAddress"].as_str().unwrap().to_owned();
    rig.write("one.yaml", &manifest(&format!(", networks: {{default: {{ipv4_address: {taken}}}}}")));
    rig.pass_until_settled().await;
    rig.clock.advance(Millis::minutes(3));
    rig.pass_until_settled().await;
    let pass = rig.last_pass();
    let failed = pass.plan.changes.iter().filter_map(|change| change.refusal()).map(|refusal| refusal.code);
    assert_eq!(failed.collect::<Vec<_>>(), [Code::A0512]);
    assert_eq!(get(rig.npm.proxy_address, "one.example.org", "/").await.unwrap().0, 200);
}

/// One that has run is a person's to remove: it is said how.
#[tokio::test]
async fn a_container_that_has_run_is_not_recreated_after_an_engine_failure() {
    let mut rig = settled(&["one"]).await;
    rig.docker.hold("one").unwrap();
    rig.docker.stop("one").unwrap();
    for _ in 0..5 {
        rig.clock.advance(Millis::minutes(11));
        rig.pass().await;
    }
    let pass = rig.last_pass();
    let errors = pass.errors.values().map(|one| format!("{} {}", one.error.message, one.error.hint));
    let error = errors.collect::<String>();
    assert!(error.contains("`docker rm one`, and it is made anew"), "{error}");
    rig.docker.remove("one").unwrap();
    rig.clock.advance(Millis::minutes(11));
    rig.settle().await;
    assert_eq!(names(&rig), ["/npm", "/stranger", "/one"]);
}
