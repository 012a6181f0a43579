//! The plan as text, Markdown and a document, with what stands beside it.

use serde_json::{Value as Json, json};

use super::{apps, effective_text, hint_text, revision, revision_and_commit, revision_json};
use crate::engine::report::pass_view::PassView;
use crate::words::say;
use amarre_core::plan::forecast::Forecast;
use amarre_core::plan::input::Input;
use amarre_core::plan::render::text::NextStep;
use amarre_core::plan::render::{self, Sign, Style, Tone};

/// The plan as text.
pub fn plan_text(pass: &PassView, style: Style) -> String {
    plan_text_before(pass, NextStep::Apply, style)
}

/// The same, without the next step.
pub fn plan_text_before(pass: &PassView, next: NextStep, style: Style) -> String {
    let (short, long) = (revision(pass), revision_and_commit(pass));
    let text = with_forecast(pass, |input, forecast| render::text::plan_before(input, forecast, &long, next, style));
    let text = text.unwrap_or_else(|| "not looked yet\n".to_owned());
    // What is broken comes first: the rest of the plan says nothing about it.
    let broken = broken_count(pass);
    let rest = text.strip_prefix(&long);
    let mut text = match (rest, rest.and_then(|rest| rest.strip_prefix(": ")), broken) {
        // With nothing to do one line is enough.
        (_, Some(nothing), None) => format!("{short}: {nothing}"),
        (_, Some(nothing), Some(broken)) => format!("{short}: {broken}; {nothing}"),
        (Some(rest), None, Some(broken)) => format!("{long}: {broken}{rest}"),
        (_, None, _) => text,
    };
    beside_plan(pass, style, &mut text);
    text
}

/// How many manifests cannot be read.
fn broken_count(pass: &PassView) -> Option<String> {
    match pass.broken.len() {
        0 => None,
        1 => Some("1 manifest is broken".to_owned()),
        n => Some(format!("{n} manifests are broken")),
    }
}

fn with_forecast<T>(pass: &PassView, use_it: impl FnOnce(&Input<'_>, &Forecast) -> T) -> Option<T> {
    let forecast = pass.forecast()?;
    pass.with_input(|input| use_it(input, forecast))
}

/// The plan as the comment of a merge request.
pub fn plan_markdown(pass: &PassView) -> String {
    let revision = revision_and_commit(pass);
    let text = with_forecast(pass, |input, forecast| render::markdown::plan(input, forecast, &revision))
        .unwrap_or_else(|| "not looked yet\n".to_owned());
    let mut beside = String::new();
    beside_plan(pass, Style::PLAIN, &mut beside);
    if beside.is_empty() { text } else { format!("{text}\n{}", render::markdown::fenced(&beside)) }
}

/// What a plan does not show: broken and suspended services, an unreachable source.
fn beside_plan(pass: &PassView, style: Style, text: &mut String) {
    for (name, why) in &pass.broken {
        text.push_str(&format!("{} {name}: {why}; amarre validate shows it\n", style.sign(Sign::Refuse)));
    }
    for (name, suspension) in pass.facts.suspended.iter().filter(|(name, _)| pass.services.contains_key(*name)) {
        text.push_str(&format!("  {name} is left alone: suspended by {}\n", suspension.by));
    }
    if let Some(error) = &pass.source_error {
        text.push_str(&format!(
            "{} {error}; {}, {}\n",
            style.sign(Sign::Refuse),
            say(&effective_text(pass, error, pass.at), style.language),
            error.code
        ));
        for hint in &error.hints {
            text.push_str(&format!("  {} {}\n", style.paint(Tone::Dim, "hint:"), hint_text(hint, style.language)));
        }
    }
    for (name, error) in apps::behind(pass) {
        text.push_str(&format!("{} {name}: {error}, {}\n", style.sign(Sign::Refuse), error.code));
    }
}

/// The plan as a document, `amarre.plan/v1`.
pub fn plan_json(pass: &PassView) -> Json {
    let document = with_forecast(pass, |input, forecast| {
        render::json::plan(input, forecast, &revision_json(pass), &pass.diagnostics, pass.at)
    });
    document.unwrap_or_else(|| json!({"schema": "amarre.plan/v1"}))
}

/// The part of a plan about one service; null when there is nothing to do.
pub fn plan_of(pass: &PassView, service: &str) -> Json {
    let plan = plan_json(pass);
    let rows = plan["services"].as_array();
    rows.into_iter().flatten().find(|row| row["name"] == service).cloned().unwrap_or_default()
}
