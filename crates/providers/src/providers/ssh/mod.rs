//! Machines of pools, reached over SSH: accounts are made there for the time of a reservation, and removed.
//!
//! A machine is looked at by a login, one at a time and now and then: what it said last is reported until then. Whatever changes an
//! account also looks, in the same connection.
//!
//! Pools share the connections ([`amarre_core::turns`]):
//!
//! | of the eight connections | |
//! |---|---|
//! | changes before looks, ends of accounts before others | looks have six at most |
//! | a pool | has six at most, and of two pools the one with fewer comes first |
//! | machines that did not answer last, or were never asked | have four together, and are asked ever more rarely |

mod ask_machines;
mod connection;
mod script;
mod same_machine;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub use self::ask_machines::{AskMachines, ConnectionError};
pub use self::connection::Connections;
use self::same_machine::{NamedMachine, SaidOfItself, Sameness, sameness};
pub use self::script::sign_in_text;
use self::script::{AccountLines, AccountMark, MachineLook};
use super::machines::{HostKeyPair, MachineAccess, ReachMachines};
use super::{Capabilities, Class, Observation, ObserveQuery, Outcome, Provider, ProviderError, Supplies, WatchEvents};
use crate::secret::{MarkKey, Signer};
use crate::turns::{QueuedSeat, Seats};
use amarre_core::model::pool::{MACHINE_PART, Machine, account_address, machine_address, machine_of, provider};
use amarre_core::model::reservations::number_of;
use amarre_core::model::{
    Address, Change, Code, Expect, Fields, Gap, GapScope, Kind, KindSchema, Mark, Millis, Owner, ProviderId, Readiness,
    Seen, Timestamp, Value, Verb,
};
use amarre_core::resources::Objection;
use amarre_core::resources::ssh::{ACCOUNT, MACHINE};
use amarre_core::turns::{QueuedJob, Room};

static KINDS: [KindSchema; 2] = [MACHINE, ACCOUNT];

/// Keeps signatures of marks on machines apart from all else that the key signs.
const MARK_PART: &str = "amarre.machine-mark.v1";
/// The same of what says whose a machine is.
const REGISTRATION_PART: &str = "amarre.machine-registration.v1";
/// The way out where a machine is a copy of another one.
const NEW_KEYS: &str = "make new ones on one of the two, `rm /etc/ssh/ssh_host_*; ssh-keygen -A`, and trust them";
/// Connections to all machines together.
const CONNECTIONS_MAX: usize = 8;
/// Those to look at machines: the others wait for no look.
const LOOKS_MAX: usize = 6;
/// Those to the machines of one pool: a command may run for minutes.
const POOL_CONNECTIONS_MAX: usize = 6;
/// Those to machines that are not known to answer: each of them may keep Amarre waiting.
const UNANSWERED_MAX: usize = 4;
/// The classes of turns: who stays on a machine whose time is over comes first.
const END: u8 = 0;
const BEGIN: u8 = 1;
const LOOK: u8 = 2;
/// What an observation waits for machines; who is later is reported as last seen, or hidden.
const PATIENCE: Duration = Duration::from_secs(6);
/// A machine that is not lent is looked at this often. More logins fill its log.
const IDLE: Millis = Millis::minutes(5);
/// One that is lent.
const LENT: Millis = Millis::minutes(1);
/// One that did not answer; twice as long after each further time.
const AWAY: Millis = Millis::seconds(30);
/// The longest pause of one that has answered before, and of one that never has.
const AWAY_LAST: Millis = Millis::minutes(2);
const NEVER_LAST: Millis = Millis::minutes(16);
/// One that did not let Amarre in: more tries get an address banned.
const REFUSED: Millis = Millis::minutes(5);

/// All machines of all pools.
pub struct SshProvider {
    id: ProviderId,
    shared: Arc<Shared>,
}

struct Shared {
    id: ProviderId,
    instance: String,
    key: MarkKey,
    remote: Arc<dyn AskMachines>,
    seats: Arc<Seats>,
    machines: Mutex<BTreeMap<String, MachineMemory>>,
    wake: Mutex<Option<Arc<Notify>>>,
}

