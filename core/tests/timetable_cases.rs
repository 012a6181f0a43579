//! Timetables and power as data: `tests/cases/timetable/*.yaml`, each a list of cases with what comes of them. The harness asks
//! of each timetable that its questions agree with each other.

use std::path::Path;

use amarre_core::model::power::{Override, OverrideEnd, OverrideSource, Power, PowerRule, observed, wanted};
use amarre_core::model::timetable::{
    HolidaysText, Tick, Timetable, TimetableError, TimetableKey, TimetableText, Week, from_week,
};
use amarre_core::model::{Millis, Timestamp};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    table: Option<TableCase>,
    power: Option<String>,
    after: Option<String>,
    ticks: Option<Vec<String>>,
    error: Option<ErrorCase>,
    week: Option<Vec<String>>,
    painted: Option<PaintedCase>,
    since: Option<String>,
    now: Option<String>,
    #[serde(rename = "override")]
    override_: Option<OverrideCase>,
    wanted: Option<String>,
    because: Option<String>,
    next: Option<String>,
    #[serde(default)]
    is_over: bool,
    before: Option<String>,
    seen: Option<String>,
    #[serde(default)]
    did_we: bool,
    makes: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableCase {
    timezone: String,
    on: OneOrMany,
    off: OneOrMany,
    off_as: Option<String>,
    holidays: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorCase {
    key: String,
    other: Option<String>,
    says: String,
    hint: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PaintedCase {
    on: Vec<String>,
    off: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OverrideCase {
    to: String,
    source: OverrideSource,
    by: String,
    at: String,
    until: EndCase,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum EndCase {
    NextTick,
    TickAfterNext,
    At(String),
    Followed,
}

#[test]
fn every_timetable_case_is_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/timetable");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap().replace("LONG", &"1".repeat(1000));
        let cases: Vec<Case> =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in cases {
            count += 1;
            let stem = path.file_stem().unwrap().to_string_lossy();
            wrong.extend(objections(&case).into_iter().map(|what| format!("{stem}: {}: {what}", case.name)));
        }
    }
    assert!(count >= 150, "only {count} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What differs from the case.
fn objections(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    let table = match case.table.as_ref().map(parsed) {
        Some(Err(error)) => {
            let expected = case
                .error
                .as_ref()
                .map(|known| (known.key.clone(), known.other.clone(), known.says.clone(), known.hint.clone()));
            let got = (key(error.key), error.other.map(key), error.message.to_string(), error.hint.to_string());
            compare(&mut wrong, &Some(got), &expected);
            return wrong;
        }
        Some(Ok(_)) if case.error.is_some() => return vec!["is not refused".to_owned()],
        Some(Ok(table)) => Some(table),
        None => None,
    };
    let zone = zone(table.as_ref().map_or("UTC", Timetable::timezone));
    if let Some(table) = &table {
        check_ticks(&mut wrong, case, table, &zone);
        check_week(&mut wrong, case, table);
    }
    check_power(&mut wrong, case, table, &zone);
    wrong
}

fn check_ticks(wrong: &mut Vec<String>, case: &Case, table: &Timetable, zone: &TimeZone) {
    let Some(expected) = &case.ticks else { return };
    let after = time(case.after.as_ref().unwrap(), zone);
    let ticks: Vec<Tick> = table.ticks(after).take(expected.len()).collect();
    let shown: Vec<String> = ticks.iter().map(|tick| local(*tick, zone)).collect();
    compare(wrong, &shown, expected);
    agrees(wrong, table, after, &ticks);
}

/// What holds for every timetable: its four questions have one answer.
fn agrees(wrong: &mut Vec<String>, table: &Timetable, after: Timestamp, ticks: &[Tick]) {
    let mut before = after;
    for (at, tick) in ticks.iter().enumerate() {
        assert!(tick.at > before, "not in order");
        compare(wrong, &table.next_tick(before), &Some(*tick));
        compare(wrong, &table.last_tick(tick.at, before), &Some(*tick));
        compare(wrong, &table.last_tick(tick.at, tick.at), &None);
        compare(wrong, &table.last_tick(tick.at + Millis(-1), before), &None);
        compare(wrong, &table.count_between(after, tick.at), &(at + 1));
        before = tick.at;
    }
}

fn check_week(wrong: &mut Vec<String>, case: &Case, table: &Timetable) {
    let Some(expected) = &case.week else { return };
    let week = table.week();
    let shown = week.iter().flatten().map(|day| day.map(|is_on| if is_on { '#' } else { '.' }).into_iter().collect());
    compare(wrong, &shown.collect::<Vec<String>>(), expected);
    if let Some(painted) = &case.painted {
        compare(wrong, &from_week(&week.unwrap()), &Some((painted.on.clone(), painted.off.clone())));
    }
}

fn check_power(wrong: &mut Vec<String>, case: &Case, table: Option<Timetable>, zone: &TimeZone) {
    let Some(now) = &case.now else { return };
    let now = time(now, zone);
    let rule = match (table, case.power.as_deref()) {
        (Some(table), None) => PowerRule::Schedule(table),
        (None, Some("unmanaged")) => PowerRule::Unmanaged,
        (None, Some(word)) => PowerRule::Level(Power::parse(word).unwrap()),
        (Some(_), Some(_)) | (None, None) => panic!("{}: a table or a power", case.name),
    };
    let known = case.override_.as_ref().map(|known| known.read(zone));
    let since = case.since.as_ref().map(|since| time(since, zone));
    let got = wanted(now, &rule, since, known.as_ref());
    if let Some(expected) = &case.wanted {
        compare(wrong, &got.level.map_or("none", Power::as_str), &expected.as_str());
        compare(wrong, &got.override_is_over, &case.is_over);
    }
    if let Some(because) = &case.because {
        compare(wrong, &got.why.text().to_string(), because);
    }
    if let Some(next) = &case.next {
        compare(wrong, &got.next.map(|tick| local(tick, zone)).as_ref(), &Some(next));
    }
    if let (Some(seen), Some(expected)) = (&case.seen, &case.makes) {
        let before = case.before.as_deref().map(|word| Power::parse(word).unwrap());
        let made = observed(now, &rule, &got, before, Power::parse(seen).unwrap(), case.did_we);
        let shown = made.as_ref().map_or("none".to_owned(), |made| {
            let attention = if made.needs_attention() { ", needs attention" } else { "" };
            format!("{} until {:?}{attention}", made.to.as_str(), made.until)
        });
        compare(wrong, &shown, expected);
        if let Some(made) = made {
            // What was seen is what is wanted from now on.
            compare(wrong, &wanted(now, &rule, since, Some(&made)).level, &Some(made.to));
        }
    }
}

fn compare<T: PartialEq + std::fmt::Debug>(wrong: &mut Vec<String>, got: &T, expected: &T) {
    if got != expected {
        wrong.push(format!("\n      got {got:?}\n expected {expected:?}"));
    }
}

impl OverrideCase {
    fn read(&self, zone: &TimeZone) -> Override {
        let until = match &self.until {
            EndCase::NextTick => OverrideEnd::NextTick,
            EndCase::TickAfterNext => OverrideEnd::TickAfterNext,
            EndCase::At(at) => OverrideEnd::At(time(at, zone)),
            EndCase::Followed => OverrideEnd::Followed,
        };
        let to = Power::parse(&self.to).unwrap();
        let known = Override { to, source: self.source, by: self.by.clone(), at: time(&self.at, zone), until };
        let stored = serde_json::to_string(&known).unwrap();
        assert_eq!(serde_json::from_str::<Override>(&stored).unwrap(), known, "{stored}");
        known
    }
}

fn parsed(table: &TableCase) -> Result<Timetable, TimetableError> {
    let list = |written: &OneOrMany| match written {
        OneOrMany::One(one) => vec![one.clone()],
        OneOrMany::Many(many) => many.clone(),
    };
    let holidays = table.holidays.as_deref().map(|written| match written.len() {
        2 => HolidaysText::Country(written),
        _ => HolidaysText::File(written),
    });
    let (on, off) = (list(&table.on), list(&table.off));
    let off_as = table.off_as.as_deref();
    Timetable::parse(&TimetableText { timezone: &table.timezone, on: &on, off: &off, off_as, holidays })
}

fn key(key: TimetableKey) -> String {
    match key {
        TimetableKey::On(at) | TimetableKey::Off(at) => format!("{} {at}", key.as_str()),
        TimetableKey::Holidays(Some(line)) => format!("{} {line}", key.as_str()),
        TimetableKey::Timezone | TimetableKey::OffAs | TimetableKey::Holidays(None) => key.as_str().to_owned(),
    }
}

pub fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

/// An instant in UTC, or a local time.
fn time(written: &str, zone: &TimeZone) -> Timestamp {
    if let Ok(at) = written.parse::<jiff::Timestamp>() {
        return Timestamp(at.as_millisecond());
    }
    let local = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M", written).unwrap();
    Timestamp(zone.to_timestamp(local).unwrap().as_millisecond())
}

fn local(tick: Tick, zone: &TimeZone) -> String {
    let at = jiff::Timestamp::from_millisecond(tick.at.0).unwrap().to_zoned(zone.clone());
    format!("{} {}", at.strftime("%Y-%m-%d %H:%M %:z"), tick.to.as_str())
}

/// A timetable that must be good.
pub fn timetable(timezone: &str, on: &[String], off: &[String], holidays: Option<HolidaysText<'_>>) -> Timetable {
    Timetable::parse(&TimetableText { timezone, on, off, off_as: None, holidays }).unwrap()
}

/// The week of expressions in UTC.
pub fn week_of((on, off): &(Vec<String>, Vec<String>)) -> Option<Week> {
    timetable("UTC", on, off, None).week()
}
