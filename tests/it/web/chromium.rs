//! The same story in a real browser: both languages, a phone, without scripts.

use std::path::PathBuf;

use super::first_link;
use super::story::with_git;
use crate::cli::rig::{Rig, end};

/// In what somebody looks.
struct Setting {
    name: &'static str,
    locale: &'static str,
    width: u32,
    scripts: bool,
    scheme: &'static str,
}

async fn told(rig: Rig, setting: Setting) {
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let chromium = chromium.into_iter().find(|path| std::path::Path::new(path).exists());
    let mut node = tokio::process::Command::new("node");
    node.arg(root.join("tests/it/web/story.mjs")).kill_on_drop(true);
    node.env("NODE_PARTS", root.join("target/node"))
        .env("CHROMIUM", chromium.expect("chromium is there: scripts/test"));
    node.env("AMARRE_PAGES", format!("http://127.0.0.1:{}", rig.port)).env("SETUP", first_link(&rig));
    node.env("PROXY", rig.npm.proxy_address.to_string()).env("NPM", rig.npm.server.url());
    node.env("NPM_IDENTITY", "amarre@amarre.demo").env("NPM_SECRET", "changeme-npm");
    node.env("WIDTH", setting.width.to_string()).env("LOCALE", setting.locale).env("SCHEME", setting.scheme);
    node.env("SCRIPTS", if setting.scripts { "yes" } else { "no" });
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
    let setting = Setting { name: "desktop", locale: "en-US", width: 1280, scripts: true, scheme: "light" };
    told(Rig::start().await, setting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_french_on_a_phone_with_a_repository() {
    let (rig, _forge) = with_git().await;
    told(rig, Setting { name: "phone", locale: "fr-FR", width: 390, scripts: true, scheme: "dark" }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_scripts() {
    let setting = Setting { name: "plain", locale: "en-US", width: 390, scripts: false, scheme: "light" };
    told(Rig::start().await, setting).await;
}
