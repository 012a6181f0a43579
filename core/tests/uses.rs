//! What manifests use: each key of the schema says it in `tests/cases/uses.txt`, and each kind in its row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use amarre_core::manifest::{SourceFile, load, uses_of_text};
use amarre_core::model::manifest_kind::ManifestKind;
use amarre_core::model::site::{NginxPolicy, Policy, Site};
use amarre_core::model::uses::{self, PolicyWord, TokenScope, Use, UseClaim, UseKind};
use amarre_core::model::{Assets, Service};
use amarre_testkit::generate::{Ground, all_keys, generate, keys_of};
use serde_json::Value as Json;

use crate::generated::{assets, site, the_schema};

/// So many show every key whose use the generator can draw.
const SOURCES: u64 = 600;
/// The word of keys by which a manifest reaches nothing outside of its own service.
const NOTHING: &str = "nothing";

/// What the generator has no world for: [`one_of_each_kind_uses_what_its_row_lists`] reads such manifests.
const NOT_DRAWN: [(&str, &str); 5] = [
    ("Stream.to", "container of"),
    ("container.network_mode", "network"),
    ("location.to", "container of"),
    ("place.ipv4_address", "address"),
    ("route.to", "container of"),
];

/// By key: the words of what it uses; empty: nothing.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/uses.txt");
    let mut table: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let text = std::fs::read_to_string(path).unwrap();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, keys) = line.split_once(": ").unwrap_or_else(|| panic!("no `word: keys` in {line}"));
        for key in keys.split_whitespace() {
            let words = table.entry(key.to_owned()).or_default();
            assert!(word != NOTHING || words.is_empty(), "{key} uses nothing, and {words:?}");
            words.extend(Some(word.to_owned()).filter(|word| word != NOTHING));
        }
    }
    table
}

/// The keys of a container are written once in the table, whatever they stand in.
fn in_table(key: &str, table: &BTreeMap<String, BTreeSet<String>>) -> String {
    let of_container = key.split_once('.').filter(|(part, _)| ["App", "job"].contains(part));
    let of_container = of_container.map(|(_, key)| format!("container.{key}"));
    let of_service = key.strip_prefix("App.").map(|key| format!("Service.{key}"));
    let places = [Some(key.to_owned()), of_container, of_service];
    places.into_iter().flatten().find(|place| table.contains_key(place)).unwrap_or_else(|| key.to_owned())
}

#[test]
fn every_key_says_what_it_uses() {
    let table = table();
    let words: BTreeSet<&str> = UseKind::ALL.iter().map(|kind| kind.row().word).collect();
    let keys = all_keys(the_schema());
    let missing: Vec<&String> = keys.iter().filter(|key| !table.contains_key(&in_table(key, &table))).collect();
    assert!(missing.is_empty(), "tests/cases/uses.txt does not say what these use: {missing:?}");
    let gone: Vec<&String> = table.keys().filter(|key| !keys.contains(*key)).collect();
    assert!(gone.is_empty(), "tests/cases/uses.txt names keys that the schema does not have: {gone:?}");
    let unknown: BTreeSet<&String> = table.values().flatten().filter(|word| !words.contains(word.as_str())).collect();
    assert!(unknown.is_empty(), "no use is called {unknown:?}");
}

fn file(document: &Json) -> SourceFile {
    SourceFile { path: "services/one.yaml".to_owned(), text: document.to_string() }
}

#[test]
fn a_key_that_uses_something_is_seen_to_use_it() {
    let (schema, mut site, table) = (the_schema(), site(), table());
    site.policy.nginx = NginxPolicy::Any;
    let mut seen: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for seed in 0..SOURCES {
        let generated = generate(schema, &Ground::default(), seed);
        let assets = assets(&generated);
        for document in &generated.documents {
            let uses = uses_of_text(&file(document), &assets, &site).into_iter().flat_map(|(_, uses)| uses);
            let words: BTreeSet<&str> = uses.map(|used| used.kind().row().word).collect();
            for key in keys_of(schema, document) {
                seen.entry(in_table(&key, &table)).or_default().extend(&words);
            }
        }
    }
    let drawn = table.iter().filter_map(|(key, words)| Some((key, words, seen.get(key)?)));
    let unseen = |key: &str, words: &BTreeSet<String>, seen: &BTreeSet<&str>| {
        words.iter().any(|word| !NOT_DRAWN.contains(&(key, word)) && !seen.contains(word.as_str()))
    };
    let wrong: Vec<_> = drawn.filter(|(key, words, seen)| unseen(key, words, seen)).collect();
    assert!(wrong.is_empty(), "no manifest with these keys uses that: {wrong:#?}");
}

