//! Vendors that answer without end, or with words for a terminal: what they send costs a bounded amount, and what they
//! say is shown clean and short.

use amarre::providers::ReadLogs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use amarre::providers::docker::{DockerConfig, DockerProvider};
use amarre::providers::{LogQuery, Observation, ObserveQuery, Provider};
use amarre::secret::MarkKey;
use amarre_core::model::{Address, Code, Fields, Kind, Owner, ProviderId, Readiness, Seen, Timestamp};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::cli::rig::{Rig, end};
use crate::openapi::ask_for;

const MIB: u64 = 1024 * 1024;
/// What is between two processes on one machine: the buffers of their sockets.
const ON_THE_WAY: u64 = 16 * MIB;
const NOW: Timestamp = Timestamp(1_763_600_000_000);

/// What is answered to a request whose path holds a word.
#[derive(Debug, Clone)]
pub enum Says {
    /// A whole answer.
    All(u16, String),
    /// The beginning of an answer, and then the same again and again.
    Endless(Vec<u8>, Vec<u8>),
}

pub type Rules = Vec<(&'static str, Says)>;

pub struct Hostile {
    pub address: SocketAddr,
    sent: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Hostile {
    /// Answers by the first rule that fits.
    pub async fn start(rules: Rules) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, sent) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let counted = sent.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (rules, sent) = (rules.clone(), counted.clone());
                connections.spawn(async move { answer(client, &rules, &sent).await });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, sent, task }
    }

    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut client: TcpStream, rules: &Rules, sent: &AtomicU64) -> Option<()> {
    let mut read = Vec::new();
    while !read.windows(4).any(|four| four == b"\r\n\r\n") {
        if client.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
    let text = String::from_utf8_lossy(&read).into_owned();
    let path = text.split_whitespace().nth(1)?;
    let (_, says) = rules.iter().find(|(word, _)| path.contains(word))?;
    match says {
        Says::All(status, body) => {
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            client.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
        }
        Says::Endless(begin, piece) => {
            client
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
                .await
                .ok()?;
            client.write_all(begin).await.ok()?;
            let block = piece.repeat(64 * 1024 / piece.len() + 1);
            // It ends when the client stops reading; the limit is for a client that does.
            while sent.load(Ordering::Relaxed) < 512 * MIB {
                client.write_all(&block).await.ok()?;
                sent.fetch_add(block.len() as u64, Ordering::Relaxed);
            }
        }
    }
    Some(())
}

pub fn version() -> (&'static str, Says) {
    let body = json!({"ApiVersion": "1.43", "Version": "24.0.1", "Os": "linux", "Arch": "amd64"});
    ("/version", Says::All(200, body.to_string()))
}

fn empty_lists() -> Rules {
    let list = |path, body: Json| (path, Says::All(200, body.to_string()));
    vec![list("/networks", json!([])), list("/volumes", json!({})), list("/images", json!([]))]
}

fn provider(server: &Hostile) -> DockerProvider {
    let endpoint = format!("tcp://{}", server.address);
    let config = DockerConfig::new(ProviderId::docker("default"), &endpoint, "home", MarkKey::new([7; 32]));
    DockerProvider::new(config).unwrap()
}

async fn observe(server: &Hostile) -> Observation {
    let ask = ObserveQuery { now: NOW, ..ObserveQuery::default() };
    provider(server).observe(&ask).await
}

#[track_caller]
fn gap(observation: &Observation) -> (String, String) {
    let [gap] = observation.gaps.as_slice() else { panic!("{:?}", observation.gaps) };
    (gap.code.to_string(), gap.message.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_of_docker_is_read_to_its_limit_and_no_further() {
    let text = Says::Endless(br#"[{"Id": ""#.to_vec(), b"aaaaaaaaaaaaaaaa".to_vec());
    let server = Hostile::start([vec![version(), ("/containers/json", text)], empty_lists()].concat()).await;
    let (code, message) = gap(&observe(&server).await);
    assert_eq!(code, "A0541", "{message}");
    assert!(message.contains("64 MiB"), "{message}");
    assert!(server.sent() < 64 * MIB + ON_THE_WAY, "{} bytes were taken", server.sent());
}

/// Small on the wire and large in memory.
#[tokio::test(flavor = "multi_thread")]
async fn endless_small_objects_of_docker_are_not_gathered() {
    let objects = Says::Endless(b"[{}".to_vec(), b",{}".to_vec());
    let server = Hostile::start([vec![version(), ("/containers/json", objects)], empty_lists()].concat()).await;
    assert_eq!(gap(&observe(&server).await).0, "A0541");
    assert!(server.sent() < 2 * MIB + ON_THE_WAY, "{} bytes were taken", server.sent());
}

/// A log is a stream: only one line of it is in memory at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_log_without_an_end_is_not_gathered() {
    // Standard output, four gigabytes in one piece.
    let line = Says::Endless(vec![1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], b"x".to_vec());
    let rules = vec![version(), ("/logs", line), ("/json", Says::All(200, r#"{"Id": "1234"}"#.to_owned()))];
    let server = Hostile::start(rules).await;
    let address = Address::new(ProviderId::docker("default"), Kind::Container, "web");
    let seen = Seen {
        fields: Fields::default(),
        ready: Readiness::Ready,
        owner: Owner::Ours,
        service: None,
        vendor_id: "1234".to_owned(),
        at: NOW,
    };
    let ask = LogQuery { lines: 10, hidden: [].into(), since: None };
    let error = provider(&server).logs(&address, &seen, &ask).await.unwrap_err();
    assert_eq!(error.code, Code::A0541, "{error}");
    assert!(server.sent() < 4 * MIB + ON_THE_WAY, "{} bytes were taken", server.sent());
}

/// For the terminal: a colour, a title, the clipboard; for the eye: text that runs the other way.
const RUDE: &str = "\u{1b}[31mred \u{1b}]0;owned\u{7}\u{1b}]52;c;aGk=\u{1b}\\ \u{202e}drawkcab\u{9b}2J";

fn rude_page() -> String {
    format!("<html><head><title>{RUDE}</title></head><body>{}", "<p>long</p>".repeat(10_000))
}

#[track_caller]
fn is_clean_and_short(text: &str) {
    assert!(text.len() < 20_000, "{} bytes are shown", text.len());
    let obeyed: Vec<char> =
        text.chars().filter(|char| (char.is_control() && *char != '\n') || *char == '\u{202e}').collect();
    assert!(obeyed.is_empty(), "{obeyed:?} in {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn vendor_messages_are_shown_clean_and_short() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", "name: web\nimage: web:1\nroutes:\n  - {domain: web.example.org, port: 80}\n");
    for words in [RUDE.to_owned(), rude_page(), RUDE.repeat(5_000)] {
        let refused = Says::All(500, json!({"message": words}).to_string());
        let docker = Hostile::start(vec![version(), ("/", refused)]).await;
        let npm_refuses = Says::All(400, json!({"error": {"code": 400, "message": words}}).to_string());
        let npm = Hostile::start(vec![("/", npm_refuses)]).await;
        let mut config = rig.config();
        config["hosts"]["default"]["docker"] = json!(format!("tcp://{}", docker.address));
        config["npm"]["main"]["url"] = json!(format!("http://{}", npm.address));
        rig.file("amarre.yaml", &config.to_string());
        for command in [&["plan"][..], &["status"], &["doctor"]] {
            let ended = rig.run(command).await;
            is_clean_and_short(&ended.out);
            is_clean_and_short(&ended.err);
            assert!(ended.out.contains("was refused"), "{ended:?}");
        }
    }
}

/// Names and states of containers that Amarre did not make stand in plans and in reports, too.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_foreign_resources_are_shown_clean() {
    let rig = Rig::start().await;
    rig.file("services/web.yaml", "name: web\nimage: web:1\nrecords: []\n");
    let name = format!("/web{RUDE}");
    let container = json!({
        "Id": "aa", "Names": [name], "Image": RUDE, "State": "running", "Status": RUDE, "Labels": {"x": RUDE},
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
        "Ports": [{"PrivatePort": 80, "PublicPort": 8080, "Type": "tcp", "IP": "0.0.0.0"}],
    });
    let network = json!({"Name": format!("net{RUDE}"), "Id": "bb", "Labels": {}, "IPAM": {"Config": []}});
    let rules = vec![
        (
            "/version",
            Says::All(200, json!({"ApiVersion": "1.43", "Version": RUDE, "Os": RUDE, "Arch": RUDE}).to_string()),
        ),
        ("/containers/json", Says::All(200, json!([container]).to_string())),
        ("/networks", Says::All(200, json!([network]).to_string())),
        ("/volumes", Says::All(200, json!({"Volumes": []}).to_string())),
        ("/images/json", Says::All(200, "[]".to_owned())),
        ("/", Says::All(500, json!({"message": RUDE}).to_string())),
    ];
    let docker = Hostile::start(rules).await;
    let mut config = rig.config();
    config["hosts"]["default"]["docker"] = json!(format!("tcp://{}", docker.address));
    rig.file("amarre.yaml", &config.to_string());
    for command in [&["plan"][..], &["status"], &["doctor"], &["list", "--all"]] {
        let ended = rig.run(command).await;
        is_clean_and_short(&ended.out);
        is_clean_and_short(&ended.err);
    }
    // A text over HTTP reaches a terminal as well.
    let daemon = rig.daemon(&[], &[]).await;
    let address: SocketAddr = rig.config()["server"]["listen"].as_str().unwrap().parse().unwrap();
    for path in ["/api/v1/status?only=unmanaged", "/api/v1/status", "/api/v1/plan", "/api/v1/services/web"] {
        let line = format!("GET {path}");
        let answer = ask_for(address, ("localhost", ""), &line, "text/plain; colour=true", "", "").await;
        assert!(answer.status == 200 && answer.content.starts_with("text/plain"), "{answer:?}");
        let text = answer.body.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
        let text =
            ["31", "32", "33", "36", "2"].iter().fold(text, |text, tone| text.replace(&format!("\u{1b}[{tone}m"), ""));
        is_clean_and_short(&text);
    }
    assert_eq!(end(daemon).await, 0);
}
