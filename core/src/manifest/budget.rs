//! What the other files that a manifest names may cost: how often files are opened, how many values come of them, how many
//! bytes. Pure: work is counted, so that what is too much ends at the same place on every machine.
//!
//! Depth limits alone stop nothing: seven files that each include the next one fourteen times are a hundred million.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::compose::delivered_files::{MountContent, Part};
use super::compose::env_file::{ValueFormat, Variable};
use super::yaml::diagnostic::Spot;
use super::yaml::reader::Scope;
use super::yaml::tree::{EXPANDED_BYTES_MAX, NODES_MAX};
use crate::model::Code;
use crate::text;

/// Four for each of the fifty containers that a service may have.
const FILES_MAX: usize = 200;
/// What one manifest may cost.
const FULL: Effort = Effort { files: FILES_MAX, nodes: NODES_MAX, bytes: EXPANDED_BYTES_MAX };
/// So many full shares have all manifests of a source together: far more than a thousand stacks as people write them need.
const FULL_SHARES: usize = 20;
/// What a manifest may cost once those are used up: ten times what a stack of five containers needs, so that a costly
/// neighbour takes nothing from it, and ten thousand of them still end.
const SMALL: Effort = Effort { files: 20, nodes: 2_000, bytes: 128 * 1024 };

/// Something that was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Effort {
    /// Files that were opened, again ones too.
    pub files: usize,
    /// Values of YAML that were copied or merged, variables, files that are delivered.
    pub nodes: usize,
    /// Of text that was read, or that came of replacing variables.
    pub bytes: usize,
}

impl Effort {
    pub const fn nodes(nodes: usize) -> Self {
        Self { files: 0, nodes, bytes: 0 }
    }

    pub const fn bytes(bytes: usize) -> Self {
        Self { files: 0, nodes: 0, bytes }
    }

    pub const fn and(self, other: Self) -> Self {
        Self {
            files: self.files.saturating_add(other.files),
            nodes: self.nodes.saturating_add(other.nodes),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    const fn is_within(self, limit: Self) -> bool {
        self.files <= limit.files && self.nodes <= limit.nodes && self.bytes <= limit.bytes
    }
}

/// What one manifest may still cost.
pub(super) struct Budget {
    limit: Effort,
    spent: Cell<Effort>,
    is_over: Cell<bool>,
}

impl Budget {
    /// For a manifest that is read after others that cost so much.
    pub fn after(others: Effort) -> Self {
        let all = Effort {
            files: FULL.files * FULL_SHARES,
            nodes: FULL.nodes * FULL_SHARES,
            bytes: FULL.bytes * FULL_SHARES,
        };
        let limit = if others.is_within(all) { FULL } else { SMALL };
        Self { limit, spent: Cell::default(), is_over: Cell::default() }
    }

    /// All that was done, what was too much included.
    pub fn spent(&self) -> Effort {
        self.spent.get()
    }
}

/// Variables by the number of their file and how they are written.
type KnownVariables = BTreeMap<(u16, ValueFormat), Rc<Vec<Variable>>>;

/// What was opened for one manifest: each file is parsed once, however often it is named.
pub(super) struct OpenedFiles {
    pub budget: Budget,
    /// Files of variables that say the same wherever they are named.
    pub variables: RefCell<KnownVariables>,
    /// What configs and secrets hold.
    pub given: RefCell<BTreeMap<(Part, String), MountContent>>,
}

impl OpenedFiles {
    pub fn after(others: Effort) -> Self {
        Self { budget: Budget::after(others), variables: RefCell::default(), given: RefCell::default() }
    }
}

impl Scope<'_> {
    /// Counts work; `false`: it is too much, which is reported once, at the place that led to it. Then nothing more is done.
    pub fn spend(&self, work: Effort, spot: Spot) -> bool {
        let budget = &self.opened.budget;
        if budget.is_over.get() {
            return false;
        }
        let spent = budget.spent.get().and(work);
        budget.spent.set(spent);
        if spent.is_within(budget.limit) {
            return true;
        }
        budget.is_over.set(true);
        let limit = budget.limit;
        let (code, message, hint) = if spent.files > limit.files {
            let most = limit.files;
            let message = text!("the files that this manifest names are opened more than {most} times", most);
            let hint = text!("what is included again counts again: include each file once, or divide the service");
            (Code::A0180, message, hint)
        } else if spent.nodes > limit.nodes {
            let message = text!("the files that this manifest names hold more than {most} values", most = limit.nodes);
            let hint = text!("what is included or extended counts each time: take less of it, or divide the service");
            (Code::A0181, message, hint)
        } else {
            let kib = (limit.bytes / 1024).to_string();
            let message = text!("the files that this manifest names come to more than {kib} KiB", kib);
            let hint = text!("what is read again counts again: give each container a file with what it needs");
            (Code::A0182, message, hint)
        };
        let is_shared = limit != FULL;
        let hint = if is_shared {
            text!("all manifests together cost too much; name fewer files, or divide the source")
        } else {
            hint
        };
        self.error_hint(code, spot, message, hint);
        false
    }

    /// Whether there was too much work; what follows from that needs no words.
    pub fn is_over_budget(&self) -> bool {
        self.opened.budget.is_over.get()
    }
}
