//! Tables, spelling and conversion, held to recorded answers of real backends (`tests/cases/npm`).

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::api::{CertificateName, CertificateRow, HostRow, ListRow, NpmVersion};
use super::convert::{self, Ids, Marker};
use super::observe::{Inventory, Viewer, report};
use super::sections::Section;
use crate::error_chain::reason;
use crate::providers::ObserveQuery;
use amarre_core::model::world::Applied;
use amarre_core::model::{
    Address, Fields, Kind, KindSchema, Mark, Owner, ProviderId, Readiness, SecretName, Typed, Value,
};
use amarre_core::resources::npm::normalize::normalize;
use amarre_core::resources::npm::{
    HostLocation, KINDS, NpmAccessList, NpmCertificate, NpmStream, ProxyHost, Redirection, ServedState, WebHost,
};
use amarre_testkit::field_samples::samples_for;

const NEWEST: NpmVersion = NpmVersion { major: 2, minor: 15, revision: 1 };

fn body(recording: &str) -> Json {
    let recording: Json = serde_json::from_str(recording).unwrap();
    recording["response"]["body"].clone()
}

fn rows<T: serde::de::DeserializeOwned>(recording: &str) -> Vec<T> {
    let body = body(recording);
    let list = if body.is_array() { body } else { json!([body]) };
    serde_json::from_value(list).unwrap()
}

fn recorded_hosts() -> Vec<HostRow> {
    rows(include_str!("../../../../../tests/cases/npm/ph-list-expand.json"))
}

fn site(domains: &[&str], certificate: Option<&str>) -> WebHost {
    WebHost {
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        certificate: certificate.map(str::to_owned),
        force_https: certificate.is_some(),
        http2: certificate.is_some(),
        hsts: false,
        hsts_subdomains: false,
        advanced: String::new(),
        life: ServedState { enabled: true, online: true, mark: true },
    }
}

fn host() -> ProxyHost {
    ProxyHost {
        site: site(&["a.example.org", "b.example.org"], Some("wild")),
        block_exploits: false,
        forward_scheme: "http".to_owned(),
        forward_host: "172.20.8.3".to_owned(),
        forward_port: 3000,
        websockets: true,
        caching: false,
        access_list: None,
        locations: vec![location()],
    }
}

fn location() -> HostLocation {
    HostLocation {
        path: "/api".to_owned(),
        scheme: "http".to_owned(),
        host: "172.20.8.4".to_owned(),
        port: 80,
        to_path: String::new(),
        advanced: "client_max_body_size 1G;".to_owned(),
    }
}

fn redirection() -> Redirection {
    Redirection {
        site: WebHost {
            life: ServedState { enabled: true, online: false, mark: true },
            ..site(&["old.example.org"], None)
        },
        block_exploits: false,
        scheme: "auto".to_owned(),
        to: "new.example.org".to_owned(),
        code: 301,
        keep_path: true,
    }
}

fn ssh() -> NpmStream {
    NpmStream {
        port: 2222,
        forward_host: "172.20.8.3".to_owned(),
        forward_port: 22,
        tcp: true,
        udp: true,
        life: ServedState { enabled: true, online: true, mark: true },
    }
}

fn secret(name: &str, mark: &str) -> Value {
    Value::secret(SecretName(name.to_owned()), Mark(mark.to_owned()))
}

fn family() -> NpmAccessList {
    NpmAccessList {
        users: BTreeMap::from([("anna".to_owned(), secret("anna", "a1"))]),
        allow: vec!["192.168.0.0/16".to_owned()],
        deny: Vec::new(),
        satisfy_any: true,
        pass_auth: false,
    }
}

#[track_caller]
fn check_kind<T: Typed + PartialEq + std::fmt::Debug>(typed: &T, schema: &KindSchema) {
    let fields = typed.fields();
    assert_eq!(T::from_fields(&fields).as_ref(), Ok(typed), "the round trip loses something");
    let table: Vec<&str> = schema.fields.iter().map(|field| field.name).collect();
    let mut sorted = table.clone();
    sorted.sort_unstable();
    assert_eq!(fields.names().map(AsRef::as_ref).collect::<Vec<_>>(), sorted, "table and struct differ");
    let unknown = fields.with("surprise", Value::None);
    assert!(T::from_fields(&unknown).unwrap_err().contains("`surprise`"));
}

