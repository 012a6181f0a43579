//! Servers that a manifest makes: one each, whatever is lost, late or killed; changed and ended only as people said.

use std::sync::Arc;

use amarre::engine::reconcile::actions::ActionRequest;
use amarre::engine::report::instances::InstanceState;
use amarre::engine::{Clock, PassView, RunMode};
use amarre::providers::Exam;
use amarre::words::Words;
use amarre_core::model::instance::vendor_name;
use amarre_core::model::power::{Override, OverrideEnd, OverrideSource, Power};
use amarre_core::model::{Code, Gate, Kind, Language, Millis, ReasonCode, Refusal};
use amarre_sim::Fault;
use amarre_sim::kamatera::{KamateraServer, ListLack, NameSuffix};
use amarre_sim::ovh_cloud::{CI_PROJECT, CloudInstance, CloudVerb, POWER_RULES};

use super::made_rig::{BOTH, Cloud, MadeRig, Make, ROOM};
use super::support::codes;
use crate::support::write_settled;

const LATER: Millis = Millis::minutes(25);

#[tokio::test]
async fn a_manifest_makes_one_server_and_its_power_follows_the_rule() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        let row = rig.row("worker");
        assert_eq!((row.state, rig.created()), (InstanceState::On, 1), "{make:?}");
        assert!(row.vendor_name.starts_with("worker-") && row.vendor_name.len() == 11, "{}", row.vendor_name);
        assert!(!row.addresses.is_empty() && !row.id.is_empty(), "{row:?}");
        rig.restart().await;
        rig.settle().await;
        rig.write("worker", &format!("{}power: off\n", make.small()));
        rig.settle().await;
        assert_eq!((rig.row("worker").state, rig.created()), (InstanceState::Off, 1), "{make:?}");
    }
}

#[tokio::test]
async fn what_a_vendor_does_is_shown_with_its_limit() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        for _ in 0..2 {
            rig.pass(Millis::seconds(1)).await;
        }
        let work = rig.row("worker").work.unwrap();
        assert_eq!(work.until, Some(work.since + Millis::minutes(30)), "{make:?} {work:?}");
        rig.settle().await;
        assert_eq!(rig.row("worker").work, None, "{make:?}");
        // An action begins when it is asked for, however long the server was as it is.
        let (asked, address) = (rig.clock.now(), rig.address("worker"));
        let request = ActionRequest { address, word: "reboot", by: "alice".to_owned(), after: Vec::new(), given: None };
        rig.engine.ask_actions(vec![request]).unwrap();
        for _ in 0..2 {
            rig.pass(Millis::seconds(1)).await;
        }
        let work = rig.row("worker").work.unwrap();
        assert!(work.since >= asked, "{make:?} {work:?}");
    }
}

