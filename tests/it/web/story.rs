//! From the first start to a service that is gone again, on pages alone, with a git repository as the source.

use serde_json::{Value as Json, json};

use super::browser::{Browser, Page, hidden};
use super::{PASSWORD, first_link};
use crate::cli::rig::{Rig, end};
use crate::support::eventually;
use crate::support::forge::Forge;

/// A rig whose source is a repository.
pub async fn with_git() -> (Rig, Forge) {
    let rig = Rig::start().await;
    let forge = Forge::new();
    forge.commit("Alice Martin", "begin", "services/README.md", "manifests\n");
    let http = forge.http(None).await;
    let mut config = rig.config();
    config["source"] = json!({"git": {"url": http.url(), "path": "services", "interval": "1s"}});
    rig.file("amarre.yaml", &format!("{config:#}"));
    (rig, forge)
}

/// What a visitor of a service gets through the proxy.
async fn visit(rig: &Rig, domain: &str) -> Option<u16> {
    crate::support::get(rig.npm.proxy_address, domain, "/").await.map(|(status, _)| status)
}

async fn service(browser: &mut Browser) -> Page {
    browser.get("/services/shop").await
}

/// The last commit: by whom, and what.
fn log(forge: &Forge) -> String {
    let bare = forge.bare().display().to_string();
    forge.run(&["--git-dir", &bare, "log", "-1", "--format=%an <%ae>: %s", "main"])
}

/// The image that the shop has.
fn image(rig: &Rig) -> Option<Json> {
    rig.docker.containers().iter().find(|row| row["Name"] == "/shop").map(|row| row["Config"]["Image"].clone())
}

/// A form is checked before anything is written.
async fn makes_the_shop(rig: &Rig, forge: &Forge, alice: &mut Browser) {
    let asked = alice.clone();
    eventually(60, "the source is read", async || {
        asked.clone().get("/new").await.body.contains("will be committed to main")
    })
    .await;
    let wrong = [("image", "web:1"), ("name", "shop"), ("port", "eighty"), ("tls", "none")];
    let page = alice.send("/new", "/new", &[&wrong[..], &[("do", "commit")]].concat()).await;
    assert_eq!(page.status, 422);
    page.shows("1 problem");
    let right = [("image", "web:1"), ("name", "shop"), ("port", "80"), ("tls", "none"), ("environment", "A=b")];
    let page = alice.send("/new", "/new", &[&right[..], &[("do", "check")]].concat()).await;
    page.shows("no problem");
    page.shows("services/shop.yaml");
    page.shows("will be committed to main");
    page.shows("shop.example.org");
    assert!(rig.json("/api/v1/services/shop").await["code"] == "A1002", "a check makes nothing");
    let page = alice.send("/new", "/new", &[&right[..], &[("do", "commit"), ("message", "add a shop")]].concat()).await;
    assert_eq!((page.status, page.location()), (303, "/services/shop"), "{}", page.body);
    let mut open = alice.clone();
    open.headers.push(("X-Amarre-Live".to_owned(), "1".to_owned()));
    assert!(!service(&mut open).await.body.contains("is written"), "another tab that reads itself again takes nothing");
    service(alice).await.shows("services/shop.yaml is written");
    assert_eq!(log(forge), "Alice Martin <alice@example.org>: add a shop");
    eventually(60, "the shop is served", async || visit(rig, "shop.example.org").await == Some(200)).await;
    eventually(60, "its page says so", async || {
        let page = service(&mut alice.clone()).await.body;
        page.contains("Synced") && page.contains("Healthy") && page.contains("From domain to data")
    })
    .await;

    let runs = alice.get("/runs").await;
    runs.shows("The last 24 hours");
    runs.shows("class=\"wrote\"");
}

/// A person changes the host by hand.
async fn undoes_what_a_hand_did(rig: &Rig, alice: &mut Browser) {
    assert_eq!(alice.send("/", "/services/shop/suspend", &[("why", "to look")]).await.status, 303);
    let host = rig.npm.rows(amarre_sim::npm::Kind::ProxyHost);
    let host = host.iter().find(|row| row["domain_names"][0] == "shop.example.org").unwrap()["id"].as_u64().unwrap();
    rig.npm.edit_proxy_host(host, &json!({"block_exploits": false}));
    service(alice).await.shows("to look");
    assert_eq!(alice.send("/", "/services/shop/resume", &[]).await.status, 303);
    assert_eq!(alice.send("/", "/services/shop/reconcile", &[]).await.status, 303);
    eventually(60, "it is put right", async || {
        let rows = rig.npm.rows(amarre_sim::npm::Kind::ProxyHost);
        rows.iter().any(|row| row["id"] == host && row["block_exploits"] == true)
    })
    .await;
    eventually(60, "the page tells of it", async || service(&mut alice.clone()).await.body.contains("block_exploits"))
        .await;
}

