//! A crash at every call of eleven stories: before it has its effect, and after it with the answer lost.

use serde_json::Value as Json;

use super::oracle::{self, Before, Fresh};
use super::script::{At, Rule, ScriptCall as Call, Strike};
use super::stage::{Stage, Twist};
use super::story::{STORIES, Story};

/// What came of a story.
pub struct StoryOutcome {
    pub calls: Vec<Call>,
    pub looks: usize,
    /// How often the process died under a call or a write.
    pub deaths: usize,
}

/// Tells a story under these rules, and asks the oracle.
pub async fn run_story(
    story: &Story,
    rules: Vec<Rule>,
    twists: Vec<Twist>,
    expected: &Json,
) -> Result<StoryOutcome, String> {
    let mut stage = Stage::set(&story.files_before()).await;
    let before = Before::new(&stage);
    let outcome = stage.run(story, rules, twists, expected).await;
    let calls = stage.script.calls();
    let looks = stage.looks;
    let wrong = match &outcome {
        Ok(()) => oracle::broken(&mut stage, &before, expected).await,
        Err(why) => vec![why.clone()],
    };
    if wrong.is_empty() {
        return Ok(StoryOutcome { calls, looks, deaths: stage.deaths });
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

/// The `n`-th story, crashed everywhere.
async fn crash_everywhere(n: usize) {
    let story = &STORIES[n];
    let mut fresh = Fresh::default();
    let expected = fresh.world(&story.files_after()).await;
    let undisturbed = run_story(story, Vec::new(), Vec::new(), &expected).await;
    let calls = undisturbed.unwrap_or_else(|why| panic!("undisturbed: {why}")).calls;
    let mut failed = Vec::new();
    let mut crashes = 0;
    for (number, strike) in crash_points(&calls) {
        let rule = Rule { at: At::AnyCall, nth: number, times: 1, strike };
        crashes += 1;
        if let Err(why) = run_story(story, vec![rule], Vec::new(), &expected).await {
            failed.push(why);
        }
    }
    assert!(failed.is_empty(), "{} of {crashes} crashes:\n{}", failed.len(), failed.join("\n"));
    assert!(crashes > 5, "only {crashes} crashes: the script does not strike");
}

/// Between two writes nothing changes, so of reads in a row only the first matters.
fn crash_points(calls: &[Call]) -> Vec<(u32, Strike)> {
    let mut points = Vec::new();
    let mut after_write = true;
    for (number, told) in (0..).zip(calls) {
        if told.is_write {
            points.extend([(number, Strike::KillBefore), (number, Strike::KillAfter)]);
        } else if after_write {
            points.push((number, Strike::KillBefore));
        }
        after_write = told.is_write;
    }
    points
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
