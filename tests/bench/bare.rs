//! A client that does nothing but ask: HTTP over the engine's socket, a connection for each request.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::support::rig::Rig;

pub const SOCKET: &str = "/var/run/docker.sock";

/// A body, without its head; a chunked one is left as it is, for it is only looked through.
pub async fn ask(socket: &Path, method: &str, path: &str, body: Option<&Json>) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(&request(method, path, "", body)).await.unwrap();
    answer(&mut stream, path).await
}

/// Of the engine.
pub async fn engine(method: &str, path: &str, body: Option<&Json>) -> Vec<u8> {
    ask(Path::new(SOCKET), method, path, body).await
}

/// Of NPM, with a token.
pub async fn npm(rig: &Rig, method: &str, path: &str, token: &str, body: Option<&Json>) -> Vec<u8> {
    let mut stream = TcpStream::connect(rig.npm.server.address).await.unwrap();
    let token = format!("Authorization: Bearer {token}\r\n");
    stream.write_all(&request(method, path, &token, body)).await.unwrap();
    answer(&mut stream, path).await
}

/// Signs in.
pub async fn token(rig: &Rig) -> String {
    let login = json!({"identity": "amarre@amarre.demo", "secret": "changeme-npm"});
    json(&npm(rig, "POST", "/api/tokens", "", Some(&login)).await)["token"].as_str().unwrap().to_owned()
}

fn request(method: &str, path: &str, more: &str, body: Option<&Json>) -> Vec<u8> {
    let body = body.map(ToString::to_string).unwrap_or_default();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

async fn answer(stream: &mut (impl AsyncReadExt + Unpin), what: &str) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    let head = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let status: u16 = std::str::from_utf8(&all[9..12]).unwrap().parse().unwrap();
    assert!(status < 400, "{what}: {}", String::from_utf8_lossy(&all));
    all.split_off(head + 4)
}

/// A document that came whole, or in chunks.
pub fn json(body: &[u8]) -> Json {
    let text = String::from_utf8_lossy(body);
    let from = text.find(['{', '[']).unwrap_or(0);
    let mut documents = serde_json::Deserializer::from_str(&text[from..]).into_iter();
    documents.next().and_then(Result::ok).unwrap_or_default()
}

fn name(tag: &str, number: usize) -> String {
    format!("{tag}-bare{number:03}")
}

/// A network and a container each, `at_once` of them.
pub async fn make(tag: &str, octet: u32, count: usize, at_once: usize) {
    let one = |number: usize| async move {
        network(tag, octet, number).await;
        container(tag, octet, number).await;
    };
    futures_util::stream::iter((0..count).map(one)).buffer_unordered(at_once).collect::<Vec<()>>().await;
}

async fn network(tag: &str, octet: u32, number: usize) {
    let subnet = json!({
        "Subnet": format!("10.{octet}.{number}.0/24"), "Gateway": format!("10.{octet}.{number}.1"),
        "IPRange": format!("10.{octet}.{number}.128/25"),
    });
    let body = json!({"Name": name(tag, number), "Driver": "bridge", "IPAM": {"Config": [subnet]}});
    engine("POST", "/networks/create", Some(&body)).await;
}

async fn container(tag: &str, octet: u32, number: usize) {
    let name = name(tag, number);
    let endpoint = json!({name.clone(): {"IPAMConfig": {"IPv4Address": format!("10.{octet}.{number}.3")}}});
    let body = json!({
        "Image": "amarre-test:1", "Cmd": ["serve", "80"],
        "HostConfig": {"NetworkMode": name, "RestartPolicy": {"Name": "unless-stopped"}},
        "NetworkingConfig": {"EndpointsConfig": endpoint},
    });
    engine("POST", &format!("/containers/create?name={name}"), Some(&body)).await;
    engine("POST", &format!("/containers/{name}/start"), None).await;
}

pub async fn remove(tag: &str, count: usize) {
    let one = |number: usize| remove_one(tag, number);
    futures_util::stream::iter((0..count).map(one)).buffer_unordered(4).collect::<Vec<()>>().await;
}

async fn remove_one(tag: &str, number: usize) {
    engine("DELETE", &format!("/containers/{}?force=1", name(tag, number)), None).await;
    engine("DELETE", &format!("/networks/{}", name(tag, number)), None).await;
}

/// How long one container takes on a network that is there; both are gone afterwards.
pub async fn remade(tag: &str, octet: u32) -> Duration {
    // The services have the lower subnets.
    let number = 254;
    network(tag, octet, number).await;
    let began = Instant::now();
    container(tag, octet, number).await;
    let took = began.elapsed();
    remove_one(tag, number).await;
    took
}

/// The starts of containers with a label, from now on.
pub struct Starts(UnixStream);

impl Starts {
    pub async fn subscribe(label: &str) -> Self {
        let filters = json!({"type": ["container"], "event": ["start"], "label": [label]}).to_string();
        let filters: String = url(&filters);
        let mut stream = UnixStream::connect(SOCKET).await.unwrap();
        stream.write_all(&request("GET", &format!("/events?filters={filters}"), "", None)).await.unwrap();
        Self(stream)
    }

    /// Until this many more have started.
    pub async fn wait(&mut self, count: usize) {
        let (mut seen, mut tail) = (0, Vec::new());
        while seen < count {
            let mut part = vec![0; 16 * 1024];
            let read = tokio::time::timeout(Duration::from_secs(600), self.0.read(&mut part)).await;
            let read = read.expect("containers start").unwrap();
            assert!(read > 0, "the engine goes on telling");
            tail.extend_from_slice(&part[..read]);
            // Each event is one line.
            while let Some(end) = tail.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = tail.drain(..=end).collect();
                seen += usize::from(String::from_utf8_lossy(&line).contains("\"status\":\"start\""));
            }
        }
    }
}

fn url(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
