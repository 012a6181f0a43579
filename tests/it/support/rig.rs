//! A real engine, a simulated NPM and OVH, and the real program between them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use amarre_sim::npm::{self, Npm, NpmOptions};
use amarre_sim::ovh::{Ovh, OvhOptions};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::gate::Gate;
use super::{docker, docker_lines, eventually, free_port, get, get_as_owner, image, inspect};

pub const ZONE: &str = "example.org";
/// The public address of the host.
pub const PUBLIC: &str = "203.0.113.10";
/// Longer than any `--timeout` of a command that a test runs, so that a command ends by itself and says why.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(240);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Everything that a test needs; on drop, everything that it made goes.
pub struct Rig {
    /// In every name of this test's, so that tests can share an engine.
    pub tag: String,
    /// The second octet of its subnets: `10.X.0.0/16`.
    pub octet: u32,
    /// Locked for as long as these are ours: tests share one engine.
    #[allow(dead_code, reason = "held, never read")]
    reserved: std::fs::File,
    pub npm: Npm,
    pub ovh: Ovh,
    pub gate: Gate,
    pub folder: TempDir,
    /// Replaces parts of the configuration, by top-level key.
    pub settings: BTreeMap<String, Json>,
    port: u16,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Rig {
    pub async fn start() -> Self {
        image::build();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let tag = format!("t{pid:x}{}", if number == 0 { String::new() } else { format!("n{number}") });
        let npm = Npm::start(NpmOptions::default()).await.unwrap();
        let ovh = Ovh::start(OvhOptions::with_zones(&[ZONE])).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("services")).unwrap();
        let gate = Gate::open(&folder.path().join("docker.sock"));
        let (octet, reserved) = reserve_subnets(pid * 3 + number);
        let rig = Self { tag, octet, reserved, npm, ovh, gate, folder, settings: BTreeMap::new(), port: free_port() };
        rig.configure();
        rig
    }

    /// Writes the configuration again, with these `settings`.
    pub fn configure(&self) {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let servers: Vec<String> = self.ovh.dns.iter().map(ToString::to_string).collect();
        let mut config = json!({
            "instance": self.instance(),
            "domains": [ZONE],
            "source": {"folder": "./services"},
            "reconcile": {"interval": "1s"},
            "hosts": {"default": {"docker": format!("unix://{}", path("docker.sock")), "address": PUBLIC, "npm": "main"}},
            "npm": {"main": {"url": self.npm.server.url(), "identity": "amarre@amarre.demo", "secret": "changeme-npm"}},
            "ovh": {
                "endpoint": self.ovh.endpoint(), "application_key": "application-key",
                "application_secret": "application-secret", "consumer_key": "consumer-key",
            },
            "network": {"pools": [format!("10.{}.0.0/16", self.octet)]},
            "dns": {"propagation": {"servers": servers, "resolvers": []}},
            "server": {"listen": format!("127.0.0.1:{}", self.port)},
            "state": "./state/amarre.db",
        });
        for (key, value) in &self.settings {
            config[key] = value.clone();
        }
        std::fs::create_dir_all(self.folder.path().join("state")).unwrap();
        // JSON is YAML.
        std::fs::write(self.config(), format!("{config:#}")).unwrap();
    }

    /// Where status is served, on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("amarre.yaml")
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn instance(&self) -> String {
        format!("it-{}", self.tag)
    }

