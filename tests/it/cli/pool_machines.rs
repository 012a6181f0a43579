//! `amarre pool register`, `unregister`, `leave` and `reprovision`: manifests are written where they stand, and passwords are secrets.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::rig::{Rig, end};
use super::{Ended, ends};
use crate::support::eventually;
use crate::support::forge::Forge;
use crate::support::machine::{Sort, TestMachine};
use crate::web::typed;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7WbN0y9yXUnp8yDkWnUdFtnE3lmvM8vXb9nb7yQm4d";
const LAB: &str = "# the room\nkind: Pool\nname: lab\nmachines:\n  # by the door\n  - {name: m1, address: 192.0.2.1}\n\n# of limits\nlimits: {per_user: 3}\n";

fn with_pools(rig: &Rig, more: &serde_json::Value) {
    let mut config = json!({"instance": "lab", "pools": {}, "server": {"listen": format!("127.0.0.1:{}", rig.port)}});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    rig.file("amarre.yaml", &format!("{config:#}"));
}

fn manifest(rig: &Rig) -> String {
    std::fs::read_to_string(rig.path().join("services/lab.yaml")).unwrap()
}

#[track_caller]
fn refused(ended: &Ended, said: &[&str]) {
    let text = format!("{}{}", ended.out, ended.err);
    assert!(ended.code != 0 && said.iter().all(|said| text.contains(said)), "{ended:?}");
}

#[tokio::test]
async fn machines_are_registered_where_their_pool_stands_and_passwords_are_kept_apart() {
    let rig = Rig::start().await;
    with_pools(&rig, &json!({}));
    rig.file("services/lab.yaml", LAB);
    let args = [
        "pool",
        "register",
        "lab",
        "m2",
        "box.lan",
        "--port",
        "2222",
        "--user",
        "ops",
        "--host-key",
        KEY,
        "--password-file",
        "-",
    ];
    let done = typed(&rig, "hunter2 and more", &args, &[]).await;
    ends(&done, 0, &["m2 in lab, by services/lab.yaml"]);
    let written = LAB.replace(
        "192.0.2.1}\n",
        &format!("192.0.2.1}}\n  - {{name: m2, address: box.lan, port: 2222, user: ops, password: {{secret: lab/m2}}, host_key: \"{KEY}\"}}\n"),
    );
    assert_eq!(manifest(&rig), written);
    let secret = rig.path().join("secrets/services/lab/m2");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "hunter2 and more");
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    refused(&rig.run(&args[..11]).await, &["A0765", "lab has a machine m2 already"]);

    // All or none of several: each line that is wrong is named, and no password is repeated.
    let list = "# name host port user password\nm3 192.0.2.3 22 root hunter3\nm1 192.0.2.9 22 root -\nm4 192.0.2.4 22 root\nm3 192.0.2.5 22 root hunter5\n";
    rig.file("machines.txt", list);
    let from = ["pool", "register", "lab", "--file", "machines.txt"];
    let wrong = rig.run(&from).await;
    refused(&wrong, &["A0765", "line 3: lab has a machine m1", "no machine was registered"]);
    rig.file("machines.txt", &list.replace("m1 ", "M1 "));
    let wrong = rig.run(&from).await;
    refused(&wrong, &["line 3: ", "line 5: two machines are called `m3`"]);
    rig.file("machines.txt", &list.replace("root hunter5", "root a b hunter5"));
    refused(&rig.run(&from).await, &["line 5: not four or five words"]);
    assert!(!format!("{wrong:?}").contains("hunter"), "{wrong:?}");
    assert_eq!(manifest(&rig), written);
    assert!(!rig.path().join("secrets/services/lab/m3").exists());
    rig.file("machines.txt", "m3 192.0.2.3 22 root hunter3\nm4 192.0.2.4 22 root\nm5 192.0.2.5 22 root -\n");
    let done = rig.run(&from).await;
    ends(&done, 0, &["m3, m4, m5 in lab", "amarre pool trust lab m3 m4 m5"]);
    let lines = "  - {name: m3, address: 192.0.2.3, password: {secret: lab/m3}}\n  - {name: m4, address: 192.0.2.4}\n  - {name: m5, address: 192.0.2.5}\n";
    assert_eq!(manifest(&rig), written.replace("\n\n# of limits", &format!("\n{lines}\n# of limits")));
    ends(&rig.run(&["validate", "--strict"]).await, 0, &["1 manifest is good"]);

    // What a person keeps under that name stays, and nothing is registered.
    rig.file("secrets/services/lab/m6", "another");
    rig.file("password", "hunter6\n");
    let before = manifest(&rig);
    let set = rig.run(&["pool", "register", "lab", "m6", "192.0.2.6", "--password-file", "password"]).await;
    refused(&set, &["A0207", "lab/m6 is set already"]);
    assert_eq!(manifest(&rig), before);

    // Out they go, with their passwords.
    let out = rig.run(&["pool", "unregister", "lab", "m3", "m1", "m5"]).await;
    ends(&out, 0, &["m1, m3, m5 out of lab, by services/lab.yaml"]);
    assert!(!rig.path().join("secrets/services/lab/m3").exists() && secret.exists());
    let left = manifest(&rig);
    assert!(left.contains("  # by the door\n  - {name: m2,") && left.contains("m4") && !left.contains("m3"), "{left}");
    refused(&rig.run(&["pool", "unregister", "lab", "m3"]).await, &["A1002", "there is no machine m3 in lab"]);
    refused(&rig.run(&["pool", "register", "other", "m3", "192.0.2.3"]).await, &["A1002", "there is no pool other"]);
    refused(&rig.run(&["pool", "register", "lab", "m3"]).await, &["A0765", "name and address"]);
    refused(&rig.run(&["pool", "register", "lab", "m3", "a b"]).await, &["A0106"]);
}

