//! What can be asked of a server that is there: what each verb refuses, and the statuses that are shown one after another.
//!
//! | verb | from | shown then |
//! |---|---|---|
//! | start | SHUTOFF | ACTIVE |
//! | stop | ACTIVE, ERROR | SHUTOFF |
//! | reboot soft | ACTIVE | REBOOT, ACTIVE |
//! | reboot hard | ACTIVE, SHUTOFF, PAUSED, SUSPENDED, ERROR | HARD_REBOOT, ACTIVE |
//! | shelve | ACTIVE, SHUTOFF, PAUSED, SUSPENDED | SHELVING, SHELVED, SHELVED_OFFLOADED |
//! | unshelve | SHELVED, SHELVED_OFFLOADED | UNSHELVING, ACTIVE; without stock ERROR, or what it was |
//! | resize | ACTIVE, SHUTOFF | RESIZE, VERIFY_RESIZE, what it was |
//! | reinstall | ACTIVE, SHUTOFF, ERROR | REBUILD, then SHUTOFF if it was so, else ACTIVE |
//! | snapshot | ACTIVE, SHUTOFF, PAUSED, SUSPENDED | SNAPSHOTTING, what it was |
//! | delete | any, busy or not | DELETING, DELETED, gone |
//!
//! From which status each may begin is OpenStack Nova's rule; that OVH hands on its refusals is a guess. Creating, renaming and
//! the change to monthly billing begin in any status and show none of their own.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::fleet::{CloudImage, CloudPace};
use crate::ovh_api::{Reply, bad_request, conflict};

/// What the account was asked for and accepted.
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
    /// `POST …/instance`, or `POST …/region/{region}/instance`
    Create,
    /// `DELETE …/instance/{id}`
    Delete,
    /// `PUT …/instance/{id}`
    Rename,
    /// `POST …/resize`
    Resize,
    /// `POST …/reinstall`
    Reinstall,
    /// `POST …/snapshot`
    Snapshot,
    /// `POST …/activeMonthlyBilling`
    BillMonthly,
    /// `DELETE …/snapshot/{id}`
    DeleteSnapshot,
    /// `POST …/sshkey`
    CreateKey,
    /// `DELETE …/sshkey/{id}`
    DeleteKey,
}

/// What becomes of an unshelve in a region that has no room. Which of both is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoStock {
    /// The server ends in ERROR.
    EndsInError,
    /// The server is SHELVED_OFFLOADED again.
    FallsBack,
    /// It is refused at once, with Nova's words.
    Refused,
}

/// What goes on with a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    /// The word of the regional summary: not empty from the first moment.
    pub task: String,
    /// When which status is shown; the last one ends the work.
    steps: VecDeque<(i64, String)>,
    /// What has become of the server then, beside its status.
    #[serde(default)]
    pub change: Option<WorkChange>,
}

/// What is different once a work is over. Files that an older version kept have none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum WorkChange {
    /// It has its addresses: a public one unless this is empty, and a private one.
    Addresses(String, Option<String>),
    /// It has this flavour.
    Flavor(String),
    /// It was installed anew from this.
    Image(CloudImage),
    /// It is no more.
    Gone,
}

impl Work {
    /// A server that is being made shows BUILD until this moment, then the status.
    pub fn building(until: i64, status: &str, change: Option<WorkChange>) -> Self {
        Self { task: "Spawning".to_owned(), steps: [(until, status.to_owned())].into(), change }
    }

    pub fn is_deletion(&self) -> bool {
        self.change == Some(WorkChange::Gone)
    }

    /// The last status that is due, and whether that was all.
    pub fn due(&mut self, now: i64) -> (Option<String>, bool) {
        let mut shown = None;
        while let Some((_, status)) = self.steps.pop_front_if(|(at, _)| *at <= now) {
            shown = Some(status);
        }
        (shown, self.steps.is_empty())
    }

    /// It comes to this status.
    pub fn ends_with(&mut self, status: &str) {
        if let Some((_, last)) = self.steps.back_mut() {
            status.clone_into(last);
        }
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
    pub refuses_with_conflict: bool,
    pub no_stock: Option<NoStock>,
}

/// How long the works take that begin now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub now: i64,
    pub pace: CloudPace,
    /// For so long a deleted server is shown as DELETED.
    pub deleted_s: i64,
}

