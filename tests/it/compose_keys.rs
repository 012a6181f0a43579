//! `tests/cases/compose-keys.txt` lists every key of the Compose Spec as applied, or as rejected by name with what to do
//! instead. Here list and code are held together: every sample does what its line says, and no key is read unlisted.

use std::collections::BTreeSet;
use std::path::Path;

use amarre_core::manifest::render;
use amarre_core::manifest::{Loaded, Severity, SourceFile, container_keys, load, with_compose_files};
use amarre_core::model::service::Service;
use amarre_core::model::{Asset, Assets, Site};
use amarre_core::resources::docker;
use serde_json::{Value as Json, json};

use amarre_testkit::sites;

/// Keys that say what holds anyway, or something for people: with them a container is the same as without.
const NOTHING: [&str; 17] = [
    "name",
    "version",
    "networks.*.attachable",
    "networks.*.driver",
    "networks.*.enable_ipv6",
    "networks.*.internal",
    "services.*.attach",
    "services.*.deploy",
    "services.*.deploy.mode",
    "services.*.deploy.replicas",
    "services.*.image",
    "services.*.network_mode: bridge",
    "services.*.networks",
    "services.*.networks.*.gw_priority",
    "services.*.networks.*.priority",
    "services.*.ports[].name",
    "services.*.ports[].app_protocol",
];

/// Where a sample is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// A container in a manifest of its own.
    Manifest,
    /// A Compose file that a manifest names.
    File,
}

/// A line of the list, for one of the places where it holds.
struct Line {
    key: String,
    place: Place,
    is_applied: bool,
    /// Whether it is taken, with a warning that it has no effect.
    is_passed_over: bool,
    note: String,
    sample: String,
}

fn lines() -> Vec<Line> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/compose-keys.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(line).collect()
}

fn line(line: &str) -> Vec<Line> {
    let parts: Vec<&str> = line.splitn(5, " |").map(str::trim).collect();
    let [key, places, word, note, sample] = parts.as_slice() else { panic!("not a line of the list: {line}") };
    assert!(matches!(*word, "applied" | "passed over" | "rejected"), "{line}");
    assert!(*word == "applied" || !note.is_empty(), "{key} is rejected without what to do instead");
    let places = match *places {
        "manifest" => vec![Place::Manifest],
        "file" => vec![Place::File],
        "both" => vec![Place::Manifest, Place::File],
        _ => panic!("`manifest`, `file` or `both`: {line}"),
    };
    let of = |place| Line {
        key: (*key).to_owned(),
        place,
        is_applied: *word == "applied",
        is_passed_over: *word == "passed over",
        note: (*note).to_owned(),
        sample: (*sample).to_owned(),
    };
    places.into_iter().map(of).collect()
}

/// A site whose policy allows everything, so that only what is not supported is refused.
pub fn site() -> Site {
    let mut site = sites::permissive();
    let policy = &mut site.policy;
    policy.images = vec!["*".to_owned()];
    policy.devices = vec!["*".to_owned()];
    for list in [&mut policy.volume_drivers, &mut policy.runtimes, &mut policy.log_drivers] {
        *list = vec!["*".to_owned()];
    }
    policy.networks.push("container:*".to_owned());
    policy.targets.insert("*".to_owned(), vec!["*".to_owned()]);
    policy.repositories = vec!["*".to_owned()];
    policy.dockerfiles = vec!["*".to_owned()];
    policy.capabilities = ["ALL".to_owned()].into();
    (policy.privileged, policy.docker_socket, policy.host_network, policy.host_namespaces) = (true, true, true, true);
    site
}

/// A manifest whose container `app` has what the sample says; what is not a container's stands at the top.
fn manifest(line: &Line, sample: &str) -> String {
    if !line.key.starts_with("services.*.") && sample != "{}" {
        return format!("{{name: case, {}", &sample[1..]);
    }
    let app = container(sample);
    format!("name: case\nnetwork: {{subnet: 172.20.40.0/24}}\ncontainers:\n  app: {app}\n  other: {{image: \"a:1\"}}\n")
}

