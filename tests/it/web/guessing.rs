//! Another client guesses passwords, from the address of the user.

use serde_json::json;

use super::browser::Browser;
use super::{PASSWORD, add, started, typed};
use crate::cli::rig::{Rig, end};

const OWNER: &str = "alice@example.org";

/// Guesses until it has to wait.
async fn guesses(port: u16, email: &str) {
    let mut stranger = Browser::with_address(port);
    for _ in 0..5 {
        assert_eq!(stranger.signs_in(email, "wrong").await.status, 422, "{email}");
    }
    assert_eq!(stranger.signs_in(email, PASSWORD).await.status, 429, "{email}");
}

#[tokio::test]
async fn a_known_browser_signs_in_while_another_client_guesses_from_the_same_address() {
    let (rig, daemon) = started().await;
    assert_eq!(add(&rig, OWNER, "admin").await.code, 0);
    assert_eq!(add(&rig, "bob@example.org", "viewer").await.code, 0);
    let mut owner = Browser::with_address(rig.port);
    assert_eq!(owner.signs_in(OWNER, PASSWORD).await.status, 303);
    assert_eq!(owner.send("/", "/logout", &[]).await.status, 303);
    for email in [OWNER, "bob@example.org", "nobody@example.org"] {
        guesses(rig.port, email).await;
    }
    // A browser helps with no account but its own.
    assert_eq!(owner.clone().signs_in("bob@example.org", PASSWORD).await.status, 429);
    assert_eq!(owner.signs_in(OWNER, "mistyped").await.status, 422);
    assert_eq!(owner.signs_in(OWNER, PASSWORD).await.status, 303);
    owner.get("/").await.shows("Sign out");
    // Who signs in does not make room for whoever guesses; nor does a browser that is known guess for ever.
    assert_eq!(Browser::with_address(rig.port).signs_in(OWNER, PASSWORD).await.status, 429);
    let mut stolen = owner.clone();
    for _ in 0..5 {
        assert_eq!(stolen.signs_in(OWNER, "wrong").await.status, 422);
    }
    assert_eq!(stolen.signs_in(OWNER, PASSWORD).await.status, 429);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_signed_in_client_is_served_while_another_floods_from_the_same_address() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    config["server"]["requests_per_minute"] = json!(60);
    rig.file("amarre.yaml", &format!("{config:#}"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    assert_eq!(add(&rig, OWNER, "admin").await.code, 0);
    let mut owner = Browser::with_address(rig.port);
    assert_eq!(owner.signs_in(OWNER, PASSWORD).await.status, 303);
    let mut away = owner.clone();
    away.cookies.remove("amarre_session");
    let mut stranger = Browser::with_address(rig.port);
    stranger.cookies.insert("amarre_session".to_owned(), "0".repeat(64));
    let mut asked = 0;
    while stranger.get("/runs").await.status != 429 {
        asked += 1;
        assert!(asked < 200, "it is told to wait");
    }
    // With a session, and with no more than the browser that is known.
    assert_eq!(owner.get("/").await.status, 200);
    assert_eq!(away.signs_in(OWNER, PASSWORD).await.status, 303);
    // Who is known may not ask without end either.
    let mut asked = 0;
    while owner.get("/").await.status != 429 {
        asked += 1;
        assert!(asked < 200, "it is told to wait");
    }
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_restart_keeps_the_lockout_and_a_new_password_ends_it() {
    let (rig, daemon) = started().await;
    assert_eq!(add(&rig, OWNER, "admin").await.code, 0);
    for email in [OWNER, "nobody@example.org"] {
        guesses(rig.port, email).await;
    }
    assert_eq!(end(daemon).await, 0);
    let mut config = rig.config();
    config["server"]["url"] = json!("https://amarre.example.org");
    rig.file("amarre.yaml", &format!("{config:#}"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut browser = Browser::with_address(rig.port);
    for email in [OWNER, "nobody@example.org"] {
        assert_eq!(browser.signs_in(email, PASSWORD).await.status, 429, "{email}");
    }
    let another = "another correct horse battery";
    assert_eq!(typed(&rig, another, &["user", "password", OWNER], &[]).await.code, 0);
    let signed = browser.signs_in(OWNER, another).await;
    assert_eq!(signed.status, 303);
    // Over HTTPS no other name of the domain can set either cookie.
    assert!(browser.cookies.keys().all(|name| name.starts_with("__Host-")), "{:?}", browser.cookies.keys());
    assert_eq!(browser.cookies.len(), 2);
    assert_eq!(end(daemon).await, 0);
    // Neither is in the ledger as it stands in the browser.
    let parts = ["amarre.db", "amarre.db-wal"].map(|name| std::fs::read(rig.path().join(name)).unwrap_or_default());
    let ledger = String::from_utf8_lossy(&parts.concat()).into_owned();
    assert!(browser.cookies.values().all(|value| value.len() == 64 && !ledger.contains(value.as_str())));
}
