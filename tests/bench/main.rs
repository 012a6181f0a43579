//! What converging costs on a real engine, beside a bare client that makes the same calls, in one run on one machine.
//!
//! `scripts/bench engine` prints a table. NPM and OVH are simulated; Docker is not.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]
#![expect(clippy::disallowed_types, reason = "a bench measures")]
#![expect(clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "its rigs are those of the tests")]

#[path = "../it/support/mod.rs"]
#[allow(dead_code, unfulfilled_lint_expectations, reason = "the tests use more of it")]
mod support;

mod bare;
mod cloud;
mod hosts;
mod rows;
mod zone;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::process::Child;

use support::eventually;
use support::rig::Rig;

/// The number of services that are made at once.
const SIZES: [usize; 2] = [50, 200];
const SIZE_SMOKE: usize = 3;
/// The bare client is tried with each, and the fastest counts.
const PARALLEL: [usize; 2] = [4, 8];
const ROUNDS: usize = 10;
/// Between two containers that are removed.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an idle daemon is watched: it looks once within that.
const IDLE: Duration = Duration::from_secs(300);
/// The kernel counts a process's time in hundredths of a second.
const TICKS_PER_S: f64 = 100.0;

#[tokio::main]
async fn main() {
    let is_smoke = std::env::args().any(|arg| arg == "--smoke");
    if std::env::args().any(|arg| arg == "zone") {
        return zone::compare(is_smoke).await;
    }
    if std::env::args().any(|arg| arg == "cloud") {
        return cloud::compare(is_smoke).await;
    }
    let asked: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    if std::env::args().any(|arg| arg == "hosts") {
        return hosts::compare(is_smoke, &asked).await;
    }
    println!("{:<44} {:>10} {:>10} {:>7}  aim", "", "amarre", "bare", "ratio");
    let sizes: &[usize] = match asked.as_slice() {
        [] if is_smoke => &[SIZE_SMOKE],
        [] => &SIZES,
        asked => asked,
    };
    for (at, count) in sizes.iter().enumerate() {
        let rig = rig(*count).await;
        let bare = bare_best(&rig, *count, is_smoke).await;
        let (ours, worked_s) = first_apply(&rig, *count).await;
        row(&format!("{count} new services, until all run"), ours, bare, Some(1.1));
        println!("  CPU of our own meanwhile: {worked_s:.2} s");
        if at + 1 == sizes.len() {
            standing(&rig, *count, is_smoke).await;
        }
        let gone = rig.run(&["destroy", "--all", "--yes", "--timeout", "10m"]).await;
        assert_eq!(gone.code, 0, "{gone}");
    }
    zone::compare(is_smoke).await;
    cloud::compare(is_smoke).await;
    if is_smoke {
        hosts::compare(is_smoke, &[]).await;
    }
}