#[tokio::test]
async fn the_first_boot_is_handed_a_file_and_another_one_makes_no_other_server() {
    for make in BOTH {
        let mut rig = MadeRig::start(make, ROOM).await;
        let file = rig.folder.path().join("services/boot.txt");
        let text = "#cloud-config\nruncmd: ['echo $HOME']\n";
        std::fs::write(&file, text).unwrap();
        rig.write("worker", &format!("{}user_data: ./boot.txt\n", make.small()));
        rig.settle().await;
        let (id, _) = rig.named("worker").remove(0);
        let handed = match &rig.cloud {
            Cloud::Ovh(cloud) => cloud.instance(&id).unwrap().user_data,
            Cloud::Kamatera(cloud) => cloud.instance(&id).map(|one| one.user_data),
        };
        assert_eq!(handed.as_deref(), Some(text), "{make:?}");
        std::fs::write(&file, "#cloud-config\n").unwrap();
        let pass = rig.passes(Millis::minutes(2)).await;
        assert_eq!((codes(&pass), rig.created()), (vec!["A0739".to_owned()], 1), "{make:?}");
        rig.restart().await;
        assert_eq!(codes(rig.passes(Millis::minutes(2)).await.as_ref()), ["A0739"], "{make:?}");
        std::fs::write(&file, text).unwrap();
        rig.settle().await;
    }
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_never_a_second_server() {
    let faults = [Fault::CutBefore, Fault::CutAfter, Fault::After(504), Fault::Before(503), Fault::Half];
    for make in BOTH {
        for fault in faults.clone() {
            for is_killed in [false, true] {
                let mut rig = MadeRig::with_worker(make).await;
                rig.faults().add("POST", &make.creates_at(), 1, fault.clone());
                rig.pass(Millis::seconds(1)).await;
                if is_killed {
                    rig.restart().await;
                }
                rig.settle().await;
                let servers = rig.named("worker");
                assert_eq!((rig.created(), servers.len()), (1, 1), "{make:?} {fault:?} {is_killed}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_ruled_out_waits_for_a_person() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        rig.faults().add("POST", &make.creates_at(), u32::MAX, Fault::CutBefore);
        rig.pass(Millis::seconds(10)).await;
        rig.is_telling(false);
        let pass = rig.passes(LATER).await;
        assert_eq!(codes(&pass), ["A0449"], "{make:?}");
        rig.restart().await;
        assert_eq!(codes(rig.passes(LATER).await.as_ref()), ["A0449"], "{make:?}");
        assert_eq!(rig.created(), 0);
        rig.faults().clear();
        rig.is_telling(true);
        rig.engine.create_again("worker");
        rig.pass(Millis::seconds(10)).await;
        assert_eq!(rig.created(), 1, "{make:?}");
        rig.settle().await;
    }
}

#[tokio::test]
async fn a_server_that_the_list_has_late_is_not_made_again() {
    let mut rig = MadeRig::with_worker(Make::Ovh).await;
    let Cloud::Ovh(cloud) = &rig.cloud else { unreachable!("it is one") };
    cloud.list_lags(40 * 60);
    rig.passes(Millis::minutes(20)).await;
    rig.restart().await;
    let pass = rig.passes(Millis::minutes(15)).await;
    // It answers by its id.
    assert_eq!((codes(&pass), rig.created(), rig.row("worker").state), (vec![], 1, InstanceState::On));
    rig.passes(Millis::minutes(10)).await;
    rig.settle().await;
    assert_eq!(rig.created(), 1);
}

#[tokio::test]
async fn what_a_short_list_lacks_is_asked_for_by_its_id_and_never_made_again() {
    for lack in [ListLack::Half, ListLack::All, ListLack::Region("EU".to_owned())] {
        for is_killed in [false, true] {
            let mut rig = MadeRig::with_worker(Make::Kamatera).await;
            rig.settle().await;
            let worker = rig.named("worker");
            // A day later, the queue has forgotten how it was made.
            rig.goes_by(Millis::minutes(24 * 60));
            let Cloud::Kamatera(cloud) = &rig.cloud else { unreachable!() };
            cloud.forget_commands();
            cloud.list_lacks(Some(lack.clone()));
            if is_killed {
                rig.restart().await;
            }
            let pass = rig.passes(Millis::minutes(60)).await;
            assert_eq!((rig.created(), rig.named("worker")), (1, worker.clone()), "{lack:?} {is_killed}");
            let state = rig.row("worker").state;
            assert_eq!((&pass.plan.gaps, state), (&vec![], InstanceState::On), "{lack:?} {is_killed}");
            // Without an answer by the id nothing is known of it, and nothing is made.
            rig.faults().add("POST", "/service/server/info", u32::MAX, Fault::Before(500));
            rig.passes(Millis::minutes(60)).await;
            assert_eq!(rig.created(), 1, "{lack:?} {is_killed}");
            rig.faults().clear();
            let Cloud::Kamatera(cloud) = &rig.cloud else { unreachable!() };
            cloud.list_lacks(None);
            rig.settle().await;
            assert_eq!((rig.created(), rig.row("worker").state), (1, InstanceState::On), "{lack:?} {is_killed}");
        }
    }
}

#[tokio::test]
async fn what_a_person_deleted_at_the_vendor_is_made_again() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        let (id, _) = rig.named("worker").remove(0);
        match &rig.cloud {
            Cloud::Ovh(cloud) => assert!(cloud.remove(&id)),
            Cloud::Kamatera(cloud) => assert!(cloud.remove(&id)),
        }
        if let Cloud::Kamatera(cloud) = &rig.cloud {
            cloud.forget_commands();
        }
        rig.passes(LATER).await;
        rig.settle().await;
        assert_eq!((rig.created(), rig.named("worker").len()), (2, 1), "{make:?}");
    }
}

#[tokio::test]
async fn a_lost_ledger_makes_no_second_server() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        rig.lose_ledger().await;
        rig.settle().await;
        assert_eq!((rig.created(), rig.row("worker").state), (1, InstanceState::On), "{make:?}");
    }
}

