//! How far one daemon reaches: 10,000 services on 100 simulated hosts beside 1,000 on 10, each host with an NPM of its own. Time
//! and CPU until all are there, a quiet look, a removed container, memory, an idle minute.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use amarre_sim::docker::Docker;
use amarre_sim::npm::{Kind, Npm, NpmOptions};
use serde_json::{Value as Json, json};
use tokio::process::Child;

use crate::rows;
use crate::support::eventually;
use crate::support::rig::Rig;

const SMALL: usize = 10;
const LARGE: usize = 100;
const LARGE_SMOKE: usize = 3;
const SERVICES_PER_HOST: usize = 100;
const SERVICES_PER_HOST_SMOKE: usize = 2;
/// Ten times as many may cost eleven times as much.
const RATIO_MAX: f64 = 1.1;
const ROUNDS: usize = 3;
const IDLE: Duration = Duration::from_secs(60);
/// A look at all of them takes its time while they are made.
const MADE_WITHIN_S: u64 = 3_600;
const LOOK_APART: Duration = Duration::from_millis(200);

const WHAT: [&str; 5] =
    ["all made, from the start", "CPU until then", "a quiet look", "CPU for it", "a removed container, until it runs"];

struct Costs {
    took: [Duration; 5],
    memory_mb: f64,
    idle_share: f64,
}

/// `hosts`: other numbers of hosts, the small one first.
pub async fn compare(is_smoke: bool, hosts: &[usize]) {
    let each = if is_smoke { SERVICES_PER_HOST_SMOKE } else { SERVICES_PER_HOST };
    let (small, large) = match hosts {
        [small, large, ..] => (*small, *large),
        [..] if is_smoke => (1, LARGE_SMOKE),
        [..] => (SMALL, LARGE),
    };
    let few = measure(small, each, is_smoke).await;
    print(small, each, &few);
    let many = measure(large, each, is_smoke).await;
    print(large, each, &many);
    let title = format!("{} on {large} hosts, each", large * each);
    let larger = large as f64 / small as f64;
    for ((what, many), few) in WHAT.into_iter().zip(many.took).zip(few.took) {
        let ratio = many.as_secs_f64() / few.as_secs_f64() / larger;
        println!("{:<52} {ratio:>6.2}× of {small} hosts  {RATIO_MAX}", format!("  {what}, a host"));
        rows::note(&format!("{title}: {what}"), ratio, RATIO_MAX, "×", 2);
    }
}

fn print(hosts: usize, each: usize, costs: &Costs) {
    println!("{} services on {hosts} hosts", hosts * each);
    for (what, took) in WHAT.into_iter().zip(costs.took) {
        println!("{:<52} {:>9.0} ms", format!("  {what}"), crate::millis(took));
    }
    println!("{:<52} {:>9.0} MB", "  memory", costs.memory_mb);
    println!("{:<52} {:>9.2} %", "  an idle daemon, of a core", costs.idle_share * 100.0);
}

struct Fleet {
    rig: Rig,
    engines: Vec<Docker>,
    proxies: Vec<Npm>,
}

/// Hosts with these services each: a network, a container, a proxy host.
async fn fleet(hosts: usize, services: usize) -> Fleet {
    let mut rig = Rig::start().await;
    let (mut engines, mut proxies) = (Vec::new(), Vec::new());
    let (mut sites, mut npms) = (BTreeMap::new(), BTreeMap::new());
    for host in 0..hosts {
        let docker = Docker::start(amarre_sim::docker::DockerOptions::default()).await.unwrap();
        docker.seed_network("npm_default", "172.19.0.0/16").unwrap();
        docker.seed_container("npm", "npm:2", &["npm_default"]).unwrap();
        let npm = Npm::start(NpmOptions::default()).await.unwrap();
        let url = docker.server.url().replace("http://", "tcp://");
        sites.insert(
            format!("h{host:03}"),
            json!({"docker": url, "address": crate::support::rig::PUBLIC, "npm": format!("n{host:03}")}),
        );
        npms.insert(
            format!("n{host:03}"),
            json!({"url": npm.server.url(), "identity": "amarre@amarre.demo", "secret": "changeme-npm",
                "container": "npm", "reach": "network"}),
        );
        let manifests: Vec<String> = (0..services).map(|number| service(host, number)).collect();
        rig.write(&format!("h{host:03}.yaml"), &manifests.join("---\n"));
        engines.push(docker);
        proxies.push(npm);
    }
    rig.settings.insert("hosts".to_owned(), json!(sites));
    rig.settings.insert("npm".to_owned(), json!(npms));
    rig.settings.insert("reconcile".to_owned(), json!({"interval": "5m"}));
    rig.settings.insert("network".to_owned(), json!({"pools": ["10.0.0.0/8"]}));
    rig.configure();
    Fleet { rig, engines, proxies }
}

fn service(host: usize, number: usize) -> String {
    format!("name: s{host:03}-{number:03}\nhost: h{host:03}\nimage: web:1\nport: 80\ndns: none\n")
}

async fn measure(hosts: usize, each: usize, is_smoke: bool) -> Costs {
    let Fleet { rig, engines, proxies } = fleet(hosts, each).await;
    let began = Instant::now();
    let mut daemon = crate::spawn(&rig);
    eventually(MADE_WITHIN_S, "all are made", async || are_made(&proxies, hosts * each).await).await;
    let made = began.elapsed();
    let worked = cpu(&daemon);
    settle(&rig).await;

    let rounds = if is_smoke { 1 } else { ROUNDS };
    let before = cpu(&daemon);
    let look = crate::median(rounds, async |round| crate::quiet_look(&rig, round).await).await;
    let looked = (cpu(&daemon) - before) / u32::try_from(rounds).unwrap();
    let healed = crate::median(rounds, async |round| heal(&engines[round % hosts]).await).await;
    settle(&rig).await;
    let before = cpu(&daemon);
    let idle = if is_smoke { Duration::from_secs(2) } else { IDLE };
    tokio::time::sleep(idle).await;
    let idle_share = (cpu(&daemon) - before).as_secs_f64() / idle.as_secs_f64();
    let memory_mb = crate::resident_mb(&daemon);
    daemon.start_kill().unwrap();
    daemon.wait().await.unwrap();
    Costs { took: [made, worked, look, looked, healed], memory_mb, idle_share }
}

/// Every proxy host is there, which comes last. Asked of the simulators, which costs the daemon nothing.
async fn are_made(proxies: &[Npm], services: usize) -> bool {
    tokio::time::sleep(LOOK_APART).await;
    proxies.iter().map(|npm| npm.rows(Kind::ProxyHost).len()).sum::<usize>() == services
}

/// Nothing is looked at any more but by the interval.
async fn settle(rig: &Rig) {
    let mut before = crate::looks(rig).await.0;
    loop {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let now = crate::looks(rig).await.0;
        if now == before {
            return;
        }
        before = now;
    }
}

async fn heal(docker: &Docker) -> Duration {
    let name = |container: &Json| container["Name"].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
    let of_service = docker.containers().iter().map(name).find(|name| name != "npm").expect("the host has services");
    docker.remove(&of_service).unwrap();
    let began = Instant::now();
    let is_it = |container: &Json| name(container) == of_service && container["State"]["Running"] == true;
    eventually(120, "it runs again", async || docker.containers().iter().any(is_it)).await;
    began.elapsed()
}

fn cpu(daemon: &Child) -> Duration {
    Duration::from_secs_f64(crate::ticks(daemon) / crate::TICKS_PER_S)
}
