//! `tests/cases/compose-keys.txt` lists every key of the Compose Spec as applied, or as rejected by name with what to do
//! instead. Here list and code are held together: every sample does what its line says, and no key is read unlisted.

use std::collections::BTreeSet;
use std::path::Path;

use amarre::manifest::{Loaded, Severity, SourceFile, container_keys, load, render};
use amarre::model::service::Service;
use amarre::model::{Assets, Site};
use amarre::providers::docker::{kinds, settings};

use crate::manifest_cases;

/// Keys that say what holds anyway, or something for people: with them a container is the same as without.
const NOTHING: [&str; 12] = [
    "services.*.attach",
    "services.*.depends_on.*.required",
    "services.*.depends_on.*.restart",
    "services.*.deploy",
    "services.*.deploy.mode",
    "services.*.deploy.replicas",
    "services.*.image",
    "services.*.networks",
    "services.*.networks.*.gw_priority",
    "services.*.networks.*.priority",
    "services.*.ports[].name",
    "services.*.ports[].app_protocol",
];

/// A line of the list.
struct Line {
    key: String,
    is_applied: bool,
    note: String,
    sample: String,
}

fn lines() -> Vec<Line> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/compose-keys.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.splitn(4, " |").map(str::trim).collect();
            let [key, word, note, sample] = parts.as_slice() else { panic!("not a line of the list: {line}") };
            assert!(matches!(*word, "applied" | "rejected"), "{line}");
            assert!(*word == "applied" || !note.is_empty(), "{key} is rejected without what to do instead");
            Line {
                key: (*key).to_owned(),
                is_applied: *word == "applied",
                note: (*note).to_owned(),
                sample: (*sample).to_owned(),
            }
        })
        .collect()
}

/// A site whose policy allows everything, so that only what is not supported is refused.
fn site() -> Site {
    let mut site = manifest_cases::site();
    let policy = &mut site.policy;
    policy.images = vec!["*".to_owned()];
    policy.devices = vec!["*".to_owned()];
    policy.capabilities = ["ALL".to_owned()].into();
    (policy.privileged, policy.docker_socket, policy.host_network, policy.host_namespaces) = (true, true, true, true);
    site
}

/// A manifest whose first container has what the sample says.
fn manifest(line: &Line, sample: &str) -> String {
    if !line.key.starts_with("services.*.") {
        let rest = sample.trim_start_matches('{').trim_end_matches('}');
        let services = if rest.starts_with("services:") { "" } else { "services: {a: {image: \"a:1\"}}, " };
        return format!("{{{services}{}", &sample[1..]);
    }
    let image = if sample.starts_with("{image:") || sample == "{}" { "" } else { "image: \"a:1\", " };
    let sample = if sample == "{}" { "{image: \"a:1\"}" } else { sample };
    format!(
        "name: case\nnetwork: {{subnet: 172.20.40.0/24}}\ncontainers:\n  app: {{{image}{}\n  other: {{image: \"a:1\"}}\n",
        &sample[1..]
    )
}

fn loaded(text: &str) -> (Loaded, String) {
    let files = [SourceFile { path: "services/case.yaml".to_owned(), text: text.to_owned() }];
    let loaded = load(&files, &Assets::new(), &site());
    let said = render(&loaded.diagnostics, &files, loaded.services.len(), 1);
    (loaded, said)
}

fn service(line: &Line, sample: &str) -> Service {
    let (loaded, said) = loaded(&manifest(line, sample));
    let mut service = loaded.services.into_iter().next().unwrap_or_else(|| panic!("{}: {said}", line.key));
    for container in service.containers.values_mut() {
        container.origin = service.origin.clone();
    }
    service
}

#[test]
fn every_key_is_applied_or_rejected_by_name() {
    let mut wrong = Vec::new();
    for line in lines() {
        let (loaded, said) = loaded(&manifest(&line, &line.sample));
        let errors: Vec<_> = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error).collect();
        if line.is_applied {
            if !errors.is_empty() || loaded.services.len() != 1 {
                wrong.push(format!("{} is not applied:\n{said}", line.key));
            }
            continue;
        }
        let key = line.key.split(':').next().unwrap_or_default();
        let last = key.rsplit('.').next().unwrap_or_default();
        let is_file = !line.key.starts_with("services.*.");
        let is_named = errors.iter().any(|error| {
            error.hint.as_deref() == Some(line.note.as_str()) && (is_file || error.message.contains(last))
        });
        if !is_named {
            wrong.push(format!("{} is not rejected by name with its hint:\n{said}", line.key));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_applied_makes_a_difference() {
    let mut said_nothing = Vec::new();
    for line in lines().into_iter().filter(|line| line.is_applied) {
        let bare = service(&line, "{}");
        let with = service(&line, &line.sample);
        if bare == with {
            said_nothing.push(line.key.clone());
        }
        // Every setting has a field, with its samples for the contract, and its place in the engine's form.
        for name in with.containers.values().flat_map(|container| container.settings.keys()) {
            assert!(kinds::CONTAINER.field(name).is_some(), "{}: no field `{name}`", line.key);
            assert!(settings::has(name), "{}: `{name}` has no place in the engine's form", line.key);
        }
    }
    // Each of these says what holds anyway, or shares its sample with a key that does more.
    let unexpected: Vec<&String> = said_nothing.iter().filter(|key| !NOTHING.contains(&key.as_str())).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

#[test]
fn every_key_that_is_read_is_listed_once() {
    let listed: Vec<String> = lines().into_iter().map(|line| line.key).collect();
    let unique: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(unique.len(), listed.len(), "a key stands in the list twice");
    let of_services = listed.iter().filter_map(|key| key.strip_prefix("services.*."));
    let top: BTreeSet<&str> = of_services.filter(|key| !key.contains(['.', '[', ':'])).collect();
    let read = container_keys(&site());
    assert_eq!(read.iter().copied().filter(|key| !top.contains(key)).collect::<Vec<_>>(), Vec::<&str>::new());
    let known: BTreeSet<&str> = read.iter().copied().collect();
    // File-level keys have lines of their own.
    let unread: Vec<&&str> = top.iter().filter(|key| !known.contains(**key)).collect();
    assert!(unread.is_empty(), "listed, and not known to the code: {unread:?}");
}
