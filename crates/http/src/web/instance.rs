//! One server at a cloud: its power and who may switch it, its week, what was asked of it, what is known of it.

use std::cmp::Reverse;

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};

use super::asked_instance::found;
use super::instance_view::{self, DEEDS, Offer, PowerChip};
use super::instances::{asked, carry_out, here};
use super::timetable::WeekForm;
use super::{
    Flash, FormFields, From, PageFrame, PageOutcome, RequestContext, Web, authorize_form, marks, page, problem,
    redirect, view_model,
};
use crate::accounts::Role;
use crate::engine::PassView;
use crate::engine::commands::Act;
use crate::engine::commands::act::Confirm;
use crate::engine::commands::instance_answers::{LOG_LINES, log_lines, read_prices};
use crate::engine::commands::instances::{ASKED, InstanceDeed, why_not};
use crate::engine::report::instance_log;
use crate::engine::report::instances::{self, InstanceRow, InstanceState};
use crate::ledger::PastAction;
use crate::ledger::runs::{Event, EventFilter};
use crate::server;
use crate::words::{self, Words};
use amarre_core::model::power::{Cause, Power, PowerRule};
use amarre_core::model::savings::ServerPrices;
use amarre_core::model::{Code, Hint, Millis, Timestamp};
use amarre_core::plan::render::Style;

/// The rows of the history.
const HISTORY_ROWS: usize = 25;
/// What is read of the ledger for them.
const HISTORY_READ: u32 = 50;
/// The family that bills what is stopped as it bills what runs, also before its prices are read.
const BILLS_STOPPED: &str = "ovh-cloud";
const HOUR: Millis = Millis::minutes(60);

