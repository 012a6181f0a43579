//! A service that works is never broken by a change, under requests all the while.

use super::apply::{PLAIN, WEB};
use crate::support::rig::Rig;
use crate::support::visitors::Visitors;
use crate::support::{docker, eventually, inspect};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_start_first_update_fails_no_request() {
    let rig = Rig::start().await;
    // Longer than a visitor stands still on a busy machine between the address and its question.
    let web = WEB.replace("drain: 1s", "drain: 5s");
    rig.write("web.yaml", &web);
    rig.apply().await;
    let before = inspect("container", &rig.name("web"));
    let visitors = Visitors::start(rig.npm.proxy_address, &rig.domain("web"), "web ");
    for (text, image) in [("web two", "amarre-test:1"), ("web three", "amarre-test:2")] {
        rig.write("web.yaml", &web.replace("web one", text).replace("amarre-test:1", image));
        rig.apply().await;
        rig.assert_serves("web", text).await;
    }
    visitors.assert_content().await;
    let after = inspect("container", &rig.name("web"));
    assert_ne!(before["Id"], after["Id"]);
    assert_eq!(rig.containers().len(), 1, "the old ones are gone");
}

/// The first one answers at once, and is healthy after three seconds.
const DUO: &str = "
name: TAG-duo
containers:
  app:
    image: amarre-test:1
    command: [serve, '80']
    environment: {TEXT: one}
    healthcheck: {test: [CMD-SHELL, 'test -e /well || { sleep 3; touch /well; }'], interval: 1s, timeout: 10s}
  peer:
    image: amarre-test:1
    command: [serve, '80']
    healthcheck: {test: [CMD, 'true'], interval: 1s}
update: {drain: 5s}
";

/// A sibling that asks by name all the while is always answered, and never by a candidate that is not healthy yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sibling_never_meets_a_candidate_before_it_is_healthy() {
    let rig = Rig::start().await;
    rig.write("duo.yaml", DUO);
    rig.apply().await;
    let (app, peer) = (rig.name("duo-app"), rig.name("duo-peer"));
    let before = inspect("container", &app);
    let asks = "while test ! -e /enough; do a=$(wget -q -O - http://app/ 2>&1 || echo nobody); echo $(/bin/busybox date +%s) $a; done > /said";
    docker(&["exec", "-d", &peer, "sh", "-c", asks]);
    rig.write("duo.yaml", &DUO.replace("TEXT: one", "TEXT: two"));
    rig.apply().await;
    let says = || docker(&["exec", &peer, "cat", "/said"]);
    let answers = |said: &str, what: &str| said.lines().filter(|line| line.ends_with(what)).count();
    eventually(60, "the new one answers", async || answers(&says(), "two") > 10).await;
    docker(&["exec", &peer, "touch", "/enough"]);
    let said = says();
    let after = inspect("container", &app);
    assert_ne!(before["Id"], after["Id"]);
    // The engine keeps the last five checks, and there were more by now.
    let healthy = docker(&["exec", &app, "/bin/busybox", "stat", "-c", "%Y", "/well"]);
    let healthy: i64 = healthy.trim().parse().unwrap();
    assert!(answers(&said, "one") > 10, "{said}");
    let unanswered: Vec<&str> = said.lines().filter(|line| line.ends_with("nobody")).collect();
    assert_eq!(unanswered, [""; 0]);
    let first = said.lines().find(|line| line.ends_with("two")).unwrap();
    let first: i64 = first.split(' ').next().unwrap().parse().unwrap();
    assert!(first >= healthy, "answered by the new one at {first}, healthy at {healthy}");
    let address = |container: &serde_json::Value| {
        container["NetworkSettings"]["Networks"][format!("zz-amarre-{}", rig.name("duo"))]["IPAddress"].clone()
    };
    assert_ne!(address(&before), address(&after));
    assert_eq!(rig.containers().len(), 2, "the old one is gone");
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_with_data_stops_first_and_keeps_its_data() {
    let rig = Rig::start().await;
    rig.write("plain.yaml", PLAIN);
    rig.apply().await;
    let name = rig.name("plain");
    docker(&["exec", &name, "sh", "-c", "echo kept > /data/file"]);
    rig.write("plain.yaml", &PLAIN.replace("volumes:", "environment: {TEXT: changed}\nvolumes:"));
    let plan = rig.run(&["plan"]).await.out;
    assert!(plan.contains("stop-first") || plan.contains("must stop first"), "{plan}");
    let refused = rig.run(&["apply"]).await;
    assert_eq!(refused.code, 4, "downtime needs a yes: {refused}");
    rig.forget();
    rig.apply().await;
    let writes = rig.gate.writes();
    let at =
        |what: &str| writes.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {writes:?}"));
    assert!(at("/stop") < at("/containers/create"), "never two on one volume: {writes:?}");
    assert_eq!(docker(&["exec", &name, "cat", "/data/file"]), "kept");
    rig.assert_serves("plain", "changed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_candidate_that_exits_leaves_the_old_one_serving() {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.apply().await;
    let before = rig.containers();
    rig.write("web.yaml", &WEB.replace("[serve, '8080']", "[exit, '3']"));
    let ended = rig.apply_partly().await;
    assert!(ended.out.contains("code 3"), "why: {ended}");
    assert_eq!(rig.containers(), before, "the candidate is gone, the old one is as it was");
    rig.assert_serves("web", "web one").await;
    rig.forget();
    rig.run(&["apply", "--yes", "--timeout", "20s"]).await;
    assert_eq!(rig.writes(), [""; 0], "it is not tried again unchanged");
    let status = rig.status_text().await;
    assert!(status.contains("code 3"), "status says so: {status}");

    rig.write("web.yaml", &WEB.replace("web one", "web two"));
    rig.apply().await;
    rig.assert_serves("web", "web two").await;
}

/// Its healthcheck never passes: it gets its time (two minutes at least), and the old one serves all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_candidate_that_is_not_healthy_never_gets_a_visitor() {
    let rig = Rig::start().await;
    rig.write("web.yaml", WEB);
    rig.apply().await;
    let old = rig.containers()[&rig.name("web")].clone();
    let sick = WEB
        .replace("web one", "web sick")
        .replace("[CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:8080/']", "[CMD, 'false']");
    rig.write("web.yaml", &sick);
    let daemon = rig.daemon().await;
    let is_sick =
        || rig.containers().values().any(|id| inspect("container", id)["State"]["Health"]["Status"] == "unhealthy");
    eventually(60, "the candidate is unhealthy", async || is_sick()).await;
    rig.assert_serves("web", "web one").await;
    assert_eq!(rig.containers()[&rig.name("web")], old);
    let path = format!("/api/v1/services/{}", rig.name("web"));
    eventually(60, "status says so", async || daemon.json(&path).await.to_string().contains("unhealthy")).await;
    // Another change overtakes it.
    rig.write("web.yaml", &WEB.replace("web one", "web three"));
    eventually(60, "the next one serves", async || rig.visit("web").await == Some((200, "web three\n".to_owned())))
        .await;
    daemon.wait_until_settled().await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(rig.containers().len(), 1);
    rig.quiet().await;
}

