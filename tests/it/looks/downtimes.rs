//! How long services are down while their containers are replaced: learned from one update, said before the next.

use amarre::engine::{RunMode, report};
use amarre_core::model::plan::Downtime;
use amarre_core::model::world::Outage;
use amarre_core::model::{Address, Millis};
use amarre_core::plan::render::Style;
use amarre_sim::Fault;
use amarre_sim::docker::{Behaviour, ImageSpec};
use serde_json::{Value as Json, json};

use crate::support::stepped::{Stepped, step};

/// For how long it is down at least.
const DOWN: Millis = Millis::seconds(40);

fn notes(mode: &str) -> String {
    format!("name: notes\nimage: db:1\nport: 80\nvolumes: ['data:/data']\nenvironment: {{MODE: {mode}}}\n")
}

async fn begun() -> Stepped {
    let mut rig = Stepped::start().await;
    rig.write("notes.yaml", &notes("one"));
    rig.settle().await;
    rig
}

async fn recorded_absences(rig: &Stepped) -> Vec<Outage> {
    let base: Address = "docker/container/notes".parse().unwrap();
    rig.engine.ledger().facts().await.unwrap().away.get(&base).cloned().unwrap_or_default()
}

async fn lengths(rig: &Stepped) -> Vec<Millis> {
    recorded_absences(rig).await.iter().map(|away| away.length().unwrap()).collect()
}

fn is_there(rig: &Stepped) -> bool {
    rig.docker.containers().iter().any(|container| container["Name"] == "/notes")
}

/// A pass that only plans, as text and as JSON.
async fn planned(rig: &mut Stepped) -> (String, Json) {
    step(&mut rig.engine, RunMode::PlanOnly).await;
    let pass = rig.last_pass();
    (report::plan_text(&pass, Style::PLAIN), report::plan_json(&pass))
}

/// Runs passes until the old one is gone.
async fn until_it_went(rig: &mut Stepped) {
    for _ in 0..10 {
        rig.pass().await;
        if recorded_absences(rig).await.iter().any(|away| away.until.is_none()) {
            return;
        }
    }
    panic!("{:#?}", rig.last_pass().plan);
}

/// An update that takes [`DOWN`] and a little more.
async fn update(rig: &mut Stepped, mode: &str) {
    rig.write("notes.yaml", &notes(mode));
    until_it_went(rig).await;
    rig.clock.advance(DOWN);
    rig.settle().await;
}

#[tokio::test]
async fn the_second_update_forecasts_the_downtime_of_the_first() {
    let mut rig = begun().await;
    rig.write("notes.yaml", &notes("two"));
    let (text, document) = planned(&mut rig).await;
    assert!(text.contains("± notes   down for a while: the old one must stop first\n"), "{text}");
    assert!(text.contains("Downtime: notes.\n"), "{text}");
    for object in [&document["summary"], &document["services"][0], &document["services"][0]["changes"][0]["impact"]] {
        assert!(object.get("downtime_s").is_none(), "{document:#}");
    }
    assert_eq!(recorded_absences(&rig).await, [], "a plan writes nothing down");
    update(&mut rig, "two").await;
    let length = *lengths(&rig).await.first().unwrap();
    assert!(length >= DOWN, "{length:?}");

    rig.write("notes.yaml", &notes("three"));
    let (text, document) = planned(&mut rig).await;
    let about = Millis((length.0 + 500) / 1000 * 1000);
    assert!(text.contains(&format!("± notes   down about {}: the old one must", about.in_words())), "{text}");
    assert!(text.contains(&format!("Downtime: notes about {}.\n", about.in_words())), "{text}");
    let seconds = json!(about.0 / 1000);
    assert_eq!((&document["summary"]["downtime_s"], &document["services"][0]["downtime_s"]), (&seconds, &seconds));
    let markdown = report::plan_markdown(&rig.last_pass());
    assert!(markdown.contains(&format!("± notes: down about {}: the old one must", about.in_words())), "{markdown}");
    assert_eq!(lengths(&rig).await, [length]);

    update(&mut rig, "three").await;
    assert_eq!(lengths(&rig).await.len(), 2);
    rig.write("notes.yaml", &notes("four"));
    let (text, _) = planned(&mut rig).await;
    assert!(text.contains("(last two: "), "{text}");
    rig.settle().await;
    for n in 0..4 {
        update(&mut rig, &n.to_string()).await;
    }
    assert_eq!(lengths(&rig).await.len(), 5);
}

