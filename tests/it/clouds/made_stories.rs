//! Stories told by seeds about servers that manifests make: whatever is lost, late, refused or killed, none is made twice, none
//! is deleted but by a person's word, nor is one that was there before, and in the end each is as it should be, or held with the reason.

use std::collections::BTreeSet;

use amarre::engine::report::instances::InstanceState;
use amarre_core::model::{Code, Millis};
use amarre_sim::Fault;
use amarre_testkit::dice::Dice;

use super::made_rig::{Cloud, MadeRig, Make, ROOM};

/// Stories of each cloud and run; `CLOUD_STORIES=N` tells another number, as `scripts/long` does.
const STORIES: u64 = 25;
/// The servers of a story.
const NAMES: [&str; 3] = ["worker", "runner", "builder"];

/// Tells the stories of this `SEED_ROUND`; `CLOUD_STORY=S` tells that one alone.
async fn tell(make: Make) {
    let number = |name: &str| std::env::var_os(name).and_then(|text| text.to_str()?.parse::<u64>().ok());
    if let Some(seed) = number("CLOUD_STORY") {
        return Box::pin(story(make, seed)).await;
    }
    let count = number("CLOUD_STORIES").unwrap_or(STORIES);
    let first = number("SEED_ROUND").unwrap_or_default() * count;
    for seed in first..first + count {
        Box::pin(story(make, seed)).await;
    }
}

#[tokio::test]
async fn no_story_makes_a_server_twice_at_ovh() {
    tell(Make::Ovh).await;
}

#[tokio::test]
async fn no_story_makes_a_server_twice_at_kamatera() {
    tell(Make::Kamatera).await;
}

/// Stories that have found something: here a size that was written, whose answer was lost, and that was not read again for a day.
#[tokio::test]
async fn stories_that_failed_once() {
    Box::pin(story(Make::Kamatera, 438)).await;
}

async fn story(make: Make, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut rig = MadeRig::start(make, ROOM).await;
    let open = "reconcile: {protect: false}\nupdate: {resize: allowed}\n";
    for name in NAMES {
        rig.write(name, &format!("{}{open}", make.small()));
    }
    rig.faults().decide_by(faults(seed));
    let mut destroyed = false;
    // Those that were there before.
    let mut others = rig.servers();
    let mut asked: Vec<String> = Vec::new();
    for _ in 0..40 {
        match dice.below(10) {
            0 => rig.restart().await,
            1 => rig.lose_ledger().await,
            2 => rig.write("worker", &format!("{}{open}power: off\n", make.larger())),
            3 => rig.write("worker", &format!("{}{open}power: on\n", make.larger())),
            4 if rig.named("builder").len() == 1 && dice.chance(30) => {
                rig.remove("builder");
                rig.destroy("builder").await;
                destroyed = true;
            }
            5 => rig.remove("runner"),
            6 => rig.write("runner", &format!("{}{open}", make.small())),
            7 => rig.is_telling(dice.chance(50)),
            // A person deletes one that no manifest manages; a second word about it finds it busy or gone.
            8 if dice.chance(50) => {
                let (id, name) = dice.pick(&others).clone();
                if asked.len() < 2 && !asked.contains(&id) && rig.ask_to_delete(&id, &name) {
                    asked.push(id);
                }
            }
            _ => (),
        }
        rig.pass(Millis::seconds(1 + i64::try_from(dice.below(90)).unwrap())).await;
        for name in NAMES {
            assert!(rig.named(name).len() <= 1, "seed {seed}: {:?}", rig.named(name));
        }
    }
    rig.faults().clear();
    rig.is_telling(true);
    rig.write("worker", &format!("{}{open}power: off\n", make.larger()));
    rig.write("runner", &format!("{}{open}", make.small()));
    if !destroyed {
        rig.remove("builder");
    }
    for name in NAMES {
        rig.engine.reset_service(name);
    }
    for _ in 0..60 {
        rig.pass(Millis::seconds(60)).await;
    }
    let pass = rig.engine.last_pass();
    let held: Vec<Code> = pass.plan.changes.iter().filter_map(|change| Some(change.refusal()?.code)).collect();
    assert!(pass.plan.gaps.is_empty(), "seed {seed}: {:?}", pass.plan.gaps);
    assert!(pass.plan.changes.is_empty(), "seed {seed}: {held:?} {:?}", pass.plan.changes);
    assert_eq!(rig.row("worker").state, InstanceState::Off, "seed {seed}");
    assert_eq!(rig.row("runner").state, InstanceState::On, "seed {seed}");
    // Two proofs before a delete: only the one that a person took down is gone, and what a person named, once.
    let (named, made): (Vec<String>, Vec<String>) =
        rig.deleted().into_iter().partition(|id| others.iter().any(|(other, _)| other == id));
    assert!(made.is_empty() || destroyed, "seed {seed}: {made:?}");
    assert!(named.iter().all(|id| asked.contains(id)), "seed {seed}: {named:?} of {asked:?}");
    let once: BTreeSet<&String> = named.iter().collect();
    assert_eq!(once.len(), named.len(), "seed {seed}: {named:?}");
    let left: BTreeSet<String> = rig.servers().into_iter().map(|(id, _)| id).collect();
    others.retain(|(id, _)| !left.contains(id));
    assert!(others.iter().all(|(id, _)| named.contains(id)), "seed {seed}: {others:?} are gone");
    let made = usize::from(matches!(rig.cloud, Cloud::Ovh(_))) * rig.created();
    assert!(made <= NAMES.len() || destroyed, "seed {seed}: {made} were made");
}

type Decide = std::sync::Arc<dyn Fn(&str, &str) -> Option<Fault> + Send + Sync>;

/// What goes wrong with a call, by the seed.
fn faults(seed: u64) -> Decide {
    let dice = std::sync::Mutex::new(Dice::new(seed ^ 0x5eed));
    std::sync::Arc::new(move |method, _| {
        let mut dice = dice.lock().unwrap();
        let percent = if method == "GET" { 8 } else { 35 };
        dice.chance(percent).then(|| match (method, dice.below(6)) {
            (_, 0) => Fault::CutBefore,
            (_, 1) => Fault::CutAfter,
            (_, 2) => Fault::Before(503),
            (_, 3) => Fault::TooMany(7),
            ("GET", _) => Fault::Half,
            (_, 4) => Fault::After(504),
            (_, _) => Fault::Half,
        })
    })
}
