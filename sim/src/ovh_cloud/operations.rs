//! Operations: what the vendor does on its own time, and how it is told.
//!
//! | status | since | what is known of the server |
//! |---|---|---|
//! | `created` | the answer | nothing |
//! | `in-progress` | the lag of [`super::CloudPace`] later | its id: that it is known before the end is a guess |
//! | `completed`, `in-error` | a step later, or with the work | its id, or none if there is no server |
//!
//! Why one failed is never said.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalogue::uuid;
use super::state::stamp;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Operation {
    pub id: String,
    pub action: String,
    pub status: String,
    pub resource: Option<String>,
    pub region: String,
    pub created: String,
    started: Option<String>,
    completed: Option<String>,
    /// Whether the id of the server is known: one that begins does not know it yet.
    knows_resource: bool,
    /// When which status is shown.
    steps: VecDeque<(i64, String)>,
}

/// Where the answer to a regional creation has the id of the server, once it is known. Clients look at both places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OperationForm {
    /// `resourceId` of the operation; it has no sub-operations.
    #[default]
    Resource,
    /// `resourceId` of the sub-operation `instance#create`; that of the operation is `null`.
    SubOperation,
}

/// When an operation begins and ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub now: i64,
    pub starts_at: i64,
    pub ends_at: i64,
}

impl Operation {
    /// One that goes on in its time.
    pub fn begun(id: &str, action: &str, region: &str, span: Span, end: &str) -> Self {
        Self {
            id: id.to_owned(),
            action: action.to_owned(),
            status: "created".to_owned(),
            resource: None,
            region: region.to_owned(),
            created: stamp(span.now),
            started: None,
            completed: None,
            knows_resource: false,
            steps: [(span.starts_at, "in-progress".to_owned()), (span.ends_at, end.to_owned())].into(),
        }
    }

    /// One that stays as it is.
    pub fn fixed(id: String, action: &str, status: &str, region: &str, now: i64) -> Self {
        let is_ended = matches!(status, "completed" | "in-error");
        Self {
            id,
            action: action.to_owned(),
            status: status.to_owned(),
            resource: None,
            region: region.to_owned(),
            created: stamp(now),
            started: (status != "created").then(|| stamp(now)),
            completed: is_ended.then(|| stamp(now)),
            knows_resource: true,
            steps: VecDeque::new(),
        }
    }

    pub fn about(self, instance: &str) -> Self {
        Self { resource: Some(instance.to_owned()), ..self }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.status.as_str(), "created" | "in-progress")
    }

    /// Shows what is due.
    pub fn settle(&mut self, now: i64) {
        while let Some((at, status)) = self.steps.pop_front_if(|(at, _)| *at <= now) {
            self.knows_resource = true;
            match status.as_str() {
                "in-progress" => self.started = Some(stamp(at)),
                _ => self.completed = Some(stamp(at)),
            }
            self.status = status;
        }
    }

    pub fn ends_at(&self) -> Option<i64> {
        self.steps.back().map(|(at, _)| *at)
    }

    pub fn json(&self, form: OperationForm) -> Value {
        let resource = self.resource.as_ref().filter(|_| self.knows_resource);
        let is_nested = form == OperationForm::SubOperation && self.action == "instance#create";
        let mut shown = json!({
            "id": self.id,
            "action": self.action,
            "status": self.status,
            "progress": if self.status == "completed" { 100 } else { 0 },
            "regions": [self.region],
            "resourceId": resource,
            "startedAt": self.started,
            "completedAt": self.completed,
        });
        let inner = is_nested.then(|| {
            let mut inner = shown.clone();
            inner["id"] = json!(uuid(&format!("sub/{}", self.id)));
            json!([inner])
        });
        if is_nested {
            shown["resourceId"] = Value::Null;
        }
        shown["createdAt"] = json!(self.created);
        shown["subOperations"] = json!(inner);
        shown
    }
}
