//! Plan → text and → JSON, the same facts in both. Pure.

pub mod json;
pub mod lines;
pub mod markdown;
pub mod rows;
pub mod text;
pub mod downtime_lines;
pub mod handover_lines;

use std::collections::{BTreeMap, BTreeSet};

use super::compare;
use super::forecast::Forecast;
use super::input::Input;
use super::rollout::{handover, job};
use crate::model::{
    Address, Change, FieldDiff, Fields, Gap, Gate, Kind, Language, ReasonCode, Refusal, State, Text, Value, Verb,
};
use crate::text;

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Signs of ASCII only.
    pub ascii: bool,
    /// 16-colour ANSI.
    pub colour: bool,
    /// Of the sentences that have a template.
    pub language: Language,
}

impl Style {
    /// For files, pipes and golden tests.
    pub const PLAIN: Style = Style { ascii: false, colour: false, language: Language::En };

    /// Text in a tone.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() { text.to_owned() } else { format!("\x1b[{}m{text}\x1b[0m", tone.code()) }
    }

    /// A sign in its colour.
    pub fn sign(self, sign: Sign) -> String {
        self.paint(sign.tone(), if self.ascii { sign.ascii() } else { sign.text() })
    }

    /// `→`.
    pub fn arrow(self) -> &'static str {
        if self.ascii { "->" } else { "→" }
    }
}

/// 16-colour ANSI only, so that the user's theme decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Made, done.
    Green,
    /// Changed in place.
    Yellow,
    /// Re-created.
    Magenta,
    /// Gone, wrong.
    Red,
    Cyan,
    /// Changes hands.
    Blue,
    /// Reasons, times.
    Dim,
    /// Names, verdicts.
    Bold,
}

impl Tone {
    const fn code(self) -> u8 {
        match self {
            Tone::Green => 32,
            Tone::Yellow => 33,
            Tone::Magenta => 35,
            Tone::Red => 31,
            Tone::Cyan => 36,
            Tone::Blue => 34,
            Tone::Dim => 2,
            Tone::Bold => 1,
        }
    }
}

/// What happens, at a glance. The order is that of strength: a service shows the strongest of its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// Refused.
    Refuse,
    /// Delete.
    Delete,
    /// Re-create.
    Recreate,
    /// Update in place.
    Update,
    /// Create.
    Create,
    /// Comes under Amarre.
    Adopt,
    /// Leaves Amarre, stays in the world.
    Release,
    /// A step without a resource.
    Step,
    /// Done.
    Done,
    /// Did not work.
    Failed,
}

impl Sign {
    /// As printed.
    pub const fn text(self) -> &'static str {
        match self {
            Sign::Refuse => "!",
            Sign::Delete => "-",
            Sign::Recreate => "±",
            Sign::Update => "~",
            Sign::Create => "+",
            Sign::Adopt => "<",
            Sign::Release => ">",
            Sign::Step => "…",
            Sign::Done => "✓",
            Sign::Failed => "✗",
        }
    }

    /// Where the locale is not UTF-8.
    pub const fn ascii(self) -> &'static str {
        match self {
            Sign::Recreate => "*",
            Sign::Step => ":",
            Sign::Done => "ok",
            Sign::Failed => "XX",
            Sign::Refuse => "!",
            Sign::Delete => "-",
            Sign::Update => "~",
            Sign::Create => "+",
            Sign::Adopt => "<",
            Sign::Release => ">",
        }
    }

    const fn tone(self) -> Tone {
        match self {
            Sign::Refuse | Sign::Delete | Sign::Failed => Tone::Red,
            Sign::Recreate => Tone::Magenta,
            Sign::Update => Tone::Yellow,
            Sign::Create | Sign::Done => Tone::Green,
            Sign::Step => Tone::Cyan,
            Sign::Adopt | Sign::Release => Tone::Blue,
        }
    }
}

