//! What the other files that a manifest names may cost: how often files are opened, how many values come of them, how many
//! bytes. Pure: work is counted, so that what is too much ends at the same place on every machine.
//!
//! Depth limits alone stop nothing: seven files that each include the next one fourteen times are a hundred million.

use std::cell::Cell;

use super::yaml::tree::{EXPANDED_BYTES_MAX, NODES_MAX};

/// Four for each of the fifty containers that a service may have.
const FILES_MAX: usize = 200;
/// What one manifest may cost.
pub(super) const FULL: Effort = Effort { files: FILES_MAX, nodes: NODES_MAX, bytes: EXPANDED_BYTES_MAX };
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

    pub const fn is_within(self, limit: Self) -> bool {
        self.files <= limit.files && self.nodes <= limit.nodes && self.bytes <= limit.bytes
    }
}

/// What one manifest may still cost.
pub(super) struct Budget {
    pub(super) limit: Effort,
    pub(super) spent: Cell<Effort>,
    pub(super) is_over: Cell<bool>,
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
