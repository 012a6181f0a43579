//! What Amarre makes of a project, held against what Debian's `docker-compose config` says of it.
//!
//! That is version 1.29, which does not know everything that people write today: what Amarre makes
//! of a project that it refuses stands in `tests/cases/corpus/alone.out`, read by people once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use amarre_core::model::folders::as_word;
use amarre_core::model::service::{Container, ContainerNetwork, EnvValue, MountSource, NetworkMode, Service};
use serde_json::Value as Json;

use super::{generous, projects, read, unpack};

/// The most projects of those that Amarre takes that the older program refuses: for `name`, `include`, `!override` and what
/// else came after it.
const REFUSED_MAX: usize = 40;

/// Below which relative binds lie.
const DATA: &str = "/var/lib/amarre-data";

/// One container, in words that both programs can say.
type ServiceMeaning = BTreeMap<&'static str, BTreeSet<String>>;

/// What was found in a share of the projects.
#[derive(Default)]
struct Found {
    /// What Amarre makes of the projects that the other program refuses, by name.
    refused: BTreeMap<String, String>,
    /// Containers that were held against one another.
    compared: usize,
    wrong: Vec<String>,
}

#[test]
fn accepted_compose_files_mean_the_same_as_in_compose() {
    let projects: Vec<(String, String)> = projects().into_iter().collect();
    let found = std::thread::scope(|scope| {
        let shares = projects.chunks(projects.len().div_ceil(4));
        let shares: Vec<_> = shares.map(|share| scope.spawn(|| compare(share))).collect();
        shares.into_iter().map(|share| share.join().unwrap()).fold(Found::default(), |mut all, share| {
            all.refused.extend(share.refused);
            all.wrong.extend(share.wrong);
            all.compared += share.compared;
            all
        })
    });
    let Found { refused, compared, wrong } = found;
    assert!(wrong.is_empty(), "{} of {compared} containers:\n{}", wrong.len(), wrong.join("\n"));
    assert!(refused.len() <= REFUSED_MAX, "{} refused: {:?}", refused.len(), refused.keys());
    assert!(compared >= 300, "{compared} containers");
    let golden = super::folder().join("alone.out");
    let alone: String = refused.into_values().collect();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, &alone).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), alone, "UPDATE=1 rewrites it");
}

/// What Amarre makes of a project that the other program refuses.
fn alone(name: &str, service: &Service) -> String {
    let mut text = String::new();
    for (key, container) in &service.containers {
        let mut said = ours(key, container);
        said.insert("networks", reached(key, service, |_, container| our_networks(service, container)));
        for (what, values) in said.into_iter().filter(|(_, values)| !values.is_empty()) {
            let values: Vec<String> = values.into_iter().collect();
            text.push_str(&format!("{name} {key} {what}: {}\n", values.join(" | ")));
        }
    }
    text
}

fn compare(projects: &[(String, String)]) -> Found {
    let mut site = generous();
    site.defaults.environment.clear();
    site.vars.clear();
    site.hosts.get_mut("default").unwrap().data = DATA.to_owned();
    let mut found = Found::default();
    let mut compose = Compose::start();
    for (name, text) in projects {
        let copied = tempfile::tempdir().unwrap();
        let services = unpack(copied.path(), name, text);
        let loaded = read(&services, &site);
        let Some(service) = loaded.services.first() else { continue };
        let Some(config) = compose.config(&services.join(name)) else {
            found.refused.insert(name.clone(), alone(name, service));
            continue;
        };
        for (key, container) in &service.containers {
            let mut theirs = theirs(key, &config["services"][key], &services.join(name));
            let mut ours = ours(key, container);
            if container.network_mode == ContainerNetwork::Own {
                theirs.insert("networks", reached(key, service, |key, _| their_networks(&config, key)));
                ours.insert("networks", reached(key, service, |_, container| our_networks(service, container)));
            }
            found.compared += 1;
            for (what, theirs) in theirs {
                let ours = ours.get(what).cloned().unwrap_or_default();
                if ours != theirs {
                    found.wrong.push(format!("{name} {key} {what}:\n  ours   {ours:?}\n  theirs {theirs:?}"));
                }
            }
        }
    }
    found
}

