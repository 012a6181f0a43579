//! Apps on pages and as commands, against a simulated engine: from a URL to a page, through a failed build, back, and away. What a
//! real engine builds is in `apps`.

use amarre_sim::docker::ImageSpec;
use serde_json::{Value as Json, json};

use super::browser::Browser;
use super::{PASSWORD, add};
use crate::api::notifications::Taker;
use crate::api::webhooks::delivered;
use crate::cli::rig::{Rig, end};
use crate::support::eventually;
use crate::support::forge::Forge;

const GOOD: &str = "FROM nginx:1.30-alpine\nRUN echo all is well\nEXPOSE 8080\n";
const BAD: &str = "FROM nginx:1.30-alpine\nRUN echo it is broken && exit 7\nEXPOSE 8080\n";

/// Lets apps be built from repositories like this.
pub fn apps_from(rig: &Rig, pattern: &str) {
    let mut config = rig.json_file("amarre.yaml");
    config["policy"] = json!({"repositories": [pattern], "dockerfiles": [pattern]});
    rig.file("amarre.yaml", &format!("{config:#}"));
}

/// A rig whose policy lets apps be built from a repository.
async fn start() -> (Rig, Forge, String) {
    let rig = Rig::start().await;
    let mut config = rig.config();
    config["reconcile"] = json!({"interval": "1s"});
    config["server"]["requests_per_minute"] = json!(100_000);
    rig.file("amarre.yaml", &format!("{config:#}"));
    apps_from(&rig, "http://127.0.0.1:*");
    rig.docker.image(ImageSpec::new("nginx:1.30-alpine"));
    let forge = Forge::new();
    let url = forge.http(None).await.url();
    (rig, forge, url)
}

async fn person(rig: &Rig, name: &str, role: &str) -> Browser {
    let address = format!("{name}@example.org");
    assert_eq!(add(rig, &address, role).await.code, 0);
    let mut browser = Browser::with_address(rig.port);
    assert_eq!(browser.signs_in(&address, PASSWORD).await.status, 303);
    browser
}

/// What was deployed, the oldest first: `SUBJECT: STATE`.
async fn deployed(rig: &Rig) -> Vec<String> {
    let listed = rig.run(&["app", "deployments", "-o", "json"]).await;
    assert_eq!(listed.code, 0, "{listed:?}");
    let document: Json = serde_json::from_str(&listed.out).unwrap();
    let row = |row: &Json| {
        let back = if row["rollback"] == true { " back" } else { "" };
        format!("{}: {}{back}", row["commit"]["subject"].as_str().unwrap(), row["state"].as_str().unwrap())
    };
    document["deployments"].as_array().unwrap().iter().rev().map(row).collect()
}

async fn becomes(rig: &Rig, expected: &[&str]) {
    eventually(60, &format!("{expected:?}"), async || deployed(rig).await == expected).await;
}

/// From the form to a page that is served, by who may.
async fn goes_on_line(rig: &Rig, url: &str, commit: &str, alice: &mut Browser, vera: &mut Browser) {
    // What is wrong is said before anything is written.
    alice.get("/new").await.shows("href=\"/new/app\"");
    for (fields, said) in [
        (&[("do", "check"), ("url", "https://git.example.org/shop")] as &[_], "A0776"),
        (&[("do", "check"), ("url", "ftp://git.example.org/shop")], "A0771"),
        (&[("do", "check"), ("url", url), ("ref", "none")], "A0305"),
        (&[("do", "check"), ("url", url), ("framework", "cobol")], "A0106"),
        (&[("do", "check"), ("url", url), ("name", "shop"), ("port", "many")], "many is no port"),
    ] {
        alice.send("/new/app", "/new/app", fields).await.shows(said);
    }
    let typed = [("do", "check"), ("url", url), ("name", "shop")];
    let page = alice.send("/new/app", "/new/app", &typed).await;
    page.shows("no problem");
    page.shows("What was found out");
    page.shows("RUN echo all is well");
    page.shows("kind: App");
    let elsewhere = [typed[0], typed[1], typed[2], ("domain", "boutique")];
    let page = alice.send("/new/app", "/new/app", &elsewhere).await;
    page.shows("no problem");
    page.shows("- domain: boutique");
    page.shows("boutique.example.org");
    // What a look asks for is answered with keys of the manifest.
    let answered = |more: &'static str| [typed[0], typed[1], typed[2], ("more", more)];
    let page = alice.send("/new/app", "/new/app", &answered("environment:\r\n  COLOUR: red\r\n")).await;
    page.shows("no problem");
    page.shows("  COLOUR: red");
    alice.send("/new/app", "/new/app", &answered("colour: red")).await.shows("unknown key");
    let write = [("do", "commit"), ("url", url), ("name", "shop")];
    assert_eq!(vera.send("/new/app", "/new/app", &write).await.status, 403);
    let page = alice.send("/new/app", "/new/app", &write).await;
    assert_eq!((page.status, page.location()), (303, "/services/shop/deployments"));
    becomes(rig, &["first page: running"]).await;
    let page = vera.get("/services/shop/deployments").await;
    page.shows("first page");
    page.shows("Alice Martin");
    page.shows(commit);
    assert!(!page.body.contains("/apps/shop/deploy"), "a viewer deploys nothing");
    vera.get("/deployments/1").await.shows("all is well");
    assert_eq!(vera.get("/deployments/99").await.status, 404);
}

