//! The NPM provider over real HTTP against the simulated NPM: what each promise of it rests on.
//!
//! `contract` goes through the tables, `unwell` through an NPM that fails, `versions` through what differs between them;
//! `traps` lists what real NPMs were caught at, each with its test; `rig` holds the tools.

mod contract;
mod rig;
mod traps;
mod unwell;
mod versions;

use std::collections::BTreeMap;

use amarre::providers::{Class, Provider};
use amarre::secret::Secret;
use amarre_core::model::{Code, Expect, Fields, Kind, Owner, Readiness, Seen, Value, Verb};
use amarre_sim::npm;
use serde_json::json;

use rig::{Rig, address, change, host, list, redirection, secret, stream, unchanged};

const GIT: &str = "git.example.org";

#[tokio::test]
async fn a_host_is_made_changed_and_deleted_and_its_name_is_free_again() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    let wanted = host(GIT).with("domains", Value::texts(["WWW.git.example.org", GIT, "a.example.org"]));
    let made = rig.bring(&git, &wanted).await;
    assert_eq!(made.ready, Readiness::Ready);
    assert_eq!(made.service.as_deref(), Some("git"));
    let changed = rig.bring(&git, &wanted.clone().with("forward_port", Value::Int(8080))).await;
    assert_eq!(changed.vendor_id, made.vendor_id, "changed in place");
    rig.delete(&git).await.unwrap();
    assert_eq!(rig.see(&git).await, None);
    rig.bring(&git, &wanted).await;
}

#[tokio::test]
async fn only_what_differs_is_put() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    let seen = rig.bring(&git, &host(GIT)).await;
    let id: u64 = seen.vendor_id.parse().unwrap();
    // A person sets something that no manifest knows of, and a key of their own.
    let meta = rig.rows(npm::Kind::ProxyHost)[0]["meta"].clone();
    let mut meta = meta.as_object().unwrap().clone();
    meta.insert("note".to_owned(), json!("do not touch"));
    let location = json!({"path": "/x", "forward_scheme": "http", "forward_host": "10.0.0.9", "forward_port": "80"});
    rig.npm.edit_proxy_host(
        id,
        &json!({"advanced_config": "client_max_body_size 10G;", "locations": [location], "caching_enabled": true, "meta": meta}),
    );
    let mut named = host(GIT).with("forward_port", Value::Int(8080));
    for unmanaged in ["advanced", "locations", "caching"] {
        named.remove(unmanaged);
    }
    rig.step(&git, &named).await.unwrap();
    assert_eq!(rig.step(&git, &named).await.unwrap(), None);
    let row = rig.rows(npm::Kind::ProxyHost).remove(0);
    assert_eq!(row["advanced_config"], "client_max_body_size 10G;");
    assert_eq!((&row["locations"], &row["caching_enabled"]), (&json!([location]), &json!(true)));
    assert_eq!(row["meta"]["note"], "do not touch");
    assert_eq!(row["meta"]["amarre_service"], "git");
}

#[tokio::test]
async fn a_foreign_host_is_reported_and_in_the_way() {
    let rig = Rig::start().await;
    rig.npm.seed_proxy_host(
        &json!({"domain_names": ["a.example.org", GIT], "forward_host": "10.0.0.9", "forward_port": 80}),
    );
    rig.npm
        .seed_redirection_host(&json!({"domain_names": ["old.example.org"], "forward_domain_name": "x.example.org"}));
    let before = (rig.rows(npm::Kind::ProxyHost), rig.rows(npm::Kind::RedirectionHost));
    let git = address(Kind::ProxyHost, GIT);
    let seen = rig.see(&git).await.unwrap();
    assert_eq!(seen.owner, Owner::Foreign);
    assert_eq!(seen.fields.strings("domains"), ["a.example.org", GIT], "so that the planner finds the conflict");
    let create = |domain: &str| change(&address(Kind::ProxyHost, domain), Verb::Create(host(domain)), Expect::Absent);
    // In the list of the same kind, and only in NPM's own check: a redirection has the name.
    for domain in [GIT, "old.example.org"] {
        let error = rig.apply(&create(domain)).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::Conflict, Code::A0405), "{error}");
        assert!(error.message.to_string().contains(domain), "{error}");
    }
    assert_eq!((rig.rows(npm::Kind::ProxyHost), rig.rows(npm::Kind::RedirectionHost)), before);
}

