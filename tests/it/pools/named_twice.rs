//! One machine under several names: by another address, another host key, another pool; and copies of a machine.

use amarre::engine::reconcile::reservations::PoolChange;
use amarre::engine::report::pools::{self, MachineState};
use amarre_core::model::pool::machine_address;
use amarre_core::model::{Code, Millis};

use super::room::Room;

async fn look_at_all(room: &mut Room) {
    for _ in 0..3 {
        room.goes_by(Millis::minutes(6));
        room.pass().await;
        room.pass().await;
    }
}

/// A pool of one machine at an address, which its author says to have this host key.
fn other_pool(room: &Room, name: &str, address: &str, host_key: &str) {
    let machine = format!("{{name: x, address: {address}, host_key: \"{host_key}\"}}");
    room.write_other(name, Some(&format!("kind: Pool\nname: {name}\nmachines: [{machine}]\n")));
}

fn found(room: &Room, pool: &str, machine: &str) -> (MachineState, Option<Code>, String) {
    let pass = room.engine.last_pass();
    let gap = pass.world.gap(&machine_address(pool, machine)).map(|gap| gap.code);
    let row = pools::find(&pass, pool).unwrap();
    let row = row.machines.iter().find(|row| row.name == machine).unwrap();
    (row.state, gap, row.why.to_string())
}

fn free() -> (MachineState, Option<Code>, String) {
    (MachineState::Available, None, String::new())
}

#[tokio::test]
async fn a_machine_stays_in_its_pool_whatever_names_it() {
    let mut room = Room::start(11, 2).await;
    look_at_all(&mut room).await;
    let place = room.places[0].clone();
    let rsa = room.machines.add_host_key(&place);
    room.machines.add_address(&place, "10.0.9.1:22");
    let refused = (MachineState::Broken, Some(Code::A0768), "it is lab/m1, by another address or host key".to_owned());
    // Its name and the order of names decide nothing.
    for name in ["aaa", "zzz"] {
        other_pool(&room, name, "10.0.9.1", &rsa);
        look_at_all(&mut room).await;
        assert_eq!(found(&room, name, "x"), refused, "{name}");
        assert_eq!(found(&room, "lab", "m1"), free(), "{name}");
        // Nor what is remembered of it, nor whether its pool reaches it.
        room.restart().await;
        room.machines.set_lets_in(&place, false);
        look_at_all(&mut room).await;
        assert_ne!(found(&room, name, "x").0, MachineState::Available, "{name}");
        room.machines.set_lets_in(&place, true);
        look_at_all(&mut room).await;
        assert_eq!((found(&room, name, "x"), found(&room, "lab", "m1")), (refused.clone(), free()), "{name}");
        room.write_other(name, None);
    }
    // Out of its pool, it may be in the other one.
    room.write(Some(0));
    other_pool(&room, "aaa", "10.0.9.1", &rsa);
    look_at_all(&mut room).await;
    assert_eq!(found(&room, "aaa", "x"), free());
    room.write(None);
    look_at_all(&mut room).await;
    let refused = "it is aaa/x, by another address or host key".to_owned();
    assert_eq!(found(&room, "lab", "m1"), (MachineState::Broken, Some(Code::A0768), refused));
}

#[tokio::test]
async fn copies_are_shown_and_usable_in_one_pool_only() {
    let mut room = Room::start(12, 3).await;
    look_at_all(&mut room).await;
    let key = room.machines.host_key(&room.places[0]).unwrap();
    // The second is a copy of the first; the third is the first once more.
    room.machines.copy(&room.places[0], &room.places[1]);
    room.machines.take_away(&room.places[2]);
    room.machines.add_address(&room.places[0], &room.places[2]);
    room.trust_all().await;
    look_at_all(&mut room).await;
    let told = |twin: &str| {
        let way = "make new ones on one of the two, `rm /etc/ssh/ssh_host_*; ssh-keygen -A`";
        (MachineState::Available, None, format!("{twin} has the same host key: {way}"))
    };
    assert_eq!((found(&room, "lab", "m1"), found(&room, "lab", "m2")), (told("m2"), told("m1")));
    let twice = "it is m1 of this pool, by another address or host key".to_owned();
    assert_eq!(found(&room, "lab", "m3"), (MachineState::Broken, Some(Code::A0768), twice));
    // A copy in another pool is not given out.
    room.machines.copy(&room.places[0], "10.0.9.2:22");
    other_pool(&room, "aaa", "10.0.9.2", &key);
    look_at_all(&mut room).await;
    let (state, code, _) = found(&room, "aaa", "x");
    assert_eq!((state, code), (MachineState::Broken, Some(Code::A0768)));
    assert_eq!(found(&room, "lab", "m1"), told("m2"));
    // With keys of its own it is another machine.
    let new = room.machines.renew_host_key("10.0.9.2:22");
    other_pool(&room, "aaa", "10.0.9.2", &new);
    look_at_all(&mut room).await;
    assert_eq!(found(&room, "aaa", "x"), free()); // Nor is its key trusted for a second pool, which would show the machine as another's.
    room.write_other("zzz", Some("kind: Pool\nname: zzz\nmachines: [{name: y, address: 10.0.9.3}]\n"));
    room.pass().await;
    let trust = PoolChange::Trust { pool: "zzz".to_owned(), machine: "y".to_owned(), key: new };
    let refused = room.engine.change_pool(trust).await.unwrap_err();
    assert!(refused.starts_with("aaa/x has the host key of zzz/y; "), "{refused}");
}
