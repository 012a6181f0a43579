//! When a machine is switched on and off: two lists of cron expressions in a time zone. Pure: no clock, no file; the rules of
//! the zones are compiled in, so that a timetable means the same everywhere.
//!
//! | case | tick |
//! |---|---|
//! | a local time that the clock skips in spring | at the first instant after the gap |
//! | several skipped times with one end | one, that of the latest |
//! | a local time that the clock shows twice in autumn | the first time only |
//! | `on` on a holiday | none |
//! | `off` on a holiday | as on any day |
//! | `on` and `off` at one minute of one date | refused when it is parsed |
//! | an expression without a date | refused when it is parsed |

mod cron;
mod holidays;
mod ticks;
mod week;

use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::power::Power;
use super::suggestion::nearest;
use super::text::Text;
use super::time::Timestamp;

use crate::text;
use cron::{CronFault, DayOfYear, days_of_year};

pub use cron::Cron;
pub use holidays::Holidays;
pub use ticks::Ticks;
pub use week::{Week, from_week};

/// A week painted hour by hour needs at most seven; who writes them by hand needs a few more.
const EXPRESSIONS_MAX: usize = 24;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// When a machine is switched on and off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    zone: TimeZone,
    on: Vec<Cron>,
    off: Vec<Cron>,
    off_as: OffAs,
    holidays: Holidays,
}

impl Hash for Timetable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { zone: _, on, off, off_as, holidays } = self;
        // All zones are bundled, each with a name of its own.
        (self.timezone(), on, off, off_as, holidays).hash(state);
    }
}

/// What an `off` does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum OffAs {
    /// The machine is stopped; some vendors bill it all the same.
    #[default]
    Stop,
    /// Its disk is stored and the machine is given back.
    Shelve,
}

/// An instant at which a timetable switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    pub at: Timestamp,
    /// What to.
    pub to: Power,
}

/// A timetable as it was written.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimetableText<'t> {
    /// IANA name.
    pub timezone: &'t str,
    /// At least one expression.
    pub on: &'t [String],
    /// At least one expression.
    pub off: &'t [String],
    /// `stop` or `shelve`; `stop` where it is absent.
    pub off_as: Option<&'t str>,
    /// Where no day is left out, it is absent.
    pub holidays: Option<HolidaysText<'t>>,
}

/// Holidays as they were written.
#[derive(Debug, Clone, Copy)]
pub enum HolidaysText<'t> {
    /// A country. `FR` is known.
    Country(&'t str),
    /// The content of a file with a date a line.
    File(&'t str),
}

/// A key of a timetable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimetableKey {
    /// `timezone`
    Timezone,
    /// An expression of `on`, counted from 0.
    On(usize),
    /// An expression of `off`, counted from 0.
    Off(usize),
    /// `off_as`
    OffAs,
    /// `holidays`; where they are a file, its line, counted from 1.
    Holidays(Option<usize>),
}

/// Why a timetable is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TimetableError {
    pub key: TimetableKey,
    /// The other place, where two contradict each other.
    pub other: Option<TimetableKey>,
    /// Lowercase, no full stop.
    pub message: Text,
    /// What to write instead.
    pub hint: Text,
}

impl OffAs {
    pub const ALL: [OffAs; 2] = [OffAs::Stop, OffAs::Shelve];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            OffAs::Stop => "stop",
            OffAs::Shelve => "shelve",
        }
    }

    /// The power after an `off`.
    pub const fn power(self) -> Power {
        match self {
            OffAs::Stop => Power::Off,
            OffAs::Shelve => Power::Shelved,
        }
    }
}

impl TimetableKey {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            TimetableKey::Timezone => "timezone",
            TimetableKey::On(_) => "on",
            TimetableKey::Off(_) => "off",
            TimetableKey::OffAs => "off_as",
            TimetableKey::Holidays(_) => "holidays",
        }
    }
}

impl TimetableError {
    fn new(key: TimetableKey, message: Text, hint: Text) -> Self {
        Self { key, other: None, message, hint }
    }
}

impl Timetable {
    /// # Errors
    /// The first thing that is wrong, with the key that has it.
    pub fn parse(text: &TimetableText<'_>) -> Result<Self, TimetableError> {
        let table = Self {
            zone: zone(text.timezone)?,
            on: expressions(text.on, TimetableKey::On)?,
            off: expressions(text.off, TimetableKey::Off)?,
            off_as: off_as(text.off_as)?,
            holidays: holidays(text.holidays)?,
        };
        table.check_holidays()?;
        table.check_clashes()?;
        Ok(table)
    }

    /// Its time zone, as the tz database spells it.
    pub fn timezone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// When it is switched on.
    pub fn on(&self) -> &[Cron] {
        &self.on
    }

    /// When it is switched off.
    pub fn off(&self) -> &[Cron] {
        &self.off
    }

    /// What an `off` does.
    pub fn off_as(&self) -> OffAs {
        self.off_as
    }

    /// The days on which it is not switched on.
    pub fn holidays(&self) -> &Holidays {
        &self.holidays
    }

    /// What tells it from another timetable: for another one, [`wanted`](super::power::wanted) waits for a first tick. One
    /// more holiday or another way to switch off leaves it the same.
    pub fn identity(&self) -> String {
        let list = |crons: &[Cron]| crons.iter().map(Cron::as_str).collect::<Vec<_>>().join(" | ");
        format!("{}; on {}; off {}", self.timezone(), list(&self.on), list(&self.off))
    }

