//! The servers of all clouds in one list: what each is, its power, what happens next. Pure: a pass result in, text and
//! documents out. A managed one goes by the name of its manifest, another one by `CLOUD:ID`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::missed_tick::{MissedTick, missed_tick};
use super::savings;
use super::under_way::InstanceWork;
use crate::engine::pass_result::{ActionState, Saved};
use crate::engine::report::pass_view::PassView;
use crate::words::{self, say};
use amarre_core::model::instance::{Instance, PowerFacts, not_shelved};
use amarre_core::model::power::{Cause, Power, Wanted};
use amarre_core::model::savings::{MONTH_HOURS, ServerPrices};
use amarre_core::model::timetable::{Tick, Timetable};
use amarre_core::model::{
    Address, Arg, Code, Gap, GapScope, Hint, Kind, Language, Readiness, Refusal, Seen, Service, Text, Timestamp,
};
use amarre_core::text;

#[derive(Debug, Clone, PartialEq)]
pub struct InstanceRow {
    /// As commands, paths and pages call it: `build-1`, `paris:8f1c7a52`.
    pub name: String,
    pub address: Address,
    /// The vendor's id; empty: it is not known, or there is none yet.
    pub id: String,
    /// The vendor's name of it, which need not be unique.
    pub vendor_name: String,
    /// Its cloud, as the configuration calls it.
    pub cloud: String,
    /// Its project, as people call it.
    pub project: String,
    pub region: String,
    /// The vendor's name of its size.
    pub size: String,
    /// Its public addresses.
    pub addresses: Vec<String>,
    /// The vendor's word for what it does.
    pub status: String,
    /// Why it is not ready although it runs, by what its manifest says of `ready`.
    pub unanswered: Option<Text>,
    /// What its vendor does with it now.
    pub work: Option<InstanceWork>,
    /// Why what its manifest says is not done, or not yet.
    pub pending: Option<Pending>,
    pub state: InstanceState,
    /// Whether it is paid by the month.
    pub is_monthly: bool,
    /// Why it may not be shelved: its vendor would not keep all of its disks.
    pub not_shelved: Option<Refusal>,
    /// What the vendor takes for it now, where that was read; of a shelved one it is not known.
    pub cost: Option<Cost>,
    /// What the vendor takes for it, on and off, where that was read.
    pub prices: Option<ServerPrices>,
    /// What its timetable saved; `None`: it has none.
    pub saved: Option<Saved>,
    /// The tick whose power it did not reach in time.
    pub missed: Option<MissedTick>,
    /// When it was made, as the vendor writes it.
    pub created: String,
    /// Its manifest, if it has one.
    pub manifest: Option<ManagedPower>,
    /// The latest action of this process on it.
    pub action: Option<ActionState>,
    /// Of a server that Amarre made: the ids of others that have its name at its vendor.
    pub twins: Vec<String>,
    /// When it was observed.
    pub seen_at: Timestamp,
    /// Why it is not seen now; what is shown is the last reading.
    pub gap: Option<Gap>,
}

/// Why what a manifest says of a server is not done, or not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Why: lowercase, no full stop.
    pub why: Text,
    /// For `amarre help`; `None`: it comes by itself, or waits for the first `apply`.
    pub code: Option<Code>,
    /// What a person can do.
    pub hints: Vec<Hint>,
}

/// What a vendor takes for a server, without tax and traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// For an hour, in 10⁻⁸ of the currency; `None`: it is paid by the month.
    pub hour: Option<i64>,
    /// For a month, in 10⁻⁸ of the currency: of one that is paid by the hour, for 730 hours.
    pub month: i64,
    /// As `EUR`.
    pub currency: String,
}

impl Cost {
    /// For an hour, also of one that is paid by the month.
    pub fn an_hour(&self) -> i64 {
        self.hour.unwrap_or(self.month / MONTH_HOURS)
    }
}

/// An amount of 10⁻⁸ of a currency: `23.29`, with more digits for what is below one.
pub fn amount(of: i64) -> String {
    if of == 0 {
        return "0".to_owned();
    }
    let digits = if of < 100_000_000 { 4 } else { 2 };
    let unit = 10_i64.pow(8 - digits);
    let rounded = (of + unit / 2) / unit;
    let whole = 10_i64.pow(digits);
    format!("{}.{:0digits$}", rounded / whole, rounded % whole, digits = usize::try_from(digits).unwrap_or(2))
}

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceState {
    /// The vendor gave it up.
    Error,
    /// It is not seen.
    Unknown,
    /// It is on its way.
    Changing,
    On,
    Off,
    /// It is a snapshot.
    Shelved,
    /// Its manifest is to make it, and has not yet.
    NotMade,
    /// Its manifest names one that is not there.
    Missing,
}