#[tokio::test]
async fn limits_and_budget_are_kept_and_the_plan_says_the_sum() {
    for (make, month) in [(Make::Ovh, 37.08_f64), (Make::Kamatera, 25.0)] {
        // Nothing is made where the configuration does not say how many may be.
        let mut rig = MadeRig::start(make, "actions: power").await;
        rig.write("worker", make.small());
        let pass = rig.passes(Millis::minutes(2)).await;
        assert_eq!((codes(&pass), rig.created()), (vec!["A0750".to_owned()], 0), "{make:?}");

        // Of manifests that ask for as much, those that come first by name; the others are held.
        let mut rig = MadeRig::start(make, "limits: {instances: 3}").await;
        for number in 1..=5 {
            rig.write(&format!("worker-{number}"), make.small());
        }
        let pass = rig.passes(Millis::minutes(12)).await;
        assert_eq!((codes(&pass), rig.created()), (vec!["A0750".to_owned(); 2], 3), "{make:?}");
        let refusal = pass.plan.changes[0].refusal().unwrap();
        let found: Vec<String> = refusal.found.iter().map(|(field, value)| format!("{field} {value}")).collect();
        let sum = if make == Make::Ovh { "a month 185.42 EUR" } else { "a month 124" };
        assert!(found.len() == 1 && found[0].starts_with(sum), "{make:?} {found:?}");

        // Within the budget those that come first by name.
        let currency = if make == Make::Ovh { "EUR" } else { "USD" };
        let budget = format!("limits: {{instances: 5}}, budget: {{month: {:.2} {currency}}}", month * 2.5);
        let mut rig = MadeRig::start(make, &budget).await;
        for number in 1..=5 {
            rig.write(&format!("worker-{number}"), make.small());
        }
        let pass = rig.passes(Millis::minutes(12)).await;
        assert_eq!((codes(&pass), rig.created()), (vec!["A0752".to_owned(); 3], 2), "{make:?}");
        let notes: Vec<String> = pass.plan.notes.iter().map(|note| note.text.to_string()).collect();
        assert!(
            notes
                .iter()
                .any(|note| note.starts_with("lab: 2 servers of Amarre, ") && note.contains(" % of the budget of ")),
            "{notes:?}"
        );

        // A process that has just begun knows what those cost that are there.
        rig.restart().await;
        let pass = rig.pass(Millis::seconds(10)).await;
        let notes: Vec<String> = pass.plan.notes.iter().map(|note| note.text.to_string()).collect();
        assert!(notes.iter().any(|note| note.starts_with("lab: 2 servers of Amarre, ")), "{notes:?}");
        assert!(!notes.iter().any(|note| note.contains("is not known")), "{notes:?}");

        // A size that is not allowed, a budget in another currency.
        for (more, code) in [
            ("limits: {instances: 5, types: [x]}", "A0751"),
            ("limits: {instances: 5}, budget: {month: 900 CHF}", "A0752"),
        ] {
            let mut rig = MadeRig::start(make, more).await;
            rig.write("worker", make.small());
            let pass = rig.passes(Millis::minutes(2)).await;
            assert_eq!((codes(&pass), rig.created()), (vec![code.to_owned()], 0), "{make:?} {more}");
        }
    }
}