    /// `web` → this test's own name for it.
    pub fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.tag)
    }

    /// `web` → the domain of its route.
    pub fn domain(&self, name: &str) -> String {
        format!("{}.{ZONE}", self.name(name))
    }

    /// Writes a manifest file; `TAG` in it stands for this test's tag.
    pub fn write(&self, file: &str, text: &str) {
        let services = self.folder.path().join("services");
        // As an editor does it: never half a file.
        let fresh = services.join(format!(".{file}.new"));
        std::fs::write(&fresh, text.replace("TAG", &self.tag)).unwrap();
        std::fs::rename(&fresh, services.join(file)).unwrap();
    }

    /// As [`Rig::write`], in a folder below.
    pub fn write_in(&self, folder: &str, file: &str, text: &str) {
        let services = self.folder.path().join("services").join(folder);
        std::fs::write(services.join(file), text.replace("TAG", &self.tag)).unwrap();
    }

    pub fn remove(&self, file: &str) {
        std::fs::remove_file(self.folder.path().join("services").join(file)).unwrap();
    }

    /// Runs the program to its end.
    pub async fn run(&self, args: &[&str]) -> Ended {
        let mut command = self.command(args);
        let output = tokio::time::timeout(COMMAND_TIMEOUT, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("amarre {} does not end", args.join(" "))).unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amarre"));
        command.arg("--config").arg(self.config()).args(args).stdin(Stdio::null()).kill_on_drop(true);
        command.env_remove("DOCKER_HOST").env("RUST_LOG", "info");
        command
    }

    /// `apply` to the end; then nothing is left to do.
    pub async fn apply(&self) -> Ended {
        // Longer than what Amarre waits for an engine that has come up.
        let ended = self.run(&["apply", "--yes", "--timeout", "180s"]).await;
        assert_eq!(ended.code, 0, "{ended}");
        self.quiet().await;
        ended
    }

    /// `apply` that cannot do all, and ends once nothing else is left to do; answers how it ended.
    pub async fn apply_partly(&self) -> Ended {
        let ended = self.run(&["apply", "--yes", "--timeout", "180s"]).await;
        assert_eq!(ended.code, 3, "{ended}");
        ended
    }

    /// A plan has nothing to do.
    pub async fn quiet(&self) {
        let plan = self.run(&["plan", "--detailed-exitcode"]).await;
        assert_eq!(plan.code, 0, "{plan}");
    }

    pub async fn plan_exit(&self) -> i32 {
        self.run(&["plan", "--detailed-exitcode"]).await.code
    }

    /// The plan as a document.
    pub async fn plan(&self) -> Json {
        serde_json::from_str(&self.run(&["plan", "-o", "json"]).await.out).unwrap()
    }

    /// The status as a document.
    pub async fn status(&self) -> Json {
        serde_json::from_str(&self.run(&["status", "--all", "-o", "json"]).await.out).unwrap()
    }

    /// The status as people see it.
    pub async fn status_text(&self) -> String {
        self.run(&["status", "-o", "wide", "--all"]).await.out
    }

    /// Everything that was written since [`Rig::forget`], at every vendor.
    pub fn writes(&self) -> Vec<String> {
        let line = |call: amarre_sim::Call| format!("{} {}", call.method, call.path);
        let mut writes = self.gate.writes();
        writes.extend(self.npm.server.journal.writes().into_iter().map(line));
        writes.extend(self.ovh.server.journal.writes().into_iter().map(line));
        writes.retain(|line| line != "POST /api/tokens");
        writes
    }

    /// Starts counting again.
    pub fn forget(&self) {
        self.gate.forget();
        self.npm.server.journal.clear();
        self.ovh.server.journal.clear();
    }

    /// What a visitor of a service gets through the proxy.
    pub async fn visit(&self, name: &str) -> Option<(u16, String)> {
        get(self.npm.proxy_address, &self.domain(name), "/").await
    }

    #[track_caller]
    pub fn assert_serves(&self, name: &str, text: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let answer = self.visit(name).await;
            assert_eq!(answer, Some((200, format!("{text}\n"))), "{caller}: {name}");
        }
    }

    /// Our records of the zone as `sub TYPE target`, marks apart.
    pub fn records(&self) -> Vec<String> {
        let rows = self.ovh.records(ZONE);
        let text = |row: &Json, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let mut lines: Vec<String> = rows
            .iter()
            .filter(|row| text(row, "subDomain").contains(&self.tag))
            .map(|row| format!("{} {} {}", text(row, "subDomain"), text(row, "fieldType"), text(row, "target")))
            .collect();
        lines.sort();
        lines
    }

    /// The row of a record of ours.
    #[track_caller]
    pub fn record_id(&self, name: &str, kind: &str) -> u64 {
        let rows = self.ovh.records(ZONE);
        let row = rows.iter().find(|row| row["subDomain"] == self.name(name) && row["fieldType"] == kind);
        row.unwrap_or_else(|| panic!("no {kind} for {name}"))["id"].as_u64().unwrap()
    }

    /// The row of a proxy host by its domain.
    pub fn host(&self, domain: &str) -> Option<Json> {
        let rows = self.npm.rows(npm::Kind::ProxyHost);
        rows.into_iter().find(|row| row["domain_names"].as_array().is_some_and(|names| names.contains(&json!(domain))))
    }

    /// Ids of our containers by name, running or not.
    pub fn containers(&self) -> BTreeMap<String, String> {
        let filter = format!("label=io.amarre.instance={}", self.instance());
        let format = "{{.Names}} {{.ID}}";
        let lines = docker_lines(&["ps", "-a", "--no-trunc", "--filter", &filter, "--format", format]);
        lines.iter().filter_map(|line| line.split_once(' ')).map(|(n, id)| (n.to_owned(), id.to_owned())).collect()
    }

    /// Names of our networks or volumes.
    pub fn ours(&self, kind: &str) -> Vec<String> {
        let filter = format!("label=io.amarre.instance={}", self.instance());
        docker_lines(&[kind, "ls", "--filter", &filter, "--format", "{{.Name}}"])
    }

    /// Starts the daemon and waits until it has looked.
    pub async fn daemon(&self) -> Daemon {
        self.daemon_with("--yes").await
    }

    /// As [`Rig::daemon`], with these arguments.
    pub async fn daemon_with(&self, arguments: &str) -> Daemon {
        let log = self.folder.path().join("daemon.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        // A write beyond the limit of a file's size is an error of that write, as a full disk is, not the end.
        let mut command = Command::new("sh");
        let script = format!("trap '' XFSZ; exec \"$0\" --config \"$1\" run {arguments}");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_amarre")]).arg(self.config());
        command.stdin(Stdio::null()).kill_on_drop(true).env_remove("DOCKER_HOST").env("RUST_LOG", "info");
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let daemon =
            Daemon { child: command.spawn().unwrap(), port: self.port, log, socket: self.state().join("amarre.sock") };
        daemon.ready().await;
        daemon
    }

    /// Foreign resources, in the way wherever they can be.
    pub fn seed_foreigners(&self) -> Foreigners {
        let network = self.name("foreign");
        let (stranger, stopped, data) = (self.name("stranger"), self.name("stopped"), self.name("foreign-data"));
        // The first subnet of our pool is taken.
        docker(&["network", "create", "--subnet", &format!("10.{}.0.0/24", self.octet), &network]);
        docker(&["volume", "create", &data]);
        let mount = format!("{data}:/data");
        docker(&["run", "-d", "--name", &stranger, "--network", &network, "-v", &mount, image::THEIRS, "serve", "80"]);
        docker(&["create", "--name", &stopped, "--network", &network, image::THEIRS]);
        self.npm.seed_proxy_host(&json!({
            "domain_names": [format!("foreign.{ZONE}")], "forward_scheme": "http", "forward_host": "192.0.2.7", "forward_port": 80,
        }));
        let records = [
            self.ovh.seed_record(ZONE, "foreign", "A", "198.51.100.7", 3600),
            self.ovh.seed_record(ZONE, "", "MX", "10 mail.example.net.", 3600),
            self.ovh.seed_record(ZONE, "", "TXT", "\"v=spf1 -all\"", 3600),
            self.ovh.seed_record(ZONE, "alias", "CNAME", "foreign.example.org.", 3600),
        ];
        assert!(records.iter().all(|id| *id != 0), "seeding records");
        self.npm.seed_access_list(&json!({"name": "somebody's"}));
        self.npm.seed_certificate("somebody's", &["foreign.example.org"]);
        self.npm.seed_redirection_host(&json!({
            "domain_names": [format!("gone.{ZONE}")], "forward_domain_name": "foreign.example.org", "forward_http_code": 301,
        }));
        let mut foreigners =
            Foreigners { containers: vec![stranger, stopped], network, volume: data, before: Json::Null };
        foreigners.before = foreigners.now(self);
        foreigners
    }
}