/// One line of a plan: a change, or two generations of a container as one re-creation.
#[derive(Debug, Clone)]
pub struct PlanLine<'a> {
    /// The change; of a re-creation the one that makes the new generation.
    pub change: &'a Change,
    /// The old generation that goes for it.
    pub replaces: Option<&'a Change>,
    /// What differs.
    pub diff: Vec<FieldDiff>,
    /// A job before an update: a step of it.
    pub is_job: bool,
    /// Whether it counts in the summary (attachments and pulls show, but do not count).
    pub counts: bool,
}

impl PlanLine<'_> {
    pub fn sign(&self) -> Sign {
        match (&self.change.verb, self.replaces) {
            _ if self.change.trouble().is_some() => Sign::Refuse,
            _ if self.is_job => Sign::Step,
            _ if self.change.because.code == ReasonCode::Released => Sign::Release,
            (Verb::Create(_), _) if self.change.address.kind == Kind::Image => Sign::Step,
            (Verb::Create(_), Some(_)) => Sign::Recreate,
            (Verb::Create(_), None) => Sign::Create,
            (Verb::Update(_) | Verb::Delete, _) if self.change.address.kind == Kind::Image => Sign::Step,
            (Verb::Update(_), _) => Sign::Update,
            (Verb::Delete, _) if is_superseded(self.change) => Sign::Step,
            (Verb::Delete, _) => Sign::Delete,
        }
    }
}

/// An attachment that comes or goes with its network has no line of its own. `networks`: the names of those that change.
fn is_shown_with_network(networks: &BTreeSet<&str>, change: &Change) -> bool {
    let network = change.address.name.rsplit_once('/').map_or("", |(network, _)| network);
    let goes_along = change.verb == Verb::Delete || networks.contains(network);
    let is_refused = change.refusal().is_some_and(|refusal| !refusal.is_guard());
    change.address.kind == Kind::Attachment && !is_refused && goes_along
}

/// Containers of ours, and networks, may go and come again in one plan.
fn comes_again(change: &Change) -> bool {
    change.address.generation.is_some() || change.address.kind == Kind::Network
}

/// An old generation that goes because another one is in its place: a step of the update, no loss to anybody.
pub fn is_superseded(change: &Change) -> bool {
    let is_generation = change.verb == Verb::Delete && change.address.generation.is_some();
    is_generation && change.because.code == ReasonCode::DependencyReplaced
}

/// How many of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    pub create: usize,
    /// Changed in place.
    pub update: usize,
    /// Re-created.
    pub recreate: usize,
    pub delete: usize,
    /// Refused.
    pub refused: usize,
    /// Tried without success, and not tried again.
    pub failed: usize,
    /// Given out of hand.
    pub release: usize,
    /// Shown only.
    pub reported: usize,
    /// Waiting for a refused one.
    pub held: usize,
    /// Services with a line.
    pub services_changed: usize,
    /// Services without.
    pub services_in_sync: usize,
    /// Manifests of other kinds without.
    pub others_in_sync: usize,
}

