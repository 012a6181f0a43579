//! Alerts: what is wrong, for how long, what was sent about it, and what is over. Pure.

use std::collections::BTreeMap;

use super::channel::{Channel, Topic};
use crate::engine::PassView;
use crate::engine::pass_result::ActionState;
use crate::engine::report::certificates;
use crate::engine::report::deployments::DEPLOYMENT;
use crate::engine::report::instances::{InstanceRow, InstanceState};
use crate::engine::report::status::Sync;
use crate::ledger::DeploymentState;
use crate::ledger::notifications::SentAlert;
use crate::ledger::runs::Event;
use crate::words;
use amarre_core::manifest::Severity;
use amarre_core::model::{Code, Hint, Language, Millis, Timestamp};
use amarre_core::plan::render::lines;

/// NPM renews with 30 days left.
const CERTIFICATE_SOON: Millis = Millis::minutes(14 * 24 * 60);
/// Another code is news only after this long: a problem may alternate between codes.
const CODE_LASTS: Millis = Millis::minutes(10);
/// The end of the key of a missed tick, which is a problem of its own beside others of the same server.
const TICK: &str = " (tick)";
/// Lines about the changes of one service.
const CHANGES_SHOWN: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub topic: Topic,
    /// Its service; empty: none.
    pub service: String,
    /// The summary line.
    pub text: String,
    /// The code, where there is one.
    pub code: Option<Code>,
    pub hints: Vec<String>,
}

/// A message about one problem or change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub topic: Topic,
    /// Wrong, over, or done.
    pub state: AlertState,
    /// Its service; empty: none.
    pub service: String,
    /// One line or more.
    pub text: String,
    /// The code as it was sent or stored, so perhaps of another version; empty where there is none.
    pub code: String,
    pub hints: Vec<String>,
    /// Since when, if known.
    pub since: Option<Timestamp>,
    /// How far a deployment is, of news about one.
    pub deployment: Option<String>,
}

/// The state of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// It lasts.
    Wrong,
    /// It is over.
    Over,
    /// A change was made.
    Done,
    /// A report that needs no person.
    Report,
}

impl AlertState {
    /// For machines.
    pub const fn word(self) -> &'static str {
        match self {
            AlertState::Wrong => "wrong",
            AlertState::Over => "recovered",
            AlertState::Done => "done",
            AlertState::Report => "report",
        }
    }
}

/// Every problem by its key; none before the first pass.
pub fn problems(pass: &PassView) -> BTreeMap<String, Alert> {
    let mut found = BTreeMap::new();
    if pass.context.is_none() {
        return found;
    }
    let mut add = |topic: Topic, key: &str, trouble: Alert| {
        found.insert(format!("{topic}/{key}"), trouble);
    };
    let trouble = |topic: Topic, text: String, code: Option<Code>, hints: Vec<String>| Alert {
        topic,
        service: String::new(),
        text,
        code,
        hints,
    };
    for (name, row) in pass.statuses().iter().filter(|(_, row)| row.attention) {
        let code = row.code;
        let hints = row.hints.iter().map(Hint::in_line).collect();
        let (topic, text) = (Topic::Attention, words::say(&row.what_now, Language::En));
        add(topic, name, Alert { topic, service: name.clone(), text, code, hints });
    }
    for gap in &pass.plan.gaps {
        let hints = gap.hint().iter().map(Hint::in_line).collect();
        let key = format!("{}{}", gap.provider, gap.place());
        add(Topic::Provider, &key, trouble(Topic::Provider, format!("{key}: {}", gap.message), Some(gap.code), hints));
    }
    for row in pass.instances() {
        let (topic, service) = (Topic::Attention, row.name.clone());
        let hints = vec![format!("amarre instance show {}", row.name)];
        if row.is_in_trouble() {
            let (text, code) = trouble_of(row);
            add(topic, &row.name, Alert { topic, service: service.clone(), text, code, hints: hints.clone() });
        }
        if let Some(missed) = row.missed_text() {
            let text = words::say(&missed, Language::En);
            add(topic, &format!("{}{TICK}", row.name), Alert { topic, service, text, code: Some(Code::A0737), hints });
        }
    }
    if let Some(error) = &pass.source_error {
        let hints = error.hints.iter().map(Hint::in_line).collect();
        add(Topic::Source, "", trouble(Topic::Source, error.message.clone(), Some(error.code), hints));
    }
    let broken =
        |known: &&amarre_core::manifest::Diagnostic| known.service.is_none() && known.severity == Severity::Error;
    for known in pass.diagnostics.iter().filter(broken) {
        let text = known.placed().to_string();
        let hints = vec!["amarre validate shows the place".to_owned()];
        add(Topic::Manifests, &known.file, trouble(Topic::Manifests, text, Some(known.code), hints));
    }
    if let Some(guard) = &pass.plan.guard {
        let hints = guard.hints.iter().map(Hint::in_line).collect();
        add(Topic::Guard, "", trouble(Topic::Guard, guard.message.to_string(), Some(guard.code), hints));
    }
    if let Some(error) = &pass.ledger_error {
        let (text, hints) = (error.message.clone(), vec![error.hint.to_string()]);
        add(Topic::Ledger, "", trouble(Topic::Ledger, text, Some(Code::A0903), hints));
    }
    let soon = |ends: Timestamp| ends - pass.at < CERTIFICATE_SOON;
    for one in
        certificates::reports(pass).into_iter().filter(|one| one.ends.is_some_and(soon) && !one.used_by.is_empty())
    {
        let text = format!("certificate {} of NPM {}: {}", one.name, one.npm, one.words);
        let hints = vec![format!("amarre explain certificate/{}", one.name)];
        let key = format!("{}/{}", one.npm, one.name);
        add(Topic::Certificate, &key, trouble(Topic::Certificate, text, None, hints));
    }
    found
}

