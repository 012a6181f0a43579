//! Amarre keeps services as one manifest says they should be. Modules in reading order.
//!
//! ```text
//! source ─► manifests ─► wants ─────┐
//!                                   ├─► plan ─► guard ─► execute what is `now` ─► providers ─► the world
//! providers ─► observed (+ gaps) ───┤                          │
//! ledger ─► facts ──────────────────┘                          └─► ledger, events ─► CLI · API · metrics
//! ```

pub mod templates;
pub mod error_chain;
pub mod error_pages;
pub mod words;
pub mod secret;
pub mod config;
pub mod turns;
pub mod providers;
pub mod registry;
pub mod source;
pub mod ledger;
pub mod accounts;
pub mod engine;
pub mod notifications;
pub mod server;
pub mod web;
pub mod telemetry;
pub mod cli;

/// A look makes and drops millions of small values, in which glibc's allocator spends a quarter of it (docs/benches.md).
/// What is written in C (SQLite, libgit2) keeps the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
