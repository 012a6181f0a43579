//! What is agreed to with one command holds for that command.

use amarre::engine::reconcile::daemon;
use amarre::engine::reconcile::daemon::{Behaviour, LoopCommand};
use amarre::engine::report::{self, RunEnd, RunTally};
use amarre_core::model::Millis;
use amarre_core::plan::render::Style;
use amarre_sim::npm;

use crate::support::eventually;
use crate::support::stepped::{Stepped, ZONE, act};

const NAMES: [&str; 5] = ["aa", "bb", "cc", "dd", "ee"];

fn record(name: &str) -> String {
    format!("{{kind: Record, name: {name}, type: A, value: 203.0.113.77}}\n")
}

fn redirect(n: usize) -> String {
    format!("{{kind: Redirect, name: r{n}, domain: r{n}, dns: none, to: \"https://example.net\"}}\n")
}

fn apply(confirmed_deletes: Option<usize>) -> LoopCommand {
    LoopCommand::Apply { confirmed_deletes, only: None, timeout: Millis::minutes(3) }
}

fn records(rig: &Stepped) -> usize {
    let rows = rig.ovh.records(ZONE);
    rows.iter().filter(|row| NAMES.iter().any(|name| row["subDomain"] == *name)).count()
}

#[tokio::test]
async fn an_agreement_to_delete_ends_with_its_command() {
    let mut rig = Stepped::start().await;
    let write = |rig: &Stepped| NAMES.map(|name| rig.write(&format!("{name}.yaml"), &record(name)));
    let remove = |rig: &Stepped| ["aa", "bb", "cc", "dd"].map(|name| rig.remove(&format!("{name}.yaml")));
    write(&rig);
    rig.settle().await;
    let (handle, daemon, shutdown) =
        daemon::start(rig.another_engine().await, Behaviour { acts: true, watches: false });
    let asks = async {
        remove(&rig);
        let held = handle.request(apply(None)).await.unwrap();
        assert!(held.pass.plan.guard.is_some(), "four of five are many");
        assert_eq!(records(&rig), 5);
        let agreed = handle.request(apply(Some(4))).await.unwrap();
        assert!(agreed.settled && agreed.pass.plan.guard.is_none());
        assert_eq!(records(&rig), 1);
        write(&rig);
        eventually(60, "it goes on by itself", async || {
            handle.request(LoopCommand::Pass).await.unwrap();
            records(&rig) == 5
        })
        .await;
        remove(&rig);
        let again = handle.request(LoopCommand::Pass).await.unwrap();
        assert!(again.pass.plan.guard.is_some(), "the same four once more are another question");
        assert!(handle.request(apply(None)).await.unwrap().pass.plan.guard.is_some());
        assert_eq!(records(&rig), 5);
        shutdown.notify_one();
    };
    tokio::join!(daemon, asks);
}

/// Ctrl-C: what is on its way ends, and nothing that waits for its turn begins.
#[tokio::test]
async fn a_stop_begins_no_waiting_change() {
    let mut rig = Stepped::start().await;
    for n in 0..8 {
        rig.write(&format!("r{n}.yaml"), &redirect(n));
    }
    let redirections = |rig: &Stepped| rig.npm.rows(npm::Kind::RedirectionHost).len();
    let before = redirections(&rig);
    rig.engine.pass(act()).await;
    assert!(rig.engine.lane_done().await);
    rig.engine.stop().await;
    let made = redirections(&rig) - before;
    assert!((1..=2).contains(&made), "{made} of 8");
    rig.restart().await;
    rig.settle().await;
    assert_eq!(redirections(&rig), before + 8);
}

#[tokio::test]
async fn a_shared_refusal_is_reported_once() {
    let mut rig = Stepped::start().await;
    for n in 0..8 {
        rig.write(&format!("r{n}.yaml"), &redirect(n));
    }
    rig.npm.backend_down(true);
    rig.pass().await;
    let end = |goes_on: bool| {
        let (ended, at) = (RunEnd { only: None, settled: true, goes_on, took: Millis(0) }, rig.last_pass().at);
        report::verdict(&rig.last_pass(), ended, &RunTally::default(), at, Style::PLAIN)
    };
    let (text, exit) = end(true);
    assert_eq!(exit, 3);
    assert!(!text.contains("no daemon runs"), "{text}");
    // Without a daemon a person tries again.
    let (alone, _) = end(false);
    assert!(alone.contains("no daemon runs; to try again, amarre apply"), "{alone}");
    assert!(!alone.contains("next try"), "{alone}");
    assert!(text.contains("r0, r1 and 6 more   "), "{text}");
    assert_eq!(text.matches("A0603").count(), 2, "once for the services, once for NPM: {text}");
}
