//! Jobs before updates, services that need others, containers that wait for the end of others.

use amarre::engine::report;
use amarre::engine::report::service_list::ListQuery;
use amarre_core::model::world::Suspension;
use amarre_core::model::{Code, Language, Millis, Timestamp};
use amarre_core::plan::render::Style;
use amarre_core::text;
use serde_json::{Value as Json, json};

use crate::support::sentences;
use crate::support::stepped::Stepped;

/// A container with data, and a job before it is updated.
pub const VAULT: &str = "
name: vault
containers:
  app: {image: 'db:1', environment: {MODE: one}, volumes: ['data:/data']}
jobs:
  backup: {image: 'web:1', command: ['true'], volumes: ['data:/data:ro', 'dumps:/dumps'], timeout: 10m}
";

fn find(rig: &Stepped, name: &str) -> Option<Json> {
    rig.docker.containers().into_iter().find(|container| container["Name"] == format!("/{name}"))
}

fn id(rig: &Stepped, name: &str) -> String {
    find(rig, name).unwrap_or_else(|| panic!("no container {name}"))["Id"].as_str().unwrap().to_owned()
}

/// Runs passes until everything is settled, and then a few more that write nothing.
async fn settle_quietly(rig: &mut Stepped) {
    rig.pass_until_settled().await;
    rig.forget();
    for _ in 0..3 {
        rig.clock.advance(Millis::minutes(6));
        rig.pass().await;
    }
    assert_eq!(rig.writes(), [""; 0]);
}

/// The text and the document of a service.
fn status_text(rig: &Stepped, name: &str) -> (String, Json) {
    let pass = rig.last_pass();
    let text = report::service_text(&pass, name, &[], pass.at, Style::PLAIN).unwrap();
    (text, report::service_json(&pass, &status_of(rig, name)))
}

fn condition<'a>(document: &'a Json, name: &str) -> &'a Json {
    document["conditions"].as_array().unwrap().iter().find(|one| one["type"] == name).unwrap()
}

/// The resource of a job.
fn resource<'a>(document: &'a Json, job: &str) -> &'a Json {
    document["resources"].as_array().unwrap().iter().find(|one| one["job"] == job).unwrap()
}

fn status_of(rig: &Stepped, name: &str) -> amarre::engine::report::status::ServiceStatus {
    rig.last_pass().statuses()[name].clone()
}

#[tokio::test]
async fn what_waits_is_said_in_french_without_an_english_sentence() {
    let mut rig = Stepped::start().await;
    rig.write("vault.yaml", VAULT);
    rig.write("one.yaml", "name: one\nimage: web:1\n");
    rig.settle().await;
    let sick = VAULT.replace("MODE: one", "MODE: two").replace("['true']", "[sh, -c, 'exit 3']");
    rig.write("vault.yaml", &sick);
    let now = rig.clock_now();
    let suspension = Suspension {
        by: "anna".to_owned(),
        why: text!("rolled back to {version}", version = "5e1c0aa"),
        destroy: false,
        purge: false,
        at: now,
        until: Some(now + Millis::minutes(60)),
    };
    rig.engine.ledger().suspend("one", &suspension).await.unwrap();
    settle_quietly(&mut rig).await;
    let pass = rig.last_pass();
    let say = |language: Language| -> String {
        let style = Style { language, ..Style::PLAIN };
        let one = |name: &str| report::service_text(&pass, name, &[], pass.at, style).unwrap();
        let list = report::status_text(&pass, ListQuery { all: true, ..ListQuery::default() }, pass.at, None, style);
        format!("{}{}{list}", one("vault"), one("one"))
    };
    let (english, french) = (say(Language::En), say(Language::Fr));
    let said = sentences::parts_said(&english);
    for part in
        ["nothing by itself: ", "the same is not tried again", "suspended by ", "to take it up again", "last line"]
    {
        assert!(said.iter().any(|known| known.contains(part.trim())), "{part:?} is not shown: {said:?}\n{english}");
    }
    sentences::none_left(&english, &french);
    for part in [
        "essayé ",
        "dernière ligne ",
        "rien d’automatique\u{a0}: la même version n’est pas réessayée",
        "suspendu par anna jusqu’à ",
        "retour à 5e1c0aa",
    ] {
        assert!(french.contains(part), "{part:?} is not in {french}");
    }
    let document = report::service_json(&pass, &status_of(&rig, "one"));
    let waits = report::service_json(&pass, &status_of(&rig, "vault"));
    assert_eq!(waits["waiting"]["template"], "{thing}: {why}", "{waits:#}");
    assert!(document["what_now"].as_str().unwrap().starts_with("suspended by anna until "), "{document:#}");
}

