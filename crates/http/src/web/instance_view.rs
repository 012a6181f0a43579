//! What pages show of servers at clouds, as values for templates. Pure.
//!
//! | the server | its mark |
//! |---|---|
//! | runs, is off, is shelved | a dot: filled, square, dashed |
//! | is not made yet | a dashed dot, and what it waits for |
//! | is on its way | a turning mark, and what it was asked for |
//! | is in error, is not there any more | the mark of what needs a person |
//! | is not seen | a dashed mark, dimmed, and since when |

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::marks;
use super::view_model::when;
use crate::accounts::Role;
use crate::engine::PassView;
use crate::engine::commands::Act;
use crate::engine::commands::act::VerbRow;
use crate::engine::commands::instances::{InstanceDeed, why_not};
use crate::engine::commands::verbs::{
    INSTANCE_CLONE, INSTANCE_CONSOLE, INSTANCE_DELETE, INSTANCE_FOLLOW, INSTANCE_REBOOT, INSTANCE_REBUILD,
    INSTANCE_RESIZE, INSTANCE_SHELVE, INSTANCE_SNAPSHOT, INSTANCE_START, INSTANCE_STOP, INSTANCE_UNSHELVE,
};
use crate::engine::report::instances::{self, Cost, InstanceRow, InstanceState, ManagedPower};
use crate::engine::report::savings::SavedNote;
use crate::words::{self, Words};
use amarre_core::model::power::{Cause, Override, OverrideSource, Power, PowerRule};
use amarre_core::model::timetable::{Tick, Timetable};
use amarre_core::model::{Address, Language, Millis, Timestamp};

const DAY: Millis = Millis::minutes(24 * 60);
/// The width of a day's line, in its units.
const LINE: i64 = 120;
/// A timetable of weeks has ticked within this long.
const TICKED_WITHIN: Millis = Millis::minutes(15 * 24 * 60);

/// The verbs of servers, each with what it does and the keys of its button and of its progress.
pub const DEEDS: [(&VerbRow, InstanceDeed, [&str; 2]); 12] = [
    (&INSTANCE_START, InstanceDeed::Start, ["inst-start", "power-starting"]),
    (&INSTANCE_STOP, InstanceDeed::Stop, ["inst-stop", "power-stopping"]),
    (&INSTANCE_REBOOT, InstanceDeed::Reboot, ["inst-reboot", "power-rebooting"]),
    (&INSTANCE_SHELVE, InstanceDeed::Shelve, ["inst-shelve", "power-shelving"]),
    (&INSTANCE_UNSHELVE, InstanceDeed::Unshelve, ["inst-unshelve", "power-unshelving"]),
    (&INSTANCE_FOLLOW, InstanceDeed::Follow, ["inst-follow", "power-changing"]),
    (&INSTANCE_DELETE, InstanceDeed::Delete, ["inst-delete", "power-deleting"]),
    (&INSTANCE_RESIZE, InstanceDeed::Resize, ["inst-resize", "power-resizing"]),
    (&INSTANCE_CLONE, InstanceDeed::Clone, ["inst-clone", "power-cloning"]),
    (&INSTANCE_REBUILD, InstanceDeed::Rebuild, ["inst-rebuild", "power-rebuilding"]),
    (&INSTANCE_SNAPSHOT, InstanceDeed::Snapshot, ["inst-snapshot", "power-snapshotting"]),
    (&INSTANCE_CONSOLE, InstanceDeed::Console, ["inst-console", "power-changing"]),
];

/// What servers were last asked for, by address: for those that are on their way.
pub type LastWords = BTreeMap<String, String>;

/// The power of a server, and what happens next.
pub struct PowerChip {
    /// The class with its colour.
    pub tone: &'static str,
    /// The class of its dot; `None`: it has a mark.
    pub dot: Option<&'static str>,
    /// The state, in the language of the page.
    pub word: String,
    /// The word of the API, where it is another one.
    pub title: String,
    /// What happens next, or why it is as it is.
    pub next: String,
    /// The name of the server while something goes on with it.
    pub going: String,
}

