//! What there is to tell: what is wrong, for how long, what was told of it, and what is over. Pure.

use std::collections::BTreeMap;

use super::channel::{Channel, Topic};
use crate::engine::Picture;
use crate::engine::report::certificates;
use crate::engine::report::status::Sync;
use crate::ledger::notifications::ToldRow;
use crate::ledger::runs::Event;
use amarre_core::manifest::Severity;
use amarre_core::model::{Hint, Millis, Timestamp};
use amarre_core::plan::render::lines;

/// NPM renews with 30 days left.
const CERTIFICATE_SOON: Millis = Millis::minutes(14 * 24 * 60);
/// Another code is news only when it has been so for so long: who hangs is told of in turns.
const CODE_LASTS: Millis = Millis::minutes(10);
/// Lines of one service of what was changed.
const CHANGES_SHOWN: usize = 10;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Of which sort.
    pub topic: Topic,
    /// Of which service; empty: of none.
    pub service: String,
    /// In one line.
    pub text: String,
    /// The code; empty where there is none.
    pub code: String,
    /// The ways past it.
    pub hints: Vec<String>,
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Of which sort.
    pub topic: Topic,
    /// Whether it is wrong, over, or was done.
    pub state: State,
    /// Of which service; empty: of none.
    pub service: String,
    /// In one line, or some.
    pub text: String,
    /// The code; empty where there is none.
    pub code: String,
    /// The ways past it.
    pub hints: Vec<String>,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
}

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is wrong.
    Wrong,
    /// It is over.
    Over,
    /// It was done.
    Done,
}

impl State {
    /// For machines.
    pub const fn word(self) -> &'static str {
        match self {
            State::Wrong => "wrong",
            State::Over => "recovered",
            State::Done => "done",
        }
    }
}

/// Everything that is wrong, by what tells it apart; nothing before the first look.
pub fn troubles(picture: &Picture) -> BTreeMap<String, Trouble> {
    let mut found = BTreeMap::new();
    if picture.context.is_none() {
        return found;
    }
    let mut add = |topic: Topic, key: &str, trouble: Trouble| {
        found.insert(format!("{topic}/{key}"), trouble);
    };
    let trouble = |topic: Topic, text: String, code: &str, hints: Vec<String>| Trouble {
        topic,
        service: String::new(),
        text,
        code: code.to_owned(),
        hints,
    };
    for (name, row) in picture.statuses().iter().filter(|(_, row)| row.attention) {
        let code = row.code.clone().unwrap_or_default();
        let hints = row.hints.iter().map(Hint::in_line).collect();
        let (topic, text) = (Topic::Attention, row.what_now.clone());
        add(topic, name, Trouble { topic, service: name.clone(), text, code, hints });
    }
    for gap in &picture.plan.gaps {
        let hints = Some(gap.hint.clone()).filter(|hint| !hint.is_empty()).into_iter().collect();
        let zone = gap.zone.as_ref().map(|zone| format!(" zone {zone}")).unwrap_or_default();
        let key = format!("{}{zone}", gap.provider);
        add(Topic::Provider, &key, trouble(Topic::Provider, format!("{key}: {}", gap.message), &gap.code, hints));
    }
    if let Some(error) = &picture.source_error {
        let hints = error.hints.iter().map(Hint::in_line).collect();
        add(Topic::Source, "", trouble(Topic::Source, error.message.clone(), error.code, hints));
    }
    let broken =
        |known: &&amarre_core::manifest::Diagnostic| known.service.is_none() && known.severity == Severity::Error;
    for known in picture.diagnostics.iter().filter(broken) {
        let text = format!("{}:{}:{}: {}", known.file, known.line, known.column, known.message);
        let hints = vec!["amarre validate shows the place".to_owned()];
        add(Topic::Manifests, &known.file, trouble(Topic::Manifests, text, known.code, hints));
    }
    if let Some(guard) = &picture.plan.guard {
        let hints = guard.hints.iter().map(Hint::in_line).collect();
        add(Topic::Guard, "", trouble(Topic::Guard, guard.message.clone(), &guard.code, hints));
    }
    if let Some(error) = &picture.ledger_error {
        let hints = vec!["is the disk full? what runs goes on running".to_owned()];
        add(Topic::Ledger, "", trouble(Topic::Ledger, error.clone(), "A0903", hints));
    }
    let soon = |ends: Timestamp| ends - picture.at < CERTIFICATE_SOON;
    for one in
        certificates::all(picture).into_iter().filter(|one| one.ends.is_some_and(soon) && !one.used_by.is_empty())
    {
        let text = format!("certificate {} of NPM {}: {}", one.name, one.npm, one.words);
        let hints = vec![format!("amarre explain certificate/{}", one.name)];
        let key = format!("{}/{}", one.npm, one.name);
        add(Topic::Certificate, &key, trouble(Topic::Certificate, text, "", hints));
    }
    found
}

