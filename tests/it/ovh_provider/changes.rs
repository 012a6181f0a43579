//! What changes do to a zone, and what they leave alone.

use amarre::providers::ovh::{OvhConfig, OvhProvider};
use amarre::providers::{Class, Provider};
use amarre_core::model::{Code, Expect, Fields, Kind, Owner, Rule, Value, Verb};
use amarre_testkit::field_samples::samples_for;

use super::support::{Desk, ZONE, change, config, expect, mark_row, record, same, set};

/// A record with a first and a second state.
struct Story {
    name: &'static str,
    states: [Vec<String>; 2],
}

fn stories() -> Vec<Story> {
    let own = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
    let story = |name, first: &[&str], second: &[&str]| Story { name, states: [own(first), own(second)] };
    let long = "k".repeat(600);
    vec![
        story("cloud.example.org/A", &["192.0.2.1"], &["192.0.2.2", "192.0.2.3"]),
        story("cloud.example.org/AAAA", &["2001:db8::1"], &["2001:db8::2"]),
        story("www.example.org/CNAME", &["cloud.example.org."], &["legacy.example.net."]),
        story("_x.cloud.example.org/TXT", &[&long], &["a \"quoted\" \\ text; with signs", "two"]),
        story("example.org/MX", &["1 mx1.example.net.", "5 mx2.example.net."], &["1 mx2.example.net."]),
        story("_sip._tcp.example.org/SRV", &["0 5 5060 sip.example.org."], &["0 5 5061 sip.example.org."]),
        story(
            "example.org/CAA",
            &["0 issue \"letsencrypt.org\""],
            &["0 issue \";\"", "0 iodef \"mailto:a@b.example\""],
        ),
        story("example.org/A", &["192.0.2.9"], &["192.0.2.8"]),
        story("*.example.org/A", &["192.0.2.10"], &["192.0.2.11"]),
        story("*.lab.example.org/AAAA", &["2001:db8::10"], &["2001:db8::11"]),
    ]
}

fn fields(values: &[String]) -> Fields {
    set(&values.iter().map(String::as_str).collect::<Vec<_>>(), 300)
}

#[tokio::test]
async fn every_type_is_made_changed_and_removed() {
    for story in stories() {
        let mut desk = Desk::new().await;
        for values in &story.states {
            desk.wanted.insert(record(story.name), fields(values));
            let world = desk.converge().await;
            desk.assert_good(&world);
        }
        desk.wanted.clear();
        desk.converge().await;
        assert_eq!(desk.rows(), Vec::<String>::new(), "{} is gone without a trace", story.name);
    }
}

#[tokio::test]
async fn all_types_live_together() {
    let mut desk = Desk::new().await;
    for story in stories() {
        desk.wanted.insert(record(story.name), fields(&story.states[0]));
    }
    let world = desk.converge().await;
    desk.assert_good(&world);
    assert_eq!(desk.ovh.refreshes(ZONE), 1);
    let rows = desk.rows();
    for (registry, record_type) in
        [("_amarre.cloud", "A"), ("_amarre.cloud", "AAAA"), ("_amarre", "MX"), ("_amarre._wildcard", "A")]
    {
        assert!(rows.contains(&mark_row(registry, record_type)), "{registry} {record_type}: {rows:?}");
    }
    desk.wanted.clear();
    desk.converge().await;
    assert_eq!(desk.rows(), Vec::<String>::new());
}

