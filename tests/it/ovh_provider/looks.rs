//! What an observation reports, in how many calls, whichever way the vendor can be read.

use amarre::providers::Provider;
use amarre::providers::Publish;
use amarre_core::model::{Address, Kind, Owner, ProviderId, Value};
use amarre_sim::ovh::{DOCUMENTED_ACTIONS, DOCUMENTED_RULES, OvhOptions};

use super::support::{Desk, ZONE, record, set, signed_mark};

fn calls(desk: &Desk) -> Vec<String> {
    desk.ovh.server.journal.calls().into_iter().map(|call| format!("{} {}", call.method, call.path)).collect()
}

#[tokio::test]
async fn a_quiet_observation_is_two_calls_and_no_dns_query() {
    let mut desk = Desk::new().await;
    for index in 0..20 {
        desk.want(&format!("s{index}.example.org/A"), &["192.0.2.1"]);
    }
    let world = desk.converge().await;
    desk.assert_good(&world);
    let asked = desk.ovh.servers[0].queries().len();
    desk.ovh.server.journal.clear();
    desk.observe().await;
    assert_eq!(calls(&desk), ["GET /1.0/domain/zone", "GET /1.0/domain/zone/example.org/record"]);
    assert_eq!(desk.ovh.servers[0].queries().len(), asked, "what was right is believed for a while");
    assert!(desk.provider.capabilities().requests.unwrap().read().values().sum::<u64>() > 0);
}

