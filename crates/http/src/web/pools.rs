//! Pools: machines that people reserve. What is one's own comes first; a password that was made is shown on the answer, once.

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::actions::{NO_WAIT_MS, act, finish};
use super::pool_week::{self, PoolWeek};
use super::{
    Flash, FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, marks, none_page, page,
    problem, redirect, signed_in, view_model,
};
use crate::accounts::Role;
use crate::engine::commands::Act;
use crate::engine::commands::act::{ActArgs, ArgShape, VerbRow};
use crate::engine::commands::pools::ssh_line;
use crate::engine::commands::verbs::{POOL_RESERVE, VERBS};
use crate::engine::report::exact_time;
use crate::engine::report::pools::{self, MachineRow, MachineState, PoolRow, ReservationRow};
use crate::words::{Words, say};
use amarre_core::model::reservations::{Reservation, ReservationState};
use amarre_core::model::{Millis, Timestamp};

/// How long a button waits for accounts: most are there after a second.
const ACCOUNTS_WAIT_MS: i64 = 8_000;
const WEEK: Millis = Millis::minutes(7 * 24 * 60);
/// The lengths that a form offers.
const LENGTHS: [Millis; 6] = [
    Millis::minutes(30),
    Millis::minutes(60),
    Millis::minutes(2 * 60),
    Millis::minutes(4 * 60),
    Millis::minutes(8 * 60),
    Millis::minutes(24 * 60),
];

#[derive(Template)]
#[template(path = "pools.html")]
struct PoolsPage {
    frame: PageFrame,
    rows: Vec<PoolLine>,
}

/// A pool in the list.
struct PoolLine {
    name: String,
    path: String,
    machines: usize,
    available: usize,
    reserved: usize,
    waiting: usize,
}

/// `GET /pools`
pub async fn list(State(web): State<Web>, headers: HeaderMap) -> PageOutcome {
    let visitor = signed_in(&web, &headers, "/pools").await?;
    let rows = pools::rows(&web.handle.last_pass().0).into_iter().map(|row| PoolLine {
        path: path(&row.name),
        machines: row.machines.len(),
        available: row.count(MachineState::Available),
        reserved: row.count(MachineState::Reserved),
        waiting: row.waiting(),
        name: row.name,
    });
    let rows = rows.collect();
    let title = visitor.words.get("pools-title");
    let frame = PageFrame::new(&web, &visitor, "pools", title, "/pools".to_owned()).await;
    Ok(page(&PoolsPage { frame, rows }))
}

/// The path of a pool's page.
pub fn path(name: &str) -> String {
    format!("/pools/{}", view_model::encoded(name))
}

#[derive(Template)]
#[template(path = "pool.html")]
struct PoolPage {
    frame: PageFrame,
    name: String,
    path: String,
    about: String,
    tiles: Vec<(String, usize)>,
    own: Vec<OwnLine>,
    machines: Vec<MachineTile>,
    others: Vec<OtherLine>,
    /// What is in the next seven days, as a picture.
    picture: Option<PoolWeek>,
    week: Vec<WeekLine>,
    form: ReserveForm,
    may_act: bool,
    /// Machines may be put into the pool and taken out.
    may_register: bool,
    /// A password that was made, and for which account.
    made: Option<(String, String)>,
}

/// A reservation of the visitor's.
struct OwnLine {
    label: String,
    user: String,
    machines: String,
    lines: Vec<String>,
    state: String,
    left: String,
    /// When it ends, for a page that stays open.
    until: Option<i64>,
    /// It has machines, so it can last longer.
    may_last: bool,
}

struct MachineTile {
    name: String,
    place: String,
    /// The class of its tile; empty: it is available.
    class: &'static str,
    /// The name of its mark; empty: none.
    mark: &'static str,
    state: String,
    detail: String,
    is_disabled: bool,
}

impl MachineTile {
    fn mark(&self) -> String {
        if self.mark.is_empty() { String::new() } else { marks::icon(self.mark) }
    }
}

/// A reservation of another person's.
struct OtherLine {
    label: String,
    user: String,
    by: String,
    state: String,
}

