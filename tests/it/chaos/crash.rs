//! A crash at every call of thirteen stories: before it has its effect, and after it with the answer lost. For some of them also with
//! a ledger that is lost at every write, and with an error at every write. A day takes a third of the calls, by its `SEED_ROUND`, and
//! three days take them all; `CRASH=all`, as in `scripts/chaos crash`, takes them at once.

use amarre_sim::Fault;
use serde_json::Value as Json;

use super::oracle::{self, Before};
use super::script::{At, Rule, ScriptCall as Call, Strike};
use super::stage::{Beginning, Trial};
use super::story::{STORIES, Story};

/// Within this number of days every call has its turn.
const DAYS: usize = 3;

/// What came of a story.
pub struct StoryOutcome {
    pub calls: Vec<Call>,
    pub looks: usize,
    /// How often the process died under a call or a write.
    pub deaths: usize,
}

/// Tells a story from its beginning, and asks the oracle.
pub async fn run_story(
    beginning: &mut Beginning,
    story: &Story,
    trial: &Trial,
    expected: &Json,
) -> Result<StoryOutcome, String> {
    let mut stage = beginning.stage().await;
    let before = Before::new(&stage);
    let outcome = stage.run(story, trial, expected).await;
    let calls = stage.script.calls();
    let (looks, deaths) = (stage.looks, stage.deaths);
    let wrong = match &outcome {
        Ok(()) => oracle::broken(&mut stage, &before, expected).await,
        Err(why) => vec![why.clone()],
    };
    beginning.give_back(stage);
    if wrong.is_empty() {
        return Ok(StoryOutcome { calls, looks, deaths });
    }
    Err(format!("{}\n{}\n{}", story.name, line_up(&calls), wrong.join("\n")))
}

/// The calls of a story that matter: writes, and what was struck.
fn line_up(calls: &[Call]) -> String {
    let matters = calls.iter().enumerate().filter(|(_, told)| told.is_write || told.strike.is_some());
    let lines = matters.map(|(number, told)| match &told.strike {
        Some(strike) => format!("  {number:4} {}   <== {strike:?}\n", told.key),
        None => format!("  {number:4} {}\n", told.key),
    });
    lines.collect()
}

/// What goes wrong at each call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Blow {
    /// The process dies.
    Death,
    /// The process dies, and its ledger is lost.
    DeathWithoutLedger,
    /// A write is answered by an error, whether it had its effect or not; the process lives.
    Error,
}

/// The `n`-th story, struck everywhere.
async fn strike_everywhere(n: usize, blow: Blow) {
    let story = &STORIES[n];
    let expected = oracle::world_after(story).await;
    let mut beginning = Beginning::new(&story.files_before()).await;
    let undisturbed = run_story(&mut beginning, story, &Trial::default(), &expected).await;
    let calls = undisturbed.unwrap_or_else(|why| panic!("undisturbed: {why}")).calls;
    let mut failed = Vec::new();
    let (first, apart) = of_today();
    let strikes: Vec<(u32, Strike)> = strikes(&calls, blow).into_iter().skip(first).step_by(apart).collect();
    for (number, strike) in &strikes {
        let rule = Rule { at: At::AnyCall, nth: *number, times: 1, strike: strike.clone() };
        let loses_ledger = blow == Blow::DeathWithoutLedger;
        let trial = Trial { rules: vec![rule], loses_ledger, ..Trial::default() };
        if let Err(why) = run_story(&mut beginning, story, &trial, &expected).await {
            failed.push(why);
        }
    }
    assert!(failed.is_empty(), "{} of {} strikes:\n{}", failed.len(), strikes.len(), failed.join("\n"));
    assert!(strikes.len() > 1, "only {} strikes: the script does not strike", strikes.len());
}

/// The first strike of this day, and how far its strikes are apart: three days take them all.
pub fn of_today() -> (usize, usize) {
    let variable = |name: &str| std::env::var_os(name).and_then(|text| text.into_string().ok()).unwrap_or_default();
    let round: usize = variable("SEED_ROUND").parse().unwrap_or_default();
    if variable("CRASH") == "all" { (0, 1) } else { (round % DAYS, DAYS) }
}

