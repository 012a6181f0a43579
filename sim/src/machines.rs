//! Machines of pools, reached by a door of their own in place of SSH: accounts, marks, homes and processes in memory. What is asked
//! comes as the lines of the script that runs on a real one, and what is answered is what that prints; one contract holds both
//! (`tests/it/pools/contract.rs`). Each line is done in steps, so that a connection may break between any two of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;
/// KiB that are free where homes are.
const FREE_KIB: i64 = 8_000_000;
/// An account's number on a real one lies above what a system takes for itself.
const UID_MIN: u64 = 1000;

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

#[derive(Debug, Clone)]
struct Mark {
    instance: String,
    pool: String,
    uid: u64,
    reservation: String,
    until_ms: i64,
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

#[derive(Debug)]
struct Machine {
    sort: MachineSort,
    host_key: String,
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

#[derive(Default)]
struct Inner {
    machines: BTreeMap<String, Machine>,
    decide: Option<DecideMachine>,
    asked: usize,
    effects: Vec<MachineEffect>,
    host_keys: u64,
}

/// Some machines, by address. Clones are the same ones.
#[derive(Clone)]
pub struct Machines {
    inner: Arc<Mutex<Inner>>,
    clock: MachineClock,
}

impl Machines {
    /// None yet.
    pub fn new(clock: MachineClock) -> Self {
        Self { inner: Arc::default(), clock }
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
            host_key: host_key.clone(),
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
            machine.host_key.clone_from(&key);
        }
        key
    }

    /// The host key that it shows; `None`: it does not answer.
    pub fn host_key(&self, address: &str) -> Option<String> {
        self.lock().machines.get(address).filter(|machine| machine.is_up).map(|machine| machine.host_key.clone())
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
            let reached = inner.machines.get(address).map_or(Err(NoAnswer::Away), |machine| {
                let is_let_in =
                    machine.lets_in && (machine.password.is_none() || machine.password.as_deref() == password);
                match (machine.is_up, host_key == Some(machine.host_key.as_str()), is_let_in) {
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
                MachineFault::Away | MachineFault::HangBefore | MachineFault::CutAfter(_) | MachineFault::Delay(_),
            )
            | None => said.ok_or(NoAnswer::Away),
        }
    }

    /// `None`: it was cut.
    fn run(&self, address: &str, lines: &str, steps: usize) -> Option<String> {
        let now = (self.clock)();
        let mut inner = self.lock();
        let Inner { machines, effects, .. } = &mut *inner;
        let machine = machines.get_mut(address)?;
        let mut script = Script {
            machine,
            address,
            effects,
            steps,
            instance: String::new(),
            failed: false,
            said: "AMARRE1\n".to_owned(),
        };
        for line in lines.lines() {
            script.line(line).ok()?;
        }
        script.look(now).ok()?;
        Some(script.said)
    }
}

/// A host key of the right form; there is no private half.
fn host_key(number: u64) -> String {
    format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{number:043}")
}

/// The connection broke.
struct Cut;

/// One run of the script.
struct Script<'a> {
    machine: &'a mut Machine,
    address: &'a str,
    effects: &'a mut Vec<MachineEffect>,
    /// Those that are done before the connection breaks.
    steps: usize,
    instance: String,
    failed: bool,
    said: String,
}

impl Script<'_> {
    /// Before each change.
    fn step(&mut self) -> Result<(), Cut> {
        self.steps = self.steps.checked_sub(1).ok_or(Cut)?;
        Ok(())
    }

    fn fail(&mut self, what: &str, why: &str) {
        self.failed = true;
        self.said.push_str(&format!("failed\t{what}\t{why}\n"));
    }

