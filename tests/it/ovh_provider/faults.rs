//! What is left when calls are cut, and what is said when OVH refuses.

use amarre::providers::Publish;
use amarre::providers::ovh::{OvhConfig, OvhProvider};
use amarre::providers::{Class, ObserveQuery, Provider};
use amarre_core::model::world::Applied;
use amarre_core::model::{Code, Expect, Verb};
use amarre_sim::Fault;
use amarre_sim::ovh::{DOCUMENTED_RULES, OvhOptions};

use super::support::{Desk, ZONE, change, config, expect, keys, mark_row, record, set};

const FAULTS: [Fault; 4] = [Fault::CutBefore, Fault::CutAfter, Fault::After(500), Fault::Before(429)];

/// More calls than the longest round makes.
const CALLS_MAX: u32 = 9;

const FIRST: [&str; 2] = ["192.0.2.1", "192.0.2.2"];

/// How often a read fails: one whose connection is cut is sent again, twice.
fn times(fault: &Fault) -> u32 {
    if matches!(fault, Fault::CutBefore | Fault::CutAfter) { 3 } else { 1 }
}

/// Lets the n-th call of a round fail, starts again with nothing cached, and converges.
async fn cut_everywhere(before: Option<&[&str]>, after: Option<&[&str]>, expected: &[String]) {
    for fault in FAULTS {
        for skip in 0..CALLS_MAX {
            let mut desk = Desk::new().await;
            desk.ovh.seed_record(ZONE, "_amarre.cloud", "TXT", "\"hello\"", 0);
            desk.want("keep.example.org/A", &["192.0.2.9"]);
            if let Some(values) = before {
                desk.want("cloud.example.org/A", values);
            }
            desk.converge().await;
            match after {
                Some(values) => desk.want("cloud.example.org/A", values),
                None => drop(desk.wanted.remove(&record("cloud.example.org/A"))),
            }
            desk.ovh.server.faults.add_nth("*", "/1.0/domain", skip, 1, fault.clone());
            desk.ovh.server.journal.clear();
            desk.round().await;
            assert!(desk.ovh.server.journal.calls().len() < CALLS_MAX as usize, "every call gets its fault");
            desk.ovh.server.faults.clear();
            desk.restart();
            desk.applied.clear();
            let world = desk.converge().await;
            desk.assert_good(&world);
            assert_eq!(desk.rows(), expected, "{fault:?} after {skip} calls");
        }
    }
}

fn with_company(rows: &[&str], marked: bool) -> Vec<String> {
    let mut all: Vec<String> = rows.iter().map(|&row| row.to_owned()).collect();
    all.extend([
        "_amarre.cloud TXT \"hello\"".to_owned(),
        "keep A 192.0.2.9".to_owned(),
        mark_row("_amarre.keep", "A"),
    ]);
    if marked {
        all.push(mark_row("_amarre.cloud", "A"));
    }
    all.sort();
    all
}

#[tokio::test]
async fn a_create_may_be_cut_anywhere() {
    let rows = with_company(&["cloud A 192.0.2.1", "cloud A 192.0.2.2"], true);
    cut_everywhere(None, Some(&FIRST), &rows).await;
}

#[tokio::test]
async fn an_update_may_be_cut_anywhere() {
    cut_everywhere(Some(&FIRST), Some(&["192.0.2.3"]), &with_company(&["cloud A 192.0.2.3"], true)).await;
}

#[tokio::test]
async fn a_delete_may_be_cut_anywhere() {
    cut_everywhere(Some(&FIRST), None, &with_company(&[], false)).await;
}

#[tokio::test]
async fn a_cut_write_is_not_called_harmless() {
    for (skip, fault, class) in [
        (0, Fault::CutBefore, Class::OutcomeUnknown),
        (1, Fault::Before(429), Class::OutcomeUnknown),
        (0, Fault::Before(429), Class::RetryLater),
        (0, Fault::Before(503), Class::OutcomeUnknown),
        (0, Fault::After(408), Class::OutcomeUnknown),
    ] {
        let desk = Desk::new().await;
        desk.observe().await;
        desk.ovh.server.faults.add_nth("POST", "/", skip, 1, fault.clone());
        let create = change(&record("a.example.org/A"), Verb::Create(set(&["192.0.2.1"], 300)), Expect::Absent);
        let error = desk.apply(&create).await.unwrap_err();
        assert_eq!(error.class, class, "{fault:?} after {skip}: {error}");
    }
}

