//! The engine itself goes away and comes back, stopped once and killed once, while services converge.
//!
//! One that was stopped brings back what it ran. One that was killed (20.10, without live-restore) ends what still runs
//! when it comes back, and leaves it so, whatever its policy: Amarre starts it, once the grace of what was stopped is over.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::support::engine::SecondEngine;
use crate::support::rig::{Daemon, PUBLIC, Rig};
use crate::support::{eventually, image};

const SERVICES: u32 = 8;
/// The minute without corrections after an engine's start, many times over.
const CALM_S_MAX: u64 = 300;

fn name(number: u32) -> String {
    format!("e{number}")
}

/// Whether it stays ended.
fn ends(number: u32) -> bool {
    number.is_multiple_of(4)
}

fn manifest(number: u32, text: &str) -> String {
    let name = name(number);
    let more = match number {
        _ if ends(number) => "restart: 'no'\n",
        1 | 2 => "volumes: ['data:/data']\n",
        _ => "",
    };
    format!(
        "name: TAG-{name}\nimage: amarre-test:1\nupdate: {{drain: 1s}}\nreconcile: {{stopped_grace: 5s}}\ncommand: [serve, '80']\nport: 80\n\
         environment: {{TEXT: {name} {text}}}\n{more}"
    )
}

fn containers(engine: &SecondEngine, filter: &[&str]) -> BTreeMap<String, String> {
    let list = engine.docker(&[&["ps", "--no-trunc", "--format", "{{.Names}} {{.ID}}"], filter].concat());
    list.lines().filter_map(|line| line.split_once(' ')).map(|(name, id)| (name.to_owned(), id.to_owned())).collect()
}

async fn row(daemon: &Daemon, rig: &Rig, number: u32) -> Json {
    let status = daemon.json("/api/v1/status").await;
    let rows = status["services"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == rig.name(&name(number))).cloned().unwrap_or_default()
}

/// Everything that may be started again runs and is as its manifest says.
async fn is_calm(daemon: &Daemon, rig: &Rig, but: &[u32]) -> bool {
    for number in (0..SERVICES).filter(|number| !but.contains(number)) {
        let row = row(daemon, rig, number).await;
        if row["sync"] != "Synced" || row["health"] != "Healthy" || row["what_now"] != "" {
            return false;
        }
    }
    true
}

/// Nothing is left to do, including for containers that may stay ended.
async fn is_done(daemon: &Daemon) -> bool {
    daemon.json("/api/v1/plan").await["summary"]["services_changed"] == 0
}

async fn away(daemon: &Daemon) {
    eventually(60, "the engine is a gap", async || {
        let status = daemon.json("/api/v1/status").await;
        let docker =
            status["providers"].as_array().unwrap().iter().find(|provider| provider["kind"] == "docker").cloned();
        docker.is_some_and(|docker| docker["state"] == "down")
    })
    .await;
}

/// What is deleted anywhere while the engine comes and goes.
fn deletes(rig: &Rig) -> Vec<String> {
    let mut writes = rig.writes();
    writes.retain(|line| line.starts_with("DELETE"));
    writes
}

