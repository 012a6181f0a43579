//! The power that a manifest wants: a level, or a timetable whose ticks wake the loop.

use amarre_core::model::power::{OverrideEnd, Power};
use amarre_core::model::{Code, Millis};
use amarre_sim::ovh_cloud::CloudVerb::{self, Shelve, Start, Stop, Unshelve};
use amarre_sim::ovh_cloud::{NoStock, READING_RULES};

use super::support::{CloudRig, MONDAY, OFFICE, codes};

#[tokio::test]
async fn a_tick_is_acted_on_within_a_minute_and_once() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let id = rig.manage("db-1", "GRA11", OFFICE);
    rig.until("2026-12-07T18:59:00Z").await;
    assert_eq!(rig.effects(&id), [], "it was on, and is to be");
    rig.until("2026-12-07T19:01:00Z").await;
    assert_eq!(rig.status(&id), "SHUTOFF");
    let log = rig.log(&id).await;
    let why = "updated power on → off, its timetable switched it off at ";
    assert!(log.iter().any(|line| line.starts_with(why)), "{log:#?}");
    rig.until("2026-12-09T07:01:00Z").await;
    assert_eq!(rig.status(&id), "ACTIVE");
    assert_eq!(rig.effects(&id), [Stop, Start, Stop, Start]);
    rig.settle().await;
}

#[tokio::test]
async fn nothing_is_switched_before_the_first_tick() {
    // A Saturday, at noon.
    let mut rig = CloudRig::start_at("2026-12-05T11:00:00Z").await;
    let id = rig.manage("db-1", "GRA11", OFFICE);
    rig.until("2026-12-07T06:59:00Z").await;
    assert_eq!((rig.status(&id).as_str(), rig.effects(&id)), ("ACTIVE", vec![]));
    rig.until("2026-12-07T19:02:00Z").await;
    // The ledger is lost at night: nothing starts, and what is started outside Amarre is not stopped.
    rig.lose_ledger().await;
    rig.cloud.set_status(&id, "ACTIVE");
    rig.until("2026-12-08T06:59:00Z").await;
    assert_eq!(rig.effects(&id), [Stop]);
    rig.until("2026-12-08T19:02:00Z").await;
    assert_eq!(rig.effects(&id), [Stop, Stop]);
    rig.settle().await;
}

#[tokio::test]
async fn a_daemon_that_was_away_does_one_thing() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let id = rig.manage("db-1", "GRA11", OFFICE);
    rig.until("2026-12-07T12:00:00Z").await;
    // An hour over one tick, then a week over ten.
    for (away, effects) in
        [(Millis::minutes(8 * 60), 1), (Millis::minutes(7 * 24 * 60), 1), (Millis::minutes(12 * 60), 2)]
    {
        rig.goes_by(away);
        rig.restart().await;
        for _ in 0..20 {
            rig.pass(Millis::seconds(6)).await;
        }
        assert_eq!(rig.effects(&id).len(), effects, "{away}");
    }
    rig.settle().await;
}

#[tokio::test]
async fn what_a_person_asks_holds_until_the_next_tick() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let id = rig.manage("db-1", "GRA11", OFFICE);
    rig.until("2026-12-07T12:00:00Z").await;
    rig.hold(&id, Power::Off, OverrideEnd::NextTick).await;
    rig.until("2026-12-07T12:05:00Z").await;
    assert_eq!(rig.effects(&id), [Stop]);
    rig.restart().await;
    rig.until("2026-12-08T06:59:00Z").await;
    assert_eq!(rig.effects(&id), [Stop], "off by the tick of the evening, too");
    rig.until("2026-12-08T07:05:00Z").await;
    assert_eq!(rig.effects(&id), [Stop, Start]);
    // Skip tonight.
    rig.hold(&id, Power::On, OverrideEnd::TickAfterNext).await;
    rig.until("2026-12-09T06:00:00Z").await;
    assert_eq!(rig.effects(&id), [Stop, Start]);
    rig.until("2026-12-09T19:05:00Z").await;
    assert_eq!(rig.effects(&id), [Stop, Start, Stop]);
    // For three hours.
    let end = rig.clock_in(Millis::minutes(180));
    rig.hold(&id, Power::On, OverrideEnd::At(end)).await;
    rig.until("2026-12-09T22:00:00Z").await;
    assert_eq!(rig.status(&id), "ACTIVE");
    rig.until("2026-12-09T22:10:00Z").await;
    assert_eq!(rig.effects(&id), [Stop, Start, Stop, Start, Stop]);
    rig.settle().await;
}

