//! The JSON Schema against the reader: what one takes, the other takes. Judged by `jsonschema` of Python.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use amarre::config::Config;
use amarre::manifest::{Loaded, SourceFile, load, schema};
use amarre::model::Assets;
use amarre::model::site::Site;
use serde_json::{Value as Json, json};

use crate::cli::amarre;

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

fn site() -> Site {
    let text = json!({
        "domains": ["example.org"],
        "hosts": {"default": {"address": "203.0.113.10", "npm": "main"}, "other": {"npm": "main"}, "bare": {}},
        "npm": {"main": {"url": "http://127.0.0.1:81", "identity": "a@example.org", "secret": "x"}},
        "ovh": {"application_key": "a", "application_secret": "b", "consumer_key": "c"},
        "vars": {"TZ": "Europe/Paris"},
    });
    Config::parse(&text.to_string(), Path::new("/nonexistent/amarre.yaml")).unwrap().site
}

/// Unknown keys that no schema can see: a quoted `<<`, and a number, which is a text in JSON.
const SEEN_BY_THE_READER_ONLY: [&str; 2] = ["merge-keys", "keys-that-are-no-text"];

/// What the reader says of one file, and its documents as plain data.
fn read(text: &str) -> (Loaded, Vec<Json>) {
    let file = SourceFile { path: "services/x.yaml".to_owned(), text: text.to_owned() };
    let documents: Vec<Json> = serde_yaml::from_multiple(text).unwrap_or_default();
    (load(&[file], &Assets::new(), &site()), documents.into_iter().filter(|document| !document.is_null()).collect())
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
fn what_the_reader_takes_the_schema_takes_and_unknown_keys_neither() {
    let (mut good, mut unknown) = (Vec::new(), Vec::new());
    for (name, text) in files() {
        let (loaded, documents) = read(&text);
        let is_error = |code: &str| loaded.diagnostics.iter().any(|known| known.code == code);
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

/// Every key of the schema is one that the reader asks for: wherever it stands, it is not called unknown.
#[test]
fn every_key_of_the_schema_is_known_to_the_reader() {
    let schema = schema();
    let keys = |part: &str| -> Vec<String> {
        let properties = schema["$defs"][part]["properties"].as_object().unwrap();
        properties.keys().filter(|key| *key != "<<").cloned().collect()
    };
    let mut checked = 0;
    let mut known = |document: Json, key: &str| {
        checked += 1;
        let (loaded, _) = read(&document.to_string());
        let unknown = format!("unknown key `{key}`");
        assert!(
            loaded.diagnostics.iter().all(|known| known.message != unknown),
            "{document}: {:?}",
            loaded.diagnostics
        );
    };
    for kind in ["Service", "Route", "Redirect", "AccessList", "Record", "Network"] {
        for key in keys(kind) {
            let mut document = json!({"kind": kind, "name": "x"});
            if key != "kind" && key != "name" {
                document[&key] = json!("x");
            }
            known(document, &key);
        }
    }
    for key in keys("container") {
        known(json!({"name": "x", "containers": {"a": {key.clone(): "x"}}}), &key);
    }
    for key in keys("route") {
        known(json!({"kind": "Route", "name": "x", "routes": [{key.clone(): "x"}]}), &key);
    }
    for key in keys("record") {
        known(json!({"name": "x", "image": "a:1", "dns": [{key.clone(): "x"}]}), &key);
    }
    assert!(checked > 60, "only {checked} keys");
}

#[test]
fn the_command_prints_it() {
    let ended = amarre(&["schema"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(serde_json::from_str::<Json>(&ended.out).unwrap(), schema());
}
