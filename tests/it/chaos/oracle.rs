//! What holds at the end, once nothing goes wrong any more.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use amarre_core::model::{Kind, Millis};
use amarre_sim::npm;
use serde_json::{Value as Json, json};

use super::stage::{Goal, SECRET_OF_DOCKER, SECRETS_OF_NPM, Stage, foreign};
use super::story::{Files, Story};
use crate::support::stepped::Stepped;

/// What a later pass verifies: intents that are settled, lists that are read again.
const LATER: Millis = Millis::minutes(5);

/// The world at the end of a story: that of a fresh install. Jobs run before updates, so a fresh install has none of them; there it is
/// the world of an undisturbed story.
pub async fn world_after(story: &Story) -> Json {
    if !story.has_jobs() {
        return fresh_world(&story.files_after()).await;
    }
    let mut stage = Stage::set(&story.files_before()).await;
    for (file, text) in story.files_after() {
        stage.rig.write(&file, &text);
    }
    stage.live(Goal::Converged).await.unwrap_or_else(|why| panic!("undisturbed: {why}"));
    world(&stage.rig)
}

/// The world of a fresh install with these manifests.
async fn fresh_world(files: &Files) -> Json {
    world(&Stage::set(files).await.rig)
}

/// Domains that are served in a world.
pub fn domains(world: &Json) -> BTreeSet<String> {
    let hosts = world["hosts"].as_array().into_iter().flatten();
    let names = hosts.filter_map(|host| host["domain_names"][0].as_str());
    names.map(str::to_owned).collect()
}

/// What is known before a story, to be compared with what is there afterwards.
pub struct Before {
    foreign: Json,
    /// Those that stay when nothing needs them any more.
    pub volumes: BTreeSet<String>,
}

impl Before {
    pub fn new(stage: &Stage) -> Self {
        Self { foreign: foreign(&stage.rig), volumes: volumes(&world(&stage.rig)) }
    }
}

/// Every promise that is broken at the end of a story, in words.
pub async fn broken(stage: &mut Stage, before: &Before, expected: &Json) -> Vec<String> {
    let mut wrong = stage.watch.end(stage.rig.servers());
    wrong.extend(differ("something foreign", &foreign(&stage.rig), &before.foreign));
    wrong.extend(is_as_fresh(&stage.rig, before, expected));
    let rig = &stage.rig;
    let sorted = |rows: Vec<Json>| rows.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let zone = crate::support::stepped::ZONE;
    // That something was deleted and is not published yet stands in the ledger alone.
    if !stage.has_forgotten && sorted(rig.ovh.published(zone)) != sorted(rig.ovh.records(zone)) {
        wrong.push("the zone is not published".to_owned());
    }
    wrong.extend(off_line(rig));
    wrong.extend(stays_quiet(stage).await);
    wrong.extend(books(stage).await);
    wrong.extend(secrets(stage));
    wrong
}

/// Hosts that are on in NPM, and that nginx does not serve.
fn off_line(rig: &Stepped) -> Vec<String> {
    let hosts = [npm::Kind::ProxyHost, npm::Kind::RedirectionHost, npm::Kind::DeadHost]
        .into_iter()
        .flat_map(|kind| rig.npm.rows(kind));
    let on = hosts.filter(|row| row["enabled"] == true || row["enabled"] == 1);
    let names = on.flat_map(|row| row["domain_names"].as_array().cloned().unwrap_or_default());
    let names: Vec<String> = names.filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    names.iter().filter(|name| !rig.npm.serves(name)).map(|name| format!("{name} is off line")).collect()
}

/// The world without what differs from install to install: ids, times, addresses, subnets.
pub fn world(rig: &Stepped) -> Json {
    let mut world = rig.world();
    for network in world["networks"].as_array_mut().into_iter().flatten() {
        if network["labels"]["io.amarre.instance"] == "home" {
            network["ipam"] = Json::Null;
        }
    }
    // NPM's own container may have been re-created.
    for container in world["containers"].as_array_mut().into_iter().flatten() {
        if container["name"] == "/npm" {
            container["id"] = Json::Null;
        }
        forget_subnet(container);
    }
    for kind in ["lists", "hosts"] {
        forget_volatile(&mut world[kind]);
    }
    world
}

/// A variable may hold the subnet, which is the next that is free; then its digest differs, too.
fn forget_subnet(container: &mut Json) {
    let mut holds = false;
    for variable in container["env"].as_array_mut().into_iter().flatten() {
        if variable.as_str().is_some_and(|text| text.contains("=172.20.")) {
            (*variable, holds) = (Json::Null, true);
        }
    }
    if holds {
        container["labels"]["io.amarre.spec"] = Json::Null;
    }
}

/// Ids, times, addresses of ours, and the digest of a host, which covers its address. Which list a host has stands in the list's name.
fn forget_volatile(json: &mut Json) {
    match json {
        Json::Object(entries) => {
            for volatile in ["id", "created_on", "modified_on", "amarre_spec", "access_list_id", "forward_host"] {
                entries.remove(volatile);
            }
            // Which of several that fit a host has depends on what it had before.
            if let Some(certificate) = entries.get_mut("certificate_id") {
                *certificate = json!(certificate.as_u64().is_some_and(|id| id > 0));
            }
            entries.values_mut().for_each(forget_volatile);
        }
        Json::Array(items) => items.iter_mut().for_each(forget_volatile),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => (),
    }
}

