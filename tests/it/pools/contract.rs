//! What the script on a machine promises, asked of every sort of machine: a real Debian, one as Alpine is, and the simulated ones that
//! stand in for them in stories and in the demo.

use std::path::PathBuf;
use std::sync::Arc;

use amarre::cli::simulated_machines::SimulatedMachines;
use amarre::engine::{Clock, SystemClock};
use amarre::providers::machines::MachineAccess;
use amarre::providers::ssh::{AskMachines, ConnectionError, Connections};
use amarre_core::model::Origin;
use amarre_core::model::pool::Machine;
use amarre_sim::machines::{MachineFault, MachineSort, Machines};
use tempfile::TempDir;

use super::sha_hash;
use crate::support::machine::{SignIn, Sort, TestMachine};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// In the home of another.
const BEYOND: &str = "/home/zoe/left";
/// Where the simulated one is.
const PLACE: &str = "10.0.0.1:22";

#[tokio::test]
async fn a_simulated_debian_keeps_the_contract() {
    keeps_contract(Subject::simulated(MachineSort::Debian)).await;
}

#[tokio::test]
async fn a_simulated_alpine_keeps_the_contract() {
    keeps_contract(Subject::simulated(MachineSort::Alpine)).await;
}

#[tokio::test]
async fn a_debian_keeps_the_contract() {
    keeps_contract(Subject::real(Sort::Debian).await).await;
}

#[tokio::test]
async fn an_alpine_keeps_the_contract() {
    keeps_contract(Subject::real(Sort::Alpine).await).await;
}

/// Someone else on the machine puts a link in the place of a folder, just as a file in it is deleted by its path.
#[tokio::test]
async fn a_clean_up_deletes_no_more_than_the_account_could() {
    for sort in [Sort::Debian, Sort::Alpine] {
        let subject = Subject::real(sort).await;
        let Body::Real(machine) = &subject.body else { panic!("a simulated one has no folders") };
        subject.add_user("zoe", 1500);
        let until = SystemClock.now().0 + HOUR_MS;
        subject.ask(&made("alice", 20_001, until, "r1")).await;
        machine.sh("mkdir /root/kept; echo mine > /root/kept/notes; mkdir -p /tmp/z/d; chown -R zoe /tmp/z; chmod 777 /tmp/z/d");
        // Its own, in a folder of its own that is shut, and in one that is another's and open.
        machine.sh("su -s /bin/sh alice -c 'echo x > /tmp/z/d/notes; mkdir ~/a; echo x > ~/a/b; chmod 0 ~/a'");
        // Every find deletes by path, as POSIX has it, and the first rm of that file waits until the folder is another.
        let find = "for word; do shift; if [ \"$word\" = -delete ]; then set -- \"$@\" -exec rm -rf {} +; else set -- \"$@\" \"$word\"; fi; done";
        let rm = "case $* in */tmp/z/d/notes*) [ -e /tmp/z/aside ] || { echo >/tmp/z/go; read -r done </tmp/z/done; } ;; esac";
        for (tool, does) in [("find", find), ("rm", rm)] {
            let is_at = machine.sh(&format!("command -v {tool}"));
            let script = format!("#!/bin/sh\n{does}\nexec {is_at} \"$@\"\n");
            machine.sh(&format!("cat > /usr/sbin/{tool} <<'END'\n{script}END\nchmod 755 /usr/sbin/{tool}"));
        }
        let swaps = "cd /tmp/z && mkfifo go done && chmod 666 go done && touch ready && { read -r go <go; mv d aside; ln -s /root/kept d; echo >done; }";
        crate::support::docker(&["exec", "-d", &machine.name, "su", "-s", "/bin/sh", "zoe", "-c", swaps]);
        crate::support::eventually(30, "zoe waits", async || machine.sh("ls /tmp/z").contains("ready")).await;

        let said = subject.ask("end alice 20001 r1\n").await;
        assert_eq!(machine.sh("cat /root/kept/notes"), "mine", "{sort:?}");
        assert_eq!(machine.sh("readlink /tmp/z/d"), "/root/kept", "{sort:?}: it was tried");
        // What is elsewhere now is found the next time.
        assert_eq!(said[0], "failed end alice something of it is left: /tmp/z/aside/notes", "{sort:?}");
        assert_eq!(subject.ask("end alice 20001 r1\n").await, ["ended alice 20001", "foreign zoe"], "{sort:?}");
        assert_eq!(machine.sh("find / -xdev -user 20001; ls /home"), "zoe", "{sort:?}");
    }
}

