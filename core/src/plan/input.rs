//! Everything that a plan depends on.

use std::collections::BTreeMap;

use super::look_time::LookTime;
use crate::model::{Address, Facts, Fields, Kind, KindSchema, Mark, Requests, SecretName, Service, Site, World};

/// Schemas by provider family and kind.
pub type Schemas = BTreeMap<(String, Kind), &'static KindSchema>;

/// Rewrites fields to the spelling that the vendor answers with, or says why the vendor would refuse them.
pub type Speller<'a> = &'a (dyn Fn(&Address, &mut Fields) -> Result<(), String> + Sync);

/// Everything a plan depends on.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The manifests, by name.
    pub services: &'a BTreeMap<String, Service>,
    pub site: &'a Site,
    /// Tables of the kinds.
    pub schemas: &'a Schemas,
    /// The vendors' spelling; pure.
    pub spell: Speller<'a>,
    /// Marks of the secrets that the manifests name.
    pub marks: &'a BTreeMap<SecretName, Mark>,
    pub world: &'a World,
    /// What the ledger knows.
    pub facts: &'a Facts,
    /// The time of the look.
    pub now: LookTime<'a>,
    /// What people have asked for.
    pub requests: &'a Requests,
}

impl Input<'_> {
    /// The table of an address's kind.
    pub fn schema(&self, address: &Address) -> Option<&'static KindSchema> {
        let family = address.provider.family();
        let is_it = |((of, kind), _): &(&(String, Kind), &&'static KindSchema)| *kind == address.kind && of == family;
        self.schemas.iter().find(is_it).map(|(_, schema)| *schema)
    }

    /// Whether neither a manifest nor the ledger has, or had, this resource or another of its service.
    pub fn is_never_had(&self, service: &str, address: &Address) -> bool {
        is_never_had(self.services, self.facts, service, address)
    }
}

/// Whether the ledger never had a resource, nor its service, which no manifest is called.
pub fn is_never_had(services: &BTreeMap<String, Service>, facts: &Facts, service: &str, address: &Address) -> bool {
    let is_known = services.contains_key(service) || facts.history.gone.contains_key(service);
    let is_had = is_known || facts.applied.contains_key(address) || facts.open_intents.contains_key(address);
    !is_had && !facts.applied.values().any(|row| row.service == service)
}