/// A Compose file with everything that samples name, and with what this one says.
fn compose_file(line: &Line, sample: &str) -> String {
    let mut file = json!({
        "services": {
            "app": {"image": "a:1"},
            "other": {"image": "a:1"},
            "base": {"image": "a:1", "tty": true},
        },
        "volumes": {"data": null},
        "configs": {"conf": {"content": "x"}},
        "secrets": {"key": {"external": true}},
    });
    if line.key.starts_with("services.*.") {
        file["networks"] = json!({"default": {"ipam": {"config": [{"subnet": "172.20.40.0/24"}]}}});
        file["services"]["app"] = json!("APP");
        // As it is written: `0440` as a number is another one.
        return file.to_string().replace("\"APP\"", &container(sample));
    }
    merge(&mut file, serde_yaml::from_str(sample).unwrap());
    file.to_string()
}

/// A container that has what a sample says, and an image.
fn container(sample: &str) -> String {
    match sample {
        "{}" => "{image: \"a:1\"}".to_owned(),
        _ if sample.starts_with("{image:") || sample.starts_with("{build:") => sample.to_owned(),
        _ => format!("{{image: \"a:1\", {}", &sample[1..]),
    }
}

fn merge(into: &mut Json, other: Json) {
    match (into, other) {
        (Json::Object(into), Json::Object(other)) => {
            for (key, value) in other {
                merge(into.entry(key).or_insert(Json::Null), value);
            }
        }
        (into, other) => *into = other,
    }
}

/// The manifest, and the files beside it.
fn files(line: &Line, sample: &str) -> (String, Assets) {
    match line.place {
        Place::Manifest => (manifest(line, sample), BUILT.map(asset).into()),
        Place::File => {
            let file = compose_file(line, sample);
            let beside = [
                ("compose.yaml", file.as_str()),
                ("compose.base.yaml", "services: {base: {image: \"a:1\", init: true}}"),
                ("compose.more.yaml", "services: {more: {image: \"a:1\"}}"),
                ("app.env", "B=c\n"),
                (".env", "X=1\n"),
            ];
            let beside = beside.into_iter().chain(BUILT);
            ("{name: case, compose: ./compose.yaml}".to_owned(), beside.map(asset).collect())
        }
    }
}

/// What is built.
const BUILT: [(&str, &str); 2] = [("built/Dockerfile", "FROM a:1 AS last\n"), ("built/Other", "FROM a:1\n")];

fn asset((name, text): (&str, &str)) -> (String, Asset) {
    (format!("services/{name}"), Asset::of(text.as_bytes(), false))
}

fn loaded(line: &Line, sample: &str) -> (Loaded, String) {
    let (text, assets) = files(line, sample);
    let files = [SourceFile { path: "services/case.yaml".to_owned(), text }];
    let loaded = load(&files, &assets, &site());
    let said = render(&loaded.diagnostics, &with_compose_files(&files, &assets), loaded.services.len(), 1);
    (loaded, said)
}

fn service(line: &Line, sample: &str) -> Service {
    let (loaded, said) = loaded(line, sample);
    let mut service = loaded.services.into_iter().next().unwrap_or_else(|| panic!("{}: {said}", line.key));
    // Where it is written counts for nothing here.
    service.places.clear();
    for container in service.containers.values_mut() {
        container.origin = service.origin.clone();
    }
    for volume in service.volumes.values_mut() {
        volume.origin = service.origin.clone();
    }
    service
}

/// Each key that is applied in a manifest, with such a manifest.
pub fn applied_in_manifests() -> Vec<(String, String)> {
    let lines = lines().into_iter().filter(|line| line.is_applied && line.place == Place::Manifest);
    lines.map(|line| (line.key.clone(), manifest(&line, &line.sample))).collect()
}