#[test]
fn tables_and_structs_agree() {
    check_kind(&host(), &ProxyHost::SCHEMA);
    check_kind(&redirection(), &Redirection::SCHEMA);
    check_kind(&ssh(), &NpmStream::SCHEMA);
    check_kind(&family(), &NpmAccessList::SCHEMA);
    let certificate = NpmCertificate {
        domains: vec!["a".to_owned()],
        expires_on: "later".to_owned(),
        provider: "other".to_owned(),
        challenge: Some("dns".to_owned()),
    };
    check_kind(&certificate, &NpmCertificate::SCHEMA);
}

#[test]
fn a_wrong_type_is_named() {
    let wrong = host().fields().with("forward_port", Value::Int(70_000));
    assert_eq!(
        ProxyHost::from_fields(&wrong).unwrap_err(),
        "`forward_port` of a proxy host is not a number from 0 to 65535"
    );
    let mut short = host().fields();
    short.remove("forward_host");
    assert_eq!(ProxyHost::from_fields(&short).unwrap_err(), "a proxy host needs `forward_host`");
}

#[test]
fn every_sample_is_already_in_npms_spelling() {
    for schema in KINDS {
        for field in schema.fields {
            for sample in samples_for(schema.kind, field.name).iter().chain(field.default.iter()) {
                let fields = Fields::default().with(field.name, serde_json::from_str(sample).unwrap());
                let mut normal = fields.clone();
                normalize(schema.kind, &mut normal).unwrap();
                assert_eq!(normal, fields, "{}.{}", schema.kind, field.name);
            }
        }
    }
}

#[test]
fn spelling_is_npms_and_stays() {
    let written = host()
        .fields()
        .with("domains", Value::texts([" B.example.org.", "a.example.org", "b.example.org", "*.Wild.example.org"]))
        .with("forward_host", Value::text(" fd00:0::3 "))
        .with("forward_scheme", Value::text("HTTP"))
        .with("certificate", Value::None);
    let mut once = written;
    normalize(Kind::ProxyHost, &mut once).unwrap();
    assert_eq!(once.strings("domains"), ["*.wild.example.org", "a.example.org", "b.example.org"]);
    assert_eq!(once.text("forward_host"), Some("[fd00::3]"));
    assert_eq!(once.text("forward_scheme"), Some("http"));
    assert_eq!(once.flag("force_https"), Some(false), "no certificate, nothing to force");
    let mut twice = once.clone();
    normalize(Kind::ProxyHost, &mut twice).unwrap();
    assert_eq!(twice, once);
}