#[tokio::test]
async fn a_manifest_that_asks_for_too_much_holds_itself_and_no_other() {
    for make in BOTH {
        // Fifty of a pool whose name comes first, where there is room for three.
        let mut rig = MadeRig::start(make, "limits: {instances: 3}").await;
        let shape = make.small().replace("ssh_keys: [ops]\n", "").trim_end().replace('\n', "\n  ");
        let pool = format!("kind: Pool\nname: aaa\ninstance:\n  cloud: lab\n  count: 50\n  {shape}\n");
        write_settled(rig.folder.path().join("services/aaa.yaml"), &pool);
        rig.write("good-1", make.small());
        rig.write("good-2", make.small());
        let pass = rig.passes(Millis::minutes(12)).await;
        let held: Vec<&str> = pass
            .plan
            .changes
            .iter()
            .filter(|change| change.refusal().is_some())
            .map(|change| change.service.as_str())
            .collect();
        assert_eq!((rig.created(), held), (2, vec!["aaa"; 50]), "{make:?}");
        // What is there keeps its place, though others ask for less or come first by name.
        rig.write("abc", make.small());
        rig.write("abd", make.small());
        let pass = rig.passes(Millis::minutes(12)).await;
        assert_eq!(rig.created(), 3, "{make:?}");
        let held =
            |name: &str| pass.plan.changes.iter().any(|change| change.service == name && change.refusal().is_some());
        assert!(held("abd") && !held("abc") && !held("good-1") && !held("good-2"), "{make:?}");

        // A budget that the first by name would take alone: the larger one is held, the small ones are made.
        let month = if make == Make::Ovh { "80 EUR" } else { "55 USD" };
        let mut rig = MadeRig::start(make, &format!("limits: {{instances: 9}}, budget: {{month: {month}}}")).await;
        rig.write("aaa", &make.larger());
        rig.write("good-1", make.small());
        rig.write("good-2", make.small());
        let pass = rig.passes(Millis::minutes(12)).await;
        assert_eq!((codes(&pass), rig.created()), (vec!["A0752".to_owned()], 2), "{make:?}");
        assert_eq!((rig.named("good-").len(), rig.named("aaa").len()), (2, 0), "{make:?}");
        // What its vendor does not offer takes no room of others.
        let mut rig = MadeRig::start(make, "limits: {instances: 1}").await;
        rig.write("aaa", &make.small().replace("b3-8", "b3-9").replace("2B", "999B"));
        rig.write("good-1", make.small());
        rig.passes(Millis::minutes(12)).await;
        assert_eq!((rig.created(), rig.named("good-").len()), (1, 1), "{make:?}");
    }
}

#[tokio::test]
async fn a_server_that_was_never_made_is_not_called_gone() {
    for make in BOTH {
        let mut rig = MadeRig::start(make, "limits: {instances: 5, types: [x]}").await;
        rig.write("worker", make.small());
        rig.passes(Millis::minutes(1)).await;
        let row = rig.row("worker");
        let pending = row.pending.clone().unwrap();
        assert_eq!((row.state, pending.code), (InstanceState::NotMade, Some(Code::A0751)), "{make:?}");
        assert_eq!(row.next(), pending.why, "{make:?}");
        assert!(!row.needs_attention(), "its service needs somebody: {make:?}");

        // What is held of one that is there is said as well.
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        let id = rig.named("worker")[0].0.clone();
        assert_eq!(rig.row("worker").pending, None);
        rig.write("worker", &make.larger());
        rig.passes(Millis::minutes(1)).await;
        let row = rig.row("worker");
        let code = row.pending.and_then(|pending| pending.code);
        assert_eq!((row.id, row.state, code), (id, InstanceState::On, Some(Code::A0738)), "{make:?}");
    }
}

#[tokio::test]
async fn what_a_vendor_does_not_offer_is_refused_by_name_and_asked_for_once() {
    for make in BOTH {
        let (currency, wrong) = match make {
            Make::Ovh => ("EUR", vec![("b3-8", "b99-1"), ("GRA11", "NOPE1"), ("project: ci", "project: nosuch")]),
            Make::Kamatera => ("USD", vec![("2B", "3B"), ("2GiB", "5GiB"), ("20GB", "21GB"), ("EU", "NOPE")]),
        };
        for more in [ROOM.to_owned(), format!("limits: {{instances: 5}}, budget: {{month: 900 {currency}}}")] {
            for (right, typo) in &wrong {
                let mut rig = MadeRig::start(make, &more).await;
                rig.write("worker", &make.small().replace(right, typo));
                let pass = rig.passes(Millis::minutes(2)).await;
                let refusals: Vec<&Refusal> = pass.plan.changes.iter().filter_map(|one| one.refusal()).collect();
                let said = refusals.first().map(|refusal| refusal.message.to_string()).unwrap_or_default();
                let word = typo.trim_start_matches("project: ").trim_end_matches("GiB").trim_end_matches("GB");
                let word = if word == "5" { "5120 MiB" } else { word };
                assert_eq!((codes(&pass), rig.created()), (vec!["A0754".to_owned()], 0), "{make:?} {typo} {said}");
                assert!(said.contains(word), "{make:?} {typo}: {said}");
            }
        }
    }
    // What only its vendor knows to be wrong is not asked for again until the manifest changes.
    let mut rig = MadeRig::start(Make::Kamatera, ROOM).await;
    rig.write("worker", &Make::Kamatera.small().replace("ubuntu_server_24.04_64-bit", "of-alice"));
    let pass = rig.passes(LATER).await;
    assert!(pass.errors["worker"].error.message.to_string().contains("of-alice"), "{:?}", pass.errors);
    let Cloud::Kamatera(cloud) = &rig.cloud else { unreachable!("it is one") };
    let is_create = |path: &str, method: &str| path == Make::Kamatera.creates_at() && method == "POST";
    let asked = cloud.server.journal.calls().iter().filter(|call| is_create(&call.path, &call.method)).count();
    assert_eq!(asked, 1);
    assert_eq!(rig.row("worker").pending.and_then(|pending| pending.code), Some(Code::A0754));
    rig.write("worker", Make::Kamatera.small());
    rig.settle().await;
    assert_eq!(rig.created(), 1);
}