/// A network that a container is on: one of others by its name, or one of the project's own.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum On {
    Others(String),
    Own(String),
}

/// The networks of others that a container is on, and whom it reaches on the project's own, whatever these are called.
fn reached(key: &str, service: &Service, on: impl Fn(&str, &Container) -> BTreeSet<On>) -> BTreeSet<String> {
    let all = service.containers.iter().filter(|(_, one)| one.network_mode == ContainerNetwork::Own);
    let all: BTreeMap<&String, BTreeSet<On>> = all.map(|(key, one)| (key, on(key, one))).collect();
    let Some(own) = all.get(&key.to_owned()) else { return BTreeSet::new() };
    let others = own.iter().filter_map(|on| match on {
        On::Others(name) => Some(name.clone()),
        On::Own(_) => None,
    });
    let is_shared = |networks: &BTreeSet<On>| networks.intersection(own).any(|on| matches!(on, On::Own(_)));
    let beside = all.iter().filter(|(_, networks)| is_shared(networks)).map(|(key, _)| format!("with {key}"));
    others.chain(beside).collect()
}

fn our_networks(service: &Service, container: &Container) -> BTreeSet<On> {
    let called = |name: &String| {
        if service.networks.contains_key(name) { On::Own(name.clone()) } else { On::Others(name.clone()) }
    };
    let home = match (&container.home, &service.network) {
        (Some(name), _) => called(name),
        (None, NetworkMode::Shared(name)) => On::Others(name.clone()),
        (None, NetworkMode::Auto | NetworkMode::Subnet(_) | NetworkMode::Defined { .. }) => On::Own(String::new()),
    };
    container.also_on.iter().map(called).chain([home]).collect()
}

fn their_networks(config: &Json, key: &str) -> BTreeSet<On> {
    let said = &config["services"][key];
    let on = &said["networks"];
    let mut keys: Vec<&str> = on.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    keys.extend(on.as_array().into_iter().flatten().filter_map(Json::as_str));
    let keys = if keys.is_empty() || said["network_mode"] == "bridge" { vec!["default"] } else { keys };
    let called = |key: &str| {
        let network = &config["networks"][key];
        let is_there = network["external"] == true || network["external"].is_object();
        let name = network["external"]["name"].as_str().or(network["name"].as_str()).unwrap_or(key);
        if is_there { On::Others(name.to_owned()) } else { On::Own(key.to_owned()) }
    };
    keys.into_iter().map(called).collect()
}