/// Services on an engine of this test's own, and a daemon that begins with them.
async fn begin() -> (Rig, SecondEngine, Daemon) {
    let mut rig = Rig::start().await;
    let engine = SecondEngine::start().await;
    engine.copy_image(image::ONE);
    let host = json!({"docker": engine.endpoint(), "address": PUBLIC, "npm": "main"});
    rig.settings.insert("hosts".to_owned(), json!({"default": host}));
    rig.configure();
    for number in 0..SERVICES {
        rig.write(&format!("{}.yaml", name(number)), &manifest(number, "one"));
    }
    let daemon = rig.daemon().await;
    (rig, engine, daemon)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_engine_that_is_stopped_finds_its_containers_as_they_were() {
    let (rig, mut engine, daemon) = begin().await;
    eventually(60, "some are there, some are not", async || containers(&engine, &[]).len() >= 3).await;
    let before = containers(&engine, &["-a"]);
    engine.stop();
    away(&daemon).await;
    engine.start_again().await;
    // One that was made and did not run yet has not ended: it is started.
    let exited = containers(&engine, &["-a", "--filter", "status=exited"]);
    let ended: Vec<u32> = (0..SERVICES).filter(|n| ends(*n) && exited.contains_key(&rig.name(&name(*n)))).collect();
    eventually(CALM_S_MAX, "calm after a stop", async || is_calm(&daemon, &rig, &ended).await).await;
    let after = containers(&engine, &["-a"]);
    assert_eq!(after.len(), usize::try_from(SERVICES).unwrap(), "{after:?}");
    assert_same(&before, &after, |_| true);
    assert_eq!(deletes(&rig), [""; 0], "unknown is not missing");
    // A container whose policy lets it end stays ended and is reported; a person starts it.
    for number in &ended {
        assert_eq!(row(&daemon, &rig, *number).await["health"], "Degraded");
        engine.docker(&["start", &rig.name(&name(*number))]);
    }
    eventually(CALM_S_MAX, "calm when they run", async || is_calm(&daemon, &rig, &[]).await).await;
    assert_eq!(daemon.stop().await, 0);
    rig.quiet().await;
    assert_eq!(containers(&engine, &[]), after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_engine_that_is_killed_in_the_middle_of_updates_finds_its_containers_as_they_were() {
    let (rig, mut engine, daemon) = begin().await;
    eventually(CALM_S_MAX, "calm at first", async || is_calm(&daemon, &rig, &[]).await).await;
    let before = containers(&engine, &["-a"]);
    let is_changed = |number: u32| number.is_multiple_of(2);
    for number in (0..SERVICES).filter(|number| is_changed(*number)) {
        rig.write(&format!("{}.yaml", name(number)), &manifest(number, "two"));
    }
    eventually(60, "some are changing", async || containers(&engine, &["-a"]) != before).await;
    engine.kill();
    away(&daemon).await;
    engine.start_again().await;
    // Of those whose policy lets them end, the old ones as well as the new ones may have.
    let ended: Vec<u32> = (0..SERVICES).filter(|number| ends(*number)).collect();
    eventually(CALM_S_MAX, "calm after a kill", async || is_calm(&daemon, &rig, &ended).await).await;
    eventually(CALM_S_MAX, "nothing left to do", async || is_done(&daemon).await).await;
    let log = daemon.log();
    assert_eq!(daemon.stop().await, 0);
    rig.quiet().await;
    let after = containers(&engine, &["-a"]);
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{log}");
    assert_same(&before, &after, |number| !is_changed(number));
    for number in (0..SERVICES).filter(|number| !ends(*number)) {
        let text = if is_changed(number) { "two" } else { "one" };
        rig.assert_serves(&name(number), &format!("{} {text}", name(number))).await;
    }
    assert_eq!(deletes(&rig), [""; 0], "no record and no host went");
}

/// The same containers are there: none was re-created.
#[track_caller]
fn assert_same(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>, of: impl Fn(u32) -> bool) {
    let is_of =
        |container: &str| (0..SERVICES).any(|number| of(number) && container.ends_with(&format!("-{}", name(number))));
    for (container, id) in before.iter().filter(|(container, _)| is_of(container)) {
        assert_eq!(after.get(container), Some(id), "{container}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_container_without_a_restart_policy_starts_with_its_engine_unless_it_had_ended() {
    let mut rig = Rig::start().await;
    let mut engine = SecondEngine::start().await;
    engine.copy_image(image::ONE);
    let host = json!({"docker": engine.endpoint(), "address": PUBLIC, "npm": "main"});
    rig.settings.insert("hosts".to_owned(), json!({"default": host}));
    rig.configure();
    rig.write("shop.yaml", "name: TAG-shop\ncompose: ./shop.compose.yaml\n");
    rig.write(
        "shop.compose.yaml",
        "services:\n  web: {image: 'amarre-test:1', command: [serve, '80']}\n  migrate: {image: 'amarre-test:1', command: [exit, '0']}\n",
    );
    rig.apply().await;
    let running = |engine: &SecondEngine| -> Vec<String> { containers(engine, &[]).into_keys().collect() };
    assert_eq!(running(&engine), [rig.name("shop-web")]);
    let before = containers(&engine, &["-a"]);
    // The server ends with code 0 when it is stopped, as the migration did by itself.
    engine.stop();
    engine.start_again().await;
    assert_eq!(running(&engine), [""; 0]);
    rig.apply().await;
    assert_eq!(running(&engine), [rig.name("shop-web")]);
    assert_eq!(containers(&engine, &["-a"]), before);
}