    fn line(&mut self, line: &str) -> Result<(), Cut> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        match (word, words.as_slice()) {
            ("as", [instance]) => self.instance = (*instance).to_owned(),
            ("make", [name, uid, until, day, reservation, pool, _shell]) => {
                return self.make(name, (uid, until, day), (reservation, pool));
            }
            ("key", [name, until, key @ ..]) => return self.key(name, until, &key.join(" ")),
            ("hash", [name, hash]) => return self.hash(name, hash),
            ("sign", [name, mark]) => return self.sign(name, mark),
            ("end", [name, uid, reservation]) => return self.end(name, uid, reservation),
            ("sudo" | "between", [_]) | ("", _) => (),
            (word, _) => self.fail(word, "no such word"),
        }
        Ok(())
    }

    fn is_ours(&self, name: &str) -> bool {
        let mark = self.machine.marks.get(name).filter(|mark| mark.instance == self.instance);
        mark.is_some_and(|mark| self.machine.users.get(name).is_some_and(|user| user.uid == mark.uid))
    }

    fn make(
        &mut self,
        name: &str,
        (uid, until, day): (&str, &str, &str),
        (reservation, pool): (&str, &str),
    ) -> Result<(), Cut> {
        let what = format!("make {name}");
        let numbers = (uid.parse::<u64>(), until.parse::<i64>(), day.parse::<i64>());
        let (Ok(uid), Ok(until_ms), Ok(day)) = numbers else {
            self.fail(&what, "not a name, a number or a day");
            return Ok(());
        };
        if !is_name(name) || uid < UID_MIN || until_ms < 0 || !is_word(reservation) || !is_word(pool) {
            self.fail(&what, "not a name, a number or a day");
            return Ok(());
        }
        let is_there = self.machine.users.contains_key(name);
        if is_there {
            let is_its = self.is_ours(name) && self.machine.marks[name].reservation == reservation;
            if !is_its {
                self.fail(&what, "this machine has an account of that name");
                return Ok(());
            }
        } else if self.machine.users.values().any(|user| user.uid == uid) {
            self.fail(&what, &format!("number {uid} is taken"));
            return Ok(());
        } else if self.machine.homes.contains(name) {
            self.fail(&what, &format!("/home/{name} is there already"));
            return Ok(());
        }
        self.step()?;
        let (instance, pool, reservation) = (self.instance.clone(), pool.to_owned(), reservation.to_owned());
        let mark = Mark { instance, pool, uid, reservation, until_ms, sign_in: String::new() };
        self.machine.marks.insert(name.to_owned(), mark);
        if !is_there {
            self.step()?;
            self.note(name, true);
            self.machine.homes.insert(name.to_owned());
            self.machine.users.insert(name.to_owned(), User { uid, hash: "!".to_owned(), ..User::default() });
        }
        self.step()?;
        if self.machine.sort == MachineSort::Debian
            && let Some(user) = self.machine.users.get_mut(name)
        {
            user.day = Some(day);
        }
        Ok(())
    }

    fn note(&mut self, name: &str, is_made: bool) {
        let users = &self.machine.users;
        let beside = self.machine.marks.keys().filter(|other| *other != name && users.contains_key(*other));
        let reservation = self.machine.marks.get(name).map(|mark| mark.reservation.clone()).unwrap_or_default();
        let effect = MachineEffect {
            machine: self.address.to_owned(),
            user: name.to_owned(),
            reservation,
            is_made,
            beside: beside.cloned().collect(),
        };
        self.effects.push(effect);
    }

    fn key(&mut self, name: &str, until: &str, key: &str) -> Result<(), Cut> {
        let (Ok(until), true) = (until.parse::<i64>(), self.is_ours(name)) else {
            self.fail(&format!("key {name}"), "it is not ours");
            return Ok(());
        };
        self.step()?;
        let until = (self.machine.sort == MachineSort::Debian).then_some(until);
        if let Some(user) = self.machine.users.get_mut(name) {
            user.key = Some((key.to_owned(), until));
        }
        Ok(())
    }

    fn hash(&mut self, name: &str, hash: &str) -> Result<(), Cut> {
        if !self.is_ours(name) {
            self.fail(&format!("hash {name}"), "it is not ours");
            return Ok(());
        }
        self.step()?;
        if let Some(user) = self.machine.users.get_mut(name) {
            hash.clone_into(&mut user.hash);
        }
        Ok(())
    }

    fn sign(&mut self, name: &str, mark: &str) -> Result<(), Cut> {
        if self.failed {
            return Ok(());
        }
        if !self.is_ours(name) || !is_word(mark) {
            self.fail(&format!("sign {name}"), "it is not ours");
            return Ok(());
        }
        self.step()?;
        if let Some(known) = self.machine.marks.get_mut(name) {
            mark.clone_into(&mut known.sign_in);
        }
        Ok(())
    }

    fn end(&mut self, name: &str, uid: &str, reservation: &str) -> Result<(), Cut> {
        let what = format!("end {name}");
        let Some(uid) = uid.parse::<u64>().ok().filter(|uid| is_name(name) && *uid >= UID_MIN) else {
            self.fail(&what, "not a name and a number of ours");
            return Ok(());
        };
        let is_there = self.machine.users.contains_key(name);
        let Some(mark) = self.machine.marks.get(name) else {
            if is_there {
                self.fail(&what, "it is not ours");
            }
            return Ok(());
        };
        if mark.instance != self.instance || mark.uid != uid || mark.reservation != reservation {
            self.fail(&what, "it is of another reservation");
            return Ok(());
        }
        if is_there && !self.is_ours(name) {
            self.fail(&what, "it is not ours");
            return Ok(());
        }
        self.step()?;
        if let Some(user) = self.machine.users.get_mut(name) {
            (user.day, user.hash, user.key) = (Some(1), "*".to_owned(), None);
        }
        self.step()?;
        self.machine.processes.retain(|own| *own != uid);
        self.step()?;
        self.machine.homes.remove(name);
        // Nothing is deleted with more rights than the account has.
        if let Some(path) = self.machine.beyond.get(&uid) {
            let why = format!("something of it is left: {path}");
            self.fail(&what, &why);
            return Ok(());
        }
        if is_there {
            self.step()?;
            self.note(name, false);
            self.machine.users.remove(name);
        }
        self.step()?;
        self.machine.marks.remove(name);
        self.said.push_str(&format!("ended\t{name}\t{uid}\n"));
        Ok(())
    }

    fn look(&mut self, now: i64) -> Result<(), Cut> {
        let (system, expires) = match self.machine.sort {
            MachineSort::Debian => ("Debian GNU/Linux 12 (bookworm), simulated", "day"),
            MachineSort::Alpine => ("Alpine Linux v3.20, simulated", "no"),
        };
        let seconds = now.div_euclid(1000);
        let head = format!("system\t{system}\nnow\t{seconds}\nfree\t{FREE_KIB}\nexpires\t{expires}\n");
        let foreign = self.machine.users.keys().filter(|name| !(is_name(name) && self.is_ours(name)));
        let foreign: String = foreign.map(|name| format!("foreign\t{name}\n")).collect();
        let ours =
            self.machine.marks.iter().filter(|(_, mark)| mark.instance == self.instance).filter_map(|(name, mark)| {
                let word = match (self.machine.users.get(name), self.is_ours(name)) {
                    (Some(_), true) => "account",
                    (Some(_), false) => return None,
                    (None, _) => "rest",
                };
                let Mark { uid, reservation, until_ms, pool, sign_in, .. } = mark;
                Some(format!("{word}\t{name}\t{uid}\t{reservation}\t{until_ms}\t{pool}\t{sign_in}\n"))
            });
        let ours: String = ours.collect();
        // An answer breaks off here, too.
        self.step()?;
        self.said.push_str(&format!("{head}{foreign}{ours}done\n"));
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= 31 && name.starts_with(|first: char| first.is_ascii_lowercase()) && is_word(name)
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
