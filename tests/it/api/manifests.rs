//! Manifests over HTTP: read, checked, written, removed; what is wrong with them, and with the set-up.

use serde_json::{Value as Json, json};

use super::{WEB, code, token};
use crate::cli::rig::{Rig, end};
use crate::support::eventually;
use crate::web::browser::{Browser, Page};
use crate::web::story::with_git;

const SHOP: &str = "name: shop\nimage: web:1\nport: 80\nupdate: {drain: 0s}\n";

fn address_of(name: &str) -> String {
    format!("/api/v1/services/{name}/manifest")
}

async fn put(who: &mut Browser, name: &str, body: &Json) -> Page {
    who.json("PUT", &address_of(name), Some(&body.to_string())).await
}

fn read(page: &Page) -> Json {
    assert_eq!(page.status, 200, "{page:?}");
    serde_json::from_str(&page.body).unwrap()
}

#[track_caller]
fn refused(page: &Page, status: u16, expected: &str, words: &str) {
    assert_eq!((page.status, code(page).as_str()), (status, expected), "{page:?}");
    assert!(page.body.contains(words), "{page:?}");
}

fn is_there(rig: &Rig, name: &str) -> bool {
    rig.path().join(format!("services/{name}.yaml")).exists()
}

async fn tag(who: &mut Browser, name: &str) -> String {
    read(&who.get(&address_of(name)).await)["tag"].as_str().unwrap().to_owned()
}

/// A dry run says what would be done, and does nothing.
async fn checks_the_shop(rig: &Rig, ci: &mut Browser) {
    let dry = read(&put(ci, "shop", &json!({"text": SHOP, "dry_run": true})).await);
    assert_eq!((dry["written"].as_bool(), dry["file"].as_str()), (Some(false), Some("services/shop.yaml")));
    assert_eq!(dry["plan"]["name"], "shop", "{dry:#}");
    assert!(!is_there(rig, "shop"));
    // What is not good is not written, and all of it is said.
    let wrong = put(ci, "shop", &json!({"text": "name: shop\nimage: web:1\nport: eighty\nvolumen: 1\n"})).await;
    refused(&wrong, 422, "A0106", "unknown key `volumen`");
    let other = put(ci, "shop", &json!({"text": SHOP.replace("shop", "web2")})).await;
    refused(&other, 422, "A0101", "is not one manifest, of shop");
    let both = put(ci, "shop", &json!({"text": format!("{SHOP}---\nname: more\nimage: web:1\n")})).await;
    refused(&both, 422, "A0101", "is not one manifest, of shop");
    let taken =
        put(ci, "shop", &json!({"text": SHOP.replace("port: 80", "routes: [{domain: foreign, to: 'shop:80'}]")})).await;
    refused(&taken, 422, "A0405", "foreign.example.org");
    assert!(!is_there(rig, "shop"));
}

/// Written, it converges.
async fn writes_the_shop(rig: &Rig, ci: &mut Browser) {
    let written = read(&put(ci, "shop", &json!({"text": SHOP})).await);
    assert_eq!(written["written"], true);
    assert_eq!(std::fs::read_to_string(rig.path().join("services/shop.yaml")).unwrap(), SHOP);
    eventually(60, "the shop is there", async || rig.json("/api/v1/services/shop").await["sync"] == "Synced").await;

    // Who did not read what is there does not write over it.
    refused(&put(ci, "shop", &json!({"text": SHOP})).await, 409, "A0312", "tag");
    let known = read(&ci.get(&address_of("shop")).await);
    assert_eq!(
        (known["text"].as_str(), known["alone"].as_bool(), &known["tag"]),
        (Some(SHOP), Some(true), &written["tag"])
    );
    let changed = json!({"text": SHOP.replace("web:1", "web:2"), "tag": known["tag"]});
    assert_eq!(put(ci, "shop", &changed).await.status, 200);
    refused(&put(ci, "shop", &changed).await, 409, "A0312", "tag");
    eventually(60, "the other image runs", async || {
        let row = rig.json("/api/v1/services/shop").await;
        row["sync"] == "Synced" && row["health"] == "Healthy"
    })
    .await;
}