/// Machines that are taken for a time in the next seven days.
struct WeekLine {
    from: String,
    to: String,
    machines: usize,
    whose: String,
    is_own: bool,
}

/// What can be reserved.
struct ReserveForm {
    counts: Vec<usize>,
    lengths: Vec<(i64, String, bool)>,
    user: String,
}

/// `GET /pools/{name}`
pub async fn show(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let visitor = signed_in(&web, &headers, &path(&name)).await?;
    shown(&web, &visitor, &name, None).await
}

async fn shown(web: &Web, visitor: &RequestContext, name: &str, made: Option<(String, String)>) -> PageOutcome {
    let words = visitor.words;
    let Some(row) = pools::find(&web.handle.last_pass().0, name) else {
        let text = words.with("pool-none", "name", name);
        return Err(none_page(web, visitor, ("/pools", "nav-pools"), text).await);
    };
    let me = visitor.session.as_ref().map(|session| session.user.email.clone()).unwrap_or_default();
    let now = web.handle.now();
    let is_own = |one: &ReservationRow| !me.is_empty() && one.reservation.by == me;
    let own = row.reservations.iter().filter(|one| is_own(one)).map(|one| own_line(&row, one, words, now)).collect();
    let others = row.reservations.iter().filter(|one| !is_own(one)).map(|one| other_line(one, words)).collect();
    let states = MachineState::ALL.into_iter().map(|state| (say(&state.text(), words.0), row.count(state)));
    let tiles = states.filter(|(_, count)| *count > 0).collect();
    let frame = PageFrame::new(web, visitor, "pools", row.name.clone(), path(name)).await;
    let form = reserve_form(&row, &me);
    let picture = pool_week::week(&row, &me, words, now);
    let week = week(&row, &me, words, now);
    Ok(page(&PoolPage {
        about: words.with_all(
            "pool-about",
            &[("count", &row.machines.len().to_string()), ("longest", &view_model::span(row.pool.rules.longest))],
        ),
        machines: row.machines.iter().map(|machine| tile(machine, &me, words)).collect(),
        path: path(name),
        name: row.name,
        frame,
        tiles,
        own,
        others,
        picture,
        week,
        form,
        may_act: visitor.may(Role::Operator),
        may_register: visitor.may(Role::Admin),
        made,
    }))
}

fn own_line(row: &PoolRow, one: &ReservationRow, words: Words, now: Timestamp) -> OwnLine {
    let reservation = &one.reservation;
    let machines: Vec<&String> = reservation.machines().collect();
    let lines = machines.iter().filter_map(|name| row.pool.machines.get(*name));
    let left = reservation.until().map(|until| view_model::span(until - now)).unwrap_or_default();
    OwnLine {
        label: reservation.label(),
        user: reservation.user.clone(),
        lines: lines.map(|machine| ssh_line(&reservation.user, machine)).collect(),
        state: state_text(one, words),
        left,
        until: reservation.until().map(|until| until.0),
        may_last: matches!(reservation.state, ReservationState::Held { .. }),
        machines: machines.into_iter().map(String::as_str).collect::<Vec<_>>().join(", "),
    }
}

/// Where a reservation stands, in a sentence.
fn state_text(one: &ReservationRow, words: Words) -> String {
    let reservation = &one.reservation;
    let at = |at: Timestamp| exact_time(at, words.0);
    match (&reservation.state, one.place) {
        (ReservationState::Held { machines, until, .. }, _) if one.ready < machines.len() => words.with_all(
            "pool-until-not-ready",
            &[("time", &at(*until)), ("ready", &one.ready.to_string()), ("count", &machines.len().to_string())],
        ),
        (ReservationState::Held { until, .. }, _) => words.with("pool-until", "time", &at(*until)),
        (ReservationState::Open, Some((place, latest))) => {
            words.with_all("pool-place", &[("place", &place.to_string()), ("time", &at(latest))])
        }
        (ReservationState::Open, None) if reservation.is_booked() => {
            words.with("pool-from", "time", &at(reservation.from))
        }
        (ReservationState::Open | ReservationState::Over { .. }, _) => words.get("pool-waits"),
    }
}