/// The power that a manifest wants.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagedPower {
    /// The manifest's name.
    pub service: String,
    pub instance: Instance,
    /// What follows from it now.
    pub wanted: Wanted,
    /// What is known of it.
    pub facts: PowerFacts,
}

impl From<Power> for InstanceState {
    fn from(power: Power) -> Self {
        match power {
            Power::On => InstanceState::On,
            Power::Off => InstanceState::Off,
            Power::Shelved => InstanceState::Shelved,
        }
    }
}

impl InstanceState {
    pub const ALL: [InstanceState; 8] = [
        InstanceState::Error,
        InstanceState::Unknown,
        InstanceState::Changing,
        InstanceState::On,
        InstanceState::Off,
        InstanceState::Shelved,
        InstanceState::NotMade,
        InstanceState::Missing,
    ];

    /// The word in documents and filters.
    pub const fn word(self) -> &'static str {
        match self {
            InstanceState::Error => "error",
            InstanceState::Unknown => "unknown",
            InstanceState::Changing => "changing",
            InstanceState::On => "on",
            InstanceState::Off => "off",
            InstanceState::Shelved => "shelved",
            InstanceState::NotMade => "not-made",
            InstanceState::Missing => "missing",
        }
    }

    /// For people.
    pub fn text(self) -> Text {
        match self {
            InstanceState::Error => text!("in error"),
            InstanceState::Unknown => text!("not seen"),
            InstanceState::Changing => text!("on its way"),
            InstanceState::On => text!("on"),
            InstanceState::Off => text!("off"),
            InstanceState::Shelved => text!("shelved"),
            InstanceState::NotMade => text!("not made yet"),
            InstanceState::Missing => text!("not there"),
        }
    }
}

impl InstanceRow {
    /// Whether a manifest made it.
    pub fn is_made(&self) -> bool {
        self.address.kind == Kind::Server
    }

    /// The names that lead to it, as its manifest says.
    pub fn domains(&self) -> &[String] {
        self.manifest.as_ref().map(|managed| managed.instance.domains.as_slice()).unwrap_or_default()
    }

    /// `paris:8f1c7a52`, whatever its manifest calls it.
    pub fn by_id(&self) -> String {
        format!("{}:{}", self.cloud, self.id)
    }

    pub fn timetable(&self) -> Option<&Timetable> {
        self.manifest.as_ref()?.instance.rule.timetable()
    }

    /// Whether its vendor has it.
    pub fn is_there(&self) -> bool {
        !matches!(self.state, InstanceState::NotMade | InstanceState::Missing)
    }

    /// Whether a person has to look at it.
    pub fn needs_attention(&self) -> bool {
        self.is_in_trouble() || self.missed.is_some()
    }

    /// Whether something is wrong with it beside a tick that it missed.
    pub fn is_in_trouble(&self) -> bool {
        let was_stopped = |managed: &ManagedPower| {
            managed.facts.override_.as_ref().is_some_and(amarre_core::model::power::Override::needs_attention)
        };
        !self.twins.is_empty()
            || matches!(self.state, InstanceState::Error | InstanceState::Missing)
            || self.manifest.as_ref().is_some_and(was_stopped)
            || matches!(self.action, Some(ActionState::Failed(_) | ActionState::Unknown))
    }

    /// That other servers have its name, and which one is Amarre's; `None`: none has.
    pub fn twins_text(&self) -> Option<Text> {
        let ids = self.twins.join(", ");
        let (name, cloud, own) = (self.vendor_name.as_str(), self.cloud.as_str(), self.id.as_str());
        let cost = self.cost.as_ref().map(|cost| format!("{} {}", amount(cost.month), cost.currency));
        let said = match cost {
            Some(cost) => text!(
                "{cloud} has another server of the name {name}: {ids}. Amarre's is {own}; a server like it costs {cost} a month, without tax",
                cloud,
                name,
                ids,
                own,
                cost
            ),
            None => {
                text!("{cloud} has another server of the name {name}: {ids}. Amarre's is {own}", cloud, name, ids, own)
            }
        };
        (!self.twins.is_empty()).then_some(said)
    }

