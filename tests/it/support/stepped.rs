//! An engine, stepped pass by pass, with every vendor simulated and a clock that tests put forward.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use amarre::config::Config;
use amarre::engine::reconcile::port80::{HttpVisitor, Port80Client};
use amarre::engine::{Engine, EngineParts, PassView, RunMode, ShiftedClock};
use amarre::ledger::Ledger;
use amarre::providers::Provider;
use amarre::providers::docker::{DockerConfig, DockerProvider};
use amarre::providers::npm::{NpmConfig, NpmProvider};
use amarre::providers::ovh::{OvhConfig, OvhLogin, OvhProvider, Pace, Propagation};
use amarre::secret::{MarkKey, Secret};
use amarre::source::{Folder, Source};
use amarre_core::model::world::{Port80, Resolution, Suspension};
use amarre_core::model::{Millis, ProviderId, Timestamp};
use amarre_sim::docker::{Docker, DockerOptions, ImageSpec};
use amarre_sim::npm::{self, Issuance, Npm, NpmOptions, Upstreams};
use amarre_sim::ovh::{Ovh, OvhOptions};
use amarre_sim::{Call, Server};
use async_trait::async_trait;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::vendor_rows::{container, is_foreign, is_ours, record, row};
use super::write_settled;

pub const ZONE: &str = "example.org";
const PUBLIC: &str = "203.0.113.10";
/// Nothing takes more passes, faults and waits included.
const LOOKS_MAX: usize = 80;
/// So often a gap is looked at again.
const GAPS_MAX: usize = 30;
/// From pass to pass, long enough for probes and short enough for no time-out.
const STEP: Millis = Millis::seconds(2);

/// Where the second host is reached from the first.
pub const NAS: &str = "192.168.77.2";

/// What NPM's container reaches: containers on its networks, and published ports of the second host.
struct FromNpm(Arc<Docker>, Option<Arc<Docker>>);

impl Upstreams for FromNpm {
    fn locate(&self, host: &str, port: u16) -> Option<std::net::SocketAddr> {
        match &self.1 {
            Some(nas) if host == NAS => nas.locate("localhost", port),
            Some(_) | None => self.0.locate_from("npm", host, port),
        }
    }
}

/// How the vendors stand to one another.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setting {
    /// As in `npm.main.reach`.
    pub reach: Option<&'static str>,
    /// With a second host `nas`, which has an engine of its own.
    pub with_nas: bool,
    /// Manifests may ask for whatever there is.
    pub allows_all: bool,
    /// Binds lie below `data` of the test's folder, which is there.
    pub has_data: bool,
    /// Amarre sees the files of the engine's host.
    pub sees_files: bool,
    /// As in `policy.follow_links`.
    pub follows_links: bool,
    /// With `policy.authors: operators`, and no other word of the policy.
    pub by_operators: bool,
    /// The configuration does not name NPM's container.
    pub is_npm_unnamed: bool,
}

/// Who answers on port 80: NPM's simulated nginx, unless a test says otherwise.
pub struct Doors {
    pub said: Mutex<Option<Port80>>,
    /// Where names lead; the others are not known.
    pub leads: Mutex<BTreeMap<String, Resolution>>,
    /// What happens in the middle of a pass: when the first visit comes.
    pub then: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    proxy: SocketAddr,
}

#[async_trait]
impl Port80Client for Doors {
    async fn visit(&self, name: &str, _: SocketAddr, to: Option<&str>) -> Port80 {
        if let Some(then) = self.then.lock().unwrap().take() {
            then();
        }
        let said = self.said.lock().unwrap().clone();
        match said {
            Some(said) => said,
            None => HttpVisitor::default().visit(name, self.proxy, to).await,
        }
    }

    async fn left_out(&self, names: BTreeSet<String>, _: SocketAddr) -> Option<BTreeSet<String>> {
        HttpVisitor::default().left_out(names, self.proxy).await
    }

