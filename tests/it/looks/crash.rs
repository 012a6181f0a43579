//! A crash at every call of three stories, each with the same ledger and with a lost one: always the same end.

use amarre::engine::RunMode;
use amarre_core::model::{Change, Gate};
use amarre_sim::Fault;
use serde_json::Value as Json;

use super::{CLOUD, plain};
use crate::support::stepped::{Stepped, assert_same, step};

/// More calls than any story makes at one vendor.
const CALLS_MAX: u32 = 60;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Story {
    FirstApply,
    StopFirstUpdate,
    UpdateAfterJob,
    Destroy,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Ledger {
    Kept,
    Lost,
}

#[derive(Debug, Clone, Copy)]
enum Blow {
    /// It was done, the answer is lost, the process is killed.
    KilledAfter,
    /// It was not done, the process is killed.
    KilledBefore,
    /// It was done, an error is answered, the process lives.
    ErrorAfter,
    /// It was not done, an error is answered, the process lives.
    ErrorBefore,
}

impl Ledger {
    /// Killed before a call is killed after the one before it, save for the first.
    fn blows(self, n: u32) -> &'static [Blow] {
        match (self, n) {
            (Ledger::Kept, 0) => &[Blow::KilledAfter, Blow::KilledBefore, Blow::ErrorAfter, Blow::ErrorBefore],
            (Ledger::Kept, n) if n % 2 == 0 => &[Blow::KilledAfter, Blow::ErrorAfter],
            (Ledger::Kept, _) => &[Blow::KilledAfter, Blow::ErrorBefore],
            (Ledger::Lost, 0) => &[Blow::KilledAfter, Blow::KilledBefore],
            (Ledger::Lost, _) => &[Blow::KilledAfter],
        }
    }
}

impl Story {
    /// The world before the story, and what begins it.
    async fn begin(self, ledger: Ledger) -> Stepped {
        let mut rig = Stepped::start().await;
        rig.write("cloud.yaml", &self.manifest());
        // A zone that no manifest names any more is not read: what a lost ledger knew of it alone is not found there.
        if ledger == Ledger::Lost {
            rig.write("bystander.yaml", &plain("bystander"));
        }
        if self != Story::FirstApply {
            rig.settle().await;
        }
        self.go(&rig).await;
        rig.forget();
        rig
    }

    fn manifest(self) -> String {
        match self {
            Story::FirstApply | Story::StopFirstUpdate | Story::Destroy => cloud(),
            Story::UpdateAfterJob => {
                let job = "jobs: {backup: {image: 'web:2', command: ['true'], volumes: ['data:/data:ro']}}";
                format!("{}{job}\n", cloud())
            }
        }
    }

    async fn go(self, rig: &Stepped) {
        match self {
            Story::FirstApply => (),
            Story::StopFirstUpdate => {
                let changed = cloud().replace("image: db:1", "image: db:1\n    environment: {MODE: two}");
                rig.write("cloud.yaml", &changed.replace("TITLE: one", "TITLE: two"));
            }
            Story::UpdateAfterJob => {
                let changed = self.manifest().replace("image: db:1", "image: db:1\n    environment: {MODE: two}");
                rig.write("cloud.yaml", &changed.replace("TITLE: one", "TITLE: two"));
            }
            Story::Destroy => rig.destroy("cloud").await,
        }
    }
}

/// The old one drains for two passes.
fn cloud() -> String {
    format!("{CLOUD}update: {{drain: 4s}}\n")
}

