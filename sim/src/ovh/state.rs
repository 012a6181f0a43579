//! The account: zones with their rows, what was published of them, and the API's habits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::routes::action;
use super::{DOCUMENTED_ACTIONS, DOCUMENTED_RULES, OvhOptions, PublishMode};
use crate::dns::zone::{absolute, check};
use crate::dns::{DnsZone, Soa};
use crate::ovh_api::{Access, Keys, Reply, bad_request};

/// Ids of records are ten digits long today.
pub(super) const FIRST_ID: u64 = 5_295_328_894;

/// The vendor numbers zones by day; ours start on a fixed one, so that runs repeat.
const FIRST_SERIAL: u32 = 2_026_010_100;

/// What the vendor documents, and what octodns-ovh 1.2.0 sends beside. LOC is left out: nobody's
/// answer for it was recorded.
const KINDS: &[&str] = &[
    "A", "AAAA", "CAA", "CNAME", "DKIM", "DMARC", "DNAME", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SPF", "SRV", "SSHFP",
    "SVCB", "TLSA", "TXT",
];

/// TTL 0 is the zone's default; else this is the least (terraform-provider-ovh's validation).
const TTL_MIN: u32 = 60;

const TXT_CHUNK: usize = crate::dns::rdata::TXT_STRING_MAX;

