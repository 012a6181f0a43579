//! The JSON Schema against the reader: what one takes, the other takes. Judged by `jsonschema` of Python.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use amarre::config::Config;
use amarre_core::manifest::{Loaded, SourceFile, load, schema};
use amarre_core::model::Assets;
use amarre_core::model::site::Site;
use serde_json::{Value as Json, json};

use crate::canary;
use crate::cli::amarre;
use crate::compose_keys;
use amarre_testkit::generate::{Ground, generate};

/// Reads `{"schema": …, "documents": […]}`, prints for each document its first error or nothing.
const JUDGE: &str = "
import json, sys
from jsonschema import Draft202012Validator
given = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(given['schema'])
judge = Draft202012Validator(given['schema'])
first = lambda document: next((f'{list(e.absolute_path)}: {e.message}' for e in judge.iter_errors(document)), None)
json.dump([first(document) for document in given['documents']], sys.stdout)
";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// For each document what is wrong with it, if anything is.
pub fn judged(schema: &Json, documents: &[Json]) -> Vec<Option<String>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({"schema": schema, "documents": documents}).to_string()).unwrap();
    let python = root().join("target/python/bin/python");
    let output = Command::new(python).args(["-c", JUDGE]).arg(file.path()).output();
    let output = output.expect("the python environment is there: scripts/test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Read once: some tests ask for thousands of manifests.
static SITE: LazyLock<Site> = LazyLock::new(|| {
    let text = json!({
        "domains": ["example.org"],
        "hosts": {
            "default": {"address": "203.0.113.10", "npm": "main"},
            "other": {"npm": "main", "private_address": "192.168.1.2", "publish_ports": "20000-20009"},
            "bare": {},
        },
        "npm": {"main": {"url": "http://127.0.0.1:81", "identity": "a@example.org", "secret": "x"}},
        "ovh": {"application_key": "a", "application_secret": "b", "consumer_key": "c"},
        "vars": {"TZ": "Europe/Paris"},
    });
    Config::parse(&text.to_string(), Path::new("/nonexistent/amarre.yaml")).unwrap().site
});

/// Unknown keys that no schema can see: a quoted `<<`, and a number, which is a text in JSON.
const SEEN_BY_THE_READER_ONLY: [&str; 2] = ["merge-keys", "keys-that-are-no-text"];

/// What the reader says of one file, and its documents as plain data.
fn read(text: &str) -> (Loaded, Vec<Json>) {
    let documents: Vec<Json> = serde_yaml::from_multiple(text).unwrap_or_default();
    (loaded(text), documents.into_iter().filter(|document| !document.is_null()).collect())
}

fn loaded(text: &str) -> Loaded {
    let file = SourceFile { path: "services/x.yaml".to_owned(), text: text.to_owned() };
    load(&[file], &Assets::new(), &SITE)
}

/// Every file of the cases and examples.
fn files() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for folder in ["tests/cases/manifest", "examples/services", "deploy/services"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, part) in text.split("#--- file:").enumerate() {
                let part = if at == 0 { part } else { part.split_once('\n').map_or("", |(_, rest)| rest) };
                found.insert(format!("{} {at}", path.display()), part.to_owned());
            }
        }
    }
    found
}

#[test]
fn reader_and_schema_accept_the_same_and_no_unknown_key() {
    let (mut good, mut unknown) = (Vec::new(), Vec::new());
    for (name, text) in files() {
        let (loaded, documents) = read(&text);
        let is_error = |code: &str| loaded.diagnostics.iter().any(|known| known.code.as_str() == code);
        let errors = loaded.diagnostics.iter().any(|known| format!("{:?}", known.severity) == "Error");
        if !errors {
            good.extend(documents.into_iter().map(|document| (name.clone(), document)));
        } else if SEEN_BY_THE_READER_ONLY.iter().any(|case| name.contains(case)) {
            continue;
        } else if is_error("A0103") && documents.len() == 1 {
            unknown.extend(documents.into_iter().map(|document| (name.clone(), document)));
        }
    }
    assert!(good.len() > 30 && !unknown.is_empty(), "{} good, {} with unknown keys", good.len(), unknown.len());
    let documents: Vec<Json> = good.iter().chain(&unknown).map(|(_, document)| document.clone()).collect();
    let verdicts = judged(&schema(), &documents);
    let wrong: Vec<String> = good
        .iter()
        .zip(&verdicts)
        .filter_map(|((name, _), verdict)| Some(format!("{name}: {}", verdict.as_ref()?)))
        .collect();
    assert!(wrong.is_empty(), "the reader takes these:\n{}", wrong.join("\n"));
    for ((name, document), verdict) in unknown.iter().zip(&verdicts[good.len()..]) {
        assert!(verdict.is_some(), "{name} has an unknown key, and the schema takes it: {document}");
    }
}

