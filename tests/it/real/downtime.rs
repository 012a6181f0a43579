//! What visitors notice of updates, behind a real nginx in a container with a published port.
//!
//! The servers take two seconds to start, some answers take more than one, a connection may be kept, and nginx obeys
//! later than NPM answers: what is switched over too early, stopped too early or not drained shows as a failed request.
#![expect(clippy::print_stdout, reason = "figures for people")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::crowd::{Crowd, Tally};
use crate::support::nginx::RealFront;
use crate::support::rig::Rig;
use crate::support::{docker, eventually};

const REQUESTS_MIN: u64 = 20_000;
const UPDATES: u32 = 5;
/// Twice what a busy machine needs for the requests that are missing after the last update.
const MORE_S_MAX: u64 = 200;

/// With a healthcheck.
const CHECKED: &str = "
name: TAG-checked
update: {drain: 4s}
image: amarre-nginx-test:1
command: [app, '80']
port: 80
environment: {TEXT: checked 0, START_S: '2'}
healthcheck: {test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1/'], interval: 1s, timeout: 3s, retries: 20}
";

/// Without: probed from where NPM stands.
const PROBED: &str = "
name: TAG-probed
update: {drain: 4s}
image: amarre-nginx-test:1
command: [app, '80']
port: 80
environment: {TEXT: probed 0, START_S: '2'}
";

/// With data, so that two may never run at once.
const STORED: &str = "
name: TAG-stored
image: amarre-nginx-test:1
command: [app, '80']
port: 80
environment: {TEXT: stored 0, START_S: '2'}
volumes: ['data:/data']
";

fn crowd(rig: &Rig, front: &RealFront, name: &str) -> Crowd {
    Crowd::start(front.address, &rig.domain(name), &format!("{name} "))
}

/// NPM answers before nginx has taken a new host; after that, the worker from before may answer for a moment more.
async fn opens(rig: &Rig, front: &RealFront, name: &str) {
    let domain = rig.domain(name);
    let answers = async || crate::support::get(front.address, &domain, "/").await.is_some_and(|(code, _)| code == 200);
    eventually(60, "nginx serves the new host", answers).await;
    let workers = || docker(&["top", &front.container, "-eo", "pid,args"]).matches("worker process").count();
    eventually(60, "the worker from before is gone", async || workers() == 1).await;
}

async fn assert_serves(rig: &Rig, front: &RealFront, name: &str, text: &str) {
    let answer = crate::support::get(front.address, &rig.domain(name), "/").await;
    assert_eq!(answer, Some((200, format!("{text}\n"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn updates_behind_a_real_nginx_fail_no_request() {
    let mut rig = Rig::start().await;
    let front = RealFront::start(&mut rig).await;
    for (name, text) in [("checked", CHECKED), ("probed", PROBED), ("stored", STORED)] {
        rig.write(&format!("{name}.yaml"), text);
    }
    rig.apply().await;
    for name in ["checked", "probed", "stored"] {
        opens(&rig, &front, name).await;
    }

    let crowds = ["checked", "probed"].map(|name| crowd(&rig, &front, name));
    for number in 1..=UPDATES {
        for (name, text) in [("checked", CHECKED), ("probed", PROBED)] {
            rig.write(&format!("{name}.yaml"), &text.replace(&format!("{name} 0"), &format!("{name} {number}")));
        }
        rig.apply().await;
        for name in ["checked", "probed"] {
            assert_serves(&rig, &front, name, &format!("{name} {number}")).await;
        }
    }
    let requests = || crowds.iter().map(|crowd| crowd.tally().requests).sum::<u64>();
    eventually(MORE_S_MAX, "enough requests", async || requests() >= REQUESTS_MIN).await;
    let mut first = Tally::default();
    for crowd in crowds {
        first.add(&crowd.end());
    }
    println!("start-first, {UPDATES} updates of 2 services: {first}");
    for line in &first.told {
        println!("  {line}");
    }

    let visitors = crowd(&rig, &front, "stored");
    rig.write("stored.yaml", &STORED.replace("stored 0", "stored 1"));
    rig.apply().await;
    assert_serves(&rig, &front, "stored", "stored 1").await;
    let stopped = visitors.end();
    println!("stop-first, 1 update of 1 service: {stopped}");

    assert_eq!(first.failed, 0, "{first}: {:#?}", first.told);
    assert!(first.requests >= REQUESTS_MIN && first.slow > 0, "{first}");
    assert!(stopped.failed > 0, "what stops first is noticed, or the visitors see nothing: {stopped}");
    let names: Vec<String> = rig.containers().into_keys().collect();
    assert_eq!(names, ["checked", "probed", "stored"].map(|name| rig.name(name)), "the old ones are gone");
    front.end();
}

/// Reads a little at a time, so that it is under way all the while, and the rest when it is told to hurry. Answers how
/// many bytes came.
async fn download(address: SocketAddr, domain: String, hurry: Arc<AtomicBool>) -> usize {
    /// Shorter than what nginx grants a client that takes nothing; a megabyte is gone in some seconds.
    const PAUSE: Duration = Duration::from_millis(250);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /big HTTP/1.1\r\nHost: {domain}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut length, mut part) = (0, vec![0; 32 * 1024]);
    loop {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return length,
            Ok(count) => length += count,
        }
        if !hurry.load(Ordering::Relaxed) {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Each new service attaches NPM's container to one more network and has nginx reload, each that goes does the reverse.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_download_behind_a_real_nginx_survives_services_that_come_and_go() {
    const SERVICES: u32 = 20;
    const BIG_MB: usize = 48;
    let mut rig = Rig::start().await;
    let front = RealFront::start(&mut rig).await;
    let big = PROBED.replace("START_S: '2'", &format!("BIG_MB: '{BIG_MB}'"));
    rig.write("probed.yaml", &big);
    rig.apply().await;
    opens(&rig, &front, "probed").await;

    let hurry = Arc::new(AtomicBool::new(false));
    let download = tokio::spawn(download(front.address, rig.domain("probed"), hurry.clone()));
    let visitors = crowd(&rig, &front, "probed");
    let new = |number: u32| format!("name: TAG-n{number}\nimage: amarre-test:1\ncommand: [serve, '80']\nport: 80\n");
    for half in [0..SERVICES / 2, SERVICES / 2..SERVICES] {
        for number in half.clone() {
            rig.write(&format!("n{number}.yaml"), &new(number));
        }
        rig.apply().await;
        let names: Vec<String> = half.map(|number| rig.name(&format!("n{number}"))).collect();
        let arguments: Vec<&str> =
            ["destroy"].into_iter().chain(names.iter().map(String::as_str)).chain(["--yes"]).collect();
        let destroyed = rig.run(&arguments).await;
        assert_eq!(destroyed.code, 0, "{destroyed}");
    }
    hurry.store(true, Ordering::Relaxed);
    let length = download.await.unwrap();
    let seen = visitors.end();
    let whole = BIG_MB * 1024 * 1024;
    println!("{SERVICES} services came and went during a download of {whole} bytes: {seen}");
    assert!(length > whole, "{length} of {whole} bytes");
    assert_eq!(seen.failed, 0, "{seen}: {:#?}", seen.told);
    assert_eq!(docker(&["port", &front.container, "80/tcp"]), front.address.to_string());
    front.end();
}