#[tokio::test]
async fn what_others_switch_holds_or_is_corrected() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let (office, level) = (rig.manage("db-1", "GRA11", OFFICE), rig.manage("build-1", "GRA11", "power: on"));
    rig.until("2026-12-07T12:00:00Z").await;
    rig.cloud.set_status(&office, "SHUTOFF");
    rig.cloud.set_status(&level, "SHUTOFF");
    let pass = rig.until("2026-12-07T12:03:00Z").await;
    // With a timetable it holds until the next tick, and a person is told; without one it is drift, after its grace.
    assert_eq!((rig.effects(&office), rig.effects(&level)), (vec![], vec![]));
    let row = amarre::engine::report::instances::find(&pass, "db-1").unwrap();
    assert!(row.needs_attention());
    rig.until("2026-12-07T13:30:00Z").await;
    assert_eq!((rig.effects(&office), rig.effects(&level)), (vec![], vec![Start]));
    rig.until("2026-12-08T07:03:00Z").await;
    assert_eq!(rig.effects(&office), [Start]);
    // A start outside Amarre holds, with a timetable and without one.
    rig.manage("build-1", "GRA11", "power: off");
    rig.until("2026-12-08T19:10:00Z").await;
    assert_eq!((rig.status(&office), rig.status(&level)), ("SHUTOFF".to_owned(), "SHUTOFF".to_owned()));
    rig.cloud.set_status(&office, "ACTIVE");
    rig.cloud.set_status(&level, "ACTIVE");
    rig.until("2026-12-08T22:00:00Z").await;
    assert_eq!((rig.status(&office), rig.status(&level)), ("ACTIVE".to_owned(), "ACTIVE".to_owned()));
    rig.until("2026-12-09T20:00:00Z").await;
    assert_eq!((rig.status(&office), rig.status(&level)), ("SHUTOFF".to_owned(), "ACTIVE".to_owned()));
    // Another `power` ends it.
    rig.manage("build-1", "GRA11", "power: on");
    rig.pass(Millis::seconds(5)).await;
    rig.manage("build-1", "GRA11", "power: off");
    rig.until("2026-12-09T20:10:00Z").await;
    assert_eq!(rig.status(&level), "SHUTOFF");
    rig.settle().await;
}

#[tokio::test]
async fn a_server_with_disks_in_its_host_is_shelved_in_no_form() {
    let timetable = OFFICE.replace("off: '0", "off_as: shelve, off: '0");
    for (name, rule) in [("gpu-train", "power: shelved"), ("gpu-train", timetable.as_str()), ("gpu-train", "power: on")]
    {
        let mut rig = CloudRig::start_at(MONDAY).await;
        let id = rig.manage(name, "GRA11", rule);
        let pass = rig.until("2026-12-07T12:00:00Z").await;
        let is_noted = pass.plan.notes.iter().any(|note| note.text.to_string().contains("which has disks in its host"));
        assert_eq!(is_noted, rule == timetable, "{rule}: before its tick it is a note");
        // A person who held it so before this was refused.
        if rule == "power: on" {
            rig.hold(&id, Power::Shelved, OverrideEnd::Followed).await;
        }
        let pass = rig.until("2026-12-07T19:30:00Z").await;
        assert_eq!(codes(&pass), ["A0743"], "{rule}");
        rig.ask(&id, "shelve").unwrap();
        rig.pass(Millis::seconds(5)).await;
        let pass = rig.pass(Millis::seconds(5)).await;
        let row = amarre::engine::report::instances::find(&pass, name).unwrap();
        assert_eq!(row.not_shelved.map(|why| why.code), Some(Code::A0743), "{rule}");
        assert!(format!("{:?}", rig.state(&id)).contains("A0743"), "{rule} {:?}", rig.state(&id));
        assert_eq!((rig.effects(&id), rig.cloud.nvme_lost()), (vec![], vec![]), "{rule}");
        // What it is to be otherwise is done: it was off, and is to be on.
        rig.cloud.set_status(&id, "SHUTOFF");
        rig.manage(name, "GRA11", "power: on");
        rig.follow(&id).await;
        rig.until("2026-12-07T22:00:00Z").await;
        assert_eq!(rig.effects(&id), [Start], "{rule}");
    }
}

