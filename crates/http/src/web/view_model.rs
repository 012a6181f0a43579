//! What pages show of services, plans and times, as values for templates. Pure.

use super::marks;
use super::page_text::PageText;
use crate::engine::PassView;
use crate::engine::reconcile::upstream_probe;
use crate::engine::report::countdown;
use crate::engine::report::countdown::CountFrom;
use crate::engine::report::leftovers::Leftover;
use crate::engine::report::service_plan::{RowNote, ServicePlan, ServicePlanRow};
use crate::engine::report::status::{Health, ServiceStatus, Sync};
use crate::ledger::runs::Event;
use crate::words::{self, Words};
use amarre_core::model::plan::ReasonCode;
use amarre_core::model::service::Target;
use amarre_core::model::{Address, Hint, Kind, Language, Millis, Text, Timestamp};
use amarre_core::plan::render::{Sign, lines, text};

/// The length of a shown digest.
const DIGEST_LETTERS: usize = 12;

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
    pub fn mark(&self) -> &'static str {
        marks::tone(self.tone)
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

/// The two states of a service; suspended ones show that they are, and so do deleted ones with data left.
pub fn states(pass: &PassView, row: &ServiceStatus, words: Words) -> (StateMark, StateMark) {
    if row.deleted {
        let state = StateMark::new(
            "gone",
            words.get(match row.leftover() {
                Some(Leftover::Server) => "deleted-server-state",
                Some(Leftover::Certificate) => "deleted-certificate-state",
                Some(Leftover::Data) | None => "deleted-state",
            }),
            "",
        );
        return (state.clone(), state);
    }
    let health = if pass.facts.suspended.contains_key(&row.name) {
        StateMark::suspended(words)
    } else {
        StateMark::health(row.health, words)
    };
    (StateMark::sync(row.sync, words), health)
}

/// A sentence that counts while a page is open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// The sentence at this moment.
    pub text: String,
    /// The instant that it counts to or from; `None`: it does not count.
    pub at: Option<i64>,
    /// The sentence with `{}` in place of the time.
    pub form: String,
    /// Whether it counts to that instant.
    pub is_until: bool,
}

/// A span that no sentence has: where it is said, there the time goes.
const PLACEHOLDER_DAYS: i64 = 987_654;

impl Counted {
    /// One that does not count.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A sentence with its clock.
    pub fn new(what: &Text, clock: Option<CountFrom>, now: Timestamp, words: Words) -> Self {
        let say = |now| words.say(&countdown::with_time(what, clock, now));
        let text = say(now);
        let (at, is_until, sample) = match clock {
            None => return Self::plain(text),
            Some(CountFrom::Until(_, at)) => (at, true, Timestamp(at.0 - PLACEHOLDER_DAYS * DAY_MS)),
            Some(CountFrom::For(at) | CountFrom::Up(at)) => (at, false, Timestamp(at.0 + PLACEHOLDER_DAYS * DAY_MS)),
        };
        let sample = say(sample);
        // After the number come a space and the unit.
        let number = PLACEHOLDER_DAYS.to_string();
        let Some((before, rest)) = sample.split_once(&number) else { return Self::plain(text) };
        let after: String = rest.chars().skip(2).collect();
        Self { text, at: Some(at.0), form: format!("{before}{{}}{after}"), is_until }
    }
}

const DAY_MS: i64 = Millis::minutes(24 * 60).0;

/// A line of a plan: the heading of a service (`of`), a change or step, or what stands below them (`note`).
#[derive(Debug, Clone, Default)]
pub struct PlanRow {
    /// The sort of the row; empty: a change or a step.
    pub class: &'static str,
    /// `+`, `~`, `−`, `!`.
    pub sign: &'static str,
    pub tone: &'static str,
    /// `container`.
    pub kind: String,
    pub name: String,
    pub detail: String,
    /// Lines below it: differences, newly reachable ports, hints of a refusal.
    pub more: Vec<Hint>,
}

