//! One published version of a zone.

use std::collections::BTreeMap;

use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::rdata;

/// Start of authority, with the numbers that OVH lets a user set plus `retry`, which it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Soa {
    /// Primary server, with its final dot.
    pub server: String,
    /// Mail address with a dot for the `@`, with its final dot.
    pub email: String,
    /// Version of the zone.
    pub serial: u32,
    /// Seconds between two looks of a secondary.
    pub refresh: u32,
    /// Seconds until a secondary tries again.
    pub retry: u32,
    /// Seconds until a secondary without contact gives up.
    pub expire: u32,
    /// Seconds for which "no such name" may be cached.
    pub negative_ttl: u32,
    /// TTL of every record without its own.
    pub ttl: u32,
}

/// The records of one zone as a server answers them.
#[derive(Debug, Clone)]
pub struct DnsZone {
    origin: Name,
    soa: Record,
    negative_ttl: u32,
    default_ttl: u32,
    nodes: BTreeMap<Name, Vec<Record>>,
}

impl DnsZone {
    /// A zone that holds its SOA only.
    ///
    /// # Errors
    /// A name is not one.
    pub fn new(origin: &str, soa: &Soa) -> Result<Self, String> {
        let origin = absolute(origin)?;
        let seconds = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let data = SOA::new(
            absolute(&soa.server)?,
            absolute(&soa.email)?,
            soa.serial,
            seconds(soa.refresh),
            seconds(soa.retry),
            seconds(soa.expire),
            soa.negative_ttl,
        );
        let soa_record = Record::from_rdata(origin.clone(), soa.ttl, RData::SOA(data));
        let nodes = BTreeMap::from([(origin.clone(), vec![soa_record.clone()])]);
        Ok(Self { origin, soa: soa_record, negative_ttl: soa.negative_ttl.min(soa.ttl), default_ttl: soa.ttl, nodes })
    }

    /// Adds a record; `sub` is relative to the zone (`""` = apex), `ttl` 0 is the zone's. A record
    /// that is there already is not served twice (RFC 2181 §5).
    ///
    /// # Errors
    /// The name or the data are not of the type's form.
    pub fn add(&mut self, sub: &str, kind: &str, target: &str, ttl: u32) -> Result<(), String> {
        let name = owner(&self.origin, sub)?;
        let data = rdata::parse(&self.origin, kind, target)?;
        let ttl = if ttl == 0 { self.default_ttl } else { ttl };
        let records = self.nodes.entry(name.clone()).or_default();
        if !records.iter().any(|record| record.data == data) {
            records.push(Record::from_rdata(name, ttl, data));
        }
        Ok(())
    }

    pub(super) fn origin(&self) -> &Name {
        &self.origin
    }

    /// The SOA as it stands in the authority section of a negative answer (RFC 2308 §3).
    pub(super) fn negative_soa(&self) -> Record {
        let mut soa = self.soa.clone();
        soa.ttl = self.negative_ttl;
        soa
    }

    pub(super) fn node(&self, name: &Name) -> Option<&[Record]> {
        self.nodes.get(name).map(Vec::as_slice)
    }

    /// Whether the name exists, be it only because something below it does (RFC 4592 §2.2.2).
    pub(super) fn exists(&self, name: &Name) -> bool {
        self.nodes.keys().any(|node| name.zone_of(node))
    }

    /// Name servers of a part that was delegated away, at or above `name`.
    pub(super) fn delegation(&self, name: &Name, kind: RecordType) -> Option<Vec<Record>> {
        let depth = self.origin.num_labels();
        let mut cut = name.clone();
        let mut found = None;
        while cut.num_labels() > depth {
            let servers: Vec<Record> = self
                .node(&cut)
                .unwrap_or_default()
                .iter()
                .filter(|record| record.record_type() == RecordType::NS)
                .cloned()
                .collect();
            // A delegation is asked for by its own NS and DS as any record is.
            let asked_itself = cut == *name && matches!(kind, RecordType::DS);
            if !servers.is_empty() && !asked_itself {
                found = Some(servers);
            }
            cut = cut.base_name();
        }
        found
    }
}

/// `sub` in the zone `origin`, lower-case. IDN labels may come as Unicode: clients send them so.
pub(crate) fn owner(origin: &Name, sub: &str) -> Result<Name, String> {
    if sub.is_empty() {
        return Ok(origin.clone());
    }
    let name = Name::parse(sub, Some(origin)).map_err(|error| error.to_string())?;
    if !origin.zone_of(&name) {
        return Err(format!("{sub} is not below {origin}"));
    }
    Ok(name.to_lowercase())
}

pub(crate) fn absolute(text: &str) -> Result<Name, String> {
    let mut name = Name::parse(text, None).map_err(|error| error.to_string())?;
    name.set_fqdn(true);
    Ok(name.to_lowercase())
}

/// Whether `target` has the form of `kind`, in the zone named `zone`.
pub(crate) fn check(zone: &str, sub: &str, kind: &str, target: &str) -> Result<(), String> {
    let origin = absolute(zone)?;
    owner(&origin, sub)?;
    rdata::parse(&origin, kind, target).map(|_| ())
}
