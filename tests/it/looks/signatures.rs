//! What is ours in DNS is what our key signed, or what the ledger knows by its id; what only says so is not.

use amarre::engine::{RunMode, report};
use amarre::secret::MarkKey;
use amarre_core::model::{Address, Code, Kind, Millis, Owner, ProviderId, Value, Verb};
use amarre_core::plan::render::Style;
use serde_json::Value as Json;

use super::{CLOUD, plain, settled};
use crate::support::stepped::{Stepped, ZONE, step};

/// Rows of the zone as `sub TYPE target`, with their ids.
fn rows(rig: &Stepped) -> Vec<(u64, String)> {
    let text = |row: &Json, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let line = |row: &Json| format!("{} {} {}", text(row, "subDomain"), text(row, "fieldType"), text(row, "target"));
    rig.ovh.records(ZONE).iter().map(|row| (row["id"].as_u64().unwrap(), line(row))).collect()
}

fn is_mark(line: &str) -> bool {
    line.starts_with("_amarre") && line.contains("heritage=amarre,instance=home,")
}

/// As the version before wrote them.
fn strip_signatures(rig: &Stepped) {
    for (id, line) in rows(rig).into_iter().filter(|(_, line)| is_mark(line)) {
        let (_, target) = line.split_once(" TXT ").unwrap();
        let (plain, _) = target.split_once(",sig=").expect("marks are signed");
        assert!(rig.ovh.edit_record(ZONE, id, &format!("{plain}\"")));
    }
}

fn claim(service: &str, record_type: &str) -> String {
    format!("\"heritage=amarre,instance=home,service={service},type={record_type}\"")
}

/// A file of `count` manifests with one record each.
fn records(count: usize) -> String {
    (0..count).map(|n| format!("---\n{{kind: Record, name: r{n:02}, type: A, value: 192.0.2.{n}}}\n")).collect()
}

/// One service with `count` records.
fn many(name: &str, count: usize) -> String {
    let items: String =
        (0..count).map(|n| format!("  - {{type: A, name: {name}{n:02}, value: 192.0.2.{n}}}\n")).collect();
    format!("name: {name}\nimage: web:1\ndns:\n{items}")
}

fn changes(rig: &Stepped) -> Vec<String> {
    rig.last_pass().plan.changes.iter().map(|change| format!("{} {}", change.action(), change.address)).collect()
}

fn seed(rig: &Stepped, sub: &str, record_type: &str, target: &str) {
    assert_ne!(rig.ovh.seed_record(ZONE, sub, record_type, target, 300), 0, "{sub} {record_type}");
}

/// After an upgrade only the signatures of older resources are planned, few at a time, until everything is settled.
#[tokio::test]
async fn unsigned_marks_are_signed_in_the_plan_and_nothing_else_changes() {
    let mut rig = settled(&["one"]).await;
    rig.write("records.yaml", &records(60));
    rig.settle().await;
    strip_signatures(&rig);
    rig.restart().await;
    let before = rows(&rig);
    rig.forget();
    rig.engine.pass(RunMode::PlanOnly).await;
    let plan = rig.last_pass().plan.clone();
    assert_eq!(plan.changes.len(), 50, "50 in one look");
    for change in &plan.changes {
        assert_eq!(change.diff.len(), 1, "{change:?}");
        let diff = &change.diff[0];
        let said = (
            diff.field.as_str(),
            diff.from.as_ref().and_then(Value::as_text),
            diff.to.as_ref().and_then(Value::as_text),
        );
        assert_eq!(said, ("mark", Some("unsigned"), Some("signed")));
        assert!(matches!(change.verb, Verb::Update(_)), "{change:?}");
    }
    assert!(
        plan.notes.iter().any(|note| note.text.to_string().contains("11 more marks are signed after these")),
        "{:?}",
        plan.notes
    );
    assert_eq!(rig.writes(), [""; 0], "a plan writes nothing");
    rig.pass().await;
    let puts = |rig: &Stepped| rig.writes().iter().filter(|call| call.starts_with("PUT ")).count();
    assert_eq!(puts(&rig), 50, "{:?}", rig.writes());
    rig.pass_until_settled().await;
    assert_eq!(puts(&rig), 61, "{:?}", rig.writes());
    let others = rig.writes().into_iter().filter(|call| !call.starts_with("PUT ") && !call.ends_with("/refresh"));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0], "nothing is made or removed");
    let after = rows(&rig);
    for ((id, line), (now, signed)) in before.iter().zip(&after) {
        assert_eq!(id, now);
        if is_mark(line) { assert!(signed.contains(",sig="), "{signed}") } else { assert_eq!(line, signed) }
    }
    rig.assert_quiet().await;
}

