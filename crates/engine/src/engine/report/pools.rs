//! Pools as the last pass found them: machines with their states, and reservations with their places in the queue.

use super::exact_time;
use crate::engine::report::pass_view::PassView;
use crate::words::say;
use amarre_core::model::pool::{Machine, Pool, PoolFacts, account_address, machine_address, machine_of};
use amarre_core::model::reservations::{Reservation, ReservationEnd, ReservationState, forecast};
use amarre_core::model::{Code, Gap, Kind, Language, Text, Timestamp};
use amarre_core::plan::desired::account;
use amarre_core::plan::render::{Style, Tone};
use amarre_core::text;

/// The state of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MachineState {
    /// It may be given out.
    Available,
    /// A reservation has it.
    Reserved,
    /// The time of its last reservation is over, and it does not answer: an account may be there.
    Draining,
    /// What its last reservation left goes.
    Cleaning,
    /// It does not let Amarre in, has another host key, or could not be cleaned.
    Broken,
    /// It does not answer.
    Offline,
    /// A person took it out of service.
    Disabled,
}

impl MachineState {
    /// Every one, in the order of use.
    pub const ALL: [Self; 7] =
        [Self::Available, Self::Reserved, Self::Draining, Self::Cleaning, Self::Broken, Self::Offline, Self::Disabled];

    pub const fn word(self) -> &'static str {
        match self {
            MachineState::Available => "available",
            MachineState::Reserved => "reserved",
            MachineState::Draining => "draining",
            MachineState::Cleaning => "cleaning",
            MachineState::Broken => "broken",
            MachineState::Offline => "offline",
            MachineState::Disabled => "disabled",
        }
    }

    /// For people.
    pub fn text(self) -> Text {
        match self {
            MachineState::Available => text!("available"),
            MachineState::Reserved => text!("reserved"),
            MachineState::Draining => text!("draining"),
            MachineState::Cleaning => text!("cleaning"),
            MachineState::Broken => text!("broken"),
            MachineState::Offline => text!("offline"),
            MachineState::Disabled => text!("disabled"),
        }
    }

    const fn tone(self) -> Tone {
        match self {
            MachineState::Available => Tone::Green,
            MachineState::Reserved => Tone::Cyan,
            MachineState::Draining | MachineState::Cleaning | MachineState::Offline => Tone::Yellow,
            MachineState::Broken => Tone::Red,
            MachineState::Disabled => Tone::Dim,
        }
    }
}

#[derive(Debug, Clone)]
pub struct MachineRow {
    /// Its name in the pool.
    pub name: String,
    /// How it is reached.
    pub machine: Machine,
    pub state: MachineState,
    /// Why, where that is not plain.
    pub why: Text,
    /// The reservation that has it.
    pub holder: Option<Reservation>,
    /// What it says that it runs.
    pub system: String,
    /// Whether it ends an account by itself, at the latest on the day after; `None`: that is not known.
    pub ends_by_itself: Option<bool>,
}

/// A reservation that is not over.
#[derive(Debug, Clone)]
pub struct ReservationRow {
    pub reservation: Reservation,
    /// Whether it waits for machines.
    pub waits: bool,
    /// Its place in the queue, and when it gets its machines at the latest.
    pub place: Option<(usize, Timestamp)>,
    /// Machines on which its account is ready.
    pub ready: usize,
}

#[derive(Debug, Clone)]
pub struct PoolRow {
    pub name: String,
    /// What its manifest says.
    pub pool: Pool,
    /// Its machines, by name.
    pub machines: Vec<MachineRow>,
    /// Reservations that are not over, by number.
    pub reservations: Vec<ReservationRow>,
}

impl PoolRow {
    /// How many machines are in a state.
    pub fn count(&self, state: MachineState) -> usize {
        self.machines.iter().filter(|machine| machine.state == state).count()
    }

    /// How many reservations wait for machines.
    pub fn waiting(&self) -> usize {
        self.reservations.iter().filter(|row| row.waits).count()
    }

    /// When the next machine becomes free at the latest, as far as is known.
    pub fn next_free(&self) -> Option<Timestamp> {
        self.reservations.iter().filter_map(|row| row.reservation.until()).min()
    }
}

/// Every pool, by name.
pub fn rows(pass: &PassView) -> Vec<PoolRow> {
    let pools = pass.services.iter().filter_map(|(name, service)| Some((name, service.pool.as_ref()?)));
    pools.map(|(name, pool)| row(pass, name, pool)).collect()
}

/// The pool of a name.
pub fn find(pass: &PassView, name: &str) -> Option<PoolRow> {
    Some(row(pass, name, pass.services.get(name)?.pool.as_ref()?))
}

