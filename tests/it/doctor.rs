//! `amarre doctor` against simulated Docker, NPM and OVH: one sound set-up, and broken ones, each named with its hint.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use amarre::ledger::{Ledger, Lock};
use amarre_sim::dns::Mood;
use amarre_sim::docker::{Docker, DockerOptions, ImageSpec};
use amarre_sim::npm::{self, Level, Npm, NpmOptions, NpmPermissions, NpmUser, NpmVersion};
use amarre_sim::ovh::{Ovh, OvhOptions};
use serde_json::{Value as Json, json};
use tokio::process::Command;

const ZONE: &str = "example.org";
const ACCOUNT: &str = "anna@anna.home.arpa";
const PASSWORD: &str = "canary-npm";
/// Longer than all limits of one examination together.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(240);

/// A set-up on this machine; what a test breaks, it breaks before [`Setup::doctor`].
struct Setup {
    docker: Docker,
    npm: Npm,
    ovh: Ovh,
    folder: tempfile::TempDir,
    config: Json,
}

/// What `doctor` printed.
struct DoctorRun {
    code: i32,
    out: String,
}

impl Setup {
    async fn sound() -> Self {
        Self::with(NpmUser::plain(2, ACCOUNT, PASSWORD, NpmPermissions::documented())).await
    }

    async fn with(user: NpmUser) -> Self {
        Self::on(NpmVersion::V2_15, user).await
    }

    async fn on(version: NpmVersion, user: NpmUser) -> Self {
        let docker = Docker::start(DockerOptions::default()).await.unwrap();
        docker.image(ImageSpec::new("npm:2"));
        docker.seed_network("npm_default", "172.18.0.0/16").unwrap();
        docker.seed_container("npm", "npm:2", &["npm_default"]).unwrap();
        let npm = Npm::start(NpmOptions { users: vec![user.clone()], version, ..NpmOptions::default() }).await.unwrap();
        let ovh = Ovh::start(OvhOptions::with_zones(&[ZONE])).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("services")).unwrap();
        let servers: Vec<String> = ovh.dns.iter().map(ToString::to_string).collect();
        let config = json!({
            "instance": "home",
            "domains": [ZONE],
            "source": {"folder": "./services"},
            "hosts": {"default": {
                "docker": format!("tcp://{}", docker.server.address), "address": "203.0.113.10", "npm": "main",
            }},
            "npm": {"main": {
                "url": npm.server.url(), "identity": user.identity, "secret": PASSWORD, "container": "npm",
            }},
            "ovh": {
                "endpoint": ovh.endpoint(), "application_key": "application-key",
                "application_secret": "application-secret", "consumer_key": "consumer-key",
            },
            "network": {"pools": ["10.97.0.0/20"]},
            "dns": {"propagation": {"servers": servers, "resolvers": []}},
        });
        let setup = Self { docker, npm, ovh, folder, config };
        setup.write("nas.yaml", "{kind: Route, name: nas, routes: [{domain: nas, to: \"http://192.168.1.20:5000\"}]}");
        setup
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.path().join("services").join(file), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn run(&self, arguments: &[&str]) -> DoctorRun {
        let mut said = self.run_once(arguments).await;
        // Where a busy machine keeps a server from answering within a second, that server is called slow.
        for _ in 0..5 {
            if !said.out.contains(", slow") {
                break;
            }
            said = self.run_once(arguments).await;
        }
        said
    }

    async fn run_once(&self, arguments: &[&str]) -> DoctorRun {
        let path = self.path("amarre.yaml");
        if !path.exists() {
            std::fs::write(&path, self.config.to_string()).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_amarre"));
        command.arg("--config").arg(&path).args(arguments).env("HOME", self.folder.path());
        command.stdin(Stdio::null()).kill_on_drop(true).current_dir(self.folder.path()).env_remove("DOCKER_HOST");
        let output = tokio::time::timeout(COMMAND_TIMEOUT, command.output()).await.expect("it ends").unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!out.contains("canary") && !err.contains("canary"), "{out}{err}");
        DoctorRun { code: output.status.code().unwrap_or(-1), out: format!("{out}{err}") }
    }

    /// Examines; nothing is changed anywhere by it.
    async fn doctor(&self) -> DoctorRun {
        for journal in [&self.docker.server.journal, &self.npm.server.journal, &self.ovh.server.journal] {
            journal.clear();
        }
        let said = self.run(&["doctor"]).await;
        let mut writes = self.docker.server.journal.writes();
        writes.extend(self.npm.server.journal.writes());
        writes.extend(self.ovh.server.journal.writes());
        writes.retain(|call| call.path != "/api/tokens" && call.path != "/auth/oauth2/token");
        assert_eq!(writes, [], "a look wrote");
        assert!(said.out.ends_with("Nothing was changed.\n"), "{}", said.out);
        said
    }

