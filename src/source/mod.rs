//! Where manifests come from.

pub mod folder;

pub use folder::{Folder, Snapshot, SourceError};
