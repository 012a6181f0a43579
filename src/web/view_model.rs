//! What pages show of services, plans and times, as values for templates. Pure.

use crate::engine::PassResult;
use crate::engine::report::service_plan::{OfService, RowNote, ServicePlanRow};
use crate::engine::report::status::{Health, ServiceStatus, Sync};
use crate::ledger::runs::Event;
use crate::words::{self, Words};
use amarre_core::model::{Hint, Language, Millis, Timestamp};
use amarre_core::plan::render::{Sign, lines, text};

/// A state: a shape, a word and a colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMark {
    /// The class with its colour: `ok`, `go`, `warn`, `bad`, `off`, `dim`, `gone`.
    pub tone: &'static str,
    /// In the language of the page.
    pub word: String,
    /// The API's word, if it is another one.
    pub title: String,
}

impl StateMark {
    /// Its icon, an SVG of 16 by 16.
    pub fn mark(&self) -> &'static str {
        mark(self.tone)
    }

    fn new(tone: &'static str, word: String, api: &str) -> Self {
        let title = if word == api { String::new() } else { api.to_owned() };
        Self { tone, word, title }
    }

    /// The sync state.
    pub fn sync(sync: Sync, words: Words) -> Self {
        let tone = match sync {
            Sync::Synced => "ok",
            Sync::OutOfSync => "warn",
            Sync::Unknown => "dim",
        };
        Self::new(tone, words.get(&format!("sync-{}", sync.word())), sync.word())
    }

    /// The health.
    pub fn health(health: Health, words: Words) -> Self {
        let tone = match health {
            Health::Healthy => "ok",
            Health::Progressing => "go",
            Health::Degraded => "bad",
            Health::Missing => "missing",
            Health::Unknown => "dim",
        };
        Self::new(tone, words.get(&format!("health-{}", health.word())), health.word())
    }

    /// Suspended.
    pub fn suspended(words: Words) -> Self {
        Self::new("off", words.get("suspended"), "Suspended")
    }
}

/// The icon of a tone. `yet` is for resources still to come, `gone` for deleted ones; `missing` has the colour of `bad`
/// and a shape of its own.
pub fn mark(tone: &str) -> &'static str {
    match tone {
        "ok" => include_str!("templates/marks/ok.svg"),
        "go" => include_str!("templates/marks/go.svg"),
        "warn" => include_str!("templates/marks/warn.svg"),
        "bad" => include_str!("templates/marks/bad.svg"),
        "missing" => include_str!("templates/marks/missing.svg"),
        "off" => include_str!("templates/marks/off.svg"),
        "gone" => include_str!("templates/marks/gone.svg"),
        "yet" => include_str!("templates/marks/yet.svg"),
        _ => include_str!("templates/marks/dim.svg"),
    }
}

/// The two states of a service; suspended ones show that they are, and so do deleted ones with data left.
pub fn states(picture: &PassResult, row: &ServiceStatus, words: Words) -> (StateMark, StateMark) {
    if row.deleted {
        let state = StateMark::new(
            "gone",
            words.get(if row.keeps_server() { "deleted-server-state" } else { "deleted-state" }),
            "",
        );
        return (state.clone(), state);
    }
    let health = match picture.facts.suspended.contains_key(&row.name) {
        true => StateMark::suspended(words),
        false => StateMark::health(row.health, words),
    };
    (StateMark::sync(row.sync, words), health)
}

/// A line of a plan: the heading of a service (`of`), a change or step, or what stands below them (`note`).
#[derive(Debug, Clone, Default)]
pub struct PlanRow {
    /// The sort of the row; empty: a change or a step.
    pub class: &'static str,
    /// `+`, `~`, `−`, `!`.
    pub sign: &'static str,
    /// Its colour.
    pub tone: &'static str,
    /// `container`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Details.
    pub detail: String,
    /// Lines below it: differences, newly reachable ports, hints of a refusal.
    pub more: Vec<Hint>,
}

/// A plan as rows: the same words in the same order as `amarre plan` has them.
pub fn plan(plans: &[(String, OfService)], words: Words) -> Vec<PlanRow> {
    let mut is_guard_told = false;
    let mut rows = Vec::new();
    for (name, plan) in plans {
        let (sign, tone) = sign(plan.sign);
        let tone = if plan.is_down { "warn" } else { tone };
        let (name, detail) = (name.clone(), plan.headline.clone());
        rows.push(PlanRow { class: "of", sign, tone, name, detail, ..PlanRow::default() });
        for row in &plan.rows {
            let is_told = row.is_guarded() && std::mem::replace(&mut is_guard_told, true);
            rows.push(plan_row(row, is_told, words));
        }
        rows.extend(plan.notes.iter().map(|note| PlanRow {
            class: "note",
            more: note_hints(note, words),
            ..PlanRow::default()
        }));
    }
    rows
}