/// A map of a manifest: its part of the schema, and a document in which it has one more key.
type Map = (&'static str, fn(&str) -> Json);

/// A manifest of one container, with a map that has the key.
macro_rules! inside {
    ($key:literal, $shape:expr) => {
        |key| {
            let map = json!({ key: "x" });
            let shape: fn(Json) -> Json = $shape;
            json!({"name": "x", "image": "a:1", $key: shape(map)})
        }
    };
}

/// Every map that a manifest may have. What the map needs is written by itself: a key stands once.
const MAPS: [Map; 52] = [
    ("Service", |key| with(json!({"name": "x", "image": "a:1"}), key)),
    ("Service", |key| with(json!({"name": "x", "containers": {"a": {"image": "a:1"}}}), key)),
    ("Service", |key| with(json!({"name": "x", "image": "a:1", "port": 80}), key)),
    ("Service", |key| with(json!({"name": "x", "compose": "./compose.yaml"}), key)),
    ("Route", |key| with(json!({"kind": "Route", "name": "x"}), key)),
    ("DeadHost", |key| with(json!({"kind": "DeadHost", "name": "x"}), key)),
    ("App", |key| with(json!({"kind": "App", "name": "x", "git": {"url": "https://git.example.org/x"}}), key)),
    ("Instance", |key| with(json!({"kind": "Instance", "name": "x", "cloud": "paris", "id": "a"}), key)),
    ("Redirect", |key| with(json!({"kind": "Redirect", "name": "x"}), key)),
    ("Stream", |key| with(json!({"kind": "Stream", "name": "x"}), key)),
    ("AccessList", |key| with(json!({"kind": "AccessList", "name": "x"}), key)),
    ("Record", |key| with(json!({"kind": "Record", "name": "x", "type": "A"}), key)),
    ("Pool", |key| with(json!({"kind": "Pool", "name": "x"}), key)),
    ("Network", |key| with(json!({"kind": "Network", "name": "x"}), key)),
    ("container", |key| json!({"name": "x", "containers": {"a": {key: "x"}}})),
    ("build", |key| json!({"name": "x", "build": {key: "x"}})),
    ("route", |key| json!({"kind": "Route", "name": "x", "routes": [{key: "x"}]})),
    ("route", |key| json!({"name": "x", "image": "a:1", "routes": [{key: "x"}]})),
    ("location", |key| json!({"kind": "Route", "name": "x", "routes": [{"locations": [{key: "x"}]}]})),
    ("hsts", |key| json!({"kind": "Route", "name": "x", "routes": [{"hsts": {key: "x"}}]})),
    ("tls", |key| json!({"kind": "Route", "name": "x", "routes": [{"tls": {key: "x"}}]})),
    ("letsencrypt", |key| json!({"kind": "Redirect", "name": "x", "tls": {"letsencrypt": {key: "x"}}})),
    ("hsts", |key| json!({"kind": "Redirect", "name": "x", "hsts": {key: "x"}})),
    ("record", inside!("dns", |map| json!([map]))),
    ("own_network", inside!("network", |map| map)),
    ("reconcile", inside!("reconcile", |map| map)),
    ("kept", |key| json!({"kind": "Route", "name": "x", "reconcile": {key: "x"}})),
    ("update", inside!("update", |map| map)),
    ("secret", inside!("environment", |map| json!({"A": map}))),
    ("job", |key| json!({"name": "x", "image": "a:1", "jobs": {"y": {key: "x"}}})),
    ("port", inside!("ports", |map| json!([map]))),
    ("mount", |key| mount("bind", &with(json!({}), key))),
    ("mount", |key| mount("volume", &with(json!({}), key))),
    ("mount", |key| mount("tmpfs", &with(json!({}), key))),
    ("mount_bind", |key| mount("bind", &json!({"bind": {key: "x"}}))),
    ("mount_volume", |key| mount("volume", &json!({"volume": {key: "x"}}))),
    ("mount_tmpfs", |key| mount("tmpfs", &json!({"tmpfs": {key: "x"}}))),
    ("healthcheck", inside!("healthcheck", |map| map)),
    ("logging", inside!("logging", |map| map)),
    ("dependency", inside!("depends_on", |map| json!({"x": map}))),
    ("blkio_config", inside!("blkio_config", |map| map)),
    ("disk_rate", inside!("blkio_config", |map| json!({"device_read_bps": [map]}))),
    ("disk_weight", inside!("blkio_config", |map| json!({"weight_device": [map]}))),
    ("ulimit", inside!("ulimits", |map| json!({"nofile": map}))),
    ("place", inside!("networks", |map| json!({"default": map}))),
    ("device", inside!("devices", |map| json!([map]))),
    ("gpu", inside!("gpus", |map| json!([map]))),
    ("deploy", inside!("deploy", |map| map)),
    ("resources", inside!("deploy", |map| json!({"resources": map}))),
    ("limits", inside!("deploy", |map| json!({"resources": {"limits": map}}))),
    ("reservations", inside!("deploy", |map| json!({"resources": {"reservations": map}}))),
    ("restart_policy", inside!("deploy", |map| json!({"restart_policy": map}))),
];

fn with(mut document: Json, key: &str) -> Json {
    let entries = document.as_object_mut().unwrap();
    entries.entry(key).or_insert_with(|| json!("x"));
    document
}

fn mount(kind: &str, more: &Json) -> Json {
    let mut mount = json!({"type": kind, "target": "/x"});
    mount.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"name": "x", "image": "a:1", "volumes": [mount]})
}

