//! The simulated zone servers, asked over UDP and TCP.

use crate::support::{answers, ask, ask_tcp, exchange, question, send};
use amarre_sim::dns::{Dns, DnsZone, Mood, Role, Soa};
use amarre_sim::ovh::{Ovh, OvhOptions, PublishMode};
use hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_proto::rr::{RData, RecordType};
use serde_json::{Value, json};
use tokio::net::{TcpStream, UdpSocket};

async fn start(mode: PublishMode) -> Ovh {
    let options = OvhOptions { publish: mode, ..OvhOptions::with_zones(&["example.com"]) };
    Ovh::start(options).await.unwrap()
}

/// Name and kind → code and answers, from the first server.
#[track_caller]
fn check(reply: &Message, code: ResponseCode, wanted: &[&str]) {
    assert_eq!(reply.metadata.response_code, code, "{reply}");
    assert_eq!(answers(reply), wanted, "{reply}");
}

fn has_soa(reply: &Message) -> bool {
    let kinds: Vec<RecordType> = reply.authorities.iter().map(|record| record.record_type()).collect();
    kinds == [RecordType::SOA]
}

#[tokio::test]
async fn every_type_is_answered() {
    let ovh = start(PublishMode::AtOnce).await;
    let rows = [
        ("a", "A", "192.0.2.1", RecordType::A, "A 192.0.2.1"),
        ("a", "AAAA", "2001:db8::1", RecordType::AAAA, "AAAA 2001:db8::1"),
        ("c", "CNAME", "elsewhere.example.net.", RecordType::CNAME, "CNAME elsewhere.example.net."),
        ("m", "MX", "10 mail", RecordType::MX, "MX 10 mail.example.com."),
        (
            "n",
            "NAPTR",
            "100 10 \"U\" \"E2U+sip\" \"!^.*$!sip:a@b!\" .",
            RecordType::NAPTR,
            "NAPTR 100 10 \"U\" \"E2U+sip\" \"!^.*$!sip:a@b!\" .",
        ),
        ("p", "PTR", "a.example.com.", RecordType::PTR, "PTR a.example.com."),
        ("_s._tcp", "SRV", "1 2 443 a", RecordType::SRV, "SRV 1 2 443 a.example.com."),
        ("", "CAA", "0 issue \"letsencrypt.org\"", RecordType::CAA, "CAA 0 issue \"letsencrypt.org\""),
        ("t", "TXT", "bare; text", RecordType::TXT, "TXT bare; text"),
        (
            "f",
            "SSHFP",
            "1 1 dd465c09cfa51fb45020cc83316fff21b9ec74ac",
            RecordType::SSHFP,
            "SSHFP 1 1 DD465C09CFA51FB45020CC83316FFF21B9EC74AC",
        ),
        ("_443._tcp", "TLSA", "3 1 1 00ff", RecordType::TLSA, "TLSA 3 1 1 00FF"),
        ("spf", "SPF", "v=spf1 -all", RecordType::TXT, "TXT v=spf1 -all"),
        ("x._domainkey", "DKIM", "v=DKIM1; p=AAAA", RecordType::TXT, "TXT v=DKIM1; p=AAAA"),
    ];
    for (sub, kind, target, _, _) in rows {
        assert_ne!(ovh.seed_record("example.com", sub, kind, target, 0), 0, "{sub} {kind}");
    }
    for (sub, _, _, kind, wanted) in rows {
        let name = if sub.is_empty() { "example.com.".to_owned() } else { format!("{sub}.example.com.") };
        let reply = ask(ovh.dns[0], &name, kind).await;
        let text: Vec<String> = answers(&reply).iter().map(|line| line.to_lowercase()).collect();
        assert_eq!(text, [wanted.to_lowercase()], "{name} {kind}");
        assert!(reply.metadata.authoritative);
        assert_eq!(reply.answers[0].ttl, 3600, "the zone's TTL where the record has none");
    }
    let reply = ask(ovh.dns[0], "example.com.", RecordType::NS).await;
    check(&reply, ResponseCode::NoError, &["NS dns106.ovh.net.", "NS ns106.ovh.net."]);
    let reply = ask(ovh.dns[1], "Example.COM.", RecordType::SOA).await;
    let RData::SOA(soa) = &reply.answers[0].data else { unreachable!("{reply}") };
    assert_eq!(soa.serial, ovh.serial("example.com"));
}

