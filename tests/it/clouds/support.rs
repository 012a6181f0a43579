//! An engine with nothing but a cloud: no Docker host, no NPM, no domain. Its clock and the vendor's go together.

use std::sync::{Arc, Mutex};

use amarre::config::Config;
use amarre::engine::commands::instance_answers::{LOG_LINES, log_lines};
use amarre::engine::pass_result::ActionState;
use amarre::engine::reconcile::actions::ActionRequest;
use amarre::engine::reconcile::port80::Port80Client;
use amarre::engine::report::instances::{InstanceRow, InstanceState};
use amarre::engine::{Clock, Engine, EngineParts, PassView, RunMode, ShiftedClock};
use amarre::ledger::Ledger;
use amarre::registry;
use amarre::secret::{MarkKey, Secret};
use amarre::source::{Folder, Source};
use amarre_core::model::power::{Cause, Override, OverrideEnd, OverrideSource, Power};
use amarre_core::model::world::{Port80, Resolution};
use amarre_core::model::{Address, Kind, Millis, Text, Timestamp};
use amarre_sim::ovh_cloud::{CloudVerb, OvhCloud, OvhCloudOptions};
use async_trait::async_trait;
use std::net::SocketAddr;
use tempfile::TempDir;

use crate::support::{world_folder, write_settled};

/// Monday, 7 December 2026, 06:00 in Paris.
pub const MONDAY: &str = "2026-12-07T05:00:00Z";
/// Weekdays from 8 to 20.
pub const OFFICE: &str = "schedule: {timezone: Europe/Paris, on: '0 8 * * mon-fri', off: '0 20 * * mon-fri'}";

/// Who asks instances whether they answer; nothing else here has a name.
#[derive(Default)]
pub struct Asking {
    /// Why they do not.
    pub silent: Mutex<Option<&'static str>>,
    pub asked: Mutex<Vec<(SocketAddr, Option<String>)>>,
}

#[async_trait]
impl Port80Client for Asking {
    async fn visit(&self, _: &str, _: SocketAddr, _: Option<&str>) -> Port80 {
        unreachable!("nothing here has a name")
    }

    async fn find(&self, _: &str) -> Resolution {
        unreachable!("nothing here has a name")
    }

    async fn answers(&self, at: SocketAddr, path: Option<&str>) -> Result<(), Text> {
        self.asked.lock().unwrap().push((at, path.map(str::to_owned)));
        let silent = *self.silent.lock().unwrap();
        silent.map_or(Ok(()), |why| Err(Text::foreign(why.to_owned())))
    }
}

pub struct CloudRig {
    pub folder: TempDir,
    pub clock: Arc<ShiftedClock>,
    pub cloud: OvhCloud,
    pub engine: Engine,
    pub asking: Arc<Asking>,
    ledger: u32,
    /// More keys of the login: `, projects: [web]`.
    more: String,
    /// `policy.instances`.
    listed: String,
}

/// All servers of all clouds.
const ALL: &str = "'*'";

impl CloudRig {
    /// A dozen servers; the clock stands at `at`.
    pub async fn start_at(at: &str) -> Self {
        Self::with(OvhCloudOptions::dozen(), at, "").await
    }

    pub async fn with(options: OvhCloudOptions, at: &str, more: &str) -> Self {
        let folder = world_folder();
        let clock = Arc::new(ShiftedClock::default());
        clock.jump(Timestamp::parse(at).unwrap() - clock.now());
        let cloud = OvhCloud::start(options).await.unwrap();
        let more = more.to_owned();
        let asking = Arc::new(Asking::default());
        let listed = ALL.to_owned();
        let engine = engine((&folder, &clock, &asking), &cloud, 0, &more, &listed).await;
        Self { folder, clock, cloud, engine, asking, ledger: 0, more, listed }
    }

    /// One that sees some of the projects.
    pub async fn chosen(projects: &str) -> Self {
        Self::with(OvhCloudOptions::dozen(), MONDAY, &format!(", projects: {projects}")).await
    }

