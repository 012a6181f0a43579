//! Stories told by seeds about machines that are lent: whatever is away, slow, cut, refused, killed or lost, no machine is given
//! twice, no work is wiped before its time, and a minute after its time no account is left on a machine that answers.
#![expect(clippy::print_stdout, reason = "figures for people")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use amarre::engine::Clock;
use amarre::engine::reconcile::reservations::PoolChange;
use amarre::engine::report::pools::MachineState;
use amarre_core::model::pool::Disabled;
use amarre_core::model::reservations::ReservationState;
use amarre_core::model::{Change, Gate, Millis, Wait};
use amarre_sim::machines::{DecideMachine, MachineFault};
use amarre_testkit::dice::Dice;
use tokio::sync::Notify;

use super::room::Room;

/// Stories of each share and run; `POOL_STORIES=N` tells another number, as `scripts/long` does.
const STORIES: u64 = 10;
/// All shares together.
const SHARES: u64 = 2;
/// Passes under trouble.
const TURNS: usize = 60;
const HOUR: Millis = Millis::minutes(60);

/// Tells a share of the stories of this `SEED_ROUND`; `POOL_STORY=S` tells that one alone.
async fn tell(share: u64) {
    let number = |name: &str| std::env::var_os(name).and_then(|text| text.to_str()?.parse::<u64>().ok());
    if let Some(seed) = number("POOL_STORY") {
        Box::pin(story(seed)).await;
        return;
    }
    let count = number("POOL_STORIES").map_or(STORIES, |all| all.div_ceil(SHARES));
    let first = number("SEED_ROUND").unwrap_or_default() * count * SHARES + share * count;
    let mut deaths = 0;
    for seed in first..first + count {
        deaths += Box::pin(story(seed)).await;
    }
    println!("{count} stories, {deaths} deaths under a call");
}

#[tokio::test]
async fn no_story_gives_a_machine_twice_first_share() {
    tell(0).await;
}

#[tokio::test]
async fn no_story_gives_a_machine_twice_second_share() {
    tell(1).await;
}

/// How often the process died under a call.
async fn story(seed: u64) -> usize {
    let mut dice = Dice::new(seed);
    let count = 2 + dice.below(6);
    let mut room = Room::start(seed, count).await;
    room.machines.decide_by(Some(faults(seed, room.killed.clone())));
    for _ in 0..TURNS {
        trouble(&mut room, &mut dice).await;
        crowd(&mut room, &mut dice).await;
        room.pass().await;
        room.goes_by(Millis::seconds(1 + i64::try_from(dice.below(600)).unwrap()));
    }
    calm(&mut room, 40).await;
    ends_in_time(&mut room, &mut dice).await;
    room.deaths
}

/// People come, stay longer, and leave.
async fn crowd(room: &mut Room, dice: &mut Dice) {
    let minutes = |dice: &mut Dice, most: usize| Millis::minutes(1 + i64::try_from(dice.below(most)).unwrap());
    let live = room.live().await;
    match dice.below(8) {
        0..=2 => {
            let (count, length) = (1 + dice.below(3), minutes(dice, 120));
            let ahead = dice.chance(25).then(|| minutes(dice, 180));
            let _ = room.reserve(count, length, ahead).await;
        }
        3 if !live.is_empty() => room.release(dice.pick(&live)).await,
        4 if !live.is_empty() => {
            let by = minutes(dice, 90);
            room.extend(dice.pick(&live), by).await;
        }
        _ => (),
    }
}

/// What goes wrong beside the calls.
async fn trouble(room: &mut Room, dice: &mut Dice) {
    let number = dice.below(room.places.len());
    let place = room.places[number].clone();
    match dice.below(24) {
        0 => room.restart().await,
        1 if dice.chance(40) => room.lose_ledger().await,
        2 | 3 => room.keep_ledger().await,
        4 if dice.chance(60) => room.put_back_ledger().await,
        5 | 6 => room.machines.set_up(&place, false),
        7..=9 => room.places.iter().for_each(|place| room.machines.set_up(place, true)),
        10 => room.machines.set_lets_in(&place, false),
        11 | 12 => room.places.iter().for_each(|place| room.machines.set_lets_in(place, true)),
        13 => drop(room.machines.renew_host_key(&place)),
        14 | 15 => room.trust_all().await,
        16 => room.machines.reboot(&place),
        17 => room.jump(Millis::minutes(i64::try_from(dice.below(240)).unwrap() - 120)),
        18 => room.set_clock(),
        19 | 20 => {
            let disabled = dice.chance(40).then(|| Disabled { by: "zoe".to_owned(), at: room.clock.now() });
            let (pool, machine) = ("lab".to_owned(), Room::name(number));
            room.engine.change_pool(PoolChange::Enable { pool, machine, disabled }).await.unwrap();
        }
        21 => room.write(Some(number)),
        22 => room.write(None),
        _ => (),
    }
}