#[tokio::test]
async fn a_job_runs_once_before_each_update_and_not_at_first() {
    let mut rig = Stepped::start().await;
    rig.write("vault.yaml", VAULT);
    rig.settle().await;
    assert_eq!(find(&rig, "vault-backup"), None, "there is nothing to back up yet");
    let mut last = String::new();
    for mode in ["two", "three"] {
        let app = id(&rig, "vault");
        rig.forget();
        rig.write("vault.yaml", &VAULT.replace("MODE: one", &format!("MODE: {mode}")));
        rig.settle().await;
        let job = find(&rig, "vault-backup").unwrap();
        assert_ne!(job["Id"], last, "each update has its own");
        assert_eq!((&job["State"]["Running"], &job["State"]["ExitCode"]), (&Json::Bool(false), &Json::from(0)));
        assert_ne!(id(&rig, "vault"), app);
        assert!(job["State"]["FinishedAt"].as_str() < find(&rig, "vault").unwrap()["Created"].as_str());
        let status = status_of(&rig, "vault");
        assert_eq!(status.health.word(), "Healthy", "{status:?}");
        last = job["Id"].as_str().unwrap().to_owned();
    }
    rig.restart_without_ledger().await;
    rig.settle().await;
    assert_eq!(id(&rig, "vault-backup"), last, "it is ours and quiet without a ledger, too");
}

