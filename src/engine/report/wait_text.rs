//! Texts of waits and failures: lines of a service's status, parts of its document. Pure.

use serde_json::{Value as Json, json};

use super::status::{ResourceStatus, ServiceStatus};
use super::waits;
use super::waits::{PendingWait, WaitEnd};
use crate::engine::PassResult;
use crate::ledger::LastFailure;
use amarre_core::model::{Address, Millis, Readiness, Seen, Timestamp, Value};

/// The indent.
const KEY: usize = 10;
/// A time of this day needs no date.
const DAY: Millis = Millis::minutes(24 * 60);

/// How long a service waits and how that ends, below its head; nothing if a failure reports it.
pub fn wait(row: &ServiceStatus, now: Timestamp) -> String {
    let Some(waiting) = row.waiting.as_ref().filter(|_| row.resources.iter().all(|one| one.failure.is_none())) else {
        return String::new();
    };
    let mut out = String::new();
    let progress = waiting.progress(now);
    let since = waiting.since.map(|since| format!("since {}", time(since, now)));
    let waits: Vec<String> = since.into_iter().chain(progress).collect();
    if !waits.is_empty() {
        out.push_str(&format!("  {:KEY$}{}\n", "waits", waits.join(", ")));
    }
    out.push_str(&format!("  {:KEY$}{}\n", "next", next(waiting, now)));
    if row.hints.is_empty() {
        for hint in &waiting.hints {
            out.push_str(&format!("  hint: {}\n", super::hint_text(hint)));
        }
    }
    out
}

fn next(waiting: &PendingWait, now: Timestamp) -> String {
    match waiting.next {
        WaitEnd::At(at) if at <= now => "now, by itself".to_owned(),
        WaitEnd::At(at) => format!("{} by itself", time(at, now)),
        WaitEnd::WhenThere => "by itself, as soon as it is there".to_owned(),
        WaitEnd::WhenEnded => "by itself, when it has ended".to_owned(),
        WaitEnd::Again(at) => {
            let when = if at <= now { "now".to_owned() } else { time(at, now) };
            format!("{when} by itself; the same was refused before")
        }
        WaitEnd::Person(why) => format!("nothing by itself: {why}"),
    }
}

/// The failure of a container, below its line.
pub fn failure(picture: &PassResult, resource: &ResourceStatus, now: Timestamp) -> String {
    let Some(failure) = &resource.failure else { return String::new() };
    let mut lines: Vec<(&str, String)> = vec![("tried", attempts_text(failure, now))];
    if let Some(code) = failure.exit_code {
        lines.push(("exit", exit(code, restarts(picture, resource, failure))));
    }
    match last_line(failure) {
        Some(line) => lines.push(("last line", line.to_owned())),
        None => lines.push(("log", failure.log_note.clone())),
    }
    if let Some(serving) = serving(picture, &resource.address, now) {
        lines.push(("serving", serving));
    }
    lines.push(("next", format!("nothing by itself: {}", waits::why_failed(resource))));
    lines.iter().map(|(key, text)| format!("      {key:KEY$}{text}\n")).collect()
}

/// The same at the end of an `apply`, in short.
pub fn verdict(picture: &PassResult, row: &ServiceStatus, now: Timestamp) -> String {
    let Some(resource) = row.resources.iter().find(|resource| resource.failure.is_some()) else { return String::new() };
    let mut lines: Vec<(&str, String)> = Vec::new();
    lines.extend(serving(picture, &resource.address, now).map(|serving| ("still serving", serving)));
    let last = resource.failure.as_ref().and_then(last_line);
    lines.extend(last.map(|line| ("its last line", line.to_owned())));
    lines.iter().map(|(key, text)| format!("      {key:16}{text}\n")).collect()
}

