//! Reports of failures and waits: last lines, codes, how a wait ends.

use amarre::engine::commands::logs;
use amarre::engine::commands::logs::LogsQuery;
use amarre::engine::reconcile::daemon;
use amarre::engine::reconcile::daemon::Behaviour as Conduct;
use amarre::engine::report;
use amarre::engine::report::service_list::ListQuery;
use amarre_core::model::Millis;
use amarre_core::plan::render::Style;
use amarre_sim::docker::{Behaviour, ImageSpec};
use amarre_sim::npm;
use serde_json::Value as Json;

use super::plain;
use crate::support::stepped::Stepped;

fn sick(rig: &Stepped, reference: &str, behaviour: Behaviour) {
    rig.docker.image(ImageSpec { behaviour, id: reference.to_owned(), ..ImageSpec::new(reference) });
}

fn text(rig: &Stepped, service: &str) -> String {
    let pass = rig.last_pass();
    report::service_text(&pass, service, &[], pass.at, Style::PLAIN).unwrap()
}

fn document(rig: &Stepped, service: &str) -> Json {
    let pass = rig.last_pass();
    report::service_json(&pass, &pass.statuses()[service])
}

fn conditions(document: &Json) -> Vec<String> {
    let all = document["conditions"].as_array().unwrap();
    let word = |one: &Json, key: &str| one[key].as_str().unwrap().to_owned();
    all.iter().map(|one| format!("{} {} {}", word(one, "type"), word(one, "status"), word(one, "reason"))).collect()
}

/// Runs passes for a while, whether or not everything is settled.
async fn go_on(rig: &mut Stepped, looks: usize) {
    for _ in 0..looks {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(2));
    }
}

/// A candidate that exits goes, and what it said stays, without the secret in it.
#[tokio::test]
async fn a_candidate_that_failed_leaves_its_last_lines() {
    let mut rig = Stepped::start().await;
    let manifest = format!("{}environment: {{PASSWORD: {{secret: web}}}}\n", plain("web"));
    rig.write("web.yaml", &manifest);
    rig.settle().await;
    sick(&rig, "sick:1", Behaviour::SlowStart(1_000_000));
    rig.write("web.yaml", &manifest.replace("web:1", "sick:1"));
    go_on(&mut rig, 4).await;
    let candidate = rig
        .docker
        .containers()
        .iter()
        .map(|one| one["Name"].as_str().unwrap().to_owned())
        .find(|name| name.starts_with("/web-"))
        .unwrap();
    let printed = "starting\nconnecting with `value of web`\ncould not translate host name \"dbb\" to address\n";
    rig.docker.print(&candidate, 2, printed).unwrap();
    rig.clock.advance(Millis::minutes(3));
    rig.pass_until_settled().await;
    assert!(!rig.docker.containers().iter().any(|one| one["Name"] == candidate), "the candidate is gone");

    let document = document(&rig, "web");
    let error = &document["error"];
    assert_eq!(error["code"], "A0512");
    assert_eq!(error["failure"]["last_line"], "could not translate host name \"dbb\" to address");
    assert_eq!(error["count"], 1);
    assert_eq!(document["stalled"], true);
    let told = ["Parsed True Good", "Converged False NotHealthy", "Serving True LastGood", "Stalled True NotHealthy"];
    assert_eq!(conditions(&document), told);
    let text = text(&rig, "web");
    for line in [
        "      last line could not translate host name \"dbb\" to address",
        "      serving   web:1, up ",
        "      next      nothing by itself: the same is not tried again",
        "amarre logs web --last-failed",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }

    let (handle, daemon, shutdown) = daemon::start(rig.another_engine().await, Conduct { acts: false, watches: false });
    let asks = async {
        let of =
            |name: &str, last_failed| LogsQuery { name: Some(name.to_owned()), last_failed, ..LogsQuery::default() };
        let failed = logs::logs(&handle, &of("web", true)).await.unwrap();
        assert!(failed.text.contains("connecting with `(hidden)`\n"), "{}", failed.text);
        assert!(failed.text.starts_with("==> web, sick:1, failed "), "{}", failed.text);
        let now = logs::logs(&handle, &of("container/web", false)).await.unwrap();
        assert_eq!((now.exit, now.text.as_str()), (0, "listening\n"));
        // The page shows both below each other.
        let headed = LogsQuery { with_headings: true, ..of("web", false) };
        let headed = logs::logs(&handle, &headed).await.unwrap();
        assert!(headed.text.starts_with("==> ") && headed.text.ends_with("listening\n"), "{}", headed.text);
        assert_eq!(logs::logs(&handle, &of("none", false)).await.unwrap().document["error"]["code"], "A1002");
        assert_eq!(
            logs::logs(&handle, &LogsQuery::default()).await.unwrap().document["containers"].as_array().unwrap().len(),
            1
        );
        shutdown.notify_one();
    };
    tokio::join!(daemon, asks);
    // What is kept is kept without it, too.
    let ledger = std::fs::read(rig.folder.path().join("ledger-0.db")).unwrap();
    let wal = std::fs::read(rig.folder.path().join("ledger-0.db-wal")).unwrap_or_default();
    assert!(![ledger, wal].iter().any(|bytes| String::from_utf8_lossy(bytes).contains("value of web")));

    rig.write("web.yaml", &manifest);
    rig.settle().await;
    assert!(rig.last_pass().last_failures.len() == 1 && document_is_well(&rig, "web"));
}

