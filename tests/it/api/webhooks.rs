//! A push that a forge tells of is converged long before the next time that the repository would be asked.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use sha2::Sha256;

use super::code;
use crate::cli::rig::{Rig, end};
use crate::support::eventually;
use crate::support::forge::Forge;
use crate::web::browser::{Browser, Page};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn manifest(name: &str) -> String {
    format!("name: {name}\nimage: web:1\nport: 80\n")
}

async fn pushed(rig: &Rig, secret: &str, event: &str, body: &str) -> Page {
    delivered(rig.port, secret, event, body).await
}

/// What GitHub sends.
pub async fn delivered(port: u16, secret: &str, event: &str, body: &str) -> Page {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let mut github = Browser::with_address(port);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    github.headers = vec![header("X-GitHub-Event", event), header("X-Hub-Signature-256", &signature)];
    github.json("POST", "/webhooks/git", Some(body)).await
}

fn taken(page: &Page) -> bool {
    serde_json::from_str::<Json>(&page.body).unwrap()["taken"].as_bool().unwrap()
}

#[tokio::test]
async fn only_a_signed_webhook_of_the_forge_starts_a_pass() {
    let forge = Forge::new();
    let http = forge.http(None).await;
    forge.commit("Alice Martin", "add web", "services/web.yaml", &manifest("web"));
    let rig = Rig::start().await;
    let configure = |more: Json| {
        let mut config = rig.config();
        config["source"] = json!({"git": {"url": http.url(), "path": "services", "interval": "1h"}});
        config["server"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rig.file("amarre.yaml", &format!("{config:#}"));
    };
    configure(json!({"webhook_secret": "short"}));
    let short = rig.run(&["user", "list"]).await;
    assert!(short.code == 1 && short.err.contains("A0201") && short.err.contains("webhook_secret"), "{short:?}");
    assert!(!short.err.contains("short\""), "{short:?}");
    configure(json!({}));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let body = json!({"ref": "refs/heads/main", "after": "0"}).to_string();
    let nothing = pushed(&rig, SECRET, "push", &body).await;
    assert_eq!((nothing.status, code(&nothing).as_str()), (404, "A1015"));
    assert_eq!(end(daemon).await, 0);

    configure(json!({"webhook_secret": {"file": "hook"}}));
    rig.file("hook", SECRET);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    eventually(60, "web runs", async || rig.json("/api/v1/services/web").await["sync"] == "Synced").await;
    let head = forge.commit("Alice Martin", "add shop", "services/shop.yaml", &manifest("shop"));
    let asked = http.asked().len();
    let wrong = pushed(&rig, "another secret of 32 characters.", "push", &body).await;
    assert_eq!((wrong.status, code(&wrong).as_str()), (401, "A1015"));
    for (event, reference) in [("ping", "refs/heads/main"), ("push", "refs/heads/other"), ("issues", "refs/heads/main")]
    {
        let page = pushed(&rig, SECRET, event, &json!({"ref": reference}).to_string()).await;
        assert_eq!((page.status, taken(&page)), (200, false), "{event} {reference}");
    }
    for unreadable in ["no JSON", "", "payload=", "payload=%7B", "[1]", "{}"] {
        let page = pushed(&rig, SECRET, "push", unreadable).await;
        assert_eq!((page.status, code(&page).as_str()), (400, "A1017"), "{unreadable}");
    }
    assert_eq!(http.asked().len(), asked, "nobody asked the server");
    let body = json!({"ref": "refs/heads/main", "after": head}).to_string();
    let page = pushed(&rig, SECRET, "push", &body).await;
    assert_eq!((page.status, taken(&page)), (202, true), "{page:?}");
    eventually(60, "shop runs", async || {
        rig.json("/api/v1/services").await["services"][0]["sync"] == "Synced"
            && rig.json("/api/v1/services").await["total"] == 2
    })
    .await;
    // GitHub's usual form is signed as it is sent.
    let head = forge.commit("Alice Martin", "add more", "services/more.yaml", &manifest("more"));
    let told = json!({"ref": "refs/heads/main", "after": head, "who": "Zoé & Co"}).to_string();
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &told).finish();
    let page = pushed(&rig, SECRET, "push", &form).await;
    assert_eq!((page.status, taken(&page)), (202, true), "{page:?}");
    eventually(60, "more runs", async || rig.json("/api/v1/services").await["total"] == 3).await;
    // Who listened sends it again.
    let asked = http.asked().len();
    let again = pushed(&rig, SECRET, "push", &body).await;
    assert_eq!((again.status, taken(&again)), (200, false));
    assert_eq!(http.asked().len(), asked);
    let huge = "x".repeat(5 * 1024 * 1024);
    assert_eq!(pushed(&rig, SECRET, "push", &huge).await.status, 413);
    assert_eq!(end(daemon).await, 0);
}
