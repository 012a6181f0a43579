//! Machines of pools, reached by a door of their own in place of SSH: accounts, marks, homes and processes in memory. What is asked
//! comes as the lines of the script that runs on a real one, and what is answered is what that prints; one contract holds both
//! (`tests/it/pools/contract.rs`). Each line is done in steps, so that a connection may break between any two of them.

mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::script::Script;
use tokio::sync::Notify;

const DAY_MS: i64 = 86_400_000;

/// What is asked of each machine that no rule is about: its address, how often machines were asked before, and the lines.
pub type DecideMachine = Arc<dyn Fn(&str, usize, &str) -> Option<MachineFault> + Send + Sync>;
/// The clock of all machines, in milliseconds since 1970.
pub type MachineClock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How a question goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineFault {
    /// The machine cannot be reached; nothing is done.
    Away,
    /// This number of steps is done, and the connection breaks.
    CutAfter(usize),
    /// All is done, and half of the answer comes.
    Half,
    /// It takes the connection and says nothing, until whoever asks loses patience ([`Machines::lose_patience`]); nothing is done.
    Silent,
    /// Nothing is done, and nothing is ever answered.
    HangBefore,
    /// All is done, and nothing is ever answered.
    HangAfter,
    /// The answer comes late.
    Delay(Duration),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// It cannot be reached, or the connection broke.
    Away,
    /// It does not let one in.
    Refused,
    /// It has another host key: nothing was sent.
    OtherKey,
}

/// What a machine is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineSort {
    /// An account ends by itself on its day, and its key at its minute.
    Debian,
    /// Neither does.
    Alpine,
}

/// What changed on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineEffect {
    /// The address of the machine.
    pub machine: String,
    /// The name of the account.
    pub user: String,
    /// The reservation of its mark.
    pub reservation: String,
    /// It was made, or removed.
    pub is_made: bool,
    /// Other accounts with a mark that were there then.
    pub beside: Vec<String>,
}

/// An account with a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedUser {
    /// Its name.
    pub user: String,
    /// As in its mark.
    pub reservation: String,
    /// As in its mark.
    pub until_ms: i64,
    /// Its mark alone is there.
    pub is_rest: bool,
}

/// What the root of a machine may write into a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgedMark {
    /// As `r41`.
    pub reservation: String,
    /// Its end.
    pub until_ms: i64,
    /// By which Amarre knows what it wrote.
    pub proof: String,
    /// The pool.
    pub pool: String,
    /// Whose it is.
    pub instance: String,
}

#[derive(Debug, Clone)]
struct Mark {
    instance: String,
    pool: String,
    uid: u64,
    reservation: String,
    until_ms: i64,
    proof: String,
    sign_in: String,
}

#[derive(Debug, Clone, Default)]
struct User {
    uid: u64,
    /// The first day on which it is locked.
    day: Option<i64>,
    hash: String,
    /// Its public key, and until when it is good.
    key: Option<(String, Option<i64>)>,
}

#[derive(Debug, Clone)]
struct Machine {
    sort: MachineSort,
    /// The first is the one that it shows.
    host_keys: Vec<String>,
    /// What was noted of whose it is: pool, proof and host key, between tabs.
    registered: String,
    /// Another one of each machine.
    running: u64,
    /// The password of root; `None`: every key lets in.
    password: Option<String>,
    is_up: bool,
    lets_in: bool,
    users: BTreeMap<String, User>,
    marks: BTreeMap<String, Mark>,
    homes: BTreeSet<String>,
    /// The numbers of those for whom something runs.
    processes: Vec<u64>,
    /// What a number owns where it may delete nothing, as in a folder of another's.
    beyond: BTreeMap<u64, String>,
}

impl Machine {
    fn has_key(&self, key: Option<&str>) -> bool {
        key.is_some_and(|key| self.host_keys.iter().any(|own| own == key))
    }
}

#[derive(Default)]
struct Inner {
    machines: BTreeMap<String, Machine>,
    /// Further addresses of machines.
    also_at: BTreeMap<String, String>,
    decide: Option<DecideMachine>,
    asked: usize,
    effects: Vec<MachineEffect>,
    host_keys: u64,
}

