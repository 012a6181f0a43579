//! The instants of a timetable, day by day: what is not due is skipped by months and days, never by minutes.
//!
//! An instant never comes before that of an earlier local time, so days and the ticks in them are in order. A gap can put a
//! tick on a later date than its own; that is why each search begins a day early.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::super::power::Power;
use super::super::time::Timestamp;
use super::cron::DayOfYear;
use super::{Tick, Timetable};

/// The leap day falls on each weekday within forty years; a list of holidays ends.
const YEARS_MAX: i16 = 60;
const MINUTES: u16 = 24 * 60;
/// No zone skips more dates than these at once.
const SKIPPED_DAYS_MAX: usize = 2;

/// The ticks after an instant, in order.
#[derive(Debug)]
pub struct Ticks<'t> {
    table: &'t Timetable,
    after: Timestamp,
    date: Option<Date>,
    day: std::vec::IntoIter<Tick>,
}

/// The minutes of a date that are due: bit n of an hour is its minute n.
struct DueMinutes {
    on: [u64; 24],
    off: [u64; 24],
}

impl Timetable {
    /// The first tick after an instant. `None`: there is none within sixty years.
    pub fn next_tick(&self, after: Timestamp) -> Option<Tick> {
        self.ticks(after).next()
    }

    /// The last tick that is not later than `until`, and later than `after`.
    pub fn last_tick(&self, until: Timestamp, after: Timestamp) -> Option<Tick> {
        if until <= after {
            return None;
        }
        let earliest = self.local_date(after)?.yesterday().ok();
        let mut date = self.local_date(until)?;
        date = date.tomorrow().unwrap_or(date);
        loop {
            let due = self.due_day_back(date, earliest)?;
            let ticks = self.ticks_of_day(due).into_iter().rev();
            let mut ticks = ticks.skip_while(|tick| tick.at > until);
            if let Some(tick) = ticks.next() {
                return (tick.at > after).then_some(tick);
            }
            date = due.yesterday().ok()?;
        }
    }

