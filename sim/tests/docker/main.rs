//! What the simulated engine promises beyond shapes: addresses, restarts, health, who reaches whom.
#![expect(clippy::unwrap_used, reason = "tests")]

mod client;
mod life;
mod networks;
mod reach;
mod storage;
