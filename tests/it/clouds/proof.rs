//! Faults that lists, queues and acceptances have: what is absent from a list is not gone, what is accepted is not done, what is found
//! by name is not one's own.

use amarre::engine::Clock;
use amarre::engine::pass_result::ActionState;
use amarre::engine::report::instances::InstanceState;
use amarre_core::model::power::{Override, OverrideEnd, OverrideSource, Power};
use amarre_core::model::{Code, Kind, Millis};
use amarre_sim::Fault;
use amarre_sim::kamatera::ListLack;
use amarre_sim::ovh_cloud::{CI_PROJECT, CloudImage, CloudListLack, CloudVerb, NoStock, WEB_PROJECT};

use super::made_rig::{BOTH, Cloud, MadeRig, Make};
use super::support::{CloudRig, codes};

impl MadeRig {
    /// The vendor leaves out a part of the list, or nothing.
    fn lacks(&self, lack: Option<&str>) {
        match &self.cloud {
            Cloud::Ovh(cloud) => cloud.list_lacks(lack.map(|lack| match lack {
                "half" => CloudListLack::Half,
                "all" => CloudListLack::All,
                _ => CloudListLack::Region("GRA11".to_owned()),
            })),
            Cloud::Kamatera(cloud) => cloud.list_lacks(lack.map(|lack| match lack {
                "half" => ListLack::Half,
                "all" => ListLack::All,
                _ => ListLack::Region("EU".to_owned()),
            })),
        }
    }

    /// The next verb is accepted, and nothing is done.
    fn ignores_one(&self) {
        match &self.cloud {
            Cloud::Ovh(cloud) => cloud.ignore_next(1),
            Cloud::Kamatera(cloud) => cloud.ignore_next(),
        }
    }

    fn calls(&self, method: &str, path: &str) -> usize {
        let journal = match &self.cloud {
            Cloud::Ovh(cloud) => cloud.server.journal.calls(),
            Cloud::Kamatera(cloud) => cloud.server.journal.calls(),
        };
        journal.iter().filter(|call| call.method == method && call.path.contains(path)).count()
    }
}

#[tokio::test]
async fn a_short_list_hides_no_server_and_raises_no_alarm() {
    for make in BOTH {
        for lack in ["half", "all", "region"] {
            let mut rig = MadeRig::with_worker(make).await;
            let there = match make {
                Make::Ovh => rig.named("build-2").remove(0).0,
                Make::Kamatera => rig.named("old-mail").remove(0).0,
            };
            rig.write("mail", &format!("id: {there}\n"));
            rig.settle().await;
            rig.lacks(Some(lack));
            for _ in 0..60 {
                let pass = rig.pass(Millis::seconds(20)).await;
                assert_eq!(codes(&pass), [""; 0], "{make:?} {lack}");
                let states = ["worker", "mail"].map(|name| rig.row(name).state);
                assert_eq!(states, [InstanceState::On, InstanceState::Off], "{make:?} {lack}");
            }
            // Where the id is not answered either, nothing is known, and nothing is done.
            let by_id = match make {
                Make::Ovh => ("GET", format!("/1.0/cloud/project/{CI_PROJECT}/instance/")),
                Make::Kamatera => ("POST", "/service/server/info".to_owned()),
            };
            rig.faults().add(by_id.0, &by_id.1, u32::MAX, Fault::Before(500));
            let pass = rig.passes(Millis::minutes(20)).await;
            let is_hidden = lack != "half" || make == Make::Kamatera;
            let state = if is_hidden { InstanceState::Unknown } else { InstanceState::On };
            assert_eq!(rig.row("worker").state, state, "{make:?} {lack} {:?}", codes(&pass));
            assert_eq!((rig.created(), rig.deleted()), (1, vec![]), "{make:?} {lack}");
            rig.faults().clear();
            rig.lacks(None);
            rig.settle().await;
        }
    }
}

