//! A deploy as a list from top to bottom: what is done, what goes on, what comes then. Pure.
//!
//! | a step | is |
//! |---|---|
//! | an event since the deploy began: the service stopped to match its manifest, or that changed | done, or failed |
//! | what is waited for | going on, with its time and its limit |
//! | a change that is carried out or waits for a time | going on |
//! | a change that comes after another one | to come |
//!
//! Nothing is a step that waits for a person: the page says that above.

use super::marks;
use super::view_model::{self, Counted};
use crate::engine::PassView;
use crate::engine::report::countdown::{CountFrom, Then};
use crate::engine::report::status::{self, Health, ServiceStatus, Sync};
use crate::ledger::runs::Event;
use crate::words::Words;
use amarre_core::model::plan::Wait;
use amarre_core::model::{Address, Change, Gate, Kind, Millis, ReasonCode, Text, Timestamp};
use amarre_core::plan::render::lines;

/// How long the page says that a deploy has ended.
const SAID_FOR: Millis = Millis::seconds(60);
/// Events of one update are not further from each other.
const APART: Millis = Millis::seconds(60);
/// Steps to come; a deploy with more says how many.
const TO_COME_SHOWN: usize = 8;

/// A deploy that goes on.
pub struct DeploySteps {
    /// Whether it only puts back what others changed.
    pub is_drift: bool,
    /// Whether the new version serves, and only the old container is left.
    pub is_served: bool,
    pub revision: String,
    /// Its commit; empty: none is known.
    pub subject: String,
    /// Since when, for a page that stays open.
    pub since: Option<(i64, String)>,
    /// From top to bottom.
    pub steps: Vec<DeployStep>,
    /// Steps that are not shown.
    pub more: usize,
}

pub struct DeployStep {
    /// Its class: `done`, `now`, `fail`, `wait`.
    pub class: &'static str,
    /// What kind of thing it is about.
    pub kind: String,
    /// What it is about.
    pub name: String,
    pub detail: Counted,
    /// When it was done, or how long it may take.
    pub time: Counted,
}

impl DeployStep {
    pub fn mark(&self) -> &'static str {
        match self.class {
            "done" => marks::tone("ok"),
            "now" => marks::tone("go"),
            "fail" => marks::tone("bad"),
            _ => "<span class=\"dot none\"></span>",
        }
    }
}

/// What was done a moment ago.
pub struct Ended {
    pub text: String,
    /// The run that did it.
    pub run: i64,
}

/// The changes of a service that are carried out by themselves.
fn moving<'a>(pass: &'a PassView, name: &str) -> Vec<&'a Change> {
    pass.changes_of(name).filter(|change| change.refusal().is_none()).collect()
}

/// When the deploy began that goes on, or of which only the old container is left.
fn begin(pass: &PassView, name: &str) -> Option<Timestamp> {
    let (holds, _) = pass.conditions_since.get(&(name.to_owned(), "Converged"))?;
    let mut changes = pass.changes_of(name);
    let goes_on = *holds == Some(false) || changes.any(|change| status::is_leaving(pass, change));
    pass.deploys_since.get(name).copied().filter(|_| goes_on)
}

