//! One instance with something of everything: services in every state, two clouds, a pool, an app, users, tokens, notifications. Its
//! clock and that of every simulator stand still but for the steps that are taken here, so each run of it says the same.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use amarre::cli::simulated_machines::SimulatedMachines;
use amarre::config::Config;
use amarre::engine::reconcile::port80::{HttpVisitor, Port80Client};
use amarre::engine::reconcile::reservations::PoolChange;
use amarre::engine::report::builds::bases;
use amarre::engine::{Clock, Engine, EngineParts, RunMode};
use amarre::ledger::Ledger;
use amarre::providers::ssh::{SshProvider, sign_in_text};
use amarre::registry;
use amarre::secret::{MarkKey, Secret};
use amarre::source::{AppFolder, AppRepositories, Folder, Source};
use amarre_core::model::power::{Override, OverrideEnd, OverrideSource, Power};
use amarre_core::model::reservations::{Reservation, ReservationState};
use amarre_core::model::world::{Port80, Resolution, Suspension};
use amarre_core::model::{Address, Kind, Millis, Text, Timestamp};
use amarre_sim::Fault;
use amarre_sim::docker::{Behaviour, Docker, DockerOptions, ImageSpec};
use amarre_sim::kamatera::{Kamatera, KamateraClock, KamateraOptions};
use amarre_sim::machines::{MachineSort, Machines};
use amarre_sim::npm::{self, Issuance, Npm, NpmOptions, Upstreams};
use amarre_sim::ovh::{Ovh, OvhOptions};
use amarre_sim::ovh_cloud::{CloudClock, OvhCloud, OvhCloudOptions};
use async_trait::async_trait;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::forge::Forge;
use crate::support::stepped::{self, NAS, ZONE, act};
use crate::support::{world_folder, write_settled};

/// Monday, 7 December 2026, 9:30 in Paris.
const BEGIN: &str = "2026-12-07T08:30:00Z";
/// From pass to pass.
const STEP: Millis = Millis::seconds(2);
/// Nothing here takes more passes until it rests, or waits for a person.
const PASSES_MAX: usize = 14;
/// What takes so long is done after what the ledger notes beside it.
const SLOWLY: Duration = Duration::from_millis(150);
/// Looks until a registry has answered.
const LOOKS_MAX: usize = 500;
/// The public key of whoever has a machine.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

/// Stands still until a test puts it forward, and the simulators of this thread with it.
pub struct StillClock(AtomicI64);

impl StillClock {
    fn stopped_at(at: Timestamp) -> Self {
        amarre_sim::clock::stop_at(at.0);
        Self(AtomicI64::new(at.0))
    }

    /// So long after the beginning, however many passes there were until then.
    fn advance_to(&self, minutes: i64) {
        let then = Timestamp::parse(BEGIN).unwrap() + Millis::minutes(minutes);
        let span = then - self.now();
        assert!(span.0 >= 0, "{minutes} minutes after the beginning are over");
        self.advance(span);
    }

    fn advance(&self, span: Millis) {
        let before = self.0.fetch_add(span.0, Ordering::Relaxed);
        amarre_sim::clock::stop_at(before + span.0);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn steady(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed))
    }
}

/// What NPM's container reaches.
struct FromNpm(Arc<Docker>, Arc<Docker>);

impl Upstreams for FromNpm {
    fn locate(&self, host: &str, port: u16) -> Option<SocketAddr> {
        if host == NAS { self.1.locate("localhost", port) } else { self.0.locate_from("npm", host, port) }
    }
}

/// Every name leads to NPM, and whoever is asked answers.
struct Visitor(SocketAddr);

#[async_trait]
impl Port80Client for Visitor {
    async fn visit(&self, name: &str, _: SocketAddr, to: Option<&str>) -> Port80 {
        HttpVisitor::default().visit(name, self.0, to).await
    }

    async fn find(&self, _: &str) -> Resolution {
        Resolution::To([[203, 0, 113, 10].into()].into())
    }

    async fn answers(&self, _: SocketAddr, _: Option<&str>) -> Result<(), Text> {
        Ok(())
    }
}

pub struct World {
    pub folder: TempDir,
    pub clock: Arc<StillClock>,
    pub engine: Engine,
    pub config: Config,
    docker: Arc<Docker>,
    nas: Arc<Docker>,
    npm: Npm,
    ovh: Ovh,
    paris: OvhCloud,
    tlv: Kamatera,
    machines: Machines,
    forge: Forge,
    git: String,
    repositories: AppRepositories,
}

