//! The daemon itself, as it is run, under each flood and each bomb: `/healthz` answers, what was committed after the bomb
//! is made in Docker and in NPM, and the bomb is told with its code.

use std::fmt::Write as _;
use std::net::SocketAddr;

use amarre_sim::npm;
use serde_json::{Value as Json, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::api::token;
use crate::cli::rig::{Rig, end};
use crate::hostile::{Hostile, Rules, Says, version};
use crate::support::eventually;
use crate::support::forge::Forge;

/// Small in the source, and endless or huge for a reader without limits.
struct Bomb {
    what: &'static str,
    /// What ends it.
    code: &'static str,
    /// Below its own folder.
    files: Vec<(String, String)>,
}

fn bomb(what: &'static str, code: &'static str, manifest: &str, others: Vec<(&str, String)>) -> Bomb {
    let mut files = vec![("bomb.yaml".to_owned(), format!("name: bomb\n{manifest}"))];
    files.extend(others.into_iter().map(|(name, text)| (name.to_owned(), text)));
    Bomb { what, code, files }
}

fn many(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// In one file each: they come over HTTP as well.
fn texts() -> Vec<Bomb> {
    let repeats = many(9, |step| {
        let many = vec![format!("*a{step}"); 9].join(", ");
        format!("x-a{}: &a{} [{many}]\n", step + 1, step + 1)
    });
    let merges = many(30, |step| format!("x-m{}: &m{} {{<<: [*m{step}, *m{step}], k{step}: v}}\n", step + 1, step + 1));
    let labels = many(60_000, |number| format!("  l{number}: x\n"));
    vec![
        bomb("repeats of repeats", "A0108", &format!("image: web:1\nx-a0: &a0 [x, x, x]\n{repeats}"), Vec::new()),
        bomb("merges of merges", "A0108", &format!("image: web:1\nx-m0: &m0 {{a: b}}\n{merges}x: *m30\n"), Vec::new()),
        bomb("a deep nest", "A0108", &format!("x: {}1{}\n", "[".repeat(5_000), "]".repeat(5_000)), Vec::new()),
        bomb("endless values", "A0108", &format!("image: web:1\nlabels:\n{labels}"), Vec::new()),
    ]
}

/// Of several files.
fn stacks() -> Vec<Bomb> {
    let compose = "compose: stack.yml\n";
    let chain: Vec<(String, String)> = (0..10)
        .map(|step| {
            let next = vec![format!("./i{}.yml", step + 1); 14].join(", ");
            let body = if step < 9 { format!("include: [{next}]\n") } else { "services: {}\n".to_owned() };
            (if step == 0 { "stack.yml".to_owned() } else { format!("i{step}.yml") }, body)
        })
        .collect();
    let chain = chain.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    let long = many(1_900, |number| format!("NAME_{number}={}\n", "x".repeat(500)));
    let mentions = vec!["./long.env"; 500].join(", ");
    let reads = format!("services: {{web: {{image: 'web:1', env_file: [{mentions}]}}}}\n");
    let doubled = format!("V0={}\n{}", "x".repeat(200_000), many(1_500, |number| format!("V{}=$V0\n", number + 1)));
    let fan = many(2_000, |number| format!("  s{number}: {{extends: base}}\n"));
    let labels = many(2_000, |number| format!("      l{number}: x\n"));
    let extends = format!("services:\n  base:\n    image: web:1\n    labels:\n{labels}{fan}");
    let mounts = many(900, |number| format!("- ./web:/srv/{number}\n"));
    let folder = (0..900).map(|number| (format!("web/f{number}"), "x".repeat(2_000)));
    let mut delivered = bomb("files delivered again and again", "A0181", "", Vec::new());
    delivered.files = folder.collect();
    delivered.files.push(("bomb.yaml".to_owned(), format!("name: bomb\nimage: web:1\nvolumes:\n{mounts}")));
    vec![
        bomb("files that include one another", "A0180", compose, chain),
        bomb("a long file of variables", "A0182", compose, vec![("stack.yml", reads), ("long.env", long)]),
        bomb(
            "variables of variables",
            "A0108",
            compose,
            vec![
                ("stack.yml", "services: {web: {image: 'web:1', env_file: ./all.env}}\n".to_owned()),
                ("all.env", doubled),
            ],
        ),
        bomb("services that extend a large one", "A0181", compose, vec![("stack.yml", extends)]),
        delivered,
    ]
}

/// Of a size, or in a number, that no source has.
fn heaps() -> Vec<Bomb> {
    let documents = many(1_100, |number| format!("---\nname: d{number}\nimage: web:1\n"));
    vec![
        bomb("a huge file", "A0108", &format!("# {}\n", "x".repeat(10_000_000)), Vec::new()),
        Bomb { what: "many documents", code: "A0108", files: vec![("bomb.yaml".to_owned(), documents)] },
    ]
}

fn calm(name: &str) -> String {
    format!("name: {name}\nimage: web:1\nport: 80\n")
}

fn is_there(rig: &Rig, name: &str) -> bool {
    let (slashed, domain) = (format!("/{name}"), json!([format!("{name}.example.org")]));
    rig.docker.containers().iter().any(|container| container["Name"] == slashed.as_str())
        && rig.npm.rows(npm::Kind::ProxyHost).iter().any(|host| host["domain_names"] == domain)
}

/// Whenever it is looked at, the daemon answers; and at last the service is there.
async fn converges(rig: &Rig, name: &str, beside: &str) {
    eventually(120, &format!("{name} is there beside {beside}"), async || {
        lives(rig, beside).await;
        is_there(rig, name)
    })
    .await;
}

async fn lives(rig: &Rig, beside: &str) {
    let answer = rig.get("/healthz").await;
    assert_eq!(answer.map(|(status, _)| status), Some(200), "/healthz beside {beside}");
}

async fn is_reported(rig: &Rig, code: &str, what: &str) {
    eventually(120, &format!("{what} is told with {code}"), async || {
        lives(rig, what).await;
        let status = rig.get("/api/v1/status").await.map(|(_, body)| body).unwrap_or_default();
        let place = rig.get("/api/v1/validate").await.map(|(_, body)| body).unwrap_or_default();
        status.contains(code) || place.contains(code) && place.contains("bomb")
    })
    .await;
}

async fn daemon(rig: &Rig, more: impl FnOnce(&mut Json)) -> tokio::process::Child {
    let mut config = rig.config();
    config["reconcile"] = json!({"interval": "2s"});
    more(&mut config);
    rig.file("amarre.yaml", &format!("{config:#}"));
    rig.daemon(&["--yes"], &[]).await
}

/// One after the other, each with a service that is committed when it is there already.
async fn goes_on_beside(bombs: Vec<Bomb>) {
    let rig = Rig::start().await;
    let daemon = daemon(&rig, |_| ()).await;
    for (number, Bomb { what, code, files }) in bombs.into_iter().enumerate() {
        let folder = rig.path().join("services/bomb");
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let name = format!("calm{number}");
        rig.file(&format!("services/{name}.yaml"), &calm(&name));
        converges(&rig, &name, what).await;
        is_reported(&rig, code, what).await;
        std::fs::remove_dir_all(folder).unwrap();
    }
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_that_repeat_or_nest_without_end_stop_nothing() {
    goes_on_beside(texts()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stacks_that_ask_for_endless_work_stop_nothing() {
    goes_on_beside(stacks()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_files_stop_nothing_and_too_many_are_left_out() {
    goes_on_beside(heaps()).await;
    // What is left out would look like manifests that were removed, so none is deleted meanwhile; all else goes on.
    let rig = Rig::start().await;
    let daemon = daemon(&rig, |_| ()).await;
    rig.file("services/web.yaml", &calm("web"));
    converges(&rig, "web", "nothing").await;
    std::fs::create_dir(rig.path().join("services/bomb")).unwrap();
    for number in 0..10_001 {
        rig.file(&format!("services/bomb/{number}.yaml"), "name: x\n");
    }
    is_reported(&rig, "A0318", "a folder of many files").await;
    rig.docker.remove("web").unwrap();
    converges(&rig, "web", "a folder of many files").await;
    rig.file("services/late.yaml", &calm("late"));
    converges(&rig, "late", "a folder of many files").await;
    std::fs::remove_dir_all(rig.path().join("services/bomb")).unwrap();
    rig.file("services/last.yaml", &calm("last"));
    converges(&rig, "last", "a folder that was emptied").await;
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_over_http_that_are_bombs_stop_nothing() {
    let rig = Rig::start().await;
    let daemon = daemon(&rig, |_| ()).await;
    let mut editor = token(&rig, "ci", &["--role", "editor"]).await;
    for (number, Bomb { what, code, files }) in texts().into_iter().enumerate() {
        let name = format!("calm{number}");
        let body = json!({"text": files[0].1, "dry_run": true}).to_string();
        let asked = editor.json("PUT", "/api/v1/services/bomb/manifest", Some(&body));
        rig.file(&format!("services/{name}.yaml"), &calm(&name));
        let (page, ()) = tokio::join!(asked, converges(&rig, &name, what));
        let is_refused = page.status == 413 || page.status == 422 && page.body.contains(code);
        assert!(is_refused, "{what}: {} {}", page.status, page.body.chars().take(300).collect::<String>());
    }
    assert_eq!(end(daemon).await, 0);
}

/// Connections from another address, with the beginning of a request.
async fn begun(port: u16, count: usize, text: &str) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for number in 0..count {
        let socket = TcpSocket::new_v4().unwrap();
        // Loopback is a whole network: no flood takes the places of the address that asks for health.
        socket.bind(SocketAddr::from(([127, 0, 1, u8::try_from(number % 250).unwrap() + 1], 0))).unwrap();
        let mut stream = socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
        // One that is turned away may be closed by now.
        let _ = stream.write_all(text.as_bytes()).await;
        open.push(stream);
    }
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_little_and_slowly_stop_nothing() {
    let rig = Rig::start().await;
    let daemon = daemon(&rig, |config| config["server"]["webhook_secret"] = json!("a secret of sixteen or more")).await;
    let post = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n{{"
        )
    };
    let mut slow_head = "GET / HTTP/1.1\r\nHost: localhost\r\n".to_owned();
    let _ = write!(slow_head, "X-Slow: {}", "x".repeat(2_000));
    let floods = [
        ("connections that say nothing", String::new(), 200),
        ("half-open requests", "GET / HTTP/1.1\r\n".to_owned(), 200),
        ("slow headers", slow_head, 200),
        ("slow bodies", post("/api/v1/act"), 200),
        ("slow bodies of webhooks", post("/webhooks/git"), 200),
    ];
    for (number, (what, text, count)) in floods.into_iter().enumerate() {
        let name = format!("calm{number}");
        let flood = begun(rig.port, count, &text).await;
        rig.file(&format!("services/{name}.yaml"), &calm(&name));
        converges(&rig, &name, what).await;
        // A command goes over the socket, which has places of its own.
        let plan = rig.run(&["plan"]).await;
        assert_eq!(plan.code, 0, "{what}: {plan:?}");
        drop(flood);
    }
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_answers_of_one_vendor_stop_no_other_provider() {
    let endless = |path: &'static str| (path, Says::Endless(b"[".to_vec(), b"{\"Id\": \"x\"},".to_vec()));
    let rules: Rules = vec![version(), endless("/")];
    let (engine, zone) = (Hostile::start(rules).await, Hostile::start(vec![endless("/")]).await);
    let rig = Rig::start().await;
    let daemon = daemon(&rig, |config| {
        config["hosts"]["nas"] = json!({"docker": format!("tcp://{}", engine.address)});
        config["ovh"]["endpoint"] = json!(format!("http://{}/1.0", zone.address));
    })
    .await;
    rig.file("services/calm.yaml", &format!("{}dns: none\n", calm("calm")));
    converges(&rig, "calm", "endless answers").await;
    is_reported(&rig, "A05", "an endless answer of Docker").await;
    is_reported(&rig, "A07", "an endless answer of OVH").await;
    assert!(engine.sent() > 0 && zone.sent() > 0);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_unpacks_to_more_stops_nothing() {
    let (rig, forge) = (Rig::start().await, Forge::new());
    let http = forge.http(None).await;
    let good = forge.commit("Alice Martin", "add web", "services/web.yaml", &calm("web"));
    let daemon = daemon(&rig, |config| {
        config["source"] = json!({"git": {
            "url": http.url(), "path": "services", "interval": "1s", "memory": "64MiB",
        }});
    })
    .await;
    converges(&rig, "web", "nothing").await;
    forge.run(&["config", "core.compression", "1"]);
    // Both come at once: one as a difference to the other, which has to be unpacked for it.
    for name in ["large1", "large2"] {
        let file = std::fs::File::create(forge.work().join(name)).unwrap();
        file.set_len(90 * 1024 * 1024).unwrap();
        std::os::unix::fs::FileExt::write_at(&file, name.as_bytes(), 40_000_000).unwrap();
    }
    forge.commit("Alice Martin", "large", "services/late.yaml", &calm("late"));
    is_reported(&rig, "A0316", "a repository that unpacks to more").await;
    // What was accepted is healed.
    rig.docker.remove("web").unwrap();
    converges(&rig, "web", "a repository that unpacks to more").await;
    // And what comes without the bomb is taken.
    forge.run(&["reset", "-q", "--hard", &good]);
    forge.commit("Alice Martin", "without it", "services/late.yaml", &calm("late"));
    converges(&rig, "late", "a repository that unpacked to more").await;
    assert_eq!(end(daemon).await, 0);
}
