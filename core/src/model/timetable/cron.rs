//! One cron expression: five fields to sets of numbers, and whether a date is in them. It knows no year and no zone.
//!
//! | field | numbers | names |
//! |---|---|---|
//! | minute | 0-59 | |
//! | hour | 0-23 | |
//! | day of month | 1-31 | |
//! | month | 1-12 | `jan` to `dec` |
//! | day of week | 0-7, 0 and 7 are Sunday | `sun` to `sat` |
//!
//! A field is a list of `*`, a number or a range, the latter two with names, `*` and ranges with a step. Where a day field
//! begins with `*`, a date has to be in both day fields; otherwise it has to be in one of them, as in Vixie cron.

use std::fmt;

use jiff::civil::Date;

use super::quoted;
use crate::model::Text;
use crate::text;

/// A list of every minute of an hour has 169 characters.
const TEXT_BYTES_MAX: usize = 400;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/// As cron counts them.
pub(super) const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// February has its leap day: a date without a year may be one.
const DAYS_OF_MONTHS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Five fields as sets: bit n stands for the number n.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cron {
    text: String,
    pub(super) minutes: u64,
    pub(super) hours: u64,
    pub(super) days: u64,
    pub(super) months: u64,
    pub(super) weekdays: u64,
    /// Both day fields are restricted, so one of them is enough.
    pub(super) is_either_day: bool,
}

/// A date without its year. Each month and day is on each weekday in some year, the leap day too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DayOfYear {
    pub month: u8,
    pub day: u8,
    /// 0 is Sunday.
    pub weekday: u8,
}

/// What is wrong with an expression, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CronFault {
    pub message: Text,
    pub hint: Text,
}

struct CronField {
    first: u8,
    last: u8,
    names: &'static [&'static str],
}

const FIELDS: [CronField; 5] = [
    CronField { first: 0, last: 59, names: &[] },
    CronField { first: 0, last: 23, names: &[] },
    CronField { first: 1, last: 31, names: &[] },
    CronField { first: 1, last: 12, names: &MONTHS },
    CronField { first: 0, last: 7, names: &WEEKDAYS },
];

