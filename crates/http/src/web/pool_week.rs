//! The week of a pool as a picture: a row a machine, a row a booking that has no machines yet; the table below it says the same.

use std::collections::BTreeMap;

use super::view_model::short_date;
use crate::engine::report::pools::{MachineState, PoolRow};
use crate::words::{Words, say};
use amarre_core::model::reservations::{Reservation, ReservationState};
use amarre_core::model::{Millis, Timestamp};

/// More rows are no picture: of larger pools the machines are drawn that have something in the week.
const ROWS_MAX: usize = 40;
const DAYS: i64 = 7;
const WIDTH: i64 = 1240;
/// Room for names.
const LEFT: i64 = 120;
const TOP: i64 = 20;
const ROW: i64 = 22;
/// What a letter takes, rounded up: a text that does not fit is left out, for the table has it.
const LETTER: i64 = 8;

pub struct PoolWeek {
    /// Its height; the width is [`WIDTH`].
    pub height: i64,
    /// Where each day begins, and what it is called.
    pub days: Vec<(i64, String)>,
    pub rows: Vec<PoolWeekRow>,
    /// Where now is.
    pub now: i64,
}

/// A machine, or a booking.
pub struct PoolWeekRow {
    /// What stands before it.
    pub name: String,
    /// Its upper edge.
    pub y: i64,
    /// What is in it.
    pub blocks: Vec<PoolWeekBlock>,
}

pub struct PoolWeekBlock {
    /// Of the style sheet: `mine`, `oth` (another person's), `q` (booked), `bk` (broken).
    pub class: &'static str,
    pub x: i64,
    /// How wide it is.
    pub width: i64,
    /// Whose, where it fits.
    pub text: String,
}

impl PoolWeekRow {
    /// The base line of its texts.
    pub fn base(&self) -> i64 {
        self.y + 15
    }
}

/// The days that are shown, as a line of pixels.
struct WeekAxis {
    from: Timestamp,
    days: Vec<Timestamp>,
}

impl WeekAxis {
    /// From the last midnight on this machine.
    fn from_midnight(now: Timestamp) -> Self {
        let zone = jiff::tz::TimeZone::system();
        let today = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default().to_zoned(zone.clone()).date();
        let midnight = |days: i64| {
            let date = today.checked_add(jiff::Span::new().days(days)).unwrap_or(today);
            let at = date.to_zoned(zone.clone()).map(|at| at.timestamp().as_millisecond());
            Timestamp(at.unwrap_or(now.0))
        };
        Self { from: midnight(0), days: (0..=DAYS).map(midnight).collect() }
    }

    fn end(&self) -> Timestamp {
        self.days.last().copied().unwrap_or(self.from)
    }

    fn x(&self, at: Timestamp) -> i64 {
        let (span, at) = ((self.end() - self.from).0.max(1), (at - self.from).0);
        LEFT + at.clamp(0, span) * (WIDTH - LEFT) / span
    }

    fn block(&self, class: &'static str, from: Timestamp, to: Timestamp, text: &str) -> Option<PoolWeekBlock> {
        if to <= self.from || from >= self.end() {
            return None;
        }
        let (x, end) = (self.x(from), self.x(to));
        let width = (end - x).max(3);
        let fits = i64::try_from(text.chars().count()).is_ok_and(|letters| letters * LETTER + 8 <= width);
        Some(PoolWeekBlock { class, x, width, text: if fits { text.to_owned() } else { String::new() } })
    }
}

/// The picture for who has this address; `None`: nothing is in the week.
pub fn week(row: &PoolRow, me: &str, words: Words, now: Timestamp) -> Option<PoolWeek> {
    let axis = WeekAxis::from_midnight(now);
    let whose = |one: &Reservation| {
        let is_own = !me.is_empty() && one.by == me;
        (if is_own { "mine" } else { "oth" }, if is_own { words.get("pool-mine-short") } else { one.user.clone() })
    };
    let mut machines: BTreeMap<&str, Vec<PoolWeekBlock>> = BTreeMap::new();
    let mut bookings = Vec::new();
    for one in row.reservations.iter().map(|one| &one.reservation) {
        let (class, name) = whose(one);
        match &one.state {
            ReservationState::Held { machines: held, since, until } => {
                for machine in held {
                    machines.entry(machine).or_default().extend(axis.block(class, *since, *until, &name));
                }
            }
            ReservationState::Open if one.is_booked() => {
                let text = format!("{name} × {}", one.count);
                bookings.extend(axis.block("q", one.from, one.from + one.length, &text).map(|block| (one, block)));
            }
            ReservationState::Open | ReservationState::Over { .. } => (),
        }
    }
    if machines.values().all(Vec::is_empty) && bookings.is_empty() {
        return None;
    }
    let is_shown = |name: &str| row.machines.len() <= ROWS_MAX || machines.contains_key(name);
    let shown: Vec<_> = row.machines.iter().filter(|one| is_shown(&one.name)).take(ROWS_MAX).collect();
    let mut rows = Vec::new();
    let mut y = TOP;
    let mut add = |name: String, blocks: Vec<PoolWeekBlock>| {
        rows.push(PoolWeekRow { name, y, blocks });
        y += ROW;
    };
    for machine in shown {
        let mut blocks = machines.remove(machine.name.as_str()).unwrap_or_default();
        if machine.state == MachineState::Broken && blocks.is_empty() {
            blocks.extend(axis.block("bk", now, axis.end(), &say(&machine.state.text(), words.0)));
        }
        add(machine.name.clone(), blocks);
    }
    bookings.sort_by_key(|(one, _)| one.from);
    for (one, block) in bookings.into_iter().take(ROWS_MAX) {
        add(one.label(), vec![block]);
    }
    let date = |at: Timestamp| {
        let noon = jiff::Timestamp::from_millisecond((at + Millis::minutes(12 * 60)).0).unwrap_or_default();
        short_date(noon.to_zoned(jiff::tz::TimeZone::system()).date(), words.0)
    };
    let days = axis.days.iter().take(7).map(|day| (axis.x(*day), date(*day))).collect();
    Some(PoolWeek { height: y + 4, days, rows, now: axis.x(now) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_795_176_000_000);

    #[test]
    fn a_time_is_drawn_as_far_as_it_is_in_the_week() {
        let axis = WeekAxis::from_midnight(NOON);
        let block = |from: i64, to: i64, text: &str| {
            let at = |hours: i64| NOON + Millis::minutes(hours * 60);
            axis.block("oth", at(from), at(to), text).map(|block| (block.x, block.width, block.text))
        };
        assert_eq!(block(-48, -30, "anna"), None, "it is over");
        assert_eq!(block(24 * 9, 24 * 10, "anna"), None, "it comes later");
        let (x, width, text) = block(-48, 24, "anna").unwrap();
        assert_eq!((x, text.as_str()), (LEFT, "anna"), "it began before");
        assert!((160..=400).contains(&width), "{width}");
        let (_, width, text) = block(1, 2, "a long name").unwrap();
        assert_eq!((width, text.as_str()), (7, ""), "a name that does not fit is in the table");
        let (x, width, _) = block(24 * 5, 24 * 30, "anna").unwrap();
        assert_eq!(x + width, WIDTH);
        assert_eq!(block(1, 1, "").unwrap().1, 3, "as short as it is, it is seen");
    }
}
