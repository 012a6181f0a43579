//! What a test says about the simulated engine: its options, its images and how containers of an image behave.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

/// How the simulated engine is set up.
#[derive(Debug, Clone)]
pub struct DockerOptions {
    /// Loopback port; 0 takes any free one.
    pub port: u16,
    /// What `/_ping` and `/version` say; newer versions in a path are refused.
    pub api_version: String,
    /// Any reference can be pulled. When false only those given to [`super::Docker::image`].
    pub pull_anything: bool,
    /// Seeds three foreign Compose networks, so that 172.18, 172.19 and 172.20 of the default pool are taken.
    pub default_pool_taken: bool,
    /// Bind sources that exist, with all that is below them. `None` looks at the real file system.
    pub host_paths: Option<BTreeSet<String>>,
    /// Folders that binds ask for and that are missing are made on this machine, as the real engine does. Else only the
    /// simulator knows that they are there: a demo leaves nothing behind.
    pub makes_folders: bool,
    /// First pause before the engine restarts what exited; doubles each time (the real one: 100 ms).
    /// Zero restarts within the same call, and what exits again waits for its next inspect: no timers, so that runs replay.
    pub restart_delay: Duration,
    /// Time from start to the first health result. Zero gives it within the start call.
    pub health_delay: Duration,
    /// How long a step of a build takes that does not sleep by itself.
    pub build_step: Duration,
}

impl Default for DockerOptions {
    fn default() -> Self {
        Self {
            port: 0,
            api_version: "1.41".to_owned(),
            pull_anything: true,
            default_pool_taken: false,
            host_paths: None,
            makes_folders: false,
            restart_delay: Duration::from_millis(100),
            health_delay: Duration::from_millis(20),
            build_step: Duration::ZERO,
        }
    }
}

/// One image of the simulated registry.
#[derive(Debug, Clone, Default)]
pub struct ImageSpec {
    /// As in `docker pull`: `nginx:1.27`, `ghcr.io/a/b:2`.
    pub reference: String,
    /// Any text: two specs with different ids are different images. Empty makes one from the reference.
    pub id: String,
    /// TCP ports it exposes and listens on; none listens on every port.
    pub ports: Vec<u16>,
    /// `VOLUME` paths.
    pub volumes: Vec<String>,
    /// `KEY=value`.
    pub env: Vec<String>,
    /// `Healthcheck` as in the API, durations in nanoseconds.
    pub healthcheck: Option<Value>,
    /// `USER`.
    pub user: String,
    /// `CMD`.
    pub cmd: Vec<String>,
    /// Whether it has neither `CMD` nor `ENTRYPOINT`: an engine makes no container of it that says none either.
    pub has_no_command: bool,
    /// `linux/arm64`; empty is the engine's own, `linux/amd64`.
    pub platform: String,
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// What its containers do.
    pub behaviour: Behaviour,
}

impl ImageSpec {
    /// A web server on every port, without volumes or healthcheck.
    pub fn new(reference: &str) -> Self {
        Self { reference: reference.to_owned(), ..Self::default() }
    }

    /// Operating system and architecture, without a variant.
    pub(super) fn built_for(&self) -> (&str, &str) {
        let mut parts = if self.platform.is_empty() { "linux/amd64" } else { &self.platform }.split('/');
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    }

    /// What a registry gives for a platform: the image of one reference for each, unless the test says for which it is.
    pub(super) fn pulled_for(mut self, platform: &str) -> Self {
        if self.platform.is_empty() && !self.is_for(platform) {
            let said = if self.id.is_empty() { &self.reference } else { &self.id };
            self.id = format!("{said} {platform}");
            platform.clone_into(&mut self.platform);
        }
        self
    }

    /// Whether it is what a `platform=` of the API asks for.
    pub(super) fn is_for(&self, asked: &str) -> bool {
        let (os, architecture) = self.built_for();
        asked.is_empty() || asked.split('/').take(2).eq([os, architecture])
    }
}

/// What a container does once started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Answers HTTP; healthy when it has a healthcheck.
    #[default]
    Serve,
    /// Exits at once with this code.
    Exit(i64),
    /// Runs and answers 503; its healthcheck fails.
    Unhealthy,
    /// Answers HTTP; its healthcheck succeeds from the n-th inspect after start on.
    HealthyAfter(u32),
    /// Runs, but nothing listens before the n-th look (an inspect, or somebody trying to reach it).
    SlowStart(u32),
}
