//! The status as text: all services as a table, and one with its resources. Pure.

use super::attention::{self, Concern};
use super::countdown;
use super::exposure::{self, Observed};
use super::service_list::{self, ListQuery, Only};
use super::status::{self, Health, ResourceStatus, ServiceStatus, Sync};
use super::{ago, builds, certificates, commit_text, hint_line, problems_text, revision_text, since_text};
use super::{exact_time, short_revision, wait_text, with_code};
use crate::engine::report::pass_view::PassView;
use crate::ledger::runs::Event;
use crate::words::{Words, say};
use amarre_core::model::{Hint, Text, Timestamp};
use amarre_core::plan::desired::certificate_orders::OrderBudget;
use amarre_core::plan::render::{Sign, Style, Tone, counted, lines};
use amarre_core::text;

/// With fewer services than this, all are listed.
const LISTED_ALWAYS: usize = 10;
/// This many of what needs a person are named below the table.
const NEEDY_SHOWN: usize = 3;

/// All services as a table, those that need a person first. `next`: when the next pass is due, with a daemon.
pub fn status_text(
    pass: &PassView,
    listing: ListQuery,
    now: Timestamp,
    next: Option<Timestamp>,
    style: Style,
) -> String {
    let services = pass.statuses();
    let mut out = format!("{}\n", say(&head(pass, now, next), style.language));
    problems_text(pass, now, style, &mut out);
    match listing.only {
        Some(Only::Drift) => return format!("{out}\n{}", service_list::drift_text(pass, style)),
        Some(Only::Unmanaged) => return format!("{out}\n{}", service_list::unmanaged_text(pass, style.language)),
        Some(Only::Attention | Only::Open | Only::NoTls | Only::Suspended | Only::Expiring) | None => (),
    }
    let rows = match listing.only {
        Some(only) => service_list::matching(pass, only),
        None => service_list::rows(pass, services.values(), None),
    };
    let hide = !listing.all && listing.only.is_none() && rows.len() >= LISTED_ALWAYS;
    let (hidden, shown): (Vec<&ServiceStatus>, Vec<&ServiceStatus>) =
        rows.iter().copied().partition(|row| hide && service_list::is_quiet(row));
    if !shown.is_empty() {
        out.push('\n');
        out.push_str(&service_list::table(pass, &shown, now, listing, style));
    }
    out.push('\n');
    if let Some(only) = listing.only.filter(|only| *only != Only::Attention) {
        let hidden = exposure_text(pass).filter(|_| only == Only::Open);
        let closing = Some(service_list::closing(&rows, only)).filter(|_| hidden.is_none() || !rows.is_empty());
        for line in closing.iter().chain(&hidden) {
            out.push_str(&format!("{}\n", style.paint(Tone::Bold, &say(line, style.language))));
        }
        return out;
    }
    if listing.wide {
        for OrderBudget { domain, left, of } in certificates::budgets(pass) {
            let line =
                text!("Let's Encrypt: {left} of {of} certificates left this week below {domain}.", left, of, domain);
            out.push_str(&format!("{}\n", say(&line, style.language)));
        }
    }
    let hidden = hidden_text(pass, &hidden, shown.is_empty());
    let hidden = hidden.map(|text| format!("{} ", say(&text, style.language))).unwrap_or_default();
    let need = say(&need_text(pass, &rows, listing.only, now), style.language);
    out.push_str(&format!("{hidden}{}\n", style.paint(Tone::Bold, &need)));
    out
}

/// Services that may be open to everyone or not: their proxy cannot be seen.
fn exposure_text(pass: &PassView) -> Option<Text> {
    let all = exposure::of_all(pass);
    let n = all.iter().filter(|(_, found)| found.observed == Observed::Unknown).count();
    let text = text!(
        n;
        "Whether 1 service is open to everyone cannot be seen now.",
        "Whether {n} services are open to everyone cannot be seen now."
    );
    (n > 0).then_some(text)
}

/// What is looked at, when it was, and what comes next.
fn head(pass: &PassView, now: Timestamp, next: Option<Timestamp>) -> Text {
    let seen = text!("{revision}, checked {ago}", revision = revision_text(pass), ago = ago(now - pass.at));
    match next {
        Some(next) if pass.acts => text!("{seen}, next run {when}", seen, when = countdown::within(next, now)),
        Some(_) => text!("{seen}; nothing is changed before amarre apply", seen),
        None => text!("{seen}; no daemon is running", seen),
    }
}

/// How many are well and have no line; manifests of other kinds than services are counted for themselves, as on the pages.
fn hidden_text(pass: &PassView, hidden: &[&ServiceStatus], are_all: bool) -> Option<Text> {
    let (services, others): (Vec<&ServiceStatus>, Vec<&ServiceStatus>) =
        hidden.iter().partition(|row| service_list::is_listed(pass, row));
    let what = match (services.len(), others.len()) {
        (0, 0) => return None,
        (0, n) if !are_all => text!(n; "1 other manifest", "{n} other manifests"),
        (services, others) => counted(services, others),
    };
    Some(if are_all { text!("{what}, all in sync.", what) } else { text!("Also in sync: {what}.", what) })
}

