//! Pools beside one another: machines that take a connection and say nothing hold up those of their own pool, and no others.
#![expect(clippy::print_stdout, reason = "figures for people")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amarre::cli::simulated_machines::SimulatedMachines;
use amarre::engine::reconcile::reservations::PoolChange;
use amarre::engine::report::pools::{self, MachineState};
use amarre::engine::{Clock, Engine, EngineParts, RunMode, ShiftedClock};
use amarre::providers::ssh::{SshProvider, sign_in_text};
use amarre::secret::Secret;
use amarre_core::model::Millis;
use amarre_core::model::reservations::{Reservation, ReservationState};
use amarre_sim::machines::{MachineFault, MachineSort, Machines};

use super::room::KEY;
use crate::clouds::parts_of;
use crate::support::{world_folder, write_settled};

const SILENT: usize = 400;
/// The healthy machine.
const GOOD: &str = "10.2.0.1:22";

struct Two {
    _folder: tempfile::TempDir,
    clock: Arc<ShiftedClock>,
    machines: Machines,
    engine: Engine,
    /// Who was asked, and whether it was to change something.
    asked: Arc<Mutex<Vec<(String, bool)>>>,
}

impl Two {
    /// A pool `aaa` of machines that say nothing, and a pool `zlab` of one that answers.
    async fn start() -> Self {
        let folder = world_folder();
        let clock = Arc::new(ShiftedClock::default());
        let theirs = clock.clone();
        let machines = Machines::new(Arc::new(move || theirs.now().0));
        let mut silent = String::new();
        for number in 0..SILENT {
            let address = format!("10.1.{}.{}", number / 250, number % 250 + 1);
            let key = machines.add(&format!("{address}:22"), MachineSort::Debian);
            silent.push_str(&format!("  - {{name: m{number}, address: {address}, host_key: {key}}}\n"));
        }
        let key = machines.add(GOOD, MachineSort::Debian);
        let good = format!("  - {{name: m1, address: 10.2.0.1, host_key: {key}}}\n");
        for (pool, list) in [("aaa", silent), ("zlab", good)] {
            let text = format!("kind: Pool\nname: {pool}\nmachines:\n{list}");
            write_settled(folder.path().join(format!("services/{pool}.yaml")), text);
        }
        let asked: Arc<Mutex<Vec<(String, bool)>>> = Arc::default();
        let noted = asked.clone();
        machines.decide_by(Some(Arc::new(move |address, _, lines| {
            let changes = lines.lines().any(|line| line.starts_with("make ") || line.starts_with("end "));
            noted.lock().unwrap().push((address.to_owned(), changes));
            (address != GOOD).then_some(MachineFault::Silent)
        })));
        let parts = parts_of((&folder, &clock, &Arc::default()), "instance: lab\npools: {}\n", 0).await;
        let provider =
            SshProvider::new("lab".to_owned(), parts.key.clone(), Arc::new(SimulatedMachines(machines.clone())));
        let engine = Engine::new(EngineParts { providers: vec![Arc::new(provider)], ..parts });
        Self { _folder: folder, clock, machines, engine, asked }
    }

    async fn pass(&mut self) {
        self.engine.pass(RunMode::Act { confirmed_deletes: None, only: None }).await;
        self.engine.drain().await;
    }

    /// A person gets the healthy machine, and gives it back, in a few passes each.
    async fn lend(&mut self, name: &str) {
        let (at, length) = (self.clock.now(), Millis::minutes(30));
        let (user, by) = (name.to_owned(), format!("{name}@example.org"));
        let state = ReservationState::Open;
        let asked = Reservation { id: 0, user, by, count: 1, partly: false, asked: at, from: at, length, state };
        let wanted = vec![(asked, Secret::new(sign_in_text("", KEY)))];
        self.engine.change_pool(PoolChange::Reserve { pool: "zlab".to_owned(), wanted }).await.unwrap();
        for _ in 0..3 {
            self.pass().await;
        }
        assert!(self.machines.sign_in(GOOD, name, KEY), "{name}");
        let ids = self.live().await.iter().map(|one| one.id).collect();
        self.engine.change_pool(PoolChange::End { pool: "zlab".to_owned(), ids }).await.unwrap();
        for _ in 0..3 {
            self.pass().await;
        }
        assert!(!self.machines.has_user(GOOD, name), "{name}");
    }

