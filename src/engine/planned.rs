//! The plan of one service, line by line, for whoever shows it in another form than text. Pure.

use super::Picture;
use crate::model::Refusal;
use crate::plan::render::text::{self, Columns};
use crate::plan::render::{self, Sign, lines};

/// One line of a plan.
#[derive(Debug, Clone)]
pub struct PlanLine {
    /// What is done.
    pub sign: Sign,
    /// Whether it waits for something that is refused.
    pub is_held: bool,
    /// To what, in words.
    pub columns: Columns,
    /// Field, from, to.
    pub diff: Vec<(String, String, String)>,
    /// What becomes reachable by it.
    pub exposes: Vec<String>,
    /// Why it is not done.
    pub refusal: Option<Refusal>,
}

/// What would be done for a service, to the end.
pub fn lines_of(picture: &Picture, service: &str) -> Vec<PlanLine> {
    let Some(forecast) = picture.forecast() else { return Vec::new() };
    let lines = picture.with_input(|input| {
        let held = render::held(forecast);
        let lines = render::lines(input, forecast).remove(service).unwrap_or_default();
        let shown = lines.into_iter().filter(|line| !text::is_hidden(line)).map(|line| {
            let is_held = held.contains(&line.change.address);
            let value = |field: &str, value| lines::value(field, value);
            let diff = line.diff.iter().map(|diff| {
                let sensitive = [&diff.from, &diff.to].into_iter().flatten().any(crate::model::Value::is_sensitive);
                let (from, to) = if sensitive {
                    ("(sensitive)".to_owned(), "(sensitive)".to_owned())
                } else {
                    (value(&diff.field, diff.from.as_ref()), value(&diff.field, diff.to.as_ref()))
                };
                (diff.field.clone(), from, to)
            });
            PlanLine {
                sign: line.sign(),
                is_held,
                columns: text::columns(input, &line, is_held),
                diff: diff.collect(),
                exposes: line.change.impact.exposes.clone(),
                refusal: line.change.refusal().cloned(),
            }
        });
        shown.collect()
    });
    lines.unwrap_or_default()
}
