//! Servers that Amarre makes, whatever their vendor: which of those that are listed is whose, what cannot be read back of them,
//! and what is called when one changes. Vendors know neither marks nor unique names: a server is found again by its id and by
//! a name that follows from its address, and both must fit before it is deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use async_trait::async_trait;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Class, ObserveQuery, Outcome, ProviderError};
use amarre_core::model::{
    Address, Change, Code, Expect, Fields, Gap, GapScope, Kind, Millis, ProviderId, Text, Timestamp, Value, Verb,
};
use amarre_core::text;

/// The longest id that a vendor gives a server is a UUID with a word before it.
const ID_CHARS_MAX: usize = 128;

/// Reads an id of a vendor: it becomes a part of addresses, of paths and of keys of the ledger. A list with one that is none cannot be
/// read: what stands in it is not known then.
///
/// # Errors
/// It is none.
pub fn vendor_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(is_plain) && !id.starts_with('.') {
        Ok(id)
    } else {
        Err(D::Error::custom("an id of a server has other letters"))
    }
}

/// The servers that manifests want, and those that the ledger knows.
#[derive(Debug, Clone, Default)]
pub struct MadeServers {
    known: BTreeMap<Address, Known>,
    /// Vendor's ids that other manifests name: whoever writes one takes the server over, as one that was there before.
    taken: BTreeSet<String>,
    /// The vendor's ids of those whose address something else is to lead to.
    led_to: BTreeSet<String>,
    /// How long the ledger has been there.
    ledger_age: Millis,
}

/// A server that was made with another ledger is listed by its vendor within this time.
const LISTED_WITHIN: Millis = Millis::minutes(11);

/// What is known of one.
#[derive(Debug, Clone, Default)]
struct Known {
    /// The vendor's id, where the ledger has one.
    vendor_id: String,
    /// The service that the ledger says it was made for: a pool has several.
    service: Option<String>,
    wanted: Fields,
    applied: Fields,
}

/// Which of the listed servers are whose.
#[derive(Debug, Default)]
pub struct SortedServers {
    /// By vendor's id.
    pub found: BTreeMap<String, Address>,
    /// Several are called what one is to be called, and none of them is the one that the ledger knows.
    pub twins: BTreeMap<Address, Vec<String>>,
}

impl MadeServers {
    /// Of a query.
    pub fn of(query: &ObserveQuery) -> Self {
        let mut known: BTreeMap<Address, Known> = BTreeMap::new();
        for (address, fields) in query.wanted.iter().filter(|(address, _)| address.kind == Kind::Server) {
            known.entry(address.clone()).or_default().wanted = fields.clone();
        }
        for (address, row) in query.applied.iter().filter(|(address, _)| address.kind == Kind::Server) {
            let known = known.entry(address.clone()).or_default();
            (known.vendor_id, known.applied) = (row.vendor_id.clone(), row.fields.clone());
            known.service = Some(row.service.clone());
        }
        let named = query.wanted.keys().filter(|address| address.kind == Kind::Instance);
        let taken: BTreeSet<String> = named.map(|address| address.name.clone()).collect();
        known.retain(|address, one| query.wanted.contains_key(address) || !taken.contains(&one.vendor_id));
        let led_to = query.led_to.iter().filter(|address| address.kind == Kind::Instance);
        let ledger_age = query.now - query.ledger_since.min(query.now);
        Self { known, taken, led_to: led_to.map(|address| address.name.clone()).collect(), ledger_age }
    }

    /// Whether a server may have been made with another ledger that its vendor does not list yet: this one is new, and knows no server.
    pub fn may_be_unknown(&self) -> bool {
        self.ledger_age < LISTED_WITHIN && self.known.values().all(|known| known.vendor_id.is_empty())
    }

    /// Whether another manifest names this id.
    pub fn is_taken(&self, id: &str) -> bool {
        self.taken.contains(id)
    }

