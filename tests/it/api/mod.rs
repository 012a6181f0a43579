//! HTTP for machines: tokens, who may ask what, what is asked twice, how much is asked, and lists.

mod compat_pool;
mod credentials;
mod https;
mod lists;
mod manifests;
mod matrix;
mod network;
pub mod notifications;
mod refused;
pub mod webhooks;

use serde_json::{Value as Json, json};

use crate::cli::rig::{Rig, end};
use crate::web::browser::{Browser, Page};

const WEB: &str = "name: web\nimage: web:1\nport: 80\n";

/// Makes a token, and answers a client that uses it.
pub async fn token(rig: &Rig, name: &str, args: &[&str]) -> Browser {
    let made = rig.run(&[&["token", "add", name], args].concat()).await;
    assert_eq!(made.code, 0, "{made:?}");
    Browser::with_address(rig.port).with_token(made.out.trim())
}

#[track_caller]
fn code(page: &Page) -> String {
    assert_eq!(page.headers["content-type"], "application/problem+json", "{page:?}");
    let problem: Json = serde_json::from_str(&page.body).unwrap();
    assert_eq!(problem["status"], page.status, "{problem}");
    assert_eq!(problem["type"], format!("/errors/{}", problem["code"].as_str().unwrap()));
    problem["code"].as_str().unwrap().to_owned()
}

/// A port of a configuration with something of `server:` otherwise.
fn served_as(rig: &Rig, more: &Json) {
    let mut config = rig.config();
    for (key, value) in more.as_object().unwrap() {
        config["server"][key] = value.clone();
    }
    rig.file("amarre.yaml", &format!("{config:#}"));
}

#[tokio::test]
async fn a_token_opens_what_its_role_and_its_services_say_until_it_ends() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.file("services/shop.yaml", "name: shop\nimage: web:1\n");
    // Made without a daemon, good with one.
    let mut early = token(&rig, "early", &["--role", "operator", "--expires", "never"]).await;
    let daemon = rig.daemon(&["--yes"], &[]).await;
    assert_eq!(early.get("/api/v1/history").await.status, 200);
    let again = rig.run(&["token", "add", "early"]).await;
    assert!(again.code == 1 && again.err.contains("A1007") && again.err.contains("already"), "{again:?}");
    let wrong = rig.run(&["token", "add", "a b"]).await;
    assert!(wrong.code == 1 && wrong.err.contains("A1007"), "{wrong:?}");
    assert_eq!(rig.run(&["token", "add", "x", "--expires", "soon"]).await.code, 2);

    // For one service only: below its path, and nowhere else.
    let mut narrow = token(&rig, "narrow", &["--role", "operator", "--service", "web"]).await;
    let post = async |who: &mut Browser, path: &str| who.json("POST", path, Some("{}")).await;
    assert_eq!(narrow.get("/api/v1/services/web").await.status, 200);
    assert_eq!(narrow.get("/api/v1/services/web/events").await.status, 200);
    assert_eq!(post(&mut narrow, "/api/v1/services/web/suspend").await.status, 200);
    assert_eq!(post(&mut narrow, "/api/v1/services/web/resume").await.status, 200);
    // What a command answers is of that service, too.
    let ended = narrow.json("POST", "/api/v1/services/web/reconcile", Some("{\"timeout_ms\": 100}")).await;
    assert!(ended.status == 200 && ended.body.contains("\"web\"") && !ended.body.contains("shop"), "{ended:?}");
    for path in ["/api/v1/services/shop", "/api/v1/services", "/api/v1/status", "/api/v1/events", "/metrics"] {
        let refused = narrow.get(path).await;
        assert_eq!((refused.status, code(&refused).as_str()), (403, "A1011"), "{path}");
    }
    assert_eq!(post(&mut narrow, "/api/v1/services/shop/suspend").await.status, 403);
    let act = json!({"suspend": {"service": "shop"}}).to_string();
    assert_eq!(narrow.json("POST", "/api/v1/act", Some(&act)).await.status, 403);

    // Who did it is the token's name, whatever the body says.
    let body = json!({"by": "the boss", "why": "moving"}).to_string();
    assert_eq!(early.json("POST", "/api/v1/services/web/suspend", Some(&body)).await.status, 200);
    crate::support::eventually(60, "it is shown who did it", async || {
        rig.json("/api/v1/services/web").await["suspended"]["by"] == "token early"
    })
    .await;

    // It is kept nowhere, it is shown once, and it ends.
    let listed = rig.run(&["token", "list"]).await.out;
    assert!(listed.contains("narrow") && listed.contains("web") && !listed.contains("amarre_"), "{listed}");
    let short = token(&rig, "short", &["--expires", "1s"]).await;
    crate::support::eventually(60, "the token ends", async || short.clone().get("/api/v1/history").await.status == 401)
        .await;
    assert_eq!(rig.run(&["token", "remove", "early"]).await.code, 0);
    let refused = early.get("/api/v1/history").await;
    assert_eq!((refused.status, code(&refused).as_str()), (401, "A1010"));
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    // Also where every client may read: a token that is shown is checked.
    assert_eq!(early.get("/api/v1/status").await.status, 401);
    let gone = rig.run(&["token", "remove", "early"]).await;
    assert!(gone.code == 1 && gone.err.contains("A1008"), "{gone:?}");

    // One of a user may no more than that user, and goes with the account.
    let typed = crate::web::typed;
    let add = ["user", "add", "bob@example.org", "--role", "admin"];
    let other = ["user", "add", "alice@example.org", "--role", "admin"];
    for args in [&add, &other] {
        assert_eq!(typed(&rig, "correct horse battery", args, &[]).await.code, 0);
    }
    let mut his = token(&rig, "his", &["--role", "admin", "--user", "bob@example.org"]).await;
    assert_eq!(his.get("/api/v1/users").await.status, 200);
    assert_eq!(rig.run(&["user", "role", "bob@example.org", "viewer"]).await.code, 0);
    assert_eq!(his.get("/api/v1/users").await.status, 403);
    assert_eq!(his.get("/api/v1/history").await.status, 200);
    assert_eq!(rig.run(&["user", "remove", "bob@example.org"]).await.code, 0);
    assert_eq!(his.get("/api/v1/history").await.status, 401);
    let nobody = rig.run(&["token", "add", "hers", "--user", "carol@example.org"]).await;
    assert!(nobody.code == 1 && nobody.err.contains("A1008"), "{nobody:?}");

    // What was done is written down.
    let mut admin = token(&rig, "admin", &["--role", "admin"]).await;
    let audit: Json = serde_json::from_str(&admin.get("/api/v1/audit").await.body).unwrap();
    let rows: Vec<String> = audit["audit"].as_array().unwrap().iter().map(Json::to_string).collect();
    let has = |parts: [&str; 3]| rows.iter().any(|row| parts.iter().all(|part| row.contains(part)));
    assert!(has(["token early", "suspend", "web"]), "{rows:?}");
    assert!(has(["token narrow", "\"shop …\"", "403"]) || has(["token narrow", "\"shop\"", "403"]), "{rows:?}");
    assert_eq!(end(daemon).await, 0);
    let parts = ["amarre.db", "amarre.db-wal"].map(|name| std::fs::read(rig.path().join(name)).unwrap_or_default());
    assert!(!String::from_utf8_lossy(&parts.concat()).contains("amarre_"), "no token is in the ledger");
}

