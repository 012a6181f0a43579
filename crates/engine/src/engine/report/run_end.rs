//! How a command that applies came to its end: what was changed, and what still stands in the way. Of a command for some services,
//! only of those. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::countdown::CountFrom;
use super::status::{Health, ServiceStatus, Sync};
use super::{apps, hint_line, problems_text, service_list, short_revision, wait_text, with_code};
use crate::engine::ledger_trouble::LedgerTrouble;
use crate::engine::report::pass_view::PassView;
use amarre_core::manifest::Severity;
use amarre_core::model::plan::guards;
use amarre_core::model::{Address, Change, Code, Hint, Kind, Language, Millis, Refusal, Timestamp, Verb};
use amarre_core::plan::render::{Sign, Style, Tone, counted};
use amarre_core::text;

/// More services than these are counted.
const NAMED_MAX: usize = 3;

/// How an `apply` came to its end.
#[derive(Debug, Clone, Copy)]
pub struct RunEnd<'a> {
    /// The services that were asked for; `None`: all.
    pub only: Option<&'a BTreeSet<String>>,
    /// Whether nothing was left that happens by itself.
    pub settled: bool,
    /// Whether a daemon goes on; else nothing is tried again before the next command.
    pub goes_on: bool,
    /// How long it took.
    pub took: Millis,
}

/// How an `apply` ended: its text and its exit code.
pub fn verdict(
    pass: &PassView,
    RunEnd { only, settled, goes_on, took }: RunEnd<'_>,
    created: &RunTally,
    now: Timestamp,
    style: Style,
) -> (String, u8) {
    let is_asked = |name: &str| only.is_none_or(|only| only.contains(name));
    let all = pass.statuses();
    let services = || all.values().filter(|row| is_asked(&row.name));
    let is_good = |row: &&ServiceStatus| row.sync == Sync::Synced && row.health == Health::Healthy;
    // A preview is not a problem of the person who asks.
    let is_reported = |row: &ServiceStatus| row.code == Some(Code::A0417) && row.health == Health::Healthy;
    let in_force = |row: &&ServiceStatus| !pass.facts.suspended.contains_key(&row.name) && !row.deleted;
    let in_sync = services().filter(is_good).filter(in_force);
    let (listed, others): (Vec<_>, Vec<_>) = in_sync.partition(|row| service_list::is_listed(pass, row));
    let id = short_revision(&pass.source.revision);
    let needy: Vec<&ServiceStatus> =
        services().filter(|row| row.sync != Sync::Synced || row.health != Health::Healthy).collect();
    let needy: Vec<&ServiceStatus> =
        needy.into_iter().filter(|row| !pass.facts.suspended.contains_key(&row.name) && !is_reported(row)).collect();
    let is_broken = || only.is_none() && pass.diagnostics.iter().any(|found| found.severity == Severity::Error);
    let broken = pass.broken.keys().any(|name| is_asked(name)) || is_broken();
    if let Some(error) = &pass.ledger_error {
        return (unwritten(error, created, style), 1);
    }
    let is_held = |change: &Change| is_asked(&change.service) && change.refusal().is_some_and(Refusal::is_guard);
    let guarded = pass.plan.guard.is_some() && (only.is_none() || pass.plan.changes.iter().any(is_held));
    let is_behind = apps::behind(pass).any(|(name, _)| is_asked(name));
    let broken = broken || pass.source_error.is_some() || is_behind;
    let is_seen = only.is_some() || pass.plan.has_seen_services();
    if settled && needy.is_empty() && !broken && !guarded && is_seen {
        let nothing = created.total() == 0;
        let done = if nothing { "nothing to do".to_owned() } else { created.to_string() };
        let in_sync = named(only).unwrap_or_else(|| counted(listed.len(), others.len()).to_string());
        let text = style.paint(Tone::Bold, &format!("Applied {id} in {}: {done}. {in_sync} in sync.", took.in_words()));
        return (format!("{text}\n"), 0);
    }
    let word = if created.total() == 0 { "Not applied" } else { "Partly applied" };
    let mut out = style.paint(Tone::Bold, &format!("{word} {id} in {}: {created}.", took.in_words()));
    if !settled {
        out.push_str(" Time is up; the next run goes on from there.");
    }
    out.push('\n');
    let is_guarded = |row: &ServiceStatus| row.code.is_some_and(guards::is_one);
    // A shared reason is reported once.
    let mut alike: BTreeMap<(String, String), Vec<&ServiceStatus>> = BTreeMap::new();
    for row in needy.into_iter().filter(|row| !is_guarded(row)) {
        let hints: Vec<String> = row.hints.iter().map(Hint::in_line).collect();
        alike.entry((last_words(row, goes_on, now, style.language), hints.join("\n"))).or_default().push(row);
    }
    let is_retried = |row: &&ServiceStatus| row.what_now_clock.is_some_and(CountFrom::is_try);
    let would_go_on = only.is_none() && !pass.plan.gaps.is_empty() || alike.values().flatten().any(is_retried);
    let mut alike: Vec<Vec<&ServiceStatus>> = alike.into_values().collect();
    alike.sort_by_key(|rows| rows.first().map(|row| row.name.clone()));
    for rows in &alike {
        let (row, name) = match rows.as_slice() {
            [] => continue,
            [row] => (row, format!("{:<13} ", row.name)),
            [row, other] => (row, format!("{}, {}   ", row.name, other.name)),
            [row, other, more @ ..] => (row, format!("{}, {} and {} more   ", row.name, other.name, more.len())),
        };
        let said = last_words(row, goes_on, now, style.language);
        out.push_str(&format!("  {} {name}{said}\n", style.sign(Sign::Failed)));
        out.push_str(&wait_text::verdict(pass, row, now, style.language));
        for hint in &row.hints {
            hint_line(hint, "      ", style, &mut out);
        }
    }
    if only.is_none() || broken && pass.source_error.is_some() {
        problems_text(pass, now, style, &mut out);
    }
    if would_go_on && !goes_on {
        hint_line(&Hint::command(text!("no daemon runs; to try again"), "amarre apply"), "  ", style, &mut out);
    }
    (out, if guarded { 4 } else { 3 })
}

