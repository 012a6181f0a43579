//! What holds for all timetables: the level is that of a clock that is looked at each minute, a painted week is read as it was
//! painted, and no text stops the program.

use amarre_core::model::power::{Power, PowerRule, wanted};
use amarre_core::model::timetable::{HolidaysText, Timetable, TimetableText, Week, from_week};
use amarre_core::model::{Millis, Timestamp};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use proptest::prelude::*;

use super::timetable_cases::{timetable, week_of, zone};

const ZONES: [&str; 5] =
    ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana"];

/// Numbers that look like chance and are the same in each run.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to `count` - 1 (splitmix64).
    pub fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % count
    }

    /// A field between two numbers: mostly one number, else a star, a range, a list, with steps now and then.
    fn field(&mut self, first: u64, last: u64) -> String {
        let count = last - first + 1;
        let number = |numbers: &mut Self| first + numbers.below(count);
        match self.below(8) {
            0 => "*".to_owned(),
            1 => format!("*/{}", 2 + self.below(count)),
            2 | 3 => {
                let (one, other) = (number(self), number(self));
                // From one number alone, a step means something else to others.
                let (low, high) = if one == other { (first, last) } else { (one.min(other), one.max(other)) };
                let step = self.below(6);
                if step > 1 { format!("{low}-{high}/{step}") } else { format!("{low}-{high}") }
            }
            4 => format!("{},{}", number(self), number(self)),
            _ => number(self).to_string(),
        }
    }

    /// A cron expression. The day fields are stars more often than not.
    pub fn expression(&mut self) -> String {
        let (minute, hour) = (self.field(0, 59), self.field(0, 23));
        let rare = |numbers: &mut Self, first, last| match numbers.below(5) {
            0 | 1 => numbers.field(first, last),
            _ => "*".to_owned(),
        };
        let (day, month, weekday) = (rare(self, 1, 28), rare(self, 1, 12), rare(self, 0, 7));
        format!("{minute} {hour} {day} {month} {weekday}")
    }
}

/// Whether a field has a number, read each time.
fn has(field: &str, number: i8, first: i8, last: i8) -> bool {
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (low, high) = match range {
            "*" => (first, last),
            _ => {
                let (low, high) = range.split_once('-').unwrap_or((range, range));
                (low.parse().unwrap(), high.parse().unwrap())
            }
        };
        number >= low && number <= high && (number - low) % step.parse::<i8>().unwrap() == 0
    })
}

fn is_due(expression: &str, local: DateTime) -> bool {
    let mut fields = expression.split(' ');
    let mut field = || fields.next().unwrap();
    // Most minutes end here.
    if !has(field(), local.minute(), 0, 59) || !has(field(), local.hour(), 0, 23) {
        return false;
    }
    let (day, month, day_of_week) = (field(), field(), field());
    let weekday = local.weekday().to_sunday_zero_offset();
    let is_day = has(day, local.day(), 1, 31);
    let is_weekday = has(day_of_week, weekday, 0, 7) || weekday == 0 && has(day_of_week, 7, 0, 7);
    let is_date =
        if day.starts_with('*') || day_of_week.starts_with('*') { is_day && is_weekday } else { is_day || is_weekday };
    is_date && has(month, local.month(), 1, 12)
}

/// Goes through three years, minute by minute, and compares the level now and then, and whenever it may have changed.
fn walk(zone: &TimeZone, on: &str, off: &str, rule: &PowerRule, holiday: jiff::civil::Date) -> usize {
    let begin: jiff::Timestamp = "2026-12-31T23:00:00Z".parse().unwrap();
    let since = Timestamp(begin.as_millisecond());
    let (mut latest, mut level, mut changes) = (zone.to_datetime(begin), None, 0);
    for minute in 1..3 * 365 * 24 * 60 {
        let now = since + Millis::minutes(minute);
        let local = zone.to_datetime(jiff::Timestamp::from_millisecond(now.0).unwrap());
        let before = level;
        // Each local minute counts once, when the clock first shows it or a later one.
        while latest < local {
            latest += Span::new().minutes(1);
            if is_due(off, latest) {
                level = Some(Power::Off);
            }
            if is_due(on, latest) && latest.date() != holiday {
                level = Some(Power::On);
            }
        }
        changes += usize::from(level != before);
        if level != before || minute % 397 == 0 {
            let got = wanted(now, rule, Some(since), None).level;
            assert_eq!(got, level, "at {local} in {zone:?}: on {on:?}, off {off:?}");
        }
    }
    changes
}

