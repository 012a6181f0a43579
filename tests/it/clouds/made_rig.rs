//! An engine that makes servers at one of the two clouds, and the cloud's own books.

use std::sync::Arc;

use amarre::engine::reconcile::actions::ActionRequest;
use amarre::engine::report::instances::{self, InstanceRow};
use amarre::engine::{Clock, Engine, PassView, RunMode, ShiftedClock};
use amarre::ledger::Ledger;
use amarre_core::model::world::Suspension;
use amarre_core::model::{Address, Kind, Millis, Timestamp};
use amarre_sim::kamatera::{Kamatera, KamateraOptions, KamateraVerb};
use amarre_sim::ovh_cloud::{CI_PROJECT, CloudVerb, OvhCloud, OvhCloudOptions};
use tempfile::TempDir;

use super::support::{MONDAY, engine_of};
use crate::support::{world_folder, write_settled};

/// A vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    Ovh,
    Kamatera,
}

pub const BOTH: [Make; 2] = [Make::Ovh, Make::Kamatera];

/// The rights that `docs/providers/ovh-cloud.md` asks for.
const RULES: [(&str, &str); 12] = [
    ("GET", "/cloud/project"),
    ("GET", "/cloud/project/*"),
    ("POST", "/cloud/project/*/instance/*/start"),
    ("POST", "/cloud/project/*/instance/*/stop"),
    ("POST", "/cloud/project/*/instance/*/reboot"),
    ("POST", "/cloud/project/*/instance/*/shelve"),
    ("POST", "/cloud/project/*/instance/*/unshelve"),
    ("POST", "/cloud/project/*/instance"),
    ("POST", "/cloud/project/*/sshkey"),
    ("POST", "/cloud/project/*/instance/*/resize"),
    ("PUT", "/cloud/project/*/instance/*"),
    ("DELETE", "/cloud/project/*/instance/*"),
];

/// Room for all that tests ask for.
pub const ROOM: &str = "limits: {instances: 10}";

pub enum Cloud {
    Ovh(OvhCloud),
    Kamatera(Kamatera),
}

pub struct MadeRig {
    pub folder: TempDir,
    pub clock: Arc<ShiftedClock>,
    pub cloud: Cloud,
    pub engine: Engine,
    pub make: Make,
    /// Beside the make: `limits: {instances: 10}`.
    more: String,
    ledger: u32,
}

impl Make {
    /// What a manifest says of a small server.
    pub const fn small(self) -> &'static str {
        match self {
            Make::Ovh => "project: ci\nregion: GRA11\ntype: b3-8\nimage: Debian 13\nssh_keys: [ops]\n",
            Make::Kamatera => {
                "region: EU\ntype: {cpu: 2B, memory: 2GiB, disk: 20GB}\nimage: ubuntu_server_24.04_64-bit\nssh_keys: [ops]\n"
            }
        }
    }

    /// The same, twice as large.
    pub fn larger(self) -> String {
        match self {
            Make::Ovh => self.small().replace("b3-8", "b3-16"),
            Make::Kamatera => self.small().replace("2B", "4B"),
        }
    }

    /// Where a create is sent.
    pub fn creates_at(self) -> String {
        match self {
            Make::Ovh => format!("/1.0/cloud/project/{CI_PROJECT}/instance"),
            Make::Kamatera => "/service/server".to_owned(),
        }
    }
}

impl MadeRig {
    pub async fn start(make: Make, more: &str) -> Self {
        let folder = world_folder();
        let clock = Arc::new(ShiftedClock::default());
        clock.jump(Timestamp::parse(MONDAY).unwrap() - clock.now());
        let cloud = match make {
            Make::Ovh => {
                let cloud = OvhCloud::start(OvhCloudOptions::dozen()).await.unwrap();
                cloud.grant_only(&RULES);
                Cloud::Ovh(cloud)
            }
            Make::Kamatera => Cloud::Kamatera(Kamatera::start(KamateraOptions::eight()).await.unwrap()),
        };
        let engine = engine(&folder, &clock, &cloud, more, 0).await;
        Self { folder, clock, cloud, engine, make, more: more.to_owned(), ledger: 0 }
    }