/// What is wrong with a server at a cloud.
fn trouble_of(row: &InstanceRow) -> (String, Option<Code>) {
    let name = row.shown_name();
    if let Some(twins) = row.twins_text() {
        return (format!("{name}: {}", words::say(&twins, Language::En)), Some(Code::A0753));
    }
    match (&row.action, row.state) {
        (Some(ActionState::Failed(error)), _) => (error.message.to_string(), Some(error.code)),
        (Some(ActionState::Unknown), _) => {
            (format!("{name}: no answer to an action came, and it is not seen whether it happened"), Some(Code::A0463))
        }
        (_, InstanceState::Error) => (format!("{name} is in ERROR at {}", row.cloud), Some(Code::A0736)),
        (_, InstanceState::Missing) => (format!("{name} is not at {} any more", row.cloud), Some(Code::A0733)),
        _ => (format!("{name}: {}", words::say(&row.next(), Language::En)), None),
    }
}

/// The loop has stalled; its last findings are all that is known.
pub fn stalled(since: Timestamp) -> (String, Alert) {
    let text = format!("no look has ended since {}: nothing is watched or healed", since.rfc3339());
    let hints = vec!["read the log, and start Amarre again if it does not go on".to_owned()];
    let (topic, service) = (Topic::Attention, String::new());
    (format!("{topic}/(loop)"), Alert { topic, service, text, code: Some(Code::A0910), hints })
}

/// Heartbeats fail: a daemon that ends would not be missed.
pub fn unannounced(why: String) -> (String, Alert) {
    let text = format!("the heartbeat is not taken ({why}): if Amarre ends, it is not missed");
    let hints = vec!["check reconcile.heartbeat.url in amarre.yaml and the way there".to_owned()];
    let (topic, service) = (Topic::Attention, String::new());
    (format!("{topic}/(heartbeat)"), Alert { topic, service, text, code: Some(Code::A0911), hints })
}

/// Whether the end of this problem can be reported: what cannot be observed is not known to be well.
pub fn is_known(pass: &PassView, trouble: &str) -> bool {
    if let Some(rest) = trouble.strip_prefix("certificate/") {
        let npm = rest.split('/').next().unwrap_or_default();
        return !pass.plan.gaps.iter().any(|gap| gap.provider.short_name() == npm);
    }
    let Some(service) = trouble.strip_prefix("attention/") else { return true };
    let service = service.strip_suffix(TICK).unwrap_or(service);
    pass.statuses().get(service).is_none_or(|row| row.sync != Sync::Unknown)
}

/// How long each problem has lasted, and how long it has been over. Empty at the start.
#[derive(Debug, Default)]
pub struct AlertTimes {
    wrong: BTreeMap<String, LastingProblem>,
    well: BTreeMap<String, Timestamp>,
}

/// Since when the problem lasts, and since when with this code.
#[derive(Debug)]
struct LastingProblem {
    since: Timestamp,
    code: Option<Code>,
    code_since: Timestamp,
}

/// The messages for a channel, and what is recorded once they are sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    pub news: Vec<News>,
    /// The alerts sent with them.
    pub told: Vec<SentAlert>,
    /// The alerts that are over then.
    pub over: Vec<String>,
}