#[test]
fn every_key_is_applied_or_rejected_by_name() {
    let mut wrong = Vec::new();
    for line in lines() {
        let (loaded, said) = loaded(&line, &line.sample);
        let errors: Vec<_> = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error).collect();
        if line.is_applied {
            if !errors.is_empty() || loaded.services.len() != 1 {
                wrong.push(format!("{} ({:?}) is not applied:\n{said}", line.key, line.place));
            }
            continue;
        }
        let key = line.key.split(':').next().unwrap_or_default();
        let last = key.rsplit('.').next().unwrap_or_default();
        // A whole Compose file that is read as a manifest is called so.
        let is_whole = line.key == "services";
        let is_taken = errors.is_empty() && loaded.services.len() == 1;
        let severity = if line.is_passed_over { Severity::Warning } else { Severity::Error };
        let mut said_of_it = loaded.diagnostics.iter().filter(|one| one.severity == severity);
        let is_named = line.is_passed_over == is_taken
            && said_of_it.any(|error| {
                let hint = error.hint.as_ref().map(ToString::to_string);
                hint.as_ref() == Some(&line.note) && (is_whole || error.message.to_string().contains(last))
            });
        if !is_named {
            wrong.push(format!("{} ({:?}) is not rejected by name with its hint:\n{said}", line.key, line.place));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ignored_keys_make_no_difference() {
    // These have something in their samples that says more: a mount, a policy that is `always` for all it is given, a build.
    let alone = |key: &str| !["[]", "restart_policy", "build."].iter().any(|more| key.contains(more));
    for line in lines().into_iter().filter(|line| line.is_passed_over && alone(&line.key)) {
        assert_eq!(service(&line, "{}"), service(&line, &line.sample), "{} ({:?})", line.key, line.place);
    }
}

#[test]
fn applied_keys_make_a_difference() {
    let mut said_nothing = Vec::new();
    for line in lines().into_iter().filter(|line| line.is_applied) {
        let bare = service(&line, "{}");
        let with = service(&line, &line.sample);
        if bare == with {
            said_nothing.push((line.key.clone(), line.place));
        }
        // Every setting has a row in the table, of which its field and its place in the engine's form follow.
        for name in with.containers.values().flat_map(|container| container.settings.keys()) {
            assert!(docker::setting(name).is_some(), "{}: no setting `{name}`", line.key);
        }
    }
    // Each of these says what holds anyway, or shares its sample with a key that does more.
    let unexpected: Vec<_> = said_nothing.iter().filter(|(key, _)| !NOTHING.contains(&key.as_str())).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

#[test]
fn every_key_that_is_read_is_listed_once() {
    let lines = lines();
    let unique: BTreeSet<(&String, Place)> = lines.iter().map(|line| (&line.key, line.place)).collect();
    assert_eq!(unique.len(), lines.len(), "a key stands in the list twice");
    let listed: Vec<String> = lines.iter().map(|line| line.key.clone()).collect();
    for key in listed.iter().filter(|key| !key.contains(": ")) {
        let places = unique.iter().filter(|(other, _)| *other == key).count();
        assert!(places == 2 || !is_of_container(key), "{key} has no line for one of the two places");
    }
    let of_services = listed.iter().filter_map(|key| key.strip_prefix("services.*."));
    let top: BTreeSet<&str> = of_services.filter(|key| !key.contains(['.', '[', ':'])).collect();
    let read = container_keys(&site());
    assert_eq!(read.iter().copied().filter(|key| !top.contains(key)).collect::<Vec<_>>(), Vec::<&str>::new());
    let known: BTreeSet<&str> = read.iter().copied().collect();
    // File-level keys have lines of their own.
    let unread: Vec<&&str> = top.iter().filter(|key| !known.contains(**key)).collect();
    assert!(unread.is_empty(), "listed, and not known to the code: {unread:?}");
}

#[test]
fn every_setting_is_documented() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manifests.md")).unwrap();
    let missing = docker::SETTINGS.iter().filter(|setting| !page.contains(&format!("`{}`", setting.key)));
    assert_eq!(missing.map(|setting| setting.key).collect::<Vec<_>>(), Vec::<&str>::new());
}

/// A key that can be written in a container wherever that stands.
fn is_of_container(key: &str) -> bool {
    key.strip_prefix("services.*.").is_some_and(|key| !key.contains(['.', '[']))
}
