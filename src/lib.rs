//! Amarre keeps services as one manifest says they should be. Modules in reading order.

pub mod config;
pub mod model;
pub mod plan;
pub mod providers;
pub mod secret;
pub mod store;
