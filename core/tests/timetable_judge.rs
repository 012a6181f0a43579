//! Our ticks beside those of cronsim, a cron of others. The differences have names, each of them is met, and there is no other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use amarre_core::model::Timestamp;
use amarre_core::model::power::Power;
use amarre_core::model::timetable::{Timetable, TimetableText};
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};

use super::timetable_cases::zone;
use super::timetable_props::Numbers;

const ZONES: [&str; 5] = ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"];
/// Before a change of the clock, north and south, and before a leap year.
const BEGINS: [&str; 4] =
    ["2026-03-06T12:00:00Z", "2026-10-20T12:00:00Z", "2027-04-01T12:00:00Z", "2027-12-30T12:00:00Z"];
const EXPRESSIONS: usize = 240;
const TICKS: usize = 500;

/// How both may differ at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// Where minute or hour is a star, cronsim leaves skipped times out; here they act at the end of the gap.
    SkippedTime,
    /// Where minute or hour is a star, cronsim acts in both doubled hours; here in the first.
    DoubledTime,
    /// Where minute or hour is a star, cronsim walks by whole hours, and on a day that is half an hour shorter or longer it
    /// misses the first half of the hour that it looks for.
    HalfHour,
}

#[derive(Serialize)]
struct Question {
    expression: String,
    zone: &'static str,
    after: i64,
    count: usize,
}

#[derive(Deserialize)]
struct Answer {
    ticks: Option<Vec<i64>>,
    error: Option<String>,
}

fn ask(questions: &[Question]) -> Vec<Answer> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = std::env::var_os("AMARRE_PYTHON").map_or_else(|| root.join("target/python/bin/python"), PathBuf::from);
    assert!(
        python.exists(),
        "no Python at {}: `scripts/test` makes the environment from scripts/clients/requirements.txt, or set AMARRE_PYTHON",
        python.display()
    );
    let mut client = Command::new(python)
        .arg(root.join("scripts/clients/cron_ticks.py"))
        // The time zones of the requirements, not those of the machine.
        .env("PYTHONTZPATH", "")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = questions.iter().map(|question| serde_json::to_string(question).unwrap() + "\n").collect();
    let mut input = client.stdin.take().unwrap();
    // Beside the reader, or two full pipes would wait for each other.
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = client.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A timetable of one expression. It also needs an `off`, here at a minute that the expression leaves free.
fn table(zone: &str, expression: &str) -> Option<Timetable> {
    let offs = ["59 23 29 2 *", "58 22 29 2 *", "31 13 29 2 *", "0 0 29 2 *"];
    let on = [expression.to_owned()];
    offs.into_iter().find_map(|off| {
        let off = [off.to_owned()];
        Timetable::parse(&TimetableText { timezone: zone, on: &on, off: &off, ..TimetableText::default() }).ok()
    })
}

fn seconds(begin: &str) -> i64 {
    begin.parse::<jiff::Timestamp>().unwrap().as_second()
}

/// The name of a difference; `None`: it has none.
fn difference(zone: &TimeZone, expression: &str, second: i64, is_ours: bool) -> Option<Difference> {
    let has_star = expression.split(' ').take(2).any(|field| field.starts_with('*'));
    let at = jiff::Timestamp::from_second(second).unwrap();
    let earlier = jiff::Timestamp::from_second(second - 1).unwrap();
    let is_after_gap = zone.to_offset(at) > zone.to_offset(earlier);
    let is_second = match zone.to_ambiguous_timestamp(zone.to_datetime(at)).offset() {
        AmbiguousOffset::Fold { after, .. } => zone.to_offset(at) == after,
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => false,
    };
    match (has_star, is_ours) {
        (true, true) if is_after_gap => Some(Difference::SkippedTime),
        (true, true) if is_after_half_an_hour(zone, at) => Some(Difference::HalfHour),
        (true, false) if is_second => Some(Difference::DoubledTime),
        (true | false, _) => None,
    }
}

/// Whether the clock was moved by half an hour since the day began, and the hour is in its first half.
fn is_after_half_an_hour(zone: &TimeZone, at: jiff::Timestamp) -> bool {
    let local = zone.to_datetime(at);
    let midnight = zone.to_timestamp(local.date().to_datetime(jiff::civil::Time::midnight())).unwrap();
    let moved = zone.to_offset(at).seconds() - zone.to_offset(midnight).seconds();
    moved % 3600 != 0 && local.minute() < 30
}

