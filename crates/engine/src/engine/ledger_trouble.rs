//! Why the ledger cannot be used: what failed, and what to do. A full disk comes first: it explains the rest.

use crate::ledger::{Ledger, StoreError};
use amarre_core::model::Text;
use amarre_core::text;

/// Why the ledger cannot be used, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerTrouble {
    /// What failed.
    pub message: String,
    /// What to do.
    pub hint: Text,
}

impl LedgerTrouble {
    /// Of a read or a write that has just failed.
    pub fn new(ledger: &Ledger, error: &StoreError) -> Self {
        let hint = ledger.full_disk().map(|room| Text::foreign(room.hint()));
        let hint = hint.unwrap_or_else(|| text!("is the disk full? what runs goes on running"));
        Self { message: ledger.failure_text(error), hint }
    }
}
