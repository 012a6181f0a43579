//! What passes keep of one another: most find what the last one found.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::pass_result::{Context, PassInput};
use amarre_core::model::{Plan, ProviderId, Service, Wants};
use amarre_core::plan;
use amarre_core::plan::input::Input;
use amarre_core::plan::kept::{Digests, Kept, KeptPass};

/// What vendors said of their versions: how they spell fields depends on that.
type Versions = BTreeMap<ProviderId, String>;

/// What the last passes made, each for as long as its input is equal.
#[derive(Debug, Default)]
pub struct KeptPlans {
    digests: Digests,
    /// The manifests of the last pass, with their digest: most passes share them.
    services: Option<(Arc<BTreeMap<String, Service>>, u64)>,
    pass: KeptPass,
    /// What the last plan was asked for: the digest of the wishes.
    wishes: Option<u64>,
    /// The plan as though nothing were suspended.
    awake: Kept<Plan>,
    /// How often a plan was kept.
    times: u32,
}

/// In builds with debug assertions, every eighth kept plan is made once more and compared.
const COMPARED: u32 = 8;

impl KeptPlans {
    /// Begins a pass with these manifests.
    pub fn begin(&mut self, services: &Arc<BTreeMap<String, Service>>) {
        if !self.services.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, services)) {
            self.services = Some((Arc::clone(services), self.digests.of_services(services)));
        }
    }

    /// The wants before anything is observed: those of the last plan, while manifests and people want the same.
    pub fn before_look(&self, context: &Context, given: PassInput<'_>) -> Arc<Wants> {
        context.with_input(given, |input| {
            let is_same = self.wishes == Some(self.digests.of_wishes(input, self.services_digest(input)));
            let last = self.pass.last().filter(|_| is_same);
            last.map_or_else(|| Arc::new(plan::wants(input)), |last| Arc::clone(&last.0))
        })
    }

    /// The wants once everything is observed.
    pub fn observed(&mut self, context: &Context, given: PassInput<'_>, versions: &Versions) -> Arc<Wants> {
        context.with_input(given, |input| {
            let digest = self.digest(input, versions);
            self.pass.wants(digest, input)
        })
    }

    /// The wants and the plan, once everything is examined too.
    pub fn planned(&mut self, context: &Context, given: PassInput<'_>, versions: &Versions) -> (Arc<Wants>, Plan) {
        let before = self.pass.last();
        let made = context.with_input(given, |input| {
            let digest = self.digest(input, versions);
            self.wishes = Some(self.digests.of_wishes(input, self.services_digest(input)));
            self.pass.pass(digest, input)
        });
        if cfg!(debug_assertions) && before.is_some_and(|before| Arc::ptr_eq(&before, &made)) {
            self.times = self.times.wrapping_add(1);
            if self.times.is_multiple_of(COMPARED) {
                let (wants, plan) = context.with_input(given, plan::pass);
                assert_eq!((&wants, &plan), (&*made.0, &made.1), "a plan was kept that would be another one");
            }
        }
        (Arc::clone(&made.0), made.1.clone())
    }

    /// The plan as though nothing were suspended.
    pub fn awake(&mut self, context: &Context, given: PassInput<'_>, versions: &Versions) -> Plan {
        let made = context.with_input(given, |input| {
            let digest = self.digest(input, versions);
            self.awake.of(digest, input, |input| plan::pass(input).1)
        });
        Plan::clone(&made)
    }

    fn digest(&self, input: &Input<'_>, versions: &Versions) -> u64 {
        self.digests.of_input(input, self.services_digest(input), versions)
    }

    fn services_digest(&self, input: &Input<'_>) -> u64 {
        let known = self.services.as_ref().filter(|(known, _)| std::ptr::eq(&raw const **known, input.services));
        known.map_or_else(|| self.digests.of_services(input.services), |(_, digest)| *digest)
    }
}