#[test]
fn ticks_are_those_of_another_cron_but_for_named_differences() {
    let mut numbers = Numbers::new(3);
    let mut tables = Vec::new();
    let mut questions: Vec<Question> = Vec::new();
    while questions.len() < EXPRESSIONS {
        let name = ZONES[questions.len() % ZONES.len()];
        let after = seconds(BEGINS[questions.len() / ZONES.len() % BEGINS.len()]);
        // Half of them are at night, when clocks are moved.
        let expression = match questions.len() % 2 {
            0 => numbers.expression(),
            _ => format!(
                "{} 1-{} * * {}",
                ["*/15", "7-50/9", "30", "5,45"][usize::try_from(numbers.below(4)).unwrap()],
                2 + numbers.below(2),
                ["*", "sun", "sat-7", "0,3"][usize::try_from(numbers.below(4)).unwrap()]
            ),
        };
        let Some(table) = table(name, &expression) else { continue };
        tables.push(table);
        questions.push(Question { expression, zone: name, after, count: TICKS });
    }
    let mut met: BTreeMap<Difference, usize> = BTreeMap::new();
    let mut ticks = 0;
    for ((question, table), answer) in questions.iter().zip(&tables).zip(ask(&questions)) {
        let asked = format!("{:?} in {}", question.expression, question.zone);
        let theirs = answer.ticks.unwrap_or_else(|| panic!("{asked}: {:?}", answer.error));
        let last = *theirs.last().unwrap();
        let set: BTreeSet<i64> = theirs.iter().copied().collect();
        assert_eq!(theirs.len(), set.len(), "{asked}: an instant twice");
        let ours = table.ticks(Timestamp(question.after * 1000)).filter(|tick| tick.to == Power::On);
        let ours: BTreeSet<i64> = ours.map(|tick| tick.at.0 / 1000).take_while(|at| *at <= last).collect();
        let zone = zone(question.zone);
        for at in ours.symmetric_difference(&set) {
            let name = difference(&zone, &question.expression, *at, ours.contains(at));
            let shown = jiff::Timestamp::from_second(*at).unwrap().to_zoned(zone.clone());
            *met.entry(name.unwrap_or_else(|| panic!("{asked}: {shown}, ours: {}", ours.contains(at)))).or_default() +=
                1;
        }
        ticks += set.len();
    }
    assert!(ticks > 60_000, "only {ticks} ticks");
    let all = [Difference::SkippedTime, Difference::DoubledTime, Difference::HalfHour];
    for name in all {
        assert!(met.get(&name).is_some_and(|count| *count > 0), "{name:?} is not met: {met:?}");
    }
}

/// Expressions, whether each is read here and by cronsim, and why they differ.
const READ: [(&str, bool, bool, &str); 12] = [
    ("0 8 * * fri-sun", true, false, "a range ends on Sunday by name"),
    ("0 8 * * sat-sun", true, false, "a range ends on Sunday by name"),
    ("5/15 8 * * *", false, true, "a step without a range: crons disagree on its end"),
    ("0 8 L * *", false, true, "the last day of a month"),
    ("0 8 LW * *", false, true, "the last weekday of a month"),
    ("0 8 * * 5L", false, true, "the last Friday of a month"),
    ("0 8 * * 5#2", false, true, "the second Friday of a month"),
    ("0 0 8 * * *", false, true, "seconds"),
    ("0 8 30 2 *", false, false, "never"),
    ("0 8 30 2 mon", true, true, "both day fields: Mondays in February"),
    ("0 22-6 * * *", false, false, "backwards"),
    ("0 8 * * mon-fri", true, true, "alike"),
];

#[test]
fn texts_are_read_as_by_another_cron_but_for_named_differences() {
    let question = |expression: &str| Question {
        expression: expression.to_owned(),
        zone: "UTC",
        after: seconds(BEGINS[0]),
        count: 3,
    };
    let questions: Vec<Question> = READ.iter().map(|(expression, ..)| question(expression)).collect();
    for ((expression, ours, theirs, why), answer) in READ.into_iter().zip(ask(&questions)) {
        assert_eq!(table("UTC", expression).is_some(), ours, "{expression}: {why}");
        assert_eq!(answer.error.is_none(), theirs, "{expression}: {why}");
    }
    // A range of one number with a step: cronsim reads `5-59/10`, here it is 5 alone.
    let answers = ask(&[question("5-5/10 8 * * *"), question("5-59/10 8 * * *")]);
    assert_eq!(answers[0].ticks, answers[1].ticks);
    let ours = table("UTC", "5-5/10 8 * * *").unwrap();
    let days: Vec<i64> =
        ours.ticks(Timestamp(seconds(BEGINS[0]) * 1000)).take(2).map(|tick| tick.at.0 / 1000).collect();
    assert_eq!(days[1] - days[0], 24 * 60 * 60);
}
