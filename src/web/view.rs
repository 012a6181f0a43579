//! What pages show of services, plans and times, as values that templates only have to write down. Pure.

use super::words::Words;
use crate::engine::Picture;
use crate::engine::planned::PlanLine;
use crate::engine::status::{Health, ServiceStatus, Sync};
use crate::model::{Hint, Millis, Refusal, Timestamp};
use crate::plan::render::{Sign, lines};
use crate::store::journal::Event;

/// A state: a shape, a word and a colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The class with its colour: `ok`, `go`, `warn`, `bad`, `off`, `dim`.
    pub tone: &'static str,
    /// In the language of the page.
    pub word: String,
    /// As the API says it, where that is another word.
    pub title: String,
}

impl State {
    /// Its mark, an SVG of 16 by 16.
    pub fn mark(&self) -> &'static str {
        mark(self.tone)
    }

    fn new(tone: &'static str, word: String, api: &str) -> Self {
        let title = if word == api { String::new() } else { api.to_owned() };
        Self { tone, word, title }
    }

    /// Whether the world is as wanted.
    pub fn sync(sync: Sync, words: Words) -> Self {
        let tone = match sync {
            Sync::Synced => "ok",
            Sync::OutOfSync => "warn",
            Sync::Unknown => "dim",
        };
        Self::new(tone, words.of(&format!("sync-{}", sync.word())), sync.word())
    }

    /// Whether it works.
    pub fn health(health: Health, words: Words) -> Self {
        let tone = match health {
            Health::Healthy => "ok",
            Health::Progressing => "go",
            Health::Degraded => "bad",
            Health::Missing => "missing",
            Health::Unknown => "dim",
        };
        Self::new(tone, words.of(&format!("health-{}", health.word())), health.word())
    }

    /// It is left alone.
    pub fn suspended(words: Words) -> Self {
        Self::new("off", words.of("suspended"), "Suspended")
    }
}

/// The mark of a tone. `missing` has the colour of `bad` and a shape of its own.
pub fn mark(tone: &str) -> &'static str {
    match tone {
        "ok" => include_str!("templates/marks/ok.svg"),
        "go" => include_str!("templates/marks/go.svg"),
        "warn" => include_str!("templates/marks/warn.svg"),
        "bad" => include_str!("templates/marks/bad.svg"),
        "missing" => include_str!("templates/marks/missing.svg"),
        "off" => include_str!("templates/marks/off.svg"),
        _ => include_str!("templates/marks/dim.svg"),
    }
}

/// How a service is, in two states; suspended ones show that they are.
pub fn states(picture: &Picture, row: &ServiceStatus, words: Words) -> (State, State) {
    let health = match picture.facts.suspended.contains_key(&row.name) {
        true => State::suspended(words),
        false => State::health(row.health, words),
    };
    (State::sync(row.sync, words), health)
}

/// A line of a plan.
#[derive(Debug, Clone)]
pub struct PlanRow {
    /// `+`, `~`, `−`, `!`.
    pub sign: &'static str,
    /// Its colour.
    pub tone: &'static str,
    /// `container`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What is worth knowing.
    pub detail: String,
    /// Lines below it: what differs, what becomes reachable, how a refusal is settled.
    pub more: Vec<String>,
}

/// A plan as rows.
pub fn plan(lines: &[PlanLine], words: Words) -> Vec<PlanRow> {
    let mut is_guard_told = false;
    let row = |line: &PlanLine| {
        let guard = line.refusal.as_ref().filter(|refusal| refusal.is_guard());
        let is_told = guard.is_some() && std::mem::replace(&mut is_guard_told, true);
        plan_row(line, guard.map(|guard| (guard, is_told)), words)
    };
    lines.iter().map(row).collect()
}

/// `guard`: what it says of a line that it holds, and whether a line before has told it.
fn plan_row(line: &PlanLine, guard: Option<(&Refusal, bool)>, words: Words) -> PlanRow {
    let (sign, tone) = match line.sign {
        _ if line.is_held => ("·", "dim"),
        Sign::Create | Sign::Adopt => ("+", "ok"),
        Sign::Update => ("~", "warn"),
        Sign::Recreate => ("±", "warn"),
        Sign::Delete | Sign::Release => ("−", "bad"),
        Sign::Refuse | Sign::Failed => ("!", "bad"),
        Sign::Step => ("…", "go"),
        Sign::Done => ("✓", "ok"),
    };
    let differs = line.diff.iter().map(|(field, from, to)| format!("{field}: {from} → {to}"));
    let is_told = guard.is_some_and(|(_, is_told)| is_told);
    let hints = line.refusal.iter().filter(|_| !is_told).flat_map(|refusal| &refusal.hints).map(Hint::in_line);
    let guard = guard.filter(|_| !is_told).map(|(guard, _)| guard.message.clone());
    let more = differs.chain(line.exposes.iter().cloned()).chain(guard).chain(hints).collect();
    let columns = line.columns.clone();
    PlanRow { sign, tone, kind: words.kind(&columns.kind), name: columns.name, detail: columns.detail, more }
}

