//! What is asked of the loop.

use std::collections::{BTreeMap, BTreeSet};

use super::actions::ActionRequest;
use super::engine::EngineSettings;
use super::reservations::PoolChange;
use crate::engine::pass_result::ConfigProblem;
use crate::ledger::runs::Event;
use crate::source::{Snapshot, SourceError};
use amarre_core::manifest::Loaded;
use amarre_core::model::base_images::FixedBase;
use amarre_core::model::power::Override;
use amarre_core::model::world::{Applied, Suspension};
use amarre_core::model::{Address, Millis};

/// The commands of the loop.
#[derive(Debug)]
pub enum LoopCommand {
    /// Run a pass now and answer with its result; acts only if the loop acts anyway.
    Pass,
    /// Answer with the result of a pass of which nothing comes, whether the loop acts or not.
    Look,
    /// Answer with the result of a pass over another revision of the source, which does not become effective.
    Preview {
        snapshot: Box<Snapshot>,
        /// Its manifests, or why they could not be read.
        loaded: Box<Result<Loaded, SourceError>>,
        /// Secrets that are not set yet, and will be by then.
        new_secrets: Vec<String>,
    },
    /// Act until everything is settled, or until the deadline.
    Apply {
        /// The number of services that may be deleted.
        confirmed_deletes: Option<usize>,
        /// Only these services; `None` = all.
        only: Option<BTreeSet<String>>,
        timeout: Millis,
    },
    /// Go on with another configuration, or report what is wrong with it.
    Reconfigure {
        /// `None` = the effective one stays.
        settings: Option<Box<EngineSettings>>,
        /// The problem to report.
        trouble: Option<ConfigProblem>,
    },
    /// Report what is wrong with the certificate of the listeners; `None`: nothing is.
    ReportListener { trouble: Option<ConfigProblem> },
    /// Suspend a service, or destroy it.
    Suspend {
        service: String,
        /// Account, reason, and whether to destroy it.
        suspension: Suspension,
    },
    /// Let a power hold in place of a manifest's rule, or the rule again.
    HoldPower {
        /// Each server, and what holds.
        holds: Vec<(Address, Option<Override>)>,
    },
    /// Change a pool: reservations, or what is known of its machines.
    ChangePool(Box<PoolChange>),
    /// Resume a service.
    Resume { service: String },
    /// Roll a service's containers back to a good manifest, and suspend the service.
    RollBack {
        service: String,
        /// The good manifest: by its generations.
        generations: String,
        /// Account and reason.
        suspension: Suspension,
    },
    /// Stop a service after its running step, and suspend it.
    Cancel {
        service: String,
        /// Account and reason.
        suspension: Suspension,
    },
    /// Forget the failures of a service.
    Retry {
        service: String,
        /// What may have been created is created again: a person looked, and there is none.
        creates_again: bool,
    },
    /// From now on a service is built from these images, by digest.
    MoveBases {
        service: String,
        /// By the name that Dockerfiles have for each.
        moved: BTreeMap<String, FixedBase>,
    },
    /// Record that an existing resource is owned.
    Adopt {
        address: Address,
        /// Its observed state, and the service that owns it.
        row: Box<Applied>,
        /// The account that asks.
        by: String,
    },
    /// Write the mark of an adopted resource, and nothing else; answers when it is written, or cannot be.
    Mark { address: Address, timeout: Millis },
    /// Perform actions, and answer when each has an outcome and its resource is ready again, or at the deadline.
    Perform { requests: Vec<ActionRequest>, timeout: Millis },
    /// Record an act in the audit log.
    Record(Box<Event>),
    /// Release a resource.
    Release {
        address: Address,
        service: String,
        /// Its id at the vendor.
        vendor_id: String,
        /// The account that asks.
        by: String,
    },
}