/// A person who may write one name in the zone says there that other people's records are a service's of ours.
#[tokio::test]
async fn forged_marks_make_nothing_ours() {
    let mut rig = settled(&["one", "forge"]).await;
    seed(&rig, "mail", "CNAME", "elsewhere.example.net.");
    seed(&rig, "old", "A", "198.51.100.77");
    let own = rows(&rig).into_iter().find(|(_, line)| line.starts_with("_amarre.forge TXT")).unwrap().1;
    let signature = own.split_once(",sig=").unwrap().1.trim_end_matches('"').to_owned();
    for (sub, record_type) in [("_amarre.mail", "CNAME"), ("_amarre", "MX"), ("_amarre.old", "A")] {
        let plain = claim("forge", record_type);
        let with = |signature: &str| format!("{},sig={signature}\"", plain.trim_end_matches('"'));
        for target in [plain.clone(), with(&signature), with(&"0".repeat(32)), with("")] {
            seed(&rig, sub, "TXT", &target);
        }
    }
    let before = rows(&rig);
    rig.restart().await;
    rig.settle().await;
    let seen = |rig: &Stepped, name: &str| {
        let address = Address::new(ProviderId::ovh(), Kind::Record, name);
        rig.last_pass().world.seen[&address].owner.clone()
    };
    for name in ["mail.example.org/CNAME", "example.org/MX", "old.example.org/A"] {
        assert_eq!(seen(&rig, name), Owner::Unverified, "{name}");
    }
    rig.remove("forge.yaml");
    rig.settle().await;
    let is_of_forge = |line: &str| line.starts_with("forge ") || line.starts_with("_amarre.forge ");
    let expected: Vec<(u64, String)> = before.into_iter().filter(|(_, line)| !is_of_forge(line)).collect();
    assert_eq!(rows(&rig), expected, "what is not ours is as it was, to the last row");
    // One that a manifest wants as it is, is used, and still not ours.
    rig.write("old.yaml", "{kind: Record, name: old, type: A, value: 198.51.100.77}\n");
    rig.settle().await;
    let notes: Vec<String> = rig.last_pass().plan.notes.iter().map(|note| note.text.to_string()).collect();
    assert!(notes.iter().any(|note| note.contains("used, not owned: its mark says")), "{notes:?}");
    rig.remove("old.yaml");
    rig.settle().await;
    assert_eq!(rows(&rig), expected);
}

/// The same by a manifest, which is how it was done: no value and no name of the kind is written.
#[tokio::test]
async fn manifests_cannot_forge_marks() {
    let mut rig = settled(&["one"]).await;
    seed(&rig, "mail", "CNAME", "elsewhere.example.net.");
    let names: Vec<String> = (0..30).map(|n| format!("host{n:02}")).collect();
    for name in &names {
        seed(&rig, name, "A", "198.51.100.77");
    }
    let before = rows(&rig);
    let value = claim("forge", "A").replace('"', "");
    let items: String =
        names.iter().map(|name| format!("  - {{type: TXT, name: _amarre.{name}, value: '{value}'}}\n")).collect();
    let forge =
        format!("name: forge\nimage: web:1\ndns:\n{items}  - {{type: TXT, name: _amarre.mail, value: '{value}'}}\n");
    rig.write("forge.yaml", &forge);
    let single = claim("forge", "MX").replace('"', "");
    rig.write("mark.yaml", &format!("{{kind: Record, name: _amarre, type: TXT, value: '{single}'}}\n"));
    rig.pass_until_settled().await;
    let told: Vec<&str> = rig.last_pass().diagnostics.iter().map(|told| told.code.as_str()).collect();
    assert!(told.iter().filter(|code| **code == "A0280").count() >= 2, "{told:?}");
    assert_eq!(rows(&rig), before);
    rig.remove("forge.yaml");
    rig.remove("mark.yaml");
    rig.settle().await;
    assert_eq!(rows(&rig), before);
}

