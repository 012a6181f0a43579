//! Reservations of the machines of a pool: who has which of them until when, who waits, and who is next. Pure: the instant is an
//! argument, and what is decided is handed back, to be stored in one transaction.
//!
//! | a reservation | from | to |
//! |---|---|---|
//! | of now | when it is its turn, and enough machines are free | its length after that |
//! | booked ahead | the time that it names | its length after that time, however late it got its machines |
//!
//! Those that wait are served in the order in which they asked; one that came later is never served before one that waits. What
//! is booked ahead has its machines at its time: nothing that would still run then is given them before.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::text::Text;
use super::time::{Millis, Timestamp};
use crate::text;

/// How far ahead a reservation may be booked.
pub const AHEAD_MAX: Millis = Millis::minutes(366 * 24 * 60);

/// The highest number of a reservation: a ledger that has seen the highest number of its own gives out no more.
pub const NUMBER_MAX: u64 = 1 << 53;

/// What one pool allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolRules {
    /// The longest that a person has a machine, extensions included.
    pub longest: Millis,
    /// Machines that one person has or waits for at a time.
    pub per_person: usize,
    /// Reservations that wait at a time.
    pub queue: usize,
}

/// A machine as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolMachine {
    /// Its name in the pool.
    pub name: String,
    /// It answers, is clean, and nothing keeps it from being given out.
    pub is_usable: bool,
    /// The names of accounts that it has.
    pub accounts: BTreeSet<String>,
    /// When it was given back last.
    pub rested_since: Timestamp,
}

/// One reservation, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reservation {
    /// Shown as `r41`.
    pub id: u64,
    /// The name of the account on its machines.
    pub user: String,
    /// Who asked for it.
    pub by: String,
    /// How many machines.
    pub count: usize,
    /// Fewer will do, if there is at least one.
    pub partly: bool,
    /// When it was asked for.
    pub asked: Timestamp,
    /// When it may begin; the same as `asked`, unless it was booked ahead.
    pub from: Timestamp,
    /// For how long.
    pub length: Millis,
    pub state: ReservationState,
}

/// Where a reservation stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// It has no machine yet.
    Open,
    /// It has machines.
    Held { machines: BTreeSet<String>, since: Timestamp, until: Timestamp },
    /// It is over.
    Over {
        at: Timestamp,
        why: ReservationEnd,
        /// The machines that it had.
        machines: BTreeSet<String>,
    },
}

/// Why a reservation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationEnd {
    /// A person gave it back, or left the queue.
    Released,
    /// Its time is over.
    Expired,
    /// Its time went by before enough machines were free.
    Missed,
    /// Too few machines have no account of this name.
    NameTaken,
}

impl ReservationEnd {
    /// As documents say it.
    pub const fn word(self) -> &'static str {
        match self {
            ReservationEnd::Released => "released",
            ReservationEnd::Expired => "expired",
            ReservationEnd::Missed => "missed",
            ReservationEnd::NameTaken => "name_taken",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationRequest<'a> {
    pub by: &'a str,
    /// How many machines.
    pub count: usize,
    /// From when, if not from now.
    pub from: Option<Timestamp>,
    /// For how long.
    pub length: Millis,
}

/// What becomes of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationStep {
    pub id: u64,
    /// Where it stands from now on.
    pub state: ReservationState,
}

impl Reservation {
    /// Whether it was booked ahead.
    pub fn is_booked(&self) -> bool {
        self.from > self.asked
    }

    /// Whether it has machines, or may still get some.
    pub fn is_live(&self) -> bool {
        !matches!(self.state, ReservationState::Over { .. })
    }

    /// Ends it.
    pub fn end(&mut self, why: ReservationEnd, now: Timestamp) {
        let machines = self.machines().cloned().collect();
        self.state = ReservationState::Over { at: now, why, machines };
    }