impl World {
    /// Before anything is there.
    pub async fn start() -> Self {
        amarre::telemetry::start(false);
        let folder = world_folder();
        let clock = Arc::new(StillClock::stopped_at(Timestamp::parse(BEGIN).unwrap()));
        // Else how often a container was restarted would be chance.
        let restart_delay = Duration::from_secs(24 * 60 * 60);
        let options = DockerOptions { restart_delay, build_step: SLOWLY, ..stepped::options() };
        let docker = Arc::new(stepped::docker(options).await);
        let nas = Arc::new(Docker::start(stepped::options()).await.unwrap());
        for (engine, image) in [(&docker, "nginx:1.30-alpine"), (&docker, "worker:1"), (&nas, "files:3")] {
            engine.image(ImageSpec { id: image.to_owned(), ..ImageSpec::new(image) });
        }
        docker.image(ImageSpec { behaviour: Behaviour::Exit(1), id: "sick:1".to_owned(), ..ImageSpec::new("sick:1") });
        docker.seed_network("foreign", "10.77.0.0/24").unwrap();
        docker.seed_container("stranger", "other:1", &["foreign"]).unwrap();
        let through = NpmOptions::with_upstreams(Arc::new(FromNpm(docker.clone(), nas.clone())));
        let npm = Npm::start(NpmOptions { issuance: Issuance::Granted, ..through }).await.unwrap();
        npm.set_level(npm::Kind::DeadHost, npm::Level::Manage);
        npm.seed_proxy_host(&json!({
            "domain_names": ["foreign.example.org"], "forward_scheme": "http", "forward_host": "192.0.2.7", "forward_port": 80,
        }));
        let ovh = Ovh::start(OvhOptions::with_zones(&[ZONE])).await.unwrap();
        ovh.seed_record(ZONE, "foreign", "A", "198.51.100.7", 3600);
        ovh.seed_record(ZONE, "", "MX", "10 mail.example.net.", 3600);
        let paris = OvhCloudOptions { clock: CloudClock::Running, ..OvhCloudOptions::dozen() };
        let paris = OvhCloud::start(paris).await.unwrap();
        paris.grant_managing();
        let tlv = KamateraOptions { clock: KamateraClock::Running, ..KamateraOptions::eight() };
        let tlv = Kamatera::start(tlv).await.unwrap();
        let forge = Forge::new();
        let git = forge.http(None).await.url();
        let theirs = clock.clone();
        let machines = Machines::new(Arc::new(move || theirs.now().0));
        for (number, sort) in
            [MachineSort::Debian, MachineSort::Alpine, MachineSort::Debian, MachineSort::Debian].iter().enumerate()
        {
            machines.add(&format!("10.0.0.{}:22", number + 1), *sort);
        }

        let config = configuration(&docker, &nas, &npm, &ovh, &paris, &tlv);
        let config = Config::parse(&config.to_string(), &folder.path().join("amarre.yaml")).unwrap();
        let key = MarkKey::new([7; 32]);
        let mut providers = registry::providers(&config, &key).unwrap();
        // The last family: real machines of pools are reached by ssh.
        providers.pop();
        providers.push(Arc::new(SshProvider::new(
            "home".to_owned(),
            key.clone(),
            Arc::new(SimulatedMachines(machines.clone())),
        )));
        let place = AppFolder { folder: folder.path().join("apps"), program: env!("CARGO_BIN_EXE_amarre").into() };
        let source = Source::from(Folder::new(&folder.path().join("services"))).with_apps(place);
        let repositories = source.apps().clone();
        let engine = Engine::new(EngineParts {
            site: config.site.clone(),
            providers,
            source,
            ledger: Ledger::open(&folder.path().join("ledger.db")).await.unwrap(),
            secrets: Arc::new(|name| Ok(Secret::new(format!("value of {}", name.0)))),
            key,
            clock: clock.clone(),
            visitor: Arc::new(Visitor(npm.proxy_address)),
            interval: Millis::minutes(5),
        });
        // As `amarre apply` does.
        engine.ledger().set_meta("consent", "given").await.unwrap();
        Self { folder, clock, engine, config, docker, nas, npm, ovh, paris, tlv, machines, forge, git, repositories }
    }

    /// With everything that it has at the end.
    pub async fn eventful() -> Self {
        let mut world = Self::start().await;
        world.has_services().await;
        world.has_servers().await;
        world.has_an_app().await;
        world.lends_machines().await;
        world.has_trouble().await;
        world
    }

