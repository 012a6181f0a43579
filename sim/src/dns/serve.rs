//! Moves messages between the sockets and [`super::answer`].

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Header, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Mood, QUERIES_KEPT_MAX, Shared, answer};

/// What a client without EDNS takes (RFC 1035 §4.2.1).
const PLAIN_PAYLOAD_MAX: usize = 512;

/// What we take and offer with EDNS: no fragments on any usual link.
const EDNS_PAYLOAD: u16 = 1232;

const TCP_CONNECTIONS_MAX: usize = 64;

/// A client that says nothing for so long is gone (RFC 7766 §6.2.3 leaves the number to servers).
const TCP_IDLE: Duration = Duration::from_secs(10);

pub(super) async fn run(udp: UdpSocket, tcp: TcpListener, shared: Arc<Shared>) {
    tokio::join!(serve_udp(udp, &shared), serve_tcp(tcp, &shared));
}

async fn serve_udp(udp: UdpSocket, shared: &Shared) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        // An error here is an ICMP answer to an earlier datagram: it concerns no query.
        let Ok((length, client)) = udp.recv_from(&mut buffer).await else {
            continue;
        };
        let Some(reply) = respond(&buffer[..length], shared) else {
            continue;
        };
        let payload = payload_max(&reply);
        let bytes = match reply.to_vec() {
            Ok(bytes) if bytes.len() <= payload => bytes,
            Ok(_) => reply.truncate().to_vec().unwrap_or_default(),
            Err(_) => continue,
        };
        // The client is gone: nothing to do.
        let _ = udp.send_to(&bytes, client).await;
    }
}

async fn serve_tcp(tcp: TcpListener, shared: &Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = tcp.accept().await else {
            continue;
        };
        while connections.len() >= TCP_CONNECTIONS_MAX {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        connections.spawn(converse(stream, Arc::clone(shared)));
    }
}

/// Answers one connection until the client closes it (RFC 7766).
async fn converse(mut stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    loop {
        let query = timeout(TCP_IDLE, read(&mut stream)).await??;
        let Some(reply) = respond(&query, &shared) else {
            continue;
        };
        let bytes = reply.to_vec().map_err(std::io::Error::other)?;
        let length = u16::try_from(bytes.len()).map_err(std::io::Error::other)?;
        stream.write_all(&length.to_be_bytes()).await?;
        stream.write_all(&bytes).await?;
    }
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut query = vec![0; usize::from(length)];
    stream.read_exact(&mut query).await?;
    Ok(query)
}

/// `None` where a real server says nothing: to answers, to noise, and when it is told to be silent.
fn respond(bytes: &[u8], shared: &Shared) -> Option<Message> {
    let query = match Message::from_vec(bytes) {
        Ok(query) => query,
        Err(_) => return malformed(bytes),
    };
    if query.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut state = shared.lock();
    if let Some(question) = query.queries.first() {
        if state.queries.len() >= QUERIES_KEPT_MAX {
            state.queries.remove(0);
        }
        let line = format!("{} {}", question.name().to_lowercase(), question.query_type());
        state.queries.push(line);
    }
    let mut reply = match state.mood {
        Mood::Silent => return None,
        Mood::Fails => answer::refusal(&query, ResponseCode::ServFail),
        Mood::Answers => answer::answer(&state.zones, shared.role, &query),
    };
    if query.edns.is_some() {
        let mut edns = Edns::new();
        // The smaller of both sides is the limit of a UDP answer, and what we say in it.
        edns.set_max_payload(query.max_payload().min(EDNS_PAYLOAD));
        reply.set_edns(edns);
    }
    Some(reply)
}

fn malformed(bytes: &[u8]) -> Option<Message> {
    let header = Header::read(&mut BinDecoder::new(bytes)).ok()?;
    (header.metadata.message_type == MessageType::Query)
        .then(|| Message::error_msg(header.metadata.id, OpCode::Query, ResponseCode::FormErr))
}

fn payload_max(reply: &Message) -> usize {
    match &reply.edns {
        Some(edns) => usize::from(edns.max_payload()),
        None => PLAIN_PAYLOAD_MAX,
    }
}
