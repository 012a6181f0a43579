//! Twenty Compose files of the shape that people have: `tests/cases/compose-files/NAME`, each with its manifest.
//!
//! Those that load under a generous policy are applied on the real engine, their images replaced by the test image; what
//! the usual policy refuses stands in `tests/cases/compose-files/refused.out`. `UPDATE=1` rewrites that. `TAG` is the
//! test's own name, `P1` a free port.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use amarre::source::{Folder, Snapshot};
use amarre_core::manifest::render;
use amarre_core::manifest::{Loaded, SourceFile, load, with_compose_files};
use amarre_core::model::Service;
use amarre_core::model::service::MountSource;
use amarre_core::model::site::Site;
use serde_json::json;

use crate::support::rig::{PUBLIC, Rig};
use crate::support::{free_port, image, inspect};

/// They are spread over this many tests, which run side by side.
const SHARES: usize = 4;
/// What their secrets are.
const SECRETS: [&str; 4] = ["vault/admin", "grafana_admin", "postgres/password", "pihole"];

/// No machine that runs tests has a graphics card for containers.
const NOT_HERE: [&str; 1] = ["ollama"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/compose-files")
}

fn stacks() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 20);
    names
}

/// Copies a stack, its text changed on the way.
fn copy(from: &Path, to: &Path, change: &dyn Fn(&str) -> String) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target, change);
        } else {
            std::fs::write(target, change(&std::fs::read_to_string(entry.path()).unwrap())).unwrap();
        }
    }
}

/// With the test image in the place of every other, and a device that every machine has.
fn with_test_image(text: &str) -> String {
    let line = |line: &str| match line.split_once("image: ") {
        Some((before, _)) if before.trim().is_empty() => format!("{before}image: {}\n", image::ONE),
        Some(_) | None => format!("{line}\n"),
    };
    text.lines().map(line).collect::<String>().replace("/dev/dri", "/dev/null")
}

fn read(folder: &Path, site: &Site) -> (Snapshot, Vec<SourceFile>, Loaded) {
    let snapshot = Folder::new(folder).read().unwrap();
    let file = |(path, text): &(String, String)| SourceFile { path: path.clone(), text: text.clone() };
    let files: Vec<SourceFile> = snapshot.files.iter().map(file).collect();
    let loaded = load(&files, &snapshot.assets, site);
    (snapshot, files, loaded)
}

fn site(data: &str) -> Site {
    let mut site = amarre_testkit::sites::permissive();
    site.hosts.get_mut("default").unwrap().data = data.to_owned();
    site.policy.host_paths = vec![data.to_owned(), "/etc/localtime".to_owned()];
    site.policy.images = vec!["*".to_owned()];
    site
}

/// The rights that an operator of such stacks would grant.
fn generous(data: &str) -> serde_json::Value {
    json!({
        "host_paths": [data, "/etc/localtime"],
        "host_network": true,
        "docker_socket": true,
        "devices": ["/dev/null"],
        "capabilities": ["NET_ADMIN"],
        "secrets": {"*": ["*"]},
        "volumes": ["*"],
    })
}

#[test]
fn refused_stacks_name_the_reason() {
    let mut out = String::new();
    let mut good = 0;
    for name in stacks() {
        let copied = tempfile::tempdir().unwrap();
        let services = copied.path().join("services");
        copy(&folder().join(&name), &services, &|text| {
            text.replace("TAG", "t").replace("P1", "2001").replace("P2", "2002")
        });
        let (snapshot, files, loaded) = read(&services, &site("/srv"));
        assert_eq!(loaded.services.len() + loaded.broken.len(), 1, "{name}: {:?}", loaded.broken);
        let shown = with_compose_files(&files, &snapshot.assets);
        let text = render(&loaded.diagnostics, &shown, loaded.services.len(), 1);
        assert!(!text.contains("not YAML") && !text.contains("unknown key"), "{name}: {text}");
        good += loaded.services.len();
        if !loaded.diagnostics.is_empty() {
            out.push_str(&format!("=== {name}\n{text}\n"));
        }
    }
    assert!(good >= 9, "only {good} load");
    let golden = folder().join("refused.out");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, &out).unwrap();
    }
    assert_eq!(std::fs::read_to_string(golden).unwrap(), out, "UPDATE=1 rewrites it");
}

async fn share(share: usize) {
    let mut rig = Rig::start().await;
    let data = rig.folder.path().join("data").display().to_string();
    let socket = rig.folder.path().join("docker.sock");
    let host =
        json!({"docker": format!("unix://{}", socket.display()), "address": PUBLIC, "npm": "main", "data": data});
    rig.settings.insert("hosts".to_owned(), json!({"default": host}));
    rig.settings.insert("policy".to_owned(), generous(&data));
    rig.configure();
    for secret in SECRETS {
        let path = rig.folder.path().join("secrets/services").join(secret);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("canary of {secret}")).unwrap();
    }
    let mut site = site(&data);
    (site.policy.host_network, site.policy.docker_socket) = (true, true);
    site.policy.devices = vec!["/dev/null".to_owned()];
    site.policy.capabilities.insert("NET_ADMIN".to_owned());
    let mut wanted: BTreeMap<String, Service> = BTreeMap::new();
    for name in stacks().iter().skip(share).step_by(SHARES).filter(|name| !NOT_HERE.contains(&name.as_str())) {
        let target = rig.folder.path().join("services").join(name);
        let ports = [free_port().to_string(), free_port().to_string()];
        copy(&folder().join(name), &target, &|text| {
            with_test_image(text).replace("TAG", &rig.tag).replace("P1", &ports[0]).replace("P2", &ports[1])
        });
        let (_, _, loaded) = read(&target, &site);
        assert_eq!(loaded.broken.is_empty(), name != "build", "{name}: {:?}", loaded.diagnostics);
        if loaded.broken.is_empty() {
            wanted.extend(loaded.services.into_iter().map(|service| (service.name.clone(), service)));
        } else {
            std::fs::remove_dir_all(target).unwrap();
        }
    }
    let mounts = wanted.values().flat_map(|service| service.containers.values()).flat_map(|one| &one.mounts);
    for mount in mounts {
        if let MountSource::Bind(path) = &mount.source
            && path.starts_with(&data)
        {
            std::fs::create_dir_all(path).unwrap();
        }
    }
    let ended = rig.run(&["apply", "--yes", "--timeout", "220s"]).await;
    assert_eq!(ended.code, 0, "{ended}");
    rig.quiet().await;
    let running = rig.containers();
    for service in wanted.values() {
        for key in service.containers.keys() {
            let name = service.container_name(key);
            assert!(running.contains_key(&name), "{name} is not there: {:?}", running.keys());
            assert_eq!(inspect("container", &name)["State"]["Running"], true, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stacks_of_the_first_share_are_applied() {
    share(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stacks_of_the_second_share_are_applied() {
    share(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stacks_of_the_third_share_are_applied() {
    share(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stacks_of_the_fourth_share_are_applied() {
    share(3).await;
}
