//! Pools of machines that Amarre makes: containers of a real engine, made, lent, drained and made again.

use std::sync::Arc;
use std::time::Duration;

use amarre::engine::reconcile::reservations::PoolChange;
use amarre::engine::report::pools::{self, MachineState, PoolRow};
use amarre::engine::{Clock, Engine, PassView, RunMode, ShiftedClock};
use amarre::providers::ssh::sign_in_text;
use amarre::secret::Secret;
use amarre_core::model::plan::Wait;
use amarre_core::model::reservations::{Reservation, ReservationState};
use amarre_core::model::{Change, Gate, Kind, Millis};
use tempfile::TempDir;

use crate::clouds::engine_of;
use crate::support::docker;
use crate::support::machine::{Sort, TestMachine};

const HOUR: Millis = Millis::minutes(60);
/// The longest wait for what machines do in their own time.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// A pool of containers; they and their network are gone when this is dropped.
struct Lab {
    name: String,
    folder: TempDir,
    clock: Arc<ShiftedClock>,
    engine: Engine,
    port: u16,
}

impl Lab {
    async fn start(service: &str, rest: &str) -> Self {
        Sort::Debian.build();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("services")).unwrap();
        let clock = Arc::new(ShiftedClock::default());
        let number = rand::random::<u16>();
        let name = format!("t{number:04x}-lab");
        let subnet = format!("10.{}.{}.0/24", 240 + number % 8, number / 256);
        let config = format!(
            "instance: {name}\npools: {{}}\nhosts: {{default: {{docker: \"unix:///var/run/docker.sock\", address: 127.0.0.1}}}}\n\
             network: {{pools: [{subnet}], prefix: 28}}\n"
        );
        let engine = engine_of(&folder, &clock, &config, 0).await;
        let lab = Self { name, folder, clock, engine, port: 24_000 + number % 2000 * 4 };
        lab.write(service, rest);
        lab
    }

    fn write(&self, service: &str, rest: &str) {
        let Self { name, port, .. } = self;
        let own = "template: sshd, image: \"amarre-test-machine:1\", pull_policy: never";
        let text = format!("kind: Pool\nname: {name}\nservice: {{{own}, port: {port}, {service}}}\n{rest}");
        std::fs::write(self.folder.path().join(format!("services/{name}.yaml")), text).unwrap();
    }

    async fn pass(&mut self) -> Arc<PassView> {
        self.engine.pass(RunMode::Act { confirmed_deletes: None, only: None }).await;
        self.engine.drain().await;
        self.engine.last_pass()
    }

    /// Passes until this holds.
    async fn until(&mut self, what: &str, holds: impl Fn(&PassView, &PoolRow) -> bool) -> Arc<PassView> {
        let began = tokio::time::Instant::now();
        while began.elapsed() < READY_WITHIN {
            let pass = self.pass().await;
            if pools::find(&pass, &self.name).is_some_and(|row| holds(&pass, &row)) {
                return pass;
            }
            // sshd comes up in its own time, which no clock of ours puts forward.
            tokio::time::sleep(Duration::from_millis(300)).await;
            self.clock.advance(Millis::seconds(31));
        }
        let pass = self.engine.last_pass();
        panic!("{what}: {:?} {:?} {:?}", pass.plan.changes, pass.errors, pass.plan.gaps)
    }

    async fn all_free(&mut self, count: usize) -> Arc<PassView> {
        let settled = move |pass: &PassView, row: &PoolRow| {
            row.count(MachineState::Available) == count && pass.plan.changes.is_empty()
        };
        self.until("all are free, and nothing is left to do", settled).await
    }

    async fn reserve(&mut self, count: usize) {
        let (now, state) = (self.clock.now(), ReservationState::Open);
        let (user, by) = ("alice".to_owned(), "alice@example.org".to_owned());
        let one = Reservation { id: 0, user, by, count, partly: false, asked: now, from: now, length: HOUR, state };
        let wanted = vec![(one, Secret::new(sign_in_text("", "ssh-ed25519 AAAA")))];
        self.engine.change_pool(PoolChange::Reserve { pool: self.name.clone(), wanted }).await.unwrap();
        let is_ready = move |_: &PassView, row: &PoolRow| row.reservations.iter().any(|one| one.ready == count);
        self.until("the accounts are ready", is_ready).await;
    }

    async fn release(&mut self) {
        self.engine.change_pool(PoolChange::End { pool: self.name.clone(), ids: vec![1] }).await.unwrap();
    }

    /// The id of the container of a machine.
    fn container(&self, name: &str) -> String {
        docker(&["inspect", "-f", "{{.Id}}", name])
    }

    fn containers(&self) -> usize {
        let named = format!("name=^{}", self.name);
        docker(&["ps", "-q", "--filter", &named]).lines().count()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let run = |args: &[&str]| std::process::Command::new("docker").args(args).output().unwrap().stdout;
        let listed = String::from_utf8(run(&["ps", "-aq", "--filter", &format!("name=^{}", self.name)])).unwrap();
        for id in listed.lines() {
            run(&["rm", "-f", id]);
        }
        run(&["network", "rm", &format!("zz-amarre-{}", self.name)]);
    }
}