    /// What happens next, or why it is as it is; empty where nothing is known.
    pub fn next(&self) -> Text {
        if let Some(twins) = self.twins_text() {
            return twins;
        }
        if let Some(gap) = &self.gap {
            let (at, why) = (Arg::Date(self.seen_at), gap.message.clone());
            return text!("last seen at {at}: {why}", at, why);
        }
        if let Some(pending) = self.pending.as_ref().filter(|_| !self.is_there()) {
            return pending.why.clone();
        }
        let Some(managed) = &self.manifest else { return Text::default() };
        let cause = managed.wanted.why.text();
        match (&managed.wanted.why, managed.wanted.next) {
            (Cause::Override(..) | Cause::NoTickYet(_), _) | (_, None) => cause,
            (_, Some(Tick { at, to })) => {
                let at = Arg::Date(at);
                match to {
                    Power::On => text!("on at {at}", at),
                    Power::Off => text!("off at {at}", at),
                    Power::Shelved => text!("shelved at {at}", at),
                }
            }
        }
    }
}

/// The filter and order of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstancesQuery {
    /// Part of a name, an id, an address, a size.
    pub q: String,
    /// Only of this cloud.
    pub cloud: String,
    /// Only of this project.
    pub project: String,
    /// Only in this region.
    pub region: String,
    /// Only in this state.
    pub state: String,
    /// `yes`: only managed ones; `no`: only others.
    pub managed: String,
    /// By what; with `-`, the other way round.
    pub sort: String,
}

/// By what a list is sorted; each also with `-`.
pub const SORTS: [&str; 7] = ["name", "cloud", "project", "region", "state", "type", "created"];

impl InstancesQuery {
    /// As the query of a request.
    pub fn pairs(&self) -> Vec<(&'static str, &str)> {
        let Self { q, cloud, project, region, state, managed, sort } = self;
        let all: [(&'static str, &str); 7] = [
            ("q", q),
            ("cloud", cloud),
            ("project", project),
            ("region", region),
            ("state", state),
            ("managed", managed),
            ("sort", sort),
        ];
        all.into_iter().filter(|(_, said)| !said.is_empty()).collect()
    }

    /// What of the query is none of its words, with the words.
    pub fn mistake(&self) -> Option<Text> {
        let states: Vec<&str> = InstanceState::ALL.iter().map(|state| state.word()).collect();
        let words: [(&str, &str, &[&str]); 3] = [
            ("state", &self.state, &states),
            ("managed", &self.managed, &["yes", "no"]),
            ("sort", self.sort.trim_start_matches('-'), &SORTS),
        ];
        let wrong = words.into_iter().find(|(_, said, known)| !said.is_empty() && !known.contains(said));
        wrong.map(|(key, said, known)| text!("{key}: `{said}` is none of {known}", key, said, known = known.to_vec()))
    }

    fn takes(&self, row: &InstanceRow) -> bool {
        let is = |asked: &str, is: &str| asked.is_empty() || asked == is;
        let text = self.q.trim().to_lowercase();
        let has = |field: &str| field.to_lowercase().contains(&text);
        is(&self.cloud, &row.cloud)
            && is(&self.project, &row.project)
            && is(&self.region, &row.region)
            && is(&self.state, row.state.word())
            && is(&self.managed, if row.manifest.is_some() { "yes" } else { "no" })
            && (has(&row.name)
                || has(&row.vendor_name)
                || has(&row.size)
                || row.addresses.iter().any(|ip| ip.starts_with(&text)))
    }

    /// The rows that match, in order.
    pub fn select(&self, pass: &PassView) -> Vec<InstanceRow> {
        let mut rows: Vec<InstanceRow> = pass.instances().iter().filter(|row| self.takes(row)).cloned().collect();
        let key = |row: &InstanceRow| match self.sort.trim_start_matches('-') {
            "cloud" => row.cloud.clone(),
            "project" => row.project.clone(),
            "region" => row.region.clone(),
            "state" => format!("{:?}", row.state as u8),
            "type" => row.size.clone(),
            "created" => row.created.clone(),
            _ => String::new(),
        };
        // By name, which also orders equal rows.
        rows.sort_by_cached_key(key);
        if self.sort.starts_with('-') {
            rows.reverse();
        }
        rows
    }
}

/// Every server by name: those of manifests, and those that vendors list.
pub(super) fn rows(pass: &PassView) -> Vec<InstanceRow> {
    let managed = pass.services.iter().flat_map(|(name, service)| {
        service.servers().map(move |instance| row(pass, &instance.address, Some((name, instance))))
    });
    // Of one that is destroyed nothing is wanted, whatever its manifest says.
    let instances = pass.services.values().flat_map(Service::servers);
    let of_manifests: BTreeSet<&Address> = instances.map(|instance| &instance.address).collect();
    let is_managed = |address: &Address| pass.wants.map.contains_key(address) || of_manifests.contains(address);
    // One of Amarre's whose manifest is gone is still there, and costs what it cost.
    let made = pass.world.seen.keys().filter(|address| address.kind == Kind::Server);
    let listed = pass.world.inventory.keys().filter(|address| address.kind.is_instance()).chain(made);
    let others = listed.filter(|address| !is_managed(address)).map(|address| row(pass, address, None));
    let mut rows: Vec<InstanceRow> = managed.chain(others).collect();
    let named = |row: &InstanceRow| (row.cloud.clone(), row.vendor_name.clone());
    let mut others: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.is_made() && row.is_there()) {
        others.entry(named(row)).or_default().push(row.id.clone());
    }
    for row in rows.iter_mut().filter(|row| row.is_made() && !row.vendor_name.is_empty()) {
        row.twins = others.remove(&named(row)).unwrap_or_default();
    }
    rows.sort_by_cached_key(|row| (row.shown_name().to_owned(), row.name.clone()));
    rows
}