/// Foreign resources that do not concern us.
pub struct Foreigners {
    containers: Vec<String>,
    network: String,
    volume: String,
    before: Json,
}

impl Foreigners {
    /// They are as they were.
    #[track_caller]
    pub fn assert_unchanged(&self, rig: &Rig) {
        assert_eq!(self.now(rig), self.before);
    }

    fn now(&self, rig: &Rig) -> Json {
        let containers: Vec<Json> = self
            .containers
            .iter()
            .map(|name| {
                let mut container = inspect("container", name);
                let object = container.as_object_mut().unwrap();
                object.remove("State");
                container
            })
            .collect();
        let foreign = |kind: npm::Kind| {
            let mut rows = rig.npm.rows(kind);
            rows.retain(|row| row["meta"]["amarre_instance"].is_null() && !row["name"].to_string().contains(&rig.tag));
            rows
        };
        let mut records = rig.ovh.records(ZONE);
        records.retain(|row| !row["subDomain"].to_string().contains(&rig.tag));
        let published: Vec<Json> = rig
            .ovh
            .published(ZONE)
            .into_iter()
            .filter(|row| !row["subDomain"].to_string().contains(&rig.tag))
            .collect();
        json!({
            "containers": containers,
            "network": inspect("network", &self.network),
            "volume": inspect("volume", &self.volume),
            "hosts": foreign(npm::Kind::ProxyHost),
            "redirections": foreign(npm::Kind::RedirectionHost),
            "dead_hosts": foreign(npm::Kind::DeadHost),
            "lists": foreign(npm::Kind::AccessList),
            "certificates": foreign(npm::Kind::Certificate),
            "records": records,
            "published": published,
        })
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let quietly = |args: &[&str]| {
            let output = std::process::Command::new("docker").args(args).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        };
        let label = format!("label=io.amarre.instance={}", self.instance());
        let name = format!("name={}-", self.tag);
        for filter in [&label, &name] {
            let lists: [(&[&str], &[&str]); 3] = [
                (&["ps", "-aq"], &["rm", "-f", "-v"]),
                (&["network", "ls", "-q"], &["network", "rm"]),
                (&["volume", "ls", "-q"], &["volume", "rm"]),
            ];
            for (list, remove) in lists {
                let found = quietly(&[list, &["--filter", filter]].concat());
                let found: Vec<&str> = found.split_whitespace().collect();
                if !found.is_empty() {
                    quietly(&[remove, found.as_slice()].concat());
                }
            }
        }
    }
}

