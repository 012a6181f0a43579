//! Manifests of every kind and key, drawn from the schema, that come and go: A, then B, then C, then A again, over HTTP.
//! At the end everything is as if A had been the first, whatever was there meanwhile and whether it was ever finished.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use amarre_core::manifest::schema;
use amarre_core::model::{Change, Code};
use amarre_sim::docker::{DockerOptions, ImageSpec};
use amarre_sim::npm;
use serde_json::{Value as Json, json};

use super::oracle::{self, Before};
use super::script::Script;
use super::stage::{Goal, Stage};
use super::watch::Aims;
use crate::support::stepped::{Setting, Stepped, options};
use amarre_testkit::dice::Dice;
use amarre_testkit::generate::{Generated, Ground, generate};
use amarre_testkit::walk::unexplained;

/// Of all parts together, in a day and in `scripts/long`.
const WALKS: (u64, u64) = (12, 500);
/// Tests that share them, so that they run side by side.
const PARTS: u64 = 4;
/// Failures that one part collects before it ends.
const FAILURES_MAX: usize = 3;
/// Of a hundred ways to the next manifests, this many are left before their end.
const LEFT_EARLY: usize = 40;
/// After at most this many passes.
const LOOKS_MAX: usize = 12;

const IMAGES: [&str; 4] = ["app:0", "app:1", "web:1", "db:1"];

/// Vendors with what drawn manifests take for granted, and foreign resources.
async fn open_stage() -> Stage {
    let host_paths = ["/srv", "/var/run/docker.sock", "/etc/localtime"].map(str::to_owned);
    let docker =
        DockerOptions { api_version: "1.48".to_owned(), host_paths: Some(BTreeSet::from(host_paths)), ..options() };
    let rig = Stepped::in_setting(docker, Setting { allows_all: true, ..Setting::default() }).await;
    rig.npm.set_level(npm::Kind::DeadHost, npm::Level::Manage);
    for image in IMAGES {
        rig.docker.image(ImageSpec { id: image.to_owned(), ..ImageSpec::new(image) });
    }
    // NPM publishes the port of streams.
    rig.docker.remove("npm").unwrap();
    let body = json!({
        "Image": "npm:2", "ExposedPorts": {"80/tcp": {}, "2222/tcp": {}, "2222/udp": {}},
        "HostConfig": {
            "NetworkMode": "npm_default", "RestartPolicy": {"Name": "unless-stopped"},
            "PortBindings": {
                "80/tcp": [{"HostIp": "", "HostPort": "80"}],
                "2222/tcp": [{"HostIp": "", "HostPort": "2222"}], "2222/udp": [{"HostIp": "", "HostPort": "2222"}],
            },
        },
    });
    rig.docker.seed("npm", body).unwrap();
    rig.npm.seed_certificate("wild", &["*.example.org", "example.org"]);
    Stage::on(rig)
}

fn drawn(seed: u64) -> Generated {
    static SCHEMA: OnceLock<Json> = OnceLock::new();
    // A service that is stopped keeps the container that it had; names of people's own that change hands may wait for
    // one another. Both are told in memory. No container ends by itself here.
    let without =
        ["container.container_name", "Service.state", "Service.jobs", "Service.needs", "container.depends_on"]
            .map(str::to_owned)
            .to_vec();
    let ground = Ground { images: IMAGES.map(str::to_owned).to_vec(), without, ..Ground::default() };
    generate(SCHEMA.get_or_init(schema), &ground, seed)
}

/// The folder holds these manifests and no others.
fn put(stage: &Stage, source: &Generated) {
    let folder = stage.rig.folder.path().join("services");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    for (path, text) in source.files().iter().chain(&source.beside) {
        stage.rig.write(path.strip_prefix("services/").unwrap(), text);
    }
}

/// A walk to its end, or to where a person must decide.
async fn walk(seed: u64) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let [a, b, c] = [0, 1, 2].map(|at| drawn(seed * 3 + at));
    let mut stage = open_stage().await;
    let mut before = Before::new(&stage);
    put(&stage, &a);
    stage.live(Goal::Converged).await.map_err(|why| format!("A: {why}"))?;
    let expected = oracle::world(&stage.rig);
    let script = std::sync::Arc::<Script>::default();
    let rig = &stage.rig;
    let aims = Aims { kept: BTreeSet::new(), may_purge: false, has_records: false };
    stage.watch.begin(&rig.docker, &rig.npm, &rig.ovh, &script, aims);
    for (name, source) in [("B", &b), ("C", &c)] {
        put(&stage, source);
        stage.foresee().await;
        if dice.chance(LEFT_EARLY) {
            stage.run_passes(1 + dice.below(LOOKS_MAX)).await;
        } else {
            let End::Converged = end(&mut stage, name).await? else { return Ok(()) };
        }
    }
    put(&stage, &a);
    stage.foresee().await;
    let End::Converged = end(&mut stage, "A again").await? else { return Ok(()) };
    before.volumes.extend(stage.watch.volumes());
    let wrong = oracle::broken(&mut stage, &before, &expected).await;
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Where a way ends.
enum End {
    Converged,
    /// A subnet that a manifest names and that a network of automatic choice has already stays with that one; a service
    /// with a deleted one's name gets what that one left only with `reuse: true`.
    Decision,
}

async fn end(stage: &mut Stage, name: &str) -> Result<End, String> {
    let Err(why) = stage.live(Goal::Converged).await else { return Ok(End::Converged) };
    let pass = stage.rig.last_pass();
    let mut refusals = pass.plan.changes.iter().filter_map(Change::refusal).peekable();
    let is_decision = |code: Code| matches!(code, Code::A0412 | Code::A0443);
    let waits = refusals.peek().is_some() && refusals.all(|refusal| is_decision(refusal.code));
    let nothing_else = unexplained(&pass.plan).is_empty() && pass.plan.gaps.is_empty() && pass.errors.is_empty();
    if waits && nothing_else { Ok(End::Decision) } else { Err(format!("{name}: {why}")) }
}

async fn part(part: u64) {
    let mut failed = Vec::new();
    for seed in super::seeds_of_this_run("CHAOS_WALKS", WALKS).filter(|seed| seed % PARTS == part) {
        let told = walk(seed).await;
        failed.extend(told.err().map(|why| format!("walk {seed}: scripts/chaos served 1 {seed}\n{why}")));
        if failed.len() >= FAILURES_MAX {
            break;
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[tokio::test]
async fn walks_part_0() {
    part(0).await;
}

#[tokio::test]
async fn walks_part_1() {
    part(1).await;
}

#[tokio::test]
async fn walks_part_2() {
    part(2).await;
}

#[tokio::test]
async fn walks_part_3() {
    part(3).await;
}