#[tokio::test]
async fn a_server_ends_only_by_a_persons_word_for_one_that_is_not_protected() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        // A manifest that is gone deletes nothing, and says what to do.
        rig.remove("worker");
        let pass = rig.settle().await;
        let notes: Vec<String> = pass.plan.notes.iter().map(|note| note.text.to_string()).collect();
        assert!(notes.iter().any(|note| note.contains("amarre destroy worker --purge")), "{notes:?}");
        assert_eq!(rig.row(&format!("lab:{}", rig.named("worker")[0].0)).state, InstanceState::On);
        // It runs on, and goes by the name that it had as well.
        assert_eq!(rig.row("worker").id, rig.named("worker")[0].0);
        let words = Words(Language::En);
        let state = pass.statuses()["worker"].state_words(words);
        assert_eq!(state, ("Kept".to_owned(), "Healthy".to_owned()), "{make:?}");
        // While it stands it protects.
        rig.write("worker", make.small());
        rig.settle().await;
        rig.destroy("worker").await;
        assert_eq!(codes(rig.passes(Millis::minutes(5)).await.as_ref()), ["A0418"], "{make:?}");
        assert_eq!(rig.deleted(), [""; 0]);
        rig.write("worker", &format!("{}reconcile: {{protect: false}}\n", make.small()));
        let id = rig.named("worker")[0].0.clone();
        rig.settle().await;
        assert_eq!((rig.deleted(), rig.named("worker").len()), (vec![id], 0), "{make:?}");
    }
}

#[tokio::test]
async fn what_has_not_its_name_and_id_is_never_deleted() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        rig.remove("worker");
        let id = rig.named("worker")[0].0.clone();
        assert!(rig.rename(&id, "of-alice"));
        rig.destroy("worker").await;
        rig.passes(Millis::minutes(10)).await;
        assert_eq!(rig.deleted(), [""; 0], "{make:?}");
        if let Cloud::Kamatera(cloud) = &rig.cloud {
            // Its name again, and another tag.
            let name = vendor_name("amarre", &rig.address("worker"));
            assert!(rig.rename(&id, &name) && cloud.set_tags(&id, &["of-alice"]));
            rig.engine.reset_service("worker");
            rig.passes(Millis::minutes(10)).await;
            assert_eq!(rig.deleted(), [""; 0], "{make:?}");
        }
    }
}

/// Without an id, a call could be about any server.
#[tokio::test]
async fn a_server_that_is_being_made_is_deleted_once_its_id_is_known() {
    let mut rig = MadeRig::with_worker(Make::Kamatera).await;
    rig.write("worker", &format!("{}reconcile: {{protect: false}}\n", Make::Kamatera.small()));
    rig.pass(Millis::seconds(10)).await;
    rig.pass(Millis::seconds(10)).await;
    rig.destroy("worker").await;
    rig.passes(Millis::minutes(1)).await;
    let Cloud::Kamatera(cloud) = &rig.cloud else { unreachable!("it is one") };
    let asked = cloud.server.journal.calls().iter().any(|call| call.path.contains("/server/info"));
    assert!(!asked, "it is not asked for by an id that is not known");
    rig.settle().await;
    assert_eq!((rig.deleted().len(), rig.named("worker").len()), (1, 0));
}

#[tokio::test]
async fn a_name_that_a_person_changed_is_given_back() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        let (id, name) = rig.named("worker")[0].clone();
        assert!(rig.rename(&id, "of-alice"));
        rig.settle().await;
        assert_eq!((rig.named("worker"), rig.created()), (vec![(id, name)], 1), "{make:?}");
    }
}