/// What is remembered of a machine.
#[derive(Debug, Clone)]
struct MachineMemory {
    access: MachineAccess,
    /// What it said last, and when.
    look: Option<(Arc<MachineLook>, Timestamp)>,
    /// Why the last connection failed.
    failure: Option<ConnectionError>,
    /// How often in a row it did not answer.
    silences: u32,
    /// When it was tried last; `None`: with this access never.
    tried: Option<Timestamp>,
    is_looking: bool,
    /// It is registered anew with the next connection.
    registers_again: bool,
}

impl MachineMemory {
    fn is_due(&self, is_lent: bool, now: Timestamp) -> bool {
        let pause = match &self.failure {
            None if is_lent => LENT,
            None => IDLE,
            Some(ConnectionError::Away(_) | ConnectionError::Here(_)) => self.pause_of_silence(),
            Some(ConnectionError::Refused(_) | ConnectionError::OtherKey) => REFUSED,
        };
        // A clock that was set back delays nothing.
        let is_over = self.tried.is_none_or(|tried| tried > now || now - tried >= pause);
        let may_be_asked = self.access.host_key.is_some() && !self.access.lacks_password;
        may_be_asked && !self.is_looking && is_over
    }

    /// Grows, for each try takes a connection for as long as the machine keeps Amarre waiting.
    fn pause_of_silence(&self) -> Millis {
        let longest = if self.look.is_some() { AWAY_LAST } else { NEVER_LAST };
        let doubled = AWAY.0.saturating_mul(1 << self.silences.saturating_sub(1).min(10));
        Millis(doubled.min(longest.0))
    }

    /// Whether it kept Amarre waiting when it was asked last: who answers that it lets nobody in does not.
    const fn is_silent(&self) -> bool {
        matches!(self.failure, Some(ConnectionError::Away(_) | ConnectionError::Here(_)))
    }

    /// Whether it answered when it was asked last.
    fn answers(&self) -> bool {
        self.look.is_some() && self.failure.is_none()
    }

    /// Its turn at a connection.
    fn job(&self, path: &str, class: u8) -> QueuedJob {
        let mut places = vec![
            Room::brief("connections", CONNECTIONS_MAX),
            Room::new(format!("pool {}", self.access.pool), POOL_CONNECTIONS_MAX),
            // One connection at a time.
            Room::new(format!("machine {path}"), 1),
        ];
        if class == LOOK {
            places.push(Room::brief("looks", LOOKS_MAX));
        }
        if !self.answers() {
            places.push(Room::brief("unanswered", UNANSWERED_MAX));
        }
        QueuedJob {
            name: path.to_owned(),
            owner: self.access.pool.clone(),
            class,
            last: self.tried,
            places,
            ..QueuedJob::default()
        }
    }
}

impl SshProvider {
    /// Connects to nothing. `instance`: whose marks are ours; `key`: by which they are known.
    pub fn new(instance: String, key: MarkKey, remote: Arc<dyn AskMachines>) -> Self {
        let id = provider();
        let shared = Shared {
            id: id.clone(),
            instance,
            key,
            remote,
            seats: Arc::default(),
            machines: Mutex::default(),
            wake: Mutex::default(),
        };
        Self { id, shared: Arc::new(shared) }
    }
}

impl Shared {
    fn machines(&self) -> MutexGuard<'_, BTreeMap<String, MachineMemory>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the machines of a query, and answers which are to be looked at, and whether the observation waits for it: not for one that
    /// did not answer last.
    fn take(&self, query: &ObserveQuery) -> Vec<(String, bool)> {
        let mut machines = self.machines();
        let named: BTreeSet<String> = query.machines.iter().map(MachineAccess::path).collect();
        machines.retain(|path, _| named.contains(path));
        for access in &query.machines {
            let path = access.path();
            match machines.get_mut(&path) {
                Some(known) if known.access == *access => (),
                Some(known) => {
                    let is_same = known.access.machine.address == access.machine.address
                        && known.access.machine.port == access.machine.port;
                    known.access = access.clone();
                    (known.failure, known.tried, known.silences) = (None, None, 0);
                    if !is_same {
                        known.look = None;
                    }
                }
                None => {
                    let memory = MachineMemory {
                        access: access.clone(),
                        look: None,
                        failure: None,
                        silences: 0,
                        tried: None,
                        is_looking: false,
                        registers_again: false,
                    };
                    machines.insert(path, memory);
                }
            }
        }
        let ours = query.wanted.keys().chain(query.applied.keys()).filter_map(machine_of);
        let lent: BTreeSet<String> = ours.map(|(pool, machine)| format!("{pool}/{machine}")).collect();
        let mut due = Vec::new();
        for (path, memory) in machines.iter_mut() {
            if memory.is_due(lent.contains(path), query.now) {
                memory.is_looking = true;
                due.push((path.clone(), !memory.is_silent()));
            }
        }
        due
    }