/// What takes machines in the next seven days, in the order in which it begins.
fn week(row: &PoolRow, me: &str, words: Words, now: Timestamp) -> Vec<WeekLine> {
    let taken = row.reservations.iter().map(|one| &one.reservation).filter_map(|one| {
        let (from, to, machines) = match &one.state {
            ReservationState::Held { since, until, machines } => (*since, *until, machines.len()),
            ReservationState::Open if one.is_booked() => (one.from, one.from + one.length, one.count),
            ReservationState::Open | ReservationState::Over { .. } => return None,
        };
        (from - now <= WEEK).then_some((from, to, machines, one))
    });
    let mut taken: Vec<_> = taken.collect();
    taken.sort_by_key(|(from, to, ..)| (*from, *to));
    let line = |(from, to, machines, one): (Timestamp, Timestamp, usize, &Reservation)| {
        let is_own = !me.is_empty() && one.by == me;
        let whose = if is_own { words.get("pool-mine-short") } else { one.user.clone() };
        let when = |at: Timestamp| view_model::when(at, now, "", words);
        WeekLine { from: when(from), to: when(to), machines, whose, is_own }
    };
    taken.into_iter().map(line).collect()
}

fn other_line(one: &ReservationRow, words: Words) -> OtherLine {
    let reservation = &one.reservation;
    let by = match reservation.by.as_str() {
        "" => words.get("pool-recovered"),
        by => by.to_owned(),
    };
    OtherLine { label: reservation.label(), user: reservation.user.clone(), by, state: state_text(one, words) }
}

fn tile(row: &MachineRow, me: &str, words: Words) -> MachineTile {
    let is_own = !me.is_empty() && row.holder.as_ref().is_some_and(|holder| holder.by == me);
    let (class, mark) = match row.state {
        MachineState::Available => ("", ""),
        MachineState::Reserved if is_own => ("mine", "user"),
        MachineState::Reserved => ("res", "lock"),
        MachineState::Draining | MachineState::Cleaning => ("cln", "redo"),
        MachineState::Disabled => ("ofl", "off"),
        MachineState::Offline => ("ofl", "dim"),
        MachineState::Broken => ("brk", "bad"),
    };
    let until = |at: Timestamp| exact_time(at, words.0);
    let detail = match &row.holder {
        Some(holder) => {
            let until = holder.until().map(until).unwrap_or_default();
            words.with_all("pool-holder", &[("user", &holder.user), ("time", &until)])
        }
        None => say(&row.why, words.0),
    };
    let port = row.machine.port;
    MachineTile {
        name: row.name.clone(),
        place: if port == 22 { row.machine.address.clone() } else { format!("{}:{port}", row.machine.address) },
        class,
        mark,
        state: say(&row.state.text(), words.0),
        detail,
        is_disabled: row.state == MachineState::Disabled,
    }
}

fn reserve_form(row: &PoolRow, me: &str) -> ReserveForm {
    let most = row.pool.rules.per_person.min(row.machines.len());
    let usual = row.pool.usual;
    let mut lengths: Vec<Millis> = LENGTHS.into_iter().filter(|span| *span <= row.pool.rules.longest).collect();
    lengths.push(usual);
    lengths.sort();
    lengths.dedup();
    let lengths = lengths.into_iter().map(|span| (span.0, view_model::span(span), span == usual));
    let user = me.split('@').next().unwrap_or_default().to_owned();
    ReserveForm { counts: (1..=most).collect(), lengths: lengths.collect(), user }
}

