//! The only place where effects are ordered: passes, lanes, wake-ups.
//!
//! A pass (`reconcile/pass.rs`) never waits for the world to change; it does what can be done now and says when the next one is due.

mod backoff;
pub mod pass_result;
pub mod progress;
pub mod report;
pub mod ledger_trouble;
pub mod reconcile;
pub mod commands;

pub use pass_result::{ConfigProblem, Context, DeadEnd, PassInput, PassResult, ServiceError, Stage};
pub use progress::{LaneStep, Progress, ProgressState};
pub use reconcile::clock::{Clock, ShiftedClock, SystemClock};
pub use reconcile::engine::{Engine, EngineParts, EngineSettings, RunMode, SecretFinder};
pub use report::pass_view::PassView;