/// Once a candidate is gone, no text has Docker restart it: what is told is how it ended.
#[tokio::test]
async fn a_candidate_that_exited_and_is_gone_is_not_said_to_be_restarted() {
    let mut rig = Stepped::start().await;
    rig.write("web.yaml", &plain("web"));
    rig.settle().await;
    sick(&rig, "sick:1", Behaviour::Exit(3));
    rig.write("web.yaml", &plain("web").replace("web:1", "sick:1"));
    rig.pass_until_settled().await;
    assert_eq!(rig.docker.containers().iter().filter(|one| one["Config"]["Image"] == "sick:1").count(), 0);
    let (text, document) = (text(&rig, "web"), document(&rig, "web").to_string());
    let plan = report::plan_text(&rig.last_pass(), Style::PLAIN);
    for said in [&text, &document, &plan] {
        assert!(said.contains("exited with code 3") && !said.contains("being restarted"), "{said}");
    }
}

/// A deploy begins with its manifest: what an earlier one did a moment before is no part of it.
#[tokio::test]
async fn another_manifest_is_another_deploy() {
    let mut rig = Stepped::start().await;
    rig.write("web.yaml", &plain("web"));
    rig.settle().await;
    sick(&rig, "sick:1", Behaviour::Exit(3));
    let began = |rig: &Stepped| rig.last_pass().deploys_since.get("web").copied();
    let first = began(&rig);
    rig.clock.advance(Millis::minutes(1));
    rig.write("web.yaml", &plain("web").replace("web:1", "sick:1"));
    rig.pass_until_settled().await;
    let failed = began(&rig);
    assert!(failed > first, "{failed:?} {first:?}");
    rig.clock.advance(Millis::seconds(2));
    // The same once more is a deploy of its own, and so is another manifest while that goes on.
    assert_eq!(rig.engine.retry("web").await.unwrap(), 1);
    rig.pass().await;
    let again = began(&rig);
    assert!(again > failed, "{again:?} {failed:?}");
    rig.clock.advance(Millis::seconds(2));
    rig.write("web.yaml", &plain("web").replace("web:1", "web:2"));
    rig.pass().await;
    let other = began(&rig);
    assert!(other > again, "{other:?} {again:?}");
    rig.settle().await;
    assert_eq!(began(&rig), other, "to its end it is one deploy");
}

fn document_is_well(rig: &Stepped, service: &str) -> bool {
    let document = document(rig, service);
    conditions(&document) == ["Parsed True Good", "Converged True Synced", "Serving True Serving"]
        && document["error"].is_null()
}

