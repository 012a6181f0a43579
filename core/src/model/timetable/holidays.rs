//! Days on which nothing is switched on: dates from a file, or the public holidays of a country, computed.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::Date;

use super::cron::DayOfYear;
use super::quoted;
use crate::model::Text;
use crate::text;

/// Twenty years of fifty days.
const DATES_MAX: usize = 1000;

/// Public holidays of France that have the same date each year; those of Alsace alone are left out.
const FRENCH: [(u8, u8); 8] = [(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)];
/// Days after Easter: Easter Monday, Ascension, Whit Monday.
const FRENCH_AFTER_EASTER: [i32; 3] = [1, 39, 50];

/// The dates on which no `on` counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Holidays {
    /// Every day counts.
    #[default]
    None,
    /// These.
    Dates(BTreeSet<Date>),
    /// The public holidays of France, in every year.
    France,
}

/// What is wrong with a list of dates, and on which line, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HolidayFault {
    pub line: usize,
    pub message: Text,
    pub hint: Text,
}

impl Holidays {
    /// One `YYYY-MM-DD` a line; a `#` begins a comment.
    pub(super) fn parse(text: &str) -> Result<Self, HolidayFault> {
        let mut dates = BTreeSet::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (at, line) in text.lines().enumerate() {
            let written = line.split('#').next().unwrap_or_default().trim();
            if written.is_empty() {
                continue;
            }
            let fault = |message: Text, hint: Text| HolidayFault { line: at + 1, message, hint };
            let date = date(written).ok_or_else(|| {
                let shown: String = written.chars().take(40).collect();
                let message = text!("{date} is no date", date = quoted(&shown));
                fault(message, text!("write one date a line as YYYY-MM-DD: `2026-12-25`"))
            })?;
            dates.insert(date);
            if dates.len() > DATES_MAX {
                let message = text!("there are more than {most} dates", most = DATES_MAX);
                return Err(fault(message, text!("delete the years that are over")));
            }
        }
        Ok(Holidays::Dates(dates))
    }

    /// Whether a date is one.
    pub fn contains(&self, date: Date) -> bool {
        match self {
            Holidays::None => false,
            Holidays::Dates(dates) => dates.contains(&date),
            Holidays::France => {
                is_french(DayOfYear::from_date(date))
                    || FRENCH_AFTER_EASTER.into_iter().any(|days| easter(date.year(), days) == Some(date))
            }
        }
    }

    /// Whether it is one in every year. A list ends, and Easter moves.
    pub(super) fn has_each_year(&self, day: DayOfYear) -> bool {
        match self {
            Holidays::None | Holidays::Dates(_) => false,
            Holidays::France => is_french(day),
        }
    }
}

fn is_french(day: DayOfYear) -> bool {
    FRENCH.contains(&(day.month, day.day))
}

/// Exactly ten characters: jiff also reads `20261225` and times.
fn date(written: &str) -> Option<Date> {
    let is_form = written.len() == 10
        && written.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    is_form.then(|| written.parse().ok())?
}

/// A day so long after Easter Sunday, by the anonymous Gregorian algorithm (Meeus, Jones, Butcher).
fn easter(year: i16, days: i32) -> Option<Date> {
    let year_number = i32::from(year);
    let (golden, century, rest) =
        (year_number.rem_euclid(19), year_number.div_euclid(100), year_number.rem_euclid(100));
    let leaps = century - century / 4 - (century - (century + 8) / 25 + 1) / 3;
    let moon = (19 * golden + leaps + 15).rem_euclid(30);
    let sunday = (32 + 2 * century.rem_euclid(4) + 2 * (rest / 4) - moon - rest % 4).rem_euclid(7);
    let late = (golden + 11 * moon + 22 * sunday) / 451;
    let count = moon + sunday - 7 * late + 114;
    let (month, day) = (i8::try_from(count / 31).ok()?, i8::try_from(count % 31 + 1).ok()?);
    Date::new(year, month, day).ok()?.checked_add(days.days()).ok()
}
