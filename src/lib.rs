//! Amarre keeps services as one manifest says they should be. Modules in reading order.
//!
//! ```text
//! source ─► manifests ─► wants ─────┐
//!                                   ├─► plan ─► guard ─► execute what is `now` ─► providers ─► the world
//! providers ─► observed (+ gaps) ───┤                          │
//! ledger ─► facts ──────────────────┘                          └─► ledger, events ─► CLI · API · metrics
//! ```

pub use amarre_base::{error_chain, secret, terminal, turns, words};
pub use amarre_engine::{engine, notifications};
pub use amarre_http::{error_pages, server, templates, web};
pub use amarre_providers::{providers, source};
pub use amarre_store::{accounts, ledger};

pub mod config;
pub mod registry;
pub mod telemetry;
pub mod cli;

/// A look makes and drops millions of small values, in which glibc's allocator spends a quarter of it (docs/benches.md).
/// What is written in C (SQLite, libgit2) keeps the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
