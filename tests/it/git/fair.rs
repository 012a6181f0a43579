//! Repositories at a server that takes connections and says nothing, beside one at a server that answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use amarre::source::{AppFolder, AppRepositories};
use amarre_core::model::app::AppSource;
use amarre_core::model::{GitUrl, Millis, Timestamp};
use amarre_sim::Fault;
use amarre_sim::git::Git;
use tokio::sync::Notify;

use crate::support::eventually;

/// Repositories at the silent server: more than there are fetches at once.
const SILENT: usize = 8;

fn source(server: &Git, name: &str) -> AppSource {
    let url = GitUrl::parse(&server.url(name)).unwrap();
    AppSource::new(name, url)
}

#[tokio::test]
async fn repositories_of_a_silent_server_hold_up_no_other() {
    let (folder, repositories) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (silent, good) =
        (Git::start(repositories.path().into()).await.unwrap(), Git::start(repositories.path().into()).await.unwrap());
    good.commit("zgood", "Alice", "first", &[("index.html", "one")]).unwrap();
    silent.server.faults.add("*", "/", u32::MAX, Fault::HangBefore);
    let program = env!("CARGO_BIN_EXE_amarre").into();
    let all = AppRepositories::new(AppFolder { folder: folder.path().to_owned(), program });
    let mut sources: BTreeMap<String, AppSource> =
        (0..SILENT).map(|number| (format!("a{number}"), source(&silent, &format!("t{number}")))).collect();
    sources.insert("zgood".to_owned(), source(&good, "zgood"));
    all.recall(&sources);
    // Minute by minute, while the silent server keeps the first of its repositories waiting. `FAIR_MINUTES=10` has real ones, as
    // `scripts/long` does: each fetch from the silent server is then given up in its time.
    let real = std::env::var_os("FAIR_MINUTES").and_then(|text| text.to_str()?.parse::<i64>().ok());
    let mut passes = tokio::time::interval(Duration::from_secs(60));
    let (start, wake) = (Timestamp(1_800_000_000_000), Arc::new(Notify::new()));
    for minute in 0..real.unwrap_or(5) {
        if real.is_some() {
            passes.tick().await;
        }
        let now = start + Millis::minutes(minute);
        good.commit("zgood", "Alice", "next", &[("index.html", &minute.to_string())]).unwrap();
        let before = all.state(&sources["zgood"]).unwrap().commit;
        all.fetch_due(now, &wake);
        let is_fetched = async || all.state(&sources["zgood"]).unwrap().commit != before;
        eventually(60, "the good one is fetched in its minute", is_fetched).await;
        let states = all.states();
        let waiting = states.iter().filter(|(name, (_, state))| name.starts_with('a') && state.is_fetching).count();
        assert!(waiting <= 1, "one slot for all of a server that does not answer, and not {waiting}");
    }
}
