//! A folder with a configuration, against simulated vendors: what commands are run in.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use amarre_sim::docker::{Docker, DockerOptions};
use amarre_sim::npm::{Npm, NpmOptions, NpmPermissions, NpmUser, Upstreams};
use amarre_sim::ovh::{Ovh, OvhOptions};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::Ended;
use crate::support::stepped::{self, ZONE};
use crate::support::{eventually, free_port, get, get_as_owner};

const COMMAND_TIMEOUT: Duration = Duration::from_secs(240);

pub struct Rig {
    pub folder: TempDir,
    pub docker: Arc<Docker>,
    pub npm: Npm,
    pub ovh: Ovh,
    pub port: u16,
}

struct FromNpm(Arc<Docker>);

impl Upstreams for FromNpm {
    fn locate(&self, host: &str, port: u16) -> Option<std::net::SocketAddr> {
        self.0.locate_from("npm", host, port)
    }
}

impl Rig {
    pub async fn start() -> Self {
        let own = NpmUser::plain(2, "amarre@amarre.demo", "changeme-npm", NpmPermissions::documented());
        Self::with_accounts(own, OvhOptions::with_zones(&[ZONE])).await
    }

    /// With other accounts than those of the configuration that is written.
    pub async fn with_accounts(user: NpmUser, ovh: OvhOptions) -> Self {
        // Its time is the real one, so containers are restarted as a real engine does.
        let options = DockerOptions { restart_delay: Duration::from_millis(100), ..stepped::options() };
        let docker = Arc::new(stepped::docker(options).await);
        docker.seed_network("foreign", "10.77.0.0/24").unwrap();
        docker.seed_container("stranger", "other:1", &["foreign"]).unwrap();
        let options = NpmOptions::with_upstreams(Arc::new(FromNpm(docker.clone())));
        // Beside an account of Amarre's own there is a person's, who edits by hand.
        let person = (user.id != 1).then(|| NpmUser::admin(1, "bob@example.org", "changeme-bob"));
        let users = person.into_iter().chain([user]).collect();
        let npm = Npm::start(NpmOptions { users, ..options }).await.unwrap();
        npm.seed_proxy_host(&json!({
            "domain_names": ["foreign.example.org"], "forward_scheme": "http", "forward_host": "192.0.2.7", "forward_port": 80,
        }));
        let ovh = Ovh::start(ovh).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("services")).unwrap();
        let rig = Self { folder, docker, npm, ovh, port: free_port() };
        rig.file("amarre.yaml", &format!("{:#}", rig.config()));
        rig
    }

    /// What stands in amarre.yaml; JSON is YAML.
    pub fn config(&self) -> Json {
        let servers: Vec<String> = self.ovh.dns.iter().map(ToString::to_string).collect();
        json!({
            "instance": "home",
            "domains": [ZONE],
            "hosts": {"default": {"docker": format!("tcp://{}", self.docker.server.address), "address": "203.0.113.10"}},
            "npm": {"main": {"url": self.npm.server.url(), "identity": "amarre@amarre.demo", "secret": "changeme-npm", "container": "npm"}},
            "ovh": {"endpoint": self.ovh.endpoint(), "application_key": "application-key",
                    "application_secret": "application-secret", "consumer_key": "consumer-key"},
            "network": {"pools": ["10.77.0.0/16"]},
            "dns": {"propagation": {"servers": servers, "resolvers": []}},
            "server": {"listen": format!("127.0.0.1:{}", self.port)},
        })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// A file that is JSON, as the configuration that this writes.
    pub fn json_file(&self, name: &str) -> Json {
        serde_json::from_str(&std::fs::read_to_string(self.path().join(name)).unwrap()).unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amarre"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.env_remove("DOCKER_HOST").env("LC_ALL", "C.UTF-8");
        command
    }

    pub async fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, &[]).await
    }

    pub async fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ended {
        let mut command = self.command(args);
        let output = tokio::time::timeout(COMMAND_TIMEOUT, command.envs(env.iter().copied()).output()).await;
        let output = output.unwrap_or_else(|_| panic!("amarre {} does not end", args.join(" "))).unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// `apply` to the end; then nothing is left to do.
    pub async fn apply(&self) {
        let ended = self.run(&["apply", "--yes", "--timeout", "180s"]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        let plan = self.run(&["plan", "--detailed-exitcode"]).await;
        assert_eq!(plan.code, 0, "{plan:?}");
    }

    /// `amarre run` in the background, with its log in `run.log`.
    pub async fn daemon(&self, args: &[&str], env: &[(&str, &str)]) -> Child {
        self.daemon_when(args, env, async || self.get("/readyz").await.is_some_and(|(code, _)| code == 200)).await
    }

    /// The same, where something else says that it is ready.
    pub async fn daemon_when(&self, args: &[&str], env: &[(&str, &str)], ready: impl AsyncFnMut() -> bool) -> Child {
        let log = std::fs::File::create(self.path().join("run.log")).unwrap();
        let mut command = self.command(&[&["run"], args].concat());
        command.envs(env.iter().copied()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().unwrap();
        let ready = eventually(90, "the daemon is ready", ready);
        let _told = LogOnPanic(self);
        tokio::select! {
            () = ready => {}
            status = child.wait() => panic!("the daemon ended before it was ready: {status:?}"),
        }
        child
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("run.log")).unwrap_or_default()
    }

    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        get(([127, 0, 0, 1], self.port).into(), "localhost", path).await
    }

    pub async fn json(&self, path: &str) -> Json {
        let (status, body) = self.get(path).await.unwrap();
        // While an image is built by a Dockerfile of its own, loopback asks for a token.
        let body = match status {
            401 => get_as_owner(&self.path().join("amarre.sock"), path).await.unwrap().1,
            _ => body,
        };
        serde_json::from_str(&body).unwrap()
    }
}

/// What the daemon said last, where waiting for it fails.
struct LogOnPanic<'a>(&'a Rig);

impl Drop for LogOnPanic<'_> {
    #[expect(clippy::print_stderr, reason = "beside what the test says")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.0.log();
            let before = log.lines().count().saturating_sub(60);
            let last: Vec<&str> = log.lines().skip(before).collect();
            eprintln!("run.log without its first {before} lines:\n{}", last.join("\n"));
        }
    }
}

/// Sends a signal to a process that a test started.
pub fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
}

/// SIGTERM, and its exit code.
pub async fn end(mut child: Child) -> i32 {
    signal(&child, "TERM");
    tokio::time::timeout(COMMAND_TIMEOUT, child.wait()).await.unwrap().unwrap().code().unwrap_or(-1)
}
