//! The picture of a service says what is so: what mounts what, where the way breaks, what is still to come, which of two
//! containers is the new one.

use amarre_sim::Fault;
use amarre_sim::docker::{Behaviour, ImageSpec};
use amarre_sim::npm::Kind;
use serde_json::json;

use super::browser::Browser;
use super::{PASSWORD, add};
use crate::cli::rig::{Rig, end};
use crate::cli::simulated::simulate;
use crate::support::eventually;

async fn signed_in(rig: &Rig) -> Browser {
    assert_eq!(add(rig, "alice@example.org", "admin").await.code, 0);
    let mut alice = Browser::with_address(rig.port);
    assert_eq!(alice.signs_in("alice@example.org", PASSWORD).await.status, 303);
    alice
}

async fn is(rig: &Rig, name: &str, health: &str) -> bool {
    let service = rig.json(&format!("/api/v1/services/{name}")).await;
    service["sync"] == "Synced" && service["health"] == health
}

/// An image with a healthcheck that always succeeds, and a program that listens on port 80 alone.
pub fn checked(rig: &Rig) {
    let healthcheck = Some(json!({"Test": ["CMD", "true"], "Interval": 1_000_000_000_i64}));
    rig.docker.load_image(ImageSpec { ports: vec![80], healthcheck, ..ImageSpec::new("checked:1") });
}

/// The part of a page with this id, up to the end of its section.
fn part<'a>(body: &'a str, id: &str) -> &'a str {
    let from = body.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id} in {body}"));
    body[from..].split("</section>").next().unwrap()
}

