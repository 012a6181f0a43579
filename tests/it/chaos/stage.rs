//! Runs a story under a script, pass by pass, to its end. The clock jumps to where the engine schedules its next pass,
//! so that a whole day takes a moment and the schedule is tested as well.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use amarre::engine::RunMode;
use amarre_core::model::world::Suspension;
use amarre_core::model::{Millis, Timestamp};
use amarre_core::plan::forecast::forecast;
use amarre_sim::docker::{Behaviour, ImageSpec};
use amarre_sim::npm;
use serde_json::{Value as Json, json};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::ledger;
use super::oracle;
use super::script::{Rule, Script};
use super::story::{Act, Files, Story};
use super::watch::{Aims, Watch};
use crate::support::stepped::{Snapshot, Stepped, ZONE, options};

/// No story takes more passes, its faults and all their pauses included.
const LOOKS_MAX: usize = 1000;
/// Nor more time: what waits longest is a certificate whose order failed four times, the third and fourth for a day each,
/// and a clock that was put back by an hour, twice.
const TIME_MAX: Millis = Millis::minutes(60 * 60);
/// Between passes without events, as in the configuration.
const INTERVAL: Millis = Millis::minutes(5);

/// Secrets that manifests of stories name. Each is known to one vendor alone.
pub const SECRET_OF_DOCKER: &str = "value of cloud";
pub const SECRETS_OF_NPM: [&str; 3] = ["value of family/anna", "value of family/anna-new", "value of family/bert"];

pub struct Stage {
    pub rig: Stepped,
    pub script: Arc<Script>,
    pub watch: Arc<Watch>,
    pub log: Log,
    /// What a person asked for, to be asked again of a ledger that does not know it.
    asked: Vec<Asked>,
    /// Passes since the story began, and what happens before which of them.
    pub looks: usize,
    twists: Vec<Twist>,
    /// The ledger from before the story.
    copy: Option<PathBuf>,
    /// Until which pass the ledger is full.
    full_until: Option<usize>,
    /// The process ends when the ledger takes nothing more.
    dies_at_ledger: bool,
    /// How often the process died under a call or a write.
    pub deaths: usize,
    /// Its ledger is lost whenever the process dies, and with it, unless a story only adds to what is there, what was deleted and is
    /// not published yet.
    loses_ledger: bool,
    only_adds: bool,
    /// What was known of deletes that are not published yet is lost.
    pub has_forgotten: bool,
    /// Which of several services is worked on next.
    turn: usize,
    _log_guard: tracing::subscriber::DefaultGuard,
}

#[derive(Debug, Clone)]
struct Asked {
    service: &'static str,
    purge: bool,
}

/// What a story is told under.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    pub rules: Vec<Rule>,
    pub twists: Vec<Twist>,
    /// A process that dies under a call loses its ledger.
    pub loses_ledger: bool,
}

/// Where stories begin: these manifests are effective. Reached once, and rewound for each of them.
pub struct Beginning {
    rig: Option<Stepped>,
    snapshot: Snapshot,
}

impl Beginning {
    pub async fn new(files: &Files) -> Self {
        let mut stage = Stage::set(files).await;
        assert_eq!(oracle::secrets(&stage), [""; 0], "before the story");
        // The event stream ends with its engine; what follows is told to the next one.
        stage.rig.restart().await;
        let snapshot = stage.rig.snapshot();
        Self { rig: Some(stage.rig), snapshot }
    }

    /// As it was then, with a process that knows all of it.
    pub async fn stage(&mut self) -> Stage {
        let mut rig = self.rig.take().expect("a stage is given back before the next");
        rig.rewind(&self.snapshot).await;
        let mut stage = Stage::on(rig);
        stage.live(Goal::Converged).await.unwrap_or_else(|why| panic!("the beginning is not settled: {why}"));
        stage
    }

    pub fn give_back(&mut self, stage: Stage) {
        self.rig = Some(stage.rig);
    }
}

