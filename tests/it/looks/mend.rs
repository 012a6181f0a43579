//! Commands that repair one service: roll back, cancel, retry; sent to a running loop.

use amarre::engine::LaneStep;
use amarre::engine::commands;
use amarre::engine::commands::act::VerbRow;
use amarre::engine::commands::history;
use amarre::engine::commands::history::HistoryQuery;
use amarre::engine::commands::verbs::{CANCEL, RECONCILE, RESUME, RETRY, ROLLBACK};
use amarre::engine::commands::{Act, CommandAnswer, PlanForm};
use amarre::engine::reconcile::daemon;
use amarre::engine::reconcile::daemon::{Behaviour as Conduct, Handle, LoopCommand};
use amarre_core::model::{Code, Kind, Language, Millis};
use amarre_core::plan::render::Style;
use amarre_sim::Fault;
use amarre_sim::docker::{Behaviour, ImageSpec};
use amarre_sim::npm;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use crate::support::stepped::Stepped;
use crate::support::{eventually, get};

const TIMEOUT_MS: i64 = 40_000;

/// Its old one does not drain.
fn plain(name: &str) -> String {
    format!("{}update: {{drain: 0s}}\n", super::plain(name))
}

/// Runs the loop on the rig's vendors while `story` sends requests; passes without a request only if it acts by itself.
pub async fn with_daemon(rig: &Stepped, story: impl AsyncFnOnce(&Handle)) {
    let (handle, daemon, shutdown) = daemon::start(rig.another_engine().await, Conduct { acts: true, watches: false });
    let daemon = Box::pin(daemon);
    let asks = async {
        story(&handle).await;
        shutdown.notify_one();
    };
    tokio::join!(daemon, asks);
}

pub async fn act(handle: &Handle, act: Act) -> CommandAnswer {
    let (steps, mut inbox) = mpsc::channel(64);
    let (answer, ()) = tokio::join!(
        async {
            let answer = commands::act(handle, act, Style::PLAIN, &steps).await;
            drop(steps);
            answer
        },
        async { while inbox.recv().await.is_some() {} }
    );
    answer.unwrap()
}

pub fn of_service(row: &'static VerbRow, service: &str) -> Act {
    Act::new(row).with("service", service).with("timeout_ms", TIMEOUT_MS).asked_by("anna")
}

fn rollback(service: &str, dry_run: bool) -> Act {
    of_service(&ROLLBACK, service).with("dry_run", dry_run)
}

fn images(rig: &Stepped) -> Vec<String> {
    let ours =
        rig.docker.containers().into_iter().filter(|one| one["Config"]["Labels"]["io.amarre.instance"] == "home");
    let mut images: Vec<String> = ours.map(|one| one["Config"]["Image"].as_str().unwrap().to_owned()).collect();
    images.sort();
    images
}

