//! Machines that lie: what one says, or its root writes into a mark, moves nothing of other machines, and becomes no number and no
//! time in the ledger that no person asked for.

use amarre::engine::Clock;
use amarre::engine::report::pools::MachineState;
use amarre_core::model::reservations::{Reservation, ReservationState};
use amarre_core::model::{Millis, Timestamp};
use amarre_sim::machines::ForgedMark;

use super::room::Room;

const YEAR: i64 = 366 * 24 * 3_600_000;
const MINUTE: Millis = Millis::minutes(1);

/// Several passes, until every machine was looked at once more.
async fn look_at_all(room: &mut Room) {
    for _ in 0..4 {
        room.goes_by(Millis::seconds(61));
        room.pass().await;
        room.pass().await;
    }
}

fn until(one: &Reservation) -> Timestamp {
    one.until().unwrap()
}

fn set(reservation: &'static str, until_ms: Option<i64>) -> impl Fn(&mut ForgedMark) {
    move |mark| {
        mark.reservation = reservation.to_owned();
        mark.until_ms = until_ms.unwrap_or(mark.until_ms);
    }
}

#[tokio::test]
async fn a_mark_that_amarre_did_not_write_moves_no_end_and_gives_no_number() {
    let mut room = Room::start(1, 3).await;
    room.machines.decide_by(None);
    let user = room.reserve(2, Millis::minutes(120), None).await.unwrap();
    look_at_all(&mut room).await;
    let before = room.live().await;
    let machines: Vec<String> = before[0].machines().cloned().collect();
    let ends = until(&before[0]);
    let place = room.place_of(&machines[0]).to_owned();
    let other = room.place_of(&machines[1]).to_owned();
    for (reservation, until_ms) in [
        ("r1", Some(ends.0 + YEAR)),
        ("r1", Some(i64::MAX)),
        ("r1", Some(i64::MIN)),
        ("r9223372036854775807", None),
        ("r9223372036854775806", Some(i64::MAX)),
        ("r18446744073709551615", None),
        ("r4096", Some(ends.0 + YEAR)),
        ("r+1", None),
        ("r01", None),
        ("", None),
    ] {
        room.machines.forge(&place, &user, set(reservation, until_ms));
        look_at_all(&mut room).await;
        let live = room.live().await;
        let ids: Vec<u64> = live.iter().map(|one| one.id).collect();
        assert!(ids.iter().all(|id| *id < 100), "{reservation}: {live:?}");
        let one = live.iter().find(|one| one.user == user).unwrap();
        assert_eq!(until(one), ends, "{reservation} {until_ms:?}");
        assert_eq!(room.machines.mark_of(&other, &user).unwrap().until_ms, ends.0, "{reservation} {until_ms:?}");
        // The next one gets the next number.
        room.reserve(1, MINUTE, None).await.unwrap();
        look_at_all(&mut room).await;
    }
}

#[tokio::test]
async fn a_signed_mark_keeps_its_number_on_every_machine_and_a_forged_one_is_left_alone() {
    let mut room = Room::start(2, 4).await;
    room.machines.decide_by(None);
    let user = room.reserve(4, Millis::minutes(300), None).await.unwrap();
    look_at_all(&mut room).await;
    let before = room.live().await.remove(0);
    assert_eq!(before.machines().count(), 4);
    let first = room.places[0].clone();
    // One says that it is lent for a year, and one has the mark of another.
    room.machines.forge(&first, &user, set("r1", Some(until(&before).0 + YEAR)));
    let stolen = room.machines.mark_of(&room.places[2], &user).unwrap();
    room.machines.forge(&room.places[1], &user, |mark| *mark = stolen);
    room.lose_ledger().await;
    look_at_all(&mut room).await;
    let live = room.live().await;
    let found: Vec<(u64, &str, Timestamp, Vec<&String>)> =
        live.iter().map(|one| (one.id, one.user.as_str(), until(one), one.machines().collect())).collect();
    let (third, fourth) = (Room::name(2), Room::name(3));
    assert_eq!(found, [(before.id, user.as_str(), until(&before), vec![&third, &fourth])]);
    let row = room.row();
    for number in 0..2 {
        assert_eq!(row.machines[number].state, MachineState::Broken);
        let why = format!("Amarre did not write the mark of {user}: it is left alone");
        assert_eq!(row.machines[number].why.to_string(), why);
        assert!(room.machines.has_user(&room.places[number], &user), "left alone");
    }
    // No one else gets them until a person has looked.
    let other = room.reserve(1, MINUTE, None).await.unwrap();
    look_at_all(&mut room).await;
    assert!(room.live().await.iter().any(|one| one.user == other && one.state == ReservationState::Open));
}

#[tokio::test]
async fn a_number_that_is_over_counts_for_nothing() {
    let mut room = Room::start(3, 2).await;
    room.machines.decide_by(None);
    let user = room.reserve(1, Millis::minutes(120), None).await.unwrap();
    look_at_all(&mut room).await;
    let one = room.live().await.remove(0);
    let machine = one.machines().next().unwrap().clone();
    let place = room.place_of(&machine).to_owned();
    let mark = room.machines.mark_of(&place, &user).unwrap();
    room.release(&one).await;
    look_at_all(&mut room).await;
    assert!(!room.machines.has_user(&place, &user));
    // The machine's root puts back what was there, with the mark that Amarre wrote.
    room.machines.add_user(&place, &user, 20_001);
    room.machines.forge(&place, &user, |forged| *forged = mark);
    look_at_all(&mut room).await;
    look_at_all(&mut room).await;
    assert!(room.live().await.is_empty(), "{:?}", room.live().await);
    assert!(!room.machines.has_user(&place, &user), "it is ended once more");
}

#[tokio::test]
async fn a_machine_with_another_host_key_is_signed_again() {
    let mut room = Room::start(4, 1).await;
    room.machines.decide_by(None);
    let user = room.reserve(1, Millis::minutes(120), None).await.unwrap();
    look_at_all(&mut room).await;
    let (place, ends) = (room.places[0].clone(), until(&room.live().await[0]));
    let before = room.machines.mark_of(&place, &user).unwrap();
    room.machines.renew_host_key(&place);
    look_at_all(&mut room).await;
    room.trust_all().await;
    look_at_all(&mut room).await;
    let after = room.machines.mark_of(&place, &user).unwrap();
    assert_ne!(before.proof, after.proof);
    assert_eq!((after.until_ms, after.reservation), (ends.0, before.reservation));
    assert!(room.clock.now() < ends && room.machines.sign_in(&place, &user, super::room::KEY));
}
