//! A plan as people read it: from top to bottom in the order of execution.

use super::rows::{RowNote, ServicePlan, ServicePlanRow, SharedFacts, headline, strongest};
use super::{PlanLine, Sign, Style, Summary, Tone, counted, downtime_lines, lines};
use crate::model::plan::{Refusal, Wait};
use crate::model::service::Target;
use crate::model::{Address, Change, Gate, Kind, Plan, ReasonCode, Service, Text, Timestamp, Verb};
use crate::plan::desired::{certificate, certificate_orders};
use crate::plan::forecast::Forecast;
use crate::plan::input::Input;
use crate::text;

/// Column of the name, and of the detail after it.
pub(super) const KIND_WIDTH: usize = 14;
pub(super) const NAME_WIDTH: usize = 20;

/// What a person does after the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// `amarre apply` carries it out.
    Apply,
    /// Something else does, or a question follows: the command that prints the plan says so.
    Elsewhere,
}

/// The whole plan. `revision` is the first line, such as `services @ 5e1c0aa`.
pub fn plan(input: &Input<'_>, forecast: &Forecast, revision: &str, look: Style) -> String {
    plan_before(input, forecast, revision, NextStep::Apply, look)
}

/// The same, before what comes next.
pub fn plan_before(input: &Input<'_>, forecast: &Forecast, revision: &str, next: NextStep, look: Style) -> String {
    let by_service = super::lines(input, forecast);
    let summary = super::summary(input, forecast, &by_service);
    let mut out = String::new();
    if by_service.is_empty() {
        out.push_str(&nothing(forecast, revision, summary));
        notes(&forecast.plan, look, &mut out);
        return out;
    }
    out.push_str(revision);
    out.push('\n');
    if let Some(guard) = &forecast.plan.guard {
        out.push_str(&format!(
            "\n{} {}   {}, {}\n",
            look.sign(Sign::Refuse),
            look.paint(Tone::Bold, "guard"),
            guard.message,
            guard.code
        ));
        refusal_body(guard, look, &mut out);
        out.push_str("  Nothing is deleted; what else is planned goes on.\n");
    }
    let told = SharedFacts::of(input, forecast);
    for (name, lines) in by_service.iter().filter(|(_, lines)| !lines.iter().all(is_silent)) {
        out.push('\n');
        service(&told, name, lines, look, &mut out);
    }
    notes(&forecast.plan, look, &mut out);
    out.push('\n');
    out.push_str(&closing(&told.down, summary, look));
    if next == NextStep::Apply {
        out.push_str(&apply(input, forecast, summary));
    }
    out
}

/// A part of a plan for those who arrange it themselves: a heading, and what stands below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanSection {
    pub title: String,
    /// Whole lines, or nothing.
    pub body: String,
}

