//! The simulated Public Cloud over plain signed HTTP.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod access;
mod change;
mod create;
mod delete;
mod faults;
mod fleet;
mod power;
mod reads;
mod regional;
mod support;
