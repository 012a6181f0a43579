//! What timetables save: what a vendor takes for a server that runs, less what it takes while the server rests, for as long as
//! it rests. Pure: two looks in, amounts by day out; the instant and the time zone are arguments.
//!
//! | at two looks in a row, the server | for the time between, it saves |
//! |---|---|
//! | was off at both | the difference between its two prices |
//! | was shelved at both | its whole price: of its snapshot the size is not known |
//! | is paid by the month, or its price while off is not known | nothing |
//! | ran, was on its way, or was not seen at one of them | nothing, and it was not off |
//! | was looked at longer ago than [`LOOKS_APART_MAX`] | nothing, and it was not off: nobody saw what it did |

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::power::Power;
use super::time::{Millis, Timestamp};
use super::value::Fields;

/// A daemon that did not look for this long was away. It looks at clouds each minute.
pub const LOOKS_APART_MAX: Millis = Millis::minutes(60);
/// The hours of a month, as vendors count them.
pub const MONTH_HOURS: i64 = 730;
const DAY: Millis = Millis::minutes(24 * 60);
const HOUR: Millis = Millis::minutes(60);
/// When the message about a week is due, on the Monday after it.
const DUE_HOUR: i8 = 8;

/// The most that a vendor takes for an hour or a month of one server, in 10⁻⁸ of a currency: a hundred thousand. A thousand servers for
/// a month are still a number then.
const AMOUNT_MAX: i64 = 10_000_000_000_000;

/// What a vendor says that something costs; `None`: that is no price.
pub fn vendor_amount(amount: i64) -> Option<i64> {
    (0..=AMOUNT_MAX).contains(&amount).then_some(amount)
}

/// The letters of a currency as a vendor says them; `None`: they are none.
pub fn vendor_currency(text: &str) -> Option<String> {
    (text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())).then(|| text.to_owned())
}

/// What a vendor takes for a server, without tax, in 10⁻⁸ of a currency.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerPrices {
    /// While it runs: for an hour, or for a month.
    pub on: i64,
    /// While it is off, where that is known.
    pub off: Option<i64>,
    /// Whether it is paid by the month.
    pub is_monthly: bool,
    /// As `EUR`.
    pub currency: String,
}

/// `0.019` in 10⁻⁸; `None`: it is no such number.
pub fn parse_amount(text: &str) -> Option<i64> {
    const DIGITS: usize = 8;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) {
        return None;
    }
    let part: String = part.chars().chain(std::iter::repeat('0')).take(DIGITS).collect();
    whole.parse::<i64>().ok()?.checked_mul(100_000_000)?.checked_add(part.parse().ok()?)
}

impl ServerPrices {
    /// As observed; `None`: not known.
    pub fn of(fields: &Fields) -> Option<Self> {
        let amount = |name: &str| fields.get(name).and_then(|value| value.as_int()).and_then(vendor_amount);
        Some(Self {
            on: amount("price")?,
            off: amount("price_off"),
            is_monthly: fields.text("billing") == Some("month"),
            currency: vendor_currency(fields.text("currency")?)?,
        })
    }

    /// Whether it costs as much while it is off.
    pub fn bill_off(&self) -> bool {
        self.is_monthly || self.off.is_some_and(|off| off >= self.on)
    }

    /// What an hour at a power saves.
    pub fn saved_an_hour(&self, power: Power) -> i64 {
        let taken = match power {
            _ if self.is_monthly => self.on,
            Power::On => self.on,
            Power::Off => self.off.unwrap_or(self.on),
            Power::Shelved => 0,
        };
        (self.on - taken).max(0)
    }
}

/// A server as a look found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerLook {
    pub at: Timestamp,
    /// The power in which it rested.
    pub power: Power,
    /// What its vendor takes.
    pub prices: Option<ServerPrices>,
}

/// What a server saved on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedPart {
    /// The day in UTC.
    pub day: Day,
    /// In 10⁻⁸ of the currency.
    pub amount: i64,
    /// How long it was off or shelved.
    pub off: Millis,
}

