//! Apps on a real engine: from a repository behind a real git server to pages through the proxy.

mod bases;
mod frameworks;
mod hostile;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value as Json, json};

use crate::support::forge::Forge;
use crate::support::rig::Rig;
use crate::support::{docker, eventually};

/// A repository, and a rig whose policy lets apps be built from it.
async fn start() -> (Rig, Forge, String) {
    bases::nginx();
    let forge = Forge::new();
    let http = forge.http(None).await;
    let url = http.url();
    let mut rig = Rig::start().await;
    rig.settings.insert(
        "policy".to_owned(),
        json!({"repositories": ["http://127.0.0.1:*"], "dockerfiles": ["http://127.0.0.1:*"]}),
    );
    rig.configure();
    (rig, forge, url)
}

fn manifest(url: &str, more: &str) -> String {
    format!("kind: App\nname: TAG-site\ngit: {{url: '{url}'}}\nport: 8080\nupdate: {{drain: 0s}}\n{more}")
}

/// The images that were built for an app, of this test's.
fn images(rig: &Rig) -> Vec<String> {
    let listed = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", &format!("amarre/{}", rig.name("site"))]);
    let mut images: Vec<String> = listed.lines().map(str::to_owned).collect();
    images.sort();
    images
}

fn clean(rig: &Rig) {
    for image in images(rig) {
        docker(&["rmi", "-f", &image]);
    }
}

/// What was deployed, the oldest first: `COMMIT STATE`.
async fn deployed(rig: &Rig) -> Vec<String> {
    let listed = rig.run(&["app", "deployments", &rig.name("site"), "-o", "json"]).await;
    assert_eq!(listed.code, 0, "{}", listed.err);
    let document: Json = serde_json::from_str(&listed.out).unwrap();
    let rows = document["deployments"].as_array().unwrap().iter().rev();
    let row = |row: &Json| {
        let (commit, state) = (row["commit"]["subject"].as_str().unwrap(), row["state"].as_str().unwrap());
        let back = if row["rollback"] == true { " back" } else { "" };
        format!("{commit}: {state}{back}")
    };
    rows.map(row).collect()
}

/// A service of the status document.
async fn service(rig: &Rig) -> Json {
    let status = rig.status().await;
    let name = rig.name("site");
    let rows = status["services"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name.as_str()).cloned().unwrap_or_default()
}

/// What the linter would have otherwise, and why it is as it is.
const NOT_LINTED: [&str; 3] = [
    // Versions of Debian's packages: the base image says of which release they are.
    "DL3008", // Steps apart are kept apart, so that the second alone is built again.
    "DL3059", // A dollar sign in a configuration of nginx is nginx's.
    "SC2016",
];