fn read(text: &str, site: &Site) -> Service {
    let file = SourceFile { path: "services/one.yaml".to_owned(), text: text.to_owned() };
    let loaded = load(&[file], &Assets::new(), site);
    assert!(loaded.broken.is_empty(), "{text}: {:?}", loaded.diagnostics);
    loaded.services.into_iter().next_back().unwrap()
}

/// One manifest of each kind that reaches beyond its host, with what the last one of a text uses.
#[test]
fn one_of_each_kind_uses_what_its_row_lists() {
    let mut site = amarre_testkit::sites::permissive();
    site.policy.networks.push("container:*".to_owned());
    let place = "cloud: paris, project: ci, region: GRA11, type: b3-8, image: Debian 13";
    for (text, words) in [
        ("{kind: Instance, name: app, cloud: paris, id: x1, domain: app}".to_owned(), "name server"),
        (format!("{{kind: Instance, name: app, {place}, ssh_keys: [ops]}}"), "SSH_key new_server project"),
        (
            "{kind: Pool, name: lab, machines: [{name: m, address: 192.168.1.21, password: {secret: lab/m}}]}"
                .to_owned(),
            "machine secret",
        ),
        (format!("{{kind: Pool, name: lab, instance: {{count: 2, {place}}}}}"), "new_server project"),
        (
            "{kind: App, name: app, git: {url: 'https://git.example.org/acme/shop', token: {secret: app/t}}}"
                .to_owned(),
            "container container_name host image_built_for log_driver name repository secret",
        ),
        (
            "{kind: Instance, name: build, cloud: paris, id: x1}\n---\n\
             {kind: Route, name: jenkins, routes: [{domain: jenkins, to: 'build:8080'}]}"
                .to_owned(),
            "container_of host name",
        ),
        (
            "{name: job, image: 'web:1', network_mode: 'container:vpn'}".to_owned(),
            "container container_name host image log_driver network",
        ),
        (
            "{name: job, image: 'web:1', networks: {net: {ipv4_address: 172.20.40.9}}}".to_owned(),
            "address container container_name host image log_driver network",
        ),
        ("{kind: Stream, name: ssh, port: 2222, to: 'web/web:22'}".to_owned(), "container_of host port"),
        ("{kind: Network, name: net, subnet: 172.20.40.0/24}".to_owned(), "host subnet"),
        ("{kind: Record, name: r, type: TXT, value: x}".to_owned(), "name"),
        ("{kind: AccessList, name: list, users: {anna: {secret: list/anna}}}".to_owned(), "host secret"),
    ] {
        let uses = uses::of(&read(&text, &site), &site);
        let found: BTreeSet<String> = uses.iter().map(|used| used.kind().row().word.replace(' ', "_")).collect();
        assert_eq!(found, words.split(' ').map(str::to_owned).collect(), "{text}: {uses:?}");
    }
}

#[test]
fn a_kind_that_lists_no_uses_uses_what_nobody_may_have() {
    const NOVEL: ManifestKind = ManifestKind::new("Novel");
    const HALF: ManifestKind = ManifestKind::new("Half").using(&[UseKind::Host]);
    let site = amarre_testkit::sites::permissive();
    let mut service = read("{kind: Stream, name: shop, port: 2222, to: 'shop/shop:22'}", &site);
    let unlisted = |service: &Service| -> Vec<String> {
        let uses = uses::of(service, &site).into_iter();
        uses.filter(|used| matches!(used, Use::Unlisted { .. } if !used.is_of("shop", &site)))
            .map(|used| used.item())
            .collect()
    };
    assert_eq!(unlisted(&service), [""; 0]);
    service.kind = NOVEL;
    let all = [
        "what `kind: Novel` uses",
        "a host of `kind: Novel`",
        "a container of of `kind: Novel`",
        "a port of `kind: Novel`",
    ];
    assert_eq!(unlisted(&service), all);
    service.kind = HALF;
    assert_eq!(unlisted(&service), ["a container of of `kind: Half`", "a port of `kind: Half`"]);
}

#[test]
fn every_use_names_its_word_or_why_it_needs_none() {
    let words: BTreeSet<&str> = Policy::words().chain(["images"]).collect();
    for kind in UseKind::ALL {
        let row = kind.row();
        match row.policy {
            PolicyWord::Word(word) => assert!(words.contains(word), "{kind:?}: `policy.{word}` is no key"),
            PolicyWord::Needless(why) => assert!(why.contains(' '), "{kind:?}"),
        }
        match (row.claim, row.tokens) {
            (UseClaim::Shared(why), _) | (_, TokenScope::Everybody(why)) => assert!(why.contains(' '), "{kind:?}"),
            (UseClaim::One, TokenScope::ByName | TokenScope::NoService) => (),
        }
    }
}