/// A day in UTC, counted from 1 January 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    /// The day of an instant.
    pub const fn of(at: Timestamp) -> Self {
        Self(at.0.div_euclid(DAY.0))
    }

    /// The first of its month.
    pub fn month_start(self) -> Self {
        Self::from(self.date().first_of_month())
    }

    /// So many days before.
    #[must_use]
    pub const fn before(self, days: i64) -> Self {
        Self(self.0 - days)
    }

    pub const fn start(self) -> Timestamp {
        Timestamp(self.0 * DAY.0)
    }

    pub fn date(self) -> Date {
        let at = jiff::Timestamp::from_millisecond(self.start().0).unwrap_or_default();
        at.to_zoned(TimeZone::UTC).date()
    }
}

impl From<Date> for Day {
    fn from(date: Date) -> Self {
        let start = date.to_zoned(TimeZone::UTC).map(|at| at.timestamp().as_millisecond());
        Self::of(Timestamp(start.unwrap_or_default()))
    }
}

/// What was saved between two looks, by day.
pub fn saved_between(before: &PowerLook, now: &PowerLook) -> Vec<SavedPart> {
    let is_counted = before.power == now.power && now.power != Power::On && now.at > before.at;
    if !is_counted || now.at - before.at > LOOKS_APART_MAX {
        return Vec::new();
    }
    let an_hour = now.prices.as_ref().map_or(0, |prices| prices.saved_an_hour(now.power));
    let mut parts = Vec::new();
    let mut from = before.at;
    while from < now.at {
        let day = Day::of(from);
        let to = now.at.min(Day(day.0 + 1).start());
        let off = to - from;
        parts.push(SavedPart { day, amount: an_hour.saturating_mul(off.0) / HOUR.0, off });
        from = to;
    }
    parts
}