/// Thirty and one more, each with its claim, all at once.
#[tokio::test]
async fn thirty_one_forged_claims_delete_nothing() {
    let mut rig = settled(&["one", "forge"]).await;
    for n in 0..31 {
        seed(&rig, &format!("host{n:02}"), "A", "198.51.100.77");
        seed(&rig, &format!("_amarre.host{n:02}"), "TXT", &claim("forge", "A"));
    }
    rig.restart().await;
    rig.settle().await;
    rig.remove("forge.yaml");
    rig.settle().await;
    assert_eq!(rows(&rig).iter().filter(|(_, line)| line.ends_with("198.51.100.77")).count(), 31);
}

/// A foreign claim beside ours changes nothing about the owner, and is removed.
#[tokio::test]
async fn a_forged_mark_beside_ours_is_removed_and_ours_stays() {
    let mut rig = settled(&["one", "forge"]).await;
    let mark =
        |rig: &Stepped| rows(rig).into_iter().filter(|(_, line)| line.starts_with("_amarre.one ")).collect::<Vec<_>>();
    let before = mark(&rig);
    seed(&rig, "_amarre.one", "TXT", &claim("forge", "A"));
    rig.restart().await;
    rig.engine.pass(RunMode::PlanOnly).await;
    assert_eq!(changes(&rig), ["update ovh/record/one.example.org/A"]);
    assert_eq!(rig.last_pass().plan.changes[0].service, "one");
    rig.settle().await;
    assert_eq!(mark(&rig), before, "the right one is the one that stays");
}

/// Without the ledger everything that is signed is ours; and what nothing wants by then goes only when a person says so.
#[tokio::test]
async fn a_lost_ledger_loses_no_record_and_deletes_none_unasked() {
    let mut rig = settled(&["one", "two", "gone"]).await;
    let before = rows(&rig);
    rig.remove("gone.yaml");
    rig.restart_without_ledger().await;
    rig.pass_until_settled().await;
    let guard = rig.last_pass().plan.guard.clone().expect("the ledger never knew it");
    assert_eq!((guard.code, guard.found[0].1.to_string()), (Code::A0430, "gone".to_owned()));
    assert_eq!(rows(&rig), before, "all signed, all kept");
    let wrong = RunMode::Act { confirmed_deletes: Some(2), only: None };
    step(&mut rig.engine, wrong).await;
    assert_eq!(rows(&rig), before);
    for _ in 0..6 {
        step(&mut rig.engine, RunMode::Act { confirmed_deletes: Some(1), only: None }).await;
        rig.clock.advance(Millis::seconds(1));
    }
    rig.settle().await;
    let gone = |line: &str| line.starts_with("gone ") || line.starts_with("_amarre.gone ");
    let expected: Vec<(u64, String)> = before.into_iter().filter(|(_, line)| !gone(line)).collect();
    assert_eq!(rows(&rig), expected);
    // What it has learned since goes with its manifest, as ever.
    rig.remove("two.yaml");
    rig.settle().await;
    assert!(!rows(&rig).iter().any(|(_, line)| line.starts_with("two ")));
}

