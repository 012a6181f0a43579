//! Counters of the loop, for `/metrics`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::engine::report::pass_view::PassView;
use crate::engine::report::status;
use crate::ledger::{Deployment, DeploymentState};
use amarre_core::model::{Action, Address, Change, Kind, Millis, Readiness, Timestamp};

/// As Prometheus has them.
pub type Labels = Vec<(String, String)>;

/// Several histograms that differ in their labels.
pub type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// All counters and histograms.
#[derive(Debug)]
pub struct Meters {
    /// Passes, by `result`.
    pub reconciles: Family<Labels, Counter>,
    /// Durations of passes, by `phase`.
    pub phases: Histograms,
    /// Changes, by `kind`, `action`, `result`.
    pub changes: Family<Labels, Counter>,
    /// Actions on servers at clouds that people asked for, by `action`, `result`.
    pub actions: Family<Labels, Counter>,
    /// How long those took until the vendor had answered.
    pub acting: Histograms,
    /// What timetables saved since this process began, by `cloud`, `id`, `instance`, `currency`.
    pub saved: Family<Labels, Counter<f64, AtomicU64>>,
    /// Deployments of apps that ran or failed, by `app`, `result`.
    pub deployments: Family<Labels, Counter>,
    /// How long images took to be built.
    pub builds: Histogram,
    /// Drifted fields, by `kind`.
    pub drifts: Family<Labels, Counter>,
    /// Held plans, by `code`.
    pub guards: Family<Labels, Counter>,
    /// Requests to the source's server, by `result`.
    pub fetches: Family<Labels, Counter>,
    /// Durations of those requests.
    pub fetching: Histogram,
    /// When everything could last be observed, milliseconds since 1970; 0: not yet.
    pub last_success: AtomicI64,
    /// How long records took from the write until every server answered with them.
    pub propagations: Histogram,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            reconciles: Family::default(),
            phases: Family::new_with_constructor(short),
            changes: Family::default(),
            actions: Family::default(),
            acting: Family::new_with_constructor(short),
            saved: Family::default(),
            deployments: Family::default(),
            // From a second to more than an hour.
            builds: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
            drifts: Family::default(),
            guards: Family::default(),
            fetches: Family::default(),
            fetching: short(),
            last_success: AtomicI64::new(0),
            // From a second to a bit more than half an hour.
            propagations: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
        }
    }
}

pub use crate::providers::http::short;

/// Labels from pairs.
pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Seconds.
pub fn seconds(span: Millis) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a process's life fit")]
    let span = span.0.max(0) as f64;
    span / 1000.0
}

impl Meters {
    /// Records the duration of a part of a pass.
    pub fn phase(&self, phase: &str, took: Millis) {
        self.phases.get_or_create(&labels(&[("phase", phase)])).observe(seconds(took));
    }

    /// Records the result of a pass, or of its run.
    pub fn reconciled(&self, result: &str) {
        self.reconciles.get_or_create(&labels(&[("result", result)])).inc();
    }

    /// Records a change, done or failed.
    pub fn changed(&self, change: &Change, result: &str) {
        let (kind, action) = (change.address.kind.word(), change.action());
        self.changes.get_or_create(&labels(&[("kind", kind), ("action", action), ("result", result)])).inc();
    }

    /// Records an action on a server at a cloud, done or not.
    pub fn acted(&self, action: &Action, result: &str, now: Timestamp) {
        if action.address.kind.is_instance() {
            self.actions.get_or_create(&labels(&[("action", &action.word), ("result", result)])).inc();
            self.acting.get_or_create(&labels(&[("action", &action.word)])).observe(seconds(now - action.at));
        }
    }

    /// Counts a deployment that has come further.
    pub fn deployed(&self, before: Option<&Deployment>, now: &Deployment) {
        if let Some(took) = now.build_time(now.began).filter(|_| now.build_ended.is_some())
            && before.is_some_and(|before| before.state == DeploymentState::Provisioning)
        {
            self.builds.observe(seconds(took));
        }
        let is_first = now.state == DeploymentState::Running && before.is_none_or(|before| before.ran.is_none());
        if is_first || now.state == DeploymentState::Failed {
            let result = if is_first { "ran" } else { "failed" };
            self.deployments.get_or_create(&labels(&[("app", &now.app), ("result", result)])).inc();
        }
    }

    /// Counts what a timetable saved, in 10⁻⁸ of its currency.
    pub fn saved(&self, pairs: &[(&str, &str)], amount: i64) {
        #[expect(clippy::cast_precision_loss, reason = "an amount of money is far below 2^53")]
        self.saved.get_or_create(&labels(pairs)).inc_by(amount as f64 / 1e8);
    }

    /// Counts what is new since the previous pass.
    pub fn compare(&self, before: &PassView, now: &PassView) {
        if now.is_whole() {
            self.last_success.store(now.at.0, Ordering::Relaxed);
        }
        let drifted = |pass: &PassView| -> BTreeSet<Address> {
            let drifts = pass.plan.changes.iter().filter(|change| status::is_drift(change));
            drifts.map(|change| change.address.clone()).collect()
        };
        for address in drifted(now).difference(&drifted(before)) {
            self.drifts.get_or_create(&labels(&[("kind", address.kind.word())])).inc();
        }
        if let Some(guard) = now.plan.guard.as_ref().filter(|_| before.plan.guard.is_none()) {
            self.guards.get_or_create(&labels(&[("code", guard.code.as_str())])).inc();
        }
        for (address, seen) in now.world.seen.iter().filter(|(address, _)| address.kind == Kind::Record) {
            let was = before.world.seen.get(address).map(|was| &was.ready);
            if let (Some(Readiness::NotYet { since, .. }), Readiness::Ready) = (was, &seen.ready) {
                self.propagations.observe(seconds(now.at - *since));
            }
        }
    }
}