    async fn find(&self, name: &str) -> Resolution {
        self.leads.lock().unwrap().get(name).cloned().unwrap_or(Resolution::Unknown)
    }
}

pub struct Stepped {
    pub docker: Arc<Docker>,
    pub npm: Arc<Npm>,
    pub ovh: Arc<Ovh>,
    pub clock: Arc<ShiftedClock>,
    pub folder: TempDir,
    pub engine: Engine,
    /// No secret can be found.
    pub no_secrets: Arc<AtomicBool>,
    pub doors: Arc<Doors>,
    /// The engine of the second host.
    pub nas: Option<Arc<Docker>>,
    /// The id of the container that Amarre itself runs in, or how it begins.
    pub own: Option<String>,
    /// Our mark.
    pub instance: String,
    /// The instance's keys.
    pub key: MarkKey,
    setting: Setting,
    ledger: u32,
}

/// Vendors, ledger, manifests and clock as they were once.
pub struct Snapshot {
    docker: amarre_sim::docker::Snapshot,
    npm: npm::Snapshot,
    ovh: amarre_sim::ovh::Snapshot,
    ledger: Vec<(String, Vec<u8>)>,
    files: Vec<(PathBuf, Vec<u8>)>,
    now: Timestamp,
}

impl Stepped {
    pub async fn start() -> Self {
        Self::with(options()).await
    }

    pub async fn with(options: DockerOptions) -> Self {
        Self::in_setting(options, Setting::default()).await
    }

    pub async fn in_setting(options: DockerOptions, setting: Setting) -> Self {
        amarre::telemetry::start(false);
        let docker = Arc::new(docker(options.clone()).await);
        let nas = if setting.with_nas { Some(Arc::new(Docker::start(options).await.unwrap())) } else { None };
        let through = Arc::new(FromNpm(docker.clone(), nas.clone()));
        let npm = NpmOptions { issuance: Issuance::Granted, ..NpmOptions::with_upstreams(through) };
        let npm = Arc::new(Npm::start(npm).await.unwrap());
        let ovh = Arc::new(Ovh::start(OvhOptions::with_zones(&[ZONE])).await.unwrap());
        let folder = super::world_folder();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let clock = Arc::new(ShiftedClock::default());
        seed(&docker, &npm, &ovh);
        let no_secrets = Arc::new(AtomicBool::new(false));
        let key = MarkKey::new([7; 32]);
        let doors = Arc::new(Doors {
            said: Mutex::default(),
            leads: Mutex::default(),
            then: Mutex::default(),
            proxy: npm.proxy_address,
        });
        let engine = engine(Makings {
            docker: &docker,
            nas: nas.as_deref(),
            npm: &npm,
            ovh: &ovh,
            folder: &folder,
            clock: &clock,
            no_secrets: &no_secrets,
            doors: &doors,
            setting,
            ledger: 0,
            own: None,
            instance: "home",
            key: &key,
        })
        .await;
        let rig = Self {
            docker,
            npm,
            ovh,
            clock,
            folder,
            engine,
            no_secrets,
            doors,
            nas,
            own: None,
            instance: "home".to_owned(),
            key,
            setting,
            ledger: 0,
        };
        rig.forget();
        rig
    }

    /// The process is killed and starts again on the same ledger.
    pub async fn restart(&mut self) {
        self.engine = self.another_engine().await;
    }

    /// One more on the same ledger and vendors.
    pub async fn another_engine(&self) -> Engine {
        let Self { docker, nas, npm, ovh, folder, clock, no_secrets, doors, setting, ledger, .. } = self;
        let (setting, ledger, nas) = (*setting, *ledger, nas.as_deref());
        let (own, instance, key) = (self.own.as_deref(), self.instance.as_str(), &self.key);
        let makings =
            Makings { docker, nas, npm, ovh, folder, clock, no_secrets, doors, setting, ledger, own, instance, key };
        engine(makings).await
    }