#[derive(Debug, Clone)]
pub(super) struct State {
    pub access: Access,
    pub publish: PublishMode,
    pub zones: BTreeMap<String, Zone>,
    pub habits: Habits,
    last_id: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Habits {
    pub id_zero: bool,
    pub expanded: bool,
    pub batch: bool,
    pub export: bool,
    pub export_drafts: bool,
    pub apex_null: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Zone {
    pub name: String,
    pub name_servers: Vec<String>,
    pub rows: BTreeMap<u64, Row>,
    pub soa: Soa,
    /// Rows and SOA of the last refresh.
    pub published: Vec<Row>,
    pub published_soa: Soa,
    pub refreshes: u32,
    pub last_update: String,
    /// Why the last refresh was refused.
    pub conflict: Option<String>,
    /// What the expanded list answers until a client says `Pragma: no-cache`.
    pub cached: Option<Vec<Row>>,
    pub tasks: BTreeMap<u64, Task>,
    pub history: BTreeMap<String, Vec<Row>>,
}

/// What outlives a start: records, and what was published of them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    last_id: u64,
    zones: BTreeMap<String, KeptZone>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptZone {
    rows: Vec<Row>,
    published: Vec<Row>,
    serial: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub id: u64,
    pub sub: String,
    pub kind: String,
    pub target: String,
    pub ttl: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Task {
    pub function: &'static str,
    pub created: String,
    /// Reads so far: every look finds the task one step further.
    pub looks: u32,
}

impl State {
    pub fn new(options: OvhOptions) -> Result<Self, String> {
        let keys = Keys {
            application_key: options.application_key,
            application_secret: options.application_secret,
            consumer_key: options.consumer_key,
        };
        let mut state = Self {
            access: Access::new(keys, &DOCUMENTED_RULES, &DOCUMENTED_ACTIONS, action),
            publish: options.publish,
            zones: BTreeMap::new(),
            habits: Habits {
                id_zero: false,
                expanded: true,
                batch: true,
                export: true,
                export_drafts: true,
                apex_null: false,
            },
            last_id: options.ids_after,
        };
        for name in options.zones {
            absolute(&name)?;
            let mut zone = Zone::new(&name, options.dns_ports.len().max(1));
            for server in zone.name_servers.clone() {
                let row = zone.server_row(state.next_id(), &server);
                zone.rows.insert(row.id, row);
            }
            zone.published = zone.rows.values().cloned().collect();
            state.zones.insert(name, zone);
        }
        Ok(state)
    }

    pub fn to_keep(&self) -> Kept {
        let zone = |zone: &Zone| KeptZone {
            rows: zone.rows.values().cloned().collect(),
            published: zone.published.clone(),
            serial: zone.soa.serial,
        };
        let zones = self.zones.iter().map(|(name, it)| (name.clone(), zone(it))).collect();
        Kept { last_id: self.last_id, zones }
    }

    /// A zone that is not the account's any more is forgotten; one that was not is as new.
    pub fn take_over(&mut self, kept: Kept) {
        self.skip_ids(kept.last_id);
        for (name, kept) in kept.zones {
            let Some(zone) = self.zones.get_mut(&name) else { continue };
            zone.rows = kept.rows.into_iter().map(|row| (row.id, row)).collect();
            zone.published = kept.published;
            zone.soa.serial = kept.serial;
            zone.published_soa = zone.soa.clone();
        }
    }

    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Ids up to this one are taken.
    pub fn skip_ids(&mut self, taken: u64) {
        self.last_id = self.last_id.max(taken);
    }
}

impl Zone {
    fn new(name: &str, servers: usize) -> Self {
        // The vendor's pairs are dnsN.ovh.net and nsN.ovh.net.
        let name_servers: Vec<String> = (0..servers)
            .map(|index| {
                let prefix = if index % 2 == 0 { "dns" } else { "ns" };
                format!("{prefix}{}.ovh.net", 106 + index / 2)
            })
            .collect();
        let soa = Soa {
            server: "dns106.ovh.net.".to_owned(),
            email: "tech.ovh.net.".to_owned(),
            serial: FIRST_SERIAL,
            refresh: 86_400,
            retry: 3_600,
            expire: 3_600_000,
            negative_ttl: 60,
            ttl: 3_600,
        };
        Self {
            name: name.to_owned(),
            name_servers,
            rows: BTreeMap::new(),
            soa: soa.clone(),
            published: Vec::new(),
            published_soa: soa,
            refreshes: 0,
            last_update: date_now(),
            conflict: None,
            cached: None,
            tasks: BTreeMap::new(),
            history: BTreeMap::new(),
        }
    }

    pub fn server_row(&self, id: u64, server: &str) -> Row {
        Row { id, sub: String::new(), kind: "NS".to_owned(), target: format!("{server}."), ttl: 0 }
    }

    /// Takes what is stored into the zone, or says why not.
    pub fn deploy(&mut self) -> Result<(), String> {
        if let Some(name) = self.alias_with_company() {
            let why = format!("CNAME and other data at {name}");
            self.conflict = Some(why.clone());
            return Err(why);
        }
        self.conflict = None;
        self.published = self.rows.values().cloned().collect();
        self.next_serial();
        self.last_update = date_now();
        self.history.insert(self.last_update.clone(), self.published.clone());
        Ok(())
    }

    /// Takes one row into the zone, or out of it when it is gone.
    pub fn publish_row(&mut self, id: u64) {
        self.published.retain(|row| row.id != id);
        self.published.extend(self.rows.get(&id).cloned());
        self.published.sort_by_key(|row| row.id);
        self.next_serial();
    }

    fn next_serial(&mut self) {
        self.soa.serial = self.soa.serial.wrapping_add(1);
        self.published_soa = self.soa.clone();
    }

    /// The zone of the last refresh as its servers answer it.
    pub fn dns(&self) -> Option<DnsZone> {
        // Names are checked when they come in.
        let mut zone = DnsZone::new(&self.name, &self.published_soa).ok()?;
        for row in &self.published {
            // So are rows; one that is refused here all the same is not served.
            let _ = zone.add(&row.sub, &row.kind, &row.target, row.ttl);
        }
        Some(zone)
    }

    /// A name with a CNAME and anything else (RFC 1034 §3.6.2), whatever the order of arrival.
    fn alias_with_company(&self) -> Option<String> {
        let alias = |row: &Row| row.kind == "CNAME";
        self.rows.values().filter(|row| alias(row)).find_map(|row| {
            let same_name = |other: &&Row| other.sub.eq_ignore_ascii_case(&row.sub);
            self.rows.values().filter(same_name).any(|other| !alias(other) || other.target != row.target).then(|| {
                match row.sub.as_str() {
                    "" => self.name.clone(),
                    sub => format!("{sub}.{}", self.name),
                }
            })
        })
    }
}

impl Task {
    pub fn progress(&self) -> &'static str {
        match self.looks {
            0 => "todo",
            1 => "doing",
            _ => "done",
        }
    }
}

impl Row {
    pub fn json(&self, zone: &str) -> Value {
        json!({
            "id": self.id,
            "zone": zone,
            "subDomain": self.sub,
            "fieldType": self.kind,
            "target": self.target,
            "ttl": self.ttl,
        })
    }

    /// The row as the vendor stores it, or its refusal.
    pub fn checked(mut self, zone: &str) -> Result<Self, Reply> {
        if !KINDS.contains(&self.kind.as_str()) {
            // Guessed text.
            return Err(bad_request(&format!(
                "[fieldType] Given data ({}) does not belong to the RecordTypeEnum enumeration",
                self.kind
            )));
        }
        let host = matches!(self.kind.as_str(), "A" | "AAAA" | "CNAME");
        if host && self.sub.contains('_') {
            // dnscontrol's notes on OVH, python-ovh issue 144.
            let text = "Invalid domain name, underscore not allowed";
            return Err(bad_request(text));
        }
        if self.ttl != 0 && self.ttl < TTL_MIN {
            // Guessed text.
            return Err(bad_request("[ttl] must be 0 or at least 60"));
        }
        match self.kind.as_str() {
            "TXT" | "SPF" => self.target = quoted(&self.target),
            // dnscontrol issue 2488.
            "DMARC" if !self.sub.starts_with("_dmarc") => {
                return Err(bad_request("Invalid subdomain"));
            }
            // dnscontrol issue 1235, word for word for a quoted DKIM.
            "DKIM" | "DMARC" if self.target.starts_with('"') => return Err(self.invalid()),
            _ => (),
        }
        match check(zone, &self.sub, &self.kind, &self.target) {
            Ok(()) => Ok(self),
            Err(_) => Err(self.invalid()),
        }
    }

    /// The text of a refused DKIM (dnscontrol issue 1235); for other types by analogy.
    fn invalid(&self) -> Reply {
        bad_request(&format!("Invalid subfield found in {} : {}", self.kind, self.target))
    }
}

/// TXT comes back quoted, whoever sent it bare, and cut into strings of 255 bytes
/// (terraform-provider-ovh issues 1193 and 1225). Text that is quoted already is kept.
pub(super) fn quoted(text: &str) -> String {
    if text.len() >= 2 && text.starts_with('"') && text.ends_with('"') {
        return text.to_owned();
    }
    let mut strings = vec![String::new()];
    let mut length = 0;
    for character in text.chars() {
        if length + character.len_utf8() > TXT_CHUNK {
            strings.push(String::new());
            length = 0;
        }
        length += character.len_utf8();
        if let Some(string) = strings.last_mut() {
            if matches!(character, '"' | '\\') {
                string.push('\\');
            }
            string.push(character);
        }
    }
    format!("\"{}\"", strings.join("\" \""))
}

/// The API's form of a date.
pub(super) fn date_now() -> String {
    crate::clock::now().strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}