    /// The ids of those that were there before and whose address is needed.
    pub fn led_to(&self) -> impl Iterator<Item = &String> {
        self.led_to.iter()
    }

    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.known.keys()
    }

    /// What manifests name and the ledger has by a vendor's id, with that id: it is asked for by it where a list lacks it.
    pub fn known_ids<'a>(&'a self, query: &'a ObserveQuery) -> impl Iterator<Item = (&'a Address, &'a str)> {
        let named = query.wanted.keys().filter(|address| address.kind == Kind::Instance);
        let named = named.map(|address| (address, address.name.as_str()));
        named.chain(self.addresses().filter_map(|address| Some((address, self.vendor_id(address)?))))
    }

    /// What a server is called at its vendor.
    pub fn name(&self, address: &Address) -> Option<&str> {
        let known = self.known.get(address)?;
        known.wanted.text("name").or_else(|| known.applied.text("name"))
    }

    /// The vendor's id of a server, where the ledger has one.
    pub fn vendor_id(&self, address: &Address) -> Option<&str> {
        self.known.get(address).map(|known| known.vendor_id.as_str()).filter(|id| !id.is_empty())
    }

    /// The service that it belongs to. Without the ledger it is that of its own name.
    pub fn service(&self, address: &Address) -> String {
        let known = self.known.get(address).and_then(|known| known.service.clone());
        known.unwrap_or_else(|| address.name.clone())
    }

    /// A field of it that its vendor does not tell: as it was applied, or as it is wanted where the ledger was lost.
    pub fn remembered(&self, address: &Address, field: &str) -> Option<&Value> {
        let known = self.known.get(address)?;
        // What was changed since the ledger was lost is no whole row.
        let is_whole = known.applied.get("image").is_some();
        if is_whole { &known.applied } else { &known.wanted }.get(field)
    }

    /// Which of the listed servers, by id and name, are whose. The id that the ledger knows comes before the name, for people
    /// rename servers.
    pub fn sort<'a>(&self, listed: impl IntoIterator<Item = (&'a str, &'a str)>) -> SortedServers {
        let listed = listed.into_iter().filter(|(id, _)| !self.is_taken(id));
        let listed: Vec<(&str, &str)> = listed.collect();
        let ids: BTreeSet<&str> = listed.iter().map(|(id, _)| *id).collect();
        let mut sorted = SortedServers::default();
        for (address, known) in &self.known {
            if ids.contains(known.vendor_id.as_str()) {
                sorted.found.insert(known.vendor_id.clone(), address.clone());
                continue;
            }
            let named = listed.iter().filter(|(_, name)| self.name(address) == Some(*name));
            let named: Vec<String> = named.map(|(id, _)| (*id).to_owned()).collect();
            match named.as_slice() {
                [] => (),
                [id] => drop(sorted.found.insert(id.clone(), address.clone())),
                _ => drop(sorted.twins.insert(address.clone(), named)),
            }
        }
        sorted
    }
}

impl SortedServers {
    /// What is hidden because it cannot be told which one it is.
    pub fn gaps(&self, provider: &ProviderId, now: Timestamp) -> impl Iterator<Item = Gap> {
        self.twins
            .iter()
            .map(move |(address, ids)| twins(address, ids).into_gap(provider, GapScope::Resource(address.clone()), now))
    }
}

fn twins(address: &Address, ids: &[String]) -> ProviderError {
    let message = text!(
        "{n} servers have the name that {name} is to have: {ids}",
        n = ids.len(),
        name = &address.name,
        ids = ids.join(", ")
    );
    ProviderError::new(Class::Conflict, Code::A0753, message).hint(text!(
        "rename or delete all but one of them in the vendor's console: Amarre touches none of them until then"
    ))
}

/// Whether servers are wanted that the ledger does not have, or has in another size: the plan says what they cost.
pub fn asks_prices(query: &ObserveQuery) -> bool {
    let applied = |address: &Address| query.applied.get(address).and_then(|row| row.fields.text("type"));
    query.wanted.iter().any(|(address, fields)| address.kind == Kind::Server && applied(address) != fields.text("type"))
}

/// Sets the public addresses of a server.
pub fn set_addresses(fields: &mut Fields, addresses: Vec<String>) {
    let first = |is_wanted: fn(&IpAddr) -> bool| {
        addresses.iter().find(|address| address.parse().is_ok_and(|address| is_wanted(&address)))
    };
    for (field, address) in [("address", first(IpAddr::is_ipv4)), ("address_v6", first(IpAddr::is_ipv6))] {
        fields.extend(address.map(|address| (field.into(), Value::text(address))));
    }
    fields.set("addresses", Value::texts(addresses));
}

/// What a vendor is asked for when a server changes. What is given up is never sent twice by itself.
#[async_trait]
pub trait ServerVendor: Send + Sync {
    /// The ids of the servers of this very name, where one with these fields would be, read anew.
    async fn find(&self, name: &str, fields: &Fields) -> Result<Vec<String>, ProviderError>;

    /// Refuses, if the vendor has a server of this id, asked for by it now.
    async fn is_not_there(&self, name: &str, id: &str) -> Result<(), ProviderError>;

    /// Makes a server. Answers its id, or nothing where the vendor does not tell it yet.
    async fn make(&self, address: &Address, fields: &Fields) -> Result<String, ProviderError>;

    /// The name of a server, read anew, if everything at its vendor says that it is Amarre's. `None`: there is no such server.
    async fn name_of(&self, id: &str) -> Result<Option<String>, ProviderError>;

    /// Gives it this name.
    async fn rename(&self, id: &str, name: &str) -> Result<(), ProviderError>;

    /// Brings it nearer to this size. Answers the size that it has after the call.
    async fn resize(&self, id: &str, size: &str) -> Result<String, ProviderError>;

    /// Brings it to this power.
    async fn reach(&self, id: &str, power: &str) -> Result<(), ProviderError>;

    /// Deletes it with its disks.
    async fn delete(&self, id: &str) -> Result<(), ProviderError>;
}

