//! What is counted while the loop goes round, for `/metrics`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::engine::Picture;
use crate::engine::report::status;
use amarre_core::model::{Address, Change, Kind, Millis, Readiness};

/// As Prometheus has them.
pub type Labels = Vec<(String, String)>;

/// Several histograms, told apart by labels.
pub type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// Counts and times.
#[derive(Debug)]
pub struct Meters {
    /// Looks, by `result`.
    pub reconciles: Family<Labels, Counter>,
    /// How long they took, by `phase`.
    pub phases: Histograms,
    /// Changes, by `kind`, `action`, `result`.
    pub changes: Family<Labels, Counter>,
    /// What somebody else was found to have changed, by `kind`.
    pub drifts: Family<Labels, Counter>,
    /// Plans that were held, by `code`.
    pub guards: Family<Labels, Counter>,
    /// How often the source's server was asked, by `result`.
    pub fetches: Family<Labels, Counter>,
    /// How long that took.
    pub fetching: Histogram,
    /// When everything could be seen last, milliseconds since 1970; 0: not yet.
    pub last_success: AtomicI64,
    /// How long records took from being written to being answered everywhere.
    pub propagations: Histogram,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            reconciles: Family::default(),
            phases: Family::new_with_constructor(short),
            changes: Family::default(),
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
    /// A part of a look took so long.
    pub fn phase(&self, phase: &str, took: Millis) {
        self.phases.get_or_create(&labels(&[("phase", phase)])).observe(seconds(took));
    }

    /// A look, or the run that it was part of, ended so.
    pub fn reconciled(&self, result: &str) {
        self.reconciles.get_or_create(&labels(&[("result", result)])).inc();
    }

    /// A change was made, or was not.
    pub fn changed(&self, change: &Change, result: &str) {
        let (kind, action) = (change.address.kind.word(), change.action());
        self.changes.get_or_create(&labels(&[("kind", kind), ("action", action), ("result", result)])).inc();
    }

    /// What is new since the look before.
    pub fn compare(&self, before: &Picture, now: &Picture) {
        if now.is_whole() {
            self.last_success.store(now.at.0, Ordering::Relaxed);
        }
        let drifted = |picture: &Picture| -> BTreeSet<Address> {
            let drifts = picture.plan.changes.iter().filter(|change| status::is_drift(change));
            drifts.map(|change| change.address.clone()).collect()
        };
        for address in drifted(now).difference(&drifted(before)) {
            self.drifts.get_or_create(&labels(&[("kind", address.kind.word())])).inc();
        }
        if let Some(guard) = now.plan.guard.as_ref().filter(|_| before.plan.guard.is_none()) {
            self.guards.get_or_create(&labels(&[("code", &guard.code)])).inc();
        }
        for (address, seen) in now.world.seen.iter().filter(|(address, _)| address.kind == Kind::Record) {
            let was = before.world.seen.get(address).map(|was| &was.ready);
            if let (Some(Readiness::NotYet { since, .. }), Readiness::Ready) = (was, &seen.ready) {
                self.propagations.observe(seconds(now.at - *since));
            }
        }
    }
}
