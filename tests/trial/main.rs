//! What the row of a kind and of a family promises, proved with a kind that costs money at a cloud with regions. Each test
//! fails when the column that it names is set back.
#![expect(clippy::unwrap_used, reason = "tests")]

mod provider;
mod vendor;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use amarre::config::Config;
use amarre::engine::reconcile::actions::{ActionRequest, ActionState};
use amarre::engine::reconcile::daemon;
use amarre::engine::reconcile::daemon::{Behaviour, LoopCommand};
use amarre::engine::reconcile::port80::Port80Client;
use amarre::engine::{Clock, Engine, EngineParts, PassResult, RunMode, ShiftedClock};
use amarre::ledger::Ledger;
use amarre::secret::{MarkKey, Secret};
use amarre::source::{Folder, Source};
use amarre_core::model::world::{Leads, Port80, Suspension};
use amarre_core::model::{Address, Code, Gate, Kind, Millis, ProviderId, Wait};
use async_trait::async_trait;
use tempfile::TempDir;

use provider::TrialCloud;
use vendor::{Cloud, Server, Vendor};

/// A configuration without a Docker host, NPM or domain.
const CONFIG: &str = "clouds: {lab: {trial: {}}}\n";
const REGIONS: [&str; 2] = ["north", "south"];
/// Longer than a create is waited for.
const LATER: Millis = Millis::minutes(10);

struct NoVisitor;

#[async_trait]
impl Port80Client for NoVisitor {
    async fn visit(&self, _: &str, _: SocketAddr) -> Port80 {
        unreachable!("nothing here has a name")
    }

    async fn find(&self, _: &str) -> Leads {
        unreachable!("nothing here has a name")
    }
}

struct Rig {
    folder: TempDir,
    clock: Arc<ShiftedClock>,
    vendor: Vendor,
    engine: Engine,
}

impl Rig {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("services")).unwrap();
        let (clock, vendor) = (Arc::new(ShiftedClock::default()), Vendor::default());
        let engine = engine(&folder, &clock, &vendor).await;
        Self { folder, clock, vendor, engine }
    }

    /// One that wants the server `web`, at a cloud in trouble.
    async fn in_trouble(trouble: impl FnOnce(&mut Cloud)) -> Self {
        let rig = Self::start().await;
        rig.server("web", "north", "small");
        trouble(&mut rig.vendor.lock());
        rig
    }

    /// The process is killed and starts again.
    async fn restart(&mut self) {
        self.engine = engine(&self.folder, &self.clock, &self.vendor).await;
    }

    fn server(&self, name: &str, region: &str, size: &str) {
        let text = format!("kind: TrialServer\nname: {name}\ncloud: lab\nregion: {region}\nsize: {size}\n");
        std::fs::write(self.folder.path().join(format!("services/{name}.yaml")), text).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(format!("services/{name}.yaml"))).unwrap();
    }

    /// One pass and what it hands out, then `span` goes by.
    async fn pass(&mut self, span: Millis) -> Arc<PassResult> {
        self.engine.pass(RunMode::Act { confirmed_deletes: None, only: None }).await;
        self.engine.drain().await;
        self.clock.advance(span);
        self.engine.last_pass()
    }

    /// Passes for `span`, one every ten seconds.
    async fn passes(&mut self, span: Millis) -> Arc<PassResult> {
        for _ in 0..span.0 / 10_000 {
            self.pass(Millis::seconds(10)).await;
        }
        self.engine.last_pass()
    }

    /// Nothing is left to do.
    async fn settle(&mut self) {
        let picture = self.passes(LATER).await;
        assert_eq!(picture.plan.changes, []);
        assert_eq!(picture.plan.gaps, []);
    }

    fn cloud_id(&self) -> ProviderId {
        let picture = self.engine.last_pass();
        picture.context.as_ref().unwrap().site.clouds["lab"].provider.clone()
    }

    fn created(&self) -> Vec<String> {
        self.vendor.lock().created.clone()
    }
}