/// What a person has to do, if anything.
fn need_text(pass: &PassView, rows: &[&ServiceStatus], only: Option<Only>, now: Timestamp) -> Text {
    let needy = attention::concerns(pass, now);
    let n = needy.len();
    let ways: Vec<String> = needy.iter().filter_map(Concern::command).collect();
    if ways.is_empty() {
        let is_changing = || rows.iter().any(|row| pass.is_changing(&row.name));
        return match () {
            () if n > 0 => text!("What stands above needs you."),
            () if rows.is_empty() && only.is_none() => {
                text!("No manifest in {source}.", source = &pass.source.label)
            }
            () if !pass.consented && is_changing() => {
                text!("Nothing is changed before amarre apply, or amarre run --yes.")
            }
            () => text!("Nothing needs you."),
        };
    }
    let (commands, more) =
        (ways.iter().take(NEEDY_SHOWN).cloned().collect::<Vec<_>>().join(", "), ways.len().saturating_sub(NEEDY_SHOWN));
    let commands = match more {
        0 => Text::from(commands),
        _ => text!("{commands}, and {more} more", commands, more),
    };
    if n > ways.len() {
        return text!("{n} need you: what stands above, {commands}", n, commands);
    }
    text!(n; "1 needs you: {commands}", "{n} need you: {commands}", commands)
}

/// One service with its resources and its last event.
pub fn service_text(pass: &PassView, name: &str, events: &[Event], now: Timestamp, style: Style) -> Option<String> {
    let row = pass.statuses().get(name)?;
    let language = style.language;
    let mut out =
        format!("{}   {}\n", style.paint(Tone::Bold, name), say(&state_text(pass, row, now, style), language));
    for url in &row.urls {
        out.push_str(&format!("  {url}\n"));
    }
    if let Some(manifest) = pass.services.get(name) {
        let id = short_revision(&pass.source.revision);
        let file = &manifest.origin.file;
        match pass.source.history.changed.get(file) {
            Some(commit) => {
                let said = say(&commit_text(commit, now), language);
                out.push_str(&format!("  {file} @ {} {said}\n", commit.short()));
            }
            None => out.push_str(&format!("  {file} @ {id}\n")),
        }
    }
    if !row.what_now.is_empty() {
        out.push_str(&format!("  {}\n", with_code(row, now, language)));
        for hint in &row.hints {
            hint_line(hint, "  ", style, &mut out);
        }
    }
    out.push_str(&wait_text::wait(row, now, language));
    if let Some((_, newer)) = builds::with_newer_bases(pass).find(|(of, _)| *of == name) {
        out.push_str(&format!("  {}\n", say(&builds::newer_text(&newer), language)));
        let command = format!("amarre app deploy {name} --pull");
        hint_line(&Hint::command(text!("to build on it"), command), "  ", style, &mut out);
    }
    out.push('\n');
    for resource in &row.resources {
        resource_text(resource, now, style, &mut out);
        out.push_str(&wait_text::failure(pass, resource, now, language));
    }
    if !events.is_empty() {
        out.push_str(&format!("\n  {}\n", say(&text!("last"), language)));
    }
    for event in events {
        let line = format!("  {}  {}", exact_time(event.at, language), event_text(event, Words(language)));
        out.push_str(&format!("{}\n", style.paint(Tone::Dim, &line)));
    }
    Some(out)
}

/// `Synced, Healthy for 43 s`
fn state_text(pass: &PassView, row: &ServiceStatus, now: Timestamp, style: Style) -> Text {
    let state = match row.state_words(Words(style.language)) {
        (sync, health) if health.is_empty() => sync,
        (sync, health) => format!("{sync}, {health}"),
    };
    match since_text(pass, &row.name, now, style.language) {
        span if span.is_empty() => state.into(),
        span => text!("{state} for {span}", state, span),
    }
}

fn event_text(event: &Event, words: Words) -> String {
    let what = match &event.address {
        Some(address) => words.event_of(&event.kind, &address.kind.label(), &lines::name(address, None)),
        None => words.event(&event.kind),
    };
    words.pair(&what, &words.say(&event.text))
}

/// A resource with its detail, and what of it drifted.
pub(in crate::engine) fn resource_text(resource: &ResourceStatus, now: Timestamp, style: Style, out: &mut String) {
    let sign = match (resource.health, resource.sync) {
        (_, Sync::Unknown) => "?".to_owned(),
        // Only failures are marked.
        (Health::Missing, _) if resource.to_come => style.sign(Sign::Step),
        (Health::Healthy, Sync::Synced) => style.sign(Sign::Done),
        (Health::Degraded | Health::Missing, _) => style.sign(Sign::Failed),
        (Health::Healthy | Health::Progressing | Health::Unknown, _) => style.sign(Sign::Step),
    };
    let words = Words(style.language);
    let label = if resource.job.is_some() { "job".to_owned() } else { resource.address.kind.label() };
    let (label, width) = (words.kind(&label), words.kind_width());
    let name = lines::name(&resource.address, None);
    let line = format!("  {sign} {label:width$}{name:<19} {}", words.say(&resource.detail_at(now)));
    out.push_str(line.trim_end());
    out.push('\n');
    for change in resource.change.iter().filter(|change| status::is_drift(change)) {
        let why = say(&change.because.text, style.language);
        for diff in &change.diff {
            let (from, to) =
                (lines::value(&diff.field, diff.from.as_ref()), lines::value(&diff.field, diff.to.as_ref()));
            out.push_str(&format!("      {}   {to} {} {from}, {why}\n", diff.field, style.arrow()));
        }
        if change.diff.is_empty() {
            out.push_str(&format!("      {why}\n"));
        }
    }
}