impl CloudVerb {
    /// Nova's name of the action, which its refusals have.
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::RebootSoft | Self::RebootHard => "reboot",
            Self::Shelve => "shelve",
            Self::Unshelve => "unshelve",
            Self::Resize => "resize",
            Self::Reinstall => "rebuild",
            Self::Snapshot => "createImage",
            Self::Delete => "delete",
            Self::Create | Self::Rename | Self::BillMonthly => "update",
            Self::DeleteSnapshot | Self::CreateKey | Self::DeleteKey => "none",
        }
    }

    fn may_begin(self, status: &str) -> bool {
        match self {
            Self::Start => status == "SHUTOFF",
            Self::Stop => matches!(status, "ACTIVE" | "ERROR"),
            Self::RebootSoft => status == "ACTIVE",
            Self::RebootHard => matches!(status, "ACTIVE" | "SHUTOFF" | "PAUSED" | "SUSPENDED" | "ERROR"),
            Self::Shelve | Self::Snapshot => matches!(status, "ACTIVE" | "SHUTOFF" | "PAUSED" | "SUSPENDED"),
            Self::Unshelve => matches!(status, "SHELVED" | "SHELVED_OFFLOADED"),
            Self::Resize => matches!(status, "ACTIVE" | "SHUTOFF"),
            Self::Reinstall => matches!(status, "ACTIVE" | "SHUTOFF" | "ERROR"),
            Self::Delete | Self::Create | Self::Rename | Self::BillMonthly => true,
            // Not about a server.
            Self::DeleteSnapshot | Self::CreateKey | Self::DeleteKey => true,
        }
    }

    /// The schema's words for what goes on; it has none for shelving, so that one is guessed.
    fn task(self) -> &'static str {
        match self {
            Self::Start => "PoweringOn",
            Self::Stop => "PoweringOff",
            Self::RebootSoft => "Rebooting",
            Self::RebootHard => "RebootingHard",
            Self::Unshelve | Self::Create => "Spawning",
            Self::Delete => "Deleting",
            Self::Resize => "ResizePrep",
            Self::Reinstall => "Rebuilding",
            Self::Snapshot => "ImageSnapshot",
            Self::Shelve | Self::Rename | Self::BillMonthly => "Unknown",
            Self::DeleteSnapshot | Self::CreateKey | Self::DeleteKey => "Unknown",
        }
    }

    fn statuses(self, was: &str, no_stock: Option<NoStock>) -> Vec<&str> {
        match (self, no_stock) {
            (Self::Start, _) => vec!["ACTIVE"],
            (Self::Stop, _) => vec!["SHUTOFF"],
            (Self::RebootSoft, _) => vec!["REBOOT", "ACTIVE"],
            (Self::RebootHard, _) => vec!["HARD_REBOOT", "ACTIVE"],
            (Self::Shelve, _) => vec!["SHELVING", "SHELVED", "SHELVED_OFFLOADED"],
            (Self::Unshelve, None) => vec!["UNSHELVING", "ACTIVE"],
            (Self::Unshelve, Some(NoStock::EndsInError)) => vec!["UNSHELVING", "ERROR"],
            (Self::Unshelve, Some(NoStock::FallsBack | NoStock::Refused)) => vec!["UNSHELVING", "SHELVED_OFFLOADED"],
            (Self::Resize, _) => vec!["RESIZE", "VERIFY_RESIZE", was],
            (Self::Reinstall, _) => vec!["REBUILD", if was == "SHUTOFF" { was } else { "ACTIVE" }],
            (Self::Snapshot, _) => vec!["SNAPSHOTTING", was],
            (Self::Delete, _) => vec!["DELETING", "DELETED"],
            (Self::Create | Self::Rename | Self::BillMonthly, _) => vec![was],
            (Self::DeleteSnapshot | Self::CreateKey | Self::DeleteKey, _) => vec![was],
        }
    }

    /// What the list of operations calls it. That the flat routes leave operations of these three, and no others, is guessed.
    pub(super) fn operation(self) -> Option<&'static str> {
        match self {
            Self::Delete => Some("instance#delete"),
            Self::Reinstall => Some("instance#reinstall"),
            Self::Snapshot => Some("instance#snapshot"),
            Self::Start | Self::Stop | Self::RebootSoft | Self::RebootHard | Self::Shelve | Self::Unshelve => None,
            Self::Create | Self::Rename | Self::Resize | Self::BillMonthly => None,
            Self::DeleteSnapshot | Self::CreateKey | Self::DeleteKey => None,
        }
    }

    /// The work that the verb begins.
    pub(super) fn begin(self, subject: &Subject<'_>, schedule: Schedule) -> Result<Work, Reply> {
        // Nova's texts.
        let refused =
            |state: &str| conflict(&format!("Cannot '{}' instance {} while it is in {state}", self.word(), subject.id));
        let busy = subject.work.filter(|_| self != Self::Delete);
        if let Some(work) = busy {
            return Err(refused(&format!("task_state {}", task_state(&work.task))));
        }
        if !self.may_begin(subject.status) {
            return Err(refused(&format!("vm_state {}", vm_state(subject.status))));
        }
        if self == Self::Unshelve && subject.no_stock == Some(NoStock::Refused) {
            return Err(conflict("No valid host was found. There are not enough hosts available."));
        }
        // Known: hourly servers only. That it is refused, and how, is guessed. Local disks are lost, without a word.
        if self == Self::Shelve && subject.is_monthly {
            let why = "An instance with monthly billing cannot be shelved";
            return Err(if subject.refuses_with_conflict { conflict(why) } else { bad_request(why) });
        }
        let Schedule { now, pace, deleted_s } = schedule;
        let statuses = self.statuses(subject.status, subject.no_stock);
        let at = |index: i64| now + pace.lag_s + pace.step_s * index;
        let mut steps: VecDeque<(i64, String)> =
            (0..).zip(statuses).map(|(index, status)| (at(index), status.to_owned())).collect();
        if let Some((last, status)) = steps.back().cloned().filter(|_| self == Self::Delete && deleted_s > 0) {
            steps.push_back((last + deleted_s, status));
        }
        Ok(Work { task: self.task().to_owned(), steps, change: None })
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
        "Deleting" => "deleting",
        "ResizePrep" => "resize_prep",
        "Rebuilding" => "rebuilding",
        "ImageSnapshot" => "image_snapshot",
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