#[tokio::test]
async fn volumes_are_drawn_at_the_containers_that_mount_them() {
    let rig = Rig::start().await;
    let containers =
        "  app: {image: 'web:1', volumes: ['html:/html']}\n  db: {image: 'web:1', volumes: ['db:/data']}\n";
    rig.file("services/cloud.yaml", &format!("name: cloud\ncontainers:\n{containers}"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    eventually(60, "it is there", async || is(&rig, "cloud", "Healthy").await).await;
    let body = Browser::with_address(rig.port).get("/services/cloud").await.body;
    let picture = part(&body, "picture");
    let place = |name: &str| {
        picture.find(&format!("<b>{}</b>", name.replace('_', "_<wbr>"))).unwrap_or_else(|| panic!("{name}: {picture}"))
    };
    assert!(place("cloud-app") < place("cloud-db") && place("cloud_html") < place("cloud_db"), "{picture}");
    let wire = picture.split("<svg class=\"wire\"").nth(3).unwrap().split("</svg>").next().unwrap();
    assert!(wire.contains("d=\"M0 66H41\"") && wire.contains("d=\"M0 218H41\""), "each leads straight on: {wire}");
    assert!(!wire.contains('C'), "{wire}");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_hop_to_a_port_at_which_nothing_listens_is_red() {
    let rig = Rig::start().await;
    checked(&rig);
    // A manifest that names another port than the program's; and one of which the port is changed in NPM.
    rig.file("services/wrong.yaml", "name: wrong\nimage: checked:1\nport: 81\n");
    rig.file("services/shop.yaml", "name: shop\nimage: checked:1\nport: 80\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut alice = signed_in(&rig).await;
    eventually(60, "one works", async || is(&rig, "shop", "Healthy").await).await;
    assert!(!part(&alice.get("/services/shop").await.body, "picture").contains("class=\"cut\""));
    let is_degraded = async || rig.json("/api/v1/services/wrong").await["health"] == "Degraded";
    eventually(60, "the other one does not", is_degraded).await;
    let wrong = rig.json("/api/v1/services/wrong").await;
    assert_eq!(wrong["error"]["code"], "A0532", "{wrong}");
    assert!(wrong["what_now"].as_str().unwrap().contains(":81"), "{wrong}");
    let body = alice.get("/services/wrong").await.body;
    let wires: Vec<&str> = part(&body, "picture").split("<svg class=\"wire\"").skip(1).collect();
    let broken: Vec<bool> =
        wires.iter().map(|wire| wire.split("</svg>").next().unwrap().contains("class=\"cut\"")).collect();
    assert_eq!(broken, [false, true, false], "only the hop that breaks: {body}");
    assert!(body.contains("The way breaks between wrong.example.org and wrong: nothing listens at "), "{body}");

    assert_eq!(alice.send("/", "/services/shop/suspend", &[("why", "to look")]).await.status, 303);
    let rows = rig.npm.rows(Kind::ProxyHost);
    let host = rows.iter().find(|row| row["domain_names"][0] == "shop.example.org").unwrap()["id"].as_u64().unwrap();
    rig.npm.edit_proxy_host(host, &json!({"forward_port": 81}));
    let visited = crate::support::get(rig.npm.proxy_address, "shop.example.org", "/").await.map(|(status, _)| status);
    assert_eq!(visited, Some(502));
    eventually(60, "that is seen", async || {
        let _looked = alice.clone().send("/", "/apply", &[]).await;
        rig.json("/api/v1/services/shop").await["health"] == "Degraded"
    })
    .await;
    assert!(part(&alice.get("/services/shop").await.body, "picture").contains("class=\"cut\""));
    assert_eq!(alice.send("/", "/services/shop/resume", &[]).await.status, 303);
    eventually(60, "it is restored", async || is(&rig, "shop", "Healthy").await).await;
    assert!(!part(&alice.get("/services/shop").await.body, "picture").contains("class=\"cut\""));
    assert_eq!(end(daemon).await, 0);
}

/// A certificate has the name of its host, and leads nowhere.
#[tokio::test]
async fn a_certificate_is_no_hop() {
    let rig = Rig::start().await;
    simulate(&rig);
    rig.file("services/shop.yaml", "name: shop\nimage: 'web:1'\nport: 80\nssl: true\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    eventually(60, "it is there", async || is(&rig, "shop", "Healthy").await).await;
    let body = Browser::with_address(rig.port).get("/services/shop").await.body;
    let picture = part(&body, "picture");
    assert!(
        picture.contains("certificate") && picture.matches("<b>shop<wbr>.example<wbr>.org</b>").count() == 3,
        "{picture}"
    );
    assert!(!body.contains("class=\"cut\"") && !body.contains("The way breaks"), "{body}");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_resource_that_is_not_there_yet_has_not_failed() {
    let rig = Rig::start().await;
    rig.docker.load_image(ImageSpec { behaviour: Behaviour::HealthyAfter(u32::MAX), ..ImageSpec::new("slow:1") });
    rig.file("services/shop.yaml", "name: shop\nimage: slow:1\nport: 80\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut browser = Browser::with_address(rig.port);
    eventually(60, "its container starts", async || {
        rig.docker.containers().iter().any(|row| row["Name"] == "/shop")
            && rig.json("/api/v1/services/shop").await["health"] == "Progressing"
    })
    .await;
    let body = browser.get("/services/shop").await.body;
    let picture = part(&body, "picture");
    assert!(picture.contains("class=\"node next\""), "{picture}");
    assert!(picture.contains("comes after container shop"), "{picture}");
    assert!(picture.contains("class=\"next\" d="), "{picture}");
    for red in ["node bad", "class=\"cut\"", "The way breaks"] {
        assert!(!picture.contains(red), "{red}: {picture}");
    }
    let status = rig.run(&["status", "shop"]).await.out;
    assert!(status.contains("not there yet") && !status.contains('✗'), "{status}");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn an_update_shows_which_container_is_new_and_which_one_drains() {
    let rig = Rig::start().await;
    let manifest = |tag: &str| format!("name: photos\nimage: web:{tag}\nport: 80\nupdate: {{drain: 10m}}\n");
    rig.file("services/photos.yaml", &manifest("1"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    eventually(60, "it is there", async || is(&rig, "photos", "Healthy").await).await;
    let mut browser = Browser::with_address(rig.port);
    let body = browser.get("/services/photos").await.body;
    assert!(
        part(&body, "picture").contains("<span>web:1</span>") && !body.contains("class=\"tag\">serving<"),
        "{body}"
    );
    rig.file("services/photos.yaml", &manifest("2"));
    eventually(90, "the old one drains", async || {
        part(&browser.clone().get("/services/photos").await.body, "picture").contains("draining")
    })
    .await;
    let body = browser.get("/services/photos").await.body;
    let picture = part(&body, "picture");
    let node = |badge: &str| {
        picture
            .split("<a class=\"node")
            .find(|node| node.contains(badge))
            .unwrap_or_else(|| panic!("{badge}: {picture}"))
    };
    assert!(node("\"tag\">serving<").contains("<span>web:2</span>"), "{picture}");
    assert!(node("\"tag\">draining<").contains("<span>web:1</span>"), "{picture}");
    assert!(node("\"tag\">draining<").contains("removed at "), "{picture}");
    let events = part(&body, "events");
    assert!(events.contains("the new container now answers as photos"), "{events}");
    assert!(events.contains("the old container no longer answers as photos"), "{events}");
    assert!(!events.contains("aliases"), "{events}");
    // It is no drift: only Amarre has changed something.
    let page = browser.get("/").await.body;
    assert!(!page.contains("1 drifted") && !page.contains("1 out of sync"), "{page}");
    assert_eq!(end(daemon).await, 0);
}

/// No visitor is hit by an update that fails: the one before serves, and what failed is gone.
#[tokio::test]
async fn an_update_that_fails_breaks_no_way() {
    let rig = Rig::start().await;
    rig.docker.load_image(ImageSpec { behaviour: Behaviour::Exit(1), ..ImageSpec::new("web:broken") });
    rig.docker.load_image(ImageSpec { behaviour: Behaviour::HealthyAfter(u32::MAX), ..ImageSpec::new("web:slow") });
    let manifest = |tag: &str| format!("name: photos\nimage: web:{tag}\nport: 80\n");
    rig.file("services/photos.yaml", &manifest("1"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    eventually(60, "it is there", async || is(&rig, "photos", "Healthy").await).await;
    let picture =
        async || part(&Browser::with_address(rig.port).get("/services/photos").await.body, "picture").to_owned();
    rig.file("services/photos.yaml", &manifest("broken"));
    let has_failed = async || rig.json("/api/v1/services/photos").await["health"] == "Degraded";
    eventually(60, "it has failed", async || has_failed().await && !picture().await.contains("web:broken")).await;
    let one = picture().await;
    assert!(one.contains("<span>web:1</span>") && !one.contains(">serving<"), "{one}");
    assert!(!one.contains("class=\"cut\"") && !one.contains("The way breaks"), "{one}");
    Browser::with_address(rig.port).get("/").await.shows("1 failed, still serving");
    // While a candidate is there, the other one is marked as the one that serves.
    rig.file("services/photos.yaml", &manifest("slow"));
    eventually(60, "a candidate is there", async || picture().await.contains("\"tag go\">new<")).await;
    let both = picture().await;
    let node = |image: &str| both.split("<a class=\"node").find(|node| node.contains(image)).unwrap().to_owned();
    assert!(node("web:1<").contains("\"tag\">serving<") && node("web:slow<").contains("\"tag go\">new<"), "{both}");
    assert!(!both.contains("class=\"cut\""), "{both}");
    // Each of the two has a page that says what it is.
    let mut alice = signed_in(&rig).await;
    for image in ["web:1", "web:slow"] {
        let node = node(&format!("{image}<"));
        let path = node.split("href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
        let page = alice.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        page.shows(image);
    }
    assert_eq!(end(daemon).await, 0);
}

/// What cannot be seen is unknown, and not broken.
#[tokio::test]
async fn a_proxy_that_does_not_answer_breaks_no_way() {
    let rig = Rig::start().await;
    rig.file("services/shop.yaml", "name: shop\nimage: 'web:1'\nport: 80\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    eventually(60, "it is there", async || is(&rig, "shop", "Healthy").await).await;
    rig.npm.server.faults.add("*", "/", u32::MAX, Fault::CutBefore);
    let picture =
        async || part(&Browser::with_address(rig.port).get("/services/shop").await.body, "picture").to_owned();
    eventually(60, "it cannot be seen", async || {
        let _looked = rig.run(&["reconcile", "--timeout", "1s"]).await;
        picture().await.contains("cannot be seen")
    })
    .await;
    let unknown = picture().await;
    assert!(unknown.contains("class=\"alias\" d="), "{unknown}");
    assert!(!unknown.contains("class=\"cut\"") && !unknown.contains("The way breaks"), "{unknown}");
    assert!(unknown.contains("class=\"node dim\""), "{unknown}");
    // One outage is one problem, and what it hides is not known.
    let page = Browser::with_address(rig.port).get("/").await;
    page.shows("unknown: cannot be seen");
    for claim in ["no certificate in use", "as the manifests say"] {
        assert!(!page.body.contains(claim), "{claim}: {}", page.body);
    }
    let needs = part(&page.body, "needs");
    assert_eq!(needs.matches("<li>").count(), 1, "{needs}");
    let traced = rig.run(&["trace", "shop.example.org"]).await.out;
    assert!(!traced.contains("not managed"), "{traced}");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_deleted_service_looks_deleted_and_its_data_is_purged_on_the_pages() {
    let rig = Rig::start().await;
    rig.file("services/notes.yaml", "name: notes\nimage: web:1\nvolumes: ['data:/data']\n");
    rig.file("services/shop.yaml", "name: shop\nimage: web:1\nport: 80\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut alice = signed_in(&rig).await;
    eventually(60, "both are there", async || is(&rig, "notes", "Healthy").await && is(&rig, "shop", "Healthy").await)
        .await;
    // A service that is there is deleted before its data is.
    assert_eq!(alice.get("/services/notes/purge").await.status, 404);
    assert_eq!(alice.send("/", "/services/notes/purge", &[("name", "notes")]).await.status, 404);
    std::fs::remove_file(rig.path().join("services/notes.yaml")).unwrap();
    eventually(60, "only its data is left", async || rig.json("/api/v1/services/notes").await["deleted"] == true).await;
    let overview = alice.get("/").await;
    overview.shows("<small>of 1</small>");
    overview.shows("Deleted, data kept: volume notes_data");
    let page = alice.get("/services/notes").await;
    page.shows("Deleted, data kept");
    page.shows("href=\"/services/notes/purge\"");
    for claim in ["Synced", "Healthy", "id=\"picture\"", "/logs\"", "/manifest\""] {
        assert!(!page.body.contains(claim), "{claim}: {}", page.body);
    }
    assert_eq!(rig.json("/api/v1/status").await["summary"]["services"], 1);
    let listed = rig.run(&["status", "--all"]).await.out;
    assert!(listed.lines().any(|line| line.starts_with("notes") && line.contains("Deleted")), "{listed}");

    // Only an admin, with a form of the session, and by its name.
    let mut others = Vec::new();
    for role in ["viewer", "operator", "editor"] {
        let email = format!("{role}@example.org");
        assert_eq!(add(&rig, &email, role).await.code, 0);
        let mut other = Browser::with_address(rig.port);
        other.signs_in(&email, PASSWORD).await;
        other.get("/services/notes/purge").await.shows("The role admin is needed");
        others.push((other.send("/", "/services/notes/purge", &[("name", "notes")]).await.status, role));
    }
    assert!(others.iter().all(|(status, _)| *status == 403), "{others:?}");
    assert_eq!(Browser::with_address(rig.port).post("/services/notes/purge", &[("name", "notes")]).await.status, 303);
    assert_eq!(alice.post("/services/notes/purge", &[("name", "notes"), ("csrf", "0000")]).await.status, 403);
    assert_eq!(alice.send("/", "/services/notes/purge", &[("name", "note")]).await.status, 422);
    alice.get("/services/notes/purge").await.shows("notes_data");
    assert!(rig.docker.volumes().iter().any(|volume| volume["Name"] == "notes_data"));
    let purged = alice.send("/", "/services/notes/purge", &[("name", "notes")]).await;
    assert_eq!((purged.status, purged.location()), (303, "/"), "{}", purged.body);
    eventually(60, "its data is gone, and so is its name", async || {
        rig.docker.volumes().iter().all(|volume| volume["Name"] != "notes_data")
            && alice.clone().get("/services/notes").await.status == 404
    })
    .await;
    alice.get("/settings/audit").await.shows("purge");
    assert_eq!(end(daemon).await, 0);
}
