//! Commands for one service: `rollback`, `cancel`, `retry`, `logs`.

use std::process::Stdio;

use amarre_sim::docker::{Behaviour, ImageSpec};
use amarre_sim::npm::Issuance;
use serde_json::Value as Json;

use super::ends;
use super::rig::{Rig, end};
use crate::support::eventually;
use crate::support::following::Following;

const WEB: &str = "name: web\nimage: web:1\nport: 80\nupdate: {drain: 0s}\n";

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_goes_back_with_a_daemon_and_without() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    ends(&rig.run(&["rollback", "web", "--dry-run"]).await, 1, &["A0414", "nothing that web could go back to"]);
    ends(&rig.run(&["rollback", "nobody", "--yes"]).await, 1, &["A1002"]);
    ends(&rig.run(&["rollback"]).await, 2, &["<SERVICE>"]);
    rig.file("services/web.yaml", &WEB.replace("web:1", "web:2"));
    rig.apply().await;

    let dry = rig.run(&["rollback", "web", "--dry-run"]).await;
    ends(&dry, 0, &["web   back to ", "web:2 → web:1", "± container     web", "data never does"]);
    assert!(dry.out.lines().all(|line| line.chars().count() <= 90), "{}", dry.out);
    ends(&rig.run(&["rollback", "web"]).await, 4, &["A0402", "amarre rollback web --yes"]);
    let image = |rig: &Rig| {
        let web = rig.docker.containers().into_iter().find(|one| one["Name"] == "/web").unwrap();
        web["Config"]["Image"].as_str().unwrap().to_owned()
    };
    assert_eq!(image(&rig), "web:2");
    ends(
        &rig.run(&["rollback", "web", "--yes"]).await,
        0,
        &["web is back at ", "1 created", "until amarre resume web"],
    );
    assert_eq!(image(&rig), "web:1");
    let plan = rig.run(&["plan", "--detailed-exitcode"]).await;
    ends(&plan, 0, &["nothing to do", "web is left alone: suspended by "]);
    ends(&rig.run(&["status", "web"]).await, 0, &["rolled back to "]);
    ends(&rig.run(&["rollback", "web", "--yes"]).await, 1, &["A0416"]);

    let daemon = rig.daemon(&["--yes"], &[]).await;
    assert_eq!(image(&rig), "web:1", "a daemon keeps to it");
    ends(&rig.run(&["resume", "web"]).await, 0, &[]);
    ends(&rig.run(&["reconcile", "web"]).await, 0, &[]);
    assert_eq!(image(&rig), "web:2");
    ends(&rig.run(&["rollback", "web", "--yes"]).await, 0, &["web is back at "]);
    assert_eq!(image(&rig), "web:1");
    let status = json(&rig.run(&["status", "web", "-o", "json"]).await.out);
    let types: Vec<&str> =
        status["conditions"].as_array().unwrap().iter().map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["Parsed", "Converged", "Serving", "Suspended"], "{status}");
    ends(&rig.run(&["cancel", "web"]).await, 1, &["A0415", "left alone already"]);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_restarts_with_a_daemon_and_without() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    ends(&rig.run(&["restart", "web", "--yes"]).await, 1, &["A0404"]);
    rig.apply().await;
    let web = |rig: &Rig| rig.docker.containers().into_iter().find(|one| one["Name"] == "/web").unwrap();
    let started = |rig: &Rig| web(rig)["State"]["StartedAt"].as_str().unwrap().to_owned();
    let first = started(&rig);
    ends(&rig.run(&["restart"]).await, 2, &["<SERVICE>"]);
    ends(&rig.run(&["restart", "wbe", "--yes"]).await, 1, &["A1002", "did you mean web?"]);
    ends(&rig.run(&["restart", "web", "db", "--yes"]).await, 1, &["A1002", "its containers: web"]);
    ends(&rig.run(&["restart", "web", "--dry-run"]).await, 0, &["web   restart; each", "web:1, stops within 10 s"]);
    let french = rig.run(&["--lang", "fr", "restart", "web", "--dry-run"]).await;
    ends(&french, 0, &["web   redémarrage", "conteneur", "web:1, s’arrête en 10 s au plus"]);
    ends(&rig.run(&["restart", "web"]).await, 4, &["A0402", "amarre restart web --yes"]);
    assert_eq!(started(&rig), first, "nobody agreed");
    // Without a daemon nothing but the restart is done.
    rig.file("services/web.yaml", &WEB.replace("web:1", "web:2"));
    let done = rig.run(&["restart", "web", "--yes"]).await;
    ends(&done, 0, &["ok container web restart", "web is restarted and ready again after "]);
    let second = started(&rig);
    assert_ne!(second, first);
    assert_eq!(web(&rig)["Config"]["Image"], "web:1");
    rig.file("services/web.yaml", WEB);
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 0, &["nothing to do"]);

    let daemon = rig.daemon(&["--yes"], &[]).await;
    ends(&rig.run(&["restart", "web", "web", "--yes"]).await, 0, &["web is restarted and ready again"]);
    assert_ne!(started(&rig), second);
    ends(&rig.run(&["events", "web", "--kind", "restart"]).await, 0, &["performed", "restart by "]);
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 0, &["nothing to do"]);
    ends(&rig.run(&["suspend", "web"]).await, 0, &[]);
    ends(&rig.run(&["restart", "web", "--yes"]).await, 1, &["A0403", "amarre resume web"]);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn followed_logs_go_on_with_the_next_version() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    // Without a daemon.
    let mut alone = Following::start(rig.command(&["logs", "-f", "web"]));
    assert_eq!(alone.next().await, "listening");
    rig.docker.print("web", 1, "one\ntw").unwrap();
    assert_eq!(alone.next().await, "one");
    rig.docker.print("web", 1, "o\n").unwrap();
    assert_eq!(alone.next().await, "two");
    rig.docker.print("web", 1, "three\n").unwrap();
    assert_eq!(alone.next().await, "three");
    assert_eq!(alone.end().await, Some(0));

    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut all = Following::start(rig.command(&["logs", "--follow", "-n", "1"]));
    assert_eq!(all.next().await, "web | three");
    let mut document = Following::start(rig.command(&["logs", "-f", "web", "-n", "1", "-o", "json"]));
    let line = json(&document.next().await);
    assert_eq!((&line["container"], &line["line"]), (&Json::from("web"), &Json::from("three")), "{line}");
    rig.file("services/web.yaml", &WEB.replace("web:1", "web:2"));
    ends(&rig.run(&["reconcile"]).await, 0, &[]);
    // The new one, from its first line; the old one had no more to say.
    assert_eq!(all.next().await, "web | listening");
    rig.docker.print("web", 2, "four\n").unwrap();
    assert_eq!(all.next().await, "web | four");
    let next = [json(&document.next().await), json(&document.next().await)];
    assert_eq!((&next[0]["line"], &next[1]["line"]), (&Json::from("listening"), &Json::from("four")), "{next:?}");
    assert_ne!(next[0]["generation"], line["generation"]);
    assert_eq!((all.end().await, document.end().await), (Some(0), Some(0)));
    ends(&rig.run(&["logs", "-f", "nobody"]).await, 1, &["A1002"]);
    ends(&rig.run(&["logs", "-f", "--last-failed"]).await, 2, &["cannot be used with"]);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn container_logs_are_shown_with_and_without_a_daemon() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    ends(&rig.run(&["logs", "web"]).await, 0, &["listening\n"]);
    ends(&rig.run(&["logs", "nobody"]).await, 1, &["A1002"]);
    ends(&rig.run(&["logs", "web", "--last-failed"]).await, 1, &["A0516"]);
    ends(&rig.run(&["logs", "-n", "0"]).await, 2, &["0 is not in 1..=1000"]);
    let sick = |behaviour| ImageSpec { behaviour, id: "sick".to_owned(), ..ImageSpec::new("sick:1") };
    rig.docker.image(sick(Behaviour::Exit(3)));
    rig.file("services/web.yaml", &WEB.replace("web:1", "sick:1"));
    ends(&rig.run(&["apply", "--yes", "--timeout", "40s"]).await, 3, &["amarre logs web --last-failed"]);
    let text = "exiting with code 3\n";
    ends(&rig.run(&["logs", "web", "--last-failed"]).await, 0, &["==> web, sick:1, failed ", text]);
    ends(&rig.run(&["status", "web"]).await, 0, &["last line exiting with code 3", "serving   web:1, up "]);

    let daemon = rig.daemon(&["--yes"], &[]).await;
    ends(&rig.run(&["logs", "web", "--last-failed"]).await, 0, &[text]);
    let document = json(&rig.run(&["logs", "-n", "1", "-o", "json"]).await.out);
    assert_eq!(document["containers"][0]["lines"], serde_json::json!(["listening"]), "{document}");
    // It would work now, but the same version is not tried again without a request.
    rig.docker.load_image(sick(Behaviour::Serve));
    ends(&rig.run(&["reconcile", "web"]).await, 3, &["A0512"]);
    ends(&rig.run(&["retry", "web"]).await, 0, &["1 created"]);
    ends(&rig.run(&["retry", "nobody"]).await, 1, &["A1002"]);
    ends(&rig.run(&["logs", "web", "--last-failed"]).await, 0, &[text]);
    assert_eq!(end(daemon).await, 0);
}

