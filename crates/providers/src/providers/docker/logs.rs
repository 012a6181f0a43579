//! The last lines that a container printed: both streams, with a terminal or without, in whole lines, nothing in them
//! that a terminal would obey.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::models::ContainerInspectResponse;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::answers;
use super::api::EngineApi;
use super::{Class, ProviderError};
use crate::providers::{LOG_LIMIT, LOG_LINE_BYTES_MAX, LogQuery};
use crate::secret::{Scrubber, Secret};
use amarre_core::model::{Address, Code, Seen, words};

/// Bytes that are read of a log, whatever its lines: fifty of the longest that an engine keeps.
const LOG_BYTES_MAX: usize = 1024 * 1024;
/// After so long without a line it is asked whether the container still runs: an engine does not always end the log of one that was
/// restarted at once (20.10 under load).
const SILENCE: Duration = Duration::from_secs(10);

/// Reads within [`LOG_LIMIT`]; what came by then counts, unless it is nothing.
pub async fn read(
    api: &EngineApi,
    address: &Address,
    seen: &Seen,
    ask: &LogQuery,
) -> Result<Vec<String>, ProviderError> {
    let name = address.name.as_str();
    let late = |_| {
        let message = format!("the log of container {name} was not read within {} s", LOG_LIMIT.as_secs());
        ProviderError::new(Class::RetryLater, Code::A0515, message)
    };
    let reading = async {
        let there = inspect(api, name, seen).await?;
        let lines = lines(api, name, &there, ask.lines).await?;
        let hidden = hidden(&there, seen, ask);
        Ok(lines.iter().map(|line| shown(line, &hidden)).collect())
    };
    tokio::time::timeout(LOG_LIMIT, reading).await.map_err(late)?
}

/// Reads as the container prints, until it ends or nobody listens.
pub async fn follow(
    api: &EngineApi,
    address: &Address,
    seen: &Seen,
    ask: &LogQuery,
    lines: mpsc::Sender<String>,
) -> Result<(), ProviderError> {
    let name = address.name.as_str();
    let there = inspect(api, name, seen).await?;
    let hidden = hidden(&there, seen, ask);
    let since = ask.since.and_then(|at| i32::try_from(at.0 / 1000).ok()).unwrap_or(0);
    let mut parts = std::pin::pin!(api.follow(&seen.vendor_id, ask.lines, since));
    let mut assembled = LineSplitter::default();
    loop {
        let part = tokio::select! {
            part = parts.next() => part,
            () = lines.closed() => return Ok(()),
            () = tokio::time::sleep(SILENCE) => if has_ended(api, seen, &there).await { return Ok(()) } else { continue },
        };
        let part = part.map(|part| api.log_read(name, part));
        let (done, is_over) = match part {
            Some(Ok(Some(part))) => {
                assembled.take(&part);
                (std::mem::take(&mut assembled.done), false)
            }
            Some(Ok(None)) | None => (std::mem::take(&mut assembled).end(), true),
            Some(Err(error)) => return Err(unreadable(&there, name).unwrap_or(error)),
        };
        for line in done {
            if lines.send(shown(&line, &hidden)).await.is_err() {
                return Ok(());
            }
        }
        if is_over {
            return Ok(());
        }
    }
}

/// Whether the run of a container that is read is over. Without an answer it goes on, as far as is known.
async fn has_ended(api: &EngineApi, seen: &Seen, before: &ContainerInspectResponse) -> bool {
    let started = |there: &ContainerInspectResponse| there.state.as_ref().and_then(|state| state.started_at.clone());
    let is_running =
        |there: &ContainerInspectResponse| there.state.as_ref().is_some_and(|state| state.running == Some(true));
    match api.container(&seen.vendor_id).await {
        Ok(Some(now)) => started(&now) != started(before) || !is_running(&now),
        Ok(None) => true,
        Err(_) => false,
    }
}

async fn inspect(api: &EngineApi, name: &str, seen: &Seen) -> Result<ContainerInspectResponse, ProviderError> {
    let gone = || ProviderError::new(Class::Conflict, Code::A0515, format!("container {name} is gone"));
    api.container(&seen.vendor_id).await?.ok_or_else(gone)
}

/// A line as people may see it. Scrubbed once more at the end: what was taken out may have stood in the middle of a secret.
fn shown(line: &str, hidden: &Scrubber) -> String {
    hidden.scrub(&clean(&hidden.scrub(line)))
}