    /// Words for what has another port or folder in each run.
    pub fn words(&self) -> Vec<(String, &'static str)> {
        let address = |url: String| url.split("://").last().unwrap().split('/').next().unwrap().to_owned();
        vec![
            (self.folder.path().display().to_string(), "FOLDER"),
            (self.docker.server.address.to_string(), "DOCKER"),
            (self.nas.server.address.to_string(), "NAS"),
            (address(self.npm.server.url()), "NPM"),
            (self.npm.proxy_address.to_string(), "NPM-PROXY"),
            (address(self.ovh.endpoint()), "OVH"),
            (self.ovh.dns[0].to_string(), "DNS-SERVER"),
            (address(self.paris.endpoint()), "PARIS"),
            (address(self.tlv.endpoint()), "TLV"),
            (address(self.git.clone()), "GIT"),
        ]
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.folder.path().join("services").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_settled(path, text);
    }

    /// Passes until nothing happens by itself any more, or what is left waits.
    async fn settle(&mut self) {
        for _ in 0..PASSES_MAX {
            self.engine.pass(act()).await;
            while self.engine.lane_done().await {}
            self.looks_until_registries_answer().await;
            self.clock.advance(STEP);
            let pass = self.engine.last_pass();
            if pass.at_rest && !self.engine.is_busy() && pass.unpublished.is_empty() {
                return;
            }
        }
    }

    /// One manifest after another: what they make has the same numbers in each run.
    async fn has_services(&mut self) {
        for (minute, (name, text)) in SERVICES.into_iter().enumerate() {
            self.clock.advance_to(i64::try_from(minute).unwrap());
            self.write(&format!("{name}.yaml"), &format!("name: {name}\n{text}"));
            self.settle().await;
        }
        self.clock.advance_to(60);
        // Another version, and one with data whose manifest goes.
        self.write("calm.yaml", "name: calm\nimage: web:2\nport: 80\nupdate: {drain: 0s}\n");
        self.settle().await;
        self.clock.advance_to(61);
        std::fs::remove_file(self.folder.path().join("services/gone.yaml")).unwrap();
        self.settle().await;
    }

    async fn has_servers(&mut self) {
        let office =
            "schedule: {timezone: Europe/Paris, on: '0 8 * * mon-fri', off: '0 20 * * mon-fri', off_as: shelve}";
        for (name, region, rule) in [
            ("build-1", "GRA11", office),
            ("db-1", "GRA11", "power: on\nready: {tcp: 22}"),
            ("build-2", "GRA11", "power: off"),
        ] {
            let id = self.paris.id_of(region, name);
            self.write(
                &format!("{name}.yaml"),
                &format!("kind: Instance\nname: {name}\ncloud: paris\nid: {id}\n{rule}\n"),
            );
            self.settle().await;
        }
        let made = "region: EU\ntype: {cpu: 2B, memory: 2GiB, disk: 20GB}\nimage: ubuntu_server_24.04_64-bit\nssh_keys: [ops]\n";
        self.write("worker.yaml", &format!("kind: Instance\nname: worker\ncloud: tlv\n{made}"));
        for _ in 0..8 {
            self.settle().await;
            self.clock.advance(Millis::seconds(30));
        }
        let id = self.paris.id_of("GRA11", "build-1");
        let address = Address::new("ovh-cloud.paris".to_owned().into(), Kind::Instance, &id);
        let (at, by) = (self.clock.now(), "alice@example.org".to_owned());
        let holds = Override { to: Power::Off, source: OverrideSource::Person, by, at, until: OverrideEnd::NextTick };
        self.engine.hold_power(vec![(address, Some(holds))]).await.unwrap();
        for _ in 0..4 {
            self.settle().await;
            self.clock.advance(Millis::seconds(30));
        }
    }

    /// One that runs, an older version of it, and a commit that cannot be built.
    async fn has_an_app(&mut self) {
        let dockerfile = |line: &str| format!("FROM nginx:1.30-alpine\nRUN echo {line}\nEXPOSE 8080\n");
        let commits = [
            ("2026-12-07T08:00:00Z", "Alice Martin", "first page", dockerfile("one")),
            ("2026-12-07T08:10:00Z", "Bob", "second page", dockerfile("two")),
            ("2026-12-07T08:20:00Z", "Bob", "break it", dockerfile("it is broken && exit 7")),
        ];
        let manifest =
            format!("kind: App\nname: site\nnetwork: shared\ngit: {{url: '{}'}}\nupdate: {{drain: 0s}}\n", self.git);
        self.write("site.yaml", &manifest);
        // So that how far a deployment is stands in the ledger before what comes next.
        let is_made = |_: &str, path: &str| path.contains("/containers/create").then_some(Fault::Delay(SLOWLY));
        self.docker.server.faults.decide_by(Arc::new(is_made));
        for (number, (at, who, message, text)) in commits.into_iter().enumerate() {
            self.clock.advance_to(90 + 3 * i64::try_from(number).unwrap());
            self.forge.write("Dockerfile", &text);
            self.forge.commit_all_at(Some(at), who, message);
            self.repositories.ask_again();
            self.looks_at_the_repository().await;
            self.settle().await;
        }
    }

