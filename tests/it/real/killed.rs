//! Twenty times `kill -9` at random moments, while fifty services come and change on a real engine.
#![expect(clippy::disallowed_types, clippy::print_stdout, reason = "figures for people, which decide nothing")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use amarre_sim::npm;
use serde_json::Value as Json;
use sqlx::{Connection, Row, SqliteConnection};
use tokio::process::Child;

use crate::support::rig::{Rig, ZONE};
use crate::support::{docker_lines, eventually, inspect};

const SERVICES: usize = 50;
const KILLS: usize = 20;
/// After this many, half of the services are changed.
const KILLS_BEFORE_CHANGE: usize = 8;
/// A process that was just started lives at least and at most so long.
const LIFE_MS: std::ops::Range<u64> = 50..2500;
/// Another number, other moments.
const SEED: u64 = 0x5eed_0f4b;
/// From the last kill to the end: many times what a quiet machine needs.
const END_S_MAX: u64 = 400;

/// The next of a sequence that is the same each time.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn name(number: usize) -> String {
    format!("s{number:02}")
}

/// Some have data and so stop first, some have a healthcheck; all are small.
fn manifest(number: usize, text: &str) -> String {
    let name = name(number);
    let more = match number % 5 {
        0 => "volumes: ['data:/data']\n",
        1 => "healthcheck: {test: [CMD, 'true'], interval: 1s}\n",
        _ => "",
    };
    format!(
        "name: TAG-{name}\nimage: amarre-test:1\nupdate: {{drain: 1s}}\ncommand: [serve, '80']\nport: 80\n\
         stop_grace_period: 2s\nenvironment: {{TEXT: {name} {text}}}\n{more}"
    )
}

/// Every second one is changed.
fn is_changed(number: usize) -> bool {
    number.is_multiple_of(2)
}

fn start(rig: &Rig) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(rig.folder.path().join("daemon.log")).unwrap();
    let mut command = rig.command(&["run", "--yes"]);
    command.stdout(Stdio::from(log.try_clone().unwrap())).stderr(log).spawn().unwrap()
}

/// `None` where a process was killed before it made one.
async fn ledger(rig: &Rig) -> Option<SqliteConnection> {
    let url = format!("sqlite://{}", rig.state().join("amarre.db").display());
    SqliteConnection::connect(&url).await.ok()
}

