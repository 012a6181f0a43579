//! No secret comes out: each place that takes one holds a canary, the services live through everything that may happen
//! to them, and then every canary is looked for in everything that was said, shown, stored and sent.
//!
//! Which places there are is read off the source: a new one without a canary fails.

mod echo;
mod places;
mod search;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use amarre_sim::docker::{Behaviour, ImageSpec};
use amarre_sim::kamatera::{Kamatera, KamateraClock, KamateraOptions};
use amarre_sim::npm::{self, NpmPermissions, NpmUser};
use amarre_sim::ovh::OvhOptions;
use amarre_sim::ovh_cloud::{CloudClock, OvhCloud, OvhCloudOptions};
use serde_json::{Value as Json, json};

use self::echo::Echo;
use self::places::{CANARIES, PLACES};
use self::search::Found;
use crate::cli::rig::{Rig, end};
use crate::support::eventually;
use crate::support::forge::{Forge, keygen};
use crate::support::stepped::ZONE;
use crate::web::browser::Browser;
use crate::web::typed;

/// Makes a configuration wrong.
type Mistake = Box<dyn Fn(&mut Json)>;

/// Keys of amarre.yaml that name a file with a secret in it.
const FILES: &[(&str, &str)] = &[("ssh_key", "ssh-key"), ("key", "tls-key"), ("key", "tls-key")];

const CLOUD: &str = "
name: cloud
containers:
  app:
    image: registry.example.net/web:1
    environment: {TITLE: one, PASSWORD: {secret: cloud}}
routes:
  - {domain: cloud, to: 'app:80', access_list: family}
update: {drain: 0s}
";
const FAMILY: &str = "{kind: AccessList, name: family, users: {anna: {secret: anna}}, allow: [192.168.0.0/16]}\n";
/// It prints its environment and ends.
const SICK: &str = "
name: sick
image: sick:1
command: [env]
environment: {PASSWORD: {secret: cloud}}
port: 80
";
const MAIL: &str = "{kind: Record, name: mail, type: A, value: 192.0.2.7}\n";
const APPS: &str =
    "{kind: Route, name: apps, routes: [{domain: '*.apps', to: 'http://192.0.2.8', tls: letsencrypt}]}\n";
/// The forge knows another token: it refuses this one.
const SHOP: &str = "{kind: App, name: shop, git: {url: 'URL', token: {secret: shop/git}}}\n";
/// What is at that port lets no connection in.
const LAB: &str = "
kind: Pool
name: lab
machines:
  - {name: m1, address: 127.0.0.1, port: 1, password: {secret: lab/m1}, host_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI}
";
const STACK: &str = "name: stack\ncompose: stack/compose.yaml\n";
const COMPOSE: &str =
    "services: {stack: {image: 'web:1', secrets: [token]}}\nsecrets: {token: {external: true, name: stack/token}}\n";

fn canary(name: &str) -> &'static str {
    CANARIES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no canary {name}")).1
}

/// A rig with a canary in every place, and vendors that may repeat what they were sent.
struct Life {
    rig: Rig,
    docker: Echo,
    npm: Echo,
    ovh: Echo,
    cloud: Echo,
    /// Behind its echo.
    servers: OvhCloud,
    kamatera: Echo,
    /// Behind its echo.
    others: Kamatera,
    forge: Forge,
    git: String,
    found: Found,
}