#[tokio::test]
async fn a_foreign_stream_on_the_port_is_in_the_way() {
    let rig = Rig::start().await;
    rig.npm.seed_stream(&json!({"incoming_port": 2222, "forwarding_host": "10.0.0.9", "forwarding_port": 22}));
    let before = rig.rows(npm::Kind::Stream);
    let ssh = address(Kind::Stream, "2222");
    assert_eq!(rig.see(&ssh).await.unwrap().owner, Owner::Foreign, "NPM itself would take a second one");
    let error = rig.apply(&change(&ssh, Verb::Create(stream(2222)), Expect::Absent)).await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Conflict, Code::A0405), "{error}");
    assert_eq!(rig.rows(npm::Kind::Stream), before);
}

#[tokio::test]
async fn streams_that_may_not_be_seen_matter_only_where_one_is_wanted() {
    let mut options = npm::NpmOptions::default();
    let hidden = npm::NpmPermissions { streams: npm::Level::Hidden, ..npm::NpmPermissions::documented() };
    options.users.push(npm::NpmUser::plain(2, "bot@example.net", "bot-password", hidden));
    let rig = Rig::with(options).await;
    rig.observe_all().await;
    let observation = rig.observe(&[&address(Kind::Stream, "2222")]).await;
    assert_eq!(observation.gaps[0].message.to_string(), "NPM main does not let bot@example.net view streams");
    assert_eq!(
        observation.gaps[0].hint.to_string(),
        "in NPM, Users, bot@example.net, Permissions: set streams to Manage"
    );
}

#[tokio::test]
async fn another_instances_host_is_never_touched() {
    let rig = Rig::start().await;
    rig.npm.seed_proxy_host(&json!({
        "domain_names": [GIT], "forward_host": "10.0.0.9", "forward_port": 80,
        "meta": {"amarre_instance": "other", "amarre_service": "git", "amarre_name": GIT},
    }));
    let before = rig.rows(npm::Kind::ProxyHost);
    let git = address(Kind::ProxyHost, GIT);
    let seen = rig.see(&git).await.unwrap();
    assert_eq!(seen.owner, Owner::Other("other".to_owned()));
    for verb in [Verb::Delete, Verb::Update(host(GIT))] {
        let error = rig.apply(&change(&git, verb, unchanged(&seen))).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::Conflict, Code::A0405));
    }
    assert_eq!(rig.rows(npm::Kind::ProxyHost), before);
}

#[tokio::test]
async fn a_lost_mark_is_restored_from_the_ledger() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    let id: u64 = rig.bring(&git, &host(GIT)).await.vendor_id.parse().unwrap();
    rig.npm.drop_marker(id);
    let lost = rig.see(&git).await.unwrap();
    assert_eq!((lost.owner, lost.service.as_deref()), (Owner::MarkLost, Some("git")));
    assert_eq!(lost.fields.flag("mark"), Some(false));
    let ledger = std::mem::take(&mut rig.applied);
    assert_eq!(rig.see(&git).await.unwrap().owner, Owner::Foreign, "without mark and ledger it is anybody's");
    rig.applied = ledger;
    rig.bring(&git, &host(GIT)).await;
    rig.applied.clear();
    assert_eq!(rig.see(&git).await.unwrap().owner, Owner::Ours, "the mark is back");
}

#[tokio::test]
async fn a_disabled_host_is_enabled_by_enable() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    let id: u64 = rig.bring(&git, &host(GIT)).await.vendor_id.parse().unwrap();
    rig.bring(&git, &host(GIT).with("enabled", Value::Bool(false))).await;
    let off = rig.see(&git).await.unwrap();
    assert_eq!(off.fields.flag("online"), Some(true), "a host that is off is not also out of order");
    assert!(!off.ready.is_ready());
    rig.npm.server.journal.clear();
    let outcome = rig.step(&git, &host(GIT)).await.unwrap();
    assert_eq!(outcome.unwrap().vendor_id, id.to_string());
    let writes: Vec<String> = rig.writes().into_iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    // A PUT alone would leave nginx's file as it is; before, it takes back that nginx has the host.
    let route = format!("/api/nginx/proxy-hosts/{id}");
    assert_eq!(writes, [format!("PUT {route}"), format!("POST {route}/enable")]);
    assert_eq!(rig.see(&git).await.unwrap().ready, Readiness::Ready);
}