    /// One more on the same vendors, with a ledger of its own.
    pub async fn engine_of_another_ledger(&mut self) -> Engine {
        let own = self.ledger;
        self.ledger = own + 100;
        let other = self.another_engine().await;
        self.ledger = own;
        other
    }

    /// The ledger as it is now, for [`Stepped::restart_with`].
    pub fn copy_of_ledger(&self) -> Vec<(String, Vec<u8>)> {
        let parts = ["", "-wal"].map(|part| format!("ledger-{}.db{part}", self.ledger));
        parts
            .into_iter()
            .filter_map(|name| Some((name.clone(), std::fs::read(self.folder.path().join(name)).ok()?)))
            .collect()
    }

    /// As [`Stepped::restart`], with the ledger as it was once.
    pub async fn restart_with(&mut self, copy: &[(String, Vec<u8>)]) {
        let before = format!("ledger-{}.db", self.ledger);
        self.ledger += 1;
        for (name, bytes) in copy {
            let name = name.replace(&before, &format!("ledger-{}.db", self.ledger));
            std::fs::write(self.folder.path().join(name), bytes).unwrap();
        }
        self.restart().await;
    }

    /// Everything as it is now, the second host's engine apart.
    pub fn snapshot(&self) -> Snapshot {
        let files = std::fs::read_dir(self.services()).unwrap().map(|entry| entry.unwrap().path());
        Snapshot {
            docker: self.docker.snapshot(),
            npm: self.npm.snapshot(),
            ovh: self.ovh.snapshot(),
            ledger: self.copy_of_ledger(),
            files: files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect(),
            now: self.clock_now(),
        }
    }

    /// Everything as it was then, with a process that has just started. No vendor misbehaves, and no journal has a call.
    pub async fn rewind(&mut self, to: &Snapshot) {
        for server in self.servers() {
            server.faults.clear();
            server.journal.reset();
        }
        self.docker.rewind(&to.docker).unwrap();
        self.npm.rewind(&to.npm);
        self.ovh.rewind(&to.ovh);
        std::fs::remove_dir_all(self.services()).unwrap();
        std::fs::create_dir(self.services()).unwrap();
        for (path, bytes) in &to.files {
            write_settled(path, bytes);
        }
        self.clock.advance(to.now - self.clock_now());
        let earlier: Vec<PathBuf> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        self.ledger += 1;
        for (name, bytes) in &to.ledger {
            let part = name.split_once(".db").map_or("", |(_, part)| part);
            std::fs::write(format!("{}{part}", self.ledger_path().display()), bytes).unwrap();
        }
        self.restart().await;
        for path in earlier.into_iter().filter(|path| path.is_file()) {
            // The last process may have removed a part of its ledger.
            let _ = std::fs::remove_file(path);
        }
    }

    fn services(&self) -> PathBuf {
        self.folder.path().join("services")
    }

    /// As [`Stepped::restart`], and the ledger is lost.
    pub async fn restart_without_ledger(&mut self) {
        self.ledger += 1;
        self.restart().await;
    }

    /// Where the ledger is.
    pub fn ledger_path(&self) -> PathBuf {
        self.folder.path().join(format!("ledger-{}.db", self.ledger))
    }

    /// As [`Stepped::restart`], with a copy of the ledger put in its place.
    pub async fn restart_with_ledger(&mut self, copy: &std::path::Path) {
        self.ledger += 1;
        std::fs::copy(copy, self.ledger_path()).unwrap();
        self.restart().await;
    }

    pub fn write(&self, file: &str, text: &str) {
        write_settled(self.folder.path().join("services").join(file), text);
    }

    pub fn remove(&self, file: &str) {
        std::fs::remove_file(self.folder.path().join("services").join(file)).unwrap();
    }

    pub fn clock_now(&self) -> Timestamp {
        use amarre::engine::Clock;
        self.clock.now()
    }

    pub fn last_pass(&self) -> Arc<PassView> {
        self.engine.last_pass()
    }

    /// One pass that acts, and the changes that it handed out to their end.
    pub async fn pass(&mut self) {
        step(&mut self.engine, act()).await;
    }