/// The keys of a part of the schema.
fn keys_of(schema: &Json, part: &str) -> BTreeSet<String> {
    let properties = schema["$defs"][part]["properties"].as_object();
    let properties = properties.unwrap_or_else(|| panic!("the schema has no part `{part}`"));
    properties.keys().filter(|key| *key != "<<").cloned().collect()
}

/// Every key of the schema is one that the reader asks for: in one place at least where the map stands.
#[test]
fn every_key_of_the_schema_is_known_to_the_reader() {
    let schema = schema();
    let mut checked = 0;
    let parts: BTreeSet<&str> = MAPS.iter().map(|(part, _)| *part).collect();
    let all: BTreeSet<&str> = schema["$defs"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(parts, all, "the maps that are tried, and those of the schema");
    for part in parts {
        for key in keys_of(&schema, part) {
            checked += 1;
            let unknown = format!("unknown key `{key}`");
            let places = MAPS.iter().filter(|(other, _)| *other == part);
            let mut documents = places.map(|(_, document)| document(&key));
            let is_known = documents.any(|document| {
                let loaded = loaded(&document.to_string());
                loaded.diagnostics.iter().all(|known| known.message.to_string() != unknown)
            });
            assert!(is_known, "{part}: the reader does not know `{key}`");
        }
    }
    assert!(checked > 200, "only {checked} keys");
}

/// Every word that stands in quotes in the reader: each of its keys is one of them.
fn words_of_the_reader() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for (_, text) in canary::sources(&root().join("core/src/manifest")) {
        let is_key = |word: &&str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        words.extend(text.split('"').filter(is_key).map(str::to_owned));
    }
    words
}

/// Every key that the reader takes, wherever that is, stands in the schema.
#[test]
fn every_key_that_the_reader_takes_is_in_the_schema() {
    let schema = schema();
    let words = words_of_the_reader();
    assert!(words.len() > 200, "only {} words", words.len());
    let (mut missing, mut taken) = (BTreeSet::new(), 0);
    for (part, document) in MAPS.iter() {
        let keys = keys_of(&schema, part);
        for word in &words {
            let loaded = loaded(&document(word).to_string());
            let is_refused = loaded.diagnostics.iter().any(|known| {
                let says = |text: &str| known.message.to_string().contains(text);
                says(&format!("unknown key `{word}`"))
                    || says("this is a Compose file, not a manifest")
                    || (says(&format!("{word}`")) && REFUSALS.iter().any(|refusal| says(refusal)))
            });
            taken += usize::from(!is_refused);
            if !is_refused && !keys.contains(word) {
                missing.insert(format!("{part}: {word}"));
            }
        }
    }
    assert!(taken > 200, "only {taken} keys are taken");
    assert!(missing.is_empty(), "the reader takes these: {missing:#?}");
}

/// What is said of a key that is refused by its name.
const REFUSALS: [&str; 9] = [
    "has no effect",
    "is not supported",
    "is not yet supported",
    "does not belong in a container",
    "does not belong in an App",
    "does not belong in a job",
    "does not belong in this kind",
    "stands beside",
    "stands in a mount",
];

/// The samples of the keys of Compose that are applied in a manifest.
#[test]
fn the_schema_accepts_every_compose_key() {
    let samples = compose_keys::applied_in_manifests();
    let documents: Vec<Json> = samples.iter().map(|(_, text)| serde_yaml::from_str(text).unwrap()).collect();
    assert!(documents.len() > 120, "only {} samples", documents.len());
    let verdicts = judged(&schema(), &documents);
    let wrong: Vec<String> =
        samples.iter().zip(verdicts).filter_map(|((key, _), verdict)| Some(format!("{key}: {}", verdict?))).collect();
    assert!(wrong.is_empty(), "the reader takes these:\n{}", wrong.join("\n"));
}

/// Manifests that were made from it and fit together.
#[test]
fn generated_manifests_fit_the_schema() {
    let schema = schema();
    let sources = (0..100).map(|seed| generate(&schema, &Ground::default(), seed));
    let documents: Vec<Json> = sources.flat_map(|source| source.documents).collect();
    let verdicts = judged(&schema, &documents);
    let wrong: Vec<String> =
        documents.iter().zip(verdicts).filter_map(|(text, verdict)| Some(format!("{}: {text}", verdict?))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_command_prints_it() {
    let ended = amarre(&["schema"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(serde_json::from_str::<Json>(&ended.out).unwrap(), schema());
}
