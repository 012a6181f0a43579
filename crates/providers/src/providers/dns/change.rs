//! One change of one record set: read again what it touches, then the fewest writes, mark first and last.
//!
//! | | first | then |
//! | --- | --- | --- |
//! | create, update | the mark | the rows |
//! | delete | the rows | the mark |
//!
//! So a mark without a record is the only thing that a cut can leave, and it says whose it is.

use std::collections::BTreeSet;

use crate::providers::{Class, Outcome, ProviderError};
use amarre_core::model::{Address, Change, Code, Expect, Fields, Kind, Text, Typed, Value};

use super::backend::{RowContent, ZoneBackend, ZoneError};
use super::ownership::{RegistryValue, registry_name};
use super::provider::DnsProvider;
use super::record_sets::{HeldMark, HeldSet, RowChange, Sets, gather, row_changes};
use amarre_core::resources::dns::RecordSet;
use amarre_core::text;

/// A change under way.
pub(super) struct RecordChange<'a, B> {
    provider: &'a DnsProvider<B>,
    address: &'a Address,
    service: &'a str,
    zone: String,
    wrote: bool,
}

/// What the zone holds there now.
struct Present {
    held: HeldSet,
    default_ttl: Option<u32>,
    /// Types of the other records at the same name.
    company: Vec<String>,
}

/// `cloud.example.org/A` → name and type.
pub(super) fn split(address: &Address) -> (&str, &str) {
    address.name.rsplit_once('/').unwrap_or((&address.name, ""))
}

impl<B: ZoneBackend> DnsProvider<B> {
    /// Begins a change: finds its zone.
    pub(super) async fn work<'a>(&'a self, change: &'a Change) -> Result<RecordChange<'a, B>, ProviderError> {
        let address = &change.address;
        let (name, _) = split(address);
        if address.kind != Kind::Record {
            let message =
                text!("a {kind} at {vendor} is read, never changed", kind = address.kind, vendor = self.id.title());
            return Err(ProviderError::new(Class::Rejected, Code::A0706, message));
        }
        let mut zone = self.zone_of(name);
        if zone.is_none() {
            let zones = self
                .backend
                .zones()
                .await
                .map_err(|trouble| trouble.into_error(&text!("could not list the zones"), false))?;
            self.memory().zones = zones;
            zone = self.zone_of(name);
        }
        let no_zone = || {
            let message = text!("no zone of the {account} holds {name}", account = self.id.one(), name);
            let hint = text!("add the zone at {vendor}, or set `dns: none`", vendor = self.id.title());
            ProviderError::new(Class::Rejected, Code::A0701, message).hint(hint)
        };
        Ok(RecordChange {
            provider: self,
            address,
            service: &change.service,
            zone: zone.ok_or_else(no_zone)?,
            wrote: false,
        })
    }
}