fn note_hints(note: &RowNote, words: Words) -> Vec<Hint> {
    match note {
        RowNote::WhyStopFirst(why) => vec![Hint::text(words.with("plan-why-stop-first", "why", why))],
        RowNote::Kept(kept, purge) => vec![Hint::text(words.with("plan-kept", "what", kept)), purge.clone()],
    }
}

fn sign(sign: Sign) -> (&'static str, &'static str) {
    match sign {
        Sign::Create | Sign::Adopt => ("+", "ok"),
        Sign::Update => ("~", "warn"),
        Sign::Recreate => ("±", "warn"),
        Sign::Delete | Sign::Release => ("−", "bad"),
        Sign::Refuse | Sign::Failed => ("!", "bad"),
        Sign::Step => ("…", "go"),
        Sign::Done => ("✓", "ok"),
    }
}

/// `is_told`: an earlier row has already shown the guard's message.
fn plan_row(row: &ServicePlanRow, is_told: bool, words: Words) -> PlanRow {
    let (sign, tone) = if row.is_held { ("·", "dim") } else { sign(row.sign) };
    let differs = row.diff.iter().map(|(field, values)| match values {
        Some((from, to)) => format!("{field}: {from} → {to}"),
        None => format!("{field}: {}", words.get("plan-sensitive")),
    });
    let refusal = row.refusal.as_ref().filter(|_| row.explains && !is_told);
    let guard = refusal.filter(|refusal| refusal.is_guard()).map(|guard| words.say(&guard.message));
    let found = refusal.into_iter().flat_map(|refusal| &refusal.found).map(|(what, value)| format!("{what}: {value}"));
    let texts = differs.chain(row.below.iter().cloned()).chain(guard).chain(found).map(Hint::text);
    let more = texts.chain(refusal.into_iter().flat_map(|refusal| refusal.hints.iter().cloned())).collect();
    let text::Columns { kind, name, detail } = row.columns.clone();
    let kind = words.kind(&kind);
    let detail = refused_detail(row, &kind, words).unwrap_or(detail);
    PlanRow { class: "", sign, tone, kind, name, detail, more }
}

/// Why a row is refused, without the kind and the name, which stand in its columns. English has it in the row itself.
fn refused_detail(row: &ServicePlanRow, kind: &str, words: Words) -> Option<String> {
    let refusal = row.refusal.as_ref().filter(|refusal| !refusal.is_guard() && !refusal.is_report())?;
    if words.0 == Language::En || row.is_held {
        return None;
    }
    let said = words.say(&refusal.message);
    let begins = ["", "le ", "la ", "l’"].map(|article| format!("{article}{kind} {} ", row.columns.name));
    let rest = begins.iter().find_map(|begin| said.strip_prefix(begin));
    Some(rest.map_or(said.clone(), |rest| rest.trim_start_matches([':', '\u{a0}', ' ']).to_owned()))
}

/// `3 to create, 1 refused`.
pub fn summary(plans: &[(String, OfService)], words: Words) -> String {
    let rows = || plans.iter().flat_map(|(_, plan)| &plan.rows);
    let count = |signs: &[Sign]| rows().filter(|row| !row.is_held && signs.contains(&row.sign)).count();
    let parts = [
        ("plan-create", count(&[Sign::Create, Sign::Adopt])),
        ("plan-update", count(&[Sign::Update, Sign::Recreate])),
        ("plan-delete", count(&[Sign::Delete, Sign::Release])),
        ("plan-refused", count(&[Sign::Refuse, Sign::Failed])),
    ];
    let parts: Vec<String> = parts.iter().filter(|(_, n)| *n > 0).map(|(key, n)| words.count(key, n)).collect();
    if parts.is_empty() { words.get("plan-nothing") } else { parts.join(", ") }
}