/// Its manifest is changed; comments stay.
async fn edits_the_shop(rig: &Rig, forge: &Forge, alice: &mut Browser) {
    let page = alice.get("/services/shop/edit").await;
    page.shows("image: web:1");
    let before = "name: shop\nimage: web:1\nport: 80\nenvironment:\n  A: \"b\"\n";
    let after = format!("# ours\n{}update: {{drain: 0s}}\n", before.replace("web:1", "web:2"));
    let seen = hidden(&page.body, "before").unwrap();
    let stale = [("do", "commit"), ("before", "0000"), ("text", after.as_str())];
    let page = alice.send("/", "/services/shop/edit", &stale).await;
    assert_eq!(page.status, 422);
    page.shows("A0312");
    let text = after.replace('\n', "\r\n");
    let fields = [("do", "commit"), ("before", seen.as_str()), ("text", text.as_str()), ("message", "newer")];
    let page = alice.send("/", "/services/shop/edit", &fields).await;
    assert_eq!(page.status, 303, "{}", page.body);
    let bare = forge.bare().display().to_string();
    let shown = forge.run(&["--git-dir", &bare, "show", "main:services/shop.yaml"]);
    assert_eq!(shown, after.trim_end());
    eventually(90, "the new image runs", async || image(rig) == Some("web:2".into())).await;
    eventually(60, "there are two versions", async || {
        alice.clone().get("/services/shop/history").await.body.contains("Roll back to this")
    })
    .await;
}

/// It goes back, stays so, and is taken up again.
async fn goes_back_and_on(rig: &Rig, alice: &mut Browser) {
    alice.get("/services/shop/rollback").await.shows("web:1");
    assert_eq!(alice.send("/", "/services/shop/rollback", &[]).await.status, 303);
    eventually(90, "the old image runs", async || image(rig) == Some("web:1".into())).await;
    eventually(60, "it is left so", async || service(&mut alice.clone()).await.body.contains("Suspended")).await;
    alice.get("/runs").await.shows("rollback by ");
    assert_eq!(alice.send("/", "/services/shop/resume", &[]).await.status, 303);
    eventually(90, "the new image runs again", async || image(rig) == Some("web:2".into())).await;
}

/// Its containers restart, after a page that says which. Not while an update is under way.
async fn restarts_the_shop(rig: &Rig, alice: &mut Browser) {
    let is_one = || {
        let names = rig.docker.containers().into_iter().map(|one| one["Name"].as_str().unwrap_or_default().to_owned());
        names.filter(|name| name == "/shop" || name.starts_with("/shop-")).count() == 1
    };
    eventually(60, "the old one is gone", async || is_one()).await;
    let started = || -> Vec<String> {
        let ours = rig.docker.containers().into_iter().filter(|one| one["Name"] == "/shop");
        ours.map(|one| one["State"]["StartedAt"].as_str().unwrap().to_owned()).collect()
    };
    let before = started();
    alice.get("/services/shop").await.shows("/services/shop/restart");
    let mut french = alice.clone();
    french.headers.push(("Accept-Language".to_owned(), "fr".to_owned()));
    french.get("/services/shop/restart").await.shows("chaque conteneur est indisponible jusqu");
    let page = alice.get("/services/shop/restart").await;
    page.shows("shop   restart; each container is away until it is ready again");
    page.shows("Restart it");
    assert_eq!(alice.send("/", "/services/shop/restart", &[]).await.status, 303);
    eventually(60, "it has started again", async || started() != before).await;
}

/// It is deleted by its name, and nothing of it is left but its file's history.
async fn deletes_the_shop(rig: &Rig, forge: &Forge, alice: &mut Browser) {
    let page = alice.get("/services/shop/delete").await;
    page.shows("proxy host");
    let seen = hidden(&page.body, "before").unwrap();
    let page = alice.send("/", "/services/shop/delete", &[("name", "shot"), ("before", &seen)]).await;
    assert_eq!(page.status, 422);
    let page = alice.send("/", "/services/shop/delete", &[("name", "shop"), ("before", &seen)]).await;
    assert_eq!((page.status, page.location()), (303, "/"), "{}", page.body);
    assert_eq!(log(forge), "Alice Martin <alice@example.org>: remove shop");
    eventually(90, "it is gone", async || {
        rig.docker.containers().iter().all(|row| row["Name"] != "/shop")
            && service(&mut alice.clone()).await.status == 404
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_lives_on_pages_alone() {
    let (rig, forge) = with_git().await;
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut alice = Browser::with_address(rig.port);
    let link = first_link(&rig);
    let token = link.split('=').nth(1).unwrap();
    let form = [("token", token), ("email", "alice@example.org"), ("name", "Alice Martin"), ("password", PASSWORD)];
    assert_eq!(alice.post("/setup", &form).await.status, 303);
    makes_the_shop(&rig, &forge, &mut alice).await;
    undoes_what_a_hand_did(&rig, &mut alice).await;
    edits_the_shop(&rig, &forge, &mut alice).await;
    goes_back_and_on(&rig, &mut alice).await;
    restarts_the_shop(&rig, &mut alice).await;
    deletes_the_shop(&rig, &forge, &mut alice).await;
    assert_eq!(rig.npm.rows(amarre_sim::npm::Kind::ProxyHost).len(), 1, "only the foreign one");
    assert_eq!(end(daemon).await, 0, "{}", rig.log());
    let plan = rig.run(&["plan", "--detailed-exitcode"]).await;
    assert_eq!(plan.code, 0, "{plan:?}");
}
