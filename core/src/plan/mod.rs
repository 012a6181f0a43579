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

pub mod forecast;
pub mod render;
pub mod rollout;
pub mod desired;
pub mod diff;
pub mod safety;

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
    let mut wants = desired::expand::expand(input);
    wants.unused = safety::retention::certificates(input, &wants);
    let mut plan = diff::decide::decide(input, &wants);
    safety::flapping::leave(input, &mut plan);
    safety::defer::leave(input, &wants, &mut plan);
    safety::protect::leave(input, &wants, &mut plan);
    desired::certificate::leave(input, &mut plan);
    safety::signatures::leave(input, &mut plan);
    safety::guard::guard(input, &mut plan);
    (wants, plan)
}
