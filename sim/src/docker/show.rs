//! What `GET /containers/{id}/json` and `GET /containers/json` say of a container.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::endpoint::mac_of;
use super::merge::object;
use super::state::{Container, Endpoint, State, Status, text};

/// How the engine writes a time that never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

impl State {
    /// Inspect.
    pub(super) fn inspect(&self, index: usize) -> Value {
        let container = &self.containers[index];
        let id = &container.id;
        let (path, arguments) = command(container);
        let ran = container.started.is_some();
        let file = |name: &str| if ran { format!("/var/lib/docker/containers/{id}/{name}") } else { String::new() };
        let execs: Vec<&String> = self
            .execs
            .iter()
            .filter(|(_, e)| container.is_running() && e.container == *id && e.exit_code.is_none())
            .map(|(id, _)| id)
            .collect();
        let layer = super::state::digest(&format!("layer {id}"));
        let mounts: Vec<&Value> = container.mounts.iter().map(|mount| &mount.shown).collect();
        json!({
            "Id": id, "Created": container.created.to_string(), "Path": path, "Args": arguments,
            "State": state(container), "Image": container.image_id,
            "ResolvConfPath": file("resolv.conf"), "HostnamePath": file("hostname"), "HostsPath": file("hosts"),
            "LogPath": file(&format!("{id}-json.log")), "Name": format!("/{}", container.name),
            "RestartCount": container.restart_count, "Driver": "overlay2", "Platform": "linux", "MountLabel": "",
            "ProcessLabel": "", "AppArmorProfile": "",
            "ExecIDs": if execs.is_empty() { Value::Null } else { json!(execs) },
            "HostConfig": container.host,
            "GraphDriver": {"Data": {
                "LowerDir": format!("/var/lib/docker/overlay2/{layer}-init/diff"),
                "MergedDir": format!("/var/lib/docker/overlay2/{layer}/merged"),
                "UpperDir": format!("/var/lib/docker/overlay2/{layer}/diff"),
                "WorkDir": format!("/var/lib/docker/overlay2/{layer}/work"),
            }, "Name": "overlay2"},
            "Mounts": mounts, "Config": container.config,
            "NetworkSettings": network_settings(container),
        })
    }

    /// An entry of the list.
    pub(super) fn listed(&self, index: usize) -> Value {
        let container = &self.containers[index];
        let (path, arguments) = command(container);
        let command: Vec<&str> = std::iter::once(path.as_str()).chain(arguments.iter().map(String::as_str)).collect();
        // The reference is shown only while it still means the image that the container was made from.
        let written = text(&container.config, "Image");
        let same = self.find_image(written).is_some_and(|at| self.images[at].id == container.image_id);
        let image = if same { written } else { container.image_id.as_str() };
        let networks = container.networks.iter().map(|(name, endpoint)| {
            let mut shown = endpoint_json(endpoint);
            // The list leaves aliases out (20.10).
            shown["Aliases"] = Value::Null;
            (name.clone(), shown)
        });
        let networks: Map<String, Value> = networks.collect();
        let mounts = container.mounts.iter().map(|mount| {
            let mut shown = mount.shown.clone();
            if mount.anonymous && shown["Mode"] == "" {
                shown["Source"] = json!("");
            }
            shown
        });
        let mounts: Vec<Value> = mounts.collect();
        let mode = &container.host["NetworkMode"];
        json!({
            "Id": container.id, "Names": [format!("/{}", container.name)], "Image": image,
            "ImageID": container.image_id, "Command": command.join(" "), "Created": container.created.as_second(),
            "Ports": listed_ports(container), "Labels": container.config["Labels"],
            "State": status_word(container), "Status": status_text(container, crate::clock::now()),
            "HostConfig": {"NetworkMode": mode}, "NetworkSettings": {"Networks": networks}, "Mounts": mounts,
        })
    }
}

fn state(container: &Container) -> Value {
    let time = |at: Option<Timestamp>| at.map_or_else(|| NEVER.to_owned(), |at| at.to_string());
    let mut state = json!({
        "Status": status_word(container), "Running": container.is_running(), "Paused": false,
        "Restarting": container.status == Status::Restarting, "OOMKilled": false, "Dead": false,
        "Pid": container.pid, "ExitCode": container.exit_code, "Error": container.error,
        "StartedAt": time(container.started), "FinishedAt": time(container.finished),
    });
    if let Some(health) = &container.health {
        let streak = if health.status == "unhealthy" { health.log.len() } else { 0 };
        state["Health"] = json!({"Status": health.status, "FailingStreak": streak, "Log": health.log});
    }
    state
}

pub(super) fn status_word(container: &Container) -> &'static str {
    match container.status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Restarting => "restarting",
        Status::Exited => "exited",
    }
}

fn status_text(container: &Container, now: Timestamp) -> String {
    let since = |at: Option<Timestamp>| at.map_or(String::new(), |at| human(now.as_second() - at.as_second()));
    let code = container.exit_code;
    match container.status {
        Status::Created => "Created".to_owned(),
        Status::Restarting => format!("Restarting ({code}) {} ago", since(container.finished)),
        Status::Exited => format!("Exited ({code}) {} ago", since(container.finished)),
        Status::Running => {
            let health = match container.health.as_ref().map(|health| health.status) {
                None => String::new(),
                Some("starting") => " (health: starting)".to_owned(),
                Some(word) => format!(" ({word})"),
            };
            format!("Up {}{health}", since(container.started))
        }
    }
}