/// `apply` ends when all that is left waits for the next order, says when that is, and orders nothing before.
#[tokio::test(flavor = "multi_thread")]
async fn an_unobtainable_certificate_holds_up_no_command() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    config["certificates"] = serde_json::json!({"port80": "assume"});
    rig.file("amarre.yaml", &config.to_string());
    rig.file("services/web.yaml", &format!("{WEB}ssl: true\n"));
    rig.npm.set_issuance(Issuance::ChallengesFail);
    for command in [&["apply", "--yes"][..], &["apply", "--yes"], &["reconcile", "web"]] {
        let ended = rig.run(command).await;
        ends(&ended, 3, &["Some challenges have failed", "amarre retry web"]);
        assert!(!ended.out.contains("Time is up"), "{}", ended.out);
    }
    let orders =
        || rig.npm.server.journal.writes().iter().filter(|call| call.path == "/api/nginx/certificates").count();
    assert_eq!(orders(), 1);
    ends(&rig.run(&["plan"]).await, 0, &["not asked for another "]);
    rig.npm.set_issuance(Issuance::Granted);
    ends(&rig.run(&["retry", "web"]).await, 0, &[]);
    assert_eq!(orders(), 2);
    let status = json(&rig.run(&["status", "web", "-o", "json"]).await.out);
    assert_eq!(status["urls"][0]["url"], "https://web.example.org", "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn destroy_all_works_beside_a_broken_manifest_that_made_nothing() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    rig.file("services/bad.yaml", "name: bad\nimage: [1]\n");
    ends(&rig.run(&["destroy", "--all", "--yes"]).await, 0, &["Destroyed web"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_command_and_the_next_one_goes_on() {
    let rig = Rig::start().await;
    let slow = ImageSpec { behaviour: Behaviour::HealthyAfter(u32::MAX), ..ImageSpec::new("slow:1") };
    rig.docker.load_image(slow.clone());
    rig.file("services/web.yaml", &WEB.replace("web:1", "slow:1"));
    let mut command = rig.command(&["apply", "--yes"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(60, "it waits for the container", async || {
        rig.docker.containers().iter().any(|row| row["Name"] == "/web")
    })
    .await;
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ended = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("A0904") && said.contains("stopping after the running step"), "{said}");
    // What was done is kept, and the next command goes on from there.
    rig.docker.load_image(ImageSpec { behaviour: Behaviour::Serve, ..slow });
    rig.file("services/web.yaml", WEB);
    rig.apply().await;
    ends(&rig.run(&["plan", "--detailed-exitcode"]).await, 0, &[]);
}

/// By its key in the manifest an address calls it otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_goes_is_called_as_docker_called_it() {
    let rig = Rig::start().await;
    rig.file("services/solo.yaml", "name: solo\ncontainers: {app: {image: 'web:1'}}\n");
    rig.apply().await;
    let gone = rig.run(&["destroy", "solo", "--yes"]).await;
    ends(&gone, 0, &["ok container solo removed", "Destroyed solo"]);
}
