//! What is refused is written down, with how often it was.

use serde_json::{Value as Json, json};

use super::{WEB, token};
use crate::cli::rig::{Rig, end};
use crate::web::browser::Browser;
use crate::web::typed;

const PASSWORD: &str = "correct horse battery";
const WRONG: &str = "amarre_00000000000000000000000000000000000000000000000000000000000000ff";

async fn audit(admin: &mut Browser) -> Vec<Json> {
    let page = admin.get("/api/v1/audit").await;
    serde_json::from_str::<Json>(&page.body).unwrap()["audit"].as_array().unwrap().clone()
}

#[tokio::test]
async fn refusals_are_audited_with_their_count() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    let add = ["user", "add", "eve@example.org", "--role", "viewer"];
    assert_eq!(typed(&rig, PASSWORD, &add, &[]).await.code, 0);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut admin = token(&rig, "admin", &["--role", "admin"]).await;
    let mut reader = token(&rig, "reader", &[]).await;
    let mut narrow = token(&rig, "narrow", &["--role", "operator", "--service", "web"]).await;
    let mut wrong = Browser::with_address(rig.port).with_token(WRONG);
    for _ in 0..6 {
        assert_eq!(wrong.get("/api/v1/history").await.status, 401);
        assert_eq!(reader.get("/api/v1/users").await.status, 403);
    }
    for path in ["/api/v1/services/shop", "/api/v1/status", "/api/v1/services/shop"] {
        assert_eq!(narrow.get(path).await.status, 403, "{path}");
    }
    let act = json!({"suspend": {"service": "web"}}).to_string();
    for _ in 0..3 {
        assert_eq!(reader.json("POST", "/api/v1/act", Some(&act)).await.status, 403);
    }
    let mut eve = Browser::with_address(rig.port);
    for password in ["a wrong password", "a wrong password", PASSWORD] {
        eve.signs_in("eve@example.org", password).await;
    }
    // A password in the field of the e-mail address.
    eve.signs_in("what i meant as the password", PASSWORD).await;
    assert_eq!(eve.get("/settings/users").await.status, 403);
    assert_eq!(eve.send("/", "/services/web/suspend", &[]).await.status, 403);

    let rows = audit(&mut admin).await;
    let row = |who: &str, action: &str, result: &str| {
        let is = |row: &&Json| row["who"] == who && row["action"] == action && row["result"] != "ok";
        let found: Vec<&Json> = rows.iter().filter(is).collect();
        assert_eq!(found.len(), 1, "{who} {action} in {rows:#?}");
        assert!(found[0]["result"].as_str().unwrap().contains(result), "{:#}", found[0]);
        assert_eq!(found[0]["address"], "127.0.0.1");
        (found[0]["count"].as_u64().unwrap(), found[0]["target"].as_str().unwrap().to_owned())
    };
    assert_eq!(row("", "token", "401"), (6, "history".to_owned()));
    assert_eq!(row("token reader", "users", "403"), (6, String::new()));
    assert_eq!(row("token narrow", "service", "403"), (2, "shop".to_owned()));
    assert_eq!(row("token narrow", "status", "403"), (1, String::new()));
    assert_eq!(row("token reader", "suspend", "403"), (3, "web".to_owned()));
    assert_eq!(row("eve@example.org", "sign_in", "wrong"), (2, String::new()));
    assert_eq!(row("", "sign_in", "wrong"), (1, String::new()));
    assert_eq!(row("eve@example.org", "page", "403"), (2, "GET /settings/users …".to_owned()));
    let first = rows.iter().find(|row| row["count"] == 6).unwrap();
    assert!(first["until_at"].as_str() >= first["at"].as_str(), "{first}");
    // People see it as well.
    let add = ["user", "add", "alice@example.org", "--role", "admin"];
    assert_eq!(typed(&rig, PASSWORD, &add, &[]).await.code, 0);
    let mut alice = Browser::with_address(rig.port);
    alice.signs_in("alice@example.org", PASSWORD).await;
    let page = alice.get("/settings/audit").await;
    page.shows("× 6");
    page.shows("GET /settings/users");
    assert_eq!(end(daemon).await, 0);
    let parts = ["amarre.db", "amarre.db-wal"].map(|name| std::fs::read(rig.path().join(name)).unwrap_or_default());
    let ledger = String::from_utf8_lossy(&parts.concat()).into_owned();
    assert!(!ledger.contains(WRONG) && !ledger.contains("meant as the password"), "no secret is in the ledger");
}
