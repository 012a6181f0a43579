//! What start, stop, reboot, shelve and unshelve do: what they refuse, and the statuses that are shown one after another.
//!
//! | verb | from | shown then |
//! |---|---|---|
//! | start | SHUTOFF | ACTIVE |
//! | stop | ACTIVE, ERROR | SHUTOFF |
//! | reboot soft | ACTIVE | REBOOT, ACTIVE |
//! | reboot hard | ACTIVE, SHUTOFF, PAUSED, SUSPENDED, ERROR | HARD_REBOOT, ACTIVE |
//! | shelve | ACTIVE, SHUTOFF, PAUSED, SUSPENDED | SHELVING, SHELVED, SHELVED_OFFLOADED |
//! | unshelve | SHELVED, SHELVED_OFFLOADED | UNSHELVING, ACTIVE; without stock ERROR, or what it was |
//!
//! From which status each may begin is OpenStack Nova's rule; that OVH hands on its refusals is a guess.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::fleet::CloudPace;
use crate::ovh_api::{Reply, bad_request, conflict};

/// What can be asked of a server's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloudVerb {
    /// `POST …/start`
    Start,
    /// `POST …/stop`
    Stop,
    /// `POST …/reboot` with `{"type": "soft"}`
    RebootSoft,
    /// `POST …/reboot` with `{"type": "hard"}`
    RebootHard,
    /// `POST …/shelve`
    Shelve,
    /// `POST …/unshelve`
    Unshelve,
}

/// What becomes of an unshelve in a region that has no room. Which of both is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoStock {
    /// The server ends in ERROR.
    EndsInError,
    /// The server is SHELVED_OFFLOADED again.
    FallsBack,
}

/// What goes on with a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    /// The word of the regional summary: not empty from the first moment.
    pub task: String,
    /// When which status is shown; the last one ends the work.
    steps: VecDeque<(i64, String)>,
}

impl Work {
    /// The last status that is due, and whether that was all.
    pub fn due(&mut self, now: i64) -> (Option<String>, bool) {
        let mut shown = None;
        while let Some((_, status)) = self.steps.pop_front_if(|(at, _)| *at <= now) {
            shown = Some(status);
        }
        (shown, self.steps.is_empty())
    }

    /// What it comes to.
    pub fn ends_in(&self) -> &str {
        self.steps.back().map_or("", |(_, status)| status)
    }

    /// When it comes to that.
    pub fn ends_at(&self) -> i64 {
        self.steps.back().map_or(0, |(at, _)| *at)
    }
}

/// What a verb needs to know of a server.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub id: &'a str,
    pub status: &'a str,
    pub work: Option<&'a Work>,
    pub is_monthly: bool,
    pub has_local_disks: bool,
    pub no_stock: Option<NoStock>,
}

impl CloudVerb {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::RebootSoft | Self::RebootHard => "reboot",
            Self::Shelve => "shelve",
            Self::Unshelve => "unshelve",
        }
    }

    fn may_begin(self, status: &str) -> bool {
        match self {
            Self::Start => status == "SHUTOFF",
            Self::Stop => matches!(status, "ACTIVE" | "ERROR"),
            Self::RebootSoft => status == "ACTIVE",
            Self::RebootHard => matches!(status, "ACTIVE" | "SHUTOFF" | "PAUSED" | "SUSPENDED" | "ERROR"),
            Self::Shelve => matches!(status, "ACTIVE" | "SHUTOFF" | "PAUSED" | "SUSPENDED"),
            Self::Unshelve => matches!(status, "SHELVED" | "SHELVED_OFFLOADED"),
        }
    }

    /// The schema's words for what goes on; it has none for shelving, so that one is guessed.
    fn task(self) -> &'static str {
        match self {
            Self::Start => "PoweringOn",
            Self::Stop => "PoweringOff",
            Self::RebootSoft => "Rebooting",
            Self::RebootHard => "RebootingHard",
            Self::Shelve => "Unknown",
            Self::Unshelve => "Spawning",
        }
    }

    fn statuses(self, no_stock: Option<NoStock>) -> &'static [&'static str] {
        match (self, no_stock) {
            (Self::Start, _) => &["ACTIVE"],
            (Self::Stop, _) => &["SHUTOFF"],
            (Self::RebootSoft, _) => &["REBOOT", "ACTIVE"],
            (Self::RebootHard, _) => &["HARD_REBOOT", "ACTIVE"],
            (Self::Shelve, _) => &["SHELVING", "SHELVED", "SHELVED_OFFLOADED"],
            (Self::Unshelve, None) => &["UNSHELVING", "ACTIVE"],
            (Self::Unshelve, Some(NoStock::EndsInError)) => &["UNSHELVING", "ERROR"],
            (Self::Unshelve, Some(NoStock::FallsBack)) => &["UNSHELVING", "SHELVED_OFFLOADED"],
        }
    }

    /// The work that the verb begins.
    pub(super) fn begin(self, subject: &Subject<'_>, pace: CloudPace, now: i64) -> Result<Work, Reply> {
        // Nova's texts.
        let refused =
            |state: &str| conflict(&format!("Cannot '{}' instance {} while it is in {state}", self.word(), subject.id));
        if let Some(work) = subject.work {
            return Err(refused(&format!("task_state {}", task_state(&work.task))));
        }
        if !self.may_begin(subject.status) {
            return Err(refused(&format!("vm_state {}", vm_state(subject.status))));
        }
        // Known: hourly servers only, and local disks are lost. That it is refused, and how, is guessed.
        if self == Self::Shelve && subject.is_monthly {
            return Err(bad_request("An instance with monthly billing cannot be shelved"));
        }
        if self == Self::Shelve && subject.has_local_disks {
            return Err(bad_request("An instance of this flavor cannot be shelved"));
        }
        let statuses = self.statuses(subject.no_stock);
        let at = |index: i64| now + pace.lag_s + pace.step_s * index;
        let steps = (0..).zip(statuses).map(|(index, status)| (at(index), (*status).to_owned()));
        Ok(Work { task: self.task().to_owned(), steps: steps.collect() })
    }
}

/// Nova's word for what the schema calls a task.
fn task_state(task: &str) -> &str {
    match task {
        "PoweringOn" => "powering-on",
        "PoweringOff" => "powering-off",
        "Rebooting" => "rebooting",
        "RebootingHard" => "rebooting_hard",
        "Spawning" => "spawning",
        _ => "shelving",
    }
}

/// Nova's word for a status.
fn vm_state(status: &str) -> String {
    match status {
        "SHUTOFF" => "stopped".to_owned(),
        "BUILD" => "building".to_owned(),
        "RESCUE" => "rescued".to_owned(),
        other => other.to_lowercase(),
    }
}