/// The last line of a plan: how much happens, how many are in sync, what is down meanwhile.
pub fn counts(input: &Input<'_>, forecast: &Forecast) -> String {
    let by_service = super::lines(input, forecast);
    let summary = super::summary(input, forecast, &by_service);
    if by_service.is_empty() {
        return nothing(forecast, "", summary).trim_matches([':', ' ', '\n']).to_owned();
    }
    closing(&downtime_lines::services(input, forecast), summary, Style::PLAIN)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The guard, each service and what could not be seen, in the order of the text.
pub fn sections(input: &Input<'_>, forecast: &Forecast) -> Vec<(Option<Sign>, PlanSection)> {
    let look = Style::PLAIN;
    let mut sections = Vec::new();
    if let Some(guard) = &forecast.plan.guard {
        let mut body = String::new();
        refusal_body(guard, look, &mut body);
        body.push_str("  Nothing is deleted; what else is planned goes on.\n");
        let title = format!("guard: {}, {}", guard.message, guard.code);
        sections.push((Some(Sign::Refuse), PlanSection { title, body }));
    }
    let told = SharedFacts::of(input, forecast);
    for (name, lines) in super::lines(input, forecast).iter().filter(|(_, lines)| !lines.iter().all(is_silent)) {
        let mut body = String::new();
        service(&told, name, lines, look, &mut body);
        let body = body.split_once('\n').map_or("", |(_, rest)| rest).to_owned();
        let title = format!("{name}: {}", headline(forecast, &told.down, name, lines));
        sections.push((Some(strongest(lines)), PlanSection { title, body }));
    }
    let mut body = String::new();
    notes(&forecast.plan, look, &mut body);
    if !body.is_empty() {
        let title = if forecast.plan.gaps.is_empty() { "notes" } else { "what could not be seen" }.to_owned();
        sections.push((None, PlanSection { title, body: body.trim_start_matches('\n').to_owned() }));
    }
    sections
}

fn nothing(forecast: &Forecast, revision: &str, summary: Summary) -> String {
    let gaps = forecast.plan.gaps.len();
    if gaps > 0 {
        return format!("{revision}: nothing to do in what could be seen\n");
    }
    let in_sync = counted(summary.services_in_sync, summary.others_in_sync);
    format!("{revision}: nothing to do, {in_sync} in sync\n")
}

fn service(all: &SharedFacts<'_>, name: &str, lines: &[PlanLine<'_>], look: Style, out: &mut String) {
    let of_service = all.service(name, lines);
    let ServicePlan { sign, headline, notes, .. } = &of_service;
    out.push_str(&format!("{} {}   {headline}\n", look.sign(*sign), look.paint(Tone::Bold, name)));
    for row in of_service.rows.iter().filter(|row| !row.is_guarded()) {
        one_line(row, look, out);
        diffs(row, look, out);
        for text in &row.below {
            out.push_str(&format!("      {}\n", look.paint(Tone::Dim, &text.to_string())));
        }
        if let Some(refusal) = row.refusal.as_ref().filter(|_| row.explains) {
            refusal_body(refusal, look, out);
        }
    }
    for note in notes {
        match note {
            RowNote::WhyStopFirst(why) => {
                out.push_str(&format!("  {}\n", look.paint(Tone::Dim, &format!("why stop-first: {why}"))));
            }
            RowNote::Kept(kept, purge) => {
                out.push_str(&format!("  {}\n", look.paint(Tone::Dim, &format!("kept: {kept}"))));
                out.push_str(&format!("        {}\n", look.paint(Tone::Dim, &purge.in_line())));
            }
        }
    }
}

/// What has no line of its own: the guard tells once, above all services, of what it holds.
fn is_silent(line: &PlanLine<'_>) -> bool {
    is_hidden(line) || line.change.refusal().is_some_and(Refusal::is_guard)
}

/// An attachment that is told by its network's line.
pub fn is_hidden(line: &PlanLine<'_>) -> bool {
    line.change.address.kind == Kind::Attachment && !line.counts
}

/// The three columns of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// `container`, `pull`.
    pub kind: String,
    /// As people call it.
    pub name: Text,
    /// What is worth knowing, or why it is refused.
    pub detail: Text,
}

/// What a line says. `is_held`: it waits for something that is refused.
pub fn columns(input: &Input<'_>, line: &PlanLine<'_>, is_held: bool) -> Columns {
    let address = &line.change.address;
    let fields = match &line.change.verb {
        Verb::Create(fields) | Verb::Update(fields) => Some(fields),
        Verb::Delete => None,
    };
    let manifest = input.services.get(&line.change.service);
    let port = manifest.and_then(|manifest| routed_port(manifest, address));
    let detail = match (&line.change.verb, line.replaces) {
        _ if is_held => text!("held"),
        // What it says stands above all services.
        _ if line.change.refusal().is_some_and(Refusal::is_guard) => text!("held by the guard"),
        (_, _) if line.change.trouble().is_some() => {
            let message = line.change.trouble().map(|refusal| refusal.message.to_string()).unwrap_or_default();
            // Kind and name stand in their columns.
            let said = format!("{} {} ", address.kind.label(), address.name);
            let short = format!("{} {} ", address.kind.label(), lines::name(address, fields));
            message.strip_prefix(&said).or_else(|| message.strip_prefix(&short)).unwrap_or(&message).into()
        }
        (Verb::Create(_), None) if line.is_job => job(manifest, address),
        (Verb::Create(_), None) if address.kind == Kind::Certificate => match certificate_orders::waits(input, address)
        {
            Some((at, Wait::Budget)) => {
                text!("Let's Encrypt, none for another {left}, A0805", left = at - input.now.exact())
            }
            Some((at, Wait::Settle)) => {
                text!("Let's Encrypt, asked for a moment ago, shows within {left}", left = at - input.now.exact())
            }
            Some((at, _)) => {
                text!(
                    "Let's Encrypt, not asked for another {left}: the last order failed",
                    left = at - input.now.exact()
                )
            }
            None => {
                let left = certificate_orders::orders_left(input, address);
                if certificate::is_by_record(&line.change.verb) {
                    text!("Let's Encrypt by a record in the DNS, {left} left this week", left)
                } else {
                    text!("Let's Encrypt, {left} left this week", left)
                }
            }
        },
        (Verb::Create(_), Some(_)) | (Verb::Update(_), _) => line.change.because.text.clone(),
        (Verb::Create(fields), None) => lines::detail(address, fields, port),
        (Verb::Delete, _) => goes(input, line.change),
    };
    let is_old = super::is_superseded(line.change);
    let name = lines::name_text(address, fields);
    let name = if is_old { text!("old {name}", name) } else { name };
    let kind = match (is_old, line.is_job) {
        (true, _) => "drain".to_owned(),
        (false, true) => "job".to_owned(),
        (false, false) => lines::kind(address.kind, &line.change.verb),
    };
    Columns { kind, name, detail }
}

