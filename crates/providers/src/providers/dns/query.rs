//! Questions to one DNS server at a time, UDP first, TCP when the answer is cut. Caches nothing.
//!
//! A resolver library would ask whom it likes and remember; here it matters who answers and what he says *now*.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::op::{Edns, Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use amarre_core::model::world::Resolution;

/// A datagram may be lost once.
const DATAGRAMS_MAX: u32 = 2;
/// What we take over UDP: no fragments on any usual link.
const PAYLOAD_BYTES_MAX: u16 = 1232;
/// Answers to earlier questions and forgeries; more than this is an attack.
const STRAYS_MAX: usize = 32;
const PORT: u16 = 53;

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAnswer {
    /// The values of exactly this name and type, in the product's spelling, in order; none when there are none.
    Values(Vec<String>),
    /// It will not say (refused, server failure).
    Declined(String),
}

/// Asks one server for one name and type; `limit` is for all of it.
///
/// # Errors
/// No answer came, in words for people.
pub async fn ask(server: SocketAddr, name: &str, record_type: &str, limit: Duration) -> Result<ServerAnswer, String> {
    let question = question(name, record_type)?;
    match timeout(limit, exchange(server, &question, limit)).await {
        Ok(Ok(answer)) => Ok(read(&question, &answer)),
        Ok(Err(error)) => Err(format!("{server}: {error}")),
        Err(_) => Err(format!("{server} does not answer")),
    }
}

/// The addresses of a host, as the first of `resolvers` that answers says; IPv4 first.
pub async fn addresses(host: &str, resolvers: &[SocketAddr], limit: Duration) -> Vec<IpAddr> {
    for resolver in resolvers {
        let (v4, v6) = tokio::join!(ask(*resolver, host, "A", limit), ask(*resolver, host, "AAAA", limit));
        let mut found = Vec::new();
        for said in [v4, v6] {
            if let Ok(ServerAnswer::Values(values)) = said {
                found.extend(values.iter().filter_map(|value| value.parse::<IpAddr>().ok()));
            }
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// Looks a name up as a visitor would, by the first of `resolvers` that answers.
pub async fn leads(name: &str, resolvers: &[SocketAddr], limit: Duration) -> Resolution {
    for resolver in resolvers {
        let (v4, v6) = tokio::join!(found(*resolver, name, "A", limit), found(*resolver, name, "AAAA", limit));
        match (v4, v6) {
            (Some(v4), Some(v6)) if v4.is_empty() && v6.is_empty() => return Resolution::Nowhere(resolver.ip()),
            (None, None) => (),
            (v4, v6) => {
                let all: BTreeSet<IpAddr> = v4.into_iter().chain(v6).flatten().collect();
                if !all.is_empty() {
                    return Resolution::To(all);
                }
            }
        }
    }
    Resolution::Unknown
}

/// Every address in an answer; `None`: there was no answer.
async fn found(server: SocketAddr, name: &str, record_type: &str, limit: Duration) -> Option<Vec<IpAddr>> {
    let question = question(name, record_type).ok()?;
    let answer = timeout(limit, exchange(server, &question, limit)).await.ok()?.ok()?;
    let code = answer.metadata.response_code;
    if code != ResponseCode::NoError && code != ResponseCode::NXDomain {
        return None;
    }
    let values = answer.answers.iter().map(|record| spelled(&record.data));
    Some(values.filter_map(|value| value.parse().ok()).collect())
}

/// The resolvers that this machine is set up with.
pub fn system_resolvers() -> Vec<SocketAddr> {
    match read_system_conf() {
        Ok((config, _)) => config.name_servers().iter().map(|server| at_usual_port(server.ip)).collect(),
        Err(_) => Vec::new(),
    }
}

/// A server at the port of DNS.
pub fn at_usual_port(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, PORT)
}

fn question(name: &str, record_type: &str) -> Result<Message, String> {
    let absolute = format!("{}.", name.trim_end_matches('.'));
    let parsed = if name.is_ascii() { Name::from_ascii(&absolute) } else { Name::from_utf8(&absolute) };
    let parsed = parsed.map_err(|error| format!("`{name}` cannot be asked for: {error}"))?;
    let record_type: RecordType =
        record_type.parse().map_err(|_| format!("DNS has no type that is called `{record_type}`"))?;
    let mut message = Message::query();
    message.metadata.id = rand::random();
    // For resolvers; the zone's own servers do not mind.
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(parsed, record_type));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD_BYTES_MAX);
    message.set_edns(edns);
    Ok(message)
}

