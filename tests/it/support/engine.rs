//! A second real engine, for tests that need two, or one that is reached in another way than through a socket.
//!
//! It has its own data, networks and images, no iptables rules, and takes less than a second to start. The host reaches
//! its containers; one does not reach another, for the rules of the first engine forward nothing for it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::certificates::Certificates;
use super::{eventually, free_port};

/// A `dockerd` of this test's own; ended on drop.
pub struct SecondEngine {
    child: Child,
    folder: TempDir,
    /// Where it listens with TLS, if it was asked to.
    port: Option<u16>,
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

    #[expect(clippy::disallowed_methods, reason = "dockerd needs the tests' own PATH, and sbin")]
    async fn start_with(certificates: Option<&Certificates>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        // It ends with the test, also with one that is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "dockerd", "--bridge=none", "--iptables=false", "--ip6tables=false"]);
        command.args(["--data-root", &at("data"), "--exec-root", &at("run"), "--pidfile", &at("pid")]);
        command.args(["--host", &format!("unix://{}", at("docker.sock"))]);
        let mut port = None;
        if let Some(certificates) = certificates {
            let free = free_port();
            command.args(["--host", &format!("tcp://127.0.0.1:{free}"), "--tlsverify"]);
            let path = |name: &str| certificates.path(name).display().to_string();
            command.args(["--tlscacert", &path("ca.pem"), "--tlscert", &path("server.pem")]);
            command.args(["--tlskey", &path("server-key.pem")]);
            port = Some(free);
        }
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        // Ctrl-C ends the test first.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin")).env_remove("DOCKER_HOST");
        let child = command.spawn().expect("setpriv and dockerd are there: scripts/test");
        let engine = Self { child, folder, port };
        let answers = async || engine.ask(&["version"]).is_some();
        eventually(60, &format!("a second engine: {}", engine.log()), answers).await;
        engine
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
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        unmount(self.folder.path());
    }
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
