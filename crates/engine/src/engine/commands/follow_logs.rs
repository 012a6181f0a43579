//! `amarre logs -f`: follows the output of containers, and of those that replace them meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::CommandAnswer;
use super::logs;
use super::logs::LogsQuery;
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::reconcile::failure_log;
use crate::engine::report::pass_view::PassView;
use crate::providers::LogQuery;
use amarre_core::model::{Address, Seen, Timestamp, Value};

/// How often new containers are looked for when the loop reports no change.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The successor of a container that ended is not there at once.
const PAUSE: Duration = Duration::from_secs(1);
/// Lines buffered between a container and the reader.
const LINES_AHEAD: usize = 256;

/// One line that a container printed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Printing {
    /// The container's name in Amarre: a candidate has another one in Docker at first.
    pub container: String,
    pub generation: Option<String>,
    pub service: String,
    /// The printed line, or why the log cannot be read.
    pub line: String,
}

/// The receiving end of the followed lines.
pub type LineSender = mpsc::Sender<Printing>;

/// A channel for them.
pub fn lines() -> (LineSender, mpsc::Receiver<Printing>) {
    mpsc::channel(LINES_AHEAD)
}

/// Sends lines until the reader hangs up or the loop ends; `Some` if there is nothing to follow.
pub async fn follow(mut handle: Handle, of: LogsQuery, lines: LineSender) -> Option<CommandAnswer> {
    let mut pass = handle.last_pass().0;
    if pass.context.is_none() {
        pass = handle.request(LoopCommand::Pass).await?.pass;
    }
    // A container that started again is followed again.
    let mut known: BTreeSet<(Address, Option<i64>)> = BTreeSet::new();
    let mut followed = FuturesUnordered::new();
    loop {
        let is_first = known.is_empty();
        for (address, seen) in logs::selected_containers(&pass, of.name.as_deref()) {
            let started = seen.fields.get("started_at_ms").and_then(Value::as_int);
            if known.insert((address.clone(), started)) {
                let tail = if is_first { of.tail() } else { logs::LINES_MAX as usize };
                let since = started.filter(|_| !is_first).map(Timestamp);
                let ask = LogQuery { since, ..logs::log_query(&pass, address, tail) };
                followed.push(follow_one(pass.clone(), address.clone(), seen.clone(), ask, lines.clone()));
            }
        }
        if known.is_empty() {
            return Some(logs::no_logs(&pass, &of));
        }
        pass = tokio::select! {
            () = lines.closed() => return None,
            Some(()) = followed.next() => {
                tokio::time::sleep(PAUSE).await;
                handle.request(LoopCommand::Pass).await?.pass
            }
            () = tokio::time::sleep(LOOK_EVERY), if followed.is_empty() => handle.request(LoopCommand::Pass).await?.pass,
            goes_on = handle.changed() => {
                if !goes_on {
                    return None;
                }
                handle.last_pass().0
            }
        };
    }
}

/// Follows one container to its end.
async fn follow_one(pass: Arc<PassView>, address: Address, seen: Seen, ask: LogQuery, lines: LineSender) {
    let (container, generation) = (address.name.clone(), address.generation.clone());
    let service = seen.service.clone().unwrap_or_default();
    let provider = pass.context.as_ref().and_then(|context| context.providers.get(&address.provider));
    let Some(logs) = provider.and_then(|provider| provider.capabilities().logs) else { return };
    let (raw, mut read) = mpsc::channel::<String>(1);
    let printing = |line| Printing {
        container: container.clone(),
        generation: generation.clone(),
        service: service.clone(),
        line,
    };
    let reading = logs.follow(&address, &seen, &ask, raw);
    let passing_on = async {
        while let Some(line) = read.recv().await {
            if lines.send(printing(failure_log::scrub_line(&line, &pass.scrubber))).await.is_err() {
                // Dropping the receiver ends the reading.
                break;
            }
        }
        read.close();
    };
    let (ended, ()) = tokio::join!(reading, passing_on);
    if let Err(error) = ended {
        let _ = lines.send(printing(format!("({})", error.message))).await;
    }
}
