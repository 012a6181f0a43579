//! Pages, accounts and forms, over real HTTP, against a daemon of its own with simulated vendors.

mod apps;
pub mod browser;
mod checks;
mod chromium;
mod forms;
mod french;
mod guessing;
mod instances;
mod overview;
mod pools;
mod picture;
pub mod story;

use amarre_core::model::words;
use tokio::process::Child;

use self::browser::Browser;
use crate::cli::Ended;
use crate::cli::rig::{Rig, end};
use crate::support::eventually;
use crate::support::stepped::ZONE;

const PASSWORD: &str = "correct horse battery";
const WEB: &str = "name: web\nimage: web:1\nport: 80\n";
const ROLES: [&str; 4] = ["viewer", "operator", "editor", "admin"];

/// Where a form is sent, its fields, and the status for a visitor without a session, and then for each role.
type Act<'a> = (&'a str, &'a [(&'a str, &'a str)], [u16; 5]);

/// A daemon with a service, and no user.
async fn started() -> (Rig, Child) {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    (rig, daemon)
}

async fn add(rig: &Rig, email: &str, role: &str) -> Ended {
    typed(rig, PASSWORD, &["user", "add", email, "--role", role], &[]).await
}

/// A command that reads a password from its input.
pub async fn typed(rig: &Rig, password: &str, args: &[&str], env: &[(&str, &str)]) -> Ended {
    use tokio::io::AsyncWriteExt;
    let mut command = rig.command(args);
    command.envs(env.iter().copied()).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// The link that the daemon prints while there is no account.
fn first_link(rig: &Rig) -> String {
    let log = rig.log();
    let at = log.find("/setup?token=").unwrap_or_else(|| panic!("no link in\n{log}"));
    log[at..].split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn the_first_account_is_made_once_with_the_link() {
    let (rig, daemon) = started().await;
    let link = first_link(&rig);
    let token = link.split('=').nth(1).unwrap().to_owned();
    let form = |token: &str, password: &str| -> Vec<(&'static str, String)> {
        vec![
            ("token", token.to_owned()),
            ("email", "Alice@Example.org".to_owned()),
            ("name", "Alice Martin".to_owned()),
            ("password", password.to_owned()),
        ]
    };
    let sends = async |browser: &mut Browser, token: &str, password: &str| {
        let fields = form(token, password);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post("/setup", &fields).await
    };
    let mut browser = Browser::with_address(rig.port);
    assert_eq!(browser.get("/setup?token=0000").await.status, 410);
    assert_eq!(browser.get(&link).await.status, 200);
    assert_eq!(sends(&mut browser, "0000", PASSWORD).await.status, 422);
    let short = sends(&mut browser, &token, "too short").await;
    assert_eq!(short.status, 422);
    short.shows("at least 12 characters");
    let made = sends(&mut browser, &token, PASSWORD).await;
    assert_eq!((made.status, made.location()), (303, "/"));
    browser.get("/").await.shows("Sign out");
    // A second one with the same link, also from a page that was loaded before.
    assert_eq!(browser.get(&link).await.status, 410);
    assert_eq!(sends(&mut Browser::with_address(rig.port), &token, PASSWORD).await.status, 422);
    let listed = rig.run(&["user", "list", "-o", "json"]).await;
    assert!(listed.out.contains("alice@example.org") && listed.out.contains("admin"), "{listed:?}");
    assert_eq!(end(daemon).await, 0);
    // With an account no link is printed any more.
    let daemon = rig.daemon(&["--yes"], &[]).await;
    assert!(!rig.log().contains("/setup"), "{}", rig.log());
    assert_eq!(end(daemon).await, 0);
}

/// What each role sees: the status of each answer. 303 to `/login` without a session.
async fn each_gets_its_pages(browsers: &mut [Browser]) {
    for path in ["/", "/new", "/services/web", "/instances", "/runs", "/network", "/certificates", "/login"] {
        for browser in browsers.iter_mut() {
            assert_eq!(browser.get(path).await.status, 200, "{path}: {browser:?}");
        }
    }
    // These ask vendors, or show what the socket alone has otherwise.
    let of_service = ["edit", "delete", "rollback", "restart", "history", "logs", "manifest"];
    for path in of_service.map(|page| format!("/services/web/{page}")).into_iter().chain(["/runs/1".to_owned()]) {
        let path = path.as_str();
        for (browser, expected) in browsers.iter_mut().zip([303, 200, 200, 200, 200]) {
            assert_eq!(browser.get(path).await.status, expected, "{path}");
        }
    }
    for path in ["/new/templates", "/new/templates/gitea"] {
        for browser in browsers.iter_mut() {
            assert_eq!(browser.get(path).await.status, 200, "{path}: {browser:?}");
        }
    }
    let known = ["/unmanaged", "/settings/providers", "/settings/tokens", "/settings/notifications"];
    let for_admins = ["/settings/users", "/settings/audit"];
    let known = known.map(|path| (path, [303, 200, 200, 200, 200]));
    let for_admins = for_admins.map(|path| (path, [303, 403, 403, 403, 200]));
    let open = ["/api", "/keys", "/theme/dark", "/language/en"];
    let open = open.map(|path| (path, if path.len() > 5 { [303; 5] } else { [200; 5] }));
    for (path, expected) in known.into_iter().chain(for_admins).chain(open) {
        for (browser, expected) in browsers.iter_mut().zip(expected) {
            assert_eq!(browser.get(path).await.status, expected, "{path}");
        }
    }
}

async fn each_sends_its_forms(browsers: &mut [Browser]) {
    let delete = [("name", "not its name"), ("before", WEB)];
    let new = [("do", "commit"), ("image", "web:1"), ("name", "web")];
    let edit = [("do", "commit"), ("text", "name: web\nimage: [\n"), ("before", WEB)];
    let acts: [Act<'_>; 22] = [
        ("/new", &[("do", "check"), ("image", "web:1")], [303, 200, 200, 200, 200]),
        ("/services/web/suspend", &[("why", "a test")], [303, 403, 303, 303, 303]),
        ("/services/web/resume", &[], [303, 403, 303, 303, 303]),
        ("/services/web/reconcile", &[], [303, 403, 303, 303, 303]),
        ("/services/web/retry", &[], [303, 403, 303, 303, 303]),
        ("/services/web/rollback", &[], [303, 403, 303, 303, 303]),
        ("/services/web/restart", &[], [303, 403, 303, 303, 303]),
        ("/services/web/frob", &[], [303, 403, 404, 404, 404]),
        ("/apply", &[], [303, 403, 303, 303, 303]),
        ("/apply", &[("consent", "yes")], [303, 403, 403, 403, 303]),
        ("/new/templates/gitea", &[("do", "check"), ("name", "git")], [303, 200, 200, 200, 200]),
        ("/new/templates/gitea", &[("do", "commit"), ("name", "web")], [303, 403, 403, 422, 422]),
        ("/settings/providers", &[], [303, 403, 303, 303, 303]),
        ("/settings/tokens/nothing/remove", &[], [303, 404, 404, 404, 404]),
        ("/settings/notifications/nothing/test", &[], [303, 403, 403, 403, 404]),
        ("/settings/users/nobody@example.org/remove", &[], [303, 403, 403, 403, 422]),
        ("/settings/users/viewer@example.org/role", &[("role", "king")], [303, 403, 403, 403, 422]),
        // They get as far as what is wrong with them.
        ("/settings/users", &[("role", "viewer"), ("email", "x")], [303, 403, 403, 403, 422]),
        ("/settings/tokens", &[("role", "viewer"), ("name", "a b")], [303, 422, 422, 422, 422]),
        ("/new", &new, [303, 403, 403, 422, 422]),
        ("/services/web/edit", &edit, [303, 403, 403, 422, 422]),
        ("/services/web/delete", &delete, [303, 403, 403, 422, 422]),
    ];
    for (path, fields, expected) in acts {
        for (at, (browser, expected)) in browsers.iter_mut().zip(expected).enumerate() {
            let answer = browser.send("/", path, fields).await;
            assert_eq!(answer.status, expected, "{path} as {at}: {}", answer.body);
            assert_eq!(answer.location().starts_with("/login"), at == 0, "{path} as {at}: {}", answer.location());
        }
    }
}

#[tokio::test]
async fn each_role_may_do_what_it_is_for() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    let mut config = rig.config();
    config["server"]["requests_per_minute"] = serde_json::json!(100_000);
    rig.file("amarre.yaml", &format!("{config:#}"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut browsers = vec![Browser::with_address(rig.port)];
    for role in ROLES {
        let email = format!("{role}@example.org");
        assert_eq!(add(&rig, &email, role).await.code, 0);
        let mut browser = Browser::with_address(rig.port);
        assert_eq!(browser.signs_in(&email, PASSWORD).await.status, 303);
        browsers.push(browser);
    }
    each_gets_its_pages(&mut browsers).await;
    each_sends_its_forms(&mut browsers).await;
    let audited = browsers[4].get("/settings/audit").await;
    audited.shows("editor@example.org");
    audited.shows("suspend");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_form_of_another_site_or_session_does_nothing() {
    let (rig, daemon) = started().await;
    assert_eq!(add(&rig, "alice@example.org", "admin").await.code, 0);
    let mut alice = Browser::with_address(rig.port);
    alice.signs_in("alice@example.org", PASSWORD).await;
    let mut other = Browser::with_address(rig.port);
    other.signs_in("alice@example.org", PASSWORD).await;
    let theirs = browser::hidden(&other.get("/").await.body, "csrf").unwrap();
    let ours = browser::hidden(&alice.get("/").await.body, "csrf").unwrap();
    for csrf in ["", "0", &theirs] {
        let answer = alice.post("/services/web/suspend", &[("csrf", csrf), ("why", "x")]).await;
        assert_eq!(answer.status, 403, "{csrf}");
    }
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    for headers in [
        header("Sec-Fetch-Site", "cross-site"),
        header("Sec-Fetch-Site", "same-site"),
        header("Origin", "http://evil.example.net"),
        header("Origin", "null"),
    ] {
        let mut tricked = alice.clone();
        tricked.headers = headers;
        let answer = tricked.post("/services/web/suspend", &[("csrf", &ours), ("why", "x")]).await;
        assert_eq!(answer.status, 403, "{:?}", tricked.headers);
        assert_eq!(tricked.signs_in("alice@example.org", PASSWORD).await.status, 403, "signing in is a form too");
    }
    assert!(rig.json("/api/v1/services/web").await["suspended"].is_null());
    let back = "/login?back=//evil.example.net";
    let page = alice.get(back).await;
    assert_eq!(browser::hidden(&page.body, "back").as_deref(), Some("/"));
    // Nothing of another site is loaded or sent to, and no page may frame ours.
    for path in ["/", "/new", "/services/web", "/login", "/nothing"] {
        let page = alice.get(path).await;
        let policy = &page.headers["content-security-policy"];
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!page.body.contains(" style=\"") && !page.body.contains(" onclick="), "{path}");
        assert_eq!(page.headers["cache-control"], "no-store", "{path}");
    }
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn guessing_is_stopped_and_sessions_end() {
    let (rig, daemon) = started().await;
    assert_eq!(add(&rig, "alice@example.org", "admin").await.code, 0);
    assert_eq!(add(&rig, "bob@example.org", "viewer").await.code, 0);
    let mut browser = Browser::with_address(rig.port);
    // For an unknown user it is the same.
    for email in ["alice@example.org", "nobody@example.org"] {
        for left in ["4 tries", "3 tries", "2 tries", "1 try", "No tries"] {
            let wrong = browser.signs_in(email, "wrong").await;
            assert_eq!(wrong.status, 422);
            wrong.shows(left);
        }
        let locked = browser.signs_in(email, PASSWORD).await;
        assert_eq!(locked.status, 429, "{email}");
    }
    let mut bob = Browser::with_address(rig.port);
    assert_eq!(bob.signs_in(" Bob@example.org ", PASSWORD).await.status, 303);
    bob.get("/").await.shows("Sign out");
    let mut elsewhere = bob.clone();
    assert_eq!(bob.send("/", "/logout", &[]).await.status, 303);
    elsewhere.get("/").await.shows("Sign in");
    bob.signs_in("bob@example.org", PASSWORD).await;
    for args in [&["user", "role", "bob@example.org", "operator"][..], &["user", "remove", "bob@example.org"]] {
        assert_eq!(rig.run(args).await.code, 0, "{args:?}");
        bob.get("/").await.shows("Sign in");
        bob.signs_in("bob@example.org", PASSWORD).await;
    }
    bob.get("/").await.shows("Sign in");
    assert_eq!(end(daemon).await, 0);
    let parts = ["amarre.db", "amarre.db-wal"].map(|name| std::fs::read(rig.path().join(name)).unwrap_or_default());
    let bytes = parts.concat();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!has(PASSWORD) && has("$argon2id$"), "no password is in the ledger");
}

#[tokio::test]
async fn accounts_are_kept_with_and_without_a_daemon() {
    let rig = Rig::start().await;
    for is_running in [false, true] {
        let daemon = if is_running { Some(rig.daemon(&["--yes"], &[]).await) } else { None };
        let empty = rig.run(&["user", "list"]).await;
        assert!(empty.out.contains("There is no account"), "{empty:?}");
        assert_eq!(add(&rig, "Alice@example.org", "admin").await.code, 0);
        let again = add(&rig, "alice@example.org", "viewer").await;
        assert!(again.code == 1 && again.err.contains("A1007") && again.err.contains("already"), "{again:?}");
        for (email, password) in [("alice", PASSWORD), ("a b@c", PASSWORD), ("bob@example.org", "short")] {
            let unfit = typed(&rig, password, &["user", "add", email], &[]).await;
            assert!(unfit.code == 1 && unfit.err.contains("A1007"), "{email}: {unfit:?}");
        }
        assert_eq!(add(&rig, "bob@example.org", "viewer").await.code, 0);
        let listed = rig.run(&["user", "list"]).await.out;
        assert_eq!(listed.lines().collect::<Vec<_>>().len(), 3, "{listed}");
        assert!(listed.contains("alice@example.org  admin"), "{listed}");
        for args in [&["user", "remove", "alice@example.org"][..], &["user", "role", "alice@example.org", "viewer"]] {
            let last = rig.run(args).await;
            assert!(last.code == 1 && last.err.contains("last one with the role admin"), "{last:?}");
        }
        let unknown = rig.run(&["user", "role", "carol@example.org", "admin"]).await;
        assert!(unknown.code == 1 && unknown.err.contains("A1008"), "{unknown:?}");
        assert_eq!(rig.run(&["user", "role", "bob@example.org", "king"]).await.code, 2);
        assert_eq!(typed(&rig, PASSWORD, &["user", "password", "bob@example.org"], &[]).await.code, 0);
        for email in ["bob@example.org", "alice@example.org"] {
            assert_eq!(rig.run(&["user", "remove", email]).await.code, 0, "{email}");
        }
        if let Some(daemon) = daemon {
            assert_eq!(end(daemon).await, 0);
        }
    }
}

#[tokio::test]
async fn pages_speak_the_language_that_is_asked_for() {
    let (rig, daemon) = started().await;
    let mut browser = Browser::with_address(rig.port);
    browser.headers.push(("Accept-Language".to_owned(), "fr-FR,fr;q=0.9".to_owned()));
    let page = browser.get("/").await;
    page.shows("<html lang=\"fr\">");
    page.shows("Nouveau service");
    eventually(60, "states are in French, and say what the API calls them", async || {
        let body = browser.clone().get("/services/web").await.body;
        body.contains("Synchronisé") && body.contains("title=\"Synced\"")
    })
    .await;
    let answer = browser.get("/language/en?back=/runs").await;
    assert_eq!((answer.status, answer.location()), (303, "/runs"));
    browser.get("/").await.shows("New service");
    browser.get("/language/tlh?back=/").await;
    browser.get("/").await.shows("New service");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn other_content_of_a_file_is_not_lost_silently() {
    let rig = Rig::start().await;
    let both = format!("{WEB}---\nkind: Record\nname: mail\ntype: A\nvalue: 192.0.2.7\n");
    rig.file("services/web.yaml", &both);
    rig.file("services/crlf.yaml", "name: crlf\r\nimage: web:1\r\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    assert_eq!(add(&rig, "alice@example.org", "editor").await.code, 0);
    let mut alice = Browser::with_address(rig.port);
    alice.signs_in("alice@example.org", PASSWORD).await;
    let page = alice.get("/services/web/delete").await;
    page.shows("holds more than this service");
    let seen = browser::hidden(&page.body, "before").unwrap();
    let page = alice.send("/", "/services/web/delete", &[("name", "web"), ("before", &seen)]).await;
    assert_eq!(page.status, 422);
    assert_eq!(std::fs::read_to_string(rig.path().join("services/web.yaml")).unwrap(), both);
    eventually(60, "the record is there", async || {
        rig.ovh.records(ZONE).iter().any(|row| row["target"] == "192.0.2.7")
    })
    .await;
    let page = alice.send("/", "/services/web/edit", &[("do", "check"), ("before", &seen), ("text", WEB)]).await;
    page.shows("mail.example.org");
    // Changed line ends of a browser are no concurrent change.
    let page = alice.get("/services/crlf/edit").await;
    let seen = browser::hidden(&page.body, "before").unwrap();
    let fields = [("do", "commit"), ("before", seen.as_str()), ("text", "name: crlf\r\nimage: web:2\r\n")];
    assert_eq!(alice.send("/", "/services/crlf/edit", &fields).await.status, 303);
    assert_eq!(std::fs::read_to_string(rig.path().join("services/crlf.yaml")).unwrap(), "name: crlf\nimage: web:2\n");
    assert_eq!(end(daemon).await, 0);
}

/// Nothing that a manifest, a container or a vendor says becomes a part of a page.
#[tokio::test]
async fn foreign_text_is_escaped() {
    let (rig, daemon) = started().await;
    let evil = "<script>alert(1)</script>";
    assert_eq!(add(&rig, "alice@example.org", "viewer").await.code, 0);
    let mut browser = Browser::with_address(rig.port);
    browser.signs_in("alice@example.org", PASSWORD).await;
    let page = browser.post("/new", &[("image", evil), ("name", "\"><b>"), ("environment", evil)]).await;
    assert!(!page.body.contains("<script>alert") && !page.body.contains("\"><b>"), "{}", page.body);
    page.shows("&#60;script&#62;alert(1)");
    for path in ["/?q=%3Cscript%3Ealert(1)%3C/script%3E", "/services/%3Cscript%3Ealert(1)", "/login?back=%22%3E%3Cb%3E"]
    {
        let page = browser.get(path).await;
        assert!(!page.body.contains("<script>alert") && !page.body.contains("\"><b>"), "{path}: {}", page.body);
    }
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn users_and_tokens_are_kept_on_the_pages() {
    let (rig, daemon) = started().await;
    for (email, role) in [("alice@example.org", "admin"), ("bob@example.org", "operator")] {
        assert_eq!(add(&rig, email, role).await.code, 0);
    }
    let (mut alice, mut bob) = (Browser::with_address(rig.port), Browser::with_address(rig.port));
    alice.signs_in("alice@example.org", PASSWORD).await;
    bob.signs_in("bob@example.org", PASSWORD).await;
    // A new user, whose role then changes, and who is removed.
    let carol = [("email", "carol@example.org"), ("name", "Carol"), ("role", "viewer"), ("password", PASSWORD)];
    assert_eq!(alice.send("/", "/settings/users", &carol).await.status, 303);
    alice.get("/settings/users").await.shows("carol@example.org");
    let again = alice.send("/", "/settings/users", &carol).await;
    assert_eq!(again.status, 422);
    again.shows("there is a user carol@example.org already");
    again.shows("value=\"Carol\"");
    let path = "/settings/users/carol@example.org/role";
    assert_eq!(alice.send("/", path, &[("role", "editor")]).await.status, 303);
    let other = "another password";
    let path = "/settings/users/carol@example.org/password";
    assert_eq!(alice.send("/", path, &[("password", other)]).await.status, 303);
    let mut carol = Browser::with_address(rig.port);
    assert_eq!(carol.signs_in("carol@example.org", PASSWORD).await.status, 422);
    assert_eq!(carol.signs_in("carol@example.org", other).await.status, 303);
    assert_eq!(alice.send("/", "/settings/users/carol@example.org/remove", &[]).await.status, 303);
    carol.get("/").await.shows("Sign in");
    let last = alice.send("/", "/settings/users/alice@example.org/remove", &[]).await;
    assert_eq!(last.status, 422);
    last.shows("last one with the role admin");
    // A token of one's own, which may no more than its owner, and is shown once.
    let form = [("name", "bobs"), ("role", "admin"), ("services", "web, shop"), ("expires", "7d")];
    let made = bob.send("/", "/settings/tokens", &form).await;
    assert_eq!((made.status, made.headers["cache-control"].as_str()), (200, "no-store"));
    let token = made.body.split("id=\"made\" tabindex=\"0\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(token.starts_with("amarre_"), "{token}");
    let page = bob.get("/settings/tokens").await;
    page.shows("bobs");
    assert!(!page.body.contains(&token), "it is shown once");
    let mut program = Browser::with_address(rig.port).with_token(&token);
    assert_eq!(program.get("/api/v1/services/web").await.status, 200);
    assert_eq!(program.get("/api/v1/services").await.status, 403);
    assert_eq!(program.json("POST", "/api/v1/services/web/suspend", Some("{}")).await.status, 200);
    let listed = rig.run(&["token", "list", "-o", "json"]).await.out;
    assert!(listed.contains("\"role\": \"operator\"") && listed.contains("bob@example.org"), "{listed}");
    // Others' are not seen, and not taken away; an admin sees them all.
    let form = [("name", "alices"), ("role", "viewer"), ("expires", "never")];
    assert_eq!(alice.send("/", "/settings/tokens", &form).await.status, 200);
    assert!(!bob.get("/settings/tokens").await.body.contains("alices"));
    assert_eq!(bob.send("/", "/settings/tokens/alices/remove", &[]).await.status, 404);
    alice.get("/settings/tokens").await.shows("bobs");
    assert_eq!(alice.send("/", "/settings/tokens/bobs/remove", &[]).await.status, 303);
    assert_eq!(program.get("/api/v1/services/web").await.status, 401);
    let audit = alice.get("/settings/audit").await;
    for action in ["add_user", "change_role", "change_password", "remove_user", "add_token", "remove_token"] {
        audit.shows(action);
    }
    // What is not of Amarre, and to whom it speaks.
    alice.get("/unmanaged").await.shows("stranger");
    let providers = alice.get("/settings/providers").await;
    for text in ["docker", "npm", "ovh", "203.0.113.10"] {
        providers.shows(text);
    }
    assert_eq!(alice.send("/", "/settings/providers", &[]).await.status, 303);
    // Choices.
    assert_eq!(alice.get("/theme/dark?back=/keys").await.location(), "/keys");
    alice.get("/keys/off?back=/").await;
    let page = alice.get("/keys").await;
    page.shows("data-theme=\"dark\"");
    page.shows("data-keys=\"off\"");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_template_becomes_a_service_with_its_secrets() {
    let (rig, daemon) = started().await;
    assert_eq!(add(&rig, "alice@example.org", "editor").await.code, 0);
    std::fs::create_dir_all(rig.path().join("templates")).unwrap();
    rig.file(
        "templates/page.yaml",
        "title: Page\nabout: a page with a secret\nnotes: Open {{scheme}}://{{address}}.\nsecrets: [key]\n\
         parameters: {tag: {about: which version, default: '1', is: word}}\nmanifest: |\n  name: {{name}}\n  \
         image: web:{{tag}}\n  environment: {KEY: {secret: {{name}}/key}}\n  routes: [{domain: {{address}}, \
         to: '{{name}}:80', tls: {{tls}}}]\n",
    );
    let mut alice = Browser::with_address(rig.port);
    alice.signs_in("alice@example.org", PASSWORD).await;
    let list = alice.get("/new/templates").await;
    for text in ["Gitea", "Nextcloud", "Page"] {
        list.shows(text);
    }
    assert_eq!(alice.get("/new/templates/nothing").await.status, 404);
    // It is shown before anything is typed.
    alice.get("/new/templates/page").await.shows("services/page.yaml");
    let path = "/new/templates/page";
    let fill = [("name", "front"), ("set-tls", "none"), ("do", "check")];
    let page = alice.send("/", path, &fill).await;
    assert_eq!(page.status, 200);
    for text in ["secret: front/key", "front/key", "front.example.org", "container"] {
        page.shows(text);
    }
    assert!(!page.body.contains("A0207"), "a secret that is made with it is no fault: {}", page.body);
    assert!(!rig.path().join("secrets/services/front/key").exists(), "to check makes nothing");
    for (field, value, says) in
        [("set-tag", "no space", "A1009"), ("name", "web", "of this name"), ("name", "No/Name", "A1009")]
    {
        let mut fill = vec![("name", "front"), ("do", "commit")];
        fill.retain(|(known, _)| *known != field);
        fill.push((field, value));
        let page = alice.send("/", path, &fill).await;
        assert_eq!(page.status, 422, "{field}");
        page.shows(says);
    }
    let fill = [("name", "front"), ("set-tls", "none"), ("do", "commit")];
    let page = alice.send("/", path, &fill).await;
    assert_eq!((page.status, page.location()), (303, "/services/front"), "{}", page.body);
    let secret = std::fs::read_to_string(rig.path().join("secrets/services/front/key")).unwrap();
    assert_eq!(secret.len(), 48);
    alice.get("/services/front").await.shows("http://front");
    eventually(60, "it is in sync", async || rig.json("/api/v1/services/front").await["sync"] == "Synced").await;
    assert!(std::fs::read_to_string(rig.path().join("services/front.yaml")).unwrap().contains("front/key"));
    assert_eq!(end(daemon).await, 0);
}

/// Names that a person gave in NPM: for a terminal, and for the eye.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_others_turn_nothing_around_in_a_page() {
    let rig = Rig::start().await;
    rig.npm.seed_certificate("left \u{1b}[2J\u{202e}right<b>\u{2066}", &["a\u{202e}b.example.org"]);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    for path in ["/certificates", "/", "/network"] {
        let (status, page) = rig.get(path).await.unwrap();
        assert_eq!(status, 200, "{path}");
        let body = &page[page.find("<!").unwrap_or_default()..];
        let obeyed: Vec<char> =
            body.chars().filter(|letter| !"\n\t".contains(*letter) && words::is_obeyed(*letter)).collect();
        assert!(obeyed.is_empty() && !body.contains("right<b>"), "{path}: {obeyed:?}");
    }
    assert!(rig.get("/certificates").await.unwrap().1.contains("left right"));
    assert_eq!(end(daemon).await, 0);
}