    /// Puts a question to a machine among those that wait for a connection. `None`: it is in no manifest any more.
    fn queue(&self, path: &str, class: u8) -> Option<QueuedSeat> {
        let job = self.machines().get(path).map(|memory| memory.job(path, class))?;
        Some(self.seats.queue(job))
    }

    /// Asks a machine once it is its turn, remembers what it said, and answers that.
    async fn ask(
        &self,
        path: &str,
        queued: Option<QueuedSeat>,
        lines: &str,
        now: Timestamp,
    ) -> Result<Arc<MachineLook>, ConnectionError> {
        let gone = || ConnectionError::Here("it is in no manifest any more".to_owned());
        let seat = queued.ok_or_else(gone)?.turn().await;
        // How it is reached may have changed meanwhile.
        let known = self.machines().get(path).map(|memory| (memory.access.clone(), memory.registers_again));
        let (access, again) = known.ok_or_else(gone)?;
        let lines = format!("{}{lines}", self.registration(&access, again));
        let said = seat.work(self.remote.ask(&access, &self.instance, &lines)).await;
        let said = said.unwrap_or_else(|| Err(ConnectionError::Away("it kept too many others waiting".to_owned())));
        let answer = said.and_then(|said| {
            script::parse(&said).map(Arc::new).ok_or_else(|| ConnectionError::Away("its answer is broken".to_owned()))
        });
        let mut machines = self.machines();
        if let Some(memory) = machines.get_mut(path).filter(|memory| memory.access == access) {
            memory.tried = Some(now);
            memory.failure = answer.as_ref().err().cloned();
            memory.silences = if memory.is_silent() { memory.silences.saturating_add(1) } else { 0 };
            memory.look = answer.as_ref().ok().map(|look| (look.clone(), now)).or(memory.look.take());
        }
        answer
    }

    /// Looks at a machine. Whether it is known better afterwards: it answers, or does not, as it did not before.
    async fn look(self: Arc<Self>, path: String, queued: Option<QueuedSeat>, now: Timestamp) -> bool {
        let failure = |shared: &Self| shared.machines().get(&path).and_then(|memory| memory.failure.clone());
        let before = failure(&self);
        let looked = self.ask(&path, queued, "", now).await;
        if let Some(memory) = self.machines().get_mut(&path) {
            memory.is_looking = false;
        }
        looked.is_ok() || failure(&self) != before
    }

    /// Wakes the loop for what machines say that an observation did not wait for: at once where one answers that did not, else when all
    /// are through.
    async fn wake_after(self: Arc<Self>, mut awaited: JoinSet<bool>, mut beside: JoinSet<bool>) {
        let wake = || {
            let wake = self.wake.lock().unwrap_or_else(PoisonError::into_inner).clone();
            wake.into_iter().for_each(|wake| wake.notify_one());
        };
        let first = async {
            let mut is_new = false;
            while let Some(looked) = awaited.join_next().await {
                is_new |= looked.unwrap_or(true);
            }
            is_new
        };
        let second = async {
            while let Some(looked) = beside.join_next().await {
                if looked.unwrap_or(true) {
                    wake();
                }
            }
        };
        let (is_new, ()) = tokio::join!(first, second);
        if is_new {
            wake();
        }
    }

