//! What the engine does by itself: restarts by policy, healthchecks, its own restart.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::merge::{array, object};
use super::spec::Behaviour;
use super::state::{Container, State, Status, text};

/// As in the real engine: the pause between restarts stops doubling here.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(60);

impl State {
    pub(super) fn restart_later(&mut self, index: usize) {
        let first = self.options.restart_delay;
        let container = &mut self.containers[index];
        let failures = container.failures;
        container.failures += 1;
        let (id, run) = (container.id.clone(), container.run);
        if first.is_zero() {
            if failures == 0 {
                self.restart_due(&id, run);
            }
            return;
        }
        let pause = first.saturating_mul(1 << failures.min(16)).min(RESTART_PAUSE_MAX);
        self.after(pause, move |state| state.restart_due(&id, run));
    }

    /// Ends the pause before a restart, unless something else happened to the container meanwhile.
    pub(super) fn restart_due(&mut self, id: &str, run: u64) {
        let Some(index) = self.containers.iter().position(|c| c.id == id) else {
            return;
        };
        let container = &mut self.containers[index];
        if container.status != Status::Restarting || container.run != run {
            return;
        }
        container.restart_count += 1;
        if self.run(index).is_err() {
            self.containers[index].status = Status::Exited;
        }
    }

    pub(super) fn watch_health(&mut self, index: usize) {
        let container = &self.containers[index];
        let verdict = match container.behaviour {
            _ if container.health.is_none() => return,
            _ if cannot_pass(&container.config) => "unhealthy",
            Behaviour::HealthyAfter(0) | Behaviour::Serve | Behaviour::SlowStart(_) => "healthy",
            Behaviour::Unhealthy => "unhealthy",
            Behaviour::HealthyAfter(_) | Behaviour::Exit(_) => return,
        };
        let (id, run) = (container.id.clone(), container.run);
        let pause = self.options.health_delay;
        if pause.is_zero() {
            self.judge(&id, run, verdict);
        } else {
            self.after(pause, move |state| state.judge(&id, run, verdict));
        }
    }

    /// The healthcheck's verdict on that run of a container.
    pub(super) fn judge(&mut self, id: &str, run: u64, verdict: &'static str) {
        let Some(index) = self.containers.iter().position(|c| c.id == id) else {
            return;
        };
        let container = &mut self.containers[index];
        if container.run != run || container.status != Status::Running {
            return;
        }
        let Some(health) = &mut container.health else {
            return;
        };
        if health.status == verdict {
            return;
        }
        let now = crate::clock::now().to_string();
        let (code, output) = if verdict == "healthy" { (0, "") } else { (1, "") };
        let result = json!({"Start": now, "End": now, "ExitCode": code, "Output": output});
        health.status = verdict;
        let times = if verdict == "healthy" { 1 } else { 3 };
        health.log = vec![result; times];
        self.emit_container(index, &format!("health_status: {verdict}"), &[]);
    }

    /// One inspect: what changes only by being looked at does so now.
    pub(super) fn looked_at(&mut self, index: usize) {
        let container = &mut self.containers[index];
        container.looks = container.looks.saturating_add(1);
        let (id, run, looks) = (container.id.clone(), container.run, container.looks);
        match (container.status, container.behaviour) {
            (Status::Running, Behaviour::HealthyAfter(after)) if looks >= after => {
                self.judge(&id, run, "healthy");
            }
            (Status::Restarting, _) if self.options.restart_delay.is_zero() => {
                self.restart_due(&id, run);
            }
            _ => (),
        }
    }

    /// The engine goes away with all containers and comes back: those that its policies keep start again.
    pub(super) fn restart_engine(&mut self) {
        let _ = self.events.send(None);
        let mut back = Vec::new();
        for index in 0..self.containers.len() {
            let container = &self.containers[index];
            let policy = object(&container.host, "RestartPolicy");
            let wanted = match text(&policy, "Name") {
                "always" => true,
                "unless-stopped" => !container.stopped_by_hand,
                "on-failure" => container.is_running(),
                _ => false,
            };
            if container.is_running() {
                self.release(index);
                let container = &mut self.containers[index];
                container.status = Status::Exited;
                container.pid = 0;
                container.exit_code = 0;
                container.finished = Some(crate::clock::now());
                container.exits += 1;
                container.run += 1;
            }
            if wanted && self.containers[index].started.is_some() {
                back.push(self.containers[index].id.clone());
            }
        }
        // The new engine knows nothing of the old one's events.
        self.history.clear();
        self.bridge_made_at(crate::clock::now());
        for id in back {
            if let Ok(index) = self.find(&id) {
                self.containers[index].failures = 0;
                // A failed start is written into its state.
                let _ = self.run(index);
            }
        }
    }

    /// Does something to the state later, on the runtime that the simulator was started on.
    fn after(&self, pause: Duration, act: impl FnOnce(&mut State) + Send + 'static) {
        let engine = self.engine.clone();
        self.handle.spawn(async move {
            tokio::time::sleep(pause).await;
            if let Some(engine) = engine.upgrade() {
                act(&mut engine.lock());
            }
        });
    }
}

/// Whether a healthcheck fails wherever it is run: `false`, or `exit` with a code.
fn cannot_pass(config: &Map<String, Value>) -> bool {
    let test = array(&object(config, "Healthcheck"), "Test");
    let words = test.iter().skip(1).filter_map(Value::as_str).flat_map(str::split_whitespace);
    match words.collect::<Vec<_>>().as_slice() {
        ["false" | "/bin/false"] => true,
        ["exit", code] => code.parse::<u8>().is_ok_and(|code| code > 0),
        _ => false,
    }
}

/// Whether the policy brings back a container that has just exited.
pub(super) fn wants_restart(container: &Container) -> bool {
    let policy = object(&container.host, "RestartPolicy");
    let retries = policy.get("MaximumRetryCount").and_then(Value::as_i64).unwrap_or(0);
    match text(&policy, "Name") {
        _ if container.stopped_by_hand => false,
        "always" | "unless-stopped" => true,
        "on-failure" => container.exit_code != 0 && (retries == 0 || container.restart_count < retries),
        _ => false,
    }
}