#[tokio::test]
async fn an_answer_without_an_id_is_looked_up() {
    let mut desk = Desk::new().await;
    desk.ovh.post_answers_id_zero(true);
    desk.want("cloud.example.org/A", &FIRST);
    let world = desk.converge().await;
    desk.assert_good(&world);
    let seen = &world.seen[&record("cloud.example.org/A")];
    assert_eq!(desk.applied[&record("cloud.example.org/A")].vendor_id, seen.vendor_id);
    assert!(seen.vendor_id.split(',').all(|id| id.len() > 5), "{}", seen.vendor_id);
    assert_eq!(desk.rows().len(), 3);
}

#[tokio::test]
async fn a_refused_refresh_names_the_missing_right() {
    let mut desk = Desk::new().await;
    desk.ovh.deny("POST", "/domain/zone/example.org/refresh");
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.round().await;
    let error = desk.provider.publish(ZONE).await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Rejected, Code::A0703));
    assert!(
        error.message.to_string().starts_with("OVH took the record but not the refresh of zone example.org"),
        "{error}"
    );
    assert!(error.hint.to_string().contains("POST /domain/zone/example.org/refresh"), "{}", error.hint);
    let ready = format!("{:?}", desk.seen("cloud.example.org/A").await.ready);
    assert!(ready.contains("waits for the zone's refresh"), "{ready}");
    desk.ovh.grant_only(&DOCUMENTED_RULES);
    let world = desk.converge().await;
    desk.assert_good(&world);
}

#[tokio::test]
async fn wrong_keys_are_a_gap_with_their_reason() {
    let desk = Desk::new().await;
    let good = config(&desk.ovh);
    for bad in [
        OvhConfig { login: keys("x", "application-secret", "consumer-key"), ..good.clone() },
        OvhConfig { login: keys("application-key", "canary-1", "consumer-key"), ..good.clone() },
        OvhConfig { login: keys("application-key", "application-secret", "canary-2"), ..good.clone() },
    ] {
        assert!(!format!("{bad:?}").contains("canary"));
        let provider = OvhProvider::new(bad).unwrap();
        assert!(!format!("{provider:?}").contains("canary"));
        let world = provider.observe(&ObserveQuery::default()).await;
        let [gap] = world.gaps.as_slice() else { panic!("{:?}", world.gaps) };
        assert_eq!((gap.code, gap.scope.zone()), (Code::A0702, None));
        assert!(!gap.hint.is_empty() && !format!("{gap:?}").contains("canary"));
        assert!(world.seen.is_empty());
    }
}

#[tokio::test]
async fn an_account_that_is_away_is_a_gap() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    for (fault, code) in [(Fault::CutBefore, "A0704"), (Fault::Before(503), "A0704"), (Fault::Before(200), "A0705")] {
        desk.ovh.server.faults.add("GET", "/1.0/domain/zone", times(&fault), fault.clone());
        let world = desk.observe().await;
        assert_eq!(world.gaps.len(), 1, "{fault:?}");
        assert_eq!((world.gaps[0].code.as_str(), world.gaps[0].scope.zone()), (code, None), "{fault:?}");
        assert!(world.seen.is_empty() && desk.plan(&world).is_empty());
    }
    let nowhere = OvhConfig { endpoint: "http://127.0.0.1:1/1.0".to_owned(), ..config(&desk.ovh) };
    let world = OvhProvider::new(nowhere).unwrap().observe(&ObserveQuery::default()).await;
    assert_eq!(world.gaps[0].code, Code::A0704);
}

#[tokio::test]
async fn one_broken_zone_leaves_the_others() {
    let mut desk = Desk::with(OvhOptions::with_zones(&["broken.example", ZONE])).await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.want("a.broken.example/A", &["192.0.2.2"]);
    desk.converge().await;
    for fault in [Fault::Before(500), Fault::CutAfter, Fault::Before(403), Fault::Before(200)] {
        desk.ovh.server.faults.add("GET", "/1.0/domain/zone/broken.example", times(&fault), fault.clone());
        let world = desk.observe().await;
        let [gap] = world.gaps.as_slice() else { panic!("{:?}", world.gaps) };
        assert_eq!((gap.code, gap.scope.zone()), (Code::A0701, Some("broken.example")), "{fault:?}");
        assert!(gap.message.to_string().starts_with("could not read zone broken.example") && !gap.hint.is_empty());
        assert!(world.seen.contains_key(&record("cloud.example.org/A")));
        assert!(!world.seen.contains_key(&record("a.broken.example/A")));
        assert!(desk.plan(&world).is_empty(), "a gap plans nothing");
    }
}

