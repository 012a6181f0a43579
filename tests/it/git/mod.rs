//! A git repository as the source: real servers on loopback, everything else simulated.

mod fetch;
mod write;
mod whole;