/// An event beside the vendors, before the n-th pass of the story.
#[derive(Debug, Clone)]
pub struct Twist {
    pub look: usize,
    pub turn: Turn,
}

#[derive(Debug, Clone)]
pub enum Turn {
    ClockStep(Millis),
    /// The process ends, and its ledger is gone.
    LedgerLost,
    /// The process ends, and its ledger is the one from before the story.
    LedgerPutBack,
    /// The ledger cannot be written for some passes.
    LedgerFull {
        looks: usize,
    },
    /// The process ends, and starts again.
    Death,
    /// The ledger takes this many more rows; at the write after them the process ends, and starts again on what is
    /// there.
    DeathAtLedger {
        rows: i64,
    },
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// Nothing is left to do.
    Converged,
    /// Nothing moves by itself.
    Rest,
}

impl Stage {
    /// Fresh vendors with foreign resources in them, and these effective manifests.
    pub async fn set(files: &Files) -> Self {
        let rig = Stepped::with(options()).await;
        seed(&rig);
        let mut stage = Self::on(rig);
        for (file, text) in files {
            stage.rig.write(file, text);
        }
        if !files.is_empty() {
            stage.live(Goal::Converged).await.unwrap_or_else(|why| panic!("the beginning does not converge: {why}"));
        }
        stage
    }

