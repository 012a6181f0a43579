//! The one world behind the API: what exists, where it is found, and the events that tell of changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};
use tokio::runtime::Handle;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::AbortHandle;

use super::ipam::Subnet;
use super::spec::{Behaviour, DockerOptions, ImageSpec};

/// The real engine remembers this many events for `since`.
const HISTORY_MAX: usize = 256;
/// Events a slow reader may be behind before it loses some.
const BACKLOG_MAX: usize = 4096;

/// A refusal as the engine words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The `message` of the body.
    pub message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} ({})", self.message, self.status)
    }
}

impl std::error::Error for Refusal {}

pub(super) type Answer<T> = Result<T, Refusal>;

pub(super) fn refuse<T>(status: u16, message: impl Into<String>) -> Answer<T> {
    Err(Refusal { status, message: message.into() })
}

#[derive(Debug)]
pub(super) struct Engine {
    state: Mutex<State>,
}

impl Engine {
    pub(super) fn new(options: DockerOptions) -> Arc<Self> {
        Arc::new_cyclic(|engine| Self { state: Mutex::new(State::new(options, engine.clone())) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) options: DockerOptions,
    /// Newest last.
    pub(super) containers: Vec<Container>,
    pub(super) networks: Vec<Network>,
    pub(super) volumes: BTreeMap<String, Volume>,
    /// Folders of the host that binds made, for this simulator only.
    pub(super) folders: BTreeSet<PathBuf>,
    pub(super) images: Vec<Image>,
    /// What can be pulled, by familiar reference.
    pub(super) registry: BTreeMap<String, ImageSpec>,
    pub(super) execs: BTreeMap<String, Exec>,
    /// What `nginx -t` says, by name of the container.
    pub(super) nginxes: BTreeMap<String, NginxTest>,
    pub(super) history: VecDeque<Value>,
    /// `None` ends every stream: the engine went away.
    pub(super) events: broadcast::Sender<Option<Value>>,
    /// Counts changes, for those who wait for one.
    pub(super) changed: watch::Sender<u64>,
    pub(super) down: bool,
    pub(super) engine: Weak<Engine>,
    pub(super) handle: Handle,
    /// Where the search for a default pool goes on.
    pub(super) next_pool: usize,
    pub(super) made: u64,
}

/// What an nginx objects to; `None`: nothing.
#[derive(Clone)]
pub(super) struct NginxTest(pub(super) Arc<dyn Fn() -> Option<String> + Send + Sync>);

impl std::fmt::Debug for NginxTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NginxTest")
    }
}

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created: Timestamp,
    pub(super) image_id: String,
    pub(super) config: Map<String, Value>,
    pub(super) host: Map<String, Value>,
    pub(super) networks: BTreeMap<String, Endpoint>,
    pub(super) mounts: Vec<Mount>,
    pub(super) status: Status,
    pub(super) pid: u32,
    pub(super) exit_code: i64,
    pub(super) error: String,
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
    pub(super) health: Option<Health>,
    pub(super) restart_count: i64,
    /// Quick exits in a row: the restart pause doubles with each.
    pub(super) failures: u32,
    pub(super) stopped_by_hand: bool,
    pub(super) exits: u64,
    /// Counts starts, so that a timer of an earlier one does nothing.
    pub(super) run: u64,
    /// Inspects and tries to reach it since the start.
    pub(super) looks: u32,
    pub(super) sandbox: String,
    pub(super) published: Vec<Published>,
    pub(super) listener: Listening,
    pub(super) logs: Vec<(u8, Timestamp, String)>,
    pub(super) behaviour: Behaviour,
    /// TCP ports it listens on; none means every port.
    pub(super) ports: Vec<u16>,
    /// The engine was killed while it started this one: what lies below it holds its task for good.
    pub(super) is_held: bool,
    /// Times its published ports changed networks.
    pub(super) port_moves: u64,
    pub(super) uploads: Vec<(String, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Created,
    Running,
    Restarting,
    Exited,
}

#[derive(Debug, Clone)]
pub(super) struct Health {
    pub(super) status: &'static str,
    pub(super) log: Vec<Value>,
}