#[tokio::test]
async fn a_dname_is_sent_as_it_is() {
    let ovh = start(PublishMode::AtOnce).await;
    ovh.seed_record("example.com", "d", "DNAME", "example.net.", 0);
    let reply = ask(ovh.dns[0], "d.example.com.", RecordType::DNAME).await;
    assert_eq!(reply.answers.len(), 1);
    assert_eq!(reply.answers[0].record_type(), RecordType::DNAME);
}

#[tokio::test]
async fn wildcards_follow_rfc_4592() {
    let ovh = start(PublishMode::AtOnce).await;
    ovh.seed_record("example.com", "*", "A", "192.0.2.1", 60);
    ovh.seed_record("example.com", "here", "TXT", "x", 60);
    ovh.seed_record("example.com", "deep.empty", "A", "192.0.2.2", 60);
    ovh.seed_record("example.com", "*.alias", "CNAME", "here", 60);
    let server = ovh.dns[0];
    let a = RecordType::A;

    let reply = ask(server, "Any.example.com.", a).await;
    check(&reply, ResponseCode::NoError, &["A 192.0.2.1"]);
    assert_eq!(reply.answers[0].name.to_ascii(), "Any.example.com.");
    check(&ask(server, "two.labels.example.com.", a).await, ResponseCode::NoError, &["A 192.0.2.1"]);

    let reply = ask(server, "any.example.com.", RecordType::AAAA).await;
    check(&reply, ResponseCode::NoError, &[]);
    assert!(has_soa(&reply));

    // An existing name is not covered, whatever its types.
    check(&ask(server, "here.example.com.", a).await, ResponseCode::NoError, &[]);
    check(&ask(server, "below.here.example.com.", a).await, ResponseCode::NXDomain, &[]);

    // "empty" exists because of "deep.empty", so it hides the wildcard for itself and all below.
    check(&ask(server, "empty.example.com.", a).await, ResponseCode::NoError, &[]);
    let reply = ask(server, "other.empty.example.com.", a).await;
    check(&reply, ResponseCode::NXDomain, &[]);
    assert!(has_soa(&reply));

    let reply = ask(server, "x.alias.example.com.", RecordType::TXT).await;
    check(&reply, ResponseCode::NoError, &["CNAME here.example.com.", "TXT x"]);
}

#[tokio::test]
async fn aliases_are_followed_within_the_zone() {
    let ovh = start(PublishMode::AtOnce).await;
    ovh.seed_record("example.com", "one", "CNAME", "two.example.com.", 0);
    ovh.seed_record("example.com", "two", "CNAME", "three", 0);
    ovh.seed_record("example.com", "three", "A", "192.0.2.3", 0);
    ovh.seed_record("example.com", "out", "CNAME", "www.example.net.", 0);
    ovh.seed_record("example.com", "lost", "CNAME", "nothing", 0);
    ovh.seed_record("example.com", "ring", "CNAME", "ring", 0);
    let server = ovh.dns[0];
    let a = RecordType::A;
    check(
        &ask(server, "one.example.com.", a).await,
        ResponseCode::NoError,
        &["A 192.0.2.3", "CNAME three.example.com.", "CNAME two.example.com."],
    );
    check(&ask(server, "out.example.com.", a).await, ResponseCode::NoError, &["CNAME www.example.net."]);
    check(&ask(server, "lost.example.com.", a).await, ResponseCode::NXDomain, &["CNAME nothing.example.com."]);
    let reply = ask(server, "ring.example.com.", a).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    check(
        &ask(server, "one.example.com.", RecordType::CNAME).await,
        ResponseCode::NoError,
        &["CNAME two.example.com."],
    );
}

