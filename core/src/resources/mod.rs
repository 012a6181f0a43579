//! What each family of providers holds, typed: the fields of each kind, how each field is compared, and the spelling that
//! the vendor answers with.

pub mod cloud;
pub mod dns;
pub mod docker;
pub mod npm;
pub mod ssh;
mod objection;

pub use objection::Objection;