/// The failure and what serves meanwhile, in one line: `immich:v1.120 not healthy after 2 min, immich:v1.119 serves`.
pub fn serving_instead(picture: &PassResult, resource: &ResourceStatus) -> Option<String> {
    let failure = resource.failure.as_ref()?;
    let (_, seen) = standing(picture, &resource.address)?;
    let (failed, serves) = (&failure.image, seen.fields.text("image").unwrap_or_default());
    let serves = if serves == failed { "the one before" } else { serves };
    Some(format!("{failed} {}; {serves} serves", failure.why))
}

/// `11:52:10 and once more at 11:56:40, in run 2311`
fn attempts_text(failure: &LastFailure, now: Timestamp) -> String {
    let (first, last) = (time(failure.first, now), time(failure.at, now));
    let when = match failure.tries {
        ..=1 => first,
        2 => format!("{first} and once more at {last}"),
        tries => format!("{tries} times, first {first}, last {last}"),
    };
    if failure.run == 0 { when } else { format!("{when}, in run {}", failure.run) }
}

fn exit(code: i64, restarts: i64) -> String {
    match restarts {
        0 => format!("code {code}"),
        1 => format!("code {code}, restarted once by Docker"),
        restarts => format!("code {code}, restarted {restarts} times by Docker"),
    }
}

/// The current count of the engine, if the container still exists.
fn restarts(picture: &PassResult, resource: &ResourceStatus, failure: &LastFailure) -> i64 {
    let seen = picture.world.seen.get(&resource.address);
    let restarts = seen.and_then(|seen| seen.fields.get("restarts")).and_then(Value::as_int);
    restarts.unwrap_or_default().max(failure.restarts)
}

/// The last line with text.
fn last_line(failure: &LastFailure) -> Option<&str> {
    failure.log.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty())
}

/// The working instance, if another than the failed one: `web:1, up 21 d, healthy`.
fn serving(picture: &PassResult, failed: &Address, now: Timestamp) -> Option<String> {
    let (_, seen) = standing(picture, failed)?;
    let started = seen.fields.get("started_at_ms").and_then(Value::as_int);
    let up = started.map(|started| format!(", up {}", now - Timestamp(started))).unwrap_or_default();
    Some(format!("{}{up}, healthy", seen.fields.text("image").unwrap_or_default()))
}

fn standing<'a>(picture: &'a PassResult, failed: &Address) -> Option<(&'a Address, &'a Seen)> {
    picture.world.seen.iter().find(|(address, seen)| {
        let is_other = address.base() == failed.base() && *address != failed;
        is_other && seen.owner.is_ours() && matches!(seen.ready, Readiness::Ready)
    })
}

/// Local: `11:52:10`, or with its day when that is another one.
pub fn time(at: Timestamp, now: Timestamp) -> String {
    let zoned = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
    let is_near = now - at < DAY && at - now < DAY;
    zoned.strftime(if is_near { "%H:%M:%S" } else { "%d %b %H:%M:%S" }).to_string()
}

/// A wait for machines.
pub fn waiting_json(waiting: &PendingWait) -> Json {
    json!({
        "what": waiting.what,
        "since": waiting.since.map(Timestamp::rfc3339),
        "limit_s": waiting.limit.map(|limit| limit.0 / 1000),
        "deadline": waiting.deadline().map(Timestamp::rfc3339),
        "job": waiting.job,
        "by_itself": !matches!(waiting.next, WaitEnd::Person(_)),
        "next_at": waiting.ends_at().map(Timestamp::rfc3339),
        "hints": waiting.hints,
    })
}

/// A failure for machines.
pub fn failure_json(failure: &LastFailure) -> Json {
    json!({
        "generation": failure.generation,
        "image": failure.image,
        "message": failure.why,
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
pub fn with_failure(mut error: Json, picture: &PassResult, row: &ServiceStatus) -> Json {
    let failed = row.resources.iter().find_map(|resource| Some((resource, resource.failure.as_ref()?)));
    let (doing, first, count) = match (failed, picture.errors.get(&row.name)) {
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