impl AlertTimes {
    /// Updates the problems, and the alerts that channels were sent.
    pub fn step<'a>(
        &mut self,
        troubles: &BTreeMap<String, Alert>,
        told: impl Iterator<Item = &'a SentAlert>,
        now: Timestamp,
    ) {
        self.wrong.retain(|key, _| troubles.contains_key(key));
        for (key, Alert { code, .. }) in troubles {
            let fresh = || LastingProblem { since: now, code: *code, code_since: now };
            let lasting = self.wrong.entry(key.clone()).or_insert_with(fresh);
            if lasting.code != *code {
                (lasting.code, lasting.code_since) = (*code, now);
            }
        }
        let mut well = BTreeMap::new();
        for row in told.filter(|row| !troubles.contains_key(&row.trouble)) {
            let since = self.well.get(&row.trouble).copied().unwrap_or(now);
            well.insert(row.trouble.clone(), since);
        }
        self.well = well;
    }

    /// The messages for a channel. `is_known`: whether the end of a problem can be reported.
    pub fn due(
        &self,
        channel: &Channel,
        is_known: impl Fn(&str) -> bool,
        troubles: &BTreeMap<String, Alert>,
        told: &[SentAlert],
        now: Timestamp,
    ) -> Due {
        let lasts = |since: Timestamp| now - since >= channel.after;
        let mut due = Due::default();
        for (key, trouble) in troubles.iter().filter(|(_, one)| channel.wants(one.topic, &one.service)) {
            let Some(lasting) = self.wrong.get(key).filter(|lasting| lasts(lasting.since)) else { continue };
            let is_fresh = now - lasting.code_since < CODE_LASTS;
            if told.iter().any(|row| row.trouble == *key && (Code::parse(&row.code) == trouble.code || is_fresh)) {
                continue;
            }
            let code = trouble.code.map(|code| code.to_string()).unwrap_or_default();
            due.told.push(SentAlert { trouble: key.clone(), code: code.clone(), text: trouble.text.clone(), at: now });
            due.news.push(News {
                topic: trouble.topic,
                state: AlertState::Wrong,
                service: trouble.service.clone(),
                text: trouble.text.clone(),
                code,
                hints: trouble.hints.clone(),
                since: Some(lasting.since),
                deployment: None,
            });
        }
        for row in told.iter().filter(|row| !troubles.contains_key(&row.trouble)) {
            let Some((word, rest)) = row.trouble.split_once('/') else { continue };
            let is_over = self.well.get(&row.trouble).is_some_and(|since| lasts(*since));
            if !is_over || !is_known(&row.trouble) {
                continue;
            }
            due.over.push(row.trouble.clone());
            let topic = Topic::WORDS.iter().find(|(known, _)| *known == word).map(|(_, topic)| *topic);
            let Some(topic) = topic else { continue };
            let service = if topic == Topic::Attention { rest.strip_suffix(TICK).unwrap_or(rest) } else { "" };
            let service = service.to_owned();
            let (text, code) = (row.text.clone(), row.code.clone());
            due.news.push(News {
                topic,
                state: AlertState::Over,
                service,
                text,
                code,
                hints: Vec::new(),
                since: Some(row.at),
                deployment: None,
            });
        }
        due
    }
}

/// Changes by service: corrections are drift, all others were applied.
/// `is_all`: there are no older events.
pub fn finished_news(channel: &Channel, events: &[Event], is_all: bool) -> Vec<News> {
    let mut by: BTreeMap<(Topic, String), Vec<String>> = BTreeMap::new();
    let is_change = |event: &&Event| matches!(event.kind.as_str(), "created" | "updated" | "deleted");
    for event in events.iter().filter(is_change) {
        let topic = if event.reason.as_deref() == Some("drift") { Topic::Drift } else { Topic::Applied };
        let Some(address) = event.address.as_ref().filter(|_| channel.wants(topic, &event.service)) else { continue };
        let said = event.text.to_string();
        let why = said.lines().next().filter(|why| !why.is_empty()).map(|why| format!(" ({why})"));
        let thing = format!("{} {}", address.kind.label(), lines::name(address, None));
        let line = format!("{} {thing}{}", event.kind, why.unwrap_or_default());
        by.entry((topic, event.service.clone())).or_default().push(line);
    }
    let news = |((topic, service), mut all): ((Topic, String), Vec<String>)| {
        let more = all.len().saturating_sub(CHANGES_SHOWN);
        all.truncate(CHANGES_SHOWN);
        let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
        let text = format!("{}{more}", all.join("\n"));
        News { text, ..done(topic, service) }
    };
    let mut all: Vec<News> = by.into_iter().map(news).collect();
    all.extend(deployment_news(channel, events));
    if let Some(first) = all.first_mut().filter(|_| !is_all) {
        first.text.push_str("\nand more before, which amarre events shows");
    }
    all
}

fn done(topic: Topic, service: String) -> News {
    let (text, code, hints) = (String::new(), String::new(), Vec::new());
    News { topic, state: AlertState::Done, service, text, code, hints, since: None, deployment: None }
}