#[tokio::test]
async fn a_delegated_part_is_referred_to_its_servers() {
    let ovh = start(PublishMode::AtOnce).await;
    ovh.seed_record("example.com", "sub", "NS", "ns.example.net.", 0);
    let reply = ask(ovh.dns[0], "www.sub.example.com.", RecordType::A).await;
    check(&reply, ResponseCode::NoError, &[]);
    assert!(!reply.metadata.authoritative);
    assert_eq!(reply.authorities[0].data.to_string(), "ns.example.net.");
}

#[tokio::test]
async fn other_zones_and_other_questions_are_refused() {
    let ovh = start(PublishMode::AtOnce).await;
    let server = ovh.dns[0];
    for (name, kind) in [
        ("example.net.", RecordType::A),
        ("notexample.com.", RecordType::A),
        ("com.", RecordType::NS),
        ("example.com.", RecordType::AXFR),
    ] {
        let reply = ask(server, name, kind).await;
        check(&reply, ResponseCode::Refused, &[]);
        assert!(!reply.metadata.authoritative);
    }
    let mut update = question("example.com.", RecordType::A);
    update.metadata.op_code = OpCode::Notify;
    check(&exchange(server, &update).await, ResponseCode::NotImp, &[]);
}

#[tokio::test]
async fn a_long_answer_is_cut_over_udp_and_whole_over_tcp() {
    let ovh = start(PublishMode::AtOnce).await;
    for number in 1..=60 {
        ovh.seed_record("example.com", "many", "A", &format!("192.0.2.{number}"), 0);
    }
    let name = "many.example.com.";
    let reply = ask(ovh.dns[0], name, RecordType::A).await;
    assert!(reply.metadata.truncation);
    assert_eq!(reply.answers.len(), 0);
    let reply = ask_tcp(ovh.dns[0], name, RecordType::A).await;
    assert_eq!(reply.answers.len(), 60);
    let mut query = question(name, RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    query.set_edns(edns);
    let reply = exchange(ovh.dns[0], &query).await;
    assert_eq!((reply.answers.len(), reply.edns.is_some()), (60, true));
}

#[tokio::test]
async fn only_a_refresh_publishes() {
    let ovh = start(PublishMode::AtOnce).await;
    let name = "www.example.com.";
    let body = json!({ "fieldType": "A", "subDomain": "www", "target": "192.0.2.1" });
    let path = "/domain/zone/example.com/record";
    assert_eq!(send(&ovh, "POST", path, body).await.status, 200);
    check(&ask(ovh.dns[0], name, RecordType::A).await, ResponseCode::NXDomain, &[]);
    // A person's edit publishes that record alone, not what the client left.
    let id = ovh.seed_record("example.com", "other", "A", "192.0.2.8", 0);
    assert!(ovh.edit_record("example.com", id, "192.0.2.9"));
    check(&ask(ovh.dns[0], "other.example.com.", RecordType::A).await, ResponseCode::NoError, &["A 192.0.2.9"]);
    check(&ask(ovh.dns[0], name, RecordType::A).await, ResponseCode::NXDomain, &[]);
    send(&ovh, "POST", "/domain/zone/example.com/refresh", Value::Null).await;
    for server in &ovh.dns {
        check(&ask(*server, name, RecordType::A).await, ResponseCode::NoError, &["A 192.0.2.1"]);
    }
}

#[tokio::test]
async fn one_server_may_know_before_the_other() {
    let ovh = start(PublishMode::Manual).await;
    let name = "www.example.com.";
    let body = json!({ "fieldType": "A", "subDomain": "www", "target": "192.0.2.1" });
    send(&ovh, "POST", "/domain/zone/example.com/record", body).await;
    send(&ovh, "POST", "/domain/zone/example.com/refresh", Value::Null).await;
    assert_eq!(ovh.published("example.com").len(), 3);
    let known = [ResponseCode::NXDomain, ResponseCode::NoError];
    for (step, wanted) in [(0, [0, 0]), (1, [0, 1]), (2, [1, 1])] {
        match step {
            0 => (),
            1 => ovh.publish_to(1),
            _ => ovh.propagate(),
        }
        for (server, wanted) in ovh.dns.iter().zip(wanted) {
            let reply = ask(*server, name, RecordType::A).await;
            assert_eq!(reply.metadata.response_code, known[wanted], "step {step}");
        }
    }
}

#[tokio::test]
async fn a_dead_server_comes_back_on_its_port() {
    let ovh = start(PublishMode::AtOnce).await;
    let dns = &ovh.servers[0];
    dns.stop().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(dns.address).await.unwrap();
    socket.send(&question("example.com.", RecordType::NS).to_vec().unwrap()).await.unwrap();
    assert!(socket.recv(&mut [0; 512]).await.is_err(), "the port is closed");
    assert!(TcpStream::connect(dns.address).await.is_err());
    assert!(UdpSocket::bind(dns.address).await.is_err(), "another program would answer in its place");
    dns.resume().await.unwrap();
    dns.resume().await.unwrap();
    assert_eq!(ask(dns.address, "example.com.", RecordType::NS).await.answers.len(), 2);
}

#[tokio::test]
async fn moods_are_silence_and_failure() {
    let ovh = start(PublishMode::AtOnce).await;
    let dns = &ovh.servers[0];
    dns.behave(Mood::Fails);
    let reply = ask(dns.address, "example.com.", RecordType::NS).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);

    dns.behave(Mood::Silent);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(dns.address).await.unwrap();
    let unheard = question("example.com.", RecordType::A);
    socket.send(&unheard.to_vec().unwrap()).await.unwrap();
    while dns.queries().last().map(String::as_str) != Some("example.com. A") {
        tokio::task::yield_now().await;
    }
    dns.behave(Mood::Answers);
    let heard = question("example.com.", RecordType::NS);
    socket.send(&heard.to_vec().unwrap()).await.unwrap();
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).await.unwrap();
    let reply = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!(reply.metadata.id, heard.metadata.id);
}