    /// Runs passes until everything is settled.
    pub async fn pass_until_settled(&mut self) {
        rest(&mut self.engine, &self.clock).await;
    }

    /// As [`Stepped::pass_until_settled`]; or a vendor is asked what it never answers, and there the process dies. Whether it did.
    pub async fn pass_until_settled_or_dead(&mut self, vendor: usize) -> bool {
        let journal = self.servers()[vendor].journal.clone();
        let killed = Arc::new(Notify::new());
        let hit = killed.clone();
        journal.tell(Some(Arc::new(move |call: &Call| {
            if call.status == 0 {
                hit.notify_one();
            }
        })));
        let has_died = tokio::select! {
            biased;
            () = killed.notified() => true,
            () = self.pass_until_settled() => false,
        };
        journal.tell(None);
        has_died
    }

    /// Runs passes until everything matches the manifests; then it is quiet.
    pub async fn settle(&mut self) {
        self.pass_until_settled().await;
        // A vendor that was away has a second to answer again, which a busy machine may need for itself.
        for _ in 0..GAPS_MAX {
            if self.last_pass().plan.gaps.is_empty() {
                break;
            }
            self.pass_until_settled().await;
        }
        self.assert_quiet().await;
    }

    /// Nothing is planned, and a pass writes nothing.
    pub async fn assert_quiet(&mut self) {
        let pass = self.last_pass();
        let left: Vec<String> = pass.plan.changes.iter().map(|change| format!("{change:?}")).collect();
        assert_eq!(left, [""; 0], "errors: {:?}", pass.errors);
        assert!(pass.plan.gaps.is_empty(), "{:?}", pass.plan.gaps);
        self.forget();
        self.pass().await;
        self.pass().await;
        assert_eq!(self.writes(), [""; 0], "a converged world is not written to");
    }

    /// Writes at every vendor since [`Stepped::forget`]; sign-ins and probes apart.
    pub fn writes(&self) -> Vec<String> {
        let is_read = |line: &String| line == "POST /api/tokens" || line.contains("/exec");
        let nas = self.nas.iter().map(|nas| &nas.server);
        let writes = self.servers().into_iter().chain(nas).flat_map(|server| server.journal.writes());
        writes.map(|call: Call| format!("{} {}", call.method, call.path)).filter(|line| !is_read(line)).collect()
    }

    pub fn servers(&self) -> [&Server; 3] {
        [&self.docker.server, &self.npm.server, &self.ovh.server]
    }

    pub fn forget(&self) {
        for server in self.servers().into_iter().chain(self.nas.iter().map(|nas| &nas.server)) {
            server.journal.clear();
        }
    }

    pub async fn destroy(&self, service: &str) {
        self.take_down(service, false).await;
    }

    /// With its data.
    pub async fn purge(&self, service: &str) {
        self.take_down(service, true).await;
    }

    async fn take_down(&self, service: &str, purge: bool) {
        let suspension = Suspension {
            by: "a test".to_owned(),
            why: "a test".into(),
            destroy: true,
            purge,
            at: Timestamp::default(),
            until: None,
        };
        self.engine.ledger().suspend(service, &suspension).await.unwrap();
    }

    /// What is stored in the zone is what its servers answer.
    pub fn assert_published(&self, what: &str) {
        let sorted = |rows: Vec<Json>| {
            let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
            rows.sort();
            rows
        };
        assert_eq!(sorted(self.ovh.published(ZONE)), sorted(self.ovh.records(ZONE)), "{what}: not published");
    }

    /// What is not ours, to the last byte.
    pub fn foreign(&self) -> Json {
        let hosts: Vec<Json> = self.npm.rows(npm::Kind::ProxyHost).into_iter().filter(is_foreign).collect();
        let records: Vec<Json> = self.ovh.records(ZONE).into_iter().filter(|row| !is_ours(row)).collect();
        let containers: Vec<Json> = self.docker.containers().into_iter().filter(|c| c["Name"] == "/stranger").collect();
        let networks: Vec<Json> =
            self.docker.networks().into_iter().filter(|n| n["Labels"]["io.amarre.instance"].is_null()).collect();
        json!({"hosts": hosts, "records": records, "containers": containers, "networks": networks})
    }

