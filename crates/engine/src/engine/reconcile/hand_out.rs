//! Hands the changes that may be done now to lanes, one for each service. Decides only who has to wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::apps::AppContexts;
use super::effective_manifests::DesiredManifests;
use super::engine::{Engine, RunMode};
use super::lane;
use super::lane::{LaneJob, Tools};
use amarre_core::model::app::Build;
use amarre_core::model::plan::ReasonCode;
use amarre_core::model::pool::{machine_address, machine_of};
use amarre_core::model::{Address, Change, Fields, Kind, Plan, Service, Verb, Wants};
use amarre_core::plan::desired::bind_mounts::Check;

/// The changes that a lane was given.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    pub(crate) made: BTreeMap<Address, Fields>,
    pub(crate) going: BTreeSet<Address>,
}

impl UnderWay {
    fn from_changes(changes: &[Change]) -> Self {
        let mut under_way = Self::default();
        for change in changes {
            match &change.verb {
                Verb::Update(_) if !change.address.kind.traits().forwards => (),
                Verb::Create(fields) | Verb::Update(fields) => {
                    under_way.made.insert(change.address.clone(), fields.clone());
                }
                Verb::Delete => drop(under_way.going.insert(change.address.clone())),
            }
        }
        under_way
    }
}

impl Engine {
    /// The changes for idle lanes, by service. A service is never planned from an observation begun before its last
    /// write.
    pub(crate) fn ready(&self, plan: &Plan, mode: &RunMode) -> BTreeMap<String, Vec<Change>> {
        let mut ready: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        let busy = self.services_at_work();
        // An action may have a lane for its address alone.
        let acted_on: BTreeSet<Address> = busy.iter().filter_map(|lane| lane.parse().ok()).collect();
        for change in plan.changes.iter().filter(|change| change.is_now()) {
            let is_asked = match mode {
                RunMode::PlanOnly => false,
                RunMode::Act { only, .. } => only.as_ref().is_none_or(|only| only.contains(&change.service)),
                RunMode::RequestsOnly => self.requests.adopting.as_ref() == Some(&change.address),
            };
            let lane = lane_of(change);
            let is_busy = busy.contains(&lane) || acted_on.contains(&change.address);
            if is_asked && !is_busy {
                ready.entry(lane).or_default().push(change.clone());
            }
        }
        // A re-created NPM serves nothing before it is on its networks again: its attachments come first.
        let mut first = ready.clone();
        for changes in first.values_mut() {
            changes.retain(|change| change.address.kind == Kind::Attachment && is_missing(change));
        }
        first.retain(|_, changes| !changes.is_empty());
        if first.is_empty() { ready } else { first }
    }

    /// Gives each lane its changes, and the data that they need.
    pub(crate) async fn hand_out(
        &mut self,
        ready: BTreeMap<String, Vec<Change>>,
        run: i64,
        wants: &Wants,
        desired: &DesiredManifests,
        checks: &BTreeMap<Address, Check>,
    ) {
        self.guard_loopback(desired);
        let known = desired.payloads();
        for (service, changes) in ready {
            let payloads = self.payloads(&changes, wants, &known).await;
            let tools = self.tools();
            self.cancels.insert(service.clone(), tools.cancelled.clone());
            self.under_way.insert(service.clone(), UnderWay::from_changes(&changes));
            let its = |change: &Change| Some((change.address.clone(), checks.get(&change.address)?.clone()));
            let checks = changes.iter().filter_map(its).collect();
            let secrets = changes.iter().flat_map(|change| lane::named_secrets(change, &desired.secrets)).collect();
            let job = LaneJob { service: service.clone(), run, changes, secrets, payloads, checks };
            let lane = self.lanes.spawn(lane::run_lane(job, tools));
            self.busy.insert(lane.id(), service);
        }
    }

    /// Whoever writes a Dockerfile reads by `ADD` what listens on the host's loopback: from before the first lane builds one until the
    /// last one has ended, a reader there needs a token.
    fn guard_loopback(&self, desired: &DesiredManifests) {
        let is_wanted = desired.services.values().flat_map(Service::builds).any(Build::is_of_own_dockerfile);
        let may_still_run = self.builds.of_dockerfiles.load(Ordering::SeqCst) && !self.busy.is_empty();
        self.builds.of_dockerfiles.store(is_wanted || may_still_run, Ordering::SeqCst);
    }

    /// The tools of one lane.
    pub(super) fn tools(&self) -> Tools {
        Tools {
            context: self.context.clone(),
            ledger: self.ledger.clone(),
            clock: self.clock.clone(),
            progress: self.progress.clone(),
            meters: self.meters.clone(),
            stopping: self.stopping.clone(),
            cancelled: Arc::default(),
            breakers: self.retries.breakers.clone(),
            contexts: AppContexts(self.source.apps().clone()),
        }
    }
}

/// The lane of a change: its service's, and of a pool one a machine.
fn lane_of(change: &Change) -> String {
    match machine_of(&change.address) {
        Some((pool, machine)) => machine_address(pool, machine).to_string(),
        None => change.service.clone(),
    }
}

fn is_missing(change: &Change) -> bool {
    matches!(change.verb, Verb::Create(_)) && change.because.code == ReasonCode::Missing
}