#[tokio::test]
async fn every_field_of_the_table_can_be_set_and_changed() {
    let mut desk = Desk::new().await;
    let schema = desk.provider.kinds().iter().find(|schema| schema.kind == Kind::Record).unwrap();
    let address = record("cloud.example.org/A");
    desk.ovh.seed_record(ZONE, "foreign", "A", "198.51.100.1", 0);
    for field in schema.fields.iter().filter(|field| field.rule != Rule::Observed) {
        let samples = samples_for(Kind::Record, field.name);
        assert!(samples.len() > 1, "{} has no samples", field.name);
        for sample in samples {
            let mut wanted = set(&["192.0.2.1"], 300);
            wanted.set(field.name, serde_json::from_str(sample).unwrap());
            let before = wanted.clone();
            desk.provider.normalize(&address, &mut wanted).unwrap();
            assert!(same(&before, &wanted), "{} {sample}", field.name);
            desk.wanted.insert(address.clone(), wanted);
            let world = desk.converge().await;
            desk.assert_good(&world);
            assert!(desk.rows().contains(&"foreign A 198.51.100.1".to_owned()));
        }
    }
}

#[tokio::test]
async fn a_change_reuses_rows_and_touches_no_more_than_it_must() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1", "192.0.2.2"]);
    desk.converge().await;
    let id = desk.id_of("cloud", "A");
    desk.want("cloud.example.org/A", &["192.0.2.3", "192.0.2.2"]);
    desk.ovh.server.journal.clear();
    desk.round().await;
    let writes = desk.ovh.server.journal.writes();
    let lines: Vec<String> = writes.iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    let expected =
        [format!("PUT /1.0/domain/zone/{ZONE}/record/{id}"), format!("POST /1.0/domain/zone/{ZONE}/refresh")];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn foreign_records_are_left_alone() {
    let mut desk = Desk::new().await;
    let foreign = [
        ("cloud", "TXT", "\"theirs\""),
        ("_amarre.cloud", "TXT", "\"hello\""),
        ("_amarre.cloud", "TXT", "\"heritage=external-dns,external-dns/owner=x\""),
        ("_amarre.cloud", "TXT", "\"heritage=amarre,instance=other,service=x,type=AAAA\""),
        ("", "SPF", "\"v=spf1 -all\""),
    ];
    for (sub, field_type, target) in foreign {
        assert_ne!(desk.ovh.seed_record(ZONE, sub, field_type, target, 0), 0);
    }
    let before = desk.rows();
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    let world = desk.converge().await;
    desk.assert_good(&world);
    assert_eq!(world.seen[&record("cloud.example.org/TXT")].owner, Owner::Foreign);
    assert_eq!(world.seen[&record("cloud.example.org/AAAA")].owner, Owner::Other("other".to_owned()));
    desk.wanted.clear();
    desk.converge().await;
    assert_eq!(desk.rows(), before);
}

/// Both say that the record is theirs: each takes back its own word only.
#[tokio::test]
async fn another_instances_mark_stays() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    let theirs = "\"heritage=amarre,instance=other,service=x,type=A\"";
    assert_ne!(desk.ovh.seed_record(ZONE, "_amarre.cloud", "TXT", theirs, 0), 0);
    desk.wanted.clear();
    desk.converge().await;
    assert_eq!(desk.rows(), [format!("_amarre.cloud TXT {theirs}")]);
    // Where its mark is the only one, the record is its own.
    desk.ovh.seed_record(ZONE, "wiki", "A", "192.0.2.1", 0);
    desk.ovh.seed_record(ZONE, "_amarre.wiki", "TXT", theirs, 0);
    desk.want("wiki.example.org/A", &["192.0.2.1"]);
    assert_eq!(desk.seen("wiki.example.org/A").await.owner, Owner::Other("other".to_owned()));
}

#[tokio::test]
async fn a_foreign_record_in_the_way_is_a_conflict() {
    let mut desk = Desk::new().await;
    desk.ovh.seed_record(ZONE, "wiki", "A", "198.51.100.7", 0);
    desk.want("wiki.example.org/A", &["192.0.2.1"]);
    assert_eq!(desk.seen("wiki.example.org/A").await.owner, Owner::Foreign);
    // As if it had come between the observation and the change.
    let address = record("wiki.example.org/A");
    let error =
        desk.apply(&change(&address, Verb::Create(set(&["192.0.2.1"], 300)), Expect::Absent)).await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Conflict, Code::A0405));
    assert!(error.message.to_string().contains("198.51.100.7"), "{error}");
    assert_eq!(desk.rows(), ["wiki A 198.51.100.7"], "not even a mark is left");
    // Even an identical one is not taken without being asked.
    let identical = change(&address, Verb::Create(set(&["198.51.100.7"], 300)), Expect::Absent);
    assert_eq!(desk.apply(&identical).await.unwrap_err().code, Code::A0405);
}

