//! Some of the projects in `tests/cases/corpus` on the real engine: applied, changed, destroyed.
//!
//! Each runs as it is written, but for what no machine that runs tests has: its images, free ports, devices and folders.
//! Names that the engine keeps for everybody begin with the test's own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use amarre_core::model::service::MountSource;
use serde_json::{Map, Value as Json, json};

use crate::corpus::{generous, projects, read, unpack};
use crate::support::rig::{PUBLIC, Rig};
use crate::support::{docker, free_port, image};

/// They are spread over this many tests, which run side by side.
const SHARES: usize = 4;
/// Of the project's containers, and of its files that say so.
const CHANGED: &str = "AMARRE_CHANGED";

/// Between them they have nearly every key that the forty have, in each of its forms, with a third of the containers.
const PROJECTS: [&str; 16] = [
    "doc-keycloak",
    "own-jellyfin",
    "own-mattermost",
    "own-umami",
    "wg-easy",
    "doc-airflow",
    "own-influx",
    "own-searx",
    "own-vaultwarden",
    "own-dozzle",
    "doc-minio-cluster",
    "own-cache-lab",
    "own-minecraft",
    "own-arr-vpn",
    "own-gitea",
    "own-mealie",
];
/// With `CORPUS=all`, as in `scripts/long`.
const MORE_PROJECTS: [&str; 24] = [
    "own-bookstack",
    "own-firefly",
    "own-forgejo",
    "own-freshrss",
    "own-homepage",
    "own-immich",
    "own-kavita",
    "own-matrix",
    "own-miniflux",
    "doc-confluent-platform",
    "own-nextcloud",
    "own-paperless",
    "own-uptime",
    "own-woodpecker",
    "doc-authentik",
    "doc-plausible",
    "doc-supabase",
    "doc-voting-app",
    "doc-wordpress-mariadb",
    "authelia",
    "immich",
    "outline",
    "romm",
    "paperless-ngx",
];

/// What is put in the place of what this machine lacks.
struct Here<'a> {
    tag: &'a str,
    /// Where folders of the host lie.
    data: &'a str,
    /// Networks of others that projects are on.
    networks: BTreeSet<String>,
}

impl Here<'_> {
    /// Every Compose file of a project.
    fn project(&mut self, folder: &Path) {
        for path in files(folder) {
            let Ok(mut file) = serde_yaml::from_str::<Json>(&std::fs::read_to_string(&path).unwrap()) else { continue };
            if file.get("services").is_some() {
                self.file(&mut file);
                std::fs::write(path, file.to_string()).unwrap();
            }
        }
    }

    fn file(&mut self, file: &mut Json) {
        let ending = ending(file);
        for (key, service) in entries(file, "services") {
            if let Some(service) = service.as_object_mut() {
                self.service(service, ending.contains(key));
            }
        }
        for part in ["networks", "volumes"] {
            for (key, of) in entries(file, part) {
                let external = of.get("external").filter(|external| **external != Json::Bool(false)).cloned();
                let legacy = external.as_ref().and_then(|external| external.get("name"));
                let name = legacy.or(of.get("name")).and_then(Json::as_str);
                // A variable is the project's own affair.
                let name = name.filter(|name| !name.contains('$')).unwrap_or(key).to_owned();
                let is_external = external.is_some();
                let Some(of) = of.as_object_mut().filter(|of| is_external || of.contains_key("name")) else {
                    continue;
                };
                let name = format!("{}-{name}", self.tag);
                of.insert("name".to_owned(), name.as_str().into());
                if is_external && part == "networks" {
                    self.networks.insert(name);
                }
            }
        }
    }

    fn service(&self, service: &mut Map<String, Json>, ends: bool) {
        for key in ["build", "cpus", "devices", "entrypoint", "gpus", "init", "runtime", "ulimits", "user"] {
            service.remove(key);
        }
        if let Some(deploy) = service.get_mut("deploy").and_then(Json::as_object_mut) {
            deploy.remove("resources");
        }
        service.insert("image".to_owned(), image::ONE.into());
        if ends {
            service.insert("command".to_owned(), json!(["exit", "0"]));
            service.remove("healthcheck");
        } else if service.get("healthcheck").is_some_and(|check| check.get("disable").is_none()) {
            // Each check starts a process on the engine: with one a second, they are half of what these tests compute.
            service.insert("healthcheck".to_owned(), json!({"test": ["CMD", "true"], "interval": "3s", "retries": 30}));
        }
        if let Some(name) = service.get("container_name").and_then(Json::as_str) {
            service.insert("container_name".to_owned(), format!("{}-{name}", self.tag).into());
        }
        for port in service.get_mut("ports").and_then(Json::as_array_mut).into_iter().flatten() {
            place(port);
        }
        for mount in service.get_mut("volumes").and_then(Json::as_array_mut).into_iter().flatten() {
            self.mount(mount);
        }
    }

    /// A folder of the host lies where the test may write.
    fn mount(&self, mount: &mut Json) {
        let here = |source: &str| {
            let is_kept = source.ends_with("docker.sock") || source.starts_with("/etc/");
            let is_host = ["/", "~", "$"].into_iter().any(|sign| source.starts_with(sign));
            let name: String = source.chars().filter(char::is_ascii_alphanumeric).collect();
            (is_host && !is_kept).then(|| format!("{}/{name}", self.data))
        };
        let said = mount.as_str().and_then(|text| text.rsplit_once(":/"));
        let short = said.and_then(|(source, rest)| Some(format!("{}:/{rest}", here(source)?)));
        let long = mount.get("source").and_then(Json::as_str).and_then(here);
        match (short, long) {
            (Some(text), _) => *mount = text.into(),
            (None, Some(source)) => drop(mount.as_object_mut().unwrap().insert("source".to_owned(), source.into())),
            (None, None) => (),
        }
    }
}