async fn engine(folder: &TempDir, clock: &Arc<ShiftedClock>, vendor: &Vendor) -> Engine {
    let config = Config::parse(CONFIG, &folder.path().join("amarre.yaml")).unwrap();
    let id = config.clouds.keys().next().unwrap().clone();
    let instance = config.site.instance.clone();
    let cloud = TrialCloud { id, instance, regions: REGIONS.to_vec(), vendor: vendor.clone() };
    Engine::new(EngineParts {
        site: config.site,
        providers: vec![Arc::new(cloud)],
        source: Source::Folder(Folder::new(&folder.path().join("services"))),
        ledger: Ledger::open(&folder.path().join("ledger.db")).await.unwrap(),
        secrets: Arc::new(|name| Ok(Secret::new(name.0.clone()))),
        key: MarkKey::new([7; 32]),
        clock: clock.clone(),
        visitor: Arc::new(NoVisitor),
        interval: Millis::minutes(5),
    })
}

/// The code of each refusal.
fn refusals(picture: &PassResult) -> Vec<Code> {
    picture.plan.changes.iter().filter_map(|change| Some(change.refusal()?.code)).collect()
}

#[tokio::test]
async fn a_cloud_needs_no_docker_host_no_npm_and_no_domain() {
    let mut rig = Rig::start().await;
    rig.server("web", "north", "small");
    rig.server("db", "south", "large");
    rig.settle().await;
    assert_eq!(rig.created(), ["db", "web"]);
    rig.server("web", "north", "large");
    rig.settle().await;
    let sizes: Vec<String> = rig.vendor.lock().servers.values().map(|server| server.size.clone()).collect();
    assert_eq!((sizes, rig.created().len()), (vec!["large".to_owned(), "large".to_owned()], 2));
    let picture = rig.engine.last_pass();
    let site = &picture.context.as_ref().unwrap().site;
    assert!(site.hosts.is_empty() && site.zones.is_empty());
}

/// Column `settling`.
#[tokio::test]
async fn a_create_whose_answer_was_lost_is_not_made_again() {
    let mut rig = Rig::in_trouble(|cloud| {
        (cloud.loses, cloud.hides_operations) = (1, true);
        cloud.unlisted.insert(1);
    })
    .await;
    let picture = rig.passes(Millis::minutes(1)).await;
    let waits = picture.plan.changes.iter().map(|change| &change.gate);
    assert!(waits.into_iter().all(|gate| matches!(gate, Gate::Until { what: Wait::Settle | Wait::Backoff, .. })));
    let picture = rig.passes(Millis::minutes(60)).await;
    assert_eq!(refusals(&picture), [Code::A0449]);
    rig.restart().await;
    assert_eq!(refusals(rig.passes(Millis::minutes(60)).await.as_ref()), [Code::A0449]);
    assert_eq!(rig.created(), ["web"]);
    // The list shows it at last: it is the one that was wanted.
    rig.vendor.lock().unlisted.clear();
    rig.settle().await;
    assert_eq!(rig.created(), ["web"]);
}

/// Column `settling`.
#[tokio::test]
async fn a_create_that_had_no_effect_is_made_once_the_vendor_rules_it_out() {
    let mut rig = Rig::in_trouble(|cloud| {
        (cloud.loses, cloud.loses_before) = (1, true);
    })
    .await;
    rig.passes(Millis::seconds(60)).await;
    assert_eq!(rig.created(), [""; 0], "two readings a minute apart are not there yet");
    rig.settle().await;
    assert_eq!(rig.created(), ["web"]);
}

/// Column `settling`: a person's word is good for one create.
#[tokio::test]
async fn what_a_person_says_is_not_there_is_created_once_more() {
    let mut rig = Rig::in_trouble(|cloud| {
        (cloud.loses, cloud.loses_before, cloud.hides_operations) = (2, true, true);
    })
    .await;
    assert_eq!(refusals(rig.passes(LATER).await.as_ref()), [Code::A0449]);
    rig.engine.create_again("web");
    // It is lost once more: the word does not cover it.
    assert_eq!(refusals(rig.passes(LATER).await.as_ref()), [Code::A0449]);
    assert_eq!(rig.created(), [""; 0]);
    rig.engine.create_again("web");
    rig.settle().await;
    assert_eq!(rig.created(), ["web"]);
}