#[tokio::test]
async fn adopting_adds_the_mark_and_keeps_the_row() {
    let mut desk = Desk::new().await;
    let id = desk.ovh.seed_record(ZONE, "wiki", "A", "192.0.2.1", 0);
    desk.want("wiki.example.org/A", &["192.0.2.1"]);
    let seen = desk.seen("wiki.example.org/A").await;
    assert_eq!(seen.fields.flag("mark"), Some(false));
    assert_eq!(seen.fields.get("ttl"), Some(&Value::Int(3600)), "the zone's own");
    let adopt = change(&record("wiki.example.org/A"), Verb::Update(set(&["192.0.2.1"], 3600)), expect(&seen));
    let outcome = desk.apply(&adopt).await.unwrap();
    assert_eq!(outcome.vendor_id, id.to_string());
    assert_eq!(desk.rows(), [mark_row("_amarre.wiki", "A"), "wiki A 192.0.2.1".to_owned()]);
    assert_eq!(desk.seen("wiki.example.org/A").await.owner, Owner::Ours);
    // Once more is harmless, though what it expects is not there any more.
    desk.ovh.server.journal.clear();
    desk.apply(&adopt).await.unwrap();
    assert_eq!(desk.ovh.server.journal.writes(), []);
}

#[tokio::test]
async fn a_change_since_the_plan_is_planned_again() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    let seen = desk.seen("cloud.example.org/A").await;
    let id = desk.id_of("cloud", "A");
    assert!(desk.ovh.edit_record(ZONE, id, "198.51.100.7"));
    let address = record("cloud.example.org/A");
    for verb in [Verb::Update(set(&["192.0.2.2"], 300)), Verb::Delete] {
        let error = desk.apply(&change(&address, verb, expect(&seen))).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::Conflict, Code::A0707));
    }
    assert!(desk.rows().contains(&"cloud A 198.51.100.7".to_owned()));
    // A change in text form renews the ids and changes nothing else.
    assert!(desk.ovh.remove_record(ZONE, id));
    desk.ovh.seed_record(ZONE, "cloud", "A", "192.0.2.1", 300);
    desk.apply(&change(&address, Verb::Update(set(&["192.0.2.2"], 300)), expect(&seen))).await.unwrap();
}

#[tokio::test]
async fn an_update_of_one_field_keeps_the_others() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1", "192.0.2.2"]);
    desk.converge().await;
    let seen = desk.seen("cloud.example.org/A").await;
    let only = Verb::Update(Fields::default().with("ttl", Value::Int(60)));
    desk.apply(&change(&record("cloud.example.org/A"), only, expect(&seen))).await.unwrap();
    let after = desk.seen("cloud.example.org/A").await;
    assert_eq!(after.fields, set(&["192.0.2.1", "192.0.2.2"], 60));
    assert_eq!(after.vendor_id, seen.vendor_id);
}

#[tokio::test]
async fn doubled_rows_are_seen_and_removed() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    desk.ovh.seed_record(ZONE, "cloud", "A", "192.0.2.1", 300);
    assert_eq!(desk.seen("cloud.example.org/A").await.fields.strings("values"), ["192.0.2.1", "192.0.2.1"]);
    desk.converge().await;
    assert_eq!(desk.rows(), [mark_row("_amarre.cloud", "A"), "cloud A 192.0.2.1".to_owned()]);
}

