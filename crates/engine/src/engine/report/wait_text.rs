//! Texts of waits and failures: lines of a service's status, parts of its document. Pure.

use serde_json::{Value as Json, json};

use super::status::{ResourceStatus, ServiceStatus};
use super::waits;
use super::waits::{PendingWait, WaitEnd};
use crate::engine::report::pass_view::PassView;
use crate::ledger::LastFailure;
use crate::words::say;
use amarre_core::model::failures;
use amarre_core::model::{Address, Arg, Language, Millis, Readiness, Seen, Text, Timestamp, Value};
use amarre_core::text;

const KEY: usize = 10;
/// A time of this day needs no date.
const DAY: Millis = Millis::minutes(24 * 60);

/// How long a service waits and how that ends, below its head; nothing if a failure reports it.
pub fn wait(row: &ServiceStatus, now: Timestamp, language: Language) -> String {
    let Some(waiting) = row.waiting.as_ref().filter(|_| row.resources.iter().all(|one| one.failure.is_none())) else {
        return String::new();
    };
    let since = waiting.since.map(|since| text!("since {at}", at = instant(since, now)));
    let waits: Vec<Text> = since.into_iter().chain(waiting.progress(now)).collect();
    let waits = (!waits.is_empty()).then(|| (text!("waits"), text!("{parts}", parts = waits)));
    let lines: Vec<(Text, Text)> = waits.into_iter().chain([(text!("next"), next(waiting, now))]).collect();
    let mut out = keyed("  ", &lines, language);
    if row.hints.is_empty() {
        for hint in &waiting.hints {
            out.push_str(&format!("  {} {}\n", say(&text!("hint:"), language), super::hint_text(hint, language)));
        }
    }
    out
}

/// Lines of a key and what it says, below each other.
fn keyed(indent: &str, lines: &[(Text, Text)], language: Language) -> String {
    let keys: Vec<String> = lines.iter().map(|(key, _)| say(key, language)).collect();
    let width = keys.iter().map(|key| key.chars().count() + 1).max().unwrap_or_default().max(KEY);
    let line = |(key, (_, text)): (&String, &(Text, Text))| format!("{indent}{key:width$}{}\n", say(text, language));
    keys.iter().zip(lines).map(line).collect()
}

fn next(waiting: &PendingWait, now: Timestamp) -> Text {
    match &waiting.next {
        WaitEnd::At(at) if *at <= now => text!("now, by itself"),
        WaitEnd::At(at) => text!("{at} by itself", at = instant(*at, now)),
        WaitEnd::WhenThere => text!("by itself, as soon as it is there"),
        WaitEnd::WhenReady => text!("by itself, as soon as it is ready"),
        WaitEnd::WhenEnded => text!("by itself, when it has ended"),
        WaitEnd::Again(at) if *at <= now => text!("now by itself; the same was refused before"),
        WaitEnd::Again(at) => text!("{at} by itself; the same was refused before", at = instant(*at, now)),
        WaitEnd::Person(why) => nothing_by_itself(why.clone()),
    }
}

fn nothing_by_itself(why: Text) -> Text {
    text!("nothing by itself: {why}", why)
}

/// The failure of a container, below its line.
pub fn failure(pass: &PassView, resource: &ResourceStatus, now: Timestamp, language: Language) -> String {
    let Some(failure) = &resource.failure else { return String::new() };
    let mut lines: Vec<(Text, Text)> = vec![(text!("tried"), attempts_text(failure, now))];
    if let Some(code) = failure.exit_code {
        lines.push((text!("exit"), exit(code, restarts(pass, resource, failure))));
    }
    match last_line(failure) {
        Some(line) => lines.push((text!("last line"), Text::from(line))),
        None => lines.push((text!("log"), Text::from(&failure.log_note))),
    }
    if let Some(serving) = serving(pass, &resource.address, now) {
        lines.push((text!("serving"), serving));
    }
    lines.push((text!("next"), nothing_by_itself(waits::why_failed(resource))));
    keyed("      ", &lines, language)
}

/// The same at the end of an `apply`, in short.
pub fn verdict(pass: &PassView, row: &ServiceStatus, now: Timestamp, language: Language) -> String {
    let Some(resource) = row.resources.iter().find(|resource| resource.failure.is_some()) else { return String::new() };
    let mut lines: Vec<(Text, Text)> = Vec::new();
    lines.extend(serving(pass, &resource.address, now).map(|serving| (text!("still serving"), serving)));
    let last = resource.failure.as_deref().and_then(last_line);
    lines.extend(last.map(|line| (text!("its last line"), Text::from(line))));
    let line = |(key, text): &(Text, Text)| format!("      {:16}{}\n", say(key, language), say(text, language));
    lines.iter().map(line).collect()
}

/// The failure and what serves meanwhile, in one line: `immich:v1.120 not healthy after 2 min, immich:v1.119 serves`.
pub fn serving_instead(pass: &PassView, resource: &ResourceStatus) -> Option<Text> {
    let failure = resource.failure.as_ref()?;
    let (_, seen) = standing(pass, &resource.address)?;
    let (failed, serves) = (&failure.image, seen.fields.text("image").unwrap_or_default());
    let why = failures::in_parts(&failure.why);
    Some(if serves == failed {
        text!("{failed} {why}; the one before serves", failed, why)
    } else {
        text!("{failed} {why}; {serves} serves", failed, why, serves)
    })
}