/// Between two writes nothing changes, so of reads in a row only the first matters. With a lost ledger, a death before a write is one
/// after the write before it.
fn strikes(calls: &[Call], blow: Blow) -> Vec<(u32, Strike)> {
    let mut found = Vec::new();
    let (mut after_write, mut writes) = (true, 0);
    for (number, told) in (0..).zip(calls) {
        match (told.is_write, blow) {
            (true, Blow::Death) => found.extend([(number, Strike::KillBefore), (number, Strike::KillAfter)]),
            (false, Blow::Death) if after_write => found.push((number, Strike::KillBefore)),
            (true, Blow::DeathWithoutLedger) => {
                found.extend((writes == 0).then_some((number, Strike::KillBefore)));
                found.push((number, Strike::KillAfter));
            }
            (true, Blow::Error) if writes % 2 == 0 => found.push((number, Strike::Fault(Fault::After(500)))),
            (true, Blow::Error) => found.push((number, Strike::Fault(Fault::Before(500)))),
            (false, Blow::Death | Blow::DeathWithoutLedger | Blow::Error) => (),
        }
        after_write = told.is_write;
        writes += u32::from(told.is_write);
    }
    found
}

async fn crash_everywhere(n: usize) {
    strike_everywhere(n, Blow::Death).await;
}

#[tokio::test]
async fn a_new_service_survives_a_crash_at_every_call() {
    crash_everywhere(0).await;
}

#[tokio::test]
async fn a_start_first_update_survives_a_crash_at_every_call() {
    crash_everywhere(1).await;
}

#[tokio::test]
async fn a_stop_first_update_survives_a_crash_at_every_call() {
    crash_everywhere(2).await;
}

#[tokio::test]
async fn a_candidate_that_fails_survives_a_crash_at_every_call() {
    crash_everywhere(3).await;
}

#[tokio::test]
async fn a_domain_that_moves_survives_a_crash_at_every_call() {
    crash_everywhere(4).await;
}

#[tokio::test]
async fn a_removal_survives_a_crash_at_every_call() {
    crash_everywhere(5).await;
}

#[tokio::test]
async fn a_purge_survives_a_crash_at_every_call() {
    crash_everywhere(6).await;
}

#[tokio::test]
async fn an_access_list_survives_a_crash_at_every_call() {
    crash_everywhere(7).await;
}

#[tokio::test]
async fn a_network_that_moves_survives_a_crash_at_every_call() {
    crash_everywhere(8).await;
}

#[tokio::test]
async fn a_recreated_npm_with_drift_survives_a_crash_at_every_call() {
    crash_everywhere(9).await;
}

#[tokio::test]
async fn a_certificate_survives_a_crash_at_every_call() {
    crash_everywhere(10).await;
}

#[tokio::test]
async fn a_job_before_an_update_runs_once_though_the_process_crashes_at_every_call() {
    crash_everywhere(11).await;
}

#[tokio::test]
async fn a_destruction_survives_a_crash_at_every_call() {
    crash_everywhere(12).await;
}

#[tokio::test]
async fn an_image_that_is_built_survives_a_crash_at_every_call() {
    crash_everywhere(13).await;
}

#[tokio::test]
async fn an_image_that_is_built_survives_an_error_at_every_write() {
    strike_everywhere(13, Blow::Error).await;
}

#[tokio::test]
async fn a_new_service_survives_a_crash_at_every_write_and_a_lost_ledger() {
    strike_everywhere(0, Blow::DeathWithoutLedger).await;
}

#[tokio::test]
async fn a_stop_first_update_survives_a_crash_at_every_write_and_a_lost_ledger() {
    strike_everywhere(2, Blow::DeathWithoutLedger).await;
}

#[tokio::test]
async fn a_job_before_an_update_runs_once_though_the_ledger_is_lost_at_every_write() {
    strike_everywhere(11, Blow::DeathWithoutLedger).await;
}

#[tokio::test]
async fn a_destruction_survives_a_crash_at_every_write_and_a_lost_ledger() {
    strike_everywhere(12, Blow::DeathWithoutLedger).await;
}

#[tokio::test]
async fn a_new_service_survives_an_error_at_every_write() {
    strike_everywhere(0, Blow::Error).await;
}

#[tokio::test]
async fn a_job_before_an_update_runs_once_though_every_write_fails_once() {
    strike_everywhere(11, Blow::Error).await;
}

#[tokio::test]
async fn a_destruction_survives_an_error_at_every_write() {
    strike_everywhere(12, Blow::Error).await;
}