    /// One that the ledger does not know, by the account that is on a machine: it lasts no longer than a new one might.
    pub fn recovered(id: u64, user: &str, machine: &str, until: Timestamp, now: Timestamp, rules: &PoolRules) -> Self {
        let until = until.min(now + rules.longest);
        let state = ReservationState::Held { machines: BTreeSet::from([machine.to_owned()]), since: now, until };
        let (user, by, length) = (user.to_owned(), String::new(), until - now);
        Self { id, user, by, count: 1, partly: true, asked: now, from: now, length, state }
    }

    /// It turns out to have a machine, and to last until then at least, as long as it may by the rules: its time only grows.
    pub fn gain(&mut self, machine: &str, now: Timestamp, until: Timestamp, rules: &PoolRules) {
        let since = if let ReservationState::Held { since, .. } = &self.state { *since } else { now };
        let until = until.min(since + rules.longest);
        if let ReservationState::Held { machines, until: known, .. } = &mut self.state {
            machines.insert(machine.to_owned());
            *known = (*known).max(until);
        } else {
            let machines = BTreeSet::from([machine.to_owned()]);
            self.state = ReservationState::Held { machines, since: now, until };
        }
        self.count = self.count.max(self.machines().count());
    }

    /// It turns out not to have a machine; without any it is over.
    pub fn lose(&mut self, machine: &str, now: Timestamp) {
        if let ReservationState::Held { machines, .. } = &mut self.state {
            machines.remove(machine);
        }
        if self.machines().next().is_none() {
            self.end(ReservationEnd::Released, now);
        }
    }

    /// As people and machines have it: `r41`.
    pub fn label(&self) -> String {
        label(self.id)
    }

    /// Whether it waits for machines at this time.
    pub fn waits(&self, now: Timestamp) -> bool {
        self.state == ReservationState::Open && self.from <= now
    }

    /// Its machines; none while it waits and when it is over.
    pub fn machines(&self) -> impl Iterator<Item = &String> {
        let machines = match &self.state {
            ReservationState::Held { machines, .. } => Some(machines),
            ReservationState::Open | ReservationState::Over { .. } => None,
        };
        machines.into_iter().flatten()
    }

    /// When it is over by itself; `None`: it has no machine, and was not booked.
    pub fn until(&self) -> Option<Timestamp> {
        match &self.state {
            ReservationState::Held { until, .. } => Some(*until),
            ReservationState::Open => self.is_booked().then_some(self.from + self.length),
            ReservationState::Over { .. } => None,
        }
    }

    /// How many machines it has, or has been promised, within a span.
    fn claims(&self, from: Timestamp, until: Timestamp) -> usize {
        let overlaps = |begin: Timestamp, end: Timestamp| begin < until && from < end;
        match &self.state {
            ReservationState::Held { machines, since, until } if overlaps(*since, *until) => machines.len(),
            ReservationState::Open if self.is_booked() && overlaps(self.from, self.from + self.length) => self.count,
            ReservationState::Held { .. } | ReservationState::Open | ReservationState::Over { .. } => 0,
        }
    }
}

/// The most machines that are claimed at one time within a span.
fn peak<'r>(reservations: impl Iterator<Item = &'r Reservation> + Clone, from: Timestamp, until: Timestamp) -> usize {
    // It can only rise where one begins.
    let begins = reservations.clone().filter_map(|one| match &one.state {
        ReservationState::Held { since, .. } => Some(*since),
        ReservationState::Open if one.is_booked() => Some(one.from),
        ReservationState::Open | ReservationState::Over { .. } => None,
    });
    let instants: BTreeSet<Timestamp> = begins.map(|at| at.max(from)).filter(|at| *at < until).chain([from]).collect();
    let at =
        |instant: Timestamp| reservations.clone().map(|one| one.claims(instant, instant + Millis(1))).sum::<usize>();
    instants.into_iter().map(at).max().unwrap_or_default()
}

/// What a reservation is called by its number: `r41`.
pub fn label(id: u64) -> String {
    format!("r{id}")
}