    /// One that wants the server `worker`.
    pub async fn with_worker(make: Make) -> Self {
        let rig = Self::start(make, ROOM).await;
        rig.write("worker", make.small());
        rig
    }

    /// The process is killed and starts again.
    pub async fn restart(&mut self) {
        self.engine = engine(&self.folder, &self.clock, &self.cloud, &self.more, self.ledger).await;
    }

    /// The same, with an empty ledger.
    pub async fn lose_ledger(&mut self) {
        self.ledger += 1;
        self.restart().await;
    }

    pub fn write(&self, name: &str, rest: &str) {
        let text = format!("kind: Instance\nname: {name}\ncloud: lab\n{rest}");
        write_settled(self.folder.path().join(format!("services/{name}.yaml")), text);
    }

    pub fn remove(&self, name: &str) {
        // It may be gone already.
        let _ = std::fs::remove_file(self.folder.path().join(format!("services/{name}.yaml")));
    }

    /// One pass and what it hands out, then `span` goes by on both sides.
    pub async fn pass(&mut self, span: Millis) -> Arc<PassView> {
        self.engine.pass(RunMode::Act { confirmed_deletes: None, only: None }).await;
        self.engine.drain().await;
        self.goes_by(span);
        self.engine.last_pass()
    }

    pub fn goes_by(&self, span: Millis) {
        self.clock.advance(span);
        match &self.cloud {
            Cloud::Ovh(cloud) => cloud.advance(span.0 / 1000),
            Cloud::Kamatera(cloud) => cloud.advance(span.0 / 1000),
        }
    }

    /// Passes for `span`, one every ten seconds.
    pub async fn passes(&mut self, span: Millis) -> Arc<PassView> {
        for _ in 0..span.0 / 10_000 {
            self.pass(Millis::seconds(10)).await;
        }
        self.engine.last_pass()
    }

    /// Nothing is left to do, and nothing is hidden.
    pub async fn settle(&mut self) -> Arc<PassView> {
        let pass = self.passes(Millis::minutes(25)).await;
        assert_eq!((&pass.plan.changes, &pass.plan.gaps), (&vec![], &vec![]), "{:?}", self.make);
        pass
    }

    pub fn row(&self, name: &str) -> InstanceRow {
        instances::find(&self.engine.last_pass(), name).unwrap()
    }

    pub fn address(&self, name: &str) -> Address {
        let provider = match self.make {
            Make::Ovh => "ovh-cloud.lab",
            Make::Kamatera => "kamatera.lab",
        };
        Address::new(provider.to_owned().into(), Kind::Server, name)
    }

    /// Whoever saw the answer: the servers that were asked for through the API.
    pub fn created(&self) -> usize {
        match &self.cloud {
            Cloud::Ovh(cloud) => cloud.effects().iter().filter(|(_, verb)| *verb == CloudVerb::Create).count(),
            Cloud::Kamatera(cloud) => cloud.effects().iter().filter(|(_, verb)| *verb == KamateraVerb::Create).count(),
        }
    }

    /// The ids of those whose end was asked for through the API.
    pub fn deleted(&self) -> Vec<String> {
        match &self.cloud {
            Cloud::Ovh(cloud) => {
                let effects = cloud.effects().into_iter();
                effects.filter(|(_, verb)| *verb == CloudVerb::Delete).map(|(id, _)| id).collect()
            }
            Cloud::Kamatera(cloud) => {
                let effects = cloud.effects().into_iter();
                effects.filter(|(_, verb)| *verb == KamateraVerb::Terminate).map(|(id, _)| id).collect()
            }
        }
    }

    /// Ids and names of all servers that are there.
    pub fn servers(&self) -> Vec<(String, String)> {
        match &self.cloud {
            Cloud::Ovh(cloud) => cloud.instances().into_iter().map(|one| (one.id, one.name)).collect(),
            Cloud::Kamatera(cloud) => cloud.instances().into_iter().map(|one| (one.id, one.name)).collect(),
        }
    }