/// The lines of a plan by service, in the order of execution.
pub fn lines<'a>(input: &Input<'_>, forecast: &'a Forecast) -> BTreeMap<String, Vec<PlanLine<'a>>> {
    let changes = &forecast.plan.changes;
    let mut olds: BTreeMap<Address, &Change> = BTreeMap::new();
    let made: BTreeSet<Address> = changes
        .iter()
        .filter(|change| matches!(change.verb, Verb::Create(_)) && comes_again(change))
        .filter(|change| change.refusal().is_none())
        .map(|change| change.address.base())
        .collect();
    for change in changes.iter().filter(|change| change.verb == Verb::Delete && comes_again(change)) {
        let heir = forecast.wants.heir(&change.address);
        if made.contains(&heir) {
            olds.insert(heir, change);
        }
    }
    let networks = changes.iter().filter(|change| change.address.kind == Kind::Network);
    let networks: BTreeSet<&str> = networks.map(|change| change.address.name.as_str()).collect();
    let mut services: BTreeMap<String, Vec<PlanLine<'a>>> = BTreeMap::new();
    for change in changes {
        let heir = forecast.wants.heir(&change.address);
        let old = olds.get(&heir).filter(|_| change.verb == Verb::Delete);
        let is_old = old.is_some_and(|old| old.address == change.address);
        let takes_name = change.address.kind == Kind::Container
            && change.because.code == ReasonCode::DependencyReplaced
            && matches!(change.verb, Verb::Update(_));
        let is_job = job::is_job(input, change) && (change.verb != Verb::Delete || is_superseded(change));
        if is_old || takes_name {
            continue;
        }
        let replaces = match change.verb {
            Verb::Create(_) if change.refusal().is_some() || is_job => None,
            Verb::Create(_) => olds.get(&change.address.base()).copied().filter(|_| comes_again(change)),
            Verb::Update(_) | Verb::Delete => None,
        };
        let diff = replaces.map_or_else(|| change.diff.clone(), |old| recreation_diff(input, change, old));
        let is_withdrawn = change.verb == Verb::Delete && change.because.code == ReasonCode::Rollback;
        let is_step = change.address.kind == Kind::Image || is_shown_with_network(&networks, change);
        let is_run = is_job && change.refusal().is_none();
        let counts = !is_step && !is_withdrawn && !is_superseded(change) && !is_run;
        services.entry(change.service.clone()).or_default().push(PlanLine { change, replaces, diff, is_job, counts });
    }
    services
}

/// What the two generations differ in.
fn recreation_diff(input: &Input<'_>, new: &Change, old: &Change) -> Vec<FieldDiff> {
    let (Verb::Create(fields), Some(seen), Some(schema)) =
        (&new.verb, input.world.seen.get(&old.address), input.schema(&new.address))
    else {
        return Vec::new();
    };
    let mut wanted = fields.clone();
    for name in ["name", "running", "restart"] {
        wanted.remove(name);
    }
    // A candidate gets its names later.
    if !handover::has_names(&wanted) {
        wanted.remove("aliases");
    }
    let diffs = compare::compare(schema, &wanted, &seen.fields, None);
    let mut diffs: Vec<FieldDiff> = diffs.into_iter().map(|(_, diff)| diff).collect();
    if diffs.iter().any(|diff| diff.field == "image") {
        diffs.retain(|diff| diff.field != "image_id");
    }
    if diffs.iter().any(|diff| diff.field == "ports") {
        diffs.retain(|diff| diff.field != "on_ipv6");
    }
    // The reason says whom it follows; ids tell nobody anything.
    diffs.retain(|diff| !diff.field.starts_with("follows."));
    diffs.extend(removed_entries(fields, &seen.fields));
    diffs
}

/// Variables and labels that were set before and are no more; the image's own are not told apart from secrets' names.
fn removed_entries(wanted: &Fields, observed: &Fields) -> Vec<FieldDiff> {
    let mut diffs = Vec::new();
    for name in ["environment"] {
        let entries = |fields: &Fields| fields.get(name).and_then(Value::entries).cloned().unwrap_or_default();
        let (wanted, observed) = (entries(wanted), entries(observed));
        for (key, value) in observed {
            if !wanted.contains_key(&key) && matches!(value, Value::Text(_)) {
                diffs.push(FieldDiff { field: format!("{name}.{key}"), from: Some(value), to: None });
            }
        }
    }
    diffs
}

