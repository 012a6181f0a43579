//! The demo as a newcomer meets it: what it prints opens, a new service with its certificate is reached, an update that
//! fails shows, and nothing beyond this machine is asked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value as Json;
use tokio::process::{Child, Command};

use super::rig::end;
use crate::support::{eventually, free_port, get};
use crate::web::browser::Browser;

struct Demo {
    child: Child,
    port: u16,
    proxy: SocketAddr,
    config: PathBuf,
    setup: String,
    /// The command of its line about the pool.
    reserve: String,
    _folder: tempfile::TempDir,
}

impl Demo {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, port) = (folder.path().join("demo.log"), free_port());
        let file = std::fs::File::create(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_amarre"));
        command.args(["demo", "--port", &port.to_string()]).stdin(Stdio::null()).kill_on_drop(true);
        command.env("TMPDIR", folder.path()).env_remove("DOCKER_HOST").env("LC_ALL", "C.UTF-8");
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        eventually(120, "it says how it ends", async || read().contains("Ctrl-C ends the demo")).await;
        let told = read();
        let after = |label: &str| {
            let at = told.find(label).unwrap_or_else(|| panic!("no {label} in\n{told}"));
            told[at + label.len()..].split_whitespace().next().unwrap().to_owned()
        };
        let services = after("  Services ");
        assert!(services.starts_with("http://whoami.demo.localhost:"), "{services}");
        let proxy = services.trim_end_matches('/').rsplit(':').next().unwrap().parse::<u16>().unwrap();
        let setup = after("  Pages ");
        let config = Path::new(&after("  Folder ")).parent().unwrap().join("amarre.yaml");
        let reserve = told.lines().find(|line| line.contains(" pool reserve ")).unwrap().trim().to_owned();
        Self { child, port, proxy: ([127, 0, 0, 1], proxy).into(), config, setup, reserve, _folder: folder }
    }

    async fn signed_in(&self) -> Browser {
        let token = self.setup.split("token=").nth(1).unwrap();
        let mut alice = Browser::with_address(self.port);
        let password = "correct horse battery";
        let form = [("token", token), ("email", "a@example.org"), ("name", "Alice"), ("password", password)];
        assert_eq!(alice.post("/setup", &form).await.status, 303);
        alice
    }

    /// What a visitor of a name gets.
    async fn visit(&self, name: &str) -> u16 {
        get(self.proxy, name, "/").await.map_or(0, |(status, _)| status)
    }

    async fn service(&self, name: &str) -> Json {
        let answer = get(([127, 0, 0, 1], self.port).into(), "localhost", &format!("/api/v1/services/{name}")).await;
        answer.map(|(_, body)| serde_json::from_str(&body).unwrap()).unwrap_or_default()
    }

    async fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amarre"));
        let output = command.arg("--config").arg(&self.config).args(args).output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[tokio::test]
async fn its_pages_say_what_it_is_and_their_links_open() {
    let demo = Demo::start().await;
    let mut alice = demo.signed_in().await;
    let page = alice.get("/").await;
    page.shows("Demo: Docker, NPM and OVH are simulated. Nothing real is written.");
    page.shows(&format!("href=\"http://whoami.demo.localhost:{}\"", demo.proxy.port()));
    alice.get("/language/fr?back=/").await;
    alice.get("/").await.shows("Démo\u{a0}: Docker, NPM et OVH sont simulés.");
    alice.get("/language/en?back=/").await;
    let pool = alice.get("/pools/lab").await;
    (1..=8).for_each(|number| pool.shows(&format!("203.0.113.{}", 20 + number)));
    // What it proposes can be pasted, and so can what its pages say.
    let pasted = Command::new("sh").args(["-c", &demo.reserve]).output().await.unwrap();
    let reserved = String::from_utf8_lossy(&pasted.stdout).into_owned();
    assert!(pasted.status.success() && reserved.contains("ssh alice@203.0.113.2"), "{}: {pasted:?}", demo.reserve);
    let anybody = Browser::with_address(demo.port).get("/login").await;
    anybody.shows(&format!("--config {} user add", demo.config.display()));
    let reserved = demo.run(&["pool", "reserve", "lab", "--count", "2", "--user", "bob"]).await;
    assert!(reserved.contains("ssh bob@203.0.113.2"), "{reserved}");
    // Its app was built from a repository, and follows it.
    alice.get("/services/shop/deployments").await.shows("Begin the shop");
    alice.get("/deployments/1").await.shows("RUN pip install");
    let repository = demo.config.with_file_name("repositories").join("shop");
    std::fs::write(repository.join("app.py"), "from flask import Flask\napp = Flask(__name__)\n").unwrap();
    let git = |args: &[&str]| {
        let user = ["-c", "user.name=Bob", "-c", "user.email=bob@example.org"];
        let mut command = std::process::Command::new("git");
        command.arg("-C").arg(&repository).args(user).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null");
        assert!(command.status().unwrap().success());
    };
    git(&["commit", "-qam", "Begin again"]);
    let deployed = demo.run(&["app", "deploy", "shop"]).await;
    let rows = demo.run(&["app", "deployments", "shop"]).await;
    assert!(rows.contains("Begin again") && rows.matches("running").count() == 1, "{deployed}{rows}");
    for name in ["whoami", "gitea", "cloud", "vault", "www", "shop"] {
        assert_eq!(demo.visit(&format!("{name}.demo.localhost")).await, 200, "{name}");
    }
    // The address of the records is of a documentation's network, and is not asked.
    let traced = demo.run(&["trace", "whoami.demo.localhost"]).await;
    assert!(traced.contains("simulated: no visitor comes to this address, and it is not asked"), "{traced}");
    assert!(traced.contains("the simulated proxy answers 200") && traced.contains("It answers: 200"), "{traced}");
    // A second one at the same port.
    let mut second = Command::new(env!("CARGO_BIN_EXE_amarre"));
    second.args(["demo", "--port", &demo.port.to_string()]).env("LC_ALL", "C.UTF-8");
    let refused = second.output().await.unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("A0905") && told.contains("change `--port`"), "{told}");
    assert_eq!(end(demo.child).await, 0);
}