#[tokio::test]
async fn a_job_that_fails_stops_the_update_before_anything_else() {
    let mut rig = Stepped::start().await;
    rig.write("vault.yaml", VAULT);
    rig.settle().await;
    let app = id(&rig, "vault");
    let sick = VAULT.replace("MODE: one", "MODE: two").replace("['true']", "[sh, -c, 'exit 3']");
    rig.write("vault.yaml", &sick);
    settle_quietly(&mut rig).await;
    assert_eq!(id(&rig, "vault"), app);
    assert_eq!(find(&rig, "vault").unwrap()["State"]["Running"], true);
    assert_eq!(find(&rig, "vault-backup-failed").unwrap()["State"]["ExitCode"], 3);
    let status = status_of(&rig, "vault");
    assert_eq!(status.health.word(), "Degraded", "{status:?}");
    assert_eq!(status.code, Some(Code::A0536), "{status:?}");
    assert!(status.what_now.to_string().contains("exited with code 3"), "{status:?}");
    let (text, document) = status_text(&rig, "vault");
    for line in [
        "✗ job           vault-backup ",
        "tried     ",
        "exit      code 3",
        "last line exiting with code 3",
        "not tried again",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    assert!(!text.contains("serving   "), "a job serves nobody: {text}");
    let waiting = &document["waiting"];
    assert_eq!((&waiting["job"], &waiting["by_itself"]), (&json!("backup"), &json!(false)), "{document:#}");
    assert!(waiting["what"].as_str().unwrap().starts_with("job backup: ") && waiting["since"].is_string());
    let failure = &resource(&document, "backup")["failure"];
    assert_eq!(
        (&failure["exit_code"], &failure["last_line"]),
        (&json!(3), &json!("exiting with code 3")),
        "{failure:#}"
    );
    let reasons = ["Converged", "Serving", "Stalled"].map(|name| condition(&document, name)["reason"].clone());
    assert_eq!(reasons, ["JobFailed", "Serving", "JobFailed"], "{document:#}");

    // Known to the ledger, it is not tried again by another process.
    rig.restart().await;
    settle_quietly(&mut rig).await;
    assert_eq!(id(&rig, "vault"), app);

    // A person asks for it.
    let failed = id(&rig, "vault-backup-failed");
    assert_eq!(rig.engine.retry("vault").await.unwrap(), 1);
    settle_quietly(&mut rig).await;
    assert_ne!(id(&rig, "vault-backup-failed"), failed, "it ran once more");
    assert_eq!(id(&rig, "vault"), app);

    rig.write("vault.yaml", &VAULT.replace("MODE: one", "MODE: two"));
    rig.settle().await;
    assert_ne!(id(&rig, "vault"), app);
    assert_eq!(find(&rig, "vault-backup-failed"), None);
    assert_eq!(find(&rig, "vault-backup").unwrap()["State"]["ExitCode"], 0);
}

#[tokio::test]
async fn a_job_that_hangs_is_stopped_and_has_failed() {
    let mut rig = Stepped::start().await;
    rig.write("vault.yaml", VAULT);
    rig.settle().await;
    let app = id(&rig, "vault");
    // A web server does not end.
    rig.write("vault.yaml", &VAULT.replace("MODE: one", "MODE: two").replace("command: ['true'], ", ""));
    for _ in 0..5 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(30));
    }
    assert_eq!(find(&rig, "vault-backup").unwrap()["State"]["Running"], true);
    assert_eq!(status_of(&rig, "vault").health.word(), "Progressing");
    let (text, document) = status_text(&rig, "vault");
    for line in [
        "  job backup runs, and is done when it has ended\n",
        "  waits     since ",
        " of 10:00\n",
        "  next      by itself, when it has ended\n",
        "… job           vault-backup ",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    let waiting = &document["waiting"];
    assert_eq!((&waiting["job"], &waiting["limit_s"]), (&json!("backup"), &json!(600)), "{document:#}");
    let time = |name: &str| Timestamp::parse(waiting[name].as_str().unwrap()).unwrap();
    assert_eq!(time("deadline") - time("since"), Millis::minutes(10));
    assert_eq!(resource(&document, "backup")["health"], "Progressing");
    let reasons = ["Converged", "Serving"].map(|name| condition(&document, name)["reason"].clone());
    assert_eq!(reasons, ["JobRuns", "Serving"], "{document:#}");
    rig.clock.advance(Millis::minutes(10));
    settle_quietly(&mut rig).await;
    let job = find(&rig, "vault-backup-failed").unwrap();
    assert_eq!(job["State"]["Running"], false);
    assert_eq!(id(&rig, "vault"), app);
    assert!(
        status_of(&rig, "vault").what_now.to_string().contains("still ran after 10 min"),
        "{:?}",
        status_of(&rig, "vault")
    );
}

#[tokio::test]
async fn a_service_comes_after_what_it_needs_and_stays_when_that_goes_down() {
    let mut rig = Stepped::start().await;
    rig.write("app.yaml", "name: app\nimage: web:1\nneeds: [base]\n");
    let suspended = Suspension {
        by: "alice".to_owned(),
        why: "a test".into(),
        destroy: false,
        purge: false,
        at: amarre_core::model::Timestamp::default(),
        until: None,
    };
    rig.engine.ledger().suspend("base", &suspended).await.unwrap();
    rig.write("base.yaml", "name: base\nimage: db:1\n");
    rig.pass_until_settled().await;
    assert_eq!(find(&rig, "app"), None);
    let status = status_of(&rig, "app");
    assert!(status.what_now.to_string().contains("needs base, which is suspended by alice"), "{status:?}");
    assert_eq!(status.code, Some(Code::A0535));

    rig.engine.ledger().resume("base").await.unwrap();
    rig.settle().await;
    let (base, app) = (find(&rig, "base").unwrap(), find(&rig, "app").unwrap());
    assert!(base["Created"].as_str() < app["Created"].as_str());

    rig.docker.stop("base").unwrap();
    for _ in 0..3 {
        rig.pass().await;
        rig.clock.advance(Millis::seconds(10));
    }
    assert_eq!(id(&rig, "app"), app["Id"].as_str().unwrap());
    assert_eq!(find(&rig, "app").unwrap()["State"]["Running"], true);
    rig.clock.advance(Millis::minutes(20));
    rig.settle().await;
}

