//! Query + zones → answer. Pure. RFC 1034 §4.3.2, wildcards by RFC 4592, negative answers by RFC 2308.

use std::collections::BTreeMap;

use hickory_proto::op::{Message, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::{DnsZone, Role};

/// Ends a circle of aliases.
const ALIASES_MAX: usize = 8;

/// What a zone says of one name and type.
enum Found {
    Records(Vec<Record>),
    Alias(Box<Record>, Name),
    /// The name exists, the type does not.
    NoData,
    NoName,
    /// The name lies in a part that other servers are responsible for.
    Elsewhere(Vec<Record>),
}

pub(super) fn answer(zones: &BTreeMap<Name, DnsZone>, role: Role, query: &Message) -> Message {
    if query.metadata.op_code != OpCode::Query {
        return refusal(query, ResponseCode::NotImp);
    }
    let [question] = query.queries.as_slice() else {
        return refusal(query, ResponseCode::FormErr);
    };
    let transfer = matches!(question.query_type(), RecordType::AXFR | RecordType::IXFR);
    if question.query_class() != DNSClass::IN || transfer {
        return refusal(query, ResponseCode::Refused);
    }
    match (zone_of(zones, question.name()), role) {
        (None, Role::Authority) => refusal(query, ResponseCode::Refused),
        (None, Role::Resolver) => {
            let mut reply = refusal(query, ResponseCode::NXDomain);
            reply.metadata.recursion_available = true;
            reply
        }
        (Some(zone), role) => {
            let mut reply = refusal(query, ResponseCode::NoError);
            reply.metadata.authoritative = role == Role::Authority;
            reply.metadata.recursion_available = role == Role::Resolver;
            follow(zones, zone, question, &mut reply);
            reply
        }
    }
}

/// An answer without records.
pub(super) fn refusal(query: &Message, code: ResponseCode) -> Message {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&query.metadata);
    reply.metadata.response_code = code;
    reply.add_queries(query.queries.iter().cloned());
    reply
}

/// Fills `reply`, going along aliases as far as the zones of this server reach.
fn follow(zones: &BTreeMap<Name, DnsZone>, first: &DnsZone, question: &Query, reply: &mut Message) {
    let mut zone = first;
    let mut name = question.name().clone();
    for _ in 0..=ALIASES_MAX {
        match find(zone, &name, question.query_type()) {
            Found::Records(records) => {
                reply.add_answers(records);
                return;
            }
            Found::Alias(record, target) => {
                reply.add_answer(*record);
                name = target;
                match zone_of(zones, &name) {
                    Some(next) => zone = next,
                    None => return,
                }
            }
            Found::NoData => {
                reply.add_authority(zone.negative_soa());
                return;
            }
            // The code is that of the last name of the chain (RFC 6604 §3).
            Found::NoName => {
                reply.metadata.response_code = ResponseCode::NXDomain;
                reply.add_authority(zone.negative_soa());
                return;
            }
            Found::Elsewhere(servers) => {
                reply.metadata.authoritative = !reply.answers.is_empty();
                reply.add_authorities(servers);
                return;
            }
        }
    }
    reply.metadata.response_code = ResponseCode::ServFail;
}

fn find(zone: &DnsZone, name: &Name, kind: RecordType) -> Found {
    if let Some(servers) = zone.delegation(name, kind) {
        return Found::Elsewhere(servers);
    }
    if let Some(records) = zone.node(&name.to_lowercase()) {
        return pick(records, name, kind);
    }
    if zone.exists(name) {
        return Found::NoData;
    }
    // Only the wildcard right below the closest existing ancestor counts: an existing name,
    // even an empty one, hides the wildcards above it.
    let mut encloser = name.base_name();
    while !zone.exists(&encloser) {
        encloser = encloser.base_name();
    }
    let wildcard = encloser.prepend_label("*").ok();
    match wildcard.and_then(|wildcard| zone.node(&wildcard.to_lowercase())) {
        Some(records) => pick(records, name, kind),
        None => Found::NoName,
    }
}

/// The records of a node, under the name that was asked for.
fn pick(records: &[Record], name: &Name, kind: RecordType) -> Found {
    let mut fitting = Vec::new();
    for record in records {
        let mut record = record.clone();
        record.name = name.clone();
        match (&record.data, kind) {
            (_, RecordType::ANY) => fitting.push(record),
            (RData::CNAME(target), kind) if kind != RecordType::CNAME => {
                let target = target.0.clone();
                return Found::Alias(Box::new(record), target);
            }
            (data, kind) if data.record_type() == kind => fitting.push(record),
            (_, _) => (),
        }
    }
    if fitting.is_empty() {
        return Found::NoData;
    }
    Found::Records(fitting)
}

/// The zone with the most labels that holds `name`.
fn zone_of<'a>(zones: &'a BTreeMap<Name, DnsZone>, name: &Name) -> Option<&'a DnsZone> {
    zones.values().filter(|zone| zone.origin().zone_of(name)).max_by_key(|zone| zone.origin().num_labels())
}