#[tokio::test]
async fn a_mark_without_its_record_is_no_record() {
    let cloud = record("cloud.example.org/A");
    for fault in [Fault::Before(500), Fault::CutBefore] {
        let mut desk = Desk::new().await;
        desk.want("keep.example.org/A", &["192.0.2.9"]);
        desk.converge().await;
        let keep = desk.rows();
        desk.want("cloud.example.org/A", &["192.0.2.1"]);
        desk.ovh.server.faults.add_nth("POST", "/1.0/domain/zone/example.org/record", 1, 1, fault);
        desk.round().await;
        let with_keep = |rows: &[String]| {
            let mut all = [rows, &keep].concat();
            all.sort();
            all
        };
        assert_eq!(desk.rows(), with_keep(&[mark_row("_amarre.cloud", "A")]));
        let world = desk.observe().await;
        assert!(world.gaps.is_empty() && !world.seen.contains_key(&cloud), "nothing leads anywhere yet");
        assert!(matches!(desk.plan(&world).as_slice(), [change] if matches!(change.verb, Verb::Create(_))));
        // No manifest wants it any more: what is left of it is ours, and goes.
        desk.wanted.remove(&cloud);
        let world = desk.observe().await;
        assert!(matches!(desk.plan(&world).as_slice(), [change] if change.verb == Verb::Delete));
        desk.want("cloud.example.org/A", &["192.0.2.1"]);
        let world = desk.converge().await;
        desk.assert_good(&world);
        let rows = [mark_row("_amarre.cloud", "A"), "cloud A 192.0.2.1".to_owned()];
        assert_eq!(desk.rows(), with_keep(&rows), "beside the mark that was there");
    }
}

#[tokio::test]
async fn an_outage_is_a_gap_until_ovh_answers_again() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    for path in ["/1.0/domain/zone", "/1.0/domain/zone/example.org/record"] {
        desk.ovh.server.faults.add("*", path, u32::MAX, Fault::Before(503));
        for _ in 0..2 {
            assert_eq!(desk.observe().await.gaps.len(), 1, "{path}");
            assert_eq!(desk.observe_again().await.gaps.len(), 1, "{path}: what was read before is not current");
        }
        desk.ovh.server.faults.clear();
        let world = desk.observe_again().await;
        assert!(world.gaps.is_empty(), "{:?}", world.gaps);
        desk.assert_good(&world);
    }
}

#[tokio::test]
async fn a_list_without_name_servers_is_not_the_zone() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    let rows = desk.rows();
    desk.ovh.server.faults.add("GET", "/1.0/domain/zone/example.org/record", u32::MAX, Fault::Empty);
    let world = desk.observe().await;
    let [gap] = world.gaps.as_slice() else { panic!("{:?}", world.gaps) };
    assert_eq!((gap.code, gap.scope.zone()), (Code::A0701, Some(ZONE)));
    assert!(!gap.hint.is_empty() && desk.plan(&world).is_empty());
    // Nor is it one for a change that was planned a moment ago.
    let create = change(&record("cloud.example.org/A"), Verb::Create(set(&["192.0.2.1"], 300)), Expect::Absent);
    desk.apply(&create).await.unwrap_err();
    desk.ovh.server.faults.clear();
    assert_eq!(desk.rows(), rows, "no second row");
}

#[tokio::test]
async fn an_account_without_zones_is_not_believed() {
    let mut desk = Desk::with(OvhOptions::with_zones(&[])).await;
    assert!(desk.observe().await.gaps.is_empty());
    let applied = Applied { service: "cloud".to_owned(), vendor_id: "1".to_owned(), fields: set(&["192.0.2.1"], 300) };
    desk.applied.insert(record("cloud.example.org/A"), applied);
    assert_eq!(desk.observe().await.gaps.len(), 1);
}

#[tokio::test]
async fn the_vendors_clock_is_the_one_that_counts() {
    let mut desk = Desk::new().await;
    desk.ovh.clock_skew(86_400);
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    // The clock steps, or the machine slept: one refusal, one more try, no error.
    desk.ovh.clock_skew(-86_400);
    desk.want("cloud.example.org/A", &["192.0.2.2"]);
    let world = desk.converge().await;
    desk.assert_good(&world);
}

#[tokio::test]
async fn a_delete_that_is_done_is_done() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    let seen = desk.seen("cloud.example.org/A").await;
    let delete = change(&record("cloud.example.org/A"), Verb::Delete, expect(&seen));
    desk.apply(&delete).await.unwrap();
    desk.ovh.server.journal.clear();
    desk.apply(&delete).await.unwrap();
    assert_eq!(desk.ovh.server.journal.writes(), []);
}
