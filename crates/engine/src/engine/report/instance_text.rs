//! Servers as a terminal shows them, and the manifests that manage none of them yet. Pure.

use std::collections::BTreeSet;

use super::instances::{Cost, InstanceRow, InstanceState, Pending, amount, local_time};
use super::{hint_text, savings};
use crate::ledger::runs::Event;
use crate::words::say;
use amarre_core::model::savings::ServerPrices;
use amarre_core::plan::render::{Style, Tone};

pub fn table(rows: &[InstanceRow], wide: bool, style: Style) -> String {
    if rows.is_empty() {
        return "No instance matches.\n".to_owned();
    }
    let width = |texts: &mut dyn Iterator<Item = usize>, least: usize| texts.max().unwrap_or_default().max(least) + 2;
    let shown = |row: &InstanceRow| row.shown_name().chars().count();
    let place = |row: &InstanceRow| format!("{} {}", row.project, row.region).trim_start().to_owned();
    let names = width(&mut rows.iter().map(shown), 4);
    let clouds = width(&mut rows.iter().map(|row| row.cloud.len()), 5);
    let places = width(&mut rows.iter().map(|row| place(row).chars().count()), 14);
    let sizes = width(&mut rows.iter().map(|row| row.size.len()), 4);
    let mut out =
        format!("{:names$}{:clouds$}{:places$}{:10}{:sizes$}", "NAME", "CLOUD", "PROJECT REGION", "POWER", "TYPE");
    out.push_str(if wide { "ADDRESS          ID                                    NEXT\n" } else { "NEXT\n" });
    for row in rows {
        let mut line = format!("{:names$}{:clouds$}{:places$}", row.shown_name(), row.cloud, place(row));
        let tone = match row.state {
            InstanceState::Error | InstanceState::Missing => Tone::Red,
            InstanceState::Unknown | InstanceState::Changing => Tone::Yellow,
            InstanceState::On => Tone::Green,
            InstanceState::Off | InstanceState::Shelved | InstanceState::NotMade => Tone::Dim,
        };
        line.push_str(&style.paint(tone, &format!("{:10}", row.state.word())));
        line.push_str(&format!("{:sizes$}", row.size));
        if wide {
            let ip = row.addresses.first().map_or("", String::as_str);
            line.push_str(&format!("{ip:17}{:38}", row.id));
        }
        let next = say(&row.next(), style.language);
        line.push_str(if next.is_empty() && row.manifest.is_none() { "unmanaged" } else { &next });
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A server with everything that is known of it.
pub fn details(row: &InstanceRow, events: &[Event], style: Style) -> String {
    let mut out = format!("{}   {}\n", style.paint(Tone::Bold, row.shown_name()), row.state.word());
    let billing = if row.is_monthly { "by the month" } else { "by the hour" };
    let rule = row.manifest.as_ref().map(|managed| {
        let origin = &managed.instance.origin;
        format!("{} ({}:{})", managed.instance.rule.key(), origin.file, origin.line)
    });
    let work = row.work.as_ref().map(|work| say(&work.text(&row.status), style.language));
    let work = work.unwrap_or_default();
    // What is not there waits for what it is held by.
    let next = if row.is_there() { say(&row.next(), style.language) } else { String::new() };
    let lines = [
        ("id", row.id.clone()),
        ("cloud", format!("{} ({})", row.cloud, row.address.provider.title())),
        ("project", row.project.clone()),
        ("region", row.region.clone()),
        ("type", if row.size.is_empty() { String::new() } else { format!("{}, paid {billing}", row.size) }),
        ("cost", row.cost.as_ref().map(|cost| cost_text(cost, row)).unwrap_or_default()),
        ("saved", savings::line(row).unwrap_or_default()),
        ("addresses", row.addresses.join(", ")),
        ("names", row.domains().join(", ")),
        ("status", row.status.clone()),
        ("under way", work),
        ("held", row.pending.as_ref().map(|pending| with_code(pending, style)).unwrap_or_default()),
        (
            "ready",
            row.unanswered.as_ref().map(|why| format!("not yet: {}", say(why, style.language))).unwrap_or_default(),
        ),
        ("vendor's name", row.vendor_name.clone()),
        ("manifest", rule.unwrap_or_else(|| "none: amarre instance manifests prints one".to_owned())),
        ("next", next),
        ("missed", row.missed_text().map(|text| say(&text, style.language)).unwrap_or_default()),
    ];
    for (label, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
        out.push_str(&format!("  {label:14}{value}\n"));
    }
    if let Some(gap) = &row.gap {
        out.push_str(&format!("  hint: {}, {}\n", gap.hint, gap.code));
    }
    for hint in row.pending.iter().flat_map(|pending| &pending.hints) {
        out.push_str(&format!("  hint: {}\n", hint_text(hint, style.language)));
    }
    for event in events.iter().rev() {
        out.push_str(&format!(
            "  {}  {:13} {}\n",
            local_time(event.at, "", style.language),
            event.kind,
            say(&event.text, style.language)
        ));
    }
    out
}

/// `clouds.paris.limits.types allows no b3-64, A0751`.
fn with_code(pending: &Pending, style: Style) -> String {
    let why = say(&pending.why, style.language);
    pending.code.map_or_else(|| why.clone(), |code| format!("{why}, {code}"))
}

/// `0.0638 EUR an hour, 46.57 EUR a month, on or off`.
fn cost_text(cost: &Cost, row: &InstanceRow) -> String {
    let month = format!("{} {} a month", amount(cost.month), cost.currency);
    let off_too = if row.prices.as_ref().is_some_and(ServerPrices::bill_off) { ", on or off" } else { "" };
    match cost.hour {
        Some(hour) => format!("{} {} an hour, {month}{off_too}", amount(hour), cost.currency),
        None => month,
    }
}

/// A name for the manifest of a server: its vendor's name as a label, with a number where that is taken.
pub fn manifest_name(row: &InstanceRow, taken: &BTreeSet<String>) -> String {
    const CHARS_MAX: usize = 36;
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let base: String = row.vendor_name.chars().map(plain).take(CHARS_MAX).collect();
    let base = base.trim_matches('-');
    let base = if base.starts_with(|c: char| c.is_ascii_lowercase()) { base.to_owned() } else { format!("i-{base}") };
    let base = base.trim_end_matches('-').to_owned();
    let mut numbered = (2..).map(|n| format!("{base}-{n}"));
    if taken.contains(&base) { numbered.find(|name| !taken.contains(name)).unwrap_or_default() } else { base }
}

/// The manifest that manages nothing yet.
pub fn manifest(row: &InstanceRow, name: &str) -> String {
    let place: Vec<&str> =
        [&row.project, &row.region].into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    let place = format!("{} in {}", row.vendor_name, place.join(", "));
    // It is a comment, whatever a vendor's name holds.
    let place: String = place.chars().filter(|c| !c.is_control()).collect();
    format!("# {place}\nkind: Instance\nname: {name}\ncloud: {}\nid: {}\npower: unmanaged\n", row.cloud, row.id)
}