impl DeploySteps {
    /// Of a service, with its latest events, the newest first; `None`: nothing moves.
    pub fn new(
        pass: &PassView,
        row: &ServiceStatus,
        events: &[Event],
        (now, words): (Timestamp, Words),
    ) -> Option<Self> {
        let changes = moving(pass, &row.name);
        let waits = row.waiting.as_ref().filter(|wait| !wait.is_stalled());
        let is_left = !pass.acts || !pass.consented || pass.facts.suspended.contains_key(&row.name);
        // What comes after a change that is held is held with it.
        let goes_on =
            |change: &&Change| !pass.blocked().contains(&change.address) || pass.failing.contains_key(&change.address);
        let is_moving = waits.is_some() || changes.iter().any(goes_on);
        if is_left || !is_moving || row.sync == Sync::Unknown {
            return None;
        }
        let is_drift = !changes.is_empty() && changes.iter().all(|change| status::is_drift(change));
        let is_served = !changes.is_empty() && changes.iter().all(|change| status::is_leaving(pass, change));
        let since = begin(pass, &row.name);
        let is_new = |event: &&Event| since.is_some_and(|since| event.at >= since) && event.address.is_some();
        let events = events.iter().filter(is_new).filter(|event| event.is_attempt());
        let mut steps: Vec<DeployStep> = events.clone().rev().filter_map(|event| event_step(event, words)).collect();
        if let Some(wait) = waits {
            let limit = wait.limit.map(|limit| format!(" / {}", view_model::span(limit))).unwrap_or_default();
            let time = wait.since.map(|since| Counted {
                text: format!("{}{limit}", view_model::span(now - since)),
                at: Some(since.0),
                form: format!("{{}}{limit}"),
                is_until: false,
            });
            let (name, detail) = (String::new(), Counted::plain(words.say(&wait.what)));
            let kind = words.get("step-waits");
            steps.push(DeployStep { class: "now", kind, name, detail, time: time.unwrap_or_default() });
        }
        // The plan may be older than what has been done since.
        let is_done = |change: &&&Change| {
            events.clone().any(|event| event.at >= pass.at && event.address.as_ref() == Some(&change.address))
        };
        let changes: Vec<&Change> = changes.iter().filter(|change| !is_done(change)).copied().collect();
        let mut planned: Vec<DeployStep> = changes.iter().map(|change| change_step(pass, change, now, words)).collect();
        planned.sort_by_key(|step| step.class == "wait");
        let more = planned.len().saturating_sub(TO_COME_SHOWN);
        planned.truncate(TO_COME_SHOWN);
        steps.extend(planned);
        let commit = pass.source.commit.as_ref();
        Some(Self {
            is_drift,
            is_served,
            revision: crate::engine::report::short_revision(&pass.source.revision),
            subject: commit.map(|commit| commit.subject.clone()).unwrap_or_default(),
            since: since.map(|at| (at.0, view_model::span(now - at))),
            steps,
            more,
        })
    }
}

fn name_of(address: &Address) -> String {
    lines::name(address, None)
}

fn event_step(event: &Event, words: Words) -> Option<DeployStep> {
    let address = event.address.as_ref()?;
    let has_failed = event.kind == "failed";
    Some(DeployStep {
        class: if has_failed { "fail" } else { "done" },
        kind: words.kind(&address.kind.label()),
        name: name_of(address),
        detail: Counted::plain(words.pair(&words.event(&event.kind), &words.say(&event.text))),
        time: Counted::plain(view_model::clock(event.at)),
    })
}

fn change_step(pass: &PassView, change: &Change, now: Timestamp, words: Words) -> DeployStep {
    let failing = pass.failing.get(&change.address);
    let (class, detail) = match (&change.gate, failing) {
        (_, Some(failing)) => ("fail", Counted::plain(words.say(&failing.error.message))),
        (Gate::Now | Gate::Held(_), None) => ("now", Counted::plain(words.get("step-now"))),
        (Gate::Until { at, what }, None) => {
            let clock = CountFrom::Until(Then::Said, *at);
            let key = if *what == Wait::Drain { "step-drains" } else { "step-waits-until" };
            ("now", Counted::new(&Text::from(words.get(key)), Some(clock), now, words))
        }
        (Gate::After(needs), None) => (
            "wait",
            Counted::plain(match needs.first() {
                Some(need) => {
                    let thing = format!("{} {}", words.kind(&need.on.kind.label()), name_of(&need.on));
                    words.with("pic-after", "thing", &thing)
                }
                None => String::new(),
            }),
        ),
    };
    let time = if class == "wait" { words.get("step-then") } else { String::new() };
    DeployStep {
        class,
        kind: words.kind(&change.address.kind.label()),
        name: name_of(&change.address),
        detail,
        time: Counted::plain(time),
    }
}