/// A published port is one that is free.
fn place(port: &mut Json) {
    if let Some(long) = port.as_object_mut() {
        long.insert("published".to_owned(), free_port().to_string().into());
        return;
    }
    let Some((_, target)) = port.as_str().and_then(|text| text.rsplit_once(':')) else { return };
    let (ports, protocol) = target.split_once('/').map_or((target, ""), |(ports, protocol)| (ports, protocol));
    let first = ports.split('-').next().unwrap();
    let protocol = if protocol.is_empty() { String::new() } else { format!("/{protocol}") };
    *port = format!("127.0.0.1:{}:{first}{protocol}", free_port()).into();
}

/// The containers of which another waits for the end.
fn ending(file: &Json) -> BTreeSet<String> {
    let services = file.get("services").and_then(Json::as_object);
    let depends =
        services.into_iter().flat_map(Map::values).filter_map(|service| service.get("depends_on")?.as_object());
    let ends = |how: &Json| how.get("condition").and_then(Json::as_str) == Some("service_completed_successfully");
    let keys = depends.flatten().filter(|(_, how)| ends(how)).map(|(key, _)| key.clone());
    keys.collect()
}

fn entries<'y>(file: &'y mut Json, part: &str) -> impl Iterator<Item = (&'y String, &'y mut Json)> {
    file.get_mut(part).and_then(Json::as_object_mut).into_iter().flatten()
}

/// The YAML files of a project, its manifest apart.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "yml" || end == "yaml") && !path.ends_with("service.yaml") {
            found.push(path);
        }
    }
    found
}

/// Each container of every project gets other values.
fn change(services: &Path) {
    for path in files(services) {
        let Ok(mut file) = serde_yaml::from_str::<Json>(&std::fs::read_to_string(&path).unwrap()) else { continue };
        if file.get("services").is_none() {
            continue;
        }
        for (_, service) in entries(&mut file, "services") {
            let Some(service) = service.as_object_mut() else { continue };
            let labels = service.entry("labels").or_insert_with(|| json!([]));
            if let Some(labels) = labels.as_object_mut() {
                labels.insert(CHANGED.to_owned(), "yes".into());
            } else {
                labels.as_array_mut().unwrap().push(format!("{CHANGED}=yes").into());
            }
        }
        std::fs::write(path, file.to_string()).unwrap();
    }
}