    fn report(&self, query: &ObserveQuery) -> Observation {
        let mut machines = self.machines();
        let same = self.sameness(&machines);
        for (path, memory) in machines.iter_mut() {
            memory.registers_again = same.get(path) == Some(&Sameness::Unregistered);
        }
        let mut observation = Observation::default();
        for (path, memory) in machines.iter() {
            if let Some(why) = same.get(path).and_then(why_not_given) {
                observation.gaps.push(self.gap(path, why, query.now));
                continue;
            }
            match (&memory.look, &memory.failure) {
                (Some((look, at)), None) if memory.access.host_key.is_some() && !memory.access.lacks_password => {
                    self.describe(&mut observation, query, memory, look, *at);
                    if let Some(Sameness::Copy(twin)) = same.get(path) {
                        let address = machine_address(&memory.access.pool, &memory.access.name);
                        let seen = observation.seen.get_mut(&address);
                        seen.into_iter().for_each(|seen| seen.fields.set("twin", Value::text(twin)));
                    }
                }
                _ => observation.gaps.push(self.gap(path, why(memory), query.now)),
            }
        }
        // What is ours on a machine that no query names cannot be seen.
        let owned = query.applied.keys().filter_map(machine_of).map(|(pool, machine)| format!("{pool}/{machine}"));
        for path in owned.collect::<BTreeSet<_>>().into_iter().filter(|path| !machines.contains_key(path)) {
            let why =
                (Code::A0763, "it is in no manifest, and how it was reached is not known".to_owned(), String::new());
            observation.gaps.push(self.gap(&path, why, query.now));
        }
        observation
    }

    /// The line that notes whose a machine is.
    fn registration(&self, access: &MachineAccess, again: bool) -> String {
        let Some(key) = &access.host_key else { return String::new() };
        let proof = self.key.sign(&[REGISTRATION_PART, &self.instance, &access.pool, key]);
        script::register_line(again, &access.pool, &proof, key)
    }