/// What goes wrong with a call, by the seed.
fn faults(seed: u64, killed: Arc<Notify>) -> DecideMachine {
    let dice = Mutex::new(Dice::new(seed ^ 0x5eed));
    Arc::new(move |_, _, lines| {
        let mut dice = dice.lock().unwrap();
        dice.chance(if is_change(lines) { 40 } else { 10 }).then(|| {
            let steps = dice.below(9);
            match dice.below(9) {
                0 => MachineFault::Away,
                1 | 2 => MachineFault::CutAfter(steps),
                3 => MachineFault::Half,
                4 => MachineFault::Delay(Duration::from_millis(5)),
                how => {
                    killed.notify_one();
                    match how {
                        5 => MachineFault::HangBefore,
                        6 => MachineFault::HangAfter,
                        _ => MachineFault::CutAfter(steps),
                    }
                }
            }
        })
    })
}

/// All is well again; what is begun is done, and nothing is left to do.
async fn calm(room: &mut Room, passes: usize) {
    room.machines.decide_by(None);
    room.set_clock();
    for number in 0..room.places.len() {
        room.machines.set_up(&room.places[number], true);
        room.machines.set_lets_in(&room.places[number], true);
        let (pool, machine) = ("lab".to_owned(), Room::name(number));
        room.engine.change_pool(PoolChange::Enable { pool, machine, disabled: None }).await.unwrap();
    }
    room.write(None);
    room.pass().await;
    room.trust_all().await;
    room.engine.reset_service("lab");
    for _ in 0..passes {
        room.pass().await;
        room.clear_unproven();
        room.goes_by(Millis::seconds(15));
    }
    // Whom only a mark knows stays until its time, and so does who was promised more than the ledger knows.
    let is_left = |room: &Room, change: &Change| match change.gate {
        Gate::Until { what: Wait::Drain, .. } => false,
        Gate::Until { what: Wait::Lent, .. } => !room.is_promised(change),
        Gate::Now | Gate::After(_) | Gate::Until { .. } | Gate::Held(_) => true,
    };
    // A busy processor holds up calls, and what was held up is tried again later.
    for _ in 0..passes {
        let pass = room.engine.last_pass();
        if pass.plan.gaps.is_empty() && !pass.plan.changes.iter().any(|change| is_left(room, change)) {
            break;
        }
        room.pass().await;
        room.goes_by(Millis::seconds(15));
    }
    let pass = room.engine.last_pass();
    let left: Vec<&Change> = pass.plan.changes.iter().filter(|change| is_left(room, change)).collect();
    let gaps = &pass.plan.gaps;
    assert!(left.is_empty() && gaps.is_empty(), "seed {}: {left:?} {gaps:?} {:?}", room.seed, pass.errors);
    room.assert_let_in().await;
}

/// People come once more; each account is gone a minute after its time at the latest, and in the end nothing of anyone is left.
async fn ends_in_time(room: &mut Room, dice: &mut Dice) {
    for _ in 0..4 {
        let length = Millis::minutes(10 + i64::try_from(dice.below(60)).unwrap());
        let _ = room.reserve(1 + dice.below(2), length, None).await;
    }
    for _ in 0..200 {
        for _ in 0..4 {
            room.pass().await;
            room.goes_by(Millis::seconds(15));
        }
        let late = room.over_since(Millis::minutes(1));
        assert!(late.is_empty(), "seed {}: {late:?} a minute after their time", room.seed);
        if room.live().await.is_empty() && room.over_since(Millis::minutes(-10_000)).is_empty() {
            break;
        }
        if let Some(next) = room.next_moment().await {
            room.goes_by(next - room.clock.now());
        }
    }
    assert_eq!(room.live().await, [], "seed {}", room.seed);
    room.assert_clean();
    // What the last calls did is seen by the pass after them.
    room.pass().await;
    let states: Vec<MachineState> = room.row().machines.iter().map(|machine| machine.state).collect();
    assert_eq!(states, vec![MachineState::Available; room.places.len()], "seed {}", room.seed);
}

