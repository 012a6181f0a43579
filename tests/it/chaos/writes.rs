//! A crash at every write to the ledger: it takes n rows and not one more, the process ends, and starts again on what is
//! there. What was said to vendors by then stands. A day takes a third of the rows, as of the calls in `crash.rs`.

use super::crash::{of_today, run_story};
use super::oracle::world_after;
use super::stage::{Beginning, Trial, Turn, Twist};
use super::story::SMALL;

/// No small story writes as much.
const ROWS_MAX: i64 = 1000;

/// The `n`-th small story, crashed at each of its writes.
async fn crash_at_every_row(n: usize) {
    let story = &SMALL[n];
    let expected = world_after(story).await;
    let mut beginning = Beginning::new(&story.files_before()).await;
    let mut failed = Vec::new();
    let (first, apart) = of_today();
    let (mut rows, mut crashes) = (i64::try_from(first).unwrap(), 0);
    loop {
        let twist = Twist { look: 0, turn: Turn::DeathAtLedger { rows } };
        let trial = Trial { twists: vec![twist], ..Trial::default() };
        match run_story(&mut beginning, story, &trial, &expected).await {
            Ok(told) if told.deaths == 0 => break,
            Ok(_) => (),
            Err(why) => failed.push(format!("after {rows} rows: {why}")),
        }
        crashes += 1;
        rows += i64::try_from(apart).unwrap();
        assert!(rows < ROWS_MAX, "the story has no end");
    }
    assert!(failed.is_empty(), "{} of {crashes} crashes:\n{}", failed.len(), failed.join("\n"));
    assert!(crashes > 1, "only {crashes} crashes: the story does not write");
}

#[tokio::test]
async fn a_new_service_survives_a_crash_at_every_row() {
    crash_at_every_row(0).await;
}

#[tokio::test]
async fn a_start_first_update_survives_a_crash_at_every_row() {
    crash_at_every_row(1).await;
}

#[tokio::test]
async fn a_stop_first_update_survives_a_crash_at_every_row() {
    crash_at_every_row(2).await;
}

#[tokio::test]
async fn a_repaired_failure_survives_a_crash_at_every_row() {
    crash_at_every_row(3).await;
}

#[tokio::test]
async fn a_removal_survives_a_crash_at_every_row() {
    crash_at_every_row(4).await;
}

#[tokio::test]
async fn a_destruction_survives_a_crash_at_every_row() {
    crash_at_every_row(5).await;
}

#[tokio::test]
async fn an_access_list_survives_a_crash_at_every_row() {
    crash_at_every_row(6).await;
}
