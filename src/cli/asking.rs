//! The verbs that look back and explain.

use super::Failure;
use super::args::{Args, Explain, History};
use super::commands::print;
use super::link::Link;
use super::output::Output;
use crate::engine::history::HistoryOf;

/// `amarre history`
pub async fn history(args: &Args, history: &History, output: &Output) -> Result<u8, Failure> {
    let at_ms = history.at.as_deref().map(time).transpose()?;
    let of = HistoryOf { name: history.service.clone(), at_ms, limit: history.lines };
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

/// `03:12` of today, or of yesterday where that is yet to come; `2026-11-20 03:12`; a whole RFC 3339. In milliseconds.
fn time(text: &str) -> Result<i64, Failure> {
    let zone = jiff::tz::TimeZone::system();
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let whole = |at: jiff::civil::DateTime| at.to_zoned(zone.clone()).map(|at| at.timestamp().as_millisecond());
    let now = jiff::Zoned::now();
    let found = match (text.replace(' ', "T").parse::<jiff::civil::DateTime>(), text.parse::<jiff::civil::Time>()) {
        (Ok(at), _) => whole(at),
        (Err(_), Ok(at)) => {
            let day = if at <= now.time() { Ok(now.date()) } else { now.date().yesterday() };
            day.and_then(|day| whole(day.to_datetime(at)))
        }
        (Err(error), Err(_)) => Err(error),
    };
    found.map_err(|_| Failure::new("", format!("not a time: {text}"), "as in --at 03:12, or --at \"2026-11-20 03:12\""))
}