    /// These vendors, on which nothing has happened yet.
    pub fn on(rig: Stepped) -> Self {
        let log = Log::default();
        let filter = EnvFilter::new("info,amarre=trace,sqlx=warn");
        let subscriber =
            tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).with_env_filter(filter).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        Self {
            rig,
            script: Arc::default(),
            watch: Arc::default(),
            log,
            asked: Vec::new(),
            looks: 0,
            twists: Vec::new(),
            copy: None,
            full_until: None,
            dies_at_ledger: false,
            deaths: 0,
            loses_ledger: false,
            only_adds: false,
            has_forgotten: false,
            turn: 0,
            _log_guard: guard,
        }
    }

    /// The whole story; what went wrong, or every call that came.
    pub async fn run(&mut self, story: &Story, trial: &Trial, expected: &Json) -> Result<(), String> {
        let rig = &self.rig;
        let aims = Aims { kept: oracle::domains(expected), may_purge: story.purges(), has_records: true };
        self.watch.begin(&rig.docker, &rig.npm, &rig.ovh, &self.script, aims);
        for word in SECRETS_OF_NPM {
            rig.docker.server.journal.forbid(word);
            rig.ovh.server.journal.forbid(word);
        }
        rig.npm.server.journal.forbid(SECRET_OF_DOCKER);
        rig.ovh.server.journal.forbid(SECRET_OF_DOCKER);
        if !trial.twists.is_empty() {
            self.copy = Some(ledger::copy(&self.rig.ledger_path(), "before.db").await);
        }
        self.twists.clone_from(&trial.twists);
        (self.loses_ledger, self.only_adds) = (trial.loses_ledger, story.only_adds());
        self.looks = 0;
        self.script.begin(self.rig.servers(), trial.rules.clone());
        let mut acts = story.acts.iter().peekable();
        while let Some(act) = acts.next() {
            self.act(act).await?;
            let is_seen = acts.peek().is_none_or(|next| matches!(next, Act::Rest));
            if is_seen && !matches!(act, Act::Rest) {
                self.foresee().await;
            }
        }
        self.live(Goal::Converged).await?;
        self.twists.clear();
        self.script.end(self.rig.servers());
        Ok(())
    }

    async fn act(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Write(file, text) => self.rig.write(file, text),
            Act::Remove(file) => self.rig.remove(file),
            Act::Destroy(service) | Act::Purge(service) => {
                self.asked.push(Asked { service, purge: matches!(act, Act::Purge(_)) });
                self.request().await;
            }
            Act::Meddle(meddle) => {
                // Readings may be used for a minute: no change from outside comes sooner.
                self.rig.clock.advance(INTERVAL);
                meddle(self);
            }
            Act::Rest => self.live(Goal::Rest).await?,
        }
        Ok(())
    }

    /// What a person asked for is asked again.
    async fn request(&self) {
        for asked in &self.asked {
            let suspension = Suspension {
                by: "a test".to_owned(),
                why: "a test".into(),
                destroy: true,
                purge: asked.purge,
                at: Timestamp::default(),
                until: None,
            };
            self.rig.engine.ledger().suspend(asked.service, &suspension).await.unwrap();
        }
    }

    /// What the plan says will be away for a while may be away.
    pub async fn foresee(&mut self) {
        let script = self.script.clone();
        loop {
            let died = tokio::select! {
                biased;
                () = script.killed() => true,
                () = self.rig.engine.pass(RunMode::PlanOnly) => false,
            };
            if !died {
                break;
            }
            self.start_again().await;
        }
        let pass = self.rig.last_pass();
        let plan = pass.with_input(|input| forecast(input).plan).unwrap_or_default();
        self.watch.announce(&plan.changes);
    }

    /// Runs passes until the goal is reached; the process may die on the way, and starts again.
    pub async fn live(&mut self, goal: Goal) -> Result<(), String> {
        let mut spent = Millis(0);
        for _ in 0..LOOKS_MAX {
            self.twist().await;
            self.looks += 1;
            let script = self.script.clone();
            let died = tokio::select! {
                biased;
                () = script.killed() => true,
                () = self.pass() => false,
            };
            if died || self.died_at_ledger().await {
                self.deaths += 1;
                self.start_again().await;
                continue;
            }
            if self.is_at(goal) {
                return Ok(());
            }
            let pause = self.pause();
            spent = Millis(spent.0 + pause.0);
            if spent > TIME_MAX {
                break;
            }
            self.rig.clock.advance(pause);
        }
        let pass = self.rig.last_pass();
        let left: Vec<String> =
            pass.plan.changes.iter().map(|change| format!("{} {:?}", change.address, change.gate)).collect();
        Err(format!(
            "is not {goal:?} after {LOOKS_MAX} looks or {TIME_MAX:?}:\n  plan: {left:#?}\n  gaps: {:?}\n  errors: {:?}\n  ledger: {:?}\n  unpublished: {:?}",
            pass.plan.gaps,
            pass.errors
                .iter()
                .map(|(service, error)| format!("{service}: {} {}", error.change.address, error.error))
                .collect::<Vec<_>>(),
            pass.ledger_error,
            pass.unpublished,
        ))
    }

    /// The process died under a call or a write.
    async fn start_again(&mut self) {
        if self.loses_ledger {
            self.rig.restart_without_ledger().await;
            self.has_forgotten |= !self.only_adds;
            self.request().await;
        } else {
            self.rig.restart().await;
        }
    }

    /// This many passes, whatever is reached by then.
    pub async fn run_passes(&mut self, count: usize) {
        for _ in 0..count {
            self.pass().await;
            let pause = self.pause();
            self.rig.clock.advance(pause);
        }
    }

    /// Events beside the vendors before this pass.
    async fn twist(&mut self) {
        if self.full_until.is_some_and(|until| until <= self.looks) {
            self.full_until = None;
            ledger::heal(&self.rig.ledger_path()).await;
        }
        let due: Vec<Twist> = self.twists.extract_if(.., |twist| twist.look <= self.looks).collect();
        for Twist { turn, .. } in due {
            let is_other_ledger = matches!(turn, Turn::LedgerLost | Turn::LedgerPutBack);
            match turn {
                Turn::ClockStep(step) => self.rig.clock.advance(step),
                Turn::LedgerFull { looks } => {
                    ledger::fail_from(&self.rig.ledger_path(), 0).await;
                    self.full_until = Some(self.looks + looks);
                }
                Turn::DeathAtLedger { rows } => {
                    ledger::fail_from(&self.rig.ledger_path(), rows).await;
                    self.dies_at_ledger = true;
                }
                Turn::Death => self.rig.restart().await,
                Turn::LedgerLost => self.rig.restart_without_ledger().await,
                Turn::LedgerPutBack => {
                    let copy = self.copy.clone().expect("it is made when a story has twists");
                    self.rig.restart_with_ledger(&copy).await;
                }
            }
            if is_other_ledger {
                self.has_forgotten = true;
                self.full_until = None;
                self.request().await;
            }
        }
    }

    /// Whether the ledger took nothing more, which ends the process; it takes everything again.
    async fn died_at_ledger(&mut self) -> bool {
        let died = self.dies_at_ledger && self.rig.last_pass().ledger_error.is_some();
        if died {
            self.dies_at_ledger = false;
            ledger::heal(&self.rig.ledger_path()).await;
        }
        died
    }

    /// One pass that acts, for one service at a time: one call is in flight, so that a story is the same each time.
    async fn pass(&mut self) {
        let pass = self.rig.last_pass();
        let ready: BTreeSet<String> =
            pass.plan.changes.iter().filter(|change| change.is_now()).map(|change| change.service.clone()).collect();
        let only = match ready.len() {
            0 | 1 => None,
            many => {
                self.turn += 1;
                ready.into_iter().nth(self.turn % many).map(|service| BTreeSet::from([service]))
            }
        };
        // Whoever removes manifests in a story means it.
        let guard = pass.plan.guard.iter().flat_map(|refusal| &refusal.hints).filter_map(|hint| hint.command.as_ref());
        let number = guard.filter_map(|command| command.rsplit_once("--confirm-deletes=")).next();
        let confirmed_deletes = number.map(|(_, number)| number.parse().unwrap());
        self.rig.engine.pass(RunMode::Act { confirmed_deletes, only }).await;
        // Before it is done: what could not be foreseen while a vendor was hidden is said now.
        let pass = self.rig.last_pass();
        self.watch.announce(&pass.plan.changes);
        while self.rig.engine.lane_done().await {}
        let pass = self.rig.last_pass();
        // What vanishes after one number was matched is another question, and asks for another `apply`.
        if confirmed_deletes.is_some() && pass.plan.guard.is_some() {
            self.rig.restart().await;
        }
    }

    fn is_at(&self, goal: Goal) -> bool {
        let pass = self.rig.last_pass();
        let published = pass.unpublished.is_empty() && !self.rig.engine.is_busy();
        match goal {
            Goal::Converged => {
                published
                    && pass.plan.changes.is_empty()
                    && pass.plan.gaps.is_empty()
                    && pass.at_rest
                    && pass.ledger_error.is_none()
            }
            Goal::Rest => published && pass.at_rest && pass.only.is_none(),
        }
    }

    /// How long the daemon would sleep now.
    fn pause(&self) -> Millis {
        let pass = self.rig.last_pass();
        let now = amarre::engine::Clock::now(self.rig.clock.as_ref());
        let mut pause = INTERVAL;
        if let Some(at) = pass.plan.next_look {
            pause = Millis((at - now).0.clamp(0, pause.0));
        }
        if pass.plan.changes.iter().any(amarre_core::model::Change::is_now) && pass.ledger_error.is_none() {
            pause = Millis(50);
        }
        for (_, error) in &pass.unpublished {
            let soon = if error.is_none() { Millis::seconds(1) } else { Millis::seconds(10) };
            pause = Millis(pause.0.min(soon.0));
        }
        pause
    }
}

