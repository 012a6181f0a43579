//! Real servers that behave like the vendors, bad habits included, for tests, the demo and test mode.
//!
//! Written from what was recorded of the real parts. Imports nothing of `amarre`, so that a
//! simulator cannot share the product's mistakes. Every simulator keeps a [`Journal`] of the
//! requests it answered and takes [`Faults`] to misbehave on purpose.

pub mod clock;
pub mod dns;
pub mod docker;
mod fault;
pub mod git;
mod journal;
pub mod kamatera;
mod keep;
pub mod machines;
pub mod ovh;
mod ovh_api;
pub mod ovh_cloud;
mod serve;

pub mod npm;

pub use fault::{Decide, Fault, Faults};
pub use journal::{Call, Journal, Witness};
pub use serve::{Server, serve};