/// The number in such a name.
pub fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_prefix('r')?.parse().ok().filter(|number| (1..=NUMBER_MAX).contains(number))?;
    (label(number) == name).then_some(number)
}

/// Why a reservation is not taken on; `None`: it is. `machines`: how many the pool has.
pub fn refusal(
    request: &ReservationRequest<'_>,
    rules: &PoolRules,
    machines: usize,
    reservations: &[Reservation],
    now: Timestamp,
) -> Option<Text> {
    let (count, has) = (number(request.count), number(machines));
    if request.count == 0 || request.count > machines {
        return Some(text!("machines asked for: {count}, in the pool: {has}", count, has));
    }
    if request.length.0 <= 0 || request.length > rules.longest {
        return Some(text!("a machine is lent for at most {span}", span = rules.longest));
    }
    let live = reservations.iter().filter(|one| one.is_live());
    let own: usize = live.clone().filter(|one| one.by == request.by).map(wanted).sum();
    if own + request.count > rules.per_person {
        let most = number(rules.per_person);
        return Some(text!(
            "machines of one person at a time: at most {most}, asked for or held already: {own}",
            most,
            own = number(own)
        ));
    }
    let Some(from) = request.from.filter(|from| *from > now) else {
        let waiting = live.clone().filter(|one| one.waits(now)).count();
        return (waiting >= rules.queue)
            .then(|| text!("reservations that wait already: {waiting}", waiting = number(waiting)));
    };
    if from - now > AHEAD_MAX {
        return Some(text!("a machine is booked at most {span} ahead", span = AHEAD_MAX));
    }
    let taken = peak(live, from, from + request.length);
    (taken + request.count > machines)
        .then(|| text!("machines taken in that time: {taken} of {has}", taken = number(taken), has))
}