#[tokio::test]
async fn a_host_that_lost_its_file_is_written_again() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    let id: u64 = rig.bring(&git, &host(GIT)).await.vendor_id.parse().unwrap();
    rig.npm.lose_file(id);
    let seen = rig.see(&git).await.unwrap();
    assert_eq!(seen.fields.flag("online"), Some(false));
    assert!(matches!(&seen.ready, Readiness::NotYet { why, .. } if why.to_string() == "nginx was not reloaded for it"));
    assert_eq!(rig.bring(&git, &host(GIT)).await.ready, Readiness::Ready);
}

#[tokio::test]
async fn a_host_without_its_certificate_or_list_differs_and_is_corrected() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    rig.npm.seed_certificate("wild", &["*.example.org"]);
    rig.npm.seed_access_list(&json!({"name": "office", "clients": [{"address": "10.0.0.0/8", "directive": "allow"}]}));
    let wanted = host(GIT)
        .with("certificate", Value::text("wild"))
        .with("force_https", Value::Bool(true))
        .with("access_list", Value::text("office"));
    let id: u64 = rig.bring(&git, &wanted).await.vendor_id.parse().unwrap();
    rig.npm.edit_proxy_host(id, &json!({"certificate_id": 17, "access_list_id": 18}));
    let seen = rig.see(&git).await.unwrap();
    assert_eq!(seen.fields.text("certificate"), Some("#17 (gone)"));
    assert_eq!(seen.fields.text("access_list"), Some("#18 (gone)"));
    rig.bring(&git, &wanted).await;
}

#[tokio::test]
async fn a_host_is_not_written_without_what_it_names() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    for _ in 0..2 {
        rig.npm.seed_access_list(&json!({"name": "twice"}));
    }
    rig.npm.seed_certificate("empty", &[]);
    let named = [
        (host(GIT).with("certificate", Value::text("nowhere")), "has no certificate `nowhere`"),
        (host(GIT).with("certificate", Value::text("empty")), "the files of certificate `empty` were never uploaded"),
        (host(GIT).with("access_list", Value::text("nowhere")), "has no access list `nowhere`"),
        (host(GIT).with("access_list", Value::text("twice")), "has 2 access lists called `twice`"),
    ];
    for (wanted, why) in &named {
        let error = rig.step(&git, wanted).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::Conflict, Code::A0611), "{error}");
        assert!(error.message.to_string().contains(why), "{error}");
    }
    rig.bring(&git, &host(GIT)).await;
    let before = rig.rows(npm::Kind::ProxyHost);
    for (wanted, _) in &named {
        assert_eq!(rig.step(&git, wanted).await.unwrap_err().class, Class::Conflict);
    }
    assert_eq!(rig.rows(npm::Kind::ProxyHost), before);
}

#[tokio::test]
async fn a_change_since_the_observation_is_a_conflict() {
    let mut rig = Rig::start().await;
    let git = address(Kind::ProxyHost, GIT);
    let seen = rig.bring(&git, &host(GIT)).await;
    let id: u64 = seen.vendor_id.parse().unwrap();
    rig.npm.edit_proxy_host(id, &json!({"forward_port": 9}));
    let before = rig.rows(npm::Kind::ProxyHost);
    let update = Verb::Update(Fields::default().with("forward_host", Value::text("172.20.8.4")));
    for verb in [update.clone(), Verb::Delete] {
        let error = rig.apply(&change(&git, verb, unchanged(&seen))).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::Conflict, Code::A0613), "{error}");
    }
    assert_eq!(rig.rows(npm::Kind::ProxyHost), before);
    rig.delete(&git).await.unwrap();
    let gone = |verb| change(&git, verb, unchanged(&seen));
    assert_eq!(rig.apply(&gone(update)).await.unwrap_err().class, Class::Conflict);
    assert_eq!(rig.apply(&gone(Verb::Delete)).await.unwrap().vendor_id, "", "deleted is deleted");

    let family = address(Kind::AccessList, "amarre/family");
    let seen = rig.bring(&family, &list(&["anna"])).await;
    // A person admits one more.
    rig.step(&family, &list(&["anna", "ben"])).await.unwrap();
    let before = rig.rows(npm::Kind::AccessList);
    let update = Verb::Update(Fields::default().with("pass_auth", Value::Bool(true)));
    for verb in [update, Verb::Delete] {
        let error = rig.apply(&change(&family, verb, unchanged(&seen))).await.unwrap_err();
        assert_eq!((error.class, error.code), (Class::Conflict, Code::A0613), "{error}");
    }
    assert_eq!(rig.rows(npm::Kind::AccessList), before);
}

