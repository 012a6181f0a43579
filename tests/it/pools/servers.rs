//! Pools of servers that Amarre makes at a cloud: made, trusted by a person, lent, drained, and deleted only where the manifest allows it.

use std::sync::Arc;

use amarre::engine::reconcile::reservations::PoolChange;
use amarre::engine::report::pools::{self, MachineState, PoolRow};
use amarre::engine::{Clock, Engine, PassView, RunMode, ShiftedClock};
use amarre::providers::ssh::sign_in_text;
use amarre::secret::Secret;
use amarre_core::model::plan::Wait;
use amarre_core::model::reservations::{Reservation, ReservationState};
use amarre_core::model::{Code, Gate, Kind, Millis};
use amarre_sim::kamatera::{Kamatera, KamateraOptions};
use tempfile::TempDir;

use super::HOUR;
use crate::clouds::engine_of;
use crate::support::machine::{Sort, TestMachine};
use crate::support::write_settled;

const SMALL: &str =
    "cloud: tlv, region: EU, type: {cpu: 2B, memory: 2GiB, disk: 20GB}, image: ubuntu_server_24.04_64-bit";

struct Servers {
    folder: TempDir,
    clock: Arc<ShiftedClock>,
    cloud: Kamatera,
    engine: Engine,
    /// What answers in the place of each server.
    machines: Vec<TestMachine>,
}

impl Servers {
    /// A pool `lab` of two servers, each with a machine at its address that Amarre's key opens; none is trusted yet.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("services")).unwrap();
        let clock = Arc::new(ShiftedClock::default());
        let cloud = Kamatera::start(KamateraOptions::eight()).await.unwrap();
        let engine = engine(&folder, &clock, &cloud).await;
        let mut rig = Self { folder, clock, cloud, engine, machines: Vec::new() };
        rig.write("count: 2", "");
        rig.until("the servers are made", |rig, _, _| rig.created() == 2).await;
        let pass = rig.engine.last_pass();
        let key = amarre::engine::commands::pools::key(&pass).await.document["key"].as_str().unwrap().to_owned();
        for (_, id) in rig.ids() {
            let machine = TestMachine::start(Sort::Debian).await;
            machine.let_in(&key);
            assert!(rig.cloud.set_address(&id, &machine.address.to_string()));
            rig.machines.push(machine);
        }
        rig
    }

    fn write(&self, keys: &str, rest: &str) {
        let text = format!("kind: Pool\nname: lab\ninstance: {{{SMALL}, {keys}}}\n{rest}");
        write_settled(self.folder.path().join("services/lab.yaml"), text);
    }

    fn created(&self) -> usize {
        self.cloud.created().len()
    }

    /// The servers of the pool that are there: their names at the vendor, and their ids.
    fn ids(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = self
            .cloud
            .instances()
            .into_iter()
            .filter(|one| one.name.starts_with("lab-"))
            .map(|one| (one.name, one.id))
            .collect();
        all.sort();
        all
    }

    async fn pass(&mut self) -> Arc<PassView> {
        self.engine.pass(RunMode::Act { confirmed_deletes: None, only: None }).await;
        self.engine.drain().await;
        self.engine.last_pass()
    }

    /// Passes until this holds.
    async fn until(&mut self, what: &str, holds: impl Fn(&Self, &PassView, &PoolRow) -> bool) -> Arc<PassView> {
        for _ in 0..60 {
            let pass = self.pass().await;
            if pools::find(&pass, "lab").is_some_and(|row| holds(self, &pass, &row)) {
                return pass;
            }
            self.clock.advance(Millis::seconds(31));
            self.cloud.advance(31);
        }
        let pass = self.engine.last_pass();
        panic!("{what}: {:?} {:?} {:?}", pass.plan.changes, pass.errors, pass.plan.gaps)
    }

    async fn all_free(&mut self, count: usize) -> Arc<PassView> {
        self.until("all are free, and nothing is left to do", move |_, pass, row| {
            row.count(MachineState::Available) == count && pass.plan.changes.is_empty()
        })
        .await
    }

    async fn trust(&mut self) {
        for (index, machine) in self.machines.iter().enumerate() {
            let (pool, machine_name) = ("lab".to_owned(), format!("lab-{}", index + 1));
            let change = PoolChange::Trust { pool, machine: machine_name, key: machine.host_key() };
            self.engine.change_pool(change).await.unwrap();
        }
    }

    async fn reserve(&mut self, count: usize) {
        let (now, state) = (self.clock.now(), ReservationState::Open);
        let (user, by) = ("alice".to_owned(), "alice@example.org".to_owned());
        let one = Reservation { id: 0, user, by, count, partly: false, asked: now, from: now, length: HOUR, state };
        let wanted = vec![(one, Secret::new(sign_in_text("", "ssh-ed25519 AAAA")))];
        self.engine.change_pool(PoolChange::Reserve { pool: "lab".to_owned(), wanted }).await.unwrap();
        self.until("the accounts are ready", move |_, _, row| row.reservations.iter().any(|one| one.ready == count))
            .await;
    }
}

