//! What stands below each field of the form while it is filled in.

use amarre_sim::docker::ImageSpec;
use serde_json::json;

use super::browser::{Browser, Page};
use super::{PASSWORD, add, started};
use crate::cli::rig::{Rig, end};
use crate::support::eventually;

async fn check(alice: &mut Browser, fields: &[(&str, &str)]) -> Page {
    let page = alice.post("/new", &[&[("do", "check")][..], fields].concat()).await;
    assert_eq!(page.status, 200, "{fields:?}");
    page
}

async fn editor(rig: &Rig) -> Browser {
    assert_eq!(add(rig, "alice@example.org", "editor").await.code, 0);
    let mut alice = Browser::with_address(rig.port);
    let page = alice.signs_in("alice@example.org", PASSWORD).await;
    assert_eq!(page.status, 303, "{page:?} {}", rig.log());
    alice
}

#[tokio::test]
async fn images_and_ports_are_checked_and_registries_are_asked_once() {
    let (rig, daemon) = started().await;
    rig.docker.load_image(ImageSpec { ports: vec![8080], ..ImageSpec::new("ported:1") });
    rig.docker.image(ImageSpec::new("ghcr.io/a/far:1"));
    let mut alice = editor(&rig).await;
    let page = check(&mut alice, &[("image", "ported:1"), ("port", "8080")]).await;
    page.shows("here already, ");
    page.shows("<p class=\"hint ok\" id=\"port-hint\"");
    page.shows("the image exposes 8080");
    let page = check(&mut alice, &[("image", "ported:1"), ("port", "80")]).await;
    page.shows("<p class=\"hint warn\" id=\"port-hint\"");
    let page = check(&mut alice, &[("image", "ported:1")]).await;
    page.shows("no port: nobody reaches it from outside; the image exposes 8080");
    page.shows("no problem, but no port: nobody reaches it from outside");
    // A warning about the manifest is said at its field, and is in the way of nothing.
    rig.docker.load_image(ImageSpec::new("ported:latest"));
    let page = check(&mut alice, &[("image", "ported:latest"), ("port", "80")]).await;
    page.shows("<p class=\"hint warn\" id=\"image-hint\"");
    page.shows("image follows <code>latest</code> · name the version, as in ported:1.2 · here already, ");
    page.shows("no problem");
    let page = check(&mut alice, &[("image", "nowhere:9"), ("port", "80")]).await;
    page.shows("<p class=\"hint bad\" id=\"image-hint\"");
    // What cannot be pulled now may be there tomorrow: it is said, and nothing is in the way.
    page.shows("no problem");
    let asked =
        || rig.docker.server.journal.calls().iter().filter(|call| call.path.contains("/distribution/ghcr.io")).count();
    for _ in 0..2 {
        check(&mut alice, &[("image", "ghcr.io/a/far:1")]).await.shows("exists for linux/amd64, to be pulled");
    }
    assert_eq!(asked(), 1);
    // An account without the right to write causes no call of a registry.
    assert_eq!(add(&rig, "bob@example.org", "viewer").await.code, 0);
    let mut bob = Browser::with_address(rig.port);
    assert_eq!(bob.signs_in("bob@example.org", PASSWORD).await.status, 303);
    check(&mut bob, &[("image", "ghcr.io/a/other:1")]).await.shows("id=\"image-hint\"");
    let others = rig.docker.server.journal.calls().iter().filter(|call| call.path.contains("other")).count();
    assert_eq!(others, 0);
    end(daemon).await;
}

#[tokio::test]
async fn names_certificates_and_lists_are_checked() {
    let (rig, daemon) = started().await;
    rig.npm.seed_access_list(&json!({"name": "family", "items": [], "clients": []}));
    let mut alice = editor(&rig).await;
    let shop = [("image", "web:1"), ("name", "shop"), ("port", "80"), ("tls", "letsencrypt")];
    let page = check(&mut alice, &shop).await;
    page.shows("shop.example.org is free in NPM, OVH");
    page.shows("certificates left this week");
    let page = check(&mut alice, &[&shop[..], &[("address", "foreign")]].concat()).await;
    page.shows("<p class=\"hint bad\" id=\"address-hint\"");
    page.shows("A0405");
    let page = check(&mut alice, &[&shop[..], &[("access_list", "family")]].concat()).await;
    page.shows("<option selected>family</option>");
    page.shows("access_list: family");
    rig.npm.backend_down(true);
    eventually(60, "the gap is seen", async || {
        let page = check(&mut alice, &shop).await;
        page.body.contains("NPM could not be asked; looked at again before anything is made")
    })
    .await;
    end(daemon).await;
}
