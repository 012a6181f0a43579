//! Amarre keeps services as one manifest says they should be. Modules in reading order.

pub mod model;
pub mod plan;
pub mod providers;
pub mod secret;