/// Killed when the old one is gone: it is down until the next process has made the new one.
#[tokio::test]
async fn a_crash_between_is_part_of_the_downtime() {
    let mut rig = begun().await;
    rig.write("notes.yaml", &notes("two"));
    until_it_went(&mut rig).await;
    assert!(!is_there(&rig));
    rig.restart().await;
    rig.clock.advance(DOWN);
    assert_eq!(recorded_absences(&rig).await.len(), 1);
    rig.settle().await;
    assert!(*lengths(&rig).await.first().unwrap() >= DOWN);
}

/// A call that failed stopped nothing: the old one runs on, and what it took in the end begins with what stopped it.
#[tokio::test]
async fn a_container_that_was_not_stopped_has_no_downtime() {
    let mut rig = begun().await;
    rig.write("notes.yaml", &notes("two"));
    let notes = rig.docker.containers().into_iter().find(|one| one["Name"] == "/notes").unwrap();
    let path = format!("/v1.41/containers/{}", notes["Id"].as_str().unwrap());
    rig.docker.server.faults.add("POST", &path, 9, Fault::Before(500));
    until_it_went(&mut rig).await;
    assert!(is_there(&rig));
    rig.clock.advance(Millis::minutes(10));
    rig.docker.server.faults.clear();
    rig.settle().await;
    assert!(*lengths(&rig).await.first().unwrap() < Millis::minutes(10));
}

#[tokio::test]
async fn a_clock_set_back_records_no_downtime() {
    let mut rig = begun().await;
    update(&mut rig, "two").await;
    let before = lengths(&rig).await;
    rig.write("notes.yaml", &notes("three"));
    until_it_went(&mut rig).await;
    rig.clock.jump(Millis::minutes(-60));
    rig.settle().await;
    assert_eq!(lengths(&rig).await, before);
}

/// An update that went wrong and was taken back says nothing about those that work.
#[tokio::test]
async fn a_reverted_update_records_no_downtime() {
    let mut rig = Stepped::start().await;
    rig.docker.image(ImageSpec { behaviour: Behaviour::Exit(3), ..ImageSpec::new("sick:1") });
    let of = |image: &str| {
        format!("name: notes\nimage: {image}\nport: 80\nrestart: 'no'\nupdate: {{strategy: stop-first}}\n")
    };
    rig.write("notes.yaml", &of("web:1"));
    rig.settle().await;
    rig.write("notes.yaml", &of("sick:1"));
    until_it_went(&mut rig).await;
    rig.pass_until_settled().await;
    let image = |one: &Json| one["Config"]["Image"].clone();
    let found = rig.docker.containers().iter().find(|one| one["Name"] == "/notes").map(image);
    assert_eq!(found, Some(json!("web:1")));
    assert_eq!(recorded_absences(&rig).await, []);
    // The next one that works counts again.
    rig.write("notes.yaml", &of("web:2"));
    rig.settle().await;
    assert_eq!(lengths(&rig).await.len(), 1);
}

/// Deleting a service deletes its learned downtimes; stopping it during an update records none.
#[tokio::test]
async fn learned_downtimes_are_deleted_with_the_service() {
    let mut rig = begun().await;
    update(&mut rig, "two").await;
    rig.write("notes.yaml", &notes("three"));
    until_it_went(&mut rig).await;
    rig.write("notes.yaml", &format!("{}state: stopped\n", notes("three")));
    rig.settle().await;
    assert_eq!(lengths(&rig).await.len(), 1);
    rig.write("other.yaml", "name: other\nimage: web:1\n");
    rig.remove("notes.yaml");
    rig.settle().await;
    assert_eq!(recorded_absences(&rig).await, []);
}

/// Re-creating a network takes down everything on it.
#[tokio::test]
async fn a_recreated_network_is_a_downtime_too() {
    let mut rig = Stepped::start().await;
    let on = |subnet: &str| format!("name: notes\nimage: web:1\nport: 80\nnetwork: {{subnet: {subnet}}}\n");
    rig.write("notes.yaml", &on("10.77.40.0/24"));
    rig.settle().await;
    for subnet in ["10.77.41.0/24", "10.77.42.0/24"] {
        rig.write("notes.yaml", &on(subnet));
        until_it_went(&mut rig).await;
        rig.clock.advance(DOWN);
        rig.settle().await;
    }
    let lengths = lengths(&rig).await;
    assert!(lengths.len() == 2 && lengths.iter().all(|length| *length >= DOWN), "{lengths:?}");
    rig.write("notes.yaml", &on("10.77.43.0/24"));
    let (text, _) = planned(&mut rig).await;
    assert!(text.contains(": its network is replaced\n") && text.contains("± notes   down about "), "{text}");
    let pass = rig.last_pass();
    assert!(pass.plan.changes.iter().any(|change| change.impact.downtime == Downtime::Some));
}
