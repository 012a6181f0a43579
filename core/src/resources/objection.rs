//! What a vendor would refuse, in words. Pure.

/// Why the vendor would refuse a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Objection {
    /// Which field.
    pub field: String,
    /// Lowercase, no full stop.
    pub message: String,
}