/// What cannot start is as what has exited: the old one is put back, and people are told at once, once, and how to go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_port_that_a_program_has_puts_the_old_one_back() {
    let rig = Rig::start().await;
    let first = super::reach::first_port() + 1190;
    let taken = std::net::TcpListener::bind(("127.0.0.1", first + 1)).unwrap();
    let manifest = |port: u16| {
        format!(
            "name: TAG-port\nimage: amarre-test:1\ncommand: [serve, '8080']\nenvironment: {{TEXT: port}}\nports: ['127.0.0.1:{port}:8080']\nvolumes: ['data:/data']\n"
        )
    };
    rig.write("port.yaml", &manifest(first));
    rig.apply().await;
    let answers = async |port: u16| tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
    assert!(answers(first).await);

    rig.write("port.yaml", &manifest(first + 1));
    let ended = rig.apply_partly().await;
    assert!(ended.out.contains("could not start"), "{ended}");
    let shown = [ended.out.clone(), ended.err.clone(), rig.status_text().await].join("\n");
    assert!(!shown.split(|byte: char| !byte.is_ascii_hexdigit()).any(|word| word.len() == 64), "{shown}");
    assert!(shown.contains(&format!("127.0.0.1:{}", first + 1)) && shown.contains("amarre rollback"), "{shown}");
    assert!(answers(first).await, "the old one is put back: {shown}");
    assert_eq!(rig.containers().len(), 1, "{shown}");
    rig.forget();
    rig.run(&["apply", "--yes", "--timeout", "20s"]).await;
    assert_eq!(rig.writes(), [""; 0], "it is not tried again by itself");

    drop(taken);
    let again = rig.run(&["retry", &rig.name("port")]).await;
    assert_eq!(again.code, 0, "{again}");
    assert!(answers(first + 1).await);
}