    /// Those whose name begins so.
    pub fn named(&self, prefix: &str) -> Vec<(String, String)> {
        self.servers().into_iter().filter(|(_, name)| name.starts_with(prefix)).collect()
    }

    /// A person renames a server.
    pub fn rename(&self, id: &str, name: &str) -> bool {
        match &self.cloud {
            Cloud::Ovh(cloud) => cloud.rename(id, name),
            Cloud::Kamatera(cloud) => cloud.rename(id, name),
        }
    }

    pub fn faults(&self) -> &amarre_sim::Faults {
        match &self.cloud {
            Cloud::Ovh(cloud) => &cloud.server.faults,
            Cloud::Kamatera(cloud) => &cloud.server.faults,
        }
    }

    /// Whether operations, or the queue of the console, can be read.
    pub fn is_telling(&self, tells: bool) {
        match &self.cloud {
            Cloud::Ovh(cloud) => cloud.operations_readable(tells),
            Cloud::Kamatera(cloud) if tells => cloud.server.faults.clear(),
            Cloud::Kamatera(cloud) => {
                cloud.server.faults.add("GET", "/console/service/queue", u32::MAX, amarre_sim::Fault::Before(503));
            }
        }
    }

    /// A person deletes one that was there before, by its id and its name; whether that was taken on.
    pub fn ask_to_delete(&mut self, id: &str, name: &str) -> bool {
        let provider = self.address("x").provider;
        let (address, by) = (Address::new(provider, Kind::Instance, id), "alice".to_owned());
        let request = ActionRequest { address, word: "delete", by, after: Vec::new(), given: Some(name.to_owned()) };
        self.engine.ask_actions(vec![request]).is_ok()
    }

    /// The address of a server that no manifest made.
    pub fn instance(&self, id: &str) -> Address {
        Address::new(self.address("x").provider, Kind::Instance, id)
    }

    /// Kind and text of each event of a service, the oldest first.
    pub async fn events(&self, service: &str) -> Vec<(String, String)> {
        let ledger = Ledger::open(&self.folder.path().join(format!("ledger-{}.db", self.ledger))).await.unwrap();
        let events = ledger.events(service, 1_000).await.unwrap();
        let mut events: Vec<_> = events.into_iter().map(|event| (event.kind, event.text.to_string())).collect();
        events.reverse();
        events
    }

    /// A person takes a server down with its disks.
    pub async fn destroy(&self, name: &str) {
        let at = self.clock.now();
        let asked = Suspension { by: "alice".to_owned(), why: "".into(), destroy: true, purge: true, at, until: None };
        let ledger = Ledger::open(&self.folder.path().join(format!("ledger-{}.db", self.ledger))).await.unwrap();
        ledger.suspend(name, &asked).await.unwrap();
    }
}

async fn engine(folder: &TempDir, clock: &Arc<ShiftedClock>, cloud: &Cloud, more: &str, ledger: u32) -> Engine {
    let account = match cloud {
        Cloud::Ovh(cloud) => {
            let keys = OvhCloudOptions::dozen();
            format!(
                "ovh: {{endpoint: '{}', application_key: {}, application_secret: {}, consumer_key: {}}}",
                cloud.endpoint(),
                keys.application_key,
                keys.application_secret,
                keys.consumer_key,
            )
        }
        Cloud::Kamatera(cloud) => {
            let KamateraOptions { client_id, secret, .. } = KamateraOptions::eight();
            let (url, console) = (cloud.endpoint(), cloud.console_url());
            format!("kamatera: {{url: '{url}', console: '{console}', client_id: {client_id}, secret: {secret}}}")
        }
    };
    let text = format!(
        "pools: {{}}\nssh_keys: {{ops: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ops}}\npolicy: {{instances: ['*']}}\nclouds: {{lab: {{{account}, {more}}}}}\n"
    );
    engine_of(folder, clock, &text, ledger).await
}
