//! Asks the source's server for what is new, at an interval and when it is asked for.

use std::sync::Arc;

use notify::Watcher;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::clock::Clock;
use super::counters::{self, Meters};
use super::schedule;
use crate::source::{Source, SourceError};
use amarre_core::model::{Code, Millis};

/// Fetches; answers whether anything changed.
pub(super) async fn fetch(source: &Source, clock: &dyn Clock, meters: &Meters) -> bool {
    let started = clock.now();
    let is_new = source.fetch(started).await;
    if source.is_git() {
        let result = if source.read().await.error.is_some() { "failed" } else { "ok" };
        meters.fetches.get_or_create(&counters::labels(&[("result", result)])).inc();
        meters.fetching.observe(counters::seconds(clock.now() - started));
    }
    is_new
}

/// Fetches at the interval, and wakes the loop when something changed.
pub(super) async fn follow(
    source: Source,
    interval: Millis,
    (clock, meters): (Arc<dyn Clock>, Arc<Meters>),
    wake: Arc<Notify>,
) {
    let mut failures = 0;
    loop {
        if fetch(&source, &*clock, &meters).await {
            wake.notify_one();
        }
        // A server that answers keeps its usual interval: a repair may be under way there.
        let is_silent = |error: SourceError| matches!(error.code, Code::A0302 | Code::A0303 | Code::A0304);
        let is_failing = source.read().await.error.is_some_and(is_silent);
        failures = if is_failing { failures + 1 } else { 0 };
        tokio::time::sleep(schedule::ask_source_again(interval, failures, rand::random()).to_duration()).await;
    }
}

/// Wakes the loop when the file system reports a change in the source's folder; where it does not, the interval is the fall-back.
pub(super) fn watch_folder(
    source: &Source,
    wake: &Arc<Notify>,
) -> Option<JoinHandle<Option<notify::RecommendedWatcher>>> {
    let (wake, path) = (wake.clone(), source.folder()?.to_owned());
    let told = move |event: Result<notify::Event, notify::Error>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            wake.notify_one();
        }
    };
    Some(tokio::task::spawn_blocking(move || {
        let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
            watcher.watch(&path, notify::RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        let unwatched =
            |error| tracing::warn!("could not watch {}: {error}; it is read every interval", path.display());
        watcher.map_err(unwatched).ok()
    }))
}