    /// What machines are beside what manifests say, by path.
    fn sameness(&self, machines: &BTreeMap<String, MachineMemory>) -> BTreeMap<String, Sameness> {
        let registered = |look: &'_ MachineLook| {
            let (pool, proof, key) = look.registered.as_ref()?;
            let parts = [REGISTRATION_PART, &self.instance, pool, key];
            (self.key.signer(&parts, proof) != Signer::Unknown).then(|| (pool.clone(), key.clone()))
        };
        let registered: BTreeMap<&String, (String, String)> =
            machines.iter().filter_map(|(path, memory)| Some((path, registered(&memory.look.as_ref()?.0)?))).collect();
        let named = machines.iter().map(|(path, memory)| NamedMachine {
            pool: &memory.access.pool,
            name: &memory.access.name,
            pinned: memory.access.host_key.as_deref().unwrap_or_default(),
            answers: memory.look.is_some() && memory.failure.is_none(),
            says: memory.look.as_ref().filter(|_| memory.failure.is_none()).map(|(look, _)| SaidOfItself {
                keys: look.host_keys.iter().map(String::as_str).collect(),
                system: &look.running,
                registered: registered.get(path).map(|(pool, key)| (pool.as_str(), key.as_str())),
            }),
        });
        let found = sameness(&named.collect::<Vec<_>>());
        machines.keys().cloned().zip(found).filter_map(|(path, found)| Some((path, found?))).collect()
    }

    /// What a mark says, as it is signed: where, whose, and until when. No name that people change is a part of it.
    fn signed(&self, host_key: &str, user: &str, (uid, reservation, until_ms): (i64, &str, i64)) -> [String; 7] {
        let (uid, until_ms) = (uid.to_string(), until_ms.to_string());
        [MARK_PART, &self.instance, host_key, user, &uid, reservation, &until_ms].map(str::to_owned)
    }

    fn proof(&self, host_key: &str, user: &str, mark: (i64, &str, i64)) -> String {
        let parts = self.signed(host_key, user, mark);
        self.key.sign(&parts.each_ref().map(String::as_str))
    }

    /// Whether Amarre wrote this mark, for this machine.
    fn is_proven(&self, access: &MachineAccess, user: &str, mark: &AccountMark) -> bool {
        let host_key = access.host_key.as_deref().unwrap_or_default();
        let parts = self.signed(host_key, user, (mark.uid, &mark.reservation, mark.until_ms));
        let signer = self.key.signer(&parts.each_ref().map(String::as_str), &mark.proof);
        signer != Signer::Unknown && number_of(&mark.reservation).is_some()
    }

    fn describe(
        &self,
        observation: &mut Observation,
        query: &ObserveQuery,
        memory: &MachineMemory,
        look: &MachineLook,
        at: Timestamp,
    ) {
        let MachineAccess { pool, name, .. } = &memory.access;
        let texts = |texts: &[String]| Value::List(texts.iter().map(Value::text).collect());
        // A pool that is called otherwise by now has its accounts all the same, unless both of them reach the machine.
        let is_of_other = |mark: &AccountMark| {
            let reaches = |other: &MachineAccess| other.pool == mark.pool && other.host_key == memory.access.host_key;
            mark.pool != *pool && query.machines.iter().any(reaches)
        };
        let (mut users, mut unproven) = (look.users.clone(), Vec::new());
        for (user, mark) in &look.accounts {
            let address = account_address(pool, name, user);
            let is_proven = self.is_proven(&memory.access, user, mark);
            if is_of_other(mark) {
                users.push(user.clone());
                continue;
            }
            let vendor_id =
                match (is_proven, query.applied.get(&address).filter(|applied| applied.vendor_id.contains(' '))) {
                    (true, _) => format!("{} {}", mark.uid, mark.reservation),
                    // What the ledger knows counts, and its mark is written anew.
                    (false, Some(applied)) => applied.vendor_id.clone(),
                    // What only a machine says is no reason to change an account.
                    (false, None) => {
                        users.push(user.clone());
                        unproven.push(user.clone());
                        continue;
                    }
                };
            let (uid, reservation) = vendor_id.split_once(' ').unwrap_or_default();
            let until_ms = if is_proven && !mark.is_rest { mark.until_ms } else { 0 };
            let mut fields = Fields::default()
                .with("uid", Value::Int(uid.parse().unwrap_or_default()))
                .with("reservation", Value::text(reservation))
                .with("until_ms", Value::Int(until_ms));
            if !mark.sign_in.is_empty() && !mark.is_rest && is_proven {
                let (name, sign_in) = (sign_in_name(reservation), Mark(mark.sign_in.clone()));
                fields.set("sign_in", Value::Secret { name: Box::new(name), mark: Box::new(sign_in) });
            }
            observation.seen.insert(address, seen_of(pool, fields, Owner::Ours, vendor_id, at));
        }
        let fields = Fields::default()
            .with("system", Value::text(&look.system))
            .with("free", Value::Int(look.free))
            .with("clock", Value::Int(look.now_s.saturating_sub(at.0 / 1000)))
            .with("expires", Value::Bool(look.expires))
            .with("users", texts(&users))
            .with("unproven", texts(&unproven))
            .with("looked_ms", Value::Int(at.0));
        let machine = seen_of(pool, fields, Owner::Foreign, memory.access.path(), at);
        observation.seen.insert(machine_address(pool, name), machine);
    }

    fn gap(&self, path: &str, (code, message, hint): (Code, String, String), now: Timestamp) -> Gap {
        let scope = GapScope::part(MACHINE_PART, path);
        Gap {
            provider: self.id.clone(),
            scope,
            code,
            message: format!("{path}: {message}").into(),
            hint: hint.into(),
            since: now,
        }
    }
}

fn seen_of(pool: &str, fields: Fields, owner: Owner, vendor_id: String, at: Timestamp) -> Seen {
    Seen { fields, ready: Readiness::Ready, owner, service: Some(pool.to_owned()), vendor_id, at }
}

fn sign_in_name(reservation: &str) -> amarre_core::model::SecretName {
    let number = number_of(reservation).unwrap_or_default();
    amarre_core::model::pool::sign_in_secret(number)
}