/// The ledger cannot be used: what was changed before, and what to do.
fn unwritten(trouble: &LedgerTrouble, created: &RunTally, style: Style) -> String {
    let done = match created.total() {
        0 => "Nothing applied".to_owned(),
        _ => format!("Partly applied, {created}, until the ledger failed"),
    };
    let mut out = format!("{}: {}, A0903\n", style.paint(Tone::Bold, &done), trouble.message);
    hint_line(&Hint::text(trouble.hint.clone()), "  ", style, &mut out);
    out
}

/// The services that were asked for, where those are few.
fn named(only: Option<&BTreeSet<String>>) -> Option<String> {
    let only = only.filter(|only| only.len() <= NAMED_MAX)?;
    Some(only.iter().cloned().collect::<Vec<_>>().join(", "))
}

/// The line of a service when a command ends: without a daemon no next try comes.
fn last_words(row: &ServiceStatus, goes_on: bool, now: Timestamp, language: Language) -> String {
    let is_dropped = |clock: CountFrom| clock.is_try() && !clock.outlives_the_process();
    if goes_on || !row.what_now_clock.is_some_and(is_dropped) {
        return with_code(row, now, language);
    }
    with_code(&ServiceStatus { what_now_clock: None, ..row.clone() }, now, language)
}

/// Changes made, by verb.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunTally {
    pub created: usize,
    /// Changed.
    pub updated: usize,
    pub deleted: usize,
    /// Changes whose last try failed.
    pub failed: BTreeMap<Address, Change>,
}

impl RunTally {
    /// Counts one change. Pulls and attachments show in other lines.
    pub fn add(&mut self, change: &Change) {
        if matches!(change.address.kind, Kind::Image | Kind::Attachment) {
            return;
        }
        match change.verb {
            Verb::Create(_) => self.created += 1,
            Verb::Update(_) => self.updated += 1,
            Verb::Delete => self.deleted += 1,
        }
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.created + self.updated + self.deleted
    }
}

impl std::fmt::Display for RunTally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = [(self.created, "created"), (self.updated, "updated"), (self.deleted, "deleted")];
        let parts: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        f.write_str(if parts.is_empty() { "nothing changed" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}