#[tokio::test]
async fn a_ledger_that_is_put_back_shortens_no_stay() {
    let mut room = Room::start(0, 2).await;
    room.reserve(1, HOUR, None).await.unwrap();
    room.pass().await;
    room.keep_ledger().await;
    let first = room.live().await[0].clone();
    room.extend(&first, HOUR).await;
    room.pass().await;
    room.put_back_ledger().await;
    assert_eq!(room.live().await[0].until(), first.until(), "it forgot the longer stay");
    for _ in 0..4 {
        room.pass().await;
        room.goes_by(Millis::seconds(15));
    }
    // The mark on the machine did not.
    assert_eq!(room.live().await[0].until(), first.until().map(|until| until + HOUR));
    room.goes_by(HOUR);
    room.pass().await;
    room.assert_let_in().await;
    ends_in_time(&mut room, &mut Dice::new(0)).await;
}

/// Within this number of days every death has its turn; `CRASH=all`, as in `scripts/long`, takes them at once.
const DAYS: usize = 3;

/// A short story in which the process dies at every call: before it, after it, and between any two of its steps.
#[tokio::test]
async fn a_death_at_every_call_changes_nothing() {
    let calls = short_story(0, None).await;
    let changes = calls.iter().filter(|is_change| **is_change).count();
    assert!(changes > 3 && calls.len() > changes, "{calls:?}");
    let cuts: Vec<MachineFault> = (0..9).map(MachineFault::CutAfter).chain([MachineFault::HangAfter]).collect();
    let deaths = calls.iter().enumerate().flat_map(|(call, is_change)| {
        let more = if *is_change { cuts.as_slice() } else { &[] };
        std::iter::once(MachineFault::HangBefore).chain(more.iter().copied()).map(move |how| (call, how))
    });
    let deaths: Vec<(usize, MachineFault)> = deaths.collect();
    let variable = |name: &str| std::env::var_os(name).and_then(|text| text.into_string().ok()).unwrap_or_default();
    let (first, step) = match variable("CRASH").as_str() {
        "all" => (0, 1),
        _ => (variable("SEED_ROUND").parse::<usize>().unwrap_or_default() % DAYS, DAYS),
    };
    for (call, how) in deaths.into_iter().skip(first).step_by(step) {
        Box::pin(short_story(u64::try_from(call).unwrap(), Some((call, how)))).await;
    }
}

/// Two people, two machines, a longer stay, a return and an end; of each call, whether it is to change something.
async fn short_story(seed: u64, death: Option<(usize, MachineFault)>) -> Vec<bool> {
    let mut room = Room::start(seed, 2).await;
    let told: Arc<Mutex<Vec<bool>>> = Arc::default();
    match death {
        Some((call, how)) => room.die_at(call, how),
        None => {
            let told = told.clone();
            room.machines.decide_by(Some(Arc::new(move |_, _, lines| {
                told.lock().unwrap().push(is_change(lines));
                None
            })));
        }
    }
    let settle = async |room: &mut Room| {
        for _ in 0..4 {
            room.pass().await;
            room.goes_by(Millis::seconds(30));
        }
    };
    room.reserve(1, HOUR, None).await.unwrap();
    settle(&mut room).await;
    room.reserve(1, Millis(HOUR.0 * 2), None).await.unwrap();
    settle(&mut room).await;
    let live = room.live().await;
    room.extend(&live[1], HOUR).await;
    room.pass().await;
    // Waits until both are free.
    room.reserve(2, HOUR, None).await.unwrap();
    settle(&mut room).await;
    let first = room.live().await[0].clone();
    assert!(matches!(first.state, ReservationState::Held { .. }), "{first:?}");
    room.release(&first).await;
    settle(&mut room).await;
    calm(&mut room, 12).await;
    ends_in_time(&mut room, &mut Dice::new(seed)).await;
    let told = told.lock().unwrap();
    told.clone()
}

/// The first line says whose marks are ours.
fn is_change(lines: &str) -> bool {
    // Beside whose it is.
    lines.lines().count() > 2
}
