//! `server.tls`: the listeners speak HTTPS, with a certificate of their own or with one that is renewed beside them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio_rustls::client::TlsStream;

use super::{code, served_as};
use crate::cli::rig::{Rig, end};
use crate::support::certificates::Certificates;
use crate::support::trust::Trust;
use crate::support::{eventually, free_port, get};
use crate::web::browser::Browser;
use crate::web::typed;

const PASSWORD: &str = "correct horse battery";
const SERVER: &str = "extendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1,DNS:amarre.example.org";

/// `openssl …` in the folder of a rig; its standard output where it succeeds.
fn openssl(rig: &Rig, args: &[&str]) -> Option<String> {
    let output = Command::new("openssl").args(args).current_dir(rig.path()).stdin(std::process::Stdio::null()).output();
    let output = output.expect("openssl is there: scripts/test");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The SHA-256 of a certificate, as OpenSSL writes it.
fn fingerprint(rig: &Rig, pem: &str) -> String {
    let said = openssl(rig, &["x509", "-in", pem, "-noout", "-fingerprint", "-sha256"]).unwrap();
    said.trim().split_once('=').unwrap().1.to_owned()
}

/// A daemon that serves what this certificate stands for.
async fn served(rig: &Rig, root: &Path) -> Child {
    let ready = async || {
        let Some(trust) = Trust::only(root) else { return false };
        // Until it listens, nothing answers; until it has made another certificate, this one is not trusted.
        trust.shown(rig.port).await.is_some()
            && Browser::with_address(rig.port).trusting(&trust).get("/readyz").await.status == 200
    };
    rig.daemon_when(&["--yes"], &[], ready).await
}

async fn listener_error(rig: &Rig) -> Json {
    let status = rig.run(&["status", "-o", "json"]).await;
    serde_json::from_str::<Json>(&status.out).unwrap()["listener"]["error"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_certificate_serves_every_listener() {
    let rig = Rig::start().await;
    let beside = free_port();
    let mut config = rig.config();
    config["clouds"] = json!({"tlv": {"kamatera": {}, "simulated": true}});
    config["server"]["tls"] = json!("self-signed");
    config["server"]["compat"] = json!({"cloud": {"listen": format!("127.0.0.1:{beside}"), "from": "tlv"}});
    rig.file("amarre.yaml", &config.to_string());
    assert_eq!(typed(&rig, PASSWORD, &["user", "add", "alice@example.org", "--role", "admin"], &[]).await.code, 0);
    let token = rig.run(&["token", "add", "reader"]).await;
    let before = rig.run(&["doctor"]).await;
    assert!(before.out.contains("self-signed, the first run makes the certificate"), "{before:?}");
    let root = rig.path().join("amarre.tls.pem");
    let daemon = served(&rig, &root).await;
    let trust = Trust::only(&root).unwrap();
    let client = |port: u16| Browser::with_address(port).trusting(&trust);

    assert_eq!(client(rig.port).get("/healthz").await.body, "ok\n");
    let refused = client(rig.port).json("GET", "/api/v1/history", None).await;
    assert_eq!((refused.status, code(&refused).as_str()), (401, "A1010"));
    let mut reader = client(rig.port).with_token(token.out.trim());
    assert_eq!(reader.get("/api/v1/history").await.status, 200);
    let mut program = client(beside).with_token(token.out.trim());
    assert!(program.get("/api/servers").await.body.contains("\"power\""));
    assert_eq!(program.get("/ui").await.location(), format!("https://127.0.0.1:{}/instances", rig.port));

    // Cookies are for HTTPS only; nothing binds browsers to a certificate that no authority has signed.
    let mut browser = client(rig.port);
    let signed = browser.signs_in("alice@example.org", PASSWORD).await;
    assert_eq!(signed.status, 303, "{signed:?}");
    assert!(browser.cookies.contains_key("__Host-amarre_session"), "{:?}", browser.cookies);
    assert!(signed.headers["set-cookie"].contains("; Secure"), "{signed:?}");
    assert!(!signed.headers.contains_key("strict-transport-security"), "{signed:?}");
    assert_eq!(browser.get("/api/v1/users").await.status, 200);

    // HTTP is told where HTTPS is, and led nowhere.
    for (port, path) in [(rig.port, "/healthz"), (beside, "/api/servers")] {
        let (status, body) = get(([127, 0, 0, 1], port).into(), "amarre.home", path).await.unwrap();
        assert!(
            status == 400 && body.contains("A1033") && body.contains(&format!("https://amarre.home{path}")),
            "{body}"
        );
    }

    // What people compare, and what OpenSSL makes of it.
    let own = fingerprint(&rig, "amarre.tls.pem");
    assert!(rig.log().contains(&format!("SHA-256 {own}")), "{own}: {}", rig.log());
    let found = rig.run(&["doctor"]).await;
    assert!(found.out.contains("self-signed, until ") && found.out.contains(&own), "{found:?}");
    let mode = std::fs::metadata(rig.path().join("amarre.tls-key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let at = format!("127.0.0.1:{}", rig.port);
    let verify = ["-CAfile", "amarre.tls.pem", "-verify_return_error", "-verify_ip", "127.0.0.1"];
    for (version, works) in [("-tls1_3", true), ("-tls1_2", true), ("-tls1_1", false)] {
        let said = openssl(&rig, &[["s_client", "-connect", &at, version].as_slice(), &verify].concat());
        assert_eq!(said.is_some(), works, "{version}");
    }

    // It is kept, and goes with the names.
    assert_eq!(end(daemon).await, 0);
    let daemon = served(&rig, &root).await;
    assert!(client(rig.port).get("/healthz").await.status == 200 && fingerprint(&rig, "amarre.tls.pem") == own);
    assert_eq!(end(daemon).await, 0);
    config["server"]["url"] = json!("https://amarre.example.org");
    rig.file("amarre.yaml", &config.to_string());
    let daemon = served(&rig, &root).await;
    assert!(rig.log().contains("the one before is for other names"), "{}", rig.log());
    let text = openssl(&rig, &["x509", "-in", "amarre.tls.pem", "-noout", "-text"]).unwrap();
    assert!(text.contains("DNS:amarre.example.org") && text.contains("IP Address:127.0.0.1"), "{text}");
    assert_ne!(fingerprint(&rig, "amarre.tls.pem"), own);
    assert_eq!(end(daemon).await, 0);
}

/// A stream of events over HTTPS, and what it has said.
struct EventStream {
    stream: TlsStream<TcpStream>,
    said: String,
}

impl EventStream {
    async fn open(trust: &Trust, port: u16, token: &str) -> Self {
        let mut stream = trust.connect(port).await.unwrap();
        let asks = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(asks.as_bytes()).await.unwrap();
        let mut opened = Self { stream, said: String::new() };
        opened.reads("text/event-stream").await;
        opened
    }

    async fn reads(&mut self, until: &str) {
        let mut part = [0; 1_024];
        while !self.said.contains(until) {
            let count = self.stream.read(&mut part).await.unwrap();
            assert!(count > 0, "it was ended: {}", self.said);
            self.said.push_str(&String::from_utf8_lossy(&part[..count]));
        }
    }
}

/// A pair of files as a rig serves it.
struct ServedFiles<'a> {
    rig: &'a Rig,
    made: Certificates,
}

impl ServedFiles<'_> {
    fn put_certificate(&self, name: &str) {
        std::fs::copy(self.made.path(&format!("{name}.pem")), self.rig.path().join("fullchain.pem")).unwrap();
    }

    fn put_key(&self, name: &str) {
        let key = self.rig.path().join("privkey.pem");
        std::fs::copy(self.made.path(&format!("{name}-key.pem")), &key).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    }

    async fn trouble(&self, code: &str) {
        eventually(60, "status says so", async || listener_error(self.rig).await["code"] == code).await;
        let found = self.rig.run(&["doctor"]).await;
        assert!(found.code == 1 && found.out.contains(code), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_files_are_served_and_broken_ones_are_not() {
    let rig = Rig::start().await;
    let files = ServedFiles { rig: &rig, made: Certificates::make() };
    files.made.sign("first", SERVER, "90");
    files.made.sign("second", SERVER, "90");
    files.made.sign("ended", SERVER, "-1");
    files.put_certificate("first");
    files.put_key("first");
    let names = json!({"certificate": "fullchain.pem", "key": "privkey.pem"});
    served_as(&rig, &json!({"url": "https://amarre.example.org", "tls": names}));
    assert_eq!(typed(&rig, PASSWORD, &["user", "add", "alice@example.org", "--role", "admin"], &[]).await.code, 0);
    let token = rig.run(&["token", "add", "reader"]).await;
    let daemon = served(&rig, &files.made.path("ca.pem")).await;
    let trust = Trust::only(&files.made.path("ca.pem")).unwrap();
    let first = trust.shown(rig.port).await.unwrap();
    let mut events = EventStream::open(&trust, rig.port, token.out.trim()).await;
    rig.file("services/web.yaml", super::WEB);
    events.reads("service:web").await;

    // A name that is all Amarre's, with a certificate: browsers stay with HTTPS. Not so by an address.
    let mut browser = Browser::with_address(rig.port).trusting(&trust);
    assert!(!browser.get("/login").await.headers.contains_key("strict-transport-security"));
    browser.headers.push(("Host".to_owned(), "amarre.example.org".to_owned()));
    assert_eq!(browser.get("/login").await.headers["strict-transport-security"], "max-age=2592000");

    // A renewal that stops half-way: the pair before is served on.
    files.put_certificate("second");
    files.trouble("A0217").await;
    assert_eq!(trust.shown(rig.port).await.as_ref(), Some(&first));
    assert!(rig.log().contains("is not that of the certificate"), "{}", rig.log());
    files.put_key("second");
    eventually(60, "status is good again", async || listener_error(&rig).await.is_null()).await;
    let second = trust.shown(rig.port).await.unwrap();
    assert_ne!(second, first);
    // What was open before goes on.
    rig.file("services/shop.yaml", "name: shop\nimage: web:1\n");
    events.reads("service:shop").await;

    std::fs::remove_file(rig.path().join("fullchain.pem")).unwrap();
    files.trouble("A0217").await;
    assert_eq!(trust.shown(rig.port).await.as_ref(), Some(&second));
    files.put_key("ended");
    files.put_certificate("ended");
    files.trouble("A0218").await;
    assert_eq!(trust.shown(rig.port).await, None, "clients refuse it");
    let status = rig.run(&["status"]).await;
    assert!(status.out.contains("clients refuse it"), "{status:?}");
    assert_eq!(end(daemon).await, 0);
}

#[tokio::test]
async fn what_cannot_be_served_says_which_file_and_why() {
    let rig = Rig::start().await;
    let made = Certificates::make();
    let copy = |name: &str, to: &str| _ = std::fs::copy(made.path(name), rig.path().join(to)).unwrap();
    copy("server.pem", "good.pem");
    copy("server-key.pem", "good-key.pem");
    copy("client-key.pem", "other-key.pem");
    rig.file("empty.pem", "");
    let locks = ["pkey", "-in", "good-key.pem", "-aes256", "-passout", "pass:canary", "-out", "locked.pem"];
    openssl(&rig, &locks).unwrap();
    let pair = |certificate: &str, key: &str| json!({"tls": {"certificate": certificate, "key": key}});
    for (more, code, says) in [
        (pair("none.pem", "good-key.pem"), "A0217", "none.pem: No such file"),
        (pair("good.pem", "none.pem"), "A0217", "correct `server.tls.key`"),
        (pair("empty.pem", "good-key.pem"), "A0217", "empty.pem holds no certificate"),
        (pair("good-key.pem", "good-key.pem"), "A0217", "holds no certificate"),
        (pair("good.pem", "good.pem"), "A0217", "holds no private key"),
        (pair("good.pem", "locked.pem"), "A0217", "openssl pkey -in"),
        (pair("good.pem", "other-key.pem"), "A0217", "is not that of the certificate"),
        (json!({"tls": "letsencrypt"}), "A0201", "neither `self-signed` nor two files"),
        (json!({"tls": {"certificate": "good.pem"}}), "A0201", "key"),
        (
            json!({"tls": "self-signed", "url": "http://amarre.example.org"}),
            "A0201",
            "write https://amarre.example.org",
        ),
    ] {
        served_as(&rig, &more);
        let refused = rig.run(&["run", "--yes"]).await;
        let is_said = refused.code == 1 && refused.err.contains(code) && refused.err.contains(says);
        assert!(is_said, "{more}: {refused:?}");
    }
    served_as(&rig, &pair("good.pem", "good-key.pem"));
    std::fs::set_permissions(rig.path().join("good-key.pem"), PermissionsExt::from_mode(0o644)).unwrap();
    let found = rig.run(&["doctor"]).await;
    assert!(found.out.contains("A0219") && found.out.contains("chmod 640"), "{found:?}");
    // Its key is no folder that a container may have.
    let config = amarre::config::Config::load(Some(&rig.path().join("amarre.yaml"))).unwrap();
    assert!(config.own_paths().contains(Path::new(&rig.path().join("good-key.pem"))));
}