    /// One `✗` line with this text and this hint, and exit 1.
    async fn is_wrong(&self, text: &str, hint: &str) {
        self.finds("✗", 1, text, hint).await;
    }

    /// One `!` line with this text and this hint, and exit 0.
    async fn reports(&self, text: &str, hint: &str) {
        self.finds("!", 0, text, hint).await;
    }

    async fn finds(&self, sign: &str, code: i32, text: &str, hint: &str) {
        let DoctorRun { code: exit, out } = self.doctor().await;
        let mut lines = out.lines().skip_while(|line| !(line.trim_start().starts_with(sign) && line.contains(text)));
        assert!(lines.next().is_some(), "no `{sign} … {text}` in\n{out}");
        let own = lines.take_while(|line| line.starts_with("      ")).any(|line| line.contains(hint));
        assert!(own, "`{text}` has no `{hint}` in\n{out}");
        assert_eq!(exit, code, "{out}");
    }
}

#[tokio::test]
async fn a_sound_set_up_is_in_order() {
    let setup = Setup::sound().await;
    let said = setup.doctor().await;
    assert_eq!(said.code, 0, "{}", said.out);
    let topics: Vec<&str> =
        said.out.lines().filter_map(|line| line.strip_prefix("  ✓ ")?.split_whitespace().next()).collect();
    let expected = ["configuration", "ledger", "source", "Docker", "NPM", "OVH", "DNS", "pool", "certificates"];
    assert_eq!(topics, expected, "{}", said.out);
    assert!(said.out.contains("\n  ? address "), "what is not looked at has no tick: {}", said.out);
    for text in [
        "readable by its owner only",
        "1 manifest, none broken",
        "1 container, 0 of them ours",
        "signed in as anna@anna.home.arpa with user rights",
        "may read and write example.org",
        "2 of 2 servers of example.org answer",
        "203.0.113.10 of host default is no public address: not checked",
        "10.97.0.0/20, 0 of 16 leased, 16 free",
    ] {
        assert!(said.out.contains(text), "no `{text}` in\n{}", said.out);
    }
    assert!(said.out.ends_with("\nAll in order. Nothing was changed.\n"), "{}", said.out);
}

#[tokio::test]
async fn machines_get_the_same_as_a_document() {
    let setup = Setup::sound().await;
    setup.ovh.clock_skew(3600);
    let said = setup.run(&["doctor", "-o", "json"]).await;
    let document: Json = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["schema"], "amarre.doctor/v1");
    assert_eq!((&document["wrong"], &document["know"]), (&json!(0), &json!(1)));
    let clock = document["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == "A0253").unwrap();
    assert_eq!((&clock["topic"], &clock["verdict"]), (&json!("OVH"), &json!("know")));
    assert_eq!(clock["hints"], json!(["timedatectl set-ntp true"]));
}

/// Another process holds the ledger and writes it.
#[tokio::test]
async fn a_daemon_is_no_obstacle() {
    let setup = Setup::sound().await;
    let _lock = Lock::take(&setup.path("amarre.lock")).unwrap();
    let ledger = Ledger::open(&setup.path("amarre.db")).await.unwrap();
    ledger.set_meta("a", "b").await.unwrap();
    let said = setup.doctor().await;
    assert!(said.code == 0 && said.out.contains("writable, sound"), "{}", said.out);
    ledger.set_meta("a", "c").await.unwrap();
}