#[test]
fn every_generated_dockerfile_passes_a_linter() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(root.join("tests/cases/apps/dockerfiles")).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    let mut linter = std::process::Command::new(root.join("target/python/bin/hadolint"));
    NOT_LINTED.iter().for_each(|rule| _ = linter.args(["--ignore", rule]));
    let said = linter.args(&files).output().unwrap();
    assert!(files.len() > 10 && said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_site_is_built_served_and_follows_its_repository() {
    let (rig, forge, url) = start().await;
    forge.commit("Alice Martin", "first page", "index.html", "<h1>one</h1>\n");
    rig.write("site.yaml", &manifest(&url, ""));
    let applied = rig.apply().await;
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    rig.assert_serves("site", "<h1>one</h1>").await;
    rig.quiet().await;
    let built = images(&rig);
    assert_eq!(built.len(), 1);
    // The Dockerfile that Amarre wrote is sent beside the files, and is not among them.
    let files = docker(&["run", "--rm", "--entrypoint", "busybox", &built[0], "find", "/srv/www", "-type", "f"]);
    assert_eq!(files.trim(), "/srv/www/index.html");

    // The next commit goes out; one that changes nothing of what is sent builds nothing.
    forge.commit("Alice Martin", "second page", "index.html", "<h1>two</h1>\n");
    let applied = rig.apply().await;
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    rig.assert_serves("site", "<h1>two</h1>").await;
    rig.quiet().await;
    let built = images(&rig);
    forge.run(&["commit", "-q", "--allow-empty", "-m", "nothing"]);
    forge.run(&["push", "-q", "origin", "HEAD"]);
    assert_eq!(rig.apply().await.code, 0);
    assert_eq!(images(&rig), built);
    rig.quiet().await;
    // Each image is a deployment; the commit that changed nothing is none.
    assert_eq!(deployed(&rig).await, ["first page: stopped", "second page: running"]);
    let log = rig.run(&["app", "build-log", &rig.name("site")]).await;
    assert!(log.out.contains("COPY"), "the ledger keeps it: {}{}", log.out, log.err);
    let stats = rig.run(&["app", "stats", &rig.name("site"), "-o", "json"]).await;
    let stats: Json = serde_json::from_str(&stats.out).unwrap();
    assert_eq!((&stats["total"], &stats["running"], &stats["success_rate"]), (&json!(2), &json!(1), &json!(100)));

    // The service goes with its manifest, its images with it.
    rig.remove("site.yaml");
    assert_eq!(rig.run(&["apply", "--yes", "--confirm-deletes", "1"]).await.code, 0);
    rig.quiet().await;
    let all = deployed(&rig).await;
    assert_eq!(all.last().map(String::as_str), Some("second page: deleted"), "{all:?}");
    clean(&rig);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_cannot_be_built_changes_nothing_that_runs() {
    let (rig, forge, url) = start().await;
    forge.commit("Alice Martin", "a page", "index.html", "<h1>good</h1>\n");
    rig.write("site.yaml", &manifest(&url, ""));
    assert_eq!(rig.apply().await.code, 0);
    rig.assert_serves("site", "<h1>good</h1>").await;

    forge.commit("Bob", "break it", "Dockerfile", "FROM nginx:1.30-alpine\nRUN echo it is broken && exit 7\n");
    let failed = rig.apply_partly().await;
    assert_ne!(failed.code, 0, "{}", failed.out);
    let said = format!("{}{}", failed.out, failed.err);
    assert!(said.contains("A0773") && said.contains("exit code: 7"), "{said}");
    rig.assert_serves("site", "<h1>good</h1>").await;
    assert_eq!(deployed(&rig).await, ["a page: running", "break it: failed"]);
    let log = rig.run(&["app", "build-log", &rig.name("site")]).await;
    assert!(log.out.contains("it is broken"), "{}{}", log.out, log.err);
    // Another process does not build the same again by itself.
    let daemon = rig.daemon().await;
    let shown = async || daemon.json(&format!("/api/v1/apps/{}", rig.name("site"))).await;
    eventually(60, "the failure is known", async || shown().await["state"] == "failed").await;
    assert_eq!(shown().await["code"], "A0773");
    let newest = daemon.json("/api/v1/deployments").await["deployments"][0].clone();
    assert!(newest["build_ended_at"].is_string() && newest["ran_at"].is_null(), "{newest}");
    assert_eq!(daemon.json("/api/v1/deployments").await["deployments"].as_array().unwrap().len(), 2);
    daemon.stop().await;

    forge.commit("Bob", "mend it", "Dockerfile", "FROM nginx:1.30-alpine\nCOPY index.html /srv/www/\nEXPOSE 8080\nCMD [\"busybox\", \"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/srv/www\"]\n");
    forge.commit("Bob", "another page", "index.html", "<h1>mended</h1>\n");
    let applied = rig.apply().await;
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    rig.assert_serves("site", "<h1>mended</h1>").await;
    rig.quiet().await;
    docker(&["rm", "-f", &rig.name("site")]);
    clean(&rig);
}

const DOCKERFILE: &str = "FROM nginx:1.30-alpine\nCOPY public /srv/www\nEXPOSE 8080\n\
                          CMD [\"busybox\", \"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/srv/www\"]\n";

/// What `docker compose up --build` does, without a registry.
#[tokio::test(flavor = "multi_thread")]
async fn a_compose_project_is_built_from_its_folder_and_follows_it() {
    bases::nginx();
    let mut rig = Rig::start().await;
    rig.settings
        .insert("policy".to_owned(), json!({"repositories": ["./services/site"], "dockerfiles": ["./services/site"]}));
    rig.configure();
    let folder = rig.folder.path().join("services/site");
    std::fs::create_dir_all(folder.join("public")).unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.join(file), text).unwrap();
    let page = |text: &str| write("public/index.html", text);
    write("compose.yaml", "services:\n  web:\n    build: {context: ., args: {A: b}}\n    expose: ['8080']\n");
    // Of this test alone: an image that has another name as well stays.
    let dockerfile = DOCKERFILE.replace("EXPOSE", &format!("LABEL of={}\nEXPOSE", rig.tag));
    write("Dockerfile", &dockerfile);
    write(".dockerignore", "secret.txt\n");
    write("secret.txt", "canary-of-the-folder");
    page("<h1>one</h1>\n");
    rig.write_in("site", "service.yaml", "name: TAG-site\ncompose: ./compose.yaml\nport: 8080\nupdate: {drain: 0s}\n");
    let planned = rig.run(&["plan"]).await;
    assert!(planned.out.contains("build   ") && planned.out.contains("from services/site"), "{planned}");
    let applied = rig.apply().await;
    assert_eq!(applied.code, 0, "{applied}");
    rig.assert_serves("site", "<h1>one</h1>").await;
    rig.quiet().await;
    assert_eq!(images(&rig).len(), 1);

    page("<h1>two</h1>\n");
    write("secret.txt", "another");
    assert_eq!(rig.apply().await.code, 0);
    rig.assert_serves("site", "<h1>two</h1>").await;
    rig.quiet().await;
    // What is left out of the build builds nothing.
    let built = images(&rig);
    write("secret.txt", "a third");
    rig.quiet().await;
    assert_eq!((built.len(), images(&rig)), (2, built));

    // One that cannot be built changes nothing that runs.
    write("Dockerfile", &format!("{dockerfile}RUN echo it is broken && exit 7\n"));
    let failed = rig.apply_partly().await;
    assert!(failed.code != 0 && format!("{failed}").contains("exit code: 7"), "{failed}");
    rig.assert_serves("site", "<h1>two</h1>").await;
    let daemon = rig.daemon().await;
    write("Dockerfile", &dockerfile);
    page("<h1>three</h1>\n");
    eventually(60, "the next is served", async || {
        rig.visit("site").await.is_some_and(|(_, body)| body.contains("three"))
    })
    .await;
    daemon.wait_until_settled().await;
    daemon.stop().await;
    // Kept with the run: another process shows it.
    let log = rig.run(&["app", "build-log", &rig.name("site")]).await;
    assert!(log.code == 0 && log.out.contains("COPY public"), "{log}");
    for image in images(&rig) {
        let files = docker(&["run", "--rm", "--entrypoint", "busybox", &image, "find", "/srv", "-type", "f"]);
        assert_eq!(files.trim(), "/srv/www/index.html", "{image}");
    }
    rig.remove("site/service.yaml");
    assert_eq!(rig.run(&["apply", "--yes", "--confirm-deletes", "1"]).await.code, 0);
    rig.quiet().await;
    assert_eq!(images(&rig), [""; 0], "its images go with it");
    clean(&rig);
}

/// Asks again and again until it is done; answers how often, and how often there was no good answer.
async fn asked_until(rig: &Rig, done: &AtomicBool) -> (usize, usize) {
    let (mut asked, mut failed) = (0, 0);
    while !done.load(Ordering::Relaxed) {
        asked += 1;
        failed += usize::from(rig.visit("site").await.is_none_or(|(status, _)| status != 200));
    }
    (asked, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flask_app_is_updated_without_a_failed_request() {
    bases::python();
    let (rig, forge, url) = start().await;
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/apps/flask");
    let file = |name: &str| std::fs::read_to_string(files.join(name)).unwrap();
    forge.write("requirements.txt", &file("requirements.txt"));
    forge.commit("Alice Martin", "an app", "app.py", &file("app.py"));
    let manifest = manifest(&url, "environment: {TOKEN: {secret: TAG-site/token}}\n")
        .replace("port: 8080\nupdate: {drain: 0s}\n", "");
    rig.write("site.yaml", &manifest);
    std::fs::create_dir_all(rig.folder.path().join("secrets/services").join(rig.name("site"))).unwrap();
    let secret = rig.folder.path().join("secrets/services").join(rig.name("site")).join("token");
    std::fs::write(secret, "a-secret-of-the-app").unwrap();
    let applied = rig.apply().await;
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    rig.assert_serves("site", "flask one, port 8000").await;
    rig.quiet().await;

    forge.commit("Alice Martin", "the next", "app.py", &file("app.py").replace("flask one", "flask two"));
    let done = AtomicBool::new(false);
    let apply = async {
        let applied = rig.apply().await;
        done.store(true, Ordering::Relaxed);
        applied
    };
    let (applied, (asked, failed)) = tokio::join!(apply, asked_until(&rig, &done));
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    assert!(asked > 20 && failed == 0, "{failed} of {asked} failed");
    rig.assert_serves("site", "flask two, port 8000").await;
    rig.quiet().await;

    // Nothing of the host, and no secret, is in what was built.
    for image in images(&rig) {
        let history = docker(&["history", "--no-trunc", &image]);
        let config = docker(&["inspect", &image]);
        assert!(!format!("{history}{config}").contains("a-secret-of-the-app"), "{image}");
    }
    docker(&["rm", "-f", &rig.name("site")]);
    clean(&rig);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_has_to_say_is_asked_and_what_runs_stays() {
    let (rig, forge, url) = start().await;
    forge.commit("Alice Martin", "a page", "index.html", "<h1>page</h1>\n");
    rig.write("site.yaml", &manifest(&url, ""));
    assert_eq!(rig.apply().await.code, 0);
    // Policy closes what is elsewhere.
    rig.write("other.yaml", "kind: App\nname: TAG-other\ngit: {url: 'https://git.example.org/x'}\n");
    let refused = rig.run(&["validate"]).await;
    assert!(refused.err.contains("A0776") || refused.out.contains("A0776"), "{}{}", refused.out, refused.err);
    rig.remove("other.yaml");
    // A commit that could be several things.
    forge.write("requirements.txt", "flask\nfastapi\n");
    forge.write("main.py", "app = FastAPI()\n");
    forge.run(&["rm", "-q", "index.html"]);
    forge.commit_all("Bob", "something else");
    let asked = rig.run(&["plan"]).await;
    let said = format!("{}{}", asked.out, asked.err);
    assert!(said.contains("A0770") && said.contains("framework: flask"), "{said}");
    rig.assert_serves("site", "<h1>page</h1>").await;
    // The repository is away: what is known stays.
    let row = service(&rig).await;
    assert_eq!(row["name"], rig.name("site").as_str(), "{row}");
    docker(&["rm", "-f", &rig.name("site")]);
    clean(&rig);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_follows_a_repository_and_is_killed_while_it_builds() {
    let (rig, forge, url) = start().await;
    let dockerfile = |text: &str, seconds: u32| {
        format!(
            "FROM nginx:1.30-alpine\nRUN sleep {seconds} && mkdir -p /srv/www && echo {text} > /srv/www/index.html\n\
             EXPOSE 8080\nCMD [\"busybox\", \"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/srv/www\"]\n"
        )
    };
    forge.commit("Alice Martin", "begin", "Dockerfile", &dockerfile("one", 0));
    rig.write("site.yaml", &manifest(&url, ""));
    let daemon = rig.daemon().await;
    eventually(90, "it is served", async || rig.visit("site").await.is_some_and(|(_, text)| text.contains("one")))
        .await;
    daemon.stop().await;
    forge.commit("Alice Martin", "slowly", "Dockerfile", &dockerfile("two", 5));
    let daemon = rig.daemon().await;
    let state = async || daemon.json("/api/v1/apps").await["apps"][0]["state"].clone();
    eventually(60, "it builds", async || state().await == "provisioning").await;
    daemon.kill().await;
    rig.assert_serves("site", "one").await;
    let daemon = rig.daemon().await;
    eventually(90, "it is built all the same", async || {
        rig.visit("site").await.is_some_and(|(_, text)| text.contains("two"))
    })
    .await;
    daemon.wait_until_settled().await;
    daemon.stop().await;
    rig.quiet().await;
    docker(&["rm", "-f", &rig.name("site")]);
    clean(&rig);
}
