//! What the list of services shows: rows, groups, tiles. Pure.
//!
//! | a service | its row |
//! |---|---|
//! | is healthy and in sync | a dot, and no word |
//! | is anything else | the mark and the word of the strongest state, and what now |
//! | has routes | its first address, and who can reach it: amber where that is not as its manifest says |
//! | has a certificate | a ring of the days that are left; dashed without one |
//!
//! Manifests of kinds that have no health (redirections, access lists, records, networks) stand beside the list as long as
//! nothing is wrong with them, and so do instances and pools, which have lists of their own.

use std::collections::BTreeMap;

use super::marks;
use super::view_model::{self, Counted, StateMark};
use crate::engine::PassView;
use crate::engine::report::certificates;
use crate::engine::report::conditions;
use crate::engine::report::exposure::{self, Exposure, Observed};
use crate::engine::report::service_list::{self, Only, is_listed, kind_word};
use crate::engine::report::status::{self, Health, ServiceStatus, Sync};
use crate::words::Words;
use amarre_core::model::manifest_kind::LISTED;
use amarre_core::model::plan::guards;
use amarre_core::model::{Address, Kind, Millis, Timestamp};

/// The lifetime of a certificate that a full ring stands for, in days.
const RING_DAYS: i64 = 90;
/// The circumference of a ring, in tenths of the drawing's units: 2 π 15.
const RING_TENTHS: i64 = 942;
/// With fewer days left a ring is amber, and red.
const SOON_DAYS: i64 = 30;
const URGENT_DAYS: i64 = 8;
/// The width of the tile's bar, and the most segments that it has one by one.
const BAR: usize = 96;
const SEGMENTS_MAX: usize = 24;
/// Names below a number.
const NAMES_SHOWN: usize = 3;

pub struct ServiceRow {
    pub name: String,
    /// The mark before it, as SVG or dot.
    pub mark: &'static str,
    /// The word of its state for screen readers.
    pub word: String,
    pub image: String,
    /// Its first address: the name, and the URL.
    pub address: Option<(String, String)>,
    /// How many more it has.
    pub more: usize,
    /// Who can reach it.
    pub access: Option<AccessLine>,
    /// Its certificate; `None`: it has no route.
    pub ring: Option<Ring>,
    /// Its state, where that is not healthy and in sync.
    pub state: Option<StateMark>,
    /// What is done, or waits.
    pub now: Counted,
    /// In its state for so long.
    pub since: String,
    /// The instant, for a page that stays open.
    pub since_at: Option<i64>,
}

/// Who can reach a service.
pub struct AccessLine {
    /// The name of its mark.
    pub icon: &'static str,
    /// Whether it is not as its manifest says.
    pub is_off: bool,
    pub text: String,
}

/// The days that a certificate has left.
pub struct Ring {
    /// Its class: ` warn`, ` bad`, ` none`; empty: plenty.
    pub class: &'static str,
    /// The part that is left, of 94.2.
    pub part: String,
    /// The days; a dash without a certificate.
    pub days: String,
    pub label: String,
}

/// Rows under one heading.
pub struct Group {
    /// The heading; empty: none.
    pub label: String,
    pub rows: Vec<ServiceRow>,
}

/// What the rows are grouped by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Grouping {
    /// The kind of their manifest.
    #[default]
    Kind,
    Host,
    /// They are not.
    Nothing,
}

/// The order of the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServiceOrder {
    /// What needs a person comes first.
    #[default]
    Attention,
    /// By name.
    Name,
    /// What ends first.
    Certificate,
    /// What changed last.
    Since,
}

/// One of a few that an address chooses from; the default is the usual one, which an address leaves out.
pub trait PageChoice: Copy + Default + PartialEq + 'static {
    /// All, each with its word in an address and the key of its text.
    const ALL: &'static [(Self, &'static str, &'static str)];

    /// The word in an address.
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(one, ..)| *one == self).map_or("", |(_, word, _)| word)
    }

    /// From an address; anything else is the usual one.
    fn parse(word: &str) -> Self {
        Self::ALL.iter().find(|(_, known, _)| *known == word).map_or_else(Self::default, |(one, ..)| *one)
    }

    /// All, with their words and which one is chosen.
    fn choices(chosen: Self, words: Words) -> Vec<(&'static str, String, bool)> {
        Self::ALL.iter().map(|(one, word, key)| (*word, words.get(key), *one == chosen)).collect()
    }
}

