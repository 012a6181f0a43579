//! Whose something is that is seen at a provider.

use serde::{Deserialize, Serialize};

use super::text::Text;
use crate::text;

/// Whose is it?
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Carries our mark.
    Ours,
    /// The mark is gone, but the ledger knows it by vendor id and identity.
    MarkLost,
    /// Nobody's mark.
    Foreign,
    /// A mark that says it is ours, without a signature of our key: used, never changed or deleted.
    Unverified,
    /// Another instance's mark.
    Other(String),
}

impl Owner {
    /// Whether we may change and delete it.
    pub fn is_ours(&self) -> bool {
        matches!(self, Owner::Ours | Owner::MarkLost)
    }

    /// Whose it is, of what is not ours: `belongs to the instance demo`.
    pub fn whose(&self) -> Text {
        match self {
            Owner::Other(instance) => text!("belongs to the instance {instance}", instance),
            Owner::Unverified => text!("carries a mark of ours that no key of ours signed"),
            Owner::Foreign | Owner::Ours | Owner::MarkLost => text!("is not ours"),
        }
    }
}