/// Each step was an event, and is counted.
async fn assert_counted(rig: &Rig, who: &mut Browser) {
    let events = rig.run(&["events", "shop", "--kind", "deployment"]).await;
    assert!(events.out.contains("(break it) by Bob: failed"), "{events:?}");
    let running = "amarre_app_state{app=\"shop\",state=\"running\"} 1";
    let mut metrics = String::new();
    eventually(60, "it runs again", async || {
        metrics = who.get("/metrics").await.body;
        metrics.contains(running)
    })
    .await;
    for line in [
        "amarre_app_state{app=\"shop\",state=\"failed\"} 0",
        "amarre_deployments_total{app=\"shop\",result=\"failed\"} 1",
        "amarre_build_duration_seconds_count 3",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    let stats = rig.run(&["app", "stats", "shop"]).await;
    assert!(stats.out.contains("success rate  80 %"), "{stats:?}");
}

#[tokio::test]
async fn an_app_goes_on_line_from_its_url_and_back_and_away() {
    let (rig, forge, url) = start().await;
    let first = forge.commit("Alice Martin", "first page", "Dockerfile", GOOD);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut alice = person(&rig, "alice", "editor").await;
    let mut vera = person(&rig, "vera", "viewer").await;

    goes_on_line(&rig, &url, &first[..7], &mut alice, &mut vera).await;

    // A commit that cannot be built: what runs stays, and the page says why.
    forge.commit("Bob", "break it", "Dockerfile", BAD);
    assert_eq!(vera.post("/apps/shop/deploy", &[]).await.status, 403);
    assert_eq!(alice.send("/services/shop/deployments", "/apps/shop/deploy", &[]).await.status, 303);
    becomes(&rig, &["first page: running", "break it: failed"]).await;
    let page = alice.get("/services/shop/deployments").await;
    page.shows("A0773");
    page.shows("exit code: 7");
    let page = alice.get("/deployments/2").await;
    page.shows("it is broken");
    page.shows("RUN echo it is broken");
    let said = rig.run(&["app", "build-log", "--deployment", "2"]).await;
    assert!(said.out.contains("    it is broken\n") && said.out.contains("exit code: 7"), "{said:?}");
    // What went well is one line, and all of it where a person asks for it.
    let said = rig.run(&["app", "build-log", "--deployment", "1"]).await;
    assert!(said.out.contains("RUN echo all is well") && !said.out.contains("    all is well"), "{said:?}");
    let said = rig.run(&["app", "build-log", "--deployment", "1", "--all"]).await;
    assert!(said.out.contains("    all is well\n"), "{said:?}");
    let log = alice.get("/deployments/2/log").await;
    assert!(log.status == 200 && log.body.contains("it is broken") && !log.body.contains("<"), "{}", log.body);

    // The next one, and back to the first by its number; in French.
    let second = GOOD.replace("all is well", "better");
    forge.commit("Bob", "fix it", "Dockerfile", &second);
    assert_eq!(alice.send("/services/shop/deployments", "/apps/shop/deploy", &[]).await.status, 303);
    becomes(&rig, &["first page: stopped", "break it: failed", "fix it: running"]).await;
    alice.headers.push(("Accept-Language".to_owned(), "fr".to_owned()));
    let page = alice.get("/services/shop/deployments").await;
    page.shows("Déployer le dernier commit");
    page.shows("/services/shop/rollback?to=1");
    alice.get("/services/shop/rollback?to=1").await.shows("amarre/shop:");
    let back = [("to", "1")];
    assert_eq!(alice.send("/services/shop/rollback?to=1", "/services/shop/rollback", &back).await.status, 303);
    becomes(&rig, &["first page: stopped", "break it: failed", "fix it: stopped", "first page: running back"]).await;
    alice.get("/services/shop/deployments").await.shows("retour à cette version");
    assert_eq!(alice.send("/services/shop/deployments", "/apps/shop/deploy", &[]).await.status, 303);
    let rows = ["first page: stopped", "break it: failed", "fix it: stopped", "first page: stopped back"];
    becomes(&rig, &[&rows[..], &["fix it: running"]].concat()).await;

    // Stopped and started by its manifest.
    assert_eq!(alice.send("/services/shop/deployments", "/apps/shop/stop", &[]).await.status, 303);
    becomes(&rig, &[&rows[..], &["fix it: stopped"]].concat()).await;
    alice.get("/services/shop/deployments").await.shows("/apps/shop/start");
    assert_eq!(alice.send("/services/shop/deployments", "/apps/shop/start", &[]).await.status, 303);
    becomes(&rig, &[&rows[..], &["fix it: running"]].concat()).await;
    assert_eq!(alice.send("/services/shop/deployments", "/apps/shop/frob", &[]).await.status, 404);

    assert_counted(&rig, &mut alice).await;

    // The manifest goes, and the app with it.
    let page = alice.get("/services/shop/delete").await;
    assert_eq!(page.status, 200);
    assert_eq!(rig.run(&["app", "delete", "shop", "--yes"]).await.code, 0);
    std::fs::remove_file(rig.path().join("services/shop.yaml")).unwrap();
    becomes(&rig, &[&rows[..], &["fix it: deleted"]].concat()).await;
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn what_ends_at_its_first_start_has_failed() {
    let (rig, forge, url) = start().await;
    forge.commit("Alice Martin", "it ends", "Dockerfile", "FROM nginx:1.30-alpine\nCMD exit 3\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut alice = person(&rig, "alice", "editor").await;
    // The Dockerfile exposes no port: the one that was typed counts, also beside an address.
    let write = [("do", "commit"), ("url", &*url), ("name", "shop"), ("domain", "boutique"), ("port", "8080")];
    assert_eq!(alice.send("/new/app", "/new/app", &write).await.status, 303);
    becomes(&rig, &["it ends: failed"]).await;
    let page = alice.get("/services/shop/deployments").await;
    page.shows("exited with code 3");
    assert!(!page.body.contains("rollback?to=1"), "it never worked: {}", page.body);
    let stats = rig.run(&["app", "stats", "shop"]).await;
    assert!(stats.out.contains("success rate  0 %"), "{stats:?}");

    // Who asks for another service does not have a failed commit built again.
    forge.commit("Bob", "break it", "Dockerfile", BAD);
    assert_eq!(alice.send("/services/shop/deployments", "/apps/shop/deploy", &[]).await.status, 303);
    becomes(&rig, &["it ends: failed", "break it: failed"]).await;
    let failed = async || {
        let told = rig.run(&["events", "shop", "--kind", "deployment"]).await;
        told.out.matches("(break it) by Bob: failed").count()
    };
    eventually(60, "it is told", async || failed().await == 1).await;
    rig.file("services/other.yaml", "name: other\nimage: 'nginx:1.30-alpine'\nport: 8080\n");
    let asked = rig.run(&["reconcile", "other"]).await;
    assert!(asked.out.contains("other"), "{asked:?}");
    eventually(60, "it is not built again", async || failed().await == 1).await;
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_push_to_an_apps_repository_is_taken_and_each_step_is_reported() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let (rig, forge, url) = start().await;
    forge.commit("Alice Martin", "first page", "Dockerfile", GOOD);
    let taker = Taker::default();
    let hook = format!("{}/hook", taker.start().await);
    let mut config = rig.json_file("amarre.yaml");
    config["notifications"] =
        json!({"programs": {"webhook": {"url": hook, "secret": SECRET}, "on": ["deployments"], "after": "0s"}});
    config["server"]["webhook_secret"] = json!(SECRET);
    rig.file("amarre.yaml", &format!("{config:#}"));
    rig.file("services/shop.yaml", &format!("kind: App\nname: shop\ngit: {{url: '{url}'}}\n"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    becomes(&rig, &["first page: running"]).await;

    // The next minute is not waited for.
    forge.commit("Bob", "break it", "Dockerfile", BAD);
    let push = |reference: &str, url: &str| {
        json!({"ref": reference, "repository": {"clone_url": url, "ssh_url": "git@git.example.org:x/y.git"}})
            .to_string()
    };
    for other in [push("refs/heads/next", &url), push("refs/heads/main", "https://git.example.org/other.git")] {
        let page = delivered(rig.port, SECRET, "push", &other).await;
        assert!(page.status == 200 && page.body.contains("false"), "{page:?}");
    }
    let page = delivered(rig.port, SECRET, "push", &push("refs/heads/main", &url)).await;
    assert_eq!(page.status, 202, "{page:?}");
    becomes(&rig, &["first page: running", "break it: failed"]).await;

    // Programs are told of each step, in order and once.
    let told = || -> Vec<(String, String)> {
        let bodies = taker.bodies("/hook").into_iter().map(|body| serde_json::from_str::<Json>(&body).unwrap());
        let news = bodies.flat_map(|body| body["news"].as_array().unwrap().clone());
        let text = |one: &Json, key: &str| one[key].as_str().unwrap_or_default().to_owned();
        news.map(|one| (text(&one, "deployment"), text(&one, "code"))).collect()
    };
    eventually(60, "the failure is told", async || told().iter().any(|(state, _)| state == "failed")).await;
    let failed = told().into_iter().filter(|(state, _)| state == "failed").collect::<Vec<_>>();
    assert_eq!(failed, [("failed".to_owned(), "A0773".to_owned())]);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_build_is_cancelled_and_another_branch_is_deployed() {
    let (rig, forge, url) = start().await;
    forge.commit("Alice Martin", "first page", "Dockerfile", GOOD);
    rig.file("services/shop.yaml", &format!("# the shop\nkind: App\nname: shop\ngit: {{url: '{url}'}}\n"));
    rig.apply().await;
    let daemon = rig.daemon(&["--yes"], &[]).await;
    forge.commit("Bob", "slowly", "Dockerfile", "FROM nginx:1.30-alpine\nRUN sleep 60\nEXPOSE 8080\n");
    let asked = rig.run(&["app", "deploy", "shop", "--timeout", "0s"]).await;
    assert_ne!(asked.code, 1, "{asked:?}");
    becomes(&rig, &["first page: running", "slowly: provisioning"]).await;
    let cancelled = rig.run(&["app", "cancel", "shop"]).await;
    assert_eq!(cancelled.code, 0, "{cancelled:?}");
    // Commits come faster than they are deployed: the last one wins, and says so.
    forge.commit("Bob", "too slow", "Dockerfile", BAD);
    forge.commit("Bob", "quickly", "Dockerfile", &GOOD.replace("all is well", "quick"));
    assert_eq!(rig.run(&["resume", "shop"]).await.code, 0);
    let deployed_now = rig.run(&["app", "deploy", "shop"]).await;
    assert_eq!(deployed_now.code, 0, "{deployed_now:?}");
    let shown = rig.run(&["app", "deployments", "shop", "-o", "json"]).await;
    let newest = serde_json::from_str::<Json>(&shown.out).unwrap()["deployments"][0].clone();
    assert_eq!((&newest["commit"]["subject"], &newest["state"]), (&json!("quickly"), &json!("running")), "{newest}");
    assert_eq!(newest["skipped_commits"], 1, "{newest}");

    // Another branch is written into the manifest, whose comments stay.
    forge.run(&["checkout", "-q", "-b", "next"]);
    forge.commit("Bob", "the next one", "Dockerfile", &GOOD.replace("all is well", "next"));
    let branch = rig.run(&["app", "deploy", "shop", "--ref", "next"]).await;
    assert_eq!(branch.code, 0, "{branch:?}");
    let manifest = std::fs::read_to_string(rig.path().join("services/shop.yaml")).unwrap();
    assert!(manifest.starts_with("# the shop\n") && manifest.contains("ref: 'next'"), "{manifest}");
    let none = rig.run(&["app", "deploy", "shop", "--ref", "nowhere"]).await;
    assert!(none.code != 0 && none.out.contains("A0305"), "{none:?}");
    for wrong in
        [&["app", "deploy", "other"] as &[&str], &["app", "deployment", "99"], &["app", "deployments", "other"]]
    {
        let refused = rig.run(wrong).await;
        let said = format!("{}{}", refused.out, refused.err);
        assert!(refused.code != 0 && said.contains("A1002"), "{wrong:?}: {refused:?}");
    }
    assert_eq!(end(daemon).await, 0);
    let plan = rig.run(&["plan", "--detailed-exitcode"]).await;
    assert_eq!(plan.code, 0, "{plan:?}");
}

#[tokio::test]
async fn a_private_repository_is_read_with_a_key_of_its_own() {
    let (rig, forge, _) = start().await;
    forge.commit("Alice Martin", "first page", "Dockerfile", GOOD);
    let ssh = forge.ssh().await;
    apps_from(&rig, "ssh://*@*:*");
    let host_key = |name: &str| {
        let line = ssh.host_key(name);
        line.rsplit_once(' ').unwrap().0.to_owned()
    };
    let manifest = |key: &str| {
        rig.file(
            "services/shop.yaml",
            &format!("kind: App\nname: shop\ngit: {{url: '{}', host_key: '{key}'}}\n", ssh.url()),
        );
    };
    // The key is not known yet: the error says which one to let in.
    manifest(&host_key("host"));
    let line = rig.run(&["app", "key", "shop", &ssh.url()]).await.out;
    // Who writes another manifest with the same URL is not let in by it.
    let other = rig.run(&["app", "key", "other", &ssh.url()]).await.out;
    assert!(other.starts_with("ssh-ed25519 ") && other != line, "{other}");
    assert!(line.starts_with("ssh-ed25519 "), "{line}");
    eventually(60, "the key that is to be let in", async || {
        let refused = rig.run(&["plan"]).await;
        let said = format!("{}{}", refused.out, refused.err);
        said.contains("A0303") && said.contains(line.trim())
    })
    .await;
    ssh.let_in(&line);
    rig.apply().await;
    assert_eq!(deployed(&rig).await, ["first page: running"]);
    // A server that is another one is not spoken to; what runs stays.
    manifest(&host_key("stranger"));
    eventually(60, "the key is not that one", async || {
        let other = rig.run(&["plan"]).await;
        format!("{}{}", other.out, other.err).contains("A0304")
    })
    .await;
    assert_eq!(deployed(&rig).await, ["first page: running"]);
    for wrong in ["not a key", "ssh-ed25519 nonsense"] {
        manifest(wrong);
        assert!(rig.run(&["validate"]).await.out.contains("`host_key`"), "{wrong}");
    }
    let key = rig.run(&["app", "key", "shop", "https://git.example.org/x"]).await;
    assert!(key.code != 0 && key.err.contains("A0771"), "{key:?}");
}

#[tokio::test]
async fn who_may_only_look_reads_no_private_repository() {
    let (rig, forge, _) = start().await;
    forge.commit("Alice Martin", "first page", "Dockerfile", GOOD);
    let url = forge.http(Some("the token of the shop")).await.url();
    std::fs::create_dir_all(rig.path().join("secrets/services/shop")).unwrap();
    rig.file("secrets/services/shop/git", "the token of the shop");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut alice = person(&rig, "alice", "editor").await;
    let mut vera = person(&rig, "vera", "viewer").await;
    let typed = [("do", "check"), ("url", url.as_str()), ("name", "shop"), ("token", "shop/git")];
    for _ in 0..2 {
        // Also after another person has looked at it.
        let page = vera.send("/new/app", "/new/app", &typed).await;
        page.shows("A0303");
        assert!(!page.body.contains("all is well"));
        alice.send("/new/app", "/new/app", &typed).await.shows("all is well");
    }
    // Another manifest has to name a token of its own.
    let without = [("do", "check"), ("url", url.as_str()), ("name", "other")];
    alice.send("/new/app", "/new/app", &without).await.shows("A0303");
    assert_eq!(end(daemon).await, 0);
}

/// The images of a service's builds, from the document of an app.
async fn base(rig: &Rig) -> Json {
    let shown = rig.run(&["app", "show", "shop", "-o", "json"]).await;
    let document: Json = serde_json::from_str(&shown.out).unwrap_or_else(|_| panic!("{shown:?}"));
    document["bases"][0].clone()
}

/// The digest of the first build holds until a person moves on; then it is built on the newer one, and not again.
#[tokio::test]
async fn a_base_image_stays_what_it_was_until_a_person_moves_on() {
    let (rig, forge, url) = start().await;
    forge.commit("Alice Martin", "first", "Dockerfile", GOOD);
    rig.file("services/shop.yaml", &format!("kind: App\nname: shop\ngit: {{url: '{url}'}}\n"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    becomes(&rig, &["first: running"]).await;
    eventually(60, "the digest is fixed", async || base(&rig).await["digest"].is_string()).await;
    let first = base(&rig).await["digest"].clone();
    let mut alice = person(&rig, "alice", "admin").await;
    alice.get("/services/shop/deployments").await.shows("Base images");

    // The tag stands for another image by now, and another service has brought it.
    rig.docker.image(ImageSpec { id: "newer".to_owned(), ..ImageSpec::new("nginx:1.30-alpine") });
    rig.file("services/other.yaml", "name: other\nimage: nginx:1.30-alpine\npull_policy: always\n");
    forge.commit("Alice Martin", "second", "Dockerfile", &format!("{GOOD}RUN echo more\n"));
    rig.run(&["app", "deploy", "shop"]).await;
    becomes(&rig, &["first: stopped", "second: running"]).await;
    let log = rig.run(&["app", "build-log", "shop", "-o", "json"]).await;
    let log: Json = serde_json::from_str(&log.out).unwrap();
    assert_eq!(log["builds"][0]["bases"]["nginx:1.30-alpine"], first, "{log}");

    // Asked, it begins from the newer one.
    alice.send("/services/shop/deployments", "/apps/shop/deploy", &[("pull", "1")]).await;
    becomes(&rig, &["first: stopped", "second: stopped", "second: running"]).await;
    let moved = base(&rig).await["digest"].clone();
    assert_ne!(moved, first);
    let log = rig.run(&["app", "build-log", "shop"]).await;
    assert!(log.out.contains("nginx@sha256:"), "{log:?}");
    let again = rig.run(&["app", "deploy", "shop", "--pull"]).await;
    assert!(again.code == 0 && again.out.contains("no image that shop is built from has a newer one"), "{again:?}");
    assert_eq!(end(daemon).await, 0);
    // Another process knows it.
    assert_eq!(base(&rig).await["digest"], moved);
    let plan = rig.run(&["plan", "--detailed-exitcode"]).await;
    assert_eq!(plan.code, 0, "{plan:?}");
}

/// What a person asks the server on loopback, without showing anything: the status of each answer.
async fn asked(rig: &Rig, paths: &[&str]) -> Vec<u16> {
    let mut all = Vec::new();
    for path in paths {
        all.push(rig.get(path).await.unwrap().0);
    }
    all
}

#[tokio::test]
async fn on_loopback_a_token_is_needed_while_an_own_dockerfile_is_built() {
    const READ: [&str; 5] = ["/api/v1/status", "/api/v1/plan", "/metrics", "/api/v1/apps", "/api/v1/services/shop"];
    const OPEN: [&str; 4] = ["/healthz", "/readyz", "/errors/A0290", "/login"];
    let (rig, forge, url) = start().await;
    forge.commit("Alice Martin", "first page", "Dockerfile", GOOD);
    rig.docker.image(ImageSpec::new("x:1"));
    rig.file("services/other.yaml", "name: other\nimage: 'x:1'\nport: 8080\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let said = rig.log();
    assert!(said.contains("/setup?token="), "the link to the first account: {said}");
    assert_eq!(asked(&rig, &READ[..4]).await, [200; 4]);
    assert_eq!(asked(&rig, &["/", "/api/v1/apps/shop/build-log", "/api/v1/logs"]).await, [200, 401, 401]);

    rig.file("services/shop.yaml", &format!("kind: App\nname: shop\ngit: {{url: '{url}'}}\n"));
    becomes(&rig, &["first page: running"]).await;
    assert_eq!(asked(&rig, &READ).await, [401; 5]);
    assert_eq!(asked(&rig, &OPEN).await, [200; 4]);
    let (_, why) = rig.get("/api/v1/status").await.unwrap();
    assert!(why.contains("A1010") && why.contains("on this machine too"), "{why}");
    let mut stranger = Browser::with_address(rig.port);
    let page = stranger.get("/").await;
    assert_eq!((page.status, page.location()), (303, "/login?back=/"));
    stranger.get("/login").await.shows("An image is built here by a Dockerfile that Amarre did not write");
    let mut vera = person(&rig, "vera", "viewer").await;
    assert_eq!(vera.get("/").await.status, 200);

    // It is open again once nothing of that kind is there.
    std::fs::remove_file(rig.path().join("services/shop.yaml")).unwrap();
    assert_eq!(rig.run(&["apply", "--yes", "--confirm-deletes", "1"]).await.code, 0);
    eventually(60, "all is as before", async || asked(&rig, &READ[..4]).await == [200; 4]).await;
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn no_answer_has_the_name_by_which_the_engine_knows_an_image() {
    let (rig, forge, url) = start().await;
    forge.commit("Alice Martin", "first page", "Dockerfile", GOOD);
    rig.file("services/shop.yaml", &format!("kind: App\nname: shop\ngit: {{url: '{url}'}}\n"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    becomes(&rig, &["first page: running"]).await;
    let images = rig.docker.images();
    let names = images.iter().flat_map(|image| image["RepoTags"].as_array().cloned().unwrap_or_default());
    let names: Vec<String> = names.filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    let built: Vec<&String> = names.iter().filter(|name| name.starts_with("amarre/shop:")).collect();
    assert_eq!(built.len(), 1, "{names:?}");
    let (shown, secret) = built[0].rsplit_once('-').unwrap();
    assert_eq!((shown.len(), secret.len()), ("amarre/shop:9fb65dc1a78f".len(), 32));
    let mut said = String::new();
    for args in [
        &["status", "-o", "json"] as &[&str],
        &["plan", "-o", "json"],
        &["app", "show", "shop", "-o", "json"],
        &["app", "build-log", "shop", "--all"],
        &["app", "deployments", "-o", "json"],
        &["events", "shop", "-o", "json"],
        &["history", "-o", "json"],
        &["explain", "shop"],
        &["status", "shop"],
    ] {
        let ended = rig.run(args).await;
        said.push_str(&format!("{args:?}\n{}{}\n", ended.out, ended.err));
    }
    let mut vera = person(&rig, "vera", "admin").await;
    for path in ["/", "/services/shop", "/services/shop/deployments", "/deployments/1", "/timeline", "/api/v1/status"] {
        said.push_str(&vera.get(path).await.body);
    }
    said.push_str(&rig.log());
    assert!(said.contains(shown), "what is shown in its place is {shown}: {said}");
    let at = said.find(secret);
    assert_eq!(at, None, "{}", &said[at.unwrap_or_default().saturating_sub(300)..]);
    // Nor can another manifest use what is shown.
    rig.file("services/copy.yaml", &format!("name: copy\nimage: '{shown}'\nport: 8080\n"));
    let refused = rig.run(&["validate"]).await;
    assert!(refused.code != 0 && refused.out.contains("A0291"), "{refused:?}");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_dockerfile_of_its_own_needs_its_word_and_is_built_by_nothing_else() {
    let (rig, forge, url) = start().await;
    forge.write("index.html", "<h1>page</h1>\n");
    forge.commit("Alice Martin", "a page", "Dockerfile", GOOD);
    let policy = |words: &Json| {
        let mut config = rig.json_file("amarre.yaml");
        config["policy"] = words.clone();
        rig.file("amarre.yaml", &format!("{config:#}"));
    };
    let app = |more: &str| {
        rig.file("services/shop.yaml", &format!("kind: App\nname: shop\ngit: {{url: '{url}'}}\n{more}"));
    };
    policy(&json!({"repositories": ["http://127.0.0.1:*"]}));
    for more in ["", "framework: dockerfile\n", "framework: auto\n", "build: {dockerfile: Dockerfile}\n"] {
        app(more);
        let refused = rig.run(&["plan"]).await;
        let said = format!("{}{}", refused.out, refused.err);
        assert!(said.contains("A0290") && said.contains("`framework:`"), "{more}: {said}");
        assert!(said.contains(&format!("add `{url}` to `policy.dockerfiles`")), "{more}: {said}");
    }
    app("framework: static\n");
    let planned = rig.run(&["plan"]).await;
    assert!(planned.out.contains("build") && planned.out.contains("HTML"), "{planned:?}");
    app("");
    policy(&json!({"repositories": ["http://127.0.0.1:*"], "dockerfiles": ["http://127.0.0.1:*/repo.git"]}));
    let planned = rig.run(&["plan"]).await;
    assert!(planned.out.contains("build"), "{planned:?}");
    policy(&json!({"repositories": ["http://127.0.0.1:*"], "dockerfiles": ["http://*a/x"]}));
    let refused = rig.run(&["plan"]).await;
    assert!(refused.err.contains("A0201") && refused.err.contains("whole labels"), "{refused:?}");
}

#[tokio::test]
async fn a_commit_counts_where_a_branch_or_a_tag_has_it() {
    let (rig, forge, url) = start().await;
    let first = forge.commit("Alice Martin", "first page", "Dockerfile", GOOD);
    let first = first.trim();
    forge.run(&["tag", "v1"]);
    forge.commit("Alice Martin", "second page", "Dockerfile", &GOOD.replace("all is well", "second"));
    forge.run(&["push", "-q", "origin", "v1"]);
    // What a stranger proposes: the server has it, and no branch or tag does.
    forge.run(&["checkout", "-q", "-b", "strange", first]);
    let strange = forge.commit("Mallory", "mine", "Dockerfile", &GOOD.replace("all is well", "mine"));
    let strange = strange.trim();
    forge.run(&["push", "-q", "origin", &format!("{strange}:refs/pull/1/head")]);
    forge.run(&["push", "-q", "origin", "--delete", "strange"]);
    forge.run(&["--git-dir", &forge.bare().display().to_string(), "config", "uploadpack.allowAnySHA1InWant", "true"]);
    let app = |keys: &str| {
        rig.file("services/shop.yaml", &format!("kind: App\nname: shop\ngit: {{url: '{url}', {keys}}}\n"));
    };
    for (keys, subject) in [
        (format!("commit: {first}"), "first page"),
        ("ref: main".to_owned(), "second page"),
        (format!("ref: v1, commit: {first}"), "first page"),
        ("ref: refs/tags/v1".to_owned(), "first page"),
        ("ref: refs/heads/main".to_owned(), "second page"),
    ] {
        app(&keys);
        let shown = rig.run(&["plan", "-o", "json"]).await;
        assert_eq!(shown.code, 0, "{keys}: {shown:?}");
        let shown = rig.run(&["app", "show", "shop"]).await;
        assert!(shown.out.contains(subject), "{keys}: {shown:?}");
    }
    for keys in [format!("commit: {strange}"), format!("ref: v1, commit: {strange}")] {
        app(&keys);
        let shown = rig.run(&["plan"]).await;
        let said = format!("{}{}", shown.out, shown.err);
        assert!(said.contains("A0779") && said.contains("has no commit"), "{keys}: {said}");
    }
}