/// What was deployed or put back a moment ago, of a service that is well, and how long that took until the new version
/// served.
pub fn ended(
    pass: &PassView,
    row: &ServiceStatus,
    events: &[Event],
    (now, words): (Timestamp, Words),
) -> Option<Ended> {
    let is_well = row.sync == Sync::Synced && row.health == Health::Healthy && row.what_now.is_empty();
    let last = events.iter().find(|event| event.is_change()).filter(|last| is_well && now - last.at <= SAID_FOR)?;
    let is_drift = last.is_heal();
    let since = pass.deploys_since.get(&row.name).copied().unwrap_or_default();
    let (mut first, mut served) = (last, None);
    for event in events.iter().filter(|event| event.is_change()) {
        // An update takes several runs; what is put back is put back in one, and another time is another story.
        let is_of_it = if is_drift {
            event.run == last.run
        } else {
            event.at >= since && first.at - event.at <= APART && !event.is_heal()
        };
        if !is_of_it {
            break;
        }
        first = event;
        served = served.or_else(|| Some(event).filter(|event| is_drift || !is_left_over(event)));
    }
    let key = if is_drift { "step-restored" } else { "step-deployed" };
    let took = view_model::took(served?.at - first.at, words);
    Some(Ended { text: words.with(key, "time", &took), run: last.run })
}

/// Whether it only took away what a new version has replaced.
fn is_left_over(event: &Event) -> bool {
    let kind = event.address.as_ref().map(|address| address.kind);
    let is_old = event.kind == "deleted" && event.reason.as_deref() == Some(ReasonCode::DependencyReplaced.word());
    is_old && matches!(kind, Some(Kind::Container | Kind::Image))
}

#[cfg(test)]
mod tests {
    use super::*;
    use amarre_core::model::Language;

    /// A service that is well, and nothing else of it.
    fn well() -> ServiceStatus {
        ServiceStatus {
            name: "web".to_owned(),
            host: "default".to_owned(),
            sync: Sync::Synced,
            health: Health::Healthy,
            attention: false,
            what_now: Text::default(),
            what_now_clock: None,
            hints: Vec::new(),
            code: None,
            domains: Vec::new(),
            urls: Vec::new(),
            resources: Vec::new(),
            waiting: None,
            deleted: false,
        }
    }

    fn event(second: i64, kind: &str, address: &str, reason: ReasonCode) -> Event {
        Event {
            at: Timestamp(second * 1_000),
            run: 1,
            service: "web".to_owned(),
            address: address.parse().ok(),
            kind: kind.to_owned(),
            text: Text::default(),
            reason: Some(reason.word().to_owned()),
        }
    }

    #[test]
    fn a_deploy_took_until_the_new_version_served() {
        let words = Words(Language::En);
        let drained = event(133, "deleted", "docker/container/web@aaaa", ReasonCode::DependencyReplaced);
        let events = [
            drained.clone(),
            event(103, "updated", "npm/proxy-host/web.example.org", ReasonCode::DependencyReplaced),
            event(100, "created", "docker/container/web@cccc", ReasonCode::ManifestChanged),
            event(98, "deleted", "docker/container/web@bbbb", ReasonCode::Rollback),
        ];
        let mut pass = PassView::default();
        pass.deploys_since.insert("web".to_owned(), Timestamp(99_000));
        let at = Timestamp(134_000);
        let text = |events: &[Event]| ended(&pass, &well(), events, (at, words)).map(|ended| ended.text);
        assert_eq!(text(&events).as_deref(), Some("Deployed in 3\u{a0}s"), "what was before it is another deploy");
        assert_eq!(text(&[drained]), None, "what only goes is no deploy");
    }
}