#[tokio::test]
async fn a_size_that_is_not_known_is_not_shelved_and_the_catalogue_tells() {
    for (lacks, is_shelved) in [(false, true), (true, false)] {
        let mut rig = CloudRig::start_at(MONDAY).await;
        // The list names no plan: only the catalogue has the name and the type.
        rig.cloud.hides_plans(true);
        if lacks {
            rig.cloud.withdraw_flavor("b3-8");
        }
        let (small, gpu) =
            (rig.manage("db-1", "GRA11", "power: shelved"), rig.manage("gpu-train", "GRA11", "power: shelved"));
        let pass = rig.until("2026-12-07T05:30:00Z").await;
        let held = pass.plan.changes.iter().filter_map(|change| Some(change.refusal()?.message.to_string()));
        let held: Vec<String> = held.collect();
        assert_eq!(held.iter().filter(|text| text.starts_with("whether db-1, of type ")).count(), usize::from(lacks));
        assert_eq!(rig.effects(&small), if is_shelved { vec![Shelve] } else { vec![] }, "{held:#?}");
        assert_eq!((rig.effects(&gpu), rig.cloud.nvme_lost()), (vec![], vec![]));
    }
}

#[tokio::test]
async fn shelving_by_timetable_comes_back_or_says_why_not() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let rule = OFFICE.replace("off: '0", "off_as: shelve, off: '0");
    let id = rig.manage("db-1", "GRA11", &rule);
    rig.until("2026-12-07T19:15:00Z").await;
    assert_eq!((rig.status(&id).as_str(), rig.effects(&id)), ("SHELVED_OFFLOADED", vec![Shelve]));
    rig.cloud.no_stock("GRA11", "b3-8", Some(NoStock::FallsBack));
    rig.until("2026-12-08T07:30:00Z").await;
    let tries: Vec<CloudVerb> = rig.effects(&id);
    assert!(tries.len() > 1 && tries[1..].iter().all(|verb| *verb == Unshelve), "{tries:?}");
    assert_eq!(rig.status(&id), "SHELVED_OFFLOADED");
    // What has no effect is held, and a person is told.
    let pass = rig.until("2026-12-08T08:00:00Z").await;
    assert_eq!(codes(&pass), ["A0907"], "{tries:?}");
    rig.cloud.no_stock("GRA11", "b3-8", None);
    rig.engine.reset_service("db-1");
    rig.until("2026-12-08T08:30:00Z").await;
    assert_eq!(rig.status(&id), "ACTIVE");
    rig.settle().await;
}

#[tokio::test]
async fn nothing_acts_on_a_server_that_is_busy_or_in_trouble() {
    const SERVERS: [(&str, &str, &str); 9] = [
        ("build-1", "GRA11", "REBOOT"),
        ("build-2", "GRA11", "RESIZE"),
        ("build-3", "SBG5", "RESCUE"),
        ("gpu-train", "GRA11", "MIGRATING"),
        ("win-agent", "SBG5", "SNAPSHOTTING"),
        ("cache-1", "BHS5", "PASSWORD"),
        ("build-9", "BHS5", "ERROR"),
        ("db-1", "GRA11", "DELETING"),
        ("db-2", "SBG5", "A_NEW_WORD"),
    ];
    let mut rig = CloudRig::start_at(MONDAY).await;
    let ids = SERVERS.map(|(name, region, _)| rig.manage(name, region, OFFICE));
    for id in &ids {
        rig.cloud.set_status(id, "ACTIVE");
    }
    rig.until("2026-12-07T18:00:00Z").await;
    for (id, (_, _, status)) in ids.iter().zip(SERVERS) {
        rig.cloud.set_status(id, status);
    }
    rig.until("2026-12-07T21:00:00Z").await;
    assert_eq!(rig.cloud.writes().len(), 0);
    for id in &ids {
        rig.cloud.set_status(id, "ACTIVE");
    }
    rig.until("2026-12-07T21:10:00Z").await;
    for (id, (_, _, status)) in ids.iter().zip(SERVERS) {
        assert_eq!(rig.effects(id), [Stop], "{status}: its turn comes");
    }
}

#[tokio::test]
async fn a_manifest_that_manages_no_power_changes_nothing() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.settle().await;
    let of = amarre::engine::report::instances::InstancesQuery::default();
    let answer = amarre::engine::commands::instance_answers::manifests(&rig.engine.last_pass(), &of);
    std::fs::write(rig.folder.path().join("services/all.yaml"), &answer.text).unwrap();
    let pass = rig.settle().await;
    assert_eq!((pass.services.len(), codes(&pass)), (12, vec![]));
    assert_eq!(rig.cloud.writes().len(), 0);
}

