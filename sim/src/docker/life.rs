//! A container's life as the API drives it: start, exit, stop, kill, rename, update, remove.

use serde_json::{Map, Value, json};

use super::create::{check_restart, name_taken};
use super::merge::object;
use super::state::{Answer, State, Status, refuse, text};
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

    /// The process is gone, whoever ended it; the restart policy decides what follows.
    pub(super) fn exited(&mut self, index: usize, code: i64) {
        self.emit_container(index, "die", &[("exitCode", &code.to_string())]);
        self.release(index);
        let id = self.containers[index].id.clone();
        self.execs.retain(|_, exec| exec.started || exec.container != id);
        self.emit_mounts(index, "unmount");
        let now = crate::clock::now();
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
        let ran_long = container.started.is_some_and(|start| now.as_second() - start.as_second() >= LONG_RUN_SECONDS);
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
            return refuse(409, format!("Cannot kill container: {term}: Container {id} is not running"));
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
        let said = (2, crate::clock::now(), format!("crashed with code {code}\n"));
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
            return refuse(400, "Renaming a container with the same name as its current name");
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
            let state = if container.status == Status::Restarting { "restarting" } else { "running" };
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
        container.listener.0 = None;
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

    pub(super) fn emit_mounts(&mut self, index: usize, action: &str) {
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
