//! From wanted and observed resources to changes: the verdict for each address, the fields that differ, and why.

pub mod decide;
pub mod engine_spelling;
pub mod reason;
pub mod provenance;
pub mod exposure;
pub mod ordering;
pub mod refusals;
mod ways_out;