impl PageChoice for Grouping {
    const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Kind, "kind", "group-kind"),
        (Self::Host, "host", "group-host"),
        (Self::Nothing, "nothing", "group-nothing"),
    ];
}

impl PageChoice for ServiceOrder {
    const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Attention, "attention", "sort-attention"),
        (Self::Name, "name", "sort-name"),
        (Self::Certificate, "certificate", "sort-certificate"),
        (Self::Since, "since", "sort-since"),
    ];
}

impl ServiceOrder {
    /// Sorts rows that stand in the usual order.
    pub fn sort(self, pass: &PassView, rows: &mut [&ServiceStatus]) {
        match self {
            ServiceOrder::Attention => (),
            ServiceOrder::Name => rows.sort_by_key(|row| row.name.clone()),
            ServiceOrder::Certificate => rows.sort_by_key(|row| {
                let ends = certificate_end(pass, row);
                (ends.is_none(), ends)
            }),
            ServiceOrder::Since => rows.sort_by_key(|row| std::cmp::Reverse(since(pass, &row.name))),
        }
    }
}

/// Whether it stands beside the list: its kind has no health, or a list of its own, and nothing is wrong with it.
pub fn is_beside(pass: &PassView, row: &ServiceStatus) -> bool {
    let is_quiet = row.sync == Sync::Synced && row.health == Health::Healthy && !row.attention;
    let is_suspended = pass.facts.suspended.contains_key(&row.name);
    !is_listed(pass, row) && is_quiet && !is_suspended
}

fn since(pass: &PassView, name: &str) -> Option<Timestamp> {
    pass.since.get(name).map(|(_, at)| *at).filter(|at| at.0 > 0)
}

/// The rows of a page in their groups, each of which says how many there are on all pages; the order within a group is that of
/// the rows.
pub fn groups(
    pass: &PassView,
    shown: &[&ServiceStatus],
    all: &[&ServiceStatus],
    grouping: Grouping,
    now: Timestamp,
    words: Words,
) -> Vec<Group> {
    let key = |row: &ServiceStatus| match grouping {
        Grouping::Kind => {
            let kind = kind_word(pass, row);
            let place = LISTED.iter().position(|known| *known == kind);
            (place.unwrap_or(usize::MAX), kind.to_owned())
        }
        Grouping::Host => (0, row.host.clone()),
        Grouping::Nothing => (0, String::new()),
    };
    let mut counts: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for row in all {
        *counts.entry(key(row)).or_default() += 1;
    }
    let mut groups: BTreeMap<(usize, String), Vec<ServiceRow>> = BTreeMap::new();
    for row in shown {
        groups.entry(key(row)).or_default().push(service_row(pass, row, now, words));
    }
    let label = |key: &(usize, String)| {
        let count = counts.get(key).copied().unwrap_or_default();
        match (grouping, key.1.as_str()) {
            (Grouping::Kind, kind) => format!("{} · {count}", words.get(&format!("kinds-{kind}"))),
            (Grouping::Host, "") => format!("{} · {count}", words.get("group-no-host")),
            (Grouping::Host, host) => format!("{host} · {count}"),
            (Grouping::Nothing, _) => String::new(),
        }
    };
    groups.into_iter().map(|(key, rows)| Group { label: label(&key), rows }).collect()
}

fn service_row(pass: &PassView, row: &ServiceStatus, now: Timestamp, words: Words) -> ServiceRow {
    let (sync, health) = view_model::states(pass, row, words);
    let state = if row.health != Health::Healthy || health.tone == "off" { health } else { sync };
    let is_well = state.tone == "ok";
    let has_routes = !row.domains.is_empty();
    let what_now = Counted::new(&row.what_now, row.what_now_clock, now, words);
    ServiceRow {
        name: row.name.clone(),
        mark: if is_well { "<span class=\"dot\"></span>" } else { marks::tone(state.tone) },
        word: if is_well { words.get("health-Healthy") } else { state.word.clone() },
        image: view_model::image_of(pass, &row.name).unwrap_or_default(),
        address: row.domains.first().cloned().zip(row.urls.first().cloned()),
        more: row.domains.len().saturating_sub(1),
        access: exposure::of_service(pass, row).map(|found| access_line(&found, words)),
        ring: has_routes.then(|| Ring::of_service(pass, row, now, words)),
        state: (!is_well).then_some(state),
        now: suspension_line(pass, row, now, words).map_or(what_now, Counted::plain),
        since: since(pass, &row.name).map(|at| view_model::span(now - at)).unwrap_or_default(),
        since_at: since(pass, &row.name).map(|at| at.0),
    }
}