/// Docker restarts it over and over: that is reported with code and count, and nothing is re-created.
#[tokio::test]
async fn a_container_that_docker_restarts_is_degraded_and_never_recreated() {
    let mut rig = Stepped::start().await;
    rig.write("web.yaml", &plain("web"));
    rig.settle().await;
    let id = |rig: &Stepped| {
        rig.docker.containers().into_iter().find(|one| one["Name"] == "/web").map(|one| one["Id"].clone())
    };
    let before = id(&rig);
    rig.docker.behave("web", Behaviour::Exit(3)).unwrap();
    rig.docker.crash("web").unwrap();
    rig.forget();
    go_on(&mut rig, 3).await;
    assert_eq!((id(&rig), rig.writes().len()), (before.clone(), 0), "{:?}", rig.writes());
    let found = document(&rig, "web");
    assert_eq!((&found["health"], &found["error"]["code"]), (&"Degraded".into(), &"A0512".into()));
    assert_eq!(found["error"]["failure"]["exit_code"], 3);
    assert_eq!(found["error"]["failure"]["last_line"], "exiting with code 3");
    let text = text(&rig, "web");
    assert!(text.contains("      exit      code 3, restarted "), "{text}");
    assert!(text.contains("nothing by itself: Docker restarts it, which has not helped so far"), "{text}");
    rig.docker.behave("web", Behaviour::Serve).unwrap();
    rig.docker.start_container("web").ok();
    rig.clock.advance(Millis::minutes(2));
    go_on(&mut rig, 8).await;
    assert_eq!(id(&rig), before);
}

/// The first generation of all has nothing to go back to: it is left, and said to be late.
#[tokio::test]
async fn a_first_container_that_is_never_ready_has_a_limit_that_is_shown() {
    let mut rig = Stepped::start().await;
    sick(&rig, "sick:1", Behaviour::SlowStart(1_000_000));
    rig.write("web.yaml", &plain("web").replace("web:1", "sick:1"));
    go_on(&mut rig, 12).await;
    let found = document(&rig, "web");
    assert_eq!(found["health"], "Progressing");
    assert_eq!((&found["waiting"]["limit_s"], &found["waiting"]["by_itself"]), (&120.into(), &true.into()));
    let said = text(&rig, "web");
    assert!(said.contains(" of 2:00") && said.contains("by itself, as soon as it is ready"), "{said}");
    rig.clock.advance(Millis::minutes(3));
    rig.pass_until_settled().await;
    let found = document(&rig, "web");
    assert_eq!((&found["health"], &found["stalled"]), (&"Degraded".into(), &true.into()));
    assert!(rig.npm.rows(npm::Kind::ProxyHost).len() == 1, "only the foreign one: nothing leads to it");
    assert!(text(&rig, "web").contains("not healthy after 2 min"), "{}", text(&rig, "web"));
    assert!(rig.docker.containers().iter().any(|one| one["Name"] == "/web"), "it may yet come");
}