impl Life {
    async fn start() -> Self {
        let ovh = OvhOptions {
            application_secret: canary("ovh-application-secret").to_owned(),
            consumer_key: canary("ovh-consumer-key").to_owned(),
            ..OvhOptions::with_zones(&[ZONE])
        };
        let servers = OvhCloud::start(OvhCloudOptions {
            application_secret: canary("cloud-application-secret").to_owned(),
            consumer_key: canary("cloud-consumer-key").to_owned(),
            clock: CloudClock::Running,
            ..OvhCloudOptions::dozen()
        });
        let servers = servers.await.unwrap();
        let (secret, clock) = (canary("kamatera-secret").to_owned(), KamateraClock::Running);
        let others = Kamatera::start(KamateraOptions { secret, clock, ..KamateraOptions::eight() }).await.unwrap();
        let user = NpmUser::plain(2, "amarre@amarre.demo", canary("npm-password"), NpmPermissions::documented());
        let rig = Rig::with_accounts(user, ovh).await;
        let env = vec![format!("API_TOKEN={}", canary("of-the-image"))];
        for (image, behaviour) in [("registry.example.net/web:1", Behaviour::Serve), ("sick:1", Behaviour::Exit(3))] {
            let spec = ImageSpec { id: image.to_owned(), env: env.clone(), behaviour, ..ImageSpec::new(image) };
            rig.docker.image(spec);
        }
        let stranger = json!({"Image": "other:1", "Env": [format!("TOKEN={}", canary("of-a-stranger"))]});
        rig.docker.seed("secretive", stranger).unwrap();
        let forge = Forge::new();
        let http = forge.http(Some(canary("git-token"))).await;
        let all = [("cloud", CLOUD), ("family", FAMILY), ("sick", SICK), ("mail", MAIL), ("apps", APPS), ("lab", LAB)];
        all.iter().for_each(|(name, text)| forge.write(&format!("services/{name}.yaml"), text));
        forge.write("services/shop.yaml", &SHOP.replace("URL", &http.url()));
        forge.write("services/stack/compose.yaml", COMPOSE);
        forge.commit("Alice Martin", "everything", "services/stack.yaml", STACK);
        let life = Self {
            docker: Echo::before(rig.docker.server.address).await,
            npm: Echo::before(rig.npm.server.address).await,
            ovh: Echo::before(rig.ovh.server.address).await,
            cloud: Echo::before(servers.server.address).await,
            servers,
            kamatera: Echo::before(others.server.address).await,
            others,
            git: http.url(),
            rig,
            forge,
            found: Found::default(),
        };
        let of = |service: &&str| life.rig.path().join("secrets/services").join(service);
        ["stack", "lab", "shop"].iter().for_each(|service| std::fs::create_dir_all(of(service)).unwrap());
        for (file, name) in [
            ("npm", "npm-password"),
            ("consumer", "ovh-consumer-key"),
            ("cloud-consumer", "cloud-consumer-key"),
            ("git", "git-token"),
            ("hook", "webhook"),
            ("heartbeat", "heartbeat"),
            ("dns", "npm-dns-key"),
            ("anna", "access-list"),
            ("services/stack/token", "file"),
            ("services/lab/m1", "machine-password"),
            ("services/shop/git", "app-token"),
        ] {
            life.rig.file(&format!("secrets/{file}"), canary(name));
        }
        life.configure(|_| ());
        life
    }

    /// Writes amarre.yaml: secrets as files, variables, by name and as they are.
    fn configure(&self, change: impl FnOnce(&mut Json)) {
        let mut config = self.rig.config();
        config["hosts"]["default"]["docker"] = json!(format!("tcp://{}", self.docker.address));
        config["npm"]["main"]["url"] = json!(format!("http://{}", self.npm.address));
        config["npm"]["main"]["secret"] = json!({"file": "secrets/npm"});
        config["ovh"] = json!({
            "endpoint": format!("http://{}/1.0", self.ovh.address), "application_key": "application-key",
            "application_secret": {"env": "APPLICATION_SECRET"},
        });
        config["clouds"] = json!({"paris": {"ovh": {
            "endpoint": format!("http://{}/1.0", self.cloud.address), "application_key": "application-key",
            "application_secret": canary("cloud-application-secret"), "consumer_key": {"file": "secrets/cloud-consumer"},
        }}, "tlv": {"kamatera": {
            "url": format!("http://{}", self.kamatera.address), "client_id": "client-id",
            "secret": canary("kamatera-secret"),
        }}});
        let key = canary("npm-dns-key");
        config["certificates"] = json!({
            "dns_credentials": {"application_key": "a", "application_secret": key, "consumer_key": {"file": "secrets/dns"}},
        });
        config["registries"] =
            json!({"registry.example.net": {"username": "ops", "password": canary("registry-password")}});
        config["source"] = json!({"git": {"url": self.git, "path": "services", "token": {"secret": "git"}}});
        config["reconcile"] =
            json!({"interval": "1s", "heartbeat": {"url": {"file": "secrets/heartbeat"}, "every": "10s"}});
        let (all, by_all) = (["*"], json!({"*": ["*"]}));
        config["policy"] = json!({"secrets": by_all, "repositories": all, "dockerfiles": all, "targets": by_all});
        (config["pools"], config["state"]) = (json!({}), json!("./state/amarre.db"));
        // There is no listener: the report has no address in it.
        config["notifications"] = json!({
            "slack": {"slack": canary("slack"), "after": "0s", "on": ["attention", "applied", "drift"]},
            "discord": {"discord": canary("discord"), "after": "0s"},
            "ntfy": {"ntfy": {"url": "http://127.0.0.1:9/topic", "token": canary("ntfy-token")}, "after": "0s"},
            "hook": {"webhook": {"url": "http://127.0.0.1:9/hook", "secret": canary("webhook-out")}, "after": "0s"},
            "mail": {"after": "0s", "smtp": {"host": "127.0.0.1", "port": 9, "tls": "starttls", "username": "ops",
                "password": canary("smtp-password"), "from": "amarre@amarre.demo", "to": "ops@example.org"}},
        });
        config["server"]["webhook_secret"] = json!({"secret": "hook"});
        change(&mut config);
        std::fs::create_dir_all(self.rig.path().join("state")).unwrap();
        self.rig.file("amarre.yaml", &format!("{config:#}"));
    }