/// Who suspended a service and why, beside the word that it is suspended; `None`: there is something else to say.
fn suspension_line(pass: &PassView, row: &ServiceStatus, now: Timestamp, words: Words) -> Option<String> {
    let suspension = pass.facts.suspended.get(&row.name)?;
    if suspension.destroy || row.deleted || row.attention {
        return None;
    }
    let until = suspension.until.map(|until| view_model::when(until, now, "", words));
    let key = match (&until, suspension.why.is_empty()) {
        (None, true) => "row-suspended-by-whom",
        (None, false) => "row-suspended-by",
        (Some(_), true) => "row-suspended-until-by-whom",
        (Some(_), false) => "row-suspended-until",
    };
    let (why, until) = (words.say(&suspension.why), until.unwrap_or_default());
    Some(words.with_all(key, &[("who", &suspension.by), ("why", &why), ("until", &until)]))
}

/// Who can reach a route, in words.
pub fn access_line(found: &Exposure, words: Words) -> AccessLine {
    let list = found.wanted.as_deref();
    let line = |icon, is_off, text| AccessLine { icon, is_off, text };
    match (found.observed, list) {
        (Observed::AsWanted, Some(list)) => line("lock", false, words.with("access-list", "list", list)),
        (Observed::AsWanted, None) => line("globe", false, words.get("access-everyone")),
        (Observed::Open, list) => line("open", true, words.with("access-lost", "list", list.unwrap_or_default())),
        (Observed::OtherList, Some(list)) => line("lock", true, words.with("access-other", "list", list)),
        (Observed::OtherList, None) => line("lock", true, words.get("access-closed")),
        (Observed::Absent, _) => line("dim", false, words.get("access-absent")),
        (Observed::Unknown, _) => line("dim", false, words.get("access-unknown")),
    }
}

/// The certificate that the first proxied name of a service has: its address, and when it ends.
fn certificate_of(pass: &PassView, row: &ServiceStatus) -> Option<(Address, Timestamp)> {
    let hosts = row.resources.iter().map(|resource| &resource.address).filter(|address| address.kind.has_host_names());
    hosts.filter_map(|host| certificate_at(pass, host)).min_by_key(|(_, ends)| *ends)
}

/// The certificate that a proxied name has.
fn certificate_at(pass: &PassView, host: &Address) -> Option<(Address, Timestamp)> {
    let name = pass.world.seen.get(host)?.fields.text("certificate")?;
    let address = Address::new(host.provider.clone(), Kind::Certificate, name);
    let ends = certificates::ends(&pass.world.seen.get(&address)?.fields)?;
    Some((address, ends))
}

/// Whether a proxied name of a service cannot be seen: nothing is known of its certificate.
fn has_hidden_host(row: &ServiceStatus) -> bool {
    row.resources.iter().any(|one| one.address.kind.has_host_names() && one.sync == Sync::Unknown)
}

fn certificate_end(pass: &PassView, row: &ServiceStatus) -> Option<Timestamp> {
    certificate_of(pass, row).map(|(_, ends)| ends)
}

impl Ring {
    fn of_service(pass: &PassView, row: &ServiceStatus, now: Timestamp, words: Words) -> Self {
        match certificate_end(pass, row) {
            Some(ends) => Self::new(ends, now, words),
            None if has_hidden_host(row) => Self { label: words.get("ring-unknown"), ..Self::none(words) },
            None => Self::none(words),
        }
    }

    /// Of a proxied name; `None`: it has no certificate.
    pub fn of_host(pass: &PassView, host: &Address, now: Timestamp, words: Words) -> Option<Self> {
        certificate_at(pass, host).map(|(_, ends)| Self::new(ends, now, words))
    }

    /// Without a certificate.
    pub fn none(words: Words) -> Self {
        Self { class: " none", part: "0".to_owned(), days: "–".to_owned(), label: words.get("ring-none") }
    }

