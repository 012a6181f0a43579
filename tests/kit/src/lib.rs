//! What tests share: worlds in memory, generated manifests, and what must hold of every plan.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a world for tests minds only what it is asked about")]

pub mod dice;
pub mod samples;
pub mod field_samples;
pub mod generate;
mod coherent;
mod coherent_container;
pub mod sites;
pub mod scene;
pub mod state;
pub mod dangers;
pub mod walk;
pub mod oracle;
