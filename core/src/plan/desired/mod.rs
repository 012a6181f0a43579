//! From manifests to wanted resources: which there are, with which fields, and what each needs first.

pub mod expand;
pub mod container;
pub mod mounts;
pub mod image_volumes;
pub mod subnets;
pub mod dns_names;
pub mod npm_reach;
pub mod host_fields;
pub mod stream;
pub mod certificate;
pub mod job;
pub(super) mod joined_network;
pub mod bind_mounts;
pub mod foreign_use;
pub mod reused_names;
pub mod images;
pub mod restart_policy;
pub mod instance;
pub mod account;
