//! A container's life as the API drives it: start, exit, stop, kill, rename, update, remove.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::create::{check_restart, name_taken};
use super::exec::job_exit;
use super::merge::{array, object};
use super::networks::add_own_aliases;
use super::page;
use super::spec::Behaviour;
use super::state::{Answer, Endpoint, Health, Published, State, Status, refuse, text};
use super::supervise;
use super::volumes::is_name;

/// As in the real engine: who ran this long starts again with the shortest pause.
const LONG_RUN_SECONDS: i64 = 10;

impl State {
    /// `POST /containers/{id}/start`; false when it runs already.
    pub(super) fn start(&mut self, term: &str) -> Answer<bool> {
        let index = self.find(term)?;
        let container = &mut self.containers[index];
        if container.is_running() {
            return Ok(false);
        }
        container.stopped_by_hand = false;
        container.restart_count = 0;
        container.failures = 0;
        self.run(index)?;
        Ok(true)
    }

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
        container.started = Some(Timestamp::now());
        container.run += 1;
        container.looks = 0;
        container.health = has_healthcheck(&container.config).then(|| Health {
            status: "starting",
            log: Vec::new(),
        });
        self.emit_mounts(index, "mount");
        self.emit_container(index, "start", &[]);
        let container = &mut self.containers[index];
        let exits = match container.behaviour {
            Behaviour::Exit(code) => Some(code),
            Behaviour::Serve
            | Behaviour::Unhealthy
            | Behaviour::HealthyAfter(_)
            | Behaviour::SlowStart(_) => job_exit(&container.config),
        };
        let said = match exits {
            Some(code) => format!("exiting with code {code}\n"),
            None => "listening\n".to_owned(),
        };
        container.logs.push((1, Timestamp::now(), said));
        match exits {
            Some(code) => self.exited(index, code),
            None => self.watch_health(index),
        }
        Ok(())
    }

    /// Networks, published ports and the loopback listener: all of them or none.
    fn prepare(&mut self, index: usize) -> Answer<()> {
        let container = &self.containers[index];
        let mode = container.network_mode().to_owned();
        if let Some(other) = mode.strip_prefix("container:") {
            let other = &self.containers[self.find(other)?];
            if other.status != Status::Running {
                let id = &other.id;
                return refuse(
                    409,
                    format!("cannot join network of a non running container: {id}"),
                );
            }
        }
        let id = container.id.clone();
        let mut names: Vec<String> = container.networks.keys().cloned().collect();
        // The network of the mode comes first, then the others by name.
        names.sort_by_key(|name| *name != mode);
        let (mut plugged, mut planned) = (Vec::new(), BTreeSet::new());
        let mut failed = None;
        for name in names {
            let Some(mut endpoint) = self.containers[index].networks.get(&name).cloned() else {
                continue;
            };
            if !matches!(name.as_str(), "bridge" | "host" | "none") {
                add_own_aliases(&mut endpoint, &self.containers[index]);
                self.containers[index]
                    .networks
                    .insert(name.clone(), endpoint.clone());
            }
            let term = match endpoint.network_id.as_str() {
                "" => name.as_str(),
                id => id,
            };
            let found = self.find_network(term);
            match found.and_then(|at| Ok((at, self.plug(at, endpoint, &planned)?))) {
                Ok((at, endpoint)) => {
                    planned.extend(endpoint.address.map(|address| (at, address)));
                    plugged.push((at, name, endpoint));
                }
                Err(refusal) => {
                    failed = Some(refusal);
                    break;
                }
            }
        }
        let result = match failed {
            Some(refusal) => Err(refusal),
            None => self.free_ports(index, &plugged),
        };
        let published = match result {
            Ok(published) => published,
            Err(refusal) => {
                for (at, name, endpoint) in plugged {
                    if let Some(kept) = self.containers[index].networks.get_mut(&name) {
                        kept.network_id = endpoint.network_id;
                    }
                    self.emit_network(at, "disconnect", Some(&id));
                }
                return Err(refusal);
            }
        };
        let listener = page::listen(self, &id)?;
        let sandbox = match mode.starts_with("container:") {
            true => String::new(),
            false => self.new_id("sandbox"),
        };
        let container = &mut self.containers[index];
        container.listener = Some(listener);
        container.published = published;
        container.sandbox = sandbox;
        for (at, name, endpoint) in plugged {
            self.containers[index].networks.insert(name, endpoint);
            self.emit_network(at, "connect", Some(&id));
        }
        Ok(())
    }

    /// The host ports it asks for, all of them free. Without a network nothing is published.
    fn free_ports(
        &self,
        index: usize,
        plugged: &[(usize, String, Endpoint)],
    ) -> Answer<Vec<Published>> {
        let container = &self.containers[index];
        let bridged =
            |(at, _, _): &&(usize, String, Endpoint)| self.networks[*at].driver == "bridge";
        let Some((_, _, endpoint)) = plugged.iter().find(bridged) else {
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
                        other.protocol == protocol
                            && other.host_port == port
                            && same_address(&other.host_ip, host_ip)
                    })
                };
                let host_port = if asked == 0 {
                    (49_153..=u16::MAX).find(|port| !clash(*port)).unwrap_or(0)
                } else {
                    asked
                };
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

    /// The process is gone, whoever ended it; the restart policy decides what follows.
    pub(super) fn exited(&mut self, index: usize, code: i64) {
        self.emit_container(index, "die", &[("exitCode", &code.to_string())]);
        self.release(index);
        self.emit_mounts(index, "unmount");
        let now = Timestamp::now();
        let container = &mut self.containers[index];
        container.status = Status::Exited;
        container.pid = 0;
        container.exit_code = code;
        container.finished = Some(now);
        container.exits += 1;
        container.run += 1;
        if let Some(health) = &mut container.health {
            health.status = "unhealthy";
        }
        let ran_long = container
            .started
            .is_some_and(|start| now.as_second() - start.as_second() >= LONG_RUN_SECONDS);
        if ran_long {
            container.failures = 0;
        }
        if supervise::wants_restart(container) {
            container.status = Status::Restarting;
            self.restart_later(index);
        } else if self.containers[index].host["AutoRemove"] == json!(true) {
            self.forget(index, true);
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// `POST /containers/{id}/stop`; false when it does not run.
    pub(super) fn stop(&mut self, term: &str) -> Answer<bool> {
        let index = self.find(term)?;
        let container = &mut self.containers[index];
        if !container.is_running() {
            return Ok(false);
        }
        container.stopped_by_hand = true;
        if container.status == Status::Restarting {
            container.status = Status::Exited;
        } else {
            self.emit_container(index, "kill", &[("signal", "15")]);
            let id = self.containers[index].id.clone();
            self.exited(index, 0);
            // It may have been removed by its own `--rm`.
            if self.find(&id).is_err() {
                return Ok(true);
            }
        }
        self.emit_container(index, "stop", &[]);
        Ok(true)
    }

    /// `POST /containers/{id}/kill`.
    pub(super) fn kill(&mut self, term: &str, signal: &str) -> Answer<()> {
        let index = self.find(term)?;
        let Some(number) = signal_number(signal) else {
            return refuse(400, format!("Invalid signal: {signal}"));
        };
        let container = &mut self.containers[index];
        if container.status != Status::Running {
            let id = &container.id;
            return refuse(
                409,
                format!("Cannot kill container: {term}: Container {id} is not running"),
            );
        }
        container.stopped_by_hand = true;
        self.emit_container(index, "kill", &[("signal", &number.to_string())]);
        // What a process usually does with these: reload, rotate, print.
        if !matches!(number, 1 | 10 | 12 | 17 | 18 | 23 | 28) {
            self.exited(index, 128 + number);
        }
        Ok(())
    }

    /// `POST /containers/{id}/restart`.
    pub(super) fn restart(&mut self, term: &str) -> Answer<()> {
        self.stop(term)?;
        self.start(term)?;
        let index = self.find(term)?;
        self.emit_container(index, "restart", &[]);
        Ok(())
    }

    /// The process ends by itself, as if by a bug.
    pub(super) fn crash(&mut self, term: &str, code: i64) -> Answer<()> {
        let index = self.find(term)?;
        if self.containers[index].status != Status::Running {
            let id = &self.containers[index].id;
            return refuse(409, format!("Container {id} is not running"));
        }
        let said = (2, Timestamp::now(), format!("crashed with code {code}\n"));
        self.containers[index].logs.push(said);
        self.exited(index, code);
        Ok(())
    }

    /// `POST /containers/{id}/rename`.
    pub(super) fn rename(&mut self, term: &str, new: &str) -> Answer<()> {
        let index = self.find(term)?;
        let new = new.trim_start_matches('/');
        if new.is_empty() {
            return refuse(400, "Neither old nor new names may be empty");
        }
        if !is_name(new) {
            return refuse(
                400,
                format!(
                    "Error when allocating new name: Invalid container name (/{new}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
                ),
            );
        }
        let old = self.containers[index].name.clone();
        if old == new {
            return refuse(
                400,
                "Renaming a container with the same name as its current name",
            );
        }
        if let Some(other) = self.containers.iter().find(|c| c.name == new) {
            let taken = name_taken(new, &other.id);
            return refuse(409, format!("Error when allocating new name: {taken}"));
        }
        self.containers[index].name = new.to_owned();
        self.emit_container(index, "rename", &[("oldName", &format!("/{old}"))]);
        Ok(())
    }

    /// `POST /containers/{id}/update`.
    pub(super) fn update(&mut self, term: &str, body: &Map<String, Value>) -> Answer<()> {
        let index = self.find(term)?;
        let policy = object(body, "RestartPolicy");
        check_restart(&policy)?;
        let container = &mut self.containers[index];
        let host = &mut container.host;
        let number = |of: &Map<String, Value>, key: &str| of.get(key).and_then(Value::as_i64);
        let swap = number(host, "MemorySwap").unwrap_or(0);
        if number(body, "MemorySwap").unwrap_or(0) == 0
            && number(body, "Memory").is_some_and(|memory| memory > swap && swap >= 0)
        {
            let id = &container.id;
            return refuse(
                409,
                format!(
                    "Cannot update container {id}: Memory limit should be smaller than already set \
                     memoryswap limit, update the memoryswap at the same time"
                ),
            );
        }
        for (key, value) in body {
            let zero = value.as_i64() == Some(0) || value.as_str() == Some("");
            if key != "RestartPolicy" && host.contains_key(key) && !value.is_null() && !zero {
                host.insert(key.clone(), value.clone());
            }
        }
        if !text(&policy, "Name").is_empty() {
            let mut policy = policy;
            policy.entry("MaximumRetryCount").or_insert(json!(0));
            host.insert("RestartPolicy".to_owned(), Value::Object(policy));
        }
        self.emit_container(index, "update", &[]);
        Ok(())
    }

    /// `DELETE /containers/{id}`.
    pub(super) fn remove(&mut self, term: &str, force: bool, volumes: bool) -> Answer<()> {
        let index = self.find(term)?;
        let container = &mut self.containers[index];
        if container.is_running() && !force {
            let id = &container.id;
            let state = if container.status == Status::Restarting {
                "restarting"
            } else {
                "running"
            };
            return refuse(
                409,
                format!(
                    "You cannot remove a {state} container {id}. Stop the container before attempting removal or force remove"
                ),
            );
        }
        if container.status == Status::Running {
            container.stopped_by_hand = true;
            container.host.insert("AutoRemove".to_owned(), json!(false));
            self.emit_container(index, "kill", &[("signal", "9")]);
            self.exited(index, 137);
        }
        self.forget(index, volumes);
        Ok(())
    }

    fn forget(&mut self, index: usize, volumes: bool) {
        let mounts = std::mem::take(&mut self.containers[index].mounts);
        for mount in mounts.iter().filter(|mount| mount.anonymous && volumes) {
            if let Some(name) = &mount.volume {
                // Another container may use it: then it stays.
                let _ = self.delete_volume(name, false);
            }
        }
        self.emit_container(index, "destroy", &[]);
        let gone = self.containers.remove(index);
        self.execs.retain(|_, exec| exec.container != gone.id);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Leaves its networks, ports and listener.
    pub(super) fn release(&mut self, index: usize) {
        let container = &mut self.containers[index];
        container.listener = None;
        container.published.clear();
        let id = container.id.clone();
        let mut left = Vec::new();
        for endpoint in container.networks.values_mut() {
            left.push(endpoint.network_id.clone());
            endpoint.endpoint_id.clear();
            endpoint.address = None;
            endpoint.gateway = None;
            endpoint.prefix = 0;
        }
        for network in left {
            if let Some(at) = self.networks.iter().position(|n| n.id == network) {
                self.emit_network(at, "disconnect", Some(&id));
            }
        }
    }

    fn emit_mounts(&mut self, index: usize, action: &str) {
        let container = &self.containers[index];
        let id = container.id.clone();
        for mount in container.mounts.clone() {
            let Some(name) = mount.volume else { continue };
            let mut attributes = json!({"container": id, "driver": "local"});
            if action == "mount" {
                attributes["destination"] = mount.shown["Destination"].clone();
                attributes["propagation"] = json!("");
                attributes["read/write"] = json!((mount.shown["RW"] == json!(true)).to_string());
            }
            self.emit("volume", action, &name, attributes);
        }
    }
}

fn has_healthcheck(config: &Map<String, Value>) -> bool {
    let test = array(&object(config, "Healthcheck"), "Test");
    test.first().is_some_and(|word| word != "NONE")
}

fn same_address(one: &str, other: &str) -> bool {
    one == other || one == "0.0.0.0" || other == "0.0.0.0"
}

fn signal_number(signal: &str) -> Option<i64> {
    let signal = signal.to_ascii_uppercase();
    let name = signal.strip_prefix("SIG").unwrap_or(&signal);
    if let Ok(number) = name.parse() {
        return (1..=64).contains(&number).then_some(number);
    }
    let number = match name {
        "" | "KILL" => 9,
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ABRT" => 6,
        "USR1" => 10,
        "SEGV" => 11,
        "USR2" => 12,
        "TERM" => 15,
        "CHLD" => 17,
        "CONT" => 18,
        "URG" => 23,
        "WINCH" => 28,
        _ => return None,
    };
    Some(number)
}
