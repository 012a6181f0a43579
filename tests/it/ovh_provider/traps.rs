//! What bit other clients of OVH, one test each.

use amarre::providers::Publish;
use amarre_core::model::Owner;
use amarre_sim::Fault;
use amarre_sim::ovh::OvhOptions;

use super::support::{Desk, ZONE, mark_row, record, signed_mark};

/// The API quotes every TXT, splits long ones, and gives back something else than was sent (terraform #1193, #1225).
#[tokio::test]
async fn txt_of_every_sort_comes_back_as_it_was_wanted() {
    let mut desk = Desk::new().await;
    let texts = [
        "v=spf1 include:mx.ovh.com -all".to_owned(),
        "v=DMARC1; p=none; rua=mailto:a@example.org".to_owned(),
        "says \"yes\"".to_owned(),
        "back\\slash, and one at the end \\".to_owned(),
        "\\032 is no space".to_owned(),
        "two  spaces, kept ".to_owned(),
        "grüße, 日本".to_owned(),
        "k".repeat(255),
        "k".repeat(256),
        "k".repeat(511),
        // A sign of two bytes on the border of two strings.
        format!("{}é{}", "k".repeat(254), "k".repeat(20)),
        // Looks like two strings and is one.
        "a\" \"b".to_owned(),
    ];
    for (index, text) in texts.iter().enumerate() {
        desk.want(&format!("_t{index}.example.org/TXT"), &[text]);
    }
    let all: Vec<&str> = texts.iter().map(String::as_str).collect();
    desk.want("_all.example.org/TXT", &all);
    let world = desk.converge().await;
    desk.assert_good(&world);
    desk.wanted.clear();
    desk.converge().await;
    assert_eq!(desk.rows(), Vec::<String>::new());
}

/// "Change in text format" in the manager gives every record another id (terraform #275).
#[tokio::test]
async fn ids_renewed_by_a_change_in_text_form_are_no_drift() {
    let mut desk = Desk::new().await;
    desk.want("cloud.example.org/A", &["192.0.2.1", "192.0.2.2"]);
    desk.want("_x.example.org/TXT", &["hello"]);
    desk.converge().await;
    let before = desk.rows();
    for row in desk.ovh.records(ZONE) {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        assert!(desk.ovh.remove_record(ZONE, row["id"].as_u64().unwrap()));
        let ttl = u32::try_from(row["ttl"].as_u64().unwrap()).unwrap();
        assert_ne!(desk.ovh.seed_record(ZONE, &text("subDomain"), &text("fieldType"), &text("target"), ttl), 0);
    }
    let world = desk.observe().await;
    assert!(desk.plan(&world).is_empty(), "{:?}", desk.plan(&world));
    desk.assert_good(&world);
    // And the old ids, which the ledger still has, do no harm.
    desk.want("cloud.example.org/A", &["192.0.2.3"]);
    desk.converge().await;
    assert_ne!(desk.rows(), before);
    desk.wanted.clear();
    desk.converge().await;
    assert_eq!(desk.rows(), Vec::<String>::new());
}

/// Create before delete makes a zone that cannot be published (external-dns #2855).
#[tokio::test]
async fn an_address_becomes_an_alias_and_back() {
    let mut desk = Desk::new().await;
    for (name, value) in [("A", "192.0.2.1"), ("CNAME", "elsewhere.example.net."), ("A", "192.0.2.2")] {
        desk.wanted.clear();
        desk.want(&format!("cloud.example.org/{name}"), &[value]);
        let world = desk.converge().await;
        desk.assert_good(&world);
        assert_eq!(desk.rows(), [mark_row("_amarre.cloud", name), format!("cloud {name} {value}")]);
    }
}

/// SPF, DKIM and DMARC are types of OVH's own and TXT in the DNS; a DKIM is refused when it is quoted (dnscontrol #1235).
#[tokio::test]
async fn ovhs_own_types_are_txt() {
    let mut desk = Desk::new().await;
    let key = format!("v=DKIM1; k=rsa; p={}", "A".repeat(380));
    let rows = [
        ("k1._domainkey", "DKIM", key.as_str(), key.as_str()),
        ("_dmarc", "DMARC", "v=DMARC1; p=none", "v=DMARC1; p=none"),
        ("mail", "SPF", "\"v=spf1 -all\"", "v=spf1 -all"),
    ];
    for (sub, field_type, target, text) in rows {
        assert_ne!(desk.ovh.seed_record(ZONE, sub, field_type, target, 300), 0, "{field_type}");
        let registry = format!("_amarre.{sub}");
        assert_ne!(desk.ovh.seed_record(ZONE, &registry, "TXT", &signed_mark(&registry, "TXT"), 0), 0);
        desk.want(&format!("{sub}.example.org/TXT"), &[text]);
    }
    desk.ovh.server.journal.clear();
    let world = desk.converge().await;
    desk.assert_good(&world);
    assert_eq!(desk.ovh.server.journal.writes(), [], "what is there already is not written again");
    desk.wanted.clear();
    desk.want("k1._domainkey.example.org/TXT", &["v=DKIM1; p=B"]);
    let world = desk.converge().await;
    desk.assert_good(&world);
    assert_eq!(desk.rows().len(), 2, "{:?}", desk.rows());
}

/// Since October 2023 it answers 204 with nothing, before 200 with `null` (php-ovh #140).
#[tokio::test]
async fn a_refresh_may_answer_with_nothing() {
    let desk = Desk::new().await;
    desk.observe().await;
    desk.provider.publish(ZONE).await.unwrap();
    assert_eq!(desk.ovh.server.journal.calls().last().unwrap().status, 204);
    desk.ovh.server.faults.add("POST", "/1.0/domain/zone/example.org/refresh", 1, Fault::Before(200));
    desk.provider.publish(ZONE).await.unwrap();
}

/// Each zone has its own refresh, and the longest one gets the record.
#[tokio::test]
async fn records_of_two_zones_are_published_in_both() {
    let mut desk = Desk::with(OvhOptions::with_zones(&[ZONE, "lab.example.org", "example.net"])).await;
    for name in ["cloud.example.org/A", "x.lab.example.org/A", "lab.example.org/A", "a.example.net/A"] {
        desk.want(name, &["192.0.2.1"]);
    }
    let world = desk.converge().await;
    desk.assert_good(&world);
    for (zone, rows) in [(ZONE, 2), ("lab.example.org", 4), ("example.net", 2)] {
        let own = desk.ovh.records(zone).iter().filter(|row| row["fieldType"] != "NS").count();
        assert_eq!((own, desk.ovh.refreshes(zone)), (rows, 1), "{zone}");
    }
}

/// A row below a longer zone of the account is invisible to resolvers: it is no record.
#[tokio::test]
async fn a_record_hidden_by_a_longer_zone_is_not_seen() {
    let mut desk = Desk::with(OvhOptions::with_zones(&[ZONE, "lab.example.org"])).await;
    desk.ovh.seed_record(ZONE, "x.lab", "A", "198.51.100.1", 60);
    desk.want("x.lab.example.org/A", &["192.0.2.1"]);
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    let world = desk.converge().await;
    desk.assert_good(&world);
    assert_eq!(world.seen[&record("x.lab.example.org/A")].owner, Owner::Ours);
    assert!(desk.rows().contains(&"x.lab A 198.51.100.1".to_owned()), "and it stays");
}