/// Whether a call is under way, or was when the process was killed.
async fn is_calling(rig: &Rig) -> bool {
    let Some(mut ledger) = ledger(rig).await else { return false };
    let open = "SELECT count(*) FROM intents WHERE done_ms IS NULL";
    let found = sqlx::query(open).fetch_one(&mut ledger).await;
    // Killed before the ledger had its tables.
    found.is_ok_and(|row| row.get::<i64, _>(0) > 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_kills_while_fifty_services_converge() {
    let rig = Rig::start().await;
    let foreigners = rig.seed_foreigners();
    for number in 0..SERVICES {
        rig.write(&format!("{}.yaml", name(number)), &manifest(number, "one"));
    }
    let (mut seed, mut cut, mut lived_ms) = (SEED, 0, 0);
    for kill in 0..KILLS {
        if kill == KILLS_BEFORE_CHANGE {
            for number in (0..SERVICES).filter(|number| is_changed(*number)) {
                rig.write(&format!("{}.yaml", name(number)), &manifest(number, "two"));
            }
        }
        let mut child = start(&rig);
        let life = LIFE_MS.start + next(&mut seed) % (LIFE_MS.end - LIFE_MS.start);
        tokio::time::sleep(Duration::from_millis(life)).await;
        if kill == KILLS_BEFORE_CHANGE {
            // On a busy machine none may have lived that long.
            eventually(60, "a call is under way", async || is_calling(&rig).await).await;
        }
        child.kill().await.unwrap();
        lived_ms += life;
        cut += usize::from(is_calling(&rig).await);
    }
    let after_last_kill = std::time::Instant::now();
    let there = rig.containers().len();
    let daemon = rig.daemon().await;
    eventually(END_S_MAX, "every service in sync and healthy", async || daemon.is_settled().await).await;
    let rest = after_last_kill.elapsed().as_secs();
    assert_eq!(daemon.stop().await, 0);
    println!(
        "{KILLS} kills in {lived_ms} ms of work, {cut} of them with a call under way; {there} of {SERVICES} containers \
         after the last one, at rest {rest} s later"
    );
    assert!(cut > 0, "the kills strike");
    rig.quiet().await;
    check_containers(&rig).await;
    check_vendors(&rig);
    // A fast machine is settled before calls that were cut count as over.
    eventually(60, "the end of every call is known", async || {
        rig.apply().await;
        !is_calling(&rig).await
    })
    .await;
    check_ledger(&rig).await;
    foreigners.assert_unchanged(&rig);
    rig.forget();
    rig.apply().await;
    assert_eq!(rig.writes(), [""; 0]);
}

/// One container for each service and none besides, each as its manifest says.
async fn check_containers(rig: &Rig) {
    let mut expected: Vec<String> = (0..SERVICES).map(|number| rig.name(&name(number))).collect();
    assert_eq!(rig.containers().into_keys().collect::<Vec<_>>(), expected);
    // Also none of this test's without a mark.
    expected.extend(["stranger", "stopped"].map(|name| rig.name(name)));
    expected.sort();
    let filter = format!("name={}-", rig.tag);
    assert_eq!(docker_lines(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]), expected);
    let volumes: Vec<String> =
        (0..SERVICES).step_by(5).map(|number| format!("{}_data", rig.name(&name(number)))).collect();
    assert_eq!(rig.ours("volume"), volumes);
    for number in 0..SERVICES {
        let container = inspect("container", &rig.name(&name(number)));
        assert_eq!(container["State"]["Running"], true, "{}", name(number));
        assert_eq!(container["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped", "{}", name(number));
        let text = if is_changed(number) { "two" } else { "one" };
        let address = container["NetworkSettings"]["Networks"].as_object().unwrap().values().next().unwrap();
        let host = rig.host(&rig.domain(&name(number))).unwrap();
        assert_eq!(host["forward_host"], address["IPAddress"], "{}", name(number));
        rig.assert_serves(&name(number), &format!("{} {text}", name(number))).await;
    }
}

/// One host and two records for each, and nothing that is not published.
fn check_vendors(rig: &Rig) {
    let hosts = rig.npm.rows(npm::Kind::ProxyHost);
    let ours = hosts.iter().filter(|row| row["domain_names"].to_string().contains(&rig.tag)).count();
    assert_eq!(ours, SERVICES);
    let records = rig.records();
    assert_eq!(records.len(), 2 * SERVICES);
    assert_eq!(records.iter().collect::<BTreeSet<_>>().len(), 2 * SERVICES, "{records:?}");
    let sorted = |rows: Vec<Json>| {
        let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
        rows.sort();
        rows
    };
    assert_eq!(sorted(rig.ovh.published(ZONE)), sorted(rig.ovh.records(ZONE)), "not published");
}

/// It is whole, nothing is open in it, and its leases are the subnets that are there.
async fn check_ledger(rig: &Rig) {
    let mut ledger = ledger(rig).await.unwrap();
    let sound: String = sqlx::query("PRAGMA integrity_check").fetch_one(&mut ledger).await.unwrap().get(0);
    assert_eq!(sound, "ok");
    let rows = sqlx::query("SELECT network, subnet FROM leases").fetch_all(&mut ledger).await.unwrap();
    let leases: BTreeMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let networks = rig.ours("network");
    assert_eq!(networks.len(), SERVICES);
    let there: BTreeMap<String, String> = networks
        .into_iter()
        .map(|name| {
            let subnet = inspect("network", &name)["IPAM"]["Config"][0]["Subnet"].as_str().unwrap().to_owned();
            (name, subnet)
        })
        .collect();
    let of = |lease: &str| leases.iter().find(|(name, _)| name.ends_with(lease)).map(|(_, subnet)| subnet.clone());
    for (name, subnet) in &there {
        assert_eq!(of(name).as_ref(), Some(subnet), "{leases:?}");
    }
    assert_eq!(leases.len(), SERVICES, "{leases:?}");
    assert_eq!(leases.values().collect::<BTreeSet<_>>().len(), SERVICES, "no subnet twice");
    let open: i64 =
        sqlx::query("SELECT count(*) FROM intents WHERE done_ms IS NULL").fetch_one(&mut ledger).await.unwrap().get(0);
    assert_eq!(open, 0, "no call whose end is not known");
}
