//! Differences between the supported versions of NPM: found by `GET /api/`, never guessed.

use crate::support::supplies;
use amarre::providers::{Class, Provider};
use amarre_core::model::world::Applied;
use amarre_core::model::{Code, Expect, Fields, Kind, Owner, Readiness, Value, Verb};
use amarre_sim::Fault;
use amarre_sim::npm::{self, Issuance, Level, NpmOptions, NpmPermissions, NpmUser, NpmVersion};
use serde_json::json;

use super::rig::{Rig, SERVICE, address, change, dead_host, host, provider, redirection, unchanged};

const GIT: &str = "git.example.org";

fn start_version(version: NpmVersion) -> NpmOptions {
    NpmOptions { version, ..NpmOptions::default() }
}

fn bot(version: NpmVersion, permissions: NpmPermissions) -> NpmOptions {
    let mut options = start_version(version);
    options.users.push(NpmUser::plain(2, "bot@example.net", "bot-password", permissions));
    options
}

#[tokio::test]
async fn the_version_is_read_and_reported() {
    for version in NpmVersion::ALL {
        let rig = Rig::with(start_version(version)).await;
        let told = rig.observe(&[]).await.version;
        assert_eq!(told, Some(version.numbers().map(|number| number.to_string()).join(".")));
    }
}

#[tokio::test]
async fn spent_tokens_and_wrong_passwords_are_known_in_every_version() {
    for version in NpmVersion::ALL {
        let mut rig = Rig::with(start_version(version)).await;
        rig.observe_all().await;
        rig.npm.expire_tokens();
        rig.observe_all().await;
        rig.npm.expire_tokens();
        rig.bring(&address(Kind::ProxyHost, GIT), &host(GIT)).await;
        rig.provider = provider(&rig.npm.server.url(), "amarre@amarre.demo", "wrong");
        assert_eq!(rig.gap().await.code, Code::A0602, "{version:?}");
    }
}

#[tokio::test]
async fn a_missing_right_is_reported_before_any_write() {
    for version in NpmVersion::ALL {
        let reader = NpmPermissions { proxy_hosts: Level::View, ..NpmPermissions::documented() };
        let rig = Rig::with(bot(version, reader)).await;
        rig.npm.seed_proxy_host(&json!({"domain_names": [GIT], "forward_host": "10.0.0.9", "forward_port": 80}));
        let git = address(Kind::ProxyHost, GIT);
        let seen = rig.see(&git).await.unwrap();
        let new = address(Kind::ProxyHost, "new.example.org");
        let changes = [
            change(&git, Verb::Delete, unchanged(&seen)),
            change(&git, Verb::Update(Fields::default().with("forward_port", Value::Int(81))), unchanged(&seen)),
            change(&new, Verb::Create(host("new.example.org")), Expect::Absent),
        ];
        rig.npm.server.journal.clear();
        for change in &changes {
            let error = rig.apply(change).await.unwrap_err();
            assert_eq!((error.class, error.code), (Class::Reauthenticate, Code::A0604), "{version:?}: {error}");
            assert_eq!(
                error.hint.to_string(),
                "in NPM, Users, bot@example.net, Permissions: set proxy hosts to Manage"
            );
        }
        assert_eq!(rig.npm.server.journal.calls(), [], "{version:?}: nothing was sent");
        // Deleted since the observation: NPM answers 403, or a 404 that names the path, or 500, and none of them is
        // "gone".
        let fresh = provider(&rig.npm.server.url(), "bot@example.net", "bot-password");
        for change in &changes {
            let error = fresh.apply(change, supplies(&rig.secrets)).await.unwrap_err();
            assert_eq!((error.class, error.code), (Class::Reauthenticate, Code::A0604), "{version:?}: {error}");
        }
        assert_eq!(rig.rows(npm::Kind::ProxyHost).len(), 1);
    }
}