/// A plan as rows: the same words in the same order as `amarre plan` has them.
pub fn plan(plans: &[(String, ServicePlan)], words: Words) -> Vec<PlanRow> {
    let mut is_guard_told = false;
    let mut rows = Vec::new();
    for (name, plan) in plans {
        let (sign, tone) = sign(plan.sign);
        let tone = if plan.is_down { "warn" } else { tone };
        let (name, detail) = (name.clone(), words.say(&plan.headline));
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
        RowNote::WhyStopFirst(why) => vec![Hint::text(words.with("plan-why-stop-first", "why", &words.say(why)))],
        RowNote::Kept(kept, purge) => {
            vec![Hint::text(words.with("plan-kept", "what", &words.say(kept))), purge.clone()]
        }
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
    let found = refusal.into_iter().flat_map(|refusal| &refusal.found);
    let found = found.map(|(what, value)| words.pair(&words.say(what), &words.say(value)));
    let texts = differs.chain(row.below.iter().map(|text| words.say(text))).chain(guard).chain(found).map(Hint::text);
    let more = texts.chain(refusal.into_iter().flat_map(|refusal| refusal.hints.iter().cloned())).collect();
    let text::Columns { kind, name, detail } = row.columns.clone();
    let (kind, name) = (words.kind(&kind), words.say(&name));
    let detail = refused_detail(row, &kind, words).unwrap_or_else(|| words.say(&detail));
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
pub fn summary(plans: &[(String, ServicePlan)], words: Words) -> String {
    let rows = || plans.iter().flat_map(|(_, plan)| &plan.rows);
    let has_failed = |row: &&ServicePlanRow| row.refusal.as_ref().is_some_and(|refusal| refusal.is_failure());
    let live = || rows().filter(|row| !row.is_held);
    let count = |signs: &[Sign]| live().filter(|row| signs.contains(&row.sign)).filter(|row| !has_failed(row)).count();
    let parts = [
        ("plan-create", count(&[Sign::Create, Sign::Adopt])),
        ("plan-update", count(&[Sign::Update, Sign::Recreate])),
        ("plan-delete", count(&[Sign::Delete, Sign::Release])),
        ("plan-refused", count(&[Sign::Refuse, Sign::Failed])),
        ("plan-failed", live().filter(has_failed).count()),
    ];
    let parts: Vec<String> = parts.iter().filter(|(_, n)| *n > 0).map(|(key, n)| words.count(key, n)).collect();
    if parts.is_empty() { words.get("plan-nothing") } else { parts.join(", ") }
}

/// An event in one line.
pub fn event(event: &Event, words: Words) -> String {
    let what = match &event.address {
        Some(address) => {
            let name = words.say(&lines::name_text(address, None));
            words.event_of(&event.kind, &address.kind.label(), &name)
        }
        None => words.event(&event.kind),
    };
    words.pair(&what, &words.say(&event.text))
}

/// The mark of an event. What was changed because an update failed is no success.
pub fn event_mark(event: &Event) -> &'static str {
    let is_retreat = event.reason.as_deref() == Some(ReasonCode::Rollback.word());
    marks::tone(match event.kind.as_str() {
        "failed" | "refused" | "degraded" => "bad",
        "drift" => "warn",
        "suspended" => "off",
        "created" | "updated" | "deleted" | "performed" if is_retreat => "warn",
        "created" | "updated" | "deleted" | "performed" => "ok",
        _ => "info",
    })
}

/// The image of a service's main container, without its registry: `immich-app/immich-server:v1.120`. Of two containers of an
/// update, that of the one that serves; of a suspended service, that of what is there.
pub fn image_of(pass: &PassView, service: &str) -> Option<String> {
    let manifest = pass.services.get(service)?;
    let routed = manifest.routes.iter().flat_map(|route| route.targets()).find_map(|target| match target {
        Target::Container { key, .. } => manifest.containers.get_key_value(key),
        Target::Url { .. } | Target::Instance { .. } => None,
    });
    let (key, container) = routed.or_else(|| manifest.containers.iter().next())?;
    let name = manifest.address_name(key);
    let is_its = |address: &&Address| address.kind == Kind::Container && address.name == name;
    let hosts = pass.statuses().get(service)?.resources.iter().map(|one| &one.address);
    let hosts: Vec<&Address> = hosts.filter(|address| address.kind.traits().forwards).collect();
    let serves = |address: &&Address| hosts.iter().any(|host| upstream_probe::leads_to(pass, host, address));
    let seen = || pass.world.seen.keys().filter(is_its);
    let is_suspended = pass.facts.suspended.contains_key(service);
    let shown = seen().find(serves).or_else(|| seen().next().filter(|_| is_suspended));
    let image = shown.and_then(|address| pass.world.seen.get(address)?.fields.text("image"));
    let wanted = Some(container.image.as_str()).filter(|_| !is_suspended);
    image.or(wanted).map(short_image).filter(|image| !image.is_empty())
}

/// An image without its registry, and with the begin of its digest. Its owner stays: many have an image called `server`.
pub fn short_image(image: &str) -> String {
    let is_registry = |part: &str| part == "localhost" || part.contains(['.', ':']);
    let path = image.split_once('/').filter(|(first, _)| is_registry(first)).map_or(image, |(_, path)| path);
    let path = path.strip_prefix("library/").unwrap_or(path);
    match path.split_once("@sha256:") {
        Some((name, digest)) => format!("{name}@{}", digest.chars().take(DIGEST_LETTERS).collect::<String>()),
        None => path.to_owned(),
    }
}

/// A name that may be broken at its dots, slashes and lines, as HTML.
pub fn breakable(name: &str) -> String {
    PageText::escaped(name).replace('.', "<wbr>.").replace('/', "/<wbr>").replace('_', "_<wbr>")
}

/// A sentence as HTML: what stands between backticks is code.
pub fn with_code(text: &str) -> String {
    let escaped = PageText::escaped(text);
    let parts: Vec<&str> = escaped.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escaped;
    }
    let part = |(at, part): (usize, &&str)| match at % 2 {
        0 => (*part).to_owned(),
        _ => format!("<code>{part}</code>"),
    };
    parts.iter().enumerate().map(part).collect()
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

/// How long something took that has ended: `less than 1 s`, `3 s`.
pub fn took(took: Millis, words: Words) -> String {
    if took < Millis::seconds(1) { words.get("step-instant") } else { span(took) }
}

/// `11:58:02`, in the machine's own zone.
pub fn clock(at: Timestamp) -> String {
    clock_in(at, "")
}

/// The same in a time zone; an empty one is this machine's.
pub fn clock_in(at: Timestamp, zone: &str) -> String {
    words::local(at, zone).strftime("%H:%M:%S").to_string()
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
    let (at, today) = (words::local(at, zone), words::local(now, zone).date());
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
    words::local(at, "").strftime(form).to_string()
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
    fn the_audit_log_has_words_for_every_verb() {
        for verb in crate::engine::commands::verbs::VERBS {
            let said = Words(Language::Fr).action(verb.word);
            assert_ne!(said, verb.word.replace('_', " "), "{}", verb.word);
        }
    }

    #[test]
    fn an_image_loses_its_registry_and_keeps_its_owner() {
        let digest = format!("docker.io/library/redis:7@sha256:{}", "0123456789abcdef".repeat(4));
        for (image, short) in [
            ("vaultwarden/server:1.32.7", "vaultwarden/server:1.32.7"),
            ("ghcr.io/immich-app/immich-server:v1.120", "immich-app/immich-server:v1.120"),
            ("localhost:5000/shop:2", "shop:2"),
            ("docker.io/library/nginx:1.27", "nginx:1.27"),
            ("web:1", "web:1"),
            (digest.as_str(), "redis:7@0123456789ab"),
        ] {
            assert_eq!(short_image(image), short, "{image}");
        }
    }

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
        let columns =
            |name: &str| Columns { kind: "record".to_owned(), name: name.into(), detail: "held by the guard".into() };
        let row = |name: &str| ServicePlanRow {
            sign: Sign::Refuse,
            is_held: false,
            columns: columns(name),
            diff: Vec::new(),
            below: Vec::new(),
            refusal: Some(refusal.clone()),
            explains: true,
        };
        let plan_of = |rows| ServicePlan {
            sign: Sign::Refuse,
            headline: "in part held by the guard, A0431".into(),
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
    fn a_sentence_with_a_clock_says_where_its_time_stands() {
        let now = Timestamp(1_000_000);
        let counted = |clock, language| Counted::new(&Text::foreign("it"), clock, now, Words(language));
        let until = CountFrom::Until(countdown::Then::GoesOn, Timestamp(1_026_000));
        for (clock, language, form) in [
            (until, Language::En, "it; goes on in {}"),
            (until, Language::Fr, "it ; reprise dans {}"),
            (CountFrom::Up(Timestamp(0)), Language::En, "it, up {}"),
        ] {
            let counted = counted(Some(clock), language);
            assert_eq!(counted.form.replace('\u{a0}', " "), form);
            assert_eq!(counted.is_until, matches!(clock, CountFrom::Until(..)));
            assert!(!counted.text.contains("{}"), "{counted:?}");
        }
        assert_eq!(counted(None, Language::En), Counted::plain("it"));
    }

    #[test]
    fn a_path_in_a_query_is_encoded() {
        assert_eq!(encoded("/services/a?b=c&d=é"), "/services/a%3Fb%3Dc%26d%3D%C3%A9");
    }

    #[test]
    fn what_stands_between_backticks_is_code() {
        assert_eq!(
            with_code("take `mode: report` out of `<file>`"),
            "take <code>mode: report</code> out of <code>&#60;file&#62;</code>"
        );
        assert_eq!(with_code("one ` alone"), "one ` alone");
    }
}