/// From a healthy new version to the one before it; it stays so until its manifest changes.
#[tokio::test]
async fn a_service_goes_back_and_stays_until_its_manifest_changes() {
    let mut rig = Stepped::start().await;
    rig.write("web.yaml", &plain("web"));
    rig.write("other.yaml", &plain("other"));
    rig.settle().await;
    with_daemon(&rig, async |handle| {
        let answer = act(handle, rollback("web", true)).await;
        assert_eq!((answer.exit, answer.document["error"]["code"].as_str()), (1, Some("A0414")), "{}", answer.text);
        assert_eq!(act(handle, rollback("nobody", false)).await.document["error"]["code"], "A1002");
    })
    .await;
    // Another port as well: what leads to the container goes back with it.
    rig.docker.image(ImageSpec { ports: vec![8080], id: "new:1".to_owned(), ..ImageSpec::new("new:1") });
    rig.docker.image(ImageSpec { ports: vec![80], id: "web:1".to_owned(), ..ImageSpec::new("web:1") });
    rig.write("web.yaml", &plain("web").replace("web:1", "new:1").replace("port: 80", "port: 8080"));
    rig.settle().await;
    assert_eq!(images(&rig), ["new:1", "web:1"]);
    rig.forget();
    Box::pin(with_daemon(&rig, async |handle| {
        let would = act(handle, rollback("web", true)).await;
        assert_eq!(would.exit, 0, "{}", would.text);
        for line in [
            "new:1 → web:1",
            "forward_port",
            "volumes keep what was written since",
            "until amarre resume web, or a change in services/web.yaml",
        ] {
            assert!(would.text.contains(line), "{line:?} is not in\n{}", would.text);
        }
        assert_eq!(rig.writes(), [""; 0], "a dry run changes nothing");
        let done = act(handle, rollback("web", false)).await;
        assert_eq!(done.exit, 0, "{}", done.text);
        assert!(done.text.starts_with("web is back at ") && done.text.contains("1 created"), "{}", done.text);
        assert_eq!(images(&rig), ["web:1", "web:1"]);
        assert_eq!(get(rig.npm.proxy_address, "web.example.org", "/").await.unwrap().0, 200);
        let events = handle.ledger().events("web", 50).await.unwrap();
        let reasons: Vec<&str> = events.iter().filter_map(|event| event.reason.as_deref()).collect();
        let made = events.iter().find(|event| event.kind == "created").unwrap();
        assert_eq!(made.reason.as_deref(), Some("rollback_asked"), "{reasons:?}");
        assert_eq!(made.text.to_string(), "rollback by anna");
        let again = act(handle, rollback("web", false)).await;
        assert_eq!(again.document["error"]["code"], "A0416", "{}", again.text);
        let pass = handle.request(LoopCommand::Pass).await.unwrap().pass;
        assert!(pass.plan.changes.is_empty(), "{:?}", pass.plan.changes);
        let suspension = &pass.facts.suspended["web"];
        assert_eq!((suspension.by.as_str(), suspension.why.to_string().starts_with("rolled back to ")), ("anna", true));
        let plan = amarre::engine::report::plan_text(&pass, Style::PLAIN);
        assert!(plan.contains("nothing to do") && plan.contains("web is left alone: suspended by anna"), "{plan}");
        assert_eq!(pass.statuses()["web"].sync.word(), "OutOfSync", "its manifest asks for new:1");
    }))
    .await;
    rig.restart().await;
    rig.settle().await;
    assert_eq!(images(&rig), ["web:1", "web:1"], "over a restart, too");
    // Another service's change is none of its own.
    rig.write("other.yaml", &format!("{}environment: {{A: b}}\n", plain("other")));
    rig.settle().await;
    assert!(rig.last_pass().facts.suspended.contains_key("web"));
    rig.write("web.yaml", &plain("web").replace("web:1", "web:2"));
    rig.settle().await;
    assert_eq!(images(&rig), ["web:1", "web:2"]);
    assert!(rig.last_pass().facts.suspended.is_empty() && rig.last_pass().rollbacks.is_empty());
}

/// The ledger says what it has stored: what forgets a service there needs to tell no one else.
#[tokio::test]
async fn a_service_that_comes_back_has_its_versions_again() {
    let mut rig = Stepped::start().await;
    let versions = async |rig: &Stepped| rig.engine.ledger().good_manifests("web").await.unwrap().len();
    rig.write("web.yaml", &plain("web"));
    rig.settle().await;
    assert_eq!(versions(&rig).await, 1);
    rig.purge("web").await;
    rig.pass_until_settled().await;
    assert_eq!(versions(&rig).await, 0, "what is destroyed has no version to go back to");
    assert!(rig.engine.ledger().resume("web").await.unwrap());
    rig.settle().await;
    assert_eq!(versions(&rig).await, 1, "after `destroy --purge` and `resume`");
    rig.remove("web.yaml");
    rig.settle().await;
    assert_eq!(versions(&rig).await, 0);
    rig.write("web.yaml", &plain("web"));
    rig.settle().await;
    assert_eq!(versions(&rig).await, 1, "after its file was away");
}