#[derive(Template)]
#[template(path = "instance.html")]
struct InstancePage {
    frame: PageFrame,
    path: String,
    shown: String,
    about: String,
    chip: PowerChip,
    is_dim: bool,
    tags: Vec<String>,
    place: String,
    /// What a person has to know first.
    banners: Vec<Banner>,
    first: Option<Offer>,
    offers: Vec<Offer>,
    /// The links to the pages that ask first.
    asks: Vec<Offer>,
    /// How long it holds: value, text.
    holds: Vec<(&'static str, String)>,
    skip: Option<(&'static str, String)>,
    may_act: bool,
    week: WeekForm,
    may_edit: bool,
    history: Vec<HistoryRow>,
    /// Requests and changes of status.
    log: String,
    facts: Vec<(String, String, bool)>,
}

/// A message above the panels.
struct Banner {
    tone: &'static str,
    text: String,
    code: String,
    /// The verb of its button, and its label.
    button: Option<(&'static str, String)>,
    /// The label of the button that leads to a timetable which shelves.
    shelves: Option<String>,
}

impl Banner {
    fn mark(&self) -> &'static str {
        if self.tone == "bad" { marks::tone(self.tone) } else { marks::tone("info") }
    }
}

/// What happened to a server.
struct HistoryRow {
    tone: &'static str,
    what: String,
    who: String,
    at: Timestamp,
    when: String,
    took: String,
}

impl HistoryRow {
    fn mark(&self) -> &'static str {
        marks::tone(self.tone)
    }
}

/// `GET /instances/{name}`
pub async fn show(State(web): State<Web>, headers: HeaderMap, Path(name): Path<String>) -> PageOutcome {
    let visitor = RequestContext::new(&headers, &web).await;
    // No page waits for a vendor.
    server::spawn_detached(read_prices(web.handle.clone()));
    let pass = web.handle.last_pass().0;
    let row = found(&web, &visitor, &pass, &name).await?;
    Ok(page(&shown(&web, &visitor, &pass, &row).await))
}

async fn shown(web: &Web, visitor: &RequestContext, pass: &PassView, row: &InstanceRow) -> InstancePage {
    let (words, now, path) = (visitor.words, web.handle.now(), instance_view::path(&row.name));
    let frame = PageFrame::new(web, visitor, "instances", row.shown_name().to_owned(), path.clone()).await;
    let frame = frame.with_clock_in(web, instance_view::zone(row));
    let switch = Offer::new(pass, row, instance_view::switch(row.state), words);
    let may = |deed: InstanceDeed| {
        let verb = DEEDS.iter().find(|(_, known, _)| *known == deed).map_or(DEEDS[0].0, |(verb, ..)| verb);
        visitor.may(instance_view::role(verb, &row.name, pass))
    };
    let others =
        [InstanceDeed::Start, InstanceDeed::Stop, InstanceDeed::Reboot, InstanceDeed::Shelve, InstanceDeed::Unshelve];
    let others = others.into_iter().filter(|deed| may(*deed) && !is_pointless(row.state, *deed));
    // Beyond the power, only what its vendor offers and what is possible now.
    let more = [InstanceDeed::Snapshot, InstanceDeed::Console];
    let asks = [InstanceDeed::Resize, InstanceDeed::Clone, InstanceDeed::Rebuild, InstanceDeed::Delete];
    let possible = |deed: InstanceDeed| {
        Some(Offer::new(pass, row, deed, words)).filter(|offer| may(deed) && offer.refused.is_none())
    };
    let about = match &row.manifest {
        Some(managed) => format!("{}:{}", managed.instance.origin.file, managed.instance.origin.line),
        None => words.get("inst-no-manifest"),
    };
    InstancePage {
        shown: row.shown_name().to_owned(),
        about,
        chip: PowerChip::new(row, &asked(web).await, now, words),
        is_dim: row.gap.is_some(),
        tags: instance_view::tags(row, words),
        place: instance_view::place(row),
        banners: banners(row, now, words),
        first: Some(switch).filter(|first| first.refused.is_none()),
        offers: others
            .map(|deed| Offer::new(pass, row, deed, words))
            .chain(more.into_iter().filter_map(possible))
            .collect(),
        asks: asks.into_iter().filter_map(possible).collect(),
        holds: holds(row, now, words),
        skip: skip(pass, row, now, words),
        may_act: visitor.may(Role::Operator),
        week: WeekForm::new(pass, row, now, words),
        may_edit: visitor.may(Role::Editor),
        history: history(web, row, now, words).await,
        log: log(web, row, words).await,
        facts: facts(row, words),
        path,
        frame,
    }
}

/// Whether a deed leads to where the server is.
fn is_pointless(state: InstanceState, deed: InstanceDeed) -> bool {
    matches!(
        (state, deed),
        (InstanceState::On, InstanceDeed::Start | InstanceDeed::Unshelve)
            | (InstanceState::Off, InstanceDeed::Stop | InstanceDeed::Unshelve | InstanceDeed::Reboot)
            | (
                InstanceState::Shelved,
                InstanceDeed::Stop | InstanceDeed::Start | InstanceDeed::Shelve | InstanceDeed::Reboot
            )
    )
}

fn banners(row: &InstanceRow, now: Timestamp, words: Words) -> Vec<Banner> {
    let plain = |tone, text| Banner { tone, text, code: String::new(), button: None, shelves: None };
    let zone = instance_view::zone(row);
    let at = |at: Timestamp| view_model::when(at, now, zone, words);
    let mut banners = Vec::new();
    if let Some(gap) = &row.gap {
        let text =
            words.with_all("inst-gap", &[("time", &at(row.seen_at)), ("why", &words.say_in(&gap.message, zone))]);
        banners.push(Banner { code: gap.code.to_string(), ..plain("warn", text) });
    }
    if row.state == InstanceState::Error {
        banners.push(plain("bad", words.with("inst-error-about", "status", &row.status)));
    }
    if row.state == InstanceState::Missing {
        banners.push(plain("bad", words.get("inst-missing-about")));
    }
    banners.extend(pending(row, words));
    if let Some(work) = &row.work {
        let text = words.say_in(&work.text(&row.status), zone);
        banners.push(plain("go", words.with("inst-under-way", "what", &text)));
    }
    if let Some(why) = &row.unanswered {
        banners.push(plain("warn", words.with("inst-unanswered", "why", &words.say_in(why, zone))));
    }
    if let Some(missed) = row.missed_text() {
        let text = words.with("inst-missed-about", "what", &words.say_in(&missed, zone));
        banners.push(Banner { code: Code::A0737.to_string(), ..plain("bad", text) });
    }
    if let Some(managed) = &row.manifest {
        if let Cause::Override(known, end) = &managed.wanted.why {
            let what = instance_view::override_text(known, &at(known.at), words);
            let is_scheduled = instance_view::timetable(row).is_some();
            let text = match end {
                Some(end) => words.with_all("inst-override-until", &[("what", &what), ("time", &at(*end))]),
                None => words.with("inst-override-open", "what", &what),
            };
            let label = words.get(if is_scheduled { "inst-follow" } else { "inst-follow-power" });
            let tone = if known.needs_attention() { "warn" } else { "go" };
            banners.push(Banner { button: Some(("follow-schedule", label)), ..plain(tone, text) });
        }
        if let Cause::NoTickYet(Some(tick)) = &managed.wanted.why {
            banners.push(plain("go", words.with("inst-new-schedule-about", "time", &at(tick.at))));
        }
    }
    if bills_stopped(row) && !row.is_monthly && row.is_there() {
        let shelves = instance_view::timetable(row).is_some_and(|table| table.off_as().power() == Power::Shelved);
        if let Some(why) = &row.not_shelved {
            let text = words.with("inst-billed-not-shelved", "why", &words.say(&why.message));
            banners.push(Banner { code: why.code.to_string(), ..plain("warn", text) });
        } else if !shelves && row.state != InstanceState::Shelved {
            let shelves = Some(words.get("inst-shelve-at-night"));
            banners.push(Banner { shelves, ..plain("warn", words.get("inst-billed-stopped")) });
        }
    }
    banners
}

/// Why what its manifest says is not done, with what a person can do.
fn pending(row: &InstanceRow, words: Words) -> Option<Banner> {
    let zone = instance_view::zone(row);
    let why = row.pending.as_ref().map(|pending| {
        let hint = |hint: &Hint| match &hint.command {
            Some(command) => format!("{}: {command}", words.say(&hint.text)),
            None => words.say(&hint.text),
        };
        let hints = pending.hints.iter().map(hint);
        [words.say_in(&pending.why, zone)].into_iter().chain(hints).collect::<Vec<_>>().join(" · ")
    });
    let code = row.pending.as_ref().and_then(|pending| pending.code);
    let text = match (row.state, why) {
        (InstanceState::NotMade, Some(why)) => words.with("inst-not-made-why", "why", &why),
        (InstanceState::NotMade, None) => words.get("inst-not-made"),
        (_, Some(why)) => words.with("inst-held", "why", &why),
        (_, None) => return None,
    };
    let tone = if code.is_some() { "warn" } else { "go" };
    let code = code.map(|code| code.to_string()).unwrap_or_default();
    Some(Banner { tone, text, code, button: None, shelves: None })
}

/// Whether its vendor bills it while it is stopped.
pub(super) fn bills_stopped(row: &InstanceRow) -> bool {
    row.prices.as_ref().map_or(row.address.provider.family() == BILLS_STOPPED, ServerPrices::bill_off)
}

/// How long what a person asks may hold; of one without a rule nothing holds.
fn holds(row: &InstanceRow, now: Timestamp, words: Words) -> Vec<(&'static str, String)> {
    let Some(managed) = row.manifest.as_ref().filter(|managed| managed.instance.rule != PowerRule::Unmanaged) else {
        return Vec::new();
    };
    let first = match managed.wanted.next {
        Some(tick) => {
            words.with("inst-hold-tick", "time", &view_model::when(tick.at, now, instance_view::zone(row), words))
        }
        None => words.get("inst-hold-followed"),
    };
    let mut holds = vec![("", first)];
    if let Some(after) = instance_view::timetable(row).and_then(|table| table.ticks(now).nth(1)) {
        let time = view_model::when(after.at, now, instance_view::zone(row), words);
        holds.push(("skip", words.with("inst-hold-skip", "time", &time)));
    }
    holds.extend([
        ("1h", words.get("inst-hold-1h")),
        ("3h", words.get("inst-hold-3h")),
        ("time", words.get("inst-hold-time")),
    ]);
    holds
}

/// The verb that keeps a server as it is over the next tick, if that would switch it.
fn skip(pass: &PassView, row: &InstanceRow, now: Timestamp, words: Words) -> Option<(&'static str, String)> {
    let next = instance_view::timetable(row)?.next_tick(now)?;
    let (deed, verb, power) = match row.state {
        InstanceState::On => (InstanceDeed::Start, "start", Power::On),
        InstanceState::Off => (InstanceDeed::Stop, "stop", Power::Off),
        InstanceState::Shelved => (InstanceDeed::Shelve, "shelve", Power::Shelved),
        InstanceState::Changing | InstanceState::Error | InstanceState::Unknown => return None,
        InstanceState::NotMade | InstanceState::Missing => return None,
    };
    let is_offered = why_not(pass, row, deed).is_none() && next.to != power;
    let time = view_model::when(next.at, now, instance_view::zone(row), words);
    is_offered.then(|| (verb, words.with("inst-skip", "time", &time)))
}

/// With how long it holds, as the fields of a form say.
pub fn until(act: Act, fields: &FormFields, web: &Web) -> Act {
    let (field, now) = (|name: &str| fields.get(name).map(String::as_str).unwrap_or_default(), web.handle.now());
    let hours = |hours: i64| Timestamp(now.0 + hours * HOUR.0);
    let act = if field("hard") == "yes" { act.with("hard", true) } else { act };
    match field("until") {
        "skip" => act.with("skip_next", true),
        "1h" => act.with("until_ms", hours(1).0),
        "3h" => act.with("until_ms", hours(3).0),
        "time" => match next_clock(field("time"), field("zone"), now) {
            Some(at) => act.with("until_ms", at.0),
            None => act,
        },
        _ => act,
    }
}

/// The next instant at which a clock shows a time: `18:30`.
fn next_clock(time: &str, zone: &str, now: Timestamp) -> Option<Timestamp> {
    let zone = words::zone(zone);
    let local = jiff::Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone.clone());
    let time: jiff::civil::Time = time.parse().ok()?;
    let today = local.date().to_datetime(time).to_zoned(zone.clone()).ok()?;
    let at = if today > local { today } else { local.date().tomorrow().ok()?.to_datetime(time).to_zoned(zone).ok()? };
    Some(Timestamp(at.timestamp().as_millisecond()))
}

