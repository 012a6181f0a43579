//! Pools: machines that are lent for a time. The engine runs here, its clock is put forward by hand.

mod life;
mod contract;
mod lies;
mod named_twice;
mod fair;
mod room;
mod servers;
mod stories;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use amarre::engine::reconcile::reservations::PoolChange;
use amarre::engine::report::pools::{self, MachineState, PoolRow};
use amarre::engine::{Clock, Engine, PassView, RunMode, ShiftedClock};
use amarre::providers::ssh::sign_in_text;
use amarre::secret::Secret;
use amarre_core::model::pool::Disabled;
use amarre_core::model::reservations::{Reservation, ReservationEnd, ReservationState};
use amarre_core::model::{Code, Millis, Timestamp};
use tempfile::TempDir;

use crate::clouds::engine_of;
use crate::support::machine::{SignIn, Sort, TestMachine};

const HOUR: Millis = Millis::minutes(60);
/// The machines of these tests are containers.
const CONFIG: &str = "instance: lab\npools: {}\npolicy: {targets: {'*': ['172.17.*']}}\n";

struct PoolRig {
    folder: TempDir,
    clock: Arc<ShiftedClock>,
    engine: Engine,
    machines: Vec<TestMachine>,
    ledger: u32,
}

impl PoolRig {
    /// A pool `lab` of machines `m1`, `m2`, …, which let Amarre in and are trusted by their manifest.
    async fn start(count: usize) -> Self {
        Self::with_sorts(&vec![Sort::Debian; count]).await
    }