/// One step back may not be enough, and not be meant: a version that is named is gone to from any other.
#[tokio::test]
async fn a_service_that_went_back_goes_on_to_a_version_that_is_named() {
    let mut rig = Stepped::start().await;
    let mut revisions = Vec::new();
    rig.docker.image(ImageSpec { id: "web:3".to_owned(), ..ImageSpec::new("web:3") });
    for image in ["web:1", "web:2", "web:3"] {
        rig.write("web.yaml", &plain("web").replace("web:1", image));
        rig.settle().await;
        revisions.push(rig.last_pass().source.revision.clone());
    }
    with_daemon(&rig, async |handle| {
        let done = act(handle, rollback("web", false)).await;
        assert_eq!((done.exit, images(&rig)), (0, vec!["web:2".to_owned()]), "{}", done.text);
        for (to, image) in [(&revisions[0], "web:1"), (&revisions[2], "web:3"), (&revisions[1], "web:2")] {
            let done = act(handle, rollback("web", false).with("to", to.as_str())).await;
            assert_eq!((done.exit, images(&rig)), (0, vec![image.to_owned()]), "{}", done.text);
            let pass = handle.request(LoopCommand::Pass).await.unwrap().pass;
            // Its images stay with it while it is left alone.
            let mut changes = pass.plan.changes.iter().filter(|change| change.address.kind != Kind::Image);
            assert!(changes.next().is_none() && pass.rollbacks["web"].done, "{:?}", pass.plan.changes);
            let of = HistoryQuery { name: Some("web".to_owned()), ..HistoryQuery::default() };
            let history = history::history(handle, &of, Language::En).await;
            let versions = history.document["versions"].as_array().unwrap();
            let now: Vec<&Json> = versions.iter().filter(|one| one["now"] == true).map(|one| &one["images"]).collect();
            assert_eq!(now, [&json!([image])], "{}", history.text);
        }
        let same = act(handle, rollback("web", false).with("to", revisions[1].as_str())).await;
        assert_eq!(same.document["error"]["code"], "A0414", "{}", same.text);
    })
    .await;
}

/// What failed already and was put back by itself: the rollback makes that lasting, and `resume` ends it.
#[tokio::test]
async fn a_rollback_after_a_failed_candidate_touches_no_container() {
    let mut rig = Stepped::start().await;
    rig.write("web.yaml", &plain("web"));
    rig.settle().await;
    rig.docker.image(ImageSpec { behaviour: Behaviour::Exit(3), ..ImageSpec::new("sick:1") });
    rig.write("web.yaml", &plain("web").replace("web:1", "sick:1"));
    rig.pass_until_settled().await;
    assert_eq!(images(&rig), ["web:1"]);
    rig.forget();
    with_daemon(&rig, async |handle| {
        let would = act(handle, rollback("web", true)).await;
        assert!(would.text.contains("web:1 runs, and stays") && !would.text.contains("sick:1 →"), "{}", would.text);
        let done = act(handle, rollback("web", false)).await;
        assert_eq!(done.exit, 0, "{}", done.text);
        let pass = handle.request(LoopCommand::Pass).await.unwrap().pass;
        assert!(pass.plan.changes.is_empty(), "{:?}", pass.plan.changes);
        assert_eq!(rig.writes(), [""; 0]);
        act(handle, of_service(&RESUME, "web")).await;
        let pass = handle.request(LoopCommand::Pass).await.unwrap().pass;
        assert!(pass.facts.suspended.is_empty() && pass.rollbacks.is_empty());
    })
    .await;
}

/// The names of the service's images on the engine.
fn stored(rig: &Stepped) -> Vec<String> {
    let all = rig.docker.images();
    let names = all.iter().flat_map(|image| image["RepoTags"].as_array().unwrap()).filter_map(|name| name.as_str());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("web:")).map(str::to_owned).collect();
    names.sort();
    names
}

/// What never worked is no version to go back to: it takes no place of the newest images, which stay.
#[tokio::test]
async fn an_image_that_never_worked_takes_no_place_of_one_that_did() {
    let mut rig = Stepped::start().await;
    rig.docker.image(ImageSpec { behaviour: Behaviour::Exit(3), id: "sick".to_owned(), ..ImageSpec::new("web:sick") });
    rig.docker.image(ImageSpec { id: "web:3".to_owned(), ..ImageSpec::new("web:3") });
    for image in ["web:1", "web:2"] {
        rig.write("web.yaml", &plain("web").replace("web:1", image));
        rig.settle().await;
    }
    rig.write("web.yaml", &plain("web").replace("web:1", "web:sick"));
    rig.pass_until_settled().await;
    assert_eq!(images(&rig), ["web:2"]);
    assert_eq!(stored(&rig), ["web:1", "web:2", "web:sick"], "a manifest asks for the last one");
    rig.write("web.yaml", &plain("web").replace("web:1", "web:3"));
    rig.settle().await;
    assert_eq!(images(&rig), ["web:3"]);
    assert_eq!(stored(&rig), ["web:2", "web:3", "web:sick"], "it is new still");
    rig.docker.image(ImageSpec { id: "web:4".to_owned(), ..ImageSpec::new("web:4") });
    rig.write("web.yaml", &plain("web").replace("web:1", "web:4"));
    rig.settle().await;
    assert_eq!(stored(&rig), ["web:3", "web:4"]);
}