/// Removed, it goes with all that it made.
async fn removes_the_shop(rig: &Rig, ci: &mut Browser) {
    refused(&ci.json("DELETE", &format!("{}?tag=0", address_of("shop")), None).await, 409, "A0312", "tag");
    refused(&ci.json("DELETE", &address_of("shop"), None).await, 409, "A0312", "tag");
    let one = format!("{}?tag={}", address_of("one"), tag(ci, "one").await);
    refused(&ci.json("DELETE", &one, None).await, 409, "A0313", "other manifests");
    refused(&ci.json("DELETE", &address_of("nothing"), None).await, 404, "A1002", "nothing");
    let shop = format!("{}?tag={}", address_of("shop"), tag(ci, "shop").await);
    assert_eq!(ci.json("DELETE", &shop, None).await.status, 204);
    assert!(!is_there(rig, "shop"));
    eventually(60, "the shop is gone", async || rig.json("/api/v1/services/shop").await["code"] == "A1002").await;
}

/// A token for some services reads and writes these alone.
async fn keeps_to_its_services(rig: &Rig, ci: &mut Browser) {
    let mut narrow = token(rig, "narrow", &["--role", "editor", "--service", "one", "--service", "web"]).await;
    assert_eq!(narrow.get(&address_of("web")).await.status, 200);
    refused(&narrow.get(&address_of("one")).await, 403, "A1011", "other manifests");
    refused(&put(&mut narrow, "shop", &json!({"text": SHOP})).await, 403, "A1011", "");

    // Not a manifest of another name in a file of that name, and no manifest that the request does not name.
    rig.file("services/mine.yaml", "name: theirs\nimage: web:1\n");
    rig.file("services/early.yaml", "name: early\nimage: web:1\nport: eighty\n");
    eventually(60, "both are read", async || {
        let broken = read(&Browser::with_address(rig.port).get("/api/v1/validate").await)["broken"].to_string();
        broken.contains("early") && rig.json("/api/v1/services/theirs").await["name"] == "theirs"
    })
    .await;
    let mut other = token(rig, "other", &["--role", "editor", "--service", "mine", "--service", "early"]).await;
    refused(&other.get(&address_of("mine")).await, 403, "A1011", "other manifests");
    refused(&put(&mut other, "mine", &json!({"text": "name: mine\nimage: web:1\n"})).await, 403, "A1011", "");
    let theirs = format!("{}?tag={}", address_of("mine"), tag(ci, "theirs").await);
    refused(&other.json("DELETE", &theirs, None).await, 403, "A1011", "");
    refused(&ci.json("DELETE", &theirs, None).await, 409, "A0313", "other manifests");
    let two = json!({"text": "name: one\nimage: web:2\n", "tag": tag(ci, "one").await});
    refused(&put(ci, "one", &two).await, 409, "A0313", "other manifests");
    // One that was never good is read and repaired by accounts that may.
    let tag_of = read(&other.get(&address_of("early")).await)["tag"].clone();
    let good = json!({"text": "name: early\nimage: web:1\n", "tag": tag_of});
    assert_eq!(put(&mut other, "early", &good).await.status, 200);
}

/// A broken manifest is reported, and can be repaired in the same way.
async fn repairs_a_broken_manifest(rig: &Rig, ci: &mut Browser) {
    rig.file("services/web.yaml", "name: web\nimage: web:1\nport: eighty\n");
    let validated = async || read(&Browser::with_address(rig.port).get("/api/v1/validate").await);
    eventually(60, "the mistake is seen", async || validated().await["diagnostics"][0]["file"] == "services/web.yaml")
        .await;
    let now = validated().await;
    assert_eq!((&now["broken"], &now["good"]), (&json!(["web"]), &json!(4)), "{now:#}");
    let tag = read(&ci.get(&address_of("web")).await)["tag"].clone();
    assert_eq!(put(ci, "web", &json!({"text": WEB, "tag": tag})).await.status, 200);
    eventually(60, "all is good", async || validated().await["diagnostics"] == json!([])).await;
}

/// A check is no change, and a command says what it is.
async fn finds_itself_in_the_audit(rig: &Rig, ci: &mut Browser) {
    let act = json!({"suspend": {"service": "web"}}).to_string();
    assert_eq!(ci.json("POST", "/api/v1/act", Some(&act)).await.status, 200);
    let roll = "/api/v1/services/web/rollback";
    ci.json("POST", roll, Some("{\"dry_run\": true}")).await;
    ci.headers.push(("Idempotency-Key".to_owned(), "once".to_owned()));
    for _ in 0..2 {
        let dry = put(ci, "late", &json!({"text": SHOP.replace("shop", "late"), "dry_run": true})).await;
        assert_eq!(dry.status, 200, "{dry:?}");
    }
    ci.headers.pop();
    let audit = read(&token(rig, "boss", &["--role", "admin"]).await.get("/api/v1/audit").await);
    let rows = audit["audit"].as_array().unwrap();
    let has = |action: &str, target: &str| rows.iter().any(|row| row["action"] == action && row["target"] == target);
    assert!(has("check_manifest", "shop") && has("write_manifest", "shop") && has("suspend", "web"), "{audit:#}");
    assert!(has("check_rollback", "web") && has("check_manifest", "late"), "{audit:#}");
    assert!(!has("rollback", "web") && !has("write_manifest", "late"), "{audit:#}");
}