/// What stories need of the vendors, and foreign resources that look much like ours.
fn seed(rig: &Stepped) {
    let healthcheck = Some(json!({"Test": ["CMD", "true"]}));
    for (image, behaviour) in [
        ("app:1", Behaviour::Serve),
        ("app:2", Behaviour::Serve),
        ("store:1", Behaviour::Serve),
        ("store:2", Behaviour::Serve),
        ("bad:1", Behaviour::Exit(1)),
    ] {
        let healthcheck = healthcheck.clone();
        rig.docker.image(ImageSpec { id: image.to_owned(), healthcheck, behaviour, ..ImageSpec::new(image) });
    }
    let docker = &rig.docker;
    docker.seed_network("zz-amarre-web2", "10.77.200.0/24").unwrap();
    docker.seed_container("web-2", "other:1", &["zz-amarre-web2"]).unwrap();
    let npm = &rig.npm;
    npm.seed_proxy_host(&json!({
        "domain_names": ["web2.example.org"], "forward_scheme": "http", "forward_host": "192.0.2.8", "forward_port": 80,
        "meta": {"amarre_instance": "homestead", "amarre_service": "web"},
    }));
    npm.seed_access_list(&json!({"name": "homestead/family"}));
    npm.seed_certificate("somebody's", &["foreign.example.org"]);
    let seeded = [
        rig.ovh.seed_record(ZONE, "web2", "A", "198.51.100.8", 3600),
        rig.ovh.seed_record(
            ZONE,
            "_amarre.web2",
            "TXT",
            "\"heritage=amarre,instance=homestead,service=web,type=A\"",
            3600,
        ),
    ];
    assert!(seeded.iter().all(|id| *id != 0), "the vendor takes such records");
}