impl PowerChip {
    /// Of a server.
    pub fn new(row: &InstanceRow, asked: &LastWords, now: Timestamp, words: Words) -> Self {
        let (tone, dot, key) = match row.state {
            InstanceState::On => ("ok", Some(""), "power-on"),
            InstanceState::Off => ("dim", Some(" off"), "power-off"),
            InstanceState::Shelved => ("dim", Some(" none"), "power-shelved"),
            InstanceState::Changing => ("go", None, way_key(&row.address, asked)),
            InstanceState::Error => ("bad", None, "power-error"),
            InstanceState::NotMade => ("dim", Some(" none"), "power-not-made"),
            InstanceState::Missing => ("missing", None, "power-missing"),
            InstanceState::Unknown => ("dim", None, "power-unknown"),
        };
        let (word, api) = (words.get(key), row.state.word());
        let title = if word == api { String::new() } else { api.to_owned() };
        let going = if row.state == InstanceState::Changing { row.name.clone() } else { String::new() };
        Self { tone, dot, word, title, next: next(row, now, words), going }
    }

    pub fn mark(&self) -> &'static str {
        marks::tone(self.tone)
    }
}

fn way_key(address: &Address, asked: &LastWords) -> &'static str {
    let word = asked.get(&address.to_string()).map(String::as_str).unwrap_or_default();
    let found = DEEDS.iter().find(|(row, ..)| row.of_instance().is_some_and(|verb| word.starts_with(verb)));
    found.map_or("power-changing", |(.., [_, way])| way)
}

/// The time zone of a server's timetable; empty: this machine's.
pub fn zone(row: &InstanceRow) -> &str {
    timetable(row).map(Timetable::timezone).unwrap_or_default()
}

pub fn timetable(row: &InstanceRow) -> Option<&Timetable> {
    row.timetable()
}

fn next(row: &InstanceRow, now: Timestamp, words: Words) -> String {
    let at = |at: Timestamp| when(at, now, zone(row), words);
    if let Some(gap) = &row.gap {
        return words.with_all("inst-last-seen", &[("time", &at(row.seen_at)), ("why", &words.say(&gap.message))]);
    }
    if let Some(pending) = row.pending.as_ref().filter(|_| !row.is_there()) {
        return words.say(&pending.why);
    }
    let Some(ManagedPower { wanted, .. }) = &row.manifest else { return String::new() };
    match (&wanted.why, wanted.next) {
        (Cause::Override(known, end), _) => match end {
            Some(end) => {
                let (what, time) = (override_text(known, &at(known.at), words), at(*end));
                words.with_all("inst-held-until", &[("what", &what), ("time", &time)])
            }
            None => override_text(known, &at(known.at), words),
        },
        (Cause::NoTickYet(Some(tick)), _) => words.with("inst-new-schedule", "time", &at(tick.at)),
        (Cause::Level(power), _) => words.get(match power {
            Power::On => "inst-always-on",
            Power::Off => "inst-always-off",
            Power::Shelved => "inst-always-shelved",
        }),
        (Cause::Unmanaged | Cause::NoTickYet(None), _) | (Cause::Tick(_), None) => String::new(),
        (Cause::Tick(_), Some(tick)) => tick_text(tick, &at(tick.at), words),
    }
}

/// `off at 20:00`.
pub fn tick_text(tick: Tick, time: &str, words: Words) -> String {
    let key = match tick.to {
        Power::On => "inst-on-at",
        Power::Off => "inst-off-at",
        Power::Shelved => "inst-shelved-at",
    };
    words.with(key, "time", time)
}