/// A running daemon; killed on drop.
pub struct Daemon {
    pub child: Child,
    port: u16,
    log: PathBuf,
    socket: PathBuf,
}

impl Daemon {
    async fn ready(&self) {
        eventually(60, &format!("ready, see {}", self.log.display()), async || {
            self.get("/readyz").await.is_some_and(|(status, _)| status == 200)
        })
        .await;
    }

    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        get(([127, 0, 0, 1], self.port).into(), "127.0.0.1", path).await
    }

    pub async fn json(&self, path: &str) -> Json {
        let ask = async || self.get(path).await.unwrap_or_else(|| panic!("{path}: no answer\n{}", self.log()));
        let (mut status, mut body) = ask().await;
        // Who asks again and again for long is told to wait.
        while status == 429 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            (status, body) = ask().await;
        }
        // While an image is built by a Dockerfile of its own, loopback asks for a token.
        if status == 401 {
            (status, body) = get_as_owner(&self.socket, path).await.unwrap();
        }
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}"))
    }

    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// Every service is in sync and healthy.
    pub async fn is_settled(&self) -> bool {
        let status = self.json("/api/v1/status").await;
        let rows = status["services"].as_array().unwrap();
        let calm = |row: &Json| row["sync"] == "Synced" && row["health"] == "Healthy" && row["what_now"] == "";
        !rows.is_empty() && rows.iter().all(calm) && status["ledger"]["error"].is_null()
    }

    pub async fn wait_until_settled(&self) {
        eventually(60, "every service in sync and healthy", async || self.is_settled().await).await;
    }

    /// SIGTERM; answers the exit code.
    pub async fn stop(mut self) -> i32 {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        ended.expect("it ends soon after SIGTERM").unwrap().code().unwrap_or(-1)
    }

    /// SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n{}\n{}", self.code, self.out, self.err)
    }
}

/// The second octets of `10.X.…` to which this machine knows a way.
fn routes() -> BTreeSet<u32> {
    let table = read(Path::new("/proc/net/route"));
    // The destination as the bytes lie in memory: the first octet is the last two digits.
    let destinations = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1));
    let numbers = destinations.filter_map(|text| u32::from_str_radix(text, 16).ok()).map(u32::from_be);
    numbers.filter(|number| number >> 24 == 10).map(|number| number >> 16 & 0xff).collect()
}

/// Subnets that no other test on this machine has now, beginning the search somewhere.
fn reserve_subnets(from: u32) -> (u32, std::fs::File) {
    let folder = std::env::temp_dir().join("amarre-subnets");
    std::fs::create_dir_all(&folder).unwrap();
    // What a test that was killed has left behind would answer in its place.
    let routes = routes();
    let reserve = |step: u32| {
        let octet = 20 + from.wrapping_add(step) % 200;
        if routes.contains(&octet) {
            return None;
        }
        let file = std::fs::File::create(folder.join(octet.to_string())).unwrap();
        file.try_lock().is_ok().then_some((octet, file))
    };
    (0..200).find_map(reserve).expect("fewer than 200 tests run at once")
}