/// Every row, network, volume and container that is not ours, to the last byte.
pub fn foreign(rig: &Stepped) -> Json {
    let of_docker = |things: Vec<Json>, labels: &str| -> Vec<Json> {
        let is_foreign =
            |thing: &Json| thing.pointer(labels).is_none_or(|labels| labels["io.amarre.instance"] != "home");
        things.into_iter().filter(is_foreign).collect()
    };
    let rows = |kind: npm::Kind| -> Vec<Json> {
        let is_foreign = |row: &Json| {
            row["meta"]["amarre_instance"] != "home"
                && !row["name"].as_str().is_some_and(|name| name.starts_with("home/"))
        };
        rig.npm.rows(kind).into_iter().filter(is_foreign).collect()
    };
    let mut containers = of_docker(rig.docker.containers(), "/Config/Labels");
    // NPM's own is touched by attachments, and that alone.
    containers.retain(|container| container["Name"] != "/npm");
    let subs = ["foreign", "", "web2", "_amarre.web2"];
    let at_apex = |row: &Json| row["subDomain"] == "" && row["fieldType"] == "A";
    let is_foreign = |row: &Json| row["subDomain"].as_str().is_none_or(|sub| subs.contains(&sub)) && !at_apex(row);
    let records = |rows: Vec<Json>| -> Vec<Json> { rows.into_iter().filter(is_foreign).collect() };
    // Everybody's are touched by who joins them.
    let everybodys = ["npm_default", "bridge", "host", "none"].map(Json::from);
    let networks = of_docker(rig.docker.networks(), "/Labels").into_iter().filter(|n| !everybodys.contains(&n["Name"]));
    json!({
        "containers": containers,
        "networks": networks.collect::<Vec<_>>(),
        "volumes": of_docker(rig.docker.volumes(), "/Labels"),
        "hosts": rows(npm::Kind::ProxyHost), "redirections": rows(npm::Kind::RedirectionHost), "dead_hosts": rows(npm::Kind::DeadHost), "streams": rows(npm::Kind::Stream),
        "lists": rows(npm::Kind::AccessList), "certificates": uploaded(&rig.npm),
        "records": records(rig.ovh.records(ZONE)), "published": records(rig.ovh.published(ZONE)),
    })
}

/// Everything that was logged.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Certificates that were not ordered from Let's Encrypt: not ours.
fn uploaded(npm: &npm::Npm) -> Vec<Json> {
    let rows = npm.rows(npm::Kind::Certificate);
    rows.into_iter().filter(|row| row["provider"] != "letsencrypt").collect()
}
