//! Frameworks beside Flask, each by a small real application: built on the real engine, served through the proxy, and updated without a
//! failed request. `APP_FRAMEWORKS=django,express` says which; scripts/long asks for all, after scripts/clients/app-parts has fetched
//! what they are built from.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{asked_until, bases, clean, manifest, start};
use crate::support::docker;
use crate::support::rig::Rig;

/// An application of tests/cases/apps.
struct Application {
    name: &'static str,
    /// Makes the images that its Dockerfile names.
    bases: fn(),
    /// What its page says, in a file of it, and what the next commit makes of that.
    file: &'static str,
    says: [&'static str; 2],
    /// Where it listens.
    port: u16,
}

const APPLICATIONS: [Application; 4] = [
    Application {
        name: "django",
        bases: || bases::python(),
        file: "shop/urls.py",
        says: ["django one", "django two"],
        port: 8000,
    },
    Application {
        name: "express",
        bases: || node(),
        file: "server.js",
        says: ["express one", "express two"],
        port: 3000,
    },
    Application { name: "vite", bases: || node(), file: "index.html", says: ["vite one", "vite two"], port: 8080 },
    Application {
        name: "go",
        bases: || {
            bases::debian(GOLANG, "debian-golang", "scripts/clients/app-parts");
            bases::empty("gcr.io/distroless/static-debian12:nonroot");
        },
        file: "main.go",
        says: ["go one", "go two"],
        port: 8080,
    },
];

const NODE: &str = "node:24-slim";
const GOLANG: &str = "golang:1.27";

fn node() {
    bases::debian(NODE, "debian-node", "scripts/clients/app-parts");
}

/// Every file below a folder, by its path from there.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

async fn serves(rig: &Rig, says: &str) {
    let visited = rig.visit("site").await;
    assert!(
        visited.as_ref().is_some_and(|(status, body)| *status == 200 && body.contains(says)),
        "{says}: {visited:?}"
    );
}

async fn is_updated_without_a_failed_request(app: &Application) {
    (app.bases)();
    let (rig, forge, url) = start().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/apps").join(app.name);
    files(&folder).iter().for_each(|(path, text)| forge.write(path, text));
    forge.commit_all("Alice Martin", "an app");
    rig.write("site.yaml", &manifest(&url, "").replace("port: 8080\nupdate: {drain: 0s}\n", ""));
    let applied = rig.apply().await;
    assert_eq!(applied.code, 0, "{}: {}{}", app.name, applied.out, applied.err);
    let [first, second] = app.says;
    serves(&rig, first).await;
    let shown = rig.run(&["app", "show", &rig.name("site")]).await;
    assert!(shown.out.contains(&app.port.to_string()), "{}", shown.out);
    rig.quiet().await;

    let text = std::fs::read_to_string(folder.join(app.file)).unwrap();
    forge.commit("Alice Martin", "the next", app.file, &text.replace(first, second));
    let done = AtomicBool::new(false);
    let apply = async {
        let applied = rig.apply().await;
        done.store(true, Ordering::Relaxed);
        applied
    };
    let (applied, (asked, failed)) = tokio::join!(apply, asked_until(&rig, &done));
    assert_eq!(applied.code, 0, "{}: {}{}", app.name, applied.out, applied.err);
    assert!(asked > 20 && failed == 0, "{}: {failed} of {asked} failed", app.name);
    serves(&rig, second).await;
    rig.quiet().await;
    docker(&["rm", "-f", &rig.name("site")]);
    clean(&rig);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_framework_is_updated_without_a_failed_request() {
    let chosen = std::env::var_os("APP_FRAMEWORKS").and_then(|text| text.into_string().ok()).unwrap_or_default();
    let is_known = |name: &str| name.is_empty() || name == "all" || APPLICATIONS.iter().any(|app| app.name == name);
    assert!(chosen.split(',').all(is_known), "APP_FRAMEWORKS={chosen}");
    for app in APPLICATIONS.iter().filter(|app| chosen == "all" || chosen.split(',').any(|name| name == app.name)) {
        is_updated_without_a_failed_request(app).await;
    }
}