/// A service with data stops first, forwards and back; its volume stays, whatever the newer version wrote there.
#[tokio::test]
async fn a_service_with_data_goes_back_in_the_middle_of_a_wait() {
    let mut rig = Stepped::start().await;
    let vault = format!("{}volumes: ['data:/data']\n", plain("web"));
    rig.write("web.yaml", &vault);
    rig.settle().await;
    rig.docker.image(ImageSpec { behaviour: Behaviour::SlowStart(1_000_000), ..ImageSpec::new("slow:1") });
    rig.write("web.yaml", &vault.replace("web:1", "slow:1"));
    with_daemon(&rig, async |handle| {
        eventually(60, "the old one gave way", async || {
            handle.request(LoopCommand::Pass).await.unwrap();
            images(&rig) == ["slow:1"]
        })
        .await;
        let volumes = rig.docker.volumes();
        let done = act(handle, rollback("web", false)).await;
        assert_eq!((done.exit, images(&rig)), (0, vec!["web:1".to_owned()]), "{}", done.text);
        assert_eq!(rig.docker.volumes(), volumes);
        let pass = handle.request(LoopCommand::Pass).await.unwrap().pass;
        assert!(pass.plan.changes.is_empty(), "{:?}", pass.plan.changes);
    })
    .await;
}

/// A wait ends, present resources stay, and nothing follows until a person asks.
#[tokio::test]
async fn a_cancelled_service_stays_as_it_stands() {
    let mut rig = Stepped::start().await;
    rig.write("web.yaml", &plain("web"));
    rig.settle().await;
    with_daemon(&rig, async |handle| {
        let cancel = |service: &str| of_service(&CANCEL, service);
        let nothing = act(handle, cancel("web")).await;
        assert_eq!((nothing.exit, nothing.document["error"]["code"].as_str()), (1, Some("A0415")), "{}", nothing.text);
        assert_eq!(act(handle, cancel("nobody")).await.document["error"]["code"], "A1002");
        rig.docker.image(ImageSpec { behaviour: Behaviour::SlowStart(1_000_000), ..ImageSpec::new("slow:1") });
        rig.write("web.yaml", &plain("web").replace("web:1", "slow:1"));
        eventually(60, "the candidate is there", async || {
            handle.request(LoopCommand::Pass).await.unwrap();
            images(&rig) == ["slow:1", "web:1"]
        })
        .await;
        let cancelled = act(handle, cancel("web")).await;
        assert_eq!(cancelled.exit, 0, "{}", cancelled.text);
        assert!(cancelled.text.contains("It stays as it stands, until amarre resume web"), "{}", cancelled.text);
        rig.forget();
        handle.request(LoopCommand::Pass).await.unwrap();
        let pass = handle.request(LoopCommand::Pass).await.unwrap().pass;
        handle.request(LoopCommand::Pass).await.unwrap();
        assert_eq!((images(&rig), rig.writes()), (vec!["slow:1".to_owned(), "web:1".to_owned()], Vec::new()));
        assert_eq!(pass.facts.suspended["web"].why.to_string(), "cancelled");
        assert_eq!(act(handle, cancel("web")).await.document["error"]["code"], "A0415", "once is enough");
        rig.write("web.yaml", &plain("web").replace("web:1", "web:2"));
        act(handle, of_service(&RESUME, "web")).await;
        act(handle, of_service(&RECONCILE, "web")).await;
        assert_eq!(images(&rig), ["web:2"]);
    })
    .await;
}

/// The same revision is tried once more when a person wants it.
#[tokio::test]
async fn a_retry_forgets_what_failed() {
    let mut rig = Stepped::start().await;
    rig.write("web.yaml", &plain("web"));
    rig.settle().await;
    let later = |behaviour| ImageSpec { behaviour, id: "later".to_owned(), ..ImageSpec::new("later:1") };
    rig.docker.image(later(Behaviour::Exit(3)));
    rig.write("web.yaml", &plain("web").replace("web:1", "later:1"));
    rig.pass_until_settled().await;
    rig.docker.load_image(later(Behaviour::Serve));
    rig.pass_until_settled().await;
    assert_eq!(images(&rig), ["web:1"], "not tried again by itself");
    with_daemon(&rig, async |handle| {
        let retry = |service: &str| of_service(&RETRY, service);
        assert_eq!(act(handle, retry("nobody")).await.document["error"]["code"], "A1002");
        let done = act(handle, retry("web")).await;
        assert_eq!((done.exit, images(&rig)), (0, vec!["later:1".to_owned()]), "{}", done.text);
    })
    .await;
}