#[tokio::test]
async fn an_idempotency_key_makes_a_request_run_once() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut admin = token(&rig, "admin", &["--role", "admin"]).await;
    let keyed = |who: &Browser, key: &str| {
        let mut who = who.clone();
        who.headers.push(("Idempotency-Key".to_owned(), key.to_owned()));
        who
    };
    let user =
        json!({"email": "bob@example.org", "name": "Bob", "role": "viewer", "password": "correct horse battery"});
    let user = user.to_string();
    let users = "/api/v1/users";
    let first = keyed(&admin, "one").json("POST", users, Some(&user)).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = keyed(&admin, "one").json("POST", users, Some(&user)).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    // Another request with the key, another key, and another one's key of the same name.
    let other = keyed(&admin, "one").json("POST", users, Some(&user.replace("Bob", "Rob"))).await;
    assert_eq!((other.status, code(&other).as_str()), (422, "A1014"));
    assert_eq!(keyed(&admin, "two").json("POST", users, Some(&user)).await.status, 409);
    let second = token(&rig, "second", &["--role", "admin"]).await;
    assert_eq!(keyed(&second, "one").json("POST", users, Some(&user)).await.status, 409);
    let empty = keyed(&admin, "").json("POST", users, Some(&user)).await;
    assert_eq!((empty.status, code(&empty).as_str()), (400, "A1014"));
    // A token is shown once, also to who asks again with the key.
    let new = json!({"name": "ci", "role": "viewer"}).to_string();
    let made = keyed(&admin, "three").json("POST", "/api/v1/tokens", Some(&new)).await;
    assert_eq!(made.status, 201);
    assert!(made.body.contains("amarre_") && made.headers["cache-control"] == "no-store");
    let again = keyed(&admin, "three").json("POST", "/api/v1/tokens", Some(&new)).await;
    assert_eq!((again.status, code(&again).as_str()), (409, "A1014"));
    // A command is answered to its end.
    let suspend = "/api/v1/services/web/suspend";
    let first = keyed(&admin, "four").json("POST", suspend, Some("{}")).await;
    assert!(first.status == 200 && first.body.contains("\"end\""), "{first:?}");
    assert_eq!(admin.json("POST", "/api/v1/services/web/resume", Some("{}")).await.status, 200);
    let again = keyed(&admin, "four").json("POST", suspend, Some("{}")).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert!(rig.json("/api/v1/services/web").await["suspended"].is_null(), "it was not done again");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn an_act_that_is_not_done_answers_with_an_error() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    let daemon = rig.daemon(&[], &[]).await;
    let mut admin = token(&rig, "admin", &["--role", "admin"]).await;
    let post = async |who: &mut Browser, path: &str, body: &str| who.json("POST", path, Some(body)).await;
    // Nothing was applied with this ledger yet.
    let refused = post(&mut admin, "/api/v1/services/web/reconcile", "{}").await;
    assert_eq!((refused.status, code(&refused).as_str()), (409, "A0404"));
    let refused = post(&mut admin, "/api/v1/services/nobody/retry", "{}").await;
    assert_eq!((refused.status, code(&refused).as_str()), (404, "A1002"));
    for (path, body, status, expected) in [
        ("/api/v1/act", "{", 400, "A1013"),
        ("/api/v1/act", "{\"dance\": {}}", 422, "A1013"),
        ("/api/v1/act", "{\"apply\": {\"timeout_ms\": -1}}", 422, "A1013"),
        ("/api/v1/services/web/suspend", "{\"until_ms\": -1}", 422, "A1013"),
        ("/api/v1/services/web/suspend", "{\"service\": \"shop\"}", 422, "A1013"),
        ("/api/v1/status", "{}", 405, "A1003"),
        ("/api/v1/nothing", "{}", 404, "A1003"),
    ] {
        let refused = post(&mut admin, path, body).await;
        assert_eq!((refused.status, code(&refused).as_str()), (status, expected), "{path} {body}");
    }
    let form = admin.ask("POST", "/api/v1/act", Some(("text/plain", "{}"))).await;
    assert_eq!((form.status, code(&form).as_str()), (415, "A1013"));
    // A cookie opens nothing that changes something.
    let typed = crate::web::typed;
    assert_eq!(
        typed(&rig, "correct horse battery", &["user", "add", "a@example.org", "--role", "admin"], &[]).await.code,
        0
    );
    let mut browser = Browser::with_address(rig.port);
    assert_eq!(browser.signs_in("a@example.org", "correct horse battery").await.status, 303);
    browser.headers.clear();
    assert_eq!(browser.get("/api/v1/users").await.status, 200);
    let refused = post(&mut browser, "/api/v1/services/web/suspend", "{}").await;
    assert_eq!((refused.status, code(&refused).as_str()), (401, "A1010"));
    // On the pages it is said as well, and stands in the audit.
    browser.headers.push(("Accept".to_owned(), "text/html".to_owned()));
    assert_eq!(browser.send("/", "/services/web/rollback", &[]).await.status, 303);
    browser.get("/services/web").await.shows("A04");
    let audit = browser.get("/api/v1/audit").await;
    let audit: Json = serde_json::from_str(&audit.body).unwrap();
    let row = audit["audit"].as_array().unwrap().iter().find(|row| row["action"] == "rollback").unwrap();
    assert!(row["result"].as_str().unwrap().contains("A04"), "{row}");
    assert_eq!(end(daemon).await, 0);
}