#[tokio::test]
async fn only_zones_that_matter_are_read_but_all_are_named() {
    let mut desk = Desk::with(OvhOptions::with_zones(&["example.net", ZONE, "lab.example.org"])).await;
    desk.want("x.lab.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    desk.ovh.server.journal.clear();
    let world = desk.observe().await;
    assert_eq!(calls(&desk), ["GET /1.0/domain/zone", "GET /1.0/domain/zone/lab.example.org/record"]);
    for zone in ["example.net", ZONE, "lab.example.org"] {
        let seen = &world.seen[&Address::new(ProviderId::ovh(), Kind::Zone, zone)];
        assert!(seen.ready.is_ready() && seen.owner == Owner::Foreign);
    }
    let zone = &world.seen[&Address::new(ProviderId::ovh(), Kind::Zone, "lab.example.org")];
    assert_eq!(zone.fields.strings("nameservers"), ["dns106.ovh.net.", "ns106.ovh.net."]);
    assert_eq!(desk.provider.scope_of(&record("a.b.lab.example.org/A")).as_deref(), Some("lab.example.org"));
    assert_eq!(desk.provider.scope_of(&record("notexample.org/A")), None);
}

#[tokio::test]
async fn foreign_records_are_reported_too() {
    let mut desk = Desk::new().await;
    desk.ovh.apex_is_null(true);
    desk.ovh.seed_record(ZONE, "*", "A", "198.51.100.1", 60);
    desk.ovh.seed_record(ZONE, "www", "CNAME", "example.org.", 60);
    desk.ovh.seed_record(ZONE, "", "MX", "10 mail", 60);
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    let world = desk.converge().await;
    for (name, value) in [
        ("*.example.org/A", "198.51.100.1"),
        ("www.example.org/CNAME", "example.org."),
        ("example.org/MX", "10 mail.example.org."),
    ] {
        let seen = &world.seen[&record(name)];
        assert_eq!(seen.fields.strings("values"), [value]);
        assert!(seen.owner == Owner::Foreign && seen.ready.is_ready());
        assert_eq!(seen.fields.get("ttl"), Some(&Value::Int(60)));
    }
    assert!(!world.seen.keys().any(|address| address.name.starts_with("_amarre")), "marks are no records");
}

#[tokio::test]
async fn every_way_of_reading_shows_the_same() {
    let mut worlds = Vec::new();
    for (expanded, batch) in [(true, true), (false, true), (false, false)] {
        let mut desk = Desk::new().await;
        desk.ovh.supports_expanded(expanded);
        desk.ovh.supports_batch(batch);
        desk.ovh.seed_record(ZONE, "mail", "A", "198.51.100.1", 0);
        desk.want("cloud.example.org/A", &["192.0.2.1", "192.0.2.2"]);
        desk.want("*.example.org/A", &["192.0.2.1"]);
        desk.want("example.org/TXT", &["hello"]);
        let world = desk.converge().await;
        desk.assert_good(&world);
        desk.want("cloud.example.org/A", &["192.0.2.3"]);
        let world = desk.converge().await;
        desk.assert_good(&world);
        let shown: Vec<_> = world.seen.into_iter().map(|(address, seen)| (address, seen.fields, seen.owner)).collect();
        worlds.push(shown);
        desk.wanted.clear();
        desk.converge().await;
        assert_eq!(desk.rows(), ["mail A 198.51.100.1"]);
    }
    assert_eq!(worlds[0], worlds[1]);
    assert_eq!(worlds[0], worlds[2]);
}

#[tokio::test]
async fn a_working_way_of_reading_is_remembered() {
    let mut desk = Desk::new().await;
    desk.ovh.supports_expanded(false);
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    desk.converge().await;
    desk.ovh.server.journal.clear();
    desk.observe().await;
    let calls = calls(&desk);
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(calls[2].matches(',').count() > 1, "{calls:?}");
}

#[tokio::test]
async fn a_long_zone_is_read_page_by_page() {
    let mut options = OvhOptions::with_zones(&[ZONE]);
    options.dns_ports = Vec::new();
    let mut desk = Desk::with(options).await;
    for index in 0..1500 {
        desk.ovh.seed_record(ZONE, &format!("h{index}"), "A", "198.51.100.1", 60);
    }
    desk.want("cloud.example.org/A", &["192.0.2.1"]);
    let world = desk.observe().await;
    assert!(world.gaps.is_empty(), "{:?}", world.gaps);
    assert!(world.seen.len() > 1500);
    desk.ovh.server.journal.clear();
    desk.round().await;
    let calls = calls(&desk);
    assert!(calls.iter().any(|call| call.contains("subDomain=_amarre.cloud")), "{calls:?}");
    assert_eq!(desk.seen("cloud.example.org/A").await.fields, set(&["192.0.2.1"], 300));
}

#[tokio::test]
async fn a_spelling_of_ones_own_is_no_drift() {
    let mut desk = Desk::new().await;
    for (name, value) in [
        ("a.example.org/AAAA", "2001:DB8:0::1"),
        ("b.example.org/CNAME", "Cloud.Example.org"),
        ("c.example.org/MX", "10   mail.example.org"),
        ("d.example.org/CAA", "0 issue letsencrypt.org"),
    ] {
        desk.want(name, &[value]);
    }
    let world = desk.converge().await;
    desk.assert_good(&world);
    // And what is planned from it is done.
    desk.want("a.example.org/AAAA", &["2001:DB8:0::1", "2001:DB8:0::2"]);
    let world = desk.converge().await;
    desk.assert_good(&world);
    desk.wanted.clear();
    desk.converge().await;
    assert_eq!(desk.rows(), Vec::<String>::new());
}

#[tokio::test]
async fn a_mark_without_a_record_is_completed_or_removed() {
    for is_wanted in [true, false] {
        let mut desk = Desk::new().await;
        desk.ovh.seed_record(ZONE, "_amarre.cloud", "TXT", &signed_mark("_amarre.cloud", "A"), 0);
        desk.want("other.example.org/A", &["192.0.2.2"]);
        let seen = desk.seen("cloud.example.org/A").await;
        assert_eq!((seen.owner, seen.vendor_id.as_str()), (Owner::Ours, ""));
        assert!(seen.fields.strings("values").is_empty() && seen.fields.flag("mark") == Some(true));
        if is_wanted {
            desk.want("cloud.example.org/A", &["192.0.2.1"]);
        }
        let world = desk.converge().await;
        desk.assert_good(&world);
        assert_eq!(desk.rows().len(), if is_wanted { 4 } else { 2 }, "{:?}", desk.rows());
    }
}

/// One name has two spellings, and OVH takes both.
#[tokio::test]
async fn a_name_in_unicode_is_its_xn_form() {
    let mut desk = Desk::new().await;
    desk.ovh.seed_record(ZONE, "bücher", "CNAME", "käse.example.net.", 60);
    desk.ovh.seed_record(ZONE, "café", "A", "192.0.2.1", 300);
    desk.want("xn--caf-dma.example.org/A", &["192.0.2.1"]);
    let seen = desk.seen("xn--bcher-kva.example.org/CNAME").await;
    assert_eq!((seen.owner, seen.fields.strings("values")), (Owner::Foreign, vec!["xn--kse-qla.example.net."]));
    assert_eq!(desk.seen("xn--caf-dma.example.org/A").await.fields.strings("values"), ["192.0.2.1"]);
}

/// The tests run with the rights that people are told to give.
#[test]
fn the_simulated_credentials_have_the_rights_of_the_page() {
    let page = std::fs::read_to_string("docs/providers/ovh.md").unwrap();
    let rows =
        page.lines().filter(|line| line.starts_with("| GET") || line.starts_with("| P") || line.starts_with("| D"));
    let rules: Vec<(&str, &str)> =
        rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>()).map(|cells| (cells[1], cells[2])).collect();
    let granted = DOCUMENTED_RULES.map(|(method, path)| (method, format!("`{path}`")));
    assert_eq!(rules, granted.each_ref().map(|(method, path)| (*method, path.as_str())));
    let named = |action: &&str| {
        let end = action.rsplit('/').next().unwrap_or_default();
        !page.contains(&format!("`{action}`")) && !page.contains(&format!("`…/{end}`"))
    };
    assert_eq!(DOCUMENTED_ACTIONS.iter().find(|action| named(action)), None);
}
