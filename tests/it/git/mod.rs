//! A git repository as the source: real servers on loopback, everything else simulated.

pub mod fetch;
mod write;
mod whole;
mod rewritten;
mod fair;