async fn exchange(server: SocketAddr, question: &Message, limit: Duration) -> Result<Message, String> {
    let bytes = question.to_vec().map_err(|error| error.to_string())?;
    let answer = over_udp(server, question, &bytes, limit).await.map_err(|error| error.to_string())?;
    if !answer.metadata.truncation {
        return Ok(answer);
    }
    over_tcp(server, question, &bytes).await.map_err(|error| error.to_string())
}

async fn over_udp(server: SocketAddr, question: &Message, bytes: &[u8], limit: Duration) -> std::io::Result<Message> {
    let local: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((local, 0)).await?;
    socket.connect(server).await?;
    for _ in 0..DATAGRAMS_MAX {
        socket.send(bytes).await?;
        if let Ok(answer) = timeout(limit / DATAGRAMS_MAX, receive(&socket, question)).await {
            return answer;
        }
    }
    Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer"))
}

async fn receive(socket: &UdpSocket, question: &Message) -> std::io::Result<Message> {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    for _ in 0..STRAYS_MAX {
        let length = socket.recv(&mut buffer).await?;
        if let Some(answer) = Message::from_vec(&buffer[..length]).ok().filter(|answer| answers(question, answer)) {
            return Ok(answer);
        }
    }
    Err(std::io::Error::other("only answers to other questions"))
}

async fn over_tcp(server: SocketAddr, question: &Message, bytes: &[u8]) -> std::io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    let answer = Message::from_vec(&answer).map_err(std::io::Error::other)?;
    if answers(question, &answer) { Ok(answer) } else { Err(std::io::Error::other("an answer to another question")) }
}

fn answers(question: &Message, answer: &Message) -> bool {
    answer.metadata.id == question.metadata.id && answer.queries == question.queries
}

fn read(question: &Message, answer: &Message) -> ServerAnswer {
    let code = answer.metadata.response_code;
    if code != ResponseCode::NoError && code != ResponseCode::NXDomain {
        return ServerAnswer::Declined(code.to_string());
    }
    let mut values = Vec::new();
    for asked in &question.queries {
        // What an alias leads to has another name and does not count.
        let fitting = answer
            .answers
            .iter()
            .filter(|record| record.name == *asked.name() && record.record_type() == asked.query_type());
        values.extend(fitting.map(|record| spelled(&record.data)));
    }
    values.sort();
    ServerAnswer::Values(values)
}

/// Data in the spelling of record sets (`resources::dns::spelling`).
#[expect(clippy::wildcard_enum_match_arm, reason = "hickory's types, of which a handful has a spelling of its own")]
fn spelled(data: &RData) -> String {
    match data {
        RData::A(address) => address.0.to_string(),
        RData::AAAA(address) => address.0.to_string(),
        RData::CNAME(name) => host(&name.0),
        RData::NS(name) => host(&name.0),
        RData::PTR(name) => host(&name.0),
        RData::MX(mx) => format!("{} {}", mx.preference, host(&mx.exchange)),
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, host(&srv.target)),
        RData::TXT(text) => String::from_utf8_lossy(&text.txt_data.concat()).into_owned(),
        RData::CAA(caa) => {
            format!("{} {} \"{}\"", caa.flags(), caa.tag.to_ascii_lowercase(), String::from_utf8_lossy(&caa.value))
        }
        other => other.to_string(),
    }
}

fn host(name: &Name) -> String {
    format!("{}.", name.to_ascii().to_ascii_lowercase().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_refused_before_they_leave() {
        assert!(question("cloud.example.org", "A").is_ok());
        assert!(question("*.example.org", "TXT").is_ok());
        assert!(question("_acme._tcp.example.org.", "SRV").is_ok());
        assert!(question("a..b", "A").is_err());
        assert!(question("example.org", "SPF").is_err());
    }

    #[test]
    fn the_root_keeps_its_dot() {
        assert_eq!(host(&Name::root()), ".");
    }
}