#[tokio::test]
async fn a_last_good_manifest_with_needs_stays_effective() {
    let mut rig = Stepped::start().await;
    rig.write("app.yaml", "name: app\nimage: web:1\nneeds: [base]\n");
    rig.write("base.yaml", "name: base\nimage: db:1\n");
    rig.settle().await;
    rig.write("app.yaml", "name: app\nimage: web:1\nneeds: [base]\nimagee: x\n");
    rig.docker.remove("app").unwrap();
    rig.pass_until_settled().await;
    assert!(find(&rig, "app").is_some(), "it is healed to its last good manifest");
    rig.write("app.yaml", "name: app\nimage: web:1\nneeds: [bas]\n");
    rig.docker.remove("app").unwrap();
    rig.pass_until_settled().await;
    assert!(find(&rig, "app").is_some(), "an unknown name in `needs` breaks the manifest, not the service");
}

#[tokio::test]
async fn a_container_waits_until_another_has_ended_well() {
    const SHOP: &str = "
name: shop
containers:
  app: {image: 'web:1', depends_on: {migrate: {condition: service_completed_successfully}}}
  migrate: {image: 'db:1', command: ['true']}
routes: [{domain: shop, to: 'app:80'}]
";
    let mut rig = Stepped::start().await;
    rig.write("shop.yaml", &SHOP.replace("'true'", "'false'"));
    settle_quietly(&mut rig).await;
    assert_eq!(find(&rig, "shop-app"), None);
    let status = status_of(&rig, "shop");
    assert_eq!(status.code, Some(Code::A0537), "{status:?}");
    rig.write("shop.yaml", SHOP);
    rig.settle().await;
    let migrate = find(&rig, "shop-migrate").unwrap();
    assert_eq!(migrate["HostConfig"]["RestartPolicy"]["Name"], "no", "what is waited for to end is not restarted");
    assert!(migrate["State"]["FinishedAt"].as_str() < find(&rig, "shop-app").unwrap()["Created"].as_str());
    assert_eq!(status_of(&rig, "shop").health.word(), "Healthy", "{:?}", status_of(&rig, "shop"));
    rig.restart_without_ledger().await;
    rig.settle().await;
    assert_eq!(find(&rig, "shop-migrate").unwrap()["Id"], migrate["Id"], "it does not run again");
}

#[tokio::test]
async fn a_dependent_container_is_recreated_with_the_other_and_only_then() {
    const SHOP: &str = "
name: shop
containers:
  app: {image: 'web:1', depends_on: {db: {condition: service_started, restart: true}}}
  db: {image: 'db:1', environment: {MODE: one}, volumes: ['data:/data']}
routes: [{domain: shop, to: 'app:80'}]
";
    let mut rig = Stepped::start().await;
    rig.write("shop.yaml", SHOP);
    rig.settle().await;
    let (app, db) = (id(&rig, "shop-app"), id(&rig, "shop-db"));
    rig.restart_without_ledger().await;
    rig.settle().await;
    assert_eq!((id(&rig, "shop-app"), id(&rig, "shop-db")), (app.clone(), db.clone()));
    rig.write("shop.yaml", &SHOP.replace("MODE: one", "MODE: two"));
    rig.settle().await;
    assert_ne!(id(&rig, "shop-db"), db);
    assert_ne!(id(&rig, "shop-app"), app);
    let app = id(&rig, "shop-app");
    let db = id(&rig, "shop-db");
    rig.docker.remove("shop-app").unwrap();
    rig.settle().await;
    assert_eq!(id(&rig, "shop-db"), db);
    assert_ne!(id(&rig, "shop-app"), app);
}
