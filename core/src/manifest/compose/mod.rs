//! Compose files and the container keys that Amarre shares with them: from text with variables, `include` and `extends`
//! to containers, networks and volumes.

pub(super) mod unquoted;
pub(super) mod build;
pub(super) mod container;
pub(super) mod mounts;
pub(super) mod composite_keys;
pub(super) mod settings;
pub(super) mod deploy;
pub(super) mod delivered_files;
pub(super) mod env_file;
pub(super) mod interpolate;
pub(super) mod merge;
pub(super) mod project;
pub(super) mod stack;
pub(super) mod links;
pub(super) mod networks;
pub(super) mod own_network;
pub(super) mod file_names;
pub(super) mod unsupported;
pub(crate) mod container_schema;
pub(crate) mod rights;
pub(crate) mod dependencies;