impl InstanceRow {
    /// The name that people know: the manifest's, else the vendor's.
    pub fn shown_name(&self) -> &str {
        if self.manifest.is_some() || self.vendor_name.is_empty() { &self.name } else { &self.vendor_name }
    }
}

fn row(pass: &PassView, address: &Address, managed: Option<(&String, &Instance)>) -> InstanceRow {
    let cloud = address.provider.short_name().to_owned();
    let seen = pass.world.thing(address);
    let is_made = address.kind == Kind::Server;
    let id = if is_made { seen.map(|seen| seen.vendor_id.clone()) } else { Some(address.name.clone()) };
    let id = id.unwrap_or_default();
    let field = |name: &str| seen.and_then(|seen| seen.fields.text(name)).unwrap_or_default().to_owned();
    let project = field("project");
    // Addresses have no project in them, so a gap of one covers none by itself.
    let is_of_project = |gap: &Gap| matches!(&gap.scope, GapScope::Part { path, .. } if *path == project);
    let hides = |gap: &&Gap| gap.covers(address) || gap.provider == address.provider && is_of_project(gap);
    let gap = pass.plan.gaps.iter().find(hides);
    let manifest = managed.map(|(service, instance)| ManagedPower {
        service: service.clone(),
        instance: instance.clone(),
        wanted: instance.wanted(pass.facts.power.get(address), pass.at),
        facts: pass.facts.power.get(address).cloned().unwrap_or_default(),
    });
    let addresses = seen.map(|seen| seen.fields.strings("addresses")).unwrap_or_default();
    let prices = seen.and_then(|seen| ServerPrices::of(&seen.fields));
    let power = seen.and_then(|seen| Power::parse(seen.fields.text("power")?));
    let mut row = InstanceRow {
        name: match managed {
            // Servers of a pool share their manifest.
            Some((service, _)) if pass.services.get(service).is_some_and(|one| one.pool.is_none()) => service.clone(),
            Some(_) => address.name.clone(),
            None => format!("{cloud}:{id}"),
        },
        address: address.clone(),
        id,
        vendor_name: field("name"),
        cloud,
        project: field("project_name"),
        region: field("region"),
        size: field("type"),
        addresses: addresses.into_iter().map(str::to_owned).collect(),
        status: field("status"),
        unanswered: seen.and_then(unanswered),
        work: InstanceWork::going_on(pass, address, seen.filter(|_| gap.is_none())),
        pending: None,
        state: state(seen, gap),
        is_monthly: field("billing") == "month",
        not_shelved: None,
        cost: prices.as_ref().and_then(|prices| cost(prices, power)),
        prices,
        saved: None,
        missed: None,
        created: field("created"),
        manifest,
        action: pass.actions.get(address).cloned(),
        twins: Vec::new(),
        seen_at: seen.map_or(pass.at, |seen| seen.at),
        gap: gap.cloned(),
    };
    if row.state == InstanceState::Missing && is_made && !pass.facts.applied.contains_key(address) {
        row.state = InstanceState::NotMade;
    }
    if address.provider.cloud_traits().shelves && row.state != InstanceState::Shelved {
        row.not_shelved = seen.and_then(|seen| not_shelved(row.shown_name(), &seen.fields));
    }
    row.pending = pending(pass, &row);
    row.saved = row.timetable().is_some().then(|| saved(pass, &row));
    row.missed = missed_tick(pass, &row);
    row
}