#[tokio::test]
async fn another_size_waits_until_it_is_allowed_and_what_is_for_life_is_held() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        rig.write("worker", &make.larger());
        let pass = rig.passes(Millis::minutes(5)).await;
        assert_eq!(codes(&pass), ["A0738"], "{make:?}");
        let allowed = format!("{}update: {{resize: allowed}}\n", make.larger());
        rig.write("worker", &allowed);
        if make == Make::Kamatera {
            // The vendor changes the size of one that is off.
            assert_eq!(codes(rig.passes(Millis::minutes(5)).await.as_ref()), ["A0738"]);
            rig.write("worker", &format!("{allowed}power: off\n"));
        }
        rig.settle().await;
        let size = rig.row("worker").size;
        assert_eq!(size, if make == Make::Ovh { "b3-16" } else { "4B 2048MiB 20GB" });
        // Another image would be another server; its power follows the rule all the same.
        let image = allowed.replace("Debian 13", "Debian 12").replace("24.04", "22.04");
        rig.write("worker", &format!("{image}power: off\n"));
        let pass = rig.passes(Millis::minutes(10)).await;
        assert_eq!((codes(&pass), rig.created()), (vec!["A0739".to_owned()], 1), "{make:?}");
        assert_eq!(rig.row("worker").state, InstanceState::Off, "{make:?}");
    }
}

#[tokio::test]
async fn a_change_names_what_made_it_so() {
    let on = format!("{}power: on\n", Make::Ovh.small());
    let mut rig = MadeRig::start(Make::Ovh, ROOM).await;
    rig.write("worker", &on);
    rig.settle().await;
    let (at, by) = (rig.clock.now(), "alice".to_owned());
    let stopped = Override { to: Power::Off, source: OverrideSource::Person, by, at, until: OverrideEnd::Followed };
    rig.engine.hold_power(vec![(rig.address("worker"), Some(stopped))]).await.unwrap();
    rig.settle().await;
    let because = |pass: Arc<PassView>| pass.plan.changes[0].because.text.to_string();
    // Who stopped it did not give it another size.
    rig.write("worker", &on.replace("b3-8", "b3-16"));
    let why = because(rig.pass(Millis::seconds(10)).await);
    assert!(why.contains("changed") && !why.contains("alice"), "{why}");
    // Its rule holds again, with the manifest as it was.
    rig.write("worker", &on);
    rig.settle().await;
    rig.engine.hold_power(vec![(rig.address("worker"), None)]).await.unwrap();
    let why = because(rig.pass(Millis::seconds(10)).await);
    assert!(why.contains("says power: on"), "{why}");
}

/// Kamatera changes processors and memory by a call each: the server has a size between the two meanwhile, and no other hand undid anything.
#[tokio::test]
async fn another_number_of_processors_and_another_memory_are_two_calls() {
    let mut rig = MadeRig::with_worker(Make::Kamatera).await;
    rig.write("worker", &format!("{}power: off\n", Make::Kamatera.small()));
    rig.settle().await;
    for (cpu, memory, size) in [("4B", "4GiB", "4B 4096MiB 20GB"), ("2B", "2GiB", "2B 2048MiB 20GB")] {
        let larger = Make::Kamatera.small().replace("cpu: 2B, memory: 2GiB", &format!("cpu: {cpu}, memory: {memory}"));
        rig.write("worker", &format!("{larger}update: {{resize: allowed}}\npower: off\n"));
        for _ in 0..40 {
            let pass = rig.pass(Millis::seconds(15)).await;
            let told = pass.plan.changes.iter().map(|change| (change.because.code, change.refusal().cloned()));
            let told: Vec<(ReasonCode, Option<Refusal>)> = told.collect();
            let is_fine = |(because, refusal): &(ReasonCode, Option<Refusal>)| {
                *because == ReasonCode::ManifestChanged && refusal.is_none()
            };
            assert!(told.iter().all(is_fine), "{told:?}");
        }
        assert_eq!(rig.row("worker").size, size);
    }
    rig.settle().await;
}