#[tokio::test]
async fn hidden_rows_are_a_gap_and_not_empty() {
    for version in NpmVersion::ALL {
        let hidden = NpmPermissions { redirection_hosts: Level::Hidden, ..NpmPermissions::documented() };
        let gap = Rig::with(bot(version, hidden)).await.gap().await;
        assert_eq!(
            gap.message.to_string(),
            "NPM main does not let bot@example.net view redirection hosts",
            "{version:?}"
        );
    }
}

#[tokio::test]
async fn an_account_that_sees_only_its_own_rows_is_reported() {
    let mut rig = Rig::with(bot(NpmVersion::V2_15, NpmPermissions::user())).await;
    rig.npm.seed_certificate("wild", &["*.example.org"]);
    let git = address(Kind::ProxyHost, GIT);
    let error = rig.step(&git, &host(GIT).with("certificate", Value::text("wild"))).await.unwrap_err();
    assert_eq!(error.code, Code::A0611);
    assert!(error.hint.to_string().contains("Item Visibility to All Items"), "{}", error.hint);
}

#[tokio::test]
async fn a_mark_that_old_pages_drop_is_written_again() {
    let mut rig = Rig::with(start_version(NpmVersion::V2_12)).await;
    let git = address(Kind::ProxyHost, GIT);
    let id: u64 = rig.bring(&git, &host(GIT)).await.vendor_id.parse().unwrap();
    rig.npm.drop_marker(id);
    assert_eq!(rig.see(&git).await.unwrap().owner, Owner::MarkLost);
    assert_eq!(rig.bring(&git, &host(GIT)).await.owner, Owner::Ours);
}

#[tokio::test]
async fn a_certificate_is_ordered_and_deleted_in_every_version_and_never_while_something_has_it() {
    for version in NpmVersion::ALL {
        let mut rig = Rig::with(NpmOptions { issuance: Issuance::Granted, ..start_version(version) }).await;
        let mut ids = Vec::new();
        for name in ["free.example.org", "host.example.org", "stream.example.org"] {
            let wanted = Fields::default().with("domains", Value::texts([name])).with("challenge", Value::text("http"));
            let create = change(&address(Kind::Certificate, name), Verb::Create(wanted), Expect::Absent);
            let ordered = rig.apply(&create).await.unwrap_or_else(|error| panic!("{version:?}: {error}"));
            ids.push(ordered.vendor_id.parse::<u64>().unwrap());
        }
        let host = rig.npm.seed_proxy_host(&json!({
            "domain_names": ["a.example.org"], "forward_host": "10.0.0.9", "forward_port": 80, "certificate_id": ids[1],
        }));
        let stream = rig.npm.seed_stream(&json!({
            "incoming_port": 9, "forwarding_host": "10.0.0.9", "forwarding_port": 9, "certificate_id": ids[2],
        }));
        for (name, user) in [("host", format!("proxy host #{host}")), ("stream", format!("stream #{stream}"))] {
            let refused = rig.delete(&address(Kind::Certificate, &format!("{name}.example.org"))).await.unwrap_err();
            assert!(refused.message.to_string().contains(&format!("{user} has it")), "{version:?}: {refused}");
        }
        rig.delete(&address(Kind::Certificate, "free.example.org")).await.unwrap();
        assert_eq!(rig.rows(npm::Kind::Certificate).len(), 2, "{version:?}");
    }
}

#[tokio::test]
async fn fields_of_newer_versions_are_neither_sent_nor_lost() {
    for version in NpmVersion::ALL {
        let mut rig = Rig::with(start_version(version)).await;
        let git = address(Kind::ProxyHost, GIT);
        let id: u64 = rig.bring(&git, &host(GIT)).await.vendor_id.parse().unwrap();
        rig.npm.edit_proxy_host(id, &json!({"trust_forwarded_proto": true}));
        rig.bring(&git, &host(GIT).with("forward_port", Value::Int(8080))).await;
        assert_eq!(rig.rows(npm::Kind::ProxyHost)[0]["trust_forwarded_proto"], true);
    }
}