/// Counts the lines.
pub fn summary(input: &Input<'_>, forecast: &Forecast, lines: &BTreeMap<String, Vec<PlanLine<'_>>>) -> Summary {
    let mut summary = Summary::default();
    let held = held(forecast);
    for line in lines.values().flatten().filter(|line| line.counts) {
        let counter = match (line.sign(), held.contains(&line.change.address)) {
            _ if line.change.refusal().is_some_and(Refusal::is_report) => &mut summary.reported,
            _ if line.change.refusal().is_some_and(Refusal::is_failure) => &mut summary.failed,
            (Sign::Refuse, _) => &mut summary.refused,
            (_, true) => &mut summary.held,
            (Sign::Delete, false) => &mut summary.delete,
            (Sign::Recreate, false) => &mut summary.recreate,
            (Sign::Update, false) => &mut summary.update,
            (Sign::Release, false) => &mut summary.release,
            (Sign::Create | Sign::Adopt | Sign::Step | Sign::Done | Sign::Failed, false) => &mut summary.create,
        };
        *counter += 1;
    }
    summary.services_changed = lines.keys().filter(|name| !name.is_empty()).count();
    let hidden: BTreeSet<&String> = forecast
        .wants
        .map
        .iter()
        .filter(|(address, _)| input.world.gap(address).is_some())
        .map(|(_, want)| &want.service)
        .collect();
    let is_left = |name: &String| input.facts.frozen.contains(name) || input.facts.suspended.contains_key(name);
    let unchanged =
        input.services.keys().filter(|name| !lines.contains_key(*name) && !is_left(name) && !hidden.contains(name));
    for name in unchanged {
        let is_listed = input.services.get(name).is_some_and(|service| service.kind.is_listed());
        *if is_listed { &mut summary.services_in_sync } else { &mut summary.others_in_sync } += 1;
    }
    summary
}

/// `6 services and 4 other manifests`.
pub fn counted(n: usize, others: usize) -> Text {
    let services = text!(n; "1 service", "{n} services");
    match (n, others) {
        (_, 0) => services,
        (0, n) => text!(n; "1 manifest", "{n} manifests"),
        (_, n) => text!(n; "{services} and 1 other manifest", "{services} and {n} other manifests", services),
    }
}

/// What waits for something refused, and so does not happen by itself.
pub fn held(forecast: &Forecast) -> BTreeSet<Address> {
    let stuck = stuck_after_refusal(&forecast.plan.changes, &forecast.plan.gaps);
    let refused =
        forecast.plan.changes.iter().filter(|change| change.refusal().is_some()).map(|change| &change.address);
    let refused: BTreeSet<&Address> = refused.collect();
    stuck.into_iter().filter(|address| !refused.contains(address)).collect()
}

fn stuck_after_refusal(changes: &[Change], gaps: &[Gap]) -> BTreeSet<Address> {
    // Who waits for what: each change is looked at once for each of its needs.
    let mut waiting: BTreeMap<(bool, &Address), Vec<&Change>> = BTreeMap::new();
    let mut next: Vec<&Change> = changes.iter().filter(|change| change.refusal().is_some()).collect();
    for change in changes {
        let Gate::After(needs) = &change.gate else { continue };
        for need in needs {
            waiting.entry((need.is != State::Absent, &need.on)).or_default().push(change);
        }
        if needs.iter().any(|need| gaps.iter().any(|gap| gap.covers(&need.on))) {
            next.push(change);
        }
    }
    let mut stuck: BTreeSet<(bool, &Address)> = BTreeSet::new();
    while let Some(change) = next.pop() {
        for key in keys(change) {
            if stuck.insert(key) {
                next.extend(waiting.get(&key).into_iter().flatten());
            }
        }
    }
    stuck.into_iter().map(|(_, address)| address.clone()).collect()
}

/// Which waits a stuck change keeps up: those for its thing to be there, and those for it to be gone. A failed
/// generation may go while making it again is held.
fn keys(change: &Change) -> Vec<(bool, &Address)> {
    let key = |is_there: bool| (is_there, &change.address);
    match change.verb {
        Verb::Create(_) => vec![key(true)],
        Verb::Update(_) => vec![key(true), key(false)],
        Verb::Delete => vec![key(false)],
    }
}