/// Of one that is there, only what is held; of another one, also what it waits for.
fn pending(pass: &PassView, row: &InstanceRow) -> Option<Pending> {
    let managed = row.manifest.as_ref().filter(|_| row.gap.is_none())?;
    let change = pass.change_of(&row.address);
    if let Some(refusal) = change.and_then(|change| change.refusal()) {
        let Refusal { code, message, hints, .. } = refusal;
        return Some(Pending { why: message.clone(), code: Some(*code), hints: hints.clone() });
    }
    if row.is_there() {
        return None;
    }
    if let Some(known) = pass.failing.get(&row.address) {
        let error = &known.error;
        return Some(Pending { why: error.message.clone(), code: Some(error.code), hints: error.hints() });
    }
    let status = pass.statuses().get(&managed.service)?;
    let why = status.what_now.clone();
    (!why.is_empty()).then(|| Pending { why, code: status.code, hints: status.hints.clone() })
}

fn saved(pass: &PassView, row: &InstanceRow) -> Saved {
    let currency = || row.prices.as_ref().map(|prices| prices.currency.clone()).unwrap_or_default();
    let mut saved = pass.saved.get(&row.address).cloned().unwrap_or_default();
    if saved.currency.is_empty() {
        saved.currency = currency();
    }
    saved
}

/// What is taken for a server with this power; `None` for a power: it runs, or is to.
pub fn cost(prices: &ServerPrices, power: Option<Power>) -> Option<Cost> {
    let currency = prices.currency.clone();
    let hour = match power {
        // Only its snapshot is billed, by its size.
        Some(Power::Shelved) => return None,
        _ if prices.is_monthly => return Some(Cost { hour: None, month: prices.on, currency }),
        Some(Power::Off) => prices.off.unwrap_or(prices.on),
        Some(Power::On) | None => prices.on,
    };
    Some(Cost { hour: Some(hour), month: hour.saturating_mul(MONTH_HOURS), currency })
}

fn state(seen: Option<&Seen>, gap: Option<&Gap>) -> InstanceState {
    let Some(seen) = seen.filter(|_| gap.is_none()) else {
        return if gap.is_some() { InstanceState::Unknown } else { InstanceState::Missing };
    };
    let power = seen.fields.text("power").and_then(Power::parse);
    match (&seen.ready, power) {
        // What does not answer runs all the same.
        (Readiness::NotYet { .. }, Some(power)) if seen.fields.flag("answers") == Some(false) => power.into(),
        (Readiness::Failed { .. }, _) => InstanceState::Error,
        (Readiness::NotYet { .. }, _) | (Readiness::Ready, None) => InstanceState::Changing,
        (Readiness::Ready, Some(Power::On)) => InstanceState::On,
        (Readiness::Ready, Some(Power::Off)) => InstanceState::Off,
        (Readiness::Ready, Some(Power::Shelved)) => InstanceState::Shelved,
    }
}

fn unanswered(seen: &Seen) -> Option<Text> {
    match &seen.ready {
        Readiness::NotYet { why, .. } if seen.fields.flag("answers") == Some(false) => Some(why.clone()),
        Readiness::NotYet { .. } | Readiness::Ready | Readiness::Failed { .. } => None,
    }
}

/// The document of a server.
pub fn json(row: &InstanceRow) -> Json {
    let manifest = row.manifest.as_ref().map(|managed| {
        let Wanted { level, why, next, .. } = &managed.wanted;
        json!({
            "manifest": managed.service,
            "file": managed.instance.origin.file,
            "rule": managed.instance.rule.key(),
            "wanted": level.map(Power::as_str),
            "because": say(&why.text(), Language::En),
            "override": managed.facts.override_,
            "next": next.map(|tick| json!({"at": tick.at.rfc3339(), "to": tick.to.as_str()})),
        })
    });
    json!({
        "name": row.name, "vendor_name": row.vendor_name, "id": row.id, "cloud": row.cloud,
        "project": row.project, "region": row.region, "type": row.size, "addresses": row.addresses, "domains": row.domains(),
        "state": row.state.word(), "status": row.status, "unanswered": row.unanswered.as_ref().map(ToString::to_string),
        "pending": row.pending.as_ref().map(pending_json), "under_way": row.work.as_ref().map(InstanceWork::json),
        "billing": if row.is_monthly { "month" } else { "hour" },
        "cost": row.cost.as_ref().map(|cost| json!({
            "hour": cost.hour.map(amount), "month": amount(cost.month), "currency": cost.currency,
        })),
        "saved": savings::json_of(row),
        "created": (!row.created.is_empty()).then_some(&row.created), "managed": manifest,
        "seen_at": row.seen_at.rfc3339(), "attention": row.needs_attention(),
        "gap": row.gap.as_ref().map(|gap| json!({"code": gap.code, "message": gap.message.to_string(), "hint": gap.hint.to_string()})),
    })
}