    /// Passes that only look, at one and the same time, until what is asked beside them is known: the commit of a repository.
    async fn looks_at_the_repository(&mut self) {
        self.engine.pass(RunMode::PlanOnly).await;
        self.repositories.idle().await;
        self.engine.pass(RunMode::PlanOnly).await;
    }

    /// The same for the image that a build began with.
    async fn looks_until_registries_answer(&mut self) {
        for _ in 0..LOOKS_MAX {
            let pass = self.engine.last_pass();
            let rows = pass.services.get("site").map(|site| bases(&pass, site)).unwrap_or_default();
            if rows.iter().all(|row| row.digest.is_none() || row.asked.is_some()) {
                return;
            }
            // One that acts, for else no registry is asked, and for no service.
            let for_none = Some(BTreeSet::new());
            self.engine.pass(RunMode::Act { confirmed_deletes: None, only: for_none }).await;
            tokio::task::yield_now().await;
        }
        panic!("no registry was asked");
    }

    /// Machines that are lent, waited for, booked, given back, and one without a trusted key.
    async fn lends_machines(&mut self) {
        self.clock.advance_to(110);
        let machine = |number: usize| format!("  - {{name: m{number}, address: 10.0.0.{number}}}\n");
        let machines: String = (1..=4).map(machine).collect();
        self.write(
            "lab.yaml",
            &format!("kind: Pool\nname: lab\nmachines:\n{machines}limits: {{per_user: 3, queue: 5}}\n"),
        );
        self.settle().await;
        for number in 1..=3 {
            let key = self.machines.host_key(&format!("10.0.0.{number}:22")).unwrap();
            let (pool, machine) = ("lab".to_owned(), format!("m{number}"));
            self.engine.change_pool(PoolChange::Trust { pool, machine, key }).await.unwrap();
        }
        self.settle().await;
        let asked = [("anna", 1, 0), ("ben", 1, 0), ("carla", 2, 0), ("dan", 1, 24 * 60)];
        for (number, (user, count, ahead)) in asked.into_iter().enumerate() {
            self.clock.advance_to(120 + i64::try_from(number).unwrap());
            let (now, state, user) = (self.clock.now(), ReservationState::Open, user.to_owned());
            let (by, from, length) =
                (format!("{user}@example.org"), now + Millis::minutes(ahead), Millis::minutes(180));
            let one = Reservation { id: 0, user, by, count, partly: false, asked: now, from, length, state };
            let wanted = vec![(one, Secret::new(sign_in_text("", KEY)))];
            self.engine.change_pool(PoolChange::Reserve { pool: "lab".to_owned(), wanted }).await.unwrap();
            self.settle().await;
        }
        self.clock.advance_to(155);
        self.engine.change_pool(PoolChange::End { pool: "lab".to_owned(), ids: vec![1] }).await.unwrap();
        self.settle().await;
        self.clock.advance_to(160);
        self.machines.set_up("10.0.0.2:22", false);
        self.settle().await;
    }

    /// What is not as it should be, or is still to come. Nothing repairs it: from now on it is only looked at.
    async fn has_trouble(&mut self) {
        self.clock.advance_to(240);
        let (by, why, at) = ("alice@example.org".to_owned(), "a long holiday".into(), self.clock.now());
        let suspension =
            Suspension { by, why, destroy: false, purge: false, at, until: Some(at + Millis::minutes(24 * 60)) };
        self.engine.ledger().suspend("rests", &suspension).await.unwrap();
        self.settle().await;
        self.clock.advance_to(245);
        // It is tried again after a pause that is another one in each run: long before the last look.
        self.write("lost.yaml", "name: lost\nimage: registry.example.net/nowhere:1\n");
        self.engine.pass(act()).await;
        while self.engine.lane_done().await {}
        let hosts = self.npm.rows(npm::Kind::ProxyHost);
        let host =
            |name: &str| hosts.iter().find(|host| host["domain_names"][0] == name).unwrap()["id"].as_u64().unwrap();
        self.npm.edit_proxy_host(host("drifts.example.org"), &json!({"forward_port": 9999}));
        self.npm.edit_proxy_host(host("rests.example.org"), &json!({"block_exploits": false}));
        self.ovh.seed_record(ZONE, "extra", "TXT", "\"by hand\"", 300);
        self.docker.seed_volume("left_behind").unwrap();
        self.write("broken.yaml", "name: broken\nimage: web:1\nprot: 80\n");
        self.write("new.yaml", "name: new\nimage: web:1\nport: 80\nvolumes: ['data:/data']\n");
        self.write("taken.yaml", "kind: Redirect\nname: taken\ndomain: foreign\nto: https://example.net\n");
        self.write("changes.yaml", "name: changes\nimage: web:2\nport: 80\nenvironment: {LEVEL: debug}\n");
        std::fs::remove_file(self.folder.path().join("services/old.yaml")).unwrap();
        // One list alone, for which of several fails first would be chance.
        let is_asked = |_: &str, path: &str| path.contains("/networks").then_some(Fault::Before(500));
        self.nas.server.faults.decide_by(Arc::new(is_asked));
        self.clock.advance_to(260);
    }
}