async fn history(web: &Web, row: &InstanceRow, now: Timestamp, words: Words) -> Vec<HistoryRow> {
    let address = row.address.to_string();
    let ledger = web.handle.ledger();
    let acts = ledger.past_actions(&address, Timestamp::default(), HISTORY_READ).await.unwrap_or_default();
    let filter = EventFilter { of: &address, limit: HISTORY_READ, ..EventFilter::default() };
    let events = ledger.events_of(&filter).await.unwrap_or_default();
    let zone = instance_view::zone(row);
    let at = |at: Timestamp| view_model::when(at, now, zone, words);
    // The outcome of an action is an event, too, and so is that it was asked for.
    let is_of_action = |event: &&Event| {
        let is_its = |act: &PastAction| event.reason.as_ref() == Some(&act.word) && (act.at - event.at).0 < HOUR.0;
        acts.iter().any(|act| act.done == Some(event.at) || event.kind == ASKED && is_its(act) && act.at >= event.at)
    };
    let others = events.iter().map(|(_, event)| event).filter(|event| !is_of_action(event));
    let others = others.map(|event| event_row(event, at(event.at), zone, words));
    let mut rows: Vec<HistoryRow> = acts.iter().map(|act| act_row(act, at(act.at), words)).chain(others).collect();
    rows.sort_by_key(|row| Reverse(row.at));
    rows.truncate(HISTORY_ROWS);
    rows
}