fn ordered(name: &str) -> amarre_core::model::Change {
    let wanted = Fields::default().with("domains", Value::texts([name])).with("challenge", Value::text("http"));
    change(&address(Kind::Certificate, name), Verb::Create(wanted), Expect::Absent)
}

/// The host that goes off line for the order is back when it ends, though this account sees no 404 hosts.
#[tokio::test]
async fn the_documented_account_gets_a_certificate_in_every_version() {
    for version in NpmVersion::ALL {
        let mut rig = Rig::with(NpmOptions { issuance: Issuance::Granted, ..start_version(version) }).await;
        rig.bring(&address(Kind::ProxyHost, GIT), &host(GIT)).await;
        rig.npm.server.journal.clear();
        rig.apply(&ordered(GIT)).await.unwrap_or_else(|error| panic!("{version:?}: {error}"));
        assert!(rig.npm.serves(GIT), "{version:?}");
        let calls = rig.npm.server.journal.calls();
        assert!(calls.iter().all(|call| call.status < 300), "{version:?}: {calls:#?}");
        rig.delete(&address(Kind::Certificate, GIT)).await.unwrap();
        assert_eq!(rig.rows(npm::Kind::Certificate).len(), 0, "{version:?}");
    }
}

/// 2.12 tells of no certificate which streams have it: one that a hidden stream may have stays, and *View* is enough.
#[tokio::test]
async fn a_certificate_stays_while_its_streams_are_hidden() {
    for version in NpmVersion::ALL {
        let rig = Rig::with(NpmOptions { issuance: Issuance::Granted, ..start_version(version) });
        let mut rig = rig.await;
        rig.observe_all().await;
        rig.apply(&ordered(GIT)).await.unwrap();
        rig.npm.set_level(npm::Kind::Stream, Level::Hidden);
        let outcome = rig.delete(&address(Kind::Certificate, GIT)).await;
        if version == NpmVersion::V2_12 {
            let error = outcome.unwrap_err();
            assert_eq!((error.class, error.code), (Class::Reauthenticate, Code::A0604), "{error}");
            assert_eq!(
                error.hint.to_string(),
                "in NPM, Users, amarre@amarre.demo, Permissions: set streams to View Only"
            );
            rig.npm.set_level(npm::Kind::Stream, Level::View);
            rig.delete(&address(Kind::Certificate, GIT)).await.unwrap();
        } else {
            outcome.unwrap();
        }
        assert_eq!(rig.rows(npm::Kind::Certificate).len(), 0, "{version:?}");
    }
}

/// Every version that does something of its own with a 404 host or a scheme.
const APART: [NpmVersion; 5] =
    [NpmVersion::V2_12_0, NpmVersion::V2_12, NpmVersion::V2_13_2, NpmVersion::V2_13, NpmVersion::V2_15];

const GONE: &str = "gone.example.org";

async fn with_404_hosts(version: NpmVersion) -> Rig {
    let rig = Rig::with(start_version(version)).await;
    rig.npm.set_level(npm::Kind::DeadHost, Level::Manage);
    rig.npm.seed_certificate("wild", &["*.example.org"]);
    rig
}

