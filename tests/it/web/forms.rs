//! What forms say before anything is written: at the field, beside the form, and where nothing can be written at all.

use serde_json::json;

use super::browser::{Browser, Page};
use super::{PASSWORD, add, started};
use crate::cli::rig::{Rig, end};
use crate::support::eventually;

async fn signed_in(rig: &Rig, role: &str) -> Browser {
    let email = format!("{role}@example.org");
    assert_eq!(add(rig, &email, role).await.code, 0);
    let mut browser = Browser::with_address(rig.port);
    let page = browser.signs_in(&email, PASSWORD).await;
    assert_eq!(page.status, 303, "{page:?} {}", rig.log());
    browser
}

/// The element with an id, up to the end of its parent: enough of a field to check.
fn part<'a>(page: &'a Page, id: &str) -> &'a str {
    let at = page.body.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no #{id} in\n{}", page.body));
    let begin = page.body[..at].rfind('<').unwrap();
    &page.body[begin..page.body[at..].find("</p>").map_or(page.body.len(), |end| at + end)]
}

#[tokio::test]
async fn a_hint_on_a_page_keeps_its_command() {
    let (rig, daemon) = started().await;
    let mut alice = signed_in(&rig, "operator").await;
    assert_eq!(alice.send("/", "/services/web/suspend", &[("why", "a test")]).await.status, 303);
    let page = alice.get("/services/web").await;
    page.shows("to take it up again <span class=\"cmd\"><code>amarre resume web</code>");
    page.shows("aria-label=\"Copy: amarre resume web\"");
    // The list says once that it is suspended.
    let list = alice.get("/").await;
    list.shows(": a test");
    assert!(!list.body.contains("suspended by "), "{}", list.body);
    // And is a button.
    page.shows("<form method=\"post\" action=\"/services/web/resume\">");
    // What was refused once says the way past it too.
    assert_eq!(alice.send("/", "/services/nothing/retry", &[]).await.status, 303);
    let page = alice.get("/").await;
    page.shows("class=\"flash bad\"");
    page.shows("amarre status --all lists them");
    page.shows("href=\"/errors/A1002\"");
    assert_eq!(end(daemon).await, 0);
}