    async fn with_sorts(sorts: &[Sort]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("services")).unwrap();
        let clock = Arc::new(ShiftedClock::default());
        let mut machines = Vec::new();
        for sort in sorts {
            machines.push(TestMachine::start(*sort).await);
        }
        let engine = engine_of(&folder, &clock, CONFIG, 0).await;
        let mut rig = Self { folder, clock, engine, machines, ledger: 0 };
        rig.write(None);
        rig.pass().await;
        let pass = rig.engine.last_pass();
        let key = amarre::engine::commands::pools::key(&pass).await.document["key"].as_str().unwrap().to_owned();
        rig.machines.iter().for_each(|machine| machine.let_in(&key));
        rig.wait(Millis::minutes(6)).await;
        rig
    }

    fn write(&self, only: Option<usize>) {
        let machine = |(index, machine): (usize, &TestMachine)| {
            let (name, address, key) = (index + 1, machine.address, machine.host_key());
            format!("  - {{name: m{name}, address: {address}, host_key: {key}}}\n")
        };
        let machines: String = self.machines.iter().enumerate().take(only.unwrap_or(usize::MAX)).map(machine).collect();
        let text = format!("kind: Pool\nname: lab\nmachines:\n{machines}limits: {{per_user: 50}}\n");
        std::fs::write(self.folder.path().join("services/lab.yaml"), text).unwrap();
    }

    async fn pass(&mut self) -> Arc<PassView> {
        self.engine.pass(RunMode::Act { confirmed_deletes: None, only: None }).await;
        self.engine.drain().await;
        self.engine.last_pass()
    }

    /// Passes until nothing is left to do.
    async fn settle(&mut self) -> PoolRow {
        for _ in 0..60 {
            let pass = self.pass().await;
            if pass.plan.changes.is_empty() {
                return pools::find(&pass, "lab").unwrap();
            }
            self.clock.advance(Millis::seconds(2));
        }
        panic!("{:?} {:?}", self.engine.last_pass().plan.changes, self.engine.last_pass().errors)
    }

    /// Time goes by, and a pass looks.
    async fn wait(&mut self, span: Millis) -> Arc<PassView> {
        self.clock.advance(span);
        self.pass().await;
        self.clock.advance(Millis::seconds(2));
        self.pass().await
    }

    /// The process is killed and starts again.
    async fn restart(&mut self) {
        self.engine = engine_of(&self.folder, &self.clock, CONFIG, self.ledger).await;
    }

    async fn lose_ledger(&mut self) {
        self.ledger += 1;
        self.restart().await;
    }

    fn asked(&self, user: &str, count: usize) -> Reservation {
        let (user, by, now) = (user.to_owned(), format!("{user}@example.org"), self.clock.now());
        let state = ReservationState::Open;
        Reservation { id: 0, user, by, count, partly: false, asked: now, from: now, length: HOUR, state }
    }

    async fn reserve(&mut self, user: &str, count: usize, sign_in: &str) -> Result<(), String> {
        let wanted = vec![(self.asked(user, count), Secret::new(sign_in))];
        self.engine.change_pool(PoolChange::Reserve { pool: "lab".to_owned(), wanted }).await
    }

    async fn release(&mut self, id: u64) {
        self.engine.change_pool(PoolChange::End { pool: "lab".to_owned(), ids: vec![id] }).await.unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A key pair of a user, and its public half.
    fn key(&self, name: &str) -> (PathBuf, String) {
        key_pair(&self.file(name))
    }

    /// A program that prints a password.
    fn helper(&self, password: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.file("askpass");
        std::fs::write(&path, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }
}

fn key_pair(path: &Path) -> (PathBuf, String) {
    let made =
        std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    assert!(made.unwrap().success());
    let line = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    let words: Vec<&str> = line.split(' ').take(2).collect();
    (path.to_owned(), words.join(" "))
}

fn states(row: &PoolRow) -> Vec<MachineState> {
    row.machines.iter().map(|machine| machine.state).collect()
}

async fn is_in(machine: &TestMachine, user: &str, with: SignIn<'_>) -> bool {
    machine.sign_in(user, with, "true").await.status.success()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_is_lent_worked_on_and_as_it_was_before() {
    let mut rig = PoolRig::start(2).await;
    rig.machines[0]
        .sh("useradd -m -s /bin/bash zoe; echo mine > /home/zoe/notes; chown zoe /home/zoe/notes; chmod 777 /home/zoe");
    for machine in &rig.machines {
        machine.sh("mkdir -p /var/spool/cron/crontabs");
    }
    let before: Vec<String> = rig.machines.iter().map(TestMachine::everything).collect();
    let (key, line) = rig.key("alice");
    let made = sha_hash("correct horse battery");
    rig.reserve("alice", 2, &sign_in_text(&made, &line)).await.unwrap();
    let row = rig.settle().await;
    assert_eq!(states(&row), [MachineState::Reserved, MachineState::Reserved]);
    assert_eq!(row.reservations[0].ready, 2);

    let helper = rig.helper("correct horse battery");
    let work = "touch /tmp/a /dev/shm/b /var/tmp/c; mkdir -p /tmp/d/e; ln -s /home/zoe ~/zoe; \
                (trap '' TERM HUP INT; while :; do sleep 1; done) >/dev/null 2>&1 & touch /home/zoe/left 2>/dev/null; id -u";
    for machine in &rig.machines {
        let said = machine.sign_in("alice", SignIn::Key(&key), work).await;
        assert_eq!(String::from_utf8_lossy(&said.stdout), "20001\n", "{}", String::from_utf8_lossy(&said.stderr));
        assert!(is_in(machine, "alice", SignIn::Password(&helper)).await);
        machine.sh("echo '* * * * * true' > /var/spool/cron/crontabs/alice");
        // The machine itself lets the key in until the end, and the account until the day after.
        let options = machine.sh("cat /home/alice/.ssh/authorized_keys; grep '^alice:' /etc/shadow | cut -d: -f8");
        assert!(options.starts_with("expiry-time=\"20"), "{options}");
        assert!(options.lines().last().unwrap().parse::<i64>().unwrap() > 20_000, "{options}");
        // Neither the password nor its hash is in a command line.
        assert!(!machine.sh("ps axww").contains("$6$"));
    }
    assert!(rig.pass().await.plan.is_empty());

    // What its user puts in the way of its key leads to nothing of root's: neither when it lasts longer nor at the end.
    let roots = "sha256sum /root/.ssh/authorized_keys; stat -c %u /root/.ssh /root/.ssh/authorized_keys";
    let kept = rig.machines[0].sh(roots);
    let trap = "mv ~/.ssh ~/aside; ln -s /root/.ssh ~/.ssh; echo trapped";
    let said = rig.machines[0].sign_in("alice", SignIn::Key(&key), trap).await;
    assert_eq!(String::from_utf8_lossy(&said.stdout), "trapped\n");
    let extend = PoolChange::Extend { pool: "lab".to_owned(), id: 1, by: HOUR };
    rig.engine.change_pool(extend).await.unwrap();
    rig.wait(Millis::seconds(1)).await;
    assert_eq!(rig.machines[0].sh(roots), kept);

    rig.release(1).await;
    let row = rig.settle().await;
    assert_eq!(states(&row), [MachineState::Available, MachineState::Available]);
    assert_eq!(rig.machines[0].sh(roots), kept);
    for (machine, before) in rig.machines.iter().zip(before) {
        assert_same(&machine.everything(), &before);
        assert_eq!(machine.sh("ps axo uid= | grep -c 20001 || true"), "0");
        assert_eq!(
            machine.sh("ls /var/lib/amarre/accounts /var/spool/cron/crontabs"),
            "/var/lib/amarre/accounts:\n\n/var/spool/cron/crontabs:"
        );
        assert!(!is_in(machine, "alice", SignIn::Key(&key)).await);
    }
    // Nor does any file of Amarre's hold the password.
    assert!(!is_in_files(rig.folder.path(), "correct horse battery"));
}

/// What differs is shown, and no more.
#[track_caller]
fn assert_same(now: &str, before: &str) {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<String>>();
    let (now, before) = (lines(now), lines(before));
    let differing: Vec<&String> = now.symmetric_difference(&before).collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

/// Whether a text is in a file below a folder, the helper of the test apart.
fn is_in_files(folder: &Path, text: &str) -> bool {
    let said = std::process::Command::new("grep").args(["-rlF", text]).arg(folder).output().unwrap();
    String::from_utf8_lossy(&said.stdout).lines().any(|file| !file.ends_with("/askpass"))
}

fn sha_hash(password: &str) -> String {
    amarre::engine::commands::reservation_drafts::crypt(&Secret::new(password)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_while_amarre_or_the_machine_is_away_ends_when_both_are_back() {
    let mut rig = PoolRig::start(2).await;
    let (key, line) = rig.key("bob");
    rig.reserve("bob", 2, &sign_in_text("", &line)).await.unwrap();
    rig.settle().await;
    // One machine hangs, and Amarre is killed before the time is over.
    crate::support::docker(&["pause", &rig.machines[0].name]);
    rig.clock.advance(Millis::minutes(61));
    rig.restart().await;
    let pass = rig.wait(Millis::seconds(1)).await;
    let row = pools::find(&pass, "lab").unwrap();
    assert_eq!(states(&row), [MachineState::Draining, MachineState::Available]);
    // What does not answer is not given out.
    rig.reserve("carol", 2, &sign_in_text("", &line)).await.unwrap();
    let pass = rig.wait(Millis::seconds(1)).await;
    assert!(pass.facts.pools["lab"].reservations[0].waits(rig.clock.now()));
    assert!(rig.machines[1].has_none_of(&["bob", "carol"]));

    crate::support::docker(&["unpause", &rig.machines[0].name]);
    // No pass waits for a machine that did not answer last: it is looked at beside them.
    let mut row = rig.settle().await;
    for _ in 0..600 {
        if states(&row) == [MachineState::Reserved, MachineState::Reserved] {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        rig.wait(Millis::seconds(1)).await;
        row = rig.settle().await;
    }
    assert_eq!(states(&row), [MachineState::Reserved, MachineState::Reserved]);
    assert!(rig.machines[0].has_none_of(&["bob"]));
    assert!(!is_in(&rig.machines[0], "bob", SignIn::Key(&key)).await);
    assert!(is_in(&rig.machines[0], "carol", SignIn::Key(&key)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_ledger_wipes_no_work() {
    let mut rig = PoolRig::start(2).await;
    let (key, line) = rig.key("dan");
    rig.reserve("dan", 1, &sign_in_text("", &line)).await.unwrap();
    rig.settle().await;
    rig.lose_ledger().await;
    let row = rig.settle().await;
    let found = &row.reservations[0].reservation;
    assert_eq!((found.label().as_str(), found.user.as_str(), found.by.as_str()), ("r1", "dan", ""));
    let machine = found.machines().next().unwrap().clone();
    // The next one gets the other machine, and another number.
    rig.reserve("eve", 1, &sign_in_text("", &line)).await.unwrap();
    let row = rig.settle().await;
    let eve = &row.reservations[1].reservation;
    assert!(eve.id == 2 && !eve.machines().any(|name| *name == machine), "{eve:?}");
    let dans = &rig.machines[usize::from(machine == "m2")];
    assert!(is_in(dans, "dan", SignIn::Key(&key)).await);

    // Its time is over all the same, and the manifest may be gone by then.
    std::fs::remove_file(rig.file("services/lab.yaml")).unwrap();
    rig.pass().await;
    assert!(is_in(dans_machine(&rig, &machine), "dan", SignIn::Key(&key)).await, "its manifest is gone, not its time");
    rig.wait(Millis::minutes(61)).await;
    rig.wait(Millis::minutes(1)).await;
    for machine in &rig.machines {
        assert!(machine.has_none_of(&["dan", "eve"]));
    }
}

fn dans_machine<'a>(rig: &'a PoolRig, machine: &str) -> &'a TestMachine {
    &rig.machines[usize::from(machine == "m2")]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_in_the_machines_place_is_sent_nothing() {
    let mut rig = PoolRig::start(1).await;
    let codes = |pass: &PassView| pass.plan.gaps.iter().map(|gap| gap.code).collect::<Vec<Code>>();
    // A machine that was there before has a user of that name: it is never touched.
    rig.machines[0].sh("useradd -m frank");
    rig.wait(Millis::minutes(6)).await;
    let (_, line) = rig.key("frank");
    rig.reserve("frank", 1, &sign_in_text("", &line)).await.unwrap();
    rig.pass().await;
    let past = rig.engine.ledger().past_reservations("lab", 1).await.unwrap();
    let why = ReservationEnd::NameTaken;
    assert!(matches!(&past[0].state, ReservationState::Over { why: found, .. } if *found == why), "{past:?}");

    rig.machines[0].renew_host_key().await;
    let pass = rig.wait(Millis::minutes(6)).await;
    assert_eq!(codes(&pass), [Code::A0761]);
    assert_eq!(states(&pools::find(&pass, "lab").unwrap()), [MachineState::Broken]);
    // Who is out of service is not given out, whatever becomes of it.
    rig.write(None);
    let disabled = Some(Disabled { by: "zoe".to_owned(), at: Timestamp(0) });
    let (pool, machine) = ("lab".to_owned(), "m1".to_owned());
    rig.engine.change_pool(PoolChange::Enable { pool, machine, disabled }).await.unwrap();
    let pass = rig.wait(Millis::minutes(6)).await;
    assert_eq!(states(&pools::find(&pass, "lab").unwrap()), [MachineState::Disabled]);
    // Its door is shut.
    rig.machines[0].sh("rm /root/.ssh/authorized_keys");
    assert_eq!(codes(&*rig.wait(Millis::minutes(6)).await), [Code::A0762]);
}