/// `11:52:10 and once more at 11:56:40, in run 2311`
fn attempts_text(failure: &LastFailure, now: Timestamp) -> Text {
    let (first, last) = (instant(failure.first, now), instant(failure.at, now));
    let (tries, run) = (failure.tries, failure.run.to_string());
    match (tries, failure.run) {
        (..=1, 0) => text!("{first}", first),
        (..=1, _) => text!("{first}, in run {run}", first, run),
        (2, 0) => text!("{first} and once more at {last}", first, last),
        (2, _) => text!("{first} and once more at {last}, in run {run}", first, last, run),
        (_, 0) => text!("{tries} times, first {first}, last {last}", tries, first, last),
        (_, _) => text!("{tries} times, first {first}, last {last}, in run {run}", tries, first, last, run),
    }
}

fn exit(code: i64, restarts: i64) -> Text {
    let code = code.to_string();
    match restarts {
        0 => text!("code {code}", code),
        n => text!(n; "code {code}, restarted once by Docker", "code {code}, restarted {n} times by Docker", code),
    }
}

/// The current count of the engine, if the container still exists.
fn restarts(pass: &PassView, resource: &ResourceStatus, failure: &LastFailure) -> i64 {
    let seen = pass.world.seen.get(&resource.address);
    let restarts = seen.and_then(|seen| seen.fields.get("restarts")).and_then(Value::as_int);
    restarts.unwrap_or_default().max(failure.restarts)
}

/// The last line with text.
fn last_line(failure: &LastFailure) -> Option<&str> {
    failure.log.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty())
}

/// The working instance, if another than the failed one: `web:1, up 21 d, healthy`.
fn serving(pass: &PassView, failed: &Address, now: Timestamp) -> Option<Text> {
    let (_, seen) = standing(pass, failed)?;
    let image = seen.fields.text("image").unwrap_or_default();
    let started = seen.fields.get("started_at_ms").and_then(Value::as_int).map(Timestamp);
    Some(match started {
        Some(started) => text!("{image}, up {span}, healthy", image, span = now - started),
        None => text!("{image}, healthy", image),
    })
}

fn standing<'a>(pass: &'a PassView, failed: &Address) -> Option<(&'a Address, &'a Seen)> {
    pass.world.seen.iter().find(|(address, seen)| {
        let is_other = address.base() == failed.base() && *address != failed;
        is_other && seen.owner.is_ours() && matches!(seen.ready, Readiness::Ready)
    })
}

/// Local, in English: `11:52:10`, or with its day when that is another one.
pub fn time(at: Timestamp, now: Timestamp) -> String {
    say(&text!("{at}", at = instant(at, now)), Language::En)
}

/// The same in a sentence.
pub fn instant(at: Timestamp, now: Timestamp) -> Arg {
    let is_near = now - at < DAY && at - now < DAY;
    if is_near { Arg::Clock(at) } else { Arg::Date(at) }
}

/// A wait for machines.
pub fn waiting_json(waiting: &PendingWait) -> Json {
    let mut document = json!({
        "since": waiting.since.map(Timestamp::rfc3339),
        "limit_s": waiting.limit.map(|limit| limit.0 / 1000),
        "deadline": waiting.deadline().map(Timestamp::rfc3339),
        "job": waiting.job,
        "by_itself": !matches!(waiting.next, WaitEnd::Person(_)),
        "next_at": waiting.ends_at().map(Timestamp::rfc3339),
        "hints": waiting.hints,
    });
    if let Some(object) = document.as_object_mut() {
        waiting.what.insert_into(object, "what");
    }
    document
}

/// A failure for machines.
pub fn failure_json(failure: &LastFailure) -> Json {
    json!({
        "generation": failure.generation,
        "image": failure.image,
        "message": failures::in_parts(&failure.why).to_string(),
        "exit_code": failure.exit_code,
        "restarts": failure.restarts,
        "tries": failure.tries,
        "first_at": failure.first.rfc3339(),
        "at": failure.at.rfc3339(),
        "run": failure.run,
        "last_line": last_line(failure),
        "log_note": Some(&failure.log_note).filter(|note| !note.is_empty()),
    })
}

/// A service's error with the failed change, since when, and how often.
pub fn with_failure(mut error: Json, pass: &PassView, row: &ServiceStatus) -> Json {
    let failed = row.resources.iter().find_map(|resource| Some((resource, resource.failure.as_ref()?)));
    let (doing, first, count) = match (failed, pass.errors.get(&row.name)) {
        (Some((resource, failure)), _) => {
            let end = if resource.job.is_some() { "to end" } else { "to be healthy" };
            (format!("waiting for {} {end}", resource.label()), failure.first, failure.tries)
        }
        (None, Some(known)) => {
            let change = &known.change;
            let doing = format!("{} of {} {}", change.action(), change.address.kind.label(), change.address.name);
            (doing, known.first, i64::from(known.count))
        }
        (None, None) => return error,
    };
    if let Some(object) = error.as_object_mut() {
        object.insert("doing".to_owned(), json!(doing));
        object.insert("first_at".to_owned(), json!(first.rfc3339()));
        object.insert("count".to_owned(), json!(count));
        object.extend(failed.map(|(_, failure)| ("failure".to_owned(), failure_json(failure))));
    }
    error
}
