//! What holds a change back, and what no plan may contain.

pub mod guard;
pub mod lint;
pub mod protect;
pub mod flapping;
pub mod defer;
pub mod retention;
pub mod signatures;
pub mod reused_names;
pub mod foreign_use;
