//! What a test sees and sets of servers that are made, changed and deleted through the API.

use super::operations::OperationForm;
use super::quota::CloudQuota;
use super::state::{CloudCreationFailure, CloudListLack, NoCapacity};
use super::{OvhCloud, rights};

impl OvhCloud {
    /// Id and first name of each server whose creation was accepted, in this order; whoever saw the answer, and whatever has
    /// become of it. One of which only the operation fails is not among them.
    pub fn created(&self) -> Vec<(String, String)> {
        self.inner.lock().created.clone()
    }

    /// Id and last name of each server that the API deleted and that is gone, in this order.
    pub fn deleted(&self) -> Vec<(String, String)> {
        self.inner.lock().deleted.clone()
    }

    /// The next creation that is not refused goes wrong like this. Several calls are about several creations.
    pub fn fail_next_creation(&self, failure: CloudCreationFailure) {
        self.inner.lock().switches.failures.push(failure);
    }

    /// A region has no room for anything new, and the catalogue does not say so: this becomes of creations. Resizing is refused.
    /// `None`: there is room again.
    pub fn no_capacity(&self, region: &str, outcome: Option<NoCapacity>) {
        let mut state = self.inner.lock();
        match outcome {
            Some(outcome) => drop(state.switches.no_capacity.insert(region.to_owned(), outcome)),
            None => drop(state.switches.no_capacity.remove(region)),
        }
    }

    /// How much a project may have in a region. False when there is no such project.
    pub fn set_quota(&self, project: &str, region: &str, quota: CloudQuota) -> bool {
        let mut state = self.inner.lock();
        let found = state.projects.get_mut(project);
        found.map(|project| project.quotas.insert(region.to_owned(), quota)).is_some()
    }

    /// Lists do not have a server that is created from now on before so many seconds have passed; asked for by its id, it is
    /// there. That the vendor's lists are ever behind is not known. 0 at first.
    pub fn list_lags(&self, seconds: i64) {
        self.inner.lock().switches.list_lag_s = seconds;
    }

    /// What the list of servers leaves out from now on; `None`: nothing. Each server still answers by its id.
    pub fn list_lacks(&self, lack: Option<CloudListLack>) {
        self.inner.lock().switches.list_lacks = lack;
    }

    /// A snapshot that is taken from now on is listed after so many seconds. 0 at first.
    pub fn snapshots_lag(&self, seconds: i64) {
        self.inner.lock().switches.snapshot_lag_s = seconds;
    }

    /// Id and name of each snapshot of a project, listed or not, in the order of their making.
    pub fn snapshots(&self, project: &str) -> Vec<(String, String)> {
        let state = self.inner.lock();
        let rows = state.projects.get(project).into_iter().flat_map(|project| &project.snapshots);
        rows.map(|row| (row.id.clone(), row.name.clone())).collect()
    }

    /// Whether a server that was off runs once it was resized. Off at first.
    pub fn resize_starts(&self, on: bool) {
        self.inner.lock().switches.resize_starts = on;
    }

    /// So many of the next verbs are accepted, and nothing is done.
    pub fn ignore_next(&self, verbs: u32) {
        self.inner.lock().switches.idle_verbs = verbs;
    }

    /// Whether what cannot be done at all is refused with 409, as what is busy. Off at first: with 400.
    pub fn refuse_with_conflict(&self, on: bool) {
        self.inner.lock().switches.refuses_with_conflict = on;
    }

    /// A new name is shown after so many seconds: whether it is at once is not known. 0 at first.
    pub fn renames_lag(&self, seconds: i64) {
        self.inner.lock().switches.rename_lag_s = seconds;
    }

    /// For so long a server that was deleted is still shown, as DELETED: the schema has the word, and nobody says when it is
    /// seen. 0 at first.
    pub fn shows_deleted_for(&self, seconds: i64) {
        self.inner.lock().switches.deleted_s = seconds;
    }

    /// Whether DELETE of a server answers 204 without a body instead of 200 with `null`: both are seen. Off at first.
    pub fn delete_is_empty(&self, on: bool) {
        self.inner.lock().switches.delete_is_empty = on;
    }

    /// Where operations have the id of the server that they made.
    pub fn operation_form(&self, form: OperationForm) {
        self.inner.lock().switches.operation_form = form;
    }

    /// Takes the right away to read operations, of the key and of the service account, or gives it back. What
    /// [`OvhCloud::grant_only`] and [`OvhCloud::grant_actions`] undo, they undo of this, too.
    pub fn operations_readable(&self, on: bool) {
        let mut state = self.inner.lock();
        let paths: Vec<String> = state.projects.keys().map(|id| format!("/cloud/project/{id}/operation")).collect();
        state.access.denied.retain(|(_, path)| !paths.contains(path));
        if !on {
            state.access.denied.extend(paths.into_iter().map(|path| ("GET".to_owned(), path)));
        }
    }

    /// Lets key and service account do all that is simulated: at first they may only read and turn on and off. Undoes every
    /// [`OvhCloud::deny`].
    pub fn grant_managing(&self) {
        self.grant_only(&rights::MANAGING_RULES);
        self.grant_actions(&[rights::POWER_ACTIONS.as_slice(), rights::MANAGING_ACTIONS.as_slice()].concat());
    }
}