    /// Which hours of a week are on, without holidays. `None`: it cannot be painted, because a minute, a day of the month or
    /// a month decides, too.
    pub fn week(&self) -> Option<Week> {
        week::week(&self.on, &self.off)
    }

    fn check_holidays(&self) -> Result<(), TimetableError> {
        for (at, cron) in self.on.iter().enumerate() {
            if !days_of_year().any(|day| cron.has_day(day) && !self.holidays.has_each_year(day)) {
                let message =
                    text!("`on` {cron} never fires: each of its days is a holiday", cron = quoted(cron.as_str()));
                let hint = text!("choose other days, or delete `holidays`");
                return Err(TimetableError::new(TimetableKey::On(at), message, hint));
            }
        }
        Ok(())
    }

    fn check_clashes(&self) -> Result<(), TimetableError> {
        let is_left_out = |day| self.holidays.has_each_year(day);
        for (on_at, on) in self.on.iter().enumerate() {
            for (off_at, off) in self.off.iter().enumerate() {
                if let Some((day, hour, minute)) = on.clash(off, is_left_out) {
                    let message = text!(
                        "`on` {on} and `off` {off} fire at the same instant, {time} on {date}",
                        on = quoted(on.as_str()),
                        off = quoted(off.as_str()),
                        time = format!("{hour:02}:{minute:02}"),
                        date = in_words(day)
                    );
                    let hint = text!("move one of them by a minute, or leave that day out of one of them");
                    let error = TimetableError::new(TimetableKey::On(on_at), message, hint);
                    return Err(TimetableError { other: Some(TimetableKey::Off(off_at)), ..error });
                }
            }
        }
        Ok(())
    }
}

/// As in the file, in quotation marks.
fn quoted(written: &str) -> String {
    format!("{written:?}")
}

/// `Sunday 1 January`.
fn in_words(day: DayOfYear) -> Text {
    let weekday = match day.weekday % 7 {
        0 => text!("Sunday"),
        1 => text!("Monday"),
        2 => text!("Tuesday"),
        3 => text!("Wednesday"),
        4 => text!("Thursday"),
        5 => text!("Friday"),
        _ => text!("Saturday"),
    };
    let month = match day.month {
        1 => text!("January"),
        2 => text!("February"),
        3 => text!("March"),
        4 => text!("April"),
        5 => text!("May"),
        6 => text!("June"),
        7 => text!("July"),
        8 => text!("August"),
        9 => text!("September"),
        10 => text!("October"),
        11 => text!("November"),
        _ => text!("December"),
    };
    text!("{weekday} {day} {month}", weekday, day = day.day.to_string(), month)
}

fn zone(name: &str) -> Result<TimeZone, TimetableError> {
    // `get` compares without case. A name is what the database lists, never a rule such as `CET-1CEST`.
    ZONES.get(name).map_err(|_| {
        let names: Vec<String> = ZONES.available().map(|name| name.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // The search takes the product of both lengths.
        let shown: String = name.chars().take(64).collect();
        let hint = match nearest(&shown, &names) {
            Some(near) => text!("did you mean `{near}`?", near),
            None => text!("write a name of the tz database, such as `Europe/Paris` or `UTC`"),
        };
        let message = text!("time zone {name} is not known", name = quoted(&shown));
        TimetableError::new(TimetableKey::Timezone, message, hint)
    })
}

fn expressions(written: &[String], key: fn(usize) -> TimetableKey) -> Result<Vec<Cron>, TimetableError> {
    let name = key(0).as_str();
    if written.is_empty() {
        let hint = text!("write {example}", example = format!("`{name}: \"0 8 * * mon-fri\"`"));
        return Err(TimetableError::new(key(0), text!("`{name}` has no cron expression", name), hint));
    }
    if written.len() > EXPRESSIONS_MAX {
        let (count, most) = (written.len(), EXPRESSIONS_MAX);
        let message = text!("`{name}` has {count} expressions; {most} are allowed", name, count, most);
        return Err(TimetableError::new(
            key(EXPRESSIONS_MAX),
            message,
            text!("join expressions with lists and ranges"),
        ));
    }
    let parse = |(at, text): (usize, &String)| {
        Cron::parse(text).map_err(|CronFault { message, hint }| {
            TimetableError::new(key(at), text!("`{name}`: {message}", name, message), hint)
        })
    };
    written.iter().enumerate().map(parse).collect()
}

fn off_as(written: Option<&str>) -> Result<OffAs, TimetableError> {
    let Some(written) = written else { return Ok(OffAs::default()) };
    OffAs::ALL.into_iter().find(|known| known.as_str() == written).ok_or_else(|| {
        let hint = text!("write `off_as: stop` or `off_as: shelve`");
        TimetableError::new(TimetableKey::OffAs, text!("`off_as` {value} is not known", value = quoted(written)), hint)
    })
}

fn holidays(written: Option<HolidaysText<'_>>) -> Result<Holidays, TimetableError> {
    match written {
        None => Ok(Holidays::None),
        Some(HolidaysText::Country("FR")) => Ok(Holidays::France),
        Some(HolidaysText::Country(country)) => {
            let hint = text!("write `holidays: FR`, or the path of a file with one date a line");
            let message = text!("the holidays of {country} are not known", country = quoted(country));
            Err(TimetableError::new(TimetableKey::Holidays(None), message, hint))
        }
        Some(HolidaysText::File(text)) => Holidays::parse(text).map_err(|fault| {
            let (line, why) = (fault.line.to_string(), fault.message);
            let message = text!("`holidays`, line {line}: {why}", line, why);
            TimetableError::new(TimetableKey::Holidays(Some(fault.line)), message, fault.hint)
        }),
    }
}