#[tokio::test]
async fn a_change_that_is_done_already_is_done() {
    let mut rig = Rig::start().await;
    for (address, wanted) in [
        (address(Kind::ProxyHost, GIT), host(GIT)),
        (address(Kind::Redirection, "old.example.org"), redirection("old.example.org")),
        (address(Kind::Stream, "2222"), stream(2222)),
        (address(Kind::AccessList, "amarre/family"), list(&["anna"])),
    ] {
        let create = change(&address, Verb::Create(wanted.clone()), Expect::Absent);
        let first = rig.apply(&create).await.unwrap();
        assert_eq!(rig.apply(&create).await.unwrap(), first, "one row, not two");
        let name = if address.kind == Kind::AccessList { "pass_auth" } else { "enabled" };
        let flag = !wanted.flag(name).unwrap();
        rig.step(&address, &wanted).await.unwrap();
        let seen = rig.see(&address).await.unwrap();
        let update = Verb::Update(Fields::default().with(name, Value::Bool(flag)));
        let update = change(&address, update, unchanged(&seen));
        rig.apply(&update).await.unwrap();
        rig.npm.server.journal.clear();
        assert_eq!(rig.apply(&update).await.unwrap(), first);
        assert_eq!(rig.writes(), [], "{address}");
    }
}

#[tokio::test]
async fn a_list_in_use_is_not_deleted() {
    let mut rig = Rig::start().await;
    let (family, git) = (address(Kind::AccessList, "amarre/family"), address(Kind::ProxyHost, GIT));
    rig.bring(&family, &list(&["anna"])).await;
    let guarded = host(GIT).with("access_list", Value::text("amarre/family"));
    rig.bring(&git, &guarded).await;
    let error = rig.delete(&family).await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Conflict, Code::A0612));
    assert!(error.message.to_string().contains(GIT), "{error}");
    assert_eq!(rig.see(&git).await.unwrap().fields.text("access_list"), Some("amarre/family"), "still closed");
    rig.delete(&git).await.unwrap();
    rig.delete(&family).await.unwrap();
    assert_eq!(rig.see(&family).await, None);
}