/// A container's place on a network. Without an address while it does not run.
#[derive(Debug, Clone, Default)]
pub(super) struct Endpoint {
    pub(super) ipam: Value,
    pub(super) links: Value,
    /// API 1.44 and later: asked for.
    pub(super) mac: Option<String>,
    /// API 1.48 and later.
    pub(super) priority: Option<i64>,
    pub(super) aliases: Option<Vec<String>>,
    pub(super) driver_opts: Value,
    pub(super) network_id: String,
    pub(super) endpoint_id: String,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) gateway: Option<Ipv4Addr>,
    pub(super) prefix: u8,
}

#[derive(Debug, Clone)]
pub(super) struct Mount {
    pub(super) shown: Value,
    pub(super) volume: Option<String>,
    pub(super) anonymous: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) port: u16,
    pub(super) protocol: String,
    pub(super) host_ip: String,
    pub(super) host_port: u16,
}

/// Where a container listens; a copy of it listens nowhere.
#[derive(Debug, Default)]
pub(super) struct Listening(pub(super) Option<Listener>);

impl Clone for Listening {
    fn clone(&self) -> Self {
        Self(None)
    }
}

/// The loopback listener that stands for a running container.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) task: AbortHandle,
    /// Told when the open connections are to be cut.
    pub(super) cut: Arc<Notify>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Clone)]
pub(super) struct Network {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) driver: String,
    /// As asked for, shown by inspect.
    pub(super) shown: Map<String, Value>,
    pub(super) subnet: Option<Subnet>,
    pub(super) range: Option<Subnet>,
    pub(super) gateway: Option<Ipv4Addr>,
    /// The subnet was asked for: only then may a container ask for an address.
    pub(super) subnet_given: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Volume {
    pub(super) created: Timestamp,
    pub(super) driver: String,
    pub(super) labels: Value,
    pub(super) options: Value,
}

#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) id: String,
    /// Familiar references with tag.
    pub(super) tags: Vec<String>,
    /// `name@sha256:…`.
    pub(super) digests: Vec<String>,
    pub(super) created: Timestamp,
    pub(super) spec: ImageSpec,
}

#[derive(Debug, Clone)]
pub(super) struct Exec {
    pub(super) container: String,
    pub(super) command: Vec<String>,
    pub(super) asked: Value,
    pub(super) exit_code: Option<i64>,
    pub(super) started: bool,
    pub(super) pid: u32,
}

impl State {
    fn new(options: DockerOptions, engine: Weak<Engine>) -> Self {
        Self {
            options,
            containers: Vec::new(),
            networks: Vec::new(),
            volumes: BTreeMap::new(),
            folders: BTreeSet::new(),
            images: Vec::new(),
            registry: BTreeMap::new(),
            execs: BTreeMap::new(),
            nginxes: BTreeMap::new(),
            history: VecDeque::new(),
            events: broadcast::Sender::new(BACKLOG_MAX),
            changed: watch::Sender::new(0),
            down: false,
            engine,
            handle: Handle::current(),
            next_pool: 0,
            made: 0,
        }
    }

    /// Whether the API is at least 1.`minor`.
    pub(super) fn speaks(&self, minor: u32) -> bool {
        self.minor() >= minor
    }

    /// Of the API, 1.`minor`.
    pub(super) fn minor(&self) -> u32 {
        let own = self.options.api_version.split_once('.');
        own.and_then(|(_, own)| own.parse().ok()).unwrap_or_default()
    }

    /// A fresh 64-digit id: the n-th of a simulator is always the same, so that runs replay.
    pub(super) fn new_id(&mut self, kind: &str) -> String {
        self.made += 1;
        digest(&format!("{kind} {}", self.made))
    }

    pub(super) fn new_pid(&mut self) -> u32 {
        self.made += 1;
        4000 + u32::try_from(self.made % 1_000_000).unwrap_or(0)
    }

