//! Times as people type them; in milliseconds since 1970, of this machine's zone.

use std::ops::Range;

use jiff::Zoned;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::CommandFailure;

/// Years back in which a day without a year is looked for: 29 February comes again within eight.
const YEARS_MAX: i16 = 8;

/// `03:12` of today, or of yesterday if that is yet to come; `20 Nov 03:12:08` as histories print it; else a full time.
/// A typed time may be a day, a minute or a second: from its beginning until the next one begins.
pub fn past_time(text: &str) -> Result<Range<i64>, CommandFailure> {
    let now = Zoned::now();
    let at = clock(text).map(|at| (at, at <= now.time()));
    let day = at.map(|(at, is_over)| (if is_over { Ok(now.date()) } else { now.date().yesterday() }, at));
    let found = match day {
        Some((day, at)) => day.ok().and_then(|day| millis(day.to_datetime(at))),
        None => whole_number(text).or_else(|| printed(text, &now)),
    };
    let hint = "as in --at 03:12, --at \"2026-11-20 03:12\", --at \"20 Nov 03:12:08\"";
    let from = found.ok_or_else(|| not_a_time(text, hint))?;
    Ok(from..from.saturating_add(length(text)))
}

/// The span of a typed time, in milliseconds: a time with a fraction is a moment.
fn length(text: &str) -> i64 {
    let zone = |rest: &str| rest.find(['Z', '+', '-']).map_or(rest.len(), |at| at);
    let clock = text.find(':').map(|at| &text[at..][..zone(&text[at..])]);
    match clock.map(|clock| (clock.contains('.'), clock.matches(':').count())) {
        None => 24 * 3_600_000,
        Some((true, _)) => 1,
        Some((false, 1)) => 60_000,
        Some((false, _)) => 1_000,
    }
}

/// `20 Nov 03:12:08`, the last one that there was.
fn printed(text: &str, now: &Zoned) -> Option<i64> {
    let (day, clock) = text.match_indices(' ').nth(1).map_or((text, "00:00"), |(at, _)| (&text[..at], &text[at + 1..]));
    let time: Time = clock.parse().ok()?;
    let dated = |year: i16| Date::strptime("%d %b %Y", format!("{day} {year}")).ok();
    let all = (0..YEARS_MAX).filter_map(|back| millis(dated(now.year() - back)?.to_datetime(time)));
    all.into_iter().find(|at| *at <= now.timestamp().as_millisecond())
}

/// `2h` from now, `18:00` of today, or of tomorrow if that is over; else a full time.
pub fn future_time(text: &str) -> Result<i64, CommandFailure> {
    let now = Zoned::now();
    if let Ok(span) = humantime::parse_duration(text) {
        if span.is_zero() {
            return Err(CommandFailure::new(
                None,
                format!("{text} is over at once"),
                "as in --until 2h, --until 18:00",
            ));
        }
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        return Ok(now.timestamp().as_millisecond().saturating_add(span));
    }
    let at = clock(text).map(|at| (at, at > now.time()));
    let found = match at {
        Some((at, is_to_come)) => {
            let day = if is_to_come { Ok(now.date()) } else { now.date().tomorrow() };
            day.ok().and_then(|day| millis(day.to_datetime(at)))
        }
        None => whole_number(text),
    };
    let hint = "as in --until 2h, --until 18:00, --until 2026-11-30";
    match found {
        Some(at) if at > now.timestamp().as_millisecond() => Ok(at),
        Some(_) => Err(CommandFailure::new(None, format!("{text} is over"), hint)),
        None => Err(not_a_time(text, hint)),
    }
}

/// A time without a day.
fn clock(text: &str) -> Option<Time> {
    text.parse().ok().filter(|_| !text.contains(['-', 'T', ' ']))
}

/// A whole RFC 3339, a day and a time, or a day.
fn whole_number(text: &str) -> Option<i64> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond());
    }
    let at = text.replace(' ', "T").parse::<DateTime>().ok();
    at.or_else(|| Some(text.parse::<Date>().ok()?.at(0, 0, 0, 0))).and_then(millis)
}

fn millis(at: DateTime) -> Option<i64> {
    Some(at.to_zoned(TimeZone::system()).ok()?.timestamp().as_millisecond())
}

fn not_a_time(text: &str, hint: &str) -> CommandFailure {
    CommandFailure::new(None, format!("not a time: {text}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        for good in ["2030-11-30", "2030-11-30 18:00", "2030-11-30T18:00:00Z", "2h", "3d", "23:59:59", "00:00"] {
            assert!(future_time(good).is_ok(), "{good}");
        }
        for good in ["2020-11-30", "2020-11-30 18:00", "2020-11-30T18:00:00Z", "23:59:59", "00:00"] {
            assert!(past_time(good).is_ok_and(|at| at.start <= Zoned::now().timestamp().as_millisecond()), "{good}");
        }
        for (text, length) in [
            ("03:12", 60_000),
            ("03:12:08", 1_000),
            ("2020-11-30", 86_400_000),
            ("2020-11-30 18:00", 60_000),
            ("2020-11-30T18:00:08Z", 1_000),
            ("2020-11-30T18:00:08.5Z", 1),
            ("2020-11-30T18:00:08+01:00", 1_000),
            ("20 Nov 03:12:08", 1_000),
            ("29 Feb 03:12", 60_000),
            ("1 Jan", 86_400_000),
        ] {
            let span = past_time(text).unwrap();
            assert_eq!(span.end - span.start, length, "{text}");
            assert!(span.start <= Zoned::now().timestamp().as_millisecond(), "{text}");
        }
        let printed = past_time("30 Nov 18:00:08").unwrap();
        let at = jiff::Timestamp::from_millisecond(printed.start).unwrap().to_zoned(TimeZone::system());
        assert_eq!(at.strftime("%d %b %H:%M:%S").to_string(), "30 Nov 18:00:08");
        let eve = "2030-11-30 18:00";
        let day_before = future_time(eve).unwrap() - future_time("2030-11-29 18:00").unwrap();
        assert_eq!(day_before, 24 * 3_600_000, "the day counts");
        for bad in ["", "soon", "25:00", "2020-13-01", "2020-11-30"] {
            assert!(future_time(bad).is_err(), "{bad}");
        }
    }
}