/// Whether a change waits for the end of a reservation.
fn waits(change: &Change) -> bool {
    matches!(change.gate, Gate::Until { what: Wait::Lent, .. })
}

#[tokio::test]
async fn machines_are_made_registered_and_drained_before_they_go() {
    let mut lab = Lab::start("count: 3", "").await;
    let pass = lab.pass().await;
    assert_eq!(pass.plan.gaps, [], "one that is not made yet is no stranger");
    lab.all_free(3).await;
    assert_eq!(lab.containers(), 3);
    lab.reserve(3).await;

    let name = format!("{}-2", lab.name);
    let second = lab.container(&name);
    lab.write("count: 1, environment: {COURSE: rust}", "");
    let pass = lab.pass().await;
    let held = pass.plan.changes.iter().filter(|change| waits(change)).count();
    // All three, and what takes the place of the first.
    assert_eq!(held, 4, "{:?}", pass.plan.changes);
    assert_eq!((lab.containers(), lab.container(&name)), (3, second), "no work in use is wiped");
    assert_eq!(pools::find(&pass, &lab.name).unwrap().machines.len(), 1, "what is drained is not given out");

    lab.release().await;
    lab.all_free(1).await;
    assert_eq!(lab.containers(), 1);
    // The only container of a manifest is called as it is.
    let first = lab.name.clone();
    assert_eq!(docker(&["exec", &first, "sh", "-c", "tr '\\0' '\\n' </proc/1/environ | grep COURSE"]), "COURSE=rust");
}

#[tokio::test]
async fn a_machine_is_made_again_between_two_reservations() {
    let mut lab = Lab::start("count: 1", "between: rebuild\n").await;
    lab.all_free(1).await;
    let first = lab.container(&lab.name);
    lab.reserve(1).await;
    lab.release().await;
    let pass = lab.pass().await;
    let row = pools::find(&pass, &lab.name).unwrap();
    assert_eq!(row.count(MachineState::Available), 0, "it is given out when it is new: {:?}", row.machines);
    lab.all_free(1).await;
    assert_ne!(lab.container(&lab.name), first);
}

#[tokio::test]
async fn a_script_runs_before_the_next_one_gets_a_machine() {
    let machine = TestMachine::start(Sort::Debian).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("services")).unwrap();
    let clock = Arc::new(ShiftedClock::default());
    let config = "instance: lab\npools: {}\npolicy: {machine_scripts: true, targets: {'*': ['172.17.*']}}\n";
    let engine = engine_of(&folder, &clock, config, 0).await;
    let script = |text: &str| std::fs::write(folder.path().join("services/wipe.sh"), text).unwrap();
    let name = format!("t{:04x}-wiped", rand::random::<u16>());
    let manifest = format!(
        "kind: Pool\nname: {name}\nmachines: [{{name: m1, address: {}, host_key: {}}}]\nbetween: {{script: ./wipe.sh}}\n",
        machine.address,
        machine.host_key()
    );
    script("echo \"$AMARRE_USER $AMARRE_RESERVATION\" >>/root/wiped\nhead -c 3000000 /dev/zero | tr '\\0' x\nexit 3\n");
    std::fs::write(folder.path().join("services/lab.yaml"), manifest).unwrap();
    let mut lab = Lab { name, folder, clock, engine, port: 0 };
    let pass = lab.pass().await;
    let key = amarre::engine::commands::pools::key(&pass).await.document["key"].as_str().unwrap().to_owned();
    machine.let_in(&key);
    lab.all_free(1).await;
    lab.reserve(1).await;
    lab.release().await;
    let is_broken = |_: &PassView, row: &PoolRow| row.count(MachineState::Broken) == 1;
    let pass = lab.until("the script fails", is_broken).await;
    let row = pools::find(&pass, &lab.name).unwrap();
    assert!(row.machines[0].why.to_string().contains("code 3"), "{:?}", row.machines[0].why);
    assert_eq!(machine.sh("head -n 1 /root/wiped"), "alice r1");
    assert!(machine.has_none_of(&["alice"]));

    std::fs::write(lab.folder.path().join("services/wipe.sh"), "echo done >>/root/wiped\n").unwrap();
    lab.all_free(1).await;
    assert_eq!(machine.sh("tail -n 1 /root/wiped"), "done");
    assert!(pass.plan.changes.iter().all(|change| change.address.kind == Kind::Account));
}