#[tokio::test]
async fn a_resolver_knows_many_zones_and_none_by_authority() {
    let resolver = Dns::start(Role::Resolver, 0).await.unwrap();
    let ovh = start(PublishMode::AtOnce).await;
    ovh.seed_record("example.com", "www", "CNAME", "host.example.net.", 0);
    resolver.publish(ovh.dns_zone("example.com").unwrap());
    let soa = Soa {
        server: "ns.example.net.".to_owned(),
        email: "mail.example.net.".to_owned(),
        serial: 1,
        refresh: 60,
        retry: 60,
        expire: 60,
        negative_ttl: 60,
        ttl: 60,
    };
    let mut zone = DnsZone::new("example.net", &soa).unwrap();
    zone.add("host", "A", "192.0.2.7", 0).unwrap();
    zone.add("host", "A", "192.0.2.7", 0).unwrap();
    assert!(zone.add("host", "A", "not an address", 0).is_err());
    resolver.publish(zone);
    let reply = ask(resolver.address, "www.example.com.", RecordType::A).await;
    check(&reply, ResponseCode::NoError, &["A 192.0.2.7", "CNAME host.example.net."]);
    assert!(reply.metadata.recursion_available && !reply.metadata.authoritative);
    check(&ask(resolver.address, "example.org.", RecordType::A).await, ResponseCode::NXDomain, &[]);
    resolver.forget();
    check(&ask(resolver.address, "www.example.com.", RecordType::A).await, ResponseCode::NXDomain, &[]);
}
