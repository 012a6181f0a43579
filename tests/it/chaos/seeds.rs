//! Two and more faults at random points of small stories, thousands of times. A seed is a story: the same each time.
//!
//! What can strike is what the undisturbed story calls, so that each fault has a place; what comes after the first one
//! may be another call than planned.
#![expect(clippy::print_stderr, reason = "scripts/chaos tells a seed")]

use amarre_sim::Fault;
use std::time::Duration;

use amarre_core::model::Millis;
use serde_json::Value as Json;

use super::crash::{StoryOutcome, run_story};
use super::from_environment;
use super::oracle::world_after;
use super::script::{self, At, Rule, Strike};
use super::stage::{Beginning, Trial, Turn, Twist};
use super::story::SMALL;
use amarre_testkit::dice::Dice;

/// Of all stories together, in a day and in `scripts/long`.
const SEEDS: (u64, u64) = (200, 5_000);
/// Failures that one part collects before it ends.
const FAILURES_MAX: usize = 5;

/// An undisturbed story: where it begins, where it can be struck, and how it ends.
struct Undisturbed {
    beginning: Beginning,
    calls: Vec<script::ScriptCall>,
    looks: usize,
    expected: Json,
}

impl Undisturbed {
    async fn new(story: usize) -> Self {
        let story = &SMALL[story];
        let expected = world_after(story).await;
        let mut beginning = Beginning::new(&story.files_before()).await;
        let told = run_story(&mut beginning, story, &Trial::default(), &expected).await;
        let StoryOutcome { calls, looks, .. } = told.unwrap_or_else(|why| panic!("undisturbed: {why}"));
        Self { beginning, calls, looks, expected }
    }
}

/// The story of a seed: the first thing that its dice say.
fn story_of(seed: u64) -> usize {
    Dice::new(seed).below(SMALL.len())
}

fn plan(seed: u64, undisturbed: &Undisturbed) -> Trial {
    let mut dice = Dice::new(seed);
    let _story = dice.below(SMALL.len());
    let Trial { mut rules, mut twists, .. } = Trial::default();
    for _ in 0..2 + dice.below(3) {
        if dice.below(4) == 0 {
            let turn = turn(&mut dice);
            twists.push(Twist { look: dice.below(undisturbed.looks), turn });
        } else {
            rules.push(rule(&mut dice, &undisturbed.calls));
        }
    }
    Trial { rules, twists, loses_ledger: false }
}

fn turn(dice: &mut Dice) -> Turn {
    match dice.below(6) {
        0 => Turn::ClockStep(Millis::minutes(60)),
        1 => Turn::ClockStep(Millis::minutes(-60)),
        2 => Turn::LedgerLost,
        3 => Turn::LedgerPutBack,
        4 => Turn::LedgerFull { looks: 1 + dice.below(4) },
        _ => Turn::Death,
    }
}

/// One call of the undisturbed story, and how it goes wrong. Writes are struck as often as reads, though they are few.
fn rule(dice: &mut Dice, calls: &[script::ScriptCall]) -> Rule {
    let writes = dice.below(2) == 0;
    let some: Vec<usize> = (0..calls.len()).filter(|&number| calls[number].is_write == writes).collect();
    let number = some[dice.below(some.len())];
    let key = calls[number].key.clone();
    let nth = u32::try_from(calls[..number].iter().filter(|told| told.key == key).count()).unwrap();
    let fault = |fault: Fault| Strike::Fault(fault);
    let mut strike = match dice.below(if writes { 10 } else { 13 }) {
        0 => fault(Fault::Before(500)),
        1 | 2 => fault(Fault::After(500)),
        3 => fault(Fault::CutBefore),
        4 => fault(Fault::CutAfter),
        5 => Strike::KillBefore,
        6 => Strike::KillAfter,
        7 => fault(Fault::TooMany(7)),
        8 => fault(Fault::Before(401)),
        9 => fault(Fault::Delay(Duration::from_millis(3))),
        // An engine is one process, and says what is.
        10 | 11 if key.starts_with("docker") => fault(Fault::CutBefore),
        10 | 11 => fault(Fault::Stale { reads: 1 }),
        _ => fault(if dice.below(4) == 0 { Fault::Huge } else { Fault::Half }),
    };
    let is_kill = matches!(strike, Strike::KillBefore | Strike::KillAfter);
    let times = if is_kill { 1 } else { 1 + dice.below(4) };
    if matches!(strike, Strike::Fault(Fault::Stale { .. })) {
        // None of them shows what came after the first.
        strike = fault(Fault::Stale { reads: times });
    }
    Rule { at: At::Key(key), nth, times: u32::try_from(times).unwrap(), strike }
}

async fn tell_seed(seed: u64, undisturbed: &mut Undisturbed) -> Result<(), String> {
    let trial = plan(seed, undisturbed);
    let Undisturbed { beginning, expected, .. } = undisturbed;
    let outcome = run_story(beginning, &SMALL[story_of(seed)], &trial, expected).await;
    let said = |why: String| {
        let rules: Vec<String> = trial.rules.iter().map(|rule| format!("  {rule:?}")).collect();
        let twists: Vec<String> = trial.twists.iter().map(|twist| format!("  {twist:?}")).collect();
        format!("seed {seed}: scripts/chaos --seed {seed}\n{}\n{}\n{why}", rules.join("\n"), twists.join("\n"))
    };
    outcome.map(|_| ()).map_err(said)
}

/// The seeds of one story.
async fn part(story: usize) {
    let mut undisturbed = Box::pin(Undisturbed::new(story)).await;
    let mut failed = Vec::new();
    for seed in super::seeds_of_this_run("CHAOS_SEEDS", SEEDS).filter(|seed| story_of(*seed) == story) {
        // Vendors of its own: a call that the process of the last seed sent late reaches no other.
        undisturbed.beginning = Box::pin(Beginning::new(&SMALL[story].files_before())).await;
        failed.extend(Box::pin(tell_seed(seed, &mut undisturbed)).await.err());
        if failed.len() >= FAILURES_MAX {
            break;
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// One seed in detail: `scripts/chaos --seed S`.
#[tokio::test]
async fn one_seed() {
    let Some(seed) = from_environment("CHAOS_SEED") else { return };
    let mut undisturbed = Undisturbed::new(story_of(seed)).await;
    let trial = plan(seed, &undisturbed);
    eprintln!("{}: {trial:#?}", SMALL[story_of(seed)].name);
    if let Err(why) = tell_seed(seed, &mut undisturbed).await {
        panic!("{why}");
    }
}

#[tokio::test]
async fn seeds_of_a_new_service() {
    part(0).await;
}

#[tokio::test]
async fn seeds_of_start_first() {
    part(1).await;
}

#[tokio::test]
async fn seeds_of_stop_first() {
    part(2).await;
}

#[tokio::test]
async fn seeds_of_a_repaired_failure() {
    part(3).await;
}

#[tokio::test]
async fn seeds_of_a_removal() {
    part(4).await;
}

#[tokio::test]
async fn seeds_of_a_destruction() {
    part(5).await;
}

#[tokio::test]
async fn seeds_of_an_access_list() {
    part(6).await;
}

#[tokio::test]
async fn seeds_of_a_certificate() {
    part(7).await;
}
