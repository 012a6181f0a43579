//! What is seen of a cloud, what it costs in calls, and what a part that is hidden hides.

use amarre::engine::report::instances::{self, InstanceState, InstancesQuery};
use amarre_core::model::Millis;
use amarre_sim::Fault;
use amarre_sim::ovh_cloud::{CI_PROJECT, READING_RULES, WEB_PROJECT};

use super::support::{CloudRig, MONDAY, OFFICE, codes};

#[tokio::test]
async fn servers_of_all_projects_and_regions_are_listed_without_any_manifest() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let pass = rig.settle().await;
    let rows = pass.instances();
    assert_eq!(rows.len(), 12);
    let states = |state| rows.iter().filter(|row| row.state == state).count();
    assert_eq!(states(InstanceState::Error), 1);
    assert_eq!(states(InstanceState::Unknown) + states(InstanceState::Missing) + states(InstanceState::Changing), 0);
    let of = |query: &str| {
        let (key, value) = query.split_once('=').unwrap();
        let mut of = InstancesQuery::default();
        *match key {
            "q" => &mut of.q,
            "project" => &mut of.project,
            "region" => &mut of.region,
            "state" => &mut of.state,
            "managed" => &mut of.managed,
            _ => &mut of.sort,
        } = value.to_owned();
        of.select(&pass).iter().map(|row| row.vendor_name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("q=WEB"), ["web-1", "web-1"]);
    assert_eq!(of("state=error"), ["build-9"]);
    assert_eq!(of("managed=yes"), [""; 0]);
    assert_eq!(of("region=GRA11").len() + of("region=SBG5").len() + of("region=BHS5").len(), 12);
    assert_eq!(of("project=ci").len() + of("project=web").len(), 12);
    assert_eq!(of("sort=-name").first().unwrap(), "win-agent");
    // Two have one name: it says neither.
    assert!(instances::find(&pass, "web-1").unwrap_err().contains("(web GRA11)"));
    assert!(instances::find(&pass, "web1").unwrap_err().contains("did you mean web-1?"));
    assert_eq!(instances::find(&pass, "db-1").unwrap().vendor_name, "db-1");
}

#[tokio::test]
async fn an_idle_minute_costs_one_list_a_project() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.manage("db-1", "GRA11", OFFICE);
    rig.settle().await;
    rig.cloud.server.journal.clear();
    for _ in 0..60 {
        rig.pass(Millis::seconds(10)).await;
    }
    let calls: Vec<String> =
        rig.cloud.server.journal.calls().iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    let list = |project: &str| format!("GET /1.0/cloud/project/{project}/instance");
    for project in [CI_PROJECT, WEB_PROJECT] {
        let count = calls.iter().filter(|call| **call == list(project)).count();
        assert!((9..=11).contains(&count), "{count} lists of {project} in ten minutes");
    }
    let others: Vec<&String> = calls.iter().filter(|call| !call.ends_with("/instance")).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test]
