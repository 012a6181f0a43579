//! A second real engine, for tests that need two, or one that is reached in another way than through a socket.
//!
//! It has its own data, networks and images, no iptables rules, and takes less than a second to start. The host reaches
//! its containers; one does not reach another, for the rules of the first engine forward nothing for it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::certificates::Certificates;
use super::free_port;

/// It takes a second, and one for each few containers that it finds.
const START_TIMEOUT: Duration = Duration::from_secs(90);
/// Tenths of a second: it gives its containers 15 s, and its containerd as long again.
const STOP_TRIES: u32 = 600;
/// Of the log of one that does not start.
const LOG_BYTES_SHOWN: usize = 6000;

/// A `dockerd` of this test's own; ended on drop.
pub struct SecondEngine {
    child: Child,
    arguments: Vec<String>,
    folder: TempDir,
    /// Where it listens with TLS, if it was asked to.
    port: Option<u16>,
    _bridge: Bridge,
}

/// The default bridge of a second engine; gone on drop. Without one of its own it would have that of the first, and with
/// `none` it would remove that.
struct Bridge {
    name: String,
}

impl Bridge {
    fn make() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id().wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        // Beside the subnets of the tests: `10.20` to `10.219`.
        let address = format!("10.{}.{}.1/28", 10 + number / 250 % 10, number % 250);
        let bridge = Self { name: format!("amarre{}", number % 100_000) };
        let is_made = ip(&["link", "add", "name", &bridge.name, "type", "bridge"])
            && ip(&["address", "add", &address, "dev", &bridge.name]);
        assert!(is_made, "a bridge {} with {address}", bridge.name);
        bridge
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        ip(&["link", "del", &self.name]);
    }
}

fn ip(args: &[&str]) -> bool {
    let status = Command::new("ip").args(args).status();
    status.expect("ip is there: scripts/test").success()
}

impl SecondEngine {
    /// An engine behind a socket.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// An engine that also listens on TCP, with TLS, and wants a certificate of its clients.
    pub async fn start_with_tls(certificates: &Certificates) -> Self {
        Self::start_with(Some(certificates)).await
    }

    async fn start_with(certificates: Option<&Certificates>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let bridge = Bridge::make();
        let mut arguments = ["--iptables=false", "--ip6tables=false"].map(str::to_owned).to_vec();
        let mut add = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
        for (option, name) in [("--data-root", "data"), ("--exec-root", "run"), ("--pidfile", "pid")] {
            add(option, at(name));
        }
        add("--host", format!("unix://{}", at("docker.sock")));
        add("--bridge", bridge.name.clone());
        // It logs what it is asked.
        add("--log-level", "debug".to_owned());
        let port = certificates.map(|_| free_port());
        if let (Some(certificates), Some(port)) = (certificates, port) {
            add("--host", format!("tcp://127.0.0.1:{port}"));
            for (option, name) in
                [("--tlscacert", "ca.pem"), ("--tlscert", "server.pem"), ("--tlskey", "server-key.pem")]
            {
                add(option, certificates.path(name).display().to_string());
            }
            arguments.push("--tlsverify".to_owned());
        }
        let child = spawn(folder.path(), &arguments);
        let engine = Self { child, arguments, folder, port, _bridge: bridge };
        engine.answers().await;
        engine
    }

    async fn answers(&self) {
        let up = async {
            while self.ask(&["version"]).is_none() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let is_up = tokio::time::timeout(START_TIMEOUT, up).await.is_ok();
        let log = self.log();
        let from = log.len().saturating_sub(LOG_BYTES_SHOWN);
        assert!(is_up, "a second engine is up: {}", log.get(from..).unwrap_or(&log));
    }

    /// It ends, and its containers with it; they are still there for the next start.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        for _ in 0..STOP_TRIES {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.kill();
    }