/// A list that is late, up to ten minutes, whatever was lost.
#[tokio::test]
async fn a_late_list_makes_no_second_server() {
    for lag_s in [200, 450, 600] {
        for (fault, loses_ledger) in [(Fault::CutAfter, false), (Fault::CutAfter, true), (Fault::After(504), false)] {
            let mut rig = MadeRig::with_worker(Make::Ovh).await;
            let Cloud::Ovh(cloud) = &rig.cloud else { unreachable!() };
            cloud.list_lags(lag_s);
            rig.faults().add("POST", &Make::Ovh.creates_at(), 1, fault.clone());
            rig.pass(Millis::seconds(10)).await;
            if loses_ledger {
                rig.lose_ledger().await;
            }
            rig.passes(Millis::minutes(30)).await;
            rig.settle().await;
            let case = format!("{lag_s} {fault:?} {loses_ledger}");
            assert_eq!((rig.created(), rig.named("worker").len()), (1, 1), "{case}");
            assert_eq!(rig.row("worker").state, InstanceState::On, "{case}");
        }
    }
}

#[tokio::test]
async fn a_deletion_is_done_once_the_vendor_shows_it() {
    for make in BOTH {
        // The first comes to nothing, the second works.
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        let (id, _) = rig.named("worker").remove(0);
        rig.destroy("worker").await;
        rig.remove("worker");
        rig.ignores_one();
        let mut seen = Vec::new();
        for passes in 0..200 {
            let pass = rig.pass(Millis::seconds(10)).await;
            seen.extend(pass.errors.get("worker").map(|error| error.error.message.to_string()));
            if passes == 5 {
                assert_eq!(rig.named("worker").len(), 1, "{make:?}");
                assert!(pass.facts.applied.contains_key(&rig.address("worker")), "{make:?}: it stays ours");
                rig.restart().await;
            }
        }
        assert!(seen.iter().any(|said| said.starts_with("could not delete worker")), "{make:?}: {seen:?}");
        assert_eq!(rig.named("worker"), [], "{make:?}");
        let at = rig.deleted().iter().filter(|deleted| **deleted == id).count();
        assert!((1..=3).contains(&at), "{make:?}: {at}");
        let events = rig.events("worker").await;
        let kinds: Vec<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
        assert!(kinds.contains(&"failed") && kinds.contains(&"deleted"), "{make:?}: {events:?}");
        rig.settle().await;
    }
}

#[tokio::test]
async fn a_command_that_fails_in_the_queue_is_a_failure() {
    let mut rig = MadeRig::with_worker(Make::Kamatera).await;
    rig.settle().await;
    let (id, name) = rig.named("old-mail").remove(0);
    for ignores in [false, true] {
        let Cloud::Kamatera(cloud) = &rig.cloud else { unreachable!() };
        if ignores {
            cloud.ignore_next()
        } else {
            cloud.fail_next("Error: the disk is locked")
        }
        assert!(rig.ask_to_delete(&id, &name));
        rig.passes(Millis::minutes(8)).await;
        let address = rig.instance(&id);
        let state = rig.engine.last_pass().actions.get(&address).cloned();
        let Some(ActionState::Failed(error)) = state else { panic!("{ignores}: {state:?}") };
        let said = error.message.to_string();
        let why = if ignores { "still listed" } else { "the disk is locked" };
        assert!(said.contains(why) && error.code == Code::A0742, "{said}");
        rig.passes(Millis::minutes(12)).await;
        assert_eq!(rig.named("old-mail").len(), 1);
    }
    assert!(rig.ask_to_delete(&id, &name));
    rig.passes(Millis::minutes(8)).await;
    assert_eq!(rig.named("old-mail"), []);
}