    /// Asks machines that say nothing time out, until none waits for its turn any more.
    async fn all_time_out(&self) {
        let mut before = usize::MAX;
        while self.machines.asked() != before {
            before = self.machines.asked();
            for _ in 0..50 {
                self.machines.lose_patience();
                tokio::task::yield_now().await;
            }
        }
    }

    fn asked(&self) -> Vec<(String, bool)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn good(&self) -> MachineState {
        pools::find(&self.engine.last_pass(), "zlab").unwrap().machines[0].state
    }

    async fn live(&self) -> Vec<Reservation> {
        let all = self.engine.ledger().pools().await.unwrap();
        all.get("zlab").map(|facts| facts.reservations.clone()).unwrap_or_default()
    }
}

#[tokio::test]
async fn machines_that_say_nothing_hold_up_no_other_pool() {
    let mut two = Two::start().await;
    // All are asked for the first time: the good one has its turn in the first round.
    two.pass().await;
    let first: Vec<String> = two.asked().into_iter().map(|(address, _)| address).collect();
    assert!(first.len() <= 5 && first.contains(&GOOD.to_owned()), "{first:?}");
    assert_eq!(two.good(), MachineState::Available);

    // Those that were asked still say nothing, and the others of their pool wait: a reservation begins and ends beside them.
    for name in ["anna", "ben"] {
        two.lend(name).await;
    }
    let asked = two.asked();
    assert!(asked.iter().all(|(address, _)| address == GOOD), "{asked:?}");

    // In an hour, the good one is looked at as if it were alone, and each of the others ever more rarely.
    two.all_time_out().await;
    two.asked();
    for _ in 0..120 {
        two.clock.advance(Millis::seconds(30));
        two.pass().await;
        two.all_time_out().await;
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    two.asked().into_iter().for_each(|(address, _)| *counts.entry(address).or_default() += 1);
    let good = counts.remove(GOOD).unwrap_or_default();
    assert!(good >= 11, "{good}");
    let most = counts.values().max().copied().unwrap_or_default();
    assert!((5..=9).contains(&most) && counts.len() == SILENT, "{most} of {}", counts.len());

    // Once they answer, they are looked at as any other.
    two.machines.decide_by(None);
    for _ in 0..30 {
        two.clock.advance(Millis::minutes(1));
        two.pass().await;
    }
    let row = pools::find(&two.engine.last_pass(), "aaa").unwrap();
    assert!(row.machines.iter().all(|one| one.state == MachineState::Available));
}

/// Real minutes, `FAIR_MINUTES=10` as `scripts/long` has it: each machine that says nothing takes its connection for five seconds.
#[tokio::test]
async fn minute_by_minute_the_healthy_machine_is_lent_beside_silent_ones() {
    let minutes =
        std::env::var_os("FAIR_MINUTES").and_then(|text| text.to_str()?.parse::<u64>().ok()).unwrap_or_default();
    let mut two = Two::start().await;
    let machines = two.machines.clone();
    let impatient = tokio::spawn(async move {
        let mut five = tokio::time::interval(Duration::from_secs(5));
        loop {
            five.tick().await;
            machines.lose_patience();
        }
    });
    two.pass().await;
    let (mut pause, mut lent) = (tokio::time::interval(Duration::from_secs(1)), 0);
    let begun = two.clock.now();
    while lent == 0 || two.clock.now() - begun < Millis::seconds(i64::try_from(minutes * 60).unwrap()) {
        pause.tick().await;
        two.lend(&format!("u{lent}")).await;
        lent += 1;
    }
    impatient.abort();
    let silent = two.asked().iter().filter(|(address, _)| address != GOOD).count();
    println!("{minutes} minutes: lent {lent} times beside {silent} questions that were not answered");
    assert!(lent >= usize::try_from(minutes * 20).unwrap(), "lent {lent} times in {minutes} minutes");
}
