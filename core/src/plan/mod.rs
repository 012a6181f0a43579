//! What stands between the observed world and the manifests, as data. Pure: no clock, no logging, no I/O.
//!
//! | wanted | seen | whose | verdict |
//! |---|---|---|---|
//! | yes | no  | –       | create, when its needs hold and nobody else holds its name |
//! | yes | yes | ours    | update what differs; hold what cannot change in place |
//! | yes | yes | not ours| equal: used, not owned · different: held as a conflict |
//! | no  | yes | ours    | delete, users first; volumes only with `--purge` |
//! | no  | yes | not ours| nothing |
//! | –   | gap | –       | nothing at all: unknown is not missing |

pub mod binds;
pub mod certificates;
pub mod decide;
pub mod declared;
pub mod diff;
pub mod expand;
pub mod exposed;
pub mod downtimes;
pub mod forecast;
pub mod flaps;
pub mod fronts;
pub mod guard;
pub mod images;
pub mod jobs;
mod joined;
pub mod lint;
pub mod mounted;
pub mod moves;
pub mod names;
pub mod patience;
pub mod needs;
pub mod pointers;
pub mod policy;
pub mod pool;
pub mod reach;
pub mod provenance;
pub mod reason;
pub mod render;
pub mod rivals;
pub mod container;
pub mod data;
pub mod generation;
pub mod restart;
pub mod retired;
pub mod rollout;
pub mod signatures;
pub mod handover;
pub mod stopped;
pub mod strangers;
pub mod streams;
pub mod tasks;
pub mod unused;

use std::collections::BTreeMap;

use crate::model::{
    Address, Facts, Fields, Kind, KindSchema, Mark, Millis, Plan, SecretName, Service, Site, Timestamp, Wants, World,
};

/// A call whose outcome is not known blocks a second create at its address for this long.
pub const SETTLE: Millis = Millis::seconds(30);

/// Schemas by provider family and kind.
pub type Schemas = BTreeMap<(String, Kind), &'static KindSchema>;

/// Rewrites fields to the spelling that the vendor answers with, or says why the vendor would refuse them.
pub type Speller<'a> = &'a (dyn Fn(&Address, &mut Fields) -> Result<(), String> + Sync);

/// Everything a plan depends on.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The manifests, by name.
    pub services: &'a BTreeMap<String, Service>,
    /// The configuration.
    pub site: &'a Site,
    /// Tables of the kinds.
    pub schemas: &'a Schemas,
    /// The vendors' spelling; pure.
    pub spell: Speller<'a>,
    /// Marks of the secrets that the manifests name.
    pub marks: &'a BTreeMap<SecretName, Mark>,
    /// What is there.
    pub world: &'a World,
    /// What the ledger knows.
    pub facts: &'a Facts,
    /// The time of the look.
    pub now: Timestamp,
    /// How many services a person agreed to delete, if any.
    pub confirmed_deletes: Option<usize>,
}

impl Input<'_> {
    /// The table of an address's kind.
    pub fn schema(&self, address: &Address) -> Option<&'static KindSchema> {
        let family = address.provider.family();
        let is_it = |((of, kind), _): &(&(String, Kind), &&'static KindSchema)| *kind == address.kind && of == family;
        self.schemas.iter().find(is_it).map(|(_, schema)| *schema)
    }
}

/// One look: expand, decide, guard.
pub fn look(input: &Input<'_>) -> (Wants, Plan) {
    let mut wants = expand::expand(input);
    wants.unused = unused::certificates(input, &wants);
    let mut plan = decide::decide(input, &wants);
    flaps::leave(input, &mut plan);
    patience::leave(input, &wants, &mut plan);
    policy::leave(input, &wants, &mut plan);
    certificates::leave(input, &mut plan);
    signatures::leave(input, &mut plan);
    guard::guard(input, &mut plan);
    (wants, plan)
}
