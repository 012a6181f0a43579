//! What there is to tell: what is wrong, for how long, what was told of it, and what is over. Pure.

use std::collections::BTreeMap;

use super::channel::{Channel, Topic};
use crate::engine::status::Sync;
use crate::engine::{Picture, certificates};
use crate::manifest::Severity;
use crate::model::{Hint, Millis, Timestamp};
use crate::plan::render::lines;
use crate::store::journal::Event;
use crate::store::told::ToldRow;

/// NPM renews with 30 days left.
const CERTIFICATE_SOON: Millis = Millis::minutes(14 * 24 * 60);
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
        let hints = row.hints.iter().map(hint).collect();
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
        let hints = error.hints.iter().map(hint).collect();
        add(Topic::Source, "", trouble(Topic::Source, error.message.clone(), error.code, hints));
    }
    let broken = |known: &&crate::manifest::Diagnostic| known.service.is_none() && known.severity == Severity::Error;
    for known in picture.diagnostics.iter().filter(broken) {
        let text = format!("{}:{}:{}: {}", known.file, known.line, known.column, known.message);
        let hints = vec!["amarre validate shows the place".to_owned()];
        add(Topic::Manifests, &known.file, trouble(Topic::Manifests, text, known.code, hints));
    }
    if let Some(guard) = &picture.plan.guard {
        let hints = guard.hints.iter().map(hint).collect();
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
        add(Topic::Certificate, &one.name, trouble(Topic::Certificate, text, "", hints));
    }
    found
}

fn hint(hint: &Hint) -> String {
    hint.command.as_ref().map_or_else(|| hint.text.clone(), |command| format!("{}: {command}", hint.text))
}

/// Whether it can be told that this is over: what cannot be seen is not known to be well.
fn is_known(picture: &Picture, trouble: &str) -> bool {
    let Some(service) = trouble.strip_prefix("attention/") else { return true };
    picture.statuses().get(service).is_none_or(|row| row.sync != Sync::Unknown)
}

/// For how long what is wrong has been so, and what is not wrong any more has not. Empty at the start.
#[derive(Debug, Default)]
pub struct Since {
    wrong: BTreeMap<String, Timestamp>,
    well: BTreeMap<String, Timestamp>,
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
        for key in troubles.keys() {
            self.wrong.entry(key.clone()).or_insert(now);
        }
        let mut well = BTreeMap::new();
        for row in told.filter(|row| !troubles.contains_key(&row.trouble)) {
            let since = self.well.get(&row.trouble).copied().unwrap_or(now);
            well.insert(row.trouble.clone(), since);
        }
        self.well = well;
    }

    /// What a channel is to be told of.
    pub fn due(
        &self,
        channel: &Channel,
        picture: &Picture,
        troubles: &BTreeMap<String, Trouble>,
        told: &[ToldRow],
        now: Timestamp,
    ) -> Due {
        let lasts = |since: Option<&Timestamp>| since.is_some_and(|since| now - *since >= channel.after);
        let mut due = Due::default();
        for (key, trouble) in troubles.iter().filter(|(_, one)| channel.wants(one.topic, &one.service)) {
            let was_told = told.iter().any(|row| row.trouble == *key && row.code == trouble.code);
            if was_told || !lasts(self.wrong.get(key)) {
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
                since: self.wrong.get(key).copied(),
            });
        }
        for row in told.iter().filter(|row| !troubles.contains_key(&row.trouble)) {
            let Some((word, rest)) = row.trouble.split_once('/') else { continue };
            if !lasts(self.well.get(&row.trouble)) || !is_known(picture, &row.trouble) {
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
pub fn done(channel: &Channel, events: &[Event]) -> Vec<News> {
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
    by.into_iter().map(news).collect()
}

/// The instance that tells, for subjects.
pub fn instance(picture: &Picture) -> String {
    picture.context.as_ref().map(|context| context.site.instance.clone()).unwrap_or_default()
}