enum Body {
    Real(TestMachine),
    Simulated(Machines),
}

/// A machine under the contract.
struct Subject {
    body: Body,
    remote: Arc<dyn AskMachines>,
    access: MachineAccess,
    expires: bool,
    /// Of a user, with both halves.
    key: (PathBuf, String),
    _folder: TempDir,
}

impl Subject {
    async fn real(sort: Sort) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = TestMachine::start(sort).await;
        let remote = Connections::new(folder.path().join("ssh"), None);
        machine.let_in(&remote.public_key(true).await.unwrap().unwrap());
        let access = access(&machine.address.to_string(), machine.host_key());
        let expires = sort == Sort::Debian;
        Self { body: Body::Real(machine), access, expires, ..Self::with(Arc::new(remote), folder) }
    }

    fn simulated(sort: MachineSort) -> Self {
        let machines = Machines::new(Arc::new(|| SystemClock.now().0));
        let host_key = machines.add(PLACE, sort);
        let (access, expires) = (access("10.0.0.1", host_key), sort == MachineSort::Debian);
        let remote = Arc::new(SimulatedMachines(machines.clone()));
        Self { body: Body::Simulated(machines), access, expires, ..Self::with(remote, tempfile::tempdir().unwrap()) }
    }

    fn with(remote: Arc<dyn AskMachines>, folder: TempDir) -> Self {
        let key = super::key_pair(&folder.path().join("user"));
        let body = Body::Simulated(Machines::new(Arc::new(|| 0)));
        Self { body, remote, access: access("", String::new()), expires: false, key, _folder: folder }
    }

    /// What it answers, without what each machine says of itself.
    async fn ask_as(&self, instance: &str, lines: &str) -> Vec<String> {
        let said = self.remote.ask(&self.access, instance, lines).await.unwrap();
        let (_, said) = said.split_once("AMARRE1\n").unwrap();
        let own = ["system", "now", "free", "expires", "running", "hostkey", "done"];
        let people = ["zoe", "alice"];
        let tells = |line: &&str| {
            let (word, rest) = line.split_once('\t').unwrap_or((line, ""));
            !own.contains(&word) && (word != "foreign" || people.contains(&rest))
        };
        let expires = if self.expires { "\nexpires\tday\n" } else { "\nexpires\tno\n" };
        assert!(said.contains(expires) && said.ends_with("\ndone\n"), "{said}");
        said.lines().filter(tells).map(|line| line.replace('\t', " ")).collect()
    }

    async fn ask(&self, lines: &str) -> Vec<String> {
        self.ask_as("lab", lines).await
    }

    fn add_user(&self, name: &str, uid: u64) {
        match &self.body {
            Body::Real(machine) => drop(match machine.sort {
                Sort::Debian => machine.sh(&format!("useradd -m -u {uid} {name}")),
                Sort::Alpine => machine.sh(&format!("adduser -D -u {uid} {name}")),
            }),
            Body::Simulated(machines) => machines.add_user(PLACE, name, uid),
        }
    }

    fn add_home(&self, name: &str) {
        match &self.body {
            Body::Real(machine) => drop(machine.sh(&format!("mkdir /home/{name}"))),
            Body::Simulated(machines) => machines.add_home(PLACE, name),
        }
    }

    /// A file of a number is where that may delete nothing, or no more.
    fn put_beyond(&self, uid: u64, is_there: bool) {
        match (&self.body, is_there) {
            (Body::Real(machine), true) => drop(machine.sh(&format!("touch {BEYOND}; chown {uid} {BEYOND}"))),
            (Body::Real(machine), false) => drop(machine.sh(&format!("rm {BEYOND}"))),
            (Body::Simulated(machines), _) => machines.put_beyond(PLACE, uid, is_there.then_some(BEYOND)),
        }
    }

    /// A make is cut when nothing but its mark is there.
    async fn cut_make(&self, name: &str, uid: u64, reservation: &str, until: i64) {
        match &self.body {
            Body::Real(machine) => {
                let mark = format!(
                    "instance lab\\npool lab\\nuid {uid}\\nreservation {reservation}\\nuntil_ms {until}\\nproof 0a\\n"
                );
                machine.sh(&format!(
                    "mkdir -p /var/lib/amarre/accounts; printf '{mark}' > /var/lib/amarre/accounts/{name}"
                ));
            }
            Body::Simulated(machines) => {
                machines.decide_by(Some(Arc::new(|_, _, _| Some(MachineFault::CutAfter(1)))));
                let make = made(name, uid, until, reservation);
                assert!(matches!(self.remote.ask(&self.access, "lab", &make).await, Err(ConnectionError::Away(_))));
                machines.decide_by(None);
            }
        }
    }

    async fn is_in(&self, user: &str) -> bool {
        match &self.body {
            Body::Real(machine) => super::is_in(machine, user, SignIn::Key(&self.key.0)).await,
            Body::Simulated(machines) => machines.sign_in(PLACE, user, &self.key.1),
        }
    }

    fn shut(&self) {
        match &self.body {
            Body::Real(machine) => drop(machine.sh("rm /root/.ssh/authorized_keys")),
            Body::Simulated(machines) => machines.set_lets_in(PLACE, false),
        }
    }
}