#[test]
fn what_npm_would_take_and_not_serve_is_refused() {
    let refused = [
        (Kind::ProxyHost, "domains", Value::texts(["*"])),
        (Kind::ProxyHost, "domains", Value::texts(["git ea.example.org"])),
        (Kind::ProxyHost, "domains", Value::texts(["bücher.example.org"])),
        (Kind::ProxyHost, "domains", Value::texts(["a..example.org"])),
        (Kind::ProxyHost, "domains", Value::texts(["x".repeat(64)])),
        (Kind::ProxyHost, "domains", Value::List(Vec::new())),
        (Kind::ProxyHost, "domains", Value::texts((0..101).map(|n| format!("{n}.example.org")))),
        (Kind::ProxyHost, "forward_host", Value::text("http://x")),
        (Kind::ProxyHost, "forward_host", Value::text("has space")),
        (Kind::ProxyHost, "forward_host", Value::text("a;b")),
        (Kind::ProxyHost, "forward_host", Value::text("a\"b")),
        (Kind::ProxyHost, "forward_host", Value::text("[fd00::zz]")),
        (Kind::ProxyHost, "forward_host", Value::text("")),
        (Kind::ProxyHost, "forward_port", Value::Int(0)),
        (Kind::ProxyHost, "forward_port", Value::Int(65_536)),
        (Kind::ProxyHost, "forward_scheme", Value::text("ftp")),
        (Kind::ProxyHost, "certificate", Value::text(" ")),
        (
            Kind::ProxyHost,
            "locations",
            Value::List(vec![HostLocation { host: "nas.example.org".to_owned(), ..location() }.value()]),
        ),
        (Kind::Redirection, "to", Value::text("https://new.example.org")),
        (Kind::Redirection, "to", Value::text("new.example.org; return 200")),
        (Kind::Redirection, "to", Value::text("new.example.org/$uri")),
        (Kind::Redirection, "code", Value::Int(200)),
        (Kind::Stream, "forward_host", Value::text("nas.example.org")),
        (Kind::Stream, "port", Value::Int(0)),
        (Kind::AccessList, "allow", Value::texts(["example.org"])),
        (Kind::AccessList, "deny", Value::texts(["10.0.0.0/33"])),
        (Kind::AccessList, "users", Value::Map(BTreeMap::from([("a:b".to_owned(), secret("a", "1"))]))),
    ];
    for (kind, field, value) in refused {
        let mut fields = Fields::default().with(field, value.clone());
        let objection = normalize(kind, &mut fields).expect_err(&format!("{kind}.{field} {value}"));
        assert_eq!(objection.field, field);
        assert!(!objection.message.ends_with('.'), "{objection}");
    }
}

#[test]
fn a_value_known_later_is_left_alone() {
    let of = Address::new(ProviderId::docker("default"), Kind::Container, "git");
    let output = Value::output(of, "address");
    let mut fields = Fields::default().with("forward_host", output.clone());
    normalize(Kind::ProxyHost, &mut fields).unwrap();
    assert_eq!(fields.get("forward_host"), Some(&output));
}

#[test]
fn recorded_hosts_are_read() {
    let hosts = recorded_hosts();
    let full = convert::host_fields(Section::ProxyHosts, &hosts[0], "amarre");
    assert_eq!(full.strings("domains"), ["full.example.com", "zz.example.com"]);
    assert_eq!(full.get("certificate"), Some(&Value::None));
    assert_eq!(full.flag("force_https"), Some(false), "NPM keeps the flag of a host without certificate");
    assert_eq!(full.flag("online"), Some(true));
    assert_eq!(full.flag("mark"), Some(false));
    let redirections: Vec<HostRow> = rows(include_str!("../../../../../tests/cases/npm/rh-list.json"));
    let old = convert::host_fields(Section::Redirections, &redirections[0], "amarre");
    assert_eq!(old.text("to"), Some("new.example.com"));
    assert_eq!(old.get("code"), Some(&Value::Int(301)));
    let gone: Vec<HostRow> = rows(include_str!("../../../../../tests/cases/npm/ph-get-after-cert-delete.json"));
    let gone = convert::host_fields(Section::ProxyHosts, &gone[0], "amarre");
    assert_eq!(gone.text("certificate"), Some("#1 (gone)"));
    let open: Vec<HostRow> = rows(include_str!("../../../../../tests/cases/npm/ph-put-nonexistent-accesslist.json"));
    let open = convert::host_fields(Section::ProxyHosts, &open[0], "amarre");
    assert_eq!(open.text("access_list"), Some("#999 (gone)"));
}

#[test]
fn nginx_is_believed_only_of_the_host_that_it_names() {
    let bad: Vec<HostRow> = rows(include_str!("../../../../../tests/cases/npm/ph-get-bad-advanced.json"));
    let words = convert::nginx_words(Section::ProxyHosts, &bad[0]);
    assert_eq!(words.as_deref(), Some("unknown directive \"this_is_not_nginx\" in /data/nginx/proxy_host/3.conf:37"));
    assert_eq!(convert::nginx_words(Section::Redirections, &bad[0]), None, "another folder, another host");
    let concurrent: Vec<HostRow> = rows(include_str!("../../../../../tests/cases/npm/race-bad-config-list.json"));
    let guilty = concurrent.iter().filter(|row| convert::nginx_words(Section::ProxyHosts, row).is_some());
    assert_eq!(guilty.map(|row| row.id).collect::<Vec<_>>(), [45], "the nine others only stood beside it");
}

