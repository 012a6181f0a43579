//! The plan as text, Markdown and a document, with what stands beside it.

use serde_json::{Value as Json, json};

use super::{hint_text, revision, revision_and_commit, revision_json, stays};
use crate::engine::Picture;
use amarre_core::plan::Input;
use amarre_core::plan::forecast::Forecast;
use amarre_core::plan::render::text::Next;
use amarre_core::plan::render::{self, Look, Sign, Tone};

/// The plan as text.
pub fn plan_text(picture: &Picture, look: Look) -> String {
    plan_text_before(picture, Next::Apply, look)
}

/// The same, before what comes next.
pub fn plan_text_before(picture: &Picture, next: Next, look: Look) -> String {
    let (short, long) = (revision(picture), revision_and_commit(picture));
    let text = with_forecast(picture, |input, forecast| render::text::plan_before(input, forecast, &long, next, look));
    let text = text.unwrap_or_else(|| "not looked yet\n".to_owned());
    // One line says all where there is nothing to do.
    let quiet = text.strip_prefix(&long).filter(|rest| rest.starts_with(": ")).map(|rest| format!("{short}{rest}"));
    let mut text = quiet.unwrap_or(text);
    beside_plan(picture, look, &mut text);
    text
}

fn with_forecast<T>(picture: &Picture, use_it: impl FnOnce(&Input<'_>, &Forecast) -> T) -> Option<T> {
    let forecast = picture.forecast()?;
    picture.with_input(|input| use_it(input, forecast))
}

/// The plan as the comment of a merge request.
pub fn plan_markdown(picture: &Picture) -> String {
    let revision = revision_and_commit(picture);
    let text = with_forecast(picture, |input, forecast| render::markdown::plan(input, forecast, &revision))
        .unwrap_or_else(|| "not looked yet\n".to_owned());
    let mut beside = String::new();
    beside_plan(picture, Look::PLAIN, &mut beside);
    if beside.is_empty() { text } else { format!("{text}\n{}", render::markdown::fenced(&beside)) }
}

/// What a plan does not show: broken and suspended services, a source that is away.
fn beside_plan(picture: &Picture, look: Look, text: &mut String) {
    for (name, why) in &picture.broken {
        text.push_str(&format!("{} {name}: {why}; amarre validate shows it\n", look.sign(Sign::Refuse)));
    }
    for (name, suspension) in picture.facts.suspended.iter().filter(|(name, _)| picture.services.contains_key(*name)) {
        text.push_str(&format!("  {name} is left alone: suspended by {}\n", suspension.by));
    }
    if let Some(error) = &picture.source_error {
        text.push_str(&format!(
            "{} {error}; {}, {}\n",
            look.sign(Sign::Refuse),
            stays(picture, error, picture.at),
            error.code
        ));
        for hint in &error.hints {
            text.push_str(&format!("  {} {}\n", look.paint(Tone::Dim, "hint:"), hint_text(hint)));
        }
    }
}

/// The plan as a document, `amarre.plan/v1`.
pub fn plan_json(picture: &Picture) -> Json {
    let document = with_forecast(picture, |input, forecast| {
        render::json::plan(input, forecast, &revision_json(picture), &picture.diagnostics, picture.at)
    });
    document.unwrap_or_else(|| json!({"schema": "amarre.plan/v1"}))
}

/// Of a plan what is about one service; null where there is nothing to do.
pub fn plan_of(picture: &Picture, service: &str) -> Json {
    let plan = plan_json(picture);
    let rows = plan["services"].as_array();
    rows.into_iter().flatten().find(|row| row["name"] == service).cloned().unwrap_or_default()
}