/// The Monday of the week whose message is due: Monday to Sunday, up to the last Monday at 8 in a time zone. East of UTC the
/// Sunday of UTC may end later, and the message waits for that.
pub fn week_due(now: Timestamp, zone: &TimeZone) -> Day {
    let local = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default().to_zoned(zone.clone()).date();
    let monday = local.nth_weekday(-1, Weekday::Monday).ok().filter(|_| local.weekday() != Weekday::Monday);
    let monday = monday.unwrap_or(local);
    let due = monday.at(DUE_HOUR, 0, 0, 0).to_zoned(zone.clone());
    let due = due.map(|at| Timestamp(at.timestamp().as_millisecond())).unwrap_or_default();
    let monday = Day::from(monday);
    let is_due = due.max(monday.start()) <= now;
    monday.before(if is_due { 7 } else { 14 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EUR: i64 = 100_000_000;

    fn prices(off: Option<i64>, is_monthly: bool) -> Option<ServerPrices> {
        Some(ServerPrices { on: 12 * EUR, off, is_monthly, currency: "EUR".to_owned() })
    }

    #[test]
    fn what_a_vendor_says_is_a_price_within_limits() {
        for (amount, is_price) in
            [(0, true), (EUR, true), (100_000 * EUR, true), (-1, false), (100_000 * EUR + 1, false)]
        {
            assert_eq!(vendor_amount(amount).is_some(), is_price, "{amount}");
        }
        assert!(vendor_amount(i64::MAX).is_none() && vendor_amount(i64::MIN).is_none());
        let month = AMOUNT_MAX.checked_mul(MONTH_HOURS).and_then(|month| month.checked_mul(1000));
        assert!(month.is_some(), "a thousand servers for a month");
        for (text, expected) in [("EUR", true), ("", false), ("eur", false), ("EURO", false), ("E\nR", false)] {
            assert_eq!(vendor_currency(text).is_some(), expected, "{text:?}");
        }
        let fields = |price: i64| {
            Fields::default()
                .with("price", crate::model::Value::Int(price))
                .with("currency", crate::model::Value::text("EUR"))
        };
        assert_eq!(ServerPrices::of(&fields(12 * EUR)).map(|prices| prices.on), Some(12 * EUR));
        assert_eq!(ServerPrices::of(&fields(i64::MAX)), None);
    }

    fn look(at: &str, power: Power, prices: Option<ServerPrices>) -> PowerLook {
        PowerLook { at: Timestamp::parse(at).unwrap(), power, prices }
    }

    #[test]
    fn the_time_between_two_looks_saves_what_is_not_taken() {
        let (noon, later) = ("2026-12-07T12:00:00Z", "2026-12-07T12:10:00Z");
        for (before, now, prices, saved) in [
            (Power::Off, Power::Off, prices(Some(3 * EUR), false), Some(3 * EUR / 2)),
            (Power::Shelved, Power::Shelved, prices(Some(3 * EUR), false), Some(2 * EUR)),
            (Power::Off, Power::Off, prices(Some(12 * EUR), false), Some(0)),
            (Power::Off, Power::Off, prices(Some(20 * EUR), false), Some(0)),
            (Power::Off, Power::Off, prices(None, false), Some(0)),
            (Power::Off, Power::Off, prices(Some(0), true), Some(0)),
            (Power::Off, Power::Off, None, Some(0)),
            (Power::On, Power::On, prices(Some(0), false), None),
            (Power::On, Power::Off, prices(Some(0), false), None),
            (Power::Off, Power::On, prices(Some(0), false), None),
            (Power::Off, Power::Shelved, prices(Some(0), false), None),
        ] {
            let parts = saved_between(&look(noon, before, prices.clone()), &look(later, now, prices.clone()));
            let expected = saved.map(|amount| (amount, Millis::minutes(10)));
            let got = parts.first().map(|part| (part.amount, part.off));
            assert_eq!((got, parts.len() <= 1), (expected, true), "{before:?} {now:?} {prices:?}");
        }
    }

    #[test]
    fn each_day_has_its_part_and_a_long_pause_has_none() {
        let at = |at: &str| look(at, Power::Shelved, prices(Some(0), false));
        let parts = saved_between(&at("2026-12-07T23:50:00Z"), &at("2026-12-08T00:20:00Z"));
        let day = Day::of(Timestamp::parse("2026-12-07T12:00:00Z").unwrap());
        let expected = [(day, 2 * EUR, Millis::minutes(10)), (Day(day.0 + 1), 4 * EUR, Millis::minutes(20))];
        assert_eq!(parts.iter().map(|part| (part.day, part.amount, part.off)).collect::<Vec<_>>(), expected);
        for (before, now) in [
            ("2026-12-07T12:00:00Z", "2026-12-07T13:00:01Z"),
            ("2026-12-07T12:00:00Z", "2026-12-07T12:00:00Z"),
            ("2026-12-07T12:00:00Z", "2026-12-07T11:00:00Z"),
        ] {
            assert_eq!(saved_between(&at(before), &at(now)), [], "{before} {now}");
        }
    }

    #[test]
    fn a_week_is_due_on_the_monday_after_it_at_eight() {
        for (now, zone, monday) in [
            ("2026-12-07T06:59:59Z", "Europe/Paris", "2026-11-23"),
            ("2026-12-07T07:00:00Z", "Europe/Paris", "2026-11-30"),
            ("2026-12-09T12:00:00Z", "Europe/Paris", "2026-11-30"),
            ("2026-12-13T23:30:00Z", "Europe/Paris", "2026-11-30"),
            ("2026-12-14T07:00:00Z", "Europe/Paris", "2026-12-07"),
            // West of UTC it is still Sunday when UTC has Monday.
            ("2026-12-07T12:00:00Z", "America/New_York", "2026-11-23"),
            ("2026-12-07T13:00:00Z", "America/New_York", "2026-11-30"),
            // In Auckland it is eight on Monday while Sunday lasts in UTC.
            ("2026-12-06T19:00:00Z", "Pacific/Auckland", "2026-11-23"),
            ("2026-12-07T00:00:00Z", "Pacific/Auckland", "2026-11-30"),
            // The clocks change in the night before.
            ("2026-03-30T05:59:59Z", "Europe/Paris", "2026-03-16"),
            ("2026-03-30T06:00:00Z", "Europe/Paris", "2026-03-23"),
        ] {
            let due = week_due(Timestamp::parse(now).unwrap(), &TimeZone::get(zone).unwrap());
            assert_eq!(due.date().to_string(), monday, "{now} {zone}");
        }
    }

    #[test]
    fn a_month_begins_on_its_first() {
        for (at, first) in [("2026-12-07T12:00:00Z", "2026-12-01"), ("2026-12-01T00:00:00Z", "2026-12-01")] {
            assert_eq!(Day::of(Timestamp::parse(at).unwrap()).month_start().date().to_string(), first);
        }
    }
}
