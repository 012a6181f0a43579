//! The simulated Kamatera over plain HTTP, with most of the traps that its clients report.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod create;
mod disks;
mod doors;
mod fleet;
mod power;
mod queue;
mod reads;
mod support;
mod terminate;