fn pending_json(pending: &Pending) -> Json {
    let mut document = json!({"code": pending.code, "hints": pending.hints});
    super::insert(&mut document, &pending.why, "message");
    document
}

/// The document of a list: some rows of all that match, and the parts of clouds that are not seen. What was saved is that of
/// all.
pub fn document(pass: &PassView, all: &[InstanceRow], shown: Range<usize>) -> Json {
    let next = (shown.end < all.len()).then_some(shown.end);
    let rows = all.get(shown).unwrap_or_default();
    let gaps = pass.plan.gaps.iter().filter(|gap| is_of_cloud(pass, gap)).map(|gap| {
        json!({"cloud": gap.provider.short_name(), "place": gap.place().trim(), "code": gap.code, "message": gap.message.to_string(), "hint": gap.hint.to_string()})
    });
    json!({
        "schema": "amarre.instances/v1", "at": pass.at.rfc3339(), "total": all.len(), "next": next,
        "saved": savings::sums(all).iter().map(savings::json).collect::<Vec<_>>(),
        "gaps": gaps.collect::<Vec<_>>(), "instances": rows.iter().map(json).collect::<Vec<_>>(),
    })
}

fn is_of_cloud(pass: &PassView, gap: &Gap) -> bool {
    let clouds = pass.context.as_ref().map(|context| &context.site.clouds);
    let is_one = clouds.is_some_and(|clouds| clouds.values().any(|cloud| cloud.provider == gap.provider));
    is_one && gap.scope.resource().is_none()
}

/// The server that a person names: by its manifest, by `CLOUD:ID`, or by a vendor's name that only one has.
///
/// # Errors
/// The names that it could be, or that are near.
pub fn find(pass: &PassView, name: &str) -> Result<InstanceRow, String> {
    let rows = pass.instances();
    let mut called = rows.iter().filter(|row| row.name == name);
    match (called.next(), called.next()) {
        (Some(row), None) => return Ok(row.clone()),
        (Some(row), Some(other)) => {
            return Err(format!("two have this name: write {} or {}", row.by_id(), other.by_id()));
        }
        (None, _) => (),
    }
    let by_id = |row: &&InstanceRow| row.by_id() == name || row.id == name;
    if let Some(row) = rows.iter().find(by_id) {
        return Ok(row.clone());
    }
    // One whose manifest is gone is still looked for by the name that it had there.
    let by_manifest = |row: &&InstanceRow| row.is_made() && row.address.name == name;
    if let Some(row) = rows.iter().find(by_manifest) {
        return Ok(row.clone());
    }
    let named: Vec<&InstanceRow> = rows.iter().filter(|row| row.vendor_name == name).collect();
    match named.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let known: Vec<&str> = rows.iter().map(InstanceRow::shown_name).collect();
            let near = amarre_core::model::suggestion::nearest(name, &known);
            Err(near
                .map_or_else(|| "amarre instance list shows them".to_owned(), |near| format!("did you mean {near}?")))
        }
        several => {
            let place = |row: &InstanceRow| format!("{} {}", row.project, row.region).trim().to_owned();
            let names = several.iter().map(|row| format!("{} ({})", row.name, place(row)));
            Err(format!("several have this name: {}", names.collect::<Vec<_>>().join(", ")))
        }
    }
}

/// `Thu 26 Nov 08:00`, in a time zone; an empty one is this machine's.
pub fn local_time(at: Timestamp, zone: &str, language: Language) -> String {
    let at = words::local(at, zone);
    match language {
        Language::En => at.strftime("%a %d %b %H:%M").to_string(),
        Language::Fr => {
            let day = ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."];
            let day = day[usize::from(at.weekday().to_monday_zero_offset().unsigned_abs())];
            format!("{day} {}", at.strftime("%d/%m %H:%M"))
        }
    }
}