    /// SIGKILL: its containers run on without it until it starts again.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its containerd dies with it, and may become a zombie: the next one would take it for one that runs, and
        // wait for it in vain.
        let _ = std::fs::remove_file(self.folder.path().join("run/containerd/containerd.pid"));
    }

    /// After [`SecondEngine::stop`] or [`SecondEngine::kill`].
    pub async fn start_again(&mut self) {
        self.child = spawn(self.folder.path(), &self.arguments);
        self.answers().await;
    }

    /// How many requests it has had, and which of them, as lines of its log, may have changed something; probes by
    /// exec apart.
    pub fn asked(&self) -> (usize, Vec<String>) {
        let log = self.log();
        // Newer engines say it in the second way.
        let is = |line: &str, method: &str| {
            line.contains(&format!("Calling {method} ")) || line.contains(&format!("handling {method} request"))
        };
        let count = log.lines().filter(|line| is(line, "GET")).count();
        let is_write = |line: &&str| ["POST", "PUT", "DELETE", "PATCH"].iter().any(|method| is(line, method));
        let writes = log.lines().filter(is_write).filter(|line| !line.contains("/exec"));
        (count, writes.map(str::to_owned).collect())
    }

    /// `unix://…`.
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// `tcp://127.0.0.1:…` with TLS.
    #[track_caller]
    pub fn tls_endpoint(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port.expect("started with TLS"))
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// `docker …` there; a failure fails the test.
    #[track_caller]
    pub fn docker(&self, args: &[&str]) -> String {
        self.ask(args).unwrap_or_else(|| panic!("docker {} on the second engine\n{}", args.join(" "), self.log()))
    }

    /// Gives it an image of the first engine.
    pub fn copy_image(&self, reference: &str) {
        let mut save = Command::new("docker").args(["save", reference]).stdout(Stdio::piped()).spawn().unwrap();
        let mut load = Command::new("docker");
        load.args(["--host", &self.endpoint(), "load"]).stdin(save.stdout.take().unwrap());
        assert!(load.output().unwrap().status.success(), "docker load {reference}");
        assert!(save.wait().unwrap().success(), "docker save {reference}");
    }

    fn ask(&self, args: &[&str]) -> Option<String> {
        let output = Command::new("docker").args(["--host", &self.endpoint()]).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn log(&self) -> String {
        super::rig::read(&self.folder.path().join("log"))
    }
}

impl Drop for SecondEngine {
    fn drop(&mut self) {
        // One that was killed left containers behind that only it can end.
        if self.ask(&["version"]).is_none() {
            self.kill();
            self.child = spawn(self.folder.path(), &self.arguments);
            let is_up = |_: &u32| {
                std::thread::sleep(Duration::from_millis(200));
                self.ask(&["version"]).is_some()
            };
            let _ = (0..100).find(is_up);
        }
        // Its containers would outlive it.
        let all = self.ask(&["ps", "-aq"]).unwrap_or_default();
        let ids: Vec<&str> = all.split_whitespace().collect();
        if !ids.is_empty() {
            self.ask(&[&["rm", "-f"], ids.as_slice()].concat());
        }
        // So would the bridges.
        let all = self.ask(&["network", "ls", "-q", "--filter", "type=custom"]).unwrap_or_default();
        let ids: Vec<&str> = all.split_whitespace().collect();
        if !ids.is_empty() {
            self.ask(&[&["network", "rm"], ids.as_slice()].concat());
        }
        self.stop();
        unmount(self.folder.path());
    }
}

#[expect(clippy::disallowed_methods, reason = "dockerd needs the tests' own PATH, and sbin")]
fn spawn(folder: &Path, arguments: &[String]) -> Child {
    // It ends with the test, also with one that is killed.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "dockerd"]).args(arguments);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    // Ctrl-C ends the test first.
    command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).env_remove("DOCKER_HOST");
    command.spawn().expect("setpriv and dockerd are there: scripts/test")
}

/// What the engine left mounted keeps the folder from going.
fn unmount(folder: &Path) {
    let folder = folder.display().to_string();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut below: Vec<&str> =
        mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|path| path.starts_with(&folder)).collect();
    below.sort_unstable();
    for path in below.iter().rev() {
        let _ = Command::new("umount").arg(path).status();
    }
}