fn one_line(row: &ServicePlanRow, look: Style, out: &mut String) {
    let Columns { kind, name, detail } = &row.columns;
    let name = name.to_string();
    let text = format!("{kind:KIND_WIDTH$}{name:NAME_WIDTH$}{detail}");
    // A name that does not fit keeps its whole length, and a blank.
    let text = if name.chars().count() >= NAME_WIDTH { format!("{kind:KIND_WIDTH$}{name}  {detail}") } else { text };
    out.push_str(format!("  {} {text}", look.sign(row.sign)).trim_end());
    out.push('\n');
}

/// When a job runs, and for how long at most.
fn job(manifest: Option<&Service>, address: &Address) -> Text {
    let job = manifest.and_then(|manifest| {
        manifest.jobs.iter().find(|(key, _)| manifest.address_name(key) == address.name).map(|(_, job)| job)
    });
    job.map_or_else(Text::default, |job| text!("before the update, at most {most}", most = job.timeout))
}

/// What is worth knowing about something that goes.
fn goes(input: &Input<'_>, change: &Change) -> Text {
    let address = &change.address;
    let seen = input.world.seen.get(address).map(|seen| &seen.fields);
    match (change.because.code, address.kind) {
        (ReasonCode::Rollback | ReasonCode::DependencyReplaced, _) => change.because.text.clone(),
        (_, Kind::Record) => seen.map(|fields| lines::value_of_record(address, fields).into()).unwrap_or_default(),
        (_, Kind::Network) => match seen.and_then(|fields| fields.text("subnet")) {
            Some(subnet) => text!("{subnet} goes back to the pool", subnet),
            None => Text::default(),
        },
        (_, _) => Text::default(),
    }
}

fn diffs(row: &ServicePlanRow, look: Style, out: &mut String) {
    let width = row.diff.iter().map(|(field, _)| field.len()).max().unwrap_or_default() + 3;
    for (field, values) in &row.diff {
        let change = match values {
            None => "(sensitive, changed)".to_owned(),
            Some((from, to)) => format!("{} {} {to}", look.paint(Tone::Dim, from), look.arrow()),
        };
        out.push_str(&format!("      {field:width$}{change}\n"));
    }
}

/// What was found and the ways past it.
pub fn refusal_body(refusal: &Refusal, look: Style, out: &mut String) {
    let width =
        refusal.found.iter().map(|(name, _)| name.to_string().chars().count() + 1).max().unwrap_or_default().max(9);
    for (name, value) in &refusal.found {
        let name = name.to_string();
        out.push_str(&format!("      {name:width$}{value}\n"));
    }
    for hint in &refusal.hints {
        let text = match &hint.command {
            Some(command) => format!("{}, {command}", hint.text),
            None => hint.text.to_string(),
        };
        out.push_str(&format!("  {} {text}\n", look.paint(Tone::Dim, "hint:")));
    }
}

