//! Reservations of machines: cases, and crowds by seeds under an oracle.

use std::collections::{BTreeMap, BTreeSet};

use amarre_core::model::reservations::{
    NUMBER_MAX, PoolMachine, PoolRules, Reservation, ReservationEnd, ReservationRequest, ReservationState, extended,
    forecast, number_of, refusal, step,
};
use amarre_core::model::{Millis, Timestamp};
use amarre_testkit::dice::Dice;

const NOW: Timestamp = Timestamp(1_795_176_000_000);
const HOUR: Millis = Millis::minutes(60);
const RULES: PoolRules = PoolRules { longest: Millis::minutes(8 * 60), per_person: 3, queue: 2 };
/// Seeds of a run; `RESERVATION_SEEDS=N` sets another number.
const SEEDS: u64 = 500;

fn machines(count: usize) -> Vec<PoolMachine> {
    let machine = |number| PoolMachine {
        name: format!("m{number}"),
        is_usable: true,
        accounts: BTreeSet::new(),
        rested_since: Timestamp(number),
    };
    (1..=i64::try_from(count).unwrap()).map(machine).collect()
}

fn hours(count: i64) -> Millis {
    Millis(HOUR.0 * count)
}

fn asked(id: u64, count: usize) -> Reservation {
    let asked = NOW + Millis::seconds(i64::try_from(id).unwrap());
    let (user, by) = (format!("user{id}"), format!("p{id}@example.org"));
    Reservation { id, user, by, count, partly: false, asked, from: asked, length: HOUR, state: ReservationState::Open }
}

fn booked(id: u64, count: usize, ahead: Millis) -> Reservation {
    Reservation { from: NOW + ahead, asked: NOW, ..asked(id, count) }
}

fn held(id: u64, names: &[&str], until: Millis) -> Reservation {
    let machines = names.iter().map(|name| (*name).to_owned()).collect();
    Reservation { state: ReservationState::Held { machines, since: NOW, until: NOW + until }, ..asked(id, names.len()) }
}

/// Who has what after a step: `1: m1 m2`, `2: over expired`, `3: open`.
fn after(machines: &[PoolMachine], mut all: Vec<Reservation>, now: Timestamp) -> Vec<String> {
    for step in step(machines, &all, now) {
        all.iter_mut().find(|one| one.id == step.id).unwrap().state = step.state;
    }
    let text = |one: &Reservation| match &one.state {
        ReservationState::Open => format!("{}: open", one.id),
        ReservationState::Held { machines, .. } => {
            format!("{}: {}", one.id, machines.iter().cloned().collect::<Vec<_>>().join(" "))
        }
        ReservationState::Over { why, .. } => format!("{}: {why:?}", one.id),
    };
    all.iter().map(text).collect()
}

#[test]
fn machines_go_to_those_whose_turn_it_is() {
    let later = NOW + Millis::minutes(1);
    let three = || machines(3);
    let partly = |one: Reservation| Reservation { partly: true, ..one };
    let mut named = three();
    named[0].accounts.insert("user1".to_owned());
    let mut away = three();
    away[1].is_usable = false;
    for (what, machines, all, now, expected) in [
        ("all are free", three(), vec![asked(1, 2)], later, vec!["1: m1 m2"]),
        (
            "none overtakes",
            three(),
            vec![held(1, &["m1"], HOUR), asked(2, 3), asked(3, 1)],
            later,
            vec!["1: m1", "2: open", "3: open"],
        ),
        ("some will do", three(), vec![held(1, &["m1"], HOUR), partly(asked(2, 3))], later, vec!["1: m1", "2: m2 m3"]),
        ("one that has the account", named.clone(), vec![asked(1, 2)], later, vec!["1: m2 m3"]),
        ("too many have the account", named, vec![asked(1, 3)], later, vec!["1: NameTaken"]),
        ("one does not answer", away.clone(), vec![asked(1, 2)], later, vec!["1: m1 m3"]),
        ("not enough answer", away, vec![asked(1, 3)], later, vec!["1: open"]),
        (
            "time is over",
            three(),
            vec![held(1, &["m1", "m2", "m3"], HOUR), asked(2, 3)],
            NOW + HOUR,
            vec!["1: Expired", "2: m1 m2 m3"],
        ),
        (
            "a booking keeps its machines",
            three(),
            vec![booked(1, 2, Millis::minutes(30)), asked(2, 2)],
            later,
            vec!["1: open", "2: open"],
        ),
        (
            "what ends before a booking is lent",
            three(),
            vec![booked(1, 2, hours(2)), asked(2, 2)],
            later,
            vec!["1: open", "2: m1 m2"],
        ),
        (
            "a booking comes first at its time",
            three(),
            vec![asked(2, 3), booked(1, 3, Millis::minutes(1))],
            later,
            vec!["2: open", "1: m1 m2 m3"],
        ),
        (
            "a booking whose time went by",
            three(),
            vec![booked(1, 3, Millis::minutes(1))],
            NOW + hours(2),
            vec!["1: Missed"],
        ),
        ("no machine is left in the pool", machines(0), vec![asked(1, 1)], later, vec!["1: open"]),
    ] {
        assert_eq!(after(&machines, all, now), expected, "{what}");
    }
}