#[tokio::test]
async fn a_clone_is_made_of_the_snapshot_of_its_own_request() {
    for lag_s in [0, 30] {
        let mut rig = CloudRig::managing().await;
        rig.cloud.snapshots_lag(lag_s);
        let [first, second] = ["db-1", "web-1"].map(|name| rig.cloud.id_of("GRA11", name));
        let project = rig.cloud.instance(&first).unwrap().project;
        // The second step of the first clone is refused: its snapshot stays.
        rig.cloud.no_capacity("GRA11", Some(amarre_sim::ovh_cloud::NoCapacity::Refused));
        rig.ask_with(&first, "clone", "copyx");
        rig.looks().await;
        let state = format!("{:?}", rig.state(&first));
        assert!(state.contains("Failed") && state.contains("copyx-clone-"), "{lag_s}: {state}");
        rig.cloud.no_capacity("GRA11", None);
        rig.ask_with(&second, "clone", "copyx");
        rig.looks().await;
        assert_eq!(rig.state(&second), Some(ActionState::Done), "{lag_s}");
        let copy = rig.cloud.instances().into_iter().find(|one| one.name == "copyx").unwrap();
        let snapshots = rig.cloud.snapshots(&project);
        assert_eq!(snapshots.len(), 2, "{lag_s}: {snapshots:?}");
        let CloudImage::Snapshot(made_of) = copy.image else { panic!("{:?}", copy.image) };
        assert_eq!(made_of, snapshots[1].0, "{lag_s}: of the second server: {snapshots:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_asked_for_again_less_and_less_often() {
    // A monthly one cannot be shelved, and the vendor says so with 409; a region has no room for a shelved one.
    for (name, region, rule, word) in
        [("web-1", "GRA11", "power: shelved", "shelve"), ("build-3", "SBG5", "power: on", "unshelve")]
    {
        let mut rig = CloudRig::managing().await;
        rig.cloud.refuse_with_conflict(true);
        rig.cloud.no_stock("SBG5", "c3-4", Some(NoStock::Refused));
        let id = rig.manage(name, region, rule);
        let mut states = Vec::new();
        for _ in 0..400 {
            rig.pass(Millis::seconds(5)).await;
            let pass = rig.engine.last_pass();
            states.extend(pass.instances().iter().find(|row| row.id == id).map(|row| row.state));
        }
        states.dedup();
        let calls = rig.cloud.server.journal.calls();
        let sent = calls.iter().filter(|call| call.method == "POST" && call.path.ends_with(word)).count();
        assert!((2..=16).contains(&sent), "{word}: {sent} calls in 33 minutes");
        assert_eq!(states.len(), 1, "{word}: nothing was ever under way: {states:?}");
        assert_eq!(rig.effects(&id), [], "{word}");
    }
}

#[tokio::test]
async fn a_project_that_is_suspended_holds_up_no_other() {
    let mut rig = MadeRig::with_worker(Make::Ovh).await;
    let Cloud::Ovh(cloud) = &rig.cloud else { unreachable!() };
    assert!(cloud.set_project_status(WEB_PROJECT, "suspended"));
    rig.passes(Millis::minutes(10)).await;
    assert_eq!((rig.created(), rig.row("worker").state), (1, InstanceState::On));
    // Its servers are shown as they are.
    let row = rig.engine.last_pass().instances().iter().find(|row| row.vendor_name == "db-1").cloned().unwrap();
    assert!(row.manifest.is_none());
    let Cloud::Ovh(cloud) = &rig.cloud else { unreachable!() };
    // A lost answer there is ruled out, too.
    cloud.server.faults.add("POST", &Make::Ovh.creates_at(), 1, Fault::CutBefore);
    rig.write("second", Make::Ovh.small());
    rig.passes(Millis::minutes(20)).await;
    assert_eq!((rig.created(), rig.row("second").state), (2, InstanceState::On));
}

#[tokio::test]
async fn a_server_is_not_missing_while_its_project_is_not_read() {
    // The manifest writes the project by its name, the vendor by its id.
    for fault in [Fault::Before(500), Fault::CutBefore, Fault::Half] {
        let mut rig = MadeRig::with_worker(Make::Ovh).await;
        rig.settle().await;
        rig.faults().add("GET", &format!("/1.0/cloud/project/{CI_PROJECT}/instance"), u32::MAX, fault.clone());
        let pass = rig.passes(Millis::minutes(5)).await;
        let held = pass.plan.changes.iter().filter(|change| change.address.kind == Kind::Server).count();
        assert_eq!((held, rig.row("worker").state), (0, InstanceState::Unknown), "{fault:?}");
        rig.faults().clear();
        rig.settle().await;
    }
}

#[tokio::test]
async fn an_open_action_is_named_by_its_own_word_and_ends_in_time() {
    let mut rig = CloudRig::managing().await;
    let id = rig.cloud.id_of("GRA11", "db-1");
    rig.cloud.server.faults.add("POST", "/1.0/cloud/project/", 1, Fault::CutBefore);
    rig.ask(&id, "reboot").unwrap();
    rig.pass(Millis::seconds(1)).await;
    let refused = rig.ask(&id, "stop").unwrap_err();
    assert!(refused.starts_with("reboot by alice is open since 2026-12-07T05:0"), "{refused}");
    for _ in 0..11 {
        rig.pass(Millis::minutes(1)).await;
    }
    assert_eq!(rig.state(&id), Some(ActionState::Unknown));
    rig.ask(&id, "stop").unwrap();
    rig.looks().await;
    assert_eq!(rig.effects(&id), [CloudVerb::Stop]);
}

/// At rest the lists are read once a minute; while one server is made or switched, only that is asked for in between.
#[tokio::test]
async fn lists_are_read_once_a_minute_whatever_goes_on() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        let list = match make {
            Make::Ovh => format!("/1.0/cloud/project/{WEB_PROJECT}/instance"),
            Make::Kamatera => "/service/servers".to_owned(),
        };
        rig.passes(Millis::minutes(1)).await;
        let before = rig.calls("GET", &list);
        for _ in 0..600 {
            rig.pass(Millis::seconds(1)).await;
        }
        let read = rig.calls("GET", &list) - before;
        // While a new server of Kamatera is to show in its list, that is read more often.
        let at_most = if make == Make::Kamatera { 14 } else { 12 };
        assert!(read <= at_most, "{make:?}: {read} lists in ten minutes");
    }
}