async fn engine(folder: &TempDir, clock: &Arc<ShiftedClock>, cloud: &Kamatera) -> Engine {
    let KamateraOptions { client_id, secret, .. } = KamateraOptions::eight();
    let (url, console) = (cloud.endpoint(), cloud.console_url());
    let account = format!("kamatera: {{url: '{url}', console: '{console}', client_id: {client_id}, secret: {secret}}}");
    let config = format!("instance: lab\npools: {{}}\nclouds: {{tlv: {{{account}, limits: {{instances: 5}}}}}}\n");
    engine_of(folder, clock, &config, 0).await
}

#[tokio::test]
async fn servers_are_made_trusted_lent_and_drained_before_they_go() {
    let mut rig = Servers::start().await;
    let is_away =
        |_: &Servers, _: &PassView, row: &PoolRow| row.machines.iter().all(|one| one.state == MachineState::Broken);
    let pass = rig.until("no host key is trusted by itself", is_away).await;
    let row = pools::find(&pass, "lab").unwrap();
    assert_eq!(row.machines[0].machine.address, rig.machines[0].address.to_string(), "where the cloud says that it is");
    assert_eq!(
        pass.instances().iter().filter(|one| one.is_made()).map(|one| one.name.as_str()).collect::<Vec<_>>(),
        ["lab-1", "lab-2"]
    );
    rig.trust().await;
    rig.all_free(2).await;
    rig.engine = engine(&rig.folder, &rig.clock, &rig.cloud).await;
    rig.all_free(2).await;
    rig.reserve(2).await;

    // A server goes only where the manifest says that servers may.
    rig.write("count: 1", "");
    let pass = rig.pass().await;
    let held: Vec<_> = pass.plan.changes.iter().filter(|change| change.address.kind == Kind::Server).collect();
    assert_eq!(held.len(), 1, "{:?} {:?}", pass.plan, pass.errors);
    assert_eq!(held[0].refusal().unwrap().code, Code::A0418);
    rig.write("count: 1", "reconcile: {protect: false}\n");
    let pass = rig.pass().await;
    let is_lent = |gate: &Gate| matches!(gate, Gate::Until { what: Wait::Lent, .. });
    assert!(pass.plan.changes.iter().any(|change| change.address.kind == Kind::Server && is_lent(&change.gate)));
    assert_eq!(rig.ids().len(), 2, "no work in use is wiped");
    rig.engine.change_pool(PoolChange::End { pool: "lab".to_owned(), ids: vec![1] }).await.unwrap();
    rig.all_free(1).await;
    assert_eq!(rig.cloud.terminated().len(), 1);
    assert!(rig.ids()[0].0.starts_with("lab-1-"), "{:?}", rig.ids());
    assert!(rig.machines[1].has_none_of(&["alice"]), "the account went before the server");
}