/// `POST /pools/{name}/reserve`
pub async fn reserve(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let back = path(&name);
    let doer = authorize_form(&web, &headers, &fields, Role::Member, &back).await?;
    let text = |field: &str| fields.get(field).map(|text| text.trim()).filter(|text| !text.is_empty());
    let number = |field: &str| text(field).and_then(|text| text.parse::<i64>().ok());
    let mut command = Act::new(&POOL_RESERVE).with("pool", name.as_str()).asked_by(&doer.author());
    command = command.with("count", number("count").and_then(|count| u64::try_from(count).ok()).unwrap_or(1));
    command = command.with("for_ms", number("for_ms")).with("timeout_ms", ACCOUNTS_WAIT_MS);
    for field in ["user", "key"] {
        command = command.with(field, text(field));
    }
    if let Some(from) = text("from") {
        let Some(from) = local_time(from) else {
            let wrong = doer.visitor.words.with("pool-from-wrong", "text", from);
            Flash { text: wrong, is_bad: true, ..Flash::default() }.store(&web, &doer.session).await;
            return Ok(redirect(&back));
        };
        command = command.with("from_ms", from.0);
    }
    if let Some(weeks) = number("weeks").and_then(|weeks| u64::try_from(weeks).ok()).filter(|weeks| *weeks > 1) {
        command = command.with("every", "week").with("times", weeks);
    }
    let Some(answer) = act(&web, command).await else {
        return Ok((StatusCode::SERVICE_UNAVAILABLE, "Amarre is stopping\n").into_response());
    };
    let refused = answer.refused();
    let result =
        refused.as_ref().map_or_else(|| "ok".to_owned(), |refused| format!("{} ({})", refused.message, refused.code));
    doer.audit(&web, from, POOL_RESERVE.word, &name, &result).await;
    if let Some(refused) = refused {
        Flash::refused(refused, doer.visitor.words).store(&web, &doer.session).await;
        return Ok(redirect(&back));
    }
    // Of several, the first one has it.
    let first = answer.document["reservations"].get(0).unwrap_or(&answer.document);
    let made = first["password"]
        .as_str()
        .map(|password| (first["user"].as_str().unwrap_or_default().to_owned(), password.to_owned()));
    match made {
        // It is shown this once, so the answer is the page.
        Some(made) => shown(&web, &doer.visitor, &name, Some(made)).await,
        None => Ok(redirect(&back)),
    }
}

/// `2026-11-30T18:00`, as browsers send it, in the time zone of this machine.
fn local_time(text: &str) -> Option<Timestamp> {
    let at: jiff::civil::DateTime = text.parse().ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::system()).ok()?;
    Some(Timestamp(at.timestamp().as_millisecond()))
}

/// `GET /pools/{name}/reserve`: who loads the answer again is led to the pool, where no password is shown.
pub async fn reserved(Path(name): Path<String>) -> Response {
    redirect(&path(&name))
}

/// The verb of pools that a path names.
fn row_of(word: &str) -> Option<&'static VerbRow> {
    VERBS.into_iter().find(|row| row.of_pool().is_some_and(|verb| verb.word == word) && row.word != POOL_RESERVE.word)
}

/// `POST /pools/{name}/{verb}`
pub async fn verb(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path((name, verb)): Path<(String, String)>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let back = path(&name);
    let Some(row) = row_of(&verb) else {
        authorize_form(&web, &headers, &fields, Role::Member, &back).await?;
        return Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await);
    };
    let mut command = Act::new(row).with("pool", name.as_str()).with("timeout_ms", NO_WAIT_MS);
    for arg in row.args {
        let Some(text) = fields.get(arg.name).filter(|text| !text.is_empty()) else { continue };
        command = match arg.shape {
            ArgShape::Texts => command.with(arg.name, vec![text.clone()]),
            ArgShape::Flag => command.with(arg.name, text == "yes"),
            ArgShape::Span => command.with(arg.name, text.parse::<i64>().ok()),
            ArgShape::TextOrNull => command.with(arg.name, text.as_str()),
            ArgShape::Count => command.with(arg.name, text.parse::<u64>().ok()),
            ArgShape::Text | ArgShape::Single => command,
            ArgShape::Timeout | ArgShape::Until | ArgShape::By => command,
        };
    }
    let role = (row.role)(&command.args, true).max((row.role)(&ActArgs::default(), true));
    let doer = authorize_form(&web, &headers, &fields, role, &back).await?;
    let command = command.asked_by(&doer.author());
    Ok(finish(&web, &doer, (from, row.word, &name), command, &back).await)
}