fn row(pass: &PassView, name: &str, pool: &Pool) -> PoolRow {
    let nothing = PoolFacts::default();
    let facts = pass.facts.pools.get(name).unwrap_or(&nothing);
    let free = pass.with_input(|input| account::machines(input, name, pool)).unwrap_or_default();
    let reservation = |one: &Reservation| ReservationRow {
        waits: one.waits(pass.at),
        place: forecast(one.id, &free, &facts.reservations, pass.at),
        ready: one.machines().filter(|machine| is_ready(pass, name, machine, one)).count(),
        reservation: one.clone(),
    };
    let machines = pool.machines.iter().map(|(machine, access)| machine_row(pass, name, facts, machine, access));
    PoolRow {
        name: name.to_owned(),
        pool: pool.clone(),
        machines: machines.collect(),
        reservations: facts.reservations.iter().map(reservation).collect(),
    }
}

/// Whether the account of a reservation is as it should be on a machine.
fn is_ready(pass: &PassView, pool: &str, machine: &str, one: &Reservation) -> bool {
    let address = account_address(pool, machine, &one.user);
    let is_changing = pass.plan.changes.iter().any(|change| change.address == address);
    pass.world.seen.contains_key(&address) && !is_changing && pass.world.gap(&address).is_none()
}

fn machine_row(pass: &PassView, pool: &str, facts: &PoolFacts, name: &str, machine: &Machine) -> MachineRow {
    let address = machine_address(pool, name);
    let holder = facts.holder(name).cloned();
    let seen = pass.world.seen.get(&address);
    let gap = pass.world.gap(&address);
    let accounts = pass
        .with_input(|input| account::accounts(input, pool, name).into_values().cloned().collect::<Vec<_>>())
        .unwrap_or_default();
    let path = format!("{pool}/{name}: ");
    let said = |gap: &Gap| {
        let said = gap.message.to_string();
        said.strip_prefix(&path).map_or_else(|| gap.message.clone(), Text::from)
    };
    let failure = accounts
        .iter()
        .chain(holder.as_ref().map(|one| account_address(pool, name, &one.user)).as_ref())
        .find_map(|account| pass.failing.get(account));
    let disabled = facts.machines.get(name).and_then(|known| known.disabled.as_ref());
    let is_new = pass
        .services
        .get(pool)
        .and_then(|service| service.pool.as_ref())
        .is_none_or(|of| pass.with_input(|input| account::is_of_its_turn(input, pool, of, name)).unwrap_or(true));
    let nothing = Text::default();
    let unproven = seen.map(|seen| seen.fields.strings("unproven").join(", ")).unwrap_or_default();
    let copied = match seen.and_then(|seen| seen.fields.text("twin")) {
        Some(twin) => text!(
            "{machine} has the same host key: make new ones on one of the two, {command}",
            machine = twin,
            command = "`rm /etc/ssh/ssh_host_*; ssh-keygen -A`"
        ),
        None => Text::default(),
    };
    let (state, why) = match (&holder, disabled, gap, failure) {
        (_, _, Some(gap), _)
            if matches!(gap.code, Code::A0760 | Code::A0761 | Code::A0762 | Code::A0767 | Code::A0768) =>
        {
            (MachineState::Broken, said(gap))
        }
        (None, _, Some(gap), _) if has_rest(pass, pool, name) => (MachineState::Draining, said(gap)),
        (_, _, Some(gap), _) => (MachineState::Offline, said(gap)),
        (_, _, None, Some(failure)) => (MachineState::Broken, failure.error.message.clone()),
        (Some(_), ..) => (MachineState::Reserved, copied),
        (None, ..) if !accounts.is_empty() || !is_new => (MachineState::Cleaning, nothing),
        (None, Some(disabled), ..) => (MachineState::Disabled, text!("by {by}", by = disabled.by.as_str())),
        (None, None, None, None) => match seen {
            Some(_) if !unproven.is_empty() => (
                MachineState::Broken,
                text!("Amarre did not write the mark of {users}: it is left alone", users = unproven),
            ),
            Some(_) => (MachineState::Available, copied),
            None if machine.server.is_some() && machine.address.is_empty() => {
                (MachineState::Offline, text!("its server has no address yet"))
            }
            None => (MachineState::Offline, text!("it was not looked at yet")),
        },
    };
    let field = |name: &str| seen.and_then(|seen| seen.fields.text(name)).unwrap_or_default().to_owned();
    MachineRow {
        name: name.to_owned(),
        machine: machine.clone(),
        state,
        why,
        holder,
        system: field("system"),
        ends_by_itself: seen.and_then(|seen| seen.fields.flag("expires")),
    }
}

/// Whether an account was made there of which is not known that it is gone.
fn has_rest(pass: &PassView, pool: &str, machine: &str) -> bool {
    let mut applied = pass.facts.applied.keys().filter(|address| address.kind == Kind::Account);
    applied.any(|account| machine_of(account) == Some((pool, machine)))
}

/// How a reservation ended, for people.
pub fn end_text(end: ReservationEnd) -> Text {
    match end {
        ReservationEnd::Released => text!("released"),
        ReservationEnd::Expired => text!("its time is over"),
        ReservationEnd::Missed => text!("its time went by before enough machines were free"),
        ReservationEnd::NameTaken => text!("too few machines have no account of this name"),
    }
}

