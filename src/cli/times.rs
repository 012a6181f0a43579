//! Times as people type them; in milliseconds since 1970, of this machine's zone.

use jiff::Zoned;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::Failure;

/// `03:12` of today, or of yesterday where that is yet to come; else as [`whole`].
pub fn past(text: &str) -> Result<i64, Failure> {
    let now = Zoned::now();
    let at = clock(text).map(|at| (at, at <= now.time()));
    let day = at.map(|(at, is_over)| (if is_over { Ok(now.date()) } else { now.date().yesterday() }, at));
    let found = match day {
        Some((day, at)) => day.ok().and_then(|day| millis(day.to_datetime(at))),
        None => whole(text),
    };
    found.ok_or_else(|| not_a_time(text, "as in --at 03:12, or --at \"2026-11-20 03:12\""))
}

/// `2h` from now, `18:00` of today, or of tomorrow where that is over; else as [`whole`].
pub fn to_come(text: &str) -> Result<i64, Failure> {
    let now = Zoned::now();
    if let Ok(span) = humantime::parse_duration(text) {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        return Ok(now.timestamp().as_millisecond().saturating_add(span));
    }
    let at = clock(text).map(|at| (at, at > now.time()));
    let found = match at {
        Some((at, is_to_come)) => {
            let day = if is_to_come { Ok(now.date()) } else { now.date().tomorrow() };
            day.ok().and_then(|day| millis(day.to_datetime(at)))
        }
        None => whole(text),
    };
    let hint = "as in --until 2h, --until 18:00, --until 2026-11-30";
    match found {
        Some(at) if at > now.timestamp().as_millisecond() => Ok(at),
        Some(_) => Err(Failure::new("", format!("{text} is over"), hint)),
        None => Err(not_a_time(text, hint)),
    }
}

/// A time without a day.
fn clock(text: &str) -> Option<Time> {
    text.parse().ok().filter(|_| !text.contains(['-', 'T', ' ']))
}

/// A whole RFC 3339, a day and a time, or a day.
fn whole(text: &str) -> Option<i64> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond());
    }
    let at = text.replace(' ', "T").parse::<DateTime>().ok();
    at.or_else(|| Some(text.parse::<Date>().ok()?.at(0, 0, 0, 0))).and_then(millis)
}

fn millis(at: DateTime) -> Option<i64> {
    Some(at.to_zoned(TimeZone::system()).ok()?.timestamp().as_millisecond())
}

fn not_a_time(text: &str, hint: &str) -> Failure {
    Failure::new("", format!("not a time: {text}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        for good in ["2030-11-30", "2030-11-30 18:00", "2030-11-30T18:00:00Z", "2h", "3d", "23:59:59", "00:00"] {
            assert!(to_come(good).is_ok(), "{good}");
        }
        for good in ["2020-11-30", "2020-11-30 18:00", "2020-11-30T18:00:00Z", "23:59:59", "00:00"] {
            assert!(past(good).is_ok_and(|at| at <= Zoned::now().timestamp().as_millisecond()), "{good}");
        }
        let eve = "2030-11-30 18:00";
        let day_before = to_come(eve).unwrap() - to_come("2030-11-29 18:00").unwrap();
        assert_eq!(day_before, 24 * 3_600_000, "the day counts");
        for bad in ["", "soon", "25:00", "2020-13-01", "2020-11-30"] {
            assert!(to_come(bad).is_err(), "{bad}");
        }
    }
}
