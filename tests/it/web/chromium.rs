//! The same story in a real browser: both languages, a phone, without scripts. And what every page promises at every
//! width.

use std::path::PathBuf;

use amarre_sim::docker::ImageSpec;
use serde_json::json;
use tokio::process::Command;

use super::apps::apps_from;
use super::picture::checked;
use super::story::with_git;
use super::{PASSWORD, add, first_link};
use crate::cli::rig::{Rig, end};
use crate::support::eventually;
use crate::support::forge::Forge;

/// The setting of a browser.
struct Setting {
    name: &'static str,
    locale: &'static str,
    width: u32,
    scripts: bool,
    scheme: &'static str,
    /// Everything is reached with the tab key.
    keys: bool,
}

const DESKTOP: Setting =
    Setting { name: "desktop", locale: "en-US", width: 1280, scripts: true, scheme: "light", keys: false };

/// A script that drives a browser, with all addresses in its environment.
pub fn script(rig: &Rig, name: &str) -> Command {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let chromium = chromium.into_iter().find(|path| std::path::Path::new(path).exists());
    let mut node = Command::new("node");
    node.arg(root.join("tests/it/web").join(name)).kill_on_drop(true);
    node.env("NODE_PARTS", root.join("target/node"))
        .env("CHROMIUM", chromium.expect("chromium is there: scripts/test"));
    node.env("AMARRE_PAGES", format!("http://127.0.0.1:{}", rig.port));
    node
}

async fn run_pages(rig: Rig, setting: Setting) {
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut node = script(&rig, "story.mjs");
    node.env("SETUP", first_link(&rig));
    node.env("PROXY", rig.npm.proxy_address.to_string()).env("NPM", rig.npm.server.url());
    node.env("NPM_IDENTITY", "amarre@amarre.demo").env("NPM_SECRET", "changeme-npm");
    node.env("WIDTH", setting.width.to_string()).env("LOCALE", setting.locale).env("SCHEME", setting.scheme);
    node.env("SCRIPTS", if setting.scripts { "yes" } else { "no" })
        .env("KEYS", if setting.keys { "yes" } else { "no" });
    node.env("PICTURES", root.join("target/pictures").join(setting.name));
    let output = node.output().await.expect("node is there: scripts/test");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{}", setting.name, rig.log());
    assert_eq!(end(daemon).await, 0);
    let plan = rig.run(&["plan", "--detailed-exitcode"]).await;
    assert_eq!(plan.code, 0, "{plan:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_english_on_a_desktop_with_a_folder() {
    run_pages(Rig::start().await, DESKTOP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_french_on_a_phone_with_a_repository() {
    let (rig, _forge) = with_git().await;
    run_pages(rig, Setting { name: "phone", locale: "fr-FR", width: 390, scheme: "dark", ..DESKTOP }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_scripts() {
    run_pages(Rig::start().await, Setting { name: "plain", width: 390, scripts: false, ..DESKTOP }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn by_keyboard_alone() {
    run_pages(Rig::start().await, Setting { name: "keys", keys: true, ..DESKTOP }).await;
}

/// Which of the four pairs of a language and a scheme are measured: another one each day, or all.
fn quarters() -> String {
    let round = said_in_environment("SEED_ROUND").and_then(|round| round.parse::<u64>().ok()).unwrap_or_default();
    match said_in_environment("PAGES").as_deref() {
        Some("all") => "0,1,2,3".to_owned(),
        Some(_) | None => (round % 4).to_string(),
    }
}

const LONG: &str = "a-service-with-quite-a-long-name";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_page_is_wider_than_the_screen() {
    let rig = Rig::start().await;
    let routes = "routes:\n  - {domain: shop, aliases: [www.shop, with-a-longer-name.shop], to: 'app:80'}\n";
    let containers = "containers:\n  app: {image: 'web:1', volumes: ['html:/html', 'db:/backups']}\n  \
                      db: {image: 'web:1', volumes: ['db:/data']}\n";
    rig.file("services/shop.yaml", &format!("name: shop\n{containers}{routes}"));
    rig.file("services/long.yaml", &format!("name: {LONG}\nimage: web:1\nport: 80\n"));
    rig.file("services/broken.yaml", "name: broken\nimage: web:1\nport: eighty\n");
    rig.file(
        "services/both.yaml",
        "name: both\nimage: web:1\n---\nkind: Record\nname: mail\ntype: A\nvalue: 192.0.2.7\n",
    );
    rig.file("services/left.yaml", "name: left\nimage: web:1\nvolumes: ['data:/data']\n");
    checked(&rig);
    rig.file("services/wrong.yaml", "name: wrong\nimage: checked:1\nport: 81\n");
    let forge = Forge::new();
    let subject = "A subject that is as long as some people write theirs, and still goes on a bit";
    // Amarre writes the Dockerfile: with one of its own, who is not signed in would see no page here.
    forge.commit("Alice Martin", subject, "index.html", &format!("<p>{}</p>\n", "long ".repeat(60)));
    rig.docker.image(ImageSpec::new("nginx:1.30-alpine"));
    let http = forge.http(None).await;
    apps_from(&rig, "http://127.0.0.1:*");
    rig.file(
        "services/built.yaml",
        &format!("kind: App\nname: built\ngit: {{url: '{}'}}\nframework: static\nport: 8080\n", http.url()),
    );
    // Two ranges are two pictures; of a pool every machine has its buttons.
    let mut config = rig.json_file("amarre.yaml");
    config["network"]["pools"] = json!(["10.77.0.0/16", "10.79.0.0/16"]);
    config["pools"] = json!({});
    config["policy"]["targets"] = json!({"lab": ["127.0.0.1:*"]});
    rig.file("amarre.yaml", &format!("{config:#}"));
    rig.file("services/lab.yaml", "kind: Pool\nname: lab\nmachines: [{name: m1, address: 127.0.0.1, port: 9}]\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    assert_eq!(add(&rig, "alice.martin@a-longer-name.example.org", "admin").await.code, 0);
    let is_synced = async |name: &str| rig.json(&format!("/api/v1/services/{name}")).await["sync"] == "Synced";
    eventually(60, "all is there", async || {
        is_synced("shop").await
            && is_synced(LONG).await
            && is_synced("left").await
            && is_synced("both").await
            && is_synced("built").await
    })
    .await;
    eventually(60, "one has a way that breaks", async || {
        rig.json("/api/v1/services/wrong").await["error"]["code"] == "A0532"
    })
    .await;
    std::fs::remove_file(rig.path().join("services/left.yaml")).unwrap();
    eventually(60, "only its data is left", async || {
        rig.docker.containers().iter().all(|row| row["Name"] != "/left") && is_synced("left").await
    })
    .await;
    let mut node = script(&rig, "widths.mjs");
    node.env("EMAIL", "alice.martin@a-longer-name.example.org").env("PASSWORD", PASSWORD);
    node.env("SERVICES", format!("shop,{LONG},broken,both,left,wrong"))
        .env("LONG", "another-service-with-a-long-name")
        .env("APP", "built")
        .env("QUARTERS", quarters());
    let output = node.output().await.expect("node is there: scripts/test");
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), rig.log());
    assert_eq!(end(daemon).await, 0);
}

fn said_in_environment(name: &str) -> Option<String> {
    std::env::var_os(name).and_then(|text| text.into_string().ok())
}