#[test]
fn a_booking_ends_when_it_said_however_late_it_began() {
    let late = NOW + Millis::minutes(40);
    let steps = step(&machines(1), &[booked(1, 1, Millis::minutes(30))], late);
    let ReservationState::Held { since, until, .. } = &steps[0].state else { panic!("{steps:?}") };
    assert_eq!((*since, *until), (late, NOW + Millis::minutes(90)));
}

#[test]
fn what_is_asked_for_is_refused_by_name() {
    let request = ReservationRequest { by: "p9@example.org", count: 1, from: None, length: HOUR };
    let waiting = vec![held(1, &["m1", "m2", "m3"], HOUR), asked(2, 1), asked(3, 1)];
    let by = |id: u64| format!("p{id}@example.org");
    let (one, ahead) = (by(1), NOW + Millis::minutes(30));
    for (request, all, expected) in [
        (ReservationRequest { count: 0, ..request.clone() }, vec![], "machines asked for: 0, in the pool: 3"),
        (
            ReservationRequest { count: 1_000_000_000, ..request.clone() },
            vec![],
            "machines asked for: 1000000000, in the pool: 3",
        ),
        (ReservationRequest { length: Millis(0), ..request.clone() }, vec![], "a machine is lent for at most 8 h"),
        (ReservationRequest { length: Millis(-5), ..request.clone() }, vec![], "a machine is lent for at most 8 h"),
        (
            ReservationRequest { length: hours(24 * 365), ..request.clone() },
            vec![],
            "a machine is lent for at most 8 h",
        ),
        (
            ReservationRequest { by: &one, count: 1, ..request.clone() },
            waiting.clone(),
            "machines of one person at a time: at most 3, asked for or held already: 3",
        ),
        (request.clone(), waiting, "reservations that wait already: 2"),
        (
            ReservationRequest { from: Some(NOW + hours(24 * 400)), ..request.clone() },
            vec![],
            "a machine is booked at most 366 d ahead",
        ),
        (
            ReservationRequest { from: Some(ahead), count: 2, ..request.clone() },
            vec![booked(1, 2, hours(1))],
            "machines taken in that time: 2 of 3",
        ),
        (
            ReservationRequest { from: Some(ahead), count: 2, ..request.clone() },
            vec![booked(1, 2, Millis::minutes(90))],
            "",
        ),
        (ReservationRequest { count: 3, ..request.clone() }, vec![], ""),
    ] {
        let said = refusal(&request, &RULES, 3, &all, NOW + Millis::seconds(10)).map(|text| text.to_string());
        assert_eq!(said.unwrap_or_default(), expected, "{request:?}");
    }
}

#[test]
fn an_extension_takes_nothing_from_others() {
    let own = held(1, &["m1", "m2"], HOUR);
    for (others, by, expected) in [
        (vec![], HOUR, Ok(NOW + hours(2))),
        (vec![], hours(8), Err("a machine is lent for at most 8 h")),
        (vec![], Millis(-1), Err("a machine is lent for at most 8 h")),
        (vec![asked(2, 3)], HOUR, Err("reservations that wait already: 1")),
        (vec![booked(2, 2, Millis::minutes(90))], HOUR, Err("its machines are booked after it")),
        (vec![booked(2, 1, Millis::minutes(90))], HOUR, Ok(NOW + hours(2))),
    ] {
        let all: Vec<Reservation> = std::iter::once(own.clone()).chain(others).collect();
        let said = extended(&own, by, &RULES, 3, &all, NOW + Millis::minutes(1)).map_err(|why| why.to_string());
        assert_eq!(said, expected.map_err(str::to_owned));
    }
}

#[test]
fn what_a_machine_says_lasts_no_longer_than_a_person_might_have_asked() {
    let (until, year) = (|one: &Reservation| one.until().unwrap(), hours(366 * 24));
    for (said, expected) in [(hours(3), hours(3)), (hours(8), hours(8)), (hours(9), hours(8)), (year, hours(8))] {
        let found = Reservation::recovered(7, "anna", "m1", NOW + said, NOW, &RULES);
        assert_eq!((until(&found), found.length), (NOW + expected, expected));
        let mut known = held(1, &["m1"], hours(1));
        known.gain("m2", NOW + hours(1), NOW + said, &RULES);
        assert_eq!(until(&known), NOW + expected, "of an older ledger, and since it began");
    }
    let mut known = held(1, &["m1"], hours(12));
    known.gain("m2", NOW, NOW + hours(9), &RULES);
    assert_eq!(until(&known), NOW + hours(12), "what the ledger knows is never less");
    for name in
        ["r0", "r01", "r+1", "r-1", "r", "1", "r9223372036854775807", "r18446744073709551615", "r9007199254740993"]
    {
        assert_eq!(number_of(name), None, "{name}");
    }
    assert_eq!(number_of("r9007199254740992"), Some(NUMBER_MAX));
}