    /// The process is killed and starts again.
    pub async fn restart(&mut self) {
        let around = (&self.folder, &self.clock, &self.asking);
        self.engine = engine(around, &self.cloud, self.ledger, &self.more, &self.listed).await;
    }

    /// The operator lists other servers, and starts Amarre again.
    pub async fn list(&mut self, patterns: &str) {
        patterns.clone_into(&mut self.listed);
        self.restart().await;
    }

    /// The same, with an empty ledger.
    pub async fn lose_ledger(&mut self) {
        self.ledger += 1;
        self.restart().await;
    }

    /// The manifest `name` of the server of that name in a region.
    pub fn manage(&self, name: &str, region: &str, rule: &str) -> String {
        let id = self.cloud.id_of(region, name);
        assert!(!id.is_empty(), "{name} in {region}");
        self.write(name, &format!("id: {id}\n{rule}\n"));
        id
    }

    pub fn write(&self, name: &str, rest: &str) {
        let text = format!("kind: Instance\nname: {name}\ncloud: paris\n{rest}");
        write_settled(self.folder.path().join(format!("services/{name}.yaml")), text);
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(format!("services/{name}.yaml"))).unwrap();
    }

    /// One pass and what it hands out, then `span` goes by on both sides.
    pub async fn pass(&mut self, span: Millis) -> Arc<PassView> {
        self.engine.pass(RunMode::Act { confirmed_deletes: None, only: None }).await;
        self.engine.drain().await;
        self.goes_by(span);
        self.engine.last_pass()
    }

    /// Time goes by without a pass.
    pub fn goes_by(&self, span: Millis) {
        self.clock.advance(span);
        self.cloud.advance(span.0 / 1000);
    }

    /// Passes until `at`, as the loop wakes. Of quiet hours most looks are left out: they would find the same.
    pub async fn until(&mut self, at: &str) -> Arc<PassView> {
        let end = Timestamp::parse(at).unwrap();
        loop {
            let pass = self.pass(Millis(0)).await;
            let now = self.clock.now();
            if now >= end {
                return pass;
            }
            let next = next_of_interest(&pass, now).min(end + Millis(1)).max(now + Millis::seconds(1));
            self.goes_by(next - now);
        }
    }

    /// Nothing is left to do, and nothing is hidden.
    pub async fn settle(&mut self) -> Arc<PassView> {
        for _ in 0..40 {
            self.pass(Millis::seconds(10)).await;
        }
        let pass = self.engine.last_pass();
        assert_eq!(pass.plan.changes, []);
        assert_eq!(pass.plan.gaps, []);
        pass
    }

    pub fn address(&self, id: &str) -> Address {
        Address::new("ovh-cloud.paris".to_owned().into(), Kind::Instance, id)
    }

    /// A person asks for an action, without anything that holds.
    pub fn ask(&mut self, id: &str, word: &'static str) -> Result<(), String> {
        let request =
            ActionRequest { address: self.address(id), word, by: "alice".to_owned(), after: Vec::new(), given: None };
        self.engine.ask_actions(vec![request])
    }

    pub fn state(&self, id: &str) -> Option<ActionState> {
        self.engine.last_pass().actions.get(&self.address(id)).cloned()
    }

    /// A person lets a power hold.
    pub async fn hold(&mut self, id: &str, to: Power, until: OverrideEnd) {
        let at = self.clock.now();
        let holds = Override { to, source: OverrideSource::Person, by: "alice".to_owned(), at, until };
        self.engine.hold_power(vec![(self.address(id), Some(holds))]).await.unwrap();
    }

    /// The log of a server, a line each: `status ACTIVE → SHUTOFF`.
    pub async fn log(&self, id: &str) -> Vec<String> {
        let path = self.folder.path().join(format!("ledger-{}.db", self.ledger));
        let ledger = Ledger::open(&path).await.unwrap();
        let lines = log_lines(&ledger, &self.address(id), LOG_LINES).await;
        lines.into_iter().map(|line| format!("{} {}", line.kind, line.text)).collect()
    }

    pub fn status(&self, id: &str) -> String {
        self.cloud.instance(id).unwrap().status
    }

    /// What was done to a server, whoever saw the answer.
    pub fn effects(&self, id: &str) -> Vec<CloudVerb> {
        self.cloud.effects().into_iter().filter(|(of, _)| of == id).map(|(_, verb)| verb).collect()
    }
}