#[tokio::test]
async fn a_closed_ledger_is_read_without_a_trace() {
    let setup = Setup::sound().await;
    drop(setup.run(&["plan"]).await);
    let files = || {
        let mut names: Vec<_> =
            std::fs::read_dir(setup.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    let said = setup.doctor().await;
    assert!(said.out.contains("writable, sound"), "{}", said.out);
    assert_eq!(files(), before);
}

#[tokio::test]
async fn a_configuration_that_others_may_read() {
    let setup = Setup::sound().await;
    drop(setup.doctor().await);
    std::fs::set_permissions(setup.path("amarre.yaml"), PermissionsExt::from_mode(0o644)).unwrap();
    setup.reports("may be read by others (mode 644), A0250", "hint: chmod 600 ").await;
}

#[tokio::test]
async fn a_configuration_that_is_none() {
    let mut setup = Setup::sound().await;
    setup.config["reconcile"] = json!({"interval": "soon"});
    setup.is_wrong("reconcile.interval: `soon` is not a duration, A0201", "hint: write 30s").await;
}

#[tokio::test]
async fn a_damaged_ledger() {
    let setup = Setup::sound().await;
    std::fs::write(setup.path("amarre.db"), vec![b'x'; 8192]).unwrap();
    setup.is_wrong("amarre.db is damaged, A0251", "amarre.db.damaged").await;
}

#[tokio::test]
async fn a_ledger_without_a_folder() {
    let mut setup = Setup::sound().await;
    setup.config["state"] = json!("./nowhere/amarre.db");
    setup.is_wrong("nowhere/amarre.db is not there, A0903", "hint: make it").await;
}

#[tokio::test]
async fn a_source_that_is_not_there() {
    let mut setup = Setup::sound().await;
    setup.config["source"] = json!({"folder": "./elsewhere"});
    setup.is_wrong("elsewhere could not be read", "`source.folder`").await;
}

#[tokio::test]
async fn a_broken_manifest() {
    let setup = Setup::sound().await;
    setup.write("bad.yaml", "name: bad\nimage: a:1\nenviroment: {A: b}\n");
    setup.is_wrong("2 manifests, 1 broken, A0103", "hint: amarre validate").await;
}

#[tokio::test]
async fn an_engine_that_is_away() {
    let setup = Setup::sound().await;
    setup.docker.down(true);
    setup.is_wrong("Docker        default: Docker does not answer", "is the engine running").await;
}

#[tokio::test]
async fn an_npm_that_is_away() {
    let mut setup = Setup::sound().await;
    setup.config["npm"]["main"]["url"] = json!("http://127.0.0.1:1");
    setup.is_wrong("NPM main does not answer at http://127.0.0.1:1", "is its container running?").await;
}

/// A line is waited for five seconds, and the others are not held up.
#[tokio::test]
async fn an_npm_that_never_answers() {
    let mut setup = Setup::sound().await;
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    setup.config["npm"]["main"]["url"] = json!(format!("http://{}", silent.local_addr().unwrap()));
    setup.is_wrong("main did not answer within 5 s, A0256", "blocked by a firewall?").await;
}

#[tokio::test]
async fn a_wrong_password_of_npm() {
    let mut setup = Setup::sound().await;
    setup.config["npm"]["main"]["secret"] = json!("canary-other");
    setup.is_wrong("refuses the sign-in of anna@anna.home.arpa", "check `identity` and `secret` of npm.main").await;
}

#[tokio::test]
async fn an_npm_account_with_too_few_rights() {
    let permissions =
        NpmPermissions { proxy_hosts: Level::View, access_lists: Level::Hidden, ..NpmPermissions::user() };
    let setup = Setup::with(NpmUser::plain(2, ACCOUNT, PASSWORD, permissions)).await;
    let hint =
        "in NPM, Users, anna@anna.home.arpa, Edit Permissions, set proxy hosts to Manage, access lists to Manage";
    setup.is_wrong("signed in as anna@anna.home.arpa with user rights, A0604", hint).await;
    setup.finds("!", 1, "sees only what it made itself, A0604", "set Item Visibility to All Items").await;
}

/// What every set-up needs is asked of every account; a right that one kind of manifest needs, where there is one.
#[tokio::test]
async fn an_npm_account_without_the_right_that_a_manifest_needs() {
    let setup = Setup::sound().await;
    for (level, file, text, hint) in [
        ((npm::Kind::DeadHost, Level::Hidden), "gone.yaml", "{kind: DeadHost, name: gone, domain: gone}", "404 hosts"),
        ((npm::Kind::DeadHost, Level::View), "gone.yaml", "{kind: DeadHost, name: gone, domain: gone}", "404 hosts"),
        (
            (npm::Kind::Stream, Level::Hidden),
            "ssh.yaml",
            "{kind: Stream, name: ssh, port: 2222, to: \"192.168.1.20:22\"}",
            "streams",
        ),
        (
            (npm::Kind::Certificate, Level::View),
            "nas.yaml",
            "{kind: Route, name: nas, routes: [{domain: nas, to: \"http://192.168.1.20:5000\", tls: letsencrypt}]}",
            "certificates",
        ),
    ] {
        let (kind, level) = level;
        setup.npm.set_level(kind, level);
        assert_eq!(setup.doctor().await.code, 0, "{hint} are not needed yet");
        let before = std::fs::read_to_string(setup.path("services").join(file)).ok();
        setup.write(file, text);
        let hint = format!("in NPM, Users, {ACCOUNT}, Edit Permissions, set {hint} to Manage");
        setup.is_wrong("signed in as anna@anna.home.arpa with user rights, A0604", &hint).await;
        setup.npm.set_level(kind, Level::Manage);
        assert_eq!(setup.doctor().await.code, 0);
        match before {
            Some(before) => setup.write(file, &before),
            None => std::fs::remove_file(setup.path("services").join(file)).unwrap(),
        }
    }
}

/// 2.12 tells of no certificate which streams have it.
#[tokio::test]
async fn an_npm_that_does_not_tell_who_has_a_certificate() {
    let user = NpmUser::plain(2, ACCOUNT, PASSWORD, NpmPermissions::documented());
    let setup = Setup::on(NpmVersion::V2_12, user).await;
    setup.npm.set_level(npm::Kind::Stream, Level::Hidden);
    assert_eq!(setup.doctor().await.code, 0);
    let route = "{kind: Route, name: nas, routes: [{domain: nas, to: \"http://192.168.1.20:5000\", tls: letsencrypt}]}";
    setup.write("nas.yaml", route);
    setup.reports("does not see streams, A0604", "Edit Permissions, set streams to View Only").await;
}

#[tokio::test]
async fn an_npm_account_that_lets_encrypt_refuses() {
    let user = NpmUser::plain(2, "admin@example.com", PASSWORD, NpmPermissions::documented());
    let setup = Setup::with(user).await;
    let hint = "in NPM, Users, admin@example.com, set an address that receives mail, then `npm.main.identity`";
    setup.reports("Let's Encrypt refuses the e-mail address admin@example.com, A0252", hint).await;
}

#[tokio::test]
async fn an_npm_container_that_is_not_there() {
    let setup = Setup::sound().await;
    setup.docker.remove("npm").unwrap();
    setup.is_wrong("main: there is no container npm, A0257", "correct `npm.main.container`").await;
}

#[tokio::test]
async fn an_npm_container_that_is_not_attached() {
    let setup = Setup::sound().await;
    setup.write("cloud.yaml", "{name: cloud, image: \"nextcloud:29\", port: 80}");
    setup.docker.seed_network("zz-amarre-cloud", "10.97.3.0/24").unwrap();
    setup.reports("main: container npm is not attached to 1 network, A0257", "hint: amarre reconcile").await;
    assert!(setup.doctor().await.out.contains("      cloud: put right by the next run\n"));
}

#[tokio::test]
async fn a_wrong_key_of_ovh() {
    let mut setup = Setup::sound().await;
    setup.config["ovh"]["consumer_key"] = json!("canary-wrong");
    setup
        .is_wrong("could not list the zones: OVH answered 403: This credential is not valid, A0702", "check the keys")
        .await;
}

#[tokio::test]
async fn a_service_account_that_is_refused() {
    let mut setup = Setup::sound().await;
    let (endpoint, token_url) = (setup.ovh.endpoint(), setup.ovh.token_url());
    let account =
        json!({"endpoint": endpoint, "token_url": token_url, "client_id": "client-id", "client_secret": "canary"});
    setup.config["ovh"] = account.clone();
    setup.is_wrong("invalid_client: Client authentication failed, A0720", "`ovh.client_id`").await;
    std::fs::remove_file(setup.path("amarre.yaml")).unwrap();
    setup.config["ovh"]["client_secret"] = json!("client-secret");
    let said = setup.doctor().await;
    assert!(said.code == 0 && said.out.contains("signed in as a service account, example.org"), "{}", said.out);
}

#[tokio::test]
async fn a_missing_right_at_ovh() {
    let setup = Setup::sound().await;
    let zone = "/domain/zone/example.org";
    setup.ovh.grant_only(&[
        ("GET", "/domain/zone"),
        ("GET", "/domain/zone/*"),
        ("POST", "/domain/zone/*/record"),
        ("PUT", "/domain/zone/*"),
    ]);
    let lacking = format!("DELETE {zone}/record/*, POST {zone}/refresh");
    setup.is_wrong("the token lacks 2 of its rights, A0702", &lacking).await;
    setup.is_wrong("the token lacks 2 of its rights, A0702", "make a token with GET, POST, PUT and DELETE").await;
}

#[tokio::test]
async fn a_clock_that_is_off() {
    let setup = Setup::sound().await;
    setup.ovh.clock_skew(3600);
    // A second may begin between the reading of one clock and that of the other.
    for part in ["this machine's clock is 360", " s behind OVH's, A0253"] {
        setup.reports(part, "hint: timedatectl set-ntp true").await;
    }
}

#[tokio::test]
async fn a_token_that_expires_soon() {
    let setup = Setup::sound().await;
    setup.ovh.expires(&(jiff::Timestamp::now() + jiff::SignedDuration::from_hours(80)).to_string());
    setup.reports("the token expires in 3 days, A0254", "unlimited validity").await;
}

#[tokio::test]
async fn a_domain_of_another_account() {
    let mut setup = Setup::sound().await;
    setup.config["domains"] = json!(["example.net"]);
    let text = "no zone of the account holds example.net, nas.example.net, A0701";
    setup.is_wrong(text, "there are example.org").await;
    setup.is_wrong(text, "put `dns: none` into those manifests").await;
}

#[tokio::test]
async fn name_servers_that_cannot_be_reached() {
    let setup = Setup::sound().await;
    for server in &setup.ovh.servers {
        server.stop().await;
    }
    setup.reports("0 of 2 servers of example.org answer, A0255", "does a firewall close port 53").await;
}

#[tokio::test]
async fn a_resolver_that_is_silent() {
    let mut setup = Setup::sound().await;
    setup.ovh.servers[1].behave(Mood::Silent);
    setup.config["dns"]["propagation"]["resolvers"] = json!([setup.ovh.dns[1].to_string()]);
    setup.reports("does not answer, A0255", "`dns.propagation.resolvers`").await;
}

#[tokio::test]
async fn a_pool_that_is_full() {
    let mut setup = Setup::sound().await;
    setup.config["network"] = json!({"pools": ["10.97.0.0/24"]});
    setup.docker.seed_network("legacy", "10.97.0.0/24").unwrap();
    setup.is_wrong("10.97.0.0/24, 0 of 1 leased, 0 free, A0501", "add a pool to `network.pools`").await;
}

#[tokio::test]
async fn a_certificate_that_is_missing_or_ends() {
    let setup = Setup::sound().await;
    let route = "{kind: Route, name: nas, routes: [{domain: nas, to: \"http://192.168.1.20:5000\", tls: wild}]}";
    setup.write("nas.yaml", route);
    setup.is_wrong("NPM main has no certificate `wild`, A0243", "make it in NPM under that name").await;
    setup.npm.seed_certificate("wild", &["*.example.org"]);
    let said = setup.doctor().await;
    assert!(said.out.contains("certificates  1 in use, next to expire wild in "), "{}", said.out);
}

/// Two of one name on one engine and one zone: each takes the marks of the other for its own.
#[tokio::test]
async fn another_amarre_of_the_same_name() {
    let mut setup = Setup::sound().await;
    setup.docker.image(ImageSpec::new("web:1"));
    setup.write("web.yaml", "{name: web, image: \"web:1\", port: 80}");
    let applied = setup.run(&["apply", "--yes", "--timeout", "60s"]).await;
    assert_eq!(applied.code, 0, "{}", applied.out);
    let said = setup.doctor().await;
    assert!(!said.out.contains("  ! instance"), "all of it is its own: {}", said.out);
    // With a ledger and a key of its own, and other manifests.
    setup.config["state"] = json!("./other/amarre.db");
    std::fs::remove_file(setup.path("amarre.yaml")).unwrap();
    std::fs::remove_file(setup.path("services/web.yaml")).unwrap();
    std::fs::create_dir(setup.path("other")).unwrap();
    let planned = setup.run(&["plan"]).await;
    assert!(planned.out.contains("A0430"), "its key is made by then: {}", planned.out);
    let way = "another name by `instance:` in amarre.yaml";
    setup.reports("Docker default: 2 resources with the mark of home, which this ledger never had, A1034", way).await;
    setup.reports("NPM main: 1 resource with the mark of home, which this ledger never had, A1034", way).await;
    setup.reports("with the mark of home, and no key of ours signed that, A1034", way).await;
    let said = setup.doctor().await;
    assert!(said.out.contains("container web") && said.out.contains("record web.example.org A"), "{}", said.out);
}

#[tokio::test]
async fn a_lease_under_a_foreign_network() {
    let setup = Setup::sound().await;
    setup.docker.image(ImageSpec::new("web:1"));
    setup.write("nas.yaml", "{name: web, image: \"web:1\", dns: none}");
    let applied = setup.run(&["apply", "--yes", "--timeout", "60s"]).await;
    assert_eq!(applied.code, 0, "{}", applied.out);
    let said = setup.doctor().await;
    assert!(said.out.contains("1 of 16 leased, 15 free"), "{}", said.out);
    // A person takes ours away and makes another in its place.
    setup.docker.remove("web").unwrap();
    setup.docker.remove_network("zz-amarre-web").unwrap();
    setup.docker.seed_network("legacy", "10.97.0.0/24").unwrap();
    setup
        .is_wrong("10.97.0.0/24 of zz-amarre-web overlaps network legacy (10.97.0.0/24), A0259", "`network.avoid`")
        .await;
}
