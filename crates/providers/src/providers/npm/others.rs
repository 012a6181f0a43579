//! Notices that others write at the same NPM: rows that changed between two looks, and not by us. Who it was, NPM's
//! audit log tells administrators.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{MutexGuard, PoisonError};

use super::NpmProvider;
use super::api::Me;
use super::observe::Inventory;
use super::sections::Section;
use super::watch::StateHash;
use crate::providers::Outcome;
use amarre_core::model::{Change, Expect, words};

/// A row: its section, and its id.
type RowKey = (Section, String);

/// The hosts as the last look found them.
#[derive(Debug, Default)]
pub struct RowsSeen {
    /// Each with what tells one state of it from another; `None`: no look was made yet.
    last: Option<BTreeMap<RowKey, u64>>,
    /// What we have written since.
    ours: BTreeSet<RowKey>,
    /// A write of ours of which no row is known: any may be its.
    has_doubt: bool,
    /// What was found, and not told yet.
    untold: Option<OtherWrites>,
    /// What was found last.
    latest: Option<OtherWrites>,
}

/// Others' writes between two looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherWrites {
    rows: usize,
    by: Option<String>,
}

impl fmt::Display for OtherWrites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.rows == 1 { "" } else { "s" };
        write!(f, "{} host{plural} changed", self.rows)?;
        self.by.as_ref().map_or(Ok(()), |by| write!(f, ", by {by}"))
    }
}

impl NpmProvider {
    /// Notes which row a change of ours has written, or may have.
    pub(super) fn note_written(&self, change: &Change, outcome: Option<&Outcome>) {
        let Some(section) = Section::of_kind(change.address.kind) else { return };
        let mut rows = self.rows_seen();
        if !section.has_hosts() {
            // An order and a list are written into hosts as well.
            rows.has_doubt = true;
            return;
        }
        let expected = match &change.expects {
            Expect::Unchanged { vendor_id, .. } => Some(vendor_id.clone()),
            Expect::Absent => None,
        };
        let known = outcome.map(|outcome| outcome.vendor_id.clone()).filter(|id| !id.is_empty());
        rows.has_doubt |= known.is_none() && expected.is_none();
        rows.ours.extend(known.into_iter().chain(expected).map(|id| (section, id)));
    }

    /// Compares what a look has read with what the look before read.
    pub(super) async fn compare_rows(&self, inventory: &Inventory) {
        let all = inventory.hosts.iter().flat_map(|(section, rows)| rows.iter().map(|row| (*section, row)));
        let states = all.map(|(section, row)| {
            let mut state = StateHash::default();
            state.add(row);
            ((section, row.id.to_string()), state.finish())
        });
        let states: BTreeMap<RowKey, u64> = states.collect();
        let changed = {
            let mut rows = self.rows_seen();
            let (ours, has_doubt) = (std::mem::take(&mut rows.ours), std::mem::take(&mut rows.has_doubt));
            let last = rows.last.replace(states.clone()).filter(|_| !has_doubt);
            last.map_or(0, |last| {
                let keys: BTreeSet<&RowKey> = last.keys().chain(states.keys()).collect();
                let is_read = |key: &RowKey| inventory.hosts.contains_key(&key.0);
                keys.into_iter()
                    .filter(|key| !ours.contains(key) && is_read(key) && last.get(key) != states.get(key))
                    .count()
            })
        };
        if changed > 0 {
            let others = OtherWrites { rows: changed, by: self.last_other_writer().await };
            let mut rows = self.rows_seen();
            (rows.untold, rows.latest) = (Some(others.clone()), Some(others));
        }
    }

    /// Whose entry is the latest in the audit log that is not ours; `None` also where our account may not read it.
    pub(super) async fn last_other_writer(&self) -> Option<String> {
        let me = self.account().filter(Me::is_admin)?;
        let rows = self.api.audit_log().await.ok()?;
        let theirs = rows.iter().filter(|row| row.user_id != me.id);
        let latest = theirs.max_by(|one, other| one.created_on.cmp(&other.created_on))?;
        latest.user.as_ref().map(|user| words::said(&user.email))
    }

    /// What others have written since this was asked last.
    pub(super) fn others_since_last_told(&self) -> Option<String> {
        self.rows_seen().untold.take().map(|others| others.to_string())
    }

    /// What was noticed last.
    pub(super) fn latest_others(&self) -> Option<OtherWrites> {
        self.rows_seen().latest.clone()
    }

    fn rows_seen(&self) -> MutexGuard<'_, RowsSeen> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
