//! Apps on a real engine: from a repository behind a real git server to pages through the proxy.

mod bases;

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
    rig.settings.insert("policy".to_owned(), json!({"repositories": ["http://127.0.0.1:*"]}));
    rig.configure();
    (rig, forge, url)
}

fn manifest(url: &str, more: &str) -> String {
    format!("kind: App\nname: TAG-site\ngit: {{url: '{url}'}}\nport: 8080\n{more}")
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

/// A service of the status document.
async fn service(rig: &Rig) -> Json {
    let status = rig.status().await;
    let name = rig.name("site");
    let rows = status["services"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name.as_str()).cloned().unwrap_or_default()
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
    assert_eq!(images(&rig).len(), 1);

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

    // The service goes with its manifest, its images with it.
    rig.remove("site.yaml");
    assert_eq!(rig.run(&["apply", "--yes", "--confirm-deletes", "1"]).await.code, 0);
    rig.quiet().await;
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
    let failed = rig.apply_partly("30s").await;
    assert_ne!(failed.code, 0, "{}", failed.out);
    let said = format!("{}{}", failed.out, failed.err);
    assert!(said.contains("A0773") && said.contains("exit code: 7"), "{said}");
    rig.assert_serves("site", "<h1>good</h1>").await;

    forge.commit("Bob", "mend it", "Dockerfile", "FROM nginx:1.30-alpine\nCOPY index.html /srv/www/\nEXPOSE 8080\nCMD [\"busybox\", \"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/srv/www\"]\n");
    forge.commit("Bob", "another page", "index.html", "<h1>mended</h1>\n");
    let applied = rig.apply().await;
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    rig.assert_serves("site", "<h1>mended</h1>").await;
    rig.quiet().await;
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