#[test]
fn the_level_is_that_of_a_clock_that_is_looked_at_each_minute() {
    let mut numbers = Numbers::new(1);
    let (mut walks, mut changes) = (0, 0);
    while walks < 10 {
        let name = ZONES[walks % ZONES.len()];
        // Times that clocks skip and double, in every other walk.
        let (on, off) = match walks % 2 {
            0 => (numbers.expression(), numbers.expression()),
            _ => (format!("{} 0-3 * * *", numbers.below(30)), format!("{} 1-4/2 * * *", 30 + numbers.below(30))),
        };
        let text = TimetableText {
            timezone: name,
            on: std::slice::from_ref(&on),
            off: std::slice::from_ref(&off),
            holidays: Some(HolidaysText::File("2028-03-26\n")),
            ..TimetableText::default()
        };
        // A pair with an instant in common is refused.
        let Ok(table) = Timetable::parse(&text) else { continue };
        changes += walk(&zone(name), &on, &off, &PowerRule::Schedule(table), jiff::civil::date(2028, 3, 26));
        walks += 1;
    }
    assert!(changes > 5000, "only {changes} changes");
}

#[test]
fn a_painted_week_is_read_as_it_was_painted() {
    let mut numbers = Numbers::new(2);
    for round in 0..2000 {
        let mut week: Week = [[false; 24]; 7];
        // From scattered hours to whole days that are alike.
        for hour in 0..7 * 24 {
            let is_alike = round % 3 == 0 && hour >= 24;
            week[hour / 24][hour % 24] = if is_alike { week[0][hour % 24] } else { numbers.below(1 + round % 7) == 0 };
        }
        let is_constant = week.iter().flatten().all(|is_on| *is_on == week[0][0]);
        match from_week(&week) {
            None => assert!(is_constant, "{week:?}"),
            Some(lists) => {
                assert!(lists.0.len() <= 7 && lists.1.len() <= 7, "{lists:?}");
                assert_eq!(week_of(&lists), Some(week), "{lists:?}");
            }
        }
    }
    assert_eq!(from_week(&[[true; 24]; 7]), None);
    assert_eq!(from_week(&[[false; 24]; 7]), None);
}

#[test]
fn easter_of_many_years_is_a_holiday() {
    // The earliest, the latest and a few between; Easter Monday is the day after.
    let mondays = ["1818-03-23", "1943-04-26", "2008-03-24", "2011-04-25", "2024-04-01", "2038-04-26", "2049-04-19"];
    let (on, off) = (["0 8 * * *".to_owned()], ["0 20 * * *".to_owned()]);
    let table = timetable("Europe/Paris", &on, &off, Some(HolidaysText::Country("FR")));
    for monday in mondays {
        let monday: jiff::civil::Date = monday.parse().unwrap();
        for (days, is_holiday) in [(-1, false), (0, true), (1, false), (38, true), (49, true)] {
            let date = monday.checked_add(days.days()).unwrap();
            // Whit Monday of 1943 is an ordinary day but for this; none of these is at a fixed date.
            assert_eq!(table.holidays().contains(date), is_holiday, "{date}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn no_text_stops_the_program(
        zone in prop_oneof![Just("Europe/Paris".to_owned()), ".{0,12}"],
        on in prop_oneof!["[0-9*,/a-z -]{0,24}", ".{0,24}", "[0-9*/,-]{1,5} [0-9*/,-]{1,4} [0-9*/,-]{1,3} [*1-9] [*0-7]"],
        off in prop_oneof![Just("59 23 * * *".to_owned()), ".{0,24}"],
        days in prop_oneof![Just("FR".to_owned()), ".{0,24}", "[0-9#\n-]{0,40}"],
        at in any::<i64>(),
    ) {
        let holidays = if days == "FR" { HolidaysText::Country(&days) } else { HolidaysText::File(&days) };
        let (on, off) = ([on], [off]);
        let text = TimetableText { timezone: &zone, on: &on, off: &off, off_as: None, holidays: Some(holidays) };
        match Timetable::parse(&text) {
            Err(error) => prop_assert!(!error.message.is_empty() && !error.hint.is_empty()),
            Ok(table) => {
                for at in [at, at % 10_000_000_000_000, i64::MIN, i64::MAX] {
                    let next = table.next_tick(Timestamp(at));
                    prop_assert!(next.is_none_or(|tick| tick.at > Timestamp(at)));
                    if let Some(last) = table.last_tick(Timestamp(at), Timestamp(i64::MIN / 2)) {
                        prop_assert!(last.at <= Timestamp(at));
                        let between = table.count_between(last.at, Timestamp(at));
                        prop_assert_eq!(between, 0);
                    }
                    let _ = table.last_tick(Timestamp(at), Timestamp(at.saturating_sub(86_400_000)));
                }
                let _ = table.week();
            }
        }
    }
}