async fn a_project_that_is_not_seen_hides_its_servers_and_no_others() {
    for what in ["suspended", "gone", "denied", "away", "half"] {
        let mut rig = CloudRig::start_at(MONDAY).await;
        let (here, there) = (rig.manage("build-1", "GRA11", "power: on"), rig.manage("db-1", "GRA11", "power: on"));
        rig.settle().await;
        let path = format!("/1.0/cloud/project/{CI_PROJECT}/instance");
        match what {
            "suspended" => assert!(rig.cloud.set_project_status(CI_PROJECT, "suspended")),
            "gone" => rig.cloud.server.faults.add("GET", &path, 99, Fault::Before(404)),
            "denied" => rig.cloud.deny("GET", &format!("/cloud/project/{CI_PROJECT}/instance")),
            "away" => rig.cloud.server.faults.add("GET", &path, 99, Fault::Before(503)),
            _ => rig.cloud.server.faults.add("GET", &path, 99, Fault::Half),
        }
        // Both are stopped outside Amarre: only the one that is seen is started again.
        rig.cloud.set_status(&here, "SHUTOFF");
        rig.cloud.set_status(&there, "SHUTOFF");
        let mut pass = rig.pass(Millis::minutes(61)).await;
        for _ in 0..60 {
            pass = rig.pass(Millis::minutes(1)).await;
        }
        assert!(!codes(&pass).is_empty(), "{what}");
        assert_eq!(pass.plan.changes, [], "{what}");
        assert_eq!((rig.effects(&here).len(), rig.effects(&there).len()), (0, 1), "{what}");
        let row = instances::find(&pass, "build-1").unwrap();
        assert_eq!(row.state, InstanceState::Unknown, "{what}");
        assert_eq!(row.region, "GRA11", "{what}: the last reading is shown");
        rig.cloud.server.faults.clear();
        rig.cloud.set_project_status(CI_PROJECT, "ok");
        if what == "denied" {
            rig.cloud.grant_only(&amarre_sim::ovh_cloud::POWER_RULES);
        }
        for _ in 0..80 {
            rig.pass(Millis::minutes(1)).await;
        }
        rig.settle().await;
        assert_eq!(rig.status(&here), "ACTIVE", "{what}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_never_made_again() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let id = rig.manage("db-1", "GRA11", "power: on");
    rig.settle().await;
    rig.cloud.remove(&id);
    for _ in 0..20 {
        rig.pass(Millis::minutes(1)).await;
    }
    let pass = rig.engine.last_pass();
    assert_eq!(codes(&pass), ["A0733"]);
    assert_eq!(rig.cloud.writes().len(), 0);
    rig.remove("db-1");
    rig.settle().await;
}

#[tokio::test]
async fn with_a_key_that_may_only_read_everything_is_shown_and_nothing_changes() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.cloud.grant_only(&READING_RULES);
    let id = rig.cloud.id_of("GRA11", "db-1");
    rig.settle().await;
    rig.ask(&id, "stop").unwrap();
    rig.pass(Millis::seconds(10)).await;
    rig.pass(Millis::seconds(10)).await;
    let state = format!("{:?}", rig.state(&id));
    assert!(state.contains("A0731") && state.contains("POST"), "{state}");
    assert_eq!(rig.cloud.effects(), []);
    assert_eq!(rig.engine.last_pass().instances().len(), 12);
}

#[tokio::test]
async fn a_withdrawn_key_darkens_the_cloud_and_shows_the_last_reading() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.manage("db-1", "GRA11", OFFICE);
    rig.settle().await;
    rig.cloud.withdraw_key(true);
    let pass = rig.until("2026-12-07T07:30:00Z").await;
    assert!(codes(&pass).iter().any(|code| code == "A0730"), "{:?}", codes(&pass));
    let rows = pass.instances();
    assert_eq!(rows.iter().filter(|row| row.state == InstanceState::Unknown).count(), 12);
    rig.cloud.withdraw_key(false);
    rig.pass(Millis::minutes(1)).await;
    rig.settle().await;
}

#[tokio::test]
async fn without_any_manifest_left_everything_is_still_listed() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.manage("db-1", "GRA11", "power: off");
    rig.manage("build-1", "GRA11", "power: off");
    rig.settle().await;
    rig.remove("db-1");
    rig.remove("build-1");
    rig.restart().await;
    let pass = rig.pass(Millis::seconds(1)).await;
    assert_eq!((codes(&pass), pass.instances().len()), (vec![], 12));
}

#[tokio::test]
async fn a_project_that_may_not_be_read_hides_no_other() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    rig.cloud.deny("GET", &format!("/cloud/project/{CI_PROJECT}"));
    let id = rig.manage("db-1", "GRA11", "power: off");
    for _ in 0..10 {
        rig.pass(Millis::seconds(10)).await;
    }
    assert_eq!(rig.status(&id), "SHUTOFF");
    let pass = rig.engine.last_pass();
    assert_eq!((codes(&pass), pass.instances().len()), (vec!["A0731".to_owned()], 5));
    let mut rig = CloudRig::chosen("[web, typo]").await;
    rig.cloud.deny("GET", &format!("/cloud/project/{CI_PROJECT}"));
    let pass = rig.pass(Millis::seconds(1)).await;
    assert_eq!((codes(&pass), pass.instances().len()), (vec!["A0732".to_owned()], 5));
}

#[tokio::test]
async fn a_list_that_failed_is_not_known_by_the_next_look_either() {
    let mut rig = CloudRig::start_at(MONDAY).await;
    let id = rig.manage("db-1", "GRA11", "power: on");
    rig.settle().await;
    let project = rig.cloud.instance(&id).unwrap().project;
    rig.pass(Millis::minutes(1)).await;
    rig.cloud.server.faults.add("GET", &format!("/1.0/cloud/project/{project}/instance"), 1, Fault::Before(503));
    for _ in 0..3 {
        // A look that follows within the minute reads no list again.
        let pass = rig.pass(Millis::seconds(1)).await;
        assert_eq!(codes(&pass), ["A0734"; 2], "{:?}", pass.plan.gaps);
    }
    rig.pass(Millis::minutes(1)).await;
    rig.settle().await;
}