    fn variables(&self) -> Vec<(String, String)> {
        let at = |name: &str| self.rig.path().join("secrets").join(name).display().to_string();
        [
            ("APPLICATION_SECRET", canary("ovh-application-secret").to_owned()),
            ("AMARRE_OVH_CONSUMER_KEY_FILE", at("consumer")),
            ("AMARRE_SERVICE_SECRET_CLOUD", canary("environment").to_owned()),
            ("AMARRE_SERVICE_SECRET_ANNA_FILE", at("anna")),
            ("AMARRE_LOG", "trace".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Runs a command and keeps what it says.
    async fn outputs(&mut self, args: &[&str]) -> i32 {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let ended = self.rig.run_with(args, &variables).await;
        let place = format!("what amarre {} says", args.join(" "));
        self.found.add(format!("{place} on stdout"), ended.out.as_bytes());
        self.found.add(format!("{place} on stderr"), ended.err.as_bytes());
        ended.code
    }

    async fn outputs_all(&mut self) {
        for args in [
            &["plan"][..],
            &["plan", "-o", "json"],
            &["plan", "-o", "markdown"],
            &["status"],
            &["status", "--all", "-o", "wide"],
            &["status", "--all", "-o", "json"],
            &["status", "--only", "drift"],
            &["status", "cloud"],
            &["status", "sick"],
            &["status", "stack", "-o", "json"],
            &["subnets", "-o", "json"],
            &["instance", "list", "--wide"],
            &["instance", "list", "-o", "json"],
            &["instance", "manifests"],
            &["validate"],
        ] {
            self.outputs(args).await;
        }
    }

    /// Every vendor answers some of what is asked with an error that repeats it, and the daemon goes on trying.
    async fn lives_with_errors(&mut self) {
        let mut daemon = None;
        for (docker, npm, ovh) in [
            (("POST", "/images/create", 500), ("POST", "/access-lists", 400), ("POST", "/record", 400)),
            (("POST", "/containers/create", 500), ("POST", "/access-lists", 500), ("POST", "/record", 500)),
            (("PUT", "/archive", 400), ("POST", "/access-lists", 400), ("POST", "/record", 400)),
        ] {
            let echoes = [(&self.docker, docker), (&self.npm, npm), (&self.ovh, ovh)];
            let before = echoes.map(|(echo, rule)| {
                echo.repeats(&[rule, ("POST", "/nginx/certificates", 400)]);
                echo.repeated().len()
            });
            // Only now: else it would have done everything before any request is repeated.
            if daemon.is_none() {
                daemon = Some(self.daemon("text").await);
            }
            for ((echo, rule), before) in echoes.into_iter().zip(before) {
                eventually(400, &format!("{rule:?} was repeated"), async || echo.repeated().len() > before).await;
            }
            self.outputs_all().await;
        }
        self.npm.repeats(&[("POST", "/api/tokens", 401)]);
        self.ovh.repeats(&[("GET", "/currentCredential", 400)]);
        self.cloud.repeats(&[("GET", "/currentCredential", 400), ("POST", "/stop", 400)]);
        self.outputs(&["instance", "stop", "db-1"]).await;
        self.outputs(&["instance", "show", "db-1"]).await;
        assert!(!self.cloud.repeated().is_empty(), "OVH was asked");
        self.cloud.repeats(&[("GET", "/instance", 403), ("GET", "/currentCredential", 400)]);
        self.outputs(&["instance", "list"]).await;
        self.outputs(&["doctor"]).await;
        self.kamatera.repeats(&[("POST", "/poweroff", 500)]);
        self.outputs(&["instance", "stop", &self.others.id_of("shop-db"), "--timeout", "20s"]).await;
        self.outputs(&["instance", "logs", &self.others.id_of("shop-db")]).await;
        assert!(!self.kamatera.repeated().is_empty(), "Kamatera was asked");
        self.kamatera.repeats(&[("GET", "/servers", 401)]);
        self.outputs(&["doctor"]).await;
        for echo in [&self.docker, &self.npm, &self.ovh, &self.cloud, &self.kamatera] {
            echo.repeats(&[]);
        }
        assert_eq!(end(daemon.unwrap()).await, 0);
        self.found.add("the daemon's log", self.rig.log().as_bytes());
    }

    async fn daemon(&self, format: &str) -> tokio::process::Child {
        let variables = self.variables();
        let mut variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        variables.push(("AMARRE_LOG_FORMAT", format));
        self.rig.daemon(&["--yes"], &variables).await
    }

    /// A machine is reserved with a password that a person chose; another one is registered by a commit, which has not its password.
    async fn reserves(&mut self) {
        let body = json!({"user": "anna", "by": "anna@example.org", "password": canary("reservation-password"), "timeout_ms": 0});
        self.asks("reserve", body, "\"r1\"").await;
        self.outputs(&["pool", "show", "lab", "-o", "json"]).await;
        self.outputs(&["pool", "history", "lab"]).await;
        let password = canary("registered-password");
        let body = json!({"name": "m2", "address": "192.0.2.2", "by": "anna", "password": password});
        self.asks("register", body, "amarre.registered/v1").await;
    }

    /// `POST /api/v1/pools/lab/…` over the socket; the answer has a word.
    async fn asks(&mut self, verb: &str, body: Json, word: &str) {
        let mut curl = tokio::process::Command::new("curl");
        curl.arg("-s").arg("--unix-socket").arg(self.rig.path().join("state/amarre.sock"));
        curl.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
        let said = curl.arg(format!("http://amarre/api/v1/pools/lab/{verb}")).output().await.unwrap();
        assert!(String::from_utf8_lossy(&said.stdout).contains(word), "{said:?}");
        self.found.add(format!("the answer to {verb}"), &said.stdout);
    }

    /// The daemon, everything that may be asked of it, and drift.
    async fn lives_well(&mut self) {
        let daemon = self.daemon("json").await;
        let pid = daemon.id().unwrap();
        self.found.add("the arguments of the process", &std::fs::read(format!("/proc/{pid}/cmdline")).unwrap());
        eventually(120, "cloud is served", async || {
            let status = self.rig.json("/api/v1/services/cloud").await;
            status["sync"] == "Synced" && self.rig.npm.rows(npm::Kind::ProxyHost).len() > 1
        })
        .await;
        let host =
            self.rig.npm.rows(npm::Kind::ProxyHost).into_iter().find(|row| !row["meta"]["amarre_instance"].is_null());
        self.rig.npm.edit_proxy_host(host.unwrap()["id"].as_u64().unwrap(), &json!({"block_exploits": false}));
        self.outputs(&["suspend", "cloud", "--why", "a reason"]).await;
        self.reserves().await;
        self.asks_everything().await;
        self.outputs_all().await;
        self.outputs(&["resume", "cloud"]).await;
        self.outputs(&["reconcile", "sick", "--timeout", "5s"]).await;
        self.outputs(&["doctor"]).await;
        self.outputs(&["doctor", "-o", "json"]).await;
        self.asks_everything().await;
        // Another value is another container, and the reason does not name it.
        self.forge.commit("Bob Durand", "another title", "services/cloud.yaml", &CLOUD.replace("one", "two"));
        self.outputs(&["reconcile", "--timeout", "5s"]).await;
        self.outputs_all().await;
        self.repairs().await;
        self.asks_everything().await;
        self.signs_in().await;
        assert_eq!(end(daemon).await, 0);
        self.found.add("the daemon's log", self.rig.log().as_bytes());
    }

    /// The commands that repair a service, and their output.
    async fn repairs(&mut self) {
        let done: [&[&str]; 9] = [
            &["logs"],
            &["logs", "-o", "json"],
            &["logs", "cloud"],
            &["logs", "sick", "--last-failed"],
            &["logs", "sick", "--last-failed", "-o", "json"],
            &["rollback", "cloud", "--dry-run"],
            &["rollback", "cloud", "--yes", "--timeout", "180s"],
            &["status", "cloud"],
            &["resume", "cloud"],
        ];
        for args in done {
            assert_eq!(self.outputs(args).await, 0, "{args:?}");
        }
        // It fails as before, and again no message quotes the password.
        assert_eq!(self.outputs(&["retry", "sick", "--timeout", "5s"]).await, 3);
        self.outputs(&["logs", "sick", "--last-failed"]).await;
        self.outputs(&["rollback", "sick", "--yes", "--timeout", "5s"]).await;
        self.outputs(&["cancel", "sick"]).await;
        self.outputs(&["status", "sick", "-o", "json"]).await;
        self.outputs(&["resume", "sick"]).await;
    }

    /// A signed-in user opens every page.
    async fn signs_in(&mut self) {
        let email = "canary@example.org";
        let variables = self.variables();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let args = ["user", "add", email, "--role", "admin"];
        let added = typed(&self.rig, canary("user-password"), &args, &variables).await;
        assert_eq!(added.code, 0, "{added:?}");
        self.found.add("what amarre user add says", format!("{}{}", added.out, added.err).as_bytes());
        let mut browser = Browser::with_address(self.rig.port);
        self.found.add("a page", browser.signs_in("nobody@example.org", canary("user-password")).await.body.as_bytes());
        assert_eq!(browser.signs_in(email, canary("user-password")).await.status, 303);
        let settings =
            ["providers", "users", "tokens", "notifications", "audit"].map(|page| format!("/settings/{page}"));
        let others = ["/", "/new", "/runs", "/network", "/unmanaged", "/api", "/login"].map(str::to_owned);
        for path in others.iter().chain(&settings) {
            let path = path.as_str();
            self.found.add(format!("GET {path}"), browser.get(path).await.body.as_bytes());
        }
        for service in ["cloud", "sick", "stack"] {
            for page in ["", "/history", "/logs", "/manifest", "/edit", "/delete", "/rollback"] {
                let path = format!("/services/{service}{page}");
                let body = browser.get(&path).await.body;
                self.found.add(format!("GET {path}"), body.as_bytes());
                // Each node leads to why it is there.
                for part in body.split("href=\"").skip(1).filter(|part| part.contains("/explain?thing=")) {
                    let path = part.split('"').next().unwrap();
                    self.found.add(format!("GET {path}"), browser.get(path).await.body.as_bytes());
                }
            }
        }
    }

    async fn asks_everything(&mut self) {
        let document = self.rig.json("/api/v1/openapi.json").await;
        let variables = self.variables();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // The token is made by chance, and is no canary.
        let _ = self.rig.run_with(&["token", "remove", "canary"], &variables).await;
        let made = self.rig.run_with(&["token", "add", "canary", "--role", "admin"], &variables).await;
        assert_eq!(made.code, 0, "{made:?}");
        let mut admin = Browser::with_address(self.rig.port).with_token(made.out.trim());
        for path in document["paths"].as_object().unwrap().keys() {
            for service in ["cloud", "sick", "stack", "none"] {
                let path = path.replace("{name}", service).replace("{code}", "A0602");
                let path = match path.as_str() {
                    // It has no end.
                    "/api/v1/logs/follow" => continue,
                    "/api/v1/explain" => format!("{path}?thing=container/{service}-app"),
                    "/api/v1/trace" => format!("{path}?domain={service}.example.org"),
                    _ => path,
                };
                let page = admin.get(&path).await;
                self.found.add(format!("GET {path}"), page.body.as_bytes());
            }
        }
    }

    /// Wrong passwords, vendors that repeat everything, keys that are none.
    async fn lives_with_wrong_keys(&mut self) {
        let everything = &[("*", "/", 500)];
        for echo in [&self.docker, &self.npm, &self.ovh] {
            echo.repeats(everything);
        }
        self.outputs_all().await;
        self.outputs(&["doctor"]).await;
        self.outputs(&["apply", "--yes", "--timeout", "3s"]).await;
        self.npm.repeats(&[("*", "/api/", 401)]);
        self.ovh.repeats(&[("*", "/", 403)]);
        self.docker.repeats(&[("*", "/json", 400)]);
        self.outputs_all().await;
        self.outputs(&["doctor", "-o", "json"]).await;
        for echo in [&self.docker, &self.npm, &self.ovh] {
            echo.repeats(&[]);
        }
        let wrong = |config: &mut Json| config["npm"]["main"]["secret"] = json!(canary("npm-wrong-password"));
        self.configure(wrong);
        self.outputs(&["plan"]).await;
        self.outputs(&["doctor"]).await;
        self.configure(|config| {
            let endpoint = config["ovh"]["endpoint"].as_str().unwrap().to_owned();
            config["ovh"] = json!({
                "endpoint": endpoint, "token_url": format!("{endpoint}/auth/oauth2/token"),
                "client_id": "client-id", "client_secret": canary("ovh-client-secret"),
            });
        });
        for status in [401, 500] {
            self.ovh.repeats(&[("POST", "/oauth2/token", status)]);
            self.outputs_without(&["plan"]).await;
            self.outputs_without(&["doctor"]).await;
        }
        // The vendor's own refusal, and then a token that is repeated.
        self.ovh.repeats(&[]);
        self.outputs_without(&["doctor"]).await;
        self.configure(|config| {
            let endpoint = config["ovh"]["endpoint"].as_str().unwrap().to_owned();
            config["ovh"] = json!({
                "endpoint": endpoint, "token_url": format!("{endpoint}/auth/oauth2/token"),
                "client_id": "client-id", "client_secret": "client-secret",
            });
        });
        self.ovh.repeats(&[("GET", "/domain/zone", 403)]);
        self.outputs_without(&["plan"]).await;
        self.ovh.repeats(&[]);
    }

    /// As [`Life::outputs`], without the variable that belongs to the other way to sign in.
    async fn outputs_without(&mut self, args: &[&str]) {
        let mut variables = self.variables();
        variables.retain(|(name, _)| name != "AMARRE_OVH_CONSUMER_KEY_FILE");
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let ended = self.rig.run_with(args, &variables).await;
        let place = format!("what amarre {} says of a service account", args.join(" "));
        self.found.add(place, format!("{}{}", ended.out, ended.err).as_bytes());
    }

    /// Keys in files, sound and broken, and secrets where no secret belongs.
    async fn lives_with_mistakes(&mut self) {
        let path = |name: &str| self.rig.path().join("secrets").join(name);
        let pem = |name: &str| format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", canary(name));
        self.rig.file("secrets/tls.pem", &pem("tls-key"));
        self.rig.file("secrets/ssh.pem", &pem("ssh-key"));
        keygen(&path("sound"));
        let address = self.docker.address;
        let url = |user: &str| format!("http://{user}@127.0.0.1:1");
        let mistakes: Vec<Mistake> = vec![
            Box::new(move |config| {
                config["hosts"]["default"]["docker"] = json!({"url": format!("tcp://{address}"),
                    "tls": {"ca": "secrets/tls.pem", "cert": "secrets/tls.pem", "key": "secrets/tls.pem"}});
            }),
            Box::new(|config| {
                config["server"]["tls"] = json!({"certificate": "secrets/tls.pem", "key": "secrets/tls.pem"});
            }),
            Box::new(|config| {
                config["source"] = json!({"git": {"url": "ssh://git@127.0.0.1:1/x.git", "ssh_key": "secrets/ssh.pem"}});
            }),
            Box::new(|config| {
                config["source"] = json!({"git": {"url": "ssh://git@127.0.0.1:1/x.git", "ssh_key": "secrets/sound"}});
            }),
            Box::new(|config| {
                let url = format!("https://git:{}@127.0.0.1:1/x.git", canary("git-token"));
                config["source"]["git"]["url"] = json!(url);
            }),
            Box::new(move |config| config["npm"]["main"]["url"] = json!(url(&format!("a:{}", canary("git-token"))))),
            Box::new(move |config| config["ovh"]["endpoint"] = json!(url(&format!("a:{}", canary("git-token"))))),
            Box::new(|config| {
                config["hosts"]["default"]["docker"] = json!(format!("tcp://a:{}@127.0.0.1:1", canary("git-token")));
            }),
            Box::new(|config| config["npm"]["main"]["secret"] = json!({"env": canary("npm-password")})),
            Box::new(|config| config["npm"]["main"]["secret"] = json!({"fil": canary("npm-password")})),
            Box::new(|config| config["npm"]["main"] = json!(canary("npm-password"))),
            Box::new(|config| config["registries"] = json!({"registry.example.net": canary("registry-password")})),
            Box::new(|config| config["registries"]["registry.example.net"]["password"] = json!([canary("file")])),
            Box::new(|config| config["ovh"]["application_secret"] = json!([canary("ovh-application-secret")])),
            Box::new(|config| config["ovh"] = json!(canary("ovh-application-secret"))),
            Box::new(|config| config["reconcile"]["heartbeat"] = json!(canary("heartbeat"))),
            Box::new(|config| config["reconcile"]["heartbeat"]["url"] = json!(format!("ftp:{}", canary("heartbeat")))),
            Box::new(|config| config["reconcile"]["heartbeat"]["url"] = json!([canary("heartbeat")])),
        ];
        for mistake in mistakes {
            self.configure(mistake);
            self.outputs(&["plan"]).await;
            self.outputs(&["doctor"]).await;
        }
        self.configure(|_| ());
        let broken = "name: cloud\nimage: web:1\nenvironment: {PASSWORD: {secret: 'CANARY'}}\n";
        self.forge.commit("Bob", "a mistake", "services/cloud.yaml", &broken.replace("CANARY", canary("environment")));
        self.outputs(&["plan"]).await;
        self.outputs(&["validate"]).await;
    }

    /// `init` writes what it is given where it belongs, and says nothing of it.
    async fn begins_again(&mut self) {
        let folder = self.rig.path().join("anew");
        std::fs::create_dir(&folder).unwrap();
        let mut command = self.rig.command(&["init", "--yes", "--domain", ZONE, "--address", "203.0.113.10"]);
        command.args(["--instance", "anew", "--npm-url", &format!("http://{}", self.npm.address)]);
        command.args(["--npm-identity", "amarre@amarre.demo", "--ovh-application-key", "application-key"]);
        command.args(["--ovh-endpoint", &format!("http://{}/1.0", self.ovh.address)]);
        command.args(["--docker", &format!("tcp://{}", self.docker.address)]);
        command.env("AMARRE_NPM_MAIN_SECRET", canary("npm-password")).env("AMARRE_LOG", "trace");
        command.env("OVH_APPLICATION_SECRET", canary("ovh-application-secret"));
        command.env("OVH_CONSUMER_KEY", canary("ovh-consumer-key")).current_dir(&folder);
        let ended = command.output().await.unwrap();
        self.found.add("what amarre init says", &[ended.stdout, ended.stderr].concat());
    }

    /// What the vendors hold, save for the very places where a secret belongs.
    fn asks_vendors(&mut self) {
        for mut container in self.rig.docker.containers() {
            container["Config"]["Env"] = Json::Null;
            self.found.add(format!("container {}", container["Name"]), container.to_string().as_bytes());
        }
        for (what, all) in [("network", self.rig.docker.networks()), ("volume", self.rig.docker.volumes())] {
            self.found.add(format!("every {what}"), json!(all).to_string().as_bytes());
        }
        for kind in [
            npm::Kind::ProxyHost,
            npm::Kind::RedirectionHost,
            npm::Kind::DeadHost,
            npm::Kind::Stream,
            npm::Kind::Certificate,
        ] {
            self.found.add(format!("NPM's {kind:?}s"), json!(self.rig.npm.rows(kind)).to_string().as_bytes());
        }
        for mut list in self.rig.npm.rows(npm::Kind::AccessList) {
            list["items"] = Json::Null;
            self.found.add("NPM's access list", list.to_string().as_bytes());
        }
        self.found.add("the zone's records", json!(self.rig.ovh.records(ZONE)).to_string().as_bytes());
        let rig = [&self.rig.docker.server, &self.rig.npm.server, &self.rig.ovh.server];
        let servers = rig.into_iter().chain([&self.servers.server, &self.others.server]);
        for call in servers.flat_map(|server| server.journal.calls()) {
            self.found.add(format!("the path of a {}", call.method), call.path.as_bytes());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_secret_comes_out_anywhere() {
    let mut life = Life::start().await;
    life.outputs_all().await;
    life.lives_with_errors().await;
    life.lives_well().await;
    life.asks_vendors();
    life.lives_with_wrong_keys().await;
    life.lives_with_mistakes().await;
    life.begins_again().await;
    life.asks_vendors();
    life.found.add_files(life.rig.path(), &["amarre.yaml", "secrets/", "anew/"]);
    // What is looked for was really there: vendors repeated it, and containers and lists have it.
    let repeated = [&life.docker, &life.npm, &life.ovh].map(Echo::repeated).concat();
    for name in ["environment", "file", "registry-password", "npm-password", "access-list", "ovh-client-secret"] {
        let is_it = search::forms(canary(name)).iter().any(|(_, form)| repeated.contains(form));
        assert!(is_it, "no vendor was sent {name}");
    }
    for name in ["ovh-consumer-key", "ovh-token", "npm-token"] {
        assert!(repeated.contains(canary(name)), "no vendor was sent {name}");
    }
    let containers = json!(life.rig.docker.containers());
    for name in ["environment", "of-the-image", "of-a-stranger"] {
        let text = json!(canary(name)).to_string();
        assert!(containers.to_string().contains(&text[1..text.len() - 1]), "no container has {name}");
    }
    assert!(life.found.contains("PASSWORD=(hidden)"), "what a failed container printed is shown");
    assert!(life.found.places() > 200, "only {} places", life.found.places());
    let leaks = life.found.leaks(CANARIES);
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
}

#[test]
fn every_place_that_takes_a_secret_has_a_canary() {
    let known: BTreeMap<&str, &str> = PLACES.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut found = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let product = ["core/src", "crates", "src"].map(|folder| sources(&root.join(folder)));
    for (path, text) in product.into_iter().flatten() {
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for field in product.lines().filter_map(secret_field) {
            found.insert(format!("{path} {field}"));
        }
        if path == "src/config/file.rs" {
            let paths = product.lines().filter(|line| line.contains("PathBuf"));
            let keys = paths.filter_map(|line| line.split_once(": ")?.0.rsplit_once(' ')).map(|(_, name)| name);
            let keys: Vec<&str> = keys.filter(|name| name.split('_').any(|word| word == "key")).collect();
            let expected: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
            assert_eq!(keys, expected, "files with keys");
        }
    }
    for place in &found {
        match known.get(place.as_str()) {
            Some(name) => assert!(!canary(name).is_empty()),
            None => wrong.push(format!("{place}: has no canary in PLACES")),
        }
    }
    wrong.extend(known.keys().filter(|place| !found.contains(**place)).map(|place| format!("{place}: is no more")));
    FILES.iter().for_each(|(_, name)| _ = canary(name));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The name of a field, or of a variant, that holds a secret or the name of one.
fn secret_field(line: &str) -> Option<&str> {
    const TYPES: [&str; 10] = [
        "Box<SecretName>",
        "Secret",
        "Option<Secret>",
        "Mutex<Option<Secret>>",
        "SecretSource",
        "Option<SecretSource>",
        "SecretName",
        "Option<SecretName>",
        "BTreeMap<String, SecretName>",
        "BTreeMap<&'static str, Secret>",
    ];
    let line = line.trim().strip_suffix(',')?.trim_end_matches(" }");
    if let Some(name) = line.strip_suffix("(SecretName)") {
        return Some(name);
    }
    let (name, of) = line.rsplit_once(": ")?;
    let name = name.rsplit(' ').next()?;
    TYPES.contains(&of).then_some(name)
}

pub fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    found
}