/// How many machines a reservation has or asks for.
fn wanted(one: &Reservation) -> usize {
    match &one.state {
        ReservationState::Held { machines, .. } => machines.len(),
        ReservationState::Open => one.count,
        ReservationState::Over { .. } => 0,
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Ends what is over, and gives free machines to those whose turn it is.
pub fn step(machines: &[PoolMachine], reservations: &[Reservation], now: Timestamp) -> Vec<ReservationStep> {
    let mut after: Vec<Reservation> = reservations.to_vec();
    for one in &mut after {
        let why = match &one.state {
            ReservationState::Held { until, .. } if *until <= now => ReservationEnd::Expired,
            ReservationState::Open if one.until().is_some_and(|until| until <= now) => ReservationEnd::Missed,
            ReservationState::Held { .. } | ReservationState::Open | ReservationState::Over { .. } => continue,
        };
        one.end(why, now);
    }
    // What was booked comes before what waits; each in its order.
    let mut turns: Vec<usize> = (0..after.len()).filter(|index| after[*index].waits(now)).collect();
    turns.sort_by_key(|index| (!after[*index].is_booked(), after[*index].from, after[*index].id));
    let mut is_queue_held_up = false;
    for index in turns {
        let one = &after[index];
        if is_queue_held_up && !one.is_booked() {
            continue;
        }
        match turn(machines, &after, one, now) {
            Some(state) => after[index].state = state,
            None => is_queue_held_up |= !one.is_booked(),
        }
    }
    let changed = after.into_iter().zip(reservations).filter(|(after, before)| after.state != before.state);
    changed.map(|(after, _)| ReservationStep { id: after.id, state: after.state }).collect()
}

/// What becomes of one whose turn it is; `None`: it waits.
fn turn(
    machines: &[PoolMachine],
    reservations: &[Reservation],
    one: &Reservation,
    now: Timestamp,
) -> Option<ReservationState> {
    let held: BTreeSet<&String> = reservations.iter().flat_map(Reservation::machines).collect();
    let fits = |machine: &&PoolMachine| !machine.accounts.contains(&one.user) || held.contains(&machine.name);
    let least = if one.partly { 1 } else { one.count };
    let fitting = machines.iter().filter(fits).count();
    if fitting < least && machines.len() >= least {
        let (why, machines) = (ReservationEnd::NameTaken, BTreeSet::new());
        return Some(ReservationState::Over { at: now, why, machines });
    }
    let mut free: Vec<&PoolMachine> = machines
        .iter()
        .filter(|machine| machine.is_usable && !held.contains(&machine.name) && !machine.accounts.contains(&one.user))
        .collect();
    // The one that rested longest, so that all are used alike.
    free.sort_by_key(|machine| (machine.rested_since, &machine.name));
    let until = one.until().unwrap_or(now + one.length);
    let others = reservations.iter().filter(|other| other.id != one.id);
    // Machines that do not answer now are not counted on later.
    let alive = machines.iter().filter(|machine| machine.is_usable || held.contains(&machine.name)).count();
    let room = if one.is_booked() { free.len() } else { alive.saturating_sub(peak(others, now, until)) };
    let given = free.len().min(room).min(one.count);
    if given < least {
        return None;
    }
    let machines = free.into_iter().take(given).map(|machine| machine.name.clone()).collect();
    Some(ReservationState::Held { machines, since: now, until })
}

/// The end of a reservation that is extended by a span, or why it is not.
///
/// # Errors
/// It has no machine, others wait, it would be too long, or its machines are promised to others.
pub fn extended(
    one: &Reservation,
    by: Millis,
    rules: &PoolRules,
    machines: usize,
    reservations: &[Reservation],
    now: Timestamp,
) -> Result<Timestamp, Text> {
    let ReservationState::Held { since, until, machines: held } = &one.state else {
        return Err(text!("it has no machine"));
    };
    let to = *until + by;
    if by.0 <= 0 || to - *since > rules.longest {
        return Err(text!("a machine is lent for at most {span}", span = rules.longest));
    }
    let others = || reservations.iter().filter(|other| other.id != one.id);
    let waiting = others().filter(|other| other.waits(now)).count();
    if waiting > 0 {
        return Err(text!("reservations that wait already: {waiting}", waiting = number(waiting)));
    }
    if peak(others(), *until, to) + held.len() > machines {
        return Err(text!("its machines are booked after it"));
    }
    Ok(to)
}

/// A place in the queue, from 1, and when it is served at the latest, if every machine stays as it is. `None`: it does not
/// wait, or nothing that is known ends in time.
pub fn forecast(
    id: u64,
    machines: &[PoolMachine],
    reservations: &[Reservation],
    now: Timestamp,
) -> Option<(usize, Timestamp)> {
    let one = reservations.iter().find(|one| one.id == id).filter(|one| one.waits(now))?;
    let key = |one: &Reservation| (!one.is_booked(), one.from, one.id);
    let place = reservations.iter().filter(|other| other.waits(now) && key(other) < key(one)).count() + 1;
    // What is lent now is usable again by the time that it is given back.
    let back = |machine: &PoolMachine| {
        let holder = reservations.iter().find(|other| other.machines().any(|name| *name == machine.name));
        let mut machine = machine.clone();
        if let Some(holder) = holder {
            machine.is_usable = true;
            machine.accounts.remove(&holder.user);
        }
        machine
    };
    let machines: Vec<PoolMachine> = machines.iter().map(back).collect();
    let mut ahead: BTreeMap<u64, Reservation> = reservations.iter().map(|one| (one.id, one.clone())).collect();
    let mut at = now;
    loop {
        let all: Vec<Reservation> = ahead.values().cloned().collect();
        for step in step(&machines, &all, at) {
            if step.id == id {
                return matches!(step.state, ReservationState::Held { .. }).then_some((place, at));
            }
            ahead.get_mut(&step.id)?.state = step.state;
        }
        let ends = ahead.values().filter_map(Reservation::until);
        let begins = ahead.values().filter(|one| one.state == ReservationState::Open).map(|one| one.from);
        at = ends.chain(begins).filter(|next| *next > at).min()?;
    }
}