    /// By id, name, or the beginning of an id; in this order, as the engine looks.
    pub(super) fn find(&self, term: &str) -> Answer<usize> {
        let name = term.trim_start_matches('/');
        let exact = self
            .containers
            .iter()
            .position(|container| container.id == term)
            .or_else(|| self.containers.iter().position(|c| c.name == name));
        if let Some(index) = exact {
            return Ok(index);
        }
        let mut begins = self
            .containers
            .iter()
            .enumerate()
            .filter(|(_, container)| !term.is_empty() && container.id.starts_with(term));
        match (begins.next(), begins.next()) {
            (Some((index, _)), None) => Ok(index),
            (Some(_), Some(_)) => refuse(400, format!("Multiple IDs found with provided prefix: {term}")),
            (None, _) => refuse(404, format!("No such container: {term}")),
        }
    }

    /// By id, name, or the beginning of an id.
    pub(super) fn find_network(&self, term: &str) -> Answer<usize> {
        if let Some(index) = self.networks.iter().position(|network| network.id == term) {
            return Ok(index);
        }
        let tests: [fn(&Network, &str) -> bool; 2] =
            [|network, term| network.name == term, |network, term| !term.is_empty() && network.id.starts_with(term)];
        for (test, by) in tests.iter().zip(["name", "ID prefix"]) {
            let found: Vec<usize> =
                (0..self.networks.len()).filter(|index| test(&self.networks[*index], term)).collect();
            match found.as_slice() {
                [] => (),
                [index] => return Ok(*index),
                more => {
                    let count = more.len();
                    return refuse(400, format!("network {term} is ambiguous ({count} matches found based on {by})"));
                }
            }
        }
        refuse(404, format!("network {term} not found"))
    }

    /// Tells everybody. Container and image events carry the old `status`, `id` and `from` as well, the others do not.
    pub(super) fn emit(&mut self, kind: &str, action: &str, id: &str, attributes: Value) {
        let now = crate::clock::now();
        let mut event = json!({
            "Type": kind,
            "Action": action,
            "Actor": {"ID": id, "Attributes": attributes},
            "scope": "local",
            "time": now.as_second(),
            "timeNano": i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX),
        });
        let speaks_plainly = self.speaks(52);
        if !speaks_plainly && (kind == "container" || kind == "image") {
            event["status"] = json!(action);
            event["id"] = json!(id);
        }
        if !speaks_plainly && kind == "container" {
            event["from"] = event["Actor"]["Attributes"]["image"].clone();
        }
        self.history.push_back(event.clone());
        if self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
        // Nobody listening is no error.
        let _ = self.events.send(Some(event));
        self.changed.send_modify(|count| *count += 1);
    }

    /// A container event: its labels, image and name, and what is special to the action.
    pub(super) fn emit_container(&mut self, index: usize, action: &str, more: &[(&str, &str)]) {
        let container = &self.containers[index];
        let mut attributes = Map::new();
        if let Some(labels) = container.config.get("Labels").and_then(Value::as_object) {
            attributes.extend(labels.clone());
        }
        attributes.insert("image".to_owned(), container.config["Image"].clone());
        attributes.insert("name".to_owned(), json!(container.name));
        for (key, value) in more {
            attributes.insert((*key).to_owned(), json!(value));
        }
        let id = container.id.clone();
        self.emit("container", action, &id, Value::Object(attributes));
    }

    pub(super) fn emit_network(&mut self, index: usize, action: &str, container: Option<&str>) {
        let network = &self.networks[index];
        let mut attributes = json!({"name": network.name, "type": network.driver});
        if let Some(container) = container {
            attributes["container"] = json!(container);
        }
        let id = network.id.clone();
        self.emit("network", action, &id, attributes);
    }
}

impl Container {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.status, Status::Running | Status::Restarting)
    }

    pub(super) fn network_mode(&self) -> &str {
        match text(&self.host, "NetworkMode") {
            "default" => "bridge",
            mode => mode,
        }
    }
}

pub(super) fn text<'a>(object: &'a Map<String, Value>, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// 64 hexadecimal digits that depend on `seed` only.
pub(super) fn digest(seed: &str) -> String {
    let head = hex::encode(Sha1::digest(seed.as_bytes()));
    let tail = hex::encode(Sha1::digest(format!("{seed}…").as_bytes()));
    format!("{head}{}", &tail[..24])
}

pub(super) fn short(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}