#[tokio::test]
async fn a_manifest_is_read_checked_written_and_removed() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", WEB);
    rig.file("services/two.yaml", "name: one\nimage: web:1\n---\nname: two\nimage: web:1\n");
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut ci = token(&rig, "ci", &["--role", "editor"]).await;
    checks_the_shop(&rig, &mut ci).await;
    writes_the_shop(&rig, &mut ci).await;
    removes_the_shop(&rig, &mut ci).await;
    keeps_to_its_services(&rig, &mut ci).await;
    repairs_a_broken_manifest(&rig, &mut ci).await;
    finds_itself_in_the_audit(&rig, &mut ci).await;
    let doctor = read(&token(&rig, "op", &["--role", "operator"]).await.get("/api/v1/doctor").await);
    assert_eq!(doctor["schema"], "amarre.doctor/v1");
    assert!(doctor["findings"].as_array().unwrap().iter().any(|one| one["topic"] == "NPM"), "{doctor:#}");
    end(daemon).await;
}

#[tokio::test]
async fn a_service_is_made_of_a_template_with_its_secrets() {
    let rig = Rig::start().await;
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut ci = token(&rig, "ci", &["--role", "editor"]).await;
    let known = read(&Browser::with_address(rig.port).get("/api/v1/templates").await);
    let known: Vec<&str> =
        known["templates"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(known.len() >= 10 && known.contains(&"wordpress"), "{known:?}");
    let path = "/api/v1/services/blog/template";
    let post = async |who: &mut Browser, body: Json| who.json("POST", path, Some(&body.to_string())).await;
    let secrets = || std::fs::read_dir(rig.path().join("secrets/services/blog")).map_or(0, Iterator::count);
    let manifest = rig.path().join("services/blog.yaml");
    refused(&post(&mut ci, json!({"template": "nothing"})).await, 404, "A1009", "nothing");
    refused(&post(&mut ci, json!({"template": "wordpress", "set": {"address": "a b"}})).await, 422, "A1009", "address");
    let dry = read(&post(&mut ci, json!({"template": "wordpress", "set": {"tls": "none"}, "dry_run": true})).await);
    assert_eq!(dry["plan"]["name"], "blog", "{dry:#}");
    assert!(!dry["secrets"].as_array().unwrap().is_empty() && secrets() == 0 && !manifest.exists(), "{dry:#}");
    let made = read(&post(&mut ci, json!({"template": "wordpress", "set": {"tls": "none"}})).await);
    assert_eq!(made["written"], true);
    assert_eq!(std::fs::read_to_string(&manifest).unwrap(), made["text"].as_str().unwrap());
    assert_eq!(secrets(), made["secrets"].as_array().unwrap().len());
    refused(&post(&mut ci, json!({"template": "wordpress"})).await, 409, "A0312", "blog");
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_names_its_author_and_what_was_simulated() {
    let (rig, forge) = with_git().await;
    let mut config: Json =
        serde_json::from_str(&std::fs::read_to_string(rig.path().join("amarre.yaml")).unwrap()).unwrap();
    config["ovh"] = json!({"simulated": true});
    rig.file("amarre.yaml", &format!("{config:#}"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut ci = token(&rig, "ci", &["--role", "editor"]).await;
    assert_eq!(put(&mut ci, "shop", &json!({"text": SHOP, "message": "open the shop"})).await.status, 200);
    let bare = forge.bare().display().to_string();
    let log = forge.run(&["--git-dir", &bare, "log", "-1", "--format=%an: %s|%(trailers)", "main"]);
    assert_eq!(log.trim(), "token ci: open the shop|Amarre-Test-Mode: ovh");
    let tag = read(&ci.get(&address_of("shop")).await)["tag"].as_str().unwrap().to_owned();
    assert_eq!(ci.json("DELETE", &format!("{}?tag={tag}", address_of("shop")), None).await.status, 204);
    end(daemon).await;
}

/// The manifest of the shop with more keys.
fn with_keys(keys: &str) -> String {
    format!("{SHOP}{keys}\n")
}

/// A server that Amarre would make.
const NEW: &str = "cloud: paris, project: ci, region: GRA11, type: b3-8, image: Debian 13";

/// Manifests that use what is not the shop's, each with what is refused.
fn of_others() -> Vec<(String, &'static str)> {
    let of = with_keys;
    vec![
        (of("environment: {A: {secret: vault/other}}"), "the secret vault/other"),
        (of("environment: {A: {secret: shared/smtp}}"), "the secret shared/smtp"),
        (of("volumes: ['/srv/vault:/x']"), "the folder /srv/vault"),
        (of("volumes: ['/srv/shopping:/x']"), "the folder /srv/shopping"),
        (of("volumes: ['/srv:/x']"), "the folder /srv"),
        (of("network: zz-amarre-vault"), "the network zz-amarre-vault"),
        (of("network_mode: 'container:vault'").replace("port: 80\n", ""), "the network container:vault"),
        (of("network_mode: 'container:gluetun'").replace("port: 80\n", ""), "the network container:gluetun"),
        (of("networks: {default: , backend: {}}"), "the network backend"),
        (
            "name: shop\ncontainers: {a: {image: 'web:1', networks: {zz-amarre-vault: {aliases: [db]}}}}\n".to_owned(),
            "the network zz-amarre-vault",
        ),
        ("name: shop\ncompose: ./shop/joined\n".to_owned(), "the network backend"),
        (of("dns: [{type: TXT, name: pay.shop, value: x}]"), "the name pay.shop.example.org"),
        (of("dns: [{type: SRV, name: _x._tcp.pay.shop, value: 0 1 2 a.example.org.}]"), "the name _x._tcp.pay.shop"),
        (of("dns: [{type: SRV, name: _x._tcp.vault, value: 0 1 2 a.example.org.}]"), "the name _x._tcp.vault"),
        (of("ports: ['8443:443']"), "the host port 0.0.0.0:8443/tcp"),
        (of("network: {subnet: 10.77.60.0/24}"), "the subnet 10.77.60.0/24"),
        (of("privileged: true"), "the right privileged"),
        (of("network_mode: host").replace("port: 80\n", ""), "the right host_network"),
        (of("container_name: vault-db"), "the container name vault-db"),
        (of("dns: [{type: TXT, name: vault, value: x}]"), "the name vault.example.org"),
        ("name: shop\ncompose: ./shop/compose.yaml\n".to_owned(), "the volume vault_data"),
        ("name: shop\ncompose: ./vault/compose.yaml\n".to_owned(), "the file services/vault/compose.yaml"),
        (
            "kind: Route\nname: shop\nroutes: [{domain: '*.example.org', to: 'http://192.0.2.1:80'}]\n".to_owned(),
            "the name *.example.org",
        ),
        (
            "kind: Route\nname: shop\nroutes: [{domain: shop, to: 'http://192.0.2.1:80'}]\n".to_owned(),
            "the target 192.0.2.1:80",
        ),
        ("kind: Stream\nname: shop\nport: 2222\nto: vault/vault:80\n".to_owned(), "the container of vault"),
        ("name: shop\nimage: web:1\nroutes: [{domain: pay, to: 'shop:80'}]\n".to_owned(), "the name pay.example.org"),
        (of("needs: [vault]"), "the service vault"),
        ("{kind: Instance, name: shop, cloud: paris, id: x1, power: 'off'}".to_owned(), "the server x1"),
        ("{kind: Instance, name: shop, cloud: paris, id: x1, domain: shop}".to_owned(), "the server x1"),
        (format!("{{kind: Instance, name: shop, {NEW}, ssh_keys: [ops]}}"), "the new server shop of size b3-8"),
        (format!("{{kind: Pool, name: shop, instance: {{count: 3, {NEW}}}}}"), "the new server shop-1 of size b3-8"),
        (format!("{{kind: Pool, name: shop, instance: {{count: 3, {NEW}}}}}"), "the project ci of paris"),
        (
            "{kind: Pool, name: shop, machines: [{name: m, address: 192.168.7.7}]}".to_owned(),
            "the machine 192.168.7.7:22",
        ),
        (
            "{kind: App, name: shop, git: {url: 'https://git.example.org/acme/vault'}}".to_owned(),
            "the repository https://git.example.org/acme/vault",
        ),
    ]
}

/// What a token for one service may write: with what is called after it, and with what its manifest has already.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_service_uses_what_belongs_to_it() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    config["policy"] = json!({
        "host_paths": ["/srv"], "volumes": ["*"], "networks": ["*", "container:*"], "secrets": {"*": ["*"]}, "records": ["A", "AAAA", "SRV", "TXT"],
        "privileged": true, "host_network": true, "instances": ["*"], "repositories": ["https://git.example.org/*"],
        "targets": {"*": ["192.168.7.7:22"]},
    });
    config["clouds"] = json!({"paris": {"simulated": true, "limits": {"instances": 3}}});
    config["ssh_keys"] =
        json!({"ops": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF9B8VueTLAsY0j5VlsKwyVQu+zjuV5mmDKWaObkera2"});
    config["pools"] = json!({});
    rig.file("amarre.yaml", &format!("{config:#}"));
    for folder in ["services/vault", "services/shop/joined", "secrets/services/shop", "secrets/services/vault"] {
        std::fs::create_dir_all(rig.path().join(folder)).unwrap();
    }
    rig.file("secrets/services/shop/key", "canary-shop");
    rig.file("secrets/services/vault/key", "canary-vault");
    let stack = "services: {a: {image: web:1}}\nvolumes: {v: {name: VOLUME}}\n".replace("VOLUME", "vault_data");
    rig.file("services/vault/compose.yaml", &stack);
    rig.file(
        "services/shop/compose.yaml",
        "services: {a: {image: web:1, volumes: ['v:/v']}}\nvolumes: {v: {name: vault_data}}\n",
    );
    rig.file(
        "services/shop/joined/compose.yaml",
        "services: {a: {image: web:1}}\nnetworks: {default: {name: backend, external: true}}\n",
    );
    rig.file("services/vault.yaml", "name: vault\nimage: web:1\nport: 80\nupdate: {drain: 0s}\n");
    // Below the shop's name, and not the shop's.
    let pay = "{kind: Route, name: pay, routes: [{domain: pay.shop, to: 'http://192.0.2.1:80'}]}\n";
    rig.file("services/pay.yaml", pay);
    rig.file("services/shop.yaml", &format!("{SHOP}environment: {{GIVEN: {{secret: vault/key}}}}\n"));
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut limited = token(&rig, "limited", &["--role", "editor", "--service", "shop"]).await;
    let tag = read(&limited.get(&address_of("shop")).await)["tag"].as_str().unwrap().to_owned();
    let dry = |text: &str| json!({"text": text, "tag": tag, "dry_run": true});
    for (text, words) in of_others() {
        refused(&put(&mut limited, "shop", &dry(&text)).await, 403, "A1030", words);
    }
    let of = with_keys;
    for text in [
        of("environment: {A: {secret: shop/key}, GIVEN: {secret: vault/key}}"),
        of("volumes: ['/srv/shop/data:/x', 'data:/data']"),
        of("container_name: shop-main"),
        of(
            "dns: [{type: SRV, name: _x._tcp.shop, value: 0 1 2 a.example.org.}, {type: TXT, name: new.shop, value: x}]",
        ),
        "name: shop\nimage: web:1\nroutes: [{domain: shop, aliases: [www.shop], to: 'shop:80'}]\n".to_owned(),
    ] {
        read(&put(&mut limited, "shop", &dry(&text)).await);
    }
    // An account that is for all services may.
    let mut ci = token(&rig, "ci", &["--role", "editor"]).await;
    read(&put(&mut ci, "shop", &dry(&of("network: zz-amarre-vault"))).await);
    end(daemon).await;
}

/// With `authors: operators` a manifest may reach the whole host: one account for some services would be one for all.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_some_services_writes_no_manifest_where_authors_have_the_host() {
    let rig = Rig::start().await;
    let mut config = rig.config();
    config["policy"] = json!({"authors": "operators"});
    rig.file("amarre.yaml", &format!("{config:#}"));
    rig.file("services/shop.yaml", SHOP);
    let daemon = rig.daemon(&["--yes"], &[]).await;
    let mut limited = token(&rig, "limited", &["--role", "editor", "--service", "shop"]).await;
    let tag = tag(&mut limited, "shop").await;
    let text = json!({"text": SHOP.replace("web:1", "web:2"), "tag": tag, "dry_run": true});
    refused(&put(&mut limited, "shop", &text).await, 403, "A1030", "policy.authors: operators");
    let mut whole = token(&rig, "whole", &["--role", "editor"]).await;
    assert_eq!(put(&mut whole, "shop", &text).await.status, 200);
    end(daemon).await;
}