fn row(what: &str, ours: Duration, bare: Duration, aim: Option<f64>) {
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    let aimed = aim.map(|aim| format!("{aim:.2}")).unwrap_or_default();
    println!("{what:<44} {:>8.0} ms {:>8.0} ms {ratio:>6.2}×  {aimed}", millis(ours), millis(bare));
    if let Some(aim) = aim {
        rows::note(what, ratio, aim, "×", 2);
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A network, a container, a record and a host each.
async fn rig(count: usize) -> Rig {
    let mut rig = Rig::start().await;
    let host = json!({"docker": format!("unix://{}", bare::SOCKET), "address": support::rig::PUBLIC, "npm": "main"});
    rig.settings.insert("hosts".to_owned(), json!({"default": host}));
    rig.settings.insert("reconcile".to_owned(), json!({"interval": "5m"}));
    rig.configure();
    for number in 0..count {
        rig.write(&format!("s{number:03}.yaml"), &service(number));
    }
    rig
}

fn service(number: usize) -> String {
    format!("name: TAG-s{number:03}\nimage: amarre-test:1\ncommand: [serve, '80']\nport: 80\nstop_grace_period: 1s\n")
}

/// The same calls with nothing around them.
async fn bare_best(rig: &Rig, count: usize, is_smoke: bool) -> Duration {
    let parallel: &[usize] = if is_smoke { &PARALLEL[..1] } else { &PARALLEL };
    let mut best = Duration::MAX;
    for at_once in parallel {
        let began = Instant::now();
        bare::make(&rig.tag, rig.octet, count, *at_once).await;
        best = best.min(began.elapsed());
        bare::remove(&rig.tag, count).await;
    }
    best
}

/// From the start of the command to the start of the last container; and its seconds of CPU until then.
async fn first_apply(rig: &Rig, count: usize) -> (Duration, f64) {
    let label = format!("io.amarre.instance={}", rig.instance());
    let mut starts = bare::Starts::subscribe(&label).await;
    let began = Instant::now();
    let apply = rig.command(&["apply", "--yes", "--timeout", "10m"]).stdout(Stdio::null()).spawn().unwrap();
    starts.wait(count).await;
    let took = began.elapsed();
    let worked_s = ticks(&apply) / TICKS_PER_S;
    let ended = apply.wait_with_output().await.unwrap();
    assert!(ended.status.success(), "apply: {}", String::from_utf8_lossy(&ended.stderr));
    (took, worked_s)
}

/// What a daemon costs when nothing is to be done, and when something is.
async fn standing(rig: &Rig, count: usize, is_smoke: bool) {
    let mut daemon = start(rig).await;
    let rounds = if is_smoke { 2 } else { ROUNDS };

    let plan = |_: usize| async {
        let began = Instant::now();
        let plan = bare::ask(&rig.state().join("amarre.sock"), "GET", "/api/v1/preview", None).await;
        let plan = String::from_utf8_lossy(&plan);
        let is_empty = ["create", "update", "delete"].iter().all(|verb| plan.contains(&format!("\"{verb}\":0")));
        assert!(is_empty, "{plan}");
        began.elapsed()
    };
    let look = |round: usize| quiet_look(rig, round);
    let token = bare::token(rig).await;
    let lists = |_: usize| async {
        let began = Instant::now();
        for path in ["/containers/json?all=1", "/networks", "/volumes", "/images/json"] {
            bare::engine("GET", path, None).await;
        }
        for section in ["proxy-hosts", "redirection-hosts", "streams", "access-lists", "certificates"] {
            bare::npm(rig, "GET", &format!("/api/nginx/{section}"), &token, None).await;
        }
        began.elapsed()
    };
    plan(0).await;
    let bare = median(rounds, lists).await;
    row(&format!("a quiet look at {count} services, bare lists"), median(rounds, look).await, bare, Some(3.0));
    println!("  requests of one: {}", calls_of(rig, async || _ = look(0).await).await);
    row("`plan` for them, all read anew, bare lists", median(rounds, plan).await, bare, None);
    println!("  requests of one: {}", calls_of(rig, async || _ = plan(0).await).await);

    let name = rig.name("s000");
    let label = format!("io.amarre.instance={}", rig.instance());
    let healed = |_: usize| async {
        let mut starts = bare::Starts::subscribe(&label).await;
        bare::engine("DELETE", &format!("/containers/{name}?force=1"), None).await;
        let began = Instant::now();
        starts.wait(1).await;
        let took = began.elapsed();
        eventually(60, "it is well again", async || {
            bare::json(&bare::engine("GET", &format!("/containers/{name}/json"), None).await)["State"]["Running"]
                == true
        })
        .await;
        // What follows is over before the next is removed: an unobserved resource is not made a second time at once.
        tokio::time::sleep(PAUSE).await;
        took
    };
    let ours = median(rounds, healed).await;
    let made = |_: usize| bare::remade(&rig.tag, rig.octet);
    row("a removed container, until it runs", ours, median(rounds, made).await, Some(1.15));

    let watched = if is_smoke { Duration::from_secs(2) } else { IDLE };
    let before = ticks(&daemon);
    tokio::time::sleep(watched).await;
    let share = (ticks(&daemon) - before) / TICKS_PER_S / watched.as_secs_f64() * 100.0;
    let held = resident_mb(&daemon);
    println!("an idle daemon with {count} services: {held:.1} MB, {share:.2} % of a core  (aims: 30 MB, 0.2 %)");
    rows::note("an idle daemon, memory", held, 30.0, " MB", 0);
    rows::note("an idle daemon, of a core", share, 0.2, " %", 2);
    daemon.start_kill().unwrap();
    daemon.wait().await.unwrap();
}

/// What the daemon says of the time that one look takes. A hidden file in the folder wakes it, and says nothing.
async fn quiet_look(rig: &Rig, round: usize) -> Duration {
    let (count, took) = looks(rig).await;
    rig.write(".woken", &round.to_string());
    let has_looked = async || {
        // Each answer costs what all the services come to: it would slow the look down.
        tokio::time::sleep(PAUSE).await;
        looks(rig).await.0 > count
    };
    eventually(60, "it has looked", has_looked).await;
    let (after, all) = looks(rig).await;
    (all - took) / u32::try_from(after - count).unwrap()
}

/// How many looks there were, and how long they took together.
async fn looks(rig: &Rig) -> (u64, Duration) {
    const COUNT: &str = "amarre_reconcile_duration_seconds_count{phase=\"total\"}";
    let mut text = metrics(rig).await;
    // A daemon that has more to do may say that it is to be asked later.
    while !text.contains(COUNT) {
        tokio::time::sleep(PAUSE).await;
        text = metrics(rig).await;
    }
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).unwrap();
    let took = Duration::from_secs_f64(value("amarre_reconcile_duration_seconds_sum{phase=\"total\"}"));
    (value(COUNT) as u64, took)
}

/// The requests that the daemon makes meanwhile.
async fn calls_of(rig: &Rig, what: impl AsyncFn()) -> String {
    let before = requests(rig).await;
    what().await;
    let calls = requests(rig).await.into_iter().map(|(of, many)| {
        let new = many - before.get(&of).copied().unwrap_or_default();
        (of, new)
    });
    let calls: Vec<String> = calls.filter(|(_, new)| *new > 0).map(|(of, new)| format!("{new} {of}")).collect();
    calls.join(", ")
}

async fn metrics(rig: &Rig) -> String {
    support::get(([127, 0, 0, 1], rig.port()).into(), "localhost", "/metrics").await.unwrap().1
}

/// How many requests the daemon has made, by provider and method, as its metrics say.
async fn requests(rig: &Rig) -> BTreeMap<String, u64> {
    let text = metrics(rig).await;
    let lines = text.lines().filter_map(|line| line.strip_prefix("amarre_provider_requests"));
    let parts = lines.filter_map(|line| line.split_once('{')?.1.split_once("} "));
    parts.map(|(of, many)| (of.replace('"', ""), many.parse().unwrap_or_default())).collect()
}

async fn median<F: AsyncFn(usize) -> Duration>(rounds: usize, what: F) -> Duration {
    let mut times = Vec::new();
    for round in 0..rounds {
        times.push(what(round).await);
    }
    times.sort();
    times[times.len() / 2]
}

fn spawn(rig: &Rig) -> Child {
    let mut command = rig.command(&["run", "--yes"]);
    // As `deploy/` has it.
    command.env("MALLOC_ARENA_MAX", "1").stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

async fn start(rig: &Rig) -> Child {
    let daemon = spawn(rig);
    let address = ([127, 0, 0, 1], rig.port()).into();
    let is_ready = async || support::get(address, "localhost", "/readyz").await.is_some_and(|(code, _)| code == 200);
    eventually(60, "the daemon is ready", is_ready).await;
    daemon
}

/// Of the process alone: user and system time.
fn ticks(process: &Child) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id().unwrap())).unwrap();
    let after = stat.rsplit_once(") ").unwrap().1;
    let fields: Vec<&str> = after.split(' ').collect();
    fields[11..13].iter().map(|text| text.parse::<f64>().unwrap()).sum()
}

fn resident_mb(daemon: &Child) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id().unwrap())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
