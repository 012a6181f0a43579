//! What Amarre decides: which resources the manifests want, how they differ from what is there, and what may be done
//! now. Functions from values to values: no I/O, no runtime, no clock, no log. Modules in reading order.
//!
//! ```text
//! manifests ─► services ─► wanted ──┐
//!                                   ├─► plan, each change with its gate ─► guard ─► lint
//! observed (+ gaps), ledger's facts ┘
//! ```

pub mod model;
pub mod resources;
pub mod apps;
pub mod manifest;
pub mod plan;
pub mod turns;