/// From 2.13.0 on NPM writes such a host from the row of before. What nginx has loaded counts, and not what the row says.
#[tokio::test]
async fn a_404_host_is_served_as_it_was_changed_in_every_version() {
    for version in APART {
        let mut rig = with_404_hosts(version).await;
        let gone = address(Kind::DeadHost, GONE);
        rig.bring(&gone, &dead_host(GONE)).await;
        let more = dead_host(GONE).with("domains", Value::texts([GONE, "more.example.org"]));
        rig.bring(&gone, &more).await;
        assert!(rig.npm.serves("more.example.org"), "{version:?}");
        let strict = more.with("certificate", Value::text("wild")).with("force_https", Value::Bool(true));
        rig.bring(&gone, &strict).await;
        assert!(rig.npm.serves_tls("more.example.org"), "{version:?}");
        rig.bring(&gone, &strict.clone().with("advanced", Value::text("expires 1d;"))).await;
        assert!(rig.npm.serves_tls(GONE), "{version:?}: not without TLS");
        let off = strict.with("enabled", Value::Bool(false));
        rig.bring(&gone, &off).await;
        assert!(!rig.npm.serves(GONE), "{version:?}");
        rig.bring(&gone, &dead_host(GONE)).await;
        assert!(rig.npm.serves(GONE) && !rig.npm.serves_tls(GONE), "{version:?}");
        assert!(!rig.npm.serves("more.example.org"), "{version:?}");
    }
}

/// Wherever it is cut, the next look sees that it is not as wanted.
#[tokio::test]
async fn a_404_host_whose_change_was_cut_is_served_in_the_end() {
    for version in [NpmVersion::V2_12, NpmVersion::V2_15] {
        for (method, route) in [("POST", "disable"), ("PUT", ""), ("POST", "enable")] {
            for fault in [Fault::CutBefore, Fault::CutAfter, Fault::Before(500), Fault::After(500)] {
                let mut rig = with_404_hosts(version).await;
                let gone = address(Kind::DeadHost, GONE);
                let id = rig.bring(&gone, &dead_host(GONE)).await.vendor_id;
                let more = dead_host(GONE).with("domains", Value::texts([GONE, "more.example.org"]));
                let route = format!("/api/nginx/dead-hosts/{id}/{route}");
                // Whatever comes after it does not come either: the process is gone.
                rig.npm.server.faults.add(method, route.trim_end_matches('/'), 1, fault.clone());
                let cut = rig.step(&gone, &more).await;
                assert!(cut.is_err() || version == NpmVersion::V2_12, "{version:?} {method} {route} {fault:?}");
                rig.bring(&gone, &more).await;
                assert!(rig.npm.serves("more.example.org"), "{version:?} {method} {route} {fault:?}");
            }
        }
    }
}

/// NPM writes the old `meta` back, so the ledger knows whose it is.
#[tokio::test]
async fn a_404_host_is_adopted_once_in_every_version() {
    for version in APART {
        let mut rig = with_404_hosts(version).await;
        rig.npm.seed_dead_host(&json!({"domain_names": [GONE], "meta": {"note": "theirs"}}));
        let gone = address(Kind::DeadHost, GONE);
        let seen = rig.see(&gone).await.unwrap();
        assert_eq!(seen.owner, Owner::Foreign);
        let mark = Fields::default().with("mark", Value::Bool(true));
        let outcome = rig.apply(&change(&gone, Verb::Update(mark), unchanged(&seen))).await.unwrap();
        let fields = dead_host(GONE);
        let known = Applied { service: SERVICE.to_owned(), vendor_id: outcome.vendor_id, fields };
        rig.applied.insert(gone.clone(), known);
        let seen = rig.bring(&gone, &dead_host(GONE)).await;
        assert_eq!(seen.service.as_deref(), Some(SERVICE), "{version:?}");
        assert!(rig.npm.serves(GONE), "{version:?}");
        let more = dead_host(GONE).with("domains", Value::texts([GONE, "more.example.org"]));
        rig.bring(&gone, &more).await;
        assert!(rig.npm.serves("more.example.org"), "{version:?}");
        assert_eq!(rig.rows(npm::Kind::DeadHost)[0]["meta"]["note"], "theirs", "{version:?}");
        // Another manifest has it now.
        rig.applied.get_mut(&gone).unwrap().service = "other".to_owned();
        if version >= NpmVersion::V2_13_2 {
            assert_eq!(rig.see(&gone).await.unwrap().service.as_deref(), Some("other"), "{version:?}");
        }
        rig.delete(&gone).await.unwrap();
        assert!(!rig.npm.serves(GONE), "{version:?}");
    }
}