/// Lets the `n`-th write at one vendor go wrong; `None` when the story has no such call.
async fn run_with_blow(story: Story, ledger: Ledger, vendor: usize, method: &str, n: u32, blow: Blow) -> Option<Json> {
    let mut rig = story.begin(ledger).await;
    let foreign = rig.foreign();
    let fault = match blow {
        // Nothing is answered: there the process is killed.
        Blow::KilledAfter => Fault::HangAfter,
        Blow::KilledBefore => Fault::HangBefore,
        Blow::ErrorAfter => Fault::After(500),
        Blow::ErrorBefore => Fault::Before(500),
    };
    rig.servers()[vendor].faults.add_nth(method, "/", n, 1, fault);
    let journal = rig.servers()[vendor].journal.clone();
    let was_killed = rig.pass_until_settled_or_dead(vendor).await;
    let count = journal.calls().iter().filter(|call| call.method == method).count();
    if !was_killed && count <= usize::try_from(n).unwrap() {
        return None;
    }
    for server in rig.servers() {
        server.faults.clear();
    }
    if was_killed {
        match ledger {
            Ledger::Kept => rig.restart().await,
            Ledger::Lost => {
                rig.restart_without_ledger().await;
                // What a person asked for is asked again.
                story.go(&rig).await;
            }
        }
    }
    rig.pass_until_settled().await;
    confirm(&mut rig).await;
    rig.settle().await;
    let what = format!("{story:?} {ledger:?} vendor {vendor} {method} {n} {blow:?}");
    assert_same(&rig.foreign(), &foreign, &what);
    // That something was deleted and is not published yet stands in the ledger alone.
    if ledger == Ledger::Kept || story == Story::FirstApply {
        rig.assert_published(&what);
    }
    Some(rig.world())
}

/// What only its mark says is ours, since the ledger is lost, goes by its number.
async fn confirm(rig: &mut Stepped) {
    let picture = rig.last_pass();
    if picture.plan.guard.as_ref().is_none_or(|guard| guard.code != "A0430") {
        return;
    }
    let is_held = |change: &&Change| matches!(&change.gate, Gate::Held(refusal) if refusal.code == "A0430");
    let number = picture.plan.changes.iter().filter(is_held).count();
    step(&mut rig.engine, RunMode::Act { confirmed_deletes: Some(number), only: None }).await;
}

async fn every_blow(story: Story, ledger: Ledger) {
    let mut undisturbed = story.begin(ledger).await;
    undisturbed.settle().await;
    let expected = undisturbed.world();
    let mut told = 0;
    for vendor in 0..3 {
        for method in ["POST", "PUT", "DELETE"] {
            'calls: for n in 0..CALLS_MAX {
                for blow in ledger.blows(n).iter().copied() {
                    let Some(world) = run_with_blow(story, ledger, vendor, method, n, blow).await else { break 'calls };
                    assert_same(&world, &expected, &format!("vendor {vendor} {method} {n} {blow:?}"));
                    told += 1;
                }
            }
        }
    }
    assert!(told > 15, "only {told} stories: the faults do not strike");
}

#[tokio::test]
async fn a_first_apply_survives_a_crash_at_every_call() {
    every_blow(Story::FirstApply, Ledger::Kept).await;
}

#[tokio::test]
async fn a_first_apply_survives_a_crash_at_every_call_and_a_lost_ledger() {
    every_blow(Story::FirstApply, Ledger::Lost).await;
}

#[tokio::test]
async fn a_stop_first_update_survives_a_crash_at_every_call() {
    every_blow(Story::StopFirstUpdate, Ledger::Kept).await;
}

#[tokio::test]
async fn a_stop_first_update_survives_a_crash_at_every_call_and_a_lost_ledger() {
    every_blow(Story::StopFirstUpdate, Ledger::Lost).await;
}

/// Its labels tell whether it was made twice.
#[tokio::test]
async fn a_job_before_an_update_runs_once_though_the_process_crashes_at_every_call() {
    every_blow(Story::UpdateAfterJob, Ledger::Kept).await;
}

#[tokio::test]
async fn a_job_before_an_update_runs_once_though_the_ledger_is_lost() {
    every_blow(Story::UpdateAfterJob, Ledger::Lost).await;
}

#[tokio::test]
async fn a_destroy_survives_a_crash_at_every_call() {
    every_blow(Story::Destroy, Ledger::Kept).await;
}

#[tokio::test]
async fn a_destroy_survives_a_crash_at_every_call_and_a_lost_ledger() {
    every_blow(Story::Destroy, Ledger::Lost).await;
}
