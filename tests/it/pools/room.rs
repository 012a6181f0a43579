//! A room of simulated machines, an engine that lends them, and what its people were promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use amarre::cli::simulated_machines::SimulatedMachines;
use amarre::engine::reconcile::reservations::PoolChange;
use amarre::engine::report::pools::{self, PoolRow};
use amarre::engine::{Clock, Engine, EngineParts, RunMode, ShiftedClock};
use amarre::providers::ssh::{SshProvider, sign_in_text};
use amarre::secret::Secret;
use amarre_core::model::pool::machine_address;
use amarre_core::model::reservations::{Reservation, ReservationState};
use amarre_core::model::{Change, Millis, Timestamp};
use amarre_sim::machines::{MachineEffect, MachineFault, MachineSort, Machines};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::clouds::parts_of;
use crate::support::{world_folder, write_settled};

/// The public key of everyone in a story.
pub const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
/// One who was on each machine before.
const ZOE: (&str, u64) = ("zoe", 1500);

pub struct Room {
    folder: TempDir,
    pub clock: Arc<ShiftedClock>,
    /// By how much Amarre's clock was set beside that of the machines.
    jumped_ms: Arc<AtomicI64>,
    pub machines: Machines,
    pub places: Vec<String>,
    pub engine: Engine,
    /// The process dies under a call.
    pub killed: Arc<Notify>,
    pub deaths: usize,
    ledger: u32,
    kept: Option<String>,
    users: usize,
    /// Until when an account stays on a machine, as its user knows: by user and machine.
    promised: BTreeMap<(String, String), Timestamp>,
    /// Whom the ledger told that it is over.
    ended: BTreeSet<String>,
    /// What the ledger had a pass before.
    before: Vec<Reservation>,
    /// Whose reservation a person ended.
    pub released: BTreeSet<String>,
    /// What is wrong is told with it.
    pub seed: u64,
}

impl Room {
    /// A number of machines, trusted and looked at.
    pub async fn start(seed: u64, count: usize) -> Self {
        let folder = world_folder();
        let (clock, jumped_ms) = (Arc::new(ShiftedClock::default()), Arc::new(AtomicI64::new(0)));
        let (theirs, jumped) = (clock.clone(), jumped_ms.clone());
        let machines = Machines::new(Arc::new(move || theirs.now().0 - jumped.load(Ordering::Relaxed)));
        let places: Vec<String> = (1..=count).map(|number| format!("10.0.0.{number}:22")).collect();
        for (number, place) in places.iter().enumerate() {
            machines.add(place, if number % 2 == 0 { MachineSort::Debian } else { MachineSort::Alpine });
            machines.add_user(place, ZOE.0, ZOE.1);
        }
        let engine = engine(&folder, &clock, &machines, 0).await;
        let mut room = Self {
            folder,
            clock,
            jumped_ms,
            machines,
            places,
            engine,
            killed: Arc::default(),
            deaths: 0,
            ledger: 0,
            kept: None,
            users: 0,
            promised: BTreeMap::new(),
            ended: BTreeSet::new(),
            before: Vec::new(),
            released: BTreeSet::new(),
            seed,
        };
        room.write(None);
        room.pass().await;
        room.trust_all().await;
        room.pass().await;
        room
    }

    pub fn name(number: usize) -> String {
        format!("m{}", number + 1)
    }

    pub fn place_of(&self, machine: &str) -> &str {
        &self.places[machine[1..].parse::<usize>().unwrap() - 1]
    }

    fn machine_at(&self, place: &str) -> String {
        Self::name(self.places.iter().position(|one| one == place).unwrap())
    }

    /// The manifest, without one of the machines.
    pub fn write(&self, without: Option<usize>) {
        let machine = |(number, place): (usize, &String)| {
            let address = place.strip_suffix(":22").unwrap();
            format!("  - {{name: {}, address: {address}}}\n", Self::name(number))
        };
        let all = self.places.iter().enumerate().filter(|(number, _)| Some(*number) != without);
        let machines: String = all.map(machine).collect();
        let text = format!("kind: Pool\nname: lab\nmachines:\n{machines}limits: {{per_user: 9, queue: 5}}\n");
        write_settled(self.folder.path().join("services/lab.yaml"), text);
    }