/// An event in one line.
pub fn event(event: &Event, words: Words) -> String {
    let (kind, said) = (words.event(&event.kind), words.say(&event.text));
    match &event.address {
        Some(address) => {
            format!("{kind} {} {}: {said}", words.kind(&address.kind.label()), lines::name(address, None))
        }
        None => format!("{kind}: {said}"),
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

/// `20:00` of today, `tomorrow 08:00`, else `Mon 30 Nov 08:00`, in a time zone; an empty one is this machine's.
pub fn when(at: Timestamp, now: Timestamp, zone: &str, words: Words) -> String {
    let zone = jiff::tz::TimeZone::get(zone).unwrap_or_else(|_| jiff::tz::TimeZone::system());
    let local = |at: Timestamp| jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(zone.clone());
    let (at, today) = (local(at), local(now).date());
    let clock = at.strftime("%H:%M").to_string();
    match at.date() {
        date if date == today => clock,
        date if Some(date) == today.tomorrow().ok() => words.with("when-tomorrow", "time", &clock),
        date if Some(date) == today.yesterday().ok() => words.with("when-yesterday", "time", &clock),
        date => format!("{} {clock}", short_date(date, words.0)),
    }
}

/// `Mon 30 Nov`, `lun. 30 nov.`.
pub fn short_date(date: jiff::civil::Date, language: Language) -> String {
    let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
    let day = weekdays(language)[weekday];
    match (language, date.day()) {
        (Language::En, _) => date.strftime("%a %-d %b").to_string(),
        (Language::Fr, 1) => format!("{day} 1er {}", words::month(date.month())),
        (Language::Fr, of) => format!("{day} {of} {}", words::month(date.month())),
    }
}

/// The days of a week from Monday on, in short.
pub const fn weekdays(language: Language) -> [&'static str; 7] {
    match language {
        Language::En => ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
        Language::Fr => ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."],
    }
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
    use amarre_core::model::Code;

    use super::*;
    use amarre_core::model::Refusal;
    use amarre_core::plan::render::text::Columns;

    #[test]
    fn a_span_has_one_unit() {
        let spans = [0, 59_999, 60_000, 3_599_000, 3_600_000, 172_799_000, 172_800_000, -5].map(|ms| span(Millis(ms)));
        let spans = spans.map(|span| span.replace('\u{a0}', " "));
        assert_eq!(spans, ["0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 d", "0 s"]);
    }

    #[test]
    fn an_instant_is_said_by_its_day() {
        let at = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let now = at("2026-11-26T22:30:00Z");
        let said = |text: &str, language| when(at(text), now, "Europe/Paris", Words(language));
        for (text, en, fr) in [
            ("2026-11-26T19:00:00Z", "20:00", "20:00"),
            ("2026-11-26T23:30:00Z", "tomorrow 00:30", "demain 00:30"),
            ("2026-11-25T19:00:00Z", "yesterday 20:00", "hier 20:00"),
            ("2026-11-30T07:00:00Z", "Mon 30 Nov 08:00", "lun. 30 nov. 08:00"),
            ("2026-12-01T07:00:00Z", "Tue 1 Dec 08:00", "mar. 1er déc. 08:00"),
        ] {
            assert_eq!([said(text, Language::En), said(text, Language::Fr)], [en, fr], "{text}");
        }
    }

    #[test]
    fn what_the_guard_says_is_shown_once() {
        let refusal = Refusal {
            code: Code::A0431,
            message: "this plan deletes 15 records of one service at once".into(),
            found: Vec::new(),
            hints: vec![Hint::command("if you mean it", "amarre apply --confirm-deletes=15")],
        };
        let columns = |name: &str| Columns {
            kind: "record".to_owned(),
            name: name.to_owned(),
            detail: "held by the guard".to_owned(),
        };
        let row = |name: &str| ServicePlanRow {
            sign: Sign::Refuse,
            is_held: false,
            columns: columns(name),
            diff: Vec::new(),
            below: Vec::new(),
            refusal: Some(refusal.clone()),
            explains: true,
        };
        let plan_of = |rows| OfService {
            sign: Sign::Refuse,
            headline: "in part held by the guard, A0431".to_owned(),
            is_down: false,
            rows,
            notes: Vec::new(),
        };
        let plans = [("web".to_owned(), plan_of(vec![row("a"), row("b")])), ("x".to_owned(), plan_of(vec![row("c")]))];
        let rows = plan(&plans, Words(Language::En));
        let classes: Vec<&str> = rows.iter().map(|row| row.class).collect();
        assert_eq!(classes, ["of", "", "", "of", ""]);
        let hint = Hint::command("if you mean it", "amarre apply --confirm-deletes=15");
        let message = Hint::text("this plan deletes 15 records of one service at once");
        assert_eq!(rows[1].more, [message, hint]);
        assert_eq!((&rows[2].more, &rows[4].more), (&Vec::new(), &Vec::new()));
    }

    #[test]
    fn a_path_in_a_query_is_encoded() {
        assert_eq!(encoded("/services/a?b=c&d=é"), "/services/a%3Fb%3Dc%26d%3D%C3%A9");
    }
}