/// The loop stands still; what it found before is all that is known.
pub fn stalled(since: Timestamp) -> (String, Trouble) {
    let text = format!("no look has ended since {}: nothing is watched or healed", since.rfc3339());
    let hints = vec!["read the log, and start Amarre again if it does not go on".to_owned()];
    let (topic, service) = (Topic::Attention, String::new());
    (format!("{topic}/(loop)"), Trouble { topic, service, text, code: "A0910".to_owned(), hints })
}

/// No sign of life is taken any more: a daemon that ends would not be missed.
pub fn unheard(why: String) -> (String, Trouble) {
    let text = format!("the heartbeat is not taken ({why}): if Amarre ends, it is not missed");
    let hints = vec!["check reconcile.heartbeat.url in amarre.yaml and the way there".to_owned()];
    let (topic, service) = (Topic::Attention, String::new());
    (format!("{topic}/(heartbeat)"), Trouble { topic, service, text, code: "A0911".to_owned(), hints })
}

/// Whether it can be told that this is over: what cannot be seen is not known to be well.
pub fn is_known(picture: &Picture, trouble: &str) -> bool {
    if let Some(rest) = trouble.strip_prefix("certificate/") {
        let npm = rest.split('/').next().unwrap_or_default();
        return !picture.plan.gaps.iter().any(|gap| gap.provider.npm_name() == npm);
    }
    let Some(service) = trouble.strip_prefix("attention/") else { return true };
    picture.statuses().get(service).is_none_or(|row| row.sync != Sync::Unknown)
}

/// For how long what is wrong has been so, and what is not wrong any more has not. Empty at the start.
#[derive(Debug, Default)]
pub struct Since {
    wrong: BTreeMap<String, Lasting>,
    well: BTreeMap<String, Timestamp>,
}

/// Since when something is wrong, and since when with this code.
#[derive(Debug)]
struct Lasting {
    since: Timestamp,
    code: String,
    code_since: Timestamp,
}

/// What there is to tell a channel, and what is to be written down once it was told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// What is told.
    pub news: Vec<News>,
    /// Of what it was told then.
    pub told: Vec<ToldRow>,
    /// What is over then.
    pub over: Vec<String>,
}