    /// Another manifest, or none any more.
    pub fn write_other(&self, name: &str, text: Option<&str>) {
        let path = self.folder.path().join(format!("services/{name}.yaml"));
        match text {
            Some(text) => write_settled(path, text),
            None => std::fs::remove_file(path).unwrap(),
        }
    }

    /// The file that a ledger is.
    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join(format!("ledger-{}.db", self.ledger))
    }

    /// A person trusts each machine that shows a key.
    pub async fn trust_all(&mut self) {
        for number in 0..self.places.len() {
            let Some(key) = self.machines.host_key(&self.places[number]) else { continue };
            let trust = PoolChange::Trust { pool: "lab".to_owned(), machine: Self::name(number), key };
            self.engine.change_pool(trust).await.unwrap();
        }
    }

    /// One pass and what it hands out; a process that dies under one of its calls starts again. Then all promises are judged.
    pub async fn pass(&mut self) {
        while self.dies_in_pass().await {
            self.deaths += 1;
            self.restart().await;
        }
        self.judge().await;
    }

    async fn dies_in_pass(&mut self) -> bool {
        let killed = self.killed.clone();
        let engine = &mut self.engine;
        let work = async {
            engine.pass(RunMode::Act { confirmed_deletes: None, only: None }).await;
            engine.drain().await;
        };
        tokio::select! {
            biased;
            () = killed.notified() => true,
            () = work => false,
        }
    }

    pub fn goes_by(&self, span: Millis) {
        self.clock.advance(span);
    }

    /// Amarre's clock is set.
    pub fn jump(&self, span: Millis) {
        self.clock.jump(span);
        self.jumped_ms.fetch_add(span.0, Ordering::Relaxed);
    }

    /// The clock is right again.
    pub fn set_clock(&self) {
        self.jump(Millis(-self.jumped_ms.load(Ordering::Relaxed)));
    }

    /// The process is killed and starts again.
    pub async fn restart(&mut self) {
        self.engine = engine(&self.folder, &self.clock, &self.machines, self.ledger).await;
    }

    /// The same, with an empty ledger.
    pub async fn lose_ledger(&mut self) {
        self.ledger += 1;
        self.kept = None;
        self.restart().await;
        self.only_marks_count().await;
        self.trust_all().await;
    }

    /// The ledger as it is now is kept for later.
    pub async fn keep_ledger(&mut self) {
        let name = format!("kept-{}-{}.db", self.ledger, self.users);
        if self.folder.path().join(&name).exists() {
            return;
        }
        crate::chaos::ledger::copy(&self.path(), &name).await;
        self.kept = Some(name);
    }

    /// The one that was kept is put back; what came after is forgotten.
    pub async fn put_back_ledger(&mut self) {
        let Some(kept) = self.kept.clone() else { return };
        self.ledger += 1;
        std::fs::copy(self.folder.path().join(kept), self.path()).unwrap();
        self.restart().await;
        self.only_marks_count().await;
        self.trust_all().await;
    }

    /// What no machine says was promised by a ledger that is gone.
    async fn only_marks_count(&mut self) {
        self.promised.clear();
        self.before.clear();
        let pools = self.engine.ledger().pools().await.unwrap();
        self.ended = pools.get("lab").map(|facts| facts.over.values().cloned().collect()).unwrap_or_default();
        self.note_marks();
        // Of a longer stay that not every machine has heard of, only a ledger knows.
        let mut first: BTreeMap<String, Timestamp> = BTreeMap::new();
        for ((user, _), until) in &self.promised {
            let known = first.entry(user.clone()).or_insert(*until);
            *known = (*known).min(*until);
        }
        self.promised.iter_mut().for_each(|((user, _), until)| *until = first[user]);
    }

    fn note_marks(&mut self) {
        for place in &self.places {
            let marks = self.machines.marked(place).into_iter();
            for mark in marks.filter(|mark| !mark.is_rest && !self.ended.contains(&mark.user)) {
                self.promised.entry((mark.user, self.machine_at(place))).or_insert(Timestamp(mark.until_ms));
            }
        }
    }

    /// Another person asks for machines.
    pub async fn reserve(&mut self, count: usize, length: Millis, ahead: Option<Millis>) -> Result<String, String> {
        self.users += 1;
        let (user, now) = (format!("u{}", self.users), self.clock.now());
        let from = ahead.map_or(now, |ahead| now + ahead);
        let (by, state) = (format!("{user}@example.org"), ReservationState::Open);
        let partly = count > 1 && self.users.is_multiple_of(4);
        let asked = Reservation { id: 0, user: user.clone(), by, count, partly, asked: now, from, length, state };
        let wanted = vec![(asked, Secret::new(sign_in_text("", KEY)))];
        self.engine.change_pool(PoolChange::Reserve { pool: "lab".to_owned(), wanted }).await?;
        Ok(user)
    }

    pub async fn release(&mut self, one: &Reservation) {
        self.released.insert(one.user.clone());
        self.engine.change_pool(PoolChange::End { pool: "lab".to_owned(), ids: vec![one.id] }).await.unwrap();
    }

    pub async fn extend(&mut self, one: &Reservation, by: Millis) {
        let _ = self.engine.change_pool(PoolChange::Extend { pool: "lab".to_owned(), id: one.id, by }).await;
    }

    /// What the ledger has: reservations that are not over.
    pub async fn live(&self) -> Vec<Reservation> {
        let pools = self.engine.ledger().pools().await.unwrap();
        pools.get("lab").map(|facts| facts.reservations.clone()).unwrap_or_default()
    }

    pub fn row(&self) -> PoolRow {
        pools::find(&self.engine.last_pass(), "lab").unwrap()
    }

    /// No machine is given twice, and no work is wiped that was promised to stay.
    async fn judge(&mut self) {
        let now = self.clock.now();
        let live = self.live().await;
        for one in std::mem::take(&mut self.before) {
            if live.iter().any(|other| (other.id, &other.user) == (one.id, &one.user)) {
                continue;
            }
            // Whom the ledger told in time that it is over was promised nothing more, whatever the clock says later.
            self.promised.retain(|(user, _), until| *user != one.user || *until > now);
            if !self.promised.keys().any(|(user, _)| *user == one.user) {
                self.ended.insert(one.user);
            }
        }
        self.before.clone_from(&live);
        for effect in self.machines.take_effects() {
            self.judge_effect(&effect, now);
        }
        self.note_marks();
        let mut given: BTreeMap<String, u64> = BTreeMap::new();
        for one in live {
            let ReservationState::Held { machines, until, .. } = &one.state else { continue };
            for machine in machines {
                let other = given.insert(machine.clone(), one.id);
                assert_eq!(other, None, "seed {}: {machine} is given to r{} as well", self.seed, one.id);
                let promised = self.promised.entry((one.user.clone(), machine.clone())).or_insert(*until);
                *promised = (*promised).max(*until);
            }
        }
    }

    fn judge_effect(&mut self, effect: &MachineEffect, now: Timestamp) {
        let seed = self.seed;
        let key = (effect.user.clone(), self.machine_at(&effect.machine));
        if effect.is_made {
            assert!(effect.beside.is_empty(), "seed {seed}: {effect:?}: somebody has that machine");
            return;
        }
        let promised = self.promised.remove(&key);
        let is_over = promised.is_none_or(|until| until <= now);
        assert!(
            is_over || self.released.contains(&effect.user),
            "seed {seed}: {effect:?} at {}, promised until {}",
            now.rfc3339(),
            promised.unwrap_or_default().rfc3339()
        );
    }

    /// The accounts whose time was over so long ago.
    pub fn over_since(&self, span: Millis) -> Vec<(String, String)> {
        let limit = self.clock.now() + Millis(-span.0);
        let on = |place: &String| {
            let marks = self.machines.marked(place).into_iter();
            let late = marks.filter(move |mark| Timestamp(mark.until_ms) <= limit);
            late.map(|mark| (place.clone(), mark.user)).collect::<Vec<_>>()
        };
        self.places.iter().flat_map(on).collect()
    }

    /// Whether the account that a change is about stays on its machine for longer, as its user knows.
    pub fn is_promised(&self, change: &Change) -> bool {
        let mut parts = change.address.name.split('/').skip(1).map(str::to_owned);
        let (Some(machine), Some(user)) = (parts.next(), parts.next()) else { return false };
        self.promised.get(&(user, machine)).is_some_and(|until| *until > self.clock.now())
    }

    /// A person removes the accounts whose marks Amarre did not write, as it sees them now.
    pub fn clear_unproven(&mut self) {
        let pass = self.engine.last_pass();
        for (number, place) in self.places.iter().enumerate() {
            let address = machine_address("lab", &Self::name(number));
            let seen = pass.world.seen.get(&address);
            for user in seen.map(|seen| seen.fields.strings("unproven")).unwrap_or_default() {
                self.machines.wipe(place, user);
                self.promised.remove(&(user.to_owned(), Self::name(number)));
            }
        }
    }

    /// Every machine is as it was before anyone came.
    pub fn assert_clean(&self) {
        for place in &self.places {
            assert_eq!(self.machines.marked(place), [], "seed {}: {place}", self.seed);
            assert!(
                self.machines.has_user(place, ZOE.0) && self.machines.has_rest_of(place, ZOE.0, ZOE.1),
                "seed {}",
                self.seed
            );
            for user in 1..=self.users {
                let user = format!("u{user}");
                assert!(!self.machines.has_user(place, &user), "seed {}: {user} at {place}", self.seed);
                assert!(!self.machines.has_rest_of(place, &user, 0), "seed {}: {user} at {place}", self.seed);
            }
        }
    }

    /// Whether everybody who has a machine gets in there.
    pub async fn assert_let_in(&self) {
        for one in self.live().await {
            let ReservationState::Held { machines, until, .. } = &one.state else { continue };
            for machine in machines.iter().filter(|_| *until > self.clock.now()) {
                let place = self.place_of(machine);
                let by = &one.by;
                // Whoever was recovered gets in as before, and an extension does not reach the key.
                let is_in = self.machines.sign_in(place, &one.user, KEY) || by.is_empty();
                assert!(is_in, "seed {}: {one:?} is not let in at {machine}", self.seed);
            }
        }
    }

    /// Dies at the `n`-th call from now on, in one of the ways in which a call may end then.
    pub fn die_at(&self, n: usize, how: MachineFault) {
        let (first, killed) = (self.machines.asked(), self.killed.clone());
        self.machines.decide_by(Some(Arc::new(move |_, asked, _| {
            (asked == first + n).then(|| {
                killed.notify_one();
                how
            })
        })));
    }

    /// When anything ends or begins next.
    pub async fn next_moment(&self) -> Option<Timestamp> {
        let live = self.live().await;
        let told = live.iter().flat_map(|one| one.until().into_iter().chain([one.from]));
        let marks = self.places.iter().flat_map(|place| self.machines.marked(place));
        let all = told.chain(marks.map(|mark| Timestamp(mark.until_ms)));
        all.filter(|at| *at > self.clock.now()).min()
    }
}

async fn engine(folder: &TempDir, clock: &Arc<ShiftedClock>, machines: &Machines, ledger: u32) -> Engine {
    let remote = Arc::new(SimulatedMachines(machines.clone()));
    let parts = parts_of((folder, clock, &Arc::default()), "instance: lab\npools: {}\n", ledger).await;
    let machines = Arc::new(SshProvider::new("lab".to_owned(), parts.key.clone(), remote));
    Engine::new(EngineParts { providers: vec![machines], ..parts })
}