/// Who switched a server against its rule.
pub fn override_text(known: &Override, time: &str, words: Words) -> String {
    let key = match (known.source, known.to) {
        (OverrideSource::Person, Power::On) => "inst-started-by",
        (OverrideSource::Person, Power::Off) => "inst-stopped-by",
        (OverrideSource::Person, Power::Shelved) => "inst-shelved-by",
        (OverrideSource::Observed, Power::On) => "inst-started-outside",
        (OverrideSource::Observed, Power::Off) => "inst-stopped-outside",
        (OverrideSource::Observed, Power::Shelved) => "inst-shelved-outside",
    };
    words.with_all(key, &[("who", person(&known.by)), ("time", time)])
}

/// The name of an account: `Alice Martin <alice@example.org>`.
pub fn person(by: &str) -> &str {
    by.split(" <").next().unwrap_or(by)
}

/// Today, by a timetable: a line of 24 hours with now in it.
pub struct DayLine {
    /// Left edge and width of each part that is on.
    pub on: Vec<(i64, i64)>,
    /// Where now is.
    pub now: i64,
    /// The same in words.
    pub title: String,
}

impl DayLine {
    /// Of a server with a timetable.
    pub fn new(row: &InstanceRow, now: Timestamp, words: Words) -> Option<Self> {
        let table = timetable(row)?;
        let zone = TimeZone::get(table.timezone()).ok()?;
        let local = jiff::Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone);
        let midnight = Timestamp(local.start_of_day().ok()?.timestamp().as_millisecond());
        let end = midnight + DAY;
        let before = table.last_tick(midnight, Timestamp(midnight.0 - TICKED_WITHIN.0));
        let mut since = before.filter(|tick| tick.to == Power::On).map(|_| midnight);
        let mut on = Vec::new();
        for tick in table.ticks(midnight).take_while(|tick| tick.at < end) {
            match (tick.to, since) {
                (Power::On, None) => since = Some(tick.at),
                (Power::Off | Power::Shelved, Some(from)) => {
                    on.push((from, tick.at));
                    since = None;
                }
                (Power::On, Some(_)) | (Power::Off | Power::Shelved, None) => (),
            }
        }
        on.extend(since.map(|from| (from, end)));
        let clock = |at: Timestamp| if at == end { "24:00".to_owned() } else { hour(at, table.timezone()) };
        let spans: Vec<String> = on.iter().map(|(from, to)| format!("{}–{}", clock(*from), clock(*to))).collect();
        let title = if spans.is_empty() {
            words.get("inst-today-off")
        } else {
            words.with("inst-today-on", "hours", &spans.join(", "))
        };
        let place = |at: Timestamp| (at - midnight).0 * LINE / DAY.0;
        let on = on.into_iter().map(|(from, to)| (place(from), place(to) - place(from))).collect();
        Some(Self { on, now: place(now), title })
    }
}

fn hour(at: Timestamp, zone: &str) -> String {
    words::local(at, zone).strftime("%H:%M").to_string()
}

/// A button of a server.
pub struct Offer {
    /// The last part of its path.
    pub word: &'static str,
    pub label: String,
    /// Why it is not offered, with the code of that.
    pub refused: Option<(String, String)>,
}

/// The role that a verb needs for a server.
pub fn role(verb: &VerbRow, name: &str, pass: &PassView) -> Role {
    let names = serde_json::json!([name]);
    let args =
        [("instances", names)].into_iter().fold(Act::new(&INSTANCE_START), |act, (key, of)| act.with(key, of)).args;
    (verb.role)(&args, pass.consented)
}

impl Offer {
    /// Of a verb, whether it may be asked of the server or not.
    pub fn new(pass: &PassView, row: &InstanceRow, deed: InstanceDeed, words: Words) -> Self {
        let (verb, _, [label, _]) = DEEDS.iter().find(|(_, known, _)| *known == deed).unwrap_or(&DEEDS[0]);
        let refused = why_not(pass, row, deed).map(|(code, why)| (words.say(&why), code.to_string()));
        let cuts = row.address.provider.cloud_traits().stop_cuts_power;
        let label = if deed == InstanceDeed::Stop && cuts { "inst-stop-cuts" } else { label };
        Self { word: verb.of_instance().unwrap_or_default(), label: words.get(label), refused }
    }
}