/// Its price is known in each look, whatever the vendor does with it.
#[tokio::test]
async fn a_budget_holds_no_size_that_it_has_room_for() {
    let mut rig = MadeRig::start(Make::Kamatera, "limits: {instances: 10}, budget: {month: 900 USD}").await;
    rig.write("worker", &format!("{}power: off\n", Make::Kamatera.small()));
    rig.pass(Millis::seconds(10)).await;
    rig.write("worker", &format!("{}power: off\nupdate: {{resize: allowed}}\n", Make::Kamatera.larger()));
    for _ in 0..90 {
        let pass = rig.pass(Millis::seconds(10)).await;
        assert!(codes(&pass).iter().all(|code| code == "A0738"), "{:#?}", pass.plan);
    }
    assert_eq!(rig.row("worker").size, "4B 2048MiB 20GB");
    rig.settle().await;
}

#[tokio::test]
async fn of_several_of_one_name_none_is_touched() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        let (_, name) = rig.named("worker")[0].clone();
        match &rig.cloud {
            Cloud::Ovh(cloud) => drop(cloud.add(CI_PROJECT, CloudInstance::new(&name, "GRA11", "b3-8")).unwrap()),
            Cloud::Kamatera(cloud) => drop(cloud.add(KamateraServer::new(&name, "EU", "2B", 2048)).unwrap()),
        }
        // The ledger knows which one is Amarre's.
        rig.settle().await;
        rig.lose_ledger().await;
        let pass = rig.passes(Millis::minutes(10)).await;
        assert_eq!((codes(&pass), rig.created()), (vec!["A0753".to_owned()], 1), "{make:?}");
    }
}

#[tokio::test]
async fn what_the_vendor_does_not_offer_is_refused_by_name() {
    let said = |pass: Arc<PassView>| {
        let held = pass.plan.changes.iter().find_map(|change| Some(change.refusal()?.message.to_string()));
        held.or_else(|| Some(pass.errors.get("worker")?.error.to_string())).unwrap_or_default()
    };
    for (make, from, to, why) in [
        (Make::Ovh, "b3-8", "b3-9", "GRA11 offers no type `b3-9`"),
        (Make::Ovh, "project: ci\n", "", "several projects"),
        (Make::Kamatera, "ubuntu_server_24.04_64-bit", "plan9", "failed to find disk image"),
    ] {
        let mut rig = MadeRig::start(make, ROOM).await;
        rig.write("worker", &make.small().replace(from, to));
        let said = said(rig.passes(Millis::minutes(1)).await);
        assert!(said.contains(why), "{said}");
        assert_eq!(rig.created(), 0);
    }
}

#[tokio::test]
async fn a_server_that_came_under_another_name_is_given_its_own() {
    let mut rig = MadeRig::with_worker(Make::Kamatera).await;
    let Cloud::Kamatera(cloud) = &rig.cloud else { unreachable!("it is one") };
    cloud.suffix(NameSuffix::Dash);
    let name = vendor_name("amarre", &rig.address("worker"));
    let taken = cloud.add(KamateraServer::new("elsewhere", "EU", "2B", 2048)).unwrap();
    // A person takes the name and gives it back, and the list shows that late.
    let is_list = |method: &str, path: &str| method == "GET" && path.starts_with("/service/servers");
    rig.faults().decide_by(Arc::new(move |method, path| is_list(method, path).then_some(Fault::Stale { reads: 9 })));
    rig.remove("worker");
    rig.pass(Millis::seconds(10)).await;
    assert!(rig.rename(&taken, &name));
    rig.write("worker", Make::Kamatera.small());
    rig.pass(Millis::seconds(10)).await;
    assert_eq!(rig.created(), 1);
    assert!(rig.rename(&taken, "elsewhere"));
    rig.faults().clear();
    rig.settle().await;
    assert_eq!(rig.named("worker").len(), 1);
    assert_eq!(rig.row("worker").vendor_name, name);
}

#[tokio::test]
async fn a_create_that_the_vendor_gave_up_is_shown_and_made_again_later() {
    let mut rig = MadeRig::with_worker(Make::Kamatera).await;
    let Cloud::Kamatera(cloud) = &rig.cloud else { unreachable!("it is one") };
    cloud.fail_next("no room in EU");
    rig.passes(Millis::minutes(6)).await;
    let row = rig.row("worker");
    assert_eq!(row.state, InstanceState::Error);
    rig.passes(LATER).await;
    rig.settle().await;
    assert_eq!((rig.row("worker").state, rig.named("worker").len()), (InstanceState::On, 1));
}