    /// Everything that there is, ours and not ours; vendor ids, addresses and times of ours aside.
    pub fn world(&self) -> Json {
        let containers: Vec<Json> = self.docker.containers().iter().map(container).collect();
        let mut networks: Vec<Json> = self
            .docker
            .networks()
            .iter()
            .map(|network| {
                let mut members: Vec<&Json> =
                    network["Containers"].as_object().into_iter().flatten().map(|(_, member)| &member["Name"]).collect();
                members.sort_by_key(|name| name.to_string());
                json!({"name": network["Name"], "labels": network["Labels"], "ipam": network["IPAM"]["Config"], "members": members})
            })
            .collect();
        let volumes: Vec<Json> =
            self.docker.volumes().iter().map(|v| json!({"name": v["Name"], "labels": v["Labels"]})).collect();
        networks.sort_by_key(|network| network["name"].to_string());
        let rows = |kind: npm::Kind| -> Vec<Json> {
            let mut rows: Vec<Json> = self.npm.rows(kind).into_iter().map(row).collect();
            rows.sort_by_key(|row| row["domain_names"].to_string());
            rows
        };
        let mut certificates: Vec<Json> =
            self.npm.rows(npm::Kind::Certificate).into_iter().map(|row| row["domain_names"].clone()).collect();
        certificates.sort_by_key(ToString::to_string);
        let mut records: Vec<Json> = self.ovh.records(ZONE).into_iter().map(record).collect();
        records.sort_by_key(ToString::to_string);
        let mut containers = containers;
        containers.sort_by_key(|container| container["name"].to_string());
        json!({
            "containers": containers, "networks": networks, "volumes": volumes, "records": records,
            "hosts": rows(npm::Kind::ProxyHost), "redirections": rows(npm::Kind::RedirectionHost), "dead_hosts": rows(npm::Kind::DeadHost), "lists": rows(npm::Kind::AccessList),
            "certificates": certificates,
        })
    }
}

/// Fails with the lines that differ.
#[track_caller]
pub fn assert_same(found: &Json, expected: &Json, what: &str) {
    let lines = |json: &Json| -> Vec<String> { format!("{json:#}").lines().map(str::to_owned).collect() };
    let (found_lines, expected_lines) = (lines(found), lines(expected));
    let only = |some: &[String], others: &[String]| -> String {
        some.iter().filter(|line| !others.contains(line)).take(20).map(|line| format!("  {line}\n")).collect()
    };
    let surplus = only(&found_lines, &expected_lines);
    let missing = only(&expected_lines, &found_lines);
    assert!(
        found == expected,
        "{what}: found\n{surplus}instead of\n{missing}({} lines, expected {})",
        found_lines.len(),
        expected_lines.len()
    );
}

pub fn act() -> RunMode {
    RunMode::Act { confirmed_deletes: None, only: None }
}

/// One pass, and the changes that it handed out to their end.
pub async fn step(engine: &mut Engine, mode: RunMode) {
    engine.pass(mode).await;
    while engine.lane_done().await {}
}

/// Runs passes until everything is settled.
pub async fn rest(engine: &mut Engine, clock: &ShiftedClock) {
    for _ in 0..LOOKS_MAX {
        step(engine, act()).await;
        if engine.last_pass().at_rest && !engine.is_busy() && engine.last_pass().unpublished.is_empty() {
            return;
        }
        clock.advance(STEP);
    }
    let pass = engine.last_pass();
    panic!("does not come to rest: {:?} {:?} {:?} {:#?}", pass.ledger_error, pass.errors, pass.unpublished, pass.plan);
}