fn act_row(act: &PastAction, when: String, words: Words) -> HistoryRow {
    let what = word_label(&act.word, words);
    let (tone, what) = match act.outcome.as_deref() {
        Some("ok") => ("ok", what),
        Some("unknown") => ("warn", words.with("inst-did-unknown", "what", &what)),
        Some(why) => ("bad", words.with_all("inst-did-not", &[("what", &what), ("why", why)])),
        None => ("go", what),
    };
    let took = act.done.map(|done| view_model::span(done - act.at)).unwrap_or_default();
    HistoryRow { tone, what, who: instance_view::person(&act.by).to_owned(), at: act.at, when, took }
}

fn event_row(event: &Event, when: String, zone: &str, words: Words) -> HistoryRow {
    let row =
        |tone, what, who: &str| HistoryRow { tone, what, who: who.to_owned(), at: event.at, when, took: String::new() };
    if event.kind == ASKED {
        let word = event.reason.clone().unwrap_or_default();
        let by = event.text.args().find(|(name, _)| *name == "by").map(|(_, by)| by.to_string()).unwrap_or_default();
        return row("ok", word_label(&word, words), instance_view::person(&by));
    }
    let (tone, key) = match event.kind.as_str() {
        "updated" => ("ok", "inst-did-updated"),
        "created" | "deleted" => ("ok", "inst-did-other"),
        "failed" => ("bad", "inst-did-failed"),
        "drift" => ("warn", "inst-did-drift"),
        _ => ("dim", "inst-did-other"),
    };
    let what = words.with_all(key, &[("kind", &words.event(&event.kind)), ("text", &words.say_in(&event.text, zone))]);
    row(tone, what, "Amarre")
}