/// What a row of the list offers: the other power.
pub fn switch(state: InstanceState) -> InstanceDeed {
    match state {
        InstanceState::On | InstanceState::Error => InstanceDeed::Stop,
        InstanceState::Shelved => InstanceDeed::Unshelve,
        InstanceState::Off | InstanceState::Changing | InstanceState::Unknown => InstanceDeed::Start,
        InstanceState::NotMade | InstanceState::Missing => InstanceDeed::Start,
    }
}

/// The tags beside a name.
pub fn tags(row: &InstanceRow, words: Words) -> Vec<String> {
    let key = match &row.manifest {
        None if row.is_made() => "inst-tag-gone",
        None => "inst-tag-unmanaged",
        Some(_) if row.is_made() => "inst-tag-made",
        Some(managed) if managed.instance.rule == PowerRule::Unmanaged => "inst-tag-left",
        Some(_) => "inst-tag-power",
    };
    vec![words.get(key)]
}

/// `paris · ci · GRA11`.
pub fn place(row: &InstanceRow) -> String {
    let parts = [&row.cloud, &row.project, &row.region].into_iter().filter(|part| !part.is_empty());
    parts.map(String::as_str).collect::<Vec<_>>().join(" · ")
}

/// What requests call a server for a deed beyond its power: what no manifest made goes by its id there.
pub fn asked_name(row: &InstanceRow) -> String {
    if row.is_made() { row.name.clone() } else { row.by_id() }
}

/// The path of a server's page.
pub fn path(name: &str) -> String {
    format!("/instances/{}", super::view_model::encoded(name).replace('/', "%2F"))
}

/// `0.0638 EUR an hour · 46.57 EUR a month`, without tax.
pub fn cost(cost: &Cost, words: Words) -> String {
    let month =
        words.with_all("inst-cost-month", &[("amount", &money(cost.month, words)), ("currency", &cost.currency)]);
    match cost.hour {
        Some(hour) => {
            let hour =
                words.with_all("inst-cost-hour", &[("amount", &money(hour, words)), ("currency", &cost.currency)]);
            format!("{hour} · {month}")
        }
        None => month,
    }
}

/// `8.20 EUR this month · 2.10 EUR in the last 7 days`, and what is to be known beside it.
pub fn saved(row: &InstanceRow, words: Words) -> Option<String> {
    let saved = row.saved.as_ref()?;
    let with = |key: &str, of: i64| words.with_all(key, &[("amount", &saved_amount(of, &saved.currency, words))]);
    let sums = format!("{} · {}", with("inst-saved-month", saved.month), with("inst-saved-week", saved.week));
    Some(match row.saved_note() {
        SavedNote::Plain => sums,
        SavedNote::BilledOff => format!("{sums}. {}", words.get("inst-saved-billed")),
        SavedNote::NotShelved => format!("{sums}. {}", words.get("inst-saved-not-shelved")),
        SavedNote::Monthly => format!("{sums}. {}", words.get("inst-saved-monthly")),
        SavedNote::WithoutSnapshot => format!("{sums}. {}", words.get("inst-saved-snapshot")),
        SavedNote::NoPrice => format!("{sums}. {}", words.get("inst-saved-no-price")),
    })
}

/// `8.20 EUR`.
pub fn saved_amount(of: i64, currency: &str, words: Words) -> String {
    format!("{} {currency}", money(of, words)).trim_end().to_owned()
}

/// An amount with the decimal sign of the language.
fn money(amount: i64, words: Words) -> String {
    let text = instances::amount(amount);
    if words.0 == Language::Fr { text.replace('.', ",") } else { text }
}