/// `3 to create, 1 refused`.
pub fn summary(lines: &[PlanLine], words: Words) -> String {
    let count = |signs: &[Sign]| lines.iter().filter(|line| !line.is_held && signs.contains(&line.sign)).count();
    let parts = [
        ("plan-create", count(&[Sign::Create, Sign::Adopt])),
        ("plan-update", count(&[Sign::Update, Sign::Recreate])),
        ("plan-delete", count(&[Sign::Delete, Sign::Release])),
        ("plan-refused", count(&[Sign::Refuse, Sign::Failed])),
    ];
    let parts: Vec<String> = parts.iter().filter(|(_, n)| *n > 0).map(|(key, n)| words.count(key, n)).collect();
    if parts.is_empty() { words.of("plan-nothing") } else { parts.join(", ") }
}

/// What happened, in one line.
pub fn event(event: &Event) -> String {
    match &event.address {
        Some(address) => {
            format!("{} {} {}: {}", event.kind, address.kind.label(), lines::name(address, None), event.text)
        }
        None => format!("{}: {}", event.kind, event.text),
    }
}

/// `3 s`, `12 min`, `4 h`, `21 d`: one unit, for columns.
pub fn span(span: Millis) -> String {
    let seconds = span.0.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}\u{a0}s"),
        60..3600 => format!("{}\u{a0}min", seconds / 60),
        3600..172_800 => format!("{}\u{a0}h", seconds / 3600),
        _ => format!("{}\u{a0}d", seconds / 86_400),
    }
}

/// `11:58:02`, in the machine's own zone.
pub fn clock(at: Timestamp) -> String {
    local(at, "%H:%M:%S")
}

/// `2026-11-20 11:58`.
pub fn day(at: Timestamp) -> String {
    local(at, "%Y-%m-%d %H:%M")
}

/// `11:58:02` of today, else `2026-11-20`.
pub fn moment(at: Timestamp, now: Timestamp) -> String {
    let day = |at| local(at, "%Y-%m-%d");
    if day(at) == day(now) { clock(at) } else { day(at) }
}

fn local(at: Timestamp, form: &str) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::system()).strftime(form).to_string()
}

/// A text as part of a URL's query.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::render::text::Columns;
    use crate::web::words::Language;

    #[test]
    fn a_span_has_one_unit() {
        let spans = [0, 59_999, 60_000, 3_599_000, 3_600_000, 172_799_000, 172_800_000, -5].map(|ms| span(Millis(ms)));
        let spans = spans.map(|span| span.replace('\u{a0}', " "));
        assert_eq!(spans, ["0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 d", "0 s"]);
    }

    #[test]
    fn what_the_guard_says_is_shown_once() {
        let refusal = Refusal {
            code: "A0431".to_owned(),
            message: "this plan deletes 15 records of one service at once".to_owned(),
            found: Vec::new(),
            hints: vec![Hint::command("if you mean it", "amarre apply --confirm-deletes=15")],
        };
        let columns = |name: &str| Columns {
            kind: "record".to_owned(),
            name: name.to_owned(),
            detail: "held by the guard".to_owned(),
        };
        let line = |name: &str| PlanLine {
            sign: Sign::Refuse,
            is_held: false,
            columns: columns(name),
            diff: Vec::new(),
            exposes: Vec::new(),
            refusal: Some(refusal.clone()),
        };
        let rows = plan(&[line("a"), line("b")], Words(Language::En));
        let said = [
            "this plan deletes 15 records of one service at once",
            "if you mean it: amarre apply --confirm-deletes=15",
        ];
        assert_eq!(rows[0].more, said);
        assert_eq!(rows[1].more, [""; 0]);
    }

    #[test]
    fn a_path_in_a_query_is_encoded() {
        assert_eq!(encoded("/services/a?b=c&d=é"), "/services/a%3Fb%3Dc%26d%3D%C3%A9");
    }
}