impl Inner {
    /// The first address of a machine.
    fn place<'a>(&'a self, address: &'a str) -> &'a str {
        self.also_at.get(address).map_or(address, String::as_str)
    }
}

/// Some machines, by address. Clones are the same ones.
#[derive(Clone)]
pub struct Machines {
    inner: Arc<Mutex<Inner>>,
    clock: MachineClock,
    patience: Arc<Notify>,
}

impl Machines {
    /// None yet.
    pub fn new(clock: MachineClock) -> Self {
        Self { inner: Arc::default(), clock, patience: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new machine that lets every key in, and its host key.
    pub fn add(&self, address: &str, sort: MachineSort) -> String {
        let mut inner = self.lock();
        inner.host_keys += 1;
        let host_key = host_key(inner.host_keys);
        let root = User { hash: "*".to_owned(), ..User::default() };
        let machine = Machine {
            sort,
            host_keys: vec![host_key.clone()],
            registered: String::new(),
            running: inner.host_keys,
            password: None,
            is_up: true,
            lets_in: true,
            users: [("root".to_owned(), root)].into(),
            marks: BTreeMap::new(),
            homes: BTreeSet::new(),
            processes: Vec::new(),
            beyond: BTreeMap::new(),
        };
        inner.machines.insert(address.to_owned(), machine);
        host_key
    }

    /// Another host key from now on.
    pub fn renew_host_key(&self, address: &str) -> String {
        let mut inner = self.lock();
        inner.host_keys += 1;
        let key = host_key(inner.host_keys);
        if let Some(machine) = inner.machines.get_mut(address) {
            machine.host_keys = vec![key.clone()];
        }
        key
    }

    /// One more host key, which it shows to who asks for it.
    pub fn add_host_key(&self, address: &str) -> String {
        let mut inner = self.lock();
        inner.host_keys += 1;
        let key = host_key(inner.host_keys);
        if let Some(machine) = inner.machines.get_mut(address) {
            machine.host_keys.push(key.clone());
        }
        key
    }

    /// What was noted of whose it is goes.
    pub fn forget_registration(&self, address: &str) {
        self.change(address, |machine| machine.registered.clear());
    }

    /// A machine is there no more.
    pub fn take_away(&self, address: &str) {
        self.lock().machines.remove(address);
    }

    /// A machine answers at one more address.
    pub fn add_address(&self, address: &str, further: &str) {
        self.lock().also_at.insert(further.to_owned(), address.to_owned());
    }

    /// A copy of a machine at another address, as of a disk: with its host keys, accounts and registration.
    pub fn copy(&self, address: &str, to: &str) {
        let mut inner = self.lock();
        inner.host_keys += 1;
        let running = inner.host_keys;
        let Some(machine) = inner.machines.get(address) else { return };
        let copy = Machine { running, processes: Vec::new(), ..machine.clone() };
        inner.machines.insert(to.to_owned(), copy);
    }

    /// The host key that it shows; `None`: it does not answer.
    pub fn host_key(&self, address: &str) -> Option<String> {
        let inner = self.lock();
        let machine = inner.machines.get(inner.place(address)).filter(|machine| machine.is_up)?;
        machine.host_keys.first().cloned()
    }

    /// Whether it answers.
    pub fn set_up(&self, address: &str, is_up: bool) {
        self.change(address, |machine| machine.is_up = is_up);
    }

    /// Whether it lets Amarre in.
    pub fn set_lets_in(&self, address: &str, lets_in: bool) {
        self.change(address, |machine| machine.lets_in = lets_in);
    }

    /// The password of root.
    pub fn set_password(&self, address: &str, password: Option<&str>) {
        self.change(address, |machine| machine.password = password.map(str::to_owned));
    }

    /// It starts again: whatever ran is gone, accounts are not.
    pub fn reboot(&self, address: &str) {
        self.change(address, |machine| machine.processes.clear());
    }

    /// Someone who was there before.
    pub fn add_user(&self, address: &str, name: &str, uid: u64) {
        let user = User { uid, ..User::default() };
        self.change(address, |machine| {
            machine.homes.insert(name.to_owned());
            machine.processes.push(uid);
            machine.users.insert(name.to_owned(), user);
        });
    }

    /// Takes them away again, their home stays.
    pub fn remove_user(&self, address: &str, name: &str) {
        self.change(address, |machine| drop(machine.users.remove(name)));
    }

    /// A folder below `/home`.
    pub fn add_home(&self, address: &str, name: &str) {
        self.change(address, |machine| {
            machine.homes.insert(name.to_owned());
        });
    }

    /// The machine's root writes into a mark, or beside the others.
    pub fn forge(&self, address: &str, user: &str, forge: impl FnOnce(&mut ForgedMark)) {
        self.change(address, |machine| {
            let known = machine.marks.get(user).cloned();
            let uid = machine.users.get(user).map(|user| user.uid).unwrap_or_default();
            let mut forged = ForgedMark {
                reservation: known.as_ref().map(|mark| mark.reservation.clone()).unwrap_or_default(),
                until_ms: known.as_ref().map(|mark| mark.until_ms).unwrap_or_default(),
                proof: known.as_ref().map(|mark| mark.proof.clone()).unwrap_or_default(),
                pool: known.as_ref().map(|mark| mark.pool.clone()).unwrap_or_default(),
                instance: known.as_ref().map(|mark| mark.instance.clone()).unwrap_or_default(),
            };
            forge(&mut forged);
            let ForgedMark { reservation, until_ms, proof, pool, instance } = forged;
            let sign_in = known.map(|mark| mark.sign_in).unwrap_or_default();
            machine.marks.insert(user.to_owned(), Mark { instance, pool, uid, reservation, until_ms, proof, sign_in });
        });
    }

    /// A person removes an account, with its mark and all that it had.
    pub fn wipe(&self, address: &str, user: &str) {
        self.change(address, |machine| {
            let uid = machine.users.remove(user).map(|user| user.uid);
            machine.marks.remove(user);
            machine.homes.remove(user);
            machine.processes.retain(|own| Some(*own) != uid);
        });
    }

    /// What a mark says.
    pub fn mark_of(&self, address: &str, user: &str) -> Option<ForgedMark> {
        let inner = self.lock();
        let Mark { instance, pool, reservation, until_ms, proof, .. } =
            inner.machines.get(address)?.marks.get(user)?.clone();
        Some(ForgedMark { reservation, until_ms, proof, pool, instance })
    }

    /// A file of a number where it may delete nothing; `None`: it is gone.
    pub fn put_beyond(&self, address: &str, uid: u64, path: Option<&str>) {
        self.change(address, |machine| {
            machine.beyond.remove(&uid);
            machine.beyond.extend(path.map(|path| (uid, path.to_owned())));
        });
    }

    fn change(&self, address: &str, change: impl FnOnce(&mut Machine)) {
        if let Some(machine) = self.lock().machines.get_mut(address) {
            change(machine);
        }
    }

    /// Lets `decide` say what becomes of each question; `None`: all goes well.
    pub fn decide_by(&self, decide: Option<DecideMachine>) {
        self.lock().decide = decide;
    }

    /// The time is over for which those wait who ask machines that say nothing.
    pub fn lose_patience(&self) {
        self.patience.notify_waiters();
    }

    /// How many questions came.
    pub fn asked(&self) -> usize {
        self.lock().asked
    }

    /// What was made and removed since this was asked last.
    pub fn take_effects(&self) -> Vec<MachineEffect> {
        std::mem::take(&mut self.lock().effects)
    }

    /// The accounts with a mark.
    pub fn marked(&self, address: &str) -> Vec<MarkedUser> {
        let inner = self.lock();
        let Some(machine) = inner.machines.get(address) else { return Vec::new() };
        let row = |(user, mark): (&String, &Mark)| MarkedUser {
            user: user.clone(),
            reservation: mark.reservation.clone(),
            until_ms: mark.until_ms,
            is_rest: !machine.users.contains_key(user),
        };
        machine.marks.iter().map(row).collect()
    }

    /// Whether there is an account of that name.
    pub fn has_user(&self, address: &str, name: &str) -> bool {
        self.lock().machines.get(address).is_some_and(|machine| machine.users.contains_key(name))
    }

    /// Whether there is a home, or anything that runs, of that name and number.
    pub fn has_rest_of(&self, address: &str, name: &str, uid: u64) -> bool {
        let inner = self.lock();
        inner.machines.get(address).is_some_and(|one| one.homes.contains(name) || one.processes.contains(&uid))
    }

    /// Signs a user in with a key, as its sshd decides; something runs for them then.
    pub fn sign_in(&self, address: &str, name: &str, key: &str) -> bool {
        let now = (self.clock)();
        let mut inner = self.lock();
        let Some(machine) = inner.machines.get_mut(address).filter(|machine| machine.is_up) else { return false };
        let Some(user) = machine.users.get(name) else { return false };
        let is_locked = user.day.is_some_and(|day| now >= day * DAY_MS);
        let is_good = |until: &Option<i64>| until.is_none_or(|until| now < until);
        let is_in = !is_locked && user.key.as_ref().is_some_and(|(own, until)| own == key && is_good(until));
        if is_in {
            machine.processes.push(user.uid);
        }
        is_in
    }

    /// Asks a machine, as the script's lines; the first of them says whose marks are ours.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask(
        &self,
        address: &str,
        (host_key, password): (Option<&str>, Option<&str>),
        lines: &str,
    ) -> Result<String, NoAnswer> {
        let (fault, reached) = {
            let mut inner = self.lock();
            let asked = inner.asked;
            inner.asked += 1;
            let decide = inner.decide.clone();
            let reached = inner.machines.get(inner.place(address)).map_or(Err(NoAnswer::Away), |machine| {
                let is_let_in =
                    machine.lets_in && (machine.password.is_none() || machine.password.as_deref() == password);
                match (machine.is_up, machine.has_key(host_key), is_let_in) {
                    (false, ..) => Err(NoAnswer::Away),
                    (true, false, _) => Err(NoAnswer::OtherKey),
                    (true, true, false) => Err(NoAnswer::Refused),
                    (true, true, true) => Ok(()),
                }
            });
            drop(inner);
            (decide.and_then(|decide| decide(address, asked, lines)), reached)
        };
        match fault {
            Some(MachineFault::Away) => return Err(NoAnswer::Away),
            Some(MachineFault::Silent) => {
                self.patience.notified().await;
                return Err(NoAnswer::Away);
            }
            Some(MachineFault::HangBefore) => std::future::pending().await,
            Some(MachineFault::Delay(span)) => tokio::time::sleep(span).await,
            Some(MachineFault::CutAfter(_) | MachineFault::Half | MachineFault::HangAfter) | None => (),
        }
        reached?;
        let steps = match fault {
            Some(MachineFault::CutAfter(steps)) => steps,
            _ => usize::MAX,
        };
        let said = self.run(address, lines, steps);
        match fault {
            Some(MachineFault::HangAfter) => std::future::pending().await,
            Some(MachineFault::Half) => Err(NoAnswer::Away),
            Some(
                MachineFault::Away
                | MachineFault::Silent
                | MachineFault::HangBefore
                | MachineFault::CutAfter(_)
                | MachineFault::Delay(_),
            )
            | None => said.ok_or(NoAnswer::Away),
        }
    }

    /// `None`: it was cut.
    fn run(&self, address: &str, lines: &str, steps: usize) -> Option<String> {
        let now = (self.clock)();
        let mut inner = self.lock();
        let address = inner.place(address).to_owned();
        let address = address.as_str();
        let Inner { machines, effects, .. } = &mut *inner;
        let machine = machines.get_mut(address)?;
        Script::new(machine, (address, effects), steps).answer(lines, now).ok()
    }
}

/// A host key of the right form; there is no private half.
fn host_key(number: u64) -> String {
    format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{number:043}")
}