/// A new revision takes the place of what is waited for.
#[tokio::test]
async fn a_change_of_the_manifest_supersedes_a_wait() {
    let mut rig = Stepped::start().await;
    rig.write("web.yaml", &plain("web"));
    rig.settle().await;
    sick(&rig, "sick:1", Behaviour::SlowStart(1_000_000));
    rig.write("web.yaml", &plain("web").replace("web:1", "sick:1"));
    go_on(&mut rig, 8).await;
    let images = |rig: &Stepped| -> Vec<String> {
        let ours =
            rig.docker.containers().into_iter().filter(|one| one["Config"]["Labels"]["io.amarre.service"] == "web");
        ours.map(|one| one["Config"]["Image"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(images(&rig), ["web:1", "sick:1"], "the candidate is waited for");
    assert!(document(&rig, "web")["waiting"]["limit_s"] == 120, "{}", document(&rig, "web"));
    rig.write("web.yaml", &plain("web").replace("web:1", "web:2"));
    rig.settle().await;
    assert_eq!(images(&rig), ["web:2"]);
    assert!(rig.last_pass().facts.failed.is_empty(), "it was dropped, not judged");
}

/// As a record is called.
const RECORD: &str = "one-a";

/// A record has its limit from the configuration, and a late one differs from one on its way.
#[tokio::test]
async fn a_record_that_does_not_propagate_is_late_after_its_limit() {
    let mut rig = Stepped::start().await;
    rig.ovh.server.faults.add("POST", "/1.0/domain/zone/example.org/refresh", 99, amarre_sim::Fault::Before(500));
    rig.write("one.yaml", "{kind: Record, name: one, type: A, value: 203.0.113.77}\n");
    go_on(&mut rig, 3).await;
    let found = document(&rig, RECORD);
    assert_eq!((&found["waiting"]["limit_s"], &found["stalled"]), (&600.into(), &false.into()), "{found}");
    rig.clock.advance(Millis::minutes(11));
    rig.pass().await;
    assert_eq!(document(&rig, RECORD)["stalled"], true);
    rig.ovh.server.faults.clear();
    rig.clock.advance(Millis::minutes(6));
    rig.settle().await;
    assert_eq!(document(&rig, RECORD)["stalled"], false);
}

/// A change that the vendor refuses is tried again, and both are said: when, and that the same was refused.
#[tokio::test]
async fn a_refused_change_names_its_next_try() {
    let mut rig = Stepped::start().await;
    rig.ovh.server.faults.add("POST", "/1.0/domain/zone/example.org/record", 99, amarre_sim::Fault::Before(400));
    rig.write("one.yaml", "{kind: Record, name: one, type: A, value: 203.0.113.77}\n");
    go_on(&mut rig, 3).await;
    let found = document(&rig, RECORD);
    assert_eq!((&found["stalled"], &found["waiting"]["by_itself"]), (&true.into(), &true.into()), "{found}");
    assert!(found["next_try_at"].is_string() && found["next_try_at"] == found["waiting"]["next_at"], "{found}");
    let text = text(&rig, RECORD);
    assert!(text.contains(" by itself; the same was refused before"), "{text}");
    assert!(!text.contains("nothing by itself"), "{text}");
}

/// The result of a pass is shown later: times are rendered as of then, and machines get instants.
#[tokio::test]
async fn times_are_rendered_as_of_the_moment_of_display() {
    let mut rig = Stepped::start().await;
    rig.write("web.yaml", &plain("web"));
    rig.settle().await;
    rig.write("two.yaml", &plain("two"));
    rig.settle().await;
    rig.docker.stop("two").unwrap();
    rig.pass().await;
    let pass = rig.last_pass();
    let shown = |service: &str, later: Millis| {
        report::service_text(&pass, service, &[], pass.at + later, Style::PLAIN).unwrap()
    };
    let next = pass.statuses()["two"].waiting.as_ref().and_then(|waiting| waiting.ends_at()).unwrap();
    let left = next - pass.at;
    assert!(left.0 >= 10_000, "there is a grace: {left:?}");
    let told = |left: Millis| format!("stopped outside Amarre; started again in {left}\n");
    assert!(shown("two", Millis(0)).contains(&told(left)), "{}", shown("two", Millis(0)));
    let later = Millis::seconds(9);
    assert!(shown("two", later).contains(&told(Millis(left.0 - later.0))), "{}", shown("two", later));
    let due = shown("two", Millis(left.0 + 14_000));
    assert!(due.contains("; started again now\n") && due.contains("next      now, by itself\n"), "{due}");
    let listed =
        report::status_text(&pass, ListQuery { wide: true, ..ListQuery::default() }, next, Some(next), Style::PLAIN);
    assert!(listed.contains("next run now\n") && listed.contains("; started again now\n"), "{listed}");

    assert!(shown("web", Millis::minutes(180)).contains("healthy, up 3 h\n"), "{}", shown("web", Millis::minutes(180)));
    let web = document(&rig, "web");
    let container = web["resources"].as_array().unwrap().iter().find(|one| one["kind"] == "container").unwrap();
    assert_eq!(container["detail"], "healthy");
    assert!(container["since"].is_string(), "{container:#}");
    let two = document(&rig, "two");
    assert_eq!(two["next_try_at"], next.rfc3339());
    assert_eq!(two["what_now"], "stopped outside Amarre");
}