    /// Of a certificate by its end.
    pub fn new(ends: Timestamp, now: Timestamp, words: Words) -> Self {
        let days = ((ends - now).0 / Millis::minutes(24 * 60).0).max(0);
        let class = match days {
            _ if days < URGENT_DAYS => " bad",
            _ if days <= SOON_DAYS => " warn",
            _ => "",
        };
        let tenths = RING_TENTHS * days.min(RING_DAYS) / RING_DAYS;
        Self {
            class,
            part: format!("{}.{}", tenths / 10, tenths % 10),
            label: words.count("ring-days", &usize::try_from(days).unwrap_or_default()),
            days: days.to_string(),
        }
    }
}

/// A number, what it counts, and where that is listed.
pub struct Tile {
    /// Its class: ` bad`, ` warn`.
    pub class: &'static str,
    pub href: &'static str,
    /// The name of its mark.
    pub icon: &'static str,
    pub label: String,
    pub value: String,
    /// `of 12`; empty: nothing.
    pub of: String,
    /// Segments of a bar: the left edge, the width and the class of each.
    pub bar: Vec<(usize, usize, &'static str)>,
    /// The nearest certificate.
    pub ring: Option<Ring>,
    /// The line below.
    pub detail: String,
}

impl Tile {
    /// A number alone.
    pub fn number(icon: &'static str, label: String, value: String, href: &'static str) -> Self {
        let (of, detail) = (String::new(), String::new());
        Self { class: "", href, icon, label, value, of, bar: Vec::new(), ring: None, detail }
    }
}

/// The tiles above the list.
pub fn tiles(pass: &PassView, all: &BTreeMap<&String, &ServiceStatus>, needs: &[String], words: Words) -> Vec<Tile> {
    if all.is_empty() {
        return Vec::new();
    }
    vec![healthy(pass, all, words), needs_you(needs, words), certificates(pass, all, words), open(pass, words)]
}

/// The place of a service that goes on while the guard holds its delete.
const HELD: usize = 1;

/// The class of a segment; the best first.
fn segment(pass: &PassView, row: &ServiceStatus, words: Words) -> (usize, &'static str) {
    let (sync, health) = view_model::states(pass, row, words);
    let tone = if row.health != Health::Healthy || health.tone == "off" { health.tone } else { sync.tone };
    let is_held = row.health == Health::Healthy && row.code.is_some_and(guards::is_one);
    match tone {
        "ok" => (0, "ta"),
        "warn" if is_held => (HELD, "tw"),
        // As while an update waits for its end.
        "warn" if !pass.changes_of(&row.name).any(status::is_drift) => (2, "tw"),
        "warn" => (3, "tw"),
        "go" => (4, "tg"),
        "off" => (5, "to"),
        "dim" => (6, "tn"),
        _ if conditions::serves_still(pass, row) => (7, "tx"),
        _ if pass.broken.contains_key(&row.name) && row.resources.is_empty() => (8, "tx"),
        _ => (9, "tx"),
    }
}

fn healthy(pass: &PassView, all: &BTreeMap<&String, &ServiceStatus>, words: Words) -> Tile {
    let mut segments: Vec<(usize, &'static str)> = all.values().map(|row| segment(pass, row, words)).collect();
    segments.sort_unstable();
    let well = segments.iter().filter(|(place, _)| *place <= HELD).count();
    let parts = [
        ("count-held", HELD),
        ("count-out-of-sync", 2),
        ("count-drifted", 3),
        ("count-moving", 4),
        ("count-suspended", 5),
        ("count-unknown", 6),
        ("count-failed", 7),
        ("count-unread", 8),
        ("count-broken", 9),
    ];
    let count = |place: usize| segments.iter().filter(|(known, _)| *known == place).count();
    let parts =
        parts.iter().filter(|(_, place)| count(*place) > 0).map(|(key, place)| words.count(key, &count(*place)));
    let detail = parts.collect::<Vec<_>>().join(", ");
    Tile {
        class: "",
        href: "/",
        icon: "ok",
        label: words.get("tile-healthy"),
        value: well.to_string(),
        of: words.with("tile-of", "count", &all.len().to_string()),
        bar: bar(&segments),
        ring: None,
        detail: if detail.is_empty() { words.get("tile-all-healthy") } else { detail },
    }
}

/// One segment for each service; with too many of them, one for each state.
fn bar(segments: &[(usize, &'static str)]) -> Vec<(usize, usize, &'static str)> {
    if segments.len() <= SEGMENTS_MAX {
        let pitch = BAR / segments.len().clamp(8, SEGMENTS_MAX);
        return segments
            .iter()
            .enumerate()
            .map(|(at, (_, class))| (at * pitch, pitch.saturating_sub(2).max(2), *class))
            .collect();
    }
    let mut parts: Vec<(usize, &'static str)> = Vec::new();
    for (_, class) in segments {
        match parts.last_mut() {
            Some((count, known)) if known == class => *count += 1,
            Some(_) | None => parts.push((1, class)),
        }
    }
    let mut at = 0;
    let drawn = parts.into_iter().map(|(count, class)| {
        let width = (BAR * count / segments.len()).max(3);
        at += width;
        (at - width, width.saturating_sub(1), class)
    });
    drawn.collect()
}

/// The first names of a list.
pub fn first_names(names: &[String]) -> String {
    names_up_to(NAMES_SHOWN, names)
}

/// The first names of a list, and how many more there are.
pub fn names_up_to(most: usize, names: &[String]) -> String {
    let mut known: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    known.dedup();
    let more = known.len().saturating_sub(most);
    let shown = known.iter().take(most).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} +{more}") } else { shown }
}

fn needs_you(needs: &[String], words: Words) -> Tile {
    let names = first_names(needs);
    Tile {
        class: if needs.is_empty() { "" } else { " bad" },
        href: "/?only=attention",
        icon: "bad",
        label: words.get("overview-needs-you"),
        value: needs.len().to_string(),
        of: String::new(),
        bar: Vec::new(),
        ring: None,
        detail: if needs.is_empty() { words.get("tile-nothing-needed") } else { names },
    }
}

fn certificates(pass: &PassView, all: &BTreeMap<&String, &ServiceStatus>, words: Words) -> Tile {
    let soon = service_list::matching(pass, Only::Expiring);
    let ends = all.values().filter_map(|row| Some((certificate_of(pass, row)?, row)));
    let first = ends.min_by_key(|((_, ends), _)| *ends);
    let is_hidden = first.is_none() && all.values().any(|row| has_hidden_host(row));
    let detail = match &first {
        Some(((_, ends), row)) => {
            let name = row.domains.first().unwrap_or(&row.name);
            let days = ((*ends - pass.at).0 / Millis::minutes(24 * 60).0).max(0).to_string();
            words.with_all("tile-next-certificate", &[("name", name), ("days", &days)])
        }
        None if is_hidden => words.get("tile-unknown"),
        None => words.get("tile-no-certificate"),
    };
    Tile {
        class: if soon.is_empty() { "" } else { " warn" },
        href: "/certificates",
        icon: "shield",
        label: words.get("tile-certificates"),
        value: if is_hidden { "–".to_owned() } else { soon.len().to_string() },
        of: String::new(),
        bar: Vec::new(),
        ring: first.map(|((_, ends), _)| Ring::new(ends, pass.at, words)),
        detail,
    }
}

fn open(pass: &PassView, words: Words) -> Tile {
    let found = exposure::of_all(pass);
    let lost: Vec<String> =
        found.iter().filter(|(_, found)| found.is_lost()).map(|(row, _)| row.name.clone()).collect();
    let unknown = found.iter().filter(|(_, found)| found.observed == Observed::Unknown).count();
    let is_hidden = unknown > 0 && unknown == found.len();
    let open = service_list::matching(pass, Only::Open).len();
    Tile {
        class: if lost.is_empty() { "" } else { " warn" },
        href: "/?only=open",
        icon: "globe",
        label: words.get("filter-open"),
        value: if is_hidden { "–".to_owned() } else { open.to_string() },
        of: if is_hidden { String::new() } else { words.with("tile-of", "count", &found.len().to_string()) },
        bar: Vec::new(),
        ring: None,
        detail: match (lost.is_empty(), unknown) {
            (false, _) => words.with("tile-open-lost", "names", &first_names(&lost)),
            (true, _) if is_hidden => words.get("tile-unknown"),
            (true, 0) => words.get("tile-open-as-wanted"),
            (true, unknown) => words.count("count-unknown", &unknown),
        },
    }
}
