//! Starting a container: networks, published ports and the loopback listener, all of them or none.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::endpoint::add_own_aliases;
use super::exec::job_exit;
use super::merge::{array, object};
use super::page;
use super::spec::Behaviour;
use super::state::{Answer, Endpoint, Health, Published, Refusal, State, Status, refuse};

/// A container that starts on one of its networks, with the address that it gets there.
struct Plugged {
    network: usize,
    name: String,
    endpoint: Endpoint,
}

impl State {
    /// Starts the process, or writes down why it could not be.
    pub(super) fn run(&mut self, index: usize) -> Answer<()> {
        match self.prepare(index) {
            Ok(()) => (),
            Err(refusal) => {
                let container = &mut self.containers[index];
                container.error.clone_from(&refusal.message);
                if container.exit_code == 0 {
                    container.exit_code = 128;
                }
                return Err(refusal);
            }
        }
        let pid = self.new_pid();
        let container = &mut self.containers[index];
        container.status = Status::Running;
        container.pid = pid;
        container.exit_code = 0;
        container.error.clear();
        container.started = Some(crate::clock::now());
        container.run += 1;
        container.looks = 0;
        container.health = has_healthcheck(&container.config).then(|| Health { status: "starting", log: Vec::new() });
        self.emit_mounts(index, "mount");
        self.emit_container(index, "start", &[]);
        let container = &mut self.containers[index];
        let exits = match container.behaviour {
            Behaviour::Exit(code) => Some(code),
            Behaviour::Serve | Behaviour::Unhealthy | Behaviour::HealthyAfter(_) | Behaviour::SlowStart(_) => {
                job_exit(&container.config)
            }
        };
        let said = match exits {
            Some(code) => format!("exiting with code {code}\n"),
            None => "listening\n".to_owned(),
        };
        let said = format!("{}{said}", printed_environment(&container.config));
        container.logs.push((1, crate::clock::now(), said));
        match exits {
            Some(code) => self.exited(index, code),
            None => self.watch_health(index),
        }
        Ok(())
    }

    /// Networks, published ports and the loopback listener: all of them or none.
    fn prepare(&mut self, index: usize) -> Answer<()> {
        let container = &self.containers[index];
        if container.is_held {
            return refuse(500, format!("task {}: already exists", container.id));
        }
        let mode = container.network_mode().to_owned();
        if let Some(other) = mode.strip_prefix("container:") {
            let other = &self.containers[self.find(other)?];
            if other.status != Status::Running {
                let id = &other.id;
                return refuse(409, format!("cannot join network of a non running container: {id}"));
            }
        }
        let id = container.id.clone();
        let (plugged, failed) = self.plug_all(index, &mode);
        let result = match failed {
            Some(refusal) => Err(refusal),
            None => self.free_ports(index, &plugged),
        };
        let published = match result {
            Ok(published) => published,
            Err(refusal) => {
                self.unplug_all(index, plugged);
                return Err(refusal);
            }
        };
        let listener = page::listen(self, &id)?;
        let sandbox = if mode.starts_with("container:") { String::new() } else { self.new_id("sandbox") };
        let container = &mut self.containers[index];
        container.listener.0 = Some(listener);
        container.published = published;
        container.sandbox = sandbox;
        for Plugged { network, name, endpoint } in plugged {
            self.containers[index].networks.insert(name, endpoint);
            self.emit_network(network, "connect", Some(&id));
        }
        Ok(())
    }