/// Each step of each deployment by itself: programs follow them.
fn deployment_news<'e>(channel: &'e Channel, events: &'e [Event]) -> impl Iterator<Item = News> + 'e {
    let steps = events.iter().filter(|event| event.kind == DEPLOYMENT);
    let steps = steps.filter(|event| channel.wants(Topic::Deployments, &event.service));
    steps.map(|event| {
        let is_failed = event.reason.as_deref() == Some(DeploymentState::Failed.word());
        let said = event.text.to_string();
        let code = said.rsplit(", ").next().and_then(Code::parse).map(|code| code.to_string()).unwrap_or_default();
        let hints = if is_failed { vec![format!("amarre app build-log {}", event.service)] } else { Vec::new() };
        News {
            state: AlertState::Report,
            text: said,
            code,
            hints,
            since: Some(event.at),
            deployment: event.reason.clone(),
            ..done(Topic::Deployments, event.service.clone())
        }
    })
}

/// The name of the instance, for subjects.
pub fn instance(pass: &PassView) -> String {
    pass.context.as_ref().map(|context| context.site.instance.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::channel::Carrier;
    use crate::secret::Secret;

    const MINUTE: Millis = Millis::minutes(1);

    fn alert(code: Code) -> BTreeMap<String, Alert> {
        let (service, text, code) = ("web".to_owned(), "is away".to_owned(), Some(code));
        let trouble = Alert { topic: Topic::Attention, service, text, code, hints: Vec::new() };
        BTreeMap::from([("attention/web".to_owned(), trouble)])
    }

    /// The messages for a channel, pass by pass.
    struct SentAlerts {
        since: AlertTimes,
        rows: Vec<SentAlert>,
        now: Timestamp,
        can_see: bool,
    }

    impl SentAlerts {
        fn new() -> Self {
            Self { since: AlertTimes::default(), rows: Vec::new(), now: Timestamp(1_000_000), can_see: true }
        }

        fn advance(&mut self, span: Millis, troubles: &BTreeMap<String, Alert>) -> Vec<AlertState> {
            let hook = Secret::new("https://example.org");
            let channel = Channel {
                name: "ops".to_owned(),
                carrier: Carrier::Slack { hook },
                on: Topic::usual(),
                services: Vec::new(),
                after: MINUTE,
            };
            self.now = self.now + span;
            self.since.step(troubles, self.rows.iter(), self.now);
            let due = self.since.due(&channel, |_| self.can_see, troubles, &self.rows, self.now);
            self.rows.retain(|row| !due.over.contains(&row.trouble));
            self.rows.retain(|row| !due.told.iter().any(|new| new.trouble == row.trouble));
            self.rows.extend(due.told);
            due.news.into_iter().map(|one| one.state).collect()
        }
    }

    #[test]
    fn a_lasting_problem_is_sent_once_and_once_more_when_it_is_over() {
        let (mut told, none) = (SentAlerts::new(), BTreeMap::new());
        assert_eq!(told.advance(Millis(0), &alert(Code::A0512)), []);
        assert_eq!(told.advance(Millis(30_000), &none), [], "it was short");
        assert_eq!(told.advance(Millis(0), &alert(Code::A0512)), []);
        assert_eq!(told.advance(MINUTE, &alert(Code::A0512)), [AlertState::Wrong]);
        assert_eq!(told.advance(MINUTE, &alert(Code::A0512)), []);
        assert_eq!(told.advance(MINUTE, &none), []);
        assert_eq!(told.advance(Millis(30_000), &alert(Code::A0512)), [], "it came back");
        assert_eq!(told.advance(MINUTE, &none), []);
        assert_eq!(told.advance(MINUTE, &none), [AlertState::Over]);
        assert_eq!(told.advance(MINUTE, &none), []);
    }

    #[test]
    fn an_intermittent_problem_is_sent_once() {
        let mut told = SentAlerts::new();
        let codes = [Code::A0909, Code::A0601];
        let news: Vec<AlertState> =
            (0..40).flat_map(|at| told.advance(Millis(30_000), &alert(codes[at % 2]))).collect();
        assert_eq!(news, [AlertState::Wrong]);
        // Another code that stays is news.
        let news: Vec<AlertState> = (0..40).flat_map(|_| told.advance(MINUTE, &alert(Code::A0604))).collect();
        assert_eq!(news, [AlertState::Wrong]);
    }

    #[test]
    fn a_hidden_service_is_not_reported_as_recovered() {
        let (mut told, none) = (SentAlerts::new(), BTreeMap::new());
        told.advance(Millis(0), &alert(Code::A0512));
        assert_eq!(told.advance(MINUTE, &alert(Code::A0512)), [AlertState::Wrong]);
        told.can_see = false;
        assert_eq!(told.advance(MINUTE, &none), []);
        assert_eq!(told.advance(MINUTE, &none), []);
        told.can_see = true;
        assert_eq!(told.advance(MINUTE, &none), [AlertState::Over]);
    }
}
