//! A small client of the simulated OVH: signs requests and asks DNS servers.

use std::net::SocketAddr;

use amarre_sim::ovh::{Ovh, OvhOptions};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

#[path = "../signed/mod.rs"]
mod signed;

pub use signed::*;

impl Api for Ovh {
    fn endpoint(&self) -> String {
        self.endpoint()
    }
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