/// `destroy` is its own consent for what the ledger knew, and for nothing else.
#[tokio::test]
async fn destroy_takes_no_record_that_the_ledger_never_knew() {
    let mut rig = settled(&["one", "two"]).await;
    rig.remove("two.yaml");
    rig.restart_without_ledger().await;
    rig.destroy("two").await;
    rig.pass_until_settled().await;
    assert_eq!(rig.last_pass().plan.guard.as_ref().map(|guard| guard.code), Some(Code::A0430));
    assert!(rows(&rig).iter().any(|(_, line)| line.starts_with("two ")));
    rig.destroy("one").await;
    rig.pass_until_settled().await;
    assert!(!rows(&rig).iter().any(|(_, line)| line.starts_with("one ")), "this one it knew");
}

/// With the ledger, another key finds what is ours by its id, and signs it again.
#[tokio::test]
async fn a_lost_key_is_replaced_while_the_ledger_is_there() {
    let mut rig = settled(&["one", "two"]).await;
    rig.key = MarkKey::new([9; 32]);
    rig.restart().await;
    rig.forget();
    rig.engine.pass(RunMode::PlanOnly).await;
    assert_eq!(changes(&rig), ["update ovh/record/one.example.org/A", "update ovh/record/two.example.org/A"]);
    assert_eq!(rig.last_pass().plan.changes[0].diff[0].from, Some(Value::text("signed by an unknown key")));
    rig.settle().await;
}

/// An id that the ledger does not know is another record, whatever stands there.
#[tokio::test]
async fn an_unsigned_mark_counts_only_with_the_ledgers_id() {
    let mut rig = settled(&["one", "two"]).await;
    strip_signatures(&rig);
    let (id, _) = rows(&rig).into_iter().find(|(_, line)| line.starts_with("two A ")).unwrap();
    assert!(rig.ovh.remove_record(ZONE, id));
    seed(&rig, "two", "A", "203.0.113.10");
    rig.restart().await;
    rig.settle().await;
    rig.remove("two.yaml");
    rig.settle().await;
    assert!(rows(&rig).iter().any(|(_, line)| line == "two A 203.0.113.10"), "{:?}", rows(&rig));
    assert!(!rows(&rig).iter().any(|(_, line)| is_mark(line) && !line.contains(",sig=") && line.contains("one")));
}

/// Without both, records are used as they are, and nothing is changed or deleted.
#[tokio::test]
async fn without_key_and_ledger_records_are_used_and_never_deleted() {
    let mut rig = settled(&["one", "two"]).await;
    let before = rows(&rig);
    rig.key = MarkKey::new([9; 32]);
    rig.restart_without_ledger().await;
    rig.settle().await;
    let notes: Vec<String> = rig.last_pass().plan.notes.iter().map(|note| note.text.to_string()).collect();
    assert_eq!(notes.iter().filter(|note| note.contains("used, not owned: its mark says")).count(), 2, "{notes:?}");
    rig.remove("two.yaml");
    rig.settle().await;
    assert_eq!(rows(&rig), before);
    // What another one makes by the key of now is its own.
    rig.write("three.yaml", &plain("three"));
    rig.settle().await;
    rig.remove("three.yaml");
    rig.settle().await;
    assert_eq!(rows(&rig), before);
}

/// A new key signs marks again, and leaves containers with secrets as they are.
#[tokio::test]
async fn a_rotated_key_changes_signatures_alone() {
    let mut rig = Stepped::start().await;
    rig.write("cloud.yaml", CLOUD);
    rig.settle().await;
    let (containers, old) = (rig.docker.containers(), rig.key.clone());
    rig.key = old.rotated([8; 32]).unwrap();
    rig.restart().await;
    rig.forget();
    rig.engine.pass(RunMode::PlanOnly).await;
    assert_eq!(changes(&rig), ["update ovh/record/cloud.example.org/A", "update ovh/record/www.cloud.example.org/A"]);
    assert_eq!(rig.last_pass().plan.changes[0].diff[0].from, Some(Value::text("signed by an older key")));
    rig.settle().await;
    // The keys before are forgotten, and the ledger is lost: what was signed again is ours.
    rig.key = rig.key.retired();
    rig.restart_without_ledger().await;
    rig.settle().await;
    assert_eq!(rig.docker.containers(), containers);
    rig.remove("cloud.yaml");
    rig.settle().await;
    assert!(!rows(&rig).iter().any(|(_, line)| is_mark(line)));
}