pub fn options() -> DockerOptions {
    DockerOptions {
        pull_anything: false,
        restart_delay: std::time::Duration::ZERO,
        health_delay: std::time::Duration::ZERO,
        host_paths: Some(std::collections::BTreeSet::new()),
        ..DockerOptions::default()
    }
}

/// An engine that runs NPM, and knows the images `web:1`, `web:2`, `db:1`.
pub async fn docker(options: DockerOptions) -> Docker {
    let docker = Docker::start(options).await.unwrap();
    for image in ["web:1", "web:2", "db:1", "npm:2", "other:1"] {
        docker.image(ImageSpec { id: image.to_owned(), ..ImageSpec::new(image) });
    }
    docker.seed_network("npm_default", "172.31.0.0/24").unwrap();
    docker.seed_container("npm", "npm:2", &["npm_default"]).unwrap();
    docker
}

fn seed(docker: &Docker, npm: &Npm, ovh: &Ovh) {
    // The first subnet of the pool is foreign.
    docker.seed_network("foreign", "10.77.0.0/24").unwrap();
    docker.seed_container("stranger", "other:1", &["foreign"]).unwrap();
    npm.seed_proxy_host(&json!({
        "domain_names": ["foreign.example.org"], "forward_scheme": "http", "forward_host": "192.0.2.7", "forward_port": 80,
    }));
    ovh.seed_record(ZONE, "foreign", "A", "198.51.100.7", 3600);
    ovh.seed_record(ZONE, "", "MX", "10 mail.example.net.", 3600);
}

/// What an engine is made of.
struct Makings<'a> {
    docker: &'a Docker,
    nas: Option<&'a Docker>,
    npm: &'a Npm,
    ovh: &'a Ovh,
    folder: &'a TempDir,
    clock: &'a Arc<ShiftedClock>,
    no_secrets: &'a Arc<AtomicBool>,
    doors: &'a Arc<Doors>,
    setting: Setting,
    ledger: u32,
    own: Option<&'a str>,
    instance: &'a str,
    key: &'a MarkKey,
}

async fn engine(makings: Makings<'_>) -> Engine {
    let config = config(&makings);
    let providers = providers(&makings, &config);
    let Makings { folder, clock, no_secrets, doors, ledger, key, .. } = makings;
    let path: PathBuf = folder.path().join(format!("ledger-{ledger}.db"));
    let no_secrets = no_secrets.clone();
    Engine::new(EngineParts {
        site: config.site.clone(),
        providers,
        source: Source::from(Folder::new(&folder.path().join("services"))),
        ledger: Ledger::open(&path).await.unwrap(),
        secrets: Arc::new(move |name| {
            if no_secrets.load(Ordering::Relaxed) {
                Err((format!("secret `{}` is not set", name.0), "set it".to_owned()))
            } else {
                Ok(Secret::new(format!("value of {}", name.0)))
            }
        }),
        key: key.clone(),
        clock: clock.clone(),
        visitor: doors.clone(),
        interval: Millis::minutes(5),
    })
}