#[tokio::test]
async fn another_server_of_the_same_name_needs_a_person() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        let (id, name) = rig.named("worker").remove(0);
        let (other, _) = rig.named("build-1").remove(0);
        assert!(rig.rename(&other, &name));
        rig.settle().await;
        let row = rig.row("worker");
        assert_eq!((row.id.as_str(), row.twins.as_slice()), (id.as_str(), &[other.clone()][..]), "{make:?}");
        let said = row.next().to_string();
        assert!(row.needs_attention() && said.contains(&id) && said.contains(&other), "{make:?}: {said}");
        assert!(said.contains(" a month"), "{make:?}: {said}");
        assert_eq!(rig.deleted(), [""; 0], "{make:?}");
    }
}

#[tokio::test]
async fn a_resize_keeps_the_power_that_is_wanted() {
    for (rule, is_held) in
        [("power: off\n", false), ("schedule: {timezone: UTC, on: '0 1 * * *', off: '0 23 * * *'}\n", true)]
    {
        let mut rig = MadeRig::with_worker(Make::Ovh).await;
        rig.write("worker", &format!("{}{rule}", Make::Ovh.small()));
        rig.settle().await;
        if is_held {
            // A person stops it until the tick after next.
            let (to, source, until) = (Power::Off, OverrideSource::Person, OverrideEnd::TickAfterNext);
            let held = Override { to, source, by: "alice".to_owned(), at: rig.clock.now(), until };
            rig.engine.hold_power(vec![(rig.address("worker"), Some(held))]).await.unwrap();
            rig.settle().await;
        }
        assert_eq!(rig.row("worker").state, InstanceState::Off, "{rule}");
        let Cloud::Ovh(cloud) = &rig.cloud else { unreachable!() };
        cloud.resize_starts(true);
        rig.write("worker", &format!("{}update: {{resize: allowed}}\n{rule}", Make::Ovh.larger()));
        rig.settle().await;
        let row = rig.row("worker");
        assert_eq!((row.size.as_str(), row.state), ("b3-16", InstanceState::Off), "{rule}");
        let known = row.manifest.unwrap().facts.override_.map(|one| one.source);
        assert_eq!(known, is_held.then_some(OverrideSource::Person), "{rule}");
    }
}