#[tokio::test]
async fn a_404_host_that_keeps_its_mark_is_not_released_and_says_so() {
    for version in APART {
        let mut rig = with_404_hosts(version).await;
        let gone = address(Kind::DeadHost, GONE);
        let seen = rig.bring(&gone, &dead_host(GONE)).await;
        let unmark = Fields::default().with("mark", Value::Bool(false));
        let released = rig.apply(&change(&gone, Verb::Update(unmark), unchanged(&seen))).await;
        if version < NpmVersion::V2_13_2 {
            released.unwrap();
            rig.applied.clear();
            assert_eq!(rig.see(&gone).await.unwrap().owner, Owner::Foreign, "{version:?}");
        } else {
            let error = released.unwrap_err();
            assert_eq!((error.class, error.code), (Class::Rejected, Code::A0624), "{version:?}: {error}");
            assert!(rig.npm.serves(GONE));
        }
    }
}

#[tokio::test]
async fn a_redirection_without_a_scheme_needs_a_version_that_keeps_it() {
    const OLD: &str = "old.example.org";
    for version in APART {
        let mut rig = Rig::with(start_version(version)).await;
        let old = address(Kind::Redirection, OLD);
        let wanted = redirection(OLD).with("scheme", Value::text("auto"));
        let mut query = rig.query(&[]);
        query.wanted.insert(old.clone(), wanted.clone());
        let refusal = rig.provider.observe(&query).await.unoffered.remove(&old);
        if version >= NpmVersion::V2_13 {
            assert_eq!(refusal, None, "{version:?}");
            rig.bring(&old, &wanted).await;
            continue;
        }
        assert_eq!(refusal.unwrap().code, Code::A0622, "{version:?}: the plan tells it");
        let error = rig.step(&old, &wanted).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::Rejected, Code::A0622), "{version:?}: {error}");
        assert_eq!(rig.rows(npm::Kind::RedirectionHost).len(), 0, "{version:?}");
        rig.bring(&old, &redirection(OLD)).await;
        // One that is there already, of an Amarre before or a person.
        rig.npm.seed_redirection_host(&json!({
            "domain_names": ["older.example.org"], "forward_scheme": "auto", "forward_domain_name": "x.example.org",
        }));
        let older = rig.see(&address(Kind::Redirection, "older.example.org")).await.unwrap();
        let Readiness::NotYet { why, .. } = older.ready else { panic!("{version:?}: {older:?}") };
        assert!(why.to_string().contains("cannot keep the scheme"), "{why}");
    }
}

/// The tests run with the account that people are told to make.
#[test]
fn the_simulated_account_has_the_rights_of_the_page() {
    let page = std::fs::read_to_string("docs/providers/npm.md").unwrap();
    let rows = page.lines().filter_map(|line| line.trim().strip_prefix("| ")?.split_once(" | *"));
    let told: Vec<(&str, &str)> =
        rows.filter_map(|(section, rest)| Some((section, rest.split_once("* |")?.0))).collect();
    let NpmPermissions { visibility, proxy_hosts, redirection_hosts, dead_hosts, streams, access_lists, certificates } =
        NpmPermissions::documented();
    let levels = [
        ("Proxy Hosts", proxy_hosts),
        ("Redirection Hosts", redirection_hosts),
        ("404 Hosts", dead_hosts),
        ("Streams", streams),
        ("Access Lists", access_lists),
        ("Certificates", certificates),
    ];
    let levels = levels.map(|(section, level)| (section, format!("{level:?}")));
    assert_eq!(told, levels.each_ref().map(|(section, level)| (*section, level.as_str())));
    assert!(page.contains("*All Items*") && visibility == amarre_sim::npm::Visibility::All);
}
