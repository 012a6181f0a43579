//! The ledger on disk: SQLite, all SQL, and the lock that makes one process its writer.

pub mod accounts;
pub mod failures;
pub mod inspect;
pub mod lock;
pub mod rollbacks;
pub mod tokens;
mod simulated;
pub mod updates;
pub mod resources;
pub mod runs;
pub mod good_manifests;
mod cache;
pub mod ownership;
mod pools;
mod power;
mod instance_log;
pub mod savings;
pub mod actions;
mod deployments;
mod builds;
pub mod login_attempts;
mod migrations;
pub mod notifications;
pub mod flapping;
pub mod certificate_orders;
mod audit_refusals;
pub mod retired_names;

pub use actions::{OpenAction, PastAction};
pub use builds::KeptBuild;
pub use deployments::{DEPLOYMENTS_KEPT, Deployment, DeploymentState, Deployments};
pub use failures::LastFailure;
pub use good_manifests::StoredManifest;
pub use instance_log::{LogKind, LogLine};
pub use lock::Lock;
pub use resources::{Intent, Ledger, StoreError, Unpublished};
pub use rollbacks::{GoodManifest, RolledBack};
