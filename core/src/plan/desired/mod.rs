//! From manifests to wanted resources: which there are, with which fields, and what each needs first.

pub mod container;
pub mod mounts;
pub mod image_volumes;
pub mod subnets;
pub mod npm_reach;
pub mod host_fields;
pub mod stream;
pub mod dns_records;
pub mod certificate_orders;
pub mod certificate;
pub(super) mod joined_network;
pub mod bind_mounts;
pub mod foreign_use;
pub mod reused_names;
pub mod images;
pub mod instance;
pub mod account;