fn password(rig: &Rig, user: &str) -> (String, u64) {
    let rows = rig.rows(npm::Kind::AccessList);
    let items = rows[0]["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["username"] == user).unwrap();
    (item["password"].as_str().unwrap().to_owned(), item["id"].as_u64().unwrap())
}

#[tokio::test]
async fn only_new_and_changed_passwords_are_sent() {
    let mut rig = Rig::start().await;
    let family = address(Kind::AccessList, "amarre/family");
    rig.bring(&family, &list(&["anna"])).await;
    let anna = password(&rig, "anna");
    assert_eq!(anna.0, "pw-anna");
    rig.bring(&family, &list(&["anna", "ben"])).await;
    assert_eq!(password(&rig, "anna"), anna, "kept");
    assert_eq!(password(&rig, "ben").0, "pw-ben");
    let users = BTreeMap::from([("anna".to_owned(), secret("ben/two", "pw-ben/two"))]);
    rig.bring(&family, &list(&[]).with("users", Value::Map(users))).await;
    assert_eq!(password(&rig, "anna").0, "pw-ben/two");
    // The same name with another value: the mark tells.
    rig.secrets.insert(amarre_core::model::SecretName("anna".to_owned()), Secret::new("new"));
    let renewed = BTreeMap::from([("anna".to_owned(), secret("anna", "new"))]);
    rig.bring(&family, &list(&[]).with("users", Value::Map(renewed))).await;
    assert_eq!(password(&rig, "anna").0, "new");
    // Without the ledger the password is not known: it is written again.
    rig.applied.clear();
    let unknown: Seen = rig.see(&family).await.unwrap();
    assert_ne!(unknown.fields.get("users"), list(&["anna"]).get("users"));
}

#[tokio::test]
async fn a_password_that_is_not_the_plans_is_not_written() {
    let mut rig = Rig::start().await;
    let family = address(Kind::AccessList, "amarre/family");
    let of =
        |mark: &str| list(&[]).with("users", Value::Map(BTreeMap::from([("anna".to_owned(), secret("anna", mark))])));
    let error = rig.step(&family, &of("another")).await.unwrap_err();
    assert_eq!(error.class, Class::Conflict, "{error}");
    rig.secrets.clear();
    let error = rig.step(&family, &of("pw-anna")).await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Rejected, Code::A0207));
    assert_eq!(error.message.to_string(), "could not create access list amarre/family: secret `anna` is not set");
    assert!(rig.rows(npm::Kind::AccessList).is_empty());
}

#[tokio::test]
async fn a_foreign_list_of_our_name_is_in_the_way() {
    let rig = Rig::start().await;
    rig.npm.seed_access_list(&json!({"name": "amarre/family"}));
    let family = address(Kind::AccessList, "amarre/family");
    assert_eq!(rig.see(&family).await.unwrap().owner, Owner::Foreign, "another account made it");
    let create = change(&family, Verb::Create(list(&["anna"])), Expect::Absent);
    let error = rig.apply(&create).await.unwrap_err();
    assert_eq!((error.class, error.code), (Class::Conflict, Code::A0405));
    assert_eq!(rig.rows(npm::Kind::AccessList).len(), 1);
}

#[tokio::test]
async fn an_uploaded_certificate_is_only_observed() {
    let rig = Rig::start().await;
    rig.npm.seed_certificate("wild", &["*.example.org"]);
    let wild = address(Kind::Certificate, "wild");
    let seen = rig.observe_all().await.remove(&wild).unwrap();
    assert_eq!(seen.fields.strings("domains"), ["*.example.org"]);
    assert_eq!(seen.fields.text("provider"), Some("other"));
    assert!(seen.ready.is_ready());
    let error = rig.apply(&change(&wild, Verb::Delete, unchanged(&seen))).await.unwrap_err();
    assert_eq!(error.class, Class::Rejected);
    assert_eq!(rig.rows(npm::Kind::Certificate).len(), 1);
}

#[tokio::test]
async fn an_observation_is_seven_gets_and_one_sign_in() {
    let rig = Rig::start().await;
    rig.observe_all().await;
    let first = rig.npm.server.journal.calls().len();
    rig.npm.server.journal.clear();
    rig.observe_all().await;
    let calls = rig.npm.server.journal.calls();
    assert_eq!((first, calls.len()), (8, 7));
    assert_eq!(rig.npm.server.journal.writes(), []);
    assert_eq!(rig.provider.capabilities().requests.unwrap().read()[&("GET".to_owned(), 200)], 14);
    assert_eq!(rig.provider.id().as_str(), "npm");
}

#[tokio::test]
async fn writes_never_overlap() {
    let rig = Rig::start().await;
    rig.observe_all().await;
    rig.npm.server.journal.clear();
    let domains = ["a.example.org", "b.example.org", "c.example.org", "d.example.org"];
    let changes =
        domains.map(|domain| change(&address(Kind::ProxyHost, domain), Verb::Create(host(domain)), Expect::Absent));
    let outcomes = futures_util::future::join_all(changes.iter().map(|change| rig.apply(change))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let calls = rig.npm.server.journal.calls();
    let methods: Vec<&str> = calls.iter().map(|call| call.method.as_str()).collect();
    // Each reads the list, writes and reads its row again before the next one begins.
    assert_eq!(methods, ["GET", "POST", "GET"].repeat(4));
}
