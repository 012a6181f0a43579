//! One image at a time is built on a host: builds beside one another have taken whole machines down. And so many for one service
//! within an hour: a repository that gets a commit each minute leaves room for others. A build that is under way goes on; then comes the
//! service whose last build was begun the longest time ago, and one whose build failed and waits for its retry holds up none.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Address, Change, Gate, Kind, Millis, Need, Plan, ProviderId, Timestamp, Verb, Wait};
use crate::plan::input::Input;
use crate::turns::{self, QueuedJob, Room};

/// Of how long builds are counted.
pub const COUNTED: Millis = Millis::minutes(60);

/// When a service may have another image built; `None`: now.
pub fn next_build(input: &Input<'_>, service: &str) -> Option<Timestamp> {
    let began = input.facts.builds.get(service)?;
    let most = input.site.images.builds_per_hour.max(1);
    // The one after which there is room, as soon as it is long enough ago.
    let at = *began.get(began.len().checked_sub(most)?)? + COUNTED;
    input.now.is_before(at).then_some(at)
}

/// Lets those of a service wait that has had as many as it may.
fn limit(input: &Input<'_>, plan: &mut Plan) {
    for change in plan.changes.iter_mut().filter(|change| is_build(change) && change.is_now()) {
        // One that is under way goes on.
        if !input.facts.open_intents.contains_key(&change.address)
            && let Some(at) = next_build(input, &change.service)
        {
            change.gate = Gate::Until { at, what: Wait::Builds };
        }
    }
}

/// Lets the others wait for the build of each engine whose turn it is.
pub(crate) fn hold_back(input: &Input<'_>, plan: &mut Plan) {
    limit(input, plan);
    take_turns(input, plan);
}

/// Makes all those that wait for the turn ask for it anew. What waits for its retry is to be held back then, before the turn is given again by
/// [`take_turns`]: it is not held up by anything of the others, and holds up none of them.
pub fn ask_again(plan: &mut Plan) {
    let builds = plan.changes.iter().filter(|change| is_build(change)).map(|change| change.address.clone());
    let builds: BTreeSet<Address> = builds.collect();
    for change in plan.changes.iter_mut().filter(|change| is_build(change)) {
        if let Gate::After(needs) = &change.gate
            && !needs.is_empty()
            && needs.iter().all(|need| builds.contains(&need.on))
        {
            change.gate = Gate::Now;
        }
    }
}

/// Gives the turn at each engine to one of those that may be built now; the others wait for it.
pub fn take_turns(input: &Input<'_>, plan: &mut Plan) {
    let is_ready = |change: &&Change| is_build(change) && change.is_now();
    let job = |change: &Change| QueuedJob {
        name: change.address.to_string(),
        owner: change.service.clone(),
        rank: u8::from(!input.facts.open_intents.contains_key(&change.address)),
        last: input.facts.builds.get(&change.service).and_then(|began| began.last().copied()),
        places: vec![Room::new(change.address.provider.to_string(), 1)],
        ..QueuedJob::default()
    };
    let ready: Vec<&Change> = plan.changes.iter().filter(is_ready).collect();
    let jobs: Vec<QueuedJob> = ready.iter().map(|change| job(change)).collect();
    let begun = turns::begin(&jobs.iter().collect::<Vec<_>>(), []);
    let first = begun.into_iter().map(|number| (ready[number].address.provider.clone(), ready[number].address.clone()));
    let first: BTreeMap<ProviderId, Address> = first.collect();
    for change in plan.changes.iter_mut().filter(|change| is_ready(&&**change)) {
        if let Some(before) = first.get(&change.address.provider).filter(|first| **first != change.address) {
            change.gate = Gate::After(vec![Need::present(before.clone())]);
        }
    }
}

/// Whether a change builds an image.
pub fn is_build(change: &Change) -> bool {
    let Verb::Create(fields) = &change.verb else { return false };
    change.address.kind == Kind::Image && fields.get("build").is_some()
}
