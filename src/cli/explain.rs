//! The verbs that look back and explain.

use super::Failure;
use super::args::{Args, Explain, History, Trace};
use super::commands::print;
use super::link::Link;
use super::output::Output;
use super::times;
use crate::engine::commands::history::HistoryOf;

/// `amarre history`
pub async fn history(args: &Args, history: &History, output: &Output) -> Result<u8, Failure> {
    let span = history.at.as_deref().map(times::past).transpose()?;
    let whole = |at: i64| u64::try_from(at).unwrap_or_default();
    let (at_ms, to_ms) = (span.as_ref().map(|span| whole(span.start)), span.as_ref().map(|span| whole(span.end)));
    let of = HistoryOf { name: history.service.clone(), at_ms, to_ms, limit: history.lines, cursor: None };
    let link = Link::open(args).await?;
    let answer = link.history(&of).await;
    link.close().await;
    let answer = answer?;
    print(&answer, history.output, output);
    Ok(answer.exit)
}

/// `amarre explain`
pub async fn explain(args: &Args, explain: &Explain, output: &Output) -> Result<u8, Failure> {
    let link = Link::open(args).await?;
    let answer = link.explain(&explain.thing, output.look).await;
    link.close().await;
    let answer = answer?;
    print(&answer, explain.output, output);
    Ok(answer.exit)
}

/// `amarre trace`
pub async fn trace(args: &Args, trace: &Trace, output: &Output) -> Result<u8, Failure> {
    let link = Link::open(args).await?;
    let answer = link.trace(&trace.domain, output.look).await;
    link.close().await;
    let answer = answer?;
    print(&answer, trace.output, output);
    Ok(answer.exit)
}