impl Cron {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn parse(text: &str) -> Result<Self, CronFault> {
        let fault = |message: Text, hint: Text| Err(CronFault { message, hint });
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return fault(
                text!(
                    "a cron expression of {size} bytes is too long; {most} are allowed",
                    size = text.len(),
                    most = TEXT_BYTES_MAX
                ),
                text!("write a list of shorter expressions"),
            );
        }
        if text.starts_with('@') {
            return fault(
                text!("{cron} is a nickname, which is not supported", cron = quoted(text)),
                text!("write five fields: `0 8 * * mon-fri` is 08:00 from Monday to Friday"),
            );
        }
        let written: Vec<&str> = text.split_ascii_whitespace().collect();
        if written.len() != FIELDS.len() {
            return fault(
                text!(
                    "{cron} has {count} fields; a cron expression has five",
                    cron = quoted(text),
                    count = written.len()
                ),
                text!("write minute, hour, day of month, month and day of week: `0 8 * * mon-fri`"),
            );
        }
        let mut sets = [0_u64; 5];
        for ((set, field), written) in sets.iter_mut().zip(&FIELDS).zip(&written) {
            *set = field.parse(written)?;
        }
        let [minutes, hours, days, months, weekdays] = sets;
        // Sunday is 0 from here on.
        let weekdays = (weekdays | weekdays >> 7) & 0x7f;
        let is_either_day = !written[2].starts_with('*') && !written[4].starts_with('*');
        let cron = Self { text: written.join(" "), minutes, hours, days, months, weekdays, is_either_day };
        if !days_of_year().any(|day| cron.has_day(day)) {
            return fault(
                text!("{cron} never fires: no month in it has such a day", cron = quoted(text)),
                text!("the day of month must be in one of the months: `0 8 28 2 *` is 28 February"),
            );
        }
        Ok(cron)
    }

    pub(super) fn has_day(&self, day: DayOfYear) -> bool {
        let (is_day, is_weekday) = (has(self.days, day.day), has(self.weekdays, day.weekday));
        let is_due = if self.is_either_day { is_day || is_weekday } else { is_day && is_weekday };
        is_due && has(self.months, day.month)
    }

    pub(super) fn has_month(&self, month: u8) -> bool {
        has(self.months, month)
    }

    /// The weekdays, where these alone decide about a date.
    pub(super) fn weekdays_alone(&self) -> Option<u64> {
        const ALL_DAYS: u64 = 0xffff_fffe;
        const ALL_WEEKDAYS: u64 = 0x7f;
        if self.months != 0x1ffe {
            return None;
        }
        match (self.is_either_day, self.days == ALL_DAYS, self.weekdays == ALL_WEEKDAYS) {
            (false, true, _) => Some(self.weekdays),
            (true, true, _) | (true, false, true) => Some(ALL_WEEKDAYS),
            (false, false, _) | (true, false, false) => None,
        }
    }

    /// A date on which both are due at the same minute, and that minute.
    pub(super) fn clash(&self, other: &Cron, is_left_out: impl Fn(DayOfYear) -> bool) -> Option<(DayOfYear, u32, u32)> {
        let (minutes, hours) = (self.minutes & other.minutes, self.hours & other.hours);
        if minutes == 0 || hours == 0 {
            return None;
        }
        let day = days_of_year().find(|day| self.has_day(*day) && other.has_day(*day) && !is_left_out(*day))?;
        Some((day, hours.trailing_zeros(), minutes.trailing_zeros()))
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl DayOfYear {
    pub fn from_date(date: Date) -> Self {
        let small = |number: i8| u8::try_from(number).unwrap_or(0);
        Self {
            month: small(date.month()),
            day: small(date.day()),
            weekday: small(date.weekday().to_sunday_zero_offset()),
        }
    }
}

/// Every month and day on every weekday.
pub(super) fn days_of_year() -> impl Iterator<Item = DayOfYear> {
    (1..=12).zip(DAYS_OF_MONTHS).flat_map(|(month, last)| {
        (1..=last).flat_map(move |day| (0..7).map(move |weekday| DayOfYear { month, day, weekday }))
    })
}

/// Whether a number is in a set.
pub(super) fn has(set: u64, number: u8) -> bool {
    set >> number & 1 == 1
}

impl CronField {
    fn parse(&self, written: &str) -> Result<u64, CronFault> {
        let mut set = 0;
        for item in written.split(',') {
            set |= self.item(item)?;
        }
        Ok(set)
    }

    fn item(&self, item: &str) -> Result<u64, CronFault> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((first, last)) => (self.number(first, item)?, self.end(last, item)?),
            None => {
                let number = self.number(range, item)?;
                if let Some(step) = step {
                    let (field, item) = (self.name(), quoted(item));
                    return Err(CronFault {
                        message: text!("{field} {item} has a step without a range", field, item),
                        hint: text!(
                            "write a range before the step: {range}",
                            range = format!("`{number}-{}/{step}`", self.last)
                        ),
                    });
                }
                (number, number)
            }
        };
        if first > last {
            let ranges = format!("`{first}-{},{}-{last}`", self.last, self.first);
            return Err(CronFault {
                message: text!("{field} {item} runs backwards", field = self.name(), item = quoted(item)),
                hint: text!("write two ranges: {ranges}", ranges),
            });
        }
        let step = match step {
            None => 1,
            Some(step) => step.parse::<u8>().ok().filter(|step| *step > 0 && digits(item)).ok_or_else(|| {
                let (field, item) = (self.name(), quoted(item));
                CronFault {
                    message: text!("{field} {item} has a step that is no number above 0", field, item),
                    hint: text!("write `*/15` for every 15th"),
                }
            })?,
        };
        Ok((first..=last).step_by(usize::from(step)).fold(0, |set, number| set | 1 << number))
    }

    /// `fri-sun` ends on day 7.
    fn end(&self, written: &str, item: &str) -> Result<u8, CronFault> {
        let is_sunday = self.last == 7 && written.eq_ignore_ascii_case(WEEKDAYS[0]);
        if is_sunday { Ok(7) } else { self.number(written, item) }
    }

    fn number(&self, written: &str, item: &str) -> Result<u8, CronFault> {
        if let Some(at) = self.names.iter().position(|name| written.eq_ignore_ascii_case(name)) {
            // At most twelve names.
            return Ok(u8::try_from(at).unwrap_or(0) + self.first);
        }
        if written.is_empty() || !written.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = text!("{field} {item} is not understood", field = self.name(), item = quoted(item));
            return Err(CronFault { message, hint: self.allowed() });
        }
        let number = written.parse::<u8>().ok().filter(|number| (self.first..=self.last).contains(number));
        number.ok_or_else(|| CronFault {
            message: text!("{field} {item} is out of range", field = self.name(), item = quoted(item)),
            hint: self.allowed(),
        })
    }

    fn allowed(&self) -> Text {
        let (field, first, last) = (self.name(), self.first.to_string(), self.last.to_string());
        match self.names {
            [least, .., most] => text!(
                "write {field} {first} to {last}, or names from {least} to {most}; also lists `a,b`, ranges `a-b`, steps `a-b/n` and `*`",
                field,
                first,
                last,
                least = *least,
                most = *most
            ),
            _ => text!(
                "write {field} {first} to {last}; also lists `a,b`, ranges `a-b`, steps `a-b/n` and `*`",
                field,
                first,
                last
            ),
        }
    }

    fn name(&self) -> Text {
        match (self.first, self.last) {
            (0, 59) => text!("minute"),
            (0, 23) => text!("hour"),
            (1, 31) => text!("day of month"),
            (1, 12) => text!("month"),
            _ => text!("day of week"),
        }
    }
}

/// Whether what follows the slash is digits: `+5` is a number to Rust.
fn digits(item: &str) -> bool {
    item.rsplit('/').next().is_some_and(|step| step.bytes().all(|byte| byte.is_ascii_digit()))
}