#[tokio::test]
async fn a_rule_that_is_followed_again_while_its_server_still_stops_is_no_stop_of_others() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let id = rig.manage("db-1", "GRA11", OFFICE);
    rig.until("2026-12-07T12:00:00Z").await;
    rig.hold(&id, Power::Off, OverrideEnd::NextTick).await;
    rig.pass(Millis::seconds(1)).await;
    rig.pass(Millis::seconds(1)).await;
    assert_eq!(rig.effects(&id), [Stop]);
    rig.follow(&id).await;
    for _ in 0..30 {
        rig.pass(Millis::seconds(5)).await;
    }
    assert_eq!((rig.status(&id).as_str(), rig.effects(&id)), ("ACTIVE", vec![Stop, Start]));
    let pass = rig.settle().await;
    assert!(!amarre::engine::report::instances::find(&pass, "db-1").unwrap().needs_attention());
}

#[tokio::test]
async fn a_status_from_before_a_write_is_no_drift_for_the_process_that_comes_next() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let id = rig.manage("db-1", "GRA11", "power: off");
    rig.pass(Millis(0)).await;
    assert_eq!((rig.status(&id).as_str(), rig.effects(&id)), ("ACTIVE", vec![Stop]), "it shows the power from before");
    rig.restart().await;
    let pass = rig.pass(Millis(0)).await;
    assert_eq!((&pass.plan.changes, rig.effects(&id)), (&vec![], vec![Stop]));
    assert!(pass.plan.next_look.is_some_and(|at| at <= rig.clock_in(Millis::seconds(15))), "{:?}", pass.plan.next_look);
    // A status that has not come by then is drift.
    rig.goes_by(Millis::minutes(5));
    rig.cloud.set_status(&id, "ACTIVE");
    rig.settle().await;
    assert_eq!((rig.status(&id).as_str(), rig.effects(&id)), ("SHUTOFF", vec![Stop, Stop]));
}

#[tokio::test]
async fn a_change_of_power_that_is_refused_is_tried_with_growing_pauses() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.cloud.grant_only(&READING_RULES);
    let id = rig.manage("db-1", "GRA11", "power: off");
    for _ in 0..360 {
        rig.pass(Millis::seconds(10)).await;
    }
    let asked = rig.cloud.writes().len();
    assert!((2..=20).contains(&asked), "asked {asked} times in an hour");
    assert_eq!(rig.effects(&id), []);
    assert!(rig.engine.last_pass().statuses()["db-1"].code.is_some_and(|code| code.to_string() == "A0731"));
}

/// The operator lists servers by project, which no manifest says: what lies in another one is left alone as soon as it is seen.
#[tokio::test]
async fn a_server_of_a_project_that_is_not_listed_is_left_alone() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.list("'paris:ci/*'").await;
    let (ours, theirs) = (rig.cloud.id_of("GRA11", "build-1"), rig.cloud.id_of("GRA11", "db-1"));
    rig.write("build-1", &format!("id: {ours}\npower: off\n"));
    rig.write("db-1", &format!("id: {theirs}\npower: off\n"));
    for _ in 0..6 {
        rig.pass(Millis::seconds(10)).await;
    }
    let pass = rig.engine.last_pass();
    assert_eq!(codes(&pass), ["A0294"], "{:?}", pass.plan.changes);
    assert_eq!((rig.status(&ours).as_str(), rig.status(&theirs).as_str()), ("SHUTOFF", "ACTIVE"));
    assert_eq!(rig.effects(&theirs), []);
    // By its description or its id, one server alone, or all of the cloud.
    for listed in ["'paris:ci/*', 'paris:web/*'", "'paris:*'", "paris", "'*:*/*'"] {
        rig.list(listed).await;
        rig.pass(Millis::seconds(10)).await;
        assert_eq!(codes(&rig.engine.last_pass()), [""; 0], "{listed}");
    }
    rig.list(&format!("'paris:{ours}'")).await;
    let pass = rig.pass(Millis::seconds(10)).await;
    let broken: Vec<&str> = pass.diagnostics.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(broken, ["A0294"], "{:?}", pass.diagnostics);
}