fn config(makings: &Makings<'_>) -> Config {
    let Makings { docker, nas, npm, ovh, folder, setting, instance, .. } = makings;
    let mut text = json!({
        "instance": instance, "domains": [ZONE],
        "hosts": {"default": {"docker": endpoint(docker), "address": PUBLIC, "npm": "main"}},
        "npm": {"main": {"url": npm.server.url(), "identity": "amarre@amarre.demo", "secret": "changeme-npm", "container": "npm"}},
        "ovh": {"endpoint": ovh.endpoint(), "application_key": "a", "application_secret": "b", "consumer_key": "c"},
        "network": {"pools": ["10.77.0.0/16"]},
        "policy": {"repositories": ["./*"], "dockerfiles": ["./*"]},
        "certificates": {"dns_credentials": {"application_key": "key", "application_secret": "secret", "consumer_key": "for-npm"}},
    });
    if let Some(reach) = setting.reach {
        text["npm"]["main"]["reach"] = json!(reach);
    }
    if setting.is_npm_unnamed {
        text["npm"]["main"].as_object_mut().unwrap().remove("container");
    }
    if setting.allows_all {
        text["network"]["pools"] = json!(["172.20.0.0/16"]);
        text["policy"] = json!({
            "privileged": true, "docker_socket": true, "host_network": true, "host_namespaces": true,
            "devices": ["*"], "capabilities": ["ALL"], "host_paths": ["/srv"], "volumes": ["*"], "volume_drivers": ["*"],
            "networks": ["*"], "subnets": ["0.0.0.0/0"], "ports": ["1-65535"], "runtimes": ["*"], "log_drivers": ["*"], "instances": ["*"], "repositories": ["*"], "dockerfiles": ["*"], "targets": {"*": ["*"]}, "names": {"*": ["*"]}, "secrets": {"*": ["*"]},
            "records": [
                "A", "AAAA", "CNAME", "TXT", "CAA", "SRV", "apex", "wildcard", "_acme-challenge", "_dmarc", "_domainkey",
                "_mta-sts", "_*",
            ],
        });
    }
    if setting.has_data {
        let data = folder.path().join("data");
        text["hosts"]["default"]["data"] = json!(data);
        text["policy"] = json!({"host_paths": [data], "volumes": ["*"], "follow_links": setting.follows_links, "repositories": ["*"], "dockerfiles": ["*"]});
    }
    if setting.by_operators {
        text["policy"] = json!({"authors": "operators"});
    }
    if let Some(nas) = nas {
        text["hosts"]["nas"] =
            json!({"docker": endpoint(nas), "npm": "main", "private_address": NAS, "publish_ports": "20000-20003"});
    }
    Config::parse(&text.to_string(), &folder.path().join("amarre.yaml")).unwrap()
}

fn endpoint(docker: &Docker) -> String {
    format!("tcp://{}", docker.server.address)
}

fn providers(makings: &Makings<'_>, config: &Config) -> Vec<Arc<dyn Provider>> {
    let Makings { docker, nas, npm, ovh, setting, own, instance, key, .. } = makings;
    let (instance, key) = ((*instance).to_owned(), (*key).clone());
    let host = &config.site.hosts["default"];
    let docker = DockerConfig::new(ProviderId::docker("default"), &endpoint(docker), &instance, key.clone());
    let docker = DockerProvider::new(DockerConfig {
        npm_container: host.npm.as_ref().and_then(|npm| npm.container.clone()),
        npm_ports: host.kept_ports.keys().copied().collect(),
        own: own.map(str::to_owned),
        sees_files: Some(setting.sees_files),
        ..docker
    });
    let npm = NpmProvider::new(NpmConfig {
        id: ProviderId::npm("main"),
        url: npm.server.url(),
        identity: "amarre@amarre.demo".to_owned(),
        secret: Secret::new("changeme-npm"),
        dns_credentials: config.npms["main"].dns_credentials.clone(),
        instance: instance.clone(),
        key: key.clone(),
        look_every: amarre::providers::npm::LOOK_EVERY,
    });
    let ovh = OvhProvider::new(OvhConfig {
        id: ProviderId::ovh(),
        endpoint: ovh.endpoint(),
        login: OvhLogin::Keys {
            application_key: "application-key".to_owned(),
            application_secret: Secret::new("application-secret"),
            consumer_key: Secret::new("consumer-key"),
        },
        instance,
        registry: true,
        key: key.clone(),
        pace: Pace::unbounded(),
        propagation: Propagation { servers: ovh.dns.clone(), resolvers: Vec::new(), timeout: Millis::minutes(10) },
    });
    let mut providers: Vec<Arc<dyn Provider>> =
        vec![Arc::new(docker.unwrap()), Arc::new(npm.unwrap()), Arc::new(ovh.unwrap())];
    if let Some(nas) = nas {
        let nas = DockerConfig::new(ProviderId::docker("nas"), &endpoint(nas), "home", key);
        providers.push(Arc::new(DockerProvider::new(nas).unwrap()));
    }
    providers
}