/// Folder, clock, and who asks instances.
type Around<'a> = (&'a TempDir, &'a Arc<ShiftedClock>, &'a Arc<Asking>);

async fn engine(around: Around<'_>, cloud: &OvhCloud, ledger: u32, more: &str, listed: &str) -> Engine {
    let keys = OvhCloudOptions::dozen();
    let text = format!(
        "policy: {{instances: [{listed}]}}\nclouds: {{paris: {{ovh: {{endpoint: '{}', application_key: {}, application_secret: {}, consumer_key: {}{more}}}}}}}\n",
        cloud.endpoint(),
        keys.application_key,
        keys.application_secret,
        keys.consumer_key,
    );
    engine_asking(around, &text, ledger).await
}

/// An engine of a configuration, on the ledger of this number.
pub async fn engine_of(folder: &TempDir, clock: &Arc<ShiftedClock>, config: &str, ledger: u32) -> Engine {
    Engine::new(parts_of((folder, clock, &Arc::default()), config, ledger).await)
}

async fn engine_asking(around: Around<'_>, config: &str, ledger: u32) -> Engine {
    Engine::new(parts_of(around, config, ledger).await)
}

/// What an engine is made of.
pub async fn parts_of((folder, clock, asking): Around<'_>, config: &str, ledger: u32) -> EngineParts {
    let config = Config::parse(config, &folder.path().join("amarre.yaml")).unwrap();
    let key = MarkKey::new([7; 32]);
    EngineParts {
        providers: registry::providers(&config, &key).unwrap(),
        site: config.site,
        source: Source::from(Folder::new(&folder.path().join("services"))),
        ledger: Ledger::open(&folder.path().join(format!("ledger-{ledger}.db"))).await.unwrap(),
        secrets: Arc::new(|name| Ok(Secret::new(name.0.clone()))),
        key,
        clock: clock.clone(),
        visitor: asking.clone(),
        interval: Millis::minutes(5),
    }
}

/// The codes of all gaps and refusals.
pub fn codes(pass: &PassView) -> Vec<String> {
    let gaps = pass.plan.gaps.iter().map(|gap| gap.code.to_string());
    gaps.chain(pass.plan.changes.iter().filter_map(|change| Some(change.refusal()?.code.to_string()))).collect()
}

impl CloudRig {
    /// The time in so long.
    pub fn clock_in(&self, span: Millis) -> Timestamp {
        self.clock.now() + span
    }
}

/// When a pass may find something else by itself.
fn next_of_interest(pass: &PassView, now: Timestamp) -> Timestamp {
    let rows = pass.instances();
    let managed: Vec<&InstanceRow> = rows.iter().filter(|row| row.manifest.is_some()).collect();
    let rests =
        |row: &&InstanceRow| matches!(row.state, InstanceState::On | InstanceState::Off | InstanceState::Shelved);
    if !pass.plan.changes.is_empty() || !pass.plan.gaps.is_empty() || !managed.iter().all(rests) {
        return pass.plan.next_look.unwrap_or(now).min(now + Millis::minutes(1));
    }
    let changes = managed.iter().filter_map(|row| row.manifest.as_ref()).flat_map(|managed| {
        let end = match managed.wanted.why {
            Cause::Override(_, end) => end,
            Cause::Unmanaged | Cause::Level(_) | Cause::Tick(_) | Cause::NoTickYet(_) => None,
        };
        [end, managed.wanted.next.map(|tick| tick.at)]
    });
    changes.flatten().chain([now + QUIET]).min().unwrap_or(now)
}

/// What is left out of a quiet time at once.
const QUIET: Millis = Millis::minutes(40);

impl CloudRig {
    /// The rule of a server holds again.
    pub async fn follow(&mut self, id: &str) {
        self.engine.hold_power(vec![(self.address(id), None)]).await.unwrap();
    }
}