fn short(at: Timestamp, language: Language) -> String {
    exact_time(at, language)
}

/// All pools, a line each.
pub fn table(rows: &[PoolRow], style: Style) -> String {
    if rows.is_empty() {
        return "There is no pool: docs/pools.md says how to write one.\n".to_owned();
    }
    let names = rows.iter().map(|row| row.name.len()).max().unwrap_or_default().max(4) + 2;
    let mut out = format!("{:names$}{:10}{:11}{:10}WAITING\n", "NAME", "MACHINES", "AVAILABLE", "RESERVED");
    for row in rows {
        let waiting = row.waiting();
        let available = row.count(MachineState::Available);
        let tone = if available == 0 { Tone::Yellow } else { Tone::Green };
        out.push_str(&format!(
            "{:names$}{:<10}{}{:<10}{waiting}\n",
            row.name,
            row.machines.len(),
            style.paint(tone, &format!("{available:<11}")),
            row.count(MachineState::Reserved)
        ));
    }
    out
}

/// One pool with its machines and reservations.
pub fn pool_text(row: &PoolRow, style: Style) -> String {
    let names = row.machines.iter().map(|one| one.name.len()).max().unwrap_or_default().max(7) + 2;
    let place = |one: &MachineRow| match one.machine.port {
        22 => one.machine.address.clone(),
        port => format!("{}:{port}", one.machine.address),
    };
    let places = row.machines.iter().map(|one| place(one).len()).max().unwrap_or_default().max(7) + 2;
    let mut out = format!("{:names$}{:places$}{:11}\n", "MACHINE", "ADDRESS", "STATE").trim_end().to_owned() + "\n";
    for one in &row.machines {
        let state = style.paint(one.state.tone(), &format!("{:11}", one.state.word()));
        let detail = match &one.holder {
            Some(holder) => {
                let until = holder.until().map(|at| short(at, style.language)).unwrap_or_default();
                let why =
                    if one.why.is_empty() { String::new() } else { format!(": {}", say(&one.why, style.language)) };
                format!("{} for {} until {until}{why}", holder.label(), holder.user)
            }
            None => say(&one.why, style.language),
        };
        let line = format!("{:names$}{:places$}{state}{detail}", one.name, place(one));
        out.push_str(line.trim_end());
        out.push('\n');
        if one.ends_by_itself == Some(false) {
            let note = "  its accounts end when Amarre ends them: the machine cannot do that by itself";
            out.push_str(&format!("{}\n", style.paint(Tone::Dim, note)));
        }
    }
    let mut reservations = row.reservations.iter().peekable();
    if reservations.peek().is_some() {
        out.push('\n');
    }
    for ReservationRow { reservation, place, ready, .. } in reservations {
        let state = match (&reservation.state, place) {
            (ReservationState::Held { machines, until, .. }, _) => {
                let machines: Vec<&str> = machines.iter().map(String::as_str).collect();
                let waits = if *ready < machines.len() { format!(", {ready} ready") } else { String::new() };
                format!("{} until {}{waits}", machines.join(" "), short(*until, style.language))
            }
            (ReservationState::Open, Some((place, at))) => {
                format!(
                    "waits for {}, place {place}, at {} at the latest",
                    reservation.count,
                    short(*at, style.language)
                )
            }
            (ReservationState::Open, None) if reservation.is_booked() => {
                format!("{} from {}", reservation.count, short(reservation.from, style.language))
            }
            (ReservationState::Open | ReservationState::Over { .. }, _) => format!("waits for {}", reservation.count),
        };
        let by = if reservation.by.is_empty() { "recovered from its machine" } else { reservation.by.as_str() };
        out.push_str(&format!("{:6} {:12} {state}, {by}\n", reservation.label(), reservation.user));
    }
    out
}

/// Reservations of the past, a line each.
pub fn history_text(all: &[Reservation], style: Style) -> String {
    if all.is_empty() {
        return "Nobody has reserved anything yet.\n".to_owned();
    }
    let line = |one: &Reservation| {
        let machines: Vec<&String> = match &one.state {
            ReservationState::Held { machines, .. } | ReservationState::Over { machines, .. } => {
                machines.iter().collect()
            }
            ReservationState::Open => Vec::new(),
        };
        let machines = machines.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let state = match &one.state {
            ReservationState::Open => "waits".to_owned(),
            ReservationState::Held { until, .. } => format!("until {}", short(*until, style.language)),
            ReservationState::Over { at, why, .. } => {
                format!("{}, {}", short(*at, style.language), say(&end_text(*why), style.language))
            }
        };
        let asked = short(one.asked, style.language);
        format!("{:6} {asked}  {:12} {machines}  {state}  {}\n", one.label(), one.user, one.by)
    };
    all.iter().map(line).collect()
}