/// Why a machine is not given out that is one of others, too; `None`: it is.
fn why_not_given(found: &Sameness) -> Option<(Code, String, String)> {
    let leave = "take it out of one of the two manifests".to_owned();
    Some(match found {
        Sameness::OfPool(other) => (Code::A0768, format!("it is {other}, by another address or host key"), leave),
        Sameness::Twice(other) => {
            (Code::A0768, format!("it is {other} of this pool, by another address or host key"), leave)
        }
        Sameness::CopyOfPool(other) => (Code::A0767, format!("{other} has the same host key"), NEW_KEYS.to_owned()),
        Sameness::Copy(_) | Sameness::Unregistered => return None,
    })
}

/// Why a machine cannot be seen.
fn why(memory: &MachineMemory) -> (Code, String, String) {
    let trust = format!("amarre pool trust {} {}", memory.access.pool, memory.access.name);
    if memory.access.host_key.is_none() {
        return (Code::A0760, "its host key is not trusted yet".to_owned(), trust);
    }
    if let Some(name) = memory.access.machine.password.as_ref().filter(|_| memory.access.lacks_password) {
        return (
            Code::A0207,
            format!("its password, the secret {}, is not set", name.0),
            "amarre validate says where to put it".to_owned(),
        );
    }
    match &memory.failure {
        None => (Code::A0763, "it is looked at for the first time".to_owned(), String::new()),
        Some(ConnectionError::Away(why)) => {
            (Code::A0763, why.clone(), "is it up, and is the way to it open?".to_owned())
        }
        Some(ConnectionError::Here(why)) => (Code::A0763, why.clone(), String::new()),
        Some(ConnectionError::Refused(why)) => {
            let hint = "put the line that `amarre pool key` prints into its authorized_keys, or correct the password";
            (Code::A0762, why.clone(), hint.to_owned())
        }
        Some(ConnectionError::OtherKey) => {
            let message = "its host key is another one than the one that was trusted: nothing was sent";
            (Code::A0761, message.to_owned(), format!("if it was installed again: {trust}"))
        }
    }
}

#[async_trait]
impl Provider for SshProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn kinds(&self) -> &'static [KindSchema] {
        &KINDS
    }

    fn normalize(&self, _: &Address, _: &mut Fields) -> Result<(), Objection> {
        Ok(())
    }

    async fn observe(&self, query: &ObserveQuery) -> Observation {
        let (mut awaited, mut beside) = (JoinSet::new(), JoinSet::new());
        for (path, is_awaited) in self.shared.take(query) {
            let looks = if is_awaited { &mut awaited } else { &mut beside };
            let queued = self.shared.queue(&path, LOOK);
            looks.spawn(self.shared.clone().look(path, queued, query.now));
        }
        self.shared.seats.hand_out();
        let all = async { while awaited.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(PATIENCE, all).await;
        if !awaited.is_empty() || !beside.is_empty() {
            tokio::spawn(self.shared.clone().wake_after(awaited, beside));
        }
        self.shared.report(query)
    }

    async fn apply(&self, change: &Change, supplies: Supplies<'_>) -> Result<Outcome, ProviderError> {
        let address = &change.address;
        let Some((pool, machine)) = machine_of(address).filter(|_| address.kind == Kind::Account) else {
            return Err(ProviderError::new(Class::Rejected, Code::A0763, format!("{address} is no account")));
        };
        let user = address.name.rsplit('/').next().unwrap_or_default();
        let path = format!("{pool}/{machine}");
        let host_key = self.shared.machines().get(&path).and_then(|memory| memory.access.host_key.clone());
        let proof = |mark: (i64, &str, i64)| self.shared.proof(host_key.as_deref().unwrap_or_default(), user, mark);
        let (mut lines, vendor_id) = lines(change, pool, user, supplies, proof)?;
        if change.verb == Verb::Delete {
            let machines = self.shared.machines();
            let between = machines.get(&path).and_then(|memory| memory.access.between.as_deref());
            lines.insert_str(0, &between.map(script::between_line).unwrap_or_default());
        }
        let now = self.shared.machines().get(&path).and_then(|memory| memory.tried).unwrap_or_default();
        let class = if change.verb == Verb::Delete { END } else { BEGIN };
        let queued = self.shared.queue(&path, class);
        self.shared.seats.hand_out();
        let look = self.shared.ask(&path, queued, &lines, now).await.map_err(|error| failed(&path, &error))?;
        match look.failed.first() {
            None => Ok(Outcome { vendor_id, ..Outcome::default() }),
            Some((what, why)) => {
                let message = format!("{path} could not {what}: {why}");
                Err(ProviderError::new(Class::RetryLater, Code::A0764, message).hint(format!(
                    "nothing is given out there until that works; see what is left with `ssh {machine}`"
                )))
            }
        }
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities { events: Some(self), machines: Some(self), ..Capabilities::NONE }
    }
}