/// The other program, which is started once for many folders.
struct Compose {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Compose {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/clients/compose_configs.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", "/nonexistent").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 is there: scripts/test");
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// What it makes of a folder; `None`: it refuses it.
    fn config(&mut self, folder: &Path) -> Option<Json> {
        writeln!(self.child.stdin.as_mut().unwrap(), "{}", folder.display()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let text: Option<String> = serde_json::from_str(&answer).expect("docker-compose is there: scripts/test");
        // It writes each dollar sign as it would have to be written in a file again.
        Some(serde_yaml::from_str(&text?.replace("$$", "$")).unwrap())
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

fn ours(key: &str, container: &Container) -> ServiceMeaning {
    let one = |text: &str| BTreeSet::from([text.to_owned()]);
    let plain = |value: &EnvValue| match value {
        EnvValue::Plain(text) => text.clone(),
        EnvValue::Secret(name) => format!("{{secret: {}}}", name.0),
    };
    let words = |words: &Option<Vec<String>>| words.iter().map(|words| format!("{words:?}")).collect();
    let port = |ip: &str, published: u16, target: u16, protocol: &str| format!("{ip}:{published}:{target}/{protocol}");
    let ports = container.ports.iter().map(|p| port(&p.host_ip, p.published, p.target, &p.protocol));
    let mounts = container.mounts.iter().map(|mount| match &mount.source {
        MountSource::Volume(name) if *name == format!("{key}_{}", as_word(&mount.target)) => {
            format!("nameless {}", mount.target)
        }
        MountSource::Bind(path) | MountSource::Volume(path) if !path.starts_with(DATA) => {
            format!("{path} {} {}", mount.target, mount.read_only)
        }
        MountSource::Bind(_) | MountSource::Volume(_) | MountSource::Copied(_) => format!("here {}", mount.target),
        MountSource::Tmpfs => format!("tmpfs {}", mount.target),
    });
    let setting = |name: &str| container.settings.get(name);
    let mut said = ServiceMeaning::from([
        ("image", one(&container.image)),
        ("environment", container.environment.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect()),
        ("labels", container.labels.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        ("command", words(&container.command)),
        ("entrypoint", words(&container.entrypoint)),
        ("ports", ports.collect()),
        ("mounts", mounts.collect()),
        ("user", container.user.iter().cloned().collect()),
        ("depends_on", container.depends_on.keys().cloned().collect()),
        ("cap_add", setting("cap_add").map(|list| list.strings()).into_iter().flatten().map(str::to_owned).collect()),
        ("hostname", setting("hostname").and_then(|name| name.as_text()).into_iter().map(str::to_owned).collect()),
        ("name", container.container_name.iter().cloned().collect()),
        ("restart", one(&container.restart)),
    ]);
    for flag in ["privileged", "tty", "stdin_open", "init", "read_only"] {
        let is_set = setting(flag).and_then(|value| value.as_bool()) == Some(true);
        said.insert(flag, is_set.then(|| "true".to_owned()).into_iter().collect());
    }
    let mode = match &container.network_mode {
        ContainerNetwork::Own => None,
        ContainerNetwork::None => Some("none".to_owned()),
        ContainerNetwork::Host => Some("host".to_owned()),
        ContainerNetwork::Of(other) => Some(format!("service:{other}")),
        ContainerNetwork::Other(other) => Some(format!("container:{other}")),
    };
    said.insert("network_mode", mode.into_iter().collect());
    if let Some(check) = &container.healthcheck {
        said.insert("healthcheck", one(&format!("{:?}", check.test)));
    }
    said
}

fn theirs(key: &str, config: &Json, folder: &Path) -> ServiceMeaning {
    let text = |json: &Json| match json.as_str() {
        // As Python writes what YAML calls `true`.
        Some(text @ ("True" | "False")) => text.to_lowercase(),
        Some(text) => text.to_owned(),
        None => json.to_string(),
    };
    let list = |key: &str| config[key].as_array().into_iter().flatten().map(text).collect::<BTreeSet<String>>();
    let map = |key: &str| -> BTreeSet<String> {
        let entries = config[key].as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        entries.map(|(name, value)| format!("{name}={}", text(value))).collect()
    };
    let one = |key: &str| -> BTreeSet<String> {
        Some(&config[key]).filter(|value| !value.is_null()).map(text).into_iter().collect()
    };
    let items = |key: &str| config[key].as_array().into_iter().flatten();
    let granted = |key: &str, usual: &str| -> Vec<String> {
        let target = |item: &Json| {
            let target = item["target"].as_str().or(item["source"].as_str()).or(item.as_str()).unwrap_or_default();
            if target.starts_with('/') { format!("here {target}") } else { format!("here {usual}{target}") }
        };
        items(key).map(target).collect()
    };
    let files = granted("configs", "/").into_iter().chain(granted("secrets", "/run/secrets/"));
    let mut said = ServiceMeaning::from([
        ("environment", map("environment")),
        ("labels", map("labels")),
        ("mounts", items("volumes").map(|item| mounted(key, item, folder)).chain(files).collect()),
        ("user", one("user")),
        ("hostname", one("hostname")),
        ("name", one("container_name")),
        ("cap_add", list("cap_add").into_iter().map(|name| name.trim_start_matches("CAP_").to_owned()).collect()),
    ]);
    if config["deploy"]["restart_policy"].is_null() {
        let restart = one("restart").pop_first().unwrap_or_else(|| "no".to_owned());
        said.insert("restart", BTreeSet::from([restart]));
    }
    if let Some(image) = config["image"].as_str() {
        let name = image.rsplit('/').next().unwrap_or_default();
        let tagged = if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") };
        said.insert("image", BTreeSet::from([tagged]));
    }
    // How a text is divided into words, only a shell says; a list is as it is.
    for key in ["command", "entrypoint"] {
        if let Some(words) = config[key].as_array() {
            let words: Vec<String> = words.iter().map(text).collect();
            said.insert(key, BTreeSet::from([format!("{words:?}")]));
        }
    }
    for flag in ["privileged", "tty", "stdin_open", "init", "read_only"] {
        said.insert(flag, one(flag).into_iter().filter(|word| word == "true").collect());
    }
    let mode: BTreeSet<String> = one("network_mode").into_iter().filter(|mode| mode != "bridge").collect();
    // On the host's network it publishes none.
    let ports = items("ports").filter(|_| !mode.contains("host")).flat_map(published);
    said.insert("ports", ports.collect());
    said.insert("network_mode", mode);
    let named = config["depends_on"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let depends = named.chain(list("depends_on"));
    let links = list("links").into_iter().map(|link| link.split(':').next().unwrap_or_default().to_owned());
    said.insert("depends_on", links.chain(depends).collect());
    let check = &config["healthcheck"]["test"];
    let line = check.as_str().map(|line| format!("{:?}", ["CMD-SHELL", line]));
    let words = check.as_array().map(|words| format!("{:?}", words.iter().map(text).collect::<Vec<String>>()));
    if let Some(check) = line.or(words) {
        said.insert("healthcheck", BTreeSet::from([check]));
    }
    said
}

/// `8080:80` in either form, each of a range; nothing where no port of the host is named.
fn published(item: &Json) -> Vec<String> {
    let long = |item: &Json| {
        let number =
            |key: &str| item[key].as_u64().map(|number| number.to_string()).or(item[key].as_str().map(str::to_owned));
        let protocol = item["protocol"].as_str().unwrap_or("tcp");
        let ip = item["external_ip"].as_str().or(item["host_ip"].as_str()).unwrap_or("0.0.0.0");
        Some(format!("{ip}:{}:{}/{protocol}", number("published")?, number("target")?))
    };
    let Some(text) = item.as_str() else { return long(item).into_iter().collect() };
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let Some((rest, target)) = numbers.rsplit_once(':') else { return Vec::new() };
    let (ip, published) = rest.rsplit_once(':').unwrap_or(("0.0.0.0", rest));
    if published.is_empty() {
        return Vec::new();
    }
    let range = |text: &str| -> Vec<u16> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        (first.parse().unwrap()..=last.parse().unwrap()).collect()
    };
    let pairs = range(published).into_iter().zip(range(target));
    pairs.map(|(published, target)| format!("{ip}:{published}:{target}/{protocol}")).collect()
}

/// A mount in either form; what lies in or beside the project's folder is only known to.
fn mounted(key: &str, item: &Json, folder: &Path) -> String {
    let parent = folder.parent().unwrap().to_str().unwrap();
    let (source, target, read_only) = match item.as_str() {
        Some(text) => {
            let mut parts = text.splitn(3, ':');
            let (source, target) = (parts.next().unwrap_or_default(), parts.next());
            let options = parts.next().unwrap_or_default();
            let Some(target) = target else { return format!("nameless {source}") };
            (source.to_owned(), target.to_owned(), options.split(',').any(|option| option == "ro"))
        }
        None => {
            let of = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
            if of("type") == "tmpfs" {
                return format!("tmpfs {}", of("target"));
            }
            (of("source"), of("target"), item["read_only"].as_bool() == Some(true))
        }
    };
    if source == format!("{key}_{}", as_word(&target)) {
        return format!("nameless {target}");
    }
    if source.starts_with(parent) { format!("here {target}") } else { format!("{source} {target} {read_only}") }
}