/// What a script goes on with: spans and sentences from the instant that they count from or to.
#[tokio::test]
async fn times_on_an_open_page_go_on() {
    let (rig, daemon) = started().await;
    eventually(60, "it is there", async || rig.json("/api/v1/services/web").await["health"] == "Healthy").await;
    let mut alice = signed_in(&rig, "operator").await;
    let page = alice.get("/").await;
    for text in ["<meta name=\"now\" content=\"1", "<span data-since=\"1", "data-text=\"checked {} ago\""] {
        page.shows(text);
    }
    assert!(!alice.get("/").await.body.contains("data-until"));
    rig.docker.stop("web").unwrap();
    eventually(60, "it waits", async || {
        alice.clone().get("/").await.body.contains("data-text=\"stopped outside Amarre; started again in {}\"")
    })
    .await;
    alice.get("/services/web").await.shows("data-until=\"1");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn an_error_code_leads_to_a_page() {
    let (rig, daemon) = started().await;
    let mut browser = Browser::with_address(rig.port);
    let page = browser.get("/errors/A0405").await;
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    for text in
        ["class=\"brand\"", "<h1", "<h2>What happened</h2>", "<ol>\n<li>", "<code>amarre adopt", "<pre class=\"code\""]
    {
        page.shows(text);
    }
    for text in ["```", "## ", "\n1. "] {
        assert!(!page.body.contains(text), "`{text}` in\n{}", page.body);
    }
    browser.get("/errors").await.shows("href=\"/errors/A0101\"");
    // Programs, and requests for the Markdown, get what was written.
    let raw = browser.get("/errors/A0405.md").await;
    assert_eq!((raw.status, raw.headers["content-type"].as_str()), (200, "text/markdown; charset=utf-8"));
    raw.shows("\n## What happened\n");
    let mut program = Browser::with_address(rig.port);
    program.headers.retain(|(name, _)| name != "Accept");
    assert!(program.get("/errors/A0405").await.body.starts_with("# A0405: "));
    let unknown = program.get("/errors/A9999").await;
    assert_eq!((unknown.status, unknown.headers["content-type"].as_str()), (404, "application/problem+json"));
    // What is not there, or cannot be asked for like that, is a page with a way back.
    for (path, status) in [("/errors/A9999", 404), ("/nothing", 404), ("/apply", 405)] {
        let page = browser.get(path).await;
        assert_eq!(
            (page.status, page.headers["content-type"].as_str()),
            (status, "text/html; charset=utf-8"),
            "{path}"
        );
        page.shows("class=\"brand\"");
        page.shows("<a class=\"btn\" href=\"/\">");
    }
    browser.get("/errors/A9999").await.shows("There is no error code A9999.");
    let page = browser.ask("POST", "/new", Some(("text/plain", "image"))).await;
    assert_eq!((page.status, page.headers["content-type"].as_str()), (415, "text/html; charset=utf-8"));
    page.shows("class=\"brand\"");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn the_plan_on_a_page_shows_the_downtime_and_its_waits() {
    let (rig, daemon) = started().await;
    rig.file("services/data.yaml", "name: data\nimage: web:1\nport: 80\nvolumes: [data:/data]\n");
    eventually(60, "it is there", async || {
        let row = rig.json("/api/v1/services/data").await;
        row["sync"] == "Synced" && row["health"] == "Healthy"
    })
    .await;
    let mut alice = signed_in(&rig, "editor").await;
    let text = "name: data\nimage: web:2\nport: 80\nvolumes: [data:/data]\n";
    let page = alice.send("/", "/services/data/edit", &[("do", "check"), ("text", text)]).await;
    for text in
        ["the old one must stop first", "why the old one stops first: ", "GET / on 80, 3 of 5", "if it is not healthy"]
    {
        page.shows(text);
    }
    let page = alice.send("/", "/new", &[("do", "check"), ("image", "web:1"), ("name", "other"), ("port", "80")]).await;
    page.shows("GET / on 80, 3 of 5");
    page.shows("new in services/other.yaml");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_has_no_plan_beside_it() {
    let (rig, daemon) = started().await;
    // Its last good text has something to do, which is refused.
    let claim = "name: claim\nimage: web:1\nroutes: [{domain: foreign, to: '80'}]\n";
    rig.file("services/claim.yaml", claim);
    let mut alice = signed_in(&rig, "editor").await;
    eventually(60, "it is refused", async || rig.json("/api/v1/services/claim").await["error"]["code"] == "A0405")
        .await;
    alice.get("/services/claim/edit").await.shows("class=\"of\"");
    rig.file("services/claim.yaml", &format!("{claim}prot: 80\n"));
    eventually(60, "it is broken", async || rig.json("/api/v1/validate").await["broken"] == json!(["claim"])).await;
    let page = alice.get("/services/claim/edit").await;
    page.shows("4:1: ");
    assert!(!page.body.contains("class=\"of\"") && !page.body.contains("A0405"), "{}", page.body);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn errors_are_shown_at_their_field() {
    let (rig, daemon) = started().await;
    let mut alice = signed_in(&rig, "editor").await;
    let all = [("image", "web:1"), ("name", "shop"), ("port", "80"), ("volumes", "data:/data")];
    let cases = [
        ("name", "Bad_Name"),
        ("port", "eighty"),
        ("volumes", "data"),
        ("environment", "A=b\nBARE"),
        ("address", "foreign"),
        ("name", "web"),
    ];
    for (field, value) in cases {
        let mut fields: Vec<(&str, &str)> = all.into_iter().filter(|(known, _)| *known != field).collect();
        fields.extend([(field, value), ("do", "check")]);
        let page = alice.post("/new", &fields).await;
        assert!(part(&page, field).contains(" aria-invalid=\"true\""), "{field}={value}: {}", part(&page, field));
        assert!(part(&page, &format!("{field}-hint")).contains("hint bad"), "{field}={value}: {}", page.body);
        assert!(!part(&page, "image").contains("aria-invalid"), "{field}={value}");
        if field == "port" {
            page.shows("eighty is no port: a number from 1 to 65535");
        }
        if field == "environment" {
            page.shows("<code>BARE</code> has no <code>=</code>: write");
        }
        let settle = page.body.split("id=\"settle-title\"").nth(1).unwrap().split("</ul>").next().unwrap();
        let is_place = |word: &str| word.split(':').filter(|part| part.parse::<usize>().is_ok()).count() > 1;
        assert!(!settle.split(['>', ' ']).any(is_place), "{field}={value}: {settle}");
    }
    let page = alice.post("/new", &[&all[..], &[("do", "check")]].concat()).await;
    assert!(!page.body.contains("aria-invalid"), "{}", page.body);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_template_is_filled_checked_and_planned_with_its_defaults() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    // Who answers at the address of a documentation's network is not asked.
    config["certificates"] = json!({"port80": "assume"});
    rig.file("amarre.yaml", &format!("{config:#}"));
    rig.npm.seed_certificate("wild", &["*.example.net"]);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut alice = signed_in(&rig, "editor").await;
    let page = alice.get("/new/templates/whoami").await;
    assert!(part(&page, "name").contains("value=\"whoami\""), "{}", part(&page, "name"));
    assert!(!page.body.contains("placeholder="), "what stands in a field is its value: {}", page.body);
    for text in ["class=\"of\"", "whoami.example.org is free in NPM, OVH", "no problem", "certificates left this week"]
    {
        page.shows(text);
    }
    page.shows("<input type=\"radio\" name=\"set-tls\" value=\"letsencrypt\" checked>");
    page.shows("<input type=\"radio\" name=\"set-tls\" value=\"none\">");
    page.shows("<input type=\"radio\" name=\"set-tls\" value=\"wild\">wild");
    let fill = [("name", "whoami"), ("set-address", "a b"), ("set-tls", "none"), ("do", "check")];
    let page = alice.send("/", "/new/templates/whoami", &fill).await;
    assert!(part(&page, "set-address").contains("aria-invalid"), "{}", part(&page, "set-address"));
    // A name that is taken is not proposed.
    rig.file("services/whoami.yaml", "name: whoami\nimage: web:1\n");
    eventually(60, "another name is proposed", async || {
        alice.clone().get("/new/templates/whoami").await.body.contains("value=\"whoami-2\"")
    })
    .await;
    // Who is not signed in sees what would be written, and asks for nothing.
    let page = Browser::with_address(rig.port).get("/new/templates/gitea").await;
    page.shows("name: gitea");
    assert!(!page.body.contains("class=\"of\""));
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_write_is_confirmed_without_a_promise_of_its_outcome() {
    let (rig, daemon) = started().await;
    let mut alice = signed_in(&rig, "editor").await;
    let fields = [("do", "commit"), ("image", "nowhere:9"), ("name", "gone"), ("tls", "none")];
    assert_eq!(alice.send("/", "/new", &fields).await.status, 303);
    let page = alice.get("/services/gone").await;
    page.shows("services/gone.yaml is written.</p>");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn links_have_https_where_there_is_tls() {
    let (rig, daemon) = started().await;
    rig.file("services/safe.yaml", "name: safe\nimage: web:1\nport: 80\nssl: true\n");
    eventually(60, "it is there", async || rig.json("/api/v1/services/safe").await["name"] == "safe").await;
    let mut browser = Browser::with_address(rig.port);
    for path in ["/", "/services/safe", "/?q=safe"] {
        let page = browser.get(path).await;
        page.shows("href=\"https://safe.example.org\"");
        assert!(!page.body.contains("http://safe.example.org"), "{path}");
    }
    browser.get("/").await.shows("href=\"http://web.example.org\"");
    assert_eq!(end(daemon).await, 0);
}

/// sysfs takes no files, from root neither.
#[tokio::test]
async fn an_unwritable_source_is_reported_before_the_form_is_filled() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    config["source"] = json!({"folder": "/sys/class/mem"});
    rig.file("amarre.yaml", &format!("{config:#}"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut alice = signed_in(&rig, "editor").await;
    for path in ["/new", "/new/templates/gitea"] {
        let says_so = "/sys/class/mem cannot be written by Amarre";
        eventually(60, says_so, async || alice.get(path).await.body.contains(says_so)).await;
        let page = alice.get(path).await;
        page.shows("href=\"/errors/A0313\"");
        assert!(!page.body.contains("value=\"commit\""), "{path}: {}", page.body);
        page.shows("value=\"check\"");
    }
    let fields = [("do", "commit"), ("image", "web:1"), ("name", "web"), ("tls", "none")];
    let page = alice.send("/", "/new", &fields).await;
    assert_eq!(page.status, 422);
    page.shows("the change was not written");
    assert_eq!(end(daemon).await, 0);
    // One that can be is left without a trace, and says nothing.
    let (rig, daemon) = started().await;
    let mut alice = signed_in(&rig, "editor").await;
    let page = alice.get("/new").await;
    page.shows("value=\"commit\"");
    assert!(!page.body.contains("cannot be written"));
    assert_eq!(std::fs::read_dir(rig.path().join("services")).unwrap().count(), 1);
    assert_eq!(end(daemon).await, 0);
}

/// A secret that is typed in plain text is kept beside the configuration; the source gets its name.
#[tokio::test]
async fn a_typed_secret_never_reaches_the_source() {
    let (rig, daemon) = started().await;
    let mut edith = signed_in(&rig, "editor").await;
    let environment = "DB_PASSWORD=hunter2\nTZ=UTC";
    let fields = [("image", "web:1"), ("name", "notes"), ("environment", environment), ("do", "check")];
    let page = edith.send("/new", "/new", &fields).await;
    page.shows("DB_PASSWORD: {secret: notes/db_password}");
    assert!(part(&page, "environment-hint").contains("notes/db_password"), "{}", page.body);
    page.shows("name=\"plain\" value=\"yes\"");
    let kept = rig.path().join("secrets/services/notes/db_password");
    assert!(!kept.exists(), "a check keeps nothing");
    let fields = [("image", "web:1"), ("name", "notes"), ("environment", environment), ("do", "commit")];
    assert_eq!(edith.send("/new", "/new", &fields).await.status, 303);
    let manifest = || std::fs::read_to_string(rig.path().join("services/notes.yaml")).unwrap();
    assert!(manifest().contains("DB_PASSWORD: {secret: notes/db_password}") && !manifest().contains("hunter2"));
    assert_eq!(std::fs::read_to_string(&kept).unwrap().trim_end(), "hunter2");
    eventually(60, "it has its secret", async || rig.json("/api/v1/services/notes").await["health"] == "Healthy").await;

    // The same in the text of a manifest: it is asked about, kept on request, or written by a person's word.
    let path = "/services/notes/edit";
    let page = edith.get(path).await;
    let before = super::browser::hidden(&page.body, "before").unwrap();
    let text = format!("{}  API_TOKEN: s3cr3t-value\n", manifest());
    let with = |deed: &'static str, text: &str| {
        vec![("before", before.clone()), ("text", text.to_owned()), ("do", deed.to_owned())]
    };
    let send = async |browser: &mut Browser, fields: Vec<(&'static str, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.send(path, path, &fields).await
    };
    let refused = send(&mut edith, with("commit", &text)).await;
    assert_eq!(refused.status, 422);
    refused.shows("/errors/A0116");
    assert!(!manifest().contains("API_TOKEN"));
    let kept = send(&mut edith, with("keep", &text)).await;
    kept.shows("API_TOKEN: {secret: notes/api_token}");
    assert!(!kept.body.contains("s3cr3t-value") && !kept.body.contains("A0116"), "{}", kept.body);
    let named = text.replace("s3cr3t-value", "{secret: notes/api_token}");
    assert_eq!(send(&mut edith, with("commit", &named)).await.status, 303);
    let stored = std::fs::read_to_string(rig.path().join("secrets/services/notes/api_token")).unwrap();
    assert_eq!(stored.trim_end(), "s3cr3t-value");
    let page = edith.get(path).await;
    let before = super::browser::hidden(&page.body, "before").unwrap();
    let text = format!("{}  SOME_KEY: no-secret\n", manifest());
    let fields = [("before", before.as_str()), ("text", text.as_str()), ("do", "commit_plain")];
    assert_eq!(edith.send(path, path, &fields).await.status, 303);
    assert!(manifest().contains("SOME_KEY: no-secret"));
    // What stands in the source already is not asked about again.
    let page = edith.get(path).await;
    assert!(!page.body.contains("A0116"), "{}", page.body);
    let log = rig.log();
    assert!(!log.contains("hunter2") && !log.contains("s3cr3t-value"), "{log}");
    assert_eq!(end(daemon).await, 0);
}

/// What is to be done in the manifest of a service is a link to the page that edits it.
#[tokio::test]
async fn a_hint_that_names_the_manifest_leads_to_its_editor() {
    let (rig, daemon) = started().await;
    rig.file("services/claim.yaml", "name: claim\nimage: web:1\nroutes: [{domain: foreign, to: '80'}]\n");
    let mut edith = signed_in(&rig, "editor").await;
    eventually(60, "it is refused", async || rig.json("/api/v1/services/claim").await["error"]["code"] == "A0405")
        .await;
    let page = edith.get("/services/claim").await;
    page.shows("<a class=\"btn s\" href=\"/services/claim/edit\">");
    page.shows("write another <code>domain:</code> or alias in place of foreign.example.org");
    assert!(!page.body.contains("action=\"/services/claim/retry\""), "{}", page.body);
    assert_eq!(end(daemon).await, 0);
}