#[test]
fn those_who_wait_have_a_place_and_a_time() {
    let all = vec![held(1, &["m1", "m2"], HOUR), held(2, &["m3"], hours(2)), asked(3, 2), asked(4, 3)];
    let now = NOW + Millis::minutes(1);
    assert_eq!(forecast(3, &machines(3), &all, now), Some((1, NOW + HOUR)));
    assert_eq!(forecast(4, &machines(3), &all, now), Some((2, NOW + hours(2))));
    assert_eq!(forecast(1, &machines(3), &all, now), None);
    // A machine that is lent has its holder's account, and is usable again after that.
    let mut lent = machines(3);
    for (machine, user) in lent.iter_mut().zip(["user1", "user1", "user2"]) {
        machine.is_usable = false;
        machine.accounts.insert(user.to_owned());
    }
    assert_eq!(forecast(4, &lent, &all, now), Some((2, NOW + hours(2))));
    // The machine that it waits for is away: no time is known.
    let mut away = machines(3);
    away[2].is_usable = false;
    assert_eq!(forecast(4, &away, &all[..1].iter().cloned().chain([asked(4, 3)]).collect::<Vec<_>>(), now), None);
}

/// A crowd asks, books, extends and gives back; machines come and go, and the clock jumps.
#[test]
fn no_machine_is_given_twice_and_those_who_wait_are_served_in_order() {
    let count = std::env::var_os("RESERVATION_SEEDS");
    let count = count.and_then(|text| text.to_str()?.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..count {
        crowd(seed);
    }
}

fn crowd(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut pool = machines(1 + dice.below(6));
    let mut all: Vec<Reservation> = Vec::new();
    let mut now = NOW;
    for _ in 0..120 {
        now = now + Millis::minutes(i64::try_from(dice.below(40)).unwrap());
        match dice.below(10) {
            0..=4 => ask(&mut dice, &pool, &mut all, now),
            5 => {
                let live: Vec<usize> = (0..all.len()).filter(|index| all[*index].until().is_some()).collect();
                if !live.is_empty() {
                    let index = *dice.pick(&live);
                    all[index].end(ReservationEnd::Released, now);
                }
            }
            6 => {
                let one = dice.below(all.len().max(1));
                if let Some(own) = all.get(one).cloned()
                    && let Ok(to) = extended(&own, HOUR, &RULES, pool.len(), &all, now)
                    && let ReservationState::Held { until, .. } = &mut all[one].state
                {
                    *until = to;
                }
            }
            7 => {
                let one = dice.below(pool.len());
                pool[one].is_usable = dice.chance(60);
            }
            _ => (),
        }
        let before: BTreeMap<u64, ReservationState> = all.iter().map(|one| (one.id, one.state.clone())).collect();
        for step in step(&pool, &all, now) {
            all.iter_mut().find(|one| one.id == step.id).unwrap().state = step.state;
        }
        judge(seed, &pool, &all, &before, now);
        assert_eq!(step(&pool, &all, now), [], "seed {seed}: one step is enough");
    }
}

fn ask(dice: &mut Dice, pool: &[PoolMachine], all: &mut Vec<Reservation>, now: Timestamp) {
    let by = format!("p{}", dice.below(5));
    let length = Millis::minutes(i64::try_from(dice.below(600)).unwrap());
    let from = dice.chance(30).then(|| now + Millis::minutes(1 + i64::try_from(dice.below(2_000)).unwrap()));
    let request = ReservationRequest { by: &by, count: dice.below(5), from, length };
    if refusal(&request, &RULES, pool.len(), all, now).is_some() {
        return;
    }
    let id = u64::try_from(all.len()).unwrap() + 1;
    let (user, partly) = (format!("u{id}"), dice.chance(20));
    let (count, from) = (request.count, from.unwrap_or(now));
    all.push(Reservation { id, user, by, count, partly, asked: now, from, length, state: ReservationState::Open });
}

fn judge(
    seed: u64,
    pool: &[PoolMachine],
    all: &[Reservation],
    before: &BTreeMap<u64, ReservationState>,
    now: Timestamp,
) {
    let mut given: BTreeSet<&String> = BTreeSet::new();
    for one in all {
        let ReservationState::Held { machines, since, until } = &one.state else { continue };
        assert!(machines.iter().all(|machine| given.insert(machine)), "seed {seed}: {machines:?} twice");
        assert!(*until > now, "seed {seed}: r{} is over", one.id);
        assert!(machines.len() <= one.count && (one.partly || machines.len() == one.count), "seed {seed}: {one:?}");
        assert!(*until - *since <= RULES.longest, "seed {seed}: {one:?}");
        if before[&one.id] == ReservationState::Open {
            let usable = |name: &String| pool.iter().any(|machine| machine.name == *name && machine.is_usable);
            assert!(machines.iter().all(usable), "seed {seed}: {machines:?} do not answer");
            // None who asked later is served while an earlier one waits.
            let waits = all.iter().find(|other| other.waits(now) && !other.is_booked() && other.id < one.id);
            assert!(one.is_booked() || waits.is_none(), "seed {seed}: {one:?} overtakes {waits:?}");
        }
    }
}