/// What nothing is written for is in sync: its records are as the manifest says, and a note tells of the signatures.
#[tokio::test]
async fn a_missing_signature_is_no_drift_where_nothing_is_written() {
    let mut rig = settled(&[]).await;
    rig.write("records.yaml", &records(3));
    rig.settle().await;
    let reported = records(3).replace("}\n", ", reconcile: {mode: report}}\n");
    rig.write("records.yaml", &reported);
    strip_signatures(&rig);
    rig.restart().await;
    for _ in 0..2 {
        rig.pass_until_settled().await;
        let pass = rig.last_pass();
        assert_eq!(changes(&rig), [""; 0]);
        let said: Vec<String> = pass.plan.notes.iter().map(|note| note.text.to_string()).collect();
        assert_eq!(said, ["3 marks are not signed by the instance's key; `mode: report` writes no signature"]);
        assert!(pass.statuses().values().all(|row| row.code.is_none()), "{:?}", pass.statuses());
    }
    // What differs besides is drift.
    rig.write("records.yaml", &reported.replace("192.0.2.1", "192.0.2.99"));
    rig.pass_until_settled().await;
    assert_eq!(changes(&rig), ["update ovh/record/r01.example.org/A"]);
    rig.write("records.yaml", &records(3));
    rig.pass_until_settled().await;
    assert!(rows(&rig).iter().filter(|(_, line)| is_mark(line)).all(|(_, line)| line.contains(",sig=")));
}

/// One service's records are many, too; a few go with their manifest.
#[tokio::test]
async fn many_records_of_one_service_need_their_number() {
    let mut rig = settled(&["one"]).await;
    rig.write("few.yaml", &many("few", 3));
    rig.write("lots.yaml", &many("lots", 15));
    rig.settle().await;
    rig.remove("few.yaml");
    rig.settle().await;
    assert!(!rows(&rig).iter().any(|(_, line)| line.starts_with("few")));
    for text in [None, Some(many("lots", 2))] {
        // What was agreed to before is no agreement to this.
        rig.restart().await;
        rig.write("lots.yaml", &many("lots", 15));
        rig.settle().await;
        match &text {
            None => rig.remove("lots.yaml"),
            Some(text) => rig.write("lots.yaml", text),
        }
        rig.pass_until_settled().await;
        let guard = rig.last_pass().plan.guard.clone().expect("many records of one service");
        let number = if text.is_none() { 15 } else { 13 };
        assert_eq!(guard.code, Code::A0431);
        assert_eq!(
            guard.hints[0].command.as_deref(),
            Some(format!("amarre apply --confirm-deletes={number}").as_str())
        );
        assert_eq!(rows(&rig).iter().filter(|(_, line)| line.starts_with("lots")).count(), 15);
        let pass = rig.last_pass();
        assert_eq!(pass.statuses()["lots"].what_now.to_string(), "held by the guard");
        let ended = report::RunEnd { only: None, settled: true, goes_on: true, took: Millis(1) };
        let (said, exit) = report::verdict(&pass, ended, &report::RunTally::default(), pass.at, Style::PLAIN);
        assert_eq!((said.matches("of one service at once").count(), exit), (1, 4), "the guard is told once: {said}");
        for _ in 0..8 {
            step(&mut rig.engine, RunMode::Act { confirmed_deletes: Some(number), only: None }).await;
            rig.clock.advance(Millis::seconds(1));
        }
        rig.settle().await;
        assert_eq!(rows(&rig).iter().filter(|(_, line)| line.starts_with("lots")).count(), 15 - number);
    }
    // `destroy` is its own consent.
    rig.write("lots.yaml", &many("lots", 15));
    rig.settle().await;
    rig.destroy("lots").await;
    rig.pass_until_settled().await;
    assert!(!rows(&rig).iter().any(|(_, line)| line.starts_with("lots")));
}