/// What the script is asked for a change, and the vendor's id of what is there then.
fn lines(
    change: &Change,
    pool: &str,
    user: &str,
    supplies: Supplies<'_>,
    proof: impl Fn((i64, &str, i64)) -> String,
) -> Result<(String, String), ProviderError> {
    let wrong = || ProviderError::new(Class::Conflict, Code::A0763, format!("{} was planned wrongly", change.address));
    let fields = match &change.verb {
        Verb::Create(fields) => fields,
        Verb::Update(fields) => fields,
        Verb::Delete => {
            let Expect::Unchanged { vendor_id, .. } = &change.expects else { return Err(wrong()) };
            let (uid, reservation) = vendor_id.split_once(' ').ok_or_else(wrong)?;
            return Ok((format!("end {user} {uid} {reservation}\n"), String::new()));
        }
    };
    // An update names what is there by its id; what it does not change stands beside it in the fields.
    let known = match &change.expects {
        Expect::Unchanged { vendor_id, .. } => vendor_id.split_once(' '),
        Expect::Absent => None,
    };
    let number = |name: &str| fields.get(name).and_then(Value::as_int);
    let uid = number("uid").or_else(|| known?.0.parse().ok()).ok_or_else(wrong)?;
    let reservation = fields.text("reservation").or(known.map(|(_, reservation)| reservation)).ok_or_else(wrong)?;
    let until = Timestamp(number("until_ms").ok_or_else(wrong)?);
    let sign_in = match fields.get("sign_in") {
        Some(Value::Secret { name, mark }) => supplies.secrets.get(name.as_ref()).map(|text| (text.expose(), &mark.0)),
        Some(_) | None => None,
    };
    let shell = fields.text("shell").unwrap_or("/bin/sh");
    let sign_in = sign_in.map(|(text, mark)| (text, mark.as_str()));
    let sudo = fields.flag("sudo").unwrap_or_default();
    let proof = proof((uid, reservation, until.0));
    let lines = AccountLines { user, uid, until, reservation, pool, proof: &proof, shell, sudo, sign_in };
    Ok((lines.text(), format!("{uid} {reservation}")))
}

fn failed(path: &str, error: &ConnectionError) -> ProviderError {
    let (class, code, message) = match error {
        // The script may have run without an answer.
        ConnectionError::Away(why) => (Class::OutcomeUnknown, Code::A0763, why.clone()),
        ConnectionError::Here(why) => (Class::RetryLater, Code::A0763, why.clone()),
        ConnectionError::Refused(why) => (Class::RetryLater, Code::A0762, why.clone()),
        ConnectionError::OtherKey => (Class::RetryLater, Code::A0761, "its host key is another one".to_owned()),
    };
    ProviderError::new(class, code, format!("{path}: {message}"))
}

#[async_trait]
impl WatchEvents for SshProvider {
    async fn watch(&self, wake: Arc<Notify>) {
        *self.shared.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl ReachMachines for SshProvider {
    async fn public_key(&self, makes: bool) -> Result<Option<String>, String> {
        self.shared.remote.public_key(makes).await
    }

    async fn host_key(&self, pool: &str, machine: &str, makes: bool) -> Result<Option<HostKeyPair>, String> {
        self.shared.remote.host_key(&format!("{pool}.{machine}"), makes).await
    }

    async fn offered_keys(&self, machine: &Machine) -> Result<Vec<String>, String> {
        self.shared.remote.offered_keys(machine).await
    }

    fn look_again(&self, pool: &str, machine: &str) {
        if let Some(memory) = self.shared.machines().get_mut(&format!("{pool}/{machine}")) {
            (memory.tried, memory.silences) = (None, 0);
        }
    }
}