#[tokio::test]
async fn a_new_service_is_reached_and_an_update_that_fails_shows() {
    let demo = Demo::start().await;
    let mut alice = demo.signed_in().await;
    // As the form has it: with the certificate that is chosen already.
    alice.get("/new").await.shows("value=\"letsencrypt\" checked");
    let fields =
        [("do", "commit"), ("image", "ghcr.io/a/wiki:1"), ("name", "wiki"), ("port", "80"), ("tls", "letsencrypt")];
    let page = alice.send("/new", "/new", &fields).await;
    assert_eq!(page.status, 303, "{}", page.body);
    eventually(60, "it is reached", async || {
        let row = demo.service("wiki").await;
        row["sync"] == "Synced" && row["health"] == "Healthy" && demo.visit("wiki.demo.localhost").await == 200
    })
    .await;
    alice.get("/certificates").await.shows("wiki.demo.localhost");
    eventually(60, "the one that goes on serving is there", async || demo.visit("whoami.demo.localhost").await == 200)
        .await;
    let whoami = demo.config.with_file_name("services").join("whoami.yaml");
    let broken = "name: whoami\nimage: traefik/whoami:broken\nport: 80\n";
    std::fs::write(&whoami, broken).unwrap();
    eventually(60, "the update has failed", async || demo.service("whoami").await["attention"] == true).await;
    assert_eq!(demo.visit("whoami.demo.localhost").await, 200, "the old one goes on serving");
    std::fs::write(&whoami, "name: whoami\nimage: traefik/whoami:v1.11\nport: 80\nhealthcheck: {test: \"exit 1\"}\n")
        .unwrap();
    eventually(60, "it never gets healthy", async || {
        demo.run(&["status", "whoami"]).await.contains("its healthcheck fails")
    })
    .await;
    assert_eq!(demo.visit("whoami.demo.localhost").await, 200, "the old one goes on serving");
    assert_eq!(end(demo.child).await, 0);
}

/// However early: also while it is only beginning.
#[tokio::test]
async fn an_interrupted_start_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_amarre"));
    command.args(["demo", "--port", &free_port().to_string()]).stdin(Stdio::null()).kill_on_drop(true);
    command.env("TMPDIR", folder.path()).env_remove("DOCKER_HOST").env("LC_ALL", "C.UTF-8");
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let there = || std::fs::read_dir(folder.path()).unwrap().count();
    eventually(60, "it has made its folder", async || there() > 0).await;
    assert_eq!(end(child).await, 0);
    assert_eq!(there(), 0);
}

/// The buttons of its band: each is done to a simulator, and healed.
#[tokio::test]
async fn its_buttons_break_something_that_is_healed() {
    let demo = Demo::start().await;
    let mut alice = demo.signed_in().await;
    let press = async |alice: &mut Browser, deed: &str, here: &str| {
        let page = alice.send("/", &format!("/demo/{deed}"), &[("back", here)]).await;
        assert_eq!(page.status, 303, "{deed}: {}", page.body);
        page.location().to_owned()
    };
    let is_well = async |name: &str| {
        let row = demo.service(name).await;
        row["sync"] == "Synced" && row["health"] == "Healthy"
    };
    // On the overview they are about the first example, and lead back there.
    alice.get("/").await.shows("action=\"/demo/remove-container\"");
    assert_eq!(press(&mut alice, "remove-container", "/").await, "/");
    alice.get("/").await.shows("Container whoami was removed in Docker.");
    eventually(60, "it is back", async || is_well("whoami").await && demo.visit("whoami.demo.localhost").await == 200)
        .await;
    // On a page of a service they are about that: its list goes, and whoever looks sees it.
    let events = async || demo.run(&["events", "vault"]).await;
    assert_eq!(press(&mut alice, "edit-proxy-host", "/services/vault").await, "/services/vault");
    eventually(60, "the list is back", async || is_well("vault").await && events().await.contains("access_list")).await;
    // From any other page they lead to where it is seen.
    assert_eq!(press(&mut alice, "break-deploy", "/settings/tokens").await, "/services/whoami");
    eventually(60, "the update has failed", async || demo.service("whoami").await["attention"] == true).await;
    assert_eq!(demo.visit("whoami.demo.localhost").await, 200, "the old one goes on serving");
    press(&mut alice, "break-deploy", "/services/whoami").await;
    alice.get("/services/whoami").await.shows("has traefik/whoami:broken already");
    assert_eq!(alice.send("/", "/demo/nothing", &[]).await.status, 404);
    let mut stranger = Browser::with_address(demo.port);
    assert_eq!(stranger.post("/demo/remove-container", &[]).await.location(), "/login?back=/");
    assert_eq!(end(demo.child).await, 0);
}
