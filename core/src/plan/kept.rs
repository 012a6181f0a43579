//! Plans that are kept while nothing changes that they depend on: most looks find what the last one found.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::input::Input;
use super::look_time::{Horizon, LookTime};
use crate::model::{Address, Facts, Kind, Plan, Readiness, Seen, Service, Timestamp, Wants, World};

/// Takes digests of inputs, by a key of this process: nobody can write two inputs that have one digest.
#[derive(Debug, Default)]
pub struct Digests {
    state: RandomState,
}

impl Digests {
    /// Of the manifests alone.
    pub fn of_services(&self, services: &BTreeMap<String, Service>) -> u64 {
        self.state.hash_one(services)
    }

    /// Of what says which wants there are: manifests and people. What is there and what was done says how they are met.
    /// `services`: as below.
    pub fn of_wishes(&self, input: &Input<'_>, services: u64) -> u64 {
        let Facts { suspended, rolling, frozen, gone, pools, power, .. } = input.facts;
        let Input { site, marks, requests, .. } = input;
        self.state.hash_one((services, site, marks, requests, suspended, rolling, frozen, gone, pools, power))
    }

    /// Of an input. `services`: the digest of its manifests, which most passes share; `spelling`: what [`Input::spell`]
    /// depends on.
    pub fn of_input(&self, input: &Input<'_>, services: u64, spelling: &impl Hash) -> u64 {
        // The schemas are the program's.
        let Input { services: _, site, schemas: _, spell: _, marks, world, facts, now: _, requests } = *input;
        let mut hasher = self.state.build_hasher();
        (services, site, marks, facts, requests, spelling).hash(&mut hasher);
        hash_world(world, site.images.min_free, &mut hasher);
        hasher.finish()
    }
}

/// What was made of an input, for as long as that stays the same.
#[derive(Debug)]
pub struct Kept<T> {
    last: Option<Made<T>>,
}

#[derive(Debug)]
struct Made<T> {
    digest: u64,
    from: Timestamp,
    until: Timestamp,
    what: Arc<T>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { last: None }
    }
}

impl<T> Kept<T> {
    /// What `make` makes of the input with this digest; what it made last, while that was equal and nothing in it has
    /// fallen due.
    pub fn of(&mut self, digest: u64, input: &Input<'_>, make: impl FnOnce(&Input<'_>) -> T) -> Arc<T> {
        let now = input.now.at();
        if let Some(made) = self.known(digest, now) {
            return made;
        }
        let horizon = Horizon::default();
        let what = Arc::new(make(&Input { now: LookTime::from(now).noted(&horizon), ..*input }));
        self.last = Some(Made { digest, from: now, until: horizon.end(), what: Arc::clone(&what) });
        what
    }

    /// What was made of an input with this digest, if it still holds.
    pub fn known(&self, digest: u64, now: Timestamp) -> Option<Arc<T>> {
        let made = self.last.as_ref()?;
        (made.digest == digest && made.from <= now && now < made.until).then(|| Arc::clone(&made.what))
    }

    /// What was made last, of whatever.
    pub fn last(&self) -> Option<Arc<T>> {
        self.last.as_ref().map(|made| Arc::clone(&made.what))
    }

    /// Until when what was made last holds, if nothing changes.
    pub fn until(&self) -> Timestamp {
        self.last.as_ref().map(|made| made.until).unwrap_or_default()
    }
}

/// The wants and the plan of an input. Wants are asked for before all is known that the plan depends on, and are those of
/// the plan where nothing comes to it.
#[derive(Debug, Default)]
pub struct KeptPass {
    wants: Kept<Wants>,
    pass: Kept<(Arc<Wants>, Plan)>,
}

impl KeptPass {
    /// The wants of the input with this digest.
    pub fn wants(&mut self, digest: u64, input: &Input<'_>) -> Arc<Wants> {
        match self.pass.known(digest, input.now.at()) {
            Some(made) => Arc::clone(&made.0),
            None => self.wants.of(digest, input, super::wants),
        }
    }

    /// The wants and the plan of the input with this digest.
    pub fn pass(&mut self, digest: u64, input: &Input<'_>) -> Arc<(Arc<Wants>, Plan)> {
        let Self { wants, pass } = self;
        pass.of(digest, input, |input| {
            let wants = match wants.known(digest, input.now.at()) {
                Some(known) => {
                    input.now.ends_by(wants.until());
                    known
                }
                None => {
                    let made = super::wants(input);
                    // Two that are equal are one in memory.
                    let twin = wants.last().filter(|known| **known == made);
                    twin.unwrap_or_else(|| Arc::new(made))
                }
            };
            let plan = super::plan(input, &wants);
            (wants, plan)
        })
    }

    /// The last plan with its wants, of whatever input.
    pub fn last(&self) -> Option<Arc<(Arc<Wants>, Plan)>> {
        self.pass.last()
    }

    /// Until when the last plan holds, if nothing changes.
    pub fn until(&self) -> Timestamp {
        self.pass.until()
    }
}

/// Free room counts only where there is too little: it is another number at each look.
fn hash_world(world: &World, room: u64, hasher: &mut impl Hasher) {
    // All of them, so that one that is new is not forgotten here.
    let World {
        seen,
        gaps,
        routes,
        addresses,
        free,
        started,
        waking,
        own,
        port80,
        mail_refused,
        read_only,
        reserved,
        ruled_out,
        quotes,
        unoffered,
        inventory,
        closed,
        leads,
    } = world;
    seen.len().hash(hasher);
    for (address, seen) in seen {
        address.hash(hasher);
        hash_seen(address, seen, hasher);
    }
    (gaps, routes, addresses, started, waking, own, port80, mail_refused).hash(hasher);
    (read_only, reserved, ruled_out, quotes, unoffered, inventory, closed, leads).hash(hasher);
    free.iter().filter(|(_, free)| **free < room).for_each(|few| few.hash(hasher));
}

/// Without the time since when something of NPM's, or an image, is not ready: no plan waits for these, and each look says
/// that one which is switched off is so since now.
fn hash_seen(address: &Address, seen: &Seen, hasher: &mut impl Hasher) {
    let is_dated = !address.provider.is_proxy() && address.kind != Kind::Image;
    match &seen.ready {
        Readiness::NotYet { since: _, why } if !is_dated => {
            let Seen { fields, ready: _, owner, service, vendor_id, at: _ } = seen;
            (fields, why, owner, service, vendor_id).hash(hasher);
        }
        Readiness::NotYet { .. } | Readiness::Ready | Readiness::Failed { .. } => seen.hash(hasher),
    }
}
