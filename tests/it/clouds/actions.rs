//! What a person asks of a server: once, whatever becomes of the answer.

use amarre::engine::pass_result::ActionState;
use amarre_core::model::Millis;
use amarre_sim::Fault;
use amarre_sim::ovh_cloud::CloudVerb;

use super::support::{CloudRig, MONDAY};

const WRITES: &str = "/1.0/cloud/project/";

#[tokio::test]
async fn each_action_reaches_its_power_though_the_old_status_is_shown_for_a_while() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.settle().await;
    for (region, name, word, status, verb) in [
        ("GRA11", "db-1", "stop", "SHUTOFF", CloudVerb::Stop),
        ("GRA11", "build-2", "start", "ACTIVE", CloudVerb::Start),
        ("GRA11", "build-1", "reboot", "ACTIVE", CloudVerb::RebootSoft),
        ("BHS5", "cache-1", "reboot-hard", "ACTIVE", CloudVerb::RebootHard),
        ("SBG5", "db-2", "shelve", "SHELVED_OFFLOADED", CloudVerb::Shelve),
        ("SBG5", "build-3", "unshelve", "ACTIVE", CloudVerb::Unshelve),
    ] {
        let id = rig.cloud.id_of(region, name);
        rig.ask(&id, word).unwrap();
        for _ in 0..120 {
            rig.pass(Millis::seconds(2)).await;
        }
        assert_eq!(rig.state(&id), Some(ActionState::Done), "{word}");
        assert_eq!((rig.status(&id).as_str(), rig.effects(&id)), (status, vec![verb]), "{word}");
    }
    rig.settle().await;
}

#[tokio::test]
async fn an_action_whose_answer_was_lost_is_never_repeated() {
    for (fault, happens) in [
        (Fault::CutAfter, true),
        (Fault::After(504), true),
        (Fault::CutBefore, false),
        (Fault::Before(503), false),
        (Fault::Before(429), false),
    ] {
        for is_killed in [false, true] {
            let mut rig = CloudRig::start_at(MONDAY).await;
            rig.settle().await;
            let id = rig.cloud.id_of("GRA11", "db-1");
            rig.cloud.server.faults.add("POST", WRITES, 1, fault.clone());
            rig.ask(&id, "stop").unwrap();
            rig.pass(Millis::seconds(1)).await;
            if is_killed {
                rig.restart().await;
            }
            for _ in 0..40 {
                rig.pass(Millis::seconds(60)).await;
            }
            let status = if happens { "SHUTOFF" } else { "ACTIVE" };
            assert_eq!(rig.status(&id), status, "{fault:?}");
            assert_eq!(rig.cloud.writes().len(), 1, "{fault:?}");
            assert_eq!(
                rig.state(&id) == Some(ActionState::Done),
                happens,
                "{fault:?} {is_killed} {:?}",
                rig.state(&id)
            );
            rig.cloud.server.faults.clear();
            rig.settle().await;
        }
    }
}

#[tokio::test]
async fn what_the_vendor_refuses_is_refused_by_name() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.settle().await;
    for (name, code) in [("web-1", "A0735"), ("gpu-train", "A0743")] {
        let id = rig.cloud.id_of("GRA11", name);
        rig.ask(&id, "shelve").unwrap();
        rig.pass(Millis::seconds(5)).await;
        rig.pass(Millis::seconds(5)).await;
        assert!(format!("{:?}", rig.state(&id)).contains(code), "{:?}", rig.state(&id));
        assert!(rig.ask(&id, "stop --hard").is_err());
        assert_eq!(rig.effects(&id), []);
    }
    let id = rig.cloud.id_of("GRA11", "db-1");
    rig.ask(&id, "stop").unwrap();
    assert!(rig.ask(&id, "start").unwrap_err().contains("under way"));
    rig.settle().await;
    assert_eq!(rig.effects(&id), [CloudVerb::Stop]);
}

#[tokio::test]
async fn a_log_has_each_request_with_ovhs_id_of_it_and_each_change_of_status() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.settle().await;
    let id = rig.cloud.id_of("GRA11", "db-1");
    rig.ask(&id, "stop").unwrap();
    rig.settle().await;
    rig.cloud.server.faults.add("POST", WRITES, 1, Fault::CutAfter);
    rig.ask(&id, "start").unwrap();
    rig.settle().await;
    let monthly = rig.cloud.id_of("GRA11", "web-1");
    rig.ask(&monthly, "shelve").unwrap();
    rig.settle().await;
    let path = |id: &str| format!("/cloud/project/{}/instance/{id}", rig.cloud.instance(id).unwrap().project);
    for (id, expected) in [
        (
            &id,
            vec![
                format!("request POST {}/stop → 200, X-OVH-QueryID ", path(&id)),
                "status ACTIVE → SHUTOFF".to_owned(),
                "performed stop by alice".to_owned(),
                format!("request POST {}/start → no answer: ", path(&id)),
                "status SHUTOFF → ACTIVE".to_owned(),
                "performed start by alice; its answer was lost".to_owned(),
            ],
        ),
        (
            &monthly,
            vec![
                format!("request POST {}/shelve → 400 ", path(&monthly)),
                "not performed shelve by alice: could not shelve instance ".to_owned(),
            ],
        ),
    ] {
        let log = rig.log(id).await;
        assert_eq!(log.len(), expected.len(), "{log:#?}");
        for (line, expected) in log.iter().zip(&expected) {
            assert!(line.starts_with(expected), "{line} is not {expected}");
        }
    }
    assert!(rig.log(&monthly).await[0].contains(", X-OVH-QueryID "), "{:?}", rig.log(&monthly).await);
}