/// Column `settling`.
#[tokio::test]
async fn what_a_person_says_outlives_the_passes_before_it_is_used() {
    let mut rig = Rig::in_trouble(|cloud| {
        (cloud.loses, cloud.loses_before, cloud.hides_operations) = (1, true, true);
    })
    .await;
    assert_eq!(refusals(rig.passes(LATER).await.as_ref()), [Code::A0449]);
    let engine = engine(&rig.folder, &rig.clock, &rig.vendor).await;
    let (handle, daemon, _shutdown) = daemon::start(engine, Behaviour { acts: false, watches: false });
    let asks = async {
        let command = LoopCommand::Retry { service: "web".to_owned(), creates_again: true };
        assert_eq!(handle.request(command).await.unwrap().error, None);
        // A look comes before the apply that the word is for.
        handle.pass().await.unwrap();
        let only = Some(BTreeSet::from(["web".to_owned()]));
        let command = LoopCommand::Apply { confirmed_deletes: None, only, timeout: LATER };
        assert!(handle.request(command).await.unwrap().settled);
    };
    tokio::select! {
        () = daemon => unreachable!("it runs until it is stopped"),
        () = asks => (),
    }
    assert_eq!(rig.created(), ["web"]);
}

/// Column `settling`.
#[tokio::test]
async fn a_confirmed_create_that_the_list_does_not_show_is_not_made_again() {
    let mut rig = Rig::in_trouble(|cloud| {
        cloud.hides_operations = true;
        cloud.unlisted.insert(1);
    })
    .await;
    rig.passes(Millis::minutes(30)).await;
    rig.restart().await;
    assert_eq!(refusals(rig.passes(Millis::minutes(30)).await.as_ref()), [Code::A0449]);
    assert_eq!(rig.created(), ["web"]);
    rig.vendor.lock().unlisted.clear();
    rig.settle().await;
}

/// Column `lies`.
#[tokio::test]
async fn a_silent_region_holds_nothing_outside_it() {
    let mut rig = Rig::start().await;
    rig.server("web", "north", "small");
    rig.server("db", "south", "small");
    rig.settle().await;
    rig.vendor.lock().silent.insert("south".to_owned());
    rig.server("web", "north", "large");
    rig.server("cache", "north", "small");
    rig.server("queue", "south", "small");
    let picture = rig.passes(LATER).await;
    let places: Vec<String> = picture.plan.gaps.iter().map(amarre_core::model::Gap::place).collect();
    assert_eq!((places.as_slice(), picture.plan.changes.len()), ([" region south".to_owned()].as_slice(), 0));
    assert_eq!(rig.created(), ["db", "web", "cache"]);
    rig.vendor.lock().silent.clear();
    rig.settle().await;
    assert_eq!(rig.created(), ["db", "web", "cache", "queue"]);
}

/// Column `removal`.
#[tokio::test]
async fn a_server_whose_manifest_is_gone_is_kept() {
    let mut rig = Rig::start().await;
    rig.server("web", "north", "small");
    rig.settle().await;
    rig.remove("web");
    rig.settle().await;
    assert_eq!(rig.vendor.lock().servers.len(), 1, "it costs money, and holds data");
    take_down(&rig, false).await;
    rig.settle().await;
    assert_eq!(rig.vendor.lock().servers.len(), 1);
    take_down(&rig, true).await;
    rig.settle().await;
    assert_eq!(rig.vendor.lock().servers.len(), 0);
}

async fn take_down(rig: &Rig, purge: bool) {
    let at = rig.clock.now();
    let asked = Suspension { by: "alice".to_owned(), why: String::new(), destroy: true, purge, at, until: None };
    let ledger = Ledger::open(&rig.folder.path().join("ledger.db")).await.unwrap();
    ledger.suspend("web", &asked).await.unwrap();
}