fn access(address: &str, host_key: String) -> MachineAccess {
    let (address, user) = (address.to_owned(), "root".to_owned());
    let machine = Machine {
        address,
        port: 22,
        user,
        password: None,
        host_key: None,
        is_container: false,
        server: None,
        origin: Origin::default(),
    };
    let (pool, name) = ("lab".to_owned(), "m1".to_owned());
    MachineAccess {
        pool,
        name,
        machine,
        password: None,
        between: None,
        lacks_password: false,
        host_key: Some(host_key),
    }
}

fn made(name: &str, uid: u64, until: i64, reservation: &str) -> String {
    format!("make {name} {uid} {until} {} {reservation} lab 0a /bin/bash\n", until.div_euclid(DAY_MS) + 1)
}

async fn keeps_contract(subject: Subject) {
    let now = SystemClock.now().0;
    let (until, later) = (now + HOUR_MS, now + 2 * HOUR_MS);
    let key = subject.key.1.clone();
    let hash = sha_hash("correct horse battery");
    assert_eq!(subject.ask("").await, [""; 0], "nothing is there");
    knows_itself(&subject).await;
    subject.add_user("zoe", 1500);
    subject.add_home("carl");

    // Made once, and the same the second time.
    let alice =
        format!("{}key alice {until} {key}\nhash alice {hash}\nsign alice abc\n", made("alice", 20_001, until, "r1"));
    let is_there = format!("account alice 20001 r1 {until} lab abc 0a");
    for _ in 0..2 {
        assert_eq!(subject.ask(&alice).await, ["foreign zoe", &is_there]);
        assert!(subject.is_in("alice").await);
    }
    // It lasts longer; how its user signs in is said again.
    let longer = format!("{}key alice {later} {key}\nsign alice abd\n", made("alice", 20_001, later, "r1"));
    let is_there = format!("account alice 20001 r1 {later} lab abd 0a");
    assert_eq!(subject.ask(&longer).await, ["foreign zoe", &is_there]);

    refuses(&subject, until, &is_there).await;
    belongs_to_its_instance(&subject, until).await;

    // What ended ends once more.
    assert_eq!(subject.ask("end alice 20001 r1\n").await, ["ended alice 20001", "foreign zoe"]);
    assert!(!subject.is_in("alice").await);
    assert_eq!(subject.ask("end alice 20001 r1\n").await, ["foreign zoe"]);

    // A make that was cut is ended, or made.
    let rest = format!("rest dave 20004 r4 {until} lab  0a");
    for _ in 0..2 {
        subject.cut_make("dave", 20_004, "r4", until).await;
        assert_eq!(subject.ask("").await, ["foreign zoe", &rest]);
        assert_eq!(subject.ask("end dave 20004 r4\n").await, ["ended dave 20004", "foreign zoe"]);
    }
    subject.cut_make("dave", 20_004, "r4", until).await;
    let dave = subject.ask(&made("dave", 20_004, until, "r4")).await;
    assert_eq!(dave, ["foreign zoe", &rest.replace("rest", "account")]);
    let both = subject.ask(&format!("end dave 20004 r4\n{}", made("erin", 20_005, until, "r5"))).await;
    assert_eq!(both, ["ended dave 20004", "foreign zoe", &format!("account erin 20005 r5 {until} lab  0a")]);

    // Whose time is over is not let in, where the machine sees to that.
    let over = now - HOUR_MS / 60;
    let late = format!("{}key erin {over} {key}\nsign erin abc\n", made("erin", 20_005, over, "r5"));
    subject.ask(&late).await;
    assert_eq!(subject.is_in("erin").await, !subject.expires);
    assert_eq!(subject.ask("end erin 20005 r5\n").await, ["ended erin 20005", "foreign zoe"]);

    // What its number may not delete keeps the machine, and who was there loses nothing by that.
    let frank = made("frank", 20_006, until, "r6");
    let is_there = format!("account frank 20006 r6 {until} lab  0a");
    assert_eq!(subject.ask(&frank).await, ["foreign zoe", &is_there]);
    subject.put_beyond(20_006, true);
    let left = format!("failed end frank something of it is left: {BEYOND}");
    for _ in 0..2 {
        assert_eq!(subject.ask("end frank 20006 r6\n").await, [&left, "foreign zoe", &is_there]);
    }
    subject.put_beyond(20_006, false);
    assert_eq!(subject.ask("end frank 20006 r6\n").await, ["ended frank 20006", "foreign zoe"]);

    // Another machine, one that does not answer, and a shut door.
    let stranger =
        access("", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl".to_owned());
    let other = MachineAccess { host_key: stranger.host_key, ..subject.access.clone() };
    let told = subject.remote.ask(&other, "lab", &made("mallory", 20_009, until, "r9")).await;
    assert_eq!(told, Err(ConnectionError::OtherKey));
    let machine = Machine { port: 1, ..subject.access.machine.clone() };
    let away = MachineAccess { machine, ..subject.access.clone() };
    assert!(matches!(subject.remote.ask(&away, "lab", "").await, Err(ConnectionError::Away(_))));
    assert_eq!(subject.ask("").await, ["foreign zoe"], "mallory is nowhere");
    assert_eq!(
        subject.remote.offered_keys(&subject.access.machine).await.unwrap()[0],
        subject.access.host_key.clone().unwrap()
    );
    subject.shut();
    assert!(matches!(subject.remote.ask(&subject.access, "lab", "").await, Err(ConnectionError::Refused(_))));
}

/// It says which host keys it has, and for which pool it was registered first.
async fn knows_itself(subject: &Subject) {
    let host_key = subject.access.host_key.clone().unwrap();
    let said = subject.remote.ask(&subject.access, "lab", "").await.unwrap();
    assert!(said.contains(&format!("\nhostkey\t{host_key}\n")), "{said}");
    let running = |said: &str| said.lines().find(|line| line.starts_with("running\t")).map(str::to_owned);
    assert!(running(&said).is_some_and(|line| line.trim_end().len() > "running\t".len()), "{said}");
    for (word, pool, expected) in [
        ("register", "lab", "lab"),
        ("register", "other", "lab"),
        ("reregister", "other", "other"),
        ("register", "lab", "other"),
    ] {
        let line = format!("{word} {pool} 0b {host_key}\n");
        assert_eq!(subject.ask(&line).await, [format!("registered {expected} 0b {host_key}")]);
    }
    let again = subject.remote.ask(&subject.access, "lab", "").await.unwrap();
    assert_eq!(running(&again), running(&said));
    match &subject.body {
        Body::Real(machine) => drop(machine.sh("rm /var/lib/amarre/machine.lab")),
        Body::Simulated(machines) => machines.forget_registration(PLACE),
    }
}

/// Nothing of others is touched, and nothing is done by half.
async fn refuses(subject: &Subject, until: i64, is_there: &str) {
    let taken = "failed make alice this machine has an account of that name";
    for (lines, expected) in [
        (made("alice", 20_002, until, "r2"), taken),
        (made("zoe", 20_002, until, "r2"), "failed make zoe this machine has an account of that name"),
        (made("root", 20_002, until, "r2"), "failed make root this machine has an account of that name"),
        (made("bob", 20_001, until, "r2"), "failed make bob number 20001 is taken"),
        (made("bob", 1500, until, "r2"), "failed make bob number 1500 is taken"),
        (made("carl", 20_002, until, "r2"), "failed make carl /home/carl is there already"),
        (made("bob", 999, until, "r2"), "failed make bob not a name, a number or a day"),
        (made("Bob", 20_002, until, "r2"), "failed make Bob not a name, a number or a day"),
        (made("9bob", 20_002, until, "r2"), "failed make 9bob not a name, a number or a day"),
        (made("bob", 20_002, until, "r2;id"), "failed make bob not a name, a number or a day"),
        (made("bob", 20_002, -1, "r2"), "failed make bob not a name, a number or a day"),
        ("key zoe 1 ssh-ed25519 AAAA\nsign zoe abc\n".to_owned(), "failed key zoe it is not ours"),
        ("hash zoe $6$x\n".to_owned(), "failed hash zoe it is not ours"),
        ("sign zoe abc\n".to_owned(), "failed sign zoe it is not ours"),
        ("end zoe 1500 r1\n".to_owned(), "failed end zoe it is not ours"),
        ("end alice 20001 r9\n".to_owned(), "failed end alice it is of another reservation"),
        ("end alice 20002 r1\n".to_owned(), "failed end alice it is of another reservation"),
        ("end alice 1 r1\n".to_owned(), "failed end alice not a name and a number of ours"),
        ("fly alice\n".to_owned(), "failed fly no such word"),
    ] {
        assert_eq!(subject.ask(&lines).await, [expected, "foreign zoe", is_there], "{lines}");
    }
}

/// Another Amarre sees that there is an account, and no more.
async fn belongs_to_its_instance(subject: &Subject, until: i64) {
    let foreign = ["foreign zoe", "foreign alice"];
    let look = |said: Vec<String>| {
        let mut said = said;
        said.sort();
        said
    };
    let mut expected: Vec<String> = foreign.iter().map(|line| (*line).to_owned()).collect();
    expected.sort();
    assert_eq!(look(subject.ask_as("other", "").await), expected);
    for (lines, why) in [
        ("end alice 20001 r1\n".to_owned(), "failed end alice it is of another reservation"),
        (made("alice", 20_001, until, "r1"), "failed make alice this machine has an account of that name"),
        ("hash alice $6$x\n".to_owned(), "failed hash alice it is not ours"),
    ] {
        let said = subject.ask_as("other", &lines).await;
        assert_eq!(look(said[1..].to_vec()), expected);
        assert_eq!(said[0], why);
    }
}