#[tokio::test]
async fn an_alias_stands_alone() {
    let desk = Desk::new().await;
    desk.ovh.seed_record(ZONE, "www", "A", "198.51.100.7", 0);
    desk.ovh.seed_record(ZONE, "old", "CNAME", "www.example.org.", 0);
    desk.observe().await;
    for (name, value) in [("www.example.org/CNAME", "cloud.example.org."), ("old.example.org/A", "192.0.2.1")] {
        let create = change(&record(name), Verb::Create(set(&[value], 300)), Expect::Absent);
        let error = desk.apply(&create).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::Conflict, Code::A0405), "{name}");
    }
    assert_eq!(desk.rows().len(), 2);
}

#[tokio::test]
async fn a_lost_mark_is_written_again() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    assert!(desk.ovh.remove_record(ZONE, desk.id_of("_amarre.cloud", "TXT")));
    let seen = desk.seen("cloud.example.org/A").await;
    assert_eq!((seen.owner, seen.service.as_deref()), (Owner::MarkLost, Some("cloud")));
    let world = desk.converge().await;
    desk.assert_good(&world);
    // Without the ledger's record it is unowned.
    assert!(desk.ovh.remove_record(ZONE, desk.id_of("_amarre.cloud", "TXT")));
    desk.applied.clear();
    assert_eq!(desk.seen("cloud.example.org/A").await.owner, Owner::Foreign);
}

#[tokio::test]
async fn a_lost_ledger_loses_nothing() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    desk.applied.clear();
    desk.restart();
    let world = desk.converge().await;
    desk.assert_good(&world);
    // What is not wanted any more is found by its mark.
    desk.wanted.clear();
    desk.want("other.example.org/A", &["192.0.2.2"]);
    desk.converge().await;
    assert_eq!(desk.rows(), [mark_row("_amarre.other", "A"), "other A 192.0.2.2".to_owned()]);
}

#[tokio::test]
async fn without_a_registry_the_ledger_decides_ownership() {
    let mut desk = Desk::new().await;
    desk.provider = OvhProvider::new(OvhConfig { registry: false, ..config(&desk.ovh) }).unwrap();
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    let world = desk.converge().await;
    desk.assert_good(&world);
    assert_eq!(desk.rows(), ["cloud A 192.0.2.1"]);
    desk.wanted.clear();
    desk.converge().await;
    assert_eq!(desk.rows(), Vec::<String>::new());
}

#[tokio::test]
async fn another_service_takes_the_mark_over() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    let seen = desk.seen("cloud.example.org/A").await;
    let mut moved = change(&record("cloud.example.org/A"), Verb::Update(set(&["192.0.2.2"], 300)), expect(&seen));
    moved.service = "nextcloud".to_owned();
    desk.apply(&moved).await.unwrap();
    assert_eq!(desk.seen("cloud.example.org/A").await.service.as_deref(), Some("nextcloud"));
    assert_eq!(desk.rows().len(), 2, "{:?}", desk.rows());
}

#[tokio::test]
async fn impossible_values_are_refused_before_anything_is_written() {
    let desk = Desk::new().await;
    desk.observe().await;
    for (name, value) in [("a.example.org/A", "not an address"), ("a.example.org/CNAME", "two words")] {
        let create = change(&record(name), Verb::Create(set(&[value], 300)), Expect::Absent);
        let error = desk.apply(&create).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::Rejected, Code::A0706));
    }
    let elsewhere = change(&record("a.example.net/A"), Verb::Create(set(&["192.0.2.1"], 300)), Expect::Absent);
    assert_eq!(desk.apply(&elsewhere).await.unwrap_err().code, Code::A0701);
    assert_eq!(desk.ovh.server.journal.writes(), []);
    // What only the vendor knows to refuse comes with its words.
    let underscore = change(&record("_a.example.org/A"), Verb::Create(set(&["192.0.2.1"], 300)), Expect::Absent);
    let error = desk.apply(&underscore).await.unwrap_err();
    assert!(error.class == Class::Rejected && error.message.to_string().contains("underscore not allowed"), "{error}");
}