#[test]
fn a_row_that_is_as_wanted_needs_no_write() {
    let certificate = CertificateName { nice_name: "wild".to_owned() };
    let row =
        HostRow { certificate_id: 7, certificate: Some(certificate), access_list_id: 0, ..recorded_hosts()[0].clone() };
    let fields = convert::host_fields(Section::ProxyHosts, &row, "amarre");
    let ids = Ids { certificate: 7, access_list: 0 };
    let wire = convert::host_wire(Section::ProxyHosts, &fields, ids).unwrap();
    assert!(convert::changed_host(Section::ProxyHosts, &row, &wire).is_empty());
    let wire = convert::host_wire(Section::ProxyHosts, &fields.with("forward_port", Value::Int(1)), ids).unwrap();
    assert_eq!(Json::Object(convert::changed_host(Section::ProxyHosts, &row, &wire)), json!({"forward_port": 1}));
}

#[test]
fn taking_the_certificate_off_takes_its_flags_off() {
    let row = HostRow { certificate_id: 7, ssl_forced: true, ..recorded_hosts()[0].clone() };
    let fields = convert::host_fields(Section::ProxyHosts, &row, "amarre").with("force_https", Value::Bool(false));
    let wire = convert::host_wire(Section::ProxyHosts, &fields, Ids::default()).unwrap();
    let off = json!({
        "certificate_id": 0, "ssl_forced": false, "http2_support": false, "hsts_enabled": false, "hsts_subdomains": false,
    });
    assert_eq!(Json::Object(convert::changed_host(Section::ProxyHosts, &row, &wire)), off);
    let redirection = redirection().fields();
    let moved = convert::host_wire(Section::Redirections, &redirection, Ids::default()).unwrap();
    let moved = convert::changed_host(Section::Redirections, &row, &moved);
    assert!(off.as_object().unwrap().iter().all(|(key, value)| moved.get(key) == Some(value)), "unmanaged flags too");
    let new = convert::new_host(wire);
    assert!(!new.contains_key("certificate_id"), "an explicit 0 counts as a certificate in a POST");
}

#[test]
fn locations_are_read_whoever_wrote_them() {
    let written = |fields: Json| {
        let fields = fields.as_object().unwrap().clone();
        let row = HostRow { locations: Some(vec![fields]), ..recorded_hosts()[0].clone() };
        convert::host_fields(Section::ProxyHosts, &row, "amarre").get("locations").unwrap().items()[0].clone()
    };
    let text =
        |value: &Value, name: &str| value.entries().unwrap().get(name).and_then(Value::as_text).map(str::to_owned);
    // As NPM's pages write them: the port as text, what is below in the host, lines of Windows.
    let page = json!({"path": "/x", "forward_scheme": "http", "forward_host": "10.0.0.9/below", "forward_port": "81",
        "advanced_config": "return 204;\r\n", "location_type": "custom"});
    let location = written(page);
    assert_eq!(text(&location, "host").as_deref(), Some("10.0.0.9"));
    assert_eq!(text(&location, "to_path").as_deref(), Some("/below"));
    assert_eq!(text(&location, "advanced").as_deref(), Some("return 204;"));
    assert_eq!(location.entries().unwrap().get("port"), Some(&Value::Int(81)));
    assert!(written(json!({})).entries().is_some(), "an odd row is no reason to see nothing at all");
}