#[tokio::test]
async fn what_is_not_written_line_by_line_is_changed_by_hand() {
    let rig = Rig::start().await;
    with_pools(&rig, &json!({}));
    rig.file("services/lab.yaml", "{kind: Pool, name: lab, machines: [{name: m1, address: 192.0.2.1}]}\n");
    refused(&rig.run(&["pool", "register", "lab", "m2", "192.0.2.2"]).await, &["A0461", "line by line"]);
    std::fs::write(rig.path().join("services/machines.txt"), "m1 192.0.2.1 22 root -\n").unwrap();
    rig.file("services/lab.yaml", "kind: Pool\nname: lab\nfrom: ./machines.txt\n");
    refused(&rig.run(&["pool", "unregister", "lab", "m1"]).await, &["A0461", "machines.txt, line 1"]);
    ends(&rig.run(&["pool", "register", "lab", "m2", "192.0.2.2"]).await, 0, &["m2 in lab"]);
    assert_eq!(
        manifest(&rig),
        "kind: Pool\nname: lab\nfrom: ./machines.txt\nmachines:\n  - {name: m2, address: 192.0.2.2}\n"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_is_registered_by_a_commit_without_its_password() {
    let rig = Rig::start().await;
    let forge = Forge::new();
    let http = forge.http(None).await;
    forge.commit("Alice Martin", "a pool", "services/lab.yaml", LAB);
    with_pools(&rig, &json!({"source": {"git": {"url": http.url(), "path": "services"}}}));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    eventually(60, "the commit is read", async || rig.run(&["pool", "show", "lab"]).await.code == 0).await;
    let args = ["pool", "register", "lab", "m2", "192.0.2.2", "--password-file", "-"];
    ends(&typed(&rig, "hunter2 and more", &args, &[]).await, 0, &["m2 in lab"]);
    forge.run(&["pull", "-q", "--rebase", "origin", "main"]);
    let log = forge.run(&["log", "-p", "--all"]);
    assert!(
        log.contains("register m2 in lab")
            && log.contains("+  - {name: m2, address: 192.0.2.2, password: {secret: lab/m2}}"),
        "{log}"
    );
    ends(&rig.run(&["pool", "unregister", "lab", "m2"]).await, 0, &["m2 out of lab"]);
    forge.run(&["pull", "-q", "--rebase", "origin", "main"]);
    assert_eq!(std::fs::read_to_string(forge.work().join("services/lab.yaml")).unwrap(), LAB);
    assert!(!forge.run(&["log", "-p", "--all"]).contains("hunter2"));
    assert_eq!(end(daemon).await, 0);
    assert!(!rig.log().contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_is_reserved_leaves_when_it_is_given_back() {
    let rig = Rig::start().await;
    with_pools(&rig, &json!({"policy": {"targets": {"lab": ["172.17.*"]}}}));
    rig.file("services/lab.yaml", "kind: Pool\nname: lab\nmachines: []\n");
    let machine = TestMachine::start(Sort::Debian).await;
    machine.let_in(rig.run(&["pool", "key"]).await.out.trim());
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let address = machine.address.to_string();
    let registered = rig.run(&["pool", "register", "lab", "m1", &address, "--host-key", &machine.host_key()]).await;
    ends(&registered, 0, &["m1 in lab"]);
    let shows = async |said: &str| rig.run(&["pool", "show", "lab"]).await.out.contains(said);
    eventually(60, "it is available", async || shows("available").await).await;
    ends(&rig.run(&["pool", "reserve", "lab", "--user", "alice", "--timeout", "30s"]).await, 0, &["r1 until"]);
    ends(&rig.run(&["pool", "reserve", "lab", "--user", "bob", "--timeout", "1s"]).await, 0, &["r2 waits"]);

    // What has its machines is released, not left.
    refused(&rig.run(&["pool", "leave", "lab", "r1"]).await, &["A0765", "it has m1", "amarre pool release lab r1"]);
    ends(&rig.run(&["pool", "leave", "lab", "r2"]).await, 0, &["Left the queue: r2."]);
    refused(&rig.run(&["pool", "unregister", "lab", "m1"]).await, &["A0765", "r1 for alice", "--drain"]);
    assert!(shows("reserved").await);

    // Who has it is named first, and there is no terminal to ask at.
    let asked = rig.run(&["pool", "reprovision", "lab", "m1"]).await;
    assert_eq!(asked.code, 4, "{asked:?}");
    refused(&asked, &["m1: r1 for alice", "A0402", "amarre pool reprovision lab m1 --yes"]);
    let done = rig.run(&["pool", "reprovision", "lab", "m1", "--yes", "--timeout", "60s"]).await;
    ends(&done, 0, &["Ended r1.", "m1 is available"]);
    assert!(machine.has_none_of(&["alice", "bob"]));

    // It leaves as soon as it was given back, and is not given out before.
    ends(&rig.run(&["pool", "reserve", "lab", "--user", "carol", "--timeout", "30s"]).await, 0, &["r3 until"]);
    let early = rig.run(&["pool", "unregister", "lab", "m1", "--drain", "--timeout", "1s"]).await;
    refused(&early, &["A0765", "r3 for carol"]);
    let mut leaving = rig.command(&["pool", "unregister", "lab", "m1", "--drain", "--timeout", "60s"]).spawn().unwrap();
    ends(&rig.run(&["pool", "reserve", "lab", "--user", "dan", "--timeout", "1s"]).await, 0, &["r4 waits"]);
    ends(&rig.run(&["pool", "release", "lab", "r3"]).await, 0, &["Released r3."]);
    assert!(leaving.wait().await.unwrap().success());
    assert_eq!(manifest(&rig), "kind: Pool\nname: lab\nmachines: []\n");
    assert!(machine.has_none_of(&["carol", "dan"]));
    assert_eq!(end(daemon).await, 0);
}
