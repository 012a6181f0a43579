//! What goes wrong harms only what it must, says so with what to do, and is over when its cause is.

use serde_json::{Value as Json, json};

use super::apply::WEB;
use crate::support::rig::{Daemon, Rig, read};
use crate::support::{docker, eventually};

/// One more service, like [`WEB`], under another name.
fn like_web(name: &str) -> String {
    WEB.replace("TAG-web", &format!("TAG-{name}")).replace("web one", name)
}

fn row<'a>(status: &'a Json, name: &str) -> &'a Json {
    let rows = status["services"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {status:#}"))
}

async fn status(daemon: &Daemon) -> Json {
    daemon.json("/api/v1/status").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broken_manifest_harms_only_its_service() {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.write("other.yaml", &like_web("other"));
    rig.apply().await;
    let before = rig.containers();

    rig.write("web.yaml", &WEB.replace("port: 8080", "prot: 8080"));
    rig.write("third.yaml", &like_web("third"));
    docker(&["rm", "-f", &rig.name("web")]);
    let partly = rig.apply_partly().await;
    assert!(partly.out.contains("services/web.yaml"), "{partly}");
    assert_eq!(rig.run(&["validate"]).await.code, 1);
    assert_eq!(rig.plan_exit().await, 1);

    let after = rig.containers();
    assert_eq!(after[&rig.name("other")], before[&rig.name("other")], "{partly}");
    assert_ne!(after[&rig.name("web")], before[&rig.name("web")], "healed to the last good manifest");
    rig.assert_serves("web", "web one").await;
    rig.assert_serves("other", "other").await;
    rig.assert_serves("third", "third").await;

    let status = rig.status().await;
    let web = row(&status, &rig.name("web"));
    assert_eq!(web["attention"], true);
    let said = format!("{web} {}", rig.run(&["status", &rig.name("web")]).await.out);
    assert!(said.contains("services/web.yaml:5:1"), "file:line:column: {said}");
    assert!(said.contains("port"), "did you mean: {said}");
    rig.forget();
    rig.apply_partly().await;
    assert_eq!(rig.writes(), [""; 0]);

    rig.write("web.yaml", WEB);
    rig.apply().await;
    assert_eq!(rig.containers(), after, "over when it is mended, and nothing was made anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_unreachable_npm_deletes_nothing_and_is_waited_for() {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.write("gone.yaml", &like_web("gone"));
    rig.apply().await;
    let daemon = rig.daemon().await;
    daemon.wait_until_settled().await;
    let before = rig.containers();

    rig.npm.backend_down(true);
    rig.forget();
    rig.remove("gone.yaml");
    rig.write("fresh.yaml", &like_web("fresh"));
    let (fresh, gone) = (rig.name("fresh"), rig.name("gone"));
    let domain = fresh.clone();
    eventually(60, "the new service gets as far as NPM", async || {
        rig.containers().contains_key(&fresh)
            && rig.records().iter().any(|line| line.starts_with(&format!("{domain} A ")))
    })
    .await;
    eventually(60, "what cannot be seen is unknown", async || row(&status(&daemon).await, &fresh)["sync"] == "Unknown")
        .await;
    let status = status(&daemon).await;
    let row = row(&status, &fresh);
    assert!(row["error"]["hints"][0]["text"].as_str().is_some_and(|hint| !hint.is_empty()), "{row:#}");
    let npm = status["providers"].as_array().unwrap().iter().find(|provider| provider["kind"] == "npm").unwrap();
    assert_eq!(npm["state"], "down", "{npm:#}");
    assert!(rig.status_text().await.contains("npm"), "{}", rig.status_text().await);
    // The host may still point at what the manifest does not want any more.
    let after = rig.containers();
    assert_eq!(after[&gone], before[&gone]);
    assert_eq!(after[&rig.name("web")], before[&rig.name("web")]);
    assert!(
        !rig.writes().iter().any(|line| line.starts_with("DELETE /containers") || line.starts_with("DELETE /networks"))
    );
    assert!(rig.host(&rig.domain("gone")).is_some());

    rig.npm.backend_down(false);
    eventually(60, "it goes on by itself", async || {
        !rig.containers().contains_key(&gone) && rig.visit("fresh").await.is_some_and(|(code, _)| code == 200)
    })
    .await;
    daemon.wait_until_settled().await;
    assert_eq!(daemon.stop().await, 0);
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrong_ovh_key_stops_records_only() {
    let mut rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.apply().await;
    let (before, records) = (rig.containers(), rig.records());
    rig.settings.insert(
        "ovh".to_owned(),
        json!({
            "endpoint": rig.ovh.endpoint(), "application_key": "application-key",
            "application_secret": "application-secret", "consumer_key": "another-key",
        }),
    );
    rig.configure();
    rig.write("fresh.yaml", &like_web("fresh"));
    docker(&["rm", "-f", &rig.name("web")]);
    rig.forget();
    let partly = rig.apply_partly().await;
    assert!(partly.out.contains("A07"), "its code: {partly}");
    let status = rig.status().await;
    let ovh = status["providers"].as_array().unwrap().iter().find(|provider| provider["kind"] == "ovh").unwrap();
    assert_eq!(ovh["state"], "auth", "{ovh:#}");
    let text = rig.status_text().await;
    assert!(text.contains("hint:"), "what to do: {text}\n{ovh:#}");
    assert_eq!(rig.records(), records);
    assert!(rig.ovh.server.journal.writes().is_empty());
    // What does not need the key goes on.
    assert_ne!(rig.containers()[&rig.name("web")], before[&rig.name("web")]);
    rig.assert_serves("web", "web one").await;
    assert!(rig.containers().contains_key(&rig.name("fresh")));

    rig.settings.clear();
    rig.configure();
    rig.apply().await;
    rig.assert_serves("fresh", "fresh").await;
}

/// A file system of a few hundred kilobytes for the ledger, on which room can be taken and given back.
struct SmallDisk {
    path: std::path::PathBuf,
}

impl SmallDisk {
    fn mount(rig: &Rig) -> Self {
        let path = rig.folder.path().join("small");
        std::fs::create_dir(&path).unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(&path);
        assert!(mount.status().unwrap().success(), "a tmpfs can be mounted: the tests run as root");
        Self { path }
    }

    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.path.join("ballast")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn give_back(&self) {
        std::fs::remove_file(self.path.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_for_the_ledger_means_observe_and_report() {
    let mut rig = Rig::start().await;
    let disk = SmallDisk::mount(&rig);
    rig.settings.insert("state".to_owned(), json!("./small/amarre.db"));
    rig.configure();
    rig.write("web.yaml", WEB);
    rig.apply().await;
    let daemon = rig.daemon().await;
    daemon.wait_until_settled().await;

    disk.fill();
    // SQLite may still have room of its own for a few pages: what it takes may be acted upon.
    let mut number = 0;
    eventually(60, "status says that the ledger cannot be written", async || {
        number += 1;
        rig.write("web.yaml", &WEB.replace("web one", &format!("web {number}")));
        !status(&daemon).await["ledger"]["error"].is_null()
    })
    .await;
    let text = rig.status_text().await;
    assert!(text.contains("A0903") && text.contains("/small is full: 0 MiB of 2 MiB are free"), "{text}");
    disk.give_back();
    rig.write("web.yaml", &WEB.replace("web one", "web two"));
    eventually(60, "it goes on by itself once there is room", async || {
        rig.visit("web").await == Some((200, "web two\n".to_owned()))
    })
    .await;
    daemon.wait_until_settled().await;
    assert_eq!(daemon.stop().await, 0, "{}", read(&rig.folder.path().join("daemon.log")));
    rig.quiet().await;
}

/// No file may be written by the daemon, not even in place.
fn limit(daemon: &Daemon, size: &str) {
    let pid = daemon.child.id().unwrap().to_string();
    let mut prlimit = std::process::Command::new("prlimit");
    assert!(prlimit.args(["--pid", &pid, &format!("--fsize={size}:unlimited")]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ledger_that_cannot_be_written_means_no_writes_anywhere() {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.apply().await;
    let daemon = rig.daemon().await;
    daemon.wait_until_settled().await;
    limit(&daemon, "0");
    rig.forget();
    docker_rm_all(&rig);
    rig.write("web.yaml", &WEB.replace("web one", "web two"));
    rig.write("fresh.yaml", &like_web("fresh"));
    rig.npm.edit_proxy_host(rig.host(&rig.domain("web")).unwrap()["id"].as_u64().unwrap(), &json!({"forward_port": 1}));
    rig.ovh.edit_record("example.org", rig.record_id("web", "A"), "192.0.2.66");
    eventually(60, "status says that the ledger cannot be written", async || {
        !status(&daemon).await["ledger"]["error"].is_null()
    })
    .await;
    let asked = rig.gate.asked().len();
    eventually(60, "it goes on observing", async || rig.gate.asked().len() > asked + 20).await;
    assert_eq!(rig.writes(), [""; 0], "nothing is written anywhere");
    let text = rig.status_text().await;
    assert!(text.contains("A0903") && text.contains("disk"), "{text}");
    assert_eq!(daemon.json("/health").await["ledger"], false);
    eventually(60, "what differs is reported", async || {
        daemon.json("/api/v1/drift").await["count"]["resources"].as_u64() >= Some(2)
    })
    .await;
    assert_eq!(rig.writes(), [""; 0], "and still nothing is written");

    limit(&daemon, "unlimited");
    eventually(60, "it goes on by itself", async || rig.visit("web").await == Some((200, "web two\n".to_owned())))
        .await;
    daemon.wait_until_settled().await;
    assert_eq!(daemon.stop().await, 0, "{}", read(&rig.folder.path().join("daemon.log")));
    rig.quiet().await;
    rig.assert_serves("fresh", "fresh").await;
}

/// The disk is full in the middle of a run: what was begun is in the ledger, the next intent does not fit any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ledger_that_fails_within_a_run_is_tried_again() {
    use sqlx::{Connection, Executor};
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.apply().await;
    let daemon = rig.daemon().await;
    daemon.wait_until_settled().await;
    let url = format!("sqlite://{}", rig.state().join("amarre.db").display());
    let mut ledger = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON intents BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    ledger.execute(full).await.unwrap();
    rig.forget();
    docker_rm_all(&rig);
    eventually(60, "status says that the ledger cannot be written", async || {
        !status(&daemon).await["ledger"]["error"].is_null()
    })
    .await;
    assert_eq!(rig.writes(), [""; 0], "no call leaves without its intent");
    ledger.execute("DROP TRIGGER full").await.unwrap();
    eventually(60, "it goes on by itself", async || rig.visit("web").await == Some((200, "web one\n".to_owned())))
        .await;
    daemon.wait_until_settled().await;
    assert_eq!(daemon.stop().await, 0);
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_command_on_a_full_disk_writes_nothing() {
    let mut rig = Rig::start().await;
    let disk = SmallDisk::mount(&rig);
    rig.settings.insert("state".to_owned(), json!("./small/amarre.db"));
    rig.configure();
    rig.write("web.yaml", WEB);
    rig.apply().await;
    disk.fill();
    docker(&["rm", "-f", &rig.name("web")]);
    rig.forget();
    let refused = rig.run(&["apply", "--yes", "--timeout", "20s"]).await;
    assert_eq!(refused.code, 1, "{refused}");
    let says = |text: &str| text.contains("A0903") && text.contains(" is full: 0 MiB of 2 MiB are free");
    assert!(says(&format!("{refused}")) && format!("{refused}").contains("df -h"), "{refused}");
    let destroyed = rig.run(&["destroy", "web", "--yes", "--timeout", "20s"]).await;
    assert!(says(&format!("{destroyed}")) && !format!("{destroyed}").contains("A1002"), "{destroyed}");
    let examined = rig.run(&["doctor"]).await;
    assert!(says(&examined.out) && examined.code == 1, "{examined}");
    assert_eq!(rig.writes(), [""; 0]);
    // Reading takes room for SQLite's index of its log, unless the refused command has left one behind.
    let status = rig.run(&["status", "--all"]).await;
    let read = status.out.contains("web");
    assert!(read || says(&status.err), "{status}");
    disk.give_back();
    rig.apply().await;
    rig.assert_serves("web", "web one").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lost_ledger_loses_no_resource() {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.write("other.yaml", &like_web("other"));
    rig.apply().await;
    let (before, records) = (rig.containers(), rig.ovh.records("example.org"));
    for file in ["amarre.db", "amarre.db-wal", "amarre.db-shm"] {
        let _ = std::fs::remove_file(rig.state().join(file));
    }
    rig.forget();
    rig.apply().await;
    assert_eq!(rig.writes(), [""; 0], "what is there is ours and as wanted");
    assert_eq!(rig.containers(), before);
    assert_eq!(rig.ovh.records("example.org"), records);
    // Ownership is found again: what is not wanted any more goes.
    rig.remove("other.yaml");
    rig.apply().await;
    assert_eq!(rig.containers().keys().collect::<Vec<_>>(), [&rig.name("web")]);
    assert!(rig.host(&rig.domain("other")).is_none());
    assert!(rig.records().iter().all(|line| !line.contains("other")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ledger_has_one_writer() {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    let daemon = rig.daemon().await;
    let second = rig.run(&["run", "--yes"]).await;
    assert_eq!(second.code, 1, "{second}");
    assert!(second.err.contains("A0902"), "{second}");
    // Commands go to the daemon instead.
    rig.apply().await;
    daemon.kill().await;
    // The kernel releases the lock, and a socket without a listener is no daemon.
    rig.forget();
    rig.apply().await;
    assert_eq!(rig.writes(), [""; 0]);
}

/// The first run on a new ledger only plans: a wrong configuration shows before it does harm.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_ledger_writes_nothing_before_consent() {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    let daemon = rig.daemon_with("").await;
    let asked = rig.gate.asked().len();
    rig.write("other.yaml", &like_web("other"));
    eventually(60, "it looks again", async || {
        rig.gate.asked().len() > asked && status(&daemon).await["services"].as_array().unwrap().len() == 2
    })
    .await;
    assert_eq!(rig.writes(), [""; 0]);
    assert_eq!(rig.plan_exit().await, 2);
    rig.apply().await;
    rig.assert_serves("web", "web one").await;
    assert_eq!(daemon.stop().await, 0);
    // That was the word: it holds after a restart as well.
    let daemon = rig.daemon_with("").await;
    docker_rm_all(&rig);
    eventually(60, "it puts right by itself", async || rig.visit("web").await == Some((200, "web one\n".to_owned())))
        .await;
    assert_eq!(daemon.stop().await, 0);
}

fn docker_rm_all(rig: &Rig) {
    for name in rig.containers().keys() {
        docker(&["rm", "-f", name]);
    }
}