/// As `go-units` says it.
fn human(seconds: i64) -> String {
    let hours = (seconds + 1800) / 3600;
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 if hours == 0 || seconds < 3600 => format!("{} minutes", seconds / 60),
        _ if hours <= 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

fn network_settings(container: &Container) -> Value {
    let running = container.status == Status::Running;
    let none = Endpoint::default();
    // The old top-level fields speak of the default bridge only.
    let bridge = container.networks.get("bridge").unwrap_or(&none);
    let networks = container.networks.iter().map(|(name, on)| (name.clone(), endpoint_json(on)));
    let networks: Map<String, Value> = networks.collect();
    let old = endpoint_json(bridge);
    let sandbox = match container.network_mode() {
        "host" => "default",
        _ => container.sandbox.get(..12).unwrap_or_default(),
    };
    let key = match sandbox {
        "" => String::new(),
        name => format!("/var/run/docker/netns/{name}"),
    };
    let ports = if running { port_map(container) } else { json!({}) };
    json!({
        "Bridge": "", "SandboxID": container.sandbox, "HairpinMode": false, "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0, "Ports": ports, "SandboxKey": key, "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null, "EndpointID": old["EndpointID"], "Gateway": old["Gateway"],
        "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "IPAddress": old["IPAddress"],
        "IPPrefixLen": old["IPPrefixLen"], "IPv6Gateway": "", "MacAddress": old["MacAddress"],
        "Networks": networks,
    })
}

fn endpoint_json(endpoint: &Endpoint) -> Value {
    let address = endpoint.address.map(|a| a.to_string()).unwrap_or_default();
    let gateway = endpoint.gateway.map(|a| a.to_string()).unwrap_or_default();
    let mac = endpoint.address.map(|at| endpoint.mac.clone().unwrap_or_else(|| mac_of(at))).unwrap_or_default();
    let mut shown = json!({
        "IPAMConfig": endpoint.ipam, "Links": endpoint.links, "Aliases": endpoint.aliases,
        "NetworkID": endpoint.network_id, "EndpointID": endpoint.endpoint_id, "Gateway": gateway,
        "IPAddress": address, "IPPrefixLen": endpoint.prefix, "IPv6Gateway": "", "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0, "MacAddress": mac, "DriverOpts": endpoint.driver_opts,
    });
    if let Some(priority) = endpoint.priority {
        shown["GwPriority"] = json!(priority);
    }
    shown
}

/// Exposed and published ports; one that is published on every address shows for IPv4 and IPv6.
fn port_map(container: &Container) -> Value {
    let bridged = container.networks.values().any(|on| on.address.is_some());
    if !bridged {
        return json!({});
    }
    let mut ports: Map<String, Value> =
        object(&container.config, "ExposedPorts").keys().map(|key| (key.clone(), Value::Null)).collect();
    for published in &container.published {
        let key = format!("{}/{}", published.port, published.protocol);
        let entry = ports.entry(key).or_insert(Value::Null);
        if entry.is_null() {
            *entry = json!([]);
        }
        if let Some(list) = entry.as_array_mut() {
            for address in addresses(&published.host_ip) {
                list.push(json!({"HostIp": address, "HostPort": published.host_port.to_string()}));
            }
        }
    }
    Value::Object(ports)
}

fn listed_ports(container: &Container) -> Vec<Value> {
    let mut ports = Vec::new();
    let map = match container.status {
        Status::Running => port_map(container),
        Status::Created | Status::Restarting | Status::Exited => json!({}),
    };
    for (key, bindings) in map.as_object().into_iter().flatten() {
        let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
        let port: u16 = port.parse().unwrap_or(0);
        let Some(bindings) = bindings.as_array() else {
            ports.push(json!({"PrivatePort": port, "Type": protocol}));
            continue;
        };
        for binding in bindings {
            let public: u16 = binding["HostPort"].as_str().unwrap_or_default().parse().unwrap_or(0);
            ports.push(json!({
                "IP": binding["HostIp"], "PrivatePort": port, "PublicPort": public, "Type": protocol,
            }));
        }
    }
    ports
}

fn addresses(host_ip: &str) -> Vec<&str> {
    match host_ip {
        "0.0.0.0" => vec!["0.0.0.0", "::"],
        one => vec![one],
    }
}

fn command(container: &Container) -> (String, Vec<String>) {
    let mut words = words(&container.config, "Entrypoint");
    words.extend(self::words(&container.config, "Cmd"));
    if words.is_empty() {
        return ("/run".to_owned(), Vec::new());
    }
    let path = words.remove(0);
    (path, words)
}

/// A command may be given as a list or as one text.
pub(super) fn words(of: &Map<String, Value>, key: &str) -> Vec<String> {
    match of.get(key) {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(word)) => vec![word.clone()],
        _ => Vec::new(),
    }
}