/// A pull from which nothing comes holds up its own service for a while, and no other.
#[tokio::test]
async fn a_pull_without_progress_is_let_go() {
    let mut rig = Stepped::start().await;
    let hangs = Fault::Delay(std::time::Duration::from_secs(600));
    rig.docker.server.faults.add("POST", "/v1.41/images/create", 1, hangs);
    rig.write("web.yaml", &plain("web").replace("web:1", "away:1"));
    let mut progress = rig.engine.progress();
    rig.engine.pass(crate::support::stepped::act()).await;
    assert!(rig.engine.is_busy(), "{:?}", rig.last_pass().plan.changes);
    let is_pull = |step: &LaneStep| matches!(step, LaneStep::Change(change) if change.address.kind == Kind::Image);
    while !is_pull(&progress.recv().await.unwrap().step) {}
    rig.clock.advance(Millis::minutes(4));
    assert!(rig.engine.lane_done().await);
    rig.engine.pass(amarre::engine::RunMode::PlanOnly).await;
    let pass = rig.last_pass();
    let error = &pass.errors["web"].error;
    let said = error.message.to_string();
    assert_eq!((error.code, said.as_str()), (Code::A0513, "pulling away:1 made no progress for 3 min"));
}

/// What a plan shows beside a daemon that acts waits for the daemon's own look.
#[tokio::test]
async fn a_plan_beside_a_daemon_changes_nothing() {
    let mut rig = Stepped::start().await;
    rig.write("one.yaml", &plain("one"));
    rig.settle().await;
    with_daemon(&rig, async |handle| {
        handle.request(LoopCommand::Pass).await.unwrap();
        let hosts = || rig.npm.rows(npm::Kind::ProxyHost).into_iter();
        let host = || hosts().find(|row| row["domain_names"][0] == "one.example.org").unwrap();
        let (id, before) = (host()["id"].as_u64().unwrap(), host()["forward_port"].clone());
        rig.npm.edit_proxy_host(id, &serde_json::json!({"forward_port": 9999}));
        rig.forget();
        for _ in 0..2 {
            let answer = commands::plan(handle, None, Style::PLAIN, PlanForm::Whole).await.unwrap();
            assert_eq!((answer.exit, answer.text.contains("forward_port")), (2, true), "{}", answer.text);
            assert_eq!(rig.writes(), [""; 0]);
        }
        handle.request(LoopCommand::Pass).await.unwrap();
        eventually(60, "the daemon's own look puts it right", async || host()["forward_port"] == before).await;
    })
    .await;
}

/// What was asked of one service is answered of it: what ails others is neither printed nor the command's end.
#[tokio::test]
async fn a_command_for_one_service_says_how_it_went_with_that_one() {
    let mut rig = Stepped::start().await;
    rig.docker.image(ImageSpec { behaviour: Behaviour::Exit(3), ..ImageSpec::new("bad:1") });
    for name in ["good", "other"] {
        rig.write(&format!("{name}.yaml"), &plain(name));
    }
    rig.write("bad.yaml", &plain("bad").replace("web:1", "bad:1"));
    rig.write("broken.yaml", "name: broken\nimage: 1: 2\n");
    rig.pass_until_settled().await;
    with_daemon(&rig, async |handle| {
        for row in [&RECONCILE, &RETRY] {
            let answer = act(handle, of_service(row, "good")).await;
            assert_eq!(answer.exit, 0, "{}", answer.text);
            assert!(answer.text.contains("good in sync") && answer.text.lines().count() == 1, "{}", answer.text);
            let answer = act(handle, of_service(row, "bad")).await;
            assert_eq!(answer.exit, 3, "{}", answer.text);
            assert!(answer.text.contains("bad") && !answer.text.contains("broken"), "{}", answer.text);
        }
    })
    .await;
}