#[tokio::test]
async fn what_is_not_amarres_is_listed_by_the_vendors_own_names_and_left_alone() {
    let mut rig = Rig::start().await;
    let foreign = Server {
        name: "web".to_owned(),
        region: "north".to_owned(),
        size: "huge".to_owned(),
        made_by: String::new(),
        reboots: 0,
    };
    rig.vendor.lock().create(foreign.clone()).unwrap();
    rig.server("web", "north", "small");
    rig.settle().await;
    let picture = rig.engine.last_pass();
    let listed: Vec<&str> = picture.world.inventory.keys().map(|address| address.name.as_str()).collect();
    assert_eq!(listed, ["north/1"]);
    assert_eq!(rig.vendor.lock().servers.get(&1), Some(&foreign));
}

/// Capability `actions`, on a server that a manifest manages and on one that none does.
#[tokio::test]
async fn a_reboot_whose_answer_was_lost_is_not_repeated() {
    for is_managed in [true, false] {
        for is_killed in [true, false] {
            let mut rig = Rig::start().await;
            let name = if is_managed { "north/web" } else { "north/1" };
            if is_managed {
                rig.server("web", "north", "small");
            } else {
                let (name, region, size) = ("old".to_owned(), "north".to_owned(), "huge".to_owned());
                rig.vendor.lock().create(Server { name, region, size, made_by: String::new(), reboots: 0 }).unwrap();
            }
            rig.settle().await;
            rig.vendor.lock().loses = 1;
            let address = Address::new(rig.cloud_id(), Kind::TrialServer, name);
            let request =
                ActionRequest { address: address.clone(), word: "reboot", by: "alice".to_owned(), after: Vec::new() };
            rig.engine.ask_actions(vec![request]).unwrap();
            rig.pass(Millis::seconds(10)).await;
            if is_killed {
                rig.restart().await;
            }
            rig.settle().await;
            let state = rig.engine.last_pass().actions.get(&address).cloned();
            assert_eq!(state, Some(ActionState::Done), "{name}");
            let reboots: Vec<u32> = rig.vendor.lock().servers.values().map(|server| server.reboots).collect();
            assert_eq!(reboots, [1], "{name}");
        }
    }
}

/// Whatever is lost, silent, late or killed: no server is made twice, and in the end each is there.
#[tokio::test]
async fn no_story_makes_a_server_twice() {
    for seed in 0..16 {
        let mut dice = amarre_testkit::dice::Dice::new(seed);
        let mut rig = Rig::start().await;
        for (name, region) in [("web", "north"), ("db", "south"), ("cache", "south")] {
            rig.server(name, region, "small");
        }
        for _ in 0..40 {
            let what = dice.below(8);
            if what == 7 {
                rig.restart().await;
            } else {
                let id = 1 + u32::try_from(dice.below(3)).unwrap();
                trouble(&mut rig.vendor.lock(), what, id);
            }
            let span = Millis::seconds(1 + i64::try_from(dice.below(90)).unwrap());
            rig.pass(span).await;
        }
        {
            let mut cloud = rig.vendor.lock();
            (cloud.loses, cloud.hides_operations) = (0, false);
            cloud.silent.clear();
            cloud.unlisted.clear();
        }
        rig.settle().await;
        let mut created = rig.created();
        created.sort();
        assert_eq!(created, ["cache", "db", "web"], "seed {seed}");
    }
}

fn trouble(cloud: &mut Cloud, what: usize, id: u32) {
    match what {
        0 => cloud.loses = 1,
        1 => cloud.loses_before = !cloud.loses_before,
        2 => drop(cloud.silent.insert("south".to_owned())),
        3 => cloud.silent.clear(),
        4 => drop(cloud.unlisted.insert(id)),
        5 => drop(cloud.unlisted.remove(&id)),
        _ => cloud.hides_operations = !cloud.hides_operations,
    }
}
