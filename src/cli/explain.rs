//! Commands about the past and the reasons.

use super::CommandFailure;
use super::args::{Args, ExplainArgs, HistoryArgs, TraceArgs};
use super::commands::print;
use super::link::Link;
use super::output::Output;
use super::times;
use crate::engine::commands::history::HistoryQuery;

/// `amarre history`
pub async fn history(args: &Args, history: &HistoryArgs, output: &Output) -> Result<u8, CommandFailure> {
    let span = history.at.as_deref().map(times::past_time).transpose()?;
    let whole = |at: i64| u64::try_from(at).unwrap_or_default();
    let (at_ms, to_ms) = (span.as_ref().map(|span| whole(span.start)), span.as_ref().map(|span| whole(span.end)));
    let of = HistoryQuery { name: history.service.clone(), at_ms, to_ms, limit: history.lines, cursor: None };
    let link = Link::open(args).await?;
    let answer = link.history(&of, output.style).await;
    link.close().await;
    let answer = answer?;
    print(&answer, history.output, output);
    Ok(answer.exit)
}

/// `amarre explain`
pub async fn explain(args: &Args, explain: &ExplainArgs, output: &Output) -> Result<u8, CommandFailure> {
    let link = Link::open(args).await?;
    let answer = link.explain(&explain.thing, output.style).await;
    link.close().await;
    let answer = answer?;
    print(&answer, explain.output, output);
    Ok(answer.exit)
}

/// `amarre trace`
pub async fn trace(args: &Args, trace: &TraceArgs, output: &Output) -> Result<u8, CommandFailure> {
    let link = Link::open(args).await?;
    let answer = link.trace(&trace.domain, output.style).await;
    link.close().await;
    let answer = answer?;
    print(&answer, trace.output, output);
    Ok(answer.exit)
}