/// Performs one change of a server.
///
/// # Errors
/// As [`super::Provider::apply`].
pub async fn apply(vendor: &dyn ServerVendor, change: &Change, known: &MadeServers) -> Result<Outcome, ProviderError> {
    let address = &change.address;
    let id = match &change.expects {
        Expect::Unchanged { vendor_id, .. } if address.kind == Kind::Server => vendor_id.clone(),
        Expect::Unchanged { .. } | Expect::Absent => address.name.clone(),
    };
    if id.is_empty() {
        // Without an id a vendor may take a call for one about all of its servers.
        let message = text!("{name} has no id at its vendor yet", name = &address.name);
        return Err(ProviderError::new(Class::Conflict, Code::A0754, message)
            .hint(text!("it is being made; the next look shows")));
    }
    match (&change.verb, address.kind) {
        (Verb::Update(fields), _) => {
            // One at a time: the next look finds what is left.
            let written = if let Some(name) = fields.text("name") {
                vendor.rename(&id, name).await?;
                Some(("name", name.to_owned()))
            } else if let Some(size) = fields.text("type") {
                Some(("type", vendor.resize(&id, size).await?))
            } else if let Some(power) = fields.text("power") {
                vendor.reach(&id, power).await?;
                Some(("power", power.to_owned()))
            } else {
                None
            };
            let written = written.map(|(field, value)| Fields::default().with(field, Value::text(value)));
            Ok(Outcome { vendor_id: id, written })
        }
        (Verb::Create(fields), Kind::Server) => {
            let name = fields.text("name").unwrap_or_default();
            // A list lacks what is there, whatever it was that led to this.
            if let Some(id) = known.vendor_id(address) {
                vendor.is_not_there(&address.name, id).await?;
            }
            let vendor_id = match vendor.find(name, fields).await?.as_slice() {
                [] => vendor.make(address, fields).await?,
                [id] => id.clone(),
                several => return Err(twins(address, several)),
            };
            Ok(Outcome { vendor_id, ..Outcome::default() })
        }
        (Verb::Delete, Kind::Server) => {
            let is_accepted = delete(vendor, (address, &id), known.name(address).unwrap_or_default()).await?;
            Ok(Outcome { vendor_id: if is_accepted { id } else { String::new() }, ..Outcome::default() })
        }
        (Verb::Create(_) | Verb::Delete, _) => {
            let message = text!("{thing} is neither made nor deleted by Amarre", thing = address.to_string());
            Err(ProviderError::new(Class::Rejected, Code::A0754, message))
        }
    }
}

/// A refusal by name, before anything is sent that makes something.
pub fn refused(message: impl Into<Text>, hint: impl Into<Text>) -> ProviderError {
    ProviderError::new(Class::Rejected, Code::A0754, message).hint(hint)
}

/// Whether a server that Amarre did not make is there to be deleted: the list and its details, both read for this, agree on the name
/// that a person typed. `false`: both say that it is gone.
///
/// # Errors
/// It has another name, or only one of the two knows it.
pub fn is_the_named(id: &str, name: &str, listed: Option<&str>, detailed: Option<&str>) -> Result<bool, ProviderError> {
    match (listed, detailed) {
        (None, None) => Ok(false),
        (Some(listed), Some(detailed)) if listed == name && detailed == name => Ok(true),
        (Some(other), Some(_)) if other != name => {
            Err(not_the_named(id, name, text!("it is called {other} now", other)))
        }
        (Some(_), Some(other)) => Err(not_the_named(id, name, text!("its details call it {other}", other))),
        (Some(_), None) => Err(not_the_named(id, name, text!("it is listed and has no details"))),
        (None, Some(_)) => Err(not_the_named(id, name, text!("it has details and is not listed"))),
    }
}

fn not_the_named(id: &str, name: &str, why: Text) -> ProviderError {
    let message = text!("server {id} is not deleted as {name}: {why}", id, name, why);
    ProviderError::new(Class::Conflict, Code::A0465, message)
        .hint(text!("look at it once more, and ask again by the name that it has"))
}

/// Deletes a server by its id, if it still has its name: two proofs that it is the one. Answers whether the vendor has accepted it;
/// `false`: it is gone.
async fn delete(vendor: &dyn ServerVendor, (address, id): (&Address, &str), name: &str) -> Result<bool, ProviderError> {
    match vendor.name_of(id).await? {
        None => Ok(false),
        Some(now) if now == name && !name.is_empty() => vendor.delete(id).await.map(|()| true),
        Some(now) => {
            let message = text!(
                "{wanted} is not deleted: server {id} is called {now}, and not {name}",
                wanted = &address.name,
                id,
                now,
                name
            );
            Err(ProviderError::new(Class::Conflict, Code::A0754, message)
                .hint(text!("rename it back, or delete it in the vendor's console: only what has its name and its id is known to be Amarre's")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_vendor_is_plain() {
        #[derive(Deserialize)]
        struct IdRow {
            #[serde(deserialize_with = "vendor_id")]
            id: String,
        }
        let read = |id: &str| serde_json::from_value::<IdRow>(serde_json::json!({"id": id})).map(|row| row.id);
        for id in ["b7f1c0de-0000-4000-8000-000000000001", "i-1", "region:1_2.3"] {
            assert_eq!(read(id).ok().as_deref(), Some(id));
        }
        for id in ["", "..", "a/b", "a b", "a\nb", "a?b", "é", &"x".repeat(129)] {
            assert!(read(id).is_err(), "{id}");
        }
    }
}