async fn lines(
    api: &EngineApi,
    name: &str,
    there: &ContainerInspectResponse,
    lines: usize,
) -> Result<Vec<String>, ProviderError> {
    let id = there.id.as_deref().unwrap_or(name);
    let mut parts = std::pin::pin!(api.logs(id, lines));
    let mut assembled = LineSplitter::default();
    let mut bytes = 0;
    while let Some(part) = parts.next().await {
        let part = match api.log_read(name, part) {
            Ok(Some(part)) => part,
            Ok(None) => break,
            Err(error) => return Err(unreadable(there, name).unwrap_or(error)),
        };
        bytes += part.as_ref().len();
        assembled.take(&part);
        if bytes > LOG_BYTES_MAX {
            break;
        }
    }
    let mut all = assembled.end();
    all.drain(..all.len().saturating_sub(lines));
    Ok(all)
}

/// Drivers that send lines away keep nothing; `none` has nothing to keep.
fn unreadable(there: &ContainerInspectResponse, name: &str) -> Option<ProviderError> {
    let host = there.host_config.as_ref()?;
    let driver = host.log_config.as_ref()?.typ.clone()?;
    if matches!(driver.as_str(), "json-file" | "local" | "journald") {
        return None;
    }
    let message = format!("what container {name} prints cannot be read back: its logging driver is `{driver}`");
    Some(
        ProviderError::new(Class::Rejected, Code::A0515, message)
            .hint("give it `logging: {driver: local}`, or look where that driver sends it"),
    )
}

/// The values of variables that are secret, as this instance was given them, and of those that nobody shows.
fn hidden(there: &ContainerInspectResponse, seen: &Seen, ask: &LogQuery) -> Scrubber {
    let variables = there.config.as_ref().and_then(|config| config.env.as_ref()).into_iter().flatten();
    let secrets: Vec<Secret> = variables
        .filter_map(|variable| variable.split_once('='))
        .filter(|(name, _)| ask.hidden.contains(*name))
        .map(|(_, value)| Secret::new(value))
        .chain(answers::hidden(there, seen.owner.is_ours()))
        .collect();
    Scrubber::of(&secrets)
}

/// Whole lines out of the parts of two streams: a part ends anywhere, and the other stream may speak in between.
#[derive(Debug, Default)]
struct LineSplitter {
    done: Vec<String>,
    open: [Vec<u8>; 2],
}

impl LineSplitter {
    fn take(&mut self, part: &LogOutput) {
        let open = match part {
            LogOutput::StdErr { .. } => 1,
            LogOutput::StdOut { .. } | LogOutput::StdIn { .. } | LogOutput::Console { .. } => 0,
        };
        for byte in part.as_ref() {
            match byte {
                b'\n' => self.close(open),
                byte if self.open[open].len() < LOG_LINE_BYTES_MAX => self.open[open].push(*byte),
                _ => (),
            }
        }
    }

    fn close(&mut self, open: usize) {
        let line = std::mem::take(&mut self.open[open]);
        self.done.push(String::from_utf8_lossy(&line).into_owned());
    }

    fn end(mut self) -> Vec<String> {
        for open in 0..self.open.len() {
            if !self.open[open].is_empty() {
                self.close(open);
            }
        }
        self.done
    }
}

/// Without colours and cursor movements; of what was written over, what stood there last.
fn clean(line: &str) -> String {
    words::clean(line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_whatever_the_parts() {
        let mut lines = LineSplitter::default();
        let out = |text: &str| LogOutput::StdOut { message: text.as_bytes().to_vec().into() };
        let err = |text: &str| LogOutput::StdErr { message: text.as_bytes().to_vec().into() };
        for part in [out("one\ntw"), err("error: "), out("o\n\n"), err("no\nhalf"), out("end")] {
            lines.take(&part);
        }
        assert_eq!(lines.end(), ["one", "two", "", "error: no", "end", "half"]);
        let mut long = LineSplitter::default();
        long.take(&LogOutput::Console { message: vec![b'x'; LOG_LINE_BYTES_MAX + 9].into() });
        assert_eq!(long.end()[0].len(), LOG_LINE_BYTES_MAX);
    }

    #[test]
    fn a_terminal_is_told_nothing() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m\tand \u{1b}]0;title\u{7}plain\u{8}\r"), "red and plain");
        assert_eq!(clean(" 10 %\r 90 %\r100 %"), "100 %");
        assert_eq!(clean("\u{1b}"), "");
    }
}