#[test]
fn the_mark_keeps_foreign_meta_and_drops_nginxs_verdict() {
    let row = recorded_hosts()[0].clone();
    let marker = Marker { instance: "amarre", service: "git", spec: "abc", name: "git.example.org" };
    let meta = convert::meta(Some(&row), marker);
    assert_eq!(meta["managed_by"], "amarre");
    assert_eq!(meta["amarre"]["spec_hash"], "abc");
    assert_eq!(meta["amarre_name"], "git.example.org");
    assert!(meta.get("nginx_online").is_none() && meta.get("nginx_err").is_none());
    let keys = ["amarre_instance", "amarre_service", "amarre_spec", "amarre_name"];
    let plain = |key: &str| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    assert!(keys.iter().all(|key| meta.get(*key).is_some() && plain(key)), "NPM's pages rename other keys");
}

#[test]
fn the_narrowest_network_rule_stands_first() {
    let list = NpmAccessList {
        allow: vec!["192.168.0.0/16".to_owned(), "192.168.7.9".to_owned()],
        deny: vec!["192.168.7.0/24".to_owned(), "all".to_owned()],
        ..family()
    };
    let body = convert::list_body("amarre/family", &list, &BTreeMap::new());
    let order: Vec<String> = body["clients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| format!("{} {}", rule["directive"], rule["address"]))
        .collect();
    let expected = [
        "\"allow\" \"192.168.7.9\"",
        "\"deny\" \"192.168.7.0/24\"",
        "\"allow\" \"192.168.0.0/16\"",
        "\"deny\" \"all\"",
    ];
    assert_eq!(order, expected);
    assert_eq!(body["items"], json!([{"username": "anna", "password": ""}]));
}

fn marked(id: u64, domain: &str, meta: Json) -> HostRow {
    HostRow {
        id,
        domain_names: vec![domain.to_owned()],
        meta: meta.as_object().unwrap().clone(),
        ..recorded_hosts()[1].clone()
    }
}

fn npm() -> ProviderId {
    ProviderId::npm("main")
}

fn applied(id: u64, domain: &str) -> Applied {
    let fields = Fields::default().with("domains", Value::texts([domain]));
    Applied { service: "wiki".to_owned(), vendor_id: id.to_string(), fields }
}

#[test]
fn owners_follow_the_mark_then_the_ledger() {
    let ours = json!({"amarre_instance": "amarre", "amarre_service": "git", "amarre_name": "git.example.org", "nginx_online": true});
    let inventory = Inventory {
        hosts: BTreeMap::from([(
            Section::ProxyHosts,
            vec![
                marked(1, "git.example.org", ours),
                marked(2, "blog.example.org", json!({"amarre_instance": "other", "amarre_service": "blog"})),
                marked(3, "wiki.example.org", json!({})),
                marked(4, "nas.example.org", json!({})),
            ],
        )]),
        ..Inventory::default()
    };
    let address = |name: &str| Address::new(npm(), Kind::ProxyHost, name);
    let ask = ObserveQuery {
        applied: BTreeMap::from([
            (address("wiki.example.org"), applied(3, "wiki.example.org")),
            // The id was given to something else since: same number, no domain in common.
            (address("photos.example.org"), applied(4, "photos.example.org")),
        ]),
        ..ObserveQuery::default()
    };
    let seen = report(&inventory, Viewer { provider: &npm(), instance: "amarre", version: NEWEST, ask: &ask });
    let owner = |name: &str| (seen[&address(name)].owner.clone(), seen[&address(name)].service.clone());
    assert_eq!(owner("git.example.org"), (Owner::Ours, Some("git".to_owned())));
    assert_eq!(owner("blog.example.org"), (Owner::Other("other".to_owned()), Some("blog".to_owned())));
    assert_eq!(owner("wiki.example.org"), (Owner::MarkLost, Some("wiki".to_owned())));
    assert_eq!(owner("nas.example.org"), (Owner::Foreign, None));
    assert_eq!(seen[&address("git.example.org")].ready, Readiness::Ready);
    assert_eq!(seen[&address("git.example.org")].fields.flag("mark"), Some(true));
    assert_eq!(seen[&address("wiki.example.org")].fields.flag("mark"), Some(false));
}

#[test]
fn a_host_is_called_by_its_mark_then_by_what_is_wanted() {
    let ours = json!({"amarre_instance": "amarre", "amarre_service": "git", "amarre_name": "z.example.org"});
    let both = |id, meta| HostRow {
        domain_names: vec![format!("a{id}.example.org"), format!("b{id}.example.org")],
        ..marked(id, "", meta)
    };
    let inventory = Inventory {
        hosts: BTreeMap::from([(
            Section::ProxyHosts,
            vec![both(1, json!({})), both(2, json!({})), both(3, ours.clone()), both(4, ours)],
        )]),
        ..Inventory::default()
    };
    let wanted = Address::new(npm(), Kind::ProxyHost, "b2.example.org");
    let ask = ObserveQuery { wanted: BTreeMap::from([(wanted, Fields::default())]), ..ObserveQuery::default() };
    let seen = report(&inventory, Viewer { provider: &npm(), instance: "amarre", version: NEWEST, ask: &ask });
    let names: BTreeMap<&str, &str> =
        seen.iter().map(|(address, seen)| (seen.vendor_id.as_str(), address.name.as_str())).collect();
    assert_eq!(names["1"], "a1.example.org");
    assert_eq!(names["2"], "b2.example.org");
    assert_eq!(names["3"], "z.example.org");
    assert_eq!(names["4"], "a4.example.org", "two rows never share an address");
}

#[test]
fn lists_and_certificates_are_ours_by_name_and_account() {
    let list: ListRow = rows(include_str!("../../../../../tests/cases/npm/al-get-expand.json")).remove(0);
    let certificate: CertificateRow = rows(include_str!("../../../../../tests/cases/npm/cert-list.json")).remove(0);
    let named = |id, name: &str, owner| ListRow { id, name: name.to_owned(), owner_user_id: owner, ..list.clone() };
    let inventory = Inventory {
        me: 7,
        access_lists: vec![named(1, "amarre/family", 7), named(2, "amarre/office", 1), named(3, "amarrette/x", 7)],
        certificates: vec![
            certificate.clone(),
            CertificateRow { id: 9, domain_names: Vec::new(), ..certificate.clone() },
        ],
        ..Inventory::default()
    };
    let users = Value::Map(BTreeMap::from([("u".to_owned(), secret("family/u", "m1"))]));
    let family = Address::new(npm(), Kind::AccessList, "amarre/family");
    let known = Applied { fields: Fields::default().with("users", users.clone()), ..applied(1, "") };
    let ask = ObserveQuery { applied: BTreeMap::from([(family.clone(), known)]), ..ObserveQuery::default() };
    let seen = report(&inventory, Viewer { provider: &npm(), instance: "amarre", version: NEWEST, ask: &ask });
    let list = |name: &str| &seen[&Address::new(npm(), Kind::AccessList, name)];
    assert_eq!(list("amarre/family").owner, Owner::Ours);
    assert_eq!(list("amarre/family").fields.get("users"), Some(&users), "as the ledger knows them");
    assert_eq!(list("amarre/office").owner, Owner::Foreign, "somebody else made it");
    assert_eq!(list("amarrette/x").owner, Owner::Foreign);
    let unknown = Value::Map(BTreeMap::from([("u".to_owned(), secret("", ""))]));
    assert_eq!(list("amarre/office").fields.get("users"), Some(&unknown));
    let certificate_at = |name: &str| &seen[&Address::new(npm(), Kind::Certificate, name)];
    assert!(certificate_at("amarre *.cert.example.com").ready.is_ready());
    assert!(!certificate_at("amarre *.cert.example.com#9").ready.is_ready(), "its files were never uploaded");
}

#[test]
fn a_certificates_key_is_not_even_read() {
    let recording = include_str!("../../../../../tests/cases/npm/cert-list.json");
    assert!(recording.contains("certificate_key"), "NPM answers with it");
    let read: Vec<CertificateRow> = rows(recording);
    assert!(!format!("{read:?}").to_lowercase().contains("key"), "{read:?}");
}

#[test]
fn reasons_are_short() {
    let chain = "error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)";
    assert_eq!(reason(chain), "connection refused");
}