fn notes(plan: &Plan, look: Style, out: &mut String) {
    if !plan.gaps.is_empty() || !plan.notes.is_empty() {
        out.push('\n');
    }
    for (index, gap) in plan.gaps.iter().enumerate() {
        let place = gap.place();
        out.push_str(&format!("{} {}{place}   {}, {}\n", look.sign(Sign::Refuse), gap.provider, gap.message, gap.code));
        // What several in a row have in common follows the last of them.
        if !gap.hint.is_empty() && plan.gaps.get(index + 1).is_some_and(|next| next.hint == gap.hint) {
            continue;
        }
        out.push_str(&format!(
            "  {}\n",
            look.paint(Tone::Dim, "unknown is not missing: nothing is created or deleted there")
        ));
        if !gap.hint.is_empty() {
            out.push_str(&format!("  {} {}\n", look.paint(Tone::Dim, "hint:"), gap.hint));
        }
    }
    for note in &plan.notes {
        out.push_str(&format!("  {}\n", look.paint(Tone::Dim, &format!("note: {}", note.text))));
    }
}

fn closing(down: &downtime_lines::Services<'_>, summary: Summary, look: Style) -> String {
    let counts = [
        (summary.create, "to create"),
        (summary.update, "to update"),
        (summary.recreate, "to re-create"),
        (summary.delete, "to delete"),
        (summary.release, "to release"),
        (summary.reported, "only reported"),
        (summary.refused, "refused"),
        (summary.failed, "failed"),
        (summary.held, "held"),
    ];
    let parts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let parts = if parts.is_empty() { "Only steps are left".to_owned() } else { parts.join(", ") };
    let downtime = if down.is_empty() {
        " No downtime.".to_owned()
    } else {
        let lines: Vec<String> =
            down.iter().map(|(name, expected)| downtime_lines::line(name, expected.as_ref())).collect();
        format!(" Downtime: {}.", lines.join(", "))
    };
    let in_sync = match (summary.services_in_sync, summary.others_in_sync) {
        (0, 0) => String::new(),
        (services, others) => format!(" {} in sync.", counted(services, others)),
    };
    let changes = summary.create + summary.update + summary.recreate;
    let is_silent = down.is_empty() && (summary.refused + summary.failed > 0 || changes == 0);
    let downtime = if is_silent { String::new() } else { downtime };
    format!("{}\n", look.paint(Tone::Bold, &format!("{parts}.{in_sync}{downtime}")))
}

/// The command that carries a plan out, where it would do something.
fn apply(input: &Input<'_>, forecast: &Forecast, summary: Summary) -> String {
    let can_act = forecast.first.changes.iter().any(Change::is_now)
        || summary.create + summary.update + summary.recreate + summary.delete + summary.release > 0;
    match (&forecast.plan.guard, can_act, order_waits(forecast)) {
        (_, false, _) => String::new(),
        (_, true, Some(at)) => {
            format!("Next: amarre apply in {}; before, it would do nothing\n", at - input.now.exact())
        }
        (None, true, None) if summary.delete > 0 => "Next: amarre apply (asks before it deletes)\n".to_owned(),
        (_, true, None) => "Next: amarre apply\n".to_owned(),
    }
}

/// Until when nothing can be done, where everything waits for a certificate that is ordered later.
fn order_waits(forecast: &Forecast) -> Option<Timestamp> {
    let until = |change: &Change| match change.gate {
        Gate::Until { at, what: Wait::Budget | Wait::Order } if change.is_order() => Some(at),
        Gate::Until { .. } | Gate::Now | Gate::After(_) | Gate::Held(_) => None,
    };
    let first = &forecast.first.changes;
    let waits = |change: &Change| until(change).is_some() || matches!(change.gate, Gate::After(_) | Gate::Held(_));
    first.iter().filter_map(until).min().filter(|_| first.iter().all(waits))
}

pub(super) fn routed_port(manifest: &Service, address: &Address) -> Option<u16> {
    manifest.routes.iter().find_map(|route| match &route.to {
        Target::Container { key, port } if manifest.address_name(key) == address.name => Some(*port),
        Target::Container { .. } | Target::Url { .. } | Target::Instance { .. } => None,
    })
}