/// On how many days all paths come by.
const DAYS: usize = 3;

/// Asks everything that the document describes at the paths of this `SEED_ROUND`, and much that it does not.
#[tokio::test]
async fn schemathesis_finds_no_error_and_no_undescribed_answer() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.file("services/shop.yaml", "name: shop\nimage: web:1\n");
    served_as(&rig, &json!({"requests_per_minute": 10_000_000}));
    let made = rig.run(&["token", "add", "st", "--role", "admin"]).await;
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = tokio::process::Command::new(root.join("target/python/bin/schemathesis"));
    command.arg("--config-file").arg(root.join("tests/it/api/schemathesis.toml")).args(["--no-color", "run"]);
    command.arg(format!("http://127.0.0.1:{}/api/v1/openapi.json", rig.port));
    command.arg("-H").arg(format!("Authorization: Bearer {}", made.out.trim()));
    let round = std::env::var_os("SEED_ROUND").and_then(|round| round.into_string().ok());
    let round: usize = round.and_then(|round| round.parse().ok()).unwrap_or_default();
    let document = rig.json("/api/v1/openapi.json").await;
    // Logs that are followed have no end while something prints.
    let paths = document["paths"].as_object().unwrap().keys().filter(|path| *path != "/api/v1/logs/follow");
    for path in paths.skip(round % DAYS).step_by(DAYS) {
        command.args(["--include-path", path]);
    }
    command.args(["--phases", "examples,coverage,fuzzing"]);
    command.args(["--max-examples", "25", "--seed", "1", "--continue-on-failure", "--warnings", "off"]);
    command
        .args(["--request-timeout", "60", "--generation-database", "none"])
        .current_dir(rig.path())
        .kill_on_drop(true);
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(" passed"), "it has asked something: {said}");
    assert_eq!(end(daemon).await, 0);
}