    /// Plugs a container into its networks, up to the first that refuses it.
    fn plug_all(&mut self, index: usize, mode: &str) -> (Vec<Plugged>, Option<Refusal>) {
        let mut names: Vec<String> = self.containers[index].networks.keys().cloned().collect();
        // The network of the mode comes first, then the others by name.
        names.sort_by_key(|name| *name != mode);
        let (mut plugged, mut planned) = (Vec::new(), BTreeSet::new());
        for name in names {
            let Some(mut endpoint) = self.containers[index].networks.get(&name).cloned() else {
                continue;
            };
            if !matches!(name.as_str(), "bridge" | "host" | "none") {
                add_own_aliases(&mut endpoint, &self.containers[index]);
                self.containers[index].networks.insert(name.clone(), endpoint.clone());
            }
            let term = match endpoint.network_id.as_str() {
                "" => name.as_str(),
                id => id,
            };
            let found = self.find_network(term);
            match found.and_then(|network| Ok((network, self.plug(network, endpoint, &planned)?))) {
                Ok((network, endpoint)) => {
                    planned.extend(endpoint.address.map(|address| (network, address)));
                    plugged.push(Plugged { network, name, endpoint });
                }
                Err(refusal) => return (plugged, Some(refusal)),
            }
        }
        (plugged, None)
    }

    /// Takes back what was plugged; of the networks only their ids are kept.
    fn unplug_all(&mut self, index: usize, plugged: Vec<Plugged>) {
        let id = self.containers[index].id.clone();
        for Plugged { network, name, endpoint } in plugged {
            if let Some(kept) = self.containers[index].networks.get_mut(&name) {
                kept.network_id = endpoint.network_id;
            }
            self.emit_network(network, "disconnect", Some(&id));
        }
    }

    /// The host ports it asks for, all of them free. Without a network nothing is published.
    fn free_ports(&self, index: usize, plugged: &[Plugged]) -> Answer<Vec<Published>> {
        let container = &self.containers[index];
        let bridged = |on: &&Plugged| self.networks[on.network].driver == "bridge";
        let Some(Plugged { endpoint, .. }) = plugged.iter().find(bridged) else {
            return Ok(Vec::new());
        };
        let mut published: Vec<Published> = Vec::new();
        let exposed = object(&container.config, "ExposedPorts");
        for (key, wishes) in &object(&container.host, "PortBindings") {
            // A binding of a port that is not exposed does nothing, and nobody says so (20.10).
            if !exposed.contains_key(key) {
                continue;
            }
            let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
            let Ok(port) = port.parse::<u16>() else {
                return refuse(400, format!("invalid port specification: \"{key}\""));
            };
            for wish in wishes.as_array().unwrap_or(&Vec::new()) {
                let asked = wish["HostPort"].as_str().unwrap_or_default();
                let asked: u16 = asked.parse().unwrap_or(0);
                let host_ip = match wish["HostIp"].as_str() {
                    None | Some("") => "0.0.0.0",
                    Some(address) => address,
                };
                let clash = |port: u16| {
                    let others = self.containers.iter().flat_map(|c| &c.published);
                    others.chain(&published).any(|other| {
                        other.protocol == protocol && other.host_port == port && same_address(&other.host_ip, host_ip)
                    })
                };
                let host_port =
                    if asked == 0 { (49_153..=u16::MAX).find(|port| !clash(*port)).unwrap_or(0) } else { asked };
                if clash(host_port) {
                    let (name, id) = (&container.name, &endpoint.endpoint_id);
                    return refuse(
                        500,
                        format!(
                            "driver failed programming external connectivity on endpoint {name} ({id}): \
                             Bind for {host_ip}:{host_port} failed: port is already allocated"
                        ),
                    );
                }
                published.push(Published {
                    port,
                    protocol: protocol.to_owned(),
                    host_ip: host_ip.to_owned(),
                    host_port,
                });
            }
        }
        Ok(published)
    }
}

fn has_healthcheck(config: &Map<String, Value>) -> bool {
    let test = array(&object(config, "Healthcheck"), "Test");
    test.first().is_some_and(|word| word != "NONE")
}

fn same_address(one: &str, other: &str) -> bool {
    one == other || one == "0.0.0.0" || other == "0.0.0.0"
}

/// What the command `env` prints; nothing of any other.
fn printed_environment(config: &Map<String, Value>) -> String {
    let words = |name: &str| -> Vec<&str> {
        config.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    if words("Cmd") != ["env"] {
        return String::new();
    }
    words("Env").into_iter().map(|entry| format!("{entry}\n")).collect()
}
