//! `amarre history`

use super::CommandFailure;
use super::args::{Args, HistoryArgs};
use super::commands::print;
use super::link;
use super::output::Output;
use super::times;
use crate::engine::commands::reads::HISTORY;

/// `amarre history`
pub async fn history(args: &Args, history: &HistoryArgs, output: &Output) -> Result<u8, CommandFailure> {
    let span = history.at.as_deref().map(times::past_time).transpose()?;
    let whole = |at: i64| at.max(0).to_string();
    let given = [
        ("name", history.service.clone()),
        ("at_ms", span.as_ref().map(|span| whole(span.start))),
        ("to_ms", span.as_ref().map(|span| whole(span.end))),
        ("limit", Some(history.lines.to_string())),
    ];
    let given: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let answer = link::read(args, &HISTORY, &given, output).await?;
    print(&answer, history.output, output);
    Ok(answer.exit)
}
