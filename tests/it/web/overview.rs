//! The overview: who can reach what, what is searched, what stands beside the services.

use serde_json::json;

use super::*;

const VAULT: &str = "name: vault\nimage: db:1\nroutes: [{domain: vault, to: '80', access_list: family}]\n---\n\
    kind: AccessList\nname: family\nallow: [192.0.2.0/24]\n";

async fn row_of(browser: &mut Browser, name: &str) -> String {
    let body = browser.get("/").await.body;
    let begin = format!("<a href=\"/services/{name}\">{name}</a><span class=\"sr\">");
    let at = body.find(&begin).unwrap_or_else(|| panic!("no row of {name} in {body}"));
    body[at..].split("</tr>").next().unwrap().to_owned()
}

async fn names(rig: &Rig, query: &str) -> Vec<String> {
    let found = rig.json(&format!("/api/v1/services?q={query}")).await;
    let rows = found["services"].as_array().unwrap_or_else(|| panic!("{found}"));
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_service_that_lost_its_access_list_is_marked_and_needs_a_person() {
    let (rig, daemon) = started().await;
    rig.file("services/vault.yaml", VAULT);
    let is_well = async |name: &str| rig.json(&format!("/api/v1/services/{name}")).await["health"] == "Healthy";
    eventually(60, "both are there", async || is_well("vault").await && is_well("web").await).await;
    assert_eq!(add(&rig, "alice@example.org", "operator").await.code, 0);
    let mut alice = Browser::with_address(rig.port);
    alice.signs_in("alice@example.org", PASSWORD).await;
    assert!(row_of(&mut alice, "vault").await.contains("list family"));
    assert!(row_of(&mut alice, "web").await.contains("everyone"));
    // A list of its own has no health: it is named below, and not counted.
    alice.get("/").await.shows("Access lists: <a href=\"/services/family\">family</a>");
    let list = alice.get("/services/family").await;
    assert!(!list.body.contains("/services/family/logs") && !list.body.contains("/services/family/rollback"));
    assert!(alice.get("/services/vault").await.body.contains("/services/vault/logs"));
    alice.get("/").await.shows("<small>of 2</small>");
    assert_eq!(alice.send("/", "/services/vault/suspend", &[("why", "to look")]).await.status, 303);
    let rows = rig.npm.rows(amarre_sim::npm::Kind::ProxyHost);
    let host = rows.iter().find(|row| row["domain_names"][0] == "vault.example.org").unwrap()["id"].as_u64().unwrap();
    rig.npm.edit_proxy_host(host, &json!({"access_list_id": 0}));
    eventually(60, "that is seen", async || {
        let _looked = alice.clone().send("/", "/apply", &[]).await;
        rig.json("/api/v1/services/vault").await["attention"] == true
    })
    .await;
    assert!(row_of(&mut alice, "vault").await.contains("open, expected: family"));
    alice.get("/").await.shows("the proxy has lost access list family");
    assert_eq!(names(&rig, "access:none").await, ["vault", "web"]);
    // The list is there again; then lines for which NPM leaves its own block out, and the list with it.
    let list = rows.iter().find(|row| row["id"] == host).unwrap()["access_list_id"].clone();
    let lines = json!({"advanced_config": "# before; location / {}"});
    for (change, shown) in [(json!({"access_list_id": list}), "list family"), (lines, "open, expected: family")] {
        rig.npm.edit_proxy_host(host, &change);
        eventually(60, shown, async || {
            let _looked = alice.clone().send("/", "/apply", &[]).await;
            row_of(&mut alice.clone(), "vault").await.contains(shown)
        })
        .await;
    }
    assert_eq!(alice.send("/", "/services/vault/resume", &[]).await.status, 303);
    eventually(60, "it is put back", async || row_of(&mut alice.clone(), "vault").await.contains("list family")).await;
    assert_eq!(names(&rig, "access:none").await, ["web"]);
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn services_are_found_by_what_they_are() {
    let (rig, daemon) = started().await;
    rig.file("services/vault.yaml", VAULT);
    let service = async |name: &str| rig.json(&format!("/api/v1/services/{name}")).await;
    eventually(60, "both are there", async || {
        service("vault").await["health"] == "Healthy" && service("web").await["health"] == "Healthy"
    })
    .await;
    let containers = rig.docker.containers();
    let vault = containers.iter().find(|row| row["Name"] == "/vault").unwrap();
    let mut networks = vault["NetworkSettings"]["Networks"].as_object().unwrap().values();
    let address = networks.find_map(|one| one["IPAddress"].as_str()).unwrap();
    for (query, found) in [
        ("vault", &["vault"][..]),
        ("image:db", &["vault"]),
        ("image:web:1", &["web"]),
        ("access:family", &["vault"]),
        ("access:none", &["web"]),
        ("access:none%20vault", &[]),
        ("host:default", &["vault", "web"]),
        ("kind:app", &[]),
        (address, &["vault"]),
        ("203.0.113.10", &["vault", "web"]),
        ("198.51.100", &[]),
    ] {
        let mut names = names(&rig, query).await;
        names.retain(|name| name != "family");
        assert_eq!(names, found, "{query}");
    }
    let page = Browser::with_address(rig.port).get("/?q=vaul&group=host&sort=name").await;
    page.shows("<a href=\"/services/vault\">");
    page.shows("default · 1");
    let page = Browser::with_address(rig.port).get("/?q=vualt").await;
    page.shows("No service matches “vualt”.");
    page.shows("Did you mean vault?");
    assert_eq!(end(daemon).await, 0);
}

/// The services behind it are not counted as well.
#[tokio::test]
async fn an_outage_is_one_thing_that_needs_a_person() {
    let (rig, daemon) = started().await;
    eventually(60, "it works", async || rig.json("/api/v1/services/web").await["health"] == "Healthy").await;
    rig.docker.down(true);
    eventually(60, "the outage is seen", async || {
        rig.json("/health").await["gaps"] == 1 && rig.json("/api/v1/services/web").await["sync"] == "Unknown"
    })
    .await;
    assert_eq!(rig.json("/health").await["attention"], 1);
    for args in [&["status"][..], &["status", "--only", "attention"]] {
        let said = rig.run(args).await.out;
        assert!(said.contains("\nWhat stands above needs you.\n"), "{args:?}: {said}");
    }
    let mut browser = Browser::with_address(rig.port);
    browser.get("/").await.shows("Needs you <span class=\"tag bad\">1</span>");
    let listed = browser.get("/?only=attention").await.body;
    assert!(!listed.contains("<a href=\"/services/web\">"), "{listed}");
    assert!(listed.contains("aria-current=\"true\">Needs you <b>1</b>"), "{listed}");
    assert!(listed.contains("What needs you is listed above; no service needs you by itself."), "{listed}");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn the_page_of_a_code_says_what_has_it_now() {
    let (rig, daemon) = started().await;
    rig.file("services/broken.yaml", "name: broken\nimage: web:1\nport: eighty\n");
    let code = async || rig.json("/api/v1/services/broken").await["error"]["code"].as_str().map(str::to_owned);
    eventually(60, "the manifest is refused", async || code().await.is_some()).await;
    let code = code().await.unwrap();
    let mut browser = Browser::with_address(rig.port);
    // It never ran: nothing stopped working.
    browser.get("/").await.shows("1 manifest not readable");
    let page = browser.get(&format!("/errors/{code}")).await;
    page.shows("In your case");
    page.shows("<a href=\"/services/broken\">broken</a>");
    page.shows("href=\"/services/broken/edit\"");
    let other = browser.get("/errors/A0405").await.body;
    assert!(!other.contains("In your case"), "{other}");
    assert_eq!(end(daemon).await, 0);

    // Beyond this machine what it means is public; what has it needs an account.
    assert_eq!(add(&rig, "alice@example.org", "admin").await.code, 0);
    let mut config = rig.config();
    let listen = format!("127.0.0.1:{}", rig.port);
    config["server"] = json!({"listen": listen, "url": "https://amarre.example.org"});
    rig.file("amarre.yaml", &format!("{config:#}"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    eventually(60, "it is known", async || rig.run(&["status", "broken"]).await.out.contains(&code)).await;
    let page = browser.get(&format!("/errors/{code}")).await;
    page.shows(&code);
    assert!(!page.body.contains("In your case") && !page.body.contains("broken.yaml"), "{}", page.body);
    assert_eq!(end(daemon).await, 0);
}

async fn signed_in(rig: &Rig) -> Browser {
    assert_eq!(add(rig, "alice@example.org", "admin").await.code, 0);
    let mut alice = Browser::with_address(rig.port);
    alice.signs_in("alice@example.org", PASSWORD).await;
    alice
}

#[tokio::test]
async fn a_heal_beside_a_refused_service_is_shown_as_it_is() {
    let (rig, daemon) = started().await;
    // Its name is another's at the proxy.
    rig.file("services/claim.yaml", "name: claim\nimage: web:1\nroutes: [{domain: foreign, to: '80'}]\n");
    let service = async |name: &str| rig.json(&format!("/api/v1/services/{name}")).await;
    eventually(60, "one works, the other is refused", async || {
        service("web").await["health"] == "Healthy" && service("claim").await["error"]["code"] == "A0405"
    })
    .await;
    let alice = signed_in(&rig).await;
    eventually(60, "nothing goes on at the refused one", async || {
        let page = alice.clone().get("/services/claim").await.body;
        page.contains("A0405") && !page.contains("deploy-title")
    })
    .await;
    rig.docker.remove("web").unwrap();
    eventually(60, "the other one is put back", async || {
        alice.clone().get("/services/web").await.body.contains("Restored in less than 1")
    })
    .await;
    // The run ends a moment after its change.
    eventually(60, "its run is applied", async || {
        let page = alice.clone().get("/runs").await.body;
        // The drawing above the table leads to runs, too.
        let last = page.split("<tr>").skip(1).find(|row| row.contains("href=\"/runs/")).unwrap();
        last.contains("applied") && last.contains("missing") && page.contains("Failed <b>0</b>")
    })
    .await;
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn what_is_only_reported_offers_no_restore() {
    let (rig, daemon) = started().await;
    let is_well = async || rig.json("/api/v1/services/web").await["health"] == "Healthy";
    eventually(60, "it is there", is_well).await;
    let mut alice = signed_in(&rig).await;
    rig.file("services/web.yaml", &format!("{WEB}reconcile: {{mode: report}}\n"));
    let host = rig.npm.rows(amarre_sim::npm::Kind::ProxyHost);
    let host = host.iter().find(|row| row["domain_names"][0] == "web.example.org").unwrap()["id"].as_u64().unwrap();
    eventually(60, "its drift is reported", async || {
        rig.npm.edit_proxy_host(host, &json!({"block_exploits": false}));
        let _looked = alice.clone().send("/", "/apply", &[]).await;
        rig.json("/api/v1/services/web").await["error"]["code"] == "A0417"
            || alice.clone().get("/services/web").await.body.contains("A0417")
    })
    .await;
    let page = alice.get("/services/web").await;
    assert!(!page.body.contains(">Restore<") && !page.body.contains("/services/web/retry"), "{}", page.body);
    page.shows("<a class=\"btn s\" href=\"/services/web/edit\">Edit</a>");
    let retried = rig.run(&["retry", "web"]).await;
    assert!(retried.code == 1 && retried.out.contains("A0417"), "{retried:?}");
    assert_eq!(alice.send("/services/web", "/services/web/reconcile", &[]).await.status, 303);
    alice.get("/services/web").await.shows("web is only reported");
    let said = rig.run(&["reconcile", "web"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("A0417") && all.contains("mode: report"), "{all}");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn what_the_guard_holds_is_named_and_confirmed_on_a_page() {
    let (rig, daemon) = started().await;
    rig.file("services/two.yaml", "name: two\nimage: web:1\n");
    let is_well = async |name: &str| rig.json(&format!("/api/v1/services/{name}")).await["health"] == "Healthy";
    eventually(60, "both are there", async || is_well("web").await && is_well("two").await).await;
    let mut alice = signed_in(&rig).await;
    assert_eq!(alice.get("/apply/deletes").await.status, 404);
    for name in ["web", "two"] {
        std::fs::remove_file(rig.path().join(format!("services/{name}.yaml"))).unwrap();
    }
    eventually(60, "the guard holds it", async || alice.clone().get("/").await.body.contains("What goes: two, web"))
        .await;
    let held = alice.get("/").await;
    held.shows("class=\"btn s danger\" href=\"/apply/deletes\"");
    assert_eq!(held.body.matches("/apply/deletes").count(), 1, "the guard is one thing: {}", held.body);
    held.shows("Needs you <span class=\"tag bad\">1</span>");
    // They go on, and who can reach them is known.
    held.shows("<span class=\"v\">2 <small>of 2</small></span>");
    held.shows("2 held by the guard");
    held.shows("<span class=\"v\">1 <small>of 1</small></span>");
    assert_eq!(rig.json("/health").await["attention"], 1);
    assert_eq!(rig.run(&["status", "--exit-code"]).await.code, 2);
    let page = alice.get("/apply/deletes").await;
    page.shows("<b>two</b>");
    page.shows("<b>web.example.org</b>");
    assert_eq!(rig.docker.containers().iter().filter(|row| row["Name"] == "/two").count(), 1, "a page deletes nothing");
    assert_eq!(alice.send("/apply/deletes", "/apply", &[("confirm_deletes", "2")]).await.status, 303);
    eventually(60, "they are gone", async || {
        rig.docker.containers().iter().all(|row| row["Name"] != "/two" && row["Name"] != "/web")
    })
    .await;
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn a_heading_counts_the_services_of_all_pages() {
    let rig = Rig::start().await;
    for at in 0..55 {
        rig.file(&format!("services/b{at}.yaml"), &format!("name: b{at}\nimage: web:1\nport: eighty\n"));
    }
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut browser = Browser::with_address(rig.port);
    eventually(60, "all are known", async || browser.clone().get("/").await.body.contains("1 to 50 of 55")).await;
    browser.get("/").await.shows("· 55</th>");
    browser.get("/?page=2").await.shows("· 55</th>");
    assert_eq!(end(daemon).await, 0);
}

/// The number behind a label on a page: of a chip, or of a tile.
fn number(body: &str, begin: &str, end: &str) -> u64 {
    let at = body.find(begin).unwrap_or_else(|| panic!("no {begin} in {body}")) + begin.len();
    let text = &body[at..];
    text[..text.find(end).unwrap()].trim().parse().unwrap_or_else(|_| panic!("{begin}: {}", &text[..40]))
}

/// Pages, command line and API count the same things: problems beside the services, services, servers, redirections.
#[tokio::test]
async fn pages_commands_and_api_count_the_same() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    config["clouds"] = json!({"paris": {"simulated": true}});
    config["policy"] = json!({"instances": ["*"]});
    rig.file("amarre.yaml", &format!("{config:#}"));
    rig.file("services/web.yaml", WEB);
    rig.file("services/vault.yaml", VAULT);
    rig.file("services/sick.yaml", "name: sick\nimage: registry.example.net/that:is-nowhere\n");
    rig.file("services/claim.yaml", "name: claim\nimage: web:1\nroutes: [{domain: foreign, to: '80'}]\n");
    rig.file("services/old.yaml", "kind: Redirect\nname: old\ndomain: old\nto: https://new.example.org\n");
    rig.file("services/torn.yaml", "name: [torn\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let service = async |name: &str| rig.json(&format!("/api/v1/services/{name}")).await;
    eventually(90, "all is there, or refused", async || {
        service("web").await["health"] == "Healthy"
            && service("vault").await["health"] == "Healthy"
            && service("sick").await["attention"] == true
            && service("claim").await["error"]["code"] == "A0405"
            && service("old").await["sync"] == "Synced"
    })
    .await;
    let document = rig.json("/api/v1/status").await;
    let summary = |key: &str| document["summary"][key].as_u64().unwrap();
    let listed = document["needs_you"].as_array().unwrap();
    let kinds: Vec<&str> = listed.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(listed.len() as u64, summary("attention"), "{document:#}");
    assert!(kinds.contains(&"site") && kinds.contains(&"service"), "{listed:?}");
    // The simulated cloud has a server that is in trouble, and no manifest.
    assert!(kinds.contains(&"instance"), "{listed:?}");
    assert_eq!(rig.json("/health").await["attention"], summary("attention"));

    let text = rig.run(&["status"]).await.out;
    let need = text.lines().last().unwrap();
    assert!(need.starts_with(&format!("{} need you: what stands above, ", summary("attention"))), "{text}");
    assert_eq!(rig.run(&["status", "--exit-code"]).await.code, 2);
    let mut alice = signed_in(&rig).await;
    let page = alice.get("/").await.body;
    assert_eq!(number(&page, "Needs you <span class=\"tag bad\">", "<"), summary("attention"));
    for (only, key, label) in [("open", "open", "Open to everyone"), ("no-tls", "no_tls", "No TLS")] {
        let count = summary(key);
        let listed = rig.run(&["status", "--only", only, "-o", "json"]).await;
        let listed: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
        assert_eq!(listed["services"].as_array().unwrap().len() as u64, count, "{only}: {listed:#}");
        let text = rig.run(&["status", "--only", only]).await.out;
        assert!(text.lines().last().unwrap().starts_with(&format!("{count} service")), "{only}: {text}");
        assert_eq!(
            rig.json(&format!("/api/v1/services?only={only}")).await["services"].as_array().unwrap().len() as u64,
            count
        );
        assert_eq!(number(&page, &format!("{label} <b>"), "<"), count, "{only}: {page}");
        let rows = alice.get(&format!("/?only={only}")).await.body;
        assert_eq!(rows.matches("</a><span class=\"sr\">, ").count() as u64, count, "{only}: {rows}");
    }
    let certificates = alice.get("/certificates").await.body;
    if certificates.contains("href=\"/?only=no-tls\"") {
        let tile = certificates.split("href=\"/?only=no-tls\"").nth(1).unwrap();
        assert_eq!(number(tile, "<span class=\"v\">", "<"), summary("no_tls"));
    }
    // A redirection without TLS is one, and stands beside the list only while nothing is asked.
    let plain = rig.json("/api/v1/services?only=no-tls").await;
    assert!(plain["services"].as_array().unwrap().iter().any(|row| row["name"] == "old"), "{plain:#}");
    assert_eq!(end(daemon).await, 0);
}
