//! Progress of lanes, as it is broadcast while they work.

use amarre_core::model::{Action, Change, Millis, Timestamp};

/// A listener that lags behind by more progress messages loses the oldest.
pub(crate) const PROGRESS_KEPT: usize = 1024;

/// Progress of a lane.
#[derive(Debug, Clone)]
pub struct Progress {
    pub at: Timestamp,
    pub step: LaneStep,
    pub state: ProgressState,
    /// The error of a failed change; else the progress or the amount, if known.
    pub text: String,
    /// How long it took.
    pub took: Millis,
}

/// One step of a lane.
#[derive(Debug, Clone)]
pub enum LaneStep {
    /// A change of a plan.
    Change(Box<Change>),
    /// An action of a person.
    Action(Action),
}

impl LaneStep {
    /// The service; empty for a resource without one.
    pub fn service(&self) -> &str {
        match self {
            LaneStep::Change(change) => &change.service,
            LaneStep::Action(action) => &action.service,
        }
    }
}

/// How far a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressState {
    /// The call leaves.
    Begun,
    /// The change is done.
    Done,
    /// The change failed.
    Failed,
}