/// The manifests that are applied, in this order; each begins with its name.
const SERVICES: [(&str, &str); 14] = [
    ("family", "kind: AccessList\nusers: {anna: {secret: family/anna}}\nallow: [192.168.0.0/16]\nsatisfy: any\n"),
    ("shared", "kind: Network\ninternal: true\n"),
    ("calm", "image: web:1\nport: 80\nupdate: {drain: 0s}\n"),
    ("changes", "image: web:1\nport: 80\nenvironment: {LEVEL: info, TOKEN: {secret: changes/token}}\n"),
    ("drifts", "image: web:1\nport: 80\n"),
    ("rests", "image: web:1\nport: 80\n"),
    ("shop", "image: web:1\nport: 80\nssl: true\naccess_list: family\nnetwork: shared\n"),
    (
        "pair",
        "containers:\n  app: {image: 'web:1', depends_on: [db]}\n  db: {image: 'db:1', volumes: ['data:/var/lib/db']}\nroutes: [{domain: pair, to: 'app:80'}]\n",
    ),
    ("sick", "image: sick:1\nport: 80\n"),
    ("gone", "image: db:1\nvolumes: ['data:/data']\n"),
    ("old", "kind: Redirect\ndomain: old\naliases: [www.old]\nto: 'https://calm.example.org'\n"),
    ("closed", "kind: DeadHost\ndomain: closed\n"),
    ("notes", "kind: Record\ntype: TXT\nvalues: ['v=spf1 -all', 'two words']\n"),
    ("files", "host: nas\nimage: files:3\nport: 80\n"),
];

fn configuration(docker: &Docker, nas: &Docker, npm: &Npm, ovh: &Ovh, paris: &OvhCloud, tlv: &Kamatera) -> Json {
    let endpoint = |docker: &Docker| format!("tcp://{}", docker.server.address);
    let (keys, account) = (OvhCloudOptions::dozen(), KamateraOptions::eight());
    json!({
        "instance": "home", "domains": [ZONE],
        "hosts": {
            "default": {"docker": endpoint(docker), "address": "203.0.113.10", "npm": "main"},
            "nas": {"docker": endpoint(nas), "npm": "main", "private_address": NAS, "publish_ports": "20000-20003"},
        },
        "npm": {"main": {"url": npm.server.url(), "identity": "amarre@amarre.demo", "secret": "changeme-npm", "container": "npm"}},
        "ovh": {"endpoint": ovh.endpoint(), "application_key": "application-key", "application_secret": "application-secret", "consumer_key": "consumer-key"},
        "dns": {"propagation": {"servers": [ovh.dns[0].to_string()], "resolvers": []}},
        "clouds": {
            "paris": {"ovh": {"endpoint": paris.endpoint(), "application_key": keys.application_key,
                "application_secret": keys.application_secret, "consumer_key": keys.consumer_key}, "actions": "all", "limits": {"instances": 5}},
            "tlv": {"kamatera": {"url": tlv.endpoint(), "console": tlv.console_url(), "client_id": account.client_id,
                "secret": account.secret}, "limits": {"instances": 5}},
        },
        "pools": {},
        "ssh_keys": {"ops": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ops"},
        "network": {"pools": ["10.77.0.0/16"]},
        "policy": {"repositories": ["http://127.0.0.1:*"], "dockerfiles": ["http://127.0.0.1:*"], "instances": ["*"], "targets": {"*": ["10.0.*"]}},
        "notifications": {
            "phone": {"ntfy": {"url": "https://ntfy.example.net/topic"}, "on": ["attention", "provider"]},
            "log": {"webhook": {"url": "https://hooks.example.net/amarre", "secret": "a secret of sixteen"}, "services": ["shop*"], "after": "0s"},
        },
    })
}