/// Its requests and changes of status, as the command line prints them.
async fn log(web: &Web, row: &InstanceRow, words: Words) -> String {
    let lines = log_lines(web.handle.ledger(), &row.address, LOG_LINES).await;
    instance_log::text(row, &lines, instance_view::zone(row), Style { language: words.0, ..Style::PLAIN })
}

/// What a provider's word is called.
fn word_label(word: &str, words: Words) -> String {
    let found = DEEDS.iter().find(|(row, ..)| row.of_instance().is_some_and(|verb| word.starts_with(verb)));
    match found {
        Some((_, deed, _)) if word.ends_with("-hard") => words.with("inst-did-hard", "what", &words.say(&deed.text())),
        Some((_, deed, _)) => words.say(&deed.text()),
        None => word.to_owned(),
    }
}

/// Label, value, and whether it is of a machine.
pub(super) fn facts(row: &InstanceRow, words: Words) -> Vec<(String, String, bool)> {
    let billing = words.get(if row.is_monthly { "inst-by-month" } else { "inst-by-hour" });
    let billing = if row.is_there() { billing } else { String::new() };
    let created = row.created.split('T').next().unwrap_or_default().to_owned();
    let rule = row.manifest.as_ref().map(|managed| match &managed.instance.rule {
        PowerRule::Schedule(_) => words.get("inst-schedule"),
        PowerRule::Level(power) => format!("power: {}", power.as_str()),
        PowerRule::Unmanaged => "power: unmanaged".to_owned(),
    });
    let facts = [
        ("inst-cloud", instance_view::place(row), false),
        ("inst-type", row.size.clone(), true),
        ("inst-billing", billing, false),
        ("inst-cost", row.cost.as_ref().map(|cost| instance_view::cost(cost, words)).unwrap_or_default(), false),
        ("inst-saved", instance_view::saved(row, words).unwrap_or_default(), false),
        ("inst-address", row.addresses.join(", "), true),
        ("inst-names", row.domains().join(", "), true),
        ("inst-vendor-name", row.vendor_name.clone(), true),
        ("inst-id", row.id.clone(), true),
        ("inst-status", row.status.clone(), true),
        ("inst-created", created, false),
        ("inst-rule", rule.unwrap_or_default(), false),
    ];
    let facts = facts.into_iter().filter(|(_, value, _)| !value.is_empty());
    facts.map(|(key, value, is_code)| (words.get(key), value, is_code)).collect()
}

/// `POST /instances/{name}/{verb}`
pub async fn verb(
    State(web): State<Web>,
    ConnectInfo(from): From,
    headers: HeaderMap,
    Path((name, word)): Path<(String, String)>,
    Form(fields): Form<FormFields>,
) -> PageOutcome {
    let back = if fields.contains_key("here") { here(&fields) } else { instance_view::path(&name) };
    let pass = web.handle.last_pass().0;
    let verb = DEEDS.into_iter().find(|(row, ..)| row.of_instance() == Some(word.as_str()));
    // What is confirmed has a page of its own.
    let Some((row, deed, _)) = verb.filter(|(row, ..)| row.confirm == Confirm::None) else {
        authorize_form(&web, &headers, &fields, Role::Operator, &back).await?;
        return Err(problem(&web, &headers, StatusCode::NOT_FOUND, "problem-not-here").await);
    };
    let role = instance_view::role(row, &name, &pass);
    let doer = authorize_form(&web, &headers, &fields, role, &back).await?;
    let found = instances::find(&pass, &name).ok();
    if let Some((code, why)) = found.and_then(|found| why_not(&pass, &found, deed)) {
        let why = doer.visitor.words.say(&why);
        doer.audit(&web, from, row.word, &name, &format!("{why} ({code})")).await;
        let flash = Flash { is_bad: true, code: Some(code), ..Flash::text(why) };
        flash.store(&web, &doer.session).await;
        return Ok(redirect(&back));
    }
    Ok(carry_out(&web, &doer, (from, row), vec![name], &fields, &back).await)
}
