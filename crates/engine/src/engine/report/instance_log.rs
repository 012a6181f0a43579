//! The log of an instance: what was asked and done, which requests that took, and how its status changed meanwhile. Pure.

use serde_json::{Value as Json, json};

use super::instances::InstanceRow;
use super::{exact_time_in, insert};
use crate::ledger::LogLine;
use crate::ledger::runs::Event;
use crate::words::{Words, say};
use amarre_core::model::{Text, Timestamp};
use amarre_core::plan::render::{Style, Tone};
use amarre_core::text;

/// A line that is shown: when, of which kind, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownLine {
    /// When it was known.
    pub at: Timestamp,
    /// `request`, `status`, or the kind of an event.
    pub kind: String,
    /// What happened.
    pub text: Text,
}

/// The last lines of both, the oldest first.
pub fn merged(events: Vec<Event>, log: Vec<LogLine>, limit: usize) -> Vec<ShownLine> {
    let logged = log.into_iter().map(|line| ShownLine {
        at: line.at,
        kind: line.kind.word().to_owned(),
        text: Text::foreign(line.text),
    });
    let events = events.into_iter().map(|event| ShownLine { at: event.at, kind: event.kind, text: event.text });
    let mut lines: Vec<ShownLine> = logged.chain(events).collect();
    lines.sort_by_key(|line| line.at);
    lines.split_off(lines.len().saturating_sub(limit))
}

/// What no vendor that is known gives.
pub fn lacks() -> Text {
    text!("what the instance itself prints is not here: its vendor has no call for that")
}

/// As text, with what goes on now; in a time zone, an empty one is this machine's.
pub fn text(row: &InstanceRow, lines: &[ShownLine], zone: &str, style: Style) -> String {
    let words = Words(style.language);
    let mut out = String::new();
    if lines.is_empty() {
        out.push_str(&say(&text!("nothing was asked of it, and its status has not changed"), style.language));
        out.push('\n');
    }
    for line in lines {
        let kind = style.paint(Tone::Dim, &format!("{:13}", words.event(&line.kind)));
        let at = exact_time_in(line.at, zone, style.language);
        out.push_str(&format!("{at}  {kind} {}\n", words.say_in(&line.text, zone)));
    }
    if let Some(work) = &row.work {
        let what = work.text(&row.status);
        out.push_str(&words.say_in(&text!("under way: {what}", what), zone));
        out.push('\n');
    }
    out.push_str(&style.paint(Tone::Dim, &say(&lacks(), style.language)));
    out.push('\n');
    out
}

/// As a document. `console` is what the instance itself prints; null: its vendor does not give it.
pub fn document(row: &InstanceRow, lines: &[ShownLine]) -> Json {
    let line = |line: &ShownLine| {
        let mut document = json!({"at": line.at.rfc3339(), "kind": line.kind});
        insert(&mut document, &line.text, "text");
        document
    };
    json!({
        "schema": "amarre.instance_log/v1", "name": row.name, "id": row.id,
        "lines": lines.iter().map(line).collect::<Vec<_>>(), "console": null,
    })
}