fn is_as_fresh(rig: &Stepped, before: &Before, expected: &Json) -> Vec<String> {
    let mut found = world(rig);
    // Volumes of what is gone stay.
    let known = volumes(expected);
    let stays = |volume: &Json| {
        let name = volume["name"].as_str().unwrap_or_default();
        known.contains(name) || !before.volumes.contains(name)
    };
    found["volumes"].as_array_mut().unwrap().retain(stays);
    // Certificates are kept for a month after their last user.
    let wanted = expected["certificates"].as_array().cloned().unwrap_or_default();
    found["certificates"].as_array_mut().unwrap().retain(|names| wanted.contains(names));
    differ("not as a fresh install", &found, expected)
}

fn volumes(world: &Json) -> BTreeSet<String> {
    let names = world["volumes"].as_array().into_iter().flatten().filter_map(|volume| volume["name"].as_str());
    names.map(str::to_owned).collect()
}

/// A while later nothing is planned, and nothing was written.
async fn stays_quiet(stage: &mut Stage) -> Vec<String> {
    stage.rig.forget();
    stage.rig.pass().await;
    // In the first of these passes old intents are settled, in the second their leftovers in the ledger are deleted.
    for _ in 0..2 {
        stage.rig.clock.advance(LATER);
        if let Err(why) = stage.live(Goal::Converged).await {
            return vec![format!("later on: {why}")];
        }
    }
    // That something was not published is found out in time.
    let writes = stage.rig.writes().into_iter().filter(|write| !(stage.has_forgotten && write.ends_with("/refresh")));
    writes.map(|write| format!("later on: {write}")).collect()
}

/// The ledger tells the truth.
async fn books(stage: &Stage) -> Vec<String> {
    let facts = stage.rig.engine.ledger().facts().await.unwrap();
    let pass = stage.rig.last_pass();
    let mut wrong = Vec::new();
    wrong.extend(facts.open_intents.keys().map(|address| format!("an intent for {address} is open for ever")));
    for address in facts.applied.keys().filter(|address| !pass.world.seen.contains_key(*address)) {
        wrong.push(format!("the ledger owns {address}, which is not there"));
    }
    let networks = stage.rig.docker.networks();
    let subnet = |name: &str| {
        let network = networks.iter().find(|network| network["Name"] == name)?;
        network["IPAM"]["Config"][0]["Subnet"].as_str().map(str::to_owned)
    };
    for (network, lease) in &facts.leases {
        if subnet(&network.name).as_deref() != Some(&lease.to_string()) {
            wrong.push(format!("the ledger leases {lease} to {network}, which has {:?}", subnet(&network.name)));
        }
    }
    for address in facts.applied.keys().filter(|address| address.kind == Kind::Network) {
        if !facts.leases.contains_key(address) {
            wrong.push(format!("{address} has lost its lease"));
        }
    }
    wrong
}

/// No secret where it does not belong: requests to others, logs, the ledger with its events, plans.
pub fn secrets(stage: &Stage) -> Vec<String> {
    let mut wrong = Vec::new();
    for server in stage.rig.servers() {
        wrong.extend(server.journal.sightings());
    }
    let log = stage.log.text();
    let pass = stage.rig.last_pass();
    let plan = format!("{:?}{:?}{:?}", pass.plan, pass.errors, pass.wants);
    let mut places = vec![("the log".to_owned(), log.into_bytes()), ("the plan".to_owned(), plan.into_bytes())];
    for entry in std::fs::read_dir(stage.rig.folder.path()).unwrap().flatten() {
        let path = entry.path();
        if path.is_file() {
            places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    let words: Vec<&str> = SECRETS_OF_NPM.into_iter().chain([SECRET_OF_DOCKER]).collect();
    let search = AhoCorasick::new(&words).unwrap();
    for (place, bytes) in &places {
        let found: BTreeSet<usize> = search.find_overlapping_iter(bytes).map(|hit| hit.pattern().as_usize()).collect();
        wrong.extend(found.into_iter().map(|word| format!("{place} holds `{}`", words[word])));
    }
    wrong
}

fn differ(what: &str, found: &Json, expected: &Json) -> Vec<String> {
    if found == expected {
        return Vec::new();
    }
    let lines = |json: &Json| -> Vec<String> { format!("{json:#}").lines().map(str::to_owned).collect() };
    let (found, expected) = (lines(found), lines(expected));
    // Of what stands there twice and should once, one is left over.
    let only = |some: &[String], others: &[String]| -> String {
        let mut others = others.to_vec();
        let is_left = |line: &&String| match others.iter().position(|other| other == *line) {
            Some(at) => {
                others.swap_remove(at);
                false
            }
            None => true,
        };
        some.iter().filter(is_left).take(20).map(|line| format!("  {line}\n")).collect()
    };
    vec![format!(
        "{what}: found\n{}instead of\n{}({} lines, expected {})",
        only(&found, &expected),
        only(&expected, &found),
        found.len(),
        expected.len()
    )]
}
