//! Pools as documents: the structs are the JSON, and their schemas.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use super::pools::{MachineRow, MachineState, PoolRow, ReservationRow};
use super::{DateTime, as_json};
use amarre_core::model::reservations::{Reservation, ReservationState};

/// `amarre.pools/v1`
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MachinePools")]
pub struct PoolsDocument {
    schema: &'static str,
    pools: Vec<PoolSummary>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct PoolSummary {
    name: String,
    /// How many are in each state, and `total`.
    machines: BTreeMap<&'static str, usize>,
    /// Reservations that wait for machines.
    waiting: usize,
    /// When the next machine becomes free at the latest; null: that is not known.
    next_free: Option<DateTime>,
}

/// `amarre.pool/v1`
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MachinePool")]
pub struct PoolDocument {
    schema: &'static str,
    name: String,
    limits: PoolLimitsDocument,
    machines: Vec<MachineDocument>,
    reservations: Vec<ReservationDocument>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct PoolLimitsDocument {
    /// The longest reservation.
    duration_seconds: i64,
    /// The length of a reservation that names none.
    default_seconds: i64,
    per_user: usize,
    /// Reservations that may wait.
    queue: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct MachineDocument {
    name: String,
    address: String,
    port: u16,
    user: String,
    /// `available`, `reserved`, `draining`, `cleaning`, `broken`, `offline` or `disabled`.
    state: &'static str,
    /// Why it is in this state, where that is not plain.
    why: Option<String>,
    /// The reservation that has it.
    reservation: Option<String>,
    reserved_by: Option<String>,
    reserved_until: Option<DateTime>,
    /// The system that it says it runs.
    system: Option<String>,
    /// Whether the machine ends an account by itself on the day after its time; null: that is not known.
    ends_by_itself: Option<bool>,
}

/// `amarre.reservations/v1`
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Reservations")]
pub struct ReservationsDocument {
    schema: &'static str,
    /// The pool.
    name: String,
    reservations: Vec<ReservationDocument>,
}

/// One reservation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Reservation")]
pub struct ReservationDocument {
    /// As `r41`.
    reservation: String,
    /// The account on the machines.
    user: String,
    /// The account that asked; empty: it was recovered from its machine.
    by: String,
    count: usize,
    /// `waiting`, `active` or `over`.
    state: &'static str,
    machines: Vec<String>,
    asked: DateTime,
    from: DateTime,
    since: Option<DateTime>,
    until: Option<DateTime>,
    seconds: i64,
    /// `released`, `expired`, `missed` or `name_taken`; null: it is not over.
    end: Option<&'static str>,
    #[serde(flatten)]
    live: Option<LiveReservation>,
}

/// What only a reservation has that is not over.
#[derive(Debug, Serialize, JsonSchema)]
struct LiveReservation {
    /// Machines on which its account is ready.
    ready: usize,
    /// In the queue; null: it does not wait.
    place: Option<usize>,
    /// When it gets its machines at the latest.
    latest: Option<DateTime>,
}

impl PoolsDocument {
    pub fn new(rows: &[PoolRow]) -> Self {
        let pool = |row: &PoolRow| {
            let counts = MachineState::ALL.map(|state| (state.word(), row.count(state)));
            PoolSummary {
                name: row.name.clone(),
                machines: counts.into_iter().chain([("total", row.machines.len())]).collect(),
                waiting: row.waiting(),
                next_free: row.next_free().map(DateTime),
            }
        };
        Self { schema: "amarre.pools/v1", pools: rows.iter().map(pool).collect() }
    }
}

impl PoolDocument {
    pub fn new(row: &PoolRow) -> Self {
        let rules = &row.pool.rules;
        let limits = PoolLimitsDocument {
            duration_seconds: rules.longest.0 / 1000,
            default_seconds: row.pool.usual.0 / 1000,
            per_user: rules.per_person,
            queue: rules.queue,
        };
        Self {
            schema: "amarre.pool/v1",
            name: row.name.clone(),
            limits,
            machines: row.machines.iter().map(MachineDocument::new).collect(),
            reservations: row.reservations.iter().map(ReservationDocument::live).collect(),
        }
    }
}

impl MachineDocument {
    fn new(row: &MachineRow) -> Self {
        let holder = row.holder.as_ref();
        Self {
            name: row.name.clone(),
            address: row.machine.address.clone(),
            port: row.machine.port,
            user: row.machine.user.clone(),
            state: row.state.word(),
            why: Some(row.why.to_string()).filter(|why| !why.is_empty()),
            reservation: holder.map(Reservation::label),
            reserved_by: holder.map(|holder| holder.by.clone()),
            reserved_until: holder.and_then(Reservation::until).map(DateTime),
            system: Some(row.system.clone()).filter(|system| !system.is_empty()),
            ends_by_itself: row.ends_by_itself,
        }
    }
}

impl ReservationsDocument {
    pub fn new(pool: &str, all: &[Reservation]) -> Self {
        let reservations = all.iter().map(ReservationDocument::past).collect();
        Self { schema: "amarre.reservations/v1", name: pool.to_owned(), reservations }
    }
}

impl ReservationDocument {
    /// A reservation that is not over.
    pub fn live(row: &ReservationRow) -> Self {
        let place = row.place.map(|(place, _)| place);
        let live = LiveReservation { ready: row.ready, place, latest: row.place.map(|(_, at)| DateTime(at)) };
        Self { live: Some(live), ..Self::past(&row.reservation) }
    }

    /// Any reservation.
    pub fn past(one: &Reservation) -> Self {
        let (state, machines, since, until, end) = match &one.state {
            ReservationState::Open => ("waiting", None, None, one.until(), None),
            ReservationState::Held { machines, since, until } => {
                ("active", Some(machines), Some(*since), Some(*until), None)
            }
            ReservationState::Over { at, why, machines } => ("over", Some(machines), None, Some(*at), Some(why.word())),
        };
        Self {
            reservation: one.label(),
            user: one.user.clone(),
            by: one.by.clone(),
            count: one.count,
            state,
            machines: machines.into_iter().flatten().cloned().collect(),
            asked: DateTime(one.asked),
            from: DateTime(one.from),
            since: since.map(DateTime),
            until: until.map(DateTime),
            seconds: one.length.0 / 1000,
            end,
            live: None,
        }
    }

    pub fn json(&self) -> Json {
        as_json(self)
    }
}
