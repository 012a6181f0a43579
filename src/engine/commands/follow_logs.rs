//! `amarre logs -f`: what containers print, as they print it, also those that take their place meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::Answer;
use super::logs;
use super::logs::LogsOf;
use crate::engine::Picture;
use crate::engine::reconcile::daemon::{Command, Handle};
use crate::engine::reconcile::failure_log;
use crate::providers::LogQuery;
use amarre_core::model::{Address, Seen, Timestamp, Value};

/// Without news of the loop, so often it is looked whether another container has come.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What takes the place of one that ended is not there at once.
const PAUSE: Duration = Duration::from_secs(1);
/// Lines between a container and whoever reads.
const LINES_AHEAD: usize = 256;

/// One line that a container printed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Printing {
    /// The container, by its own name: one that is to take over has another one in Docker at first.
    pub container: String,
    /// Which version of it.
    pub generation: Option<String>,
    /// Of which service it is.
    pub service: String,
    /// What it printed, or why that cannot be read.
    pub line: String,
}

/// Lines on their way.
pub type Lines = mpsc::Sender<Printing>;

/// A place for them.
pub fn lines() -> (Lines, mpsc::Receiver<Printing>) {
    mpsc::channel(LINES_AHEAD)
}

/// Sends lines until nobody reads them or the loop ends; `Some` when there is nothing to follow.
pub async fn follow(mut handle: Handle, of: LogsOf, lines: Lines) -> Option<Answer> {
    let mut picture = handle.picture().0;
    if picture.context.is_none() {
        picture = handle.ask(Command::Look).await?.picture;
    }
    // A container that started again is followed again.
    let mut known: BTreeSet<(Address, Option<i64>)> = BTreeSet::new();
    let mut followed = FuturesUnordered::new();
    loop {
        let is_first = known.is_empty();
        for (address, seen) in logs::asked(&picture, of.name.as_deref()) {
            let started = seen.fields.get("started_at_ms").and_then(Value::as_int);
            if known.insert((address.clone(), started)) {
                let tail = if is_first { of.tail() } else { logs::LINES_MAX as usize };
                let since = started.filter(|_| !is_first).map(Timestamp);
                let ask = LogQuery { since, ..logs::ask(&picture, address, tail) };
                followed.push(one(picture.clone(), address.clone(), seen.clone(), ask, lines.clone()));
            }
        }
        if known.is_empty() {
            return Some(logs::nothing(&picture, &of));
        }
        picture = tokio::select! {
            () = lines.closed() => return None,
            Some(()) = followed.next() => {
                tokio::time::sleep(PAUSE).await;
                handle.ask(Command::Look).await?.picture
            }
            () = tokio::time::sleep(LOOK_EVERY), if followed.is_empty() => handle.ask(Command::Look).await?.picture,
            goes_on = handle.turned() => {
                if !goes_on {
                    return None;
                }
                handle.picture().0
            }
        };
    }
}

/// Follows one container to its end.
async fn one(picture: Arc<Picture>, address: Address, seen: Seen, ask: LogQuery, lines: Lines) {
    let (container, generation) = (address.name.clone(), address.generation.clone());
    let service = seen.service.clone().unwrap_or_default();
    let provider = picture.context.as_ref().and_then(|context| context.providers.get(&address.provider));
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
            if lines.send(printing(failure_log::kept(&line, &picture.scrubber))).await.is_err() {
                // Dropping what is read ends the reading.
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
