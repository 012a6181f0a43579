//! What opens something: tokens end with the password, and over HTTPS no session is planted.

use serde_json::{Value as Json, json};

use super::{WEB, code, served_as, token};
use crate::cli::rig::{Rig, end};
use crate::web::browser::Browser;
use crate::web::typed;

const PASSWORD: &str = "correct horse battery";

#[tokio::test]
async fn the_tokens_of_a_user_end_with_the_password_and_not_with_the_role() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    for email in ["bob@example.org", "alice@example.org"] {
        assert_eq!(typed(&rig, PASSWORD, &["user", "add", email, "--role", "admin"], &[]).await.code, 0);
    }
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let of = async |name: &str, email: &str| token(&rig, name, &["--user", email]).await;
    let mut hers = of("hers", "alice@example.org").await;
    let mut admin = token(&rig, "admin", &["--role", "admin"]).await;
    let mut his = of("his", "bob@example.org").await;
    assert_eq!(rig.run(&["user", "role", "bob@example.org", "viewer"]).await.code, 0);
    assert_eq!(his.get("/api/v1/history").await.status, 200);
    assert_eq!(typed(&rig, "another horse battery", &["user", "password", "bob@example.org"], &[]).await.code, 0);
    let ended = his.get("/api/v1/history").await;
    assert_eq!((ended.status, code(&ended).as_str()), (401, "A1010"));
    // By HTTP it is the same.
    let mut his = of("his", "bob@example.org").await;
    assert_eq!(his.get("/api/v1/history").await.status, 200);
    let body = json!({"password": "one more horse battery"}).to_string();
    assert_eq!(admin.json("PATCH", "/api/v1/users/bob@example.org", Some(&body)).await.status, 204);
    assert_eq!(his.get("/api/v1/history").await.status, 401);
    assert_eq!(hers.get("/api/v1/history").await.status, 200, "another user's stays");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn over_https_no_other_name_of_the_domain_can_plant_a_session() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    let add = ["user", "add", "alice@example.org", "--role", "admin"];
    assert_eq!(typed(&rig, PASSWORD, &add, &[]).await.code, 0);
    for (url, prefix) in [("http://amarre.example.org", ""), ("https://amarre.example.org", "__Host-")] {
        served_as(&rig, &json!({"url": url}));
        let daemon = rig.daemon(&["--yes"], &[]).await;
        let mut browser = Browser::with_address(rig.port);
        assert_eq!(browser.signs_in("alice@example.org", PASSWORD).await.status, 303);
        let name = format!("{prefix}amarre_session");
        assert_eq!(browser.get("/api/v1/history").await.status, 200, "{name}");
        // Only one name counts, and the document says which.
        let session = browser.cookies.remove(&name).unwrap();
        let other = if prefix.is_empty() { "__Host-amarre_session" } else { "amarre_session" };
        browser.cookies.insert(other.to_owned(), session);
        assert_eq!(browser.get("/api/v1/history").await.status, 401, "{other}");
        let document: Json = serde_json::from_str(&rig.get("/api/v1/openapi.json").await.unwrap().1).unwrap();
        assert_eq!(document["components"]["securitySchemes"]["session"]["name"], name);
        assert_eq!(end(daemon).await, 0);
    }
}