/// The words that allow all of it.
fn policy(data: &str) -> serde_json::Value {
    let all = ["*"];
    json!({
        "host_paths": [data, "/etc"], "host_network": true, "host_namespaces": true, "docker_socket": true,
        "privileged": true, "capabilities": ["ALL"], "devices": all, "images": all, "networks": all, "volumes": all,
        "volume_drivers": all, "log_drivers": all, "runtimes": all, "subnets": ["0.0.0.0/0"], "secrets": {"*": all},
    })
}

async fn share(share: usize) {
    let mut rig = Rig::start().await;
    let data = rig.folder.path().join("data").display().to_string();
    let socket = rig.folder.path().join("docker.sock");
    let host =
        json!({"docker": format!("unix://{}", socket.display()), "address": PUBLIC, "npm": "main", "data": data});
    rig.settings.insert("hosts".to_owned(), json!({"default": host}));
    rig.settings.insert("policy".to_owned(), policy(&data));
    rig.configure();
    let mut here = Here { tag: &rig.tag, data: &data, networks: BTreeSet::new() };
    let all = projects();
    let more = std::env::var_os("CORPUS").filter(|word| word == "all").map_or(0, |_| MORE_PROJECTS.len());
    let chosen = PROJECTS.into_iter().chain(MORE_PROJECTS.into_iter().take(more));
    let chosen: Vec<&str> = chosen.skip(share).step_by(SHARES).collect();
    for name in &chosen {
        let services = unpack(rig.folder.path(), name, &all[*name]);
        here.project(&services.join(name));
        std::fs::write(
            services.join(name).join("service.yaml"),
            format!("name: {}\ncompose: .\nupdate: {{drain: 1s}}\n", rig.name(name)),
        )
        .unwrap();
    }
    let networks = std::mem::take(&mut here.networks);
    for network in &networks {
        docker(&["network", "create", network]);
    }
    let mut site = generous();
    site.hosts.get_mut("default").unwrap().data.clone_from(&data);
    let services = rig.folder.path().join("services");
    let loaded = read(&services, &site);
    assert!(loaded.broken.is_empty(), "{:#?}", loaded.diagnostics);
    for mount in loaded.services.iter().flat_map(|service| service.containers.values()).flat_map(|one| &one.mounts) {
        if let MountSource::Bind(path) = &mount.source
            && path.starts_with(&data)
        {
            std::fs::create_dir_all(path).unwrap();
        }
    }
    let names: BTreeMap<String, usize> =
        loaded.services.iter().map(|service| (service.name.clone(), service.containers.len())).collect();
    assert_eq!(names.len(), chosen.len());

    let apply = async |what: &str| {
        // On a busy machine it is more than one command has time for; each goes on from there.
        let mut ended = rig.run(&["apply", "--yes", "--timeout", "90s"]).await;
        for _ in 0..2 {
            if ended.to_string().contains("Time is up") {
                ended = rig.run(&["apply", "--yes", "--timeout", "90s"]).await;
            }
        }
        assert_eq!(ended.code, 0, "{what}: {ended}");
        rig.quiet().await;
        assert_eq!(rig.containers().len(), names.values().sum::<usize>(), "{what}: {:?}", rig.containers().keys());
    };
    apply("as written").await;
    let before = rig.containers();
    change(&services);
    apply("changed").await;
    let left = rig.containers().into_values().filter(|id| before.values().any(|old| old == id)).count();
    assert_eq!(left, 0, "every container is another one");
    for name in names.keys() {
        let ended = rig.run(&["destroy", name, "--yes", "--purge"]).await;
        assert_eq!(ended.code, 0, "{ended}");
    }
    assert_eq!((rig.containers(), rig.ours("network")), (BTreeMap::new(), Vec::new()));
    for network in &networks {
        docker(&["network", "rm", network]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn projects_of_the_first_share_run() {
    share(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn projects_of_the_second_share_run() {
    share(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn projects_of_the_third_share_run() {
    share(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn projects_of_the_fourth_share_run() {
    share(3).await;
}