impl<B: ZoneBackend> RecordChange<'_, B> {
    /// Whether a write of this change went through.
    pub(super) fn wrote(&self) -> bool {
        self.wrote
    }

    pub(super) async fn create(&mut self, fields: &Fields, expects: &Expect) -> Result<Outcome, ProviderError> {
        let wanted = self.wanted(fields)?;
        let present = self.present().await?;
        match expects {
            Expect::Absent => self.refuse_strangers(&present, &wanted)?,
            Expect::Unchanged { .. } => self.refuse_surprise(&present, expects)?,
        }
        self.refuse_alias_company(&present)?;
        self.converge(present, &wanted).await
    }

    pub(super) async fn update(&mut self, fields: &Fields, expects: &Expect) -> Result<Outcome, ProviderError> {
        let present = self.present().await?;
        // Fields that the change does not name stay as they are.
        let mut whole = fields.clone();
        if fields.get("values").is_none() {
            whole.set("values", Value::texts(present.held.values()));
        }
        let wanted = self.wanted(&whole)?;
        if wanted.mark == Some(false) {
            return self.release(&present).await;
        }
        if !self.is_done(&present, &wanted) {
            self.refuse_surprise(&present, expects)?;
        }
        if present.held.rows.is_empty() {
            self.refuse_alias_company(&present)?;
        }
        self.converge(present, &wanted).await
    }

    pub(super) async fn delete(&mut self, expects: &Expect) -> Result<Outcome, ProviderError> {
        let present = self.present().await?;
        if !present.held.rows.is_empty() {
            self.refuse_surprise(&present, expects)?;
            self.refuse_other(&present)?;
        }
        for row in &present.held.rows {
            self.remove(row.id).await?;
        }
        for held in present.held.claims(&self.provider.instance) {
            self.remove(held.id).await?;
        }
        Ok(Outcome::default())
    }

    /// Takes our marks off a record; its rows stay as they are.
    async fn release(&mut self, present: &Present) -> Result<Outcome, ProviderError> {
        for held in present.held.claims(&self.provider.instance) {
            self.remove(held.id).await?;
        }
        Ok(Outcome { vendor_id: present.held.vendor_id(), ..Outcome::default() })
    }

    /// Writes what is missing and removes what is too much.
    async fn converge(&mut self, present: Present, wanted: &RecordSet) -> Result<Outcome, ProviderError> {
        if self.provider.registry && wanted.mark == Some(true) {
            self.mark(&present.held).await?;
        }
        let (name, record_type) = split(self.address);
        let values: BTreeSet<String> = wanted.values.iter().cloned().collect();
        let changes = row_changes(&present.held, record_type, &values, wanted.ttl, present.default_ttl);
        let mut ids: BTreeSet<u64> = present.held.rows.iter().map(|row| row.id).collect();
        for change in &changes {
            match change {
                RowChange::Put { id, native_type, value, ttl } => {
                    self.put(*id, RowContent { name, native_type, value, ttl: *ttl }).await?;
                }
                RowChange::Post { value, ttl } => {
                    ids.insert(self.post(RowContent { name, native_type: record_type, value, ttl: *ttl }).await?);
                }
                RowChange::Delete { id } => {
                    self.remove(*id).await?;
                    ids.remove(id);
                }
            }
        }
        if ids.contains(&0) {
            // The vendor's known bug: it stores the row and answers id 0.
            let listed = self.present().await?;
            if listed.held.values() != values.iter().map(String::as_str).collect::<Vec<_>>() {
                let message = text!(
                    "{vendor} answered id 0 for {what}, and the record is not as it should be",
                    vendor = self.provider.id.title(),
                    what = self.what(),
                );
                return Err(
                    ProviderError::new(Class::OutcomeUnknown, Code::A0705, message).hint(text!("the next look shows"))
                );
            }
            return Ok(Outcome { vendor_id: listed.held.vendor_id(), ..Outcome::default() });
        }
        let texts: Vec<String> = ids.iter().map(u64::to_string).collect();
        Ok(Outcome { vendor_id: texts.join(","), ..Outcome::default() })
    }

    /// Makes sure that exactly one registry value says that the record is this service's, signed by the key that signs now.
    async fn mark(&mut self, held: &HeldSet) -> Result<(), ProviderError> {
        let (name, record_type) = split(self.address);
        let mark = RegistryValue {
            instance: self.provider.instance.clone(),
            service: self.service.to_owned(),
            record_type: record_type.to_owned(),
            signature: None,
        };
        let mark = mark.signed(name, &self.provider.key);
        let registry_name = registry_name(name);
        let text = mark.text();
        let row = |ttl: u32| RowContent { name: &registry_name, native_type: "TXT", value: &text, ttl };
        let ours: Vec<&HeldMark> = held.claims(&mark.instance).collect();
        // What others have written beside the right one goes; the right one stays.
        let kept = ours.iter().find(|held| held.mark == mark).or_else(|| ours.first());
        match kept {
            Some(kept) if kept.mark == mark => (),
            Some(kept) => self.put(kept.id, row(kept.ttl)).await?,
            None => {
                self.post(row(0)).await?;
            }
        }
        let kept = kept.map(|kept| kept.id);
        for surplus in ours.iter().filter(|held| Some(held.id) != kept) {
            self.remove(surplus.id).await?;
        }
        Ok(())
    }

    async fn present(&self) -> Result<Present, ProviderError> {
        let (name, record_type) = split(self.address);
        let provider = self.provider;
        let names = [name, &registry_name(name)];
        let rows = provider.backend.rows_of(&self.zone, &names).await;
        let rows =
            rows.map_err(|trouble| trouble.into_error(&text!("could not read {what}", what = self.what()), false))?;
        let zones = provider.memory().zones.clone();
        let mut sets: Sets = gather(&zones, &self.zone, &rows, &provider.key);
        let key = (name.to_owned(), record_type.to_owned());
        let held = sets.remove(&key).unwrap_or_default();
        let company = sets.iter().filter(|((other, _), held)| other == name && !held.rows.is_empty());
        let company = company.map(|((_, record_type), _)| record_type.clone()).collect();
        let default_ttl = if held.has_default_ttl() { provider.default_ttl(&self.zone).await } else { None };
        Ok(Present { held, default_ttl, company })
    }

    fn wanted(&self, fields: &Fields) -> Result<RecordSet, ProviderError> {
        let mut fields = fields.clone();
        let (name, record_type) = split(self.address);
        let refused = |why: String| {
            let message = text!("{what} cannot be written: {why}", what = self.what(), why);
            ProviderError::new(Class::Rejected, Code::A0706, message).hint(text!("change the manifest"))
        };
        let spelled = self.provider.backend.normalize(name, Some(record_type), &mut fields);
        spelled.map_err(|objection| refused(objection.message))?;
        let wanted = RecordSet::from_fields(&fields).map_err(refused)?;
        if record_type == "CNAME" && wanted.values.len() > 1 {
            return Err(refused("a CNAME has one value".to_owned()));
        }
        Ok(wanted)
    }

    /// Whether nothing is left to do.
    fn is_done(&self, present: &Present, wanted: &RecordSet) -> bool {
        let now = present.held.fields(&self.provider.instance, self.provider.registry, present.default_ttl);
        wanted.fields().iter().all(|(name, value)| now.get(name) == Some(value))
    }

    /// A create finds nothing, or its own earlier try.
    fn refuse_strangers(&self, present: &Present, wanted: &RecordSet) -> Result<(), ProviderError> {
        self.refuse_other(present)?;
        let is_ours = present.held.our_mark(&self.provider.instance).is_some() || !self.provider.registry;
        let is_wanted = present.held.rows.iter().all(|row| wanted.values.contains(&row.value));
        if present.held.rows.is_empty() || (is_ours && is_wanted) {
            return Ok(());
        }
        let values = present.held.values().join(", ");
        let message = text!("{what} exists and is not ours: {values}", what = self.what(), values);
        let vendor = self.provider.id.title();
        let hint = text!("remove it at {vendor}, or put `dns: none` into the manifest to leave it alone", vendor);
        Err(ProviderError::new(Class::Conflict, Code::A0405, message).hint(hint))
    }

    fn refuse_other(&self, present: &Present) -> Result<(), ProviderError> {
        // Whether what says ours is true was decided with the ledger, which is not asked here.
        match (present.held.claims(&self.provider.instance).next(), present.held.other_mark(&self.provider.instance)) {
            (None, Some(other)) => {
                let message = text!(
                    "{what} belongs to the instance `{instance}`",
                    what = self.what(),
                    instance = &other.mark.instance
                );
                Err(ProviderError::new(Class::Conflict, Code::A0405, message)
                    .hint(text!("two instances need two names")))
            }
            (Some(_), _) | (None, None) => Ok(()),
        }
    }

    fn refuse_surprise(&self, present: &Present, expects: &Expect) -> Result<(), ProviderError> {
        let now = present.held.fields(&self.provider.instance, self.provider.registry, present.default_ttl);
        let expected = match expects {
            Expect::Absent => present.held.rows.is_empty(),
            // The ids are no identity: a change in text form renews them.
            Expect::Unchanged { fields, .. } => now.digest() == *fields || self.is_respelled(&now, fields),
        };
        if expected {
            return Ok(());
        }
        let message = text!("{what} is not what it was when this was planned", what = self.what());
        Err(ProviderError::new(Class::Conflict, Code::A0707, message).hint(text!("it is planned again by itself")))
    }

    /// Whether the digest is of what the last look reported in the manifest's spelling of what is there now.
    fn is_respelled(&self, now: &Fields, digest: &str) -> bool {
        let memory = self.provider.memory();
        let known = memory.respelled.get(self.address);
        known.is_some_and(|(reported, read)| reported.digest() == digest && read == now)
    }

    /// A CNAME stands alone (RFC 1034 §3.6.2); OVH would take it and then refuse to publish the whole zone.
    fn refuse_alias_company(&self, present: &Present) -> Result<(), ProviderError> {
        let (name, record_type) = split(self.address);
        let clash = match record_type {
            "CNAME" => present.company.first(),
            _ => present.company.iter().find(|other| *other == "CNAME"),
        };
        let Some(other) = clash else { return Ok(()) };
        let message =
            text!("{what} cannot stand beside the {other} record at `{name}`", what = self.what(), other, name);
        Err(ProviderError::new(Class::Conflict, Code::A0405, message).hint(text!(
            "remove `{name}/{other}` first",
            name,
            other
        )))
    }

    async fn put(&mut self, id: u64, row: RowContent<'_>) -> Result<(), ProviderError> {
        let result = self.provider.backend.replace(&self.zone, id, row).await;
        result.map_err(|trouble| trouble.into_error(&text!("could not change {what}", what = self.what()), true))?;
        self.wrote = true;
        Ok(())
    }

    async fn post(&mut self, row: RowContent<'_>) -> Result<u64, ProviderError> {
        let result = self.provider.backend.add(&self.zone, row).await;
        let id =
            result.map_err(|trouble| trouble.into_error(&text!("could not add {what}", what = self.what()), true))?;
        self.wrote = true;
        Ok(id)
    }

    async fn remove(&mut self, id: u64) -> Result<(), ProviderError> {
        let result = self.provider.backend.remove(&self.zone, id).await;
        result.map_err(|trouble| trouble.into_error(&text!("could not remove {what}", what = self.what()), true))?;
        self.wrote = true;
        Ok(())
    }

    fn what(&self) -> Text {
        let (name, record_type) = split(self.address);
        text!("record `{name}` ({sort})", name, sort = record_type)
    }
}
