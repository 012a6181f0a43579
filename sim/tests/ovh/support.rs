//! A small client of the simulated OVH: signs requests and asks DNS servers.

use std::net::SocketAddr;

use amarre_sim::ovh::{Ovh, OvhOptions};
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// `Null` also for an empty body, text for what is not JSON.
    pub body: Value,
    pub headers: HeaderMap,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// Keys and the few ways to sign wrongly.
#[derive(Debug, Clone)]
pub struct Signer {
    pub application_key: String,
    pub secret: String,
    pub consumer_key: String,
    /// Added to the time that is signed and sent.
    pub seconds_ahead: i64,
}

impl Signer {
    /// The simulator's default keys.
    pub fn right() -> Self {
        Self {
            application_key: "application-key".to_owned(),
            secret: "application-secret".to_owned(),
            consumer_key: "consumer-key".to_owned(),
            seconds_ahead: 0,
        }
    }

    pub async fn send(&self, ovh: &Ovh, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let url = format!("{}{path}", ovh.endpoint());
        let now = jiff::Timestamp::now().as_second() + self.seconds_ahead;
        let text = format!("{}+{}+{method}+{url}+{body}+{now}", self.secret, self.consumer_key);
        let signature = format!("$1${}", hex::encode(Sha1::digest(text.as_bytes())));
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(&url)
            .header("x-ovh-application", &self.application_key)
            .header("x-ovh-consumer", &self.consumer_key)
            .header("x-ovh-timestamp", now)
            .header("x-ovh-signature", signature)
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        fetch(request.body(Full::from(body.to_owned())).unwrap()).await
    }
}

/// Sends without a signature.
pub async fn fetch(request: Request<Full<Bytes>>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()))
    };
    Answer { status: head.status.as_u16(), body, headers: head.headers }
}

pub async fn get(ovh: &Ovh, path: &str) -> Answer {
    Signer::right().send(ovh, "GET", path, "", &[]).await
}

pub async fn send(ovh: &Ovh, method: &str, path: &str, body: Value) -> Answer {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    Signer::right().send(ovh, method, path, &text, &[]).await
}

pub fn question(name: &str, kind: RecordType) -> Message {
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    query
}

/// Asks over UDP, without EDNS.
pub async fn ask(server: SocketAddr, name: &str, kind: RecordType) -> Message {
    exchange(server, &question(name, kind)).await
}

pub async fn exchange(server: SocketAddr, query: &Message) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(&query.to_vec().unwrap()).await.unwrap();
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer).await.unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

pub async fn ask_tcp(server: SocketAddr, name: &str, kind: RecordType) -> Message {
    let bytes = question(name, kind).to_vec().unwrap();
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let length = stream.read_u16().await.unwrap();
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await.unwrap();
    Message::from_vec(&buffer).unwrap()
}

/// `A 192.0.2.1` and so on: type and data of every answer, sorted.
pub fn answers(message: &Message) -> Vec<String> {
    let mut lines: Vec<String> =
        message.answers.iter().map(|record| format!("{} {}", record.record_type(), record.data)).collect();
    lines.sort();
    lines
}

pub const ZONE: &str = "/domain/zone/example.com";
pub const RECORDS: &str = "/domain/zone/example.com/record";

pub async fn start() -> Ovh {
    Ovh::start(OvhOptions::with_zones(&["example.com", "example.org"])).await.unwrap()
}

pub async fn post(ovh: &Ovh, kind: &str, sub: &str, target: &str) -> Answer {
    let body = json!({ "fieldType": kind, "subDomain": sub, "target": target });
    send(ovh, "POST", RECORDS, body).await
}

pub async fn refresh(ovh: &Ovh) -> Answer {
    send(ovh, "POST", &format!("{ZONE}/refresh"), Value::Null).await
}

pub fn ids(rows: &Value) -> Vec<u64> {
    rows.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

#[track_caller]
pub fn refused(answer: &Answer, status: u16, text: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.message().contains(text), "{answer:?}");
}
