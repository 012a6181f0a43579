//! An engine that is not behind a socket: TCP with TLS, ssh, a context of the `docker` command.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use amarre::providers::docker::transport::TlsFiles;
use amarre::providers::docker::{DockerConfig, DockerProvider};
use amarre::providers::{ObserveQuery, ProbePorts, Provider};
use amarre::secret::MarkKey;
use amarre_core::model::{Code, Gap, ProviderId, Seen, Timestamp};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::apply::PLAIN;
use crate::support::certificates::Certificates;
use crate::support::engine::SecondEngine;
use crate::support::rig::{Ended, PUBLIC, Rig};
use crate::support::{eventually, free_port, image};

fn use_docker(rig: &mut Rig, docker: &Json) {
    let host = json!({"docker": docker, "address": PUBLIC, "npm": "main"});
    rig.settings.insert("hosts".to_owned(), json!({"default": host}));
    rig.configure();
}

/// The gap of an engine that cannot be reached.
async fn gap(endpoint: &str, tls: Option<TlsFiles>) -> Gap {
    let config = DockerConfig::new(ProviderId::docker("default"), endpoint, "home", MarkKey::new([7; 32]));
    let provider = DockerProvider::new(DockerConfig { tls, ..config }).unwrap();
    let ask = ObserveQuery { now: Timestamp(1_800_000_000_000), ..ObserveQuery::default() };
    let observation = provider.observe(&ask).await;
    assert!(observation.seen.is_empty(), "unknown is not missing");
    observation.gaps.into_iter().next().unwrap_or_else(|| panic!("{endpoint} was reached"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_engine_behind_tls_is_reached_with_a_certificate() {
    let mut rig = Rig::start().await;
    let certificates = Certificates::make();
    let engine = SecondEngine::start_with_tls(&certificates).await;
    engine.copy_image(image::TWO);
    let path = |name: &str| certificates.path(name).display().to_string();
    let tls = json!({"ca": path("ca.pem"), "cert": path("client.pem"), "key": path("client-key.pem")});
    use_docker(&mut rig, &json!({"url": engine.tls_endpoint(), "tls": tls}));
    rig.write("plain.yaml", PLAIN);
    rig.apply().await;
    rig.assert_serves("plain", "amarre-test 2").await;
    assert_eq!(engine.docker(&["ps", "--format", "{{.Names}}"]), rig.name("plain"));
    assert!(rig.containers().is_empty(), "nothing of it is on the other engine");

    // A probe takes the connection over; that goes through TLS as well.
    let network = format!("container:{}", rig.name("plain"));
    engine.docker(&["run", "-d", "--name", "npm", "--network", &network, image::TWO, "idle"]);
    let client = Some((certificates.path("client.pem"), certificates.path("client-key.pem")));
    let files = TlsFiles { ca: certificates.path("ca.pem"), client };
    let id = ProviderId::docker("default");
    let config = DockerConfig::new(id, &engine.tls_endpoint(), &rig.instance(), MarkKey::new([7; 32]));
    let npm_container = Some("npm".to_owned());
    let provider = DockerProvider::new(DockerConfig { tls: Some(files), npm_container, ..config }).unwrap();
    let seen =
        provider.observe(&ObserveQuery { now: Timestamp(1_800_000_000_000), ..ObserveQuery::default() }).await.seen;
    let ours = |seen: &Seen| seen.owner.is_ours() && seen.fields.get("started_at_ms").is_some();
    let (address, plain) = seen.iter().find(|(_, seen)| ours(seen)).unwrap();
    provider.probe(address, plain, 80).await.unwrap();
    provider.probe(address, plain, 81).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_unusable_certificate_is_named_with_the_reason() {
    let certificates = Certificates::make();
    let engine = SecondEngine::start_with_tls(&certificates).await;
    let files = |ca: &str, client: Option<(&str, &str)>| TlsFiles {
        ca: certificates.path(ca),
        client: client.map(|(cert, key)| (certificates.path(cert), certificates.path(key))),
    };
    let client = Some(("client.pem", "client-key.pem"));
    let here = engine.tls_endpoint();
    let by_name = here.replace("127.0.0.1", "localhost");
    // endpoint, files, message, hint
    let cases = [
        (&here, files("other-ca.pem", client), "is signed by somebody else", "other-ca.pem is not the authority"),
        (&here, files("ca.pem", None), "or wants one", "docker.tls.cert"),
        (&here, files("ca.pem", Some(("expired.pem", "expired-key.pem"))), "certificate", "expired"),
        (&by_name, files("ca.pem", client), "is for another name", "make one with localhost"),
        (&here, files("ca.pem", Some(("client.pem", "server-key.pem"))), "is not the key of", "belong together"),
        (&here, files("gone.pem", client), "could not read", "docker.tls.ca names a file"),
        (&here, files("ca-key.pem", client), "holds no certificate", "docker.tls.ca names a file"),
    ];
    for (endpoint, files, message, hint) in cases {
        let mut gap = gap(endpoint, Some(files.clone())).await;
        // The engine says why after the handshake; a busy machine may hear first that the connection is closed.
        for _ in 0..20 {
            if gap.code == Code::A0520 {
                break;
            }
            gap = self::gap(endpoint, Some(files.clone())).await;
        }
        assert_eq!(gap.code, Code::A0520, "{}", gap.message);
        assert!(gap.message.to_string().contains(message), "{}", gap.message);
        assert!(gap.hint.to_string().contains(hint), "{}: {}", gap.message, gap.hint);
    }
    // Without TLS the engine answers that it wants some.
    let plain = gap(&here, None).await;
    assert!(plain.message.to_string().contains("HTTP request to an HTTPS server"), "{}", plain.message);
}

/// An `sshd` of this test's own on loopback; ended on drop.
struct Sshd {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Sshd {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(key)).status();
            assert!(made.expect("ssh-keygen is there: scripts/test").success());
        }
        let port = free_port();
        fs::copy(at("user.pub"), at("authorized")).unwrap();
        fs::set_permissions(at("authorized"), fs::Permissions::from_mode(0o600)).unwrap();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM yes\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n",
            at("host").display(),
            at("authorized").display(),
        );
        fs::write(at("sshd_config"), config).unwrap();
        // Where sshd was never started by the system, this folder is missing; it is needed only as root.
        let _ = fs::create_dir("/run/sshd");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "/usr/sbin/sshd", "-D", "-e", "-f"]).arg(at("sshd_config"));
        let log = fs::File::create(at("log")).unwrap();
        let child = command.stdin(Stdio::null()).stderr(log).spawn().expect("sshd is there: scripts/test");
        let host_key = fs::read_to_string(at("host.pub")).unwrap();
        fs::write(at("known"), format!("[127.0.0.1]:{port} {host_key}")).unwrap();
        let sshd = Self { child, folder, port };
        sshd.client("known", "user");
        eventually(60, "sshd", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        sshd
    }

    /// A folder with an `ssh` that uses these files and is otherwise the system's.
    fn client(&self, known: &str, key: &str) -> PathBuf {
        let at = |name: &str| self.folder.path().join(name);
        let config = format!(
            "Host *\nUserKnownHostsFile {}\nGlobalKnownHostsFile none\nIdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\n",
            at(known).display(),
            at(key).display(),
        );
        let bin = at(&format!("bin-{known}-{key}"));
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("config"), config).unwrap();
        let script = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", bin.join("config").display());
        fs::write(bin.join("ssh"), script).unwrap();
        fs::set_permissions(bin.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
        bin
    }

    fn endpoint(&self) -> String {
        format!("ssh://127.0.0.1:{}", self.port)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a folder in front of the tests' own PATH")]
async fn run_with(rig: &Rig, path: &Path, args: &[&str]) -> Ended {
    let usual = std::env::var("PATH").unwrap();
    let mut command = rig.command(args);
    let output = command.env("PATH", format!("{}:{usual}", path.display())).output().await.unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_engine_is_reached_over_ssh() {
    let mut rig = Rig::start().await;
    let sshd = Sshd::start().await;
    // Through the gate, as all else here.
    let socket = rig.folder.path().join("docker.sock");
    use_docker(&mut rig, &json!(format!("{}{}", sshd.endpoint(), socket.display())));
    rig.write("plain.yaml", PLAIN);
    let path = sshd.client("known", "user");
    let applied = run_with(&rig, &path, &["apply", "--yes", "--timeout", "180s"]).await;
    assert_eq!(applied.code, 0, "{applied}");
    rig.assert_serves("plain", "amarre-test 2").await;
    assert!(rig.gate.writes().iter().any(|line| line.contains("/containers/create")), "{:?}", rig.gate.writes());
    let plan = run_with(&rig, &path, &["plan", "--detailed-exitcode"]).await;
    assert_eq!(plan.code, 0, "{plan}");

    fs::write(sshd.folder.path().join("nobody"), "").unwrap();
    let mut other = Command::new("ssh-keygen");
    other.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(sshd.folder.path().join("stranger"));
    assert!(other.status().unwrap().success());
    for (known, key, hint) in [("nobody", "user", "accept the host's key"), ("known", "stranger", "without a password")]
    {
        let status = run_with(&rig, &sshd.client(known, key), &["plan"]).await;
        let text = format!("{status}");
        assert!(text.contains("A0521") && text.contains(hint), "{text}");
    }
    // What listens there is not the engine.
    use_docker(&mut rig, &json!(format!("{}/nowhere.sock", sshd.endpoint())));
    let status = format!("{}", run_with(&rig, &path, &["plan"]).await);
    assert!(status.contains("A0521") && status.contains("nowhere.sock"), "{status}");
}

/// A context counts where it is named, and nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_context_counts_only_where_it_is_named() {
    let mut rig = Rig::start().await;
    let certificates = Certificates::make();
    let engine = SecondEngine::start_with_tls(&certificates).await;
    let folder = tempfile::tempdir().unwrap();
    let digest = hex::encode(Sha256::digest("nas"));
    let meta = folder.path().join("contexts/meta").join(&digest);
    let tls = folder.path().join("contexts/tls").join(&digest).join("docker");
    fs::create_dir_all(&meta).unwrap();
    fs::create_dir_all(&tls).unwrap();
    let endpoints = json!({"docker": {"Host": engine.tls_endpoint(), "SkipTLSVerify": false}});
    let text = json!({"Name": "nas", "Metadata": {}, "Endpoints": endpoints}).to_string();
    fs::write(meta.join("meta.json"), text).unwrap();
    for (from, to) in [("ca.pem", "ca.pem"), ("client.pem", "cert.pem"), ("client-key.pem", "key.pem")] {
        fs::copy(certificates.path(from), tls.join(to)).unwrap();
    }
    fs::write(folder.path().join("config.json"), r#"{"currentContext": "nas"}"#).unwrap();
    let id = engine.docker(&["network", "create", "zz-amarre-only-there"]);
    assert!(!id.is_empty());
    rig.settings.insert("policy".to_owned(), json!({"networks": ["zz-amarre-only-there"]}));
    rig.write("shared.yaml", "{kind: Service, name: TAG-x, image: amarre-test:2, network: zz-amarre-only-there}");

    let run = async |rig: &Rig, variable: &str, value: &str| {
        let mut command = rig.command(&["plan"]);
        command.env("DOCKER_CONFIG", folder.path()).env_remove("DOCKER_CONTEXT").env(variable, value);
        let output = command.output().await.unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    // Where the network is, nothing else is in the way.
    let is_there = |text: &str| text.contains("+ container");
    rig.settings.insert("hosts".to_owned(), json!({"default": {"address": PUBLIC, "npm": "main"}}));
    rig.configure();
    let by_variable = run(&rig, "DOCKER_CONTEXT", "nas").await;
    let by_current = run(&rig, "DOCKER_CONTEXT", "").await;
    use_docker(&mut rig, &json!({"context": "nas"}));
    let by_name = run(&rig, "DOCKER_CONTEXT", "").await;
    assert_eq!(by_variable, by_name);
    assert_ne!(by_variable, by_current, "the context in use is not followed");
    assert!(is_there(&by_name), "{by_name}");
    use_docker(&mut rig, &json!({"context": "other"}));
    let unknown = run(&rig, "DOCKER_CONTEXT", "").await;
    assert!(unknown.contains("A0522") && unknown.contains("`other`"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_host_has_an_engine_of_its_own() {
    let mut rig = Rig::start().await;
    let engine = SecondEngine::start().await;
    engine.copy_image(image::TWO);
    let first = format!("unix://{}", rig.folder.path().join("docker.sock").display());
    let hosts = json!({"default": {"docker": first}, "attic": {"docker": {"url": engine.endpoint()}}});
    rig.settings.insert("hosts".to_owned(), hosts);
    rig.configure();
    let healthy = "healthcheck: {test: [CMD, 'true'], interval: 1s}, dns: none, image: 'amarre-test:2'";
    rig.write("here.yaml", &format!("{{name: TAG-here, {healthy}}}"));
    rig.write("there.yaml", &format!("{{name: TAG-there, host: attic, {healthy}}}"));
    rig.apply().await;
    assert_eq!(rig.containers().into_keys().collect::<Vec<_>>(), [rig.name("here")]);
    assert_eq!(engine.docker(&["ps", "--format", "{{.Names}}"]), rig.name("there"));
    // One that is away hides only its own.
    let away = json!({"default": {"docker": first}, "attic": {"docker": "unix:///nowhere/docker.sock"}});
    rig.settings.insert("hosts".to_owned(), away);
    rig.configure();
    let status = rig.status().await;
    let sync = |name: &str| {
        let rows = status["services"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == rig.name(name)).map(|row| row["sync"].clone())
    };
    assert_eq!((sync("here"), sync("there")), (Some(json!("Synced")), Some(json!("Unknown"))), "{status:#}");
}