impl Since {
    /// Takes in what is wrong now, and what channels were told of.
    pub fn step<'a>(
        &mut self,
        troubles: &BTreeMap<String, Trouble>,
        told: impl Iterator<Item = &'a ToldRow>,
        now: Timestamp,
    ) {
        self.wrong.retain(|key, _| troubles.contains_key(key));
        for (key, Trouble { code, .. }) in troubles {
            let fresh = || Lasting { since: now, code: code.clone(), code_since: now };
            let lasting = self.wrong.entry(key.clone()).or_insert_with(fresh);
            if lasting.code != *code {
                (lasting.code, lasting.code_since) = (code.clone(), now);
            }
        }
        let mut well = BTreeMap::new();
        for row in told.filter(|row| !troubles.contains_key(&row.trouble)) {
            let since = self.well.get(&row.trouble).copied().unwrap_or(now);
            well.insert(row.trouble.clone(), since);
        }
        self.well = well;
    }

    /// What a channel is to be told of. `is_known`: whether it can be told that this is over.
    pub fn due(
        &self,
        channel: &Channel,
        is_known: impl Fn(&str) -> bool,
        troubles: &BTreeMap<String, Trouble>,
        told: &[ToldRow],
        now: Timestamp,
    ) -> Due {
        let lasts = |since: Timestamp| now - since >= channel.after;
        let mut due = Due::default();
        for (key, trouble) in troubles.iter().filter(|(_, one)| channel.wants(one.topic, &one.service)) {
            let Some(lasting) = self.wrong.get(key).filter(|lasting| lasts(lasting.since)) else { continue };
            let is_fresh = now - lasting.code_since < CODE_LASTS;
            if told.iter().any(|row| row.trouble == *key && (row.code == trouble.code || is_fresh)) {
                continue;
            }
            due.told.push(ToldRow {
                trouble: key.clone(),
                code: trouble.code.clone(),
                text: trouble.text.clone(),
                at: now,
            });
            due.news.push(News {
                topic: trouble.topic,
                state: State::Wrong,
                service: trouble.service.clone(),
                text: trouble.text.clone(),
                code: trouble.code.clone(),
                hints: trouble.hints.clone(),
                since: Some(lasting.since),
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
            let service = if topic == Topic::Attention { rest.to_owned() } else { String::new() };
            let (text, code) = (row.text.clone(), row.code.clone());
            due.news.push(News {
                topic,
                state: State::Over,
                service,
                text,
                code,
                hints: Vec::new(),
                since: Some(row.at),
            });
        }
        due
    }
}

/// What was done, by service: what was put back is drift, all else was applied.
/// `is_all`: older ones there are none.
pub fn done(channel: &Channel, events: &[Event], is_all: bool) -> Vec<News> {
    let mut by: BTreeMap<(Topic, String), Vec<String>> = BTreeMap::new();
    let is_change = |event: &&Event| matches!(event.kind.as_str(), "created" | "updated" | "deleted");
    for event in events.iter().filter(is_change) {
        let topic = if event.reason.as_deref() == Some("drift") { Topic::Drift } else { Topic::Applied };
        let Some(address) = event.address.as_ref().filter(|_| channel.wants(topic, &event.service)) else { continue };
        let why = event.text.lines().next().filter(|why| !why.is_empty()).map(|why| format!(" ({why})"));
        let thing = format!("{} {}", address.kind.label(), lines::name(address, None));
        let line = format!("{} {thing}{}", event.kind, why.unwrap_or_default());
        by.entry((topic, event.service.clone())).or_default().push(line);
    }
    let news = |((topic, service), mut all): ((Topic, String), Vec<String>)| {
        let more = all.len().saturating_sub(CHANGES_SHOWN);
        all.truncate(CHANGES_SHOWN);
        let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
        let text = format!("{}{more}", all.join("\n"));
        News { topic, state: State::Done, service, text, code: String::new(), hints: Vec::new(), since: None }
    };
    let mut all: Vec<News> = by.into_iter().map(news).collect();
    if let Some(first) = all.first_mut().filter(|_| !is_all) {
        first.text.push_str("\nand more before, which amarre events shows");
    }
    all
}

/// The instance that tells, for subjects.
pub fn instance(picture: &Picture) -> String {
    picture.context.as_ref().map(|context| context.site.instance.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::channel::Carrier;
    use crate::secret::Secret;

    const MINUTE: Millis = Millis::minutes(1);

    fn wrong(code: &str) -> BTreeMap<String, Trouble> {
        let (service, text, code) = ("web".to_owned(), "is away".to_owned(), code.to_owned());
        let trouble = Trouble { topic: Topic::Attention, service, text, code, hints: Vec::new() };
        BTreeMap::from([("attention/web".to_owned(), trouble)])
    }

    /// What a channel is told, look by look.
    struct Told {
        since: Since,
        rows: Vec<ToldRow>,
        now: Timestamp,
        can_see: bool,
    }

    impl Told {
        fn new() -> Self {
            Self { since: Since::default(), rows: Vec::new(), now: Timestamp(1_000_000), can_see: true }
        }

        fn after(&mut self, span: Millis, troubles: &BTreeMap<String, Trouble>) -> Vec<State> {
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
    fn what_lasts_is_told_once_and_once_more_when_it_is_over() {
        let (mut told, none) = (Told::new(), BTreeMap::new());
        assert_eq!(told.after(Millis(0), &wrong("A0512")), []);
        assert_eq!(told.after(Millis(30_000), &none), [], "it was short");
        assert_eq!(told.after(Millis(0), &wrong("A0512")), []);
        assert_eq!(told.after(MINUTE, &wrong("A0512")), [State::Wrong]);
        assert_eq!(told.after(MINUTE, &wrong("A0512")), []);
        assert_eq!(told.after(MINUTE, &none), []);
        assert_eq!(told.after(Millis(30_000), &wrong("A0512")), [], "it came back");
        assert_eq!(told.after(MINUTE, &none), []);
        assert_eq!(told.after(MINUTE, &none), [State::Over]);
        assert_eq!(told.after(MINUTE, &none), []);
    }

    #[test]
    fn who_hangs_in_turns_is_told_of_once() {
        let mut told = Told::new();
        let codes = ["A0909", "A0601"];
        let news: Vec<State> = (0..40).flat_map(|at| told.after(Millis(30_000), &wrong(codes[at % 2]))).collect();
        assert_eq!(news, [State::Wrong]);
        // Another code that stays is news.
        let news: Vec<State> = (0..40).flat_map(|_| told.after(MINUTE, &wrong("A0604"))).collect();
        assert_eq!(news, [State::Wrong]);
    }

    #[test]
    fn what_cannot_be_seen_is_not_told_to_be_well() {
        let (mut told, none) = (Told::new(), BTreeMap::new());
        told.after(Millis(0), &wrong("A0512"));
        assert_eq!(told.after(MINUTE, &wrong("A0512")), [State::Wrong]);
        told.can_see = false;
        assert_eq!(told.after(MINUTE, &none), []);
        assert_eq!(told.after(MINUTE, &none), []);
        told.can_see = true;
        assert_eq!(told.after(MINUTE, &none), [State::Over]);
    }
}