    /// The ticks after an instant, in order.
    pub fn ticks(&self, after: Timestamp) -> Ticks<'_> {
        let date = self.local_date(after).map(|date| date.yesterday().unwrap_or(date));
        Ticks { table: self, after, date, day: Vec::new().into_iter() }
    }

    /// How many ticks are later than `after` and not later than `until`.
    pub fn count_between(&self, after: Timestamp, until: Timestamp) -> usize {
        self.ticks(after).take_while(|tick| tick.at <= until).count()
    }

    fn local_date(&self, at: Timestamp) -> Option<Date> {
        let at = jiff::Timestamp::from_millisecond(at.0).ok()?;
        Some(self.zone.to_datetime(at).date())
    }

    fn is_due(&self, date: Date) -> bool {
        let day = DayOfYear::from_date(date);
        self.off.iter().any(|cron| cron.has_day(day))
            || self.on.iter().any(|cron| cron.has_day(day)) && !self.holidays.contains(date)
    }

    fn has_month(&self, date: Date) -> bool {
        let month = DayOfYear::from_date(date).month;
        self.on.iter().chain(&self.off).any(|cron| cron.has_month(month))
    }

    /// The first date with a tick, from one on.
    fn due_day(&self, from: Date) -> Option<Date> {
        let last_year = from.year().saturating_add(YEARS_MAX);
        let mut date = from;
        while date.year() <= last_year {
            if !self.has_month(date) {
                date = date.last_of_month().tomorrow().ok()?;
            } else if self.is_due(date) {
                return Some(date);
            } else {
                date = date.tomorrow().ok()?;
            }
        }
        None
    }

    /// The last date with a tick, from one backwards.
    fn due_day_back(&self, from: Date, earliest: Option<Date>) -> Option<Date> {
        let last_year = from.year().saturating_sub(YEARS_MAX);
        let mut date = from;
        while date.year() >= last_year && earliest.is_none_or(|earliest| date >= earliest) {
            if !self.has_month(date) {
                date = date.first_of_month().yesterday().ok()?;
            } else if self.is_due(date) {
                return Some(date);
            } else {
                date = date.yesterday().ok()?;
            }
        }
        None
    }

    /// The ticks of a local date, in order, no two at one instant.
    fn ticks_of_day(&self, date: Date) -> Vec<Tick> {
        let due = self.due_minutes(date);
        if let Some(midnight) = self.regular_midnight(date) {
            return due.minutes().map(|(minute, is_on)| self.tick(midnight + i64::from(minute) * 60, is_on)).collect();
        }
        let mut ticks = self.irregular_ticks(date, &due);
        // Of what a gap puts at the beginning of a later date, the latest counts, as within a date.
        let mut later = date;
        for _ in 0..SKIPPED_DAYS_MAX {
            let Ok(next) = later.tomorrow() else { break };
            later = next;
            let first = self.irregular_ticks(later, &self.due_minutes(later)).first().map(|tick| tick.at);
            if first.is_some() && ticks.last().map(|tick| tick.at) == first {
                ticks.pop();
            }
        }
        ticks
    }

    fn irregular_ticks(&self, date: Date, due: &DueMinutes) -> Vec<Tick> {
        let mut ticks: Vec<Tick> = Vec::new();
        for (minute, is_on) in due.minutes() {
            let Some(at) = datetime(date, minute).and_then(|local| instant(&self.zone, local)) else { continue };
            let tick = self.tick(at, is_on);
            if ticks.last().is_some_and(|last| last.at == tick.at) {
                ticks.pop();
            }
            ticks.push(tick);
        }
        ticks
    }

    fn tick(&self, second: i64, is_on: bool) -> Tick {
        let to = if is_on { Power::On } else { self.off_as.power() };
        Tick { at: Timestamp(second.saturating_mul(1000)), to }
    }

    fn due_minutes(&self, date: Date) -> DueMinutes {
        let day = DayOfYear::from_date(date);
        let minutes = |crons: &[super::Cron]| {
            let mut hours = [0; 24];
            for cron in crons.iter().filter(|cron| cron.has_day(day)) {
                for hour in (0..24).filter(|hour| cron.hours >> hour & 1 == 1) {
                    hours[hour] |= cron.minutes;
                }
            }
            hours
        };
        let on = if self.holidays.contains(date) { [0; 24] } else { minutes(&self.on) };
        DueMinutes { on, off: minutes(&self.off) }
    }

    /// The second at which a date begins, where its clock is never moved.
    fn regular_midnight(&self, date: Date) -> Option<i64> {
        let begin = date.to_datetime(jiff::civil::Time::midnight());
        let AmbiguousOffset::Unambiguous { offset } = self.zone.to_ambiguous_timestamp(begin).offset() else {
            return None;
        };
        let begin = offset.to_timestamp(begin).ok()?;
        let end = begin.as_second() + i64::from(MINUTES) * 60;
        let next = self.zone.following(begin).next();
        next.is_none_or(|next| next.timestamp().as_second() > end).then(|| begin.as_second())
    }
}

impl DueMinutes {
    /// Minutes since midnight, in order, and whether it is switched on then.
    fn minutes(&self) -> impl Iterator<Item = (u16, bool)> {
        (0..MINUTES).filter_map(|minute| {
            let (hour, bit) = (usize::from(minute / 60), 1_u64 << (minute % 60));
            (((self.on[hour] | self.off[hour]) & bit) != 0).then(|| (minute, self.on[hour] & bit != 0))
        })
    }
}

fn datetime(date: Date, minute: u16) -> Option<DateTime> {
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    Some(date.at(hour, minute, 0, 0))
}

/// When a local time is: the first of two, and the end of the gap that it is in.
fn instant(zone: &TimeZone, local: DateTime) -> Option<i64> {
    let at = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
        AmbiguousOffset::Gap { before, after } => {
            // The later offset puts it before the gap, the earlier one behind it.
            let (early, late) = (after.to_timestamp(local).ok()?, before.to_timestamp(local).ok()?);
            let mut moves = zone.following(early).take_while(|change| change.timestamp() <= late);
            moves.find(|change| change.offset() == after).map_or(late, |change| change.timestamp())
        }
    };
    Some(at.as_second())
}

impl Iterator for Ticks<'_> {
    type Item = Tick;

    fn next(&mut self) -> Option<Tick> {
        loop {
            if let Some(tick) = self.day.find(|tick| tick.at > self.after) {
                return Some(tick);
            }
            let date = self.table.due_day(self.date?);
            self.date = date.and_then(|date| date.tomorrow().ok());
            self.day = self.table.ticks_of_day(date?).into_iter();
        }
    }
}
