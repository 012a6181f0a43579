//! A timetable as a week of whole hours that can be painted, and the expressions of a painted week.

use std::collections::BTreeMap;

use super::cron::{Cron, WEEKDAYS, has};

/// Monday to Sunday, 24 hours each: whether it is on in that hour.
pub type Week = [[bool; 24]; 7];

const HOURS: usize = 7 * 24;

/// `on` and `off` expressions of a week. `None`: it is always on or always off, so that nothing ever switches it.
pub fn from_week(week: &Week) -> Option<(Vec<String>, Vec<String>)> {
    let is_on = |hour: usize| week[hour / 24][hour % 24];
    let begins = |to: bool| {
        let mut hours = [0_u64; 7];
        for hour in (0..HOURS).filter(|hour| is_on(*hour) == to && is_on((hour + HOURS - 1) % HOURS) != to) {
            hours[hour / 24] |= 1 << (hour % 24);
        }
        hours
    };
    let (on, off) = (expressions(begins(true)), expressions(begins(false)));
    (!on.is_empty() && !off.is_empty()).then_some((on, off))
}

/// Which hours are on. `None`: a minute, a day of a month or a month decides, too.
pub(super) fn week(on: &[Cron], off: &[Cron]) -> Option<Week> {
    // What happens at the beginning of an hour, if anything.
    let mut switches = [None; HOURS];
    for (crons, to) in [(on, true), (off, false)] {
        for cron in crons {
            let weekdays = cron.weekdays_alone().filter(|_| cron.minutes == 1)?;
            for hour in
                (0..HOURS).filter(|hour| has(weekdays, sunday_first(hour / 24)) && cron.hours >> (hour % 24) & 1 == 1)
            {
                switches[hour] = Some(to);
            }
        }
    }
    // Monday begins as Sunday ends.
    let mut is_on = switches.iter().rev().find_map(|switch| *switch)?;
    let mut week = [[false; 24]; 7];
    for (hour, switch) in switches.into_iter().enumerate() {
        is_on = switch.unwrap_or(is_on);
        week[hour / 24][hour % 24] = is_on;
    }
    Some(week)
}

/// The weekday as cron counts it.
fn sunday_first(monday_first: usize) -> u8 {
    u8::try_from((monday_first + 1) % 7).unwrap_or(0)
}

/// Equal days share an expression, or equal hours do, whichever is shorter. `hours` is a set for each day from Monday on.
fn expressions(hours: [u64; 7]) -> Vec<String> {
    let mut by_hours: BTreeMap<u64, u64> = BTreeMap::new();
    for (day, hours) in hours.into_iter().enumerate().filter(|(_, hours)| *hours != 0) {
        *by_hours.entry(hours).or_default() |= 1 << day;
    }
    let mut by_days: BTreeMap<u64, u64> = BTreeMap::new();
    for hour in 0..24 {
        let days = (0..7).filter(|day| hours[*day] >> hour & 1 == 1).fold(0, |set, day| set | 1 << day);
        if days != 0 {
            *by_days.entry(days).or_default() |= 1 << hour;
        }
    }
    let mut pairs: Vec<(u64, u64)> = if by_hours.len() <= by_days.len() {
        by_hours.into_iter().map(|(hours, days)| (days, hours)).collect()
    } else {
        by_days.into_iter().collect()
    };
    // In the order of the week.
    pairs.sort_by_key(|(days, hours)| (days.trailing_zeros(), hours.trailing_zeros()));
    let day = |day: usize| WEEKDAYS[usize::from(sunday_first(day))].to_owned();
    let line = |(days, hours): (u64, u64)| {
        let days = if days == 0x7f { "*".to_owned() } else { ranges(days, 7, day) };
        format!("0 {} * * {days}", ranges(hours, 24, |hour| hour.to_string()))
    };
    pairs.into_iter().map(line).collect()
}

/// A set as cron writes it: three in a row and more are a range.
fn ranges(set: u64, count: usize, name: impl Fn(usize) -> String) -> String {
    let is_in = |number: usize| number < count && set >> number & 1 == 1;
    let mut parts = Vec::new();
    let mut first = 0;
    while first < count {
        let end = (first..=count).find(|number| !is_in(*number)).unwrap_or(count);
        match end - first {
            0 => {}
            1 | 2 => parts.extend((first..end).map(&name)),
            _ => parts.push(format!("{}-{}", name(first), name(end - 1))),
        }
        first = end + 1;
    }
    parts.join(",")
}
