//! The life of a reservation on machines of every sort at once: what its user leaves behind is gone, what was there before is not.
#![expect(clippy::disallowed_types, clippy::print_stdout, reason = "figures for people, which decide nothing")]

use std::time::Duration;

use amarre::engine::report::pools::{self, MachineState};
use amarre::providers::ssh::sign_in_text;
use amarre_core::plan::render::Style;
use futures_util::future::join_all;

use super::{PoolRig, assert_same, is_in, sha_hash, states};
use crate::support::machine::{SignIn, Sort, TestMachine};

/// Machines of each sort; `POOL_MACHINES=N` takes another number, as `scripts/long` does.
const MACHINES: usize = 2;
/// How soon an open connection breaks once its account ends.
const BREAK_LIMIT: Duration = Duration::from_secs(60);

/// What a user leaves behind.
const WORK: &str = "echo work > ~/notes; mkdir -p ~/deep/er; echo x > '/tmp/of alice'; touch /var/tmp/c /dev/shm/b; ln -s /home/zoe ~/zoe; \
    (trap '' TERM HUP INT; while :; do sleep 1; done) >/dev/null 2>&1 & \
    (trap '' HUP; sleep 1000) >/dev/null 2>&1 & id -u";

/// The processes of its number. BusyBox's crond asks seconds later for the end of a job that it began at a full minute;
/// until then a dead one has an entry, and does nothing.
const PROCESSES: &str =
    "grep -l '^Uid:[[:space:]]*20001' /proc/[0-9]*/status | xargs -r grep -L '^State:[[:space:]]*Z' || true";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_of_both_sorts_are_lent_worked_on_and_as_they_were_before() {
    let count = std::env::var_os("POOL_MACHINES").and_then(|text| text.to_str()?.parse().ok()).unwrap_or(MACHINES);
    let sorts = [vec![Sort::Debian; count], vec![Sort::Alpine; count]].concat();
    let mut rig = PoolRig::with_sorts(&sorts).await;
    rig.machines.iter().for_each(give_to_zoe);
    let before = everything(&rig.machines);
    let (key, line) = rig.key("alice");
    rig.reserve("alice", 2 * count, &sign_in_text(&sha_hash("correct horse battery"), &line)).await.unwrap();
    let begun = std::time::Instant::now();
    let row = rig.settle().await;
    println!("{} accounts made in {} ms", 2 * count, begun.elapsed().as_millis());
    assert_eq!(states(&row), vec![MachineState::Reserved; 2 * count]);
    assert_eq!(row.reservations[0].ready, 2 * count);
    // Where the end is Amarre's word only, it says so.
    let show = pools::pool_text(&row, Style::PLAIN);
    assert_eq!(show.matches("its accounts end when Amarre ends them").count(), count, "{show}");
    for (index, machine) in rig.machines.iter().enumerate() {
        let name = format!("m{}", index + 1);
        let row = row.machines.iter().find(|row| row.name == name).unwrap();
        assert_eq!(row.ends_by_itself, Some(machine.sort == Sort::Debian), "{}", row.system);
    }

    let helper = rig.helper("correct horse battery");
    let mut open = Vec::new();
    for machine in &rig.machines {
        machine.sh("echo '* * * * * touch /tmp/again' > /var/spool/cron/crontabs/alice");
        // A tunnel runs no process of its user where dropbear is, and a shell does.
        open.push(machine.ssh("alice", SignIn::Key(&key)).arg("-N").spawn().unwrap());
        open.push(machine.ssh("alice", SignIn::Key(&key)).arg("sleep 1000").spawn().unwrap());
    }
    let works = async |machine: &TestMachine| {
        let said = machine.sign_in("alice", SignIn::Key(&key), WORK).await;
        assert_eq!(String::from_utf8_lossy(&said.stdout), "20001\n", "{}", String::from_utf8_lossy(&said.stderr));
        assert!(is_in(machine, "alice", SignIn::Password(&helper)).await);
        assert!(!is_in(machine, "zoe", SignIn::Key(&key)).await);
    };
    join_all(rig.machines.iter().map(works)).await;
    assert!(rig.pass().await.plan.is_empty());

    rig.release(1).await;
    let begun = std::time::Instant::now();
    let row = rig.settle().await;
    println!("{} accounts removed in {} ms", 2 * count, begun.elapsed().as_millis());
    assert_eq!(states(&row), vec![MachineState::Available; 2 * count]);
    for mut connection in open {
        let broke = tokio::time::timeout(BREAK_LIMIT, connection.wait()).await;
        assert!(broke.is_ok(), "a connection is open after the end");
    }
    for (now, before) in everything(&rig.machines).iter().zip(&before) {
        assert_same(now, before);
    }
    let is_as_before = async |machine: &TestMachine| {
        assert_eq!(machine.sh("ls /var/lib/amarre/accounts"), "");
        assert_eq!(machine.sh(PROCESSES), "");
        assert!(machine.sh("cat /proc/$(cat /home/zoe/pid)/cmdline").contains("sleep"), "what runs for zoe goes on");
        assert!(!is_in(machine, "alice", SignIn::Key(&key)).await);
        assert!(!is_in(machine, "alice", SignIn::Password(&helper)).await);
    };
    join_all(rig.machines.iter().map(is_as_before)).await;
}

/// What each has, all of them asked at once.
fn everything(machines: &[TestMachine]) -> Vec<String> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = machines.iter().map(|machine| scope.spawn(|| machine.everything())).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// A person who was there before, with files, a job, and what runs.
fn give_to_zoe(machine: &TestMachine) {
    let made = match machine.sort {
        Sort::Debian => "useradd -m -s /bin/sh zoe",
        Sort::Alpine => "adduser -D -s /bin/sh zoe",
    };
    machine.sh(&format!(
        "{made}; mkdir -p /var/spool/cron/crontabs; echo '0 0 1 1 * true' > /var/spool/cron/crontabs/zoe; \
         su zoe -c 'echo mine > /home/zoe/notes; echo mine > /tmp/of-zoe; \
         nohup sleep 100000 >/dev/null 2>&1 & echo $! > /home/zoe/pid'"
    ));
}