/// A tick is acted on, though the manifest asks for something that is held.
#[tokio::test]
async fn one_thing_at_a_time_is_asked_of_a_vendor() {
    let mut rig = MadeRig::with_worker(Make::Ovh).await;
    rig.settle().await;
    let id = rig.named("worker")[0].0.clone();
    assert!(rig.rename(&id, "of-alice"));
    rig.write("worker", &format!("{}update: {{resize: allowed}}\npower: off\n", Make::Ovh.larger()));
    rig.engine.pass(RunMode::PlanOnly).await;
    let pass = rig.engine.last_pass();
    let changes: Vec<(usize, bool)> =
        pass.plan.changes.iter().map(|change| (change.diff.len(), change.gate == Gate::Now)).collect();
    assert_eq!(changes, [(1, true)]);
    rig.settle().await;
    let Cloud::Ovh(cloud) = &rig.cloud else { unreachable!("it is one") };
    let verbs: Vec<CloudVerb> = cloud.effects().into_iter().filter(|(of, _)| *of == id).map(|(_, verb)| verb).collect();
    assert_eq!(verbs, [CloudVerb::Create, CloudVerb::Rename, CloudVerb::Resize, CloudVerb::Stop]);
}

/// Whoever names the id takes the server over; the manifest that made it makes no other while it is there.
#[tokio::test]
async fn a_manifest_that_names_its_id_takes_a_server_over() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        let id = rig.named("worker")[0].0.clone();
        rig.remove("worker");
        rig.write("taken", &format!("id: {id}\npower: off\n"));
        rig.settle().await;
        assert_eq!((rig.row("taken").state, rig.row("taken").id), (InstanceState::Off, id.clone()), "{make:?}");
        // Both at once: held or used, and never a second one.
        rig.write("worker", make.small());
        rig.passes(Millis::minutes(30)).await;
        assert_eq!((rig.created(), rig.deleted().len(), rig.named("worker").len()), (1, 0, 1), "{make:?}");
    }
}

#[tokio::test]
async fn doctor_names_the_rights_that_making_takes_where_manifests_make_servers() {
    let mut rig = MadeRig::with_worker(Make::Ovh).await;
    rig.pass(Millis::seconds(10)).await;
    let Cloud::Ovh(cloud) = &rig.cloud else { unreachable!("it is one") };
    cloud.grant_only(&POWER_RULES);
    let pass = rig.engine.last_pass();
    let provider = pass.context.as_ref().unwrap().providers[&rig.address("worker").provider].clone();
    let examine = provider.capabilities().examine.unwrap();
    for (kind, lacks) in [(Kind::Instance, false), (Kind::Server, true)] {
        let kinds = std::iter::once((rig.address("worker").provider, kind)).collect();
        let exam = Exam { now: rig.clock.now(), kinds, ..Exam::default() };
        let findings = examine.examine(&exam).await;
        let notes: Vec<&String> = findings.iter().flat_map(|finding| &finding.notes).collect();
        let making = format!("DELETE /cloud/project/{CI_PROJECT}/instance/*");
        assert_eq!(notes.iter().any(|note| note.contains(&making)), lacks, "{findings:?}");
        assert!(!notes.iter().any(|note| note.contains("/stop")), "{findings:?}");
    }
}

#[tokio::test]
async fn a_server_that_amarre_made_is_no_other_manifests() {
    for make in BOTH {
        let mut rig = MadeRig::with_worker(make).await;
        rig.settle().await;
        let id = rig.row("worker").id;
        for power in ["power: off", "power: unmanaged"] {
            rig.write("evil", &format!("id: {id}\n{power}\n"));
            let pass = rig.passes(Millis::minutes(2)).await;
            let found: Vec<&str> = pass.diagnostics.iter().map(|found| found.code.as_str()).collect();
            assert_eq!(found, ["A0194"], "{make:?} {power}: {:?}", pass.diagnostics);
            assert_eq!((rig.row("worker").state, rig.created()), (InstanceState::On, 1), "{make:?} {power}");
        }
        // Also after a restart, and while the manifest that made it is broken.
        rig.restart().await;
        rig.write("worker", "region: 1\n");
        let pass = rig.passes(Millis::minutes(2)).await;
        assert!(pass.diagnostics.iter().any(|found| found.code == Code::A0194), "{make:?} {:?}", pass.diagnostics);
        assert_eq!((rig.row("worker").state, rig.created()), (InstanceState::On, 1), "{make:?}");
    }
}
